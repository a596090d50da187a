"""The root keys of a store: which there are, by fingerprint, and the change from one to the next.

A root key turns in three steps, each a transaction, with time between them for what must happen elsewhere:

- *coming*: the store names the new key, so that every process fetches it; nothing is sealed under it yet;
- *current*: everything new is sealed under it, and what was sealed under the one that is *leaving* is
  sealed under it, too, a stretch at a time;
- the one that was leaving is *gone*, in the transaction that finds nothing under it any more.

It must never know a key, nor where one is kept.
"""

from collections.abc import Generator, Sequence
from typing import Any, Literal

import msgspec

from customary.app.performing import instant_text
from customary.app.ports import (
    Dice,
    LeafRow,
    ReadNote,
    ReadTenantKeys,
    ReadTenants,
    RewrapTenantKeys,
    TenantKeyRow,
    TurningVault,
    Vault,
    Write,
    WriteNote,
)
from customary.domain.access import Tenant
from customary.domain.audit import Action, Leaf
from customary.domain.errors import Conflict, Unavailable

ROOTS = "root_keys"
HOUSE_KEYS = "house_keys"
FIRST_ROOT = "root_key_fingerprint"
"""The note of stores that were founded when there was one root key for good."""

SERVING = "root_keys_of_server"
"""The fingerprints of the root keys that the server has at hand, one behind the other."""

VERSION_MAX = 255
State = Literal["coming", "current", "leaving"]


class Root(msgspec.Struct, frozen=True):
    """One root key of the store, as others know it."""

    version: int
    fingerprint: bytes
    state: State


def list_roots() -> Generator[Any, Any, list[Root]]:
    """Return the root keys of the store; none before it is founded."""
    note: bytes | None = yield ReadNote(ROOTS)
    if note is not None:
        return msgspec.json.decode(note, type=list[Root])
    first: bytes | None = yield ReadNote(FIRST_ROOT)
    return [] if first is None else [Root(1, first, "current")]


def found(vault: TurningVault) -> Generator[Any, Any, None]:
    """Note the first root key and the house's own keys, once; Conflict if another root key was first."""
    roots = yield from list_roots()
    if (yield ReadNote(HOUSE_KEYS)) is not None:
        return
    if roots and roots[0].fingerprint != vault.fingerprint:
        raise Conflict(detail="the store was founded under another root key")
    yield _noted([Root(1, vault.fingerprint, "current")])
    yield WriteNote(FIRST_ROOT, None)
    yield WriteNote(HOUSE_KEYS, vault.sealed_house_keys())


def confirmed(vault: Vault) -> Generator[Any, Any, None]:
    """Return if the vault seals under the store's root key of this moment; Unavailable if that has turned."""
    roots = yield from list_roots()
    if roots and _of_state(roots, "current").fingerprint != vault.fingerprint:
        raise Unavailable(detail="the root key has turned since this process began")


def announce_server(fingerprints: Sequence[bytes]) -> Generator[Any, Any, None]:
    """Note which root keys the server has at hand, for whoever turns them."""
    yield WriteNote(SERVING, b"".join(fingerprints))


def known_to_server(fingerprint: bytes) -> Generator[Any, Any, bool]:
    """Return whether the server that serves, or was the last to serve, has that root key."""
    note: bytes | None = yield ReadNote(SERVING)
    known = note or b""
    size = len(fingerprint)
    return fingerprint in [known[start : start + size] for start in range(0, len(known), size)]


# ── Turning ─────────────────────────────────────────────────────────────────────────────────────────────


def bring(fingerprint: bytes) -> Generator[Any, Any, list[Root]]:
    """Name the key that is to come, in place of one that was named and never used; return all root keys.

    If it is the current one already, because the change was begun before, nothing is done.
    """
    roots = yield from list_roots()
    if any(root.fingerprint == fingerprint and root.state != "leaving" for root in roots):
        return roots
    if any(root.state == "leaving" for root in roots):
        raise Conflict("Another root key is still leaving; finish that change first")
    kept = [root for root in roots if root.state != "coming"]
    version = _of_state(roots, "current").version % VERSION_MAX + 1
    roots = [*kept, Root(version, fingerprint, "coming")]
    yield _noted(roots)
    return roots


