"""The way of one request through a room: limits, who is it, may they, the handler, and every answer rendered.

A room is its operations and how it says no; all below its prefix is its own, so that unknown paths, wrong
methods and internal errors are answered in its own words too.
"""

import hashlib
import os
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

import msgspec

from customary.app.requests import Deed
from customary.domain.access import Permission, Principal
from customary.domain.errors import CustomaryError, Forbidden, Malformed, Unavailable
from customary.domain.ids import guid_from
from customary.http.body import Disconnected, received, refuse_too_many_bytes
from customary.http.exchange import Exchange, NoSuchMethod, NoSuchRoute, Pair, Reply
from customary.http.reasons import reason_of

Answer = Callable[[int, bytes, bytes, bool], None]
"""Sends one whole answer: the status, the header lines, the body, and whether it ends the connection."""

Handler = Callable[[Exchange], Awaitable[Reply]]

ANY_CREDENTIAL: frozenset[Permission] = frozenset()
"""Said by an operation that every credential may use; to say nothing stops the program."""

RESPONSE_HEADERS = frozenset(
    {
        b"allow",
        b"cache-control",
        b"connection",
        b"content-length",
        b"content-type",
        b"correlationid",
        b"etag",
        b"link",
        b"location",
        b"retry-after",
        b"server-authorization",
        b"www-authenticate",
        b"x-request-id",
        b"x-total-count",
    }
)
"""Every header that a room may send; a test holds answers to it."""

_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)


class Operation(msgspec.Struct, frozen=True):
    """One route of a room, as it is routed, guarded and documented.

    ``path`` is relative to the room's prefix; a segment of it may be a ``{name}``. ``permissions`` are
    alternatives; ``tenant_only`` keeps merchants' keys out. ``handler`` names the method of the room's
    routes. ``mutates`` says that it may change something: such an operation leaves an audit leaf. So does one
    that ``discloses``: it changes nothing and always shows what is guarded.
    ``status`` is that of a success.
    """

    method: str
    path: str
    permissions: frozenset[Permission] | None
    handler: str
    mutates: bool = False
    tenant_only: bool = False
    discloses: bool = False
    status: int = 200


class Errors(Protocol):
    """How a room says no."""

    def rendered(self, error: CustomaryError, exchange: Exchange) -> Reply:
        """Return the room's answer to a refusal."""

    def internal(self, exchange: Exchange) -> Reply:
        """Return the room's answer when the program itself has failed."""


class Observer(Protocol):
    """Is told of every request, to log and to count it; never given a value that a caller sent."""

    def answered(self, room: str, exchange: Exchange, reply: Reply, seconds: float) -> None:
        """A request was answered."""

    def refused(self, room: str, exchange: Exchange, error: CustomaryError) -> None:
        """A request is being refused."""

    def failed(self, room: str, exchange: Exchange, error: Exception) -> None:
        """The program has failed on a request."""


class UndeclaredPermission(Exception):
    """A route does not say who may use it; the program does not start."""


