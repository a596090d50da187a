"""A client of the Trustist dialect, written from the contract alone: it signs a request and sends it.

It is the other side of the wire and must never import customary: were the two to share code, a mistake in it
would be made on both sides and no test would see it. The vectors hold for it (``test_trustist_vectors``).
"""

import base64
import hashlib
import hmac
import itertools
import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate

from serving import HOST, Answer, Headers, Server, Tenancy

PERSON = {"firstName": "Sarah", "lastName": "Johnson", "emailAddress": "sarah@example.com"}
JSON_TYPE = "application/json"
DAY = 1_761_043_200
"""The second of the contract's own vectors: 21 October 2025, 10:40 UTC."""

_nonces = itertools.count()


def fresh_nonce() -> str:
    """Return a nonce that nobody has used, in this process or another."""
    return f"{os.urandom(6).hex()}{next(_nonces)}"


def mac_of(secret: str, text: bytes) -> str:
    """Return base64(HMAC-SHA256(secret as UTF-8, text))."""
    return base64.b64encode(hmac.digest(secret.encode(), text, "sha256")).decode()


def payload_hash(content_type: str, body: bytes) -> str:
    """Return Hawk's hash of a body and its media type."""
    media_type = content_type.split(";")[0].strip().lower()
    text = b"hawk.1.payload\n" + media_type.encode() + b"\n" + body + b"\n"
    return base64.b64encode(hashlib.sha256(text).digest()).decode()


def body_hash(body: bytes) -> str:
    """Return base64(SHA-256(raw body)), the value of x-tr-content-sha256."""
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def timestamp_mac(secret: str, ts: int | str) -> str:
    """Return the tsm by which a client believes the time in a stale challenge."""
    return mac_of(secret, f"hawk.1.ts\n{ts}\n".encode())


@dataclass(frozen=True)
class Sent:
    """A request before it is signed; ``target`` is path and query as they go over the wire."""

    method: str
    target: str
    body: bytes = b""
    content_type: str = ""


@dataclass(frozen=True)
class Hawk:
    """What one client puts into a Hawk header; each real one leaves out something else."""

    ts: int | str = field(default_factory=lambda: int(time.time()))
    nonce: str = field(default_factory=fresh_nonce)
    hashed: bool = False
    ext: str | None = None
    app: str | None = None
    dlg: str | None = None

    def mac(self, kind: str, secret: str, sent: Sent, host: str, port: int, payload: str, ext: str) -> str:
        """Return the MAC over the normalised string of a request (``header``) or an answer (``response``)."""
        escaped = ext.replace("\\", "\\\\").replace("\n", "\\n")
        lines = [f"hawk.1.{kind}", str(self.ts), self.nonce, sent.method.upper(), sent.target]
        lines += [host.lower(), str(port), payload, escaped]
        if self.app is not None:
            lines += [self.app, self.dlg or ""]
        return mac_of(secret, "".join(line + "\n" for line in lines).encode())

    def attributes(self, key_id: str, secret: str, sent: Sent, host: str, port: int) -> dict[str, str]:
        """Return the attributes of the header, in the order in which the vendor's plugin writes them."""
        payload = payload_hash(sent.content_type, sent.body) if self.hashed else ""
        found = {"id": key_id, "ts": str(self.ts), "nonce": self.nonce}
        if payload:
            found["hash"] = payload
        if self.ext is not None:
            found["ext"] = self.ext
        found["mac"] = self.mac("header", secret, sent, host, port, payload, self.ext or "")
        last = {"app": self.app, "dlg": self.dlg}
        return found | {name: value for name, value in last.items() if value is not None}


def hawk_text(attributes: Mapping[str, str], separator: str = ", ") -> str:
    """Return a Hawk header of these attributes, in their order."""
    return "Hawk " + separator.join(f'{name}="{value}"' for name, value in attributes.items())


def hmac_signature(secret: str, sent: Sent, values: Iterable[str]) -> str:
    """Return the Signature over method, target and the signed headers' values."""
    return mac_of(secret, f"{sent.method}\n{sent.target}\n{';'.join(values)}".encode())


