"""A client of the native API, written from its document alone: it signs, sends and checks each answer's form.

It is the other side of the wire and must never import customary.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlencode

from dialects.signing import Signer, new_signer
from serving import Answer, Headers, Tenancy

PREFIX = "/native/v1"
CUSTOMERS = f"{PREFIX}/customers"
SARAH: dict[str, Any] = {
    "givenName": "Sarah",
    "familyName": "Johnson",
    "email": "sarah@example.com",
    "phone": "+442079460000",
    "dateOfBirth": "1985-03-15",
    "address": {
        "line1": "123 High Street",
        "line2": "Flat 4B",
        "city": "London",
        "region": "Greater London",
        "postalCode": "SW1A 1AA",
        "country": "GB",
    },
    "orgId": "branch-1",
    "enrollDate": 1600000000000,
    "vip": "2",
    "currency": "GBP",
    "balance": "1.50",
    "organizationNumber": "0",
    "externalTier": "gold",
    "licenseRegion": "TX",
    "customData": {"a": [1, {"b": True, "c": None}], "d": {}},
}
GUARDED: dict[str, str] = {
    "taxId": "123456790",
    "nationalId": "1234-A",
    "personId": "pid",
    "licenseNumber": "D1234567",
}
MASKS: dict[str, str] = {
    "taxId": "#####6790",
    "nationalId": "####-A",
    "personId": "###",
    "licenseNumber": "####4567",
}
_REQUEST_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Json = dict[str, Any]


class Native:
    """One key of the native API."""

    def __init__(self, signer: Signer) -> None:
        self.signer = signer

    def call(
        self, method: str, path: str, members: object = None, headers: Headers = (), **how: Any
    ) -> Answer:
        """Return the answer to a request; what every answer must have is demanded here."""
        return checked(self.signer.call(method, PREFIX + path, members, headers=headers, **how))

    def create(self, **members: object) -> Json:
        """Return a new customer."""
        answer = self.call("POST", "/customers", members)
        assert answer.status == 201, answer.body
        return dict(answer.json)

    def get(self, customer_id: str, headers: Headers = (), **query: object) -> Answer:
        """Return the answer to a read of one customer."""
        asked = f"?{urlencode(query)}" if query else ""
        return self.call("GET", f"/customers/{customer_id}{asked}", headers=headers)

    def patch(self, customer_id: str, members: object, headers: Headers = ()) -> Answer:
        """Return the answer to a change of one customer."""
        return self.call(
            "PATCH",
            f"/customers/{customer_id}",
            members,
            headers,
            content_type="application/merge-patch+json",
        )

    def restore(self, customer_id: str, version: object, headers: Headers = ()) -> Answer:
        """Return the answer to bringing back a version."""
        return self.call("POST", f"/customers/{customer_id}/restore", {"version": version}, headers)

    def listed(self, path: str, member: str, **query: object) -> Iterator[list[Json]]:
        """Yield a list page by page, following the cursors."""
        while True:
            answer = self.call("GET", f"{path}?{urlencode(query)}")
            assert answer.status == 200, answer.body
            page = answer.json
            assert set(page) == {member, "nextCursor"}
            yield page[member]
            if page["nextCursor"] is None:
                return
            query["cursor"] = page["nextCursor"]

    def ids(self, **query: object) -> list[str]:
        """Return the ids of all customers of a list, page by page."""
        return [one["id"] for page in self.listed("/customers", "customers", **query) for one in page]


def checked(answer: Answer) -> Answer:
    """Return an answer that has what each must have."""
    request_id = answer.header("X-Request-Id")
    assert request_id is not None
    assert _REQUEST_ID.fullmatch(request_id)
    assert answer.header("Cache-Control") == "no-store"
    if answer.status >= 400:
        assert answer.header("Content-Type") == "application/problem+json"
        problem = answer.json
        assert {"type", "title", "status", "detail", "requestId"} <= set(problem)
        assert problem["status"] == answer.status
        assert problem["requestId"] == request_id
    elif answer.status != 304:
        assert answer.header("Content-Type") == "application/json; charset=utf-8"
        json.loads(answer.body)
    return answer


def native(tenancy: Tenancy, *permissions: str, merchant_id: str | None = None, fields: str = "") -> Native:
    """Return a new key of a tenant, or of one of its merchants."""
    wanted: Sequence[str] = permissions or ("create_customer", "read_customers", "update_customer")
    return Native(new_signer(tenancy, *wanted, merchant_id=merchant_id, fields=fields))


def problem(answer: Answer) -> tuple[int, str]:
    """Return status and type of a refusal, without what all types have in common."""
    return answer.status, str(answer.json["type"]).removeprefix("/problems/")


def faults(answer: Answer) -> dict[str, str]:
    """Return the rules that a refused request breaks, by field; each stands once."""
    assert problem(answer) == (422, "invalid"), answer.body
    found = answer.json["errors"]
    assert len({one["field"] for one in found}) == len(found)
    return {one["field"]: one["rule"] for one in found}


def indistinct(answer: Answer) -> tuple[int, list[tuple[str, str]], bytes]:
    """Return all of an answer that must be alike where two causes must not be told apart."""
    own = ("x-request-id", "server-authorization", "date")
    rest = [(name.lower(), value) for name, value in answer.headers if name.lower() not in own]
    mine = answer.header("X-Request-Id")
    assert mine
    return answer.status, rest, answer.body.replace(mine.encode(), b"<request>")
