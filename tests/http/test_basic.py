"""Basic credentials are read strictly: one spelling, one credential (T1)."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customary.domain.errors import Unauthenticated
from customary.http.schemes import basic

PRINTABLE = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=60)


def header(credentials: bytes) -> str:
    return "Basic " + base64.b64encode(credentials).decode()


@given(access_id=PRINTABLE.map(lambda text: text.replace(":", "")), access_key=PRINTABLE)
def test_id_and_key_come_back_as_they_were_sent(access_id: str, access_key: str) -> None:
    """The first colon splits; the key may contain more, and both may be any text in UTF-8."""
    assert basic.parsed(header(f"{access_id}:{access_key}".encode())) == (access_id, access_key)


@pytest.mark.parametrize("opening", ["Basic ", "basic ", "BASIC   "])
def test_the_scheme_is_written_in_any_case(opening: str) -> None:
    """RFC 9110: scheme names are case-insensitive, and blanks follow."""
    assert basic.parsed(opening + "aWQ6a2V5") == ("id", "key")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Basic",
        "Basic ",
        "Basic: aWQ6a2V5",
        "Hawk aWQ6a2V5",
        "aWQ6a2V5",
        "Basic aWQ6a2V5!",
        "Basic aW\nQ6a2V5",
        "Basic aWQ6 a2V5",
        "Basic aWQ6a2V5 ",
        "Basic =aWQ6a2V5",
        "Basic aWQ6a2V5aQ",
        "Basic aWQ6a2V5aQ=",
        "Basic aWQ6a2V5aQ==aQ==",
        "Basic aWQ6-_-_",
        "Basic ａＷＱ６",
        header(b"no colon"),
        header(b"id:\xff"),
        header(b"id:\xed\xa0\x80"),
        header(b"i\x00d:key"),
        header(b"id:key\n"),
        header("id:\x85key".encode()),
        header(b"id:" + b"k" * 4096),
    ],
)
def test_what_is_not_strict_base64_of_id_colon_key_is_refused(value: str) -> None:
    """Lenient decoders drop foreign characters; here they, and control characters, refuse the header."""
    with pytest.raises(Unauthenticated) as caught:
        basic.parsed(value)
    assert caught.value.public == Unauthenticated.public
    assert caught.value.hint == caught.value.challenge == ""


@pytest.mark.parametrize(
    "value", [header(b"canary"), header(b"canary:\xff"), header(b"canary:x\n"), "Basic canary!"]
)
def test_a_refusal_does_not_carry_the_credential(value: str) -> None:
    """Not in its texts and not in the error of a decoder behind it, which a traceback would print."""
    with pytest.raises(Unauthenticated) as caught:
        basic.parsed(value)
    assert "canary" not in f"{caught.value!r} {caught.value.detail}"
    assert caught.value.__context__ is None


@given(
    st.text()
    | st.text().map("Basic ".__add__)
    | st.binary().map(header)
    | st.text("aWQ6=+/-_ \n", max_size=20).map("Basic ".__add__)
)
def test_nothing_but_unauthenticated_comes_out(value: str) -> None:
    """Whatever is sent is either a pair of texts or a refusal."""
    try:
        access_id, access_key = basic.parsed(value)
    except Unauthenticated:
        return
    assert base64.b64encode(f"{access_id}:{access_key}".encode()).decode()[:4] == value[6:].lstrip(" ")[:4]
