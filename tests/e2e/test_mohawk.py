"""Python's mohawk and requests, unmodified, against a real server: they sign, send and verify."""

import json
import re
import time

import mohawk  # type: ignore[import-untyped]  # the package has no types
import pytest
import requests
from mohawk.exc import MacMismatch, MisComputedContentHash  # type: ignore[import-untyped]  # as above
from mohawk.util import calculate_ts_mac  # type: ignore[import-untyped]  # as above

from e2e.conftest import Account

# The vendor's example; the page as given hides the e-mail address.
SARAH = {
    "firstName": "Sarah",
    "lastName": "Johnson",
    "emailAddress": "sarah.johnson@example.com",
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


class Client:
    """The few lines that mohawk's documentation tells an integrator to write."""

    def __init__(self, account: Account) -> None:
        self.url = account.url
        self.credentials = {"id": account.key_id, "key": account.secret, "algorithm": "sha256"}
        self.session = requests.Session()

    def sender(self, method: str, path: str, body: str = "", **how: object) -> mohawk.Sender:
        """Return mohawk's sender of one request."""
        content_type = "application/json" if body else ""
        return mohawk.Sender(
            self.credentials, self.url + path, method, content=body, content_type=content_type, **how
        )

    def send(self, sender: mohawk.Sender, method: str, path: str, body: str = "") -> requests.Response:
        """Return the answer to a signed request, its Server-Authorization verified."""
        response = self.sent(sender, method, path, body)
        sender.accept_response(
            response.headers["Server-Authorization"],
            content=response.content,
            content_type=response.headers["Content-Type"],
        )
        return response

    def sent(self, sender: mohawk.Sender, method: str, path: str, body: str = "") -> requests.Response:
        """Return the answer to a signed request."""
        headers = {"Authorization": sender.request_header}
        if body:
            headers["Content-Type"] = "application/json"
        return self.session.request(method, self.url + path, data=body or None, headers=headers, timeout=30)

    def call(self, method: str, path: str, members: object = None, **how: object) -> requests.Response:
        """Return the verified answer to one call."""
        body = "" if members is None else json.dumps(members)
        return self.send(self.sender(method, path, body, **how), method, path, body)


@pytest.fixture
def client(account: Account) -> Client:
    return Client(account)


@pytest.mark.statement("S1", "S2", "S10")
def test_mohawk_creates_reads_changes_and_lists(client: Client) -> None:
    """mohawk hashes every body, the empty one of a GET too, and verifies each Server-Authorization."""
    created = client.call("POST", "/v1/customers", SARAH)
    assert created.status_code == 200
    path = f"/v1/customers/{created.json()['id']}"
    assert client.call("GET", path).json() == created.json()
    assert {name: created.json()[name] for name in SARAH} == SARAH
    changed = client.call("PUT", path, {"lastName": "Smith", "orgId": "mohawk branch"}).json()
    assert changed["lastName"] == "Smith"
    listed = client.call("GET", "/v1/customers?orgId=mohawk%20branch&page=1&pageSize=10")
    assert listed.json() == [changed]
    assert listed.headers["X-Total-Count"] == "1"


@pytest.mark.statement("S1", "S8")
def test_mohawk_without_hashes_and_with_ext_and_app(client: Client) -> None:
    """A sender told not to hash, and one with ext, app and dlg, pass as well."""
    url = client.url + "/v1/merchants"
    bare = mohawk.Sender(client.credentials, url, "GET", always_hash_content=False)
    assert "hash=" not in bare.request_header
    assert client.send(bare, "GET", "/v1/merchants").status_code == 200
    assert client.call("GET", "/v1/merchants", ext="some data", app="shop", dlg="agent").status_code == 200


@pytest.mark.statement("S10")
def test_mohawk_notices_an_answer_that_was_changed(client: Client) -> None:
    """The verification is worth something: mohawk refuses another body and another request's signature."""
    sender = client.sender("POST", "/v1/customers", "{}")
    response = client.sent(sender, "POST", "/v1/customers", "{}")
    header, media_type = response.headers["Server-Authorization"], response.headers["Content-Type"]
    with pytest.raises(MisComputedContentHash):
        sender.accept_response(header, content=response.content + b" ", content_type=media_type)
    with pytest.raises(MacMismatch):
        client.sender("POST", "/v1/customers", "{}").accept_response(
            header, content=response.content, content_type=media_type
        )


@pytest.mark.statement("S10", "S18")
def test_mohawk_verifies_refusals_too(client: Client) -> None:
    """What the server says no to, after it knew the caller, is signed as well."""
    assert client.call("GET", "/v1/customers/3kTp9j2mN5xR").status_code == 404
    assert client.call("POST", "/v1/customers", {"dateOfBirth": "x"}).status_code == 400
    assert client.call("DELETE", "/v1/customers").status_code == 405


@pytest.mark.statement("S6")
def test_mohawk_may_not_send_the_same_request_twice(client: Client) -> None:
    """S6: a captured header is 401, and requests tells the integrator so."""
    sender = client.sender("GET", "/v1/customers")
    assert client.send(sender, "GET", "/v1/customers").status_code == 200
    with pytest.raises(requests.HTTPError, match="401"):
        client.sent(sender, "GET", "/v1/customers").raise_for_status()


@pytest.mark.statement("S5")
def test_mohawk_can_set_its_clock_by_a_stale_answer(client: Client) -> None:
    """S5: mohawk computes the same tsm, and with the time it is told the next request passes."""
    stale = client.sender("GET", "/v1/customers", _timestamp=int(time.time()) - 600)
    response = client.sent(stale, "GET", "/v1/customers")
    assert response.status_code == 401
    challenge = response.headers["WWW-Authenticate"]
    found = re.fullmatch(r'Hawk ts="(\d+)", tsm="([^"]+)", error="Stale timestamp"', challenge)
    assert found is not None
    assert found[2] == calculate_ts_mac(found[1], client.credentials).decode()
    assert client.call("GET", "/v1/customers", _timestamp=int(found[1])).status_code == 200


@pytest.mark.statement("S15", "S16")
def test_the_vendors_examples_work(client: Client) -> None:
    """The page's create, get and update examples in a row: the update keeps what it does not name."""
    created = client.call("POST", "/v1/customers", SARAH).json()
    path = f"/v1/customers/{created['id']}"
    assert client.call("GET", path).json() == created
    update = {"firstName": "Sarah", "lastName": "Johnson", "emailAddress": "sarah.j@example.com"}
    updated = client.call("PUT", path, update).json()
    assert {name: updated[name] for name in SARAH} == SARAH | update
    # The response examples show these members and no other.
    assert set(created) == set(updated) == {*SARAH, "id", "tenantId", "created", "lastUpdated"}
