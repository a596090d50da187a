"""Rows and jobs as the contract suite hands them to an engine: sealed bytes are any bytes here."""

import asyncio
import itertools
import uuid
from collections.abc import Coroutine, Generator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, TypeVar

from customary.app.ports import (
    Engine,
    Job,
    LeafRow,
    OutboxRow,
    ReadPage,
    SealedCustomer,
    StoredAnswer,
    Tag,
    TagKind,
    TenantKeyRow,
    Write,
    WriteTenant,
)
from customary.domain.access import Tenant
from customary.domain.customer import TenantID

T = TypeVar("T")

NOON = datetime(2025, 1, 21, 12, 0, 0, 123456, UTC)
_counter = itertools.count(1)


def later(seconds: float) -> datetime:
    """An instant so long after noon."""
    return NOON + timedelta(seconds=seconds)


def asking(*requests: Any) -> Job[Any]:
    """A job that makes these requests one after the other and returns the last answer."""

    def job() -> Generator[Any, Any, Any]:
        answer = None
        for request in requests:
            answer = yield request
        return answer

    return job


def tag(kind: TagKind, text: str) -> Tag:
    """The tag of a text: equal texts, equal tags."""
    return Tag(kind, sha256(text.encode()).digest()[:16])


def external(text: str) -> Tag:
    """The unique tag of an external id."""
    return tag(TagKind.EXTERNAL_ID, text)


def record(tenant_id: str, **changes: Any) -> SealedCustomer:
    """A first version of a new customer, but for the changes."""
    number = next(_counter)
    fields: dict[str, Any] = {
        "tenant_id": tenant_id,
        "customer_id": f"c{number:011d}",
        "customer_number": str(10**14 + number),
        "merchant_no": 1,
        "version": 1,
        "sealed": b"sealed %d" % number,
        "guarded": b"guarded %d" % number,
        "created_at": NOON,
        "updated_at": NOON,
        "wrapped_key": b"key %d" % number,
    }
    return SealedCustomer(**(fields | changes))


def next_version(before: SealedCustomer, **changes: Any) -> SealedCustomer:
    """The record one version later, with other sealed bytes."""
    fields: dict[str, Any] = {name: getattr(before, name) for name in before.__struct_fields__}
    fields |= {
        "version": before.version + 1,
        "sealed": b"%b, version %d" % (before.sealed, before.version + 1),
        "updated_at": before.updated_at + timedelta(seconds=1),
    }
    return SealedCustomer(**(fields | changes))


def stored(first: SealedCustomer, **parts: Any) -> Write:
    """The write of a new record."""
    return Write(first.tenant_id, record=first, **parts)


def replaced(before: SealedCustomer, after: SealedCustomer, **parts: Any) -> Write:
    """The write of a next version."""
    return Write(after.tenant_id, record=after, replaces=before.version, **parts)


def leaf(tenant_id: str, text: str) -> LeafRow:
    """An entry of the trail."""
    return LeafRow(tenant_id, NOON, text.encode())


def announcement(tenant_id: str) -> OutboxRow:
    """Something due."""
    return OutboxRow(tenant_id, NOON, b"announced")


def answer(tenant_id: str, key: str, of: SealedCustomer, at: datetime = NOON) -> StoredAnswer:
    """The stored answer of an idempotent request."""
    key_tag, request_tag = sha256(key.encode()).digest()[:16], sha256(of.sealed).digest()[:16]
    return StoredAnswer(tenant_id, key_tag, request_tag, of.customer_id, of.version, at)


def page(tenant_id: str, **conditions: Any) -> ReadPage:
    """The question for the first hundred records, counted, but for the conditions."""
    fields: dict[str, Any] = {
        "merchant_no": None,
        "unique_tags": (),
        "tags": (),
        "newest_first": False,
        "offset": 0,
        "limit": 100,
        "counted": True,
    }
    return ReadPage(tenant_id, **(fields | conditions))


class Store:
    """An engine under test with the event loop that it lives in."""

    def __init__(self, engine: Engine, runner: asyncio.Runner) -> None:
        self.engine = engine
        self._runner = runner

    def run(self, deed: Coroutine[Any, Any, T]) -> T:
        """Do something on the engine's loop."""
        return self._runner.run(deed)

    def perform(self, *requests: Any) -> Any:
        """Perform one job that makes these requests; return its last answer."""
        return self.run(self.engine.perform(asking(*requests)))

    def outcomes(self, *jobs: Job[Any]) -> list[Any]:
        """Perform jobs at once; return each one's result or error."""

        async def together() -> list[Any]:
            return await asyncio.gather(*map(self.engine.perform, jobs), return_exceptions=True)

        return self.run(together())

    def ask(self, *requests: Any) -> Any:
        """Read with one job; return its last answer."""
        return self.run(self.engine.read(asking(*requests)))

    def new_tenant(self) -> str:
        """A tenant of its own for a test."""
        tenant_id = str(uuid.uuid4())
        tenant = Tenant(TenantID(tenant_id), f"Tenant {next(_counter)}", NOON)
        keys = (TenantKeyRow(tenant_id, "seal", 1, b"sealed"), TenantKeyRow(tenant_id, "index", 1, b"index"))
        self.perform(WriteTenant(tenant, keys, leaf(tenant_id, "tenant")))
        return tenant_id
