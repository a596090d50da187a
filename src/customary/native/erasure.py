"""The native operations on erasure: plan, execution and certificate, legal holds, and retention rules."""

from functools import partial
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from customary.app import certificates, retention
from customary.app.certificates import Issued
from customary.domain.access import Permission
from customary.domain.audit import REASON_MAX
from customary.domain.erasure import (
    COVERABLE,
    TEXT_MAX,
    Certificate,
    Origin,
    Part,
    Plan,
    Rule,
    instant_text,
)
from customary.domain.errors import Gone, Invalid, NotFound, Violation
from customary.domain.ids import is_digits
from customary.http.body import parsed
from customary.http.exchange import Exchange, Reply
from customary.http.fields import Fields, Limits
from customary.http.shell import Operation, as_body, body_of, check_json_type, deed_of
from customary.native.paging import cursor, limit_of, list_query, position_of, unknown_cursor
from customary.native.reasons import stated_reason
from customary.native.subject import Subject, customer_id

_ERASE = frozenset({Permission.ERASE_CUSTOMERS})
_HOLD = frozenset({Permission.MANAGE_HOLDS})

OPERATIONS = (
    Operation("GET", "/customers/{id}/erasure", _ERASE, "get_erasure"),
    Operation("POST", "/customers/{id}/erasure", _ERASE, "erase_customer", mutates=True),
    Operation("GET", "/customers/{id}/hold", _HOLD, "get_hold"),
    Operation("POST", "/customers/{id}/hold", _HOLD, "hold_customer", mutates=True),
    Operation("DELETE", "/customers/{id}/hold", _HOLD, "release_customer", mutates=True),
    Operation("GET", "/erasures", _ERASE, "list_erasures"),
    Operation("GET", "/retention", _ERASE | _HOLD, "get_retention"),
    Operation("PUT", "/retention", _HOLD, "replace_retention", mutates=True, tenant_only=True),
)

_LIST = "erasures"
_NUMBER_DIGITS_MAX = 15
_RULE_TEXT = Limits(TEXT_MAX)


class ErasureView(msgspec.Struct):
    """What an erasure would do, or the certificate of the one that was."""

    customerId: str
    plan: Annotated[
        Plan | UnsetType, Meta(description="What would be destroyed, kept, and what forbids it")
    ] = UNSET
    certificate: Annotated[Certificate | UnsetType, Meta(description="What was signed when it was done")] = (
        UNSET
    )
    scrubbed: Annotated[
        bool | UnsetType,
        Meta(description="Whether the destroyed key is gone from every file of the store, logs included"),
    ] = UNSET


class ErasuresPage(msgspec.Struct):
    """One page of erasures, oldest first; the next one begins at the cursor, if there is one."""

    erasures: list[ErasureView]
    nextCursor: str | None


class ErasureSent(msgspec.Struct):
    """Whether only to say what would be done."""

    dryRun: bool = False


class HoldView(msgspec.Struct, omit_defaults=True):
    """Whether a customer is held, and if so since when, by whom and why."""

    customerId: str
    held: bool
    at: str | None = None
    actor: Annotated[str | None, Meta(description="The key that put the hold, or `cli`")] = None
    reason: Annotated[str | None, Meta(description="Left out where it does not open any more")] = None


class HoldSent(msgspec.Struct):
    """Why a customer must not be erased."""

    reason: Annotated[
        str | UnsetType,
        Meta(min_length=1, max_length=REASON_MAX, description="Why; may stand in X-Reason instead"),
    ] = UNSET


class RulesView(msgspec.Struct):
    """The retention rules that hold for the tenant."""

    rules: list[Rule]


