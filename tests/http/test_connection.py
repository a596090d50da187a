"""A connection answers requests to a room in their order, one at a time, and is bounded while it does.

Over real sockets, with a room of a few lines. What the whole server does is in ``faults``.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
import uvicorn
import uvloop
from uvicorn.server import ServerState

from customary.domain.errors import TooLarge
from customary.http.body import BODY_BYTES_MAX, Disconnected, received
from customary.http.exchange import Exchange
from customary.http.protocol import Connection
from customary.http.shell import Answer, Room, body_of

HOST = "127.0.0.1"
WAIT_SECONDS_MAX = 20.0
GET = b"GET /room/%b HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"POST /room HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

Handler = Callable[[Exchange], Awaitable[bytes]]


class _House:
    """An application with one room, ``/room``, and pages everywhere else."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    def room_of(self, path: bytes) -> Room | None:
        return cast(Room, self._room) if path.startswith(b"/room") else None

    def refuse_head(self, target: bytes, answer: Answer) -> None:
        answer(400, b"content-length: 2\r\nconnection: close\r\n", b"no", True)

    async def _room(self, exchange: Exchange, answer: Answer) -> None:
        try:
            body = await self._handler(exchange)
        except Disconnected:
            return
        except TooLarge as refusal:
            body = b"too large: " + refusal.kind.encode()
        answer(200, b"content-length: %d\r\n" % len(body), body, body.startswith(b"too large"))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        length = [(b"content-length", b"4")]
        await send({"type": "http.response.start", "status": 200, "headers": length})
        await send({"type": "http.response.body", "body": b"page"})


