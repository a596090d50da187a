"""The server's side of one HTTP/1.1 connection, on httptools: who answers, in which order, in which bounds.

It stands in the place of uvicorn's protocol (decision 0019); to accept, to stop and to tell the date is still
uvicorn's. The raw request target is kept, because signatures cover it as it was sent (``/v1/customers?`` and
``/v1/customers`` are two targets). What is bounded here is what no application is asked about: a head or
trailers without end, a head that does not come, requests sent ahead, answers that nobody reads, connections
without number. Finer limits are the shell's, in each room's own words. Nothing is logged, because every line
here would be a stranger's to repeat; the room is told of what it refuses.
"""

import asyncio
import math
import resource
from collections import deque
from typing import Any, Final, Protocol, cast
from urllib.parse import unquote_to_bytes

from uvicorn.config import Config
from uvicorn.protocols.utils import get_remote_addr
from uvicorn.server import ServerState

from customary.http.answering import Flow, Openings
from customary.http.body import BODY_SECONDS_MAX
from customary.http.driving import Driver
from customary.http.patience import Patience
from customary.http.reading import NotHTTP, Reading
from customary.http.shell import Answer, Room
from customary.http.turns import PageTurn, RoomTurn

HEAD_SECONDS_MAX: Final = 10.0
WRITE_SECONDS_MAX: Final = 30.0
"""How long a client that has let the buffers fill up may read nothing."""
PIPELINED_MAX: Final = 128
"""Requests that may wait for their turn on one connection."""
_NOTHING, _REQUEST, _HEAD, _REST = range(4)
"""What a client may be given time for: to begin a request, to end a head, or a body that nobody waits for."""


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


class Application(Protocol):
    """What is served: rooms by the prefix of a path, and pages for all the rest."""

    def room_of(self, path: bytes) -> Room | None:
        """Return the room to which a path belongs, or None."""

    def refuse_head(self, target: bytes, answer: Answer) -> None:
        """Answer a request whose head is no HTTP, in the words of whom it was sent to."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request for a page."""


class _TooManyWaiting(Exception):
    """More requests were sent ahead than may wait; raised into the parser, which then stops."""


_openings = Openings()


