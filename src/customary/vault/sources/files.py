"""A root key in a file of its own, in clear or locked by a key that is outside of this machine.

While it turns, the new key lies beside it under the same name with ``.next`` behind it, until all that was
sealed under the old one is sealed under the new one; then it takes the old one's place in one step. It must
never know what locks a key.
"""

import os
from pathlib import Path
from typing import Final, Protocol

from customary.domain.errors import Unavailable
from customary.vault.cipher import KEY_BYTES
from customary.vault.rootkey import (
    RootKeyRefused,
    fsync_folder,
    new_secret_file,
    refuse_weak,
    root_key_from_text,
    text_of,
)

NEXT: Final = ".next"


class Lock(Protocol):
    """Closes a root key with a key that never leaves the place where it is kept."""

    def told(self) -> str:
        """Return in words what locks."""

    def closed(self, key: bytes) -> str:
        """Return the key locked, as one line of text; Unavailable if it cannot be done now."""

    def opened(self, text: str) -> bytes:
        """Return the key that was locked so; RootKeyRefused if it was not, Unavailable if unreachable."""


class InClear:
    """No lock: the file holds the key in hexadecimal."""

    def told(self) -> str:
        """Return nothing that would need saying."""
        return ""

    def closed(self, key: bytes) -> str:
        """Return the key in hexadecimal."""
        return key.hex()

    def opened(self, text: str) -> bytes:
        """Return the key that the text spells."""
        return root_key_from_text(text)


class RootKeyFile:
    """A root key in a file that only its owner may read, which is made when there is none."""

    def __init__(self, path: Path, lock: Lock | None = None) -> None:
        self._path = path
        self._next = path.with_name(path.name + NEXT)
        self._lock = lock or InClear()

    def told(self) -> str:
        """Return the path, and what locks the key in it."""
        locked = self._lock.told()
        return f"{self._path}, locked by {locked}" if locked else str(self._path)

    def keys(self) -> list[bytes]:
        """Return the key in the file, and the one to come if it turns."""
        found = [self._key_in(self._path)] if self._path.exists() else []
        coming = self._coming()
        return found if coming is None or coming in found else [*found, coming]

    def draw(self) -> bytes:
        """Return the key to come; a new one is drawn if there is none."""
        coming = self._coming()
        if coming is None:
            # What is there and no key was left by a kill: nothing can be sealed under it yet.
            self._next.unlink(missing_ok=True)
            coming = os.urandom(KEY_BYTES)
            new_secret_file(self._next, self._lock.closed(coming))
        return coming

    def settle(self, key: bytes) -> None:
        """Put the key to come in the place of the other, in one step."""
        coming = self._coming()
        try:
            if coming == key:
                self._next.replace(self._path)
            else:
                self._next.unlink(missing_ok=True)
            fsync_folder(self._path.parent)
        except OSError as error:
            raise Unavailable(
                "The root key file cannot be written",
                detail=f"{self._path}: {error.strerror or type(error).__name__}",
            ) from None

    def _coming(self) -> bytes | None:
        """Return the key to come, or None if there is none, or half of one."""
        if not self._next.exists():
            return None
        try:
            return self._key_in(self._next)
        except RootKeyRefused:
            return None

    def _key_in(self, path: Path) -> bytes:
        key = self._lock.opened(text_of(path))
        refuse_weak(key)
        return key
