"""Tenants, merchants and credentials: their rows, read and written by the house.

Every change of them bumps one number in the same transaction, by which other processes notice it.
Nothing is known here of what a permission allows or how a secret is kept.
"""

from typing import Any, Final
from uuid import UUID

from msgspec import json

from customary.app.ports import (
    CredentialRow,
    LeafRow,
    MarkUsed,
    ReadCredentials,
    ReadGeneration,
    ReadMerchants,
    ReadTenantKeys,
    ReadTenants,
    SecretRow,
    TenantKeyRow,
    WriteCredential,
    WriteMerchant,
    WriteTenant,
)
from customary.domain.access import Credential, Merchant, Permission, Scheme, Tenant
from customary.domain.customer import TenantID
from customary.domain.errors import Conflict
from customary.storage.postgres.links import Link
from customary.storage.postgres.rows import (
    instant_at,
    instant_or_none,
    microseconds,
    microseconds_or_none,
    owner,
    storable,
    tenant_of,
)
from customary.storage.postgres.trail import add_leaves

TENANTS: Final = "SELECT tenant_id, name, created_at FROM customary.tenants ORDER BY created_at, tenant_id"
TENANT: Final = "SELECT tenant_id, name, created_at FROM customary.tenants WHERE tenant_id = $1"
MERCHANTS: Final = """
SELECT tenant_id, merchant_no, merchant_id, name, created_at FROM customary.merchants
ORDER BY tenant_id, merchant_no
"""
MERCHANTS_OF_TENANT: Final = """
SELECT tenant_id, merchant_no, merchant_id, name, created_at FROM customary.merchants
WHERE tenant_id = $1 ORDER BY merchant_no
"""
TENANT_KEYS: Final = """
SELECT purpose, key_version, wrapped FROM customary.tenant_keys
WHERE tenant_id = $1 ORDER BY purpose, key_version
"""
# With its secrets in one statement: two would see two states.
CREDENTIALS: Final = """
SELECT c.key_id, c.tenant_id, c.scheme, c.merchant_no, c.permissions, c.created_at, c.expires_at,
       c.revoked_at, c.last_used_at, c.fields, s.kept, s.expires_at AS secret_expires_at
FROM customary.credentials AS c LEFT JOIN customary.credential_secrets AS s ON s.key_id = c.key_id
WHERE ($1::uuid IS NULL OR c.tenant_id = $1) AND ($2::text IS NULL OR c.key_id = $2)
ORDER BY c.tenant_id, c.created_at, c.key_id, s.place
"""
ADD_TENANT: Final = "INSERT INTO customary.tenants (tenant_id, name, created_at) VALUES ($1, $2, $3)"
ADD_TENANT_KEY: Final = """
INSERT INTO customary.tenant_keys (tenant_id, purpose, key_version, wrapped) VALUES ($1, $2, $3, $4)
"""
ADD_MERCHANT: Final = """
INSERT INTO customary.merchants (tenant_id, merchant_no, merchant_id, name, created_at)
VALUES ($1, $2, $3, $4, $5)
"""
HAS_MERCHANT_ID: Final = "SELECT EXISTS (SELECT FROM customary.merchants WHERE merchant_id = $1)"
HAS_MERCHANT_NO: Final = """
SELECT EXISTS (SELECT FROM customary.merchants WHERE tenant_id = $1 AND merchant_no = $2)
"""
OWNER_OF_CREDENTIAL: Final = "SELECT tenant_id FROM customary.credentials WHERE key_id = $1"
# A change that was read before a use was stored must not forget the use.
KEEP_CREDENTIAL: Final = """
INSERT INTO customary.credentials AS c (key_id, tenant_id, scheme, merchant_no, permissions, created_at,
                                        expires_at, revoked_at, last_used_at, fields)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (key_id) DO UPDATE SET scheme = excluded.scheme, merchant_no = excluded.merchant_no,
    permissions = excluded.permissions, created_at = excluded.created_at, expires_at = excluded.expires_at,
    revoked_at = excluded.revoked_at, fields = excluded.fields,
    last_used_at = greatest(c.last_used_at, excluded.last_used_at)
"""
DROP_SECRETS: Final = "DELETE FROM customary.credential_secrets WHERE key_id = $1"
ADD_KEPT: Final = """
INSERT INTO customary.credential_secrets (key_id, place, kept, expires_at) VALUES ($1, $2, $3, $4)
"""
MARK_USED: Final = """
UPDATE customary.credentials AS c SET last_used_at = u.used_at
FROM unnest($1::uuid[], $2::text[], $3::bigint[]) AS u (tenant_id, key_id, used_at)
WHERE c.tenant_id = u.tenant_id AND c.key_id = u.key_id
    AND (c.last_used_at IS NULL OR c.last_used_at < u.used_at)
"""
BUMP: Final = """
UPDATE customary.generations SET number = number + 1 WHERE name = 'registry'
"""
GENERATION_KEPT: Final = "SELECT number FROM customary.generations WHERE name = 'registry' FOR SHARE"
GENERATION_TO_CHANGE: Final = "SELECT number FROM customary.generations WHERE name = 'registry' FOR UPDATE"
GENERATION: Final = "SELECT number FROM customary.generations WHERE name = 'registry'"


