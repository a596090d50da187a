"""The use cases of a customer, driven by hand: what they ask, what they say, and in which order.

A use case is a generator, so it needs no engine and no stand-in for one: the test answers its questions.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import product
from typing import Any

import msgspec
import pytest

from customary.app import customers
from customary.app.customers import ALL, Disclosure
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
    NOTHING_GUARDED,
    Customer,
    CustomerID,
    CustomerNumber,
    CustomerPatch,
    Guarded,
    Particulars,
    TenantID,
)
from customary.domain.errors import Conflict, CustomaryError, Forbidden, Invalid, NotFound, Violation
from customary.domain.masking import masks_of

TENANT = TenantID("2f1b1a52-7d38-4a1c-9c5e-0f6f0b7a6e21")
NOON = datetime(2025, 1, 21, 12, tzinfo=UTC)
MASKED = Disclosure()
IN_CLEAR = Disclosure(clear=ALL, audited=frozenset({"tax_id"}))


def _customer(name: str, guarded: Guarded = NOTHING_GUARDED, **particulars: Any) -> Customer:
    return Customer(
        tenant_id=TENANT,
        customer_id=CustomerID(name * 12),
        customer_number=CustomerNumber(str(ord(name)) * 5),
        merchant_no=1,
        version=1,
        created_at=NOON,
        updated_at=NOON,
        particulars=Particulars(**particulars),
        masks=masks_of(guarded),
        guarded=guarded,
    )


ANN = _customer("A", full_name="Ann Li", email="ann@example.com", external_id="ann")
BEN = _customer("B", full_name="Ben Ort", external_id="ben")


def _may(*permissions: Permission) -> Principal:
    return Principal(TENANT, "k1", 1, frozenset(permissions))


CREATES, READS, UPDATES = (
    _may(Permission.CREATE_CUSTOMER),
    _may(Permission.READ_CUSTOMERS),
    _may(Permission.UPDATE_CUSTOMER),
)
WRITES = _may(Permission.CREATE_CUSTOMER, Permission.UPDATE_CUSTOMER)
NOBODY = _may()


def _says(patch: CustomerPatch) -> customers.Revision:
    return lambda current: patch


def _ended(use_case: UseCase[Any], answer: object) -> Any:
    """Give the last answer; return what the use case returns."""
    with pytest.raises(StopIteration) as stop:
        use_case.send(answer)
    return stop.value.value


# ── Permission comes first ──────────────────────────────────────────────────────────────────────────────

PATCH = CustomerPatch(email="new@example.com")
USE_CASES: list[tuple[Callable[[Principal], UseCase[Any]], Principal]] = [
    (lambda who: customers.create(who, _says(PATCH)), CREATES),
    (lambda who: customers.fetch(who, ANN.customer_id, MASKED), READS),
    (lambda who: customers.fetch_numbered(who, ANN.customer_number, MASKED), READS),
    (lambda who: customers.change(who, ANN.customer_id, _says(PATCH), MASKED), UPDATES),
    (lambda who: customers.change_numbered(who, ANN.customer_number, _says(PATCH), MASKED), UPDATES),
    (lambda who: customers.list_page(who, ListPage(), MASKED), READS),
    (lambda who: _upsert(who, sought="x"), CREATES),
    (lambda who: _upsert(who, sought="x"), UPDATES),
]


def _upsert(
    who: Principal,
    patch: CustomerPatch = PATCH,
    disclosure: Disclosure = MASKED,
    *,
    sought: str | None = None,
    number: str | None = None,
    stated: str | None = None,
) -> UseCase[Customer]:
    return customers.upsert(
        who,
        _says(patch),
        disclosure,
        sought_external_id=sought,
        stated_number=number,
        stated_external_id=stated,
    )


@pytest.mark.parametrize(("use_case", "who"), USE_CASES)
def test_who_may_not_asks_nothing(use_case: Callable[[Principal], UseCase[Any]], who: Principal) -> None:
    """A use case that is refused has read nothing, so a refusal tells nothing of what is stored."""
    with pytest.raises(Forbidden):
        next(use_case(NOBODY))
    assert next(use_case(who)) is not None


@pytest.mark.parametrize("index", [0, 3, 4])
def test_to_read_is_not_to_write(index: int) -> None:
    """No mutation is open to who may only read."""
    with pytest.raises(Forbidden):
        next(USE_CASES[index][0](READS))


# ── Create and read ─────────────────────────────────────────────────────────────────────────────────────


def test_what_is_created_is_what_the_revision_says() -> None:
    """The revision is told that the customer is new, and its patch is applied to nothing."""
    seen: list[Customer | None] = []

    def revision(current: Customer | None) -> CustomerPatch:
        seen.append(current)
        return CustomerPatch(email="ann@example.com", tax_id="123456790")

    use_case = customers.create(CREATES, revision)
    assert next(use_case) == Add(Particulars(email="ann@example.com"), Guarded(tax_id="123456790"))
    assert seen == [None]
    assert _ended(use_case, ANN) is ANN


def test_a_revision_that_refuses_stores_nothing() -> None:
    """Invalid fields are found before anything is said."""

    def revision(current: Customer | None) -> CustomerPatch:
        raise Invalid(Violation("name", "required"))

    with pytest.raises(Invalid):
        next(customers.create(CREATES, revision))
    use_case = customers.change(UPDATES, ANN.customer_id, revision, MASKED)
    next(use_case)
    with pytest.raises(Invalid):
        use_case.send(ANN)


def test_a_customer_is_opened_as_far_as_it_is_shown() -> None:
    """What is masked anyway is not opened."""
    assert next(customers.fetch(READS, ANN.customer_id, MASKED)) == Fetch(ANN.customer_id, frozenset())
    assert next(customers.fetch(READS, ANN.customer_id, IN_CLEAR)) == Fetch(ANN.customer_id, ALL)


def test_a_number_that_names_nobody_is_not_found() -> None:
    """On reading as on changing (T19)."""
    for use_case in (
        customers.fetch_numbered(READS, "1234567890", MASKED),
        customers.change_numbered(UPDATES, "1234567890", _says(PATCH), MASKED),
    ):
        next(use_case)
        with pytest.raises(NotFound):
            use_case.send(None)


# ── Change ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_change_puts_what_is_then_known() -> None:
    """The whole record after the patch, in place of the one that was read (T8, S16)."""
    use_case = customers.change(UPDATES, ANN.customer_id, _says(PATCH), MASKED)
    assert next(use_case) == Fetch(ANN.customer_id, ALL)
    put = use_case.send(ANN)
    particulars = msgspec.structs.replace(ANN.particulars, email="new@example.com")
    assert put == Put(ANN, particulars, NOTHING_GUARDED)
    assert _ended(use_case, BEN) is BEN


@pytest.mark.parametrize("patch", [CustomerPatch(), CustomerPatch(email="ann@example.com")])
def test_a_change_that_changes_nothing_keeps_the_version(patch: CustomerPatch) -> None:
    """The trail is told of the attempt, and no version is made (T15)."""
    use_case = customers.change(UPDATES, ANN.customer_id, _says(patch), MASKED)
    next(use_case)
    assert use_case.send(ANN) == Keep(ANN)
    assert _ended(use_case, ANN) is ANN


def test_a_use_case_can_be_run_again() -> None:
    """Its revision is asked anew, so a second run builds on what the first one did not see."""
    seen: list[Customer | None] = []

    def revision(current: Customer | None) -> CustomerPatch:
        seen.append(current)
        return PATCH

    for current in (ANN, BEN):
        use_case = customers.change(UPDATES, ANN.customer_id, revision, MASKED)
        next(use_case)
        assert use_case.send(current).current is current
    assert seen == [ANN, BEN]


@pytest.mark.parametrize(("other", "refused"), [(None, False), (BEN, True)])
def test_a_body_that_names_another_customer_than_the_path(other: Customer | None, refused: bool) -> None:
    """Is a conflict, unless its number names nobody (T14)."""
    use_case = customers.change_numbered(
        UPDATES, ANN.customer_number, _says(PATCH), MASKED, stated_number=BEN.customer_number
    )
    assert next(use_case) == FindByNumber(ANN.customer_number, ALL)
    assert use_case.send(ANN) == FindByNumber(BEN.customer_number)
    if refused:
        with pytest.raises(Conflict) as conflict:
            use_case.send(other)
        assert conflict.value.field == "customer_number"
    else:
        assert isinstance(use_case.send(other), Put)


def test_a_body_that_repeats_the_path_asks_nothing_more() -> None:
    """A client that posts back what it got is the usual case."""
    use_case = customers.change_numbered(
        UPDATES, ANN.customer_number, _says(PATCH), MASKED, stated_number=ANN.customer_number
    )
    next(use_case)
    assert isinstance(use_case.send(ANN), Put)


# ── Upsert: three names, one order ──────────────────────────────────────────────────────────────────────

NOT_GIVEN, NOBODYS = "not given", "names nobody"
NAMES = (NOT_GIVEN, NOBODYS, "names Ann", "names Ben")
PEOPLE = {NOBODYS: None, "names Ann": ANN, "names Ben": BEN}
GIVEN = (FindByExternalID("sought", ALL), FindByNumber("1000000001", ALL), FindByExternalID("stated", ALL))


def _asked(row: tuple[str, str, str], patch: CustomerPatch = PATCH) -> tuple[list[Any], Any]:
    """Run an upsert with this row of the table; return its questions, and what it says or raises."""
    sought, number, stated = row
    use_case = _upsert(
        WRITES,
        patch,
        sought=None if sought == NOT_GIVEN else "sought",
        number=None if number == NOT_GIVEN else "1000000001",
        stated=None if stated == NOT_GIVEN else "stated",
    )
    answers = iter([PEOPLE[name] for name in row if name != NOT_GIVEN])
    questions = []
    try:
        request = next(use_case)
        while isinstance(request, FindByExternalID | FindByNumber):
            questions.append(request)
            request = use_case.send(next(answers))
    except CustomaryError as refusal:
        return questions, refusal
    return questions, request


@pytest.mark.parametrize("row", list(product(NAMES, NAMES, NAMES)), ids=", ".join)
def test_the_table_of_precedence(row: tuple[str, str, str]) -> None:
    """Names are looked up in order; two people conflict, one is changed, none makes a new one (T4-T6)."""
    named = {PEOPLE[name].customer_id for name in row if PEOPLE.get(name)}  # type: ignore[union-attr]  # filtered
    questions, said = _asked(row)
    expected = [request for request, name in zip(GIVEN, row, strict=True) if name != NOT_GIVEN]
    assert questions == expected[: len(questions)]
    if len(named) == 2:
        assert isinstance(said, Conflict)
        return
    assert questions == expected
    if named:
        assert isinstance(said, Put)
        assert {said.current.customer_id} == named
        assert said.particulars.email == "new@example.com"
    else:
        assert isinstance(said, Add)
        assert said.particulars.external_id == (None if row[0] == NOT_GIVEN else "sought")


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (("names Ann", "names Ben", NOT_GIVEN), "customer_number"),
        (("names Ann", NOT_GIVEN, "names Ben"), "external_id"),
        ((NOT_GIVEN, "names Ann", "names Ben"), "external_id"),
        (("names Ann", "names Ann", "names Ben"), "external_id"),
    ],
)
def test_a_conflict_names_the_field_that_contradicts(row: tuple[str, str, str], field: str) -> None:
    """It is the later one in the order of precedence (T5)."""
    _, refusal = _asked(row)
    assert refusal.field == field


@pytest.mark.parametrize("row", [("names Ann", NOT_GIVEN, NOBODYS), (NOT_GIVEN, "names Ann", NOBODYS)])
def test_a_customer_takes_a_free_external_id(row: tuple[str, str, str]) -> None:
    """Found by another name, it gets the one that its body states (T5)."""
    _, said = _asked(row, CustomerPatch(external_id="stated"))
    assert said == Put(ANN, msgspec.structs.replace(ANN.particulars, external_id="stated"), NOTHING_GUARDED)


def test_an_external_id_that_was_sought_in_vain_comes_before_the_stated_one() -> None:
    """The query is the first of the names (T6)."""
    _, said = _asked((NOBODYS, NOT_GIVEN, NOBODYS), CustomerPatch(external_id="stated"))
    assert said.particulars.external_id == "sought"


def test_an_upsert_needs_the_permission_for_what_it_does() -> None:
    """Who may only create changes nobody, and who may only change creates nobody."""
    use_case = _upsert(CREATES, sought="sought")
    next(use_case)
    with pytest.raises(Forbidden):
        use_case.send(ANN)
    use_case = _upsert(UPDATES, sought="sought")
    next(use_case)
    with pytest.raises(Forbidden):
        use_case.send(None)


# ── What is shown in clear is told ──────────────────────────────────────────────────────────────────────

GUARDED = _customer("C", Guarded(tax_id="123456790", national_id="99"))


@pytest.mark.parametrize(
    ("start", "answers"),
    [
        (lambda: customers.fetch(READS, GUARDED.customer_id, IN_CLEAR), [GUARDED]),
        (lambda: customers.fetch_numbered(READS, GUARDED.customer_number, IN_CLEAR), [GUARDED]),
        (lambda: customers.change(UPDATES, GUARDED.customer_id, _says(PATCH), IN_CLEAR), [GUARDED, GUARDED]),
        (lambda: _upsert(WRITES, disclosure=IN_CLEAR, sought="x"), [None, GUARDED]),
        (lambda: _upsert(WRITES, disclosure=IN_CLEAR, sought="x"), [GUARDED, GUARDED]),
    ],
)
def test_the_trail_is_told_of_every_guarded_value_in_clear(
    start: Callable[[], UseCase[Customer]], answers: list[Customer | None]
) -> None:
    """Of the fields that are there and are audited, whatever the use case was (T21)."""
    use_case = start()
    request = next(use_case)
    for answer in answers:
        request = use_case.send(answer)
    assert request == Disclose(GUARDED, ("tax_id",))
    assert _ended(use_case, None) is GUARDED


def test_the_trail_is_told_of_each_customer_on_a_page() -> None:
    """And not of those of whom nothing guarded is known (T21)."""
    use_case = customers.list_page(READS, ListPage(limit=3), IN_CLEAR)
    assert next(use_case) == ListPage(limit=3)
    page = Page((ANN, GUARDED, BEN), 3)
    assert use_case.send(page) == Disclose(GUARDED, ("tax_id",))
    assert _ended(use_case, None) is page


@pytest.mark.parametrize("disclosure", [MASKED, Disclosure(clear=ALL)])
def test_what_is_masked_or_not_audited_is_not_told(disclosure: Disclosure) -> None:
    """A masked read leaves no leaf."""
    use_case = customers.fetch(READS, GUARDED.customer_id, disclosure)
    next(use_case)
    assert _ended(use_case, GUARDED) is GUARDED
