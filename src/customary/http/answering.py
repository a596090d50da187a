"""Answers a request in one step: head and body in one piece, for answers that are complete and plain.

ASGI's two messages cost a third of a constant answer's time: each header is checked and written on its own.
A room's headers are constants and values of our own making, and its body is whole. What is not plain (HEAD,
a closing connection, a client that does not read) is left to the server's own way.
"""

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

ANSWER_AT_ONCE = "customary.answer_at_once"
"""The scope member that answers a request; it returns False, and has done nothing, where it may not."""


class _Defaults:
    """The headers that the server adds to all answers (the date), rendered once a second."""

    headers: object = None
    rendered = b""


def answered_at_once(cycle: RequestResponseCycle, status: int, head: bytes, body: bytes) -> bool:
    """Write a whole answer, ``head`` being its header lines; return whether that was done."""
    if (
        cycle.response_started
        or cycle.disconnected
        or not cycle.keep_alive
        or cycle.flow.write_paused
        or cycle.scope["method"] == "HEAD"
    ):
        return False
    if cycle.default_headers is not _Defaults.headers:
        _Defaults.headers = cycle.default_headers
        _Defaults.rendered = b"".join([b"%b: %b\r\n" % header for header in cycle.default_headers])
    cycle.response_started = True
    cycle.waiting_for_100_continue = False
    cycle.transport.write(b"".join((STATUS_LINE[status], _Defaults.rendered, head, b"\r\n", body)))
    cycle.response_complete = True
    cycle.message_event.set()
    cycle.on_response()
    return True
