"""One record seen from both sides of the wire: a Trustly merchant's program and a Trustist tenant's.

What a dialect cannot show (taxId for Trustist, orgId for Trustly) is looked at through the other one before
and after a write, so no test needs a model of the record. It must never import customary.
"""

from typing import Any
from uuid import uuid4

from dialects.signing import Signer
from merchant import Merchant, fresh_external_id

Json = dict[str, Any]

TRUSTLY: Json = {
    "name": "Ludwig van Beethoven",
    "address": {
        "address1": "Bonngasse 20",
        "address2": "2. Stock",
        "city": "Bonn",
        "state": "NW",
        "zip": "53111",
        "country": "DE",
    },
    "phone": "+1 123456789",
    "dateOfBirth": "1970-12-16",
    "taxId": "123456790",
    "enrollDate": 1555696836548,
    "vip": "2",
    "currency": "EUR",
    "balance": "10.50",
    "organizationNumber": "HRB 1770",
    "externalTier": "Gold",
    "personId": "person-1",
    "nationalId": "national-1",
    "customData": {"a": [1, 1.5, True, None], "b": {"c": "ü"}},
    "driverLicense": {"number": "B072RRE2I55", "state": "NW"},
}
TRUSTIST: Json = {
    "firstName": "Sarah Ann",
    "lastName": "van der Berg Johnson",
    "dateOfBirth": "1985-03-15",
    "address": {
        "addressLine1": "123 High Street",
        "addressLine2": "Flat 4B",
        "city": "London",
        "postalCode": "SW1A 1AA",
        "country": "GB",
    },
    "orgId": "branch-001",
}
ONLY_TRUSTLY = [name for name in TRUSTLY if name not in ("name", "address", "dateOfBirth")] + ["externalId"]


class Faces:
    """A record seen from both sides: a merchant's program with clear text, and a tenant's program."""

    def __init__(self, merchant: Merchant, tenant: Signer) -> None:
        self.merchant = merchant
        self.tenant = tenant

    def from_trustly(self, **members: object) -> tuple[str, str]:
        """Create through Trustly; return both ids of the record."""
        body = TRUSTLY | {"email": f"{uuid4().hex}@example.com", "externalId": fresh_external_id()} | members
        created = self.merchant.saved(body)
        (seen,) = self.found(created["email"])
        return created["customerId"], seen["id"]

    def from_trustist(self, **members: object) -> tuple[str, str]:
        """Create through Trustist; return both ids of the record."""
        email = f"{uuid4().hex}@example.com"
        created = self.tenant.call("POST", "/v1/customers", TRUSTIST | {"emailAddress": email} | members)
        assert created.status == 200, created.body
        seen = [one for one in self.merchant.list("count=100") if one.get("email") == email]
        assert len(seen) == 1, "a new customer stands first in the merchant's list"
        return seen[0]["customerId"], created.json["id"]

    def found(self, email: str) -> list[Json]:
        """Return the customers with that e-mail address, as Trustist lists them."""
        found: list[Json] = self.tenant.call("GET", f"/v1/customers?emailAddress={email}").json
        return found

    def trustly(self, number: str) -> Json:
        """Return the record as Trustly shows it to who may see it in clear."""
        return self.merchant.fetch(number)

    def trustist(self, customer_id: str) -> Json:
        """Return the record as Trustist shows it."""
        shown: Json = self.tenant.call("GET", f"/v1/customers/{customer_id}").json
        return shown

    def put(self, customer_id: str, **members: object) -> Json:
        """Change through Trustist; return what it answers."""
        answer = self.tenant.call("PUT", f"/v1/customers/{customer_id}", members)
        assert answer.status == 200, answer.body
        changed: Json = answer.json
        return changed


def unseen_by_trustist(record: Json) -> Json:
    """Return the data that Trustist has no member for."""
    unseen = {name: record.get(name) for name in ONLY_TRUSTLY}
    return unseen | {"state": record.get("address", {}).get("state")}
