"""Lists entries of the audit trail: a tenant's, by customer, actor, action and time, page by page.

What is not sealed yet is looked through; everything before it is found by postings, so that a customer's
entries are as far away in a long trail as in a short one. It must never know how an entry is shown.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from customary.app.performing import Run, instant_text
from customary.app.ports import BlockRow, LeafRow, ReadBlocks, ReadLeaves, ReadPosted, ReadTail
from customary.app.postings import key_of, leaf_of
from customary.app.requests import OpenReasons, UseCase
from customary.domain.access import Permission, Principal
from customary.domain.audit import Leaf
from customary.domain.errors import CustomaryError, Invalid, Violation

LOOKED_AT_MAX = 2_000
"""How many entries are looked at for one page: with filters that few match, a page may come out short."""

CLOCK_ASTRAY_MAX = timedelta(days=1)
"""Entries stand in the order of commits. How far a machine's clock may have been astray at most, so that
their times are in order, too, but for so much; what a clock has put further away is found without times."""

_AT_ONCE = 500
_FIRST, _LAST = -(1 << 63), (1 << 63) - 1
_NUMBER_BYTES = 8


class Sought(msgspec.Struct, frozen=True, gc=False):
    """Which entries: all conditions hold together; ``since`` is included, ``until`` is not."""

    subject: str | None = None
    actor: str | None = None
    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class ListEntries(msgspec.Struct, frozen=True, gc=False):
    """Ask for a page of the tenant's entries; ``cursor`` is that of the page before, or nothing."""

    sought: Sought
    newest_first: bool
    limit: int
    cursor: bytes = b""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One entry. ``reason`` is its reason in clear, where one was given and who asks may see it."""

    leaf: Leaf
    reason: str | None = None


class EntriesPage(msgspec.Struct, frozen=True, gc=False):
    """A page of entries, and the cursor of the next one; none at the end, which alone tells the end."""

    entries: tuple[Entry, ...]
    cursor: bytes


def list_entries(principal: Principal, page: ListEntries) -> UseCase[EntriesPage]:
    """Return a page of the tenant's entries, their reasons opened for who may see guarded fields."""
    principal.require(Permission.READ_AUDIT)
    found: EntriesPage = yield page
    if Permission.READ_CUSTOMERS_UNMASKED not in principal.permissions:
        return found
    return EntriesPage((yield from with_reasons(principal, found.entries)), found.cursor)


def with_reasons(principal: Principal, entries: Sequence[Entry]) -> UseCase[tuple[Entry, ...]]:
    """Return the entries with their reasons in clear, as far as these open."""
    principal.require(Permission.READ_CUSTOMERS_UNMASKED, Permission.EXPORT_CUSTOMERS)
    reasons: list[str | None] = yield OpenReasons(tuple(entry.leaf for entry in entries))
    return tuple(Entry(entry.leaf, reason) for entry, reason in zip(entries, reasons, strict=True))


def page_of(run: Run, request: ListEntries) -> Generator[Any, Any, EntriesPage]:
    """Answer with a page. Its cursor is sealed: a position in the trail tells what other tenants do."""
    terms = _terms(request)
    beyond = _opened(run, terms, request.cursor) if request.cursor else None
    rows, going_on = yield from found(
        run.principal.tenant_id, request.sought, beyond, request.limit, newest_first=request.newest_first
    )
    cursor = b""
    if going_on is not None:
        cursor = run.tenant.sealed_secret(terms, going_on.to_bytes(_NUMBER_BYTES, "big", signed=True))
    return EntriesPage(tuple(Entry(leaf) for _, leaf in rows), cursor)


def found(
    tenant_id: str,
    sought: Sought,
    beyond: int | None,
    limit: int,
    *,
    newest_first: bool,
    looked_at_max: int = LOOKED_AT_MAX,
) -> Generator[Any, Any, tuple[list[tuple[int, Leaf]], int | None]]:
    """Return a tenant's entries with their numbers, and the number to go on beyond, or None at the end."""
    if beyond is None:
        beyond = yield from _beginning(tenant_id, sought, newest_first)
    places = [_Place(tenant_id, sought, tail=tail, newest_first=newest_first) for tail in (True, False)]
    entries: list[tuple[int, Leaf]] = []
    looked_at = 0
    for place in places if newest_first else reversed(places):
        while True:
            rows: list[LeafRow] = yield place.question(beyond)
            for row in rows:
                beyond = row.leaf_no
                if _is_past(sought, row, newest_first):
                    return entries, None
                leaf = leaf_of(row)
                if leaf is not None and _matches(sought, row, leaf):
                    entries.append((row.leaf_no, leaf))
                    if len(entries) == limit:
                        return entries, beyond
            looked_at += len(rows)
            if looked_at >= looked_at_max:
                return entries, beyond
            if len(rows) < _AT_ONCE:
                break
    return entries, None


