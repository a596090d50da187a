"""What the vendors' own specifications of these routes contain is all in our documents: facts, not prose.

Trustly publishes an OpenAPI document a route, Trustist a page of tables. The tables here were written down
from them by hand, so that no change of our program can change what is asked of it.
"""

from typing import Any

import pytest

from customary.bootstrap import documents

TRUSTLY: dict[str, Any] = documents.trustly_document()
TRUSTIST: dict[str, Any] = documents.trustist_document()

S, N = "string", "integer"

TRUSTLY_MEMBERS = {
    "Customer": {
        "name": S, "taxId": S, "address": "Address", "phone": S, "email": S, "dateOfBirth": S, "createdAt": N,
        "updatedAt": N, "customerId": S, "externalId": S, "merchantId": S, "enrollDate": N, "vip": S,
        "currency": S, "balance": S, "organizationNumber": S, "externalTier": S, "personId": S,
        "customData": "CustomerCustomData", "driverLicense": "DriverLicense", "nationalId": S,
    },
    "Address": {"address1": S, "address2": S, "city": S, "state": S, "zip": S, "country": S},
    "DriverLicense": {"number": S, "state": S},
    "CustomerCustomData": {},
}  # fmt: skip
TRUSTLY_REQUIRED = {
    "Customer": ["name", "address", "phone", "email"],
    "Address": ["country"],
    "DriverLicense": ["number", "state"],
    "CustomerCustomData": [],
}
TRUSTLY_OPERATIONS = {
    "post-customers": (
        "post",
        "/customers",
        {("externalId", "query", False), ("Authorization", "header", True)},
        "Customers_post-customers_Response_200",
    ),
    "post-customers-customer-id": (
        "post",
        "/customers/{customerId}",
        {("customerId", "path", True), ("Authorization", "header", True)},
        "Customers_post-customers-customerId_Response_200",
    ),
    "get-customers-customer-id": (
        "get",
        "/customers/{customerId}",
        {("customerId", "path", True), ("Authorization", "header", True)},
        "Customers_get-customers-customerId_Response_200",
    ),
    "get-customers": (
        "get",
        "/customers",
        {
            ("externalId", "query", False),
            ("customerId", "query", False),
            ("Authorization", "header", True),
        },
        "Customers_get-customers_Response_200",
    ),
}


@pytest.mark.parametrize("name", sorted(TRUSTLY_MEMBERS))
def test_trustlys_own_schemas_are_all_there(name: str) -> None:
    """Title, members, types and required members are those of the vendor's document."""
    schema = TRUSTLY["components"]["schemas"][name]
    assert schema["title"] == name
    assert schema["type"] == "object"
    assert schema.get("required", []) == TRUSTLY_REQUIRED[name]
    assert schema["description"]
    assert schema["properties"].keys() == TRUSTLY_MEMBERS[name].keys()
    for member, kind in TRUSTLY_MEMBERS[name].items():
        stated = schema["properties"][member]
        if kind in TRUSTLY_MEMBERS:
            assert stated["$ref"] == f"#/components/schemas/{kind}"
        else:
            assert stated["type"] == kind
            assert stated["description"]


@pytest.mark.parametrize("name", sorted(TRUSTLY_OPERATIONS))
def test_trustlys_own_operations_are_all_there(name: str) -> None:
    """Id, place, parameters, body and answer are those of the vendor's document."""
    method, path, parameters, answer = TRUSTLY_OPERATIONS[name]
    operation = TRUSTLY["paths"][path][method]
    assert operation["operationId"] == name
    assert operation["tags"] == ["subpackage_customers"]
    stated = {(one["name"], one["in"], one["required"]) for one in operation["parameters"]}
    assert parameters <= stated
    for one in operation["parameters"]:
        assert one["description"]
        if (one["name"], one["in"], one["required"]) in parameters:
            assert one["schema"]["type"] == "string"
    content = operation["responses"]["200"]["content"]["application/json"]
    assert content["schema"] == {"$ref": f"#/components/schemas/{answer}"}
    envelope = TRUSTLY["components"]["schemas"][answer]
    assert envelope["title"] == answer
    if name == "get-customers":
        shown = envelope["properties"]["customers"]["items"]
    else:
        shown = envelope["properties"]["customer"]
    assert (
        TRUSTLY["components"]["schemas"][shown["$ref"].rpartition("/")[2]]["properties"].keys()
        == TRUSTLY_MEMBERS["Customer"].keys()
    )
    if method == "post":
        body = operation["requestBody"]["content"]["application/json"]["schema"]
        assert {"$ref": "#/components/schemas/Customer"} in body["anyOf"]


