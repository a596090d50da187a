"""HMAC-SHA256 with x-tr headers, the other signed presentation of Trustist (contract, "Authentication"; S9).

The vendor's exact string to sign is not public; this is the form of the scheme it evidently took over.
The contract's vectors hold here. This module must never know keys beyond the secrets it is handed.

A signature counts only if it covers a date and the hash of the body. The seed's bare line,
``HMAC-SHA256 Credential=…, Signature=…``, covers neither and is refused with the name of what is missing.
"""

import hashlib
import hmac
import re
from binascii import b2a_base64
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Final

import msgspec

from customary.domain.errors import Unauthenticated
from customary.http.schemes import HEADER_CHARACTERS_MAX, SignedRequest, mac_text, matching_secret

CLOCK_SKEW_SECONDS_MAX: Final = 15 * 60

# In the order in which they are believed when several are sent and no list says which was signed.
_DATE_HEADERS: Final = ("x-tr-date", "x-ms-date", "date")
_HASH_HEADERS: Final = ("x-tr-content-sha256", "x-ms-content-sha256")

_SIGNED_HEADERS_MAX: Final = 32

_OPENING: Final = re.compile(r"hmac-sha256 +", re.ASCII | re.IGNORECASE)
# A part is name=value; base64 may end in "=", so only the first "=" splits. Both separators, with blanks.
_PART: Final = re.compile(r"[ \t]*+([A-Za-z]++)=([!-%'-+\--~]++)[ \t]*+(?:[&,]|\Z)")
_NAMES: Final = frozenset({"Credential", "SignedHeaders", "Signature"})
_HEADER_NAME: Final = re.compile(r"[a-z0-9-]+")
_KEY_ID: Final = re.compile(r"[!-~]+")

# RFC 1123 in the one form that HTTP keeps (RFC 9110, IMF-fixdate). The library's parser accepts two-digit
# years, other zones, missing seconds and digits that are not ASCII.
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DATE: Final = re.compile(
    rf"({'|'.join(_DAYS)}), ([0-9]{{2}}) ({'|'.join(_MONTHS)}) ([0-9]{{4}}) "
    r"([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT"
)


class HmacHeader(msgspec.Struct, frozen=True, gc=False):
    """The parts of one HMAC-SHA256 header.

    ``id`` is ``""`` when the header has no Credential and leaves it to ``x-tr-clientid``: ask ``key_id``.
    ``signed_headers`` is empty when the header has no list, which means the default one.
    """

    id: str
    signed_headers: tuple[str, ...]
    signature: str


def parsed(value: str) -> HmacHeader:
    """Return the parts of an Authorization header, or refuse it as Unauthenticated.

    >>> parsed("HMAC-SHA256 Credential=k, Signature=c2ln").id
    'k'
    """
    opening = _OPENING.match(value)
    if opening is None or len(value) > HEADER_CHARACTERS_MAX:
        raise Unauthenticated(detail="hmac: the header is too long or does not open with the scheme")
    found: dict[str, str] = {}
    position, end = opening.end(), len(value)
    while position < end:
        part = _PART.match(value, position)
        if part is None:
            raise Unauthenticated(detail="hmac: the header is not a list of parts")
        name, text = part.group(1, 2)
        if name not in _NAMES or name in found:
            raise Unauthenticated(detail="hmac: the header has an unknown part, or one twice")
        found[name] = text
        position = part.end()
    signature = found.get("Signature")
    if signature is None:
        raise Unauthenticated(detail="hmac: the header has no signature")
    return HmacHeader(found.get("Credential", ""), _header_names(found.get("SignedHeaders")), signature)


def _header_names(text: str | None) -> tuple[str, ...]:
    """Return the names in a SignedHeaders part, lower case and in order; none when there is no part."""
    if text is None:
        return ()
    names = tuple(text.lower().split(";"))
    if len(names) > _SIGNED_HEADERS_MAX or len(set(names)) != len(names):
        raise Unauthenticated(detail="hmac: SignedHeaders has too many names, or one twice")
    if not all(map(_HEADER_NAME.fullmatch, names)):
        raise Unauthenticated(detail="hmac: SignedHeaders has what is no header's name")
    return names


def key_id(header: HmacHeader, request: SignedRequest) -> str:
    """Return the id of the key that is claimed: Credential or ``x-tr-clientid``, and if both, they agree."""
    client_id = request.header("x-tr-clientid")
    if client_id is None:
        if not header.id:
            raise Unauthenticated(detail="hmac: no key is named", hint="x-tr-clientid")
        return header.id
    if header.id and client_id != header.id:
        raise Unauthenticated(detail="hmac: Credential and x-tr-clientid name different keys")
    if not _KEY_ID.fullmatch(client_id):
        raise Unauthenticated(detail="hmac: x-tr-clientid is not the id of a key")
    return client_id


