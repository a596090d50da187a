"""The header in which a caller says why: read under its rule, or refused without a word of it.

A header carries ASCII alone, whatever clients do, so other characters are percent-encoded. It must never know
what becomes of a reason.
"""

import re
from urllib.parse import unquote_to_bytes

from customary.domain.audit import REASON_MAX, is_reason
from customary.domain.errors import Malformed
from customary.http.exchange import Exchange

HEADER = "X-Reason"
# Printable ASCII; a percent sign always begins an escape, so that no text has two meanings.
_ENCODED = re.compile(rb"(?:[\x20-\x24\x26-\x7e]|%[0-9A-Fa-f]{2})+")


def reason_of(exchange: Exchange) -> str:
    """Return the reason that a request gives, or nothing; Malformed if it gives none that may stand.

    It is UTF-8, percent-encoded (RFC 3986 section 2.1) where it is not printable ASCII; ``%`` is so always.
    """
    sent = exchange.headers.get(b"x-reason")
    if sent is None:
        return ""
    reason = ""
    if _ENCODED.fullmatch(sent) is not None:
        reason = unquote_to_bytes(sent).decode("utf-8", "surrogateescape").strip(" ")
    if not is_reason(reason):  # what is no UTF-8 has become surrogates, which are not printable
        rule = f"{HEADER} is 1 to {REASON_MAX} printable characters, percent-encoded where they are not ASCII"
        raise Malformed(rule, part="header")
    return reason
