"""Moves committed pages from the WAL into the databases, on a thread and a connection of its own.

On the committing thread that work would cost the tail. But a passive checkpoint never ends a WAL to which
commits keep adding, and a WAL that cannot start over grows without bound; so when it is long, the committing
thread is asked to let it start over, right after a passive pass has left little to move.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import apsw
from apsw import Connection

from customary.domain.errors import Unavailable
from customary.storage.sqlite.failures import FAILURES, Failures
from customary.storage.sqlite.files import PAGE_BYTES, WAL_BYTES_KEPT

INTERVAL_SECONDS: Final = 1.0
PAGES_WAKING: Final = 16 * 1024 * 1024 // PAGE_BYTES
PAGES_LONG: Final = WAL_BYTES_KEPT // PAGE_BYTES
SCHEMAS: Final = ("main", "store")


class Checkpointer:
    """Owns the thread; ``restart_due`` and ``restart`` are for the committing thread."""

    def __init__(self, open_connection: Callable[[], Connection], failures: Failures) -> None:
        self._open_connection = open_connection
        self._failures = failures
        self._wake = threading.Event()
        self._restart = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="customary-checkpoint", daemon=True)
        self._thread.start()

    def watch(self, connection: Connection) -> None:
        """Be told of every commit of that connection, to run before the interval when much is written."""
        connection.set_wal_hook(self._note)

    def restart_due(self) -> bool:
        """Return whether a WAL is long and nearly moved."""
        return self._restart.is_set()

    def restart(self, connection: Connection) -> None:
        """Let the WALs start over. A reader that is at work prevents it; then the next commit tries again."""
        for schema in SCHEMAS:
            try:
                connection.wal_checkpoint(schema, apsw.SQLITE_CHECKPOINT_RESTART)
            except apsw.BusyError:
                self._restart.clear()
                self._wake.set()
                return
            except FAILURES as failure:
                self._failures.translated(failure, connection)
                return
        self._restart.clear()

    def close(self) -> None:
        """End the thread."""
        self._closing = True
        self._wake.set()
        self._thread.join()

    def _note(self, connection: Connection, schema: str, pages: int) -> int:
        if pages >= PAGES_WAKING:
            self._wake.set()
        return apsw.SQLITE_OK

    def _run(self) -> None:
        try:
            connection = self._open_connection()
        except (*FAILURES, Unavailable):
            return
        with suppress(apsw.ConnectionClosedError):
            while not self._closing:
                self._wake.wait(INTERVAL_SECONDS)
                self._wake.clear()
                for schema in SCHEMAS:
                    self._pass(connection, schema)
        connection.close()

    def _pass(self, connection: Connection, schema: str) -> None:
        try:
            pages, moved = connection.wal_checkpoint(schema, apsw.SQLITE_CHECKPOINT_PASSIVE)
        except FAILURES as failure:
            self._failures.translated(failure, connection)
            return
        if pages >= PAGES_LONG and moved > 0:
            self._restart.set()
