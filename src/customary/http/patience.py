"""A deadline that moves with every request, over one timer that does not.

To set a timer and to cancel it costs two microseconds, and nearly every deadline moves before it is reached.
So the timer goes off at the first of them, looks where the deadline is now, and is set for that.
"""

import math
from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable
from typing import Final

_NEVER: Final = math.inf


class Patience:
    """Calls ``exhausted`` once the deadline has passed, which may be moved and lifted at any time."""

    __slots__ = ("_deadline", "_exhausted", "_loop", "_timer", "_timer_at")

    def __init__(self, loop: AbstractEventLoop, exhausted: Callable[[], None]) -> None:
        self._loop = loop
        self._exhausted = exhausted
        self._deadline = _NEVER
        self._timer: TimerHandle | None = None
        self._timer_at = _NEVER

    @property
    def is_bounded(self) -> bool:
        """Return whether there is a deadline."""
        return self._deadline != _NEVER

    def allow(self, seconds: float) -> None:
        """Set the deadline so far from now."""
        self._deadline = deadline = self._loop.time() + seconds
        if deadline < self._timer_at:
            self._set_timer(deadline)

    def lift(self) -> None:
        """Have no deadline."""
        self._deadline = _NEVER

    def end(self) -> None:
        """Forget the timer, which would keep its owner alive."""
        self._deadline = _NEVER
        if self._timer is not None:
            self._timer.cancel()

    def _set_timer(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        self._timer = self._loop.call_at(at, self._look)

    def _look(self) -> None:
        self._timer, self._timer_at = None, _NEVER
        if self._deadline <= self._loop.time():
            self._deadline = _NEVER
            self._exhausted()
        elif self._deadline != _NEVER:
            self._set_timer(self._deadline)
