"""The trail's leaves and blocks, and the counters that number what a tenant writes.

One row of counters a tenant: whoever writes for the tenant updates it first and holds it to the end, so
commits of one tenant follow each other and numbers grow in their order. Leaf numbers are also never behind
the clock, in microseconds: leaves of different tenants can be listed together in the order of their times.

Nothing is known here of what a leaf tells or how a block is signed.
"""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from customary.app.ports import (
    BlockRow,
    CheckpointRow,
    LeafRow,
    ReadBlocks,
    ReadCheckpoints,
    ReadLeaves,
    ReadPosted,
    ReadTail,
    ReadUnsealed,
    Sweep,
    WriteBlocks,
)
from customary.domain.errors import Conflict
from customary.storage.postgres.links import Link
from customary.storage.postgres.rows import instant_at, microseconds, owner, tenant_of

COUNT: Final = """
INSERT INTO customary.counters AS c (tenant_id, row_no, leaf_no, entry_no)
VALUES ($1, $2, $5::bigint + $3, $4)
ON CONFLICT (tenant_id) DO UPDATE SET row_no = c.row_no + $2,
    leaf_no = greatest(c.leaf_no, $5::bigint) + $3, entry_no = c.entry_no + $4
RETURNING row_no, leaf_no, entry_no
"""
ADD_LEAVES: Final = """
INSERT INTO customary.leaves (tenant_id, leaf_no, at, body)
SELECT $1, $2::bigint + l.place, l.at, l.body
FROM unnest($3::bigint[], $4::bytea[]) WITH ORDINALITY AS l (at, body, place)
"""
ADD_ANNOUNCEMENTS: Final = """
INSERT INTO customary.outbox (tenant_id, entry_no, at, body)
SELECT $1, $2::bigint + o.place, o.at, o.body
FROM unnest($3::bigint[], $4::bytea[]) WITH ORDINALITY AS o (at, body, place)
"""
LEAVES_OF_TENANT: Final = """
SELECT tenant_id, at, body, leaf_no FROM customary.leaves
WHERE tenant_id = $1 AND leaf_no > $2 ORDER BY leaf_no LIMIT $3
"""
# Two tenants may have a leaf of the same number. They stay on one page, so that who goes on after the last
# number misses none.
LEAVES: Final = """
SELECT l.tenant_id, l.at, l.body, l.leaf_no
FROM customary.counters AS c CROSS JOIN LATERAL (
    SELECT n.tenant_id, n.at, n.body, n.leaf_no FROM customary.leaves AS n
    WHERE n.tenant_id = c.tenant_id AND n.leaf_no > $1 ORDER BY n.leaf_no LIMIT $2::bigint
) AS l
WHERE c.leaf_no > $1
ORDER BY l.leaf_no FETCH FIRST ($2::bigint) ROWS WITH TIES
"""
UNSEALED: Final = """
SELECT l.tenant_id, l.at, l.body, l.leaf_no
FROM customary.counters AS c CROSS JOIN LATERAL (
    SELECT coalesce(max(b.leaf_no_last), 0) AS leaf_no FROM customary.blocks AS b
    WHERE b.tenant_id = c.tenant_id
        AND b.block_no = (SELECT max(m.block_no) FROM customary.blocks AS m WHERE m.tenant_id = c.tenant_id)
) AS sealed CROSS JOIN LATERAL (
    SELECT n.tenant_id, n.at, n.body, n.leaf_no FROM customary.leaves AS n
    WHERE n.tenant_id = c.tenant_id AND n.leaf_no > sealed.leaf_no ORDER BY n.leaf_no LIMIT $1::bigint
) AS l
WHERE c.leaf_no > sealed.leaf_no
ORDER BY l.leaf_no, l.tenant_id LIMIT $1::bigint
"""
BLOCKS_OF_TENANT: Final = """
SELECT tenant_id, block_no, leaf_no_first, leaf_no_last, at, digests, link, signature FROM customary.blocks
WHERE tenant_id = $1 AND block_no > $2 ORDER BY block_no LIMIT $3
"""
LAST_BLOCKS: Final = """
SELECT b.tenant_id, b.block_no, b.leaf_no_first, b.leaf_no_last, b.at, b.digests, b.link, b.signature
FROM customary.counters AS c CROSS JOIN LATERAL (
    SELECT n.tenant_id, n.block_no, n.leaf_no_first, n.leaf_no_last, n.at, ''::bytea AS digests, n.link,
           n.signature
    FROM customary.blocks AS n WHERE n.tenant_id = c.tenant_id ORDER BY n.block_no DESC LIMIT 1
) AS b
ORDER BY b.tenant_id
"""
HAS_BLOCK: Final = """
SELECT EXISTS (SELECT FROM customary.blocks AS b
               JOIN unnest($1::uuid[], $2::bigint[]) AS a (tenant_id, block_no)
               ON b.tenant_id = a.tenant_id AND b.block_no = a.block_no)
"""
ADD_BLOCKS: Final = """
INSERT INTO customary.blocks (tenant_id, block_no, leaf_no_first, leaf_no_last, at, digests, link, signature)
SELECT b.tenant_id, b.block_no, b.leaf_no_first, b.leaf_no_last, b.at, b.digests, b.link, b.signature
FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bytea[], $7::bytea[],
            $8::bytea[])
    AS b (tenant_id, block_no, leaf_no_first, leaf_no_last, at, digests, link, signature)
"""
SEALED_TO: Final = """
SELECT coalesce((SELECT leaf_no_last FROM customary.blocks WHERE tenant_id = $1
                 ORDER BY block_no DESC LIMIT 1), 0)
"""
LEAVES_BACKWARDS: Final = """
SELECT tenant_id, at, body, leaf_no FROM customary.leaves
WHERE tenant_id = $1 AND leaf_no > $2 AND leaf_no < $3 ORDER BY leaf_no DESC LIMIT $4
"""
CHECKPOINTS: Final = """
SELECT checkpoint_no, at, complete, line FROM customary.checkpoints
WHERE checkpoint_no > $1 AND (complete OR NOT $2::boolean) ORDER BY checkpoint_no LIMIT $3
"""
LAST_CHECKPOINTS: Final = """
SELECT checkpoint_no, at, complete, line FROM customary.checkpoints
WHERE complete OR NOT $1::boolean ORDER BY checkpoint_no DESC LIMIT $2
"""
HAS_CHECKPOINT: Final = "SELECT EXISTS (SELECT FROM customary.checkpoints WHERE checkpoint_no = $1)"
ADD_CHECKPOINT: Final = """
INSERT INTO customary.checkpoints (checkpoint_no, at, complete, line) VALUES ($1, $2, $3, $4)
"""
ADD_POSTINGS: Final = """
INSERT INTO customary.postings (tenant_id, key, leaf_no)
SELECT p.tenant_id, p.key, p.leaf_no
FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS p (tenant_id, key, leaf_no)
ON CONFLICT (tenant_id, key, leaf_no) DO NOTHING
"""
POSTED: Final = """
SELECT l.tenant_id, l.at, l.body, l.leaf_no
FROM customary.postings AS p
JOIN customary.leaves AS l ON l.tenant_id = p.tenant_id AND l.leaf_no = p.leaf_no
WHERE p.tenant_id = $1 AND p.key = $2 AND p.leaf_no > $3 ORDER BY p.leaf_no LIMIT $4
"""
POSTED_BACKWARDS: Final = """
SELECT l.tenant_id, l.at, l.body, l.leaf_no
FROM customary.postings AS p
JOIN customary.leaves AS l ON l.tenant_id = p.tenant_id AND l.leaf_no = p.leaf_no
WHERE p.tenant_id = $1 AND p.key = $2 AND p.leaf_no < $3 ORDER BY p.leaf_no DESC LIMIT $4
"""
SWEEP_SOME: Final = """
DELETE FROM customary.answers AS a
USING (SELECT s.tenant_id, s.key_tag FROM customary.answers AS s WHERE s.at < $1 ORDER BY s.at LIMIT $2)
    AS old
WHERE a.tenant_id = old.tenant_id AND a.key_tag = old.key_tag AND a.at < $1
"""


