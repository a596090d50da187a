"""What must not be erased yet: a tenant's retention rules, and the legal holds on its customers.

Rules are data of a tenant; until it sets any, the defaults hold. A hold is put and taken away by somebody,
for a reason that is sealed under the customer's key. It must never know HTTP or SQL.
"""

from collections.abc import Generator
from datetime import datetime
from typing import Any

import msgspec

from customary.app.erasing import gone
from customary.app.ledger import Ledger
from customary.app.performing import instant_text
from customary.app.ports import (
    Dice,
    DropHold,
    Erasable,
    HoldRow,
    LeafRow,
    ReadErasable,
    ReadRules,
    ReadTenantKeys,
    ReadTombstone,
    TenantVault,
    TombstoneRow,
    Vault,
    WriteHold,
    WriteRules,
)
from customary.app.reasons import reasoned
from customary.domain.access import Permission, Principal
from customary.domain.audit import REASON_MAX, Action, Leaf, is_reason
from customary.domain.customer import CustomerID
from customary.domain.erasure import DEFAULT_RULES, RULES_MAX, Rule, check_rule
from customary.domain.errors import Conflict, CustomaryError, Forbidden, Invalid, NotFound, Violation

_decode = msgspec.json.Decoder(tuple[Rule, ...]).decode


class Hold(msgspec.Struct, frozen=True):
    """A legal hold; ``reason`` is None where it does not open any more."""

    at: datetime
    actor: str
    reason: str | None


# ── Rules ───────────────────────────────────────────────────────────────────────────────────────────────


def rules_of(tenant_id: str) -> Generator[Any, Any, tuple[Rule, ...]]:
    """Return the rules that hold for a tenant."""
    stored: bytes | None = yield ReadRules(tenant_id)
    return DEFAULT_RULES if stored is None else _decode(stored)


def list_rules(principal: Principal) -> Generator[Any, Any, tuple[Rule, ...]]:
    """Return the rules that hold for the principal's tenant."""
    principal.require(Permission.ERASE_CUSTOMERS, Permission.MANAGE_HOLDS)
    return (yield from rules_of(principal.tenant_id))


def set_rule(
    principal: Principal, dice: Dice, rule: Rule, request_id: str = ""
) -> Generator[Any, Any, tuple[Rule, ...]]:
    """Add a rule, or put it in place of the one of its id; return the rules that hold then.

    Raises Invalid for one that could not be kept, Conflict for one too many.
    """
    _require_tenant(principal)
    check_rule(rule)
    before = yield from rules_of(principal.tenant_id)
    place = next((at for at, one in enumerate(before) if one.rule_id == rule.rule_id), len(before))
    after = (*before[:place], rule, *before[place + 1 :])
    if len(after) > RULES_MAX:
        raise Conflict(f"There are {RULES_MAX} rules already", field="rule_id")
    yield _changed(principal, dice, rule.rule_id, after, request_id)
    return after


def replace_rules(
    principal: Principal, dice: Dice, rules: tuple[Rule, ...], request_id: str = ""
) -> Generator[Any, Any, tuple[Rule, ...]]:
    """Set all rules of a tenant and return them; Invalid for one that could not be kept, or too many."""
    _require_tenant(principal)
    for at, rule in enumerate(rules):
        _check_placed(at, rule)
    if len({rule.rule_id for rule in rules}) < len(rules):
        text = "Two rules have one id"
        raise Invalid(Violation("rules", "range", text), public=text)
    if len(rules) > RULES_MAX:
        text = f"There are at most {RULES_MAX} rules"
        raise Invalid(Violation("rules", "size", text), public=text)
    yield _changed(principal, dice, principal.tenant_id, rules, request_id)
    return rules


def _check_placed(at: int, rule: Rule) -> None:
    try:
        check_rule(rule)
    except Invalid as invalid:
        fault = invalid.violations[0]
        field = f"rules.{at}.{fault.field}"
        raise Invalid(Violation(field, fault.rule, fault.message), public=invalid.public) from None


def remove_rule(
    principal: Principal, dice: Dice, rule_id: str, request_id: str = ""
) -> Generator[Any, Any, tuple[Rule, ...]]:
    """Take a rule away; return the rules that hold then. NotFound if there is none of that id."""
    _require_tenant(principal)
    before = yield from rules_of(principal.tenant_id)
    after = tuple(one for one in before if one.rule_id != rule_id)
    if after == before:
        raise NotFound("There is no such rule", kind="rule")
    yield _changed(principal, dice, rule_id, after, request_id)
    return after


def _require_tenant(principal: Principal) -> None:
    principal.require(Permission.MANAGE_HOLDS)
    if principal.merchant_no is not None:
        raise Forbidden("Retention rules are the tenant's: a merchant's key cannot change them")


