"""Create and update by one call: T2 to T7, and externalId's own rules, T18."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from merchant import CUSTOMERS, Json, Merchant, fresh_external_id, person, refused, shop, without
from serving import Answer, Key, Server, Tenancy

NOBODYS_NUMBER = "999999999999999"
THREADS = 64
ROUNDS = 200


# ── T2, T3 ──


@pytest.mark.statement("T2", "T3")
def test_create_and_update_answer_200_with_the_customer(merchant: Merchant) -> None:
    """Never 201 or 204: the envelope with the whole customer, as a GET shows it."""
    external_id = fresh_external_id()
    for body, target in [
        (person(externalId=external_id), CUSTOMERS),
        ({"vip": "2", "externalId": external_id}, CUSTOMERS),
        ({"vip": "3"}, f"{CUSTOMERS}?externalId={external_id}"),
    ]:
        saved = merchant.saved(body, target)
        assert saved == merchant.fetch(saved["customerId"])
    again = merchant.saved({"vip": "4"}, f"{CUSTOMERS}/{saved['customerId']}")
    assert again == merchant.fetch(saved["customerId"])


@pytest.mark.statement("T3")
def test_a_filtered_list_is_a_list(merchant: Merchant) -> None:
    """One match is a list of one, none is an empty list with 200."""
    external_id = fresh_external_id()
    assert merchant.get(f"{CUSTOMERS}?externalId={external_id}").body == b'{"customers":[]}'
    assert merchant.get(f"{CUSTOMERS}?customerId={NOBODYS_NUMBER}").body == b'{"customers":[]}'
    customer = merchant.create(externalId=external_id)
    assert merchant.list(f"externalId={external_id}") == [customer]
    assert merchant.list(f"customerId={customer['customerId']}") == [customer]


# ── T4 ──


@pytest.mark.statement("T4")
@pytest.mark.parametrize("naming", ["body customerId", "body externalId", "query externalId", "path"])
def test_whoever_is_named_is_updated_in_place(merchant: Merchant, naming: str) -> None:
    """Each way of naming an existing customer leads to it; nothing is created."""
    external_id = fresh_external_id()
    customer = merchant.create(externalId=external_id, currency="USD")
    body, target = {
        "body customerId": ({"customerId": customer["customerId"]}, CUSTOMERS),
        "body externalId": ({"externalId": external_id}, CUSTOMERS),
        "query externalId": ({}, f"{CUSTOMERS}?externalId={external_id}"),
        "path": ({}, f"{CUSTOMERS}/{customer['customerId']}"),
    }[naming]
    updated = merchant.saved(body | {"vip": "2"}, target)
    assert without(updated, "updatedAt") == without(customer | {"vip": "2"}, "updatedAt")
    assert merchant.list(f"externalId={external_id}") == [updated]


@pytest.mark.statement("T4")
def test_who_names_nobody_creates_each_time(merchant: Merchant) -> None:
    """Without a name two equal bodies are two customers."""
    body = person()
    assert merchant.saved(body)["customerId"] != merchant.saved(body)["customerId"]


@pytest.mark.statement("T4", "T10")
def test_an_update_that_finds_nobody_is_a_create_with_its_rules(merchant: Merchant) -> None:
    """What would do for an update is not enough when nobody is there, and then nothing is stored."""
    external_id = fresh_external_id()
    required = ["customer.address", "customer.email", "customer.name", "customer.phone"]
    refused(merchant.post({"vip": "2", "externalId": external_id}), *required)
    refused(merchant.post({"vip": "2"}, f"{CUSTOMERS}?externalId={external_id}"), *required)
    assert merchant.list(f"externalId={external_id}") == []


# ── T5 ──


@pytest.fixture
def two(merchant: Merchant) -> tuple[Json, Json]:
    """Two customers with an externalId each."""
    return (
        merchant.create(externalId=fresh_external_id()),
        merchant.create(externalId=fresh_external_id()),
    )


@pytest.mark.statement("T5")
@pytest.mark.parametrize(
    "naming",
    [
        "query and body externalId",
        "query and body customerId",
        "body customerId and externalId",
        "path and body customerId",
        "path and body externalId",
    ],
)
def test_two_customers_named_is_400_and_changes_nothing(
    merchant: Merchant, two: tuple[Json, Json], naming: str
) -> None:
    """Two names of two existing customers contradict each other: code 200, and both stay as they were."""
    a, b = two
    query = f"{CUSTOMERS}?externalId={a['externalId']}"
    path = f"{CUSTOMERS}/{a['customerId']}"
    body, target, location = {
        "query and body externalId": ({"externalId": b["externalId"]}, query, "customer.externalId"),
        "query and body customerId": ({"customerId": b["customerId"]}, query, "customer.customerId"),
        "body customerId and externalId": (
            {"customerId": a["customerId"], "externalId": b["externalId"]},
            CUSTOMERS,
            "customer.externalId",
        ),
        "path and body customerId": ({"customerId": b["customerId"]}, path, "customer.customerId"),
        "path and body externalId": ({"externalId": b["externalId"]}, path, "customer.externalId"),
    }[naming]
    refused(merchant.post(body | {"vip": "9"}, target), location)
    assert [merchant.fetch(a["customerId"]), merchant.fetch(b["customerId"])] == [a, b]


@pytest.mark.statement("T5")
def test_several_names_of_one_customer_agree(merchant: Merchant, two: tuple[Json, Json]) -> None:
    """A client that posts back what it has read names its customer three times."""
    a, _ = two
    body = {"customerId": a["customerId"], "externalId": a["externalId"], "vip": "5"}
    updated = merchant.saved(body, f"{CUSTOMERS}?externalId={a['externalId']}")
    assert (updated["customerId"], updated["vip"]) == (a["customerId"], "5")


@pytest.mark.statement("T5")
@pytest.mark.parametrize("naming", ["body customerId", "query externalId", "path"])
def test_a_free_external_id_is_taken(merchant: Merchant, two: tuple[Json, Json], naming: str) -> None:
    """The customer found takes the other externalId of the body; the old one is free again."""
    a, _ = two
    new = fresh_external_id()
    body, target = {
        "body customerId": ({"customerId": a["customerId"]}, CUSTOMERS),
        "query externalId": ({}, f"{CUSTOMERS}?externalId={a['externalId']}"),
        "path": ({}, f"{CUSTOMERS}/{a['customerId']}"),
    }[naming]
    moved = merchant.saved(body | {"externalId": new}, target)
    assert (moved["customerId"], moved["externalId"]) == (a["customerId"], new)
    assert merchant.list(f"externalId={new}") == [moved]
    assert merchant.list(f"externalId={a['externalId']}") == []
    assert merchant.create(externalId=a["externalId"])["customerId"] != a["customerId"]


# ── T6 ──


@pytest.mark.statement("T6")
def test_an_unknown_number_is_not_adopted(merchant: Merchant) -> None:
    """The vendor's own example sends one: the server issues its own, each time another."""
    first = merchant.create(customerId="1002580963")
    second = merchant.create(customerId="1002580963")
    assert len({first["customerId"], second["customerId"], "1002580963"}) == 3
    assert merchant.list("customerId=1002580963") == []


