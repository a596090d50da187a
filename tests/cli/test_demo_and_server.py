"""The demo, its welcome, and commands beside a running server: real processes, real HTTP, real bash."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from customary.bootstrap import demo
from customary.bootstrap.house import House
from customary.config import Settings

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
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CUSTOMARY_", "UV"))}
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
        yield Started(folder, _welcome(folder, process), process)
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(SECONDS_MAX)
    assert code == 0


def _welcome(folder: Path, process: "subprocess.Popen[bytes]") -> list[str]:
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


# ── The demo's people ───────────────────────────────────────────────────────────────────────────────────


def test_the_demo_is_always_the_same_200_people() -> None:
    """Names and numbers are drawn from a seed: both vendors' objects, eleven countries, all different."""
    people = list(demo.bodies())
    assert people == list(demo.bodies())
    assert len(people) == demo.CUSTOMERS == 200
    assert sum("firstName" in person for person in people) == 100
    assert {person["address"]["country"] for person in people} >= {"US", "CA", "GB", "DE", "FR", "JP", "BR"}
    emails = [person.get("email", person.get("emailAddress")) for person in people]
    assert len(set(emails)) == 200
    assert len({person.get("name", person.get("lastName")) for person in people}) > 150


def test_no_demo_person_can_be_reached_or_mistaken() -> None:
    """Addresses end in example domains, and US and GB identifiers are of ranges that nobody is given."""
    for person in demo.bodies():
        email = str(person.get("email", person.get("emailAddress")))
        assert re.fullmatch(r"[a-z0-9.]+@example\.(com|org|net)", email)
        if "taxId" in person and person["address"]["country"] == "US":
            assert person["taxId"].startswith("9")
        if "taxId" in person and person["address"]["country"] == "GB":
            assert person["taxId"].startswith("QQ")


# ── The welcome ─────────────────────────────────────────────────────────────────────────────────────────


def test_every_command_of_the_welcome_succeeds_when_pasted(tmp_path: Path) -> None:
    """Pasted into bash, each request of the welcome is answered with success, through both dialects."""
    folder = tmp_path / "it's a folder"  # quoting must hold
    folder.mkdir()
    with serving(folder, "--demo", "--data", "my data") as server:
        assert len(server.pasted) == 4
        assert sum("demo-merchant:" in command for command in server.pasted) == 2
        assert sum("customary curl" in command for command in server.pasted) == 2
        answers = [
            json.loads(run("bash", "-c", command.replace("curl -u", "curl -sS --fail -u"), folder=folder))
            for command in server.pasted
        ]
        two, made, branch, signed = answers
        assert len(two["customers"]) == 2
        assert made["customer"]["externalId"] == "ada-1"
        assert [one["orgId"] for one in branch] == ["branch-london"] * 2
        assert signed["firstName"] == "Grace"
        again = json.loads(run("bash", "-c", f"{server.pasted[1]} -sS", folder=folder))
        assert again["customer"]["customerId"] == made["customer"]["customerId"]
        for place in ("my data", "/api/v1/customers", "/v1/customers", "/docs"):
            assert any(place in text for text in server.welcome)
        log = server.log
    secrets = re.findall(r"demo-merchant:([\w-]+)", "".join(server.welcome))
    assert secrets
    for secret in (*secrets, "Lovelace", "ada-1", "Hopper", "branch-london"):
        assert secret not in log


def test_a_second_start_finds_everything_as_it_was(tmp_path: Path) -> None:
    """The welcome is the same but for the port, no customer is added, and what was changed stays changed."""
    with serving(tmp_path, "--demo") as first:
        before = printed(tmp_path, "customers", "list", "--limit", "500")
        said = "\n".join(first.welcome).replace(first.url, "URL")
    with serving(tmp_path, "--demo") as second:
        assert printed(tmp_path, "customers", "list", "--limit", "500") == before
        assert len(before) == 200
        again = "\n".join(second.welcome).replace(second.url, "URL")
        for command in second.pasted[:1]:
            run("bash", "-c", command.replace("curl -u", "curl -sS --fail -u"), folder=tmp_path)
    assert [text for text in again.splitlines() if "curl" in text] == [
        text for text in said.splitlines() if "curl" in text
    ]
    assert len(printed(tmp_path, "key", "list")) == 2


