"""What an erasure is made of: counts and digests, kept parts, tags to drop, tombstones and leaves.

Everything here is made of what was read; nothing is asked for. It must never know who erases, or when.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

import msgspec

from customary.app.performing import record_digest
from customary.app.ports import (
    Destroy,
    Destroyed,
    Erasable,
    KeptRow,
    LeafRow,
    SealedCustomer,
    Tag,
    Tagger,
    TagKind,
    TenantVault,
    TombstoneRow,
)
from customary.app.reasons import reasoned
from customary.app.requests import Deed
from customary.app.tagging import tags_held
from customary.domain.access import Principal
from customary.domain.audit import Action, Leaf
from customary.domain.customer import NOTHING_GUARDED, Customer, Guarded, Particulars
from customary.domain.erasure import Certificate, Going, Keeping, Part, instant_of, instant_text
from customary.domain.errors import CustomaryError, Gone

Tags = tuple[tuple[Tag, ...], tuple[Tag, ...]]


class Leftovers(msgspec.Struct, frozen=True):
    """What a scan has found of a customer beside the record, and from where on it has not looked."""

    answers: tuple[bytes, ...]
    answers_since: datetime
    mentions: tuple[int, ...]
    mentions_after: int


class KeptVersion(msgspec.Struct, frozen=True):
    """One version of a record, as it is kept of an erased customer."""

    version: int
    updated_at: datetime
    particulars: Particulars
    guarded: Guarded


encode_kept = msgspec.msgpack.Encoder().encode
decode_kept = msgspec.msgpack.Decoder(tuple[KeptVersion, ...]).decode


def gone(stone: TombstoneRow) -> Gone:
    """Return the refusal of who asks for an erased customer and may know of it."""
    return Gone(number=stone.number, at=instant_text(stone.at))


def opened(tenant: TenantVault, record: SealedCustomer) -> Customer | None:
    """Return the customer, or None if it does not open: a broken record can be erased, too."""
    try:
        return tenant.opened(record, None)
    except CustomaryError:
        return None


def relationship_ended(customer: Customer | None) -> datetime | None:
    """Return when the relationship with a customer ended, if that is on record."""
    if customer is None or customer.particulars.relationship_ended_at is None:
        return None
    return instant_of(customer.particulars.relationship_ended_at)


def tags_of(tenant: TenantVault, customer: Customer | None) -> Tags | None:
    """Return the unique and the other tags that a record may hold; None if it does not open to tell them."""
    if customer is None:
        return None
    return tags_held(tenant, customer.merchant_no, customer.particulars)


def request_tags(tagger: Tagger, principal: Principal, deed: Deed) -> tuple[bytes, bytes]:
    """Return the tags of an Idempotency-Key and of the request that has it, or nothing without one."""
    if not deed.idempotency_key:
        return b"", b""
    key_tag = tagger.tag(TagKind.IDEMPOTENCY_KEY, principal.key_id, deed.idempotency_key).digest
    return key_tag, tagger.tag(TagKind.REQUEST, deed.request_digest).digest


def counts(found: Erasable, leftovers: Leftovers, tags: Tags | None) -> dict[Part, int]:
    """Return how much there is of each part; what this program does not store yet counts 0."""
    known = {
        Part.KEY: 1,
        Part.RECORD: 1,
        Part.VERSIONS: found.superseded_count,
        Part.TAGS: 0 if tags is None else len(tags[0]) + len(tags[1]),
        Part.ANSWERS: len(leftovers.answers),
        Part.ANNOUNCEMENTS: len(leftovers.mentions),
    }
    return {part: known.get(part, 0) for part in Part}


def goings(found: Erasable, destroyed: Destroyed, kept: Iterable[Keeping]) -> tuple[Going, ...]:
    """Return what was destroyed, the record and its versions with their digests."""
    versions = hashlib.sha256("".join(map(record_digest, found.superseded)).encode())
    digests = {Part.RECORD: record_digest(found.record), Part.VERSIONS: versions.hexdigest()}
    known: Mapping[Part, int] = {
        Part.KEY: 1,
        Part.RECORD: 1,
        Part.VERSIONS: len(found.superseded),
        Part.TAGS: destroyed.tags,
        Part.ANSWERS: destroyed.answers,
        Part.ANNOUNCEMENTS: destroyed.announcements,
    }
    covered = {one.part for one in kept}
    return tuple(
        Going(part, count, digests.get(part, "") if count else "")
        for part in Part
        if part not in covered
        for count in (known.get(part, 0),)
    )


def kept_rows(tenant: TenantVault, found: Erasable, kept: Iterable[Keeping]) -> tuple[KeptRow, ...]:
    """Return the parts that are kept, each sealed under a new key of its own; raises SealBroken."""
    records = {Part.RECORD: (found.record,), Part.VERSIONS: found.superseded}
    rows = []
    for one in kept:
        versions = [tenant.opened(record, None) for record in records.get(one.part, ())]
        if not versions:
            continue
        content = encode_kept(
            [
                KeptVersion(of.version, of.updated_at, of.particulars, of.guarded or NOTHING_GUARDED)
                for of in versions
            ]
        )
        ids = (found.record.tenant_id, found.record.customer_id, one.part.value)
        wrapped_key, sealed = tenant.sealed_part(ids[1], ids[2], content)
        rows.append(KeptRow(*ids, instant_of(one.until), wrapped_key, sealed))
    return tuple(rows)


def destruction(record: SealedCustomer, leftovers: Leftovers, tags: Tags | None) -> Destroy:
    """Return the request that destroys a record."""
    return Destroy(
        record.tenant_id,
        record.customer_id,
        record.version,
        None if tags is None else tags[0],
        None if tags is None else tags[1],
        leftovers.answers,
        leftovers.answers_since,
        leftovers.mentions,
        leftovers.mentions_after,
    )


def stone_of(certificate: Certificate, tags: tuple[bytes, bytes]) -> TombstoneRow:
    """Return the tombstone of a certificate, with the tags of the request that led to it."""
    return TombstoneRow(
        certificate.tenant_id,
        certificate.customer_id,
        certificate.customer_number,
        certificate.merchant_no,
        certificate.number,
        instant_of(certificate.erased_at),
        certificate.encoded(),
        *tags,
    )


def erasure_leaf(
    certificate: Certificate,
    action: Action,
    instant: datetime,
    actor: str,
    version: int,
    reason: Callable[[Leaf], Leaf] = lambda leaf: leaf,
) -> LeafRow:
    """Return the entry of the trail that tells of an erasure; the digest is the certificate's.

    ``reason`` adds the one that was given, sealed.
    """
    leaf = Leaf(
        at=instant_text(instant),
        tenant_id=certificate.tenant_id,
        actor=actor,
        action=action,
        subject=certificate.customer_id,
        request_id=certificate.request_id if action is Action.CUSTOMER_ERASED else "",
        version=version,
        digest=hashlib.sha256(certificate.encoded()).hexdigest(),
    )
    return LeafRow(certificate.tenant_id, instant, msgspec.json.encode(reason(leaf)))


def sealing(tenant: TenantVault, record: SealedCustomer, reason: str) -> Callable[[Leaf], Leaf]:
    """Return what adds the reason of an erasure to its leaf, under the very key that is destroyed with it.

    So the trail tells for ever that there was one, and nobody what it said.
    """
    return lambda leaf: reasoned(tenant, {}, leaf, record, reason) if reason else leaf


def part_leaf(row: KeptRow, action: Action, instant: datetime, actor: str) -> LeafRow:
    """Return the entry of the trail that tells what became of a kept part."""
    leaf = Leaf(
        at=instant_text(instant),
        tenant_id=row.tenant_id,
        actor=actor,
        action=action,
        subject=row.customer_id,
        fields=(row.part,),
    )
    return LeafRow(row.tenant_id, instant, msgspec.json.encode(leaf))


class Failures:
    """What went wrong with some of several deeds, none of which shall keep the others from being done."""

    def __init__(self) -> None:
        self._first: CustomaryError | None = None

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Go on after a refusal of what is done inside."""
        try:
            yield
        except CustomaryError as error:
            self._first = self._first or error

    def tell(self) -> None:
        """Raise the first refusal, if there was one."""
        if self._first is not None:
            raise self._first
