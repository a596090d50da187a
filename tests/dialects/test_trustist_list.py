"""Listing customers through the Trustist dialect, and duplicates in the list (S14, S19)."""

import re
from urllib.parse import quote

import pytest

from dialects.signing import PERSON, Signer
from serving import Answer

COUNT = 7


def listed(key: Signer, query: str = "") -> Answer:
    answer = key.call("GET", f"/v1/customers?{query}" if query else "/v1/customers")
    assert answer.status == 200, answer.body
    return answer


def ids(answer: Answer) -> list[str]:
    return [customer["id"] for customer in answer.json]


def links(answer: Answer) -> dict[str, str]:
    found = re.findall(r'<([^>]+)>; rel="(\w+)"', answer.header("Link") or "")
    return {relation: target for target, relation in found}


def create(key: Signer, **members: object) -> str:
    created: str = key.call("POST", "/v1/customers", members).json["id"]
    return created


@pytest.fixture(scope="module")
def crowd(key: Signer) -> list[str]:
    """Customers of one branch that no other test adds to, oldest first."""
    return [create(key, orgId="crowd", firstName=f"Number {number}") for number in range(COUNT)]


@pytest.mark.statement("S14")
def test_duplicates_are_neither_refused_nor_merged(key: Signer) -> None:
    """S14: the same person twice is two customers with two ids, and both are listed."""
    person = PERSON | {"orgId": "twins", "emailAddress": "twin@example.com"}
    first, second = create(key, **person), create(key, **person)
    assert first != second
    assert ids(listed(key, "emailAddress=twin@example.com")) == [first, second]
    assert ids(listed(key, "orgId=twins")) == [first, second]


@pytest.mark.statement("S19")
def test_a_tenant_without_customers_has_an_empty_array(empty: Signer) -> None:
    """S19: a bare array, X-Total-Count 0, no neighbours; then each customer as GET shows it, oldest first."""
    nothing = listed(empty)
    assert nothing.body == b"[]"
    assert nothing.header("X-Total-Count") == "0"
    assert set(links(nothing)) <= {"first", "last"}
    created = [empty.call("POST", "/v1/customers", members) for members in ({}, PERSON, {"orgId": "a"})]
    everyone = listed(empty)
    assert everyone.body == b"[" + b",".join(answer.body for answer in created) + b"]"
    assert everyone.header("X-Total-Count") == "3"


@pytest.mark.statement("S19")
def test_a_changed_customer_keeps_its_place(key: Signer, crowd: list[str]) -> None:
    """S19: oldest first means by creation, not by the last change."""
    key.call("PUT", f"/v1/customers/{crowd[0]}", {"firstName": "Changed"})
    assert ids(listed(key, "orgId=crowd")) == crowd


@pytest.mark.statement("S19")
@pytest.mark.parametrize("spelled", ["Crowd", "crowd%20", "%20crowd", "crow", "crowds", "%00", "nowhere"])
def test_org_id_is_matched_exactly(key: Signer, crowd: list[str], spelled: str) -> None:
    """S19: orgId exact, byte for byte; an unknown one gives ``[]`` (one with U+0000 is refused)."""
    answer = key.call("GET", f"/v1/customers?orgId={spelled}")
    assert crowd
    if spelled == "%00":
        assert answer.status == 400
    else:
        assert (answer.body, answer.header("X-Total-Count")) == (b"[]", "0")


@pytest.mark.statement("S19")
def test_email_address_is_matched_exactly(key: Signer) -> None:
    """S19: emailAddress exact; after a change the old one finds nothing and the new one does."""
    one = create(key, emailAddress="Exact+Tag@example.com")
    assert ids(listed(key, "emailAddress=" + quote("Exact+Tag@example.com"))) == [one]
    for other in ("exact+tag@example.com", "Exact@example.com", "Exact+Tag@EXAMPLE.com", "example.com", ""):
        assert listed(key, "emailAddress=" + quote(other)).json == []
    key.call("PUT", f"/v1/customers/{one}", {"emailAddress": "moved@example.com"})
    assert listed(key, "emailAddress=" + quote("Exact+Tag@example.com")).json == []
    assert ids(listed(key, "emailAddress=moved@example.com")) == [one]


@pytest.mark.statement("S19")
def test_both_filters_hold_together(key: Signer) -> None:
    """S19: orgId and emailAddress given together are both required."""
    both = create(key, orgId="both", emailAddress="both@example.com")
    create(key, orgId="both", emailAddress="else@example.com")
    assert ids(listed(key, "orgId=both&emailAddress=both@example.com")) == [both]
    assert listed(key, "orgId=crowd&emailAddress=both@example.com").json == []


