"""The laws of a patch: absent keeps, None clears, a value sets, and nothing else happens."""

import copy

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import UNSET, UnsetType

from customary.domain.customer import (
    EMPTY,
    GUARDED_FIELDS,
    Address,
    AddressPatch,
    CustomerPatch,
    Guarded,
    Particulars,
    changed_fields,
    patched,
)
from customary.domain.merge import canonical_bytes, merged

Known = tuple[Particulars, Guarded]

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
names = st.lists(st.sampled_from(["Ann", "Li", "van", "de", "O'Neil", "Smith,", "Å"]), max_size=4).map(
    " ".join
)
numbers = st.integers(-(2**63), 2**63 - 1)
scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-2, 2) | texts
objects = st.dictionaries(
    st.sampled_from(["a", "b", "c"]),
    st.recursive(scalars, lambda inner: st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2)),
    max_size=3,
)

NAME_FIELDS = frozenset({"full_name", "given_name", "family_name"})
FIELDS = CustomerPatch.__struct_fields__
PLAIN_FIELDS = tuple(name for name in FIELDS if name not in NAME_FIELDS | {"address", "custom_data"})

addresses = st.builds(Address, **dict.fromkeys(Address.__struct_fields__, st.none() | texts))
address_patches = st.builds(
    AddressPatch, **dict.fromkeys(Address.__struct_fields__, st.just(UNSET) | st.none() | texts)
)


def _values(name: str) -> st.SearchStrategy[object]:
    """Values that a field may be set to."""
    if name in NAME_FIELDS:
        return names
    if name == "address":
        return address_patches
    if name == "custom_data":
        return objects
    return numbers if name == "enroll_date" else texts


def patches(*fields: str) -> st.SearchStrategy[CustomerPatch]:
    """Patches that touch only these fields, each or not."""
    return st.fixed_dictionaries({}, optional={n: st.none() | _values(n) for n in fields}).map(
        lambda changes: CustomerPatch(**changes)  # type: ignore[arg-type]  # the names decide the types
    )


# Every record comes about by patches, so these are all that can exist.
records: st.SearchStrategy[Known] = st.lists(patches(*FIELDS), max_size=3).map(
    lambda made: _after(EMPTY, *made)
)


def _after(known: Known, *patches: CustomerPatch) -> Known:
    for patch in patches:
        known = patched(*known, patch)
    return known


def _value(known: Known, name: str) -> object:
    return getattr(known[1] if name in GUARDED_FIELDS else known[0], name)


def _touched(patch: CustomerPatch) -> set[str]:
    return {name for name in FIELDS if getattr(patch, name) is not UNSET}


def _same(one: Known, other: Known) -> bool:
    """Whether two records are equal as JSON, in which 1, 1.0 and true are three values."""
    return canonical_bytes(msgspec.to_builtins(one)) == canonical_bytes(msgspec.to_builtins(other))


@given(records)
def test_an_empty_patch_changes_nothing(known: Known) -> None:
    """What is not said is not done."""
    assert _same(patched(*known, CustomerPatch()), known)


@given(records, patches(*FIELDS))
@example(_after(EMPTY, CustomerPatch(given_name="")), CustomerPatch(full_name=None, family_name="Ann"))
@example(_after(EMPTY), CustomerPatch(full_name="Ann Li", given_name="Bo"))
@example(_after(EMPTY), CustomerPatch(full_name="Smith, Ann", given_name=None))
@settings(max_examples=300)
def test_patching_twice_is_patching_once(known: Known, patch: CustomerPatch) -> None:
    """A request that is repeated finds its work done."""
    once = patched(*known, patch)
    assert _same(patched(*once, patch), once)
    assert changed_fields(once, patched(*once, patch)) == ()


@given(records, patches(*FIELDS))
def test_what_is_not_in_the_patch_keeps_its_value(known: Known, patch: CustomerPatch) -> None:
    """Only names depend on one another: a name in one form replaces the other form."""
    after = patched(*known, patch)
    kept = set(FIELDS) - _touched(patch)
    if _touched(patch) & NAME_FIELDS:
        kept -= NAME_FIELDS
    assert [name for name in kept if _value(after, name) is not _value(known, name)] == []


@given(records, patches(*PLAIN_FIELDS))
def test_what_is_in_the_patch_is_so_afterwards(known: Known, patch: CustomerPatch) -> None:
    """A value sets, None clears."""
    after = patched(*known, patch)
    for name in _touched(patch):
        assert _value(after, name) == getattr(patch, name)


