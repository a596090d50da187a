"""The audit trail as a chain: leaves are sealed into blocks that are chained and signed, and verified.

Leaves are written with the deeds they tell of, and sealed afterwards, a stretch at a time, so that no deed
waits for a chain. A block holds the number and digest of each of its leaves, the link of the block before it
and a signature, one chain a tenant. It must never know a store or a key: both come through ports.
"""

import hashlib
from collections.abc import Generator, Iterator
from datetime import datetime
from typing import Any

import msgspec

from customary.app.ports import (
    BlockRow,
    Dice,
    LeafRow,
    ReadBlocks,
    ReadLeaves,
    ReadUnsealed,
    Vault,
    WriteBlocks,
)
from customary.domain.audit import Leaf

LEAVES_A_BLOCK_MAX = 500
"""How many leaves are sealed at a time: few enough that no request notices."""

_GENESIS = bytes(32)
_NUMBER_BYTES = 8
_DIGEST_BYTES = 32
_ENTRY_BYTES = _NUMBER_BYTES + _DIGEST_BYTES


class Flaw(msgspec.Struct, frozen=True):
    """Something in the trail that is not as it was sealed; ``leaf_no`` 0 means the block itself."""

    tenant_id: str
    block_no: int
    leaf_no: int
    what: str


class Finding(msgspec.Struct):
    """What a verification found: how much was looked at, and every flaw."""

    leaves: int = 0
    blocks: int = 0
    unsealed: int = 0
    flaws: list[Flaw] = msgspec.field(default_factory=list)


def seal(vault: Vault, dice: Dice) -> Generator[Any, Any, int]:
    """Seal the next leaves into a block a tenant, a bounded number; return how many."""
    heads: list[BlockRow] = yield ReadBlocks()
    head_of = {head.tenant_id: head for head in heads}
    leaves: list[LeafRow] = yield ReadUnsealed(LEAVES_A_BLOCK_MAX)
    if not leaves:
        return 0
    by_tenant: dict[str, list[LeafRow]] = {}
    for leaf in leaves:
        by_tenant.setdefault(leaf.tenant_id, []).append(leaf)
    instant = dice.now()
    blocks = [
        _block(vault, instant, head_of.get(tenant_id), stretch) for tenant_id, stretch in by_tenant.items()
    ]
    yield WriteBlocks(tuple(blocks))
    return len(leaves)


def verify(vault: Vault) -> Generator[Any, Any, Finding]:
    """Compare the whole trail with its blocks: every leaf and every block of every tenant.

    Finds edited, deleted, swapped and inserted leaves and blocks. What was cut off the end together with its
    blocks can only be found against a checkpoint that was kept elsewhere.
    """
    finding = Finding()
    chains: dict[str, _Chain] = {}
    after = 0
    while True:
        leaves: list[LeafRow] = yield ReadLeaves(after=after)
        for leaf in leaves:
            chain = chains.get(leaf.tenant_id)
            if chain is None:
                chain = chains[leaf.tenant_id] = _Chain(leaf.tenant_id, vault, finding)
            yield from chain.compare(leaf)
        finding.leaves += len(leaves)
        if not leaves:
            break
        after = leaves[-1].leaf_no
    heads: list[BlockRow] = yield ReadBlocks()
    for head in heads:
        chain = chains.setdefault(head.tenant_id, _Chain(head.tenant_id, vault, finding))
        yield from chain.close()
    return finding


def list_leaves(
    after: int = 0, limit: int = 1000, tenant_id: str | None = None
) -> Generator[Any, Any, list[tuple[int, Leaf]]]:
    """Return leaves with their numbers, in the order of their deeds."""
    rows: list[LeafRow] = yield ReadLeaves(after=after, limit=limit, tenant_id=tenant_id)
    return [(row.leaf_no, msgspec.json.decode(row.body, type=Leaf)) for row in rows]


