"""What the log promises: one parsable line an event, and no value that a caller sent, whoever speaks."""

import io
import json
import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from customary import log
from customary.domain.errors import Unavailable

CANARY = "canary-3f9a"


class Screen(io.BytesIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def stream() -> Iterator[io.BytesIO]:
    """The log's stream in JSON; what the test process had before is put back."""
    root = logging.getLogger()
    before = root.handlers[:], root.level, logging.raiseExceptions
    opened = io.BytesIO()
    log.configure("info", "json", opened)
    yield opened
    log.configure()
    root.handlers[:], root.level, logging.raiseExceptions = before


def _lines(stream: io.BytesIO) -> list[dict[str, Any]]:
    log.flush()
    text = stream.getvalue().decode()
    assert CANARY not in text
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def _request(**changes: Any) -> None:
    fields: dict[str, Any] = {
        "method": "GET",
        "route": "/v1/customers/{id}",
        "status": 200,
        "duration_us": 1_234,
        "request_id": "r1",
        "tenant_id": "t1",
        "key_id": None,
        "bytes_out": 512,
    }
    log.request_line(**{**fields, **changes})


def test_a_field_that_is_not_listed_is_dropped_and_named(stream: io.BytesIO) -> None:
    """A new field is unsafe until somebody put it on the list; its name shows that it is missing."""
    log.get("boot").info(
        "started", port=8080, path=Path("/srv/root.key"), email=CANARY, **{"odd " + CANARY: 1}
    )
    (line,) = _lines(stream)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("timestamp"))
    assert line == {
        "level": "info",
        "event": "started",
        "logger": "boot",
        "port": 8080,
        "path": "/srv/root.key",
        "dropped": ["?", "email"],
    }


def test_an_object_does_not_speak_for_itself(stream: io.BytesIO) -> None:
    """A listed field holds a plain value; an object's own text, such as an error's, could say anything."""
    log.get("boot").warning("odd", detail=ValueError(CANARY), reason={"a": CANARY}, method=CANARY, level="x")
    (line,) = _lines(stream)
    assert line["dropped"] == ["detail", "level", "reason"]
    assert (line["method"], line["level"]) == ("other", "warning")


def test_no_value_makes_the_log_raise(stream: io.BytesIO) -> None:
    """Lone surrogates, huge numbers and long texts are written in some form, never raised about."""
    log.get("boot").info(
        "odd", detail="\ud800" + "x" * 5_000, count=2**80, seconds=float("nan"), frames=["\udfff"]
    )
    (line,) = _lines(stream)
    assert line["detail"].startswith("\\ud800x")
    assert len(line["detail"]) < 600
    assert line["count"] == "81 bits"


def _fail() -> None:
    secret = CANARY
    try:
        raise KeyError(secret)
    except KeyError as error:
        raise ValueError(f"could not use {secret}") from error


def test_an_error_is_class_frames_and_causes_without_messages(stream: io.BytesIO) -> None:
    """Messages may carry values; where it happened and what led to it is told without them."""
    try:
        _fail()
    except ValueError:
        log.get("writer").exception("batch failed")
    (line,) = _lines(stream)
    assert (line["level"], line["error"]) == ("error", "ValueError")
    assert re.search(r"test_log\.py:\d+:test_an_error_is", line["frames"][0])
    assert re.search(r"test_log\.py:\d+:_fail$", line["frames"][1])
    assert re.fullmatch(r"KeyError at .*test_log\.py:\d+:_fail", line["causes"][0])


def test_an_error_may_be_given_in_every_usual_way(stream: io.BytesIO) -> None:
    """As exc_info, as the event itself, in a group, in a circle of causes: the message never gets through."""
    first, second = ValueError(CANARY), TypeError(CANARY)
    first.__cause__, second.__cause__ = second, first
    writer = log.get("writer")
    writer.error("given", exc_info=first)
    writer.error(second)  # type: ignore[arg-type]  # the mistake that is tested
    writer.error("group", exc_info=ExceptionGroup(CANARY, [first]))
    writer.error("tuple", exc_info=(ValueError, first, None))
    writer.error("none", exc_info=True)
    given, event, group, triple, none = _lines(stream)
    assert (given["error"], given["causes"]) == ("ValueError", ["TypeError"])
    assert (event["event"], event["error"]) == ("error", "TypeError")
    assert (group["error"], group["causes"]) == ("ExceptionGroup", ["ValueError", "TypeError"])
    assert triple["error"] == "ValueError"
    assert "error" not in none


