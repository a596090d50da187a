"""Answers to the requests that read records and answers.

The statements name tables of both databases: whichever is the connection's main one, no name is in both.
Here nothing is written, and nothing is known of batches, threads or failures.
"""

from functools import cache

from apsw import Connection

from customary.app.ports import (
    OutboxRow,
    ReadAnnouncements,
    ReadAnswer,
    ReadPage,
    ReadRecord,
    ReadTagged,
    ReadVersion,
    SealedCustomer,
    StoredAnswer,
    Tag,
)
from customary.domain.errors import NotFound
from customary.storage.sqlite.rows import instant_at, microseconds, packed, record

RECORD_BY_ID = """
SELECT c.customer_id, c.customer_number, c.merchant_no, c.version, c.sealed, c.guarded, c.created_at,
       c.updated_at, k.wrapped,
       EXISTS (SELECT 1 FROM versions AS o WHERE o.row_no = c.row_no AND o.version >= c.version) AS overtaken
FROM customers AS c LEFT JOIN customer_keys AS k ON k.row_no = c.row_no
WHERE c.tenant_id = ?1 AND c.customer_id = ?2 AND (?3 IS NULL OR c.merchant_no = ?3)
"""
RECORD_BY_TAG = """
SELECT c.customer_id, c.customer_number, c.merchant_no, c.version, c.sealed, c.guarded, c.created_at,
       c.updated_at, k.wrapped,
       EXISTS (SELECT 1 FROM versions AS o WHERE o.row_no = c.row_no AND o.version >= c.version) AS overtaken
FROM unique_tags AS u CROSS JOIN customers AS c ON c.row_no = u.row_no
     LEFT JOIN customer_keys AS k ON k.row_no = c.row_no
WHERE u.tenant_id = ? AND u.kind = ? AND u.tag = ?
"""
RECORD_BY_ROW = """
SELECT c.customer_id, c.customer_number, c.merchant_no, c.version, c.sealed, c.guarded, c.created_at,
       c.updated_at, k.wrapped,
       EXISTS (SELECT 1 FROM versions AS o WHERE o.row_no = c.row_no AND o.version >= c.version) AS overtaken
FROM customers AS c LEFT JOIN customer_keys AS k ON k.row_no = c.row_no
WHERE c.tenant_id = ? AND c.row_no = ?
"""
RECORD_AT_VERSION = """
SELECT c.customer_id, c.customer_number, c.merchant_no, v.version, v.sealed, v.guarded, c.created_at,
       v.updated_at, k.wrapped
FROM customers AS c CROSS JOIN versions AS v ON v.row_no = c.row_no
     LEFT JOIN customer_keys AS k ON k.row_no = c.row_no
WHERE c.tenant_id = ? AND c.customer_id = ? AND v.version = ?
"""
ROW_OF_UNIQUE_TAG = "SELECT row_no FROM unique_tags WHERE tenant_id = ? AND kind = ? AND tag = ?"
MERCHANT_OF_ROW = "SELECT merchant_no FROM customers WHERE tenant_id = ? AND row_no = ?"
ROW_OF_CUSTOMER = """
SELECT row_no FROM customers WHERE tenant_id = ?1 AND customer_id = ?2 AND (?3 IS NULL OR merchant_no = ?3)
"""
HAS_TAG = "SELECT 1 FROM tags WHERE tenant_id = ? AND kind = ? AND tag = ? AND row_no = ?"
ANNOUNCEMENT = "SELECT at, body FROM outbox WHERE entry_no = ? AND tenant_id = ?"
ANSWER = """
SELECT key_tag, request_tag, customer_id, version, at FROM answers
WHERE tenant_id = ? AND key_tag = ? AND at >= ?
"""


def read_record(connection: Connection, request: ReadRecord) -> SealedCustomer | None:
    """Return the record of that id."""
    asked = (packed(request.tenant_id), request.customer_id, request.merchant_no)
    row = connection.execute(RECORD_BY_ID, asked).fetchone()
    return None if row is None else record(request.tenant_id, row)


def read_tagged(connection: Connection, request: ReadTagged) -> SealedCustomer | None:
    """Return the record that holds this unique tag."""
    tag = request.tag
    row = connection.execute(RECORD_BY_TAG, (packed(request.tenant_id), tag.kind, tag.digest)).fetchone()
    return None if row is None else record(request.tenant_id, row)


def read_version(connection: Connection, request: ReadVersion) -> SealedCustomer | None:
    """Return the record as it was at that version, which may be the current one."""
    tenant = packed(request.tenant_id)
    row = connection.execute(RECORD_BY_ID, (tenant, request.customer_id, None)).fetchone()
    if row is None:
        return None
    current = record(request.tenant_id, row)
    if current.version == request.version:
        return current
    asked = (tenant, request.customer_id, request.version)
    row = connection.execute(RECORD_AT_VERSION, asked).fetchone()
    return None if row is None else record(request.tenant_id, row)


# ── Pages ───────────────────────────────────────────────────────────────────────────────────────────────
#
# First the row numbers, from an index that covers them, then the records of the page one by one: however far
# the offset, only the page's own records are touched.

_OF_TENANT = "FROM customers AS c INDEXED BY customers_of_tenant WHERE c.tenant_id = :tenant"
_OF_MERCHANT = (
    "FROM customers AS c INDEXED BY customers_of_merchant"
    " WHERE c.tenant_id = :tenant AND c.merchant_no = :merchant"
)
_TAGGED = "FROM tags AS c WHERE c.tenant_id = :tenant AND c.kind = :kind0 AND c.tag = :tag0"
_TAGGED_OF_MERCHANT = (
    "FROM tags AS c CROSS JOIN customers AS m ON m.row_no = c.row_no"
    " WHERE c.tenant_id = :tenant AND m.tenant_id = :tenant AND m.merchant_no = :merchant"
    " AND c.kind = :kind0 AND c.tag = :tag0"
)


