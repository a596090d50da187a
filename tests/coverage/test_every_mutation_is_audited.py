"""Every deed leaves its leaf, and what is no deed leaves none: read as an operator reads the trail."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pytest

from coverage.walked import (
    ALL_PERMISSIONS,
    BODIES,
    INVALID,
    REQUEST_IDS,
    WALKED,
    Json,
    Speaker,
    Voices,
    Walked,
    route_name,
)
from serving import Answer

MUTATING = [one for one in WALKED if one.operation.mutates]
DISCLOSING = [one for one in WALKED if one.operation.discloses]
READING = [one for one in WALKED if not one.operation.mutates and not one.operation.discloses]
TAX_ID = "987654321"


class Trail:
    """The leaves that were added since it was looked at first."""

    def __init__(self, voices: Voices) -> None:
        self._tenancy = voices.tenancy
        self._after = max((leaf["number"] for leaf in self._tenancy.trail()), default=0)

    def told(self) -> list[Json]:
        """Return the leaves since, oldest first."""
        server, tenant = self._tenancy.server, self._tenancy.tenant_id
        leaves: list[Json] = server.printed("audit", "list", "--tenant", tenant, "--after", str(self._after))
        return leaves


@dataclass(frozen=True)
class Deed:
    """A body that an operation takes, and what the trail then tells of it."""

    body: Json
    action: str
    fields: frozenset[str]
    outcome: str = "done"


_TRUSTLY_PERSON = BODIES["trustly POST /customers"]()
DEEDS: Mapping[str, tuple[Deed, ...]] = {
    "trustly POST /customers": (
        Deed(
            _TRUSTLY_PERSON | {"externalId": "walked-1"},
            "customer.created",
            frozenset({"full_name", "email", "phone", "address", "external_id"}),
        ),
        Deed({"externalId": "walked-1", "taxId": TAX_ID}, "customer.updated", frozenset({"tax_id"})),
        Deed({"externalId": "walked-1", "taxId": TAX_ID}, "customer.unchanged", frozenset()),
    ),
    "trustly POST /customers/{customerId}": (
        Deed({"vip": "2", "customData": {"a": 1}}, "customer.updated", frozenset({"vip", "custom_data"})),
        Deed({"vip": "2"}, "customer.unchanged", frozenset()),
        Deed({}, "customer.unchanged", frozenset()),
    ),
    "trustist POST /customers": (
        Deed({}, "customer.created", frozenset()),
        Deed({"emailAddress": "a@example.com"}, "customer.created", frozenset({"email"})),
    ),
    "trustist PUT /customers/{id}": (
        Deed(
            {"orgId": "b", "address": {"city": "Leeds"}}, "customer.updated", frozenset({"org_id", "address"})
        ),
        Deed({"orgId": "b"}, "customer.unchanged", frozenset()),
    ),
    "native POST /customers": (
        Deed({}, "customer.created", frozenset()),
        Deed({"taxId": TAX_ID}, "customer.created", frozenset({"tax_id"})),
    ),
    "native PATCH /customers/{id}": (
        Deed(
            {"givenName": "A", "address": {"city": "Leeds"}},
            "customer.updated",
            frozenset({"full_name", "given_name", "family_name", "address"}),
        ),
        Deed({"address": {"city": "Leeds"}}, "customer.unchanged", frozenset()),
    ),
    "native POST /customers/{id}/restore": (
        Deed({"version": 1}, "customer.restored", frozenset({"org_id"}), "version 1 restored"),
        Deed({"version": 3}, "customer.unchanged", frozenset()),
    ),
    "native POST /customers/{id}/erasure": (Deed({}, "customer.erased", frozenset()),),
    "native POST /customers/{id}/hold": (Deed({"reason": "Case 17"}, "customer.held", frozenset()),),
    "native DELETE /customers/{id}/hold": (Deed({}, "customer.released", frozenset()),),
    "native PUT /retention": (Deed({"rules": []}, "retention.changed", frozenset()),),
}
"""For each mutating operation: deeds, one after the other on one customer."""

BEFORE: Mapping[str, Callable[[Speaker, str], Answer]] = {
    "native POST /customers/{id}/restore": lambda speaker, target: speaker.call(
        "PATCH", target.removesuffix("/restore"), {"orgId": "since then"}
    ),
    "native DELETE /customers/{id}/hold": lambda speaker, target: speaker.call(
        "POST", target, {"reason": "Case 17"}
    ),
}
"""For each operation that needs it: what is done to the customer before."""

REFUSED: Mapping[str, Json] = {
    "trustly POST /customers": {"name": ""},
    "trustly POST /customers/{customerId}": {"email": None},
    "trustist POST /customers": {"emailAddress": "none"},
    "trustist PUT /customers/{id}": {"dateOfBirth": "1985-02-30"},
    "native POST /customers": {"taxId": "#####6790"},
    "native PATCH /customers/{id}": {"email": 1},
    "native POST /customers/{id}/restore": {"version": "1"},
    "native POST /customers/{id}/erasure": {"dryRun": "yes"},
    "native POST /customers/{id}/hold": {"reason": 17},
    "native DELETE /customers/{id}/hold": {"reason": 17},
    "native PUT /retention": {"rules": {}},
}
"""For each mutating operation: a body that it refuses."""


def _subject(voices: Voices, answer: Answer) -> str:
    """Return the id under which the trail tells of the customer of an answer."""
    found = answer.json
    for name in ("id", "customerId"):
        if name in found:
            return str(found[name])
    if "rules" in found:
        return voices.tenancy.tenant_id
    if "manifest" in found:
        return str(found["manifest"]["customerId"])
    number = found["customer"]["customerId"]
    return str(voices.tenancy.server.printed("customers", "show", number, "--face", "trustist")["id"])


def _own(speaker: Speaker, answer: Answer) -> str:
    request_id = answer.header(REQUEST_IDS[speaker.room])
    assert request_id
    return request_id


@pytest.mark.parametrize("walked", MUTATING, ids=route_name)
def test_each_deed_leaves_its_one_leaf(voices: Voices, walked: Walked) -> None:
    """Created, updated or unchanged: one leaf, of this key, this request and this customer, fields named."""
    speaker = voices.usual(walked.room.name)
    target = walked.target(speaker)
    if walked.name in BEFORE:
        assert BEFORE[walked.name](speaker, target).status == 200
    trail = Trail(voices)
    expected = []
    for deed in DEEDS[walked.name]:
        answer = speaker.call(walked.operation.method, target, deed.body)
        assert answer.status == walked.operation.status, answer.body
        expected.append((deed.action, deed.fields, deed.outcome, _own(speaker, answer)))
    told = trail.told()
    assert [
        (leaf["action"], frozenset(leaf["fields"]), leaf["outcome"], leaf["requestId"]) for leaf in told
    ] == expected
    assert told[-1]["subject"] == _subject(voices, answer)
    assert {(leaf["actor"], leaf["tenantId"]) for leaf in told} == {
        (speaker.key.key_id, voices.tenancy.tenant_id)
    }


def test_the_deeds_are_of_every_kind() -> None:
    """Each room's table has a deed that changes and one that does not, or a kind of leaf would go unseen."""
    actions = {deed.action for deeds in DEEDS.values() for deed in deeds}
    assert actions == {
        "customer.created", "customer.updated", "customer.unchanged", "customer.restored",
        "customer.erased", "customer.held", "customer.released", "retention.changed",
    }  # fmt: skip


