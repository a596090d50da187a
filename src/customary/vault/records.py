"""Customers to sealed records and back, under the keys of a tenant.

Each place has associated data of its own, so that bytes open only where they were put::

    customer key  label, tenant, customer, tenant key version (in the blob's header)
    particulars   label, tenant, part, version, merchant no, both instants, customer, customer number
    guarded       label, tenant, part, version, customer
    reason        label, tenant, customer, and what else the leaf says of who, what, when and which request
    secret        label, tenant, key id

A row's plain columns are thereby sealed too: one that was edited in the store does not open.
It must never know how rows are stored, who asks, or what a face shows.
"""

import os
import struct
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from customary.app.ports import KeyRow, SealedCustomer
from customary.domain.audit import Leaf
from customary.domain.customer import (
    NOTHING_GUARDED,
    Customer,
    CustomerID,
    CustomerNumber,
    Guarded,
    Particulars,
    TenantID,
)
from customary.domain.masking import masks_of
from customary.vault.cipher import KEY_BYTES, CustomerKey, KeyCache, SealBroken, Unopened, WrappingKey, framed
from customary.vault.tags import IndexKey, keys_of_kinds

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Numbers have one width and texts their length before them, so that no two places give the same bytes.
_PARTICULARS_PLACE = struct.Struct(">qqqqII")
_GUARDED_PLACE = struct.Struct(">qI")


class _Contents(msgspec.Struct, frozen=True):
    """What the first envelope of a record holds.

    Members are named and unknown ones skipped, so that a record of a later program still opens.
    """

    particulars: Particulars
    masks: Guarded


_encode = msgspec.msgpack.Encoder().encode
_decode_contents = msgspec.msgpack.Decoder(_Contents).decode
_decode_guarded = msgspec.msgpack.Decoder(Guarded).decode


_NOBODYS = ("", CustomerKey(bytes(KEY_BYTES)))
_FRESH_MAX = 256


