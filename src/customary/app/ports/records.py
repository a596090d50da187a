"""What an engine is asked for about records: sealed rows, lookup tags, idempotency answers."""

from datetime import datetime
from enum import IntEnum

import msgspec

from customary.app.ports.trail import LeafRow


class TagKind(IntEnum):
    """What a lookup tag stands for. Numbers are stored: never reuse one (1 stood for customer numbers)."""

    EXTERNAL_ID = 2
    EMAIL = 3
    ORG_ID = 4
    IDEMPOTENCY_KEY = 5
    REQUEST = 6


class Tag(msgspec.Struct, frozen=True, gc=False):
    """A keyed digest by which a sealed record can be found: 16 bytes that tell nothing without the key."""

    kind: int
    digest: bytes


class SealedCustomer(msgspec.Struct, frozen=True, gc=False):
    """A record as engines know it: who it belongs to, its version and times, and sealed bytes.

    ``wrapped_key`` is the customer key, sealed under the tenant key; engines keep it apart from the record.
    ``overtaken`` says of a current record that a version is kept which is not older: somebody has put an
    older row in its place, which would open, as it is authentic.
    """

    tenant_id: str
    customer_id: str
    customer_number: str
    merchant_no: int
    version: int
    sealed: bytes
    guarded: bytes | None
    created_at: datetime
    updated_at: datetime
    wrapped_key: bytes
    overtaken: bool = False


class ReadRecord(msgspec.Struct, frozen=True, gc=False):
    """The SealedCustomer of that id, if it is of ``merchant_no`` (None: of any), or None."""

    tenant_id: str
    customer_id: str
    merchant_no: int | None = None


class ReadTagged(msgspec.Struct, frozen=True, gc=False):
    """The SealedCustomer that holds this unique tag, or None."""

    tenant_id: str
    tag: Tag


class ReadVersion(msgspec.Struct, frozen=True, gc=False):
    """The SealedCustomer as it was at that version, or None."""

    tenant_id: str
    customer_id: str
    version: int


class ReadPage(msgspec.Struct, frozen=True, gc=False):
    """``(list[SealedCustomer], total)`` of those that hold all the tags, in the order of creation.

    With ``unique_tags_any`` only those that also hold one of these. With ``after`` the page begins behind the
    record of that id, whether or not it holds the tags, so that no page costs more for what stands before it;
    NotFound if there is none, or none of ``merchant_no``. It does not change the total.
    """

    tenant_id: str
    merchant_no: int | None
    unique_tags: tuple[Tag, ...]
    tags: tuple[Tag, ...]
    newest_first: bool
    offset: int
    limit: int
    counted: bool
    after: str | None = None
    unique_tags_any: tuple[Tag, ...] = ()


class StoredAnswer(msgspec.Struct, frozen=True, gc=False):
    """What an idempotent request led to: which version of which customer, for which request.

    No answer's bytes are kept: they are rendered again from that version, so that erasing the record
    erases the answer.
    """

    tenant_id: str
    key_tag: bytes
    request_tag: bytes
    customer_id: str
    version: int
    at: datetime


class ReadAnswer(msgspec.Struct, frozen=True, gc=False):
    """The StoredAnswer under that key tag that is not older than ``since``, or None."""

    tenant_id: str
    key_tag: bytes
    since: datetime


class OutboxRow(msgspec.Struct, frozen=True, gc=False):
    """One announcement that is due."""

    tenant_id: str
    at: datetime
    body: bytes


class ReadAnnouncements(msgspec.Struct, frozen=True, gc=False):
    """``list[OutboxRow]``: those of these entries of the outbox that are the tenant's, in the order asked."""

    tenant_id: str
    entry_nos: tuple[int, ...]


class Write(msgspec.Struct, frozen=True, gc=False):
    """Everything that one use case stores: all of it is committed, or none.

    ``replaces`` is the version that ``record`` supersedes, or None for a new record. The superseded version
    is kept. Answered with None; raises Outdated when the stored version is another or the customer's key is
    no longer ``record.wrapped_key``, TagTaken when a unique tag is held by another customer.
    """

    tenant_id: str
    record: SealedCustomer | None = None
    replaces: int | None = None
    unique_tags: tuple[Tag, ...] = ()
    tags: tuple[Tag, ...] = ()
    unique_tags_dropped: tuple[Tag, ...] = ()
    tags_dropped: tuple[Tag, ...] = ()
    leaves: tuple[LeafRow, ...] = ()
    outbox: tuple[OutboxRow, ...] = ()
    answer: StoredAnswer | None = None


class TagTaken(Exception):
    """A unique tag of this ``kind`` is another customer's. Engines raise it into the job that wrote it."""

    def __init__(self, kind: int) -> None:
        super().__init__(f"unique tag of kind {kind} is taken")
        self.kind = kind


class Sweep(msgspec.Struct, frozen=True, gc=False):
    """Delete idempotency answers older than that, at most ``limit``; answered with how many."""

    answers_before: datetime
    limit: int = 1000
