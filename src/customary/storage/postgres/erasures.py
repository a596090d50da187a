"""Erasing a record, and what stays behind: tombstones, kept parts, holds and rules; read and written.

A destroyed key's row stays, empty. What PostgreSQL keeps of deleted rows (dead tuples until they are
vacuumed, the log until it is recycled, standbys and backups) is sealed under that key. Nothing is known here
of what a part, a rule or a certificate says.
"""

from typing import Any, Final
from uuid import UUID

from customary.app.ports import (
    Destroy,
    Destroyed,
    DropHold,
    DropKept,
    Erasable,
    HoldRow,
    KeptKeyRow,
    KeptRow,
    MarkScrubbed,
    OutboxRow,
    ReadAnnouncements,
    ReadAnswersOf,
    ReadErasable,
    ReadErased,
    ReadHold,
    ReadKept,
    ReadKeptKeys,
    ReadMentions,
    ReadRules,
    ReadTombstone,
    ReadTombstones,
    ReadUnscrubbed,
    RewrapKeptKeys,
    SealedCustomer,
    TombstoneRow,
    WriteHold,
    WriteRules,
    WriteTombstone,
)
from customary.domain.errors import Conflict, Outdated
from customary.storage.postgres.links import Link
from customary.storage.postgres.reads import records
from customary.storage.postgres.rows import instant_at, microseconds, owner, record, storable, tenant_of
from customary.storage.postgres.trail import add_leaves, count
from customary.storage.postgres.writes import DROP_TAGS, DROP_UNIQUE_TAGS

