"""How the Trustly dialect says no: one table from refusal to status, code and domain.

Source: the contract's error table; the live service's own 401 is reproduced byte for byte.
"""

from collections.abc import Sequence

import msgspec

from customary.domain.errors import (
    Conflict,
    CustomaryError,
    Forbidden,
    Invalid,
    Malformed,
    NotFound,
    OutcomeUnknown,
    Outdated,
    TooLarge,
    TooMany,
    Unauthenticated,
    Unavailable,
)
from customary.http.exchange import Exchange, NoSuchMethod, NoSuchRoute, Reply
from customary.http.shell import as_body

_DOMAIN = "com.paywithmybank.merchantgateway.v1.exception."
ACCESS = 375
INVALID = 200
INTERNAL = 100

_CONFLICT_LOCATIONS = {"external_id": "customer.externalId", "customer_number": "customer.customerId"}
_CHALLENGE = (b"www-authenticate", b'Basic realm="customary", charset="UTF-8"')


class Fault(msgspec.Struct, omit_defaults=True):
    """One item of the list of errors."""

    domain: str
    code: int
    message: str
    location: str | msgspec.UnsetType = msgspec.UNSET


class Faults(msgspec.Struct):
    """The envelope of every refusal."""

    errors: Sequence[Fault]


class TrustlyErrors:
    """Renders every refusal in Trustly's envelope; ``not_found_status`` is 404 or 400 (a setting)."""

    def __init__(self, not_found_status: int = 404) -> None:
        self._not_found_status = not_found_status

    def rendered(self, error: CustomaryError, exchange: Exchange) -> Reply:
        """Return the answer to a refusal."""
        match error:
            case Unauthenticated() | Forbidden():
                # A missing permission is answered as if nobody had come, and a 401 has a challenge (T1).
                return _reply(401, ACCESS, Unauthenticated.public, headers=(_CHALLENGE,))
            case NoSuchRoute():
                return _reply(404, INVALID, error.public)
            case NoSuchMethod():
                return _reply(405, INVALID, error.public, headers=((b"allow", error.allow.encode()),))
            case NotFound():
                # The sentence is the vendor's, but for the id: what a caller sent is in no answer.
                # What is no id is 404 whatever the setting (T23), and in every other byte like an unknown id.
                status = 404 if error.kind == "path" else self._not_found_status
                return _reply(status, INVALID, "Could not find a customer using Id …")
            case Invalid():
                faults = [_fault(INVALID, v.message, v.field) for v in error.violations]
                return Reply(400, as_body(Faults(faults)))
            case Conflict() | Outdated():
                location = _CONFLICT_LOCATIONS.get(getattr(error, "field", ""), "")
                return _reply(400, INVALID, error.public, location)
            case TooLarge():
                status = 413 if error.kind == "size" else 408
                return _reply(status, INVALID, error.public, "body", ((b"connection", b"close"),))
            case Malformed():
                return _reply(400, INVALID, error.public, error.part)
            case TooMany() | Unavailable():
                retry = str(error.retry_after_seconds).encode()
                return _reply(503, INTERNAL, error.public, headers=((b"retry-after", retry),))
            case OutcomeUnknown():
                return _reply(503, INTERNAL, error.public, headers=((b"retry-after", b"1"),))
            case _:
                return self.internal(exchange)

    def internal(self, exchange: Exchange) -> Reply:
        """Return the answer when the program itself has failed."""
        return _reply(500, INTERNAL, "Internal error")


_SUFFIXES = {
    ACCESS: "AccessControlException",
    INVALID: "InvalidParameterException",
    INTERNAL: "InternalException",
}


def _fault(code: int, message: str, location: str = "") -> Fault:
    return Fault(_DOMAIN + _SUFFIXES[code], code, message, location or msgspec.UNSET)


def _reply(
    status: int,
    code: int,
    message: str,
    location: str = "",
    headers: tuple[tuple[bytes, bytes], ...] = (),
) -> Reply:
    return Reply(status, as_body(Faults([_fault(code, message, location)])), headers)
