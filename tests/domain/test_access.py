"""Who may do what: a principal has what its credential lists, until that expires or is revoked."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customary.domain.access import (
    CUSTOMER_PERMISSIONS,
    HOME_MERCHANT_NO,
    PAYMENT_PERMISSIONS,
    Credential,
    Permission,
    Principal,
    Scheme,
)
from customary.domain.customer import TenantID
from customary.domain.errors import Forbidden

permissions = st.sets(st.sampled_from(Permission)).map(frozenset)
TENANT = TenantID("2f1b1a52-7d38-4a1c-9c5e-0f6f0b7a6e21")
NOON = datetime(2025, 1, 21, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)


def _principal(merchant_no: int | None = None, held: frozenset[Permission] = frozenset()) -> Principal:
    return Principal(TENANT, "k1", merchant_no, held)


def _credential(expires_at: datetime | None = None, revoked_at: datetime | None = None) -> Credential:
    return Credential(TENANT, "k1", Scheme.HMAC, None, CUSTOMER_PERMISSIONS, NOON, expires_at, revoked_at)


@given(permissions, permissions)
def test_one_of_the_alternatives_is_enough(held: frozenset[Permission], asked: frozenset[Permission]) -> None:
    """A principal without any of them is refused."""
    if held & asked:
        _principal(held=held).require(*asked)
    else:
        with pytest.raises(Forbidden):
            _principal(held=held).require(*asked)


def test_what_is_missing_is_told_to_the_operator_only() -> None:
    """The public text does not describe the permissions of the server."""
    with pytest.raises(Forbidden) as refused:
        _principal().require(Permission.READ_CUSTOMERS)
    assert "read_customers" in refused.value.detail
    assert "read_customers" not in refused.value.public


def test_to_read_unmasked_is_more_than_to_read() -> None:
    """Neither permission is contained in the other."""
    with pytest.raises(Forbidden):
        _principal(held=frozenset({Permission.READ_CUSTOMERS})).require(Permission.READ_CUSTOMERS_UNMASKED)
    with pytest.raises(Forbidden):
        _principal(held=frozenset({Permission.READ_CUSTOMERS_UNMASKED})).require(Permission.READ_CUSTOMERS)


def test_nobody_gets_an_unusual_permission_unasked() -> None:
    """A new key reads and writes customers, or payments; it sees nothing in clear and manages nothing."""
    for granted in (CUSTOMER_PERMISSIONS, PAYMENT_PERMISSIONS):
        assert not granted & {
            Permission.READ_CUSTOMERS_UNMASKED,
            Permission.MANAGE_WEBHOOKS,
            Permission.READ_BANK_ACCOUNTS,
        }
    assert not CUSTOMER_PERMISSIONS & PAYMENT_PERMISSIONS


@given(st.integers(1, 9), st.integers(1, 9))
def test_a_merchant_sees_its_own_customers_only(merchant_no: int, owner_no: int) -> None:
    """Its tenant sees those of all its merchants."""
    assert _principal(merchant_no).owns(owner_no) == (merchant_no == owner_no)
    assert _principal(None).owns(owner_no)


def test_a_tenants_customers_belong_to_its_first_merchant() -> None:
    """So a customer that is created through one face has an owner in the other."""
    assert _principal(None).home_merchant_no == HOME_MERCHANT_NO
    assert _principal(3).home_merchant_no == 3


def test_a_key_is_usable_until_the_instant_of_its_expiry() -> None:
    """At that instant it is not any more."""
    key = _credential(expires_at=NOON)
    assert key.usable_at(NOON - TICK)
    assert not key.usable_at(NOON)
    assert not key.usable_at(NOON + TICK)


def test_a_key_without_expiry_is_usable_until_it_is_revoked() -> None:
    """A revoked key is useless whatever the clock says, so that a clock set back revives none."""
    assert _credential().usable_at(NOON + timedelta(days=36_500))
    revoked = _credential(revoked_at=NOON)
    assert not any(revoked.usable_at(NOON + offset) for offset in (-TICK, timedelta(), TICK))