async def count(link: Link, tenant: UUID, rows: int, leaves: int, entries: int) -> tuple[int, int, int]:
    """Take so many numbers for a tenant, and its lock; return the number before the first of each kind."""
    now = time.time_ns() // 1000
    (row,) = await link.fetch(COUNT, tenant, rows, leaves, entries, now)
    return row["row_no"] - rows, row["leaf_no"] - leaves, row["entry_no"] - entries


async def add_leaves(link: Link, tenant: UUID, leaves: Sequence[LeafRow]) -> None:
    """Store leaves of one tenant, under the next numbers."""
    _, before, _ = await count(link, tenant, 0, len(leaves), 0)
    ats, bodies = [microseconds(leaf.at) for leaf in leaves], [leaf.body for leaf in leaves]
    await link.execute(ADD_LEAVES, tenant, before, ats, bodies)


def _instant(at: int) -> datetime:
    """Return an instant; one that no calendar has, of a row that somebody has edited, is the end of time."""
    try:
        return instant_at(at)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def _leaves(rows: Sequence[Any]) -> list[LeafRow]:
    return [LeafRow(str(tenant_id), _instant(at), body, leaf_no) for tenant_id, at, body, leaf_no in rows]


async def read_leaves(link: Link, request: ReadLeaves) -> list[LeafRow]:
    """Return leaves after that number, in order."""
    if request.tenant_id is None:
        return _leaves(await link.fetch(LEAVES, request.after, request.limit))
    tenant = tenant_of(request.tenant_id)
    return _leaves(await link.fetch(LEAVES_OF_TENANT, tenant, request.after, request.limit))


