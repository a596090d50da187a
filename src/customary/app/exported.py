"""The trail as a text that proves itself: written line by line, and verified by whoever has the public key.

Leaves come tenant by tenant, after those of a block the block, at the end the last checkpoints. Nothing is in
it that cannot be reckoned again from the leaves but links and signatures. It must never know a file.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from customary.app.chains import Finding
from customary.app.checkpoints import FORMAT, Signatures, at_text
from customary.app.ports import BlockRow, CheckpointRow, LeafRow, ReadBlocks, ReadCheckpoints, ReadLeaves
from customary.app.postings import leaf_of
from customary.app.trail import (
    ENTRY_BYTES,
    GENESIS,
    LINES_AT_ONCE,
    entries,
    entry_of,
    leaf_digest,
    link_of,
)
from customary.app.verification import start
from customary.app.witnesses import Kept, Witnesses

_BLOCKS_AT_ONCE = 20
_HEARD_EVERY = 1_000


class Opening(msgspec.Struct, frozen=True, tag_field="kind", tag="trail"):
    """The first line: of which store this is, the trail's public key, and the tenant, if it is one's only."""

    format: int
    store: str
    key: str
    at: str
    only_tenant: str = ""


class LeafLine(msgspec.Struct, frozen=True, tag_field="kind", tag="leaf"):
    """A leaf. ``entry`` is its body as it is digested, to the byte; ``raw`` is that of no JSON."""

    tenant: str
    leaf: int
    entry: msgspec.Raw = msgspec.Raw(b"null")
    raw: str = ""

    @property
    def body(self) -> bytes:
        """Return the bytes that are digested."""
        return bytes.fromhex(self.raw) if self.raw else bytes(self.entry)


class BlockLine(msgspec.Struct, frozen=True, tag_field="kind", tag="block"):
    """A block over the leaves of its tenant that stand before it, since the last one."""

    tenant: str
    block: int
    first: int
    last: int
    at: str
    link: str
    signature: str


class _CheckpointLine(msgspec.Struct, frozen=True, tag_field="kind", tag="checkpoint"):
    number: int


class _RestoredLine(msgspec.Struct, frozen=True, tag_field="kind", tag="restored"):
    number: int


_decoder = msgspec.json.Decoder(Opening | LeafLine | BlockLine | _CheckpointLine | _RestoredLine)
_encode = msgspec.json.Encoder().encode


# ── Written ─────────────────────────────────────────────────────────────────────────────────────────────


def opening(store_id: str, public_key: bytes, instant: datetime, only_tenant: str) -> bytes:
    """Return the first line."""
    return _encode(Opening(FORMAT, store_id, public_key.hex(), at_text(instant), only_tenant))


def opening_of(line: bytes) -> Opening | None:
    """Return what the first line of an export says, or None if it is none."""
    try:
        return msgspec.json.decode(line, type=Opening)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def outline() -> Generator[Any, Any, tuple[dict[str, BlockRow], list[bytes]]]:
    """Return the last block of each tenant, and the lines of the checkpoints that are over all of them."""
    heads, last = yield from start()
    lines: list[bytes] = []
    complete: list[CheckpointRow] = yield ReadCheckpoints(newest_first=True, limit=1, complete=True)
    if last is None or not complete:
        return heads, lines
    after = min(complete[0].checkpoint_no, last.checkpoint_no) - 1
    while after < last.checkpoint_no:
        rows: list[CheckpointRow] = yield ReadCheckpoints(after=after, limit=LINES_AT_ONCE)
        if not rows:
            break
        lines += [row.line for row in rows if row.checkpoint_no <= last.checkpoint_no]
        after = rows[-1].checkpoint_no
    return heads, lines


def some_blocks(tenant_id: str, after: int, to: int) -> Generator[Any, Any, tuple[list[bytes], int]]:
    """Return the lines of a tenant's next blocks with their leaves, and the number of the last of them."""
    blocks: list[BlockRow] = yield ReadBlocks(tenant_id, after=after, limit=min(_BLOCKS_AT_ONCE, to - after))
    lines: list[bytes] = []
    for block in blocks:
        count = len(block.digests) // ENTRY_BYTES
        leaves: list[LeafRow] = yield ReadLeaves(block.leaf_no_first - 1, count, tenant_id)
        lines += [_leaf_line(leaf) for leaf in leaves if leaf.leaf_no <= block.leaf_no_last]
        lines.append(
            _encode(
                BlockLine(
                    tenant_id,
                    block.block_no,
                    block.leaf_no_first,
                    block.leaf_no_last,
                    at_text(block.at),
                    block.link.hex(),
                    block.signature.hex(),
                )
            )
        )
    return lines, blocks[-1].block_no if blocks else to


def some_leaves(tenant_id: str, after: int) -> Generator[Any, Any, tuple[list[bytes], int]]:
    """Return the lines of a tenant's next leaves after its last block, and the number of the last of them."""
    leaves: list[LeafRow] = yield ReadLeaves(after, tenant_id=tenant_id)
    return [_leaf_line(leaf) for leaf in leaves], leaves[-1].leaf_no if leaves else after


