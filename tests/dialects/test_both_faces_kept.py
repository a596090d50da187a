"""A datum that one dialect cannot show is never lost by a write through that dialect, whatever the write."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialects.faces import TRUSTIST, Faces, Json, unseen_by_trustist
from merchant import CUSTOMERS, shop
from serving import Tenancy

OVER_HTTP = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.statement("S16", "S17")
@pytest.mark.parametrize(
    "members",
    [
        {"firstName": "Johann"},
        {"lastName": None},
        {"firstName": None, "lastName": None},
        {"emailAddress": None},
        {"dateOfBirth": None},
        {"dateOfBirth": "1971-01-01"},
        {"orgId": "branch-001"},
        {"address": {}},
        {"address": {"city": None}},
        {
            "address": {
                "addressLine1": "x",
                "addressLine2": "y",
                "city": "z",
                "postalCode": "1",
                "country": "AT",
            }
        },
        {"address": dict.fromkeys(("addressLine1", "addressLine2", "city", "postalCode", "country"))},
        {name: None for name in TRUSTIST if name != "address"},
        {"phone": None, "taxId": None, "externalId": None, "customData": None, "state": None},
        {},
    ],
    ids=str,
)
def test_no_trustist_write_loses_what_trustist_cannot_show(faces: Faces, members: Json) -> None:
    """Every datum that only Trustly shows survives every partial update through Trustist, as it was."""
    number, customer_id = faces.from_trustly()
    before = faces.trustly(number)
    assert None not in unseen_by_trustist(before).values()
    faces.put(customer_id, **members)
    assert unseen_by_trustist(faces.trustly(number)) == unseen_by_trustist(before)


@pytest.mark.statement("S16")
@pytest.mark.parametrize(
    "edit", [{}, {"firstName": "Johann"}, {"emailAddress": "new@example.com"}, {"orgId": "b"}]
)
def test_get_edit_put_through_trustist_loses_nothing(faces: Faces, edit: Json) -> None:
    """A Trustist client that sends the whole object back changes what it edited and nothing else."""
    number, customer_id = faces.from_trustly()
    before, seen = faces.trustly(number), faces.trustist(customer_id)
    faces.put(customer_id, **(seen | edit))
    after = faces.trustly(number)
    assert unseen_by_trustist(after) == unseen_by_trustist(before)
    assert after["address"] == before["address"]
    assert after["name"] == ("Johann van Beethoven" if "firstName" in edit else before["name"])
    changed = faces.trustist(customer_id)
    assert {k: v for k, v in changed.items() if k != "lastUpdated"} == {
        k: v for k, v in (seen | edit).items() if k != "lastUpdated"
    }
    assert (after["updatedAt"] == before["updatedAt"]) is (edit == {})


@pytest.mark.statement("S17", "T16")
def test_a_null_address_takes_all_of_the_address_with_it(faces: Faces) -> None:
    """S17: ``"address":null`` is said of the address, so the state, a part of it, goes too; no more."""
    number, customer_id = faces.from_trustly()
    before = faces.trustly(number)
    faces.put(customer_id, address=None)
    after = faces.trustly(number)
    assert "address" not in after
    assert {k: v for k, v in before.items() if k not in ("address", "updatedAt")} == {
        k: v for k, v in after.items() if k != "updatedAt"
    }


@pytest.mark.statement("T8", "T12")
@pytest.mark.parametrize(
    "members",
    [
        {"phone": "+16505551212"},
        {"email": "new@example.com"},
        {"dateOfBirth": None},
        {"address": {"address1": "1 Way", "city": "York", "zip": "00000", "state": "YO", "country": "GB"}},
        {"address": {"city": None, "address2": None}},
        {"vip": "3", "customData": {"a": 1}, "taxId": "123456790"},
        {"orgId": None, "firstName": None, "lastName": None},
        {"orgId": "other", "firstName": "Eve", "tenantId": "x"},
        {},
    ],
    ids=str,
)
def test_no_trustly_write_loses_what_trustly_cannot_show(faces: Faces, members: Json) -> None:
    """orgId, and the name in the two parts in which it was given, survive every update through Trustly."""
    number, customer_id = faces.from_trustist()
    faces.merchant.update(number, **members)
    seen = faces.trustist(customer_id)
    assert [seen[name] for name in ("firstName", "lastName", "orgId")] == [
        TRUSTIST[name] for name in ("firstName", "lastName", "orgId")
    ]


@pytest.mark.statement("T22", "T9")
@pytest.mark.parametrize("edit", [{}, {"phone": "+16505551212"}, {"vip": "3"}, {"email": "new@example.com"}])
def test_get_edit_post_through_trustly_loses_nothing(faces: Faces, edit: Json) -> None:
    """A Trustly client that posts the whole object back, by path or by upsert, changes what it edited."""
    for target in ("{0}/{1}", "{0}"):
        number, customer_id = faces.from_trustist()
        before, seen = faces.trustly(number), faces.trustist(customer_id)
        faces.merchant.saved(before | edit, target.format(CUSTOMERS, number))
        after, now = faces.trustly(number), faces.trustist(customer_id)
        assert after == before | edit | {"updatedAt": after["updatedAt"]}
        assert (after["updatedAt"] == before["updatedAt"]) is (edit == {})
        expected = seen | ({"emailAddress": edit["email"]} if "email" in edit else {})
        assert now == expected | {"lastUpdated": now["lastUpdated"]}


@pytest.mark.statement("S16", "S21")
def test_what_breaks_the_other_faces_rules_is_read_and_kept(faces: Faces) -> None:
    """A date, country or e-mail address that Trustist would refuse does not stand in its way."""
    number, customer_id = faces.from_trustly()
    unfit = {"dateOfBirth": "16 December 1770", "email": "ludwig at bonn", "address": {"country": "DEU"}}
    faces.merchant.update(number, **unfit)
    before, seen = faces.trustly(number), faces.trustist(customer_id)
    assert (seen["dateOfBirth"], seen["address"]["country"]) == (None, None)
    faces.put(customer_id, **(seen | {"lastName": "Bach"}))
    after = faces.trustly(number)
    assert after == before | {"name": "Ludwig Bach", "updatedAt": after["updatedAt"]}


@pytest.mark.statement("T9", "T11")
def test_what_is_too_short_for_trustly_is_read_and_kept(faces: Faces) -> None:
    """A short postal code, or an address without a country, does not stand in the way of Trustly's writes."""
    number, customer_id = faces.from_trustist(
        address={"city": "Y", "postalCode": "M1", "addressLine1": ""}, lastName="", orgId=""
    )
    before, seen = faces.trustly(number), faces.trustist(customer_id)
    faces.merchant.saved(before | {"phone": "+16505551212"}, f"{CUSTOMERS}/{number}")
    after, now = faces.trustly(number), faces.trustist(customer_id)
    assert after == before | {"phone": "+16505551212", "updatedAt": after["updatedAt"]}
    assert now == seen | {"lastUpdated": now["lastUpdated"]}


