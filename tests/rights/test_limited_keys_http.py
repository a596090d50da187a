"""Keys that are limited to named fields, through both dialects: seen, changed and asked for no further."""

from typing import Any

import pytest

from dialects.signing import Signer, new_signer
from merchant import CUSTOMERS, UNMASKED, Merchant, fresh_external_id, person, refused, without
from serving import Answer, Server, Tenancy, basic

ADDRESS = {"address1": "1 High Street", "city": "Oslo", "country": "NO"}
WHOLE: dict[str, Any] = {
    "name": "Grace Hopper",
    "address": ADDRESS,
    "phone": "+1 650 555 1212",
    "email": "grace@example.com",
    "taxId": "123456790",
    "dateOfBirth": "1985-03-15",
    "enrollDate": 1555696836548,
    "vip": "2",
    "currency": "NOK",
    "balance": "5.00",
    "organizationNumber": "77",
    "externalTier": "gold",
    "personId": "9988776655",
    "nationalId": "55667788",
    "customData": {"a": {"b": 1}},
    "driverLicense": {"number": "D1234567", "state": "CA"},
}
NAMING = {"customerId", "merchantId", "createdAt", "updatedAt"}


@pytest.fixture(scope="module")
def whole(merchant: Merchant) -> dict[str, Any]:
    """A customer of whom everything is known, as an unlimited key sees it."""
    return merchant.saved(WHOLE | {"externalId": fresh_external_id()})


def limited(tenancy: Tenancy, fields: str, *permissions: str) -> Merchant:
    """Return a program with a Basic key of these fields."""
    return Merchant(tenancy.server, tenancy.create_key(*permissions, fields=fields))


def path_of(customer: dict[str, Any]) -> str:
    """Return the path of a customer."""
    return f"{CUSTOMERS}/{customer['customerId']}"


def stored(merchant: Merchant, customer: dict[str, Any]) -> dict[str, Any]:
    """Return a customer as an unlimited key sees it, without the instant of its last change."""
    return without(merchant.fetch(customer["customerId"]), "updatedAt")


# ── Trustly ──


def test_only_named_fields_are_there(tenancy: Tenancy, whole: dict[str, Any]) -> None:
    """In a reading, a list and the answer of a change; the server's own members stay."""
    program = limited(tenancy, "name,email,taxId:last4")
    expected = {name: whole[name] for name in (*NAMING, "name", "email")} | {"taxId": "#####6790"}
    assert program.fetch(whole["customerId"]) == expected
    assert program.list(f"customerId={whole['customerId']}") == [expected]
    assert program.saved({}, path_of(whole)) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("taxId", {"taxId": "123456790"}),
        ("taxId:last4", {"taxId": "#####6790"}),
        ("taxId:masked", {"taxId": "#########"}),
        ("nationalId:last4", {"nationalId": "####7788"}),
        ("personId:masked,vip", {"personId": "##########", "vip": "2"}),
        ("licenseNumber:last4,licenseRegion", {"driverLicense": {"number": "####4567", "state": "CA"}}),
        ("licenseRegion", {"driverLicense": {"state": "CA"}}),
        ("dateOfBirth:masked", {"dateOfBirth": "####-##-##"}),
        (
            "dateOfBirth,customData,address",
            {name: WHOLE[name] for name in ("dateOfBirth", "customData", "address")},
        ),
    ],
)
def test_a_veil_holds_whatever_the_key_may(
    tenancy: Tenancy, whole: dict[str, Any], fields: str, expected: dict[str, Any]
) -> None:
    """With the permission to see clear text; the trail tells of what was seen in clear, and no more."""
    program = limited(tenancy, fields, *UNMASKED)
    answer = program.get(path_of(whole))
    assert without(answer.json["customer"], *NAMING) == expected
    told = [leaf for leaf in tenancy.trail() if leaf.get("requestId") == answer.header("X-Request-Id")]
    assert [leaf["fields"] for leaf in told] == ([["tax_id"]] if fields == "taxId" else [])


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_another_field_in_a_body_is_refused(
    tenancy: Tenancy, merchant: Merchant, whole: dict[str, Any], name: str
) -> None:
    """Its value as it is stored, its mask, another one, and none: each is refused, and nothing is changed."""
    program = limited(tenancy, "enrollDate" if name == "vip" else "vip")
    before = stored(merchant, whole)
    locations = (
        ["customer.driverLicense.number", "customer.driverLicense.state"]
        if name == "driverLicense"
        else [f"customer.{name}"]
    )
    granted = {"enrollDate": 7} if name == "vip" else {"vip": "9"}
    for value in (WHOLE[name], whole[name]):
        refused(program.post({name: value} | granted, path_of(whole)), *locations)
    refused(program.post({name: None} | granted, path_of(whole)), f"customer.{name}")
    assert stored(merchant, whole) == before


