"""A merchant's program written for Trustly's Customers API, from the contract alone.

It is the other side of the wire and must never import ``customary``. What every answer must have (T16, T25)
is demanded here of each one, so that every test of the room holds it.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import uuid4

from serving import Answer, Connection, Headers, Key, Server, Tenancy, basic

CUSTOMERS = "/api/v1/customers"
JSON_TYPE = "application/json; charset=utf-8"
DOMAIN = "com.paywithmybank.merchantgateway.v1.exception."
NOT_AUTHORIZED = (
    b'{"errors":[{"domain":"com.paywithmybank.merchantgateway.v1.exception.AccessControlException",'
    b'"code":375,"message":"Access not authorized"}]}'
)
"""The live service's own 401, byte for byte (contract, Errors)."""

UNMASKED = ("create_customer", "read_customers", "update_customer", "read_customers:unmasked")

_SUFFIX_BY_CODE = {
    375: "AccessControlException",
    200: "InvalidParameterException",
    100: "InternalException",
}
_REQUEST_ID = re.compile(r"[0-9a-f-]{36}")

Json = dict[str, Any]


@dataclass(frozen=True)
class Fault:
    """One item of a refusal's list."""

    code: int
    location: str | None
    message: str


class Merchant:
    """One Basic credential and the four calls. Give it a ``Connection`` to stay on one."""

    def __init__(
        self,
        server: Server,
        key: Key | None = None,
        *,
        authorization: str | None = None,
        connection: Connection | None = None,
    ) -> None:
        self.server = server
        self.authorization = key.authorization if key is not None else authorization
        self.connection = connection

    def send(self, method: str, target: str | bytes, body: object = None, *, headers: Headers = ()) -> Answer:
        """Send one request: ``body`` is bytes as they are, or encoded as JSON; check what T16 and T25 say."""
        sent = list(headers)
        if self.authorization is not None:
            sent.insert(0, ("Authorization", self.authorization))
        raw = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        if raw is not None and "content-type" not in {name.lower() for name, _ in sent}:
            sent.append(("Content-Type", "application/json"))
        through: Connection | Server = self.connection or self.server
        answer = through.send(method, target, sent, raw)
        check_answer(answer, has_body=method != "HEAD")
        return answer

    def post(self, body: object, target: str = CUSTOMERS, *, headers: Headers = ()) -> Answer:
        """Create or update, by the target."""
        return self.send("POST", target, body, headers=headers)

    def get(self, target: str = CUSTOMERS, *, headers: Headers = ()) -> Answer:
        """Read one customer, or list."""
        return self.send("GET", target, headers=headers)

    def saved(self, body: object, target: str = CUSTOMERS) -> Json:
        """Return the customer that a create or update answers with; it must answer 200 (T2)."""
        return one(self.post(body, target))

    def create(self, **members: object) -> Json:
        """Create a customer that is like no other, but for these members."""
        return self.saved(person(**members))

    def update(self, customer_id: str, **members: object) -> Json:
        """Update these members of a customer by its id."""
        return self.saved(members, f"{CUSTOMERS}/{customer_id}")

    def fetch(self, customer_id: str) -> Json:
        """Return the customer of that id."""
        return one(self.get(f"{CUSTOMERS}/{customer_id}"))

    def list(self, query: str = "") -> list[Json]:
        """Return the customers of a list."""
        return many(self.get(f"{CUSTOMERS}?{query}" if query else CUSTOMERS))


_numbers = count(1)


def person(**members: object) -> Json:
    """Return the least that a create needs, with these members beside it or instead."""
    number = next(_numbers)
    least: Json = {
        "name": f"Grace Murray {number}",
        "address": {"country": "US"},
        "phone": "+16505551212",
        "email": f"grace.{number}@example.com",
    }
    return least | members


def fresh_external_id() -> str:
    """Return an externalId that no other test uses, whatever its worker."""
    return f"ext-{uuid4().hex}"


def one(answer: Answer) -> Json:
    """Return the customer in its envelope (T2, T3)."""
    assert answer.status == 200, (answer.status, answer.body)
    assert set(answer.json) == {"customer"}
    customer: Json = answer.json["customer"]
    return customer