async def read_unsealed(link: Link, request: ReadUnsealed) -> list[LeafRow]:
    """Return leaves that no block holds yet, each tenant's in order."""
    return _leaves(await link.fetch(UNSEALED, request.limit))


async def read_tail(link: Link, request: ReadTail) -> list[LeafRow]:
    """Return a tenant's leaves after the last that is in a block."""
    tenant = tenant_of(request.tenant_id)
    sealed_to = await link.value(SEALED_TO, tenant)
    if request.newest_first:
        return _leaves(await link.fetch(LEAVES_BACKWARDS, tenant, sealed_to, request.beyond, request.limit))
    after = max(sealed_to, request.beyond)
    return _leaves(await link.fetch(LEAVES_OF_TENANT, tenant, after, request.limit))


async def read_posted(link: Link, request: ReadPosted) -> list[LeafRow]:
    """Return a tenant's leaves under a key."""
    sql = POSTED_BACKWARDS if request.newest_first else POSTED
    tenant = tenant_of(request.tenant_id)
    return _leaves(await link.fetch(sql, tenant, request.key, request.beyond, request.limit))


async def read_checkpoints(link: Link, request: ReadCheckpoints) -> list[CheckpointRow]:
    """Return checkpoints, in order or newest first."""
    if request.newest_first:
        rows = await link.fetch(LAST_CHECKPOINTS, request.complete, request.limit)
    else:
        rows = await link.fetch(CHECKPOINTS, request.after, request.complete, request.limit)
    return [CheckpointRow(number, _instant(at), complete, line) for number, at, complete, line in rows]


async def read_blocks(link: Link, request: ReadBlocks) -> list[BlockRow]:
    """Return the blocks of one tenant in order, or the last one of each."""
    if request.tenant_id is None:
        rows = await link.fetch(LAST_BLOCKS)
    else:
        tenant = tenant_of(request.tenant_id)
        rows = await link.fetch(BLOCKS_OF_TENANT, tenant, request.after, request.limit)
    return [
        BlockRow(str(tenant_id), block_no, first, last, _instant(at), digests, linked, signature)
        for tenant_id, block_no, first, last, at, digests, linked, signature in rows
    ]


async def write_blocks(link: Link, request: WriteBlocks) -> None:
    """Append blocks of the trail, their checkpoint and postings, all or none."""
    blocks, checkpoint = request.blocks, request.checkpoint
    tenants, numbers = [owner(block.tenant_id) for block in blocks], [block.block_no for block in blocks]
    if await link.value(HAS_BLOCK, tenants, numbers):
        raise Conflict(detail="a block of that number exists", field="block_no")
    if checkpoint is not None:
        if await link.value(HAS_CHECKPOINT, checkpoint.checkpoint_no):
            raise Conflict(detail="a checkpoint of that number exists", field="checkpoint_no")
        at = microseconds(checkpoint.at)
        await link.execute(ADD_CHECKPOINT, checkpoint.checkpoint_no, at, checkpoint.complete, checkpoint.line)
    postings = sorted(
        (owner(posting.tenant_id), posting.key, leaf_no)
        for posting in request.postings
        for leaf_no in posting.leaf_nos
    )
    if postings:
        of_tenants, keys, leaf_nos = map(list, zip(*postings, strict=True))
        await link.execute(ADD_POSTINGS, of_tenants, keys, leaf_nos)
    await link.execute(
        ADD_BLOCKS,
        tenants,
        numbers,
        [block.leaf_no_first for block in blocks],
        [block.leaf_no_last for block in blocks],
        [microseconds(block.at) for block in blocks],
        [block.digests for block in blocks],
        [block.link for block in blocks],
        [block.signature for block in blocks],
    )


async def sweep(link: Link, request: Sweep) -> int:
    """Delete old answers, oldest first; return how many went."""
    return await link.execute(SWEEP_SOME, microseconds(request.answers_before), request.limit)
