"""What every engine does when a record is erased, and with what stays behind."""

import pytest

from contracts.rows import (
    NOON,
    Store,
    announcement,
    answer,
    external,
    later,
    leaf,
    next_version,
    page,
    record,
    replaced,
    stored,
    tag,
)
from customary.app.ports import (
    Destroy,
    Destroyed,
    DropHold,
    DropKept,
    HoldRow,
    KeptKeyRow,
    KeptRow,
    MarkScrubbed,
    OutboxRow,
    ReadAnnouncements,
    ReadAnswer,
    ReadAnswersOf,
    ReadErasable,
    ReadErased,
    ReadHold,
    ReadKept,
    ReadKeptKeys,
    ReadLeaves,
    ReadMentions,
    ReadRecord,
    ReadRules,
    ReadTagged,
    ReadTombstone,
    ReadTombstones,
    ReadUnscrubbed,
    ReadVersion,
    RewrapKeptKeys,
    SealedCustomer,
    TagKind,
    TombstoneRow,
    WriteHold,
    WriteRules,
    WriteTombstone,
)
from customary.domain.errors import Conflict, Outdated


def destroying(one: SealedCustomer, **parts: object) -> Destroy:
    """The destruction of a record about which nothing more is known, but for the parts."""
    fields: dict[str, object] = {
        "version": one.version,
        "dropped_unique_tags": None,
        "dropped_tags": None,
        "answers": (),
        "answers_since": NOON,
        "mentions": (),
        "mentions_after": 0,
    }
    return Destroy(one.tenant_id, one.customer_id, **(fields | parts))  # type: ignore[arg-type]  # as given


def stone(one: SealedCustomer, number: int = 1, kept: tuple[KeptRow, ...] = ()) -> WriteTombstone:
    """The tombstone of a record."""
    row = TombstoneRow(
        one.tenant_id,
        one.customer_id,
        one.customer_number,
        one.merchant_no,
        number,
        NOON,
        b"signed",
        b"k",
        b"r",
    )
    return WriteTombstone(row, kept, leaf(one.tenant_id, "erased"))


def keeping(one: SealedCustomer, part: str, seconds: float) -> KeptRow:
    """A part that is kept so long after noon."""
    return KeptRow(
        one.tenant_id,
        one.customer_id,
        part,
        later(seconds),
        f"key {part}".encode(),
        f"sealed {part}".encode(),
    )


@pytest.fixture
def person(store: Store, tenant: str) -> SealedCustomer:
    """The second version of a record that has everything a record can have."""
    first = record(tenant)
    mentioning = OutboxRow(tenant, NOON, b'{"id":"%b"}' % first.customer_id.encode())
    store.perform(
        stored(
            first,
            unique_tags=(external("a"),),
            tags=(tag(TagKind.EMAIL, "a@example.com"),),
            outbox=(mentioning, announcement(tenant)),
            answer=answer(tenant, "key", first),
        )
    )
    second = next_version(first)
    store.perform(replaced(first, second, outbox=(mentioning,), answer=answer(tenant, "other", second)))
    store.perform(stored(other := record(tenant), answer=answer(tenant, "a stranger's", other)))
    return second


def test_an_erasable_record_comes_with_what_hangs_on_it(store: Store, person: SealedCustomer) -> None:
    """The record, how many earlier versions, those if they are asked for, and the hold."""
    asked = ReadErasable(person.tenant_id, person.customer_id)
    found = store.ask(asked)
    assert (found.record, found.superseded_count, found.superseded, found.hold) == (person, 1, (), None)
    first = store.ask(ReadVersion(person.tenant_id, person.customer_id, 1))
    whole = store.ask(ReadErasable(person.tenant_id, person.customer_id, whole=True))
    assert (whole.superseded_count, whole.superseded) == (1, (first,))
    assert store.ask(ReadErasable(person.tenant_id, "c99999999999")) is None
    assert store.ask(ReadErasable(store.new_tenant(), person.customer_id)) is None


