"""SQLite's own: whoever has remembered keys with the generation may use them in the job that runs."""

import asyncio
import uuid
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from contracts.rows import NOON, Store, asking, leaf, record, stored
from customary.app.ports import Job, ReadGeneration, ReadRecord, ReadTenants, Write, WriteTenant
from customary.domain.access import Tenant
from customary.domain.customer import TenantID
from customary.storage.sqlite import SQLiteEngine
from customary.storage.sqlite.batches import BEGUN_TOGETHER

Noted = tuple[int, int, int]


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """An event loop."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[SQLiteEngine]:
    """An engine that serves, and never looks at the store between its jobs."""
    engine = SQLiteEngine(tmp_path / "store", serving=True)
    yield engine
    engine.close()


@pytest.fixture
def beside(engine: SQLiteEngine, tmp_path: Path) -> Iterator[Store]:
    """A command's engine on the same folder."""
    other = SQLiteEngine(tmp_path / "store", serving=False)
    with asyncio.Runner() as runner:
        yield Store(other, runner)
    other.close()


def new_tenant() -> WriteTenant:
    """The request that stores one more tenant."""
    tenant_id = TenantID(str(uuid.uuid4()))
    return WriteTenant(Tenant(tenant_id, "Later", NOON), (), leaf(tenant_id, "tenant"))


def noting(engine: SQLiteEngine, *requests: Any) -> Job[Noted]:
    """A job that returns the generation it is told, that of the state it reads, and how many tenants are."""

    def job() -> Generator[Any, Any, Noted]:
        told = engine.generation()
        tenants = yield ReadTenants()
        number = yield ReadGeneration()
        yield from requests
        return told, number, len(tenants)

    return job


def test_a_writing_job_is_told_the_generation_of_its_own_transaction(
    engine: SQLiteEngine, beside: Store, runner: asyncio.Runner
) -> None:
    """What another process changed a moment ago is known before the first job of a batch runs."""
    tenant = Store(engine, runner).new_tenant()
    job = noting(engine, Write(tenant, leaves=(leaf(tenant, "told"),)))
    for count in range(2, 5):
        beside.new_tenant()
        told, number, tenants = runner.run(engine.perform(job))
        assert (told, tenants) == (number, count)
    beside.new_tenant()
    ((told, number, tenants),) = engine.perform_now([job])
    assert (told, tenants) == (number, 5)


def test_a_reading_job_is_told_the_generation_of_the_state_that_it_reads(
    engine: SQLiteEngine, beside: Store, runner: asyncio.Runner
) -> None:
    """A state that is held over several reads keeps its number; the next state comes with its own."""
    seen = []
    for _ in range(3):
        beside.new_tenant()
        for _ in range(2):
            told, number, tenants = runner.run(engine.read(noting(engine)))
            assert told == number
            seen.append(tenants)
        runner.run(engine.poll())
        beside.new_tenant()
        told, number, tenants = engine.read_now(noting(engine))
        assert told == number
        seen.append(tenants)
    assert seen == [1, 1, 2, 3, 3, 4, 5, 5, 6]


def test_a_scan_can_ask_for_the_generation_of_its_state(
    engine: SQLiteEngine, beside: Store, runner: asyncio.Runner
) -> None:
    """A scan reads the newest state, though nobody has looked at the store since."""
    before = engine.generation()
    beside.new_tenant()
    told, number, tenants = runner.run(engine.scan(noting(engine)))
    assert (told, tenants) == (before, 1)
    assert number == before + 1


def test_what_was_begun_before_the_registry_changed_is_run_again(
    engine: SQLiteEngine, beside: Store, runner: asyncio.Runner
) -> None:
    """No write that was prepared with the keys of an older generation is stored."""
    tenant = Store(engine, runner).new_tenant()
    runs = []

    def begun() -> Generator[Any, Any, str]:
        generation = engine.generation()
        runs.append(generation)
        first = record(tenant, sealed=b"%d" % generation)
        yield stored(first)
        return first.customer_id

    async def race() -> list[str]:
        leading = asyncio.ensure_future(engine.perform(asking(stored(record(tenant)))))
        while not engine._batches.under_way:
            await asyncio.sleep(0)
        following = [asyncio.ensure_future(engine.perform(job)) for job in [begun] * BEGUN_TOGETHER]
        await asyncio.sleep(0)
        assert engine._batches.under_way, "they came too late to be begun early"
        # The commit of the leading job is under way on a thread; this one waits for it, and is before theirs.
        beside.engine.perform_now([asking(new_tenant())])
        await leading
        return list(await asyncio.gather(*following))

    first_generation = engine.generation()
    made = runner.run(race())
    assert engine.generation() == first_generation + 1
    assert runs[:BEGUN_TOGETHER] == [first_generation] * BEGUN_TOGETHER, "they were not begun early"
    assert runs[BEGUN_TOGETHER:] == [first_generation + 1] * BEGUN_TOGETHER
    for customer_id in made:
        kept = runner.run(engine.read(asking(ReadRecord(tenant, customer_id))))
        assert kept.sealed == b"%d" % engine.generation()
