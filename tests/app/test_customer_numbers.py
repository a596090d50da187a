"""Customer numbers: unique across a tenant's merchants, seen by their own (Trustly contract T17, T19)."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from customary.app import credentials, customers
from customary.app.customers import Disclosure
from customary.app.performer import Performer
from customary.domain.access import Permission, Principal
from customary.domain.customer import CustomerPatch, TenantID
from customary.domain.errors import NotFound
from customary.storage.sqlite import SQLiteEngine
from customary.vault import RootVault


class LoadedDice:
    """The kernel's randomness, but that what makes a customer number is drawn twice before it changes."""

    def __init__(self) -> None:
        self.drawn = 0

    def now(self) -> datetime:
        """Return the same instant for ever."""
        return datetime(2025, 1, 21, 14, 30, tzinfo=UTC)

    def random_bytes(self, count: int) -> bytes:
        """Return random bytes; of sixteen, every second time the same ones again."""
        if count != 16:
            return os.urandom(count)
        self.drawn += 1
        return (self.drawn // 2).to_bytes(16, "big")


@pytest.fixture
def performer(tmp_path: Path) -> Iterator[tuple[Performer, TenantID]]:
    """A performer over an open store, and the id of its tenant."""
    dice, vault = LoadedDice(), RootVault(os.urandom(32))
    engine = SQLiteEngine(tmp_path / "store", serving=False)
    (tenant,) = engine.perform_now([partial(credentials.create_tenant, vault, dice, "T")])
    yield Performer(engine, vault, dice), tenant.tenant_id
    engine.close()


def test_a_number_that_another_merchant_has_is_drawn_again(performer: tuple[Performer, TenantID]) -> None:
    """Two merchants of a tenant never have customers of one number, and neither sees the other's."""
    acting, tenant_id = performer
    one = Principal(tenant_id, "key-1", 1, frozenset(Permission))
    two = Principal(tenant_id, "key-2", 2, frozenset(Permission))
    made = [
        acting.perform_now(who, [partial(customers.create, who, lambda _: CustomerPatch(email="a@b"))])[0]
        for who in (one, two, one, two)
    ]
    numbers = [customer.customer_number for customer in made]
    assert len(set(numbers)) == 4
    for who, other, customer in ((one, two, made[0]), (two, one, made[1])):
        mine = partial(customers.fetch_numbered, who, customer.customer_number, Disclosure())
        assert acting.read_now(who, mine).customer_id == customer.customer_id
        foreign = partial(customers.fetch_numbered, other, customer.customer_number, Disclosure())
        with pytest.raises(NotFound):
            acting.read_now(other, foreign)


def test_a_tenant_sees_the_numbers_of_all_its_merchants(performer: tuple[Performer, TenantID]) -> None:
    """A principal without a merchant finds a customer whichever merchant has it."""
    acting, tenant_id = performer
    merchant = Principal(tenant_id, "key", 7, frozenset(Permission))
    tenant = Principal(tenant_id, "cli", None, frozenset(Permission))
    create = partial(customers.create, merchant, lambda _: CustomerPatch(email="a@b"))
    (made,) = acting.perform_now(merchant, [create])
    asked = partial(customers.fetch_numbered, tenant, made.customer_number, Disclosure())
    assert acting.read_now(tenant, asked) == acting.read_now(
        tenant, partial(customers.fetch, tenant, made.customer_id, Disclosure())
    )
