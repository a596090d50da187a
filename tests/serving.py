"""The server as its users get it: the built wheel in a venv of its own, a process, and real HTTP.

For every suite that must not take the source tree for the product. It must never import ``customary``: what a
test learns through this module, a stranger could learn.
"""

import base64
import fcntl
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
START_SECONDS_MAX = 30.0
STOP_SECONDS_MAX = 30.0
COMMAND_SECONDS_MAX = 60.0
ANSWER_SECONDS_MAX = 30.0

Headers = Iterable[tuple[str, str]]


# ── the wheel ──


def installed(shared: Path) -> Path:
    """Return the ``customary`` command of a venv that has the built wheel; made once for all test workers.

    ``shared`` is a folder that all workers of one test session have in common; a lock lets one of them work
    while the others wait.
    """
    shared.mkdir(parents=True, exist_ok=True)
    command = shared / "venv" / "bin" / "customary"
    complete = shared / "installed"
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists():
            _install(shared)
            complete.touch()
    return command


def _install(shared: Path) -> None:
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv is None:
        raise RuntimeError("uv is not on the PATH, and the wheel is built with it")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    constraints = shared / "constraints.txt"
    constraints.write_text("\n".join(project["tool"]["uv"]["constraint-dependencies"]) + "\n")
    python = shared / "venv" / "bin" / "python"
    _run([uv, "build", "--quiet", "--wheel", "--out-dir", str(shared / "dist"), str(ROOT)])
    wheels = sorted((shared / "dist").glob("*.whl"))
    if len(wheels) != 1:
        raise RuntimeError(f"one wheel was to be built, not {len(wheels)}")
    _run([uv, "venv", "--quiet", "--python", sys.executable, str(shared / "venv")])
    pip = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python)]
    _run([*pip, "--constraint", str(constraints), str(wheels[0])])


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=_environment({}))
    if done.returncode:
        raise RuntimeError(f"{command[:3]} ended with {done.returncode}:\n{done.stderr}")


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment without what would steer customary or the interpreter."""
    steering = ("CUSTOMARY_", "PYTHON", "VIRTUAL_ENV", "COVERAGE_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(steering)}
    return inherited | {name: str(value) for name, value in settings.items()}


# ── HTTP, with every byte in the caller's hand ──


@dataclass(frozen=True)
class Answer:
    """One HTTP response: the status, the headers as they came, and the body's bytes."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    version: int = 11

    def header(self, name: str) -> str | None:
        """Return the only header of that name, or None; two of one name are an error of the server."""
        found = [value for known, value in self.headers if known.lower() == name.lower()]
        if len(found) > 1:
            raise AssertionError(f"{name} stands {len(found)} times in the answer")
        return found[0] if found else None

    @property
    def json(self) -> Any:
        """Return the body decoded, whatever it is; a body that is no JSON raises ValueError."""
        return json.loads(self.body)


class Connection:
    """One TCP connection to a server, kept open from request to request."""

    def __init__(self, port: int, host: str = HOST) -> None:
        self._host = f"{host}:{port}"
        self._socket = socket.create_connection((host, port), timeout=ANSWER_SECONDS_MAX)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def send_bytes(self, data: bytes) -> None:
        """Send bytes as they are: half a request, or none at all."""
        self._socket.sendall(data)

    def answer(self, method: str = "GET") -> Answer:
        """Return the next response; ``method`` is that of the request, since HEAD has no body."""
        response = http.client.HTTPResponse(self._socket, method=method)
        try:
            response.begin()
            return Answer(response.status, response.getheaders(), response.read(), response.version)
        finally:
            response.close()

    def send(
        self, method: str, target: str | bytes, headers: Headers = (), body: bytes | None = None
    ) -> Answer:
        """Send one request as given, with Host and Content-Length where the caller gave none."""
        self.send_bytes(request_bytes(method, target, headers, body, self._host))
        return self.answer(method)


def request_bytes(method: str, target: str | bytes, headers: Headers, body: bytes | None, host: str) -> bytes:
    """Return a request as it goes over the wire; nothing in it is checked or quoted."""
    lines = [(name, value) for name, value in headers]
    given = {name.lower() for name, _ in lines}
    if "host" not in given:
        lines.insert(0, ("Host", host))
    if body is not None and not given & {"content-length", "transfer-encoding"}:
        lines.append(("Content-Length", str(len(body))))
    raw_target = target if isinstance(target, bytes) else target.encode("latin-1")
    head = b"".join(f"{name}: {value}\r\n".encode("latin-1") for name, value in lines)
    return method.encode("latin-1") + b" " + raw_target + b" HTTP/1.1\r\n" + head + b"\r\n" + (body or b"")


