"""Creating, reading and changing customers through the Trustist dialect (S13, S15-S17, S20, S22, S23)."""

import base64
import json
import math
import re
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from dialects.signing import Hawk, Sent, Signer
from serving import Answer

MEMBERS = [
    "id",
    "tenantId",
    "firstName",
    "lastName",
    "emailAddress",
    "dateOfBirth",
    "address",
    "orgId",
    "created",
    "lastUpdated",
]
FULL = {
    "firstName": "Sarah",
    "lastName": "Johnson",
    "emailAddress": "sarah.johnson@example.com",
    "dateOfBirth": "1985-03-15",
    "address": {
        "addressLine1": "123 High Street",
        "addressLine2": "Flat 4B",
        "city": "London",
        "postalCode": "SW1A 1AA",
        "country": "GB",
    },
    "orgId": "branch-001",
}
OPTIONAL = list(FULL)
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def made(key: Signer, members: object) -> dict[str, object]:
    answer = key.call("POST", "/v1/customers", members)
    assert answer.status == 200, answer.body
    created: dict[str, object] = answer.json
    return created


def stored(key: Signer, customer: dict[str, object]) -> dict[str, object]:
    found: dict[str, object] = key.call("GET", f"/v1/customers/{customer['id']}").json
    return found


def put(key: Signer, customer: dict[str, object], members: object) -> Answer:
    return key.call("PUT", f"/v1/customers/{customer['id']}", members)


def guid_of(customer_id: str) -> uuid.UUID:
    """Return the GUID of a record: the number that its id spells, in a version 8 GUID marked ``custmr``."""
    number = 0
    for character in customer_id:
        number = number * 58 + BASE58.index(character)
    high, low = divmod(number, 1 << 62)
    mark = int.from_bytes(b"custmr", "big")
    return uuid.UUID(int=mark << 80 | 8 << 76 | high << 64 | 2 << 62 | low)


def wait_for_the_second_after(instant: object) -> None:
    """Return when the clock shows another second than ``instant``: this face shows whole ones."""
    while datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") <= str(instant):
        time.sleep(0.01)


