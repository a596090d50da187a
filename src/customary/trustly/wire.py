"""Trustly's Customer object, read and shown.

Source: Trustly's Customers API reference, and the contract's statements T1 to T27 (``docs/contract``).
Milliseconds since 1970, masks and this vendor's member names exist only here.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from customary.app.customers import ALL, Disclosure, Revision
from customary.domain.access import Permission, Principal
from customary.domain.customer import (
    ADDRESS_LINE_MAX,
    CITY_MAX,
    EMAIL_MAX,
    EXTERNAL_ID_MAX,
    FULL_NAME_MAX,
    NOTHING_GUARDED,
    PHONE_MAX,
    POSTAL_CODE_MAX,
    REGION_MAX,
    TEXT_MAX,
    AddressPatch,
    Customer,
    CustomerPatch,
)
from customary.domain.masking import BIRTH_MASK, MASK, is_mask
from customary.domain.reach import Reach
from customary.http import fields as reading
from customary.http.fields import Fields, Limits, Text, without_echo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

_Given = str | None
"""A member that is left out where it has no value: none of this vendor's answers has a null (T16)."""


class Address(msgspec.Struct, omit_defaults=True):
    """Valid mailing or billing address of the customer."""

    country: Annotated[_Given, Meta(min_length=2, description="Two-letter country code of ISO 3166-1")] = None
    address1: Annotated[_Given, Meta(min_length=1, description="Address line 1, a street or PO box")] = None
    address2: Annotated[_Given, Meta(description="Address line 2, an apartment, suite or unit number")] = None
    city: Annotated[_Given, Meta(min_length=1, description="City, district, town or village")] = None
    state: Annotated[_Given, Meta(min_length=2, description="Code of the state, province or region")] = None
    zip: Annotated[_Given, Meta(min_length=5, description="ZIP or postal code")] = None


class DriverLicense(msgspec.Struct, omit_defaults=True):
    """A driver licence; number and state are both required."""

    number: Annotated[_Given, Meta(description="Number of the driver licence")] = None
    state: Annotated[_Given, Meta(description="Code of the state that issued it")] = None


class CustomerView(msgspec.Struct, omit_defaults=True):
    """The Trustly customer object: identification details and contact information."""

    name: Annotated[_Given, Meta(min_length=1, description="Full name of the customer")] = None
    taxId: Annotated[_Given, Meta(description="Tax id, such as an SSN or SIN; masked on output")] = None
    address: Address | None = None
    phone: Annotated[_Given, Meta(description="Phone number")] = None
    email: Annotated[_Given, Meta(min_length=1, description="E-mail address")] = None
    dateOfBirth: Annotated[_Given, Meta(description="Date of birth")] = None
    createdAt: Annotated[int | None, Meta(description="When created, in milliseconds since 1970")] = None
    updatedAt: Annotated[int | None, Meta(description="When last changed, in milliseconds")] = None
    customerId: Annotated[_Given, Meta(description="The server's own id of the customer")] = None
    externalId: Annotated[_Given, Meta(min_length=1, description="The merchant's own id of the customer")] = (
        None
    )
    merchantId: Annotated[_Given, Meta(min_length=1, description="Id of the merchant")] = None
    enrollDate: Annotated[
        int | None, Meta(description="UNIX timestamp of the first transaction in the merchant's system")
    ] = None
    vip: Annotated[_Given, Meta(description="Tier that tells how low a risk the customer is")] = None
    currency: Annotated[_Given, Meta(description="Currency of the customer")] = None
    balance: Annotated[_Given, Meta(description="Balance with the merchant, not with a bank")] = None
    organizationNumber: Annotated[_Given, Meta(description="Organization number of a business")] = None
    externalTier: Annotated[_Given, Meta(description="Rank of the customer with the merchant")] = None
    personId: Annotated[_Given, Meta(description="Identity of the customer across banks")] = None
    customData: Annotated[
        dict[str, object] | None, Meta(description="Custom data of the merchant, any JSON object")
    ] = None
    driverLicense: DriverLicense | None = None
    nationalId: Annotated[_Given, Meta(description="National id of the customer")] = None


class CustomerAnswer(msgspec.Struct):
    """One customer, in its envelope."""

    customer: CustomerView


class CustomersAnswer(msgspec.Struct):
    """A list of customers, in its envelope."""

    customers: list[CustomerView]


GUARDED_MEMBERS = {
    "taxId": "tax_id",
    "nationalId": "national_id",
    "personId": "person_id",
    "driverLicense.number": "license_number",
}
"""The guarded members, and the domain's names for them."""

MASKABLE = GUARDED_MEMBERS | {"dateOfBirth": "date_of_birth"}
"""The members that can be masked (setting ``trustly_masked_fields``)."""

