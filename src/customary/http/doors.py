"""Who is it: turns a presented credential into a principal, or refuses with one and the same answer.

Joins the pure verification of ``http.schemes`` with the registry of credentials, the used nonces and the
clock. It must never know a room: a room chooses the door that it has.
"""

import hashlib
import os
from datetime import datetime
from functools import partial
from hmac import compare_digest
from typing import Protocol

from customary.app.credentials import KnownKey, Registry
from customary.app.ports import Dice, Vault
from customary.domain.access import Principal, Scheme
from customary.domain.errors import TooMany, Unauthenticated
from customary.http.exchange import Exchange, Front
from customary.http.schemes import SignedRequest, basic, hawk, hmac_sha256, scheme_of
from customary.http.shell import body_of


class Nonces(Protocol):
    """Remembers which nonces were used, across restarts."""

    async def claim(self, tenant_id: str, key_id: str, ts: int, nonce: str, expires_at: float) -> bool:
        """Return whether this is the first use; it is remembered until ``expires_at`` (epoch seconds).

        Raises Unavailable, and claims nothing, when it cannot be remembered.
        """


class Quota:
    """A request quota a key: a bucket of ``per_minute`` requests that refills steadily; 0 is no quota."""

    _BUCKETS_MAX = 10_000

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._buckets: dict[str, tuple[float, float]] = {}

    def spend(self, key_id: str, instant: datetime) -> None:
        """Take one request of the key's quota; TooMany if none is left."""
        if not self._per_minute:
            return
        now = instant.timestamp()
        if len(self._buckets) >= self._BUCKETS_MAX:
            self._buckets.clear()
        left, since = self._buckets.get(key_id, (float(self._per_minute), now))
        left = min(float(self._per_minute), left + max(0.0, now - since) * self._per_minute / 60)
        if left < 1:
            self._buckets[key_id] = (left, now)
            raise TooMany(retry_after_seconds=max(1, round((1 - left) * 60 / self._per_minute)))
        self._buckets[key_id] = (left - 1, now)


class BasicDoor:
    """Lets in merchants' Basic credentials (Trustly contract T1)."""

    def __init__(
        self, registry: Registry, vault: Vault, dice: Dice, quota: Quota, *, presentations: frozenset[str]
    ) -> None:
        self._registry = registry
        self._vault = vault
        self._dice = dice
        self._quota = quota
        self._open = "basic" in presentations
        self._passed = _Passed()

    async def __call__(self, exchange: Exchange) -> Principal:
        """Return the principal; one answer for an unknown id and a wrong key, in bytes and in work."""
        now = self._dice.now()
        presented_as = exchange.headers.get(b"authorization", b"")
        generation = self._registry.generation
        known = self._passed.find(presented_as, generation, now)
        if known is None:
            try:
                known, lapses_at = await self._verified(exchange, now)
            except Unauthenticated:
                if not await self._registry.refreshed():
                    raise
                known, lapses_at = await self._verified(exchange, now)
            if generation == self._registry.generation:  # else it may have been read before the change
                self._passed.keep(presented_as, known, lapses_at)
        self._quota.spend(known.credential.key_id, now)
        self._registry.used(known.principal, now)
        return known.principal

    async def _verified(self, exchange: Exchange, now: datetime) -> tuple[KnownKey, datetime | None]:
        """Return the key that was presented, and when it or the secret that matched lapses."""
        value = exchange.header("authorization")
        if value is None or not self._open or scheme_of(value) != "basic":
            raise Unauthenticated(detail="no Basic credentials presented")
        key_id, secret = basic.parsed(value)
        known = await self._registry.key(key_id)
        presented = self._vault.hashed_secret(known.credential.terms if known else key_id, secret.encode())
        live = known.live_at(now) if known and known.credential.scheme is Scheme.BASIC else []
        # All are compared, and an unknown key with something, so that time tells nothing.
        matches = [compare_digest(presented, kept) for kept, _ in live or [(_NOBODYS_HASH, None)]]
        if known is None or not live or True not in matches:
            await self._registry.read_again(known)
            raise Unauthenticated(detail="unknown, revoked or expired key, or a wrong secret")
        ends = (known.credential.expires_at, live[matches.index(True)][1])
        return known, min((end for end in ends if end is not None), default=None)


