"""The contract of every engine: the trail's leaves and blocks, and the answers to idempotent requests."""

import pytest
from msgspec import structs

from contracts.rows import (
    NOON,
    Store,
    announcement,
    answer,
    asking,
    later,
    leaf,
    next_version,
    record,
    replaced,
    stored,
)
from customary.app.ports import (
    BlockRow,
    CheckpointRow,
    Posting,
    ReadAnswer,
    ReadBlocks,
    ReadCheckpoints,
    ReadLeaves,
    ReadPosted,
    ReadTail,
    ReadUnsealed,
    Sweep,
    Write,
    WriteBlocks,
)
from customary.domain.errors import Conflict


def test_leaves_are_numbered_in_the_order_of_commits(store: Store, tenant: str) -> None:
    """Numbers grow over all tenants; a reader that goes on after the last one misses none."""
    other = store.new_tenant()
    start = store.ask(ReadLeaves())[-1].leaf_no
    for number in range(6):
        owner = (tenant, other)[number % 2]
        store.perform(Write(owner, leaves=(leaf(owner, f"{number}a"), leaf(owner, f"{number}b"))))
    rows = store.ask(ReadLeaves(after=start))
    assert [row.body.decode() for row in rows] == [f"{n}{letter}" for n in range(6) for letter in "ab"]
    assert [row.leaf_no for row in rows] == sorted({row.leaf_no for row in rows})
    assert rows[0].at == NOON
    assert {row.tenant_id for row in rows} == {tenant, other}
    mine = store.ask(ReadLeaves(after=start, tenant_id=tenant))
    assert mine == [row for row in rows if row.tenant_id == tenant]
    assert store.ask(ReadLeaves(after=mine[1].leaf_no, limit=2, tenant_id=tenant)) == mine[2:4]
    assert store.ask(ReadLeaves(after=start, limit=3)) == rows[:3]
    assert store.ask(ReadLeaves(after=rows[-1].leaf_no)) == []


def test_a_leaf_needs_no_record(store: Store, tenant: str) -> None:
    """What was only shown, or changed nothing, leaves its leaf and announcement."""
    store.perform(Write(tenant, leaves=(leaf(tenant, "shown"),), outbox=(announcement(tenant),)))
    assert store.ask(ReadLeaves(tenant_id=tenant))[-1].body == b"shown"


def block(tenant_id: str, number: int) -> BlockRow:
    """A block of ten leaves."""
    return BlockRow(
        tenant_id, number, number * 10, number * 10 + 9, later(number), b"\0d", b"link", b"signed"
    )


def test_blocks_come_back_in_order(store: Store, tenant: str) -> None:
    """One tenant's blocks after a number, or the last one of each tenant, without its digests."""
    other, _without = store.new_tenant(), store.new_tenant()
    mine = [block(tenant, number) for number in range(1, 6)]
    store.perform(WriteBlocks((*mine[:2], block(other, 1))))
    store.perform(WriteBlocks(tuple(mine[2:])))
    assert store.ask(ReadBlocks(tenant)) == mine
    assert store.ask(ReadBlocks(tenant, after=2, limit=2)) == mine[2:4]
    last = store.ask(ReadBlocks())
    heads = [structs.replace(head, digests=b"") for head in (block(other, 1), mine[-1])]
    assert sorted(last, key=lambda row: row.block_no) == heads


def test_a_second_sealer_is_refused(store: Store, tenant: str) -> None:
    """A block of a number that exists is a conflict, and none of the blocks given with it is stored."""
    store.perform(WriteBlocks((block(tenant, 1),)))
    with pytest.raises(Conflict):
        store.perform(WriteBlocks((block(tenant, 2), block(tenant, 1))))
    assert store.ask(ReadBlocks(tenant)) == [block(tenant, 1)]


