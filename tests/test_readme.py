"""What the README says to type works, every address in the documents is there, and nothing is left unsaid.

The commands are run as they stand, in bash, by a server and a command line from the built wheel: only the
port and the secrets are filled in, as a reader does with the latter.
"""

import json
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from customary import log
from customary.bootstrap.status import Watch
from customary.cli.commands import app
from rules import ROOT
from serving import COMMAND_SECONDS_MAX, START_SECONDS_MAX, Installation, Server

README = (ROOT / "README.md").read_text("utf-8")
OPERATING = (ROOT / "docs" / "operating.md").read_text("utf-8")
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
URL = "http://127.0.0.1:8080"
# Stands for uv, which would make an environment of its own: whatever it is told to run is the built wheel's.
UV = """#!/bin/sh
[ "$1" = run ] && shift
[ "$1" = --no-dev ] && shift
[ "$1" = customary ] || exit 99
shift
UV_RUN_RECURSION_DEPTH=1 exec {command} "$@"
"""


def section(text: str, title: str) -> str:
    """Return what stands under a heading of the second level."""
    return text.split(f"\n## {title}\n")[1].split("\n## ")[0]


def commands(markdown: str) -> list[str]:
    """Return the commands of all blocks of bash, without comments; one may go over several lines."""
    found, begun = [], ""
    for block in re.findall(r"```bash\n(.*?)```", markdown, re.DOTALL):
        for line in block.splitlines():
            begun += f"{line}\n"
            try:
                words = shlex.split(begun, comments=True)
            except ValueError:  # a quotation is still open
                continue
            if words:
                found.append(begun.strip())
            begun = ""
    assert not begun
    return found


MINUTE = commands(section(README, "The first minute"))
TENANT = commands(section(README, "Your own tenant"))


@dataclass
class Reader:
    """Somebody who types what the README says, in a folder of his own."""

    folder: Path
    environment: dict[str, str]
    url: str = URL

    def types(self, command: str) -> str:
        """Run a command in bash and return what it printed; it must succeed, and curl fails on a refusal."""
        text = re.sub(r"^curl ", "curl -sS --fail-with-body ", command.replace(URL, self.url))
        done = subprocess.run(
            ["bash", "-c", text],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS_MAX,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    @contextmanager
    def starts(self, command: str) -> Iterator[str]:
        """Run a command that serves until the block ends; give what it said in welcome."""
        with (self.folder / "stdout").open("wb") as out, (self.folder / "stderr").open("wb") as errors:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {command}"],
                cwd=self.folder,
                env=self.environment | {"CUSTOMARY_PORT": "0"},
                stdout=out,
                stderr=errors,
            )
        try:
            welcome = self._welcome(process)
            (self.url,) = re.findall(r"http://[\d.:]+", welcome.splitlines()[0])
            self.environment["CUSTOMARY_PORT"] = self.url.rpartition(":")[2]
            yield welcome
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(COMMAND_SECONDS_MAX)
        assert code == 0

    def _welcome(self, process: "subprocess.Popen[bytes]") -> str:
        for _ in range(int(START_SECONDS_MAX / 0.02)):
            if said := (self.folder / "stdout").read_text():
                return said
            try:
                process.wait(0.02)
            except subprocess.TimeoutExpired:
                continue
            break
        raise AssertionError((self.folder / "stderr").read_text())


@pytest.fixture
def reader(tmp_path: Path, command: Path) -> Reader:
    """A reader with an empty folder and a ``uv`` that runs the built wheel."""
    uv = tmp_path / "bin" / "uv"
    uv.parent.mkdir()
    uv.write_text(UV.format(command=shlex.quote(str(command))))
    uv.chmod(0o755)
    folder = tmp_path / "clone"
    folder.mkdir()
    environment = Installation(command, folder).environment
    del environment["CUSTOMARY_DATA"]
    return Reader(folder, environment | {"PATH": f"{uv.parent}:{environment['PATH']}"})


# ── The commands ────────────────────────────────────────────────────────────────────────────────────────


def _demo_command() -> str:
    (line,) = re.findall(r"(?m)^    pip install uv && (uv run customary serve --demo)$", README)
    return str(line)


def test_the_first_minute_is_as_told(reader: Reader) -> None:
    """With the demo's secret put in, each request is answered with what the one before it has made."""
    with reader.starts(_demo_command()) as welcome:
        secret = re.findall(r"demo-merchant:([\w-]+)", welcome)[0]
        assert len(MINUTE) == 4
        answers = [json.loads(reader.types(command.replace("SECRET", secret))) for command in MINUTE]
        made, found, signed, listed = answers
        assert found == {"customers": [made["customer"]]}
        assert listed == [signed]
        for address in re.findall(rf"<{URL}(\S+)>", README):
            reader.types(f"curl {URL}{address}")


def test_the_quicker_first_run_is_a_run(reader: Reader) -> None:
    """The README's other way to start serves the same demo."""
    (command,) = re.findall(r"`(uv run --no-dev .+?)`", README)
    with reader.starts(command) as welcome:
        assert "200 customers" in welcome


