"""What requests about the trail read and write: leaves, blocks, checkpoints, and postings that find leaves.

Here all tenants' leaves share one row of numbers, given in the order of commits. What is read is judged
elsewhere (``app.verification``), so a row that somebody has edited must be handed over whatever is in it. It
must never know what a leaf says.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from operator import itemgetter
from typing import Final

from apsw import Connection

from customary.app.ports import (
    BlockRow,
    CheckpointRow,
    LeafRow,
    Posting,
    ReadBlocks,
    ReadCheckpoints,
    ReadLeaves,
    ReadPosted,
    ReadTail,
    ReadUnsealed,
    WriteBlocks,
)
from customary.domain.errors import Conflict
from customary.storage.sqlite.rows import instant_at, microseconds, owner, packed, unpacked

EPOCH_LEAVES: Final = 1 << 14
"""How many numbers an epoch of the postings has: some eighty pages, which stay in the cache while new."""

_NUMBER_BYTES: Final = 8
_SEALED_TO: Final = "sealed_to"

LEAVES = "SELECT tenant_id, at, body, leaf_no FROM leaves WHERE leaf_no > ? ORDER BY leaf_no LIMIT ?"
# No index by tenant: it would cost every write.
LEAVES_OF_TENANT = """
SELECT tenant_id, at, body, leaf_no FROM leaves WHERE leaf_no > ? AND tenant_id = ? ORDER BY leaf_no LIMIT ?
"""
LEAVES_OF_TENANT_BACKWARDS = """
SELECT tenant_id, at, body, leaf_no FROM leaves WHERE leaf_no > ? AND leaf_no < ? AND tenant_id = ?
ORDER BY leaf_no DESC LIMIT ?
"""
LEAF = "SELECT tenant_id, at, body, leaf_no FROM leaves WHERE leaf_no = ? AND tenant_id = ?"
BLOCKS_OF_TENANT = """
SELECT tenant_id, block_no, leaf_no_first, leaf_no_last, at, digests, link, signature FROM blocks
WHERE tenant_id = ? AND block_no > ? ORDER BY block_no LIMIT ?
"""
# From one tenant to the next along the primary key. The table of tenants may have been robbed.
LAST_BLOCKS = """
WITH RECURSIVE sealed (tenant_id) AS (
    SELECT min(tenant_id) FROM blocks
    UNION ALL
    SELECT (SELECT min(tenant_id) FROM blocks WHERE tenant_id > sealed.tenant_id) FROM sealed
    WHERE sealed.tenant_id IS NOT NULL
)
SELECT b.tenant_id, b.block_no, b.leaf_no_first, b.leaf_no_last, b.at, x'' AS digests, b.link, b.signature
FROM sealed AS t CROSS JOIN blocks AS b ON b.tenant_id = t.tenant_id
WHERE b.block_no = (SELECT max(block_no) FROM blocks WHERE tenant_id = t.tenant_id)
ORDER BY b.tenant_id
"""
MARK = "SELECT number FROM marks WHERE name = ?"
SET_MARK = """
INSERT INTO marks (name, number) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET number = excluded.number
"""
ADD_BLOCK = """
INSERT INTO blocks (tenant_id, block_no, leaf_no_first, leaf_no_last, at, digests, link, signature)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
HAS_BLOCK = "SELECT 1 FROM blocks WHERE tenant_id = ? AND block_no = ?"
CHECKPOINTS = """
SELECT checkpoint_no, at, complete, line FROM checkpoints WHERE checkpoint_no > ?
ORDER BY checkpoint_no LIMIT ?
"""
LAST_CHECKPOINTS = (
    "SELECT checkpoint_no, at, complete, line FROM checkpoints ORDER BY checkpoint_no DESC LIMIT ?"
)
COMPLETE_CHECKPOINTS = """
SELECT checkpoint_no, at, complete, line FROM checkpoints WHERE complete = 1 AND checkpoint_no > ?
ORDER BY checkpoint_no LIMIT ?
"""
LAST_COMPLETE_CHECKPOINTS = """
SELECT checkpoint_no, at, complete, line FROM checkpoints WHERE complete = 1
ORDER BY checkpoint_no DESC LIMIT ?
"""
HAS_CHECKPOINT = "SELECT 1 FROM checkpoints WHERE checkpoint_no = ?"
ADD_CHECKPOINT = "INSERT INTO checkpoints (checkpoint_no, at, complete, line) VALUES (?, ?, ?, ?)"
ADD_POSTING = "INSERT OR IGNORE INTO postings (epoch, key, leaf_no, more) VALUES (?, ?, ?, ?)"
POSTED = "SELECT leaf_no, more FROM postings WHERE epoch = ? AND key = ? ORDER BY leaf_no"
POSTED_BACKWARDS = """
SELECT leaf_no, more FROM postings WHERE epoch = ? AND key = ? AND leaf_no < ? ORDER BY leaf_no DESC
"""
# Each by itself: of two aggregates together SQLite looks at every row.
EPOCHS = "SELECT (SELECT min(epoch) FROM postings), (SELECT max(epoch) FROM postings)"


