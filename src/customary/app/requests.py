"""What use cases ask for and say: the small language in which they speak of customers.

A use case is a generator that yields these requests and is answered by the performer; it can be run again
from the start, whole.
"""

from collections.abc import Generator
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from customary.domain.audit import Leaf
from customary.domain.customer import Customer, CustomerID, Guarded, Particulars

T = TypeVar("T")


class Fetch(msgspec.Struct, frozen=True, gc=False):
    """Ask for the customer of that id; NotFound if absent or foreign.

    The guarded part is opened if it holds one of the fields ``clear``.
    """

    customer_id: CustomerID
    clear: frozenset[str] = frozenset()


class FetchVersion(msgspec.Struct, frozen=True, gc=False):
    """Ask for one version of a customer; NotFound if there is none, or the customer is absent or foreign."""

    customer_id: CustomerID
    version: int
    clear: frozenset[str] = frozenset()


class FetchAt(msgspec.Struct, frozen=True, gc=False):
    """Ask for a customer as it was at an instant; NotFound as above, and where it did not exist yet."""

    customer_id: CustomerID
    at: datetime
    clear: frozenset[str] = frozenset()


class ListVersions(msgspec.Struct, frozen=True, gc=False):
    """Ask for the versions of a customer before ``below``, newest first; NotFound if it is foreign."""

    customer_id: CustomerID
    below: int | None
    limit: int
    clear: frozenset[str] = frozenset()


class FindByNumber(msgspec.Struct, frozen=True, gc=False):
    """Ask for the customer of that number, or None; opened as by ``Fetch``."""

    customer_number: str
    clear: frozenset[str] = frozenset()


class FindByExternalID(msgspec.Struct, frozen=True, gc=False):
    """Ask for the customer of the principal's merchant with this external id, or None, as by ``Fetch``."""

    external_id: str
    clear: frozenset[str] = frozenset()


class Add(msgspec.Struct, frozen=True, gc=False):
    """Say that a new customer shall be stored; answered with the Customer."""

    particulars: Particulars
    guarded: Guarded


class Put(msgspec.Struct, frozen=True, gc=False):
    """Say that these data replace those of ``current``; answered with the Customer, its version one more.

    ``restores`` is the version whose data they are, where an earlier one is brought back.
    """

    current: Customer
    particulars: Particulars
    guarded: Guarded
    restores: int = 0


class Keep(msgspec.Struct, frozen=True, gc=False):
    """Say that a mutation changed nothing: the trail tells of the attempt; answered with ``current``."""

    current: Customer


class Disclose(msgspec.Struct, frozen=True, gc=False):
    """Say that guarded fields of a customer are shown in clear: the trail tells of it.

    ``exported`` says that they are shown with all that is held about the customer.
    """

    customer: Customer
    fields: tuple[str, ...]
    exported: bool = False


class OpenReasons(msgspec.Struct, frozen=True, gc=False):
    """Ask for the reasons of these leaves in clear: ``list[str | None]``, as ``reasons.opened_reasons``."""

    leaves: tuple[Leaf, ...]


class ListPage(msgspec.Struct, frozen=True, gc=False):
    """Ask for a page of the customers that the principal sees, in the order of their creation.

    All given conditions hold together. Without ``counted`` the page's ``total`` is -1. ``after`` is the
    customer that the page comes after; Invalid, named ``cursor``, if the principal sees none of that id.
    ``of_any_merchant`` looks for the external id in all of the tenant, where the principal sees all of it.
    """

    external_id: str | None = None
    customer_number: str | None = None
    email: str | None = None
    org_id: str | None = None
    newest_first: bool = False
    offset: int = 0
    limit: int = 100
    counted: bool = False
    clear: frozenset[str] = frozenset()
    after: CustomerID | None = None
    of_any_merchant: bool = False


class Page(msgspec.Struct, frozen=True, gc=False):
    """A page of customers and how many there are in all, or -1 where nobody asked."""

    customers: tuple[Customer, ...]
    total: int


UseCase = Generator[Any, Any, T]


class Deed(msgspec.Struct, frozen=True, gc=False):
    """The circumstances of one performance, for the trail and for replays.

    ``audited`` are the guarded fields that are shown in clear: a replay shows them once more. ``reason`` is
    why, in the words of who asks; the trail keeps it sealed.
    """

    request_id: str = ""
    idempotency_key: str = ""
    request_digest: bytes = b""
    audited: frozenset[str] = frozenset()
    reason: str = ""
