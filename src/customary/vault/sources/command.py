"""A root key that a command prints: that of a password store, a secret manager, a security module.

The command is run without a shell. What it says on its error stream is not looked at, because it may hold
anything; what it prints is taken for a key and nothing else. It must never know which command it is.
"""

import os
import select
import signal
import subprocess
import time
from typing import Final

from customary.domain.errors import Unavailable
from customary.vault.rootkey import FILE_BYTES_MAX, RootKeyRefused, root_key_from_text

SECONDS_MAX: Final = 15.0
_OUR_SETTINGS: Final = "CUSTOMARY_"


class PrintedRootKey:
    """A root key that a command prints, anew each time that it is asked for."""

    def __init__(self, words: list[str], *, seconds_max: float = SECONDS_MAX) -> None:
        self._words = words
        self._seconds_max = seconds_max

    def told(self) -> str:
        """Return the name of the setting; the command's arguments are the operator's."""
        return "the command of the setting root_key_command"

    def keys(self) -> list[bytes]:
        """Return the key that the command prints."""
        return [self._printed()]

    def draw(self) -> bytes:
        """Return the key that the command prints, which the operator has changed."""
        return self._printed()

    def settle(self, key: bytes) -> None:
        """Do nothing: nothing else is there."""

    def _printed(self) -> bytes:
        try:
            process = subprocess.Popen(  # noqa: S603 the operator's own command, by words and not by a shell
                self._words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                # Among our settings may be secrets: the previous root key, say.
                env={name: value for name, value in os.environ.items() if not name.startswith(_OUR_SETTINGS)},
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise Unavailable(
                "The command of root_key_command cannot be run", detail=type(error).__name__
            ) from None
        try:
            output = _output(process, time.monotonic() + self._seconds_max)
        finally:
            _end(process)
        if process.returncode != 0:
            raise Unavailable(
                "The command of root_key_command has failed", detail=f"exit code {process.returncode}"
            )
        try:
            return root_key_from_text(output.decode("ascii"))
        except UnicodeDecodeError:
            raise RootKeyRefused("The command of root_key_command prints no root key") from None


def _output(process: "subprocess.Popen[bytes]", until: float) -> bytes:
    """Return what a command prints; Unavailable if it does not end in time, or prints more than a key."""
    stream = process.stdout
    output = b""
    # Not select(), which takes no descriptor over 1023: a server with many connections asks again, too.
    waiting = select.poll()
    if stream is not None:
        waiting.register(stream, select.POLLIN)
    while stream is not None and len(output) <= FILE_BYTES_MAX:
        if not waiting.poll(max(0.0, until - time.monotonic()) * 1000):
            raise Unavailable("The command of root_key_command does not end")
        piece = os.read(stream.fileno(), FILE_BYTES_MAX)
        if not piece:
            break
        output += piece
    if len(output) > FILE_BYTES_MAX:
        raise RootKeyRefused("The command of root_key_command prints too much for a root key")
    try:
        process.wait(max(0.0, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise Unavailable("The command of root_key_command does not end") from None
    return output


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the command and what it has started."""
    if process.stdout is not None:
        process.stdout.close()
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
