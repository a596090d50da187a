"""The routes of the Trustist dialect, on one screen."""

from functools import partial
from urllib.parse import urlencode

from customary.app import customers
from customary.app.credentials import Registry
from customary.app.customers import Disclosure
from customary.app.performer import Performer
from customary.app.ports import Dice
from customary.app.requests import ListPage
from customary.domain.access import Permission, Principal
from customary.domain.customer import EMAIL_MAX, ORG_ID_MAX, CustomerID
from customary.domain.errors import Invalid, NotFound, Violation
from customary.domain.ids import is_customer_id
from customary.http.body import parsed
from customary.http.exchange import Exchange, Reply, whole_number
from customary.http.fields import check_reach
from customary.http.shell import (
    ANY_CREDENTIAL,
    Operation,
    as_body,
    body_of,
    check_json_type,
    deed_of,
    seeing_deed_of,
)
from customary.trustist import wire

PREFIX = "/v1"
CONTENT_TYPE = "application/json; charset=utf-8"
REQUEST_ID_HEADER = b"CorrelationId"

_CREATE, _READ, _UPDATE = (
    frozenset({Permission.CREATE_CUSTOMER}),
    frozenset({Permission.READ_CUSTOMERS}),
    frozenset({Permission.UPDATE_CUSTOMER}),
)

OPERATIONS = (
    Operation("POST", "/customers", _CREATE, "create", mutates=True, tenant_only=True),
    Operation("GET", "/customers", _READ, "list", tenant_only=True),
    Operation("GET", "/customers/{id}", _READ, "get", tenant_only=True),
    Operation("PUT", "/customers/{id}", _UPDATE, "update", mutates=True, tenant_only=True),
    Operation("GET", "/merchants", ANY_CREDENTIAL, "merchant"),
)

PAGE_SIZE_MAX = 500
PAGE_SIZE_DEFAULT = 100
_PAGE_MAX = 10**7
_FILTERED = {"orgId": "org_id", "emailAddress": "email"}
_UNTOLD = Disclosure()
"""What is read first and told of afterwards."""


class Routes:
    """What each operation does: read the request, perform one use case, show the result."""

    def __init__(self, performer: Performer, registry: Registry, dice: Dice, masking: wire.Masking) -> None:
        self._performer = performer
        self._registry = registry
        self._dice = dice
        self._masking = masking

    async def create(self, exchange: Exchange) -> Reply:
        """Create a customer (C1); duplicates are neither refused nor merged (S14)."""
        principal, disclosure = self._whose(exchange)
        revision = await self._revision(exchange)
        use_case = partial(customers.create, principal, revision, disclosure)
        customer = await self._performer.perform(principal, use_case, deed_of(exchange, disclosure.audited))
        return Reply(200, as_body(wire.shown(customer)))

    async def get(self, exchange: Exchange) -> Reply:
        """Return the customer of that id (C2)."""
        principal, disclosure = self._whose(exchange)
        use_case = partial(customers.fetch, principal, _customer_id(exchange), disclosure)
        if disclosure.audited:  # to see is a deed: it is written
            deed = seeing_deed_of(exchange, disclosure.audited)
            customer = await self._performer.perform(principal, use_case, deed)
        else:
            customer = await self._performer.read(principal, use_case)
        return Reply(200, as_body(wire.shown(customer)))

    async def update(self, exchange: Exchange) -> Reply:
        """Change the members that are sent, clear those that are null, keep the rest (C3, S16)."""
        principal, disclosure = self._whose(exchange)
        revision = await self._revision(exchange)
        use_case = partial(customers.change, principal, _customer_id(exchange), revision, disclosure)
        customer = await self._performer.perform(principal, use_case, deed_of(exchange, disclosure.audited))
        return Reply(200, as_body(wire.shown(customer)))

    async def list(self, exchange: Exchange) -> Reply:
        """Return the tenant's customers as a bare array, oldest first, page by page (C4, S19)."""
        principal, disclosure = self._whose(exchange)
        deed = seeing_deed_of(exchange, disclosure.audited) if disclosure.audited else None
        query = exchange.query("orgId", "emailAddress", "page", "pageSize")
        for name, longest in (("orgId", ORG_ID_MAX), ("emailAddress", EMAIL_MAX)):
            if len(query.get(name, "")) > longest:
                raise Invalid(Violation(name, "max_length", f"{name} is too long"))
        check_reach(principal.reach, query, _FILTERED)
        number = whole_number(query, "page", 1, _PAGE_MAX, default=1)
        size = whole_number(query, "pageSize", 1, PAGE_SIZE_MAX, default=PAGE_SIZE_DEFAULT)
        page = ListPage(
            email=query.get("emailAddress"),
            org_id=query.get("orgId"),
            offset=(number - 1) * size,
            limit=size,
            counted=True,
        )
        found = await self._performer.scan(principal, partial(customers.list_page, principal, page, _UNTOLD))
        if deed is not None:
            told = partial(customers.disclose, principal, found.customers, disclosure)
            await self._performer.perform(principal, told, deed)
        headers = ((b"x-total-count", str(found.total).encode()), *_links(query, number, size, found.total))
        return Reply(200, as_body([wire.shown(customer) for customer in found.customers]), headers)

    async def merchant(self, exchange: Exchange) -> Reply:
        """Return the calling merchant (M1); for a tenant's key its first merchant, or the tenant itself.

        No way to pay is offered, because this server has none yet.
        """
        principal = exchange.caller
        merchant = await self._registry.merchant(principal)
        name = merchant.name if merchant is not None else (await self._registry.tenant(principal)).name
        methods = wire.PaymentMethodsView(wire.PaymentMethodView(), wire.BankPaymentView())
        return Reply(200, as_body(wire.MerchantView(name, methods)))

    def _whose(self, exchange: Exchange) -> tuple[Principal, Disclosure]:
        principal = exchange.caller
        return principal, self._masking.disclosure(principal)

    async def _revision(self, exchange: Exchange) -> customers.Revision:
        check_json_type(exchange)
        body = parsed(await body_of(exchange))
        wire.check_reach(exchange.caller.reach, body)
        return wire.revision(body, self._dice.now().date(), birth_guarded=self._masking.birth)


def _customer_id(exchange: Exchange) -> CustomerID:
    """Return the id in the path; one that is no id is answered like an unknown one (S18)."""
    if not is_customer_id(exchange.path_id):
        raise NotFound
    return CustomerID(exchange.path_id)


def _links(query: dict[str, str], page: int, size: int, total: int) -> tuple[tuple[bytes, bytes], ...]:
    """Return the Link header (RFC 8288) of a page: first, last, and its neighbours where there are any."""
    last = max(1, -(-total // size))
    pages = {"first": 1, "last": last}
    if page > 1:
        pages["prev"] = min(page - 1, last)
    if page < last:
        pages["next"] = page + 1
    links = (
        f'<{PREFIX}/customers?{urlencode({**query, "page": number, "pageSize": size})}>; rel="{relation}"'
        for relation, number in pages.items()
    )
    return ((b"link", ", ".join(links).encode("ascii")),)
