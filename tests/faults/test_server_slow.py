"""Clients that send slowly, by halves or without end hold nothing up: each is cut off in time.

The slow connections of this file all wait at once, because each waits for ten seconds.
"""

import itertools
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from faults.load import Patient, wait_until_known
from serving import Tenancy, make_tenancy, serving

SECONDS_MIN = 8.0
SECONDS_MAX = 20.0
"""The server gives a head, and a body, ten seconds each."""


@dataclass(frozen=True)
class Cut:
    """How a slow connection ended: after how many seconds, and what was answered."""

    seconds: float
    received: bytes


@pytest.fixture(scope="module")
def tenancy(command: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenancy]:
    """A tenant of a server that meets strange clients."""
    with serving(command, tmp_path_factory.mktemp("slow")) as server:
        yield wait_until_known(make_tenancy(server))


def _head(tenancy: Tenancy, length: int = 1000, prefix: str = "/api/v1") -> bytes:
    return (
        f"POST {prefix}/customers HTTP/1.1\r\nHost: a\r\nAuthorization: {tenancy.key.authorization}\r\n"
        f"Content-Length: {length}\r\n\r\n"
    ).encode()


_STRANGER = b"POST /api/v1/customers HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"
_GOOD = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"

Start = Callable[[Tenancy], bytes]
CASES: dict[str, tuple[Start, bytes, bytes]] = {
    "nothing at all": (lambda _: b"", b"", b""),
    "half a head": (lambda _: b"GET /healthz HT", b"", b""),
    "half a second head": (lambda _: _GOOD + b"GET /healthz HT", b"", b"HTTP/1.1 200"),
    "a head byte by byte": (lambda _: b"GET /healthz HTTP/1.1\r\nX: ", b"x", b""),
    "empty lines": (lambda _: b"\r\n", b"\r\n", b""),
    "empty lines after a request": (lambda _: _GOOD, b"\r\n", b"HTTP/1.1 200"),
    "half a body": (lambda tenancy: _head(tenancy) + b'{"name": "', b"", b"HTTP/1.1 408"),
    "a body byte by byte": (lambda tenancy: _head(tenancy) + b'{"name": "', b"x", b"HTTP/1.1 408"),
    "a stranger's body byte by byte": (lambda _: _STRANGER, b"x", b"HTTP/1.1 401"),
    "a stranger's half body": (lambda _: _STRANGER + b"{", b"", b"HTTP/1.1 401"),
}
"""For each slow client: what it sends at once, what again and again, and how the answer to it begins."""


def _cut(tenancy: Tenancy, name: str) -> Cut:
    """Return how the connection of a slow client ended."""
    start, drop, _ = CASES[name]
    begun = time.monotonic()
    received = b""
    with closing(Patient(tenancy.server.port)) as connection:
        connection.send_bytes(start(tenancy))
        while time.monotonic() < begun + SECONDS_MAX + 5:
            chunk = connection.received_within(0.5)
            if chunk == b"":
                return Cut(time.monotonic() - begun, received)
            received += chunk or b""
            if drop and chunk is None:
                try:
                    connection.send_bytes(drop)
                except OSError:
                    return Cut(time.monotonic() - begun, received)
    raise AssertionError(f"{name}: the connection was never cut; it received {received!r}")


@pytest.fixture(scope="module")
def cuts(tenancy: Tenancy) -> dict[str, Cut]:
    """How each of the slow connections ended, and that a quick one beside them did not."""
    with closing(Patient(tenancy.server.port)) as quick, ThreadPoolExecutor(len(CASES)) as slow:
        assert quick.send("GET", "/healthz").status == 200
        ends = {name: slow.submit(_cut, tenancy, name) for name in CASES}
        found = {name: end.result() for name, end in ends.items()}
        assert quick.send("GET", "/healthz").status == 200, (
            "who keeps quiet between requests is no slow client"
        )
    return found


@pytest.mark.parametrize("name", CASES)
def test_a_slow_client_is_cut_off(cuts: dict[str, Cut], name: str) -> None:
    """Who does not send in time is told so, if a room was asked already, and the connection is closed."""
    cut = cuts[name]
    assert SECONDS_MIN <= cut.seconds <= SECONDS_MAX, cut
    assert cut.received.startswith(CASES[name][2]), cut
    assert bool(cut.received) is bool(CASES[name][2]), cut


def test_a_timeout_is_told_in_the_rooms_shape(cuts: dict[str, Cut]) -> None:
    """The 408 is a refusal like others, and says that the connection ends."""
    head, _, body = cuts["half a body"].received.partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower()
    assert json.loads(body)["errors"][0]["code"] == 200


@pytest.mark.parametrize("piece", [b"x" * 1000, b"x" * 60_000])
@pytest.mark.parametrize("before", [b"", _GOOD])
def test_an_endless_head_is_cut_off(tenancy: Tenancy, piece: bytes, before: bytes) -> None:
    """A head without end costs the server some hundred kilobytes, and the client its connection."""
    with closing(Patient(tenancy.server.port)) as connection:
        connection.send_bytes(before + b"GET /healthz HTTP/1.1\r\nX: ")
        sent = 0
        try:
            for _ in itertools.repeat(None, 20_000_000 // len(piece)):
                connection.send_bytes(piece)
                sent += len(piece)
        except OSError:
            pass
        assert sent < 15_000_000, "most of it lay in the sockets' buffers, not in the server"
        received = connection.rest()
    assert b"x" * 10 not in received


def test_a_head_within_the_limits_may_come_in_pieces(tenancy: Tenancy) -> None:
    """A good request is answered however it is cut up, and so are several in one piece."""
    request = b"GET /readyz HTTP/1.1\r\nHost: a\r\nX-Long: " + b"x" * 3000 + b"\r\n\r\n"
    with closing(Patient(tenancy.server.port)) as connection:
        for byte in (request[start : start + 1] for start in range(200)):
            connection.send_bytes(byte)
        connection.send_bytes(request[200:])
        assert connection.answer().status == 200
        connection.send_bytes(request * 80)
        received = b""
        while received.count(b'"status":"ready"') < 80:
            chunk = connection.received_within(10)
            assert chunk, received[-200:]
            received += chunk
        assert received.count(b"HTTP/1.1 200") == 80


def test_a_body_in_one_piece_with_its_head_is_the_rooms_to_refuse(tenancy: Tenancy) -> None:
    """A body of several hundred kilobytes behind a good head is too large, not the head."""
    body = b'{"name": "' + b"x" * 500_000 + b'"}'
    with closing(Patient(tenancy.server.port)) as connection:
        connection.send_bytes(_head(tenancy, len(body)) + body)
        received = connection.rest()
    assert received.startswith(b"HTTP/1.1 413") or not received, received[:200]
