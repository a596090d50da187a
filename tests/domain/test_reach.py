"""How far a key reaches: what it sees of a record, and that a limit never turns into none."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customary.domain.access import Credential, Permission, Principal, Scheme
from customary.domain.customer import (
    GUARDED_FIELDS,
    Address,
    Customer,
    CustomerID,
    CustomerNumber,
    Guarded,
    Particulars,
    TenantID,
)
from customary.domain.errors import Forbidden, Invalid
from customary.domain.masking import BIRTH_MASK, masks_of, shown_in_clear
from customary.domain.reach import BIRTH_COVERED, EVERYTHING, FIELDS, canonical, covering_birth, reach_of

AT = datetime(2025, 1, 21, 12, tzinfo=UTC)
GUARDED = Guarded("123456790", "55667788", "9988776655", "D1234567")
PARTICULARS = Particulars(
    full_name="Ann Li",
    email="ann@example.com",
    phone="+44 1",
    date_of_birth="1985-03-15",
    address=Address(city="Oslo"),
    org_id="branch",
    external_id="ann",
    enroll_date=1,
    vip="2",
    currency="NOK",
    balance="5",
    organization_number="77",
    external_tier="gold",
    license_region="CA",
    custom_data={"a": 1},
)
ANN = Customer(
    tenant_id=TenantID("2f1b1a52-7d38-4a1c-9c5e-0f6f0b7a6e21"),
    customer_id=CustomerID("A" * 12),
    customer_number=CustomerNumber("1234567890"),
    merchant_no=1,
    version=3,
    created_at=AT,
    updated_at=AT,
    particulars=PARTICULARS,
    masks=masks_of(GUARDED),
    guarded=GUARDED,
)
FIELD_LISTS = st.lists(st.sampled_from(sorted(FIELDS)), unique=True, min_size=1)


def test_every_field_of_a_record_can_be_granted() -> None:
    """The names cover the record, each field once; a new field is out of every limited key's reach."""
    covered = [field for fields in FIELDS.values() for field in fields]
    assert sorted(covered) == sorted(EVERYTHING)


@given(FIELD_LISTS)
def test_what_is_not_named_is_not_seen(names: list[str]) -> None:
    """Neither the value nor its mask; what is named is seen as it is."""
    reach = reach_of(canonical(names))
    assert reach is not None
    seen = reach.sight_of(ANN)
    assert seen.guarded is not None
    for field in EVERYTHING:
        one, other = (seen.guarded, GUARDED) if field in GUARDED_FIELDS else (seen.particulars, PARTICULARS)
        granted = any(field in FIELDS[name] for name in names)
        assert getattr(one, field) == (getattr(other, field) if granted else None)
        if field in GUARDED_FIELDS:
            assert getattr(seen.masks, field) == (getattr(ANN.masks, field) if granted else None)
    identity = ("tenant_id", "customer_id", "customer_number", "merchant_no", "version", "created_at")
    assert [getattr(seen, name) for name in identity] == [getattr(ANN, name) for name in identity]


@pytest.mark.parametrize(("text", "shown"), [("tax_id:last4", "#####6790"), ("tax_id:masked", "#########")])
@pytest.mark.parametrize("opened", [GUARDED, None])
def test_what_is_veiled_is_never_seen_in_clear(text: str, shown: str, opened: Guarded | None) -> None:
    """Also where the guarded part was opened, for a key that may see other fields of it."""
    from msgspec.structs import replace

    reach = reach_of(canonical([text, "national_id"]))
    assert reach is not None
    seen = reach.sight_of(replace(ANN, guarded=opened))
    assert seen.masks.tax_id == shown
    if opened is None:
        assert seen.guarded is None
    else:
        assert seen.guarded == Guarded(tax_id=shown, national_id="55667788")


