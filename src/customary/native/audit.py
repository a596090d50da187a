"""The native operation on the audit trail: who did what to whom, when and why."""

import base64
import binascii
from datetime import datetime
from functools import partial
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from customary.app import entries
from customary.app.entries import Entry, ListEntries, Sought
from customary.domain.access import Permission
from customary.domain.audit import Action
from customary.domain.errors import Invalid, Violation
from customary.domain.ids import CUSTOMER_ID_LENGTH
from customary.http.exchange import Exchange, Reply
from customary.http.shell import Operation, as_body
from customary.native.instants import instant_of
from customary.native.paging import cursor, limit_of, list_query, position_of, unknown_cursor
from customary.native.subject import Subject

OPERATIONS = (Operation("GET", "/audit", frozenset({Permission.READ_AUDIT}), "list_audit", tenant_only=True),)

ACTOR_MAX = 100
ORDERS = ("newest", "oldest")

_LIST = "audit"
_CONDITIONS_MAX = {"customer": CUSTOMER_ID_LENGTH, "actor": ACTOR_MAX}
_ACTIONS = frozenset(action.value for action in Action)


class EntryView(msgspec.Struct, omit_defaults=True):
    """One entry of the trail; nothing in it is a customer's datum but ids, and the reason in clear."""

    at: Annotated[str, Meta(description="When it was done, in UTC")]
    actor: Annotated[str, Meta(description="The id of the key that did it, or `cli`")]
    action: Annotated[str, Meta(description="What was done")]
    subject: Annotated[
        str, Meta(description="To whom or what: the id of a customer, key, merchant or tenant")
    ]
    outcome: Annotated[str, Meta(description="`done`, or in words how much was done")]
    fields: Annotated[list[str], Meta(description="Names of the fields that were changed or shown")]
    version: Annotated[
        int | UnsetType, Meta(description="The version of the record that came of it or was shown")
    ] = UNSET
    requestId: Annotated[str | UnsetType, Meta(description="The request that did it")] = UNSET
    digest: Annotated[str | UnsetType, Meta(description="SHA-256 of the sealed record")] = UNSET
    reason: Annotated[
        str | bool | UnsetType,
        Meta(
            description=(
                "The reason that was given: in clear with `read_customers:unmasked`, else `true`; `true` "
                "also where it can be opened no more, because the customer was erased"
            )
        ),
    ] = UNSET


class AuditPage(msgspec.Struct):
    """One page of the trail; the next one begins at the cursor, and only without one the trail has ended."""

    entries: list[EntryView]
    nextCursor: str | None


class Audit(Subject):
    """The handlers of this subject."""

    async def list_audit(self, exchange: Exchange) -> Reply:
        """Return entries of the tenant's audit trail, newest first unless asked otherwise, page by page."""
        principal = exchange.caller
        query = list_query(
            exchange, "customer", "actor", "action", "since", "until", "order", "limit", "cursor"
        )
        page = ListEntries(
            _sought(query),
            newest_first=_order(query) == "newest",
            limit=limit_of(query),
            cursor=_sealed_position(query),
        )
        found = await self._means.performer.scan(principal, partial(entries.list_entries, principal, page))
        going_on = cursor(_LIST, _text(found.cursor)) if found.cursor else None
        return Reply(200, as_body(AuditPage([entry_view(entry) for entry in found.entries], going_on)))


def entry_view(entry: Entry) -> EntryView:
    """Return an entry as this API shows it; its number stays here, for it tells of other tenants' deeds."""
    leaf = entry.leaf
    reason = entry.reason if entry.reason is not None else True
    return EntryView(
        at=leaf.at,
        actor=leaf.actor,
        action=leaf.action,
        subject=leaf.subject,
        outcome=leaf.outcome,
        fields=list(leaf.fields),
        version=leaf.version or UNSET,
        requestId=leaf.request_id or UNSET,
        digest=leaf.digest or UNSET,
        reason=reason if leaf.sealed_reason else UNSET,
    )


def _sought(query: dict[str, str]) -> Sought:
    """Return the conditions of a query; Invalid with every one that cannot be."""
    faults = []
    customer, actor, action = (query.get(name) for name in ("customer", "actor", "action"))
    for name, longest in _CONDITIONS_MAX.items():
        if name in query and not 1 <= len(query[name]) <= longest:
            rule = "max_length" if query[name] else "min_length"
            faults.append(Violation(name, rule, f"{name} has a length that nobody's can have"))
    if action is not None and action not in _ACTIONS:
        faults.append(Violation("action", "choice", "action is none of those that there are"))
    instants: dict[str, datetime] = {}
    for name in ("since", "until"):
        try:
            if name in query:
                instants[name] = instant_of(name, query[name])
        except Invalid as invalid:
            faults += invalid.violations
    if faults:
        raise Invalid(*faults)
    return Sought(customer, actor, action, instants.get("since"), instants.get("until"))


def _order(query: dict[str, str]) -> str:
    order = query.get("order", ORDERS[0])
    if order not in ORDERS:
        raise Invalid(Violation("order", "choice", "order is newest or oldest"))
    return order


def _sealed_position(query: dict[str, str]) -> bytes:
    text = position_of(query, _LIST)
    if text is None:
        return b""
    try:
        sealed = base64.urlsafe_b64decode(text)
    except (binascii.Error, ValueError):
        raise unknown_cursor() from None
    if not sealed or _text(sealed) != text:
        raise unknown_cursor()
    return sealed


def _text(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).decode("ascii")
