"""Answers to the requests that are made when keys turn: notes, tenants' keys, and walks over the store.

What is replaced is compared with what was read, so that nothing that was changed or destroyed meanwhile is
brought back. Who changes a tenant's keys or rows holds its counters first, as every writer of the tenant
does. Nothing is known here of what is sealed, or under what.
"""

from typing import Final

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
    TagTaken,
    WriteNote,
    WriteTenantKeys,
)
from customary.domain.errors import Conflict, Outdated
from customary.storage.postgres.links import Link
from customary.storage.postgres.registry import ADD_TENANT_KEY, BUMP, known
from customary.storage.postgres.rows import owner, record, tenant_of
from customary.storage.postgres.trail import add_leaves, count
from customary.storage.postgres.writes import ADD_TAGS, DROP_TAGS, DROP_UNIQUE_TAGS

NOTE: Final = "SELECT value FROM customary.meta WHERE name = $1"
NOTES: Final = """
SELECT name, value FROM customary.meta WHERE starts_with(name, $1) ORDER BY name COLLATE "C"
"""
SET_NOTE: Final = """
INSERT INTO customary.meta (name, value) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""
DROP_NOTE: Final = "DELETE FROM customary.meta WHERE name = $1"
DROP_TENANT_KEY: Final = """
DELETE FROM customary.tenant_keys WHERE tenant_id = $1 AND purpose = $2 AND key_version = $3
"""
HAS_TENANT_KEY: Final = """
SELECT EXISTS (SELECT FROM customary.tenant_keys WHERE tenant_id = $1 AND purpose = $2 AND key_version = $3)
"""
REWRAP_TENANT_KEY: Final = """
UPDATE customary.tenant_keys SET wrapped = $5
WHERE tenant_id = $1 AND purpose = $2 AND key_version = $3 AND wrapped = $4
"""
OTHER_KEPT: Final = """
UPDATE customary.credential_secrets AS s SET kept = $4
FROM customary.credentials AS c
WHERE c.key_id = s.key_id AND c.tenant_id = $1 AND s.key_id = $2 AND s.kept = $3
"""
# The key of a destroyed record is empty.
KEYS: Final = """
SELECT c.row_no, c.customer_id, k.wrapped
FROM customary.customers AS c
JOIN customary_keys.customer_keys AS k ON k.tenant_id = c.tenant_id AND k.row_no = c.row_no
WHERE c.tenant_id = $1 AND c.row_no > $2 ORDER BY c.row_no LIMIT $3
"""
REWRAP_KEYS: Final = """
UPDATE customary_keys.customer_keys AS k SET wrapped = n.wrapped
FROM unnest($2::bigint[], $3::bytea[], $4::bytea[]) AS n (row_no, before, wrapped)
WHERE k.tenant_id = $1 AND k.row_no = n.row_no AND k.wrapped = n.before
"""
KEY: Final = """
SELECT wrapped FROM customary_keys.customer_keys WHERE tenant_id = $1 AND row_no = $2 FOR NO KEY UPDATE
"""
RECORDS: Final = """
SELECT c.row_no, c.customer_id, c.customer_number, c.merchant_no, c.version, c.sealed, c.guarded,
       c.created_at, c.updated_at, k.wrapped
FROM customary.customers AS c
JOIN customary_keys.customer_keys AS k ON k.tenant_id = c.tenant_id AND k.row_no = c.row_no
WHERE c.tenant_id = $1 AND c.row_no > $2 ORDER BY c.row_no LIMIT $3
"""
EARLIER_VERSIONS: Final = """
SELECT c.customer_id, c.customer_number, c.merchant_no, v.version, v.sealed, v.guarded, c.created_at,
       v.updated_at, k.wrapped
