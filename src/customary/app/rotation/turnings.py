"""What turns and how far it is, as the store notes it, and what all steps of a turning need."""

from collections.abc import Generator, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import msgspec

from customary.app.performing import instant_text
from customary.app.ports import (
    Dice,
    LeafRow,
    Purpose,
    ReadNote,
    ReadNotes,
    ReadPage,
    ReadTenantKeys,
    TenantKeyRow,
    TurningTenant,
    TurningVault,
    Write,
    WriteNote,
    WriteTenantKeys,
)
from customary.domain.audit import Action, Leaf
from customary.domain.customer import TenantID
from customary.domain.errors import CustomaryError

ACTOR: Final = "cli"
BROKEN_TOLD_MAX: Final = 20
VERSION_MAX: Final = 255
"""The version of a seal key is one byte of what it seals; after the last comes the first again."""

_TURNING = "turning "


class Kind(StrEnum):
    """What turns. Texts are stored."""

    SEAL = "seal"
    INDEX = "index"
    RECORDS = "records"


class Phase(StrEnum):
    """Where a turning is. Texts are stored."""

    WRAP = "wrap"
    SECRETS = "secrets"
    FILL = "fill"
    DROP = "drop"
    RESEAL = "reseal"
    CHECK = "check"


class Turning(msgspec.Struct, frozen=True):
    """How far a turning has come: ``done`` of ``total`` looks at one of the ``records`` there were at first.

    ``after`` is the place up to which its phase has gone. ``broken`` are what did not open, in words with
    ids, the first of ``broken_count``.
    """

    kind: Kind
    tenant_id: str
    phase: Phase
    began_at: datetime
    records: int
    total: int
    after: int = 0
    done: int = 0
    broken_count: int = 0
    broken: tuple[str, ...] = ()
    ended: bool = False


_LOOKS = {Kind.SEAL: 2, Kind.INDEX: 3, Kind.RECORDS: 2}
"""How often each record is looked at."""

Step = Generator[Any, Any, Turning]


def find(kind: Kind, tenant_id: str) -> Generator[Any, Any, Turning | None]:
    """Return the turning of that kind that is under way in a tenant, or None."""
    note: bytes | None = yield ReadNote(name_of(kind, tenant_id))
    return None if note is None else msgspec.json.decode(note, type=Turning)


def list_turnings() -> Generator[Any, Any, list[Turning]]:
    """Return all turnings that are under way."""
    notes: list[tuple[str, bytes]] = yield ReadNotes(_TURNING)
    return [msgspec.json.decode(note, type=Turning) for _, note in notes]


def begin(vault: TurningVault, dice: Dice, kind: Kind, tenant_id: str) -> Step:
    """Begin to turn the keys of a tenant, or go on with what was begun before; return how far it is."""
    found = yield from find(kind, tenant_id)
    if found is not None:
        return found
    _, total = yield ReadPage(tenant_id, None, (), (), False, 0, 0, True)
    first = {Kind.SEAL: Phase.WRAP, Kind.INDEX: Phase.FILL, Kind.RECORDS: Phase.RESEAL}[kind]
    turning = Turning(kind, tenant_id, first, dice.now(), total, total * _LOOKS[kind])
    rows: list[TenantKeyRow] = yield ReadTenantKeys(tenant_id)
    dropped: tuple[TenantKeyRow, ...] = ()
    added: tuple[TenantKeyRow, ...] = ()
    if kind is Kind.SEAL:
        seal = of_purpose(rows, Purpose.SEAL)
        dropped = (seal,)
        fresh = vault.fresh_tenant_key(TenantID(tenant_id), Purpose.SEAL, next_version(rows))
        added = (vault.rewrapped(seal, Purpose.SEAL_LEAVING), fresh)
    elif kind is Kind.INDEX:
        added = (vault.fresh_tenant_key(TenantID(tenant_id), Purpose.INDEX_COMING, next_version(rows)),)
    yield keys_changed(tenant_id, dropped, added, turning_leaf(turning, dice, Action.KEYS_TURNING))
    yield noted(turning)
    return turning


def opened_tenant(vault: TurningVault, tenant_id: str) -> Generator[Any, Any, TurningTenant]:
    """Return the tenant's keys as they are in this transaction."""
    rows: list[TenantKeyRow] = yield ReadTenantKeys(tenant_id)
    return vault.tenant(TenantID(tenant_id), rows)


def gone_on(turning: Turning, places: Sequence[int], limit: int, following: Phase) -> Turning:
    """Return the turning after a stretch: in the same phase, or at the start of the one that follows."""
    done = min(turning.done + len(places), turning.total)
    if len(places) < limit:
        return msgspec.structs.replace(turning, phase=following, after=0, done=done)
    return msgspec.structs.replace(turning, after=places[-1], done=done)


def with_broken_by(turning: Turning, error: CustomaryError) -> Turning:
    """Return the turning with what an error tells of."""
    return with_broken(turning, error.detail or error.public)


def with_broken(turning: Turning, told: str) -> Turning:
    """Return the turning with something that does not open, which is told of once."""
    if told in turning.broken:
        return turning
    broken = (*turning.broken, told)[:BROKEN_TOLD_MAX]
    return msgspec.structs.replace(turning, broken=broken, broken_count=turning.broken_count + 1)


def of_purpose(rows: list[TenantKeyRow], purpose: Purpose) -> TenantKeyRow:
    """Return the tenant's key of that purpose."""
    return max((row for row in rows if row.purpose == purpose), key=lambda row: row.key_version)


def next_version(rows: list[TenantKeyRow]) -> int:
    """Return a version that no key of the tenant has, the one after the newest if that is free."""
    taken = {row.key_version for row in rows}
    newest = of_purpose(rows, Purpose.SEAL).key_version
    return next(
        one for one in ((newest + step) % VERSION_MAX + 1 for step in range(VERSION_MAX)) if one not in taken
    )


def keys_changed(
    tenant_id: str, dropped: tuple[TenantKeyRow, ...], added: tuple[TenantKeyRow, ...], leaf: LeafRow | None
) -> WriteTenantKeys | Write:
    """Return the request that changes the keys of a tenant, and tells of it."""
    leaves = () if leaf is None else (leaf,)
    if not dropped and not added:
        return Write(tenant_id, leaves=leaves)
    named = tuple((row.purpose, row.key_version) for row in dropped)
    return WriteTenantKeys(tenant_id, named, added, leaves)


def turning_leaf(turning: Turning, dice: Dice, action: Action) -> LeafRow:
    """Return the leaf that tells of the beginning or the end of a turning."""
    instant = dice.now()
    outcome = {Kind.SEAL: "seal key", Kind.INDEX: "index key", Kind.RECORDS: "customers' keys"}[turning.kind]
    leaf = Leaf(
        at=instant_text(instant),
        tenant_id=turning.tenant_id,
        actor=ACTOR,
        action=action,
        subject=turning.tenant_id,
        outcome=outcome,
    )
    return leaf_row(leaf, instant)


def leaf_row(leaf: Leaf, instant: datetime) -> LeafRow:
    """Return a leaf as it is stored."""
    return LeafRow(leaf.tenant_id, instant, msgspec.json.encode(leaf))


def name_of(kind: Kind, tenant_id: str) -> str:
    """Return the name under which a turning is noted."""
    return f"{_TURNING}{kind.value} {tenant_id}"


def noted(turning: Turning) -> WriteNote:
    """Return the request that notes how far a turning is."""
    return WriteNote(name_of(turning.kind, turning.tenant_id), msgspec.json.encode(turning))
