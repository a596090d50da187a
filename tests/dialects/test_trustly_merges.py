"""How objects merge, and what a body says in vain: T12 and T14."""

import pytest

from merchant import CUSTOMERS, Json, Merchant, refused, same_json, without

WHOLE: Json = {
    "name": "Zoë Łukasiewicz",
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
    "driverLicense": {"number": "A1234567", "state": "CA"},
}


def path_of(customer: Json) -> str:
    return f"{CUSTOMERS}/{customer['customerId']}"


# ── T12 ──


@pytest.mark.statement("T12")
def test_an_address_merges(merchant: Merchant) -> None:
    """Members present are set, null ones removed, absent ones kept."""
    created = merchant.saved(WHOLE)
    updated = merchant.update(
        created["customerId"], address={"city": "Oslo", "zip": "01500", "address2": None}
    )
    expected = without(WHOLE["address"], "address2") | {"city": "Oslo", "zip": "01500"}
    assert updated["address"] == expected
    assert merchant.update(created["customerId"], address={})["address"] == expected


@pytest.mark.statement("T12")
@pytest.mark.parametrize(
    ("body", "location"),
    [
        ({"address": {"country": None}}, "customer.address.country"),
        ({"driverLicense": {"number": None}}, "customer.driverLicense.number"),
        ({"driverLicense": {"state": None}}, "customer.driverLicense.state"),
    ],
)
def test_a_merge_may_not_remove_what_the_object_needs(merchant: Merchant, body: Json, location: str) -> None:
    """The result must still have country, or both number and state; nothing changes otherwise."""
    created = merchant.saved(WHOLE)
    refused(merchant.post(body, path_of(created)), location)
    assert merchant.fetch(created["customerId"]) == created


@pytest.mark.statement("T12")
def test_a_driver_license_merges(merchant: Merchant) -> None:
    """A new one needs both members; then each may be changed alone, and null removes the whole."""
    created = merchant.create()
    refused(
        merchant.post({"driverLicense": {"number": "A1"}}, path_of(created)), "customer.driverLicense.state"
    )
    refused(
        merchant.post({"driverLicense": {"state": "CA"}}, path_of(created)), "customer.driverLicense.number"
    )
    both = ("customer.driverLicense.number", "customer.driverLicense.state")
    refused(merchant.post({"driverLicense": {}}, path_of(created)), *both)
    merchant.update(created["customerId"], driverLicense={"number": "A1", "state": "CA"})
    updated = merchant.update(created["customerId"], driverLicense={"state": "NV"})
    assert updated["driverLicense"] == {"number": "A1", "state": "NV"}
    assert "driverLicense" not in merchant.update(created["customerId"], driverLicense=None)


# The examples of RFC 7396, appendix A, whose target and result are objects.
RFC_7396 = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.statement("T12")
@pytest.mark.parametrize(("target", "patch", "result"), RFC_7396)
def test_custom_data_merges_as_the_rfc_shows(
    merchant: Merchant, target: Json, patch: Json, result: Json
) -> None:
    """RFC 7396, appendix A."""
    created = merchant.create(customData=target)
    assert same_json(created["customData"], target)
    assert same_json(merchant.update(created["customerId"], customData=patch)["customData"], result)


# ── T14 ──


@pytest.mark.statement("T14")
def test_unknown_members_are_ignored_and_not_echoed(merchant: Merchant) -> None:
    """Whatever their names and types, also inside address and driverLicense."""
    unknown = {"Name": 1, "nickname": "x", "__proto__": {"a": 1}, "": [], "tax_id": "1", "guarded": {}}
    created = merchant.create(
        **unknown,
        address={"country": "US", "zipCode": 1},
        driverLicense={"number": "1", "state": "CA", "class": "B"},
    )
    assert not set(created) & set(unknown)
    assert created["address"] == {"country": "US"}
    assert created["driverLicense"] == {"number": "1", "state": "CA"}


@pytest.mark.statement("T14", "T15")
@pytest.mark.parametrize("value", [1, "2", None, -5, 2**62])
def test_times_and_merchant_in_a_body_are_ignored(merchant: Merchant, value: object) -> None:
    """The server keeps the time, and the credential decides the merchant; at create and at update."""
    sent = {"createdAt": value, "updatedAt": value, "merchantId": value}
    created = merchant.create(**sent)
    assert merchant.update(created["customerId"], **sent) == created
    for name in sent:
        assert created[name] != value
    assert created["merchantId"].isdecimal()


@pytest.mark.statement("T14")
def test_the_merchant_is_the_credentials(merchant: Merchant) -> None:
    """All customers of a credential show one merchantId."""
    assert merchant.create()["merchantId"] == merchant.create(merchantId="1002463580")["merchantId"]


@pytest.mark.statement("T14")
def test_a_body_that_names_another_customer_than_the_path_is_400(merchant: Merchant) -> None:
    """One that names no customer at all is ignored, the path's own is welcome."""
    a, b = merchant.create(), merchant.create()
    refused(merchant.post({"customerId": b["customerId"], "vip": "1"}, path_of(a)), "customer.customerId")
    assert merchant.fetch(a["customerId"]) == a
    assert merchant.update(a["customerId"], customerId="1001165729", vip="1")["customerId"] == a["customerId"]
    assert merchant.update(a["customerId"], customerId=a["customerId"], vip="2")["vip"] == "2"
