"""Checkpoints: what is signed over the heads of all trails at one instant, to be kept where the store is not.

A checkpoint is one line of JSON whose last member is the signature of everything before it, so that a file of
them can be judged with the public key alone (``docs/trail.md``). Each names the digest of the one before it.
It must never know where lines are kept, nor what a trail says.
"""

import hashlib
from datetime import datetime
from typing import Literal, Protocol

import msgspec

FORMAT = 1
NOTHING_BEFORE = "00" * 32
"""What the first checkpoint of a store names as the digest of the one before it."""

_DOMAIN = b"customary checkpoint 1\n"
_SEAM = b',"signature":"'
_DIGEST_DIGITS = 64
_SIGNATURE_DIGITS = 128


class Signatures(Protocol):
    """Whoever can tell a signature of the trail's key."""

    def is_signed(self, message: bytes, signature: bytes) -> bool:
        """Return whether ``signature`` is the trail's key's signature of ``message``."""


class Signing(Signatures, Protocol):
    """Whoever has the trail's key: a vault is one."""

    trail_public_key: bytes

    def signed(self, message: bytes) -> bytes:
        """Return the Ed25519 signature of ``message`` under the trail's key."""


class Pin(msgspec.Struct, frozen=True, gc=False):
    """The head of one tenant's trail: its last block with its link, last leaf, and how many leaves in all."""

    tenant: str
    block: int
    link: str
    leaf: int
    leaves: int


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One line. ``before`` is the SHA-256 of the whole line before it.

    ``complete`` says that the heads of all tenants are there; else those that moved since the line before. A
    ``restored`` one goes on after ``before`` although the store is back at checkpoint ``to``, whose line's
    digest is ``to_line``: what was signed between the two is in the store no more.
    """

    kind: Literal["checkpoint", "restored"]
    format: int
    store: str
    number: int
    at: str
    before: str
    complete: bool
    tenants: tuple[Pin, ...]
    key: str
    to: int = 0
    to_line: str = ""
    why: str = ""
    signature: str = ""


class Damaged(ValueError):
    """A line that is no checkpoint; says what is wrong with it, and nothing of what it holds."""


_decoder = msgspec.json.Decoder(Checkpoint)


def signed_line(signing: Signing, checkpoint: Checkpoint) -> bytes:
    """Return a checkpoint as its line, signed, without the line feed."""
    unsigned = msgspec.structs.replace(checkpoint, key=signing.trail_public_key.hex(), signature="")
    body = msgspec.json.encode(unsigned)[:-1]
    return body + _SEAM + signing.signed(_DOMAIN + body).hex().encode("ascii") + b'"}'


def checkpoint_of(line: bytes) -> Checkpoint:
    """Return the checkpoint that a line holds, unproved; Damaged if it is none."""
    try:
        checkpoint = _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Damaged("the line is no checkpoint") from None
    if checkpoint.format != FORMAT:
        raise Damaged("the line is of a format that this version does not know")
    digests = (checkpoint.before, *(pin.link for pin in checkpoint.tenants))
    if any(len(digest) != _DIGEST_DIGITS for digest in digests):
        raise Damaged("a digest in the line is too short or too long")
    if not line.endswith(_SEAM + checkpoint.signature.encode() + b'"}'):
        raise Damaged("the line does not end with its signature")
    return checkpoint


def is_genuine(signatures: Signatures, line: bytes) -> bool:
    """Return whether the line is signed with the trail's key, to the byte."""
    body, seam, rest = line.rpartition(_SEAM)
    try:
        signature = bytes.fromhex(rest[:_SIGNATURE_DIGITS].decode("ascii"))
    except ValueError:
        return False
    return (
        bool(seam) and rest[_SIGNATURE_DIGITS:] == b'"}' and signatures.is_signed(_DOMAIN + body, signature)
    )


def line_digest(line: bytes) -> str:
    """Return the SHA-256 of a line, by which the next one names it."""
    return hashlib.sha256(line).hexdigest()


def at_text(instant: datetime) -> str:
    """Return an instant as checkpoints and blocks have it: in UTC, with microseconds.

    >>> from datetime import UTC
    >>> at_text(datetime(2026, 3, 1, 12, tzinfo=UTC))
    '2026-03-01T12:00:00.000000+00:00'
    """
    return instant.isoformat(timespec="microseconds")
