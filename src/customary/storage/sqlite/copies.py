"""Backups of the two databases: copied while they are written, looked at, and put back in their place.

``customary.db`` is copied first and ``keys.db`` after it (decision 0009): a key is committed before the
record that it opens, so keys that are copied later open every record that was copied earlier. A copy is one
file without a journal beside it. It must never know what a record or a key means, nor who asks for it.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import apsw
import msgspec
from apsw import Connection

from customary.app.ports import Job, SealedCustomer
from customary.domain.errors import Conflict, Unavailable
from customary.storage.schema import Step
from customary.storage.schema.sqlite import KEYS_STEPS, STORE_STEPS
from customary.storage.sqlite import files
from customary.storage.sqlite.migrations import refuse_foreign
from customary.storage.sqlite.rows import record, unpacked
from customary.storage.sqlite.running import Runner

T = TypeVar("T")

Told = Callable[[str, int, int], None]
"""Is told what is copied or looked at, how much of it is done, and how much there is."""

PAGES_AT_ONCE: Final = 4096
RECORDS_AT_ONCE: Final = 500
_MODE: Final = 0o600
_BESIDE: Final = ("", "-wal", "-shm")

_COUNTS: Final = {
    "tenants": "SELECT count(*) FROM tenants",
    "customers": "SELECT count(*) FROM customers",
    "versions": "SELECT count(*) FROM versions",
    "keys": "SELECT count(*) FROM customer_keys WHERE wrapped <> zeroblob(length(wrapped))",
    "entries": "SELECT count(*) FROM leaves",
}
_PAIR_OF_STORE: Final = "SELECT value FROM meta WHERE name = ?"
_PAIR_OF_KEYS: Final = "SELECT value FROM key_meta WHERE name = ?"
_RECORDS: Final = """
SELECT c.row_no, c.tenant_id, c.customer_id, c.customer_number, c.merchant_no, c.version, c.sealed, c.guarded,
       c.created_at, c.updated_at, k.wrapped
