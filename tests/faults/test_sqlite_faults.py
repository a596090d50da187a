"""What SQLite's engine keeps when the process is killed, the power is cut, or the disk is full or broken."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from contracts.rows import Store, asking, external, next_version, page, record, replaced, stored
from customary.app.ports import ReadRecord, ReadTagged, ReadVersion, SealedCustomer
from customary.domain.errors import CustomaryError, OutcomeUnknown, Unavailable
from customary.storage.sqlite import SQLiteEngine, files
from faults.failing_disk import Disk, failing_disk

TESTS = Path(__file__).parent.parent


@pytest.fixture
def disk() -> Iterator[Disk]:
    """A disk that works until it is told otherwise."""
    with failing_disk() as failing:
        yield failing


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """An event loop."""
    with asyncio.Runner() as opened:
        yield opened


class _Dying:
    """Trouble that begins with the n-th deed and never ends."""

    def __init__(self, deeds: int) -> None:
        self.left = deeds

    def __call__(self, deed: str, path: str) -> None:
        self.left -= 1
        if self.left < 0:
            raise apsw.IOError("the disk is gone")


def _power_is_cut(folder: Path, disk: Disk) -> None:
    """Leave of the folder what a disk keeps; the shared memory is gone with the machine."""
    disk.trouble = None
    disk.lose_unsynced()
    for shared in folder.glob("*-shm"):
        shared.unlink()


def _process_is_killed(folder: Path, disk: Disk) -> None:
    """Leave everything that was written, whether synced or not."""
    disk.trouble = None
    disk.unsynced.clear()


# ── Killed ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("count", [1, 40, 200, 900])
def test_what_was_acknowledged_survives_a_kill(tmp_path: Path, runner: asyncio.Runner, count: int) -> None:
    """Whenever the process is killed, every record that it has reported as stored is there, whole."""
    program = subprocess.Popen(
        [sys.executable, TESTS / "faults" / "acknowledging.py", tmp_path / "store"],
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": str(TESTS)},
    )
    assert program.stdout is not None
    lines = [program.stdout.readline() for _ in range(count)]
    program.kill()
    lines += program.stdout.readlines()
    program.stdout.close()
    program.wait()
    engine = SQLiteEngine(tmp_path / "store", serving=True)
    store = Store(engine, runner)
    for line in lines:
        if line.endswith(b"\n"):
            tenant, customer_id = line.decode().split()
            found = store.ask(ReadRecord(tenant, customer_id))
            assert found.wrapped_key
            assert store.ask(ReadTagged(tenant, external(customer_id))) == found
    engine.close()


# ── Power cuts ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def template(tmp_path: Path, runner: asyncio.Runner) -> tuple[Path, str]:
    """A folder with a store, closed, and a tenant in it."""
    engine = SQLiteEngine(tmp_path / "template", serving=True)
    tenant = Store(engine, runner).new_tenant()
    engine.close()
    return tmp_path / "template", tenant


def _acknowledged(folder: Path, tenant: str, runner: asyncio.Runner) -> list[SealedCustomer]:
    """Store and change records until the disk dies or ten are through; return what was acknowledged."""
    try:
        engine = SQLiteEngine(folder, serving=True)
    except Unavailable:
        return []
    store, done = Store(engine, runner), []
    first = record(tenant)
    try:
        for version in range(10):
            others = [record(tenant) for _ in range(3)]
            change = stored(first) if not version else replaced(first, next_version(first))
            outcomes = store.outcomes(asking(change), *(asking(stored(other)) for other in others))
            if outcomes != [None] * 4:
                assert all(isinstance(outcome, CustomaryError) for outcome in outcomes)
                break
            first = first if not version else next_version(first)
            done += [first, *others]
    except CustomaryError:
        pass
    engine.close()
    return done


def _lost(folder: Path, tenant: str, runner: asyncio.Runner, acknowledged: list[SealedCustomer]) -> int:
    """Open the store again; return how many acknowledged rows are missing, after checking all others."""
    engine = SQLiteEngine(folder, serving=True)
    store = Store(engine, runner)
    missing: int = sum(
        store.ask(ReadVersion(tenant, row.customer_id, row.version)) != row for row in acknowledged
    )
    kept, total = store.ask(page(tenant))
    assert len(kept) == total
    assert all(row.wrapped_key for row in kept), "a record without its key"
    store.perform(stored(record(tenant)))
    engine.close()
    return missing


@pytest.mark.parametrize("end", [_power_is_cut, _process_is_killed])
def test_an_end_at_any_write_loses_nothing_acknowledged(
    template: tuple[Path, str],
    tmp_path: Path,
    runner: asyncio.Runner,
    disk: Disk,
    end: Callable[[Path, Disk], None],
) -> None:
    """At whatever write or sync the machine stops, acknowledged versions are there and records have keys."""
    source, tenant = template
    deeds, through = 0, 0
    while through < 40:
        folder = tmp_path / f"cut {deeds}"
        shutil.copytree(source, folder)
        disk.trouble = _Dying(deeds)
        acknowledged = _acknowledged(folder, tenant, runner)
        end(folder, disk)
        assert _lost(folder, tenant, runner, acknowledged) == 0, f"after {deeds} deeds"
        shutil.rmtree(folder)
        through = len(acknowledged)
        deeds += 3
    assert deeds > 60


def test_a_store_that_does_not_sync_is_caught(
    template: tuple[Path, str],
    tmp_path: Path,
    runner: asyncio.Runner,
    disk: Disk,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same test finds rows missing where commits are not synced: it is able to fail."""
    source, tenant = template
    honest = files.writing

    def careless(folder: Path) -> apsw.Connection:
        connection = honest(folder)
        connection.execute("PRAGMA main.synchronous=OFF; PRAGMA store.synchronous=OFF")
        return connection

    monkeypatch.setattr(files, "writing", careless)
    missing = 0
    for deeds in range(20, 200, 10):
        folder = tmp_path / f"cut {deeds}"
        shutil.copytree(source, folder)
        disk.trouble = _Dying(deeds)
        acknowledged = _acknowledged(folder, tenant, runner)
        _power_is_cut(folder, disk)
        missing += _lost(folder, tenant, runner, acknowledged)
    assert missing > 0