@pytest.mark.statement("T6", "T19")
def test_a_foreign_number_behaves_like_an_unknown_one(tenancy: Tenancy, merchant: Merchant) -> None:
    """Of another merchant: a create creates, an update by path ignores it, and the other is untouched."""
    other = Merchant(tenancy.server, tenancy.create_key(merchant_id=tenancy.create_merchant()))
    foreign = other.create()
    created = merchant.create(customerId=foreign["customerId"])
    assert created["customerId"] != foreign["customerId"]
    updated = merchant.update(created["customerId"], customerId=foreign["customerId"], vip="2")
    assert (updated["customerId"], updated["vip"]) == (created["customerId"], "2")
    assert other.fetch(foreign["customerId"]) == foreign


@pytest.mark.statement("T6")
@pytest.mark.parametrize("number", ["", "x", "0", "１００２５８０９６３", "1002580963 ", "9" * 200, "'; --"])
def test_a_number_that_is_none_is_an_unknown_one(merchant: Merchant, number: str) -> None:
    """What cannot be a customerId names nobody."""
    assert merchant.create(customerId=number)["customerId"] != number


@pytest.mark.statement("T6")
def test_an_unknown_external_id_of_the_query_becomes_the_new_customers(merchant: Merchant) -> None:
    """Then the next post finds it; it also comes before another one in the body."""
    external_id, other = fresh_external_id(), fresh_external_id()
    created = merchant.saved(person(externalId=other), f"{CUSTOMERS}?externalId={external_id}")
    assert created["externalId"] == external_id
    assert (
        merchant.saved(person(), f"{CUSTOMERS}?externalId={external_id}")["customerId"]
        == created["customerId"]
    )


# ── T7 ──


@pytest.mark.statement("T7")
def test_64_parallel_upserts_leave_one_record(merchant: Merchant) -> None:
    """64 threads post one new externalId 200 times each: one record, and 12,800 answers with 200."""
    external_id = fresh_external_id()
    key, server = merchant.authorization, merchant.server

    def posts(number: int) -> set[tuple[int, str]]:
        with server.connect() as connection:
            program = Merchant(server, authorization=key, connection=connection)
            body = person(externalId=external_id, vip=str(number + 1))
            answers = [program.post(body) for _ in range(ROUNDS)]
            return {(answer.status, answer.json["customer"]["customerId"]) for answer in answers}

    with ThreadPoolExecutor(THREADS) as pool:
        outcomes = set().union(*pool.map(posts, range(THREADS)))
    (customer,) = merchant.list(f"externalId={external_id}")
    assert outcomes == {(200, customer["customerId"])}


