"""Eight attacks on the trail, at random places, by whoever has the file; each is found and its place is told.

The places are all over what the older checkpoint covers. Nothing can find what somebody who has the signing
key does to what came after it: no checkpoint kept elsewhere tells of that.
"""

import json
import random
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from customary.app.chains import Finding
from customary.app.checkpoints import Checkpoint, Signing, checkpoint_of, line_digest, signed_line
from customary.app.ports import BlockRow
from customary.app.trail import GENESIS, entries, entry_of, leaf_digest, link_of
from customary.storage.sqlite.rows import instant_at
from faults.trail_store import Store, Ticking, flaws_at, made, packed

TIMES = 60
SEED = random.SystemRandom().randrange(2**32)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The store that is copied and attacked."""
    return made(tmp_path_factory.mktemp("trail") / "store", random.Random(SEED))


@dataclass
class Attack:
    """One attack: on a copy, at random; it says where, and which checkpoint came before."""

    copy: Store
    dice: random.Random
    database: sqlite3.Connection
    signing: Signing
    tenant_id: str = ""
    block_no: int = 0
    leaf_nos: list[int] = field(default_factory=list)
    kept: list[bytes] = field(default_factory=list)

    def one(self, statement: str, *values: Any) -> Any:
        """The first row of an answer."""
        return self.database.execute(statement, values).fetchone()

    def aim(self) -> int:
        """Choose a sealed leaf and an older checkpoint that covers it; return the leaf's number."""
        line = self.dice.choice(self.copy.lines)
        pin = self.dice.choice(checkpoint_of(line).tenants)
        self.kept, self.tenant_id = [line], pin.tenant
        block = self.dice.randrange(1, pin.block + 1)
        (digests,) = self.one(
            "SELECT digests FROM blocks WHERE tenant_id = ? AND block_no = ?", packed(pin.tenant), block
        )
        self.block_no = block
        leaf_no = self.dice.choice([number for number, _ in entries(digests)])
        self.leaf_nos = [leaf_no]
        return leaf_no

    def spoil(self, leaf_no: int) -> None:
        """Change who or what a leaf tells of, and nothing else."""
        body = json.loads(self.one("SELECT body FROM leaves WHERE leaf_no = ?", leaf_no)[0])
        body[self.dice.choice(("actor", "subject", "action"))] += "x"
        self.database.execute(
            "UPDATE leaves SET body = ? WHERE leaf_no = ?", (json.dumps(body).encode(), leaf_no)
        )

    def chain_anew(self, signing: Signing | None) -> None:
        """Make the tenant's blocks anew over the leaves as they are; with the key, sign them, too."""
        tenant, link = packed(self.tenant_id), GENESIS
        rows = self.database.execute(
            "SELECT block_no, leaf_no_first, leaf_no_last, at, digests, signature FROM blocks"
            " WHERE tenant_id = ? ORDER BY block_no",
            (tenant,),
        ).fetchall()
        for block_no, first, last, at, digests, signature in rows:
            numbers = [number for number, _ in entries(digests)]
            digests = b"".join(
                entry_of(
                    number,
                    leaf_digest(number, self.one("SELECT body FROM leaves WHERE leaf_no = ?", number)[0]),
                )
                for number in numbers
            )
            block = BlockRow(self.tenant_id, block_no, first, last, instant_at(at), digests, b"", signature)
            link = link_of(link, block)
            signature = signing.signed(link) if signing else signature
            self.database.execute(
                "UPDATE blocks SET digests = ?, link = ?, signature = ? WHERE tenant_id = ? AND block_no = ?",
                (digests, link, signature, tenant, block_no),
            )

    def checkpoint_anew(self) -> None:
        """Sign all checkpoints of the store anew over the blocks as they are."""
        before = ""
        rows = self.database.execute("SELECT checkpoint_no, line FROM checkpoints ORDER BY 1").fetchall()
        for number, line in rows:
            checkpoint = checkpoint_of(line)
            pins = []
            for pin in checkpoint.tenants:
                (link,) = self.one(
                    "SELECT link FROM blocks WHERE tenant_id = ? AND block_no = ?",
                    packed(pin.tenant),
                    pin.block,
                )
                pins.append(msgspec.structs.replace(pin, link=link.hex()))
            changed: Checkpoint = msgspec.structs.replace(
                checkpoint, tenants=tuple(pins), before=before or checkpoint.before
            )
            anew = signed_line(self.signing, changed)
            before = line_digest(anew)
            self.database.execute("UPDATE checkpoints SET line = ? WHERE checkpoint_no = ?", (anew, number))


def edit(attack: Attack) -> None:
    """Change one leaf: what it tells, or the row's own time or tenant."""
    leaf_no = attack.aim()
    match attack.dice.randrange(3):
        case 0:
            attack.spoil(leaf_no)
        case 1:
            attack.database.execute("UPDATE leaves SET at = at - 60000000 WHERE leaf_no = ?", (leaf_no,))
        case _:
            others = [tenant for tenant in attack.copy.tenants if tenant != attack.tenant_id]
            tenant = packed(attack.dice.choice(others))
            attack.database.execute("UPDATE leaves SET tenant_id = ? WHERE leaf_no = ?", (tenant, leaf_no))


def delete(attack: Attack) -> None:
    """Take one leaf away, or a whole block with its leaves."""
    leaf_no = attack.aim()
    if attack.dice.randrange(2):
        attack.database.execute("DELETE FROM leaves WHERE leaf_no = ?", (leaf_no,))
        return
    where = (packed(attack.tenant_id), attack.block_no)
    (digests,) = attack.one("SELECT digests FROM blocks WHERE tenant_id = ? AND block_no = ?", *where)
    attack.leaf_nos = []
    attack.database.executemany(
        "DELETE FROM leaves WHERE leaf_no = ?", [(number,) for number, _ in entries(digests)]
    )
    attack.database.execute("DELETE FROM blocks WHERE tenant_id = ? AND block_no = ?", where)


