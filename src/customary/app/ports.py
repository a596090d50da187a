"""What an engine, a vault and the dice are asked for: sealed rows, lookup tags, keys, time and chance.

The performer (``app.performer``) turns a use case into a *job*: a generator that yields the requests below
(``ReadRecord``, ``Write``, ...), which are all that an engine ever sees. A job can be run again, whole.
"""

from collections.abc import Callable, Generator
from datetime import datetime
from enum import IntEnum
from typing import Any, Protocol, TypeVar

import msgspec

from customary.domain.access import Credential, Merchant, Tenant
from customary.domain.customer import Customer, CustomerID, TenantID

T = TypeVar("T")


class TagKind(IntEnum):
    """What a lookup tag stands for. Numbers are stored: never reuse one."""

    CUSTOMER_NUMBER = 1
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


class ReadRecord(msgspec.Struct, frozen=True, gc=False):
    """The SealedCustomer of that id, or None."""

    tenant_id: str
    customer_id: str


class ReadTagged(msgspec.Struct, frozen=True, gc=False):
    """The SealedCustomer that holds this unique tag, if it is of ``merchant_no`` (None: of any), or None."""

    tenant_id: str
    tag: Tag
    merchant_no: int | None = None


class ReadVersion(msgspec.Struct, frozen=True, gc=False):
    """The SealedCustomer as it was at that version, or None."""

    tenant_id: str
    customer_id: str
    version: int


class ReadPage(msgspec.Struct, frozen=True, gc=False):
    """``(list[SealedCustomer], total)`` of those that hold all the tags, in the order of creation."""

    tenant_id: str
    merchant_no: int | None
    unique_tags: tuple[Tag, ...]
    tags: tuple[Tag, ...]
    newest_first: bool
    offset: int
    limit: int
    counted: bool


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


class LeafRow(msgspec.Struct, frozen=True, gc=False):
    """One entry of the trail as it is stored: ``leaf_no`` is given by the engine, in the order of commits."""

    tenant_id: str
    at: datetime
    body: bytes
    leaf_no: int = 0


class OutboxRow(msgspec.Struct, frozen=True, gc=False):
    """One announcement that is due."""

    tenant_id: str
    at: datetime
    body: bytes


class Write(msgspec.Struct, frozen=True, gc=False):
    """Everything that one use case stores: all of it is committed, or none.

    ``replaces`` is the version that ``record`` supersedes, or None for a new record. The superseded version
    is kept. Answered with None; raises Outdated when the stored version is another, TagTaken when a unique
    tag is held by another customer.
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


class TenantKeyRow(msgspec.Struct, frozen=True, gc=False):
    """One key of a tenant, sealed under the root key. ``purpose`` is ``seal`` or ``index``."""

    tenant_id: str
    purpose: str
    key_version: int
    wrapped: bytes


class SecretRow(msgspec.Struct, frozen=True, gc=False):
    """One live secret of a credential: a keyed hash (Basic) or a sealed secret (HMAC)."""

    kept: bytes
    expires_at: datetime | None = None


class CredentialRow(msgspec.Struct, frozen=True, gc=False):
    """A credential with its kept secrets, newest first."""

    credential: Credential
    secrets: tuple[SecretRow, ...]


class ReadTenants(msgspec.Struct, frozen=True, gc=False):
    """``list[Tenant]``: all, or the one of that id."""

    tenant_id: str | None = None


class ReadMerchants(msgspec.Struct, frozen=True, gc=False):
    """``list[Merchant]``: all, or those of that tenant, in the order of their numbers."""

    tenant_id: str | None = None


class ReadTenantKeys(msgspec.Struct, frozen=True, gc=False):
    """``list[TenantKeyRow]`` of that tenant."""

    tenant_id: str


class ReadCredentials(msgspec.Struct, frozen=True, gc=False):
    """``list[CredentialRow]``: all, of a tenant, or the one of that key id."""

    tenant_id: str | None = None
    key_id: str | None = None


class WriteTenant(msgspec.Struct, frozen=True, gc=False):
    """Store a new tenant with its keys and the leaf that tells of it."""

    tenant: Tenant
    keys: tuple[TenantKeyRow, ...]
    leaf: LeafRow


class WriteMerchant(msgspec.Struct, frozen=True, gc=False):
    """Store a new merchant; Conflict when its public id is taken anywhere."""

    merchant: Merchant
    leaf: LeafRow


class WriteCredential(msgspec.Struct, frozen=True, gc=False):
    """Store a credential, new or changed, with its secrets."""

    row: CredentialRow
    leaf: LeafRow


class MarkUsed(msgspec.Struct, frozen=True, gc=False):
    """Store when credentials were last used: ``(tenant_id, key_id, instant)`` each. No leaf: no deed."""

    uses: tuple[tuple[str, str, datetime], ...]


class ReadLeaves(msgspec.Struct, frozen=True, gc=False):
    """``list[LeafRow]`` after that number, of all tenants or of one, in order."""

    after: int = 0
    limit: int = 1000
    tenant_id: str | None = None


class BlockRow(msgspec.Struct, frozen=True, gc=False):
    """A stretch of a tenant's trail: the digests of its leaves, chained and signed (``app.trail``)."""

    tenant_id: str
    block_no: int
    leaf_no_first: int
    leaf_no_last: int
    at: datetime
    digests: bytes
    link: bytes
    signature: bytes


