"""Chooses the engine: PostgreSQL where the settings name a database, else SQLite in the data folder.

The one place that knows both. What only one of them has is asked for here, and refused in words where the
other is in use.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from customary.app.ports import Engine
from customary.config import Settings
from customary.domain.errors import Unavailable
from customary.http.doors import Nonces
from customary.storage.sqlite import NonceStore, SQLiteEngine
from customary.storage.sqlite.files import STORE

if TYPE_CHECKING:
    from customary.storage.postgres import Address


class Store(Engine, Protocol):
    """An engine as a house has it: the port, and what is about the store itself."""

    def meta(self, name: str) -> bytes | None:
        """Return what was stored under that name, or None."""

    def is_served(self) -> bool:
        """Return whether a server works on this store now."""

    def setting_up(self) -> AbstractContextManager[None]:
        """Return a lock under which one process at a time makes what belongs to the store."""

    async def drained(self) -> None:
        """Return when every job that was handed in is answered."""

    async def leave(self) -> None:
        """Part from what is bound to this event loop, which is about to end."""

    def close(self) -> None:
        """Close the store."""


class KeptNonces(Nonces, Protocol):
    """Used nonces with their housekeeping."""

    async def keep(self) -> None:
        """Forget what has expired, and see that the rest is safe; OSError if it is not."""

    async def leave(self) -> None:
        """Part from what is bound to this event loop, which is about to end."""

    def close(self) -> None:
        """Close what is left."""


def opened_store(
    settings: Settings, *, serving: bool, may_make: bool, fatal: Callable[[str], None] | None
) -> Store:
    """Return the store of these settings, made first if there is none and ``may_make``.

    Raises Unavailable if it cannot be used, Conflict if another server serves it and only one may.
    """
    if settings.database_url is None:
        if settings.durability == "replicated":
            raise Unavailable("A data folder is on one disk: durability = replicated needs a database_url")
        if not may_make and not is_there(settings):
            raise Unavailable("There is no data folder there yet")
        return SQLiteEngine(settings.data, serving=serving, fatal=fatal)
    from customary.storage.postgres import PostgresEngine  # with one file nobody needs its driver

    migrating = settings.database_migrate and (serving or may_make)
    if may_make or serving:
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)  # the root key lies there
    return PostgresEngine(_address(settings), migrating=migrating, serving=serving)


def opened_nonces(settings: Settings) -> KeptNonces:
    """Return where a server remembers used nonces: with the store."""
    if settings.database_url is None:
        return NonceStore(settings.data)
    from customary.storage.postgres import PostgresNonces

    return PostgresNonces(_address(settings))


def migrated(settings: Settings) -> int | None:
    """Bring the database to the newest schema; return how many steps that took, None for a data folder.

    A data folder is brought up to date whenever it is opened.
    """
    if settings.database_url is None:
        return None
    import asyncio

    from customary.storage.postgres.migrations import migrate
    from customary.storage.schema.postgres import STEPS

    return asyncio.run(migrate(_address(settings), STEPS))


def is_there(settings: Settings) -> bool:
    """Return whether there is a store, as far as can be told without opening it."""
    return settings.database_url is not None or (settings.data / STORE).exists()


def require_folder(settings: Settings, instead: str) -> None:
    """Refuse what works on the files of a data folder where there is a database; say what to do instead."""
    if settings.database_url is not None:
        raise Unavailable(f"The data are in PostgreSQL: {instead}")


def _address(settings: Settings) -> "Address":
    from customary.storage.postgres import Address

    return Address(
        bytes(settings.database_url or b"").decode(),
        pooler=settings.database_pooler,
        replicated=settings.durability == "replicated",
    )
