"""No bytes break the server: whatever is written to its port, it answers with less than 500 or hangs up.

Below the rooms, where a request is not yet one: lines, targets, hosts, headers and framing of any kind.
"""

import os
import re
import socket
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, example, given, note, seed, settings
from hypothesis import strategies as st

from serving import HOST, Server, Tenancy

SEED = int(os.environ.get("FUZZ_SEED") or int.from_bytes(os.urandom(4), "big"))
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES") or 300)
ANSWER_SECONDS_MAX = 10.0
QUIET_SECONDS = 0.1
"""A request that is not complete gets no answer: so long is waited for none."""

_bounded = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
_STATUS = re.compile(rb"HTTP/1\.1 ([0-9]{3}) ")

TARGETS = [
    b"/",
    b"//",
    b"///api/v1/customers",
    b"//api/v1/customers",
    b"/api//v1/customers",
    b"/api/v1",
    b"/api/v1/",
    b"/api/v1/customers/",
    b"/api/v1/customers//",
    b"/api/v1/../v1/customers",
    b"/api/v1/%2e%2e/customers",
    b"/api%2fv1/customers",
    b"/api/v1%2fcustomers",
    b"/%61pi/v1/customers",
    b"/api/v1/customers%00",
    b"/api/v1/customers/%00",
    b"/api/v1/customers/%",
    b"/api/v1/customers/%zz",
    b"/api/v1/customers/%ff%fe",
    b"/api/v1/customers/\xc3\xa9",
    b"/\xff\xfe",
    b"/v1/customers?%",
    b"/v1/customers?" + b"a=1&" * 900,
    b"/v1/customers?" + b"x" * 5000,
    b"/v1/customers?orgId=%C3%28",
    b"/v1/customers?page=\xd9\xa3",
    b"/v1/customers#fragment",
    b"/v1/customers;a=b",
    b"/v1\\customers",
    b"/v1x/customers",
    b"/V1/customers",
    b"http://a/v1/customers",
    b"http://a:99999/v1/customers",
    b"http://a@b:80/v1/customers",
    b"http://[::1]/v1/customers",
    b"http://[/v1/customers",
    b"https://a/api/v1/customers?b",
    b"ftp://a/v1/customers",
    b"a:1",
    b"*",
    b"?a",
    b"",
    b"v1/customers",
    b"/docs/",
    b"/docs/../../etc/passwd",
    b"/docs/assets/../docs.css",
    b"/docs/assets/%2e%2e/docs.css",
    b"/openapi/trustly.json/",
    b"/healthz%00",
    b"/metrics?" + b"%ff" * 50,
]
HOSTS = [
    b"a",
    b"",
    b"a:b",
    b"a:0",
    b"a:99999",
    b"a:-1",
    b":80",
    b"[::1]:80",
    b"[::1",
    b"a b",
    b"a/b",
    b"\xc3\xa9",
    b"xn--",
    b"a" * 300,
    b"a\tb",
    b"1.2.3.4, 5",
    b"http://a",
    b"@",
]
METHODS = [
    b"GET",
    b"POST",
    b"PUT",
    b"HEAD",
    b"OPTIONS",
    b"DELETE",
    b"TRACE",
    b"CONNECT",
    b"PATCH",
    b"PRI",
    b"get",
    b"G\x00T",
    b"",
]
VERSIONS = [b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/0.9", b"HTTP/1.11", b"HTTP", b""]
FRAMES: list[tuple[bytes, bytes]] = [
    (b"", b""),
    (b"Content-Length: 2\r\n", b"{}"),
    (b"Content-Length: 0\r\n", b""),
    (b"Content-Length: -1\r\n", b""),
    (b"Content-Length: +2\r\n", b"{}"),
    (b"Content-Length: 2, 2\r\n", b"{}"),
    (b"Content-Length: 2\r\nContent-Length: 2\r\n", b"{}"),
    (b"Content-Length: 2\r\nContent-Length: 3\r\n", b"{} "),
    (b"Content-Length: 99999999999999999999999\r\n", b"{}"),
    (b"Content-Length: 18446744073709551615\r\n", b"{}"),
    (b"Content-Length: 0x2\r\n", b"{}"),
    (b"Content-Length: \xb2\r\n", b"{}"),
    (b"Transfer-Encoding: chunked\r\n", b"2\r\n{}\r\n0\r\n\r\n"),
    (b"Transfer-Encoding: chunked\r\n", b"2;a=b\r\n{}\r\n0\r\nTrailer: x\r\n\r\n"),
    (b"Transfer-Encoding: chunked\r\n", b"zz\r\n"),
    (b"Transfer-Encoding: chunked\r\n", b"ffffffffffffffffff\r\n"),
    (b"Transfer-Encoding: chunked\r\n", b"-1\r\n"),
    (b"Transfer-Encoding: gzip\r\n", b"{}"),
    (b"Transfer-Encoding: gzip, chunked\r\n", b"2\r\n{}\r\n0\r\n\r\n"),
    (b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n", b"2\r\n{}\r\n0\r\n\r\n"),
    (b"Expect: 100-continue\r\nContent-Length: 2\r\n", b"{}"),
    (b"Expect: nothing\r\nContent-Length: 2\r\n", b"{}"),
    (b"Content-Encoding: gzip\r\nContent-Length: 2\r\n", b"{}"),
    (b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AA\r\n", b""),
    (b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n", b""),
]
LINES = [
    b"A: b\r\n",
    b"A:\r\n",
    b": b\r\n",
    b"A b: c\r\n",
    b"A : b\r\n",
    b" folded: b\r\n",
    b"A: b\r\n c\r\n",
    b"A: \x00\r\n",
    b"A: \xff\r\n",
    b"\xff: a\r\n",
    b"A: b\n",
    b"A: b\r",
    b"A: " + b"x" * 5000 + b"\r\n",
    b"".join(b"A%d: b\r\n" % number for number in range(500)),
    b"Connection: close, keep-alive\r\n",
    b"Authorization: Basic\r\n",
    b"Authorization: Hawk\r\n",
    b"Authorization: Hawk id=\r\n",
    b'Authorization: Hawk id="\xff", ts="1", nonce="a", mac="b"\r\n',
    b"Authorization: HMAC-SHA256 Credential=a&Signature=b\r\nx-tr-date: \xff\r\n",
    b"X-Forwarded-Host: [\r\nX-Forwarded-Port: x\r\nX-Forwarded-Proto: y\r\n",
    b"Idempotency-Key: \xff\r\n",
    b"If-None-Match: \xff\r\n",
    b"Accept: \xff\r\n",
    b"Range: bytes=9-1\r\n",
]


def _received(server: Server, data: bytes) -> bytes:
    """Return what the server writes back until it closes the connection or has no more to say."""
    received = b""
    with socket.create_connection((HOST, server.port), timeout=ANSWER_SECONDS_MAX) as connection:
        try:
            connection.sendall(data)
            connection.settimeout(QUIET_SECONDS)
            while chunk := connection.recv(65536):
                received += chunk
        except (TimeoutError, ConnectionError):
            pass
    return received


def _check(server: Server, data: bytes, statuses: Counter[int]) -> None:
    received = _received(server, data)
    assert not received or _STATUS.match(received), received[:200]
    for status in _STATUS.findall(received):
        statuses[int(status)] += 1
        assert int(status) < 500, received
    assert b"\r\nserver:" not in received.lower()
    assert b"Traceback" not in received


@pytest.fixture
def alive(server: Server) -> Iterator[Server]:
    """A server that still answers when the test is over."""
    yield server
    assert server.send("GET", "/readyz").status == 200
    assert server.process is not None
    assert server.process.poll() is None


@st.composite
def _requests(draw: st.DrawFn, authorization: bytes) -> bytes:
    """Draw a request of which each part is good or odd, with a good credential or without."""
    mostly = st.integers(0, 3)
    method = draw(st.sampled_from(METHODS if draw(mostly) == 0 else METHODS[:3]))
    target = draw(st.sampled_from(TARGETS) | st.binary(max_size=40).map(lambda tail: b"/v1/" + tail))
    version = draw(st.sampled_from(VERSIONS if draw(mostly) == 0 else VERSIONS[:2]))
    host = draw(st.sampled_from(HOSTS))
    frame, body = draw(st.sampled_from(FRAMES))
    lines = draw(st.lists(st.sampled_from(LINES), max_size=2))
    hosts = b"Host: " + host + b"\r\n"
    known = b"Authorization: " + authorization + b"\r\n"
    head = [draw(st.sampled_from([hosts, b"", hosts * 2])), frame, *lines]
    if draw(st.booleans()):
        head.insert(1, known)
    return method + b" " + target + b" " + version + b"\r\n" + b"".join(head) + b"\r\n" + body


def test_no_request_breaks_the_server(alive: Server, tenancy: Tenancy) -> None:
    """Whatever line, target, host, header and framing come together, none is answered with a failure."""
    statuses: Counter[int] = Counter()

    @seed(SEED)
    @_bounded
    @given(_requests(tenancy.key.authorization.encode()))
    def fuzz(request: bytes) -> None:
        note(f"FUZZ_SEED={SEED}")
        _check(alive, request, statuses)

    fuzz()
    assert {400, 401, 404} <= set(statuses), statuses


def test_no_bytes_break_the_server(alive: Server) -> None:
    """Bytes that were never meant to be HTTP, and requests that break off, are no failure either."""
    statuses: Counter[int] = Counter()

    @seed(SEED)
    @settings(_bounded, max_examples=EXAMPLES // 3)
    @given(
        st.binary(max_size=300)
        | _requests(b"Basic x").flatmap(lambda r: st.integers(0, len(r)).map(lambda n: r[:n]))
    )
    @example(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")  # a TLS client's greeting
    @example(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    @example(b"\x00" * 300)
    def fuzz(data: bytes) -> None:
        note(f"FUZZ_SEED={SEED}")
        _check(alive, data, statuses)

    fuzz()


@pytest.mark.parametrize("target", TARGETS, ids=ascii)
@pytest.mark.parametrize("method", [b"GET", b"POST"])
def test_no_target_breaks_the_server(alive: Server, tenancy: Tenancy, method: bytes, target: bytes) -> None:
    """Each odd target is answered, with a good credential and without."""
    statuses: Counter[int] = Counter()
    known = b"Authorization: " + tenancy.key.authorization.encode() + b"\r\n"
    for authorized in (b"", known):
        head = b" HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: close\r\n" + authorized
        _check(alive, method + b" " + target + head + b"\r\n{}", statuses)
    assert sum(statuses.values()) == 2


@pytest.mark.parametrize("host", HOSTS, ids=ascii)
def test_no_host_breaks_the_server(alive: Server, host: bytes) -> None:
    """A Host that is none is answered by the room of a signed request, and by the pages."""
    hawk = b'Authorization: Hawk id="a", ts="1", nonce="b", mac="c"\r\n'
    statuses: Counter[int] = Counter()
    for target in (b"/v1/customers", b"/docs", b"/docs/", b"/"):
        head = b"GET " + target + b" HTTP/1.1\r\nConnection: close\r\nHost: " + host + b"\r\n"
        _check(alive, head + hawk + b"\r\n", statuses)
    assert sum(statuses.values()) == 4
