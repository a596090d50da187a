"""One performance of one use case: answers what it asks for, and stores what it says, sealed.

Adds version, tags, audit leaf, outbox entry and idempotency answer, so that no use case can forget them.
It must never know HTTP, SQL or what a field means.
"""

import hashlib
from collections.abc import Callable, Generator, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from customary.app import reasons
from customary.app.ports import (
    PAUSE,
    Dice,
    LeafRow,
    OutboxRow,
    ReadAnswer,
    ReadRecord,
    ReadTagged,
    ReadVersion,
    SealedCustomer,
    StoredAnswer,
    Tag,
    TagKind,
    TagTaken,
    TenantVault,
    Write,
)
from customary.app.requests import (
    Add,
    Deed,
    Disclose,
    Fetch,
    FindByExternalID,
    FindByNumber,
    Keep,
    OpenReasons,
    Put,
)
from customary.app.tagging import external_id_tag, tags_by, tags_held, tags_shared
from customary.domain.access import Principal
from customary.domain.audit import Action, Leaf
from customary.domain.customer import (
    NOTHING_GUARDED,
    Customer,
    Particulars,
    changed_fields,
    known_fields,
)
from customary.domain.errors import Conflict, IdempotencyMismatch, NotFound, Outdated, Unavailable
from customary.domain.event import Event
from customary.domain.ids import customer_id_of_number, customer_number_from
from customary.domain.masking import masks_of, shown_in_clear

T = TypeVar("T")

_MILLISECOND = timedelta(milliseconds=1)
_DRAWS_MAX = 8
_ANNOUNCED: Mapping[Action, str] = {
    Action.CUSTOMER_CREATED: Action.CUSTOMER_CREATED.value,
    Action.CUSTOMER_UPDATED: Action.CUSTOMER_UPDATED.value,
    Action.CUSTOMER_RESTORED: Action.CUSTOMER_UPDATED.value,  # who follows a customer need not know more
}
_NO_EXTERNAL_ID = (0, "", Tag(0, b""))
_encode = msgspec.json.Encoder().encode


@lru_cache(maxsize=8)  # the requests of one batch share their instant
def instant_text(instant: datetime) -> str:
    """Return an instant as RFC 3339 in UTC with milliseconds: ``2025-01-21T14:30:00.000Z``."""
    return instant.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


class Clock:
    """The instants of one store: whole milliseconds that never go back, as rows do not."""

    def __init__(self, dice: Dice) -> None:
        self._dice = dice
        self._last: datetime | None = None

    def instant(self) -> datetime:
        """Return now, cut to milliseconds; the last instant again while the machine's clock is behind it."""
        now = self._dice.now()
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        if self._last is None or now > self._last:
            self._last = now
        return self._last


