"""What the command line says when something is refused: the public text, the next step, and an exit code.

It must never know a command's own business; a command that knows a better next step raises it as the text.
"""

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from customary.cli.started import program
from customary.domain.errors import Conflict, CustomaryError, Invalid, OutcomeUnknown, Unavailable
from customary.shapes import ConfigurationError

if TYPE_CHECKING:
    from cyclopts import CycloptsError

DONE = 0
REFUSED = 1
USAGE = 2
UNAVAILABLE = 3


class WrongUsage(CustomaryError):
    """Arguments that make no sense, which only the command itself could find out."""

    public = "The arguments make no sense"


class Advised(Exception):
    """A refusal with the next step, which only the place that raises this knows."""

    def __init__(self, refusal: CustomaryError, step: str) -> None:
        super().__init__(refusal.public)
        self.refusal = refusal
        self.step = step


def exit_code_of(error: CustomaryError) -> int:
    """Return the exit code that tells scripts what kind of refusal it was."""
    if isinstance(error, Unavailable | OutcomeUnknown):
        return UNAVAILABLE
    if isinstance(error, ConfigurationError | WrongUsage):
        return USAGE
    return REFUSED


def unavailable_by(error: OSError) -> Unavailable:
    """Return the refusal for something that the operating system did not allow."""
    return Unavailable(
        "The machine did not allow it: " + os.strerror(error.errno or 0) if error.errno else "",
        detail=str(error.filename or ""),
    )


def tell(error: CustomaryError, *, as_json: bool, step: str = "") -> int:
    """Say what was refused and what to do next on stderr, for programs on stdout; return the exit code."""
    step = step or _next_step(error)
    lines = [error.public if error.public.endswith(("?", ".")) else f"{error.public}."]
    if isinstance(error, Invalid) and error.public == Invalid.public:  # a text of its own says it already
        lines += [f"  {violation.message or violation.field}" for violation in error.violations]
    if error.detail:
        lines.append(f"Detail: {error.detail}")
    if step:
        lines.append(f"Next: {step}")
    _say(lines)
    if as_json:
        _say_json(_snake(type(error).__name__), error.public, step, error)
    return exit_code_of(error)


def tell_usage(error: "CycloptsError", *, as_json: bool) -> int:
    """Say what is wrong with the arguments; return the exit code for wrong usage."""
    step = f"`{' '.join((program(), *(error.command_chain or ())))} --help` shows what there is."
    _say([str(error), f"Next: {step}"])
    if as_json:
        _say_json("wrong_usage", str(error), step, None)
    return USAGE


def _say(lines: list[str]) -> None:
    sys.stdout.flush()
    print("\n".join(lines), file=sys.stderr)


def _say_json(kind: str, message: str, step: str, error: CustomaryError | None) -> None:
    said: dict[str, Any] = {"kind": kind, "message": message}
    if isinstance(error, Invalid):
        said["violations"] = [{"field": v.field, "rule": v.rule} for v in error.violations]
    if step:
        said["next"] = step
    print(msgspec.json.format(msgspec.json.encode({"error": said}), indent=2).decode())


def _next_step(error: CustomaryError) -> str:
    """Return what to do about it, or nothing where the text says all there is to say."""
    if isinstance(error, ConfigurationError):
        return f"docs/settings.md lists every setting; `{program()} doctor` checks them."
    if isinstance(error, WrongUsage):
        return "the command's --help has examples."
    if isinstance(error, Conflict) and error.field == "merchant_id":
        return "choose another --merchant-id, or leave it out and one is drawn."
    if isinstance(error, Unavailable | OutcomeUnknown):
        return f"`{program()} doctor` looks for the cause."
    return ""


def _snake(name: str) -> str:
    """Return a class's name as programs write it: ``NotFound`` as ``not_found``."""
    return "".join(_snaked(name)).lstrip("_")


def _snaked(name: str) -> Iterator[str]:
    for character in name:
        yield f"_{character.lower()}" if character.isupper() else character
