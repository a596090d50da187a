"""What stands there after an erasure: certificates, and the parts that are kept for a while.

It must never know how a certificate came to be, nor HTTP or SQL.
"""

from collections.abc import Generator
from typing import Any

import msgspec

from customary.app.erasing import KeptVersion, decode_kept, part_leaf
from customary.app.ports import (
    Dice,
    KeptRow,
    ReadKept,
    ReadTenantKeys,
    ReadTombstone,
    ReadTombstones,
    TombstoneRow,
    Vault,
    Write,
)
from customary.domain.access import Permission, Principal
from customary.domain.audit import Action
from customary.domain.erasure import Certificate
from customary.domain.errors import NotFound


class Issued(msgspec.Struct, frozen=True):
    """A certificate, and whether the destroyed key is gone from every file of the store by now."""

    certificate: Certificate
    scrubbed: bool


def fetch_certificate(
    principal: Principal, customer_id: str = "", *, number: int = 0
) -> Generator[Any, Any, Issued]:
    """Return the certificate of a customer's erasure, or of that number; NotFound if there is none."""
    principal.require(Permission.ERASE_CUSTOMERS)
    stone = yield from _stone(principal, customer_id, number)
    return _issued(stone)


def list_certificates(
    principal: Principal, after: int = 0, limit: int = 100
) -> Generator[Any, Any, list[Issued]]:
    """Return certificates with numbers over ``after``, in order, as far as the principal may see them."""
    principal.require(Permission.ERASE_CUSTOMERS)
    found: list[Issued] = []
    while len(found) < limit:
        stones: list[TombstoneRow] = yield ReadTombstones(principal.tenant_id, after, limit)
        found += [_issued(stone) for stone in stones if principal.owns(stone.merchant_no)]
        if len(stones) < limit:
            break
        after = stones[-1].number
    return found[:limit]


def find_gone(principal: Principal, customer_id: str) -> Generator[Any, Any, TombstoneRow | None]:
    """Return the tombstone of a customer that the principal may know of, or None."""
    stone: TombstoneRow | None = yield ReadTombstone(principal.tenant_id, customer_id)
    return stone if stone is not None and principal.owns(stone.merchant_no) else None


def reveal_kept(
    principal: Principal, vault: Vault, dice: Dice, customer_id: str
) -> Generator[Any, Any, dict[str, tuple[KeptVersion, ...]]]:
    """Return what is kept of an erased customer in clear, by part; the trail tells of each."""
    principal.require(Permission.READ_CUSTOMERS_UNMASKED)
    stone = yield from _stone(principal, customer_id, 0)
    rows: list[KeptRow] = yield ReadKept(principal.tenant_id, stone.customer_id)
    tenant = vault.tenant(principal.tenant_id, (yield ReadTenantKeys(principal.tenant_id)))
    parts = {
        row.part: decode_kept(tenant.opened_part(row.customer_id, row.part, row.wrapped_key, row.sealed))
        for row in rows
    }
    instant = dice.now()
    leaves = tuple(part_leaf(row, Action.KEPT_READ, instant, principal.key_id) for row in rows)
    yield Write(principal.tenant_id, leaves=leaves)
    return parts


def _stone(principal: Principal, customer_id: str, number: int) -> Generator[Any, Any, TombstoneRow]:
    stone: TombstoneRow | None = yield ReadTombstone(principal.tenant_id, customer_id, number)
    if stone is None or not principal.owns(stone.merchant_no):
        raise NotFound("There is no such erasure", kind="erasure")
    return stone


def _issued(stone: TombstoneRow) -> Issued:
    return Issued(msgspec.json.decode(stone.certificate, type=Certificate), stone.scrubbed)
