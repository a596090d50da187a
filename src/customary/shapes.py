"""What the value of a setting must be: in words for the operator, and as a function that reads it.

It must never know which settings there are, and never puts a value into a message.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from customary.domain.errors import CustomaryError

LIST_ITEMS_MAX = 64

Network = IPv4Network | IPv6Network


class ConfigurationError(CustomaryError):
    """A setting that cannot be used: ``setting`` and ``source`` are names; no attribute holds the value."""

    public = "The configuration cannot be used"

    def __init__(self, setting: str, source: str, expected: str) -> None:
        self.setting = setting
        self.source = source
        self.expected = expected
        super().__init__(f"{setting} ({source}): {expected}")


class Secret(bytes):
    """Bytes that print as nothing, so that a record of all settings may be shown or end up in a traceback.

    >>> Secret(b"abc")
    Secret(...)
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret(...)"

    __str__ = __repr__


class Shape(msgspec.Struct, frozen=True):
    """What a value must be: in words for the operator, and a function that returns it or raises."""

    expected: str
    read: Callable[[object], object]  # raises ValueError, and nothing else


def _text(value: object) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ValueError
    return value


def _host(value: object) -> str:
    if not re.fullmatch("[0-9A-Za-z.:_%-]{1,253}", text := _text(value)):
        raise ValueError
    return text


def _path(value: object) -> Path:
    text = _text(str(value) if isinstance(value, Path) else value)
    if text.startswith("~"):  # no shell has expanded it; taken literally it would make a folder of that name
        raise ValueError
    return Path(text)


def whole(lowest: int, highest: int) -> Shape:
    """Return the shape of a whole number between two, which are in it."""

    def read(value: object) -> int:
        # int() alone would accept full-width digits, underscores and any length
        if isinstance(value, str) and re.fullmatch("[0-9]{1,9}", value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
            raise ValueError
        return value

    return Shape(f"a whole number from {lowest} to {highest}", read)


def _switch(value: object) -> bool:
    word = str(value).lower() if isinstance(value, bool) else _text(value).lower()
    if word not in ("true", "yes", "on", "1", "false", "no", "off", "0"):
        raise ValueError
    return word in ("true", "yes", "on", "1")


def one_of(*choices: str | int) -> Shape:
    """Return the shape of one of the choices."""
    by_text = {str(choice): choice for choice in choices}

    def read(value: object) -> str | int:
        if isinstance(value, bool) or (text := str(value)) not in by_text:
            raise ValueError
        return by_text[text]

    return Shape("one of " + ", ".join(by_text), read)


def _items(value: object) -> list[str]:
    """The parts of a comma separated text or of a list; repetitions are dropped, the order is kept."""
    parts: object = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
    if not isinstance(parts, list | tuple | set | frozenset) or len(parts) > LIST_ITEMS_MAX:
        raise ValueError
    return list(dict.fromkeys(_text(str(part) if isinstance(part, Network) else part) for part in parts))


def _networks(value: object) -> tuple[Network, ...]:
    return tuple(ip_network(item) for item in _items(value))


def some_of(*choices: str, needs: str = "") -> Shape:
    """Return the shape of some of the choices, as a tuple; ``needs`` cannot be left out."""

    def read(value: object) -> tuple[str, ...]:
        items = _items(value)
        if not items or not set(items) <= set(choices) or (needs and needs not in items):
            raise ValueError
        return tuple(items)

    always = f"; {needs} is always among them" if needs else ""
    return Shape(f"a list out of {', '.join(choices)}{always}", read)


def _origin(value: object) -> str:
    text = _text(value)
    parts = urlsplit(text)
    if (
        parts.scheme not in ("http", "https")
        or not re.fullmatch(r"[0-9A-Za-z._:\[\]-]+", parts.netloc)
        or not parts.hostname
        or parts.port == 0  # reading .port raises ValueError for one that is no port
        or parts.path not in ("", "/")
        or "?" in text
        or "#" in text
    ):
        raise ValueError
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _database(value: object) -> Secret:
    """An address of PostgreSQL; it may hold a password, and name several hosts."""
    if isinstance(value, bytes):
        return Secret(value)
    text = _text(value)
    parts = urlsplit(text)
    if parts.scheme not in ("postgresql", "postgres") or not (parts.netloc or "host=" in parts.query):
        raise ValueError
    if len(parts.path) < 2 or "#" in text:  # without a name the driver would take the user's
        raise ValueError
    return Secret(text.encode())


def _root_key(value: object) -> Secret:
    """32 bytes from hex or base64; only the shape is judged here, weak keys are the vault's to refuse."""
    if isinstance(value, bytes):
        key = value
    elif re.fullmatch("[0-9A-Fa-f]{64}", text := _text(value)):
        key = bytes.fromhex(text)
    else:
        padded = text.replace("-", "+").replace("_", "/").rstrip("=") + "="
        key = b64decode(padded.encode(), validate=True)
        if b64encode(key).decode() != padded:  # a mistyped last character would decode to the same key
            raise ValueError
    if len(key) != 32:
        raise ValueError
    return Secret(key)


def _transit_key(value: object) -> str:
    text = _text(value)
    parts = urlsplit(text)
    names = parts.path.strip("/").split("/")
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or parts.port == 0  # as above
        or len(names) < 2
        or not all(re.fullmatch(r"[0-9A-Za-z._-]+", name) for name in names)
        or parts.username is not None
        or "?" in text
        or "#" in text
    ):
        raise ValueError
    return text


def _token(value: object) -> Secret:
    return Secret(value if isinstance(value, bytes) else _text(value).encode())


PATH = Shape("a path (~ is not expanded)", _path)
SWITCH = Shape("true or false", _switch)
HOST = Shape("an address or a host name", _host)
KEY = Shape("64 hexadecimal digits, or the base64 of 32 bytes", _root_key)
DATABASE = Shape("postgresql://, user and host, /, the name of a database", _database)
ORIGIN = Shape("http:// or https://, a host, and perhaps a port; nothing after it", _origin)
TEXT = Shape("a text", _text)
TOKEN = Shape("a text", _token)
TRANSIT_KEY = Shape("https://, a host, perhaps a port, the engine's mount, the key's name", _transit_key)
NETWORKS = Shape("a list of IP addresses or networks such as 10.0.0.0/8, without host bits", _networks)
