"""The backup of docs/operating.md, made of a server under load, and restored.

It must never import ``customary``: an operator has the page and the program, and nothing else.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.load import Load
from serving import Installation, Server, Tenancy, make_tenancy, serving


@pytest.fixture
def running(command: Path, tmp_path: Path) -> Iterator[Tenancy]:
    """A tenant of a server that nobody else uses."""
    with serving(command, tmp_path / "running") as server:
        yield make_tenancy(server)


def _backed_up(server: Server, file: Path) -> dict[str, object]:
    """Run the command; return what it counted."""
    counted: dict[str, object] = server.printed("backup", str(file))
    return counted


def _elsewhere(server: Server, folder: Path) -> Server:
    """Return a server, not yet started, on an empty data folder with the root key as it was."""
    (folder / "store").mkdir(mode=0o700, parents=True)
    shutil.copy(server.folder / "store" / "root.key", folder / "store")
    return Server(server.command, folder)


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_backup_of_a_busy_server_opens_with_everything_that_was_acknowledged(
    running: Tenancy, tmp_path: Path
) -> None:
    """Each of three copies made under load holds every customer of before; the next key fits; it is sound."""
    server = running.server
    copies = tmp_path / "copies"
    copies.mkdir()
    known: list[set[str]] = []
    with Load(running) as load:
        for number in range(3):
            load.wait_for(len(load.acknowledged) + 100)
            known.append(set(load.acknowledged))
            counted = _backed_up(server, copies / f"{number}.db")
            assert counted["opened"] == counted["customers"]
    assert load.refused == []
    assert {path.name: oct(path.stat().st_mode)[-3:] for path in copies.iterdir()} == {
        f"{number}.db{suffix}": "600" for number in range(3) for suffix in ("", ".keys")
    }
    for number, expected in enumerate(known):
        back = _elsewhere(server, tmp_path / f"restored-{number}")
        restored = back.printed("restore", str(copies / f"{number}.db"))
        assert restored["setAside"] is None
        doctor = back.run("doctor")
        assert doctor.returncode == 0, doctor.stdout
        assert back.run("audit", "verify").returncode == 0
        exported = [json.loads(line) for line in back.run("customers", "export").stdout.splitlines()]
        assert {customer["externalId"] for customer in exported} >= expected
        assert len(exported) == restored["opened"] < len(load.acknowledged)
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
    """Databases of two backups are noticed, where the keys are the older ones, and nothing is changed."""
    for name in ("first", "second"):
        _take_another(running.server, running)
        _backed_up(running.server, tmp_path / name)
    mixed = _elsewhere(running.server, tmp_path / "mixed")
    done = mixed.run("restore", str(tmp_path / "second"), "--keys", str(tmp_path / "first.keys"))
    assert done.returncode == 3
    assert "restore both from the same backup" in done.stderr
    assert _names(mixed.folder / "store") == {"root.key", "server.lock"}
    other = _elsewhere(running.server, tmp_path / "other")
    other.printed("restore", str(tmp_path / "first"), "--keys", str(tmp_path / "second.keys"))
    assert other.run("audit", "verify").returncode == 0


def test_databases_that_were_put_there_by_hand_are_looked_at_too(running: Tenancy, tmp_path: Path) -> None:
    """Two files of different backups that somebody has copied into a folder keep the server from starting."""
    for name in ("first", "second"):
        _take_another(running.server, running)
        _backed_up(running.server, tmp_path / name)
    mixed = _elsewhere(running.server, tmp_path / "mixed")
    shutil.copy(tmp_path / "second", mixed.folder / "store" / "customary.db")
    shutil.copy(tmp_path / "first.keys", mixed.folder / "store" / "keys.db")
    done = mixed.run("serve", "--port", "0")
    assert done.returncode == 3
    assert "restore both from the same backup" in done.stderr


def test_a_backup_never_replaces_a_file(running: Tenancy, tmp_path: Path) -> None:
    """Where either file exists nothing is written, and no half of a backup is left behind."""
    for taken in ("a", "a.keys"):
        folder = tmp_path / taken
        folder.mkdir()
        (folder / taken).write_bytes(b"mine")
        done = running.server.run("backup", str(folder / "a"))
        assert done.returncode == 1
        assert (folder / taken).read_bytes() == b"mine"
        assert _names(folder) == {taken}
    done = running.server.run("backup", str(tmp_path / "nowhere" / "a"))
    assert done.returncode == 3
    assert "cannot be written" in done.stderr


def test_no_backup_is_put_under_a_running_server(running: Tenancy, tmp_path: Path) -> None:
    """A restore is refused while a server serves the folder, with --force too, and changes nothing."""
    server = running.server
    _backed_up(server, tmp_path / "copy")
    before = _names(server.folder / "store")
    for options in ([], ["--force"]):
        done = server.run("restore", str(tmp_path / "copy"), *options)
        assert done.returncode == 1
        assert "already serves this data folder" in done.stderr
    assert _names(server.folder / "store") == before
    _take_another(server, running)


def test_what_was_there_is_set_aside_and_can_be_had_again(running: Tenancy, tmp_path: Path) -> None:
    """Without --force data are never replaced; with it they are moved, whole, into a folder beside."""
    server = running.server
    _backed_up(server, tmp_path / "empty")
    _take_another(server, running)
    assert server.stop() == 0
    assert server.run("restore", str(tmp_path / "empty")).returncode == 1
    done = server.printed("restore", str(tmp_path / "empty"), "--force")
    assert done["customers"] == 0
    aside = Installation(server.command, tmp_path / "aside")
    aside.folder.mkdir()
    shutil.copytree(done["setAside"], aside.folder / "store")
    shutil.copy(server.folder / "store" / "root.key", aside.folder / "store")
    assert len(aside.printed("customers", "list")) == 1


def test_what_is_no_backup_is_refused_by_name_and_changes_nothing(running: Tenancy, tmp_path: Path) -> None:
    """A missing, damaged, truncated or foreign file, or another root key, leaves the folder as it was."""
    server = running.server
    _take_another(server, running)
    _backed_up(server, tmp_path / "good")
    good, keys = (tmp_path / "good").read_bytes(), (tmp_path / "good.keys").read_bytes()
    middle = len(good) // 2
    wrong = {
        "missing": None,
        "no database": b"no database at all" * 400,
        "truncated": good[: middle // 4096 * 4096],
        "damaged": good[:8192] + bytes(4096 * 4) + good[8192 + 4096 * 4 :],
        "the keys": keys,
    }
    back = _elsewhere(server, tmp_path / "back")
    for name, content in wrong.items():
        file = tmp_path / name
        if content is not None:
            file.write_bytes(content)
        done = back.run("restore", str(file), "--keys", str(tmp_path / "good.keys"))
        assert done.returncode == 3, (name, done.stderr)
        assert "Traceback" not in done.stderr
        assert "internal error" not in done.stderr, name
        assert _names(back.folder / "store") == {"root.key", "server.lock"}, name
    (back.folder / "store" / "root.key").write_text(bytes(range(100, 132)).hex()[::-1])
    done = back.run("restore", str(tmp_path / "good"))
    assert done.returncode == 1
    assert "root key" in done.stderr
    (back.folder / "store" / "root.key").unlink()
    done = back.run("restore", str(tmp_path / "good"))
    assert done.returncode == 3
    assert "root key is not at hand" in done.stderr
    assert _names(back.folder / "store") == {"server.lock"}


def test_a_record_that_does_not_open_makes_no_backup(running: Tenancy, tmp_path: Path) -> None:
    """A copy of which one record does not open is not called good, and nothing is left of it."""
    server = running.server
    _take_another(server, running)
    assert server.stop() == 0
    store = server.folder / "store" / "customary.db"
    _alter_a_record(store)
    done = server.run("backup", str(tmp_path / "copy"))
    assert done.returncode == 1
    assert "does not open" in done.stderr
    assert not list(tmp_path.glob("copy*"))


def _alter_a_record(store: Path) -> None:
    """Change one byte of the sealed part of the only record, as whoever may write to the folder could."""
    import sqlite3

    with sqlite3.connect(store) as connection:
        (sealed,) = connection.execute("SELECT sealed FROM customers").fetchone()
        altered = sealed[:-1] + bytes((sealed[-1] ^ 1,))
        connection.execute("UPDATE customers SET sealed = ?", (altered,))
    connection.close()
