"""The commands that list and show customers: masked, unless the trail is told."""

from typing import Annotated, Any

from cyclopts import App, Parameter

from customary.cli.chosen import choose
from customary.cli.exporting import export_customers
from customary.cli.faces import Face, view
from customary.cli.frame import (
    AsJson,
    Data,
    date_text,
    harmless,
    open_house,
    print_facts,
    print_json,
    print_table,
)
from customary.cli.importing import import_customers
from customary.cli.pages import PAGE_SIZE, MerchantOption, Unmasked, read_page
from customary.cli.past import AtOption, customer_history, restore_customer, shown_at
from customary.cli.reasons import ReasonOption, seeing
from customary.cli.refusals import WrongUsage
from customary.cli.registry import TenantOption
from customary.cli.sought import AnyTenantOption, Spelling, find_one
from customary.domain.customer import Customer

customers = App(
    name="customers", help="List and show customers, as they are or were; restore, import and export them."
)
customers.command(customer_history, name="history", sort_key=3)
customers.command(restore_customer, name="restore", sort_key=4)
customers.command(import_customers, name="import", sort_key=5)
customers.command(export_customers, name="export", sort_key=6)

FaceOption = Annotated[
    Face | None,
    Parameter(name="--face", help="Print as JSON in our own form, or in this vendor's."),
]


@customers.command(name="list", sort_key=1)
def list_customers(
    *,
    tenant_id: TenantOption = None,
    merchant_id: MerchantOption = None,
    limit: Annotated[int, Parameter(help="How many, newest first.")] = 50,
    face: FaceOption = None,
    unmasked: Unmasked = False,
    reason: ReasonOption = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """List customers, the newest first.

    Example: customary customers list --limit 10
    Example: customary customers list --face trustly --json
    """
    if not 1 <= limit <= _LIMIT_MAX:
        raise WrongUsage(f"--limit is a whole number from 1 to {_LIMIT_MAX}; for more there is `export`")
    with open_house(data) as house:
        deed = seeing(house, reason, unmasked=unmasked)
        chosen = choose(house, tenant_id, merchant_id)
        found: list[Customer] = []
        while len(found) < limit:
            size = min(PAGE_SIZE, limit - len(found))
            page = read_page(house, chosen, len(found), size, deed=deed, newest_first=True)
            found += page.customers
            if len(page.customers) < size:
                break
    if as_json or face is not None:
        print_json(
            [view(one, chosen.merchant_id(one.merchant_no), face or "own", deed.audited) for one in found]
        )
        return
    print_table(
        ("id", "number", "name", "e-mail", "country", "external id", "updated"),
        [_row(one) for one in found],
        empty="There is no customer yet.",
    )


@customers.command(name="show", sort_key=2)
def show_customer(
    spelling: Spelling,
    /,
    *,
    at: AtOption = None,
    tenant_id: AnyTenantOption = None,
    face: FaceOption = None,
    unmasked: Unmasked = False,
    reason: ReasonOption = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Show one customer, as it is or as it was at an instant.

    Example: customary customers show 3kTp9j2mN5xR
    Example: customary customers show 765342523452345 --face trustist --json
    Example: customary customers show 3kTp9j2mN5xR --at 2026-03-01T12:00:00Z
    """
    with open_house(data) as house:
        deed = seeing(house, reason, unmasked=unmasked)
        if at is None:
            chosen, customer = find_one(house, tenant_id, spelling, deed)
        else:
            chosen, customer = shown_at(house, tenant_id, spelling, at, deed)
    merchant_id = chosen.merchant_id(customer.merchant_no)
    shown = view(customer, merchant_id, face or "own", deed.audited)
    if as_json or face is not None:
        print_json(shown)
    else:
        print_facts(dict(_flattened(shown)))


_LIMIT_MAX = 100_000


def _row(customer: Customer) -> tuple[str, ...]:
    particulars = customer.particulars
    return (
        customer.customer_id,
        customer.customer_number,
        particulars.shown_full_name or "",
        particulars.email or "",
        (particulars.address.country if particulars.address else None) or "",
        particulars.external_id or "",
        date_text(customer.updated_at),
    )


def _flattened(members: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Return names and texts of all values, those of objects inside under dotted names."""
    facts: list[tuple[str, str]] = []
    for name, value in members.items():
        if isinstance(value, dict):
            facts += _flattened(value, f"{prefix}{harmless(name)}.")
        else:
            facts.append((prefix + harmless(name), value if isinstance(value, str) else _json_text(value)))
    return facts


def _json_text(value: object) -> str:
    import msgspec

    return msgspec.json.encode(value).decode()
