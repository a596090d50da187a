"""What is handed out: the wheel, its metadata, the versions it was tested with, the README's two commands."""

import ast
import email.message
import email.parser
import importlib.metadata
import os
import re
import subprocess
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import customary
from rules import ROOT, tracked

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
METADATA = f"customary-{customary.__version__}.dist-info"

SERVE = "pip install uv && uv run customary serve --demo"
TEST = "pip install uv && uv run pytest"


@pytest.fixture(scope="module")
def wheel(command: Path, shared_folder: Path) -> Iterator[zipfile.ZipFile]:
    """The built wheel, the one that the end-to-end tests install."""
    (path,) = (shared_folder / "product" / "dist").glob("*.whl")
    with zipfile.ZipFile(path) as opened:
        yield opened


def test_the_wheel_holds_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    """Every file of the package is in the wheel, byte for byte, assets included; tests are not."""
    ours = {path.removeprefix("src/") for path in tracked() if path.startswith("src/customary/")}
    packed = {name for name in wheel.namelist() if not name.startswith(METADATA)}
    assert packed == ours
    assert "customary/py.typed" in packed
    for name in sorted(ours):
        assert wheel.read(name) == (ROOT / "src" / name).read_bytes(), name


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> email.message.Message:
    """The wheel's metadata."""
    return email.parser.BytesParser().parsebytes(wheel.read(f"{METADATA}/METADATA"))


def test_the_metadata_say_what_the_project_says(metadata: email.message.Message) -> None:
    """Name, version, licence, interpreter and dependencies are those of the project file and the package."""
    project = PROJECT["project"]
    assert metadata["Name"] == "customary"
    assert metadata["Version"] == customary.__version__ == project["version"]
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["Description-Content-Type"] == "text/markdown"
    wanted = metadata.get_all("Requires-Dist", [])
    required = {_name(text) for text in wanted if "extra ==" not in text}
    assert {_name(text) for text in wanted} - required == {"botocore"}
    assert metadata.get_all("Provides-Extra") == ["aws"]
    assert required == {_name(text) for text in project["dependencies"]}


def test_the_licence_is_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    """Whoever has the wheel has the terms."""
    text = wheel.read(f"{METADATA}/licenses/LICENSE").decode()
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text


def test_the_wheel_brings_the_command(wheel: zipfile.ZipFile, command: Path) -> None:
    """`customary` is on the path after an installation, needs none of the tools of development, and runs."""
    assert "customary = customary.cli:main" in wheel.read(f"{METADATA}/entry_points.txt").decode()
    done = subprocess.run([command, "--version"], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == customary.__version__


def _name(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9_.-]+", requirement)
    assert found is not None
    return found.group().lower().replace("_", "-")


def test_every_dependency_is_pinned() -> None:
    """A clone without a lock file gets the versions that were tested, of everything that is named."""
    constraints = PROJECT["tool"]["uv"]["constraint-dependencies"]
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9.]+", constraint) for constraint in constraints)
    pinned = [_name(constraint) for constraint in constraints]
    assert pinned == sorted(set(pinned))
    named = {_name(text) for text in PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["dev"]}
    assert named - set(pinned) == set()


def _imported(folder: str) -> set[str]:
    """The distributions of all that a folder's modules import, at the top or inside a function."""
    found: set[str] = set()
    distributions = importlib.metadata.packages_distributions()
    for path in (path for path in tracked() if path.startswith(f"{folder}/") and path.endswith(".py")):
        for node in ast.walk(ast.parse((ROOT / path).read_text())):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules = [node.module]
            for module in modules:
                found.update(map(_name, distributions.get(module.partition(".")[0], [])))
    return found - {"customary"}


def test_what_is_imported_is_named() -> None:
    """Nothing is there only because something else happens to need it; the product needs no tool."""
    needed = {_name(text) for text in PROJECT["project"]["dependencies"]}
    tools = {_name(text) for text in PROJECT["dependency-groups"]["dev"]}
    assert "apsw" in _imported("src")
    assert _imported("src") - needed == set()
    assert (_imported("tests") | _imported("bench")) - needed - tools == set()


@pytest.mark.parametrize("command_line", [SERVE, TEST])
def test_the_readme_begins_with_the_two_commands(command_line: str) -> None:
    """Each stands on a line of its own, ready to be pasted."""
    lines = [line.strip() for line in (ROOT / "README.md").read_text().splitlines()]
    assert command_line in lines


def test_continuous_integration_runs_the_test_command_of_the_readme() -> None:
    """What the build runs is what the reader is told to run."""
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text().splitlines().count(TEST) == 1
    subprocess.run(["bash", "-n", script], check=True)
    assert "set -eu" in script.read_text()
