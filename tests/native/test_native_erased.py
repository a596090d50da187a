"""What everybody is answered once a customer is erased, and what is kept of it by rules.

It is the other side of the wire and must never import customary.
"""

import json
import time
from collections.abc import Callable, Mapping

import pytest

from dialects.signing import new_signer
from merchant import same_bytes, shop
from native.client import GUARDED, SARAH, Json, Native, native
from native.erasing import ERASING, erased
from serving import Answer, Tenancy

SCRUBBED_SECONDS_MAX = 20.0


# ── Afterwards ──────────────────────────────────────────────────────────────────────────────────────────

READINGS: Mapping[str, Callable[[Native, str], Answer]] = {
    "get": lambda api, one: api.get(one),
    "at": lambda api, one: api.get(one, at="2026-01-01T00:00:00Z"),
    "patch": lambda api, one: api.patch(one, {"orgId": "x"}),
    "versions": lambda api, one: api.call("GET", f"/customers/{one}/versions"),
    "version": lambda api, one: api.call("GET", f"/customers/{one}/versions/1"),
    "diff": lambda api, one: api.call("GET", f"/customers/{one}/diff?from=1&to=2"),
    "restore": lambda api, one: api.restore(one, 1),
    "reveal": lambda api, one: api.call("POST", f"/customers/{one}/reveal", {"fields": ["taxId"]}),
    "export": lambda api, one: api.call("GET", f"/customers/{one}/export"),
    "erasure": lambda api, one: api.call("POST", f"/customers/{one}/erasure", {}),
    "plan": lambda api, one: api.call("POST", f"/customers/{one}/erasure", {"dryRun": True}),
    "hold": lambda api, one: api.call("POST", f"/customers/{one}/hold", {"reason": "x"}),
    "release": lambda api, one: api.call("DELETE", f"/customers/{one}/hold"),
    "held": lambda api, one: api.call("GET", f"/customers/{one}/hold"),
}


def test_our_own_api_says_of_an_erased_customer_that_it_is_gone(eraser: Native, person: Json) -> None:
    """Each operation on it answers 410 with the erasure's number and instant, and no other word of it."""
    certificate = erased(eraser, person["id"])
    for name, ask in READINGS.items():
        answer = ask(eraser, person["id"])
        assert answer.status == 410, name
        assert answer.json["type"] == "/problems/gone"
        assert answer.json["erasure"] == {
            "number": certificate["number"],
            "erasedAt": certificate["erasedAt"],
        }
        assert ask(eraser, "3kTp9j2mN5xR").status == 404, name
    assert person["id"] not in eraser.ids(email=SARAH["email"])
    assert person["id"] not in eraser.ids(externalId=person["externalId"])
    assert person["id"] not in eraser.ids(customerNumber=person["customerNumber"])


def test_strangers_are_not_told_that_there_was_somebody(
    tenancy: Tenancy, eraser: Native, foreign_api: Native, person: Json
) -> None:
    """Another tenant, and another merchant of this one, get what an unknown id gets."""
    certificate = erased(eraser, person["id"])
    assert foreign_api.get(person["id"]).status == 404
    other = native(tenancy, *ERASING, merchant_id=tenancy.create_merchant("Strangers"))
    for name, ask in READINGS.items():
        assert ask(other, person["id"]).status == 404, name
    assert other.call("GET", f"/customers/{person['id']}/erasure").status == 404
    numbers = [one["certificate"]["number"] for page in other.listed("/erasures", "erasures") for one in page]
    assert certificate["number"] not in numbers


