"""The sealed forms: how bytes are closed under a key, and what must be true for them to open again.

Two forms, both AES-256-GCM-SIV (RFC 8452) with a random nonce and a first byte that names the suite::

    blob      suite | key version | nonce 12 | ciphertext and tag                    keys and secrets
    envelope  suite | key version | nonce 12 | commitment 32 | ciphertext and tag    parts of a record

It must never know what it seals: no customer, no tenant, no row. Those come in as associated data.
"""

import hmac
import os
from hmac import compare_digest
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

from customary.domain.errors import CustomaryError

KEY_BYTES: Final = 32
SUITE: Final = 1
"""AES-256-GCM-SIV with a 96-bit random nonce. Numbers are stored: never reuse one."""

CUSTOMER_KEY_VERSION: Final = 1
"""How the two keys of an envelope come from a customer key. It is not the version of the tenant key: that
may be renewed, and customer keys wrapped again, without a record being touched."""

_NONCE_BYTES = 12
_TAG_BYTES = 16
_COMMITMENT_BYTES = 32
_HEADER_BYTES = 2
_NONCE_END = _HEADER_BYTES + _NONCE_BYTES
_COMMITMENT_END = _NONCE_END + _COMMITMENT_BYTES
_ENVELOPE_HEADER = bytes((SUITE, CUSTOMER_KEY_VERSION))
_CUSTOMER_KEY_LABEL = b"customary customer key v1"


class SealBroken(CustomaryError):
    """Stored bytes are not what was sealed for this place: altered, moved, or of another key.

    ``detail`` names the place (tenant, customer or key, part, version) and the reason, never a value.
    """

    public = "A stored record does not open"


class Unopened(Exception):
    """Bytes do not open, for the reason in the text; who knows the place makes it a SealBroken."""


class _Nonces:
    """Random nonces, drawn from the kernel a page at a time: a draw costs as much as sealing with it does.

    Nonces only. Should two threads ever be given the same one, AES-GCM-SIV loses nothing but the secrecy of
    two texts being equal; a key is drawn on its own, always.
    """

    _POOL_BYTES = 4092

    def __init__(self) -> None:
        self._pool = b""
        self._taken = 0

    def next(self) -> bytes:
        """Return 12 random bytes."""
        start = self._taken
        if start >= len(self._pool):
            self._pool = os.urandom(self._POOL_BYTES)
            start = 0
        self._taken = start + _NONCE_BYTES
        return self._pool[start : start + _NONCE_BYTES]


_nonce = _Nonces().next


def framed(*parts: bytes) -> bytes:
    """Return the parts in one, each behind its length, so that no two lists of parts give the same bytes.

    >>> framed(b"ab", b"c") == framed(b"a", b"bc")
    False
    """
    return b"".join([len(part).to_bytes(4, "big") + part for part in parts])


class WrappingKey:
    """A key that seals other keys and secrets; ``version`` is written into what it seals."""

    __slots__ = ("_aead", "_header", "version")

    def __init__(self, key: bytes, version: int) -> None:
        self.version = version
        self._aead = AESGCMSIV(key)
        self._header = bytes((SUITE, version))

    def wrapped(self, plaintext: bytes, associated: bytes) -> bytes:
        """Return ``plaintext`` as a blob that opens only with equal ``associated`` data."""
        nonce = _nonce()
        header = self._header
        return header + nonce + self._aead.encrypt(nonce, plaintext, header + associated)

    def unwrapped(self, blob: bytes, associated: bytes) -> bytes:
        """Return what is in the blob; Unopened if it was not sealed so by this key."""
        header = self._header
        if len(blob) < _NONCE_END + _TAG_BYTES or blob[:_HEADER_BYTES] != header:
            raise Unopened("cut short, or of an unknown suite or key version")
        try:
            return self._aead.decrypt(blob[_HEADER_BYTES:_NONCE_END], blob[_NONCE_END:], header + associated)
        except InvalidTag:
            raise Unopened("altered, moved, or sealed under another key") from None


