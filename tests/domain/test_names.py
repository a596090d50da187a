"""One name in two forms: what is split can be joined again, and no word is lost or made up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customary.domain.names import given_and_family, joined

words = st.sampled_from(["Ann", "José", "van", "de", "la", "der", "Li", "O'Neil", "III", "李"])
plain_names = st.lists(words, min_size=1, max_size=6).map(" ".join)


@pytest.mark.parametrize(
    ("full_name", "split"),
    [
        ("Joe User", ("Joe", "User")),
        ("Mary Jane Watson", ("Mary Jane", "Watson")),
        ("Ludwig van Beethoven", ("Ludwig", "van Beethoven")),
        ("Maria de la Cruz", ("Maria", "de la Cruz")),
        ("van Gogh", ("van", "Gogh")),
        ("Vincent Van Gogh", ("Vincent Van", "Gogh")),
        ("Johnson, Sarah", ("Sarah", "Johnson")),
        ("Smith,Ann", ("Ann", "Smith")),
        ("Smith, Ann, III", ("Ann, III", "Smith")),
        ("Smith,", ("Smith,", None)),
        (", Ann", (",", "Ann")),
        ("Madonna", ("Madonna", None)),
        ("  Ann   Li ", ("Ann", "Li")),
        ("", (None, None)),
        ("   ", (None, None)),
    ],
)
def test_names_are_split_by_the_written_rule(full_name: str, split: tuple[str | None, str | None]) -> None:
    """Comma first, then particles, then the last word; a single word is a given name."""
    assert given_and_family(full_name) == split


@given(plain_names)
def test_what_is_split_joins_to_the_same_words(full_name: str) -> None:
    """Without a comma, splitting only says where the family name begins."""
    assert joined(*given_and_family(full_name)) == full_name


@given(st.text(max_size=30))
def test_no_word_is_lost_or_made_up(full_name: str) -> None:
    """Both parts together have the characters of the name, but for blanks and one comma."""
    given_name, family_name = given_and_family(full_name)
    before = sorted("".join(full_name.split()))
    after = sorted("".join(f"{given_name or ''}{family_name or ''}".split()))
    if before != after:
        before.remove(",")
    assert before == after


@given(st.text(max_size=30))
def test_there_is_a_given_name_wherever_there_is_a_name(full_name: str) -> None:
    """Neither part is ever empty text, and a family name never stands alone."""
    given_name, family_name = given_and_family(full_name)
    assert (given_name is None) == (not full_name.split())
    assert given_name != ""
    assert family_name is None or (family_name and given_name)


@given(st.none() | plain_names, st.none() | plain_names)
def test_parts_are_joined_by_one_blank(given_name: str | None, family_name: str | None) -> None:
    """A part that is absent leaves no blank behind."""
    assert joined(given_name, family_name) == (" ".join(filter(None, [given_name, family_name])) or None)
