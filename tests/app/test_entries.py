"""Finding entries of the trail: what is found under conditions is what looking at every entry would find."""

import asyncio
import random
from collections.abc import Generator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from customary.app import entries
from customary.app.entries import Sought, found
from customary.app.ports import LeafRow, ReadLeaves
from customary.app.postings import key_of
from customary.bootstrap.house import House
from customary.domain.audit import Leaf
from customary.storage.sqlite import trail as sqlite_trail
from faults.trail_store import START, Store, made

SEED = random.SystemRandom().randrange(2**32)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store with epochs and pages so short that its trail has many, and a tail that is not sealed."""
    monkeypatch.setattr(sqlite_trail, "EPOCH_LEAVES", 16)
    monkeypatch.setattr(entries, "_AT_ONCE", 7)
    return made(tmp_path / "store", random.Random(SEED), rounds=40)


def looked_through(house: House, tenant_id: str, sought: Sought) -> list[int]:
    """The numbers of the entries that meet the conditions, by looking at every one."""

    def reading() -> Generator[Any, Any, list[LeafRow]]:
        rows: list[LeafRow] = yield ReadLeaves(limit=100_000)
        return rows

    numbers = []
    for row in house.engine.read_now(reading):
        leaf = msgspec.json.decode(row.body, type=Leaf)
        if (
            leaf.tenant_id == tenant_id
            and sought.subject in (None, leaf.subject)
            and sought.actor in (None, leaf.actor)
            and sought.action in (None, leaf.action)
            and (sought.since is None or row.at >= sought.since)
            and (sought.until is None or row.at < sought.until)
        ):
            numbers.append(row.leaf_no)
    return numbers


def pages(house: House, tenant_id: str, sought: Sought, dice: random.Random, newest_first: bool) -> list[int]:
    """The numbers that are found page by page."""
    numbers: list[int] = []
    beyond = None
    while True:
        limit, looked_at_max = dice.randrange(1, 9), dice.randrange(1, 30)
        job = partial(
            found, tenant_id, sought, beyond, limit, newest_first=newest_first, looked_at_max=looked_at_max
        )
        page, beyond = asyncio.run(house.engine.scan(job))
        assert len(page) <= limit
        numbers += [number for number, _ in page]
        if beyond is None:
            return numbers


def test_what_is_found_is_what_is_there(store: Store) -> None:
    """300 random questions, in both orders, with pages of every size: nothing is missing or twice."""
    dice = random.Random(SEED)
    with store.open() as house:
        for number in range(300):
            instants = [None, *(START + timedelta(milliseconds=dice.randrange(-5, 400)) for _ in range(2))]
            sought = Sought(
                subject=dice.choice([None, f"customer{dice.randrange(22):04d}"]),
                actor=dice.choice([None, f"key{dice.randrange(4)}", "cli"]),
                action=dice.choice([None, "customer.created", "customer.revealed", "tenant.created"]),
                since=dice.choice(instants),
                until=dice.choice(instants),
            )
            tenant_id, newest_first = dice.choice(store.tenants), dice.random() < 0.5
            expected = looked_through(house, tenant_id, sought)
            if newest_first:
                expected.reverse()
            assert pages(house, tenant_id, sought, dice, newest_first) == expected, (SEED, number, sought)


@pytest.mark.parametrize("newest_first", [True, False])
def test_times_are_looked_for_near_where_they_are(store: Store, newest_first: bool) -> None:
    """With clocks that are right, a day is found without walking through the days before or after it."""
    tenant_id = store.tenants[0]
    day = timedelta(days=1)
    with store.attacked() as database:
        database.execute("UPDATE leaves SET at = at + leaf_no * 86400000000")
    with store.open() as house:
        last = looked_through(house, tenant_id, Sought())[-1]
        middle = START + day * (last // 2)
        sought = Sought(since=middle, until=middle + 6 * day)
        expected = looked_through(house, tenant_id, sought)
        assert expected
        job = partial(found, tenant_id, sought, None, 100, newest_first=newest_first, looked_at_max=last // 4)
        page, beyond = asyncio.run(house.engine.scan(job))
        assert sorted(number for number, _ in page) == expected
        assert beyond is None


def test_another_tenants_entries_are_never_found(store: Store) -> None:
    """Not even where two tenants' postings have one key."""
    mine, *others = store.tenants
    with store.attacked() as database:
        for tenant_id in others:
            keys = (key_of(mine, "tenant"), key_of(tenant_id, "tenant"))
            assert database.execute("UPDATE postings SET key = ? WHERE key = ?", keys).rowcount
    with store.open() as house:
        expected = looked_through(house, mine, Sought())
        for newest_first in (True, False):
            job = partial(found, mine, Sought(), None, 1000, newest_first=newest_first)
            page, _ = asyncio.run(house.engine.scan(job))
            assert sorted(number for number, _ in page) == expected
