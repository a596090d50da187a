"""What is SQLite's own: two files, one server, programs beside it, migrations, and plans without scans."""

import asyncio
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import apsw
import pytest

from contracts.rows import Store, asking, external, page, record, stored
from customary.app.ports import ReadRecord, ReadTagged
from customary.domain.errors import Conflict, CustomaryError, Unavailable
from customary.storage.schema import Step
from customary.storage.schema.sqlite import KEYS_STEPS, STORE_STEPS
from customary.storage.sqlite import (
    SQLiteEngine,
    batches,
    checkpoints,
    erasures,
    files,
    reads,
    registry,
    writes,
)
from customary.storage.sqlite.migrations import migrate


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """An event loop."""
    with asyncio.Runner() as opened:
        yield opened


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SQLiteEngine]:
    """An engine that serves the folder."""
    engine = SQLiteEngine(tmp_path, serving=True)
    yield engine
    engine.close()


@pytest.fixture
def command(server: SQLiteEngine, tmp_path: Path) -> Iterator[SQLiteEngine]:
    """An engine of a command beside the server."""
    engine = SQLiteEngine(tmp_path, serving=False)
    yield engine
    engine.close()


# ── One server, and programs beside it ──────────────────────────────────────────────────────────────────


def test_a_second_server_is_refused(tmp_path: Path, server: SQLiteEngine) -> None:
    """One server at a time serves a folder; when it has ended, the next one may."""
    with pytest.raises(Conflict, match="Another server"):
        SQLiteEngine(tmp_path, serving=True)
    server.close()
    SQLiteEngine(tmp_path, serving=True).close()


def test_a_command_works_beside_the_server(
    server: SQLiteEngine, command: SQLiteEngine, runner: asyncio.Runner
) -> None:
    """Each sees what the other has committed, and the server notices a change of the registry."""
    store, beside = Store(server, runner), Store(command, runner)
    mine = store.new_tenant()
    first = record(mine)
    store.perform(stored(first))
    assert command.read_now(asking(ReadRecord(mine, first.customer_id))) == first
    before = server.generation()
    theirs = beside.new_tenant()
    assert server.generation() == before
    store.run(server.poll())
    assert server.generation() != before
    second = record(theirs)
    command.perform_now([asking(stored(second))])
    assert store.ask(ReadRecord(theirs, second.customer_id)) == second
    third = record(mine)
    store.perform(stored(third))
    assert store.ask(page(mine)) == ([first, third], 2)


def test_the_server_waits_for_a_command_without_holding_up_readers(
    server: SQLiteEngine, tmp_path: Path, runner: asyncio.Runner
) -> None:
    """While another process holds the write lock, writers wait and readers are served."""
    tenant = Store(server, runner).new_tenant()
    first = record(tenant)
    holder = files.writing(tmp_path)
    holder.execute("BEGIN IMMEDIATE")

    async def deed() -> None:
        writing = asyncio.ensure_future(server.perform(asking(stored(first))))
        for _ in range(20):
            assert await server.read(asking(ReadRecord(tenant, first.customer_id))) is None
            await asyncio.sleep(0.001)
        assert not writing.done()
        holder.execute("COMMIT")
        await writing
        assert await server.read(asking(ReadRecord(tenant, first.customer_id))) == first

    runner.run(deed())
    holder.close()


