"""Where a root key comes from: a text or a file, read strictly, and refused when somebody could guess it.

It must never know what the key is used for, and never says a byte of it.
"""

import base64
import binascii
import hashlib
import os
import re
from itertools import pairwise
from pathlib import Path
from typing import Final

from customary.domain.errors import CustomaryError, Unavailable
from customary.vault.cipher import KEY_BYTES

FILE_BYTES_MAX: Final = 4096
FILE_MODE: Final = 0o600

_HEX = re.compile(r"[0-9A-Fa-f]{64}", re.ASCII)
_BASE64 = re.compile(r"[0-9A-Za-z_+/-]{43}=?", re.ASCII)

# The bounds below refuse a key drawn at random less than once in 10^9 draws; mostly, less than once in 10^14.
_DIFFERENT_BYTES_MIN = 16
_PERIOD_MAX = 24
_FAMOUS_WORDS = (
    b"", b"a", b"0", b"1", b"admin", b"changeme", b"customary", b"default", b"demo", b"example", b"foo",
    b"key", b"password", b"root", b"secret", b"test",
)  # fmt: skip
_FAMOUS = frozenset(hashlib.sha256(word).digest() for word in _FAMOUS_WORDS)


class RootKeyRefused(CustomaryError):
    """The text, file or bytes are no root key that would keep anything secret."""

    public = "This is no usable root key"


def root_key_from_text(text: str) -> bytes:
    """Return the key that ``text`` spells: 64 hexadecimal digits, or Base64 (either alphabet) of 32 bytes.

    White space around it is passed over, because files end in a newline. Raises RootKeyRefused.
    """
    text = text.strip()
    if _HEX.fullmatch(text):
        key = bytes.fromhex(text)
    elif _BASE64.fullmatch(text):
        key = _from_base64(text.rstrip("="))
    else:
        raise RootKeyRefused("A root key is 64 hexadecimal digits, or 32 bytes in Base64")
    refuse_weak(key)
    return key


def _from_base64(text: str) -> bytes:
    if text.lower() == text or text.upper() == text:
        raise RootKeyRefused("The root key is made of words or digits; draw it at random")
    standard = text.translate(str.maketrans("-_", "+/"))
    try:
        key = base64.b64decode(standard + "=", validate=True)
    except (ValueError, binascii.Error):
        raise RootKeyRefused("The root key is no valid Base64") from None
    if base64.b64encode(key).decode("ascii").rstrip("=") != standard:
        # The last character carries two bits that no byte uses: a key that was mistyped or cut there.
        raise RootKeyRefused("The root key is no valid Base64")
    return key


def refuse_weak(key: bytes) -> None:
    """Raise RootKeyRefused for a key that is short, known, repeated, counted or a text.

    >>> refuse_weak(bytes(range(32)))
    Traceback (most recent call last):
    customary.vault.rootkey.RootKeyRefused: The root key counts up or down; draw it at random
    """
    if len(key) != KEY_BYTES:
        raise RootKeyRefused(f"A root key has {KEY_BYTES} bytes")
    if any(key[period:] == key[:-period] for period in range(1, _PERIOD_MAX + 1)):
        raise RootKeyRefused("The root key repeats itself; draw it at random")
    if len({(after - before) % 256 for before, after in pairwise(key)}) == 1:
        raise RootKeyRefused("The root key counts up or down; draw it at random")
    if all(0x20 <= byte < 0x7F for byte in key):
        raise RootKeyRefused("The root key is a text; draw it at random")
    if len(set(key)) < _DIFFERENT_BYTES_MIN:
        raise RootKeyRefused("The root key has too few different bytes; draw it at random")
    if key in _FAMOUS:
        raise RootKeyRefused("The root key is a known one; draw it at random")


def new_secret_file(path: Path, text: str) -> None:
    """Make a file with one line of text that only its owner may read.

    Returns when the file and its name are on disk, because everything that is sealed from now on is lost
    without it. An existing file is never written to: RootKeyRefused. Unavailable if it cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    except FileExistsError:
        raise RootKeyRefused("A root key file is there already; it is never overwritten") from None
    except OSError as error:
        raise _unavailable("written", path, error) from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, FILE_MODE)  # also under a umask that took more away
            file.write(text.encode("ascii") + b"\n")
            file.flush()
            os.fsync(descriptor)
        fsync_folder(path.parent)
    except OSError as error:
        # Nothing is sealed under it yet; half a key left behind would stop the next start.
        path.unlink(missing_ok=True)
        raise _unavailable("written", path, error) from None


def new_root_key_file(path: Path) -> bytes:
    """Make a file with a random root key, as ``new_secret_file`` does, and return the key."""
    key = os.urandom(KEY_BYTES)
    new_secret_file(path, key.hex())
    return key


def text_of(path: Path) -> str:
    """Return the text of a small file; RootKeyRefused if it is none, Unavailable if it cannot be read."""
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise _unavailable("read", path, error) from None
    if len(content) > FILE_BYTES_MAX:
        raise RootKeyRefused("The root key file is too long to hold a root key")
    try:
        return content.decode("ascii")
    except UnicodeDecodeError:
        raise RootKeyRefused("A root key is 64 hexadecimal digits, or 32 bytes in Base64") from None


def root_key_of_file(path: Path) -> bytes:
    """Return the root key in that file; RootKeyRefused if it is none, Unavailable if it cannot be read."""
    return root_key_from_text(text_of(path))


def fsync_folder(folder: Path) -> None:
    """Return when the names in the folder are on disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unavailable(done: str, path: Path, error: OSError) -> Unavailable:
    return Unavailable(
        f"The root key file cannot be {done}", detail=f"{path}: {error.strerror or type(error).__name__}"
    )
