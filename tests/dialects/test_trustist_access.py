"""Who may what: the tenant is the key's, permissions decide, no tenant learns of another (S11, S12, S18)."""

import time

import pytest

from dialects.signing import PERSON, Hawk, Signer, indistinct, new_signer
from serving import Answer, Tenancy

CUSTOMER_ROUTES: list[tuple[str, str, object]] = [
    ("POST", "/v1/customers", {}),
    ("GET", "/v1/customers", None),
    ("GET", "/v1/customers/3kTp9j2mN5xR", None),
    ("PUT", "/v1/customers/3kTp9j2mN5xR", {}),
]
NEEDED = {
    ("POST", "/v1/customers"): "create_customer",
    ("GET", "/v1/customers"): "read_customers",
    ("GET", "/v1/customers/3kTp9j2mN5xR"): "read_customers",
    ("PUT", "/v1/customers/3kTp9j2mN5xR"): "update_customer",
}


def forbidden(answer: Answer) -> bool:
    return answer.status == 403 and answer.json["code"] == "insufficient_permissions"


@pytest.mark.statement("S11")
def test_no_claim_moves_a_request_into_another_tenant(key: Signer, foreign_key: Signer) -> None:
    """S11: tenantId in the body, the query or a header is nothing but an unknown member."""
    mine = key.call("POST", "/v1/customers", {}).json["tenantId"]
    theirs = foreign_key.call("POST", "/v1/customers", {}).json["tenantId"]
    assert mine != theirs
    claims = [("X-Tenant-Id", theirs), ("TenantId", theirs), ("X-Tr-TenantId", theirs)]
    created = key.call("POST", f"/v1/customers?tenantId={theirs}", {"tenantId": theirs}, headers=claims)
    assert created.json["tenantId"] == mine
    target = f"/v1/customers/{created.json['id']}"
    changed = key.call("PUT", f"{target}?tenantId={theirs}", {"tenantId": theirs, "id": "3kTp9j2mN5xR"})
    assert (changed.json["tenantId"], changed.json["id"]) == (mine, created.json["id"])
    assert foreign_key.call("GET", target).status == 404
    listed = key.call("GET", f"/v1/customers?tenantId={theirs}", headers=claims)
    assert {customer["tenantId"] for customer in listed.json} == {mine}


@pytest.mark.statement("S12")
@pytest.mark.parametrize("held", ["create_customer", "read_customers", "update_customer", "manage_webhooks"])
def test_a_key_does_what_its_permissions_say_and_nothing_else(tenancy: Tenancy, held: str) -> None:
    """S12: each route asks for its own permission, and is 403 without it, before any id is looked at."""
    one = new_signer(tenancy, held)
    for method, target, members in CUSTOMER_ROUTES:
        answer = one.call(method, target, members)
        if NEEDED[method, target] == held:
            assert answer.status in (200, 404)
        else:
            assert forbidden(answer), f"{method} {target} with {held}"


@pytest.mark.statement("S12")
def test_a_merchants_key_is_kept_out_of_tenant_routes(merchant_key: Signer, tenancy: Tenancy) -> None:
    """S12: a merchant key is 403 on every customer route, even one that was given the permissions."""
    permissions = ("create_customer", "read_customers", "update_customer")
    privileged = new_signer(tenancy, *permissions, merchant_id=tenancy.merchant_id)
    for one in (merchant_key, privileged):
        for method, target, members in CUSTOMER_ROUTES:
            assert forbidden(one.call(method, target, members)), f"{method} {target}"


@pytest.mark.statement("S12")
def test_every_key_may_ask_for_its_merchant(tenancy: Tenancy, key: Signer, merchant_key: Signer) -> None:
    """M1: name and paymentMethods, the vendor's plugin's connection test; any key, no permission."""
    narrow = new_signer(tenancy, "manage_webhooks")
    for one in (key, merchant_key, narrow):
        answer = one.call("GET", "/v1/merchants")
        assert answer.status == 200
        assert answer.json == {
            "name": "Shop",
            "paymentMethods": {
                "ryft": {"enabled": False, "available": False},
                "tokenIo": {"enabled": False, "standingOrdersMonitored": False},
            },
        }
    assert key.but(secret="wrong").call("GET", "/v1/merchants").status == 401


@pytest.mark.statement("S18")
def test_a_foreign_id_is_like_an_unknown_one(key: Signer, foreign_key: Signer, customer_id: str) -> None:
    """S18: another tenant's id, an unknown one and one that is none: the same bytes on GET and PUT."""
    ids = [customer_id, "3kTp9j2mN5xR", "3kTp9j2mN5x", "0OIl9j2mN5xR", customer_id.swapcase(), "%FF", "a%2Fb"]
    for method, members in (("GET", None), ("PUT", {"firstName": "Mallory"}), ("PUT", {"dateOfBirth": "x"})):
        answers = [foreign_key.call(method, f"/v1/customers/{one}", members) for one in ids]
        assert {answer.status for answer in answers} == {404}
        assert answers[0].json["code"] == "customer_not_found"
        assert all(indistinct(answer) == indistinct(answers[0]) for answer in answers)
    assert key.call("GET", f"/v1/customers/{customer_id}").json["firstName"] == PERSON["firstName"]


@pytest.mark.statement("S18")
def test_filters_find_nothing_in_another_tenant(key: Signer, foreign_key: Signer) -> None:
    """S18: what a list can ask for is asked within the key's tenant."""
    person = {"emailAddress": "only-here@example.com", "orgId": "only-here"}
    assert key.call("POST", "/v1/customers", person).status == 200
    for query in ("orgId=only-here", "emailAddress=only-here@example.com"):
        assert len(key.call("GET", f"/v1/customers?{query}").json) == 1
        answer = foreign_key.call("GET", f"/v1/customers?{query}")
        assert (answer.json, answer.header("X-Total-Count")) == ([], "0")


@pytest.fixture
def expendable(tenancy: Tenancy) -> Signer:
    """A key of its own, to be rotated or revoked."""
    return new_signer(tenancy)


@pytest.mark.statement("S7", "S12")
def test_a_revoked_key_is_like_an_unknown_one_within_a_second(expendable: Signer) -> None:
    """A revocation holds at once on the command's side and within a second here; the 401 is the usual one."""
    one = expendable
    assert one.call("GET", "/v1/customers").status == 200
    one.server.printed("key", "revoke", one.key_id)
    answer = _answer_after_change(one, 401)
    assert indistinct(answer) == indistinct(one.but(key_id="nobody").call("GET", "/v1/customers"))


@pytest.mark.statement("S1", "S10")
def test_two_secrets_live_during_a_rotation(expendable: Signer) -> None:
    """After a rotation old and new secret both sign, and each answer is signed with the one that asked."""
    old = expendable
    assert old.call("GET", "/v1/customers").status == 200
    new = old.but(secret=old.server.printed("key", "rotate", old.key_id)["secret"])
    assert _answer_after_change(new, 200).header("Server-Authorization")
    assert old.call("GET", "/v1/customers", hawk=Hawk()).status == 200


def _answer_after_change(one: Signer, status: int) -> Answer:
    """Return the first answer of that status, asking for a second at most."""
    deadline = time.monotonic() + 1.0
    answer = one.call("GET", "/v1/customers")
    while answer.status != status and time.monotonic() < deadline:
        answer = one.call("GET", "/v1/customers")
    assert answer.status == status
    return answer
