"""Stores what a batch has written: one statement a table, in the order in which rows lean on each other.

The counters come first: their lock puts the writers of one tenant in a row. What somebody else has taken or
changed meanwhile is noticed by the count of rows that a statement touched, and the batch is ``Lost``.
Nothing is known here of jobs or of the end of a transaction.
"""

from typing import Final
from uuid import UUID

from customary.storage.postgres.failures import Lost
from customary.storage.postgres.links import Link
from customary.storage.postgres.overlay import Overlay, Pending
from customary.storage.postgres.rows import microseconds, owner
from customary.storage.postgres.trail import ADD_ANNOUNCEMENTS, ADD_LEAVES, count

KEEP_VERSIONS: Final = """
INSERT INTO customary.versions (tenant_id, row_no, version, updated_at, sealed, guarded)
SELECT c.tenant_id, c.row_no, c.version, c.updated_at, c.sealed, c.guarded
FROM customary.customers AS c
JOIN unnest($2::bigint[], $3::bigint[]) AS n (row_no, version)
    ON c.row_no = n.row_no AND c.version = n.version
WHERE c.tenant_id = $1
"""
ADD_VERSIONS: Final = """
INSERT INTO customary.versions (tenant_id, row_no, version, updated_at, sealed, guarded)
SELECT $1, v.row_no, v.version, v.updated_at, v.sealed, v.guarded
FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[], $6::bytea[])
    AS v (row_no, version, updated_at, sealed, guarded)
"""
CHANGE_CUSTOMERS: Final = """
UPDATE customary.customers AS c SET customer_number = n.customer_number, merchant_no = n.merchant_no,
    version = n.version, updated_at = n.updated_at, sealed = n.sealed, guarded = n.guarded
FROM unnest($2::bigint[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bytea[],
            $9::bytea[], $10::bytea[])
    AS n (row_no, replaces, customer_number, merchant_no, version, updated_at, sealed, guarded, wrapped)
WHERE c.tenant_id = $1 AND c.row_no = n.row_no AND c.version = n.replaces
    AND EXISTS (SELECT FROM customary_keys.customer_keys AS k
                WHERE k.tenant_id = $1 AND k.row_no = n.row_no AND k.wrapped = n.wrapped)
"""
ADD_CUSTOMERS: Final = """
INSERT INTO customary.customers (tenant_id, row_no, customer_id, customer_number, merchant_no, version,
                                 created_at, updated_at, sealed, guarded)
SELECT $1, n.row_no, n.customer_id, n.customer_number, n.merchant_no, n.version, n.created_at, n.updated_at,
       n.sealed, n.guarded
FROM unnest($2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
            $9::bytea[], $10::bytea[])
    AS n (row_no, customer_id, customer_number, merchant_no, version, created_at, updated_at, sealed, guarded)
WHERE NOT EXISTS (SELECT FROM customary.tombstones AS t
                  WHERE t.tenant_id = $1 AND t.customer_id = n.customer_id)
ON CONFLICT (tenant_id, customer_id) DO NOTHING
"""
ADD_KEYS: Final = """
INSERT INTO customary_keys.customer_keys (tenant_id, row_no, wrapped)
SELECT $1, n.row_no, n.wrapped FROM unnest($2::bigint[], $3::bytea[]) AS n (row_no, wrapped)
"""
DROP_UNIQUE_TAGS: Final = """
DELETE FROM customary.unique_tags AS u
USING unnest($2::bigint[], $3::bytea[], $4::bigint[]) AS n (kind, tag, row_no)
WHERE u.tenant_id = $1 AND u.kind = n.kind AND u.tag = n.tag AND u.row_no = n.row_no
"""
ADD_UNIQUE_TAGS: Final = """
INSERT INTO customary.unique_tags (tenant_id, kind, tag, row_no)
SELECT $1, n.kind, n.tag, n.row_no
FROM unnest($2::bigint[], $3::bytea[], $4::bigint[]) AS n (kind, tag, row_no)
ON CONFLICT (tenant_id, kind, tag) DO NOTHING
"""
DROP_TAGS: Final = """
DELETE FROM customary.tags AS t
USING unnest($2::bigint[], $3::bytea[], $4::bigint[]) AS n (kind, tag, row_no)
WHERE t.tenant_id = $1 AND t.kind = n.kind AND t.tag = n.tag AND t.row_no = n.row_no
"""
ADD_TAGS: Final = """
INSERT INTO customary.tags (tenant_id, kind, tag, row_no)
SELECT $1, n.kind, n.tag, n.row_no
FROM unnest($2::bigint[], $3::bytea[], $4::bigint[]) AS n (kind, tag, row_no)
ON CONFLICT (tenant_id, kind, tag, row_no) DO NOTHING
"""
DROP_ANSWERS: Final = """
DELETE FROM customary.answers AS a USING unnest($2::bytea[], $3::bigint[]) AS n (key_tag, at)
WHERE a.tenant_id = $1 AND a.key_tag = n.key_tag AND a.at = n.at
"""
ADD_ANSWERS: Final = """
INSERT INTO customary.answers (tenant_id, key_tag, request_tag, customer_id, version, at)
SELECT $1, n.key_tag, n.request_tag, n.customer_id, n.version, n.at
FROM unnest($2::bytea[], $3::bytea[], $4::text[], $5::bigint[], $6::bigint[])
    AS n (key_tag, request_tag, customer_id, version, at)
ON CONFLICT (tenant_id, key_tag) DO NOTHING
"""


