"""Builds the rooms over a house: each dialect's operations behind its door, with its way of saying no."""

from collections.abc import Awaitable, Callable

from customary.bootstrap.house import House
from customary.config import Settings
from customary.domain.access import Permission, Principal
from customary.http.covering import CoveringBirth
from customary.http.doors import BasicDoor, Nonces, Quota, SignedDoor
from customary.http.exchange import Exchange, Front
from customary.http.shell import Observer, Room, Sealed
from customary.native import routes as native
from customary.native.errors import NativeErrors
from customary.trustist import routes as trustist
from customary.trustist.errors import TrustistErrors
from customary.trustist.wire import Masking as TrustistMasking
from customary.trustly import routes as trustly
from customary.trustly.errors import TrustlyErrors
from customary.trustly.wire import Masking

_CHALLENGES = {"hawk": "Hawk", "hmac-sha256": "HMAC-SHA256"}
_Door = Callable[[Exchange], Awaitable[Principal]]


def rooms(house: House, nonces: Nonces, observer: Observer) -> tuple[Room, ...]:
    """Return the rooms of both dialects and our own; while the house is sealed, their doors are shut."""
    settings = house.settings
    presentations = frozenset[str](settings.presentations)
    trustly_door, trustist_door, native_door = _doors(house, nonces)
    trustly_routes: object = _Nothing()
    trustist_routes: object = _Nothing()
    native_routes: object = _Nothing()
    if house.vault is not None:
        masking = Masking(frozenset(_trustly_masks(settings)))
        trustly_routes = trustly.Routes(house.performer, house.registry, masking)
        trustist_masking = TrustistMasking(birth=settings.date_of_birth_guarded)
        trustist_routes = trustist.Routes(house.performer, house.registry, house.dice, trustist_masking)
        native_routes = native.Routes(native.Means(house.performer, house.registry, house.dice, house.eraser))
    challenges = tuple(text for name, text in _CHALLENGES.items() if name in presentations)
    return (
        Room(
            name="trustly",
            prefix=trustly.PREFIX,
            operations=trustly.OPERATIONS,
            routes=trustly_routes,
            door=trustly_door,
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
            door=trustist_door,
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
            door=native_door,
            errors=NativeErrors(challenges),
            observer=observer,
            random_bytes=house.dice.random_bytes,
            request_id_header=native.REQUEST_ID_HEADER,
            content_type=native.CONTENT_TYPE,
        ),
    )


def _doors(house: House, nonces: Nonces) -> tuple[_Door, _Door, _Door]:
    """Return the doors of the three rooms, each as far as its settings let those behind it see."""
    if house.vault is None:
        return Sealed(), Sealed(), Sealed()
    settings = house.settings
    presentations = frozenset[str](settings.presentations)
    quota = Quota(settings.requests_per_minute)
    front = Front(settings.public_url, settings.trusted_proxies)
    basic: _Door = BasicDoor(house.registry, house.vault, house.dice, quota, presentations=presentations)
    signed: _Door = SignedDoor(
        house.registry, nonces, house.dice, quota, front, presentations=presentations - {"basic"}
    )
    clear = Permission.READ_CUSTOMERS_UNMASKED
    if "dateOfBirth" in _trustly_masks(settings):
        basic = CoveringBirth(basic, clear)
    if not settings.date_of_birth_guarded:
        return basic, signed, signed
    # The native API shows masks to everybody; to see is a request of its own there.
    return basic, CoveringBirth(signed, clear), CoveringBirth(signed, None)


def _trustly_masks(settings: Settings) -> tuple[str, ...]:
    guarded = ("dateOfBirth",) if settings.date_of_birth_guarded else ()
    return (*settings.trustly_masked_fields, *guarded)


class _Nothing:
    """The routes of a sealed room: the door lets nobody reach them."""

    def __getattr__(self, name: str) -> object:
        return None
