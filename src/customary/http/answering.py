"""What goes over the wire around a room's answer, and when reading goes on behind it."""

from collections.abc import Sized
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from customary.http.exchange import Pair


class Openings(dict[int, bytes]):
    """How the answer of each status begins: its line, and the server's own headers (the date).

    They are rendered anew when those headers are replaced, which uvicorn does once a second.
    """

    headers: list[Pair] | None = None

    def of(self, status: int, headers: list[Pair]) -> bytes:
        """Return the opening of an answer."""
        if headers is not self.headers:
            self.headers = headers
            self.clear()
        opening = self.get(status)
        if opening is None:
            lines = [b"%b: %b\r\n" % header for header in headers]
            opening = self[status] = b"".join((STATUS_LINE[status], *lines))
        return opening


class Flow(FlowControl):
    """Reads on only when no request waits for its turn: they could be sent faster than answered."""

    def __init__(self, transport: Any, waiting: Sized) -> None:
        super().__init__(transport)
        self._waiting = waiting

    def resume_reading(self) -> None:
        """Read on, unless requests wait."""
        if self.read_paused and not self._waiting:
            super().resume_reading()
