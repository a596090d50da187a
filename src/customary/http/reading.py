"""The bytes of one connection turned into requests by httptools, with an end to everything but the body.

A message is a head, perhaps a body, and trailers. All that is not the body is bounded in size, whatever
frames it and whether anybody still waits for it. Who is asked, and when, is the connection's.
"""

from collections.abc import Callable
from typing import Final, Protocol

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser, parse_url

from customary.http.body import BODY_BYTES_MAX
from customary.http.exchange import Pair

HEAD_BYTES_MAX: Final = 64 * 1024
"""All of a message that is not its body: request line, headers, what frames the chunks, trailers."""
FRAMING_BYTES_MAX: Final = 8
"""What may frame one byte of a body on top of that: ``1 CRLF x CRLF`` has five bytes that are no body."""


class NotHTTP(Exception):
    """What came is no HTTP/1.1, or has no end; the connection cannot go on."""


class Taker(Protocol):
    """Takes the body of one request."""

    @property
    def answered(self) -> bool:
        """Return whether an answer was begun."""

    def feed(self, piece: bytes) -> None:
        """Take a piece of it."""

    def complete(self) -> None:
        """That was all of it."""

    def lose(self) -> None:
        """No more of it will come."""


class _Dropped(dict[bytes, bytes]):
    """Headers of which none is kept."""

    def __setitem__(self, _: bytes, __: bytes) -> None:
        pass


_TRAILERS = _Dropped()


class Reading:
    """Feeds the parser, and keeps what it tells of the head that is arriving, or whose body is.

    ``target`` is as it was sent; of headers with one name ``headers`` has the last and ``repeated`` the
    others. ``taken`` is called with each head that is complete and says who takes the body.
    """

    def __init__(self, taken: Callable[[], Taker]) -> None:
        self._taken = taken
        self._parser = _parser(self)
        self.in_head = True
        self.head_begun = False
        self.target = b""
        self.headers: dict[bytes, bytes] = {}
        self.repeated: list[Pair] = []
        self.keeps_alive = False
        self.body: Taker | None = None
        self._messages = 0
        # Of the message under way: what came in earlier pieces, and how much of all of it is its body; and
        # the size of a piece that had the end of another message as well, which the first leaves out.
        self._bytes = 0
        self._body_bytes = 0
        self._shared_bytes = 0
        self._piece_bytes = 0

    def feed(self, data: bytes) -> None:
        """Read some more; NotHTTP if that cannot be, or what is not the body has become too long."""
        messages = self._messages
        self._piece_bytes = len(data)
        try:
            try:
                self._parser.feed_data(data)
            except HttpParserUpgrade as upgrade:
                self._feed_without_upgrade(data, upgrade.args[0])
        except HttpParserError:
            raise NotHTTP from None
        if messages == self._messages:
            self._bytes += self._piece_bytes
            self.head_begun = self.in_head  # by an empty line, too
            if self._bytes - self._body_bytes > HEAD_BYTES_MAX and self._is_too_long():
                raise NotHTTP
        else:
            # How much of this piece belongs to the message that is under way now is not known.
            self._bytes = self._body_bytes
            self._shared_bytes = self._piece_bytes if self.head_begun else 0

    def end(self) -> None:
        """Forget the parser, which knows this object."""
        del self._parser

    @property
    def head_bytes(self) -> int:
        """Return how many bytes have come until the head was complete, at the most.

        A body that came with the head, and the end of the request before it, are in it.
        """
        return self._bytes + self._shared_bytes + self._piece_bytes

    @property
    def method(self) -> str:
        """Return the method."""
        return self._parser.get_method().decode("ascii")

    @property
    def version(self) -> str:
        """Return the version: ``1.1``."""
        return self._parser.get_http_version()

    def path_and_query(self) -> tuple[bytes, bytes]:
        """Return both parts of the target, as they were sent; a parser's error if it has none."""
        target = self.target
        if target.startswith(b"/") and b"#" not in target and target.isascii():
            path, _, query = target.partition(b"?")
            return path, query
        url = parse_url(target)
        return url.path, url.query or b""

    # ── the parser's calls; what they raise, it raises as its own error ──

    def on_message_begin(self) -> None:
        """Begin a head."""
        self.head_begun = True
        self.target = b""
        self.headers = {}
        self.repeated = []

    def on_url(self, url: bytes) -> None:
        """Keep the target, or a part of it."""
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        name = name.lower()
        headers = self.headers
        if name in headers:
            self.repeated.append((name, headers[name]))
        headers[name] = value

    def on_headers_complete(self) -> None:
        """Hand the head over."""
        parser = self._parser
        upgrades = parser.should_upgrade()
        if upgrades and parser.get_method() != b"CONNECT":
            return  # the parser stops here, and is fed this head again
        # After CONNECT the client takes what follows for another protocol.
        self.keeps_alive = parser.should_keep_alive() and not upgrades and parser.get_http_version() != "1.0"
        self.body = self._taken()
        self.in_head = self.head_begun = False
        self.headers = _TRAILERS  # no headers (RFC 9110 6.5.1)

    def on_body(self, body: bytes) -> None:
        """Count what is not the head."""
        self._body_bytes += len(body)
        if self.body is not None:
            self.body.feed(body)

    def on_message_complete(self) -> None:
        """Begin to count the next head."""
        if self.body is None:
            return  # it wants an upgrade, and comes again
        self.body.complete()
        self.body = None
        self.in_head = True
        self._bytes = self._body_bytes = self._shared_bytes = 0
        self._messages += 1

    def _feed_without_upgrade(self, data: bytes, start: int) -> None:
        """Feed the head that wants an upgrade again without that, then the rest.

        The server has no other protocol and may ignore the header (RFC 9110 7.8). The parser has stopped
        behind the head, and would take the body for the next request: whoever sends a body could then send
        requests in another's name. Java's HttpClient asks for h2c with every first request.
        """
        rest = memoryview(data)
        while self._parser.get_method() != b"CONNECT":
            rest = rest[start:]
            headers = (*self.repeated, *self.headers.items())
            kept = b"".join(b"%b: %b\r\n" % header for header in headers if header[0] != b"upgrade")
            version = self._parser.get_http_version().encode("ascii")
            line = b"%b %b HTTP/%b\r\n" % (self._parser.get_method(), self.target, version)
            self._parser = _parser(self)
            try:
                self._parser.feed_data(line + kept + b"\r\n")
                self._parser.feed_data(rest)
                return
            except HttpParserUpgrade as upgrade:
                start = upgrade.args[0]

    def _is_too_long(self) -> bool:
        """Return whether there is more around the body than its chunks, were they of one byte each, need."""
        framed = min(self._body_bytes, BODY_BYTES_MAX)
        return self._bytes - self._body_bytes > HEAD_BYTES_MAX + FRAMING_BYTES_MAX * framed


def _parser(told: Reading) -> HttpRequestParser:
    parser = HttpRequestParser(told)
    parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it
    return parser
