"""What is kept of an erased customer by a rule, over days that a test can let pass."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from contracts.rows import asking
from customary.app import credentials, customers, retention
from customary.app.certificates import reveal_kept
from customary.app.erasure import Eraser
from customary.app.ports import ReadKept, ReadTombstone, ReadUnscrubbed
from customary.app.requests import Deed
from customary.app.trail import list_leaves
from customary.bootstrap.house import House, SystemDice
from customary.bootstrap.operator import operator
from customary.config import Settings
from customary.domain.access import Permission, Principal
from customary.domain.customer import Customer, CustomerPatch
from customary.domain.erasure import Origin, Part, Rule, end_of, keepings
from customary.domain.errors import NotFound

PERMISSIONS = (
    Permission.CREATE_CUSTOMER,
    Permission.UPDATE_CUSTOMER,
    Permission.ERASE_CUSTOMERS,
    Permission.MANAGE_HOLDS,
    Permission.READ_CUSTOMERS_UNMASKED,
)


class LaterDice(SystemDice):
    """The machine's dice, so many days on."""

    def __init__(self, days: int) -> None:
        super().__init__()
        self.days = days

    def now(self) -> datetime:
        """Return the instant, days later."""
        return super().now() + timedelta(days=self.days)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A house of its own."""
    with House(Settings(data=tmp_path / "store")) as opened:
        yield opened


@pytest.fixture
def owner(house: House) -> Principal:
    """Who may do everything in the only tenant, which keeps records for 30 and versions for 60 days."""
    make = partial(credentials.create_tenant, house.unsealed, house.dice, "Tenant")
    tenant = house.engine.perform_now([make])[0]
    principal = operator(tenant.tenant_id, *PERMISSIONS)
    rules = (
        Rule("record", Part.RECORD, "P30D", Origin.ERASURE_REQUESTED, "Policy"),
        Rule("versions", Part.VERSIONS, "P60D", Origin.ERASURE_REQUESTED, "Policy"),
    )
    house.engine.perform_now([partial(retention.replace_rules, principal, house.dice, rules)])
    return principal


def _always(patch: CustomerPatch) -> Callable[[Customer | None], CustomerPatch]:
    return lambda _: patch


@pytest.fixture
def person(house: House, owner: Principal) -> Customer:
    """A customer of two versions, erased."""
    create = partial(
        customers.create, owner, _always(CustomerPatch(email="a@example.com", tax_id="123456789"))
    )
    made = house.performer.perform_now(owner, [create])[0]
    later = _always(CustomerPatch(email="b@example.com"))
    change = partial(customers.change, owner, made.customer_id, later, customers.Disclosure())
    house.performer.perform_now(owner, [change])
    house.eraser.erase_now(owner, made.customer_id, Deed())
    return made


def _eraser(house: House, days: int) -> Eraser:
    return Eraser(house.engine, house.unsealed, LaterDice(days), house.ledger)


def _parts(house: House, person: Customer) -> list[str]:
    return [row.part for row in house.engine.read_now(asking(ReadKept(person.tenant_id, person.customer_id)))]


def test_each_part_is_destroyed_when_its_day_comes(house: House, owner: Principal, person: Customer) -> None:
    """Not before; with an entry in the trail; and the store is to be scrubbed again."""
    assert _parts(house, person) == ["record", "versions"]
    for days, expected in ((29, ["record", "versions"]), (31, ["versions"]), (59, ["versions"]), (61, [])):
        asyncio.run(_eraser(house, days).sweep())
        assert _parts(house, person) == expected, days
    told = [leaf for _, leaf in house.engine.read_now(list_leaves) if leaf.action == "kept.destroyed"]
    assert [leaf.fields for leaf in told] == [("record",), ("versions",)]
    assert house.engine.read_now(asking(ReadUnscrubbed())) == [(person.tenant_id, person.customer_id)]
    stone = house.engine.read_now(asking(ReadTombstone(person.tenant_id, person.customer_id)))
    assert not stone.scrubbed
    house.eraser.scrub_now()
    assert house.engine.read_now(asking(ReadUnscrubbed())) == []


def test_what_is_kept_opens_with_the_root_key_and_the_trail_tells(
    house: House, owner: Principal, person: Customer
) -> None:
    """The last version as the record, the earlier ones apart, each whole; one entry a part."""
    job = partial(reveal_kept, owner, house.unsealed, house.dice, person.customer_id)
    (parts,) = house.engine.perform_now([job])
    assert [(one.version, one.particulars.email) for one in parts["record"]] == [(2, "b@example.com")]
    assert [(one.version, one.particulars.email) for one in parts["versions"]] == [(1, "a@example.com")]
    assert parts["record"][0].guarded.tax_id == "123456789"
    told = [leaf.fields for _, leaf in house.engine.read_now(list_leaves) if leaf.action == "kept.read"]
    assert told == [("record",), ("versions",)]
    asyncio.run(_eraser(house, 61).sweep())
    assert house.engine.perform_now([job]) == [{}]


def test_nothing_is_kept_of_whom_nobody_erased(house: House, owner: Principal) -> None:
    """For an id without a tombstone there is nothing to reveal."""
    with pytest.raises(NotFound):
        house.engine.perform_now([partial(reveal_kept, owner, house.unsealed, house.dice, "3kTp9j2mN5xR")])


NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        ("P5Y", datetime(2024, 2, 29, tzinfo=UTC), datetime(2029, 2, 28, tzinfo=UTC)),
        ("P1M", datetime(2026, 1, 31, tzinfo=UTC), datetime(2026, 2, 28, tzinfo=UTC)),
        ("P13M", datetime(2026, 12, 15, tzinfo=UTC), datetime(2028, 1, 15, tzinfo=UTC)),
        ("P30D", NOON, NOON + timedelta(days=30)),
        ("P100Y", datetime(9950, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)),
        ("P36600D", datetime(9999, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)),
    ],
)
def test_a_period_ends_on_a_day_that_there_is(period: str, start: datetime, end: datetime) -> None:
    """Where a month is shorter it ends on its last day; no period ends after the last day there is."""
    assert end_of(period, start) == end


def test_of_several_rules_for_one_part_the_longest_holds() -> None:
    """Whatever their order; a period that is over keeps nothing."""
    rules = (
        Rule("short", Part.RECORD, "P1D", Origin.ERASURE_REQUESTED, "a"),
        Rule("long", Part.RECORD, "P2D", Origin.ERASURE_REQUESTED, "b"),
        Rule("over", Part.VERSIONS, "P1Y", Origin.RELATIONSHIP_ENDED, "c"),
    )
    for order in (rules, rules[::-1]):
        (kept,) = keepings(order, {Part.RECORD: 1}, NOON, NOON - timedelta(days=400))
        assert (kept.rule_id, kept.until, kept.count) == ("long", "2026-03-03T12:00:00.000Z", 1)
