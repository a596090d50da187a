"""Answers to the requests that read the past of one record.

The current version is in ``customers``, those before it in ``versions``. Nothing is written here.
"""

from typing import Final

from customary.app.ports import ReadVersionAt, ReadVersions, SealedCustomer
from customary.storage.postgres.links import Link
from customary.storage.postgres.reads import records
from customary.storage.postgres.rows import microseconds, record, tenant_of

SUPERSEDED_AT: Final = """
SELECT c.customer_id, c.customer_number, c.merchant_no, v.version, v.sealed, v.guarded, c.created_at,
       v.updated_at, k.wrapped
FROM customary.customers AS c
JOIN customary.versions AS v ON v.tenant_id = c.tenant_id AND v.row_no = c.row_no
LEFT JOIN customary_keys.customer_keys AS k ON k.tenant_id = c.tenant_id AND k.row_no = c.row_no
WHERE c.tenant_id = $1 AND c.customer_id = $2 AND v.updated_at <= $3 ORDER BY v.version DESC LIMIT 1
"""
SUPERSEDED_BELOW: Final = """
SELECT c.customer_id, c.customer_number, c.merchant_no, v.version, v.sealed, v.guarded, c.created_at,
       v.updated_at, k.wrapped
FROM customary.customers AS c
JOIN customary.versions AS v ON v.tenant_id = c.tenant_id AND v.row_no = c.row_no
LEFT JOIN customary_keys.customer_keys AS k ON k.tenant_id = c.tenant_id AND k.row_no = c.row_no
WHERE c.tenant_id = $1 AND c.customer_id = $2 AND v.version < $3 ORDER BY v.version DESC LIMIT $4
"""


async def read_version_at(link: Link, request: ReadVersionAt) -> SealedCustomer | None:
    """Return the version that was current at an instant."""
    current = await _current(link, request.tenant_id, request.customer_id)
    if current is None or current.updated_at <= request.at:
        return current
    tenant = tenant_of(request.tenant_id)
    row = await link.fetch_row(SUPERSEDED_AT, tenant, request.customer_id, microseconds(request.at))
    return None if row is None else record(request.tenant_id, row)


async def read_versions(link: Link, request: ReadVersions) -> list[SealedCustomer]:
    """Return versions of a record, newest first."""
    current = await _current(link, request.tenant_id, request.customer_id)
    if current is None:
        return []
    below = current.version if request.below is None else min(request.below, current.version)
    is_asked_for = request.below is None or current.version < request.below
    found = [current] if is_asked_for and request.limit > 0 else []
    tenant = tenant_of(request.tenant_id)
    rows = await link.fetch(SUPERSEDED_BELOW, tenant, request.customer_id, below, request.limit - len(found))
    return found + [record(request.tenant_id, row) for row in rows]


async def _current(link: Link, tenant_id: str, customer_id: str) -> SealedCustomer | None:
    found = await records(link, tenant_id, [customer_id], locked=False)
    held = found.get(customer_id)
    return None if held is None else held.record
