"""The log: one line an event on stderr, as JSON or text, with no value that a caller sent.

Three doors lead to the same stream. :func:`get` gives structlog loggers for what happens now and then;
:func:`request_line` writes the line of a request at least cost; the standard library's loggers (uvicorn's,
asyncio's, and those of our own inner layers, which may not import this module) are routed here by
:func:`configure`. All of them pass an allow-list of field names: what is not on it is dropped and only named.
Messages of exceptions are never written, because they may quote what a caller sent; class and frames are.

This module must never know a customer's field, and nothing in it may raise because of what it is told to log.
"""

import atexit
import logging
import os
import re
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal

import msgspec
import structlog

from customary.domain.errors import CustomaryError

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["json", "text"]

RANKS: dict[str, int] = {"debug": 10, "info": 20, "warning": 30, "error": 40}
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"})
PENDING_LINES_MAX = 1_024
TEXT_LENGTH_MAX = 512
LIST_LENGTH_MAX = 64
CAUSES_MAX = 8

_NAMES = """event logger method route room status duration_ms seconds bytes count request_id tenant_id
merchant_id key_id scheme permission action error reason detail frames causes at path address port version
setting source expected process_id attempt migration sequence workers"""
FIELDS = frozenset(_NAMES.split())

# What asyncio says before it quotes callbacks and their arguments, which hold bytes from the wire.
_ASYNCIO_OPENINGS = re.compile(
    "(Task|Future) exception was never retrieved|Task was destroyed but it is pending!|Exception in callback"
    "|Fatal (read|write) error on (socket )?transport|Unhandled exception in client_connected_cb"
)

_encode = msgspec.json.Encoder().encode
_pending: list[bytes] = []
_writing = threading.RLock()  # an exception hook may log while this thread is writing
_stream: BinaryIO | None = None
_least = RANKS["info"]
_as_json = True
_at_once = False
_lost = 0
_clock = (0, "")


