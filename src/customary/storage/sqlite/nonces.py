"""Remembers the nonces of signed requests for as long as the same request could be presented again.

A claim is noted in a file before it counts, so that it survives a kill of the process: what was written is in
the kernel's hands. ``sync`` brings it to the disk; called each second, a power cut forgets the nonces of
the last second at most, and a request of that second could be presented once more.

Records lie in slices by the time at which they expire. A slice is forgotten, and its file deleted, once all
of it has expired, so memory and disk hold little more than one window of requests.

It must never know how a request is signed, and keeps no key id or nonce, only a digest of them.
"""

import asyncio
import hashlib
import os
import time
from collections.abc import Callable
from mmap import mmap
from pathlib import Path
from typing import Final

from customary.domain.errors import Unavailable

SLICE_SECONDS: Final = 30
RECORD_BYTES: Final = 16
STRETCH_BYTES: Final = 64 * 1024
"""How much of a file is mapped at a time: 4,096 records, and a multiple of every machine's pages."""

_PREFIX: Final = "used-"


class _Slice:
    """The nonces that expire within one stretch of time: a set, and the file it was read from.

    The file is mapped into memory, a stretch at a time: to note a nonce then costs no call of the kernel,
    which keeps what was written as it would after a ``write``. Each stretch is filled with zeros beforehand,
    so that the disk has room for it; zeros are no record.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        kept = path.read_bytes()
        records = [kept[start : start + RECORD_BYTES] for start in range(0, len(kept), RECORD_BYTES)]
        # A record that was cut off by a kill or a full disk was never claimed: its request was refused.
        self.used = {record for record in records if len(record) == RECORD_BYTES and any(record)}
        self._length = len(kept)
        self._room: mmap | None = None
        self._next = 0
        self._unsynced: list[mmap] = []

    def add(self, digest: bytes) -> None:
        """Note the record; raises OSError, having noted nothing, when there is no room for it."""
        room = self._room
        if room is None or self._next == STRETCH_BYTES:
            room = self._room = self._stretch()
            self._next = 0
        room[self._next : self._next + RECORD_BYTES] = digest
        self._next += RECORD_BYTES
        if not self._unsynced or self._unsynced[-1] is not room:
            self._unsynced.append(room)
        self.used.add(digest)

    def sync(self) -> None:
        unsynced, self._unsynced = self._unsynced, []
        for room in unsynced:
            room.flush()

    def close(self) -> None:
        self.sync()
        os.close(self._file)

    def _stretch(self) -> mmap:
        """Return the next stretch of the file, behind all that it has; raises OSError on a full disk."""
        start = -(-self._length // STRETCH_BYTES) * STRETCH_BYTES
        zeros = bytes(start + STRETCH_BYTES - self._length)
        written = os.write(self._file, zeros)
        self._length += written
        if written != len(zeros):
            raise OSError("short write")
        return mmap(self._file, STRETCH_BYTES, offset=start)


class NonceStore:
    """The used nonces of one data folder; for one thread, and one process at a time (the server's).

    Only ``sync`` may run on another thread, because it waits for the disk.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.time) -> None:
        """Load what was claimed and has not expired; ``clock`` gives seconds since 1970."""
        self._folder = folder / "nonces"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._clock = clock
        self._slices: dict[int, _Slice] = {}
        for path in sorted(self._folder.glob(f"{_PREFIX}*")):
            number = path.name.removeprefix(_PREFIX)
            if number.isascii() and number.isdigit():
                self._slices[int(number)] = _Slice(path)
        self.forget_expired()

    async def claim(self, tenant_id: str, key_id: str, ts: int, nonce: str, expires_at: float) -> bool:
        """Return True for the first use of that nonce by that key at that second, False for any other.

        A key id is one tenant's only, so ``tenant_id`` adds nothing here. ``expires_at``, in seconds since
        1970, is when the request is too old to be let in anyhow. Raises
        Unavailable, and claims nothing, when the claim cannot be written down.
        """
        key = key_id.encode("utf-8", "surrogatepass")
        digest = hashlib.sha256(
            b"%d %d %b %b" % (ts, len(key), key, nonce.encode("utf-8", "surrogatepass"))
        ).digest()[:RECORD_BYTES]
        # In all slices: the same request may be given another expiry the second time.
        for known in self._slices.values():
            if digest in known.used:
                return False
        number = max(0, int(expires_at // SLICE_SECONDS))
        try:
            current = self._slices.get(number)
            if current is None:
                current = self._slices[number] = _Slice(self._folder / f"{_PREFIX}{number}")
            current.add(digest)
        except OSError as failure:
            raise Unavailable(detail=f"used nonces cannot be written: {failure.strerror}") from failure
        return True

    async def keep(self) -> None:
        """Forget what has expired and bring the rest to the disk; for housekeeping, each second."""
        self.forget_expired()
        await asyncio.to_thread(self.sync)

    async def leave(self) -> None:
        """Part from the event loop, which is about to end: nothing here is bound to it."""

    def sync(self) -> None:
        """Bring the claims to the disk; for housekeeping, each second, on any thread."""
        for known in list(self._slices.values()):  # in one step: a claim may add a slice meanwhile
            known.sync()

    def close(self) -> None:
        """Bring the claims to the disk and close the files."""
        self.sync()
        for known in self._slices.values():
            known.close()
        self._slices.clear()

    def forget_expired(self) -> None:
        """Forget the claims that have expired, and their files; not while ``sync`` runs."""
        now = self._clock()
        for number in [number for number in self._slices if (number + 1) * SLICE_SECONDS <= now]:
            expired = self._slices.pop(number)
            expired.close()
            expired.path.unlink(missing_ok=True)