SUPERSEDED_COUNT: Final = "SELECT count(*) FROM customary.versions WHERE tenant_id = $1 AND row_no = $2"
SUPERSEDED: Final = """
SELECT c.customer_id, c.customer_number, c.merchant_no, v.version, v.sealed, v.guarded, c.created_at,
       v.updated_at, k.wrapped
FROM customary.customers AS c
JOIN customary.versions AS v ON v.tenant_id = c.tenant_id AND v.row_no = c.row_no
LEFT JOIN customary_keys.customer_keys AS k ON k.tenant_id = c.tenant_id AND k.row_no = c.row_no
WHERE c.tenant_id = $1 AND c.customer_id = $2 ORDER BY v.version
"""
CURRENT: Final = """
SELECT row_no, version FROM customary.customers WHERE tenant_id = $1 AND customer_id = $2
"""
HOLD: Final = """
SELECT at, actor, sealed_reason FROM customary.holds WHERE tenant_id = $1 AND customer_id = $2
"""
ADD_HOLD: Final = """
INSERT INTO customary.holds (tenant_id, customer_id, at, actor, sealed_reason) VALUES ($1, $2, $3, $4, $5)
"""
DROP_HOLD: Final = "DELETE FROM customary.holds WHERE tenant_id = $1 AND customer_id = $2"
RULES: Final = "SELECT rules FROM customary.retention WHERE tenant_id = $1"
KEEP_RULES: Final = """
INSERT INTO customary.retention (tenant_id, rules) VALUES ($1, $2)
ON CONFLICT (tenant_id) DO UPDATE SET rules = excluded.rules
"""
# Both are looked through a stretch at a time: an index by customer would cost every create.
ANSWERS_AFTER: Final = """
SELECT key_tag, customer_id FROM customary.answers WHERE tenant_id = $1 AND key_tag > $2
ORDER BY key_tag LIMIT $3
"""
MENTIONS_AFTER: Final = """
SELECT entry_no, position($2::bytea IN body) > 0 AS mentions FROM customary.outbox
WHERE tenant_id = $1 AND entry_no > $3 ORDER BY entry_no LIMIT $4
"""
ANNOUNCEMENTS: Final = """
SELECT entry_no, at, body FROM customary.outbox WHERE tenant_id = $1 AND entry_no = ANY($2::bigint[])
"""
EMPTY_KEY: Final = """
UPDATE customary_keys.customer_keys SET wrapped = ''::bytea WHERE tenant_id = $1 AND row_no = $2
"""
DROP_CUSTOMER: Final = "DELETE FROM customary.customers WHERE tenant_id = $1 AND row_no = $2"
DROP_VERSIONS: Final = "DELETE FROM customary.versions WHERE tenant_id = $1 AND row_no = $2"
DROP_ALL_TAGS: Final = "DELETE FROM customary.tags WHERE tenant_id = $1 AND row_no = $2"
DROP_ALL_UNIQUE_TAGS: Final = "DELETE FROM customary.unique_tags WHERE tenant_id = $1 AND row_no = $2"
DROP_ANSWERS_OF: Final = """
DELETE FROM customary.answers
WHERE tenant_id = $1 AND customer_id = $2 AND (key_tag = ANY($3::bytea[]) OR at >= $4)
"""
DROP_ENTRIES: Final = """
DELETE FROM customary.outbox
WHERE tenant_id = $1 AND (entry_no = ANY($2::bigint[]) OR (entry_no > $3 AND position($4::bytea IN body) > 0))
"""
TOMBSTONE: Final = """
SELECT tenant_id, customer_id, customer_number, merchant_no, number, at, certificate, key_tag, request_tag,
       scrubbed
FROM customary.tombstones WHERE tenant_id = $1 AND customer_id = $2
"""
TOMBSTONES: Final = """
SELECT tenant_id, customer_id, customer_number, merchant_no, number, at, certificate, key_tag, request_tag,
       scrubbed
FROM customary.tombstones WHERE tenant_id = $1 AND number > $2 ORDER BY number LIMIT $3
"""
HAS_TOMBSTONE: Final = """
SELECT EXISTS (SELECT FROM customary.tombstones WHERE tenant_id = $1 AND (customer_id = $2 OR number = $3))
"""
ADD_TOMBSTONE: Final = """
INSERT INTO customary.tombstones (tenant_id, customer_id, customer_number, merchant_no, number, at,
                                  certificate, key_tag, request_tag, scrubbed)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
ERASED: Final = "SELECT tenant_id, number FROM customary.tombstones"
UNSCRUBBED: Final = "SELECT tenant_id, customer_id FROM customary.tombstones WHERE NOT scrubbed LIMIT $1"
SET_SCRUBBED: Final = """
UPDATE customary.tombstones SET scrubbed = $3 WHERE tenant_id = $1 AND customer_id = $2
"""
KEPT: Final = """
SELECT p.tenant_id, p.customer_id, p.part, p.until, k.wrapped, p.sealed
FROM customary.kept AS p LEFT JOIN customary_keys.kept_keys AS k
    ON k.tenant_id = p.tenant_id AND k.customer_id = p.customer_id AND k.part = p.part
WHERE p.tenant_id = $1 AND p.customer_id = $2 ORDER BY p.part
"""
KEPT_DUE: Final = """
SELECT p.tenant_id, p.customer_id, p.part, p.until, k.wrapped, p.sealed
FROM customary.kept AS p LEFT JOIN customary_keys.kept_keys AS k
    ON k.tenant_id = p.tenant_id AND k.customer_id = p.customer_id AND k.part = p.part
