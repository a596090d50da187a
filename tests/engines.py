"""The engines on which a server is tested, and what a server must be told to use one of them.

It must never import ``customary``: a server is told by its settings, as anybody would.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import clusters

SQLITE = "sqlite"
_POSTGRES = "postgres-"
ENGINES = tuple(
    os.environ.get("TEST_ENGINES", ",".join((SQLITE, *(f"{_POSTGRES}{v}" for v in clusters.VERSIONS)))).split(
        ","
    )
)
"""Which are tested: all, unless somebody in a hurry names some."""


@contextmanager
def store_of(engine: str) -> Iterator[dict[str, str]]:
    """Give the settings of a server on an empty store of that engine."""
    if engine == SQLITE:
        yield {}
        return
    with clusters.fresh_database(int(engine.removeprefix(_POSTGRES))) as url:
        yield {"database_url": url}
