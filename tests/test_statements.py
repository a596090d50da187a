"""The account of statements: it must be able to fail, in one process and in several."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from statements import STATEMENTS, Account

TESTS = Path(__file__).parent
ALL = ", ".join(f'"{name}"' for name in STATEMENTS)
ALL_BUT_T7 = ", ".join(f'"{name}"' for name in STATEMENTS if name != "T7")

HELD = f"""
@pytest.mark.statement({ALL})
def test_all():
    assert True
"""
UNTESTED = HELD.replace(ALL, ALL_BUT_T7)
FAILING = HELD + "@pytest.mark.statement('T7')\ndef test_one():\n    assert False\n"
SKIPPED = UNTESTED + "@pytest.mark.statement('T7')\ndef test_one():\n    pytest.skip('no interpreter')\n"
UNKNOWN = HELD + "@pytest.mark.statement('T99')\ndef test_one():\n    assert True\n"


def session(folder: Path, suite: str, *options: str) -> "subprocess.CompletedProcess[str]":
    """Run a test session of this suite alone, with this project's conftest."""
    (folder / "tests" / "dialects").mkdir(parents=True)
    for name in ("conftest.py", "engines.py", "clusters.py", "statements.py", "serving.py", "merchant.py"):
        shutil.copy(TESTS / name, folder / "tests")
    (folder / "tests" / "dialects" / "test_suite.py").write_text(f"import pytest\n{suite}")
    (folder / "pytest.ini").write_text(
        "[pytest]\ntestpaths = tests\npythonpath = tests\naddopts = --strict-markers\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # other plugins take seconds to load
    command = [sys.executable, "-m", "pytest", "--import-mode=importlib", "-p", "xdist", *options]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize("processes", ["0", "2"])
@pytest.mark.parametrize(
    ("suite", "exit_code", "words"),
    [(HELD, 0, "T7        |     1 | yes"), (UNTESTED, 1, "NOT HELD: T7"), (SKIPPED, 1, "NOT HELD: T7")],
    ids=["held", "untested", "skipped"],
)
def test_a_full_run_fails_unless_every_statement_is_held(
    tmp_path: Path, processes: str, suite: str, exit_code: int, words: str
) -> None:
    """A statement without a test, or with skipped ones only, fails the session; the table says which."""
    done = session(tmp_path, suite, "-n", processes)
    assert (done.returncode, words in done.stdout) == (exit_code, True), done.stdout + done.stderr


def test_a_failing_test_leaves_its_statement_unheld(tmp_path: Path) -> None:
    """Although another test of it has passed."""
    done = session(tmp_path, FAILING, "-n", "2")
    assert done.returncode == 1
    assert "NOT HELD: T7" in done.stdout


@pytest.mark.parametrize("options", [["-k", "all"], ["tests/dialects/test_suite.py"], ["--maxfail=3"]])
def test_a_part_of_the_suite_proves_nothing_about_the_rest(tmp_path: Path, options: list[str]) -> None:
    """No table and no failure when only some tests were asked for."""
    done = session(tmp_path, UNTESTED, "-n", "0", *options)
    assert done.returncode == 0, done.stdout
    assert "NOT HELD" not in done.stdout


def test_the_suite_may_be_asked_for_by_its_folder(tmp_path: Path) -> None:
    """That is a full run too."""
    assert session(tmp_path, UNTESTED, "-n", "0", "tests/dialects").returncode == 1


def test_a_misspelt_statement_stops_the_run(tmp_path: Path) -> None:
    """It would otherwise count for nobody."""
    done = session(tmp_path, UNKNOWN, "-n", "0")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR, done.stdout + done.stderr


def test_the_account_counts_by_phase() -> None:
    """A test whose setup failed was a test, and holds nothing."""
    account = Account()
    account.note(["T1"], "setup", "failed")
    account.note(["T1"], "teardown", "passed")
    account.note(["T2"], "setup", "passed")
    account.note(["T2"], "call", "passed")
    assert (account.tests["T1"], account.is_held("T1")) == (1, False)
    assert (account.tests["T2"], account.is_held("T2")) == (1, True)
