"""What an engine is asked for when a customer is erased, and what stays: tombstones, kept parts, holds.

A tombstone says that an id was given and will not be given again. What it holds beside ids is bytes to an
engine, as are a kept part and a tenant's rules.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

import msgspec

from customary.app.ports.records import SealedCustomer, Tag
from customary.app.ports.trail import LeafRow


class HoldRow(msgspec.Struct, frozen=True, gc=False):
    """A legal hold on a customer: since when, by whom, and why, sealed under the customer's key."""

    tenant_id: str
    customer_id: str
    at: datetime
    actor: str
    sealed_reason: bytes


class ReadHold(msgspec.Struct, frozen=True, gc=False):
    """The HoldRow of that customer, or None."""

    tenant_id: str
    customer_id: str


class WriteHold(msgspec.Struct, frozen=True, gc=False):
    """Store a hold; Conflict when there is one, Outdated when there is no such record."""

    hold: HoldRow
    leaf: LeafRow


class DropHold(msgspec.Struct, frozen=True, gc=False):
    """Take a hold away; Outdated when there is none."""

    tenant_id: str
    customer_id: str
    leaf: LeafRow


class ReadRules(msgspec.Struct, frozen=True, gc=False):
    """The bytes of that tenant's retention rules, or None where it has never set any."""

    tenant_id: str


class WriteRules(msgspec.Struct, frozen=True, gc=False):
    """Store a tenant's retention rules in place of those it had."""

    tenant_id: str
    rules: bytes
    leaf: LeafRow


class Erasable(msgspec.Struct, frozen=True, gc=False):
    """A record with what an erasure must know; ``superseded`` are its earlier versions, if asked for."""

    record: SealedCustomer
    superseded_count: int
    superseded: tuple[SealedCustomer, ...]
    hold: HoldRow | None


class ReadErasable(msgspec.Struct, frozen=True, gc=False):
    """The Erasable of that id, or None; its earlier versions too if ``whole``."""

    tenant_id: str
    customer_id: str
    whole: bool = False


class ReadAnswersOf(msgspec.Struct, frozen=True, gc=False):
    """``(list[bytes], bytes | None)``: key tags of idempotency answers that led to that customer.

    At most ``limit`` answers of the tenant are looked at, those whose key tag comes after ``after``; the
    second is the last that was looked at, or None when that was all. To be asked on a scan.
    """

    tenant_id: str
    customer_id: str
    after: bytes
    limit: int


class ReadMentions(msgspec.Struct, frozen=True, gc=False):
    """``(list[int], int | None)``: numbers of the outbox entries of the tenant whose bytes contain ``text``.

    At most ``limit`` entries are looked at, of any tenant, those with a number over ``after``; the second is
    the last that was looked at, or None when there was none. To be asked on a scan.
    """

    tenant_id: str
    text: str
    after: int
    limit: int


class Destroy(msgspec.Struct, frozen=True, gc=False):
    """Destroy a record: its key, all versions, tags, hold, and the answers and outbox entries named.

    Answered with Destroyed. Nothing of the key is left in any place of the store but its logs. ``version`` is
    the current one: Outdated otherwise, or when there is none. ``dropped_tags`` None means that nobody knows
    them: all tags of the record are looked for. Beside what is named, answers not older than
    ``answers_since`` and entries numbered over ``mentions_after`` are looked at once more: they may have come
    since the scan that found the others.
    """

    tenant_id: str
    customer_id: str
    version: int
    dropped_unique_tags: tuple[Tag, ...] | None
    dropped_tags: tuple[Tag, ...] | None
    answers: tuple[bytes, ...]
    answers_since: datetime
    mentions: tuple[int, ...]
    mentions_after: int


class Destroyed(msgspec.Struct, frozen=True, gc=False):
    """How many rows of each kind were destroyed beside record, versions and key."""

    tags: int
    answers: int
    announcements: int


