"""The root key and everything that begins with it: tenant keys, the Basic pepper, the trail's signing key.

Each is derived from the root key under a label of its own (HKDF-SHA256, RFC 5869) and is good for one thing.
There is no default key. It must never know where the key is configured, nor what a tenant or a trail holds.
"""

import base64
import os
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from customary.app.ports import TenantKeyRow
from customary.domain.customer import TenantID
from customary.domain.errors import Unavailable
from customary.vault.cipher import KEY_BYTES, KeyCache, Unopened, WrappingKey, framed
from customary.vault.records import OpenedTenant
from customary.vault.rootkey import refuse_weak

SEAL: Final = "seal"
INDEX: Final = "index"
FINGERPRINT_BYTES: Final = 8

_ROOT_KEY_VERSION = 1
_FIRST_TENANT_KEY_VERSION = 1
_SALT = b"customary root key v1"


class RootVault:
    """The root key, ready for use; implements ``app.ports.Vault``.

    ``fingerprint`` tells whether this is the key that a store was made with and says nothing else about it.
    ``trail_public_key`` is the raw Ed25519 key with which anyone can verify the trail.

    >>> import os
    >>> vault = RootVault(os.urandom(32))
    >>> vault.is_signed(b"a link", vault.signed(b"a link"))
    True
    """

    __slots__ = ("_cache", "_demo", "_pepper", "_trail", "_wrapping", "fingerprint", "trail_public_key")

    def __init__(self, root_key: bytes) -> None:
        refuse_weak(root_key)
        self._wrapping = WrappingKey(_derived(root_key, b"tenant keys"), _ROOT_KEY_VERSION)
        self._pepper = _keyed_hash(_derived(root_key, b"basic secrets"))
        self._demo = _keyed_hash(_derived(root_key, b"demo secrets"))
        self._trail = Ed25519PrivateKey.from_private_bytes(_derived(root_key, b"trail signatures"))
        self._cache = KeyCache()
        self.trail_public_key = self._trail.public_key().public_bytes_raw()
        self.fingerprint = _derived(root_key, b"fingerprint")[:FINGERPRINT_BYTES]

    def fresh_tenant_keys(self, tenant_id: TenantID) -> tuple[TenantKeyRow, ...]:
        """Return new keys for a new tenant, sealed under the root key."""
        version = _FIRST_TENANT_KEY_VERSION
        return tuple(
            TenantKeyRow(
                tenant_id,
                purpose,
                version,
                self._wrapping.wrapped(os.urandom(KEY_BYTES), _tenant_key_place(tenant_id, purpose, version)),
            )
            for purpose in (SEAL, INDEX)
        )

    def tenant(self, tenant_id: TenantID, keys: list[TenantKeyRow]) -> OpenedTenant:
        """Return the tenant's opened keys; Unavailable if they do not open under this root key.

        All seal keys are opened, because older records stand under older keys; of the index keys the newest
        one, because a tag can be looked for under one key only.
        """
        seal_keys = {row.key_version: self._opened_key(tenant_id, row) for row in keys if row.purpose == SEAL}
        index_rows = [row for row in keys if row.purpose == INDEX]
        if not seal_keys or not index_rows:
            raise Unavailable(detail=f"a key of tenant {tenant_id} is missing from the store")
        index_key = self._opened_key(tenant_id, max(index_rows, key=lambda row: row.key_version))
        return OpenedTenant(tenant_id, seal_keys, index_key, self._cache)

    def hashed_secret(self, terms: str, secret: bytes) -> bytes:
        """Return the keyed hash under which a Basic secret is kept, for a credential of these terms.

        Fast on purpose: these secrets are drawn by the server, so there is nothing to guess, and without the
        root key there is nothing to try a guess against.
        """
        keyed = self._pepper.copy()
        keyed.update(framed(terms.encode(), secret))
        return keyed.finalize()

    def signed(self, message: bytes) -> bytes:
        """Return the Ed25519 signature of ``message`` under the trail's key."""
        return self._trail.sign(message)

    def is_signed(self, message: bytes, signature: bytes) -> bool:
        """Return whether ``signature`` is the trail's key's signature of ``message``."""
        try:
            self._trail.public_key().verify(signature, message)
        except InvalidSignature:
            return False
        return True

    def demo_secret(self, label: str) -> str:
        """Return the demo tenant's secret of that label, URL-safe, the same at every start.

        For the demo tenant only: it is printed again at each start, which a real secret never is.
        """
        keyed = self._demo.copy()
        keyed.update(framed(label.encode()))
        return base64.urlsafe_b64encode(keyed.finalize()).rstrip(b"=").decode("ascii")

    def _opened_key(self, tenant_id: TenantID, row: TenantKeyRow) -> bytes:
        try:
            place = _tenant_key_place(tenant_id, row.purpose, row.key_version)
            return self._wrapping.unwrapped(row.wrapped, place)
        except Unopened as unopened:
            raise Unavailable(
                detail=f"the {row.purpose} key {row.key_version} of tenant {tenant_id} does not open under "
                f"this root key: {unopened}"
            ) from None


def _derived(root_key: bytes, label: bytes) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt=_SALT, info=b"customary " + label).derive(root_key)


def _keyed_hash(key: bytes) -> HMAC:
    return HMAC(key, SHA256())


def _tenant_key_place(tenant_id: str, purpose: str, version: int) -> bytes:
    number = version.to_bytes(8, "big", signed=True)  # total over what a row can hold
    return framed(b"customary tenant key", tenant_id.encode(), purpose.encode(), number)
