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
from customary.cli.refusals import DONE, REFUSED, WrongUsage
from customary.domain.errors import Unavailable

if TYPE_CHECKING:
    from customary.app.witnesses import Kept
    from customary.bootstrap.house import House
    from customary.vault.trailkey import TrailKey

CheckpointOption = Annotated[
    tuple[Path, ...],
    Parameter(
        name="--checkpoint",
        help="File or folder of checkpoints that were kept outside the store; may be repeated.",
        show_default=False,
    ),
]


PublicKey = Annotated[
    str | None,
    Parameter(help="The trail's public key in hex, as `audit public-key` prints it.", show_default=False),
]


def verify(
    *,
    checkpoint: CheckpointOption = (),
    export: Annotated[
        Path | None,
        Parameter(help="Verify that export instead, without any data folder.", show_default=False),
    ] = None,
    public_key: PublicKey = None,
    data: Data = None,
    as_json: AsJson = False,
) -> int:
    """Verify the whole trail; exits 1 if anything was edited, deleted, put in, cut off or put back.

    By itself the store shows what was done to it without the signing key. With
    checkpoints that were kept elsewhere it also shows an older copy of the store, an
    end that was cut off, and a trail that was made anew with the key: up to the last
    of them. Entries of the last second are not sealed yet; nothing can be said of them.

    Example: customary audit verify
    Example: customary audit verify --checkpoint /mnt/witness
    Example: customary audit verify --export trail.ndjson --public-key 5d3a...
    """
    from customary.app.verification import verify as verified
    from customary.bootstrap.checkpoint_file import kept

    sources = [one for path in checkpoint for one in kept(path)]
    if export is not None:
        return _of_export(export, public_key, sources, as_json=as_json)
    if public_key is not None:
        raise WrongUsage("--public-key goes with --export; a data folder has its own key")
    with open_house(data) as house, progress() as heard:
        job = partial(verified, house.unsealed, house.store_id, sources, heard)
        finding = _finding(house, job)
        key = house.unsealed.trail_public_key.hex()
    return tell(finding, key, as_json=as_json)


def checkpoints(
    file: Annotated[Path, Parameter(help="File or folder of checkpoints.")],
    /,
    *,
    public_key: PublicKey = None,
    as_json: AsJson = False,
) -> int:
    """Verify checkpoints by themselves: signatures, and that none is missing; exits 1 if not.

    It needs no data folder and no secret. Without --public-key the key that the first
    line names is taken, which proves nothing against whoever wrote the file anew.

    Example: customary audit checkpoints /mnt/witness --public-key 5d3a...
    """
    from customary.app.checkpoints import Damaged, checkpoint_of
    from customary.app.exported import verify_checkpoints
    from customary.bootstrap.checkpoint_file import kept

    sources = kept(file)
    try:
        first = checkpoint_of(next(iter(sources[0].lines()), b""))
    except Damaged:
        raise WrongUsage("The first line of the file is no checkpoint") from None
    key = public_key or first.key
    with progress() as heard:
        finding = verify_checkpoints(_key(key), first.store, sources, heard)
    _note_key(finding, public_key)
    return tell(finding, key, as_json=as_json)


def _of_export(path: Path, public_key: str | None, sources: "list[Kept]", *, as_json: bool) -> int:
    from customary.app.exported import opening_of, verify_export
    from customary.bootstrap.checkpoint_file import kept

    if path.is_dir():
        raise WrongUsage("The file of --export is a folder")
    (export,) = kept(path)
    opening = opening_of(next(iter(export.lines()), b""))
    if opening is None:
        raise WrongUsage("The file of --export is no export of a trail")
    key = public_key or opening.key
    with progress() as heard:
        finding = verify_export(_key(key), export.lines(), sources, heard)
    _note_key(finding, public_key)
    return tell(finding, key, as_json=as_json)


def _key(text: str) -> "TrailKey":
    from customary.vault.trailkey import TrailKey

    try:
        return TrailKey(bytes.fromhex(text))
    except ValueError:
        raise WrongUsage("A public key is 64 hexadecimal digits") from None


def _note_key(finding: Finding, public_key: str | None) -> None:
    if public_key is None:
        finding.notes.append("the key is the one that the file names: give yours with --public-key")


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
