"""The commands that list the audit trail and verify it."""

import sys
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from cyclopts import App, Parameter

from customary.app import trail
from customary.cli.chosen import known_tenant
from customary.cli.frame import AsJson, Data, harmless, open_house, print_facts, print_json
from customary.cli.refusals import DONE, REFUSED, WrongUsage
from customary.cli.registry import OnlyTenantOption
from customary.domain.audit import Leaf

if TYPE_CHECKING:
    from customary.bootstrap.house import House

audit = App(name="audit", help="List the audit trail, and verify that nobody changed it.")

PAGE_SIZE = 1_000


@audit.command(name="list")
def list_leaves(
    *,
    tenant_id: OnlyTenantOption = None,
    after: Annotated[int, Parameter(help="Only entries after that number.")] = 0,
    limit: Annotated[int | None, Parameter(help="How many at most; all if not given.")] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """List who did what to whom, the oldest first; no entry has a value of a customer.

    Example: customary audit list
    Example: customary audit list --after 1200 --limit 100 --json
    """
    if after < 0 or (limit is not None and limit < 1):
        raise WrongUsage("--after is a whole number from 0, --limit one from 1")
    with open_house(data) as house:
        leaves = _leaves(house, known_tenant(house, tenant_id), after, limit)
        if as_json:
            _print_json_array(_view(number, leaf) for number, leaf in leaves)
        else:
            for number, leaf in leaves:
                print(harmless(_told(number, leaf)))


@audit.command(name="verify")
def verify(*, data: Data = None, as_json: AsJson = False) -> int:
    """Compare the whole trail with its sealed chain; exits 1 if anything was edited, deleted or put in.

    The public key is the trail's, in hex: with it anybody can check the
    signatures (Ed25519) of its blocks.

    Example: customary audit verify
    """
    with open_house(data) as house:
        finding = house.engine.read_now(partial(trail.verify, house.unsealed))
        public_key = house.unsealed.trail_public_key.hex()
    if as_json:
        print_json(
            {
                "intact": not finding.flaws,
                "leaves": finding.leaves,
                "blocks": finding.blocks,
                "unsealed": finding.unsealed,
                "publicKey": public_key,
                "flaws": [
                    {
                        "tenantId": flaw.tenant_id,
                        "block": flaw.block_no,
                        "leaf": flaw.leaf_no,
                        "what": flaw.what,
                    }
                    for flaw in finding.flaws
                ],
            }
        )
        return REFUSED if finding.flaws else DONE
    print_facts(
        {
            "entries": str(finding.leaves),
            "blocks": str(finding.blocks),
            "not sealed yet": str(finding.unsealed),
            "public key": public_key,
            "result": f"{len(finding.flaws)} flaws" if finding.flaws else "intact",
        }
    )
    if finding.unsealed:
        print("A running server seals new entries within a second.", file=sys.stderr)
    for flaw in finding.flaws:
        print(f"tenant {flaw.tenant_id}, block {flaw.block_no}, entry {flaw.leaf_no}: {flaw.what}")
    if finding.flaws:
        print("Next: keep the data folder as it is, and compare it with a backup.", file=sys.stderr)
    return REFUSED if finding.flaws else DONE


def _leaves(
    house: "House", tenant_id: str | None, after: int, limit: int | None
) -> Iterator[tuple[int, Leaf]]:
    """Yield the entries page by page, so that a long trail takes no memory."""
    left = limit
    while left is None or left > 0:
        size = PAGE_SIZE if left is None else min(PAGE_SIZE, left)
        page = house.engine.read_now(partial(trail.list_leaves, after, size, tenant_id))
        yield from page
        if len(page) < size:
            return
        after = page[-1][0]
        left = None if left is None else left - len(page)


def _view(number: int, leaf: Leaf) -> dict[str, Any]:
    view: dict[str, Any] = {
        "number": number,
        "at": leaf.at,
        "tenantId": leaf.tenant_id,
        "actor": leaf.actor,
        "action": leaf.action,
        "subject": leaf.subject,
        "outcome": leaf.outcome,
        "fields": list(leaf.fields),
    }
    if leaf.version:
        view["version"] = leaf.version
    if leaf.request_id:
        view["requestId"] = leaf.request_id
    if leaf.digest:
        view["digest"] = leaf.digest
    return view


def _told(number: int, leaf: Leaf) -> str:
    version = f" v{leaf.version}" if leaf.version else ""
    fields = f"  ({', '.join(leaf.fields)})" if leaf.fields else ""
    outcome = "" if leaf.outcome == "done" else f"  {leaf.outcome}"
    return f"{number:>8}  {leaf.at}  {leaf.actor}  {leaf.action}  {leaf.subject}{version}{outcome}{fields}"


def _print_json_array(items: Iterator[dict[str, Any]]) -> None:
    """Print a JSON array, an item a line, without holding it."""
    opening = "[\n  "
    for item in items:
        sys.stdout.write(opening + msgspec.json.encode(item).decode())
        opening = ",\n  "
    sys.stdout.write("[]\n" if opening.startswith("[") else "\n]\n")