def test_trustly_answers_as_for_a_customer_that_never_was(tenancy: Tenancy, eraser: Native) -> None:
    """By id, by external id, in lists and in writes by id: byte for byte as for an unknown one."""
    merchant = shop(tenancy)
    made = merchant.create(externalId=f"erase-{time.monotonic_ns()}", email="erased@example.com")
    number, external_id = made["customerId"], made["externalId"]
    (found,) = eraser.ids(customerNumber=number)
    erased(eraser, found)
    unknown = "765342523452345"
    same_bytes(merchant.get(f"/api/v1/customers/{number}"), merchant.get(f"/api/v1/customers/{unknown}"))
    change = {"vip": "1"}
    same_bytes(
        merchant.post(change, f"/api/v1/customers/{number}"),
        merchant.post(change, f"/api/v1/customers/{unknown}"),
    )
    for query in (f"externalId={external_id}", f"customerId={number}"):
        same_bytes(
            merchant.get(f"/api/v1/customers?{query}"),
            merchant.get(f"/api/v1/customers?customerId={unknown}"),
        )
    again = merchant.create(externalId=external_id, name="Somebody Else")
    assert again["customerId"] != number
    assert merchant.get(f"/api/v1/customers?externalId={external_id}").json["customers"] == [again]
    assert "erased@example.com" not in json.dumps(again)


def test_trustist_answers_as_for_a_customer_that_never_was(tenancy: Tenancy, eraser: Native) -> None:
    """By id, GUID and ShortGuid, in lists and their totals: byte for byte as for an unknown one."""
    signer = new_signer(tenancy)
    made = signer.call("POST", "/v1/customers", {"emailAddress": "gone@example.com", "orgId": "gone"}).json
    erased(eraser, made["id"])
    for method, body in (("GET", None), ("PUT", {"orgId": "x"})):
        one = signer.call(method, f"/v1/customers/{made['id']}", body)
        other = signer.call(method, "/v1/customers/3kTp9j2mN5xR", body)
        assert (one.status, _without_ids(one)) == (other.status, _without_ids(other))
    empty = signer.call("GET", "/v1/customers?orgId=nobody-ever")
    assert _without_ids(signer.call("GET", "/v1/customers?orgId=gone")) == _without_ids(empty)


def _without_ids(answer: Answer) -> object:
    body = answer.json
    if isinstance(body, dict):
        body.pop("correlationId", None)
    return body


def test_an_idempotent_answer_of_an_erased_customer_is_not_replayed(tenancy: Tenancy, eraser: Native) -> None:
    """The key with which it was created leads nowhere any more: the same request makes a new customer."""
    merchant = shop(tenancy)
    body = {
        "name": "Replay Me", "address": {"country": "US"}, "phone": "+16505551212", "email": "r@example.com",
    }  # fmt: skip
    key = [("Idempotency-Key", f"create-{time.monotonic_ns()}")]
    first = merchant.post(body, headers=key).json["customer"]["customerId"]
    assert merchant.post(body, headers=key).json["customer"]["customerId"] == first
    (found,) = eraser.ids(customerNumber=first)
    erased(eraser, found)
    assert merchant.post(body, headers=key).json["customer"]["customerId"] != first


def test_names_of_fields_stay_in_the_trail_and_values_nowhere(
    tenancy: Tenancy, eraser: Native, person: Json
) -> None:
    """What was done, when and by whom stays; the trail is intact; no value is left in any file."""
    erased(eraser, person["id"])
    told = [leaf for leaf in tenancy.trail() if leaf["subject"] == person["id"]]
    assert [leaf["action"] for leaf in told] == [
        "customer.created", "customer.updated", "customer.updated", "customer.erased",
    ]  # fmt: skip
    assert "tax_id" in told[0]["fields"]
    assert GUARDED["taxId"] not in json.dumps(told)
    assert tenancy.server.run("audit", "verify").returncode == 0


# ── Rules ───────────────────────────────────────────────────────────────────────────────────────────────


def _rule(**members: str) -> Json:
    rule = {
        "ruleId": "kyc", "covers": "record", "period": "P5Y", "countedFrom": "erasure_requested",
        "basis": "Our policy",
    }  # fmt: skip
    return rule | members


