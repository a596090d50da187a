"""The command line run inside the test's own process, each test on a data folder of its own."""

import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from customary.cli.commands import run


@dataclass(frozen=True)
class Done:
    """One command that has ended: its exit code and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Return what was printed for programs."""
        return json.loads(self.out)


class CommandLine:
    """Runs commands in ``folder``, as a user would who has gone there."""

    def __init__(self, folder: Path, captured: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._captured = captured

    def __call__(self, *arguments: str, stdin: bytes = b"") -> Done:
        """Run one command to its end."""
        self._captured.readouterr()
        before, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO(stdin))
        try:
            code = run(arguments)
        finally:
            sys.stdin = before
        out, err = self._captured.readouterr()
        return Done(code, out, err)

    def made(self, *arguments: str) -> Any:
        """Run a command that succeeds and return what it prints for programs."""
        done = self(*arguments, "--json")
        assert done.code == 0, done.err
        return done.json
