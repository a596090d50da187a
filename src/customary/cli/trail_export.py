"""The command that writes the audit trail out so that it can be verified elsewhere."""

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from customary.cli.chosen import known_tenant
from customary.cli.exporting import new_file
from customary.cli.frame import Data, open_house
from customary.cli.registry import OnlyTenantOption

if TYPE_CHECKING:
    from customary.bootstrap.house import House


def export(
    *,
    tenant_id: OnlyTenantOption = None,
    out: Annotated[
        Path | None, Parameter(help="File to write, readable to you alone; stdout if not given.")
    ] = None,
    data: Data = None,
) -> None:
    """Write the audit trail as NDJSON, with blocks and checkpoints that prove it.

    Whoever has the file and the public key can verify it without the store, with
    `audit verify --export`. A single tenant's export has no checkpoints, for these
    name the other tenants.

    Example: customary audit export --out trail.ndjson
    """
    with open_house(data) as house, new_file(out) as stream:
        count = 0
        for line in _lines(house, known_tenant(house, tenant_id)):
            stream.write(line + b"\n")
            count += 1
        stream.flush()
    if out is not None:
        print(f"Wrote {count} lines to {out}.", file=sys.stderr)


def _lines(house: "House", tenant_id: str | None) -> Iterator[bytes]:
    """Yield the lines page by page, so that a long trail takes no memory."""
    from customary.app import exported
    from customary.app.credentials import list_tenants

    public_key = house.unsealed.trail_public_key
    yield exported.opening(house.store_id, public_key, house.dice.now(), tenant_id or "")
    heads, checkpoints = house.engine.read_now(exported.outline)
    tenants = {str(tenant.tenant_id) for tenant in house.engine.read_now(list_tenants)} | heads.keys()
    for tenant in sorted(tenants if tenant_id is None else {tenant_id}):
        head = heads.get(tenant)
        block_no = 0
        while head is not None and block_no < head.block_no:
            page = partial(exported.some_blocks, tenant, block_no, head.block_no)
            lines, block_no = house.engine.read_now(page)
            yield from lines
        leaf_no = 0 if head is None else head.leaf_no_last
        while True:
            lines, leaf_no = house.engine.read_now(partial(exported.some_leaves, tenant, leaf_no))
            yield from lines
            if not lines:
                break
    if tenant_id is None:
        yield from checkpoints
