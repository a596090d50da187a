"""The HTTP/1.1 protocol of the server: uvicorn's on httptools, with bounds that it lacks.

The raw request target is kept, because signatures cover it as it was sent (``/v1/customers?`` and
``/v1/customers`` are two targets). A head that is endless or does not arrive is cut off, because no
application is asked before the head is complete. Finer limits are the shell's, in each room's own words.
"""

from asyncio import TimerHandle
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from customary.http.exchange import RAW_TARGET

HEAD_BYTES_MAX = 64 * 1024
HEAD_SECONDS_MAX = 10.0


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection whose request heads are bounded in size and time."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_bytes = 0
        self._in_head = True
        self._head_timer: TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Give the first head its time."""
        super().connection_made(transport)
        self._head_timer = self.loop.call_later(HEAD_SECONDS_MAX, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, unless the head has become too long."""
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX + 64 * 1024:
                self.send_400_response("The request head is too long.")
                return
        super().data_received(data)
        if self._in_head and self._head_timer is None and not self.transport.is_closing():
            self._head_timer = self.loop.call_later(HEAD_SECONDS_MAX, self._give_up)

    def on_message_begin(self) -> None:
        """Begin to count a head."""
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Keep the raw target and stop counting."""
        self._in_head = False
        self._head_bytes = 0
        self._stop_timer()
        self.scope[RAW_TARGET] = self.url  # type: ignore[literal-required]  # ours
        super().on_headers_complete()

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
        self._head_timer = None
        if self._in_head and not self.transport.is_closing():
            self.transport.close()

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
