"""Several hosts on one PostgreSQL: races, changes of the registry, deadlocks and lost connections."""

import asyncio
import uuid
from typing import Any

import asyncpg
import pytest

import clusters
from contracts.rows import (
    NOON,
    Store,
    answer,
    asking,
    external,
    leaf,
    next_version,
    page,
    record,
    replaced,
    stored,
)
from contracts.test_engine_batches import upsert
from customary.app.ports import (
    ReadAnswer,
    ReadGeneration,
    ReadRecord,
    ReadTagged,
    ReadVersion,
    TagTaken,
    WriteTenant,
)
from customary.domain.access import Tenant
from customary.domain.customer import TenantID
from customary.domain.errors import Unavailable
from customary.storage.postgres import Address, PostgresEngine


def _execute(url: str, sql: str) -> None:
    async def execute() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    asyncio.run(execute())


# ── Several hosts ───────────────────────────────────────────────────────────────────────────────────────


def _at_once(stores: list[Store], jobs: list[Any]) -> list[Any]:
    """Perform jobs at once, in turn on each host."""

    async def together() -> list[Any]:
        deeds = [stores[place % len(stores)].engine.perform(job) for place, job in enumerate(jobs)]
        return await asyncio.gather(*deeds, return_exceptions=True)

    return stores[0].run(together())


def test_upserts_of_one_customer_on_all_hosts_leave_one_record(stores: list[Store]) -> None:
    """64 jobs that find or create the same customer, on three hosts: one record, each change on the last."""
    tenant = stores[0].new_tenant()
    outcomes = _at_once(stores, [upsert(tenant, "same")] * 64)
    assert len(set(outcomes)) == 1, outcomes
    found = stores[1].ask(ReadTagged(tenant, external("same")))
    assert (found.customer_id, found.version) == (outcomes[0], 64)
    assert stores[2].ask(page(tenant))[1] == 1
    assert [stores[2].ask(ReadVersion(tenant, found.customer_id, n)).version for n in (1, 32, 63)] == [
        1,
        32,
        63,
    ]


def test_a_tag_is_taken_once_on_all_hosts(stores: list[Store]) -> None:
    """Of jobs that take the same tag unseen, one has it, and every other is told that it is taken."""
    tenant = stores[0].new_tenant()
    jobs = [asking(stored(record(tenant), unique_tags=(external("same"),))) for _ in range(24)]
    others = [asking(stored(record(tenant), unique_tags=(external(str(n)),))) for n in range(24)]
    outcomes = _at_once(stores, [job for pair in zip(jobs, others, strict=True) for job in pair])
    assert sorted(type(one).__name__ for one in outcomes[::2]) == ["NoneType", *["TagTaken"] * 23]
    assert [one for one in outcomes[1::2] if one is not None] == []
    assert stores[0].ask(page(tenant))[1] == 25


def test_an_idempotency_key_is_used_once_on_all_hosts(stores: list[Store]) -> None:
    """Jobs that find no answer under a key and leave one: the first leaves it, the others find it."""
    tenant = stores[0].new_tenant()

    def job() -> Any:
        first = record(tenant)
        kept = answer(tenant, "key", first)
        found = yield ReadAnswer(tenant, kept.key_tag, NOON)
        if found is None:
            yield stored(first, answer=kept)
            return first.customer_id
        return found.customer_id

    outcomes = _at_once(stores, [job] * 30)
    assert len(set(outcomes)) == 1, outcomes
    assert stores[0].ask(page(tenant))[1] == 1


def test_a_change_on_one_host_is_noticed_on_another(stores: list[Store], runner: asyncio.Runner) -> None:
    """Another host's change of the registry shows once the store is looked at."""
    before = stores[1].engine.generation()
    stores[0].new_tenant()
    assert stores[1].engine.generation() == before
    runner.run(stores[1].engine.poll())
    assert stores[1].engine.generation() == stores[0].engine.generation() != before


def test_a_job_is_told_the_generation_of_the_state_that_it_writes_to(stores: list[Store]) -> None:
    """Whatever another host has changed of the registry, a job that was told an older number runs again."""
    tenant = stores[0].new_tenant()
    engine = stores[0].engine
    told: list[int] = []

    def job() -> Any:
        told.append(engine.generation())
        first = record(tenant, sealed=b"%d" % told[-1])
        yield stored(first)
        return first.customer_id

    for _ in range(3):
        stores[1].new_tenant()
        known = engine.generation()
        customer_id = stores[0].run(engine.perform(job))
        assert told[-2:] == [known, known + 1]
        assert stores[1].ask(ReadRecord(tenant, customer_id)).sealed == b"%d" % (known + 1)
        stores[1].new_tenant()
        number, read = stores[0].run(engine.read(noting(engine)))
        assert number == read == known + 2
        stores[1].new_tenant()
        ((number, read),) = engine.perform_now([noting(engine)])
        assert number == read == known + 3
        stores[1].new_tenant()
        number, read = engine.read_now(noting(engine))
        assert number == read == known + 4


