"""The manual page ``docs/cli.md``, made of the commands' own help; a test compares the two."""

import io
from collections.abc import Iterator

from cyclopts import App
from rich.console import Console

from customary.cli.commands import app

_WIDTH = 100
_INTRODUCTION = """# Command line

<!-- Made from the commands' help by customary.cli.manual.rendered_docs(); a test compares. -->

Every command takes `--help`. Those that print a result take `--json`: then stdout has the result, or an
object `error` with `kind`, `message` and what to do next. Everything else is said on stderr. Commands work
while the server runs; it notices new, rotated and revoked keys within a second.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | refused: the text says why, and what to do next |
| 2 | wrong usage, or settings that cannot be used |
| 3 | unavailable: the data folder or the server cannot be reached; the same may succeed later |
"""


def rendered_docs() -> str:
    """Return the text of ``docs/cli.md``, so that it cannot miss a command or an option."""
    return _INTRODUCTION + "".join(_sections(app, ()))


def _sections(group: App, path: tuple[str, ...]) -> Iterator[str]:
    yield f"\n## customary {' '.join(path)}".rstrip() + f"\n\n```text\n{_help(path)}\n```\n"
    names = [name for name in group.resolved_commands() if not name.startswith("-")]
    for name in sorted(names, key=lambda name: group[name].sort_key or 0):
        yield from _sections(group[name], (*path, name))


def _help(path: tuple[str, ...]) -> str:
    page = io.StringIO()
    console = Console(file=page, width=_WIDTH, force_terminal=False, color_system=None)
    app.help_print(list(path), console=console)
    return "\n".join(line.rstrip() for line in page.getvalue().strip().splitlines())
