"""Customers moved from one installation to another: our own form, written by export and read by import."""

import json
from pathlib import Path
from typing import Any

import pytest

from command_line import CommandLine
from customary.bootstrap import demo
from customary.bootstrap.house import House
from customary.config import Settings
from customary.domain.customer import GUARDED_FIELDS, Particulars
from customary.native import wire

TRUSTLY: dict[str, Any] = {
    "name": "Joe User",
    "email": "joe@example.com",
    "phone": "+12025550100",
    "address": {"country": "US", "address1": "1 Main St", "city": "Austin", "state": "TX", "zip": "73301"},
    "taxId": "123456790",
    "nationalId": "1234-A",
    "personId": "p",
    "externalId": "joe-1",
    "enrollDate": 1_600_000_000,
    "vip": "2",
    "organizationNumber": "0",
    "customData": {"a": [1, {"b": True, "c": None}], "d": {}, "e": 1e300, "f": "\u0001"},
    "driverLicense": {"number": "D1234567", "state": "TX"},
}
TRUSTIST: dict[str, Any] = {"firstName": "Sarah Ann", "lastName": "van Johnson", "orgId": "branch-london"}
ALONE: list[dict[str, Any]] = [
    {"firstName": "", "orgId": "empty name"},
    {"lastName": "Alone", "emailAddress": "alone@example.com"},
    {"emailAddress": "nameless@example.com", "address": {"city": None}},
    {"name": "Joe User", "email": "joe@example.com", "phone": "1", "address": {"country": "US"}},
    {"givenName": "Beside a", "nationalId": "12#4", "personId": "#####1234-A"},
]
IDS_AND_TIMES = {
    "id", "customerNumber", "customerId", "guid", "tenantId", "merchantId", "version", "createdAt",
    "updatedAt", "created", "lastUpdated",
}  # fmt: skip


def written(folder: Path, *lines: object) -> str:
    """Write a file with a line for each object, and return its name."""
    (folder / "in.ndjson").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return "in.ndjson"


def counts(report: dict[str, Any]) -> tuple[int, int, int, int]:
    """Return how many lines were created, updated, unchanged and refused."""
    return report["created"], report["updated"], report["unchanged"], report["refused"]


def exported(line: CommandLine, *options: str) -> list[dict[str, Any]]:
    """Return what an export writes, without ids and times."""
    done = line("customers", "export", *options)
    assert done.code == 0, done.err
    customers = [json.loads(text) for text in done.out.splitlines()]
    return [{name: value for name, value in one.items() if name not in IDS_AND_TIMES} for one in customers]


@pytest.fixture
def elsewhere(line: CommandLine) -> tuple[str, ...]:
    """The option for another data folder, with a tenant in it."""
    line.made("tenant", "create", "Elsewhere", "--data", "elsewhere")
    return ("--data", "elsewhere")


def test_all_of_the_demo_arrives_elsewhere_as_it_was(line: CommandLine, elsewhere: tuple[str, ...]) -> None:
    """Unmasked, every customer of both vendors' kinds is made in a fresh tenant, the same in every form."""
    with House(Settings(data=line.folder / "customary-data")) as house:
        demo.prepare(house)
    more = [TRUSTLY, TRUSTIST, *ALONE]
    assert counts(line.made("customers", "import", written(line.folder, *more))) == (len(more), 0, 0, 0)
    assert line("customers", "export", "--unmasked", "--out", "all.ndjson").code == 0
    report = line.made("customers", "import", "all.ndjson", *elsewhere)
    assert counts(report) == (demo.CUSTOMERS + len(more), 0, 0, 0)
    for face in ("own", "trustly", "trustist"):
        options = ("--unmasked", "--face", face)
        there = exported(line, *options, *elsewhere)
        assert there == exported(line, *options)
        assert len(there) == demo.CUSTOMERS + len(more)


def test_an_import_that_is_repeated_changes_nothing(line: CommandLine, elsewhere: tuple[str, ...]) -> None:
    """At home a line is known by its id, elsewhere by its externalId or by what it says."""
    line.made("tenant", "create", "Acme")
    line.made("customers", "import", written(line.folder, TRUSTLY, *ALONE[1:4]))
    line("customers", "export", "--unmasked", "--out", "all.ndjson")
    assert counts(line.made("customers", "import", "all.ndjson")) == (0, 0, 4, 0)
    assert counts(line.made("customers", "import", "all.ndjson", *elsewhere)) == (4, 0, 0, 0)
    assert counts(line.made("customers", "import", "all.ndjson", *elsewhere)) == (0, 0, 4, 0)


