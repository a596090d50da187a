"""Group commit: waiting jobs run together on the event loop, and one COMMIT holds them all.

The jobs of a batch run one after the other in one transaction, so each sees what those before it have
written. Only COMMIT with its fsync runs on a thread; meanwhile the loop reads and gathers the next batch.
Nobody is answered before COMMIT returned, refusals included: they may rest on what another job wrote.

Jobs are begun before their turn, several together and step by step, against what is committed, up to their
first write: the loop has nothing better to do while a commit is under way, and a step that many take one
after the other takes half the time. Should what a job read have changed by its turn, its write is refused and
it is run again.

It must never know what a job asks for.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from itertools import islice
from time import perf_counter
from typing import Any, Final, TypeVar

import apsw
from apsw import Connection

from customary.app.ports import Job
from customary.domain.errors import Unavailable
from customary.storage.sqlite.failures import FAILURES, Failures
from customary.storage.sqlite.running import Begun, Runner

T = TypeVar("T")

BEGUN_TOGETHER: Final = 16
"""Few enough that they hold up the event loop for a millisecond."""

BATCH_JOBS_MAX: Final = 128
BATCH_SECONDS_MAX: Final = 0.008
"""How long a batch may hold up the event loop, and so every other request."""

BUSY_SECONDS_MAX: Final = 5.0
"""How long another process (the command line) may hold the write lock before waiters are refused."""

_BUSY_PAUSE_SECONDS: Final = (0.002, 0.010)

Waiting = tuple[Job[Any], "asyncio.Future[Any]", Begun | None]
Outcome = tuple["asyncio.Future[Any]", Any, BaseException | None]


class Spoiled(Exception):
    """A job failed after it had written: the batch is rolled back and its jobs run again, each apart."""


class Batches:
    """Gathers jobs that write and commits them in batches on one connection."""

    def __init__(
        self,
        connection: Connection,
        failures: Failures,
        *,
        begun: Callable[[Sequence[Job[Any]]], Sequence[Begun | None]],
        locked: Callable[[], None],
        before_commit: Callable[[], None],
        after_commit: Callable[[], None],
        restart_wal: Callable[[Connection], None],
        restart_due: Callable[[], bool],
    ) -> None:
        """Run ``before_commit`` and ``after_commit`` on the loop, the latter before waiters are answered.

        ``locked`` runs when a transaction has the write lock, before its first job; ``restart_wal`` runs on
        the thread.
        """
        self._connection = connection
        self._failures = failures
        self._begun = begun
        self._locked = locked
        self._before_commit = before_commit
        self._after_commit = after_commit
        self._restart_wal = restart_wal
        self._restart_due = restart_due
        self._runner = Runner(connection, writing=True)
        self._waiting: deque[Waiting] = deque()
        self._scheduled = False
        self._busy_since: float | None = None
        self._closed = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="customary-commit")
        self._idle: asyncio.Event | None = None
        self._unbegun = 0
        self.under_way = False

    def submit(self, job: Job[Any]) -> "asyncio.Future[Any]":
        """Return a future of the job's result; it is done after the commit that holds the job."""
        if self._closed:
            raise Unavailable(detail="the store is closed")
        if self._failures.lethal:
            raise self._failures.refusal()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._waiting.append((job, future, None))
        self._unbegun += 1
        if self._unbegun >= BEGUN_TOGETHER:
            self._begin()
        if not (self.under_way or self._scheduled):
            self._scheduled = True
            loop.call_soon(self._flush, loop)
        return future

    def _begin(self) -> None:
        """Begin the jobs at the end of the queue that nobody has tried to begin."""
        behind = list(islice(reversed(self._waiting), self._unbegun))
        self._unbegun = 0
        begun = self._begun([job for job, _, _ in reversed(behind)])
        waiting = self._waiting  # only now: to begin may renew it
        for _ in behind:
            waiting.pop()
        for (job, future, _), one in zip(reversed(behind), begun, strict=True):
            waiting.append((job, future, one))

    def forget_begun(self) -> None:
        """Have every waiting job run from its start: what it was begun on no longer holds."""
        self._waiting = deque((job, future, None) for job, future, _ in self._waiting)

    async def drained(self) -> None:
        """Return when no job waits and no commit is under way."""
        while self._waiting or self.under_way:
            if self._idle is None:
                self._idle = asyncio.Event()
            await self._idle.wait()

    def close(self) -> None:
        """Take no more jobs, and end the thread after the commit that is under way."""
        self._closed = True
        self._thread.shutdown(wait=True)

    def run_now(self, jobs: list[Job[T]]) -> list[T]:
        """Run jobs in one commit, here and now, waiting for other processes; all of them or none."""
        return self._now(lambda: [self._runner.run(job) for job in jobs])

    def execute_now(self, statement: str, bindings: tuple[str | bytes, ...]) -> None:
        """Execute one statement in a commit of its own, here and now."""
        self._now(lambda: self._connection.execute(statement, bindings))

    def _now(self, deed: Callable[[], T]) -> T:
        if self._closed or self.under_way or self._waiting:
            raise RuntimeError("the store is closed, or jobs of the event loop are under way")
        if self._failures.lethal:
            raise self._failures.refusal()
        connection = self._connection
        connection.set_busy_timeout(int(BUSY_SECONDS_MAX * 1000))
        committing = False
        try:
            connection.execute("BEGIN IMMEDIATE")
            self._locked()
            result = deed()
            committing = True
            connection.execute("COMMIT")
        except apsw.Error as failure:
            raise self._failures.translated(failure, connection, committing=committing) from failure
        finally:
            self._roll_back()
            connection.set_busy_timeout(0)
        self._after_commit()
        return result

    # ── One batch ───────────────────────────────────────────────────────────────────────────────────────

    def _flush(self, loop: asyncio.AbstractEventLoop) -> None:
        """Run a batch of the waiting jobs and hand it to the committing thread."""
        self._scheduled = False
        if self.under_way or not self._waiting:
            return
        if self._failures.lethal:
            self._answer([(waiting[1], None, self._failures.refusal()) for waiting in self._all_waiting()])
            self._go_on(loop)
            return
        batch: list[Waiting] = []
        if self._unbegun > 1:
            self._begin()
        self._unbegun = 0
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._busy_since = None
            self._locked()
            outcomes, wrote = self._run_together(batch)
            if not wrote:
                self._connection.execute("ROLLBACK")
        except apsw.BusyError as busy:
            self._roll_back()
            # A begun job may be half way through: it is run from the start.
            self._waiting.extendleft((job, future, None) for job, future, _ in reversed(batch))
            self._wait_for_lock(loop, busy)
            return
        except FAILURES as failure:
            self._fail(loop, batch or self._all_waiting(), failure)
            return
        if wrote:
            self.under_way = True
            self._before_commit()
            self._thread.submit(self._commit, loop, outcomes)
        else:
            self._answer(outcomes)
            self._go_on(loop)

    def _run_together(self, batch: list[Waiting]) -> tuple[list[Outcome], bool]:
        """Run jobs until the batch is full; return their outcomes and whether there is anything to commit."""
        runner, waiting, outcomes = self._runner, self._waiting, []
        runner.write_count = 0
        until = perf_counter() + BATCH_SECONDS_MAX
        try:
            while waiting and len(batch) < BATCH_JOBS_MAX:
                batch.append(waiting.popleft())
                job, future, begun = batch[-1]
                if future.cancelled():
                    continue
                outcomes.append(self._outcome(job, future, begun))
                if perf_counter() > until:
                    break
        except Spoiled:
            self._connection.execute("ROLLBACK")
            self._connection.execute("BEGIN IMMEDIATE")
            runner.write_count = 0
            outcomes = [self._outcome_apart(job, future) for job, future, _ in batch]
        return outcomes, runner.write_count > 0

    def _outcome(self, job: Job[Any], future: "asyncio.Future[Any]", begun: Begun | None) -> Outcome:
        runner = self._runner
        before = runner.write_count
        try:
            return future, runner.run(job) if begun is None else runner.finish(begun, job), None
        except FAILURES:
            raise
        except Exception as error:  # whatever it is, it belongs to this job's waiter and to no other
            if self._runner.write_count != before:
                raise Spoiled from error
            return future, None, self._own(error)

    def _outcome_apart(self, job: Job[Any], future: "asyncio.Future[Any]") -> Outcome:
        """Run one job so that, if it fails, what it has written is undone and nothing else."""
        before = self._runner.write_count
        self._connection.execute("SAVEPOINT job")
        try:
            outcome: Outcome = future, self._runner.run(job), None
        except FAILURES:
            raise
        except Exception as error:  # as above
            self._connection.execute("ROLLBACK TO job")
            self._runner.write_count = before
            outcome = future, None, self._own(error)
        self._connection.execute("RELEASE job")
        return outcome

    def _own(self, error: Exception) -> Exception:
        """Return the error a waiter gets: SQLite's own are translated, others are the job's."""
        if isinstance(error, apsw.Error):
            return self._failures.translated(error, self._connection)
        return error

    def _commit(self, loop: asyncio.AbstractEventLoop, outcomes: list[Outcome]) -> None:
        """Commit on the thread; tell the loop; let the WAL start over when that is due."""
        failure: apsw.Error | None = None
        try:
            self._connection.execute("COMMIT")
        except apsw.Error as error:
            failure = error
        if failure is None and self._restart_due():
            loop.call_soon_threadsafe(self._committed, outcomes)
            self._restart_wal(self._connection)
            loop.call_soon_threadsafe(self._next, loop)
        else:
            loop.call_soon_threadsafe(self._ended, loop, outcomes, failure)

    def _ended(
        self, loop: asyncio.AbstractEventLoop, outcomes: list[Outcome], failure: apsw.Error | None
    ) -> None:
        if failure is None:
            self._after_commit()
            self.under_way = False
            # First the next batch, so that it is on its way to the disk while those of this one are answered.
            try:
                if self._waiting and not self._scheduled:
                    self._flush(loop)
                else:
                    self._go_on(loop)
            finally:  # what is committed is answered, whatever becomes of the next
                self._answer(outcomes)
            return
        self.under_way = False
        self._roll_back()
        told = self._failures.translated(failure, self._connection, committing=True)
        self._answer([(future, None, copy(told)) for future, _, _ in outcomes])
        self._go_on(loop)

    def _committed(self, outcomes: list[Outcome]) -> None:
        self._after_commit()
        self._answer(outcomes)

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        self.under_way = False
        self._go_on(loop)

    # ── Waiters ─────────────────────────────────────────────────────────────────────────────────────────

    def _go_on(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._waiting:
            if not self._scheduled:
                self._scheduled = True
                loop.call_soon(self._flush, loop)
        elif self._idle is not None:
            self._idle.set()
            self._idle = None

    def _answer(self, outcomes: list[Outcome]) -> None:
        for future, result, error in outcomes:
            if future.done():
                continue
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

    def _wait_for_lock(self, loop: asyncio.AbstractEventLoop, busy: apsw.BusyError) -> None:
        """Try again soon, without holding up the loop; refuse those who wait when it takes too long."""
        if self._busy_since is None:
            self._busy_since = loop.time()
        if loop.time() - self._busy_since > BUSY_SECONDS_MAX:
            self._busy_since = None
            self._fail(loop, self._all_waiting(), busy)
            return
        self._scheduled = True
        # Jitter, so that two processes do not meet in step; nothing depends on its being unguessable.
        loop.call_later(random.uniform(*_BUSY_PAUSE_SECONDS), self._flush, loop)  # noqa: S311 nothing to guess

    def _fail(self, loop: asyncio.AbstractEventLoop, batch: list[Waiting], failure: apsw.Error) -> None:
        self._roll_back()
        told = self._failures.translated(failure, self._connection)
        self._answer([(waiting[1], None, copy(told)) for waiting in batch])
        self._go_on(loop)

    def _all_waiting(self) -> list[Waiting]:
        taken = list(self._waiting)
        self._waiting.clear()
        return taken

    def _roll_back(self) -> None:
        """End the transaction, unless SQLite has ended it itself, as it may on FULL and on I/O errors."""
        if self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except FAILURES as failure:
                self._failures.translated(failure, self._connection)
