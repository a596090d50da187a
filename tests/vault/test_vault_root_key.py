"""Root keys: read strictly, refused when weak, and kept in a file that only its owner can read."""

import base64
import hashlib
import os
import resource
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customary.domain.errors import CustomaryError, Unavailable
from customary.vault import RootKeyRefused, RootVault, new_root_key_file, root_key_from_text, root_key_of_file

GOOD = bytes.fromhex("8f1b3ad24c7e9065b2f8013d5ea9c47716e80b92d3fa6c45089d7be1a42f5cd6")


@given(st.binary(min_size=32, max_size=32).map(lambda octets: hashlib.sha256(octets).digest()))
def test_every_spelling_of_a_key_is_read(key: bytes) -> None:
    """Hexadecimal in either case, Base64 in either alphabet, padded or not, with a newline at the end."""
    spellings = [
        key.hex(),
        key.hex().upper(),
        key.hex() + "\n",
        base64.b64encode(key).decode(),
        base64.b64encode(key).decode().rstrip("="),
        base64.urlsafe_b64encode(key).decode() + "\r\n",
        base64.urlsafe_b64encode(key).decode().rstrip("="),
    ]
    assert [root_key_from_text(spelling) for spelling in spellings] == [key] * len(spellings)


def in_base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


WEAK = {
    "nothing": "",
    "blanks": "  \n",
    "a password": "changeme",
    "too short": GOOD[:31].hex(),
    "too short in Base64": in_base64(GOOD[:31]),
    "too long": GOOD.hex() + "00",
    "too long in Base64": in_base64(GOOD + b"\0"),
    "a digit that is none": GOOD.hex()[:-1] + "g",
    "a digit of another script": GOOD.hex()[:-1] + "６",
    "a blank inside": GOOD.hex()[:32] + " " + GOOD.hex()[33:],
    "junk in Base64": in_base64(GOOD)[:10] + "!" + in_base64(GOOD)[11:],
    "both alphabets' signs and a cut last character": in_base64(GOOD)[:42] + "Z",
    "zeros": "00" * 32,
    "zeros in Base64": in_base64(bytes(32)),
    "one byte": "a7" * 32,
    "counting up": bytes(range(32)).hex(),
    "counting up from one": bytes(range(1, 33)).hex(),
    "counting down": bytes(range(255, 223, -1)).hex(),
    "counting by sevens": bytes(7 * number % 256 for number in range(32)).hex(),
    "a repeated word": (b"changeme" * 4).hex(),
    "a repeated word in Base64": in_base64(b"changeme" * 4),
    "a repeated word that does not fit": (b"customary" * 4)[:32].hex(),
    "repeated hexadecimal": "deadbeef" * 8,
    "counting hexadecimal": "0123456789abcdef" * 4,
    "half a key, twice": (GOOD[:16] * 2).hex(),
    "a key of 24 bytes, begun again": (GOOD[:24] + GOOD[:8]).hex(),
    "a sentence": b"The quick brown fox jumps over 1".hex(),
    "a sentence spelled as Base64": "correct-horse-battery-staple-and-some-wordk",
    "digits spelled as Base64": "1234567890918273645546372819009876543210244",
    "few different bytes": (b"\x01" + bytes(30) + b"\x02").hex(),
    "the hash of a word": hashlib.sha256(b"changeme").hexdigest(),
    "the hash of nothing": hashlib.sha256(b"").hexdigest(),
}


@pytest.mark.parametrize("name", WEAK)
def test_a_key_that_could_be_guessed_is_refused(name: str) -> None:
    """Short, known, repeated, counted or written by a person: refused, and no part of it is said."""
    text = WEAK[name]
    with pytest.raises(RootKeyRefused) as caught:
        root_key_from_text(text)
    error = caught.value
    assert isinstance(error, CustomaryError)
    assert "root key" in error.public
    assert error.__cause__ is None
    if text.strip():
        said = error.public + error.detail
        assert text.strip() not in said
        assert text.strip()[:8] not in said


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    """Mode 0600 whatever the umask, and the key that is returned is the key that is read."""
    for umask in (0o000, 0o022, 0o777):
        path = tmp_path / f"root-{umask:o}.key"
        before = os.umask(umask)
        try:
            key = new_root_key_file(path)
        finally:
            os.umask(before)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert root_key_of_file(path) == key
        assert path.read_bytes() == key.hex().encode() + b"\n"
        RootVault(key)


def test_every_new_key_is_another(tmp_path: Path) -> None:
    """There is no default key."""
    keys = {new_root_key_file(tmp_path / f"{number}.key") for number in range(20)}
    assert len(keys) == 20


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    """Neither a file nor what a link points to: the key in it may be the only one that opens a store."""
    path = tmp_path / "root.key"
    key = new_root_key_file(path)
    link = tmp_path / "link.key"
    link.symlink_to(path)
    dangling = tmp_path / "dangling.key"
    dangling.symlink_to(tmp_path / "nowhere")
    for there in (path, link, dangling):
        with pytest.raises(RootKeyRefused):
            new_root_key_file(there)
    assert root_key_of_file(path) == key
    assert not (tmp_path / "nowhere").exists()


def test_half_a_key_is_not_left_behind(tmp_path: Path) -> None:
    """When the disk takes no more bytes the file goes away again, so that the next start can make one."""
    path = tmp_path / "root.key"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        with pytest.raises(Unavailable) as caught:
            new_root_key_file(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "cannot be written" in caught.value.public
    assert not path.exists()
    new_root_key_file(path)


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    """The refusal is ours, with the path for the operator, not a traceback."""
    path = tmp_path / "absent" / "root.key"
    with pytest.raises(Unavailable) as written:
        new_root_key_file(path)
    with pytest.raises(Unavailable) as read:
        root_key_of_file(path)
    for caught in (written, read):
        assert str(path) in caught.value.detail


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        GOOD,
        GOOD.hex().encode("utf-16"),
        b"\xff" * 64,
        GOOD.hex().encode() + b" " * 4096,
        b"changeme\n",
    ],
)
def test_a_file_without_a_key_is_refused(tmp_path: Path, content: bytes) -> None:
    """Empty, binary, in another encoding, over-long or weak: refused like the text would be."""
    path = tmp_path / "root.key"
    path.write_bytes(content)
    with pytest.raises(RootKeyRefused):
        root_key_of_file(path)