WHERE p.until <= $1 ORDER BY p.until LIMIT $2
"""
ADD_KEPT_KEY: Final = """
INSERT INTO customary_keys.kept_keys (tenant_id, customer_id, part, wrapped) VALUES ($1, $2, $3, $4)
"""
ADD_KEPT: Final = """
INSERT INTO customary.kept (tenant_id, customer_id, part, until, sealed) VALUES ($1, $2, $3, $4, $5)
"""
DROP_KEPT_KEY: Final = """
DELETE FROM customary_keys.kept_keys WHERE tenant_id = $1 AND customer_id = $2 AND part = $3
"""
KEPT_KEYS: Final = "SELECT customer_id, part, wrapped FROM customary_keys.kept_keys WHERE tenant_id = $1"
REWRAP_KEPT_KEY: Final = """
UPDATE customary_keys.kept_keys SET wrapped = $5
WHERE tenant_id = $1 AND customer_id = $2 AND part = $3 AND wrapped = $4
"""
DROP_KEPT: Final = "DELETE FROM customary.kept WHERE tenant_id = $1 AND customer_id = $2 AND part = $3"


# ── Reading ─────────────────────────────────────────────────────────────────────────────────────────────


async def read_erasable(link: Link, request: ReadErasable) -> Erasable | None:
    """Return the record of that id with what an erasure must know of it."""
    found = await records(link, request.tenant_id, [request.customer_id], locked=False)
    held = found.get(request.customer_id)
    if held is None:
        return None
    tenant = tenant_of(request.tenant_id)
    superseded: tuple[SealedCustomer, ...] = ()
    if request.whole:
        rows = await link.fetch(SUPERSEDED, tenant, request.customer_id)
        superseded = tuple(record(request.tenant_id, row) for row in rows)
        number = len(superseded)
    else:
        number = await link.value(SUPERSEDED_COUNT, tenant, held.row_no)
    hold = await read_hold(link, ReadHold(request.tenant_id, request.customer_id))
    return Erasable(held.record, number, superseded, hold)


async def read_hold(link: Link, request: ReadHold) -> HoldRow | None:
    """Return the hold on that customer."""
    if not storable(request.customer_id):
        return None
    row = await link.fetch_row(HOLD, tenant_of(request.tenant_id), request.customer_id)
    if row is None:
        return None
    at, actor, sealed_reason = row
    return HoldRow(request.tenant_id, request.customer_id, instant_at(at), actor, sealed_reason)


async def read_rules(link: Link, request: ReadRules) -> bytes | None:
    """Return the retention rules of a tenant."""
    rules: bytes | None = await link.value(RULES, tenant_of(request.tenant_id))
    return rules


async def read_answers_of(link: Link, request: ReadAnswersOf) -> tuple[list[bytes], bytes | None]:
    """Return which of the next answers led to that customer, and where to go on."""
    rows = await link.fetch(ANSWERS_AFTER, tenant_of(request.tenant_id), request.after, request.limit)
    found = [row["key_tag"] for row in rows if row["customer_id"] == request.customer_id]
    return found, rows[-1]["key_tag"] if rows else None


async def read_mentions(link: Link, request: ReadMentions) -> tuple[list[int], int | None]:
    """Return which of the tenant's next outbox entries contain that text, and where to go on."""
    text = request.text.encode()
    rows = await link.fetch(MENTIONS_AFTER, tenant_of(request.tenant_id), text, request.after, request.limit)
    return [row["entry_no"] for row in rows if row["mentions"]], rows[-1]["entry_no"] if rows else None


async def read_announcements(link: Link, request: ReadAnnouncements) -> list[OutboxRow]:
    """Return entries of the tenant's outbox by their numbers, in the order asked."""
    rows = await link.fetch(ANNOUNCEMENTS, tenant_of(request.tenant_id), list(request.entry_nos))
    found = {row["entry_no"]: row for row in rows}
    return [
        OutboxRow(request.tenant_id, instant_at(row["at"]), row["body"])
        for entry_no in request.entry_nos
        if (row := found.get(entry_no)) is not None
    ]


async def read_tombstone(link: Link, request: ReadTombstone) -> TombstoneRow | None:
    """Return the tombstone of that id, or of that erasure."""
    tenant = tenant_of(request.tenant_id)
    if request.number:
        rows = await link.fetch(TOMBSTONES, tenant, request.number - 1, 1)
        return _tombstone(rows[0]) if rows and rows[0]["number"] == request.number else None
    if not storable(request.customer_id):
        return None
    row = await link.fetch_row(TOMBSTONE, tenant, request.customer_id)
    return None if row is None else _tombstone(row)


