"""What the native document says of a person's rights: its operations, schemas and examples."""

import msgspec

from customary.app.rights import Revealed
from customary.bootstrap.documents.limits import REASON
from customary.bootstrap.documents.native_speech import CUSTOMER_ID, PATH_ID, SIGNED, SPEECH, WRITING
from customary.bootstrap.documents.operations import Addition, request_body
from customary.bootstrap.documents.shapes import Schema, ref, schemas_of
from customary.domain.customer import CustomerID
from customary.native import rights

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
    }


def rights_schemas() -> dict[str, Schema]:
    """Return the schemas of this subject."""
    return schemas_of({"RevealSent": rights.RevealSent, "Revealed": rights.RevealedView})