class CustomerKey:
    """The key of one customer, ready for use: it seals and opens the parts of that customer's record.

    A GCM ciphertext can be made to open under two keys. The commitment, the other half of what the key
    expands to, stands in every envelope, so that an envelope belongs to one key.

    ``earlier`` are the keys that the customer had before, the last one first, one behind the other.
    """

    __slots__ = ("_aead", "_commitment", "_earlier")

    def __init__(self, key: bytes, earlier: bytes = b"") -> None:
        # HKDF-Expand (RFC 5869 section 2.3) of just one block, so one HMAC: a third of the library's time.
        # Extract is for keys that are not uniformly random, and this is.
        expanded = hmac.digest(key, _CUSTOMER_KEY_LABEL + b"\x01", "sha512")
        self._aead = AESGCMSIV(expanded[:KEY_BYTES])
        self._commitment = expanded[KEY_BYTES:]
        self._earlier = earlier

    def sealed(self, plaintext: bytes, associated: bytes) -> bytes:
        """Return ``plaintext`` as an envelope that opens only with equal ``associated`` data."""
        nonce = _nonce()
        ciphertext = self._aead.encrypt(nonce, plaintext, _ENVELOPE_HEADER + associated)
        return b"".join((_ENVELOPE_HEADER, nonce, self._commitment, ciphertext))

    def opened(self, envelope: bytes, associated: bytes) -> bytes:
        """Return what is in the envelope; Unopened if it was not sealed so by this key."""
        if len(envelope) < _COMMITMENT_END + _TAG_BYTES or envelope[:_HEADER_BYTES] != _ENVELOPE_HEADER:
            raise Unopened("cut short, or of an unknown suite or key version")
        if not compare_digest(envelope[_NONCE_END:_COMMITMENT_END], self._commitment):
            raise Unopened("sealed under another customer's key")
        try:
            return self._aead.decrypt(
                envelope[_HEADER_BYTES:_NONCE_END], envelope[_COMMITMENT_END:], _ENVELOPE_HEADER + associated
            )
        except InvalidTag:
            raise Unopened("altered, or sealed for another place or version") from None

    def opened_by_any(self, envelope: bytes, associated: bytes) -> bytes:
        """Return what is in an envelope that this key or an earlier one has sealed; Unopened otherwise."""
        key, earlier = self, self._earlier
        while earlier and not compare_digest(envelope[_NONCE_END:_COMMITMENT_END], key._commitment):
            key, earlier = CustomerKey(earlier[:KEY_BYTES]), earlier[KEY_BYTES:]
        return key.opened(envelope, associated)


class KeyCache:
    """The customer keys used last, ready for use, for all tenants of a process and for all its threads.

    Unwrapping and expanding a key costs as much as opening two records. An entry is found by the wrapped
    key's bytes, but used only for the ``owner`` it was put in for: a hit must not skip the check that the
    associated data would have made. There are two generations: when the young one is full it becomes the old
    one, and the old one is forgotten. A list of recent use would cost a write a read.
    """

    __slots__ = ("_generation_max", "_old", "_young")

    def __init__(self, entries_max: int = 4096) -> None:
        self._generation_max = max(1, entries_max // 2)
        self._young: dict[bytes, tuple[str, str, CustomerKey]] = {}
        self._old: dict[bytes, tuple[str, str, CustomerKey]] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def find(self, wrapped: bytes, tenant_id: str, customer_id: str) -> CustomerKey | None:
        """Return the key that was kept for these three, or None."""
        entry = self._young.get(wrapped) or self._old.get(wrapped)
        if entry is not None and entry[1] == customer_id and entry[0] == tenant_id:
            return entry[2]
        return None

    def forget(self, wrapped: bytes) -> None:
        """Keep the key no longer, if it is here."""
        self._young.pop(wrapped, None)
        self._old.pop(wrapped, None)

    def keep(self, wrapped: bytes, tenant_id: str, customer_id: str, key: CustomerKey) -> None:
        """Keep the key; that may forget those that have been there longest."""
        if len(self._young) >= self._generation_max:
            self._old, self._young = self._young, {}
        self._young[wrapped] = (tenant_id, customer_id, key)
