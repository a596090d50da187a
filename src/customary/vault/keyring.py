"""The root keys and everything that is sealed under them: tenants' keys, and the house's own.

A root key only seals other keys. The house's own keys (the pepper of Basic secrets, the key that signs the
trail, that of the demo's secrets) are kept sealed under it, so that another root key does not change them.
There is no default key. It must never know where a root key is kept, nor what a tenant or a trail holds.
"""

import base64
import os
from collections.abc import Mapping
from copy import copy
from typing import Final, NamedTuple

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from customary.app.ports import Purpose, TenantKeyRow
from customary.domain.customer import TenantID
from customary.domain.errors import Unavailable
from customary.vault.cipher import KEY_BYTES, KeyCache, Unopened, WrappingKey, framed
from customary.vault.records import OpenedTenant
from customary.vault.rootkey import refuse_weak
from customary.vault.tags import ANSWER_KINDS, IndexKey, keys_of_kinds

FINGERPRINT_BYTES: Final = 8

_SALT = b"customary root key v1"
_HOUSE_PLACE = framed(b"customary house keys")


class _HouseKeys(msgspec.Struct, frozen=True):
    """The keys of the house; as they are stored, unknown members are those of a later program."""

    pepper: bytes
    demo: bytes
    trail: bytes


class _Roots(NamedTuple):
    """The root keys at hand, by version; the one of version ``current`` seals."""

    keys: Mapping[int, WrappingKey]
    current: int
    fingerprints: tuple[bytes, ...]


def fingerprint_of(root_key: bytes) -> bytes:
    """Return what tells whether it is this root key, and says nothing else about it."""
    return _derived(root_key, b"fingerprint")[:FINGERPRINT_BYTES]


