"""A disk for SQLite that fails on command: full, broken, or cut off from power.

It stands between SQLite and the files as a VFS. Until a file is synced it remembers what each write replaced,
so that after a power cut the files can be put back to what a disk must have kept: what was synced.
It must never know what is written.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import apsw


class Disk(apsw.VFS):
    """Passes everything on to the usual VFS, and asks ``trouble`` before each write, sync and truncation.

    ``trouble`` is given the deed and the file's path, and raises what shall go wrong.
    """

    def __init__(self, name: str) -> None:
        self.trouble: Callable[[str, str], None] | None = None
        self.unsynced: dict[str, list[tuple[int, bytes, int]]] = {}
        super().__init__(name, base="unix", makedefault=True)

    def before(self, deed: str, path: str) -> None:
        """Let the trouble happen."""
        if self.trouble is not None:
            self.trouble(deed, path)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        """Open a file of this disk."""
        return _File(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        """Delete a file, unless there is trouble; what was deleted does not come back."""
        self.before("delete", filename)
        super().xDelete(filename, syncdir)
        self.unsynced.pop(filename, None)

    def lose_unsynced(self) -> None:
        """Put every file back to what was synced last, as a power cut may."""
        for path, replaced in self.unsynced.items():
            file = os.open(path, os.O_RDWR)
            for offset, content, size in reversed(replaced):
                os.pwrite(file, content, offset)
                os.ftruncate(file, size)
            os.close(file)
        self.unsynced.clear()


class _File(apsw.VFSFile):
    """One file; named differently from Python's because SQLite names the methods."""

    def __init__(self, disk: Disk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        self._disk = disk
        self._path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)

    def _remember(self, offset: int, length: int) -> None:
        size = self.xFileSize()
        kept = min(length, max(0, size - offset))
        content = bytes(self.xRead(kept, offset)) if kept else b""
        self._disk.unsynced.setdefault(self._path, []).append((offset, content, size))

    def xWrite(self, data: bytes, offset: int) -> None:
        """Write, unless there is trouble."""
        self._disk.before("write", self._path)
        self._remember(offset, len(data))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:
        """Truncate, unless there is trouble."""
        self._disk.before("truncate", self._path)
        self._remember(newsize, max(0, self.xFileSize() - newsize))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:
        """Sync, unless there is trouble; what was written before is safe from now on."""
        self._disk.before("sync", self._path)
        super().xSync(flags)
        self._disk.unsynced.pop(self._path, None)


@contextmanager
def failing_disk() -> Iterator[Disk]:
    """Make such a disk the default of all connections that are opened meanwhile."""
    disk = Disk("failing disk")
    try:
        yield disk
    finally:
        disk.trouble = None
        disk.unregister()
