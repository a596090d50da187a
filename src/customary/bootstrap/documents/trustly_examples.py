"""The examples of the Trustly document: the vendor's own, as this server answers them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from customary.app.customers import Disclosure
from customary.domain.customer import (
    EMPTY,
    Customer,
    CustomerID,
    CustomerNumber,
    TenantID,
    patched,
)
from customary.domain.errors import (
    Invalid,
)
from customary.domain.masking import masks_of
from customary.trustly import wire

CREATE_EXAMPLE: dict[str, Any] = {
    "name": "Joe User",
    "address": {
        "country": "US",
        "address1": "2000 Broadway St",
        "city": "Redwood City",
        "state": "CA",
        "zip": "94063",
    },
    "phone": "+16505551212",
    "email": "joe.user@mail.com",
    "taxId": "012345678",
    "createdAt": 1555696836548,
    "updatedAt": 1555696836548,
    "customerId": "1002580963",
    "externalId": "4567890",
    "merchantId": "1002463580",
    "enrollDate": 1555696836548,
    "driverLicense": {"number": "A1234567", "state": "CA"},
}
UPDATE_EXAMPLE: dict[str, Any] = {
    "name": "John Smith",
    "address": {
        "country": "US",
        "address1": "105 Alternate2 Street",
        "address2": "#402",
        "city": "Beverly Hills",
        "state": "CA",
        "zip": "90210",
    },
    "phone": "+1 123456789",
    "email": "jsmith@email.com",
    "taxId": "#####6790",
    "customerId": "1001165729",
    "merchantId": "110005502",
    "driverLicense": {"number": "124ABC", "state": "CA"},
}
FAULTY_EXAMPLE = {
    **CREATE_EXAMPLE,
    "name": "",
    "address": {"address1": "2000 Broadway St", "city": "Redwood City", "state": "C", "zip": "123"},
}
_MASKING = wire.Masking(frozenset({"taxId"}))
_MASKED = Disclosure()


def shown(body: dict[str, Any]) -> Any:
    """Return what a customer made of ``body`` is answered as, shown by the room itself."""
    particulars, guarded = patched(*EMPTY, wire.revision(body, _MASKING, _MASKED)(None))
    created_at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=CREATE_EXAMPLE["createdAt"])
    number = CustomerNumber(body["customerId"])
    customer = Customer(
        TenantID(""),
        CustomerID(""),
        number,
        1,
        1,
        created_at,
        created_at,
        particulars,
        masks_of(guarded),
        None,
    )
    return msgspec.to_builtins(wire.shown(customer, body["merchantId"], frozenset()))


def faults_of(body: dict[str, Any]) -> Invalid:
    """Return the refusal of a body for a new customer, found by the room itself."""
    try:
        wire.revision(body, _MASKING, _MASKED)(None)
    except Invalid as error:
        return error
    raise ValueError("the example has no fault")