def test_a_veiled_date_of_birth_is_its_mask() -> None:
    """Whatever was given as the date; and nothing where there is none."""
    seen = BIRTH_COVERED.sight_of(ANN)
    assert seen.particulars.date_of_birth == BIRTH_MASK
    assert seen.guarded == GUARDED
    assert not BIRTH_COVERED.is_limited
    reach = reach_of(("email",))
    assert covering_birth(reach).sight_of(ANN).particulars.date_of_birth is None
    assert reach_of(("date_of_birth:masked",)).sight_of(ANN).particulars.date_of_birth == BIRTH_MASK  # type: ignore[union-attr]  # it is no empty list


WRONG = [
    ["nobody"],
    [""],
    ["email", "email"],
    ["tax_id", "tax_id:last4"],
    ["email:last4"],
    ["name:masked"],
    ["date_of_birth:last4"],
    ["tax_id:first4"],
    ["tax_id:"],
    ["taxId"],
    ["full_name"],
    ["Email"],
    [" email"],
]


@pytest.mark.parametrize("texts", WRONG)
def test_a_list_that_cannot_be_is_refused(texts: list[str]) -> None:
    """Unknown names, repeated ones, and ways of showing that a field does not have."""
    with pytest.raises(Invalid) as refused:
        canonical(texts)
    assert [violation.field for violation in refused.value.violations] == ["fields"]


def test_one_limit_has_one_spelling() -> None:
    """The order in which fields are named says nothing, and secrets are bound to the spelling."""
    assert canonical(["tax_id:last4", "email", "name"]) == canonical(["name", "email", "tax_id:last4"])


@pytest.mark.parametrize("texts", [("unheard",), ("email:upside-down",), ("",)])
def test_a_limit_that_is_not_understood_reaches_nothing(texts: tuple[str, ...]) -> None:
    """A row of a later program, or an edited one, never becomes an unlimited key."""
    reach = reach_of(texts)
    assert reach is not None
    assert reach.fields == frozenset()
    assert reach.sight_of(ANN).particulars == Particulars()


def test_what_is_out_of_reach_is_forbidden() -> None:
    """The last guard behind all rooms; the refusal names fields to the operator, not to the caller."""
    reach = reach_of(("email",))
    assert reach is not None
    reach.require(["email"])
    with pytest.raises(Forbidden) as forbidden:
        reach.require(["email", "phone"])
    assert "phone" in forbidden.value.detail
    assert "phone" not in forbidden.value.public


def _credential(*fields: str) -> Credential:
    permissions = frozenset({Permission.READ_CUSTOMERS, Permission.CREATE_CUSTOMER})
    return Credential(ANN.tenant_id, "k1", Scheme.BASIC, 1, permissions, AT, fields=fields)


def test_the_terms_of_an_unlimited_key_are_what_they_were() -> None:
    """Secrets from before there were limits still open."""
    tenant = "2f1b1a52-7d38-4a1c-9c5e-0f6f0b7a6e21"
    assert _credential().terms == f"k1\n{tenant}\nbasic\n1\n\ncreate_customer\nread_customers"


def test_the_limit_is_among_the_terms() -> None:
    """A row whose limit was edited in the store opens nothing."""
    lists = [(), ("email",), ("email", "tax_id"), ("email", "tax_id:last4"), ("tax_id:last4",)]
    assert len({_credential(*fields).terms for fields in lists}) == len(lists)


def test_only_what_is_in_reach_and_unveiled_is_shown_in_clear() -> None:
    """So the trail tells of no more than was seen."""
    audited = frozenset((*GUARDED_FIELDS, "date_of_birth"))
    assert shown_in_clear(ANN, audited) == tuple(sorted(audited))
    limited = Principal(
        ANN.tenant_id, "k1", 1, frozenset(), reach_of(("tax_id", "national_id:last4", "date_of_birth:masked"))
    )
    assert shown_in_clear(ANN, limited.clear_to(audited)) == ("tax_id",)


def test_deeds_about_a_whole_record_take_an_unlimited_key() -> None:
    """A veil over the date of birth is a surface's, and no limit of the key."""
    for reach, refused in ((None, False), (BIRTH_COVERED, False), (reach_of(("email",)), True)):
        principal = Principal(ANN.tenant_id, "k1", 1, frozenset(), reach)
        if refused:
            with pytest.raises(Forbidden):
                principal.require_everything()
        else:
            principal.require_everything()
