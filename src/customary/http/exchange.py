"""One request and its reply, as rooms see them: cheap views of what the HTTP server parsed.

The hot path makes one ``Exchange`` and one ``Reply`` a request and no framework object (see decision 0003).
"""

import ipaddress
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from customary.domain.access import Principal
from customary.domain.errors import CustomaryError, Invalid, Malformed, Violation
from customary.domain.ids import is_digits

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

TARGET_BYTES_MAX = 4096
HEADER_BYTES_MAX = 4096
HEADERS_BYTES_MAX = 16 * 1024
SHORT_HEAD_BYTES = 4096
QUERY_FIELDS_MAX = 64
_ONCE = (b"authorization", b"host", b"content-length", b"idempotency-key", b"x-reason")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._~-]{1,253})(?::([0-9]{1,5}))?", re.ASCII)
_FORWARDED_PAIR = re.compile(r"""([A-Za-z]+)=(?:"([^"\\]*)"|([^\s;,"]*))""", re.ASCII)
_DEFAULT_PORTS = {"http": 80, "https": 443}

HEAD_BYTES = "customary.head_bytes"
"""The scope member in which our HTTP protocol says how many bytes arrived until the head was complete."""

RAW_TARGET = "customary.target"
"""The scope member in which our HTTP protocol keeps the request target exactly as it was sent."""


class NoSuchRoute(CustomaryError):
    """The path is none of the room's."""

    public = "There is no such resource"


class NoSuchMethod(CustomaryError):
    """The path is the room's, the method is not; ``allow`` lists those that are."""

    public = "This resource does not have this method"

    def __init__(self, allow: Sequence[str]) -> None:
        super().__init__()
        self.allow = ", ".join(allow)


class Address(msgspec.Struct, frozen=True, gc=False):
    """Scheme, host and port of this server as the client sees them."""

    scheme: str
    host: str
    port: int


class Reply(msgspec.Struct, gc=False):
    """What is answered: a status, a body that is already encoded, and the headers beyond the room's own.

    ``content_type`` stands where it is not the room's usual one; it is one of a few constants.
    """

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    content_type: str = ""


class Front:
    """Knows how clients see this server, which may stand behind a proxy (Trustist contract S3).

    A configured public URL is believed before all; forwarded headers only from trusted addresses; else the
    Host header.
    """

    def __init__(
        self,
        public_url: str | None = None,
        trusted_proxies: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network] = (),
    ) -> None:
        self._fixed: Address | None = None
        if public_url is not None:
            url = urlsplit(public_url)
            self._fixed = Address(
                url.scheme, (url.hostname or "").lower(), url.port or _DEFAULT_PORTS[url.scheme]
            )
        self._trusted = tuple(trusted_proxies)

    def address(self, exchange: "Exchange") -> Address:
        """Return the address to which the client sent this request; Malformed if its Host is none."""
        if self._fixed is not None:
            return self._fixed
        scheme: str = exchange.scope.get("scheme", "http")
        host = exchange.header("host") or ""
        if self._trusted and self._is_trusted(exchange.scope.get("client")):
            scheme, host = _forwarded(exchange, scheme, host)
        match = _HOST.fullmatch(host)
        if match is None or scheme not in _DEFAULT_PORTS:
            raise Malformed("The Host header is not a host and port", part="header")
        return Address(scheme, match[1].lower(), int(match[2] or _DEFAULT_PORTS[scheme]))

    def _is_trusted(self, client: tuple[str, int] | None) -> bool:
        if client is None:
            return False
        try:
            address = ipaddress.ip_address(client[0])
        except ValueError:
            return False
        return any(address in network for network in self._trusted)


def _forwarded(exchange: "Exchange", scheme: str, host: str) -> tuple[str, str]:
    """Return scheme and host as a trusted proxy saw them: by Forwarded (RFC 7239), else by X-Forwarded-*.

    Of several proxies the first is the one the client spoke to.
    """
    told = exchange.header("forwarded")
    if told is not None:
        pairs: dict[str, str] = {}
        for name, quoted, token in _FORWARDED_PAIR.findall(told):
            pairs.setdefault(name.lower(), quoted or token)
        return pairs.get("proto", scheme).lower(), pairs.get("host", host)
    scheme = (exchange.header("x-forwarded-proto") or scheme).split(",")[0].strip().lower()
    host = (exchange.header("x-forwarded-host") or host).split(",")[0].strip()
    port = (exchange.header("x-forwarded-port") or "").split(",")[0].strip()
    if port and ":" not in host.rpartition("]")[2]:
        host = f"{host}:{port}"
    return scheme, host


