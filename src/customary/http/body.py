"""The input gate for JSON bodies: bytes of a request to one JSON object within every limit, or a refusal.

The bytes are read here under a bound of size and time, and turned into plain Python values under bounds of
depth, number and shape, before any business code sees them. It must never know a field, a dialect or a status
code, and no value or member name that a caller sent may get into what it raises: refusals are raised outside
of ``except`` blocks, because a decoder's own exception holds the whole body and would stay as the context.
"""

import asyncio
import json
import math
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

from customary.domain.errors import Malformed, TooLarge

BODY_BYTES_MAX: Final = 65_536
BODY_SECONDS_MAX: Final = 10.0
DEPTH_MAX: Final = 32
"""Levels of objects and arrays; the body itself is the first."""
VALUES_MAX: Final = 2_000
"""Objects, arrays and scalars in all, the body itself included; member names are not values."""
MEMBERS_MAX: Final = 256
INTEGER_MIN: Final = -(2**63)
INTEGER_MAX: Final = 2**63 - 1
INTEGER_CHARACTERS_MAX: Final = 20
"""A sign and 19 digits: JSON allows no leading zero, so a longer literal cannot be in range."""
FRACTION_CHARACTERS_MAX: Final = 1_100
"""The exact decimal expansion of every IEEE double is shorter, so precision alone is never refused."""

# A JSON text of V values has at least 2V-1 bytes (a scalar has one, a container two, and commas stand between
# members), so a shorter body needs no counting.
_BYTES_WITHIN_VALUES = 2 * VALUES_MAX
_BLANKS = " \t\n\r"  # RFC 8259 section 2; str.strip() alone would also take off U+00A0, U+2028 and others
_BACKSLASH = ord("\\")  # looking for an int in bytes takes a fifth of looking for bytes
# Escapes that may stand for U+0000 or half a pair. It also hits a whole pair, and an escaped backslash before
# a u: then the decoded strings are searched.
_SUSPECT_ESCAPE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_FORBIDDEN_CHARACTER = re.compile("[\x00\ud800-\udfff]")


class Disconnected(Exception):
    """The client went away before its body was complete; there is nobody left to answer."""


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Malformed("The body has an object with a duplicate member", part="body")
    if len(members) > MEMBERS_MAX:
        raise Malformed(f"The body has an object of more than {MEMBERS_MAX} members", part="body")
    return members


def _integer(digits: str) -> int:
    # Counted first: the time that int() takes grows with the square of the digits.
    if len(digits) <= INTEGER_CHARACTERS_MAX:
        value = int(digits)
        if INTEGER_MIN <= value <= INTEGER_MAX:
            return value
    raise Malformed("The body has an integer that does not fit 64 bits", part="body")


def _fraction(digits: str) -> float:
    if len(digits) > FRACTION_CHARACTERS_MAX:
        raise Malformed(
            f"The body has a number of more than {FRACTION_CHARACTERS_MAX} characters", part="body"
        )
    value = float(digits)
    if math.isinf(value):
        raise Malformed("The body has a number that is too large", part="body")
    return value


def _constant(_name: str) -> object:
    raise Malformed("The body has NaN or Infinity, which are not JSON", part="body")


_decoded = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_fraction, parse_constant=_constant
).raw_decode
_DEPTH_RULE = f"The body is nested deeper than {DEPTH_MAX} levels"


def parsed(body: bytes) -> dict[str, object]:
    """Return the JSON object that ``body`` is, or raise ``Malformed(part="body")`` and nothing else.

    The public text says which rule was broken. RFC 8259 strictly, with the limits of this module; cheap upper
    bounds over the bytes come first, so that an ordinary body is never walked.

    >>> parsed(b'{"name": "Ada", "vip": 2}')
    {'name': 'Ada', 'vip': 2}
    >>> parsed(b'{"vip": 1e400}')
    Traceback (most recent call last):
    customary.domain.errors.Malformed: The body has a number that is too large
    """
    if len(body) > BODY_BYTES_MAX:
        raise Malformed(f"The body is larger than {BODY_BYTES_MAX} bytes", part="body")
    try:
        text = body.decode().strip(_BLANKS)
        value, end = _decoded(text)
    except UnicodeDecodeError:
        broken = "The body is not valid UTF-8"
    except ValueError:
        broken = _syntax_rule(body)
    except RecursionError:
        broken = _DEPTH_RULE
    else:
        if end != len(text):
            broken = "The body goes on after its JSON text"
        elif type(value) is not dict:
            broken = "The body is not a JSON object"
        else:
            if body.count(b"{") + body.count(b"[") > DEPTH_MAX or len(body) > _BYTES_WITHIN_VALUES:
                _require_shape(value)
            if _BACKSLASH in body and _SUSPECT_ESCAPE.search(body):
                _require_text(value)
            return value
    raise Malformed(broken, part="body")


def _syntax_rule(body: bytes) -> str:
    if not body.strip():
        return "The body is empty"
    if body.startswith(b"\xef\xbb\xbf"):
        return "The body begins with a byte order mark"
    return "The body is not valid JSON"


def _require_shape(body: dict[str, object]) -> None:
    """Refuse what is too deep or has too many values, level by level, so without recursion."""
    values = 1
    depth = 0
    level: list[Any] = [body]
    while level:
        depth += 1
        if depth > DEPTH_MAX:
            raise Malformed(_DEPTH_RULE, part="body")
        below: list[Any] = []
        for container in level:
            values += len(container)
            within = container.values() if type(container) is dict else container
            below += [value for value in within if type(value) is dict or type(value) is list]
        level = below
    if values > VALUES_MAX:
        raise Malformed(f"The body has more than {VALUES_MAX} values", part="body")


def _require_text(body: dict[str, object]) -> None:
    """Refuse U+0000 and lone surrogates in every string, member names included.

    Neither can be stored or sent on: PostgreSQL refuses the one, no UTF-8 encoder takes the other.
    """
    waiting: list[object] = [body]
    while waiting:
        value = waiting.pop()
        if type(value) is str:
            found = _FORBIDDEN_CHARACTER.search(value)
            if found:
                name = "U+0000" if found.group() == "\0" else "a lone surrogate"
                raise Malformed(f"The body has a text with {name}", part="body")
        elif type(value) is dict:
            waiting += value
            waiting += value.values()
        elif type(value) is list:
            waiting += value


def refuse_too_many_bytes(size: int) -> None:
    """Raise TooLarge if a body of that size, said or found, is one too large."""
    if size > BODY_BYTES_MAX:
        raise TooLarge(f"The request body is larger than {BODY_BYTES_MAX} bytes", kind="size")


async def received(
    whole_body: Callable[[], Awaitable[bytes]],
    content_length: int,
    deadline_seconds: float = BODY_SECONDS_MAX,
) -> bytes:
    """Return the body of a request that is still arriving, at most ``BODY_BYTES_MAX`` bytes, in time.

    ``whole_body`` returns when all has come or more than is taken. Raises ``TooLarge(kind="size")``, without
    waiting when ``content_length`` says so; ``TooLarge(kind="time")`` after ``deadline_seconds``;
    ``Disconnected`` when the client goes away. What was refused is left unread, so the connection must be
    closed after the answer.
    """
    refuse_too_many_bytes(content_length)
    try:
        async with asyncio.timeout(deadline_seconds):
            body = await whole_body()
    except TimeoutError:
        pass
    else:
        refuse_too_many_bytes(len(body))
        return body
    raise TooLarge("The request body did not arrive in time", kind="time")