def test_the_sealer_is_given_every_leaf_once(store: Store, tenant: str) -> None:
    """What is unsealed comes in each tenant's order, a bounded number at a time, until all is in blocks."""
    owners = (tenant, store.new_tenant())
    sealed: dict[str, list[bytes]] = {owner: [] for owner in owners}

    def seals(limit: int) -> int:
        blocks: dict[str, BlockRow] = {}
        rows = store.ask(ReadUnsealed(limit))
        for row in rows:
            first = blocks.get(row.tenant_id)
            number = len(store.ask(ReadBlocks(row.tenant_id))) + 1
            leaf_no_first = row.leaf_no if first is None else first.leaf_no_first
            blocks[row.tenant_id] = structs.replace(
                block(row.tenant_id, number), leaf_no_first=leaf_no_first, leaf_no_last=row.leaf_no
            )
            sealed[row.tenant_id].append(row.body)
        store.perform(WriteBlocks(tuple(blocks.values())))
        return len(rows)

    for number in range(5):
        for owner in owners:
            store.perform(Write(owner, leaves=(leaf(owner, f"{number}a"), leaf(owner, f"{number}b"))))
    assert seals(3) == 3
    store.perform(Write(tenant, leaves=(leaf(tenant, "new"),)))
    while seals(4):
        pass
    both = [b"tenant", *(f"{number}{letter}".encode() for number in range(5) for letter in "ab")]
    assert sealed == {owners[0]: [*both, b"new"], owners[1]: both}


def checkpoint(number: int, *, complete: bool = True) -> CheckpointRow:
    """A checkpoint over whatever there is."""
    return CheckpointRow(number, later(number), complete, b"line %d" % number)


def test_checkpoints_come_back_in_order(store: Store) -> None:
    """After a number, or the last ones; all of them, or the complete ones; each as it was written."""
    rows = [checkpoint(number, complete=number % 3 == 1) for number in (1, 2, 3, 4, 5, 9)]
    for row in rows:
        store.perform(WriteBlocks((), row))
    complete = [row for row in rows if row.complete]
    assert store.ask(ReadCheckpoints()) == rows
    assert store.ask(ReadCheckpoints(after=2, limit=2)) == rows[2:4]
    assert store.ask(ReadCheckpoints(newest_first=True, limit=2)) == [rows[-1], rows[-2]]
    assert store.ask(ReadCheckpoints(complete=True)) == complete
    assert store.ask(ReadCheckpoints(after=1, complete=True)) == complete[1:]
    assert store.ask(ReadCheckpoints(newest_first=True, limit=1, complete=True)) == complete[-1:]


def test_blocks_are_written_with_their_checkpoint_or_not_at_all(store: Store, tenant: str) -> None:
    """If the block or the checkpoint is there already, neither is written, nor a posting."""
    last = store.ask(ReadLeaves(tenant_id=tenant))[-1].leaf_no
    posting = Posting(tenant, 7, (last,))
    store.perform(WriteBlocks((block(tenant, 1),), checkpoint(1)))
    for refused in (
        WriteBlocks((block(tenant, 2),), checkpoint(1), (posting,)),
        WriteBlocks((block(tenant, 1),), checkpoint(2), (posting,)),
    ):
        with pytest.raises(Conflict):
            store.perform(refused)
    assert store.ask(ReadBlocks(tenant)) == [block(tenant, 1)]
    assert store.ask(ReadCheckpoints()) == [checkpoint(1)]
    assert store.ask(ReadPosted(tenant, 7, 0, newest_first=False, limit=9)) == []


def test_leaves_are_found_under_a_key(store: Store, tenant: str) -> None:
    """Those of one tenant, in both orders, beyond a number, as many as asked for; no other tenant's."""
    other = store.new_tenant()
    for number in range(12):
        owner = (tenant, other)[number % 2]
        store.perform(Write(owner, leaves=(leaf(owner, str(number)), leaf(owner, f"{number}b"))))
    mine, others = (store.ask(ReadLeaves(tenant_id=owner)) for owner in (tenant, other))
    numbers = tuple(row.leaf_no for row in mine)
    key = -(1 << 63)
    for part in (numbers[:5], numbers[5:6], numbers[6:], numbers[:5]):
        store.perform(WriteBlocks((), postings=(Posting(tenant, key, part), Posting(tenant, 7, part[:1]))))
    store.perform(WriteBlocks((), postings=(Posting(other, key, (others[0].leaf_no,)),)))

    def found(beyond: int, limit: int, *, newest_first: bool = False) -> list[int]:
        asked = ReadPosted(tenant, key, beyond, newest_first=newest_first, limit=limit)
        return [row.leaf_no for row in store.ask(asked)]

    assert store.ask(ReadPosted(tenant, key, 0, newest_first=False, limit=99)) == mine
    for place, number in enumerate(numbers):
        assert found(number, 99) == list(numbers[place + 1 :])
        assert found(number, 3) == list(numbers[place + 1 : place + 4])
        assert found(number, 99, newest_first=True) == list(reversed(numbers[:place]))
        assert found(number, 2, newest_first=True) == list(reversed(numbers[:place]))[:2]
    assert found((1 << 63) - 1, 1, newest_first=True) == [numbers[-1]]
    assert [row.leaf_no for row in store.ask(ReadPosted(tenant, 7, 0, newest_first=False, limit=9))] == [
        numbers[0], numbers[5], numbers[6],
    ]  # fmt: skip
    assert store.ask(ReadPosted(tenant, 8, 0, newest_first=False, limit=9)) == []


