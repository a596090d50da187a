"""Drives a headless Chromium over its own pipe (Chrome DevTools Protocol), without a driver or a WebSocket.

Chromium reads commands from its descriptor 3 and writes answers and events to 4, each a JSON text ended by a
NUL byte. It must never know what the pages are about.
"""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

ANSWER_SECONDS_MAX = 30.0
# Runs its arguments with the pipe on the descriptors that Chromium asks for, which this process may be using.
_MOVED = """
import fcntl, os, sys
commands, events = (fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3])
os.dup2(commands, 3)
os.dup2(events, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def executable() -> str | None:
    """Return the Chromium of this machine, or None."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


class Page:
    """One page of a browser: what it asked the network for, and what it complained of."""

    def __init__(self, commands: int, events: int) -> None:
        self._commands = commands
        self._events = events
        self._buffer = b""
        self._last_id = 0
        self._session = ""
        self.requested: list[str] = []
        self.complaints: list[str] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: Any) -> Any:
        """Send one command and return its result; events that come meanwhile are noted."""
        self._last_id += 1
        message: dict[str, Any] = {"id": self._last_id, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + ANSWER_SECONDS_MAX
        while True:
            answer = self._next(deadline)
            if answer.get("id") == self._last_id:
                if "error" in answer:
                    raise AssertionError(f"{method}: {answer['error']}")
                return answer["result"]

    def _next(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._events], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise AssertionError("the browser did not answer in time")
            read = os.read(self._events, 1 << 20)
            if not read:
                raise AssertionError("the browser has ended")
            self._buffer += read
        text, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        self._note(message.get("method", ""), message.get("params", {}))
        return message

    def _note(self, method: str, event: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.requested.append(event["request"]["url"])
        elif method == "Log.entryAdded" and event["entry"]["level"] in ("error", "warning"):
            self.complaints.append(f"{event['entry']['text']} {event['entry'].get('url', '')}")
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(event["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and event["type"] in ("error", "warning", "assert"):
            self.complaints.append(json.dumps(event["args"]))

    def wait_for_complaint(self, text: str) -> None:
        """Return when the browser has complained of something with that text; raise if it does not."""
        deadline = time.monotonic() + ANSWER_SECONDS_MAX
        while not any(text in complaint for complaint in self.complaints):
            self._next(deadline)

    def open(self, url: str) -> None:
        """Go to an address; what is there may still be loading."""
        self.send("Page.navigate", url=url)

    def evaluate(self, expression: str) -> Any:
        """Return what a JavaScript expression gives, promises awaited."""
        result = self.send(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, userGesture=True
        )
        if "exceptionDetails" in result:
            raise AssertionError(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def wait_for(self, condition: str) -> None:
        """Return when a JavaScript expression is true; raise if it does not become so."""
        self.evaluate(f"""new Promise((resolve, reject) => {{
            const until = Date.now() + {int(ANSWER_SECONDS_MAX * 900)};
            const ask = () => {{
                if ({condition}) resolve();
                else if (Date.now() > until) reject(new Error("never true: " + {json.dumps(condition)}));
                else setTimeout(ask, 10);
            }};
            ask();
        }})""")


@contextmanager
def browsing(chromium: str) -> Iterator[Page]:
    """Run a browser with a profile of its own until the block ends; it can resolve no host but loopback."""
    command_read, command_write = os.pipe()
    event_read, event_write = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        arguments = [
            chromium,
            "--headless=new",
            "--no-sandbox",  # the sandbox needs rights that a container does not have; pages are our own
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-extensions",
            "--no-first-run",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            "--window-size=1280,1600",
            f"--user-data-dir={profile}",
            "--remote-debugging-pipe",
        ]
        process = subprocess.Popen(
            [sys.executable, "-c", _MOVED, str(command_read), str(event_write), *arguments],
            pass_fds=(command_read, event_write),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(command_read)
        os.close(event_write)
        try:
            yield Page(command_write, event_read)
        finally:
            os.close(command_write)
            os.close(event_read)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
