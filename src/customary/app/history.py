"""The use cases of a customer's past: its versions, what changed between two, and one brought back.

Whether a guarded value changed is told although it is not shown, so both versions are opened whole; a room
shows their masks. It must never know HTTP, SQL or a member's name.
"""

from datetime import datetime

import msgspec

from customary.app.customers import ALL, Disclosure, disclosed, require_version
from customary.app.requests import Fetch, FetchAt, FetchVersion, Keep, ListVersions, Put, UseCase
from customary.domain.access import Permission, Principal
from customary.domain.customer import (
    NOTHING_GUARDED,
    Customer,
    CustomerID,
    Guarded,
    Particulars,
    changed_fields,
    known_fields,
)


class Entry(msgspec.Struct, frozen=True):
    """One version in a history; ``fields`` changed in it, or are None where the version before is gone."""

    customer: Customer
    fields: tuple[str, ...] | None


class History(msgspec.Struct, frozen=True):
    """A page of a history, newest first, and whether there are versions before it."""

    entries: tuple[Entry, ...]
    goes_on: bool


class Comparison(msgspec.Struct, frozen=True):
    """Two versions of a customer as the principal sees them, and the names of the fields that differ."""

    before: Customer
    after: Customer
    fields: tuple[str, ...]


def contents_of(customer: Customer) -> tuple[Particulars, Guarded]:
    """Return what is known of a customer who was opened whole, to be compared or stored again."""
    return customer.particulars, customer.guarded or NOTHING_GUARDED


def fetch_version(
    principal: Principal, customer_id: CustomerID, version: int, disclosure: Disclosure
) -> UseCase[Customer]:
    """Return one version of a customer; NotFound if there is none, or the customer is absent or foreign."""
    principal.require(Permission.READ_CUSTOMERS)
    customer: Customer = yield FetchVersion(customer_id, version, disclosure.clear)
    return (yield from disclosed(principal, customer, disclosure))


def fetch_at(
    principal: Principal, customer_id: CustomerID, at: datetime, disclosure: Disclosure
) -> UseCase[Customer]:
    """Return a customer as it was at an instant; NotFound if it did not exist yet."""
    principal.require(Permission.READ_CUSTOMERS)
    customer: Customer = yield FetchAt(customer_id, at, disclosure.clear)
    return (yield from disclosed(principal, customer, disclosure))


def list_versions(
    principal: Principal, customer_id: CustomerID, *, below: int | None, limit: int
) -> UseCase[History]:
    """Return versions of a customer, newest first, with the names of the fields that changed in each."""
    principal.require(Permission.READ_CUSTOMERS)
    yield Fetch(customer_id)  # absent and without a version below are two things
    # One more than is shown: it tells whether there are more, and what changed in the last that is shown.
    found: tuple[Customer, ...] = yield ListVersions(customer_id, below, limit + 1, ALL)
    entries = []
    for customer, before in zip(found[:limit], (*found[1:], None), strict=False):
        fields: tuple[str, ...] | None = None
        if before is not None:
            fields = _changed(principal, before, customer)
        elif customer.version == 1:
            fields = _seen(principal, known_fields(*contents_of(customer)))
        entries.append(Entry(principal.sight_of(customer), fields))
    return History(tuple(entries), len(found) > limit)


def fetch_two(
    principal: Principal, customer_id: CustomerID, one: int, other: int | None
) -> UseCase[Comparison]:
    """Return two versions of a customer and what differs; ``other`` None is the current one."""
    principal.require(Permission.READ_CUSTOMERS)
    first: Customer = yield FetchVersion(customer_id, one, ALL)
    asked = Fetch(customer_id, ALL) if other is None else FetchVersion(customer_id, other, ALL)
    second: Customer = yield asked
    return Comparison(
        principal.sight_of(first), principal.sight_of(second), _changed(principal, first, second)
    )


def restore(
    principal: Principal, customer_id: CustomerID, version: int, *, expected: frozenset[int] | None = None
) -> UseCase[Customer]:
    """Store the contents of a version as the next one, and return the customer as it then is.

    Nothing is rewritten: what was known in between stays in the history. Outdated if the current version is
    none of ``expected``, Conflict if the external id of then is another customer's now.
    """
    principal.require(Permission.UPDATE_CUSTOMER)
    current: Customer = yield Fetch(customer_id, ALL)
    require_version(current, expected)
    past: Customer = yield FetchVersion(customer_id, version, ALL)
    if changed_fields(contents_of(current), contents_of(past)):
        customer: Customer = yield Put(current, *contents_of(past), restores=version)
    else:
        customer = yield Keep(current)
    return principal.sight_of(customer)


def _changed(principal: Principal, before: Customer, after: Customer) -> tuple[str, ...]:
    return _seen(principal, changed_fields(contents_of(before), contents_of(after)))


def _seen(principal: Principal, fields: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of the fields that the principal reaches; also what it sees as a mask may be named."""
    reach = principal.reach
    return fields if reach is None else tuple([field for field in fields if field in reach.fields])
