"""Which tenant and merchant a command is about, when the command line says it or there is only one."""

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from customary.cli.refusals import Advised, WrongUsage
from customary.cli.started import data_option, program
from customary.domain.access import Merchant, Permission, Principal
from customary.domain.errors import NotFound

if TYPE_CHECKING:
    from customary.bootstrap.house import House


class Chosen(msgspec.Struct, frozen=True):
    """A tenant, and one merchant of it where only that one's customers are meant."""

    tenant_id: str
    merchant: Merchant | None
    merchants: tuple[Merchant, ...]

    def operator(self, *permissions: Permission, merchant: Merchant | None = None) -> Principal:
        """Return the operator as a principal of what was chosen, or of that merchant of it."""
        from customary.bootstrap.operator import operator

        narrowed = merchant or self.merchant
        merchant_no = None if narrowed is None else narrowed.merchant_no
        return operator(self.tenant_id, *permissions, merchant_no=merchant_no)

    def merchant_id(self, merchant_no: int) -> str:
        """Return the public id of a merchant, or nothing while the tenant has none of that number."""
        return next((m.merchant_id for m in self.merchants if m.merchant_no == merchant_no), "")


def choose(house: "House", tenant_id: str | None, merchant_id: str | None = None) -> Chosen:
    """Return the tenant that is named, or the only one; NotFound or WrongUsage otherwise."""
    from customary.app import credentials

    tenants = [tenant.tenant_id for tenant in house.engine.read_now(credentials.list_tenants)]
    if tenant_id is not None:
        tenants = [one for one in tenants if one == tenant_id.lower()]
        if not tenants:
            raise NotFound("There is no such tenant", kind="tenant")
    option = data_option(house.settings)
    if not tenants:
        raise Advised(NotFound("There is no tenant yet"), f"make one: {program()} tenant create NAME{option}")
    if len(tenants) > 1:
        several = WrongUsage("There are several tenants; name one with --tenant")
        raise Advised(several, f"`{program()} tenant list{option}` shows them.")
    merchants = tuple(house.engine.read_now(partial(credentials.list_merchants, tenants[0])))
    merchant = next((one for one in merchants if one.merchant_id == merchant_id), None)
    if merchant_id is not None and merchant is None:
        raise NotFound("There is no such merchant in this tenant", kind="merchant")
    return Chosen(tenants[0], merchant, merchants)


def known_tenant(house: "House", tenant_id: str | None) -> str | None:
    """Return the id of the tenant that is named, or None where none is; NotFound if there is none of it."""
    return None if tenant_id is None else choose(house, tenant_id).tenant_id


def choose_each(house: "House", tenant_id: str | None) -> list[Chosen]:
    """Return the tenant that is named, or every tenant."""
    from customary.app import credentials

    if tenant_id is not None:
        return [choose(house, tenant_id)]
    tenants = house.engine.read_now(credentials.list_tenants)
    return [choose(house, tenant.tenant_id) for tenant in tenants]
