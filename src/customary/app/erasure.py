"""Erasing a customer: planned, promised to the ledger, carried out, and, after a restore, carried out again.

The use cases here yield engine requests themselves, as those of credentials do: what they do is not a change
of a record. An erasure is several steps, because what an index would make dear is looked for beforehand, on a
scan: *steps* are generators that yield which way of the engine a job goes, and the job.

It must never know where the ledger is, HTTP, or SQL.
"""

from collections.abc import Generator
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Literal, TypeVar

import msgspec

from customary.app import erasing
from customary.app.erasing import Leftovers, gone
from customary.app.ledger import Ledger, Promise, UndoneErasures
from customary.app.ports import (
    Destroyed,
    Dice,
    DropKept,
    Engine,
    Erasable,
    Job,
    KeptRow,
    MarkScrubbed,
    ReadAnswer,
    ReadAnswersOf,
    ReadErasable,
    ReadErased,
    ReadKept,
    ReadMentions,
    ReadTenantKeys,
    ReadTombstone,
    ReadUnscrubbed,
    TombstoneRow,
    Vault,
    WriteTombstone,
)
from customary.app.requests import Deed
from customary.app.retention import rules_of
from customary.domain.access import Permission, Principal
from customary.domain.audit import Action
from customary.domain.customer import CustomerID, TenantID
from customary.domain.erasure import (
    FORM,
    Block,
    Certificate,
    Going,
    Plan,
    instant_of,
    instant_text,
    keepings,
)
from customary.domain.errors import Conflict, IdempotencyMismatch, NotFound, Unavailable

T = TypeVar("T")
Way = Literal["read", "scan", "perform"]
Steps = Generator[tuple[Way, Job[Any]], Any, T]

STRETCH = 50_000
"""How many answers or announcements are looked at on one scan, between which others have their turn."""

_LATE_MAX = timedelta(seconds=10)
"""How much later than its own instant an answer may be committed."""

_HELD = "A legal hold keeps this customer from being erased"


