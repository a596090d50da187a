"""The front of the native API: paths, methods, ways to sign, and the form of its refusals."""

import pytest

from dialects.signing import Sent, values
from native.client import CUSTOMERS, PREFIX, Json, Native, checked, native, problem
from serving import Tenancy


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/nowhere",
        "/customers/",
        "//customers",
        "/customers/{id}/",
        "/customers/{id}/nowhere",
        "/customers/{id}/versions/",
        "/customers/{id}/versions/1/",
        "/customers/{id}/versions/1/2",
        "/customers/{id}/versions/1/2/3",
        "/customers//versions/1/2",
        "/Customers",
        "/customers/{id}/Versions",
        "/customers/%7Bid%7D/versions/1/%7Bn%7D",
    ],
)
def test_a_path_of_no_resource_is_answered_in_the_rooms_words(api: Native, sarah: Json, path: str) -> None:
    """More, fewer or other segments than a template has are no resource, or no version."""
    answer = api.call("GET", path.replace("{id}", sarah["id"]))
    assert answer.status == 404
    assert problem(answer)[1] in ("no-such-resource", "not-found")


@pytest.mark.parametrize("place", ["{}", "%7B%7D", "*", "%2F", "{id}", "%00", "a%2Fb", ";", ":"])
def test_no_text_at_a_place_finds_another_route(api: Native, sarah: Json, place: str) -> None:
    """What the program writes for a place in its own tables is an id that nobody has."""
    for path in (
        f"/customers/{place}",
        f"/customers/{place}/versions",
        f"/customers/{place}/versions/{place}",
        f"/customers/{sarah['id']}/versions/{place}",
        f"/customers/{place}/diff?from=1",
    ):
        assert problem(api.call("GET", path)) == (404, "not-found")


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/customers", "GET, POST"),
        ("/customers/{id}", "GET, PATCH"),
        ("/customers/{id}/versions", "GET"),
        ("/customers/{id}/versions/1", "GET"),
        ("/customers/{id}/diff", "GET"),
        ("/customers/{id}/restore", "POST"),
    ],
)
def test_another_method_is_told_which_there_are(api: Native, sarah: Json, path: str, allow: str) -> None:
    """405 with Allow, for every path that there is."""
    for method in ("DELETE", "PUT", "HEAD", "OPTIONS"):
        target = PREFIX + path.replace("{id}", sarah["id"])
        answer = api.signer.call(method, target)
        assert (answer.status, answer.header("Allow")) == (405, allow)
        if method != "HEAD":
            assert problem(checked(answer)) == (405, "method-not-allowed")


def test_a_stranger_is_told_what_may_be_presented(api: Native) -> None:
    """401 with both challenges, the same for an unknown key, no key and a Basic credential."""
    server = api.signer.server
    for headers in ((), (("Authorization", "Basic eDp5"),), (("Authorization", "Bearer x"),)):
        answer = checked(server.send("GET", CUSTOMERS, headers))
        assert problem(answer) == (401, "unauthenticated")
        assert values(answer, "WWW-Authenticate") == ["Hawk", "HMAC-SHA256"]
    unknown = api.signer.but(key_id="nobody").call("GET", CUSTOMERS)
    assert problem(checked(unknown)) == (401, "unauthenticated")
    wrong = api.signer.but(secret="wrong").call("GET", CUSTOMERS)
    assert problem(checked(wrong)) == (401, "unauthenticated")


def test_a_request_may_be_signed_with_hmac_sha256_too(api: Native, sarah: Json) -> None:
    """The other presentation of the same key opens the same; a missing header is named."""
    sent = Sent("GET", f"{CUSTOMERS}/{sarah['id']}")
    signed = api.signer.hmac(sent)
    assert checked(api.signer.send(sent, signed)).json == sarah
    del signed["x-tr-date"]
    refused = checked(api.signer.send(sent, signed))
    assert problem(refused) == (401, "unauthenticated")
    assert [one["field"] for one in refused.json["errors"]] == ["x-tr-date"]


def test_what_hawk_signs_the_answer_signs_too(api: Native, sarah: Json) -> None:
    """Also an answer that is a problem, and one that has no body."""
    for answer, status in (
        (api.get(sarah["id"]), 200),
        (api.get("3kTp9j2mN5xR"), 404),
        (api.get(sarah["id"], [("If-None-Match", "*")]), 304),
        (api.call("POST", "/customers", {}), 201),
    ):
        assert answer.status == status
        assert str(answer.header("Server-Authorization")).startswith("Hawk mac=")


def test_a_merchants_usual_key_is_for_payments_only(tenancy: Tenancy) -> None:
    """Without permissions of its own a merchant's HMAC key reads no customer here either."""
    from dialects.signing import new_signer

    key = Native(new_signer(tenancy, merchant_id=tenancy.merchant_id))
    assert problem(key.call("GET", "/customers")) == (403, "forbidden")
    assert problem(key.call("POST", "/customers", {})) == (403, "forbidden")


@pytest.mark.parametrize("permission", ["export_customers", "erase_customers", "read_audit", "manage_holds"])
def test_our_own_permissions_can_be_given_and_open_nothing_else(tenancy: Tenancy, permission: str) -> None:
    """A key with one of them alone reads and changes no customer, in no API."""
    key = native(tenancy, permission)
    for answer in (key.call("GET", "/customers"), key.call("POST", "/customers", {})):
        assert problem(answer) == (403, "forbidden")
    assert key.signer.call("GET", "/v1/customers").status == 403


def test_a_body_that_is_too_large_is_refused_and_the_connection_ends(api: Native) -> None:
    """413 in the room's form, with the word that no more is read."""
    answer = api.call("POST", "/customers", {"customData": {"a": "x" * 70_000}})
    assert problem(answer) == (413, "too-large")
    assert answer.header("Connection") == "close"


def test_the_document_is_served_and_shown(api: Native) -> None:
    """Its address needs no credential, and the page of the documents offers it."""
    server = api.signer.server
    document = server.send("GET", "/openapi/native.json")
    assert (document.status, document.json["servers"][0]["url"]) == (200, PREFIX)
    assert b"/docs/native" in server.send("GET", "/docs").body
    assert server.send("GET", "/docs/native").status == 200