def verified(header: HmacHeader, secrets: Sequence[bytes], request: SignedRequest, now: float) -> bytes:
    """Return which of ``secrets`` signed this request, or refuse it as Unauthenticated.

    ``secrets`` are those live for ``key_id(header, request)``, none for an unknown id; ``now`` is in epoch
    seconds. What must be there is asked for first, with a hint, and alike for every id; the window and the
    body are judged only for one who holds a secret.
    """
    key_id(header, request)
    date_name, date = _covered(header, request, _DATE_HEADERS)
    hash_name, body_hash = _covered(header, request, _HASH_HEADERS)
    names = header.signed_headers or (date_name, "host", hash_name)
    at = _seconds_of(date)
    try:
        message = _string_to_sign(request, names)
        presented_hash = body_hash.encode("latin-1")
    except UnicodeEncodeError:
        raise Unauthenticated(detail="hmac: the request has text that cannot be signed") from None
    secret = matching_secret(secrets, message, header.signature.encode())
    if secret is None:
        raise Unauthenticated(detail="hmac: wrong signature" if secrets else "hmac: no live key of this id")
    if abs(now - at) > CLOCK_SKEW_SECONDS_MAX:
        raise Unauthenticated(detail="hmac: the date is too far from now")
    if not hmac.compare_digest(_body_hash(request.body), presented_hash):
        raise Unauthenticated(detail="hmac: the hash is not that of the body")
    return secret


def _covered(header: HmacHeader, request: SignedRequest, names: tuple[str, ...]) -> tuple[str, str]:
    """Return name and value of the first of ``names`` that was sent and signed.

    A signature that does not cover a date or the body binds nothing, so one that is sent but not
    signed does not count; the hint names the usual spelling.
    """
    for name in names:
        if not header.signed_headers or name in header.signed_headers:
            value = request.header(name)
            if value is not None:
                return name, value
    raise Unauthenticated(detail="hmac: a header that must be sent and signed is missing", hint=names[0])


def _seconds_of(date: str) -> float:
    """Return the epoch seconds of a date in the form of RFC 1123; a day that does not exist is refused."""
    match = _DATE.fullmatch(date)
    if match is None:
        raise Unauthenticated(detail="hmac: the date is not in the form of RFC 1123")
    weekday, day, month, year, hour, minute, second = match.groups()
    try:
        at = datetime(
            int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second), tzinfo=UTC
        )
    except ValueError:
        raise Unauthenticated(detail="hmac: the date does not exist") from None
    if _DAYS[at.weekday()] != weekday:
        raise Unauthenticated(detail="hmac: the date is not on that day of the week")
    return at.timestamp()


def _string_to_sign(request: SignedRequest, names: Sequence[str]) -> bytes:
    """Return method, target and the values of the signed headers as the one string that is signed."""
    values: list[str] = []
    for name in names:
        value = _host_as_sent(request) if name == "host" else request.header(name)
        if value is None:
            raise Unauthenticated(detail="hmac: a signed header was not sent")
        values.append(value)
    return b"%b\n%b\n%b" % (
        request.method.upper().encode("latin-1"),
        request.target,
        ";".join(values).encode("latin-1"),
    )


def _host_as_sent(request: SignedRequest) -> str:
    """Return the value of the Host header that the client signed.

    It is the one that arrived if it names the host the client saw. If a proxy has rewritten it, it
    is composed again as a client does: with the port, unless that is a default one.
    """
    host = f"[{request.host}]" if ":" in request.host and request.host[0] != "[" else request.host
    host_and_port = f"{host}:{request.port}"
    arrived = request.header("host")
    if arrived is not None and arrived.lower() in (host.lower(), host_and_port.lower()):
        return arrived
    return host if request.port in (80, 443) else host_and_port


def _body_hash(body: bytes) -> bytes:
    """Return the base64 text of the SHA-256 of a body."""
    return b2a_base64(hashlib.sha256(body).digest(), newline=False)


def signed(key_id: str, secret: bytes, request: SignedRequest, now: float) -> dict[str, str]:
    """Return the headers a client adds to ``request`` to sign it: date, hash of the body, Authorization."""
    added = {
        "x-tr-date": formatdate(now, usegmt=True),
        "x-tr-content-sha256": _body_hash(request.body).decode(),
    }
    names = ("x-tr-date", "host", "x-tr-content-sha256")
    sent = msgspec.structs.replace(request, header=lambda name: added.get(name) or request.header(name))
    signature = mac_text(secret, _string_to_sign(sent, names)).decode()
    authorization = f"HMAC-SHA256 Credential={key_id}&SignedHeaders={';'.join(names)}&Signature={signature}"
    return added | {"Authorization": authorization}
