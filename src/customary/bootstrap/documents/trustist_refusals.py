"""Every way in which the Trustist dialect says no, as its document shows it."""

from functools import cache

from customary.bootstrap.documents.answers import Refusal
from customary.bootstrap.documents.trustist_examples import CREATED_AT, faults_of
from customary.domain.errors import (
    Conflict,
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
    Violation,
)
from customary.http.exchange import NoSuchMethod, NoSuchRoute

_HEADER = Refusal(
    "A header or the address is over a limit, or a header is repeated",
    Malformed("A header is too long", part="header"),
)
_REPEATED = Refusal("A known parameter is repeated", Malformed("A query parameter is repeated", part="query"))


@cache
def refusals() -> dict[str, dict[str, Refusal]]:
    """Return them by response and by example; made when first asked for, since making them runs the room."""
    return _of_requests() | _of_callers() | _of_the_server()


def _of_requests() -> dict[str, dict[str, Refusal]]:
    return {
        "BadHead": {"header": _HEADER},
        "BadQuery": {
            "range": Refusal(
                "A parameter is too long or out of range",
                Invalid(Violation("page", "range", "page is not a whole number from 1 to 10000000")),
            ),
            "query": _REPEATED,
            "header": _HEADER,
        },
        "BadRequest": {
            "json": Refusal(
                "The body is no JSON object within the limits", Malformed("The body is not valid JSON")
            ),
            "invalid": Refusal(
                "Members break rules, one entry each",
                faults_of(
                    {"emailAddress": "none", "dateOfBirth": "1985-02-30", "address": {"country": "XX"}},
                    CREATED_AT.date(),
                ),
            ),
            "header": _HEADER,
        },
        "NotFound": {
            "customer": Refusal("No customer of this tenant has that id", NotFound()),
            "route": Refusal("The path is none of this API", NoSuchRoute()),
        },
        "MethodNotAllowed": {"method": Refusal("The path has other methods", NoSuchMethod(["GET", "POST"]))},
        "Timeout": {
            "time": Refusal(
                "The body did not arrive in time",
                TooLarge("The request body did not arrive in time", kind="time"),
            )
        },
        "Conflict": {
            "outdated": Refusal("The customer was changed at the same moment", Outdated()),
            "conflict": Refusal("The request contradicts what is stored", Conflict()),
        },
        "TooLarge": {
            "size": Refusal("The body is too large", TooLarge("The request body is larger than 65536 bytes"))
        },
        "UnsupportedMediaType": {
            "type": Refusal(
                "The body is not declared as JSON, or is compressed",
                Malformed("The Content-Type is not JSON", part="header", kind="media_type"),
            )
        },
        "KeyReused": {
            "key": Refusal("The Idempotency-Key was used with another request", IdempotencyMismatch())
        },
    }


def _of_callers() -> dict[str, dict[str, Refusal]]:
    return {
        "Unauthorized": {
            "key": Refusal(
                "The key is missing, unknown, revoked or expired, or the signature wrong", Unauthenticated()
            ),
            "hint": Refusal(
                "A header that has to be signed is missing (HMAC-SHA256)", Unauthenticated(hint="x-tr-date")
            ),
            "stale": Refusal(
                "The time of a Hawk signature is off by more than a minute; the challenge gives the server's",
                Unauthenticated(challenge='Hawk error="Stale timestamp"'),
            ),
        },
        "Forbidden": {
            "permission": Refusal("The permission is missing, or the key is a merchant's", Forbidden()),
        },
        "TooMany": {"quota": Refusal("The quota of requests is used up", TooMany())},
    }


def _of_the_server() -> dict[str, dict[str, Refusal]]:
    return {
        "InternalError": {
            "internal": Refusal("The program has failed; the correlation id finds the log", None)
        },
        "Unavailable": {
            "busy": Refusal("Store, keys or machine do not allow an answer now", Unavailable()),
            "unknown": Refusal("Nobody knows whether the change holds; repeat the request", OutcomeUnknown()),
        },
    }
