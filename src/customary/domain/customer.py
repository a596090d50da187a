"""The customer record: what may be known about one person, and how a patch changes it.

It must never know who asks (see ``access``), how a record is sealed, stored or sent, or a vendor's word.
Absent data are ``None`` in a record; in a patch ``UNSET`` keeps, ``None`` clears, a value sets.
"""

from datetime import datetime
from typing import Any, NewType

import msgspec
from msgspec import UNSET, UnsetType

from customary.domain.merge import canonical_bytes, merged
from customary.domain.names import given_and_family, joined

TenantID = NewType("TenantID", str)  # a GUID in its canonical text form
CustomerID = NewType("CustomerID", str)  # 12 characters of the Base58 alphabet
CustomerNumber = NewType("CustomerNumber", str)  # 10 to 15 decimal digits

# Longest accepted text, in characters; every room uses these.
FULL_NAME_MAX = 256
EMAIL_MAX = 254
PHONE_MAX = 32
ADDRESS_LINE_MAX = 200
CITY_MAX = 100
REGION_MAX = 100
POSTAL_CODE_MAX = 16
EXTERNAL_ID_MAX = 128
ORG_ID_MAX = 100
TEXT_MAX = 256
CUSTOM_DATA_BYTES_MAX = 16 * 1024


class Address(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A postal address; every part is optional, because the two vendors require different ones."""

    line1: str | None = None
    line2: str | None = None
    city: str | None = None
    region: str | None = None
    postal_code: str | None = None
    country: str | None = None


class Particulars(msgspec.Struct, frozen=True, omit_defaults=True):
    """The ordinary personal data of a customer.

    A name is kept in the one form in which it was last given, either ``full_name`` or ``given_name`` and
    ``family_name``; the other form is derived whenever it is asked for and never stored over it.
    """

    full_name: str | None = None
    given_name: str | None = None
    family_name: str | None = None
    email: str | None = None
    phone: str | None = None
    date_of_birth: str | None = None
    address: Address | None = None
    org_id: str | None = None
    external_id: str | None = None
    enroll_date: int | None = None
    vip: str | None = None
    currency: str | None = None
    balance: str | None = None
    organization_number: str | None = None
    external_tier: str | None = None
    license_region: str | None = None
    custom_data: dict[str, object] | None = None
    relationship_ended_at: str | None = None

    @property
    def shown_full_name(self) -> str | None:
        """Return the full name as given, or the given and family name joined.

        >>> Particulars(given_name="Sarah", family_name="Johnson").shown_full_name
        'Sarah Johnson'
        """
        return self.full_name if self.full_name is not None else joined(self.given_name, self.family_name)

    @property
    def shown_given_and_family(self) -> tuple[str | None, str | None]:
        """Return given and family name as given, or split from the full name (see ``domain.names``).

        >>> Particulars(full_name="Joe User").shown_given_and_family
        ('Joe', 'User')
        """
        if self.full_name is not None:
            return given_and_family(self.full_name)
        return self.given_name, self.family_name


class Guarded(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The data that are masked unless there is a reason to see them; sealed apart from the rest."""

    tax_id: str | None = None
    national_id: str | None = None
    person_id: str | None = None
    license_number: str | None = None

    @property
    def present(self) -> frozenset[str]:
        """Return the names of the fields that have a value."""
        return frozenset([name for name in GUARDED_FIELDS if getattr(self, name) is not None])

    def holds_any_of(self, names: frozenset[str]) -> bool:
        """Return whether one of these fields has a value."""
        for name in names:  # noqa: SIM110  # three times as fast as any(), and every read asks
            if getattr(self, name) is not None:
                return True
        return False

    def holds_the_fields_of(self, other: "Guarded") -> bool:
        """Return whether just those fields have a value that have one in ``other``."""
        return (
            (self.tax_id is None) is (other.tax_id is None)
            and (self.national_id is None) is (other.national_id is None)
            and (self.person_id is None) is (other.person_id is None)
            and (self.license_number is None) is (other.license_number is None)
        )


GUARDED_FIELDS: tuple[str, ...] = Guarded.__struct_fields__
NOTHING_GUARDED = Guarded()


class Customer(msgspec.Struct, frozen=True):
    """One version of one customer.

    ``masks`` are always there; ``guarded`` is ``None`` where the guarded part was not opened.
    ``version`` counts from 1. Instants are aware, in UTC and whole milliseconds.
    """

    tenant_id: TenantID
    customer_id: CustomerID
    customer_number: CustomerNumber
    merchant_no: int
    version: int
    created_at: datetime
    updated_at: datetime
    particulars: Particulars
    masks: Guarded
    guarded: Guarded | None


class AddressPatch(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A change of single parts of an address."""

    line1: str | UnsetType | None = UNSET
    line2: str | UnsetType | None = UNSET
    city: str | UnsetType | None = UNSET
    region: str | UnsetType | None = UNSET
    postal_code: str | UnsetType | None = UNSET
    country: str | UnsetType | None = UNSET


class CustomerPatch(msgspec.Struct, frozen=True, omit_defaults=True):
    """A change of a customer: absent keeps, ``None`` clears, a value sets; objects merge (RFC 7396)."""

    full_name: str | UnsetType | None = UNSET
    given_name: str | UnsetType | None = UNSET
    family_name: str | UnsetType | None = UNSET
    email: str | UnsetType | None = UNSET
    phone: str | UnsetType | None = UNSET
    date_of_birth: str | UnsetType | None = UNSET
    address: AddressPatch | UnsetType | None = UNSET
    org_id: str | UnsetType | None = UNSET
    external_id: str | UnsetType | None = UNSET
    enroll_date: int | UnsetType | None = UNSET
    vip: str | UnsetType | None = UNSET
    currency: str | UnsetType | None = UNSET
    balance: str | UnsetType | None = UNSET
    organization_number: str | UnsetType | None = UNSET
    external_tier: str | UnsetType | None = UNSET
    license_region: str | UnsetType | None = UNSET
    custom_data: dict[str, object] | UnsetType | None = UNSET
    relationship_ended_at: str | UnsetType | None = UNSET
    tax_id: str | UnsetType | None = UNSET
    national_id: str | UnsetType | None = UNSET
    person_id: str | UnsetType | None = UNSET
    license_number: str | UnsetType | None = UNSET


_NAMES = ("full_name", "given_name", "family_name")

EMPTY = (Particulars(), NOTHING_GUARDED)


def patched(particulars: Particulars, guarded: Guarded, patch: CustomerPatch) -> tuple[Particulars, Guarded]:
    """Return what is known after ``patch``; an empty patch returns equal data.

    Laws (held by property tests): patching twice with the same patch is patching once; a field that is not
    in the patch keeps its value, except that a name given in one form replaces the other form.

    >>> p, g = patched(*EMPTY, CustomerPatch(given_name="Sarah", tax_id="123456790"))
    >>> p.given_name, g.tax_id
    ('Sarah', '123456790')
    """
    changes: dict[str, Any] = msgspec.to_builtins(patch)  # without what is UNSET
    guarded_changes = {name: changes.pop(name) for name in GUARDED_FIELDS if name in changes}
    if not changes.keys().isdisjoint(_NAMES):
        for name in _NAMES:
            changes.pop(name, None)
        changes.update(_name_changes(particulars, patch))
    if changes.get("address") is not None:
        changes["address"] = msgspec.structs.replace(particulars.address or Address(), **changes["address"])
    if changes.get("custom_data") is not None:
        changes["custom_data"] = merged(particulars.custom_data, changes["custom_data"])
    return (
        msgspec.structs.replace(particulars, **changes) if changes else particulars,
        msgspec.structs.replace(guarded, **guarded_changes) if guarded_changes else guarded,
    )


def _name_changes(particulars: Particulars, patch: CustomerPatch) -> dict[str, object]:
    """Return the new form of the name, or nothing when the patch repeats the name as it is shown."""
    now = particulars
    changes: dict[str, object] = {}
    if patch.full_name is not UNSET and (patch.full_name is None or patch.full_name != now.shown_full_name):
        changes = {"full_name": patch.full_name, "given_name": None, "family_name": None}
        now = Particulars(full_name=patch.full_name)
    if patch.given_name is not UNSET or patch.family_name is not UNSET:
        shown = now.shown_given_and_family
        asked = (
            shown[0] if patch.given_name is UNSET else patch.given_name,
            shown[1] if patch.family_name is UNSET else patch.family_name,
        )
        if asked != shown:
            changes = {"full_name": None, "given_name": asked[0], "family_name": asked[1]}
    return changes


def known_fields(particulars: Particulars, guarded: Guarded) -> tuple[str, ...]:
    """Return the names of the fields that have a value, in the order of the record; never a value.

    >>> known_fields(Particulars(email="a@example.com"), Guarded(tax_id="1"))
    ('email', 'tax_id')
    """
    return tuple(
        [name for name in Particulars.__struct_fields__ if getattr(particulars, name) is not None]
        + [name for name in GUARDED_FIELDS if getattr(guarded, name) is not None]
    )


def changed_fields(
    before: tuple[Particulars, Guarded], after: tuple[Particulars, Guarded]
) -> tuple[str, ...]:
    """Return the names of the fields that differ, in the order of the record; never a value.

    >>> changed_fields(EMPTY, (Particulars(email="a@example.com"), Guarded(tax_id="1")))
    ('email', 'tax_id')
    """
    changed: list[str] = []
    for one, other in zip(before, after, strict=True):
        for name in one.__struct_fields__:
            was, now = getattr(one, name), getattr(other, name)
            # In Python {"a": 1} == {"a": True}; in JSON it is not.
            if was is not now and (
                was != now or (name == "custom_data" and canonical_bytes(was) != canonical_bytes(now))
            ):
                changed.append(name)
    return tuple(changed)
