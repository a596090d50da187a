"""What the trail says of one deed: who did what to whom and when, and never a value.

The leaves are written with the change they tell of; they are chained and signed later (see ``app.trail``).
"""

from enum import StrEnum

import msgspec


class Action(StrEnum):
    """What was done. A name is never reused for another deed: trails outlive programs."""

    CUSTOMER_CREATED = "customer.created"
    CUSTOMER_UPDATED = "customer.updated"
    CUSTOMER_RESTORED = "customer.restored"
    CUSTOMER_UNCHANGED = "customer.unchanged"
    CUSTOMER_REVEALED = "customer.revealed"
    CUSTOMER_EXPORTED = "customer.exported"
    CUSTOMERS_EXPORTED = "customers.exported"
    TENANT_CREATED = "tenant.created"
    MERCHANT_CREATED = "merchant.created"
    KEY_CREATED = "key.created"
    KEY_ROTATED = "key.rotated"
    KEY_REVOKED = "key.revoked"
    KEYS_TURNING = "keys.turning"
    KEYS_TURNED = "keys.turned"
    CUSTOMER_RESEALED = "customer.resealed"
    CUSTOMER_HELD = "customer.held"
    CUSTOMER_RELEASED = "customer.released"
    CUSTOMER_ERASED = "customer.erased"
    CUSTOMER_ERASED_AGAIN = "customer.erased_again"
    KEPT_READ = "kept.read"
    KEPT_DESTROYED = "kept.destroyed"
    RETENTION_CHANGED = "retention.changed"


REASON_MAX = 500
"""The longest reason, in characters."""


def is_reason(text: str) -> bool:
    """Return whether ``text`` may stand as a reason: 1 to 500 printable characters, and not only blanks.

    Printable is what Unicode says of it: no control, no line break, nothing that reorders what a reader sees.

    >>> is_reason("case 17: a call back"), is_reason("two\\nlines"), is_reason(" "), is_reason("x" * 501)
    (True, False, False, False)
    """
    return len(text) <= REASON_MAX and text.isprintable() and bool(text.strip())


class Leaf(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One entry of the trail, as it is written and digested; ``at`` is RFC 3339 in UTC with milliseconds.

    ``actor`` is a key id, or ``cli``. ``fields`` are names of changed or revealed fields. ``digest`` is the
    SHA-256 of the sealed record, in hexadecimal, so that the trail pins the record without knowing it.
    ``outcome`` is ``done``, or says in words how much was done. ``sealed_reason`` is what the actor gave as
    the reason, sealed under the key of the customer it is about, so that it goes with that key.
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
    sealed_reason: bytes = b""
