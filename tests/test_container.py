"""The image and its composition, as far as they can be read without an engine that builds them.

What is held here: no secret, no root, nothing to write but the volume, settings that exist, a health check
that can tell, and files that are there.
"""

import json
import re
import shlex
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from customary import config
from rules import ROOT


def _instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions with their arguments, in order."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    joined = re.sub(r"\s*\\\n\s*", " ", "\n".join(lines))
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


INSTRUCTIONS = _instructions()
FINAL = INSTRUCTIONS[max(i for i, (word, _) in enumerate(INSTRUCTIONS) if word == "FROM") :]
COMPOSED: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICE: dict[str, Any] = COMPOSED["services"]["customary"]


def _all(word: str) -> list[str]:
    return [rest for found, rest in FINAL if found == word]


def _environment() -> dict[str, str]:
    pairs = (pair.partition("=") for rest in _all("ENV") for pair in shlex.split(rest))
    return {name: value for name, _, value in pairs}


def _settings(environment: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith("CUSTOMARY_")}


def test_the_image_is_built_on_an_interpreter_that_the_project_supports() -> None:
    """Both stages have the same base, of a Python version that the metadata name."""
    bases = [rest.split()[0] for word, rest in INSTRUCTIONS if word == "FROM"]
    assert len(bases) == 2
    assert len(set(bases)) == 1
    version = re.fullmatch(r"python:(3\.\d+)-slim", bases[0])
    assert version is not None
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"Programming Language :: Python :: {version[1]}" in project["classifiers"]


def test_the_image_runs_as_nobody_in_particular() -> None:
    """The last user is a number that is not root's, and nothing is done as root after it."""
    words = [word for word, _ in FINAL]
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", _all("USER")[-1])
    assert not {"RUN", "COPY", "ADD"} & set(words[words.index("USER") :])


def test_all_that_lasts_is_in_the_volume() -> None:
    """The data folder is the volume, and it is its owner's alone."""
    assert _all("VOLUME") == ["/data"]
    assert _environment()["CUSTOMARY_DATA"] == "/data"
    assert any("--mode 0700 /data" in rest for rest in _all("RUN"))
    assert _environment()["PYTHONDONTWRITEBYTECODE"] == "1"


def test_no_secret_is_built_in() -> None:
    """Neither image nor composition gives a value to a secret setting, or to what sounds like one."""
    secret = {config.variable(name) for name, setting in config.TABLE.items() if setting.secret}
    arguments = [rest.partition("=")[0] for word, rest in INSTRUCTIONS if word == "ARG"]
    for name in [*_environment(), *SERVICE["environment"], *arguments]:
        assert name not in secret
        assert not re.search("SECRET|PASSWORD|TOKEN|KEY", name)
    assert all(word != "COPY" or not rest.startswith((".", "*")) for word, rest in INSTRUCTIONS)


def test_the_settings_of_the_image_are_settings_of_the_server() -> None:
    """The server refuses names and values that it does not know, so these must be known."""
    image = config.load(_settings(_environment()), overrides={}, cwd=Path("/"))
    assert (image.host, image.port, image.data) == ("0.0.0.0", 8080, Path("/data"))
    composed = config.load(_settings(_environment()) | SERVICE["environment"], overrides={}, cwd=Path("/"))
    assert composed.allow_clear_http
    assert _all("EXPOSE") == [str(image.port)]


def test_the_image_alone_does_not_take_credentials_in_clear_text(command: Path, tmp_path: Path) -> None:
    """With the image's settings the server does not start until somebody decides; it says what to do."""
    environment = _settings(_environment()) | {"CUSTOMARY_DATA": str(tmp_path / "data")}
    done = subprocess.run(
        [command, *json.loads(_all("CMD")[0])],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "allow_clear_http" in done.stderr


def test_what_the_build_copies_is_there_and_is_let_in() -> None:
    """Every source of a COPY exists and is excepted from .dockerignore, which keeps everything else out."""
    ignored, *rest = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] != "#"]
    assert ignored == "*"
    let_in = [line[1:] for line in rest if line.startswith("!")]
    copied = [
        source
        for word, arguments in INSTRUCTIONS
        if word == "COPY" and "--from" not in arguments
        for source in arguments.split()[:-1]
    ]
    assert sorted({source.removeprefix("./") for source in copied}) == sorted(let_in)
    assert all((ROOT / source).exists() for source in copied)
    assert any(fnmatch("customary-data/root.key", line) for line in rest)


class _Healthz(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/healthz" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Be quiet."""


@contextmanager
def _listening(status: int) -> Iterator[int]:
    """A server that answers for its health with ``status``; yields its port."""
    server = HTTPServer(("127.0.0.1", 0), type("_Answering", (_Healthz,), {"status": status}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _checked(port: int) -> int:
    """Run the image's own health check against a port; return its exit code."""
    (check,) = _all("HEALTHCHECK")
    interpreter, *arguments = json.loads(check.partition(" CMD ")[2])
    assert interpreter == "python"
    environment = {"CUSTOMARY_PORT": str(port)}
    return subprocess.run([sys.executable, *arguments], env=environment, stderr=subprocess.DEVNULL).returncode


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_the_health_check_can_tell(status: int, code: int) -> None:
    """It passes a server that is well and fails one that is not."""
    with _listening(status) as port:
        assert _checked(port) == code


def test_the_health_check_fails_where_nobody_listens() -> None:
    """A server that is gone is not well."""
    with _listening(200) as port:
        pass
    assert _checked(port) == 1


def test_the_composition_takes_every_right_away() -> None:
    """Read-only root, no capability, no new privilege, a bound on processes, memory for temporary files."""
    assert SERVICE["read_only"] is True
    assert SERVICE["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in SERVICE["security_opt"]
    assert SERVICE["pids_limit"] <= 256
    assert [entry.partition(":")[0] for entry in SERVICE["tmpfs"]] == ["/tmp"]
    assert SERVICE["volumes"] == ["data:/data"]
    assert "data" in COMPOSED["volumes"]
    assert not {"privileged", "cap_add", "network_mode", "pid", "user"} & set(SERVICE)


def test_the_composition_is_reached_from_its_own_machine_only() -> None:
    """Credentials may travel in clear text because the port is the host's loopback: the two go together."""
    assert SERVICE["environment"]["CUSTOMARY_ALLOW_CLEAR_HTTP"] == "true"
    assert SERVICE["ports"]
    assert all(port.startswith("127.0.0.1:") for port in SERVICE["ports"])


def test_a_stop_is_given_the_time_it_needs() -> None:
    """The composition waits longer than the server waits for requests in flight."""
    seconds = re.fullmatch(r"(\d+)s", SERVICE["stop_grace_period"])
    assert seconds is not None
    assert int(seconds[1]) > config.Settings().shutdown_seconds