@cache
def page_statements(
    tag_count: int, of_merchant: bool, newest_first: bool, behind: bool = False
) -> tuple[str, str]:
    """Return the statements that list and that count the row numbers of a page, for this many tags.

    They depend on the shape of a question alone, never on a value.
    """
    parts = [_TAGGED_OF_MERCHANT if of_merchant else _TAGGED]
    if not tag_count:
        parts = [_OF_MERCHANT if of_merchant else _OF_TENANT]
    for number in range(1, tag_count):
        parts += (
            "AND EXISTS (SELECT 1 FROM tags AS t WHERE t.tenant_id = :tenant AND t.row_no = c.row_no",
            f"AND t.kind = :kind{number} AND t.tag = :tag{number})",
        )
    order = "ORDER BY c.row_no DESC" if newest_first else "ORDER BY c.row_no"
    start = f"AND c.row_no {'<' if newest_first else '>'} :behind" if behind else ""
    return (
        " ".join(("SELECT c.row_no", *parts, start, order, "LIMIT :limit OFFSET :offset")),
        " ".join(("SELECT count(*)", *parts)),
    )


def read_page(connection: Connection, request: ReadPage) -> tuple[list[SealedCustomer], int]:
    """Return the records of the page, and how many there are on all pages, or -1 where nobody asked."""
    tenant = packed(request.tenant_id)
    behind = None if request.after is None else _row_behind(connection, tenant, request)
    if request.unique_tags or request.unique_tags_any:
        numbers = _uniquely_tagged(connection, tenant, request)
        total = len(numbers)
        if behind is not None:
            numbers = [one for one in numbers if (one < behind if request.newest_first else one > behind)]
        numbers = numbers[request.offset : request.offset + request.limit]
    else:
        listing, counting = page_statements(
            len(request.tags), request.merchant_no is not None, request.newest_first, behind is not None
        )
        asked: dict[str, str | bytes | int | None] = {
            "tenant": tenant,
            "merchant": request.merchant_no,
            "limit": request.limit,
            "offset": request.offset,
            "behind": behind,
        }
        for number, tag in enumerate(request.tags):
            asked[f"kind{number}"] = tag.kind
            asked[f"tag{number}"] = tag.digest
        numbers = [row_no for (row_no,) in connection.execute(listing, asked)]
        total = connection.execute(counting, asked).get if request.counted else -1
    records = [
        record(request.tenant_id, row)
        for row_no in numbers
        for row in connection.execute(RECORD_BY_ROW, (tenant, row_no))
    ]
    return records, total if request.counted else -1


def _row_behind(connection: Connection, tenant: bytes, request: ReadPage) -> int:
    """Return the number of the row that a page comes after."""
    asked = (tenant, request.after, request.merchant_no)
    row_no: int | None = connection.execute(ROW_OF_CUSTOMER, asked).get
    if row_no is None:
        raise NotFound
    return row_no


def _uniquely_tagged(connection: Connection, tenant: bytes, request: ReadPage) -> list[int]:
    """Return the numbers of the rows that hold all tags and one of those of which one is enough, in order."""

    def holders(tags: tuple[Tag, ...]) -> set[int]:
        rows = [connection.execute(ROW_OF_UNIQUE_TAG, (tenant, tag.kind, tag.digest)).get for tag in tags]
        return {row_no for row_no in rows if row_no is not None}

    found = holders(request.unique_tags[:1] or request.unique_tags_any)
    for tag in request.unique_tags[1:]:
        found &= holders((tag,))
    if request.unique_tags and request.unique_tags_any:
        found &= holders(request.unique_tags_any)
    return sorted(
        (row_no for row_no in found if _is_asked_for(connection, tenant, row_no, request)),
        reverse=request.newest_first,
    )


def _is_asked_for(connection: Connection, tenant: bytes, row_no: int, request: ReadPage) -> bool:
    """Return whether a row is of the merchant and holds the tags that are not unique."""
    if request.merchant_no is not None:
        merchant_no = connection.execute(MERCHANT_OF_ROW, (tenant, row_no)).get
        if merchant_no != request.merchant_no:
            return False
    return all(
        connection.execute(HAS_TAG, (tenant, tag.kind, tag.digest, row_no)).fetchone() is not None
        for tag in request.tags
    )


# ── Answers ───────────────────────────────────────────────────────────────────────────────


def read_answer(connection: Connection, request: ReadAnswer) -> StoredAnswer | None:
    """Return the stored answer under that key tag, unless it is too old."""
    asked = (packed(request.tenant_id), request.key_tag, microseconds(request.since))
    row = connection.execute(ANSWER, asked).fetchone()
    if row is None:
        return None
    key_tag, request_tag, customer_id, version, at = row
    return StoredAnswer(request.tenant_id, key_tag, request_tag, customer_id, version, instant_at(at))


def read_announcements(connection: Connection, request: ReadAnnouncements) -> list[OutboxRow]:
    """Return entries of the outbox by their numbers."""
    tenant = packed(request.tenant_id)
    return [
        OutboxRow(request.tenant_id, instant_at(at), body)
        for entry_no in request.entry_nos
        for at, body in connection.execute(ANNOUNCEMENT, (entry_no, tenant))
    ]
