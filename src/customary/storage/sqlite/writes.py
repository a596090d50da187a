"""What writing requests do to the rows of records, their leaves, and answers.

A refusal (``TagTaken``, ``Outdated``) leaves no trace of its request, so that the job may go on
in the same transaction. Nothing is known here of batches, threads or failures.
"""

from apsw import Connection

from customary.app.ports import SealedCustomer, Sweep, Tag, TagTaken, Write
from customary.domain.errors import Outdated
from customary.storage.sqlite.rows import microseconds, owner

# The row number of a new customer comes from its key: the keys are committed first (see files.writing), so
# a key that was left behind by an interrupted commit keeps its number and is never replaced.
ADD_KEY = "INSERT INTO customer_keys (wrapped) VALUES (?)"
# A key is overwritten in its place, never deleted: where rows of one length are only added and overwritten,
# SQLite moves none to another page, and so leaves no copy of one behind. The number stays used.
DROP_KEY = "UPDATE customer_keys SET wrapped = zeroblob(length(wrapped)) WHERE row_no = ?"
KEY = "SELECT wrapped FROM customer_keys WHERE row_no = ?"
ADD_CUSTOMER = """
INSERT INTO customers (row_no, tenant_id, customer_id, customer_number, merchant_no, version, created_at,
                       updated_at, sealed, guarded)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10
WHERE NOT EXISTS (SELECT 1 FROM tombstones WHERE tenant_id = ?2 AND customer_id = ?3)
ON CONFLICT (tenant_id, customer_id) DO NOTHING
"""
CURRENT = "SELECT row_no, version FROM customers WHERE tenant_id = ? AND customer_id = ?"
KEEP_VERSION = """
INSERT INTO versions (row_no, version, updated_at, sealed, guarded)
SELECT row_no, version, updated_at, sealed, guarded FROM customers WHERE row_no = ? AND tenant_id = ?
"""
REPLACE_CUSTOMER = """
UPDATE customers
SET customer_number = ?, merchant_no = ?, version = ?, updated_at = ?, sealed = ?, guarded = ?
WHERE row_no = ? AND tenant_id = ?
"""
ADD_UNIQUE_TAG = """
INSERT INTO unique_tags (tenant_id, kind, tag, row_no) VALUES (?, ?, ?, ?)
ON CONFLICT (tenant_id, kind, tag) DO NOTHING
"""
HOLDER = "SELECT row_no FROM unique_tags WHERE tenant_id = ? AND kind = ? AND tag = ?"
DROP_UNIQUE_TAG = "DELETE FROM unique_tags WHERE tenant_id = ? AND kind = ? AND tag = ? AND row_no = ?"
ADD_TAG = "INSERT OR IGNORE INTO tags (tenant_id, kind, tag, row_no) VALUES (?, ?, ?, ?)"
DROP_TAG = "DELETE FROM tags WHERE tenant_id = ? AND kind = ? AND tag = ? AND row_no = ?"
ADD_LEAF = "INSERT INTO leaves (tenant_id, at, body) VALUES (?, ?, ?)"
ADD_ANNOUNCEMENT = "INSERT INTO outbox (tenant_id, at, body) VALUES (?, ?, ?)"
# Replaces an answer that is too old to be replayed; a live one would have been read by the same job.
ADD_ANSWER = """
INSERT INTO answers (tenant_id, key_tag, request_tag, customer_id, version, at) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (tenant_id, key_tag) DO UPDATE SET request_tag = excluded.request_tag,
    customer_id = excluded.customer_id, version = excluded.version, at = excluded.at
"""
SWEEP_SOME = """
DELETE FROM answers WHERE (tenant_id, key_tag) IN
    (SELECT tenant_id, key_tag FROM answers INDEXED BY answers_by_age WHERE at < ? ORDER BY at LIMIT ?)
"""


