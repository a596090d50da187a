"""The audit trail as a chain: leaves are sealed into blocks that are chained and signed, and checkpointed.

Leaves are written with the deeds they tell of, and sealed afterwards, a stretch at a time, so that no deed
waits for a chain. A block holds the number and digest of each of its leaves, the link of the block before it
and a signature, one chain a tenant. With each stretch a checkpoint over the heads of all chains is signed,
and the postings are written by which leaves are found. It must never know a store or a key: both come through
ports.
"""

import hashlib
from collections.abc import Generator, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any

import msgspec

from customary.app.checkpoints import (
    FORMAT,
    NOTHING_BEFORE,
    Checkpoint,
    Damaged,
    Pin,
    Signing,
    at_text,
    checkpoint_of,
    line_digest,
    signed_line,
)
from customary.app.ports import (
    BlockRow,
    CheckpointRow,
    Dice,
    Engine,
    LeafRow,
    ReadBlocks,
    ReadCheckpoints,
    ReadLeaves,
    ReadUnsealed,
    WriteBlocks,
)
from customary.app.postings import leaf_of, postings_of
from customary.domain.audit import Leaf
from customary.domain.errors import Conflict, Unavailable

LEAVES_A_BLOCK_MAX = 500
"""How many leaves are sealed at a time: few enough that no request notices."""

LEAVES_A_TURN_MAX = 20 * LEAVES_A_BLOCK_MAX
"""How many leaves are sealed before their checkpoints are brought away, however many are left."""

HEADS_ALWAYS_COMPLETE = 16
"""Up to this many tenants every checkpoint has all heads; a line of them is some three kilobytes."""

LINES_AT_ONCE = 100
"""How many checkpoints are read at a time: a line may have many heads."""

COMPLETE_EVERY = 4096
"""With more tenants, one checkpoint in so many has all heads, and the others those that moved."""

GENESIS = bytes(32)
_NUMBER_BYTES = 8
_DIGEST_BYTES = 32
ENTRY_BYTES = _NUMBER_BYTES + _DIGEST_BYTES


class Head(msgspec.Struct, frozen=True, gc=False):
    """Where one tenant's chain stands: its last block, and how many leaves it has in all."""

    block_no: int
    link: bytes
    leaf_no: int
    leaves: int


class Standing(msgspec.Struct, frozen=True):
    """Where all chains stand after checkpoint ``number``, whose line has that digest."""

    number: int
    line_digest: str
    complete_no: int
    heads: Mapping[str, Head]


class Sealed(msgspec.Struct, frozen=True):
    """What one stretch has led to."""

    standing: Standing
    leaves: int


class Sealer:
    """Seals what is unsealed, stretch by stretch, and remembers where the chains stand in between."""

    def __init__(self, engine: Engine, signing: Signing, dice: Dice, store_id: str) -> None:
        self._engine = engine
        self._signing = signing
        self._dice = dice
        self._store_id = store_id
        self._standing: Standing | None = None

    async def seal(self) -> int:
        """Seal what is unsealed, up to ``LEAVES_A_TURN_MAX`` leaves; return how many that were.

        Raises Unavailable while the chains do not stand where the last checkpoint says, and what the engine
        raises; what was sealed before stays sealed.
        """
        sealed_count = 0
        standing, self._standing = self._standing, None  # forgotten unless all goes well
        if standing is None:
            standing = await self._engine.scan(standing_of)
            if not standing.number:
                await self._find_again(standing)
        while sealed_count < LEAVES_A_TURN_MAX:
            sealing = partial(sealed, self._signing, self._store_id, self._dice.now(), standing)
            try:
                done: Sealed | None = await self._engine.perform(sealing)
            except Conflict:  # another server was first: it has sealed them
                return sealed_count
            if done is None:
                break
            standing = done.standing
            sealed_count += done.leaves
            # Until a block is not full: under load there is always a leaf more.
            if done.leaves < LEAVES_A_BLOCK_MAX:
                break
        self._standing = standing
        return sealed_count

    async def _find_again(self, standing: Standing) -> None:
        """Write the postings of blocks that were sealed before there were any, and no checkpoint either."""
        for tenant_id, head in standing.heads.items():
            for block_no in range(1, head.block_no + 1):
                await self._engine.perform(partial(_post_block, tenant_id, block_no))


