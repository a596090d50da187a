"""Public identifiers: their alphabets, and the spellings in which one customer id may be given.

Making one from random bytes is pure; where the bytes come from is not known here.
"""

import base64
import binascii
import hashlib
import re
import uuid

from customary.domain.customer import CustomerID, CustomerNumber, TenantID

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
CUSTOMER_ID_LENGTH = 12  # log2(58 ** 12) is 70.3 bits

_CUSTOMER_ID = re.compile(f"[{BASE58}]{{{CUSTOMER_ID_LENGTH}}}", re.ASCII)
_CUSTOMER_NUMBER = re.compile(r"[1-9][0-9]{9,14}", re.ASCII)
_GUID = re.compile(r"[0-9A-Fa-f]{8}(?:-?[0-9A-Fa-f]{4}){3}-?[0-9A-Fa-f]{12}", re.ASCII)  # int() takes more
_DIGITS = re.compile(r"[0-9]+", re.ASCII)

# 232 is the largest multiple of 58 in a byte: the rest is thrown away, so that every character is as likely.
_TO_BASE58 = bytes(ord(BASE58[byte % 58]) for byte in range(256))
_REJECTED = bytes(range(232, 256))


def customer_id_from(random_bytes: bytes) -> CustomerID:
    """Return a customer id of 70 random bits.

    >>> customer_id_from(bytes(32))
    '111111111111'
    """
    kept = random_bytes.translate(_TO_BASE58, _REJECTED)
    if len(kept) < CUSTOMER_ID_LENGTH:  # of 32 random bytes once in 10^14 times, of 64 never
        raise ValueError("too few usable random bytes")
    return CustomerID(kept[:CUSTOMER_ID_LENGTH].decode("ascii"))


def customer_id_of_number(tenant_id: TenantID, number: str) -> CustomerID:
    """Return the id of the record that has this number: it has both, and one index finds it by either.

    The number is drawn at random, and the id is as random as that to all who do not know the number.

    >>> customer_id_of_number(TenantID("6a1d3b3c-4a55-4f0e-9d7c-000000000001"), "410027364519")
    'Y3vMZ8BH7mZS'
    """
    return customer_id_from(hashlib.sha512(f"customary customer id\n{tenant_id}\n{number}".encode()).digest())


def customer_number_from(random_bytes: bytes) -> CustomerNumber:
    """Return a customer number: 15 digits of which none is a counter (Trustly contract T17).

    Uniqueness is the store's; at a billion customers, one draw in a million is repeated.
    """
    return CustomerNumber(str(10**14 + int.from_bytes(random_bytes[:16], "big") % (9 * 10**14)))


def guid_from(random_bytes: bytes) -> str:
    """Return a version 4 GUID (RFC 9562) in its canonical text form.

    >>> guid_from(bytes(16))
    '00000000-0000-4000-8000-000000000000'
    """
    digits = random_bytes[:16].hex()
    variant = "89ab"[random_bytes[8] & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def key_id_from(random_bytes: bytes) -> str:
    """Return a key id of 16 Base58 characters; it is public, so it need only be unique."""
    return random_bytes.translate(_TO_BASE58, _REJECTED)[:16].decode("ascii")


def secret_from(random_bytes: bytes) -> str:
    """Return 32 random bytes as URL-safe text, which every client can send and sign with."""
    return base64.urlsafe_b64encode(random_bytes).rstrip(b"=").decode("ascii")


def merchant_id_from(random_bytes: bytes) -> str:
    """Return a merchant id: ten digits."""
    return str(10**9 + int.from_bytes(random_bytes, "big") % (9 * 10**9))


def is_customer_id(text: str) -> bool:
    """Return whether ``text`` has the alphabet and length of a customer id."""
    return _CUSTOMER_ID.fullmatch(text) is not None


def is_customer_number(text: str) -> bool:
    """Return whether ``text`` has the alphabet and length of a customer number."""
    return _CUSTOMER_NUMBER.fullmatch(text) is not None


def is_digits(text: str) -> bool:
    """Return whether ``text`` is ASCII digits only (``str.isdigit`` takes full-width ones too)."""
    return _DIGITS.fullmatch(text) is not None


# A version 8 GUID (RFC 9562): 48 fixed bits that mark it as ours, and the number that the id spells.
_GUID_MARK = int.from_bytes(b"custmr", "big") << 80
_GUID_VERSION = 8 << 76
_GUID_VARIANT = 2 << 62
_LOW_BITS = (1 << 62) - 1


def guid_of(customer_id: CustomerID) -> uuid.UUID:
    """Return the GUID of the record, a pure function of its id (Trustist contract S22).

    >>> customer_id_of(str(guid_of(CustomerID("3kTp9j2mN5xR"))))
    '3kTp9j2mN5xR'
    """
    number = 0
    for character in customer_id:
        number = number * 58 + BASE58.index(character)
    high, low = number >> 62, number & _LOW_BITS
    return uuid.UUID(int=_GUID_MARK | _GUID_VERSION | high << 64 | _GUID_VARIANT | low)


def customer_id_of(spelling: str) -> CustomerID | None:
    """Return the customer id spelled as itself, as a GUID or as a ShortGuid, or None for anything else.

    A ShortGuid is the URL-safe Base64 of a GUID's bytes in Microsoft's order, without padding.
    """
    if is_customer_id(spelling):
        return CustomerID(spelling)
    try:
        if len(spelling) == 22:
            guid = uuid.UUID(bytes_le=base64.b64decode(spelling + "==", altchars=b"-_", validate=True))
        elif _GUID.fullmatch(spelling):
            guid = uuid.UUID(spelling)
        else:
            return None
    except (ValueError, binascii.Error):
        return None
    number = (guid.int >> 64 & 0xFFF) << 62 | guid.int & _LOW_BITS
    characters = []
    for _ in range(CUSTOMER_ID_LENGTH):
        number, digit = divmod(number, 58)
        characters.append(BASE58[digit])
    customer_id = CustomerID("".join(reversed(characters)))
    return customer_id if guid_of(customer_id) == guid else None
