"""Erasure over real HTTP: planned, held, carried out, proved, and what everybody is answered afterwards.

It is the other side of the wire and must never import customary: certificates are verified by what their
document says of them.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from dialects.signing import new_signer
from merchant import same_bytes, shop
from native.client import GUARDED, SARAH, Json, Native, native
from serving import Answer, Tenancy

ERASING = (
    "create_customer", "read_customers", "update_customer", "erase_customers", "manage_holds",
    "read_customers:unmasked",
)  # fmt: skip
SCRUBBED_SECONDS_MAX = 20.0


@pytest.fixture(scope="session")
def eraser(tenancy: Tenancy) -> Native:
    """A tenant key that may erase and hold."""
    return native(tenancy, *ERASING)


@pytest.fixture
def person(eraser: Native) -> Json:
    """A customer with everything, changed twice."""
    made = eraser.create(**SARAH, **GUARDED, externalId=f"ext-{time.monotonic_ns()}")
    for branch in ("b", "c"):
        assert eraser.patch(made["id"], {"orgId": branch}).status == 200
    return made


def erased(api: Native, customer_id: str, key: str = "") -> Json:
    """Erase a customer and return the certificate."""
    headers = [("Idempotency-Key", key)] if key else []
    answer = api.call("POST", f"/customers/{customer_id}/erasure", {}, headers)
    assert answer.status == 200, answer.body
    certificate: Json = answer.json["certificate"]
    return certificate


def is_signed(certificate: Mapping[str, Any], public_key: str = "") -> bool:
    """Verify a certificate by its document alone: the form, a newline, and the rest as sorted JSON."""
    unsigned = {**certificate, "signature": ""}
    text = json.dumps(unsigned, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    message = f"{certificate['form']}\n{text}".encode()
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key or certificate["publicKey"]))
    try:
        key.verify(bytes.fromhex(certificate["signature"]), message)
    except InvalidSignature:
        return False
    return True


# ── Planned ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("ask", ["GET", "POST"])
def test_a_plan_says_what_would_be_done_and_does_nothing(eraser: Native, person: Json, ask: str) -> None:
    """What is destroyed is counted, what is kept has a date and a rule, and the record is as it was."""
    before = eraser.get(person["id"]).json
    body = {"dryRun": True} if ask == "POST" else None
    answer = eraser.call(ask, f"/customers/{person['id']}/erasure", body)
    assert answer.status == 200
    plan = answer.json["plan"]
    counts = {one["part"]: one["count"] for one in plan["erased"]}
    assert {part: counts[part] for part in ("key", "record", "versions")} == {
        "key": 1, "record": 1, "versions": 2,
    }  # fmt: skip
    assert counts["tags"] == 3
    assert counts["announcements"] == 3
    assert plan["blocked"] == []
    assert {one["part"]: one["ruleId"] for one in plan["kept"]} == {
        "identity": "identity-evidence", "aml": "money-laundering-records", "payments": "payment-records",
    }  # fmt: skip
    assert all(one["count"] == 0 and one["basis"] and one["until"].endswith("Z") for one in plan["kept"])
    assert eraser.get(person["id"]).json == before


def test_a_period_counts_from_the_end_of_the_relationship_if_that_is_on_record(
    eraser: Native, person: Json
) -> None:
    """Without one it counts from the request; a period that is over keeps nothing."""
    eraser.patch(person["id"], {"relationshipEndedAt": "2024-03-01T13:00:00+01:00"})
    assert eraser.get(person["id"]).json["relationshipEndedAt"] == "2024-03-01T12:00:00.000Z"
    plan = eraser.call("GET", f"/customers/{person['id']}/erasure").json["plan"]
    assert {one["part"]: one["until"] for one in plan["kept"]} == {
        "identity": "2029-03-01T12:00:00.000Z",
        "aml": "2029-03-01T12:00:00.000Z",
        "payments": "2030-03-01T12:00:00.000Z",
    }
    eraser.patch(person["id"], {"relationshipEndedAt": "1999-12-31T23:59:59Z"})
    plan = eraser.call("GET", f"/customers/{person['id']}/erasure").json["plan"]
    assert plan["kept"] == []


@pytest.mark.parametrize("wrong", ["yesterday", "2024-02-30T00:00:00Z", "2024-03-01", 5, True])
def test_an_end_that_is_no_instant_is_refused(eraser: Native, person: Json, wrong: object) -> None:
    """It is an instant in the form of RFC 3339, or null; the refusal names the member."""
    answer = eraser.patch(person["id"], {"relationshipEndedAt": wrong})
    assert answer.status == 422
    assert [fault["field"] for fault in answer.json["errors"]] == ["relationshipEndedAt"]
    assert str(wrong).encode() not in answer.body or isinstance(wrong, int)


# ── Held ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_legal_hold_forbids_an_erasure_until_it_is_lifted(eraser: Native, person: Json) -> None:
    """The plan names it, the erasure is a conflict and changes nothing; lifted, it is carried out."""
    path = f"/customers/{person['id']}"
    assert eraser.call("GET", f"{path}/hold").json == {"customerId": person["id"], "held": False}
    held = eraser.call("POST", f"{path}/hold", {"reason": "Court order 17"}).json
    assert (held["held"], held["reason"], held["actor"]) == (True, "Court order 17", eraser.signer.key_id)
    assert eraser.call("GET", f"{path}/hold").json == held
    plan = eraser.call("GET", f"{path}/erasure").json["plan"]
    assert [(one["kind"], one["at"], one["actor"]) for one in plan["blocked"]] == [
        ("hold", held["at"], held["actor"])
    ]
    refused = eraser.call("POST", f"{path}/erasure", {})
    assert refused.status == 409
    assert eraser.get(person["id"]).status == 200
    again = eraser.call("POST", f"{path}/hold", {"reason": "Court order 17"})
    assert (again.status, again.json) == (200, held)
    assert eraser.call("POST", f"{path}/hold", {"reason": "Another"}).status == 409
    assert eraser.call("DELETE", f"{path}/hold").json == {"customerId": person["id"], "held": False}
    assert eraser.call("DELETE", f"{path}/hold").status == 200
    assert is_signed(erased(eraser, person["id"]))


@pytest.mark.parametrize("wrong", [{}, {"reason": ""}, {"reason": " "}, {"reason": "x" * 501}, {"reason": 1}])
def test_a_hold_has_a_reason(eraser: Native, person: Json, wrong: Json) -> None:
    """None, an empty or a too long one is refused, and the customer is not held."""
    assert eraser.call("POST", f"/customers/{person['id']}/hold", wrong).status == 422
    assert eraser.call("GET", f"/customers/{person['id']}/hold").json["held"] is False


def test_the_reason_of_a_hold_is_in_the_trail_of_nobody_who_may_not_see_it(
    tenancy: Tenancy, eraser: Native, person: Json
) -> None:
    """The trail tells who held whom; the reason is sealed in it, and stands nowhere in clear."""
    eraser.call("POST", f"/customers/{person['id']}/hold", {"reason": "Murder on the Orient Express"})
    leaf = next(one for one in reversed(tenancy.trail()) if one["action"] == "customer.held")
    assert (leaf["subject"], leaf["actor"]) == (person["id"], eraser.signer.key_id)
    assert "Orient" not in json.dumps(leaf)
    for path in (tenancy.server.folder / "store").iterdir():
        if path.is_file():
            assert b"Orient" not in path.read_bytes(), path.name


# ── Carried out ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_certificate_says_what_was_destroyed_and_anybody_can_verify_it(
    tenancy: Tenancy, eraser: Native, person: Json
) -> None:
    """It names ids, counts and digests, is signed with the trail's key, and holds for no changed byte."""
    certificate = erased(eraser, person["id"])
    public_key = tenancy.server.printed("audit", "public-key")["publicKey"]
    assert is_signed(certificate, public_key)
    assert certificate["customerId"] == person["id"]
    assert certificate["customerNumber"] == person["customerNumber"]
    assert certificate["tenantId"] == tenancy.tenant_id
    assert certificate["actor"] == eraser.signer.key_id
    counts = {one["part"]: one["count"] for one in certificate["destroyed"]}
    assert (counts["key"], counts["record"], counts["versions"], counts["tags"]) == (1, 1, 2, 3)
    digests = {one["part"]: one["digest"] for one in certificate["destroyed"] if one["digest"]}
    assert set(digests) == {"record", "versions"}
    last = [leaf for leaf in tenancy.trail() if leaf["subject"] == person["id"]]
    assert digests["record"] in {leaf.get("digest") for leaf in last}
    assert last[-1]["action"] == "customer.erased"
    for name, value in certificate.items():
        if name == "signature":
            continue
        changed = (
            value + 1 if isinstance(value, int) else value[:-1] if isinstance(value, list) else f"{value}1"
        )
        if changed != value:
            assert not is_signed({**certificate, name: changed}, public_key), name


