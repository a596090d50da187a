"""Customers through the native API: created, read whole, changed, and whose they are."""

import json
import re
from typing import Any
from uuid import uuid4

import pytest

from native.client import (
    CUSTOMERS,
    GUARDED,
    MASKS,
    SARAH,
    Json,
    Native,
    faults,
    indistinct,
    native,
    problem,
)
from serving import Tenancy

_OF_THE_SERVER = {
    "id", "customerNumber", "guid", "tenantId", "merchantId", "version", "createdAt", "updatedAt"
}  # fmt: skip


# ── created and read ──


def test_a_customer_is_created_with_all_members_and_answered_with_its_place(
    api: Native, tenancy: Tenancy
) -> None:
    """201 with Location, ETag, both ids and every member as it was given, guarded ones as masks."""
    answer = api.call("POST", "/customers", SARAH | GUARDED | {"externalId": str(uuid4())})
    assert answer.status == 201
    made = answer.json
    assert answer.header("Location") == f"{CUSTOMERS}/{made['id']}"
    assert answer.header("ETag") == '"1"'
    assert {name: made[name] for name in SARAH} == SARAH
    assert {name: made[name] for name in MASKS} == MASKS
    assert set(made) == set(SARAH) | set(GUARDED) | _OF_THE_SERVER | {"externalId"}
    assert re.fullmatch(r"[1-9A-HJ-NP-Za-km-z]{12}", made["id"])
    assert re.fullmatch(r"[1-9][0-9]{9,14}", made["customerNumber"])
    assert (made["tenantId"], made["merchantId"]) == (tenancy.tenant_id, tenancy.merchant_id)
    assert (made["version"], made["createdAt"]) == (1, made["updatedAt"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", made["createdAt"])
    read = api.call("GET", str(answer.header("Location")).removeprefix("/native/v1"))
    assert (read.status, read.json, read.header("ETag")) == (200, made, '"1"')


def test_nothing_is_required(api: Native) -> None:
    """An empty object makes a customer of whom nothing is known; what is not set is left out."""
    assert set(api.create()) == _OF_THE_SERVER


def test_no_answer_has_a_guarded_value_in_clear(api: Native, tenancy: Tenancy) -> None:
    """Masks are all that is shown, with every permission there is too: to see is an operation of its own."""
    able = native(tenancy, "create_customer", "read_customers", "update_customer", "read_customers:unmasked")
    for key in (api, able):
        made = key.call("POST", "/customers", GUARDED)
        customer_id = made.json["id"]
        answers = [
            made,
            key.get(customer_id),
            key.patch(customer_id, {"vip": "1", "taxId": "987654321"}),
            key.call("GET", f"/customers/{customer_id}/versions/1"),
            key.call("GET", f"/customers/{customer_id}/versions"),
            key.call("GET", f"/customers/{customer_id}/diff?from=1"),
            key.call("GET", "/customers?limit=200"),
            key.restore(customer_id, 1),
        ]
        assert {answer.status for answer in answers} == {200, 201}
        for value in (*GUARDED.values(), "987654321"):
            if value != "pid":  # three letters that other words have too
                assert not any(value.encode() in answer.body for answer in answers)


def test_names_stand_as_they_were_given(api: Native) -> None:
    """A name has the form in which it was last given, and only that."""
    whole = api.create(fullName="Joe van User")
    assert whole["fullName"] == "Joe van User"
    assert {"givenName", "familyName"}.isdisjoint(whole)
    parts = api.patch(whole["id"], {"familyName": "Other"}).json
    assert (parts["givenName"], parts["familyName"]) == ("Joe", "Other")
    assert "fullName" not in parts


def test_members_that_are_unknown_or_the_servers_own_change_nothing(api: Native) -> None:
    """They are taken, so that what was read can be sent back; a client cannot choose an id or a version."""
    stranger = {"id": "3kTp9j2mN5xR", "customerNumber": "1234567890", "version": 7, "tenantId": "x", "odd": 1}
    made = api.create(**stranger, merchantId="1", createdAt="yesterday")
    assert set(made) == _OF_THE_SERVER
    assert made["version"] == 1
    assert made["id"] != stranger["id"]


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"email": 1}, {"email": "type"}),
        ({"email": "x" * 255}, {"email": "max_length"}),
        ({"externalId": ""}, {"externalId": "min_length"}),
        ({"fullName": "a\u202eb"}, {"fullName": "control"}),
        (
            {"address": {"city": "x" * 101, "country": 4}},
            {"address.city": "max_length", "address.country": "type"},
        ),
        ({"address": []}, {"address": "type"}),
        ({"enrollDate": True}, {"enrollDate": "type"}),
        ({"customData": [1]}, {"customData": "type"}),
        ({"customData": {"a": 2**53}}, {"customData": "integers"}),
        ({"customData": {"a": "x" * 17_000}}, {"customData": "size"}),
        ({"taxId": "#####6790"}, {"taxId": "mask"}),
        ({"taxId": {}, "vip": []}, {"taxId": "type", "vip": "type"}),
    ],
)
def test_every_fault_of_a_body_is_named(api: Native, members: Json, expected: dict[str, str]) -> None:
    """Each member that breaks a rule is told by its path and rule, all of them at once."""
    assert faults(api.call("POST", "/customers", members)) == expected
    kept = api.create()
    assert faults(api.patch(kept["id"], members)) == expected
    assert api.get(kept["id"]).json == kept


