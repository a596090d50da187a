"""Erasing a record, and what stays behind: tombstones, kept parts, holds and rules; read and written.

A key is overwritten in its place, and nothing of it is left in any page; what the logs still hold is cut off
later (``checkpoints``). Of sealed bytes, which nothing opens without the key, ``secure_delete`` overwrites
all but stretches that SQLite may have left in unused parts of pages when it moved rows: a VACUUM ends these.
Nothing is known here of what a part, a rule or a certificate says.
"""

from typing import Any

from apsw import Connection

from customary.app.ports import (
    Destroy,
    Destroyed,
    DropHold,
    DropKept,
    Erasable,
    HoldRow,
    KeptKeyRow,
    KeptRow,
    LeafRow,
    MarkScrubbed,
    ReadAnswersOf,
    ReadErasable,
    ReadErased,
    ReadHold,
    ReadKept,
    ReadKeptKeys,
    ReadMentions,
    ReadRules,
    ReadTombstone,
    ReadTombstones,
    ReadUnscrubbed,
    RewrapKeptKeys,
    SealedCustomer,
    TombstoneRow,
    WriteHold,
    WriteRules,
    WriteTombstone,
)
from customary.domain.errors import Conflict, Outdated
from customary.storage.sqlite.reads import RECORD_BY_ID
from customary.storage.sqlite.rows import instant_at, microseconds, owner, packed, record, unpacked
from customary.storage.sqlite.writes import ADD_LEAF, CURRENT, DROP_KEY, DROP_TAG, DROP_UNIQUE_TAG

SUPERSEDED_COUNT = """
SELECT count(*) FROM versions
WHERE row_no = (SELECT row_no FROM customers WHERE tenant_id = ? AND customer_id = ?)
"""
SUPERSEDED = """
SELECT c.customer_id, c.customer_number, c.merchant_no, v.version, v.sealed, v.guarded, c.created_at,
       v.updated_at, k.wrapped
FROM customers AS c CROSS JOIN versions AS v ON v.row_no = c.row_no
     LEFT JOIN customer_keys AS k ON k.row_no = c.row_no
WHERE c.tenant_id = ? AND c.customer_id = ? ORDER BY v.version
"""
HOLD = "SELECT at, actor, sealed_reason FROM holds WHERE tenant_id = ? AND customer_id = ?"
ADD_HOLD = "INSERT INTO holds (tenant_id, customer_id, at, actor, sealed_reason) VALUES (?, ?, ?, ?, ?)"
DROP_HOLD = "DELETE FROM holds WHERE tenant_id = ? AND customer_id = ?"
RULES = "SELECT rules FROM retention WHERE tenant_id = ?"
KEEP_RULES = """
INSERT INTO retention (tenant_id, rules) VALUES (?, ?)
ON CONFLICT (tenant_id) DO UPDATE SET rules = excluded.rules
"""
# Both are looked through a stretch at a time: an index by customer would cost every create.
ANSWERS_AFTER = """
SELECT key_tag, customer_id FROM answers WHERE tenant_id = ? AND key_tag > ? ORDER BY key_tag LIMIT ?
"""
MENTIONS_AFTER = """
SELECT entry_no, tenant_id = ?1 AND instr(body, CAST(?2 AS BLOB)) > 0 FROM outbox
WHERE entry_no > ?3 ORDER BY entry_no LIMIT ?4
"""
DROP_CUSTOMER = "DELETE FROM customers WHERE row_no = ? AND tenant_id = ?"
DROP_VERSIONS = "DELETE FROM versions WHERE row_no = ?"
DROP_ALL_TAGS = "DELETE FROM tags WHERE tenant_id = ? AND row_no = ?"
DROP_ALL_UNIQUE_TAGS = "DELETE FROM unique_tags WHERE tenant_id = ? AND row_no = ?"
DROP_ANSWER = "DELETE FROM answers WHERE tenant_id = ? AND key_tag = ? AND customer_id = ?"
DROP_NEW_ANSWERS = """
DELETE FROM answers WHERE (tenant_id, key_tag) IN
    (SELECT tenant_id, key_tag FROM answers INDEXED BY answers_by_age
     WHERE at >= ?1 AND tenant_id = ?2 AND customer_id = ?3)
"""
DROP_ENTRY = "DELETE FROM outbox WHERE entry_no = ? AND tenant_id = ?"
DROP_NEW_MENTIONS = """
DELETE FROM outbox WHERE entry_no > ? AND tenant_id = ? AND instr(body, CAST(? AS BLOB)) > 0
"""
_TOMBSTONE = """
SELECT tenant_id, customer_id, customer_number, merchant_no, number, at, certificate, key_tag, request_tag,
       scrubbed
FROM tombstones
"""
TOMBSTONE = f"{_TOMBSTONE} WHERE tenant_id = ? AND customer_id = ?"
TOMBSTONE_NUMBERED = f"{_TOMBSTONE} WHERE tenant_id = ? AND number = ?"
TOMBSTONES = f"{_TOMBSTONE} WHERE tenant_id = ? AND number > ? ORDER BY number LIMIT ?"
ADD_TOMBSTONE = """
INSERT INTO tombstones (tenant_id, customer_id, customer_number, merchant_no, number, at, certificate,
                        key_tag, request_tag, scrubbed)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
ERASED = "SELECT tenant_id, number FROM tombstones"
UNSCRUBBED = "SELECT tenant_id, customer_id FROM tombstones WHERE scrubbed = 0 LIMIT ?"
SET_SCRUBBED = "UPDATE tombstones SET scrubbed = ? WHERE tenant_id = ? AND customer_id = ?"
_KEPT = """
SELECT p.tenant_id, p.customer_id, p.part, p.until, k.wrapped, p.sealed
FROM kept AS p LEFT JOIN kept_keys AS k ON k.key_no = p.key_no
"""
KEPT = f"{_KEPT} WHERE p.tenant_id = ? AND p.customer_id = ? ORDER BY p.part"
KEPT_DUE = f"{_KEPT} WHERE p.until <= ? ORDER BY p.until LIMIT ?"
ADD_KEPT_KEY = "INSERT INTO kept_keys (wrapped) VALUES (?)"
ADD_KEPT = """
INSERT INTO kept (tenant_id, customer_id, part, until, key_no, sealed) VALUES (?, ?, ?, ?, ?, ?)
"""
KEPT_KEYS = """
SELECT p.customer_id, p.part, k.wrapped FROM kept AS p CROSS JOIN kept_keys AS k ON k.key_no = p.key_no
WHERE p.tenant_id = ?
"""
REWRAP_KEPT_KEY = """
UPDATE kept_keys SET wrapped = ?1 WHERE wrapped = ?2
    AND key_no = (SELECT key_no FROM kept WHERE tenant_id = ?3 AND customer_id = ?4 AND part = ?5)