@pytest.mark.parametrize("face", ["own", "trustly", "trustist"])
def test_what_was_exported_before_an_erasure_brings_nobody_back(
    line: CommandLine, elsewhere: tuple[str, ...], face: str
) -> None:
    """A line with an id of then is refused in every form; where nobody was erased it is a customer."""
    line.made("tenant", "create", "Acme")
    line.made("customers", "import", written(line.folder, TRUSTLY))
    line("customers", "export", "--unmasked", "--face", face, "--out", "all.ndjson")
    (number,) = [one["customerNumber"] for one in line.made("customers", "list")]
    assert line("erasure", "execute", number).code == 0
    refused = line("customers", "import", "all.ndjson", "--json")
    assert refused.code == 1
    report = refused.json
    assert counts(report) == (0, 0, 0, 1)
    assert report["refusals"][0]["errors"][0]["rule"] == "erased"
    assert line("customers", "export").out == ""
    assert counts(line.made("customers", "import", "all.ndjson", *elsewhere)) == (1, 0, 0, 0)


def test_two_people_of_whom_the_same_is_known_stay_two(line: CommandLine, elsewhere: tuple[str, ...]) -> None:
    """Lines that state different ids are about different people, whatever else they say; also once more."""
    line.made("tenant", "create", "Acme")
    twin = {"email": "twins@example.com", "fullName": "A Twin"}
    more = {**twin, "id": "3kTp9j2mN5xR", "phone": "1"}
    lines = [more, *({**twin, "customerNumber": f"123456789{number}"} for number in range(3))]
    for expected in ((4, 0, 0, 0), (0, 0, 4, 0)):
        report = line.made("customers", "import", written(line.folder, *lines), *elsewhere)
        assert counts(report) == expected


def test_two_people_cannot_have_one_external_id(line: CommandLine, elsewhere: tuple[str, ...]) -> None:
    """Of two merchants' customers that come into one merchant, the second is refused and not merged."""
    lines = [
        {"customerNumber": f"123456789{number}", "externalId": "x", "fullName": name, "merchantId": number}
        for number, name in (("1", "One"), ("2", "Two"))
    ]
    done = line("customers", "import", written(line.folder, *lines), "--json", *elsewhere)
    assert counts(done.json) == (1, 0, 0, 1)
    assert [(one["field"], one["rule"]) for one in done.json["refusals"][0]["errors"]] == [
        ("externalId", "taken")
    ]
    assert [one["fullName"] for one in exported(line, *elsewhere)] == ["One"]


def test_a_mask_is_no_value(line: CommandLine, elsewhere: tuple[str, ...]) -> None:
    """A masked line changes nothing at home; where nothing is behind the mask it is refused, saying why."""
    line.made("tenant", "create", "Acme")
    line.made("customers", "import", written(line.folder, {**TRUSTLY, "nationalId": "1234567"}))
    masked = line("customers", "export").out
    assert json.loads(masked)["taxId"] == "#####6790"
    (line.folder / "masked.ndjson").write_text(masked)
    assert counts(line.made("customers", "import", "masked.ndjson")) == (0, 0, 1, 0)
    (joe,) = exported(line, "--unmasked")
    assert (joe["taxId"], joe["licenseNumber"]) == ("123456790", "D1234567")
    done = line("customers", "import", "masked.ndjson", "--json", *elsewhere)
    assert counts(done.json) == (0, 0, 0, 1)
    errors = done.json["refusals"][0]["errors"]
    assert {(one["field"], one["rule"]) for one in errors} == {
        ("taxId", "mask"), ("nationalId", "mask"), ("personId", "mask"), ("licenseNumber", "mask")
    }  # fmt: skip
    assert (
        "taxId is masked, so there is nothing to store: export with --unmasked"
        in line("customers", "import", "masked.ndjson", *elsewhere).err
    )
    stranger = {**json.loads(masked), "taxId": "#####0000"}
    assert counts(line("customers", "import", written(line.folder, stranger), "--json").json) == (0, 0, 0, 1)


def test_every_field_of_the_record_has_its_place() -> None:
    """A field that is added to the record is written and read, or this says that it is forgotten."""
    assert sorted(map(str, wire.FIELDS.values())) == sorted((*Particulars.__struct_fields__, *GUARDED_FIELDS))
    assert set(wire.FIELDS) <= wire.MEMBERS


def test_only_the_domains_limits_hold(line: CommandLine, elsewhere: tuple[str, ...]) -> None:
    """No vendor's required fields, formats or minimum lengths; but types, lengths and controls are judged."""
    file = written(
        line.folder,
        {"givenName": "Only", "address": {"postalCode": "1", "country": "?"}, "dateOfBirth": "unknown"},
        {"fullName": "x" * 257, "familyName": "a\u202eb", "email": 7, "enrollDate": "canary", "id": 1},
        {"givenName": "canary", "address": {"city": "x" * 101, "line1": ["canary"]}},
        {"givenName": "canary", "address": "canary", "customData": {"a": 2**53}, "externalId": ""},
        {"givenName": "canary", "customData": {"a": "x" * 16_384}},
        {"givenName": "canary", "customData": ["canary"], "taxId": "x" * 257},
    )
    done = line("customers", "import", file, "--json", *elsewhere)
    assert counts(done.json) == (1, 0, 0, 5)
    told = {one["line"]: {(e["field"], e["rule"]) for e in one["errors"]} for one in done.json["refusals"]}
    assert told == {
        2: {("fullName", "max_length"), ("familyName", "control"), ("email", "type"),
            ("enrollDate", "type"), ("id", "type")},
        3: {("address.city", "max_length"), ("address.line1", "type")},
        4: {("address", "type"), ("customData", "integers"), ("externalId", "min_length")},
        5: {("customData", "size")},
        6: {("customData", "type"), ("taxId", "max_length")},
    }  # fmt: skip
    assert "canary" not in done.out + done.err


