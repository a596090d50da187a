"""Keeps the audit trail while a server runs: seals it, and brings checkpoints to where they are kept.

A deed that nobody could ever prove must not be done. So when the trail cannot be sealed or a checkpoint
cannot be written for longer than a moment, changes and clear readings are refused until it goes on; masked
readings are not. It must never know what a deed is.
"""

import asyncio
import time
from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any, Protocol

from customary import log
from customary.app.checkpoints import Damaged, Pin, checkpoint_of, is_genuine, line_digest
from customary.app.ports import BlockRow, CheckpointRow, ReadBlocks, ReadCheckpoints
from customary.app.trail import LEAVES_A_TURN_MAX, LINES_AT_ONCE, gone_back
from customary.bootstrap.checkpoint_file import CheckpointFile, CheckpointOutput, End
from customary.bootstrap.house import House
from customary.config import Settings
from customary.domain.errors import Conflict, CustomaryError
from customary.shapes import ConfigurationError

SEAL_SECONDS = 1.0

_log = log.get("audit")


class Place(Protocol):
    """Where checkpoints are brought to. It may block, and is used on a thread."""

    def reached(self) -> int | None:
        """Return the number of the last checkpoint that is there, or None if it shall begin with any."""

    def append(self, rows: Sequence[CheckpointRow]) -> None:
        """Take these checkpoints; what is there already is left out."""


class Auditing:
    """Seals the trail each second and brings the checkpoints to their places.

    ``halt`` is told whether deeds that leave an entry are to be refused.
    """

    def __init__(
        self, house: House, places: Sequence[Place], halt: Callable[[bool], None], grace_seconds: float
    ) -> None:
        self._house = house
        self._places = places
        self._halt = halt
        self._grace_seconds = grace_seconds
        self._troubled_since: float | None = None
        self.is_failing = False
        self.failure_count = 0

    async def keep(self) -> None:
        """Take turns for ever, a second apart, or at once while more is left to seal."""
        while True:
            try:
                behind = await self.take_turn()
            except (CustomaryError, OSError) as error:
                behind = False
                self.failure_count += 1
                detail = error.detail if isinstance(error, CustomaryError) else error.strerror
                _log.warning("the audit trail is not kept", error=type(error).__name__, detail=detail)
            if not behind:
                await asyncio.sleep(SEAL_SECONDS)

    async def take_turn(self) -> bool:
        """Seal and bring the checkpoints where they belong; return whether more is left to seal."""
        # From its beginning until it has gone well a turn is in trouble: it may also hang.
        if self._troubled_since is None:
            self._troubled_since = time.monotonic()
        sealed_count = await self._house.sealer.seal()
        for place in self._places:
            await self._bring(place)
        self._troubled_since = None
        self.judge()
        return sealed_count >= LEAVES_A_TURN_MAX

    def judge(self) -> None:
        """Halt deeds, or let them go on. To be called often: a turn that hangs cannot do it itself."""
        since = self._troubled_since
        failing = since is not None and time.monotonic() - since > self._grace_seconds
        if failing != self.is_failing:
            self.is_failing = failing
            self._halt(failing)
            if failing:
                _log.error("the audit trail cannot be kept: changes and clear readings are refused")
            else:
                _log.info("the audit trail is kept again: changes and clear readings go on")

    async def _bring(self, place: Place) -> None:
        """Bring a place all checkpoints that it has not got yet."""
        reached = await asyncio.to_thread(place.reached)
        while True:
            rows: list[CheckpointRow] = await self._house.engine.scan(partial(_due, reached))
            if not rows:
                return
            await asyncio.to_thread(place.append, rows)
            reached = rows[-1].checkpoint_no


class FilePlace:
    """The file of checkpoints, which is looked at each time: it may have gone, or have been moved away."""

    def __init__(self, file: CheckpointFile) -> None:
        self._file = file

    def reached(self) -> int | None:
        """Return the number of its last line; OSError unless it can be written."""
        self._file.probe()
        return self._file.end().number or None

    def append(self, rows: Sequence[CheckpointRow]) -> None:
        """Append what is not there yet, to the disk."""
        self._file.append(rows)


class OutputPlace:
    """Standard output, which has no memory: it begins with what comes after the start."""

    def __init__(self, output: CheckpointOutput) -> None:
        self._output = output

    def reached(self) -> int | None:
        """Return the number of the last checkpoint that was written, or was there at the start."""
        return self._output.number

    def append(self, rows: Sequence[CheckpointRow]) -> None:
        """Write what was not written yet."""
        self._output.append(rows)


