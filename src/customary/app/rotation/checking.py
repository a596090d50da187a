"""The check at the end of a turning: every version opens, every tag is found; then the old key goes."""

from collections.abc import Generator
from itertools import pairwise
from typing import Any

import msgspec

from customary.app.ports import (
    Dice,
    KeyRow,
    Purpose,
    ReadKeys,
    ReadRecords,
    ReadTagsHeld,
    ReadTenantKeys,
    SealedCustomer,
    TenantKeyRow,
    TurningTenant,
    TurningVault,
    WriteNote,
)
from customary.app.rotation.resealing import versions_of
from customary.app.rotation.turnings import (
    Kind,
    Phase,
    Step,
    Turning,
    find,
    gone_on,
    keys_changed,
    name_of,
    noted,
    opened_tenant,
    turning_leaf,
    with_broken,
)
from customary.app.tagging import tags_by
from customary.domain.audit import Action
from customary.domain.customer import Customer
from customary.domain.errors import CustomaryError


class Looked(msgspec.Struct, frozen=True):
    """What a look at a stretch of records has found, from one place to another."""

    after: int
    places: tuple[int, ...]
    broken: tuple[str, ...]
    behind: bool
    """Whether something still needs an old key."""


def look(vault: TurningVault, turning: Turning, limit: int) -> Generator[Any, Any, Looked]:
    """Open some records with all their versions, and look for their tags; nothing is written."""
    tenant = yield from opened_tenant(vault, turning.tenant_id)
    rows: list[tuple[int, SealedCustomer]] = yield ReadRecords(turning.tenant_id, turning.after, limit)
    broken: list[str] = []
    behind = False
    for place, record in rows:
        try:
            key = KeyRow(place, record.customer_id, record.wrapped_key)
            behind = behind or _needs_old_key(tenant, key)
            versions = yield from versions_of(turning.tenant_id, place)
            for version in versions:
                customer = tenant.opened(version, None)
            if any(earlier.version >= later.version for earlier, later in pairwise(versions)):
                whom = f"customer {record.customer_id} of tenant {turning.tenant_id}"
                broken.append(f"{whom}: an older version was put in the place of a newer one")
            missing = yield from _tags_missing(tenant, place, customer)
        except CustomaryError as error:
            broken.append(error.detail or error.public)
            continue
        if missing:
            broken.append(
                f"customer {record.customer_id} of tenant {turning.tenant_id} lacks {missing} of its tags"
            )
    return Looked(turning.after, tuple(place for place, _ in rows), tuple(broken), behind)


def _tags_missing(tenant: TurningTenant, place: int, customer: Customer) -> Generator[Any, Any, int]:
    """Return how many of the tags by which a record must be found it has not."""
    unique, tags = tags_by(tenant, customer.merchant_no, customer.particulars)
    held: list[bool] = yield ReadTagsHeld(customer.tenant_id, place, unique, tags)
    return held.count(False)


def confirm(vault: TurningVault, dice: Dice, turning: Turning, looked: Looked, limit: int) -> Step:
    """Note what a look has found; when it was the last, take the old key away, unless something needs it."""
    found = yield from find(turning.kind, turning.tenant_id)
    if found is None:
        return msgspec.structs.replace(turning, ended=True)
    if found.phase is not Phase.CHECK or found.after != looked.after:
        return found  # another was quicker
    for told in looked.broken:
        found = with_broken(found, told)
    if looked.behind and found.kind is Kind.SEAL:
        found = msgspec.structs.replace(found, phase=Phase.WRAP)
    elif len(looked.places) == limit:
        found = gone_on(found, looked.places, limit, Phase.CHECK)
    else:
        return (yield from _ended(vault, dice, found, looked, limit))
    yield noted(found)
    return found


def _ended(vault: TurningVault, dice: Dice, turning: Turning, looked: Looked, limit: int) -> Step:
    """Take the old key away in the transaction that finds that nothing has come since that needs it."""
    after = looked.places[-1] if looked.places else turning.after
    if turning.kind is Kind.SEAL:
        tenant = yield from opened_tenant(vault, turning.tenant_id)
        since: list[KeyRow] = yield ReadKeys(turning.tenant_id, after, limit)
        if any(_needs_old_key(tenant, row) for row in since):
            back = msgspec.structs.replace(turning, phase=Phase.WRAP, after=after)
            yield noted(back)
            return back
    rows: list[TenantKeyRow] = yield ReadTenantKeys(turning.tenant_id)
    old = {Kind.SEAL: Purpose.SEAL_LEAVING, Kind.INDEX: Purpose.INDEX_LEAVING}.get(turning.kind)
    dropped = tuple(row for row in rows if row.purpose == old)
    yield keys_changed(turning.tenant_id, dropped, (), turning_leaf(turning, dice, Action.KEYS_TURNED))
    yield WriteNote(name_of(turning.kind, turning.tenant_id), None)
    return msgspec.structs.replace(turning, done=turning.total, ended=True)


def _needs_old_key(tenant: TurningTenant, row: KeyRow) -> bool:
    """Return whether a customer's key opens under an old key of the tenant alone."""
    try:
        return tenant.rewrapped_key(row) is not None
    except CustomaryError:
        return False  # it opens under none
