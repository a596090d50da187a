"""The commands that list, show, import and export customers."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from command_line import CommandLine

TRUSTLY: dict[str, Any] = {
    "name": "Joe User",
    "email": "joe@example.com",
    "phone": "+12025550100",
    "address": {"country": "US", "address1": "1 Main St", "city": "Austin", "state": "TX", "zip": "73301"},
    "taxId": "123456790",
    "externalId": "joe-1",
    "customData": {"a": [1, {"b": True}]},
    "driverLicense": {"number": "D1234567", "state": "TX"},
}
TRUSTIST: dict[str, Any] = {
    "firstName": "Sarah",
    "lastName": "Johnson",
    "emailAddress": "sarah@example.com",
    "orgId": "branch-london",
}


def written(folder: Path, *lines: object, name: str = "in.ndjson") -> str:
    """Write a file with a line for each object, texts as they are, and return its name."""
    texts = (line if isinstance(line, str) else json.dumps(line) for line in lines)
    (folder / name).write_text("".join(f"{text}\n" for text in texts))
    return name


def counts(report: dict[str, Any]) -> tuple[int, int, int, int]:
    """Return how many lines were created, updated, unchanged and refused."""
    return report["created"], report["updated"], report["unchanged"], report["refused"]


def test_both_forms_are_recognised_and_read_through_both_faces(line: CommandLine, merchant_id: str) -> None:
    """A line is judged by its members; each customer has both faces, whichever form it came in."""
    file = written(line.folder, TRUSTLY, {"customer": {**TRUSTLY, "externalId": "joe-2"}}, TRUSTIST)
    assert counts(line.made("customers", "import", file)) == (3, 0, 0, 0)
    sarah, _, joe = line.made("customers", "list", "--face", "trustist")
    assert (joe["firstName"], joe["lastName"]) == ("Joe", "User")
    assert (sarah["firstName"], sarah["orgId"]) == ("Sarah", "branch-london")
    shown = line.made("customers", "list", "--face", "trustly")
    assert [one["name"] for one in shown] == ["Sarah Johnson", "Joe User", "Joe User"]
    assert {one["merchantId"] for one in shown} == {merchant_id}


def test_importing_the_same_file_again_changes_nothing(line: CommandLine, merchant_id: str) -> None:
    """An import that was cut short is simply started again, also with lines that have no id."""
    nameless = {**TRUSTLY, "email": "jane@example.com"}
    del nameless["externalId"]
    file = written(line.folder, TRUSTLY, nameless, TRUSTIST)
    assert counts(line.made("customers", "import", file)) == (3, 0, 0, 0)
    assert counts(line.made("customers", "import", file)) == (0, 0, 3, 0)
    assert len(line.made("customers", "list")) == 3


def test_an_external_id_is_one_customer_of_its_merchant(line: CommandLine, merchant_id: str) -> None:
    """Lines with one externalId change one customer, within a file and across files."""
    file = written(line.folder, TRUSTLY, {"externalId": "joe-1", "email": "new@example.com"})
    assert counts(line.made("customers", "import", file)) == (1, 1, 0, 0)
    (joe,) = line.made("customers", "list")
    assert (joe["email"], joe["version"]) == ("new@example.com", 2)


def test_lines_go_to_the_merchant_that_is_named(line: CommandLine, tenant_id: str, merchant_id: str) -> None:
    """--merchant goes before the merchant a line names, which goes before the tenant's first."""
    second = line.made("merchant", "create", "Second", "--tenant", tenant_id)["merchantId"]
    file = written(line.folder, {**TRUSTLY, "merchantId": second}, TRUSTLY)
    assert counts(line.made("customers", "import", file)) == (2, 0, 0, 0)
    assert len(line.made("customers", "list", "--merchant", second)) == 1
    assert counts(line.made("customers", "import", file, "--merchant", second)) == (0, 0, 2, 0)
    assert len(line.made("customers", "list", "--merchant", merchant_id)) == 1
    assert line("customers", "import", file, "--merchant", "404").code == 1


def test_refusals_name_line_field_and_rule_and_no_value(line: CommandLine, merchant_id: str) -> None:
    """What is wrong is refused by line, the rest is stored, and the exit code is 1."""
    file = written(
        line.folder,
        {**TRUSTLY, "email": "canary" * 100, "phone": None},
        "{canary",
        TRUSTLY,
        "",
        {"firstName": "canary", "name": "canary"},
        {**TRUSTIST, "emailAddress": "canary"},
        {**TRUSTLY, "externalId": "joe-3", "taxId": "##canary"},
        "[" * 70_000,
    )
    done = line("customers", "import", file, "--json")
    assert done.code == 1
    assert counts(done.json) == (1, 0, 0, 6)
    told = {one["line"]: {(e["field"], e["rule"]) for e in one["errors"]} for one in done.json["refusals"]}
    assert list(told) == [1, 2, 5, 6, 7, 8]
    assert told[1] == {("customer.phone", "required"), ("customer.email", "max_length")}
    assert (told[2], told[5], told[8]) == ({("", "syntax")}, {("", "form")}, {("", "syntax")})
    assert (told[6], told[7]) == ({("emailAddress", "email")}, {("customer.taxId", "mask")})
    plain = line("customers", "import", file)
    assert "line 2: The line is not valid JSON\n" in plain.err
    assert "line 5: members of several forms" in plain.err
    assert "line 6: emailAddress is not an e-mail address\n" in plain.err
    for said in (done, plain):
        assert "canary" not in said.out + said.err


