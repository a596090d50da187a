"""The engine over one PostgreSQL: who runs a job where, and how the store is opened and closed.

- Writing jobs run in batches of one tenant, each a transaction, several side by side (``batches``).
- Reading jobs run in batches, too, a statement a kind, on links of their own.
- Scanning jobs run one after the other in a transaction that sees one state of the store.
- What a program without an event loop asks for runs on a thread that has one.

It must never know customers or keys, nor what a row holds.
"""

import asyncio
import os
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import msgspec

from customary.app.ports import Job
from customary.domain.errors import Unavailable
from customary.storage.postgres import guard
from customary.storage.postgres.answering import whom
from customary.storage.postgres.batches import (
    ATTEMPTS_MAX,
    WRITING_OF_ONE_TENANT_MAX,
    Batches,
)
from customary.storage.postgres.failures import (
    FAILURES,
    Lost,
    connection_is_gone,
    to_be_run_again,
    translated,
)
from customary.storage.postgres.links import HOUSE, Address, Lane, Link
from customary.storage.postgres.migrations import migrate, require_newest
from customary.storage.postgres.registry import generation_of
from customary.storage.postgres.running import Batch, Generation, Spoiled, Turn
from customary.storage.schema.postgres import STEPS

T = TypeVar("T")

WRITING_LINKS: Final = 4
READING_LINKS: Final = 3

