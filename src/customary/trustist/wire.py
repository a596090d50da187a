"""Trustist's customer object, read and shown.

Source: Trustist's Customer Management page, and the contract's statements S13 to S23 (``docs/contract``).
This vendor's member names and its ISO 8601 times exist only here.
"""

import re
from collections.abc import Mapping
from datetime import date, datetime
from functools import cache
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from customary.app.customers import Disclosure, Revision
from customary.domain.access import Permission, Principal
from customary.domain.customer import (
    ADDRESS_LINE_MAX,
    CITY_MAX,
    EMAIL_MAX,
    FULL_NAME_MAX,
    ORG_ID_MAX,
    POSTAL_CODE_MAX,
    TEXT_MAX,
    AddressPatch,
    Customer,
    CustomerPatch,
)
from customary.domain.errors import Malformed
from customary.domain.masking import BIRTH_MASK
from customary.domain.reach import Reach
from customary.http import fields as reading
from customary.http.fields import Fields, Limits, without_echo

_Shown = str | None


class AddressView(msgspec.Struct):
    """A customer's address."""

    addressLine1: Annotated[_Shown, Meta(description="First line of the address")] = None
    addressLine2: Annotated[_Shown, Meta(description="Second line of the address")] = None
    city: Annotated[_Shown, Meta(description="City or town")] = None
    postalCode: Annotated[_Shown, Meta(description="Postal or ZIP code")] = None
    country: Annotated[_Shown, Meta(description="Country code of ISO 3166-1 alpha-2, such as GB")] = None


class CustomerView(msgspec.Struct):
    """A customer of the tenant; members that are not set are null."""

    id: Annotated[str, Meta(description="The customer's id: 12 characters")]
    tenantId: Annotated[str, Meta(description="Id of the tenant, a GUID")]
    firstName: Annotated[_Shown, Meta(description="First name; needed for KYC sessions")] = None
    lastName: Annotated[_Shown, Meta(description="Last name; needed for KYC sessions")] = None
    emailAddress: Annotated[_Shown, Meta(description="E-mail address; needed for KYC sessions")] = None
    dateOfBirth: Annotated[_Shown, Meta(description="Date of birth, YYYY-MM-DD")] = None
    address: AddressView | None = None
    orgId: Annotated[_Shown, Meta(description="The caller's own branch or organisation")] = None
    created: Annotated[str, Meta(description="When created, in UTC and whole seconds")] = ""
    lastUpdated: Annotated[str, Meta(description="When last changed, in UTC and whole seconds")] = ""


class AddressSent(msgspec.Struct, omit_defaults=True):
    """An address as it may be sent: a member that is left out keeps its value, null clears it."""

    addressLine1: Annotated[_Shown | UnsetType, Meta(max_length=ADDRESS_LINE_MAX)] = UNSET
    addressLine2: Annotated[_Shown | UnsetType, Meta(max_length=ADDRESS_LINE_MAX)] = UNSET
    city: Annotated[_Shown | UnsetType, Meta(max_length=CITY_MAX)] = UNSET
    postalCode: Annotated[_Shown | UnsetType, Meta(max_length=POSTAL_CODE_MAX)] = UNSET
    country: Annotated[_Shown | UnsetType, Meta(min_length=2, max_length=2)] = UNSET


