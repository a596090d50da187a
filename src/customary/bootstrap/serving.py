"""The server: one ASGI application of rooms and status pages, its housekeeping, and its start and stop."""

import asyncio
import contextlib
import gc
import ipaddress
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Generator, Sequence
from datetime import datetime
from typing import Any

import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route, Router
from starlette.types import Receive, Scope, Send

from customary import __version__, log
from customary.app import rotation
from customary.app.ports import Sweep
from customary.bootstrap import auditing, documents, status
from customary.bootstrap.auditing import Auditing
from customary.bootstrap.checkpoint_file import CheckpointOutput
from customary.bootstrap.engines import KeptNonces, opened_nonces
from customary.bootstrap.house import House
from customary.bootstrap.memory import forbid_core
from customary.bootstrap.rooms import rooms
from customary.config import Settings
from customary.domain.errors import CustomaryError, Unavailable
from customary.http.protocol import Connection
from customary.http.shell import Answer, Room
from customary.shapes import ConfigurationError

STDOUT = 1
POLL_SECONDS = 0.2
"""How often another process's changes of credentials are noticed; a revocation must hold within a second."""
TURN_SECONDS = 1.0
"""How often it is looked whether root keys turn; whoever turns them waits for it."""
SYNC_SECONDS = 1.0
USES_SECONDS = 5.0
SWEEP_SECONDS = 60.0
SWEPT_AT_ONCE = 1000
SCRUB_SECONDS = 1.0
"""How often it is looked whether a destroyed key is still in a log."""
KEEP_ALIVE_SECONDS = 75

_REFUSED = b"The request is not valid HTTP"
_REFUSED_LINES = b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n"

_log = log.get("serving")


