"""How everything that is held about one person is written out: parts, and a manifest with their digests.

A part is the bytes of one JSON value; the same bytes stand in an answer of the API and in a file of the
command line, so that one digest holds for both. It must never know where they go.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from customary.app.customers import ALL
from customary.app.holdings import Held
from customary.app.performing import instant_text
from customary.app.person import Person
from customary.app.ports import OutboxRow, StoredAnswer
from customary.domain.event import Event
from customary.native import audit, wire

FORM = "customary person 1"
"""The form of an export; another number means that a reader of this one would misread it."""


class PartView(msgspec.Struct):
    """One part of an export."""

    name: Annotated[str, Meta(description="The member of this name, or the file NAME.json")]
    count: Annotated[int, Meta(description="How many entries it has", ge=0)]
    bytes: Annotated[int, Meta(description="How many bytes of JSON it is", ge=0)]
    sha256: Annotated[str, Meta(description="The SHA-256 of these bytes as they stand, in hexadecimal")]


class ManifestView(msgspec.Struct):
    """What an export is, and what it has."""

    form: Annotated[str, Meta(description=f"`{FORM}`: what the parts and their members mean")]
    customerId: str
    tenantId: str
    exportedAt: Annotated[str, Meta(description="When the gathering began, in UTC")]
    parts: list[PartView]


class AnswerView(msgspec.Struct):
    """An idempotency answer that is still held: no bytes of it, but which version it shows."""

    at: str
    version: int


class AnnouncementView(msgspec.Struct):
    """An announcement of a change that waits to be delivered."""

    at: str
    event: str
    version: int
    changedFields: list[str]


class HoldView(msgspec.Struct, omit_defaults=True):
    """A legal hold that keeps the record from being erased."""

    at: str
    actor: Annotated[str, Meta(description="The key that put it, or `cli`")]
    reason: Annotated[str | None, Meta(description="Left out where it does not open any more")] = None


class ExportView(msgspec.Struct):
    """Everything that is held about one person."""

    manifest: ManifestView
    record: wire.CustomerView
    versions: Annotated[
        list[wire.CustomerView], Meta(description="Every version, oldest first; the last is the record")
    ]
    sessions: Annotated[list[dict[str, Any]], Meta(description="Onboarding sessions")]
    payments: Annotated[list[dict[str, Any]], Meta(description="Payments")]
    deliveries: Annotated[list[dict[str, Any]], Meta(description="Deliveries of events")]
    auditEntries: Annotated[
        list[audit.EntryView], Meta(description="Every entry of the trail about the customer, oldest first")
    ]
    idempotencyAnswers: list[AnswerView]
    announcements: list[AnnouncementView]
    holds: list[HoldView]


_encode = msgspec.json.Encoder().encode


def parts_of(person: Person, merchant_id: str) -> dict[str, bytes]:
    """Return the parts by their names, in order; guarded fields are in clear."""
    versions = [wire.shown(version, merchant_id, ALL) for version in person.versions]
    return {
        "record": _encode(versions[-1]),
        "versions": _encode(versions),
        "sessions": _encode([]),
        "payments": _encode([]),
        "deliveries": _encode([]),
        "auditEntries": _encode([audit.entry_view(entry) for entry in person.entries]),
        "idempotencyAnswers": _encode([_answer(answer) for answer in person.answers]),
        "announcements": _encode([_announcement(row) for row in person.announcements]),
        "holds": _encode([_hold(person.hold)] if person.hold is not None else []),
    }


def manifest_of(person: Person, parts: dict[str, bytes], at: datetime) -> ManifestView:
    """Return what tells of these parts."""
    current = person.current
    views = [
        PartView(name, _count(part), len(part), hashlib.sha256(part).hexdigest())
        for name, part in parts.items()
    ]
    return ManifestView(FORM, current.customer_id, current.tenant_id, instant_text(at), views)


def document_of(manifest: ManifestView, parts: dict[str, bytes]) -> bytes:
    """Return manifest and parts as one JSON object, each part with the bytes that the manifest tells of."""
    members: Iterable[tuple[str, bytes]] = (("manifest", _encode(manifest)), *parts.items())
    return b"{" + b",".join([b'"' + name.encode() + b'":' + part for name, part in members]) + b"}"


def _count(part: bytes) -> int:
    value = msgspec.json.decode(part, type=list[msgspec.Raw] | dict[str, msgspec.Raw])
    return len(value) if isinstance(value, list) else 1


def _answer(answer: StoredAnswer) -> AnswerView:
    return AnswerView(instant_text(answer.at), answer.version)


def _announcement(row: OutboxRow) -> AnnouncementView:
    event = msgspec.json.decode(row.body, type=Event)
    fields = [wire.camel(name) for name in event.fields]
    return AnnouncementView(instant_text(row.at), event.kind, event.version, fields)


def _hold(hold: Held) -> HoldView:
    return HoldView(instant_text(hold.at), hold.actor, hold.reason)
