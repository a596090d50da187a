"""HMAC-SHA256 with x-tr headers is verified as the contract says (S9)."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from customary.domain.errors import Unauthenticated
from customary.http import schemes
from customary.http.schemes import SignedRequest, hmac_sha256

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "hawk-vectors.json").read_text("utf-8"))
VECTORS = VECTORS["hmac_sha256"]
NOW = 1761043200.0  # Tue, 21 Oct 2025 10:40:00 GMT
DATE = "Tue, 21 Oct 2025 10:40:00 GMT"
KEY = b"sk_live_abc123xyz"
BODY = b'{"firstName":"Sarah"}'
LIST = "x-tr-date;host;x-tr-content-sha256"


def digest(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def signature(*lines: str, key: bytes = KEY) -> str:
    """What the contract says, written down a second time."""
    return base64.b64encode(
        hmac.new(key, "\n".join(lines).encode("latin-1"), hashlib.sha256).digest()
    ).decode()


def sent(headers: Mapping[str, str], **changes: Any) -> SignedRequest:
    request = SignedRequest(
        "POST", b"/v1/customers", "api.example.com", 443, BODY, "application/json", headers.get
    )
    return msgspec.structs.replace(request, **changes)


def headers_of(**changes: str | None) -> dict[str, str]:
    headers: dict[str, str | None] = {
        "host": "api.example.com",
        "x-tr-date": DATE,
        "x-tr-content-sha256": digest(BODY),
    }
    headers |= {name.replace("_", "-"): value for name, value in changes.items()}
    return {name: value for name, value in headers.items() if value is not None}


def value_of(
    headers: Mapping[str, str], names: str = LIST, credential: str | None = "k", form: str = "&"
) -> str:
    values = ";".join(headers[name] for name in names.split(";"))
    parts = [] if credential is None else [f"Credential={credential}"]
    parts += [f"SignedHeaders={names}", f"Signature={signature('POST', '/v1/customers', values)}"]
    return "HMAC-SHA256 " + form.join(parts)


def verdict(value: str, request: SignedRequest, *secrets: bytes, now: float = NOW) -> bytes:
    return hmac_sha256.verified(hmac_sha256.parsed(value), secrets, request, now)


def refusal(value: str, request: SignedRequest, *secrets: bytes, now: float = NOW) -> Unauthenticated:
    with pytest.raises(Unauthenticated) as caught:
        verdict(value, request, *secrets, now=now)
    return caught.value


def request_of(vector: dict[str, Any]) -> SignedRequest:
    headers = {
        "host": vector["host"],
        "x-tr-date": vector["date"],
        "x-tr-content-sha256": vector["content_sha256"],
    }
    return SignedRequest(
        vector["method"],
        vector["target"].encode(),
        vector["host"],
        443,
        vector["body"].encode(),
        "",
        headers.get,
    )


@pytest.mark.parametrize("names", [f"SignedHeaders={LIST}", ""], ids=["with a list", "with the default list"])
@pytest.mark.parametrize("form", ["&", ", ", ","])
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["method"])
def test_every_vector_is_accepted(vector: dict[str, Any], form: str, names: str) -> None:
    """S4, S9: with ``&`` and with the seed's ``, ``, and no list means the default one."""
    parts = ["Credential=k", *filter(None, [names]), f"Signature={vector['signature']}"]
    key = vector["key"].encode()
    assert verdict("HMAC-SHA256 " + form.join(parts), request_of(vector), key) == key


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["method"])
def test_our_own_signature_is_that_of_the_vector(vector: dict[str, Any]) -> None:
    """S4: the client side makes what the server side accepts, byte for byte."""
    bare = msgspec.structs.replace(request_of(vector), header={}.get)
    added = hmac_sha256.signed("k", vector["key"].encode(), bare, NOW)
    assert added == {
        "x-tr-date": vector["date"],
        "x-tr-content-sha256": vector["content_sha256"],
        "Authorization": f"HMAC-SHA256 Credential=k&SignedHeaders={LIST}&Signature={vector['signature']}",
    }


def flips() -> Iterator[Any]:
    for vector in VECTORS:
        changed = {
            "key": vector["key"] + "x",
            "method": "PUT",
            "target": vector["target"] + "?",
            "host": "x" + vector["host"],
            "date": "Tue, 21 Oct 2025 10:40:01 GMT",
            "body": vector["body"] + " ",
            "content_sha256": digest(b"other"),
            "signature": vector["signature"].swapcase(),
        }
        for name, value in changed.items():
            yield pytest.param(vector | {name: value}, id=f"{vector['method']}: {name}")