class Application:
    """Says which room a request is for, and sends everything else, as ASGI, to the status pages."""

    def __init__(self, rooms: Sequence[Room], rest: Router, housekeeping: "Housekeeping") -> None:
        # Longest prefix first: ``/api/v1`` before ``/api``.
        longest_first = sorted(rooms, key=lambda room: -len(room.prefix))
        self._rooms = [(room.prefix.encode(), room.prefix.encode() + b"/", room) for room in longest_first]
        self._rest = rest
        self._housekeeping = housekeeping

    def room_of(self, path: bytes) -> Room | None:
        """Return the room to which a path belongs, or None."""
        for prefix, below, room in self._rooms:
            if path.startswith(below) or path == prefix:
                return room
        return None

    def refuse_head(self, target: bytes, answer: Answer) -> None:
        """Answer a request whose head is no HTTP, in its room's words."""
        room = self.room_of(target.partition(b"?")[0])
        if room is not None:
            room.refuse_head(target, answer)
        else:
            answer(400, _REFUSED_LINES % len(_REFUSED), _REFUSED, True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request for a page, or live through one lifespan."""
        if scope["type"] == "http":
            await self._rest(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._housekeeping.lifespan(receive, send)


class Housekeeping:
    """What goes on beside the requests: noticing, sealing, storing, sweeping; and the end of a stop."""

    def __init__(self, house: House, nonces: KeptNonces, auditing: Auditing | None) -> None:
        self._house = house
        self._nonces = nonces
        self._auditing = auditing

    async def lifespan(self, receive: Receive, send: Send) -> None:
        """Run from the start of the server to its stop (the ASGI lifespan protocol)."""
        await receive()
        tasks = [asyncio.create_task(self._notice()), asyncio.create_task(self._keep())]
        if self._auditing is not None:
            tasks.append(asyncio.create_task(self._auditing.keep()))
        for task in tasks:
            task.add_done_callback(_stop_if_failed)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._finish()
        await send({"type": "lifespan.shutdown.complete"})

    async def _notice(self) -> None:
        """Look for what other processes changed, and waits for nothing: a revocation holds in a second."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            await self._house.engine.poll()
            if self._auditing is not None:
                self._auditing.judge()
            log.flush()

    async def _keep(self) -> None:
        every = {
            self._turn: TURN_SECONDS,
            self._sync_nonces: SYNC_SECONDS,
            self._store_uses: USES_SECONDS,
            self._sweep: SWEEP_SECONDS,
            self._scrub: SCRUB_SECONDS,
        }
        due = dict.fromkeys(every, 0.0)
        while True:
            await asyncio.sleep(POLL_SECONDS)
            now = time.monotonic()
            for deed, at in due.items():
                if now >= at:
                    due[deed] = now + every[deed]
                    try:
                        await deed()
                    except CustomaryError as error:  # the disk is full, say: it is tried again
                        _log.warning("housekeeping put off", error=type(error).__name__, detail=error.detail)

    async def _finish(self) -> None:
        for deed in (
            self._house.engine.drained,
            self._store_uses,
            self._sync_nonces,
            self._seal,
            self._nonces.leave,
            self._house.engine.leave,
        ):
            try:
                await deed()
            except CustomaryError as error:
                _log.warning("left undone at stop", error=type(error).__name__, detail=error.detail)
            except OSError as error:
                _log.warning("left undone at stop", error=type(error).__name__, detail=error.strerror)

    async def _turn(self) -> None:
        """Look whether root keys turn; the folder of the root key, say, need not be readable for ever.

        Only here: an OSError of what writes to the store or the ledger has to stop the server.
        """
        try:
            await self._house.notice()
        except OSError as error:
            _log.warning("housekeeping put off", error=type(error).__name__, detail=error.strerror)

    async def _seal(self) -> None:
        while self._auditing is not None and await self._auditing.take_turn():
            pass

    async def _sync_nonces(self) -> None:
        try:
            await self._nonces.keep()
        except OSError:
            _stop_at_once("the journal of nonces cannot be flushed to disk")

    async def _store_uses(self) -> None:
        if self._house.vault is not None:
            await self._house.registry.store_uses()

    async def _scrub(self) -> None:
        if self._house.vault is not None:
            await self._house.eraser.scrub()

    async def _sweep(self) -> None:
        if self._house.vault is not None:
            try:
                await self._house.eraser.go_on()
            except CustomaryError as error:  # no reason to keep longer what has to go
                _log.warning("erasures put off", error=type(error).__name__, detail=error.detail)
            await self._house.eraser.sweep()
            before = self._house.performer.answers_since()
            while await self._house.engine.perform(lambda: _swept(before)) == SWEPT_AT_ONCE:
                pass
            await self._house.engine.perform(lambda: rotation.forget_answers(self._house.dice))


def _stop_if_failed(task: asyncio.Task[None]) -> None:
    """End the process when housekeeping has failed: without it no revocation would be noticed."""
    if not task.cancelled() and task.exception() is not None:
        _log.error("housekeeping has failed", exc_info=task.exception())
        _stop_at_once("housekeeping has failed")


def _swept(before: datetime) -> Generator[Any, Any, int]:
    swept: int = yield Sweep(before, SWEPT_AT_ONCE)
    return swept


def application(house: House, nonces: KeptNonces, auditing: Auditing | None) -> Application:
    """Return the whole ASGI application over an open house; ``auditing`` is None while it is sealed."""
    watch = status.Watch(request_log=house.settings.request_log)
    readiness = status.Readiness(auditing, house.settings.durability, lambda: house.keys_turn)
    watch.audit = auditing
    routes: list[BaseRoute] = [
        Route("/", _index),
        *status.routes(watch, readiness, metrics=house.settings.metrics),
        *documents.routes(),
    ]
    rest = Router(routes, default=_nothing_there, redirect_slashes=False)
    return Application(rooms(house, nonces, watch), rest, Housekeeping(house, nonces, auditing))


def serve(
    settings: Settings, announce: Callable[[House, str], None], *, accept_rollback: bool = False
) -> None:
    """Serve until SIGTERM or SIGINT; ``announce`` is told once, with the address, when requests are taken.

    Raises ConfigurationError if Basic credentials would go in clear over a network or there is no place for
    checkpoints, Unavailable if the address cannot be had, OlderStore if the store is older than its last
    checkpoint (with ``accept_rollback`` it goes on from there), and what opening the house raises.
    """
    _refuse_clear_http(settings)
    forbid_core()
    listener = _listener(settings)
    with listener, House(settings, serving=True, fatal=_stop_at_once) as house:
        auditing = _auditing(house, accept_rollback=accept_rollback)
        nonces = opened_nonces(settings)
        try:
            host, port = listener.getsockname()[:2]
            config = uvicorn.Config(
                application(house, nonces, auditing),
                http=Connection,
                loop="uvloop",
                ws="none",
                lifespan="on",
                access_log=False,
                log_config=None,
                log_level=None,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=settings.shutdown_seconds,
            )
            server = _Server(config)
            server.announce = lambda: announce(house, f"http://{_bracketed(host)}:{port}")
            _log.info(
                "starting",
                version=__version__,
                address=host,
                port=port,
                source=house.opened.root_key_source,
            )
            server.run(sockets=[listener])
            _log.info("stopped")
        finally:
            nonces.close()
            log.flush()


def _auditing(house: House, *, accept_rollback: bool) -> Auditing | None:
    """Return what keeps the trail, after a look whether the store is where its checkpoints say."""
    file = auditing.checkpoint_file(house.settings, house.store_id)
    if house.vault is None:
        return None
    if file is not None and accept_rollback:
        number = auditing.accept_older(house, file, "serve --accept-rollback")
        if number is not None:
            _log.warning("an older state of the store is accepted", checkpoint=number)
    elif file is not None:
        auditing.require_up_to_date(house, file)
    places: list[auditing.Place] = [] if file is None else [auditing.FilePlace(file)]
    if house.settings.checkpoints_to_stdout:
        output = CheckpointOutput(STDOUT, auditing.last_number(house))
        places.append(auditing.OutputPlace(output))
    return Auditing(house, places, house.performer.halt, house.settings.audit_grace_seconds)


class _Server(uvicorn.Server):
    """uvicorn's server, which says when it takes requests and ends quietly on a signal."""

    announce: Callable[[], None]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            _tune_interpreter()
            self.announce()

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        """Stop on SIGTERM and SIGINT; unlike uvicorn's own, do not raise the signal again at the end."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


def _tune_interpreter() -> None:
    """Look for cyclic garbage less often, and never among what lives as long as the server.

    Nearly everything a request makes is freed by counting references; a third of the time of a create went
    into looking for the rest among the modules. And let the committing thread, which has little to do, have
    its turn sooner: those who wait for a commit wait for it.
    """
    sys.setswitchinterval(0.0003)
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


async def _index(_: Request) -> Response:
    return RedirectResponse("/docs")


async def _nothing_there(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        body = {"type": "about:blank", "title": "Not found", "status": 404}
        await JSONResponse(body, 404, media_type="application/problem+json")(scope, receive, send)


def _refuse_clear_http(settings: Settings) -> None:
    """Refuse to take Basic credentials in clear from a network, unless the operator has said so."""
    if "basic" in settings.presentations and not settings.allow_clear_http and not is_loopback(settings.host):
        raise ConfigurationError(
            "host",
            "the settings",
            "a loopback address, because Basic credentials would be sent in clear; put a TLS proxy before the"
            " server and set allow_clear_http",
        )


def is_loopback(host: str) -> bool:
    """Return whether what is sent to that address stays on this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listener(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
        listener.listen(2048)
        listener.set_inheritable(False)
    except OSError as error:
        listener.close()
        raise Unavailable(
            f"Port {settings.port} cannot be listened on; is another server there? Port 0 takes a free one",
            detail=os.strerror(error.errno or 0),
        ) from None
    return listener


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _stop_at_once(reason: str) -> None:
    """End the process: after an I/O error nobody knows what is on disk, and no fsync is tried again."""
    _log.error("the store has failed; stopping at once", detail=reason)
    log.flush()
    os._exit(74)  # EX_IOERR
