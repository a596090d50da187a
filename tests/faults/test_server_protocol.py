"""What lies below a request is bounded: trailers, framing, requests sent ahead, unread answers, connections.

And nobody who has no credential can make the server write a line for it.
"""

import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from faults.load import Patient
from serving import HOST, Answer, Server, Tenancy, make_tenancy, serving

FILES_MAX = 128
CONNECTIONS_MAX = 64
"""Half of the file descriptors, when there are so few."""
FLOOD_BYTES = 40_000_000
HELD_KILOBYTES_MAX = 30_000
WRITE_SECONDS_MIN, WRITE_SECONDS_MAX = 25.0, 60.0
"""The server gives a client thirty seconds to read."""

_GOOD = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
_PAGE = b"GET /openapi/trustly.json HTTP/1.1\r\nHost: a\r\n\r\n"
_H2C = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n"
_WEBSOCKET = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"


@pytest.fixture(scope="module")
def server(command: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that may open few files, and at the end has not written a line for anyone here."""
    folder = tmp_path_factory.mktemp("protocol")
    limited = folder / "limited"
    limited.write_text(f'#!/bin/sh\nulimit -n {FILES_MAX}\nexec "{command}" "$@"\n')
    limited.chmod(0o700)
    with serving(limited, folder / "data") as running:
        yield running
    said = [json.loads(line) for line in running.log.splitlines()]
    assert not [line for line in said if line["level"] not in ("debug", "info")]


@pytest.fixture(scope="module")
def tenancy(server: Server) -> Tenancy:
    """A tenant of that server."""
    return make_tenancy(server)


def _head(tenancy: Tenancy | None, framing: str = "Transfer-Encoding: chunked\r\n") -> bytes:
    authorization = f"Authorization: {tenancy.key.authorization}\r\n" if tenancy else ""
    return f"POST /api/v1/customers HTTP/1.1\r\nHost: a\r\n{authorization}{framing}\r\n".encode()


def _customer(name: str) -> bytes:
    customer = {"name": name, "address": {"country": "US"}, "phone": "+16505551212", "email": "a@example.com"}
    return json.dumps(customer).encode()


def _chunked(body: bytes, chunk_bytes: int) -> bytes:
    pieces = (body[at : at + chunk_bytes] for at in range(0, len(body), chunk_bytes))
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


def _statuses(connection: Patient, count: int) -> list[int]:
    """Return the statuses of so many answers, which may come in one piece."""
    received = b""
    while received.count(b"HTTP/1.1 ") < count:
        chunk = connection.received_within(10)
        assert chunk, received
        received += chunk
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+)", received)]


def _kilobytes_held_most(server: Server) -> int:
    assert server.process is not None
    told = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(told.partition("VmHWM:")[2].split()[0])


def _held(server: Server, connections: list[socket.socket]) -> int:
    """Return how many of the connections the server has accepted and not closed, without reading from them.

    The kernel lists the server's end of each; that which no process has open is of no file, the number 0.
    """
    ports = {connection.getsockname()[1] for connection in connections}
    held = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, *_, file_number = line.split()[:10]
        here, there = (int(end.rpartition(":")[2], 16) for end in (local, remote))
        held += here == server.port and there in ports and file_number != "0"
    return held


def _sent_until_cut(connection: Patient, piece: bytes) -> int:
    """Return how many bytes were taken until the server cut the connection; all of a flood if it did not."""
    sent = 0
    with contextlib.suppress(OSError):
        while sent < FLOOD_BYTES:
            connection.send_bytes(piece)
            sent += len(piece)
    return sent


# ── trailers and framing ──

FLOODS = {
    "trailers": (b"0\r\n", b"a:b\r\n" * 2000),
    "one trailer": (b"0\r\nx: ", b"x" * 10_000),
    "a trailer's name": (b"0\r\n", b"x" * 10_000),
    "a chunk's extension": (b"1", b";x=y" * 2000),
    "trailers behind a body": (_chunked(b" " * 60_000, 60_000) + b"0\r\n", b"a:b\r\n" * 2000),
}


@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize("name", FLOODS)
def test_what_surrounds_a_body_has_an_end(tenancy: Tenancy, name: str, is_known: bool) -> None:
    """Trailers and extensions of chunks are bounded as heads are, also when the request was answered."""
    start, piece = FLOODS[name]
    before = _kilobytes_held_most(tenancy.server)
    with closing(Patient(tenancy.server.port)) as connection:
        connection.send_bytes(_head(tenancy if is_known else None) + start)
        if not is_known:
            assert connection.answer().status == 401
        assert _sent_until_cut(connection, piece) < FLOOD_BYTES / 2, "most of it lay in the sockets' buffers"
    assert _kilobytes_held_most(tenancy.server) - before < HELD_KILOBYTES_MAX


def test_too_many_trailers_are_refused_in_the_rooms_words(tenancy: Tenancy) -> None:
    """While the request waits for its end, the refusal is its answer."""
    with closing(Patient(tenancy.server.port)) as connection:
        connection.send_bytes(_head(tenancy) + b"0\r\n" + b"a:b\r\n" * 12_000)
        assert connection.received_within(0.5) is None, "this much may stand there"
        connection.send_bytes(b"a:b\r\n" * 1200)
        _is_refused_by_the_room(connection.answer())
        assert connection.rest() == b""


def test_a_broken_chunk_is_refused_in_the_rooms_words(tenancy: Tenancy) -> None:
    """What waits for a body that is no HTTP is told so."""
    with closing(Patient(tenancy.server.port)) as connection:
        connection.send_bytes(_head(tenancy) + b"1\r\nx\r\n")
        connection.send_bytes(b"zz\r\n")
        _is_refused_by_the_room(connection.answer())
        assert connection.rest() == b""


def _is_refused_by_the_room(answer: Answer) -> None:
    assert (answer.status, answer.json["errors"][0]["code"]) == (400, 200)
    assert answer.header("Connection") == "close"


def test_a_request_gets_one_answer(tenancy: Tenancy) -> None:
    """A body that breaks off into no HTTP behind the answer is not answered again: a proxy would take the
    second answer for that of its next request."""
    with closing(Patient(tenancy.server.port)) as connection:
        connection.send_bytes(_head(None) + b"1\r\nx\r\n")
        assert connection.answer().status == 401
        connection.send_bytes(b"zz\r\n")
        assert connection.rest() == b""


@pytest.mark.parametrize("chunk_bytes", [1, 7, 1000])
def test_the_largest_body_may_come_in_small_chunks(tenancy: Tenancy, chunk_bytes: int) -> None:
    """A body of 64 KiB is taken however it is framed."""
    body = _customer("In Pieces").ljust(65_536)
    with closing(Patient(tenancy.server.port)) as connection:
        connection.send_bytes(_head(tenancy) + _chunked(body, chunk_bytes) + b"0\r\nChecksum: none\r\n\r\n")
        answer = connection.answer()
        assert answer.status == 200, answer.body
        connection.send_bytes(_GOOD)
        assert connection.answer().status == 200


def test_a_trailer_is_no_header(tenancy: Tenancy) -> None:
    """A credential in a trailer opens nothing, neither for its own request nor for the next."""
    chunks = _chunked(_customer("Nobody"), 1000)
    trailer = f"0\r\nAuthorization: {tenancy.key.authorization}\r\nContent-Type: text/csv\r\n\r\n".encode()
    with closing(Patient(tenancy.server.port)) as connection:
        connection.send_bytes(_head(None) + chunks + trailer)
        assert connection.answer().status == 401
        connection.send_bytes(_head(None, "Content-Length: 0\r\n"))
        assert connection.answer().status == 401
        connection.send_bytes(_head(tenancy) + chunks + trailer)
        assert connection.answer().status == 200


def test_a_long_header_is_found_behind_another_request(tenancy: Tenancy) -> None:
    """A head that began in one piece with the request before it is measured as a whole."""
    with closing(Patient(tenancy.server.port)) as connection:
        connection.send_bytes(_GOOD + b"GET /api/v1/customers HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 8000)
        assert connection.answer().status == 200
        connection.send_bytes(b"\r\n\r\n")
        assert connection.answer().status == 400


# ── requests sent ahead ──


def test_a_body_may_follow_when_its_request_has_waited(tenancy: Tenancy) -> None:
    """The server reads on when nothing waits any more."""
    body = _customer("Patient")
    with closing(Patient(tenancy.server.port)) as connection:
        for told_before in (2, 0):
            connection.send_bytes(_GOOD + _GOOD + _head(tenancy, f"Content-Length: {len(body)}\r\n"))
            assert _statuses(connection, told_before) == [200] * told_before
            connection.send_bytes(body)
            assert _statuses(connection, 3 - told_before) == [200] * (3 - told_before)


def test_requests_sent_ahead_do_not_pile_up(server: Server) -> None:
    """A client that sends requests and never reads is cut off, and costs little until then."""
    before = _kilobytes_held_most(server)
    with closing(Patient(server.port)) as connection:
        assert _sent_until_cut(connection, b"GET / HTTP/1.1\r\n\r\n" * 5000) < FLOOD_BYTES
    assert _kilobytes_held_most(server) - before < HELD_KILOBYTES_MAX
    assert server.send("GET", "/healthz").status == 200


# ── upgrades ──


@pytest.mark.parametrize("upgrade", [_H2C, _WEBSOCKET])
@pytest.mark.parametrize("pause", [True, False])
def test_an_upgrade_is_ignored(tenancy: Tenancy, upgrade: str, pause: bool) -> None:
    """Java's HttpClient asks for HTTP/2 with its first request; that is answered, and what follows it too."""
    body = _customer("From Java")
    head = _head(tenancy, f"{upgrade}Content-Length: {len(body)}\r\n")
    with closing(Patient(tenancy.server.port)) as connection:
        for piece in (head, body + _GOOD + head + body + _GOOD) if pause else (head + body + _GOOD,) * 2:
            connection.send_bytes(piece)
        assert _statuses(connection, 4) == [200] * 4


def test_a_body_behind_an_upgrade_is_no_request(tenancy: Tenancy) -> None:
    """Whoever has a request sent in his name, with a body that looks like one, gets one answer."""
    with closing(Patient(tenancy.server.port)) as connection:
        connection.send_bytes(_head(tenancy, f"{_H2C}Content-Length: {len(_GOOD)}\r\n"))
        connection.send_bytes(_GOOD)
        assert connection.answer().status == 400, "it is no JSON"
        assert connection.received_within(0.5) in (None, b"")


def test_a_tunnel_is_refused(server: Server) -> None:
    """CONNECT is answered, and what is sent through the tunnel that is none goes nowhere."""
    for target in (b"example.com:443", b"/api/v1/customers"):
        with closing(Patient(server.port)) as connection:
            connection.send_bytes(b"CONNECT " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n" + _GOOD)
            received = connection.rest()
        assert received.startswith(b"HTTP/1.1 4")
        assert received.count(b"HTTP/1.1") == 1


NOISE = [
    b"NO SUCH THING\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET http:// HTTP/1.1\r\n\r\n",
    b"GET /api/v1/customers HTTP/1.1\r\nBroken line\r\n\r\n",
    f"GET /healthz HTTP/1.1\r\n{_WEBSOCKET}\r\n".encode(),
]


def test_noise_leaves_no_line(server: Server) -> None:
    """What is no HTTP, or asks for another protocol, is not logged, or a stranger could fill the disk."""
    lines = len(server.log.splitlines())
    for data in NOISE:
        with closing(Patient(server.port)) as connection:
            connection.send_bytes(data)
            assert connection.answer().status in (200, 400)
    assert server.send("GET", "/metrics").status == 200
    assert server.log.splitlines()[lines:] == []


# ── connections ──


def _tight(server: Server) -> socket.socket:
    """Return a connection into which next to nothing fits that is not read."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    made.connect((HOST, server.port))
    return made


def _many(connection: socket.socket) -> None:
    connection.sendall(_PAGE * 100)


def _many_and_the_end(connection: socket.socket) -> None:
    connection.sendall(_PAGE * 100)
    connection.shutdown(socket.SHUT_WR)


def _again_and_again(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        for _ in range(100):
            connection.sendall(_PAGE)


UNREAD: list[Callable[[socket.socket], None]] = [_many, _many_and_the_end, _again_and_again]


def test_who_never_reads_is_cut_off(server: Server) -> None:
    """A connection whose answers nobody takes ends after a while, with all that was kept for it."""
    begun = time.monotonic()
    with contextlib.ExitStack() as open_ones, ThreadPoolExecutor(len(UNREAD)) as senders:
        connections = [open_ones.enter_context(closing(_tight(server))) for _ in UNREAD]
        sent = [
            senders.submit(send, connection) for send, connection in zip(UNREAD, connections, strict=True)
        ]
        for held in (len(UNREAD), 0):
            while _held(server, connections) != held:
                assert time.monotonic() < begun + WRITE_SECONDS_MAX, f"the server does not hold {held}"
                assert server.send("GET", "/healthz").status == 200
                threading.Event().wait(0.1)  # how long it takes is what is measured
        assert [one.result() for one in sent] == [None] * len(sent)
    assert time.monotonic() - begun > WRITE_SECONDS_MIN


def test_connections_are_bounded_below_the_file_descriptors(server: Server) -> None:
    """One too many is closed at once, those that are open are served, and the next when they are gone."""
    with contextlib.ExitStack() as open_ones:
        connections = [open_ones.enter_context(closing(Patient(server.port))) for _ in range(FILES_MAX)]
        for connection in connections[CONNECTIONS_MAX:]:
            assert connection.received_within(10) == b""
        for connection in connections[: CONNECTIONS_MAX - 8]:
            assert connection.send("GET", "/healthz").status == 200
    deadline = time.monotonic() + 10
    while True:
        try:
            assert server.send("GET", "/healthz").status == 200
            return
        except OSError:
            assert time.monotonic() < deadline, "the places stay taken"
