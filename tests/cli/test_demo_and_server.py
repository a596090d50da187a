"""The demo, its welcome, and commands beside a running server: real processes, real HTTP, real bash."""

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from customary.bootstrap import demo
from customary.bootstrap.house import House
from customary.config import Settings
from processes import PROGRAM, SECONDS_MAX, Started, ended, environment, printed, run, serving, welcome_of

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
    for command in (("serve", "--demo"), ("tenant", "list")):
        done = ended(*command, folder=tmp_path)
        assert done.returncode == 3
    assert str(tmp_path / "customary-data" / "root.key") in done.stderr
    assert "CUSTOMARY_ROOT_KEY_PATH" in done.stderr


@pytest.mark.parametrize(
    ("changes", "form"),
    [({}, "text"), ({"CUSTOMARY_LOG_FORMAT": "json"}, "json"), ({"CUSTOMARY_CONFIG": "our.toml"}, "json")],
)
def test_the_log_on_a_terminal_is_text_unless_set(tmp_path: Path, changes: dict[str, str], form: str) -> None:
    """People read a line of text, programs JSON; and no line of the HTTP server's own is among them."""
    (tmp_path / "our.toml").write_text('log_format = "json"\n')
    ours, theirs = os.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal, (tmp_path / "stdout").open("wb") as out:
        process = subprocess.Popen(
            [str(PROGRAM), "serve", "--port", "0"],
            cwd=tmp_path, env=environment(**changes), stdout=out, stderr=theirs,
        )  # fmt: skip
        os.close(theirs)
        try:
            welcome_of(tmp_path, process)
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(SECONDS_MAX)
        lines = terminal.read(65_536).decode().splitlines()
    assert code == 0
    assert [("json" if line.startswith("{") else "text") for line in lines] == [form] * 2
    assert "starting" in lines[0]
    assert "stopped" in lines[1]


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
    """A port of another program is exit code 3, with what to do; no doctor is needed for that."""
    done = ended("serve", "--port", server.url.rpartition(":")[2], folder=tmp_path)
    assert done.returncode == 3
    assert "Port" in done.stderr
    assert "Next: choose another port with --port." in done.stderr
    assert "doctor" not in done.stderr


def test_bash_and_curl_are_there() -> None:
    """The welcome is for people with bash and curl; so are these tests."""
    assert shutil.which("bash")
    assert shutil.which("curl")
