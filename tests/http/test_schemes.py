"""Authorization headers are told apart by their scheme and then read strictly, whatever they hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customary.domain.errors import Unauthenticated
from customary.http.schemes import SignedRequest, hawk, hmac_sha256, scheme_of

KEY = b"sk_live_abc123xyz"
# Lone surrogates included, which no header can bring and no encoder takes.
LETTERS = st.text(st.characters())
PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("value", "scheme"),
    [
        ('Hawk id="k"', "hawk"),
        ("hAWK", "hawk"),
        ("HMAC-SHA256 Credential=k", "hmac-sha256"),
        ("hmac-sha256 x", "hmac-sha256"),
        ("Basic eA==", "basic"),
        ("BASIC eA==", "basic"),
        ("Bearer x", "unknown"),
        ("HawkX", "unknown"),
        ("", "unknown"),
        (" Hawk", "unknown"),
        ("Haw\N{KELVIN SIGN} x", "unknown"),
    ],
)
def test_the_scheme_token_alone_decides_the_presentation(value: str, scheme: str) -> None:
    """Dispatch comes first, in any case of ASCII letters, and looks no further."""
    assert scheme_of(value) == scheme


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Hawk",
        "Hawk ",
        "Hawk,",
        'Basic id="k", ts="1", nonce="n", mac="m"',
        'Hawkid="k", ts="1", nonce="n", mac="m"',
        'Hawk id="k", ts="1", nonce="n"',
        'Hawk id="k", ts="1", mac="m"',
        'Hawk id="k", nonce="n", mac="m"',
        'Hawk ts="1", nonce="n", mac="m"',
        'Hawk id="", ts="1", nonce="n", mac="m"',
        'Hawk id="k", ts="1", nonce="", mac="m"',
        'Hawk id="k", ts="1", nonce="n", mac=""',
        'Hawk id="k", ts="1", nonce="n", mac="m", hash=""',
        'Hawk id="k", ts="1", nonce="n", mac="m", tsm="x"',
        'Hawk id="k", ts="1", nonce="n", mac="m", ID="x"',
        'Hawk id="k", ts="1", nonce="n", mac="m", id="k"',
        'Hawk id="k", ts="1", nonce="n", mac="m", ext="", ext=""',
        'Hawk id="k", ts="1", nonce="n", mac="m", dlg="d"',
        'Hawk id="k" ts="1" nonce="n" mac="m"',
        'Hawk id="k", ts="1", nonce="n", mac="m" x',
        'Hawk id="k", ts="1", nonce="n", mac="m',
        'Hawk id="k", , ts="1", nonce="n", mac="m"',
        "Hawk id=k, ts=1, nonce=n, mac=m",
        'Hawk id="k", ts="", nonce="n", mac="m"',
        'Hawk id="k", ts="-1", nonce="n", mac="m"',
        'Hawk id="k", ts="+1", nonce="n", mac="m"',
        'Hawk id="k", ts=" 1", nonce="n", mac="m"',
        'Hawk id="k", ts="1.0", nonce="n", mac="m"',
        'Hawk id="k", ts="1e9", nonce="n", mac="m"',
        'Hawk id="k", ts="1_0", nonce="n", mac="m"',
        'Hawk id="k", ts="１７６１０４３２００", nonce="n", mac="m"',
        'Hawk id="k", ts="' + "1" * 5000 + '", nonce="n", mac="m"',
        'Hawk id="k", ts="' + "1" * 16 + '", nonce="n", mac="m"',
        'Hawk id="k", ts="1", nonce="n\n", mac="m"',
        'Hawk id="k", ts="1", nonce="é", mac="m"',
        'Hawk id="k", ts="1", nonce="n\\x", mac="m"',
        'Hawk id="k", ts="1", nonce="n", mac="m", ext="' + "x" * 4096 + '"',
    ],
)
def test_what_is_no_hawk_header_is_refused(value: str) -> None:
    """S8 and the order of checks: bounded, only known attributes, none twice, ts in ASCII digits."""
    with pytest.raises(Unauthenticated):
        hawk.parsed(value)


def test_four_kib_of_header_are_read_and_not_more() -> None:
    """The limit is on the whole header, and the last length within it passes."""
    opening = 'Hawk id="k", ts="1", nonce="n", mac="m", ext="'
    room = 4096 - len(opening) - 1
    assert len(hawk.parsed(f'{opening}{"x" * room}"').ext) == room
    with pytest.raises(Unauthenticated):
        hawk.parsed(f'{opening}{"x" * (room + 1)}"')


@pytest.mark.parametrize(
    "value",
    [
        "",
        "HMAC-SHA256",
        "HMAC-SHA256 ",
        "Hawk Credential=k&Signature=c2ln",
        "HMAC-SHA256Credential=k&Signature=c2ln",
        "HMAC-SHA256 Credential=k",
        "HMAC-SHA256 Credential=k&Signature=",
        "HMAC-SHA256 Credential=&Signature=c2ln",
        "HMAC-SHA256 Credential=k&SignedHeaders=&Signature=c2ln",
        "HMAC-SHA256 Credential=k&Credential=k&Signature=c2ln",
        "HMAC-SHA256 Credential=k&Signature=c2ln&Extra=1",
        "HMAC-SHA256 credential=k&signature=c2ln",
        "HMAC-SHA256 Credential=k Signature=c2ln",
        "HMAC-SHA256 Credential=k&&Signature=c2ln",
        'HMAC-SHA256 Credential="k x"&Signature=c2ln',
        "HMAC-SHA256 Credential=é&Signature=c2ln",
        "HMAC-SHA256 Credential=k&Signature=c2ln\n",
        "HMAC-SHA256 Credential=k&SignedHeaders=host;;date&Signature=c2ln",
        "HMAC-SHA256 Credential=k&SignedHeaders=host;HOST&Signature=c2ln",
        "HMAC-SHA256 Credential=k&SignedHeaders=ho:st&Signature=c2ln",
        "HMAC-SHA256 Credential=k&SignedHeaders=" + ";".join(map(str, range(33))) + "&Signature=c2ln",
        "HMAC-SHA256 Credential=" + "k" * 4096 + "&Signature=c2ln",
    ],
)
def test_what_is_no_such_header_is_refused(value: str) -> None:
    """S8, S9: bounded, only known parts, none twice."""
    with pytest.raises(Unauthenticated):
        hmac_sha256.parsed(value)


HAWK_PIECES = [
    "id",
    "ts",
    "nonce",
    "mac",
    "hash",
    "ext",
    "app",
    "dlg",
    "=",
    '"',
    ",",
    " ",
    "\\",
    "1",
    "é",
    "\n",
]
HAWK_HEADERS = st.one_of(
    LETTERS,
    LETTERS.map("Hawk ".__add__),
    st.lists(st.sampled_from(HAWK_PIECES), max_size=60).map("".join).map("Hawk ".__add__),
    st.builds('Hawk id="{}", ts="{}", nonce="{}", mac="{}"'.format, *[LETTERS | PRINTABLE] * 4),
    st.builds('Hawk id="k", ts="{}", nonce="n", mac="{}", ext="{}"'.format, *[st.integers(), PRINTABLE] * 2),
    st.just('Hawk id="k", ts="1761043200", nonce="n", mac="m", hash="h"'),
)
HMAC_PIECES = [
    "Credential",
    "SignedHeaders",
    "Signature",
    "=",
    "&",
    ", ",
    ";",
    "host",
    "x-tr-date",
    "k",
    "é",
    "\n",
]
HMAC_HEADERS = st.one_of(
    LETTERS,
    LETTERS.map("HMAC-SHA256 ".__add__),
    st.lists(st.sampled_from(HMAC_PIECES), max_size=60).map("".join).map("HMAC-SHA256 ".__add__),
    st.builds("HMAC-SHA256 Credential={}&SignedHeaders={}&Signature={}".format, *[LETTERS | PRINTABLE] * 3),
    st.just("HMAC-SHA256 Credential=k, Signature=c2ln"),
)
REQUESTS = st.builds(
    SignedRequest,
    LETTERS,
    st.binary(),
    LETTERS,
    st.integers(0, 65535),
    st.binary(),
    LETTERS,
    st.dictionaries(
        st.sampled_from(["host", "x-tr-date", "date", "x-tr-content-sha256", "x-tr-clientid"]),
        LETTERS | st.sampled_from(["Tue, 21 Oct 2025 10:40:00 GMT", "k"]),
    ).map(lambda headers: headers.get),
)


@given(value=HAWK_HEADERS, request=REQUESTS)
def test_whatever_comes_as_hawk_nothing_but_unauthenticated_comes_out(
    value: str, request: SignedRequest
) -> None:
    """No header and no request ends in any other error, and none without a secret passes."""
    with pytest.raises(Unauthenticated):
        hawk.verified(hawk.parsed(value), [KEY], request, 1761043200.0)


@given(value=HMAC_HEADERS, request=REQUESTS)
def test_whatever_comes_as_hmac_nothing_but_unauthenticated_comes_out(
    value: str, request: SignedRequest
) -> None:
    """No header and no request ends in any other error, and none without a secret passes."""
    with pytest.raises(Unauthenticated):
        hmac_sha256.verified(hmac_sha256.parsed(value), [KEY], request, 1761043200.0)
