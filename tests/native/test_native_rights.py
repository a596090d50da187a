"""Masks, revelations and limits through our own API."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from native.client import GUARDED, MASKS, SARAH, Json, Native, faults, indistinct, native, problem
from serving import Answer, Server, Tenancy, make_tenancy, serving

SEES = ("create_customer", "read_customers", "update_customer", "read_customers:unmasked")
WHY = "case 4711: call back"
BIRTH_MASK = "####-##-##"


@pytest.fixture(scope="module")
def trusted(tenancy: Tenancy) -> Native:
    """A key that may reveal guarded fields."""
    return native(tenancy, *SEES)


def reveal(key: Native, customer: Json, *fields: str, **members: object) -> Answer:
    """Return the answer to a request to reveal these fields."""
    return key.call("POST", f"/customers/{customer['id']}/reveal", {"fields": list(fields)} | members)


def leaves(tenancy: Tenancy, answer: Answer) -> list[Json]:
    """Return what the trail tells of one request."""
    request_id = answer.header("X-Request-Id")
    return [leaf for leaf in tenancy.trail() if leaf.get("requestId") == request_id]


# ── Reveal ──


def test_guarded_fields_are_masks_to_everybody(api: Native, trusted: Native, sarah: Json) -> None:
    """Read, listed, created and changed, with and without the permission to reveal."""
    for key in (api, trusted):
        seen = key.get(sarah["id"]).json
        assert {name: seen[name] for name in MASKS} == MASKS
        changed = key.patch(sarah["id"], {"vip": key.get(sarah["id"]).json["version"].__str__()}).json
        assert {name: changed[name] for name in MASKS} == MASKS
        assert key.create(**GUARDED)["taxId"] == MASKS["taxId"]


@pytest.mark.parametrize(
    "names", [["taxId"], ["nationalId", "licenseNumber"], list(GUARDED), ["dateOfBirth"]]
)
def test_just_the_named_fields_are_revealed(
    tenancy: Tenancy, trusted: Native, sarah: Json, names: list[str]
) -> None:
    """In clear, of the current version; one leaf tells of it, and nothing else of the values."""
    answer = reveal(trusted, sarah, *names, reason=WHY)
    clear = GUARDED | {"dateOfBirth": SARAH["dateOfBirth"]}
    assert answer.json == {
        "id": sarah["id"],
        "version": sarah["version"],
        "values": {name: clear[name] for name in names},
    }
    (leaf,) = leaves(tenancy, answer)
    snake = {"taxId": "tax_id", "nationalId": "national_id", "personId": "person_id"}
    snake |= {"licenseNumber": "license_number", "dateOfBirth": "date_of_birth"}
    assert (leaf["action"], leaf["subject"]) == ("customer.revealed", sarah["id"])
    assert sorted(leaf["fields"]) == sorted(snake[name] for name in names)
    assert not [value for value in (*GUARDED.values(), WHY) if value in str(leaf)]


def test_a_field_without_a_value_is_null_and_told_of(tenancy: Tenancy, api: Native, trusted: Native) -> None:
    """That there is none was asked and answered."""
    answer = reveal(trusted, api.create(vip="1"), "taxId", "dateOfBirth")
    assert answer.json["values"] == {"taxId": None, "dateOfBirth": None}
    assert [leaf["fields"] for leaf in leaves(tenancy, answer)] == [["date_of_birth", "tax_id"]]


def test_to_reveal_takes_the_permission(tenancy: Tenancy, api: Native, trusted: Native, sarah: Json) -> None:
    """And a customer of one's own: a foreign id is answered as an unknown one, and neither leaves a leaf."""
    before = len(tenancy.trail())
    assert problem(reveal(api, sarah, "taxId")) == (403, "forbidden")
    stranger = native(make_tenancy(tenancy.server, "Strangers"), *SEES)
    other = native(tenancy, *SEES, merchant_id=tenancy.create_merchant("Beside"))
    unknown = {"id": "1" * 12}
    answers = [
        reveal(stranger, sarah, "taxId"),
        reveal(other, sarah, "taxId"),
        reveal(trusted, unknown, "taxId"),
    ]
    assert [problem(answer) for answer in answers] == [(404, "not-found")] * 3
    assert len({str(indistinct(answer)) for answer in answers}) == 1
    assert not [leaf for leaf in tenancy.trail()[before:] if leaf["action"].startswith("customer.")]


UNFIT: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({}, {"fields": "required"}),
    ({"fields": None}, {"fields": "required"}),
    ({"fields": "taxId"}, {"fields": "type"}),
    ({"fields": [1]}, {"fields": "type"}),
    ({"fields": [["taxId"]]}, {"fields": "type"}),
    ({"fields": []}, {"fields": "min_length"}),
    ({"fields": ["email"]}, {"fields": "field"}),
    ({"fields": ["taxId", "tax_id"]}, {"fields": "field"}),
    ({"fields": ["taxId"], "reason": 5}, {"reason": "type"}),
    ({"fields": ["taxId"], "reason": ""}, {"reason": "reason"}),
    ({"fields": ["taxId"], "reason": "a\nb"}, {"reason": "reason"}),
    ({"fields": ["taxId"], "reason": "a\u202eb"}, {"reason": "reason"}),
    ({"fields": ["taxId"], "reason": "x" * 501}, {"reason": "max_length"}),
]


