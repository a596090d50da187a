"""What a command does whose reader has gone, as ``head`` does."""

import os
import subprocess
from pathlib import Path

import pytest

from processes import PROGRAM, SECONDS_MAX, environment, run


@pytest.mark.parametrize("arguments", ["tenant list", "customers show 1", "nonsense", "--help"])
@pytest.mark.parametrize("both", [True, False])
def test_a_command_whose_reader_has_gone_ends_quietly(tmp_path: Path, arguments: str, *, both: bool) -> None:
    """It exits with 1 and tells of no error of ours, whether it has a result or a refusal to tell."""
    run(str(PROGRAM), "tenant", "create", "A", folder=tmp_path)
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [PROGRAM, *arguments.split(), "--json"], cwd=tmp_path, env=environment(), stdout=writer,
            stderr=writer if both else subprocess.PIPE, timeout=SECONDS_MAX, check=False,
        )  # fmt: skip
    finally:
        os.close(writer)
    assert done.returncode == 1
    said = done.stderr or b""
    for mistake in (b"internal error", b"Exception ignored", b"Traceback"):
        assert mistake not in said