def test_a_body_that_was_read_can_be_sent_back(tenancy: Tenancy, merchant: Merchant) -> None:
    """GET, edit, POST back: what the key does not see it does not lose, and no mask is stored."""
    trusted = Merchant(tenancy.server, tenancy.create_key(*UNMASKED))
    made = merchant.saved(WHOLE | {"externalId": fresh_external_id()})
    for fields in ("name,email,taxId:last4", "email,taxId:masked,dateOfBirth:masked", "email,taxId"):
        for permissions in ((), UNMASKED):
            program = limited(tenancy, fields, *permissions)
            customer = program.fetch(made["customerId"])
            customer["email"] = f"{fields[0]}{len(permissions)}@example.com"
            seen = program.saved(customer, path_of(made))
            assert without(seen, "updatedAt") == without(customer, "updatedAt")
            now = trusted.fetch(made["customerId"])
            assert without(now, "updatedAt", "email", "externalId") == without(
                WHOLE | {name: made[name] for name in NAMING}, "updatedAt", "email"
            )


def test_a_key_may_change_what_it_sees_as_a_mask(tenancy: Tenancy, merchant: Merchant) -> None:
    """A new value is taken; a mask that is not what is stored is refused, also the one another key sees."""
    trusted = Merchant(tenancy.server, tenancy.create_key(*UNMASKED))
    made = merchant.create(taxId="123456790")
    program = limited(tenancy, "taxId:masked")
    assert program.saved({"taxId": "987654321"}, path_of(made))["taxId"] == "#########"
    for mask in ("#####4321", "########", "#####6790", "#"):
        refused(program.post({"taxId": mask}, path_of(made)), "customer.taxId")
    refused(merchant.post({"taxId": "#########"}, path_of(made)), "customer.taxId")
    assert trusted.fetch(made["customerId"])["taxId"] == "987654321"


def test_a_field_out_of_reach_finds_nobody(tenancy: Tenancy, whole: dict[str, Any]) -> None:
    """Neither as a filter nor to name whom a body is about: refused alike, whether there is one or not."""
    program = limited(tenancy, "name,email,phone,address")
    for external_id in (whole["externalId"], fresh_external_id()):
        refused(program.get(f"{CUSTOMERS}?externalId={external_id}"), "externalId")
        refused(program.post(person(), f"{CUSTOMERS}?externalId={external_id}"), "externalId")
        refused(program.post(person(externalId=external_id)), "customer.externalId")
    assert limited(tenancy, "externalId").list(f"externalId={whole['externalId']}")


def test_a_limited_key_creates_what_it_reaches(tenancy: Tenancy, merchant: Merchant) -> None:
    """What a create needs and the key does not reach can only be missing (T10)."""
    program = limited(tenancy, "name,email,phone,address")
    made = program.create()
    assert merchant.fetch(made["customerId"])["name"] == made["name"]
    refused(limited(tenancy, "name,email").post(person()), "customer.address", "customer.phone")


def test_a_replay_shows_no_more(tenancy: Tenancy) -> None:
    """The stored answer is rendered for the key that asks, which has the same limit as before."""
    program = limited(tenancy, "name,email,phone,address,dateOfBirth:masked", *UNMASKED)
    body = person(dateOfBirth="1985-03-15")
    headers = [("Idempotency-Key", "limited")]
    first, again = (program.post(body, headers=headers) for _ in range(2))
    assert first.body == again.body
    assert again.json["customer"]["dateOfBirth"] == "####-##-##"


# ── Trustist ──


def _problem(answer: Answer) -> dict[str, list[str]]:
    assert (answer.status, answer.json["code"]) == (400, "invalid_request"), answer.body
    errors: dict[str, list[str]] = answer.json["errors"]
    return errors


@pytest.fixture(scope="module")
def signed(tenancy: Tenancy) -> Signer:
    """A tenant key of the names and the e-mail address."""
    return new_signer(tenancy, fields="name,email")


