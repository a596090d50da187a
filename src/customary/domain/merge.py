"""JSON values as the domain keeps them: merged by RFC 7396, measured and compared in one canonical form.

Pure functions over plain values (dict, list, str, int, float, bool, None) let in by the input gate.
They must never know which field a value belongs to, who sent it, or how a breach of a limit is answered.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

SAFE_INTEGER_MAX: Final = 2**53 - 1
"""Beyond it two integers share one IEEE double, so a JavaScript reader gets another number than was sent."""

_encoder = msgspec.json.Encoder(order="sorted")


def merged(target: Mapping[str, object] | None, patch: Mapping[str, object]) -> dict[str, object]:
    """Return ``target`` with ``patch`` applied as a JSON Merge Patch (RFC 7396 section 2).

    ``None`` in the patch removes that member, an object merges into an object, and anything else, arrays
    included, replaces whole. Neither argument is changed; the result may share parts of both.

    >>> merged({"city": "Oslo", "zip": "0150"}, {"zip": None, "country": "NO"})
    {'city': 'Oslo', 'country': 'NO'}
    """
    result: dict[str, object] = dict(target) if target is not None else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict):
            current = result.get(name)
            # Also without a current object: nulls inside the patch are instructions and must not be stored.
            result[name] = merged(current if isinstance(current, dict) else None, value)
        else:
            result[name] = value
    return result


def canonical_bytes(value: object) -> bytes:
    """Return ``value`` as compact UTF-8 JSON with sorted members: the form to measure and to compare.

    Compare by these bytes where a change must not be missed: ``1 == True == 1.0`` in Python, and so do the
    objects around them, but in JSON they are three values. It is one form for this program, not RFC 8785,
    so it is nothing to sign.

    >>> canonical_bytes({"b": [1, 1.0, True], "a": "é"}).decode()
    '{"a":"é","b":[1,1.0,true]}'
    """
    return _encoder.encode(value)


def unsafe_integers(value: object) -> bool:
    """Return whether an integer beyond ±(2**53-1) is anywhere inside ``value``.

    >>> unsafe_integers({"ids": [2**53 - 1]}), unsafe_integers({"ids": [2**53]})
    (False, True)
    """
    waiting = [value]
    while waiting:
        current = waiting.pop()
        if isinstance(current, int):
            if not -SAFE_INTEGER_MAX <= current <= SAFE_INTEGER_MAX:
                return True
        elif isinstance(current, dict):
            waiting += current.values()
        elif isinstance(current, list):
            waiting += current
    return False
