"""Our own form of a customer: everything of the record under neutral names, read and shown.

A room's form shows what its vendor knows of; this one loses nothing, so that it is also the form in which
customers are moved from one installation to another. Names stand as they were given, and what is absent is
left out. Only the domain's limits hold here: it must never know a vendor's rule, nor whether showing a
customer is permitted.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from customary.app.customers import Revision
from customary.app.performing import instant_text
from customary.domain.customer import (
    ADDRESS_LINE_MAX,
    CITY_MAX,
    EMAIL_MAX,
    EXTERNAL_ID_MAX,
    FULL_NAME_MAX,
    GUARDED_FIELDS,
    ORG_ID_MAX,
    PHONE_MAX,
    POSTAL_CODE_MAX,
    REGION_MAX,
    TEXT_MAX,
    AddressPatch,
    Customer,
    CustomerPatch,
    Particulars,
)
from customary.domain.errors import Invalid, Violation
from customary.domain.ids import guid_of
from customary.domain.masking import BIRTH_MASK, is_mask
from customary.domain.reach import Reach
from customary.http import fields as reading
from customary.http.fields import Fields, Limits, Text
from customary.http.schemes.hawk import CLOCK_SKEW_SECONDS_MAX
from customary.native.instants import instant_of, past_instant_of


def camel(name: str) -> str:
    """Return a field's name as it is spelled here.

    >>> camel("date_of_birth")
    'dateOfBirth'
    """
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


class AddressView(msgspec.Struct, omit_defaults=True):
    """A postal address; every part is optional."""

    line1: str | None = None
    line2: str | None = None
    city: str | None = None
    region: Annotated[str | None, Meta(description="State, province or region")] = None
    postalCode: str | None = None
    country: str | None = None


class CustomerView(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One version of one customer; members that are not set are left out."""

    id: Annotated[str, Meta(description="The customer's id: 12 characters")]
    customerNumber: Annotated[str, Meta(description="The same customer's number: 10 to 15 digits")]
    guid: Annotated[str, Meta(description="The id, spelled as a GUID")]
    tenantId: Annotated[str, Meta(description="Id of the tenant, a GUID")]
    merchantId: Annotated[str | None, Meta(description="Id of the merchant whose customer it is")] = None
    version: Annotated[int, Meta(description="Counts the changes, from 1; the ETag has it too", ge=1)]
    createdAt: Annotated[str, Meta(description="When the customer was created, in UTC")]
    updatedAt: Annotated[str, Meta(description="When this version was made, in UTC")]
    fullName: Annotated[str | None, Meta(description="The name, if it was given whole")] = None
    givenName: Annotated[str | None, Meta(description="The given name, if it was given in two parts")] = None
    familyName: Annotated[str | None, Meta(description="The family name, if given in two parts")] = None
    email: str | None = None
    phone: str | None = None
    dateOfBirth: Annotated[str | None, Meta(description="As it was given; YYYY-MM-DD, if possible")] = None
    address: AddressView | None = None
    orgId: Annotated[str | None, Meta(description="The caller's own branch or organisation")] = None
    externalId: Annotated[str | None, Meta(description="The merchant's own id, unique to it")] = None
    enrollDate: Annotated[int | None, Meta(description="Epoch milliseconds, as it was given")] = None
    vip: str | None = None
    currency: str | None = None
    balance: str | None = None
    organizationNumber: str | None = None
    externalTier: str | None = None
    licenseRegion: Annotated[str | None, Meta(description="Who issued the driver's licence")] = None
    customData: Annotated[dict[str, object] | None, Meta(description="Any JSON object, merged")] = None
    relationshipEndedAt: Annotated[
        str | None, Meta(description="When the business with the customer ended: retention counts from then")
    ] = None
    taxId: Annotated[str | None, Meta(description="The mask of the tax id")] = None
    nationalId: Annotated[str | None, Meta(description="The mask of the national id")] = None
    personId: Annotated[str | None, Meta(description="The mask of the person id")] = None
    licenseNumber: Annotated[str | None, Meta(description="The mask of the licence's number")] = None


MEMBERS = frozenset(CustomerView.__struct_fields__)
"""The names of all members."""

NAMING = ("id", "customerNumber")
"""Members that say who it is; like all that are the server's own they change nothing."""

TEXT = Limits(TEXT_MAX)
_NAME = Limits(FULL_NAME_MAX, clean=True)
_LINE = Limits(ADDRESS_LINE_MAX, clean=True)
TEXTS: Mapping[str, tuple[str, Limits]] = {
    camel(field): (field, limits)
    for field, limits in {
        "full_name": _NAME,
        "given_name": _NAME,
        "family_name": _NAME,
        "email": Limits(EMAIL_MAX),
        "phone": Limits(PHONE_MAX),
        "date_of_birth": TEXT,
        "org_id": Limits(ORG_ID_MAX),
        "external_id": Limits(EXTERNAL_ID_MAX, min_length=1),
        "vip": TEXT,
        "currency": TEXT,
        "balance": TEXT,
        "organization_number": TEXT,
        "external_tier": TEXT,
        "license_region": Limits(TEXT_MAX, clean=True),
    }.items()
}
"""The text members that may be sent, with the domain's names for them and their limits."""

GUARDED_TEXTS: Mapping[str, tuple[str, Limits]] = {camel(field): (field, TEXT) for field in GUARDED_FIELDS}
"""The same for those that are shown as masks."""

