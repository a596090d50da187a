"""A customer's past through the native API: versions, as-of reads, differences, one brought back."""

import base64
import json
from datetime import UTC, datetime, timedelta
from urllib.parse import quote
from uuid import uuid4

import pytest

from merchant import UNMASKED
from native.client import GUARDED, MASKS, SARAH, Json, Native, faults, native, problem
from serving import Tenancy

CHANGES: tuple[Json, ...] = (
    {"email": "second@example.com"},
    {"address": {"city": "Leeds", "line2": None}, "taxId": "000006790"},
    {"customData": {"a": 1}, "fullName": "S. Johnson"},
    {"address": None, "personId": None},
)


@pytest.fixture
def past(api: Native, sarah: Json) -> list[Json]:
    """Every version of a customer, oldest first, as it was answered when it was current."""
    return [sarah, *(api.patch(sarah["id"], change).json for change in CHANGES)]


def _path(past: list[Json], rest: str) -> str:
    return f"/customers/{past[0]['id']}{rest}"


def _moved(text: str, milliseconds: int) -> str:
    moved = datetime.fromisoformat(text) + timedelta(milliseconds=milliseconds)
    return moved.isoformat(timespec="milliseconds").replace("+00:00", "Z")


# ── versions ──


def test_every_version_is_kept_as_it_was(api: Native, past: list[Json]) -> None:
    """Each answers under its number what was answered when it was made, with its ETag."""
    for version, expected in enumerate(past, 1):
        answer = api.call("GET", _path(past, f"/versions/{version}"))
        assert (answer.status, answer.json) == (200, expected)
        assert answer.header("ETag") == f'"{version}"'


def test_a_history_names_what_changed_newest_first(api: Native, past: list[Json]) -> None:
    """Versions, instants and names of fields; what the first version had is what changed in it."""
    (page,) = api.listed(_path(past, "/versions"), "versions")
    assert [one["version"] for one in page] == [5, 4, 3, 2, 1]
    assert [one["updatedAt"] for one in page] == [one["updatedAt"] for one in past[::-1]]
    assert [set(one["changedFields"]) for one in page] == [
        {"address", "personId"},
        {"fullName", "givenName", "familyName", "customData"},
        {"address", "taxId"},
        {"email"},
        set(SARAH) | set(GUARDED),
    ]


