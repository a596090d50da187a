"""Runs one coroutine after the other, each from its first step at once and as far as it comes.

A task of asyncio's begins in the next turn of the event loop, and a request that waits for nothing, as a read
does, would pay for the task and for the turn. This is a task of another kind, which asyncio provides for (its
page "Extending", Task lifetime support): what runs in it may ask for the current task, and set itself a time.
It must never know HTTP.
"""

from asyncio import AbstractEventLoop, CancelledError, Future
from asyncio.tasks import _enter_task, _leave_task
from collections.abc import Callable, Coroutine
from typing import Any


class Driver:
    """Runs coroutines, one at a time, and tells when each has ended.

    While one waits, the driver is in ``waiting``, the server's set of tasks, which a stop that takes too long
    cancels. What a coroutine raises ends it, and goes to the event loop unless it is its cancellation.
    """

    def __init__(self, loop: AbstractEventLoop, waiting: set[Any], ended: Callable[[], None]) -> None:
        self._loop = loop
        self._waiting = waiting
        self._ended = ended
        self._coroutine: Coroutine[Any, Any, None] | None = None
        self._awaited: Future[Any] | None = None
        self._cancels = 0
        self._must_cancel = False

    def run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine until it ends or waits; the rest of it follows by itself."""
        self._coroutine = coroutine
        self._cancels = 0
        self._must_cancel = False
        self._step(coroutine)

    def cancel(self, msg: object = None) -> bool:
        """Have the coroutine cancelled where it waits, or will wait next; return whether there is one."""
        if self._coroutine is None:
            return False
        self._cancels += 1
        if self._awaited is None or not self._awaited.cancel(msg):
            self._must_cancel = True
        return True

    def cancelling(self) -> int:
        """Return how often it was cancelled and that not taken back, as a timeout asks."""
        return self._cancels

    def uncancel(self) -> int:
        """Take one cancellation back; return how many are left."""
        self._cancels = max(0, self._cancels - 1)
        return self._cancels

    def _go_on(self, _: "Future[Any] | None" = None) -> None:
        """Go on behind a wait; what has become of the awaited, the coroutine finds out itself."""
        self._awaited = None
        if self._coroutine is not None:
            self._step(self._coroutine)

    def _step(self, coroutine: Coroutine[Any, Any, None]) -> None:
        _enter_task(self._loop, self)  # type: ignore[arg-type]  # a task of another kind
        try:
            try:
                if self._must_cancel:
                    self._must_cancel = False
                    pending = coroutine.throw(CancelledError())
                else:
                    pending = coroutine.send(None)
            finally:
                _leave_task(self._loop, self)  # type: ignore[arg-type]  # the same
        except (StopIteration, CancelledError):
            self._end()
        except BaseException:
            self._end()
            raise
        else:
            self._wait_for(pending)

    def _wait_for(self, pending: Any) -> None:
        """Go on when the future that ``await`` handed out is done; after a bare yield, in the next turn."""
        self._waiting.add(self)
        if pending is None:
            self._loop.call_soon(self._go_on)
            return
        pending._asyncio_future_blocking = False
        pending.add_done_callback(self._go_on)
        self._awaited = pending
        if self._must_cancel and pending.cancel():
            self._must_cancel = False

    def _end(self) -> None:
        self._coroutine = None
        self._waiting.discard(self)
        self._ended()
