"""The contract of every engine: many jobs at once, and what one job's failure does to the others."""

import asyncio
from collections.abc import Generator
from typing import Any

import pytest

from contracts.rows import Store, asking, external, leaf, next_version, page, record, replaced, stored
from customary.app.ports import Job, ReadLeaves, ReadRecord, ReadTagged, TagTaken, Write, WriteBlocks
from customary.domain.errors import CustomaryError, Invalid, NotFound, Outdated


def upsert(tenant: str, name: str) -> Job[str]:
    """A job that creates the customer of that external id, or makes its next version."""

    def job() -> Generator[Any, Any, str]:
        found = yield ReadTagged(tenant, external(name))
        if found is None:
            first = record(tenant)
            yield stored(first, unique_tags=(external(name),), leaves=(leaf(tenant, "created"),))
            return first.customer_id
        yield replaced(found, next_version(found), leaves=(leaf(tenant, "updated"),))
        customer_id: str = found.customer_id
        return customer_id

    return job


def refusing(tenant: str, *requests: Any, error: Exception) -> Job[None]:
    """A job that makes these requests and then raises."""

    def job() -> Generator[Any, Any, None]:
        yield from requests
        yield ReadTagged(tenant, external("nobody"))
        raise error

    return job


def test_parallel_upserts_of_one_tag_leave_one_record(store: Store, tenant: str) -> None:
    """Any number of jobs that find or create the same customer at once work on one record (T7)."""
    outcomes = store.outcomes(*(upsert(tenant, "same") for _ in range(64)))
    assert len(set(outcomes)) == 1
    found = store.ask(ReadTagged(tenant, external("same")))
    assert (found.customer_id, found.version) == (outcomes[0], 64)
    assert store.ask(page(tenant))[1] == 1
    bodies = [row.body for row in store.ask(ReadLeaves(tenant_id=tenant))]
    assert bodies == [b"tenant", b"created"] + [b"updated"] * 63


def test_a_later_job_sees_what_an_earlier_one_wrote(store: Store, tenant: str) -> None:
    """Jobs that are performed at once run as if one after the other."""
    first = record(tenant)
    read = asking(ReadRecord(tenant, first.customer_id))
    assert store.outcomes(read, asking(stored(first)), read) == [None, None, first]


def test_a_job_that_refuses_drops_out_alone(store: Store, tenant: str) -> None:
    """A refusal before any write is raised to its own waiter; the others are stored."""
    records = [record(tenant) for _ in range(20)]
    jobs = [asking(stored(one)) for one in records]
    jobs[7] = refusing(tenant, error=NotFound())
    outcomes = store.outcomes(*jobs)
    assert [type(outcome) for outcome in outcomes if outcome is not None] == [NotFound]
    kept = [one for one in records if one is not records[7]]
    assert store.ask(page(tenant))[0] == kept


@pytest.mark.parametrize("error", [Invalid(), ValueError("a mistake in a job")])
def test_a_job_that_fails_after_writing_leaves_nothing(store: Store, tenant: str, error: Exception) -> None:
    """What a failing job has written is undone, and only that; its waiter gets its very error."""
    records = [record(tenant) for _ in range(20)]
    jobs = [asking(stored(one, unique_tags=(external(str(n)),))) for n, one in enumerate(records)]
    failing = stored(records[7], unique_tags=(external("7"),), leaves=(leaf(tenant, "undone"),))
    jobs[7] = refusing(tenant, failing, error=error)
    outcomes = store.outcomes(*jobs)
    assert [outcome for outcome in outcomes if outcome is not None] == [error]
    assert store.ask(page(tenant))[0] == [one for one in records if one is not records[7]]
    assert store.ask(ReadTagged(tenant, external("7"))) is None
    assert [row.body for row in store.ask(ReadLeaves(tenant_id=tenant))] == [b"tenant"]


