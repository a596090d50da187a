"""How this program was started, so that the commands it prints can be pasted as they are."""

import os
import shlex
import shutil
import sys
from pathlib import Path

from customary.config import DEFAULTS, Settings


def program() -> str:
    """Return the words that start this program again in a shell.

    ``uv run`` keeps the program off the PATH and marks its children; a program that is on the PATH is called
    by its name; any other by its path.
    """
    if "UV_RUN_RECURSION_DEPTH" in os.environ:
        return "uv run customary"
    called = Path(sys.argv[0])
    if called.name != "customary":
        return "customary"
    on_path = shutil.which("customary")
    if on_path is not None and Path(on_path).resolve() == called.resolve():
        return "customary"
    return shlex.quote(str(called.absolute()))


def data_option(settings: Settings) -> str:
    """Return ``--data`` with the folder, to be put behind a command, or nothing for the default folder.

    A variable of this shell may be missing where the command is pasted, so only the default counts.
    """
    if settings.data == Path.cwd() / str(DEFAULTS["data"]):
        return ""
    return f" --data {shlex.quote(str(settings.data))}"
