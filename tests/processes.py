"""The program run as users run it: servers and commands as processes of their own, over real HTTP."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAM = Path(sys.executable).parent / "customary"
SECONDS_MAX = 60


@dataclass
class Started:
    """A server that takes requests: what it said in welcome, and where it works."""

    folder: Path
    welcome: list[str]
    process: "subprocess.Popen[bytes]"

    @property
    def url(self) -> str:
        """Return the address in the first line of the welcome."""
        found = re.search(r"http://[\d.:]+", self.welcome[0])
        assert found, self.welcome
        return found.group()

    @property
    def pasted(self) -> list[str]:
        """Return the commands that the welcome offers."""
        return [text.strip() for text in self.welcome if re.match(r"  \S*(curl|customary|uv)\b.* ", text)]

    @property
    def log(self) -> str:
        """Return what was written to stderr so far."""
        return (self.folder / "stderr").read_text()


def environment(**changes: str) -> dict[str, str]:
    """Return this process's environment without what would steer the program, and with ``changes``."""
    # Without a buffer the welcome would come line by line, and a test might see only some of it.
    steering = ("CUSTOMARY_", "UV", "PYTHONUNBUFFERED")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(steering)}
    return kept | changes


@contextmanager
def serving(folder: Path, *arguments: str, **changes: str) -> Iterator[Started]:
    """Run ``customary serve`` in a folder until the block ends; it must then end well by SIGTERM."""
    with (folder / "stdout").open("wb") as out, (folder / "stderr").open("ab") as errors:
        process = subprocess.Popen(
            [str(PROGRAM), "serve", "--port", "0", *arguments],
            cwd=folder, env=environment(**changes), stdout=out, stderr=errors,
        )  # fmt: skip
    try:
        yield Started(folder, welcome_of(folder, process), process)
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(SECONDS_MAX)
    assert code == 0


def welcome_of(folder: Path, process: "subprocess.Popen[bytes]") -> list[str]:
    """Return what the server says before it serves: it is written in one go, so any of it is all of it."""
    deadline = time.monotonic() + SECONDS_MAX
    while not (said := (folder / "stdout").read_text()):
        assert time.monotonic() < deadline
        try:
            process.wait(0.02)
        except subprocess.TimeoutExpired:
            continue
        raise AssertionError((folder / "stderr").read_text())
    return said.splitlines()


def ended(*arguments: str, folder: Path, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    """Run one of our commands to its end, whatever that is."""
    return subprocess.run(
        [PROGRAM, *arguments], cwd=folder, env=environment(), input=stdin, capture_output=True, text=True,
        timeout=SECONDS_MAX, check=False,
    )  # fmt: skip


def run(*command: str, folder: Path, **changes: str) -> str:
    """Run a command that succeeds and return what it printed."""
    done = subprocess.run(
        command, cwd=folder, env=environment(**changes), capture_output=True, text=True,
        timeout=SECONDS_MAX, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
    return done.stdout


def printed(folder: Path, *arguments: str) -> Any:
    """Run one of our commands and return what it prints for programs."""
    return json.loads(run(str(PROGRAM), *arguments, "--json", folder=folder))
