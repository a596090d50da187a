"""How erased customers are named on the command line, and plans and certificates printed and read.

It must never know what an erasure does.
"""

import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from customary.app.ports import ReadErasable, ReadTombstone
from customary.cli.chosen import Chosen, choose_each
from customary.cli.frame import print_facts, print_table
from customary.cli.refusals import Advised, WrongUsage
from customary.cli.started import data_option, program
from customary.domain.customer import CustomerID, TenantID
from customary.domain.erasure import Certificate, Plan
from customary.domain.errors import Gone, NotFound
from customary.domain.ids import customer_id_of, customer_id_of_number, is_customer_number

if TYPE_CHECKING:
    from customary.app.certificates import Issued
    from customary.bootstrap.house import House

BYTES_MAX = 1_000_000


def named(house: "House", tenant_id: str | None, spelling: str) -> tuple[Chosen, CustomerID]:
    """Return the customer of that number or id, erased or not, and its tenant; NotFound if there is none."""
    found = [
        (chosen, customer_id)
        for chosen in choose_each(house, tenant_id)
        for customer_id in _ids(chosen.tenant_id, spelling)
        if house.engine.read_now(partial(_is_known, chosen.tenant_id, customer_id))
    ]
    if not found:
        raise NotFound("There is no such customer")
    if len({chosen.tenant_id for chosen, _ in found}) > 1:
        raise WrongUsage("Several tenants have a customer of that number; name one with --tenant")
    return found[0]


def _ids(tenant_id: str, spelling: str) -> Iterator[CustomerID]:
    """Yield the ids that a spelling may mean: twelve digits may be a number or an id."""
    if is_customer_number(spelling):
        yield customer_id_of_number(TenantID(tenant_id), spelling)
    customer_id = customer_id_of(spelling)
    if customer_id is not None:
        yield customer_id


def _is_known(tenant_id: str, customer_id: str) -> Generator[Any, Any, bool]:
    if (yield ReadTombstone(tenant_id, customer_id)) is not None:
        return True
    return (yield ReadErasable(tenant_id, customer_id)) is not None


@contextmanager
def pointing_to_certificate(house: "House") -> Iterator[None]:
    """Say of a customer who was erased before where the certificate is."""
    try:
        yield
    except Gone as gone:
        erased = Gone(f"This customer was erased on {gone.at}, by erasure {gone.number}")
        step = f"`{program()} erasure show {gone.number}{data_option(house.settings)}` shows the certificate."
        raise Advised(erased, step) from None


def read_certificate(file: Path) -> Certificate | None:
    """Return the certificate in a file, or None if it holds none; ``-`` is stdin.

    It may be alone, or as the native API and ``--json`` hand it out: the member of an object with what has
    become of it since, which nobody signed and nobody is told of.
    """
    if str(file) == "-":
        content = sys.stdin.buffer.read(BYTES_MAX + 1)
    else:
        try:
            with file.open("rb") as stream:
                content = stream.read(BYTES_MAX + 1)
        except OSError as error:
            raise WrongUsage(f"The file cannot be read: {error.strerror}") from None
    try:
        sent = msgspec.json.decode(content[: BYTES_MAX + 1])
        if isinstance(sent, dict) and isinstance(sent.get("certificate"), dict):
            sent = sent["certificate"]
        return msgspec.convert(sent, type=Certificate)
    except (msgspec.MsgspecError, ValueError):
        return None


def issued_view(issued: "Issued") -> dict[str, object]:
    """Return a certificate with what has become of it since."""
    return {"certificate": issued.certificate, "scrubbed": issued.scrubbed}


def print_plan(plan: Plan) -> None:
    """Print what would be destroyed, kept, and what forbids it."""
    for block in plan.blocked:
        print(f"A legal hold of {block.at} by {block.actor} forbids this erasure.")
    rows = [("destroyed", going.part, str(going.count), "", "") for going in plan.erased]
    rows += [
        ("kept", one.part, str(one.count), one.until, f"{one.rule_id}: {one.basis}") for one in plan.kept
    ]
    print_table(("what", "part", "count", "until", "rule"), rows, empty="")
    print("The audit trail keeps who did what and when, names of fields and no values.", file=sys.stderr)


def print_certificate(certificate: Certificate) -> None:
    """Print what a certificate says."""
    gone = [f"{going.count} {going.part}" for going in certificate.destroyed if going.count]
    kept = [f"{one.count} {one.part} until {one.until}" for one in certificate.kept if one.count]
    print_facts(
        {
            "erasure": str(certificate.number),
            "tenant": certificate.tenant_id,
            "customer": f"{certificate.customer_id} ({certificate.customer_number})",
            "erased": certificate.erased_at,
            "by": certificate.actor,
            "destroyed": ", ".join(gone),
            "kept": ", ".join(kept) or "nothing",
            "signature": certificate.signature,
        }
    )
