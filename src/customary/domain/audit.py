"""What the trail says of one deed: who did what to whom and when, and never a value.

The leaves are written with the change they tell of; they are chained and signed later (see ``app.trail``).
"""

from enum import StrEnum

import msgspec


class Action(StrEnum):
    """What was done. A name is never reused for another deed: trails outlive programs."""

    CUSTOMER_CREATED = "customer.created"
    CUSTOMER_UPDATED = "customer.updated"
    CUSTOMER_UNCHANGED = "customer.unchanged"
    CUSTOMER_REVEALED = "customer.revealed"
    CUSTOMERS_EXPORTED = "customers.exported"
    TENANT_CREATED = "tenant.created"
    MERCHANT_CREATED = "merchant.created"
    KEY_CREATED = "key.created"
    KEY_ROTATED = "key.rotated"
    KEY_REVOKED = "key.revoked"


class Leaf(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One entry of the trail, as it is written and digested; ``at`` is RFC 3339 in UTC with milliseconds.

    ``actor`` is a key id, or ``cli``. ``fields`` are names of changed or revealed fields. ``digest`` is the
    SHA-256 of the sealed record, in hexadecimal, so that the trail pins the record without knowing it.
    ``outcome`` is ``done``, or says in words how much was done.
    """

    at: str
    tenant_id: str
    actor: str
    action: str
    subject: str
    request_id: str = ""
    outcome: str = "done"
    version: int = 0
    fields: tuple[str, ...] = ()
    digest: str = ""
