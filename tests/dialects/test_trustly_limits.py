"""The input gate as Trustly's clients see it: T23, T24, T25, and every limit of the design's table."""

import json
import time
from collections.abc import Iterator

import pytest

from merchant import (
    CUSTOMERS,
    Json,
    Merchant,
    check_answer,
    faults,
    fresh_external_id,
    missing,
    person,
    refused,
)
from serving import Answer, Connection, Headers, Tenancy

BODY_MAX = 64 * 1024


@pytest.fixture
def line(tenancy: Tenancy) -> Iterator[Connection]:
    """One open connection."""
    with tenancy.server.connect() as connection:
        yield connection


def newest(merchant: Merchant) -> list[Json]:
    """Return the merchant's newest customer: what a refused create must not replace."""
    return merchant.list("count=1")


# ── T23, T24 ──


@pytest.mark.statement("T23")
@pytest.mark.parametrize(
    "name",
    ["lookup", "Lookup", "0", "1", "-1", "x" * 300, "%00", "%FF", "%E2%80%AE", "..%2F..", "1%2F2", "'"],
)
def test_what_is_no_id_is_an_unknown_one(merchant: Merchant, name: str) -> None:
    """``/customers/lookup`` is no call of its own: 404 in the envelope, for both methods."""
    missing(merchant.get(f"{CUSTOMERS}/{name}"))
    missing(merchant.post({"vip": "1"}, f"{CUSTOMERS}/{name}"))


BAD_BODIES = {
    "empty": b"",
    "blank": b" \n",
    "cut off": b'{"name": "x"',
    "goes on": b'{"name": "x"}{}',
    "no JSON": b"name=x&email=y",
    "array": b"[]",
    "text": b'"{}"',
    "number": b"1",
    "null": b"null",
    "trailing comma": b'{"name": "x",}',
    "single quotes": b"{'name': 'x'}",
    "comment": b'{"name": "x" /* y */}',
    "leading zero": b'{"enrollDate": 01}',
    "hexadecimal": b'{"enrollDate": 0x1}',
    "plus": b'{"enrollDate": +1}',
    "raw control": b'{"name": "a\nb"}',
    "byte order mark": b'\xef\xbb\xbf{"name": "x"}',
    "latin-1": '{"name": "é"}'.encode("latin-1"),
    "UTF-16": '{"name": "x"}'.encode("utf-16"),
    "overlong UTF-8": b'{"name": "\xc0\xaf"}',
    "UTF-8 surrogate": b'{"name": "\xed\xa0\x80"}',
    "U+0000": b'{"name": "a\\u0000b"}',
    "U+0000 in a key": b'{"a\\u0000b": 1}',
    "lone high surrogate": b'{"name": "\\ud800"}',
    "lone low surrogate": b'{"name": "x\\udfff"}',
    "surrogates swapped": b'{"name": "\\udc00\\ud800"}',
    "lone surrogate in a key": b'{"customData": {"\\udabc": 1}}',
    "NaN": b'{"enrollDate": NaN}',
    "infinity": b'{"enrollDate": -Infinity}',
    "overflow": b'{"enrollDate": 1e400}',
    "65 bits": b'{"enrollDate": 9223372036854775808}',
    "many digits": b'{"enrollDate": ' + b"9" * 60_000 + b"}",
    "duplicate member": b'{"name": "x", "name": "x"}',
    "duplicate in address": b'{"address": {"country": "US", "country": "CA"}}',
    "duplicate by escape": b'{"name": "x", "n\\u0061me": "y"}',
    "duplicate of an unknown member": b'{"zzz": 1, "zzz": 2}',
    "33 levels": b'{"x": ' + b"[" * 32 + b"]" * 32 + b"}",
    "30,000 levels": b'{"x": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "2,001 values": b'{"x": [' + b",".join([b"0"] * 1999) + b"]}",
    "257 members": json.dumps({f"m{n}": 0 for n in range(257)}).encode(),
    "257 members inside": json.dumps({"customData": {f"m{n}": 0 for n in range(257)}}).encode(),
}


@pytest.mark.statement("T24")
@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES)
def test_what_is_no_json_object_within_the_limits_is_400(merchant: Merchant, body: bytes) -> None:
    """Code 200 at ``body``, by both calls, and nothing is stored."""
    customer = merchant.create()
    before = newest(merchant)
    refused(merchant.post(body), "body")
    refused(merchant.post(body, f"{CUSTOMERS}/{customer['customerId']}"), "body")
    assert newest(merchant) == before
    assert merchant.fetch(customer["customerId"]) == customer


@pytest.mark.statement("T24", "T25")
def test_a_post_without_a_body_is_400(merchant: Merchant) -> None:
    """Not an empty object."""
    refused(merchant.send("POST", CUSTOMERS), "body")


@pytest.mark.statement("T24")
@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", "text/plain", "application/xml", "nonsense", ""],
)
def test_a_body_that_parses_is_taken_whatever_its_content_type(merchant: Merchant, content_type: str) -> None:
    """Only what does not parse is refused; not every client sets the header."""
    headers = [("Content-Type", content_type)]
    answer = merchant.post(person(), headers=headers)
    assert answer.status == 200
    refused(merchant.post(b"name=x", headers=headers), "body")


