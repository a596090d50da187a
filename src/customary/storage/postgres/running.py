"""Runs the jobs of one batch in one transaction, as if one after the other.

First all jobs are led to their first write, and whatever they ask for on the way is read for all of them at
once. Then they go on in their order: a job whose reading another has overtaken meanwhile starts anew. What
they write is kept in an overlay, from which the next ones are answered, and is stored with one statement a
table: at the end, or before a request that only the database can answer.

It must never know of waiters, retries or the end of the transaction.
"""

from collections.abc import Callable, Generator, Sequence
from typing import Any, Final

from customary.app.ports import Job, Pause, ReadAnswer, ReadRecord, ReadTagged, TagTaken, Write
from customary.domain.errors import CustomaryError
from customary.storage.postgres import reads, registry, writes
from customary.storage.postgres.answering import READS, REGISTERS, WRITES, whom
from customary.storage.postgres.failures import FAILURES, Lost
from customary.storage.postgres.links import HOUSE, Link
from customary.storage.postgres.overlay import Key, Overlay, Unknown
from customary.storage.postgres.rows import tenant_of

KEYED: Final = frozenset({ReadRecord, ReadTagged, ReadAnswer})
"""Answered from rows that are read for many jobs at once."""


class Spoiled(Exception):
    """A job failed after it had written: its transaction is of no use, its neighbours may be run again."""

    def __init__(self, turn: "Turn") -> None:
        super().__init__("a job failed after it had written")
        self.turn = turn


def _nothing() -> Generator[Any, Any, None]:
    yield


class Generation:
    """The number of the registry's last change that is known in this process, as jobs are told it."""

    def __init__(self) -> None:
        self.number = 0


class Turn:
    """One job in a batch: how far it has come, and in the end its result or error.

    ``generation`` is what the job was told when it began.
    """

    def __init__(self, job: Job[Any], known: Generation) -> None:
        self.job = job
        self._known = known
        self.generation = known.number
        self._generator: Generator[Any, Any, Any] = _nothing()
        self.request: Any = None
        self.seen: set[Key] = set()
        self.wrote = False
        self.done = False
        self.result: Any = None
        self.error: Exception | None = None

    def start(self) -> None:
        """Begin the job, or begin it anew."""
        self._generator.close()
        self.seen.clear()
        self.wrote = self.done = False
        self.result = self.error = None
        self.generation = self._known.number
        self._generator = self.job()
        self._go_on(self._generator.send, None)

    def answer(self, answer: Any) -> None:
        """Hand the job the answer to its request."""
        self._go_on(self._generator.send, answer)

    def refuse(self, refusal: Exception) -> None:
        """Raise a refusal inside the job, which may catch it."""
        self._go_on(self._generator.throw, refusal)

    def _go_on(self, step: Callable[[Any], Any], given: Any) -> None:
        try:
            self.request = step(given)
        except StopIteration as stop:
            self.done, self.result = True, stop.value
        except Exception as error:  # whatever it is, it belongs to this job's waiter and to no other
            self.done, self.error = True, error


