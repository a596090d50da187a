"""What an engine is asked for about the past of one record."""

from datetime import datetime

import msgspec


class ReadVersionAt(msgspec.Struct, frozen=True, gc=False):
    """The SealedCustomer as it was at that instant, or None if there was none yet.

    It is the last version whose ``updated_at`` is not after ``at``; versions and instants grow together.
    """

    tenant_id: str
    customer_id: str
    at: datetime


class ReadVersions(msgspec.Struct, frozen=True, gc=False):
    """``list[SealedCustomer]``: the versions of one record, the newest first, the current one among them.

    With ``below`` only those before that version. Empty if there is no such record.
    """

    tenant_id: str
    customer_id: str
    below: int | None
    limit: int
