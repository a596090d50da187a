"""What a body may say and what it then means: T8 to T11 and T16."""

from typing import Any

import pytest

from merchant import CUSTOMERS, Json, Merchant, dotted, fresh_external_id, person, refused, same_json, without

EVERYTHING: Json = {
    "name": "Zoë Łukasiewicz-Ó Briain",
    "address": {
        "address1": "2000 Broadway St",
        "address2": "#402",
        "city": "Redwood City",
        "state": "CA",
        "zip": "94063",
        "country": "US",
    },
    "phone": "+1 123456789",
    "email": "zoe@example.com",
    "dateOfBirth": "1980-02-29",
    "enrollDate": 1555696836548,
    "vip": "3",
    "currency": "USD",
    "balance": "1234.50",
    "organizationNumber": "556703-7485",
    "externalTier": "Gold",
    "personId": "p-1",
    "nationalId": "n-1",
    "customData": {"tags": ["a", 1, 1.5, True, None], "nested": {"deep": {"x": ""}}},
    "driverLicense": {"number": "A1234567", "state": "CA"},
}
SERVER_OWNED = ("createdAt", "updatedAt", "customerId", "merchantId")
OPTIONAL = (
    "taxId",
    "dateOfBirth",
    "externalId",
    "enrollDate",
    "vip",
    "currency",
    "balance",
    "organizationNumber",
    "externalTier",
    "personId",
    "nationalId",
    "customData",
    "driverLicense",
)
TEXTS = (
    "taxId",
    "dateOfBirth",
    "externalId",
    "vip",
    "currency",
    "balance",
    "organizationNumber",
    "externalTier",
    "personId",
    "nationalId",
)
ADDRESS_MEMBERS = ("address1", "address2", "city", "state", "zip", "country")


def path_of(customer: Json) -> str:
    return f"{CUSTOMERS}/{customer['customerId']}"


# ── T8, T9, T16 ──


@pytest.mark.statement("T8")
def test_everything_sent_comes_back_as_sent(merchant: Merchant) -> None:
    """Of all members none is changed, reformatted or lost, in the create and in every read after it."""
    external_id = fresh_external_id()
    created = merchant.saved(EVERYTHING | {"externalId": external_id})
    assert same_json(without(created, *SERVER_OWNED), EVERYTHING | {"externalId": external_id})
    assert same_json(merchant.fetch(created["customerId"]), created)
    assert same_json(merchant.list(f"externalId={external_id}"), [created])


@pytest.mark.statement("T8", "T16")
@pytest.mark.parametrize("member", OPTIONAL)
def test_absent_stays_and_null_removes(merchant: Merchant, member: str) -> None:
    """Not to name a member keeps it; ``null`` removes it, and only it; again changes nothing."""
    everything = EVERYTHING | {"externalId": fresh_external_id(), "taxId": "123456790"}
    created = merchant.saved(everything)
    kept = merchant.update(created["customerId"], phone="+1 555")
    assert same_json(without(kept, "updatedAt", "phone"), without(created, "updatedAt", "phone"))
    removed = merchant.update(created["customerId"], **{member: None})
    assert same_json(without(removed, "updatedAt"), without(kept, "updatedAt", member))
    assert same_json(merchant.fetch(created["customerId"]), removed)
    assert same_json(merchant.update(created["customerId"], **{member: None}), removed)


@pytest.mark.statement("T8", "T9")
@pytest.mark.parametrize("member", [name for name in EVERYTHING if name not in ("customData", "address")])
def test_an_update_of_one_member_changes_that_one(merchant: Merchant, member: str) -> None:
    """Nothing else is required, and nothing else moves but updatedAt."""
    created = merchant.saved(EVERYTHING)
    new: Any = {
        "enrollDate": -1,
        "driverLicense": {"number": "B7", "state": "NV"},
        "dateOfBirth": "29/02/1980",  # stored as sent: the vendor states no format
    }.get(member, "other")
    updated = merchant.update(created["customerId"], **{member: new})
    assert same_json(without(updated, "updatedAt"), without(created | {member: new}, "updatedAt"))


