"""Every way in which the Trustly dialect says no, as its document shows it."""

from functools import cache

from customary.bootstrap.documents.answers import Refusal
from customary.bootstrap.documents.trustly_examples import FAULTY_EXAMPLE, faults_of
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


@cache
def refusals() -> dict[str, dict[str, Refusal]]:
    """Return them by response and by example; made when first asked for, since making them runs the room."""
    body = {
        "header": _HEADER,
        "json": Refusal("The body is no JSON object within limits", Malformed("The body is not valid JSON")),
        "invalid": Refusal("Members break rules, one error each", faults_of(FAULTY_EXAMPLE)),
        "query": Refusal(
            "A known parameter is repeated", Malformed("A query parameter is repeated", part="query")
        ),
        "taken": Refusal(
            "The externalId is another customer's, or the request names two customers",
            Conflict("This external id is taken", field="external_id"),
        ),
        "key": Refusal("The Idempotency-Key was used with another request", IdempotencyMismatch()),
        "outdated": Refusal("The customer was changed at the same moment", Outdated()),
    }
    return {
        "BadQuery": {
            "filter": Refusal(
                "A parameter is empty, too long or out of range",
                Invalid(Violation("externalId", "min_length", "externalId is empty")),
            ),
            "query": body["query"],
            "header": _HEADER,
        },
        "BadHead": {"header": _HEADER},
        "BadRequest": body,
        "Unauthorized": {
            "credentials": Refusal("Credentials are missing, wrong, revoked or expired", Unauthenticated()),
            "permission": Refusal("The permission is missing (without WWW-Authenticate)", Forbidden()),
        },
        "NotFound": {
            "customer": Refusal("No customer of this merchant has that id", NotFound()),
            "route": Refusal("The path is none of this API", NoSuchRoute()),
        },
        "MethodNotAllowed": {"method": Refusal("The path has other methods", NoSuchMethod(["GET", "POST"]))},
        "Timeout": {
            "time": Refusal(
                "The body did not arrive in time",
                TooLarge("The request body did not arrive in time", kind="time"),
            )
        },
        "TooLarge": {
            "size": Refusal("The body is too large", TooLarge("The request body is larger than 65536 bytes"))
        },
        "InternalError": {"internal": Refusal("The program has failed; the request id finds the log", None)},
        "Unavailable": {
            "busy": Refusal("Store, keys or machine do not allow an answer now", Unavailable()),
            "quota": Refusal("The quota of requests is used up", TooMany()),
            "unknown": Refusal("Nobody knows whether the change holds; repeat the request", OutcomeUnknown()),
        },
    }