class _Passed:
    """The Basic headers that were let in last, so that the next request need not be decoded and hashed.

    They are kept under a keyed digest with a key of this process: a header holds a secret, and none is kept
    in clear. All are forgotten when tenants, merchants or credentials change.
    """

    _KEPT_MAX = 1024

    def __init__(self) -> None:
        self._digest = hashlib.blake2b(key=os.urandom(32), digest_size=32)
        self._kept: dict[bytes, tuple[KnownKey, datetime | None]] = {}
        self._generation = -1

    def find(self, header: bytes, generation: int, now: datetime) -> KnownKey | None:
        """Return the key that this header passed with, unless it has lapsed or something has changed."""
        if generation != self._generation:
            self._kept.clear()
            self._generation = generation
            return None
        found = self._kept.get(self._digest_of(header))
        if found is None or (found[1] is not None and now >= found[1]):
            return None
        return found[0]

    def keep(self, header: bytes, known: KnownKey, lapses_at: datetime | None) -> None:
        """Keep a header that has passed."""
        if len(self._kept) >= self._KEPT_MAX:
            self._kept.clear()
        self._kept[self._digest_of(header)] = (known, lapses_at)

    def _digest_of(self, header: bytes) -> bytes:
        digest = self._digest.copy()
        digest.update(header)
        return digest.digest()


_NOBODYS_HASH = bytes(32)


class SignedDoor:
    """Lets in HMAC keys, presented as Hawk or as HMAC-SHA256 (Trustist contract S1 to S12)."""

    def __init__(
        self,
        registry: Registry,
        nonces: Nonces,
        dice: Dice,
        quota: Quota,
        front: Front,
        *,
        presentations: frozenset[str],
    ) -> None:
        self._registry = registry
        self._nonces = nonces
        self._dice = dice
        self._quota = quota
        self._front = front
        self._presentations = presentations

    async def __call__(self, exchange: Exchange) -> Principal:
        """Return the principal of a signed request."""
        try:
            known = await self._known(exchange)
        except Unauthenticated:
            if not await self._registry.refreshed():
                raise
            known = await self._known(exchange)
        now = self._dice.now()
        self._quota.spend(known.credential.key_id, now)
        self._registry.used(known.principal, now)
        return known.principal

    async def _known(self, exchange: Exchange) -> KnownKey:
        value = exchange.header("authorization")
        scheme = None if value is None else scheme_of(value)
        if value is None or scheme not in self._presentations:
            raise Unauthenticated(detail="no signature presented")
        if scheme == "hawk":
            return await self._hawk(exchange, value)
        if scheme == "hmac-sha256":
            return await self._hmac_sha256(exchange, value)
        raise Unauthenticated(detail="not a presentation of this surface")

    async def _hawk(self, exchange: Exchange, value: str) -> KnownKey:
        header = hawk.parsed(value)
        # Only a hash binds the body, so only then is it read before the caller is known.
        body = await body_of(exchange) if header.hash else b""
        request = self._signed_request(exchange, body)
        known, secrets, now = await self._secrets(header.id)
        try:
            secret = hawk.verified(header, secrets, request, now)
        except Unauthenticated:
            await self._registry.read_again(known)
            raise
        expires_at = header.ts + hawk.CLOCK_SKEW_SECONDS_MAX + 1
        if known is None:
            raise Unauthenticated(detail="hawk: no live key of this id")
        tenant_id = known.credential.tenant_id
        if not await self._nonces.claim(tenant_id, header.id, header.ts, header.nonce, expires_at):
            raise Unauthenticated(detail="hawk: the nonce was used before")
        exchange.sign = partial(hawk.server_authorization, secret, header, request)
        return known

    async def _hmac_sha256(self, exchange: Exchange, value: str) -> KnownKey:
        header = hmac_sha256.parsed(value)
        request = self._signed_request(exchange, await body_of(exchange))
        known, secrets, now = await self._secrets(hmac_sha256.key_id(header, request))
        try:
            hmac_sha256.verified(header, secrets, request, now)
        except Unauthenticated:
            await self._registry.read_again(known)
            raise
        if known is None:
            raise Unauthenticated(detail="hmac: no live key of this id")
        return known

    async def _secrets(self, key_id: str) -> tuple[KnownKey | None, list[bytes], float]:
        known = await self._registry.key(key_id)
        now: datetime = self._dice.now()
        usable = known is not None and known.credential.scheme is Scheme.HMAC
        return known, known.secrets_at(now) if known and usable else [], now.timestamp()

    def _signed_request(self, exchange: Exchange, body: bytes) -> SignedRequest:
        address = self._front.address(exchange)
        return SignedRequest(
            exchange.method,
            exchange.target,
            address.host,
            address.port,
            body,
            exchange.header("content-type") or "",
            exchange.header,
        )
