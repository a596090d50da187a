"""The commands that plan and carry out erasures, keep customers from them, and verify what was signed.

They must never know how anything is destroyed, or by which rules it is kept.
"""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from customary.cli.certificates import (
    issued_view,
    named,
    pointing_to_certificate,
    print_certificate,
    print_plan,
    read_certificate,
)
from customary.cli.chosen import choose
from customary.cli.frame import AsJson, Data, done, open_house, print_facts, print_json, print_table
from customary.cli.reasons import ReasonOption, changing
from customary.cli.refusals import DONE, REFUSED, WrongUsage
from customary.cli.registry import TenantOption as OneTenant
from customary.domain.access import Permission
from customary.domain.ids import is_digits

if TYPE_CHECKING:
    from customary.app.certificates import Issued

erasure = App(name="erasure", help="Plan, carry out and prove erasures; put and lift legal holds.")

PAGE_SIZE = 500
_NUMBER_DIGITS = 10
"""Customer numbers have that many digits or more, and erasures fewer."""

TenantOption = Annotated[
    str | None, Parameter(name="--tenant", help="Id of the tenant; all are searched if not given.")
]

Spelling = Annotated[
    str, Parameter(name="ID", help="The 12-character id, the customer number, the GUID or the ShortGuid.")
]
Reason = Annotated[str, Parameter(name="--reason", help="Why; it is sealed with the customer.")]
PublicKey = Annotated[
    str | None,
    Parameter(
        name="--public-key",
        help="The trail's public key in hex (`customary audit public-key`); that of the data folder if not"
        " given.",
    ),
]


@erasure.command(name="plan", sort_key=1)
def plan(
    spelling: Spelling,
    /,
    *,
    tenant_id: TenantOption = None,
    data: Data = None,
    as_json: AsJson = False,
) -> int:
    """Say what an erasure would destroy, what would be kept until when and why, and what forbids it.

    Nothing is changed. Exits 1 if a legal hold forbids the erasure.

    Example: customary erasure plan 3kTp9j2mN5xR
    """
    with open_house(data) as house:
        chosen, customer_id = named(house, tenant_id, spelling)
        with pointing_to_certificate(house):
            planned = house.eraser.plan_now(chosen.operator(Permission.ERASE_CUSTOMERS), customer_id)
    if as_json:
        print_json(planned)
    else:
        print_plan(planned)
    return REFUSED if planned.blocked else DONE


