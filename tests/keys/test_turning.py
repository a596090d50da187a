"""Keys of a tenant that turn, a short step at a time, with all that callers do between the steps."""

import itertools
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from app.place import Place
from customary.app import credentials, customers, rotation
from customary.app.performing import record_digest
from customary.app.ports import (
    Purpose,
    ReadCredentials,
    ReadEarlierVersions,
    ReadKeys,
    ReadLeaves,
    ReadRecords,
    ReadTenantKeys,
    SealedCustomer,
)
from customary.app.requests import Deed, ListPage
from customary.app.rotation import Kind
from customary.app.rotation.turnings import next_version
from customary.domain.access import Scheme
from customary.domain.customer import CustomerPatch
from customary.domain.errors import CustomaryError, NotFound
from keys.callers import KEPT, SEEN, Beside, Callers

KINDS = list(Kind)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A store with two tenants."""
    opened = Place(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def callers(place: Place) -> Callers:
    """Callers of a tenant with some customers, who have changed."""
    callers = Callers(place)
    made = [callers.create() for _ in range(8)]
    for one in made[::2]:
        callers.change(one.customer_id)
    callers.change(made[0].customer_id)
    return callers


@pytest.fixture
def beside(place: Place) -> Iterator[Beside]:
    """The command beside."""
    with closing(Beside(place)) as beside:
        yield beside


def keys_of(beside: Beside) -> dict[str, int]:
    rows = beside.asked(ReadTenantKeys(beside.place.here.tenant_id))
    return {row.purpose: row.key_version for row in rows}


def all_versions(beside: Beside) -> list[SealedCustomer]:
    tenant_id = beside.place.here.tenant_id
    found: list[SealedCustomer] = []
    for place, record in beside.asked(ReadRecords(tenant_id, 0, 1000)):
        found += beside.asked(ReadEarlierVersions(tenant_id, place, 0, 1000))
        found.append(record)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_everything_is_found_and_changed_while_keys_turn(
    callers: Callers, beside: Beside, kind: Kind
) -> None:
    """After every step all is found by all it is found by, names stay unique, and answers are replayed."""
    phases = []
    for turning in beside.steps(kind):
        phases.append(turning.phase)
        callers.demand()
        callers.demand_uniqueness()
        callers.change(next(itertools.islice(callers.known, len(phases) % 5, None)))
        if len(phases) % 2:
            callers.create()
    callers.demand()
    assert turning.ended
    assert turning.broken == ()
    assert len(phases) > 8
    # What was left out by a walk would be a tag too many or too few.
    count = len(callers.known)
    assert callers.place.count("unique_tags") == count
    assert callers.place.count("tags") == 2 * count


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_between_a_look_and_its_step_is_not_lost(
    callers: Callers, beside: Beside, kind: Kind
) -> None:
    """What is read outside of a transaction may be out of date in it, and then is done once more."""
    ids = itertools.cycle(list(callers.known))

    def between() -> None:
        for _ in range(3):
            callers.change(next(ids))

    *_, turning = beside.steps(kind, between)
    assert turning.broken == ()
    callers.demand()


@pytest.mark.parametrize("kind", KINDS)
def test_a_turning_is_taken_up_by_whoever_comes_next(callers: Callers, beside: Beside, kind: Kind) -> None:
    """After any step another command goes on, and one that lags behind does no harm."""
    lagging = beside.begin(kind)
    with closing(Beside(callers.place)) as other:
        turning = other.begin(kind)
        assert turning == lagging
        for count in itertools.count(1):
            turning = other.step(turning)
            if turning.ended:
                break
            if count % 3 == 0:
                turning = other.begin(kind)
            beside.step(lagging)
    callers.demand()
    assert beside.step(lagging).ended
    assert beside.asked(ReadTenantKeys(callers.place.here.tenant_id))
    assert Purpose.SEAL_LEAVING not in keys_of(beside)
    assert Purpose.INDEX_LEAVING not in keys_of(beside)


def test_a_seal_key_turns_without_a_record_being_touched(callers: Callers, beside: Beside) -> None:
    """Customers' keys and secrets are wrapped anew, sealed bytes stay, and the old key is gone."""
    place = callers.place
    tenant_id = place.here.tenant_id
    create_key = partial(
        credentials.create_key, place.vault, place.clock, tenant_id=tenant_id, scheme=Scheme.HMAC
    )
    issued = place.runner.run(place.engine.perform(create_key))
    rotated = partial(
        credentials.rotate_key, place.vault, place.clock, issued.credential.key_id, overlap=timedelta(hours=1)
    )
    again = place.runner.run(place.engine.perform(rotated))
    records, (credential,) = all_versions(beside), beside.asked(ReadCredentials(tenant_id=tenant_id))
    list(beside.steps(Kind.SEAL))
    after, (credential_after,) = all_versions(beside), beside.asked(ReadCredentials(tenant_id=tenant_id))
    assert [(one.sealed, one.guarded) for one in after] == [(one.sealed, one.guarded) for one in records]
    assert not {one.wrapped_key for one in after} & {one.wrapped_key for one in records}
    assert {one.wrapped_key[1] for one in after} == {2}
    assert keys_of(beside) == {"seal": 2, "index": 1}
    assert not {one.kept for one in credential.secrets} & {one.kept for one in credential_after.secrets}
    known = place.engine.read_now(partial(credentials.find_key, place.vault, issued.credential.key_id))
    assert known is not None
    assert [secret for secret, _ in known.secrets] == [again.secret.encode(), issued.secret.encode()]


