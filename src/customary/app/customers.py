"""The use cases of a customer: create, read, change, list. Each reads like its rule and does nothing itself.

A use case is a generator: it yields what it must know and what shall be written (``app.requests``), and
is run, again if need be, by the performer. It must never know HTTP, SQL, a vendor's word or who will read
its result.
"""

from collections.abc import Callable, Sequence

import msgspec

from customary.app.requests import (
    Add,
    Disclose,
    Fetch,
    FindByExternalID,
    FindByNumber,
    Keep,
    ListPage,
    Page,
    Put,
    UseCase,
)
from customary.domain.access import Permission, Principal
from customary.domain.customer import (
    EMPTY,
    GUARDED_FIELDS,
    NOTHING_GUARDED,
    Customer,
    CustomerID,
    CustomerPatch,
    changed_fields,
    patched,
)
from customary.domain.errors import Conflict, NotFound, Outdated
from customary.domain.masking import shown_in_clear

ALL = frozenset(GUARDED_FIELDS)
"""Opens a record whole: what is changed is compared, so all of it is needed."""

_FILTERS = ("external_id", "email", "org_id")
"""What a page can be asked for that is a field; a number is an id, and everybody's to ask for."""

Revision = Callable[[Customer | None], CustomerPatch]
"""Makes the patch that a room reads out of a request, given the customer as it is (None: it is new).

A room needs the customer to tell an echo from a change: what it showed and gets back unchanged, a mask or a
derived name for instance, says nothing new. It is told no more of it than the
principal sees. Raises Invalid with the room's own field names.
"""


class Disclosure(msgspec.Struct, frozen=True, gc=False):
    """Which guarded fields a room shows in clear, and which of these the trail must tell of."""

    clear: frozenset[str] = frozenset()
    audited: frozenset[str] = frozenset()


_NOTHING_SHOWN = Disclosure()


def create(
    principal: Principal, revision: Revision, disclosure: Disclosure = _NOTHING_SHOWN
) -> UseCase[Customer]:
    """Store a new customer and return it."""
    principal.require(Permission.CREATE_CUSTOMER)
    customer: Customer = yield Add(*patched(*EMPTY, revision(None)))
    return (yield from disclosed(principal, customer, disclosure))


def fetch(principal: Principal, customer_id: CustomerID, disclosure: Disclosure) -> UseCase[Customer]:
    """Return the customer of that id; NotFound if absent or foreign."""
    principal.require(Permission.READ_CUSTOMERS)
    customer: Customer = yield Fetch(customer_id, disclosure.clear)
    return (yield from disclosed(principal, customer, disclosure))


def fetch_numbered(principal: Principal, number: str, disclosure: Disclosure) -> UseCase[Customer]:
    """Return the customer of that number; NotFound if absent or foreign."""
    principal.require(Permission.READ_CUSTOMERS)
    customer: Customer | None = yield FindByNumber(number, disclosure.clear)
    if customer is None:
        raise NotFound
    return (yield from disclosed(principal, customer, disclosure))


def change(
    principal: Principal,
    customer_id: CustomerID,
    revision: Revision,
    disclosure: Disclosure,
    *,
    expected: frozenset[int] | None = None,
) -> UseCase[Customer]:
    """Apply a revision to the customer of that id and return it as it then is.

    Outdated if its version is none of ``expected``, before the revision is looked at: what it says was said
    of another version, an echoed mask for instance.
    """
    principal.require(Permission.UPDATE_CUSTOMER)
    current: Customer = yield Fetch(customer_id, ALL)
    require_version(current, expected)
    return (yield from _changed(principal, current, revision, disclosure))


def require_version(current: Customer, expected: frozenset[int] | None) -> None:
    """Raise Outdated if the version of a customer is none of those that the caller expects."""
    if expected is not None and current.version not in expected:
        raise Outdated


