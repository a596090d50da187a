"""Bounded reading of a request body that is still arriving: in size, in time, to the client's patience."""

import asyncio

import pytest

from customary.domain.errors import TooLarge
from customary.http.body import BODY_BYTES_MAX, Disconnected, received


async def _never() -> bytes:
    await asyncio.get_running_loop().create_future()
    raise AssertionError


def test_a_body_of_64_kib_is_read_and_one_byte_more_is_refused() -> None:
    """Whatever the length was said to be."""

    async def whole(size: int) -> bytes:
        return b"x" * size

    for said in (0, BODY_BYTES_MAX):
        assert len(asyncio.run(received(lambda: whole(BODY_BYTES_MAX), said))) == BODY_BYTES_MAX
        with pytest.raises(TooLarge) as caught:
            asyncio.run(received(lambda: whole(BODY_BYTES_MAX + 1), said))
        assert caught.value.kind == "size"


def test_a_content_length_over_64_kib_is_refused_without_waiting() -> None:
    """Nobody is asked for the body."""

    def unasked() -> None:
        raise AssertionError

    with pytest.raises(TooLarge) as caught:
        asyncio.run(received(unasked, BODY_BYTES_MAX + 1))  # type: ignore[arg-type]  # it is not called
    assert caught.value.kind == "size"


def test_a_body_that_does_not_come_in_time_is_refused_and_the_waiting_is_cancelled() -> None:
    """The cancellation goes into what waits, so that it can clean up."""
    ended: list[str] = []

    async def waiting() -> bytes:
        try:
            return await _never()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        finally:
            await asyncio.sleep(0)  # a clean-up may suspend again
            ended.append("cleaned up")

    with pytest.raises(TooLarge) as caught:
        asyncio.run(received(waiting, 10, 0.01))
    assert caught.value.kind == "time"
    assert ended == ["cancelled", "cleaned up"]


def test_a_client_that_goes_away_is_no_refusal() -> None:
    """There is nobody to answer, so it is an exception of its own, outside of the tree of refusals."""

    async def gone() -> bytes:
        raise Disconnected

    with pytest.raises(Disconnected):
        asyncio.run(received(gone, 10))


def test_a_cancelled_request_is_cancelled_and_not_refused() -> None:
    """The server's own stop must not be turned into an answer about time."""

    async def cancelled() -> None:
        began = asyncio.Event()

        async def waiting() -> bytes:
            began.set()
            return await _never()

        reading = asyncio.create_task(received(waiting, 10))
        await began.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading

    asyncio.run(cancelled())
