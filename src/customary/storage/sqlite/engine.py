"""The engine over one data folder: who runs a job where, and how the store is opened and closed.

- Writing jobs run in batches on the event loop; a thread commits them (``batches``).
- Reading jobs run at once on the event loop, on a connection of their own: a few rows cost microseconds.
- Scanning jobs run one after the other on a thread with a connection of its own.
- Checkpoints run on a thread and a connection of their own (``checkpoints``).

It must never know customers or keys, nor what a row holds.
"""

import asyncio
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any, TypeVar

import apsw
from apsw import Connection

from customary.app.ports import Job
from customary.domain.errors import Unavailable
from customary.storage.sqlite import files
from customary.storage.sqlite.batches import Batches
from customary.storage.sqlite.checkpoints import SCHEMAS, TRUNCATE_MILLISECONDS_MAX, Checkpointer
from customary.storage.sqlite.failures import FAILURES, Failures
from customary.storage.sqlite.registry import generation_of
from customary.storage.sqlite.running import Begun, Runner

T = TypeVar("T")

META = "SELECT value FROM meta WHERE name = ?"
SET_META = """
INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""


class SQLiteEngine:
    """Stores sealed rows in one folder; the Engine port for one machine.

    One server at a time may serve a folder; programs that do not serve may work beside it, in short
    transactions. Use it from one thread: that of the event loop, or the only one of a command.
    """

    def __init__(self, folder: Path, *, serving: bool, fatal: Callable[[str], None] | None = None) -> None:
        """Open the store, making or migrating it first.

        ``fatal`` is called, on any thread, with a reason when the process must end at once: after an I/O
        error or a corrupt page. Raises Conflict when another server serves the folder, Unavailable when the
        databases cannot be used.
        """
        self._folder = folder = folder.resolve()
        self._failures = Failures(fatal)
        self._lock: int | None = None
        self._checkpointer: Checkpointer | None = None
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if serving:
                self._lock = files.server_lock(folder)
            files.prepare(folder)
            self._writing = files.writing(folder)
            if not serving:
                self._writing.wal_autocheckpoint(files.WAL_PAGES_OF_COMMANDS)
            self._reading = files.reading(folder)
            if serving:
                self._checkpointer = Checkpointer(lambda: files.writing(folder), self._failures)
                self._checkpointer.watch(self._writing)
            self._reader = Runner(self._reading, writing=False)
            self._generation = generation_of(self._reading)
        except (apsw.Error, OSError) as failure:
            self._unlock()
            raise Unavailable(
                "The data folder cannot be used", detail=f"{type(failure).__name__}"
            ) from failure
        except BaseException:
            self._unlock()
            raise
        self._restart_due = self._checkpointer.restart_due if self._checkpointer else bool
        self._snapshot_held = False
        self._scrubbing = False
        self._batches = Batches(
            self._writing,
            self._failures,
            begun=self._begun,
            locked=self._look_under_lock,
            before_commit=self._let_wal_restart,
            after_commit=self._look,
            restart_due=self._restart_due,
            restart_wal=self._checkpointer.restart if self._checkpointer else _leave_wal,
        )
        self._scanner = ThreadPoolExecutor(1, thread_name_prefix="customary-scan")
        self._scanning: Connection | None = None
        self._closed = False

    # ── The port ────────────────────────────────────────────────────────────────────────────────────────

    async def perform(self, job: Job[T]) -> T:
        """Run a job that writes; return its result after the commit that holds it."""
        result: T = await self._batches.submit(job)
        return result

    async def read(self, job: Job[T]) -> T:
        """Run a job that reads a few rows, now, on the event loop.

        To begin and end a transaction over two files costs three times what a point read does. So one is held
        over many reads: until the next commit of this process, or until ``poll`` looks for other processes'.
        """
        if not self._snapshot_held and (self._scrubbing or self._restart_due()):
            return self.read_now(job)
        try:
            self._hold_snapshot()
            return self._reader.run(job)
        except apsw.Error as failure:
            raise self._failures.translated(failure, self._reading) from failure

    async def scan(self, job: Job[T]) -> T:
        """Run a job that may read many rows, on the scanning thread, in one state of the store."""
        return await asyncio.get_running_loop().run_in_executor(self._scanner, self._scanned, job)

    def perform_now(self, jobs: list[Job[T]]) -> list[T]:
        """Run jobs that write in one commit, all of them or none; waits for other processes."""
        return self._batches.run_now(jobs)

    def read_now(self, job: Job[T]) -> T:
        """Run a job that only reads, in one state of the store."""
        held = self._snapshot_held
        try:
            if not held:
                self._begin_snapshot()
            return self._reader.run(job)
        except apsw.Error as failure:
            raise self._failures.translated(failure, self._reading) from failure
        finally:
            if not held:
                self._release_snapshot()

    def generation(self) -> int:
        """Return the number of the last known change of the registry (see ``poll``).

        While a job runs it is that of the state which the job reads; only a scan may be ahead of it.
        """
        return self._generation

    async def poll(self) -> None:
        """Look at the store as it is now, and whether another process has changed the registry."""
        self._look()

    async def scrub(self) -> bool:
        """Leave nothing of what was deleted in the logs; return whether that is so, else try again later."""
        if self._checkpointer is None:
            return self.scrub_now()
        self._scrubbing = True
        self._release_snapshot()
        try:
            return await asyncio.to_thread(self._checkpointer.truncate)
        finally:
            self._scrubbing = False

    def scrub_now(self) -> bool:
        """Do the same from a program without an event loop; a server at work may prevent it."""
        self._release_snapshot()
        self._writing.set_busy_timeout(TRUNCATE_MILLISECONDS_MAX)
        try:
            files.written_anew(self._writing)
            for schema in SCHEMAS:
                self._writing.wal_checkpoint(schema, apsw.SQLITE_CHECKPOINT_TRUNCATE)
        except FAILURES as failure:
            self._failures.translated(failure, self._writing)
            return False
        finally:
            self._writing.set_busy_timeout(0)
        return True

    # ── Beside the port ─────────────────────────────────────────────────────────────────────────────────

    def meta(self, name: str) -> bytes | None:
        """Return what was stored under that name, or None."""
        self._release_snapshot()
        value: bytes | None = self._reading.execute(META, (name,)).get
        return value

    def set_meta(self, name: str, value: bytes) -> None:
        """Store a few bytes under a name, in a commit of its own; not while jobs are under way."""
        self._batches.execute_now(SET_META, (name, value))

    def is_served(self) -> bool:
        """Return whether a server serves this folder now."""
        return files.is_served(self._folder)

    async def leave(self) -> None:
        """Part from the event loop, which is about to end: nothing here is bound to it."""

    async def drained(self) -> None:
        """Return when every job that was handed in is answered."""
        await self._batches.drained()

    def setting_up(self) -> AbstractContextManager[None]:
        """Return a lock under which one process at a time makes what belongs to the folder."""
        return files.setup_lock(self._folder)

    def close(self) -> None:
        """End the threads, move the whole WAL into the databases, and let another server serve the folder."""
        if self._closed:
            return
        self._closed = True
        self._batches.close()
        self._release_snapshot()
        self._scanner.shutdown(wait=True)
        if self._checkpointer is not None:
            self._checkpointer.close()
        intact = not self._failures.lethal and (self._checkpointer is None or self._truncate_wal())
        for connection in (self._scanning, self._reading, self._writing):
            if connection is None:
                continue
            if not intact:
                # The WAL is as good as the databases, and is found again; after an I/O error nothing more
                # may be written, and the last connection would.
                connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            with suppress(*FAILURES):
                connection.close()
        self._unlock()

    def _look(self) -> None:
        self._release_snapshot()
        try:
            self._note(generation_of(self._reading))
        except apsw.Error as failure:
            self._failures.translated(failure, self._reading)

    def _begun(self, jobs: Sequence[Job[Any]]) -> Sequence[Begun | None]:
        with suppress(apsw.Error):  # each job will meet it in its turn
            self._hold_snapshot()
        return self._reader.begun(jobs) if self._snapshot_held else [None] * len(jobs)

    def _hold_snapshot(self) -> None:
        if not (self._snapshot_held or self._scrubbing or self._restart_due()):
            self._begin_snapshot()

    def _begin_snapshot(self) -> None:
        """Fix the state that is read, and the generation that belongs to it."""
        self._reading.execute("BEGIN")
        self._snapshot_held = True
        self._note(generation_of(self._reading))

    def _look_under_lock(self) -> None:
        """Before the first job of a writing transaction: no other process can change the registry now.

        So nobody ever seals under a key, or tags with one, that another process has retired.
        """
        number = generation_of(self._writing)
        if number != self._generation:
            self._release_snapshot()
            self._note(number)

    def _note(self, generation: int) -> None:
        if generation != self._generation:
            self._generation = generation
            self._batches.forget_begun()

    def _release_snapshot(self) -> None:
        if self._snapshot_held:
            self._snapshot_held = False
            self._reading.execute("ROLLBACK")

    def _let_wal_restart(self) -> None:
        """Before a commit after which the WAL shall start over: a held snapshot would prevent it."""
        if self._restart_due():
            self._release_snapshot()

    def _truncate_wal(self) -> bool:
        """Move the whole WAL into the databases; return whether that went well."""
        for schema in SCHEMAS:
            try:
                self._writing.wal_checkpoint(schema, apsw.SQLITE_CHECKPOINT_TRUNCATE)
            except FAILURES as failure:
                self._failures.translated(failure, self._writing)
                return False
        return True

    def _scanned(self, job: Job[T]) -> T:
        if self._scanning is None:
            self._scanning = files.reading(self._folder, scanning=True)
        connection = self._scanning
        try:
            connection.execute("BEGIN")
            try:
                return Runner(connection, writing=False).run(job)
            finally:
                connection.execute("ROLLBACK")
        except apsw.Error as failure:
            raise self._failures.translated(failure, connection) from failure

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _leave_wal(connection: Connection) -> Any:
    """Do nothing: without a checkpointer the WAL is left to the server, or to the last one that closes."""
