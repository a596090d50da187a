"""The laws of merging, measuring and comparing JSON values."""

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customary.domain.merge import SAFE_INTEGER_MAX, canonical_bytes, merged, unsafe_integers

_simple = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1)
scalars = (
    _simple
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
names = st.sampled_from(["a", "b", "c"]) | st.text(st.characters(exclude_categories=["Cs"]), max_size=3)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)
objects = st.dictionaries(names, values, max_size=5)


def _bare(value: object) -> object:
    """The value without null members, except inside arrays, which a merge patch treats as opaque."""
    if isinstance(value, dict):
        return {name: _bare(member) for name, member in value.items() if member is not None}
    return value


def _without_nulls(value: dict[str, object]) -> dict[str, object]:
    bare = _bare(value)
    assert isinstance(bare, dict)
    return bare


def _difference(before: dict[str, object], after: dict[str, object]) -> dict[str, object]:
    patch: dict[str, object] = {name: None for name in before if name not in after}
    for name, value in after.items():
        current = before.get(name)
        if isinstance(value, dict) and isinstance(current, dict):
            patch[name] = _difference(current, value)
        else:
            patch[name] = value
    return patch


RFC_7396_APPENDIX_A = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("target", "patch", "result"), RFC_7396_APPENDIX_A)
def test_every_row_of_the_rfcs_appendix_holds_inside_a_member(
    target: object, patch: object, result: object
) -> None:
    """RFC 7396 appendix A; the rows whose target or patch is no object hold one level down."""
    assert merged({"m": target}, {"m": patch}) == {"m": result}


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [row for row in RFC_7396_APPENDIX_A if isinstance(row[0], dict) and isinstance(row[1], dict)],
)
def test_every_row_of_the_rfcs_appendix_about_two_objects_holds_at_the_top(
    target: dict[str, object], patch: dict[str, object], result: object
) -> None:
    """RFC 7396 appendix A, as it stands there."""
    assert merged(target, patch) == result


def test_the_rfcs_row_with_a_null_patch_removes_the_member() -> None:
    """RFC 7396 appendix A patches ``{"a":"foo"}`` by ``null``; for a member that is its removal."""
    assert merged({"m": {"a": "foo"}, "n": 1}, {"m": None}) == {"n": 1}


def test_the_rfcs_example_document_is_patched_as_printed() -> None:
    """RFC 7396 section 3."""
    before: dict[str, object] = {
        "title": "Goodbye!",
        "author": {"givenName": "John", "familyName": "Doe"},
        "tags": ["example", "sample"],
        "content": "This will be unchanged",
    }
    patch: dict[str, object] = {
        "title": "Hello!",
        "phoneNumber": "+01-123-456-7890",
        "author": {"familyName": None},
        "tags": ["example"],
    }
    assert merged(before, patch) == {
        "title": "Hello!",
        "author": {"givenName": "John"},
        "tags": ["example"],
        "content": "This will be unchanged",
        "phoneNumber": "+01-123-456-7890",
    }


def test_nulls_in_an_array_are_values_and_stay() -> None:
    """Only a null member is an instruction; an array replaces whole."""
    assert merged({"a": [1]}, {"a": [None, {"b": None}]}) == {"a": [None, {"b": None}]}


@given(objects)
def test_an_absent_target_is_an_empty_one(patch: dict[str, object]) -> None:
    """RFC 7396 section 2: a target that is no object counts as an empty object."""
    assert merged(None, patch) == merged({}, patch) == _without_nulls(patch)


@given(objects)
def test_an_empty_patch_changes_nothing(target: dict[str, object]) -> None:
    """Absent keeps."""
    assert merged(target, {}) == target


@given(objects, objects)
def test_a_patch_applied_twice_is_the_patch_applied_once(
    target: dict[str, object], patch: dict[str, object]
) -> None:
    """A client may repeat a request."""
    once = merged(target, patch)
    assert canonical_bytes(merged(once, patch)) == canonical_bytes(once)


