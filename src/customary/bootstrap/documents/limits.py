"""The limits of the input gate, as all documents state them."""

from customary.domain.audit import REASON_MAX
from customary.http import body, exchange
from customary.http.reasons import HEADER

LIMITS = {
    "bodyBytes": body.BODY_BYTES_MAX,
    "bodySeconds": int(body.BODY_SECONDS_MAX),
    "requestTargetBytes": exchange.TARGET_BYTES_MAX,
    "headerBytes": exchange.HEADER_BYTES_MAX,
    "headersBytes": exchange.HEADERS_BYTES_MAX,
    "queryFields": exchange.QUERY_FIELDS_MAX,
    "jsonDepth": body.DEPTH_MAX,
    "jsonValues": body.VALUES_MAX,
    "jsonMembersOfAnObject": body.MEMBERS_MAX,
}
"""Machine-readable, as ``info.x-limits``."""

PROSE = f"""\
### Limits

| thing | limit |
|---|---|
| body | {body.BODY_BYTES_MAX // 1024} KiB, complete within {int(body.BODY_SECONDS_MAX)} s, not compressed |
| request target, one header, all headers | {exchange.TARGET_BYTES_MAX // 1024} KiB, \
{exchange.HEADER_BYTES_MAX // 1024} KiB, {exchange.HEADERS_BYTES_MAX // 1024} KiB |
| query | {exchange.QUERY_FIELDS_MAX} parameters, a known one at most once |
| JSON | UTF-8 without a byte order mark, {body.DEPTH_MAX} levels, {body.VALUES_MAX:,} values, \
{body.MEMBERS_MAX} members in an object, none twice |
| numbers | integers of 64 bits; no NaN and no infinity |
| text | no U+0000 and no lone surrogate; no control characters in names and addresses |

Lengths of single members stand in the schemas. No quota of requests is set unless the operator sets one.
"""

IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": (
        "Any text of the caller's own, new for every new request. A request that is repeated with its key is "
        "answered with the stored answer and changes nothing more."
    ),
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[\\x21-\\x7e]+$"},
}
"""An optional header that every API takes on operations that change something."""

REASON = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": (
        f"Why, for the audit trail, which keeps it sealed: at most {REASON_MAX} printable characters, "
        "percent-encoded as UTF-8 where they are not ASCII, and `%` always. The operator may require it of "
        "whoever sees guarded fields in clear (`reason_required`)."
    ),
    "schema": {"type": "string", "minLength": 1, "pattern": "^([\\x20-\\x24\\x26-\\x7e]|%[0-9A-Fa-f]{2})+$"},
}
"""The other one, which is also taken where guarded fields may be shown in clear."""