"""
KEY_OF_KEPT = "SELECT key_no FROM kept WHERE tenant_id = ? AND customer_id = ? AND part = ?"
DROP_KEPT_KEY = "UPDATE kept_keys SET wrapped = zeroblob(length(wrapped)) WHERE key_no = ?"
DROP_KEPT = "DELETE FROM kept WHERE tenant_id = ? AND customer_id = ? AND part = ?"


# ── Reading ─────────────────────────────────────────────────────────────────────────────────────────────


def read_erasable(connection: Connection, request: ReadErasable) -> Erasable | None:
    """Return the record of that id with what an erasure must know of it."""
    asked = (packed(request.tenant_id), request.customer_id)
    row = connection.execute(RECORD_BY_ID, (*asked, None)).fetchone()
    if row is None:
        return None
    superseded: tuple[SealedCustomer, ...] = ()
    if request.whole:
        superseded = tuple(record(request.tenant_id, one) for one in connection.execute(SUPERSEDED, asked))
        count = len(superseded)
    else:
        count = connection.execute(SUPERSEDED_COUNT, asked).get
    hold = read_hold(connection, ReadHold(request.tenant_id, request.customer_id))
    return Erasable(record(request.tenant_id, row), count, superseded, hold)


def read_hold(connection: Connection, request: ReadHold) -> HoldRow | None:
    """Return the hold on that customer."""
    row = connection.execute(HOLD, (packed(request.tenant_id), request.customer_id)).fetchone()
    if row is None:
        return None
    at, actor, sealed_reason = row
    return HoldRow(request.tenant_id, request.customer_id, instant_at(at), actor, sealed_reason)


def read_rules(connection: Connection, request: ReadRules) -> bytes | None:
    """Return the retention rules of a tenant."""
    rules: bytes | None = connection.execute(RULES, (packed(request.tenant_id),)).get
    return rules


def read_answers_of(connection: Connection, request: ReadAnswersOf) -> tuple[list[bytes], bytes | None]:
    """Return which of the next answers led to that customer, and where to go on."""
    asked = (packed(request.tenant_id), request.after, request.limit)
    rows: list[Any] = connection.execute(ANSWERS_AFTER, asked).fetchall()
    found = [key_tag for key_tag, customer_id in rows if customer_id == request.customer_id]
    return found, rows[-1][0] if rows else None


def read_mentions(connection: Connection, request: ReadMentions) -> tuple[list[int], int | None]:
    """Return which of the next outbox entries contain that text, and where to go on."""
    asked = (packed(request.tenant_id), request.text, request.after, request.limit)
    rows: list[Any] = connection.execute(MENTIONS_AFTER, asked).fetchall()
    return [entry_no for entry_no, mentions in rows if mentions], rows[-1][0] if rows else None


def read_tombstone(connection: Connection, request: ReadTombstone) -> TombstoneRow | None:
    """Return the tombstone of that id, or of that erasure."""
    tenant = packed(request.tenant_id)
    if request.number:
        row = connection.execute(TOMBSTONE_NUMBERED, (tenant, request.number)).fetchone()
    else:
        row = connection.execute(TOMBSTONE, (tenant, request.customer_id)).fetchone()
    return None if row is None else _tombstone(row)


def read_tombstones(connection: Connection, request: ReadTombstones) -> list[TombstoneRow]:
    """Return tombstones of a tenant in the order of their numbers."""
    asked = (packed(request.tenant_id), request.after, request.limit)
    return [_tombstone(row) for row in connection.execute(TOMBSTONES, asked)]


def read_erased(connection: Connection, _: ReadErased) -> list[tuple[str, int]]:
    """Return tenant and number of every tombstone."""
    return [(unpacked(tenant), number) for tenant, number in connection.execute(ERASED)]


def read_unscrubbed(connection: Connection, request: ReadUnscrubbed) -> list[tuple[str, str]]:
    """Return tenant and customer of the tombstones that are not scrubbed."""
    rows = connection.execute(UNSCRUBBED, (request.limit,))
    return [(unpacked(tenant), customer_id) for tenant, customer_id in rows]


def read_kept(connection: Connection, request: ReadKept) -> list[KeptRow]:
    """Return the kept parts of a customer, or those whose time has come."""
    if request.due is None:
        rows = connection.execute(KEPT, (packed(request.tenant_id), request.customer_id))
    else:
        rows = connection.execute(KEPT_DUE, (microseconds(request.due), request.limit))
    return [
        KeptRow(unpacked(tenant), customer_id, part, instant_at(until), wrapped or b"", sealed)
        for tenant, customer_id, part, until, wrapped, sealed in rows
    ]


def read_kept_keys(connection: Connection, request: ReadKeptKeys) -> list[KeptKeyRow]:
    """Return the keys of all parts that are kept for a tenant."""
    return [KeptKeyRow(*row) for row in connection.execute(KEPT_KEYS, (packed(request.tenant_id),))]


def _tombstone(row: Any) -> TombstoneRow:
    tenant, customer_id, customer_number, merchant_no, number, at, certificate, key_tag, request, scrubbed = (
        row
    )
    ids = (unpacked(tenant), customer_id, customer_number, merchant_no, number)
    return TombstoneRow(*ids, instant_at(at), certificate, key_tag, request, bool(scrubbed))


# ── Writing ─────────────────────────────────────────────────────────────────────────────────────────────


def write_hold(connection: Connection, request: WriteHold) -> None:
    """Store a hold on a record that is there and has none."""
    hold = request.hold
    tenant = owner(hold.tenant_id)
    if connection.execute(CURRENT, (tenant, hold.customer_id)).fetchone() is None:
        raise Outdated(detail="there is no record of that id")
    if connection.execute(HOLD, (tenant, hold.customer_id)).fetchone() is not None:
        raise Conflict("There is a hold on this customer already", field="hold")
    row = (tenant, hold.customer_id, microseconds(hold.at), hold.actor, hold.sealed_reason)
    connection.execute(ADD_HOLD, row)
    _tell(connection, request.leaf)


def drop_hold(connection: Connection, request: DropHold) -> None:
    """Take a hold away."""
    connection.execute(DROP_HOLD, (owner(request.tenant_id), request.customer_id))
    if not connection.changes():
        raise Outdated(detail="there is no hold")
    _tell(connection, request.leaf)


def write_rules(connection: Connection, request: WriteRules) -> None:
    """Store a tenant's rules."""
    connection.execute(KEEP_RULES, (owner(request.tenant_id), request.rules))
    _tell(connection, request.leaf)