@pytest.mark.statement("T9")
@pytest.mark.parametrize("body", [{"name": None}, {"address": None}, {"phone": None}, {"email": None}])
def test_what_is_required_cannot_be_removed(merchant: Merchant, body: Json) -> None:
    """``null`` for name, address, phone or email is 400 on both update calls, and nothing changes."""
    external_id = fresh_external_id()
    created = merchant.create(externalId=external_id)
    refused(merchant.post(body, path_of(created)), *dotted(body))
    refused(merchant.post(body | {"externalId": external_id}), *dotted(body))
    assert merchant.fetch(created["customerId"]) == created


@pytest.mark.statement("T9")
def test_all_nulls_are_refused_together(merchant: Merchant) -> None:
    """One error per member."""
    created = merchant.create()
    body = {"name": None, "address": None, "phone": None, "email": None}
    refused(merchant.post(body, path_of(created)), *dotted(body))


@pytest.mark.statement("T9", "T15")
def test_an_empty_update_is_accepted(merchant: Merchant) -> None:
    """Nothing is required, so nothing may be sent."""
    created = merchant.create()
    assert merchant.update(created["customerId"]) == created


@pytest.mark.statement("T9", "T16")
def test_output_omits_what_is_absent(merchant: Merchant) -> None:
    """The least customer has its required members and the server's own, and no other."""
    least = person()
    created = merchant.saved(least)
    assert set(created) == {*least, *SERVER_OWNED}
    assert created["address"] == {"country": "US"}


@pytest.mark.statement("T8", "T16")
def test_null_on_create_means_absent(merchant: Merchant) -> None:
    """Optional members that are null at a create are not there after it."""
    created = merchant.create(**dict.fromkeys(OPTIONAL))
    assert not set(created) & set(OPTIONAL)


# ── T10, T11 ──


@pytest.mark.statement("T10")
@pytest.mark.parametrize("value", ["absent", "null"])
def test_each_missing_member_of_a_create_is_one_error(merchant: Merchant, value: str) -> None:
    """All at once, and one alone."""
    required = ("name", "address", "phone", "email")
    refused(merchant.post(dict.fromkeys(required) if value == "null" else {}), *dotted(required))
    for member in required:
        body = person()
        if value == "null":
            body[member] = None
        else:
            del body[member]
        refused(merchant.post(body), f"customer.{member}")


@pytest.mark.statement("T10")
@pytest.mark.parametrize("address", [{}, {"country": None}, {"city": "Oslo"}])
def test_an_address_needs_its_country(merchant: Merchant, address: Json) -> None:
    """Without it the location is the member's own."""
    refused(merchant.post(person(address=address)), "customer.address.country")


@pytest.mark.statement("T11")
@pytest.mark.parametrize("member", ["name", "email", "externalId"])
def test_minimum_lengths(merchant: Merchant, member: str) -> None:
    """An empty text is too short for these; one character does, at create and at update."""
    refused(merchant.post(person(**{member: ""})), f"customer.{member}")
    created = merchant.create()
    refused(merchant.post({member: ""}, path_of(created)), f"customer.{member}")
    if member != "externalId":
        assert merchant.update(created["customerId"], **{member: "x"})[member] == "x"


@pytest.mark.statement("T11")
@pytest.mark.parametrize(
    ("member", "length"), [("address1", 1), ("city", 1), ("state", 2), ("zip", 5), ("country", 2)]
)
def test_minimum_lengths_in_an_address(merchant: Merchant, member: str, length: int) -> None:
    """One character less is 400 at the member's own location; the length itself is accepted."""
    short, enough = "x" * (length - 1), "x" * length
    refused(merchant.post(person(address={"country": "US", member: short})), f"customer.address.{member}")
    created = merchant.create(address={"country": "US", member: enough})
    assert created["address"][member] == enough
    refused(merchant.post({"address": {member: short}}, path_of(created)), f"customer.address.{member}")


@pytest.mark.statement("T11")
def test_what_has_no_minimum_may_be_empty(merchant: Merchant) -> None:
    """Phone, address2 and the optional texts state none."""
    texts = dict.fromkeys((name for name in TEXTS if name not in ("externalId", "taxId")), "")
    created = merchant.create(phone="", address={"country": "US", "address2": ""}, **texts)
    assert created["phone"] == created["address"]["address2"] == ""
    assert {name: created[name] for name in texts} == texts


