"""How the server ends: what was acknowledged is there afterwards, whoever ended it and however."""

import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from faults.load import Load, Patient, lost, wait_until_known
from serving import Server, Tenancy, make_tenancy, serving

KILLS = 3
CREATED_MIN = 200


@pytest.fixture
def tenancy(command: Path, tmp_path: Path) -> Iterator[Tenancy]:
    """A tenant of a server that may be ended."""
    with serving(command, tmp_path / "server") as server:
        yield wait_until_known(make_tenancy(server))


def _check_store(server: Server) -> None:
    """Demand that both databases are sound and the trail is whole, with the server running."""
    for name in ("customary.db", "keys.db"):
        path = server.folder / "store" / name
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as file:
            assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)], name
            assert file.execute("PRAGMA foreign_key_check").fetchall() == [], name
    finding = server.printed("audit", "verify")
    assert finding["intact"], finding["flaws"]
    assert finding["leaves"] > 0


def test_sigterm_under_load_loses_nothing(tenancy: Tenancy) -> None:
    """A stop finishes what was begun, refuses what is new, exits 0, and what was acknowledged is there."""
    server = tenancy.server
    process = server.process
    assert process is not None
    with Load(tenancy) as load:
        load.wait_for(CREATED_MIN)
        code = server.stop(signal.SIGTERM)
        load.finish()
    assert code == 0, server.log
    assert load.refused == [], "until the end each request was answered with 200, or not taken"
    # A connection that was idle at the stop is closed, and a request that crosses with that is not taken;
    # each of the load's workers can see this once.
    assert load.broken <= 8
    with pytest.raises(ConnectionRefusedError):
        server.connect()
    assert '"event":"stopped"' in server.log
    server.start()
    assert lost(server, tenancy, load.acknowledged) == []
    _check_store(server)


def test_a_request_in_flight_is_answered_before_the_end(tenancy: Tenancy) -> None:
    """A request whose body is still on its way when the server is told to stop is taken and answered."""
    server = tenancy.server
    process = server.process
    assert process is not None
    body = b'{"externalId":"in-flight","name":"A","address":{"country":"US"},"phone":"1","email":"a@b"}'
    with closing(Patient(server.port)) as connection:
        connection.begin(tenancy, len(body))
        process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 10
        while not _refuses(server):
            assert time.monotonic() < deadline
        connection.send_bytes(body)
        answer = connection.answer("POST")
    assert answer.status == 200
    assert process.wait(30) == 0
    server.process = None
    server.start()
    assert lost(server, tenancy, ["in-flight"]) == []


def _refuses(server: Server) -> bool:
    try:
        server.connect().close()
    except (ConnectionRefusedError, ConnectionResetError):  # reset: it was in the queue
        return True
    return False


def test_a_stop_waits_no_longer_than_it_was_told(command: Path, tmp_path: Path) -> None:
    """A client that never ends its request does not keep the server from ending."""
    with serving(command, tmp_path / "server", shutdown_seconds="1") as server:
        tenancy = wait_until_known(make_tenancy(server))
        with closing(Patient(server.port)) as connection:
            connection.begin(tenancy, 10)
            assert server.process is not None
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(9) == 0, "sooner than the body's own time of 10 s"
            server.process = None


def test_kills_under_load_lose_nothing(tenancy: Tenancy) -> None:
    """After each kill -9 all that was acknowledged is there, the databases are sound, the trail is whole."""
    server = tenancy.server
    acknowledged: list[str] = []
    for kill in range(1, KILLS + 1):
        with Load(tenancy, f"kill-{kill}") as load:
            load.wait_for(CREATED_MIN)
            assert server.stop(signal.SIGKILL) == -signal.SIGKILL
            load.finish()
        assert len(load.acknowledged) >= CREATED_MIN
        acknowledged += load.acknowledged
        server.start()
        assert lost(server, tenancy, acknowledged) == []
        _check_store(server)


def test_a_store_that_forgets_is_found_out(tenancy: Tenancy) -> None:
    """The control: a server whose store is as it was before the load has lost what it acknowledged."""
    server = tenancy.server
    store, before = server.folder / "store", server.folder / "before"
    server.stop()
    shutil.copytree(store, before)
    server.start()
    with Load(tenancy) as load:
        load.wait_for(CREATED_MIN)
        server.stop(signal.SIGKILL)
        load.finish()
    shutil.rmtree(store)
    before.rename(store)
    server.start()
    assert lost(server, tenancy, load.acknowledged) == load.acknowledged
