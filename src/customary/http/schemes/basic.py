"""Basic, the presentation of Trustly clients: accessId, a colon, accessKey (T1; RFC 7617).

Parsing only. It must never know a key: the caller compares the accessKey with a stored keyed hash, and
does the same work for an accessId that does not exist.
"""

import binascii
import re
from typing import Final

from customary.domain.errors import Unauthenticated
from customary.http.schemes import HEADER_CHARACTERS_MAX

_OPENING: Final = re.compile(r"basic +", re.ASCII | re.IGNORECASE)

# RFC 7617, section 2 forbids them, and U+0000 would be an error inside a database driver, not a refusal.
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def parsed(value: str) -> tuple[str, str]:
    """Return accessId and accessKey of an Authorization header, or refuse it as Unauthenticated.

    The first colon splits, so only the key may contain one. The base64 is strict: the lenient decoder drops
    what is not in its alphabet, and then many headers would mean one credential.

    >>> parsed("Basic aWQ6a2V5Om1vcmU=")
    ('id', 'key:more')
    """
    opening = _OPENING.match(value)
    if opening is None or len(value) > HEADER_CHARACTERS_MAX:
        raise Unauthenticated(detail="basic: the header is too long or does not open with the scheme")
    text = _decoded(value[opening.end() :])
    if text is None:
        raise Unauthenticated(detail="basic: the credentials are not UTF-8 in base64")
    if _CONTROL.search(text):
        raise Unauthenticated(detail="basic: the credentials contain a control character")
    access_id, colon, access_key = text.partition(":")
    if not colon:
        raise Unauthenticated(detail="basic: the credentials have no colon")
    return access_id, access_key


def _decoded(credentials: str) -> str | None:
    """Return the text behind strict base64, or None.

    The refusal is raised elsewhere, so that it does not carry the decoder's error, and in it the secret, as
    its context.
    """
    try:
        return binascii.a2b_base64(credentials, strict_mode=True).decode("utf-8")
    except ValueError:  # binascii.Error and UnicodeDecodeError are among them
        return None