@pytest.mark.statement("T21", "T22")
def test_a_masked_read_posted_back_after_a_trustist_write_keeps_the_tax_id(
    tenancy: Tenancy, faces: Faces
) -> None:
    """The mask that an ordinary credential saw still means unchanged when the other face wrote in between."""
    ordinary = shop(tenancy)
    number, customer_id = faces.from_trustly()
    seen = ordinary.fetch(number)
    assert seen["taxId"] == "#####6790"
    faces.put(customer_id, orgId="branch-004")
    ordinary.saved(seen | {"phone": "+16505551214"}, f"{CUSTOMERS}/{number}")
    assert faces.trustly(number)["taxId"] == "123456790"
    assert faces.trustist(customer_id)["orgId"] == "branch-004"


# ── any writes in any order ──

TEXT = st.none() | st.sampled_from(["", "a", "Zoë", "x" * 16])
TRUSTIST_WRITES = st.fixed_dictionaries(
    {},
    optional={
        "firstName": TEXT,
        "lastName": TEXT,
        "emailAddress": st.none() | st.just("a@example.com"),
        "dateOfBirth": st.none() | st.dates().map(lambda day: f"19{day.year % 100:02}-01-{day.day:02}"),
        "orgId": TEXT,
        "address": st.fixed_dictionaries(
            {},
            optional={
                "addressLine1": TEXT,
                "addressLine2": TEXT,
                "city": TEXT,
                "postalCode": TEXT,
                "country": st.sampled_from([None, "GB", "US"]),
            },
        ),
    },
)
TRUSTLY_WRITES = st.fixed_dictionaries(
    {},
    optional={
        "phone": st.just("+16505551212"),
        "email": st.just("b@example.com"),
        "dateOfBirth": st.sampled_from([None, "1990-01-01", "in spring"]),
        "taxId": st.sampled_from([None, "123456790", 123456790]),
        "vip": st.sampled_from([None, "1", 2]),
        "customData": st.none() | st.dictionaries(st.sampled_from("ab"), st.none() | st.integers(0, 3)),
        "address": st.fixed_dictionaries(
            {"country": st.sampled_from(["US", "DEU"])}, optional={"state": st.sampled_from([None, "CA"])}
        ),
        "driverLicense": st.none() | st.just({"number": "B072", "state": "CA"}),
    },
)
WRITES = st.lists(
    st.tuples(st.just("trustist"), TRUSTIST_WRITES, st.booleans())
    | st.tuples(st.just("trustly"), TRUSTLY_WRITES, st.booleans()),
    min_size=1,
    max_size=6,
)


@pytest.mark.statement("S16", "T8")
@given(writes=WRITES)
@OVER_HTTP
def test_writes_through_both_faces_in_any_order_lose_nothing(
    faces: Faces, writes: list[tuple[str, Json, bool]]
) -> None:
    """Whatever is written through one face, partly or as the whole object, the other's own data stay."""
    number, customer_id = faces.from_trustly()
    for face, members, whole in writes:
        before, seen = faces.trustly(number), faces.trustist(customer_id)
        if face == "trustist":
            faces.put(customer_id, **(seen | members if whole else members))
            assert unseen_by_trustist(faces.trustly(number)) == unseen_by_trustist(before)
        else:
            body = before | members if whole else members
            faces.merchant.saved(body, f"{CUSTOMERS}/{number}")
            now = faces.trustist(customer_id)
            unseen = ("id", "tenantId", "firstName", "lastName", "orgId", "created")
            assert {name: now[name] for name in unseen} == {name: seen[name] for name in unseen}