def test_what_is_left_out_is_kept_and_null_clears(line: CommandLine, elsewhere: tuple[str, ...]) -> None:
    """A line is a change of what is there; customData merge, as they do through the rooms."""
    line.made("customers", "import", written(line.folder, {**TRUSTLY, "customData": {"a": 1}}), *elsewhere)
    (joe,) = line.made("customers", "list", "--unmasked", *elsewhere)
    change = {
        "id": joe["id"], "vip": None, "taxId": None, "address": {"city": None, "region": "NY"},
        "customData": {"b": 2}, "familyName": "Other",
    }  # fmt: skip
    assert counts(line.made("customers", "import", written(line.folder, change), *elsewhere)) == (0, 1, 0, 0)
    (after,) = line.made("customers", "list", "--unmasked", *elsewhere)
    assert (after["givenName"], after["familyName"]) == ("Joe", "Other")
    assert after["customData"] == {"a": 1, "b": 2}
    assert after["address"] == {
        "line1": "1 Main St", "region": "NY", "postalCode": "73301", "country": "US"
    }  # fmt: skip
    assert {"vip", "taxId", "fullName"}.isdisjoint(after)
    assert after["nationalId"] == joe["nationalId"]
    cleared = {"id": joe["id"], "guid": joe["guid"], "address": None, "customData": None}
    assert counts(line.made("customers", "import", written(line.folder, cleared), *elsewhere)) == (0, 1, 0, 0)
    (after,) = line.made("customers", "list", *elsewhere)
    assert {"address", "customData"}.isdisjoint(after)


def test_custom_data_cannot_grow_past_what_a_room_takes(
    line: CommandLine, elsewhere: tuple[str, ...]
) -> None:
    """Lines may not add up to more than one line could say, in bytes or in values."""
    first = {"externalId": "x", "customData": {"a": [0] * 1_500}, "customerNumber": "1234567890"}
    second = {**first, "customData": {"b": [0] * 1_000}}
    done = line("customers", "import", written(line.folder, first, second), "--json", *elsewhere)
    assert counts(done.json) == (1, 0, 0, 1)
    assert done.json["refusals"][0]["errors"][0]["rule"] == "size"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"customerNumber": "1", "firstName": "canary"}, "members of several forms"),
        ({"givenName": "A", "name": "canary"}, "members of several forms"),
        ({"email": "canary", "orgId": "canary"}, "members of several forms"),
        ({"canary": "canary"}, "neither a Trustly nor a Trustist customer"),
    ],
)
def test_a_line_in_no_form_or_in_several_is_told_so(
    line: CommandLine, elsewhere: tuple[str, ...], body: dict[str, Any], told: str
) -> None:
    """What cannot be judged is not guessed at."""
    done = line("customers", "import", written(line.folder, body), *elsewhere)
    assert done.code == 1
    assert f"line 1: {told}" in done.err
    assert "canary" not in done.err


def test_a_form_that_is_named_is_not_judged(line: CommandLine, elsewhere: tuple[str, ...]) -> None:
    """With --format own, members that several forms share are enough."""
    file = written(line.folder, {"email": "a@example.com", "orgId": "b"})
    assert counts(line.made("customers", "import", file, "--format", "own", *elsewhere)) == (1, 0, 0, 0)
    assert exported(line, *elsewhere) == [{"email": "a@example.com", "orgId": "b"}]


def test_an_end_from_elsewhere_may_be_before_the_creation_but_not_to_come(
    line: CommandLine, elsewhere: tuple[str, ...]
) -> None:
    """Here a customer is as old as its import; a later line may bring such an end, too."""
    for at, expected in (
        ("2019-05-01T00:00:00Z", 0),
        ("2018-05-01T00:00:00Z", 0),
        ("9999-01-01T00:00:00Z", 1),
    ):
        body = {"externalId": "ended-1", "relationshipEndedAt": at, "customData": {}}
        done = line("customers", "import", written(line.folder, body), "--json", *elsewhere)
        assert done.code == expected, done.err
    assert done.json["refusals"][0]["errors"][0]["rule"] == "future"
