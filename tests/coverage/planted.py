"""Requests with a canary in every place where a caller can put something, in every room.

The members are those of the rooms' own structs, so that a new one is planted, or fails for want of a canary.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from coverage.needles import Canaries
from customary.native import wire as native
from customary.trustist import wire as trustist
from customary.trustly import wire as trustly

Json = dict[str, Any]
_OF_THE_SERVER = {"createdAt", "updatedAt", "merchantId", "customerId"}
_OF_OUR_SERVER = {
    "id", "customerNumber", "guid", "tenantId", "merchantId", "version", "createdAt", "updatedAt"
}  # fmt: skip
BLANK_KEY = "0" * 12


def trustly_person(canaries: Canaries, where: str) -> Json:
    """Return a customer as Trustly's merchants send it, with a canary in each member."""

    def text(name: str) -> str:
        return canaries.text(f"{where} trustly {name}")

    body: Json = {
        "name": text("name"),
        "taxId": canaries.digits(f"{where} trustly taxId"),
        "phone": canaries.digits(f"{where} trustly phone"),
        "email": canaries.token(f"{where} trustly email", "{}@example.com"),
        "dateOfBirth": text("dateOfBirth"),
        "externalId": text("externalId"),
        "enrollDate": int(canaries.digits(f"{where} trustly enrollDate", 15)),
        "customData": {text("customData name"): [text("customData value"), {"a": text("customData inside")}]},
        "nationalId": text("nationalId"),
        "personId": text("personId"),
    }
    plain = ("vip", "currency", "balance", "organizationNumber", "externalTier")
    body |= {name: text(name) for name in plain}
    body["address"] = {name: text(f"address {name}") for name in trustly.Address.__struct_fields__}
    body["driverLicense"] = {
        name: text(f"driverLicense {name}") for name in trustly.DriverLicense.__struct_fields__
    }
    assert set(body) == set(trustly.CustomerView.__struct_fields__) - _OF_THE_SERVER
    return body


def trustist_person(canaries: Canaries, where: str) -> Json:
    """Return a customer as Trustist's programs send it, with a canary in each member with room for one."""

    def text(name: str) -> str:
        return canaries.text(f"{where} trustist {name}")

    body: Json = {name: text(name) for name in ("firstName", "lastName", "orgId")}
    body["emailAddress"] = canaries.token(f"{where} trustist emailAddress", "{}@example.com")
    body["dateOfBirth"] = canaries.date(f"{where} trustist dateOfBirth")
    parts = [name for name in trustist.AddressSent.__struct_fields__ if name != "country"]
    body["address"] = {name: text(f"address {name}") for name in parts} | {"country": "GB"}
    assert set(body) == set(trustist.CustomerSent.__struct_fields__)
    return body


def native_person(canaries: Canaries, where: str) -> Json:
    """Return a customer as programs send it to our own API, with a canary in each member.

    A name has one of two forms, so one ``create`` has the one and all else the other; nor has it what is
    never shown in clear before it is changed.
    """

    def text(name: str) -> str:
        return canaries.text(f"{where} native {name}")

    left_out = {"givenName", "familyName", *native.GUARDED_TEXTS} if where == "create" else {"fullName"}
    body: Json = {name: text(name) for name in (*native.TEXTS, *native.GUARDED_TEXTS) if name not in left_out}
    body |= {
        "enrollDate": int(canaries.digits(f"{where} native enrollDate", 15)),
        "customData": {text("customData name"): [text("customData value"), {"a": text("customData inside")}]},
        "address": {name: text(f"address {name}") for name in native.ADDRESS_TEXTS},
        "relationshipEndedAt": _soon(),  # no room for a canary: it lies between the creation and now
    }
    assert set(body) == native.MEMBERS - _OF_OUR_SERVER - left_out
    return body


def _soon() -> str:
    """Return an instant that is not before a creation of just now, and near enough to be taken for now."""
    return (datetime.now(UTC) + timedelta(seconds=10)).isoformat()


def strangers(canaries: Canaries, where: str) -> Json:
    """Return members that no room knows."""
    return {
        canaries.text(f"{where} unknown name"): canaries.text(f"{where} unknown value"),
        "unknown": {"inside": [canaries.text(f"{where} unknown inside")]},
    }


def refused_bodies(canaries: Canaries, where: str, good: Json) -> Iterator[bytes]:
    """Yield bodies that are refused: each member too long, of the wrong type or a wrong mask; broken JSON."""

    def text(what: str) -> str:
        return canaries.text(f"{where} {what}")

    for name, value in good.items():
        wrong: list[object] = [[text(f"{name} in a list")]]
        if name == "customData":  # any name and any value are right in it
            wrong.append({text(f"{name} unsafe"): 2**60 + 1})
        else:
            wrong.append({text(f"{name} as a name"): text(f"{name} within")})
        if isinstance(value, str):
            wrong += [
                text(f"{name} too long") * 40,
                f"#####{text(f'{name} masked')}",
                text(f"{name} NUL") + "\x00",
            ]
        for one in wrong:
            yield json.dumps({name: one}).encode()
    broken = [
        '{"name": "%s',
        '{"name": "%s", "name": "%s"}',
        '{"%s": NaN}',
        '{"a": "%s"} trailing %s',
        '["%s"]',
        '"%s"',
        '{"%s": 1e999}',
        "\ufeff{%s}",
        '{"a": "%s \\ud800"}',
        "%s",
    ]
    for number, form in enumerate(broken):
        texts = tuple(text(f"broken {number}.{place}") for place in range(form.count("%s")))
        yield (form % texts).encode()
    yield text("no UTF-8").encode() + b'{"name": "\xff"}'


