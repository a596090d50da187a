"""No input gives a 5xx: whatever comes from whoever holds a key, the server answers it and lives.

The requests are drawn from the documents that the server itself publishes, and from everything that these
forbid; the seed of a run is in its failure.
"""

import json
import os
from collections import Counter
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, note, seed, settings
from hypothesis import strategies as st

from coverage.walked import (
    ALL_PERMISSIONS,
    PLACES,
    ROOMS,
    SCHEMES,
    WALKED,
    Voices,
    Walked,
    filled,
    refusal,
    route_name,
)
from customary.bootstrap.documents import DOCUMENTS
from customary.http.shell import Operation
from dialects.signing import Signer
from serving import Answer, Server, make_tenancy

SEED = int(os.environ.get("FUZZ_SEED") or int.from_bytes(os.urandom(4), "big"))
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES") or 300)
"""For each operation."""

_bounded = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=False,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def _members() -> list[str]:
    """Return every name of a member or a parameter that the published documents have, and some they lack."""
    found: set[str] = set()

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            found.update(node.get("properties", {}))
            if "in" in node and "name" in node:
                found.add(node["name"])
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    for document in DOCUMENTS.values():
        walk(document())
    return sorted(found)


MEMBERS = _members()

_odd = st.sampled_from(
    [
        "",
        "\x00",
        "\ud800",
        "\U0001f600",
        "\u202e",
        "ß",
        "İ",
        "#####6790",
        "#",
        "1985-02-30",
        "0000-01-01",
        "9999-12-31",
        "GB",
        "gb",
        "US",
        "a@b",
        "-0",
        "1e400",
        "NaN",
        "0" * 15,
        "9" * 15,
        "٣" * 10,
        "x" * 257,
        "x" * 5000,
        "../..",
        "%2e%2e",
        "'; --",
    ]
)
_numbers = st.sampled_from(
    [0, -1, 2**31, 2**53, 2**53 + 1, -(2**53), 2**63 - 1, 2**63, -(2**63) - 1, 10**30, 0.1, -0.0, 1e308]
)
_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | _odd | _numbers
_names = st.sampled_from(MEMBERS) | st.text(max_size=12) | _odd
_values = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_names, inner, max_size=5),
    max_leaves=20,
)
_objects = st.dictionaries(st.sampled_from(MEMBERS), _values, max_size=12) | st.dictionaries(_names, _values)
_plausible: dict[str, Any] = {
    "name": "A",
    "address": {"country": "US"},
    "phone": "1",
    "email": "a@example.com",
}
_bodies = (
    st.builds(lambda odd: json.dumps(_plausible | odd).encode(), _objects)
    | st.builds(lambda value: json.dumps(value).encode(), _values)
    | st.builds(
        lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"), _objects
    )
    | st.binary(max_size=200)
    | st.integers(1, 3000).map(lambda depth: b'{"customData":' * depth + b"1" + b"}" * depth)
    | st.integers(1, 5000).map(lambda digits: b'{"enrollDate":' + b"9" * digits + b"}")
)
_texts = st.text(max_size=12) | _odd
_pieces = _texts.map(lambda text: quote(text, safe="", errors="surrogatepass")) | st.sampled_from(
    ["%", "%%", "%zz", "%00", "%ff", "%C3%28", "%ED%A0%80", "=", "&", "&&=&", ";", "+", "%2F", "~"]
)
_queries = st.lists(
    st.tuples(st.sampled_from(MEMBERS) | _pieces, _pieces).map("=".join) | _pieces, max_size=4
).map("&".join)
_header_values = st.text(
    st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=40
)
_headers = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "Content-Type",
                "Content-Encoding",
                "Idempotency-Key",
                "Accept",
                "If-Match",
                "If-None-Match",
                "Cookie",
                "Expect",
                "Origin",
                "Range",
                "X-Forwarded-For",
                "X-Forwarded-Host",
                "x-tr-date",
                "x-tr-content-sha256",
                "x-tr-clientid",
            ]
        ),
        st.sampled_from(["application/json", "text/plain", "gzip", "k1", "*", "100-continue"])
        | _header_values,
    ),
    max_size=3,
)


@pytest.fixture(scope="module")
def fuzzed(server: Server) -> Voices:
    """Speakers of a tenant that only this file writes to."""
    return Voices(make_tenancy(server, "Fuzzed"))


def _check(room: str, answer: Answer) -> None:
    """Demand an answer of the room's own: a result, or a refusal in its shape, and never a failure."""
    assert answer.status < 500, answer.body
    if answer.status >= 400 and answer.body:
        refusal(room, answer)
    elif answer.status in (200, 201):
        json.loads(answer.body)


def _placed(name: str, piece: str, number: str, operation: Operation) -> str:
    """Return what stands at a place of a path: in the first of them anything, or a customer that exists."""
    if name in PLACES:
        return PLACES[name] if piece == number or len(piece) % 2 else piece
    return piece if operation.method == "GET" or piece else number


@pytest.mark.parametrize("walked", WALKED, ids=route_name)
def test_no_request_breaks_a_room(fuzzed: Voices, walked: Walked) -> None:
    """With a good credential, any body, id, query and headers are answered with less than 500.

    The customer is the operation's own, because another operation may erase it.
    """
    room, operation = walked.room.name, walked.operation
    speaker = fuzzed.speaker(room, ALL_PERMISSIONS) if operation.discloses else fuzzed.usual(room)
    number = speaker.new_id()
    signer = Signer(speaker.server, speaker.key.key_id, speaker.key.secret)
    # The ordinary request goes first: by chance alone one that is taken may not be among the others.
    statuses = Counter([speaker.walk(walked).status])
    bodies = _bodies | st.just(json.dumps(walked.body).encode())

    @seed(SEED)
    @_bounded
    @given(bodies, _pieces | st.just(number) | st.just(""), _queries, _headers)
    def fuzz(body: bytes, piece: str, query: str, headers: list[tuple[str, str]]) -> None:
        note(f"FUZZ_SEED={SEED}")
        path = filled(operation.path, lambda name: _placed(name, piece, number, operation))
        needed = walked.query.removeprefix("?")
        asked = "&".join(part for part in (needed, query) if part)
        target = walked.room.prefix + path + (f"?{asked}" if asked else "")
        sent = body if operation.mutates or operation.discloses else None
        if SCHEMES[room] == "hmac":
            content_type = dict(headers).get("Content-Type", "application/json")
            rest = [(name, value) for name, value in headers if name not in ("Content-Type", "Expect")]
            answer = signer.call(operation.method, target, body=sent, content_type=content_type, headers=rest)
        else:
            rest = [(name, value) for name, value in headers if name != "Expect"]
            authorized = [("Authorization", speaker.key.authorization), *rest]
            answer = speaker.server.send(operation.method, target, authorized, sent)
        _check(room, answer)
        statuses[answer.status] += 1

    fuzz()
    assert sum(statuses.values()) >= EXAMPLES
    assert statuses[operation.status], f"nothing was taken, so nothing was tried: {statuses}"
    if operation.mutates:
        assert statuses[400], f"nothing was refused, so nothing was tried: {statuses}"


@pytest.mark.parametrize("room", ROOMS)
def test_what_was_taken_can_be_listed(fuzzed: Voices, room: str) -> None:
    """Nothing that was stored by the other tests keeps any room from showing it."""
    answer = fuzzed.usual(room).call("GET", f"{ROOMS[room].prefix}/customers")
    assert answer.status == 200
    json.loads(answer.body)