@pytest.mark.parametrize("end", [_power_is_cut, _process_is_killed])
def test_a_migration_may_end_at_any_write(
    tmp_path: Path, runner: asyncio.Runner, disk: Disk, end: Callable[[Path, Disk], None]
) -> None:
    """Wherever the first start is interrupted, the next one goes on and the store works."""
    deeds, opened = 0, False
    while not opened:
        folder = tmp_path / f"cut {deeds}"
        disk.trouble = _Dying(deeds)
        try:
            SQLiteEngine(folder, serving=True).close()
            opened = True
        except Unavailable:
            pass
        end(folder, disk)
        engine = SQLiteEngine(folder, serving=True)
        store = Store(engine, runner)
        store.perform(stored(record(store.new_tenant())))
        engine.close()
        shutil.rmtree(folder)
        deeds += 3
    assert deeds > 100


# ── Full and broken disks ───────────────────────────────────────────────────────────────────────────────


def _no_space(deed: str, path: str) -> None:
    if deed == "write":
        raise apsw.FullError("no space")


def test_a_full_disk_refuses_writes_until_there_is_space(
    tmp_path: Path, runner: asyncio.Runner, disk: Disk
) -> None:
    """Writers are told to come again, readers are served, and when there is space all goes on."""
    reasons: list[str] = []
    engine = SQLiteEngine(tmp_path, serving=True, fatal=reasons.append)
    store = Store(engine, runner)
    tenant = store.new_tenant()
    kept = record(tenant)
    store.perform(stored(kept))
    disk.trouble = _no_space
    for _ in range(3):
        outcomes = store.outcomes(*(asking(stored(record(tenant))) for _ in range(5)))
        assert [type(outcome) for outcome in outcomes] == [Unavailable] * 5
        assert store.ask(page(tenant)) == ([kept], 1)
    with pytest.raises(Unavailable):
        engine.perform_now([asking(stored(record(tenant)))])
    disk.trouble = None
    after = record(tenant)
    store.perform(stored(after))
    assert store.ask(page(tenant)) == ([kept, after], 2)
    assert reasons == []
    engine.close()


@pytest.mark.parametrize("failing", [files.KEYS, files.STORE])
def test_a_failed_sync_is_never_tried_again(
    tmp_path: Path, runner: asyncio.Runner, disk: Disk, failing: str
) -> None:
    """The waiters' outcome is unknown, the process is told to end, and nothing is written any more."""
    reasons: list[str] = []
    engine = SQLiteEngine(tmp_path, serving=True, fatal=reasons.append)
    store = Store(engine, runner)
    tenant = store.new_tenant()
    first = record(tenant)
    store.perform(stored(first))
    later: list[str] = []

    def broken(deed: str, path: str) -> None:
        if reasons:
            later.append(deed)
        if deed == "sync" and Path(path).name.startswith(failing):
            raise apsw.IOError("the sync failed")

    disk.trouble = broken
    outcomes = store.outcomes(*(asking(stored(record(tenant))) for _ in range(5)))
    assert [type(outcome) for outcome in outcomes] == [OutcomeUnknown] * 5
    assert len(reasons) == 1
    with pytest.raises(Unavailable):
        store.perform(stored(record(tenant)))
    assert store.ask(ReadRecord(tenant, first.customer_id)) == first
    engine.close()
    assert later == []


def test_a_damaged_page_stops_the_process(tmp_path: Path, runner: asyncio.Runner) -> None:
    """Whoever meets a corrupt page is refused, and the process is told to end."""
    engine = SQLiteEngine(tmp_path, serving=True)
    store = Store(engine, runner)
    tenant = store.new_tenant()
    first = record(tenant)
    store.perform(stored(first, unique_tags=(external("a"),)))
    engine.close()
    path = tmp_path / files.STORE
    pages = path.stat().st_size // files.PAGE_BYTES
    with path.open("r+b") as file:
        for number in range(1, pages):
            file.seek(number * files.PAGE_BYTES)
            file.write(os.urandom(64))
    reasons: list[str] = []
    with pytest.raises(Unavailable):
        _read_once(tmp_path, runner, reasons, ReadRecord(tenant, first.customer_id))
    assert len(reasons) <= 1


def _read_once(folder: Path, runner: asyncio.Runner, reasons: list[str], request: ReadRecord) -> None:
    engine = SQLiteEngine(folder, serving=True, fatal=reasons.append)
    try:
        Store(engine, runner).ask(request)
    finally:
        engine.close()
        assert reasons