FROM customary.customers AS c
JOIN customary.versions AS v ON v.tenant_id = c.tenant_id AND v.row_no = c.row_no
JOIN customary_keys.customer_keys AS k ON k.tenant_id = c.tenant_id AND k.row_no = c.row_no
WHERE c.tenant_id = $1 AND c.row_no = $2 AND v.version > $3 ORDER BY v.version LIMIT $4
"""
VERSIONS: Final = """
SELECT version FROM customary.customers WHERE tenant_id = $1 AND row_no = $2
UNION ALL
SELECT v.version FROM customary.versions AS v WHERE v.tenant_id = $1 AND v.row_no = $2
"""
RESEAL_CURRENT: Final = """
UPDATE customary.customers AS c SET sealed = n.sealed, guarded = n.guarded
FROM unnest($3::bigint[], $4::bytea[], $5::bytea[]) AS n (version, sealed, guarded)
WHERE c.tenant_id = $1 AND c.row_no = $2 AND c.version = n.version
"""
RESEAL_VERSIONS: Final = """
UPDATE customary.versions AS v SET sealed = n.sealed, guarded = n.guarded
FROM unnest($3::bigint[], $4::bytea[], $5::bytea[]) AS n (version, sealed, guarded)
WHERE v.tenant_id = $1 AND v.row_no = $2 AND v.version = n.version
"""
HOLDER: Final = "SELECT row_no FROM customary.unique_tags WHERE tenant_id = $1 AND kind = $2 AND tag = $3"
HAS_TAG: Final = """
SELECT EXISTS (SELECT FROM customary.tags WHERE tenant_id = $1 AND kind = $2 AND tag = $3 AND row_no = $4)
"""
ADD_UNIQUE_TAG: Final = """
INSERT INTO customary.unique_tags (tenant_id, kind, tag, row_no) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, kind, tag) DO NOTHING
"""


# ── Notes and tenants' keys ─────────────────────────────────────────────────────────────────────────────


async def read_note(link: Link, request: ReadNote) -> bytes | None:
    """Return what was noted under that name."""
    value: bytes | None = await link.value(NOTE, request.name)
    return value


async def read_notes(link: Link, request: ReadNotes) -> list[tuple[str, bytes]]:
    """Return the notes whose names begin so."""
    return [(row["name"], row["value"]) for row in await link.fetch(NOTES, request.prefix)]


async def write_note(link: Link, request: WriteNote) -> None:
    """Write a note, or take it away."""
    if request.value is None:
        await link.execute(DROP_NOTE, request.name)
    else:
        await link.execute(SET_NOTE, request.name, request.value)
    if request.announced:
        await link.execute(BUMP)


async def write_tenant_keys(link: Link, request: WriteTenantKeys) -> None:
    """Take keys of a tenant away and store others, all or none."""
    tenant = await known(link, request.tenant_id)
    await count(link, tenant, 0, 0, 0)
    for row in request.added:
        gone = (row.purpose, row.key_version) in request.dropped
        if not gone and await link.value(HAS_TENANT_KEY, tenant, row.purpose, row.key_version):
            raise Conflict(detail="the tenant has a key of that purpose and version", field="key_version")
    for purpose, version in request.dropped:
        await link.execute(DROP_TENANT_KEY, tenant, purpose, version)
    for row in request.added:
        await link.execute(ADD_TENANT_KEY, tenant, row.purpose, row.key_version, row.wrapped)
    await add_leaves(link, tenant, request.leaves)
    await link.execute(BUMP)


async def rewrap_tenant_keys(link: Link, request: RewrapTenantKeys) -> int:
    """Store other wrappings of tenants' keys; return how many were changed."""
    changed = 0
    for row, wrapped in request.rows:
        named = (owner(row.tenant_id), row.purpose, row.key_version)
        changed += await link.execute(REWRAP_TENANT_KEY, *named, row.wrapped, wrapped)
    return changed


async def rewrap_secrets(link: Link, request: RewrapSecrets) -> int:
    """Store other sealed forms of credentials' secrets; return how many were changed."""
    tenant = owner(request.tenant_id)
    return sum(
        [
            await link.execute(OTHER_KEPT, tenant, key_id, before, after)
            for key_id, before, after in request.rows
        ]
    )


# ── Walks ───────────────────────────────────────────────────────────────────────────────────────────────


