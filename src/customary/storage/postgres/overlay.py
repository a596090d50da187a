"""What a batch knows of its tenant: rows that were read, and over them what its jobs have written so far.

A job of the batch is answered from here, so that it sees what those before it have written; nothing is in the
database yet. A refusal (``TagTaken``, ``Outdated``) leaves no trace. It must never know a connection.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from customary.app.ports import (
    LeafRow,
    OutboxRow,
    ReadAnswer,
    ReadRecord,
    ReadTagged,
    SealedCustomer,
    StoredAnswer,
    TagTaken,
    Write,
)
from customary.domain.errors import Outdated
from customary.storage.postgres.reads import Held, TagKey

Key = str | TagKey | bytes
"""A customer's id, a unique tag, or the key tag of an answer: what a job may rest on."""


class Unknown(Exception):
    """These keys must be read before the request can be answered."""

    def __init__(self, *keys: Key) -> None:
        super().__init__("not read yet")
        self.keys = keys


class Pending(msgspec.Struct):
    """What is written and not in the database yet. Row numbers below zero are given when it is stored.

    ``stored_versions`` are the superseded versions that are in the database, by row; ``passed_versions``
    those that never came there. Of tags and keys only the last word counts.
    """

    added: dict[str, int] = msgspec.field(default_factory=dict)
    changed: dict[str, int] = msgspec.field(default_factory=dict)
    stored_versions: dict[int, int] = msgspec.field(default_factory=dict)
    passed_versions: list[Held] = msgspec.field(default_factory=list)
    unique_dropped: set[tuple[int, bytes, int]] = msgspec.field(default_factory=set)
    unique_added: dict[TagKey, int] = msgspec.field(default_factory=dict)
    tags: dict[tuple[int, bytes, int], bool] = msgspec.field(default_factory=dict)
    answers: dict[bytes, StoredAnswer] = msgspec.field(default_factory=dict)
    answers_replaced: dict[bytes, StoredAnswer] = msgspec.field(default_factory=dict)
    leaves: list[LeafRow] = msgspec.field(default_factory=list)
    outbox: list[OutboxRow] = msgspec.field(default_factory=list)


