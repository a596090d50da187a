"""The rooms' operations as the walks over them see them: every one, from the tables the server is built of.

A new route is walked without anybody remembering it. Where a walk needs to know something about an operation
(a body that it takes, how its room is spoken to), there is a table here, and what is not in it fails.
"""

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from customary.bootstrap.house import House
from customary.bootstrap.rooms import rooms
from customary.bootstrap.status import Watch
from customary.config import Settings
from customary.domain.access import Permission
from customary.http.shell import Operation, Room
from customary.storage.sqlite import NonceStore
from dialects.signing import PERSON, Signer
from merchant import faults, person
from serving import Answer, Headers, Key, Server, Tenancy

Json = dict[str, Any]
ALL_PERMISSIONS = frozenset(Permission)
UNMASKED = Permission.READ_CUSTOMERS_UNMASKED
NOTICED_SECONDS_MAX = 1.0


def _rooms() -> tuple[Room, ...]:
    """Return the rooms as the server builds them, for their tables; the house behind them is gone."""
    with TemporaryDirectory() as folder, House(Settings(data=Path(folder) / "store")) as house:
        nonces = NonceStore(house.settings.data)
        try:
            return rooms(house, nonces, Watch(request_log=False))
        finally:
            nonces.close()


ROOMS: Mapping[str, Room] = {room.name: room for room in _rooms()}


@dataclass(frozen=True)
class Walked:
    """One operation of one room."""

    room: Room
    operation: Operation

    @property
    def name(self) -> str:
        """Return what a test calls it: room, method and path."""
        return f"{self.room.name} {self.operation.method} {self.operation.path}"

    def target(self, speaker: "Speaker") -> str:
        """Return its path, with the id of a customer that exists where it has a place for one."""
        return self.room.prefix + filled(self.operation.path, speaker.place) + self.query

    @property
    def query(self) -> str:
        """Return the query that it cannot do without."""
        return QUERIES.get(self.name, "")

    @property
    def body(self) -> object:
        """Return a body that it takes, or None; a mutating one that is not in the table fails."""
        sends = self.operation.mutates or (self.operation.discloses and self.operation.method != "GET")
        return BODIES[self.name]() if sends else None

    @property
    def suffices(self) -> frozenset[Permission]:
        """Return permissions that are surely enough."""
        return self.operation.permissions or frozenset()


def filled(path: str, place: Callable[[str], str]) -> str:
    """Return a path with its places filled; ``place`` gives the text for the name of one."""
    return re.sub(r"\{(\w+)\}", lambda found: place(found[1]), path)


WALKED = tuple(Walked(room, operation) for room in ROOMS.values() for operation in room.operations)


def route_name(walked: Walked) -> str:
    """Return the name of a parameter of a test."""
    return walked.name


# ── what a walk must know of an operation ──

_OWN_IDS: Mapping[str, Callable[[Json], str]] = {
    "trustly": lambda created: str(created["customerId"]),
    "trustist": lambda created: str(created["id"]),
    "native": lambda created: str(created["id"]),
}
"""For each room: the id of a customer that it has just answered with."""

PLACES: Mapping[str, str] = {"version": "1"}
"""For each place in a path that is not a customer's id: what stands there, for a customer that is new."""

QUERIES: Mapping[str, str] = {"native GET /customers/{id}/diff": "?from=1&to=1"}
"""For each operation that needs one: its query."""

BODIES: Mapping[str, Callable[[], Json]] = {
    "trustly POST /customers": person,
    "trustly POST /customers/{customerId}": lambda: {"vip": "2"},
    "trustist POST /customers": lambda: dict(PERSON),
    "trustist PUT /customers/{id}": lambda: {"orgId": "branch-2"},
    "native POST /customers": lambda: {"fullName": "Sarah Johnson", "email": "sarah@example.com"},
    "native PATCH /customers/{id}": lambda: {"orgId": "branch-2"},
    "native POST /customers/{id}/restore": lambda: {"version": 1},
    "native POST /customers/{id}/reveal": lambda: {"fields": ["taxId"], "reason": "walked"},
    "native POST /customers/{id}/erasure": dict,
    "native POST /customers/{id}/hold": lambda: {"reason": "Case 17"},
    "native DELETE /customers/{id}/hold": dict,
    "native PUT /retention": lambda: {"rules": []},
}
"""For each mutating operation a body that changes something; for each that discloses, one that it takes."""


