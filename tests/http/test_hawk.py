"""Hawk is verified as the contract says: vectors first, then against a client nobody here wrote."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mohawk  # type: ignore[import-untyped]  # the package has no types
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mohawk.util import calculate_ts_mac  # type: ignore[import-untyped]  # as above

from customary.domain.errors import Unauthenticated
from customary.http import schemes
from customary.http.schemes import SignedRequest, hawk

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "hawk-vectors.json").read_text("utf-8"))
HAWK = [pytest.param(vector, id=vector["name"]) for vector in VECTORS["hawk"]]
NOW = 1761043200.0
KEY = b"sk_live_abc123xyz"
ATTRIBUTE_TEXT = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=40)


def no_headers(_: str) -> str | None:
    """Hawk looks at no header."""


def sent(
    method: str = "GET",
    target: bytes = b"/v1/customers/3kTp9j2mN5xR",
    body: bytes = b"",
    content_type: str = "",
) -> SignedRequest:
    return SignedRequest(method, target, "api.example.com", 443, body, content_type, no_headers)


def request_of(vector: dict[str, Any]) -> SignedRequest:
    return SignedRequest(
        vector["method"],
        vector["target"].encode(),
        vector["host"],
        vector["port"],
        vector.get("body", "").encode(),
        vector.get("content_type", ""),
        no_headers,
    )


def authorization_of(vector: dict[str, Any]) -> str:
    names = ("ts", "nonce", "hash", "ext", "mac")
    attributes = [f'id="{vector.get("id", "dh37fgj492je")}"']
    return "Hawk " + ", ".join(attributes + [f'{name}="{vector[name]}"' for name in names if name in vector])


def verdict(value: str, request: SignedRequest, *secrets: bytes, now: float = NOW) -> bytes:
    return hawk.verified(hawk.parsed(value), secrets, request, now)


def refusal(value: str, request: SignedRequest, *secrets: bytes, now: float = NOW) -> Unauthenticated:
    with pytest.raises(Unauthenticated) as caught:
        verdict(value, request, *secrets, now=now)
    return caught.value


@pytest.mark.parametrize("vector", HAWK)
def test_every_vector_is_accepted(vector: dict[str, Any]) -> None:
    """S1, S4: with or without a hash, on any method."""
    key = vector["key"].encode()
    assert verdict(authorization_of(vector), request_of(vector), key, now=float(vector["ts"])) == key


@pytest.mark.parametrize("vector", HAWK)
def test_our_own_signature_is_that_of_the_vector(vector: dict[str, Any]) -> None:
    """S4: the client side makes what the server side accepts, byte for byte."""
    header = hawk.parsed(authorization_of(vector))
    ours = hawk.signed(
        header.id,
        vector["key"].encode(),
        request_of(vector),
        header.ts,
        header.nonce,
        hashed="hash" in vector,
        ext=header.ext,
    )
    assert hawk.parsed(ours) == header


def flips(vector: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    changed = {
        "method": "PUT" if vector["method"] != "PUT" else "POST",
        "target": vector["target"] + "?",
        "host": "x" + vector["host"],
        "port": vector["port"] + 1,
        "key": vector["key"] + "x",
        "ts": str(int(vector["ts"]) + 1),
        "nonce": vector["nonce"].swapcase(),
        "ext": vector.get("ext", "") + "x",
        "hash": "A" + vector.get("hash", "")[1:],
        "mac": vector["mac"].swapcase(),
    }
    if "hash" in vector:
        changed |= {"body": vector.get("body", "") + " ", "content_type": "text/html"}
    for name, value in changed.items():
        yield name, vector | {name: value}


FLIPS = [
    pytest.param(changed, id=f"{vector['name']}: {name}")
    for vector in VECTORS["hawk"]
    for name, changed in flips(vector)
]


@pytest.mark.parametrize("vector", FLIPS)
def test_a_vector_with_one_component_changed_is_refused(vector: dict[str, Any]) -> None:
    """S2, S3: every component of the request that is signed is bound, and the hash on any method."""
    error = refusal(
        authorization_of(vector), request_of(vector), vector["key"].encode(), now=float(vector["ts"])
    )
    assert error.challenge == ""


@pytest.mark.parametrize("vector", [p for p in HAWK if "hash" not in VECTORS["hawk"][HAWK.index(p)]])
def test_without_a_hash_the_body_and_its_type_are_not_judged(vector: dict[str, Any]) -> None:
    """S1: the vendor's plugin sends a Content-Type on GET and no hash."""
    other = vector | {"body": "{}", "content_type": "text/html"}
    assert verdict(
        authorization_of(other), request_of(other), vector["key"].encode(), now=float(vector["ts"])
    )


