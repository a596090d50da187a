"""Where checkpoints are kept outside the store: a file that only grows, one a store, and standard output.

Whoever appends holds a lock on the file and begins where its last line ends, so that two servers may share
it, and a line that was cut short by a crash is completed from the store. It must never know what a line says
but its number.
"""

import fcntl
import os
import select
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from customary.app.checkpoints import Damaged, checkpoint_of, line_digest
from customary.app.ports import CheckpointRow
from customary.app.witnesses import Kept
from customary.domain.errors import Conflict, Unavailable

FILE_BYTES_MAX: Final = 64 * 1024 * 1024
"""From this size on, the next complete checkpoint begins a new file; none is ever deleted."""

LINE_BYTES_MAX: Final = 64 * 1024 * 1024
OUTPUT_SECONDS_MAX: Final = 2.0

_CHUNK_BYTES: Final = 65_536
_PIPE_BYTES: Final = 512
"""What poll() promises that a pipe takes at once: _POSIX_PIPE_BUF."""


class End(msgspec.Struct, frozen=True):
    """Where a file ends: its last whole line with its number, and what comes after it, cut short."""

    number: int = 0
    line: bytes = b""
    torn: bytes = b""


class CheckpointFile:
    """The file of one store's checkpoints in a folder that must be there."""

    def __init__(self, folder: Path, store_id: str, *, bytes_max: int = FILE_BYTES_MAX) -> None:
        self.path = folder / f"customary-{store_id}.ndjson"
        self._bytes_max = bytes_max

    def end(self) -> End:
        """Return where the file ends; Conflict if its last line is none, OSError if it cannot be read."""
        try:
            with self.path.open("rb") as file:
                return self._end_of(file)
        except FileNotFoundError:
            if not self.path.parent.is_dir():
                raise
            return End()

    def probe(self) -> None:
        """Raise OSError unless the file is there and can be written; nothing is written."""
        os.close(self._opened())

    def append(self, rows: Sequence[CheckpointRow]) -> None:
        """Append these lines, but for those that are there already; they are on disk on return.

        Raises OSError if that fails, Conflict if they do not follow what is there.
        """
        with self._locked() as file:
            descriptor = file.fileno()
            end = self._end_of(file)
            there = end.number or self._turned_at()
            due = [row for row in rows if row.checkpoint_no > there]
            if end.torn:
                self._complete(file, end, due)
                due = due[1:]
            elif due and end.line and checkpoint_of(due[0].line).before != line_digest(end.line):
                raise self.stranger()
            turned = next(
                (place for place, row in enumerate(due) if self._is_full(file) and row.complete), None
            )
            stay = due if turned is None else due[:turned]
            _write(descriptor, b"".join(row.line + b"\n" for row in stay))
            os.fsync(descriptor)
            if turned is not None:
                self._turn()
        if turned is not None:
            self.append(due[turned:])

    @contextmanager
    def _locked(self) -> Iterator[BinaryIO]:
        """Open the file and have it alone; once more if another server has begun a new one meanwhile."""
        while True:
            with os.fdopen(self._opened(), "r+b", buffering=0) as file:
                fcntl.flock(file.fileno(), fcntl.LOCK_EX)
                held = os.fstat(file.fileno())
                try:
                    current = self.path.stat()
                except FileNotFoundError:
                    continue
                if (held.st_dev, held.st_ino) == (current.st_dev, current.st_ino):
                    yield file
                    return

    def _opened(self) -> int:
        """Open the file, made if it is not there; a folder that is gone is not made: it may be a mount."""
        flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC
        try:
            return os.open(self.path, flags)
        except FileNotFoundError:
            descriptor = os.open(self.path, flags | os.O_CREAT, 0o600)
            _sync_folder(self.path.parent)
            return descriptor

    def _complete(self, file: BinaryIO, end: End, due: list[CheckpointRow]) -> None:
        """Write the rest of a line that a crash has cut short."""
        whole = due[0].line + b"\n" if due else b""
        if not whole.startswith(end.torn):
            raise self.stranger()
        _write(file.fileno(), whole[len(end.torn) :])

    def _is_full(self, file: BinaryIO) -> bool:
        return os.fstat(file.fileno()).st_size >= self._bytes_max

    def _turned_at(self) -> int:
        """Return the last number in the files that were full, or 0."""
        full = self.path.parent.glob(f"{self.path.stem}-*.ndjson")
        return max((number for _, number, _ in map(_age, full)), default=0)

    def _turn(self) -> None:
        """Give the full file the name of its last number, so that the next line begins a new one."""
        number = self.end().number
        self.path.rename(self.path.with_name(f"{self.path.stem}-{number:012d}.ndjson"))
        _sync_folder(self.path.parent)

    def _end_of(self, file: BinaryIO) -> End:
        """Read backwards from the end to the last whole line."""
        position = file.seek(0, os.SEEK_END)
        content = b""
        while (
            position and content[: content.rfind(b"\n")].count(b"\n") < 1 and len(content) <= LINE_BYTES_MAX
        ):
            size = min(_CHUNK_BYTES, position)
            position -= size
            file.seek(position)
            content = file.read(size) + content
        whole, _, torn = content.rpartition(b"\n")
        line = whole.rpartition(b"\n")[2]
        if not line:
            return End(torn=torn)
        try:
            return End(checkpoint_of(line).number, line, torn)
        except Damaged:
            raise self.stranger() from None

    def stranger(self) -> Conflict:
        """Return the refusal of a file that does not end as this store's does."""
        return Conflict(
            f"The end of {self.path} is not a checkpoint of this store as the store has it",
            detail="verify with it, then move it away and keep it: a new file begins with the next start",
        )