def _now() -> str:
    """The instant in RFC 3339 with milliseconds; the seconds are formatted once a second."""
    global _clock
    second, millisecond = divmod(time.time_ns() // 1_000_000, 1_000)
    known, text = _clock
    if known != second:
        text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        _clock = (second, text)
    return f"{text}.{millisecond:03d}Z"


def _put(line: bytes) -> None:
    _pending.append(line)
    if _at_once or len(_pending) >= PENDING_LINES_MAX:
        flush()


def flush() -> None:
    """Write what waits, from any thread; lines that cannot be written are counted, and nothing is raised."""
    global _lost
    with _writing:
        if not (count := len(_pending)):
            return
        lines = _pending[:count]
        del _pending[:count]  # another thread may have appended behind them meanwhile
        if _lost:
            lines.insert(0, _line({"level": "warning", "event": "log lines lost", "count": _lost}))
        stream = _stream or sys.stderr.buffer
        try:
            stream.write(b"\n".join(lines) + b"\n")
            stream.flush()
            _lost = 0
        except (OSError, ValueError):  # a full disk, a closed pipe, a closed file: no reason to stop serving
            _lost += count


class _Request(msgspec.Struct, omit_defaults=True, gc=False):
    timestamp: str
    level: str
    event: str
    method: str
    route: str
    status: int
    duration_ms: float
    bytes: int
    request_id: str
    tenant_id: str | None = None
    key_id: str | None = None


def request_line(
    *,
    method: str,
    route: str,
    status: int,
    duration_us: int,
    request_id: str,
    tenant_id: str | None,
    key_id: str | None,
    bytes_out: int,
) -> None:
    """Log one request; the line waits for :func:`flush`.

    ``route`` is the template and ``request_id`` one that the server made. The method is the one thing here
    that a caller chooses freely, so an unknown one is not repeated. A 5xx is an error, all else information.
    """
    level = "info" if status < 500 else "error"
    if RANKS[level] < _least:
        return
    method = method if method in METHODS else "other"
    took = duration_us / 1_000
    if _as_json:
        fields = (
            _now(),
            level,
            "request",
            method,
            route,
            status,
            took,
            bytes_out,
            request_id,
            tenant_id,
            key_id,
        )
        line = _encode(_Request(*fields))
    else:
        ids = f"request_id={_word(request_id)} tenant_id={tenant_id or '-'} key_id={key_id or '-'}"
        what = f"method={method} route={route} status={status} duration_ms={took} bytes={bytes_out}"
        line = f"{_now()} {level:<7} request {what} {ids}".encode("utf-8", "backslashreplace")
    _put(line)


def _word(value: object) -> str:
    """One value in a text line: quoted where white space or a control character would break the line."""
    text = " < ".join(value) if isinstance(value, list) else str(value)
    return text if text.isprintable() and " " not in text and text else ascii(text)


def _line(fields: Mapping[str, object]) -> bytes:
    if _as_json:
        return _encode({"timestamp": _now(), **fields})
    event = _word(fields["event"]).strip("'")
    rest = "".join(
        f" {name}={_word(value)}" for name, value in fields.items() if name not in ("level", "event")
    )
    return f"{_now()} {fields['level']:<7} {event}{rest}".encode("utf-8", "backslashreplace")


def _text(value: str) -> str:
    """The text, cut, and without the lone surrogates that no encoder takes."""
    return value[:TEXT_LENGTH_MAX].encode("utf-8", "backslashreplace").decode()


def _speakable(value: object) -> object:
    """The value in a form that any encoder takes, or None: an object's own text could say anything."""
    if isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else f"{value.bit_length()} bits"
    if isinstance(value, list | tuple):
        return [_text(item) for item in value[:LIST_LENGTH_MAX] if isinstance(item, str)]
    return _text(str(value)) if isinstance(value, str | Path) else None


def redacted(fields: Mapping[str, object]) -> dict[str, object]:
    """The fields that are on the list, and the names of the others under ``dropped``.

    >>> redacted({"event": "started", "port": 8080, "email": "a@example.com"})
    {'event': 'started', 'port': 8080, 'dropped': ['email']}
    """
    kept: dict[str, object] = {}
    dropped: list[str] = []
    for name, value in fields.items():
        if value is None:
            continue
        speakable = _speakable(value) if name in FIELDS else None
        if speakable is None:
            dropped.append(name if re.fullmatch("[A-Za-z_][A-Za-z0-9_]{0,63}", name) else "?")
        elif name == "method" and speakable not in METHODS:
            kept[name] = "other"
        else:
            kept[name] = speakable
    if dropped:
        kept["dropped"] = sorted(set(dropped))[:LIST_LENGTH_MAX]
    return kept


def _class_name(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _place(path: str, line: int, function: str) -> str:
    short = re.sub(r".*/(?:site-packages|src|lib(?:64)?/python3\.\d+)/", "", path)
    return f"{short}:{line}:{function}"


def _frames(trace: TracebackType | None) -> list[str]:
    """Where the error passed, innermost last; read from the code objects, so no source line is opened."""
    walked = [(frame.f_code, line) for frame, line in traceback.walk_tb(trace)]
    return [_place(code.co_filename, line, code.co_qualname) for code, line in walked[-LIST_LENGTH_MAX:]]


def _behind(error: BaseException) -> list[BaseException]:
    """The errors that led to this one, nearest first, each once."""
    found, waiting = list[BaseException](), [error]
    while waiting and len(found) <= CAUSES_MAX:
        here = waiting.pop(0)
        if not any(here is other for other in found):
            found.append(here)
            nearest = here.__cause__ or (None if here.__suppress_context__ else here.__context__)
            waiting += [nearest] if nearest else []
            waiting += here.exceptions if isinstance(here, BaseExceptionGroup) else []
    return found[1:]


def described(error: BaseException) -> dict[str, object]:
    """What may be said of an error: class, frames, causes, never its message.

    The operator's ``detail`` of our own refusals is written to be logged; of the operating system's errors
    the reason is looked up by number, since their text may hold a path or an address.
    """
    fields: dict[str, object] = {"error": _class_name(error)}
    if isinstance(error, CustomaryError) and error.detail:
        fields["detail"] = error.detail
    if isinstance(error, OSError) and isinstance(error.errno, int):
        fields["reason"] = os.strerror(error.errno)
    if frames := _frames(error.__traceback__):
        fields["frames"] = frames
    if behind := _behind(error):
        fields["causes"] = [" at ".join([_class_name(e), *_frames(e.__traceback__)[-1:]]) for e in behind]
    return fields


def _emit(level: str, fields: Mapping[str, object]) -> None:
    if RANKS[level] >= _least:
        _put(_line({"level": level, **redacted(fields)}))
        flush()


class Logger(structlog.BoundLoggerBase):
    """A structlog logger whose event is a constant and whose values are named fields.

    It takes no positional arguments after the event: ``%s`` would put values where no list can stop them.
    ``exc_info`` may be True, within an except block, or the error.
    """

    def debug(self, event: str, /, **fields: object) -> None:
        self._proxy_to_logger("debug", event, **fields)

    def info(self, event: str, /, **fields: object) -> None:
        self._proxy_to_logger("info", event, **fields)

    def warning(self, event: str, /, **fields: object) -> None:
        self._proxy_to_logger("warning", event, **fields)

    def error(self, event: str, /, **fields: object) -> None:
        self._proxy_to_logger("error", event, **fields)

    def exception(self, event: str, /, **fields: object) -> None:
        self._proxy_to_logger("error", event, exc_info=True, **fields)


def _to_stream(_: object, level: str, fields: MutableMapping[str, Any]) -> str:
    """The one processor: it says what may be said of an error, redacts, writes, and ends the chain."""
    given = fields.pop("exc_info", None)
    error = given[1] if isinstance(given, tuple) else sys.exception() if given is True else given
    if isinstance(fields["event"], BaseException):
        error, fields["event"] = fields["event"], "error"
    said = described(error) if isinstance(error, BaseException) else {}
    _emit(level if level in RANKS else "error", {**fields, **said})
    raise structlog.DropEvent


def get(name: str) -> Logger:
    """A logger whose lines carry ``name``; made before :func:`configure`, it follows it all the same."""
    return Logger(None, [_to_stream], {"logger": name})


_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message", "taskName"}


def _filled(template: str, args: object) -> str:
    """The template with whole numbers in their places and an ellipsis for everything else."""
    values = args if isinstance(args, tuple) else (args,)
    try:
        return template % tuple(value if type(value) is int else "…" for value in values)
    except (TypeError, ValueError):  # %d met an ellipsis, or the arguments are a mapping
        return template


def _foreign(record: logging.LogRecord) -> dict[str, object]:
    """What may be said of a record of the standard library's logging.

    Templates of uvicorn and of our own layers are constants. A text that somebody put together may quote
    anything, so of other loggers only the place of the call is told, and of a traceback only its frames.
    """
    message, own = record.msg, record.name.split(".")[0]
    if isinstance(message, BaseException):
        return {"event": "error", **described(message)}
    if not isinstance(message, str):
        return {"event": type(message).__name__}
    if "Traceback (most recent call last)" in message:  # Starlette reports a failed start as such a text
        # The first line that is not indented names the class, and all behind it is the error's message.
        kind = re.search(r"(?m)^(?!Traceback)[A-Za-z_][\w.]*", message)
        before = message[: kind.start()] if kind else message
        places = re.findall(r'(?m)^  File "(.+)", line (\d+), in (\S+)', before)
        frames = [_place(path, int(line), function) for path, line, function in places]
        return {"event": "error", "error": kind.group() if kind else "unknown", "frames": frames}
    if own in ("uvicorn", "customary"):
        return {"event": _filled(message.strip().split("\n")[0], record.args)}
    place = _place(record.pathname, record.lineno, record.funcName)
    opening = _ASYNCIO_OPENINGS.match(message) if own == "asyncio" else None
    return {"event": opening.group() if opening else "message withheld", "at": place}


class _Routed(logging.Handler):
    """Writes the standard library's records as our lines."""

    def emit(self, record: logging.LogRecord) -> None:
        level = next((name for name in reversed(RANKS) if record.levelno >= RANKS[name]), "debug")
        fields = {**_foreign(record), "logger": record.name}
        if record.name.startswith("customary"):
            fields |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info and record.exc_info[1]:
            fields |= described(record.exc_info[1])
        _emit(level, fields)


def configure(level: Level = "info", format: Format = "json", stream: BinaryIO | None = None) -> None:
    """Set level, form and stream (stderr by default) of everything that logs in this process.

    Start uvicorn with ``log_config=None, log_level=None, access_log=False``, or it brings its own handlers.
    """
    global _stream, _least, _as_json, _at_once
    flush()
    _stream, _least, _as_json = stream, RANKS[level], format == "json"
    _at_once = (stream or sys.stderr.buffer).isatty()
    root = logging.getLogger()
    for handler in root.handlers[:]:  # only ours and plain ones to a stream; a test's own collector stays
        if isinstance(handler, _Routed) or type(handler) is logging.StreamHandler:
            root.removeHandler(handler)
    root.addHandler(_Routed())
    root.setLevel(_least)
    logging.raiseExceptions = False  # a failing handler would print the message and its arguments
    for name in ("uvicorn", "uvicorn.error", "uvicorn.asgi", "uvicorn.access"):
        routed = logging.getLogger(name)
        routed.handlers.clear()
        routed.setLevel(logging.NOTSET)
        routed.propagate = name != "uvicorn.access"
        routed.disabled = name == "uvicorn.access"  # it would quote the path; request_line speaks instead
    structlog.configure(processors=[_to_stream], wrapper_class=Logger, context_class=dict)


def guard_process() -> None:
    """Log what nobody caught, and warnings, in our form: Python itself would print their messages."""
    log = get("python")

    def uncaught(kind: type[BaseException], error: BaseException | None, _: TracebackType | None) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            log.error("uncaught error", error=kind.__qualname__, exc_info=error)

    def elsewhere(given: Any) -> None:  # in a thread, or where it could not be raised; two types, one shape
        uncaught(given.exc_type, given.exc_value, given.exc_traceback)

    def warned(message: Any, category: type[Warning], filename: str, lineno: int, *_: Any, **__: Any) -> None:
        log.warning("warning", error=category.__name__, at=_place(filename, lineno, "?"))

    sys.excepthook, threading.excepthook, sys.unraisablehook = uncaught, elsewhere, elsewhere
    warnings.showwarning = warned


atexit.register(flush)