@pytest.mark.parametrize("vector", list(flips()))
def test_a_vector_with_one_component_changed_is_refused(vector: dict[str, Any]) -> None:
    """S9: every component is bound, the body through its hash."""
    value = f"HMAC-SHA256 Credential=k&SignedHeaders={LIST}&Signature={vector['signature']}"
    assert refusal(value, request_of(vector), vector["key"].encode()).hint == ""


def test_a_body_hash_that_is_signed_but_wrong_is_refused() -> None:
    """S9: the hash is computed here over the raw body; a signature over another one helps nobody."""
    headers = headers_of(x_tr_content_sha256=digest(b"other"))
    refusal(value_of(headers), sent(headers), KEY)
    assert verdict(value_of(headers), sent(headers, body=b"other"), KEY) == KEY


@pytest.mark.parametrize("date", ["x-tr-date", "x-ms-date", "date"])
@pytest.mark.parametrize("body_hash", ["x-tr-content-sha256", "x-ms-content-sha256"])
@pytest.mark.parametrize("listed", [True, False])
def test_date_and_hash_have_other_names_too(date: str, body_hash: str, listed: bool) -> None:
    """S9: also x-ms-date, Date and x-ms-content-sha256, listed in any case or by default."""
    headers = {"host": "api.example.com", date: DATE, body_hash: digest(BODY)}
    value = value_of(headers, f"{date};host;{body_hash}")
    listing = f"SignedHeaders={date};host;{body_hash}&"
    value = value.replace(
        listing, listing.title().replace("Signedheaders", "SignedHeaders") if listed else ""
    )
    assert verdict(value, sent(headers), KEY) == KEY


@pytest.mark.parametrize(
    ("headers", "hint"),
    [
        (headers_of(x_tr_date=None), "x-tr-date"),
        (headers_of(x_tr_content_sha256=None), "x-tr-content-sha256"),
        (headers_of(x_tr_date=None, x_tr_content_sha256=None), "x-tr-date"),
        (headers_of(x_tr_date=None, x_tr_content_sha256=None, date=DATE), "x-tr-content-sha256"),
    ],
)
@pytest.mark.parametrize("secrets", [(), (KEY,)], ids=["unknown", "known"])
def test_the_bare_line_of_the_seed_learns_what_is_missing(
    headers: dict[str, str], hint: str, secrets: tuple[bytes, ...]
) -> None:
    """It binds neither time nor body; the hint names the header, for a known and an unknown key alike."""
    for form in (", ", "&"):
        value = f"HMAC-SHA256 Credential=k{form}Signature={signature('POST', '/v1/customers')}"
        assert refusal(value, sent(headers), *secrets).hint == hint


@pytest.mark.parametrize(
    ("names", "hint"),
    [
        ("host;x-tr-content-sha256", "x-tr-date"),
        ("x-tr-date;host", "x-tr-content-sha256"),
        ("x-ms-date;host;x-tr-content-sha256", "x-tr-date"),
        ("host", "x-tr-date"),
    ],
)
def test_a_date_or_hash_that_is_sent_but_not_signed_does_not_count(names: str, hint: str) -> None:
    """S9: otherwise anyone on the way could renew an old request or exchange its body."""
    headers = headers_of()
    value = f"HMAC-SHA256 Credential=k&SignedHeaders={names}&Signature="
    value += signature("POST", "/v1/customers", ";".join(headers.get(name, "") for name in names.split(";")))
    assert refusal(value, sent(headers), KEY).hint == hint


def test_the_date_that_is_judged_is_the_one_that_was_signed() -> None:
    """S9: a fresh x-tr-date beside a signed old Date must not renew the request, nor a bad one spoil it."""
    names = "date;host;x-tr-content-sha256"
    old = headers_of(date="Tue, 21 Oct 2025 09:40:00 GMT")
    assert "too far" in refusal(value_of(old, names), sent(old), KEY).detail
    fresh = headers_of(date=DATE, x_tr_date="yesterday")
    assert verdict(value_of(fresh, names), sent(fresh), KEY) == KEY


