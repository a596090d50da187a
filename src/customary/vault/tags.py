"""Lookup tags: keyed digests by which a sealed record is found, made with a tenant's index key.

It must never know what a text means: normal forms (case, spaces) are the caller's to make.
"""

import hmac
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from customary.app.ports import Tag, TagKind
from customary.vault.cipher import framed

TAG_BYTES: Final = 16
NORMAL_FORM: Final = b"\x01"
"""The version of the form in which texts are tagged; with another, every tag must be made again."""

ANSWER_KINDS: Final = (TagKind.IDEMPOTENCY_KEY, TagKind.REQUEST)
"""The kinds by which answers are found: nobody can tag them anew, for what they stand for is not kept."""


class IndexKey:
    """An index key, ready for use: it makes the tags of those kinds that it has a key for."""

    __slots__ = ("_tag_hashes",)

    def __init__(self, keys_of_kinds: dict[int, bytes]) -> None:
        # A tuple is asked by number, because enum members hash slowly; a copy of a hash costs a third of a
        # new one.
        self._tag_hashes = tuple(
            (number, _prepared(keys_of_kinds[number])) if number in keys_of_kinds else None
            for number in range(max(TagKind) + 1)
        )

    def tag(self, kind: TagKind, *texts: str | bytes) -> Tag:
        """Return the lookup tag of these texts, unlike that of any other tenant, kind or list of texts.

        A text counts as its UTF-8 bytes.
        """
        number, prepared = self._tag_hashes[kind] or _missing(kind)
        keyed = prepared.copy()
        for text in texts:
            # Lone surrogates are refused at the gate; should one come through, it finds nothing.
            octets = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
            keyed.update(len(octets).to_bytes(4, "big") + octets)
        return Tag(number, keyed.finalize()[:TAG_BYTES])


def keys_of_kinds(index_key: bytes) -> dict[int, bytes]:
    """Return the key of each kind of tag, all of one index key: knowing one tells nothing of another."""
    return {
        number: hmac.digest(index_key, framed(b"customary tag", number.to_bytes(2, "big")), "sha256")
        for number in range(max(TagKind) + 1)
    }


def _prepared(key: bytes) -> HMAC:
    prepared = HMAC(key, SHA256())
    prepared.update(NORMAL_FORM)
    return prepared


def _missing(kind: TagKind) -> tuple[int, HMAC]:
    raise KeyError(f"no key for tags of kind {kind.value}")
