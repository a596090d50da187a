"""Every way in which the Trustly dialect says no, as its document shows it."""

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
    REASON_WANTED,
    REPEATED,
    UNKNOWN,
)
from customary.bootstrap.documents.trustly_examples import FAULTY_EXAMPLE, faults_of
from customary.domain.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated, Violation


@cache
def refusals() -> dict[str, dict[str, Refusal]]:
    """Return them by response and by example; made when first asked for, since making them runs the room."""
    return {
        **COMMON,
        "BadHead": {"header": HEADER, "reason": REASON_WANTED},
        "BadQuery": {
            "filter": Refusal(
                "A parameter is empty, too long or out of range",
                Invalid(Violation("externalId", "min_length", "externalId is empty")),
            ),
            "query": REPEATED,
            "header": HEADER,
            "reason": REASON_WANTED,
        },
        "BadRequest": {
            "header": HEADER,
            "json": NOT_JSON,
            "invalid": Refusal("Members break rules, one error each", faults_of(FAULTY_EXAMPLE)),
            "query": REPEATED,
            "taken": Refusal(
                "The externalId is another customer's, or the request names two customers",
                Conflict("This external id is taken", field="external_id"),
            ),
            "key": KEY_REUSED,
            "outdated": OUTDATED,
            "reason": REASON_WANTED,
        },
        "Unauthorized": {
            "credentials": Refusal("Credentials are missing, wrong, revoked or expired", Unauthenticated()),
            "permission": Refusal("The permission is missing: answered as if nobody had come", Forbidden()),
        },
        "NotFound": {
            "customer": Refusal("No customer of this merchant has that id", NotFound()),
            "route": NO_ROUTE,
        },
        "Unavailable": {"busy": BUSY, "quota": QUOTA, "unknown": UNKNOWN},
    }
