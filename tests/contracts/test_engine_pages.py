"""The contract of every engine: pages of records, by all conditions, in both directions."""

from itertools import product

import pytest

from contracts.rows import Store, asking, external, page, record, stored, tag
from customary.app.ports import SealedCustomer, Tag, TagKind

EMAILS = [tag(TagKind.EMAIL, name) for name in "ab"]
UNITS = [tag(TagKind.ORG_ID, name) for name in "xy"]


@pytest.fixture
def records(store: Store, tenant: str) -> list[SealedCustomer]:
    """Thirty records of three merchants, with e-mail and unit in turn, among those of another tenant."""
    other = store.new_tenant()
    made = []
    for number in range(30):
        one = record(tenant, merchant_no=1 + number % 3)
        tags = (EMAILS[number % 2], UNITS[number // 2 % 2])
        store.perform(
            stored(one, unique_tags=(external(f"e{number}"),), tags=tags),
            stored(record(other), unique_tags=(external(f"e{number}"),), tags=tags),
        )
        made.append(one)
    return made


def held_by(number: int) -> set[Tag]:
    return {EMAILS[number % 2], UNITS[number // 2 % 2]}


@pytest.mark.parametrize(
    ("merchant_no", "tags", "newest_first"),
    [*product((None, 1, 3, 9), ((), (EMAILS[0],), (UNITS[1],), (EMAILS[1], UNITS[0])), (False, True))],
)
def test_a_page_holds_what_meets_all_conditions_in_order(
    store: Store,
    tenant: str,
    records: list[SealedCustomer],
    merchant_no: int | None,
    tags: tuple[Tag, ...],
    newest_first: bool,
) -> None:
    """Merchant and tags hold together, the order is that of creation or its reverse, the total counts all."""
    expected = [
        one
        for number, one in enumerate(records)
        if merchant_no in (None, one.merchant_no) and held_by(number) >= set(tags)
    ]
    if newest_first:
        expected.reverse()
    for offset, limit in ((0, 100), (0, 3), (2, 3), (4, 100), (1000, 5), (0, 0)):
        asked = page(
            tenant,
            merchant_no=merchant_no,
            tags=tags,
            newest_first=newest_first,
            offset=offset,
            limit=limit,
        )
        found = store.ask(asked)
        assert found == (expected[offset : offset + limit], len(expected))
        assert store.run(store.engine.scan(asking(asked))) == found


def test_a_unique_tag_narrows_a_page_to_one_record(
    store: Store, tenant: str, records: list[SealedCustomer]
) -> None:
    """A unique tag finds its record if that meets all other conditions, too, and nothing otherwise."""
    one = records[4]

    def found(**conditions: object) -> tuple[list[SealedCustomer], int]:
        answered: tuple[list[SealedCustomer], int] = store.ask(
            page(tenant, **({"unique_tags": (external("e4"),)} | conditions))
        )
        return answered

    assert found() == ([one], 1)
    assert found(newest_first=True) == ([one], 1)
    assert found(merchant_no=one.merchant_no, tags=(EMAILS[0], UNITS[0])) == ([one], 1)
    assert found(merchant_no=one.merchant_no + 1) == ([], 0)
    assert found(tags=(EMAILS[0], UNITS[1])) == ([], 0)
    assert found(unique_tags=(external("e4"), external("e5"))) == ([], 0)
    assert found(unique_tags=(external("e4"), external("nobody"))) == ([], 0)
    assert found(unique_tags=(external("nobody"), external("e4"))) == ([], 0)
    assert found(offset=1) == ([], 1)
    assert found(limit=0) == ([], 1)


@pytest.mark.parametrize("conditions", [{}, {"tags": (EMAILS[0],)}, {"unique_tags": (external("e4"),)}])
def test_what_nobody_counts_is_minus_one(
    store: Store,
    tenant: str,
    records: list[SealedCustomer],
    conditions: dict[str, tuple[Tag, ...]],
) -> None:
    """Without ``counted`` the total is -1, whatever was asked for."""
    listed, total = store.ask(page(tenant, counted=False, limit=1, **conditions))
    assert (len(listed), total) == (1, -1)
