"""The table of commands, and what happens around each: errors to words and exit codes, a closed pipe, Ctrl-C.

It must never know what a command does: each is imported when it is called.
"""

import os
import sys
from collections.abc import Sequence
from typing import TextIO

from cyclopts import App, CycloptsError, Parameter

from customary import __version__
from customary.cli import refusals
from customary.cli.completion import completion, install_completion
from customary.cli.doctor import doctor
from customary.cli.migrating import migrate
from customary.cli.safekeeping import backup, restore
from customary.cli.serving import serve
from customary.cli.signing import curl
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

# Groups load use cases and wires, so they are imported when one of their commands is called; their own help
# is repeated here. Single commands import what they need themselves, and are as light as their options.
_PLACES = (
    "serve",
    "tenant",
    "merchant",
    "key",
    "keys",
    "customers",
    "audit",
    "erasure",
    "retention",
    "backup",
    "restore",
    "migrate",
    "doctor",
    "curl",
    "completion",
)
_GROUPS = {
    "tenant": ("registry", "Make and list tenants: whose customers are kept apart."),
    "merchant": ("registry", "Make and list merchants: the businesses of a tenant."),
    "key": ("keys", "Make, list, rotate and revoke credentials."),
    "keys": ("turning", "Turn the keys that seal, while the server works."),
    "customers": (
        "customers",
        "List and show customers, as they are or were; restore, import and export them.",
    ),
    "erasure": ("erasure", "Plan, carry out and prove erasures; put and lift legal holds."),
    "retention": ("retention", "List and change what must be kept of an erased customer, and how long."),
    "audit": ("audit", "List the audit trail, and verify that nobody changed it."),
}
for _name, (_module, _help) in _GROUPS.items():
    _place = _PLACES.index(_name)
    app.command(f"customary.cli.{_module}:{_name}", name=_name, help=_help, sort_key=_place)
for _command in (serve, backup, restore, migrate, doctor, curl, completion):
    app.command(_command, sort_key=_PLACES.index(_command.__name__))
app.command(install_completion, name="--install-completion", sort_key=len(_PLACES))


def run(arguments: Sequence[str]) -> int:
    """Run the command that ``arguments`` name and return the exit code."""
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (head, say) has gone. At exit Python would flush into the closed pipe and complain.
        for stream in (sys.stdout, sys.stderr):
            _leave(stream)
        return refusals.REFUSED
    return code


def _leave(stream: TextIO) -> None:
    """Let what is still to be written to a closed pipe go nowhere."""
    try:
        stream.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _run(arguments: Sequence[str]) -> int:
    """Run the command and tell of a refusal; BrokenPipeError if nobody reads what it says."""
    as_json = "--json" in arguments
    try:
        _require_text(arguments)
        code = app(
            arguments, exit_on_error=False, print_error=False, result_action="return_value", backend="asyncio"
        )
        sys.stdout.flush()
    except CycloptsError as error:
        return refusals.tell_usage(error, as_json=as_json)
    except refusals.Advised as advised:
        return refusals.tell(advised.refusal, as_json=as_json, step=advised.step)
    except CustomaryError as error:
        return refusals.tell(error, as_json=as_json)
    except BrokenPipeError:
        raise
    except OSError as error:
        return refusals.tell(refusals.unavailable_by(error), as_json=as_json)
    return code if isinstance(code, int) else refusals.DONE


def _require_text(arguments: Sequence[str]) -> None:
    """Refuse bytes that are no text: nothing that is stored or sent could hold them."""
    try:
        "".join(arguments).encode()
    except UnicodeEncodeError:
        raise refusals.WrongUsage("The arguments are not valid UTF-8") from None