class OpenedTenant(IndexKey):
    """A tenant's opened keys; implements ``app.ports.TenantVault``. Safe to use from several threads."""

    def __init__(
        self,
        tenant_id: TenantID,
        seal_keys: Mapping[int, bytes],
        index_key: bytes,
        cache: KeyCache,
        *,
        coming: IndexKey | None = None,
        leaving: IndexKey | None = None,
        answers: tuple[IndexKey, ...] = (),
    ) -> None:
        """Open with all ``seal_keys``, by version, and seal with the last of them.

        Records are found by tags of ``index_key``. They get those of ``coming``, too, and lose those of
        ``leaving``. ``answers`` find idempotency answers of before the index key was another.
        """
        super().__init__(keys_of_kinds(index_key))
        self._tenant_id = tenant_id
        self._cache = cache
        self._seals = {version: WrappingKey(key, version) for version, key in seal_keys.items()}
        self._seal = self._seals[list(seal_keys)[-1]]
        self.coming = coming
        self.leaving = leaving
        self.answers = answers
        tenant = tenant_id.encode()
        self._for_key = framed(b"customary customer key", tenant)
        self._for_secret = framed(b"customary credential secret", tenant)
        self._for_particulars = framed(b"customary record", tenant, b"particulars")
        self._for_guarded = framed(b"customary record", tenant, b"guarded")
        self._for_hold = framed(b"customary hold", tenant)
        self._for_part = framed(b"customary kept part", tenant)
        self._for_reason = framed(b"customary reason", tenant)
        self._fresh: dict[bytes, tuple[str, CustomerKey]] = {}

    def fresh_key(self, customer_id: CustomerID) -> bytes:
        """Return a new customer key, wrapped under the tenant key."""
        key = os.urandom(KEY_BYTES)
        wrapped = self._seal.wrapped(key, self._for_key + framed(customer_id.encode()))
        # Whoever asks for a fresh key seals with it soon, and then not again: it is no key to keep.
        if len(self._fresh) >= _FRESH_MAX:
            self._fresh.clear()
        self._fresh[wrapped] = customer_id, CustomerKey(key)
        return wrapped

    def sealed(self, customer: Customer, wrapped_key: bytes) -> SealedCustomer:
        """Return the record sealed under its customer key.

        ValueError for a customer of another tenant, or one whose guarded part was not opened: sealing that
        would lose it.
        """
        guarded = customer.guarded
        if guarded is None:
            raise ValueError("the guarded part is not open, so the record cannot be sealed whole")
        if customer.tenant_id != self._tenant_id:
            raise ValueError("the customer is another tenant's")
        fresh_for, key = self._fresh.pop(wrapped_key, _NOBODYS)
        if fresh_for != customer.customer_id:
            key = self._key_of(wrapped_key, customer.customer_id)
        if guarded == NOTHING_GUARDED:
            masks, guarded_envelope = NOTHING_GUARDED, None
        else:
            masks = masks_of(guarded)
            guarded_envelope = key.sealed(_encode(guarded), self._guarded_place(customer))
        contents = _encode(_Contents(customer.particulars, masks))
        return SealedCustomer(
            tenant_id=customer.tenant_id,
            customer_id=customer.customer_id,
            customer_number=customer.customer_number,
            merchant_no=customer.merchant_no,
            version=customer.version,
            sealed=key.sealed(contents, self._particulars_place(customer)),
            guarded=guarded_envelope,
            created_at=customer.created_at,
            updated_at=customer.updated_at,
            wrapped_key=wrapped_key,
        )

    def opened(self, record: SealedCustomer, clear: frozenset[str] | None) -> Customer:
        """Return the customer; the guarded part is opened if it holds one of ``clear``, or if that is None.

        The masks say what it holds, so it stays closed when nothing of it was asked for; ``guarded`` is None
        then. With ``clear`` None it never is. Raises SealBroken.
        """
        if record.tenant_id != self._tenant_id:
            raise _broken("record", record, "it is a row of another tenant")
        if record.overtaken:
            raise _broken("record", record, "an older version was put in the place of a newer one")
        key = self._key_of(record.wrapped_key, record.customer_id)
        try:
            contents = _decode_contents(key.opened(record.sealed, self._particulars_place(record)))
        except Unopened as unopened:
            raise _broken("particulars", record, str(unopened)) from None
        except msgspec.MsgspecError:  # its text may hold a value, so it does not go on
            raise _broken("particulars", record, "opened, but not in a known form") from None
        masks = contents.masks
        guarded = None
        if clear is None or masks.holds_any_of(clear):
            guarded = self._opened_guarded(record, key, masks)
        return Customer(
            tenant_id=self._tenant_id,
            customer_id=CustomerID(record.customer_id),
            customer_number=CustomerNumber(record.customer_number),
            merchant_no=record.merchant_no,
            version=record.version,
            created_at=record.created_at,
            updated_at=record.updated_at,
            particulars=contents.particulars,
            masks=masks,
            guarded=guarded,
        )

    def sealed_reason(self, leaf: Leaf, wrapped_key: bytes, reason: str) -> bytes:
        """Return a reason sealed under the customer's key for this leaf; ValueError for another tenant's."""
        if leaf.tenant_id != self._tenant_id:
            raise ValueError("the leaf is another tenant's")
        return self._key_of(wrapped_key, leaf.subject).sealed(reason.encode(), self._reason_place(leaf))

    def opened_reason(self, leaf: Leaf, wrapped_key: bytes) -> str:
        """Return the reason that is sealed in a leaf; raises SealBroken."""
        try:
            key = self._key_of(wrapped_key, leaf.subject)
            return key.opened_by_any(leaf.sealed_reason, self._reason_place(leaf)).decode()
        except Unopened as unopened:
            raise SealBroken(
                detail=f"the reason of a leaf of {leaf.at} on customer {leaf.subject} of tenant "
                f"{self._tenant_id} does not open: {unopened}"
            ) from None

    # ── What an erasure leaves or takes away ────────────────────────────────────────────────────────────

    def sealed_hold(self, customer_id: str, wrapped_key: bytes, reason: str) -> bytes:
        """Return the reason of a hold, sealed under the customer's key."""
        place = self._for_hold + framed(customer_id.encode())
        return self._key_of(wrapped_key, customer_id).sealed(reason.encode(), place)

    def opened_hold(self, customer_id: str, wrapped_key: bytes, sealed: bytes) -> str:
        """Return the reason of a hold; raises SealBroken."""
        place = self._for_hold + framed(customer_id.encode())
        try:
            return self._key_of(wrapped_key, customer_id).opened_by_any(sealed, place).decode()
        except Unopened as unopened:
            raise SealBroken(
                detail=f"the hold on customer {customer_id} of tenant {self._tenant_id} does not open:"
                f" {unopened}"
            ) from None

    def sealed_part(self, customer_id: str, part: str, content: bytes) -> tuple[bytes, bytes]:
        """Return a new key for a part that is kept, wrapped under the tenant key, and the part under it."""
        place = self._for_part + framed(customer_id.encode(), part.encode())
        key = os.urandom(KEY_BYTES)
        return self._seal.wrapped(key, place), CustomerKey(key).sealed(content, place)

    def opened_part(self, customer_id: str, part: str, wrapped_key: bytes, sealed: bytes) -> bytes:
        """Return a kept part; raises SealBroken."""
        place = self._for_part + framed(customer_id.encode(), part.encode())
        try:
            return CustomerKey(self._seal_of(wrapped_key).unwrapped(wrapped_key, place)).opened(sealed, place)
        except Unopened as unopened:
            raise SealBroken(
                detail=f"the kept {part} of customer {customer_id} of tenant {self._tenant_id} does not open:"
                f" {unopened}"
            ) from None

    def forget(self, wrapped_key: bytes) -> None:
        """Keep the opened form of that customer key no longer."""
        self._cache.forget(wrapped_key)

    def sealed_secret(self, terms: str, secret: bytes) -> bytes:
        """Return a credential's secret, sealed under the tenant key for a credential of these terms."""
        return self._seal.wrapped(secret, self._for_secret + framed(terms.encode()))

    def opened_secret(self, terms: str, kept: bytes) -> bytes:
        """Return a credential's secret; raises SealBroken."""
        try:
            return self._seal_of(kept).unwrapped(kept, self._for_secret + framed(terms.encode()))
        except Unopened as unopened:
            raise SealBroken(
                detail=f"the secret of key {terms.partition(chr(10))[0]} of tenant {self._tenant_id} "
                f"does not open: {unopened}"
            ) from None

    # ── When keys turn ──────────────────────────────────────────────────────────────────────────────────

    def rewrapped_key(self, row: KeyRow) -> bytes | None:
        """Return a customer's key wrapped under the tenant key that seals, or None if it is so already."""
        if row.wrapped[1:2] == bytes((self._seal.version,)):
            return None
        place = self._for_key + framed(row.customer_id.encode())
        return self._seal.wrapped(self._unwrapped_key(row.wrapped, row.customer_id), place)

    def rewrapped_secret(self, terms: str, kept: bytes) -> bytes | None:
        """Return a credential's secret sealed under the key that seals, or None if it is so already."""
        if kept[1:2] == bytes((self._seal.version,)):
            return None
        return self.sealed_secret(terms, self.opened_secret(terms, kept))

    def rewrapped_part(self, customer_id: str, part: str, wrapped: bytes) -> bytes | None:
        """Return the key of a kept part wrapped under the key that seals, or None if it is so already."""
        if wrapped[1:2] == bytes((self._seal.version,)):
            return None
        place = self._for_part + framed(customer_id.encode(), part.encode())
        try:
            return self._seal.wrapped(self._seal_of(wrapped).unwrapped(wrapped, place), place)
        except Unopened as unopened:
            raise SealBroken(
                detail=f"the key of the kept {part} of customer {customer_id} of tenant {self._tenant_id}"
                f" does not open: {unopened}"
            ) from None

    def renewed_key(self, row: KeyRow) -> bytes:
        """Return a new customer key, wrapped together with those that the customer had before.

        Records open with the new one alone. The earlier ones open what the trail has sealed with them, which
        nobody can seal anew; they go when the key does.
        """
        earlier = self._unwrapped_key(row.wrapped, row.customer_id)
        key = os.urandom(KEY_BYTES)
        wrapped = self._seal.wrapped(key + earlier, self._for_key + framed(row.customer_id.encode()))
        self._fresh[wrapped] = row.customer_id, CustomerKey(key, earlier)
        return wrapped

    def _unwrapped_key(self, wrapped: bytes, customer_id: str) -> bytes:
        try:
            return self._seal_of(wrapped).unwrapped(wrapped, self._for_key + framed(customer_id.encode()))
        except Unopened as unopened:
            raise SealBroken(
                detail=f"the key of customer {customer_id} of tenant {self._tenant_id} does not open: "
                f"{unopened}"
            ) from None

    def _seal_of(self, blob: bytes) -> WrappingKey:
        """Return the tenant key of the version named in the blob."""
        seal = self._seals.get(blob[1]) if len(blob) > 1 else None
        if seal is None:
            raise Unopened("cut short, or of an unknown key version")
        return seal

    def _key_of(self, wrapped: bytes, customer_id: str) -> CustomerKey:
        key = self._cache.find(wrapped, self._tenant_id, customer_id)
        if key is not None:
            return key
        opened = self._unwrapped_key(wrapped, customer_id)
        key = CustomerKey(opened[:KEY_BYTES], opened[KEY_BYTES:])
        self._cache.keep(wrapped, self._tenant_id, customer_id, key)
        return key

    def _opened_guarded(self, record: SealedCustomer, key: CustomerKey, masks: Guarded) -> Guarded:
        if record.guarded is None:
            if masks.present:
                raise _broken("guarded", record, "it is missing")
            return NOTHING_GUARDED
        try:
            guarded = _decode_guarded(key.opened(record.guarded, self._guarded_place(record)))
        except Unopened as unopened:
            raise _broken("guarded", record, str(unopened)) from None
        except msgspec.MsgspecError:  # as above
            raise _broken("guarded", record, "opened, but not in a known form") from None
        # Not the masks themselves: how much they show may change, and old records keep theirs.
        if not guarded.holds_the_fields_of(masks):
            raise _broken("guarded", record, "it holds other fields than the particulars say")
        return guarded

    def _particulars_place(self, record: Customer | SealedCustomer) -> bytes:
        customer_id, customer_number = record.customer_id.encode(), record.customer_number.encode()
        numbers = _PARTICULARS_PLACE.pack(
            record.version,
            record.merchant_no,
            _microseconds(record.created_at),
            _microseconds(record.updated_at),
            len(customer_id),
            len(customer_number),
        )
        return b"".join((self._for_particulars, numbers, customer_id, customer_number))

    def _reason_place(self, leaf: Leaf) -> bytes:
        """Return the associated data of a leaf's reason: all of the leaf that was settled before it."""
        texts = (leaf.subject, leaf.request_id, leaf.at, leaf.actor, leaf.action, str(leaf.version))
        return self._for_reason + framed(*[text.encode() for text in texts])

    def _guarded_place(self, record: Customer | SealedCustomer) -> bytes:
        customer_id = record.customer_id.encode()
        return self._for_guarded + _GUARDED_PLACE.pack(record.version, len(customer_id)) + customer_id


def _microseconds(instant: datetime) -> int:
    since = instant - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _broken(part: str, record: SealedCustomer, reason: str) -> SealBroken:
    return SealBroken(
        detail=f"the {part} of customer {record.customer_id} of tenant {record.tenant_id}, "
        f"version {record.version}, does not open: {reason}"
    )