def test_a_rotated_demo_key_is_not_printed_with_its_old_secret(tmp_path: Path) -> None:
    """A start after a rotation offers no secret that no longer works, and says why."""
    with serving(tmp_path, "--demo") as server:
        old = re.findall(r"demo-merchant:([\w-]+)", "".join(server.welcome))[0]
    printed(tmp_path, "key", "rotate", "demo-merchant", "--overlap-hours", "0")
    with serving(tmp_path, "--demo") as server:
        said = "\n".join(server.welcome)
        assert old not in said
        assert "rotated or revoked" in said


def test_a_folder_with_tenants_of_its_own_gets_no_demo(tmp_path: Path) -> None:
    """--demo refuses politely where there are real tenants, and changes nothing."""
    printed(tmp_path, "tenant", "create", "Acme")
    done = ended("serve", "--demo", "--port", "0", folder=tmp_path)
    assert done.returncode == 1
    assert "--data" in done.stderr
    assert [one["name"] for one in printed(tmp_path, "tenant", "list")] == ["Acme"]


def test_a_demo_that_was_cut_short_is_finished(tmp_path: Path) -> None:
    """Killed between its two commits, the demo has no customer; the next start makes them all."""
    with House(Settings(data=tmp_path / "customary-data")) as house:
        demo._make_tenant(house)
        prepared = demo.prepare(house)
        assert prepared.made
        assert not demo.prepare(house).made
    assert len(printed(tmp_path, "customers", "list", "--limit", "500")) == 200


def test_the_first_start_without_a_demo_says_how_to_begin(tmp_path: Path) -> None:
    """It makes folder and root key, and its one command makes the first tenant; then it is silent."""
    with serving(tmp_path) as server:
        said = "\n".join(server.welcome)
        assert "root.key (new" in said
        (create,) = server.pasted
        run("bash", "-c", create, folder=tmp_path)
    with serving(tmp_path) as server:
        assert server.pasted == []
        assert "root.key" not in "\n".join(server.welcome)


def test_a_server_without_its_root_key_says_that_it_is_sealed(tmp_path: Path) -> None:
    """It serves, sealed, and says where the key belongs; a demo is refused, for it could not be opened."""
    printed(tmp_path, "tenant", "create", "Acme")
    (tmp_path / "customary-data" / "root.key").rename(tmp_path / "root.key")
    with serving(tmp_path) as server:
        assert any("sealed" in text for text in server.welcome)
    done = ended("serve", "--demo", folder=tmp_path)
    assert done.returncode == 3


def test_under_uv_the_commands_start_with_uv_run(tmp_path: Path) -> None:
    """Whoever started with uv run has no customary on the PATH, so the welcome repeats it."""
    with serving(tmp_path, "--demo", UV_RUN_RECURSION_DEPTH="1") as server:
        assert sum(command.startswith("uv run customary curl ") for command in server.pasted) == 2


# ── Beside a server ─────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """One demo server for the tests that only ask it."""
    with serving(tmp_path_factory.mktemp("demo"), "--demo") as started:
        yield started


def test_commands_work_while_the_server_runs(server: Started) -> None:
    """Keys made beside a running server work in it at once, and lines imported are served."""
    folder = server.folder
    made = printed(folder, "key", "create", "--tenant", demo.TENANT_ID, "--scheme", "hmac")
    curl = (str(PROGRAM), "curl", "--url", server.url, "--key", made["keyId"])
    (folder / "in.ndjson").write_text('{"firstName": "Beside", "emailAddress": "beside@example.com"}\n')
    assert printed(folder, "customers", "import", "in.ndjson")["created"] == 1
    for scheme in ("hawk", "hmac-sha256"):
        found = json.loads(
            run(*curl, "--scheme", scheme, "/v1/customers?emailAddress=beside@example.com", folder=folder)
        )
        assert [one["firstName"] for one in found] == ["Beside"]
    assert printed(folder, "audit", "verify")["intact"] is True
    report = printed(folder, "doctor")
    assert "one serves this folder" in [one["what"] for one in report["findings"]]
    assert made["secret"] not in server.log


