"""Trustly's Customer object, read and shown.

Source: Trustly's Customers API reference, and the contract's statements T1 to T27 (``docs/contract``).
Milliseconds since 1970, masks and this vendor's member names exist only here.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from customary.app.customers import ALL, Disclosure, Revision
from customary.domain.access import Permission, Principal
from customary.domain.customer import (
    ADDRESS_LINE_MAX,
    CITY_MAX,
    CUSTOM_DATA_BYTES_MAX,
    EMAIL_MAX,
    EXTERNAL_ID_MAX,
    FULL_NAME_MAX,
    PHONE_MAX,
    POSTAL_CODE_MAX,
    REGION_MAX,
    TEXT_MAX,
    AddressPatch,
    Customer,
    CustomerPatch,
)
from customary.domain.errors import Malformed
from customary.domain.masking import MASK
from customary.domain.merge import canonical_bytes, merged, unsafe_integers
from customary.http.body import parsed
from customary.http.fields import Fields, Text, without_echo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

_Given = str | UnsetType


class Address(msgspec.Struct, omit_defaults=True):
    """Valid mailing or billing address of the customer."""

    country: Annotated[_Given, Meta(min_length=2, description="Two-letter country code of ISO 3166-1")] = (
        UNSET
    )
    address1: Annotated[_Given, Meta(min_length=1, description="Address line 1, a street or PO box")] = UNSET
    address2: Annotated[_Given, Meta(description="Address line 2, an apartment, suite or unit number")] = (
        UNSET
    )
    city: Annotated[_Given, Meta(min_length=1, description="City, district, town or village")] = UNSET
    state: Annotated[_Given, Meta(min_length=2, description="Code of the state, province or region")] = UNSET
    zip: Annotated[_Given, Meta(min_length=5, description="ZIP or postal code")] = UNSET


class DriverLicense(msgspec.Struct, omit_defaults=True):
    """A driver licence; number and state are both required."""

    number: Annotated[_Given, Meta(description="Number of the driver licence")] = UNSET
    state: Annotated[_Given, Meta(description="Code of the state that issued it")] = UNSET


class CustomerView(msgspec.Struct, omit_defaults=True):
    """The Trustly customer object: identification details and contact information."""

    name: Annotated[_Given, Meta(min_length=1, description="Full name of the customer")] = UNSET
    taxId: Annotated[_Given, Meta(description="Tax id, such as an SSN or SIN; masked on output")] = UNSET
    address: Address | UnsetType = UNSET
    phone: Annotated[_Given, Meta(description="Phone number")] = UNSET
    email: Annotated[_Given, Meta(min_length=1, description="E-mail address")] = UNSET
    dateOfBirth: Annotated[_Given, Meta(description="Date of birth")] = UNSET
    createdAt: Annotated[int | UnsetType, Meta(description="When created, in milliseconds since 1970")] = (
        UNSET
    )
    updatedAt: Annotated[int | UnsetType, Meta(description="When last changed, in milliseconds")] = UNSET
    customerId: Annotated[_Given, Meta(description="The server's own id of the customer")] = UNSET
    externalId: Annotated[_Given, Meta(min_length=1, description="The merchant's own id of the customer")] = (
        UNSET
    )
    merchantId: Annotated[_Given, Meta(min_length=1, description="Id of the merchant")] = UNSET
    enrollDate: Annotated[
        int | UnsetType, Meta(description="UNIX timestamp of the first transaction in the merchant's system")
    ] = UNSET
    vip: Annotated[_Given, Meta(description="Tier that tells how low a risk the customer is")] = UNSET
    currency: Annotated[_Given, Meta(description="Currency of the customer")] = UNSET
    balance: Annotated[_Given, Meta(description="Balance with the merchant, not with a bank")] = UNSET
    organizationNumber: Annotated[_Given, Meta(description="Organization number of a business")] = UNSET
    externalTier: Annotated[_Given, Meta(description="Rank of the customer with the merchant")] = UNSET
    personId: Annotated[_Given, Meta(description="Identity of the customer across banks")] = UNSET
    customData: Annotated[
        dict[str, object] | UnsetType, Meta(description="Custom data of the merchant, any JSON object")
    ] = UNSET
    driverLicense: DriverLicense | UnsetType = UNSET
    nationalId: Annotated[_Given, Meta(description="National id of the customer")] = UNSET


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
"""The members that can be masked (setting ``trustly_masked_fields``), and the domain's names for them."""

