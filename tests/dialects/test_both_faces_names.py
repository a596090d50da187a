"""One name in two forms: what was given is kept, the other form is derived and never stored over it."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialects.faces import TRUSTIST, Faces
from merchant import CUSTOMERS


@pytest.mark.statement("S15")
@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("Joe User", "Joe", "User"),
        ("Ludwig van Beethoven", "Ludwig", "van Beethoven"),
        ("María José de la Cruz", "María José", "de la Cruz"),
        ("Johnson, Sarah Ann", "Sarah Ann", "Johnson"),
        ("Madonna", "Madonna", None),
        ("de la Cruz", "de", "la Cruz"),
        ("Smith,", "Smith,", None),
        ("  Joe   User  ", "Joe", "User"),
    ],
)
def test_a_full_name_is_split_by_the_documented_rule(
    faces: Faces, name: str, first: str | None, last: str | None
) -> None:
    """The comma first, else the last word with the particles before it; one word is a given name."""
    number, customer_id = faces.from_trustly(name=name)
    seen = faces.trustist(customer_id)
    assert (seen["firstName"], seen["lastName"]) == (first, last)
    assert faces.trustly(number)["name"] == name


@pytest.mark.statement("S16", "T8")
def test_a_name_that_is_changed_through_one_face_is_the_name_of_both(faces: Faces) -> None:
    """What was given last counts: one part changed keeps the other as shown; a full name replaces both."""
    number, customer_id = faces.from_trustly(name="Johnson, Sarah Ann")
    assert faces.put(customer_id, lastName="Smith")["firstName"] == "Sarah Ann"
    assert faces.trustly(number)["name"] == "Sarah Ann Smith"
    faces.merchant.update(number, name="Ms Sarah Jones")
    seen = faces.trustist(customer_id)
    assert (seen["firstName"], seen["lastName"]) == ("Ms Sarah", "Jones")
    faces.put(customer_id, firstName=None)
    assert faces.trustly(number)["name"] == "Jones"
    faces.put(customer_id, lastName=None)
    assert "name" not in faces.trustly(number)


REORDERING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
# Controls and reordering characters have no place in names; the rest of Unicode has.
NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters=REORDERING),
    min_size=1,
    max_size=40,
)
OVER_HTTP = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.statement("S16")
@given(name=NAMES)
@OVER_HTTP
def test_derived_parts_sent_back_do_not_replace_the_name_given(faces: Faces, name: str) -> None:
    """Any full name stays as it was given when a Trustist client sends back the parts derived from it."""
    number, customer_id = faces.from_trustly(name=name)
    seen = faces.trustist(customer_id)
    assert faces.put(customer_id, **(seen | {"orgId": "branch-005"}))["firstName"] == seen["firstName"]
    faces.put(customer_id, firstName=seen["firstName"])
    faces.put(customer_id, lastName=seen["lastName"])
    assert faces.trustly(number)["name"] == name


@pytest.mark.statement("T8")
@given(first=st.none() | NAMES, last=st.none() | NAMES)
@OVER_HTTP
def test_a_derived_name_sent_back_does_not_replace_the_parts_given(
    faces: Faces, first: str | None, last: str | None
) -> None:
    """Any two parts stay as they were given when a Trustly client posts back the name joined from them."""
    number, customer_id = faces.from_trustist(firstName=first, lastName=last)
    shown = faces.trustly(number)
    faces.merchant.saved(shown | {"phone": "+16505551215"}, f"{CUSTOMERS}/{number}")
    seen = faces.trustist(customer_id)
    assert (seen["firstName"], seen["lastName"]) == (first, last)
    assert seen["orgId"] == TRUSTIST["orgId"]
