"""The routes of the Trustly dialect, on one screen."""

from functools import partial

from customary.app import customers
from customary.app.credentials import Registry
from customary.app.customers import Disclosure
from customary.app.performer import Performer
from customary.app.requests import ListPage
from customary.domain.access import Permission, Principal
from customary.domain.customer import EXTERNAL_ID_MAX, Customer
from customary.domain.errors import Invalid, NotFound, Violation
from customary.domain.ids import is_customer_number
from customary.http.body import parsed
from customary.http.exchange import Exchange, Reply, whole_number
from customary.http.fields import check_reach
from customary.http.shell import Operation, as_body, body_of, deed_of, seeing_deed_of
from customary.trustly import wire

PREFIX = "/api/v1"
CONTENT_TYPE = "application/json; charset=utf-8"
REQUEST_ID_HEADER = b"x-request-id"

_CREATE, _READ, _UPDATE = (
    Permission.CREATE_CUSTOMER,
    Permission.READ_CUSTOMERS,
    Permission.UPDATE_CUSTOMER,
)

OPERATIONS = (
    Operation("POST", "/customers", frozenset({_CREATE, _UPDATE}), "create_or_update", mutates=True),
    Operation("GET", "/customers", frozenset({_READ}), "list"),
    Operation("GET", "/customers/{customerId}", frozenset({_READ}), "get"),
    Operation("POST", "/customers/{customerId}", frozenset({_UPDATE}), "update", mutates=True),
)

COUNT_MAX = 100
COUNT_DEFAULT = 25
_START_INDEX_DIGITS_MAX = 9


_FILTERED = {"externalId": "external_id"}
_UNTOLD = Disclosure()
"""What is read first and told of afterwards."""


class Routes:
    """What each operation does: read the request, perform one use case, show the result."""

    def __init__(self, performer: Performer, registry: Registry, masking: wire.Masking) -> None:
        self._performer = performer
        self._registry = registry
        self._masking = masking

    async def create_or_update(self, exchange: Exchange) -> Reply:
        """Create a customer, or update the one that the request names (T4 to T7).

        https://amer.developers.trustly.com/api-reference/api/customers/post-customers
        """
        principal, disclosure = self._whose(exchange)
        body = parsed(await body_of(exchange))
        query = exchange.query("externalId")
        sought = query.get("externalId")
        if sought is not None:
            _check_filter("externalId", sought)
        if principal.reach is not None:
            check_reach(principal.reach, query, _FILTERED)
            wire.check_reach(principal.reach, body)
        named = wire.Named(body)
        use_case = partial(
            customers.upsert,
            principal,
            wire.revision(body, self._masking, disclosure),
            disclosure,
            sought_external_id=sought,
            stated_number=named.number,
            stated_external_id=named.external_id,
        )
        customer = await self._performer.perform(principal, use_case, deed_of(exchange, disclosure.audited))
        return await self._answer(principal, customer, disclosure)

    async def update(self, exchange: Exchange) -> Reply:
        """Update the customer of that id.

        https://amer.developers.trustly.com/api-reference/api/customers/post-customers-customer-id
        """
        principal, disclosure = self._whose(exchange)
        body = parsed(await body_of(exchange))
        number = _number(exchange)
        if principal.reach is not None:
            wire.check_reach(principal.reach, body)
        named = wire.Named(body)
        use_case = partial(
            customers.change_numbered,
            principal,
            number,
            wire.revision(body, self._masking, disclosure),
            disclosure,
            stated_number=named.number,
        )
        customer = await self._performer.perform(principal, use_case, deed_of(exchange, disclosure.audited))
        return await self._answer(principal, customer, disclosure)

    async def get(self, exchange: Exchange) -> Reply:
        """Return the customer of that id.

        https://amer.developers.trustly.com/api-reference/api/customers/get-customers-customer-id
        """
        principal, disclosure = self._whose(exchange)
        use_case = partial(customers.fetch_numbered, principal, _number(exchange), disclosure)
        if disclosure.audited:  # to see is a deed: it is written
            deed = seeing_deed_of(exchange, disclosure.audited)
            customer = await self._performer.perform(principal, use_case, deed)
        else:
            customer = await self._performer.read(principal, use_case)
        return await self._answer(principal, customer, disclosure)

    async def list(self, exchange: Exchange) -> Reply:
        """Return the merchant's customers, newest first, or those that the filters name (T20).

        https://amer.developers.trustly.com/api-reference/api/customers/get-customers
        """
        principal, disclosure = self._whose(exchange)
        query = exchange.query("externalId", "customerId", "count", "startIndex")
        for name in ("externalId", "customerId"):
            if name in query:
                _check_filter(name, query[name])
        check_reach(principal.reach, query, _FILTERED)
        page = ListPage(
            external_id=query.get("externalId"),
            customer_number=query.get("customerId"),
            newest_first=True,
            offset=whole_number(query, "startIndex", 0, 10**_START_INDEX_DIGITS_MAX - 1, default=0),
            limit=whole_number(query, "count", 1, COUNT_MAX, default=COUNT_DEFAULT),
            clear=disclosure.clear,
        )
        deed = seeing_deed_of(exchange, disclosure.audited) if disclosure.audited else None
        found = await self._performer.scan(principal, partial(customers.list_page, principal, page, _UNTOLD))
        if deed is not None:
            told = partial(customers.disclose, principal, found.customers, disclosure)
            await self._performer.perform(principal, told, deed)
        merchant_id = await self._merchant_id(principal)
        views = [wire.shown(customer, merchant_id, disclosure.clear) for customer in found.customers]
        return Reply(200, as_body(wire.CustomersAnswer(views)))

    def _whose(self, exchange: Exchange) -> tuple[Principal, Disclosure]:
        principal = exchange.caller
        return principal, self._masking.disclosure(principal)

    async def _merchant_id(self, principal: Principal) -> str:
        merchant = await self._registry.merchant(principal)
        if merchant is None:
            raise AssertionError("a Basic credential is a merchant's")
        return merchant.merchant_id

    async def _answer(self, principal: Principal, customer: Customer, disclosure: Disclosure) -> Reply:
        view = wire.shown(customer, await self._merchant_id(principal), disclosure.clear)
        return Reply(200, as_body(wire.CustomerAnswer(view)))


def _number(exchange: Exchange) -> str:
    """Return the id in the path; one that is no id is answered like an unknown one (T23)."""
    if not is_customer_number(exchange.path_id):
        raise NotFound(kind="path")
    return exchange.path_id


def _check_filter(name: str, value: str) -> None:
    if not value:
        raise Invalid(Violation(name, "min_length", f"{name} is empty"))
    if len(value) > EXTERNAL_ID_MAX:
        raise Invalid(Violation(name, "max_length", f"{name} is too long"))