def test_versions_of_a_seal_key_come_round(callers: Callers, beside: Beside) -> None:
    """There is always a next version, though it is one byte: after the last comes the first that is free."""
    with closing(Beside(callers.place)) as other:
        for expected in (2, 3, 4):
            list(other.steps(Kind.SEAL))
            assert keys_of(other)["seal"] == expected
    rows = beside.asked(ReadTenantKeys(callers.place.here.tenant_id))
    last = [type(row)(row.tenant_id, row.purpose, 255, row.wrapped) for row in rows]
    assert next_version([row for row in last if row.purpose == "seal"]) == 1
    assert next_version([last[1], rows[0]]) not in (255, rows[0].key_version)


def test_what_finds_answers_outlives_its_index_key_no_longer_than_they(
    callers: Callers, beside: Beside
) -> None:
    """Two turnings later the first answers are replayed; when they are too old, what finds them goes."""
    place = callers.place
    list(beside.steps(Kind.INDEX))
    list(beside.steps(Kind.INDEX))
    callers.demand()
    assert sorted(keys_of(beside)) == ["answers", "index", "seal"]
    rows = beside.asked(ReadTenantKeys(place.here.tenant_id))
    assert len([row for row in rows if row.purpose == "answers"]) == 2
    forgetting = partial(rotation.forget_answers, place.clock)
    assert place.runner.run(place.engine.perform(forgetting)) == 0
    place.clock.instant += KEPT
    assert place.runner.run(place.engine.perform(forgetting)) == 2
    assert sorted(keys_of(beside)) == ["index", "seal"]
    with pytest.raises(AssertionError):
        callers.demand()  # nothing is replayed any more: the request makes another customer


def test_an_index_key_turns_beside_another_tenants(callers: Callers, beside: Beside) -> None:
    """The same texts of another tenant keep their tags and their keys."""
    place = callers.place
    foreign = place.may(tenant=place.elsewhere)
    made = place.perform(foreign, customers.create, lambda _: CustomerPatch(external_id="ext-1"))
    before = beside.asked(ReadTenantKeys(place.elsewhere.tenant_id))
    list(beside.steps(Kind.INDEX))
    assert beside.asked(ReadTenantKeys(place.elsewhere.tenant_id)) == before
    listed = partial(customers.list_page, foreign, ListPage(external_id="ext-1"), SEEN)
    (found,) = place.runner.run(place.performer.read(foreign, listed)).customers
    assert found.customer_id == made.customer_id


def test_records_are_sealed_anew_under_keys_that_nobody_had(callers: Callers, beside: Beside) -> None:
    """No sealed byte stays, the old keys open none of the new, and the trail pins every new version."""
    place = callers.place
    tenant_id = place.here.tenant_id
    before = {(one.customer_id, one.version): one for one in all_versions(beside)}
    list(beside.steps(Kind.RECORDS))
    after = {(one.customer_id, one.version): one for one in all_versions(beside)}
    assert set(after) == set(before)
    keys = beside.asked(ReadTenantKeys(tenant_id))
    tenant = place.vault.tenant(place.here.tenant_id, keys)
    for name, one in after.items():
        assert one.sealed != before[name].sealed
        assert tenant.opened(one, None) == tenant.opened(before[name], None)
        with pytest.raises(CustomaryError, match="does not open") as caught:
            tenant.opened(replace(one, wrapped_key=before[name].wrapped_key), None)
        assert "another customer's key" in caught.value.detail
        with pytest.raises(CustomaryError):
            tenant.opened(replace(before[name], wrapped_key=one.wrapped_key), None)
    digests = {}
    for leaf in place.leaves():
        if leaf.digest:
            digests[leaf.subject, leaf.version] = leaf.digest
    assert digests == {name: record_digest(one) for name, one in after.items()}


