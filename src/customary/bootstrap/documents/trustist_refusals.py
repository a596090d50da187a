"""Every way in which the Trustist dialect says no, as its document shows it."""

from functools import cache

from customary.bootstrap.documents.answers import Refusal
from customary.bootstrap.documents.refusals import (
    BUSY,
    COMMON,
    HEADER,
    KEY_REUSED,
    NO_ROUTE,
    NOT_JSON,
    OUTDATED,
    QUOTA,
    REPEATED,
    UNKNOWN,
)
from customary.bootstrap.documents.trustist_examples import CREATED_AT, faults_of
from customary.domain.errors import (
    Conflict,
    Forbidden,
    Invalid,
    Malformed,
    NotFound,
    Unauthenticated,
    Violation,
)


@cache
def refusals() -> dict[str, dict[str, Refusal]]:
    """Return them by response and by example; made when first asked for, since making them runs the room."""
    return {**COMMON, **_of_requests(), **_of_callers(), "Unavailable": {"busy": BUSY, "unknown": UNKNOWN}}


def _of_requests() -> dict[str, dict[str, Refusal]]:
    return {
        "BadQuery": {
            "range": Refusal(
                "A parameter is too long or out of range",
                Invalid(Violation("page", "range", "page is not a whole number from 1 to 10000000")),
            ),
            "query": REPEATED,
            "header": HEADER,
        },
        "BadRequest": {
            "json": NOT_JSON,
            "invalid": Refusal(
                "Members break rules, one entry each",
                faults_of(
                    {"emailAddress": "none", "dateOfBirth": "1985-02-30", "address": {"country": "XX"}},
                    CREATED_AT.date(),
                ),
            ),
            "header": HEADER,
        },
        "NotFound": {
            "customer": Refusal("No customer of this tenant has that id", NotFound()),
            "route": NO_ROUTE,
        },
        "Conflict": {
            "outdated": OUTDATED,
            "conflict": Refusal("The request contradicts what is stored", Conflict()),
        },
        "UnsupportedMediaType": {
            "type": Refusal(
                "The body is not declared as JSON, or is compressed",
                Malformed("The Content-Type is not JSON", part="header", kind="media_type"),
            )
        },
        "KeyReused": {"key": KEY_REUSED},
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
        "TooMany": {"quota": QUOTA},
    }
