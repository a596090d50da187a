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

_decode = msgspec.json.Decoder(Leaf).decode


def leaf_of(row: LeafRow) -> Leaf | None:
    """Return what a row of the trail says, or None for one that somebody has made unreadable."""
    try:
        return _decode(row.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def key_of(tenant_id: str, what: str, text: str = "") -> int:
    """Return the key for leaves of a tenant whose ``what`` (``actor``, ``subject``, ...) is ``text``."""
    digest = hashlib.sha256("\n".join((what, tenant_id, text)).encode()).digest()
    return int.from_bytes(digest[:_KEY_BYTES], "big", signed=True)


_frequent_key = lru_cache(4096)(key_of)


def postings_of(rows: Iterable[LeafRow]) -> tuple[Posting, ...]:
    """Return the postings of these leaves, each tenant's in order."""
    found: dict[tuple[str, int], list[int]] = {}
    for row in rows:
        leaf, tenant_id = leaf_of(row), row.tenant_id
        keys = [_frequent_key(tenant_id, "tenant")]
        if leaf is not None:
            keys += (
                key_of(tenant_id, "subject", leaf.subject),
                _frequent_key(tenant_id, "actor", leaf.actor),
                _frequent_key(tenant_id, "action", leaf.action),
            )
        for key in keys:
            found.setdefault((tenant_id, key), []).append(row.leaf_no)
    return tuple(Posting(tenant_id, key, tuple(numbers)) for (tenant_id, key), numbers in found.items())
