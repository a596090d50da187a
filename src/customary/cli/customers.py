"""The commands that list and show customers: masked, unless the trail is told."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from customary.app import customers as use_cases
from customary.app.requests import Deed, UseCase
from customary.cli.chosen import Chosen, choose, choose_each
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
from customary.cli.pages import PAGE_SIZE, MerchantOption, Unmasked, disclosure_for, read_page
from customary.cli.reasons import ReasonOption, seeing
from customary.cli.refusals import WrongUsage
from customary.cli.registry import TenantOption
from customary.domain.access import Permission, Principal
from customary.domain.customer import Customer, CustomerID
from customary.domain.errors import NotFound
from customary.domain.ids import customer_id_of, is_customer_number

if TYPE_CHECKING:
    from customary.bootstrap.house import House

customers = App(name="customers", help="List, show, import and export customers.")
customers.command(import_customers, name="import", sort_key=3)
customers.command(export_customers, name="export", sort_key=4)

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
    spelling: Annotated[
        str, Parameter(name="ID", help="The 12-character id, the customer number, the GUID or the ShortGuid.")
    ],
    /,
    *,
    tenant_id: Annotated[
        str | None, Parameter(name="--tenant", help="Id of the tenant; all are searched if not given.")
    ] = None,
    face: FaceOption = None,
    unmasked: Unmasked = False,
    reason: ReasonOption = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Show one customer.

    Example: customary customers show 3kTp9j2mN5xR
    Example: customary customers show 765342523452345 --face trustist --json
    """
    with open_house(data) as house:
        deed = seeing(house, reason, unmasked=unmasked)
        found = [
            (chosen, customer)
            for chosen in choose_each(house, tenant_id)
            if (customer := _find(house, chosen, spelling, deed)) is not None
        ]
        if not found:
            raise NotFound("There is no such customer")
        if len(found) > 1:  # a number is drawn for its tenant alone
            raise WrongUsage("Several tenants have a customer of that number; name one with --tenant")
    chosen, customer = found[0]
    merchant_id = chosen.merchant_id(customer.merchant_no)
    shown = view(customer, merchant_id, face or "own", deed.audited)
    if as_json or face is not None:
        print_json(shown)
    else:
        print_facts(dict(_flattened(shown)))


_LIMIT_MAX = 100_000


def _find(house: "House", chosen: Chosen, spelling: str, deed: Deed) -> Customer | None:
    """Return the customer of that number or id, or None: twelve digits may be either."""
    principal = chosen.operator(Permission.READ_CUSTOMERS)
    disclosure = disclosure_for(unmasked=bool(deed.audited))
    asked: list[Callable[[], UseCase[Customer]]] = []
    if is_customer_number(spelling):
        asked.append(partial(use_cases.fetch_numbered, principal, spelling, disclosure))
    customer_id: CustomerID | None = customer_id_of(spelling)
    if customer_id is not None:
        asked.append(partial(use_cases.fetch, principal, customer_id, disclosure))
    for use_case in asked:
        try:
            return _performed(house, principal, use_case, deed)
        except NotFound:
            continue
    return None


def _performed(
    house: "House", principal: Principal, use_case: Callable[[], UseCase[Customer]], deed: Deed
) -> Customer:
    if deed.audited:
        return house.performer.perform_now(principal, [use_case], deed)[0]
    return house.performer.read_now(principal, use_case)


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
