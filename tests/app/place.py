"""The performer over the embedded engine and the real vault, on a folder of a test's own."""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Generator
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from customary.app import credentials, customers, trail
from customary.app.customers import ALL, Disclosure
from customary.app.performer import Performer
from customary.app.ports import ReadRecord, ReadTenantKeys, SealedCustomer, TenantKeyRow
from customary.app.requests import Deed, UseCase
from customary.domain.access import Permission, Principal, Tenant
from customary.domain.audit import Leaf
from customary.domain.customer import Customer, CustomerPatch
from customary.storage.sqlite import SQLiteEngine
from customary.vault import RootVault

EVERYTHING = frozenset(Permission)
MASKED = Disclosure()
IN_CLEAR = Disclosure(clear=ALL, audited=ALL)


class HeldClock:
    """The kernel's randomness, and an instant that stands until the test moves it."""

    def __init__(self) -> None:
        self.instant = datetime(2025, 1, 21, 14, 30, 0, 123_456, tzinfo=UTC)

    def now(self) -> datetime:
        """Return the instant that was set."""
        return self.instant

    def random_bytes(self, count: int) -> bytes:
        """Return that many bytes of the kernel's."""
        return os.urandom(count)


class Place:
    """An open store with two tenants; runs use cases one at a time and looks at what they left."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.clock = HeldClock()
        self.engine = SQLiteEngine(folder, serving=True)
        self.vault = RootVault(os.urandom(32))
        self.performer = Performer(self.engine, self.vault, self.clock, **settings)
        self.runner = asyncio.Runner()
        self.here, self.elsewhere = (self._tenant(name) for name in ("Here", "Elsewhere"))

    def _tenant(self, name: str) -> Tenant:
        job = partial(credentials.create_tenant, self.vault, self.clock, name)
        return self.runner.run(self.engine.perform(job))

    def close(self) -> None:
        """Close the store."""
        self.engine.close()
        self.runner.close()

    def may(self, merchant_no: int | None = 1, tenant: Tenant | None = None) -> Principal:
        """A principal of the tenant that may do everything."""
        return Principal((tenant or self.here).tenant_id, "key", merchant_no, EVERYTHING)

    def perform(
        self, who: Principal, use_case: Callable[..., UseCase[Any]], *arguments: Any, deed: Deed | None = None
    ) -> Any:
        """Perform one use case of this principal and wait for its commit."""
        job = partial(use_case, who, *arguments)
        return self.runner.run(self.performer.perform(who, job, deed))

    def leaves(self) -> list[Leaf]:
        """All leaves that tell of customers."""
        told = self.engine.read_now(trail.list_leaves)
        return [leaf for _, leaf in told if leaf.action.startswith("customer")]

    def count(self, table: str) -> int:
        """How many rows are committed."""
        with closing(sqlite3.connect(f"file:{self.folder}/customary.db?mode=ro", uri=True)) as connection:
            counted: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        return counted

    def tenant_keys(self, tenant_id: str) -> list[TenantKeyRow]:
        """The sealed keys of a tenant."""

        def asked() -> Generator[Any, Any, list[TenantKeyRow]]:
            rows: list[TenantKeyRow] = yield ReadTenantKeys(tenant_id)
            return rows

        return self.engine.read_now(asked)

    def wrapped_key(self, customer: Customer) -> bytes:
        """The sealed key of a customer."""

        def asked() -> Generator[Any, Any, SealedCustomer | None]:
            record: SealedCustomer | None = yield ReadRecord(customer.tenant_id, customer.customer_id)
            return record

        record = self.engine.read_now(asked)
        assert record is not None
        return record.wrapped_key


def says(**changes: Any) -> customers.Revision:
    """A revision that says these things, whatever there is."""
    return lambda current: CustomerPatch(**changes)


def upsert(
    external_id: str, disclosure: Disclosure = MASKED, **changes: Any
) -> Callable[[Principal], UseCase[Customer]]:
    """Create or change the customer of that external id."""
    return partial(
        customers.upsert,
        revision=says(**changes),
        disclosure=disclosure,
        sought_external_id=external_id,
        stated_number=None,
        stated_external_id=None,
    )
