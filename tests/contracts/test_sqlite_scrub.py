"""What is left of a destroyed record in the files of SQLite's engine: nothing, once it says so."""

import asyncio
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from apsw import Connection

from contracts.rows import NOON, Store, asking, external, next_version, page, record, replaced, stored
from customary.app.ports import Destroy, ReadKeys, Reseal, SealedCustomer, TagTaken
from customary.storage.sqlite import SQLiteEngine, files


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """An event loop."""
    with asyncio.Runner() as opened:
        yield opened


@pytest.fixture
def store(tmp_path: Path, runner: asyncio.Runner) -> Iterator[Store]:
    """A store that is served."""
    engine = SQLiteEngine(tmp_path, serving=True)
    yield Store(engine, runner)
    engine.close()


def _random(tenant: str, length: int = 900) -> SealedCustomer:
    """A record with bytes that are nowhere else."""
    return record(
        tenant, sealed=os.urandom(length), guarded=os.urandom(120), wrapped_key=b"\x01\x01" + os.urandom(60)
    )


def _grown(before: SealedCustomer, length: int) -> SealedCustomer:
    return next_version(before, sealed=os.urandom(length), guarded=os.urandom(140))


def _destroying(one: SealedCustomer) -> Destroy:
    fields = (one.tenant_id, one.customer_id, one.version, None, None, (), NOON, (), 0)
    return Destroy(*fields)


def _found(folder: Path, needles: list[bytes]) -> list[str]:
    """Return in which files a stretch of 16 bytes of a needle turns up; there is one each 200 bytes."""
    stretches = {needle[at : at + 16] for needle in needles for at in range(8, len(needle) - 16, 200)}
    return [
        path.name
        for path in sorted(folder.iterdir())
        if path.is_file() and _any_in(stretches, path.read_bytes())
    ]


def _any_in(stretches: set[bytes], content: bytes) -> bool:
    return any(stretch in content for stretch in stretches)


def _bytes_of(*records: SealedCustomer) -> list[bytes]:
    return [
        part
        for one in records
        for part in (one.sealed, one.guarded, one.wrapped_key)
        if part is not None and len(part) > 32
    ]


def _lived_in(store: Store, tenant: str) -> dict[str, list[SealedCustomer]]:
    """Store records that grow, shrink, are and are refused; return all versions of each."""
    crowd = [_random(tenant, 200 + 37 * number % 5000) for number in range(150)]
    for number, one in enumerate(crowd):
        store.perform(stored(one, unique_tags=(external(one.customer_id),)))
        if number % 7 == 0:
            with pytest.raises(TagTaken):
                store.perform(stored(_random(tenant), unique_tags=(external(one.customer_id),)))
    versions = {one.customer_id: [one] for one in crowd}
    for step in range(4):
        for one in crowd:
            last = versions[one.customer_id][-1]
            grown = _grown(last, 100 + (len(last.sealed) * 7 + step * 911) % 6000)
            store.perform(replaced(last, grown))
            versions[one.customer_id].append(grown)
    return versions


def test_of_a_destroyed_key_no_byte_is_left_in_any_file(store: Store, tmp_path: Path) -> None:
    """Neither pages, free pages nor logs have it, wherever its row was and whatever became of others."""
    tenant = store.new_tenant()
    versions = _lived_in(store, tenant)
    keys = [known[0].wrapped_key for known in versions.values()]
    order = list(range(150))
    random.Random(7).shuffle(order)
    for destroyed in (order[:40], order[40:80], order[80:150]):
        gone = [keys[number] for number in destroyed]
        assert _found(tmp_path, gone)
        for number in destroyed:
            last = list(versions.values())[number][-1]
            store.perform(_destroying(last))
        for _ in range(60):
            store.perform(stored(_random(tenant)))
        assert store.run(store.engine.scrub())
        assert _found(tmp_path, gone) == []


