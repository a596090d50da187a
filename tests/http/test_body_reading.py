"""Bounded reading of a request body: in size, in time, and to the end of the client's patience."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from customary.domain.errors import TooLarge
from customary.http.body import BODY_BYTES_MAX, Disconnected, Message, Receive, received


def _chunk(body: bytes, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


def _script(*messages: Message) -> Receive:
    """An ASGI ``receive`` that has every message ready; to ask for one more than there are is a failure."""
    waiting = list(messages)

    async def receive() -> Message:
        assert waiting, "received() asked for more than the body"
        return waiting.pop(0)

    return receive


def _run_without_loop(reading: Coroutine[Any, Any, bytes]) -> bytes:
    with pytest.raises(StopIteration) as finished:
        reading.send(None)
    value: bytes = finished.value.value
    return value


async def _never() -> Message:
    await asyncio.get_running_loop().create_future()
    raise AssertionError


def test_a_body_that_is_there_is_returned_without_timer_task_or_event_loop() -> None:
    """The hot path: there is no running loop here, so any use of one would raise."""
    assert _run_without_loop(received(_script(_chunk(b"{}")), 2)) == b"{}"
    assert _run_without_loop(received(_script({"type": "http.request"}), None)) == b""


def test_a_body_of_64_kib_is_read_and_one_byte_more_is_refused() -> None:
    """In one chunk, whatever the length was said to be."""
    whole = b"x" * BODY_BYTES_MAX
    for said in (None, 0, BODY_BYTES_MAX):
        assert asyncio.run(received(_script(_chunk(whole)), said)) == whole
        with pytest.raises(TooLarge) as caught:
            asyncio.run(received(_script(_chunk(whole + b"x")), said))
        assert caught.value.kind == "size"


def test_chunks_are_joined_up_to_64_kib_and_one_byte_more_is_refused() -> None:
    """The sum counts, not the chunk."""
    half = b"y" * (BODY_BYTES_MAX // 2)
    at_limit = _script(_chunk(half, more=True), _chunk(b"", more=True), _chunk(half, more=True), _chunk(b""))
    assert asyncio.run(received(at_limit, None)) == half + half
    with pytest.raises(TooLarge) as caught:
        asyncio.run(received(_script(_chunk(half, more=True), _chunk(half, more=True), _chunk(b"z")), None))
    assert caught.value.kind == "size"


def test_a_content_length_over_64_kib_is_refused_without_reading() -> None:
    """The script is empty, so one call of ``receive`` would fail."""
    with pytest.raises(TooLarge) as caught:
        asyncio.run(received(_script(), BODY_BYTES_MAX + 1))
    assert caught.value.kind == "size"


def test_an_endless_body_is_refused_as_soon_as_it_is_over_the_limit() -> None:
    """No more is held than the limit and one chunk."""
    calls = 0

    async def receive() -> Message:
        nonlocal calls
        calls += 1
        return _chunk(b"z" * 1024, more=True)

    with pytest.raises(TooLarge) as caught:
        asyncio.run(received(receive, None))
    assert (caught.value.kind, calls) == ("size", 65)


def test_a_body_that_does_not_begin_in_time_is_refused_and_the_servers_receive_is_cancelled() -> None:
    """The cancellation goes into ``receive`` itself, so the server can clean up."""
    ended: list[str] = []

    async def receive() -> Message:
        try:
            return await _never()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        finally:
            await asyncio.sleep(0)  # a clean-up may suspend again
            ended.append("cleaned up")

    with pytest.raises(TooLarge) as caught:
        asyncio.run(received(receive, None, 0.01))
    assert caught.value.kind == "time"
    assert ended == ["cancelled", "cleaned up"]


def test_a_body_that_stops_half_way_is_refused_in_time() -> None:
    """A first chunk buys no more time."""
    first = _script(_chunk(b"{", more=True))
    calls = iter([first, _never])

    with pytest.raises(TooLarge) as caught:
        asyncio.run(received(lambda: next(calls)(), 100, 0.01))
    assert caught.value.kind == "time"


def test_the_time_is_for_the_whole_body_and_not_for_each_chunk() -> None:
    """Somebody who drips bytes for ever is refused like somebody who sends none."""

    async def receive() -> Message:
        await asyncio.sleep(0)
        return _chunk(b"", more=True)

    with pytest.raises(TooLarge) as caught:
        asyncio.run(received(receive, None, 0.02))
    assert caught.value.kind == "time"


@pytest.mark.parametrize("before", [[], [_chunk(b"{", more=True)]])
@pytest.mark.parametrize("suspending", [False, True])
def test_a_client_that_goes_away_is_no_refusal(before: list[Message], suspending: bool) -> None:
    """There is nobody to answer, so it is an exception of its own, outside of the tree of refusals."""
    ready = _script(*before, {"type": "http.disconnect"})

    async def receive() -> Message:
        if suspending:
            await asyncio.sleep(0)
        return await ready()

    with pytest.raises(Disconnected):
        asyncio.run(received(receive, 10))


def test_a_receive_that_suspends_many_times_gets_every_wake_up() -> None:
    """The first step is taken by hand; the rest must be as if it had been awaited."""

    async def receive() -> Message:
        loop = asyncio.get_running_loop()
        seen = []
        for number in range(3):
            future: asyncio.Future[int] = loop.create_future()
            loop.call_soon(future.set_result, number)
            seen.append(await future)
            await asyncio.sleep(0)
        return _chunk(bytes(seen))

    assert asyncio.run(received(receive, 3)) == bytes([0, 1, 2])


def test_a_failure_of_the_servers_receive_comes_through_as_it_is() -> None:
    """Before and after the first suspension; a bug of the server is no refusal of the client."""

    async def at_once() -> Message:
        raise LookupError

    async def later() -> Message:
        await asyncio.sleep(0)
        raise LookupError

    for receive in (at_once, later):
        with pytest.raises(LookupError):
            asyncio.run(received(receive, None))


def test_a_cancelled_request_is_cancelled_and_not_refused() -> None:
    """The server's own stop must not be turned into an answer about time."""

    async def cancelled() -> None:
        began = asyncio.Event()

        async def receive() -> Message:
            began.set()
            return await _never()

        reading = asyncio.create_task(received(receive, None))
        await began.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading

    asyncio.run(cancelled())


