"""Whether the two databases of a data folder are sound, judged without changing or migrating them.

It goes past the engine, which would bring the schema up to date on opening. It must never read a record.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from customary.storage.schema.sqlite import KEYS_STEPS, STORE_STEPS
from customary.storage.sqlite import files
from customary.storage.sqlite.failures import FAILURES

_STEPS_TAKEN = {
    "main": "SELECT count(*) FROM main.schema_migrations",
    "keys": "SELECT count(*) FROM keys.schema_migrations",
}
_NAMES = {"main": files.STORE, "keys": files.KEYS}


def unsound(folder: Path) -> Iterator[str]:
    """Yield what is wrong with the databases: one missing, unreadable, or failing SQLite's quick check."""
    for name in _NAMES.values():
        if not (folder / name).exists():
            yield f"{name} is missing"
            return
    try:
        with closing(files.reading(folder)) as connection:
            for schema, name in _NAMES.items():
                told: Any = connection.pragma("quick_check", schema=schema)
                if told != "ok":
                    yield f"{name} is damaged"
    except FAILURES as failure:
        yield f"SQLite cannot read them ({type(failure).__name__})"


def schema_steps_missing(folder: Path) -> int:
    """Return how many steps of the schema this version would take on opening."""
    with closing(files.reading(folder)) as connection:
        taken = 0
        for schema, statement in _STEPS_TAKEN.items():
            if connection.table_exists(schema, "schema_migrations"):
                count: Any = connection.execute(statement).get
                taken += count
    return max(0, len(STORE_STEPS) + len(KEYS_STEPS) - taken)
