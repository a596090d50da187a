"""How the native API says no: one table from refusal to status and problem type (RFC 9457).

A problem's type is a relative address that ends in a word; ``docs/errors.md`` tells what each word means.
"""

from collections.abc import Mapping

import msgspec
from msgspec import UNSET, UnsetType

from customary.domain.errors import (
    Conflict,
    CustomaryError,
    Forbidden,
    Gone,
    IdempotencyMismatch,
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

PROBLEM_TYPE = "application/problem+json"
TYPES = "/problems/"

_Headers = tuple[tuple[bytes, bytes], ...]


class Fault(msgspec.Struct):
    """One member, parameter or header that breaks one rule."""

    field: str
    rule: str
    message: str


class Erased(msgspec.Struct):
    """By which erasure of the tenant a customer is gone, and since when."""

    number: int
    erasedAt: str


class Problem(msgspec.Struct, omit_defaults=True):
    """The body of every refusal."""

    type: str
    title: str
    status: int
    detail: str
    requestId: str
    errors: list[Fault] | UnsetType = UNSET
    erasure: Erased | UnsetType = UNSET


TITLES: Mapping[str, tuple[int, str]] = {
    "malformed": (400, "The request is malformed"),
    "unauthenticated": (401, "The caller could not be authenticated"),
    "forbidden": (403, "The key lacks the permission"),
    "not-found": (404, "There is no such record"),
    "gone": (410, "The customer was erased"),
    "no-such-resource": (404, "There is no such resource"),
    "method-not-allowed": (405, "The resource does not have this method"),
    "timeout": (408, "The request did not arrive in time"),
    "conflict": (409, "The request contradicts what is stored"),
    "outdated": (412, "The record has another version"),
    "too-large": (413, "The request is too large"),
    "unsupported-media-type": (415, "The media type is not supported"),
    "invalid": (422, "Members or parameters break rules"),
    "idempotency-key-reused": (422, "The Idempotency-Key was used with another request"),
    "too-many-requests": (429, "The key's requests are used up"),
    "internal-error": (500, "The program has failed"),
    "unavailable": (503, "The server cannot answer now"),
    "outcome-unknown": (503, "Nobody knows whether the change holds"),
}
"""Status and title of each problem, by the last word of its type."""


class NativeErrors:
    """Renders every refusal as a problem; ``challenges`` are what a caller may present."""

    def __init__(self, challenges: tuple[str, ...] = ("Hawk", "HMAC-SHA256")) -> None:
        self._challenges = tuple((b"www-authenticate", challenge.encode("ascii")) for challenge in challenges)

    def rendered(self, error: CustomaryError, exchange: Exchange) -> Reply:
        """Return the answer to a refusal."""
        match error:
            case Malformed():
                word = "unsupported-media-type" if error.kind == "media_type" else "malformed"
                return _reply(exchange, word, error.public)
            case Unauthenticated():
                return self._unauthenticated(error, exchange)
            case TooMany():
                return _reply(exchange, "too-many-requests", error.public, _retry(error.retry_after_seconds))
            case NoSuchRoute():
                return _reply(exchange, "no-such-resource", error.public)
            case NoSuchMethod():
                allow = ((b"allow", error.allow.encode()),)
                return _reply(exchange, "method-not-allowed", error.public, allow)
            case Forbidden():
                return _reply(exchange, "forbidden", error.public)
            case TooLarge():
                word = "too-large" if error.kind == "size" else "timeout"
                return _reply(exchange, word, error.public, _CLOSE)
            case Gone():
                return _reply(
                    exchange, "gone", "This customer was erased", erased=Erased(error.number, error.at)
                )
            case NotFound():
                return _reply(exchange, "not-found", error.public)
            case Invalid():
                faults = [Fault(one.field, one.rule, one.message) for one in error.violations]
                return _reply(exchange, "invalid", error.public, faults=faults)
            case IdempotencyMismatch():
                return _reply(exchange, "idempotency-key-reused", error.public)
            case Conflict():
                return _reply(exchange, "conflict", error.public)
            case Outdated():
                return _reply(exchange, "outdated", error.public)
            case Unavailable():
                return _reply(exchange, "unavailable", error.public, _retry(error.retry_after_seconds))
            case OutcomeUnknown():
                return _reply(exchange, "outcome-unknown", error.public, _retry(1))
            case _:
                return self.internal(exchange)

    def internal(self, exchange: Exchange) -> Reply:
        """Return the answer when the program itself has failed."""
        return _reply(exchange, "internal-error", "Internal error")

    def _unauthenticated(self, error: Unauthenticated, exchange: Exchange) -> Reply:
        """Return the one 401; a hint names a header that was missing, never a value."""
        headers = self._challenges
        if error.challenge:
            headers = ((b"www-authenticate", error.challenge.encode("latin-1")),)
        faults = [Fault(error.hint, "required", f"The header {error.hint} is missing")] if error.hint else []
        return _reply(exchange, "unauthenticated", error.public, headers, faults)


_CLOSE: _Headers = ((b"connection", b"close"),)


def _retry(seconds: int) -> _Headers:
    return ((b"retry-after", str(seconds).encode()),)


def _reply(
    exchange: Exchange,
    word: str,
    detail: str,
    headers: _Headers = (),
    faults: list[Fault] | None = None,
    erased: Erased | None = None,
) -> Reply:
    status, title = TITLES[word]
    problem = Problem(
        TYPES + word, title, status, detail, exchange.request_id, faults or UNSET, erased or UNSET
    )
    return Reply(status, as_body(problem), headers, PROBLEM_TYPE)