@pytest.mark.parametrize("walked", MUTATING, ids=route_name)
def test_what_was_refused_leaves_no_leaf(voices: Voices, walked: Walked) -> None:
    """The trail tells of deeds: a request that was refused, by its body or its key, has done nothing."""
    assert walked.operation.permissions
    speaker = voices.usual(walked.room.name)
    powerless = voices.speaker(walked.room.name, ALL_PERMISSIONS - walked.operation.permissions)
    target = walked.target(speaker)
    trail = Trail(voices)
    refused = speaker.call(walked.operation.method, target, REFUSED[walked.name])
    assert refused.status == INVALID[walked.room.name]
    assert powerless.call(walked.operation.method, target, walked.body).status in (401, 403)
    assert trail.told() == []


@pytest.mark.parametrize("walked", READING, ids=route_name)
def test_a_reading_leaves_no_leaf(voices: Voices, walked: Walked) -> None:
    """Who sees masks has done nothing that the trail must tell of."""
    speaker = voices.usual(walked.room.name)
    target = walked.target(speaker)
    trail = Trail(voices)
    assert speaker.call(walked.operation.method, target).status == walked.operation.status
    assert trail.told() == []


# ── what is shown in clear ──


DISCLOSED: Mapping[str, tuple[str, list[str]]] = {
    "native POST /customers/{id}/reveal": ("customer.revealed", ["tax_id"]),
    "native GET /customers/{id}/export": ("customer.exported", []),
}
"""For each disclosing operation: the action and fields that its leaf tells of."""