def test_a_reason_that_was_given_before_opens_after_records_were_sealed_anew(
    callers: Callers, beside: Beside
) -> None:
    """Nobody can seal a leaf anew, so the customer's earlier keys are kept for it, and go with the key."""
    place, who = callers.place, callers.who
    customer_id = next(iter(callers.known))
    for number in range(3):
        deed = Deed(reason=f"why {number}")
        revision = lambda _, number=number: CustomerPatch(given_name=f"N{number}")  # noqa: E731 a patch
        place.perform(who, customers.change, customer_id, revision, SEEN, deed=deed)
        list(beside.steps(Kind.RECORDS))
    tenant = place.vault.tenant(place.here.tenant_id, beside.asked(ReadTenantKeys(place.here.tenant_id)))
    rows = beside.asked(ReadKeys(who.tenant_id, 0, 99))
    key = next(row for row in rows if row.customer_id == customer_id)
    reasons = [tenant.opened_reason(leaf, key.wrapped) for leaf in place.leaves() if leaf.sealed_reason]
    assert reasons == ["why 0", "why 1", "why 2"]


def test_what_does_not_open_is_told_and_stops_nothing(callers: Callers, beside: Beside) -> None:
    """One broken record among many: its place is named, everything else turns, and the old key goes."""
    place = callers.place
    victim, other = list(callers.known)[2:4]
    statement = "UPDATE customers SET sealed = zeroblob(80) WHERE customer_id = ?"
    beside.engine._batches.execute_now(statement, (victim,))
    for kind in KINDS:
        *_, turning = beside.steps(kind)
        assert turning.ended
        assert turning.broken_count == len(turning.broken) >= 1
        assert all(victim in told and place.here.tenant_id in told for told in turning.broken)
        assert not [purpose for purpose in keys_of(beside) if "leaving" in purpose or "coming" in purpose]
    assert place.perform(callers.who, customers.fetch, other, SEEN) == callers.known[other]


def test_a_key_that_was_destroyed_stays_destroyed(callers: Callers, beside: Beside) -> None:
    """A customer who is erased while keys turn does not come back by any step."""
    place = callers.place
    victims = iter(list(callers.known)[1:7])
    destroy = (
        "UPDATE main.customer_keys SET wrapped = zeroblob(0) WHERE row_no ="
        " (SELECT row_no FROM store.customers WHERE customer_id = ?)"
    )
    gone = []

    def between() -> None:
        victim = next(victims, None)
        if victim is not None:
            beside.engine._batches.execute_now(destroy, (victim,))
            beside.engine._batches.execute_now("DELETE FROM customers WHERE customer_id = ?", (victim,))
            gone.append(victim)

    for kind in KINDS:
        list(beside.steps(kind, between))
    assert len(gone) == 6
    for victim in gone:
        with pytest.raises(NotFound):
            place.perform(callers.who, customers.fetch, victim, SEEN)
    with closing(Beside(place)) as other:
        keys = other.engine._reading.execute("SELECT count(*) FROM customer_keys WHERE length(wrapped) = 0")
        assert keys.get == 6


@pytest.mark.parametrize("kind", KINDS)
def test_the_trail_tells_when_keys_began_to_turn_and_had_turned(
    callers: Callers, beside: Beside, kind: Kind
) -> None:
    """Two leaves of the tenant, whatever happened between, by the command line and about the tenant."""
    list(beside.steps(kind))
    tenant_id = callers.place.here.tenant_id
    bodies = [row.body.decode() for row in beside.asked(ReadLeaves(tenant_id=tenant_id))]
    told = [body for body in bodies if '"keys.turn' in body]
    assert [("turning" in body, f'"subject":"{tenant_id}"' in body) for body in told] == [
        (True, True),
        (False, True),
    ]
