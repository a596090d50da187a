"""Writes everything that is held about one person into a folder: a file a part, and a manifest at last.

A folder without a manifest is one that was not finished. The trail is told before the first file is written.
"""

import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from customary.app import person
from customary.app.customers import ALL
from customary.app.person import Person
from customary.app.requests import Deed
from customary.cli.frame import open_house
from customary.cli.reasons import changing
from customary.cli.refusals import WrongUsage
from customary.cli.sought import find_one
from customary.domain.access import Permission, Principal
from customary.native.person import manifest_of, parts_of

if TYPE_CHECKING:
    from customary.bootstrap.house import House

FILE_MODE = 0o600
FOLDER_MODE = 0o700


def export_person(
    spelling: str, out: Path, *, tenant_id: str | None, reason: str | None, data: Path | None
) -> None:
    """Write everything about that customer into a folder that is not there yet."""
    asked = changing(reason)
    with open_house(data) as house:
        if house.settings.reason_required and not asked.reason:
            raise WrongUsage("An export of a person needs a --reason here (setting reason_required)")
        chosen, found = find_one(house, tenant_id, spelling)
        _make(out)
        principal = chosen.operator(Permission.EXPORT_CUSTOMERS)
        at = house.dice.now()
        gathered = _gathered(house, principal, person.gathered(principal, found.customer_id))
        parts = parts_of(gathered, chosen.merchant_id(found.merchant_no))
        deed = Deed(audited=ALL, reason=asked.reason)
        house.performer.perform_now(principal, [partial(person.export, principal, gathered)], deed)
        for name, part in parts.items():
            _write(out / f"{name}.json", part)
        manifest = msgspec.json.encode(manifest_of(gathered, parts, at))
        _write(out / "manifest.json", msgspec.json.format(manifest, indent=2) + b"\n")
    print(f"Wrote {len(parts)} parts and manifest.json to {out}.", file=sys.stderr)


def _gathered(house: "House", principal: Principal, steps: person.Steps) -> Person:
    try:
        step = next(steps)
        while True:
            answer: Any = house.performer.read_now(principal, step)
            step = steps.send(answer)
    except StopIteration as stop:
        gathered: Person = stop.value
        return gathered


def _make(folder: Path) -> None:
    try:
        folder.mkdir(FOLDER_MODE)
    except FileExistsError:
        raise WrongUsage("The folder of --out is there already; it is never written over") from None
    except OSError as error:
        raise WrongUsage(f"The folder of --out cannot be made: {error.strerror}") from None


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
