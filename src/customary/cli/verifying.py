"""The commands that verify the audit trail, and files of checkpoints by themselves.

They must never know what is verified, or how.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from customary.app.chains import Finding
from customary.cli.frame import AsJson, Data, harmless, open_house, print_facts, print_json
from customary.cli.refusals import DONE, REFUSED
from customary.domain.errors import Unavailable

if TYPE_CHECKING:
    from customary.bootstrap.house import House

CheckpointOption = Annotated[
    tuple[Path, ...],
    Parameter(
        name="--checkpoint",
        help="File or folder of checkpoints that were kept outside the store; may be repeated.",
        show_default=False,
    ),
]


def verify(*, checkpoint: CheckpointOption = (), data: Data = None, as_json: AsJson = False) -> int:
    """Verify the whole trail; exits 1 if anything was edited, deleted, put in, cut off or put back.

    By itself the store shows what was done to it without the signing key. With
    checkpoints that were kept elsewhere it also shows an older copy of the store, an
    end that was cut off, and a trail that was made anew with the key: up to the last
    of them. Entries of the last second are not sealed yet; nothing can be said of them.

    Example: customary audit verify
    Example: customary audit verify --checkpoint /mnt/witness
    """
    from customary.app.verification import verify as verified
    from customary.bootstrap.checkpoint_file import kept

    sources = [one for path in checkpoint for one in kept(path)]
    with open_house(data) as house, progress() as heard:
        job = partial(verified, house.unsealed, house.store_id, sources, heard)
        finding = _finding(house, job)
        public_key = house.unsealed.trail_public_key.hex()
    return tell(finding, public_key, as_json=as_json)


def _finding(house: "House", job: Callable[[], Any]) -> Finding:
    try:
        finding: Finding = house.engine.read_now(job)
    except Unavailable as unreadable:  # a table is gone, or a page is damaged: that is no intact trail
        finding = Finding()
        finding.add(f"the trail cannot be read to its end ({unreadable.detail})")
    return finding


def tell(finding: Finding, public_key: str, *, as_json: bool) -> int:
    """Print a finding; return the exit code."""
    if as_json:
        print_json(
            {
                "intact": not finding.flaw_count,
                "leaves": finding.leaves,
                "blocks": finding.blocks,
                "unsealed": finding.unsealed,
                "checkpoints": finding.checkpoints,
                "publicKey": public_key,
                "flawCount": finding.flaw_count,
                "flaws": [
                    {
                        "tenantId": flaw.tenant_id,
                        "block": flaw.block_no,
                        "leaf": flaw.leaf_no,
                        "what": flaw.what,
                        "checkpoint": flaw.checkpoint,
                    }
                    for flaw in finding.flaws
                ],
                "notes": finding.notes,
            }
        )
        return REFUSED if finding.flaw_count else DONE
    print_facts(
        {
            "entries": str(finding.leaves),
            "blocks": str(finding.blocks),
            "checkpoints": str(finding.checkpoints),
            "not sealed yet": str(finding.unsealed),
            "public key": public_key,
            "result": f"{finding.flaw_count} flaws" if finding.flaw_count else "intact",
        }
    )
    if finding.unsealed:
        print(
            "Of what is not sealed yet nothing can be proved; a running server seals it within a second.",
            file=sys.stderr,
        )
    for note in finding.notes:
        print(f"Note: {harmless(note)}", file=sys.stderr)
    for flaw in finding.flaws:
        places = (flaw.tenant_id and f"tenant {flaw.tenant_id}", flaw.block_no and f"block {flaw.block_no}")
        place = (*places, flaw.leaf_no and f"entry {flaw.leaf_no}", flaw.checkpoint)
        print(harmless(f"{', '.join(str(part) for part in place if part) or 'the trail'}: {flaw.what}"))
    if len(finding.flaws) < finding.flaw_count:
        print(f"and {finding.flaw_count - len(finding.flaws)} more flaws")
    if finding.flaw_count:
        print("Next: keep the data folder as it is, and compare it with a backup.", file=sys.stderr)
    return REFUSED if finding.flaw_count else DONE


@contextmanager
def progress() -> Iterator[Callable[[Finding], None]]:
    """Show on a terminal how far a verification has come."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console

    with Console(stderr=True).status("verifying") as status:
        yield lambda finding: status.update(
            f"{finding.leaves:,} entries, {finding.blocks:,} blocks, {finding.checkpoints:,} checkpoints"
        )
