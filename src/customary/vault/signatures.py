"""Whether something was signed with the trail's key, judged by whoever has only the public half of it.

It must never know what is signed.
"""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def is_signed_with(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether this is the Ed25519 signature of ``message``; a key that is none has signed nothing.

    >>> is_signed_with(b"too short", b"message", bytes(64))
    False
    """
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