LARGEST_BODIES = {
    "32 levels": b'{"x": ' + b"[" * 31 + b"]" * 31 + b"}",
    "2,000 values": b'{"x": [' + b",".join([b"0"] * 1998) + b"]}",
    "256 members": json.dumps({f"m{n}": 0 for n in range(256)}).encode(),
    "a pair of surrogates": b'{"x": "\\ud83d\\ude00"}',
    "blanks around": b' \t\r\n{"x": 1} \t\r\n',
    "64 KiB": b'{"x": 1}' + b" " * (BODY_MAX - 8),
}


@pytest.mark.statement("T24")
@pytest.mark.parametrize("body", LARGEST_BODIES.values(), ids=LARGEST_BODIES)
def test_what_is_just_within_the_limits_is_taken(merchant: Merchant, body: bytes) -> None:
    """The limits are where the table says."""
    customer = merchant.create()
    assert merchant.post(body, f"{CUSTOMERS}/{customer['customerId']}").status == 200


# ── the size and the time of a body ──


@pytest.mark.statement("T24", "T25")
@pytest.mark.parametrize("extra", [1, 1_000_000])
def test_a_body_over_64_kib_is_413(merchant: Merchant, extra: int) -> None:
    """In the envelope, at ``body``; also when its length is not announced."""
    body = b'{"x": 1}' + b" " * (BODY_MAX - 8 + extra)
    refused(merchant.post(body), "body", status=413)
    if extra == 1:
        chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        refused(merchant.post(chunked, headers=[("Transfer-Encoding", "chunked")]), "body", status=413)


@pytest.mark.statement("T24")
def test_a_chunked_body_is_a_body(merchant: Merchant) -> None:
    """Some clients do not announce the length."""
    body = json.dumps(person()).encode()
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:7], body[7:])) + b"0\r\n\r\n"
    assert merchant.post(chunks, headers=[("Transfer-Encoding", "chunked")]).status == 200


@pytest.mark.statement("T24", "T25")
def test_a_body_that_does_not_come_is_408_after_ten_seconds(merchant: Merchant, line: Connection) -> None:
    """A slow client holds a connection no longer, and gets the envelope."""
    credentials = f"Authorization: {merchant.authorization}"
    head = f"POST {CUSTOMERS} HTTP/1.1\r\nHost: x\r\n{credentials}\r\nContent-Length: 9\r\n\r\n"
    started = time.monotonic()
    line.send_bytes(head.encode() + b'{"x"')
    answer = line.answer()
    assert 9.0 < time.monotonic() - started < 15.0
    check_answer(answer)
    refused(answer, "body", status=408)


@pytest.mark.statement("T24")
@pytest.mark.parametrize("encoding", ["gzip", "identity", "br", ""])
def test_a_content_encoding_is_400(merchant: Merchant, encoding: str) -> None:
    """A compressed body would have to be bounded twice; this room has no 415."""
    refused(merchant.post(person(), headers=[("Content-Encoding", encoding)]), "header")


# ── the head ──


