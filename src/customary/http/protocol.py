"""The HTTP/1.1 protocol of the server: uvicorn's on httptools, with bounds that it lacks.

The raw request target is kept, because signatures cover it as it was sent (``/v1/customers?`` and
``/v1/customers`` are two targets). A head that is endless or does not arrive is cut off, because no
application is asked before the head is complete. Finer limits are the shell's, in each room's own words.
"""

from asyncio import TimerHandle
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from customary.http.body import BODY_SECONDS_MAX
from customary.http.exchange import HEAD_BYTES, RAW_TARGET

HEAD_BYTES_MAX = 64 * 1024
HEAD_SECONDS_MAX = 10.0


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection whose request heads are bounded in size and time, and whose bodies end.

    A connection is in a head from the end of one request until the head of the next is complete. While no
    byte of it has come it is idle, which is the keep-alive timeout's; the first has ten seconds as well.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = True
        self._head_bytes = 0
        self._head_begun = False
        self._requests = 0
        self._timer: TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Give the first head its time."""
        super().connection_made(transport)
        self._start_timer(HEAD_SECONDS_MAX)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser; end the connection if a head has become too long.

        Counted is what came while no head was complete, so that a body that came along, or another request,
        is never taken for a part of the head.
        """
        requests = self._requests
        self._chunk_bytes = len(data)
        super().data_received(data)
        if not self._in_head or self.transport.is_closing():
            return
        if requests == self._requests:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self.send_400_response("The request head is too long.")
                return
        elif not self._head_begun:
            return  # the request ended with these bytes, and nothing of the next has come
        if self._timer is None:
            self._start_timer(HEAD_SECONDS_MAX)

    def on_message_begin(self) -> None:
        """Note that something of a head has come."""
        self._head_begun = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Keep the raw target; the head has come in time."""
        self._in_head = False
        self._stop_timer()
        self.scope[RAW_TARGET] = self.url  # type: ignore[literal-required]  # ours
        # At the most: a body that came with the head, and the end of the request before it, are in it.
        self.scope[HEAD_BYTES] = self._head_bytes + self._chunk_bytes  # type: ignore[literal-required]  # ours
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Begin to count the next head."""
        self._in_head = True
        self._head_begun = False
        self._head_bytes = 0
        self._requests += 1
        self._stop_timer()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Give the rest of a body that nobody waits for some time, or it could trickle in for ever.

        The connection is not closed at once, because a client that is still sending would never see why.
        """
        super().on_response_complete()
        if not self._in_head and self._timer is None and not self.transport.is_closing():
            self._start_timer(BODY_SECONDS_MAX)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP in the words of the room it was sent to, and close the connection."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.close()  # an answer here would be taken for the one that is under way
            return
        body, headers = self.app.refusal_of_head(getattr(self, "url", b""))
        head = b"".join(b"%b: %b\r\n" % header for header in headers)
        self.transport.write(
            b"HTTP/1.1 400 Bad Request\r\n%bcontent-length: %d\r\nconnection: close\r\n\r\n%b"
            % (head, len(body), body)
        )
        self.transport.close()

    def _give_up(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self.transport.close()

    def _start_timer(self, seconds: float) -> None:
        self._timer = self.loop.call_later(seconds, self._give_up)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
