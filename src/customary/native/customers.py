"""The native operations on customers: get, list, create, change."""

from functools import partial

import msgspec

from customary.app import customers, history
from customary.app.requests import ListPage
from customary.domain.access import Permission
from customary.domain.customer import EMAIL_MAX, EXTERNAL_ID_MAX, ORG_ID_MAX, CustomerID
from customary.domain.errors import Invalid, Violation
from customary.domain.ids import is_customer_id
from customary.http.body import parsed
from customary.http.exchange import Exchange, Reply
from customary.http.fields import check_reach
from customary.http.shell import Operation, as_body, body_of, check_json_type, deed_of
from customary.native import wire
from customary.native.instants import past_instant_of
from customary.native.paging import cursor, limit_of, list_query, position_of, unknown_cursor
from customary.native.subject import (
    NOTHING,
    PREFIX,
    Subject,
    check_patch_type,
    customer_id,
    etag,
    expected_versions,
    is_known,
)

_READ = frozenset({Permission.READ_CUSTOMERS})

OPERATIONS = (
    Operation("GET", "/customers", _READ, "list_customers"),
    Operation(
        "POST",
        "/customers",
        frozenset({Permission.CREATE_CUSTOMER}),
        "create_customer",
        mutates=True,
        status=201,
    ),
    Operation("GET", "/customers/{id}", _READ, "get_customer"),
    Operation(
        "PATCH", "/customers/{id}", frozenset({Permission.UPDATE_CUSTOMER}), "change_customer", mutates=True
    ),
)

_LIST = "customers"
_FILTERS_MAX = {"email": EMAIL_MAX, "externalId": EXTERNAL_ID_MAX, "orgId": ORG_ID_MAX, "customerNumber": 15}


_FILTERED = {name: wire.FIELDS[name] for name in ("email", "externalId", "orgId")}


class CustomersPage(msgspec.Struct):
    """One page of customers; the next one begins at the cursor, if there is one."""

    customers: list[wire.CustomerView]
    nextCursor: str | None


class Customers(Subject):
    """The handlers of this subject."""

    async def get_customer(self, exchange: Exchange) -> Reply:
        """Return a customer, as it is or as it was at an instant."""
        principal = exchange.caller
        at = exchange.query("at").get("at")
        if at is None:
            use_case = partial(customers.fetch, principal, customer_id(exchange), NOTHING)
        else:
            instant = past_instant_of("at", at, self._means.dice.now())
            use_case = partial(history.fetch_at, principal, customer_id(exchange), instant, NOTHING)
        customer = await self._means.performer.read(principal, use_case)
        if is_known(exchange, customer):
            return Reply(304, b"", (etag(customer),))
        return await self._answer(principal, customer)

    async def list_customers(self, exchange: Exchange) -> Reply:
        """Return the customers that the key sees, oldest first, page by page."""
        principal = exchange.caller
        query = list_query(exchange, "email", "externalId", "orgId", "customerNumber", "limit", "cursor")
        for name, longest in _FILTERS_MAX.items():
            if name in query and not 1 <= len(query[name]) <= longest:
                rule = "max_length" if query[name] else "min_length"
                raise Invalid(Violation(name, rule, f"{name} has a length that nobody's can have"))
        check_reach(principal.reach, query, _FILTERED)
        limit = limit_of(query)
        after = position_of(query, _LIST)
        if after is not None and not is_customer_id(after):
            raise unknown_cursor()
        page = ListPage(
            external_id=query.get("externalId"),
            customer_number=query.get("customerNumber"),
            email=query.get("email"),
            org_id=query.get("orgId"),
            limit=limit + 1,  # one more tells whether there is another page
            after=None if after is None else CustomerID(after),
            of_any_merchant=True,
        )
        use_case = partial(customers.list_page, principal, page, NOTHING)
        found = (await self._means.performer.scan(principal, use_case)).customers
        views = [await self._view(principal, customer) for customer in found[:limit]]
        going_on = cursor(_LIST, found[limit - 1].customer_id) if len(found) > limit else None
        return Reply(200, as_body(CustomersPage(views, going_on)))

    async def create_customer(self, exchange: Exchange) -> Reply:
        """Create a customer of the key's merchant, or for a tenant's key of the tenant's first."""
        principal = exchange.caller
        check_json_type(exchange)
        body = parsed(await body_of(exchange))
        wire.check_reach(principal.reach, body)
        revision = wire.revision(body, now=self._means.dice.now())
        use_case = partial(customers.create, principal, revision)
        customer = await self._means.performer.perform(principal, use_case, deed_of(exchange))
        location = (b"location", f"{PREFIX}/customers/{customer.customer_id}".encode("ascii"))
        return await self._answer(principal, customer, status=201, headers=(location,))

    async def change_customer(self, exchange: Exchange) -> Reply:
        """Change the members that are sent, remove those that are null, keep the rest (RFC 7396)."""
        principal = exchange.caller
        check_patch_type(exchange)
        body = parsed(await body_of(exchange))
        wire.check_reach(principal.reach, body)
        revision = wire.revision(body, now=self._means.dice.now())
        use_case = partial(
            customers.change,
            principal,
            customer_id(exchange),
            revision,
            NOTHING,
            expected=expected_versions(exchange),
        )
        customer = await self._means.performer.perform(principal, use_case, deed_of(exchange))
        return await self._answer(principal, customer)