def destroy(connection: Connection, request: Destroy) -> Destroyed:
    """Destroy a record with everything that belongs to it."""
    execute = connection.execute
    tenant = owner(request.tenant_id)
    current = execute(CURRENT, (tenant, request.customer_id)).fetchone()
    if current is None or current[1] != request.version:
        raise Outdated(detail="another version is stored, or none")
    row_no: int = current[0]
    execute(DROP_KEY, (row_no,))
    execute(DROP_VERSIONS, (row_no,))
    execute(DROP_CUSTOMER, (row_no, tenant))
    execute(DROP_HOLD, (tenant, request.customer_id))
    return Destroyed(
        tags=_drop_tags(connection, tenant, row_no, request),
        answers=_drop_answers(connection, tenant, request),
        announcements=_drop_mentions(connection, tenant, request),
    )


def _drop_tags(connection: Connection, tenant: bytes, row_no: int, request: Destroy) -> int:
    execute = connection.execute
    dropped = 0
    if request.dropped_unique_tags is None or request.dropped_tags is None:
        for statement in (DROP_ALL_UNIQUE_TAGS, DROP_ALL_TAGS):
            execute(statement, (tenant, row_no))
            dropped += connection.changes()
        return dropped
    for statement, tags in (
        (DROP_UNIQUE_TAG, request.dropped_unique_tags),
        (DROP_TAG, request.dropped_tags),
    ):
        for tag in tags:
            execute(statement, (tenant, tag.kind, tag.digest, row_no))
            dropped += connection.changes()
    return dropped