@pytest.mark.statement("T7")
def test_each_of_many_parallel_creates_wins_once(merchant: Merchant) -> None:
    """64 threads race for each of 20 new externalIds, by query and by body: 20 records."""
    wanted = [fresh_external_id() for _ in range(20)]
    key, server = merchant.authorization, merchant.server

    def posts(number: int) -> list[tuple[str, str]]:
        with server.connect() as connection:
            program = Merchant(server, authorization=key, connection=connection)
            found = []
            for external_id in wanted:
                if number % 2:
                    customer = program.saved(person(externalId=external_id))
                else:
                    customer = program.saved(person(), f"{CUSTOMERS}?externalId={external_id}")
                found.append((external_id, customer["customerId"]))
            return found

    with ThreadPoolExecutor(THREADS) as pool:
        pairs = {pair for found in pool.map(posts, range(THREADS)) for pair in found}
    assert len(pairs) == len(wanted)


@pytest.mark.statement("T7", "T8")
def test_parallel_updates_of_different_members_lose_nothing(merchant: Merchant) -> None:
    """Each of 64 posts sets its own member of customData; all are there in the end."""
    customer_id = merchant.create()["customerId"]
    key, server = merchant.authorization, merchant.server

    def post(number: int) -> Answer:
        program = Merchant(server, authorization=key)
        return program.post({"customData": {f"m{number}": number}}, f"{CUSTOMERS}/{customer_id}")

    with ThreadPoolExecutor(THREADS) as pool:
        assert {answer.status for answer in pool.map(post, range(THREADS))} == {200}
    assert merchant.fetch(customer_id)["customData"] == {f"m{n}": n for n in range(THREADS)}


# ── T18 ──


@pytest.mark.statement("T18")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("{}A", "{}a"),
        ("{}", "{} "),
        ("{}", " {}"),
        ("{}", "{}\n"),
        ("{}é", "{}e\u0301"),
        ("7{}", "07{}"),
        ("{}ß", "{}ss"),
        ("{}x", "{}ｘ"),
    ],
)
def test_external_ids_that_differ_in_a_byte_are_two(merchant: Merchant, one: str, other: str) -> None:
    """No case folding, no trimming, no normalization, no numbers."""
    stem = fresh_external_id()
    first, second = (merchant.create(externalId=template.format(stem)) for template in (one, other))
    assert first["customerId"] != second["customerId"]
    assert (first["externalId"], second["externalId"]) == (one.format(stem), other.format(stem))


@pytest.mark.statement("T18")
@pytest.mark.parametrize(
    ("external_id", "encoded"),
    [
        ("a b&c=d", "a%20b%26c%3Dd"),
        ("a+b", "a%2Bb"),
        ("é€", "%C3%A9%E2%82%AC"),
        ("%25", "%2525"),
        ("a b", "a+b"),
    ],
)
def test_external_ids_are_decoded_from_the_query(merchant: Merchant, external_id: str, encoded: str) -> None:
    """What a body says and what a percent-encoded query says is one datum."""
    stem = fresh_external_id()
    created = merchant.create(externalId=stem + external_id)
    assert merchant.list(f"externalId={stem}{encoded}") == [created]
    assert (
        merchant.saved({}, f"{CUSTOMERS}?externalId={stem}{encoded}")["customerId"] == created["customerId"]
    )


@pytest.mark.statement("T18", "T19")
def test_each_merchant_has_its_own_external_ids(
    server: Server, tenancy: Tenancy, merchant: Merchant, tenant: Callable[..., Tenancy]
) -> None:
    """Two merchants of a tenant and two tenants use the same one; each sees its own customer."""
    sister: Key = tenancy.create_key(merchant_id=tenancy.create_merchant())
    programs = [merchant, Merchant(server, sister), shop(tenant())]
    external_id = fresh_external_id()
    made = [program.create(externalId=external_id) for program in programs]
    assert len({customer["customerId"] for customer in made}) == len(programs)
    for program, customer in zip(programs, made, strict=True):
        assert program.list(f"externalId={external_id}") == [customer]


@pytest.mark.statement("T18")
def test_a_removed_external_id_is_free(merchant: Merchant) -> None:
    """``null`` gives it back."""
    external_id = fresh_external_id()
    first = merchant.create(externalId=external_id)
    assert "externalId" not in merchant.update(first["customerId"], externalId=None)
    assert merchant.create(externalId=external_id)["customerId"] != first["customerId"]