def _makes_a_tenant(reader: Reader, lines: list[str]) -> None:
    """Type what makes a tenant with its keys, and use each of these as the README says it is for."""
    tenant, merchant, basic, signing = lines
    tenant_id = re.findall(r"[0-9a-f-]{36}", reader.types(tenant))[0]
    reader.types(merchant.replace("TENANT", tenant_id))
    keys = [reader.types(line.replace("TENANT", tenant_id)) for line in (basic, signing)]
    ids, secrets = ([_told(key, what) for key in keys] for what in ("key id", "secret"))
    customers = f"curl -u '{ids[0]}:{secrets[0]}' {URL}/api/v1/customers"
    # A running server notices a new key within a second; curl asks again until then.
    assert json.loads(reader.types(f"{customers} --retry 5 --retry-all-errors")) == {"customers": []}
    assert json.loads(reader.types(f"uv run customary curl --key {ids[1]} /v1/customers")) == []


def _told(card: str, name: str) -> str:
    found = re.findall(rf"(?m)^{name} +(\S+)$", card)
    assert found, card
    return str(found[0])


def test_a_tenant_of_your_own_beside_the_demo(reader: Reader) -> None:
    """While the demo runs, everything but the first line succeeds."""
    assert TENANT[0].startswith("uv run customary serve &")
    with reader.starts(_demo_command()):
        _makes_a_tenant(reader, TENANT[1:])


def test_a_tenant_of_your_own_in_an_empty_folder(reader: Reader) -> None:
    """With the first line, which leaves the server running behind the others, all of it succeeds."""
    with reader.starts(TENANT[0].partition("&")[0]):
        _makes_a_tenant(reader, TENANT[1:])
    assert (reader.folder / "customary-data" / "root.key").exists()


def test_the_reader_notices_what_fails(reader: Reader) -> None:
    """The tests above can fail: a refusal is one, from our command, from curl and from the server."""
    with reader.starts(_demo_command()):
        for wrong in (MINUTE[0], "uv run customary tenant list --nonsense", "uv run something"):
            with pytest.raises(AssertionError):
                reader.types(wrong)


# ── Addresses and completeness ──────────────────────────────────────────────────────────────────────────


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path: Path) -> None:
    """A relative link names a file of the repository, and a heading in it where it names one."""
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text("utf-8")):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        linked = path.parent / name if name else path
        assert linked.exists(), target
        if anchor:
            headings = re.findall(r"(?m)^#+ (.+)$", linked.read_text("utf-8"))
            assert anchor in map(_anchor, headings), target


def test_every_document_is_reached_from_the_readme() -> None:
    """Whoever starts at the README finds each page for people; decisions are named as a folder."""
    linked = {target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", README)}
    pages = {str(path.relative_to(ROOT)) for path in DOCUMENTS if path.parent.name in ("docs", "contract")}
    assert pages <= linked
    assert "docs/decisions" in linked


def test_every_command_is_in_the_changelog() -> None:
    """Who upgrades is told of each command."""
    (line,) = re.findall(r"- Command line: (.+)\.", (ROOT / "CHANGELOG.md").read_text("utf-8"))
    known = {name for name in app.resolved_commands() if not name.startswith("-")}
    assert set(re.findall(r"`(\w+)`", line)) == known


def test_every_metric_is_documented_with_its_labels() -> None:
    """The operator's page names what /metrics has, and nothing that it has not."""
    families = list(Watch(request_log=False).metrics.collect())
    names = {family.name + ("_total" if family.type == "counter" else "") for family in families}
    assert set(re.findall(r"`(customary_\w+)`", OPERATING)) == names
    assert len(names) > 1


def test_every_field_of_a_requests_line_is_documented() -> None:
    """The operator's page names each."""
    told = set(re.findall(r"`(\w+)`", section(OPERATING, "Log")))
    assert set(log._Request.__struct_fields__) <= told
    assert told <= log.FIELDS | set(log.RANKS) | {"timestamp", "level", "CorrelationId"}


def test_every_address_beside_the_apis_is_documented(server: Server) -> None:
    """The operator's page names each, and each is answered without a credential."""
    told = set(re.findall(r"`(/[\w./]+)`", section(OPERATING, "Probes, metrics, documents")))
    addresses = told - {"/api/v1", "/v1", "/native/v1"}
    assert addresses == {
        "/healthz", "/readyz", "/metrics", "/docs", "/openapi/trustly.json", "/openapi/trustist.json",
        "/openapi/native.json",
    }  # fmt: skip
    assert {server.send("GET", address).status for address in addresses} == {200}


def test_every_setting_that_is_named_exists() -> None:
    """A variable that a document names is one of the settings."""
    settings = (ROOT / "docs" / "settings.md").read_text("utf-8")
    known = {"CUSTOMARY_CONFIG", *re.findall(r"`(CUSTOMARY_\w+)`", settings)}
    for path in DOCUMENTS:
        named = set(re.findall(r"\b(CUSTOMARY_[A-Z_]*[A-Z])\b", path.read_text("utf-8")))
        assert {one.removesuffix("_FILE") for one in named} <= {one.removesuffix("_FILE") for one in known}