async def read_tombstones(link: Link, request: ReadTombstones) -> list[TombstoneRow]:
    """Return tombstones of a tenant in the order of their numbers."""
    rows = await link.fetch(TOMBSTONES, tenant_of(request.tenant_id), request.after, request.limit)
    return [_tombstone(row) for row in rows]


async def read_erased(link: Link, _: ReadErased) -> list[tuple[str, int]]:
    """Return tenant and number of every tombstone."""
    return [(str(tenant_id), number) for tenant_id, number in await link.fetch(ERASED)]


async def read_unscrubbed(link: Link, request: ReadUnscrubbed) -> list[tuple[str, str]]:
    """Return tenant and customer of the tombstones that are not scrubbed."""
    rows = await link.fetch(UNSCRUBBED, request.limit)
    return [(str(tenant_id), customer_id) for tenant_id, customer_id in rows]


async def read_kept_keys(link: Link, request: ReadKeptKeys) -> list[KeptKeyRow]:
    """Return the keys of all parts that are kept for a tenant."""
    rows = await link.fetch(KEPT_KEYS, tenant_of(request.tenant_id))
    return [KeptKeyRow(row["customer_id"], row["part"], row["wrapped"]) for row in rows]


async def read_kept(link: Link, request: ReadKept) -> list[KeptRow]:
    """Return the kept parts of a customer, or those whose time has come."""
    if request.due is None:
        rows = await link.fetch(KEPT, tenant_of(request.tenant_id), request.customer_id)
    else:
        rows = await link.fetch(KEPT_DUE, microseconds(request.due), request.limit)
    return [
        KeptRow(str(tenant_id), customer_id, part, instant_at(until), wrapped or b"", sealed)
        for tenant_id, customer_id, part, until, wrapped, sealed in rows
    ]


def _tombstone(row: Any) -> TombstoneRow:
    ids = (
        str(row["tenant_id"]),
        row["customer_id"],
        row["customer_number"],
        row["merchant_no"],
        row["number"],
    )
    kept = (row["certificate"], row["key_tag"], row["request_tag"], row["scrubbed"])
    return TombstoneRow(*ids, instant_at(row["at"]), *kept)


# ── Writing ─────────────────────────────────────────────────────────────────────────────────────────────


async def write_hold(link: Link, request: WriteHold) -> None:
    """Store a hold on a record that is there and has none."""
    hold = request.hold
    tenant = owner(hold.tenant_id)
    await count(link, tenant, 0, 0, 0)
    if await link.fetch_row(CURRENT, tenant, hold.customer_id) is None:
        raise Outdated(detail="there is no record of that id")
    if await link.fetch_row(HOLD, tenant, hold.customer_id) is not None:
        raise Conflict("There is a hold on this customer already", field="hold")
    at = microseconds(hold.at)
    await link.execute(ADD_HOLD, tenant, hold.customer_id, at, hold.actor, hold.sealed_reason)
    await add_leaves(link, tenant, [request.leaf])


async def drop_hold(link: Link, request: DropHold) -> None:
    """Take a hold away."""
    tenant = owner(request.tenant_id)
    if not await link.execute(DROP_HOLD, tenant, request.customer_id):
        raise Outdated(detail="there is no hold")
    await add_leaves(link, tenant, [request.leaf])


async def write_rules(link: Link, request: WriteRules) -> None:
    """Store a tenant's rules."""
    tenant = owner(request.tenant_id)
    await link.execute(KEEP_RULES, tenant, request.rules)
    await add_leaves(link, tenant, [request.leaf])


