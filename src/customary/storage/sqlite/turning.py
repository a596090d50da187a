"""Answers to the requests that are made when keys turn: notes, tenants' keys, and walks over the store.

What is replaced is compared with what was read, so that nothing that was changed or destroyed meanwhile is
brought back. Nothing is known here of what is sealed, or under what.
"""

from apsw import Connection

from customary.app.ports import (
    ChangeTags,
    KeyRow,
    ReadEarlierVersions,
    ReadKeys,
    ReadNote,
    ReadNotes,
    ReadRecords,
    ReadTagsHeld,
    Reseal,
    RewrapKeys,
    RewrapSecrets,
    RewrapTenantKeys,
    SealedCustomer,
    WriteNote,
    WriteTenantKeys,
)
from customary.domain.errors import Conflict, Outdated
from customary.storage.sqlite.files import MOVED
from customary.storage.sqlite.reads import HAS_TAG, ROW_OF_UNIQUE_TAG
from customary.storage.sqlite.registry import ADD_TENANT_KEY, BUMP, known
from customary.storage.sqlite.rows import microseconds, owner, packed, record
from customary.storage.sqlite.writes import (
    ADD_LEAF,
    ADD_TAG,
    DROP_TAG,
    DROP_UNIQUE_TAG,
    KEY,
    add_unique_tags,
)

NOTE = "SELECT value FROM meta WHERE name = ?"
NOTES = "SELECT name, value FROM meta WHERE name >= ? AND name < ? ORDER BY name"
SET_NOTE = """
INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""
DROP_NOTE = "DELETE FROM meta WHERE name = ?"
DROP_TENANT_KEY = "DELETE FROM tenant_keys WHERE tenant_id = ? AND purpose = ? AND key_version = ?"
HAS_TENANT_KEY = "SELECT 1 FROM tenant_keys WHERE tenant_id = ? AND purpose = ? AND key_version = ?"
REWRAP_TENANT_KEY = """
UPDATE tenant_keys SET wrapped = ? WHERE tenant_id = ? AND purpose = ? AND key_version = ? AND wrapped = ?
"""
KEYS = """
SELECT c.row_no, c.customer_id, k.wrapped
FROM customers AS c INDEXED BY customers_of_tenant CROSS JOIN customer_keys AS k ON k.row_no = c.row_no
WHERE c.tenant_id = ? AND c.row_no > ? ORDER BY c.row_no LIMIT ?
"""
REWRAP_KEY = "UPDATE customer_keys SET wrapped = ? WHERE row_no = ? AND wrapped = ?"
OTHER_KEPT = """
UPDATE credential_secrets SET kept = ?
WHERE key_id = ? AND kept = ? AND key_id IN (SELECT key_id FROM credentials WHERE tenant_id = ?)
"""
RECORDS = """
SELECT c.customer_id, c.customer_number, c.merchant_no, c.version, c.sealed, c.guarded, c.created_at,
       c.updated_at, k.wrapped, c.row_no
FROM customers AS c INDEXED BY customers_of_tenant CROSS JOIN customer_keys AS k ON k.row_no = c.row_no
WHERE c.tenant_id = ? AND c.row_no > ? ORDER BY c.row_no LIMIT ?
"""
EARLIER_VERSIONS = """
SELECT c.customer_id, c.customer_number, c.merchant_no, v.version, v.sealed, v.guarded, c.created_at,
       v.updated_at, k.wrapped
FROM customers AS c CROSS JOIN versions AS v ON v.row_no = c.row_no
     CROSS JOIN customer_keys AS k ON k.row_no = c.row_no
WHERE c.tenant_id = ? AND c.row_no = ? AND v.version > ? ORDER BY v.version LIMIT ?
"""
VERSIONS = """
SELECT version FROM customers WHERE tenant_id = ?1 AND row_no = ?2
UNION ALL
SELECT v.version FROM customers AS c CROSS JOIN versions AS v ON v.row_no = c.row_no
WHERE c.tenant_id = ?1 AND c.row_no = ?2
"""
RESEAL_CURRENT = "UPDATE customers SET sealed = ?, guarded = ? WHERE row_no = ? AND version = ?"
RESEAL_VERSION = "UPDATE versions SET sealed = ?, guarded = ? WHERE row_no = ? AND version = ?"
NOTE_MOVED = "INSERT INTO key_meta (name, value) VALUES (?, x'01') ON CONFLICT (name) DO NOTHING"
_AFTER_ALL_NAMES = "\U0010ffff"


# ── Notes and tenants' keys ─────────────────────────────────────────────────────────────────────────────


def read_note(connection: Connection, request: ReadNote) -> bytes | None:
    """Return what was noted under that name."""
    value: bytes | None = connection.execute(NOTE, (request.name,)).get
    return value


def read_notes(connection: Connection, request: ReadNotes) -> list[tuple[str, bytes]]:
    """Return the notes whose names begin so."""
    rows = connection.execute(NOTES, (request.prefix, request.prefix + _AFTER_ALL_NAMES))
    return [(name, value) for name, value in rows]


def write_note(connection: Connection, request: WriteNote) -> None:
    """Write a note, or take it away."""
    if request.value is None:
        connection.execute(DROP_NOTE, (request.name,))
    else:
        connection.execute(SET_NOTE, (request.name, request.value))
    if request.announced:
        connection.execute(BUMP)


def write_tenant_keys(connection: Connection, request: WriteTenantKeys) -> None:
    """Take keys of a tenant away and store others, all or none."""
    tenant = known(connection, request.tenant_id)
    for row in request.added:
        named = (tenant, row.purpose, row.key_version)
        gone = (row.purpose, row.key_version) in request.dropped
        if not gone and connection.execute(HAS_TENANT_KEY, named).fetchone() is not None:
            raise Conflict(detail="the tenant has a key of that purpose and version", field="key_version")
    for purpose, version in request.dropped:
        connection.execute(DROP_TENANT_KEY, (tenant, purpose, version))
    for row in request.added:
        connection.execute(ADD_TENANT_KEY, (tenant, row.purpose, row.key_version, row.wrapped))
    for leaf in request.leaves:
        connection.execute(ADD_LEAF, (owner(leaf.tenant_id), microseconds(leaf.at), leaf.body))
    connection.execute(BUMP)


def rewrap_tenant_keys(connection: Connection, request: RewrapTenantKeys) -> int:
    """Store other wrappings of tenants' keys; return how many were changed."""
    changed = 0
    for row, wrapped in request.rows:
        tenant = owner(row.tenant_id)
        connection.execute(REWRAP_TENANT_KEY, (wrapped, tenant, row.purpose, row.key_version, row.wrapped))
        changed += connection.changes()
    return changed


