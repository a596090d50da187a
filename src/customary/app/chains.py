"""The chain of one tenant, walked beside its leaves; and what is said of what is not as it was sealed.

Whatever stands in a row may have been put there by somebody else, and must not stop the walk. It must never
know where blocks and leaves come from.
"""

from collections.abc import Generator, Iterator
from typing import Any

import msgspec

from customary.app.checkpoints import Signatures
from customary.app.performing import instant_text
from customary.app.ports import BlockRow, LeafRow, ReadBlocks
from customary.app.postings import leaf_of
from customary.app.trail import ENTRY_BYTES, GENESIS, entries, leaf_digest, link_of

FLAWS_KEPT_MAX = 1000
"""How many flaws are told one by one; of a trail that was wiped out there would be as many as leaves."""


class Flaw(msgspec.Struct, frozen=True):
    """Something that is not as it was sealed.

    ``leaf_no`` 0 means the block itself, ``block_no`` 0 the checkpoint; ``checkpoint`` names the one that
    says so, where it is one.
    """

    tenant_id: str
    block_no: int
    leaf_no: int
    what: str
    checkpoint: str = ""


class Finding(msgspec.Struct):
    """What a verification found: how much was looked at, how many flaws, the first of them, and notes."""

    leaves: int = 0
    blocks: int = 0
    unsealed: int = 0
    checkpoints: int = 0
    flaw_count: int = 0
    flaws: list[Flaw] = msgspec.field(default_factory=list)
    notes: list[str] = msgspec.field(default_factory=list)

    def add(
        self, what: str, tenant_id: str = "", block_no: int = 0, leaf_no: int = 0, checkpoint: str = ""
    ) -> None:
        """Count a flaw, and keep it if it is one of the first."""
        self.flaw_count += 1
        if len(self.flaws) < FLAWS_KEPT_MAX:
            self.flaws.append(Flaw(tenant_id, block_no, leaf_no, what, checkpoint))


class Chain:
    """Walks the blocks of one tenant, up to block ``to``, beside its leaves in the order of their numbers."""

    def __init__(self, tenant_id: str, to: int, signatures: Signatures, finding: Finding) -> None:
        self.tenant_id = tenant_id
        self.leaves = 0
        self._to = to
        self._signatures = signatures
        self._finding = finding
        self._block_no = 0
        self._link = GENESIS
        self._leaf_no_last = 0
        self._expected: Iterator[tuple[int, bytes]] = iter(())
        self._next: tuple[int, bytes] | None = None

    def compare(self, leaf: LeafRow) -> Generator[Any, Any, None]:
        """Compare one leaf with what is sealed for its number."""
        yield from self._advance()
        while self._next is not None and self._next[0] < leaf.leaf_no:
            self._flaw(self._next[0], "a leaf was deleted")
            self._next = next(self._expected, None)
            yield from self._advance()
        if self._next is None:
            self._finding.unsealed += 1
            if leaf.leaf_no <= self._leaf_no_last:
                self._flaw(leaf.leaf_no, "a leaf was inserted")
        elif self._next[0] > leaf.leaf_no:
            self._flaw(leaf.leaf_no, "a leaf was inserted")
        else:
            if self._next[1] != leaf_digest(leaf.leaf_no, leaf.body):
                self._flaw(leaf.leaf_no, "a leaf was edited")
            elif not _is_its_own(leaf):
                self._flaw(leaf.leaf_no, "the time or tenant beside a leaf was edited")
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
        while self._next is None and self._block_no < self._to:
            blocks: list[BlockRow] = yield ReadBlocks(self.tenant_id, after=self._block_no, limit=1)
            if not blocks:
                self._flaw(0, "the block was deleted", self._block_no + 1)
                self._block_no = self._to
                return
            self._check(blocks[0])
            self._expected = entries(blocks[0].digests)
            self._next = next(self._expected, None)

    def _check(self, block: BlockRow) -> None:
        self._finding.blocks += 1
        numbers = [leaf_no for leaf_no, _ in entries(block.digests)]
        self.leaves += len(numbers)
        if block.block_no != self._block_no + 1:
            self._flaw(0, "a block was deleted before this one", block.block_no)
        elif link_of(self._link, block) != block.link:
            self._flaw(0, "the block does not continue the chain", block.block_no)
        if not self._signatures.is_signed(block.link, block.signature):
            self._flaw(0, "the block's signature is not the trail's", block.block_no)
        ends = (block.leaf_no_first, block.leaf_no_last)
        if not numbers or len(block.digests) % ENTRY_BYTES or (numbers[0], numbers[-1]) != ends:
            self._flaw(0, "the block does not hold the leaves it names", block.block_no)
        if numbers != sorted(set(numbers)) or block.leaf_no_first <= self._leaf_no_last:
            self._flaw(0, "the block overlaps itself or the one before it", block.block_no)
        self._block_no = block.block_no
        self._link = block.link
        self._leaf_no_last = block.leaf_no_last

    def _flaw(self, leaf_no: int, what: str, block_no: int | None = None) -> None:
        self._finding.add(what, self.tenant_id, self._block_no if block_no is None else block_no, leaf_no)


def _is_its_own(row: LeafRow) -> bool:
    """Return whether what stands beside a leaf, for looking it up, is what the leaf itself says."""
    leaf = leaf_of(row)
    return leaf is not None and (leaf.tenant_id, leaf.at) == (row.tenant_id, instant_text(row.at))
