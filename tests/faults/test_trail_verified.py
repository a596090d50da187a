"""What a verification of the trail says of a store that is whole, spoilt in any way, or older than it was."""

import hashlib
import json
import random
from pathlib import Path
from uuid import UUID

import pytest

from faults.trail_store import Store, Ticking, lines_of, made, packed

SEED = random.SystemRandom().randrange(2**32)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The store that is copied and spoilt."""
    return made(tmp_path_factory.mktemp("trail") / "store", random.Random(SEED))


def test_an_untouched_store_passes_every_checkpoint(store: Store) -> None:
    """Each by itself, all together, and none: no flaw, and what is not sealed is counted."""
    finding = store.verified(*store.lines)
    assert (finding.flaws, finding.unsealed, finding.notes) == ([], 5, [])
    assert finding.checkpoints == 2 * len(store.lines)
    assert store.verified().flaws == []
    for line in store.lines:
        assert store.verified(line).flaws == []


@pytest.mark.parametrize("table", ["blocks", "leaves"])
def test_a_table_that_was_emptied_is_found(store: Store, tmp_path: Path, table: str) -> None:
    """All blocks, or all leaves: found by the store's own checkpoints, too."""
    copy = store.copied(tmp_path / "copy")
    with copy.attacked() as database:
        database.execute(f"DELETE FROM {table}")
    assert copy.verified().flaws
    assert copy.verified(store.lines[3]).flaws


def test_a_tenant_that_was_taken_out_is_found(store: Store, tmp_path: Path) -> None:
    """Its row alone, or everything that tells of it."""
    tenant_id = store.tenants[1]
    copy = store.copied(tmp_path / "copy")
    with copy.attacked() as database:
        database.execute("DELETE FROM tenants WHERE tenant_id = ?", (packed(tenant_id),))
    assert {flaw.tenant_id for flaw in copy.verified().flaws} == {tenant_id}
    with copy.attacked() as database:
        for table in ("leaves", "blocks"):
            database.execute(f"DELETE FROM {table} WHERE tenant_id = ?", (packed(tenant_id),))
    finding = copy.verified(store.lines[-1])
    assert {flaw.tenant_id for flaw in finding.flaws} == {tenant_id}
    assert {flaw.what for flaw in finding.flaws} == {"the block that was checkpointed is gone"}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE leaves SET tenant_id = x'00' WHERE leaf_no = 9",
        "UPDATE leaves SET at = 9223372036854775807 WHERE leaf_no = 9",
        "UPDATE leaves SET body = x'ff00' WHERE leaf_no = 9",
        "UPDATE leaves SET leaf_no = -9223372036854775807 WHERE leaf_no = 9",
        "UPDATE blocks SET tenant_id = substr(tenant_id, 1, 3) WHERE block_no = 2",
        "UPDATE blocks SET at = -9223372036854775808 WHERE block_no = 2",
        "UPDATE blocks SET digests = x'00' WHERE block_no = 2",
        "UPDATE blocks SET link = x'', signature = x'' WHERE block_no = 2",
        "UPDATE blocks SET leaf_no_last = -5 WHERE block_no = 2",
        "UPDATE blocks SET block_no = -block_no",
        "UPDATE blocks SET block_no = 9223372036854775807 WHERE block_no = 2",
        "UPDATE checkpoints SET line = x'00' WHERE checkpoint_no = 4",
        "UPDATE checkpoints SET line = CAST(replace(CAST(line AS TEXT), ':4,', ':5,') AS BLOB)",
        "UPDATE checkpoints SET complete = 0 WHERE checkpoint_no = 4",
        "UPDATE checkpoints SET at = at + 1 WHERE checkpoint_no = 4",
        "UPDATE checkpoints SET checkpoint_no = -4 WHERE checkpoint_no = 4",
        "DELETE FROM checkpoints WHERE checkpoint_no = 4",
        "DELETE FROM checkpoints WHERE checkpoint_no = 30",
    ],
)
def test_whatever_is_written_into_a_row_is_a_flaw_and_no_failure(
    store: Store, tmp_path: Path, statement: str
) -> None:
    """A verification goes to its end over rows that no program of ours has written."""
    copy = store.copied(tmp_path / "copy")
    with copy.attacked() as database:
        assert database.execute(statement).rowcount
    assert copy.verified().flaws


def test_unsealed_entries_are_counted_and_nothing_is_claimed_of_them(store: Store, tmp_path: Path) -> None:
    """Until it is sealed an entry can be changed unseen; a verification says how many those are."""
    copy = store.copied(tmp_path / "copy")
    with copy.attacked() as database:
        database.execute("UPDATE leaves SET body = x'7b7d' WHERE leaf_no = (SELECT max(leaf_no) FROM leaves)")
    finding = copy.verified(store.lines[-1])
    assert (finding.flaws, finding.unsealed) == ([], 5)


