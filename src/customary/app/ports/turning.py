"""What an engine is asked for when keys turn: notes, a tenant's keys, walks over what is sealed with them.

A *place* is a number that a record gets when it is created: later ones are greater, and no other record of
the store ever has it. Walks go by it, so that they can be left and taken up again.
"""

import msgspec

from customary.app.ports.records import SealedCustomer, Tag
from customary.app.ports.registry import TenantKeyRow
from customary.app.ports.trail import LeafRow


class ReadNote(msgspec.Struct, frozen=True, gc=False):
    """``bytes | None``: what was noted under that name."""

    name: str


class ReadNotes(msgspec.Struct, frozen=True, gc=False):
    """``list[tuple[str, bytes]]``: the notes whose names begin so, in the order of their names (ASCII)."""

    prefix: str


class WriteNote(msgspec.Struct, frozen=True, gc=False):
    """Note a few bytes under a name, in place of what was there; None takes the note away.

    With ``announced`` it counts as a change of the registry, which all processes notice.
    """

    name: str
    value: bytes | None
    announced: bool = False


class WriteTenantKeys(msgspec.Struct, frozen=True, gc=False):
    """Take keys of a tenant away, by purpose and version, and store others, with the leaves that tell of it.

    All processes notice. Conflict if there is no such tenant, or a key to be stored is there already.
    """

    tenant_id: str
    dropped: tuple[tuple[str, int], ...] = ()
    added: tuple[TenantKeyRow, ...] = ()
    leaves: tuple[LeafRow, ...] = ()


class RewrapTenantKeys(msgspec.Struct, frozen=True, gc=False):
    """Store other wrappings of keys that stay what they are: ``(row as it was read, its new wrapped)`` each.

    Answered with how many were changed: those that are no longer as they were read are left alone. No process
    need notice.
    """

    rows: tuple[tuple[TenantKeyRow, bytes], ...]


class KeyRow(msgspec.Struct, frozen=True, gc=False):
    """The key of one customer, sealed under a tenant key, with the customer's place."""

    place: int
    customer_id: str
    wrapped: bytes


class ReadKeys(msgspec.Struct, frozen=True, gc=False):
    """``list[KeyRow]`` of the tenant's customers after that place, in order, but for the destroyed ones.

    The list is only shorter than ``limit`` where the tenant's customers end.
    """

    tenant_id: str
    after: int
    limit: int


class RewrapKeys(msgspec.Struct, frozen=True, gc=False):
    """Store other wrappings of customers' keys: ``(row as it was read, its new wrapped)`` each.

    Answered with how many were changed. A key that is no longer as it was read is left alone, and one that
    was destroyed stays destroyed.
    """

    tenant_id: str
    rows: tuple[tuple[KeyRow, bytes], ...]


class RewrapSecrets(msgspec.Struct, frozen=True, gc=False):
    """Store other sealed forms of secrets that stay what they are: ``(key id, as it was read, new)`` each.

    Answered with how many were changed; what is no longer as it was read is left alone.
    """

    tenant_id: str
    rows: tuple[tuple[str, bytes, bytes], ...]


class ReadRecords(msgspec.Struct, frozen=True, gc=False):
    """``list[tuple[int, SealedCustomer]]``: records after that place, in order, each with its place.

    Those whose key was destroyed are not in it. Otherwise as ``ReadKeys``.
    """

    tenant_id: str
    after: int
    limit: int


class TagChange(msgspec.Struct, frozen=True, gc=False):
    """Tags that the record at a place gets and loses.

    To get one that it has, or to lose one that it has not, is no fault.
    """

    place: int
    unique_tags: tuple[Tag, ...] = ()
    tags: tuple[Tag, ...] = ()
    unique_tags_dropped: tuple[Tag, ...] = ()
    tags_dropped: tuple[Tag, ...] = ()


class ChangeTags(msgspec.Struct, frozen=True, gc=False):
    """Give tags to records and take tags from them; TagTaken when a unique tag is another record's."""

    tenant_id: str
    changes: tuple[TagChange, ...]


class ReadTagsHeld(msgspec.Struct, frozen=True, gc=False):
    """``list[bool]``: whether the record at a place holds each of the unique tags, then of the other tags."""

    tenant_id: str
    place: int
    unique_tags: tuple[Tag, ...]
    tags: tuple[Tag, ...]


class ReadEarlierVersions(msgspec.Struct, frozen=True, gc=False):
    """``list[SealedCustomer]``: superseded versions of the record at a place, after that one, in order."""

    tenant_id: str
    place: int
    after: int
    limit: int


class Reseal(msgspec.Struct, frozen=True, gc=False):
    """Store other sealed bytes of one customer, under another key, with the leaves that tell of it.

    ``key`` is the key as it was read, ``wrapped`` what replaces it. ``records`` are all versions that there
    are; only their sealed parts are stored. Outdated, and nothing is stored, when the key is no longer as it
    was read or there are other versions than these.
    """

    tenant_id: str
    key: KeyRow
    wrapped: bytes
    records: tuple[SealedCustomer, ...]
    leaves: tuple[LeafRow, ...]
