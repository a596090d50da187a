"""The command line as a whole: its help, its manual page, its exit codes, and what it loads for them."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cyclopts import App

from command_line import CommandLine
from customary.cli import refusals
from customary.cli.commands import app
from customary.cli.manual import rendered_docs
from customary.domain import errors
from customary.domain.errors import CustomaryError
from customary.shapes import ConfigurationError
from customary.vault.rootkey import RootKeyRefused

ROOT = Path(__file__).parent.parent
PROGRAM = Path(sys.executable).parent / "customary"


def commands(group: App = app, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words of every command that does something."""
    names = [name for name in group.resolved_commands() if name != "--help" and name != "-h"]
    names = [name for name in names if not name.startswith("-") or name == "--install-completion"]
    if not names or group[names[0]] is group:
        yield path
    for name in names:
        yield from commands(group[name], (*path, name))


COMMANDS = sorted(commands())


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """A command line in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("CUSTOMARY_DATA", "UV_RUN_RECURSION_DEPTH"):
        monkeypatch.delenv(name, raising=False)
    return CommandLine(tmp_path, capsys)


def test_all_commands_of_the_contract_are_there() -> None:
    """The issue's list of commands is complete; what is more than it is known here."""
    assert {" ".join(command) for command in COMMANDS} == {
        "serve", "tenant create", "tenant list", "merchant create", "merchant list", "key create", "key list",
        "key rotate", "key revoke", "customers list", "customers show", "customers import",
        "customers export", "customers history", "customers restore", "audit list", "audit verify",
        "audit export", "audit checkpoints", "audit public-key", "backup", "restore",
        "migrate", "doctor", "curl",
        "completion",
        "--install-completion",
        "keys status", "keys rotate root", "keys rotate tenant", "keys rotate index", "keys reseal",
        "erasure plan", "erasure execute", "erasure list", "erasure show", "erasure verify", "erasure replay",
        "erasure hold", "erasure release", "retention list",
        "retention set", "retention remove",
    }  # fmt: skip


def test_the_manual_page_is_the_help(line: CommandLine) -> None:
    """docs/cli.md is what rendered_docs() returns: no option without documentation."""
    assert (ROOT / "docs" / "cli.md").read_text() == rendered_docs(), "write rendered_docs() into docs/cli.md"


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example_that_parses(
    line: CommandLine, command: tuple[str, ...]
) -> None:
    """A newcomer finds an example in each help, and it is no wrong usage."""
    done = line(*command, "--help")
    assert done.code == 0
    examples = re.findall(r"(?m)^Example: customary (.+)$", done.out)
    assert examples, done.out
    for example in examples:
        words = _words(example)
        assert tuple(words[: len(command)]) == command
        app.parse_args(words, exit_on_error=False, print_error=False)


def _words(example: str) -> list[str]:
    import shlex

    words = shlex.split(example)
    return next((words[:place] for place, word in enumerate(words) if word in (">", ">>")), words)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_result_can_be_had_as_json(line: CommandLine, command: tuple[str, ...]) -> None:
    """--json is on every command that prints a result; the others print no result, or the server's own."""
    if (
        " ".join(command) in ("serve", "curl", "completion", "--install-completion")
        or command[-1] == "export"
    ):
        assert "--json" not in line(*command, "--help").out
    else:
        assert "--json" in line(*command, "--help").out


def test_the_overview_names_every_command_with_its_purpose(line: CommandLine) -> None:
    """customary --help has a line for each command, and none without a word to it."""
    overview = line("--help").out
    for name in {command[0] for command in COMMANDS}:
        assert re.search(rf"│ {re.escape(name)} +[A-Z]\w+", overview), name