class _Chain:
    """Walks the blocks of one tenant beside its leaves, which come in the order of their numbers."""

    def __init__(self, tenant_id: str, vault: Vault, finding: Finding) -> None:
        self._tenant_id = tenant_id
        self._vault = vault
        self._finding = finding
        self._block_no = 0
        self._link = _GENESIS
        self._leaf_no_last = 0
        self._expected: Iterator[tuple[int, bytes]] = iter(())
        self._next: tuple[int, bytes] | None = None
        self._ended = False

    def compare(self, leaf: LeafRow) -> Generator[Any, Any, None]:
        """Compare one leaf with what is sealed for its number."""
        yield from self._advance()
        while self._next is not None and self._next[0] < leaf.leaf_no:
            self._flaw(self._next[0], "a leaf was deleted")
            self._next = next(self._expected, None)
            yield from self._advance()
        if self._next is None:
            self._finding.unsealed += 1
        elif self._next[0] > leaf.leaf_no:
            self._flaw(leaf.leaf_no, "a leaf was inserted")
        else:
            if self._next[1] != _leaf_digest(leaf):
                self._flaw(leaf.leaf_no, "a leaf was edited")
            self._next = next(self._expected, None)

    def close(self) -> Generator[Any, Any, None]:
        """Note the leaves that are sealed and were not met."""
        yield from self._advance()
        while self._next is not None:
            self._flaw(self._next[0], "a leaf was deleted")
            self._next = next(self._expected, None)
            yield from self._advance()

    def _advance(self) -> Generator[Any, Any, None]:
        """Have the next sealed entry at hand, reading and checking the next block when one is used up."""
        while self._next is None and not self._ended:
            blocks: list[BlockRow] = yield ReadBlocks(self._tenant_id, after=self._block_no, limit=1)
            if not blocks:
                self._ended = True
                return
            self._check(blocks[0])
            self._expected = _entries(blocks[0].digests)
            self._next = next(self._expected, None)

    def _check(self, block: BlockRow) -> None:
        self._finding.blocks += 1
        if block.block_no != self._block_no + 1:
            self._flaw(0, "a block was deleted before this one", block.block_no)
        elif _link(self._link, block) != block.link:
            self._flaw(0, "the block does not continue the chain", block.block_no)
        if not self._vault.is_signed(block.link, block.signature):
            self._flaw(0, "the block's signature is not the trail's", block.block_no)
        if block.leaf_no_first <= self._leaf_no_last:
            self._flaw(0, "the block overlaps the one before it", block.block_no)
        self._block_no = block.block_no
        self._link = block.link
        self._leaf_no_last = block.leaf_no_last

    def _flaw(self, leaf_no: int, what: str, block_no: int | None = None) -> None:
        self._finding.flaws.append(Flaw(self._tenant_id, block_no or self._block_no, leaf_no, what))


def _block(vault: Vault, instant: datetime, head: BlockRow | None, leaves: list[LeafRow]) -> BlockRow:
    digests = b"".join(leaf.leaf_no.to_bytes(_NUMBER_BYTES, "big") + _leaf_digest(leaf) for leaf in leaves)
    block = BlockRow(
        tenant_id=leaves[0].tenant_id,
        block_no=1 if head is None else head.block_no + 1,
        leaf_no_first=leaves[0].leaf_no,
        leaf_no_last=leaves[-1].leaf_no,
        at=instant,
        digests=digests,
        link=b"",
        signature=b"",
    )
    link = _link(_GENESIS if head is None else head.link, block)
    return msgspec.structs.replace(block, link=link, signature=vault.signed(link))


def _leaf_digest(leaf: LeafRow) -> bytes:
    """Return the digest of a leaf; the prefix keeps leaves and blocks apart, as in RFC 9162."""
    return hashlib.sha256(b"\x00" + leaf.leaf_no.to_bytes(_NUMBER_BYTES, "big") + leaf.body).digest()


def _link(before: bytes, block: BlockRow) -> bytes:
    """Return the digest that chains a block to the one before it."""
    at = block.at.isoformat(timespec="microseconds").encode("ascii")
    numbers = (block.block_no, block.leaf_no_first, block.leaf_no_last, len(block.digests))
    digest = hashlib.sha256(b"\x01" + before + block.tenant_id.encode("ascii") + b"\x00" + at)
    digest.update(b"".join(number.to_bytes(_NUMBER_BYTES, "big") for number in numbers))
    digest.update(hashlib.sha256(block.digests).digest())
    return digest.digest()


def _entries(digests: bytes) -> Iterator[tuple[int, bytes]]:
    for start in range(0, len(digests), _ENTRY_BYTES):
        entry = digests[start : start + _ENTRY_BYTES]
        yield int.from_bytes(entry[:_NUMBER_BYTES], "big"), entry[_NUMBER_BYTES:]
