"""What the performer adds to every use case, over the embedded engine and the real vault.

Version, instants, leaf, announcement and idempotency answer are nobody else's to remember; what a principal
does not own is hidden here.
"""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from app.place import EVERYTHING, IN_CLEAR, MASKED, Place, says, upsert
from customary.app import customers
from customary.app.requests import Deed, ListPage
from customary.domain.access import Principal
from customary.domain.customer import Customer, CustomerID, CustomerPatch
from customary.domain.errors import Conflict, Forbidden, IdempotencyMismatch, Invalid, NotFound, Violation


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """An open store."""
    opened = Place(tmp_path)
    yield opened
    opened.close()


# ── Versions and instants ───────────────────────────────────────────────────────────────────────────────


def test_a_new_customer_is_version_one_of_whole_milliseconds(place: Place) -> None:
    """Both instants are that of the commit's clock, cut to what every face can show."""
    customer = place.perform(place.may(), customers.create, says(email="a@example.com"))
    assert customer.version == 1
    assert customer.created_at == customer.updated_at == place.clock.instant.replace(microsecond=123_000)
    assert place.perform(place.may(), customers.fetch, customer.customer_id, MASKED).particulars == (
        customer.particulars
    )


@pytest.mark.parametrize("hours", [0, -1])
def test_an_update_is_later_than_what_it_replaces(place: Place, hours: int) -> None:
    """Also where the clock stands, or is set back (T15)."""
    before = place.perform(place.may(), customers.create, says(vip="1"))
    place.clock.instant += timedelta(hours=hours)
    for number in (2, 3, 4):
        after = place.perform(
            place.may(), customers.change, before.customer_id, says(vip=str(number)), MASKED
        )
        assert after.updated_at > before.updated_at
        assert after.created_at == before.created_at
        assert after.version == number
        before = after


def test_a_change_that_changes_nothing_makes_no_version(place: Place) -> None:
    """Neither version nor instant moves (T15)."""
    before = place.perform(place.may(), customers.create, says(vip="1"))
    place.clock.instant += timedelta(hours=1)
    after = place.perform(place.may(), customers.change, before.customer_id, says(vip="1"), MASKED)
    assert (after.version, after.updated_at) == (1, before.updated_at)
    assert place.count("versions") == 0


# ── What is left beside the record ──────────────────────────────────────────────────────────────────────


def test_every_mutation_leaves_one_leaf(place: Place) -> None:
    """Who, what, to whom, which version, which fields; and never a value."""
    deed = Deed("request-1")
    who = place.may()
    customer = place.perform(who, customers.create, says(email="canary@x", tax_id="123456790"), deed=deed)
    place.perform(who, customers.change, customer.customer_id, says(phone="canary"), MASKED)
    place.perform(who, customers.change, customer.customer_id, says(phone="canary"), MASKED)
    told = [(leaf.action, leaf.version, leaf.fields) for leaf in place.leaves()]
    assert told == [
        ("customer.created", 1, ("email", "tax_id")),
        ("customer.updated", 2, ("phone",)),
        ("customer.unchanged", 2, ()),
    ]
    first = place.leaves()[0]
    assert (first.actor, first.subject, first.request_id) == ("key", customer.customer_id, "request-1")
    assert first.at == "2025-01-21T14:30:00.123Z"
    assert len(first.digest) == 64
    assert "canary" not in repr(place.leaves())


def test_changes_are_announced_and_attempts_are_not(place: Place) -> None:
    """One announcement for the creation, one for the change, none for what changed nothing."""
    customer = place.perform(place.may(), customers.create, says(vip="1"))
    place.perform(place.may(), customers.change, customer.customer_id, says(vip="2"), MASKED)
    place.perform(place.may(), customers.change, customer.customer_id, says(vip="2"), MASKED)
    assert place.count("outbox") == 2


def test_a_read_in_clear_leaves_a_leaf_and_a_masked_one_does_not(place: Place) -> None:
    """To see a guarded value is a deed (T21)."""
    customer = place.perform(place.may(), customers.create, says(tax_id="123456790"))
    place.perform(place.may(), customers.fetch, customer.customer_id, MASKED)
    assert len(place.leaves()) == 1
    seen = place.perform(place.may(), customers.fetch, customer.customer_id, IN_CLEAR)
    assert seen.guarded.tax_id == "123456790"
    last = place.leaves()[-1]
    assert (last.action, last.fields, last.subject) == (
        "customer.revealed",
        ("tax_id",),
        customer.customer_id,
    )