def test_trustlys_scheme_and_base_path_are_there() -> None:
    """Basic, under the vendor's name, and the vendor's path on this server."""
    scheme = TRUSTLY["components"]["securitySchemes"]["HTTPBasic"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "basic")
    assert TRUSTLY["security"] == [{"HTTPBasic": []}]
    assert TRUSTLY["servers"][0]["url"] == "/api/v1"


TRUSTIST_MEMBERS = {
    "Customer": [
        "id", "tenantId", "firstName", "lastName", "emailAddress", "dateOfBirth", "address", "orgId",
        "created", "lastUpdated",
    ],
    "CustomerSent": ["firstName", "lastName", "emailAddress", "dateOfBirth", "address", "orgId"],
    "Address": ["addressLine1", "addressLine2", "city", "postalCode", "country"],
    "AddressSent": ["addressLine1", "addressLine2", "city", "postalCode", "country"],
}  # fmt: skip
TRUSTIST_OPERATIONS = {
    ("post", "/customers"): ("create_customer", "400 401 403"),
    ("get", "/customers/{id}"): ("read_customers", "401 403 404"),
    ("put", "/customers/{id}"): ("update_customer", "400 401 403 404"),
    ("get", "/customers"): ("read_customers", "401 403"),
}


@pytest.mark.parametrize("name", sorted(TRUSTIST_MEMBERS))
def test_trustists_own_members_are_all_there(name: str) -> None:
    """Members stand in the vendor's order; on input none is required."""
    schema = TRUSTIST["components"]["schemas"][name]
    assert list(schema["properties"]) == TRUSTIST_MEMBERS[name]
    assert schema.get("required", []) == ([] if name.endswith("Sent") else TRUSTIST_MEMBERS[name])
    for member, stated in schema["properties"].items():
        if member == "address":
            assert stated["anyOf"][0]["$ref"].endswith("AddressSent" if name.endswith("Sent") else "Address")
        else:
            assert "string" in stated["type"]
            assert stated["description"]


@pytest.mark.parametrize(("method", "path"), sorted(TRUSTIST_OPERATIONS))
def test_trustists_own_operations_are_all_there(method: str, path: str) -> None:
    """Path, permission and statuses are those of the vendor's page, and every one needs a tenant's key."""
    permission, statuses = TRUSTIST_OPERATIONS[(method, path)]
    operation = TRUSTIST["paths"][path][method]
    assert operation["x-permission"] == [permission]
    assert operation["x-tenant-key-only"]
    assert set(statuses.split()) <= operation["responses"].keys()
    assert TRUSTIST["servers"][0]["url"] == "/v1"


def test_trustists_list_and_signatures_are_described() -> None:
    """orgId filters, pages are told in headers, both ways to sign are explained."""
    listing = TRUSTIST["paths"]["/customers"]["get"]
    assert "orgId" in {one["name"] for one in listing["parameters"]}
    headers = listing["responses"]["200"]["headers"]
    assert {"CorrelationId", "X-Total-Count", "Link", "Server-Authorization"} <= headers.keys()
    schemes = TRUSTIST["components"]["securitySchemes"]
    assert "hawk.1.header" in schemes["Hawk"]["description"]
    assert "x-tr-content-sha256" in schemes["HmacSha256"]["description"]