def noting(engine: Any) -> Any:
    """A job that returns the generation it is told, and that of the state it reads."""

    def job() -> Any:
        told = engine.generation()
        return told, (yield ReadGeneration())

    return job


# ── What goes wrong ─────────────────────────────────────────────────────────────────────────────────────


def test_a_deadlock_is_run_again(url: str, stores: list[Store], runner: asyncio.Runner) -> None:
    """A transaction that the server ends for another's sake (40P01) is run again, and nobody hears of it."""
    store = stores[0]
    tenant = store.new_tenant()
    first = record(tenant)
    store.perform(stored(first, unique_tags=(external("a"),)))

    async def crossing() -> Any:
        other, watch = await asyncpg.connect(url), await asyncpg.connect(url)
        await other.execute("SET deadlock_timeout = '1h'; BEGIN")  # so that the job is the one to be ended
        await other.execute("UPDATE customary.counters SET entry_no = entry_no WHERE tenant_id = $1", tenant)
        job = asyncio.ensure_future(store.engine.perform(upsert(tenant, "a")))
        waits = (
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%counters%'"
            " AND datname = current_database()"
        )
        while not await watch.fetchval(waits):
            await asyncio.sleep(0.01)
        # Held by the job, which waits for the counters: now each waits for the other.
        await other.execute("UPDATE customary.customers SET merchant_no = 1 WHERE tenant_id = $1", tenant)
        await other.execute("COMMIT")
        for connection in (other, watch):
            await connection.close()
        return await job

    assert runner.run(crossing()) == first.customer_id
    assert store.ask(ReadRecord(tenant, first.customer_id)).version == 2


def test_cut_connections_are_opened_again(url: str, stores: list[Store], runner: asyncio.Runner) -> None:
    """Work whose connection was cut before COMMIT is done on another one."""
    store = stores[0]
    tenant = store.new_tenant()
    first = record(tenant)
    store.perform(stored(first))
    store.ask(ReadRecord(tenant, first.customer_id))
    database = url.rpartition("/")[2]
    cut = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
    _execute(url.rpartition("/")[0] + "/postgres", cut)
    assert store.ask(ReadRecord(tenant, first.customer_id)) == first
    second = record(tenant)
    store.perform(stored(second))
    _execute(url.rpartition("/")[0] + "/postgres", cut)
    store.engine.perform_now([asking(replaced(second, next_version(second)))])
    assert store.engine.read_now(asking(ReadRecord(tenant, second.customer_id))).version == 2
    runner.run(store.engine.poll())


def test_a_database_that_is_away_is_unavailable(url: str) -> None:
    """Who cannot reach the database is told so, without a word of its address."""
    wrong = url.rpartition("/")[0].replace(clusters.HOST, "127.0.0.2") + "/nowhere"
    with pytest.raises(Unavailable) as refused:
        PostgresEngine(Address(wrong))
    assert "nowhere" not in f"{refused.value} {refused.value.detail}"


def test_a_refused_write_of_a_job_that_goes_on_costs_nobody_else(stores: list[Store]) -> None:
    """A tag that only the database knows is held refuses its own job; the rest of the batch is stored."""
    tenant = stores[0].new_tenant()
    stores[0].perform(stored(record(tenant), unique_tags=(external("held"),)))
    jobs = [asking(stored(record(tenant), unique_tags=(external(str(n)),))) for n in range(20)]
    jobs[11] = asking(stored(record(tenant), unique_tags=(external("held"),)))
    outcomes = stores[1].outcomes(*jobs)
    assert [type(one) for one in outcomes if one is not None] == [TagTaken]
    assert stores[2].ask(page(tenant))[1] == 20


def test_the_house_and_a_tenant_take_turns_on_one_link(url: str, stores: list[Store]) -> None:
    """One commit may hold work for the house and for tenants, each under its own rights."""
    made = [str(uuid.uuid4()) for _ in range(2)]
    jobs = []
    for tenant_id in made:
        jobs.append(
            asking(WriteTenant(Tenant(TenantID(tenant_id), "T", NOON), (), leaf(tenant_id, "tenant")))
        )
        jobs.append(asking(stored(record(tenant_id), unique_tags=(external("a"),))))
    stores[0].engine.perform_now(jobs)
    assert [stores[1].ask(page(tenant_id))[1] for tenant_id in made] == [1, 1]
