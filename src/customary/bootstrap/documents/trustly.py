"""The OpenAPI document of the Trustly dialect.

Schema names, operation ids, parameters and required members are those of the vendor's own document of these
routes (Trustly API reference, Customers), so that what was generated from that one fits; the prose is ours.
"""

from collections.abc import Sequence
from typing import Any

from customary.bootstrap.documents.answers import COMMON_HEADERS, TEXT, Speech
from customary.bootstrap.documents.assembled import Dialect, assembled
from customary.bootstrap.documents.limits import IDEMPOTENCY_KEY, REASON
from customary.bootstrap.documents.operations import Addition, query_parameter, request_body
from customary.bootstrap.documents.shapes import Schema, ref
from customary.bootstrap.documents.trustly_examples import CREATE_EXAMPLE, UPDATE_EXAMPLE, shown
from customary.bootstrap.documents.trustly_refusals import refusals
from customary.bootstrap.documents.trustly_schemas import CREATED, GOT, LISTED, UPDATED, schemas
from customary.domain.customer import EXTERNAL_ID_MAX
from customary.trustly import routes
from customary.trustly.errors import TrustlyErrors

# The name is the vendor's, for programs that were generated from its document; people are shown the other.
TAG = {
    "name": "subpackage_customers",
    "x-displayName": "Customers",
    "description": "Customers of the merchant",
}

_EVERYWHERE = ("Unauthorized", "InternalError", "Unavailable")
_READ_REFUSALS = (*_EVERYWHERE, "BadHead", "NotFound")
_WRITE_REFUSALS = (*_EVERYWHERE, "BadRequest", "Timeout", "TooLarge")

SPEECH = Speech(
    errors=TrustlyErrors(),
    schema="Faults",
    request_id_header="x-request-id",
    headers={
        "x-request-id": (
            "X-Request-Id",
            {"description": "Id of the request, as in the server's log", "schema": TEXT},
        ),
        "www-authenticate": ("WWW-Authenticate", {"description": "Basic, with its realm", "schema": TEXT}),
        **COMMON_HEADERS,
    },
)

_AUTHORIZATION: Schema = {
    "name": "Authorization",
    "in": "header",
    "required": True,
    "description": "Basic credentials: accessId and accessKey (the scheme HTTPBasic)",
    "schema": {"type": "string"},
}
_PATH_ID: Schema = {
    "name": "customerId",
    "in": "path",
    "required": True,
    "description": "The server's own id of the customer; any other text is answered like an unknown id",
    "schema": {"type": "string"},
    "example": "1002580963",
}


_EXTERNAL_ID = {"type": "string", "minLength": 1, "maxLength": EXTERNAL_ID_MAX}


_SENT: Schema = {"anyOf": [ref("Customer"), ref("CustomerChange")]}
"""The vendor's whole Customer, or a change of one."""


def _writing() -> dict[str, Addition]:
    created = shown(CREATE_EXAMPLE)
    updated = shown(UPDATE_EXAMPLE | {"taxId": "123456790"})
    return {
        "post-customers": Addition(
            prose=(
                "The customer is named by the query's `externalId`, else by the body's `customerId`, else by "
                "the body's `externalId`. If that one exists it is changed: members that are left out keep "
                "their values, `null` removes an optional one. If none exists a customer is created; then "
                "`name`, `address` with `country`, `phone` and `email` are required. The server issues the "
                "`customerId`."
            ),
            parameters=(
                query_parameter(
                    "externalId", "The merchant's own id of the customer to change or create", _EXTERNAL_ID
                ),
                _AUTHORIZATION,
                IDEMPOTENCY_KEY,
                REASON,
            ),
            body=request_body(
                "A whole customer, or a change of the one that is named",
                _SENT,
                {
                    "create": ("A new customer", CREATE_EXAMPLE),
                    "change": ("One member of an existing customer", {"externalId": "4567890", "vip": "3"}),
                    "remove": ("Remove a member", {"externalId": "4567890", "vip": None}),
                },
            ),
            granted=SPEECH.granted(
                "The customer as it now is", ref(CREATED), {"customer": {"customer": created}}
            ),
            refusals=_WRITE_REFUSALS,
        ),
        "post-customers-customer-id": Addition(
            prose=(
                "Only the members that are sent are applied; `null` removes an optional one. A customer that "
                "was read may be edited and sent back whole: a `taxId` that is the mask of the stored one "
                "means that it is unchanged, any other mask is refused."
            ),
            parameters=(_PATH_ID, _AUTHORIZATION, IDEMPOTENCY_KEY, REASON),
            body=request_body(
                "A whole customer as it was read and edited, or a change of it",
                _SENT,
                {
                    "whole": ("A customer that was read and edited", UPDATE_EXAMPLE),
                    "change": ("One member", {"phone": "+16505551213"}),
                },
            ),
            granted=SPEECH.granted(
                "The customer as it now is", ref(UPDATED), {"customer": {"customer": updated}}
            ),
            refusals=(*_WRITE_REFUSALS, "NotFound"),
        ),
    }