@pytest.mark.parametrize("walked", DISCLOSING, ids=route_name)
def test_each_disclosure_leaves_its_one_leaf(voices: Voices, walked: Walked) -> None:
    """Each time it is asked for, of this key, this request and this customer; refused, it leaves none."""
    speaker = voices.speaker(walked.room.name, ALL_PERMISSIONS)
    assert walked.operation.permissions is not None
    powerless = voices.speaker(walked.room.name, ALL_PERMISSIONS - walked.operation.permissions)
    target = walked.target(speaker)
    trail = Trail(voices)
    key = [("Idempotency-Key", "of-a-disclosure")]
    answers = [speaker.call(walked.operation.method, target, walked.body, key) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 200]
    assert powerless.call(walked.operation.method, target, walked.body).status == 403
    told = trail.told()
    assert [(leaf["action"], leaf["fields"]) for leaf in told] == [DISCLOSED[walked.name]] * 2
    assert [leaf["requestId"] for leaf in told] == [_own(speaker, answer) for answer in answers]
    assert {(leaf["subject"], leaf["actor"]) for leaf in told} == {
        (_subject(voices, answers[0]), speaker.key.key_id)
    }


@pytest.mark.parametrize("walked", [one for one in WALKED if one not in DISCLOSING], ids=route_name)
def test_whoever_sees_a_guarded_field_is_told_of(voices: Voices, walked: Walked) -> None:
    """An answer has a guarded value in clear if and only if the trail tells of it, once for each customer."""
    speaker = voices.speaker(walked.room.name)
    guarded = voices.usual("trustly").create(taxId=TAX_ID)
    speaker = voices.speaker(walked.room.name, ALL_PERMISSIONS)
    target = walked.target(speaker)
    if walked.name in ("trustly GET /customers/{customerId}", "trustly POST /customers/{customerId}"):
        target = f"{walked.room.prefix}/customers/{guarded['customerId']}"
    body = walked.body
    if walked.name == "trustly POST /customers":
        assert isinstance(body, dict)
        body["taxId"] = TAX_ID
    trail = Trail(voices)
    answer = speaker.call(walked.operation.method, target, body)
    assert answer.status == walked.operation.status, answer.body
    revealed = [leaf for leaf in trail.told() if leaf["action"] == "customer.revealed"]
    assert len(revealed) == answer.body.count(TAX_ID.encode())
    assert len({leaf["subject"] for leaf in revealed}) == len(revealed)
    for leaf in revealed:
        assert leaf["fields"] == ["tax_id"]
        assert leaf["requestId"] == _own(speaker, answer)
        assert leaf["actor"] == speaker.key.key_id
    assert bool(revealed) is (walked.room.name == "trustly"), "or the test looks at nothing"


def test_whoever_sees_it_again_in_a_replayed_answer_is_told_of(voices: Voices) -> None:
    """An answer that is replayed for its Idempotency-Key shows as much as the first, so it is told of too."""
    speaker = voices.speaker("trustly", ALL_PERMISSIONS)
    body = BODIES["trustly POST /customers"]() | {"taxId": TAX_ID}
    trail = Trail(voices)
    for _ in range(2):
        answer = speaker.call("POST", "/api/v1/customers", body, [("Idempotency-Key", "seen-twice")])
        assert answer.status == 200
        assert TAX_ID.encode() in answer.body
    told = [leaf["action"] for leaf in trail.told()]
    assert told == ["customer.created", "customer.revealed", "customer.revealed"]


def test_a_reading_takes_no_notice_of_an_idempotency_key(voices: Voices) -> None:
    """An Idempotency-Key is for a POST (T26): on a GET it neither refuses nor replays, audited or not."""
    speaker = voices.speaker("trustly", ALL_PERMISSIONS)
    key = [("Idempotency-Key", "of-a-post")]
    body = BODIES["trustly POST /customers"]() | {"taxId": TAX_ID}
    made = speaker.call("POST", "/api/v1/customers", body, key).json["customer"]
    trail = Trail(voices)
    for _ in range(2):
        answer = speaker.call("GET", f"/api/v1/customers/{made['customerId']}", None, key)
        assert (answer.status, answer.json["customer"]) == (200, made)
        assert speaker.call("GET", "/api/v1/customers?count=1", None, key).status == 200
    assert [leaf["action"] for leaf in trail.told()] == ["customer.revealed"] * 4


def test_whoever_exports_unmasked_is_told_of(voices: Voices) -> None:
    """An export is told of before its first line, and what it shows in clear once for each customer."""
    server = voices.tenancy.server
    voices.usual("trustly").create(taxId=TAX_ID)
    for options in ((), ("--unmasked",)):
        trail = Trail(voices)
        done = server.run("customers", "export", "--tenant", voices.tenancy.tenant_id, *options)
        assert done.returncode == 0, done.stderr
        told = [leaf["action"] for leaf in trail.told()]
        assert told.count("customers.exported") == 1
        assert told.count("customer.revealed") == done.stdout.count(TAX_ID)
        assert bool(options) is (TAX_ID in done.stdout)
