"""A store whose trail is long enough to be attacked, and what an attacker does to its file.

The attacker has the file and the sqlite3 module, and for some attacks the signing key, too. What a checkpoint
was before the attack is kept, as an operator keeps it.
"""

import asyncio
import os
import random
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from customary.app.chains import Finding
from customary.app.performing import instant_text
from customary.app.ports import LeafRow, ReadCheckpoints, Write
from customary.app.trail import Sealer
from customary.app.verification import verify
from customary.app.witnesses import Kept
from customary.bootstrap.house import House
from customary.config import Settings
from customary.domain.audit import Leaf

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Ticking:
    """Time that goes on by itself, a millisecond a look."""

    def __init__(self) -> None:
        self._now = START

    def now(self) -> datetime:
        """The next instant."""
        self._now += timedelta(milliseconds=1)
        return self._now

    def random_bytes(self, count: int) -> bytes:
        """The machine's own chance: ids must differ."""
        return os.urandom(count)


@dataclass(frozen=True)
class Store:
    """A folder with a store in it, and the lines of its checkpoints in their order."""

    folder: Path
    tenants: tuple[str, ...]
    lines: tuple[bytes, ...]

    def copied(self, folder: Path) -> "Store":
        """The same once more, to be spoilt."""
        shutil.copytree(self.folder, folder)
        return Store(folder, self.tenants, self.lines)

    @contextmanager
    def open(self) -> Iterator[House]:
        """The house over it."""
        with House(Settings(data=self.folder)) as house:
            yield house

    @contextmanager
    def attacked(self) -> Iterator[sqlite3.Connection]:
        """A connection that obeys no rule, committed at the end."""
        with closing(sqlite3.connect(self.folder / "customary.db")) as connection:
            yield connection
            connection.commit()

    def verified(self, *lines: bytes, signed_by: House | None = None) -> Finding:
        """What a verification finds, given these lines that were kept elsewhere."""
        kept = [Kept("kept", lambda: iter(lines))] if lines else []
        with self.open() as house:
            return house.engine.read_now(partial(verify, house.unsealed, house.store_id, kept))

    def deeds(self, dice: random.Random, clock: Ticking, count: int, house: House) -> None:
        """Leave entries of any tenant's, as deeds do."""
        leaves = []
        for _ in range(count):
            tenant_id, instant = dice.choice(self.tenants), clock.now()
            leaf = Leaf(
                at=instant_text(instant),
                tenant_id=tenant_id,
                actor=f"key{dice.randrange(3)}",
                action=dice.choice(("customer.created", "customer.updated", "customer.revealed")),
                subject=f"customer{dice.randrange(20):04d}",
                version=dice.randrange(1, 9),
            )
            leaves.append(LeafRow(tenant_id, instant, msgspec.json.encode(leaf)))
        house.engine.perform_now([partial(_written, leaves)])

    def sealed(self, house: House, clock: Ticking) -> int:
        """Seal what is unsealed, as a server does each second."""
        return asyncio.run(Sealer(house.engine, house.unsealed, clock, house.store_id).seal())


def _written(leaves: list[LeafRow]) -> Any:
    yield Write(leaves[0].tenant_id, leaves=tuple(leaves))


def lines_of(house: House) -> tuple[bytes, ...]:
    """The lines of all checkpoints of a store."""

    def reading() -> Any:
        rows = yield ReadCheckpoints(limit=10_000)
        return tuple(row.line for row in rows)

    lines: tuple[bytes, ...] = house.engine.read_now(reading)
    return lines


def made(folder: Path, dice: random.Random, *, rounds: int = 30, tenants: int = 3) -> Store:
    """Make a store with so many checkpoints, a few entries each, and some that are not sealed."""
    from customary.app import credentials

    with House(Settings(data=folder)) as house:
        clock = Ticking()
        made_tenants = house.engine.perform_now(
            [
                partial(credentials.create_tenant, house.unsealed, clock, f"Tenant {number}")
                for number in range(tenants)
            ]
        )
        store = Store(folder, tuple(str(tenant.tenant_id) for tenant in made_tenants), ())
        for _ in range(rounds):
            store.deeds(dice, clock, dice.randrange(1, 12), house)
            store.sealed(house, clock)
        store.deeds(dice, clock, 5, house)
        return Store(folder, store.tenants, lines_of(house))


def packed(tenant_id: str) -> bytes:
    """A tenant as rows have it."""
    return UUID(tenant_id).bytes


def flaws_at(finding: Finding, tenant_id: str, leaf_nos: Sequence[int]) -> set[int]:
    """Which of these leaves are told of."""
    told = {flaw.leaf_no for flaw in finding.flaws if flaw.tenant_id == tenant_id}
    return told & set(leaf_nos)
