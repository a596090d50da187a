"""The contract of every engine: records, their versions and their unique tags."""

import pytest

from contracts.rows import (
    Store,
    announcement,
    answer,
    asking,
    external,
    leaf,
    next_version,
    page,
    record,
    replaced,
    stored,
    tag,
)
from customary.app.ports import (
    ReadAnswer,
    ReadLeaves,
    ReadRecord,
    ReadTagged,
    ReadVersion,
    SealedCustomer,
    TagKind,
    TagTaken,
    Write,
)
from customary.domain.errors import Outdated


def test_a_record_comes_back_as_it_was_stored(store: Store, tenant: str) -> None:
    """Every byte and instant of a record is read as it was written, by id and by tag."""
    first = record(tenant)
    store.perform(stored(first, unique_tags=(external("a"),)))
    assert store.ask(ReadRecord(tenant, first.customer_id)) == first
    assert store.ask(ReadTagged(tenant, external("a"))) == first


def test_a_record_without_a_guarded_part_has_none(store: Store, tenant: str) -> None:
    """Nothing guarded and an empty guarded part are not the same."""
    without, empty = record(tenant, guarded=None), record(tenant, guarded=b"")
    store.perform(stored(without), stored(empty))
    assert store.ask(ReadRecord(tenant, without.customer_id)).guarded is None
    assert store.ask(ReadRecord(tenant, empty.customer_id)).guarded == b""


def test_large_sealed_bytes_come_back_whole(store: Store, tenant: str) -> None:
    """A record may be larger than any page."""
    first = record(tenant, sealed=bytes(range(256)) * 400)
    store.perform(stored(first))
    second = next_version(first, sealed=b"small again")
    store.perform(replaced(first, second))
    assert store.ask(ReadVersion(tenant, first.customer_id, 1)) == first
    assert store.ask(ReadRecord(tenant, first.customer_id)) == second


def test_what_does_not_exist_is_none(store: Store, tenant: str) -> None:
    """An unknown id, tag or version is answered with None."""
    first = record(tenant)
    store.perform(stored(first))
    assert store.ask(ReadRecord(tenant, "c00000000000")) is None
    assert store.ask(ReadTagged(tenant, external("nobody"))) is None
    assert store.ask(ReadVersion(tenant, first.customer_id, 2)) is None
    assert store.ask(ReadVersion(tenant, "c00000000000", 1)) is None


def test_another_tenants_record_is_none(store: Store, tenant: str) -> None:
    """Id, tag and version are looked up within one tenant."""
    first = record(tenant)
    store.perform(stored(first, unique_tags=(external("a"),), tags=(tag(TagKind.EMAIL, "e"),)))
    other = store.new_tenant()
    assert store.ask(ReadRecord(other, first.customer_id)) is None
    assert store.ask(ReadTagged(other, external("a"))) is None
    assert store.ask(ReadVersion(other, first.customer_id, 1)) is None
    assert store.ask(page(other, tags=(tag(TagKind.EMAIL, "e"),))) == ([], 0)
    assert store.ask(page("no tenant at all")) == ([], 0)


def test_two_tenants_may_hold_the_same_tag_and_id(store: Store, tenant: str) -> None:
    """Uniqueness ends at the tenant."""
    other = store.new_tenant()
    mine = record(tenant, customer_id="cSameSameSame")
    theirs = record(other, customer_id="cSameSameSame")
    store.perform(stored(mine, unique_tags=(external("a"),)))
    store.perform(stored(theirs, unique_tags=(external("a"),)))
    assert store.ask(ReadTagged(tenant, external("a"))) == mine
    assert store.ask(ReadTagged(other, external("a"))) == theirs


def test_every_version_is_kept(store: Store, tenant: str) -> None:
    """The current version is read by id; each earlier one by its number, as it was."""
    versions = [record(tenant)]
    store.perform(stored(versions[0]))
    for _ in range(3):
        after = next_version(versions[-1], guarded=None if len(versions) % 2 else b"guarded")
        store.perform(replaced(versions[-1], after))
        versions.append(after)
    customer_id = versions[0].customer_id
    assert store.ask(ReadRecord(tenant, customer_id)) == versions[-1]
    assert [store.ask(ReadVersion(tenant, customer_id, n)) for n in (1, 2, 3, 4)] == versions
    assert store.ask(ReadVersion(tenant, customer_id, 5)) is None