def test_what_is_written_for_the_operator_is_told(stream: io.BytesIO) -> None:
    """The detail of our own refusals, and the system's reason by its number, are no caller's values."""
    log.get("store").error("refused", exc_info=Unavailable("Later", detail="the disk is full"))
    log.get("store").error("refused", exc_info=FileNotFoundError(2, CANARY, CANARY))
    ours, systems = _lines(stream)
    assert (ours["error"], ours["detail"]) == ("customary.domain.errors.Unavailable", "the disk is full")
    assert systems["reason"] == os.strerror(2)


def test_a_request_is_one_line_with_the_route_and_not_the_path(stream: io.BytesIO) -> None:
    """The line waits in memory until it is flushed, and leaves out what there is not."""
    _request()
    assert stream.getvalue() == b""
    (line,) = _lines(stream)
    assert line.pop("timestamp")
    assert line == {
        "level": "info",
        "event": "request",
        "method": "GET",
        "route": "/v1/customers/{id}",
        "status": 200,
        "duration_ms": 1.234,
        "bytes": 512,
        "request_id": "r1",
        "tenant_id": "t1",
    }


def test_an_unknown_method_is_not_repeated(stream: io.BytesIO) -> None:
    """HTTP lets a caller put any token there."""
    _request(method=CANARY)
    assert _lines(stream)[0]["method"] == "other"


def test_the_level_holds_for_every_door(stream: io.BytesIO) -> None:
    """At warning, requests that went well are silent, and those that failed by our fault are not."""
    log.configure("warning", "json", stream)
    _request()
    _request(status=503)
    log.get("boot").info("started")
    log.get("boot").warning("odd")
    logging.getLogger("uvicorn.error").info("Started")
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    assert [(line["level"], line["event"]) for line in _lines(stream)] == [
        ("error", "request"),
        ("warning", "odd"),
        ("warning", "Invalid HTTP request received."),
    ]


def test_text_is_one_line_an_event_too(stream: io.BytesIO) -> None:
    """A line break or a space inside of a value cannot make a second line or a second field."""
    log.configure("info", "text", stream)
    _request(request_id="a\nb")
    log.get("boot").info("log ready", detail="two words\nnext", email=CANARY)
    log.flush()
    request, ready = stream.getvalue().decode().splitlines()
    assert request.endswith(
        "Z info    request method=GET route=/v1/customers/{id} status=200 duration_ms=1.234 bytes=512 "
        "request_id='a\\nb' tenant_id=t1 key_id=-"
    )
    assert ready.endswith("Z info    log ready logger=boot detail='two words\\nnext' dropped=email")


def test_a_terminal_sees_a_request_at_once() -> None:
    """Somebody is watching, so nothing waits for the housekeeping."""
    screen = Screen()
    log.configure("info", "text", screen)
    try:
        _request()
        assert b"request method=GET" in screen.getvalue()
    finally:
        log.configure()


def test_waiting_lines_are_bounded(stream: io.BytesIO) -> None:
    """Without housekeeping the memory does not grow: a full buffer writes itself."""
    for _ in range(log.PENDING_LINES_MAX):
        _request()
    assert stream.getvalue().count(b"\n") == log.PENDING_LINES_MAX


def test_a_stream_that_fails_stops_nobody_and_is_told_later(stream: io.BytesIO) -> None:
    """A full disk behind stderr is no reason to refuse a request; the loss is counted."""
    with Path("/dev/full").open("wb", buffering=0) as full:
        log.configure("info", "json", full)  # unbuffered, so that closing it writes nothing
        _request()
        _request()
        log.flush()
        log.configure("info", "json", stream)
    _request()
    lost, request = _lines(stream)
    assert (lost["event"], lost["count"]) == ("log lines lost", 2)
    assert request["event"] == "request"


