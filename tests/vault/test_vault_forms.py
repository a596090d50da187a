"""The stored forms, rebuilt by hand from their description, and the cache of opened keys.

Stored bytes outlive programs: what is written here cannot be changed, only joined by a new suite or version.
"""

import hashlib
import hmac
from datetime import UTC, datetime

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from hypothesis import given
from hypothesis import strategies as st

from customary.app.ports import TagKind
from customary.domain.customer import Customer, CustomerID, CustomerNumber, Guarded, Particulars, TenantID
from customary.domain.masking import masks_of
from customary.vault import OpenedTenant, SealBroken
from customary.vault.cipher import CustomerKey, KeyCache, WrappingKey, framed

TENANT_ID = TenantID("0b6d7c3e-52a1-4d0e-9a57-1f0e8c2b7a11")
SEAL_KEY = hashlib.sha256(b"a seal key of this test").digest()
LATER_SEAL_KEY = hashlib.sha256(b"a later seal key of this test").digest()
INDEX_KEY = hashlib.sha256(b"an index key of this test").digest()
CUSTOMER = Customer(
    tenant_id=TENANT_ID,
    customer_id=CustomerID("3kTp9j2mN5xR"),
    customer_number=CustomerNumber("123456789012345"),
    merchant_no=7,
    version=3,
    created_at=datetime(2025, 1, 2, 3, 4, 5, 678000, tzinfo=UTC),
    updated_at=datetime(2025, 6, 7, 8, 9, 10, 11000, tzinfo=UTC),
    particulars=Particulars(email="a@example.com"),
    masks=masks_of(Guarded(tax_id="123456790")),
    guarded=Guarded(tax_id="123456790"),
)
CREATED, UPDATED = 1_735_787_045_678_000, 1_749_283_750_011_000  # microseconds since 1970

# Sealed, guarded and wrapped key of CUSTOMER.
STORED = (
    (
        "010119cb8aa4c270ac6e65ab5ec743878ddfab0b07de01aff1ff2842d0f3889e41422f1b8bf2d2fcb28d3f62bfc8c80f"
        "f98c9960ac5652d0f65ce371d781f6402c216796394845d17d90df1234a59a3ed66eaa56467578904cb65093fe422e1b"
        "9b200430cca14a24e3cf28572631e356de8597c9a93477e9a161"
    ),
    (
        "0101fe645020df083d24f93e10ec43878ddfab0b07de01aff1ff2842d0f3889e41422f1b8bf2d2fcb28d3f62bfc8d08d"
        "efd96e1b2f38c38973ae857851130ec62b089c0539ae77fe8dff19d3746337ba"
    ),
    (
        "0101825cc9c6844bb67ca043f8f872130028f3851bf5c49f87e5b4ce81af9df154d5e269625d3e9b1d21b4c50c1ee000"
        "dcf156046896b28e058d24cecd18"
    ),
)


def tenant(*seal_keys: bytes) -> OpenedTenant:
    return OpenedTenant(TENANT_ID, dict(enumerate(seal_keys, start=1)), INDEX_KEY, KeyCache())


def long(number: int) -> bytes:
    return number.to_bytes(8, "big")


def behind_length(text: bytes) -> bytes:
    return len(text).to_bytes(4, "big") + text


def opened_by_hand(envelope: bytes, customer_key: bytes, place: bytes) -> object:
    """Open an envelope without the vault: suite | key version | nonce 12 | commitment 32 | ciphertext."""
    expanded = hmac.new(customer_key, b"customary customer key v1\x01", hashlib.sha512).digest()
    assert envelope[:2] == b"\x01\x01"
    assert envelope[14:46] == expanded[32:]
    return msgspec.msgpack.decode(
        AESGCMSIV(expanded[:32]).decrypt(envelope[2:14], envelope[46:], envelope[:2] + place)
    )


def test_a_record_has_the_form_that_is_written_down() -> None:
    """Key, particulars and guarded part open by hand, with associated data built from the description."""
    opened = tenant(SEAL_KEY)
    record = opened.sealed(CUSTOMER, opened.fresh_key(CUSTOMER.customer_id))
    tenant_id, customer_id = behind_length(TENANT_ID.encode()), behind_length(b"3kTp9j2mN5xR")

    wrapped = record.wrapped_key
    assert wrapped[:2] == b"\x01\x01"
    place = wrapped[:2] + behind_length(b"customary customer key") + tenant_id + customer_id
    customer_key = AESGCMSIV(SEAL_KEY).decrypt(wrapped[2:14], wrapped[14:], place)
    assert len(customer_key) == 32

    label = behind_length(b"customary record") + tenant_id
    lengths = (12).to_bytes(4, "big") + (15).to_bytes(4, "big")
    numbers = long(3) + long(7) + long(CREATED) + long(UPDATED) + lengths
    place = label + behind_length(b"particulars") + numbers + b"3kTp9j2mN5xR" + b"123456789012345"
    contents = {"particulars": {"email": "a@example.com"}, "masks": {"tax_id": "#####6790"}}
    assert opened_by_hand(record.sealed, customer_key, place) == contents

    assert record.guarded is not None
    place = label + behind_length(b"guarded") + long(3) + customer_id
    assert opened_by_hand(record.guarded, customer_key, place) == {"tax_id": "123456790"}


