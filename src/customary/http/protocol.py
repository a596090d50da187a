"""The HTTP/1.1 protocol of the server: uvicorn's on httptools, with bounds that it lacks.

The raw request target is kept, because signatures cover it as it was sent (``/v1/customers?`` and
``/v1/customers`` are two targets). What is bounded here is what no application is asked about: a head or
trailers without end, a head that does not come, requests sent ahead, answers that nobody reads, connections
without number. Finer limits are the shell's, in each room's own words. Nothing is logged, because every line
here would be a stranger's to repeat; the room is told of what it refuses.
"""

import resource
from asyncio import TimerHandle
from collections.abc import Sized
from functools import partial
from typing import Any, Final

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from customary.http.answering import ANSWER_AT_ONCE, answered_at_once
from customary.http.body import BODY_BYTES_MAX, BODY_SECONDS_MAX
from customary.http.exchange import HEAD_BYTES, RAW_TARGET

HEAD_BYTES_MAX: Final = 64 * 1024
"""All of a message that is not its body: request line, headers, what frames the chunks, trailers."""
FRAMING_BYTES_MAX: Final = 8
"""What may frame one byte of a body on top of that: ``1 CRLF x CRLF`` has five bytes that are no body."""
HEAD_SECONDS_MAX: Final = 10.0
WRITE_SECONDS_MAX: Final = 30.0
"""How long a client that has let the buffers fill up may read nothing."""
PIPELINED_MAX: Final = 128
"""Requests that may wait for their turn on one connection."""


