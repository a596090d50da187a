"""The input gate against generated, mutated and random bytes: an equal object or the refusal, never more."""

import json
import math
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from customary.domain.errors import Malformed
from customary.http import body as gate
from customary.http.body import parsed

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(gate.INTEGER_MIN, gate.INTEGER_MAX)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(texts, inner, max_size=6),
    max_leaves=25,
)
objects = st.dictionaries(texts, values, max_size=8)


@given(objects, st.booleans(), st.sampled_from([None, 0, 2]))
def test_json_within_the_limits_comes_through_equal(
    value: dict[str, object], ascii_only: bool, indent: int | None
) -> None:
    """Same values, same types, same order of members, however it was written."""
    body = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
    assert repr(parsed(body)) == repr(json.loads(body)) == repr(value)


class _Pairs(list[tuple[str, object]]):
    """An object as its pairs, duplicates and all."""


class _Digits(str):
    """A number as it was written."""

    __slots__ = ()


def _may_pass(body: bytes) -> bool:
    """Return whether the limits allow ``body``: the rules once more, slowly, from the page they stand on."""
    try:
        text = body.decode("utf-8", "strict")
        top = json.loads(text, object_pairs_hook=_Pairs, parse_int=_Digits, parse_float=_Digits)
    except (ValueError, RecursionError):
        return False
    return isinstance(top, _Pairs) and _fits(top, 1) and _values_in(top) <= 2_000


def _fits(value: object, depth: int) -> bool:
    if isinstance(value, _Digits):
        if set(value) & set(".eE"):
            return len(value) <= 1_100 and math.isfinite(float(value))
        return len(value) <= 20 and -(2**63) <= int(value) < 2**63
    if isinstance(value, str):
        return not re.search("[\0\ud800-\udfff]", value)
    if isinstance(value, _Pairs):
        names = [name for name, _ in value]
        if depth > 32 or len(names) > 256 or len(set(names)) != len(names):
            return False
        return all(_fits(name, depth) and _fits(member, depth + 1) for name, member in value)
    if isinstance(value, list):
        return depth <= 32 and all(_fits(member, depth + 1) for member in value)
    return not isinstance(value, float)  # numbers are digits here, so a float is NaN or Infinity


def _values_in(value: object) -> int:
    members = [member for _, member in value] if isinstance(value, _Pairs) else value
    return 1 + sum(map(_values_in, members)) if isinstance(members, list) else 1


def _judge(body: bytes) -> None:
    if _may_pass(body):
        assert repr(parsed(body)) == repr(json.loads(body))
    else:
        with pytest.raises(Malformed) as caught:
            parsed(body)
        assert (caught.value.part, caught.value.__context__) == ("body", None)


SPLICES = [
    b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\\u", b"\\u0000", b"\\ud800", b"\\ude00", b"1e400",
    b"NaN", b"-", b"0", b"9" * 19, b"9" * 30, b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\0", b'"a":1,',
    b"[" * 40, b"{}", b"null", b" ", b"\xc2\xa0", b".", b"e", b'{"a":' * 40, b"0," * 2_100, b"Infinity",
]  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(
    objects,
    st.booleans(),
    st.lists(st.tuples(st.floats(0, 1), st.sampled_from(SPLICES), st.booleans()), max_size=6),
)
def test_mutated_json_passes_exactly_when_the_rules_allow_it(
    value: dict[str, object], ascii_only: bool, cuts: list[tuple[float, bytes, bool]]
) -> None:
    """Against a second, slow reading of the rules; never another exception than the refusal."""
    body = json.dumps(value, ensure_ascii=ascii_only).encode()
    for place, splice, replacing in cuts:
        at = int(place * len(body))
        body = body[:at] + splice + body[at + replacing * len(splice) :]
    _judge(body)


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=200) | st.lists(st.sampled_from(SPLICES), max_size=12).map(b"".join))
@example(b"")
@example(b"\x80")
@example(b'{"\\u0000":1e999}')
def test_any_bytes_give_an_object_or_the_refusal(body: bytes) -> None:
    """No input gives anything else, so none gives a 5xx."""
    _judge(body)
    _judge(b'{"a":' + body + b"}")
    _judge(b'{"' + body + b'":1}')