class CustomerSent(msgspec.Struct, omit_defaults=True):
    """A customer as it may be sent: a member that is left out keeps its value, null clears it."""

    firstName: Annotated[_Shown | UnsetType, Meta(max_length=FULL_NAME_MAX)] = UNSET
    lastName: Annotated[_Shown | UnsetType, Meta(max_length=FULL_NAME_MAX)] = UNSET
    emailAddress: Annotated[_Shown | UnsetType, Meta(max_length=EMAIL_MAX)] = UNSET
    dateOfBirth: Annotated[_Shown | UnsetType, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")] = UNSET
    address: AddressSent | UnsetType | None = UNSET
    orgId: Annotated[_Shown | UnsetType, Meta(max_length=ORG_ID_MAX)] = UNSET


class PaymentMethodView(msgspec.Struct):
    """Whether a way to pay by card is there."""

    enabled: bool = False
    available: bool = False


class BankPaymentView(msgspec.Struct):
    """Whether a way to pay by bank is there."""

    enabled: bool = False
    standingOrdersMonitored: bool = False


class PaymentMethodsView(msgspec.Struct):
    """The ways to pay that the merchant offers."""

    ryft: PaymentMethodView
    tokenIo: BankPaymentView


class MerchantView(msgspec.Struct):
    """The calling merchant, as the vendor's plugin asks for it to test its connection."""

    name: str
    paymentMethods: PaymentMethodsView


class Masking:
    """Whether this room masks the date of birth, the one member of its customer that can be guarded."""

    def __init__(self, *, birth: bool) -> None:
        self.birth = birth
        self._clear = Disclosure(audited=frozenset({"date_of_birth"}))

    def disclosure(self, principal: Principal) -> Disclosure:
        """Return what this principal is shown: a guarded date in clear, and audited, with the permission."""
        if self.birth and Permission.READ_CUSTOMERS_UNMASKED in principal.permissions:
            return self._clear
        return _NOTHING_SHOWN


_NOTHING_SHOWN = Disclosure()

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+")


@cache
def countries() -> frozenset[str]:
    """Return the country codes of ISO 3166-1 alpha-2."""
    import pycountry  # its tables take 30 ms to load, and only a first write needs them

    return frozenset(country.alpha_2 for country in pycountry.countries)


def is_calendar_date(text: str) -> bool:
    """Return whether ``text`` is a real date, spelled ``YYYY-MM-DD`` and no other way.

    >>> is_calendar_date("1985-03-15"), is_calendar_date("1985-W11-5"), is_calendar_date("1985-02-30")
    (True, False, False)
    """
    if _DATE.fullmatch(text) is None:  # date.fromisoformat alone takes week dates and 20250115
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def instant_text(instant: datetime) -> str:
    """Return an instant in UTC and whole seconds.

    >>> from datetime import UTC
    >>> instant_text(datetime(2025, 1, 21, 14, 30, 0, 999000, tzinfo=UTC))
    '2025-01-21T14:30:00Z'
    """
    return instant.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def shown(customer: Customer) -> CustomerView:
    """Return the customer as this room shows it; what its forms cannot carry is shown as null."""
    p = customer.particulars
    first_name, last_name = p.shown_given_and_family
    born = p.date_of_birth
    return CustomerView(
        id=customer.customer_id,
        tenantId=customer.tenant_id,
        firstName=first_name,
        lastName=last_name,
        emailAddress=p.email,
        dateOfBirth=born if born and (is_calendar_date(born) or born == BIRTH_MASK) else None,
        address=None
        if p.address is None
        else AddressView(
            addressLine1=p.address.line1,
            addressLine2=p.address.line2,
            city=p.address.city,
            postalCode=p.address.postal_code,
            country=p.address.country if p.address.country and len(p.address.country) == 2 else None,
        ),
        orgId=p.org_id,
        created=instant_text(customer.created_at),
        lastUpdated=instant_text(customer.updated_at),
    )


def revision(body: Mapping[str, object], today: date, *, birth_guarded: bool = False) -> Revision:
    """Return how this body changes a customer (S13, S16, S17, S20, S21).

    Where the date of birth is guarded its mask means that it is unchanged, whoever sends it.
    """
    members = _canonical(body, _MEMBERS)
    if isinstance(address := members.get("address"), dict):
        members["address"] = _canonical(address, _ADDRESS_MEMBERS)

    def revised(current: Customer | None) -> CustomerPatch:
        if current is None:
            return _patch(members, today)
        rest = without_echo(members, msgspec.to_builtins(shown(current)))
        masked = birth_guarded and rest.get("dateOfBirth") == BIRTH_MASK
        if masked and current.particulars.date_of_birth is not None:
            del rest["dateOfBirth"]
        return _patch(rest, today)

    return revised


_MEMBERS = {name.lower(): name for name in CustomerSent.__struct_fields__}
_ADDRESS_MEMBERS = {name.lower(): name for name in AddressSent.__struct_fields__}


def check_reach(reach: Reach | None, body: Mapping[str, object]) -> None:
    """Raise Invalid for members of fields that the key does not reach, but for the nulls that it is shown."""
    if reach is not None:
        reading.check_reach(reach, _canonical(body, _MEMBERS), _FIELDS, null_shown=True)


def _canonical(sent: Mapping[str, object], names: Mapping[str, str]) -> dict[str, object]:
    """Return the known members under their own spelling; they match whatever their case (S20)."""
    members: dict[str, object] = {}
    for name, value in sent.items():
        known = names.get(name.lower())
        if known is None:
            continue
        if known in members:
            raise Malformed("A member of the body is repeated", part="body")
        members[known] = value
    return members


_TEXTS = {
    "firstName": ("given_name", Limits(FULL_NAME_MAX, clean=True)),
    "lastName": ("family_name", Limits(FULL_NAME_MAX, clean=True)),
    "emailAddress": ("email", Limits(EMAIL_MAX)),
    "dateOfBirth": ("date_of_birth", Limits(TEXT_MAX)),
    "orgId": ("org_id", Limits(ORG_ID_MAX)),
}
_FIELDS: reading.Members = {**{name: field for name, (field, _) in _TEXTS.items()}, "address": "address"}
_ADDRESS_TEXTS = {
    "addressLine1": ("line1", Limits(ADDRESS_LINE_MAX, clean=True)),
    "addressLine2": ("line2", Limits(ADDRESS_LINE_MAX, clean=True)),
    "city": ("city", Limits(CITY_MAX, clean=True)),
    "postalCode": ("postal_code", Limits(POSTAL_CODE_MAX, clean=True)),
    "country": ("country", Limits(TEXT_MAX)),
}


def _patch(members: Mapping[str, object], today: date) -> CustomerPatch:
    fields = Fields(members)
    changes = fields.texts(_TEXTS)
    email = changes.get("email")
    if isinstance(email, str) and _EMAIL.fullmatch(email) is None:
        fields.fault("emailAddress", "email")
    born = changes.get("date_of_birth")
    if isinstance(born, str):
        if not is_calendar_date(born):
            fields.fault("dateOfBirth", "date")
        elif date.fromisoformat(born) > today:
            fields.fault("dateOfBirth", "future")
    if "address" in members:
        changes["address"] = _address(fields)
    fields.check()
    return CustomerPatch(**changes)


def _address(fields: Fields) -> AddressPatch | UnsetType | None:
    members = fields.members("address")
    if not isinstance(members, dict):
        return members
    address = fields.inside("address", members)
    changes = address.texts(_ADDRESS_TEXTS)
    country = changes.get("country")
    # isascii: "ß" and the ligature "ﬁ" turn into two capital letters, and those into a country.
    if isinstance(country, str) and not (country.isascii() and country.upper() in countries()):
        address.fault("country", "country")
    return AddressPatch(**changes)
