"""The file of the erasure ledger: torn lines, a full disk, two processes, and keys that turn meanwhile."""

import errno
import json
import os
import threading
from pathlib import Path

import pytest

from command_line import CommandLine
from customary.domain.errors import Unavailable
from customary.storage.ledger import NAME, LedgerFile, copied


def _append(lines: LedgerFile, *texts: bytes) -> None:
    with lines:
        lines.fresh()
        for text in texts:
            lines.append(text)


def test_a_line_that_was_torn_is_not_read_and_gives_way(tmp_path: Path) -> None:
    """What a kill has left behind the last newline nobody was told of; the next line takes its place."""
    _append(LedgerFile(tmp_path), b"one")
    with (tmp_path / NAME).open("ab") as file:
        file.write(b"half a li")
    lines = LedgerFile(tmp_path)
    assert lines.fresh() == [b"one"]
    _append(lines, b"two")
    assert (tmp_path / NAME).read_bytes() == b"one\ntwo\n"
    assert oct((tmp_path / NAME).stat().st_mode)[-3:] == "600"


def test_two_processes_see_each_others_lines(tmp_path: Path) -> None:
    """Who appends has read what the other appended; no line is lost or cut by writing at once."""
    one, other = LedgerFile(tmp_path), LedgerFile(tmp_path)
    _append(one, b"a")
    with other:
        assert other.fresh() == [b"a"]
        other.append(b"b")
    assert one.fresh() == [b"b"]

    def many(lines: LedgerFile, letter: str) -> None:
        for number in range(50):
            _append(lines, f"{letter}{number}".encode())

    threads = [
        threading.Thread(target=many, args=(lines, name)) for lines, name in ((one, "x"), (other, "y"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = LedgerFile(tmp_path).fresh()
    assert len(found) == 102
    assert len(set(found)) == 102


def test_who_has_not_read_what_is_there_cannot_write_over_it(tmp_path: Path) -> None:
    """A line is only appended behind all that was read."""
    lines = LedgerFile(tmp_path)
    _append(LedgerFile(tmp_path), b"unread")
    with lines, pytest.raises(Unavailable, match="not read"):
        lines.append(b"over it")
    assert (tmp_path / NAME).read_bytes() == b"unread\n"


def test_a_full_disk_leaves_no_half_line_and_stops_the_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could not be written is taken back, and nothing is appended until the file is opened anew."""
    lines = LedgerFile(tmp_path)
    _append(lines, b"one")
    real = os.pwrite

    def full(descriptor: int, content: bytes, at: int) -> int:
        if len(content) > 4:
            return real(descriptor, content[:4], at)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with lines, pytest.raises(Unavailable, match="No space"):
        lines.append(b"a longer line")
    monkeypatch.undo()
    assert (tmp_path / NAME).read_bytes() == b"one\n"
    with lines, pytest.raises(Unavailable):
        lines.append(b"two")
    again = LedgerFile(tmp_path)
    _append(again, b"two")
    assert (tmp_path / NAME).read_bytes() == b"one\ntwo\n"


def test_a_copy_is_brought_to_where_the_further_one_is(tmp_path: Path) -> None:
    """Whichever is behind gets the rest; a ledger that became shorter while it is open is refused."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    copy = tmp_path / "b" / "copy"
    _append(LedgerFile(tmp_path / "a", copy), b"one", b"two")
    assert copy.read_bytes() == b"one\ntwo\n"
    (tmp_path / "a" / NAME).write_bytes(b"one\n")
    lines = LedgerFile(tmp_path / "a", copy)
    assert lines.fresh() == [b"one", b"two"]
    copy.write_bytes(b"one\n")
    assert LedgerFile(tmp_path / "a", copy).fresh() == [b"one", b"two"]
    assert copy.read_bytes() == b"one\ntwo\n"
    (tmp_path / "a" / NAME).write_bytes(b"one\n")
    with pytest.raises(Unavailable, match="shorter"):
        lines.fresh()
    (tmp_path / "a" / NAME).unlink()
    with pytest.raises(Unavailable, match="gone"):
        lines.fresh()
    assert copied(copy, tmp_path / "a")
    assert not copied(tmp_path / "nowhere", tmp_path / "a")
    copy.write_bytes(b"two\n")
    with pytest.raises(Unavailable, match="contradict"):
        copied(copy, tmp_path / "a")


# ── When keys turn ──────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """A command line in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CUSTOMARY_DATA", raising=False)
    return CommandLine(tmp_path, capsys)


def test_what_is_kept_and_what_was_signed_outlast_keys_that_turn(line: CommandLine) -> None:
    """After a tenant's keys and its index have turned, a kept part opens and a certificate is valid."""
    tenant = line.made("tenant", "create", "Acme")["tenantId"]
    line.made("merchant", "create", "Shop", "--tenant", tenant)
    line.made(
        "retention", "set", "kyc", "--covers", "record", "--period", "P5Y", "--basis", "Policy",
        "--from", "erasure_requested",
    )  # fmt: skip
    for name in ("Ann", "Bob"):
        (line.folder / "people").write_text(json.dumps({"fullName": name, "externalId": name}))
        line.made("customers", "import", "people")
    ids = {one["externalId"]: one["id"] for one in line.made("customers", "list")}
    (line.folder / "proof.json").write_text(line("erasure", "execute", ids["Ann"], "--json").out)
    before = line.made("erasure", "show", ids["Ann"], "--kept")
    for turning in (("tenant",), ("index",)):
        done = line("keys", "rotate", *turning, "--tenant", tenant)
        assert done.code == 0, done.err
    done = line("keys", "reseal", "--tenant", tenant)
    assert done.code == 0, done.err
    assert line.made("erasure", "show", ids["Ann"], "--kept") == before
    assert before["record"][0]["particulars"]["full_name"] == "Ann"
    assert line.made("erasure", "verify", "proof.json")["valid"] is True
    shown = line.made("erasure", "show", ids["Ann"])
    (line.folder / "shown.json").write_text(json.dumps({"customerId": ids["Ann"], **shown}))
    assert line.made("erasure", "verify", "shown.json")["valid"] is True, "as the native API hands it out"
    shown["certificate"]["erasedAt"] = "2020-01-01T00:00:00.000Z"
    (line.folder / "shown.json").write_text(json.dumps(shown))
    assert line("erasure", "verify", "shown.json").code == 1
    line.made("erasure", "execute", ids["Bob"])
    assert [one["scrubbed"] for one in line.made("erasure", "list")] == [True, True]
    for arguments in (
        ("customers", "show"), ("customers", "history"), ("erasure", "plan"), ("erasure", "release"),
    ):  # fmt: skip
        gone = line(*arguments, ids["Bob"], "--json")
        assert (gone.code, gone.json["error"]["kind"]) == (1, "gone"), arguments
        assert "erasure 2" in gone.json["error"]["message"]
        assert "erasure show 2" in gone.json["error"]["next"]
