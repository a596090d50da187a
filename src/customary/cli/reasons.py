"""The option in which the operator says why, and the deed that it becomes.

A reason is kept with the leaf of a customer, under that customer's key. So a command takes one only where it
tells of customers one by one; a reason that nothing would keep is refused.
"""

from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import Parameter

from customary.app.customers import ALL
from customary.app.requests import Deed
from customary.cli.chosen import Chosen
from customary.cli.refusals import WrongUsage
from customary.domain.access import Permission, Principal
from customary.domain.audit import REASON_MAX, is_reason
from customary.domain.reach import BIRTH_COVERED

if TYPE_CHECKING:
    from customary.bootstrap.house import House

ReasonOption = Annotated[
    str | None,
    Parameter(
        name="--reason", help=f"Why, for the trail, which keeps it sealed: at most {REASON_MAX} characters."
    ),
]


def changing(reason: str | None) -> Deed:
    """Return the deed of a command that changes customers; WrongUsage for a reason that is none."""
    return Deed(reason=_checked(reason))


def seeing(house: "House", reason: str | None, *, unmasked: bool) -> Deed:
    """Return the deed of a command that shows customers, in clear or not; WrongUsage if its reason is amiss.

    Who sees masks does nothing that the trail tells of, so there a reason would be lost.
    """
    checked = _checked(reason)
    if not unmasked:
        if checked:
            raise WrongUsage("--reason goes with --unmasked: of masks the trail does not tell")
        return Deed()
    if house.settings.reason_required and not checked:
        raise WrongUsage("--unmasked needs a --reason here (setting reason_required)")
    guarded = ALL | BIRTH_COVERED.covered if house.settings.date_of_birth_guarded else ALL
    return Deed(audited=guarded, reason=checked)


def seer(
    house: "House", chosen: Chosen, deed: Deed, permission: Permission = Permission.READ_CUSTOMERS
) -> Principal:
    """Return the operator who does that deed, as far as it lets them see."""
    principal = chosen.operator(permission)
    if house.settings.date_of_birth_guarded and not deed.audited:
        return msgspec.structs.replace(principal, reach=BIRTH_COVERED)
    return principal


def _checked(reason: str | None) -> str:
    if reason is None:
        return ""
    if not is_reason(reason):
        raise WrongUsage(f"--reason is 1 to {REASON_MAX} printable characters")
    return reason.strip(" ")
