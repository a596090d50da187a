"""The rules of the house, as part of the one test command: format, types, layers, and rules of our own."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import rules
from rules import ROOT, RULES, Rule, Source

BIN = Path(sys.executable).parent

SOURCES = tuple(
    Source(path, (ROOT / path).read_text("utf-8")) for path in rules.tracked() if path.endswith(".py")
)


def _passes(*command: str | Path, cwd: Path = ROOT, **environment: str) -> None:
    """Run a tool of the environment the tests run in; its findings are the message of the failure."""
    done = subprocess.run(
        command, cwd=cwd, env={"PATH": str(BIN), **environment}, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_ruff_finds_nothing() -> None:
    """The linter's chosen rules hold everywhere."""
    _passes(BIN / "ruff", "check", "--output-format=concise", "--no-cache")


def test_every_file_is_formatted() -> None:
    """There is one way to lay out code, and nobody has to think about it."""
    _passes(BIN / "ruff", "format", "--check", "--no-cache")


def test_types_hold_strictly() -> None:
    """Product, tests and benchmark pass mypy in strict mode."""
    _passes(BIN / "mypy", "--no-error-summary")


def test_imports_point_inward() -> None:
    """The layers are what the architecture says they are."""
    _passes(BIN / "lint-imports", "--no-cache", NO_COLOR="1")


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("domain/ids.py", "import time"),
        ("app/customers.py", "import logging"),
        ("app/ports/keys.py", "from customary.app.performer import Performer"),
        ("trustly/wire.py", "from customary.trustist import wire"),
        ("storage/schema/sqlite.py", "import customary.storage.sqlite.engine"),
        ("http/body.py", "import apsw"),
        ("vault/cipher.py", "from customary.storage.sqlite import SQLiteEngine"),
        ("stranger.py", "'A module in no layer.'"),
    ],
)
def test_the_layers_are_watched(tmp_path: Path, path: str, line: str) -> None:
    """An import that the architecture forbids, or a module that it does not place, breaks the build."""
    shutil.copytree(ROOT / "src" / "customary", tmp_path / "customary")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / "customary" / path).open("a") as changed:
        changed.write(f"\n{line}\n")
    with pytest.raises(AssertionError, match=r"BROKEN|not listed as layers|[Mm]issing"):
        _passes(BIN / "lint-imports", "--no-cache", cwd=tmp_path, PYTHONPATH=str(tmp_path), NO_COLOR="1")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_source_keeps_the_rules(rule: Rule) -> None:
    """Every Python file keeps every rule of `rules`."""
    breaches = [f"{source.path}:{line}: {what}" for source in SOURCES for line, what in rule(source)]
    assert not breaches, "\n".join(breaches)


BROKEN = [
    (rules.files_are_short, "src/customary/x.py", "'''Say.'''\n" * 401),
    (rules.functions_are_short, "src/customary/x.py", "def f():\n" + "    1\n" * 61),
    (rules.public_nouns_say_what_they_are, "tests/test_x.py", "x = 1"),
    (rules.public_nouns_say_what_they_are, "src/customary/x.py", "'''Say.'''\ndef f(): ..."),
    (rules.public_nouns_say_what_they_are, "src/customary/x.py", "'''Say.'''\nclass C: ..."),
    (rules.tests_state_their_rule, "tests/test_x.py", "def test_x(): ..."),
    (rules.names_say_something, "src/customary/utils.py", ""),
    (rules.names_say_something, "src/customary/helpers/x.py", ""),
    (rules.names_say_something, "src/customary/x.py", "class CustomerManager: ..."),
    (rules.names_say_something, "tests/x.py", "def request_helper(): ..."),
    (rules.vendors_words_stay_in_their_rooms, "src/customary/domain/x.py", "class C:\n    taxId: str"),
    (rules.vendors_words_stay_in_their_rooms, "src/customary/http/x.py", "x = {'firstName': 1}"),
    (rules.vendors_words_stay_in_their_rooms, "src/customary/http/x.py", "x = b'externalId'"),
    (rules.vendors_words_stay_in_their_rooms, "src/customary/trustly/x.py", "def f(firstName): ..."),
    (rules.vendors_words_stay_in_their_rooms, "src/customary/trustist/x.py", "f(customData=1)"),
    (rules.vendors_words_stay_in_their_rooms, "src/customary/native/x.py", "x = {'firstName': 1}"),
    (rules.vendors_words_stay_in_their_rooms, "src/customary/storage/x.py", "if dialect == 'trustly': ..."),
    (rules.the_core_takes_time_and_chance_from_outside, "src/customary/app/x.py", "datetime.now(UTC)"),
    (rules.the_core_takes_time_and_chance_from_outside, "src/customary/domain/x.py", "uuid.uuid4()"),
    (rules.the_core_takes_time_and_chance_from_outside, "src/customary/domain/x.py", "open('x')"),
    (rules.exceptions_are_named, "src/customary/x.py", "try: f()\nexcept Exception: g()"),
    (rules.exceptions_are_named, "src/customary/x.py", "try: f()\nexcept: g()"),
    (rules.exceptions_are_named, "tests/x.py", "try: f()\nexcept (ValueError, BaseException) as e: pass"),
    (rules.excuses_give_their_reason, "src/customary/x.py", "x = 1  # noqa: S101"),
    (rules.excuses_give_their_reason, "src/customary/x.py", "x = 1  # noqa"),
    (rules.excuses_give_their_reason, "tests/x.py", "x = 1  # type: ignore[arg-type]"),
    (rules.excuses_give_their_reason, "tests/x.py", "x = 1  # type: ignore  # because"),
    (rules.nothing_is_left_to_do, "src/customary/x.py", "x = 1  # TO" + "DO later"),
    (rules.tests_do_not_sleep, "tests/x.py", "time.sleep(0.1)"),
    (rules.tests_do_not_sleep, "tests/x.py", "async def f():\n    await asyncio.sleep(1)"),
    (rules.tests_are_not_skipped, "tests/x.py", "@pytest.mark.skip\ndef test_x(): ..."),
    (rules.tests_are_not_skipped, "tests/x.py", "pytest.skip()"),
]


