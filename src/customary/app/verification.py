"""Verifies the audit trail: every leaf against its block, every block against its chain, all by checkpoints.

What the store says of itself finds whatever was done without the signing key. Whoever has the key can make a
store that is right in itself; a checkpoint that was kept elsewhere finds that, for everything up to it. It
must never trust a row, and never know a file.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

from customary.app.chains import Chain, Finding
from customary.app.checkpoints import Pin, Signatures
from customary.app.ports import (
    BlockRow,
    CheckpointRow,
    LeafRow,
    ReadBlocks,
    ReadCheckpoints,
    ReadLeaves,
    ReadTenants,
)
from customary.app.witnesses import Kept, Witnesses
from customary.domain.access import Tenant

_BEFORE_ALL = -(1 << 63)


def verify(
    signatures: Signatures,
    store_id: str,
    kept: Sequence[Kept] = (),
    heard: Callable[[Finding], None] = lambda _: None,
) -> Generator[Any, Any, Finding]:
    """Verify the whole trail by its blocks, by the store's own checkpoints, and by those that were ``kept``.

    A server may go on meanwhile: what it seals after the start is left for the next time. ``heard`` is told
    of the progress now and then. Needs memory for each tenant, and none for each leaf.
    """
    finding = Finding()
    heads, last = yield from start()
    chains = yield from _walk(signatures, heads, finding, heard)
    witnesses = Witnesses(signatures, store_id, finding, heard)
    pins = yield from witnesses.of_store(last)
    for source in kept:
        yield from witnesses.of_file(source, kept)
    tenants: list[Tenant] = yield ReadTenants()
    known = {str(tenant.tenant_id) for tenant in tenants}
    for tenant_id, head in heads.items():
        if tenant_id not in known:
            finding.add("the tenant is gone from the store", tenant_id, head.block_no)
    if last is not None:
        _compare_ends(heads, chains, pins, finding)
    elif heads:
        finding.notes.append("the store has no checkpoint: a running server writes one with the next entry")
    return finding


def start() -> Generator[Any, Any, tuple[dict[str, BlockRow], CheckpointRow | None]]:
    """Return the last block of each tenant and the last checkpoint, as of one moment."""
    while True:
        before: list[CheckpointRow] = yield ReadCheckpoints(newest_first=True, limit=1)
        rows: list[BlockRow] = yield ReadBlocks()
        after: list[CheckpointRow] = yield ReadCheckpoints(newest_first=True, limit=1)
        if before == after:  # else a server has sealed in between
            return {row.tenant_id: row for row in rows}, (after[0] if after else None)


def _walk(
    signatures: Signatures,
    heads: Mapping[str, BlockRow],
    finding: Finding,
    heard: Callable[[Finding], None],
) -> Generator[Any, Any, dict[str, Chain]]:
    """Compare every leaf with its block, and every block with the one before it."""
    chains = {
        tenant_id: Chain(tenant_id, head.block_no, signatures, finding) for tenant_id, head in heads.items()
    }
    after = _BEFORE_ALL
    while True:
        leaves: list[LeafRow] = yield ReadLeaves(after=after)
        for leaf in leaves:
            chain = chains.get(leaf.tenant_id)
            if chain is None:
                chain = chains[leaf.tenant_id] = Chain(leaf.tenant_id, 0, signatures, finding)
            yield from chain.compare(leaf)
        finding.leaves += len(leaves)
        heard(finding)
        if not leaves:
            break
        after = leaves[-1].leaf_no
    for chain in chains.values():
        yield from chain.close()
    return chains


def _compare_ends(
    heads: Mapping[str, BlockRow],
    chains: Mapping[str, Chain],
    pins: Mapping[str, Pin],
    finding: Finding,
) -> None:
    """Compare the ends of all chains with the store's last checkpoint: they were written in one commit."""
    for tenant_id, head in heads.items():
        pin = pins.get(tenant_id)
        if pin is None or head.block_no > pin.block:
            what = "the store's last checkpoint does not know this block"
            finding.add(what, tenant_id, head.block_no, head.leaf_no_last)
        elif head.block_no == pin.block and chains[tenant_id].leaves != pin.leaves:
            what = "the store's last checkpoint counts more or fewer leaves"
            finding.add(what, tenant_id, head.block_no, head.leaf_no_last)