def _changed(
    principal: Principal, dice: Dice, rule_id: str, rules: tuple[Rule, ...], request_id: str
) -> WriteRules:
    leaf = _leaf(principal, dice.now(), Action.RETENTION_CHANGED, rule_id, request_id)
    row = LeafRow(principal.tenant_id, dice.now(), msgspec.json.encode(leaf))
    return WriteRules(principal.tenant_id, msgspec.json.encode(rules), row)


# ── Holds ───────────────────────────────────────────────────────────────────────────────────────────────


def hold(
    principal: Principal,
    vault: Vault,
    dice: Dice,
    ledger: Ledger,
    customer_id: CustomerID,
    reason: str,
    request_id: str = "",
) -> Generator[Any, Any, Hold]:
    """Keep a customer from being erased; Conflict if it is held otherwise, or its erasure was promised."""
    principal.require(Permission.MANAGE_HOLDS)
    if not is_reason(reason):
        text = f"A hold has a reason of 1 to {REASON_MAX} printable characters"
        raise Invalid(Violation("reason", "required" if not reason else "control", text), public=text)
    found = yield from _held(principal, customer_id)
    if ledger.is_promised(principal.tenant_id, customer_id):
        raise Conflict("This customer is being erased", field="hold")
    tenant = vault.tenant(principal.tenant_id, (yield ReadTenantKeys(principal.tenant_id)))
    before = None if found.hold is None else _opened(tenant, found, found.hold)
    if before is not None and (before.actor, before.reason) == (principal.key_id, reason):
        return before  # the request is sent again, because its answer was lost
    at = dice.now()
    at = at.replace(microsecond=at.microsecond // 1000 * 1000)
    sealed = tenant.sealed_hold(customer_id, found.record.wrapped_key, reason)
    leaf = _leaf(principal, at, Action.CUSTOMER_HELD, customer_id, request_id)
    leaf = reasoned(tenant, {}, leaf, found.record, reason)
    row = HoldRow(principal.tenant_id, customer_id, at, principal.key_id, sealed)
    yield WriteHold(row, LeafRow(principal.tenant_id, at, msgspec.json.encode(leaf)))
    return Hold(at, principal.key_id, reason)


def release(
    principal: Principal,
    vault: Vault,
    dice: Dice,
    customer_id: CustomerID,
    reason: str = "",
    request_id: str = "",
) -> Generator[Any, Any, None]:
    """Take a hold away; NotFound if there is none."""
    principal.require(Permission.MANAGE_HOLDS)
    found = yield from _held(principal, customer_id)
    if found.hold is None:
        raise NotFound("There is no hold on this customer", kind="hold")
    at = dice.now()
    leaf = _leaf(principal, at, Action.CUSTOMER_RELEASED, customer_id, request_id)
    if reason:
        tenant = vault.tenant(principal.tenant_id, (yield ReadTenantKeys(principal.tenant_id)))
        leaf = reasoned(tenant, {}, leaf, found.record, reason)
    row = LeafRow(principal.tenant_id, at, msgspec.json.encode(leaf))
    yield DropHold(principal.tenant_id, customer_id, row)


def fetch_hold(
    principal: Principal, vault: Vault, customer_id: CustomerID
) -> Generator[Any, Any, Hold | None]:
    """Return the hold on a customer with its reason, or None if there is none."""
    principal.require(Permission.MANAGE_HOLDS)
    found = yield from _held(principal, customer_id)
    row = found.hold
    if row is None:
        return None
    tenant = vault.tenant(principal.tenant_id, (yield ReadTenantKeys(principal.tenant_id)))
    return _opened(tenant, found, row)


def _opened(tenant: TenantVault, found: Erasable, row: HoldRow) -> Hold:
    try:
        reason = tenant.opened_hold(row.customer_id, found.record.wrapped_key, row.sealed_reason)
    except CustomaryError:  # a hold holds, whether or not anybody can still tell why
        return Hold(row.at, row.actor, None)
    return Hold(row.at, row.actor, reason)


def _held(principal: Principal, customer_id: CustomerID) -> Generator[Any, Any, Erasable]:
    principal.require_everything()
    stone: TombstoneRow | None = yield ReadTombstone(principal.tenant_id, customer_id)
    if stone is not None and principal.owns(stone.merchant_no):
        raise gone(stone)
    found: Erasable | None = yield ReadErasable(principal.tenant_id, customer_id)
    if found is None or not principal.owns(found.record.merchant_no):
        raise NotFound
    return found


def _leaf(principal: Principal, at: datetime, action: Action, subject: str, request_id: str) -> Leaf:
    return Leaf(
        at=instant_text(at),
        tenant_id=principal.tenant_id,
        actor=principal.key_id,
        action=action,
        subject=subject,
        request_id=request_id,
    )
