"""Builds the rooms over a house: each dialect's operations behind its door, with its way of saying no."""

from collections.abc import Awaitable, Callable

from customary.bootstrap.house import House
from customary.domain.access import Principal
from customary.http.doors import BasicDoor, Nonces, Quota, SignedDoor
from customary.http.exchange import Exchange, Front
from customary.http.shell import Observer, Room, Sealed
from customary.native import routes as native
from customary.native.errors import NativeErrors
from customary.trustist import routes as trustist
from customary.trustist.errors import TrustistErrors
from customary.trustly import routes as trustly
from customary.trustly.errors import TrustlyErrors
from customary.trustly.wire import Masking

_CHALLENGES = {"hawk": "Hawk", "hmac-sha256": "HMAC-SHA256"}
_Door = Callable[[Exchange], Awaitable[Principal]]


def rooms(house: House, nonces: Nonces, observer: Observer) -> tuple[Room, ...]:
    """Return the rooms of both dialects and our own; while the house is sealed, their doors are shut."""
    settings = house.settings
    presentations = frozenset[str](settings.presentations)
    basic: _Door = Sealed()
    signed: _Door = Sealed()
    trustly_routes: object = _Nothing()
    trustist_routes: object = _Nothing()
    native_routes: object = _Nothing()
    if house.vault is not None:
        quota = Quota(settings.requests_per_minute)
        front = Front(settings.public_url, settings.trusted_proxies)
        basic = BasicDoor(house.registry, house.vault, house.dice, quota, presentations=presentations)
        signed = SignedDoor(
            house.registry, nonces, house.dice, quota, front, presentations=presentations - {"basic"}
        )
        masking = Masking(frozenset(settings.trustly_masked_fields))
        trustly_routes = trustly.Routes(house.performer, house.registry, masking)
        trustist_routes = trustist.Routes(house.performer, house.registry, house.dice)
        native_routes = native.Routes(native.Means(house.performer, house.registry, house.dice))
    challenges = tuple(text for name, text in _CHALLENGES.items() if name in presentations)
    return (
        Room(
            name="trustly",
            prefix=trustly.PREFIX,
            operations=trustly.OPERATIONS,
            routes=trustly_routes,
            door=basic,
            errors=TrustlyErrors(settings.trustly_not_found_status),
            observer=observer,
            random_bytes=house.dice.random_bytes,
            request_id_header=trustly.REQUEST_ID_HEADER,
            content_type=trustly.CONTENT_TYPE,
        ),
        Room(
            name="trustist",
            prefix=trustist.PREFIX,
            operations=trustist.OPERATIONS,
            routes=trustist_routes,
            door=signed,
            errors=TrustistErrors(challenges),
            observer=observer,
            random_bytes=house.dice.random_bytes,
            request_id_header=trustist.REQUEST_ID_HEADER,
            content_type=trustist.CONTENT_TYPE,
        ),
        Room(
            name="native",
            prefix=native.PREFIX,
            operations=native.OPERATIONS,
            routes=native_routes,
            door=signed,
            errors=NativeErrors(challenges),
            observer=observer,
            random_bytes=house.dice.random_bytes,
            request_id_header=native.REQUEST_ID_HEADER,
            content_type=native.CONTENT_TYPE,
        ),
    )


class _Nothing:
    """The routes of a sealed room: the door lets nobody reach them."""

    def __getattr__(self, name: str) -> object:
        return None
