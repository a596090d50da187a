"""The command that serves."""

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from customary.cli.frame import Data, settings_for

if TYPE_CHECKING:
    from customary.bootstrap.house import House


def serve(
    *,
    data: Data = None,
    host: Annotated[str | None, Parameter(help="Address to listen on; 127.0.0.1 unless set.")] = None,
    port: Annotated[
        int | None, Parameter(help="Port to listen on; 8080 if not set otherwise, 0 takes a free one.")
    ] = None,
    demo: Annotated[
        bool, Parameter(help="Make a demo tenant with keys and 200 customers, and print requests to paste.")
    ] = False,
) -> None:
    """Serve both APIs until Ctrl-C or SIGTERM.

    Example: customary serve --demo
    Example: customary serve --data /var/lib/customary --port 9000
    """
    settings = settings_for(data, host=host, port=port)
    from customary import log
    from customary.bootstrap.serving import serve as serve_until_stopped

    log.configure(settings.log_level, settings.log_format)
    log.guard_process()

    def announce(house: "House", address: str) -> None:
        print(f"customary serves {address} from {house.settings.data}", flush=True)

    serve_until_stopped(settings, announce)
