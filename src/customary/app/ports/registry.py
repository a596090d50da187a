"""What an engine is asked for about tenants, merchants, their keys and their credentials."""

from datetime import datetime
from enum import StrEnum

import msgspec

from customary.app.ports.trail import LeafRow
from customary.domain.access import Credential, Merchant, Tenant


class Purpose(StrEnum):
    """What a key of a tenant is for. Texts are stored and sealed with the key: never change or reuse one."""

    SEAL = "seal"
    """Seals customers' keys and credentials' secrets."""

    SEAL_LEAVING = "seal leaving"
    """Opens what was sealed under it before another took its place."""

    INDEX = "index"
    """Makes the tags by which records are found."""

    INDEX_COMING = "index coming"
    """Makes tags that records get beside those, until all have them."""

    INDEX_LEAVING = "index leaving"
    """Made the tags by which records were found before, and which they lose now."""

    ANSWERS = "answers"
    """Finds the idempotency answers that were stored when an index key was another; can do nothing else."""


class TenantKeyRow(msgspec.Struct, frozen=True, gc=False):
    """One key of a tenant, sealed under the root key. ``purpose`` is a ``Purpose``'s text."""

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


class ReadGeneration(msgspec.Struct, frozen=True, gc=False):
    """The number that every change of tenants, their keys, merchants and credentials makes another."""


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
