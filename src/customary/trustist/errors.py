"""How the Trustist dialect says no: one table from refusal to status and code.

No page of the vendor shows an error body, so ours can be read both as RFC 9457 and by its code alone.
"""

import msgspec
from msgspec import UNSET, UnsetType

from customary.domain.errors import (
    Conflict,
    CustomaryError,
    Forbidden,
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

_Headers = tuple[tuple[bytes, bytes], ...]


class Problem(msgspec.Struct, omit_defaults=True):
    """The body of every refusal."""

    type: str
    title: str
    status: int
    code: str
    error: str
    message: str
    missingFields: list[str] | UnsetType = UNSET
    errors: dict[str, list[str]] | UnsetType = UNSET
    error_description: str | UnsetType = UNSET
    correlationId: str = ""


_TITLES = {
    400: "Invalid request",
    401: "Invalid API key",
    403: "Insufficient permissions",
    404: "Not found",
    405: "Method not allowed",
    408: "Request timeout",
    409: "Conflict",
    413: "Payload too large",
    415: "Unsupported media type",
    422: "Unprocessable request",
    429: "Too many requests",
    500: "Internal error",
    503: "Unavailable",
}


class TrustistErrors:
    """Renders every refusal as a problem with a code; ``challenges`` are what a caller may present."""

    def __init__(self, challenges: tuple[str, ...] = ("Hawk", "HMAC-SHA256")) -> None:
        self._challenges = tuple((b"www-authenticate", challenge.encode("ascii")) for challenge in challenges)

    def rendered(self, error: CustomaryError, exchange: Exchange) -> Reply:
        """Return the answer to a refusal."""
        match error:
            case Unauthenticated():
                return self._unauthenticated(error, exchange)
            case Forbidden():
                return _reply(exchange, 403, "insufficient_permissions", error.public)
            case NoSuchRoute():
                return _reply(exchange, 404, "not_found", error.public)
            case NoSuchMethod():
                allow = ((b"allow", error.allow.encode()),)
                return _reply(exchange, 405, "method_not_allowed", error.public, allow)
            case NotFound():
                return _reply(
                    exchange, 404, f"{error.kind}_not_found", f"{error.kind.capitalize()} not found"
                )
            case Invalid():
                return _invalid(error, exchange)
            case IdempotencyMismatch():
                return _reply(exchange, 422, "idempotency_key_reused", error.public)
            case Conflict() | Outdated():
                return _reply(exchange, 409, "conflict", error.public)
            case TooLarge() if error.kind == "size":
                return _reply(exchange, 413, "payload_too_large", error.public, _CLOSE)
            case TooLarge():
                return _reply(exchange, 408, "request_timeout", error.public, _CLOSE)
            case Malformed() if error.kind == "media_type":
                return _reply(exchange, 415, "unsupported_media_type", error.public)
            case Malformed():
                return _reply(exchange, 400, "invalid_request", error.public)
            case TooMany():
                return _reply(exchange, 429, "rate_limited", error.public, _retry(error.retry_after_seconds))
            case Unavailable():
                return _reply(exchange, 503, "unavailable", error.public, _retry(error.retry_after_seconds))
            case OutcomeUnknown():
                return _reply(exchange, 503, "unavailable", error.public, _retry(1))
            case _:
                return self.internal(exchange)

    def internal(self, exchange: Exchange) -> Reply:
        """Return the answer when the program itself has failed."""
        return _reply(exchange, 500, "internal_error", "Internal error")

    def _unauthenticated(self, error: Unauthenticated, exchange: Exchange) -> Reply:
        """Return the one 401; a hint names a header that was missing, never a value."""
        headers = self._challenges
        if error.challenge:
            headers = ((b"www-authenticate", error.challenge.encode("latin-1")),)
        problem = _problem(exchange, 401, "invalid_api_key", error.public)
        if error.hint:
            problem.error_description = f"The header {error.hint} is missing"
        return Reply(401, as_body(problem), headers)


_CLOSE: _Headers = ((b"connection", b"close"),)


def _retry(seconds: int) -> _Headers:
    return ((b"retry-after", str(seconds).encode()),)


def _invalid(error: Invalid, exchange: Exchange) -> Reply:
    problem = _problem(exchange, 400, "invalid_request", error.public)
    errors: dict[str, list[str]] = {}
    for violation in error.violations:
        errors.setdefault(violation.field, []).append(violation.rule)
    problem.errors = errors
    return Reply(400, as_body(problem))


def _problem(exchange: Exchange, status: int, code: str, message: str) -> Problem:
    return Problem(
        "about:blank", _TITLES[status], status, code, code, message, correlationId=exchange.request_id
    )


def _reply(exchange: Exchange, status: int, code: str, message: str, headers: _Headers = ()) -> Reply:
    return Reply(status, as_body(_problem(exchange, status, code, message)), headers)
