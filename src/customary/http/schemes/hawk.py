"""Hawk, the presentation that working Trustist clients use (contract, "Authentication"; S1–S8, S10).

The scheme is that of the Hawk README (version 1, SHA-256); its published vectors hold here. It is written
anew because stock receivers refuse real clients: they want a hash on every request, or none on GET, or
no empty ``ext``. This module must never know nonces that were used: whoever calls ``verified`` checks
(id, ts, nonce) afterwards, so that only requests with a right MAC take up room.
"""

import hashlib
import hmac
import re
from binascii import b2a_base64
from collections.abc import Sequence
from typing import Final

import msgspec

from customary.domain.errors import Unauthenticated
from customary.http.schemes import HEADER_CHARACTERS_MAX, SignedRequest, mac_text, matching_secret

CLOCK_SKEW_SECONDS_MAX: Final = 60

# Digits are counted before they are converted; 15 hold every second, and milliseconds sent by mistake.
_TS_DIGITS_MAX: Final = 15

_OPENING: Final = re.compile(r"hawk +", re.ASCII | re.IGNORECASE)

# One attribute and the comma after it. Possessive throughout, so a scan is linear whatever is sent. A value
# is printable ASCII; backslash and quotation mark come as quoted pairs, the way npm hawk writes them in ext.
_ATTRIBUTE: Final = re.compile(
    r'[ \t]*+([a-z]++)[ \t]*+=[ \t]*+"([ !#-\[\]-~]*+(?:\\["\\][ !#-\[\]-~]*+)*+)"[ \t]*+(?:,[ \t]*+|\Z)'
)
_QUOTED_PAIR: Final = re.compile(r"\\(.)")
_NAMES: Final = frozenset({"id", "ts", "nonce", "mac", "hash", "ext", "app", "dlg"})


class HawkHeader(msgspec.Struct, frozen=True, gc=False):
    """The attributes of one Hawk header; an optional one that was not sent is ``""``.

    ``ts`` is a number, so a second spelling of it (leading zeros) is the same use of the nonce.
    """

    id: str
    ts: int
    nonce: str
    mac: str
    hash: str = ""
    ext: str = ""
    app: str = ""
    dlg: str = ""


def parsed(value: str) -> HawkHeader:
    """Return the attributes of an Authorization header, or refuse it as Unauthenticated.

    Blanks, order, a comma at the end and empty ``ext``, ``app`` and ``dlg`` are tolerated (S8). An empty hash
    is not: it is a hash that is present and wrong (S2).

    >>> parsed('Hawk id="k", ts="1353832234", nonce="n", ext="", mac="m"').ts
    1353832234
    """
    if len(value) > HEADER_CHARACTERS_MAX:
        raise Unauthenticated(detail="hawk: the header is too long")
    opening = _OPENING.match(value)
    if opening is None:
        raise Unauthenticated(detail="hawk: the header does not open with the scheme")
    found: dict[str, str] = {}
    position, end = opening.end(), len(value)
    while position < end:
        attribute = _ATTRIBUTE.match(value, position)
        if attribute is None:
            raise Unauthenticated(detail="hawk: the header is not a list of attributes")
        name, text = attribute.group(1, 2)
        if name not in _NAMES:
            raise Unauthenticated(detail="hawk: the header has an unknown attribute")
        if name in found:
            raise Unauthenticated(detail="hawk: the header has an attribute twice")
        found[name] = _QUOTED_PAIR.sub(r"\1", text) if "\\" in text else text
        position = attribute.end()
    return _header(found)


def _header(found: dict[str, str]) -> HawkHeader:
    """Return the attributes as a HawkHeader after checking which must and which may be there."""
    get = found.get
    key_id, ts, nonce, mac = get("id"), get("ts"), get("nonce"), get("mac")
    if not (key_id and ts and nonce and mac):
        raise Unauthenticated(detail="hawk: id, ts, nonce or mac is missing or empty")
    # Only ASCII gets here; elsewhere isdigit and int accept full-width digits.
    if not ts.isdigit() or len(ts) > _TS_DIGITS_MAX:
        raise Unauthenticated(detail="hawk: ts is not a number of seconds")
    payload_hash, app, dlg = get("hash"), get("app", ""), get("dlg", "")
    if payload_hash == "":
        raise Unauthenticated(detail="hawk: the hash is empty")
    if dlg and not app:
        # Without app the MAC does not cover dlg.
        raise Unauthenticated(detail="hawk: dlg without app")
    return HawkHeader(key_id, int(ts), nonce, mac, payload_hash or "", get("ext", ""), app, dlg)


