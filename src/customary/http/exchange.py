"""One request and its reply, as rooms see them.

The hot path makes one ``Exchange`` and one ``Reply`` a request and no framework object (see decisions 0003
and 0019).
"""

import ipaddress
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from urllib.parse import parse_qsl, urlsplit

import msgspec

from customary.domain.access import Principal
from customary.domain.errors import CustomaryError, Invalid, Malformed, Violation
from customary.domain.ids import is_digits

Pair = tuple[bytes, bytes]
"""Name and value of a header; names are in lower case."""

TARGET_BYTES_MAX = 4096
HEADER_BYTES_MAX = 4096
HEADERS_BYTES_MAX = 16 * 1024
SHORT_HEAD_BYTES = 4096
QUERY_FIELDS_MAX = 64
_ONCE = frozenset({b"authorization", b"host", b"content-length", b"idempotency-key", b"x-reason"})
_NO_HEADERS: Mapping[bytes, bytes] = {}
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._~-]{1,253})(?::([0-9]{1,5}))?", re.ASCII)
_FORWARDED_PAIR = re.compile(r"""([A-Za-z]+)=(?:"([^"\\]*)"|([^\s;,"]*))""", re.ASCII)
_DEFAULT_PORTS = {"http": 80, "https": 443}


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
    headers: tuple[Pair, ...] = ()
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
        scheme, host = "http", exchange.header("host") or ""
        if self._trusted and self._is_trusted(exchange.client_address):
            scheme, host = _forwarded(exchange, scheme, host)
        match = _HOST.fullmatch(host)
        if match is None or scheme not in _DEFAULT_PORTS:
            raise Malformed("The Host header is not a host and port", part="header")
        return Address(scheme, match[1].lower(), int(match[2] or _DEFAULT_PORTS[scheme]))

    def _is_trusted(self, client_address: str) -> bool:
        try:
            address = ipaddress.ip_address(client_address)
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

    ``target`` is exactly as it was sent, because signatures cover it; ``path`` and ``raw_query`` are its
    parts. ``headers`` has the last of each name, and ``repeated`` those before it. ``head_bytes`` is how many
    bytes had arrived when the head was complete, and ``arrived`` is the body, once all of it has come; a
    subclass knows how it comes. ``body`` is the body that is within the limits.
    ``path_id`` is the first id in the path; ``places`` are all, where one stands elsewhere than at the end.
    """

    __slots__ = (
        "arrived",
        "body",
        "head_bytes",
        "headers",
        "method",
        "path",
        "path_id",
        "places",
        "principal",
        "raw_query",
        "repeated",
        "request_id",
        "route",
        "sign",
        "target",
    )

    def __init__(
        self,
        method: str,
        target: bytes,
        path: bytes,
        raw_query: bytes = b"",
        headers: Mapping[bytes, bytes] = _NO_HEADERS,
        repeated: Sequence[Pair] = (),
        head_bytes: int = HEADERS_BYTES_MAX,
        request_id: str = "",
    ) -> None:
        self.method = method
        self.target = target
        self.path = path
        self.raw_query = raw_query
        self.headers = headers
        self.repeated = repeated
        self.head_bytes = head_bytes
        self.request_id = request_id
        self.arrived: bytes | None = None
        self.body: bytes | None = None
        self.principal: Principal | None = None
        self.route = ""
        self.path_id = ""
        self.places: tuple[str, ...] = ()
        self.sign: Callable[[bytes, str], str] | None = None

    async def whole_body(self) -> bytes:
        """Return the body when all of it has come, or more than is taken; Disconnected if it never does."""
        return b""

    @property
    def client_address(self) -> str:
        """Return from where the request was sent, or nothing if that is not known."""
        return ""

    def header(self, name: str) -> str | None:
        """Return a header's value by its lower-case name, or None."""
        value = self.headers.get(name.encode("latin-1"))
        return None if value is None else value.decode("latin-1")

    def header_values(self, name: bytes) -> list[bytes]:
        """Return the values of a header that may be repeated, in their order."""
        last = [self.headers[name]] if name in self.headers else []
        return [value for known, value in self.repeated if known == name] + last

    def check_head(self) -> None:
        """Raise Malformed if the head is too long, or a header that must stand once does not."""
        # A head that is short as a whole, as nearly all are, has nothing in it that is too long.
        if self.head_bytes > SHORT_HEAD_BYTES:
            if len(self.target) > TARGET_BYTES_MAX:
                raise Malformed("The request target is too long", part="header")
            sizes = [len(name) + len(value) for name, value in (*self.repeated, *self.headers.items())]
            if max(sizes, default=0) > HEADER_BYTES_MAX:
                raise Malformed("A header is too long", part="header")
            if sum(sizes) > HEADERS_BYTES_MAX:
                raise Malformed("The headers are too long", part="header")
        if self.repeated and not _ONCE.isdisjoint(name for name, _ in self.repeated):
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
        found: dict[str, str] = {}
        for name, value in self._query_pairs():
            if name not in known:
                continue
            if name in found:
                raise Malformed("A query parameter is repeated", part="query")
            if "\x00" in value:
                raise Malformed("The query is malformed", part="query")
            found[name] = value
        return found

    def has_others_than(self, known: Collection[str]) -> bool:
        """Return whether the query has a parameter that is none of these; Malformed as above."""
        return any(name not in known for name, _ in self._query_pairs())

    def _query_pairs(self) -> list[tuple[str, str]]:
        if not self.raw_query:
            return []
        try:
            return parse_qsl(
                self.raw_query.decode("ascii"),
                keep_blank_values=True,
                errors="strict",
                max_num_fields=QUERY_FIELDS_MAX,
            )
        except ValueError:  # UnicodeDecodeError is one
            raise Malformed("The query is malformed", part="query") from None


def whole_number(query: Mapping[str, str], name: str, least: int, most: int, *, default: int) -> int:
    """Return a parameter that is a whole number in ASCII digits, or ``default``; Invalid if it is another."""
    text = query.get(name)
    if text is None:
        return default
    if not is_digits(text) or len(text) > len(str(most)) or not least <= int(text) <= most:
        raise Invalid(Violation(name, "range", f"{name} is not a whole number from {least} to {most}"))
    return int(text)
