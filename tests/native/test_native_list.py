"""The list of customers through the native API: pages, cursors, filters, and who sees what."""

import base64
import json
from urllib.parse import quote
from uuid import uuid4

import pytest

from native.client import Json, Native, faults, native, problem
from serving import Tenancy


@pytest.fixture
def key(alone: Tenancy) -> Native:
    """A key of a tenant that has no customer yet."""
    return native(alone)


def _cursor(*parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).rstrip(b"=").decode()


def test_an_empty_tenant_has_an_empty_page(key: Native) -> None:
    """Nothing is there, and nothing comes after it."""
    answer = key.call("GET", "/customers")
    assert (answer.status, answer.json) == (200, {"customers": [], "nextCursor": None})


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8, 200])
def test_pages_together_are_every_customer_once_in_the_order_of_creation(key: Native, limit: int) -> None:
    """The cursor of one page begins the next; the last has none, also where it is full."""
    made = [key.create(vip=str(number))["id"] for number in range(7)]
    pages = list(key.listed("/customers", "customers", limit=limit))
    assert [one["id"] for page in pages for one in page] == made
    assert [len(page) for page in pages[:-1]] == [limit] * (len(pages) - 1)
    assert len(pages) == -(-7 // limit)


def test_the_cursor_of_a_page_is_as_the_tests_below_make_it(key: Native) -> None:
    """Otherwise what they send would be refused for another reason than theirs."""
    made = [key.create()["id"] for _ in range(2)]
    assert key.call("GET", "/customers?limit=1").json["nextCursor"] == _cursor("customers", made[0])


@pytest.mark.parametrize("path", ["/customers", "/customers/3kTp9j2mN5xR/versions", "/erasures", "/audit"])
@pytest.mark.parametrize("position", [b"\xff", b"\\ud800", b"\xed\xa0\x80", b"\xc3"])
def test_a_cursor_that_is_no_text_is_none_of_the_list(tenancy: Tenancy, path: str, position: bytes) -> None:
    """What decodes to bytes that are no UTF-8 is refused like any other cursor that nobody was given."""
    anybody = native(tenancy, "read_customers", "erase_customers", "read_audit")
    listed = path.rpartition("/")[2].encode()
    sent = base64.urlsafe_b64encode(b'["' + listed + b'","' + position + b'"]').rstrip(b"=").decode()
    assert faults(anybody.call("GET", f"{path}?cursor={sent}")) == {"cursor": "cursor"}


def test_a_listed_customer_is_the_customer(key: Native) -> None:
    """An entry of the list is what its own address answers."""
    made = key.create(fullName="Joe User", taxId="123456790", customData={"a": [None]})
    assert key.call("GET", "/customers").json["customers"] == [made] == [key.get(made["id"]).json]


def test_what_is_created_or_changed_meanwhile_shifts_no_page(key: Native) -> None:
    """Who was not shown yet comes on a later page, and nobody comes twice."""
    made = [key.create()["id"] for _ in range(4)]
    first = key.call("GET", "/customers?limit=2").json
    key.patch(made[0], {"vip": "1"})
    key.patch(made[3], {"vip": "1"})
    made.append(key.create()["id"])
    rest = key.ids(limit=2, cursor=first["nextCursor"])
    assert [one["id"] for one in first["customers"]] + rest == made


def test_without_a_limit_a_page_has_fifty(key: Native) -> None:
    """The usual size is one that a program can ask for without thinking."""
    for _ in range(51):
        key.create()
    page = key.call("GET", "/customers").json
    assert (len(page["customers"]), page["nextCursor"] is None) == (50, False)


def test_filters_are_exact_and_hold_together(key: Native) -> None:
    """Each finds those who have just that, both together those who have both, page by page."""
    people = {
        number: key.create(
            email=f"{'ab'[number % 2]}@example.com", orgId="xyz"[number % 3], externalId=f"e{number}"
        )
        for number in range(12)
    }
    ids = {number: str(one["id"]) for number, one in people.items()}
    for limit in (1, 2, 200):
        assert key.ids(email="a@example.com", limit=limit) == [ids[n] for n in range(0, 12, 2)]
        assert key.ids(orgId="y", limit=limit) == [ids[n] for n in range(1, 12, 3)]
        both = [ids[n] for n in range(12) if n % 2 == 0 and n % 3 == 1]
        assert key.ids(email="a@example.com", orgId="y", limit=limit) == both
    assert key.ids(externalId="e5") == [ids[5]]
    assert key.ids(customerNumber=people[6]["customerNumber"]) == [ids[6]]
    assert key.ids(customerNumber=people[6]["customerNumber"], email="a@example.com", orgId="x") == [ids[6]]
    assert key.ids(externalId="e5", email="b@example.com", orgId="z") == [ids[5]]
    for nobody in (
        {"email": "A@example.com "},
        {"email": "c@example.com"},
        {"externalId": "e5", "email": "a@example.com"},
        {"externalId": "E5"},
        {"externalId": "e5", "customerNumber": people[6]["customerNumber"]},
        {"customerNumber": "1"},
        {"customerNumber": "abc"},
        {"orgId": "w"},
    ):
        assert key.ids(**nobody) == [], nobody


def test_a_filter_follows_what_is_changed_and_brought_back(key: Native) -> None:
    """Who has another address now is found by that alone, and by the old one again when it is restored."""
    made = key.create(email="old@example.com", orgId="old", externalId="old")
    key.patch(made["id"], {"email": "new@example.com", "orgId": None, "externalId": "new"})
    assert key.ids(email="old@example.com") == key.ids(orgId="old") == key.ids(externalId="old") == []
    assert key.ids(email="new@example.com") == key.ids(externalId="new") == [made["id"]]
    key.restore(made["id"], 1)
    assert key.ids(email="old@example.com", orgId="old", externalId="old") == [made["id"]]
    assert key.ids(email="new@example.com") == key.ids(externalId="new") == []


def test_an_external_id_is_looked_for_in_all_merchants_that_the_key_sees(alone: Tenancy) -> None:
    """A tenant's key finds customers of all its merchants by one external id, a merchant's key its own."""
    tenant = native(alone)
    shops = [native(alone, merchant_id=alone.create_merchant(f"Shop {number}")) for number in range(3)]
    made = [shop.create(externalId="same", email="s@example.com")["id"] for shop in shops]
    made.append(tenant.create(externalId="same")["id"])
    for limit in (1, 3, 200):
        assert tenant.ids(externalId="same", limit=limit) == made
    assert tenant.ids(externalId="same", email="s@example.com") == made[:3]
    for shop, one in zip(shops, made, strict=False):
        assert shop.ids(externalId="same") == shop.ids() == shop.ids(email="s@example.com") == [one]


def test_another_tenants_customers_are_not_listed(key: Native, foreign_api: Native) -> None:
    """Equal data of two tenants find each its own."""
    foreign_api.create(email="shared@example.com", externalId=f"shared-{uuid4()}")
    assert key.ids() == key.ids(email="shared@example.com") == []


# ── what is refused ──


@pytest.mark.parametrize("limit", ["0", "201", "-1", "1.0", "x", "", "٣", "1e1", "9" * 40, "+5", " 5"])
def test_a_limit_is_a_whole_number_from_1_to_200(api: Native, limit: str) -> None:
    """Any other text is refused by name."""
    for path in ("/customers", "/customers/3kTp9j2mN5xR/versions"):
        assert faults(api.call("GET", f"{path}?limit={quote(limit)}")) == {"limit": "range"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "!",
        "a" * 600,
        "é",
        _cursor("customers", "nobody"),
        _cursor("customers", "3kTp9j2mN5xR"),
        _cursor("customers", ""),
        _cursor("versions", "1"),
        _cursor("customers"),
        _cursor("customers", 1),
        _cursor("customers", "3kTp9j2mN5xR", "more"),
        _cursor("customers", "3kTp9j2mN5xR") + "=",
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
        base64.urlsafe_b64encode(b'["customers" ,"3kTp9j2mN5xR"]').decode(),
        base64.urlsafe_b64encode(b"[" * 300).decode(),
    ],
)
def test_what_is_no_cursor_of_the_list_is_refused(api: Native, text: str) -> None:
    """Neither nonsense nor a cursor of another list nor one that names nobody begins a page."""
    assert faults(api.call("GET", f"/customers?cursor={quote(text)}")) == {"cursor": "cursor"}