def headers(canaries: Canaries, where: str) -> list[tuple[str, str]]:
    """Return headers that say nothing to us, and one that does, each with a canary."""
    names = (
        "If-None-Match",
        "User-Agent",
        "Cookie",
        "X-Request-Id",
        "CorrelationId",
        "Referer",
        "X-Forwarded-For",
        "Traceparent",
    )
    found = [(name, canaries.token(f"{where} header {name}")) for name in names]
    found.append((canaries.token(f"{where} header name"), "1"))
    found.append(("X-Reason", quote(canaries.text(f"{where} X-Reason"))))
    return [*found, ("Idempotency-Key", canaries.token(f"{where} Idempotency-Key"))]


def unfit_reasons(canaries: Canaries, where: str) -> Iterator[str]:
    """Yield reasons that are refused."""
    yield quote(canaries.text(f"{where} reason of two lines")) + "%0A"
    yield canaries.token(f"{where} reason too long") * 40
    yield canaries.token(f"{where} reason no escape") + "%"
    yield canaries.text(f"{where} reason not encoded")


def authorizations(canaries: Canaries, where: str) -> Iterator[str]:
    """Yield Authorization headers of people who have no credential, or a broken one."""
    from serving import basic

    def token(what: str) -> str:
        return canaries.token(f"{where} authorization {what}")

    yield basic(token("access id"), token("access key"))
    yield "Basic " + token("no base64")
    yield token("scheme") + " " + token("parameter")
    attributes = (f'{name}="{token(name)}"' for name in ("id", "nonce", "mac", "ext"))
    yield 'Hawk ts="1", ' + ", ".join(attributes)
    yield f'Hawk {token("attribute")}="{token("attribute value")}"'
    yield f'Hawk id="{token("id twice")}", id="{token("id again")}"'
    yield f"HMAC-SHA256 Credential={token('credential')}&Signature={token('signature')}"
    yield f"HMAC-SHA256 SignedHeaders={token('signed')};host&Signature={token('signature 2')}"
    yield f"Bearer {token('bearer')}"


def targets(canaries: Canaries, where: str, prefix: str) -> Iterator[str]:
    """Yield targets with canaries in ids, paths and parameters, known and unknown."""

    def token(what: str) -> str:
        return canaries.token(f"{where} target {what}")

    digits = canaries.digits(f"{where} target number", 14)
    yield f"{prefix}/customers/{digits}"
    yield f"{prefix}/customers/{token('id')}"
    yield f"{prefix}/customers/%C3%9C{token('quoted id')}"
    yield f"{prefix}/customers/{token('deep id')}/accounts"
    yield f"{prefix}/customers/{token('diffed id')}/diff?from={token('from')}&to={token('to')}"
    yield f"{prefix}/customers/{token('versioned id')}/versions/{token('version')}"
    yield f"{prefix}/customers/3kTp9j2mN5xR?at={token('at')}"
    yield f"{prefix}/customers/3kTp9j2mN5xR/diff?from=1&to={token('another to')}"
    yield f"{prefix}/customers/3kTp9j2mN5xR/versions?cursor={token('cursor of versions')}"
    yield f"{prefix}/customers/3kTp9j2mN5xR/restore?at={token('at of restore')}"
    yield f"{prefix}/{token('path')}"
    yield f"{prefix}/customers?{token('unknown name')}={token('unknown value')}"
    for known in ("externalId", "customerId", "orgId", "emailAddress", "email", "customerNumber", "cursor"):
        yield f"{prefix}/customers?{known}={token(known)}"
        yield f"{prefix}/customers?{known}={token(f'{known} too long') * 20}"
        yield f"{prefix}/customers?{known}={token(f'{known} twice')}&{known}={token(f'{known} again')}"
    for number in ("count", "startIndex", "page", "pageSize", "limit"):
        yield f"{prefix}/customers?{number}={token(number)}"
    yield f"{prefix}/customers?a=%ff{token('no UTF-8')}"


def raw_requests(canaries: Canaries) -> Iterator[bytes]:
    """Yield bytes that are no request, or one that no room gets."""

    def token(what: str) -> bytes:
        return canaries.token(f"raw {what}").encode()

    yield token("method") + b" /api/v1/customers HTTP/1.1\r\nHost: a\r\n\r\n"
    yield b"GET /v1/customers " + token("version") + b"\r\nHost: a\r\n\r\n"
    yield b"GET /api/v1/customers HTTP/1.1\r\nHost: a\r\nBroken " + token("header") + b"\r\n\r\n"
    yield b"GET /api/v1/\xff" + token("path") + b" HTTP/1.1\r\nHost: a\r\n\r\n"
    yield (
        b"GET /"
        + token("page")
        + b"?"
        + token("page query")
        + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    )
    yield b"GET /v1/customers HTTP/1.1\r\nHost: " + token("host") + b" a\r\nConnection: close\r\n\r\n"
    yield (
        b"GET http://"
        + token("authority")
        + b"/v1/customers HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    )
    yield (
        b"GET /v1/customers HTTP/1.1\r\nHost: a\r\nUpgrade: "
        + token("upgrade")
        + b"\r\nConnection: upgrade\r\n\r\n"
    )
    yield (
        b"POST /v1/customers HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        + token("chunk")
        + b"\r\n\r\n"
    )
    yield b"POST /v1/customers HTTP/1.1\r\nHost: a\r\nContent-Length: " + token("length") + b"\r\n\r\n"
    yield b"GET /metrics?" + token("metrics") + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    yield b"PROPFIND /api/v1/" + token("webdav") + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
