"""The table of commands, and what happens around each: errors to words and exit codes, a closed pipe, Ctrl-C.

It must never know what a command does: each is imported when it is called.
"""

import os
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError, Parameter

from customary import __version__
from customary.cli import refusals
from customary.domain.errors import CustomaryError

_HELP = """The customer APIs of Trustly and Trustist over one sealed record, from a single file.

Begin with `customary serve --demo`: it makes a demo tenant and prints requests to paste."""

app = App(
    name="customary",
    help=_HELP,
    version=__version__,
    help_format="plaintext",
    default_parameter=Parameter(negative=()),  # no --no-json, no --empty-permission
    help_epilogue="Exit codes: 0 done, 1 refused, 2 wrong usage, 3 unavailable. COMMAND --help has examples.",
)

_COMMANDS = (
    ("serve", "serving:serve", "Serve both APIs until Ctrl-C or SIGTERM."),
    ("tenant", "registry:tenant", "Make and list tenants: whose customers are kept apart."),
    ("merchant", "registry:merchant", "Make and list merchants: the businesses of a tenant."),
    ("key", "keys:key", "Make, list, rotate and revoke credentials."),
    ("customers", "customers:customers", "List, show, import and export customers."),
    ("audit", "audit:audit", "List the audit trail, and verify that nobody changed it."),
    ("doctor", "doctor:doctor", "Check settings, keys, database, clock and disk, and say what to do."),
    ("curl", "signing:curl", "Sign a request with a key of the data folder, send it, print the answer."),
    ("completion", "completion:completion", "Print the completion script of a shell."),
)
for _place, (_name, _where, _help) in enumerate(_COMMANDS):
    app.command(f"customary.cli.{_where}", name=_name, help=_help, sort_key=_place)


def run(arguments: Sequence[str]) -> int:
    """Run the command that ``arguments`` name and return the exit code."""
    as_json = "--json" in arguments
    try:
        code = app(
            arguments, exit_on_error=False, print_error=False, result_action="return_value", backend="asyncio"
        )
        sys.stdout.flush()
    except CycloptsError as error:
        return refusals.tell_usage(error, as_json=as_json)
    except CustomaryError as error:
        return refusals.tell(error, as_json=as_json)
    except BrokenPipeError:
        # The reader (head, say) has gone. At exit Python would flush into the closed pipe and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return refusals.REFUSED
    except OSError as error:
        return refusals.tell(refusals.unavailable_by(error), as_json=as_json)
    return code if isinstance(code, int) else refusals.DONE
