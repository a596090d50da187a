"""Checkpoints outside the store: where they go, what follows when they cannot, and a store put back."""

import json
import os
import shutil
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from merchant import CUSTOMERS, UNMASKED, Merchant, one, shop
from serving import Server, Tenancy, make_tenancy, serving

SECONDS_MAX = 20.0
REFUSED, USAGE = 1, 2


def until(holds: Callable[[], bool], what: str) -> None:
    """Return as soon as something holds; fail if it does not in a good while."""
    deadline = time.monotonic() + SECONDS_MAX
    pause = threading.Event()
    while not holds():
        assert time.monotonic() < deadline, what
        pause.wait(0.02)  # what is waited for is another process's, and the machine is shared


@dataclass
class Witnessed:
    """A server whose checkpoints go to a folder of their own, with a tenant in it."""

    server: Server
    tenancy: Tenancy
    folder: Path

    @property
    def file(self) -> Path:
        """The file of checkpoints."""
        (file,) = self.folder.glob("*.ndjson")
        return file

    @property
    def lines(self) -> list[bytes]:
        """The checkpoints that are kept."""
        return self.file.read_bytes().splitlines() if list(self.folder.glob("*.ndjson")) else []

    def create(self) -> str:
        """Create a customer, and wait until a checkpoint has been written after it."""
        before = len(self.lines)
        customer_id: str = shop(self.tenancy).create()["customerId"]
        until(lambda: len(self.lines) > before, "no checkpoint comes")
        return customer_id

    def verify(self) -> "tuple[int, dict[str, object]]":
        """Exit code and result of a verification with what is kept."""
        done = self.server.run("audit", "verify", "--checkpoint", str(self.folder), "--json")
        result: dict[str, object] = json.loads(done.stdout)
        return done.returncode, result

    def readiness(self) -> tuple[int, str]:
        """How the server says it is."""
        answer = self.server.send("GET", "/readyz")
        return answer.status, answer.json["status"]

    def up(self) -> str:
        """What the metrics say of the trail."""
        body = self.server.send("GET", "/metrics").body.decode()
        return next(line.split()[1] for line in body.splitlines() if line.startswith("customary_audit_up "))


@contextmanager
def _witnessed(command: Path, tmp_path: Path, **settings: str) -> Iterator[Witnessed]:
    folder = tmp_path / "witness"
    folder.mkdir()
    with serving(
        command, tmp_path / "server", checkpoint_dir=str(folder), audit_grace_seconds="1", **settings
    ) as server:
        yield Witnessed(server, make_tenancy(server), folder)


@pytest.fixture
def witnessed(command: Path, tmp_path: Path) -> Iterator[Witnessed]:
    """A server with a witness."""
    with _witnessed(command, tmp_path) as made:
        yield made


def test_checkpoints_are_kept_outside_the_store(command: Path, tmp_path: Path) -> None:
    """In a file for its owner alone, and on standard output when asked; both are the same lines."""
    with _witnessed(command, tmp_path, checkpoints_to_stdout="true") as witnessed:
        for _ in range(3):
            witnessed.create()
        code, result = witnessed.verify()
        assert (code, result["intact"], result["flaws"]) == (0, True, [])
        assert stat.S_IMODE(witnessed.file.stat().st_mode) == 0o600
        out = witnessed.server.folder / "stdout"
        until(lambda: witnessed.lines[-1] in out.read_bytes(), "nothing on standard output")
        printed = [line for line in out.read_bytes().splitlines() if line.startswith(b'{"kind"')]
        assert printed == witnessed.lines
        numbers = [json.loads(line)["number"] for line in witnessed.lines]
        assert numbers == list(range(1, len(numbers) + 1))
        assert json.loads(witnessed.lines[0])["complete"] is True


