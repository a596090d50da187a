"""Reasons in the trail: sealed with their customer, bound to their leaf, opened for who may see them."""

import base64
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.place import EVERYTHING, IN_CLEAR, MASKED, Place, says, upsert
from customary.app import customers
from customary.app.requests import Deed, ListPage, OpenReasons, UseCase
from customary.domain.access import Permission, Principal
from customary.domain.audit import REASON_MAX, Leaf, is_reason
from customary.domain.errors import Forbidden, Invalid, Unavailable
from customary.domain.reach import reach_of
from customary.vault import SealBroken

WHY = "case 4711: Ünal asked for it"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """An open store."""
    opened = Place(tmp_path)
    yield opened
    opened.close()


def _opening(leaves: list[Leaf]) -> UseCase[list[str | None]]:
    found: list[str | None] = yield OpenReasons(tuple(leaves))
    return found


def opened(place: Place, leaves: list[Leaf], who: Principal | None = None) -> list[str | None]:
    """Return what these leaves' reasons are to somebody who may see them."""
    who = who or place.may(None)
    found: list[str | None] = place.runner.run(place.performer.read(who, partial(_opening, leaves)))
    return found


def test_every_leaf_of_a_deed_carries_its_reason(place: Place) -> None:
    """Created, shown, changed, unchanged and listed in clear: whichever way the customer was met."""
    who, deed = place.may(), Deed("r", reason=WHY)
    place.perform(who, upsert("one", IN_CLEAR, tax_id="123456790"), deed=deed)
    made = place.perform(who, upsert("one", IN_CLEAR, vip="2"), deed=deed)
    place.perform(who, customers.change, made.customer_id, says(vip="2"), MASKED, deed=deed)
    place.perform(who, customers.fetch, made.customer_id, IN_CLEAR, deed=deed)
    place.perform(who, customers.list_page, ListPage(clear=customers.ALL), IN_CLEAR, deed=deed)
    place.perform(who, customers.disclose, [made], IN_CLEAR, deed=deed)
    leaves = place.leaves()
    actions = [leaf.action.partition(".")[2] for leaf in leaves]
    assert actions == ["created", "revealed", "updated", "revealed", "unchanged", *["revealed"] * 3]
    assert opened(place, leaves) == [WHY] * len(leaves)
    assert len({leaf.sealed_reason for leaf in leaves}) == len(leaves), "each is sealed anew"


def test_a_replay_tells_its_own_reason(place: Place) -> None:
    """What is seen again is seen for a reason again."""
    deed = Deed("r", "once", b"digest", frozenset({"tax_id"}), WHY)
    for _ in range(2):
        place.perform(place.may(), upsert("one", IN_CLEAR, tax_id="123456790"), deed=deed)
    assert [leaf.action for leaf in place.leaves()][-1] == "customer.revealed"
    assert opened(place, place.leaves()) == [WHY] * 3


def test_without_a_reason_a_leaf_is_as_it_was(place: Place) -> None:
    """Trails from before there were reasons have the digests that they had."""
    place.perform(place.may(), customers.create, says(vip="1"))
    (leaf,) = place.leaves()
    assert b"sealed_reason" not in msgspec.json.encode(leaf)
    assert opened(place, [leaf]) == [None]


def test_no_file_holds_a_reason(place: Place) -> None:
    """Neither raw nor in Base64, which is how a leaf writes bytes."""
    place.perform(place.may(), customers.create, says(vip="1"), deed=Deed("r", reason=WHY))
    hay = b"".join(path.read_bytes() for path in place.folder.rglob("*") if path.is_file())
    assert place.leaves()[0].sealed_reason
    for needle in (WHY.encode(), base64.b64encode(WHY.encode())[:20], b"case 4711"):
        assert needle not in hay


MOVED: dict[str, Any] = {
    "at": "2020-01-01T00:00:00.000Z",
    "actor": "another",
    "action": "customer.revealed",
    "request_id": "another",
    "version": 9,
}


@pytest.mark.parametrize("name", MOVED)
def test_a_reason_opens_in_its_own_leaf_only(place: Place, name: str) -> None:
    """Moved to another deed, request, actor, instant or version it is no reason."""
    place.perform(place.may(), customers.create, says(vip="1"), deed=Deed("r", reason=WHY))
    (leaf,) = place.leaves()
    assert opened(place, [leaf]) == [WHY]
    moved = msgspec.structs.replace(leaf, **{name: MOVED[name]})
    assert opened(place, [moved]) == [None]