def _refuses(current: Customer | None) -> CustomerPatch:
    raise Invalid(Violation("name", "required"))


def test_what_is_refused_leaves_nothing(place: Place) -> None:
    """No record, no leaf, no announcement, no answer to replay."""
    nobody = Principal(place.here.tenant_id, "key", 1, frozenset())
    deed = Deed("r", "idempotency-key", b"digest")
    with pytest.raises(Invalid):
        place.perform(place.may(), customers.create, _refuses, deed=deed)
    with pytest.raises(Forbidden):
        place.perform(nobody, customers.create, says(vip="1"), deed=deed)
    with pytest.raises(NotFound):
        place.perform(place.may(), customers.change, CustomerID("1" * 12), says(vip="1"), MASKED, deed=deed)
    assert [place.count(table) for table in ("customers", "outbox", "answers")] == [0, 0, 0]
    assert place.leaves() == []


# ── Whose customers ─────────────────────────────────────────────────────────────────────────────────────


def test_a_foreign_customer_is_like_none(place: Place) -> None:
    """Another merchant's, another tenant's and an unknown id are refused in the same words (T19, S18)."""
    customer = place.perform(place.may(1), customers.create, says(vip="1"))
    refusals = []
    for who, customer_id in (
        (place.may(2), customer.customer_id),
        (place.may(None, place.elsewhere), customer.customer_id),
        (place.may(1), CustomerID("1" * 12)),
    ):
        for arguments in (
            (customers.fetch, customer_id, MASKED),
            (customers.change, customer_id, says(vip="2"), MASKED),
        ):
            with pytest.raises(NotFound) as refusal:
                place.perform(who, *arguments)
            refusals.append((refusal.value.public, refusal.value.kind, refusal.value.detail))
    assert len(set(refusals)) == 1
    assert place.perform(place.may(None), customers.fetch, customer.customer_id, MASKED) is not None


def test_a_number_of_another_merchant_names_nobody(place: Place) -> None:
    """Nor does another tenant's."""
    customer = place.perform(place.may(1), customers.create, says(vip="1"))
    for who in (place.may(2), place.may(None, place.elsewhere)):
        with pytest.raises(NotFound):
            place.perform(who, customers.fetch_numbered, customer.customer_number, MASKED)


def test_an_external_id_is_unique_within_a_merchant(place: Place) -> None:
    """Other merchants and other tenants may use it; within it, it is taken (T18)."""
    owners = (place.may(1), place.may(2), place.may(1, place.elsewhere))
    made = [place.perform(who, customers.create, says(external_id="4567890")) for who in owners]
    assert len({customer.customer_id for customer in made}) == 3
    with pytest.raises(Conflict) as taken:
        place.perform(place.may(1), customers.create, says(external_id="4567890"))
    assert taken.value.field == "external_id"
    other = place.perform(place.may(1), customers.create, says(external_id="4567890 "))
    with pytest.raises(Conflict):
        place.perform(place.may(1), customers.change, other.customer_id, says(external_id="4567890"), MASKED)


def test_an_external_id_that_is_given_up_is_free(place: Place) -> None:
    """A tag that no longer holds is dropped with the version that held it."""
    one = place.perform(place.may(), customers.create, says(external_id="x"))
    place.perform(place.may(), customers.change, one.customer_id, says(external_id=None), MASKED)
    other = place.perform(place.may(), upsert("x", vip="1"))
    assert other.customer_id != one.customer_id


def test_a_page_has_what_the_principal_sees(place: Place) -> None:
    """A merchant its own, a tenant all of its merchants', nobody another tenant's."""
    for who in (place.may(1), place.may(2), place.may(1, place.elsewhere)):
        place.perform(who, customers.create, says(email="same@example.com"))
    page = ListPage(email="same@example.com", counted=True)
    totals = [
        place.perform(who, customers.list_page, page, MASKED).total for who in (place.may(1), place.may(None))
    ]
    assert totals == [1, 2]