def test_a_version_under_another_key_is_outdated(store: Store, tenant: str) -> None:
    """What was sealed under another key than the customer's is not stored, nor anything beside it."""
    first = record(tenant)
    second = next_version(first, wrapped_key=b"another key")
    store.perform(stored(first))
    with pytest.raises(Outdated):
        store.perform(
            replaced(first, second, unique_tags=(external("late"),), leaves=(leaf(tenant, "late"),))
        )
    assert store.ask(ReadRecord(tenant, first.customer_id)) == first
    assert store.ask(ReadTagged(tenant, external("late"))) is None
    assert [row.body for row in store.ask(ReadLeaves(tenant_id=tenant))] == [b"tenant"]


@pytest.mark.parametrize("replaces", [0, 1, 3, None])
def test_a_write_over_another_version_is_outdated(store: Store, tenant: str, replaces: int | None) -> None:
    """Only the stored version can be replaced; a new record cannot take the id of a stored one."""
    first = record(tenant)
    second = next_version(first)
    store.perform(stored(first), replaced(first, second))
    third = next_version(second)
    late = Write(
        tenant,
        record=third,
        replaces=replaces,
        unique_tags=(external("late"),),
        leaves=(leaf(tenant, "late"),),
    )
    with pytest.raises(Outdated):
        store.perform(late)
    assert store.ask(ReadRecord(tenant, first.customer_id)) == second
    assert store.ask(ReadTagged(tenant, external("late"))) is None
    assert all(row.body != b"late" for row in store.ask(ReadLeaves(tenant_id=tenant)))


def test_a_write_over_nothing_is_outdated(store: Store, tenant: str) -> None:
    """A record that does not exist, or is another tenant's, has no version that could be replaced."""
    first = record(tenant)
    store.perform(stored(first))
    other = store.new_tenant()
    with pytest.raises(Outdated):
        store.perform(replaced(first, next_version(first, tenant_id=other)))
    with pytest.raises(Outdated):
        store.perform(replaced(first, next_version(first, customer_id="c00000000000")))


def test_a_taken_tag_refuses_the_write_whole(store: Store, tenant: str) -> None:
    """TagTaken says which kind is taken, and nothing of the write is stored."""
    held, refused = record(tenant), record(tenant)
    store.perform(stored(held, unique_tags=(external("a"),)))
    number = tag(TagKind.ORG_ID, "n")
    whole = stored(
        refused,
        unique_tags=(number, external("a")),
        tags=(tag(TagKind.EMAIL, "e"),),
        leaves=(leaf(tenant, "refused"),),
        outbox=(announcement(tenant),),
        answer=answer(tenant, "k", refused),
    )
    with pytest.raises(TagTaken) as caught:
        store.perform(whole)
    assert caught.value.kind == TagKind.EXTERNAL_ID
    assert store.ask(ReadRecord(tenant, refused.customer_id)) is None
    assert store.ask(ReadTagged(tenant, number)) is None
    assert store.ask(ReadTagged(tenant, external("a"))) == held
    assert store.ask(page(tenant, tags=(tag(TagKind.EMAIL, "e"),)))[1] == 0
    assert store.ask(ReadAnswer(tenant, answer(tenant, "k", refused).key_tag, since=held.created_at)) is None
    assert all(row.body != b"refused" for row in store.ask(ReadLeaves(tenant_id=tenant)))


def test_an_update_to_a_taken_tag_is_refused_whole(store: Store, tenant: str) -> None:
    """An update that asks for another customer's tag keeps the customer's own tags and version."""
    held, first = record(tenant), record(tenant)
    store.perform(stored(held, unique_tags=(external("a"),)))
    store.perform(stored(first, unique_tags=(external("b"),)))
    change = replaced(
        first,
        next_version(first),
        unique_tags=(external("c"), external("a")),
        unique_tags_dropped=(external("b"),),
    )
    with pytest.raises(TagTaken):
        store.perform(change)
    assert store.ask(ReadTagged(tenant, external("b"))) == first
    assert store.ask(ReadTagged(tenant, external("c"))) is None


