"""The data folder: its two databases, how connections to them are opened, and who may serve it.

``customary.db`` holds everything but the customer keys. Those are in ``keys.db``, so that they can be backed
up and destroyed apart: without its key a record, its versions and its backups are noise.

It must never know what a row means.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import apsw
from apsw import Connection

from customary.domain.errors import Conflict, Unavailable
from customary.storage.schema.sqlite import KEYS_STEPS, STORE_STEPS
from customary.storage.sqlite.migrations import migrate

STORE: Final = "customary.db"
KEYS: Final = "keys.db"
SERVER_LOCK: Final = "server.lock"
SETUP_LOCK: Final = "setup.lock"

SQLITE_VERSION_MIN: Final = (3, 51, 3)
"""Before it, two connections could corrupt a WAL database (since 3.7.0)."""

PAGE_BYTES: Final = 4096
MOVED: Final = "moved"
"""Noted beside the keys when one has got longer: SQLite may have moved others, and left copies of them."""

WAL_BYTES_KEPT: Final = 64 * 1024 * 1024
WAL_PAGES_OF_COMMANDS: Final = 4000
"""After how many pages a program without a checkpointer moves them: a long import must not fill the disk."""

SETUP_SECONDS_MAX: Final = 10.0
_CACHE_KIB: Final = {"writing": 24_576, "reading": 12_288, "scanning": 2_048}

PAIR: Final = "pair"
"""Under this name both databases hold the same random bytes, so that a pair is known."""

_LAST_CUSTOMER: Final = "SELECT max(row_no) FROM customers"
_LAST_KEY: Final = "SELECT max(row_no) FROM customer_keys"


def prepare(folder: Path) -> None:
    """Make the folder and its databases, or bring them to the newest schema; Unavailable if it cannot be."""
    version = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
    if version < SQLITE_VERSION_MIN:
        raise Unavailable(
            "The SQLite library is too old: versions before 3.51.3 can corrupt a database; update apsw",
            detail=f"SQLite {apsw.sqlite_lib_version()}",
        )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with setup_lock(folder):
        for name, steps in ((KEYS, KEYS_STEPS), (STORE, STORE_STEPS)):
            path = folder / name
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            with _closing(Connection(str(path))) as connection:
                connection.set_busy_timeout(int(SETUP_SECONDS_MAX * 1000))
                _harden(connection)
                if connection.pragma("journal_mode") != "wal":
                    connection.pragma("journal_mode", "wal")
                migrate(connection, steps)
        with _closing(writing(folder)) as connection:
            connection.set_busy_timeout(int(SETUP_SECONDS_MAX * 1000))
            _check_pair(connection)


def writing(folder: Path) -> Connection:
    """Return a connection that writes to both databases.

    The keys are its main database because SQLite commits the main database first, then those attached: a
    crash between the two leaves a key without a record, which is harmless, never a record without its key.
    A fault test holds this order.
    """
    connection = Connection(str(folder / KEYS), flags=apsw.SQLITE_OPEN_READWRITE)
    # For a moment another process may close the databases, or recover them, which nobody can open meanwhile.
    connection.set_busy_timeout(int(SETUP_SECONDS_MAX * 1000))
    connection.execute("ATTACH ? AS store", (str(folder / STORE),))
    _harden(connection)
    for schema in ("main", "store"):
        connection.pragma("synchronous", "FULL", schema=schema)
        connection.pragma("journal_size_limit", WAL_BYTES_KEPT, schema=schema)
        connection.pragma("cache_size", -_CACHE_KIB["writing"], schema=schema)
    # Checkpoints are the checkpointer's: on the committing connection they would cost the tail.
    connection.wal_autocheckpoint(0)
    connection.set_busy_timeout(0)
    return connection


def written_anew(connection: Connection) -> None:
    """Write the database of keys anew, on a connection of ``writing``, if rows of it were moved.

    Then no unused part of a page has a copy of a key. Raises BusyError while others write.
    """
    if connection.execute("SELECT 1 FROM main.key_meta WHERE name = ?", (MOVED,)).get is not None:
        connection.execute("VACUUM main")
        connection.execute("DELETE FROM main.key_meta WHERE name = ?", (MOVED,))


def reading(folder: Path, *, scanning: bool = False) -> Connection:
    """Return a connection that only reads.

    Its main database is the store, whose state a statement fixes first: the keys it then sees are at least
    as new, so every record it sees has its key.
    """
    connection = Connection(str(folder / STORE), flags=apsw.SQLITE_OPEN_READWRITE)
    # Readers of a WAL wait for nobody, but for a moment when another process recovers or closes it.
    connection.set_busy_timeout(1000)
    connection.execute("ATTACH ? AS keys", (str(folder / KEYS),))
    _harden(connection)
    for schema in ("main", "keys"):
        kibibytes = _CACHE_KIB["scanning" if scanning else "reading"]
        connection.pragma("cache_size", -kibibytes, schema=schema)
    connection.pragma("query_only", True)
    return connection


def _harden(connection: Connection) -> None:
    connection.pragma("foreign_keys", True)
    connection.pragma("secure_delete", True)
    connection.pragma("trusted_schema", False)
    connection.pragma("temp_store", "MEMORY")
    # Without it SQLite prepares a join again each time a value is bound, in case the value suggests another
    # plan: measured 7.7 us a read instead of 0.7. Every plan here is the right one for every value.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)


def _check_pair(connection: Connection) -> None:
    """Refuse two databases that are not of one store, or keys older than the records (a mixed restore)."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        of_keys = connection.execute("SELECT value FROM key_meta WHERE name = ?", (PAIR,)).get
        of_store = connection.execute("SELECT value FROM meta WHERE name = ?", (PAIR,)).get
        last_customer = connection.execute(_LAST_CUSTOMER).get or 0
        last_key = connection.execute(_LAST_KEY).get or 0
        # A key's mark alone is what a kill between the two commits of the first start leaves.
        if of_store is None and last_customer == 0:
            pair = of_keys or os.urandom(16)
            connection.execute("INSERT OR REPLACE INTO key_meta (name, value) VALUES (?, ?)", (PAIR, pair))
            connection.execute("INSERT INTO meta (name, value) VALUES (?, ?)", (PAIR, pair))
            connection.execute("COMMIT")
        elif of_keys != of_store or last_customer > last_key:
            raise Unavailable(
                f"{KEYS} does not belong to {STORE}, or is older: restore both from the same backup",
                detail=f"last customer {last_customer}, last key {last_key}",
            )
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


# ── Locks ───────────────────────────────────────────────────────────────────────────────────────────────


def server_lock(folder: Path) -> int:
    """Return an open file that holds the right to serve this folder, until it is closed."""
    lock = os.open(folder / SERVER_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise Conflict(
            "Another server already serves this data folder; stop it, or give this one another folder",
            detail=f"{folder / SERVER_LOCK} is locked",
        ) from None
    return lock


def is_served(folder: Path) -> bool:
    """Return whether a server serves this folder now."""
    try:
        lock = os.open(folder / SERVER_LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        # Shared, and let go at once: it must not keep a server that starts just now from its own.
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


@contextmanager
def setup_lock(folder: Path) -> Iterator[None]:
    """Let one process at a time make or migrate what is in the folder; not to be taken twice."""
    lock = os.open(folder / SETUP_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        until = time.monotonic() + SETUP_SECONDS_MAX
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise Unavailable(
                        "Another process is preparing this data folder and does not end",
                        detail=f"{folder / SETUP_LOCK} is locked",
                    ) from None
                time.sleep(0.01)
        yield
    finally:
        os.close(lock)


@contextmanager
def _closing(connection: Connection) -> Iterator[Connection]:
    try:
        yield connection
    finally:
        connection.close()