def test_of_a_destroyed_record_nothing_is_found(store: Store, person: SealedCustomer) -> None:
    """Neither by id, version, tag or list, nor its answers and announcements; a stranger's all stay."""
    tenant = person.tenant_id
    done = store.perform(destroying(person), stone(person))
    assert done is None
    assert store.ask(ReadRecord(tenant, person.customer_id)) is None
    assert [store.ask(ReadVersion(tenant, person.customer_id, version)) for version in (1, 2)] == [None, None]
    assert store.ask(ReadErasable(tenant, person.customer_id)) is None
    assert store.ask(ReadTagged(tenant, external("a"))) is None
    assert store.ask(page(tenant, unique_tags=(external("a"),))) == ([], 0)
    assert store.ask(page(tenant, unique_tags=(external("a"),), merchant_no=1)) == ([], 0)
    assert store.ask(page(tenant, tags=(tag(TagKind.EMAIL, "a@example.com"),))) == ([], 0)
    assert store.ask(page(tenant))[1] == 1
    for key in ("key", "other"):
        assert store.ask(ReadAnswer(tenant, answer(tenant, key, person).key_tag, NOON)) is None
    assert store.ask(ReadAnswer(tenant, answer(tenant, "a stranger's", person).key_tag, NOON)) is not None
    assert store.ask(ReadMentions(tenant, person.customer_id, 0, 100))[0] == []
    assert [row.body for row in store.ask(ReadLeaves(tenant_id=tenant))][-1] == b"erased"


def test_what_was_destroyed_is_counted(store: Store, person: SealedCustomer) -> None:
    """Two tags, two answers, two announcements: whether they are named or looked for."""
    looked_for = store.perform(destroying(person))
    assert looked_for == Destroyed(tags=2, answers=2, announcements=2)


def test_named_tags_answers_and_entries_are_destroyed_as_those_that_are_looked_for(
    store: Store, person: SealedCustomer
) -> None:
    """What a scan has found beforehand is destroyed with the record, without looking at all there is."""
    tenant = person.tenant_id
    key_tags, after = store.ask(ReadAnswersOf(tenant, person.customer_id, b"", 100))
    assert sorted(key_tags) == sorted(answer(tenant, key, person).key_tag for key in ("key", "other"))
    assert after is not None
    assert store.ask(ReadAnswersOf(tenant, person.customer_id, after, 100)) == ([], None)
    numbers, last = store.ask(ReadMentions(tenant, person.customer_id, 0, 100))
    assert len(numbers) == 2
    assert store.ask(ReadMentions(tenant, person.customer_id, last, 100)) == ([], None)
    assert store.ask(ReadMentions(store.new_tenant(), person.customer_id, 0, 100))[0] == []
    done = store.perform(
        destroying(
            person,
            dropped_unique_tags=(external("a"),),
            dropped_tags=(tag(TagKind.EMAIL, "a@example.com"),),
            answers=tuple(key_tags),
            answers_since=later(1),
            mentions=tuple(numbers),
            mentions_after=last,
        )
    )
    assert done == Destroyed(tags=2, answers=2, announcements=2)


def test_announcements_are_read_by_their_numbers(store: Store, person: SealedCustomer) -> None:
    """In the order asked for; another tenant's number, and one that is nobody's, give nothing."""
    tenant = person.tenant_id
    numbers, _ = store.ask(ReadMentions(tenant, person.customer_id, 0, 100))
    rows = store.ask(ReadAnnouncements(tenant, tuple(numbers)))
    assert len(rows) == 2
    for row in rows:
        assert row.tenant_id == tenant
        assert person.customer_id.encode() in row.body
    assert store.ask(ReadAnnouncements(tenant, (numbers[1], 10**9, numbers[0]))) == rows[::-1]
    assert store.ask(ReadAnnouncements(store.new_tenant(), tuple(numbers))) == []
    assert store.ask(ReadAnnouncements(tenant, ())) == []


def test_a_scan_may_go_a_stretch_at_a_time(store: Store, person: SealedCustomer) -> None:
    """Stretches of any length come to the same as one."""
    tenant, found, after = person.tenant_id, [], b""
    while after is not None:
        key_tags, after = store.ask(ReadAnswersOf(tenant, person.customer_id, after, 1))
        found += key_tags
    assert len(found) == 2
    mentions, last = [], 0
    while last is not None:
        numbers, last = store.ask(ReadMentions(tenant, person.customer_id, last, 1))
        mentions += numbers
    assert len(mentions) == 2


