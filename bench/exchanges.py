"""The requests of the benchmark as bytes: two dialects' customers, Basic and Hawk credentials.

Every call of a maker returns one whole request, ready for the socket, in a few microseconds: the
generator shares two cores with the server it measures. Makers must never read an answer or know a
connection.
"""

import base64
import hashlib
import hmac
import itertools
import json
import random
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

type_json = b"application/json"
Maker = Callable[[], bytes]
Bodies = Callable[[], bytes]

_NAMES = (
    ("Anna", "Berg"), ("Brandon", "Whitfield"), ("Chloe", "Tremblay"), ("Diego", "Fuentes"),
    ("Eleanor", "Ashworth"), ("Farid", "Rahmani"), ("Grace", "Okonkwo"), ("Hiroshi", "Tanaka"),
    ("Ingrid", "Solheim"), ("Jonah", "Feldman"), ("Katarina", "Novak"), ("Liam", "Gallagher"),
    ("Margarethe", "Achterberg"), ("Nikhil", "Venkataraman"), ("Oluwaseun", "Adeyemi"), ("Priya", "Raman"),
)  # fmt: skip
_PLACES = (
    ("2000 Broadway Street", "Redwood City", "CA", "94063"), ("415 Congress Avenue", "Austin", "TX", "78701"),
    ("77 Massachusetts Avenue", "Cambridge", "MA", "02139"), ("1600 Pearl Street", "Boulder", "CO", "80302"),
)  # fmt: skip


def trustly_bodies() -> Bodies:
    """Return a maker of Trustly customers, about 400 bytes each, no two alike in this or another run."""
    run = secrets.token_hex(4)
    number = itertools.count(1)
    templates = _templates(
        lambda first, last, street, city, state, code: {
            "externalId": f"bench-{run}-%07d",
            "name": f"{first} {last}",
            "address": {
                "address1": street,
                "address2": "Apartment %07d",
                "city": city,
                "state": state,
                "zip": code,
                "country": "US",
            },
            "phone": "+1650%07d",
            "email": f"{first}.{last}.{run}.%07d@example.com".lower(),
            "taxId": "12%07d",
            "dateOfBirth": "1984-03-17",
            "enrollDate": 1555696836548,
            "vip": "2",
            "customData": {"segment": "retail", "branch": 7},
        }
    )

    def body() -> bytes:
        n = next(number)
        return next(templates) % (n, n, n, n, n)

    return body


def trustist_bodies() -> Bodies:
    """Return a maker of Trustist customers, no two alike in this or another run."""
    run = secrets.token_hex(4)
    number = itertools.count(1)
    templates = _templates(
        lambda first, last, street, city, _state, code: {
            "firstName": first,
            "lastName": f"{last} %07d",
            "emailAddress": f"{first}.{last}.{run}.%07d@example.com".lower(),
            "dateOfBirth": "1984-03-17",
            "address": {
                "addressLine1": street,
                "addressLine2": "Apartment %07d",
                "city": city,
                "postalCode": code,
                "country": "US",
            },
            "orgId": "branch-7",
        }
    )

    def body() -> bytes:
        n = next(number)
        return next(templates) % (n, n, n)

    return body


def _templates(shape: Callable[[str, str, str, str, str, str], dict[str, object]]) -> Iterator[bytes]:
    """Return the encoded shape for every name and place, in turn and without end."""
    return itertools.cycle(
        [
            json.dumps(shape(*name, *place), separators=(",", ":")).encode()
            for name in _NAMES
            for place in _PLACES
        ]
    )


@dataclass(frozen=True)
class Basic:
    """A credential that is the same header on every request."""

    key_id: str
    secret: str

    def signer(self, _host: str, _port: int) -> Callable[[bytes, bytes, bytes], bytes]:
        """Return a function that gives the `Authorization` value, whatever the request."""
        value = b"Basic " + base64.b64encode(f"{self.key_id}:{self.secret}".encode())
        return lambda _method, _target, _body: value


@dataclass(frozen=True)
class Hawk:
    """A credential that signs each request; a body's hash is signed too, as the vendor's own plugin does."""

    key_id: str
    secret: str

    def signer(self, host: str, port: int) -> Callable[[bytes, bytes, bytes], bytes]:
        """Return a function that gives the `Authorization` value of (method, target, body)."""
        key, key_id = self.secret.encode(), self.key_id.encode()
        run, number = secrets.token_hex(4).encode(), itertools.count(1)
        place = f"{host.lower()}\n{port}".encode()

        def sign(method: bytes, target: bytes, body: bytes) -> bytes:
            ts, nonce = int(time.time()), b"%s%x" % (run, next(number))
            hashed = attribute = b""
            if body:
                payload = b"hawk.1.payload\n%s\n%s\n" % (type_json, body)
                hashed = base64.b64encode(hashlib.sha256(payload).digest())
                attribute = b', hash="%s"' % hashed
            normal = b"hawk.1.header\n%d\n%s\n%s\n%s\n%s\n%s\n\n" % (ts, nonce, method, target, place, hashed)
            mac = base64.b64encode(hmac.digest(key, normal, "sha256"))
            return b'Hawk id="%s", ts="%d", nonce="%s", mac="%s"%s' % (key_id, ts, nonce, mac, attribute)

        return sign


Credential = Basic | Hawk


def posts(credential: Credential, host: str, port: int, target: str, bodies: Bodies) -> Maker:
    """Return a maker of POST requests, each with a body of its own."""
    sign, path = credential.signer(host, port), target.encode()
    head = b"POST %s HTTP/1.1\r\nHost: %s:%d\r\nContent-Type: %s\r\n" % (path, host.encode(), port, type_json)

    def make() -> bytes:
        body = bodies()
        signature = sign(b"POST", path, body)
        return b"%sContent-Length: %d\r\nAuthorization: %s\r\n\r\n%s" % (head, len(body), signature, body)

    return make


def gets(credential: Credential, host: str, port: int, prefix: str, ids: Sequence[str]) -> Maker:
    """Return a maker of GET requests for the prefix and one of the ids, shuffled, again and again."""
    sign = credential.signer(host, port)
    shuffled = [f"{prefix}{name}".encode() for name in ids]
    random.Random(7).shuffle(shuffled)
    targets = itertools.cycle(shuffled)
    tail = b" HTTP/1.1\r\nHost: %s:%d\r\nAuthorization: " % (host.encode(), port)

    def make() -> bytes:
        target = next(targets)
        return b"GET %s%s%s\r\n\r\n" % (target, tail, sign(b"GET", target, b""))

    return make