def test_a_removed_hash_is_not_an_absent_one() -> None:
    """S2: the MAC covers the hash, so nobody can take it off to change the body."""
    vector = dict(next(v for v in VECTORS["hawk"] if v["name"] == "POST with hash"))
    del vector["hash"]
    refusal(authorization_of(vector), request_of(vector), KEY)


@pytest.mark.parametrize(("key", "ts", "tsm"), [tuple(v.values()) for v in VECTORS["tsm"]])
def test_a_stale_request_learns_the_time(key: str, ts: str, tsm: str) -> None:
    """S5: over 60 seconds either way, the challenge carries the server's time and its MAC."""
    request = sent()
    for skew in (-61, 61):
        value = hawk.signed("k", key.encode(), request, int(ts) + skew, "n")
        error = refusal(value, request, key.encode(), now=float(ts))
        assert error.challenge == f'Hawk ts="{ts}", tsm="{tsm}", error="Stale timestamp"'
    assert calculate_ts_mac(ts, {"key": key, "algorithm": "sha256"}).decode() == tsm


def test_the_challenge_is_made_with_the_secret_that_matched() -> None:
    """S5: during a rotation the client must be able to verify it with the secret it has."""
    request = sent()
    value = hawk.signed("k", KEY, request, 1, "n")
    assert refusal(value, request, b"newer", KEY).challenge == refusal(value, request, KEY).challenge


@pytest.mark.parametrize(
    ("now", "passes"), [(60.0, True), (60.999, True), (61.0, False), (-60.0, True), (-60.001, False)]
)
def test_sixty_seconds_of_skew_are_the_last_that_pass(now: float, passes: bool) -> None:
    """S5: |now - ts| may be 60 seconds and not more, in whole seconds, as clients count them."""
    request = sent()
    value = hawk.signed("k", KEY, request, int(NOW), "n")
    if passes:
        assert verdict(value, request, KEY, now=NOW + now) == KEY
    else:
        assert refusal(value, request, KEY, now=NOW + now).challenge


def test_the_time_is_told_only_to_the_holder_of_a_secret() -> None:
    """S5, S7: the MAC is judged before the clock, and the clock before the hash."""
    request = sent("POST", b"/", b"{}", "application/json")
    stale = hawk.signed("k", KEY, request, 1, "n", hashed=True)
    assert refusal(stale, request, b"other").challenge == ""
    assert refusal(stale, request).challenge == ""
    assert refusal(stale, msgspec.structs.replace(request, body=b"[]"), KEY).challenge != ""


def test_either_live_secret_passes_and_is_named() -> None:
    """Two secrets live during a rotation; the caller learns which was used."""
    request = sent()
    for key in (b"old", b"new"):
        value = hawk.signed("k", key, request, int(NOW), "n")
        assert verdict(value, request, b"old", b"new") == key


def test_an_unknown_id_is_refused_like_a_wrong_mac(monkeypatch: pytest.MonkeyPatch) -> None:
    """S7: the same class, text and challenge, for the same number of MACs."""
    macs: list[bytes] = []
    real: Callable[[bytes, bytes], bytes] = schemes.mac_text

    def counted(secret: bytes, message: bytes) -> bytes:
        macs.append(message)
        return real(secret, message)

    request = sent()
    value = hawk.signed("k", KEY, request, int(NOW), "n")
    monkeypatch.setattr(schemes, "mac_text", counted)
    answers = set()
    for secrets in ((), (b"a",), (b"a", b"b")):
        macs.clear()
        error = refusal(value, request, *secrets)
        answers.add((type(error), error.public, error.hint, error.challenge, len(macs)))
    assert len(answers) == 1