class Room:
    """A dialect's operations behind one door."""

    def __init__(
        self,
        *,
        name: str,
        prefix: str,
        operations: Sequence[Operation],
        routes: object,
        door: Callable[[Exchange], Awaitable[Principal]],
        errors: Errors,
        observer: Observer,
        request_id_header: bytes,
        content_type: str,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.name = name
        self.prefix = prefix
        self.operations = tuple(operations)
        self._door = door
        self._errors = errors
        self._observer = observer
        self._random_bytes = random_bytes
        self._request_id_header = request_id_header
        self._framings = {"": _Framing(content_type, request_id_header)}
        self._depth = prefix.count("/") + 1
        self._routes = _routing_table(operations, routes)
        self._masks = _masks(self._routes)

    async def __call__(self, exchange: Exchange, answer: Answer) -> None:
        """Answer one request, whatever happens: here any exception at all is caught."""
        started = time.perf_counter()
        exchange.request_id = guid_from(self._random_bytes(16))
        try:
            reply = await self._handled(exchange)
        except Disconnected:
            return
        except CustomaryError as error:
            reply = self._errors.rendered(error, exchange)
            # A refusal that no caller has caused, a stored record that does not open say, is a failure of
            # ours, and the operator must hear of it.
            told = self._observer.failed if reply.status == 500 else self._observer.refused
            told(self.name, exchange, error)
        except Exception as error:
            self._observer.failed(self.name, exchange, error)
            reply = self._errors.internal(exchange)
        headers = reply.headers
        framing = self._framings.get(reply.content_type) or self._framed(reply.content_type)
        if exchange.sign is not None:
            signature = exchange.sign(reply.body, framing.content_type)
            headers = (*headers, (b"server-authorization", signature.encode("latin-1")))
        answer(reply.status, framing.lines(exchange, reply, headers), reply.body, _CLOSE in headers)
        self._observer.answered(self.name, exchange, reply, time.perf_counter() - started)

    def _framed(self, content_type: str) -> "_Framing":
        framing = self._framings[content_type] = _Framing(content_type, self._request_id_header)
        return framing

    def refuse_head(self, target: bytes, answer: Answer) -> None:
        """Answer a request whose head is no HTTP, and close the connection."""
        exchange = Exchange("", target, target, request_id=guid_from(self._random_bytes(16)))
        error = Malformed("The request is not valid HTTP", part="header")
        self._observer.refused(self.name, exchange, error)
        reply = self._errors.rendered(error, exchange)
        framing = self._framings.get(reply.content_type) or self._framed(reply.content_type)
        answer(reply.status, framing.lines(exchange, reply, (_CLOSE,)), reply.body, True)

    async def _handled(self, exchange: Exchange) -> Reply:
        exchange.check_head()
        principal = exchange.principal = await self._door(exchange)
        operation, handler = self._routed(exchange)
        exchange.route = operation.path
        if operation.tenant_only and principal.merchant_no is not None:
            raise Forbidden(detail="a merchant's key on a tenant's route")
        if operation.permissions:
            principal.require(*operation.permissions)
        return await handler(exchange)

    def _routed(self, exchange: Exchange) -> tuple[Operation, Handler]:
        segments = exchange.path.split(b"/")[self._depth :]
        methods = self._routes.get(tuple(segments))
        if methods is None and segments:
            methods = self._routes.get((*segments[:-1], _ANY_SEGMENT))
            exchange.path_id = _segment_text(segments[-1])
            if methods is None:
                methods = self._templated(exchange, segments)
        if methods is None:
            raise NoSuchRoute
        found = methods.get(exchange.method)
        if found is None:
            exchange.route = next(iter(methods.values()))[0].path
            raise NoSuchMethod(sorted(methods))
        return found

    def _templated(self, exchange: Exchange, segments: list[bytes]) -> "_Methods | None":
        """Return the methods of a path with ids elsewhere than at its end alone, and note the ids."""
        for mask in self._masks.get(len(segments), ()):
            key = tuple(_ANY_SEGMENT if at in mask else one for at, one in enumerate(segments))
            methods = self._routes.get(key)
            if methods is not None:
                exchange.places = tuple(_segment_text(segments[at]) for at in mask)
                exchange.path_id = exchange.places[0]
                return methods
        return None


_CLOSE = (b"connection", b"close")
_ANY_SEGMENT = b"/"  # which no segment of a path that is sent can be
_Methods = Mapping[str, tuple[Operation, Handler]]
_Routes = Mapping[tuple[bytes, ...], _Methods]


class _Framing:
    """The header lines of answers of one content type."""

    def __init__(self, content_type: str, request_id_header: bytes) -> None:
        self.content_type = content_type
        told = b"content-type: %b\r\ncache-control: no-store\r\n" % content_type.encode("ascii")
        self._without_length = told + request_id_header + b": %b\r\n"
        self._usual = b"content-length: %d\r\n" + self._without_length

    def lines(self, exchange: Exchange, reply: Reply, headers: tuple[Pair, ...]) -> bytes:
        """Return the header lines of an answer, with headers of its own."""
        request_id = exchange.request_id.encode("ascii")
        if reply.status == 304:  # it tells of a body that it does not have (RFC 9110, 8.6)
            lines = self._without_length % request_id
        else:
            lines = self._usual % (len(reply.body), request_id)
        return lines + b"".join([b"%b: %b\r\n" % header for header in headers]) if headers else lines


def _routing_table(operations: Sequence[Operation], routes: object) -> _Routes:
    """Return the operations by path and method; refuse one that does not declare its permission."""
    table: dict[tuple[bytes, ...], dict[str, tuple[Operation, Handler]]] = {}
    for operation in operations:
        if operation.permissions is None:
            raise UndeclaredPermission(f"{operation.method} {operation.path} declares no permission")
        segments = tuple(
            _ANY_SEGMENT if segment.startswith("{") else segment.encode()
            for segment in operation.path.strip("/").split("/")
        )
        table.setdefault(segments, {})[operation.method] = (operation, getattr(routes, operation.handler))
    return table


def _masks(table: _Routes) -> Mapping[int, Sequence[tuple[int, ...]]]:
    """Return where ids stand in paths of each length, but for those with one at the end alone.

    Those with fewer ids come first: a path that spells a segment out is preferred to one that takes any.
    """
    masks: dict[int, set[tuple[int, ...]]] = {}
    for segments in table:
        mask = tuple(at for at, segment in enumerate(segments) if segment is _ANY_SEGMENT)
        if mask and mask != (len(segments) - 1,):
            masks.setdefault(len(segments), set()).add(mask)
    return {length: sorted(found, key=lambda mask: (len(mask), mask)) for length, found in masks.items()}


def _segment_text(segment: bytes) -> str:
    """Return a path segment decoded; what is no text becomes an id that nobody has."""
    try:
        return (unquote_to_bytes(segment) if b"%" in segment else segment).decode()
    except UnicodeDecodeError:
        return ""


def check_json_type(exchange: Exchange) -> None:
    """Refuse a Content-Type that is given and is not JSON."""
    content_type = exchange.headers.get(b"content-type")
    if content_type is not None:
        media_type = content_type.partition(b";")[0].strip().lower()
        if media_type not in (b"application/json", b"text/json") and not media_type.endswith(b"+json"):
            raise Malformed("The Content-Type is not JSON", part="header", kind="media_type")


async def body_of(exchange: Exchange) -> bytes:
    """Return the body of a request, read within the limits; the same bytes when asked again.

    No encoding is accepted: a compressed body would have to be bounded twice.
    """
    if exchange.body is not None:
        return exchange.body
    headers = exchange.headers
    if b"content-encoding" in headers:
        raise Malformed("Content-Encoding is not supported", part="header", kind="media_type")
    body = exchange.arrived
    if body is None:
        length = headers.get(b"content-length", b"0")
        if not length.isdigit():
            raise Malformed("The Content-Length is not a number", part="header")
        body = await received(exchange.whole_body, int(length[:20]))
    else:
        refuse_too_many_bytes(len(body))
    exchange.body = body
    return body


def deed_of(exchange: Exchange, audited: frozenset[str] = frozenset()) -> Deed:
    """Return the circumstances of a request whose body is read; ``audited`` is what its answer may show.

    Malformed if its Idempotency-Key or its reason is none. A reason is part of the request: with another one
    it is another request.
    """
    reason = reason_of(exchange) if b"x-reason" in exchange.headers else ""
    key = exchange.header("idempotency-key")
    if key is None:
        return Deed(exchange.request_id, audited=audited, reason=reason)
    if _IDEMPOTENCY_KEY.fullmatch(key) is None:
        raise Malformed("An Idempotency-Key is 1 to 255 visible ASCII characters", part="header")
    request = b"\n".join((exchange.method.encode("ascii"), exchange.target, exchange.body or b""))
    if reason:  # a method has no blank, so no request without a reason begins so
        request = b"reason " + reason.encode() + b"\n" + request
    return Deed(exchange.request_id, key, hashlib.sha256(request).digest(), audited, reason)


def seeing_deed_of(exchange: Exchange, audited: frozenset[str]) -> Deed:
    """Return the circumstances of a reading that shows these fields in clear; Malformed as above."""
    return Deed(exchange.request_id, audited=audited, reason=reason_of(exchange))


class Sealed:
    """The door of a server that has no root key: nobody passes (``/readyz`` says ``sealed``)."""

    async def __call__(self, exchange: Exchange) -> Principal:
        """Refuse every request as Unavailable."""
        raise Unavailable("The server is sealed: it has no root key", retry_after_seconds=10)


def as_body(view: Any) -> bytes:
    """Return a view encoded as JSON."""
    return _encode(view)


_encode = msgspec.json.Encoder().encode