def test_certificates_are_a_chain_without_gaps(alone: Tenancy) -> None:
    """Numbers count within the tenant, and each certificate names the digest of the one before."""
    api = native(alone, *ERASING)
    certificates = [erased(api, api.create(fullName=f"Person {number}")["id"]) for number in range(3)]
    assert [one["number"] for one in certificates] == [1, 2, 3]
    previous = "0" * 64
    for certificate in certificates:
        assert certificate["previous"] == previous
        text = json.dumps(certificate, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        previous = hashlib.sha256(text.encode()).hexdigest()
    listed = [one["certificate"] for page in api.listed("/erasures", "erasures", limit=2) for one in page]
    assert listed == certificates


def test_an_erasure_is_carried_out_once(eraser: Native, person: Json) -> None:
    """The same request with the same key gets the same certificate; any other is told that it is gone."""
    path = f"/customers/{person['id']}/erasure"
    key = f"erase-{person['id']}"
    first = erased(eraser, person["id"], key)
    assert erased(eraser, person["id"], key) == first
    again = eraser.call("POST", path, {})
    assert again.status == 410
    assert again.json["erasure"] == {"number": first["number"], "erasedAt": first["erasedAt"]}
    mismatch = eraser.call("POST", path, {"other": 1}, [("Idempotency-Key", key)])
    assert (mismatch.status, mismatch.json["type"]) == (422, "/problems/idempotency-key-reused")
    fetched = eraser.call("GET", path)
    assert (fetched.status, fetched.json["certificate"]) == (200, first)


def test_a_key_that_was_used_for_something_else_erases_nobody(eraser: Native) -> None:
    """An Idempotency-Key belongs to the request that it was used with first."""
    key = [("Idempotency-Key", f"made-{time.monotonic_ns()}")]
    made = eraser.call("POST", "/customers", {"fullName": "A"}, key).json
    refused = eraser.call("POST", f"/customers/{made['id']}/erasure", {}, key)
    assert (refused.status, refused.json["type"]) == (422, "/problems/idempotency-key-reused")
    assert eraser.get(made["id"]).status == 200


def test_what_is_scrubbed_is_said_when_it_is_so(tenancy: Tenancy, eraser: Native, person: Json) -> None:
    """Soon after, the destroyed key is in no file: then, and not before, the erasure says so."""
    erased(eraser, person["id"])
    deadline = time.monotonic() + SCRUBBED_SECONDS_MAX
    while not eraser.call("GET", f"/customers/{person['id']}/erasure").json["scrubbed"]:
        assert time.monotonic() < deadline, "housekeeping scrubs within seconds"
        time.sleep(0.1)


# ── Afterwards ──────────────────────────────────────────────────────────────────────────────────────────

READINGS: Mapping[str, Callable[[Native, str], Answer]] = {
    "get": lambda api, one: api.get(one),
    "at": lambda api, one: api.get(one, at="2026-01-01T00:00:00Z"),
    "patch": lambda api, one: api.patch(one, {"orgId": "x"}),
    "versions": lambda api, one: api.call("GET", f"/customers/{one}/versions"),
    "version": lambda api, one: api.call("GET", f"/customers/{one}/versions/1"),
    "diff": lambda api, one: api.call("GET", f"/customers/{one}/diff?from=1&to=2"),
    "restore": lambda api, one: api.restore(one, 1),
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
