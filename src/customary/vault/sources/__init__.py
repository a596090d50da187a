"""Where root keys come from, behind one port of four methods.

It must never know what a root key is used for, nor which of the keys it finds is the one that seals.
"""

from typing import Protocol

from customary.vault.rootkey import refuse_weak


class RootKeySource(Protocol):
    """A place where a root key is kept; implemented by a file, a setting and a command.

    While the root key of a store turns there are two: the one that is leaving and the one that is coming.
    """

    def told(self) -> str:
        """Return in words where the root key is; never a byte of it."""

    def keys(self) -> list[bytes]:
        """Return the root keys that are there now, none if there is none.

        Raises RootKeyRefused for what is no root key, Unavailable if the place cannot be reached.
        """

    def draw(self) -> bytes:
        """Return the key to turn to: one that was begun with, or the operator has given, or a new one.

        A new one is on disk when this returns, beside the one that is there.
        """

    def settle(self, key: bytes) -> None:
        """Leave ``key`` as the only one, as far as it is this program's to do."""


class GivenRootKey:
    """A root key that a setting holds: only the operator can change it."""

    def __init__(self, key: bytes, told: str) -> None:
        self._key = key
        self._told = told

    def told(self) -> str:
        """Return the name of the setting."""
        return self._told

    def keys(self) -> list[bytes]:
        """Return the key, refused if it is weak."""
        refuse_weak(self._key)
        return [self._key]

    def draw(self) -> bytes:
        """Return the key, which the operator has changed."""
        return self._key

    def settle(self, key: bytes) -> None:
        """Do nothing: nothing else is there."""


class WithPrevious:
    """Any source, and beside it the root key that was the store's before, while it is needed."""

    def __init__(self, source: RootKeySource, previous: bytes) -> None:
        self._source = source
        self._previous = previous

    def told(self) -> str:
        """Return in words where both are."""
        return f"{self._source.told()}, and the setting root_key_previous"

    def keys(self) -> list[bytes]:
        """Return the keys of the source, and the previous one."""
        refuse_weak(self._previous)
        return [*self._source.keys(), self._previous]

    def draw(self) -> bytes:
        """Return the key to turn to, of the source."""
        return self._source.draw()

    def settle(self, key: bytes) -> None:
        """Leave the key as the only one of the source; the setting is the operator's to take away."""
        self._source.settle(key)