def test_a_second_server_on_the_folder_is_refused(server: Started) -> None:
    """One server serves a folder; the second says so, and exits with a refusal."""
    done = ended("serve", "--port", "0", folder=server.folder)
    assert done.returncode == 1
    assert "Another server" in done.stderr


def test_a_port_that_is_taken_is_unavailable(server: Started, tmp_path: Path) -> None:
    """A port of another program is exit code 3, with what to do."""
    done = ended("serve", "--port", server.url.rpartition(":")[2], folder=tmp_path)
    assert done.returncode == 3
    assert "Port" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "expected"),
    [
        (("/v1/customers?pageSize=1",), "", 0, '[{"id":"'),
        (("/v1/customers/nobody",), "", 1, "customer_not_found"),
        (("-i", "/v1/merchants"), "", 0, "HTTP/1.1 200 OK"),
        (("-d", "-", "/v1/customers"), '{"firstName": "Piped"}', 0, '"firstName":"Piped"'),
        (("-d", "@body.json", "/v1/customers"), "", 0, '"firstName":"Filed"'),
        (("-d", '{"firstName": "Zoë"}', "/v1/customers"), "", 0, '"firstName":"Zoë"'),
        (("-d", "{", "/v1/customers"), "", 1, "invalid_request"),
        (("-X", "DELETE", "/v1/customers"), "", 1, "method_not_allowed"),
        (("/v1/customers?orgId=ü&emailAddress=a b",), "", 0, "[]"),
        (("/api/v1/customers",), "", 1, "375"),
        (("--key", "demo-merchant", "/v1/customers"), "", 2, ""),
        (("--key", "nobody's", "/v1/customers"), "", 1, ""),
    ],
)
def test_curl_signs_sends_and_exits_by_the_answer(
    server: Started, arguments: tuple[str, ...], stdin: str, code: int, expected: str
) -> None:
    """Bodies come from the command line, a file or stdin; a refusal of the server is exit code 1."""
    (server.folder / "body.json").write_text('{"firstName": "Filed"}')
    done = ended("curl", "--url", server.url, *arguments, folder=server.folder, stdin=stdin)
    assert done.returncode == code, done.stderr
    assert expected in done.stdout
    assert "Traceback" not in done.stderr


def test_curl_without_a_server_is_unavailable(server: Started) -> None:
    """Where nobody listens, the exit code is 3 and the address is named."""
    done = ended("curl", "--url", "http://127.0.0.1:9", "/v1/customers", folder=server.folder)
    assert done.returncode == 3
    assert "http://127.0.0.1:9" in done.stderr


def test_curl_signs_for_the_public_url(tmp_path: Path) -> None:
    """A server that verifies against its public URL is reached at its own address all the same."""
    with serving(tmp_path, "--demo", CUSTOMARY_PUBLIC_URL="https://api.example.com") as started:
        port = started.url.rpartition(":")[2]
        answer = run(
            str(PROGRAM), "curl", "/v1/merchants", folder=tmp_path,
            CUSTOMARY_PUBLIC_URL="https://api.example.com", CUSTOMARY_PORT=port,
        )  # fmt: skip
        assert json.loads(answer)["name"] == "Demo Shop"
        for command in started.pasted:
            run("bash", "-c", command.replace("curl -u", "curl -sS --fail -u"), folder=tmp_path)


def test_bash_and_curl_are_there() -> None:
    """The welcome is for people with bash and curl; so are these tests."""
    assert shutil.which("bash")
    assert shutil.which("curl")