def test_no_copy_of_a_key_outlasts_keys_that_grew(store: Store, tmp_path: Path) -> None:
    """Where keys got longer, SQLite has moved others: the next scrub leaves no copy of a destroyed one."""
    tenant = store.new_tenant()
    crowd = [_random(tenant) for _ in range(200)]
    for one in crowd:
        store.perform(stored(one))
    rows = store.ask(ReadKeys(tenant, 0, 1000))
    for row, one in list(zip(rows, crowd, strict=True))[::2]:
        store.perform(Reseal(tenant, row, row.wrapped + os.urandom(44), (one,), ()))
    gone = crowd[1::2]
    for one in gone:
        store.perform(_destroying(one))
    while not store.run(store.engine.scrub()):
        pass
    assert _found(tmp_path, [one.wrapped_key for one in gone]) == []
    assert len(store.ask(ReadKeys(tenant, 0, 1000))) == 100


def test_of_a_destroyed_records_sealed_bytes_none_outlast_a_vacuum(store: Store, tmp_path: Path) -> None:
    """The logs have none once scrubbed; unused parts of pages may, until they are written anew."""
    tenant = store.new_tenant()
    versions = _lived_in(store, tenant)
    gone = list(versions.values())[::3]
    needles = [part for known in gone for part in _bytes_of(*known)]
    assert _found(tmp_path, needles)
    for known in gone:
        store.perform(_destroying(known[-1]))
    assert store.run(store.engine.scrub())
    assert set(_found(tmp_path, needles)) <= {files.STORE}
    connection = Connection(str(tmp_path / files.STORE))
    connection.execute("VACUUM")
    connection.close()
    assert store.run(store.engine.scrub())
    assert _found(tmp_path, needles) == []
    assert store.ask(page(tenant))[1] == 100


def test_a_reader_at_work_keeps_a_store_from_being_scrubbed(store: Store, tmp_path: Path) -> None:
    """While somebody reads what was before, it is not said to be gone; then it is, and writers go on."""
    tenant = store.new_tenant()
    one = _random(tenant)
    store.perform(stored(one, unique_tags=(external("a"),)))
    reader = files.reading(tmp_path)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM customers, customer_keys").fetchall()
    store.perform(_destroying(one))
    assert not store.run(store.engine.scrub())
    assert _found(tmp_path, _bytes_of(one))
    store.perform(stored(_random(tenant)))
    reader.execute("ROLLBACK")
    reader.close()
    assert store.run(store.engine.scrub())
    assert _found(tmp_path, _bytes_of(one)) == []


def test_writers_and_readers_go_on_while_a_store_is_scrubbed(store: Store, tmp_path: Path) -> None:
    """Asked for again and again under load, it comes to be, and nobody is refused."""
    tenant = store.new_tenant()
    one = _random(tenant)
    store.perform(stored(one))
    engine = store.engine

    async def together() -> int:
        await engine.perform(asking(_destroying(one)))
        asked = 0
        done = False

        async def write() -> None:
            while not done:
                await engine.perform(asking(stored(_random(tenant))))
                await engine.read(asking(page(tenant, limit=1)))

        writers = [asyncio.create_task(write()) for _ in range(8)]
        while not done:
            asked += 1
            done = await engine.scrub()
        await asyncio.gather(*writers)
        return asked

    assert store.run(together()) < 100
    assert _found(tmp_path, _bytes_of(one)) == []


def test_a_command_scrubs_too(tmp_path: Path, runner: asyncio.Runner) -> None:
    """Without a server, what a command has destroyed is gone as well."""
    engine = SQLiteEngine(tmp_path, serving=False)
    store = Store(engine, runner)
    tenant = store.new_tenant()
    one = _random(tenant)
    engine.perform_now([asking(stored(one))])
    engine.perform_now([asking(_destroying(one))])
    assert engine.scrub_now()
    assert _found(tmp_path, _bytes_of(one)) == []
    engine.close()