@pytest.mark.statement("T11")
@pytest.mark.parametrize("value", [1.0, True, False, [], ["x"], {}, {"x": 1}])
def test_a_wrong_type_is_refused_by_every_text(merchant: Merchant, value: object) -> None:
    """One error per member, all together; floats and booleans never pass for texts."""
    body = dict.fromkeys(("name", "phone", "email", *TEXTS), value)
    body["address"] = dict.fromkeys(ADDRESS_MEMBERS, value)
    body["driverLicense"] = {"number": value, "state": value}
    locations = [
        *dotted(("name", "phone", "email", *TEXTS)),
        *(f"customer.address.{name}" for name in ADDRESS_MEMBERS),
        "customer.driverLicense.number",
        "customer.driverLicense.state",
    ]
    refused(merchant.post(body), *locations)
    refused(merchant.post(body, path_of(merchant.create())), *locations)


@pytest.mark.statement("T11")
@pytest.mark.parametrize(
    "member", [name for name in ("name", "phone", "email", *TEXTS) if name not in ("vip", "taxId")]
)
def test_an_integer_is_no_text(merchant: Merchant, member: str) -> None:
    """But for vip and taxId."""
    refused(merchant.post(person(**{member: 12345})), f"customer.{member}")


@pytest.mark.statement("T11")
@pytest.mark.parametrize("value", [1.0, 1.5, True, "1", "", [], {}, 1e3])
def test_only_an_integer_is_an_enroll_date(merchant: Merchant, value: object) -> None:
    """``true``, ``1.0`` and ``"1"`` are not integers."""
    refused(merchant.post(person(enrollDate=value)), "customer.enrollDate")


@pytest.mark.statement("T11")
@pytest.mark.parametrize("value", [0, 1555696836, 1555696836548, -(2**63), 2**63 - 1])
def test_an_enroll_date_comes_back_as_sent(merchant: Merchant, value: int) -> None:
    """Clients send seconds and milliseconds; the server takes neither for the other."""
    assert merchant.create(enrollDate=value)["enrollDate"] == value


@pytest.mark.statement("T11")
@pytest.mark.parametrize("value", [True, "x", 1, [], ["US"]])
@pytest.mark.parametrize("member", ["address", "customData", "driverLicense"])
def test_only_an_object_is_an_object(merchant: Merchant, member: str, value: object) -> None:
    """Arrays, texts and numbers are refused where an object belongs."""
    refused(merchant.post(person(**{member: value})), f"customer.{member}")


@pytest.mark.statement("T11")
def test_vip_and_tax_id_accept_an_integer(merchant: Merchant, trusted_merchant: Merchant) -> None:
    """One vendor page sends ``2``; it is kept as a decimal string. A leading zero is only in a string."""
    created = merchant.create(vip=2, taxId=123456790)
    assert (created["vip"], created["taxId"]) == ("2", "#####6790")
    assert trusted_merchant.fetch(created["customerId"])["taxId"] == "123456790"
    assert merchant.update(created["customerId"], vip=3)["vip"] == "3"
    for value in (2.0, True, [2]):
        refused(merchant.post(person(vip=value, taxId=value)), "customer.vip", "customer.taxId")


@pytest.mark.statement("T11")
@pytest.mark.parametrize("phone", ["+16505551212", "+1 123456789", "none", "☎", "(555) 1212 ext. 5"])
def test_a_phone_number_is_never_refused_for_its_form(merchant: Merchant, phone: str) -> None:
    """The vendor's second example is no valid number."""
    assert merchant.create(phone=phone, email="no e-mail")["phone"] == phone


@pytest.mark.statement("T11", "f")
def test_faults_of_all_kinds_come_together(merchant: Merchant) -> None:
    """One error per fault, whatever the member and the rule: also of members that name a customer."""
    body = {
        "name": "",
        "address": {"zip": 1, "state": "C"},
        "email": None,
        "externalId": "",
        "customerId": 5,
        "enrollDate": "x",
        "customData": {"n": 2**53},
        "driverLicense": {"number": "1"},
    }
    refused(
        merchant.post(body),
        *dotted(("name", "email", "phone", "externalId", "customerId", "enrollDate", "customData")),
        "customer.address.zip",
        "customer.address.state",
        "customer.address.country",
        "customer.driverLicense.state",
    )
