"""The command line: finds the command, and says what went wrong with the exit code that scripts go by.

Commands are loaded when they are called, so that help and errors come at once. This package must never know
how anything is stored or sealed; it goes through the house (``bootstrap``) and the use cases.
"""

from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command of ``customary`` and exit: 0 done, 1 refused, 2 wrong usage, 3 unavailable."""
    import sys

    from customary.cli.commands import run

    sys.exit(run(sys.argv[1:] if arguments is None else list(arguments)))