def verified(header: HawkHeader, secrets: Sequence[bytes], request: SignedRequest, now: float) -> bytes:
    """Return which of ``secrets`` signed this request, or refuse it as Unauthenticated.

    ``secrets`` are those live for ``header.id``, none for an unknown id; ``now`` is in epoch seconds. The MAC
    comes first, so that only the holder of a secret learns the server's time (S5), and the body is
    hashed only for one who holds it.
    """
    try:
        message = _normalised("header", header, request, header.hash, header.ext)
    except UnicodeEncodeError:
        raise Unauthenticated(detail="hawk: the request has text that cannot be signed") from None
    secret = matching_secret(secrets, message, header.mac.encode())
    if secret is None:
        raise Unauthenticated(detail="hawk: wrong MAC" if secrets else "hawk: no live key of this id")
    if abs(int(now) - header.ts) > CLOCK_SKEW_SECONDS_MAX:
        raise Unauthenticated(detail="hawk: stale timestamp", challenge=_stale_challenge(secret, int(now)))
    if header.hash and not hmac.compare_digest(
        payload_hash(request.content_type, request.body), header.hash.encode()
    ):
        raise Unauthenticated(detail="hawk: the hash is not that of the body")
    return secret


def payload_hash(content_type: str, body: bytes) -> bytes:
    """Return the base64 text of Hawk's payload hash: the media type without parameters, and the raw body."""
    media_type = content_type.partition(";")[0].strip().lower()
    # replace: whoever sends a media type outside ASCII has hashed something else anyway.
    payload = b"hawk.1.payload\n%b\n%b\n" % (media_type.encode("ascii", "replace"), body)
    return b2a_base64(hashlib.sha256(payload).digest(), newline=False)


def _stale_challenge(secret: bytes, ts: int) -> str:
    """Return the challenge that tells a client with a wrong clock the time, authenticated by its secret."""
    tsm = mac_text(secret, b"hawk.1.ts\n%d\n" % ts).decode()
    return f'Hawk ts="{ts}", tsm="{tsm}", error="Stale timestamp"'


def _normalised(kind: str, header: HawkHeader, request: SignedRequest, payload: str, ext: str) -> bytes:
    """Return the string that is signed for a request (``"header"``) or for its answer (``"response"``)."""
    if "\\" in ext or "\n" in ext:
        ext = ext.replace("\\", "\\\\").replace("\n", "\\n")
    before = f"hawk.1.{kind}\n{header.ts}\n{header.nonce}\n{request.method.upper()}\n"
    after = f"\n{request.host.lower()}\n{request.port}\n{payload}\n{ext}\n"
    if header.app:
        after = f"{after}{header.app}\n{header.dlg}\n"
    return before.encode("latin-1") + request.target + after.encode("latin-1")


def server_authorization(
    secret: bytes,
    header: HawkHeader,
    request: SignedRequest,
    response_body: bytes,
    response_content_type: str,
) -> str:
    """Return the Server-Authorization header that lets the client verify the answer to its request (S10).

    It is bound to the request's own ts and nonce; the answer has no ext of its own.
    """
    payload = payload_hash(response_content_type, response_body).decode()
    mac = mac_text(secret, _normalised("response", header, request, payload, "")).decode()
    return f'Hawk mac="{mac}", hash="{payload}"'


def signed(
    key_id: str,
    secret: bytes,
    request: SignedRequest,
    ts: int,
    nonce: str,
    *,
    hashed: bool = False,
    ext: str = "",
    app: str = "",
    dlg: str = "",
) -> str:
    """Return the Authorization header a client sends with ``request``; ``hashed`` binds the body as well."""
    payload = payload_hash(request.content_type, request.body).decode() if hashed else ""
    header = HawkHeader(key_id, ts, nonce, "", payload, ext, app, dlg)
    mac = mac_text(secret, _normalised("header", header, request, payload, ext)).decode()
    attributes = {"id": key_id, "ts": str(ts), "nonce": nonce, "hash": payload, "ext": ext, "mac": mac}
    attributes |= {"app": app, "dlg": dlg}
    return "Hawk " + ", ".join(f'{name}="{_quoted(text)}"' for name, text in attributes.items() if text)


def _quoted(text: str) -> str:
    """Return an attribute's value with backslash and quotation mark as quoted pairs."""
    return text.replace("\\", "\\\\").replace('"', '\\"')