def _leaf_line(leaf: LeafRow) -> bytes:
    if leaf_of(leaf) is None or b"\n" in leaf.body:  # somebody has edited it
        return _encode(LeafLine(leaf.tenant_id, leaf.leaf_no, raw=leaf.body.hex()))
    return _encode(LeafLine(leaf.tenant_id, leaf.leaf_no, msgspec.Raw(leaf.body)))


# ── Verified ────────────────────────────────────────────────────────────────────────────────────────────


def verify_export(
    signatures: Signatures,
    lines: Iterator[bytes],
    kept: Sequence[Kept],
    heard: Callable[[Finding], None],
) -> Finding:
    """Verify an export by itself and by checkpoints that were kept elsewhere.

    Needs memory for each block, and none for each leaf. What was cut off is found by checkpoints only.
    """
    finding = Finding()
    reading = _Reading(signatures, finding)
    for line_no, line in enumerate(lines, 1):
        reading.take(line_no, line)
        if line_no % _HEARD_EVERY == 0:
            heard(finding)
    reading.close()
    own = Kept("the export", lambda: iter(reading.checkpoints))
    witnesses = Witnesses(
        signatures, reading.store_id, finding, heard, has_checkpoints=False, only_tenant=reading.only_tenant
    )
    for source in (own, *kept):
        _drive(witnesses.of_file(source, kept), reading.blocks)
    return finding


def verify_checkpoints(
    signatures: Signatures, store_id: str, kept: Sequence[Kept], heard: Callable[[Finding], None]
) -> Finding:
    """Verify checkpoints by themselves, without their store: signatures, and what follows what."""
    finding = Finding()
    witnesses = Witnesses(signatures, store_id, finding, heard, has_checkpoints=False, has_blocks=False)
    for source in kept:
        _drive(witnesses.of_file(source, kept), {})
    return finding


def _drive(asking: Generator[Any, Any, None], blocks: Mapping[tuple[str, int], BlockRow]) -> None:
    """Answer what is asked about single blocks: there is nothing else that could be asked of an export."""
    request: ReadBlocks | None = next(asking, None)
    while request is not None:
        block = blocks.get((request.tenant_id or "", request.after + 1))
        try:
            request = asking.send([] if block is None else [block])
        except StopIteration:
            return


class _Reading:
    """Takes an export line by line: reckons digests and links again, and compares them with the blocks'."""

    def __init__(self, signatures: Signatures, finding: Finding) -> None:
        self._signatures = signatures
        self._finding = finding
        self._ends: dict[str, BlockRow] = {}
        self._entries: dict[str, list[bytes]] = {}
        self.blocks: dict[tuple[str, int], BlockRow] = {}
        self.checkpoints: list[bytes] = []
        self.store_id = ""
        self.only_tenant = ""

    def take(self, line_no: int, line: bytes) -> None:
        """Take one line; one that is none of an export is a flaw."""
        try:
            told = _decoder.decode(line)
            if isinstance(told, LeafLine):
                entry = entry_of(told.leaf, leaf_digest(told.leaf, told.body))
                self._entries.setdefault(told.tenant, []).append(entry)
                self._finding.leaves += 1
            elif isinstance(told, BlockLine):
                self._compare(told)
            elif isinstance(told, Opening):
                self.store_id, self.only_tenant = told.store, told.only_tenant
            else:
                self.checkpoints.append(line)
        except (msgspec.DecodeError, ValueError, OverflowError):
            self._finding.add(f"line {line_no} is none of an export")

    def close(self) -> None:
        """Count what came after the last blocks."""
        self._finding.unsealed = sum(map(len, self._entries.values()))
        if not self.store_id:
            self._finding.add("the export does not say of which store it is")

    def _compare(self, told: BlockLine) -> None:
        """Reckon a block from its leaves, and compare it with what is said of it."""
        self._finding.blocks += 1
        digests = b"".join(self._entries.pop(told.tenant, []))
        before = self._ends.get(told.tenant)
        block = BlockRow(
            told.tenant,
            told.block,
            told.first,
            told.last,
            datetime.fromisoformat(told.at),
            digests,
            bytes.fromhex(told.link),
            bytes.fromhex(told.signature),
        )
        numbers = [leaf_no for leaf_no, _ in entries(digests)]
        if told.block != (1 if before is None else before.block_no + 1):
            self._finding.add("a block is missing before this one", told.tenant, told.block)
        elif not numbers or (numbers[0], numbers[-1]) != (told.first, told.last):
            self._finding.add("the block does not hold the leaves it names", told.tenant, told.block)
        elif link_of(GENESIS if before is None else before.link, block) != block.link:
            what = "a leaf of the block, or the block, was edited, deleted or inserted"
            self._finding.add(what, told.tenant, told.block, told.first)
        if not self._signatures.is_signed(block.link, block.signature):
            self._finding.add("the block's signature is not the trail's", told.tenant, told.block)
        kept = msgspec.structs.replace(block, digests=b"")
        self._ends[told.tenant] = self.blocks[told.tenant, told.block] = kept
