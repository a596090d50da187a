"""The command that serves."""

import sys
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from customary.cli.frame import Data, settings_for
from customary.cli.welcome import welcome

if TYPE_CHECKING:
    from customary.bootstrap.demo import Demo
    from customary.bootstrap.house import House
    from customary.config import Settings


def serve(
    *,
    data: Data = None,
    host: Annotated[str | None, Parameter(help="Address to listen on; 127.0.0.1 unless set.")] = None,
    port: Annotated[
        int | None, Parameter(help="Port to listen on; 8080 unless set, 0 takes a free one.")
    ] = None,
    demo: Annotated[
        bool,
        Parameter(
            show_default=False,
            help="Make a demo tenant with keys and 200 customers, and print requests to paste.",
        ),
    ] = False,
) -> None:
    """Serve both APIs until Ctrl-C or SIGTERM.

    The first start makes the data folder and its root key.

    Example: customary serve --demo
    Example: customary serve --data /var/lib/customary --port 9000
    """
    settings = settings_for(data, host=host, port=port)
    from customary import log
    from customary.bootstrap.serving import serve as serve_until_stopped

    log.configure(settings.log_level, settings.log_format)
    log.guard_process()
    shown, key_made = _prepared(settings) if demo else (None, False)

    def announce(house: "House", address: str) -> None:
        root_key_made = key_made or house.opened.root_key_made
        try:
            welcome(house, address, shown, root_key_made=root_key_made)
        except BrokenPipeError:  # nobody reads; that is no reason not to serve
            sys.stdout = None  # nothing is left to flush into the pipe at exit

    serve_until_stopped(settings, announce)


def _prepared(settings: "Settings") -> "tuple[Demo, bool]":
    """Make the demo before the server starts, in the house's own short transactions."""
    from customary.bootstrap import demo
    from customary.bootstrap.house import House

    with House(settings) as house:
        _ = house.unsealed
        return demo.prepare(house), house.opened.root_key_made
