"""What a process has in memory is not written to a disk when it dies."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

_ABORT = "import os; {}os.abort()"
_FORBID = "from customary.bootstrap.memory import forbid_core; forbid_core(); "


def _cores(folder: Path, before: str) -> list[str]:
    """Return the names of what a process has left in its folder that aborted after a statement."""
    folder.mkdir()
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    subprocess.run(
        [sys.executable, "-c", _ABORT.format(before)],
        cwd=folder,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (hard, hard)),
        stderr=subprocess.DEVNULL,
        check=False,
    )
    return [path.name for path in folder.iterdir()]


def test_a_server_that_dies_leaves_no_core(tmp_path: Path) -> None:
    """Where another program would leave its memory in a file, a server leaves nothing."""
    if not _cores(tmp_path / "control", ""):
        pytest.skip("this machine keeps no core of any process, or not beside it")
    assert _cores(tmp_path / "server", _FORBID) == []


def test_a_serving_process_has_forbidden_its_core(tmp_path: Path, command: Path) -> None:
    """The limit is taken down by the server itself, before it opens a key."""
    from serving import serving

    limits = Path("/proc/self/limits")
    if not limits.exists():
        pytest.skip("this machine has no /proc, where the limits of a process stand")
    with serving(command, tmp_path / "server") as server:
        assert server.process is not None
        told = Path(f"/proc/{server.process.pid}/limits").read_text()
    (line,) = [line for line in told.splitlines() if line.startswith("Max core file size")]
    assert line.split()[4:6] == ["0", "0"]