def test_a_foreign_customers_cursor_is_refused_like_one_that_names_nobody(
    api: Native, merchant_api: Native, foreign_api: Native, sarah: Json
) -> None:
    """A cursor does not tell whether somebody else has a customer of that id."""
    cursor = _cursor("customers", sarah["id"])
    assert api.call("GET", f"/customers?cursor={cursor}").status == 200
    for stranger in (merchant_api, foreign_api):
        for query in ("", "&email=a%40example.com", "&externalId=e", "&limit=1"):
            answer = stranger.call("GET", f"/customers?cursor={cursor}{query}")
            assert faults(answer) == {"cursor": "cursor"}


@pytest.mark.parametrize("name", ["email", "externalId", "orgId", "customerNumber"])
def test_a_filter_that_nobody_can_meet_is_refused(api: Native, name: str) -> None:
    """An empty one and one that is longer than any value are faults, and a repeated one is malformed."""
    assert faults(api.call("GET", f"/customers?{name}=")) == {name: "min_length"}
    assert faults(api.call("GET", f"/customers?{name}={'x' * 300}")) == {name: "max_length"}
    assert problem(api.call("GET", f"/customers?{name}=a&{name}=a")) == (400, "malformed")
    assert problem(api.call("GET", f"/customers?{name}=%ff")) == (400, "malformed")
    assert problem(api.call("GET", f"/customers?{name}=%00")) == (400, "malformed")


@pytest.mark.parametrize("path", ["/customers", "/audit", "/erasures"])
@pytest.mark.parametrize(
    "query", ["emial=canary-17", "canary-17", "limit=1&Customer=canary-17", "canary-17="]
)
def test_a_parameter_that_a_list_does_not_know_is_refused(tenancy: Tenancy, path: str, query: str) -> None:
    """It may be a misspelt filter, and the answer would be everybody; nothing that was sent is told."""
    anybody = native(tenancy, "read_customers", "erase_customers", "read_audit")
    answer = anybody.call("GET", f"{path}?{query}")
    assert problem(answer) == (422, "invalid")
    assert faults(answer) == {"query": "unknown"}
    assert b"canary-17" not in answer.body
    assert b"emial" not in answer.body
