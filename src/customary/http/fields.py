"""Reads the members of a decoded JSON object one by one, and collects every fault instead of the first.

A decoder with types stops at the first error; integrators want all of them at once. It must never know a
customer: a room's wire says which members there are. No fault carries a value.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from customary.domain.customer import CUSTOM_DATA_BYTES_MAX
from customary.domain.errors import Invalid, Malformed, Violation
from customary.domain.merge import canonical_bytes, merged, unsafe_integers
from customary.domain.reach import Reach
from customary.http.body import DEPTH_MAX, MEMBERS_MAX, VALUES_MAX, parsed

_MESSAGES = {
    "required": "is required",
    "type": "has the wrong type",
    "min_length": "is too short",
    "max_length": "is too long",
    "control": "has characters that are not allowed",
    "range": "is out of range",
    "mask": "is a mask that is not the one of the stored value",
    "not_null": "cannot be removed",
    "email": "is not an e-mail address",
    "date": "is not a date in the form YYYY-MM-DD",
    "future": "is in the future",
    "before_creation": "is before the record was made",
    "country": "is not a country code of ISO 3166-1",
    "integers": "has an integer that JSON cannot carry safely",
    "size": "is too large",
    "choice": "is none of the values that there are",
    "unknown": "is none that there is",
    "cursor": "is none of this list",
    "enumeration": "is none of the words that may stand there",
    "instant": "is not an instant in the form of RFC 3339",
    "field": "names a field that cannot be revealed",
    "reason": "is not 1 to 500 printable characters, or not what X-Reason says",
    "reach": "is not among the fields of this key",
}

# C0 and C1 controls, and the characters that reorder what a reader sees.
_NOT_IN_NAMES = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_INT64_MAX = 2**63 - 1

Text = str | UnsetType | None


class Limits(msgspec.Struct, frozen=True, gc=False):
    """What a string member must keep; lengths count characters.

    ``clean`` refuses controls and reordering characters, as in names; ``integer`` also takes an integer and
    reads its digits.
    """

    max_length: int
    min_length: int = 0
    clean: bool = False
    integer: bool = False


class Fields:
    """One JSON object under its path, and the faults found in it and in the objects inside it.

    A member is *absent* (``UNSET``), *null* (``None``) or has a value; a faulty one reads as absent.
    """

    def __init__(
        self, members: Mapping[str, object], path: str = "", violations: list[Violation] | None = None
    ) -> None:
        self._members = members
        self._prefix = f"{path}." if path else ""
        self.violations: list[Violation] = [] if violations is None else violations

    def fault(self, name: str, rule: str) -> None:
        """Note that the member breaks a rule."""
        path = self._prefix + name
        self.violations.append(Violation(path, rule, f"{path} {_MESSAGES[rule]}"))

    def check(self) -> None:
        """Raise Invalid if any fault was found."""
        if self.violations:
            raise Invalid(*self.violations)

    def text(self, name: str, limits: "Limits") -> Text:
        """Return a string member that keeps its limits."""
        value = self._members.get(name, UNSET)
        if type(value) is int and limits.integer:
            value = str(value)
        if not isinstance(value, str):
            if value is not None and value is not UNSET:
                self.fault(name, "type")
                return UNSET
            return value
        if len(value) < limits.min_length:
            self.fault(name, "min_length")
        elif len(value) > limits.max_length:
            self.fault(name, "max_length")
        elif limits.clean and not (value.isascii() and value.isprintable()) and _NOT_IN_NAMES.search(value):
            self.fault(name, "control")
        else:
            return value
        return UNSET

    def texts(self, named: Mapping[str, tuple[str, "Limits"]]) -> dict[str, Any]:
        """Return the string members that are there, under the domain's names for them."""
        members = self._members
        found: dict[str, Any] = {}
        for name, (field, limits) in named.items():
            if name in members:
                value = members[name]
                # What nearly every member is, without a call; the rest is judged by ``text``.
                if (
                    type(value) is str
                    and limits.min_length <= len(value) <= limits.max_length
                    and (not limits.clean or (value.isascii() and value.isprintable()))
                ):
                    found[field] = value
                else:
                    found[field] = self.text(name, limits)
        return found

    def integer(self, name: str) -> int | UnsetType | None:
        """Return an integer member that fits 64 bits; a boolean or a fraction is no integer."""
        value = self._members.get(name, UNSET)
        if value is None or value is UNSET:
            return value
        if type(value) is not int:
            self.fault(name, "type")
        elif not -_INT64_MAX - 1 <= value <= _INT64_MAX:
            self.fault(name, "range")
        else:
            return value
        return UNSET

    def members(self, name: str) -> dict[str, object] | UnsetType | None:
        """Return an object member as it is."""
        value = self._members.get(name, UNSET)
        if isinstance(value, dict) or value is None or value is UNSET:
            return value
        self.fault(name, "type")
        return UNSET

    def free_form(self, name: str, before: dict[str, object] | None) -> dict[str, object] | UnsetType | None:
        """Return an object member that may hold any JSON, to be merged into what there was ``before``.

        It must survive JavaScript's numbers, be small, and fit into a request again when it is merged.
        """
        members = self.members(name)
        if not isinstance(members, dict):
            return members
        if unsafe_integers(members):
            self.fault(name, "integers")
            return UNSET
        after = canonical_bytes(merged(before, members))
        if len(after) > CUSTOM_DATA_BYTES_MAX or not _can_be_sent_back(after):
            self.fault(name, "size")
            return UNSET
        return members

    def inside(self, name: str, members: Mapping[str, object]) -> "Fields":
        """Return the members of an object inside this one, its faults noted here."""
        return Fields(members, self._prefix + name, self.violations)