async def read_tenants(link: Link, request: ReadTenants) -> list[Tenant]:
    """Return all tenants in the order of their creation, or the one of that id."""
    if request.tenant_id is None:
        rows = await link.fetch(TENANTS)
    else:
        rows = await link.fetch(TENANT, tenant_of(request.tenant_id))
    return [
        Tenant(TenantID(str(tenant_id)), name, instant_at(created_at)) for tenant_id, name, created_at in rows
    ]


async def read_merchants(link: Link, request: ReadMerchants) -> list[Merchant]:
    """Return all merchants, or those of that tenant, in the order of their numbers."""
    if request.tenant_id is None:
        rows = await link.fetch(MERCHANTS)
    else:
        rows = await link.fetch(MERCHANTS_OF_TENANT, tenant_of(request.tenant_id))
    return [
        Merchant(TenantID(str(tenant_id)), merchant_no, merchant_id, name, instant_at(created_at))
        for tenant_id, merchant_no, merchant_id, name, created_at in rows
    ]


async def read_tenant_keys(link: Link, request: ReadTenantKeys) -> list[TenantKeyRow]:
    """Return the sealed keys of that tenant."""
    rows = await link.fetch(TENANT_KEYS, tenant_of(request.tenant_id))
    return [TenantKeyRow(request.tenant_id, *row) for row in rows]


async def read_credentials(link: Link, request: ReadCredentials) -> list[CredentialRow]:
    """Return all credentials, those of a tenant, or the one of that key id, with their secrets."""
    if request.key_id is not None and not storable(request.key_id):
        return []
    tenant = None if request.tenant_id is None else tenant_of(request.tenant_id)
    found: dict[str, tuple[Credential, list[SecretRow]]] = {}
    for row in await link.fetch(CREDENTIALS, tenant, request.key_id):
        key_id = row["key_id"]
        if key_id not in found:
            found[key_id] = _credential(row), []
        if row["kept"] is not None:
            secret = SecretRow(row["kept"], instant_or_none(row["secret_expires_at"]))
            found[key_id][1].append(secret)
    return [CredentialRow(credential, tuple(secrets)) for credential, secrets in found.values()]


def _credential(row: Any) -> Credential:
    return Credential(
        TenantID(str(row["tenant_id"])),
        row["key_id"],
        Scheme(row["scheme"]),
        row["merchant_no"],
        json.decode(row["permissions"], type=frozenset[Permission]),
        instant_at(row["created_at"]),
        instant_or_none(row["expires_at"]),
        instant_or_none(row["revoked_at"]),
        instant_or_none(row["last_used_at"]),
        json.decode(row["fields"], type=tuple[str, ...]),
    )


