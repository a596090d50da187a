"""The schemas of the Trustly document, under the names and titles of the vendor's own."""

from collections.abc import Sequence

from customary.bootstrap.documents.shapes import Schema, amended, nullable, schemas_of, swapped, unbounded
from customary.domain import customer as domain
from customary.trustly import errors, wire

CREATED = "Customers_post-customers_Response_200"
UPDATED = "Customers_post-customers-customerId_Response_200"
GOT = "Customers_get-customers-customerId_Response_200"
LISTED = "Customers_get-customers_Response_200"

_LENGTHS = {
    "name": domain.FULL_NAME_MAX,
    "phone": domain.PHONE_MAX,
    "email": domain.EMAIL_MAX,
    "externalId": domain.EXTERNAL_ID_MAX,
} | dict.fromkeys(
    (
        "taxId",
        "dateOfBirth",
        "customerId",
        "vip",
        "currency",
        "balance",
        "organizationNumber",
        "externalTier",
        "personId",
        "nationalId",
    ),
    domain.TEXT_MAX,
)
_ADDRESS_LENGTHS = {
    "address1": domain.ADDRESS_LINE_MAX,
    "address2": domain.ADDRESS_LINE_MAX,
    "city": domain.CITY_MAX,
    "state": domain.REGION_MAX,
    "zip": domain.POSTAL_CODE_MAX,
    "country": domain.TEXT_MAX,
}
_LICENSE_LENGTHS = {"number": domain.TEXT_MAX, "state": domain.TEXT_MAX}


def _limited(lengths: dict[str, int]) -> dict[str, Schema]:
    return {name: {"maxLength": most} for name, most in lengths.items()}


def schemas(fault_domains: Sequence[str]) -> dict[str, Schema]:
    """Return every schema of the document.

    The wire structs are what is answered, where anything may be missing. The vendor's own Customer, with what
    a new one must have, and the Change, which says what may be null, are made from it here: no struct has
    them, because a body is read member by member.
    """
    of_wire = schemas_of(
        {
            CREATED: wire.CustomerAnswer,
            LISTED: wire.CustomersAnswer,
            "CustomerShown": wire.CustomerView,
            "AddressShown": wire.Address,
            "DriverLicense": wire.DriverLicense,
            "Fault": errors.Fault,
            "Faults": errors.Faults,
        }
    )
    shown = amended(
        swapped(of_wire["CustomerShown"], {"customData": "CustomerCustomData"}),
        {
            "customerId": {"pattern": "^[1-9][0-9]{9,14}$"},
            "createdAt": {"format": "int64"},
            "updatedAt": {"format": "int64"},
            "enrollDate": {"format": "int64"},
        },
    )
    sent = {
        "title": "Customer",
        "description": "A customer as it is created: identification details and contact information.",
        "required": ["name", "address", "phone", "email"],
    }
    customer = amended(shown, _limited(_LENGTHS)) | sent
    del customer["properties"]["customerId"]["pattern"]  # an id that names nobody is ignored, whatever it is
    customer = swapped(customer, {"address": "Address"})
    address = amended(of_wire["AddressShown"], _limited(_ADDRESS_LENGTHS))
    license_sent = amended(of_wire["DriverLicense"], _limited(_LICENSE_LENGTHS))
    return {
        "Customer": customer,
        "Address": address | {"title": "Address", "required": ["country"]},
        "DriverLicense": license_sent | {"required": ["number", "state"]},
        "CustomerCustomData": {
            "title": "CustomerCustomData",
            "description": (
                "Custom data of the merchant, any JSON object; returned equal. At most "
                f"{domain.CUSTOM_DATA_BYTES_MAX // 1024} KiB, integers within ±(2^53−1)."
            ),
            "type": "object",
            "properties": {},
            "additionalProperties": True,
        },
        **_changes(customer, address, license_sent),
        "CustomerShown": unbounded(shown),
        "AddressShown": unbounded(of_wire["AddressShown"]),
        **_envelopes(of_wire),
        **_faults(of_wire, fault_domains),
    }


def _changes(customer: Schema, address: Schema, license_sent: Schema) -> dict[str, Schema]:
    """Return the schemas of partial bodies: nothing is required, and null removes what may be removed."""
    digits = {"type": ["string", "integer"]}
    changed = swapped(
        amended(customer, {"taxId": digits, "vip": digits}),
        {"address": "AddressChange", "driverLicense": "DriverLicenseChange"},
    )
    return {
        "CustomerChange": nullable(changed, but=("name", "address", "phone", "email"))
        | {
            "title": "CustomerChange",
            "description": (
                "A change of a customer: a member that is left out keeps its value, null removes it; objects "
                "are merged as in RFC 7396. taxId and vip may also be integers."
            ),
        },
        "AddressChange": nullable(address, but=("country",))
        | {"title": "AddressChange", "description": "A change of an address, which keeps a country."},
        "DriverLicenseChange": nullable(license_sent, but=("number", "state"))
        | {"title": "DriverLicenseChange", "description": "A change of a licence, which keeps both members."},
    }


def _envelopes(of_wire: dict[str, Schema]) -> dict[str, Schema]:
    """Return the bodies of success, one a route as in the vendor's document."""
    one = of_wire[CREATED]
    return {CREATED: one, UPDATED: one | {"title": UPDATED}, GOT: one | {"title": GOT}} | {
        LISTED: of_wire[LISTED]
    }


def _faults(of_wire: dict[str, Schema], domains: Sequence[str]) -> dict[str, Schema]:
    fault = amended(
        of_wire["Fault"],
        {
            "domain": {"description": "The vendor's name of the exception", "enum": sorted(domains)},
            "code": {
                "description": "375 access, 200 parameters, 100 internal",
                "enum": [errors.ACCESS, errors.INVALID, errors.INTERNAL],
            },
            "message": {"description": "What is wrong, in words; it never repeats a value that was sent"},
            "location": {"description": "Dotted path of the member or parameter that is at fault"},
        },
    )
    return {"Fault": fault, "Faults": of_wire["Faults"]}