def test_a_tail_is_what_no_block_holds(store: Store, tenant: str) -> None:
    """One tenant's leaves after the last sealed one, in both orders, beyond a number."""
    store.new_tenant()
    store.perform(Write(tenant, leaves=tuple(leaf(tenant, str(number)) for number in range(9))))
    everything = store.ask(ReadLeaves(tenant_id=tenant))
    assert store.ask(ReadTail(tenant, 0, newest_first=False, limit=99)) == everything
    last = store.ask(ReadUnsealed(99))[3].leaf_no
    sealed = structs.replace(block(tenant, 1), leaf_no_last=last)
    store.perform(WriteBlocks((sealed,), checkpoint(1)))
    tail = [row for row in everything if row.leaf_no > last]
    assert [row for row in store.ask(ReadUnsealed(99)) if row.tenant_id == tenant] == tail
    assert store.ask(ReadTail(tenant, 0, newest_first=False, limit=99)) == tail
    assert store.ask(ReadTail(tenant, tail[1].leaf_no, newest_first=False, limit=2)) == tail[2:4]
    assert store.ask(ReadTail(tenant, (1 << 63) - 1, newest_first=True, limit=3)) == tail[:-4:-1]
    assert store.ask(ReadTail(tenant, tail[1].leaf_no, newest_first=True, limit=3)) == tail[:1]
    assert store.ask(ReadTail(store.new_tenant(), 0, newest_first=True, limit=3)) == []


def test_an_answer_is_found_while_it_is_young(store: Store, tenant: str) -> None:
    """The answer under a key is found by its own tenant, until it is older than asked for."""
    first = record(tenant)
    kept = answer(tenant, "k", first)
    store.perform(stored(first, answer=kept))
    assert store.ask(ReadAnswer(tenant, kept.key_tag, since=NOON)) == kept
    assert store.ask(ReadAnswer(tenant, kept.key_tag, since=later(-1))) == kept
    assert store.ask(ReadAnswer(tenant, kept.key_tag, since=later(0.000001))) is None
    assert store.ask(ReadAnswer(tenant, b"another key's tag", since=NOON)) is None
    assert store.ask(ReadAnswer(store.new_tenant(), kept.key_tag, since=NOON)) is None


def test_an_answer_that_is_too_old_is_replaced(store: Store, tenant: str) -> None:
    """A key may be used again after its answer has expired."""
    first = record(tenant)
    second = next_version(first)
    fresh = answer(tenant, "k", second, later(100))
    store.perform(stored(first, answer=answer(tenant, "k", first)))
    store.perform(replaced(first, second, answer=fresh))
    assert store.ask(ReadAnswer(tenant, fresh.key_tag, since=NOON)) == fresh


def test_a_sweep_deletes_old_answers_alone(store: Store, tenant: str) -> None:
    """Swept again and again until nothing goes, all answers before the instant are gone and no other."""
    records = [record(tenant) for _ in range(2500)]
    answers = [answer(tenant, str(n), one, later(n)) for n, one in enumerate(records)]
    for start in range(0, 2500, 500):
        jobs = [asking(Write(tenant, answer=one)) for one in answers[start : start + 500]]
        store.engine.perform_now(jobs)
    while store.perform(Sweep(answers_before=later(2400))):
        pass
    for number, kept in ((0, False), (1234, False), (2399, False), (2400, True), (2499, True)):
        found = store.ask(ReadAnswer(tenant, answers[number].key_tag, since=NOON))
        assert found == (answers[number] if kept else None)
