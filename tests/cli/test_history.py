"""The commands about a customer's past: history, show --at, restore."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from command_line import CommandLine

FIRST: dict[str, Any] = {
    "externalId": "joe-1",
    "fullName": "Joe User",
    "email": "joe@example.com",
    "taxId": "123456790",
}
CHANGES: tuple[dict[str, Any], ...] = (
    {"externalId": "joe-1", "email": "new@example.com", "taxId": "000006790"},
    {"externalId": "joe-1", "email": None, "address": {"city": "Leeds"}},
)


def _imported(line: CommandLine, *bodies: dict[str, Any]) -> None:
    for body in bodies:
        (line.folder / "in.ndjson").write_text(json.dumps(body) + "\n")
        line.made("customers", "import", "in.ndjson", "--format", "own")


@pytest.fixture
def joe(line: CommandLine, merchant_id: str) -> dict[str, Any]:
    """A customer with three versions, as it is now."""
    _imported(line, FIRST, *CHANGES)
    (customer,) = line.made("customers", "list")
    assert customer["version"] == 3
    return dict(customer)


def _actions(line: CommandLine) -> list[str]:
    return [leaf["action"] for leaf in line.made("audit", "list")]


def test_a_history_names_what_changed_in_each_version(line: CommandLine, joe: dict[str, Any]) -> None:
    """The newest comes first; fields are named and no value is shown, a guarded one's neither."""
    for spelling in (joe["id"], joe["customerNumber"], joe["guid"]):
        told = line.made("customers", "history", spelling)
        assert [(one["version"], one["changedFields"]) for one in told] == [
            (3, ["email", "address"]),
            (2, ["email", "taxId"]),
            (1, ["fullName", "email", "externalId", "taxId"]),
        ]
    assert told[0]["updatedAt"] == joe["updatedAt"]
    done = line("customers", "history", joe["id"], "--limit", "2")
    assert done.code == 0
    assert [row.split()[0] for row in done.out.splitlines()] == ["VERSION", "3", "2"]
    assert "email, taxId" in done.out
    assert "example.com" not in done.out


def test_a_customer_is_shown_as_it_was(line: CommandLine, joe: dict[str, Any]) -> None:
    """--at shows the version that was current then, in any face, masked."""
    past = line.made("customers", "history", joe["id"])
    for one, email in zip(past[::-1], ("joe@example.com", "new@example.com", None), strict=True):
        shown = line.made("customers", "show", joe["id"], "--at", one["updatedAt"])
        assert (shown["version"], shown.get("email")) == (one["version"], email)
        assert shown["taxId"] == "#####6790"
    at = past[-1]["updatedAt"].replace("Z", "+00:00")
    shown = line.made("customers", "show", joe["customerNumber"], "--at", at, "--face", "trustist")
    assert shown["emailAddress"] == "joe@example.com"


def test_what_was_is_shown_in_clear_only_as_a_deed(line: CommandLine, joe: dict[str, Any]) -> None:
    """--at with --unmasked shows the values of then, and the trail tells of it with the version of then."""
    first = line.made("customers", "history", joe["id"])[-1]["updatedAt"]
    assert "customer.revealed" not in _actions(line)
    shown = line.made("customers", "show", joe["id"], "--at", first, "--unmasked", "--reason", "case 17")
    assert shown["taxId"] == "123456790"
    told = line.made("audit", "list")[-1]
    assert (told["action"], told["version"], told["fields"]) == ("customer.revealed", 1, ["tax_id"])


def test_nothing_is_shown_of_before_its_creation(line: CommandLine, joe: dict[str, Any]) -> None:
    """An instant before the first version is refused, and says since when there is one."""
    done = line("customers", "show", joe["id"], "--at", "1999-12-31T23:59:59Z")
    assert done.code == 1
    assert joe["createdAt"] in done.err


@pytest.mark.parametrize(
    "text", ["yesterday", "2026-03-01", "2026-03-01 12:00:00Z", "2026-02-30T00:00:00Z", ""]
)
def test_an_instant_is_whole_or_wrong_usage(line: CommandLine, joe: dict[str, Any], text: str) -> None:
    """A day, a blank or no offset leaves open which instant is meant."""
    done = line("customers", "show", joe["id"], "--at", text)
    assert (done.code, "RFC 3339" in done.err) == (2, True)


def test_what_is_still_to_come_is_not_shown(line: CommandLine, joe: dict[str, Any]) -> None:
    """What will be known tomorrow nobody can say today."""
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat(timespec="seconds")
    done = line("customers", "show", joe["id"], "--at", tomorrow)
    assert (done.code, "past" in done.err) == (2, True)


def test_an_earlier_version_is_brought_back_as_a_new_one(line: CommandLine, joe: dict[str, Any]) -> None:
    """The contents are those of then, guarded ones too; the versions in between stay, and the trail tells."""
    restored = line.made("customers", "restore", joe["id"], "--version", "1", "--reason", "entered wrongly")
    assert (restored["version"], restored["email"]) == (4, "joe@example.com")
    assert "address" not in restored
    unmasked = line.made("customers", "show", joe["id"], "--unmasked")
    assert unmasked["taxId"] == "123456790"
    past = line.made("customers", "history", joe["id"])
    assert [one["version"] for one in past] == [4, 3, 2, 1]
    assert past[0]["changedFields"] == ["email", "address", "taxId"]
    leaf = next(one for one in line.made("audit", "list") if one["action"] == "customer.restored")
    assert (leaf["outcome"], leaf["version"]) == ("version 1 restored", 4)
    done = line("customers", "restore", joe["id"], "--version", "3")
    assert (done.code, done.out.split()[:2]) == (0, ["Version", "5"])


def test_what_is_current_already_makes_no_version(line: CommandLine, joe: dict[str, Any]) -> None:
    """To bring back what is there changes nothing, and says so."""
    done = line("customers", "restore", joe["id"], "--version", "3")
    assert (done.code, "nothing to do" in done.out) == (0, True)
    assert _actions(line)[-1] == "customer.unchanged"
    assert len(line.made("customers", "history", joe["id"])) == 3


def test_what_cannot_be_brought_back_is_refused(line: CommandLine, joe: dict[str, Any]) -> None:
    """A version that never was, a taken external id, and a number that is none each have their exit code."""
    assert line("customers", "restore", joe["id"], "--version", "4").code == 1
    assert line("customers", "restore", joe["id"], "--version", "0").code == 2
    assert line("customers", "restore", joe["id"], "--version", "9" * 30).code == 2
    assert line("customers", "restore", joe["id"]).code == 2
    assert line("customers", "restore", "3kTp9j2mN5xR", "--version", "1").code == 1
    assert line("customers", "history", "3kTp9j2mN5xR").code == 1
    assert line("customers", "history", joe["id"], "--limit", "0").code == 2
    _imported(line, {"id": joe["id"], "externalId": "joe-2"}, {"externalId": "joe-1", "fullName": "Another"})
    done = line("customers", "restore", joe["id"], "--version", "1", "--json")
    assert (done.code, done.json["error"]["kind"]) == (1, "conflict")


def test_a_sealed_house_has_no_past_either(line: CommandLine, joe: dict[str, Any]) -> None:
    """Without the root key nothing of it can be opened."""
    (line.folder / "customary-data" / "root.key").rename(line.folder / "elsewhere.key")
    for command in (("history", joe["id"]), ("restore", joe["id"], "--version", "1")):
        assert line("customers", *command).code != 0