def test_tags_move_with_an_update(store: Store, tenant: str) -> None:
    """Dropped tags no longer find the record, and are free; added ones find it; kept ones may be repeated."""
    first = record(tenant)
    email, number = (tag(TagKind.EMAIL, "old"), tag(TagKind.ORG_ID, "n"))
    store.perform(stored(first, unique_tags=(number, external("a")), tags=(email,)))
    second = next_version(first)
    change = replaced(
        first,
        second,
        unique_tags=(number, external("b")),
        unique_tags_dropped=(external("a"),),
        tags=(tag(TagKind.EMAIL, "new"),),
        tags_dropped=(email,),
    )
    store.perform(change)
    assert store.ask(ReadTagged(tenant, external("a"))) is None
    assert store.ask(ReadTagged(tenant, external("b"))) == second
    assert store.ask(ReadTagged(tenant, number)) == second
    assert store.ask(page(tenant, tags=(email,)))[1] == 0
    assert store.ask(page(tenant, tags=(tag(TagKind.EMAIL, "new"),)))[0] == [second]
    freed = record(tenant)
    store.perform(stored(freed, unique_tags=(external("a"),)))
    assert store.ask(ReadTagged(tenant, external("a"))) == freed


def test_a_job_may_catch_a_refusal_and_go_on(store: Store, tenant: str) -> None:
    """TagTaken and Outdated are raised inside the job, which may then write something else."""
    store.perform(stored(record(tenant), unique_tags=(external("a"),)))
    other = record(tenant)
    first = record(tenant)
    store.perform(stored(first))

    def job():  # type: ignore[no-untyped-def]  # what a generator yields here has no one type
        caught = []
        try:
            yield stored(other, unique_tags=(tag(TagKind.ORG_ID, "1"), external("a")))
        except TagTaken as taken:
            caught.append(taken.kind)
        try:
            yield Write(tenant, record=next_version(first), replaces=7)
        except Outdated:
            caught.append(7)
        yield stored(other, unique_tags=(tag(TagKind.ORG_ID, "1"), external("b")))
        return caught

    assert store.run(store.engine.perform(job)) == [TagKind.EXTERNAL_ID, 7]
    assert store.ask(ReadTagged(tenant, external("b"))) == other


def test_a_job_sees_what_it_has_written(store: Store, tenant: str) -> None:
    """Within one job, a read after a write finds it."""
    first = record(tenant)

    def read_after(*written: SealedCustomer) -> object:
        return store.perform(*map(stored, written), ReadRecord(tenant, first.customer_id))

    assert read_after() is None
    assert read_after(first) == first


def test_jobs_without_a_loop_are_committed_together(store: Store, tenant: str) -> None:
    """`perform_now` stores what all jobs write, or nothing when one of them fails."""
    one, two, three = record(tenant), record(tenant), record(tenant)
    engine = store.engine
    assert engine.perform_now([asking(stored(one)), asking(ReadRecord(tenant, one.customer_id))]) == [
        None,
        one,
    ]
    with pytest.raises(Outdated):
        engine.perform_now([asking(stored(two)), asking(replaced(three, next_version(three)))])
    assert engine.read_now(asking(ReadRecord(tenant, two.customer_id))) is None
    store.perform(stored(three))
    assert engine.read_now(asking(ReadRecord(tenant, three.customer_id))) == three


def test_a_record_is_found_for_its_own_merchant(store: Store, tenant: str) -> None:
    """Asked for one merchant's, a record of another is not there; asked for any's, it is."""
    held = record(tenant, merchant_no=2)
    store.perform(stored(held))
    assert store.ask(ReadRecord(tenant, held.customer_id)) == held
    assert store.ask(ReadRecord(tenant, held.customer_id, merchant_no=2)) == held
    assert store.ask(ReadRecord(tenant, held.customer_id, merchant_no=1)) is None