@pytest.mark.parametrize(("rule", "path", "text"), BROKEN)
def test_each_rule_is_able_to_fail(rule: Rule, path: str, text: str) -> None:
    """A rule that is shown a breach says so."""
    assert list(rule(Source(path, text)))


def test_every_rule_is_shown_a_breach() -> None:
    """No rule is without a text that breaks it."""
    assert {rule for rule, _, _ in BROKEN} == set(RULES)


KEPT = [
    (rules.vendors_words_stay_in_their_rooms, "src/customary/trustly/x.py", "x = {'taxId': 1}"),
    (rules.vendors_words_stay_in_their_rooms, "src/customary/native/x.py", "x = {'taxId': 1}"),
    (rules.vendors_words_stay_in_their_rooms, "src/customary/x.py", "'''See the trustly contract.'''"),
    (rules.vendors_words_stay_in_their_rooms, "src/customary/config.py", "trustly_not_found_status = 404"),
    (rules.exceptions_are_named, "src/customary/x.py", "try: f()\nexcept BaseException:\n    g()\n    raise"),
    (rules.exceptions_are_named, "src/customary/x.py", "try: f()\nexcept Exception as e: waiter.fail(e)"),
    (rules.exceptions_are_named, "src/customary/http/shell.py", "try: f()\nexcept Exception: g()"),
    (rules.excuses_give_their_reason, "tests/x.py", "x = 1  # type: ignore[x]  # the mistake under test"),
    (rules.excuses_give_their_reason, "src/customary/x.py", "x = 1  # noqa: S105 no secret"),
    (rules.excuses_give_their_reason, "src/customary/x.py", "assert x, 'checked before'  # noqa: S101"),
    (rules.tests_do_not_sleep, "tests/x.py", "while not ready():\n    time.sleep(0.01)"),
    (rules.tests_are_not_skipped, "tests/x.py", "pytest.skip('no interpreter')"),
]


@pytest.mark.parametrize(("rule", "path", "text"), KEPT)
def test_each_rule_lets_what_it_allows_pass(rule: Rule, path: str, text: str) -> None:
    """A rule that finds fault with good code would soon be switched off."""
    assert list(rule(Source(path, text))) == []


def _told(pattern: re.Pattern[str]) -> list[str]:
    found = []
    for path in rules.tracked():
        content = (ROOT / path).read_bytes()
        if b"\0" not in content:
            lines = content.decode("utf-8").splitlines()
            found += [f"{path}:{number}" for number, line in enumerate(lines, 1) if pattern.search(line)]
    return found


def test_no_file_names_a_registry() -> None:
    """Where packages come from is the reader's choice: no file records the address of a registry."""
    assert _told(rules.REGISTRY) == []


def test_no_file_names_a_machine() -> None:
    """No file holds an absolute path of somebody's machine."""
    assert _told(rules.MACHINE_PATH) == []


@pytest.mark.parametrize(
    "text", ["https://p" + "ypi.org/simple", "registry.n" + "pmjs.org", "http://deb.d" + "ebian.org/x"]
)
def test_an_address_of_a_registry_is_recognised(text: str) -> None:
    """The pattern finds what it is meant to find."""
    assert rules.REGISTRY.search(text)


@pytest.mark.parametrize(
    "text", ["cd /w" + "ork/x", '"/h' + 'ome/me/x"', "in /ro" + "ot/.cache", "/U" + "sers/me/x"]
)
def test_a_path_of_a_machine_is_recognised(text: str) -> None:
    """The pattern finds what it is meant to find."""
    assert rules.MACHINE_PATH.search(text)


def test_no_output_and_no_secret_is_tracked() -> None:
    """What programs make stays out of the repository, keys above all."""
    assert [path for path in rules.tracked() if rules.OUTPUT.search(path)] == []
    assert rules.OUTPUT.search("customary-data/root.key")
    assert rules.OUTPUT.search("uv.lock")
