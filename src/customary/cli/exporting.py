"""The command that writes customers out: all of them, a line each, or everything about one.

The trail tells of it before the first line.

Pages are read one after the other, so that memory stays small and a server beside it is never held up.
"""

import os
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import msgspec
from cyclopts import Parameter

from customary.app import customers as use_cases
from customary.app.performing import instant_text
from customary.app.ports import LeafRow, Write
from customary.app.requests import Deed, ListPage
from customary.cli.chosen import Chosen, choose
from customary.cli.faces import Face, view
from customary.cli.frame import Data, done, open_house
from customary.cli.pages import PAGE_SIZE, MerchantOption, Unmasked, read_page
from customary.cli.person import export_person
from customary.cli.reasons import ReasonOption, seeing
from customary.cli.refusals import WrongUsage
from customary.cli.registry import TenantOption
from customary.domain.access import Permission
from customary.domain.audit import Action, Leaf

if TYPE_CHECKING:
    from customary.bootstrap.house import House

FILE_MODE = 0o600


def export_customers(
    spelling: Annotated[
        str | None,
        Parameter(name="ID", help="One customer, of whom everything is written; all customers if not given."),
    ] = None,
    /,
    *,
    tenant_id: TenantOption = None,
    merchant_id: MerchantOption = None,
    face: Annotated[
        Face | None,
        Parameter(help="The form in which customers are written: own, if not given, or a vendor's."),
    ] = None,
    limit: Annotated[int | None, Parameter(help="How many at most, oldest first.")] = None,
    out: Annotated[
        Path | None,
        Parameter(help="File to write, readable to you alone, stdout if not given; with ID, a new folder."),
    ] = None,
    unmasked: Unmasked = False,
    reason: ReasonOption = None,
    data: Data = None,
) -> None:
    """Write customers as NDJSON, one object a line, or everything that is held about one.

    Our own form has everything and can be imported elsewhere, where it gets new
    ids; masked values cannot, so that takes --unmasked. Of the vendors' forms, the
    Trustist one has no tax ids, licences or custom data, the Trustly one no branch
    (orgId).

    With an ID everything about that person goes into a new folder, in clear: the
    record, all its versions, the entries of the trail, and whatever else is held,
    a JSON file each, and a manifest with their digests.

    Example: customary customers export > customers.ndjson
    Example: customary customers export --unmasked --out customers.ndjson
    Example: customary customers export 3kTp9j2mN5xR --out sarah
    """
    if spelling is not None:
        if out is None or unmasked or face or limit is not None or merchant_id is not None:
            raise WrongUsage("Of one customer everything is written: it takes --out, and no other choice")
        export_person(spelling, out, tenant_id=tenant_id, reason=reason, data=data)
        return
    if limit is not None and limit < 1:
        raise WrongUsage("--limit is a whole number from 1")
    with open_house(data) as house:
        deed = seeing(house, reason, unmasked=unmasked)
        chosen = choose(house, tenant_id, merchant_id)
        total = _count(house, chosen)
        count = total if limit is None else min(total, limit)
        with new_file(out) as stream:
            done(house, partial(_exported, house, chosen, count, unmasked=unmasked))
            written = _write(house, chosen, stream, face or "own", count, deed)
    if out is not None:
        print(f"Wrote {written} customers to {out}.", file=sys.stderr)


def _write(house: "House", chosen: Chosen, stream: BinaryIO, face: Face, count: int, deed: Deed) -> int:
    clear = deed.audited
    written = 0
    while written < count:
        page = read_page(house, chosen, written, min(PAGE_SIZE, count - written), deed=deed)
        for customer in page.customers:
            shown = view(customer, chosen.merchant_id(customer.merchant_no), face, clear)
            stream.write(msgspec.json.encode(shown) + b"\n")
        written += len(page.customers)
        if not page.customers:
            break
    stream.flush()
    return written


@contextmanager
def new_file(out: Path | None) -> Iterator[BinaryIO]:
    """Open where the export goes; a file that is there already is not written over."""
    if out is None:
        yield sys.stdout.buffer
        return
    try:
        descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    except FileExistsError:
        raise WrongUsage("The file of --out is there already; it is never written over") from None
    except OSError as error:
        raise WrongUsage(f"The file of --out cannot be made: {error.strerror}") from None
    with os.fdopen(descriptor, "wb") as stream:
        yield stream


def _count(house: "House", chosen: Chosen) -> int:
    principal = chosen.operator(Permission.READ_CUSTOMERS)
    counted = partial(use_cases.list_page, principal, ListPage(limit=1, counted=True), use_cases.Disclosure())
    return house.performer.read_now(principal, counted).total


def _exported(house: "House", chosen: Chosen, count: int, *, unmasked: bool) -> Generator[Any, Any, None]:
    """Have the trail tell of the export: of whose customers, how many, and whether in clear.

    The leaf is made here and not by a use case, because no customer is read or changed by it and it must be
    committed before the first page is read: it tells of the deed that begins, also of one that is cut short.
    """
    instant = house.dice.now()
    leaf = Leaf(
        at=instant_text(instant),
        tenant_id=chosen.tenant_id,
        actor=chosen.operator().key_id,
        action=Action.CUSTOMERS_EXPORTED,
        subject=chosen.merchant.merchant_id if chosen.merchant else chosen.tenant_id,
        outcome=f"{count} customers, {'unmasked' if unmasked else 'masked'}",
    )
    yield Write(chosen.tenant_id, leaves=(LeafRow(chosen.tenant_id, instant, msgspec.json.encode(leaf)),))