def connections_max(files_max: int) -> int:
    """Return how many connections a process with so many file descriptors may hold.

    Some are left for the database, its log and its readers; and 4,096 are enough, because each may cost some
    hundred kilobytes. One more is closed as soon as it is accepted: were it left in the listener's queue, or
    the descriptors used up, no other client and no health check would get in either.

    >>> connections_max(1024), connections_max(100), connections_max(resource.RLIM_INFINITY)
    (896, 50, 4096)
    """
    if files_max == resource.RLIM_INFINITY:
        return 4096
    return min(4096, files_max - min(128, files_max // 2))


CONNECTIONS_MAX: Final = connections_max(resource.getrlimit(resource.RLIMIT_NOFILE)[0])


class _TooManyWaiting(Exception):
    """More requests were sent ahead than may wait; raised into the parser, which then stops."""


class _Dropped(list[tuple[bytes, bytes]]):
    """A list of headers that keeps none."""

    def append(self, _: tuple[bytes, bytes]) -> None:
        pass


_TRAILERS = _Dropped()


class _Flow(FlowControl):
    """Reads on only when no request waits for its turn.

    uvicorn's reads on after every answer, so that requests which are sent faster than answered pile up.
    """

    def __init__(self, transport: Any, waiting: Sized) -> None:
        super().__init__(transport)
        self._waiting = waiting

    def resume_reading(self) -> None:
        if self.read_paused and not self._waiting:
            super().resume_reading()


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection whose request heads are bounded in size and time, and whose bodies end.

    A connection is in a head from the end of one request until the head of the next is complete. While no
    byte of it has come it is idle, which is the keep-alive timeout's; the first has ten seconds as well.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = True
        self._head_begun = False
        self._requests = 0
        # Of the message under way: what came in earlier pieces, and how much of all of it is its body; and
        # the size of a piece that had the end of another message as well, which the first leaves out.
        self._bytes = 0
        self._body_bytes = 0
        self._shared_bytes = 0
        self._piece_bytes = 0
        self._under_way: RequestResponseCycle | None = None
        self._timer: TimerHandle | None = None
        self._write_timer: TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Give the first head its time, or close a connection that is one too many."""
        super().connection_made(transport)
        self.flow = _Flow(transport, self.pipeline)
        if len(self.connections) > CONNECTIONS_MAX:
            transport.abort()
        else:
            self._start_timer(HEAD_SECONDS_MAX)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timers, which would keep this object alive; tell the request that is under way.

        uvicorn tells the last one, and logs an error when one before it is then answered.
        """
        self._stop_timer()
        self._stop_write_timer()
        self._unset_keepalive_if_required()  # uvicorn forgets it if the connection was reset
        if self._under_way is not None:
            self._under_way.disconnected = True
            self._under_way.message_event.set()
        super().connection_lost(exc)

    def eof_received(self) -> None:
        """Let the transport close, which waits until all is written, but not for ever."""
        self._bound_writing()

    def data_received(self, data: bytes) -> None:
        """Feed the parser; end the connection if what is not the body has become too long.

        This is instead of uvicorn's, which logs what it refuses, and loses what comes with an Upgrade.
        """
        if self.timeout_keep_alive_task is not None:
            self._unset_keepalive_if_required()
        requests = self._requests
        self._piece_bytes = len(data)
        try:
            self.parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            if not self._fed_without_upgrade(data, upgrade.args[0]):
                return
        except HttpParserError:
            self.send_400_response("The request is not valid HTTP.")
            return
        if requests != self._requests:
            # How much of this piece belongs to the message that is under way now is not known.
            self._bytes = self._body_bytes
            if not self._head_begun:
                return  # the request ended with these bytes, and nothing of the next has come
            self._shared_bytes = self._piece_bytes
        else:
            self._bytes += self._piece_bytes
            if self._bytes - self._body_bytes > HEAD_BYTES_MAX and self._is_too_long():
                self.send_400_response("The request head is too long.")
                return
        if self._in_head and self._timer is None and not self.transport.is_closing():
            self._start_timer(HEAD_SECONDS_MAX)

    def on_message_begin(self) -> None:
        """Note that something of a head has come."""
        self._head_begun = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Keep the raw target; the head has come in time."""
        upgrades = self.parser.should_upgrade()
        if upgrades and self.parser.get_method() != b"CONNECT":
            return  # the parser stops here, and is fed this head again
        if len(self.pipeline) >= PIPELINED_MAX:
            raise _TooManyWaiting
        self.scope[RAW_TARGET] = self.url  # type: ignore[literal-required]  # ours
        # At the most: a body that came with the head, and the end of the request before it, are in it.
        self.scope[HEAD_BYTES] = self._bytes + self._shared_bytes + self._piece_bytes  # type: ignore[literal-required]  # ours
        before = self.cycle
        super().on_headers_complete()
        self.scope[ANSWER_AT_ONCE] = partial(answered_at_once, self.cycle)  # type: ignore[literal-required]  # ours
        if len(self.pipeline) == 1:
            self._under_way = before
        self._in_head = False
        self.headers = _TRAILERS  # no headers (RFC 9110 6.5.1); the scope keeps the list that was here
        self._stop_timer()
        if upgrades:
            self.cycle.keep_alive = False  # the client takes what follows for another protocol

    def on_body(self, body: bytes) -> None:
        """Count what is not the head."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Begin to count the next head."""
        if self._in_head:
            return  # it wants an upgrade, and comes again
        self._in_head = True
        self._head_begun = False
        self._bytes = self._body_bytes = self._shared_bytes = 0
        self._requests += 1
        self._stop_timer()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Give the rest of a body that nobody waits for some time, or it could trickle in for ever.

        The connection is not closed at once, because a client that is still sending would never see why.
        """
        if self.pipeline:
            self._under_way = self.pipeline[-1][0]
        super().on_response_complete()
        if self.transport.is_closing():
            self._bound_writing()
        elif not self._in_head and self._timer is None:
            self._start_timer(BODY_SECONDS_MAX)

    def pause_writing(self) -> None:
        """Give the client some time to read."""
        super().pause_writing()
        self._bound_writing()

    def resume_writing(self) -> None:
        """The client reads; if the connection is to be closed, it has to read the rest as well."""
        super().resume_writing()
        self._stop_write_timer()
        if self.transport.is_closing():
            self._bound_writing()

    def timeout_keep_alive_handler(self) -> None:
        """End a connection that was idle for too long, even if the last answer was not read."""
        self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP in the words of the room it was sent to, and close the connection.

        Without a word where the client would take it for the answer to another request: while one is under
        way, and in a body, or behind it, whose request has been answered.
        """
        if self.transport.is_closing():
            return
        cycle = self.cycle
        if self._in_head:
            is_next = cycle is None or cycle.response_complete
        else:
            is_next = not self.pipeline and not cycle.response_started
            cycle.disconnected = True
            cycle.message_event.set()
        if is_next:
            body, headers = self.app.refusal_of_head(getattr(self, "url", b""))
            head = b"".join(b"%b: %b\r\n" % header for header in headers)
            self.transport.write(
                b"HTTP/1.1 400 Bad Request\r\n%bcontent-length: %d\r\nconnection: close\r\n\r\n%b"
                % (head, len(body), body)
            )
        self.transport.close()
        self._bound_writing()

    def _fed_without_upgrade(self, data: bytes, start: int) -> bool:
        """Feed the head that wants an upgrade again without that, then the rest; return whether to go on.

        The server has no other protocol and may ignore the header (RFC 9110 7.8). The parser has stopped
        behind the head, and would take the body for the next request: whoever sends a body could then send
        requests in another's name. Java's HttpClient asks for h2c with every first request.
        """
        rest = memoryview(data)
        while True:
            if self.parser.get_method() == b"CONNECT":
                return False
            rest = rest[start:]
            kept = b"".join(b"%b: %b\r\n" % header for header in self.headers if header[0] != b"upgrade")
            version = self.parser.get_http_version().encode("ascii")
            line = b"%b %b HTTP/%b\r\n" % (self.parser.get_method(), self.url, version)
            self.parser = HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it
            try:
                self.parser.feed_data(line + kept + b"\r\n")
                self.parser.feed_data(rest)
                return True
            except HttpParserUpgrade as upgrade:
                start = upgrade.args[0]
            except HttpParserError:
                self.send_400_response("The request is not valid HTTP.")
                return False

    def _is_too_long(self) -> bool:
        """Return whether there is more around the body than its chunks, were they of one byte each, need."""
        framed = min(self._body_bytes, BODY_BYTES_MAX)
        return self._bytes - self._body_bytes > HEAD_BYTES_MAX + FRAMING_BYTES_MAX * framed

    def _bound_writing(self) -> None:
        if self._write_timer is None and self.transport.get_write_buffer_size():
            self._write_timer = self.loop.call_later(WRITE_SECONDS_MAX, self.transport.abort)

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _give_up(self) -> None:
        self._timer = None
        if self.pipeline:
            self._start_timer(HEAD_SECONDS_MAX)  # nothing is read meanwhile, so nothing could have come
        else:
            self.transport.abort()  # close() would wait for the client to read

    def _start_timer(self, seconds: float) -> None:
        self._timer = self.loop.call_later(seconds, self._give_up)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