BAD_BODIES = [
    b"",
    b"[]",
    b'"a"',
    b"null",
    b"{",
    b'{"a":1}{}',
    b'{"a":1,"a":2}',
    b"\xff",
    b"{'a':1}",
    b'{"a":NaN}',
]


@pytest.mark.parametrize("body", BAD_BODIES)
def test_a_body_that_is_no_object_is_malformed(api: Native, sarah: Json, body: bytes) -> None:
    """Neither a creation, a patch nor a restoration takes it."""
    for method, path in (
        ("POST", "/customers"),
        ("PATCH", f"/customers/{sarah['id']}"),
        ("POST", f"/customers/{sarah['id']}/restore"),
    ):
        answer = api.call(method, path, body=body, content_type="application/json")
        assert problem(answer) == (400, "malformed")
    assert api.get(sarah["id"]).json == sarah


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/merge-patch+json", 200),
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("APPLICATION/MERGE-PATCH+JSON", 200),
        ("application/json-patch+json", 415),
        ("text/plain", 415),
        ("application/xml", 415),
        ("json", 415),
    ],
)
def test_a_change_is_a_merge_patch_and_no_other(
    api: Native, sarah: Json, content_type: str, status: int
) -> None:
    """A JSON Patch is another language: it is refused, and not read as a member called ``op``."""
    answer = api.call("PATCH", f"/customers/{sarah['id']}", body=b'{"vip":"3"}', content_type=content_type)
    assert answer.status == status
    if status == 415:
        assert problem(answer) == (415, "unsupported-media-type")


# ── changed ──


def test_a_merge_patch_sets_removes_and_keeps(api: Native, sarah: Json) -> None:
    """Members that are sent are set, null removes, objects merge by member, arrays replace (RFC 7396)."""
    change: Json = {
        "email": None,
        "vip": "9",
        "address": {"line2": None, "city": "Leeds"},
        "customData": {"a": [2], "d": None, "e": {"f": 1}},
        "personId": None,
        "taxId": "111222333",
    }
    answer = api.patch(sarah["id"], change)
    assert (answer.status, answer.header("ETag")) == (200, '"2"')
    after = answer.json
    expected = sarah | {
        "vip": "9",
        "address": {name: part for name, part in SARAH["address"].items() if name != "line2"}
        | {"city": "Leeds"},
        "customData": {"a": [2], "e": {"f": 1}},
        "taxId": "#####2333",
        "version": 2,
        "updatedAt": after["updatedAt"],
    }
    del expected["email"], expected["personId"]
    assert after == expected
    assert after["updatedAt"] > sarah["updatedAt"]
    assert api.get(sarah["id"]).json == after


def test_what_was_read_and_is_sent_back_says_nothing_new(api: Native, sarah: Json) -> None:
    """GET, PATCH back whole: no version, no change, and no mask is stored."""
    answer = api.patch(sarah["id"], sarah)
    assert (answer.status, answer.json) == (200, sarah)
    edited = api.patch(sarah["id"], sarah | {"vip": "3"}).json
    assert edited["version"] == 2
    diff = api.call("GET", f"/customers/{sarah['id']}/diff?from=1&to=2").json
    assert [one["field"] for one in diff["changes"]] == ["vip"]


