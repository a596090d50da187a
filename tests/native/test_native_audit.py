"""GET /native/v1/audit: who did what to whom, by conditions, page by page, and for whom the trail is."""

from collections.abc import Callable
from typing import Any

import pytest

from merchant import UNMASKED
from native.client import GUARDED, SARAH, Json, Native, faults, native, problem
from serving import Tenancy

READER = ("create_customer", "read_customers", "update_customer", "read_audit")


@pytest.fixture
def auditor(alone: Tenancy) -> Native:
    """A key that may also read the trail, in a tenant of its own."""
    return native(alone, *READER)


def entries(api: Native, **query: object) -> list[Json]:
    """All entries of a list, page by page."""
    return [one for page in api.listed("/audit", "entries", **query) for one in page]


def actions(found: list[Json]) -> list[str]:
    """What was done, without what the making of a tenant leaves."""
    return [one["action"] for one in found if one["action"].startswith("customer")]


def test_deeds_are_told_newest_first_or_oldest_first(auditor: Native) -> None:
    """Each at once, before and after it is sealed, with who, what, to whom and when, and no value."""
    sarah = auditor.create(**SARAH, **GUARDED)
    auditor.patch(sarah["id"], {"givenName": "Sally"})
    auditor.patch(sarah["id"], {"givenName": "Sally"})
    found = entries(auditor)
    assert actions(found) == ["customer.unchanged", "customer.updated", "customer.created"]
    assert entries(auditor, order="oldest") == found[::-1]
    changed = found[1]
    assert changed["fields"] == ["givenName"] or changed["fields"] == ["given_name"]
    assert {"at", "actor", "action", "subject", "outcome", "fields", "version", "requestId", "digest"} == set(
        changed
    )
    assert (changed["subject"], changed["version"]) == (sarah["id"], 2)
    told = str(found)
    assert not [value for value in (*SARAH.values(), *GUARDED.values(), "Sally") if f"'{value}'" in told]


def test_conditions_and_pages_go_together(alone: Tenancy, auditor: Native) -> None:
    """By customer, actor, action and time; two a page gives what one page gives."""
    other = native(alone)
    one, two = auditor.create(givenName="One"), other.create(givenName="Two")
    for number in range(5):
        auditor.patch(one["id"], {"givenName": f"One {number}"})
        other.patch(two["id"], {"givenName": f"Two {number}"})
    everything = entries(auditor)
    assert entries(auditor, limit=2) == everything
    of_one = entries(auditor, customer=one["id"], limit=3)
    assert {entry["subject"] for entry in of_one} == {one["id"]}
    assert len(of_one) == 6
    made = entries(auditor, action="customer.created", order="oldest")
    assert [entry["subject"] for entry in made] == [one["id"], two["id"]]
    by_other = entries(auditor, actor=made[1]["actor"])
    assert by_other == [entry for entry in everything if entry["subject"] == two["id"]]
    middle = everything[4]["at"]
    assert entries(auditor, since=middle) == [entry for entry in everything if entry["at"] >= middle]
    assert entries(auditor, until=middle, limit=2) == [entry for entry in everything if entry["at"] < middle]
    both = entries(auditor, customer=one["id"], action="customer.created", until="2099-01-01T00:00:00Z")
    assert [entry["action"] for entry in both] == ["customer.created"]
    assert entries(auditor, since="2099-01-01T00:00:00Z") == []


def test_another_tenants_deeds_are_not_told(auditor: Native, foreign_api: Native) -> None:
    """Nor of its customers: an id of another tenant's is like one that nobody has."""
    theirs = foreign_api.create(givenName="Theirs")
    assert theirs["id"] not in str(entries(auditor))
    foreign = auditor.call("GET", f"/audit?customer={theirs['id']}").json
    unknown = auditor.call("GET", "/audit?customer=111111111111").json
    assert foreign == unknown == {"entries": [], "nextCursor": None}


def test_the_trail_is_for_tenants_keys_with_the_permission(alone: Tenancy, auditor: Native) -> None:
    """A merchant's key is refused although it has it, a tenant's without it, too."""
    assert problem(native(alone).call("GET", "/audit")) == (403, "forbidden")
    of_merchant = native(alone, *READER, merchant_id=alone.merchant_id)
    assert problem(of_merchant.call("GET", "/audit")) == (403, "forbidden")


def test_reasons_are_shown_to_who_may_see_guarded_fields(alone: Tenancy, auditor: Native) -> None:
    """Others learn that there is one."""
    seeing = native(alone, *READER, *UNMASKED)
    sarah = auditor.create(givenName="Sarah")
    why = (("X-Reason", "case 17: she called"),)
    assert auditor.patch(sarah["id"], {"givenName": "Sally"}, why).status == 200
    auditor.patch(sarah["id"], {"givenName": "Sue"})
    assert [entry.get("reason") for entry in entries(auditor, customer=sarah["id"])] == [None, True, None]
    shown = [entry.get("reason") for entry in entries(seeing, customer=sarah["id"])]
    assert shown == [None, "case 17: she called", None]


@pytest.mark.parametrize(
    ("query", "broken"),
    [
        ("customer=", {"customer": "min_length"}),
        ("customer=" + "1" * 13, {"customer": "max_length"}),
        ("actor=&action=customer.eaten", {"actor": "min_length", "action": "choice"}),
        ("since=yesterday&until=2026-02-30T00:00:00Z", {"since": "instant", "until": "instant"}),
        ("order=random", {"order": "choice"}),
        ("limit=0", {"limit": "range"}),
        ("cursor=nonsense", {"cursor": "cursor"}),
    ],
)
def test_conditions_that_cannot_be_are_refused(auditor: Native, query: str, broken: dict[str, str]) -> None:
    """Each by its name and the rule."""
    assert faults(auditor.call("GET", f"/audit?{query}")) == broken


def test_a_cursor_is_good_for_its_own_list_alone(auditor: Native, tenant: Callable[..., Tenancy]) -> None:
    """Not for other conditions, another order, another tenant, nor changed in any place."""
    for number in range(3):
        auditor.create(givenName=f"Number {number}")
    path = "/audit?limit=1&action=customer.created"
    cursor: str = auditor.call("GET", path).json["nextCursor"]
    assert auditor.call("GET", f"{path}&cursor={cursor}").status == 200
    other = native(tenant(), *READER)
    wrong: list[Any] = [
        auditor.call("GET", f"/audit?limit=1&cursor={cursor}"),
        auditor.call("GET", f"{path}&order=oldest&cursor={cursor}"),
        other.call("GET", f"{path}&cursor={cursor}"),
    ]
    for place in range(0, len(cursor), 7):
        changed = cursor[:place] + ("A" if cursor[place] != "A" else "B") + cursor[place + 1 :]
        wrong.append(auditor.call("GET", f"{path}&cursor={changed}"))
    for answer in wrong:
        assert faults(answer) == {"cursor": "cursor"}
    assert auditor.call("GET", path).json["nextCursor"] != cursor
