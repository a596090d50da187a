"""Finds the one customer that a command is about, in whichever spelling and tenant it is named."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, TypeVar

from cyclopts import Parameter

from customary.app import customers as use_cases
from customary.app.certificates import find_gone
from customary.app.erasing import gone
from customary.app.requests import Deed, UseCase
from customary.cli.certificates import named, pointing_to_certificate
from customary.cli.chosen import Chosen, choose_each
from customary.cli.pages import disclosure_for
from customary.cli.reasons import seer
from customary.cli.refusals import WrongUsage
from customary.domain.access import Permission, Principal
from customary.domain.customer import Customer, CustomerID
from customary.domain.errors import NotFound
from customary.domain.ids import customer_id_of, is_customer_number

if TYPE_CHECKING:
    from customary.bootstrap.house import House

T = TypeVar("T")

Spelling = Annotated[
    str, Parameter(name="ID", help="The 12-character id, the customer number, the GUID or the ShortGuid.")
]
AnyTenantOption = Annotated[
    str | None, Parameter(name="--tenant", help="Id of the tenant; all are searched if not given.")
]


def find_one(
    house: "House", tenant_id: str | None, spelling: str, deed: Deed | None = None
) -> tuple[Chosen, Customer]:
    """Return the only customer that is spelled so, and the tenant; NotFound or WrongUsage otherwise."""
    found = [
        (chosen, customer)
        for chosen in choose_each(house, tenant_id)
        if (customer := _find(house, chosen, spelling, deed or Deed())) is not None
    ]
    if not found:
        _say_if_erased(house, tenant_id, spelling)
        raise NotFound("There is no such customer")
    if len(found) > 1:  # a number is drawn for its tenant alone
        raise WrongUsage("Several tenants have a customer of that number; name one with --tenant")
    return found[0]


def _say_if_erased(house: "House", tenant_id: str | None, spelling: str) -> None:
    """Raise Gone, in words and with where the certificate is, if there was a customer of that spelling."""
    chosen, customer_id = named(house, tenant_id, spelling)
    stone = house.engine.read_now(partial(find_gone, chosen.operator(Permission.READ_CUSTOMERS), customer_id))
    if stone is not None:
        with pointing_to_certificate(house):
            raise gone(stone)


def seen(house: "House", principal: Principal, use_case: Callable[[], UseCase[T]], deed: Deed) -> T:
    """Return what a use case that shows customers shows; in clear it is a deed, and is written."""
    if deed.audited:
        return house.performer.perform_now(principal, [use_case], deed)[0]
    return house.performer.read_now(principal, use_case)


def _find(house: "House", chosen: Chosen, spelling: str, deed: Deed) -> Customer | None:
    """Return the customer of that number or id, or None: twelve digits may be either."""
    principal = seer(house, chosen, deed)
    disclosure = disclosure_for(deed)
    asked: list[Callable[[], UseCase[Customer]]] = []
    if is_customer_number(spelling):
        asked.append(partial(use_cases.fetch_numbered, principal, spelling, disclosure))
    customer_id: CustomerID | None = customer_id_of(spelling)
    if customer_id is not None:
        asked.append(partial(use_cases.fetch, principal, customer_id, disclosure))
    for use_case in asked:
        try:
            return seen(house, principal, use_case, deed)
        except NotFound:
            continue
    return None
