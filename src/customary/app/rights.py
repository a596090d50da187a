"""The use cases of who must see, or must be given, what is known of one person.

To see is a deed of its own here: it changes nothing, and the trail tells of it. It must never know HTTP, SQL
or a member's name.
"""

import msgspec

from customary.app.requests import Disclose, Fetch, UseCase
from customary.domain.access import Permission, Principal
from customary.domain.customer import GUARDED_FIELDS, NOTHING_GUARDED, Customer, CustomerID
from customary.domain.reach import covering_birth

REVEALABLE = frozenset((*GUARDED_FIELDS, *covering_birth(None).covered))
"""What can be revealed: the guarded fields, and the one that a setting may guard."""


class Revealed(msgspec.Struct, frozen=True):
    """The clear values of just those fields that were asked for; None where the record has none."""

    customer_id: CustomerID
    version: int
    values: dict[str, str | None]


def reveal(principal: Principal, customer_id: CustomerID, fields: frozenset[str]) -> UseCase[Revealed]:
    """Return guarded fields of a customer in clear, and have the trail tell of it once, with all their names.

    Forbidden for a field that the key does not reach, or sees as a mask alone. The trail tells also of those
    that have no value: that they have none was asked and answered.
    """
    principal.require(Permission.READ_CUSTOMERS_UNMASKED)
    if principal.reach is not None:
        principal.reach.require_clear(fields)
    customer: Customer = yield Fetch(customer_id, fields.intersection(GUARDED_FIELDS))
    yield Disclose(customer, tuple(sorted(fields)))
    guarded = customer.guarded or NOTHING_GUARDED
    values = {
        name: getattr(guarded if name in GUARDED_FIELDS else customer.particulars, name)
        for name in sorted(fields)
    }
    return Revealed(customer.customer_id, customer.version, values)