def write(connection: Connection, request: Write) -> None:
    """Store everything that one use case stores."""
    execute = connection.execute
    record = request.record
    if record is not None:
        tenant = owner(request.tenant_id)
        if request.replaces is None:
            row_no = _added(connection, tenant, record, request.unique_tags)
        else:
            row_no = _replaced(connection, tenant, record, request)
        for tag in request.tags:
            execute(ADD_TAG, (tenant, tag.kind, tag.digest, row_no))
    for leaf in request.leaves:
        execute(ADD_LEAF, (owner(leaf.tenant_id), microseconds(leaf.at), leaf.body))
    for due in request.outbox:
        execute(ADD_ANNOUNCEMENT, (owner(due.tenant_id), microseconds(due.at), due.body))
    answer = request.answer
    if answer is not None:
        kept = (owner(answer.tenant_id), answer.key_tag, answer.request_tag, answer.customer_id)
        execute(ADD_ANSWER, (*kept, answer.version, microseconds(answer.at)))


def _added(
    connection: Connection, tenant: bytes, record: SealedCustomer, unique_tags: tuple[Tag, ...]
) -> int:
    """Store a new record with its key and unique tags; return its row number."""
    execute = connection.execute
    execute(ADD_KEY, (record.wrapped_key,))
    row_no = connection.last_insert_rowid()
    try:
        add_unique_tags(connection, tenant, row_no, unique_tags)
    except TagTaken:
        execute(DROP_KEY, (row_no,))
        raise
    row = (
        row_no,
        tenant,
        record.customer_id,
        record.customer_number,
        record.merchant_no,
        record.version,
        microseconds(record.created_at),
        microseconds(record.updated_at),
        record.sealed,
        record.guarded,
    )
    execute(ADD_CUSTOMER, row)
    if not connection.changes():
        for tag in unique_tags:
            execute(DROP_UNIQUE_TAG, (tenant, tag.kind, tag.digest, row_no))
        execute(DROP_KEY, (row_no,))
        raise Outdated(detail="a record or a tombstone of that id exists")
    return row_no


def _replaced(connection: Connection, tenant: bytes, record: SealedCustomer, request: Write) -> int:
    """Keep the stored version, store the next one, and move the tags; return the row number."""
    execute = connection.execute
    current = execute(CURRENT, (tenant, record.customer_id)).fetchone()
    if current is None or current[1] != request.replaces:
        raise Outdated(detail="another version is stored")
    row_no: int = current[0]
    # What was sealed under a key that was wrapped or drawn anew since, or destroyed, must not be stored.
    if execute(KEY, (row_no,)).get != record.wrapped_key:
        raise Outdated(detail="another key is stored")
    add_unique_tags(connection, tenant, row_no, request.unique_tags)
    for tag in request.unique_tags_dropped:
        if tag not in request.unique_tags:
            execute(DROP_UNIQUE_TAG, (tenant, tag.kind, tag.digest, row_no))
    for tag in request.tags_dropped:
        execute(DROP_TAG, (tenant, tag.kind, tag.digest, row_no))
    execute(KEEP_VERSION, (row_no, tenant))
    row = (
        record.customer_number,
        record.merchant_no,
        record.version,
        microseconds(record.updated_at),
        record.sealed,
        record.guarded,
        row_no,
        tenant,
    )
    execute(REPLACE_CUSTOMER, row)
    return row_no


def add_unique_tags(connection: Connection, tenant: bytes, row_no: int, tags: tuple[Tag, ...]) -> None:
    """Give the unique tags to this row, all or none."""
    execute = connection.execute
    added: list[Tag] = []
    for tag in tags:
        execute(ADD_UNIQUE_TAG, (tenant, tag.kind, tag.digest, row_no))
        if connection.changes():
            added.append(tag)
        elif execute(HOLDER, (tenant, tag.kind, tag.digest)).get != row_no:
            for undone in added:
                execute(DROP_UNIQUE_TAG, (tenant, undone.kind, undone.digest, row_no))
            raise TagTaken(tag.kind)


def sweep(connection: Connection, request: Sweep) -> int:
    """Delete old answers, oldest first; return how many went."""
    connection.execute(SWEEP_SOME, (microseconds(request.answers_before), request.limit))
    return connection.changes()