@pytest.mark.parametrize(("body", "rules"), UNFIT)
def test_what_asks_amiss_is_shown_nothing(
    trusted: Native, sarah: Json, body: dict[str, Any], rules: dict[str, str]
) -> None:
    """Fields are named by their members, and a reason is one printable line."""
    answer = trusted.call("POST", f"/customers/{sarah['id']}/reveal", body)
    assert faults(answer) == rules
    assert not [value for value in GUARDED.values() if value.encode() in answer.body]


def test_a_reason_may_stand_in_the_header(trusted: Native, sarah: Json) -> None:
    """Or in the body, or in both if they agree."""
    path, body = f"/customers/{sarah['id']}/reveal", {"fields": ["taxId"]}
    header = [("X-Reason", "case%204711")]
    assert trusted.call("POST", path, body, header).status == 200
    assert trusted.call("POST", path, body | {"reason": "case 4711"}, header).status == 200
    assert faults(trusted.call("POST", path, body | {"reason": "case 12"}, header)) == {"reason": "reason"}
    assert problem(trusted.call("POST", path, body, [("X-Reason", "%FF")])) == (400, "malformed")


# ── Masks that come back ──


@pytest.mark.parametrize("permissions", [SEES, SEES[:3]])
def test_read_edit_send_back_stores_no_mask(
    tenancy: Tenancy, trusted: Native, sarah: Json, permissions: tuple[str, ...]
) -> None:
    """A whole record sent back, as PATCH takes it, changes what was edited."""
    key = native(tenancy, *permissions)
    record = key.get(sarah["id"]).json | {"vip": "9"}
    assert key.patch(sarah["id"], record).json["vip"] == "9"
    assert reveal(trusted, sarah, *GUARDED).json["values"] == GUARDED
    assert key.get(sarah["id"]).json["dateOfBirth"] == SARAH["dateOfBirth"]


@pytest.mark.parametrize("mask", ["#####6791", "#########", "#"])
def test_another_mask_is_refused(api: Native, trusted: Native, sarah: Json, mask: str) -> None:
    """On change and on create; so is the mask of any date of birth, where there is none."""
    assert faults(api.patch(sarah["id"], {"taxId": mask, "vip": "1"})) == {"taxId": "mask"}
    assert faults(api.call("POST", "/customers", {"taxId": mask})) == {"taxId": "mask"}
    assert faults(api.call("POST", "/customers", {"dateOfBirth": BIRTH_MASK})) == {"dateOfBirth": "mask"}
    assert reveal(trusted, sarah, "taxId").json["values"] == {"taxId": GUARDED["taxId"]}


# ── Keys of named fields ──

NAMING = {"id", "customerNumber", "guid", "tenantId", "merchantId", "version", "createdAt", "updatedAt"}


@pytest.fixture(scope="module")
def limited(tenancy: Tenancy) -> Native:
    """A key of the names, the e-mail address and masks of two guarded fields, which may do everything."""
    return native(tenancy, *SEES, fields="name,email,taxId:last4,nationalId:masked,personId")


def test_only_named_fields_are_there(limited: Native, sarah: Json) -> None:
    """In a reading, in the past, in a list and in the answers of changes."""
    fields = {name: SARAH[name] for name in ("givenName", "familyName", "email")}
    masks = {"taxId": "#####6790", "nationalId": "######", "personId": "###"}
    answers = [
        limited.get(sarah["id"]),
        limited.get(sarah["id"], at=sarah["updatedAt"]),
        limited.call("GET", f"/customers/{sarah['id']}/versions/1"),
        limited.patch(sarah["id"], {}),
        limited.restore(sarah["id"], 1),
    ]
    listed = [one for page in limited.listed("/customers", "customers") for one in page]
    for seen in [
        *[answer.json for answer in answers],
        next(one for one in listed if one["id"] == sarah["id"]),
    ]:
        assert {name: value for name, value in seen.items() if name not in NAMING} == fields | masks