@given(objects, objects)
def test_neither_argument_is_changed(target: dict[str, object], patch: dict[str, object]) -> None:
    """The current version of a record outlives its change."""
    target_before, patch_before = copy.deepcopy(target), copy.deepcopy(patch)
    merged(target, patch)
    assert (target, patch) == (target_before, patch_before)


@given(objects, objects)
def test_no_null_member_is_ever_stored(target: dict[str, object], patch: dict[str, object]) -> None:
    """Statement T16 would be broken on output otherwise."""
    result = merged(_without_nulls(target), patch)
    assert _without_nulls(result) == result


@given(objects, objects)
def test_any_object_is_reached_from_any_other_by_their_difference(
    before: dict[str, object], after: dict[str, object]
) -> None:
    """Without null members every change can be said as a patch."""
    before, after = _without_nulls(before), _without_nulls(after)
    assert canonical_bytes(merged(before, _difference(before, after))) == canonical_bytes(after)


@given(objects)
def test_canonical_bytes_are_json_for_the_same_value(value: dict[str, object]) -> None:
    """What is measured is what will be returned."""
    assert repr(_ordered(json.loads(canonical_bytes(value)))) == repr(_ordered(value))


def _ordered(value: object) -> object:
    if isinstance(value, dict):
        return sorted((name, _ordered(member)) for name, member in value.items()) if value else {}
    return [_ordered(member) for member in value] if isinstance(value, list) else value


@given(objects)
def test_canonical_bytes_do_not_depend_on_the_order_of_members(value: dict[str, object]) -> None:
    """The order of members is not significant (statement T13)."""
    assert canonical_bytes(_reversed(value)) == canonical_bytes(value)


def _reversed(value: object) -> object:
    if isinstance(value, dict):
        return {name: _reversed(value[name]) for name in reversed(value)}
    return [_reversed(member) for member in value] if isinstance(value, list) else value


def test_canonical_bytes_are_compact_utf_8_in_order() -> None:
    """The 16 KiB of customData are counted in these bytes, so an umlaut is two and a blank is none."""
    assert (
        canonical_bytes({"z": [1, {"b": None, "a": "ü"}], "a": 0.5})
        == '{"a":0.5,"z":[1,{"a":"ü","b":null}]}'.encode()
    )


def test_values_that_only_python_calls_equal_have_different_canonical_bytes() -> None:
    """``1``, ``1.0`` and ``true`` are three values in JSON, so a change between them is a change."""
    assert {"a": 1} == {"a": True} == {"a": 1.0}
    assert len({canonical_bytes({"a": 1}), canonical_bytes({"a": True}), canonical_bytes({"a": 1.0})}) == 3


@pytest.mark.parametrize("sign", [1, -1])
def test_integers_are_safe_up_to_two_to_the_53_less_one(sign: int) -> None:
    """Statement T13, at the limit and one over it."""
    assert not unsafe_integers({"a": sign * SAFE_INTEGER_MAX})
    assert unsafe_integers({"a": sign * (SAFE_INTEGER_MAX + 1)})


@pytest.mark.parametrize(
    "value", [2**53, [2**53], {"a": [0, {"b": [[-(2**53)]]}]}, {"a": {"b": 2**63 - 1}}, [[], {}, 2**53]]
)
def test_an_unsafe_integer_is_found_at_any_depth(value: object) -> None:
    """Nesting hides nothing."""
    assert unsafe_integers(value)


@pytest.mark.parametrize(
    "value", [True, 1e300, -1e300, str(2**60), {str(2**60): 0}, None, {}, [2**53 - 1, 0]]
)
def test_what_is_no_integer_is_never_an_unsafe_one(value: object) -> None:
    """Doubles, digits in a text and in a member's name are none of this rule's business."""
    assert not unsafe_integers(value)