@erasure.command(name="execute", sort_key=2)
def execute(
    spelling: Spelling,
    /,
    *,
    tenant_id: TenantOption = None,
    out: Annotated[
        Path | None, Parameter(name="--out", help="File for the certificate; nothing may be there yet.")
    ] = None,
    reason: ReasonOption = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Erase a customer for good, and print the certificate. There is no way back.

    That there was a reason stays in the trail; its words are sealed with the
    customer, and go with the customer.

    Example: customary erasure execute 3kTp9j2mN5xR --out proof.json
    """
    deed = changing(reason)
    if out is not None and out.exists():
        raise WrongUsage("There is a file already where the certificate shall go")
    with open_house(data) as house:
        chosen, customer_id = named(house, tenant_id, spelling)
        principal = chosen.operator(Permission.ERASE_CUSTOMERS)
        with pointing_to_certificate(house):
            certificate = house.eraser.erase_now(principal, customer_id, deed)
    if out is not None:
        out.write_bytes(certificate.encoded() + b"\n")
    if as_json:
        print_json(certificate)
    else:
        print_certificate(certificate)


@erasure.command(name="list", sort_key=3)
def list_erasures(*, tenant_id: OneTenant = None, data: Data = None, as_json: AsJson = False) -> None:
    """List the erasures of a tenant, the oldest first.

    Example: customary erasure list --json
    """
    from customary.app.certificates import list_certificates

    found: list[Issued] = []
    with open_house(data) as house:
        chosen = choose(house, tenant_id)
        principal = chosen.operator(Permission.ERASE_CUSTOMERS)
        while True:
            after = found[-1].certificate.number if found else 0
            page = house.engine.read_now(partial(list_certificates, principal, after, PAGE_SIZE))
            found += page
            if len(page) < PAGE_SIZE:
                break
    if as_json:
        print_json([issued_view(one) for one in found])
        return
    print_table(
        ("number", "erased", "customer", "actor", "kept", "scrubbed"),
        [
            (
                str(one.certificate.number),
                one.certificate.erased_at,
                one.certificate.customer_id,
                one.certificate.actor,
                ", ".join(part.part for part in one.certificate.kept if part.count),
                "yes" if one.scrubbed else "not yet",
            )
            for one in found
        ],
        empty="Nobody was erased yet.",
    )


@erasure.command(name="show", sort_key=4)
def show(
    spelling: Annotated[
        str, Parameter(name="NUMBER", help="The erasure's number, or an id of the customer.")
    ],
    /,
    *,
    tenant_id: TenantOption = None,
    kept: Annotated[
        bool,
        Parameter(
            name="--kept", show_default=False, help="Show in clear what is kept; the trail tells of it."
        ),
    ] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Show the certificate of an erasure as it was signed, or with --kept what is still kept.

    The certificate is printed so that it can be saved and verified.

    Example: customary erasure show 3 > proof.json
    Example: customary erasure show 3kTp9j2mN5xR --kept
    """
    from customary.app.certificates import fetch_certificate, reveal_kept

    with open_house(data) as house:
        if kept and house.settings.reason_required:
            raise WrongUsage(
                "No key is left under which to seal a reason for an erased customer, and reason_required"
                " lets nothing be shown without one; CUSTOMARY_REASON_REQUIRED=false before the command does"
            )
        number, customer_id = 0, ""
        if is_digits(spelling) and len(spelling) < _NUMBER_DIGITS:
            number, chosen = int(spelling), choose(house, tenant_id)
        else:
            chosen, customer_id = named(house, tenant_id, spelling)
        principal = chosen.operator(Permission.ERASE_CUSTOMERS, Permission.READ_CUSTOMERS_UNMASKED)
        issued = house.engine.read_now(partial(fetch_certificate, principal, customer_id, number=number))
        if kept:
            customer_id = issued.certificate.customer_id
            job = partial(reveal_kept, principal, house.unsealed, house.dice, customer_id)
            print_json(done(house, job))
            return
    print_json(issued_view(issued) if as_json else issued.certificate)


@erasure.command(name="verify", sort_key=5)
def verify(
    file: Annotated[Path, Parameter(name="FILE", help="A certificate, as it was handed out; - for stdin.")],
    /,
    *,
    public_key: PublicKey = None,
    data: Data = None,
    as_json: AsJson = False,
) -> int:
    """Verify a certificate of an erasure; exits 1 if it was not signed so with the trail's key.

    With --public-key nothing else is needed: neither data folder, server nor network.

    Example: customary erasure verify proof.json
    Example: customary erasure verify proof.json --public-key 6a1d3b3c
    """
    from customary.vault.signatures import is_signed_with

    certificate = read_certificate(file)
    key = _of_hex(public_key) if public_key is not None else _key_of_folder(data)
    if len(key) != _KEY_BYTES:
        raise WrongUsage(f"A public key is {2 * _KEY_BYTES} hexadecimal digits")
    valid = certificate is not None and is_signed_with(
        key, certificate.signed_bytes(), _of_hex(certificate.signature)
    )
    if as_json:
        print_json({"valid": valid, "certificate": certificate if valid else None})
    elif not valid or certificate is None:
        print("This is no certificate that was signed with that key, or it was changed since.")
    else:
        print(f"Valid: erasure {certificate.number} of tenant {certificate.tenant_id}")
        print_certificate(certificate)
    return DONE if valid else REFUSED


@erasure.command(name="replay", sort_key=6)
def replay(*, data: Data = None, as_json: AsJson = False) -> None:
    """Erase again whom a restored database has brought back; the erasure ledger says who.

    The server does not start before. `customary restore` does this by itself; it is
    for databases that were copied into the folder by hand.

    Example: customary erasure replay
    """
    with open_house(data, replaying=True) as house:
        count = house.eraser.replay_now()
        known = len(house.ledger.promises())
    if as_json:
        print_json({"known": known, "erasedAgain": count})
        return
    print_facts({"erasures in the ledger": str(known), "carried out again": str(count)})


@erasure.command(name="hold", sort_key=7)
def hold(
    spelling: Spelling,
    /,
    *,
    reason: Reason,
    tenant_id: TenantOption = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Put a legal hold on a customer: it cannot be erased until the hold is lifted.

    Example: customary erasure hold 3kTp9j2mN5xR --reason "Court order 17/2026"
    """
    from customary.app import retention

    with open_house(data) as house:
        chosen, customer_id = named(house, tenant_id, spelling)
        principal = chosen.operator(Permission.MANAGE_HOLDS)
        holding = partial(
            retention.hold, principal, house.unsealed, house.dice, house.ledger, customer_id, reason
        )
        with pointing_to_certificate(house):
            held = done(house, holding)
    if as_json:
        print_json({"customerId": customer_id, "at": held.at, "actor": held.actor})
    else:
        print_facts({"customer": customer_id, "held since": str(held.at), "by": held.actor})


@erasure.command(name="release", sort_key=8)
def release(
    spelling: Spelling,
    /,
    *,
    reason: Reason = "",
    tenant_id: TenantOption = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Lift the legal hold on a customer.

    Example: customary erasure release 3kTp9j2mN5xR
    """
    from customary.app import retention

    with open_house(data) as house:
        chosen, customer_id = named(house, tenant_id, spelling)
        principal = chosen.operator(Permission.MANAGE_HOLDS)
        releasing = partial(retention.release, principal, house.unsealed, house.dice, customer_id, reason)
        with pointing_to_certificate(house):
            done(house, releasing)
    if as_json:
        print_json({"customerId": customer_id})
    else:
        print("The hold is lifted.")


# ── Keys ────────────────────────────────────────────────────────────────────────────────────────────────

_KEY_BYTES = 32


def _of_hex(text: str) -> bytes:
    """Return the bytes that hexadecimal digits spell, or none."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def _key_of_folder(data: Path | None) -> bytes:
    with open_house(data) as house:
        return house.unsealed.trail_public_key
