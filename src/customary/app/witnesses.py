"""Checkpoints as witnesses: each is judged by itself, by those around it, and then the blocks by it.

A line is believed if the trail's key has signed it and it is of this store. Two genuine lines that contradict
each other, or the blocks, show that somebody who has the key has made the trail anew. It must never know
where lines are kept.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

import msgspec

from customary.app.chains import Finding
from customary.app.checkpoints import (
    NOTHING_BEFORE,
    Checkpoint,
    Damaged,
    Pin,
    Signatures,
    at_text,
    checkpoint_of,
    is_genuine,
    line_digest,
)
from customary.app.ports import BlockRow, CheckpointRow, ReadBlocks, ReadCheckpoints
from customary.app.trail import LINES_AT_ONCE

HEARD_EVERY = 500


class Kept(msgspec.Struct, frozen=True):
    """Checkpoints that were kept outside the store: a name for people, and the lines each time they are asked
    for, from the oldest to the newest, without line feeds.
    """

    name: str
    lines: Callable[[], Iterator[bytes]]


class _Source:
    """Checkpoints from one place, in their order: what was met last, and what has been said already."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.before: tuple[int, str] | None = None
        self.gap = False
        self.said: set[tuple[str, str]] = set()
        self.agreed: dict[str, Pin] = {}


