"""The ways of saying no that every dialect has, as its document shows them.

A room renders them in its own form; the occasions are the same. It must never know a vendor.
"""

from collections.abc import Mapping

from customary.app import reasons
from customary.bootstrap.documents.answers import Refusal
from customary.domain.errors import (
    IdempotencyMismatch,
    Malformed,
    OutcomeUnknown,
    Outdated,
    TooLarge,
    TooMany,
    Unavailable,
)
from customary.http.body import BODY_BYTES_MAX
from customary.http.exchange import NoSuchMethod, NoSuchRoute

HEADER = Refusal(
    "A header or the address is over a limit, a header is repeated, or an X-Reason breaks its rule",
    Malformed("A header is too long", part="header"),
)
REASON_WANTED = Refusal(
    "The operator requires a reason of whoever sees guarded fields in clear, and none is given",
    reasons.wanted(),
)
REPEATED = Refusal("A known parameter is repeated", Malformed("A query parameter is repeated", part="query"))
NOT_JSON = Refusal("The body is no JSON object within the limits", Malformed("The body is not valid JSON"))
NO_ROUTE = Refusal("The path is none of this API", NoSuchRoute())
KEY_REUSED = Refusal("The Idempotency-Key was used with another request", IdempotencyMismatch())
OUTDATED = Refusal("The customer was changed at the same moment", Outdated())
QUOTA = Refusal("The quota of requests is used up", TooMany())
BUSY = Refusal("Store, keys or machine do not allow an answer now", Unavailable())
UNKNOWN = Refusal("Nobody knows whether the change holds; repeat the request", OutcomeUnknown())

COMMON: Mapping[str, dict[str, Refusal]] = {
    "BadHead": {"header": HEADER},
    "MethodNotAllowed": {"method": Refusal("The path has other methods", NoSuchMethod(["GET", "POST"]))},
    "Timeout": {
        "time": Refusal(
            "The body did not arrive in time",
            TooLarge("The request body did not arrive in time", kind="time"),
        )
    },
    "TooLarge": {
        "size": Refusal(
            "The body is too large", TooLarge(f"The request body is larger than {BODY_BYTES_MAX} bytes")
        )
    },
    "InternalError": {"internal": Refusal("The program has failed; the request's id finds the log", None)},
}
"""The responses that are the same in every dialect, by response and by example."""
