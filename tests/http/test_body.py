"""The input gate: every limit at the limit and one over it, and every refusal in the words of its rule."""

import json
import math

import pytest

from customary.domain.errors import Malformed
from customary.http import body as gate
from customary.http.body import BODY_BYTES_MAX, parsed

CANARY = "canary-7Qx"


def _refusal(body: bytes) -> str:
    with pytest.raises(Malformed) as caught:
        parsed(body)
    refusal = caught.value
    assert refusal.part == "body"
    assert refusal.kind == "syntax"
    # A decoder's exception holds the body: it must not even be reachable from the refusal.
    assert refusal.__context__ is None
    assert refusal.__cause__ is None
    assert CANARY not in f"{refusal!r}{refusal.public}{refusal.detail}{refusal.args}"
    return refusal.public


def _nested(levels: int, opening: str, closing: str) -> bytes:
    """A body of ``levels`` levels, its own object included."""
    return ('{"a":' + opening * (levels - 1) + "1" + closing * (levels - 1) + "}").encode()


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"b":', "}]")])
def test_depth_is_at_most_32_levels(opening: str, closing: str) -> None:
    """The body's own object is the first level; arrays and objects count alike."""
    per_step = opening.count("[") + opening.count("{")
    steps = gate.DEPTH_MAX // per_step
    fitting = (gate.DEPTH_MAX - 1) // per_step
    levels = '{"a":' + opening * fitting + "1" + closing * fitting + "}"
    assert parsed(levels.encode()) == json.loads(levels)
    over = '{"a":' + opening * steps + "1" + closing * steps + "}"
    assert _refusal(over.encode()) == "The body is nested deeper than 32 levels"


def test_depth_at_the_limit_passes_and_one_over_is_refused() -> None:
    """Exactly 32 and exactly 33, and the empty container counts as a level too."""
    at_limit = _nested(32, "[", "]")
    assert parsed(at_limit) == json.loads(at_limit)
    assert _refusal(_nested(33, "[", "]")) == "The body is nested deeper than 32 levels"
    assert _refusal(b'{"a":' + b"[" * 32 + b"]" * 32 + b"}") == "The body is nested deeper than 32 levels"


def test_brackets_beside_each_other_or_in_a_text_are_no_depth() -> None:
    """The cheap bound counts them; the walk behind it must not."""
    body = json.dumps({"text": "[{" * 500, "rows": [{"a": []}] * 100}).encode()
    assert parsed(body) == json.loads(body)


@pytest.mark.parametrize(
    "bomb", [b"[" * BODY_BYTES_MAX, b'{"a":' * 13_000, _nested(20_000, "[", "]"), _nested(5_000, '{"":', "}")]
)
def test_a_depth_bomb_is_a_refusal_and_no_recursion_error(bomb: bytes) -> None:
    """Closed or not, 64 KiB of openings end in the rule about depth."""
    assert _refusal(bomb) == "The body is nested deeper than 32 levels"


@pytest.mark.parametrize("one", ["0", "{}", "[]", '""', "null"])
def test_values_are_at_most_2000_in_all(one: str) -> None:
    """The body and the array are two of them, and empty containers count."""
    at_limit = ('{"a":[' + ",".join([one] * 1_998) + "]}").encode()
    assert len(parsed(at_limit)["a"]) == 1_998  # type: ignore[arg-type]  # an array of the line above
    over = ('{"a":[' + ",".join([one] * 1_999) + "]}").encode()
    assert _refusal(over) == "The body has more than 2000 values"


def test_values_are_counted_in_members_too_and_names_are_no_values() -> None:
    """1 body + 8 objects + 1,991 members are 2,000."""
    groups = [{f"m{index}": 0 for index in range(250)} for _ in range(7)] + [{f"m{i}": 0 for i in range(241)}]
    body = {f"g{index}": group for index, group in enumerate(groups)}
    assert parsed(json.dumps(body).encode()) == body
    groups[-1]["one more"] = 0
    assert _refusal(json.dumps(body).encode()) == "The body has more than 2000 values"


def test_no_body_that_is_too_short_to_be_counted_can_have_too_many_values() -> None:
    """The shortest text of 2,001 values is an object around an array around digits, and it is counted."""
    shortest = b'{"":[' + b",".join([b"0"] * 1_999) + b"]}"
    assert len(shortest) == gate._BYTES_WITHIN_VALUES + 4
    assert _refusal(shortest) == "The body has more than 2000 values"


@pytest.mark.parametrize("template", ["%s", '{"a":[%s]}'])
def test_members_of_one_object_are_at_most_256(template: str) -> None:
    """At any level."""
    at_limit = template % json.dumps({f"m{index}": 0 for index in range(256)})
    assert parsed(at_limit.encode()) == json.loads(at_limit)
    over = template % json.dumps({f"m{index}": 0 for index in range(257)})
    assert _refusal(over.encode()) == "The body has an object of more than 256 members"


