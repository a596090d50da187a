"""How instants, tenants and records lie in PostgreSQL rows, and back.

It must never know what is inside sealed bytes or why a row is read.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from customary.app.ports import SealedCustomer

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

NOBODY = UUID(int=(1 << 128) - 1)
"""What a text that is no GUID stands for when something is read: no row has it."""


@lru_cache(4096)
def tenant_of(tenant_id: str) -> UUID:
    """Return the tenant's GUID, or ``NOBODY``; for reading, where anything may be asked for.

    >>> tenant_of("nobody") == NOBODY
    True
    """
    try:
        return UUID(tenant_id)
    except ValueError:
        return NOBODY


def owner(tenant_id: str) -> UUID:
    """Return the tenant's GUID; for writing. Raises ValueError for anything that is none."""
    tenant = tenant_of(tenant_id)
    if tenant == NOBODY:
        raise ValueError("a tenant id must be a GUID")
    return tenant


def microseconds(instant: datetime) -> int:
    """Return an aware instant as whole microseconds since 1970.

    >>> instant_at(microseconds(datetime(2025, 1, 21, 14, 30, 0, 123456, UTC))).isoformat()
    '2025-01-21T14:30:00.123456+00:00'
    """
    return (instant - _EPOCH) // _MICROSECOND


def microseconds_or_none(instant: datetime | None) -> int | None:
    """Return an instant that may be absent as microseconds."""
    return None if instant is None else (instant - _EPOCH) // _MICROSECOND


def instant_at(microseconds: int) -> datetime:
    """Return the instant, aware, in UTC."""
    return _EPOCH + timedelta(microseconds=microseconds)


def instant_or_none(microseconds: int | None) -> datetime | None:
    """Return an instant that may be absent."""
    return None if microseconds is None else _EPOCH + timedelta(microseconds=microseconds)


def record(tenant_id: str, row: Mapping[str, Any]) -> SealedCustomer:
    """Return the record that a row of the columns of a record tells of.

    Without its key a record is there but cannot be opened: ``wrapped_key`` is empty then.
    """
    return SealedCustomer(
        tenant_id,
        row["customer_id"],
        row["customer_number"],
        row["merchant_no"],
        row["version"],
        row["sealed"],
        row["guarded"],
        _EPOCH + timedelta(microseconds=row["created_at"]),
        _EPOCH + timedelta(microseconds=row["updated_at"]),
        row["wrapped"] or b"",
        bool(row.get("overtaken")),
    )


def storable(text: str) -> bool:
    """Return whether a text can be a ``text`` at all; what cannot is in no row.

    >>> storable("é"), storable("a\\0b"), storable("\\ud800")
    (True, False, False)
    """
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
