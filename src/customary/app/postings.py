"""Under which keys a leaf is found again: its tenant, its subject, its actor and its action.

A key is a number of 64 bits that engines can look for; it proves nothing, so whoever looks compares what is
found with what was asked for. It must never know how a store finds it.
"""

import hashlib
from collections.abc import Iterable
from functools import lru_cache

import msgspec

from customary.app.ports import LeafRow, Posting
from customary.domain.audit import Leaf

_KEY_BYTES = 8


class _Told(msgspec.Struct, frozen=True, gc=False):
    """Of a leaf, what it can be found by."""

    subject: str
    actor: str
    action: str


_decode = msgspec.json.Decoder(Leaf).decode
_decode_told = msgspec.json.Decoder(_Told).decode


def leaf_of(row: LeafRow) -> Leaf | None:
    """Return what a row of the trail says, or None for one that somebody has made unreadable."""
    try:
        return _decode(row.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def key_of(tenant_id: str, what: str, text: str = "") -> int:
    """Return the key for leaves of a tenant whose ``what`` (``actor``, ``subject``, ...) is ``text``."""
    digest = hashlib.blake2b(f"{what}\n{tenant_id}\n{text}".encode(), digest_size=_KEY_BYTES).digest()
    return int.from_bytes(digest, "big", signed=True)


_frequent_key = lru_cache(4096)(key_of)


def postings_of(rows: Iterable[LeafRow]) -> tuple[Posting, ...]:
    """Return the postings of these leaves, each tenant's in order.

    It is most of what a leaf costs after its deed, so each key is made once where it comes often.
    """
    found: dict[str, dict[int, list[int]]] = {}
    for row in rows:
        tenant_id, leaf_no = row.tenant_id, row.leaf_no
        numbers = found.get(tenant_id)
        if numbers is None:
            numbers = found[tenant_id] = {}
        keys = [_frequent_key(tenant_id, "tenant")]
        try:
            told = _decode_told(row.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            pass  # somebody has made it unreadable: it is found as the tenant's, and by a verification
        else:
            keys += (
                key_of(tenant_id, "subject", told.subject),
                _frequent_key(tenant_id, "actor", told.actor),
                _frequent_key(tenant_id, "action", told.action),
            )
        for key in keys:
            if key in numbers:
                numbers[key].append(leaf_no)
            else:
                numbers[key] = [leaf_no]
    return tuple(
        Posting(tenant_id, key, tuple(numbers))
        for tenant_id, by_key in found.items()
        for key, numbers in by_key.items()
    )