@pytest.mark.parametrize("limit", [1, 2, 4, 5, 200])
def test_a_history_is_read_page_by_page(api: Native, past: list[Json], limit: int) -> None:
    """The pages together are the whole, and what changed is told across their borders too."""
    (whole,) = api.listed(_path(past, "/versions"), "versions")
    pages = list(api.listed(_path(past, "/versions"), "versions", limit=limit))
    assert [one for page in pages for one in page] == whole
    assert len(pages) == -(-5 // limit)


def test_a_history_goes_on_where_it_was_though_versions_come(api: Native, past: list[Json]) -> None:
    """A version that is made meanwhile stands before what was read, and shifts nothing."""
    first = api.call("GET", _path(past, "/versions?limit=2")).json
    api.patch(past[0]["id"], {"vip": "new"})
    rest = list(api.listed(_path(past, "/versions"), "versions", limit=2, cursor=first["nextCursor"]))
    assert [one["version"] for page in rest for one in page] == [3, 2, 1]


@pytest.mark.parametrize(
    "version", ["0", "6", "-1", "01", "+1", "1.0", "x", "", "%31x", "٣", "9" * 15, "9" * 16, "9" * 300]
)
def test_a_version_that_never_was_is_not_found(api: Native, past: list[Json], version: str) -> None:
    """No number, however large, and no other text is more than an unknown version."""
    answer = api.call("GET", _path(past, f"/versions/{quote(version, safe='%')}"))
    assert problem(answer) == (404, "not-found")


@pytest.mark.parametrize("position", ["", "x", "0", "-1", "1.5", "9" * 400])
def test_a_cursor_of_a_history_is_a_version(api: Native, past: list[Json], position: str) -> None:
    """Any other position is none of the list's; of a version past the end there is nothing before it yet."""
    cursor = base64.urlsafe_b64encode(json.dumps(["versions", position], separators=(",", ":")).encode())
    answer = api.call("GET", _path(past, f"/versions?cursor={cursor.rstrip(b'=').decode()}"))
    assert faults(answer) == {"cursor": "cursor"}


# ── as of an instant ──


def test_what_was_known_then_is_the_version_that_was_current(api: Native, past: list[Json]) -> None:
    """From the millisecond of its making up to that of the next, a version is the answer."""
    customer_id = past[0]["id"]
    for expected, after in zip(past, [*past[1:], None], strict=True):
        instants = [expected["updatedAt"]]
        if after is not None:
            instants.append(_moved(after["updatedAt"], -1))
        for at in instants:
            answer = api.get(customer_id, at=at)
            assert (answer.status, answer.json) == (200, expected)
            assert answer.header("ETag") == f'"{expected["version"]}"'
            known = api.get(customer_id, [("If-None-Match", str(answer.header("ETag")))], at=at)
            assert (known.status, known.body) == (304, b"")


def test_an_instant_may_be_written_in_any_way_of_rfc_3339(api: Native, past: list[Json]) -> None:
    """Offsets, lower case and fractions mean the same instant."""
    made = datetime.fromisoformat(past[1]["updatedAt"])
    west = made - timedelta(hours=5, minutes=30)
    for at in (
        past[1]["updatedAt"].lower(),
        past[1]["updatedAt"].replace("Z", "+00:00"),
        past[1]["updatedAt"].replace("Z", "-00:00"),
        past[1]["updatedAt"].replace("Z", "999999Z"),
        west.replace(tzinfo=None).isoformat(timespec="milliseconds") + "-05:30",
    ):
        assert api.get(past[0]["id"], at=at).json == past[1], at


@pytest.mark.parametrize("at", ["1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "1969-12-31T23:59:59.999Z"])
def test_before_its_creation_there_was_no_customer(api: Native, past: list[Json], at: str) -> None:
    """An instant before the first version is answered like an unknown customer."""
    assert problem(api.get(past[0]["id"], at=at)) == (404, "not-found")
    assert problem(api.get(past[0]["id"], at=_moved(past[0]["createdAt"], -1))) == (404, "not-found")


@pytest.mark.parametrize(
    "at",
    [
        "",
        "now",
        "2026-03-01",
        "2026-03-01T12:00:00",
        "2026-03-01 12:00:00Z",
        "2026-03-01T12:00Z",
        "2026-02-30T12:00:00Z",
        "2026-03-01T25:00:00Z",
        "2026-03-01T12:00:60Z",
        "2026-03-01T12:00:00+24:00",
        "2026-03-01T12:00:00+0100",
        "2026-W09-7T12:00:00Z",
        "20260301T120000Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2026-03-01T12:00:00." + "0" * 10 + "Z",
        "٢٠٢٦-03-01T12:00:00Z",
        "1772366400",
        "x" * 3000,
    ],
)
def test_any_other_text_is_no_instant(api: Native, past: list[Json], at: str) -> None:
    """A day, a local time or a number leaves open which instant is meant, so it is refused."""
    assert faults(api.get(past[0]["id"], at=at)) == {"at": "instant"}


def test_what_is_still_to_come_is_refused(api: Native, past: list[Json]) -> None:
    """The answer to a future instant would not stay; but a clock that is a little ahead asks for now."""
    now = datetime.now(UTC)
    for ahead in (timedelta(minutes=5), timedelta(days=1), timedelta(days=365_000)):
        assert faults(api.get(past[0]["id"], at=(now + ahead).isoformat())) == {"at": "future"}
    answer = api.get(past[0]["id"], at=(now + timedelta(seconds=20)).isoformat())
    assert (answer.status, answer.json) == (200, past[-1])
    assert problem(api.call("GET", _path(past, f"?at={past[0]['updatedAt']}&at=x"))) == (400, "malformed")


# ── differences ──


def test_a_difference_names_each_field_with_both_values(api: Native, past: list[Json]) -> None:
    """From one version to another, in either direction; what is not set is null."""
    answer = api.call("GET", _path(past, "/diff?from=1&to=5"))
    assert answer.status == 200
    diff = answer.json
    assert {name: diff[name] for name in ("id", "from", "to")} == {
        "id": past[0]["id"],
        "from": {"version": 1, "updatedAt": past[0]["updatedAt"]},
        "to": {"version": 5, "updatedAt": past[4]["updatedAt"]},
    }
    changes = {one["field"]: (one["from"], one["to"], one["masked"]) for one in diff["changes"]}
    assert changes == {
        "fullName": (None, "S. Johnson", False),
        "givenName": ("Sarah", None, False),
        "familyName": ("Johnson", None, False),
        "email": ("sarah@example.com", "second@example.com", False),
        **{f"address.{part}": (value, None, False) for part, value in SARAH["address"].items()},
        "customData": (SARAH["customData"], {"a": 1, "d": {}}, False),
        "taxId": ("#####6790", "#####6790", True),
        "personId": ("###", None, True),
    }
    back = api.call("GET", _path(past, "/diff?from=5&to=1")).json
    turned = {one["field"]: (one["to"], one["from"], one["masked"]) for one in back["changes"]}
    assert turned == changes


def test_a_guarded_value_that_changed_is_told_though_its_mask_did_not(api: Native, past: list[Json]) -> None:
    """Two tax numbers with one ending have one mask: that they differ is told, and neither is shown."""
    answer = api.call("GET", _path(past, "/diff?from=2&to=3"))
    told = [one for one in answer.json["changes"] if one["masked"]]
    assert told == [{"field": "taxId", "from": MASKS["taxId"], "to": MASKS["taxId"], "masked": True}]
    assert b"123456790" not in answer.body
    assert b"000006790" not in answer.body


def test_a_difference_of_an_address_is_told_part_by_part(api: Native, past: list[Json]) -> None:
    """Only the parts that differ are named; an address that has no part is not the same as none."""
    changes = api.call("GET", _path(past, "/diff?from=2&to=3")).json["changes"]
    parts = {one["field"]: (one["from"], one["to"]) for one in changes if one["field"].startswith("address")}
    assert parts == {"address.line2": ("Flat 4B", None), "address.city": ("London", "Leeds")}
    made = api.create(address={"city": "Leeds"})
    api.patch(made["id"], {"address": {"city": None}})
    api.patch(made["id"], {"address": None})
    changes = api.call("GET", f"/customers/{made['id']}/diff?from=2&to=3").json["changes"]
    assert [(one["field"], one["from"], one["to"]) for one in changes] == [("address", {}, None)]


def test_without_an_end_a_difference_is_to_the_current_version(api: Native, past: list[Json]) -> None:
    """``to`` may be left out; a version differs in nothing from itself."""
    now = api.call("GET", _path(past, "/diff?from=4")).json
    assert now == api.call("GET", _path(past, "/diff?from=4&to=5")).json
    for version in (1, 5):
        same = api.call("GET", _path(past, f"/diff?from={version}&to={version}")).json
        assert same["changes"] == []


def test_json_values_that_python_takes_for_equal_differ(api: Native) -> None:
    """1, 1.0 and true are three values, in custom data as elsewhere."""
    made = api.create(customData={"a": 1})
    api.patch(made["id"], {"customData": {"a": True}})
    answer = api.call("GET", f"/customers/{made['id']}/diff?from=1")
    assert answer.json["changes"] == [
        {"field": "customData", "from": {"a": 1}, "to": {"a": True}, "masked": False}
    ]
    assert b'"from":{"a":1}' in answer.body


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", (422, {"from": "required"})),
        ("?to=1", (422, {"from": "required"})),
        ("?from=", (422, {"from": "type"})),
        ("?from=x&to=1", (422, {"from": "type"})),
        ("?from=1&to=-1", (422, {"to": "type"})),
        ("?from=1&to=1.0", (422, {"to": "type"})),
        ("?from=1&to=%D9%A3", (422, {"to": "type"})),
        ("?from=0&to=1", (404, {})),
        ("?from=1&to=6", (404, {})),
        ("?from=6", (404, {})),
        ("?from=1&to=" + "9" * 400, (404, {})),
        ("?from=1&from=1", (400, {})),
    ],
)
def test_a_difference_is_between_two_versions_that_were(
    api: Native, past: list[Json], query: str, expected: tuple[int, dict[str, str]]
) -> None:
    """What is no number is a fault, a version that never was is not found."""
    answer = api.call("GET", _path(past, f"/diff{query}"))
    assert answer.status == expected[0]
    assert {one["field"]: one["rule"] for one in answer.json.get("errors", [])} == expected[1]


# ── brought back ──


def test_to_restore_makes_a_version_with_the_contents_of_then(api: Native, past: list[Json]) -> None:
    """Every field is as it was, guarded ones too; ids, creation and all versions before it stay."""
    customer_id = past[0]["id"]
    answer = api.restore(customer_id, 1)
    assert (answer.status, answer.header("ETag")) == (200, '"6"')
    restored = answer.json
    assert restored == past[0] | {"version": 6, "updatedAt": restored["updatedAt"]}
    assert restored["updatedAt"] > past[-1]["updatedAt"]
    assert api.get(customer_id).json == restored
    assert api.call("GET", _path(past, "/diff?from=1&to=6")).json["changes"] == []
    for version, expected in enumerate(past, 1):
        assert api.call("GET", _path(past, f"/versions/{version}")).json == expected
    again = api.restore(customer_id, 3).json
    assert again == past[2] | {"version": 7, "updatedAt": again["updatedAt"]}


def test_a_restored_guarded_value_is_the_value_and_no_mask(
    api: Native, tenancy: Tenancy, past: list[Json]
) -> None:
    """Who may see it in clear sees what was stored first."""
    api.restore(past[0]["id"], 1)
    able = tenancy.create_key(*UNMASKED).authorization
    target = f"/api/v1/customers/{past[0]['customerNumber']}"
    shown = tenancy.server.send("GET", target, [("Authorization", able)]).json["customer"]
    assert {name: shown[name] for name in ("taxId", "nationalId", "personId")} == {
        name: GUARDED[name] for name in ("taxId", "nationalId", "personId")
    }


def test_what_is_current_already_is_not_made_again(api: Native, past: list[Json]) -> None:
    """Restoring the current version, or one that says the same, answers the current one unchanged."""
    for version in (5, 5):
        answer = api.restore(past[0]["id"], version)
        assert (answer.status, answer.json, answer.header("ETag")) == (200, past[-1], '"5"')
    api.restore(past[0]["id"], 4)
    answer = api.restore(past[0]["id"], 4)
    assert answer.json["version"] == 6


def test_a_restoration_is_repeated_by_its_key(api: Native, past: list[Json]) -> None:
    """The same key gives the same answer, also after the next change, and restores once."""
    key = [("Idempotency-Key", str(uuid4())), ("If-Match", '"5"')]
    first = api.restore(past[0]["id"], 2, key)
    assert first.json["version"] == 6
    api.patch(past[0]["id"], {"vip": "later"})
    again = api.restore(past[0]["id"], 2, key)
    assert (again.status, again.body, again.header("ETag")) == (200, first.body, '"6"')
    assert api.get(past[0]["id"]).json["version"] == 7


def test_an_external_id_that_another_has_by_now_is_a_conflict(api: Native) -> None:
    """It is unique: the restoration is refused whole, and can be done once the id is free again."""
    taken = str(uuid4())
    one = api.create(externalId=taken, vip="1")
    api.patch(one["id"], {"externalId": None, "vip": "2"})
    other = api.create(externalId=taken)
    assert problem(api.restore(one["id"], 1)) == (409, "conflict")
    assert api.get(one["id"]).json["version"] == 2
    api.patch(other["id"], {"externalId": None})
    assert api.restore(one["id"], 1).json["externalId"] == taken
    assert api.ids(externalId=taken) == [one["id"]]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, {"version": "required"}),
        ({"version": None}, {"version": "required"}),
        ({"version": "1"}, {"version": "type"}),
        ({"version": 1.0}, {"version": "type"}),
        ({"version": True}, {"version": "type"}),
        ({"version": [1]}, {"version": "type"}),
        ({"Version": 1}, {"version": "required"}),
    ],
)
def test_a_version_to_restore_is_named_by_its_number(
    api: Native, past: list[Json], body: Json, expected: dict[str, str]
) -> None:
    """Anything else is a fault of the member."""
    assert faults(api.call("POST", _path(past, "/restore"), body)) == expected


@pytest.mark.parametrize("version", [0, -1, 6, 10**14, 10**18, 2**63 - 1, -(2**63)])
def test_a_version_that_never_was_cannot_be_restored(api: Native, past: list[Json], version: int) -> None:
    """It is not found, and nothing changes."""
    assert problem(api.restore(past[0]["id"], version)) == (404, "not-found")
    assert api.get(past[0]["id"]).json == past[-1]


def test_a_reading_key_sees_the_past_and_brings_nothing_back(tenancy: Tenancy, past: list[Json]) -> None:
    """The past is read with the permission to read, and restored with the one to change."""
    reader = native(tenancy, "read_customers")
    for rest in ("", "/versions", "/versions/1", "/diff?from=1", f"?at={past[0]['updatedAt']}"):
        assert reader.call("GET", _path(past, rest)).status == 200
    assert problem(reader.restore(past[0]["id"], 1)) == (403, "forbidden")
    writer = native(tenancy, "update_customer")
    for rest in ("", "/versions", "/versions/1", "/diff?from=1"):
        assert problem(writer.call("GET", _path(past, rest))) == (403, "forbidden")
    assert writer.restore(past[0]["id"], 1).status == 200
