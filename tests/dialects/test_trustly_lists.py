"""Lists, ids and times: T15, T17, T20."""

import time
from collections.abc import Callable
from itertools import pairwise

import pytest

from merchant import CUSTOMERS, Json, Merchant, fresh_external_id, person, refused, shop, without
from serving import Tenancy


@pytest.fixture(scope="module")
def crowd(tenant: Callable[..., Tenancy]) -> tuple[Merchant, list[Json]]:
    """A merchant of its own with 120 customers, newest first."""
    program = shop(tenant())
    with program.server.connect() as connection:
        staying = Merchant(program.server, authorization=program.authorization, connection=connection)
        made = [staying.create(externalId=f"n{number}") for number in range(120)]
    return program, made[::-1]


# ── T15 ──


@pytest.mark.statement("T15")
def test_times_are_milliseconds_and_equal_at_creation(merchant: Merchant) -> None:
    """Of the machine's clock, although the vendor's pages say UNIX timestamp."""
    before = int(time.time() * 1000)
    created = merchant.create()
    after = int(time.time() * 1000)
    assert created["createdAt"] == created["updatedAt"]
    assert type(created["createdAt"]) is int
    assert before <= created["createdAt"] <= after


@pytest.mark.statement("T15")
def test_updated_at_moves_with_every_effective_write(merchant: Merchant) -> None:
    """Also when two writes come within one millisecond; createdAt never moves."""
    created = merchant.create()
    last = created["updatedAt"]
    with merchant.server.connect() as connection:
        program = Merchant(merchant.server, authorization=merchant.authorization, connection=connection)
        for number in range(200):
            updated = program.update(created["customerId"], vip=str(number))
            assert updated["updatedAt"] > last
            assert updated["createdAt"] == created["createdAt"]
            last = updated["updatedAt"]
    assert merchant.fetch(created["customerId"])["updatedAt"] == last


@pytest.mark.statement("T15", "T22")
def test_a_write_that_changes_nothing_does_not_move_it(merchant: Merchant) -> None:
    """An echo of what was read, an empty body, unknown members, removal of what is not there."""
    created = merchant.create(taxId="123456790", externalId=fresh_external_id(), customData={"a": [1]})
    path = f"{CUSTOMERS}/{created['customerId']}"
    echoes: list[Json] = [
        created,
        {},
        {"unknown": 1},
        {"vip": None},
        {"customData": {"b": None}},
        {"address": {}},
    ]
    for body in echoes:
        assert merchant.saved(body, path) == created
    assert merchant.saved(created) == created


@pytest.mark.statement("T15")
def test_a_refused_write_moves_nothing(merchant: Merchant) -> None:
    """Neither the time nor anything else."""
    created = merchant.create()
    refused(merchant.post({"name": "", "vip": "2"}, f"{CUSTOMERS}/{created['customerId']}"), "customer.name")
    assert merchant.fetch(created["customerId"]) == created


# ── T17 ──


@pytest.mark.statement("T17")
def test_customer_ids_are_random_decimals(crowd: tuple[Merchant, list[Json]]) -> None:
    """10 to 15 ASCII digits, all different, without a leading zero, in no order and spread out."""
    _, customers = crowd
    ids = [customer["customerId"] for customer in customers]
    assert len(set(ids)) == len(ids)
    for customer_id in ids:
        assert customer_id.isascii()
        assert customer_id.isdecimal()
        assert 10 <= len(customer_id) <= 15
        assert customer_id[0] != "0"
    numbers = [int(customer_id) for customer_id in ids]
    rises = sum(one < other for one, other in pairwise(numbers))
    assert 30 < rises < 90, "a counter only rises; of 119 steps about half should"
    assert min(abs(a - b) for a, b in pairwise(numbers)) > 1000


@pytest.mark.statement("T17", "T19")
def test_customer_ids_are_unique_across_merchants(
    crowd: tuple[Merchant, list[Json]], merchant: Merchant, tenancy: Tenancy
) -> None:
    """No id is issued twice, whoever asks."""
    _, customers = crowd
    sister = Merchant(tenancy.server, tenancy.create_key(merchant_id=tenancy.create_merchant()))
    made = [program.create()["customerId"] for program in (merchant, sister) for _ in range(50)]
    assert len({*made, *(customer["customerId"] for customer in customers)}) == len(made) + len(customers)


@pytest.mark.statement("T17", "T23")
@pytest.mark.parametrize(
    "change",
    [
        lambda number: "0" + number,
        lambda number: number + "0",
        lambda number: number[:-1],
        lambda number: "%20" + number,
        lambda number: number + "%0A",
        lambda number: "+" + number,
        lambda number: "".join(f"%EF%BC%9{digit}" for digit in number),  # full-width digits
        lambda number: number + "%00",
        lambda number: number + ";",
    ],
)
def test_an_id_is_found_by_its_own_spelling_only(merchant: Merchant, change: Callable[[str], str]) -> None:
    """What is nearly the id is an unknown one."""
    customer = merchant.create()
    path = f"{CUSTOMERS}/{change(customer['customerId'])}"
    refused(merchant.get(path), "", status=404)
    refused(merchant.post({"vip": "1"}, path), "", status=404)
    assert merchant.fetch(customer["customerId"]) == customer


# ── T20 ──


@pytest.mark.statement("T20")
def test_a_list_without_filter_is_newest_first(crowd: tuple[Merchant, list[Json]]) -> None:
    """25 of them unless asked for another number."""
    program, customers = crowd
    assert program.list() == customers[:25]