async def destroy(link: Link, request: Destroy) -> Destroyed:
    """Destroy a record with everything that belongs to it."""
    tenant, customer_id = owner(request.tenant_id), request.customer_id
    await count(link, tenant, 0, 0, 0)
    current = await link.fetch_row(CURRENT, tenant, customer_id)
    if current is None or current["version"] != request.version:
        raise Outdated(detail="another version is stored, or none")
    row_no: int = current["row_no"]
    for sql in (EMPTY_KEY, DROP_VERSIONS, DROP_CUSTOMER):
        await link.execute(sql, tenant, row_no)
    await link.execute(DROP_HOLD, tenant, customer_id)
    since = microseconds(request.answers_since)
    text = customer_id.encode()
    return Destroyed(
        tags=await _drop_tags(link, tenant, row_no, request),
        answers=await link.execute(DROP_ANSWERS_OF, tenant, customer_id, list(request.answers), since),
        announcements=await link.execute(
            DROP_ENTRIES, tenant, list(request.mentions), request.mentions_after, text
        ),
    )


async def _drop_tags(link: Link, tenant: UUID, row_no: int, request: Destroy) -> int:
    if request.dropped_unique_tags is None or request.dropped_tags is None:
        return sum([await link.execute(sql, tenant, row_no) for sql in (DROP_ALL_UNIQUE_TAGS, DROP_ALL_TAGS)])
    dropped = 0
    for sql, tags in (
        (DROP_UNIQUE_TAGS, request.dropped_unique_tags),
        (DROP_TAGS, request.dropped_tags),
    ):
        kinds, digests = [tag.kind for tag in tags], [tag.digest for tag in tags]
        dropped += await link.execute(sql, tenant, kinds, digests, [row_no] * len(tags))
    return dropped


async def write_tombstone(link: Link, request: WriteTombstone) -> None:
    """Store a tombstone in the place of a record, and what is kept of it."""
    row = request.row
    tenant = owner(row.tenant_id)
    await count(link, tenant, 0, 0, 0)
    if await link.fetch_row(CURRENT, tenant, row.customer_id) is not None:
        raise Outdated(detail="there is a record of that id")
    if await link.value(HAS_TOMBSTONE, tenant, row.customer_id, row.number):
        raise Conflict(detail="there is a tombstone of that id or number")
    stone = (row.customer_id, row.customer_number, row.merchant_no, row.number, microseconds(row.at))
    kept = (row.certificate, row.key_tag, row.request_tag, row.scrubbed)
    await link.execute(ADD_TOMBSTONE, tenant, *stone, *kept)
    for part in request.kept:
        await link.execute(ADD_KEPT_KEY, tenant, part.customer_id, part.part, part.wrapped_key)
        until = microseconds(part.until)
        await link.execute(ADD_KEPT, tenant, part.customer_id, part.part, until, part.sealed)
    await add_leaves(link, tenant, [request.leaf])


async def mark_scrubbed(link: Link, request: MarkScrubbed) -> None:
    """Store that the destroyed bytes of these customers are gone."""
    for tenant_id, customer_id in sorted(request.erased):
        await link.execute(SET_SCRUBBED, owner(tenant_id), customer_id, True)


async def rewrap_kept_keys(link: Link, request: RewrapKeptKeys) -> int:
    """Store other wrappings of keys of kept parts; return how many were changed."""
    tenant = owner(request.tenant_id)
    return sum(
        [
            await link.execute(REWRAP_KEPT_KEY, tenant, row.customer_id, row.part, row.wrapped, wrapped)
            for row, wrapped in request.rows
        ]
    )


async def drop_kept(link: Link, request: DropKept) -> None:
    """Destroy kept parts with their keys."""
    for tenant_id, customer_id, part in sorted(request.parts):
        tenant = owner(tenant_id)
        await link.execute(DROP_KEPT_KEY, tenant, customer_id, part)
        await link.execute(DROP_KEPT, tenant, customer_id, part)
        await link.execute(SET_SCRUBBED, tenant, customer_id, False)
    for leaf in request.leaves:
        await add_leaves(link, owner(leaf.tenant_id), [leaf])