@pytest.mark.parametrize(("skew", "passes"), [(900, True), (901, False), (-900, True), (-900.5, False)])
def test_fifteen_minutes_are_the_last_that_pass(skew: float, passes: bool) -> None:
    """S9: the window is 15 minutes either way."""
    headers = headers_of()
    if passes:
        assert verdict(value_of(headers), sent(headers), KEY, now=NOW + skew) == KEY
    else:
        assert refusal(value_of(headers), sent(headers), KEY, now=NOW + skew).challenge == ""


@pytest.mark.parametrize(
    "date",
    [
        "",
        "2025-10-21T10:40:00Z",
        "1761043200",
        "Tue, 21 Oct 2025 10:40:00 +0000",
        "Tue, 21 Oct 2025 10:40:00 -0000",
        "Tue, 21 Oct 2025 10:40:00 UTC",
        "Tue, 21 Oct 2025 10:40:00",
        "Tue, 21 Oct 2025 10:40 GMT",
        "Tue, 21 Oct 25 10:40:00 GMT",
        "Tuesday, 21-Oct-25 10:40:00 GMT",
        "Tue Oct 21 10:40:00 2025",
        "21 Oct 2025 10:40:00 GMT",
        "tue, 21 oct 2025 10:40:00 gmt",
        "Mon, 21 Oct 2025 10:40:00 GMT",
        "Tue, ２１ Oct 2025 10:40:00 GMT",
        "Tue, 21 Oct 2025 10:40:00 GMT\n",
        "Tue, 21 Oct 2025 10:40:00 GMT (now)",
        "Tue, 21 Oct 2025 24:40:00 GMT",
        "Tue, 21 Oct 2025 10:60:00 GMT",
        "Tue, 21 Oct 2025 10:40:60 GMT",
        "Fri, 31 Feb 2025 10:40:00 GMT",
        "Tue, 21 Oct 0000 10:40:00 GMT",
    ],
)
def test_a_date_in_any_other_form_is_refused(date: str) -> None:
    """S9: strictly RFC 1123 with four digits of year and GMT, a day that exists, ASCII digits."""
    headers = headers_of(x_tr_date=date)
    value = f"HMAC-SHA256 Credential=k&SignedHeaders={LIST}&Signature=c2ln"
    assert "date" in refusal(value, sent(headers), KEY).detail


@pytest.mark.parametrize(
    ("credential", "client_id", "expected"),
    [
        ("k", None, "k"),
        ("k", "k", "k"),
        (None, "k", "k"),
        ("k", "K", None),
        ("k", "", None),
        (None, None, None),
    ],
)
def test_the_id_comes_from_either_place_and_both_must_agree(
    credential: str | None, client_id: str | None, expected: str | None
) -> None:
    """S9: x-tr-clientid other than Credential is refused, whoever signed."""
    headers = headers_of(x_tr_clientid=client_id)
    header, request = hmac_sha256.parsed(value_of(headers, credential=credential)), sent(headers)
    if expected is None:
        with pytest.raises(Unauthenticated):
            hmac_sha256.key_id(header, request)
        with pytest.raises(Unauthenticated):
            hmac_sha256.verified(header, [KEY], request, NOW)
    else:
        assert hmac_sha256.key_id(header, request) == expected
        assert hmac_sha256.verified(header, [KEY], request, NOW) == KEY


@pytest.mark.parametrize("client_id", ["", " ", "a b", "k\n", "é", "k\x00"])
def test_a_client_id_alone_must_look_like_an_id(client_id: str) -> None:
    """It goes on to a lookup, so it is printable ASCII as a Credential is."""
    headers = headers_of(x_tr_clientid=client_id)
    with pytest.raises(Unauthenticated):
        hmac_sha256.key_id(hmac_sha256.parsed(value_of(headers, credential=None)), sent(headers))


@pytest.mark.parametrize(
    ("arrived", "host", "port", "signed_host"),
    [
        ("api.example.com", "api.example.com", 443, "api.example.com"),
        ("API.example.com", "api.example.com", 443, "API.example.com"),
        ("localhost:8080", "localhost", 8080, "localhost:8080"),
        ("[::1]:8080", "::1", 8080, "[::1]:8080"),
        ("api.example.com:443", "api.example.com", 443, "api.example.com:443"),
        ("backend:9000", "api.example.com", 443, "api.example.com"),
        ("backend:9000", "api.example.com", 8443, "api.example.com:8443"),
    ],
)
def test_the_signed_host_is_the_one_the_client_saw(
    arrived: str, host: str, port: int, signed_host: str
) -> None:
    """S3, S9: as it was sent, or composed again when a proxy has put its own name there."""
    request = sent(headers_of(host=arrived), host=host, port=port)
    assert verdict(value_of(headers_of(host=signed_host)), request, KEY) == KEY
    refusal(value_of(headers_of(host="evil.example")), sent(headers_of(host="evil.example")), KEY)


