"""Moves committed pages from the WAL into the databases, on a thread and a connection of its own.

On the committing thread that work would cost the tail. But a passive checkpoint never ends a WAL to which
commits keep adding, and a WAL that cannot start over grows without bound; so when it is long, the committing
thread is asked to let it start over, right after a passive pass has left little to move.
"""

import threading
from collections.abc import Callable
from typing import Final

import apsw
from apsw import Connection

from customary.storage.sqlite.failures import FAILURES, Failures
from customary.storage.sqlite.files import PAGE_BYTES, WAL_BYTES_KEPT, written_anew

INTERVAL_SECONDS: Final = 1.0
PAGES_WAKING: Final = 16 * 1024 * 1024 // PAGE_BYTES
PAGES_LONG: Final = WAL_BYTES_KEPT // PAGE_BYTES
PAGES_LEFT_MAX: Final = 128
"""How many pages a restart may have to move while the committing thread waits for it."""

PASSES_MAX: Final = 12
TRUNCATE_MILLISECONDS_MAX: Final = 250
"""How long writers may be held up for a reader that is still at work."""

SCHEMAS: Final = ("main", "store")


class Checkpointer:
    """Owns the thread; ``restart_due`` and ``restart`` are for the committing thread."""

    def __init__(self, open_connection: Callable[[], Connection], failures: Failures) -> None:
        self._failures = failures
        self._connection = open_connection()
        self._wake = threading.Event()
        self._restart = threading.Event()
        self._closing = False
        self._passing = threading.Lock()
        self._pages_seen = dict.fromkeys(SCHEMAS, 0)
        self._thread = threading.Thread(target=self._run, name="customary-checkpoint", daemon=True)
        self._thread.start()

    def watch(self, connection: Connection) -> None:
        """Be told of every commit of that connection, to run before the interval when much is written."""
        connection.set_wal_hook(self._note)

    def restart_due(self) -> bool:
        """Return whether a WAL is long and nearly moved."""
        return self._restart.is_set()

    def restart(self, connection: Connection) -> None:
        """Let the WALs start over, on the committing thread.

        A reader that is at work prevents it; then the WAL grows on, and the next pass asks again. No passive
        pass runs meanwhile: the two would exclude each other.
        """
        for schema in SCHEMAS:
            try:
                connection.wal_checkpoint(schema, apsw.SQLITE_CHECKPOINT_RESTART)
                self._pages_seen[schema] = 0
            except apsw.BusyError:
                continue
            except FAILURES as failure:
                self._failures.translated(failure, connection)
        self._restart.clear()

    def truncate(self) -> bool:
        """Empty the WALs, on any thread but the loop's; return whether both are empty files now.

        What a commit has deleted is in the WAL until then. Writers wait meanwhile, so little is left to move
        first; and a reader that is still at work is not waited for long: this is to be tried again.
        """
        with self._passing:
            if not self._written_anew():
                return False
            for schema in SCHEMAS:
                try:
                    self._connection.wal_checkpoint(schema, apsw.SQLITE_CHECKPOINT_PASSIVE)
                    self._connection.set_busy_timeout(TRUNCATE_MILLISECONDS_MAX)
                    self._connection.wal_checkpoint(schema, apsw.SQLITE_CHECKPOINT_TRUNCATE)
                    self._pages_seen[schema] = 0
                except apsw.BusyError:
                    return False
                except FAILURES as failure:
                    self._failures.translated(failure, self._connection)
                    return False
                finally:
                    self._connection.set_busy_timeout(0)
        return True

    def _written_anew(self) -> bool:
        self._connection.set_busy_timeout(TRUNCATE_MILLISECONDS_MAX)
        try:
            written_anew(self._connection)
        except FAILURES as failure:
            if not isinstance(failure, apsw.BusyError):
                self._failures.translated(failure, self._connection)
            return False
        finally:
            self._connection.set_busy_timeout(0)
        return True

    def close(self) -> None:
        """End the thread."""
        self._closing = True
        self._wake.set()
        self._thread.join()
        self._connection.close()

    def _note(self, connection: Connection, schema: str, pages: int) -> int:
        if pages - self._pages_seen[schema] >= PAGES_WAKING:
            self._wake.set()
        return apsw.SQLITE_OK

    def _run(self) -> None:
        while not (self._closing or self._failures.lethal):
            self._wake.wait(INTERVAL_SECONDS)
            self._wake.clear()
            if self._closing or self._failures.lethal or self._restart.is_set():
                continue
            with self._passing:
                for schema in SCHEMAS:
                    self._move(schema)

    def _move(self, schema: str) -> None:
        """Move what is in the WAL; ask for a restart when it is long and little is left to move."""
        for _ in range(PASSES_MAX):
            try:
                pages, moved = self._connection.wal_checkpoint(schema, apsw.SQLITE_CHECKPOINT_PASSIVE)
            except FAILURES as failure:
                self._failures.translated(failure, self._connection)
                return
            self._pages_seen[schema] = pages
            if pages < PAGES_LONG:
                return
            if pages - moved <= PAGES_LEFT_MAX:
                break
        self._restart.set()