def test_an_abandoned_reading_closes_the_servers_receive() -> None:
    """Closing the coroutine unwinds ``receive`` too, so its ``finally`` runs at once."""
    ended: list[str] = []

    async def receive() -> Message:
        try:
            return await _never()
        finally:
            ended.append("closed")

    async def abandon() -> None:
        reading = received(receive, None)
        reading.send(None)
        reading.close()

    asyncio.run(abandon())
    assert ended == ["closed"]


async def _application(_scope: Any, receive: Receive, send: Callable[[Message], Awaitable[None]]) -> None:
    try:
        answer = b"read %d" % len(await received(receive, None, 0.2))
    except TooLarge as refusal:
        answer = b"refused " + refusal.kind.encode()
    headers = [(b"content-length", str(len(answer)).encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


async def _answer(head: bytes, *pieces: bytes) -> bytes:
    config = uvicorn.Config(_application, log_config=None, access_log=False, lifespan="off", ws="none")
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: HttpToolsProtocol(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n")
        for piece in pieces:
            await writer.drain()
            writer.write(piece)
        whole = await reader.read()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    return whole.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_uvicorns_receive_is_read_whole_in_pieces_too_large_and_too_late(
    loop_factory: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """The first step by hand works on the server and the loops that ship, not only on scripts."""
    length = b"Content-Length: %d\r\n"
    one_over = (
        BODY_BYTES_MAX + 1
    )  # all of it must come before the refusal: bytes left unread would reset the line
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        assert runner.run(_answer(length % 4, b"{  }")) == b"read 4"
        assert runner.run(_answer(length % 60_000, b"a" * 30_000, b"b" * 30_000)) == b"read 60000"
        assert runner.run(_answer(length % one_over, b"a" * one_over)) == b"refused size"
        assert runner.run(_answer(length % 10, b"{")) == b"refused time"
        assert runner.run(_answer(length % 10)) == b"refused time"
