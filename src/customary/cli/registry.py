"""The commands that make and list tenants and merchants."""

import sys
from functools import partial
from typing import Annotated, Any

from cyclopts import App, Parameter

from customary.cli.chosen import known_tenant
from customary.cli.frame import (
    AsJson,
    Data,
    date_text,
    done,
    instant_text,
    open_house,
    print_facts,
    print_json,
    print_table,
)
from customary.cli.started import data_option, program
from customary.domain.access import Merchant, Tenant

tenant = App(name="tenant", help="Make and list tenants: whose customers are kept apart.")
merchant = App(name="merchant", help="Make and list merchants: the businesses of a tenant.")

TenantOption = Annotated[
    str | None, Parameter(name="--tenant", help="Id of the tenant; may be left out where there is only one.")
]
OnlyTenantOption = Annotated[
    str | None, Parameter(name="--tenant", help="Only those of the tenant of that id; all if not given.")
]


@tenant.command(name="create")
def create_tenant(
    name: Annotated[str, Parameter(help="Name of the tenant, for people.")],
    /,
    *,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Make a tenant, and the data folder with its root key if there is none.

    Example: customary tenant create "Acme Group"
    """
    from customary.app import credentials

    with open_house(data, may_make=True) as house:
        if house.opened.root_key_made:
            print(f"Made the data folder {house.settings.data} with a new root key.", file=sys.stderr)
        made = done(house, partial(credentials.create_tenant, house.unsealed, house.dice, name))
        option = data_option(house.settings)
    if as_json:
        print_json(_tenant_view(made))
        return
    print_facts({"tenant id": made.tenant_id, "name": made.name})
    print(
        f"Next: make a merchant in it:\n"
        f'  {program()} merchant create "Acme Shop" --tenant {made.tenant_id}{option}',
        file=sys.stderr,
    )


@tenant.command(name="list")
def list_tenants(*, data: Data = None, as_json: AsJson = False) -> None:
    """List the tenants.

    Example: customary tenant list --json
    """
    from customary.app import credentials

    with open_house(data) as house:
        tenants = house.engine.read_now(credentials.list_tenants)
    if as_json:
        print_json([_tenant_view(one) for one in tenants])
        return
    print_table(
        ("tenant id", "created", "name"),
        [(one.tenant_id, date_text(one.created_at), one.name) for one in tenants],
        empty=f'There is no tenant yet. Make one: {program()} tenant create "Acme Group"',
    )


@merchant.command(name="create")
def create_merchant(
    name: Annotated[str, Parameter(help="Name of the merchant, for people.")],
    /,
    *,
    tenant_id: Annotated[str, Parameter(name="--tenant", help="Id of the tenant it belongs to.")],
    merchant_id: Annotated[
        str | None, Parameter(help="Its public id, 1 to 15 digits; one is drawn if not given.")
    ] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Make a merchant in a tenant.

    Example: customary merchant create "Acme Shop" --tenant TENANT-ID
    Example: customary merchant create Shop --tenant TENANT-ID --merchant-id 1234
    """
    from customary.app import credentials

    with open_house(data) as house:
        made = done(
            house,
            partial(
                credentials.create_merchant,
                house.dice,
                tenant_id.lower(),
                name,
                merchant_id=merchant_id,
            ),
        )
        option = data_option(house.settings)
    if as_json:
        print_json(_merchant_view(made))
        return
    print_facts({"merchant id": made.merchant_id, "name": made.name, "tenant id": made.tenant_id})
    print(
        f"Next: make a credential for its programs:\n  {program()} key create --tenant {made.tenant_id}"
        f" --merchant {made.merchant_id} --scheme basic{option}",
        file=sys.stderr,
    )


@merchant.command(name="list")
def list_merchants(*, tenant_id: OnlyTenantOption = None, data: Data = None, as_json: AsJson = False) -> None:
    """List the merchants of all tenants, or of one.

    Example: customary merchant list --tenant TENANT-ID
    """
    from customary.app import credentials

    with open_house(data) as house:
        listed = partial(credentials.list_merchants, known_tenant(house, tenant_id))
        merchants = house.engine.read_now(listed)
    if as_json:
        print_json([_merchant_view(one) for one in merchants])
        return
    print_table(
        ("merchant id", "tenant id", "created", "name"),
        [(m.merchant_id, m.tenant_id, date_text(m.created_at), m.name) for m in merchants],
        empty=f'There is no merchant. Make one: {program()} merchant create "Acme Shop" --tenant TENANT-ID',
    )


def _tenant_view(one: Tenant) -> dict[str, Any]:
    return {"tenantId": one.tenant_id, "name": one.name, "createdAt": instant_text(one.created_at)}


def _merchant_view(one: Merchant) -> dict[str, Any]:
    return {
        "merchantId": one.merchant_id,
        "name": one.name,
        "tenantId": one.tenant_id,
        "createdAt": instant_text(one.created_at),
    }
