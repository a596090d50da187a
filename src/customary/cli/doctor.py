"""The command that looks for what is wrong with an installation and says what to do about it."""

import os
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from customary.cli.frame import AsJson, Data, harmless, print_json, settings_for
from customary.cli.refusals import DONE, REFUSED
from customary.shapes import ConfigurationError

if TYPE_CHECKING:
    from customary.cli.checks import Finding

_SIGNS = {"fine": "ok  ", "advice": "note", "problem": "BAD "}
_COLOURS = {"fine": "32", "advice": "33", "problem": "31"}


def doctor(*, data: Data = None, as_json: AsJson = False) -> int:
    """Check settings, keys, files, database, clock and disk, and say what to do.

    Exits 1 if there is something to act on; a note can wait, and does not change
    the exit code. Nothing in the data folder is changed.

    Example: customary doctor
    Example: customary doctor --data /var/lib/customary --json
    """
    findings = _findings(data)
    problems = sum(finding.state == "problem" for finding in findings)
    if as_json:
        print_json({"healthy": not problems, "findings": findings})
    else:
        _print(findings)
    return REFUSED if problems else DONE


def _findings(data: Path | None) -> "list[Finding]":
    from customary.cli.checks import Finding, examined  # they load the house, which asking for help must not

    try:
        settings = settings_for(data)
    except ConfigurationError as error:
        return [Finding("settings", "problem", error.public, "docs/settings.md lists every setting")]
    return [Finding("settings", "fine", "all can be read"), *examined(settings)]


def _print(findings: "list[Finding]") -> None:
    width = max(len(finding.check) for finding in findings)
    for finding in findings:
        sign = _SIGNS[finding.state]
        if sys.stdout.isatty() and "NO_COLOR" not in os.environ:
            sign = f"\x1b[{_COLOURS[finding.state]}m{sign}\x1b[0m"
        print(f"{sign}  {finding.check.ljust(width)}  {harmless(finding.what)}")
        if finding.next:
            print(f"{' ' * (width + 8)}→ {harmless(finding.next)}")
    count = Counter(finding.state for finding in findings)
    print()
    if count["problem"]:
        print(f"To act on: {count['problem']}. Notes: {count['advice']}.")
    else:
        print(f"All is well. Notes: {count['advice']}." if count["advice"] else "All is well.")
