"""Every way of saying no has an answer in each room, in its own form, and stands in ``docs/errors.md``.

The leaves are found, not listed: a new subclass of CustomaryError fails that has no case here, or no row in
the document.
"""

import ast
import importlib
import json
import pkgutil
import re
from collections.abc import Iterator, Mapping
from itertools import chain

import pytest

import customary
from coverage.walked import REQUEST_IDS, refusal
from customary.app.ledger import LedgerBroken, UndoneErasures
from customary.bootstrap.auditing import OlderStore
from customary.cli.refusals import WrongUsage
from customary.domain.errors import (
    Conflict,
    CustomaryError,
    Forbidden,
    Gone,
    IdempotencyMismatch,
    Invalid,
    Malformed,
    NotFound,
    OutcomeUnknown,
    Outdated,
    TooLarge,
    TooMany,
    Unauthenticated,
    Unavailable,
    Violation,
)
from customary.http import fields
from customary.http.exchange import Exchange, NoSuchMethod, NoSuchRoute, Reply
from customary.http.shell import RESPONSE_HEADERS, Errors
from customary.native.errors import TITLES, NativeErrors
from customary.shapes import ConfigurationError
from customary.storage.sqlite.copies import Unsound
from customary.trustist.errors import TrustistErrors
from customary.trustly.errors import TrustlyErrors
from customary.vault.cipher import SealBroken
from customary.vault.rootkey import RootKeyRefused
from merchant import faults
from serving import ROOT, Answer

DETAIL = "for the operator's eyes"
NEVER_AT_A_DOOR = {ConfigurationError, WrongUsage, RootKeyRefused, OlderStore, UndoneErasures, Unsound}
"""What refuses to start a server or to run a command; no request can meet it."""

_HINTED = Unauthenticated(detail=DETAIL, hint="x-tr-date", challenge='Hawk ts="1", tsm="x", error="Stale"')
CASES: Mapping[str, list[CustomaryError]] = {
    "Malformed": [
        *(Malformed(detail=DETAIL, part=part) for part in ("body", "header", "query")),
        Malformed("The body is not valid JSON", detail=DETAIL),
    ],
    "Malformed (media type)": [Malformed(detail=DETAIL, part="header", kind="media_type")],
    "Unauthenticated": [Unauthenticated(detail=DETAIL), _HINTED],
    "TooMany": [TooMany(detail=DETAIL, retry_after_seconds=7)],
    "NoSuchRoute": [NoSuchRoute(detail=DETAIL)],
    "NoSuchMethod": [NoSuchMethod(["GET", "POST"])],
    "Forbidden": [Forbidden(detail=DETAIL)],
    "TooLarge": [TooLarge(detail=DETAIL)],
    "TooLarge (time)": [TooLarge(detail=DETAIL, kind="time")],
    "NotFound": [NotFound(detail=DETAIL)],
    "Gone": [Gone(detail=DETAIL, number=17, at="2026-03-02T09:05:00.120Z")],
    "Invalid": [
        Invalid(
            Violation("a", "required", "a is required"), Violation("a.b", "type", "a.b is"), detail=DETAIL
        ),
    ],
    "Conflict": [Conflict(detail=DETAIL, field=field) for field in ("", "external_id", "customer_number")],
    "IdempotencyMismatch": [IdempotencyMismatch(detail=DETAIL)],
    "Outdated": [Outdated(detail=DETAIL)],
    "Unavailable": [Unavailable(detail=DETAIL, retry_after_seconds=7), LedgerBroken(detail=DETAIL)],
    "OutcomeUnknown": [OutcomeUnknown(detail=DETAIL)],
    "SealBroken": [SealBroken(detail=DETAIL)],
}
ROOMS: Mapping[str, Errors] = {
    "trustly": TrustlyErrors(),
    "trustist": TrustistErrors(),
    "native": NativeErrors(),
}
_HEADERS_TOLD = {"allow", "connection", "retry-after", "www-authenticate"}


def _leaves() -> set[type[CustomaryError]]:
    """Return every class of refusal that the program has, wherever it stands."""
    for module in pkgutil.walk_packages(customary.__path__, "customary."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)

    def below(kind: type[CustomaryError]) -> Iterator[type[CustomaryError]]:
        for one in kind.__subclasses__():
            yield one
            yield from below(one)

    return {one for one in below(CustomaryError) if one.__module__.startswith("customary.")}


def _exchange() -> Exchange:
    return Exchange("GET", b"/", b"/", request_id="r" * 36)


def _answer(room: str, reply: Reply) -> Answer:
    """Return a reply as it would arrive, with what the shell puts before it."""
    fixed = [
        ("Content-Type", reply.content_type or "application/json; charset=utf-8"),
        ("Cache-Control", "no-store"),
        (REQUEST_IDS[room], "r" * 36),
    ]
    sent = [(name.decode(), value.decode()) for name, value in reply.headers]
    return Answer(reply.status, fixed + sent, reply.body)


def _rendered(room: str, error: CustomaryError | None) -> Answer:
    errors, exchange = ROOMS[room], _exchange()
    return _answer(room, errors.internal(exchange) if error is None else errors.rendered(error, exchange))


def _documented() -> dict[str, dict[str, str]]:
    """Return the rows of the table of kinds: for each kind what each room's column says."""
    text = (ROOT / "docs" / "errors.md").read_text("utf-8").split("## Kinds")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")][2:]
    return {
        row[0].replace("`", ""): {"trustly": row[2], "trustist": row[3], "native": row[4]} for row in rows
    }


