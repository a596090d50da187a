"""One line of an import: read in one of three forms, recognised as a customer that is there, or made one.

The rules for fields are the rooms', or for our own form the domain's. What is refused is told by field and
rule; no value leaves this module.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal

import msgspec

from customary.app import customers
from customary.app.customers import ALL, Disclosure, Revision
from customary.app.requests import (
    Add,
    FindByExternalID,
    FindByNumber,
    Keep,
    ListPage,
    Page,
    Put,
    UseCase,
)
from customary.cli import neutral
from customary.cli.faces import Face
from customary.domain.access import Principal
from customary.domain.customer import (
    NOTHING_GUARDED,
    Customer,
    CustomerID,
    TenantID,
    changed_fields,
    patched,
)
from customary.domain.errors import (
    Conflict,
    CustomaryError,
    Invalid,
    Malformed,
    Unavailable,
    Violation,
)
from customary.domain.ids import customer_id_of, customer_id_of_number, is_customer_number
from customary.http.body import parsed
from customary.native import wire as native
from customary.trustist import wire as trustist
from customary.trustly import wire as trustly

Outcome = Literal["created", "updated", "unchanged"]

_TRUSTLY = set(trustly.CustomerView.__struct_fields__)
_TRUSTIST = {name.lower() for name in trustist.CustomerView.__struct_fields__}
_OWN = {name.lower() for name in native.MEMBERS}
# Our own form has many members of either vendor's. So it is told by what nobody else has, such as the number
# that every exported line has, as long as there is no member of the vendors' that it has not.
_OWN_ALONE = native.MEMBERS - _TRUSTLY - set(trustist.CustomerView.__struct_fields__)
_BOTH = {"dateOfBirth", "address"}
_TRUSTLY_ALONE = _TRUSTLY - _BOTH
_TRUSTIST_ALONE = _TRUSTIST - {name.lower() for name in _BOTH}
_TWINS_MAX = 100


class Fault(msgspec.Struct, frozen=True):
    """One rule that a line breaks, for programs and in words; ``field`` is "" where it is the whole line."""

    field: str
    rule: str
    message: str = ""

    def __str__(self) -> str:
        return self.message or f"{self.field} {self.rule}".strip()


ERASED = Fault("", "erased", "of a customer who was erased; only without the ids of then it is a new one")


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
            return cls(line, tuple(Fault(one.field, one.rule, one.message) for one in error.violations))
        if isinstance(error, Malformed):
            return cls(line, (Fault("", "syntax", error.public.replace("body", "line")),))
        field, rule = (error.field, "conflict") if isinstance(error, Conflict) else ("", "refused")
        return cls(line, (Fault(field, rule, error.public),))

    def __str__(self) -> str:
        return f"line {self.line}: " + "; ".join(map(str, self.errors))


class Stated(msgspec.Struct, frozen=True):
    """What a line says: a customer, in one of the forms."""

    line: int
    body: dict[str, Any]
    form: Face

    @property
    def merchant_id(self) -> str | None:
        """Return the merchant that the line names; one of the forms cannot."""
        return self._text("merchantId") if self.form != "trustist" else None

    @property
    def customer_id(self) -> CustomerID | None:
        """Return the id that the line states, in whichever spelling."""
        stated = self._text("id") if self.form != "trustly" else None
        return None if stated is None else customer_id_of(stated)

    def ids(self, tenant_id: TenantID) -> Iterator[CustomerID]:
        """Yield the ids of that tenant that the line names, by id or by number, whether anybody has them."""
        if self.customer_id is not None:
            yield self.customer_id
        number = self._text({"own": "customerNumber", "trustly": "customerId"}.get(self.form, ""))
        if number is not None and is_customer_number(number):
            yield customer_id_of_number(tenant_id, number)

    @property
    def identity(self) -> str | None:
        """Return what tells the customer of this line from those of others, wherever they come from."""
        names = {"own": ("id", "customerNumber"), "trustly": ("customerId",), "trustist": ("id",)}
        return next((text for name in names[self.form] if (text := self._text(name))), None)

    def _text(self, name: str) -> str | None:
        value = self.body.get(name)
        return value if isinstance(value, str) else None


class Sitting(msgspec.Struct):
    """What holds for all lines of one import.

    ``spoken_for`` tells for each customer that a line was about, which; so two people of whom the same is
    known stay two. A line may be tried again: then it finds itself there.
    """

    masking: trustly.Masking
    now: datetime
    birth_guarded: bool = False
    spoken_for: dict[CustomerID, str] = {}

    def may_be(self, line: Stated, customer: Customer) -> bool:
        """Return whether no other line, about somebody else, was about this customer."""
        identity = line.identity
        return identity is None or self.spoken_for.get(customer.customer_id, identity) == identity

    def note(self, line: Stated, customer: Customer) -> Customer:
        """Remember whom the line was about; return the customer."""
        if line.identity is not None:
            self.spoken_for[customer.customer_id] = line.identity
        return customer


def stated(line: int, content: bytes, form: Face | Literal["auto"]) -> Stated | Refused:
    """Return what a line says; an answer's envelope around it is taken off."""
    try:
        body = parsed(content)
    except Malformed as malformed:
        return Refused.by(line, malformed)
    inner = body.get("customer")
    if len(body) == 1 and isinstance(inner, dict):
        body = inner
    if form != "auto":
        return Stated(line, body, form)
    judged = _form_of(body)
    if isinstance(judged, Fault):
        return Refused(line, (judged,))
    return Stated(line, body, judged)