class Exchange:
    """One request on its way: what was sent, and what has been found out about it so far.

    ``path_id`` is the first id in the path; ``places`` are all, where one stands elsewhere than at the end.
    """

    __slots__ = (
        "body",
        "headers",
        "method",
        "path_id",
        "places",
        "principal",
        "receive",
        "request_id",
        "route",
        "scope",
        "sign",
        "target",
    )

    def __init__(self, scope: Scope, receive: Receive, request_id: str) -> None:
        self.scope = scope
        self.receive = receive
        self.request_id = request_id
        self.method: str = scope["method"]
        self.target: bytes = scope.get(RAW_TARGET) or _target_of(scope)
        self.headers: Mapping[bytes, bytes] = dict(scope["headers"])
        self.body: bytes | None = None
        self.principal: Principal | None = None
        self.route = ""
        self.path_id = ""
        self.places: tuple[str, ...] = ()
        self.sign: Callable[[bytes, str], str] | None = None

    def header(self, name: str) -> str | None:
        """Return a header's value by its lower-case name, or None."""
        value = self.headers.get(name.encode("latin-1"))
        return None if value is None else value.decode("latin-1")

    def check_head(self) -> None:
        """Raise Malformed if the head is too long, or a header that must stand once does not."""
        headers: list[tuple[bytes, bytes]] = self.scope["headers"]
        # A head that is short as a whole, as nearly all are, has nothing in it that is too long.
        if self.scope.get(HEAD_BYTES, HEADERS_BYTES_MAX) > SHORT_HEAD_BYTES:
            if len(self.target) > TARGET_BYTES_MAX:
                raise Malformed("The request target is too long", part="header")
            sizes = [len(name) + len(value) for name, value in headers]
            if max(sizes, default=0) > HEADER_BYTES_MAX:
                raise Malformed("A header is too long", part="header")
            if sum(sizes) > HEADERS_BYTES_MAX:
                raise Malformed("The headers are too long", part="header")
        if len(self.headers) != len(headers):
            names = [name for name, _ in headers]
            if any(names.count(name) > 1 for name in _ONCE):
                raise Malformed("A header that must stand once is repeated", part="header")

    @property
    def caller(self) -> Principal:
        """Return who makes the request; the door has let them in before any route is asked."""
        if self.principal is None:
            raise AssertionError("a route was asked before the door")
        return self.principal

    def query(self, *known: str) -> dict[str, str]:
        """Return the known parameters of the query; unknown ones are ignored.

        Raises Malformed for a known one that stands twice, and for bytes that are no text.
        """
        raw: bytes = self.scope.get("query_string", b"")
        if not raw:
            return {}
        try:
            pairs = parse_qsl(
                raw.decode("ascii"),
                keep_blank_values=True,
                errors="strict",
                max_num_fields=QUERY_FIELDS_MAX,
            )
        except ValueError:  # UnicodeDecodeError is one
            raise Malformed("The query is malformed", part="query") from None
        found: dict[str, str] = {}
        for name, value in pairs:
            if name not in known:
                continue
            if name in found:
                raise Malformed("A query parameter is repeated", part="query")
            if "\x00" in value:
                raise Malformed("The query is malformed", part="query")
            found[name] = value
        return found


def whole_number(query: Mapping[str, str], name: str, least: int, most: int, *, default: int) -> int:
    """Return a parameter that is a whole number in ASCII digits, or ``default``; Invalid if it is another."""
    text = query.get(name)
    if text is None:
        return default
    if not is_digits(text) or len(text) > len(str(most)) or not least <= int(text) <= most:
        raise Invalid(Violation(name, "range", f"{name} is not a whole number from {least} to {most}"))
    return int(text)


def _target_of(scope: Scope) -> bytes:
    raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope.get("query_string", b"")
    return raw_path + b"?" + query if query else raw_path