def test_a_verification_beside_a_busy_server_finds_nothing(witnessed: Witnessed) -> None:
    """While entries are written, sealed and checkpointed, what is read of them is never taken for a flaw."""
    stop = threading.Event()

    def load() -> None:
        with witnessed.server.connect() as connection:
            program = Merchant(witnessed.server, witnessed.tenancy.key, connection=connection)
            while not stop.is_set():
                program.create()

    witnessed.create()
    before = len(witnessed.lines)
    thread = threading.Thread(target=load)
    thread.start()
    try:
        for _ in range(6):
            code, result = witnessed.verify()
            assert (code, result["flaws"]) == (0, [])
    finally:
        stop.set()
        thread.join()
    assert len(witnessed.lines) > before


def test_without_a_place_for_checkpoints_nothing_is_changed_and_nothing_shown_in_clear(
    witnessed: Witnessed,
) -> None:
    """After a moment changes and clear readings answer 503, masked ones go on; it heals by itself.

    Readiness says so and stays 200: whoever takes servers away by it would take the masked readings, too.
    """
    merchant, trusted = shop(witnessed.tenancy), shop(witnessed.tenancy, *UNMASKED)
    customer_id = witnessed.create()
    aside = witnessed.folder.with_name("aside")
    witnessed.folder.rename(aside)
    witnessed.folder.write_bytes(b"a file where the folder was: root is stopped by it, too")
    until(lambda: witnessed.readiness() == (200, "audit_failing"), "the server does not notice")
    assert witnessed.up() == "0.0"
    target = f"{CUSTOMERS}/{customer_id}"
    for refused in (
        merchant.post({"name": "Grace"}, target),
        merchant.post({"name": "Grace", "address": {"country": "US"}, "phone": "+1650", "email": "g@x.com"}),
        trusted.get(target),
        trusted.get(),
    ):
        assert refused.status == 503
        assert int(refused.header("Retry-After") or 0) > 0
    assert one(merchant.get(target))["customerId"] == customer_id
    assert merchant.list()
    assert witnessed.server.send("GET", "/healthz").status == 200
    witnessed.folder.unlink()
    aside.rename(witnessed.folder)
    until(lambda: witnessed.readiness() == (200, "ready"), "the server does not heal")
    assert witnessed.up() == "1.0"
    witnessed.create()
    assert one(trusted.get(target))["customerId"] == customer_id
    code, result = witnessed.verify()
    assert (code, result["flaws"]) == (0, [])
    errors = [
        line for line in witnessed.server.log.splitlines() if '"level":"error","logger":"audit"' in line
    ]
    assert len(errors) == 1


def test_a_disk_that_is_full_for_checkpoints_halts_changes(witnessed: Witnessed) -> None:
    """What was written is brought after it once there is space."""
    witnessed.create()
    file, kept = witnessed.file, witnessed.file.with_name("kept")
    file.rename(kept)
    file.symlink_to("/dev/full")
    shop(witnessed.tenancy).create()
    until(lambda: witnessed.readiness() == (200, "audit_failing"), "the server does not notice")
    file.unlink()
    kept.rename(file)
    until(lambda: witnessed.readiness() == (200, "ready"), "the server does not heal")
    code, result = witnessed.verify()
    assert (code, result["flaws"]) == (0, [])


def _copied(witnessed: Witnessed, name: str) -> Path:
    witnessed.server.stop()
    copy = witnessed.server.folder / name
    shutil.copytree(witnessed.server.folder / "store", copy)
    witnessed.server.start()
    return copy


def _put_back(witnessed: Witnessed, copy: Path) -> None:
    witnessed.server.stop()
    shutil.rmtree(witnessed.server.folder / "store")
    copy.rename(witnessed.server.folder / "store")


