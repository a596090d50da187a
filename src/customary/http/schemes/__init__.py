"""How a caller proves which key it holds: Hawk, HMAC-SHA256 with x-tr headers, and Basic.

Pure verification. The modules of this package take the text of one Authorization header, the request it
came with, the secrets that are live for the key it names and the present second, and answer with the
secret that matched or with ``Unauthenticated``. They must never know a store, a clock, a log, a web
framework or a permission; finding the secrets and refusing a used nonce is the caller's part.

An authenticating room goes: ``scheme_of`` → that scheme's ``parsed`` → look the key up → that scheme's
``verified``. No refusal contains a computed MAC or a value that was sent: ``detail`` is one of a fixed
set of sentences, and ``hint`` is one of a fixed set of header names.
"""

import hmac
from binascii import b2a_base64
from collections.abc import Callable, Sequence
from typing import Final, Literal

import msgspec

Scheme = Literal["hawk", "hmac-sha256", "basic", "unknown"]

HEADER_CHARACTERS_MAX: Final = 4096
"""Longest Authorization header that is looked at; a header is latin-1 text, so characters are bytes."""

_SCHEMES: Final[dict[str, Scheme]] = {"hawk": "hawk", "hmac-sha256": "hmac-sha256", "basic": "basic"}

# A key has at most two live secrets (rotation), so every failure costs two MACs and takes the same time.
_SECRETS_LIVE_MAX: Final = 2
_NOBODYS_SECRET: Final = b"\x00" * 32


class SignedRequest(msgspec.Struct, frozen=True):
    """What a signature can be about: one request as the client saw it when it signed.

    ``target`` is the raw path and query as sent. ``host`` has no port and ``port`` is the one the client
    connected to, whatever stands between (S3). ``content_type`` is the whole header, ``""`` when absent.
    ``header`` looks up a header by its lower-case name in latin-1 text: a function, because Hawk asks for
    none, and building a mapping would cost more than verifying.

    >>> SignedRequest("GET", b"/v1/customers?page=2", "localhost", 8080, b"", "", {}.get).port
    8080
    """

    method: str
    target: bytes
    host: str
    port: int
    body: bytes
    content_type: str
    header: Callable[[str], str | None]


def scheme_of(value: str) -> Scheme:
    """Return which presentation an Authorization header is, judged by its scheme token alone.

    Dispatch comes before any parsing: a stock Hawk parser answers a perfectly good ``HMAC-SHA256`` header
    as malformed.

    >>> scheme_of('hAwK id="x"')
    'hawk'
    >>> scheme_of("Bearer x")
    'unknown'
    """
    token = value.partition(" ")[0]
    # isascii: the Kelvin sign lower-cases to "k".
    return _SCHEMES.get(token.lower(), "unknown") if token.isascii() else "unknown"


def mac_text(secret: bytes, message: bytes) -> bytes:
    """Return the base64 text of HMAC-SHA256, the form in which both signing schemes send it."""
    return b2a_base64(hmac.digest(secret, message, "sha256"), newline=False)


def matching_secret(secrets: Sequence[bytes], message: bytes, presented: bytes) -> bytes | None:
    """Return the secret under which ``presented`` is the MAC of ``message``, or None after two MACs.

    The base64 texts are compared as bytes: only the canonical spelling passes, and comparing text that is
    not ASCII would raise. An unknown key (no secrets) does the work of a known one, so that the time of
    a refusal does not tell which ids exist (S7).
    """
    for secret in secrets:
        if hmac.compare_digest(mac_text(secret, message), presented):
            return secret
    for _ in range(_SECRETS_LIVE_MAX - len(secrets)):
        hmac.compare_digest(mac_text(_NOBODYS_SECRET, message), presented)
    return None
