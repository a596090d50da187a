"""One line of an import: read in either vendor's form, recognised as a customer that is there, or made one.

The rules for fields are the rooms'. What is refused is told by field and rule; no value leaves this module.
"""

from datetime import date
from typing import Any, Literal

import msgspec

from customary.app import customers
from customary.app.customers import ALL, Disclosure, Revision
from customary.app.requests import Add, FindByNumber, Keep, ListPage, Page, Put, UseCase
from customary.domain.access import Principal
from customary.domain.customer import (
    NOTHING_GUARDED,
    Customer,
    CustomerID,
    changed_fields,
    patched,
)
from customary.domain.errors import Conflict, CustomaryError, Invalid, Malformed, Unavailable
from customary.domain.ids import customer_id_of
from customary.http.body import parsed
from customary.trustist import wire as trustist
from customary.trustly import wire as trustly

Form = Literal["trustly", "trustist"]
Outcome = Literal["created", "updated", "unchanged"]

_BOTH = {"dateOfBirth", "address"}
_TRUSTLY_MEMBERS = set(trustly.CustomerView.__struct_fields__) - _BOTH
_TRUSTIST_MEMBERS = {name.lower() for name in set(trustist.CustomerView.__struct_fields__) - _BOTH}
_TWINS_MAX = 100


class Fault(msgspec.Struct, frozen=True):
    """One rule that a line breaks; ``field`` is empty where it is the line as a whole."""

    field: str
    rule: str


class Told(msgspec.Struct, frozen=True):
    """What became of a line."""

    line: int
    outcome: Outcome


class Refused(msgspec.Struct, frozen=True):
    """A line that was not taken, and why."""

    line: int
    errors: tuple[Fault, ...]

    @classmethod
    def by(cls, line: int, error: CustomaryError) -> "Refused":
        """Return the refusal of a line that this error tells of."""
        if isinstance(error, Invalid) and error.violations:
            return cls(line, tuple(Fault(one.field, one.rule) for one in error.violations))
        field = error.field if isinstance(error, Conflict) else ""
        return cls(line, (Fault(field, "syntax" if isinstance(error, Malformed) else error.public),))

    def __str__(self) -> str:
        return f"line {self.line}: " + "; ".join(f"{one.field} {one.rule}".strip() for one in self.errors)


class Stated(msgspec.Struct, frozen=True):
    """What a line says: a customer, in one vendor's form."""

    line: int
    body: dict[str, Any]
    form: Form

    @property
    def merchant_id(self) -> str | None:
        """Return the merchant that the line names; only one of the forms can."""
        named = self.body.get("merchantId") if self.form == "trustly" else None
        return named if isinstance(named, str) else None

    @property
    def customer_id(self) -> CustomerID | None:
        """Return the id that the line states, in whichever spelling."""
        stated = self.body.get("id") if self.form == "trustist" else None
        return customer_id_of(stated) if isinstance(stated, str) else None


def stated(line: int, content: bytes, form: Form | Literal["auto"]) -> Stated | Refused:
    """Return what a line says; an answer's envelope around it is taken off."""
    try:
        body = parsed(content)
    except Malformed as malformed:
        return Refused.by(line, malformed)
    inner = body.get("customer")
    if len(body) == 1 and isinstance(inner, dict):
        body = inner
    if form == "auto":
        is_trustly = not _TRUSTLY_MEMBERS.isdisjoint(body)
        is_trustist = not _TRUSTIST_MEMBERS.isdisjoint(name.lower() for name in body)
        if is_trustly == is_trustist:
            return Refused(line, (Fault("", "form"),))
        form = "trustly" if is_trustly else "trustist"
    return Stated(line, body, form)


def imported(
    principal: Principal, line: Stated, masking: trustly.Masking, today: date, *, is_known: bool
) -> UseCase[Told | Refused]:
    """Create or change the customer that the line is about, and tell which; or tell why not.

    ``is_known`` says whether there is a customer of the id that the line states.
    """
    if line.form == "trustly":
        asking = _trustly(principal, line, masking)
    else:
        asking = _trustist(principal, line, today, is_known=is_known)
    outcome: Outcome = "unchanged"
    try:
        request = next(asking)
        while True:
            if isinstance(request, Add | Put):
                outcome = "created" if isinstance(request, Add) else "updated"
            request = asking.send((yield request))
    except StopIteration:
        return Told(line.line, outcome)
    except Unavailable:
        raise
    except CustomaryError as error:  # the rooms' rules are judged before anything is written
        return Refused.by(line.line, error)


def _trustly(principal: Principal, line: Stated, masking: trustly.Masking) -> UseCase[Customer]:
    """As a POST does (Trustly contract T4 to T7), but that a number nobody has makes no second customer."""
    disclosure = masking.disclosure(principal)
    named = trustly.Named(line.body)
    revision = trustly.revision(line.body, masking, disclosure)
    is_named = named.external_id is not None
    if named.number is not None and not is_named:
        is_named = (yield FindByNumber(named.number)) is not None
    if is_named:
        return (
            yield from customers.upsert(
                principal,
                revision,
                disclosure,
                sought_external_id=None,
                stated_number=named.number,
                stated_external_id=named.external_id,
            )
        )
    return (yield from _made_once(principal, revision, line.body.get("email")))


def _trustist(principal: Principal, line: Stated, today: date, *, is_known: bool) -> UseCase[Customer]:
    revision = trustist.revision(line.body, today)
    if is_known and line.customer_id is not None:
        return (yield from customers.change(principal, line.customer_id, revision, Disclosure()))
    members: dict[str, Any] = {name.lower(): value for name, value in line.body.items()}
    return (yield from _made_once(principal, revision, members.get("emailaddress")))


def _made_once(principal: Principal, revision: Revision, email: object) -> UseCase[Customer]:
    """Store a new customer, unless one of this e-mail address says all of it already.

    So a line without an id is not stored twice when its file is imported again, and two people who share an
    address still stay two.
    """
    if isinstance(email, str):
        page: Page = yield ListPage(email=email, limit=_TWINS_MAX, clear=ALL)
        for candidate in page.customers:
            if _says_nothing_new(revision, candidate):
                kept: Customer = yield Keep(candidate)
                return kept
    return (yield from customers.create(principal, revision))


def _says_nothing_new(revision: Revision, candidate: Customer) -> bool:
    before = (candidate.particulars, candidate.guarded or NOTHING_GUARDED)
    try:
        return not changed_fields(before, patched(*before, revision(candidate)))
    except Invalid:  # a mask, say, that is another's
        return False
