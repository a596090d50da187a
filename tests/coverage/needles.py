"""Canaries, and a searcher that knows them in whatever form they may have got somewhere.

It must never know where it searches, or what is allowed to be there.
"""

import base64
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

LETTERS_MIN = 8
"""Shorter forms are not searched for: by chance they are anywhere."""


@dataclass(frozen=True)
class Found:
    """A canary that turned up: whose it is, in which form, and what stands around it."""

    canary: str
    form: str
    place: str
    around: bytes


class Canaries:
    """Makes values that are nowhere else, each with a name that tells where it was planted."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        self.planted: dict[str, str] = {}

    def _named(self, name: str, value: str) -> str:
        if self.planted.setdefault(name, value) != value:
            raise ValueError(f"two canaries are called {name}")
        return value

    def text(self, name: str, around: str = "{}") -> str:
        """Return a text with two letters outside of ASCII, since an encoding may hide these."""
        letters = "".join(self._dice.choices("bcdfghjkmnpqrstvwxz", k=8))
        return self._named(name, around.format(f"Ü{letters[:4]}'é{letters[4:]}"))

    def token(self, name: str, around: str = "{}") -> str:
        """Return a text of ASCII letters and digits, for where no other may stand."""
        return self._named(
            name, around.format("".join(self._dice.choices("BCDFGHJKLMNPQRSTVWXZ2345678", k=14)))
        )

    def digits(self, name: str, count: int = 13) -> str:
        """Return digits, the first of them no zero."""
        return self._named(name, "".join(self._dice.choices("123456789", k=count)))

    def date(self, name: str) -> str:
        """Return a date of which there are not many."""
        year, month, day = (
            self._dice.randint(1901, 1950),
            self._dice.randint(10, 12),
            self._dice.randint(10, 28),
        )
        return self._named(name, f"{year}-{month}-{day}")


def forms(canary: str) -> Mapping[str, bytes]:
    """Return the forms in which a text may have got somewhere, by their names.

    >>> sorted(forms("12345678-9"))[:4]
    ['UTF-16 BE', 'UTF-16 LE', 'base64 +0', 'base64 +1']
    >>> forms("12345678-9")["digits"]
    b'123456789'
    """
    raw = canary.encode()
    found = {
        "raw": raw,
        "lower case": canary.lower().encode(),
        "upper case": canary.upper().encode(),
        "latin-1": canary.encode("latin-1", "replace"),
        "JSON": json.dumps(canary)[1:-1].encode(),
        "JSON, upper": json.dumps(canary)[1:-1].upper().replace("\\U", "\\u").encode(),
        "URL": quote(canary, safe="").encode(),
        "URL, lower": quote(canary, safe="").replace("%C3", "%c3").encode(),
        "repr": repr(raw)[2:-1].encode(),
        "hex": raw.hex().encode(),
        "HEX": raw.hex().upper().encode(),
        "UTF-16 LE": canary.encode("utf-16-le"),
        "UTF-16 BE": canary.encode("utf-16-be"),
        "reversed": raw[::-1],
    }
    for offset in range(3):
        # The characters at the ends also depend on the neighbours, so they are cut off.
        encoded = base64.b64encode(bytes(offset) + raw)
        inner = encoded[(0, 2, 3)[offset] : len(encoded) - (0, 4, 4)[-(len(raw) + offset) % 3]]
        found[f"base64 +{offset}"] = inner
        found[f"base64 URL +{offset}"] = inner.translate(bytes.maketrans(b"+/", b"-_"))
    digits = "".join(character for character in canary if character.isascii() and character.isdigit())
    if len(digits) >= LETTERS_MIN:
        found["digits"] = digits.encode()
        if canary == digits and len(digits) > 10:
            number = int(digits)
            length = (number.bit_length() + 7) // 8
            found |= {f"binary {order}": number.to_bytes(length, order) for order in ("big", "little")}
    return {
        name: form for name, form in found.items() if len(form) >= LETTERS_MIN or name.startswith("binary")
    }


class Searcher:
    """Looks for every form of every canary."""

    def __init__(self, canaries: Mapping[str, str]) -> None:
        self._needles: dict[bytes, tuple[str, str]] = {}
        for name, canary in canaries.items():
            for form, needle in forms(canary).items():
                self._needles.setdefault(needle, (name, form))

    def search(self, place: str, hay: bytes) -> Iterator[Found]:
        """Yield what is found in these bytes, once for each form."""
        for needle, (name, form) in self._needles.items():
            at = hay.find(needle)
            if at >= 0:
                yield Found(name, form, place, hay[max(0, at - 60) : at + len(needle) + 60])
