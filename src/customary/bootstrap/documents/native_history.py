"""What the native document says of a customer's past: its operations, schemas and examples."""

from typing import Any

import msgspec

from customary.app.history import Comparison, contents_of
from customary.bootstrap.documents.limits import IDEMPOTENCY_KEY, REASON
from customary.bootstrap.documents.native_customers import (
    CHANGE_EXAMPLE,
    CREATE_EXAMPLE,
    customer_of,
    shown,
)
from customary.bootstrap.documents.native_speech import (
    ASKING,
    CHANGING,
    IF_MATCH,
    IF_NONE_MATCH,
    PAGING,
    PATH_ID,
    READING,
    SIGNED,
    SPEECH,
    VERSIONED,
)
from customary.bootstrap.documents.operations import Addition, query_parameter, request_body
from customary.bootstrap.documents.shapes import Schema, ref, schemas_of
from customary.domain.customer import changed_fields
from customary.native import history

TAG = {"name": "History", "description": "Every version of a record, what changed, and one brought back"}

_VERSION: Schema = {"type": "integer", "minimum": 1}
_PATH_VERSION: Schema = {
    "name": "version",
    "in": "path",
    "required": True,
    "description": "The number of a version",
    "schema": _VERSION,
    "example": 1,
}


def history_additions() -> dict[str, Addition]:
    """Return what the document says of the operations of this subject."""
    first, second = customer_of(CREATE_EXAMPLE), customer_of(CREATE_EXAMPLE, CHANGE_EXAMPLE)
    made = [history.VersionView(2, shown(CREATE_EXAMPLE, CHANGE_EXAMPLE)["updatedAt"], ["address"])]
    fields = changed_fields(contents_of(first), contents_of(second))
    diff = history.diff_view(Comparison(first, second, fields))
    return {
        "get-customers-id-versions": Addition(
            prose="",
            parameters=(PATH_ID, *PAGING),
            granted=SPEECH.granted(
                "One page of versions, newest first",
                ref("VersionsPage"),
                {"page": msgspec.to_builtins(history.VersionsPage(made, None))},
                SIGNED,
            ),
            refusals=(*ASKING, "NotFound", "Gone"),
            tag=TAG["name"],
        ),
        "get-customers-id-versions-version": Addition(
            prose="",
            parameters=(PATH_ID, _PATH_VERSION, IF_NONE_MATCH),
            granted=SPEECH.granted(
                "The customer as it was", ref("Customer"), {"customer": shown(CREATE_EXAMPLE)}, VERSIONED
            ),
            beside={"304": SPEECH.bare("The caller has this version already", VERSIONED)},
            refusals=(*READING, "NotFound", "Gone"),
            tag=TAG["name"],
        ),
        "get-customers-id-diff": Addition(
            prose="`customData` is compared whole.",
            parameters=(
                PATH_ID,
                query_parameter("from", "The one version", _VERSION) | {"required": True},
                query_parameter("to", "The other; the current one, if it is not named", _VERSION),
            ),
            granted=SPEECH.granted("What differs", ref("Diff"), {"diff": msgspec.to_builtins(diff)}, SIGNED),
            refusals=(*ASKING, "NotFound", "Gone"),
            tag=TAG["name"],
        ),
        "post-customers-id-restore": _restoring(),
    }


def _restoring() -> Addition:
    restored: dict[str, Any] = shown(CREATE_EXAMPLE) | {"version": 3}
    return Addition(
        prose="An external id that is another customer's by now is a conflict.",
        parameters=(PATH_ID, IDEMPOTENCY_KEY, IF_MATCH, REASON),
        body=request_body(
            "The version", ref("RestoreSent"), {"first": ("Back to the beginning", {"version": 1})}
        ),
        granted=SPEECH.granted(
            "The customer as it now is", ref("Customer"), {"customer": restored}, VERSIONED
        ),
        refusals=CHANGING,
        tag=TAG["name"],
    )


def history_schemas() -> dict[str, Schema]:
    """Return the schemas of this subject."""
    return schemas_of(
        {
            "Version": history.VersionView,
            "VersionsPage": history.VersionsPage,
            "Moment": history.Moment,
            "Change": history.ChangeView,
            "Diff": history.DiffView,
            "RestoreSent": history.RestoreSent,
        }
    )
