"""What a mask shows of a guarded value: enough to recognise it, too little to know it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customary.domain.customer import GUARDED_FIELDS, Guarded
from customary.domain.masking import MASK, masked, masks_of

values = st.text(max_size=40)


@pytest.mark.parametrize(
    ("value", "mask"),
    [
        ("123456790", "#####6790"),
        ("1234567", "###4567"),
        ("123456", "####56"),
        ("12345", "###45"),
        ("1234", "####"),
        ("1", "#"),
        ("", ""),
    ],
)
def test_the_vendors_masks(value: str, mask: str) -> None:
    """All but the last four; of fewer than seven the last two; of fewer than five nothing (T21)."""
    assert masked(value) == mask


@given(values)
def test_a_mask_shows_the_end_and_hides_most_of_a_value(value: str) -> None:
    """It has the value's length, shows at most its last four characters, and hides at least three of any."""
    mask = masked(value)
    shown = mask.lstrip(MASK)
    assert len(mask) == len(value)
    assert value.endswith(shown)
    assert len(shown) <= min(4, max(0, len(value) - 3))


@given(values)
def test_a_mask_of_a_mask_is_that_mask(value: str) -> None:
    """So a mask that was stored by mistake shows nothing more."""
    assert masked(masked(value)) == masked(value)


@given(st.builds(Guarded, **dict.fromkeys(GUARDED_FIELDS, st.none() | values)))
def test_masks_stand_in_the_places_of_the_values(guarded: Guarded) -> None:
    """A mask tells that there is a value, and which; absent ones have none."""
    masks = masks_of(guarded)
    assert masks.present == guarded.present
    for name in guarded.present:
        assert getattr(masks, name) == masked(getattr(guarded, name))
