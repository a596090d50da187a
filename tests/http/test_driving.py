"""A driven coroutine is run as a task would run it, but begins at once."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
import uvloop

from customary.http.driving import Driver

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]
pytestmark = pytest.mark.parametrize("loop_factory", LOOPS)
Loops = Callable[[], asyncio.AbstractEventLoop]


class _Driven:
    """A driver, what is told of it, and the set in which it stands while it waits."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.waiting = set[Any]()
        self.ends = 0
        self.end = loop.create_future()
        self.driver = Driver(loop, self.waiting, self._ended)

    def _ended(self) -> None:
        self.ends += 1
        if not self.end.done():
            self.end.set_result(None)


async def _waited(result: object = None) -> object:
    """Return the result of a future that is done in the next turn of the loop."""
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    loop.call_soon(future.set_result, result)
    return await future


async def _never() -> None:
    await asyncio.get_running_loop().create_future()


def _run(loop_factory: Loops, test: Callable[[_Driven], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        await test(_Driven())

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(asyncio.wait_for(main(), 10))


def _outside(call: Callable[[], None]) -> Awaitable[None]:
    """Make a call where the loop makes a protocol's: in no task."""
    loop = asyncio.get_running_loop()
    called = loop.create_future()

    def make() -> None:
        try:
            call()
        except BaseException as error:
            called.set_exception(error)
        else:
            called.set_result(None)

    loop.call_soon(make)
    return called


def test_what_waits_for_nothing_is_done_when_run_returns(loop_factory: Loops) -> None:
    """One call after the other, and the driver never stands among those that wait."""

    async def test(driven: _Driven) -> None:
        done: list[int] = []

        async def deed(number: int) -> None:
            done.append(number)

        def both() -> None:
            for number in (1, 2):
                driven.driver.run(deed(number))
                assert (done[-1], driven.ends) == (number, number)
                assert not driven.waiting

        await _outside(both)

    _run(loop_factory, test)


def test_what_waits_goes_on_with_what_it_waited_for(loop_factory: Loops) -> None:
    """Results, failures, bare yields and waits for tasks: all as in a task."""

    async def test(driven: _Driven) -> None:
        loop = asyncio.get_running_loop()
        seen: list[object] = []

        async def deed() -> None:
            for number in range(3):
                seen.append(await _waited(number))
                await asyncio.sleep(0)
            failing = loop.create_future()
            loop.call_soon(failing.set_exception, LookupError())
            try:
                await failing
            except LookupError as error:
                seen.append(type(error))
            seen.append(await asyncio.wait_for(_waited("waited"), 5))
            seen.append(await asyncio.gather(_waited(1), _waited(2)))

        await _outside(lambda: driven.driver.run(deed()))
        assert driven.driver in driven.waiting
        await driven.end
        assert seen == [0, 1, 2, LookupError, "waited", [1, 2]]
        assert not driven.waiting

    _run(loop_factory, test)


def test_it_is_the_current_task_of_what_it_runs_and_of_nothing_else(loop_factory: Loops) -> None:
    """Before a wait and behind it; and it leaves no trace."""

    async def test(driven: _Driven) -> None:
        current: list[object] = []

        async def deed() -> None:
            current.append(asyncio.current_task())
            await _waited()
            current.append(asyncio.current_task())

        def run() -> None:
            driven.driver.run(deed())
            current.append(asyncio.current_task())

        await _outside(run)
        await driven.end
        assert current == [driven.driver, None, driven.driver]

    _run(loop_factory, test)


def test_a_timeout_ends_only_what_it_is_about(loop_factory: Loops) -> None:
    """asyncio.timeout cancels the current task and takes that back, one within another."""

    async def test(driven: _Driven) -> None:
        seen: list[str] = []

        async def deed() -> None:
            async with asyncio.timeout(30):
                try:
                    async with asyncio.timeout(0.005):
                        await _never()
                except TimeoutError:
                    seen.append("inner")
                await _waited()
                seen.append("on")

        await _outside(lambda: driven.driver.run(deed()))
        await driven.end
        assert seen == ["inner", "on"]

    _run(loop_factory, test)


def test_a_cancellation_is_raised_where_it_waits(loop_factory: Loops) -> None:
    """Also when the awaited was done in the same moment; the end is told once, and nothing is raised."""

    async def test(driven: _Driven) -> None:
        loop = asyncio.get_running_loop()
        seen: list[str] = []

        async def deed(future: "asyncio.Future[None]") -> None:
            try:
                await future
                await _never()
            except asyncio.CancelledError:
                seen.append("cancelled")
                raise

        for is_done in (False, True):
            future = loop.create_future()

            def run(future: "asyncio.Future[None]" = future, is_done: bool = is_done) -> None:
                driven.driver.run(deed(future))
                if is_done:
                    future.set_result(None)
                assert driven.driver.cancel("stop")

            driven.end = loop.create_future()
            await _outside(run)
            await driven.end
        assert seen == ["cancelled", "cancelled"]
        assert driven.ends == 2
        assert not driven.waiting
        assert not driven.driver.cancel(), "there is nothing left"

    _run(loop_factory, test)


def test_what_is_raised_ends_it_and_goes_to_the_loop(loop_factory: Loops) -> None:
    """An error that nobody caught is not swallowed, and the next coroutine can be run."""

    async def test(driven: _Driven) -> None:
        async def deed() -> None:
            raise LookupError

        with pytest.raises(LookupError):
            await _outside(lambda: driven.driver.run(deed()))
        assert driven.ends == 1
        await _outside(lambda: driven.driver.run(asyncio.sleep(0)))
        while driven.waiting:
            await asyncio.sleep(0)
        assert driven.ends == 2

    _run(loop_factory, test)
