"""Keys, time and chance, which come from outside."""

from datetime import datetime
from typing import Protocol

from customary.app.ports.records import SealedCustomer, Tag, TagKind
from customary.app.ports.registry import Purpose, TenantKeyRow
from customary.app.ports.turning import KeyRow
from customary.domain.audit import Leaf
from customary.domain.customer import Customer, CustomerID, TenantID


class Tagger(Protocol):
    """Makes lookup tags with one index key of a tenant."""

    def tag(self, kind: TagKind, *texts: str | bytes) -> Tag:
        """Return the lookup tag of these texts, unlike that of any other tenant, kind or texts."""


class TenantVault(Tagger, Protocol):
    """The opened keys of one tenant: seals and opens its records and makes its tags.

    While its index key turns, records get the tags of ``coming``, too, and lose those of ``leaving``;
    afterwards ``answers`` find the idempotency answers of before.
    """

    @property
    def coming(self) -> Tagger | None:
        """Return what makes the tags by which records will be found."""

    @property
    def leaving(self) -> Tagger | None:
        """Return what made the tags by which records were found."""

    @property
    def answers(self) -> tuple[Tagger, ...]:
        """Return what made the tags of earlier idempotency answers."""

    def fresh_key(self, customer_id: CustomerID) -> bytes:
        """Return a new customer key, wrapped under the tenant key."""

    def sealed(self, customer: Customer, wrapped_key: bytes) -> SealedCustomer:
        """Return the record sealed under its customer key; ``customer.guarded`` must not be None."""

    def opened(self, record: SealedCustomer, clear: frozenset[str] | None) -> Customer:
        """Return the customer; its guarded part is opened if it holds one of ``clear`` (None: if any)."""

    def sealed_reason(self, leaf: Leaf, wrapped_key: bytes, reason: str) -> bytes:
        """Return a reason sealed under the key of the leaf's subject, for that leaf alone."""

    def opened_reason(self, leaf: Leaf, wrapped_key: bytes) -> str:
        """Return the reason that is sealed in a leaf; SealBroken if it was not sealed for it by that key."""

    def sealed_hold(self, customer_id: str, wrapped_key: bytes, reason: str) -> bytes:
        """Return the reason of a hold, sealed under the customer's key."""

    def opened_hold(self, customer_id: str, wrapped_key: bytes, sealed: bytes) -> str:
        """Return the reason of a hold; SealBroken if it was not sealed so."""

    def sealed_part(self, customer_id: str, part: str, content: bytes) -> tuple[bytes, bytes]:
        """Return a new key for a part that is kept, wrapped under the tenant key, and the part under it."""

    def opened_part(self, customer_id: str, part: str, wrapped_key: bytes, sealed: bytes) -> bytes:
        """Return a kept part; SealBroken if it was not sealed so."""

    def forget(self, wrapped_key: bytes) -> None:
        """Keep the opened form of that customer key no longer."""

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

    @property
    def fingerprint(self) -> bytes:
        """Return what tells the root key that seals from others, and says nothing else about it."""

    def hashed_secret(self, terms: str, secret: bytes) -> bytes:
        """Return the keyed hash under which the secret of a Basic credential of these terms is kept."""

    @property
    def trail_public_key(self) -> bytes:
        """The raw Ed25519 key with which anyone can verify what ``signed`` has signed."""

    def signed(self, message: bytes) -> bytes:
        """Return the Ed25519 signature of ``message`` under the trail's key."""

    def is_signed(self, message: bytes, signature: bytes) -> bool:
        """Return whether ``signature`` is the trail's key's signature of ``message``."""


class TurningTenant(TenantVault, Protocol):
    """The opened keys of a tenant while they turn."""

    def rewrapped_key(self, row: KeyRow) -> bytes | None:
        """Return a customer's key wrapped under the tenant key that seals, or None if it is so already."""

    def rewrapped_secret(self, terms: str, kept: bytes) -> bytes | None:
        """Return a credential's secret sealed under the key that seals, or None if it is so already."""

    def rewrapped_part(self, customer_id: str, part: str, wrapped: bytes) -> bytes | None:
        """Return the key of a kept part wrapped under the key that seals, or None if it is so already."""

    def renewed_key(self, row: KeyRow) -> bytes:
        """Return a new customer key, wrapped together with those that the customer had before."""


class TurningVault(Vault, Protocol):
    """Root keys while keys turn."""

    @property
    def root_version(self) -> int:
        """Return the version of the root key that seals."""

    def sealed_house_keys(self) -> bytes:
        """Return the house's own keys, sealed under the current root key."""

    def opens_house_keys(self, sealed: bytes) -> None:
        """Return if these house keys open and are those at hand; Unavailable otherwise."""

    def house_keys_are_rewrapped(self, sealed: bytes) -> bool:
        """Return whether house keys are sealed under the current root key."""

    def fresh_tenant_key(self, tenant_id: TenantID, purpose: Purpose, version: int) -> TenantKeyRow:
        """Return one new key of a tenant, sealed under the root key."""

    def rewrapped(self, row: TenantKeyRow, purpose: Purpose | None = None) -> TenantKeyRow:
        """Return the same key sealed under the current root key, for another purpose if one is given."""

    def is_rewrapped(self, row: TenantKeyRow) -> bool:
        """Return whether a tenant's key is sealed under the current root key."""

    def answers_key(self, row: TenantKeyRow) -> TenantKeyRow:
        """Return of an index key what finds idempotency answers, and nothing else can be told with."""

    def tenant(self, tenant_id: TenantID, keys: list[TenantKeyRow]) -> TurningTenant:
        """Return the tenant's opened keys; Unavailable if they do not open under the root keys at hand."""


class Dice(Protocol):
    """Time and chance, which come from outside."""

    def now(self) -> datetime:
        """Return the instant, aware, in UTC."""

    def random_bytes(self, count: int) -> bytes:
        """Return that many bytes nobody can guess."""
