"""The engines that the contract holds, each opened on an empty store."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import pytest

import clusters
from contracts.rows import Store
from customary.app.ports import Engine
from customary.storage.postgres import Address, PostgresEngine
from customary.storage.postgres.migrations import migrate
from customary.storage.schema.postgres import REFERENCE_TABLES, STEPS, TENANT_TABLES
from customary.storage.sqlite import SQLiteEngine


@contextmanager
def _sqlite(folder: Path) -> Iterator[Engine]:
    reasons: list[str] = []
    engine = SQLiteEngine(folder, serving=True, fatal=reasons.append)
    yield engine
    engine.close()
    assert reasons == []


def _migrate(url: str) -> None:
    """Make the schema in an empty database."""
    asyncio.run(migrate(Address(url), STEPS))


@contextmanager
def _postgres(version: int, _: Path) -> Iterator[Engine]:
    tables = {*TENANT_TABLES, *REFERENCE_TABLES} - {"customary.generations"}
    ordered = sorted(
        tables, key=lambda name: REFERENCE_TABLES[::-1].index(name) if name in REFERENCE_TABLES else -1
    )
    url = clusters.emptied_database(version, "contract", _migrate, ordered)
    engine = PostgresEngine(Address(url), migrating=False, serving=True)
    yield engine
    engine.close()


@contextmanager
def _pooled(version: int, folder: Path) -> Iterator[Engine]:
    if not clusters.has_pooler():
        pytest.skip("PgBouncer is not installed (Debian's package pgbouncer)")
    with _postgres(version, folder):
        pass  # the database is there now, and empty
    url = clusters.shared_pooler(version).url("contract")
    engine = PostgresEngine(Address(url, pooler=True), migrating=False, serving=True)
    yield engine
    engine.close()


OPENERS: dict[str, Callable[[Path], AbstractContextManager[Engine]]] = {
    "sqlite": _sqlite,
    "postgres-16": partial(_postgres, 16),
    "postgres-18": partial(_postgres, 18),
    "pgbouncer": partial(_pooled, 18),
}


@pytest.fixture(params=OPENERS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store of each engine."""
    with asyncio.Runner() as runner, OPENERS[request.param](tmp_path) as engine:
        yield Store(engine, runner)


@pytest.fixture
def tenant(store: Store) -> str:
    """A tenant in the store."""
    return store.new_tenant()


@pytest.fixture(params=sorted(clusters.VERSIONS))
def version(request: pytest.FixtureRequest) -> int:
    """Each major version in turn."""
    number: int = request.param
    return number


@pytest.fixture
def url(version: int) -> Iterator[str]:
    """The address of an empty database."""
    with clusters.fresh_database(version) as address:
        yield address


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """An event loop."""
    with asyncio.Runner() as opened:
        yield opened


@pytest.fixture
def stores(url: str, runner: asyncio.Runner) -> Iterator[list[Store]]:
    """Three hosts on one database, as the contract suite speaks to a store."""
    opened = [PostgresEngine(Address(url), serving=bool(n)) for n in range(3)]
    yield [Store(engine, runner) for engine in opened]
    for engine in opened:
        engine.close()
