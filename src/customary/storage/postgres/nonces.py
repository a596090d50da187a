"""Remembers the nonces of signed requests in the database, where all workers and hosts look.

Claims that come while others are on their way are stored together. They are not waited for to the disk: a
crash of the database forgets the last half second of them at most, and within the minute in which they could
be presented again it would have to be up again.

It must never know how a request is signed, and keeps no key id or nonce, only a digest of them.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from msgspec import structs

from customary.domain.errors import CustomaryError, OutcomeUnknown, Unavailable
from customary.storage.postgres.failures import FAILURES, connection_is_gone, to_be_run_again, translated
from customary.storage.postgres.links import HOUSE, Address, Lane, Link
from customary.storage.postgres.rows import owner

DIGEST_BYTES: Final = 16
CLAIMS_MAX: Final = 256
ATTEMPTS_MAX: Final = 3
FORGOTTEN_AT_ONCE: Final = 5000
_LINKS: Final = 2
_UNWAITED: Final = "SET LOCAL synchronous_commit = off"

CLAIM: Final = """
INSERT INTO customary.used_nonces (tenant_id, digest, expires_at)
SELECT $1, n.digest, n.expires_at FROM unnest($2::bytea[], $3::bigint[]) AS n (digest, expires_at)
ON CONFLICT (tenant_id, digest) DO NOTHING
RETURNING digest
"""
FORGET: Final = """
DELETE FROM customary.used_nonces AS n
USING (SELECT o.tenant_id, o.digest FROM customary.used_nonces AS o WHERE o.expires_at < $1 LIMIT $2) AS old
WHERE n.tenant_id = old.tenant_id AND n.digest = old.digest
"""

Claim = tuple[bytes, int, "asyncio.Future[bool]"]


class PostgresNonces:
    """The used nonces of all workers and hosts on one database; for one event loop."""

    def __init__(self, address: Address, *, clock: Callable[[], float] = time.time) -> None:
        """``clock`` gives seconds since 1970."""
        self._address = structs.replace(address, replicated=False)  # nobody waits for these
        self._clock = clock
        self._waiting: dict[UUID, list[Claim]] = {}
        self._under_way: set[asyncio.Task[None]] = set()
        self._lane: Lane | None = None

    async def claim(self, tenant_id: str, key_id: str, ts: int, nonce: str, expires_at: float) -> bool:
        """Return True for the first use of that nonce by that key at that second, False for any other.

        ``expires_at``, in seconds since 1970, is when the request is too old to be let in anyhow. Raises
        Unavailable when nobody can tell.
        """
        key = key_id.encode("utf-8", "surrogatepass")
        digest = hashlib.sha256(
            b"%d %d %b %b" % (ts, len(key), key, nonce.encode("utf-8", "surrogatepass"))
        ).digest()[:DIGEST_BYTES]
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bool] = loop.create_future()
        tenant = owner(tenant_id)
        waiting = self._waiting.setdefault(tenant, [])
        waiting.append((digest, int(expires_at) + 1, future))
        if len(waiting) == 1:
            loop.call_soon(self._start, tenant)
        return await future

    async def keep(self) -> None:
        """Forget what has expired; for housekeeping, each second or so."""
        try:
            async with self._links().link(HOUSE) as link:
                forgotten = FORGOTTEN_AT_ONCE
                while forgotten == FORGOTTEN_AT_ONCE:
                    await link.begin(HOUSE)
                    forgotten = await link.execute(FORGET, int(self._clock()), FORGOTTEN_AT_ONCE)
                    await link.commit()
        except FAILURES as failure:
            raise translated(failure) from None

    async def leave(self) -> None:
        """Part from the server, once all claims are answered."""
        if self._under_way:
            await asyncio.wait(set(self._under_way))
        if self._lane is not None:
            await self._lane.close()
            self._lane = None

    def close(self) -> None:
        """Cut what is left of the connections."""
        if self._lane is not None:
            self._lane.abandon()

    def _links(self) -> Lane:
        if self._lane is None:
            self._lane = Lane(self._address, _LINKS)
        return self._lane

    def _start(self, tenant: UUID) -> None:
        task = asyncio.get_running_loop().create_task(self._store(tenant))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _store(self, tenant: UUID) -> None:
        """Store what waits once there is a link, and answer it."""
        claims: list[Claim] = []
        try:
            for attempt in range(ATTEMPTS_MAX):
                try:
                    async with self._links().link(tenant) as link:
                        claims = claims or self._taken(tenant)
                        await self._once(link, tenant, claims)
                    return
                except OutcomeUnknown:
                    raise Unavailable(detail="PostgreSQL: nobody knows whether a nonce was used") from None
                except FAILURES as failure:
                    again = to_be_run_again(failure) or connection_is_gone(failure)
                    if not again or attempt == ATTEMPTS_MAX - 1:
                        raise translated(failure) from None
        except CustomaryError as error:
            for _, _, future in claims or self._taken(tenant):
                if not future.done():
                    future.set_exception(Unavailable(detail=error.detail))

    def _taken(self, tenant: UUID) -> list[Claim]:
        waiting = self._waiting.pop(tenant, [])
        if len(waiting) > CLAIMS_MAX:
            self._waiting[tenant] = waiting[CLAIMS_MAX:]
            asyncio.get_running_loop().call_soon(self._start, tenant)
        return waiting[:CLAIMS_MAX]

    async def _once(self, link: Link, tenant: UUID, claims: list[Claim]) -> None:
        wanted: dict[bytes, int] = {}
        for digest, expires_at, _ in claims:
            wanted[digest] = max(expires_at, wanted.get(digest, 0))
        # In the order of digests, so that two hosts do not lock each other out.
        digests = sorted(wanted)
        await link.begin(tenant, also=_UNWAITED)
        rows: Any = await link.fetch(CLAIM, tenant, digests, [wanted[digest] for digest in digests])
        fresh = {row["digest"] for row in rows}
        await link.commit()
        for digest, _, future in claims:
            first = digest in fresh
            fresh.discard(digest)  # of two alike in one batch one is the first
            if not future.done():
                future.set_result(first)
