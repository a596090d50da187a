"""Masks of guarded values: what is shown of a tax number to one who may not see it."""

from customary.domain.customer import NOTHING_GUARDED, Guarded

MASK = "#"


def masked(value: str) -> str:
    """Return ``value`` with ``#`` for all but its last characters (Trustly contract T21).

    Four are shown; of a value shorter than 7 two; of one shorter than 5 none.

    >>> masked("123456790"), masked("123456"), masked("1234")
    ('#####6790', '####56', '####')
    """
    length = len(value)
    shown = 4 if length >= 7 else 2 if length >= 5 else 0
    return MASK * (length - shown) + value[length - shown :]


def masks_of(guarded: Guarded) -> Guarded:
    """Return the masks of all guarded values, in the same places."""
    if guarded == NOTHING_GUARDED:
        return NOTHING_GUARDED
    return Guarded(
        None if guarded.tax_id is None else masked(guarded.tax_id),
        None if guarded.national_id is None else masked(guarded.national_id),
        None if guarded.person_id is None else masked(guarded.person_id),
        None if guarded.license_number is None else masked(guarded.license_number),
    )