# ── Leaves ──────────────────────────────────────────────────────────────────────────────────────────────


def read_leaves(connection: Connection, request: ReadLeaves) -> list[LeafRow]:
    """Return leaves after that number, in order."""
    if request.tenant_id is None:
        rows = connection.execute(LEAVES, (request.after, request.limit))
    else:
        asked = (request.after, packed(request.tenant_id), request.limit)
        rows = connection.execute(LEAVES_OF_TENANT, asked)
    return [_leaf(*row) for row in rows]


def read_unsealed(connection: Connection, request: ReadUnsealed) -> list[LeafRow]:
    """Return the leaves after the last that is in a block, in order."""
    return read_leaves(connection, ReadLeaves(after=_sealed_to(connection), limit=request.limit))


def read_tail(connection: Connection, request: ReadTail) -> list[LeafRow]:
    """Return a tenant's leaves after the last that is in a block."""
    sealed_to, tenant = _sealed_to(connection), packed(request.tenant_id)
    if request.newest_first:
        asked = (sealed_to, request.beyond, tenant, request.limit)
        rows = connection.execute(LEAVES_OF_TENANT_BACKWARDS, asked)
    else:
        rows = connection.execute(LEAVES_OF_TENANT, (max(sealed_to, request.beyond), tenant, request.limit))
    return [_leaf(*row) for row in rows]


def _sealed_to(connection: Connection) -> int:
    """Return the number of the last leaf that is in a block; what is sealed of one tenant is of all."""
    mark: int | None = connection.execute(MARK, (_SEALED_TO,)).get
    if mark is not None:
        return mark
    # Blocks of before there was a mark: the first that is appended now will set it.
    return max((head.leaf_no_last for head in read_blocks(connection, ReadBlocks())), default=0)


def _leaf(tenant: bytes, at: int, body: bytes, leaf_no: int) -> LeafRow:
    return LeafRow(_tenant_text(tenant), _instant(at), body, leaf_no)


# ── Blocks and checkpoints ──────────────────────────────────────────────────────────────────────────────


def read_blocks(connection: Connection, request: ReadBlocks) -> list[BlockRow]:
    """Return the blocks of one tenant in order, or the last one of each."""
    if request.tenant_id is None:
        rows = connection.execute(LAST_BLOCKS)
    else:
        asked = (packed(request.tenant_id), request.after, request.limit)
        rows = connection.execute(BLOCKS_OF_TENANT, asked)
    return [
        BlockRow(_tenant_text(tenant), block_no, first, last, _instant(at), digests, link, signature)
        for tenant, block_no, first, last, at, digests, link, signature in rows
    ]


def read_checkpoints(connection: Connection, request: ReadCheckpoints) -> list[CheckpointRow]:
    """Return checkpoints, in order or newest first."""
    if request.newest_first:
        statement = LAST_COMPLETE_CHECKPOINTS if request.complete else LAST_CHECKPOINTS
        rows = connection.execute(statement, (request.limit,))
    else:
        statement = COMPLETE_CHECKPOINTS if request.complete else CHECKPOINTS
        rows = connection.execute(statement, (request.after, request.limit))
    return [CheckpointRow(number, _instant(at), bool(complete), line) for number, at, complete, line in rows]