class Overlay:
    """The state of one tenant as the next job of a batch finds it."""

    def __init__(self, tenant_id: str) -> None:
        self.tenant_id = tenant_id
        self.records: dict[str, Held | None] = {}
        self.holders: dict[TagKey, int | None] = {}
        self.answers: dict[bytes, StoredAnswer | None] = {}
        self.buried: set[str] = set()
        self.pending = Pending()
        self.write_count = 0
        self.written: set[Key] = set()
        self._ids: dict[int, str] = {}
        self._next_row = -1

    # ── What was read ───────────────────────────────────────────────────────────────────────────────────

    def learn_records(self, asked: Iterable[str], found: dict[str, Held]) -> None:
        """Remember records that were asked for by id; those not found do not exist."""
        for customer_id in asked:
            self._learn(customer_id, found.get(customer_id))

    def learn_tagged(self, asked: Iterable[TagKey], found: dict[TagKey, Held]) -> None:
        """Remember which records hold unique tags; a tag not found is held by none."""
        for key in asked:
            held = found.get(key)
            self.holders[key] = None if held is None else held.row_no
            if held is not None:
                self._learn(held.record.customer_id, held)

    def learn_answers(self, asked: Iterable[bytes], found: dict[bytes, StoredAnswer]) -> None:
        """Remember answers to idempotent requests."""
        for key_tag in asked:
            self.answers[key_tag] = found.get(key_tag)

    def _learn(self, customer_id: str, held: Held | None) -> None:
        if customer_id in self.written and customer_id in self.records:
            return  # what a job of this batch has written is newer
        self.records[customer_id] = held
        if held is not None:
            self._ids[held.row_no] = customer_id

    # ── Reading ─────────────────────────────────────────────────────────────────────────────────────────

    def read(self, request: ReadRecord | ReadTagged | ReadAnswer) -> Any:
        """Return the answer, or raise Unknown."""
        if type(request) is ReadRecord:
            held = self._record(request.customer_id)
            if held is None or request.merchant_no not in (None, held.record.merchant_no):
                return None
            return held.record
        if type(request) is ReadTagged:
            key = (request.tag.kind, request.tag.digest)
            if key not in self.holders:
                raise Unknown(key)
            row_no = self.holders[key]
            if row_no is None:
                return None
            held = self._record(self._ids[row_no])
            return None if held is None else held.record
        if type(request) is ReadAnswer:
            if request.key_tag not in self.answers:
                raise Unknown(request.key_tag)
            answer = self.answers[request.key_tag]
            return None if answer is None or answer.at < request.since else answer
        raise TypeError(f"{type(request).__name__} is not answered from rows that were read")

    def _record(self, customer_id: str) -> Held | None:
        if customer_id not in self.records:
            raise Unknown(customer_id)
        return self.records[customer_id]

    # ── Writing ─────────────────────────────────────────────────────────────────────────────────────────

    def needs(self, request: Write) -> list[Key]:
        """Return the keys that must be known before the request can be written."""
        keys: list[Key] = []
        record = request.record
        if record is not None and request.replaces is not None and record.customer_id not in self.records:
            keys.append(record.customer_id)
        if request.answer is not None and request.answer.key_tag not in self.answers:
            keys.append(request.answer.key_tag)
        return keys

    def write(self, request: Write) -> None:
        """Do all of the request, or refuse it and do nothing; raises Unknown where ``needs`` says so."""
        unknown = self.needs(request)
        if unknown:
            raise Unknown(*unknown)
        pending = self.pending
        record = request.record
        if record is not None:
            row_no = self._row_for(request, record)
            for tag in request.tags_dropped:
                pending.tags[tag.kind, tag.digest, row_no] = False
            for tag in request.tags:
                pending.tags[tag.kind, tag.digest, row_no] = True
        pending.leaves += request.leaves
        pending.outbox += request.outbox
        if request.answer is not None:
            self._answer(request.answer)
        self.write_count += 1

    def _row_for(self, request: Write, record: SealedCustomer) -> int:
        """Store a record as new or as the next version, with its unique tags; return its row number."""
        held = self.records.get(record.customer_id)
        if request.replaces is None:
            row_no = self._next_row
            refused = held is not None or record.customer_id in self.buried
        else:
            row_no = 0 if held is None else held.row_no
            # What was sealed under a key that was wrapped or drawn anew since must not be stored.
            refused = (
                held is None
                or held.record.version != request.replaces
                or held.record.wrapped_key != record.wrapped_key
            )
        for tag in request.unique_tags:
            if not refused and self.holders.get((tag.kind, tag.digest)) not in (None, row_no):
                raise TagTaken(tag.kind)
        if refused:
            raise Outdated(detail="another version or key is stored, or the record exists or was erased")
        if held is None:
            self._next_row -= 1
            self.pending.added[record.customer_id] = row_no
        else:
            self._supersede(held, record)
        self._move_unique_tags(request, row_no)
        self.records[record.customer_id] = Held(row_no, record)
        self._ids[row_no] = record.customer_id
        self.written.add(record.customer_id)
        return row_no

    def _supersede(self, held: Held, record: SealedCustomer) -> None:
        pending, customer_id = self.pending, record.customer_id
        if customer_id in pending.added or customer_id in pending.changed:
            pending.passed_versions.append(held)
        else:
            pending.changed[customer_id] = held.row_no
            pending.stored_versions[held.row_no] = held.record.version

    def _move_unique_tags(self, request: Write, row_no: int) -> None:
        pending = self.pending
        added = {(tag.kind, tag.digest) for tag in request.unique_tags}
        for tag in request.unique_tags_dropped:
            key = (tag.kind, tag.digest)
            if key in added or self.holders.get(key, row_no) != row_no:
                continue
            pending.unique_added.pop(key, None)
            pending.unique_dropped.add((*key, row_no))
            self.holders[key] = None
            self.written.add(key)
        for key in added:
            if self.holders.get(key) != row_no:
                pending.unique_added[key] = row_no
                self.holders[key] = row_no
                self.written.add(key)

    def _answer(self, answer: StoredAnswer) -> None:
        before = self.answers[answer.key_tag]
        if before is not None and answer.key_tag not in self.pending.answers:
            self.pending.answers_replaced[answer.key_tag] = before
        self.pending.answers[answer.key_tag] = answer
        self.answers[answer.key_tag] = answer
        self.written.add(answer.key_tag)

    def forget(self) -> None:
        """Forget what was read, because something else has written to the database meanwhile."""
        self.records.clear()
        self.holders.clear()
        self.answers.clear()
        self._ids.clear()

    # ── Storing ─────────────────────────────────────────────────────────────────────────────────────────

    def take(self) -> Pending:
        """Return what is not stored yet, and count it as stored."""
        pending, self.pending = self.pending, Pending()
        return pending

    def number(self, before: int) -> None:
        """Give the new rows their numbers: row -1 is the one after ``before``."""
        for customer_id, held in self.records.items():
            if held is not None and held.row_no < 0:
                row_no = before - held.row_no
                self.records[customer_id] = Held(row_no, held.record)
                self._ids[row_no] = customer_id
        for key, holder in self.holders.items():
            if holder is not None and holder < 0:
                self.holders[key] = before - holder
        self._next_row = -1
