"""Sealed records: whatever a customer is, it comes back as it was, and from its own place only."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from customary.app.ports import SealedCustomer, TenantKeyRow, TenantVault
from customary.domain import customer as limits
from customary.domain.customer import (
    GUARDED_FIELDS,
    NOTHING_GUARDED,
    Address,
    Customer,
    CustomerID,
    CustomerNumber,
    Guarded,
    Particulars,
    TenantID,
)
from customary.domain.ids import BASE58
from customary.domain.masking import masks_of
from customary.domain.merge import canonical_bytes
from customary.vault import OpenedTenant, RootVault, SealBroken

ROOT = os.urandom(32)
TENANT_ID = TenantID("0b6d7c3e-52a1-4d0e-9a57-1f0e8c2b7a11")
FOREIGN_ID = TenantID("9f1c2d4b-7e6a-4b3c-8d2e-5a4f3b2c1d0e")
KEYS = list(RootVault(ROOT).fresh_tenant_keys(TENANT_ID))
FOREIGN_KEYS = list(RootVault(ROOT).fresh_tenant_keys(FOREIGN_ID))
EVERYTHING = frozenset(GUARDED_FIELDS)
NOTHING: frozenset[str] = frozenset()


def cold(tenant_id: TenantID = TENANT_ID, keys: list[TenantKeyRow] = KEYS) -> OpenedTenant:
    """Return the tenant as a process knows it that has just started: no customer key is ready."""
    return RootVault(ROOT).tenant(tenant_id, keys)


TENANT: TenantVault = cold()
FOREIGN: TenantVault = cold(FOREIGN_ID, FOREIGN_KEYS)

AT = datetime(2025, 3, 4, 5, 6, 7, 891000, tzinfo=UTC)
GUARDED = Guarded(tax_id="923456790", national_id="CANARY-77")
ONE = Customer(
    tenant_id=TENANT_ID,
    customer_id=CustomerID("3kTp9j2mN5xR"),
    customer_number=CustomerNumber("123456789012345"),
    merchant_no=1,
    version=2,
    created_at=AT,
    updated_at=AT + timedelta(days=1),
    particulars=Particulars(
        full_name="Canary Fullname",
        email="canary@example.com",
        address=Address(line1="1 Canary Wharf", city="Oslo", country="NO"),
        custom_data={"nest": [1, 1.0, True, None, {"canary": "yellow"}]},
    ),
    masks=masks_of(GUARDED),
    guarded=GUARDED,
)
TWO = replace(ONE, customer_id=CustomerID("4mUq8k3nP6yS"), customer_number=CustomerNumber("543210987654321"))
CANARIES = ("anary", "CANARY", "Oslo", "923456790", "6790", "yellow")


def sealed(customer: Customer, tenant: TenantVault = TENANT) -> SealedCustomer:
    return tenant.sealed(customer, tenant.fresh_key(customer.customer_id))


# ── Round trips ─────────────────────────────────────────────────────────────────────────────────────────


def texts(length_max: int) -> st.SearchStrategy[str | None]:
    return st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=length_max)


SAFE_INTEGERS = st.integers(-(2**53) + 1, 2**53 - 1)
JSON = st.recursive(
    st.none() | st.booleans() | SAFE_INTEGERS | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
ADDRESSES = st.builds(
    Address,
    line1=texts(limits.ADDRESS_LINE_MAX),
    line2=texts(limits.ADDRESS_LINE_MAX),
    city=texts(limits.CITY_MAX),
    region=texts(limits.REGION_MAX),
    postal_code=texts(limits.POSTAL_CODE_MAX),
    country=texts(2),
)
SOME_PARTICULARS = st.builds(
    Particulars,
    full_name=texts(limits.FULL_NAME_MAX),
    given_name=texts(limits.FULL_NAME_MAX),
    family_name=texts(limits.FULL_NAME_MAX),
    email=texts(limits.EMAIL_MAX),
    phone=texts(limits.PHONE_MAX),
    date_of_birth=texts(10),
    address=st.none() | ADDRESSES,
    org_id=texts(limits.ORG_ID_MAX),
    external_id=texts(limits.EXTERNAL_ID_MAX),
    enroll_date=st.none() | st.integers(-(2**63), 2**63 - 1),
    vip=texts(limits.TEXT_MAX),
    currency=texts(3),
    balance=texts(limits.TEXT_MAX),
    custom_data=st.none() | st.dictionaries(st.text(), JSON, max_size=6),
)
SOME_GUARDED = st.just(NOTHING_GUARDED) | st.builds(
    Guarded, **{name: texts(limits.TEXT_MAX) for name in GUARDED_FIELDS}
)
INSTANTS = st.integers(0, 4_102_444_800_000).map(
    lambda ms: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
)


@st.composite
def customers(draw: st.DrawFn) -> Customer:
    guarded = draw(SOME_GUARDED)
    return Customer(
        tenant_id=TENANT_ID,
        customer_id=CustomerID(draw(st.text(BASE58, min_size=12, max_size=12))),
        customer_number=CustomerNumber(str(draw(st.integers(10**9, 10**15 - 1)))),
        merchant_no=draw(st.integers(1, 2**31)),
        version=draw(st.integers(1, 2**31)),
        created_at=draw(INSTANTS),
        updated_at=draw(INSTANTS),
        particulars=draw(SOME_PARTICULARS),
        masks=masks_of(guarded),
        guarded=guarded,
    )


@given(customer=customers())
def test_a_customer_comes_back_as_it_was(customer: Customer) -> None:
    """Opened whole, with the key at hand or not, every field is equal; and 1 is not 1.0."""
    record = sealed(customer)
    for tenant in (TENANT, cold()):
        opened = tenant.opened(record, None)
        assert opened == customer
        assert canonical_bytes(opened.particulars.custom_data) == canonical_bytes(
            customer.particulars.custom_data
        )


@given(customer=customers(), clear=st.frozensets(st.sampled_from(GUARDED_FIELDS)))
def test_only_what_is_asked_for_and_there_is_opened(customer: Customer, clear: frozenset[str]) -> None:
    """The guarded part is opened, whole, if it holds a field of ``clear``; masks are there either way."""
    assert customer.guarded is not None
    opened = TENANT.opened(sealed(customer), clear)
    expected = customer.guarded if clear & customer.guarded.present else None
    assert opened == replace(customer, guarded=expected)


def test_masks_are_made_when_sealing() -> None:
    """What a caller left in ``masks`` is not believed: a wrong mask would show what it should hide."""
    assert TENANT.opened(sealed(replace(ONE, masks=GUARDED)), NOTHING).masks == masks_of(GUARDED)


def test_a_masked_read_never_opens_the_guarded_part() -> None:
    """With a guarded part that cannot open, a read of what is not in it succeeds, and of what is, fails."""
    record = sealed(ONE)
    assert record.guarded is not None
    record = replace(record, guarded=record.guarded[:-1] + bytes([record.guarded[-1] ^ 1]))
    for clear in (NOTHING, frozenset({"person_id", "license_number"})):
        assert TENANT.opened(record, clear) == replace(ONE, guarded=None)
    for asked in (frozenset({"tax_id"}), EVERYTHING, None):
        with pytest.raises(SealBroken):
            TENANT.opened(record, asked)


def test_without_guarded_data_there_is_no_guarded_part() -> None:
    """Nothing guarded: nothing sealed, no field found in it, and opened whole it is known to be empty."""
    customer = replace(ONE, masks=NOTHING_GUARDED, guarded=NOTHING_GUARDED)
    record = sealed(customer)
    assert record.guarded is None
    assert TENANT.opened(record, None) == customer
    assert TENANT.opened(record, EVERYTHING).guarded is None


def test_a_customer_that_cannot_be_sealed_whole_is_refused() -> None:
    """Sealing without the guarded part would lose it; sealing for another tenant would leak it."""
    with pytest.raises(ValueError, match="guarded part is not open"):
        sealed(replace(ONE, guarded=None))
    with pytest.raises(ValueError, match="another tenant"):
        sealed(replace(ONE, tenant_id=FOREIGN_ID))


def test_fields_of_a_later_program_are_passed_over() -> None:
    """A record that was sealed with more fields than are known here opens without them."""

    class LaterParticulars(Particulars, frozen=True, omit_defaults=True):
        loyalty: str | None = None

    class LaterGuarded(Guarded, frozen=True, omit_defaults=True):
        passport: str | None = None

    later = replace(
        ONE,
        particulars=LaterParticulars(email="canary@example.com", loyalty="gold"),
        guarded=LaterGuarded(tax_id="923456790", passport="X1"),
    )
    opened = TENANT.opened(sealed(later), None)
    assert opened.particulars == Particulars(email="canary@example.com")
    assert opened.guarded == Guarded(tax_id="923456790")


# ── What a record does not tell ─────────────────────────────────────────────────────────────────────────


def test_no_value_is_in_the_sealed_bytes() -> None:
    """Neither in the parts nor in the key, and two sealings of one customer have nothing in common."""
    first, second = sealed(ONE), TENANT.sealed(ONE, sealed(ONE).wrapped_key)
    for record in (first, second):
        octets = record.sealed + (record.guarded or b"") + record.wrapped_key
        assert not [canary for canary in CANARIES if canary.encode() in octets]
    assert first.sealed[46:] != second.sealed[46:]
    assert first.wrapped_key[14:] != second.wrapped_key[14:]


def refused(record: SealedCustomer, tenant: TenantVault) -> str:
    """Return the detail of the refusal, which names the place and no value."""
    with pytest.raises(SealBroken) as caught:
        tenant.opened(record, None)
    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__
    assert not [canary for canary in CANARIES if canary in error.public + error.detail]
    assert record.tenant_id in error.detail
    assert record.customer_id in error.detail
    return error.detail


def test_contents_in_no_known_form_are_refused_without_telling_them() -> None:
    """A decoder's own message can hold the value that it did not like; it goes nowhere."""
    strange = replace(ONE.particulars, address="Canary Wharf")
    assert "particulars" in refused(sealed(replace(ONE, particulars=strange)), TENANT)
    numbers = replace(GUARDED, tax_id="923456790", person_id=6790)
    with pytest.raises(TypeError):
        sealed(replace(ONE, guarded=numbers))


