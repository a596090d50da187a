"""Keys, time and chance, which come from outside."""

from datetime import datetime
from typing import Protocol

from customary.app.ports.records import SealedCustomer, Tag, TagKind
from customary.app.ports.registry import TenantKeyRow
from customary.domain.audit import Leaf
from customary.domain.customer import Customer, CustomerID, TenantID


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

    def sealed_reason(self, leaf: Leaf, wrapped_key: bytes, reason: str) -> bytes:
        """Return a reason sealed under the key of the leaf's subject, for that leaf alone."""

    def opened_reason(self, leaf: Leaf, wrapped_key: bytes) -> str:
        """Return the reason that is sealed in a leaf; SealBroken if it was not sealed for it by that key."""

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