class Witnesses:
    """Judges checkpoints and, by them, the blocks of one store."""

    def __init__(
        self,
        signatures: Signatures,
        store_id: str,
        finding: Finding,
        heard: Callable[[Finding], None],
        *,
        has_checkpoints: bool = True,
        has_blocks: bool = True,
        only_tenant: str = "",
    ) -> None:
        """Judge a whole store, or something that has no checkpoints, no blocks, or one tenant's only."""
        self._only_tenant = only_tenant
        self._has_checkpoints = has_checkpoints
        self._has_blocks = has_blocks
        self._signatures = signatures
        self._store_id = store_id
        self._finding = finding
        self._heard = heard
        self._void: list[tuple[int, int]] = []

    def of_store(self, last: CheckpointRow | None) -> Generator[Any, Any, dict[str, Pin]]:
        """Judge the store's own checkpoints up to ``last``; return what the newest say of each tenant."""
        source = _Source("the store")
        pins: dict[str, Pin] = {}
        after = -1
        while last is not None and after < last.checkpoint_no:
            rows: list[CheckpointRow] = yield ReadCheckpoints(after=after, limit=LINES_AT_ONCE)
            for row in rows:
                if row.checkpoint_no > last.checkpoint_no:
                    break
                checkpoint = self._judged(source, f"checkpoint {row.checkpoint_no} of the store", row.line)
                if checkpoint is None:
                    continue
                beside = (row.checkpoint_no, at_text(row.at), row.complete)
                if beside != (checkpoint.number, checkpoint.at, checkpoint.complete):
                    self._say(source, "what stands beside the checkpoint was edited", _named(checkpoint))
                if checkpoint.complete:
                    pins = {}
                pins |= {pin.tenant: pin for pin in checkpoint.tenants}
                yield from self._compare(source, _named(checkpoint), checkpoint)
            if not rows:
                break
            after = rows[-1].checkpoint_no
        return pins

    def of_file(self, kept: Kept, others: Sequence[Kept]) -> Generator[Any, Any, None]:
        """Judge the checkpoints of one place, and the store by them.

        Between a checkpoint to which the store was put back and the line that says so, nothing is in the
        store any more: such lines are judged by themselves only. All places, ``others``, are asked for them.
        """
        self._void = _ranges(self._signatures, others)
        source = _Source(kept.name)
        stored = _Stored()
        for line_no, line in enumerate(kept.lines(), 1):
            where = f"{kept.name}, line {line_no}"
            checkpoint = self._judged(source, where, line)
            if checkpoint is None:
                continue
            where = f"{where}, checkpoint {checkpoint.number}"
            if checkpoint.kind == "restored":
                self._finding.notes.append(
                    f"{where}: the store was put back to checkpoint {checkpoint.to} at {checkpoint.at}"
                )
                source.agreed.clear()
            if any(to < checkpoint.number < number for to, number in self._void):
                continue
            if self._has_checkpoints:
                row: CheckpointRow | None = yield from stored.of(checkpoint.number)
                if row is None:
                    self._say(source, "the store has no checkpoint of this number: it is older or cut", where)
                elif row.line != line:
                    self._say(source, "the store has another checkpoint of this number: a fork", where)
            if self._has_blocks:
                yield from self._compare(source, where, checkpoint)

    def _judged(self, source: _Source, where: str, line: bytes) -> Checkpoint | None:
        """Judge a line by itself and by the one before it; None if it is not to be believed."""
        self._finding.checkpoints += 1
        if self._finding.checkpoints % HEARD_EVERY == 0:
            self._heard(self._finding)
        try:
            checkpoint = checkpoint_of(line)
        except Damaged as damaged:
            self._finding.add(str(damaged), checkpoint=where)
            source.gap = True
            return None
        if checkpoint.store != self._store_id:
            self._say(source, "the checkpoint is of another store", where)
            return None
        if not is_genuine(self._signatures, line):
            self._finding.add("the checkpoint's signature is not the trail's", checkpoint=where)
            source.gap = True
            return None
        if not self._continues(source, checkpoint):
            self._finding.add("the checkpoint does not follow the one before it", checkpoint=where)
        source.before, source.gap = (checkpoint.number, line_digest(line)), False
        return checkpoint

    def _continues(self, source: _Source, checkpoint: Checkpoint) -> bool:
        number, digest = source.before or (0, NOTHING_BEFORE)
        in_store = source.name == "the store"
        if source.before is None and not in_store:
            return True  # a file may begin anywhere
        if checkpoint.kind == "restored":
            named = (checkpoint.to, checkpoint.to_line) if in_store else (number, checkpoint.before)
            return checkpoint.number > number and (source.gap or named == (number, digest))
        if source.gap:
            return checkpoint.number > number
        return (checkpoint.number, checkpoint.before) == (number + 1, digest)

    def _compare(self, source: _Source, where: str, checkpoint: Checkpoint) -> Generator[Any, Any, None]:
        """Compare the blocks with what a checkpoint says; the first difference of a tenant is told."""
        for pin in checkpoint.tenants:
            agreed = source.agreed.get(pin.tenant)
            if pin == agreed or (pin.tenant, "pin") in source.said:
                continue
            if self._only_tenant not in ("", pin.tenant):
                continue
            blocks: list[BlockRow] = yield ReadBlocks(pin.tenant, after=pin.block - 1, limit=1)
            if not blocks or blocks[0].block_no != pin.block:
                what = "the block that was checkpointed is gone"
            elif (blocks[0].link.hex(), blocks[0].leaf_no_last) != (pin.link, pin.leaf):
                what = "the block, or one before it, is not the one that was checkpointed"
            else:
                source.agreed[pin.tenant] = pin
                continue
            if agreed is not None:
                what += f" (block {agreed.block} still is)"
            source.said.add((pin.tenant, "pin"))
            self._finding.add(what, pin.tenant, pin.block, pin.leaf, where)

    def _say(self, source: _Source, what: str, where: str) -> None:
        """Tell a flaw that every later line of the same place is bound to have, too, once."""
        if ("", what) not in source.said:
            source.said.add(("", what))
            self._finding.add(what, checkpoint=where)


class _Stored:
    """The store's checkpoints, asked for in the order of numbers."""

    def __init__(self) -> None:
        self._rows: dict[int, CheckpointRow] = {}

    def of(self, number: int) -> Generator[Any, Any, CheckpointRow | None]:
        """Return the checkpoint of that number, or None."""
        if number not in self._rows:
            rows: list[CheckpointRow] = yield ReadCheckpoints(after=number - 1, limit=LINES_AT_ONCE)
            self._rows = {row.checkpoint_no: row for row in rows}
        return self._rows.get(number)


def _ranges(signatures: Signatures, kept: Sequence[Kept]) -> list[tuple[int, int]]:
    """Return the checkpoints between which the store was put back, as these lines say."""
    found = set()
    for source in kept:
        for line in source.lines():
            if not line.startswith(b'{"kind":"restored"'):
                continue
            try:
                checkpoint = checkpoint_of(line)
            except Damaged:
                continue
            if is_genuine(signatures, line):
                found.add((checkpoint.to, checkpoint.number))
    return sorted(found)


def _named(checkpoint: Checkpoint) -> str:
    return f"checkpoint {checkpoint.number} of the store"