def test_stdin_is_a_file_called_dash(line: CommandLine, merchant_id: str) -> None:
    """- reads what is piped in; a file that is not there is wrong usage."""
    done = line("customers", "import", "-", "--json", stdin=json.dumps(TRUSTLY).encode())
    assert counts(done.json) == (1, 0, 0, 0)
    assert line("customers", "import", "nowhere.ndjson").code == 2


def test_more_lines_than_a_batch_are_all_stored(line: CommandLine, merchant_id: str) -> None:
    """A file of several batches is read to its end, the last batch too; a page is no limit of a list."""
    file = written(line.folder, *({**TRUSTLY, "externalId": f"x{number}"} for number in range(450)))
    assert counts(line.made("customers", "import", file)) == (450, 0, 0, 0)
    assert len(line.made("customers", "list", "--limit", "1000")) == 450
    assert len(line.made("customers", "list", "--limit", "201")) == 201
    assert len(line("customers", "export").out.splitlines()) == 450


def test_an_export_to_a_file_is_its_owners_alone(line: CommandLine, merchant_id: str) -> None:
    """The file is for nobody else to read, and none is ever written over."""
    line.made("customers", "import", written(line.folder, TRUSTLY))
    assert line("customers", "export", "--unmasked", "--out", "all.ndjson").code == 0
    assert stat.S_IMODE((line.folder / "all.ndjson").stat().st_mode) == 0o600
    assert line("customers", "export", "--unmasked", "--out", "all.ndjson").code == 2


def test_the_trail_tells_of_every_export_and_of_what_was_shown_in_clear(
    line: CommandLine, merchant_id: str
) -> None:
    """An export leaves an entry that says how many; unmasked, also one for each customer with such data."""
    line.made("customers", "import", written(line.folder, TRUSTLY, TRUSTIST))
    before = len(line.made("audit", "list"))
    line("customers", "export")
    line("customers", "export", "--unmasked", "--limit", "1")
    line("customers", "show", line.made("customers", "list")[1]["id"], "--unmasked")
    told = [(one["action"], one["outcome"], one["actor"]) for one in line.made("audit", "list")[before:]]
    assert told == [
        ("customers.exported", "2 customers, masked", "cli"),
        ("customers.exported", "1 customers, unmasked", "cli"),
        ("customer.revealed", "done", "cli"),
        ("customer.revealed", "done", "cli"),
    ]


def test_a_customer_is_shown_by_each_of_its_ids(line: CommandLine, merchant_id: str) -> None:
    """Id, number and GUID name one record; masked unless asked otherwise; an unknown one is refused."""
    line.made("customers", "import", written(line.folder, TRUSTLY))
    (joe,) = line.made("customers", "list")
    for spelling in (joe["id"], joe["customerNumber"], joe["guid"]):
        assert line.made("customers", "show", spelling) == joe
    assert joe["taxId"] == "#####6790"
    assert line.made("customers", "show", joe["id"], "--unmasked")["taxId"] == "123456790"
    unmasked = line.made("customers", "show", joe["id"], "--unmasked", "--face", "trustly")
    assert (unmasked["taxId"], unmasked["driverLicense"]["number"]) == ("123456790", "D1234567")
    shown = line("customers", "show", joe["id"])
    assert ["address.city", "Austin"] in [fact.split() for fact in shown.out.splitlines()]
    for unknown in ("1" * 12, "1234567890", "nobody"):
        assert line("customers", "show", unknown).code == 1


def test_several_tenants_must_be_told_apart(line: CommandLine, merchant_id: str) -> None:
    """With a second tenant, list wants --tenant; show looks for the id in all of them."""
    line.made("customers", "import", written(line.folder, TRUSTLY))
    (joe,) = line.made("customers", "list")
    other = line.made("tenant", "create", "Other")["tenantId"]
    assert line("customers", "list").code == 2
    assert line.made("customers", "list", "--tenant", other.upper()) == []
    assert line.made("customers", "show", joe["id"]) == joe
    assert line("customers", "show", joe["id"], "--tenant", other).code == 1


def test_what_somebody_wrote_cannot_steer_the_terminal(line: CommandLine, merchant_id: str) -> None:
    """Control characters in a customer's data are printed as escapes in tables and facts."""
    line.made("customers", "import", written(line.folder, {**TRUSTLY, "email": "\x1b[2Jx\u202e"}))
    (joe,) = line.made("customers", "list")
    for done in (line("customers", "list"), line("customers", "show", joe["id"])):
        assert "\x1b" not in done.out
        assert "\u202e" not in done.out
        assert r"\x1b[2Jx\u202e" in done.out


@pytest.mark.parametrize("limit", ["0", "-1", "x", "100001"])
def test_a_limit_is_a_whole_number(line: CommandLine, merchant_id: str, limit: str) -> None:
    """A limit out of range is wrong usage."""
    assert line("customers", "list", "--limit", limit).code == 2
