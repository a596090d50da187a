"""A client that creates customers without end and remembers every one whose creation was acknowledged.

It must never import ``customary``: an acknowledgement is what came over the wire.
"""

import http.client
import itertools
import json
import threading
import time

from serving import Connection, Server, Tenancy

WORKERS = 8
NOTICED_SECONDS_MAX = 1.0


class Load:
    """Creates from several connections at once, until it is told to stop or the server is gone."""

    def __init__(self, tenancy: Tenancy, prefix: str = "load") -> None:
        self._tenancy = tenancy
        self._prefix = prefix
        self._numbers = itertools.count()
        self._enough = threading.Event()
        self._flowing = threading.Condition()
        self._workers = [threading.Thread(target=self._create_forever) for _ in range(WORKERS)]
        self.acknowledged: list[str] = []
        """The external ids of customers of whose creation the client was told."""
        self.refused: list[int] = []
        """The statuses of other answers."""
        self.broken = 0
        """How many requests were begun and never answered."""

    def __enter__(self) -> "Load":
        for worker in self._workers:
            worker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()

    def wait_for(self, count: int, seconds_max: float = 60) -> None:
        """Return when so many creations were acknowledged."""
        with self._flowing:
            if not self._flowing.wait_for(lambda: len(self.acknowledged) >= count, seconds_max):
                raise TimeoutError(f"{len(self.acknowledged)} of {count} creations in {seconds_max} s")

    def finish(self) -> None:
        """Begin no request any more, and return when each that was begun has ended."""
        self._enough.set()
        for worker in self._workers:
            worker.join()

    def _create_forever(self) -> None:
        server = self._tenancy.server
        try:
            with server.connect() as connection:
                while not self._enough.is_set():
                    if not self._create(connection):
                        return
        except ConnectionRefusedError:
            return  # the server listens no longer

    def _create(self, connection: Connection) -> bool:
        """Create one customer; return whether the connection can take another."""
        external_id = f"{self._prefix}-{next(self._numbers)}"
        body = {
            "externalId": external_id,
            "name": "Under Load",
            "address": {"country": "US"},
            "phone": "+16505551212",
            "email": f"{external_id}@example.com",
        }
        headers = [("Authorization", self._tenancy.key.authorization), ("Content-Type", "application/json")]
        try:
            answer = connection.send("POST", "/api/v1/customers", headers, json.dumps(body).encode())
        except (OSError, http.client.HTTPException):
            self.broken += 1
            return False
        with self._flowing:
            if answer.status == 200:
                self.acknowledged.append(external_id)
            else:
                self.refused.append(answer.status)
            self._flowing.notify_all()
        return (answer.header("Connection") or "").lower() != "close"


class Patient(Connection):
    """A connection on which a request stays in flight for as long as the test likes."""

    def begin(self, tenancy: Tenancy, body_bytes: int) -> None:
        """Send the head of a create, and return when it has come to the room: the room asks for the body."""
        self.send_bytes(
            f"POST /api/v1/customers HTTP/1.1\r\nHost: a\r\nAuthorization: {tenancy.key.authorization}\r\n"
            f"Content-Length: {body_bytes}\r\nExpect: 100-continue\r\n\r\n".encode()
        )
        expected = b"HTTP/1.1 100 Continue\r\n\r\n"
        received = b""
        while len(received) < len(expected):
            chunk = self._socket.recv(len(expected) - len(received))
            assert chunk, received
            received += chunk
        assert received == expected

    def received_within(self, seconds: float) -> bytes | None:
        """Return the bytes that have come, none if the connection was closed, None if none came in time."""
        self._socket.settimeout(seconds)
        try:
            return self._socket.recv(65536)
        except TimeoutError:
            return None
        except ConnectionResetError:
            return b""

    def rest(self) -> bytes:
        """Return whatever comes until the server closes the connection."""
        received = b""
        try:
            while chunk := self._socket.recv(65536):
                received += chunk
        except ConnectionResetError:
            pass
        return received


def wait_until_known(tenancy: Tenancy) -> Tenancy:
    """Return the tenancy when the server has noticed its credential, which another process has made."""
    deadline = time.monotonic() + NOTICED_SECONDS_MAX
    known = [("Authorization", tenancy.key.authorization)]
    while tenancy.server.send("GET", "/api/v1/nowhere", known).status == 401:
        assert time.monotonic() < deadline, "a new credential holds within a second"
    return tenancy


def lost(server: Server, tenancy: Tenancy, acknowledged: list[str]) -> list[str]:
    """Return those external ids that the server does not know."""
    known: set[str] = set()
    with server.connect() as connection:
        for start in itertools.count(0, 100):
            target = f"/api/v1/customers?count=100&startIndex={start}"
            answer = connection.send("GET", target, [("Authorization", tenancy.key.authorization)])
            assert answer.status == 200, answer.body
            page = answer.json["customers"]
            known |= {customer["externalId"] for customer in page}
            if len(page) < 100:
                return [one for one in acknowledged if one not in known]
    raise AssertionError("the pages have an end")
