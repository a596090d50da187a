"""One request of a connection, from its head to its answer: a room is run by hand, a page as ASGI has it.

Both kinds of turn are begun, are fed their body, and may lose their client. Whose turn it is, and what goes
over the wire around an answer, is the connection's.
"""

import asyncio
import logging
from typing import Any, Final, Protocol

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.protocols.utils import get_local_addr, get_remote_addr
from uvicorn.server import ServerState

from customary.http.answering import Flow
from customary.http.body import BODY_BYTES_MAX, Disconnected
from customary.http.driving import Driver
from customary.http.exchange import Exchange
from customary.http.reading import Reading
from customary.http.shell import Room

PAGE_BODY_BYTES_MAX: Final = 65_536
"""How much of a body is read before the page asks for it."""
_LOG: Final = logging.getLogger("uvicorn.error")
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Line(Protocol):
    """What a turn needs of its connection."""

    loop: asyncio.AbstractEventLoop
    transport: Any
    flow: Flow
    driver: Driver

    @property
    def client_address(self) -> str:
        """Return the client's address, or nothing if it is not known."""

    def answer(self, status: int, lines: bytes, body: bytes, ends: bool) -> None:
        """Send the answer to the turn that is under way."""

    def ended(self) -> None:
        """The turn that is under way has ended."""


class RoomTurn(Exchange):
    """A request to a room, which sees no more of it than an Exchange."""

    __slots__ = ("_came", "_line", "_reader", "_room", "answered", "gone", "keep_alive")

    def __init__(self, line: Line, room: Room, reading: Reading, path: bytes, query: bytes) -> None:
        super().__init__(
            reading.method,
            reading.target,
            path,
            query,
            reading.headers,
            reading.repeated,
            reading.head_bytes,
        )
        self._line = line
        self._room = room
        self._came: bytes | bytearray = b""
        self._reader: asyncio.Future[None] | None = None
        self.keep_alive = reading.keeps_alive
        self.answered = False
        self.gone = False

    def begin(self) -> None:
        """Have the room answer: here and now, unless it has to wait."""
        self._line.driver.run(self._room(self, self._line.answer))

    def feed(self, piece: bytes) -> None:
        """Keep some more of the body, up to one piece more than a room takes."""
        if not self._came:
            self._came = piece
        elif len(self._came) <= BODY_BYTES_MAX:
            if type(self._came) is bytes:
                self._came = bytearray(self._came)  # thousands of pieces cost thousands of copies otherwise
            self._came += piece
        if len(self._came) > BODY_BYTES_MAX:
            self._wake()

    def complete(self) -> None:
        """Let the room have the whole body."""
        self.arrived = bytes(self._came)
        self._wake()

    def lose(self) -> None:
        """The client is gone; what is being done is done to its end."""
        self.gone = True
        self._wake()

    async def whole_body(self) -> bytes:
        """Return the body when all of it has come, or more than is taken; Disconnected if it never does."""
        if self.headers.get(b"expect", b"").lower() == b"100-continue" and not self._came:
            self._line.transport.write(_CONTINUE)
        if self.arrived is None and len(self._came) <= BODY_BYTES_MAX and not self.gone:
            self._reader = self._line.loop.create_future()
            await self._reader
        if self.arrived is None and self.gone:
            raise Disconnected
        return bytes(self._came)

    @property
    def client_address(self) -> str:
        """Return from where the request was sent."""
        return self._line.client_address

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)


class PageTurn(RequestResponseCycle):
    """A request to a page: uvicorn's own, which speaks ASGI to it."""

    def __init__(
        self,
        line: Line,
        app: Any,
        server: ServerState,
        reading: Reading,
        plain_path: bytes,
        path: bytes,
        query: bytes,
    ) -> None:
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": reading.version,
            "server": get_local_addr(line.transport),
            "client": get_remote_addr(line.transport),
            "scheme": "http",
            "root_path": "",
            "method": reading.method,
            "headers": [*reading.repeated, *reading.headers.items()],
            "path": plain_path.decode("utf-8", "replace"),
            "raw_path": path,
            "query_string": query,
        }
        super().__init__(
            scope=scope,  # type: ignore[arg-type]  # one kind of scope, and a plain dict is it
            transport=line.transport,
            flow=line.flow,
            logger=_LOG,
            access_logger=_LOG,
            access_log=False,
            default_headers=server.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=(b"expect", b"100-continue") in scope["headers"],
            keep_alive=reading.keeps_alive,
            on_response=line.ended,
        )
        self._loop = line.loop
        self._app = app
        self._tasks = server.tasks

    @property
    def answered(self) -> bool:
        """Return whether an answer was begun."""
        return self.response_started

    def begin(self) -> None:
        """Have the page answer, in a task."""
        task = self._loop.create_task(self.run_asgi(self._app))
        task.add_done_callback(self._tasks.discard)
        self._tasks.add(task)

    def feed(self, piece: bytes) -> None:
        """Keep some more of the body until the page asks for it."""
        if not self.response_complete:
            self.body += piece
            if len(self.body) > PAGE_BODY_BYTES_MAX:
                self.flow.pause_reading()
            self.message_event.set()

    def complete(self) -> None:
        """Let the page know that this was the body."""
        self.more_body = False
        self.message_event.set()

    def lose(self) -> None:
        """The client is gone."""
        self.disconnected = True
        self.message_event.set()