def test_several_failures_in_one_batch_are_told_apart(store: Store, tenant: str) -> None:
    """Each waiter gets what its own job raised or returned."""
    held, first = record(tenant), record(tenant)
    store.perform(stored(held, unique_tags=(external("held"),)), stored(first))
    mistake = ValueError("a mistake in a job")
    outcomes = store.outcomes(
        asking(stored(record(tenant), unique_tags=(external("held"),))),
        asking(replaced(first, next_version(first))),
        asking(replaced(first, next_version(first))),
        refusing(tenant, stored(record(tenant)), error=mistake),
        asking(ReadRecord(tenant, held.customer_id)),
    )
    assert [type(outcome) for outcome in outcomes[:3]] == [TagTaken, type(None), Outdated]
    assert outcomes[3:] == [mistake, held]
    assert store.ask(page(tenant))[1] == 2


def test_a_job_that_failed_alone_can_be_run_again(store: Store, tenant: str) -> None:
    """Nothing of a failed job is in the way of its second attempt."""
    first = record(tenant)
    write = stored(first, unique_tags=(external("a"),))
    (outcome,) = store.outcomes(refusing(tenant, write, error=Invalid()))
    assert isinstance(outcome, Invalid)
    store.perform(write)
    assert store.ask(ReadTagged(tenant, external("a"))) == first


def test_nothing_is_visible_before_its_job_is_answered(store: Store, tenant: str) -> None:
    """A write is seen at the earliest when it is committed, at the latest when it is answered."""
    first = record(tenant)
    seen_inside: list[object] = []

    def job() -> Generator[Any, Any, None]:
        yield stored(first)
        seen_inside.append(store.engine.read_now(asking(ReadRecord(tenant, first.customer_id))))

    store.run(store.engine.perform(job))
    assert seen_inside == [None]
    assert store.ask(ReadRecord(tenant, first.customer_id)) == first


def test_what_is_answered_is_read_at_once(store: Store, tenant: str) -> None:
    """A caller reads its own write, by `read` and by `scan`, while others go on writing."""

    async def one(number: int) -> None:
        first = record(tenant)
        await store.engine.perform(asking(stored(first)))
        assert await store.engine.read(asking(ReadRecord(tenant, first.customer_id))) == first
        assert await store.engine.scan(asking(ReadRecord(tenant, first.customer_id))) == first

    async def all_together() -> None:
        await asyncio.gather(*map(one, range(50)))

    store.run(all_together())
    assert store.ask(page(tenant, limit=1))[1] == 50


def test_a_waiter_that_went_away_harms_nobody(store: Store, tenant: str) -> None:
    """A cancelled waiter's job may or may not be stored; the others' are, and the store works on."""

    async def cancelled() -> list[Any]:
        tasks = [asyncio.ensure_future(store.engine.perform(upsert(tenant, str(n)))) for n in range(10)]
        await asyncio.sleep(0)
        tasks[3].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    outcomes = store.run(cancelled())
    assert isinstance(outcomes[3], asyncio.CancelledError)
    for number in set(range(10)) - {3}:
        assert store.ask(ReadTagged(tenant, external(str(number)))).customer_id == outcomes[number]


def test_reading_jobs_cannot_write(store: Store, tenant: str) -> None:
    """A write in `read`, `read_now` or `scan` is a mistake of the program, and is not stored."""
    for attempt in (stored(record(tenant)), Write(tenant, leaves=(leaf(tenant, "no"),)), WriteBlocks(())):
        for reading in (store.engine.read, store.engine.scan):
            with pytest.raises(TypeError):
                store.run(reading(asking(attempt)))
        with pytest.raises(TypeError):
            store.engine.read_now(asking(attempt))
    assert store.ask(page(tenant)) == ([], 0)


def test_more_jobs_than_a_batch_holds_are_all_answered(store: Store, tenant: str) -> None:
    """However many jobs wait, each is answered and stored."""
    outcomes = store.outcomes(*(upsert(tenant, str(number)) for number in range(1000)))
    assert len(set(outcomes)) == 1000
    assert not any(isinstance(outcome, CustomaryError) for outcome in outcomes)
    assert store.ask(page(tenant, limit=1))[1] == 1000