@pytest.mark.parametrize(
    "template",
    [
        '{"%s":1,"b":2,"%s":1}',
        '{"a":{"%s":1,"%s":2}}',
        '{"a":[[{"%s":null,"%s":null}]]}',
        '{"":0,"%s":{},"":0}',
    ],
)
def test_a_duplicate_member_is_refused_at_any_level(template: str) -> None:
    """Two readers of such a body would see two different requests."""
    body = template.replace("%s", CANARY).encode()
    assert _refusal(body) == "The body has an object with a duplicate member"


def test_a_member_is_a_duplicate_however_it_is_spelled() -> None:
    """An escape spells the same name; another case or another normal form is another name."""
    assert _refusal(b'{"name":1,"n\\u0061me":2}') == "The body has an object with a duplicate member"
    assert len(parsed('{"name":1,"Name":2,"é":3,"e\u0301":4}'.encode())) == 4


def test_bytes_are_at_most_64_kib() -> None:
    """Also for a caller that did not read through ``received``."""
    at_limit = b'{"a":1}'.ljust(BODY_BYTES_MAX)
    assert parsed(at_limit) == {"a": 1}
    assert _refusal(at_limit + b" ") == "The body is larger than 65536 bytes"


@pytest.mark.parametrize(
    "literal", ["9223372036854775807", "-9223372036854775808", "0", "-0", "1555696836548"]
)
def test_an_integer_that_fits_64_bits_passes(literal: str) -> None:
    """Signed, at both limits."""
    value = parsed(b'{"a":%s}' % literal.encode())["a"]
    assert type(value) is int
    assert value == int(literal)


@pytest.mark.parametrize(
    "literal",
    [
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551616",
        "1" * 20,
        "-" + "9" * 20,
        "7" * 60_000,
    ],
)
def test_an_integer_that_does_not_fit_64_bits_is_refused(literal: str) -> None:
    """One over at both limits, and so many digits that converting them first would be an attack."""
    rule = "The body has an integer that does not fit 64 bits"
    assert _refusal(b'{"a":[{"b":%s}]}' % literal.encode()) == rule


@pytest.mark.parametrize("literal", ["1e400", "-1e400", "1.8e308", "1E+999999999", "9" * 400 + ".0"])
def test_a_number_that_overflows_is_refused(literal: str) -> None:
    """``json.loads`` makes an infinity of it, which no JSON can say again."""
    assert _refusal(b'{"a":[%s]}' % literal.encode()) == "The body has a number that is too large"


@pytest.mark.parametrize("literal", ["1.7976931348623157e308", "-1.5", "1e5", "5e-324", "0.0", "1E-400"])
def test_a_number_within_the_doubles_passes_as_a_double(literal: str) -> None:
    """A fraction or an exponent makes a double, so ``1e5`` never passes for an integer of a field."""
    value = parsed(b'{"a":%s}' % literal.encode())["a"]
    assert type(value) is float
    assert value == float(literal)
    assert math.isfinite(value)


def test_a_fraction_has_at_most_1100_characters() -> None:
    """Digits are counted before they are converted."""
    assert parsed(b'{"a":0.%s}' % (b"3" * 1_098)) == {"a": 1 / 3}
    assert _refusal(b'{"a":0.%s}' % (b"3" * 1_099)) == "The body has a number of more than 1100 characters"


@pytest.mark.parametrize(
    "exact", [f"{math.ulp(0.0):.1074f}", f"{math.nextafter(2.0**-1022, 0):.1074f}", "1" * 309]
)
def test_the_exact_expansion_of_a_double_fits(exact: str) -> None:
    """The longest there are: the least double, the greatest subnormal one, and the longest whole part."""
    body = b'{"a":-%s}' % (exact if "." in exact else exact + ".0").encode()
    assert parsed(body) == {"a": -float(exact)}


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_pythons_own_constants_are_refused(constant: str) -> None:
    """``json.loads`` takes them; RFC 8259 does not."""
    rule = "The body has NaN or Infinity, which are not JSON"
    assert _refusal(b'{"a":[1,%s]}' % constant.encode()) == rule
    assert _refusal(constant.encode()) == rule


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("\\u0000", "U+0000"),
        ("x\\u0000y", "U+0000"),
        ("\\\\\\u0000", "U+0000"),
        ("\\ud83d", "a lone surrogate"),
        ("\\uDE00", "a lone surrogate"),
        ("\\uDFFF", "a lone surrogate"),
        ("\\uD800", "a lone surrogate"),
        ("\\ude00\\ud83d", "a lone surrogate"),
        ("\\ud83d \\ude00", "a lone surrogate"),
        ("\\ud83d\\ud83d\\ude00", "a lone surrogate"),
    ],
)
@pytest.mark.parametrize(
    "template", ['{"a":"%s"}', '{"%s":1}', '{"a":[0,{"b":["%s"]}]}', '{"a":[{"b":{"%s":{}}}]}']
)
def test_a_text_with_u0000_or_a_lone_surrogate_is_refused(template: str, text: str, name: str) -> None:
    """In values and in names, at any level, in any spelling of the escape."""
    body = (template % (CANARY + text)).encode()
    assert _refusal(body) == f"The body has a text with {name}"


