"""A door behind which a surface covers what its setting guards, whoever has come in.

It stands only where the setting is on, so that no other request pays for it. It must never know a room.
"""

from collections.abc import Awaitable, Callable

import msgspec

from customary.domain.access import Permission, Principal
from customary.domain.reach import covering_birth
from customary.http.exchange import Exchange

Door = Callable[[Exchange], Awaitable[Principal]]


class CoveringBirth:
    """Lets in whom another door lets in, dates of birth covered but for holders of ``unless``."""

    def __init__(self, door: Door, unless: Permission | None) -> None:
        self._door = door
        self._unless = unless

    async def __call__(self, exchange: Exchange) -> Principal:
        """Return the principal as far as the surface lets it see."""
        principal = await self._door(exchange)
        if self._unless in principal.permissions:
            return principal
        return msgspec.structs.replace(principal, reach=covering_birth(principal.reach))