# ── At once ─────────────────────────────────────────────────────────────────────────────────────────────


def test_parallelupserts_of_one_external_id_leave_one_record(place: Place) -> None:
    """All of them are answered with it, whoever came first (T7)."""
    who = place.may()

    async def at_once() -> list[Customer]:
        jobs = [partial(upsert("x", vip=str(number)), who) for number in range(64)]
        return await asyncio.gather(*(place.performer.perform(who, job) for job in jobs))

    answers = place.runner.run(at_once())
    assert len({customer.customer_id for customer in answers}) == 1
    assert sorted(customer.version for customer in answers) == list(range(1, 65))
    assert place.count("customers") == 1


def test_one_that_refuses_takes_none_with_it(place: Place) -> None:
    """The others of its batch are committed."""
    who = place.may()

    async def at_once() -> list[Customer | BaseException]:
        revisions = [says(vip="1"), _refuses, says(vip="2")]
        jobs = [partial(customers.create, who, revision) for revision in revisions]
        performed = (place.performer.perform(who, job) for job in jobs)
        return await asyncio.gather(*performed, return_exceptions=True)

    first, refused, last = place.runner.run(at_once())
    assert isinstance(first, Customer)
    assert isinstance(refused, Invalid)
    assert isinstance(last, Customer)
    assert place.count("customers") == 2


# ── Once, and replayed ──────────────────────────────────────────────────────────────────────────────────

ONCE = Deed("r", "idempotency-key", b"digest of the request")


def test_a_repeated_request_gets_the_first_answer(place: Place) -> None:
    """As it was then, whatever has happened since, and it writes nothing (T26)."""
    first = place.perform(place.may(), customers.create, says(vip="1", tax_id="123456790"), deed=ONCE)
    place.perform(place.may(), customers.change, first.customer_id, says(vip="2"), MASKED)
    leaves = len(place.leaves())
    again = place.perform(place.may(), customers.create, says(vip="1", tax_id="123456790"), deed=ONCE)
    assert (again.customer_id, again.version, again.particulars.vip) == (first.customer_id, 1, "1")
    assert again.masks.tax_id == "#####6790"
    assert len(place.leaves()) == leaves
    assert place.count("customers") == 1


def test_one_key_for_two_requests_is_refused(place: Place) -> None:
    """The first request's customer is not the answer to the second (T26)."""
    place.perform(place.may(), customers.create, says(vip="1"), deed=ONCE)
    with pytest.raises(IdempotencyMismatch):
        place.perform(
            place.may(), customers.create, says(vip="2"), deed=Deed("r", "idempotency-key", b"other")
        )
    assert place.count("customers") == 1


def test_an_idempotency_key_is_its_credentials_own(place: Place) -> None:
    """Two integrators of one tenant may choose the same key."""
    first = place.perform(place.may(), customers.create, says(vip="1"), deed=ONCE)
    other = Principal(place.here.tenant_id, "other key", 1, EVERYTHING)
    assert place.perform(other, customers.create, says(vip="1"), deed=ONCE).customer_id != first.customer_id


def test_an_answer_is_kept_as_long_as_was_promised(place: Place) -> None:
    """For a day; after it the key is new."""
    first = place.perform(place.may(), customers.create, says(vip="1"), deed=ONCE)
    place.clock.instant += timedelta(hours=23, minutes=59)
    again = place.perform(place.may(), customers.create, says(vip="1"), deed=ONCE)
    assert again.customer_id == first.customer_id
    place.clock.instant += timedelta(minutes=2)
    new = place.perform(place.may(), customers.create, says(vip="1"), deed=ONCE)
    assert new.customer_id != first.customer_id


def test_repetitions_that_come_at_once_are_one_request(place: Place) -> None:
    """The second one sees the first one's answer although neither is committed yet."""
    who = place.may()

    async def at_once() -> list[Customer]:
        job = partial(customers.create, who, says(vip="1"))
        return await asyncio.gather(*(place.performer.perform(who, job, ONCE) for _ in range(16)))

    assert len({customer.customer_id for customer in place.runner.run(at_once())}) == 1
    assert place.count("customers") == 1