@pytest.mark.statement("S13")
def test_an_empty_object_creates_a_customer(key: Signer) -> None:
    """S13: nothing is required; created and lastUpdated are equal, in UTC and whole seconds."""
    before = math.floor(time.time())
    customer = made(key, {})
    assert customer["created"] == customer["lastUpdated"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", str(customer["created"]))
    created = datetime.fromisoformat(str(customer["created"])).timestamp()
    assert before <= created <= time.time()
    assert [customer[name] for name in OPTIONAL] == [None] * 6


@pytest.mark.statement("S13", "S15")
def test_members_stand_in_the_order_of_the_vendors_example(key: Signer) -> None:
    """Customer: id, tenantId, the person, orgId, created and lastUpdated, as on the vendor's page."""
    customer = made(key, FULL)
    assert list(customer) == MEMBERS
    assert list(FULL["address"]) == list(customer["address"])  # type: ignore[call-overload]  # both are objects
    assert {name: customer[name] for name in OPTIONAL} == FULL


@pytest.mark.statement("S15")
@pytest.mark.parametrize("members", [{}, FULL, {"firstName": "Zoë", "address": {"city": "Łódź"}}])
def test_get_returns_what_create_returned(key: Signer, members: object) -> None:
    """S15: the same bytes, members that are not set being null, those of an address too."""
    created = key.call("POST", "/v1/customers", members)
    assert key.call("GET", f"/v1/customers/{created.json['id']}").body == created.body
    address = created.json["address"]
    assert address is None or len(address) == 5


@pytest.mark.statement("S15")
@pytest.mark.parametrize("name", OPTIONAL)
def test_a_member_alone_is_stored_alone(key: Signer, name: str) -> None:
    """S15: each optional member can be given alone; the others are null."""
    customer = stored(key, made(key, {name: FULL[name]}))
    assert {one: customer[one] for one in OPTIONAL} == dict.fromkeys(OPTIONAL) | {name: FULL[name]}


@pytest.mark.statement("S16")
@pytest.mark.parametrize("name", OPTIONAL)
def test_put_changes_one_member_and_keeps_the_rest(key: Signer, name: str) -> None:
    """S16: what is present is changed, orgId included (decision), what is absent is kept."""
    other = {
        "firstName": "Sally",
        "lastName": "Smith",
        "emailAddress": "s@example.org",
        "dateOfBirth": "1990-12-31",
        "address": FULL["address"] | {"city": "Leeds"},  # type: ignore[operator]  # it is an object
        "orgId": "branch-002",
    }
    customer = made(key, FULL)
    answer = put(key, customer, {name: other[name]})
    assert answer.status == 200
    kept = {k: v for k, v in customer.items() if k not in (name, "lastUpdated")}
    assert {k: v for k, v in answer.json.items() if k not in (name, "lastUpdated")} == kept
    assert answer.json[name] == other[name]
    assert stored(key, customer) == answer.json


@pytest.mark.statement("S16")
@pytest.mark.parametrize("name", OPTIONAL)
def test_put_clears_a_member_that_is_null(key: Signer, name: str) -> None:
    """S16: null clears, and clearing twice is clearing once."""
    customer = made(key, FULL)
    cleared = put(key, customer, {name: None})
    assert cleared.json[name] is None
    assert {one: cleared.json[one] for one in OPTIONAL} == FULL | {name: None}
    assert put(key, customer, {name: None}).json == cleared.json


@pytest.mark.statement("S16")
def test_put_leaves_alone_what_is_the_servers(key: Signer) -> None:
    """S16: id, tenantId, created and lastUpdated in a body are ignored."""
    customer = made(key, FULL)
    claims = {
        "id": "3kTp9j2mN5xR",
        "tenantId": "a1b2",
        "created": None,
        "lastUpdated": "2001-01-01T00:00:00Z",
    }
    answer = put(key, customer, claims)
    assert answer.status == 200
    assert answer.json == customer


@pytest.mark.statement("S16")
def test_last_updated_moves_on_a_change_and_only_then(key: Signer) -> None:
    """S16: a change moves lastUpdated and keeps created; an empty PUT or an echo moves nothing."""
    customer = made(key, FULL)
    wait_for_the_second_after(customer["created"])
    assert put(key, customer, {}).json == customer
    assert put(key, customer, customer).json == customer
    assert put(key, customer, {"firstName": customer["firstName"]}).json == customer
    changed = put(key, customer, {"firstName": "Sally"}).json
    assert changed["created"] == customer["created"]
    assert changed["lastUpdated"] > changed["created"]


@pytest.mark.statement("S16")
def test_get_edit_put_back_changes_what_was_edited(key: Signer) -> None:
    """S16: a client may send the whole object back."""
    customer = made(key, FULL)
    edited = customer | {"lastName": "Smith", "address": customer["address"] | {"addressLine2": None}}  # type: ignore[operator]  # it is an object
    answer = put(key, customer, edited)
    assert {k: v for k, v in answer.json.items() if k != "lastUpdated"} == {
        k: v for k, v in edited.items() if k != "lastUpdated"
    }


@pytest.mark.statement("S17")
@pytest.mark.parametrize("name", ["addressLine1", "addressLine2", "city", "postalCode", "country"])
def test_an_address_merges_member_by_member(key: Signer, name: str) -> None:
    """S17: one member of the address is set or cleared, the others stay."""
    address = dict.fromkeys(FULL["address"], "GB")  # valid in every place
    customer = made(key, {"address": address})
    changed = put(key, customer, {"address": {name: "FR"}}).json
    assert changed["address"] == address | {name: "FR"}
    assert put(key, customer, {"address": {name: None}}).json["address"] == address | {name: None}


@pytest.mark.statement("S17")
def test_a_null_address_is_cleared_and_an_empty_one_is_kept(key: Signer) -> None:
    """S17: ``"address":null`` clears it; ``{}`` says nothing; a new one starts from nothing."""
    customer = made(key, FULL)
    assert put(key, customer, {"address": {}}).json["address"] == FULL["address"]
    assert put(key, customer, {"address": None}).json["address"] is None
    again = put(key, customer, {"address": {"city": "York"}}).json["address"]
    assert again == dict.fromkeys(again) | {"city": "York"}


@pytest.mark.statement("S20")
@pytest.mark.parametrize("spelled", [str.lower, str.upper, lambda name: name[0].upper() + name[1:]])
def test_member_names_match_in_any_case(key: Signer, spelled: Callable[[str], str]) -> None:
    """S20: ``FirstName`` of a .NET client is firstName, inside the address too, on create and on update."""
    address = {spelled(name): value for name, value in FULL["address"].items()}  # type: ignore[attr-defined]  # it is an object
    members = {spelled(name): value for name, value in FULL.items()} | {spelled("address"): address}
    customer = made(key, members)
    assert {name: customer[name] for name in OPTIONAL} == FULL
    answer = put(key, customer, {spelled("lastName"): None, spelled("address"): {spelled("city"): "Leeds"}})
    assert (answer.json["lastName"], answer.json["address"]["city"]) == (None, "Leeds")


@pytest.mark.statement("S20")
def test_one_member_in_two_spellings_is_refused(key: Signer) -> None:
    """S20 with limits: no member may stand twice, whatever its case."""
    for body in (b'{"firstName":"A","firstName":"B"}', b'{"firstName":"A","FirstName":"B"}'):
        assert key.call("POST", "/v1/customers", body=body).json["code"] == "invalid_request"
    assert key.call("POST", "/v1/customers", {"address": {"city": "A", "CITY": "B"}}).status == 400


@pytest.mark.statement("S20")
def test_unknown_members_are_ignored_and_null_means_absent(key: Signer) -> None:
    """S20: unknown members, whatever is in them, leave no trace; null on create is as good as nothing."""
    unknown = {
        "phone": "+44",
        "customData": {"a": [1, {"b": None}]},
        "firstname2": "x",
        "": 1,
        "ſirstName": "x",
    }
    customer = made(key, dict.fromkeys(FULL) | unknown)
    assert [customer[name] for name in OPTIONAL] == [None] * 6
    assert list(customer) == MEMBERS


@pytest.mark.statement("S22")
def test_ids_are_random_and_url_safe(key: Signer) -> None:
    """S22: 12 characters of the Base58 alphabet (70 bits), no two alike, nowhere a counter."""
    ids = [str(made(key, {})["id"]) for _ in range(40)]
    assert all(re.fullmatch("[1-9A-HJ-NP-Za-km-z]{12}", one) for one in ids)
    assert len(set(ids)) == 40
    # Were any place a counter or fixed, it would hold few characters: 40 draws of 58 give 20 and more.
    assert all(len({one[place] for one in ids}) > 12 for place in range(12))


@pytest.mark.statement("S22")
def test_ids_are_stable_and_case_sensitive(key: Signer) -> None:
    """S22: the id survives changes; in another case it is another, unknown one."""
    customer = made(key, FULL)
    assert put(key, customer, {"firstName": "Sally"}).json["id"] == customer["id"]
    swapped = str(customer["id"]).swapcase()
    assert key.call("GET", f"/v1/customers/{swapped}").status == 404
    escaped = "".join(f"%{ord(character):02X}" for character in str(customer["id"]))
    assert key.call("GET", f"/v1/customers/{escaped}").json["id"] == customer["id"]


@pytest.mark.statement("S22")
def test_a_customer_may_be_named_by_guid_or_short_guid_elsewhere(key: Signer) -> None:
    """S22: id, GUID and ShortGuid (GUID bytes in Microsoft's order, URL-safe Base64) name one record."""
    customer = made(key, FULL)
    shown = key.server.printed("customers", "show", str(customer["id"]))
    assert str(FULL["emailAddress"]) in json.dumps(shown)
    guid = guid_of(str(customer["id"]))
    short_guid = base64.urlsafe_b64encode(guid.bytes_le).decode().rstrip("=")
    assert len(short_guid) == 22
    for spelling in (str(guid), str(guid).upper(), short_guid):
        assert key.server.printed("customers", "show", spelling) == shown
    assert key.server.run("customers", "show", "00000000-0000-4000-8000-000000000000").returncode == 1


@pytest.mark.statement("S23")
def test_every_response_carries_a_correlation_id(key: Signer, foreign_key: Signer) -> None:
    """S23: success or refusal, each answer has a CorrelationId of its own, and a refusal repeats it."""
    answers = [
        key.call("POST", "/v1/customers", {}),
        key.call("GET", "/v1/customers"),
        key.call("GET", "/v1/merchants"),
        key.call("GET", "/v1/customers/3kTp9j2mN5xR"),
        key.call("POST", "/v1/customers", body=b"{"),
        key.call("POST", "/v1/customers", {"dateOfBirth": "x"}),
        key.call("DELETE", "/v1/customers"),
        key.call("GET", "/v1/nowhere"),
        key.call("POST", "/v1/customers", body=b"{}", content_type="text/plain"),
        key.call("POST", "/v1/customers", body=b" " * 70_000),
        key.call("GET", "/v1/customers", hawk=Hawk(ts=1)),
        key.send(Sent("GET", "/v1/customers"), {}),
        key.send(Sent("GET", "/v1/customers"), {}, [("X", "y" * 5000)]),
    ]
    ids = [answer.header("CorrelationId") for answer in answers]
    assert all(ids)
    assert len(set(ids)) == len(ids)
    for answer, correlation_id in zip(answers, ids, strict=True):
        assert answer.header("Content-Type") == "application/json; charset=utf-8"
        assert answer.header("Cache-Control") == "no-store"
        assert answer.status == 200 or answer.json["correlationId"] == correlation_id