def swap(attack: Attack) -> None:
    """Let two leaves of one tenant tell each other's deeds."""
    one = attack.aim()
    body = attack.one("SELECT body FROM leaves WHERE leaf_no = ?", one)[0]
    others = attack.database.execute(
        "SELECT leaf_no, body FROM leaves WHERE tenant_id = ? AND body <> ?", (packed(attack.tenant_id), body)
    ).fetchall()
    other, other_body = attack.dice.choice(others)
    attack.database.executemany(
        "UPDATE leaves SET body = ? WHERE leaf_no = ?", [(other_body, one), (body, other)]
    )
    attack.leaf_nos = [one]


def insert(attack: Attack) -> None:
    """Put a leaf in: before all others, or in the midst with all later ones moved on by one."""
    leaf_no = attack.aim()
    tenant, at, body = attack.one("SELECT tenant_id, at, body FROM leaves WHERE leaf_no = ?", leaf_no)
    if attack.dice.randrange(2):
        number = -attack.dice.randrange(1000)
        attack.leaf_nos = [number]
    else:
        number = leaf_no
        (last,) = attack.one("SELECT max(leaf_no) FROM leaves")
        for moved in range(last, leaf_no - 1, -1):
            attack.database.execute("UPDATE leaves SET leaf_no = leaf_no + 1 WHERE leaf_no = ?", (moved,))
        attack.leaf_nos = []
    attack.database.execute(
        "INSERT INTO leaves (leaf_no, tenant_id, at, body) VALUES (?, ?, ?, ?)", (number, tenant, at, body)
    )


def truncate(attack: Attack) -> None:
    """Cut off the end: all leaves, blocks and checkpoints from some moment on, for all tenants."""
    line = attack.dice.choice(attack.copy.lines[1:])
    number = checkpoint_of(line).number
    attack.kept = [line]
    left = checkpoint_of(attack.copy.lines[attack.dice.randrange(number - 1)])
    attack.database.execute("DELETE FROM checkpoints WHERE checkpoint_no > ?", (left.number,))
    last = max(pin.leaf for pin in left.tenants)
    attack.database.execute("DELETE FROM leaves WHERE leaf_no > ?", (last,))
    attack.database.execute("DELETE FROM blocks WHERE leaf_no_first > ?", (last,))
    attack.database.execute("UPDATE marks SET number = ? WHERE name = 'sealed_to'", (last,))


def rechain(attack: Attack) -> None:
    """Change a leaf and make the digests and links after it anew, as far as that goes without the key."""
    attack.spoil(attack.aim())
    attack.chain_anew(None)
    attack.leaf_nos = []


def rewrite(attack: Attack) -> None:
    """Change a leaf, and with the signing key make blocks and checkpoints anew: right in itself."""
    attack.spoil(attack.aim())
    attack.chain_anew(attack.signing)
    attack.checkpoint_anew()
    attack.leaf_nos = []


def fork(attack: Attack) -> None:
    """Go back to an older state, and from there on with other deeds, sealed and signed as they should be."""
    truncate(attack)
    attack.database.commit()
    with attack.copy.open() as house:
        clock = Ticking()
        for _ in range(len(attack.copy.lines)):
            attack.copy.deeds(attack.dice, clock, 3, house)
            attack.copy.sealed(house, clock)


ATTACKS: dict[str, Callable[[Attack], None]] = {
    attack.__name__: attack for attack in (edit, delete, swap, insert, truncate, rechain, rewrite, fork)
}
RIGHT_IN_ITSELF = ("truncate", "rewrite", "fork")


def attacks(store: Store, name: str, folder: Path, times: int) -> Iterator[tuple[Attack, Finding, str]]:
    """Attack copies of the store and verify each against the older checkpoint."""
    with store.open() as house:
        signing = house.unsealed  # the attacker has the keys in hand
    for number in range(times):
        seed = f"seed {SEED}, {name}, {number}"
        copy = store.copied(folder / str(number))
        with copy.attacked() as database:
            attack = Attack(copy, random.Random(seed), database, signing)
            ATTACKS[name](attack)
        yield attack, copy.verified(*attack.kept), seed


@pytest.mark.parametrize("name", ATTACKS)
def test_every_attack_is_found_and_its_place_is_told(store: Store, tmp_path: Path, name: str) -> None:
    """Given one older checkpoint; the tenant is told, and the leaf where one was touched."""
    for attack, finding, seed in attacks(store, name, tmp_path, TIMES):
        assert finding.flaws, seed
        tenants = {flaw.tenant_id for flaw in finding.flaws}
        assert attack.tenant_id in tenants or not attack.tenant_id, seed
        assert flaws_at(finding, attack.tenant_id, attack.leaf_nos) == set(attack.leaf_nos), (seed, finding)
        if name in RIGHT_IN_ITSELF:
            assert any("kept, line 1, checkpoint" in flaw.checkpoint for flaw in finding.flaws), seed


@pytest.mark.parametrize("name", RIGHT_IN_ITSELF)
def test_what_is_right_in_itself_is_found_by_the_checkpoint_alone(
    store: Store, tmp_path: Path, name: str
) -> None:
    """Without the older checkpoint these attacks pass: it is the checkpoint that finds them."""
    for attack, finding, seed in attacks(store, name, tmp_path, 3):
        assert finding.flaws, seed
        assert attack.copy.verified().flaws == [], seed