# ── Swaps and edits ─────────────────────────────────────────────────────────────────────────────────────

FIRST = sealed(ONE)
SECOND = sealed(TWO)
OLDER = TENANT.sealed(replace(ONE, version=1), FIRST.wrapped_key)
UNGUARDED = TENANT.sealed(replace(ONE, guarded=NOTHING_GUARDED), FIRST.wrapped_key)
FROM_ABROAD = sealed(replace(ONE, tenant_id=FOREIGN_ID), FOREIGN)

TAMPERINGS: dict[str, tuple[SealedCustomer, str]] = {
    "tenant id edited": (replace(FIRST, tenant_id=FOREIGN_ID), "record"),
    "customer id edited": (replace(FIRST, customer_id=SECOND.customer_id), "key"),
    "customer number edited": (replace(FIRST, customer_number=SECOND.customer_number), "particulars"),
    "merchant edited": (replace(FIRST, merchant_no=2), "particulars"),
    "version edited": (replace(FIRST, version=3), "particulars"),
    "creation edited": (replace(FIRST, created_at=AT - timedelta(microseconds=1)), "particulars"),
    "update edited": (replace(FIRST, updated_at=ONE.updated_at + timedelta(microseconds=1)), "particulars"),
    "particulars of another customer": (replace(FIRST, sealed=SECOND.sealed), "particulars"),
    "particulars of another version": (replace(FIRST, sealed=OLDER.sealed), "particulars"),
    "particulars of another tenant": (replace(FIRST, sealed=FROM_ABROAD.sealed), "particulars"),
    "guarded of another customer": (replace(FIRST, guarded=SECOND.guarded), "guarded"),
    "guarded of another version": (replace(FIRST, guarded=OLDER.guarded), "guarded"),
    "guarded of another tenant": (replace(FIRST, guarded=FROM_ABROAD.guarded), "guarded"),
    "guarded taken away": (replace(FIRST, guarded=None), "guarded"),
    "guarded added": (replace(UNGUARDED, guarded=FIRST.guarded), "guarded"),
    "guarded in the particulars' place": (replace(FIRST, sealed=FIRST.guarded or b""), "particulars"),
    "particulars in the guarded place": (replace(FIRST, guarded=FIRST.sealed), "guarded"),
    "key of another customer": (replace(FIRST, wrapped_key=SECOND.wrapped_key), "key"),
    "key of another tenant": (replace(FIRST, wrapped_key=FROM_ABROAD.wrapped_key), "key"),
    "all bytes of another customer": (
        replace(FIRST, sealed=SECOND.sealed, guarded=SECOND.guarded, wrapped_key=SECOND.wrapped_key),
        "key",
    ),
    "all of a record of another tenant": (replace(FROM_ABROAD, tenant_id=TENANT_ID), "key"),
    "particulars empty": (replace(FIRST, sealed=b""), "particulars"),
    "guarded empty": (replace(FIRST, guarded=b""), "guarded"),
    "key empty": (replace(FIRST, wrapped_key=b""), "key"),
    "an older row in its place": (replace(FIRST, overtaken=True), "record"),
}


