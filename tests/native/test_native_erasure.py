"""Erasure over real HTTP: planned, held, carried out and proved.

It is the other side of the wire and must never import customary.
"""

import hashlib
import json
import time
from datetime import datetime, timedelta, timezone

import pytest

from native.client import Json, Native, faults, native
from native.erasing import ERASING, erased, is_signed
from serving import Tenancy

SCRUBBED_SECONDS_MAX = 20.0


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
    """To the millisecond, whatever the offset it was sent with; without one it counts from the request."""
    ended = person["createdAt"]
    ended_elsewhere = datetime.fromisoformat(ended).astimezone(timezone(timedelta(hours=1))).isoformat()
    eraser.patch(person["id"], {"relationshipEndedAt": ended_elsewhere})
    assert eraser.get(person["id"]).json["relationshipEndedAt"] == ended
    plan = eraser.call("GET", f"/customers/{person['id']}/erasure").json["plan"]
    kept = {one["part"]: (int(one["until"][:4]) - int(ended[:4]), one["until"][10:]) for one in plan["kept"]}
    assert kept == {"identity": (5, ended[10:]), "aml": (5, ended[10:]), "payments": (6, ended[10:])}


def test_a_relationship_ends_between_its_creation_and_now(eraser: Native, person: Json) -> None:
    """Otherwise who may change and erase could have every period over at once; a refusal changes nothing."""
    created = datetime.fromisoformat(person["createdAt"])
    just_before = (created - timedelta(milliseconds=1)).isoformat()
    path = f"/customers/{person['id']}"
    for wrong, rule in (
        ("0001-01-01T00:00:00Z", "before_creation"),
        (just_before, "before_creation"),
        ((created + timedelta(days=1)).isoformat(), "future"),
        ("9999-12-31T23:59:59Z", "future"),
    ):
        answer = eraser.patch(person["id"], {"relationshipEndedAt": wrong})
        assert (answer.status, faults(answer)) == (422, {"relationshipEndedAt": rule})
        if wrong != just_before:  # whose clock is a little slow may say that it ends as it begins
            answer = eraser.call("POST", "/customers", {"relationshipEndedAt": wrong})
            assert (answer.status, faults(answer)) == (422, {"relationshipEndedAt": rule})
    assert eraser.get(person["id"]).json.get("relationshipEndedAt") is None
    assert len(eraser.call("GET", f"{path}/erasure").json["plan"]["kept"]) == 3
    for taken in (person["createdAt"], person["createdAt"], None):
        assert eraser.patch(person["id"], {"relationshipEndedAt": taken}).status == 200


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


def test_the_reason_of_a_hold_may_stand_in_the_header(eraser: Native, person: Json) -> None:
    """As of any deed; where body and header say different things, neither is believed."""
    path = f"/customers/{person['id']}/hold"
    assert eraser.call("POST", path, {"reason": "a"}, [("X-Reason", "b")]).status == 422
    assert (
        eraser.call("POST", path, None, [("X-Reason", "Court order 18")]).json["reason"] == "Court order 18"
    )
    assert eraser.call("DELETE", path, {"reason": "a"}, [("X-Reason", "b")]).status == 422
    assert eraser.call("GET", path).json["held"] is True


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
    mismatch = eraser.call("POST", path, {"dryRun": False}, [("Idempotency-Key", key)])
    assert (mismatch.status, mismatch.json["type"]) == (422, "/problems/idempotency-key-reused")
    fetched = eraser.call("GET", path)
    assert (fetched.status, fetched.json["certificate"]) == (200, first)


@pytest.mark.parametrize(
    ("query", "body", "field"),
    [
        ("", {"dryrun": True}, "body"),
        ("", {"dryRun": False, "dry_run": True}, "body"),
        ("", {"dryRun": "true"}, "dryRun"),
        ("?dryRun=true", None, "query"),
    ],
)
def test_a_misspelt_dry_run_erases_nobody(
    eraser: Native, person: Json, query: str, body: Json | None, field: str
) -> None:
    """What is passed over elsewhere is refused here: there is no way back."""
    refused = eraser.call("POST", f"/customers/{person['id']}/erasure{query}", body)
    assert (refused.status, [one["field"] for one in refused.json["errors"]]) == (422, [field])
    assert eraser.get(person["id"]).status == 200


def test_that_an_erasure_had_a_reason_stays_in_the_trail(
    tenancy: Tenancy, eraser: Native, person: Json
) -> None:
    """It is sealed under the key that is destroyed: that there was one can be told, what it said cannot."""
    path = f"/customers/{person['id']}/erasure"
    assert eraser.call("POST", path, {}, [("X-Reason", "Madame Bovary asked")]).status == 200
    auditor = native(tenancy, "read_audit", "read_customers:unmasked")
    entries = auditor.call("GET", f"/audit?customer={person['id']}").json["entries"]
    assert (entries[0]["action"], entries[0]["reason"]) == ("customer.erased", True)


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