def test_a_part_that_a_rule_covers_is_kept_where_nothing_reads_it(alone: Tenancy) -> None:
    """The record is gone for every API, opens for the operator alone, and the trail tells of that."""
    api = native(alone, *ERASING)
    rules = [_rule(), _rule(ruleId="history", covers="versions", period="P30D")]
    assert api.call("PUT", "/retention", {"rules": rules}).json == {"rules": rules}
    assert api.call("GET", "/retention").json == {"rules": rules}
    person = api.create(**SARAH, **GUARDED)
    api.patch(person["id"], {"orgId": "last"})
    plan = api.call("GET", f"/customers/{person['id']}/erasure").json["plan"]
    assert {one["part"]: (one["count"], one["ruleId"]) for one in plan["kept"]} == {
        "record": (1, "kyc"), "versions": (1, "history"),
    }  # fmt: skip
    certificate = erased(api, person["id"])
    assert {one["part"] for one in certificate["kept"]} == {"record", "versions"}
    assert not {"record", "versions"} & {one["part"] for one in certificate["destroyed"]}
    for name, ask in READINGS.items():
        assert ask(api, person["id"]).status == 410, name
    shown = alone.server.printed("erasure", "show", person["id"], "--tenant", alone.tenant_id, "--kept")
    assert set(shown) == {"record", "versions"}
    assert shown["record"][0]["guarded"]["tax_id"] == GUARDED["taxId"]
    assert shown["record"][0]["particulars"]["org_id"] == "last"
    assert [one["version"] for one in shown["versions"]] == [1]
    told = [leaf["fields"] for leaf in alone.trail() if leaf["action"] == "kept.read"]
    assert told == [["record"], ["versions"]]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"rules": None}, "rules"),
        ({}, "rules"),
        ({"rules": [1]}, "rules.0.ruleId"),
        ({"rules": [_rule(period="five years")]}, "rules.0.period"),
        ({"rules": [_rule(period="P101Y")]}, "rules.0.period"),
        ({"rules": [_rule(covers="key")]}, "rules.0.covers"),
        ({"rules": [_rule(countedFrom="birth")]}, "rules.0.countedFrom"),
        ({"rules": [_rule(ruleId="No Rule")]}, "rules.0.ruleId"),
        ({"rules": [_rule(), _rule(basis="")]}, "rules.1.basis"),
        ({"rules": [_rule(), _rule()]}, "rules"),
        ({"rules": [_rule(ruleId=f"r{number}") for number in range(51)]}, "rules"),
    ],
)
def test_a_rule_that_could_not_be_kept_is_refused(alone: Tenancy, wrong: Json, field: str) -> None:
    """The refusal names the place, and the rules are as they were."""
    api = native(alone, *ERASING)
    before = api.call("GET", "/retention").json
    answer = api.call("PUT", "/retention", wrong)
    assert answer.status == 422, answer.body
    assert field in [fault["field"] for fault in answer.json["errors"]]
    assert api.call("GET", "/retention").json == before


def test_rules_are_the_tenants_and_no_merchant_changes_them(alone: Tenancy) -> None:
    """A merchant's key with every permission may read them and not set them."""
    api = native(alone, *ERASING, merchant_id=alone.merchant_id)
    assert api.call("GET", "/retention").status == 200
    assert api.call("PUT", "/retention", {"rules": []}).status == 403


def test_a_merchants_key_erases_its_own_customers_only(tenancy: Tenancy) -> None:
    """A customer of another merchant is not there for it, and stays."""
    other = native(tenancy, *ERASING, merchant_id=tenancy.create_merchant("Erasers"))
    own = other.create(fullName="Own")
    tenants = native(tenancy, *ERASING)
    foreign = tenants.create(fullName="Foreign")
    assert other.call("POST", f"/customers/{foreign['id']}/erasure", {}).status == 404
    assert tenants.get(foreign["id"]).status == 200
    assert erased(other, own["id"])["merchantNo"] > 1
