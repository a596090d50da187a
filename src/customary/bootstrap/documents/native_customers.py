"""What the native document says of customers: their operations, schemas and examples."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from customary.bootstrap.documents.answers import TEXT
from customary.bootstrap.documents.limits import IDEMPOTENCY_KEY, REASON
from customary.bootstrap.documents.native_speech import (
    ASKING,
    AT,
    CHANGING,
    CUSTOMER_ID,
    IF_MATCH,
    IF_NONE_MATCH,
    PAGING,
    PATH_ID,
    SIGNED,
    SPEECH,
    VERSIONED,
    WRITING,
)
from customary.bootstrap.documents.operations import Addition, query_parameter, request_body
from customary.bootstrap.documents.shapes import Schema, amended, ref, schemas_of
from customary.domain.customer import (
    EMAIL_MAX,
    EMPTY,
    EXTERNAL_ID_MAX,
    ORG_ID_MAX,
    Customer,
    CustomerID,
    CustomerNumber,
    TenantID,
    patched,
)
from customary.domain.ids import BASE58, CUSTOMER_ID_LENGTH
from customary.domain.masking import masks_of
from customary.http.fields import Limits
from customary.native import wire
from customary.native.customers import CustomersPage

CREATED_AT = datetime(2026, 1, 21, 14, 30, tzinfo=UTC)
UPDATED_AT = datetime(2026, 3, 2, 9, 5, 0, 120_000, tzinfo=UTC)
CREATE_EXAMPLE: dict[str, Any] = {
    "givenName": "Sarah",
    "familyName": "Johnson",
    "email": "sarah.johnson@example.com",
    "dateOfBirth": "1985-03-15",
    "address": {"line1": "123 High Street", "city": "London", "postalCode": "SW1A 1AA", "country": "GB"},
    "externalId": "sarah-1",
    "taxId": "123456790",
    "customData": {"segment": "gold"},
}
CHANGE_EXAMPLE: dict[str, Any] = {"address": {"line2": "Flat 4B"}, "dateOfBirth": None}


def customer_of(*bodies: dict[str, Any]) -> Customer:
    """Return the customer that these bodies make, one after the other, as the room reads them."""
    contents = EMPTY
    for body in bodies:
        contents = patched(*contents, wire.revision(body, now=CREATED_AT)(None))
    return Customer(
        TenantID("a1b2c3d4-e5f6-7890-abcd-ef1234567890"),
        CustomerID(CUSTOMER_ID),
        CustomerNumber("765342523452345"),
        1,
        len(bodies),
        CREATED_AT,
        CREATED_AT if len(bodies) == 1 else UPDATED_AT,
        contents[0],
        masks_of(contents[1]),
        contents[1],
    )


def shown(*bodies: dict[str, Any]) -> Any:
    """Return what the customer that these bodies make is answered as."""
    return msgspec.to_builtins(wire.shown(customer_of(*bodies), "4032189965"))


def customers_additions() -> dict[str, Addition]:
    """Return what the document says of the operations of this subject."""
    created, changed = shown(CREATE_EXAMPLE), shown(CREATE_EXAMPLE, CHANGE_EXAMPLE)
    return {
        "get-customers-id": Addition(
            prose="",
            parameters=(PATH_ID, AT, IF_NONE_MATCH),
            granted=SPEECH.granted("The customer", ref("Customer"), {"customer": created}, VERSIONED),
            beside={"304": SPEECH.bare("The caller has this version already", VERSIONED)},
            refusals=(*ASKING, "NotFound", "Gone"),
        ),
        "get-customers": _listing(created),
        "post-customers": Addition(
            prose="No member is required. Guarded members are stored whole and shown as masks.",
            parameters=(IDEMPOTENCY_KEY, REASON),
            body=request_body(
                "The new customer",
                ref("CustomerSent"),
                {"whole": ("A person", CREATE_EXAMPLE), "empty": ("Nothing is required", {})},
            ),
            granted=SPEECH.granted(
                "The new customer", ref("Customer"), {"customer": created}, (*VERSIONED, "location")
            ),
            refusals=WRITING,
        ),
        "patch-customers-id": Addition(
            prose=(
                "`address` and `customData` are merged member by member; `null` removes. A guarded member "
                "that is sent as its mask is unchanged, so that a record can be read, edited and sent back."
            ),
            parameters=(PATH_ID, IDEMPOTENCY_KEY, IF_MATCH, REASON),
            body=request_body(
                "A JSON Merge Patch (RFC 7396)",
                ref("CustomerSent"),
                {"change": ("Add a line, remove a date", CHANGE_EXAMPLE)},
                "application/merge-patch+json",
            ),
            granted=SPEECH.granted(
                "The customer as it now is", ref("Customer"), {"customer": changed}, VERSIONED
            ),
            refusals=CHANGING,
        ),
    }


def _listing(created: Any) -> Addition:
    return Addition(
        prose=(
            "Filters are exact and are combined. A page is found from the end of the one before, not by "
            "counting: what is created meanwhile comes on a later page, and nothing comes twice."
        ),
        parameters=(
            query_parameter(
                "email", "Only customers with this address", TEXT | {"minLength": 1, "maxLength": EMAIL_MAX}
            ),
            query_parameter(
                "externalId",
                "Only the customers that merchants know by this id",
                TEXT | {"minLength": 1, "maxLength": EXTERNAL_ID_MAX},
            ),
            query_parameter(
                "orgId", "Only customers of this branch", TEXT | {"minLength": 1, "maxLength": ORG_ID_MAX}
            ),
            query_parameter(
                "customerNumber",
                "Only the customer of this number",
                TEXT | {"minLength": 1, "maxLength": 15},
            ),
            *PAGING,
        ),
        granted=SPEECH.granted(
            "One page of customers, oldest first",
            ref("CustomersPage"),
            {
                "one": {"customers": [created], "nextCursor": None},
                "none": {"customers": [], "nextCursor": None},
            },
            SIGNED,
        ),
        refusals=ASKING,
    )


def customers_schemas() -> dict[str, Schema]:
    """Return the schemas of this subject; what may be sent is made from the gate's own tables."""
    of_wire = schemas_of(
        {"Customer": wire.CustomerView, "Address": wire.AddressView, "CustomersPage": CustomersPage}
    )
    shapes = {
        "id": {"pattern": f"^[{BASE58}]{{{CUSTOMER_ID_LENGTH}}}$"},
        "customerNumber": {"pattern": "^[1-9][0-9]{9,14}$"},
        "guid": {"format": "uuid"},
        "tenantId": {"format": "uuid"},
        "createdAt": {"format": "date-time"},
        "updatedAt": {"format": "date-time"},
    }
    sent = {name: _text(limits) for name, (_, limits) in {**wire.TEXTS, **wire.GUARDED_TEXTS}.items()}
    return {
        **of_wire,
        "Customer": amended(of_wire["Customer"], shapes),
        "CustomerSent": {
            "title": "CustomerSent",
            "description": (
                "A customer as it may be sent: a member that is left out keeps its value, null removes it. "
                "Members that are the server's own, such as `version`, are taken and change nothing."
            ),
            "type": "object",
            "properties": {
                **sent,
                "address": {"anyOf": [ref("AddressSent"), {"type": "null"}]},
                "enrollDate": {"type": ["integer", "null"], "minimum": -(2**63), "maximum": 2**63 - 1},
                "customData": {"type": ["object", "null"]},
            },
        },
        "AddressSent": {
            "title": "AddressSent",
            "description": "An address as it may be sent, part by part.",
            "type": "object",
            "properties": {name: _text(limits) for name, (_, limits) in wire.ADDRESS_TEXTS.items()},
        },
    }


def _text(limits: Limits) -> Schema:
    lengths = {"minLength": limits.min_length} if limits.min_length else {}
    return {"type": ["string", "null"], **lengths, "maxLength": limits.max_length}