class _Client:
    """One connection to it; everything is sent at once and read as it comes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def bodies(self, count: int) -> list[bytes]:
        """Return the bodies of so many answers."""
        found = []
        for _ in range(count):
            head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length: ")[2].split()[0])
            found.append(await self.reader.readexactly(length))
        return found


class _Served:
    """The server: how its state looks to uvicorn, and how to connect to it."""

    def __init__(self, state: ServerState, port: int) -> None:
        self.state = state
        self._port = port
        self._clients: list[_Client] = []

    async def connect(self) -> _Client:
        """Return a new connection, which is closed with the server."""
        self._clients.append(_Client(*await asyncio.open_connection(HOST, self._port)))
        return self._clients[-1]

    async def close(self) -> None:
        """Close all connections."""
        for client in self._clients:
            client.writer.close()
            with contextlib.suppress(ConnectionError):
                await client.writer.wait_closed()


@asynccontextmanager
async def _serving(handler: Handler, keep_alive_seconds: int = 5) -> AsyncIterator[_Served]:
    config = uvicorn.Config(
        cast(Any, _House(handler)),
        log_config=None,
        lifespan="off",
        ws="none",
        proxy_headers=False,
        timeout_keep_alive=keep_alive_seconds,
    )
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(config, state), HOST, 0)
    async with server:
        served = _Served(state, server.sockets[0].getsockname()[1])
        try:
            yield served
        finally:
            await served.close()


def _run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    for loop_factory in (asyncio.new_event_loop, uvloop.new_event_loop):
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(asyncio.wait_for(test(), WAIT_SECONDS_MAX))


async def _path(exchange: Exchange) -> bytes:
    return exchange.path


async def _length(exchange: Exchange) -> bytes:
    return b"%d" % len(await body_of(exchange))


def test_answers_come_in_the_order_of_requests() -> None:
    """Rooms that wait and rooms that do not, and pages, all sent at once."""

    async def test() -> None:
        under_way = most = 0

        async def now_and_then(exchange: Exchange) -> bytes:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            if exchange.path.endswith((b"1", b"4")):
                loop = asyncio.get_running_loop()
                later = loop.create_future()
                loop.call_later(0.002, later.set_result, None)
                await later
            under_way -= 1
            return exchange.path

        async with _serving(now_and_then) as served:
            client = await served.connect()
            page = b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n"
            requests = [page if number == 3 else GET % b"%d" % number for number in range(6)]
            client.writer.write(b"".join(requests))
            expected = [b"page" if number == 3 else b"/room/%d" % number for number in range(6)]
            assert await client.bodies(6) == expected
            assert most == 1

    _run(test)


def test_who_sends_many_at_once_does_not_hold_up_others() -> None:
    """Of requests sent ahead one is answered in each turn of the loop."""

    async def test() -> None:
        answered: list[bytes] = []

        async def noted(exchange: Exchange) -> bytes:
            answered.append(exchange.path[6:])
            return b""

        async with _serving(noted) as served:
            many, one = await served.connect(), await served.connect()
            many.writer.write(GET % b"many" * 100)
            one.writer.write(GET % b"one")
            await asyncio.gather(many.bodies(100), one.bodies(1))
            assert answered.index(b"one") < 50

    _run(test)


def test_a_body_is_read_whole_in_pieces_too_large_and_too_late() -> None:
    """However it comes, a room gets all of it or a refusal."""

    async def in_time(exchange: Exchange) -> bytes:
        body = exchange.arrived
        if body is None:
            body = await received(exchange.whole_body, 0, 0.2)
        return b"%d" % len(body)

    head = b"POST /room HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
    cases: list[tuple[list[bytes], bytes]] = [
        ([head % 4 + b"{  }"], b"4"),
        ([head % 4, b"{  }"], b"4"),
        ([head % 60_000, b"a" * 30_000, b"b" * 30_000], b"60000"),
        ([CHUNKED, b"1\r\na\r\n" * 300, b"1\r\na\r\n" * 300 + b"0\r\n\r\n"], b"600"),
        # All of it must come before the refusal: bytes left unread would reset the line.
        ([CHUNKED, b"10001\r\n" + b"a" * 30_000, b"a" * 35_537], b"too large: size"),
        ([head % 10, b"{"], b"too large: time"),
        ([head % 10], b"too large: time"),
    ]

    async def test() -> None:
        async with _serving(in_time) as served:
            for pieces, expected in cases:
                client = await served.connect()
                for piece in pieces:
                    client.writer.write(piece)
                    await asyncio.sleep(0.01)
                assert await client.bodies(1) == [expected]
            client = await served.connect()
            client.writer.write(head % (BODY_BYTES_MAX + 1) + b"a" * (BODY_BYTES_MAX + 1))
            assert len((await client.bodies(1))[0]) > 0

    _run(test)


def test_a_client_that_waits_to_be_told_to_go_on_is_told_so() -> None:
    """100 Continue is sent when the room asks for the body, and not if it came meanwhile."""
    head = b"POST /room HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"

    async def test() -> None:
        async with _serving(_length) as served:
            client = await served.connect()
            client.writer.write(head)
            assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            client.writer.write(b"{}")
            assert await client.bodies(1) == [b"2"]
            client.writer.write(head + b"{}")
            assert (await client.reader.readline()).startswith(b"HTTP/1.1 200")

    _run(test)


@pytest.mark.parametrize(
    ("request_bytes", "closes", "has_body"),
    [
        (b"GET /room HTTP/1.1\r\nConnection: close\r\n\r\n", True, True),
        (b"GET /room HTTP/1.0\r\n\r\n", True, True),
        (b"GET /room HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", True, True),
        (b"HEAD /room HTTP/1.1\r\n\r\n", False, False),
        (b"HEAD /room HTTP/1.1\r\nConnection: close\r\n\r\n", True, False),
    ],
)
def test_the_answer_is_of_the_kind_that_was_asked_for(
    request_bytes: bytes, closes: bool, has_body: bool
) -> None:
    """Who asks for an end is told of it and gets it; who asks for a head gets no body."""

    async def test() -> None:
        async with _serving(_path, keep_alive_seconds=1) as served:
            client = await served.connect()
            client.writer.write(request_bytes)
            received = await client.reader.read()  # to the end: that of the connection, or of its patience
            assert received.startswith(b"HTTP/1.1 200 OK\r\n")
            assert (b"connection: close" in received) is closes
            assert received.endswith(b"\r\n\r\n/room" if has_body else b"\r\n\r\n")
            assert b"content-length: 5" in received

    _run(test)


def test_what_was_begun_is_done_when_the_client_has_gone() -> None:
    """Nobody is answered, and nothing is left of the connection."""

    async def test() -> None:
        began, may_end, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def slow(exchange: Exchange) -> bytes:
            began.set()
            await may_end.wait()
            done.set()
            return b"unheard"

        async with _serving(slow) as served:
            client = await served.connect()
            client.writer.write(GET % b"")
            await began.wait()
            client.writer.transport.abort()
            while served.state.connections:
                await asyncio.sleep(0.001)
            assert served.state.tasks, "a stop waits for it"
            may_end.set()
            await done.wait()
            assert not served.state.tasks

    _run(test)


def test_who_does_not_read_is_not_answered_further() -> None:
    """While the buffers are full no request is begun; when they are read all are answered."""

    async def test() -> None:
        answered = 0

        async def long(exchange: Exchange) -> bytes:
            nonlocal answered
            answered += 1
            return b"x" * 1_000_000

        async with _serving(long) as served:
            client = await served.connect()
            client.writer.write(GET % b"" * 60)
            seen = -1
            while seen != answered:
                seen = answered
                await asyncio.sleep(0.2)
            assert answered < 60
            assert sum(map(len, await client.bodies(60))) == 60_000_000

    _run(test)


def test_a_connection_on_which_nothing_is_sent_ends() -> None:
    """After an answer, and also when the rest of a refused body came behind it."""

    async def unread(exchange: Exchange) -> bytes:
        return b"refused"

    async def test() -> None:
        async with _serving(unread, keep_alive_seconds=1) as served:
            client = await served.connect()
            client.writer.write(b"POST /room HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n12")
            assert await client.bodies(1) == [b"refused"]
            client.writer.write(b"34")
            assert await client.reader.read() == b""

    _run(test)


def test_at_a_stop_what_has_come_is_answered_and_what_is_quiet_is_closed() -> None:
    """uvicorn asks each connection to end; those that answer say so in their last answer."""

    async def test() -> None:
        may_end = asyncio.Event()

        async def slow(exchange: Exchange) -> bytes:
            await may_end.wait()
            return exchange.path

        async with _serving(slow) as served:
            quiet, busy = await served.connect(), await served.connect()
            busy.writer.write(GET % b"1" + GET % b"2")
            while len(served.state.connections) < 2 or not served.state.tasks:
                await asyncio.sleep(0.001)
            for connection in list(served.state.connections):
                connection.shutdown()
            assert await quiet.reader.read() == b""
            may_end.set()
            first, second = (await busy.reader.read()).split(b"HTTP/1.1 200 OK")[1:]
            assert b"close" not in first
            assert b"connection: close\r\n" in second

    _run(test)


def test_a_stop_that_has_waited_long_enough_ends_what_waits() -> None:
    """uvicorn cancels its tasks then; the client is hung up on."""

    async def never(exchange: Exchange) -> bytes:
        await asyncio.get_running_loop().create_future()
        return b""

    async def test() -> None:
        async with _serving(never) as served:
            client = await served.connect()
            client.writer.write(GET % b"")
            while not served.state.tasks:
                await asyncio.sleep(0.001)
            for task in served.state.tasks:
                task.cancel(msg="Task cancelled, timeout graceful shutdown exceeded")
            assert await client.reader.read() == b""
            assert not served.state.tasks

    _run(test)
