"""The public key of a trail, for whoever verifies without the store that signed.

It must never know what is signed.
"""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class TrailKey:
    """An Ed25519 public key.

    >>> from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    >>> private = Ed25519PrivateKey.generate()
    >>> key = TrailKey(private.public_key().public_bytes_raw())
    >>> key.is_signed(b"a link", private.sign(b"a link")), key.is_signed(b"another", private.sign(b"a link"))
    (True, False)
    """

    def __init__(self, public_key: bytes) -> None:
        """Take the 32 bytes of a key; ValueError for any other number."""
        self._key = Ed25519PublicKey.from_public_bytes(public_key)

    def is_signed(self, message: bytes, signature: bytes) -> bool:
        """Return whether ``signature`` is that key's signature of ``message``."""
        try:
            self._key.verify(signature, message)
        except InvalidSignature:
            return False
        return True
