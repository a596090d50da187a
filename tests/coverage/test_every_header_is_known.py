"""Every header of every kind of answer is on a list: none tells what runs here, none is an accident."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from coverage.walked import (
    ALL_PERMISSIONS,
    BODIES,
    MALFORMED,
    REQUEST_IDS,
    ROOMS,
    UNMASKED,
    WALKED,
    Speaker,
    Voices,
    Walked,
    refusal,
    route_name,
)
from customary.http.shell import RESPONSE_HEADERS
from serving import Answer, Server, make_tenancy, serving

OF_THE_ROOMS = frozenset(name.decode() for name in RESPONSE_HEADERS)
OF_THE_SERVER = frozenset({"date", "connection", "transfer-encoding"})
"""What uvicorn adds by itself."""

OF_THE_PAGES = frozenset(
    {
        "allow",
        "cache-control",
        "content-length",
        "content-security-policy",
        "content-type",
        "cross-origin-opener-policy",
        "etag",
        "location",
        "referrer-policy",
        "x-content-type-options",
    }
)
"""What the pages beside the rooms send: documents, status, metrics."""

PAGES = ("/", "/docs", "/docs/trustly", "/docs/assets/docs.css", "/openapi/native.json")
STATUS = ("/healthz", "/readyz", "/metrics", "/nowhere")


def _names(answer: Answer) -> set[str]:
    return {name.lower() for name, _ in answer.headers}


def _check(answer: Answer, known: frozenset[str]) -> None:
    unknown = _names(answer) - known - OF_THE_SERVER
    assert not unknown, (answer.status, unknown)
    assert "server" not in _names(answer)
    assert "x-powered-by" not in _names(answer)


@pytest.mark.parametrize("walked", WALKED, ids=route_name)
def test_a_good_answer_has_known_headers(voices: Voices, walked: Walked) -> None:
    """What succeeds carries the room's headers and its request id once."""
    permissions = ALL_PERMISSIONS if walked.operation.discloses else ALL_PERMISSIONS - {UNMASKED}
    answer = voices.speaker(walked.room.name, permissions).walk(walked)
    assert answer.status == walked.operation.status
    _check(answer, OF_THE_ROOMS)
    assert answer.header(REQUEST_IDS[walked.room.name])


Make = Callable[[Speaker, str], Answer]

REFUSALS: dict[str, tuple[Make, set[int]]] = {
    "an unknown path": (lambda speaker, prefix: speaker.call("GET", f"{prefix}/nowhere"), {404}),
    "a known path, another method": (
        lambda speaker, prefix: speaker.call("DELETE", f"{prefix}/customers"),
        {405},
    ),
    "a HEAD": (lambda speaker, prefix: speaker.call("HEAD", f"{prefix}/customers"), {405}),
    "an unknown customer": (
        lambda speaker, prefix: speaker.call("GET", f"{prefix}/customers/0000000000"),
        {404},
    ),
    "a body of the wrong shape": (
        lambda speaker, prefix: speaker.call("POST", f"{prefix}/customers", {"address": 1}),
        {400, 422},
    ),
    "a body that is too large": (
        lambda speaker, prefix: speaker.call("POST", f"{prefix}/customers", {"name": "x" * 70_000}),
        {413},
    ),
    "a body that is compressed": (
        lambda speaker, prefix: speaker.call(
            "POST", f"{prefix}/customers", {}, [("Content-Encoding", "gzip")]
        ),
        {400, 415},
    ),
    "a repeated parameter": (
        lambda speaker, prefix: speaker.call(
            "GET", f"{prefix}/customers?externalId=1&orgId=1&externalId=1&orgId=1"
        ),
        {400},
    ),
    "an Idempotency-Key used twice": (lambda speaker, prefix: _key_used_twice(speaker, prefix), {400, 422}),
}


def _key_used_twice(speaker: Speaker, prefix: str) -> Answer:
    key = [("Idempotency-Key", "headers")]
    body = BODIES[f"{speaker.room} POST /customers"]()
    assert speaker.call("POST", f"{prefix}/customers", body, key).status in (200, 201)
    return speaker.call("POST", f"{prefix}/customers?other", body, key)


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("kind", REFUSALS)
def test_a_refusal_has_known_headers(voices: Voices, room: str, kind: str) -> None:
    """What is refused carries no other headers than what succeeds, but for those of the room's refusals."""
    make, statuses = REFUSALS[kind]
    answer = make(voices.usual(room), ROOMS[room].prefix)
    assert answer.status in statuses
    _check(answer, OF_THE_ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_refusal_of_a_stranger_has_known_headers(voices: Voices, room: str) -> None:
    """The door's answers are the room's, too."""
    for headers in ((), (("Authorization", "Basic x"),), (("Authorization", "Hawk x"),)):
        answer = voices.tenancy.server.send("GET", f"{ROOMS[room].prefix}/customers", headers)
        assert answer.status == 401
        _check(answer, OF_THE_ROOMS)


@pytest.fixture(scope="module")
def throttled(command: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Voices]:
    """Speakers with two requests a minute, of which the first went into noticing that they are known."""
    with serving(command, tmp_path_factory.mktemp("throttled"), requests_per_minute="2") as server:
        yield Voices(make_tenancy(server))


@pytest.mark.parametrize("room", ROOMS)
def test_a_throttled_answer_has_known_headers(throttled: Voices, room: str) -> None:
    """A quota that is used up is answered in the room's shape, with the time to wait."""
    speaker = throttled.usual(room)
    answers = [speaker.call("GET", f"{ROOMS[room].prefix}/customers") for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 503 if room == "trustly" else 429]
    assert 1 <= int(answers[-1].header("Retry-After") or 0) <= 60
    for answer in answers:
        _check(answer, OF_THE_ROOMS)


@pytest.mark.parametrize("path", [*PAGES, *STATUS])
def test_a_page_has_known_headers(server: Server, path: str) -> None:
    """The pages beside the rooms have a list of their own, whatever the method."""
    for method in ("GET", "HEAD", "POST"):
        _check(server.send(method, path, body=b"" if method == "POST" else None), OF_THE_PAGES)


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize(
    "after", [b" HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", b" HTTP/1.1\r\nBroken line\r\n\r\n"]
)
def test_a_head_that_is_no_http_is_refused_in_the_rooms_shape(
    server: Server, room: str, after: bytes
) -> None:
    """Whoever asked for a room's path is refused in its words and with its headers, as far as it was read."""
    with server.connect() as connection:
        connection.send_bytes(b"POST " + ROOMS[room].prefix.encode() + b"/customers" + after)
        answer = connection.answer()
    assert refusal(room, answer) == MALFORMED[room]
    assert answer.header("Connection") == "close"
    _check(answer, OF_THE_ROOMS)


def test_bytes_that_are_no_request_have_known_headers(server: Server) -> None:
    """What never reaches a room is answered by the server itself, which does not say what it is."""
    with server.connect() as connection:
        connection.send_bytes(b"NO SUCH THING\r\n\r\n")
        answer = connection.answer()
    assert answer.status == 400
    _check(answer, OF_THE_PAGES)
