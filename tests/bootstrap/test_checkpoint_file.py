"""The file of checkpoints: it only grows, ends in whole lines, and is turned over when it is large."""

import os
import random
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from customary.app.checkpoints import NOTHING_BEFORE, Checkpoint, Pin, line_digest, signed_line
from customary.app.ports import CheckpointRow
from customary.bootstrap import checkpoint_file
from customary.bootstrap.checkpoint_file import CheckpointFile, CheckpointOutput, kept
from customary.domain.errors import Conflict, Unavailable

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TENANT = "00000000-0000-0000-0000-00000000002a"


class Signer:
    """Signs with nothing: here a signature is only as long as one."""

    trail_public_key = bytes(32)

    def signed(self, message: bytes) -> bytes:
        """64 bytes."""
        return bytes(64)

    def is_signed(self, message: bytes, signature: bytes) -> bool:
        """Whatever is given."""
        return True


def rows(count: int, *, complete_every: int = 1) -> list[CheckpointRow]:
    """Checkpoints that follow each other."""
    made: list[CheckpointRow] = []
    before = NOTHING_BEFORE
    for number in range(1, count + 1):
        complete = number % complete_every == 0 or number == 1
        line = signed_line(
            Signer(),
            Checkpoint(
                kind="checkpoint",
                format=1,
                store="00",
                number=number,
                at=NOON.isoformat(),
                before=before,
                complete=complete,
                tenants=(Pin(TENANT, number, "00" * 32, number, number),),
                key="",
            ),
        )
        before = line_digest(line)
        made.append(CheckpointRow(number, NOON, complete, line))
    return made


def content(made: list[CheckpointRow]) -> bytes:
    """What a file of these has in it."""
    return b"".join(row.line + b"\n" for row in made)


def test_lines_are_appended_once(tmp_path: Path) -> None:
    """Whatever is handed over again is there already; the end is found however long the file is."""
    file, made = CheckpointFile(tmp_path, "00"), rows(400)
    assert file.end().number == 0
    for start in range(0, 400, 37):
        file.append(made[max(0, start - 5) : start + 37])
        assert file.end().line == made[min(start + 36, 399)].line
    assert file.path.read_bytes() == content(made)
    assert file.path.stat().st_mode & 0o777 == 0o600


def test_a_line_cut_anywhere_is_completed(tmp_path: Path) -> None:
    """From its first byte to its line feed."""
    made = rows(3)
    whole = content(made)
    for left in range(len(content(made[:2])) + 1, len(whole)):
        file = CheckpointFile(tmp_path, f"{left:04x}")
        file.path.write_bytes(whole[:left])
        assert file.end().number == 2
        file.append(made[2:])
        assert file.path.read_bytes() == whole


def test_what_does_not_follow_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    """A gap, a torn line of another story, a last line that is none."""
    file, made = CheckpointFile(tmp_path, "00"), rows(5)
    for before in (
        content(made[:2]),
        content(made[:2]) + b'{"kind":"other',
        content(made[:2]) + b"nothing\n",
    ):
        file.path.write_bytes(before)
        with pytest.raises(Conflict):
            file.append(made[4:])
        assert file.path.read_bytes() == before


def test_a_large_file_is_turned_over_at_a_complete_checkpoint(tmp_path: Path) -> None:
    """The old one keeps its lines under the number of its last; together they are all lines, in order."""
    made = rows(60, complete_every=7)
    file = CheckpointFile(tmp_path, "00", bytes_max=len(content(made[:10])))
    dice = random.Random(1)
    place = 0
    while place < len(made):
        step = dice.randrange(1, 9)
        file.append(made[place : place + step])
        place += step
    parts = kept(tmp_path)
    assert len(parts) > 2
    assert [line for part in parts for line in part.lines()] == [row.line for row in made]
    for part in parts[1:]:
        assert b'"complete":true' in next(part.lines())
    assert parts[-1].name == file.path.name
    assert all(path.stat().st_size <= len(content(made[:30])) for path in tmp_path.iterdir())


def test_two_servers_may_share_a_file(tmp_path: Path) -> None:
    """Each line is written once, in order, whoever is first, also while the file is turned over."""
    made = rows(120)
    files = [CheckpointFile(tmp_path, "00", bytes_max=len(content(made[:15]))) for _ in range(2)]

    def bring(file: CheckpointFile) -> None:
        for place in range(0, len(made), 3):
            file.append(made[max(0, place - 30) : place + 3])

    threads = [threading.Thread(target=bring, args=(file,)) for file in files]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [line for part in kept(tmp_path) for line in part.lines()] == [row.line for row in made]


def test_a_folder_that_is_gone_is_not_made(tmp_path: Path) -> None:
    """It may be a mount that is missing: what were written there would be lost when it comes back."""
    file = CheckpointFile(tmp_path / "gone", "00")
    for deed in (file.end, file.probe, lambda: file.append(rows(1))):
        with pytest.raises(OSError, match="No such file"):
            deed()
    assert not (tmp_path / "gone").exists()


def test_what_cannot_be_read_is_unavailable(tmp_path: Path) -> None:
    """A verification that was to use it does not go on without it."""
    for path in (tmp_path / "nothing", tmp_path):
        with pytest.raises(Unavailable):
            kept(path)


def test_a_reader_that_stops_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard output that takes no more is a failure in time; when it is read again, no byte is missing."""
    monkeypatch.setattr(checkpoint_file, "OUTPUT_SECONDS_MAX", 0.05)
    made = rows(300)
    reading, writing = os.pipe()
    output = CheckpointOutput(writing, 0)
    received = b""
    with pytest.raises(TimeoutError):
        output.append(made)
    while output.number < 300:
        received += os.read(reading, 30_000)
        try:
            output.append(made)
        except TimeoutError:
            continue
    os.close(writing)
    while part := os.read(reading, 65_536):
        received += part
    os.close(reading)
    assert received == content(made)


def test_an_output_begins_after_what_was_there(tmp_path: Path) -> None:
    """It has no memory, so it is told where to begin."""
    made = rows(3)
    with (tmp_path / "out").open("wb") as out:
        CheckpointOutput(out.fileno(), 2).append(made)
    assert (tmp_path / "out").read_bytes() == content(made[2:])