class Signer:
    """A key and the server it is for: signs requests and sends them.

    ``seen_as`` is host and port as the MAC names them, where they are not those of the connection.
    """

    def __init__(
        self, server: Server, key_id: str, secret: str, seen_as: tuple[str, int] | None = None
    ) -> None:
        self.server = server
        self.key_id = key_id
        self.secret = secret
        self.seen_as = seen_as

    @property
    def where(self) -> tuple[str, int]:
        """Return host and port that the client signs; the server may have been started anew elsewhere."""
        return self.seen_as or (HOST, self.server.port)

    def but(
        self,
        *,
        key_id: str | None = None,
        secret: str | None = None,
        seen_as: tuple[str, int] | None = None,
        server: Server | None = None,
    ) -> "Signer":
        """Return the same signer with something changed, its secret for instance."""
        return Signer(
            server or self.server, key_id or self.key_id, secret or self.secret, seen_as or self.seen_as
        )

    def call(
        self,
        method: str,
        target: str,
        members: object = None,
        *,
        body: bytes | None = None,
        content_type: str | None = None,
        hawk: Hawk | None = None,
        headers: Headers = (),
    ) -> Answer:
        """Return the answer to a request signed by Hawk; ``members`` are sent as JSON."""
        if members is not None:
            body = json.dumps(members).encode()
        media_type = ("" if body is None else JSON_TYPE) if content_type is None else content_type
        sent = Sent(method, target, body or b"", media_type)
        return self.send(sent, self.hawk(sent, hawk or Hawk()), headers)

    def hawk(self, sent: Sent, hawk: Hawk) -> dict[str, str]:
        """Return the Authorization header of a request signed by Hawk."""
        attributes = hawk.attributes(self.key_id, self.secret, sent, *self.where)
        return {"Authorization": hawk_text(attributes)}

    def send(self, sent: Sent, signed: Mapping[str, str], headers: Headers = ()) -> Answer:
        """Return the answer to a request with exactly these headers beside those that frame its body."""
        media_type = [("Content-Type", sent.content_type)] if sent.content_type else []
        body = sent.body if sent.body or sent.method in ("POST", "PUT", "PATCH") else None
        return self.server.send(sent.method, sent.target, [*media_type, *signed.items(), *headers], body)

    def hmac(
        self,
        sent: Sent,
        *,
        date: str | None = None,
        separator: str = "&",
        prefix: str = "x-tr",
        listed: bool = True,
        client_id: bool = False,
    ) -> dict[str, str]:
        """Return the headers of the HMAC-SHA256 presentation, which signs the default list of headers.

        ``listed`` writes that list down; ``client_id`` names the key in x-tr-clientid instead of Credential.
        """
        host, port = self.where
        date = date or formatdate(time.time(), usegmt=True)
        content = body_hash(sent.body)
        host_text = host if port in (80, 443) else f"{host}:{port}"
        signature = hmac_signature(self.secret, sent, (date, host_text, content))
        names = f"{prefix}-date;host;{prefix}-content-sha256"
        parts = [] if client_id else [f"Credential={self.key_id}"]
        parts += [f"SignedHeaders={names}"] if listed else []
        parts += [f"Signature={signature}"]
        headers = {"Authorization": "HMAC-SHA256 " + separator.join(parts)}
        headers |= {f"{prefix}-date": date, f"{prefix}-content-sha256": content}
        return headers | ({"x-tr-clientid": self.key_id} if client_id else {})


def new_signer(
    tenancy: Tenancy, *permissions: str, merchant_id: str | None = None, fields: str = ""
) -> Signer:
    """Return a new HMAC key of a tenant, or of one of its merchants, ready to sign."""
    server = tenancy.server
    key = server.create_key(
        tenancy.tenant_id, merchant_id, scheme="hmac", permissions=permissions, fields=fields
    )
    return Signer(server, key.key_id, key.secret)


def values(answer: Answer, name: str) -> list[str]:
    """Return every value of a header of an answer, in their order."""
    return [value for known, value in answer.headers if known.lower() == name.lower()]


def attributes_of(header: str | None) -> dict[str, str]:
    """Return the attributes of a Hawk header of an answer: Server-Authorization or a challenge."""
    assert header is not None, "the answer has no such header"
    scheme, _, rest = header.partition(" ")
    assert scheme == "Hawk"
    parts = (part.partition("=") for part in rest.split(", "))
    return {name: value.removeprefix('"').removesuffix('"') for name, _, value in parts}


def indistinct(answer: Answer) -> tuple[int, list[tuple[str, str]], bytes]:
    """Return all of an answer that must be alike where two causes must not be told apart.

    CorrelationId is a request's own, Server-Authorization is bound to its nonce, Date is the second.
    """
    own = ("correlationid", "server-authorization", "date")
    rest = [(name.lower(), value) for name, value in answer.headers if name.lower() not in own]
    mine = answer.header("CorrelationId")
    assert mine, "every answer has a CorrelationId (S23)"
    return answer.status, rest, answer.body.replace(mine.encode(), b"<CorrelationId>")