ADDRESS_TEXTS: Mapping[str, tuple[str, Limits]] = {
    camel(field): (field, limits)
    for field, limits in {
        "line1": _LINE,
        "line2": _LINE,
        "city": Limits(CITY_MAX, clean=True),
        "region": Limits(REGION_MAX, clean=True),
        "postal_code": Limits(POSTAL_CODE_MAX, clean=True),
        "country": Limits(TEXT_MAX, clean=True),
    }.items()
}
"""The same for the parts of an address."""

_PLAIN = {
    camel(name): name for name in Particulars.__struct_fields__ if name not in ("address", "custom_data")
}
_GUARDED = {camel(name): name for name in GUARDED_FIELDS}
_ADDRESS = {name: field for name, (field, _) in ADDRESS_TEXTS.items()}


FIELDS: reading.Members = {
    **{name: field for name, (field, _) in {**TEXTS, **GUARDED_TEXTS}.items()},
    "address": "address",
    "enrollDate": "enroll_date",
    "customData": "custom_data",
    "relationshipEndedAt": "relationship_ended_at",
}
"""The domain's field of each member that may be sent."""


def check_reach(reach: Reach | None, body: Mapping[str, object]) -> None:
    """Raise Invalid for members of fields that the key does not reach: none of them was shown."""
    reading.check_reach(reach, body, FIELDS)


def shown(customer: Customer, merchant_id: str, clear: frozenset[str] = frozenset()) -> CustomerView:
    """Return the customer in this form, the guarded fields ``clear`` in clear, the others as masks."""
    particulars, guarded, masks = customer.particulars, customer.guarded, customer.masks
    members: dict[str, Any] = {name: getattr(particulars, field) for name, field in _PLAIN.items()}
    for name, field in _GUARDED.items():
        source = guarded if guarded is not None and field in clear else masks
        members[name] = getattr(source, field)
    address = particulars.address
    if address is not None:
        members["address"] = AddressView(**{name: getattr(address, one) for name, one in _ADDRESS.items()})
    return CustomerView(
        id=customer.customer_id,
        customerNumber=customer.customer_number,
        guid=str(guid_of(customer.customer_id)),
        tenantId=customer.tenant_id,
        merchantId=merchant_id or None,
        version=customer.version,
        createdAt=instant_text(customer.created_at),
        updatedAt=instant_text(customer.updated_at),
        customData=particulars.custom_data,
        **members,
    )


def revision(
    body: Mapping[str, object], *, now: datetime, moved: bool = False, instead: str = "send it in clear"
) -> Revision:
    """Return how this body changes a customer: what is left out keeps its value, null clears it (RFC 7396).

    Members that are the server's own are taken and change nothing, so that what was read can be sent back.
    ``instead`` says what to do where a new customer comes with a mask. ``moved`` says that the customer comes
    from elsewhere, where it may be older than it is here.
    """

    def revised(current: Customer | None) -> CustomerPatch:
        fields = Fields(body)
        for name in NAMING:  # ids are the server's: only a fault is of interest
            fields.text(name, TEXT)
        changes: dict[str, Any] = fields.texts(TEXTS)
        if changes.get("date_of_birth") == BIRTH_MASK:
            changes["date_of_birth"] = UNSET
            if current is None or current.particulars.date_of_birth is None:
                fields.fault("dateOfBirth", "mask")
        for name, (field, _) in GUARDED_TEXTS.items():
            if name in body:
                changes[field] = _guarded_text(fields, name, field, current, instead)
        if "address" in body:
            changes["address"] = _address_patch(fields)
        if "enrollDate" in body:
            changes["enroll_date"] = fields.integer("enrollDate")
        if "relationshipEndedAt" in body:
            changes["relationship_ended_at"] = _ended(fields, current, now, moved=moved)
        if "customData" in body:
            changes["custom_data"] = _custom_data(fields, current)
        fields.check()
        return CustomerPatch(**changes)

    return revised


def _address_patch(fields: Fields) -> AddressPatch | UnsetType | None:
    members = fields.members("address")
    if not isinstance(members, dict):
        return members
    return AddressPatch(**fields.inside("address", members).texts(ADDRESS_TEXTS))


def _guarded_text(fields: Fields, name: str, field: str, current: Customer | None, instead: str) -> Text:
    """Return a guarded member; the stored value's mask means unchanged, and any other is a fault.

    Guarded values may hold the character of masks; only what begins and ends like a mask is taken for one.
    """
    value = fields.text(name, TEXT)
    if not isinstance(value, str) or not is_mask(value):
        return value
    if current is None:
        what = f"{name} is masked, so there is nothing to store: {instead}"
        fields.violations.append(Violation(name, "mask", what))
    elif value != getattr(current.masks, field):
        fields.fault(name, "mask")
    return UNSET


def _ended(fields: Fields, current: Customer | None, now: datetime, *, moved: bool) -> Text:
    """Return when the relationship ended, in UTC with milliseconds, the one form in which it is kept.

    Retention counts from it, so whoever may erase could do so too soon by an end before the beginning. What
    is on record already can be sent back, whatever it is.
    """
    name = "relationshipEndedAt"
    value = fields.text(name, TEXT)
    if not isinstance(value, str):
        return value
    try:
        text = instant_text(instant_of(name, value))
        if current is not None and text == current.particulars.relationship_ended_at:
            return text
        ended = past_instant_of(name, value, now)
    except Invalid as invalid:
        fields.violations += invalid.violations
        return UNSET
    began = now - timedelta(seconds=CLOCK_SKEW_SECONDS_MAX) if current is None else current.created_at
    if not moved and ended < began:
        fields.fault(name, "before_creation")
        return UNSET
    return text


def _custom_data(fields: Fields, current: Customer | None) -> dict[str, object] | UnsetType | None:
    return fields.free_form("customData", None if current is None else current.particulars.custom_data)