_REQUIRED = ("name", "address", "phone", "email")


class Masking:
    """Which guarded members this room masks, and for whom (T21)."""

    def __init__(self, masked_members: frozenset[str]) -> None:
        self.masked = frozenset(GUARDED_MEMBERS[member] for member in masked_members)
        self._masking = Disclosure(clear=ALL - self.masked)
        self._clear = Disclosure(clear=ALL, audited=self.masked)

    def disclosure(self, principal: Principal) -> Disclosure:
        """Return what this principal is shown: all in clear, and audited, with the permission for it."""
        return self._clear if Permission.READ_CUSTOMERS_UNMASKED in principal.permissions else self._masking


def shown(customer: Customer, merchant_id: str, clear: frozenset[str]) -> CustomerView:
    """Return the customer as this room shows it, the guarded fields ``clear`` in clear; absent is omitted."""
    p = customer.particulars
    view = CustomerView(
        name=_given(p.shown_full_name),
        taxId=_guarded(customer, "tax_id", clear),
        address=UNSET
        if p.address is None
        else Address(
            country=_given(p.address.country),
            address1=_given(p.address.line1),
            address2=_given(p.address.line2),
            city=_given(p.address.city),
            state=_given(p.address.region),
            zip=_given(p.address.postal_code),
        ),
        phone=_given(p.phone),
        email=_given(p.email),
        dateOfBirth=_given(p.date_of_birth),
        createdAt=milliseconds(customer.created_at),
        updatedAt=milliseconds(customer.updated_at),
        customerId=customer.customer_number,
        externalId=_given(p.external_id),
        merchantId=merchant_id,
        enrollDate=UNSET if p.enroll_date is None else p.enroll_date,
        vip=_given(p.vip),
        currency=_given(p.currency),
        balance=_given(p.balance),
        organizationNumber=_given(p.organization_number),
        externalTier=_given(p.external_tier),
        personId=_guarded(customer, "person_id", clear),
        customData=UNSET if p.custom_data is None else p.custom_data,
        nationalId=_guarded(customer, "national_id", clear),
    )
    if customer.masks.license_number is not None or p.license_region is not None:
        view.driverLicense = DriverLicense(
            number=_guarded(customer, "license_number", clear), state=_given(p.license_region)
        )
    return view


def milliseconds(instant: datetime) -> int:
    """Return an instant in milliseconds since 1970.

    >>> milliseconds(datetime(2019, 4, 19, 17, 58, 16, 548000, tzinfo=UTC))
    1555696696548
    """
    return (instant - _EPOCH) // _MILLISECOND


def _given(value: str | None) -> str | UnsetType:
    return UNSET if value is None else value


def _guarded(customer: Customer, field: str, clear: frozenset[str]) -> str | UnsetType:
    source = customer.guarded if field in clear and customer.guarded is not None else customer.masks
    return _given(getattr(source, field))


class Named:
    """How a body names the customer it is about: by number, by external id, or not at all."""

    def __init__(self, body: Mapping[str, object]) -> None:
        fields = Fields(body, "customer")
        number = fields.text("customerId", max_length=TEXT_MAX)
        external_id = fields.text("externalId", max_length=EXTERNAL_ID_MAX, min_length=1)
        fields.check()
        self.number = number or None
        self.external_id = external_id or None


def revision(body: Mapping[str, object], masking: Masking, disclosure: Disclosure) -> Revision:
    """Return how this body changes a customer (T8 to T14, T22)."""

    def revised(current: Customer | None) -> CustomerPatch:
        if current is None:
            return _patch(body, {}, None, masking)
        view: dict[str, object] = msgspec.to_builtins(shown(current, "", disclosure.clear))
        return _patch(without_echo(body, view), view, current, masking)

    return revised