class _Place(msgspec.Struct, frozen=True):
    """Where entries are: the tail that is not sealed yet, or what postings lead to."""

    tenant_id: str
    sought: Sought
    tail: bool
    newest_first: bool

    def question(self, beyond: int) -> ReadTail | ReadPosted:
        """Return the request for the next rows."""
        if self.tail:
            return ReadTail(self.tenant_id, beyond, self.newest_first, _AT_ONCE)
        return ReadPosted(
            self.tenant_id, _key(self.tenant_id, self.sought), beyond, self.newest_first, _AT_ONCE
        )


def _key(tenant_id: str, sought: Sought) -> int:
    """Return the key of the condition that is likely to leave the fewest entries."""
    if sought.subject is not None:
        return key_of(tenant_id, "subject", sought.subject)
    if sought.actor is not None:
        return key_of(tenant_id, "actor", sought.actor)
    if sought.action is not None:
        return key_of(tenant_id, "action", sought.action)
    return key_of(tenant_id, "tenant")


def _matches(sought: Sought, row: LeafRow, leaf: Leaf) -> bool:
    return (
        leaf.tenant_id == row.tenant_id
        and sought.subject in (None, leaf.subject)
        and sought.actor in (None, leaf.actor)
        and sought.action in (None, leaf.action)
        and (sought.since is None or row.at >= sought.since)
        and (sought.until is None or row.at < sought.until)
    )


def _is_past(sought: Sought, row: LeafRow, newest_first: bool) -> bool:
    """Return whether everything from here on is on the far side of the time that was asked for."""
    if newest_first:
        return sought.since is not None and sought.since - row.at > CLOCK_ASTRAY_MAX
    return sought.until is not None and row.at - sought.until > CLOCK_ASTRAY_MAX


def _beginning(tenant_id: str, sought: Sought, newest_first: bool) -> Generator[Any, Any, int]:
    """Return the number beyond which to begin, found among the blocks where a time is given."""
    if newest_first:
        if sought.until is None:
            return _LAST
        block: BlockRow | None = yield from _first_block_from(
            tenant_id, _later(sought.until, CLOCK_ASTRAY_MAX)
        )
        return _LAST if block is None else block.leaf_no_first
    if sought.since is None:
        return _FIRST
    block = yield from _first_block_from(tenant_id, _later(sought.since, -CLOCK_ASTRAY_MAX))
    if block is None:  # in the last block, or not sealed yet
        heads: list[BlockRow] = yield ReadBlocks()
        block = next((head for head in heads if head.tenant_id == tenant_id), None)
        return _FIRST if block is None else block.leaf_no_first - 1
    before: list[BlockRow] = yield ReadBlocks(tenant_id, after=block.block_no - 2, limit=1)
    return before[0].leaf_no_first - 1


def _first_block_from(tenant_id: str, instant: datetime) -> Generator[Any, Any, BlockRow | None]:
    """Return the first block of which the first leaf is not before ``instant``, or None."""
    heads: list[BlockRow] = yield ReadBlocks()
    head = next((head for head in heads if head.tenant_id == tenant_id), None)
    low, high = 1, 1 if head is None else head.block_no + 1
    while low < high:
        middle = (low + high) // 2
        block = yield from _block(tenant_id, middle)
        leaves: list[LeafRow] = (
            [] if block is None else (yield ReadLeaves(block.leaf_no_first - 1, 1, tenant_id))
        )
        if leaves and leaves[0].at < instant:
            low = middle + 1
        else:
            high = middle
    return (yield from _block(tenant_id, low))


def _block(tenant_id: str, block_no: int) -> Generator[Any, Any, BlockRow | None]:
    blocks: list[BlockRow] = yield ReadBlocks(tenant_id, after=block_no - 1, limit=1)
    return blocks[0] if blocks else None


def _later(instant: datetime, by: timedelta) -> datetime:
    """Return the instant that much later, or itself at the ends of the calendar."""
    try:
        return instant + by
    except OverflowError:
        return instant


def _terms(request: ListEntries) -> str:
    """Return what a cursor is sealed for: one of another list opens nothing."""
    sought = request.sought
    times = (None if at is None else instant_text(at) for at in (sought.since, sought.until))
    asked = (request.newest_first, sought.subject, sought.actor, sought.action, *times)
    return "cursor of entries\n" + msgspec.json.encode(asked).decode()


def _opened(run: Run, terms: str, cursor: bytes) -> int:
    try:
        return int.from_bytes(run.tenant.opened_secret(terms, cursor), "big", signed=True)
    except CustomaryError:
        raise Invalid(Violation("cursor", "cursor", "cursor is none of this list")) from None


ANSWERS: Mapping[type, Callable[[Run, Any], Generator[Any, Any, Any]]] = {ListEntries: page_of}