def test_a_sealer_that_finds_the_chains_elsewhere_does_not_go_on(store: Store, tmp_path: Path) -> None:
    """Sealing over what somebody has changed would hide where it was; the server says so instead."""
    copy = store.copied(tmp_path / "copy")
    with copy.attacked() as database:
        database.execute("DELETE FROM blocks WHERE block_no > 3")
    with copy.open() as house, pytest.raises(Exception, match="cannot answer now"):
        copy.sealed(house, Ticking())


def test_blocks_of_before_there_were_checkpoints_are_taken_up(store: Store, tmp_path: Path) -> None:
    """The first checkpoint of an older store has all heads and counts; its entries are found by customer."""
    copy = store.copied(tmp_path / "copy")
    with copy.attacked() as database:
        for table in ("checkpoints", "postings", "marks"):
            database.execute(f"DELETE FROM {table}")
        (posted,) = database.execute("SELECT count(*) FROM postings").fetchone()
        assert posted == 0
    assert copy.verified().notes
    with copy.open() as house:
        assert copy.sealed(house, Ticking()) == 5
    finding = copy.verified(*store.lines)
    assert {flaw.what for flaw in finding.flaws} == {
        "the store has another checkpoint of this number: a fork",
        "the store has no checkpoint of this number: it is older or cut",
    }
    assert copy.verified().flaws == []
    with copy.attacked() as database, store.attacked() as before:
        count = "SELECT sum(1 + coalesce(length(more), 0) / 8) FROM postings"
        sealed_since = 5 * 4
        assert database.execute(count).fetchone()[0] == before.execute(count).fetchone()[0] + sealed_since


def test_what_is_no_checkpoint_is_told_by_its_line(store: Store, tmp_path: Path) -> None:
    """Damaged, doubled, missing and foreign lines; the others are still compared."""
    lines = list(store.lines)
    spoilt = [
        *lines[:3], b"nonsense", lines[4].replace(b'"leaves":', b'"leaves":1'), *lines[5:9], lines[7],
        lines[12], b"",
    ]  # fmt: skip
    told = {
        (flaw.checkpoint.partition(", checkpoint")[0], flaw.what) for flaw in store.verified(*spoilt).flaws
    }
    assert told == {
        ("kept, line 4", "the line is no checkpoint"),
        ("kept, line 5", "the checkpoint's signature is not the trail's"),
        ("kept, line 10", "the checkpoint does not follow the one before it"),
        ("kept, line 11", "the checkpoint does not follow the one before it"),
        ("kept, line 12", "the line is no checkpoint"),
    }
    other = made(tmp_path / "other", random.Random(SEED), rounds=2)
    assert {flaw.what for flaw in store.verified(*other.lines).flaws} == {
        "the checkpoint is of another store"
    }


def test_a_second_without_deeds_leaves_no_checkpoint(store: Store, tmp_path: Path) -> None:
    """Nothing was sealed, so there is nothing to be signed."""
    copy = store.copied(tmp_path / "copy")
    with copy.open() as house:
        assert copy.sealed(house, Ticking()) == 5
        lines = lines_of(house)
        assert copy.sealed(house, Ticking()) == 0
        assert lines_of(house) == lines
    assert len(lines) == len(store.lines) + 1


def test_two_copies_of_a_store_that_both_went_on_are_a_fork(store: Store, tmp_path: Path) -> None:
    """The lines of the one are compared with the other: they disagree about the same blocks."""
    twins = [store.copied(tmp_path / name) for name in ("one", "two")]
    for seed, twin in enumerate(twins):
        with twin.open() as house:
            twin.deeds(random.Random(seed), Ticking(), 9, house)
            twin.sealed(house, Ticking())
    with twins[1].attacked() as database:
        (line,) = database.execute("SELECT line FROM checkpoints ORDER BY checkpoint_no DESC").fetchone()
    finding = twins[0].verified(*store.lines, line)
    whats = {flaw.what.partition(" (")[0] for flaw in finding.flaws}
    assert "the store has another checkpoint of this number: a fork" in whats
    assert "the block, or one before it, is not the one that was checkpointed" in whats
    assert all("line 31" in flaw.checkpoint for flaw in finding.flaws)


def test_the_checkpoints_name_what_they_are_over(store: Store) -> None:
    """A line is readable: its number, the heads in the order of tenants, the digest of the line before."""
    for number, line in enumerate(store.lines, 1):
        told = json.loads(line)
        assert told["number"] == number
        assert [pin["tenant"] for pin in told["tenants"]] == sorted(pin["tenant"] for pin in told["tenants"])
        assert all(UUID(pin["tenant"]) for pin in told["tenants"])
        before = hashlib.sha256(store.lines[number - 2]).hexdigest() if number > 1 else "00" * 32
        assert told["before"] == before