def _as_documented(room: str, answer: Answer) -> str:
    """Return an answer in the words of the document's table."""
    status, code = refusal(room, answer)
    if room == "trustly":
        domain = answer.json["errors"][0]["domain"].rpartition(".")[2]
        told = f"{status}, {code}, `{domain}`"
    else:
        told = f"{status}, `{code}`"
    named = {name.lower(): name for name, _ in answer.headers}
    headers = [name.title() for name in sorted(named) if name in _HEADERS_TOLD]
    return "; ".join(
        [told, *(f"`{'WWW-Authenticate' if name.startswith('Www') else name}`" for name in headers)]
    )


def test_every_kind_of_refusal_has_a_case() -> None:
    """Each leaf is rendered by some case below, but for those that no request can meet."""
    assert _leaves() - NEVER_AT_A_DOOR == {type(error) for error in chain(*CASES.values())}


def test_every_kind_is_documented() -> None:
    """The document has a row for each kind, and no row for anything else."""
    assert set(_documented()) == {*CASES, "internal error"}


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("kind", [*CASES, "internal error"])
def test_a_refusal_is_rendered_as_documented(room: str, kind: str) -> None:
    """Status, code, domain and headers are those of the document, in the room's own shape, for each case."""
    for error in CASES.get(kind, [None]):
        answer = _rendered(room, error)
        assert _as_documented(room, answer) == _documented()[kind][room]
        assert {name.lower().encode() for name, _ in answer.headers} <= RESPONSE_HEADERS


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("kind", CASES)
def test_what_is_for_the_operator_is_not_rendered(room: str, kind: str) -> None:
    """An answer has the public text or the room's own, and the detail nowhere, headers included."""
    for error in CASES[kind]:
        answer = _rendered(room, error)
        assert DETAIL not in json.dumps([answer.headers, answer.body.decode()])


@pytest.mark.parametrize("kind", CASES)
def test_a_public_text_is_what_the_integrator_reads(kind: str) -> None:
    """Where a room has no words of its own for a kind, the public text of the refusal is its message."""
    own = {"NotFound", "Gone", "Unauthenticated", "SealBroken", "Invalid"}
    for error in CASES[kind]:
        trustly = {
            fault.message for fault in faults(_rendered("trustly", error), _rendered("trustly", error).status)
        }
        trustist = _rendered("trustist", error).json["message"]
        native = _rendered("native", error).json["detail"]
        if kind not in own:
            expected = Unauthenticated.public if kind == "Forbidden" else error.public
            assert (trustly, trustist, native) == ({expected}, error.public, error.public)
        elif kind == "Invalid":
            assert trustly == {violation.message for violation in error.violations}  # type: ignore[attr-defined]  # it is an Invalid
        elif kind == "SealBroken":
            assert error.public not in {*trustly, trustist, native}


@pytest.mark.parametrize("room", ["trustly", "trustist"])
def test_the_vendors_rooms_tell_nobody_that_somebody_was_erased(room: str) -> None:
    """Should they ever hear of it, they answer as for a customer that never was, byte for byte."""
    erased = _rendered(room, Gone(number=17, at="2026-03-02T09:05:00.120Z"))
    assert erased == _rendered(room, NotFound())


def test_a_missing_customer_can_be_400() -> None:
    """The setting changes the status of a missing customer, and of an unknown path it does not."""
    errors = TrustlyErrors(400)
    assert errors.rendered(NotFound(), _exchange()).status == 400
    assert errors.rendered(NoSuchRoute(), _exchange()).status == 404
    assert (
        errors.rendered(NotFound(), _exchange()).body
        == ROOMS["trustly"].rendered(NotFound(), _exchange()).body
    )


def test_every_violation_is_its_own_item() -> None:
    """A room loses none of several violations, and names each by the caller's own path."""
    (error,) = CASES["Invalid"]
    assert [fault["location"] for fault in _rendered("trustly", error).json["errors"]] == ["a", "a.b"]
    assert _rendered("trustist", error).json["errors"] == {"a": ["required"], "a.b": ["type"]}
    assert _rendered("native", error).json["errors"] == [
        {"field": "a", "rule": "required", "message": "a is required"},
        {"field": "a.b", "rule": "type", "message": "a.b is"},
    ]


def test_every_type_of_problem_is_documented_and_used() -> None:
    """The words at the end of our own problems' types are those of the document, and each is rendered."""
    text = (ROOT / "docs" / "errors.md").read_text("utf-8").split("## Types")[1].split("\n## ")[0]
    documented = set(re.findall(r"/problems/([a-z-]+)", text))
    rendered = {str(refusal("native", _rendered("native", None))[1])}
    for error in chain(*CASES.values()):
        rendered.add(str(refusal("native", _rendered("native", error))[1]))
    assert rendered == set(TITLES) == documented


# ── the rules that fields break ──


def _rules_in_use() -> set[str]:
    """Return every rule that the rooms and what they share put into a violation, by reading the source."""
    found = set()
    for path in sorted((ROOT / "src" / "customary").rglob("*.py")):
        if path.parts[-2] not in ("trustly", "trustist", "native", "http"):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("Violation", "fault"):
                rule = node.args[1]
                if isinstance(rule, ast.Constant):
                    found.add(str(rule.value))
    return found


def test_every_rule_is_documented() -> None:
    """The document lists the rules that a violation can name: those of the table, which are those in use."""
    text = (ROOT / "docs" / "errors.md").read_text("utf-8").split("## Rules")[1].split("\n## ")[0]
    rows = dict(re.findall(r"(?m)^\| `(\w+)` \| (.+) \|$", text))
    assert set(rows) == set(fields._MESSAGES) == _rules_in_use()
    for rule, message in fields._MESSAGES.items():
        assert rows[rule].startswith(message)


def test_the_search_for_rules_finds_some() -> None:
    """Rules are found by reading the source: if that finds nothing, the test above holds nothing."""
    assert {"required", "mask", "country"} <= _rules_in_use()
