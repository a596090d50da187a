"""Public ids: the alphabets they are drawn from, and the spellings in which one id is recognised."""

import base64
import uuid
from collections import Counter

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from customary.domain import ids
from customary.domain.customer import CustomerID, TenantID

draws = st.binary(min_size=32, max_size=32)
customer_ids = st.text(ids.BASE58, min_size=12, max_size=12).map(CustomerID)


def _short_guid(guid: uuid.UUID) -> str:
    return base64.urlsafe_b64encode(guid.bytes_le).rstrip(b"=").decode()


@given(draws)
def test_random_bytes_make_a_customer_id(drawn: bytes) -> None:
    """Twelve characters of Base58, or an error where the draw has too few usable bytes."""
    usable = [byte for byte in drawn if byte < 232]
    if len(usable) < 12:
        with pytest.raises(ValueError, match="too few"):
            ids.customer_id_from(drawn)
    else:
        customer_id = ids.customer_id_from(drawn)
        assert ids.is_customer_id(customer_id)
        assert customer_id == "".join(ids.BASE58[byte % 58] for byte in usable[:12])


def test_every_character_is_as_likely() -> None:
    """Each of the 58 comes from four of 256 bytes; the bytes that are left over are thrown away."""
    usable = [bytes([byte]) * 32 for byte in range(232)]
    assert Counter(ids.customer_id_from(drawn)[0] for drawn in usable) == dict.fromkeys(ids.BASE58, 4)


@given(draws)
def test_random_bytes_make_a_customer_number(drawn: bytes) -> None:
    """Fifteen digits, the first of them no zero (T17)."""
    number = ids.customer_number_from(drawn)
    assert len(number) == 15
    assert ids.is_customer_number(number)


@given(draws)
def test_random_bytes_make_a_guid_of_version_4(drawn: bytes) -> None:
    """In its canonical text form, so that text comparison is enough."""
    guid = ids.guid_from(drawn)
    assert str(uuid.UUID(guid)) == guid
    assert uuid.UUID(guid).version == 4
    assert uuid.UUID(guid).variant == uuid.RFC_4122


@given(draws)
def test_a_secret_spells_all_its_random_bytes(drawn: bytes) -> None:
    """256 random bits in 43 characters that need no escaping anywhere."""
    secret = ids.secret_from(drawn)
    assert len(secret) == 43
    assert base64.urlsafe_b64decode(secret + "=") == drawn


@given(draws)
def test_a_merchant_id_is_ten_digits(drawn: bytes) -> None:
    """It fits where vendors put numbers, and starts with no zero."""
    merchant_id = ids.merchant_id_from(drawn)
    assert len(merchant_id) == 10
    assert ids.is_digits(merchant_id)
    assert merchant_id[0] != "0"


# ── Spellings ───────────────────────────────────────────────────────────────────────────────────────────


@given(customer_ids)
def test_an_id_is_recognised_in_each_of_its_spellings(customer_id: CustomerID) -> None:
    """As itself, as its GUID in either case, as the ShortGuid of that GUID (S22)."""
    guid = ids.guid_of(customer_id)
    for spelling in (customer_id, str(guid), str(guid).upper(), _short_guid(guid)):
        assert ids.customer_id_of(spelling) == customer_id


@given(customer_ids)
def test_the_guid_of_an_id_is_marked_as_made_by_a_rule_of_ours(customer_id: CustomerID) -> None:
    """Version 8 of RFC 9562, so that it is never mistaken for a random one."""
    guid = ids.guid_of(customer_id)
    assert guid.version == 8
    assert guid.variant == uuid.RFC_4122


@given(customer_ids, customer_ids)
def test_two_ids_have_two_guids(one: CustomerID, other: CustomerID) -> None:
    """Nobody's record is reached by another's GUID."""
    assume(one != other)
    assert ids.guid_of(one) != ids.guid_of(other)


@given(st.uuids())
def test_a_guid_that_spells_no_id_is_none(guid: uuid.UUID) -> None:
    """Only what `guid_of` has made is read back."""
    for spelling in (str(guid), _short_guid(guid)):
        customer_id = ids.customer_id_of(spelling)
        assert customer_id is None or ids.guid_of(customer_id) == guid


@given(customer_ids, st.integers(0, 127))
def test_a_guid_with_one_bit_changed_is_another_id_or_none(customer_id: CustomerID, bit: int) -> None:
    """Every bit of the GUID counts: two GUIDs never spell one id."""
    changed = uuid.UUID(int=ids.guid_of(customer_id).int ^ 1 << bit)
    assert ids.customer_id_of(str(changed)) != customer_id


@given(st.text(max_size=40))
def test_any_other_text_is_no_id(text: str) -> None:
    """No text from a path raises, whatever it is."""
    customer_id = ids.customer_id_of(text)
    assert customer_id is None or customer_id == text


FULL_WIDTH = {ord("0") + digit: 0xFF10 + digit for digit in range(10)}


@pytest.mark.parametrize(
    "spelling",
    [
        "",
        "3kTp9j2mN5x",
        "3kTp9j2mN5xRR",
        "0kTp9j2mN5xR",
        "3kTp9j2mN5xl",
        "3kTp9j2mN5xR\n",
        str(ids.guid_of(CustomerID("3kTp9j2mN5xR"))).translate(FULL_WIDTH),
        _short_guid(ids.guid_of(CustomerID("3kTp9j2mN5xR")))[:-1] + "\n",
    ],
    ids=ascii,
)
def test_what_only_resembles_an_id_is_none(spelling: str) -> None:
    """Another length, a character that Base58 leaves out, digits that are not ASCII."""
    assert ids.customer_id_of(spelling) is None


@pytest.mark.parametrize(
    "text", ["", "1", "123456789", "0123456789", "1234567890123456", "١٢٣٤٥٦٧٨٩٠", "12345678９0"]
)
def test_what_only_resembles_a_customer_number_is_none(text: str) -> None:
    """Ten to fifteen ASCII digits, the first no zero."""
    assert not ids.is_customer_number(text)


@pytest.mark.parametrize("text", ["", "１２", "١", "²", "-1", "+1", "1_0", " 1", "1\n"])
def test_digits_are_ascii_digits(text: str) -> None:
    """What other alphabets, signs or blanks add is refused."""
    assert not ids.is_digits(text)


@given(st.uuids().map(str), draws, draws)
def test_a_number_has_one_id_in_a_tenant(tenant: str, one: bytes, other: bytes) -> None:
    """The id of a number is always the same, is another for another number, and another in another tenant."""
    first, second = ids.customer_number_from(one), ids.customer_number_from(other)
    made = ids.customer_id_of_number(TenantID(tenant), first)
    assert ids.is_customer_id(made)
    assert made == ids.customer_id_of_number(TenantID(tenant), first)
    assert (made == ids.customer_id_of_number(TenantID(tenant), second)) is (first == second)
    assert made != ids.customer_id_of_number(TenantID("00000000-0000-4000-8000-000000000000"), first)