@pytest.mark.parametrize(
    "wrong",
    [
        ("tenant", "crate"),
        ("nothing",),
        ("tenant", "create"),
        ("tenant", "list", "--nothing"),
        ("serve", "--port", "x"),
        ("serve", "--port", "70000"),
        ("serve", "--host", "a b"),
        ("curl", "no-slash"),
        ("curl", "/v1/customers", "--url", "ftp://x", "--data", "d"),
        ("curl", "/v1/customers", "-d", "@nowhere"),
        ("customers", "list", "--limit", "x"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_code_2(line: CommandLine, wrong: tuple[str, ...]) -> None:
    """What cannot be understood is told on stderr with what to do next, for programs also on stdout."""
    line("tenant", "create", "Acme", "--data", "d")
    done = line(*wrong)
    assert done.code == 2
    assert done.out == ""
    assert "Next: " in done.err
    for_programs = line(*wrong, "--json")
    if wrong[0] not in ("serve", "curl"):
        assert for_programs.json["error"]["kind"]


def test_a_refusal_for_programs_has_kind_message_and_next_step(line: CommandLine) -> None:
    """With --json, stdout has an error object, and a refused field is named by field and rule."""
    line("tenant", "create", "Acme")
    refused = line("merchant", "create", "Shop", "--tenant", "acme", "--json")
    assert refused.code == 1
    assert set(refused.json["error"]) == {"kind", "message", "next"}
    assert refused.json["error"]["kind"] == "not_found"
    named = line("tenant", "create", "", "--json").json["error"]
    assert (named["kind"], named["violations"]) == ("invalid", [{"field": "name", "rule": "length"}])


def test_no_sentence_is_said_twice(line: CommandLine, capsys: pytest.CaptureFixture[str]) -> None:
    """A refusal whose text says it all does not list the same again; one of several fields lists them."""
    line("tenant", "create", "Acme")
    assert line("tenant", "create", "").err == "A name is 1 to 100 printable characters.\n"
    two = [errors.Violation(name, "required", f"{name} is required") for name in ("a", "b")]
    refusals.tell(errors.Invalid(*two), as_json=False)
    assert capsys.readouterr().err == "The request has invalid fields.\n  a is required\n  b is required\n"


def test_what_to_type_next_works_where_it_is_pasted(line: CommandLine) -> None:
    """A next step names the folder that the command was given, and never only the help."""
    line("tenant", "create", "One", "--data", "here")
    line("tenant", "create", "Two", "--data", "here")
    folder = f"--data {line.folder / 'here'}"
    several = line("customers", "list", "--data", "here")
    assert several.code == 2
    assert f"`customary tenant list {folder}`" in several.err
    strange = line("customers", "list", "--data", "here", "--tenant", "nonsense")
    assert strange.code == 1
    assert f"`customary tenant list {folder}`" in strange.err
    nowhere = line("tenant", "list", "--data", "nowhere")
    assert nowhere.code == 3
    assert str(line.folder / "nowhere") in nowhere.err
    assert f"customary serve --data {line.folder / 'nowhere'}" in nowhere.err


def _leaves(of: type[CustomaryError]) -> set[type[CustomaryError]]:
    return {of, *(leaf for below in of.__subclasses__() for leaf in _leaves(below))}


# Those of the rooms are about requests, which no command makes here.
OUTER = ("customary.http", "customary.trustly", "customary.trustist")
LEAVES = sorted((one for one in _leaves(CustomaryError) if not one.__module__.startswith(OUTER)), key=str)


@pytest.mark.parametrize("leaf", LEAVES)
def test_every_way_of_saying_no_has_its_exit_code(
    leaf: type[CustomaryError], capsys: pytest.CaptureFixture[str]
) -> None:
    """Unavailable and OutcomeUnknown are 3, wrong settings and arguments 2, all else 1; nothing is 0."""
    error = leaf("a", "b", "c") if issubclass(leaf, ConfigurationError) else leaf()
    expected = 1
    if isinstance(error, errors.Unavailable | errors.OutcomeUnknown):
        expected = 3
    elif isinstance(error, ConfigurationError | refusals.WrongUsage):
        expected = 2
    assert refusals.tell(error, as_json=True) == expected
    out, err = capsys.readouterr()
    assert error.public in err
    assert json.loads(out)["error"]["message"] == error.public


def test_a_wrong_root_key_is_among_the_ways_of_saying_no() -> None:
    """The walk over all leaves reaches those that other layers define."""
    assert {RootKeyRefused, ConfigurationError, refusals.WrongUsage} <= set(LEAVES)


def test_a_wrong_setting_is_named_without_its_value(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings that cannot be used are exit code 2, and a secret in the wrong variable is not printed."""
    monkeypatch.setenv("CUSTOMARY_PORT", "canary")
    done = line("tenant", "list", "--json")
    assert done.code == 2
    assert "CUSTOMARY_PORT" in done.err
    assert "canary" not in done.out + done.err


HEAVY = (
    "apsw",
    "cryptography",
    "uvicorn",
    "starlette",
    "mimesis",
    "pycountry",
    "structlog",
    "prometheus_client",
)


@pytest.mark.parametrize("arguments", [["--help"], ["serve", "--help"], ["--version"], ["tenant", "crate"]])
def test_help_and_errors_load_nothing_heavy(arguments: list[str]) -> None:
    """Help comes at once, because servers, ciphers and engines are loaded by those who need them."""
    script = (
        "import sys; from customary.cli.commands import run; code = run(sys.argv[1:])\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr.splitlines()[-1] == "[]"


def test_making_a_tenant_loads_no_server(tmp_path: Path) -> None:
    """A command loads the store and the vault, but neither server nor demo data."""
    script = (
        "import sys; from customary.cli.commands import run; code = run(['tenant', 'create', 'Acme'])\n"
        f"print([name for name in {HEAVY[2:]!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr.splitlines()[-1] == "[]"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_the_commands(line: CommandLine, shell: str) -> None:
    """The script of each shell speaks of every command; bash's own parser takes bash's."""
    done = line("completion", shell)
    assert done.code == 0
    assert {name for name in ("tenant", "customers", "doctor", "rotate") if name not in done.out} == set()
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=done.out, text=True, timeout=60, check=True)
    assert line("completion", "tcsh").code == 2


def test_completion_is_put_in_place(line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """--install-completion writes the script where the shell looks for it, and says where."""
    monkeypatch.setenv("HOME", str(line.folder))
    done = line("--install-completion", "--shell", "bash")
    place = line.folder / ".local/share/bash-completion/completions/customary"
    assert done.code == 0
    assert str(place) in done.out
    assert "tenant" in place.read_text()


def test_a_reader_that_goes_away_is_no_traceback(tmp_path: Path) -> None:
    """Piped into a program that ends early, a command ends quietly."""
    script = f"{PROGRAM} tenant create Acme >&2 && {PROGRAM} audit list --json | head -c 1"
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert done.stdout == "["


@pytest.mark.parametrize("width", [60, 200])
def test_no_terminal_is_too_narrow_for_an_id(line: CommandLine, width: int) -> None:
    """On a terminal, ids are printed whole, in a table where one fits: they are there to be copied."""
    tenant_id = line.made("tenant", "create", "A name of many words " * 4)["tenantId"]
    key_id = line.made("key", "create", "--tenant", tenant_id, "--scheme", "hmac")["keyId"]
    ours, theirs = os.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        done = subprocess.run(
            [PROGRAM, "key", "list"], cwd=line.folder, stdout=theirs, stdin=subprocess.DEVNULL, timeout=60,
            env={**os.environ, "COLUMNS": str(width), "TERM": "xterm"}, check=True,
        )  # fmt: skip
        os.close(theirs)
        printed = terminal.read(65_536).decode()
    assert done.returncode == 0
    assert tenant_id in printed
    assert key_id in printed
    assert ("───" in printed) == (width == 200)


def test_a_mistake_of_ours_is_one_line_without_values() -> None:
    """What nobody foresaw is told by class and place, never with the text of the exception."""
    script = (
        "from customary.cli import commands, main\n"
        "def broken(*_, **__): raise KeyError('canary')\n"
        "commands.app = broken\n"
        "main(['tenant', 'list'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "KeyError" in done.stderr
    assert "canary" not in done.stderr.replace("broken", "")


def test_the_program_is_called_as_it_was_started(tmp_path: Path) -> None:
    """Commands that are printed to be pasted start with uv run, a path, or the name, as this one did."""
    script = f"{PROGRAM} tenant list"
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("UV", "CUSTOMARY"))
    }

    def told(**changes: str) -> str:
        done = subprocess.run(
            ["bash", "-c", script if "name" not in changes else "customary tenant list"],
            cwd=tmp_path, env=environment | changes, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        return done.stderr

    assert ": uv run customary serve\n" in told(UV_RUN_RECURSION_DEPTH="1")
    assert f": {PROGRAM} serve\n" in told(PATH="/usr/bin:/bin")
    assert ": customary serve\n" in told(PATH=f"{PROGRAM.parent}:/usr/bin:/bin", name="1")