def basic(access_id: str, access_key: str) -> str:
    """Return the value of an Authorization header (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{access_id}:{access_key}".encode()).decode()


# ── the server and its command line ──


class Refused(AssertionError):
    """A command of the command line ended with another code than 0."""


@dataclass(frozen=True)
class Key:
    """A credential as ``key create --json`` prints it."""

    key_id: str
    secret: str
    scheme: str
    tenant_id: str
    merchant_id: str | None
    permissions: frozenset[str]

    @property
    def authorization(self) -> str:
        """Return the Authorization header of a Basic credential."""
        return basic(self.key_id, self.secret)


@dataclass
class Installation:
    """The installed command and one data folder, with or without a server running on it."""

    command: Path
    folder: Path
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of server and commands: the data folder and the settings given."""
        return _environment({"CUSTOMARY_DATA": str(self.folder / "store"), **self.settings})

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run one command of the command line to its end, whatever its exit code."""
        return subprocess.run(
            [str(self.command), *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS_MAX,
            check=False,
        )

    def printed(self, *arguments: str) -> Any:
        """Return what a command prints with ``--json``; raise Refused with its words if it fails."""
        done = self.run(*arguments, "--json")
        if done.returncode:
            raise Refused(f"{' '.join(arguments[:2])} ended with {done.returncode}: {done.stderr}")
        return json.loads(done.stdout)

    def create_key(
        self,
        tenant_id: str,
        merchant_id: str | None = None,
        *,
        scheme: str = "basic",
        permissions: Sequence[str] = (),
        fields: str = "",
    ) -> Key:
        """Create a credential; without ``permissions`` it gets the server's usual ones."""
        arguments = ["key", "create", "--tenant", tenant_id, "--scheme", scheme]
        if merchant_id is not None:
            arguments += ["--merchant", merchant_id]
        for permission in permissions:
            arguments += ["--permission", permission]
        if fields:
            arguments += ["--fields", fields]
        made = self.printed(*arguments)
        return Key(
            made["keyId"],
            made["secret"],
            made["scheme"],
            made["tenantId"],
            made["merchantId"],
            frozenset(made["permissions"]),
        )


@dataclass
class Server(Installation):
    """A running server. ``port`` is on loopback; ``log`` is what it wrote to stderr so far."""

    port: int = 0
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        """Return the address of the server as a client writes it."""
        return f"http://{HOST}:{self.port}"

    @property
    def log(self) -> str:
        """Return everything the server has written to stderr."""
        return (self.folder / "stderr").read_text(errors="replace")

    def connect(self) -> Connection:
        """Return a new connection; the caller closes it."""
        return Connection(self.port)

    def send(
        self, method: str, target: str | bytes, headers: Headers = (), body: bytes | None = None
    ) -> Answer:
        """Send one request over a connection of its own and return the answer."""
        with self.connect() as connection:
            return connection.send(method, target, [*headers, ("Connection", "close")], body)

    def start(self) -> None:
        """Start the process and return when it answers ``/healthz``; raise with its stderr if it does not."""
        for _ in range(3):  # another program may take the free port first
            self.port = _free_port()
            arguments = [str(self.command), "serve", "--host", HOST, "--port", str(self.port)]
            with (self.folder / "stdout").open("ab") as out, (self.folder / "stderr").open("ab") as err:
                self.process = subprocess.Popen(
                    arguments,
                    cwd=self.folder,
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    start_new_session=True,
                )
            if self._is_healthy_in_time():
                return
            self.stop()
        raise RuntimeError(f"the server did not start; its stderr:\n{self.log}")

    def _is_healthy_in_time(self) -> bool:
        assert self.process is not None
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            try:
                if self.send("GET", "/healthz").status == 200:
                    return True
            except (OSError, http.client.HTTPException):
                pass
            try:
                self.process.wait(0.02)
            except subprocess.TimeoutExpired:
                continue
            return False
        return False

    def stop(self, sent: signal.Signals = signal.SIGTERM) -> int | None:
        """End the process and whatever it started; return its exit code."""
        process, self.process = self.process, None
        if process is None:
            return None
        process.send_signal(sent)
        try:
            return process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return process.wait(STOP_SECONDS_MAX)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def serving(command: Path, folder: Path, **settings: str) -> Iterator[Server]:
    """Run a server on a folder of its own until the block ends; ``settings`` are ``CUSTOMARY_`` names."""
    folder.mkdir(parents=True, exist_ok=True)
    named = {f"CUSTOMARY_{name.upper()}": value for name, value in settings.items()}
    server = Server(command, folder, named)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@dataclass
class Tenancy:
    """A tenant of a server, with a merchant and an ordinary Basic credential of it."""

    server: Server
    tenant_id: str
    merchant_id: str
    key: Key

    def create_merchant(self, name: str = "Another shop") -> str:
        """Create one more merchant in this tenant and return its id."""
        made = self.server.printed("merchant", "create", name, "--tenant", self.tenant_id)
        merchant_id: str = made["merchantId"]
        return merchant_id

    def create_key(self, *permissions: str, merchant_id: str | None = None, fields: str = "") -> Key:
        """Create one more Basic credential, of this merchant or another."""
        merchant = merchant_id or self.merchant_id
        return self.server.create_key(self.tenant_id, merchant, permissions=permissions, fields=fields)

    def trail(self) -> list[dict[str, Any]]:
        """Return the audit leaves of this tenant, oldest first."""
        leaves: list[dict[str, Any]] = self.server.printed("audit", "list", "--tenant", self.tenant_id)
        return leaves


def make_tenancy(server: Server, name: str = "Test tenant", permissions: Sequence[str] = ()) -> Tenancy:
    """Create a tenant with one merchant and one Basic credential, by three commands."""
    tenant_id: str = server.printed("tenant", "create", name)["tenantId"]
    merchant_id: str = server.printed("merchant", "create", "Shop", "--tenant", tenant_id)["merchantId"]
    key = server.create_key(tenant_id, merchant_id, permissions=permissions)
    return Tenancy(server, tenant_id, merchant_id, key)