def many(answer: Answer) -> list[Json]:
    """Return the customers in their envelope (T3)."""
    assert answer.status == 200, (answer.status, answer.body)
    assert set(answer.json) == {"customers"}
    customers: list[Json] = answer.json["customers"]
    assert isinstance(customers, list)
    return customers


def faults(answer: Answer, status: int = 400) -> list[Fault]:
    """Return the faults of a refusal in its envelope, whose every member is checked (contract, Errors)."""
    assert answer.status == status, (answer.status, answer.body)
    assert set(answer.json) == {"errors"}
    found = []
    for item in answer.json["errors"]:
        assert (
            {"domain", "code", "message"}
            <= set(item)
            <= {"domain", "code", "message", "location", "occurredAt"}
        )
        assert type(item["code"]) is int
        assert item["domain"] == DOMAIN + _SUFFIX_BY_CODE[item["code"]]
        assert item["message"].strip()
        found.append(Fault(item["code"], item.get("location"), item["message"]))
    assert found, "a refusal without a fault"
    return found


def refused(answer: Answer, *locations: str, status: int = 400) -> None:
    """Demand a refusal with code 200 and one fault at each of these locations, and no other."""
    found = faults(answer, status)
    assert {fault.code for fault in found} == {200}
    assert sorted(fault.location or "" for fault in found) == sorted(locations)


def missing(answer: Answer) -> None:
    """Demand the answer for a customer that the merchant does not have."""
    (fault,) = faults(answer, 404)
    assert fault.code == 200
    assert fault.message.startswith("Could not find a customer using Id")


def unauthorized(answer: Answer) -> None:
    """Demand the one 401 (T1), in bytes."""
    assert answer.status == 401, (answer.status, answer.body)
    assert answer.body == NOT_AUTHORIZED
    challenge = answer.header("WWW-Authenticate") or ""
    assert re.fullmatch(r'Basic realm="[^"]+", charset="UTF-8"', challenge), challenge


def check_answer(answer: Answer, *, has_body: bool = True) -> None:
    """Demand what every answer has: type, no-store, request id, no ``null`` member, no failure of ours."""
    assert answer.status not in (500, 502), answer.body
    assert answer.header("Content-Type") == JSON_TYPE
    assert answer.header("Cache-Control") == "no-store"
    assert _REQUEST_ID.fullmatch(answer.header("X-Request-Id") or "")
    if has_body:
        assert None not in member_values(answer.json), answer.body


def member_values(value: object) -> Iterator[object]:
    """Yield the value of every member of every object, however deep."""
    if isinstance(value, Mapping):
        yield from value.values()
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from member_values(item)


def same_bytes(one_answer: Answer, other: Answer) -> None:
    """Demand that two answers are alike to the byte, but for the time and the request's own id."""
    assert _comparable(one_answer) == _comparable(other)


def _comparable(answer: Answer) -> tuple[int, list[tuple[str, str]], bytes]:
    own = {"date", "x-request-id"}
    return answer.status, [(n.lower(), v) for n, v in answer.headers if n.lower() not in own], answer.body


def same_json(one_value: object, other: object) -> bool:
    """Return whether two values are one in JSON, where 1, 1.0 and true are three."""
    return json.dumps(one_value, sort_keys=True) == json.dumps(other, sort_keys=True)


def without(customer: Json, *names: str) -> Json:
    """Return a customer without these members."""
    return {name: value for name, value in customer.items() if name not in names}


def shop(tenancy: Tenancy, *permissions: str) -> Merchant:
    """Return a program of the tenancy's merchant, with its ordinary credential or one with permissions."""
    return Merchant(tenancy.server, tenancy.create_key(*permissions) if permissions else tenancy.key)


def stranger(server: Server, access_id: str, access_key: str) -> Merchant:
    """Return a program with credentials that nobody made."""
    return Merchant(server, authorization=basic(access_id, access_key))


def dotted(names: Iterable[str]) -> list[str]:
    """Return the locations of these members of a customer."""
    return [f"customer.{name}" for name in names]