def test_nobodys_secret_opens_nothing() -> None:
    """The stand-in for an unknown key is in the source for all to read, so it must never match."""
    request = sent()
    nobody = schemes._NOBODYS_SECRET
    refusal(hawk.signed("k", nobody, request, int(NOW), "n"), request)
    refusal(hawk.signed("k", nobody, request, int(NOW), "n"), request, KEY)


@pytest.mark.parametrize(
    "value",
    [
        'Hawk id="{id}", ts="{ts}", nonce="{nonce}", mac="{mac}"',
        'Hawk mac="{mac}",nonce="{nonce}",ts="{ts}",id="{id}"',
        'hawk   id = "{id}" ,  ts= "{ts}"\t,nonce ="{nonce}" , mac="{mac}"  ',
        'HAWK id="{id}", ts="{ts}", nonce="{nonce}", ext="", mac="{mac}"',
        'Hawk id="{id}", ts="{ts}", nonce="{nonce}", app="", dlg="", mac="{mac}",',
    ],
)
def test_blanks_order_and_an_empty_ext_are_tolerated(value: str) -> None:
    """S8: real clients differ, and all must pass."""
    vector = VECTORS["hawk"][0]
    assert verdict(value.format(**vector), request_of(vector), KEY) == KEY


def test_another_spelling_of_ts_is_the_same_use_of_the_nonce() -> None:
    """S6: otherwise a leading zero would turn a replay into a new request."""
    request = sent()
    value = hawk.signed("k", KEY, request, 1761043200, "n")
    assert hawk.parsed(value.replace('ts="', 'ts="00')) == hawk.parsed(value)


def test_host_and_media_type_are_compared_as_the_scheme_says() -> None:
    """The host in lower case; the media type in lower case and without its parameters."""
    vector = next(v for v in VECTORS["hawk"] if v["name"] == "POST with hash")
    other = vector | {"host": vector["host"].upper(), "content_type": " Application/JSON ; charset=utf-8"}
    assert verdict(authorization_of(other), request_of(other), KEY) == KEY


def test_ext_is_escaped_in_the_signed_string() -> None:
    r"""``\`` counts as ``\\``; npm hawk writes it, and the quotation mark, as quoted pairs in the header."""
    value = hawk.signed("k", KEY, sent(), int(NOW), "n", ext='a\\b"c')
    assert r'ext="a\\b\"c"' in value
    assert hawk.parsed(value).ext == 'a\\b"c'
    lines = [
        "hawk.1.header",
        str(int(NOW)),
        "n",
        "GET",
        "/v1/customers/3kTp9j2mN5xR",
        "api.example.com",
        "443",
    ]
    text = "\n".join([*lines, "", 'a\\\\b"c', ""])
    assert hawk.parsed(value).mac == schemes.mac_text(KEY, text.encode()).decode()


@pytest.mark.parametrize("vector", VECTORS["server_authorization"])
def test_the_answer_is_signed_as_in_the_vector(vector: dict[str, Any]) -> None:
    """S10: Server-Authorization, bound to the request's own ts and nonce."""
    header = hawk.HawkHeader(vector["id"], int(vector["ts"]), vector["nonce"], "")
    value = hawk.server_authorization(
        vector["key"].encode(),
        header,
        request_of(vector),
        vector["response_body"].encode(),
        vector["response_type"],
    )
    assert value == f'Hawk mac="{vector["mac"]}", hash="{vector["hash"]}"'


def test_no_refusal_repeats_what_was_sent_or_computed() -> None:
    """S7: neither the MAC that would have been right nor any value of the caller, wherever one looks."""
    request = sent("POST", b"/v1/canarytarget", b"canarybody", "text/canarytype")
    good = hawk.signed("canaryid", KEY, request, int(NOW), "canarynonce", hashed=True, ext="canaryext")
    header = hawk.parsed(good)
    spoken = []
    for value, secrets, when in [
        (good, (b"canarysecret",), NOW),
        (good, (), NOW),
        (good, (KEY,), NOW + 100),
        (good.replace(header.hash, "canaryhash"), (KEY,), NOW),
        (good + ', canary="1"', (KEY,), NOW),
        (good.replace('ts="', 'ts="canary'), (KEY,), NOW),
    ]:
        error = refusal(value, request, *secrets, now=when)
        spoken.append(f"{error!r} {error} {error.public} {error.detail} {error.hint} {error.challenge}")
        assert error.__context__ is None
    assert "canary" not in " ".join(spoken)
    assert header.mac not in " ".join(spoken)
    assert header.hash not in " ".join(spoken)


