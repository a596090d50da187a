"""What the native document says of a person's rights: its operations, schemas and examples."""

from typing import Any

import msgspec

from customary.app.entries import Entry
from customary.app.person import Person
from customary.app.rights import Revealed
from customary.bootstrap.documents.limits import REASON
from customary.bootstrap.documents.native_customers import CHANGE_EXAMPLE, CREATE_EXAMPLE, customer_of
from customary.bootstrap.documents.native_speech import (
    CUSTOMER_ID,
    PATH_ID,
    READING,
    SIGNED,
    SPEECH,
    WRITING,
)
from customary.bootstrap.documents.operations import Addition, request_body
from customary.bootstrap.documents.shapes import Schema, ref, schemas_of
from customary.domain.audit import Action, Leaf
from customary.domain.customer import CustomerID
from customary.native import audit, rights, wire
from customary.native import person as person_views
from customary.native.person import document_of, manifest_of, parts_of

TAG = {"name": "Rights", "description": "What is known of a person, for who must see it and for the person"}

_REVEALED = Revealed(CustomerID(CUSTOMER_ID), 7, {"tax_id": "123456790", "national_id": None})


def rights_additions() -> dict[str, Addition]:
    """Return what the document says of the operations of this subject."""
    return {
        "post-customers-id-reveal": Addition(
            prose=(
                "Only the members that are named are shown. A key that is limited to fields may name those "
                "that it is not shown as masks. The operator may require a reason (`reason_required`)."
            ),
            parameters=(PATH_ID, REASON),
            body=request_body(
                "The members, and why",
                ref("RevealSent"),
                {"one": ("A tax id", {"fields": ["taxId"], "reason": "case 4711, call back"})},
            ),
            granted=SPEECH.granted(
                "The clear values",
                ref("Revealed"),
                {"revealed": msgspec.to_builtins(rights.revealed_view(_REVEALED))},
                SIGNED,
            ),
            refusals=(*(one for one in WRITING if one != "Conflict"), "NotFound"),
            tag=TAG["name"],
        ),
        "get-customers-id-export": Addition(
            prose=(
                "Every part is one member, and the manifest has the SHA-256 of its bytes as they stand in "
                "the answer. Lists are empty where nothing is held. A key of named fields cannot export. "
                f"A tenant is given {rights.EXPORTS_AT_ONCE} exports at a time (429 for one more), and a "
                f"person of more than {rights.VERSIONS_MAX:,} versions by the command line alone (409)."
            ),
            parameters=(PATH_ID, REASON),
            granted=SPEECH.granted("Everything that is held", ref("Export"), {"person": _exported()}, SIGNED),
            refusals=("Unprocessable", *READING, "NotFound", "Gone", "Conflict"),
            tag=TAG["name"],
        ),
    }


def _exported() -> Any:
    """Return an export as it is answered."""
    versions = (customer_of(CREATE_EXAMPLE), customer_of(CREATE_EXAMPLE, CHANGE_EXAMPLE))
    leaf = Leaf(
        at="2025-01-21T14:30:00.000Z",
        tenant_id=versions[0].tenant_id,
        actor="cli",
        action=Action.CUSTOMER_CREATED,
        subject=CUSTOMER_ID,
        version=1,
        fields=("email",),
    )
    person = Person(versions, (Entry(leaf),), (), (), None)
    parts = parts_of(person, "1002463580")
    return msgspec.json.decode(document_of(manifest_of(person, parts, versions[1].updated_at), parts))


def rights_schemas() -> dict[str, Schema]:
    """Return the schemas of this subject."""
    others: dict[str, type[msgspec.Struct]] = {
        "Customer": wire.CustomerView,
        "Address": wire.AddressView,
        "AuditEntry": audit.EntryView,
    }
    found = schemas_of(
        {
            **others,
            "RevealSent": rights.RevealSent,
            "Revealed": rights.RevealedView,
            "Export": person_views.ExportView,
            "ExportManifest": person_views.ManifestView,
            "ExportPart": person_views.PartView,
            "HeldAnswer": person_views.AnswerView,
            "Announcement": person_views.AnnouncementView,
            "LegalHold": person_views.HoldView,
        }
    )
    return {name: schema for name, schema in found.items() if name not in others}