def test_a_reason_belongs_to_its_customer_and_tenant(place: Place) -> None:
    """The keys are others: by name in the vault, and as no reason in the trail."""
    deed = Deed("r", reason=WHY)
    here = place.perform(place.may(), customers.create, says(vip="1"), deed=deed)
    other = place.perform(place.may(), customers.create, says(vip="2"), deed=deed)
    foreign = place.may(None, place.elsewhere)
    place.perform(foreign, customers.create, says(vip="3"), deed=deed)
    first, second, third = place.leaves()
    swapped = msgspec.structs.replace(first, sealed_reason=second.sealed_reason)
    assert opened(place, [swapped, msgspec.structs.replace(first, subject=other.customer_id)]) == [None, None]
    assert opened(place, [third]) == [None]
    assert opened(place, [first], foreign) == [None]
    assert opened(place, [third], foreign) == [WHY]
    assert opened(place, [first], place.may(2)) == [None], "another merchant's customer"
    keys = place.tenant_keys(place.here.tenant_id)
    vault = place.vault.tenant(place.here.tenant_id, keys)
    with pytest.raises(SealBroken, match="does not open") as broken:
        vault.opened_reason(swapped, place.wrapped_key(here))
    assert here.customer_id in broken.value.detail
    with pytest.raises(ValueError, match="another tenant's"):
        vault.sealed_reason(third, place.wrapped_key(here), WHY)


def test_who_may_not_see_guarded_fields_sees_no_reason(place: Place) -> None:
    """A reason may say as much of a person as a record does."""
    place.perform(place.may(), customers.create, says(vip="1"), deed=Deed("r", reason=WHY))
    either = {Permission.READ_CUSTOMERS_UNMASKED, Permission.EXPORT_CUSTOMERS}
    blind = Principal(place.here.tenant_id, "key", None, EVERYTHING - either)
    with pytest.raises(Forbidden):
        opened(place, place.leaves(), blind)
    for one in either:
        may = Principal(place.here.tenant_id, "key", None, frozenset({one}))
        assert opened(place, place.leaves(), may) == [WHY]
        limited = Principal(place.here.tenant_id, "key", None, frozenset({one}), reach_of(("name",)))
        assert opened(place, place.leaves(), limited) == [None], "a reason may speak of any field"


# ── Where a reason is required ──────────────────────────────────────────────────────────────────────────


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Place]:
    """A store whose performer requires a reason of whoever sees clear values."""
    opened = Place(tmp_path / "strict", reason_required=True)
    yield opened
    opened.close()


def test_a_required_reason_is_asked_of_who_would_see(strict: Place) -> None:
    """With nothing to show too; nothing is stored of what was refused, and masks are shown to anybody."""
    who = strict.may()
    made = strict.perform(who, customers.create, says(tax_id="123456790"))
    bare = strict.perform(who, customers.create, says(vip="1"))
    before = len(strict.leaves())
    seeing = Deed("r", audited=customers.ALL)
    for customer_id in (made.customer_id, bare.customer_id):
        with pytest.raises(Invalid) as wanted:
            strict.perform(who, customers.fetch, customer_id, IN_CLEAR, deed=seeing)
        assert [(v.field, v.rule) for v in wanted.value.violations] == [("reason", "required")]
        assert strict.perform(who, customers.fetch, customer_id, MASKED).guarded is None
    assert len(strict.leaves()) == before
    told = msgspec.structs.replace(seeing, reason=WHY)
    assert strict.perform(who, customers.fetch, made.customer_id, IN_CLEAR, deed=told).guarded is not None


def test_a_use_case_that_forgets_to_say_what_it_shows_is_refused_too(strict: Place) -> None:
    """The disclosure itself asks, and takes with it what the same deed has written."""
    with pytest.raises(Invalid):
        strict.perform(strict.may(), upsert("one", IN_CLEAR, tax_id="123456790"))
    assert (strict.leaves(), strict.count("customers")) == ([], 0)


def test_a_customer_who_is_gone_meanwhile_is_not_shown(place: Place) -> None:
    """A list is read first and told of then: whoever cannot be told of is not shown."""
    made = place.perform(place.may(), upsert("one", IN_CLEAR, tax_id="123456790"))
    gone = msgspec.structs.replace(made, customer_id="111111111111")
    with pytest.raises(Unavailable):
        place.perform(place.may(), customers.disclose, [gone], IN_CLEAR, deed=Deed("r", reason=WHY))


# ── What a reason is ────────────────────────────────────────────────────────────────────────────────────


@given(st.text(max_size=REASON_MAX + 2))
def test_a_reason_is_one_printable_line(text: str) -> None:
    """Whatever is let in is short, says something, and cannot steer who reads it."""
    if is_reason(text):
        assert 0 < len(text.strip()) <= REASON_MAX
        assert not any(character < " " or "\x7f" <= character <= "\x9f" for character in text)
        assert not set(text) & set("\u202e\u2066\u2028\n\ud800")


def test_the_longest_reason_is_sealed_and_opened(place: Place) -> None:
    """500 characters of four bytes each."""
    longest = "\U0001f511" * REASON_MAX
    assert is_reason(longest)
    place.perform(place.may(), customers.create, says(vip="1"), deed=Deed("r", reason=longest))
    assert opened(place, place.leaves()) == [longest]