_REQUIRED = ("name", "address", "phone", "email")


class Masking:
    """Which guarded members this room masks, and for whom (T21)."""

    def __init__(self, masked_members: frozenset[str]) -> None:
        self.masked = frozenset(MASKABLE[member] for member in masked_members)
        self._masking = Disclosure(clear=ALL - self.masked)
        self._clear = Disclosure(clear=ALL, audited=self.masked)

    def disclosure(self, principal: Principal) -> Disclosure:
        """Return what this principal is shown: all in clear, and audited, with the permission for it."""
        return self._clear if Permission.READ_CUSTOMERS_UNMASKED in principal.permissions else self._masking


def shown(customer: Customer, merchant_id: str, clear: frozenset[str]) -> CustomerView:
    """Return the customer as this room shows it, the guarded fields ``clear`` in clear; absent is omitted."""
    p = customer.particulars
    view = CustomerView(
        name=p.shown_full_name,
        phone=p.phone,
        email=p.email,
        dateOfBirth=p.date_of_birth,
        createdAt=milliseconds(customer.created_at),
        updatedAt=milliseconds(customer.updated_at),
        customerId=customer.customer_number,
        externalId=p.external_id,
        merchantId=merchant_id,
        enrollDate=p.enroll_date,
        vip=p.vip,
        currency=p.currency,
        balance=p.balance,
        organizationNumber=p.organization_number,
        externalTier=p.external_tier,
        customData=p.custom_data,
    )
    address = p.address
    if address is not None:
        view.address = Address(
            address.country, address.line1, address.line2, address.city, address.region, address.postal_code
        )
    masks = customer.masks
    if masks != NOTHING_GUARDED:
        guarded = customer.guarded or masks
        view.taxId = (guarded if "tax_id" in clear else masks).tax_id
        view.nationalId = (guarded if "national_id" in clear else masks).national_id
        view.personId = (guarded if "person_id" in clear else masks).person_id
    if masks.license_number is not None or p.license_region is not None:
        guarded = customer.guarded or masks
        number = (guarded if "license_number" in clear else masks).license_number
        view.driverLicense = DriverLicense(number, p.license_region)
    return view


def milliseconds(instant: datetime) -> int:
    """Return an instant in milliseconds since 1970.

    >>> milliseconds(datetime(2019, 4, 19, 17, 58, 16, 548000, tzinfo=UTC))
    1555696696548
    """
    return (instant - _EPOCH) // _MILLISECOND


class Named:
    """How a body names the customer it is about: by number, by external id, or not at all.

    A name that breaks a rule names nobody; the revision tells of it, with all other faults of the body.
    """

    def __init__(self, body: Mapping[str, object]) -> None:
        fields = Fields(body, "customer")
        self.number = fields.text("customerId", _NUMBER_LIMITS) or None
        self.external_id = fields.text("externalId", _TEXTS["externalId"][1]) or None


def revision(body: Mapping[str, object], masking: Masking, disclosure: Disclosure) -> Revision:
    """Return how this body changes a customer (T8 to T14, T22)."""

    def revised(current: Customer | None) -> CustomerPatch:
        if current is None:
            return _patch(body, {}, None, masking)
        view: dict[str, object] = msgspec.to_builtins(shown(current, "", disclosure.clear))
        return _patch(without_echo(body, view), view, current, masking)

    return revised


def check_reach(reach: Reach | None, body: Mapping[str, object]) -> None:
    """Raise Invalid for members of fields that the key does not reach: none of them was shown (T16)."""
    reading.check_reach(reach, body, _FIELDS, "customer")


# The text members that need nothing but their limits, and the fields of the domain they set.
_TEXTS = {
    "name": ("full_name", Limits(FULL_NAME_MAX, min_length=1, clean=True)),
    "phone": ("phone", Limits(PHONE_MAX)),
    "email": ("email", Limits(EMAIL_MAX, min_length=1)),
    "dateOfBirth": ("date_of_birth", Limits(TEXT_MAX)),
    "externalId": ("external_id", Limits(EXTERNAL_ID_MAX, min_length=1)),
    "vip": ("vip", Limits(TEXT_MAX, integer=True)),
    "currency": ("currency", Limits(TEXT_MAX)),
    "balance": ("balance", Limits(TEXT_MAX)),
    "organizationNumber": ("organization_number", Limits(TEXT_MAX)),
    "externalTier": ("external_tier", Limits(TEXT_MAX)),
}
_ADDRESS_TEXTS = {
    "country": ("country", Limits(TEXT_MAX, min_length=2, clean=True)),
    "address1": ("line1", Limits(ADDRESS_LINE_MAX, min_length=1, clean=True)),
    "address2": ("line2", Limits(ADDRESS_LINE_MAX, clean=True)),
    "city": ("city", Limits(CITY_MAX, min_length=1, clean=True)),
    "state": ("region", Limits(REGION_MAX, min_length=2, clean=True)),
    "zip": ("postal_code", Limits(POSTAL_CODE_MAX, min_length=5, clean=True)),
}
_FIELDS: reading.Members = {
    **{name: field for name, (field, _) in _TEXTS.items()},
    "address": "address",
    "enrollDate": "enroll_date",
    "customData": "custom_data",
    "taxId": "tax_id",
    "nationalId": "national_id",
    "personId": "person_id",
    "driverLicense": {"number": "license_number", "state": "license_region"},
}
_GUARDED_TEXTS = ("taxId", "nationalId", "personId")
_GUARDED_LIMITS = Limits(TEXT_MAX)
_TAX_ID_LIMITS = Limits(TEXT_MAX, integer=True)
_NUMBER_LIMITS = Limits(TEXT_MAX)
_STATE_LIMITS = Limits(TEXT_MAX, clean=True)


