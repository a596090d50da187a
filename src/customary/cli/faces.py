"""How a customer is printed: in either vendor's form, or in our own, which has both ids and all there is.

It must never know where the customer comes from or whether showing it is permitted.
"""

from typing import Any, Literal

import msgspec

from customary.domain.customer import Customer
from customary.native import wire as native
from customary.trustist import wire as trustist
from customary.trustly import wire as trustly

Face = Literal["own", "trustly", "trustist"]
"""The forms in which a customer is written, and read by an import."""


def view(customer: Customer, merchant_id: str, face: Face, clear: frozenset[str]) -> Any:
    """Return the customer as something that can be printed as JSON; guarded fields ``clear`` in clear."""
    if face == "trustly":
        return trustly.shown(customer, merchant_id, clear)
    if face == "trustist":
        return trustist.shown(customer)
    return msgspec.to_builtins(native.shown(customer, merchant_id, clear))