def write_blocks(connection: Connection, request: WriteBlocks) -> None:
    """Append blocks of the trail, their checkpoint and postings, all or none."""
    execute = connection.execute
    for block in request.blocks:
        if execute(HAS_BLOCK, (owner(block.tenant_id), block.block_no)).fetchone() is not None:
            raise Conflict(detail="a block of that number exists", field="block_no")
    checkpoint = request.checkpoint
    if checkpoint is not None and execute(HAS_CHECKPOINT, (checkpoint.checkpoint_no,)).fetchone() is not None:
        raise Conflict(detail="a checkpoint of that number exists", field="checkpoint_no")
    for block in request.blocks:
        row = (
            owner(block.tenant_id),
            block.block_no,
            block.leaf_no_first,
            block.leaf_no_last,
            microseconds(block.at),
            block.digests,
            block.link,
            block.signature,
        )
        execute(ADD_BLOCK, row)
    # A checkpoint without blocks is that of a store that was put back, and the mark is to be put back, too.
    heads = request.blocks or (read_blocks(connection, ReadBlocks()) if checkpoint is not None else ())
    if heads:
        execute(SET_MARK, (_SEALED_TO, max(head.leaf_no_last for head in heads)))
    if checkpoint is not None:
        signed = (checkpoint.checkpoint_no, microseconds(checkpoint.at), int(checkpoint.complete))
        execute(ADD_CHECKPOINT, (*signed, checkpoint.line))
    rows: list[tuple[int, int, int, bytes | None]] = []
    for posting in request.postings:
        numbers = posting.leaf_nos
        if len(numbers) == 1:  # most are: a customer's single entry in a stretch
            rows.append((numbers[0] // EPOCH_LEAVES, posting.key, numbers[0], None))
        else:
            rows += _posting_rows(posting)
    rows.sort(key=_place)  # in the order of the tree, so that each page is met once
    connection.executemany(ADD_POSTING, rows)


# ── Postings ────────────────────────────────────────────────────────────────────────────────────────────


def read_posted(connection: Connection, request: ReadPosted) -> list[LeafRow]:
    """Return a tenant's leaves under a key; looks at one place of the tree for each epoch, and no further."""
    found: list[LeafRow] = []
    tenant = packed(request.tenant_id)
    for leaf_no in _posted(connection, request):
        found += [_leaf(*row) for row in connection.execute(LEAF, (leaf_no, tenant))]
        if len(found) == request.limit:
            break
    return found


def _posted(connection: Connection, request: ReadPosted) -> Iterator[int]:
    """Yield the numbers under a key, of all tenants whose key it may be."""
    epochs = connection.execute(EPOCHS).fetchone()
    if epochs is None or epochs[0] is None:
        return
    first, last = epochs
    execute, key, beyond = connection.execute, request.key, request.beyond
    start = beyond // EPOCH_LEAVES
    if request.newest_first:
        for epoch in range(min(last, start), first - 1, -1):
            for leaf_no, more in execute(POSTED_BACKWARDS, (epoch, key, beyond)):
                yield from (number for number in reversed(_numbers(leaf_no, more)) if number < beyond)
        return
    # Rows that begin before that number may have later ones in them: its epoch is looked at from the start.
    for epoch in range(max(first, start), last + 1):
        for leaf_no, more in execute(POSTED, (epoch, key)):
            yield from (number for number in _numbers(leaf_no, more) if number > beyond)


_place = itemgetter(0, 1, 2)


def _posting_rows(posting: Posting) -> Iterator[tuple[int, int, int, bytes | None]]:
    """Yield a row for each epoch that a posting touches: its first number, and those after it."""
    of_epoch: dict[int, list[int]] = {}
    for leaf_no in posting.leaf_nos:
        of_epoch.setdefault(leaf_no // EPOCH_LEAVES, []).append(leaf_no)
    for epoch, (first, *others) in of_epoch.items():
        more = b"".join(number.to_bytes(_NUMBER_BYTES, "big", signed=True) for number in others)
        yield epoch, posting.key, first, more or None


def _numbers(leaf_no: int, more: bytes | None) -> list[int]:
    if more is None:
        return [leaf_no]
    starts = range(0, len(more), _NUMBER_BYTES)
    return [leaf_no, *(int.from_bytes(more[at : at + _NUMBER_BYTES], "big", signed=True) for at in starts)]


# ── Rows that were edited ───────────────────────────────────────────────────────────────────────────────


def _tenant_text(tenant: bytes) -> str:
    """Return a tenant's GUID; of bytes that are none, their digits, which are no tenant's."""
    return unpacked(tenant) if len(tenant) == 16 else tenant.hex()


def _instant(at: int) -> datetime:
    """Return an instant; one that no calendar has is the end of time."""
    try:
        return instant_at(at)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)
