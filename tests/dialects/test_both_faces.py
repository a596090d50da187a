"""One record, both faces: what one dialect creates, the other reads, changes and lists."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from dialects.faces import TRUSTIST, TRUSTLY, Faces
from dialects.signing import Signer
from merchant import CUSTOMERS, Merchant, fresh_external_id
from serving import Server, Tenancy


@pytest.mark.statement("S15", "T17")
def test_a_customer_created_through_trustly_is_read_through_trustist(faces: Faces) -> None:
    """One record, two ids: each face shows what it has a member for, zip and postalCode being one datum."""
    number, customer_id = faces.from_trustly()
    shown, seen = faces.trustly(number), faces.trustist(customer_id)
    assert re.fullmatch("[1-9][0-9]{9,14}", number)
    assert re.fullmatch("[1-9A-HJ-NP-Za-km-z]{12}", customer_id)
    assert {name: seen[name] for name in TRUSTIST} == {
        "firstName": "Ludwig",
        "lastName": "van Beethoven",
        "dateOfBirth": "1970-12-16",
        "address": {
            "addressLine1": "Bonngasse 20",
            "addressLine2": "2. Stock",
            "city": "Bonn",
            "postalCode": "53111",
            "country": "DE",
        },
        "orgId": None,
    }
    assert seen["emailAddress"] == shown["email"]
    assert {name: shown[name] for name in TRUSTLY} == TRUSTLY


@pytest.mark.statement("S13", "T9")
def test_a_customer_created_through_trustist_is_read_through_trustly(faces: Faces) -> None:
    """The other way: given and family name joined, absent members omitted, and the merchant's own id."""
    number, customer_id = faces.from_trustist()
    shown = faces.trustly(number)
    assert shown == {
        "name": "Sarah Ann van der Berg Johnson",
        "address": {
            "country": "GB",
            "address1": "123 High Street",
            "address2": "Flat 4B",
            "city": "London",
            "zip": "SW1A 1AA",
        },
        "email": faces.trustist(customer_id)["emailAddress"],
        "dateOfBirth": "1985-03-15",
        "createdAt": shown["createdAt"],
        "updatedAt": shown["createdAt"],
        "customerId": number,
        "merchantId": shown["merchantId"],
    }


@pytest.mark.statement("T19", "S18")
def test_an_id_of_one_face_is_unknown_to_the_other(faces: Faces) -> None:
    """The two ids are two: a decimal one is not found under /v1, a Base58 one not under /api/v1."""
    number, customer_id = faces.from_trustly()
    assert faces.tenant.call("GET", f"/v1/customers/{number}").status == 404
    assert faces.merchant.get(f"{CUSTOMERS}/{customer_id}").status == 404


@pytest.mark.statement("T15", "S16")
def test_instants_are_milliseconds_here_and_iso_8601_there(faces: Faces) -> None:
    """One instant, two forms; a change through either face moves both, and creation stays."""
    number, customer_id = faces.from_trustly()
    created = faces.trustly(number)["createdAt"]
    writes: list[Callable[[], object]] = [
        lambda: faces.put(customer_id, lastName="Bach"),
        lambda: faces.merchant.update(number, phone="+16505551213"),
    ]
    before = created
    for write in writes:
        write()
        shown, seen = faces.trustly(number), faces.trustist(customer_id)
        assert shown["createdAt"] == created
        assert shown["updatedAt"] > before
        before = shown["updatedAt"]
        for instant, text in ((created, seen["created"]), (before, seen["lastUpdated"])):
            assert text == _iso(instant)


def _iso(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.statement("T20", "S19")
def test_both_faces_list_one_record_once(faces: Faces) -> None:
    """Trustly lists newest first, Trustist oldest first; each lists what the other created, once."""
    made = [faces.from_trustly(), faces.from_trustist(), faces.from_trustly()]
    numbers = [one["customerId"] for one in faces.merchant.list("count=3")]
    assert numbers == [number for number, _ in reversed(made)]
    for number, customer_id in made:
        (seen,) = faces.found(faces.trustly(number)["email"])
        assert seen["id"] == customer_id
        assert [one["customerId"] for one in faces.merchant.list(f"customerId={number}")] == [number]


@pytest.mark.statement("T19", "S19")
def test_a_tenant_sees_the_customers_of_all_its_merchants(tenancy: Tenancy, faces: Faces) -> None:
    """A second merchant's customers are the tenant's too; what the tenant creates is the first merchant's."""
    second = Merchant(tenancy.server, tenancy.create_key(merchant_id=tenancy.create_merchant()))
    theirs = second.create(email=f"{uuid4().hex}@example.com")
    (seen,) = faces.found(theirs["email"])
    faces.put(seen["id"], orgId="branch-002")
    assert second.fetch(theirs["customerId"])["name"] == theirs["name"]
    number, _ = faces.from_trustist()
    assert second.get(f"{CUSTOMERS}/{number}").status == 404
    assert number not in [one["customerId"] for one in second.list("count=100")]


@pytest.mark.statement("T4", "S19")
def test_an_upsert_finds_what_trustist_changed(faces: Faces) -> None:
    """An externalId keeps naming its record, whatever the other face has written to it since."""
    external_id = fresh_external_id()
    number, customer_id = faces.from_trustly(externalId=external_id)
    faces.put(customer_id, orgId="branch-003", firstName="Johann", lastName="Bach")
    again = faces.merchant.saved({"vip": "7"}, f"{CUSTOMERS}?externalId={external_id}")
    assert (again["customerId"], again["name"], again["vip"]) == (number, "Johann Bach", "7")
    assert faces.trustist(customer_id)["orgId"] == "branch-003"


@pytest.mark.statement("T19", "S19")
def test_a_tenants_first_merchant_finds_what_was_there_before_it(server: Server) -> None:
    """A tenant may begin with Trustist alone; its customers are its first merchant's once there is one."""
    tenant_id = server.printed("tenant", "create", "No merchant yet")["tenantId"]
    key = server.create_key(tenant_id, scheme="hmac")
    tenant = Signer(server, key.key_id, key.secret)
    email = f"{uuid4().hex}@example.com"
    customer_id = tenant.call("POST", "/v1/customers", TRUSTIST | {"emailAddress": email}).json["id"]
    assert tenant.call("GET", "/v1/merchants").json["name"] == "No merchant yet"
    merchant_id = server.printed("merchant", "create", "First", "--tenant", tenant_id)["merchantId"]
    merchant = Merchant(server, server.create_key(tenant_id, merchant_id))
    (shown,) = merchant.list()
    assert (shown["email"], shown["merchantId"]) == (email, merchant_id)
    merchant.update(shown["customerId"], phone="+16505551212")
    assert tenant.call("GET", f"/v1/customers/{customer_id}").json["orgId"] == TRUSTIST["orgId"]
    assert tenant.call("GET", "/v1/merchants").json["name"] == "First"
