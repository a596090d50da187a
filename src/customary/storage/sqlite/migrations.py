"""Brings one SQLite database to the newest schema: a step at a time, each in a transaction with its record.

Killed between or within steps, the next start goes on where this one ended. Two processes may start at once:
each looks again under the write lock before it takes a step. A database that has another step under a number
than this program, or a number that this program does not know, is refused and not touched.
"""

from collections.abc import Sequence
from typing import Any, Final

from apsw import Connection

from customary.domain.errors import Unavailable
from customary.storage.schema import Step

_MAKE_RECORD: Final = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    number INTEGER PRIMARY KEY,
    checksum TEXT NOT NULL
) STRICT
"""
_HAS_RECORD: Final = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migrations'"
_TAKEN: Final = "SELECT number, checksum FROM schema_migrations ORDER BY number"
_RECORD: Final = "INSERT INTO schema_migrations (number, checksum) VALUES (?, ?)"


def migrate(connection: Connection, steps: Sequence[Step]) -> None:
    """Take the steps that this database has not taken; Unavailable if it is not this program's."""
    while (step := _next_step(connection, steps)) is not None:
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.execute(_MAKE_RECORD)
            if _next_step(connection, steps) == step:
                connection.execute(step.sql)
                connection.execute(_RECORD, (step.number, step.checksum))
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")


def refuse_foreign(connection: Connection, steps: Sequence[Step]) -> None:
    """Raise Unavailable if this database is not one that this program has made, or can bring up to date."""
    _next_step(connection, steps)


def _next_step(connection: Connection, steps: Sequence[Step]) -> Step | None:
    """Return the first step that was not taken, or None after the last."""
    taken: dict[Any, Any] = {}
    if connection.execute(_HAS_RECORD).fetchone() is not None:
        rows: Any = connection.execute(_TAKEN)
        taken = dict(rows)
    if len(taken) > len(steps):
        raise Unavailable(
            "The database was written by a newer version of this program; start that one",
            detail=f"{len(taken)} schema steps, {len(steps)} known, in {connection.filename}",
        )
    for step in steps:
        if step.number not in taken:
            return step
        if taken[step.number] != step.checksum:
            raise Unavailable(
                "The database has another schema than this program expects",
                detail=f"schema step {step.number} in {connection.filename} has another checksum",
            )
    return None