@given(records, patches("address"))
def test_an_address_is_changed_part_by_part(known: Known, patch: CustomerPatch) -> None:
    """Parts that the patch does not name stay; None for the whole clears it."""
    before, after = known[0].address, patched(*known, patch)[0].address
    if patch.address is UNSET:
        assert after == before
    elif patch.address is None:
        assert after is None
    else:
        assert after is not None
        for part in Address.__struct_fields__:
            said = getattr(patch.address, part)
            assert getattr(after, part) == (getattr(before, part, None) if said is UNSET else said)


@given(records, objects)
def test_custom_data_are_merged(known: Known, members: dict[str, object]) -> None:
    """An object merges by RFC 7396, and what was known is not changed in its place."""
    before = copy.deepcopy(known[0].custom_data)
    after = patched(*known, CustomerPatch(custom_data=members))[0].custom_data
    assert canonical_bytes(after) == canonical_bytes(merged(before, members))
    assert canonical_bytes(known[0].custom_data) == canonical_bytes(before)


@given(records, patches("email", "address", "tax_id"), patches("phone", "custom_data", "national_id"))
def test_patches_of_different_fields_commute(known: Known, one: CustomerPatch, other: CustomerPatch) -> None:
    """Two writers who change different things do not depend on who comes first."""
    assert _same(_after(known, one, other), _after(known, other, one))


# ── Names ───────────────────────────────────────────────────────────────────────────────────────────────


@given(records, names)
def test_a_full_name_is_shown_as_it_was_given(known: Known, full_name: str) -> None:
    """Whatever form was kept, who says a full name reads it again."""
    after = patched(*known, CustomerPatch(full_name=full_name))
    assert after[0].shown_full_name == full_name


@given(records, st.just(UNSET) | st.none() | names, st.just(UNSET) | st.none() | names)
def test_given_and_family_name_are_shown_as_they_were_given(
    known: Known, given_name: str | UnsetType | None, family_name: str | UnsetType | None
) -> None:
    """Each is what was said, or where nothing was said what was shown before."""
    before = known[0].shown_given_and_family
    after, _ = patched(*known, CustomerPatch(given_name=given_name, family_name=family_name))
    assert after.shown_given_and_family == (
        before[0] if given_name is UNSET else given_name,
        before[1] if family_name is UNSET else family_name,
    )


@given(st.lists(patches(*NAME_FIELDS), min_size=1, max_size=4))
@example([CustomerPatch(given_name="Ann"), CustomerPatch(full_name="Ben Ort")])
def test_a_name_is_kept_in_one_form_only(made: list[CustomerPatch]) -> None:
    """Two stored forms could disagree."""
    known = _after(EMPTY, *made)
    assert known[0].full_name is None or known[0].given_name is known[0].family_name is None


@given(records)
def test_a_name_that_is_sent_back_as_shown_is_no_change(known: Known) -> None:
    """A client that edits one face's view does not degrade the form that was given through the other."""
    shown = known[0].shown_given_and_family
    echo = CustomerPatch(given_name=shown[0], family_name=shown[1])
    assert _same(patched(*known, echo), known)
    if known[0].shown_full_name is not None:
        assert _same(patched(*known, CustomerPatch(full_name=known[0].shown_full_name)), known)


# ── What changed ────────────────────────────────────────────────────────────────────────────────────────


@given(records, patches(*FIELDS))
def test_changed_fields_are_those_that_differ(known: Known, patch: CustomerPatch) -> None:
    """No change goes unnamed, and nothing is named that did not change."""
    after = patched(*known, patch)
    named = changed_fields(known, after)
    assert (named == ()) == _same(known, after)
    assert all(
        canonical_bytes(msgspec.to_builtins(_value(known, name)))
        != canonical_bytes(msgspec.to_builtins(_value(after, name)))
        for name in named
    )
    assert set(named) <= _touched(patch) | (NAME_FIELDS if _touched(patch) & NAME_FIELDS else set())


@given(records)
def test_nothing_differs_from_itself(known: Known) -> None:
    """Equal records, also those that are other objects, have no changed fields."""
    assert changed_fields(known, known) == ()
    assert changed_fields(known, copy.deepcopy(known)) == ()


def test_one_and_true_differ() -> None:
    """What Python calls equal and JSON does not is a change."""
    before = (Particulars(custom_data={"a": 1}), Guarded())
    for value in (True, 1.0):
        assert changed_fields(before, patched(*before, CustomerPatch(custom_data={"a": value}))) == (
            "custom_data",
        )