class ReadBlocks(msgspec.Struct, frozen=True, gc=False):
    """``list[BlockRow]``: those of one tenant in order, or with ``tenant_id`` None the last one of each.

    The last ones come without their digests: they are asked for to go on from.
    """

    tenant_id: str | None = None
    after: int = 0
    limit: int = 1000


class WriteBlocks(msgspec.Struct, frozen=True, gc=False):
    """Append blocks; Conflict when a block of that number exists (another sealer was first)."""

    blocks: tuple[BlockRow, ...]


class Sweep(msgspec.Struct, frozen=True, gc=False):
    """Delete idempotency answers older than that, at most ``limit``; answered with how many."""

    answers_before: datetime
    limit: int = 1000


Job = Callable[[], Generator[Any, Any, T]]
"""Makes a fresh generator of engine requests; called again when the work must be run again."""


class Engine(Protocol):
    """Stores sealed rows and tags; knows neither customers nor keys. Held by one contract suite."""

    async def perform(self, job: Job[T]) -> T:
        """Run a job that writes; return its result after the commit that holds it.

        Raises what the job raises (nothing of it is stored then), Unavailable when the store cannot take
        writes now, OutcomeUnknown when nobody can tell whether the commit holds.
        """

    async def read(self, job: Job[T]) -> T:
        """Run a job that only reads a few rows, against what is committed."""

    async def scan(self, job: Job[T]) -> T:
        """Run a job that only reads and may read many rows, without holding up others."""

    def perform_now(self, jobs: list[Job[T]]) -> list[T]:
        """Run jobs that write in one commit, from a program without an event loop (the command line)."""

    def read_now(self, job: Job[T]) -> T:
        """Run a job that only reads, from a program without an event loop."""

    def poll(self) -> None:
        """Look at the store as it is now, other processes' commits included."""

    def generation(self) -> int:
        """Return a number that changes within a second of a change of tenants, merchants or credentials."""


# ── Keys and dice ───────────────────────────────────────────────────────────────────────────────────────


class TenantVault(Protocol):
    """The opened keys of one tenant: seals and opens its records and makes its tags."""

    def fresh_key(self, customer_id: CustomerID) -> bytes:
        """Return a new customer key, wrapped under the tenant key."""

    def sealed(self, customer: Customer, wrapped_key: bytes) -> SealedCustomer:
        """Return the record sealed under its customer key; ``customer.guarded`` must not be None."""

    def opened(self, record: SealedCustomer, clear: frozenset[str] | None) -> Customer:
        """Return the customer; its guarded part is opened if it holds one of ``clear`` (None: if any)."""

    def tag(self, kind: TagKind, *texts: str | bytes) -> Tag:
        """Return the lookup tag of these texts, unlike that of any other tenant, kind or texts."""

    def sealed_secret(self, terms: str, secret: bytes) -> bytes:
        """Return a secret, sealed under the tenant key for a credential of these terms."""

    def opened_secret(self, terms: str, kept: bytes) -> bytes:
        """Return the secret of a credential of these terms."""


class Vault(Protocol):
    """Holds the root key; everything that seals, signs or hashes with a key begins here."""

    def fresh_tenant_keys(self, tenant_id: TenantID) -> tuple[TenantKeyRow, ...]:
        """Return new keys for a new tenant, sealed under the root key."""

    def tenant(self, tenant_id: TenantID, keys: list[TenantKeyRow]) -> TenantVault:
        """Return the tenant's opened keys; Unavailable if they do not open under this root key."""

    def hashed_secret(self, terms: str, secret: bytes) -> bytes:
        """Return the keyed hash under which the secret of a Basic credential of these terms is kept."""

    def signed(self, message: bytes) -> bytes:
        """Return the Ed25519 signature of ``message`` under the trail's key."""

    def is_signed(self, message: bytes, signature: bytes) -> bool:
        """Return whether ``signature`` is the trail's key's signature of ``message``."""


class Dice(Protocol):
    """Time and chance, which come from outside."""

    def now(self) -> datetime:
        """Return the instant, aware, in UTC."""

    def random_bytes(self, count: int) -> bytes:
        """Return that many bytes nobody can guess."""