PERSON = {
    "firstName": "Sarah",
    "lastName": "Johnson",
    "emailAddress": "sarah@example.com",
    "dateOfBirth": "1985-03-15",
    "address": {"addressLine1": "1 High Street", "city": "London", "country": "GB"},
    "orgId": "limited-branch",
}


def test_other_members_are_null_and_stay(tenancy: Tenancy, signed: Signer) -> None:
    """As this dialect shows what is absent; sent back whole, the nulls say nothing and remove nothing."""
    unlimited = new_signer(tenancy)
    made = unlimited.call("POST", "/v1/customers", PERSON).json
    path = f"/v1/customers/{made['id']}"
    seen = signed.call("GET", path).json
    assert seen == made | {"dateOfBirth": None, "address": None, "orgId": None}
    back = seen | {"lastName": "Jones"}
    answer = signed.call("PUT", path, back).json
    assert without(answer, "lastUpdated") == without(back, "lastUpdated")
    now = unlimited.call("GET", path).json
    assert without(now, "lastUpdated") == without(made | {"lastName": "Jones"}, "lastUpdated")
    listed = signed.call("GET", "/v1/customers?pageSize=500").json
    assert {(one["dateOfBirth"], one["address"], one["orgId"]) for one in listed} == {(None, None, None)}


@pytest.mark.parametrize("name", ["dateOfBirth", "address", "orgId"])
def test_another_member_is_refused(tenancy: Tenancy, signed: Signer, name: str) -> None:
    """Whatever its case, on create and on update, and whether it repeats what is stored or not."""
    unlimited = new_signer(tenancy)
    made = unlimited.call("POST", "/v1/customers", PERSON).json
    path = f"/v1/customers/{made['id']}"
    for spelling in (name, name.upper()):
        for method, target in (("PUT", path), ("POST", "/v1/customers")):
            errors = _problem(signed.call(method, target, {spelling: PERSON[name], "firstName": "A"}))
            assert errors == {name: ["reach"]}
    assert unlimited.call("GET", path).json == made


def test_another_member_is_no_filter(signed: Signer) -> None:
    """Refused alike whether anybody has that value."""
    for value in ("limited-branch", "nobodys-branch"):
        assert _problem(signed.call("GET", f"/v1/customers?orgId={value}")) == {"orgId": ["reach"]}
    assert signed.call("GET", "/v1/customers?emailAddress=sarah@example.com").status == 200


# ── The key itself ──


def test_a_limit_is_shown_where_keys_are(server: Server, tenancy: Tenancy) -> None:
    """In one spelling, when the key is made and in the list; an unlimited key has none."""
    arguments = ("--tenant", tenancy.tenant_id, "--scheme", "hmac", "--fields", "taxId:last4, name")
    made = server.printed("key", "create", *arguments)
    assert made["fields"] == ["name", "taxId:last4"]
    listed = {one["keyId"]: one for one in server.printed("key", "list", "--tenant", tenancy.tenant_id)}
    assert listed[made["keyId"]]["fields"] == ["name", "taxId:last4"]
    assert "fields" not in listed[tenancy.key.key_id]
    assert "name taxId:last4" in server.run("key", "list", "--tenant", tenancy.tenant_id).stdout


@pytest.mark.parametrize("fields", ["", "nobody", "name,name", "email:last4", "taxId:first"])
def test_a_limit_that_cannot_be_makes_no_key(server: Server, tenancy: Tenancy, fields: str) -> None:
    """An unknown field is wrong usage, and the refusal names those that there are."""
    before = len(server.printed("key", "list", "--tenant", tenancy.tenant_id))
    done = server.run("key", "create", "--tenant", tenancy.tenant_id, "--scheme", "hmac", "--fields", fields)
    unknown = fields in ("", "nobody")
    assert done.returncode == (2 if unknown else 1)
    assert ("dateOfBirth" in done.stderr) == unknown
    assert len(server.printed("key", "list", "--tenant", tenancy.tenant_id)) == before


def test_a_limit_survives_a_rotation(server: Server, tenancy: Tenancy, whole: dict[str, Any]) -> None:
    """A new secret opens no more than the old one."""
    key = tenancy.create_key(fields="name")
    rotated = server.printed("key", "rotate", key.key_id)
    assert rotated["fields"] == ["name"]
    program = Merchant(server, authorization=basic(key.key_id, rotated["secret"]))
    assert set(program.fetch(whole["customerId"])) == NAMING | {"name"}
