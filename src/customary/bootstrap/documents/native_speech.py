"""How the native API speaks, and what its subjects' documents share: headers, parameters, refusals.

It must never know a subject.
"""

from collections.abc import Sequence
from functools import cache

from customary.bootstrap.documents.answers import COMMON_HEADERS, TEXT, Refusal, Speech
from customary.bootstrap.documents.operations import query_parameter
from customary.bootstrap.documents.refusals import (
    BUSY,
    COMMON,
    HEADER,
    KEY_REUSED,
    NO_ROUTE,
    NOT_JSON,
    QUOTA,
    REPEATED,
    UNKNOWN,
)
from customary.bootstrap.documents.shapes import Schema, amended
from customary.domain.errors import (
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    Malformed,
    NotFound,
    Outdated,
    Unauthenticated,
    Violation,
)
from customary.native.errors import PROBLEM_TYPE, NativeErrors
from customary.native.paging import LIMIT_DEFAULT, LIMIT_MAX, unknown_cursor, unknown_parameter

CUSTOMER_ID = "3kTp9j2mN5xR"
SIGNED = ("server-authorization",)
VERSIONED = ("etag", *SIGNED)
"""The headers of an answer that is one version of one customer."""

SPEECH = Speech(
    errors=NativeErrors(),
    schema="Problem",
    request_id_header="x-request-id",
    problem_type=PROBLEM_TYPE,
    headers={
        "x-request-id": (
            "X-Request-Id",
            {"description": "Id of the request, as in the server's log", "schema": TEXT | {"format": "uuid"}},
        ),
        "server-authorization": (
            "Server-Authorization",
            {
                "description": "The answer's own signature, if the request was signed with Hawk",
                "schema": TEXT,
            },
        ),
        "etag": ("ETag", {"description": "The version, between quotation marks", "schema": TEXT}),
        "location": ("Location", {"description": "The path of what was made", "schema": TEXT}),
        "www-authenticate": (
            "WWW-Authenticate",
            {
                "description": "The ways to sign, or the server's time for a stale Hawk signature",
                "schema": TEXT,
            },
        ),
        **COMMON_HEADERS,
    },
)

PATH_ID: Schema = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "The customer's id; any other text is answered like an unknown id",
    "schema": TEXT,
    "example": CUSTOMER_ID,
}
AT = query_parameter(
    "at",
    "As it was at that instant (RFC 3339), not in the future; 404 for one before it was created",
    TEXT | {"format": "date-time"},
)
"""The parameter that makes a record one of the past."""

IF_MATCH: Schema = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": (
        "ETags of which one must be the current version's; otherwise the answer is 412 and nothing is "
        "changed. Weak ones match nothing."
    ),
    "schema": TEXT,
    "example": '"7"',
}
IF_NONE_MATCH: Schema = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "ETags of versions that the caller has: if the answer is one of them, it is 304",
    "schema": TEXT,
    "example": '"7"',
}
PAGING: tuple[Schema, ...] = (
    query_parameter(
        "limit",
        "How many entries a page has",
        {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT},
    ),
    query_parameter("cursor", "The `nextCursor` of the page before; nothing for the first", TEXT),
)
"""The parameters of every list."""

READING = ("BadHead", "Unauthorized", "Forbidden", "TooMany", "InternalError", "Unavailable")
"""The refusals of an operation that reads and takes no parameter."""

ASKING = ("BadQuery", "BadParameter", *READING[1:])
"""The same where there are parameters of the query."""

WRITING = (
    "BadRequest",
    "Timeout",
    "Conflict",
    "TooLarge",
    "UnsupportedMediaType",
    "Unprocessable",
    *READING[1:],
)
"""The refusals of an operation that takes a body and changes something."""

CHANGING = (*WRITING, "NotFound", "Gone", "Outdated")
"""The same where it changes what is there."""


@cache
def refusals() -> dict[str, dict[str, Refusal]]:
    """Return every way of saying no, by response and by example."""
    return {**COMMON, **_of_requests(), **_of_callers(), "Unavailable": {"busy": BUSY, "unknown": UNKNOWN}}


def _of_requests() -> dict[str, dict[str, Refusal]]:
    return {
        "BadQuery": {"query": REPEATED, "header": HEADER},
        "BadParameter": {
            "range": Refusal(
                "A parameter breaks a rule",
                Invalid(Violation("limit", "range", f"limit is not a whole number from 1 to {LIMIT_MAX}")),
            ),
            "cursor": Refusal("The cursor is none of this list", unknown_cursor()),
            "unknown": Refusal("A list that filters has no such parameter", unknown_parameter()),
        },
        "BadRequest": {"json": NOT_JSON, "header": HEADER},
        "NotFound": {
            "customer": Refusal("The key sees no customer of that id, or no such version", NotFound()),
            "route": NO_ROUTE,
        },
        "Gone": {
            "erased": Refusal(
                "The customer was erased; `erasure` says when, and under which number",
                Gone(number=17, at="2026-03-02T09:05:00.120Z"),
            )
        },
        "Conflict": {
            "taken": Refusal(
                "The external id is another customer's",
                Conflict("This external id is taken", field="external_id"),
            ),
            "held": Refusal(
                "A legal hold forbids it",
                Conflict("A legal hold keeps this customer from being erased", field="hold"),
            ),
        },
        "Outdated": {"version": Refusal("If-Match names another version", Outdated())},
        "UnsupportedMediaType": {
            "type": Refusal(
                "The body is not declared as JSON, or is compressed",
                Malformed("The Content-Type is not JSON", part="header", kind="media_type"),
            )
        },
        "Unprocessable": {
            "invalid": Refusal(
                "Members break rules, one entry each",
                Invalid(
                    Violation("email", "max_length", "email is too long"),
                    Violation("taxId", "mask", "taxId is a mask that is not the one of the stored value"),
                ),
            ),
            "key": KEY_REUSED,
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
        "Forbidden": {"permission": Refusal("The permission is missing", Forbidden())},
        "TooMany": {"quota": QUOTA},
    }


def problem(schema: Schema, types: Sequence[str]) -> Schema:
    """Return the schema of the body of refusals; ``types`` are those that this document shows."""
    described: dict[str, Schema] = {
        "type": {"description": "What is wrong, for programs (RFC 9457)", "enum": list(types)},
        "title": {"description": "The type in words"},
        "status": {"description": "The HTTP status"},
        "detail": {"description": "What is wrong here, in words; it never repeats a value that was sent"},
        "requestId": {"description": "The same as the header X-Request-Id"},
        "errors": {"description": "The members, parameters or headers that break rules"},
        "erasure": {"description": "By which erasure the customer is gone"},
    }
    return amended(schema, described)