class CheckpointOutput:
    """Standard output, or another stream, as a place for checkpoints: it takes those after ``number``."""

    def __init__(self, descriptor: int, number: int) -> None:
        self._descriptor = descriptor
        self._left = b""
        self.number = number

    def append(self, rows: Sequence[CheckpointRow]) -> None:
        """Write these lines; OSError if nobody reads them, or not in time: then the rest comes first."""
        self._flush()
        for row in rows:
            if row.checkpoint_no > self.number:
                self.number = row.checkpoint_no
                self._left = row.line + b"\n"
                self._flush()

    def _flush(self) -> None:
        """Write in pieces that do not block once the stream is ready: who stops reading stops nobody."""
        waiting = select.poll()
        waiting.register(self._descriptor, select.POLLOUT)
        while self._left:
            if not waiting.poll(int(OUTPUT_SECONDS_MAX * 1000)):
                raise TimeoutError("nobody reads the standard output")
            self._left = self._left[os.write(self._descriptor, self._left[:_PIPE_BYTES]) :]


def kept(path: Path) -> list[Kept]:
    """Return the checkpoints of a file, or of all files of a folder, oldest first, or Unavailable."""
    try:
        paths = sorted(path.glob("*.ndjson"), key=_age) if path.is_dir() else [path]
        for one in paths:
            one.open("rb").close()
    except OSError as error:
        raise Unavailable(f"{path} cannot be read", detail=os.strerror(error.errno or 0)) from None
    if not paths:
        raise Unavailable(f"There is no file of checkpoints in {path}")
    return [Kept(one.name, partial(_lines, one)) for one in paths]


def _age(path: Path) -> tuple[str, int, str]:
    """Return what orders the files of a folder: by store, then by last number; the current one is last."""
    store, _, number = path.stem.removeprefix("customary-").partition("-")
    return store, int(number) if number.isdecimal() else 1 << 62, path.name


def _lines(path: Path) -> Iterator[bytes]:
    """Yield the lines that are there now: a server that appends holds a lock while it does."""
    with path.open("rb") as file:
        fcntl.flock(file.fileno(), fcntl.LOCK_SH)
        left = os.fstat(file.fileno()).st_size
        fcntl.flock(file.fileno(), fcntl.LOCK_UN)
        while left > 0:
            line = file.readline(min(left, LINE_BYTES_MAX))
            if not line:
                return
            left -= len(line)
            yield line.rstrip(b"\r\n")


def _write(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