def standing_of() -> Generator[Any, Any, Standing]:
    """Return where the chains stand, by the last checkpoints; Unavailable if the blocks say otherwise."""
    rows: list[BlockRow] = yield ReadBlocks()
    blocks = {row.tenant_id: row for row in rows}
    complete: list[CheckpointRow] = yield ReadCheckpoints(newest_first=True, limit=1, complete=True)
    if not complete:
        heads = yield from _counted(blocks)
        return Standing(0, NOTHING_BEFORE, 0, heads)
    pins: dict[str, Pin] = {}
    number, digest = complete[0].checkpoint_no - 1, ""
    while True:
        lines: list[CheckpointRow] = yield ReadCheckpoints(after=number, limit=LINES_AT_ONCE)
        for row in lines:
            try:
                pins |= {pin.tenant: pin for pin in checkpoint_of(row.line).tenants}
            except Damaged:
                raise Unavailable(detail=f"checkpoint {row.checkpoint_no} in the store is damaged") from None
            number, digest = row.checkpoint_no, line_digest(row.line)
        if not lines:
            break
    if {tenant: (pin.block, pin.link) for tenant, pin in pins.items()} != {
        tenant: (row.block_no, row.link.hex()) for tenant, row in blocks.items()
    }:
        raise Unavailable(detail="the trail does not stand where its last checkpoint says: audit verify it")
    heads = {
        tenant: Head(pin.block, bytes.fromhex(pin.link), pin.leaf, pin.leaves) for tenant, pin in pins.items()
    }
    return Standing(number, digest, complete[0].checkpoint_no, heads)


def sealed(
    signing: Signing, store_id: str, instant: datetime, standing: Standing
) -> Generator[Any, Any, Sealed | None]:
    """Seal the next leaves into a block a tenant, a bounded number; None if there are none.

    Blocks, checkpoint and postings are committed together.
    """
    leaves: list[LeafRow] = yield ReadUnsealed(LEAVES_A_BLOCK_MAX)
    if not leaves:
        return None
    by_tenant: dict[str, list[LeafRow]] = {}
    for leaf in leaves:
        by_tenant.setdefault(leaf.tenant_id, []).append(leaf)
    blocks = tuple(
        _block(signing, instant, standing.heads.get(tenant_id), stretch)
        for tenant_id, stretch in by_tenant.items()
    )
    moved = {
        block.tenant_id: _head_after(standing.heads.get(block.tenant_id), block, by_tenant[block.tenant_id])
        for block in blocks
    }
    heads = {**standing.heads, **moved}
    number = standing.number + 1
    complete = (
        len(heads) <= HEADS_ALWAYS_COMPLETE
        or not standing.complete_no
        or number - standing.complete_no >= COMPLETE_EVERY
    )
    line = signed_line(
        signing,
        Checkpoint(
            kind="checkpoint",
            format=FORMAT,
            store=store_id,
            number=number,
            at=at_text(instant),
            before=standing.line_digest,
            complete=complete,
            tenants=_pins(heads if complete else moved),
            key="",
        ),
    )
    yield WriteBlocks(blocks, CheckpointRow(number, instant, complete, line), postings_of(leaves))
    complete_no = number if complete else standing.complete_no
    return Sealed(Standing(number, line_digest(line), complete_no, heads), len(leaves))


def gone_back(
    signing: Signing, store_id: str, instant: datetime, after: bytes, why: str
) -> Generator[Any, Any, bytes]:
    """Sign that the store has gone back behind the checkpoint ``after``, which is kept elsewhere.

    Returns the line, which goes on after that one, for the place where it is kept; the store has it, too,
    and its next checkpoint goes on from it. To be done by whoever restores a backup, or accepts one.
    Damaged if ``after`` is no checkpoint.
    """
    kept = checkpoint_of(after)
    rows: list[BlockRow] = yield ReadBlocks()
    heads = yield from _counted({row.tenant_id: row for row in rows})
    last: list[CheckpointRow] = yield ReadCheckpoints(newest_first=True, limit=1)
    to = last[0].checkpoint_no if last else 0
    number = max(kept.number, to) + 1
    line = signed_line(
        signing,
        Checkpoint(
            kind="restored",
            format=FORMAT,
            store=store_id,
            number=number,
            at=at_text(instant),
            before=line_digest(after),
            complete=True,
            tenants=_pins(heads),
            key="",
            to=to,
            to_line=line_digest(last[0].line) if last else NOTHING_BEFORE,
            why=why,
        ),
    )
    yield WriteBlocks((), CheckpointRow(number, instant, True, line))
    return line


