"""Tenants, merchants and credentials: their rows, read and written.

Every change of them bumps one number in the same transaction, by which other processes notice it.
Nothing is known here of what a permission allows or how a secret is kept.
"""

from typing import Any

from apsw import Connection
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
from customary.storage.sqlite.rows import (
    instant_at,
    instant_or_none,
    microseconds,
    microseconds_or_none,
    owner,
    packed,
    unpacked,
)
from customary.storage.sqlite.writes import ADD_LEAF

TENANTS = "SELECT tenant_id, name, created_at FROM tenants ORDER BY created_at, tenant_id"
TENANT = "SELECT tenant_id, name, created_at FROM tenants WHERE tenant_id = ?"
MERCHANTS = """
SELECT tenant_id, merchant_no, merchant_id, name, created_at FROM merchants ORDER BY tenant_id, merchant_no
"""
MERCHANTS_OF_TENANT = """
SELECT tenant_id, merchant_no, merchant_id, name, created_at FROM merchants
WHERE tenant_id = ? ORDER BY merchant_no
"""
TENANT_KEYS = """
SELECT purpose, key_version, wrapped FROM tenant_keys WHERE tenant_id = ? ORDER BY purpose, key_version
"""
CREDENTIALS = """
SELECT key_id, tenant_id, scheme, merchant_no, permissions, created_at, expires_at, revoked_at, last_used_at,
       fields
FROM credentials ORDER BY tenant_id, created_at, key_id
"""
CREDENTIALS_OF_TENANT = """
SELECT key_id, tenant_id, scheme, merchant_no, permissions, created_at, expires_at, revoked_at, last_used_at,
       fields
FROM credentials WHERE tenant_id = ? ORDER BY created_at, key_id
"""
CREDENTIAL = """
SELECT key_id, tenant_id, scheme, merchant_no, permissions, created_at, expires_at, revoked_at, last_used_at,
       fields
FROM credentials WHERE key_id = ?
"""
SECRETS = "SELECT kept, expires_at FROM credential_secrets WHERE key_id = ? ORDER BY place"
ADD_TENANT = "INSERT INTO tenants (tenant_id, name, created_at) VALUES (?, ?, ?)"
ADD_TENANT_KEY = "INSERT INTO tenant_keys (tenant_id, purpose, key_version, wrapped) VALUES (?, ?, ?, ?)"
ADD_MERCHANT = """
INSERT INTO merchants (tenant_id, merchant_no, merchant_id, name, created_at) VALUES (?, ?, ?, ?, ?)
"""
HAS_MERCHANT_ID = "SELECT 1 FROM merchants WHERE merchant_id = ?"
HAS_MERCHANT_NO = "SELECT 1 FROM merchants WHERE tenant_id = ? AND merchant_no = ?"
OWNER_OF_CREDENTIAL = "SELECT tenant_id FROM credentials WHERE key_id = ?"
# A change that was read before a use was stored must not forget the use.
KEEP_CREDENTIAL = """
INSERT INTO credentials (key_id, tenant_id, scheme, merchant_no, permissions, created_at, expires_at,
                         revoked_at, last_used_at, fields)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (key_id) DO UPDATE SET scheme = excluded.scheme, merchant_no = excluded.merchant_no,
    permissions = excluded.permissions, created_at = excluded.created_at, expires_at = excluded.expires_at,
    revoked_at = excluded.revoked_at, fields = excluded.fields,
    last_used_at = coalesce(max(last_used_at, excluded.last_used_at), last_used_at, excluded.last_used_at)
"""
DROP_SECRETS = "DELETE FROM credential_secrets WHERE key_id = ?"
ADD_SECRET = "INSERT INTO credential_secrets (key_id, place, kept, expires_at) VALUES (?, ?, ?, ?)"  # noqa: S105 no secret
MARK_USED = """
UPDATE credentials SET last_used_at = ?3
WHERE tenant_id = ?1 AND key_id = ?2 AND (last_used_at IS NULL OR last_used_at < ?3)
"""
BUMP = """
INSERT INTO generations (name, number) VALUES ('registry', 1)
ON CONFLICT (name) DO UPDATE SET number = number + 1
"""
GENERATION = "SELECT number FROM generations WHERE name = 'registry'"


def read_tenants(connection: Connection, request: ReadTenants) -> list[Tenant]:
    """Return all tenants in the order of their creation, or the one of that id."""
    if request.tenant_id is None:
        rows = connection.execute(TENANTS)
    else:
        rows = connection.execute(TENANT, (packed(request.tenant_id),))
    return [Tenant(TenantID(unpacked(tenant)), name, instant_at(at)) for tenant, name, at in rows]


def read_merchants(connection: Connection, request: ReadMerchants) -> list[Merchant]:
    """Return all merchants, or those of that tenant, in the order of their numbers."""
    if request.tenant_id is None:
        rows = connection.execute(MERCHANTS)
    else:
        rows = connection.execute(MERCHANTS_OF_TENANT, (packed(request.tenant_id),))
    return [
        Merchant(TenantID(unpacked(tenant)), merchant_no, merchant_id, name, instant_at(at))
        for tenant, merchant_no, merchant_id, name, at in rows
    ]


