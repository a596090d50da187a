"""Our own form of a customer: everything of the record under neutral names, to be written out and read back.

A room's form shows what its vendor knows of; this one loses nothing, so that customers can be moved from one
installation to another. Names stand as they were given, and what is absent is left out. Only the domain's
limits hold here: it must never know a vendor's rule, nor whether showing a customer is permitted.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from customary.app.customers import Revision
from customary.cli.frame import instant_text
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
from customary.domain.errors import Violation
from customary.domain.ids import guid_of
from customary.domain.masking import MASK
from customary.http.fields import Fields, Limits, Text

MASK_SHOWN_MAX = 4
"""A mask shows no more characters than that, whatever the value."""


def camel(name: str) -> str:
    """Return a field's name as it is spelled here.

    >>> camel("date_of_birth")
    'dateOfBirth'
    """
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


_NAMING = ("id", "customerNumber")
_ABOUT = (*_NAMING, "guid", "tenantId", "merchantId", "version", "createdAt", "updatedAt")
MEMBERS = frozenset((*_ABOUT, *map(camel, (*Particulars.__struct_fields__, *GUARDED_FIELDS))))
"""The names of all members."""

_TEXT = Limits(TEXT_MAX)
_NAME = Limits(FULL_NAME_MAX, clean=True)
_LINE = Limits(ADDRESS_LINE_MAX, clean=True)
_TEXTS = {
    camel(field): (field, limits)
    for field, limits in {
        "full_name": _NAME,
        "given_name": _NAME,
        "family_name": _NAME,
        "email": Limits(EMAIL_MAX),
        "phone": Limits(PHONE_MAX),
        "date_of_birth": _TEXT,
        "org_id": Limits(ORG_ID_MAX),
        "external_id": Limits(EXTERNAL_ID_MAX, min_length=1),
        "vip": _TEXT,
        "currency": _TEXT,
        "balance": _TEXT,
        "organization_number": _TEXT,
        "external_tier": _TEXT,
        "license_region": Limits(TEXT_MAX, clean=True),
    }.items()
}
_ADDRESS_TEXTS = {
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


def shown(customer: Customer, merchant_id: str, clear: frozenset[str]) -> dict[str, Any]:
    """Return the customer in this form, the guarded fields ``clear`` in clear, the others as masks."""
    known: dict[str, Any] = {
        "id": customer.customer_id,
        "customerNumber": customer.customer_number,
        "guid": str(guid_of(customer.customer_id)),
        "tenantId": customer.tenant_id,
        "merchantId": merchant_id or None,
        "version": customer.version,
        "createdAt": instant_text(customer.created_at),
        "updatedAt": instant_text(customer.updated_at),
    }
    particulars: dict[str, Any] = msgspec.to_builtins(customer.particulars)
    if "address" in particulars:
        particulars["address"] = {camel(name): part for name, part in particulars["address"].items()}
    guarded = customer.guarded
    for name in GUARDED_FIELDS:
        source = guarded if name in clear and guarded is not None else customer.masks
        particulars[name] = getattr(source, name)
    known |= {camel(name): value for name, value in particulars.items()}
    return {name: value for name, value in known.items() if value is not None}


class Named:
    """How a line names the customer it is about: by number, by external id, or not at all.

    A name that breaks a rule names nobody; the revision tells of it, with all other faults of the line. Where
    an id is stated it alone counts: a number is drawn for one tenant, and may be a stranger's in another.
    """

    def __init__(self, body: Mapping[str, object]) -> None:
        fields = Fields(body)
        stated = body.get("id") is not None
        self.number = None if stated else fields.text("customerNumber", _TEXT) or None
        self.external_id = fields.text("externalId", _TEXTS["externalId"][1]) or None


def revision(body: Mapping[str, object]) -> Revision:
    """Return how this line changes a customer: what is left out keeps its value, null clears it."""

    def revised(current: Customer | None) -> CustomerPatch:
        fields = Fields(body)
        for name in _NAMING:  # ids are the server's: only a fault is of interest
            fields.text(name, _TEXT)
        changes: dict[str, Any] = fields.texts(_TEXTS)
        for field in GUARDED_FIELDS:
            if camel(field) in body:
                changes[field] = _guarded_text(fields, field, current)
        if "address" in body:
            changes["address"] = _address_patch(fields)
        if "enrollDate" in body:
            changes["enroll_date"] = fields.integer("enrollDate")
        if "customData" in body:
            changes["custom_data"] = _custom_data(fields, current)
        fields.check()
        return CustomerPatch(**changes)

    return revised


def _address_patch(fields: Fields) -> AddressPatch | UnsetType | None:
    members = fields.members("address")
    if not isinstance(members, dict):
        return members
    return AddressPatch(**fields.inside("address", members).texts(_ADDRESS_TEXTS))


def _guarded_text(fields: Fields, field: str, current: Customer | None) -> Text:
    """Return a guarded member; the stored value's mask means unchanged, and any other is a fault.

    Guarded values may hold the character of masks; only what begins and ends like a mask is taken for one.
    """
    name = camel(field)
    value = fields.text(name, _TEXT)
    if not isinstance(value, str) or not value.startswith(MASK):
        return value
    if len(value.lstrip(MASK)) > MASK_SHOWN_MAX:
        return value
    if current is None:
        what = f"{name} is masked, so there is nothing to store: export with --unmasked"
        fields.violations.append(Violation(name, "mask", what))
    elif value != getattr(current.masks, field):
        fields.fault(name, "mask")
    return UNSET


def _custom_data(fields: Fields, current: Customer | None) -> dict[str, object] | UnsetType | None:
    return fields.free_form("customData", None if current is None else current.particulars.custom_data)
