"""The golden exchanges a to g, replayed from ``exchanges/*.http`` as they stand there.

A file is a dialogue with a merchant of its own. ``###`` opens an exchange: a request, then ``HTTP`` with the
status that is expected (``verbatim``: the body's bytes too), headers that must be among the answer's, and the
body, compared whole as JSON. ``<<name>>`` in a request stands for a known value. ``"<<name:kind>>"`` in an
expected body is any value of that kind when it is first met, and the same value from then on.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from merchant import UNMASKED, Merchant
from serving import Tenancy, basic

EXCHANGES = Path(__file__).parent / "exchanges"
GOLDEN = ("a", "b", "c", "d", "e", "f", "g")
KINDS: dict[str, Callable[[object], bool]] = {
    "integer": lambda value: type(value) is int,
    "digits": lambda value: isinstance(value, str) and re.fullmatch("[0-9]{1,15}", value) is not None,
    "text": lambda value: isinstance(value, str) and bool(value.strip()),
}


@dataclass(frozen=True)
class Exchange:
    """One request and what is expected of its answer, as text."""

    title: str
    request: str
    expected: str


def exchanges(text: str) -> list[Exchange]:
    """Return the exchanges of a file."""
    found = []
    for part in re.split(r"^### ", text, flags=re.MULTILINE)[1:]:
        title, _, rest = part.partition("\n")
        request, expected = re.split(r"^(?=HTTP )", rest, maxsplit=1, flags=re.MULTILINE)
        found.append(Exchange(title, request.strip("\n"), expected.strip("\n")))
    return found


def headers_and_body(text: str) -> tuple[list[tuple[str, str]], str]:
    """Return the headers and the body that follow a first line."""
    head, _, body = text.partition("\n\n")
    pairs = [line.partition(": ") for line in head.splitlines()[1:]]
    return [(name, value) for name, _, value in pairs], body


class Dialogue:
    """Replays exchanges and remembers the values they have met."""

    def __init__(self, tenancy: Tenancy) -> None:
        key = tenancy.key
        self.program = Merchant(tenancy.server)
        self.values: dict[str, Any] = {
            "basic": key.authorization,
            "unmasked": tenancy.create_key(*UNMASKED).authorization,
            "unknown_id": basic("nobody", key.secret),
            "wrong_key": basic(key.key_id, "wrong"),
        }

    def replay(self, exchange: Exchange) -> None:
        """Send the request and compare the answer."""
        request = re.sub(r"<<(\w+)>>", lambda match: str(self.values[match[1]]), exchange.request)
        method, _, target = request.partition("\n")[0].partition(" ")
        headers, body = headers_and_body(request)
        answer = self.program.send(method, target, body.encode() if body else None, headers=headers)
        words = exchange.expected.partition("\n")[0].split()
        expected_headers, expected_body = headers_and_body(exchange.expected)
        assert answer.status == int(words[1]), (exchange.title, answer.body)
        for name, value in expected_headers:
            assert answer.header(name) == value, exchange.title
        if "verbatim" in words:
            assert answer.body == expected_body.encode(), exchange.title
        self.compare(exchange.title, json.loads(expected_body), answer.json)

    def compare(self, title: str, expected: Any, actual: Any) -> None:
        """Demand that a value is the expected one, whole; member order is not significant."""
        place = re.fullmatch(r"<<(\w+):(\w+)>>", expected) if isinstance(expected, str) else None
        if place is not None:
            assert KINDS[place[2]](actual), (title, place[0], actual)
            assert self.values.setdefault(place[1], actual) == actual, (title, place[0])
        elif isinstance(expected, dict) and isinstance(actual, dict):
            assert set(expected) == set(actual), title
            for name, value in expected.items():
                self.compare(title, value, actual[name])
        elif isinstance(expected, list) and isinstance(actual, list):
            assert len(expected) == len(actual), title
            for one, other in zip(expected, actual, strict=True):
                self.compare(title, one, other)
        else:
            assert (type(expected), expected) == (type(actual), actual), title


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.statement(name)) for name in GOLDEN])
def test_a_golden_exchange_holds(tenant: Callable[..., Tenancy], name: str) -> None:
    """Each is replayed whole, on a tenant in which nobody has been."""
    dialogue = Dialogue(tenant())
    found = exchanges((EXCHANGES / f"trustly_{name}.http").read_text())
    assert found
    for exchange in found:
        dialogue.replay(exchange)
    times = {name: value for name, value in dialogue.values.items() if name.endswith("_at")}
    changed = [time for name, time in times.items() if not name.endswith("created_at")]
    assert all(time > min(times.values()) for time in changed)


def test_every_file_is_replayed() -> None:
    """A new file is not forgotten."""
    assert sorted(path.name for path in EXCHANGES.glob("trustly_*.http")) == [
        f"trustly_{n}.http" for n in GOLDEN
    ]
