"""Gathers jobs that wait, a batch a tenant; a batch is a transaction, and is run again whole when it must be.

Batches of different tenants go side by side; of one tenant a second one reads and reckons while the first
commits. Nobody is answered before COMMIT was. A batch that lost a race is run again whole, from the first
request of every job; one that will not succeed is taken apart, so that no job suffers for another for good.

It must never know what a job asks for.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence
from copy import copy
from typing import Any, Final

from customary.app.ports import Job
from customary.domain.errors import CustomaryError, OutcomeUnknown, Unavailable
from customary.storage.postgres.answering import whom
from customary.storage.postgres.failures import (
    FAILURES,
    Lost,
    connection_is_gone,
    to_be_run_again,
    translated,
)
from customary.storage.postgres.links import Lane, Link, Whom
from customary.storage.postgres.running import Batch, Generation, Spoiled, Turn

BATCH_JOBS_MAX: Final = 128
ATTEMPTS_MAX: Final = 6
WRITING_OF_ONE_TENANT_MAX: Final = 2
_PAUSE_SECONDS: Final = 0.004


class Waiting:
    """A job with the future of its result; ``turn`` has been led to its first request."""

    def __init__(self, turn: Turn, future: "asyncio.Future[Any]") -> None:
        self.turn = turn
        self.future = future

    def answer(self) -> None:
        """Tell the waiter, if there still is one."""
        if self.future.done():
            return
        if self.turn.error is None:
            self.future.set_result(self.turn.result)
        else:
            self.future.set_exception(self.turn.error)

    def fail(self, error: BaseException) -> None:
        """Tell the waiter that it was not the job's fault."""
        if not self.future.done():
            self.future.set_exception(copy(error))


class Batches:
    """Takes jobs, and runs them on the links of one lane."""

    def __init__(
        self,
        lane: Lane,
        *,
        writing: bool,
        of_one_tenant_max: int,
        known: Generation,
    ) -> None:
        """``known`` is told of a change of the registry before the waiters of its batch are."""
        self._lane = lane
        self._known = known
        self._writing = writing
        self._of_one_max = of_one_tenant_max
        self._queues: dict[Whom, deque[Waiting]] = {}
        self._running: dict[Whom, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def submit(self, job: Job[Any]) -> "asyncio.Future[Any]":
        """Return a future of the job's result; it is done after the commit that holds the job."""
        if self._closed:
            raise Unavailable(detail="the store is closed")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        turn = Turn(job, self._known)
        turn.start()
        waiting = Waiting(turn, future)
        if turn.done:  # it has asked for nothing
            waiting.answer()
            return future
        asker = whom(turn.request)
        queue = self._queues.get(asker)
        if queue is None:
            queue = self._queues[asker] = deque()
        queue.append(waiting)
        # Started when this round of the loop is over, with whatever else comes in it.
        if len(queue) == 1:
            loop.call_soon(self._start, asker)
        return future

    async def drained(self) -> None:
        """Return when no job waits and none is under way."""
        while self._tasks or self._queues:
            await asyncio.sleep(0)
            if self._tasks:
                await asyncio.wait(set(self._tasks))

    def close(self) -> None:
        """Take no more jobs, and give up those that wait."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        for queue in self._queues.values():
            for waiting in queue:
                waiting.future.cancel()
        self._queues.clear()

    # ── One batch ───────────────────────────────────────────────────────────────────────────────────────

    def _start(self, asker: Whom) -> None:
        running = self._running.get(asker, 0)
        if self._closed or asker not in self._queues or running >= self._of_one_max:
            return
        self._running[asker] = running + 1
        task = asyncio.get_running_loop().create_task(self._work(asker))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, asker: Whom) -> None:
        """Run what waits for this tenant, once there is a link for it."""
        batch: list[Waiting] = []
        try:
            await self._perform(asker, batch, self._take)
        except BaseException as error:
            for waiting in batch or self._take(asker):
                waiting.fail(error)
            if not isinstance(error, CustomaryError):
                raise
        finally:
            left = self._running[asker] - 1
            if left:
                self._running[asker] = left
            else:
                del self._running[asker]
            if asker in self._queues:
                self._start(asker)

    def _take(self, asker: Whom) -> list[Waiting]:
        """Return what waits, as much as a batch holds."""
        queue = self._queues.get(asker, deque())
        taken = [queue.popleft() for _ in range(min(len(queue), BATCH_JOBS_MAX))]
        if queue:
            asyncio.get_running_loop().call_soon(self._start, asker)
        else:
            self._queues.pop(asker, None)
        return [waiting for waiting in taken if not waiting.future.cancelled()]

    async def _perform(
        self, asker: Whom, batch: list[Waiting], take: Callable[[Whom], list[Waiting]] | None
    ) -> None:
        """Run a batch until it is committed or must be given up, and tell its waiters."""
        suspects: Lost | None = None
        failure: BaseException = Unavailable(detail="PostgreSQL: a batch lost every race")
        for attempt in range(ATTEMPTS_MAX):
            if attempt:
                # Jitter, so that two hosts do not meet in step; nothing depends on its being unguessable.
                await asyncio.sleep(random.uniform(0, _PAUSE_SECONDS * 2**attempt))  # noqa: S311 nothing to guess
                for waiting in batch:
                    waiting.turn.start()
            try:
                async with self._lane.link(asker) as link:
                    if take is not None and not batch:
                        batch += take(asker)
                    if batch:
                        await self._once(link, asker, [waiting.turn for waiting in batch], suspects)
            except Spoiled as spoiled:
                (apart,) = [waiting for waiting in batch if waiting.turn is spoiled.turn]
                batch.remove(apart)
                if not batch:
                    apart.answer()
                    return
                await self._apart(asker, [apart])
                continue
            except Lost as lost:
                suspects = lost.joined(suspects)
                continue
            except OutcomeUnknown:
                raise
            except FAILURES as failed:
                failure = failed
                # Who has waited for an answer in vain does not wait that long once more.
                gone = connection_is_gone(failed) and not isinstance(failed, TimeoutError)
                if to_be_run_again(failed) or gone:
                    continue
                break
            for waiting in batch:
                waiting.answer()
            return
        if len(batch) > 1:
            await self._apart(asker, batch)
            return
        raise failure if isinstance(failure, CustomaryError) else translated(failure) from None

    async def _once(self, link: Link, asker: Whom, turns: Sequence[Turn], suspects: Lost | None) -> None:
        run = Batch(link, turns, self._known, writing=self._writing)
        if not self._writing:
            async with link.reading(asker):
                await run.run()
            return
        await link.begin(asker)
        await run.run(suspects)
        if run.wrote:
            await link.commit()
            if run.generation is not None:
                self._known.number = run.generation
        else:
            await link.roll_back()

    async def _apart(self, asker: Whom, batch: list[Waiting]) -> None:
        """Run jobs each in a transaction of its own."""
        for waiting in batch:
            waiting.turn.start()
            try:
                await self._perform(asker, [waiting], None)
            except CustomaryError as error:
                waiting.fail(error)