def _due(reached: int | None) -> Generator[Any, Any, list[CheckpointRow]]:
    """Return the next checkpoints after that number; where there are none yet, from a complete one on."""
    if reached is None:
        last: list[CheckpointRow] = yield ReadCheckpoints(newest_first=True, limit=1, complete=True)
        if not last:
            return []
        reached = last[0].checkpoint_no - 1
    rows: list[CheckpointRow] = yield ReadCheckpoints(after=reached, limit=LINES_AT_ONCE)
    return rows


def last_number(house: House) -> int:
    """Return the number of the store's last checkpoint, or 0."""
    return house.engine.read_now(_last_number)


def _last_number() -> Generator[Any, Any, int]:
    rows: list[CheckpointRow] = yield ReadCheckpoints(newest_first=True, limit=1)
    return rows[0].checkpoint_no if rows else 0


# ── The start, and after a restore ──────────────────────────────────────────────────────────────────────


def checkpoint_file(settings: Settings, store_id: str) -> CheckpointFile | None:
    """Return the file that is to be kept outside the data folder, or None where none is asked for.

    Raises ConfigurationError if its folder is not there, or lies in the data folder.
    """
    folder = settings.checkpoint_dir
    if folder is None:
        return None
    if not folder.is_dir():
        raise ConfigurationError("checkpoint_dir", "the settings", "a folder that is there; make it first")
    if folder.resolve().is_relative_to(settings.data.resolve()):
        raise ConfigurationError(
            "checkpoint_dir", "the settings", "a folder outside the data folder, best on another machine"
        )
    return CheckpointFile(folder, store_id)


class OlderStore(Conflict):
    """The store does not stand where its last checkpoint, which was kept elsewhere, says."""


def require_up_to_date(house: House, file: CheckpointFile) -> None:
    """Compare the store with the last checkpoint of the file; OlderStore if somebody has put it back."""
    end = _believed_end(house, file)
    if end.line and not house.engine.read_now(partial(_agrees, end)):
        raise OlderStore(
            f"The data folder is older than the last checkpoint in {file.path}, or was made anew",
            detail=f"checkpoint {end.number}",
        )


def accept_older(house: House, file: CheckpointFile, why: str) -> int | None:
    """Go on after the file's last checkpoint although the store was put back; sign and tell both that it was.

    Returns the number of the line that says so, or None if the store stands where the file says. To be called
    by whoever restores a backup, with no server running.
    """
    end = _believed_end(house, file)
    if not end.line or house.engine.read_now(partial(_agrees, end)):
        return None
    signing = partial(gone_back, house.unsealed, house.store_id, house.dice.now(), end.line, why)
    line = house.engine.perform_now([signing])[0]
    checkpoint = checkpoint_of(line)
    file.append([CheckpointRow(checkpoint.number, house.dice.now(), True, line)])
    return checkpoint.number


def _believed_end(house: House, file: CheckpointFile) -> End:
    """Return where the file ends; Conflict unless that is a checkpoint of this store, signed by its key."""
    end = file.end()
    if end.line and (
        not is_genuine(house.unsealed, end.line) or checkpoint_of(end.line).store != house.store_id
    ):
        raise file.stranger()
    return end


def _agrees(end: End) -> Generator[Any, Any, bool]:
    """Look back to the last complete checkpoint: each names the digest of the one before it."""
    pins: dict[str, Pin] = {}
    number, digest, complete = end.number, line_digest(end.line), False
    while not complete:
        rows: list[CheckpointRow] = yield ReadCheckpoints(after=number - 1, limit=1)
        if not rows or line_digest(rows[0].line) != digest:
            return False
        try:
            checkpoint = checkpoint_of(rows[0].line)
        except Damaged:
            return False
        pins = {pin.tenant: pin for pin in checkpoint.tenants} | pins
        number, digest, complete = number - 1, checkpoint.before, checkpoint.complete
    for pin in pins.values():
        blocks: list[BlockRow] = yield ReadBlocks(pin.tenant, after=pin.block - 1, limit=1)
        if not blocks or (blocks[0].block_no, blocks[0].link.hex()) != (pin.block, pin.link):
            return False
    return True
