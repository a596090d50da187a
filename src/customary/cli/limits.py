"""The option that limits a key to named fields, in the names that our own form of a customer has."""

from typing import Annotated

from cyclopts import Parameter

from customary.cli.refusals import WrongUsage
from customary.domain.access import Credential
from customary.domain.reach import FIELDS, LAST4, MASKED
from customary.native.wire import camel

_NAMED = {camel(field): field for field in FIELDS}

FieldsOption = Annotated[
    str | None,
    Parameter(
        name="--fields",
        help="Limit the key to these fields, which are all that it sees and may change: a list such as"
        f" name,email,taxId:{LAST4}. NAME:{LAST4} and NAME:{MASKED} show a guarded field as a mask, whatever"
        f" the key may do. Fields are {', '.join(_NAMED)}.",
    ),
]


def fields_of(option: str | None) -> tuple[str, ...]:
    """Return the fields that are listed; WrongUsage for one that there is not.

    A list that names nothing is no wish for a key without a limit.
    """
    if option is None:
        return ()
    fields = []
    for part in option.split(","):
        name, colon, showing = part.strip().partition(":")
        if name not in _NAMED:
            raise WrongUsage(f"--fields is a list out of {', '.join(_NAMED)}")
        fields.append(_NAMED[name] + colon + showing)
    return tuple(fields)


def limit_of(credential: Credential) -> list[str]:
    """Return the fields that a key is limited to, in the names of the option; none for one that is not."""
    limit = []
    for field in credential.fields:
        name, colon, showing = field.partition(":")
        limit.append(camel(name) + colon + showing)
    return limit