def test_another_version_is_not_destroyed(store: Store, person: SealedCustomer) -> None:
    """What has changed since it was read is Outdated, as is what is not there; nothing is touched."""
    for wrong in (person.version - 1, person.version + 1):
        with pytest.raises(Outdated):
            store.perform(destroying(person, version=wrong))
    with pytest.raises(Outdated):
        store.perform(destroying(record(person.tenant_id)))
    assert store.ask(ReadRecord(person.tenant_id, person.customer_id)) == person


def test_an_id_is_not_given_again(store: Store, person: SealedCustomer) -> None:
    """A new record of the same id is Outdated, with no trace of it; the external id is free."""
    tenant = person.tenant_id
    store.perform(destroying(person), stone(person))
    with pytest.raises(Outdated):
        store.perform(stored(record(tenant, customer_id=person.customer_id), unique_tags=(external("a"),)))
    again = record(tenant)
    store.perform(stored(again, unique_tags=(external("a"),)))
    assert store.ask(ReadTagged(tenant, external("a"))) == again


def test_the_next_record_gets_nothing_of_a_destroyed_one(store: Store, tenant: str) -> None:
    """Where the newest record is erased with a tag overlooked, the one after it is not found by that."""
    first = record(tenant)
    store.perform(stored(first, unique_tags=(external("a"),), tags=(tag(TagKind.EMAIL, "a"),)))
    store.perform(destroying(first, dropped_unique_tags=(), dropped_tags=()), stone(first))
    second = record(tenant)
    store.perform(stored(second, unique_tags=(external("b"),)))
    assert store.ask(ReadTagged(tenant, external("a"))) is None
    assert store.ask(ReadTagged(tenant, external("b"))) == second


def test_a_tombstone_is_found_by_id_and_by_number(store: Store, person: SealedCustomer) -> None:
    """It says what was erased and when, to its own tenant; and the store says which there are."""
    tenant, stranger = person.tenant_id, store.new_tenant()
    assert store.ask(ReadTombstone(tenant, person.customer_id)) is None
    store.perform(destroying(person), stone(person, 7))
    row = stone(person, 7).row
    assert store.ask(ReadTombstone(tenant, person.customer_id)) == row
    assert store.ask(ReadTombstone(tenant, number=7)) == row
    assert store.ask(ReadTombstone(tenant, number=6)) is None
    assert store.ask(ReadTombstone(stranger, person.customer_id)) is None
    assert store.ask(ReadTombstone(stranger, number=7)) is None
    assert store.ask(ReadTombstones(tenant)) == [row]
    assert store.ask(ReadTombstones(tenant, after=7)) == []
    assert store.ask(ReadErased()) == [(tenant, 7)]


def test_a_tombstone_stands_where_no_record_is(store: Store, person: SealedCustomer) -> None:
    """It can be set for an id that never was here, and not beside a record, twice, or under a used number."""
    tenant = person.tenant_id
    with pytest.raises(Outdated):
        store.perform(stone(person))
    unknown = record(tenant)
    store.perform(stone(unknown))
    for again in (stone(unknown, 2), stone(record(tenant), 1)):
        with pytest.raises(Conflict):
            store.perform(again)
    with pytest.raises(Outdated):
        store.perform(stored(unknown))


def test_what_is_to_be_scrubbed_is_known_until_it_is(store: Store, person: SealedCustomer) -> None:
    """A tombstone is unscrubbed until it is marked, and again when a kept part of it is destroyed."""
    tenant = person.tenant_id
    store.perform(destroying(person), stone(person, kept=(keeping(person, "record", 10),)))
    assert store.ask(ReadUnscrubbed()) == [(tenant, person.customer_id)]
    store.perform(MarkScrubbed(((tenant, person.customer_id),)))
    assert store.ask(ReadUnscrubbed()) == []
    assert store.ask(ReadTombstone(tenant, person.customer_id)).scrubbed
    store.perform(DropKept(((tenant, person.customer_id, "record"),), (leaf(tenant, "dropped"),)))
    assert store.ask(ReadUnscrubbed()) == [(tenant, person.customer_id)]


