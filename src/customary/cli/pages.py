"""Pages of customers for the operator, and the options of the commands that show them."""

from functools import partial
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from customary.app import customers as use_cases
from customary.app.customers import ALL, Disclosure
from customary.app.requests import Deed, ListPage, Page
from customary.cli.chosen import Chosen
from customary.cli.reasons import seer

if TYPE_CHECKING:
    from customary.bootstrap.house import House

PAGE_SIZE = 200
MerchantOption = Annotated[
    str | None, Parameter(name="--merchant", help="Only customers of the merchant of that id.")
]
Unmasked = Annotated[
    bool,
    Parameter(
        name="--unmasked",
        show_default=False,
        help="Show tax ids and the like in clear; the trail tells of it.",
    ),
]


def disclosure_for(deed: Deed) -> Disclosure:
    """Return what is opened: nothing guarded, or all of it with a leaf for each customer that has any."""
    return Disclosure(clear=ALL, audited=deed.audited) if deed.audited else Disclosure()


def read_page(
    house: "House", chosen: Chosen, offset: int, limit: int, *, deed: Deed, newest_first: bool = False
) -> Page:
    """Return a page of customers; to see guarded fields is a deed, so it is written before it is shown."""
    principal = seer(house, chosen, deed)
    disclosure = disclosure_for(deed)
    asked = ListPage(newest_first=newest_first, offset=offset, limit=limit, clear=disclosure.clear)
    listed = partial(use_cases.list_page, principal, asked, disclosure)
    if deed.audited:
        return house.performer.perform_now(principal, [listed], deed)[0]
    return house.performer.read_now(principal, listed)
