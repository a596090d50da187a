"""The backup of docs/operating.md, run as it stands there on a server under load, and restored.

It must never import ``customary``: an operator has the page and the program, and nothing else.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.load import Load
from serving import ROOT, Server, Tenancy, make_tenancy, serving

_BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "operating.md").read_text("utf-8"), re.DOTALL)


@pytest.fixture
def running(command: Path, tmp_path: Path) -> Iterator[Tenancy]:
    """A tenant of a server that nobody else uses."""
    with serving(command, tmp_path / "running") as server:
        yield make_tenancy(server)


def _backed_up(server: Server, target: Path) -> None:
    """Run the page's program with the Python of the installation."""
    (program,) = _BLOCKS
    script = target.with_suffix(".py")
    script.write_text(program)
    python = server.command.parent / "python"
    subprocess.run([python, script, server.folder / "store", target], check=True, timeout=60)


def _restored(server: Server, folder: Path, store: Path, keys: Path) -> Server:
    """Return a server, not yet started, on the databases of backups and the root key as it was."""
    (folder / "store").mkdir(mode=0o700, parents=True)
    shutil.copy(store / "customary.db", folder / "store")
    shutil.copy(keys / "keys.db", folder / "store")
    shutil.copy(server.folder / "store" / "root.key", folder / "store")
    return Server(server.command, folder)


def test_a_backup_of_a_busy_server_opens_with_everything_that_was_acknowledged(
    running: Tenancy, tmp_path: Path
) -> None:
    """Each of three copies made under load holds every customer of before; the next key fits; it is sound."""
    server = running.server
    known: list[set[str]] = []
    with Load(running) as load:
        for number in range(3):
            load.wait_for(len(load.acknowledged) + 100)
            known.append(set(load.acknowledged))
            _backed_up(server, tmp_path / f"copy-{number}")
    assert load.refused == []
    for number, expected in enumerate(known):
        copy = tmp_path / f"copy-{number}"
        assert {path.name: oct(path.stat().st_mode)[-3:] for path in copy.iterdir()} == {
            "customary.db": "600",
            "keys.db": "600",
        }
        back = _restored(server, tmp_path / f"restored-{number}", copy, copy)
        doctor = back.run("doctor")
        assert doctor.returncode == 0, doctor.stdout
        assert back.run("audit", "verify").returncode == 0
        exported = [json.loads(line) for line in back.run("customers", "export").stdout.splitlines()]
        assert {customer["externalId"] for customer in exported} >= expected
        assert len(exported) < len(load.acknowledged)
        back.start()
        try:
            _take_another(back, running)
        finally:
            assert back.stop() == 0


def _take_another(server: Server, tenancy: Tenancy) -> None:
    """Create a customer and read it: keys that came without a record are in nobody's way."""
    headers = [("Authorization", tenancy.key.authorization), ("Content-Type", "application/json")]
    body = {"name": "A", "phone": "1", "email": "a@example.com", "address": {"country": "US"}}
    made = server.send("POST", "/api/v1/customers", headers, json.dumps(body).encode())
    assert made.status == 200, made.body
    number = made.json["customer"]["customerId"]
    assert server.send("GET", f"/api/v1/customers/{number}", headers).json == made.json


def test_keys_of_an_earlier_backup_are_refused(running: Tenancy, tmp_path: Path) -> None:
    """Databases of two backups are noticed at the start, where the keys are the older ones."""
    for name in ("first", "second"):
        _take_another(running.server, running)
        _backed_up(running.server, tmp_path / name)
    mixed = _restored(running.server, tmp_path / "mixed", tmp_path / "second", tmp_path / "first")
    done = mixed.run("serve", "--port", "0")
    assert done.returncode == 3
    assert "restore both from the same backup" in done.stderr
    other = _restored(running.server, tmp_path / "other", tmp_path / "first", tmp_path / "second")
    assert other.run("audit", "verify").returncode == 0
