"""Opens the house: the data folder with its store, the root key, and the use cases over both.

A server and every command go through here, so that there is one way to find the key and one way to refuse a
wrong one.
"""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from customary.app.credentials import Registry
from customary.app.performer import Performer
from customary.app.trail import Sealer
from customary.config import Settings
from customary.domain.errors import Unavailable
from customary.storage.sqlite import SQLiteEngine
from customary.storage.sqlite.files import STORE
from customary.vault import RootVault, new_root_key_file, root_key_of_file
from customary.vault.rootkey import RootKeyRefused, refuse_weak

_FINGERPRINT = "root_key_fingerprint"
_STORE_ID = "store_id"


class SystemDice:
    """The machine's own clock and randomness.

    Random bytes are drawn from the kernel a page at a time, because a draw costs a microsecond and a request
    needs several. They make ids and secrets; keys are drawn apart, by the vault.
    """

    _POOL_BYTES = 4096

    def __init__(self) -> None:
        self._pool = b""
        self._taken = 0

    def now(self) -> datetime:
        """Return the instant, aware, in UTC."""
        return datetime.now(UTC)

    def random_bytes(self, count: int) -> bytes:
        """Return bytes of the kernel's generator, each given out once."""
        start, end = self._taken, self._taken + count
        if end > len(self._pool):
            self._pool = os.urandom(max(self._POOL_BYTES, count))
            start, end = 0, count
        self._taken = end
        return self._pool[start:end]


class Opened(msgspec.Struct, frozen=True):
    """What opening a house found: where the root key came from, and whether it was made just now."""

    root_key_source: str
    root_key_made: bool


class House:
    """A data folder in use. ``vault`` is None while the server is sealed, for want of a root key."""

    def __init__(
        self,
        settings: Settings,
        *,
        serving: bool = False,
        may_make: bool = True,
        fatal: Callable[[str], None] | None = None,
    ) -> None:
        """Open the folder, making it and its root key first if there is none and ``may_make``.

        Raises Unavailable if the folder cannot be used, Conflict if another server serves it, RootKeyRefused
        if the key is not the one under which the folder was sealed.
        """
        self.settings = settings
        self.dice = SystemDice()
        if not may_make and not (settings.data / STORE).exists():
            raise Unavailable("There is no data folder there yet")
        self.engine = SQLiteEngine(settings.data, serving=serving, fatal=fatal)
        try:
            with self.engine.setting_up():
                self.opened, key = self._root_key()
                self.vault = None if key is None else RootVault(key)
                self._check_fingerprint()
        except BaseException:
            self.engine.close()
            raise
        if self.vault is not None:
            self.performer = Performer(
                self.engine,
                self.vault,
                self.dice,
                answers_kept=timedelta(hours=settings.idempotency_hours),
                reason_required=settings.reason_required,
            )
            self.registry = Registry(self.engine, self.vault)
            self.sealer = Sealer(self.engine, self.vault, self.dice, self.store_id)

    @property
    def unsealed(self) -> RootVault:
        """Return the vault; Unavailable while there is no root key."""
        if self.vault is None:
            raise Unavailable("The data folder is sealed: its root key is not here")
        return self.vault

    @property
    def store_id(self) -> str:
        """Return the identity of the store in hexadecimal: it tells its checkpoints from others."""
        return (self.engine.meta(_STORE_ID) or b"").hex()

    def close(self) -> None:
        """Close the store."""
        self.engine.close()

    def __enter__(self) -> "House":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _root_key(self) -> tuple[Opened, bytes | None]:
        """Return the root key: the setting's, else the file's, else a new one for a new folder."""
        if self.settings.root_key is not None:
            key = bytes(self.settings.root_key)
            refuse_weak(key)
            return Opened("setting root_key", False), key
        path: Path = self.settings.root_key_file
        if path.exists():
            return Opened(str(path), False), root_key_of_file(path)
        if self.engine.meta(_FINGERPRINT) is not None:
            return Opened("", False), None
        return Opened(str(path), True), new_root_key_file(path)

    def _check_fingerprint(self) -> None:
        if self.vault is None:
            return
        known = self.engine.meta(_FINGERPRINT)
        if known is None:
            self.engine.set_meta(_FINGERPRINT, self.vault.fingerprint)
        elif known != self.vault.fingerprint:
            raise RootKeyRefused("This is not the root key under which the data folder was sealed")