def test_a_record_of_the_first_release_opens() -> None:
    """Bytes that were sealed once, and are kept here: whoever changes a form must still open them."""
    sealed, guarded, wrapped = (bytes.fromhex(part) for part in STORED)
    opened = tenant(SEAL_KEY)
    record = opened.sealed(CUSTOMER, opened.fresh_key(CUSTOMER.customer_id))
    record = msgspec.structs.replace(record, sealed=sealed, guarded=guarded, wrapped_key=wrapped)
    assert opened.opened(record, None) == CUSTOMER


def test_a_tag_has_the_form_that_is_written_down() -> None:
    """HMAC-SHA256 under the kind's own key over the form's version and the texts, cut to 16 bytes."""
    kind_key = hmac.new(
        INDEX_KEY, behind_length(b"customary tag") + behind_length(b"\x00\x03"), hashlib.sha256
    ).digest()
    message = b"\x01" + behind_length(b"a@example.com") + behind_length(b"second")
    tag = tenant(SEAL_KEY).tag(TagKind.EMAIL, "a@example.com", b"second")
    assert tag.kind == 3
    assert type(tag.kind) is int
    assert tag.digest == hmac.new(kind_key, message, hashlib.sha256).digest()[:16]


def test_after_a_tenant_key_was_renewed_old_keys_still_open() -> None:
    """What is wrapped names the version of its tenant key: new ones use the newest, old ones their own."""
    before, after = tenant(SEAL_KEY), tenant(SEAL_KEY, LATER_SEAL_KEY)
    record = before.sealed(CUSTOMER, before.fresh_key(CUSTOMER.customer_id))
    kept = before.sealed_secret("kid", b"secret")
    assert after.opened(record, None) == CUSTOMER
    assert after.opened_secret("kid", kept) == b"secret"
    fresh = after.fresh_key(CUSTOMER.customer_id)
    assert fresh[:2] == b"\x01\x02"
    with pytest.raises(SealBroken, match="does not open"):
        before.sealed(CUSTOMER, fresh)
    relabelled = bytes([fresh[0], 1]) + fresh[2:]
    with pytest.raises(SealBroken, match="does not open"):
        before.sealed(CUSTOMER, relabelled)


def test_an_envelope_belongs_to_one_key() -> None:
    """The commitment is compared before anything is opened, and the refusal says so."""
    envelope = CustomerKey(SEAL_KEY).sealed(b"contents", b"place")
    assert CustomerKey(SEAL_KEY).opened(envelope, b"place") == b"contents"
    with pytest.raises(Exception, match="another customer's key"):
        CustomerKey(LATER_SEAL_KEY).opened(envelope, b"place")


def test_a_nonce_is_not_used_twice() -> None:
    """Nonces are random: 2,000 envelopes and blobs of one key have 2,000 different ones."""
    key, wrapping = CustomerKey(SEAL_KEY), WrappingKey(SEAL_KEY, 1)
    nonces = [key.sealed(b"x", b"")[2:14] for _ in range(1000)]
    nonces += [wrapping.wrapped(b"x", b"")[2:14] for _ in range(1000)]
    assert len(set(nonces)) == 2000


PARTS = st.lists(st.binary(max_size=12), max_size=5)


@given(one=PARTS, other=PARTS)
def test_framing_keeps_lists_apart(one: list[bytes], other: list[bytes]) -> None:
    """Two lists of parts give the same bytes only if they are the same list."""
    assert (framed(*one) == framed(*other)) == (one == other)


def test_the_cache_is_bounded_and_answers_its_owner_only() -> None:
    """The oldest goes first; a key is not handed out for another customer or tenant than it was kept for."""
    cache = KeyCache(entries_max=4)
    key = CustomerKey(SEAL_KEY)
    for number in range(5):
        cache.keep(bytes([number]), "tenant", "customer", key)
        assert len(cache) <= 4
    found = [cache.find(bytes([number]), "tenant", "customer") for number in range(5)]
    assert found == [None, None, key, key, key]
    assert cache.find(b"\x04", "tenant", "another") is None
    assert cache.find(b"\x04", "another", "customer") is None
