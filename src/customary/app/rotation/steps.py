"""The steps of a turning that write: each does a stretch, and notes how far it has come."""

from collections.abc import Callable, Generator
from datetime import datetime, timedelta
from typing import Any

import msgspec

from customary.app.ports import (
    ChangeTags,
    CredentialRow,
    Dice,
    KeptKeyRow,
    KeyRow,
    Purpose,
    ReadCredentials,
    ReadKeptKeys,
    ReadKeys,
    ReadNotes,
    ReadRecords,
    ReadTenantKeys,
    RewrapKeptKeys,
    RewrapKeys,
    RewrapSecrets,
    SealedCustomer,
    Tag,
    TagChange,
    Tagger,
    TenantKeyRow,
    TurningTenant,
    TurningVault,
    WriteNote,
    WriteTenantKeys,
)
from customary.app.rotation.turnings import (
    Phase,
    Step,
    Turning,
    find,
    gone_on,
    keys_changed,
    noted,
    of_purpose,
    opened_tenant,
    with_broken_by,
)
from customary.app.tagging import tags_by
from customary.domain.access import Scheme
from customary.domain.errors import CustomaryError

_ANSWERS = "answers "


def advance(vault: TurningVault, dice: Dice, turning: Turning, limit: int, answers_kept: timedelta) -> Step:
    """Do the next stretch of a turning that writes, about ``limit`` records; return how far it is.

    What is done is what the store says is next, whatever ``turning`` says: another may have been quicker.
    """
    found = yield from find(turning.kind, turning.tenant_id)
    if found is None:
        return msgspec.structs.replace(turning, ended=True)
    step = _STEPS.get(found.phase)
    if step is None:
        return found
    tenant = yield from opened_tenant(vault, found.tenant_id)
    after: Turning = yield from step(tenant, found, limit)
    if found.phase is Phase.FILL and after.phase is not Phase.FILL:
        yield from _switch_index(vault, dice, after, answers_kept)
    yield noted(after)
    return after


def _wrap(tenant: TurningTenant, turning: Turning, limit: int) -> Step:
    """Wrap some customers' keys under the tenant's new seal key."""
    rows: list[KeyRow] = yield ReadKeys(turning.tenant_id, turning.after, limit)
    changes = []
    for row in rows:
        try:
            wrapped = tenant.rewrapped_key(row)
        except CustomaryError as broken:
            turning = with_broken_by(turning, broken)
            continue
        if wrapped is not None:
            changes.append((row, wrapped))
    yield RewrapKeys(turning.tenant_id, tuple(changes))
    return gone_on(turning, [row.place for row in rows], limit, Phase.SECRETS)


def _kept_parts(tenant: TurningTenant, turning: Turning) -> Generator[Any, Any, Turning]:
    """Wrap the keys of what is kept of erased customers under the tenant's new seal key, all at once."""
    rows: list[KeptKeyRow] = yield ReadKeptKeys(turning.tenant_id)
    changes = []
    for row in rows:
        try:
            wrapped = tenant.rewrapped_part(row.customer_id, row.part, row.wrapped)
        except CustomaryError as broken:
            turning = with_broken_by(turning, broken)
            continue
        if wrapped is not None:
            changes.append((row, wrapped))
    if changes:
        yield RewrapKeptKeys(turning.tenant_id, tuple(changes))
    return turning


def _secrets(tenant: TurningTenant, turning: Turning, limit: int) -> Step:
    """Seal HMAC credentials' secrets, and what is kept of the erased, under the tenant's new seal key."""
    turning = yield from _kept_parts(tenant, turning)
    rows: list[CredentialRow] = yield ReadCredentials(tenant_id=turning.tenant_id)
    changes = []
    for row in rows:
        if row.credential.scheme is not Scheme.HMAC:
            continue
        for secret in row.secrets:
            try:
                kept = tenant.rewrapped_secret(row.credential.terms, secret.kept)
            except CustomaryError as broken:
                turning = with_broken_by(turning, broken)
                continue
            if kept is not None:
                changes.append((row.credential.key_id, secret.kept, kept))
    yield RewrapSecrets(turning.tenant_id, tuple(changes[:limit]))
    if len(changes) > limit:
        return turning
    return msgspec.structs.replace(turning, phase=Phase.CHECK, after=0)