@pytest.mark.statement("T20")
@pytest.mark.parametrize(
    ("query", "first", "end"),
    [
        ("count=1", 0, 1),
        ("count=100", 0, 100),
        ("startIndex=0", 0, 25),
        ("startIndex=1&count=2", 1, 3),
        ("count=50&startIndex=100", 100, 120),
        ("startIndex=119", 119, 120),
        ("startIndex=120", 120, 120),
        ("startIndex=999999999", 120, 120),
        ("count=3&unknown=x&unknown=y&COUNT=9", 0, 3),
        ("", 0, 25),
        ("&&count=3&", 0, 3),
    ],
)
def test_count_and_start_index(crowd: tuple[Merchant, list[Json]], query: str, first: int, end: int) -> None:
    """A page past the end is an empty list; unknown parameters are ignored."""
    program, customers = crowd
    assert program.list(query) == customers[first:end]


@pytest.mark.statement("T20")
def test_pages_join_without_gap_or_overlap(crowd: tuple[Merchant, list[Json]]) -> None:
    """Walking by count and startIndex meets every customer once."""
    program, customers = crowd
    walked = [
        customer for start in range(0, 120, 7) for customer in program.list(f"count=7&startIndex={start}")
    ]
    assert walked == customers


@pytest.mark.statement("T20")
@pytest.mark.parametrize("name", ["count", "startIndex"])
@pytest.mark.parametrize(
    "value",
    [
        "",
        "-1",
        "1.0",
        "x",
        "1e1",
        "+1",
        "%201",
        "0x1",
        "%EF%BC%91",
        "%D9%A1",
        "9" * 30,
        "9" * 3000,
        "1_0",
        "%00",
    ],
)
def test_what_is_no_whole_number_is_refused(merchant: Merchant, name: str, value: str) -> None:
    """ASCII digits only, and not too many of them."""
    answer = merchant.get(f"{CUSTOMERS}?{name}={value}")
    refused(answer, "query" if value == "%00" else name)


@pytest.mark.statement("T20")
@pytest.mark.parametrize("query", ["count=0", "count=101", "count=000"])
def test_count_has_bounds(merchant: Merchant, query: str) -> None:
    """From 1 to 100."""
    refused(merchant.get(f"{CUSTOMERS}?{query}"), "count")


@pytest.mark.statement("T20")
@pytest.mark.parametrize("name", ["externalId", "customerId"])
def test_an_empty_filter_is_refused(merchant: Merchant, name: str) -> None:
    """It would otherwise list everybody."""
    refused(merchant.get(f"{CUSTOMERS}?{name}="), name)
    refused(merchant.get(f"{CUSTOMERS}?{name}"), name)


@pytest.mark.statement("T20")
@pytest.mark.parametrize("name", ["externalId", "customerId", "count", "startIndex"])
def test_a_repeated_parameter_is_refused(merchant: Merchant, name: str) -> None:
    """Also when both say the same, and however the name is spelled in percent-encoding."""
    refused(merchant.get(f"{CUSTOMERS}?{name}=1&{name}=1"), "query")
    refused(merchant.get(f"{CUSTOMERS}?{name}=1&%{ord(name[0]):x}{name[1:]}=2"), "query")


@pytest.mark.statement("T20")
def test_a_post_refuses_an_empty_or_repeated_external_id(merchant: Merchant) -> None:
    """And creates nothing."""
    before = merchant.list("count=1")
    refused(merchant.post(person(), f"{CUSTOMERS}?externalId="), "externalId")
    refused(merchant.post(person(), f"{CUSTOMERS}?externalId=a&externalId=a"), "query")
    assert merchant.list("count=1") == before


@pytest.mark.statement("T20", "T3")
def test_both_filters_hold_together(crowd: tuple[Merchant, list[Json]]) -> None:
    """ANDed: one customer when both name it, none when they name two."""
    program, customers = crowd
    a, b = customers[:2]
    assert program.list(f"externalId={a['externalId']}&customerId={a['customerId']}") == [a]
    assert program.list(f"externalId={a['externalId']}&customerId={b['customerId']}") == []
    assert program.list(f"externalId=nobody&customerId={a['customerId']}") == []


@pytest.mark.statement("T20", "T3")
@pytest.mark.parametrize("customer_id", ["x", "1", "%EF%BC%91", "0" * 128, "lookup", "#".replace("#", "%23")])
def test_a_filter_that_is_no_id_finds_nobody(merchant: Merchant, customer_id: str) -> None:
    """An empty list with 200."""
    assert merchant.list(f"customerId={customer_id}") == []


@pytest.mark.statement("T20")
def test_pages_apply_to_filtered_lists_too(crowd: tuple[Merchant, list[Json]]) -> None:
    """A filtered list is a list."""
    program, customers = crowd
    external_id = customers[0]["externalId"]
    assert program.list(f"externalId={external_id}&startIndex=1") == []
    assert program.list(f"externalId={external_id}&count=1") == [customers[0]]


@pytest.mark.statement("T20", "T15")
def test_an_update_does_not_move_a_customer_in_the_list(tenant: Callable[..., Tenancy]) -> None:
    """The order is that of creation."""
    program = shop(tenant())
    first, second = program.create(), program.create()
    updated = program.update(first["customerId"], vip="1")
    assert program.list() == [second, updated]
    assert without(updated, "vip", "updatedAt") == without(first, "updatedAt")
