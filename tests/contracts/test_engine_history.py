"""The contract of every engine: the past of one record, and pages that go on after a record."""

from datetime import timedelta
from itertools import pairwise

import pytest

from contracts.rows import (
    NOON,
    Store,
    asking,
    external,
    later,
    next_version,
    page,
    record,
    replaced,
    stored,
    tag,
)
from customary.app.ports import ReadVersionAt, ReadVersions, SealedCustomer, TagKind
from customary.domain.errors import NotFound

VERSIONS = 7
MICROSECOND = timedelta(microseconds=1)


@pytest.fixture
def versions(store: Store, tenant: str) -> list[SealedCustomer]:
    """All versions of one record, a second apart, among those of another record and another tenant."""
    made = [record(tenant)]
    for _ in range(1, VERSIONS):
        made.append(next_version(made[-1]))
    strangers = [record(tenant), record(store.new_tenant(), customer_id=made[0].customer_id)]
    store.perform(stored(made[0]), *map(stored, strangers))
    for before, after in pairwise(made):
        store.perform(replaced(before, after))
    for stranger in strangers:
        store.perform(replaced(stranger, next_version(stranger, updated_at=later(2.5))))
    return made


def test_the_version_at_an_instant_is_the_last_that_was_made_by_then(
    store: Store, tenant: str, versions: list[SealedCustomer]
) -> None:
    """From its own instant on, to the microsecond, a version is the one that was known."""
    one = versions[0].customer_id
    for number, expected in enumerate(versions):
        for after in (timedelta(), MICROSECOND, timedelta(seconds=1) - MICROSECOND):
            assert store.ask(ReadVersionAt(tenant, one, later(number) + after)) == expected
    assert store.ask(ReadVersionAt(tenant, one, later(10**9))) == versions[-1]


def test_before_its_first_version_a_record_was_not_there(
    store: Store, tenant: str, versions: list[SealedCustomer]
) -> None:
    """An instant before the record was made is answered like an unknown id."""
    one = versions[0].customer_id
    for at in (NOON - MICROSECOND, NOON - timedelta(days=365_000)):
        assert store.ask(ReadVersionAt(tenant, one, at)) is None
    assert store.ask(ReadVersionAt(tenant, "c00000000000", later(5))) is None
    assert store.ask(ReadVersionAt(store.new_tenant(), one, later(5))) is None
    assert store.ask(ReadVersionAt("no tenant at all", one, later(5))) is None


def test_versions_come_newest_first_with_the_current_one(
    store: Store, tenant: str, versions: list[SealedCustomer]
) -> None:
    """Below a version are those before it; the limit counts the current one too."""
    one, newest_first = versions[0].customer_id, versions[::-1]
    assert store.ask(ReadVersions(tenant, one, None, 100)) == newest_first
    for limit in range(VERSIONS + 2):
        assert store.ask(ReadVersions(tenant, one, None, limit)) == newest_first[:limit]
        for below in range(VERSIONS + 3):
            expected = [version for version in newest_first if version.version < below][:limit]
            assert store.ask(ReadVersions(tenant, one, below, limit)) == expected


def test_an_unknown_record_has_no_versions(store: Store, tenant: str, versions: list[SealedCustomer]) -> None:
    """Another tenant's record is as unknown as one that never was."""
    one = versions[0].customer_id
    assert store.ask(ReadVersions(tenant, "c00000000000", None, 5)) == []
    assert store.ask(ReadVersions(store.new_tenant(), one, None, 5)) == []
    assert store.ask(ReadVersions("no tenant at all", one, None, 5)) == []


def test_a_job_that_writes_reads_the_past_too(
    store: Store, tenant: str, versions: list[SealedCustomer]
) -> None:
    """What a job has just written is the current version to it, and what it replaced is the past."""
    last, after = versions[-1], next_version(versions[-1])
    one = last.customer_id
    assert store.perform(replaced(last, after), ReadVersions(tenant, one, None, 2)) == [after, last]
    again = next_version(after)
    assert store.perform(replaced(after, again), ReadVersionAt(tenant, one, after.updated_at)) == after


# ── pages that go on after a record ──


@pytest.fixture
def records(store: Store, tenant: str) -> list[SealedCustomer]:
    """Twelve records of two merchants; every third has a tag."""
    made = [record(tenant, merchant_no=1 + number % 2) for number in range(12)]
    for number, one in enumerate(made):
        tags = (tag(TagKind.EMAIL, "a"),) if number % 3 == 0 else ()
        store.perform(stored(one, unique_tags=(external(f"e{number}"),), tags=tags))
    return made


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("merchant_no", [None, 1, 2])
@pytest.mark.parametrize("tags", [(), (tag(TagKind.EMAIL, "a"),)])
def test_pages_one_after_the_other_are_the_whole_list(
    store: Store,
    tenant: str,
    records: list[SealedCustomer],
    newest_first: bool,
    merchant_no: int | None,
    tags: tuple[object, ...],
) -> None:
    """Each page begins behind the last record of the one before, and none is missing or comes twice."""
    how = {"newest_first": newest_first, "merchant_no": merchant_no, "tags": tags}
    whole, total = store.ask(page(tenant, **how))
    found: list[SealedCustomer] = []
    while True:
        after = found[-1].customer_id if found else None
        some, counted = store.ask(page(tenant, **how, limit=2, after=after))
        assert counted == total
        if not some:
            break
        found += some
    assert found == whole
    assert found


def test_a_page_begins_behind_a_record_that_does_not_hold_the_tags(
    store: Store, tenant: str, records: list[SealedCustomer]
) -> None:
    """The record that a page comes after is a place in the order, and nothing more."""
    tags = (tag(TagKind.EMAIL, "a"),)
    found, _ = store.ask(page(tenant, tags=tags, after=records[4].customer_id))
    assert found == [records[6], records[9]]
    found, _ = store.ask(page(tenant, unique_tags=(external("e7"),), after=records[4].customer_id))
    assert found == [records[7]]
    found, _ = store.ask(page(tenant, unique_tags=(external("e3"),), after=records[4].customer_id))
    assert found == []


def test_nothing_comes_after_an_unknown_record(
    store: Store, tenant: str, records: list[SealedCustomer]
) -> None:
    """Neither after one that never was, nor after another tenant's or merchant's; the job may go on."""
    foreign = record(store.new_tenant())
    store.perform(stored(foreign))
    for after, merchant_no in (
        ("c00000000000", None),
        (foreign.customer_id, None),
        (records[1].customer_id, 1),
    ):
        asked = page(tenant, after=after, merchant_no=merchant_no)
        with pytest.raises(NotFound):
            store.ask(asked)
    assert store.run(store.engine.scan(asking(page(tenant))))[1] == 12


def test_one_of_several_unique_tags_is_enough(
    store: Store, tenant: str, records: list[SealedCustomer]
) -> None:
    """Who holds one of them is found once, in order, and all other conditions hold too."""
    several = tuple(external(f"e{number}") for number in (9, 3, 4, 3, 99))
    assert store.ask(page(tenant, unique_tags_any=several)) == ([records[3], records[4], records[9]], 3)
    assert store.ask(page(tenant, unique_tags_any=several, merchant_no=1))[0] == [records[4]]
    with_tag = page(tenant, unique_tags_any=several, tags=(tag(TagKind.EMAIL, "a"),), newest_first=True)
    assert store.ask(with_tag)[0] == [records[9], records[3]]
    both = page(tenant, unique_tags_any=several, unique_tags=(external("e4"),))
    assert store.ask(both) == ([records[4]], 1)
    assert store.ask(page(tenant, unique_tags_any=(external("e99"),))) == ([], 0)
