"""Records sealed anew, under new keys of their customers.

Sealing takes a while, and nobody should wait for it: a stretch is prepared against what is committed, and
stored if nothing has changed since.
"""

from collections.abc import Generator
from typing import Any, Final

import msgspec

from customary.app.performing import instant_text, record_digest
from customary.app.ports import (
    Dice,
    KeyRow,
    ReadEarlierVersions,
    ReadGeneration,
    ReadKeys,
    ReadRecords,
    Reseal,
    SealedCustomer,
    TurningTenant,
    TurningVault,
)
from customary.app.rotation.turnings import (
    ACTOR,
    Phase,
    Step,
    Turning,
    find,
    gone_on,
    leaf_row,
    noted,
    opened_tenant,
    with_broken,
)
from customary.domain.audit import Action, Leaf
from customary.domain.errors import CustomaryError, Outdated

VERSIONS_AT_ONCE: Final = 100


class Prepared(msgspec.Struct, frozen=True):
    """A stretch of records that were sealed anew, with keys of that generation, and are not stored yet."""

    generation: int
    after: int
    places: tuple[int, ...]
    requests: tuple[Reseal, ...]
    broken: tuple[str, ...]


def prepare(vault: TurningVault, dice: Dice, turning: Turning, limit: int) -> Generator[Any, Any, Prepared]:
    """Return some records sealed anew under new keys of theirs; nothing is written."""
    tenant = yield from opened_tenant(vault, turning.tenant_id)
    rows: list[KeyRow] = yield ReadKeys(turning.tenant_id, turning.after, limit)
    requests, broken = [], []
    for row in rows:
        try:
            requests.append((yield from _resealed(tenant, dice, turning.tenant_id, row)))
        except CustomaryError as error:
            broken.append(error.detail or error.public)
    places = tuple(row.place for row in rows)
    generation: int = yield ReadGeneration()
    return Prepared(generation, turning.after, places, tuple(requests), tuple(broken))


def reseal(vault: TurningVault, dice: Dice, turning: Turning, prepared: Prepared, limit: int) -> Step:
    """Store what was prepared; what has changed meanwhile is sealed anew once more, here and now."""
    found = yield from find(turning.kind, turning.tenant_id)
    if found is None:
        return msgspec.structs.replace(turning, ended=True)
    if found.phase is not Phase.RESEAL or found.after != prepared.after:
        return found  # another was quicker
    if (yield ReadGeneration()) != prepared.generation:
        return found  # the tenant's own key may have turned: what was prepared may be under the old one
    tenant = yield from opened_tenant(vault, found.tenant_id)
    for request in prepared.requests:
        try:
            yield request
        except Outdated:
            rows: list[KeyRow] = yield ReadKeys(found.tenant_id, request.key.place - 1, 1)
            if not rows or rows[0].place != request.key.place:
                continue  # it was destroyed
            try:
                again = yield from _resealed(tenant, dice, found.tenant_id, rows[0])
            except CustomaryError as broken:
                found = with_broken(found, broken.detail or broken.public)
            else:
                yield again
    for told in prepared.broken:
        found = with_broken(found, told)
    after = gone_on(found, list(prepared.places), limit, Phase.CHECK)
    yield noted(after)
    return after


def _resealed(tenant: TurningTenant, dice: Dice, tenant_id: str, row: KeyRow) -> Generator[Any, Any, Reseal]:
    """Return the request that stores all versions of a record under a new key."""
    wrapped = tenant.renewed_key(row)
    versions = yield from versions_of(tenant_id, row.place)
    sealed = [tenant.sealed(tenant.opened(one, None), wrapped) for one in versions]
    instant = dice.now()
    leaves = tuple(
        leaf_row(
            Leaf(
                at=instant_text(instant),
                tenant_id=tenant_id,
                actor=ACTOR,
                action=Action.CUSTOMER_RESEALED,
                subject=row.customer_id,
                version=one.version,
                digest=record_digest(one),
            ),
            instant,
        )
        for one in sealed
    )
    return Reseal(tenant_id, row, wrapped, tuple(sealed), leaves)


def versions_of(tenant_id: str, place: int) -> Generator[Any, Any, list[SealedCustomer]]:
    """Return all versions of the record at a place, the current one last; none if it is gone."""
    versions: list[SealedCustomer] = []
    while True:
        after = versions[-1].version if versions else 0
        earlier: list[SealedCustomer] = yield ReadEarlierVersions(tenant_id, place, after, VERSIONS_AT_ONCE)
        versions += earlier
        if len(earlier) < VERSIONS_AT_ONCE:
            break
    current: list[tuple[int, SealedCustomer]] = yield ReadRecords(tenant_id, place - 1, 1)
    return versions + [record for at, record in current if at == place]