META: Final = "SELECT value FROM customary.meta WHERE name = $1"
SET_META: Final = """
INSERT INTO customary.meta (name, value) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""
IS_SERVED: Final = """
SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1)
"""
SERVER_NAME: Final = "customary server"
NAME_STORE: Final = "INSERT INTO customary.meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING"
_STORE_ID: Final = "store_id"
_SETUP_LOCK: Final = "SELECT pg_advisory_xact_lock(1668641653)"
_ONE_STATE: Final = "ISOLATION LEVEL REPEATABLE READ READ ONLY"


class PostgresEngine:
    """Stores sealed rows in one database; the Engine port for many workers and hosts.

    Use it from one event loop, and beside it from threads by the methods that are no coroutines.
    """

    def __init__(self, address: Address, *, migrating: bool = True, serving: bool = False) -> None:
        """Look whether the store can be used, making or migrating it first if ``migrating``.

        ``serving`` says to others that a server works here. Raises Unavailable when the database cannot be
        reached, is another program's or does not keep tenants apart.
        """
        self._serving = serving
        if serving:
            address = msgspec.structs.replace(address, name=SERVER_NAME)
        self.address = address
        self._known = Generation()
        self._aside = _Aside()
        self._beside: Link | None = None
        self._lanes: _Lanes | None = None
        self._polling: asyncio.Future[None] | None = None
        self._closed = False
        try:
            self._aside.run(self._open(migrating))
        except BaseException:
            self.close()
            raise

    # ── The port ────────────────────────────────────────────────────────────────────────────────────────

    async def perform(self, job: Job[T]) -> T:
        """Run a job that writes; return its result after the commit that holds it."""
        return await self._here(self._submitted(job, writing=True))

    async def read(self, job: Job[T]) -> T:
        """Run a job that reads a few rows, together with others that wait."""
        return await self._here(self._submitted(job, writing=False))

    async def scan(self, job: Job[T]) -> T:
        """Run a job that may read many rows, in one state of the store."""
        return await self._here(self._told(self._scanned(job)))

    def perform_now(self, jobs: list[Job[T]]) -> list[T]:
        """Run jobs that write in one commit, all of them or none."""
        return self._aside.run(self._told(self._performed(jobs)))

    def read_now(self, job: Job[T]) -> T:
        """Run a job that only reads."""
        return self._aside.run(self._told(self._read_beside(job)))

    async def scrub(self) -> bool:
        """Return that nobody can say so: pages and the write-ahead log keep what was deleted for a while.

        When it goes is the database's to decide: by VACUUM, and with the last archived segment of the log.
        """
        return False

    def scrub_now(self) -> bool:
        """Return the same."""
        return False

    async def poll(self) -> None:
        """Look whether another process has changed the registry; those who ask at once look once."""
        await self._here(self._told(self._polled()))

    def generation(self) -> int:
        """Return the number of the last known change of tenants, merchants or credentials (see ``poll``)."""
        return self._known.number

    # ── Beside the port ─────────────────────────────────────────────────────────────────────────────────

    def meta(self, name: str) -> bytes | None:
        """Return what was stored under that name, or None."""
        return self._aside.run(self._told(self._meta(name)))

    def set_meta(self, name: str, value: bytes) -> None:
        """Store a few bytes under a name, in a commit of its own."""
        self._aside.run(self._told(self._set_meta(name, value)))

    def is_served(self) -> bool:
        """Return whether a server works on this database now, here or on another host."""
        return bool(self._aside.run(self._told(self._value(IS_SERVED, SERVER_NAME))))

    async def drained(self) -> None:
        """Return when every job that was handed in is answered."""
        if self._lanes is not None and self._serving:
            await self._lanes.writing.drained()
            await self._lanes.reading.drained()

    async def leave(self) -> None:
        """Part from the server on this event loop, which is about to end."""
        if self._lanes is not None and self._serving:
            lanes, self._lanes = self._lanes, None
            await lanes.close()

    @contextmanager
    def setting_up(self) -> Iterator[None]:
        """Hold a lock under which one process at a time makes what belongs to the store."""
        link = self._aside.run(self._locked())
        try:
            yield
        finally:
            self._aside.run(link.roll_back())
            self._aside.run(link.close())

    def close(self) -> None:
        """Part from the server; what is under way is given up."""
        if self._closed:
            return
        self._closed = True
        if self._lanes is not None and self._serving:
            self._lanes.abandon()
        elif self._lanes is not None:
            self._aside.run(self._lanes.close())
        if self._beside is not None:
            self._aside.run(self._beside.close())
        self._aside.close()

    # ── On the event loop ───────────────────────────────────────────────────────────────────────────────

    async def _here(self, deed: Coroutine[Any, Any, T]) -> T:
        """Do something on the loop to which the links belong: a server's own, else that of the thread.

        A command may have an event loop for a moment, and then another.
        """
        if self._serving:
            return await deed
        return await asyncio.wrap_future(self._aside.submit(deed))

    async def _submitted(self, job: Job[T], *, writing: bool) -> T:
        lanes = self._opened()
        result: T = await (lanes.writing if writing else lanes.reading).submit(job)
        return result

    async def _polled(self) -> None:
        if self._polling is None:
            self._polling = asyncio.ensure_future(self._look())
            self._polling.add_done_callback(self._looked)
        await asyncio.shield(self._polling)

    def _opened(self) -> "_Lanes":
        if self._closed:
            raise Unavailable(detail="the store is closed")
        if self._lanes is None:
            self._lanes = _Lanes(self.address, self._known)
        return self._lanes

    async def _look(self) -> None:
        lanes = self._opened()
        self._polling = None  # who asks from now on asks for a later look
        async with lanes.polling.link(HOUSE) as link, link.reading(HOUSE):
            self._known.number = await generation_of(link)

    def _looked(self, look: "asyncio.Future[None]") -> None:
        if self._polling is look:
            self._polling = None

    async def _scanned(self, job: Job[T]) -> T:
        turn = self._started(job)
        if not turn.done:
            asker = whom(turn.request)
            async with (
                self._opened().scanning.link(asker) as link,
                link.reading(asker, how=_ONE_STATE),
            ):
                await Batch(link, [turn], self._known, writing=False).run(verifying=False)
        result: T = _result(turn)
        return result

    # ── On the thread ───────────────────────────────────────────────────────────────────────────────────

    async def _open(self, migrating: bool) -> None:
        await self._told((migrate if migrating else require_newest)(self.address, STEPS))
        link = await self._link_beside()
        await self._told(guard.check(link))
        if await self._meta(_STORE_ID) is None:
            await self._name_store(link)
        async with link.reading(HOUSE):
            self._known.number = await generation_of(link)

    async def _name_store(self, link: Link) -> None:
        """Give the store an identity, so that what is kept elsewhere about it is not taken for another's."""
        await link.begin(HOUSE)
        try:
            await link.execute(NAME_STORE, _STORE_ID, os.urandom(16))
            await link.commit()
        finally:
            await link.roll_back()

    async def _link_beside(self) -> Link:
        if self._beside is None or self._beside.gone:
            self._beside = await Link.open(self.address)
        return self._beside

    async def _locked(self) -> Link:
        link = await Link.open(self.address)
        await link.begin(HOUSE)
        await link.execute(_SETUP_LOCK)
        return link

    async def _read_beside(self, job: Job[T]) -> T:
        link = await self._link_beside()
        async with link.reading(HOUSE, how=_ONE_STATE):
            self._known.number = await generation_of(link)
            turn = self._started(job)
            if not turn.done:
                await Batch(link, [turn], self._known, writing=False).run()
        result: T = _result(turn)
        return result

    async def _performed(self, jobs: list[Job[T]]) -> list[T]:
        suspects: Lost | None = None
        for attempt in range(ATTEMPTS_MAX):
            turns = [self._started(job) for job in jobs]
            link = await self._link_beside()
            try:
                return await self._committed_together(link, turns, suspects)
            except Lost as lost:
                suspects = lost.joined(suspects)
            except FAILURES as failure:
                again = to_be_run_again(failure) or connection_is_gone(failure)
                if not again or attempt == ATTEMPTS_MAX - 1:
                    raise
            finally:
                await link.roll_back()
        raise Unavailable(detail="PostgreSQL: a batch lost every race")

    async def _committed_together(self, link: Link, turns: list[Turn], suspects: Lost | None) -> list[Any]:
        await link.begin(next((whom(turn.request) for turn in turns if not turn.done), HOUSE))
        batch = Batch(link, turns, self._known, writing=True)
        try:
            await batch.run(suspects)
        except Spoiled as spoiled:
            return [_result(spoiled.turn)]
        results = [_result(turn) for turn in turns]
        await link.commit()
        if batch.generation is not None:
            self._known.number = batch.generation
        return results

    def _started(self, job: Job[Any]) -> Turn:
        turn = Turn(job, self._known)
        turn.start()
        return turn

    async def _meta(self, name: str) -> bytes | None:
        value: bytes | None = await self._value(META, name)
        return value

    async def _value(self, sql: str, *arguments: object) -> Any:
        link = await self._link_beside()
        async with link.reading(HOUSE):
            return await link.value(sql, *arguments)

    async def _set_meta(self, name: str, value: bytes) -> None:
        link = await self._link_beside()
        await link.begin(HOUSE)
        try:
            await link.execute(SET_META, name, value)
            await link.commit()
        finally:
            await link.roll_back()

    async def _told(self, deed: Coroutine[Any, Any, T]) -> T:
        try:
            return await deed
        except FAILURES as failure:
            raise translated(failure) from None


