"""Pages that go on where the last one ended: limits, and cursors that say nothing to whoever gets one.

A cursor holds a position that the caller has seen, so it need not be secret; one of another list is refused.
"""

import base64
import re

import msgspec

from customary.domain.errors import Invalid, Violation
from customary.http.exchange import Exchange, whole_number

LIMIT_MAX = 200
LIMIT_DEFAULT = 50
_CURSOR_MAX = 512
_CURSOR = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


def limit_of(query: dict[str, str]) -> int:
    """Return how many entries a page shall have."""
    return whole_number(query, "limit", 1, LIMIT_MAX, default=LIMIT_DEFAULT)


def list_query(exchange: Exchange, *known: str) -> dict[str, str]:
    """Return the parameters of a list that filters; Invalid for one that it does not know.

    Elsewhere such a one is passed over. Here it may be a misspelt filter, and the answer would be everybody.
    """
    if exchange.has_others_than(known):
        raise unknown_parameter()
    return exchange.query(*known)


def cursor(listed: str, position: str) -> str:
    """Return the cursor of a position in a list of that kind.

    >>> position_of({"cursor": cursor("customers", "3kTp9j2mN5xR")}, "customers")
    '3kTp9j2mN5xR'
    """
    return base64.urlsafe_b64encode(msgspec.json.encode((listed, position))).rstrip(b"=").decode("ascii")


def position_of(query: dict[str, str], listed: str) -> str | None:
    """Return the position of the query's cursor, or None without one; Invalid for any other text."""
    text = query.get("cursor")
    if text is None:
        return None
    if len(text) > _CURSOR_MAX or _CURSOR.fullmatch(text) is None:
        raise unknown_cursor()
    try:
        padded = text + "=" * (-len(text) % 4)
        kind, position = msgspec.json.decode(base64.urlsafe_b64decode(padded), type=tuple[str, str])
    except ValueError:  # binascii.Error, msgspec's, and UnicodeDecodeError, which msgspec lets through
        raise unknown_cursor() from None
    if kind != listed or cursor(kind, position) != text:
        raise unknown_cursor()
    return position


def unknown_cursor() -> Invalid:
    """Return the refusal of a cursor that is none of the list's."""
    return Invalid(Violation("cursor", "cursor", "cursor is none of this list"))


def unknown_parameter() -> Invalid:
    """Return the refusal of a parameter that a list does not have; its name is the caller's, so not told."""
    return Invalid(Violation("query", "unknown", "this list has no parameter of such a name"))
