"""Answers to the requests that read records and idempotency answers, many at a time.

Reads of a batch that will write lock the rows they find, in the order of ids, so that two batches wait for
each other instead of working in vain. Nothing is known here of batches, transactions or failures.
"""

from collections.abc import Iterable
from functools import cache
from typing import Final
from uuid import UUID

import msgspec

from customary.app.ports import (
    ReadPage,
    ReadVersion,
    SealedCustomer,
    StoredAnswer,
    Tag,
)
from customary.storage.postgres.links import Link
from customary.storage.postgres.rows import instant_at, record, storable, tenant_of

TagKey = tuple[int, bytes]

RECORDS: Final = """
SELECT c.row_no, c.customer_id, c.customer_number, c.merchant_no, c.version, c.sealed, c.guarded,
       c.created_at, c.updated_at, k.wrapped
FROM customary.customers AS c
LEFT JOIN customary_keys.customer_keys AS k ON k.tenant_id = c.tenant_id AND k.row_no = c.row_no
WHERE c.tenant_id = $1 AND c.customer_id = ANY($2::text[])
"""
RECORDS_LOCKED: Final = RECORDS + "ORDER BY c.customer_id FOR NO KEY UPDATE OF c"
TAGGED: Final = """
SELECT u.kind, u.tag, c.row_no, c.customer_id, c.customer_number, c.merchant_no, c.version, c.sealed,
       c.guarded, c.created_at, c.updated_at, k.wrapped
FROM unnest($2::bigint[], $3::bytea[]) AS a (kind, tag)
JOIN customary.unique_tags AS u ON u.tenant_id = $1 AND u.kind = a.kind AND u.tag = a.tag
JOIN customary.customers AS c ON c.tenant_id = $1 AND c.row_no = u.row_no
LEFT JOIN customary_keys.customer_keys AS k ON k.tenant_id = $1 AND k.row_no = u.row_no
"""
# The tag's row, too: while this waited for the customer, the tag may have become another's.
TAGGED_LOCKED: Final = TAGGED + "ORDER BY c.customer_id FOR NO KEY UPDATE OF u, c"
ROWS: Final = """
SELECT c.row_no, c.customer_id, c.customer_number, c.merchant_no, c.version, c.sealed, c.guarded,
       c.created_at, c.updated_at, k.wrapped
FROM customary.customers AS c
LEFT JOIN customary_keys.customer_keys AS k ON k.tenant_id = c.tenant_id AND k.row_no = c.row_no
WHERE c.tenant_id = $1 AND c.row_no = ANY($2::bigint[])
"""
ANSWERS: Final = """
SELECT key_tag, request_tag, customer_id, version, at FROM customary.answers
WHERE tenant_id = $1 AND key_tag = ANY($2::bytea[])
"""
AT_VERSION: Final = """
SELECT c.row_no, c.customer_id, c.customer_number, c.merchant_no, v.version, v.sealed, v.guarded,
       c.created_at, v.updated_at, k.wrapped
FROM customary.customers AS c
JOIN customary.versions AS v ON v.tenant_id = c.tenant_id AND v.row_no = c.row_no
LEFT JOIN customary_keys.customer_keys AS k ON k.tenant_id = c.tenant_id AND k.row_no = c.row_no
WHERE c.tenant_id = $1 AND c.customer_id = $2 AND v.version = $3
"""
HOLDERS: Final = """
SELECT u.kind, u.tag, u.row_no, c.merchant_no
FROM unnest($2::bigint[], $3::bytea[]) AS a (kind, tag)
JOIN customary.unique_tags AS u ON u.tenant_id = $1 AND u.kind = a.kind AND u.tag = a.tag
JOIN customary.customers AS c ON c.tenant_id = $1 AND c.row_no = u.row_no
"""
TAGS_OF_ROW: Final = """
SELECT count(*) FROM unnest($2::bigint[], $3::bytea[]) AS a (kind, tag)
JOIN customary.tags AS t ON t.tenant_id = $1 AND t.kind = a.kind AND t.tag = a.tag AND t.row_no = $4
"""


class Held(msgspec.Struct, frozen=True, gc=False):
    """A record with the number of its row; a number below zero is one that is not given yet."""

    row_no: int
    record: SealedCustomer


async def records(link: Link, tenant_id: str, ids: Iterable[str], *, locked: bool) -> dict[str, Held]:
    """Return the records of these ids that exist, by id."""
    sql = RECORDS_LOCKED if locked else RECORDS
    rows = await link.fetch(sql, tenant_of(tenant_id), sorted(filter(storable, ids)))
    return {row["customer_id"]: Held(row["row_no"], record(tenant_id, row)) for row in rows}


async def tagged(link: Link, tenant_id: str, keys: Iterable[TagKey], *, locked: bool) -> dict[TagKey, Held]:
    """Return the records that hold these unique tags, by tag."""
    asked = list(keys)
    kinds, tags = [kind for kind, _ in asked], [tag for _, tag in asked]
    rows = await link.fetch(TAGGED_LOCKED if locked else TAGGED, tenant_of(tenant_id), kinds, tags)
    return {(row["kind"], row["tag"]): Held(row["row_no"], record(tenant_id, row)) for row in rows}