async def write_tenant(link: Link, request: WriteTenant) -> None:
    """Store a new tenant with its keys."""
    tenant = owner(request.tenant.tenant_id)
    if await link.fetch_row(TENANT, tenant) is not None:
        raise Conflict(detail="a tenant of that id exists", field="tenant_id")
    await link.execute(ADD_TENANT, tenant, request.tenant.name, microseconds(request.tenant.created_at))
    for key in request.keys:
        await link.execute(ADD_TENANT_KEY, owner(key.tenant_id), key.purpose, key.key_version, key.wrapped)
    await _tell(link, request.leaf)


async def write_merchant(link: Link, request: WriteMerchant) -> None:
    """Store a new merchant of a tenant that exists."""
    merchant = request.merchant
    tenant = await known(link, merchant.tenant_id)
    if await link.value(HAS_MERCHANT_ID, merchant.merchant_id):
        raise Conflict(detail="the merchant id is taken", field="merchant_id")
    if await link.value(HAS_MERCHANT_NO, tenant, merchant.merchant_no):
        raise Conflict(detail="the tenant has a merchant of that number", field="merchant_no")
    created_at = microseconds(merchant.created_at)
    await link.execute(
        ADD_MERCHANT, tenant, merchant.merchant_no, merchant.merchant_id, merchant.name, created_at
    )
    await _tell(link, request.leaf)


async def write_credential(link: Link, request: WriteCredential) -> None:
    """Store a credential, new or changed, and its secrets in place of all earlier ones."""
    credential = request.row.credential
    tenant = await known(link, credential.tenant_id)
    held = await link.value(OWNER_OF_CREDENTIAL, credential.key_id)
    if held is not None and held != tenant:
        raise Conflict(detail="the key id is another tenant's", field="key_id")
    await link.execute(
        KEEP_CREDENTIAL,
        credential.key_id,
        tenant,
        credential.scheme.value,
        credential.merchant_no,
        json.encode(sorted(credential.permissions)).decode(),
        microseconds(credential.created_at),
        microseconds_or_none(credential.expires_at),
        microseconds_or_none(credential.revoked_at),
        microseconds_or_none(credential.last_used_at),
        json.encode(credential.fields).decode(),
    )
    await link.execute(DROP_SECRETS, credential.key_id)
    for place, secret in enumerate(request.row.secrets):
        expires_at = microseconds_or_none(secret.expires_at)
        await link.execute(ADD_KEPT, credential.key_id, place, secret.kept, expires_at)
    await _tell(link, request.leaf)


async def mark_used(link: Link, request: MarkUsed) -> None:
    """Store when credentials were last used; an earlier instant than the stored one changes nothing.

    In the order of key ids, so that two processes that store their uses do not lock each other out.
    """
    uses = sorted(request.uses, key=lambda use: use[1])
    tenants = [owner(tenant_id) for tenant_id, _, _ in uses]
    key_ids = [key_id for _, key_id, _ in uses]
    await link.execute(MARK_USED, tenants, key_ids, [microseconds(instant) for _, _, instant in uses])


async def generation_of(link: Link) -> int:
    """Return the number that every change of the registry bumps."""
    return await link.value(GENERATION) or 0


async def read_generation(link: Link, _: ReadGeneration) -> int:
    """Return the number of the state that this link reads."""
    return await generation_of(link)


async def generation_held(link: Link, *, changing: bool) -> int:
    """Return that number, and keep it as it is to the end of the transaction, but for one's own change."""
    number: int = await link.value(GENERATION_TO_CHANGE if changing else GENERATION_KEPT)
    return number


async def known(link: Link, tenant_id: str) -> UUID:
    """Return the GUID of a tenant that exists; Conflict otherwise."""
    tenant = owner(tenant_id)
    if await link.fetch_row(TENANT, tenant) is None:
        raise Conflict(detail="no tenant of that id", field="tenant_id")
    return tenant


async def _tell(link: Link, leaf: LeafRow) -> None:
    await add_leaves(link, owner(leaf.tenant_id), [leaf])
    await link.execute(BUMP)
