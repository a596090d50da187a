"""The native operations on the rights of a person: to be seen only for a reason, and to be given all."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from customary.app import person, rights
from customary.app.customers import ALL
from customary.app.person import Person
from customary.app.requests import Deed
from customary.app.rights import Revealed
from customary.domain.access import Permission, Principal
from customary.domain.audit import REASON_MAX
from customary.domain.errors import Invalid, TooMany, Violation
from customary.http.body import parsed
from customary.http.exchange import Exchange, Reply
from customary.http.fields import Fields
from customary.http.shell import Operation, as_body, body_of, check_json_type, seeing_deed_of
from customary.native.person import document_of, manifest_of, parts_of
from customary.native.reasons import stated_reason
from customary.native.subject import Means, Subject, customer_id
from customary.native.wire import camel

OPERATIONS = (
    Operation(
        "POST",
        "/customers/{id}/reveal",
        frozenset({Permission.READ_CUSTOMERS_UNMASKED}),
        "reveal_fields",
        discloses=True,
    ),
    Operation(
        "GET",
        "/customers/{id}/export",
        frozenset({Permission.EXPORT_CUSTOMERS}),
        "export_person",
        discloses=True,
    ),
)

EXPORTS_AT_ONCE = 2
"""How many persons of one tenant are gathered at a time; who asks for one more is told to ask again."""

VERSIONS_MAX = 5_000
"""A version takes up to 200 kB, and an answer is there as a whole; the command has no such limit."""

_FIELDS = {camel(field): field for field in sorted(rights.REVEALABLE)}


class RevealSent(msgspec.Struct):
    """Which fields shall be seen in clear, and why."""

    fields: Annotated[list[str], Meta(min_length=1, description=f"Out of {', '.join(_FIELDS)}")]
    reason: Annotated[
        str | UnsetType,
        Meta(min_length=1, max_length=REASON_MAX, description="Why; may stand in X-Reason instead"),
    ] = UNSET


class RevealedView(msgspec.Struct):
    """The clear values of the fields that were asked for; null where the record has none."""

    id: str
    version: Annotated[int, Meta(ge=1)]
    values: dict[str, str | None]


class Rights(Subject):
    """The handlers of this subject."""

    def __init__(self, means: Means) -> None:
        super().__init__(means)
        self._exports = Counter[str]()

    async def reveal_fields(self, exchange: Exchange) -> Reply:
        """Return guarded members of a customer in clear.

        One entry of the audit trail tells of it, with the names of the members and the reason, sealed.
        """
        principal = exchange.caller
        check_json_type(exchange)
        body = parsed(await body_of(exchange))
        fields, reason = _asked(body), stated_reason(exchange, body)
        if principal.reach is not None and not principal.reach.shows_clear(fields):
            raise Invalid(Violation("fields", "reach", "fields has one that this key does not see in clear"))
        deed = Deed(exchange.request_id, audited=fields, reason=reason)
        use_case = partial(rights.reveal, principal, customer_id(exchange), fields)
        return Reply(
            200, as_body(revealed_view(await self._means.performer.perform(principal, use_case, deed)))
        )

    async def export_person(self, exchange: Exchange) -> Reply:
        """Return everything that is held about a customer, machine readable, with a manifest.

        Guarded members are in clear. The permission is enough for that, and the audit trail tells of it
        before anything is shown.
        """
        principal, performer = exchange.caller, self._means.performer
        deed = seeing_deed_of(exchange, ALL)
        subject = customer_id(exchange)
        at = self._means.dice.now()
        with self.sharing(principal):
            gathered = await self._gathered(principal, person.gathered(principal, subject, VERSIONS_MAX))
            merchant = await self._means.registry.merchant(principal, gathered.current.merchant_no)
            merchant_id = "" if merchant is None else merchant.merchant_id
            # Many versions take a second to encode, which nobody else is to wait for.
            parts = await asyncio.to_thread(parts_of, gathered, merchant_id)
            manifest = await asyncio.to_thread(manifest_of, gathered, parts, at)
            await performer.perform(principal, partial(person.export, principal, gathered), deed)
            return Reply(200, document_of(manifest, parts))

    async def _gathered(self, principal: Principal, steps: person.Steps) -> Person:
        try:
            step = next(steps)
            while True:
                step = steps.send(await self._means.performer.scan(principal, step))
        except StopIteration as stop:
            gathered: Person = stop.value
            return gathered

    @contextmanager
    def sharing(self, principal: Principal) -> Iterator[None]:
        """Keep a tenant from having many persons in memory at once, each as large as its past: TooMany."""
        if self._exports[principal.tenant_id] >= EXPORTS_AT_ONCE:
            raise TooMany(retry_after_seconds=1)
        self._exports[principal.tenant_id] += 1
        try:
            yield
        finally:
            self._exports[principal.tenant_id] -= 1
            self._exports += Counter()  # drops what is zero


def revealed_view(revealed: Revealed) -> RevealedView:
    """Return what was revealed as this API shows it."""
    values = {camel(name): value for name, value in revealed.values.items()}
    return RevealedView(revealed.customer_id, revealed.version, values)


def _asked(body: Mapping[str, object]) -> frozenset[str]:
    """Return the fields that shall be revealed, each counting once."""
    names = body.get("fields")
    fields = Fields(body)
    if names is None:
        fields.fault("fields", "required")
    elif not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        fields.fault("fields", "type")
    elif not names:
        fields.fault("fields", "min_length")
    elif not _FIELDS.keys() >= set(names):
        fields.fault("fields", "field")
    else:
        return frozenset(_FIELDS[name] for name in names)
    raise Invalid(*fields.violations)