@pytest.mark.statement("S19")
def test_an_org_id_moves_with_a_change(key: Signer) -> None:
    """S16, S19: a corrected branch is the one under which the customer is found."""
    one = create(key, orgId="wrong-branch")
    key.call("PUT", f"/v1/customers/{one}", {"orgId": "right branch/1"})
    assert listed(key, "orgId=wrong-branch").json == []
    assert ids(listed(key, "orgId=right%20branch%2F1")) == ids(listed(key, "orgId=right+branch/1")) == [one]
    key.call("PUT", f"/v1/customers/{one}", {"orgId": None})
    assert listed(key, "orgId=right+branch/1").json == []


@pytest.mark.statement("S19")
def test_links_lead_through_all_pages(key: Signer, crowd: list[str]) -> None:
    """S19: Link (RFC 8288) with first, last, prev and next; following next meets each customer once."""
    target = "/v1/customers?orgId=crowd&pageSize=3"
    met: list[str] = []
    relations = []
    while target:
        answer = key.call("GET", target)
        assert answer.header("X-Total-Count") == str(COUNT)
        met += ids(answer)
        relations.append(sorted(links(answer)))
        target = links(answer).get("next", "")
    assert met == crowd
    assert relations == [
        ["first", "last", "next"],
        ["first", "last", "next", "prev"],
        ["first", "last", "prev"],
    ]


@pytest.mark.statement("S19")
def test_pages_count_from_one(key: Signer, crowd: list[str]) -> None:
    """S19: ``page`` from 1; one past the end is empty and says the total all the same."""
    assert ids(listed(key, "orgId=crowd&page=1&pageSize=2")) == crowd[:2]
    assert ids(listed(key, "orgId=crowd&page=4&pageSize=2")) == crowd[6:]
    beyond = listed(key, "orgId=crowd&page=5&pageSize=2")
    assert (beyond.json, beyond.header("X-Total-Count")) == ([], str(COUNT))
    assert links(beyond)["prev"] == "/v1/customers?orgId=crowd&page=4&pageSize=2"
    assert ids(listed(key, "pageSize=500&orgId=crowd")) == crowd


@pytest.mark.statement("S19")
@pytest.mark.parametrize("query", ["page=0", "page=-1", "page=x", "page=1.0", "page=%EF%BC%91", "page="])
@pytest.mark.parametrize("name", ["page", "pageSize"])
def test_a_page_that_is_no_number_is_refused(key: Signer, name: str, query: str) -> None:
    """S19: page and pageSize are whole numbers in ASCII digits, from 1; else 400 naming the parameter."""
    answer = key.call("GET", f"/v1/customers?{query.replace('page', name)}")
    assert answer.status == 400
    assert list(answer.json["errors"]) == [name]


@pytest.mark.statement("S19")
def test_at_most_five_hundred_a_page(key: Signer) -> None:
    """S19: pageSize 500 is the most; 501 is 400."""
    assert key.call("GET", "/v1/customers?pageSize=500").status == 200
    assert key.call("GET", "/v1/customers?pageSize=501").status == 400
    assert key.call("GET", "/v1/customers?page=" + "9" * 30).status == 400


@pytest.mark.statement("S19")
def test_a_hundred_a_page_unless_told(empty: Signer) -> None:
    """S19: pageSize is 100 by default."""
    everyone = [create(empty, firstName=str(number)) for number in range(101)]
    answer = listed(empty)
    assert ids(answer) == everyone[:100]
    assert answer.header("X-Total-Count") == "101"
    assert ids(empty.call("GET", links(answer)["next"])) == everyone[100:]


@pytest.mark.statement("S19")
def test_unknown_parameters_are_ignored_and_known_ones_stand_once(key: Signer, crowd: list[str]) -> None:
    """S19, limits: what is not known is ignored, even twice; a known parameter twice is 400."""
    assert ids(listed(key, "orgId=crowd&orgid=x&sort=desc&sort=asc&$filter=1&tenantId=x")) == crowd
    twice = key.call("GET", "/v1/customers?orgId=crowd&orgId=crowd")
    assert (twice.status, twice.json["code"]) == (400, "invalid_request")
    assert key.call("GET", "/v1/customers?orgId=%FF").status == 400
