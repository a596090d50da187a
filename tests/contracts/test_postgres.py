"""What is PostgreSQL's own: roles, row-level security and migrations."""

import asyncio
import uuid
from concurrent.futures import ThreadPoolExecutor

import asyncpg
import pytest

import clusters
from contracts.rows import (
    Store,
    external,
    next_version,
    record,
    replaced,
    stored,
)
from customary.app.ports import (
    ReadRecord,
)
from customary.domain.errors import Unavailable
from customary.storage.postgres import Address, PostgresEngine
from customary.storage.postgres.links import Link
from customary.storage.postgres.migrations import migrate
from customary.storage.schema import Step
from customary.storage.schema.postgres import APP_ROLE, STEPS, TENANT_TABLES


def _execute(url: str, sql: str) -> None:
    async def execute() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    asyncio.run(execute())


# ── Tenants are kept apart by the database, too ─────────────────────────────────────────────────────────


def test_a_statement_that_forgets_its_tenant_sees_no_other(
    url: str, stores: list[Store], runner: asyncio.Runner
) -> None:
    """Row-level security hides every row of every other tenant, and all rows while no tenant is named."""
    mine, theirs = stores[0].new_tenant(), stores[0].new_tenant()
    for tenant in (mine, theirs):
        first = record(tenant)
        stores[0].perform(stored(first, unique_tags=(external("a"),)), replaced(first, next_version(first)))

    async def counts(tenant: uuid.UUID) -> dict[str, int]:
        link = await Link.open(Address(url))
        try:
            await link.turn_to(tenant)
            return {
                name: await link.value(f"SELECT count(*) FROM {name} WHERE tenant_id <> $1", tenant)
                for name in TENANT_TABLES
            }
        finally:
            await link.close()

    async def unnamed() -> int:
        link = await Link.open(Address(url))
        try:
            await link.execute(f"SET ROLE {APP_ROLE}")
            found: int = await link.value("SELECT count(*) FROM customary.customers")
            return found
        finally:
            await link.close()

    assert set(runner.run(counts(uuid.UUID(mine))).values()) == {0}
    assert runner.run(unnamed()) == 0


def test_a_tenants_work_cannot_write_for_another(
    url: str, stores: list[Store], runner: asyncio.Runner
) -> None:
    """A row of another tenant can be neither added, changed nor deleted."""
    mine, theirs = stores[0].new_tenant(), stores[0].new_tenant()
    first = record(theirs)
    stores[0].perform(stored(first))

    async def attempts() -> list[object]:
        link = await Link.open(Address(url))
        found: list[object] = []
        try:
            await link.turn_to(uuid.UUID(mine))
            found.append(await link.execute("UPDATE customary.customers SET version = 9"))
            found.append(await link.execute("DELETE FROM customary.customers"))
            try:
                await link.execute(
                    "INSERT INTO customary.tags (tenant_id, kind, tag, row_no) VALUES ($1, 1, ''::bytea, 1)",
                    uuid.UUID(theirs),
                )
            except asyncpg.InsufficientPrivilegeError as refused:
                found.append(refused.sqlstate)
        finally:
            await link.close()
        return found

    assert runner.run(attempts()) == [0, 0, "42501"]
    assert stores[0].ask(ReadRecord(theirs, first.customer_id)) == first


@pytest.mark.parametrize(
    "breach",
    [
        "ALTER TABLE customary.customers DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE customary.answers DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE customary_keys.customer_keys NO FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY oops ON customary.answers TO {APP_ROLE} USING (true)",
        f"ALTER TABLE customary.meta OWNER TO {APP_ROLE}",
    ],
)
def test_a_database_that_does_not_keep_tenants_apart_is_refused(url: str, breach: str) -> None:
    """The start looks for itself, and starts nothing when a row of another tenant could be seen."""
    PostgresEngine(Address(url)).close()
    _execute(url, breach)
    with pytest.raises(Unavailable, match="keep tenants apart"):
        PostgresEngine(Address(url))


def test_the_server_may_log_in_as_one_who_owns_nothing(
    url: str, version: int, runner: asyncio.Runner
) -> None:
    """An owner migrates; the server works as another, and cannot take a step of the schema itself."""
    cluster = clusters.shared(version)
    database = url.rpartition("/")[2]
    owner, worker = f"owner_{database}", f"worker_{database}"
    cluster.execute(f"CREATE ROLE {owner} LOGIN CREATEROLE; ALTER DATABASE {database} OWNER TO {owner}")
    cluster.execute(f"CREATE ROLE {worker} LOGIN")
    try:
        by_owner, by_worker = (Address(cluster.url(database, user)) for user in (owner, worker))
        with pytest.raises(Unavailable, match="customary migrate"):
            PostgresEngine(by_worker)
        assert runner.run(migrate(by_owner, STEPS)) == len(STEPS)
        cluster.execute(f"GRANT customary_app, customary_house TO {worker}")
        engine = PostgresEngine(by_worker)
        store = Store(engine, runner)
        tenant = store.new_tenant()
        first = record(tenant)
        store.perform(stored(first))
        assert store.ask(ReadRecord(tenant, first.customer_id)) == first
        engine.close()
    finally:
        cluster.execute(f"DROP DATABASE {database} WITH (FORCE); CREATE DATABASE {database}".split(";")[0])
        cluster.execute(f"CREATE DATABASE {database}")
        cluster.execute(f"REVOKE customary_app, customary_house FROM {worker}")
        cluster.execute(f"DROP OWNED BY {owner} CASCADE; DROP ROLE {worker}; DROP ROLE {owner}")


# ── Migrations ──────────────────────────────────────────────────────────────────────────────────────────


def test_hosts_that_start_at_once_migrate_once(url: str) -> None:
    """Any number of hosts may start on an empty database; each step is taken by one of them."""
    with ThreadPoolExecutor(6) as pool:
        engines = list(pool.map(lambda _: PostgresEngine(Address(url)), range(6)))
    for engine in engines:
        engine.close()
    assert asyncio.run(migrate(Address(url), STEPS)) == 0


def test_a_migration_goes_on_where_it_was_ended(url: str) -> None:
    """Whatever step was the last, the next start takes the rest and no step twice."""
    taken = 0
    for upto in (1, 2, 5, len(STEPS) - 1, len(STEPS)):
        assert asyncio.run(migrate(Address(url), STEPS[:upto])) == upto - taken
        taken = upto
    PostgresEngine(Address(url)).close()


def test_another_programs_schema_is_refused_and_not_touched(url: str) -> None:
    """A step that reads otherwise, or one that is not known here, stops the start."""
    asyncio.run(migrate(Address(url), STEPS))
    with pytest.raises(Unavailable, match="newer version"):
        asyncio.run(migrate(Address(url), STEPS[:-1]))
    other = (*STEPS[:-1], Step(len(STEPS), "SELECT 1"))
    with pytest.raises(Unavailable, match="another schema"):
        asyncio.run(migrate(Address(url), other))


def test_a_server_that_may_not_migrate_says_what_to_do(url: str) -> None:
    """With migrations switched off, a database without a schema is refused."""
    with pytest.raises(Unavailable, match="customary migrate"):
        PostgresEngine(Address(url), migrating=False)