@pytest.mark.statement("T25")
@pytest.mark.parametrize("name", ["Authorization", "Host"])
def test_a_header_that_must_stand_once(merchant: Merchant, line: Connection, name: str) -> None:
    """Two of them are 400, equal or not: a proxy in front may have believed the other one."""
    value = {"Authorization": merchant.authorization or "", "Host": "localhost"}[name]
    for other in (value, "Basic eDp5" if name == "Authorization" else "elsewhere"):
        headers = [(name, value), (name, other)]
        if name == "Host":
            headers.insert(0, ("Authorization", merchant.authorization or ""))
        answer = line.send("GET", CUSTOMERS, headers)
        check_answer(answer)
        refused(answer, "header")


@pytest.mark.parametrize(
    "headers",
    [
        [("Content-Length", "2"), ("Content-Length", "2")],
        [("Content-Length", "2"), ("Content-Length", "3")],
        [("Content-Length", "2"), ("Transfer-Encoding", "chunked")],
        [("Content-Length", "2, 2")],
        [("Content-Length", "+2")],
        [("Content-Length", "-2")],
        [("Content-Length", "0x2")],
        [("Content-Length", "９")],
        [("Content-Length", "9" * 40)],
    ],
)
def test_a_doubtful_length_is_refused(merchant: Merchant, line: Connection, headers: Headers) -> None:
    """Two lengths, a length beside chunks, or no number: 400 before any room, and the connection ends.

    Where a message ends is not known, so nothing after it may be taken for a request.
    """
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    head = f"POST {CUSTOMERS} HTTP/1.1\r\nHost: x\r\nAuthorization: {merchant.authorization}\r\n{lines}\r\n"
    line.send_bytes(head.encode() + b"{}")
    answer = line.answer()
    assert answer.status in (400, 413)
    assert answer.header("Connection") == "close"


def get_of(merchant: Merchant, length: int) -> Answer:
    target = f"{CUSTOMERS}?unknown="
    return merchant.get(target + "x" * (length - len(target)))


@pytest.mark.statement("T25")
def test_a_request_line_has_4_kib(merchant: Merchant) -> None:
    """A target within it is taken, a longer one is 400."""
    assert get_of(merchant, 4000).status == 200
    refused(get_of(merchant, 4097), "header")
    refused(get_of(merchant, 20_000), "header")


@pytest.mark.statement("T25")
def test_a_header_has_4_kib_and_all_have_16(merchant: Merchant) -> None:
    """Within: taken. One over, or too many within: 400."""
    assert merchant.get(headers=[("X-Long", "x" * 4000)]).status == 200
    refused(merchant.get(headers=[("X-Long", "x" * 4097)]), "header")
    refused(merchant.get(headers=[("X" * 4097, "x")]), "header")
    refused(merchant.get(headers=[(f"X-{n}", "x" * 4000) for n in range(5)]), "header")
    refused(merchant.get(headers=[(f"X-{n:04}", "x" * 10) for n in range(1100)]), "header")


@pytest.mark.statement("T1", "T25")
def test_a_long_authorization_is_refused(merchant: Merchant) -> None:
    """Without being looked at."""
    refused(Merchant(merchant.server, authorization="Basic " + "A" * 5000).get(), "header")


# ── texts ──

_LENGTHS = {
    "name": 256,
    "email": 254,
    "phone": 32,
    "externalId": 128,
    "taxId": 256,
    "dateOfBirth": 256,
    "vip": 256,
    "currency": 256,
    "balance": 256,
    "organizationNumber": 256,
    "externalTier": 256,
    "personId": 256,
    "nationalId": 256,
    "address.address1": 200,
    "address.address2": 200,
    "address.city": 100,
    "address.state": 100,
    "address.zip": 16,
    "driverLicense.number": 256,
    "driverLicense.state": 256,
}


def with_text(path: str, text: str) -> Json:
    """Return a body in which the member at this path is this text."""
    outer, _, inner = path.partition(".")
    if outer == "address":
        return person(address={"country": "US", inner: text})
    if outer == "driverLicense":
        return person(driverLicense={"number": "1", "state": "CA"} | {inner: text})
    return person(**{outer: text})


