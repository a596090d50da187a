"""Everything that is held about one person, gathered to be given out.

It is gathered in steps, each a use case of its own, because a person may have thousands of versions and who
waits for the store must have a turn between them. Then the trail is told, and only then is anything shown.
It must never know HTTP, SQL, files or how anything is shown.
"""

from collections.abc import Callable, Generator
from functools import partial
from typing import Any

import msgspec

from customary.app.customers import ALL
from customary.app.entries import EntriesPage, Entry, ListEntries, Sought, with_reasons
from customary.app.holdings import FindAnnouncements, FindAnswers, FindHold, Held
from customary.app.ports import OutboxRow, StoredAnswer
from customary.app.requests import Disclose, Fetch, ListVersions, UseCase
from customary.domain.access import Permission, Principal
from customary.domain.customer import Customer, CustomerID
from customary.domain.errors import Conflict, NotFound
from customary.domain.masking import shown_in_clear

VERSIONS_AT_ONCE = 200
ENTRIES_AT_ONCE = 500

Step = Callable[[], UseCase[Any]]
Steps = Generator[Step, Any, "Person"]
"""Yields use cases that read, is sent their results, and returns what was gathered."""


class Person(msgspec.Struct, frozen=True):
    """What is held about one person: every version oldest first, the last of them current, and the rest."""

    versions: tuple[Customer, ...]
    entries: tuple[Entry, ...]
    answers: tuple[StoredAnswer, ...]
    announcements: tuple[OutboxRow, ...]
    hold: Held | None

    @property
    def current(self) -> Customer:
        """Return the customer as it was when the gathering began."""
        return self.versions[-1]


def gathered(principal: Principal, customer_id: CustomerID, versions_max: int | None = None) -> Steps:
    """Gather everything held about a customer, opened whole; NotFound if absent or foreign.

    Conflict if there are more versions than ``versions_max``: all of them are held in memory.

    What is written about the customer meanwhile is not among it, but for entries of the trail.
    """
    versions: list[Customer] = []
    below: int | None = None
    while below is None or below > 1:
        found = yield partial(_versions, principal, customer_id, below)
        if not found:
            break
        if versions_max is not None and found[0].version > versions_max:
            raise Conflict(f"An export of more than {versions_max} versions is made on the command line")
        versions += found
        below = found[-1].version
    entries: list[Entry] = []
    cursor = b""
    while True:
        page = yield partial(_entries, principal, customer_id, cursor)
        entries += page.entries
        if not page.cursor:
            break
        cursor = page.cursor
    answers = yield from _all(principal, customer_id, FindAnswers)
    announcements = yield from _all(principal, customer_id, FindAnnouncements)
    hold = yield partial(_asked, principal, customer_id, FindHold(customer_id))
    return Person(tuple(reversed(versions)), tuple(entries), answers, announcements, hold)


def export(principal: Principal, person: Person) -> UseCase[None]:
    """Have the trail tell that everything about a person is given out, guarded fields in clear."""
    _require(principal)
    yield Fetch(person.current.customer_id)
    yield Disclose(person.current, shown_in_clear(person.current, ALL), exported=True)


def _all(
    principal: Principal, customer_id: CustomerID, asking: type[FindAnswers] | type[FindAnnouncements]
) -> Generator[Step, Any, tuple[Any, ...]]:
    found: list[Any] = []
    request: Any = asking(customer_id)
    while True:
        rows, going_on = yield partial(_asked, principal, customer_id, request)
        found += rows
        if going_on is None:
            return tuple(found)
        request = asking(customer_id, going_on)


def _versions(
    principal: Principal, customer_id: CustomerID, below: int | None
) -> UseCase[tuple[Customer, ...]]:
    _require(principal)
    yield Fetch(customer_id)
    found: tuple[Customer, ...] = yield ListVersions(customer_id, below, VERSIONS_AT_ONCE, ALL)
    if not found and below is None:
        raise NotFound
    return found


def _entries(principal: Principal, customer_id: CustomerID, cursor: bytes) -> UseCase[EntriesPage]:
    _require(principal)
    yield Fetch(customer_id)
    page: EntriesPage = yield ListEntries(
        Sought(subject=customer_id), newest_first=False, limit=ENTRIES_AT_ONCE, cursor=cursor
    )
    return EntriesPage((yield from with_reasons(principal, page.entries)), page.cursor)


def _asked(principal: Principal, customer_id: CustomerID, request: Any) -> UseCase[Any]:
    _require(principal)
    yield Fetch(customer_id)  # each step anew: it may be another's or gone by now
    return (yield request)


def _require(principal: Principal) -> None:
    """Raise Forbidden unless the principal may have all of a record: this permission alone, and no limit."""
    principal.require(Permission.EXPORT_CUSTOMERS)
    principal.require_everything()