def _result(turn: Turn) -> Any:
    if turn.error is not None:
        raise turn.error
    return turn.result


class _Lanes:
    """The links of one event loop, by what they are for: none waits for another kind of work."""

    def __init__(self, address: Address, known: Generation) -> None:
        self.scanning, self.polling = Lane(address, 1), Lane(address, 1)
        lanes = self._lanes = [self.scanning, self.polling]
        writing, reading = Lane(address, WRITING_LINKS), Lane(address, READING_LINKS)
        lanes += (writing, reading)
        self.writing = Batches(
            writing, writing=True, of_one_tenant_max=WRITING_OF_ONE_TENANT_MAX, known=known
        )
        self.reading = Batches(reading, writing=False, of_one_tenant_max=READING_LINKS, known=known)

    async def close(self) -> None:
        """Part from the server."""
        self.abandon_jobs()
        for lane in self._lanes:
            await lane.close()

    def abandon(self) -> None:
        """Cut all connections."""
        self.abandon_jobs()
        for lane in self._lanes:
            lane.abandon()

    def abandon_jobs(self) -> None:
        """Take no more jobs."""
        self.writing.close()
        self.reading.close()


class _Aside:
    """An event loop on a thread of its own, for whoever has none."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="customary-postgres", daemon=True)
        self._thread.start()

    def run(self, deed: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end and return what it returns."""
        return self.submit(deed).result()

    def submit(self, deed: Coroutine[Any, Any, T]) -> "Future[T]":
        """Have a coroutine run."""
        return asyncio.run_coroutine_threadsafe(deed, self._loop)

    def close(self) -> None:
        """End the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