def test_no_line_is_lost_or_torn_between_threads(stream: io.BytesIO) -> None:
    """The writer thread, the event loop and the housekeeping share the stream."""

    def work(number: int) -> None:
        for count in range(500):
            _request(request_id=f"{number}-{count}")
            if count % 7 == 0:
                log.flush()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # so that threads meet between any two steps
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(usual)
    seen = [line["request_id"] for line in _lines(stream)]
    assert len(seen) == 2_000
    assert set(seen) == {f"{number}-{count}" for number in range(4) for count in range(500)}


def test_other_loggers_cannot_speak_freely(stream: io.BytesIO) -> None:
    """Templates of uvicorn keep whole numbers only; what a library has put together is withheld."""
    server, loop = logging.getLogger("uvicorn.error"), logging.getLogger("asyncio")
    server.info("Started server process [%d]", 42)
    server.info("ASGI callable should return None, but returned '%s'.", CANARY)
    server.error(OSError(98, f"error while binding {CANARY}"))
    failure = f'Traceback (most recent call last):\n  File "/x/src/a.py", line 3, in go\n    {CANARY}\n'
    server.error(f"{failure}m.E: x\n{CANARY}")
    loop.error(f"Exception in callback f(b'{CANARY}')\nhandle: {CANARY}", exc_info=ValueError(CANARY))
    logging.getLogger("some.library").warning(f"got {CANARY}")
    logging.getLogger("customary.http").warning("odd", extra={"route": "/x", "email": CANARY})
    started, returned, bound, failed, callback, library, inner = _lines(stream)
    assert started["event"] == "Started server process [42]"
    assert returned["event"] == "ASGI callable should return None, but returned '…'."
    assert (bound["error"], bound["reason"]) == ("OSError", os.strerror(98))
    assert (failed["error"], failed["frames"]) == ("m.E", ["a.py:3:go"])
    assert (callback["event"], callback["error"]) == ("Exception in callback", "ValueError")
    assert library["event"] == "message withheld"
    assert re.search(r"test_log\.py:\d+:test_other_loggers", library["at"])
    assert (inner["route"], inner["dropped"]) == ("/x", ["email"])


SERVER = """
import asyncio, logging, socket, sys, threading, warnings
import uvicorn
from customary import log

log.configure("debug", "json")
log.guard_process()
canary = sys.argv[1]

async def app(scope, receive, send):
    if scope["type"] == "http":
        raise ValueError(scope["query_string"])

async def main():
    options = {"log_config": None, "log_level": None, "access_log": False}
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", **options))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    for request in (f"GET /{canary}?{canary} HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n", f"{canary}\\r\\n\\r\\n"):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request.encode())
        await reader.readline()
        writer.close()
    asyncio.get_running_loop().call_soon(lambda value: 1 / 0, canary)
    await asyncio.sleep(0)
    server.should_exit = True
    await serving

asyncio.run(main())
thread = threading.Thread(target=int, args=(canary,))
thread.start()
thread.join()
warnings.warn(canary)
logging.getLogger("uvicorn.access").error(canary)
log.request_line(method="GET", route="/last", status=200, duration_us=1, request_id="r", tenant_id=None,
                 key_id=None, bytes_out=0)
int(canary)
"""


def test_a_real_server_process_keeps_a_callers_words_to_itself() -> None:
    """uvicorn, asyncio, threads, warnings and the interpreter come out as our lines, without values."""
    done = subprocess.run([sys.executable, "-c", SERVER, CANARY], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert CANARY not in done.stderr + done.stdout
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    said = [(line.get("logger"), line["event"], line.get("error")) for line in lines]
    for expected in (
        ("uvicorn.error", "Exception in ASGI application", "ValueError"),
        ("uvicorn.error", "Invalid HTTP request received.", None),
        ("asyncio", "Exception in callback", "ZeroDivisionError"),
        ("python", "warning", "UserWarning"),
        (None, "request", None),
    ):
        assert expected in said
    assert said.count(("python", "uncaught error", "ValueError")) == 2
    assert not [line for line in lines if line.get("logger") == "uvicorn.access"]
