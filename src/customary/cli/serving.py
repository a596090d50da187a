"""The command that serves."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from customary.cli.frame import Data, settings_for
from customary.cli.refusals import Advised
from customary.cli.started import data_option, program
from customary.cli.welcome import welcome
from customary.config import FILE_NAME, FILE_VARIABLE, LogFormat, Settings, variable
from customary.domain.errors import Unavailable

if TYPE_CHECKING:
    from customary.bootstrap.demo import Demo
    from customary.bootstrap.house import House


Demonstrating = Annotated[
    bool,
    Parameter(
        show_default=False,
        help="Make a demo tenant with keys and 200 customers, and print requests to paste.",
    ),
]
CheckpointDir = Annotated[
    Path | None,
    Parameter(
        show_default=False, help="Folder outside the data to which checkpoints of the trail are appended."
    ),
]
ToStdout = Annotated[
    bool, Parameter(show_default=False, help="Write checkpoints of the trail to standard output, too.")
]
AcceptRollback = Annotated[
    bool,
    Parameter(
        show_default=False,
        help="Go on although the data are older than their last checkpoint; what was lost stays lost.",
    ),
]


def serve(
    *,
    data: Data = None,
    host: Annotated[str | None, Parameter(help="Address to listen on; 127.0.0.1 unless set.")] = None,
    port: Annotated[
        int | None, Parameter(help="Port to listen on; 8080 unless set, 0 takes a free one.")
    ] = None,
    demo: Demonstrating = False,
    checkpoint_dir: CheckpointDir = None,
    checkpoints_to_stdout: ToStdout = False,
    accept_rollback: AcceptRollback = False,
) -> None:
    """Serve both APIs until Ctrl-C or SIGTERM.

    The first start makes the data folder and its root key.

    Example: customary serve --demo
    Example: customary serve --data /var/lib/customary --checkpoint-dir /mnt/witness
    """
    settings = settings_for(
        data,
        host=host,
        port=port,
        checkpoint_dir=checkpoint_dir,
        checkpoints_to_stdout=checkpoints_to_stdout or None,
    )
    from customary import log
    from customary.bootstrap.serving import serve as serve_until_stopped
    from customary.cli.advice import advised

    log.configure(settings.log_level, _log_format(settings))
    if settings.log_level != "debug":
        # uvicorn tells of every step of a start and a stop, which our own lines and the welcome say better.
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    log.guard_process()
    with advised(settings):
        shown, key_made = _prepared(settings) if demo else (None, False)

    def announce(house: "House", address: str) -> None:
        root_key_made = key_made or house.opened.root_key_made
        try:
            welcome(house, address, shown, root_key_made=root_key_made)
        except BrokenPipeError:  # nobody reads; that is no reason not to serve
            sys.stdout = None  # nothing is left to flush into the pipe at exit

    with advised(settings), _another_port(settings), _advising_rollback(settings):
        serve_until_stopped(settings, announce, accept_rollback=accept_rollback)


def _log_format(settings: Settings) -> LogFormat:
    """Return the form of the log: on a terminal, where people read it, text, unless somebody has set it."""
    if sys.stderr.isatty() and not _is_set("log_format"):
        return "text"
    return settings.log_format


def _is_set(name: str) -> bool:
    """Return whether the environment or the file, which has been read without a fault, gives a setting."""
    if any(os.environ.get(spelling) for spelling in (variable(name), f"{variable(name)}_FILE")):
        return True
    path = Path.cwd() / (os.environ.get(FILE_VARIABLE) or FILE_NAME)
    if not path.exists():
        return False
    import tomllib  # most servers have no such file

    return name in tomllib.loads(path.read_text("utf-8"))


@contextmanager
def _another_port(settings: Settings) -> Iterator[None]:
    """Point to --port where the address cannot be had: nothing in the data folder has to do with it."""
    try:
        yield
    except Unavailable as unavailable:
        if not unavailable.public.startswith(f"Port {settings.port} "):
            raise
        raise Advised(unavailable, "choose another port with --port.") from None


@contextmanager
def _advising_rollback(settings: Settings) -> Iterator[None]:
    """Say what to do where the data are older than their last checkpoint."""
    from customary.bootstrap.auditing import OlderStore

    try:
        yield
    except OlderStore as older:
        option = data_option(settings)
        step = (
            "if nobody was to put it back, keep the folder as it is and look with"
            f" `{program()} audit verify --checkpoint {settings.checkpoint_dir}{option}`. If it was you,"
            " start once with --accept-rollback."
        )
        raise Advised(older, step) from None


def _prepared(settings: Settings) -> "tuple[Demo, bool]":
    """Make the demo before the server starts, in the house's own short transactions."""
    from customary.bootstrap import demo
    from customary.bootstrap.house import House

    with House(settings) as house:
        _ = house.unsealed
        return demo.prepare(house), house.opened.root_key_made
