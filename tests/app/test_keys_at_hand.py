"""The keys that the performer has at hand: they are those of the state that a job reads or writes."""

import asyncio
import os
from collections.abc import Generator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from customary.app import credentials, customers
from customary.app.performer import Performer
from customary.bootstrap.house import SystemDice
from customary.domain.access import Permission, Principal
from customary.domain.customer import Customer, CustomerPatch, TenantID
from customary.storage.sqlite import SQLiteEngine
from customary.vault import OpenedTenant, RootVault


class WatchedVault(RootVault):
    """A vault that counts how often a tenant's keys are opened."""

    def __init__(self) -> None:
        super().__init__(os.urandom(32))
        self.openings = 0

    def tenant(self, tenant_id: TenantID, keys: list[Any]) -> OpenedTenant:
        """Count, and open."""
        self.openings += 1
        return super().tenant(tenant_id, keys)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[SQLiteEngine]:
    """The server's engine."""
    engine = SQLiteEngine(tmp_path / "store", serving=True)
    yield engine
    engine.close()


@pytest.fixture
def command(engine: SQLiteEngine, tmp_path: Path) -> Iterator[SQLiteEngine]:
    """A command's engine beside it."""
    command = SQLiteEngine(tmp_path / "store", serving=False)
    yield command
    command.close()


def test_a_tenants_keys_are_opened_once_for_each_state_of_the_registry(
    engine: SQLiteEngine, command: SQLiteEngine
) -> None:
    """Another process's change of the registry makes writes, reads and scans open them anew, at once."""
    vault, dice = WatchedVault(), SystemDice()
    performer = Performer(engine, vault, dice)
    (tenant,) = engine.perform_now([partial(credentials.create_tenant, vault, dice, "One")])
    who = Principal(tenant.tenant_id, "key", 1, frozenset(Permission))

    def change() -> None:
        command.perform_now([partial(credentials.create_tenant, vault, dice, "Another")])

    def create() -> Generator[Any, Any, Customer]:
        return customers.create(who, lambda _: CustomerPatch(email="a@example.com"))

    with asyncio.Runner() as runner:
        for _ in range(3):
            runner.run(performer.perform(who, create))
        assert vault.openings == 1
        change()
        made = runner.run(performer.perform(who, create))
        assert vault.openings == 2
        fetching = partial(customers.fetch, who, made.customer_id, customers.Disclosure())
        for _ in range(3):
            runner.run(performer.read(who, fetching))
            runner.run(performer.scan(who, fetching))
        assert vault.openings == 2
        change()
        runner.run(performer.scan(who, fetching))
        assert vault.openings == 3, "the scan reads a later state than the server knows"
        runner.run(engine.poll())
        runner.run(performer.read(who, fetching))
        runner.run(performer.read(who, fetching))
        assert vault.openings == 4