def test_a_lock_that_is_held_too_long_refuses_the_waiters(
    server: SQLiteEngine, tmp_path: Path, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writers are told to come again, in the server and in a command, and nothing of theirs is stored."""
    monkeypatch.setattr(batches, "BUSY_SECONDS_MAX", 0.05)
    store = Store(server, runner)
    tenant = store.new_tenant()
    holder = files.writing(tmp_path)
    holder.execute("BEGIN IMMEDIATE")
    outcomes = store.outcomes(*(asking(stored(record(tenant))) for _ in range(3)))
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 3
    with pytest.raises(Unavailable):
        server.perform_now([asking(stored(record(tenant)))])
    holder.close()
    first = record(tenant)
    store.perform(stored(first))
    assert store.ask(page(tenant)) == ([first], 1)


# ── Files ───────────────────────────────────────────────────────────────────────────────────────────────


def test_files_are_the_owners_alone(tmp_path: Path, runner: asyncio.Runner) -> None:
    """The folder and every file in it, WAL and shared memory included, are closed to everybody else."""
    engine = SQLiteEngine(tmp_path / "new", serving=True)
    Store(engine, runner).new_tenant()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new").iterdir()}
    engine.close()
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    assert {"customary.db", "customary.db-wal", "keys.db", "keys.db-wal", "server.lock"} <= modes.keys()
    assert set(modes.values()) == {0o600}


def test_customer_keys_are_in_their_file_alone(
    tmp_path: Path, server: SQLiteEngine, runner: asyncio.Runner
) -> None:
    """The store never holds a customer's key; a closed store has no WAL beside it."""
    store = Store(server, runner)
    tenant = store.new_tenant()
    store.perform(stored(record(tenant, wrapped_key=b"AKEYTHATSHOWS", sealed=b"ARECORDTHATSHOWS")))

    def holding(content: bytes) -> set[str]:
        return {path.name for path in tmp_path.iterdir() if content in path.read_bytes()}

    assert holding(b"AKEYTHATSHOWS") == {"keys.db-wal"}
    server.close()
    assert holding(b"AKEYTHATSHOWS") == {"keys.db"}
    assert holding(b"ARECORDTHATSHOWS") == {"customary.db"}
    assert not list(tmp_path.glob("*-wal"))


def test_connections_are_as_careful_as_they_should_be(tmp_path: Path, server: SQLiteEngine) -> None:
    """The settings that keep committed data and forget deleted data hold for both files."""
    writing, reading = files.writing(tmp_path), files.reading(tmp_path)
    for schema in ("main", "store"):
        assert writing.pragma("journal_mode", schema=schema) == "wal"
        assert writing.pragma("synchronous", schema=schema) == 2
        assert writing.pragma("secure_delete", schema=schema) == 1
    assert writing.pragma("foreign_keys") == 1
    assert writing.pragma("wal_autocheckpoint") == 0
    assert reading.pragma("query_only") == 1
    for connection in (writing, reading):
        assert connection.pragma("trusted_schema") == 0
        connection.close()


def test_keys_of_another_store_are_refused(tmp_path: Path, runner: asyncio.Runner) -> None:
    """Keys that are another store's, missing, or older than the records are noticed at the start."""
    for name in ("one", "two", "old"):
        engine = SQLiteEngine(tmp_path / name, serving=True)
        store = Store(engine, runner)
        tenant = store.new_tenant()
        store.perform(stored(record(tenant)))
        engine.close()
        (tmp_path / f"{name}.keys").write_bytes((tmp_path / name / files.KEYS).read_bytes())
    engine = SQLiteEngine(tmp_path / "old", serving=True)
    Store(engine, runner).perform(stored(record(tenant)))
    engine.close()
    for name, keys in (("one", (tmp_path / "two.keys").read_bytes()), ("two", None)):
        (tmp_path / name / files.KEYS).unlink()
        if keys is not None:
            (tmp_path / name / files.KEYS).write_bytes(keys)
        with pytest.raises(Unavailable, match="does not belong"):
            SQLiteEngine(tmp_path / name, serving=True)
    newer = (tmp_path / "old" / files.KEYS).read_bytes()
    (tmp_path / "old" / files.KEYS).write_bytes((tmp_path / "old.keys").read_bytes())
    with pytest.raises(Unavailable, match="older"):
        SQLiteEngine(tmp_path / "old", serving=True)
    (tmp_path / "old" / files.KEYS).write_bytes(newer)
    SQLiteEngine(tmp_path / "old", serving=True).close()


def test_names_keep_bytes(server: SQLiteEngine, command: SQLiteEngine) -> None:
    """A few bytes under a name are found by every program, and replaced."""
    assert server.meta("fingerprint") is None
    command.set_meta("fingerprint", b"\0one")
    assert server.meta("fingerprint") == b"\0one"
    server.set_meta("fingerprint", b"two")
    assert command.meta("fingerprint") == b"two"


def test_the_wal_starts_over_under_load(
    tmp_path: Path, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much is written without a pause, the WAL stays about as long as it may be."""
    monkeypatch.setattr(checkpoints, "PAGES_LONG", 512)
    monkeypatch.setattr(checkpoints, "PAGES_WAKING", 64)
    engine = SQLiteEngine(tmp_path, serving=True)
    store = Store(engine, runner)
    tenant = store.new_tenant()
    written = longest = 0
    while written < 40 * 512 * files.PAGE_BYTES:
        jobs = [asking(stored(record(tenant, sealed=os.urandom(8000)))) for _ in range(64)]
        assert set(store.outcomes(*jobs)) == {None}
        written += 64 * 8000
        longest = max(longest, (tmp_path / "customary.db-wal").stat().st_size)
    engine.close()
    assert longest < written / 4


# ── Migrations ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_migration_goes_on_after_any_step(tmp_path: Path, runner: asyncio.Runner) -> None:
    """A database left after any number of steps is brought to the newest schema."""
    for taken in range(len(STORE_STEPS) + 1):
        folder = tmp_path / str(taken)
        folder.mkdir()
        for name, steps in ((files.STORE, STORE_STEPS[:taken]), (files.KEYS, KEYS_STEPS[: taken % 3])):
            connection = apsw.Connection(str(folder / name))
            migrate(connection, steps)
            connection.close()
        engine = SQLiteEngine(folder, serving=True)
        store = Store(engine, runner)
        store.perform(stored(record(store.new_tenant())))
        engine.close()


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ((*STORE_STEPS, Step(len(STORE_STEPS) + 1, "CREATE TABLE later (a)")), "newer version"),
        ((*STORE_STEPS[:-1], Step(len(STORE_STEPS), "CREATE TABLE another (other)")), "another schema"),
    ],
)
def test_another_programs_schema_is_refused(tmp_path: Path, steps: tuple[Step, ...], words: str) -> None:
    """A database of a newer program, or with a changed step, is refused with a reason and not touched."""
    connection = apsw.Connection(str(tmp_path / files.STORE))
    migrate(connection, steps)
    connection.close()
    with pytest.raises(Unavailable, match=words):
        SQLiteEngine(tmp_path, serving=True)
    with pytest.raises(Unavailable, match=words):
        SQLiteEngine(tmp_path, serving=False)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """Whatever lies where the database should be is refused, not overwritten."""
    (tmp_path / files.STORE).write_bytes(b"A letter to a friend. " * 500)
    with pytest.raises(CustomaryError):
        SQLiteEngine(tmp_path, serving=True)
    assert (tmp_path / files.STORE).read_bytes().startswith(b"A letter")


def test_an_old_sqlite_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A library that can corrupt a WAL database is not used."""
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: "3.51.2")
    with pytest.raises(Unavailable, match=r"3\.51\.3"):
        SQLiteEngine(tmp_path, serving=True)


def test_programs_may_start_at_once(tmp_path: Path, runner: asyncio.Runner) -> None:
    """Several programs that open a new folder at the same time make one store."""
    opening = (
        "import sys, pathlib; from customary.storage.sqlite import SQLiteEngine;"
        "engine = SQLiteEngine(pathlib.Path(sys.argv[1]), serving=False);"
        "print(engine.meta('pair').hex()); engine.close()"
    )
    programs = [
        subprocess.Popen([sys.executable, "-c", opening, tmp_path / "new"], stdout=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    printed = {program.communicate()[0] for program in programs}
    assert {program.returncode for program in programs} == {0}
    assert len(printed) == 1
    engine = SQLiteEngine(tmp_path / "new", serving=True)
    store = Store(engine, runner)
    store.perform(stored(record(store.new_tenant())))
    engine.close()


# ── Plans ───────────────────────────────────────────────────────────────────────────────────────────────

SMALL = {"TENANTS", "MERCHANTS", "CREDENTIALS", "LAST_BLOCKS", "ERASED"}
"""Statements that list a small table whole, which is their purpose."""


def _statements() -> dict[str, str]:
    named = {
        f"{module.__name__.rpartition('.')[2]}.{name}": text
        for module in (erasures, reads, writes, registry)
        for name, text in vars(module).items()
        if name[0].isupper() and name.isupper() and isinstance(text, str)
    }
    for shape in product((0, 1, 2), (False, True), (False, True)):
        listing, counting = reads.page_statements(*shape)
        named |= {f"list {shape}": listing, f"count {shape}": counting}
    return {name: text for name, text in named.items() if name.rpartition(".")[2] not in SMALL}


@pytest.mark.parametrize("name", sorted(_statements()))
def test_no_statement_scans_or_sorts(tmp_path: Path, server: SQLiteEngine, name: str) -> None:
    """Every statement finds its rows by a key or an index, in the order it needs."""
    connection = files.writing(tmp_path)
    # Any value will do: no plan depends on one.
    text = re.sub(r"\?\d*|:[a-z]\w*", "1", _statements()[name])
    plan = [str(step[3]) for step in connection.execute(f"EXPLAIN QUERY PLAN {text}")]
    connection.close()
    scans = [step for step in plan if step.startswith("SCAN") and step != "SCAN CONSTANT ROW"]
    assert not [step for step in plan if "TEMP B-TREE" in step] + scans, plan


def test_a_join_is_not_prepared_at_every_use(
    tmp_path: Path, server: SQLiteEngine, runner: asyncio.Runner
) -> None:
    """The two reads that every request makes are prepared once, whatever value is bound."""
    store = Store(server, runner)
    tenant = store.new_tenant()
    for text in "ab":
        store.perform(stored(record(tenant), unique_tags=(external(text),)))
    connection = files.reading(tmp_path)
    statuses: list[int] = []
    connection.trace_v2(
        apsw.SQLITE_TRACE_PROFILE,
        lambda event: statuses.append(event["stmt_status"]["SQLITE_STMTSTATUS_REPREPARE"]),
    )
    for text in "abab":
        reads.read_tagged(connection, ReadTagged(tenant, external(text)))
        reads.read_record(connection, ReadRecord(tenant, text))
    connection.close()
    assert statuses == [0] * 8
