"""The command line: finds the command, and says what went wrong with the exit code that scripts go by.

Commands are loaded when they are called, so that help and errors come at once. This package must never know
how anything is stored or sealed; it goes through the house (``bootstrap``) and the use cases.
"""

from collections.abc import Sequence
from types import TracebackType

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command of ``customary`` and exit: 0 done, 1 refused, 2 wrong usage, 3 unavailable."""
    import sys

    from customary.cli.commands import run

    sys.excepthook = _uncaught
    sys.exit(run(sys.argv[1:] if arguments is None else list(arguments)))


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Tell of a mistake of ours in one line of the log: a traceback would quote what it stumbled over."""
    from customary import log

    log.configure(format="text")
    log.get("cli").error("internal error; please report this line", exc_info=error)
    log.flush()