def list_leaves(
    after: int = 0, limit: int = 1000, tenant_id: str | None = None
) -> Generator[Any, Any, list[tuple[int, Leaf]]]:
    """Return leaves with their numbers, in order, but for those that somebody has made unreadable."""
    rows: list[LeafRow] = yield ReadLeaves(after=after, limit=limit, tenant_id=tenant_id)
    return [(row.leaf_no, leaf) for row in rows if (leaf := leaf_of(row)) is not None]


def _counted(blocks: Mapping[str, BlockRow]) -> Generator[Any, Any, dict[str, Head]]:
    """Return the heads of these last blocks, the leaves of all blocks counted one by one."""
    heads: dict[str, Head] = {}
    for tenant_id, head in blocks.items():
        leaves = after = 0
        while after < head.block_no:
            page: list[BlockRow] = yield ReadBlocks(tenant_id, after=after, limit=100)
            if not page:
                break
            leaves += sum(len(block.digests) // ENTRY_BYTES for block in page)
            after = page[-1].block_no
        heads[tenant_id] = Head(head.block_no, head.link, head.leaf_no_last, leaves)
    return heads


def _post_block(tenant_id: str, block_no: int) -> Generator[Any, Any, None]:
    blocks: list[BlockRow] = yield ReadBlocks(tenant_id, after=block_no - 1, limit=1)
    for block in blocks:
        count = len(block.digests) // ENTRY_BYTES
        leaves: list[LeafRow] = yield ReadLeaves(block.leaf_no_first - 1, count, tenant_id)
        yield WriteBlocks((), postings=postings_of(leaves))


def _pins(heads: Mapping[str, Head]) -> tuple[Pin, ...]:
    return tuple(
        Pin(tenant_id, head.block_no, head.link.hex(), head.leaf_no, head.leaves)
        for tenant_id, head in sorted(heads.items())
    )


def _head_after(head: Head | None, block: BlockRow, leaves: list[LeafRow]) -> Head:
    before = 0 if head is None else head.leaves
    return Head(block.block_no, block.link, block.leaf_no_last, before + len(leaves))


def _block(signing: Signing, instant: datetime, head: Head | None, leaves: list[LeafRow]) -> BlockRow:
    block = BlockRow(
        tenant_id=leaves[0].tenant_id,
        block_no=1 if head is None else head.block_no + 1,
        leaf_no_first=leaves[0].leaf_no,
        leaf_no_last=leaves[-1].leaf_no,
        at=instant,
        digests=b"".join(entry_of(leaf.leaf_no, leaf_digest(leaf.leaf_no, leaf.body)) for leaf in leaves),
        link=b"",
        signature=b"",
    )
    link = link_of(GENESIS if head is None else head.link, block)
    return msgspec.structs.replace(block, link=link, signature=signing.signed(link))


# ── Digests and links ───────────────────────────────────────────────────────────────────────────────────
#
# Numbers are signed because a row that somebody has edited may hold any number at all.


def leaf_digest(leaf_no: int, body: bytes) -> bytes:
    """Return the digest of a leaf; the prefix keeps leaves and blocks apart, as in RFC 9162."""
    return hashlib.sha256(b"\x00" + leaf_no.to_bytes(_NUMBER_BYTES, "big", signed=True) + body).digest()


def link_of(before: bytes, block: BlockRow) -> bytes:
    """Return the digest that chains a block to the one before it."""
    numbers = (block.block_no, block.leaf_no_first, block.leaf_no_last, len(block.digests))
    digest = hashlib.sha256(b"\x01" + before + block.tenant_id.encode("ascii") + b"\x00")
    digest.update(at_text(block.at).encode("ascii"))
    digest.update(b"".join(number.to_bytes(_NUMBER_BYTES, "big", signed=True) for number in numbers))
    digest.update(hashlib.sha256(block.digests).digest())
    return digest.digest()


def entry_of(leaf_no: int, digest: bytes) -> bytes:
    """Return a leaf's number and digest as a block has them."""
    return leaf_no.to_bytes(_NUMBER_BYTES, "big", signed=True) + digest


def entries(digests: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield number and digest of each leaf of a block."""
    for start in range(0, len(digests) - len(digests) % ENTRY_BYTES, ENTRY_BYTES):
        entry = digests[start : start + ENTRY_BYTES]
        yield int.from_bytes(entry[:_NUMBER_BYTES], "big", signed=True), entry[_NUMBER_BYTES:]