def _patch(
    body: Mapping[str, object], view: Mapping[str, object], current: Customer | None, masking: Masking
) -> CustomerPatch:
    fields = Fields(body, "customer")
    for name in _REQUIRED:
        if current is None and body.get(name) is None:
            fields.fault(name, "required")
        elif name in body and body[name] is None:
            fields.fault(name, "not_null")
    fields.text("customerId", _NUMBER_LIMITS)  # ids are the server's: only its fault is of interest (T14)
    changes: dict[str, Any] = fields.texts(_TEXTS)
    if isinstance(born := changes.get("date_of_birth"), str) and MASK in born:
        changes["date_of_birth"] = _birth(fields, born, current, masking)
    for name in _GUARDED_TEXTS:
        if name in body:
            changes[GUARDED_MEMBERS[name]] = _guarded_text(
                fields, name, GUARDED_MEMBERS[name], current, masking
            )
    if body.get("address") is not None:
        changes["address"] = _address_patch(fields, view)
    if "enrollDate" in body:
        changes["enroll_date"] = fields.integer("enrollDate")
    if "customData" in body:
        changes["custom_data"] = _custom_data(fields, current)
    if "driverLicense" in body:
        changes.update(_license_patch(fields, view, current, masking))
    fields.check()
    return CustomerPatch(**changes)


def _address_patch(fields: Fields, view: Mapping[str, object]) -> AddressPatch | UnsetType:
    members = fields.members("address")
    if not isinstance(members, dict):
        return UNSET
    address = fields.inside("address", members)
    changes = address.texts(_ADDRESS_TEXTS)
    if _after(view.get("address"), members, "country") is None:
        address.fault("country", "required")
    return AddressPatch(**changes)


def _after(view: object, members: Mapping[str, object], name: str) -> object:
    """Return what a member will be once ``members`` are merged into what is shown."""
    if name in members:
        return members[name]
    return view.get(name) if isinstance(view, dict) else None


def _license_patch(
    fields: Fields, view: Mapping[str, object], current: Customer | None, masking: Masking
) -> dict[str, Text]:
    members = fields.members("driverLicense")
    if members is None:
        return {"license_number": None, "license_region": None}
    if not isinstance(members, dict):
        return {}
    inside = fields.inside("driverLicense", members)
    for name in ("number", "state"):
        if _after(view.get("driverLicense"), members, name) is None:
            inside.fault(name, "required")
    return {
        "license_number": _guarded_text(inside, "number", "license_number", current, masking),
        "license_region": inside.text("state", _STATE_LIMITS),
    }


def _guarded_text(fields: Fields, name: str, field: str, current: Customer | None, masking: Masking) -> Text:
    """Return a guarded member; the stored value's mask means unchanged, another is a fault (T22).

    Also of one that is not masked here: another room may have shown it so.
    """
    value = fields.text(name, _TAX_ID_LIMITS if name == "taxId" else _GUARDED_LIMITS)
    if isinstance(value, str) and MASK in value and (field in masking.masked or is_mask(value)):
        if current is None or value != getattr(current.masks, field):
            fields.fault(name, "mask")
        return UNSET
    return value


def _birth(fields: Fields, born: str, current: Customer | None, masking: Masking) -> Text:
    """Return the date of birth; the mask that any is shown as means that it is unchanged (T22)."""
    if born != BIRTH_MASK and "date_of_birth" not in masking.masked:
        return born
    if born != BIRTH_MASK or current is None or current.particulars.date_of_birth is None:
        fields.fault("dateOfBirth", "mask")
    return UNSET


def _custom_data(fields: Fields, current: Customer | None) -> dict[str, object] | UnsetType | None:
    return fields.free_form("customData", None if current is None else current.particulars.custom_data)
