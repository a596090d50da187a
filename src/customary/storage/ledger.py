"""Lines outside of the databases, in one file or in two alike: only appended to, each on the disk at once.

A line is complete when its newline is there. What a kill has left of an incomplete one is cut off by the next
who appends: nobody was told that it was written. Of two files, the second is a copy for the day on which
somebody brings back an old state of the first; they differ only in how far they go.

It must never know what a line says.
"""

import fcntl
import os
from pathlib import Path
from typing import Final

from customary.domain.errors import Unavailable

NAME: Final = "erasures.ndjson"
_LOCK: Final = "erasures.lock"
_MODE: Final = 0o600
_NEWLINE: Final = b"\n"


class LedgerFile:
    """The lines of a data folder, and of the folder of its copy if there is one; ``app.ports.LedgerLines``.

    The files are made when the first line is written.
    """

    def __init__(self, folder: Path, copy: Path | None = None) -> None:
        """Bring the file of a folder, and its copy if there is to be one, to where the further one is.

        Raises Unavailable if they are not alike as far as both go, or cannot be read or written.
        """
        self._folder = folder
        self._paths = [folder / NAME]
        if copy is not None:
            self._paths.append(copy)
        self._read = 0
        self._broken = False
        self._lock: int | None = None
        if any(path.exists() for path in self._paths):
            with self:
                self._level()

    def __enter__(self) -> "LedgerFile":
        """Keep other processes from appending; not to be entered twice."""
        try:
            lock = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
        except OSError as failure:
            raise _unavailable(self._folder / _LOCK, failure) from None
        fcntl.flock(lock, fcntl.LOCK_EX)
        self._lock = lock
        return self

    def __exit__(self, *_: object) -> None:
        """Let others append again."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def fresh(self) -> list[bytes]:
        """Return the complete lines that were not returned before, without their newlines."""
        try:
            with self._paths[0].open("rb") as file:
                if file.seek(0, os.SEEK_END) < self._read:
                    raise Unavailable(
                        "The erasure ledger has become shorter: bring back the whole of it",
                        detail=str(self._paths[0]),
                    )
                file.seek(self._read)
                content = file.read()
        except FileNotFoundError:
            if self._read:
                raise Unavailable(
                    "The erasure ledger is gone: bring it back", detail=str(self._paths[0])
                ) from None
            return []
        except OSError as failure:
            raise _unavailable(self._paths[0], failure) from None
        complete = content[: content.rfind(_NEWLINE) + 1]
        self._read += len(complete)
        return complete.splitlines()

    def append(self, line: bytes) -> None:
        """Write a line to each file, while this is entered, and return when it is on the disk.

        ``fresh`` will not return it. Raises Unavailable when it cannot be written, or nobody knows: nothing
        is appended any more then, until the files are opened anew.
        """
        if self._broken or self._lock is None:
            raise Unavailable("The erasure ledger cannot be written", detail="after a failure, or unlocked")
        if _NEWLINE in line:
            raise ValueError("a line has no newline in it")
        self._broken = True
        for path in self._paths:
            self._append(path, self._read, line + _NEWLINE)
        self._broken = False
        self._read += len(line) + 1

    def extend(self, source: Path) -> None:
        """Append what another file has more, while this is entered; Unavailable if the two contradict."""
        theirs, ours = _complete(source), _complete(self._paths[0])
        if not (theirs.startswith(ours) or ours.startswith(theirs)):
            raise Unavailable(
                "Two erasure ledgers contradict each other: one of them was changed",
                detail=f"{source} and {self._paths[0]}",
            )
        if len(theirs) > len(ours):
            for path in self._paths:
                self._append(path, len(ours), theirs[len(ours) :])

    def _append(self, path: Path, at: int, content: bytes) -> None:
        """Write at the end of the lines that are known, in place of what a kill may have left there."""
        try:
            made = not path.exists()
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
            try:
                size = os.fstat(descriptor).st_size
                if size > at and _NEWLINE in os.pread(descriptor, size - at, at):
                    raise Unavailable("The erasure ledger has lines that were not read", detail=str(path))
                if size < at:
                    raise Unavailable("A copy of the erasure ledger has become shorter", detail=str(path))
                os.ftruncate(descriptor, at)
                try:
                    written = 0
                    while written < len(content):
                        written += os.pwrite(descriptor, content[written:], at + written)
                except OSError:
                    os.ftruncate(descriptor, at)
                    raise
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            if made:
                _sync_folder(path.parent)
        except OSError as failure:
            raise _unavailable(path, failure) from None

    def _level(self) -> None:
        """Append to the file that is behind what the other has more."""
        contents = [_complete(path) for path in self._paths]
        longest = max(contents, key=len)
        if not all(longest.startswith(content) for content in contents):
            raise Unavailable(
                "The erasure ledger and its copy contradict each other: one of them was changed",
                detail=" and ".join(map(str, self._paths)),
            )
        for path, content in zip(self._paths, contents, strict=True):
            if len(content) < len(longest):
                self._append(path, len(content), longest[len(content) :])


def copied(source: Path, folder: Path) -> bool:
    """Bring the lines of a folder to where ``source`` is, if that is further; return whether it was there.

    Raises Unavailable if one does not begin as the other does, or one cannot be read or written.
    """
    if not source.exists():
        return False
    with LedgerFile(folder) as lines:
        lines.extend(source)
    return True


def _complete(path: Path) -> bytes:
    """Return the complete lines of a file, or nothing if it is not there."""
    try:
        content = path.read_bytes() if path.exists() else b""
    except OSError as failure:
        raise _unavailable(path, failure) from None
    return content[: content.rfind(_NEWLINE) + 1]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unavailable(path: Path, failure: OSError) -> Unavailable:
    why = failure.strerror or str(failure)
    return Unavailable(f"The erasure ledger cannot be used: {why}", detail=str(path))
