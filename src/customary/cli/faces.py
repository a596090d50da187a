"""How a customer is printed: in either vendor's form, or in one of our own that has both ids.

It must never know where the customer comes from or whether showing it is permitted.
"""

from typing import Any, Literal

import msgspec

from customary.cli.frame import instant_text
from customary.domain.customer import GUARDED_FIELDS, Customer
from customary.domain.ids import guid_of
from customary.trustist import wire as trustist
from customary.trustly import wire as trustly

Face = Literal["trustly", "trustist"]


def view(customer: Customer, merchant_id: str, face: Face | None, clear: frozenset[str]) -> Any:
    """Return the customer as something that can be printed as JSON; guarded fields ``clear`` in clear."""
    if face == "trustly":
        return trustly.shown(customer, merchant_id, clear)
    if face == "trustist":
        return trustist.shown(customer)
    return _own_view(customer, merchant_id, clear)


def _own_view(customer: Customer, merchant_id: str, clear: frozenset[str]) -> dict[str, Any]:
    """Return everything that is known, under neutral names, with all spellings of the id."""
    particulars = customer.particulars
    given, family = particulars.shown_given_and_family
    known: dict[str, Any] = {
        "id": customer.customer_id,
        "customerNumber": customer.customer_number,
        "guid": str(guid_of(customer.customer_id)),
        "tenantId": customer.tenant_id,
        "merchantId": merchant_id,
        "version": customer.version,
        "createdAt": instant_text(customer.created_at),
        "updatedAt": instant_text(customer.updated_at),
        "fullName": particulars.shown_full_name,
        "givenName": given,
        "familyName": family,
    }
    rest: dict[str, Any] = msgspec.to_builtins(particulars)
    for name in ("full_name", "given_name", "family_name"):
        rest.pop(name, None)
    guarded = customer.guarded
    for name in GUARDED_FIELDS:
        source = guarded if name in clear and guarded is not None else customer.masks
        rest[name] = getattr(source, name)
    known |= {_camel(name): _camelled(value) if name == "address" else value for name, value in rest.items()}
    return {name: value for name, value in known.items() if value is not None}


def _camelled(members: dict[str, Any]) -> dict[str, Any]:
    return {_camel(name): value for name, value in members.items() if value is not None}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)