def test_a_mask_of_another_value_is_refused(api: Native, sarah: Json) -> None:
    """Only the stored value's own mask means unchanged; any other would be stored as a value."""
    assert faults(api.patch(sarah["id"], {"taxId": "#####0000"})) == {"taxId": "mask"}
    assert api.get(sarah["id"]).json == sarah


def test_an_external_id_is_unique_in_its_merchant(api: Native, merchant_api: Native) -> None:
    """Taken is a conflict; another merchant may have a customer of the same id."""
    taken = str(uuid4())
    api.create(externalId=taken)
    assert problem(api.call("POST", "/customers", {"externalId": taken})) == (409, "conflict")
    other = api.create()
    assert problem(api.patch(other["id"], {"externalId": taken})) == (409, "conflict")
    assert api.get(other["id"]).json == other
    assert merchant_api.create(externalId=taken)["externalId"] == taken


# ── whose they are ──


def _every_deed(api: Native, customer_id: str) -> list[Any]:
    path = f"/customers/{customer_id}"
    return [
        api.get(customer_id),
        api.get(customer_id, at="2020-01-01T00:00:00Z"),
        api.get(customer_id, [("If-None-Match", "*")]),
        api.patch(customer_id, {"vip": "1"}),
        api.patch(customer_id, {"vip": "1"}, [("If-Match", '"1"')]),
        api.restore(customer_id, 1),
        *(
            api.call("GET", path + rest)
            for rest in ("/versions", "/versions/1", "/versions/99", "/diff?from=1", "/diff?from=1&to=1")
        ),
    ]


def test_a_foreign_customer_is_answered_byte_for_byte_like_an_unknown_one(
    api: Native, merchant_api: Native, foreign_api: Native, sarah: Json
) -> None:
    """Another tenant's and another merchant's customer are as unknown as one that never was."""
    for stranger in (merchant_api, foreign_api):
        foreign = [indistinct(answer) for answer in _every_deed(stranger, sarah["id"])]
        unknown = [indistinct(answer) for answer in _every_deed(stranger, "3kTp9j2mN5xR")]
        assert foreign == unknown
        assert {status for status, _, _ in foreign} == {404}
    assert api.get(sarah["id"]).json == sarah


@pytest.mark.parametrize(
    "spelled",
    ["3kTp9j2mN5x", "3kTp9j2mN5xRR", "0OIl00000000", "%00", "%ff", "%C3%A9", "..", "", " ", "x" * 3000],
)
def test_an_id_that_is_none_is_answered_like_an_unknown_one(api: Native, spelled: str) -> None:
    """No spelling tells more than that there is nothing."""
    text = spelled.replace(" ", "%20")
    unknown = indistinct(api.get("3kTp9j2mN5xR"))
    assert indistinct(api.call("GET", f"/customers/{text}")) == unknown
    if text:
        for rest in ("/versions", "/versions/1", "/diff?from=1"):
            assert api.call("GET", f"/customers/{text}{rest}").status == 404


def test_a_merchants_key_has_its_own_customers_and_a_tenants_key_all(
    api: Native, merchant_api: Native, tenancy: Tenancy
) -> None:
    """A merchant's key creates for its merchant and sees that alone; the tenant sees and changes both."""
    own = merchant_api.create(fullName="Own")
    assert own["merchantId"] != tenancy.merchant_id
    assert merchant_api.get(own["id"]).json == own
    assert api.get(own["id"]).json == own
    changed = api.patch(own["id"], {"vip": "1"}).json
    assert changed["merchantId"] == own["merchantId"]
    assert merchant_api.get(own["id"]).json == changed
    assert own["id"] in api.ids(limit=200)


def test_both_dialects_see_what_is_created_here(api: Native, sarah: Json) -> None:
    """It is one record: Trustist's API shows it by its id, with its own names."""
    shown = api.signer.call("GET", f"/v1/customers/{sarah['id']}")
    assert (shown.status, shown.json["firstName"], shown.json["address"]["postalCode"]) == (
        200,
        "Sarah",
        "SW1A 1AA",
    )
    assert json.loads(shown.body)["created"] == sarah["createdAt"][:19] + "Z"