@pytest.mark.parametrize("is_cold", [False, True], ids=["warm", "cold"])
@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_what_was_moved_or_edited_is_refused_by_name(tampering: str, is_cold: bool) -> None:
    """Sealed bytes open in their own place only, whether or not the keys are in the cache already."""
    tenant = cold() if is_cold else TENANT
    for untouched in () if is_cold else (FIRST, SECOND, OLDER, UNGUARDED):
        tenant.opened(untouched, None)
    record, part = TAMPERINGS[tampering]
    detail = refused(record, tenant)
    assert detail.startswith(f"the {part} of customer ")
    if part != "key":
        assert f"version {record.version}," in detail


def test_every_row_column_is_bound() -> None:
    """Each column of a row is edited by one of the cases above; a new column needs one too."""
    edited = {
        name
        for record, _ in TAMPERINGS.values()
        for name in SealedCustomer.__struct_fields__
        if getattr(record, name) != getattr(FIRST, name)
    }
    assert edited == set(SealedCustomer.__struct_fields__)


@pytest.mark.parametrize("column", ["sealed", "guarded", "wrapped_key"])
def test_no_bit_can_be_flipped(column: str) -> None:
    """One bit anywhere, header, nonce, commitment, ciphertext or tag, and the record does not open."""
    octets = getattr(FIRST, column)
    for place in range(len(octets) * 8):
        flipped = bytearray(octets)
        flipped[place // 8] ^= 1 << place % 8
        with pytest.raises(SealBroken):
            TENANT.opened(replace(FIRST, **{column: bytes(flipped)}), None)


@pytest.mark.parametrize("column", ["sealed", "guarded", "wrapped_key"])
def test_no_byte_can_be_cut_or_added(column: str) -> None:
    """Of any length but its own, a sealed part is refused, not misread."""
    octets = getattr(FIRST, column)
    for other in [octets[:length] for length in range(len(octets))] + [octets + b"\0", b"\0" + octets]:
        with pytest.raises(SealBroken):
            TENANT.opened(replace(FIRST, **{column: other}), None)


# ── Secrets of credentials ──────────────────────────────────────────────────────────────────────────────


def test_a_secret_comes_back() -> None:
    """Sealed for its key id, in any process that has the keys, and never twice to the same bytes."""
    kept = TENANT.sealed_secret("kid-1", b"canary secret")
    assert b"canary" not in kept
    assert cold().opened_secret("kid-1", kept) == b"canary secret"
    assert TENANT.sealed_secret("kid-1", b"canary secret") != kept


def test_a_secret_opens_for_its_own_key_id_and_tenant_only() -> None:
    """Moved to another credential or tenant, altered or taken for a customer key, it is refused by name."""
    kept = TENANT.sealed_secret("kid-1", b"canary secret")
    attempts: list[Callable[[], object]] = [
        lambda: TENANT.opened_secret("kid-2", kept),
        lambda: FOREIGN.opened_secret("kid-1", kept),
        lambda: TENANT.opened_secret("kid-1", FIRST.wrapped_key),
        lambda: TENANT.opened_secret("kid-1", b""),
        *(
            lambda cut=cut: TENANT.opened_secret(
                "kid-1", kept[:cut] + bytes([kept[cut] ^ 1]) + kept[cut + 1 :]
            )
            for cut in range(len(kept))
        ),
    ]
    for attempt in attempts:
        with pytest.raises(SealBroken) as caught:
            attempt()
        assert "secret of key kid-" in caught.value.detail
        assert "canary" not in caught.value.detail


# ── Threads ─────────────────────────────────────────────────────────────────────────────────────────────


def test_several_threads_share_one_tenant() -> None:
    """An engine seals on one thread while the server opens on another; each gets its own answer."""

    def live(number: int) -> bool:
        customer = replace(ONE, customer_id=CustomerID(f"thread{number:06}"), version=number + 1)
        record = sealed(customer)
        return all(TENANT.opened(record, None) == customer for _ in range(5))

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(live, range(400)))
