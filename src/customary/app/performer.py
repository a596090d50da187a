"""Stands between use cases, which speak of customers, and the engine, which stores sealed rows.

It opens what comes in and seals what goes out, gives the instant and fresh ids, hides what the principal does
not own, and adds version, tags, audit leaf, outbox entry and idempotency answer, so that no use case can
forget them. It must never know HTTP, SQL or what a field means.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, TypeVar

from customary.app import entries, holdings, listing, performing, reasons, recalling
from customary.app.performing import Clock, Run
from customary.app.ports import Dice, Engine, Job, ReadGeneration, ReadTenantKeys, TenantVault, Vault
from customary.app.requests import Deed, UseCase
from customary.domain.access import Principal
from customary.domain.errors import Unavailable

T = TypeVar("T")

SCANS_WAITING_MAX = 256
HALTED_SECONDS = 5
"""When whoever is refused for want of an audit trail may ask again."""

_ANSWERS = {
    **performing.ANSWERS,
    **listing.ANSWERS,
    **recalling.ANSWERS,
    **entries.ANSWERS,
    **holdings.ANSWERS,
}


class Performer:
    """Performs use cases over one engine and one vault.

    ``answers_kept`` is how long an Idempotency-Key replays its answer. With ``reason_required`` nobody is
    shown guarded fields in clear without giving a reason.
    """

    def __init__(
        self,
        engine: Engine,
        vault: Vault,
        dice: Dice,
        *,
        answers_kept: timedelta = timedelta(hours=24),
        reason_required: bool = False,
    ) -> None:
        self._engine = engine
        self._vault = vault
        self._dice = dice
        self._answers_kept = answers_kept
        self._reason_required = reason_required
        self._clock = Clock(dice)
        self._tenants: tuple[int, dict[str, TenantVault]] = -1, {}
        self._scans: dict[str, int] = {}
        self.halted = False
        """Whether deeds are refused, because their entries in the trail could not be kept."""

    def halt(self, halted: bool) -> None:
        """Refuse deeds from now on, or no longer."""
        self.halted = halted

    def require_trail(self) -> None:
        """Raise Unavailable while deeds are refused; for those that go past this performer."""
        if self.halted:
            raise Unavailable(detail="the audit trail cannot be kept", retry_after_seconds=HALTED_SECONDS)

    async def perform(
        self, principal: Principal, use_case: Callable[[], UseCase[T]], deed: Deed | None = None
    ) -> T:
        """Perform a use case that may write; return its result once what it wrote is committed.

        Raises Unavailable while the audit trail cannot be kept.
        """
        if self.halted:
            self.require_trail()
        return await self._engine.perform(self._job(principal, use_case, deed))

    async def read(self, principal: Principal, use_case: Callable[[], UseCase[T]]) -> T:
        """Perform a use case that reads a few records and writes nothing."""
        return await self._engine.read(self._job(principal, use_case, None))

    async def scan(self, principal: Principal, use_case: Callable[[], UseCase[T]]) -> T:
        """Perform a use case that reads many records and writes nothing.

        Scans run one after the other, so one tenant may only have so many waiting: Unavailable beyond.
        """
        with self.scanning(principal):
            return await self._engine.scan(lambda: self._performed(principal, use_case(), Deed(), scan=True))

    @contextmanager
    def scanning(self, principal: Principal) -> Iterator[None]:
        """Count as one who scans; Unavailable if the tenant has too many. For scans past this performer."""
        waiting = self._scans.get(principal.tenant_id, 0)
        if waiting >= SCANS_WAITING_MAX:
            raise Unavailable(detail="too many lists of one tenant are waiting")
        self._scans[principal.tenant_id] = waiting + 1
        try:
            yield
        finally:
            self._scans[principal.tenant_id] -= 1
            if not self._scans[principal.tenant_id]:
                del self._scans[principal.tenant_id]

    def perform_now(
        self, principal: Principal, use_cases: list[Callable[[], UseCase[T]]], deed: Deed | None = None
    ) -> list[T]:
        """Perform use cases in one commit, without an event loop."""
        return self._engine.perform_now([self._job(principal, use_case, deed) for use_case in use_cases])

    def read_now(self, principal: Principal, use_case: Callable[[], UseCase[T]]) -> T:
        """Perform a use case that writes nothing, without an event loop."""
        return self._engine.read_now(self._job(principal, use_case, None))

    def answers_since(self) -> datetime:
        """Return the instant before which idempotency answers are no longer replayed."""
        return self._clock.instant() - self._answers_kept

    def _job(self, principal: Principal, use_case: Callable[[], UseCase[T]], deed: Deed | None) -> Job[T]:
        return lambda: self._performed(principal, use_case(), deed or Deed())

    def _performed(
        self, principal: Principal, use_case: UseCase[T], deed: Deed, *, scan: bool = False
    ) -> Generator[Any, Any, T]:
        """Drive one use case: answer each of its requests by requests to the engine."""
        if self._reason_required and deed.audited and not deed.reason:
            # Also where there will be nothing to show: that must not decide whether a request is refused.
            raise reasons.wanted()
        try:
            request = next(use_case)  # checks the permission, before anything is read
        except StopIteration as stop:
            result: T = stop.value
            return result
        generation, tenants = self._tenants
        if generation != self._engine.generation():
            # A new table, not an emptied one: another thread may still be filling the old one.
            generation, tenants = self._tenants = self._engine.generation(), {}
        if scan and (yield ReadGeneration()) != generation:
            tenants = {}  # its state of the store is a later one, with keys of its own
        tenant = tenants.get(principal.tenant_id)
        if tenant is None:
            keys = yield ReadTenantKeys(principal.tenant_id)
            tenant = tenants[principal.tenant_id] = self._vault.tenant(principal.tenant_id, keys)
        run = Run(self._clock, self._dice, tenant, principal, deed)
        run.reason_required = self._reason_required
        if deed.idempotency_key:
            replayed: T | None = yield from run.replayed(self._answers_kept)
            if replayed is not None:
                use_case.close()
                return replayed
        while True:
            answer = yield from _ANSWERS[type(request)](run, request)
            try:
                request = use_case.send(answer)
            except StopIteration as stop:
                result = stop.value
                return result