def _drop_answers(connection: Connection, tenant: bytes, request: Destroy) -> int:
    dropped = 0
    for key_tag in request.answers:
        connection.execute(DROP_ANSWER, (tenant, key_tag, request.customer_id))
        dropped += connection.changes()
    since = (microseconds(request.answers_since), tenant, request.customer_id)
    connection.execute(DROP_NEW_ANSWERS, since)
    return dropped + connection.changes()


def _drop_mentions(connection: Connection, tenant: bytes, request: Destroy) -> int:
    dropped = 0
    for entry_no in request.mentions:
        connection.execute(DROP_ENTRY, (entry_no, tenant))
        dropped += connection.changes()
    connection.execute(DROP_NEW_MENTIONS, (request.mentions_after, tenant, request.customer_id))
    return dropped + connection.changes()


def write_tombstone(connection: Connection, request: WriteTombstone) -> None:
    """Store a tombstone in the place of a record, and what is kept of it."""
    execute = connection.execute
    row = request.row
    tenant = owner(row.tenant_id)
    if execute(CURRENT, (tenant, row.customer_id)).fetchone() is not None:
        raise Outdated(detail="there is a record of that id")
    for statement, asked in (
        (TOMBSTONE, (tenant, row.customer_id)),
        (TOMBSTONE_NUMBERED, (tenant, row.number)),
    ):
        if execute(statement, asked).fetchone() is not None:
            raise Conflict(detail="there is a tombstone of that id or number")
    stone = (tenant, row.customer_id, row.customer_number, row.merchant_no, row.number, microseconds(row.at))
    execute(ADD_TOMBSTONE, (*stone, row.certificate, row.key_tag, row.request_tag, int(row.scrubbed)))
    for part in request.kept:
        execute(ADD_KEPT_KEY, (part.wrapped_key,))
        key_no = connection.last_insert_rowid()
        kept = (tenant, part.customer_id, part.part, microseconds(part.until), key_no, part.sealed)
        execute(ADD_KEPT, kept)
    _tell(connection, request.leaf)


def mark_scrubbed(connection: Connection, request: MarkScrubbed) -> None:
    """Store that the destroyed bytes of these customers are gone."""
    for tenant_id, customer_id in request.erased:
        connection.execute(SET_SCRUBBED, (1, owner(tenant_id), customer_id))


def rewrap_kept_keys(connection: Connection, request: RewrapKeptKeys) -> int:
    """Store other wrappings of keys of kept parts; return how many were changed."""
    tenant, changed = owner(request.tenant_id), 0
    for row, wrapped in request.rows:
        connection.execute(REWRAP_KEPT_KEY, (wrapped, row.wrapped, tenant, row.customer_id, row.part))
        changed += connection.changes()
    return changed


def drop_kept(connection: Connection, request: DropKept) -> None:
    """Destroy kept parts with their keys."""
    for tenant_id, customer_id, part in request.parts:
        asked = (owner(tenant_id), customer_id, part)
        connection.execute(DROP_KEPT_KEY, (connection.execute(KEY_OF_KEPT, asked).get,))
        connection.execute(DROP_KEPT, asked)
        connection.execute(SET_SCRUBBED, (0, asked[0], customer_id))
    for leaf in request.leaves:
        _tell(connection, leaf)


def _tell(connection: Connection, leaf: LeafRow) -> None:
    connection.execute(ADD_LEAF, (owner(leaf.tenant_id), microseconds(leaf.at), leaf.body))