Members = Mapping[str, "str | Members"]
"""The domain's field of each member that is one, nested as the members are."""


def check_reach(
    reach: Reach | None,
    sent: Mapping[str, object],
    members: Members,
    path: str = "",
    *,
    null_shown: bool = False,
) -> None:
    """Raise Invalid for what is sent of fields that the key does not reach, one violation a member.

    To be asked before anything is looked up: neither what is stored nor whether it is may show in the answer.
    With ``null_shown`` the room shows null for what is absent, so a null that comes back says nothing.
    """
    if reach is not None:
        beyond = list(_beyond(reach, sent, members, f"{path}." if path else "", null_shown=null_shown))
        if beyond:
            raise Invalid(*[Violation(name, "reach", f"{name} {_MESSAGES['reach']}") for name in beyond])


def _beyond(
    reach: Reach, sent: Mapping[str, object], members: Members, prefix: str, *, null_shown: bool
) -> Iterator[str]:
    for name, value in sent.items():
        field = members.get(name)
        if field is None or (value is None and null_shown):
            continue
        if isinstance(field, str):
            if field not in reach.fields:
                yield prefix + name
        elif isinstance(value, dict):
            yield from _beyond(reach, value, field, f"{prefix}{name}.", null_shown=null_shown)
        elif not reach.fields.issuperset(
            map(str, field.values())
        ):  # to remove it whole is to remove its parts
            yield prefix + name


# As many values as the rest of a customer can have, in any form, and some.
_REST = b'{"rest":[' + b",".join([b"0"] * 64) + b'],"free":'


# A member takes five bytes at least (``"":0,``), a value two.
_SHORT_BYTES = min(5 * MEMBERS_MAX, 2 * (VALUES_MAX - 80)) - 5
_SHALLOW = DEPTH_MAX - 2


def _can_be_sent_back(value: bytes) -> bool:
    """Return whether a client may send what patches have added up to: what we show, we must take.

    What is short has too few members and values to be refused, so nearly nothing is parsed again.
    """
    if len(value) <= _SHORT_BYTES and value.count(b"{") + value.count(b"[") <= _SHALLOW:
        return True
    try:
        parsed(_REST + value + b"}")
    except Malformed:
        return False
    return True


def without_echo(sent: Mapping[str, object], shown: Mapping[str, object]) -> dict[str, object]:
    """Return what was sent without what says nothing new, because it is what was shown.

    Clients read a record, edit it and send it back whole. What they got from us and left alone is no
    statement of theirs, though it may be derived, masked or even unfit for this room's rules. Objects are
    compared member by member; one of which nothing is left is left out.

    >>> without_echo({"a": 1, "b": {"c": 2, "d": 3}}, {"a": 1, "b": {"c": 2, "d": 4}})
    {'b': {'d': 3}}
    """
    rest: dict[str, object] = {}
    for name, value in sent.items():
        if name not in shown:
            rest[name] = value
            continue
        now = shown[name]
        if isinstance(value, dict) and isinstance(now, dict):
            inner = without_echo(value, now)
            if inner:
                rest[name] = inner
        elif type(value) is not type(now) or value != now or _differ_inside(value, now):
            rest[name] = value
    return rest


def _differ_inside(one: object, other: object) -> bool:
    """Return whether two equal arrays are different JSON: in Python [1] == [True] == [1.0]."""
    return isinstance(one, list) and canonical_bytes(one) != canonical_bytes(other)
