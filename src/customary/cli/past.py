"""The commands about a customer's past: its versions, and one brought back."""

from functools import partial
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import Parameter

from customary.app import history
from customary.app.performing import instant_text
from customary.app.requests import Deed
from customary.cli.faces import view
from customary.cli.frame import AsJson, Data, open_house, print_json, print_table
from customary.cli.pages import disclosure_for
from customary.cli.reasons import ReasonOption, changing, seer
from customary.cli.refusals import WrongUsage
from customary.cli.sought import AnyTenantOption, Spelling, find_one, seen
from customary.domain.access import Permission
from customary.domain.customer import Customer
from customary.domain.errors import Invalid, NotFound
from customary.native.history import entry_view
from customary.native.instants import past_instant_of

if TYPE_CHECKING:
    from customary.bootstrap.house import House
    from customary.cli.chosen import Chosen

_LIMIT_MAX = 10_000
_VERSION_MAX = 10**15 - 1

AtOption = Annotated[
    str | None,
    Parameter(name="--at", help="As it was at that instant, such as 2026-03-01T12:00:00Z (RFC 3339)."),
]


def customer_history(
    spelling: Spelling,
    /,
    *,
    tenant_id: AnyTenantOption = None,
    limit: Annotated[int, Parameter(help="How many versions, newest first.")] = 50,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """List the versions of a customer, the newest first, with the fields that changed in each.

    Example: customary customers history 3kTp9j2mN5xR
    Example: customary customers history 765342523452345 --limit 5 --json
    """
    if not 1 <= limit <= _LIMIT_MAX:
        raise WrongUsage(f"--limit is a whole number from 1 to {_LIMIT_MAX}")
    with open_house(data) as house:
        chosen, customer = find_one(house, tenant_id, spelling)
        principal = chosen.operator(Permission.READ_CUSTOMERS)
        listed = partial(history.list_versions, principal, customer.customer_id, below=None, limit=limit)
        entries = house.performer.read_now(principal, listed).entries
    views = [entry_view(entry) for entry in entries]
    if as_json:
        print_json(views)
        return
    rows = [
        (
            str(one.version),
            one.updatedAt,
            "?" if one.changedFields is msgspec.UNSET else ", ".join(one.changedFields),
        )
        for one in views
    ]
    print_table(("version", "made", "changed"), rows, empty="There is no version.")


def restore_customer(
    spelling: Spelling,
    /,
    *,
    version: Annotated[int, Parameter(help="The version whose contents shall be current again.")],
    tenant_id: AnyTenantOption = None,
    reason: ReasonOption = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Make a new version of a customer with the contents of an earlier one; nothing is rewritten.

    Example: customary customers restore 3kTp9j2mN5xR --version 2
    """
    if not 1 <= version <= _VERSION_MAX:
        raise WrongUsage("--version is a whole number from 1")
    deed = changing(reason)
    with open_house(data) as house:
        chosen, before = find_one(house, tenant_id, spelling)
        principal = seer(house, chosen, deed, Permission.UPDATE_CUSTOMER)
        restoring = partial(history.restore, principal, before.customer_id, version)
        customer = house.performer.perform_now(principal, [restoring], deed)[0]
    if as_json:
        print_json(view(customer, chosen.merchant_id(customer.merchant_no), "own", frozenset()))
    elif customer.version == before.version:
        print(f"Version {before.version} is current, and says the same as version {version}: nothing to do.")
    else:
        print(f"Version {customer.version} has what version {version} said.")


def shown_at(
    house: "House", tenant_id: str | None, spelling: str, at: str, deed: Deed
) -> "tuple[Chosen, Customer]":
    """Return a customer as it was at an instant; WrongUsage for a text that is none, or still to come."""
    try:
        instant = past_instant_of("at", at, house.dice.now())
    except Invalid as error:
        rule = "an instant that is past" if error.violations[0].rule == "future" else "an instant (RFC 3339)"
        raise WrongUsage(f"--at is {rule}, such as 2026-03-01T12:00:00Z") from None
    chosen, current = find_one(house, tenant_id, spelling)
    principal = seer(house, chosen, deed)
    disclosure = disclosure_for(deed)
    fetched = partial(history.fetch_at, principal, current.customer_id, instant, disclosure)
    try:
        return chosen, seen(house, principal, fetched, deed)
    except NotFound:
        created = instant_text(current.created_at)
        raise NotFound(f"There was no such customer yet: it was created at {created}") from None