class Batch:
    """Jobs that run on one link, in one transaction if they write."""

    def __init__(self, link: Link, turns: Sequence[Turn], known: Generation, *, writing: bool) -> None:
        self._link = link
        self._known = known
        self._turns = turns
        self._writing = writing
        self._overlays: dict[str, Overlay] = {}
        self._rewritten = False
        self._verified = False
        self.wrote = False
        self.generation: int | None = None

    async def run(self, suspects: Lost | None = None, *, verifying: bool = True) -> None:
        """Run all jobs and store what they wrote; the caller commits.

        Without ``verifying`` they look themselves whether they have worked with old keys. ``suspects`` are
        what made an earlier attempt fail. Raises Spoiled, Lost, and what the link raises.
        """
        if suspects is not None:
            await self._look_at(suspects)
        while unknown := self._led():
            for tenant_id, keys in unknown.items():
                if keys:
                    await self._learn(tenant_id, keys)
        for turn in self._turns:
            await self._finish(turn)
        await self._store()
        if verifying and not self._verified:
            self._verify(await registry.generation_of(self._link))

    def _verify(self, number: int) -> None:
        """Compare what the jobs were told with the registry as it is; Lost, if they worked with old keys."""
        self._verified = True
        if any(turn.generation != number for turn in self._turns):
            self._known.number = number
            raise Lost

    # ── All together, up to the first write ─────────────────────────────────────────────────────────────

    def _led(self) -> dict[str, set[Key]]:
        """Lead every job as far as what is known leads; return what must be read to go on, by tenant."""
        unknown: dict[str, set[Key]] = {}
        for turn in self._turns:
            if not turn.done and type(turn.request) is Pause:
                # Once all have come to this point, they go on.
                turn.answer(None)
                unknown.setdefault("", set())
                continue
            while not turn.done and type(turn.request) in KEYED:
                try:
                    self._answer_keyed(turn)
                except Unknown as missing:
                    unknown.setdefault(turn.request.tenant_id, set()).update(missing.keys)
                    break
            if not turn.done and type(turn.request) is Write:
                needed = self._overlay(turn.request.tenant_id).needs(turn.request)
                if needed:
                    unknown.setdefault(turn.request.tenant_id, set()).update(needed)
        return unknown

    def _answer_keyed(self, turn: Turn) -> None:
        request = turn.request
        overlay = self._overlay(request.tenant_id)
        answer = overlay.read(request)
        if type(request) is ReadRecord:
            turn.seen.add(request.customer_id)
        elif type(request) is ReadTagged:
            turn.seen.add((request.tag.kind, request.tag.digest))
            if answer is not None:
                turn.seen.add(answer.customer_id)
        else:
            turn.seen.add(request.key_tag)
        turn.answer(answer)

    def _overlay(self, tenant_id: str) -> Overlay:
        overlay = self._overlays.get(tenant_id)
        if overlay is None:
            overlay = self._overlays[tenant_id] = Overlay(tenant_id)
        return overlay

    # ── One after the other ─────────────────────────────────────────────────────────────────────────────

    async def _finish(self, turn: Turn) -> None:
        """Lead one job to its end."""
        if turn.seen and self._is_overtaken(turn):
            turn.start()
        while not turn.done:
            try:
                await self._step(turn)
            except Unknown as missing:
                await self._learn(turn.request.tenant_id, set(missing.keys))
        if turn.error is not None and turn.wrote:
            await self._store()  # Lost, if it failed only because it was not told what somebody else holds
            raise Spoiled(turn)

    def _is_overtaken(self, turn: Turn) -> bool:
        """Return whether a job before this one has written something that this one has read."""
        return self._rewritten or any(turn.seen & overlay.written for overlay in self._overlays.values())

    async def _step(self, turn: Turn) -> None:
        request = turn.request
        kind = type(request)
        if kind in KEYED:
            self._answer_keyed(turn)
            return
        if kind is Pause:
            turn.answer(None)
            return
        try:
            answer = None
            if kind is Write and self._writing:
                self._overlay(request.tenant_id).write(request)
                turn.wrote = self.wrote = True
            else:
                answer = await self._asked(turn, request)
        except (TagTaken, CustomaryError) as refusal:
            turn.refuse(refusal)
        except FAILURES:
            raise
        except TypeError as mistake:
            turn.refuse(mistake)
        else:
            turn.answer(answer)

    async def _asked(self, turn: Turn, request: Any) -> Any:
        """Ask the database, after it has been told what was written so far."""
        kind = type(request)
        answering = READS.get(kind)
        writes_rows = answering is None
        if writes_rows:
            answering = WRITES.get(kind) if self._writing else None
        if answering is None:
            raise TypeError(f"{kind.__name__} is no request that may be made here")
        await self._store()
        if writes_rows and not self._verified:
            await self._link.turn_to(HOUSE)
            self._verify(await registry.generation_held(self._link, changing=kind in REGISTERS))
        await self._link.turn_to(whom(request))
        answer = await answering(self._link, request)
        if writes_rows:
            turn.wrote = self.wrote = self._rewritten = True
            for overlay in self._overlays.values():
                overlay.forget()
            if kind in REGISTERS:
                self.generation = await registry.generation_of(self._link)
        return answer

    async def _store(self) -> None:
        for tenant_id, overlay in self._overlays.items():
            if overlay.write_count:
                overlay.write_count = 0
                await self._link.turn_to(tenant_of(tenant_id))
                await writes.store(self._link, overlay)
                # Now that the tenant's counters are held: who changes its keys holds them, too.
                if not self._verified:
                    self._verify(await registry.generation_of(self._link))

    # ── Reading for many ────────────────────────────────────────────────────────────────────────────────

    async def _learn(self, tenant_id: str, keys: set[Key]) -> None:
        """Read the rows of these keys into the tenant's overlay, with a statement a kind."""
        link, overlay, locked = self._link, self._overlay(tenant_id), self._writing
        ids = [key for key in keys if isinstance(key, str)]
        tags = [key for key in keys if isinstance(key, tuple)]
        key_tags = [key for key in keys if isinstance(key, bytes)]
        await link.turn_to(tenant_of(tenant_id))
        if key_tags:
            overlay.learn_answers(key_tags, await reads.answers(link, tenant_id, key_tags))
        if tags:
            overlay.learn_tagged(tags, await reads.tagged(link, tenant_id, tags, locked=locked))
        if ids:
            overlay.learn_records(ids, await reads.records(link, tenant_id, ids, locked=locked))

    async def _look_at(self, suspects: Lost) -> None:
        """Read first what somebody else held the last time, so that the job that wants it is refused."""
        for tenant_id, keys in suspects.keys.items():
            await self._learn(tenant_id, keys)
            ids = [key for key in keys if isinstance(key, str)]
            if ids:
                self._overlay(tenant_id).buried |= await reads.buried(self._link, tenant_id, ids)
