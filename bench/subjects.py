"""The servers that are measured, each a process of its own on a free loopback port.

Starts them, gives them their first credentials, reads their memory and ends them by process id. It must
never know what is sent to them or how they compare.
"""

import http.client
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exchanges import Basic, Hawk

HOST = "127.0.0.1"
START_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 30.0
COMMAND_SECONDS_MAX = 60.0
BENCH = Path(__file__).resolve().parent


class Unfit(RuntimeError):
    """A server did not start, or did not do what the benchmark needs of it."""


@dataclass(frozen=True)
class Subject:
    """A running server."""

    name: str
    port: int
    pid: int


@dataclass(frozen=True)
class Customary:
    """Our server with a credential for each dialect."""

    subject: Subject
    basic: Basic
    hawk: Hawk


@contextmanager
def baseline(folder: Path, style: str, credential: Basic) -> Iterator[Subject]:
    """Run the usual stack on an empty database of its own."""
    settings = {
        "BASELINE_DATABASE": str(folder / f"baseline-{style}.db"),
        "BASELINE_ACCESS_ID": credential.key_id,
        "BASELINE_ACCESS_KEY": credential.secret,
        "BASELINE_STYLE": style,
    }
    with _uvicorn("baseline_app:app", folder, f"baseline-{style}", settings) as subject:
        yield subject


@contextmanager
def constant(folder: Path) -> Iterator[Subject]:
    """Run the constant body."""
    with _uvicorn("constant_app:app", folder, "constant", {}) as subject:
        yield subject


@contextmanager
def customary(folder: Path, executable: str, name: str = "customary") -> Iterator[Customary]:
    """Run our server on an empty folder and give it a tenant, a merchant and two keys by its own commands."""
    where = folder / name
    settings = {"CUSTOMARY_DATA": str(where)}
    port = _free_port()
    command = [executable, "serve", "--data", str(where), "--port", str(port)]
    with _running(name, command, port, "/readyz", folder, settings) as subject:

        def ask(*arguments: str) -> dict[str, Any]:
            return _answer([executable, *arguments, "--json"], settings)

        tenant = ask("tenant", "create", "Bench")["tenantId"]
        merchant = ask("merchant", "create", "Bench", "--tenant", tenant)["merchantId"]
        basic = ask("key", "create", "--tenant", tenant, "--merchant", merchant, "--scheme", "basic")
        # A tenant's key: a merchant's is refused on the customer routes of the Trustist dialect (S12).
        signed = ask("key", "create", "--tenant", tenant, "--scheme", "hmac")
        yield Customary(
            subject,
            Basic(basic["keyId"], basic["secret"]),
            Hawk(signed["keyId"], signed["secret"]),
        )


def new_credential() -> Basic:
    """Return a fresh Basic credential for a server that takes it from its environment."""
    return Basic(secrets.token_hex(8), secrets.token_hex(16))


def memory_mib(pid: int) -> tuple[float, float]:
    """Return the resident memory of the process now and at its peak, or zeros where there is no /proc."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return 0.0, 0.0
    fields = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
    now, peak = (int(fields[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    return now, peak


def _uvicorn(
    target: str, folder: Path, name: str, settings: Mapping[str, str]
) -> AbstractContextManager[Subject]:
    """Run an application on customary's HTTP server and event loop: one process, no access log."""
    port = _free_port()
    command = [sys.executable, "-m", "uvicorn", target, "--app-dir", str(BENCH), "--host", HOST]
    command += ["--port", str(port), "--loop", "uvloop", "--http", "httptools", "--workers", "1"]
    command += ["--no-access-log", "--log-level", "warning"]
    return _running(name, command, port, "/", folder, settings)


@contextmanager
def _running(
    name: str, command: Sequence[str], port: int, path: str, folder: Path, settings: Mapping[str, str]
) -> Iterator[Subject]:
    """Run the command until the block is left; its output goes to a file, as a service's would."""
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env={**os.environ, **settings}
        )
        try:
            _await_answer(process, port, path, log)
            yield Subject(name, port, process.pid)
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await_answer(process: subprocess.Popen[bytes], port: int, path: str, log: Path) -> None:
    """Return once the server answers below 500; raise with its last output if it ends or takes too long."""
    deadline = time.monotonic() + START_SECONDS_MAX
    while process.poll() is None and time.monotonic() < deadline:
        connection = http.client.HTTPConnection(HOST, port, timeout=5)
        try:
            connection.request("GET", path)
            if connection.getresponse().status < 500:
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.02)
    raise Unfit(f"no answer from the server; its last output:\n{log.read_text(errors='replace')[-2000:]}")


def _answer(command: Sequence[str], settings: Mapping[str, str]) -> dict[str, Any]:
    """Return what the command prints as JSON."""
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={**os.environ, **settings},
        timeout=COMMAND_SECONDS_MAX,
        check=False,
    )
    if done.returncode:
        raise Unfit(f"`{' '.join(command[1:3])}` ended with {done.returncode}: {done.stderr[-2000:]}")
    answer = json.loads(done.stdout)
    if not isinstance(answer, dict):
        raise Unfit(f"`{' '.join(command[1:3])}` printed no JSON object")
    return answer


def _free_port() -> int:
    """Return a port that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
