"""Turns keys from beside a server that works: step after step, each short, with a pause that is others' turn.

Whoever runs this may be killed anywhere; run again, it goes on. It must never know who looks at the progress.
"""

import time
from collections.abc import Callable, Generator
from datetime import timedelta
from functools import partial
from typing import Any, Final, TypeVar

import msgspec

from customary.app import roots, rotation
from customary.app.ports import Job
from customary.app.rotation import Kind, Phase, Turning
from customary.bootstrap.house import House
from customary.bootstrap.roots import matched
from customary.domain.errors import Conflict, Unavailable
from customary.vault import fingerprint_of

T = TypeVar("T")
Told = Callable[[int, int], None]
"""Is told how much is done, and of how much."""

STEP_SECONDS_AIMED: Final = 0.003
"""How long a step shall take under the write lock before its commit; its length is fitted to it."""

PAUSE_SECONDS: Final = 0.012
"""How long the lock is left to others after a step: a server that waits for it looks again within 10 ms."""

RECORDS_AT_ONCE_MAX: Final = 256
SERVER_SECONDS_MAX: Final = 20.0
"""How long it is waited for a running server to fetch a new root key."""


class Pace:
    """Fits the length of steps to the time that they take."""

    def __init__(self) -> None:
        self.limit = 8
        self._took = 0.0

    def timed(self, job: Job[T]) -> Job[T]:
        """Return a job that notes how long it takes; waiting for the lock does not count."""

        def timed() -> Generator[Any, Any, T]:
            began = time.perf_counter()
            result = yield from job()
            self._took = time.perf_counter() - began
            return result

        return timed

    def fit(self) -> None:
        """Fit the length of the next step to the time that this one took."""
        if self._took > 2 * STEP_SECONDS_AIMED:
            self.limit = max(1, self.limit // 2)
        elif self._took < STEP_SECONDS_AIMED / 2:
            self.limit = min(RECORDS_AT_ONCE_MAX, self.limit * 2)


def turned(house: House, kind: Kind, tenant_id: str, told: Told) -> Turning:
    """Turn the keys of one tenant, or go on with it, to the end; return what became of it."""
    vault, dice, engine = house.unsealed, house.dice, house.engine
    kept = timedelta(hours=house.settings.idempotency_hours)
    (turning,) = engine.perform_now([partial(rotation.begin, vault, dice, kind, tenant_id)])
    pace, looking = Pace(), Pace()
    while not turning.ended:
        told(turning.done, turning.total)
        limit = pace.limit
        if turning.phase is Phase.RESEAL:
            prepared = engine.read_now(partial(rotation.prepare, vault, dice, turning, limit))
            step = partial(rotation.reseal, vault, dice, turning, prepared, limit)
        elif turning.phase is Phase.CHECK:
            limit = looking.limit
            looked = engine.read_now(looking.timed(partial(rotation.look, vault, turning, limit)))
            looking.fit()
            step = partial(rotation.confirm, vault, dice, turning, looked, limit)
        else:
            step = partial(rotation.advance, vault, dice, turning, limit, kept)
        (turning,) = engine.perform_now([pace.timed(step)])
        pace.fit()
        time.sleep(PAUSE_SECONDS)
    told(turning.total, turning.total)
    return turning


# ── The root key ────────────────────────────────────────────────────────────────────────────────────────


class RootTurned(msgspec.Struct, frozen=True):
    """What became of a change of the root key."""

    version: int
    fingerprint: bytes
    tenants: int
    changed: bool
    """Whether there was anything to do."""


def turned_root(house: House, told: Told) -> RootTurned:
    """Turn the root key, or go on with it, to the end.

    Raises Conflict where the operator has to give another key first, Unavailable if a server that runs does
    not get the new one.
    """
    engine, source = house.engine, house.source
    with engine.setting_up():
        known = engine.read_now(roots.list_roots)
        key = _next_key(house, known)
    fingerprint = fingerprint_of(key)
    before = next(root for root in known if root.state == "current")
    if before.fingerprint == fingerprint and len(known) == 1:
        source.settle(key)  # a kill came between the end of the change and this
        return RootTurned(before.version, fingerprint, 0, changed=False)
    engine.perform_now([partial(roots.bring, fingerprint)])
    _wait_for_server(house, fingerprint)
    with engine.setting_up():
        served = house.engine.is_served()
        engine.perform_now([partial(roots.turn, fingerprint, served=served)])
    known = engine.read_now(roots.list_roots)
    house.unsealed.learn(*matched(known, [*source.keys(), key]))
    tenants = _rewrapped(house, told)
    source.settle(key)
    return RootTurned(house.unsealed.root_version, fingerprint, tenants, changed=True)


def _next_key(house: House, known: list[roots.Root]) -> bytes:
    """Return the key to turn to; it is the current one if that change was begun before."""
    source, states = house.source, {root.state: root.fingerprint for root in known}
    there = source.keys()
    if "leaving" in states:
        return next(key for key in there if fingerprint_of(key) == states["current"])
    key = source.draw()
    if fingerprint_of(key) == states["current"] and len(there) == 1:
        raise Conflict(
            f"There is no new root key in {source.told()}: put it there, give the old one as"
            " root_key_previous, restart the server with both, and run this again"
        )
    return key


def _wait_for_server(house: House, fingerprint: bytes) -> None:
    """Return when a server that serves this folder has said that it has the new root key."""
    until = time.monotonic() + SERVER_SECONDS_MAX
    while house.engine.is_served():
        if house.engine.read_now(partial(roots.known_to_server, fingerprint)):
            return
        if time.monotonic() > until:
            raise Unavailable(
                "The server that is running does not have the new root key: restart it with the new one, and"
                " the old one as root_key_previous, and run this again"
            )
        time.sleep(0.1)


def _rewrapped(house: House, told: Told) -> int:
    """Seal everything under the current root key, open it with that alone, and have the other one gone."""
    vault, engine = house.unsealed, house.engine
    pace = Pace()
    while True:
        rewrap = partial(roots.rewrap, vault, house.dice, pace.limit)
        (done,) = engine.perform_now([pace.timed(rewrap)])
        pace.fit()
        time.sleep(PAUSE_SECONDS)
        told(done.done, done.tenants)
        if done.done < done.tenants:
            continue
        tenants: int = engine.read_now(partial(roots.open_all, vault.with_current_root_only()))
        (gone,) = engine.perform_now([partial(roots.retire, vault)])
        if gone:
            return tenants