def test_changes_of_other_fields_are_not_named(api: Native, limited: Native, sarah: Json) -> None:
    """A version is there, and what changed in it is not, unless the key reaches it."""
    api.patch(sarah["id"], {"phone": "+1", "licenseNumber": "X9999999"})
    api.patch(sarah["id"], {"phone": "+2", "email": "b@example.com", "taxId": "111222333"})
    versions = limited.call("GET", f"/customers/{sarah['id']}/versions").json["versions"]
    assert [one["changedFields"] for one in versions[:2]] == [["email", "taxId"], []]
    assert set(versions[2]["changedFields"]) == {
        "givenName",
        "familyName",
        "email",
        "taxId",
        "nationalId",
        "personId",
    }
    changes = limited.call("GET", f"/customers/{sarah['id']}/diff?from=1").json["changes"]
    assert [(one["field"], one["from"], one["to"]) for one in changes] == [
        ("email", SARAH["email"], "b@example.com"),
        ("taxId", "#####6790", "#####2333"),
    ]


def test_what_another_field_was_cannot_be_restored(api: Native, limited: Native, sarah: Json) -> None:
    """To bring a version back is to change what differs."""
    api.patch(sarah["id"], {"phone": "+1"})
    assert problem(limited.restore(sarah["id"], 1)) == (403, "forbidden")
    assert api.get(sarah["id"]).json["phone"] == "+1"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (name, value)
        for name, value in (SARAH | GUARDED | {"relationshipEndedAt": "2026-01-01T00:00:00Z"}).items()
        if name not in ("givenName", "familyName", "email", "taxId", "nationalId", "personId")
    ],
)
def test_another_field_in_a_body_is_refused(
    api: Native, limited: Native, sarah: Json, name: str, value: object
) -> None:
    """With its own value, another and null; on create too."""
    for sent in (value, "1", None):
        assert faults(limited.patch(sarah["id"], {name: sent, "email": "c@example.com"})) == {name: "reach"}
    assert faults(limited.call("POST", "/customers", {name: value})) == {name: "reach"}
    assert api.get(sarah["id"]).json == sarah


def test_a_limited_key_reveals_what_it_is_not_shown_as_a_mask(limited: Native, sarah: Json) -> None:
    """Its own limits are not lifted by the permission; the surface's are."""
    assert reveal(limited, sarah, "personId").json["values"] == {"personId": GUARDED["personId"]}
    for name in ("taxId", "nationalId", "licenseNumber", "dateOfBirth"):
        assert faults(reveal(limited, sarah, "personId", name)) == {"fields": "reach"}


def test_a_limited_key_erases_nobody(tenancy: Tenancy, api: Native, sarah: Json) -> None:
    """An erasure destroys what is out of its reach, so neither plan nor deed is its own."""
    key = native(tenancy, "erase_customers", "read_customers", fields="name,email")
    for body in ({"dryRun": True}, {}):
        assert problem(key.call("POST", f"/customers/{sarah['id']}/erasure", body)) == (403, "forbidden")
    assert problem(key.call("GET", f"/customers/{sarah['id']}/erasure")) == (403, "forbidden")
    assert api.get(sarah["id"]).status == 200


@pytest.mark.parametrize("name", ["externalId", "orgId"])
def test_another_field_is_no_filter(limited: Native, name: str) -> None:
    """An e-mail address, which it sees, is one."""
    assert faults(limited.call("GET", f"/customers?{name}=x")) == {name: "reach"}
    assert limited.call("GET", "/customers?email=sarah@example.com").status == 200
    assert limited.call("GET", "/customers?customerNumber=123456789012345").status == 200


# ── A date of birth that is guarded ──


@pytest.fixture(scope="module")
def guarding(command: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that guards dates of birth and wants reasons."""
    folder = tmp_path_factory.mktemp("guarding")
    with serving(command, folder, date_of_birth_guarded="true", reason_required="true") as running:
        yield running


def test_a_guarded_date_of_birth_is_a_mask_and_can_be_revealed(guarding: Server) -> None:
    """To every key; it comes back unchanged, a change of it is named, and a reason is wanted to see it."""
    tenancy = make_tenancy(guarding)
    key, seer = native(tenancy), native(tenancy, *SEES)
    made = key.create(**SARAH, **GUARDED)
    for one in (key, seer):
        assert one.get(made["id"]).json["dateOfBirth"] == BIRTH_MASK
        assert one.patch(made["id"], one.get(made["id"]).json).json["version"] == 1
    assert faults(reveal(seer, made, "dateOfBirth")) == {"reason": "required"}
    answer = reveal(seer, made, "dateOfBirth", reason=WHY)
    assert answer.json["values"] == {"dateOfBirth": SARAH["dateOfBirth"]}
    key.patch(made["id"], {"dateOfBirth": "1990-01-01"})
    (change,) = key.call("GET", f"/customers/{made['id']}/diff?from=1").json["changes"]
    assert change == {"field": "dateOfBirth", "from": BIRTH_MASK, "to": BIRTH_MASK, "masked": True}
    masked = native(tenancy, *SEES, fields="dateOfBirth:masked")
    assert masked.get(made["id"]).json["dateOfBirth"] == BIRTH_MASK
    assert faults(reveal(masked, made, "dateOfBirth", reason=WHY)) == {"fields": "reach"}