@pytest.mark.statement("T11")
@pytest.mark.parametrize(("path", "length"), _LENGTHS.items())
def test_the_longest_text(merchant: Merchant, path: str, length: int) -> None:
    """In characters, not bytes; one more is 400 at the member's location."""
    stem = fresh_external_id() if path == "externalId" else ""
    longest = stem + "漢" * (length - len(stem))
    created = merchant.saved(with_text(path, longest))
    outer, _, inner = path.partition(".")
    shown = created[outer][inner] if inner else created[outer]
    assert shown == (longest if path != "taxId" else "#" * 252 + longest[-4:])
    refused(merchant.post(with_text(path, longest + "漢")), f"customer.{path}")


NOT_IN_NAMES = [
    "\x01",
    "\t",
    "\n",
    "\r",
    "\x1f",
    "\x7f",
    "\x80",
    "\x85",
    "\x9f",
    "\u202a",
    "\u202e",
    "\u2066",
    "\u2069",
]


@pytest.mark.statement("T11")
@pytest.mark.parametrize("character", NOT_IN_NAMES)
def test_controls_and_reordering_characters_are_not_in_names_or_addresses(
    merchant: Merchant, character: str
) -> None:
    """They would let a text look like another; 400 at the member's location."""
    text = f"12345{character}67890"
    body = person(
        name=text,
        address=dict.fromkeys(("address1", "address2", "city", "state", "zip", "country"), text),
    )
    refused(
        merchant.post(body),
        "customer.name",
        *(f"customer.address.{name}" for name in ("address1", "address2", "city", "state", "zip", "country")),
    )


@pytest.mark.statement("T11", "T8")
@pytest.mark.parametrize(
    "name",
    [
        "O'Brien",
        "Zoë",
        "李小龍",
        "محمد",
        "न्यायाधीश",
        "👩‍👩‍👧",
        "a\u200db",
        "e\u0301",
        "<b>",
        "x; --",
        "  x  ",
        "\u00a0",
    ],
)
def test_names_of_all_scripts_come_back_unchanged(merchant: Merchant, name: str) -> None:
    """No normalization, no trimming, no quoting."""
    created = merchant.create(name=name, address={"country": "US", "city": name * 2})
    assert (created["name"], created["address"]["city"]) == (name, name * 2)


# ── what was sent is nowhere ──

CANARY = "canary7391"


@pytest.mark.statement("T24", "T1")
def test_no_refusal_says_what_was_sent(merchant: Merchant, tenancy: Tenancy) -> None:
    """Fields are named, values and unknown member names are not: neither in the answer nor in the log."""
    long = CANARY * 40
    answers = [
        merchant.post({name: [CANARY] for name in _LENGTHS} | {CANARY: CANARY}),
        merchant.post(person(**{name: long for name in _LENGTHS if "." not in name})),
        merchant.post(person(taxId="#" + CANARY)),
        merchant.post(f'{{"{CANARY}": 1, "{CANARY}": 2}}'.encode()),
        merchant.post(f'{{"{CANARY}'.encode()),
        merchant.get(f"{CUSTOMERS}/{CANARY}"),
        merchant.get(f"/api/v1/{CANARY}"),
        merchant.get(f"{CUSTOMERS}?count={CANARY}"),
        merchant.get(f"{CUSTOMERS}?externalId={CANARY}&externalId={CANARY}"),
        merchant.get(f"{CUSTOMERS}?externalId={long}"),
        merchant.send("DELETE", f"{CUSTOMERS}?{CANARY}"),
        merchant.post(person(), headers=[("Idempotency-Key", CANARY + " x")]),
        merchant.get(headers=[("X-" + CANARY, "x" * 5000)]),
        Merchant(merchant.server, authorization=f"Basic {CANARY}").get(),
        Merchant(merchant.server, authorization=f"{CANARY} x").get(f"{CUSTOMERS}/{CANARY}"),
    ]
    for answer in answers:
        assert faults(answer, answer.status) if answer.status != 200 else answer.json == {"customers": []}
        assert CANARY.encode() not in answer.body.lower()
        assert CANARY not in str(answer.headers).lower()
    assert CANARY not in tenancy.server.log.lower()