def read_tenant_keys(connection: Connection, request: ReadTenantKeys) -> list[TenantKeyRow]:
    """Return the sealed keys of that tenant."""
    rows = connection.execute(TENANT_KEYS, (packed(request.tenant_id),))
    return [TenantKeyRow(request.tenant_id, *row) for row in rows]


def _credential_rows(connection: Connection, request: ReadCredentials) -> list[Any]:
    if request.key_id is not None:
        rows: list[Any] = connection.execute(CREDENTIAL, (request.key_id,)).fetchall()
    elif request.tenant_id is not None:
        rows = connection.execute(CREDENTIALS_OF_TENANT, (packed(request.tenant_id),)).fetchall()
    else:
        rows = connection.execute(CREDENTIALS).fetchall()
    if request.tenant_id is not None:
        tenant = packed(request.tenant_id)
        rows = [row for row in rows if row[1] == tenant]
    return rows


def read_credentials(connection: Connection, request: ReadCredentials) -> list[CredentialRow]:
    """Return all credentials, those of a tenant, or the one of that key id, with their secrets."""
    found = []
    for row in _credential_rows(connection, request):
        key_id, tenant, scheme, merchant_no, permissions, *instants, fields = row
        created_at, expires_at, revoked_at, used_at = instants
        credential = Credential(
            TenantID(unpacked(tenant)),
            key_id,
            Scheme(scheme),
            merchant_no,
            json.decode(permissions, type=frozenset[Permission]),
            instant_at(created_at),
            instant_or_none(expires_at),
            instant_or_none(revoked_at),
            instant_or_none(used_at),
            json.decode(fields, type=tuple[str, ...]),
        )
        secrets = tuple(
            SecretRow(kept, instant_or_none(until)) for kept, until in connection.execute(SECRETS, (key_id,))
        )
        found.append(CredentialRow(credential, secrets))
    return found


def write_tenant(connection: Connection, request: WriteTenant) -> None:
    """Store a new tenant with its keys."""
    tenant = owner(request.tenant.tenant_id)
    if connection.execute(TENANT, (tenant,)).fetchone() is not None:
        raise Conflict(detail="a tenant of that id exists", field="tenant_id")
    row = (tenant, request.tenant.name, microseconds(request.tenant.created_at))
    connection.execute(ADD_TENANT, row)
    for key in request.keys:
        connection.execute(ADD_TENANT_KEY, (owner(key.tenant_id), key.purpose, key.key_version, key.wrapped))
    _tell(connection, request.leaf)


def write_merchant(connection: Connection, request: WriteMerchant) -> None:
    """Store a new merchant of a tenant that exists."""
    merchant = request.merchant
    tenant = known(connection, merchant.tenant_id)
    if connection.execute(HAS_MERCHANT_ID, (merchant.merchant_id,)).fetchone() is not None:
        raise Conflict(detail="the merchant id is taken", field="merchant_id")
    if connection.execute(HAS_MERCHANT_NO, (tenant, merchant.merchant_no)).fetchone() is not None:
        raise Conflict(detail="the tenant has a merchant of that number", field="merchant_no")
    row = (
        tenant,
        merchant.merchant_no,
        merchant.merchant_id,
        merchant.name,
        microseconds(merchant.created_at),
    )
    connection.execute(ADD_MERCHANT, row)
    _tell(connection, request.leaf)


def write_credential(connection: Connection, request: WriteCredential) -> None:
    """Store a credential, new or changed, and its secrets in place of all earlier ones."""
    credential = request.row.credential
    tenant = known(connection, credential.tenant_id)
    held = connection.execute(OWNER_OF_CREDENTIAL, (credential.key_id,)).fetchone()
    if held is not None and held[0] != tenant:
        raise Conflict(detail="the key id is another tenant's", field="key_id")
    row = (
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
    connection.execute(KEEP_CREDENTIAL, row)
    connection.execute(DROP_SECRETS, (credential.key_id,))
    for place, secret in enumerate(request.row.secrets):
        kept = (credential.key_id, place, secret.kept, microseconds_or_none(secret.expires_at))
        connection.execute(ADD_SECRET, kept)
    _tell(connection, request.leaf)


def mark_used(connection: Connection, request: MarkUsed) -> None:
    """Store when credentials were last used; an earlier instant than the stored one changes nothing."""
    for tenant_id, key_id, instant in request.uses:
        connection.execute(MARK_USED, (owner(tenant_id), key_id, microseconds(instant)))


def generation_of(connection: Connection) -> int:
    """Return the number that every change of the registry bumps."""
    return connection.execute(GENERATION).get or 0


def read_generation(connection: Connection, _: ReadGeneration) -> int:
    """Return the number of the state that this connection reads."""
    return generation_of(connection)


def known(connection: Connection, tenant_id: str) -> bytes:
    """Return the 16 bytes of the GUID of a tenant that exists; Conflict otherwise."""
    tenant = owner(tenant_id)
    if connection.execute(TENANT, (tenant,)).fetchone() is None:
        raise Conflict(detail="no tenant of that id", field="tenant_id")
    return tenant


def _tell(connection: Connection, leaf: LeafRow) -> None:
    connection.execute(ADD_LEAF, (owner(leaf.tenant_id), microseconds(leaf.at), leaf.body))
    connection.execute(BUMP)
