"""The OpenAPI document of our own API, put together from its subjects.

A subject's own module says what stands in the document of its operations; here they are only named.
"""

from collections.abc import Sequence
from typing import Any

from customary.bootstrap.documents.assembled import Dialect, assembled
from customary.bootstrap.documents.native_audit import TAG as AUDIT
from customary.bootstrap.documents.native_audit import audit_additions, audit_schemas
from customary.bootstrap.documents.native_customers import customers_additions, customers_schemas
from customary.bootstrap.documents.native_erasure import TAG as ERASURE
from customary.bootstrap.documents.native_erasure import erasure_additions, erasure_schemas
from customary.bootstrap.documents.native_history import TAG as HISTORY
from customary.bootstrap.documents.native_history import history_additions, history_schemas
from customary.bootstrap.documents.native_rights import TAG as RIGHTS
from customary.bootstrap.documents.native_rights import rights_additions, rights_schemas
from customary.bootstrap.documents.native_speech import SPEECH, problem, refusals
from customary.bootstrap.documents.shapes import Schema, schemas_of
from customary.bootstrap.documents.trustist import HAWK, HMAC_SHA256
from customary.native import routes
from customary.native.errors import Erased, Fault, Problem

_TAG = {"name": "Customers", "description": "The whole record, with both its ids"}
_MORE_TAGS = (HISTORY, AUDIT, RIGHTS, ERASURE)

_DESCRIPTION = """\
The whole customer record and what is done with it, in our own words: both ids, every field, every version.
Requests are signed with the secret of an HMAC key; the tenant comes from the key alone. A tenant's key sees
all customers of the tenant, a merchant's key those of its merchant.

Guarded members (`taxId`, `nationalId`, `personId`, `licenseNumber`) are shown as masks. Members that are
not set are left out; unknown members that are sent are ignored. Times are RFC 3339 in UTC.

Lists are read page by page: `nextCursor` of one page is the `cursor` of the next. A version's `ETag` is its
number; `If-Match` makes a change depend on it. Every refusal is a problem of RFC 9457, and its `type` is
explained in `docs/errors.md`. Values that were sent are never repeated in one."""


def native_document() -> dict[str, Any]:
    """Return the OpenAPI document of the native API."""
    return assembled(
        Dialect(
            title="customary: native API",
            summary="The customer record, its history and the rights of the person",
            description=_DESCRIPTION,
            tag=_TAG,
            more_tags=_MORE_TAGS,
            speech=SPEECH,
            routes=routes,
            additions=customers_additions()
            | history_additions()
            | audit_additions()
            | rights_additions()
            | erasure_additions(),
            refusals=refusals(),
            schemas=_schemas,
            security_schemes={
                "Hawk": {"type": "http", "scheme": "hawk", "description": HAWK},
                "HmacSha256": {"type": "http", "scheme": "hmac-sha256", "description": HMAC_SHA256},
            },
        )
    )


def _schemas(refused: Sequence[Any]) -> dict[str, Schema]:
    of_errors = schemas_of({"Problem": Problem, "Fault": Fault, "Erased": Erased})
    types = sorted({body["type"] for body in refused})
    of_subjects = (
        customers_schemas() | history_schemas() | audit_schemas() | rights_schemas() | erasure_schemas()
    )
    return {**of_subjects, **of_errors, "Problem": problem(of_errors["Problem"], types)}
