"""What the commands share: their common options, the open house, and how results are printed.

It must never know what is printed.
"""

import os
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec
from cyclopts import Parameter

from customary import config

if TYPE_CHECKING:  # opening a house loads the engine and the ciphers; asking for help must not
    from customary.bootstrap.house import House

T = TypeVar("T")

_LAST_COLUMN_MIN = 24
DEFAULT_URL = "http://127.0.0.1:8080"

Data = Annotated[
    Path | None,
    Parameter(
        name="--data",
        help="Folder of the data; CUSTOMARY_DATA if not given, else ./customary-data.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, Parameter(name="--json", help="Print the result as JSON.", show_default=False)]


def settings_for(data: Path | None, **overrides: object) -> config.Settings:
    """Return the settings that hold, with what the command line says."""
    return config.load(os.environ, overrides={"data": data, **overrides}, cwd=Path.cwd())


@contextmanager
def open_house(data: Path | None, *, may_make: bool = False, replaying: bool = False) -> "Iterator[House]":
    """Open the house for one command; refuse one that is sealed, for want of its root key."""
    from customary.bootstrap.engines import is_there
    from customary.bootstrap.house import House
    from customary.cli.advice import advised, no_data, sealed

    settings = settings_for(data)
    if not may_make and not is_there(settings):
        raise no_data(settings)
    with advised(settings), House(settings, may_make=may_make, replaying=replaying) as house:
        if house.vault is None:
            raise sealed(settings)
        yield house


def done(house: "House", job: Callable[[], Generator[Any, Any, T]]) -> T:
    """Perform one writing job in a commit of its own and return its result."""
    return house.engine.perform_now([job])[0]


# ── Results ─────────────────────────────────────────────────────────────────────────────────────────────


def print_json(result: object) -> None:
    """Print a result for programs."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(result), indent=2).decode() + "\n")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str) -> None:
    """Print rows under their headings; on a terminal with rules and colour, else in plain columns."""
    if not rows:
        print(empty, file=sys.stderr)
        return
    cells = [[harmless(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    # Ids are there to be copied: only the last column may be broken, so a narrow terminal gets plain lines.
    if sys.stdout.isatty() and sum(widths[:-1]) + 3 * len(widths) + _LAST_COLUMN_MIN < _terminal_columns():
        _print_rich_table(columns, cells)
        return
    for row in ([heading.upper() for heading in columns], *cells):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _terminal_columns() -> int:
    import shutil

    return shutil.get_terminal_size().columns


def _print_rich_table(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False)
    for column in table.columns[:-1]:
        column.no_wrap = True
    for row in cells:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


def print_lines(lines: Sequence[str]) -> None:
    """Print lines as they are, however long: they are made to be pasted."""
    sys.stdout.writelines(f"{line}\n" for line in lines)


def print_facts(facts: Mapping[str, str]) -> None:
    """Print names and values, a line each."""
    width = max(map(len, facts))
    for name, value in facts.items():
        print(f"{name.ljust(width)}  {harmless(value)}")


def harmless(text: str) -> str:
    """Return text without the characters that would steer a terminal: somebody else has written it.

    >>> harmless("a" + chr(27) + "[2Jb")
    'a\\\\x1b[2Jb'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def date_text(instant: datetime | None) -> str:
    """Return the day of an instant, in UTC: enough for a table."""
    return "" if instant is None else instant.date().isoformat()


def instant_text(instant: datetime | None) -> str | None:
    """Return an instant in RFC 3339, in UTC and whole seconds."""
    return None if instant is None else instant.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