@pytest.mark.parametrize(
    "text",
    [
        "\\ud83d\\ude00",
        "\\uD834\\uDD1E",
        "\\\\u0000",
        "\\\\ud83d",
        "\\u0001",
        "\\u00e9",
        "\\ud7ff",
        "\\ue000",
    ],
)
def test_a_whole_pair_and_an_escaped_backslash_are_no_fault(text: str) -> None:
    """What only looks like a forbidden escape is the caller's good right."""
    body = b'{"%s":["%s"]}' % (text.encode(), text.encode())
    assert parsed(body) == json.loads(body)


@pytest.mark.parametrize("raw", [*range(0x20), 0x22, 0x5C])
def test_a_raw_control_character_in_a_text_is_refused(raw: int) -> None:
    """RFC 8259 section 7: they must be escaped; a lone quotation mark or backslash breaks the text."""
    assert _refusal(b'{"a":"' + bytes([raw]) + b'"}') == "The body is not valid JSON"


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',  # a surrogate in UTF-8 (CESU-8)
        b'{"a":"\xc0\xaf"}',  # an overlong slash
        b'{"a":"\xc3"}',
        b'{"a":"\xf4\x90\x80\x80"}',  # beyond U+10FFFF
        '{"a":"é"}'.encode("latin-1"),
        '{"a":1}'.encode("utf-16"),
    ],
)
def test_utf_8_is_strict(body: bytes) -> None:
    """``json.loads`` guesses UTF-16 and UTF-32 from bytes; here there is one encoding."""
    assert _refusal(body) == "The body is not valid UTF-8"


def test_utf_16_without_a_mark_is_no_json() -> None:
    """It is valid UTF-8 full of U+0000, which ``json.loads`` on bytes would take."""
    assert json.loads('{"a":1}'.encode("utf-16-le")) == {"a": 1}
    assert _refusal('{"a":1}'.encode("utf-16-le")) == "The body is not valid JSON"


def test_a_byte_order_mark_is_refused() -> None:
    """RFC 8259 section 8.1; inside of a text U+FEFF is a character like any other."""
    assert _refusal(b'\xef\xbb\xbf{"a":1}') == "The body begins with a byte order mark"
    assert parsed('{"a":"\ufeff"}'.encode()) == {"a": "\ufeff"}


@pytest.mark.parametrize("body", ["[]", "null", "true", "1", "1.5", f'"{CANARY}"', f'["{CANARY}"]'])
def test_the_top_level_must_be_an_object(body: str) -> None:
    """Statement T24."""
    assert _refusal(body.encode()) == "The body is not a JSON object"


@pytest.mark.parametrize("body", [b"", b" ", b"\r\n\t"])
def test_an_empty_body_is_refused_as_empty(body: bytes) -> None:
    """Nothing, or only blanks."""
    assert _refusal(body) == "The body is empty"


@pytest.mark.parametrize("body", [b"{}{}", b"{} x", b"{},", b"{}\x00", b"{}\xc2\xa0", b'{"a":1}}'])
def test_nothing_but_blanks_follows_the_object(body: bytes) -> None:
    """The four blanks of RFC 8259 and no others."""
    assert _refusal(body) == "The body goes on after its JSON text"


def test_the_four_blanks_may_stand_anywhere_around_tokens() -> None:
    """RFC 8259 section 2."""
    assert parsed(b' \t\r\n{ \t\r\n"a" \t\r\n: \t\r\n[ \t\r\n1 \t\r\n] \t\r\n} \t\r\n') == {"a": [1]}


@pytest.mark.parametrize(
    "body",
    [
        "{", '{"a"}', '{"a":}', '{"a":1,}', "{a:1}", "{'a':1}", '{"a":01}', '{"a":+1}', '{"a":.5}',
        '{"a":1.}', '{"a":1e}', '{"a":0x1}', '{"a":True}', '{"a":[1,]}', '{"a":"\\x41"}', '{"a":"\\u12"}',
        '{"a":"\\u 123"}', '{"a":"\\u1_23"}', '{"a":"', '{"a":1 /**/}', '{"a":1} //', '{"a":\uff11}', "{1:2}",
        '{"a":--1}', '{"a":1 2}', "\xa0{}", "\u2028{}", "\x0b{}", "undefined", CANARY,
    ],
)  # fmt: skip
def test_what_is_no_json_is_refused(body: str) -> None:
    """No extension of any reader passes: comments, trailing commas, single quotes, other digits."""
    assert _refusal(body.encode()) in ("The body is not valid JSON", "The body goes on after its JSON text")