def rewrap_secrets(connection: Connection, request: RewrapSecrets) -> int:
    """Store other sealed forms of credentials' secrets; return how many were changed."""
    changed = 0
    tenant = owner(request.tenant_id)
    for key_id, before, after in request.rows:
        connection.execute(OTHER_KEPT, (after, key_id, before, tenant))
        changed += connection.changes()
    return changed


# ── Walks ───────────────────────────────────────────────────────────────────────────────────────────────


def read_keys(connection: Connection, request: ReadKeys) -> list[KeyRow]:
    """Return keys of customers after a place."""
    asked = (packed(request.tenant_id), request.after, request.limit)
    return [KeyRow(*row) for row in connection.execute(KEYS, asked)]


def rewrap_keys(connection: Connection, request: RewrapKeys) -> int:
    """Store other wrappings of customers' keys; return how many were changed."""
    changed = 0
    for row, wrapped in request.rows:
        connection.execute(REWRAP_KEY, (wrapped, row.place, row.wrapped))
        changed += connection.changes()
    return changed


def read_records(connection: Connection, request: ReadRecords) -> list[tuple[int, SealedCustomer]]:
    """Return records after a place, each with its own."""
    rows = connection.execute(RECORDS, (packed(request.tenant_id), request.after, request.limit))
    return [(row[-1], record(request.tenant_id, row[:-1])) for row in rows]


def read_earlier_versions(connection: Connection, request: ReadEarlierVersions) -> list[SealedCustomer]:
    """Return superseded versions of one record."""
    asked = (packed(request.tenant_id), request.place, request.after, request.limit)
    return [record(request.tenant_id, row) for row in connection.execute(EARLIER_VERSIONS, asked)]


def change_tags(connection: Connection, request: ChangeTags) -> None:
    """Give and take tags."""
    execute = connection.execute
    tenant = owner(request.tenant_id)
    for change in request.changes:
        add_unique_tags(connection, tenant, change.place, change.unique_tags)
        for tag in change.tags:
            execute(ADD_TAG, (tenant, tag.kind, tag.digest, change.place))
        for tag in change.unique_tags_dropped:
            execute(DROP_UNIQUE_TAG, (tenant, tag.kind, tag.digest, change.place))
        for tag in change.tags_dropped:
            execute(DROP_TAG, (tenant, tag.kind, tag.digest, change.place))


def read_tags_held(connection: Connection, request: ReadTagsHeld) -> list[bool]:
    """Return which of the tags the record at a place holds."""
    tenant, place = packed(request.tenant_id), request.place
    unique = [
        connection.execute(ROW_OF_UNIQUE_TAG, (tenant, tag.kind, tag.digest)).get == place
        for tag in request.unique_tags
    ]
    others = [
        connection.execute(HAS_TAG, (tenant, tag.kind, tag.digest, place)).fetchone() is not None
        for tag in request.tags
    ]
    return unique + others


def reseal(connection: Connection, request: Reseal) -> None:
    """Store other sealed bytes of all versions of one customer under another key, all or none."""
    execute = connection.execute
    tenant, place, versions = owner(request.tenant_id), request.key.place, request.records
    if execute(KEY, (place,)).get != request.key.wrapped:
        raise Outdated(detail="another key is stored")
    stored = {version for (version,) in execute(VERSIONS, (tenant, place))}
    if {one.version for one in versions} != stored or len(versions) != len(stored):
        raise Outdated(detail="other versions are stored")
    current = max(stored)
    for one in versions:
        statement = RESEAL_CURRENT if one.version == current else RESEAL_VERSION
        execute(statement, (one.sealed, one.guarded, place, one.version))
    execute(REWRAP_KEY, (request.wrapped, place, request.key.wrapped))
    if len(request.wrapped) != len(request.key.wrapped):
        execute(NOTE_MOVED, (MOVED,))
    for leaf in request.leaves:
        execute(ADD_LEAF, (owner(leaf.tenant_id), microseconds(leaf.at), leaf.body))
