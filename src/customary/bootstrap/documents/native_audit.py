"""What the native document says of the audit trail: its operation, schemas and example."""

import msgspec

from customary.app.entries import Entry
from customary.bootstrap.documents.answers import TEXT
from customary.bootstrap.documents.native_speech import ASKING, CUSTOMER_ID, PAGING, SIGNED, SPEECH
from customary.bootstrap.documents.operations import Addition, query_parameter
from customary.bootstrap.documents.shapes import Schema, ref, schemas_of
from customary.domain.audit import Action, Leaf
from customary.native import audit

TAG = {"name": "Audit", "description": "Who did what to whom, when and why"}

_INSTANT: Schema = {"type": "string", "format": "date-time"}
_CHANGE = Leaf(
    at="2026-03-02T09:05:00.120Z",
    tenant_id="a1b2c3d4-e5f6-7890-abcd-ef1234567890",
    actor="SQADDbSqPvYDRGHbmeT28k",
    action=Action.CUSTOMER_UPDATED,
    subject=CUSTOMER_ID,
    request_id="9f2c6b1e-6d0c-4c56-9b1f-1f0a7c1d2e3f",
    version=2,
    fields=("address",),
    digest="5f2b51ca2fdc5baa31ec02e002f69aec83f5a3f2cbb0b1b1b2c4f3d5e6a7b8c9",
    sealed_reason=b"sealed",
)


def audit_additions() -> dict[str, Addition]:
    """Return what the document says of the operation of this subject."""
    page = audit.AuditPage([audit.entry_view(Entry(_CHANGE, "The customer called"))], None)
    return {
        "get-audit": Addition(
            prose=(
                "Conditions are exact and are combined. With conditions that few entries meet, a page may "
                "have fewer than `limit`, or none, and go on: only without `nextCursor` it is the last. A "
                "`cursor` goes with the conditions and the order it was given for."
            ),
            parameters=(
                query_parameter(
                    "customer", "Only what was done to this customer", TEXT | {"example": CUSTOMER_ID}
                ),
                query_parameter(
                    "actor",
                    "Only what this key did, or `cli`",
                    TEXT | {"minLength": 1, "maxLength": audit.ACTOR_MAX},
                ),
                query_parameter(
                    "action", "Only deeds of this kind", TEXT | {"enum": [action.value for action in Action]}
                ),
                query_parameter("since", "Only what was done then or later", _INSTANT),
                query_parameter("until", "Only what was done before", _INSTANT),
                query_parameter(
                    "order",
                    "Which come first",
                    TEXT | {"enum": list(audit.ORDERS), "default": audit.ORDERS[0]},
                ),
                *PAGING,
            ),
            granted=SPEECH.granted(
                "One page of entries", ref("AuditPage"), {"page": msgspec.to_builtins(page)}, SIGNED
            ),
            refusals=ASKING,
            tag=TAG["name"],
        )
    }


def audit_schemas() -> dict[str, Schema]:
    """Return the schemas of this subject."""
    return schemas_of({"AuditEntry": audit.EntryView, "AuditPage": audit.AuditPage})