async def store(link: Link, overlay: Overlay) -> None:
    """Store everything that the overlay holds and the database does not; Lost when somebody was first."""
    pending = overlay.take()
    tenant = owner(overlay.tenant_id)
    added, leaves, entries = len(pending.added), len(pending.leaves), len(pending.outbox)
    before, leaf_no, entry_no = await count(link, tenant, added, leaves, entries)
    overlay.number(before)
    if pending.changed:
        await _change(link, tenant, overlay, pending)
    if pending.added:
        await _add(link, tenant, overlay, pending)
    await _store_unique_tags(link, tenant, overlay, pending, before)
    await _store_tags(link, tenant, pending, before)
    await _store_answers(link, tenant, overlay, pending)
    if pending.passed_versions:
        await _keep_passed(link, tenant, pending, before)
    if leaves:
        ats, bodies = (
            [microseconds(leaf.at) for leaf in pending.leaves],
            [leaf.body for leaf in pending.leaves],
        )
        await link.execute(ADD_LEAVES, tenant, leaf_no, ats, bodies)
    if entries:
        ats, bodies = [microseconds(row.at) for row in pending.outbox], [row.body for row in pending.outbox]
        await link.execute(ADD_ANNOUNCEMENTS, tenant, entry_no, ats, bodies)


async def _change(link: Link, tenant: UUID, overlay: Overlay, pending: Pending) -> None:
    """Keep the stored versions of changed records and store their last ones."""
    customer_ids = sorted(pending.changed)
    rows = [pending.changed[customer_id] for customer_id in customer_ids]
    replaced = [pending.stored_versions[row_no] for row_no in rows]
    records = [held.record for held in map(overlay.records.get, customer_ids) if held is not None]
    await link.execute(KEEP_VERSIONS, tenant, rows, replaced)
    changed = await link.execute(
        CHANGE_CUSTOMERS,
        tenant,
        rows,
        replaced,
        [record.customer_number for record in records],
        [record.merchant_no for record in records],
        [record.version for record in records],
        [microseconds(record.updated_at) for record in records],
        [record.sealed for record in records],
        [record.guarded for record in records],
        [record.wrapped_key for record in records],
    )
    if changed != len(rows):
        raise Lost(overlay.tenant_id, *customer_ids)


async def _add(link: Link, tenant: UUID, overlay: Overlay, pending: Pending) -> None:
    """Store new records with their keys."""
    held = [one for one in map(overlay.records.get, pending.added) if one is not None]
    rows, records = [one.row_no for one in held], [one.record for one in held]
    added = await link.execute(
        ADD_CUSTOMERS,
        tenant,
        rows,
        [record.customer_id for record in records],
        [record.customer_number for record in records],
        [record.merchant_no for record in records],
        [record.version for record in records],
        [microseconds(record.created_at) for record in records],
        [microseconds(record.updated_at) for record in records],
        [record.sealed for record in records],
        [record.guarded for record in records],
    )
    if added != len(rows):
        raise Lost(overlay.tenant_id, *pending.added)
    await link.execute(ADD_KEYS, tenant, rows, [record.wrapped_key for record in records])


def _numbered(row_no: int, before: int) -> int:
    return row_no if row_no >= 0 else before - row_no


async def _store_unique_tags(
    link: Link, tenant: UUID, overlay: Overlay, pending: Pending, before: int
) -> None:
    dropped, added = pending.unique_dropped, pending.unique_added
    if dropped:
        kinds, tags = [kind for kind, _, _ in dropped], [tag for _, tag, _ in dropped]
        rows = [_numbered(row_no, before) for _, _, row_no in dropped]
        await link.execute(DROP_UNIQUE_TAGS, tenant, kinds, tags, rows)
    if added:
        kinds, tags = [kind for kind, _ in added], [tag for _, tag in added]
        rows = [_numbered(row_no, before) for row_no in added.values()]
        if await link.execute(ADD_UNIQUE_TAGS, tenant, kinds, tags, rows) != len(added):
            raise Lost(overlay.tenant_id, *added)


async def _store_tags(link: Link, tenant: UUID, pending: Pending, before: int) -> None:
    for sql, last_word in ((DROP_TAGS, False), (ADD_TAGS, True)):
        keys = [key for key, word in pending.tags.items() if word is last_word]
        if keys:
            rows = [_numbered(row_no, before) for _, _, row_no in keys]
            await link.execute(sql, tenant, [kind for kind, _, _ in keys], [tag for _, tag, _ in keys], rows)


async def _store_answers(link: Link, tenant: UUID, overlay: Overlay, pending: Pending) -> None:
    old = pending.answers_replaced.values()
    if old:
        key_tags, ats = [answer.key_tag for answer in old], [microseconds(answer.at) for answer in old]
        await link.execute(DROP_ANSWERS, tenant, key_tags, ats)
    answers = pending.answers.values()
    if answers:
        stored = await link.execute(
            ADD_ANSWERS,
            tenant,
            [answer.key_tag for answer in answers],
            [answer.request_tag for answer in answers],
            [answer.customer_id for answer in answers],
            [answer.version for answer in answers],
            [microseconds(answer.at) for answer in answers],
        )
        if stored != len(answers):
            raise Lost(overlay.tenant_id, *pending.answers)


async def _keep_passed(link: Link, tenant: UUID, pending: Pending, before: int) -> None:
    held = pending.passed_versions
    await link.execute(
        ADD_VERSIONS,
        tenant,
        [_numbered(one.row_no, before) for one in held],
        [one.record.version for one in held],
        [microseconds(one.record.updated_at) for one in held],
        [one.record.sealed for one in held],
        [one.record.guarded for one in held],
    )
