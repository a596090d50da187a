"""The trail where the store is not: exports and files of checkpoints, verified with the public key alone."""

import asyncio
import json
import random
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from command_line import CommandLine
from customary.bootstrap.checkpoint_file import CheckpointFile
from customary.bootstrap.house import House
from customary.config import Settings
from faults.trail_store import lines_of
from rules import ROOT

SEED = random.SystemRandom().randrange(2**32)
WITNESS = Path("witness.ndjson")
EXPORT = Path("trail.ndjson")


@pytest.fixture
def key(line: CommandLine) -> str:
    """The public key of a store with three tenants, some forty entries, and its checkpoints in a file."""
    tenants = [line.made("tenant", "create", f"Tenant {number}")["tenantId"] for number in range(3)]
    for _ in range(4):
        for number, tenant_id in enumerate(tenants):
            for _ in range(number + 2):
                line.made("merchant", "create", "Shop", "--tenant", tenant_id)
        _seal()
    line.made("merchant", "create", "Not sealed", "--tenant", tenants[0])
    with House(Settings(data=Path("customary-data"))) as house:
        WITNESS.write_bytes(b"".join(one + b"\n" for one in lines_of(house)))
    public_key: str = line.made("audit", "public-key")["publicKey"]
    return public_key


def _seal() -> None:
    with House(Settings(data=Path("customary-data"))) as house:
        asyncio.run(house.sealer.seal())


def _export(line: CommandLine, *arguments: str) -> list[bytes]:
    EXPORT.unlink(missing_ok=True)
    assert line("audit", "export", "--out", str(EXPORT), *arguments).code == 0
    return EXPORT.read_bytes().splitlines()


def test_an_export_is_verified_without_the_store(line: CommandLine, key: str) -> None:
    """It has every entry, readable, and its blocks and checkpoints; the key and older checkpoints agree."""
    lines = _export(line)
    assert EXPORT.stat().st_mode & 0o777 == 0o600
    entries = [json.loads(one)["entry"] for one in lines if one.startswith(b'{"kind":"leaf"')]
    listed = line.made("audit", "list")
    assert sorted(entry["subject"] for entry in entries) == sorted(entry["subject"] for entry in listed)
    Path("customary-data").rename("elsewhere")
    verified = ("audit", "verify", "--export", str(EXPORT))
    report = line.made(*verified, "--public-key", key, "--checkpoint", str(WITNESS))
    assert (report["intact"], report["leaves"], report["unsealed"]) == (True, len(listed), 1)
    assert report["checkpoints"] == 1 + 4
    assert "the file names" in str(line.made(*verified)["notes"])
    assert line(*verified, "--public-key", "00" * 32).code == 1
    assert line(*verified, "--public-key", "nonsense").code == 2


def _edit(lines: list[bytes], dice: random.Random) -> None:
    place = dice.choice([place for place, one in enumerate(lines) if b'"merchant.created"' in one])
    lines[place] = lines[place].replace(b"merchant.created", b"merchant.forgotten")


def _delete(lines: list[bytes], dice: random.Random) -> None:
    del lines[dice.choice([place for place, one in enumerate(lines) if b'"kind":"leaf"' in one])]


def _delete_block(lines: list[bytes], dice: random.Random) -> None:
    del lines[dice.choice([place for place, one in enumerate(lines) if b'"kind":"block"' in one])]


def _double(lines: list[bytes], dice: random.Random) -> None:
    place = dice.randrange(1, len(lines) - 1)
    lines.insert(place, lines[place])


def _nonsense(lines: list[bytes], dice: random.Random) -> None:
    lines.insert(
        dice.randrange(1, len(lines)), dice.choice([b"{}", b"nonsense", b'{"kind":"leaf"}', b"\xff"])
    )


@pytest.mark.parametrize("harm", [_edit, _delete, _delete_block, _double, _nonsense])
def test_what_was_done_to_an_export_is_found(
    line: CommandLine, key: str, harm: Callable[[list[bytes], random.Random], None]
) -> None:
    """At random places; the exit code is 1."""
    _seal()  # what is not sealed can be proved by nobody
    whole = _export(line)
    for number in range(15):
        lines = list(whole)
        harm(lines, random.Random(f"{SEED} {number}"))
        EXPORT.write_bytes(b"".join(one + b"\n" for one in lines))
        done = line("audit", "verify", "--export", str(EXPORT), "--public-key", key, "--json")
        assert (done.code, done.json["intact"]) == (1, False), (SEED, number)


def test_an_export_that_was_cut_is_found_by_a_checkpoint(line: CommandLine, key: str) -> None:
    """The export alone, without its last lines, is right in itself."""
    lines = _export(line)
    blocks = [place for place, one in enumerate(lines) if b'"kind":"block"' in one]
    EXPORT.write_bytes(b"".join(one + b"\n" for one in lines[: blocks[-1] - 5]))
    verified = ("audit", "verify", "--export", str(EXPORT), "--public-key", key)
    assert line(*verified).code == 0
    done = line(*verified, "--checkpoint", str(WITNESS), "--json")
    assert done.code == 1
    assert "gone" in done.json["flaws"][0]["what"]