def _reading() -> dict[str, Addition]:
    created = shown(CREATE_EXAMPLE)
    return {
        "get-customers-customer-id": Addition(
            prose="What the record does not have is left out.",
            parameters=(_PATH_ID, _AUTHORIZATION, REASON),
            granted=SPEECH.granted("The customer", ref(GOT), {"customer": {"customer": created}}),
            refusals=_READ_REFUSALS,
        ),
        "get-customers": Addition(
            prose="Filters are combined; without a match the list is empty. Unknown parameters are ignored.",
            parameters=(
                query_parameter(
                    "externalId", "Only the customer with this id of the merchant's own", _EXTERNAL_ID
                ),
                query_parameter("customerId", "Only the customer with this id", _EXTERNAL_ID),
                query_parameter(
                    "count",
                    "How many customers at most",
                    {
                        "type": "integer",
                        "minimum": 1,
                        "maximum": routes.COUNT_MAX,
                        "default": routes.COUNT_DEFAULT,
                    },
                ),
                query_parameter(
                    "startIndex",
                    "How many customers to skip",
                    {"type": "integer", "minimum": 0, "maximum": 999_999_999, "default": 0},
                ),
                _AUTHORIZATION,
                REASON,
            ),
            granted=SPEECH.granted(
                "Customers of the merchant, newest first",
                ref(LISTED),
                {"one": {"customers": [created]}, "none": {"customers": []}},
            ),
            refusals=(*_EVERYWHERE, "BadQuery"),
        ),
    }


_DESCRIPTION = """\
Customer records of a merchant, in the words of Trustly's Customers API. Both posts answer 200, whether they
create or change. Times are milliseconds since 1970. `taxId` is masked in every answer unless the credential
has the permission `read_customers:unmasked`; each clear reading is audited.

Every refusal has one envelope, `{"errors": […]}`, with one item a fault: code 375 for access (401), 200 for
anything about the request (400, 404, 405, 408, 413), 100 for the server (500, 503). Values that were sent are
never repeated. Where the operator has set `trustly_not_found_status` to 400, a missing customer is 400."""


def trustly_document() -> dict[str, Any]:
    """Return the OpenAPI document of the Trustly dialect."""
    return assembled(
        Dialect(
            title="Trustly API: Customers",
            summary="The Customers API of Trustly (North America), as customary serves it",
            description=_DESCRIPTION,
            tag=TAG,
            speech=SPEECH,
            routes=routes,
            additions=_writing() | _reading(),
            refusals=refusals(),
            schemas=_schemas,
            security_schemes={
                "HTTPBasic": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "User name: the accessId of a merchant's key. Password: its accessKey.",
                }
            },
        )
    )


def _schemas(refused: Sequence[Any]) -> dict[str, Schema]:
    return schemas(sorted({fault["domain"] for body in refused for fault in body["errors"]}))