def _patch(
    body: Mapping[str, object], view: Mapping[str, object], current: Customer | None, masking: Masking
) -> CustomerPatch:
    fields = Fields(body, "customer")
    if current is None:
        for name in _REQUIRED:
            if body.get(name) is None:
                fields.fault(name, "required")
    kept = {"nullable": False} if current is not None else {}
    patch = CustomerPatch(
        full_name=fields.text("name", min_length=1, max_length=FULL_NAME_MAX, clean=True, **kept),
        phone=fields.text("phone", max_length=PHONE_MAX, **kept),
        email=fields.text("email", min_length=1, max_length=EMAIL_MAX, **kept),
        address=_address_patch(fields, view, **kept),
        tax_id=_guarded_text(fields, "taxId", "tax_id", current, always_masked=True, integer=True),
        date_of_birth=fields.text("dateOfBirth", max_length=TEXT_MAX),
        external_id=fields.text("externalId", min_length=1, max_length=EXTERNAL_ID_MAX),
        enroll_date=fields.integer("enrollDate"),
        vip=fields.text("vip", max_length=TEXT_MAX, integer=True),
        currency=fields.text("currency", max_length=TEXT_MAX),
        balance=fields.text("balance", max_length=TEXT_MAX),
        organization_number=fields.text("organizationNumber", max_length=TEXT_MAX),
        external_tier=fields.text("externalTier", max_length=TEXT_MAX),
        person_id=_guarded_text(
            fields, "personId", "person_id", current, always_masked="person_id" in masking.masked
        ),
        national_id=_guarded_text(
            fields, "nationalId", "national_id", current, always_masked="national_id" in masking.masked
        ),
        custom_data=_custom_data(fields, current),
        **_license_patch(fields, view, current, always_masked="license_number" in masking.masked),
    )
    fields.check()
    return patch


def _address_patch(
    fields: Fields, view: Mapping[str, object], *, nullable: bool = True
) -> AddressPatch | UnsetType | None:
    members = fields.members("address", nullable=nullable)
    if members is None:
        return UNSET  # on create: already noted as required
    if members is UNSET:
        return UNSET
    address = fields.inside("address", members)
    patch = AddressPatch(
        line1=address.text("address1", min_length=1, max_length=ADDRESS_LINE_MAX, clean=True),
        line2=address.text("address2", max_length=ADDRESS_LINE_MAX, clean=True),
        city=address.text("city", min_length=1, max_length=CITY_MAX, clean=True),
        region=address.text("state", min_length=2, max_length=REGION_MAX, clean=True),
        postal_code=address.text("zip", min_length=5, max_length=POSTAL_CODE_MAX, clean=True),
        country=address.text("country", min_length=2, max_length=TEXT_MAX, clean=True),
    )
    if _after(view.get("address"), members, "country") is None:
        address.fault("country", "required")
    return patch


def _after(view: object, members: Mapping[str, object], name: str) -> object:
    """Return what a member will be once ``members`` are merged into what is shown."""
    if name in members:
        return members[name]
    return view.get(name) if isinstance(view, dict) else None


def _license_patch(
    fields: Fields, view: Mapping[str, object], current: Customer | None, *, always_masked: bool
) -> dict[str, Text]:
    members = fields.members("driverLicense")
    if members is UNSET:
        return {}
    if members is None:
        return {"license_number": None, "license_region": None}
    inside = fields.inside("driverLicense", members)
    for name in ("number", "state"):
        if _after(view.get("driverLicense"), members, name) is None:
            inside.fault(name, "required")
    return {
        "license_number": _guarded_text(
            inside, "number", "license_number", current, always_masked=always_masked
        ),
        "license_region": inside.text("state", max_length=TEXT_MAX, clean=True),
    }


def _guarded_text(
    fields: Fields,
    name: str,
    field: str,
    current: Customer | None,
    *,
    always_masked: bool,
    integer: bool = False,
) -> Text:
    """Return a guarded member; the stored value's mask means unchanged, another is a fault (T22)."""
    value = fields.text(name, max_length=TEXT_MAX, integer=integer)
    if isinstance(value, str) and MASK in value and always_masked:
        if current is None or value != getattr(current.masks, field):
            fields.fault(name, "mask")
        return UNSET
    return value


def _custom_data(fields: Fields, current: Customer | None) -> dict[str, object] | UnsetType | None:
    members = fields.members("customData")
    if not isinstance(members, dict):
        return members
    if unsafe_integers(members):
        fields.fault("customData", "integers")
        return UNSET
    before = None if current is None else current.particulars.custom_data
    after = canonical_bytes(merged(before, members))
    if len(after) > CUSTOM_DATA_BYTES_MAX or not _can_be_sent_back(after):
        fields.fault("customData", "size")
        return UNSET
    return members


# As many values as the rest of a customer can have, and some.
_REST = b'{"rest":[' + b",".join([b"0"] * 64) + b'],"customData":'


def _can_be_sent_back(custom_data: bytes) -> bool:
    """Return whether a client may post back what patches have added up to: what we show, we must take."""
    try:
        parsed(_REST + custom_data + b"}")
    except Malformed:
        return False
    return True
