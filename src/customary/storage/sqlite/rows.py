"""How instants, tenants and records lie in SQLite rows, and back.

It must never know what is inside sealed bytes or why a row is read.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from customary.app.ports import SealedCustomer

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

NO_TENANT = b""
"""What a text that is no GUID is packed to: no row has it."""


@lru_cache(4096)
def packed(tenant_id: str) -> bytes:
    """Return the 16 bytes of a tenant's GUID, or ``NO_TENANT``; for reading, where anything may be asked for.

    >>> packed("00000000-0000-0000-0000-00000000002a")[-1], packed("nobody")
    (42, b'')
    """
    try:
        return UUID(tenant_id).bytes
    except ValueError:
        return NO_TENANT


def owner(tenant_id: str) -> bytes:
    """Return the 16 bytes of a tenant's GUID; for writing. Raises ValueError for anything else."""
    tenant = packed(tenant_id)
    if tenant is NO_TENANT:
        raise ValueError("a tenant id must be a GUID")
    return tenant


@lru_cache(4096)
def unpacked(tenant: bytes) -> str:
    """Return the canonical text of a tenant's GUID."""
    return str(UUID(bytes=tenant))


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


def record(tenant_id: str, row: Any) -> SealedCustomer:
    """Return the record that a row of the columns of ``reads.RECORD_BY_ID`` tells of, or of their first nine.

    Without its key a record is there but cannot be opened: ``wrapped_key`` is empty then.
    """
    (
        customer_id,
        customer_number,
        merchant_no,
        version,
        sealed,
        guarded,
        created_at,
        updated_at,
        wrapped,
        *overtaken,  # only asked of current records
    ) = row
    return SealedCustomer(
        tenant_id,
        customer_id,
        customer_number,
        merchant_no,
        version,
        sealed,
        guarded,
        _EPOCH + timedelta(microseconds=created_at),
        _EPOCH + timedelta(microseconds=updated_at),
        b"" if wrapped is None else wrapped,
        overtaken == [1],
    )