class TombstoneRow(msgspec.Struct, frozen=True, gc=False):
    """What is left of an erased customer. ``certificate`` is bytes to the engine.

    ``key_tag`` and ``request_tag`` are those of the request with an Idempotency-Key that erased it, or empty.
    ``scrubbed`` says that the destroyed bytes are gone from every file of the store.
    """

    tenant_id: str
    customer_id: str
    customer_number: str
    merchant_no: int
    number: int
    at: datetime
    certificate: bytes
    key_tag: bytes = b""
    request_tag: bytes = b""
    scrubbed: bool = False


class KeptRow(msgspec.Struct, frozen=True, gc=False):
    """A part of an erased record that is kept until an instant, sealed under a key of its own."""

    tenant_id: str
    customer_id: str
    part: str
    until: datetime
    wrapped_key: bytes
    sealed: bytes


class WriteTombstone(msgspec.Struct, frozen=True, gc=False):
    """Store the tombstone of a record that is not there, the parts that are kept, and the leaf.

    Conflict when the id or the number of the erasure has a tombstone, Outdated when there is a record of that
    id. A new record of that id is Outdated from then on.
    """

    row: TombstoneRow
    kept: tuple[KeptRow, ...]
    leaf: LeafRow


class ReadTombstone(msgspec.Struct, frozen=True, gc=False):
    """The TombstoneRow of that id or, if ``number`` is given, of that erasure of the tenant; or None."""

    tenant_id: str
    customer_id: str = ""
    number: int = 0


class ReadTombstones(msgspec.Struct, frozen=True, gc=False):
    """``list[TombstoneRow]`` of a tenant with numbers over ``after``, in order."""

    tenant_id: str
    after: int = 0
    limit: int = 1000


class ReadErased(msgspec.Struct, frozen=True, gc=False):
    """``list[tuple[str, int]]``: tenant and number of every tombstone in the store, in any order."""


class ReadUnscrubbed(msgspec.Struct, frozen=True, gc=False):
    """``list[tuple[str, str]]``: tenant and customer of tombstones that are not scrubbed yet."""

    limit: int = 1000


class MarkScrubbed(msgspec.Struct, frozen=True, gc=False):
    """Store that the destroyed bytes of these customers, ``(tenant, customer)`` each, are gone. No leaf."""

    erased: tuple[tuple[str, str], ...]


class ReadKept(msgspec.Struct, frozen=True, gc=False):
    """``list[KeptRow]`` of an erased customer, or with ``due`` those of anybody that end by then."""

    tenant_id: str = ""
    customer_id: str = ""
    due: datetime | None = None
    limit: int = 100


class KeptKeyRow(msgspec.Struct, frozen=True, gc=False):
    """The key of one kept part, sealed under a tenant key."""

    customer_id: str
    part: str
    wrapped: bytes


class ReadKeptKeys(msgspec.Struct, frozen=True, gc=False):
    """``list[KeptKeyRow]`` of a tenant, in any order."""

    tenant_id: str


class RewrapKeptKeys(msgspec.Struct, frozen=True, gc=False):
    """Store other wrappings of keys of kept parts: ``(row as it was read, its new wrapped)`` each.

    Answered with how many were changed: those that are no longer as they were read are left alone.
    """

    tenant_id: str
    rows: tuple[tuple[KeptKeyRow, bytes], ...]


class DropKept(msgspec.Struct, frozen=True, gc=False):
    """Destroy kept parts with their keys, ``(tenant, customer, part)`` each; they must be scrubbed again."""

    parts: tuple[tuple[str, str, str], ...]
    leaves: tuple[LeafRow, ...]


class LedgerLines(Protocol):
    """Lines that are kept outside of the databases, appended and never changed."""

    def __enter__(self) -> "LedgerLines":
        """Keep other processes from appending; not to be entered twice."""

    def __exit__(self, *_: object) -> None:
        """Let others append again."""

    def fresh(self) -> list[bytes]:
        """Return the complete lines that were not returned before, without their newlines."""

    def append(self, line: bytes) -> None:
        """Write a line, which ``fresh`` will not return, and return when it is on the disk.

        Raises Unavailable when it cannot be written, or nobody knows.
        """


Composing = Callable[[int, str], bytes]
"""Makes the certificate of that number that comes after the one with that digest."""
