"""Answers to the requests that read the past of one record.

The current version is in ``customers``, those before it in ``versions``, clustered by row and version. Here
nothing is written, and nothing is known of batches, threads or failures.
"""

from apsw import Connection

from customary.app.ports import ReadRecord, ReadVersionAt, ReadVersions, SealedCustomer
from customary.storage.sqlite.reads import read_record
from customary.storage.sqlite.rows import microseconds, packed, record

_SUPERSEDED = """
SELECT c.customer_id, c.customer_number, c.merchant_no, v.version, v.sealed, v.guarded, c.created_at,
       v.updated_at, k.wrapped
FROM customers AS c CROSS JOIN versions AS v ON v.row_no = c.row_no
     LEFT JOIN customer_keys AS k ON k.row_no = c.row_no
WHERE c.tenant_id = ? AND c.customer_id = ?
"""
# No index by instant, which every change would pay for: what is asked about is mostly not long ago, and to
# pass over a thousand versions takes a fraction of a millisecond (bench/history.py).
SUPERSEDED_AT = f"{_SUPERSEDED} AND v.updated_at <= ? ORDER BY v.version DESC LIMIT 1"
SUPERSEDED_BELOW = f"{_SUPERSEDED} AND v.version < ? ORDER BY v.version DESC LIMIT ?"


def read_version_at(connection: Connection, request: ReadVersionAt) -> SealedCustomer | None:
    """Return the version that was current at an instant."""
    current = read_record(connection, ReadRecord(request.tenant_id, request.customer_id))
    if current is None or current.updated_at <= request.at:
        return current
    asked = (packed(request.tenant_id), request.customer_id, microseconds(request.at))
    row = connection.execute(SUPERSEDED_AT, asked).fetchone()
    return None if row is None else record(request.tenant_id, row)


def read_versions(connection: Connection, request: ReadVersions) -> list[SealedCustomer]:
    """Return versions of a record, newest first."""
    current = read_record(connection, ReadRecord(request.tenant_id, request.customer_id))
    if current is None:
        return []
    below = current.version if request.below is None else min(request.below, current.version)
    is_asked_for = request.below is None or current.version < request.below
    found = [current] if is_asked_for and request.limit > 0 else []
    asked = (packed(request.tenant_id), request.customer_id, below, request.limit - len(found))
    return found + [record(request.tenant_id, row) for row in connection.execute(SUPERSEDED_BELOW, asked)]
