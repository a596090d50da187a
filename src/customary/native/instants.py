"""Instants as callers write them: RFC 3339, whole, with their offset."""

import re
from datetime import UTC, datetime, timedelta

from customary.domain.errors import Invalid, Violation
from customary.http.schemes.hawk import CLOCK_SKEW_SECONDS_MAX

_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})",
    re.ASCII,
)


def instant_of(name: str, text: str) -> datetime:
    """Return the instant that the parameter ``name`` says, in UTC; Invalid for any other text.

    What is finer than microseconds is cut off.

    >>> instant_of("at", "2026-03-01T13:00:00.5+01:00").isoformat()
    '2026-03-01T12:00:00.500000+00:00'
    """
    try:
        if _INSTANT.fullmatch(text) is not None:
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):  # the 30th of February; the year 1 east of Greenwich
        pass
    raise Invalid(Violation(name, "instant", f"{name} is not an instant in the form of RFC 3339"))


def past_instant_of(name: str, text: str, now: datetime) -> datetime:
    """Return an instant as above; Invalid for one that is still to come, since what will be nobody knows.

    But clocks differ, and a signed request may be a minute ahead: so far ahead is now.
    """
    instant = instant_of(name, text)
    if instant > now + timedelta(seconds=CLOCK_SKEW_SECONDS_MAX):
        raise Invalid(Violation(name, "future", f"{name} is in the future"))
    return instant
