"""customData comes back as it was sent, or is refused: T13, and its limits."""

import json
import math
import random
from typing import Any

import pytest

from merchant import CUSTOMERS, Json, Merchant, person, refused
from serving import Answer

BYTES_MAX = 16 * 1024
SAFE_MAX = 2**53 - 1


def raw_body(custom_data: str) -> bytes:
    """Return a body whose customData is this text, whatever it is."""
    return json.dumps(person()).encode()[:-1] + b', "customData": ' + custom_data.encode() + b"}"


def canonical(value: object) -> str:
    """Return a form in which two values are alike if and only if they are one value in JSON."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def filled(size: int) -> Json:
    """Return customData of that size as canonical JSON, in texts."""
    members = {f"k{n:02}": "x" * 1000 for n in range(size // 1100)}
    members["rest"] = ""
    members["rest"] = "x" * (size - len(canonical(members)))
    assert len(canonical(members).encode()) == size
    return members


@pytest.mark.statement("T13")
@pytest.mark.parametrize(
    "custom_data",
    [
        {},
        {"": ""},
        {"a": {"b": {"c": {}}}, "list": [[], {}, [[1]]]},
        {"numbers": [0, -0.0, 1, 1.0, 1.5, -1, 1e300, 5e-324, 0.1, SAFE_MAX, -SAFE_MAX]},
        {"flags": [True, False, None]},
        {"text": '\t\n\r\b\f"\\/ é 漢 \U0001f600 \u2028 \u202e \x7f'},
        {"\u202ekey\n": 1, "dotted.key": 2, "$ref": 3, "__proto__": 4, "漢": 5},
        {"customer": {"name": "x"}},
        {"taxId": "#####6790"},
    ],
)
def test_custom_data_comes_back_equal(merchant: Merchant, custom_data: Json) -> None:
    """In the create, in a read and in a list; member order is not significant."""
    created = merchant.create(customData=custom_data)
    assert canonical(created["customData"]) == canonical(custom_data)
    fetched = merchant.fetch(created["customerId"])
    assert canonical(fetched["customData"]) == canonical(custom_data)


@pytest.mark.statement("T13")
def test_any_custom_data_comes_back_equal(merchant: Merchant) -> None:
    """100 random objects; the seed is in the failure."""
    seed = random.SystemRandom().randrange(2**32)
    dice = random.Random(seed)
    for _ in range(100):
        custom_data = {f"k{n}": random_json(dice, 4) for n in range(dice.randrange(6))}
        created = merchant.create(customData=custom_data)
        assert canonical(created["customData"]) == canonical(custom_data), f"seed {seed}"


def random_json(dice: random.Random, depth: int) -> Any:
    kind = dice.randrange(8 if depth else 6)
    if kind == 6:
        return [random_json(dice, depth - 1) for _ in range(dice.randrange(4))]
    if kind == 7:
        return {random_text(dice): random_json(dice, depth - 1) for _ in range(dice.randrange(4))}
    return [
        random_text(dice),
        dice.randint(-SAFE_MAX, SAFE_MAX),
        dice.random() * 10 ** dice.randint(-300, 300),
        dice.random() < 0.5,
        math.floor(dice.gauss(0, 5)),
        "",
    ][kind]


def random_text(dice: random.Random) -> str:
    ranges = [(0x01, 0x7F), (0x80, 0xFF), (0x100, 0xD7FF), (0xE000, 0xFFFF), (0x10000, 0x10FFFF)]
    return "".join(chr(dice.randint(*dice.choice(ranges))) for _ in range(dice.randrange(8)))


@pytest.mark.statement("T13", "T12")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True),
        (1, 1.0),
        (0, False),
        ([1], [True]),
        ([1], [1.0]),
        ([{"a": 1}], [{"a": True}]),
        ("1", 1),
        ([], {}),
    ],
)
def test_values_that_python_takes_for_equal_are_changes(
    merchant: Merchant, one: object, other: object
) -> None:
    """``1``, ``1.0`` and ``true`` are three values in JSON; each replaces the other, also within arrays."""
    created = merchant.create(customData={"v": one})
    for value in (other, one):
        updated = merchant.update(created["customerId"], customData={"v": value})
        assert canonical(updated["customData"]) == canonical({"v": value})
        assert canonical(merchant.fetch(created["customerId"])) == canonical(updated)


@pytest.mark.statement("T13")
@pytest.mark.parametrize(
    "text",
    [
        '{"n": 9007199254740992}',
        '{"n": -9007199254740992}',
        '{"n": 9223372036854775807}',
        '{"deep": {"er": [[{"n": 9007199254740992}]]}}',
    ],
)
def test_integers_that_javascript_cannot_hold_are_refused(merchant: Merchant, text: str) -> None:
    """Beyond ±(2^53−1) another number would come back than was sent."""
    refused(merchant.post(raw_body(text)), "customer.customData")
    created = merchant.create()
    path = f"{CUSTOMERS}/{created['customerId']}"
    refused(merchant.post(b'{"customData": ' + text.encode() + b"}", path), "customer.customData")
    assert merchant.fetch(created["customerId"]) == created


@pytest.mark.statement("T13")
@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "a": 1}',
        '{"a": 1, "\\u0061": 2}',
        '{"deep": [{"a": {}, "a": {}}]}',
        '{"n": NaN}',
        '{"n": Infinity}',
        '{"n": -Infinity}',
        '{"n": 1e400}',
        '{"n": -1e999999}',
        '{"n": 99999999999999999999}',
        '{"n": 1' + "0" * 5_000 + "}",
    ],
)
def test_what_json_does_not_carry_is_refused(merchant: Merchant, text: str) -> None:
    """Duplicate members, NaN, infinities and overflow to them: the body is no body."""
    refused(merchant.post(raw_body(text)), "body")


@pytest.mark.statement("T13")
def test_custom_data_may_have_16_kib(merchant: Merchant) -> None:
    """As canonical JSON; one byte more is 400, and nothing changes."""
    created = merchant.create(customData=filled(BYTES_MAX))
    assert created["customData"] == filled(BYTES_MAX)
    refused(merchant.post(person(customData=filled(BYTES_MAX + 1))), "customer.customData")
    path = f"{CUSTOMERS}/{created['customerId']}"
    refused(merchant.post({"customData": {"one more": 1}}, path), "customer.customData")
    assert merchant.fetch(created["customerId"]) == created


@pytest.mark.statement("T13", "T22")
def test_what_patches_add_up_to_can_be_posted_back(merchant: Merchant) -> None:
    """Patches never grow customData beyond what one body may carry: GET, edit, POST back always works."""
    created = merchant.create()
    path = f"{CUSTOMERS}/{created['customerId']}"
    answer: Answer
    for number in range(40):
        answer = merchant.post({"customData": {f"m{number}-{n}": n for n in range(60)}}, path)
        if answer.status != 200:
            break
    else:
        pytest.fail("2,400 members were taken")
    refused(answer, "customer.customData")
    customer = merchant.fetch(created["customerId"])
    assert merchant.saved(customer | {"vip": "1"}, path)["vip"] == "1"