FROM customers AS c LEFT JOIN customer_keys AS k ON k.row_no = c.row_no
WHERE c.row_no > ? ORDER BY c.row_no LIMIT ?
"""


class Unsound(Unavailable):
    """A copy that is no good: damaged, of two stores, or with records that nothing opens."""

    public = "The copy cannot be used"


class Pair(msgspec.Struct, frozen=True):
    """The two files of a backup."""

    store: Path
    keys: Path

    def __iter__(self) -> Iterator[Path]:
        """Yield both, the keys first: the store is what makes a pair complete."""
        return iter((self.keys, self.store))


def copy(folder: Path, pair: Pair, told: Told) -> None:
    """Copy the databases of a folder into two new files, each as it was at one instant, while others write.

    The files are on the disk when this returns. Raises Unavailable if they cannot be read or written,
    Conflict if one is there already; what was begun is taken away then.
    """
    for name, target in ((files.STORE, pair.store), (files.KEYS, pair.keys)):  # in this order
        try:
            os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE))
        except FileExistsError:
            raise Conflict(f"There is a file at {target} already; no backup is ever overwritten") from None
        except OSError as failure:
            raise _not_written(target, failure) from None
        try:
            _copy_one(folder / name, target, partial(told, name))
            sync(target)
        except (apsw.Error, OSError) as failure:
            discard(pair)
            if isinstance(failure, OSError):
                raise _not_written(target, failure) from None
            raise Unavailable(
                f"{name} could not be copied", detail=f"SQLite: {type(failure).__name__}"
            ) from None
        except BaseException:
            discard(pair)
            raise


def _copy_one(source: Path, target: Path, told: Callable[[int, int], None]) -> None:
    with (
        closing(Connection(str(source), flags=apsw.SQLITE_OPEN_READWRITE)) as reading,
        closing(Connection(str(target))) as writing,
    ):
        reading.pragma("query_only", True)
        reading.set_busy_timeout(5_000)
        # One snapshot for the whole copy: without it each commit of the server would begin the copy anew.
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        with writing.backup("main", reading, "main") as copying:
            while not copying.done:
                copying.step(PAGES_AT_ONCE)
                told(copying.page_count - copying.remaining, copying.page_count)
        reading.execute("ROLLBACK")
        writing.pragma("journal_mode", "delete")  # so that the copy is one file, and stays so when it is read


class Copied:
    """Two databases of a backup, opened for looking only."""

    def __init__(self, pair: Pair) -> None:
        """Open them; Unsound if they are none, damaged, of two stores, or of a newer program."""
        self._connection = connection = _opened(pair)
        try:
            for schema, path in (("main", pair.store), ("keys", pair.keys)):
                told: Any = connection.pragma("integrity_check", schema=schema)
                if told != "ok":
                    raise Unsound(f"{path} is damaged", detail="SQLite's integrity check")
            _refuse_foreign(pair)
            of_store = connection.execute(_PAIR_OF_STORE, (files.PAIR,)).get
            of_keys = connection.execute(_PAIR_OF_KEYS, (files.PAIR,)).get
            if of_store is None or of_store != of_keys:
                raise Unsound(f"{pair.keys} does not belong to {pair.store}")
        except (apsw.Error, OSError) as failure:
            connection.close()
            raise Unsound(f"{pair.store} is no backup", detail=f"{type(failure).__name__}") from None
        except BaseException:
            connection.close()
            raise

    def __enter__(self) -> "Copied":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def counts(self) -> dict[str, int]:
        """Return how many rows of each kind there are."""
        return {name: int(self._connection.execute(sql).get) for name, sql in _COUNTS.items()}

    def meta(self, name: str) -> bytes | None:
        """Return what the store has under that name, or None."""
        value: bytes | None = self._connection.execute(_PAIR_OF_STORE, (name,)).get
        return value

    def read(self, job: Job[T]) -> T:
        """Run a job that only reads."""
        return Runner(self._connection, writing=False).run(job)

    def records(self) -> Iterator[SealedCustomer]:
        """Yield every record in the order of creation, with its key or, where it has none, an empty one."""
        after = 0
        while rows := self._connection.execute(_RECORDS, (after, RECORDS_AT_ONCE)).fetchall():
            for _, tenant, *columns in rows:
                yield record(unpacked(tenant), columns)
            last: Any = rows[-1][0]
            after = last


def _opened(pair: Pair) -> Connection:
    for path in pair:
        if not path.is_file():
            raise Unsound(f"There is no file at {path}")
    try:
        connection = Connection(str(pair.store), flags=apsw.SQLITE_OPEN_READONLY)
        connection.execute("ATTACH ? AS keys", (str(pair.keys),))
    except apsw.Error as failure:
        raise Unsound(f"{pair.store} is no backup", detail=f"SQLite: {type(failure).__name__}") from None
    connection.pragma("trusted_schema", False)
    connection.pragma("cell_size_check", True)
    return connection


def _refuse_foreign(pair: Pair) -> None:
    steps: tuple[tuple[Path, Sequence[Step]], ...] = ((pair.store, STORE_STEPS), (pair.keys, KEYS_STEPS))
    for path, known in steps:
        with closing(Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as connection:
            refuse_foreign(connection, known)


# ── Putting back ────────────────────────────────────────────────────────────────────────────────────────


def put_into(folder: Path, pair: Pair, told: Told) -> None:
    """Copy the two files of a backup into a new folder, as its databases.

    Raises Unavailable if it cannot be written.
    """
    folder.mkdir(mode=0o700)
    for name, source in ((files.KEYS, pair.keys), (files.STORE, pair.store)):
        try:
            _copy_file(source, folder / name, partial(told, name))
        except OSError as failure:
            raise _not_written(folder / name, failure) from None
    sync_folder(folder)


def set_aside(folder: Path, aside: Path) -> bool:
    """Move the databases of a folder, with what belongs to them, into a new folder; return whether any were.

    The store goes first, so that its folder counts as empty from then on, whenever this is interrupted.
    """
    present = [
        path
        for database in (files.STORE, files.KEYS)
        for beside in _BESIDE
        if (path := folder / f"{database}{beside}").exists()
    ]
    if not present:
        return False
    aside.mkdir(mode=0o700)
    for path in present:
        path.rename(aside / path.name)
    sync_folder(aside)
    sync_folder(folder)
    return True


def move_into(folder: Path, prepared: Path) -> None:
    """Move the databases of a folder that nobody has open into another, where there are none.

    The store comes last: until then the folder counts as empty, whenever this is interrupted.
    """
    for name in (files.KEYS, files.STORE):
        (prepared / name).rename(folder / name)
        sync_folder(folder)


def _copy_file(source: Path, target: Path, told: Callable[[int, int], None]) -> None:
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
    size = source.stat().st_size
    with source.open("rb") as reading, os.fdopen(descriptor, "wb") as writing:
        while chunk := reading.read(PAGES_AT_ONCE * files.PAGE_BYTES):
            writing.write(chunk)
            told(writing.tell(), size)
        writing.flush()
        os.fsync(descriptor)


# ── Files ───────────────────────────────────────────────────────────────────────────────────────────────


def discard(pair: Pair) -> None:
    """Take away the files of a copy that came to nothing."""
    for path in pair:
        for beside in (*_BESIDE, "-journal"):
            path.with_name(path.name + beside).unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Return when a file's content is on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Return when the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _not_written(path: Path, failure: OSError) -> Unavailable:
    why = failure.strerror or type(failure).__name__
    return Unavailable(f"{path} cannot be written: {why}")