async def answers(link: Link, tenant_id: str, key_tags: Iterable[bytes]) -> dict[bytes, StoredAnswer]:
    """Return what is stored under these key tags, however old."""
    rows = await link.fetch(ANSWERS, tenant_of(tenant_id), list(key_tags))
    return {
        row["key_tag"]: StoredAnswer(
            tenant_id,
            row["key_tag"],
            row["request_tag"],
            row["customer_id"],
            row["version"],
            instant_at(row["at"]),
        )
        for row in rows
    }


async def read_version(link: Link, request: ReadVersion) -> SealedCustomer | None:
    """Return the record as it was at that version, which may be the current one."""
    current = await records(link, request.tenant_id, [request.customer_id], locked=False)
    held = current.get(request.customer_id)
    if held is None or held.record.version == request.version:
        return None if held is None else held.record
    tenant = tenant_of(request.tenant_id)
    row = await link.fetch_row(AT_VERSION, tenant, request.customer_id, request.version)
    return None if row is None else record(request.tenant_id, row)


# ── Pages ───────────────────────────────────────────────────────────────────────────────────────────────
#
# First the row numbers, from an index that covers them, then the records of the page: however far the offset,
# only the page's own records are touched.

_OF_TENANT: Final = "FROM customary.customers AS c WHERE c.tenant_id = $1"
_OF_MERCHANT: Final = "FROM customary.customers AS c WHERE c.tenant_id = $1 AND c.merchant_no = $2"
_TAGGED: Final = "FROM customary.tags AS c WHERE c.tenant_id = $1 AND c.kind = $2 AND c.tag = $3"
_TAGGED_OF_MERCHANT: Final = (
    "FROM customary.tags AS c JOIN customary.customers AS m"
    " ON m.tenant_id = c.tenant_id AND m.row_no = c.row_no"
    " WHERE c.tenant_id = $1 AND m.tenant_id = $1 AND m.merchant_no = $2 AND c.kind = $3 AND c.tag = $4"
)


@cache
def page_statements(tag_count: int, of_merchant: bool, newest_first: bool) -> tuple[str, str]:
    """Return the statements that list and that count the row numbers of a page, for this many tags.

    They depend on the shape of a question alone, never on a value. Arguments are the tenant, the merchant if
    there is one, kind and digest of each tag; and then, to list, limit and offset.
    """
    parts = [_TAGGED_OF_MERCHANT if of_merchant else _TAGGED]
    if not tag_count:
        parts = [_OF_MERCHANT if of_merchant else _OF_TENANT]
    place = (2 if of_merchant else 1) + (2 if tag_count else 0)
    for _ in range(1, tag_count):
        parts += (
            "AND EXISTS (SELECT FROM customary.tags AS t WHERE t.tenant_id = $1 AND t.row_no = c.row_no",
            f"AND t.kind = ${place + 1} AND t.tag = ${place + 2})",
        )
        place += 2
    order = "ORDER BY c.row_no DESC" if newest_first else "ORDER BY c.row_no"
    return (
        " ".join(("SELECT c.row_no", *parts, order, f"LIMIT ${place + 1} OFFSET ${place + 2}")),
        " ".join(("SELECT count(*)", *parts)),
    )


async def read_page(link: Link, request: ReadPage) -> tuple[list[SealedCustomer], int]:
    """Return the records of the page, and how many there are on all pages, or -1 where nobody asked."""
    tenant = tenant_of(request.tenant_id)
    if request.unique_tags:
        numbers = await _uniquely_tagged(link, tenant, request)
        total = len(numbers)
        numbers = numbers[request.offset : request.offset + request.limit]
    else:
        asked: list[object] = [tenant]
        if request.merchant_no is not None:
            asked.append(request.merchant_no)
        for tag in request.tags:
            asked += (tag.kind, tag.digest)
        of_merchant = request.merchant_no is not None
        listing, counting = page_statements(len(request.tags), of_merchant, request.newest_first)
        numbers = [row["row_no"] for row in await link.fetch(listing, *asked, request.limit, request.offset)]
        total = await link.value(counting, *asked) if request.counted else -1
    found = {row["row_no"]: row for row in await link.fetch(ROWS, tenant, numbers)} if numbers else {}
    page = [record(request.tenant_id, found[number]) for number in numbers if number in found]
    return page, total if request.counted else -1


async def _uniquely_tagged(link: Link, tenant: UUID, request: ReadPage) -> list[int]:
    """Return the number of the one row that holds all tags, or nothing."""
    wanted = {(tag.kind, tag.digest) for tag in request.unique_tags}
    kinds, tags = zip(*wanted, strict=True)
    rows = await link.fetch(HOLDERS, tenant, list(kinds), list(tags))
    numbers = {row["row_no"] for row in rows}
    if len(rows) != len(wanted) or len(numbers) != 1:
        return []
    if request.merchant_no is not None and rows[0]["merchant_no"] != request.merchant_no:
        return []
    others: set[Tag] = set(request.tags)
    if others:
        digests = [tag.digest for tag in others], [tag.kind for tag in others]
        held = await link.value(TAGS_OF_ROW, tenant, digests[1], digests[0], rows[0]["row_no"])
        if held != len(others):
            return []
    return [rows[0]["row_no"]]
