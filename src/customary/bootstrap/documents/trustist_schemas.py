"""The schemas of the Trustist document."""

from collections.abc import Sequence

from customary.bootstrap.documents.shapes import Schema, amended, schemas_of
from customary.domain.ids import BASE58, CUSTOMER_ID_LENGTH
from customary.trustist import wire
from customary.trustist.errors import Problem

_ID_PATTERN = f"^[{BASE58}]{{{CUSTOMER_ID_LENGTH}}}$"


def schemas(codes: Sequence[str]) -> dict[str, Schema]:
    """Return every schema of the document.

    Added here is what a struct cannot say: that an answer always has all its members, formats and patterns,
    and the descriptions of what is sent, which are those of what is shown.
    """
    of_wire = schemas_of(
        {
            "Customer": wire.CustomerView,
            "Address": wire.AddressView,
            "CustomerSent": wire.CustomerSent,
            "AddressSent": wire.AddressSent,
            "Merchant": wire.MerchantView,
            "PaymentMethods": wire.PaymentMethodsView,
            "CardPayment": wire.PaymentMethodView,
            "BankPayment": wire.BankPaymentView,
            "Problem": Problem,
        }
    )
    for name in ("Customer", "Address", "Merchant", "PaymentMethods", "CardPayment", "BankPayment"):
        of_wire[name]["required"] = list(of_wire[name]["properties"])
    described = {
        sent: {
            name: {"description": of_wire[shown]["properties"][name]["description"]}
            for name in of_wire[sent]["properties"]
            if "description" in of_wire[shown]["properties"][name]
        }
        for sent, shown in (("CustomerSent", "Customer"), ("AddressSent", "Address"))
    }
    return {
        **of_wire,
        "Customer": amended(
            of_wire["Customer"],
            {
                "id": {"pattern": _ID_PATTERN},
                "tenantId": {"format": "uuid"},
                "dateOfBirth": {"format": "date"},
                "created": {"format": "date-time"},
                "lastUpdated": {"format": "date-time"},
            },
        ),
        "CustomerSent": amended(
            amended(of_wire["CustomerSent"], described["CustomerSent"]), {"dateOfBirth": {"format": "date"}}
        ),
        "AddressSent": amended(of_wire["AddressSent"], described["AddressSent"]),
        "Problem": _problem(of_wire["Problem"], sorted(codes)),
    }


def _problem(schema: Schema, codes: Sequence[str]) -> Schema:
    always = [*schema["required"], "correlationId"]  # it has a default only so that it may stand last
    return amended(
        schema | {"required": always},
        {
            "type": {"description": "Always about:blank (RFC 9457)"},
            "title": {"description": "The status in words"},
            "status": {"description": "The HTTP status"},
            "code": {"description": "What is wrong, for programs", "enum": codes},
            "error": {"description": "The same as code", "enum": codes},
            "message": {"description": "What is wrong, in words; it never repeats a value that was sent"},
            "correlationId": {"description": "The same as the header CorrelationId"},
            "missingFields": {
                "description": "Members that the customer lacks; only with the code missing_person_data, "
                "which no operation of this document answers"
            },
            "errors": {"description": "The rules that members break, by the member's dotted path"},
            "error_description": {"description": "The name of a header that is missing"},
        },
    )
