"""The reason of a deed, where the body or the header may state it: read the same way by every subject.

It must never know what becomes of a reason.
"""

from collections.abc import Mapping

from customary.domain.audit import REASON_MAX, is_reason
from customary.http.exchange import Exchange
from customary.http.fields import Fields, Limits
from customary.http.reasons import reason_of

_REASON = Limits(REASON_MAX)


def stated_reason(exchange: Exchange, body: Mapping[str, object]) -> str:
    """Return the reason of the body, or else the header's, or nothing; Invalid for two that differ."""
    of_header = reason_of(exchange)
    fields = Fields(body)
    stated = fields.text("reason", _REASON)
    if isinstance(stated, str):
        reason = stated.strip(" ")
        if not is_reason(reason) or of_header not in ("", reason):
            fields.fault("reason", "reason")
    fields.check()
    return stated.strip(" ") if isinstance(stated, str) else of_header