# ── how each room is spoken to ──


Send = Callable[[str, str, object, Headers], Answer]


def _basic(server: Server, key: Key) -> Send:
    def send(method: str, target: str, body: object, headers: Headers) -> Answer:
        raw = None if body is None else json.dumps(body).encode()
        sent = [("Authorization", key.authorization), *headers]
        return server.send(method, target, sent, raw)

    return send


def _hawk(server: Server, key: Key) -> Send:
    signer = Signer(server, key.key_id, key.secret)
    return lambda method, target, body, headers: signer.call(method, target, body, headers=headers)


SENDERS: Mapping[str, Callable[[Server, Key], Send]] = {
    "trustly": _basic,
    "trustist": _hawk,
    "native": _hawk,
}
"""How a key is presented to each room; it need not be a key of that room."""

SCHEMES: Mapping[str, str] = {"trustly": "basic", "trustist": "hmac", "native": "hmac"}
"""Of which scheme the keys of each room are."""

_CREATED: Mapping[str, Callable[[Json], Json]] = {
    "trustly": lambda body: body["customer"],
    "trustist": lambda body: body,
    "native": lambda body: body,
}


@dataclass(frozen=True)
class Speaker:
    """The holder of a credential for a room. ``creator`` makes the customers that a walk needs."""

    room: str
    server: Server
    key: Key
    send: Send
    creator: "Callable[[], Speaker]"

    def call(self, method: str, target: str, body: object = None, headers: Headers = ()) -> Answer:
        """Return the answer to a request of this holder."""
        return self.send(method, target, body, headers)

    def create(self, **members: object) -> Json:
        """Return a new customer of the room, made by somebody who may."""
        body = BODIES[f"{self.room} POST /customers"]() | members
        answer = self.creator().call("POST", f"{ROOMS[self.room].prefix}/customers", body)
        assert answer.status in (200, 201), answer.body
        return _CREATED[self.room](answer.json)

    def place(self, name: str) -> str:
        """Return what stands in a path at a place of that name: the id of a new customer, but for a few."""
        return PLACES.get(name) or self.new_id()

    def new_id(self) -> str:
        """Return the id of a new customer, as the room spells it."""
        return _OWN_IDS[self.room](self.create())

    def walk(self, walked: Walked) -> Answer:
        """Return the answer to an ordinary request of that operation."""
        return self.call(walked.operation.method, walked.target(self), walked.body)


def _wait_until_known(room: str, send: Send) -> None:
    """Return when the server has noticed the new credential, which another process has made."""
    deadline = time.monotonic() + NOTICED_SECONDS_MAX
    while send("GET", f"{ROOMS[room].prefix}/nowhere", None, ()).status == 401:
        assert time.monotonic() < deadline, "a new credential holds within a second"


class Voices:
    """Makes speakers of one tenancy; a credential with the same permissions is made once."""

    def __init__(self, tenancy: Tenancy) -> None:
        self.tenancy = tenancy
        self._made: dict[tuple[str, bool, frozenset[Permission], str], Speaker] = {}

    def speaker(
        self,
        room: str,
        permissions: frozenset[Permission] = ALL_PERMISSIONS - {UNMASKED},
        *,
        of_merchant: bool = False,
        fields: str = "",
    ) -> Speaker:
        """Return the holder of a credential with exactly these permissions, a tenant's where there are such.

        Basic credentials are merchants' in any case.
        """
        of_merchant = of_merchant or room == "trustly"
        kind = room, of_merchant, permissions, fields
        if kind not in self._made:
            tenancy = self.tenancy
            key = tenancy.server.create_key(
                tenancy.tenant_id,
                tenancy.merchant_id if of_merchant else None,
                scheme=SCHEMES[room],
                permissions=sorted(permissions),
                fields=fields,
            )
            send = SENDERS[room](tenancy.server, key)
            _wait_until_known(room, send)
            self._made[kind] = Speaker(room, tenancy.server, key, send, lambda: self.usual(room))
        return self._made[kind]

    def usual(self, room: str) -> Speaker:
        """Return the holder of a credential that may do all but see guarded fields."""
        return self.speaker(room)


