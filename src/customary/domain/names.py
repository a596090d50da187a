"""One name in two forms: a full name, and a given and a family name.

What was given is kept; this module derives the other form for the face that shows it.
It must never decide what is stored.
"""

# fmt: off
_PARTICLES = frozenset({
    "af", "al", "av", "ben", "bin", "da", "dal", "de", "del", "della", "der", "des", "di", "do", "dos", "du",
    "el", "la", "las", "le", "los", "ten", "ter", "van", "von", "y", "zu", "zum", "zur",
})
# fmt: on


def joined(given: str | None, family: str | None) -> str | None:
    """Return given and family name as one, in that order, or None when there is neither.

    >>> joined("Sarah", "Johnson"), joined(None, "Johnson"), joined(None, None)
    ('Sarah Johnson', 'Johnson', None)
    """
    return " ".join(part for part in (given, family) if part) or None


def given_and_family(full_name: str) -> tuple[str | None, str | None]:
    """Return a full name split in two, by this rule:

    1. With a comma, what stands before it is the family name: ``Johnson, Sarah``.
    2. Else the last word is the family name, with the lower-case particles just before it
       (``van``, ``de la``, ...), but at least one word is left as the given name.
    3. A single word is a given name.

    >>> given_and_family("Joe User"), given_and_family("Ludwig van Beethoven")
    (('Joe', 'User'), ('Ludwig', 'van Beethoven'))
    >>> given_and_family("Johnson, Sarah Ann"), given_and_family("Madonna")
    (('Sarah Ann', 'Johnson'), ('Madonna', None))
    """
    before, comma, after = full_name.partition(",")
    if comma and before.strip() and after.strip():
        return after.strip(), before.strip()
    words = full_name.split()
    if not words:
        return None, None
    if len(words) == 1:
        return words[0], None
    start = len(words) - 1
    while start > 1 and words[start - 1] in _PARTICLES:
        start -= 1
    return " ".join(words[:start]), " ".join(words[start:])
