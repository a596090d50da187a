"""Our own form of a customer as a line of a file: the native API's, and how a line names whom it is about.

It must never know whether showing a customer is permitted.
"""

from collections.abc import Mapping
from datetime import datetime

from customary.app.customers import Revision
from customary.http.fields import Fields
from customary.native import wire


class Named:
    """How a line names the customer it is about: by number, by external id, or not at all.

    A name that breaks a rule names nobody; the revision tells of it, with all other faults of the line. Where
    an id is stated it alone counts: a number is drawn for one tenant, and may be a stranger's in another.
    """

    def __init__(self, body: Mapping[str, object]) -> None:
        fields = Fields(body)
        stated = body.get("id") is not None
        self.number = None if stated else fields.text("customerNumber", wire.TEXT) or None
        self.external_id = fields.text("externalId", wire.TEXTS["externalId"][1]) or None


def revision(body: Mapping[str, object], now: datetime) -> Revision:
    """Return how a line changes a customer: what is left out keeps its value, null clears it."""
    return wire.revision(body, now=now, moved=True, instead="export with --unmasked")