def turn(fingerprint: bytes, *, served: bool) -> Generator[Any, Any, list[Root]]:
    """Have everything sealed under the key that was coming from now on; return all root keys.

    If a server serves, it must have the key: Unavailable until it has said so.
    """
    roots = yield from list_roots()
    coming = [root for root in roots if root.state == "coming" and root.fingerprint == fingerprint]
    if not coming:
        return roots
    if served and not (yield from known_to_server(fingerprint)):
        raise Unavailable("The server that is running does not have the new root key")
    roots = [
        Root(_of_state(roots, "current").version, _of_state(roots, "current").fingerprint, "leaving"),
        Root(coming[0].version, fingerprint, "current"),
    ]
    yield _noted(roots)
    return roots


class Rewrapping(msgspec.Struct, frozen=True):
    """How many tenants' keys are sealed under the current root key, out of how many tenants."""

    done: int
    tenants: int


def rewrap(vault: TurningVault, dice: Dice, tenants_max: int) -> Generator[Any, Any, Rewrapping]:
    """Seal the house's keys, and those of some tenants, under the current root key; the trail tells of it."""
    house: bytes | None = yield ReadNote(HOUSE_KEYS)
    if house is not None and not vault.house_keys_are_rewrapped(house):
        yield WriteNote(HOUSE_KEYS, vault.sealed_house_keys())
    tenants: list[Tenant] = yield ReadTenants()
    rewrapped = done = 0
    for tenant in tenants:
        rows: list[TenantKeyRow] = yield ReadTenantKeys(tenant.tenant_id)
        left = [row for row in rows if not vault.is_rewrapped(row)]
        if left and rewrapped == tenants_max:
            break
        if left:
            yield RewrapTenantKeys(tuple((row, vault.rewrapped(row).wrapped) for row in left))
            yield Write(tenant.tenant_id, leaves=(_leaf(tenant.tenant_id, dice),))
            rewrapped += 1
        done += 1
    return Rewrapping(done, len(tenants))


def open_all(vault: TurningVault) -> Generator[Any, Any, int]:
    """Open the keys of the house and of every tenant; return how many tenants there are.

    Raises what opening them raises.
    """
    house: bytes | None = yield ReadNote(HOUSE_KEYS)
    if house is not None:
        vault.opens_house_keys(house)
    tenants: list[Tenant] = yield ReadTenants()
    for tenant in tenants:
        rows: list[TenantKeyRow] = yield ReadTenantKeys(tenant.tenant_id)
        vault.tenant(tenant.tenant_id, rows)
    return len(tenants)


def retire(vault: TurningVault) -> Generator[Any, Any, bool]:
    """Have the key that was leaving gone; return False, and do nothing, if anything is sealed under it."""
    house: bytes | None = yield ReadNote(HOUSE_KEYS)
    tenants: list[Tenant] = yield ReadTenants()
    under = [house is not None and not vault.house_keys_are_rewrapped(house)]
    for tenant in tenants:
        rows: list[TenantKeyRow] = yield ReadTenantKeys(tenant.tenant_id)
        under += [not vault.is_rewrapped(row) for row in rows]
    if any(under):
        return False
    roots = yield from list_roots()
    yield _noted([root for root in roots if root.state != "leaving"])
    return True


def _leaf(tenant_id: str, dice: Dice) -> LeafRow:
    instant = dice.now()
    leaf = Leaf(
        at=instant_text(instant),
        tenant_id=tenant_id,
        actor="cli",
        action=Action.KEYS_TURNED,
        subject=tenant_id,
        outcome="root key",
    )
    return LeafRow(tenant_id, instant, msgspec.json.encode(leaf))


def _of_state(roots: list[Root], state: State) -> Root:
    return next(root for root in roots if root.state == state)


def _noted(roots: list[Root]) -> WriteNote:
    return WriteNote(ROOTS, msgspec.json.encode(roots), announced=True)