def _form_of(body: dict[str, Any]) -> Face | Fault:
    names, lowered = set(body), {name.lower() for name in body}
    is_trustly = not _TRUSTLY_ALONE.isdisjoint(names)
    is_trustist = not _TRUSTIST_ALONE.isdisjoint(lowered)
    if not _OWN_ALONE.isdisjoint(names):
        strange = (names & _TRUSTLY) - native.MEMBERS or (lowered & _TRUSTIST) - _OWN
        return _SEVERAL_FORMS if strange else "own"
    if is_trustly == is_trustist:
        return _SEVERAL_FORMS if is_trustly else _NO_FORM
    return "trustly" if is_trustly else "trustist"


_NO_FORM = Fault("", "form", "neither a Trustly nor a Trustist customer, nor one in our own form")
_SEVERAL_FORMS = Fault("", "form", "members of several forms; say with --format which it is")


def imported(
    principal: Principal, line: Stated, sitting: Sitting, *, known_number: str | None
) -> UseCase[Told | Refused]:
    """Create or change the customer that the line is about, and tell which; or tell why not.

    ``known_number`` is that of the customer who has the id that the line states, if there is one.
    """
    asking = _ASKED[line.form](principal, line, sitting, known_number)
    outcome: Outcome = "unchanged"
    try:
        request = next(asking)
        while True:
            if isinstance(request, Add | Put):
                outcome = "created" if isinstance(request, Add) else "updated"
            request = asking.send((yield request))
    except StopIteration as stop:
        sitting.note(line, stop.value)
        return Told(line.line, outcome)
    except Unavailable:
        raise
    except CustomaryError as error:  # the rules are judged before anything is written
        return Refused.by(line.line, error)


def _own(principal: Principal, line: Stated, sitting: Sitting, known_number: str | None) -> UseCase[Customer]:
    named = neutral.Named(line.body)
    return (
        yield from _named_or_made(
            principal,
            line,
            sitting,
            neutral.revision(line.body, sitting.now),
            Disclosure(),
            number=known_number or named.number,
            external_id=named.external_id,
        )
    )


def _trustly(principal: Principal, line: Stated, sitting: Sitting, _: str | None) -> UseCase[Customer]:
    disclosure = sitting.masking.disclosure(principal)
    named = trustly.Named(line.body)
    return (
        yield from _named_or_made(
            principal,
            line,
            sitting,
            trustly.revision(line.body, sitting.masking, disclosure),
            disclosure,
            number=named.number,
            external_id=named.external_id,
        )
    )


def _named_or_made(
    principal: Principal,
    line: Stated,
    sitting: Sitting,
    revision: Revision,
    disclosure: Disclosure,
    *,
    number: str | None,
    external_id: str | None,
) -> UseCase[Customer]:
    """As a POST does (Trustly contract T4 to T7), but that a number nobody has makes no second customer.

    Two lines about two people cannot have one external id; of merchants that are not here they may.
    """
    if number is not None and (yield FindByNumber(number)) is None:
        number = None
    if number is None and external_id is not None:
        found: Customer | None = yield FindByExternalID(external_id)
        if found is not None and not sitting.may_be(line, found):
            raise Invalid(Violation("externalId", "taken", "externalId is that of another line's customer"))
    elif number is None:
        return (yield from _made_once(principal, line, sitting, revision, line.body.get("email")))
    return (
        yield from customers.upsert(
            principal,
            revision,
            disclosure,
            sought_external_id=None,
            stated_number=number,
            stated_external_id=external_id,
        )
    )


def _trustist(
    principal: Principal, line: Stated, sitting: Sitting, known_number: str | None
) -> UseCase[Customer]:
    revision = trustist.revision(line.body, sitting.now.date(), birth_guarded=sitting.birth_guarded)
    if known_number is not None and line.customer_id is not None:
        return (yield from customers.change(principal, line.customer_id, revision, Disclosure()))
    members: dict[str, Any] = {name.lower(): value for name, value in line.body.items()}
    return (yield from _made_once(principal, line, sitting, revision, members.get("emailaddress")))


_ASKED = {"own": _own, "trustly": _trustly, "trustist": _trustist}


def _made_once(
    principal: Principal, line: Stated, sitting: Sitting, revision: Revision, email: object
) -> UseCase[Customer]:
    """Store a new customer, unless one of this e-mail address says all of it already.

    So a line without an id is not stored twice when its file is imported again, and two people who share an
    address still stay two.
    """
    if isinstance(email, str):
        page: Page = yield ListPage(email=email, limit=_TWINS_MAX, clear=ALL)
        for candidate in page.customers:
            if sitting.may_be(line, candidate) and _says_nothing_new(revision, candidate):
                kept: Customer = yield Keep(candidate)
                return kept
    return (yield from customers.create(principal, revision))


def _says_nothing_new(revision: Revision, candidate: Customer) -> bool:
    before = (candidate.particulars, candidate.guarded or NOTHING_GUARDED)
    try:
        return not changed_fields(before, patched(*before, revision(candidate)))
    except Invalid:  # a mask, say, that is another's
        return False