class Eraser:
    """Erases customers of one store. Methods that end in ``_now`` are for programs without an event loop."""

    def __init__(
        self,
        engine: Engine,
        vault: Vault,
        dice: Dice,
        ledger: Ledger,
        *,
        answers_kept: timedelta = timedelta(hours=24),
    ) -> None:
        self.engine = engine
        self.vault = vault
        self.dice = dice
        self.ledger = ledger
        self._answers_kept = answers_kept

    # ── What is asked for ───────────────────────────────────────────────────────────────────────────────

    async def plan(self, principal: Principal, customer_id: CustomerID) -> Plan:
        """Return what an erasure would do; NotFound, or Gone for who may know."""
        return await self._done(self._planning(principal, customer_id))

    def plan_now(self, principal: Principal, customer_id: CustomerID) -> Plan:
        """Return what an erasure would do."""
        return self._done_now(self._planning(principal, customer_id))

    async def erase(self, principal: Principal, customer_id: CustomerID, deed: Deed) -> Certificate:
        """Erase a customer; Conflict while it is held, Gone when it was erased by another request."""
        return await self._done(self._erasing(principal, customer_id, deed))

    def erase_now(self, principal: Principal, customer_id: CustomerID, deed: Deed) -> Certificate:
        """Erase a customer, and scrub the store if nobody prevents it."""
        certificate = self._done_now(self._erasing(principal, customer_id, deed))
        self.scrub_now()
        return certificate

    async def scrub(self) -> None:
        """Have the store rid of what was destroyed, and note for which customers it is."""
        erased: list[tuple[str, str]] = await self.engine.read(_unscrubbed)
        if erased and await self.engine.scrub():
            await self.engine.perform(partial(_asked, MarkScrubbed(tuple(erased))))

    def scrub_now(self) -> None:
        """Do the same without an event loop."""
        erased = self.engine.read_now(_unscrubbed)
        if erased and self.engine.scrub_now():
            self.engine.perform_now([partial(_asked, MarkScrubbed(tuple(erased)))])

    async def sweep(self) -> None:
        """Destroy kept parts whose time has come."""
        while await self.engine.perform(self._sweep):
            pass

    # ── What was promised ───────────────────────────────────────────────────────────────────────────────

    def check_now(self) -> None:
        """Refuse a store that the ledger contradicts.

        Raises Unavailable if erasures were undone, as by a restore, or the ledger lacks some.
        """
        compared = self.ledger.compared(self.engine.read_now(_erased))
        if compared.unknown:
            raise Unavailable(
                f"The erasure ledger lacks {compared.unknown} erasures that the database has: bring back the"
                " whole of it"
            )
        if compared.undone:
            raise UndoneErasures(count=len(compared.undone))

    async def go_on(self) -> None:
        """Carry out all that was promised and not settled; what could not be is raised after the others."""
        failures = erasing.Failures()
        for promise in self.ledger.unsettled():
            with failures.noted():
                await self._done(self._replaying(promise, undone=False))
        failures.tell()

    def go_on_now(self) -> None:
        """Do the same without an event loop."""
        failures = erasing.Failures()
        for promise in self.ledger.unsettled():
            with failures.noted():
                self._done_now(self._replaying(promise, undone=False))
        failures.tell()

    def replay_now(self) -> int:
        """Carry out every erasure that the store lacks; return how many were carried out again.

        The ledger's signatures are all checked first. Raises Unavailable as ``check_now`` does for a ledger
        that lacks some.
        """
        self.ledger.verify()
        compared = self.ledger.compared(self.engine.read_now(_erased))
        for promise in compared.undone:
            self._done_now(self._replaying(promise, undone=True))
        self.go_on_now()
        self.check_now()
        self.scrub_now()
        return len(compared.undone)

    # ── Steps ───────────────────────────────────────────────────────────────────────────────────────────

    def _planning(self, principal: Principal, customer_id: CustomerID) -> Steps[Plan]:
        principal.require(Permission.ERASE_CUSTOMERS)
        principal.require_everything()
        yield "read", partial(self._found, principal, customer_id)
        leftovers = yield from self._leftovers(principal.tenant_id, customer_id)
        plan: Plan = yield "scan", partial(self._planned, principal, customer_id, leftovers)
        return plan

    def _erasing(self, principal: Principal, customer_id: CustomerID, deed: Deed) -> Steps[Certificate]:
        principal.require(Permission.ERASE_CUSTOMERS)
        principal.require_everything()
        replayed: Certificate | None = yield "read", partial(self._may_go_on, principal, customer_id, deed)
        if replayed is not None:
            return replayed
        leftovers = yield from self._leftovers(principal.tenant_id, customer_id)
        job = partial(self._erased, principal, customer_id, leftovers, deed)
        certificate: Certificate = yield "perform", job
        self.ledger.settle(certificate.tenant_id, certificate.number)
        return certificate

    def _replaying(self, promise: Promise, *, undone: bool) -> Steps[None]:
        certificate = promise.certificate
        leftovers = yield from self._leftovers(certificate.tenant_id, certificate.customer_id)
        yield "perform", partial(self._replayed, promise, leftovers, undone=undone)
        self.ledger.settle(certificate.tenant_id, certificate.number)

    def _leftovers(self, tenant_id: str, customer_id: str) -> Steps[Leftovers]:
        """Look through answers and announcements, a stretch at a time."""
        since = self.dice.now() - _LATE_MAX
        answers: list[bytes] = []
        key_tag: bytes | None = b""
        while key_tag is not None:
            request: Any = ReadAnswersOf(tenant_id, customer_id, key_tag, STRETCH)
            found, key_tag = yield "scan", partial(_asked, request)
            answers += found
        mentions: list[int] = []
        last = 0
        while True:
            request = ReadMentions(tenant_id, customer_id, last, STRETCH)
            numbers, to = yield "scan", partial(_asked, request)
            mentions += numbers
            if to is None:
                return Leftovers(tuple(answers), since, tuple(mentions), last)
            last = to

    # ── Jobs ────────────────────────────────────────────────────────────────────────────────────────────

    def _found(self, principal: Principal, customer_id: str) -> Generator[Any, Any, None]:
        """Raise Gone or NotFound for a customer that is not there."""
        stone: TombstoneRow | None = yield ReadTombstone(principal.tenant_id, customer_id)
        if stone is not None and principal.owns(stone.merchant_no):
            raise gone(stone)
        found: Erasable | None = yield ReadErasable(principal.tenant_id, customer_id)
        if found is None or not principal.owns(found.record.merchant_no):
            raise NotFound

    def _may_go_on(
        self, principal: Principal, customer_id: str, deed: Deed
    ) -> Generator[Any, Any, Certificate | None]:
        """Return the certificate that this very request has led to before; else raise what forbids it."""
        keys = yield ReadTenantKeys(principal.tenant_id)
        tenant = self.vault.tenant(principal.tenant_id, keys)
        # Under the index key of now, and under those of before it turned.
        taggers = (tenant, *tenant.answers) if deed.idempotency_key else ()
        tags = dict(erasing.request_tags(tagger, principal, deed) for tagger in taggers)
        stone: TombstoneRow | None = yield ReadTombstone(principal.tenant_id, customer_id)
        if stone is not None and principal.owns(stone.merchant_no):
            if stone.key_tag not in tags:
                raise gone(stone)
            if stone.request_tag != tags[stone.key_tag]:
                raise IdempotencyMismatch
            return msgspec.json.decode(stone.certificate, type=Certificate)
        for key_tag in tags:
            since = self.dice.now() - self._answers_kept
            if (yield ReadAnswer(principal.tenant_id, key_tag, since)) is not None:
                raise IdempotencyMismatch
        found: Erasable | None = yield ReadErasable(principal.tenant_id, customer_id)
        if found is None or not principal.owns(found.record.merchant_no):
            raise NotFound
        if found.hold is not None:
            raise Conflict(_HELD, field="hold")
        return None

    def _planned(
        self, principal: Principal, customer_id: str, leftovers: Leftovers
    ) -> Generator[Any, Any, Plan]:
        found: Erasable | None = yield ReadErasable(principal.tenant_id, customer_id)
        if found is None:
            raise NotFound(detail="it was erased meanwhile")
        keys = yield ReadTenantKeys(principal.tenant_id)
        tenant = self.vault.tenant(principal.tenant_id, keys)
        customer = erasing.opened(tenant, found.record)
        counts = erasing.counts(found, leftovers, erasing.tags_of(tenant, customer))
        rules = yield from rules_of(principal.tenant_id)
        kept = keepings(rules, counts, self._instant(), erasing.relationship_ended(customer))
        covered = {one.part for one in kept}
        hold = found.hold
        return Plan(
            customer_id,
            tuple(Going(part, count) for part, count in counts.items() if part not in covered),
            kept,
            () if hold is None else (Block("hold", instant_text(hold.at), hold.actor),),
        )

    def _erased(
        self, principal: Principal, customer_id: CustomerID, leftovers: Leftovers, deed: Deed
    ) -> Generator[Any, Any, Certificate]:
        """Erase: whatever was looked at before is looked at again, now that nobody else can write."""
        replayed = yield from self._may_go_on(principal, customer_id, deed)
        if replayed is not None:
            return replayed
        tenant_id = principal.tenant_id
        found: Erasable = yield ReadErasable(tenant_id, customer_id, whole=True)
        keys = yield ReadTenantKeys(tenant_id)
        tenant = self.vault.tenant(tenant_id, keys)
        customer = erasing.opened(tenant, found.record)
        instant = self._instant()
        rules = yield from rules_of(tenant_id)
        tags = erasing.tags_of(tenant, customer)
        counts = erasing.counts(found, leftovers, tags)
        kept = keepings(rules, counts, instant, erasing.relationship_ended(customer))
        rows = erasing.kept_rows(tenant, found, kept)
        destroyed: Destroyed = yield erasing.destruction(found.record, leftovers, tags)
        request_tags = erasing.request_tags(tenant, principal, deed)
        certificate = Certificate(
            form=FORM,
            number=0,
            tenant_id=tenant_id,
            customer_id=customer_id,
            customer_number=found.record.customer_number,
            merchant_no=found.record.merchant_no,
            erased_at=instant_text(instant),
            actor=principal.key_id,
            request_id=deed.request_id,
            destroyed=erasing.goings(found, destroyed, kept),
            kept=kept,
            previous="",
            public_key=self.vault.trail_public_key.hex(),
        )
        encoded = self.ledger.promise(
            tenant_id, customer_id, request_tags, partial(self._signed, certificate)
        )
        certificate = msgspec.json.decode(encoded, type=Certificate)
        said = erasing.sealing(tenant, found.record, "" if customer is None else deed.reason)
        leaf = erasing.erasure_leaf(
            certificate, Action.CUSTOMER_ERASED, instant, principal.key_id, found.record.version, said
        )
        tenant.forget(found.record.wrapped_key)
        yield WriteTombstone(erasing.stone_of(certificate, request_tags), rows, leaf)
        return certificate

    def _signed(self, certificate: Certificate, number: int, previous: str) -> bytes:
        numbered = msgspec.structs.replace(certificate, number=number, previous=previous)
        signature = self.vault.signed(numbered.signed_bytes()).hex()
        return msgspec.structs.replace(numbered, signature=signature).encoded()

    def _replayed(self, promise: Promise, leftovers: Leftovers, *, undone: bool) -> Generator[Any, Any, None]:
        """Erase what the ledger says was erased, if it is there, and set the tombstone."""
        certificate = promise.certificate
        tenant_id, customer_id = certificate.tenant_id, certificate.customer_id
        if (yield ReadTombstone(tenant_id, customer_id)) is not None:
            return
        instant = self._instant()
        rows: tuple[KeptRow, ...] = ()
        version = 0
        found: Erasable | None = yield ReadErasable(tenant_id, customer_id, whole=True)
        if found is not None:
            version = found.record.version
            keys = yield ReadTenantKeys(tenant_id)
            tenant = self.vault.tenant(TenantID(tenant_id), keys)
            kept = [one for one in certificate.kept if instant_of(one.until) > instant]
            if erasing.opened(tenant, found.record) is not None:
                rows = erasing.kept_rows(tenant, found, kept)
            yield erasing.destruction(found.record, leftovers, None)
            tenant.forget(found.record.wrapped_key)
        action, actor = Action.CUSTOMER_ERASED, certificate.actor
        if undone:
            action, actor = Action.CUSTOMER_ERASED_AGAIN, "cli"
        tags = (bytes.fromhex(promise.key_tag), bytes.fromhex(promise.request_tag))
        leaf = erasing.erasure_leaf(certificate, action, instant, actor, version)
        yield WriteTombstone(erasing.stone_of(certificate, tags), rows, leaf)

    def _sweep(self) -> Generator[Any, Any, int]:
        instant = self._instant()
        due: list[KeptRow] = yield ReadKept(due=instant)
        if due:
            yield DropKept(
                tuple((row.tenant_id, row.customer_id, row.part) for row in due),
                tuple(erasing.part_leaf(row, Action.KEPT_DESTROYED, instant, "cli") for row in due),
            )
        return len(due)

    # ── How steps are gone ──────────────────────────────────────────────────────────────────────────────

    async def _done(self, steps: Steps[T]) -> T:
        ways = {"read": self.engine.read, "scan": self.engine.scan, "perform": self.engine.perform}
        try:
            way, job = next(steps)
            while True:
                way, job = steps.send(await ways[way](job))
        except StopIteration as stop:
            result: T = stop.value
            return result

    def _done_now(self, steps: Steps[T]) -> T:
        try:
            way, job = next(steps)
            while True:
                answer = self.engine.perform_now([job])[0] if way == "perform" else self.engine.read_now(job)
                way, job = steps.send(answer)
        except StopIteration as stop:
            result: T = stop.value
            return result

    def _instant(self) -> datetime:
        now = self.dice.now()
        return now.replace(microsecond=now.microsecond // 1000 * 1000)


def _asked(request: Any) -> Generator[Any, Any, Any]:
    return (yield request)


_erased = partial(_asked, ReadErased())
_unscrubbed = partial(_asked, ReadUnscrubbed())
