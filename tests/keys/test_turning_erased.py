"""What erasures leave, and what holds hold, when keys turn: it opens as before, and requests are replayed."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from app.place import Place
from contracts.rows import asking
from customary.app import erasing, rotation
from customary.app.ports import (
    HoldRow,
    KeptRow,
    LeafRow,
    ReadHold,
    ReadKept,
    ReadKeys,
    ReadTenantKeys,
    TombstoneRow,
    WriteHold,
    WriteTombstone,
)
from customary.app.requests import Deed
from customary.app.rotation import Kind
from customary.vault import OpenedTenant
from keys.callers import Beside, Callers


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A store with two tenants."""
    opened = Place(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def beside(place: Place) -> Iterator[Beside]:
    """The command beside."""
    with closing(Beside(place)) as beside:
        yield beside


def tenant_of(beside: Beside) -> OpenedTenant:
    """The tenant's keys as they are now."""
    tenant_id = beside.place.here.tenant_id
    return beside.place.vault.tenant(tenant_id, beside.asked(ReadTenantKeys(tenant_id)))


def test_a_kept_part_opens_under_the_next_seal_key(place: Place, beside: Beside) -> None:
    """Its key is wrapped anew with the living's, and needs the old seal key no more."""
    tenant_id, leaf = place.here.tenant_id, LeafRow(place.here.tenant_id, place.clock.now(), b"{}")
    for number in range(1, 9):
        erased = f"erased{number:06d}"
        wrapped, sealed = tenant_of(beside).sealed_part(erased, "record", b"kept %d" % number)
        part = KeptRow(tenant_id, erased, "record", place.clock.now(), wrapped, sealed)
        stone = TombstoneRow(tenant_id, erased, str(10**14 + number), 1, number, place.clock.now(), b"{}")
        beside.engine.perform_now([asking(WriteTombstone(stone, (part,), leaf))])
    for expected in (2, 3):
        *_, turning = beside.steps(Kind.SEAL)
        assert turning.broken == ()
        for number in range(1, 9):
            erased = f"erased{number:06d}"
            (part,) = beside.asked(ReadKept(tenant_id, erased))
            assert part.wrapped_key[1] == expected
            opened = tenant_of(beside).opened_part(erased, "record", part.wrapped_key, part.sealed)
            assert opened == b"kept %d" % number


def test_the_reason_of_a_hold_opens_after_its_record_was_sealed_anew(place: Place, beside: Beside) -> None:
    """It is under the customer's key of before, which is kept for what nobody seals anew."""
    tenant_id = place.here.tenant_id
    customer_id = Callers(place).create().customer_id
    (key,) = beside.asked(ReadKeys(tenant_id, 0, 9))
    hold = HoldRow(
        tenant_id, customer_id, place.clock.now(), "key",
        tenant_of(beside).sealed_hold(customer_id, key.wrapped, "a court's order"),
    )  # fmt: skip
    leaf = LeafRow(tenant_id, place.clock.now(), b"{}")
    beside.engine.perform_now([asking(WriteHold(hold, leaf))])
    for kind in (Kind.RECORDS, Kind.SEAL, Kind.RECORDS):
        list(beside.steps(kind))
    (key,) = beside.asked(ReadKeys(tenant_id, 0, 9))
    kept = beside.asked(ReadHold(tenant_id, customer_id)).sealed_reason
    assert tenant_of(beside).opened_hold(customer_id, key.wrapped, kept) == "a court's order"


def test_an_erasure_is_replayed_under_the_next_index_key(place: Place, beside: Beside) -> None:
    """The tags of the request that erased can be made until answers are too old, and not a day longer."""
    who, deed = place.may(), Deed(idempotency_key="once", request_digest=b"digest")
    before = erasing.request_tags(tenant_of(beside), who, deed)
    list(beside.steps(Kind.INDEX))
    tenant = tenant_of(beside)
    assert erasing.request_tags(tenant, who, deed) != before
    assert [erasing.request_tags(tagger, who, deed) for tagger in tenant.answers] == [before]
    place.clock.instant += timedelta(days=2)
    beside.engine.perform_now([lambda: rotation.forget_answers(place.clock)])
    assert tenant_of(beside).answers == ()