class Erasures(Subject):
    """The handlers of this subject."""

    async def get_erasure(self, exchange: Exchange) -> Reply:
        """Return what erasing a customer would do or, once that is done, its certificate."""
        principal, eraser = exchange.caller, self._means.eraser
        subject = customer_id(exchange)
        try:
            with self._means.performer.scanning(principal):
                return _planned(await eraser.plan(principal, subject))
        except Gone:
            job = partial(certificates.fetch_certificate, principal, subject)
            return Reply(200, as_body(_view(await eraser.engine.read(job))))

    async def erase_customer(self, exchange: Exchange) -> Reply:
        """Erase a customer for good and return the certificate; with `dryRun` only say what would be done.

        What rules keep for a while is sealed apart, where no other operation reaches it. A legal hold forbids
        it. The same request with the same Idempotency-Key is answered with the same certificate. A parameter,
        or another member than `dryRun`, is refused: there is no way back from one that was misspelt.
        """
        principal, eraser = exchange.caller, self._means.eraser
        check_json_type(exchange)
        if _is_dry_run(exchange, await body_of(exchange)):
            with self._means.performer.scanning(principal):
                return _planned(await eraser.plan(principal, customer_id(exchange)))
        self._means.performer.require_trail()
        with self._means.performer.scanning(principal):
            certificate = await eraser.erase(principal, customer_id(exchange), deed_of(exchange))
        job = partial(certificates.fetch_certificate, principal, certificate.customer_id)
        return Reply(200, as_body(_view(await eraser.engine.read(job))))

    async def list_erasures(self, exchange: Exchange) -> Reply:
        """Return the certificates of all erasures that the key may see, oldest first, page by page."""
        principal = exchange.caller
        query = list_query(exchange, "limit", "cursor")
        limit, position = limit_of(query), position_of(query, _LIST)
        if position is not None and not (is_digits(position) and len(position) <= _NUMBER_DIGITS_MAX):
            raise unknown_cursor()
        job = partial(certificates.list_certificates, principal, int(position or 0), limit + 1)
        with self._means.performer.scanning(principal):
            found = await self._means.eraser.engine.scan(job)
        last = found[limit - 1].certificate.number if len(found) > limit else None
        going_on = None if last is None else cursor(_LIST, str(last))
        return Reply(200, as_body(ErasuresPage([_view(one) for one in found[:limit]], going_on)))

    async def get_hold(self, exchange: Exchange) -> Reply:
        """Return whether there is a legal hold on a customer, and if so since when, by whom and why."""
        eraser, subject = self._means.eraser, customer_id(exchange)
        job = partial(retention.fetch_hold, exchange.caller, eraser.vault, subject)
        return _held(subject, await eraser.engine.read(job))

    async def hold_customer(self, exchange: Exchange) -> Reply:
        """Put a legal hold on a customer: nobody can erase it until the hold is lifted.

        The reason is sealed with the customer, and shown to whoever may put and lift holds.
        """
        eraser, subject = self._means.eraser, customer_id(exchange)
        check_json_type(exchange)
        content = await body_of(exchange)
        reason = stated_reason(exchange, parsed(content) if content else {})
        held = partial(
            retention.hold,
            exchange.caller,
            eraser.vault,
            eraser.dice,
            eraser.ledger,
            subject,
            reason,
            exchange.request_id,
        )
        self._means.performer.require_trail()
        return _held(subject, await eraser.engine.perform(held))

    async def release_customer(self, exchange: Exchange) -> Reply:
        """Lift the legal hold on a customer; where there is none, nothing is changed."""
        eraser, subject = self._means.eraser, customer_id(exchange)
        check_json_type(exchange)
        content = await body_of(exchange)
        reason = stated_reason(exchange, parsed(content) if content else {})
        job = partial(
            retention.release,
            exchange.caller,
            eraser.vault,
            eraser.dice,
            subject,
            reason,
            exchange.request_id,
        )
        try:
            self._means.performer.require_trail()
            await eraser.engine.perform(job)
        except NotFound as absent:
            if absent.kind != "hold":
                raise
        return _held(subject, None)

    async def get_retention(self, exchange: Exchange) -> Reply:
        """Return the retention rules of the tenant; until it sets any, the defaults."""
        job = partial(retention.list_rules, exchange.caller)
        return Reply(200, as_body(RulesView(list(await self._means.eraser.engine.read(job)))))

    async def replace_retention(self, exchange: Exchange) -> Reply:
        """Set the retention rules of the tenant, all of them.

        Of several rules for one part that holds which keeps it longest. Erasures that were carried out keep
        the dates of their certificates.
        """
        check_json_type(exchange)
        rules = _rules(parsed(await body_of(exchange)))
        eraser = self._means.eraser
        job = partial(retention.replace_rules, exchange.caller, eraser.dice, rules, exchange.request_id)
        self._means.performer.require_trail()
        return Reply(200, as_body(RulesView(list(await eraser.engine.perform(job)))))


def _planned(plan: Plan) -> Reply:
    return Reply(200, as_body(ErasureView(plan.customer_id, plan, UNSET, UNSET)))


def _view(issued: Issued) -> ErasureView:
    return ErasureView(issued.certificate.customer_id, UNSET, issued.certificate, issued.scrubbed)


def _held(subject: str, hold: retention.Hold | None) -> Reply:
    if hold is None:
        return Reply(200, as_body(HoldView(subject, False)))
    return Reply(200, as_body(HoldView(subject, True, instant_text(hold.at), hold.actor, hold.reason)))


def _is_dry_run(exchange: Exchange, content: bytes) -> bool:
    """Return whether a body, which may be left out, asks for a plan only; Invalid for whatever else it says.

    Elsewhere an unknown member is passed over. Here it may be a misspelt ``dryRun``, and erases somebody.
    """
    if exchange.raw_query:
        raise Invalid(Violation("query", "unknown", "an erasure has no parameters: dryRun is of the body"))
    body = parsed(content) if content else {}
    dry_run = body.get("dryRun", False)
    if not isinstance(dry_run, bool):
        raise Invalid(Violation("dryRun", "type", "dryRun is not true or false"))
    if body.keys() - {"dryRun"}:
        raise Invalid(Violation("body", "unknown", "the body of an erasure has no member but dryRun"))
    return dry_run


def _rules(body: dict[str, object]) -> tuple[Rule, ...]:
    """Return the rules of a body; Invalid, with the place of each fault."""
    sent = body.get("rules")
    if not isinstance(sent, list):
        raise Invalid(Violation("rules", "type" if "rules" in body else "required", "rules is not a list"))
    rules = []
    violations: list[Violation] = []
    for at, one in enumerate(sent):
        place = f"rules.{at}"
        try:
            rules.append(_rule(one))
        except Invalid as invalid:
            violations += [
                Violation(f"{place}.{fault.field}", fault.rule, f"{place}: {fault.message}")
                for fault in invalid.violations
            ]
    if violations:
        raise Invalid(*violations)
    return tuple(rules)


def _rule(sent: object) -> Rule:
    fields = Fields(sent if isinstance(sent, dict) else {})
    texts = {
        name: fields.text(name, _RULE_TEXT) for name in ("ruleId", "covers", "period", "countedFrom", "basis")
    }
    for name, text in texts.items():
        if not isinstance(text, str) and not fields.violations:
            fields.fault(name, "required")
    fields.check()
    chosen = {name: str(text) for name, text in texts.items()}
    for name, choices in (("covers", COVERABLE), ("countedFrom", tuple(Origin))):
        if chosen[name] not in choices:
            text = f"{name} is none of {', '.join(choices)}"
            raise Invalid(Violation(name, "enumeration", text))
    return Rule(
        chosen["ruleId"],
        Part(chosen["covers"]),
        chosen["period"],
        Origin(chosen["countedFrom"]),
        chosen["basis"],
    )