class Connection(asyncio.Protocol):
    """One connection whose request heads are bounded in size and time, and whose bodies end.

    Requests are answered one at a time, in the order in which they came. The client has a time to send what
    it has begun: the rest of a head, or of a body that nobody waits for any more; while it has begun nothing,
    it may keep quiet for the time of a kept connection.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: object = None,
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.loop = _loop or asyncio.get_running_loop()
        self.transport: Any = None
        self._app = cast(Application, config.loaded_app)
        self._keep_alive_seconds: float = config.timeout_keep_alive
        self._server = server_state
        self.driver = Driver(self.loop, server_state.tasks, self.ended)
        self._reading = Reading(self._taken)
        self._turn: RoomTurn | PageTurn | None = None
        self._waiting = deque[RoomTurn | PageTurn]()
        self._patience = Patience(self.loop, self._give_up)
        self._awaits = _HEAD
        self._unread = Patience(self.loop, self._cut)

    # ── the transport ──

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Give the first head its time, or close a connection that is one too many."""
        self.transport = transport
        self.flow = Flow(transport, self._waiting)
        self._server.connections.add(self)  # type: ignore[arg-type]  # of uvicorn's it asks only shutdown()
        if len(self._server.connections) > CONNECTIONS_MAX:
            self.transport.abort()
        else:
            self._patience.allow(HEAD_SECONDS_MAX)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget what would keep this object alive; tell the request that is under way."""
        self._server.connections.discard(self)
        self._patience.end()
        self._unread.end()
        self._waiting.clear()
        if self._turn is not None:
            self._turn.lose()
        self.flow.resume_writing()  # a page that waits for it finds out that the client is gone
        self._reading.end()

    def eof_received(self) -> None:
        """Let the transport close, which waits until all is written, but not for ever."""
        self._bound_writing()

    def pause_writing(self) -> None:
        """Give the client some time to read; no further request is begun until it does."""
        self.flow.pause_writing()
        self._bound_writing()

    def resume_writing(self) -> None:
        """The client reads; if the connection is to be closed, it has to read the rest as well."""
        self.flow.resume_writing()
        self._unread.lift()
        if self.transport.is_closing():
            self._bound_writing()
        elif self._waiting:
            self.loop.call_soon(self._go_on)

    def shutdown(self) -> None:
        """End the connection when what has come is answered (uvicorn asks, at a stop)."""
        last = self._waiting[-1] if self._waiting else self._turn
        if last is None:
            self.transport.close()
        else:
            last.keep_alive = False

    def data_received(self, data: bytes) -> None:
        """Read on, and answer what is there; end the connection if it is no HTTP, or has no end."""
        reading = self._reading
        try:
            reading.feed(data)
        except NotHTTP:
            self._refuse()
            return
        if self._waiting:
            self._go_on()
            if self._waiting:
                self.flow.pause_reading()
        if reading.head_begun or self._awaits != _REQUEST:
            self._set_deadline()

    # ── turns and answers ──

    def _taken(self) -> RoomTurn | PageTurn:
        """Let the request whose head has come wait for its turn, which is a room's or a page's."""
        if len(self._waiting) - (self._turn is None) >= PIPELINED_MAX:
            raise _TooManyWaiting
        reading = self._reading
        path, query = reading.path_and_query()
        plain = unquote_to_bytes(path) if b"%" in path else path
        room = self._app.room_of(plain)
        turn: RoomTurn | PageTurn
        if room is not None:
            turn = RoomTurn(self, room, reading, path, query)
        else:
            turn = PageTurn(self, self._app, self._server, reading, plain, path, query)
        self._waiting.append(turn)
        self._patience.lift()
        return turn

    @property
    def client_address(self) -> str:
        """Return the client's address, or nothing if it is not known."""
        client = get_remote_addr(self.transport)
        return "" if client is None else client[0]

    def _go_on(self) -> None:
        """Begin the next request, if none is under way and the client reads what it is sent."""
        if (
            self._turn is None
            and self._waiting
            and not self.flow.write_paused
            and not self.transport.is_closing()
        ):
            turn = self._turn = self._waiting.popleft()
            self.flow.resume_reading()  # if it was the last: its body may still have to come
            turn.begin()

    def answer(self, status: int, lines: bytes, body: bytes, ends: bool) -> None:
        """Send the whole answer of the room whose turn it is, if the client is still there.

        ``ends`` says that ``lines`` tell the client that the connection ends with it.
        """
        turn = self._turn
        if not isinstance(turn, RoomTurn) or turn.gone or self.transport.is_closing():
            return
        turn.answered = True
        if turn.method == "HEAD":
            body = b""
        if not (ends or turn.keep_alive):
            lines += b"connection: close\r\n"
            ends = True
        self._write(status, lines, body)
        if ends:
            self.transport.close()

    def _write(self, status: int, lines: bytes, body: bytes, _: bool = False) -> None:
        opening = _openings.of(status, self._server.default_headers)
        self.transport.write(b"".join((opening, lines, b"\r\n", body)))

    def ended(self) -> None:
        """Let the next one have its turn, in one of the event loop's own: other connections wait too."""
        turn, self._turn = self._turn, None
        self._server.total_requests += 1
        if self.transport.is_closing():
            self._bound_writing()
        elif turn is not None and not turn.answered:
            self.transport.close()  # cancelled, by a stop that has waited for long enough
        else:
            if self._waiting:
                self.loop.call_soon(self._go_on)
            self.flow.resume_reading()
            self._set_deadline()

    def _refuse(self) -> None:
        """Refuse what is no HTTP in the words of the room it was sent to, and close the connection.

        Without a word where the client would take it for the answer to another request: while one is under
        way, and in a body, or behind it, whose request has been answered.
        """
        if self.transport.is_closing():
            return
        first = self._turn or (self._waiting[0] if self._waiting else None)
        broken = self._reading.body
        if first is broken and (broken is None or not broken.answered):
            self._app.refuse_head(self._reading.target, self._write)
        if broken is not None:
            broken.lose()
        self._waiting.clear()
        self.transport.close()
        self._bound_writing()

    # ── time ──

    def _set_deadline(self) -> None:
        """Give the client its time for what it has begun to send, or else to keep quiet.

        What it has begun has one deadline, however often some of it comes.
        """
        if self._reading.head_begun:
            awaits, seconds = _HEAD, HEAD_SECONDS_MAX
        elif self._turn is not None or self._waiting:
            awaits, seconds = _NOTHING, math.inf
        elif self._reading.body is not None:
            # The connection is not closed at once: a client that is still sending would never see why.
            awaits, seconds = _REST, BODY_SECONDS_MAX
        else:
            awaits, seconds = _REQUEST, self._keep_alive_seconds
        if awaits != self._awaits or awaits == _REQUEST or not self._patience.is_bounded:
            self._awaits = awaits
            self._patience.allow(seconds)

    def _give_up(self) -> None:
        """End the connection, even if it has not read the last answer: to close it would wait for that."""
        if self._waiting:
            self._patience.allow(HEAD_SECONDS_MAX)  # nothing is read meanwhile, so nothing could have come
        else:
            self._cut()

    def _cut(self) -> None:
        self.transport.abort()

    def _bound_writing(self) -> None:
        if not self._unread.is_bounded and self.transport.get_write_buffer_size():
            self._unread.allow(WRITE_SECONDS_MAX)
