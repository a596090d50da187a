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
from customary.domain.errors import NotFound
from customary.storage.postgres.links import Link
from customary.storage.postgres.rows import instant_at, record, storable, tenant_of

TagKey = tuple[int, bytes]

RECORDS: Final = """
SELECT c.row_no, c.customer_id, c.customer_number, c.merchant_no, c.version, c.sealed, c.guarded,
       c.created_at, c.updated_at, k.wrapped,
       EXISTS (SELECT 1 FROM customary.versions AS o
               WHERE o.tenant_id = c.tenant_id AND o.row_no = c.row_no
                 AND o.version >= c.version) AS overtaken
FROM customary.customers AS c
LEFT JOIN customary_keys.customer_keys AS k ON k.tenant_id = c.tenant_id AND k.row_no = c.row_no
WHERE c.tenant_id = $1 AND c.customer_id = ANY($2::text[])
"""
RECORDS_LOCKED: Final = RECORDS + "ORDER BY c.customer_id FOR NO KEY UPDATE OF c"
TAGGED: Final = """
SELECT u.kind, u.tag, c.row_no, c.customer_id, c.customer_number, c.merchant_no, c.version, c.sealed,
       c.guarded, c.created_at, c.updated_at, k.wrapped,
       EXISTS (SELECT 1 FROM customary.versions AS o
               WHERE o.tenant_id = c.tenant_id AND o.row_no = c.row_no
                 AND o.version >= c.version) AS overtaken
FROM unnest($2::bigint[], $3::bytea[]) AS a (kind, tag)
JOIN customary.unique_tags AS u ON u.tenant_id = $1 AND u.kind = a.kind AND u.tag = a.tag
JOIN customary.customers AS c ON c.tenant_id = $1 AND c.row_no = u.row_no
LEFT JOIN customary_keys.customer_keys AS k ON k.tenant_id = $1 AND k.row_no = u.row_no
"""
# The tag's row, too: while this waited for the customer, the tag may have become another's.
TAGGED_LOCKED: Final = TAGGED + "ORDER BY c.customer_id FOR NO KEY UPDATE OF u, c"
ROWS: Final = """
SELECT c.row_no, c.customer_id, c.customer_number, c.merchant_no, c.version, c.sealed, c.guarded,
       c.created_at, c.updated_at, k.wrapped,
       EXISTS (SELECT 1 FROM customary.versions AS o
               WHERE o.tenant_id = c.tenant_id AND o.row_no = c.row_no
                 AND o.version >= c.version) AS overtaken
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
TAGS_OF_ROWS: Final = """
SELECT t.row_no, count(*) AS held FROM unnest($2::bigint[], $3::bytea[]) AS a (kind, tag)
JOIN customary.tags AS t ON t.tenant_id = $1 AND t.kind = a.kind AND t.tag = a.tag
WHERE t.row_no = ANY($4::bigint[]) GROUP BY t.row_no
"""
ROW_OF_CUSTOMER: Final = """
SELECT row_no FROM customary.customers
WHERE tenant_id = $1 AND customer_id = $2 AND ($3::bigint IS NULL OR merchant_no = $3)
"""
BURIED: Final = """
SELECT customer_id FROM customary.tombstones WHERE tenant_id = $1 AND customer_id = ANY($2::text[])
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


async def buried(link: Link, tenant_id: str, ids: Iterable[str]) -> set[str]:
    """Return which of these ids have a tombstone."""
    rows = await link.fetch(BURIED, tenant_of(tenant_id), sorted(filter(storable, ids)))
    return {row["customer_id"] for row in rows}


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
def page_statements(
    tag_count: int, of_merchant: bool, newest_first: bool, behind: bool = False
) -> tuple[str, str]:
    """Return the statements that list and that count the row numbers of a page, for this many tags.

    They depend on the shape of a question alone, never on a value. Arguments are the tenant, the merchant if
    there is one, kind and digest of each tag; and then, to list, limit, offset and the row that the page is
    ``behind``, if it is behind one.
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
    start = f"AND c.row_no {'<' if newest_first else '>'} ${place + 3}" if behind else ""
    return (
        " ".join(("SELECT c.row_no", *parts, start, order, f"LIMIT ${place + 1} OFFSET ${place + 2}")),
        " ".join(("SELECT count(*)", *parts)),
    )


async def read_page(link: Link, request: ReadPage) -> tuple[list[SealedCustomer], int]:
    """Return the records of the page, and how many there are on all pages, or -1 where nobody asked."""
    tenant = tenant_of(request.tenant_id)
    behind = None if request.after is None else await _row_behind(link, tenant, request)
    if request.unique_tags or request.unique_tags_any:
        numbers = await _uniquely_tagged(link, tenant, request)
        total = len(numbers)
        if behind is not None:
            numbers = [one for one in numbers if (one < behind if request.newest_first else one > behind)]
        numbers = numbers[request.offset : request.offset + request.limit]
    else:
        asked: list[object] = [tenant]
        if request.merchant_no is not None:
            asked.append(request.merchant_no)
        for tag in request.tags:
            asked += (tag.kind, tag.digest)
        listing, counting = page_statements(
            len(request.tags), request.merchant_no is not None, request.newest_first, behind is not None
        )
        place = [] if behind is None else [behind]
        rows = await link.fetch(listing, *asked, request.limit, request.offset, *place)
        numbers = [row["row_no"] for row in rows]
        total = await link.value(counting, *asked) if request.counted else -1
    found = {row["row_no"]: row for row in await link.fetch(ROWS, tenant, numbers)} if numbers else {}
    page = [record(request.tenant_id, found[number]) for number in numbers if number in found]
    return page, total if request.counted else -1


async def _row_behind(link: Link, tenant: UUID, request: ReadPage) -> int:
    """Return the number of the row that a page comes after."""
    after = request.after
    row_no: int | None = None
    if after is not None and storable(after):
        row_no = await link.value(ROW_OF_CUSTOMER, tenant, after, request.merchant_no)
    if row_no is None:
        raise NotFound
    return row_no


async def _uniquely_tagged(link: Link, tenant: UUID, request: ReadPage) -> list[int]:
    """Return the numbers of the rows that hold all tags and one of those of which one is enough, in order."""
    every = {(tag.kind, tag.digest) for tag in request.unique_tags}
    either = {(tag.kind, tag.digest) for tag in request.unique_tags_any}
    asked = list(every | either)
    rows = await link.fetch(HOLDERS, tenant, [kind for kind, _ in asked], [tag for _, tag in asked])
    held: dict[int, set[TagKey]] = {}
    for row in rows:
        if request.merchant_no in (None, row["merchant_no"]):
            held.setdefault(row["row_no"], set()).add((row["kind"], row["tag"]))
    numbers = [row_no for row_no, tags in held.items() if tags >= every and (not either or tags & either)]
    others: set[Tag] = set(request.tags)
    if others and numbers:
        kinds, digests = [tag.kind for tag in others], [tag.digest for tag in others]
        counts = await link.fetch(TAGS_OF_ROWS, tenant, kinds, digests, numbers)
        whole = {row["row_no"] for row in counts if row["held"] == len(others)}
        numbers = [row_no for row_no in numbers if row_no in whole]
    return sorted(numbers, reverse=request.newest_first)