def test_a_server_does_not_start_on_a_store_that_was_put_back(witnessed: Witnessed) -> None:
    """It says what to do; told to, it goes on, and both store and file tell of it for ever."""
    witnessed.create()
    copy = _copied(witnessed, "older")
    for _ in range(3):
        witnessed.create()
    before = witnessed.lines
    _put_back(witnessed, copy)
    refused = witnessed.server.run("serve", "--port", "0")
    assert refused.returncode == REFUSED
    assert "older than the last checkpoint" in refused.stderr
    assert "--accept-rollback" in refused.stderr
    code, result = witnessed.verify()
    assert code == REFUSED
    whats = [flaw["what"] for flaw in result["flaws"]]  # type: ignore[attr-defined]  # it is JSON
    assert any(what.startswith("the block that was checkpointed is gone") for what in whats)
    assert witnessed.lines == before
    _start_accepting(witnessed.server)
    witnessed.create()
    told = [json.loads(line) for line in witnessed.lines]
    (restored,) = [line for line in told if line["kind"] == "restored"]
    assert witnessed.lines[: len(before)] == before
    assert restored["number"] == len(before) + 1
    assert restored["to"] < len(before)
    assert told[-1]["number"] == len(told)
    code, result = witnessed.verify()
    assert (code, result["flaws"]) == (0, [])
    assert "was put back to checkpoint" in str(result["notes"])
    only_before = witnessed.folder.with_name("before.ndjson")
    only_before.write_bytes(b"".join(line + b"\n" for line in before))
    assert witnessed.server.run("audit", "verify", "--checkpoint", str(only_before)).returncode == REFUSED
    witnessed.server.stop()
    witnessed.server.start()


def _start_accepting(server: Server) -> None:
    """Start a server once with --accept-rollback, and again without."""
    arguments = [str(server.command), "serve", "--port", "0", "--accept-rollback"]
    with (
        (server.folder / "accepting").open("wb") as out,
        subprocess.Popen(
            arguments, cwd=server.folder, env=server.environment, stdout=out, stderr=out
        ) as process,
    ):
        until(lambda: b"http://" in (server.folder / "accepting").read_bytes(), "it does not start")
        process.terminate()
        assert process.wait(30) == 0
    server.start()


def test_a_restore_by_the_command_is_told_in_the_file(witnessed: Witnessed) -> None:
    """Whoever restores a backup goes back on purpose: the file says so, and the server starts."""
    witnessed.create()
    assert witnessed.server.run("backup", "a.db").returncode == 0
    for _ in range(2):
        witnessed.create()
    witnessed.server.stop()
    done = witnessed.server.run("restore", "a.db", "--force")
    assert done.returncode == 0, done.stderr
    assert json.loads(witnessed.lines[-1])["kind"] == "restored"
    witnessed.server.start()
    witnessed.create()
    code, result = witnessed.verify()
    assert (code, result["flaws"]) == (0, [])


def test_a_line_that_a_crash_has_cut_short_is_completed(witnessed: Witnessed) -> None:
    """The store has the whole of it; what else stands at the end stops the start, and is left alone."""
    for _ in range(2):
        witnessed.create()
    lines = witnessed.lines
    witnessed.server.stop()
    with witnessed.file.open("r+b") as file:
        file.truncate(file.seek(0, os.SEEK_END) - len(lines[-1]) // 2)
    witnessed.server.start()
    until(lambda: witnessed.lines == lines, "the line is not completed")
    witnessed.create()
    assert witnessed.verify()[0] == 0
    witnessed.server.stop()
    with witnessed.file.open("ab") as file:
        file.write(b"something else\n")
    content = witnessed.file.read_bytes()
    refused = witnessed.server.run("serve", "--port", "0")
    assert refused.returncode == REFUSED
    assert "move it away" in refused.stderr
    assert witnessed.file.read_bytes() == content
    witnessed.file.rename(witnessed.folder.with_name("kept.ndjson"))
    witnessed.server.start()
    until(lambda: len(witnessed.lines) == 1, "the new file does not begin with the last complete checkpoint")
    assert witnessed.lines[0] == content.splitlines()[-2]


@pytest.mark.parametrize("place", ["store/inside", "nowhere"])
def test_checkpoints_need_a_folder_outside_the_data(witnessed: Witnessed, place: str) -> None:
    """In the data folder they would be put back with it; and no folder is made, for it may be a mount."""
    witnessed.server.stop()
    if place != "nowhere":
        (witnessed.server.folder / place).mkdir()
    done = witnessed.server.run("serve", "--port", "0", "--checkpoint-dir", place)
    assert done.returncode == USAGE
    assert "checkpoint_dir" in done.stderr
    assert not (witnessed.server.folder / "nowhere").exists()
    witnessed.server.start()
