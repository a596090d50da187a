"""What the Trustist dialect refuses in a customer, field by field, and that nothing is changed then (S21)."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from dialects.signing import Signer
from serving import Answer

GOOD = {
    "firstName": "Sarah",
    "emailAddress": "sarah@example.com",
    "dateOfBirth": "1985-03-15",
    "address": {"city": "London", "country": "GB"},
}


def faults(answer: Answer) -> dict[str, list[str]]:
    assert answer.status == 400, answer.body
    assert answer.json["code"] == "invalid_request"
    found: dict[str, list[str]] = answer.json["errors"]
    return found


def refused_both_ways(key: Signer, members: dict[str, object]) -> list[str]:
    """Return the fields that create and update refuse alike; nothing is stored by either."""
    customer = key.call("POST", "/v1/customers", GOOD)
    target = f"/v1/customers/{customer.json['id']}"
    total = key.call("GET", "/v1/customers?pageSize=1").header("X-Total-Count")
    created = faults(key.call("POST", "/v1/customers", members))
    updated = faults(key.call("PUT", target, members))
    assert created == updated
    assert key.call("GET", target).body == customer.body
    assert key.call("GET", "/v1/customers?pageSize=1").header("X-Total-Count") == total
    return list(created)


def dated(days_from_today: int) -> str:
    return (datetime.now(UTC).date() + timedelta(days=days_from_today)).isoformat()


@pytest.mark.statement("S21")
@pytest.mark.parametrize(
    "value",
    [
        "15/03/1985",
        "1985-3-15",
        "19850315",
        "1985-W11-5",
        "1985-074",
        "1985-02-30",
        "1900-02-29",
        "0000-01-01",
        "1985-03-15T00:00:00Z",
        " 1985-03-15",
        "1985-03-15\n",
        "１９８５-03-15",
        "",
        dated(2),
        "9999-12-31",
        19850315,
        True,
        ["1985-03-15"],
        {},
    ],
)
def test_a_date_of_birth_is_a_real_past_day(key: Signer, value: object) -> None:
    """S21: strictly ``YYYY-MM-DD``, a day that exists, not in the future; else 400 naming dateOfBirth."""
    assert refused_both_ways(key, {"dateOfBirth": value}) == ["dateOfBirth"]


@pytest.mark.statement("S21")
@pytest.mark.parametrize("value", ["2000-02-29", "0001-01-01", dated(-1)])
def test_a_day_that_exists_is_taken(key: Signer, value: str) -> None:
    """S21, the other side: leap days and very old ones."""
    assert key.call("POST", "/v1/customers", {"dateOfBirth": value}).json["dateOfBirth"] == value


@pytest.mark.statement("S21")
@pytest.mark.parametrize(
    "value",
    ["UK", "GBR", "XX", "G", "", "826", "Great Britain", "G B", "ß", "ﬁ", "ıt", "ＧＢ", "EU", 826, True],
)
def test_a_country_is_a_code_of_iso_3166(key: Signer, value: object) -> None:
    """S21: two letters of ISO 3166-1 alpha-2; else 400 naming address.country."""
    assert refused_both_ways(key, {"address": {"country": value}}) == ["address.country"]


@pytest.mark.statement("S21")
@pytest.mark.parametrize("value", ["GB", "US", "DE", "AX", "TW", "SS"])
def test_a_code_of_iso_3166_is_taken(key: Signer, value: str) -> None:
    """S21, the other side."""
    created = key.call("POST", "/v1/customers", {"address": {"country": value}})
    assert created.json["address"]["country"] == value


@pytest.mark.statement("S21")
@pytest.mark.parametrize(
    "value",
    [
        "sarah",
        "sarah@",
        "@example.com",
        "sarah@@example.com",
        "a@b@c",
        "sa rah@example.com",
        "sarah@example.com ",
        "sarah@exam\u00a0ple.com",
        "sarah\t@example.com",
        "",
        "a" * 250 + "@b.cd",
        5,
        False,
        ["a@b.cd"],
    ],
)
def test_an_email_address_has_one_at_and_no_blanks(key: Signer, value: object) -> None:
    """S21, limits: one ``@`` with something on both sides, no blanks, at most 254; else 400."""
    assert refused_both_ways(key, {"emailAddress": value}) == ["emailAddress"]


@pytest.mark.statement("S21")
@pytest.mark.parametrize("value", ["o'brien+tag@exämple.co.uk", '"odd"@x', "用户@例子.广告"])
def test_unusual_email_addresses_are_taken(key: Signer, value: str) -> None:
    """S21, the other side: no more is asked of an address than that."""
    assert key.call("POST", "/v1/customers", {"emailAddress": value}).json["emailAddress"] == value


@pytest.mark.statement("S21")
def test_every_fault_is_told_at_once(key: Signer) -> None:
    """S21: per-field errors, all of them, each with its rule and none with a value; no missingFields here."""
    canary = "canary-7f3a"
    members = {
        "firstName": 7,
        "lastName": canary + "\u202e",
        "emailAddress": canary,
        "dateOfBirth": canary,
        "address": {"addressLine1": [canary], "city": canary + "x" * 100, "country": canary},
        "orgId": {"canary": canary},
    }
    answer = key.call("POST", "/v1/customers", members)
    assert sorted(faults(answer)) == sorted(
        [
            "firstName",
            "lastName",
            "emailAddress",
            "dateOfBirth",
            "address.addressLine1",
            "address.city",
            "address.country",
            "orgId",
        ]
    )
    assert all(rules for rules in answer.json["errors"].values())
    assert canary.encode() not in answer.body
    assert "missingFields" not in answer.json


@pytest.mark.statement("S21")
@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("firstName", 256),
        ("lastName", 256),
        ("orgId", 100),
        ("addressLine1", 200),
        ("addressLine2", 200),
        ("city", 100),
        ("postalCode", 16),
    ],
)
def test_a_text_has_a_greatest_length(key: Signer, name: str, most: int) -> None:
    """Limits: lengths count characters; the longest is taken, one more is 400."""
    inside = name in ("addressLine1", "addressLine2", "city", "postalCode")
    for length, status in ((most, 200), (most + 1, 400)):
        member = {name: "é" * length}
        answer = key.call("POST", "/v1/customers", {"address": member} if inside else member)
        assert answer.status == status
        assert status == 200 or list(answer.json["errors"]) == [f"address.{name}" if inside else name]


@pytest.mark.statement("S21")
@pytest.mark.parametrize("character", ["\u0007", "\u0085", "\u202e", "\u2066", "\n"])
@pytest.mark.parametrize("name", ["firstName", "lastName", "addressLine1", "city", "postalCode"])
def test_controls_have_no_place_in_names_and_addresses(key: Signer, name: str, character: str) -> None:
    """Limits: no C0 or C1 control and no bidirectional override in names and addresses."""
    member = {name: f"a{character}b"}
    inside = name not in ("firstName", "lastName")
    fields = faults(key.call("POST", "/v1/customers", {"address": member} if inside else member))
    assert list(fields) == [f"address.{name}" if inside else name]


@pytest.mark.statement("S21")
@pytest.mark.parametrize("address", ["London", 5, True, [], [{}]])
def test_an_address_is_an_object(key: Signer, address: object) -> None:
    """S21: an address of another type is 400 naming address."""
    assert refused_both_ways(key, {"address": address}) == ["address"]


@pytest.mark.statement("S21")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        b"{}{}",
        b"\xef\xbb\xbf{}",
        b'{"firstName":"\xff"}',
        b'{"firstName":"\\u0000"}',
        b'{"firstName":"\\ud800"}',
        b'{"a":NaN}',
        b'{"a":1e400}',
        b'{"a":' + b"9" * 30 + b"}",
        b'{"a":' + b"[" * 40 + b"]" * 40 + b"}",
        b'{"a":[' + b",".join([b"0"] * 2500) + b"]}",
        json.dumps({f"m{number}": 0 for number in range(300)}).encode(),
        b'{"firstName":"A","firstName":"A"}',
        b"firstName=Sarah",
    ],
)
def test_what_is_no_json_object_is_refused(key: Signer, body: bytes) -> None:
    """Limits: strict JSON within its bounds, an object at the top; else 400 invalid_request."""
    for method, target in (("POST", "/v1/customers"), ("PUT", "/v1/customers/3kTp9j2mN5xR")):
        answer = key.call(method, target, body=body)
        assert answer.status == (400 if method == "POST" else answer.status)
        assert answer.status in (400, 404)
        assert answer.json["code"] in ("invalid_request", "customer_not_found")