async def read_keys(link: Link, request: ReadKeys) -> list[KeyRow]:
    """Return keys of customers after a place."""
    rows = await link.fetch(KEYS, tenant_of(request.tenant_id), request.after, request.limit)
    return [KeyRow(row["row_no"], row["customer_id"], row["wrapped"]) for row in rows]


async def rewrap_keys(link: Link, request: RewrapKeys) -> int:
    """Store other wrappings of customers' keys; return how many were changed."""
    tenant = owner(request.tenant_id)
    await count(link, tenant, 0, 0, 0)
    return await link.execute(
        REWRAP_KEYS,
        tenant,
        [row.place for row, _ in request.rows],
        [row.wrapped for row, _ in request.rows],
        [wrapped for _, wrapped in request.rows],
    )


async def read_records(link: Link, request: ReadRecords) -> list[tuple[int, SealedCustomer]]:
    """Return records after a place, each with its own."""
    rows = await link.fetch(RECORDS, tenant_of(request.tenant_id), request.after, request.limit)
    return [(row["row_no"], record(request.tenant_id, row)) for row in rows]


async def read_earlier_versions(link: Link, request: ReadEarlierVersions) -> list[SealedCustomer]:
    """Return superseded versions of one record."""
    tenant = tenant_of(request.tenant_id)
    rows = await link.fetch(EARLIER_VERSIONS, tenant, request.place, request.after, request.limit)
    return [record(request.tenant_id, row) for row in rows]


async def change_tags(link: Link, request: ChangeTags) -> None:
    """Give and take tags; all of it, or TagTaken and nothing."""
    tenant = owner(request.tenant_id)
    await count(link, tenant, 0, 0, 0)
    wanted: dict[tuple[int, bytes], int] = {}
    for change in request.changes:
        for tag in change.unique_tags:
            key = (tag.kind, tag.digest)
            holder = wanted.get(key) or await link.value(HOLDER, tenant, *key)
            if holder not in (None, change.place):
                raise TagTaken(tag.kind)
            wanted[key] = change.place
    for (kind, digest), place in wanted.items():
        await link.execute(ADD_UNIQUE_TAG, tenant, kind, digest, place)
    for sql, name in (
        (ADD_TAGS, "tags"),
        (DROP_UNIQUE_TAGS, "unique_tags_dropped"),
        (DROP_TAGS, "tags_dropped"),
    ):
        rows = [(tag, change.place) for change in request.changes for tag in getattr(change, name)]
        if rows:
            kinds, digests = [tag.kind for tag, _ in rows], [tag.digest for tag, _ in rows]
            await link.execute(sql, tenant, kinds, digests, [place for _, place in rows])


async def read_tags_held(link: Link, request: ReadTagsHeld) -> list[bool]:
    """Return which of the tags the record at a place holds."""
    tenant, place = tenant_of(request.tenant_id), request.place
    unique = [await link.value(HOLDER, tenant, tag.kind, tag.digest) == place for tag in request.unique_tags]
    others: list[bool] = [
        await link.value(HAS_TAG, tenant, tag.kind, tag.digest, place) for tag in request.tags
    ]
    return unique + others


async def reseal(link: Link, request: Reseal) -> None:
    """Store other sealed bytes of all versions of one customer under another key, all or none."""
    tenant, place, versions = owner(request.tenant_id), request.key.place, request.records
    await count(link, tenant, 0, 0, 0)
    if await link.value(KEY, tenant, place) != request.key.wrapped:
        raise Outdated(detail="another key is stored")
    stored = {row["version"] for row in await link.fetch(VERSIONS, tenant, place)}
    if {one.version for one in versions} != stored or len(versions) != len(stored):
        raise Outdated(detail="other versions are stored")
    sealed = (
        [one.version for one in versions],
        [one.sealed for one in versions],
        [one.guarded for one in versions],
    )
    await link.execute(RESEAL_CURRENT, tenant, place, *sealed)
    await link.execute(RESEAL_VERSIONS, tenant, place, *sealed)
    await link.execute(REWRAP_KEYS, tenant, [place], [request.key.wrapped], [request.wrapped])
    await add_leaves(link, tenant, request.leaves)
