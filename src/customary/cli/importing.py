"""The command that reads customers from a file, a line each, in our own form or either vendor's.

Lines are read one by one and stored in batches of one commit each, so that memory stays small. Running the
same file again changes nothing: a line is recognised by its ids, or by being what a customer of that e-mail
address already is. Refusals name line, field and rule, never a value.
"""

import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Literal

import msgspec
from cyclopts import Parameter

from customary.app import customers
from customary.app.customers import Disclosure
from customary.app.ports import ReadTombstone
from customary.app.requests import Deed, UseCase
from customary.cli.chosen import Chosen, choose
from customary.cli.faces import Face
from customary.cli.frame import AsJson, Data, open_house, print_json
from customary.cli.lines import ERASED, Refused, Sitting, Stated, Told, imported, stated
from customary.cli.reasons import ReasonOption, changing
from customary.cli.refusals import DONE, REFUSED, WrongUsage
from customary.cli.registry import TenantOption
from customary.domain.access import Permission, Principal
from customary.domain.errors import Conflict, NotFound
from customary.trustly import wire as trustly

if TYPE_CHECKING:
    from customary.bootstrap.house import House

BATCH = 200
LINE_BYTES_MAX = 65_536
REFUSALS_KEPT = 1_000


class Report(msgspec.Struct, rename="camel"):
    """What became of the lines; of the refusals the first thousand are kept."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: int = 0
    refusals: list[Refused] = []

    def note(self, told: Told | Refused) -> None:
        """Count one line."""
        if isinstance(told, Refused):
            self.refused += 1
            if len(self.refusals) < REFUSALS_KEPT:
                self.refusals.append(told)
        else:
            setattr(self, told.outcome, getattr(self, told.outcome) + 1)


def import_customers(
    file: Annotated[
        Path,
        Parameter(name="FILE", allow_leading_hyphen=True, help="NDJSON file, an object a line; - for stdin."),
    ],
    /,
    *,
    tenant_id: TenantOption = None,
    merchant_id: Annotated[
        str | None,
        Parameter(
            name="--merchant",
            help="Id of the merchant that gets them; if not given, the one a line names, or the first one.",
        ),
    ] = None,
    form: Annotated[
        Face | Literal["auto"],
        Parameter(name="--format", help="The form that the lines have; auto judges each by its members."),
    ] = "auto",
    reason: ReasonOption = None,
    data: Data = None,
    as_json: AsJson = False,
) -> int:
    """Create and change customers from a file; the same file may be imported again.

    A line is a customer in our own form, as `customers export` writes it, or in a
    vendor's. What it leaves out keeps its value, null clears it. A customer is
    recognised by its id or externalId. A line without any that is known is matched
    with a customer of its e-mail address that says the same already; else it is a
    new one, and gets ids of its own. A mask is no value: it changes nothing, and is
    refused where there is nothing behind it, and so is a line with the id of a
    customer who was erased here. Exits 1 if any line was refused.

    Example: customary customers import customers.ndjson
    Example: customary customers import more.ndjson --format trustly
    """
    deed = changing(reason)
    with open_house(data) as house, _opened(file) as stream:
        chosen = choose(house, tenant_id, merchant_id)
        report = Report()
        # An export masks all of these, whatever the room shows: no mask may be taken for a new value.
        masking = trustly.Masking(frozenset(trustly.GUARDED_MEMBERS))
        sitting = Sitting(masking, house.dice.now(), house.settings.date_of_birth_guarded)
        with _progress(stream) as advance:
            for batch in _batches(stream, advance):
                for told in sorted(_stored(house, chosen, batch, form, sitting, deed), key=_line_of):
                    report.note(told)
                    if isinstance(told, Refused) and not as_json:
                        print(told, file=sys.stderr)
    if as_json:
        print_json(report)
    else:
        print(
            f"{report.created} created, {report.updated} updated, {report.unchanged} unchanged,"
            f" {report.refused} refused"
        )
    return REFUSED if report.refused else DONE


def _line_of(told: Told | Refused) -> int:
    return told.line


# ── Reading ─────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    if str(file) == "-":
        yield sys.stdin.buffer
        return
    try:
        stream = file.open("rb")
    except OSError as error:
        raise WrongUsage(f"The file cannot be read: {error.strerror}") from None
    with stream:
        yield stream


def _batches(stream: BinaryIO, advance: Callable[[int], None]) -> Iterator[list[tuple[int, bytes]]]:
    """Yield numbered lines in batches, without blank ones; of one that is too long the start is kept."""
    batch: list[tuple[int, bytes]] = []
    number = 0
    while line := stream.readline(LINE_BYTES_MAX + 2):
        number += 1
        read = len(line)
        rest = line
        while not rest.endswith(b"\n") and (rest := stream.readline(LINE_BYTES_MAX)):
            read += len(rest)
        advance(read)
        if line.strip():
            batch.append((number, line.rstrip(b"\r\n")))
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


@contextmanager
def _progress(stream: BinaryIO) -> Iterator[Callable[[int], None]]:
    """Show a bar on a terminal while a file of known length is read."""
    if not sys.stderr.isatty() or stream is sys.stdin.buffer:
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("importing"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        size = stream.seek(0, 2)
        stream.seek(0)
        task = progress.add_task("importing", total=size)
        yield partial(progress.advance, task)


# ── Storing ─────────────────────────────────────────────────────────────────────────────────────────────


def _stored(
    house: "House",
    chosen: Chosen,
    batch: list[tuple[int, bytes]],
    form: Face | Literal["auto"],
    sitting: Sitting,
    deed: Deed,
) -> Iterator[Told | Refused]:
    """Store a batch, the lines of one merchant in one commit; if one breaks it as a whole, line by line."""
    lines: list[Stated] = []
    for number, content in batch:
        line = stated(number, content, form)
        if isinstance(line, Refused):
            yield line
        else:
            lines.append(line)
    for merchant_id, group in groupby(lines, lambda line: line.merchant_id):
        principal = _principal(chosen, merchant_id)
        use_cases: list[partial[UseCase[Told | Refused]]] = []
        for line in group:
            if _was_erased(house, principal, line):
                yield Refused(line.line, (ERASED,))
                continue
            known_number = _known_number(house, principal, line)
            use_cases.append(partial(imported, principal, line, sitting, known_number=known_number))
        try:
            yield from house.performer.perform_now(principal, [*use_cases], deed)
        except Conflict:  # an external id that was taken meanwhile: all of the commit was undone
            yield from _one_by_one(house, principal, use_cases, deed)


def _one_by_one(
    house: "House", principal: Principal, use_cases: "list[partial[UseCase[Told | Refused]]]", deed: Deed
) -> Iterator[Told | Refused]:
    for use_case in use_cases:
        try:
            yield from house.performer.perform_now(principal, [use_case], deed)
        except Conflict as conflict:
            yield Refused.by(use_case.args[1].line, conflict)


def _principal(chosen: Chosen, merchant_id: str | None) -> Principal:
    """Return the operator for a line: of the merchant that was chosen, or that the line names, or of all."""
    named = next((one for one in chosen.merchants if one.merchant_id == merchant_id), None)
    return chosen.operator(
        Permission.CREATE_CUSTOMER,
        Permission.UPDATE_CUSTOMER,
        Permission.READ_CUSTOMERS,
        merchant=chosen.merchant or named,
    )


def _was_erased(house: "House", principal: Principal, line: Stated) -> bool:
    """Return whether the line is about somebody erased here: what was exported before brings nobody back."""
    tenant_id = principal.tenant_id
    return any(house.engine.read_now(partial(_has_stone, tenant_id, one)) for one in line.ids(tenant_id))


def _has_stone(tenant_id: str, customer_id: str) -> Generator[Any, Any, bool]:
    return (yield ReadTombstone(tenant_id, customer_id)) is not None


def _known_number(house: "House", principal: Principal, line: Stated) -> str | None:
    """Return the number of the customer of the id that the line states: only a use case's end can tell."""
    if line.customer_id is None:
        return None
    fetched = partial(customers.fetch, principal, line.customer_id, Disclosure())
    try:
        return house.performer.read_now(principal, fetched).customer_number
    except NotFound:
        return None
