"""Every operation of every room while the trail cannot be kept: deeds are refused, masked reads are not."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from coverage.walked import ALL_PERMISSIONS, UNMASKED, WALKED, Speaker, Voices, Walked
from serving import make_tenancy, serving

SECONDS_MAX = 20.0


@pytest.fixture(scope="module")
def targets(
    command: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, tuple[Speaker, str]]]:
    """A speaker and a target for each operation, on a server whose checkpoints can no longer be written."""
    folder = tmp_path_factory.mktemp("halted")
    witness = folder / "witness"
    witness.mkdir()
    with serving(command, folder / "server", checkpoint_dir=str(witness), audit_grace_seconds="0") as server:
        voices = Voices(make_tenancy(server))
        made = {}
        for walked in WALKED:
            deed = walked.operation.mutates or walked.operation.discloses
            speaker = voices.speaker(
                walked.room.name, ALL_PERMISSIONS if deed else ALL_PERMISSIONS - {UNMASKED}
            )
            made[walked.name] = speaker, walked.target(speaker)
        witness.rename(folder / "aside")
        witness.touch()
        deadline = time.monotonic() + SECONDS_MAX
        while server.send("GET", "/readyz").json["status"] != "audit_failing":
            assert time.monotonic() < deadline
            threading.Event().wait(0.02)  # what is waited for is another process's
        yield made


@pytest.mark.parametrize("walked", WALKED, ids=lambda walked: walked.name)
def test_what_would_leave_an_entry_is_refused(
    targets: dict[str, tuple[Speaker, str]], walked: Walked
) -> None:
    """503 with Retry-After for what changes or shows guarded fields; the rest is answered as ever."""
    speaker, target = targets[walked.name]
    answer = speaker.call(walked.operation.method, target, walked.body)
    if walked.operation.mutates or walked.operation.discloses:
        assert answer.status == 503, answer.body
        assert int(answer.header("Retry-After") or 0) > 0
    else:
        assert answer.status < 500