def test_further_headers_may_be_signed_but_must_be_there() -> None:
    """S9: the list is the client's; a name on it that was not sent refuses the request without echoing it."""
    headers = headers_of(x_canary="1;é")
    value = value_of(headers, LIST + ";x-canary")
    assert verdict(value, sent(headers), KEY) == KEY
    error = refusal(value, sent(headers_of()), KEY)
    assert "canary" not in f"{error!r}{error.detail}{error.hint}"


@pytest.mark.parametrize("changed", [{"method": "G€T"}, {"host": "€.example", "port": 1}])
def test_text_that_no_header_can_hold_is_a_refusal(changed: dict[str, Any]) -> None:
    """Header text is latin-1; what is not cannot have been signed, and must not end in an encoder's error."""
    headers = headers_of()
    assert "cannot be signed" in refusal(value_of(headers), sent(headers, **changed), KEY).detail
    spoilt = headers_of(x_tr_content_sha256="€")
    assert "cannot be signed" in refusal(value_of(headers), sent(spoilt), KEY).detail


def test_either_live_secret_passes_and_is_named() -> None:
    """Two secrets live during a rotation; the caller learns which was used."""
    headers = headers_of()
    assert verdict(value_of(headers), sent(headers), b"new", KEY) == KEY
    assert verdict(value_of(headers), sent(headers), KEY, b"new") == KEY


def test_an_unknown_id_is_refused_like_a_wrong_signature() -> None:
    """S7: the same class and texts to the caller; nobody's secret opens nothing."""
    headers = headers_of()
    errors = [refusal(value_of(headers), sent(headers), *secrets) for secrets in ((), (b"a",), (b"a", b"b"))]
    assert len({(type(error), error.public, error.hint, error.challenge) for error in errors}) == 1
    added = hmac_sha256.signed("k", schemes._NOBODYS_SECRET, sent({}), NOW)
    signed = sent({name.lower(): value for name, value in added.items()})
    refusal(added["Authorization"], signed)


@pytest.mark.parametrize("junk", ["c2ln", "!", "=", "c2ln=", "\\x00", "%"])
def test_a_signature_that_is_no_base64_is_a_wrong_one(junk: str) -> None:
    """The texts are compared, so nothing is decoded and only one spelling is right."""
    headers = headers_of()
    value = f"HMAC-SHA256 Credential=k&SignedHeaders={LIST}&Signature="
    refusal(value + junk, sent(headers), KEY)
    refusal(value_of(headers).rstrip("="), sent(headers), KEY)
    refusal(value_of(headers) + "=", sent(headers), KEY)


def test_no_refusal_repeats_what_was_sent_or_computed() -> None:
    """S7: neither the signature that would have been right nor any value of the caller."""
    headers = headers_of(x_tr_clientid="canary")
    good = value_of(headers, credential="canary")
    for value, request, secrets in [
        (good, sent(headers), (b"canary",)),
        (good, sent(headers, body=b"canary"), (KEY,)),
        (good, sent(headers | {"x-tr-clientid": "canary2"}), (KEY,)),
        (good, sent(headers | {"x-tr-date": "canary"}), (KEY,)),
        (good, sent(headers | {"x-tr-content-sha256": "canary"}), (KEY,)),
        (good + "&Canary=canary", sent(headers), (KEY,)),
    ]:
        error = refusal(value, request, *secrets)
        spoken = f"{error!r} {error.public} {error.detail} {error.hint} {error.challenge}"
        assert "canary" not in spoken.lower()
        assert signature("POST", "/v1/customers", f"{DATE};api.example.com;{digest(BODY)}") not in spoken


@given(body=st.binary(max_size=100), target=st.text("abc/?=&%20", max_size=20), port=st.integers(1, 65535))
def test_what_is_signed_here_is_accepted_here(body: bytes, target: str, port: int) -> None:
    """The client side of the command line and the server agree."""
    request = sent({}, body=body, target=f"/{target}".encode(), port=port)
    added = hmac_sha256.signed("k", KEY, request, NOW)
    signed = msgspec.structs.replace(request, header={name.lower(): text for name, text in added.items()}.get)
    assert verdict(added["Authorization"], signed, KEY) == KEY