def test_kept_parts_are_found_until_they_are_dropped(store: Store, person: SealedCustomer) -> None:
    """By customer, and by the instant at which they end; each goes with its own key and no other."""
    tenant = person.tenant_id
    kept = (keeping(person, "record", 10), keeping(person, "versions", 20))
    store.perform(destroying(person), stone(person, kept=kept))
    assert store.ask(ReadKept(tenant, person.customer_id)) == list(kept)
    assert store.ask(ReadKept(store.new_tenant(), person.customer_id)) == []
    assert store.ask(ReadKept(due=later(9))) == []
    assert store.ask(ReadKept(due=later(10))) == [kept[0]]
    assert store.ask(ReadKept(due=later(20), limit=1)) == [kept[0]]
    store.perform(DropKept(((tenant, person.customer_id, "record"),), (leaf(tenant, "dropped"),)))
    assert store.ask(ReadKept(tenant, person.customer_id)) == [kept[1]]
    assert store.ask(ReadLeaves(tenant_id=tenant))[-1].body == b"dropped"
    other = record(tenant)
    store.perform(stone(other, 2, (keeping(other, "record", 30),)))
    assert store.ask(ReadKept(tenant, other.customer_id))[0].wrapped_key == b"key record"


def test_keys_of_kept_parts_are_wrapped_anew(store: Store, person: SealedCustomer) -> None:
    """Those that are as they were read get the new wrapping; others, and other tenants', stay as they are."""
    tenant = person.tenant_id
    store.perform(destroying(person), stone(person, kept=(keeping(person, "record", 10),)))
    rows = store.ask(ReadKeptKeys(tenant))
    assert rows == [KeptKeyRow(person.customer_id, "record", b"key record")]
    assert store.ask(ReadKeptKeys(store.new_tenant())) == []
    stale = KeptKeyRow(person.customer_id, "record", b"another")
    assert store.perform(RewrapKeptKeys(tenant, ((stale, b"never"),))) == 0
    assert store.perform(RewrapKeptKeys(tenant, ((rows[0], b"anew"),))) == 1
    assert store.ask(ReadKept(tenant, person.customer_id))[0].wrapped_key == b"anew"


def test_a_hold_is_one_and_goes_with_its_record(store: Store, person: SealedCustomer) -> None:
    """It is stored once, for a record that is there, taken away once, and destroyed with the record."""
    tenant = person.tenant_id
    hold = HoldRow(tenant, person.customer_id, NOON, "someone", b"sealed")
    told = leaf(tenant, "held")
    store.perform(WriteHold(hold, told))
    assert store.ask(ReadHold(tenant, person.customer_id)) == hold
    assert store.ask(ReadHold(store.new_tenant(), person.customer_id)) is None
    assert store.ask(ReadErasable(tenant, person.customer_id)).hold == hold
    with pytest.raises(Conflict):
        store.perform(WriteHold(hold, told))
    with pytest.raises(Outdated):
        store.perform(WriteHold(HoldRow(tenant, "c99999999999", NOON, "someone", b""), told))
    store.perform(DropHold(tenant, person.customer_id, leaf(tenant, "released")))
    assert store.ask(ReadHold(tenant, person.customer_id)) is None
    with pytest.raises(Outdated):
        store.perform(DropHold(tenant, person.customer_id, told))
    assert [row.body for row in store.ask(ReadLeaves(tenant_id=tenant))][-2:] == [b"held", b"released"]
    store.perform(WriteHold(hold, told))
    store.perform(destroying(person))
    assert store.ask(ReadHold(tenant, person.customer_id)) is None


def test_rules_are_a_tenants_own(store: Store, tenant: str) -> None:
    """They are kept as they were given, replaced as a whole, and told of."""
    other = store.new_tenant()
    assert store.ask(ReadRules(tenant)) is None
    for rules in (b"one", b"two"):
        store.perform(WriteRules(tenant, rules, leaf(tenant, rules.decode())))
        assert store.ask(ReadRules(tenant)) == rules
    assert store.ask(ReadRules(other)) is None
    assert [row.body for row in store.ask(ReadLeaves(tenant_id=tenant))][-2:] == [b"one", b"two"]


def test_a_refused_erasure_leaves_everything(store: Store, person: SealedCustomer) -> None:
    """Destroyed and then refused in the same job, the record is as it was."""
    with pytest.raises(Conflict):
        store.perform(stone(unknown := record(person.tenant_id)), destroying(person), stone(unknown, 2))
    assert store.ask(ReadRecord(person.tenant_id, person.customer_id)) == person
    assert store.ask(ReadErased()) == []