REQUEST_IDS: Mapping[str, str] = {
    "trustly": "X-Request-Id",
    "trustist": "CorrelationId",
    "native": "X-Request-Id",
}


# ── how each room says no ──


def trustly_refusal(answer: Answer) -> tuple[int, object]:
    """Return status and code of a refusal in Trustly's envelope, every member of it checked."""
    codes = {fault.code for fault in faults(answer, answer.status)}
    assert len(codes) == 1
    return answer.status, codes.pop()


_PROBLEM = {"type", "title", "status", "code", "error", "message", "correlationId"}
_PROBLEM_MAY = {"missingFields", "errors", "error_description"}


def trustist_refusal(answer: Answer) -> tuple[int, object]:
    """Return status and code of a refusal in Trustist's shape, every member of it checked."""
    problem = answer.json
    assert _PROBLEM <= set(problem) <= _PROBLEM | _PROBLEM_MAY, problem
    assert problem["type"] == "about:blank"
    assert problem["status"] == answer.status
    assert problem["error"] == problem["code"]
    assert problem["title"].strip()
    assert problem["message"].strip()
    assert problem["correlationId"] == answer.header("CorrelationId")
    return answer.status, problem["code"]


_OWN_PROBLEM = {"type", "title", "status", "detail", "requestId"}


def native_refusal(answer: Answer) -> tuple[int, object]:
    """Return status and the word of the type of a refusal of our own API, every member of it checked."""
    problem = answer.json
    assert _OWN_PROBLEM <= set(problem) <= _OWN_PROBLEM | {"errors", "erasure"}, problem
    assert problem["status"] == answer.status
    assert problem["title"].strip()
    assert problem["detail"].strip()
    assert problem["requestId"] == answer.header("X-Request-Id")
    for fault in problem.get("errors", []):
        assert set(fault) == {"field", "rule", "message"}
    stem, _, word = problem["type"].rpartition("/")
    assert stem == "/problems"
    return answer.status, word


REFUSALS: Mapping[str, Callable[[Answer], tuple[int, object]]] = {
    "trustly": trustly_refusal,
    "trustist": trustist_refusal,
    "native": native_refusal,
}
CONTENT_TYPES: Mapping[str, str] = {
    "trustly": "application/json; charset=utf-8",
    "trustist": "application/json; charset=utf-8",
    "native": "application/problem+json",
}
"""What a refusal of each room is declared as."""

UNAUTHENTICATED: Mapping[str, tuple[int, object]] = {
    "trustly": (401, 375),
    "trustist": (401, "invalid_api_key"),
    "native": (401, "unauthenticated"),
}
FORBIDDEN: Mapping[str, tuple[int, object]] = {
    "trustly": (401, 375),
    "trustist": (403, "insufficient_permissions"),
    "native": (403, "forbidden"),
}
SEALED: Mapping[str, tuple[int, object]] = {
    "trustly": (503, 100),
    "trustist": (503, "unavailable"),
    "native": (503, "unavailable"),
}
FAILED: Mapping[str, tuple[int, object]] = {
    "trustly": (500, 100),
    "trustist": (500, "internal_error"),
    "native": (500, "internal-error"),
}
MALFORMED: Mapping[str, tuple[int, object]] = {
    "trustly": (400, 200),
    "trustist": (400, "invalid_request"),
    "native": (400, "malformed"),
}
INVALID: Mapping[str, int] = {"trustly": 400, "trustist": 400, "native": 422}
"""The status with which each room answers members that break rules."""


def refusal(room: str, answer: Answer) -> tuple[int, object]:
    """Return status and code of a refusal, whose form must be the room's and of JSON that nobody keeps."""
    assert answer.header("Content-Type") == CONTENT_TYPES[room]
    assert answer.header("Cache-Control") == "no-store"
    assert answer.header(REQUEST_IDS[room])
    return REFUSALS[room](answer)
