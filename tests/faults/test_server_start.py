"""How the server starts, or says why it does not."""

import http.client
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving import Connection, Installation, Server, serving

REFUSED, USAGE, UNAVAILABLE = 1, 2, 3
START_SECONDS_MAX = 5.0
"""The goal is one second; a machine that runs everything else beside this is given some more."""


@pytest.fixture
def running(command: Path, tmp_path: Path) -> Iterator[Server]:
    """A server that has its folder and its port."""
    with serving(command, tmp_path / "first") as server:
        yield server


def _beside(server: Server, folder: Path, **settings: str) -> Installation:
    """Return an installation that is to start beside a running server."""
    folder.mkdir(exist_ok=True)
    return Installation(server.command, folder, settings)


def test_a_second_server_on_the_same_folder_is_refused(running: Server) -> None:
    """Two servers on one folder would each believe to be alone; the second says so and goes."""
    second = Installation(running.command, running.folder)
    done = second.run("serve", "--port", "0")
    assert done.returncode == REFUSED
    assert re.search(r"(?i)another server", done.stderr)
    assert "Traceback" not in done.stderr
    assert running.send("GET", "/healthz").status == 200
    running.stop()
    running.start()


def test_a_port_in_use_is_refused(running: Server, tmp_path: Path) -> None:
    """Where somebody listens already, the server names the port, says what to do, and makes no folder."""
    second = _beside(running, tmp_path / "second")
    done = second.run("serve", "--port", str(running.port))
    assert done.returncode == UNAVAILABLE
    assert f"Port {running.port}" in done.stderr
    assert "Next:" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "second" / "store").exists()


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_basic_over_clear_http_from_a_network_is_refused(running: Server, tmp_path: Path, host: str) -> None:
    """Credentials in clear over a network are taken only where the operator has said so."""
    done = _beside(running, tmp_path / "open").run("serve", "--host", host, "--port", "0")
    assert done.returncode == USAGE
    assert "allow_clear_http" in done.stderr
    assert not (tmp_path / "open" / "store").exists()


@pytest.mark.parametrize(
    "settings", [{"CUSTOMARY_ALLOW_CLEAR_HTTP": "true"}, {"CUSTOMARY_PRESENTATIONS": "hawk"}]
)
def test_an_operator_may_serve_a_network(running: Server, tmp_path: Path, settings: dict[str, str]) -> None:
    """With the setting, or with signed presentations alone, any address is served."""
    installation = _beside(running, tmp_path / "open", **settings)
    port, process = _started(installation, "0.0.0.0")
    try:
        with Connection(port) as connection:
            assert connection.send("GET", "/readyz").status == 200
    finally:
        process.terminate()
        assert process.wait(30) == 0


def _started(installation: Installation, host: str) -> tuple[int, "subprocess.Popen[bytes]"]:
    """Return port and process of a server that was started on a free port, as it prints its address."""
    stderr = installation.folder / "stderr"
    with stderr.open("wb") as err:
        process = subprocess.Popen(
            [str(installation.command), "serve", "--host", host, "--port", "0"],
            cwd=installation.folder,
            env=installation.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=err,
        )
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        log = stderr.read_text()
        port = re.search(r'"event":"starting"', log) and re.search(r'"port":(\d+)', log)
        if port:
            return int(port[1]), process
        time.sleep(0.01)
    process.kill()
    raise AssertionError(stderr.read_text())


def test_it_starts_within_a_second(command: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From the start of the process to the first 200 of /readyz; the time is printed, the bound generous."""
    with serving(command, tmp_path / "server") as server:
        server.stop()
        again = min(_seconds_to_ready(server) for _ in range(3))
        shutil.rmtree(server.folder / "store")
        first = _seconds_to_ready(server)
    with capsys.disabled():
        told = f"ready {again:.2f} s after the start of the process, {first:.2f} s with a new folder"
        print(f"\n{told}")  # noqa: T201 the number is what the run is for
    assert max(again, first) < START_SECONDS_MAX


def _seconds_to_ready(server: Server) -> float:
    begun = time.monotonic()
    with (server.folder / "stderr").open("ab") as err:
        server.process = subprocess.Popen(
            [str(server.command), "serve", "--port", str(server.port)],
            cwd=server.folder,
            env=server.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=err,
        )
    while True:
        try:
            if server.send("GET", "/readyz").status == 200:
                break
        except (OSError, http.client.HTTPException):
            time.sleep(0.005)
        assert server.process.poll() is None, server.log
        assert time.monotonic() - begun < 30
    taken = time.monotonic() - begun
    server.stop()
    return taken


def test_a_folder_of_another_key_is_refused(running: Server, tmp_path: Path) -> None:
    """A root key that is not the folder's opens nothing; the server says so instead of starting."""
    other = _beside(running, tmp_path / "other")
    assert other.run("tenant", "create", "Other").returncode == 0
    running.stop()
    key = running.folder / "store" / "root.key"
    shutil.copy(tmp_path / "other" / "store" / "root.key", key)
    done = Installation(running.command, running.folder).run("serve", "--port", "0")
    assert done.returncode == REFUSED
    assert "root key" in done.stderr