def _fill(tenant: TurningTenant, turning: Turning, limit: int) -> Step:
    """Give some records the tags of the index key that is coming."""
    rows: list[tuple[int, SealedCustomer]] = yield ReadRecords(turning.tenant_id, turning.after, limit)
    changes = []
    for place, record in rows:
        try:
            changes.append(TagChange(place, *_tags(tenant, tenant.coming, record)))
        except CustomaryError as broken:
            turning = with_broken_by(turning, broken)
    yield ChangeTags(turning.tenant_id, tuple(changes))
    return gone_on(turning, [place for place, _ in rows], limit, Phase.DROP)


def _drop(tenant: TurningTenant, turning: Turning, limit: int) -> Step:
    """Take from some records the tags of the index key that is leaving."""
    rows: list[tuple[int, SealedCustomer]] = yield ReadRecords(turning.tenant_id, turning.after, limit)
    changes = []
    for place, record in rows:
        try:
            unique, tags = _tags(tenant, tenant.leaving, record)
        except CustomaryError:
            continue  # it was told of when the record was to be given its new tags
        changes.append(TagChange(place, unique_tags_dropped=unique, tags_dropped=tags))
    yield ChangeTags(turning.tenant_id, tuple(changes))
    return gone_on(turning, [place for place, _ in rows], limit, Phase.CHECK)


def _tags(
    tenant: TurningTenant, tagger: Tagger | None, record: SealedCustomer
) -> tuple[tuple[Tag, ...], tuple[Tag, ...]]:
    """Return the tags of a record by an index key that comes or leaves; raises what opening it raises."""
    if tagger is None:
        raise ValueError("the tenant's index key does not turn")
    customer = tenant.opened(record, frozenset())
    return tags_by(tagger, customer.merchant_no, customer.particulars)


_STEPS: dict[Phase, Callable[[TurningTenant, Turning, int], Step]] = {
    Phase.WRAP: _wrap,
    Phase.SECRETS: _secrets,
    Phase.FILL: _fill,
    Phase.DROP: _drop,
}


def _switch_index(
    vault: TurningVault, dice: Dice, turning: Turning, answers_kept: timedelta
) -> Generator[Any, Any, None]:
    """Have records found by the index key that was coming, from this transaction on."""
    rows: list[TenantKeyRow] = yield ReadTenantKeys(turning.tenant_id)
    index, coming = of_purpose(rows, Purpose.INDEX), of_purpose(rows, Purpose.INDEX_COMING)
    answers = vault.answers_key(index)
    leaving, current = vault.rewrapped(index, Purpose.INDEX_LEAVING), vault.rewrapped(coming, Purpose.INDEX)
    added = (leaving, current, answers)
    yield keys_changed(turning.tenant_id, (index, coming), added, None)
    until = dice.now() + answers_kept
    name = f"{_ANSWERS}{turning.tenant_id} {answers.key_version}"
    yield WriteNote(name, msgspec.json.encode(until))


def forget_answers(dice: Dice) -> Generator[Any, Any, int]:
    """Drop what finds idempotency answers that are too old to be replayed; return how much went."""
    notes: list[tuple[str, bytes]] = yield ReadNotes(_ANSWERS)
    now = dice.now()
    due = [name for name, note in notes if msgspec.json.decode(note, type=datetime) <= now]
    for name in due:
        tenant_id, _, version = name.removeprefix(_ANSWERS).rpartition(" ")
        yield WriteTenantKeys(tenant_id, dropped=((Purpose.ANSWERS.value, int(version)),))
        yield WriteNote(name, None)
    return len(due)
