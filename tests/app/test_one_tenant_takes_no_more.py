"""What one tenant may have under way at a time where each of it takes a turn, or memory, from all others."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import msgspec
import pytest

from customary.app import credentials, customers, person
from customary.app.performer import SCANS_WAITING_MAX
from customary.bootstrap.house import House
from customary.bootstrap.operator import operator
from customary.config import Settings
from customary.domain.access import Permission, Principal
from customary.domain.customer import Customer, CustomerPatch, TenantID
from customary.domain.errors import Conflict, NotFound, TooMany, Unavailable
from customary.http.exchange import Exchange
from customary.native.erasure import Erasures
from customary.native.rights import EXPORTS_AT_ONCE, Rights
from customary.native.subject import Means


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A house of its own."""
    with House(Settings(data=tmp_path / "store")) as opened:
        yield opened


@pytest.fixture
def owner(house: House) -> Principal:
    """Who may do everything in the only tenant."""
    make = partial(credentials.create_tenant, house.unsealed, house.dice, "Tenant")
    return operator(house.engine.perform_now([make])[0].tenant_id, *Permission)


@pytest.fixture
def customer(house: House, owner: Principal) -> Customer:
    """A customer with three versions."""
    revisions = [lambda _, vip=vip: CustomerPatch(vip=vip) for vip in ("1", "2", "3")]
    (made,) = house.performer.perform_now(owner, [partial(customers.create, owner, revisions[0])])
    for revision in revisions[1:]:
        change = partial(customers.change, owner, made.customer_id, revision, customers.Disclosure())
        house.performer.perform_now(owner, [change])
    return made


def means_of(house: House) -> Means:
    """Return what handlers work with."""
    return Means(house.performer, house.registry, house.dice, house.eraser)


@pytest.mark.parametrize("versions_max", [2, 3])
def test_a_person_of_too_many_versions_is_not_gathered(
    house: House, owner: Principal, customer: Customer, versions_max: int
) -> None:
    """All versions are held in memory at once, so there is an end to them; a stranger is not told of it."""
    first = next(person.gathered(owner, customer.customer_id, versions_max))
    stranger = msgspec.structs.replace(owner, merchant_no=2)
    with pytest.raises(NotFound):
        house.performer.read_now(
            stranger, next(person.gathered(stranger, customer.customer_id, versions_max))
        )
    steps = person.gathered(owner, customer.customer_id, versions_max)
    next(steps)
    found = house.performer.read_now(owner, first)
    if versions_max < 3:
        with pytest.raises(Conflict):
            steps.send(found)
    else:
        steps.send(found)


def test_a_tenant_has_two_exports_at_a_time(house: House, owner: Principal) -> None:
    """One more is told to ask again; another tenant is not, and neither is the same one afterwards."""
    rights = Rights(means_of(house))
    other = msgspec.structs.replace(owner, tenant_id=TenantID("0bff655c-d704-46d0-9d1a-ad04b4d75e2a"))
    with ExitStack() as under_way:
        for _ in range(EXPORTS_AT_ONCE):
            under_way.enter_context(rights.sharing(owner))
        with pytest.raises(TooMany), rights.sharing(owner):
            pass
        with rights.sharing(other):
            pass
    with rights.sharing(owner):
        pass


@pytest.mark.parametrize("handler", ["get_erasure", "erase_customer", "list_erasures"])
def test_what_an_erasure_looks_through_counts_as_a_list(
    house: House, owner: Principal, customer: Customer, handler: str
) -> None:
    """Scans go one after the other, for all tenants: one tenant may have only so many of any kind waiting."""
    exchange = Exchange("POST", b"/", b"/")
    exchange.principal, exchange.path_id, exchange.body = owner, customer.customer_id, b'{"dryRun":true}'
    handle = getattr(Erasures(means_of(house)), handler)
    with ExitStack() as waiting:
        for _ in range(SCANS_WAITING_MAX):
            waiting.enter_context(house.performer.scanning(owner))
        with pytest.raises(Unavailable):
            asyncio.run(handle(exchange))
    assert asyncio.run(handle(exchange)).status == 200
