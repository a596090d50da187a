"""The examples of the Trustist document: the vendor's own, as this server answers them."""

from datetime import UTC, date, datetime
from typing import Any

import msgspec

from customary.domain.customer import (
    EMPTY,
    NOTHING_GUARDED,
    Customer,
    CustomerID,
    CustomerNumber,
    TenantID,
    patched,
)
from customary.domain.errors import (
    Invalid,
)
from customary.trustist import wire

CREATE_EXAMPLE: dict[str, Any] = {
    "firstName": "Sarah",
    "lastName": "Johnson",
    "emailAddress": "sarah.johnson@example.com",
    "dateOfBirth": "1985-03-15",
    "address": {
        "addressLine1": "123 High Street",
        "addressLine2": "Flat 4B",
        "city": "London",
        "postalCode": "SW1A 1AA",
        "country": "GB",
    },
    "orgId": "branch-001",
}
CUSTOMER_ID = "3kTp9j2mN5xR"
_TENANT_ID = "a1b2c3d4-e5f6-7890-abcd-ef1234567890"
CREATED_AT = datetime(2025, 1, 21, 14, 30, tzinfo=UTC)
UPDATED_AT = datetime(2025, 1, 21, 15, 45, tzinfo=UTC)


def shown(body: dict[str, Any], updated_at: datetime) -> Any:
    """Return what a customer made of ``body`` is answered as, shown by the room itself."""
    particulars, _ = patched(*EMPTY, wire.revision(body, CREATED_AT.date())(None))
    customer = Customer(
        TenantID(_TENANT_ID),
        CustomerID(CUSTOMER_ID),
        CustomerNumber(""),
        1,
        1,
        CREATED_AT,
        updated_at,
        particulars,
        NOTHING_GUARDED,
        None,
    )
    return msgspec.to_builtins(wire.shown(customer))


def faults_of(body: dict[str, Any], today: date) -> Invalid:
    """Return the refusal of a body, found by the room itself."""
    try:
        wire.revision(body, today)(None)
    except Invalid as error:
        return error
    raise ValueError("the example has no fault")