def test_one_tenants_export_names_no_other(line: CommandLine, key: str) -> None:
    """Not its id nor a checkpoint; with checkpoints that were kept it is verified all the same."""
    tenants = [one["tenantId"] for one in line.made("tenant", "list")]
    content = b"\n".join(_export(line, "--tenant", tenants[1]))
    assert tenants[1].encode() in content
    assert not [one for one in tenants if one != tenants[1] and one.encode() in content]
    verified = ("audit", "verify", "--export", str(EXPORT), "--public-key", key, "--checkpoint", str(WITNESS))
    assert line.made(*verified)["intact"]
    EXPORT.write_bytes(EXPORT.read_bytes().replace(b"merchant.created", b"merchant.eaten", 1))
    assert line(*verified).code == 1


def test_a_file_of_checkpoints_is_verified_alone(line: CommandLine, key: str) -> None:
    """By the command, and by the program on the page, with nothing but the file and the key."""
    program = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "trail.md").read_text("utf-8"), re.DOTALL)
    assert program
    lines = WITNESS.read_bytes().splitlines(keepends=True)
    for content, fine in (
        (lines, True),
        (lines[2:], True),
        ([*lines[:1], *lines[2:]], False),
        ([lines[0].replace(b'"leaf":', b'"leaf":1'), *lines[1:]], False),
        (lines[::-1], False),
    ):
        WITNESS.write_bytes(b"".join(content))
        assert line("audit", "checkpoints", str(WITNESS), "--public-key", key).code == (0 if fine else 1)
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program[1], str(WITNESS), key],
            capture_output=True,
            check=False,
        )
        assert (done.returncode == 0) == fine, done.stderr
    assert line("audit", "checkpoints", str(WITNESS), "--public-key", "11" * 32).code == 1
    WITNESS.write_bytes(b"nonsense\n")
    assert line("audit", "checkpoints", str(WITNESS)).code == 2
    assert line("audit", "checkpoints", "nowhere").code == 3


def test_a_table_that_was_dropped_is_no_intact_trail(line: CommandLine, key: str) -> None:
    """A verification says so with exit code 1, not that it cannot work now."""
    with closing(sqlite3.connect("customary-data/customary.db")) as database:
        database.execute("DROP TABLE blocks")
    done = line("audit", "verify", "--checkpoint", str(WITNESS), "--json")
    assert (done.code, done.json["flawCount"]) == (1, 1)
    assert "cannot be read" in line("audit", "verify").out


def test_flaws_are_told_with_their_place(line: CommandLine, key: str) -> None:
    """Tenant, block, entry and checkpoint, for people as for programs; of very many the first thousand."""
    folder = Path("witness")
    folder.mkdir()
    with House(Settings(data=Path("customary-data"))) as house:
        store_id = house.store_id
    WITNESS.rename(CheckpointFile(folder, store_id).path)
    with closing(sqlite3.connect("customary-data/customary.db")) as database:
        database.execute("DELETE FROM leaves WHERE leaf_no = 5")
        database.execute("DELETE FROM blocks WHERE block_no = 4")
        database.commit()
    done = line("audit", "verify", "--checkpoint", str(folder))
    assert done.code == 1
    assert re.search(r"^tenant \S+, block 1, entry 5: a leaf was deleted$", done.out, re.MULTILINE)
    assert re.search(
        r"^tenant \S+, block 4, entry \d+, customary-\w+\.ndjson, line 4, checkpoint 4: ", done.out, re.M
    )


def test_entries_are_listed_by_condition(line: CommandLine, key: str) -> None:
    """By actor, action and time, newest first, a few; several tenants must be told apart."""
    tenant_id = line.made("tenant", "list")[2]["tenantId"]
    of_one = [one for one in line.made("audit", "list") if one["tenantId"] == tenant_id]
    listed = ("audit", "list", "--tenant", tenant_id)
    assert line.made(*listed) == of_one
    assert line.made(*listed, "--newest-first") == of_one[::-1]
    assert line.made(*listed, "--action", "tenant.created", "--actor", "cli") == of_one[:1]
    assert line.made(*listed, "--customer", of_one[1]["subject"]) == of_one[1:2]
    assert line.made(*listed, "--since", "2001-01-01", "--limit", "2") == of_one[:2]
    assert line.made(*listed, "--until", "2001-01-01T00:00:00Z") == []
    assert line.made(*listed, "--after", str(of_one[3]["number"])) == of_one[4:]
    assert line("audit", "list", "--newest-first").code == 2
    assert line(*listed, "--since", "yesterday").code == 2
    assert line(*listed, "--newest-first", "--after", "3").code == 2
