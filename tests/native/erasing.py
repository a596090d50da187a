"""What the tests of erasure have in common: a key that may erase, and how a certificate is verified.

Nothing here imports customary: a certificate is verified by what its document says of it.
"""

import json
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from native.client import Json, Native

ERASING = (
    "create_customer", "read_customers", "update_customer", "erase_customers", "manage_holds",
    "read_customers:unmasked", "export_customers",
)  # fmt: skip


def erased(api: Native, customer_id: str, key: str = "") -> Json:
    """Erase a customer and return the certificate."""
    headers = [("Idempotency-Key", key)] if key else []
    answer = api.call("POST", f"/customers/{customer_id}/erasure", {}, headers)
    assert answer.status == 200, answer.body
    certificate: Json = answer.json["certificate"]
    return certificate


def is_signed(certificate: Mapping[str, Any], public_key: str = "") -> bool:
    """Verify a certificate by its document alone: the form, a newline, and the rest as sorted JSON."""
    unsigned = {**certificate, "signature": ""}
    text = json.dumps(unsigned, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    message = f"{certificate['form']}\n{text}".encode()
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key or certificate["publicKey"]))
    try:
        key.verify(bytes.fromhex(certificate["signature"]), message)
    except InvalidSignature:
        return False
    return True
