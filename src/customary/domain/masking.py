"""Masks of guarded values: what is shown of a tax number to one who may not see it."""

from customary.domain.customer import NOTHING_GUARDED, Customer, Guarded

MASK = "#"
MASK_SHOWN_MAX = 4
"""A mask shows no more characters than that, whatever the value."""

BIRTH_MASK = "####-##-##"
"""What is shown of any date of birth, where it is guarded: nothing, in the form of a date."""


def masked(value: str) -> str:
    """Return ``value`` with ``#`` for all but its last characters (Trustly contract T21).

    Four are shown; of a value shorter than 7 two; of one shorter than 5 none.

    >>> masked("123456790"), masked("123456"), masked("1234")
    ('#####6790', '####56', '####')
    """
    length = len(value)
    shown = 4 if length >= 7 else 2 if length >= 5 else 0
    return MASK * (length - shown) + value[length - shown :]


def is_mask(text: str) -> bool:
    """Return whether ``text`` looks like a mask of some value, so that it cannot be one itself.

    A guarded value may hold the character of masks; only what begins and ends like a mask is taken for one.

    >>> is_mask("#####6790"), is_mask("####"), is_mask("#12345"), is_mask("12#4")
    (True, True, False, False)
    """
    return text.startswith(MASK) and len(text.lstrip(MASK)) <= MASK_SHOWN_MAX


def shown_in_clear(customer: Customer, audited: frozenset[str]) -> tuple[str, ...]:
    """Return which of the fields ``audited`` a customer has, in one order; the date of birth may be one."""
    shown = customer.masks.present & audited
    if "date_of_birth" in audited and customer.particulars.date_of_birth is not None:
        shown |= {"date_of_birth"}
    return tuple(sorted(shown))


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