class Run:
    """One performance of one use case: its tenant's keys, its instant, and the records it has met."""

    def __init__(
        self, clock: Clock, dice: Dice, tenant: TenantVault, principal: Principal, deed: Deed
    ) -> None:
        self.clock = clock
        self.dice = dice
        self.tenant = tenant
        self.principal = principal
        self.deed = deed
        self.wrapped_keys: dict[str, bytes] = {}
        self.answer_tags: tuple[bytes, bytes] | None = None
        self.last_external_id = _NO_EXTERNAL_ID
        self.reason_required = False

    # ── reading ──

    def replayed(self, kept: timedelta) -> Generator[Any, Any, Any]:
        """Return the customer that this Idempotency-Key led to before, or None if it is new."""
        since = self.clock.instant() - kept
        stored: StoredAnswer | None = None
        # Under the index key of now, and then under those of before it turned.
        for tagger in (self.tenant, *self.tenant.answers):
            key_tag = tagger.tag(
                TagKind.IDEMPOTENCY_KEY, self.principal.key_id, self.deed.idempotency_key
            ).digest
            request_tag = tagger.tag(TagKind.REQUEST, self.deed.request_digest).digest
            if self.answer_tags is None:
                self.answer_tags = (key_tag, request_tag)
            stored = yield ReadAnswer(self.principal.tenant_id, key_tag, since)
            if stored is not None:
                break
        else:
            return None
        if stored.request_tag != request_tag:
            raise IdempotencyMismatch
        record: SealedCustomer | None = yield ReadVersion(
            self.principal.tenant_id, stored.customer_id, stored.version
        )
        if record is None:
            raise NotFound(detail="the customer of this Idempotency-Key is gone")
        customer = self.tenant.opened(record, None)
        self.wrapped_keys[record.customer_id] = record.wrapped_key
        shown = shown_in_clear(customer, self.principal.clear_to(self.deed.audited))
        if shown:
            yield from self.disclose(Disclose(customer, shown))
        return self.principal.sight_of(customer)

    def opened(self, record: SealedCustomer | None, clear: frozenset[str]) -> Customer | None:
        """Return the customer of a record, or None if there is none or the principal does not own it."""
        if record is None or not self.principal.owns(record.merchant_no):
            return None
        self.wrapped_keys[record.customer_id] = record.wrapped_key
        return self.tenant.opened(record, clear)

    def fetch(self, request: Fetch) -> Generator[Any, Any, Customer]:
        """Answer with the customer of an id; NotFound if absent or foreign."""
        record = yield ReadRecord(self.principal.tenant_id, request.customer_id)
        customer = self.opened(record, request.clear)
        if customer is None:
            raise NotFound
        return customer

    def find_by_number(self, request: FindByNumber) -> Generator[Any, Any, Customer | None]:
        """Answer with the customer of a number.

        The engine is told whose it must be, so that a foreign record is neither read nor opened: time does
        not tell it from an unknown one (Trustly contract T19).
        """
        tenant_id = self.principal.tenant_id
        customer_id = customer_id_of_number(tenant_id, request.customer_number)
        return self.opened(
            (yield ReadRecord(tenant_id, customer_id, self.principal.merchant_no)), request.clear
        )

    def find_by_external_id(self, request: FindByExternalID) -> Generator[Any, Any, Customer | None]:
        """Answer with the customer of the merchant's own id, or None."""
        tag = self.external_id_tag(self.principal.home_merchant_no, request.external_id)
        return self.opened((yield ReadTagged(self.principal.tenant_id, tag)), request.clear)

    # ── writing ──

    def add(self, request: Add) -> Generator[Any, Any, Customer]:
        """Store a new customer under fresh ids and a key of its own."""
        yield PAUSE
        instant = self.clock.instant()
        for _ in range(_DRAWS_MAX):
            number = customer_number_from(self.dice.random_bytes(16))
            customer = Customer(
                tenant_id=self.principal.tenant_id,
                customer_id=customer_id_of_number(self.principal.tenant_id, number),
                customer_number=number,
                merchant_no=self.principal.home_merchant_no,
                version=1,
                created_at=instant,
                updated_at=instant,
                particulars=request.particulars,
                masks=masks_of(request.guarded),
                guarded=request.guarded,
            )
            unique_tags, tags = self.tags_of(customer.merchant_no, request.particulars)
            if self.tenant.coming is not None:
                more_unique, more = tags_by(self.tenant.coming, customer.merchant_no, request.particulars)
                unique_tags, tags = unique_tags + more_unique, tags + more
            yield PAUSE
            wrapped_key = self.tenant.fresh_key(customer.customer_id)
            yield PAUSE
            record = self.tenant.sealed(customer, wrapped_key)
            yield PAUSE
            fields = known_fields(request.particulars, request.guarded)
            if self.principal.reach is not None:
                self.principal.reach.require(fields)
            try:
                yield Write(
                    customer.tenant_id,
                    record=record,
                    unique_tags=unique_tags,
                    tags=tags,
                    **self.told(Action.CUSTOMER_CREATED, customer, instant, fields, record),
                )
            except TagTaken:
                raise Conflict("This external id is taken", field="external_id") from None
            except Outdated:  # the number was drawn before, and with it the id: draw again
                continue
            return customer
        raise Unavailable(detail="no free customer number in several draws")

    def put(self, request: Put) -> Generator[Any, Any, Customer]:
        """Store the next version of a customer, and move the tags that changed."""
        current = request.current
        instant = max(self.clock.instant(), current.updated_at + _MILLISECOND)
        customer = msgspec.structs.replace(
            current,
            version=current.version + 1,
            updated_at=instant,
            particulars=request.particulars,
            masks=masks_of(request.guarded),
            guarded=request.guarded,
        )
        unique_before, before = self.tags_of(current.merchant_no, current.particulars)
        unique_after, after = self.tags_of(current.merchant_no, request.particulars)
        if self.tenant.coming is not None or self.tenant.leaving is not None:
            unique_before, before = tags_held(self.tenant, current.merchant_no, current.particulars)
        if self.tenant.coming is not None:
            more_unique, more = tags_by(self.tenant.coming, current.merchant_no, request.particulars)
            unique_after, after = unique_after + more_unique, after + more
        record = self.tenant.sealed(customer, self.wrapped_keys[current.customer_id])
        action = Action.CUSTOMER_RESTORED if request.restores else Action.CUSTOMER_UPDATED
        outcome = f"version {request.restores} restored" if request.restores else "done"
        fields = changed_fields(
            (current.particulars, current.guarded or NOTHING_GUARDED), (request.particulars, request.guarded)
        )
        if self.principal.reach is not None:
            self.principal.reach.require(fields)
        try:
            yield Write(
                customer.tenant_id,
                record=record,
                replaces=current.version,
                unique_tags=tuple(tag for tag in unique_after if tag not in unique_before),
                tags=tuple(tag for tag in after if tag not in before),
                unique_tags_dropped=tuple(tag for tag in unique_before if tag not in unique_after),
                tags_dropped=tuple(tag for tag in before if tag not in after),
                **self.told(action, customer, instant, fields, record, outcome),
            )
        except TagTaken:
            raise Conflict("This external id is taken", field="external_id") from None
        return customer

    def keep(self, request: Keep) -> Generator[Any, Any, Customer]:
        """Tell the trail of a change that changed nothing."""
        customer = request.current
        told = self.told(Action.CUSTOMER_UNCHANGED, customer, self.clock.instant(), (), None)
        yield Write(customer.tenant_id, **told)
        return customer

    def disclose(self, request: Disclose) -> Generator[Any, Any, None]:
        """Tell the trail of guarded fields that are shown in clear."""
        if self.reason_required and not self.deed.reason:
            raise reasons.wanted()
        if self.deed.reason:
            yield from reasons.find_key(self.wrapped_keys, request.customer)
        instant = self.clock.instant()
        action = Action.CUSTOMER_EXPORTED if request.exported else Action.CUSTOMER_REVEALED
        leaf = self.leaf(action, request.customer, instant, request.fields, None)
        yield Write(self.principal.tenant_id, leaves=(leaf,))

    def open_reasons(self, request: OpenReasons) -> Generator[Any, Any, list[str | None]]:
        """Answer with the reasons of leaves, in clear."""
        return (yield from reasons.opened_reasons(self.principal, self.tenant, request.leaves))

    # ── what is added to every write ──

    def told(
        self,
        action: Action,
        customer: Customer,
        instant: datetime,
        fields: tuple[str, ...],
        record: SealedCustomer | None,
        outcome: str = "done",
    ) -> dict[str, Any]:
        """Return the leaf, the announcement and the idempotency answer of a mutation."""
        told: dict[str, Any] = {"leaves": (self.leaf(action, customer, instant, fields, record, outcome),)}
        kind = _ANNOUNCED.get(action)
        if kind is not None:
            event = Event(kind, customer.customer_id, customer.version, fields)
            told["outbox"] = (OutboxRow(customer.tenant_id, instant, _encode(event)),)
        if self.answer_tags is not None:
            key_tag, request_tag = self.answer_tags
            told["answer"] = StoredAnswer(
                customer.tenant_id, key_tag, request_tag, customer.customer_id, customer.version, instant
            )
        return told

    def leaf(
        self,
        action: Action,
        customer: Customer,
        instant: datetime,
        fields: tuple[str, ...],
        record: SealedCustomer | None,
        outcome: str = "done",
    ) -> LeafRow:
        """Return the entry of the trail that tells of a deed, the sealed record pinned by its digest."""
        leaf = Leaf(
            at=instant_text(instant),
            tenant_id=customer.tenant_id,
            actor=self.principal.key_id,
            action=action,
            subject=customer.customer_id,
            request_id=self.deed.request_id,
            outcome=outcome,
            version=customer.version,
            fields=fields,
            digest="" if record is None else record_digest(record),
        )
        if self.deed.reason:
            leaf = reasons.reasoned(self.tenant, self.wrapped_keys, leaf, record, self.deed.reason)
        return LeafRow(customer.tenant_id, instant, _encode(leaf))

    def tags_of(self, merchant_no: int, particulars: Particulars) -> tuple[tuple[Tag, ...], tuple[Tag, ...]]:
        """Return the unique and the other lookup tags of these particulars."""
        unique: tuple[Tag, ...] = ()
        if particulars.external_id is not None:
            unique = (self.external_id_tag(merchant_no, particulars.external_id),)
        return unique, tags_shared(self.tenant, particulars)

    def external_id_tag(self, merchant_no: int, external_id: str) -> Tag:
        """Return the tag of an external id, which is unique within one merchant.

        The last one is kept: what is looked for in vain is nearly always what is stored next.
        """
        if self.last_external_id[:2] != (merchant_no, external_id):
            tag = external_id_tag(self.tenant, merchant_no, external_id)
            self.last_external_id = merchant_no, external_id, tag
        return self.last_external_id[2]


def record_digest(record: SealedCustomer) -> str:
    """Return the SHA-256 of a sealed record in hexadecimal: pins what was stored, tells nothing of it."""
    digest = hashlib.sha256(len(record.sealed).to_bytes(4, "big") + record.sealed)
    digest.update(record.guarded or b"")
    return digest.hexdigest()


ANSWERS: dict[type, Callable[[Run, Any], Generator[Any, Any, Any]]] = {
    Fetch: Run.fetch,
    FindByNumber: Run.find_by_number,
    FindByExternalID: Run.find_by_external_id,
    Add: Run.add,
    Put: Run.put,
    Keep: Run.keep,
    Disclose: Run.disclose,
    OpenReasons: Run.open_reasons,
}
