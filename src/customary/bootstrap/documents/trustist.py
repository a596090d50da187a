"""The OpenAPI document of the Trustist dialect.

The vendor publishes a page of tables and no document; members, paths, permissions and statuses are that
page's (Customer Management), the prose is ours.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from customary.bootstrap.documents.answers import COMMON_HEADERS, TEXT, Speech
from customary.bootstrap.documents.assembled import Dialect, assembled
from customary.bootstrap.documents.limits import IDEMPOTENCY_KEY, REASON
from customary.bootstrap.documents.operations import Addition, query_parameter, request_body
from customary.bootstrap.documents.shapes import Schema, ref
from customary.bootstrap.documents.trustist_examples import (
    CREATE_EXAMPLE,
    CREATED_AT,
    CUSTOMER_ID,
    UPDATED_AT,
    shown,
)
from customary.bootstrap.documents.trustist_refusals import refusals
from customary.bootstrap.documents.trustist_schemas import schemas
from customary.domain.customer import EMAIL_MAX, ORG_ID_MAX
from customary.trustist import routes, wire
from customary.trustist.errors import TrustistErrors

TAG = {"name": "Customers", "description": "Customers of the tenant, and the calling merchant"}
_ANYONE = ("Unauthorized", "TooMany", "InternalError", "Unavailable")
_EVERYWHERE = (*_ANYONE, "Forbidden")
_WRITE_REFUSALS = (
    *_EVERYWHERE,
    "BadRequest",
    "Timeout",
    "Conflict",
    "TooLarge",
    "UnsupportedMediaType",
    "KeyReused",
)

SPEECH = Speech(
    errors=TrustistErrors(),
    schema="Problem",
    request_id_header="correlationid",
    headers={
        "correlationid": (
            "CorrelationId",
            {
                "description": "Id of the request, as in the server's log",
                "schema": TEXT | {"format": "uuid"},
            },
        ),
        "server-authorization": (
            "Server-Authorization",
            {
                "description": "The answer's own signature, if the request was signed with Hawk",
                "schema": TEXT,
            },
        ),
        "x-total-count": (
            "X-Total-Count",
            {"description": "How many customers there are on all pages", "schema": {"type": "integer"}},
        ),
        "link": (
            "Link",
            {"description": "Addresses of the pages first, last, prev and next (RFC 8288)", "schema": TEXT},
        ),
        "www-authenticate": (
            "WWW-Authenticate",
            {
                "description": "The ways to sign, or the server's time for a stale Hawk signature",
                "schema": TEXT,
            },
        ),
        **COMMON_HEADERS,
    },
)
_SIGNED = ("server-authorization",)

_PATH_ID: Schema = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "The customer's id; any other text is answered like an unknown id",
    "schema": TEXT,
    "example": CUSTOMER_ID,
}


def _writing() -> dict[str, Addition]:
    created = shown(CREATE_EXAMPLE, CREATED_AT)
    updated = shown(CREATE_EXAMPLE, UPDATED_AT)
    named = {name: CREATE_EXAMPLE[name] for name in ("firstName", "lastName", "emailAddress")}
    return {
        "post-customers": Addition(
            prose=(
                "No member is required. `firstName`, `lastName` and `emailAddress` are needed before the "
                "customer's identity can be checked."
            ),
            parameters=(IDEMPOTENCY_KEY, REASON),
            body=request_body(
                "The new customer",
                ref("CustomerSent"),
                {"whole": ("All members", CREATE_EXAMPLE), "empty": ("Nothing is required", {})},
            ),
            granted=SPEECH.granted("The new customer", ref("Customer"), {"customer": created}, _SIGNED),
            refusals=_WRITE_REFUSALS,
        ),
        "put-customers-id": Addition(
            prose="An `address` is merged member by member; `null` clears it whole.",
            parameters=(_PATH_ID, IDEMPOTENCY_KEY, REASON),
            body=request_body(
                "The members to change",
                ref("CustomerSent"),
                {
                    "names": ("Add what was missing", named),
                    "clear": ("Clear a member", {"dateOfBirth": None}),
                },
            ),
            granted=SPEECH.granted(
                "The customer as it now is", ref("Customer"), {"customer": updated}, _SIGNED
            ),
            refusals=(*_WRITE_REFUSALS, "NotFound"),
        ),
    }


def _reading() -> dict[str, Addition]:
    created = shown(CREATE_EXAMPLE, CREATED_AT)
    return {
        "get-customers-id": Addition(
            prose="",
            parameters=(_PATH_ID,),
            granted=SPEECH.granted("The customer", ref("Customer"), {"customer": created}, _SIGNED),
            refusals=(*_EVERYWHERE, "BadHead", "NotFound"),
        ),
        "get-customers": Addition(
            prose="Filters are exact and are combined. Unknown parameters are ignored.",
            parameters=(
                query_parameter("orgId", "Only customers of this branch", TEXT | {"maxLength": ORG_ID_MAX}),
                query_parameter(
                    "emailAddress", "Only customers with this address", TEXT | {"maxLength": EMAIL_MAX}
                ),
                query_parameter(
                    "page",
                    "Number of the page",
                    {"type": "integer", "minimum": 1, "maximum": 10_000_000, "default": 1},
                ),
                query_parameter(
                    "pageSize",
                    "How many customers on a page",
                    {
                        "type": "integer",
                        "minimum": 1,
                        "maximum": routes.PAGE_SIZE_MAX,
                        "default": routes.PAGE_SIZE_DEFAULT,
                    },
                ),
            ),
            granted=SPEECH.granted(
                "One page of customers",
                {"type": "array", "items": ref("Customer")},
                {"one": [created], "none": []},
                (*_SIGNED, "x-total-count", "link"),
            ),
            refusals=(*_EVERYWHERE, "BadQuery"),
        ),
        "get-merchants": Addition(
            prose="Programs use it to test their connection.",
            parameters=(),
            granted=SPEECH.granted(
                "The merchant",
                ref("Merchant"),
                {"merchant": msgspec.to_builtins(_MERCHANT)},
                _SIGNED,
            ),
            refusals=(*_ANYONE, "BadHead"),
        ),
    }


_MERCHANT = wire.MerchantView(
    "Example Shop", wire.PaymentMethodsView(wire.PaymentMethodView(), wire.BankPaymentView())
)


HAWK = """\
`Authorization: Hawk id="…", ts="…", nonce="…", mac="…"`, with `hash` where the body is to be covered. The
MAC is base64(HMAC-SHA256(secret, string)) over the lines `hawk.1.header`, ts, nonce, method, path with query,
host in lower case, port, payload hash or nothing, ext or nothing, each ended by a line feed. The clocks may
differ by a minute; a nonce counts once. Answers are signed too (`Server-Authorization`)."""

HMAC_SHA256 = """\
`Authorization: HMAC-SHA256 Credential=…&SignedHeaders=x-tr-date;host;x-tr-content-sha256&Signature=…`. The
signature is base64(HMAC-SHA256(secret, string)) over the method, the path with query and the signed headers'
values joined by `;`, these three joined by line feeds. `x-tr-date` is the time (RFC 1123), at most 15 minutes
off; `x-tr-content-sha256` is base64(SHA-256(body)). A line without them binds neither time nor body and is
refused. The vendor does not publish its string to sign: this is the form of the scheme it evidently took
over."""

_DESCRIPTION = """\
Customer records of a tenant, in the words of Trustist's Ecommerce API. Requests are signed with the secret of
a key, in one of two ways; the tenant comes from the key alone. Customers need a tenant's key: a merchant's is
answered 403.

Names of members match whatever their case when they are sent; unknown members are ignored; in answers members
that are not set are `null`. Times are UTC in whole seconds. A duplicate is neither refused nor merged.

Every refusal has one body with a `code` for programs; it can also be read as RFC 9457. Values that were sent
are never repeated."""


def trustist_document() -> dict[str, Any]:
    """Return the OpenAPI document of the Trustist dialect."""
    return assembled(
        Dialect(
            title="Trustist Ecommerce API: Customer Management",
            summary="The Customer Management API of Trustist, as customary serves it",
            description=_DESCRIPTION,
            tag=TAG,
            speech=SPEECH,
            routes=routes,
            additions=_writing() | _reading(),
            refusals=refusals(),
            schemas=_schemas,
            security_schemes={
                "Hawk": {"type": "http", "scheme": "hawk", "description": HAWK},
                "HmacSha256": {"type": "http", "scheme": "hmac-sha256", "description": HMAC_SHA256},
            },
        )
    )


def _schemas(refused: Sequence[Any]) -> dict[str, Schema]:
    return schemas(sorted({body["code"] for body in refused}))
