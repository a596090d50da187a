"""How far a key reaches: the fields that it sees and may change, and those it sees as masks only.

A key without a reach sees whole records, as far as its permissions go. It must never know a room's names for
fields, nor how a key is kept.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from customary.domain.customer import GUARDED_FIELDS, Customer, Guarded, Particulars
from customary.domain.errors import Forbidden, Invalid, Violation
from customary.domain.masking import BIRTH_MASK, MASK

_PARTICULARS: tuple[str, ...] = Particulars.__struct_fields__
_NAME = ("full_name", "given_name", "family_name")

EVERYTHING = frozenset((*_PARTICULARS, *GUARDED_FIELDS))
FIELDS: Mapping[str, tuple[str, ...]] = {
    "name": _NAME,
    **{field: (field,) for field in (*_PARTICULARS, *GUARDED_FIELDS) if field not in _NAME},
}
"""What a key can be limited to, in the order of the record, with the fields that belong to it.

All forms of a name are one field, because each is derived from the others.
"""

LAST4, MASKED = "last4", "masked"
_SHOWINGS: Mapping[str, frozenset[str]] = {
    LAST4: frozenset(GUARDED_FIELDS),
    MASKED: frozenset((*GUARDED_FIELDS, "date_of_birth")),
}
"""How a field may be shown otherwise than as the surface shows it, and which fields may be."""


class Reach(msgspec.Struct, frozen=True):
    """What a key reaches, in the domain's names.

    Of those in ``last4`` and ``masked``, which are among ``fields``, it never sees more than the mask with
    the last characters, or nothing but the mask's character. ``covered`` is what a surface masks besides,
    whatever the key: that may be revealed.

    >>> reach = reach_of(("name", "tax_id:last4"))
    >>> "given_name" in reach.fields, "email" in reach.fields, sorted(reach.last4)
    (True, False, ['tax_id'])
    """

    fields: frozenset[str]
    last4: frozenset[str] = frozenset()
    masked: frozenset[str] = frozenset()
    covered: frozenset[str] = frozenset()

    @property
    def is_limited(self) -> bool:
        """Return whether the key is limited, and not only a surface covers something."""
        return self.fields != EVERYTHING or bool(self.veiled)

    @property
    def veiled(self) -> frozenset[str]:
        """Return the fields that the key never sees in clear, on any surface."""
        return self.last4 | self.masked

    def require(self, fields: Iterable[str]) -> None:
        """Raise Forbidden if one of these fields is out of reach."""
        beyond = sorted(set(fields) - self.fields)
        if beyond:
            raise Forbidden(detail=f"fields beyond the key's reach: {', '.join(beyond)}")

    def shows_clear(self, fields: Iterable[str]) -> bool:
        """Return whether the key may see all these fields in clear, where a surface lets it ask for them."""
        return (self.fields - self.veiled).issuperset(fields)

    def require_clear(self, fields: Iterable[str]) -> None:
        """Raise Forbidden if one of these fields is out of reach or veiled."""
        if not self.shows_clear(fields):
            raise Forbidden(detail="fields that the key does not see in clear")

    def sight_of(self, customer: Customer) -> Customer:
        """Return the customer as this key sees it: what is out of reach is absent, what is veiled a mask.

        It is for showing and comparing; to store it would lose what it does not show.
        """
        particulars, masks, guarded = customer.particulars, customer.masks, customer.guarded
        changes: dict[str, str | None] = {name: None for name in _PARTICULARS if name not in self.fields}
        if (
            "date_of_birth" in self.masked | self.covered
            and "date_of_birth" in self.fields
            and particulars.date_of_birth is not None
        ):
            changes["date_of_birth"] = BIRTH_MASK
        seen = {name: self._mask_of(name, getattr(masks, name)) for name in GUARDED_FIELDS}
        if guarded is not None:
            veiled = self.veiled
            open_to_it = {
                name: getattr(guarded, name) if name in self.fields and name not in veiled else seen[name]
                for name in GUARDED_FIELDS
            }
            guarded = Guarded(**open_to_it)
        return msgspec.structs.replace(
            customer,
            particulars=msgspec.structs.replace(particulars, **changes) if changes else particulars,
            masks=Guarded(**seen),
            guarded=guarded,
        )

    def _mask_of(self, name: str, mask: str | None) -> str | None:
        if mask is None or name not in self.fields:
            return None
        return MASK * len(mask) if name in self.masked else mask


BIRTH_COVERED = Reach(EVERYTHING, covered=frozenset({"date_of_birth"}))
"""The reach of whoever sees all but the date of birth, where that is guarded."""


def covering_birth(reach: Reach | None) -> Reach:
    """Return a reach with the date of birth covered too."""
    return BIRTH_COVERED if reach is None else msgspec.structs.replace(reach, covered=BIRTH_COVERED.covered)


def canonical(texts: Sequence[str]) -> tuple[str, ...]:
    """Return the fields of a key in one order; Invalid if there is none such, or one cannot be shown so.

    >>> canonical(("tax_id:last4", "name"))
    ('name', 'tax_id:last4')
    """
    showings: dict[str, str] = {}
    for text in texts:
        name, colon, showing = text.partition(":")
        if name not in FIELDS:
            raise _wrong("There is no such field")
        if name in showings:
            raise _wrong("A field is named twice")
        if colon and (showing not in _SHOWINGS or not _SHOWINGS[showing].issuperset(FIELDS[name])):
            raise _wrong("A field cannot be shown so")
        showings[name] = colon + showing
    return tuple(name + showings[name] for name in FIELDS if name in showings)


def reach_of(texts: Sequence[str]) -> Reach | None:
    """Return the reach of a key that is limited to these fields; None for one that is not limited.

    A field that this program does not know is out of reach: a limit never turns into none.
    """
    if not texts:
        return None
    shown: dict[str, set[str]] = {"": set(), LAST4: set(), MASKED: set()}
    for text in texts:
        name, _, showing = text.partition(":")
        shown.get(showing, set()).update(FIELDS.get(name, ()))
    return Reach(frozenset().union(*shown.values()), frozenset(shown[LAST4]), frozenset(shown[MASKED]))


def _wrong(what: str) -> Invalid:
    return Invalid(Violation("fields", "field", what), public=what)