def change_numbered(
    principal: Principal,
    number: str,
    revision: Revision,
    disclosure: Disclosure,
    *,
    stated_number: str | None = None,
) -> UseCase[Customer]:
    """Apply a revision to the customer of that number and return it as it then is.

    ``stated_number`` is the number the caller's body names; Conflict if it names another customer than the
    path does. One that names no customer of the caller says nothing (Trustly contract T14).
    """
    principal.require(Permission.UPDATE_CUSTOMER)
    current: Customer | None = yield FindByNumber(number, ALL)
    if current is None:
        raise NotFound
    if stated_number is not None and stated_number != number:
        other: Customer | None = yield FindByNumber(stated_number)
        if other is not None:
            raise Conflict("The request names two customers", field="customer_number")
    return (yield from _changed(principal, current, revision, disclosure))


def upsert(
    principal: Principal,
    revision: Revision,
    disclosure: Disclosure,
    *,
    sought_external_id: str | None,
    stated_number: str | None,
    stated_external_id: str | None,
) -> UseCase[Customer]:
    """Change the customer that the request names, or store a new one if it names none that exists.

    It may be named three times, in this order of precedence: by the external id that is sought, by the number
    and by the external id that the body states. Conflict if two of them name different customers. A number
    that names nobody is not adopted; an external id that is sought in vain becomes the new customer's
    (Trustly contract T4 to T7).
    """
    principal.require(Permission.CREATE_CUSTOMER, Permission.UPDATE_CUSTOMER)
    if principal.reach is not None and (sought_external_id or stated_external_id):
        principal.reach.require(["external_id"])  # else the answer would tell whether there is one
    target: Customer | None = None
    for field, request in (
        ("external_id", sought_external_id and FindByExternalID(sought_external_id, ALL)),
        ("customer_number", stated_number and FindByNumber(stated_number, ALL)),
        ("external_id", stated_external_id and FindByExternalID(stated_external_id, ALL)),
    ):
        found: Customer | None = (yield request) if request else None
        if found is None:
            continue
        if target is not None and found.customer_id != target.customer_id:
            raise Conflict("The request names two customers", field=field)
        target = found
    if target is not None:
        principal.require(Permission.UPDATE_CUSTOMER)
        return (yield from _changed(principal, target, revision, disclosure))
    principal.require(Permission.CREATE_CUSTOMER)
    patch = revision(None)
    if sought_external_id is not None:
        patch = msgspec.structs.replace(patch, external_id=sought_external_id)
    customer: Customer = yield Add(*patched(*EMPTY, patch))
    return (yield from disclosed(principal, customer, disclosure))


def list_page(principal: Principal, page: ListPage, disclosure: Disclosure) -> UseCase[Page]:
    """Return a page of the customers that the principal sees."""
    principal.require(Permission.READ_CUSTOMERS)
    if principal.reach is not None:
        principal.reach.require(field for field in _FILTERS if getattr(page, field) is not None)
    found: Page = yield page
    if disclosure.audited:
        for customer in found.customers:
            yield from disclosed(principal, customer, disclosure)
    if principal.reach is None:
        return found
    return Page(tuple([principal.sight_of(customer) for customer in found.customers]), found.total)


def disclose(principal: Principal, shown: Sequence[Customer], disclosure: Disclosure) -> UseCase[None]:
    """Have the trail tell of the customers of a page that are shown in clear, where it was read before.

    To read many records takes longer than those who write may wait, so a server reads first and writes then.
    """
    principal.require(Permission.READ_CUSTOMERS)
    for customer in shown:
        yield from disclosed(principal, customer, disclosure)


def _changed(
    principal: Principal, current: Customer, revision: Revision, disclosure: Disclosure
) -> UseCase[Customer]:
    """Put what the revision makes of the customer, which is told it as the principal sees it."""
    before = (current.particulars, current.guarded or NOTHING_GUARDED)
    after = patched(*before, revision(principal.sight_of(current)))
    customer: Customer = yield Put(current, *after) if changed_fields(before, after) else Keep(current)
    return (yield from disclosed(principal, customer, disclosure))


def disclosed(principal: Principal, customer: Customer, disclosure: Disclosure) -> UseCase[Customer]:
    """Return the customer as the principal sees it; the trail tells of what is shown in clear, if it must."""
    if disclosure.audited:
        shown = shown_in_clear(customer, principal.clear_to(disclosure.audited))
        if shown:
            yield Disclose(customer, shown)
    return principal.sight_of(customer)
