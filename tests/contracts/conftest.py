"""The engines that the contract holds, each opened on an empty store; PostgreSQL is one more opener here."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from contracts.rows import Store
from customary.app.ports import Engine
from customary.storage.sqlite import SQLiteEngine


@contextmanager
def _sqlite(folder: Path) -> Iterator[Engine]:
    reasons: list[str] = []
    engine = SQLiteEngine(folder, serving=True, fatal=reasons.append)
    yield engine
    engine.close()
    assert reasons == []


OPENERS: dict[str, Callable[[Path], AbstractContextManager[Engine]]] = {"sqlite": _sqlite}


@pytest.fixture(params=OPENERS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store of each engine."""
    with asyncio.Runner() as runner, OPENERS[request.param](tmp_path) as engine:
        yield Store(engine, runner)


@pytest.fixture
def tenant(store: Store) -> str:
    """A tenant in the store."""
    return store.new_tenant()
