"""Opens the house: the data folder with its store, the root key, and the use cases over both.

A server and every command go through here, so that there is one way to find the key and one way to refuse a
wrong one.
"""

import asyncio
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import msgspec

from customary.app import roots, rotation
from customary.app.credentials import Registry
from customary.app.erasure import Eraser
from customary.app.ledger import Ledger
from customary.app.performer import Performer
from customary.app.trail import Sealer
from customary.bootstrap.engines import Store, opened_store
from customary.bootstrap.roots import matched, opened_vault, source_of
from customary.config import Settings
from customary.domain.errors import Unavailable
from customary.storage.ledger import LedgerFile
from customary.vault import RootVault

_STORE_ID = "store_id"

LOOK_AGAIN_SECONDS = 30.0
"""After what time a server looks once more for a root key that the store names and its source has not."""


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
        replaying: bool = False,
        fatal: Callable[[str], None] | None = None,
    ) -> None:
        """Open the folder, making it and its root key first if there is none and ``may_make``.

        Raises Unavailable if the folder cannot be used, Conflict if another server serves it, RootKeyRefused
        if the key is not the one under which the folder was sealed, UndoneErasures if the erasure ledger must
        be replayed first, unless that is what it is opened for.
        """
        self.keys_turn = False
        self._looked_for: list[roots.Root] = []
        self._look_again_at = 0.0
        self.settings = settings
        self.dice = SystemDice()
        self.engine: Store = opened_store(settings, serving=serving, may_make=may_make, fatal=fatal)
        try:
            with self.engine.setting_up():
                self.source = source_of(settings)
                self.vault, made = opened_vault(self.engine, self.source, may_found=may_make)
                self.opened = Opened(self.source.told(), made)
                if serving and self.vault is not None:
                    self.engine.perform_now([partial(roots.announce_server, self.vault.fingerprints)])
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
            try:
                self._open_ledger(self.vault, serving=serving, replaying=replaying)
            except BaseException:
                self.engine.close()
                raise
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

    def _open_ledger(self, vault: RootVault, *, serving: bool, replaying: bool) -> None:
        """Read the erasure ledger and compare the store with it."""
        beside = self.settings.checkpoint_dir  # a copy of it there outlasts a data folder that is put back
        copy = None if beside is None else beside / f"customary-{self.store_id}.erasures"
        self.ledger = Ledger(LedgerFile(self.settings.data, copy), vault)
        self.eraser = Eraser(
            self.engine,
            vault,
            self.dice,
            self.ledger,
            answers_kept=timedelta(hours=self.settings.idempotency_hours),
        )
        if not replaying:
            self.eraser.check_now()
            if serving:  # what a kill has interrupted; the commands of others are not
                self.eraser.go_on_now()

    async def notice(self) -> None:
        """Have the root keys that the store names by now, and tell the store of it; for a server.

        Raises what the source of the root keys raises; the keys that are at hand stay.
        """
        vault = self.vault
        if vault is None:
            return
        known = await self.engine.read(roots.list_roots)
        self.keys_turn = len(known) > 1 or bool(await self.engine.read(rotation.list_turnings))
        current = [root.version for root in known if root.state == "current"]
        if {root.version for root in known} == vault.root_versions and current == [vault.root_version]:
            return
        if known == self._looked_for and time.monotonic() < self._look_again_at:
            return
        self._looked_for, self._look_again_at = known, time.monotonic() + LOOK_AGAIN_SECONDS
        keys = await asyncio.to_thread(self.source.keys)  # it may be a command, or far away
        key, version, others = matched(known, keys)
        vault.learn(key, version, others)
        await self.engine.perform(partial(roots.announce_server, vault.fingerprints))
