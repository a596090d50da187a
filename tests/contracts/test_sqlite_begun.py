"""SQLite's own: what is begun while a commit is under way, against a state that the commit then changes."""

import asyncio
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from contracts.rows import (
    Store,
    asking,
    external,
    leaf,
    next_version,
    page,
    record,
    replaced,
    stored,
)
from customary.app.ports import Job, ReadLeaves, ReadRecord, ReadTagged
from customary.storage.sqlite import SQLiteEngine
from customary.storage.sqlite.batches import BEGUN_TOGETHER


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """An event loop."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[SQLiteEngine]:
    """An engine that serves."""
    engine = SQLiteEngine(tmp_path / "store", serving=True)
    yield engine
    engine.close()


class Counted:
    """A job that says how often it was run."""

    def __init__(self, job: Job[Any]) -> None:
        self._job = job
        self.runs = 0

    def __call__(self) -> Generator[Any, Any, Any]:
        self.runs += 1
        return self._job()


def changing(tenant: str, customer_id: str) -> Job[int]:
    """A job that makes the next version of a customer and returns its number."""

    def job() -> Generator[Any, Any, int]:
        found = yield ReadRecord(tenant, customer_id)
        after = next_version(found)
        yield replaced(found, after, leaves=(leaf(tenant, "changed"),))
        version: int = after.version
        return version

    return job


def upserting(tenant: str, name: str) -> Job[str]:
    """A job that creates the customer of that external id, or finds it."""

    def job() -> Generator[Any, Any, str]:
        found = yield ReadTagged(tenant, external(name))
        if found is not None:
            customer_id: str = found.customer_id
            return customer_id
        first = record(tenant)
        yield stored(first, unique_tags=(external(name),))
        return first.customer_id

    return job


async def beside_a_commit(engine: SQLiteEngine, first: Job[Any], *others: Job[Any]) -> list[Any]:
    """Perform ``first``, and hand in the others while its commit is under way."""
    leading = asyncio.ensure_future(engine.perform(first))
    while not engine._batches.under_way:
        await asyncio.sleep(0)
    following = [asyncio.ensure_future(engine.perform(other)) for other in others]
    await asyncio.sleep(0)
    assert engine._batches.under_way, "they came too late to be begun early"
    return list(await asyncio.gather(leading, *following))


def test_a_change_begun_on_an_older_version_is_run_again(
    engine: SQLiteEngine, runner: asyncio.Runner
) -> None:
    """Each of many changes of one customer is applied once, on the version the one before it has left."""
    store = Store(engine, runner)
    tenant = store.new_tenant()
    first = record(tenant)
    store.perform(stored(first))
    jobs = [Counted(changing(tenant, first.customer_id)) for _ in range(20)]
    versions = runner.run(beside_a_commit(engine, *jobs))
    assert versions == list(range(2, 22))
    # The second may have been begun when the commit was done already, and not yet told of.
    assert [job.runs for job in jobs[2:]] == [2] * 18
    assert store.ask(ReadRecord(tenant, first.customer_id)).version == 21
    leaves = [row.body for row in store.ask(ReadLeaves(tenant_id=tenant))]
    assert leaves.count(b"changed") == 20


def test_a_create_begun_before_its_name_was_taken_finds_who_took_it(
    engine: SQLiteEngine, runner: asyncio.Runner
) -> None:
    """Upserts of one external id leave one record, though all began when there was none (T7)."""
    store = Store(engine, runner)
    tenant = store.new_tenant()
    found = runner.run(beside_a_commit(engine, *(upserting(tenant, "same") for _ in range(20))))
    assert len(set(found)) == 1
    assert store.ask(page(tenant))[1] == 1


def test_what_nothing_has_changed_is_run_once(engine: SQLiteEngine, runner: asyncio.Runner) -> None:
    """Creates of different customers are not run a second time: that is what beginning early is for."""
    store = Store(engine, runner)
    tenant = store.new_tenant()
    jobs = [Counted(upserting(tenant, str(number))) for number in range(20)]
    assert len(set(runner.run(beside_a_commit(engine, *jobs)))) == 20
    assert [job.runs for job in jobs] == [1] * 20


def test_a_mistake_in_one_job_is_that_job_s_alone(engine: SQLiteEngine, runner: asyncio.Runner) -> None:
    """A job that fails before its first write fails for its own caller; those begun beside it are stored."""
    store = Store(engine, runner)
    tenant = store.new_tenant()

    def broken() -> Generator[Any, Any, str]:
        yield ReadTagged(tenant, external("x"))
        raise ZeroDivisionError

    jobs = [upserting(tenant, str(number)) for number in range(BEGUN_TOGETHER + 3)]

    async def perform() -> list[Any]:
        leading = asyncio.ensure_future(engine.perform(upserting(tenant, "first")))
        while not engine._batches.under_way:
            await asyncio.sleep(0)
        asked = [engine.perform(job) for job in (*jobs[:5], broken, *jobs[5:])]
        told = await asyncio.gather(*asked, return_exceptions=True)
        await leading
        return told

    told = runner.run(perform())
    assert isinstance(told.pop(5), ZeroDivisionError)
    assert len(set(told)) == len(jobs)
    assert store.ask(page(tenant))[1] == len(jobs) + 1


def test_a_begun_job_whose_caller_has_gone_stores_nothing(
    engine: SQLiteEngine, runner: asyncio.Runner
) -> None:
    """A cancelled request is not performed after all."""
    store = Store(engine, runner)
    tenant = store.new_tenant()
    gone, kept = record(tenant), record(tenant)

    async def leave() -> None:
        leading = asyncio.ensure_future(engine.perform(asking(stored(record(tenant)))))
        while not engine._batches.under_way:
            await asyncio.sleep(0)
        leaving = asyncio.ensure_future(engine.perform(asking(stored(gone))))
        staying = asyncio.ensure_future(engine.perform(asking(stored(kept))))
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.gather(leading, staying)

    runner.run(leave())
    assert store.ask(ReadRecord(tenant, gone.customer_id)) is None
    assert store.ask(ReadRecord(tenant, kept.customer_id)) == kept