class RootVault:
    """The root keys of a store, ready for use; implements ``app.ports.Vault``.

    ``trail_public_key`` is the raw Ed25519 key with which anyone can verify the trail.

    >>> import os
    >>> vault = RootVault(os.urandom(32))
    >>> vault.is_signed(b"a link", vault.signed(b"a link"))
    True
    """

    __slots__ = ("_cache", "_demo", "_house", "_pepper", "_roots", "_trail", "trail_public_key")

    def __init__(
        self,
        root_key: bytes,
        *,
        version: int = 1,
        others: Mapping[int, bytes] | None = None,
        house_keys: bytes | None = None,
        founding: bool = False,
    ) -> None:
        """Seal under ``root_key`` from now on, and open what is sealed under the ``others`` too.

        ``house_keys`` are as ``sealed_house_keys`` returned them. Without them they are drawn for a store
        that is being founded; one that was founded before they were stored has those of its root key.
        Raises RootKeyRefused for a weak key, Unavailable if the house keys do not open.
        """
        self.learn(root_key, version, others or {})
        if house_keys is not None:
            house = self._opened_house(house_keys)
        elif founding:
            house = _HouseKeys(*(os.urandom(KEY_BYTES) for _ in _HouseKeys.__struct_fields__))
        else:
            house = _derived_house_keys(root_key)
        self._house = house
        self._pepper = _keyed_hash(house.pepper)
        self._demo = _keyed_hash(house.demo)
        self._trail = Ed25519PrivateKey.from_private_bytes(house.trail)
        self._cache = KeyCache()
        self.trail_public_key = self._trail.public_key().public_bytes_raw()

    # ── Root keys ───────────────────────────────────────────────────────────────────────────────────────

    def learn(self, root_key: bytes, version: int, others: Mapping[int, bytes]) -> None:
        """Have these root keys instead of those that were at hand; another thread may use either."""
        for key in (root_key, *others.values()):
            refuse_weak(key)
        known = {**others, version: root_key}
        keys = {number: WrappingKey(_derived(key, b"tenant keys"), number) for number, key in known.items()}
        fingerprints = tuple(fingerprint_of(key) for key in (root_key, *others.values()))
        self._roots = _Roots(keys, version, fingerprints)

    @property
    def fingerprint(self) -> bytes:
        """Return the fingerprint of the root key that seals."""
        return self._roots.fingerprints[0]

    @property
    def fingerprints(self) -> tuple[bytes, ...]:
        """Return the fingerprints of all root keys at hand, that of the one that seals first."""
        return self._roots.fingerprints

    @property
    def root_version(self) -> int:
        """Return the version of the root key that seals."""
        return self._roots.current

    @property
    def root_versions(self) -> frozenset[int]:
        """Return the versions of all root keys at hand."""
        return frozenset(self._roots.keys)

    def with_current_root_only(self) -> "RootVault":
        """Return a vault that has no other root key than the one that seals: what it opens needs no other."""
        alone = copy(self)
        roots = self._roots
        alone._roots = _Roots(
            {roots.current: roots.keys[roots.current]}, roots.current, roots.fingerprints[:1]
        )
        return alone

    def opens_house_keys(self, sealed: bytes) -> None:
        """Return if these house keys open and are those at hand; Unavailable otherwise."""
        if self._opened_house(sealed) != self._house:
            raise Unavailable(detail="the keys of the house are not those at hand")

    def sealed_house_keys(self) -> bytes:
        """Return the house's own keys, sealed under the current root key."""
        return self._wrapping.wrapped(msgspec.msgpack.encode(self._house), _HOUSE_PLACE)

    def house_keys_are_rewrapped(self, sealed: bytes) -> bool:
        """Return whether house keys are sealed under the current root key, going by what they say."""
        return _root_version_of(sealed) == self._roots.current

    @property
    def _wrapping(self) -> WrappingKey:
        roots = self._roots
        return roots.keys[roots.current]

    def _opened_house(self, sealed: bytes) -> _HouseKeys:
        try:
            opened = self._unwrapped(sealed, _HOUSE_PLACE)
        except Unopened as unopened:
            detail = f"the keys of the house do not open under this root key: {unopened}"
            raise Unavailable(detail=detail) from None
        return msgspec.msgpack.decode(opened, type=_HouseKeys)

    def _unwrapped(self, wrapped: bytes, place: bytes) -> bytes:
        key = self._roots.keys.get(_root_version_of(wrapped))
        if key is None:
            raise Unopened("cut short, or sealed under a root key that is not here")
        return key.unwrapped(wrapped, place)

    # ── Tenants' keys ───────────────────────────────────────────────────────────────────────────────────

    def fresh_tenant_keys(self, tenant_id: TenantID) -> tuple[TenantKeyRow, ...]:
        """Return new keys for a new tenant, sealed under the root key."""
        return tuple(self.fresh_tenant_key(tenant_id, one, 1) for one in (Purpose.SEAL, Purpose.INDEX))

    def fresh_tenant_key(self, tenant_id: TenantID, purpose: Purpose, version: int) -> TenantKeyRow:
        """Return one new key of a tenant, sealed under the root key."""
        return self._wrapped_key(tenant_id, purpose, version, os.urandom(KEY_BYTES))

    def rewrapped(self, row: TenantKeyRow, purpose: Purpose | None = None) -> TenantKeyRow:
        """Return the same key sealed under the current root key, for another purpose if one is given.

        Raises Unavailable if it does not open.
        """
        tenant_id = TenantID(row.tenant_id)
        key = self._opened_key(tenant_id, row)
        return self._wrapped_key(tenant_id, purpose or Purpose(row.purpose), row.key_version, key)

    def is_rewrapped(self, row: TenantKeyRow) -> bool:
        """Return whether a tenant's key is sealed under the current root key, going by what it says."""
        return _root_version_of(row.wrapped) == self._roots.current

    def answers_key(self, row: TenantKeyRow) -> TenantKeyRow:
        """Return of an index key what finds idempotency answers, and nothing else can be told with."""
        tenant_id = TenantID(row.tenant_id)
        kinds = keys_of_kinds(self._opened_key(tenant_id, row))
        narrowed = b"".join(kinds[kind] for kind in ANSWER_KINDS)
        return self._wrapped_key(tenant_id, Purpose.ANSWERS, row.key_version, narrowed)

    def tenant(self, tenant_id: TenantID, keys: list[TenantKeyRow]) -> OpenedTenant:
        """Return the tenant's opened keys; Unavailable if they do not open under the root keys at hand."""
        opened: dict[str, dict[int, bytes]] = {purpose: {} for purpose in Purpose}
        for row in keys:
            if row.purpose not in opened:
                raise Unavailable(detail=f"a key of tenant {tenant_id} is of a later program")
            opened[row.purpose][row.key_version] = self._opened_key(tenant_id, row)
        if not opened[Purpose.SEAL] or not opened[Purpose.INDEX]:
            raise Unavailable(detail=f"a key of tenant {tenant_id} is missing from the store")
        return OpenedTenant(
            tenant_id,
            # The last one seals.
            {**opened[Purpose.SEAL_LEAVING], **opened[Purpose.SEAL]},
            _newest(opened[Purpose.INDEX]),
            self._cache,
            coming=_index_key(opened[Purpose.INDEX_COMING]),
            leaving=_index_key(opened[Purpose.INDEX_LEAVING]),
            answers=tuple(_answers_key(key) for key in opened[Purpose.ANSWERS].values()),
        )

    def _wrapped_key(self, tenant_id: TenantID, purpose: Purpose, version: int, key: bytes) -> TenantKeyRow:
        place = _tenant_key_place(tenant_id, purpose, version)
        return TenantKeyRow(tenant_id, purpose.value, version, self._wrapping.wrapped(key, place))

    def _opened_key(self, tenant_id: TenantID, row: TenantKeyRow) -> bytes:
        try:
            return self._unwrapped(row.wrapped, _tenant_key_place(tenant_id, row.purpose, row.key_version))
        except Unopened as unopened:
            raise Unavailable(
                detail=f"the {row.purpose} key {row.key_version} of tenant {tenant_id} does not open under "
                f"this root key: {unopened}"
            ) from None

    # ── The house's own keys ────────────────────────────────────────────────────────────────────────────

    def hashed_secret(self, terms: str, secret: bytes) -> bytes:
        """Return the keyed hash under which a Basic secret is kept, for a credential of these terms.

        Fast on purpose: these secrets are drawn by the server, so there is nothing to guess, and without the
        house's key there is nothing to try a guess against.
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


def _derived(root_key: bytes, label: bytes) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt=_SALT, info=b"customary " + label).derive(root_key)


def _derived_house_keys(root_key: bytes) -> _HouseKeys:
    labels = (b"basic secrets", b"demo secrets", b"trail signatures")
    return _HouseKeys(*(_derived(root_key, label) for label in labels))


def _keyed_hash(key: bytes) -> HMAC:
    return HMAC(key, SHA256())


def _root_version_of(wrapped: bytes) -> int:
    return wrapped[1] if len(wrapped) > 1 else 0


def _newest(keys: Mapping[int, bytes]) -> bytes:
    return keys[max(keys)]


def _index_key(keys: Mapping[int, bytes]) -> IndexKey | None:
    return IndexKey(keys_of_kinds(_newest(keys))) if keys else None


def _answers_key(narrowed: bytes) -> IndexKey:
    starts = range(0, len(narrowed), KEY_BYTES)
    keys = (narrowed[start : start + KEY_BYTES] for start in starts)
    return IndexKey(dict(zip(map(int, ANSWER_KINDS), keys, strict=True)))


def _tenant_key_place(tenant_id: str, purpose: str, version: int) -> bytes:
    number = version.to_bytes(8, "big", signed=True)  # total over what a row can hold
    return framed(b"customary tenant key", tenant_id.encode(), purpose.encode(), number)