# The oracle: an independent client and server.


def credentials(key: str) -> dict[str, str]:
    return {"id": "dh37fgj492je", "key": key, "algorithm": "sha256"}


@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    path=st.text("abcXYZ019%-_.~/", max_size=20),
    query=st.text("abc=&%20+", max_size=20),
    port=st.sampled_from([80, 443, 8080]),
    body=st.binary(max_size=200),
    content_type=st.sampled_from(["", "application/json", "Text/Plain; charset=utf-8"]),
    ext=st.none() | st.text("abc 019-+/=", min_size=1),
    app=st.none() | st.just("an-app"),
    hashed=st.booleans(),
)
def test_what_mohawk_signs_is_accepted_and_mohawk_accepts_the_answer(
    method: str,
    path: str,
    query: str,
    port: int,
    body: bytes,
    content_type: str,
    ext: str | None,
    app: str | None,
    hashed: bool,
) -> None:
    """S1, S2, S10: a client nobody here wrote agrees in both directions, and with our signature too."""
    target = f"/{path.lstrip('/')}" + (f"?{query}" if query else "")
    url = f"{'https' if port == 443 else 'http'}://API.example.com:{port}{target}"
    content = {"content": body, "content_type": content_type} if hashed else {"always_hash_content": False}
    sender = mohawk.Sender(
        credentials("a key"), url, method, ext=ext, app=app, _timestamp=int(NOW), nonce="abc", **content
    )
    request = SignedRequest(method, target.encode(), "api.example.com", port, body, content_type, no_headers)
    header = hawk.parsed(sender.request_header)
    assert hawk.verified(header, [b"a key"], request, NOW) == b"a key"

    answer = hawk.server_authorization(
        b"a key", header, request, b'{"id":1}', "application/json; charset=utf-8"
    )
    sender.accept_response(
        answer, content=b'{"id":1}', content_type="application/json", timestamp_skew_in_seconds=10**10
    )

    ours = hawk.signed(
        "dh37fgj492je", b"a key", request, int(NOW), "abc", hashed=hashed, ext=ext or "", app=app or ""
    )
    mohawk.Receiver(
        lambda _: credentials("a key"),
        ours,
        url,
        method,
        content=body,
        content_type=content_type,
        accept_untrusted_content=not hashed,
        timestamp_skew_in_seconds=10**10,
    )


def test_mohawk_refuses_an_answer_that_was_changed() -> None:
    """S10: shows that the acceptance above can fail."""
    sender = mohawk.Sender(
        credentials("a key"),
        "https://api.example.com/",
        "GET",
        always_hash_content=False,
        _timestamp=int(NOW),
    )
    header = hawk.parsed(sender.request_header)
    answer = hawk.server_authorization(b"a key", header, sent(target=b"/"), b"{}", "application/json")
    with pytest.raises(mohawk.exc.HawkFail):
        sender.accept_response(
            answer, content=b"[]", content_type="application/json", timestamp_skew_in_seconds=10**10
        )


@given(
    key_id=ATTRIBUTE_TEXT,
    nonce=ATTRIBUTE_TEXT,
    ext=ATTRIBUTE_TEXT,
    app=ATTRIBUTE_TEXT,
    key=st.binary(min_size=1),
)
def test_what_is_signed_here_is_accepted_here(
    key_id: str, nonce: str, ext: str, app: str, key: bytes
) -> None:
    """Whatever printable text the attributes hold, quotation marks and backslashes included."""
    request = sent("POST", b"/", b"{}", "application/json")
    value = hawk.signed(key_id, key, request, int(NOW), nonce, hashed=True, ext=ext, app=app, dlg="d")
    header = hawk.parsed(value)
    assert (header.id, header.nonce, header.ext, header.app, header.dlg) == (key_id, nonce, ext, app, "d")
    assert hawk.verified(header, [key], request, NOW) == key
