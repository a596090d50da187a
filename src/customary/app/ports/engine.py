"""The engine itself: who runs a job, and what may be relied on then."""

from collections.abc import Callable, Generator
from typing import Any, Protocol, TypeVar

import msgspec

T = TypeVar("T")


Job = Callable[[], Generator[Any, Any, T]]
"""Makes a fresh generator of engine requests; called again when the work must be run again."""


class Pause(msgspec.Struct, frozen=True, gc=False):
    """Nothing is asked for: other jobs of the batch may be brought to the same point before this one goes on.

    What many do one after the other, step by step, takes half the time of what each does from start to end,
    because the processor's caches then hold the step. Answered with None, and may be answered at once.
    """


PAUSE = Pause()


class Engine(Protocol):
    """Stores sealed rows and tags; knows neither customers nor keys. Held by one contract suite."""

    async def perform(self, job: Job[T]) -> T:
        """Run a job that writes; return its result after the commit that holds it.

        Raises what the job raises (nothing of it is stored then), Unavailable when the store cannot take
        writes now, OutcomeUnknown when nobody can tell whether the commit holds.
        """

    async def read(self, job: Job[T]) -> T:
        """Run a job that only reads a few rows, against what is committed."""

    async def scan(self, job: Job[T]) -> T:
        """Run a job that only reads and may read many rows, without holding up others."""

    def perform_now(self, jobs: list[Job[T]]) -> list[T]:
        """Run jobs that write in one commit, from a program without an event loop (the command line)."""

    def read_now(self, job: Job[T]) -> T:
        """Run a job that only reads, in one state of the store, from a program without an event loop."""

    async def scrub(self) -> bool:
        """Remove from logs and the like what is left there of deleted rows; return whether all of it is gone.

        Whoever is at work may prevent it for a moment: then it is to be asked again.
        """

    def scrub_now(self) -> bool:
        """Do the same from a program without an event loop."""

    async def poll(self) -> None:
        """Look at the store as it is now, other processes' commits included."""

    def generation(self) -> int:
        """Return a number that changes within a second of a change of the registry, here or elsewhere.

        The registry is tenants and their keys, merchants and credentials. While a job runs this is the number
        of the very state that the job reads and, if it writes, writes to: whoever has remembered keys with
        this number may seal under them and look for tags with them. Only a scan may read a later state: it
        asks for the number (``ReadGeneration``).
        """
