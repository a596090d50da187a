"""A promise of the ledger that cannot be carried out keeps no other from being carried out."""

import asyncio
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from contracts.rows import asking
from customary.app import credentials, customers
from customary.app.ports import ReadErased
from customary.app.requests import Deed
from customary.bootstrap.house import House
from customary.bootstrap.operator import operator
from customary.config import Settings
from customary.domain.access import Permission
from customary.domain.customer import Customer, CustomerPatch
from customary.domain.errors import CustomaryError


def _always(patch: CustomerPatch) -> Callable[[Customer | None], CustomerPatch]:
    return lambda _: patch


def _promised(folder: Path) -> tuple[list[str], Path]:
    """Make a folder whose ledger promises an erasure in each of two tenants that its databases lack."""
    before, tenants = folder / "before", []
    with House(Settings(data=before)) as house:
        people = []
        for name in ("A", "B"):
            make = partial(credentials.create_tenant, house.unsealed, house.dice, name)
            tenant = house.engine.perform_now([make])[0]
            principal = operator(tenant.tenant_id, Permission.CREATE_CUSTOMER, Permission.ERASE_CUSTOMERS)
            create = partial(customers.create, principal, _always(CustomerPatch(vip="1")))
            people.append((principal, house.performer.perform_now(principal, [create])[0].customer_id))
            tenants.append(tenant.tenant_id)
    after = folder / "after"
    shutil.copytree(before, after)
    with House(Settings(data=after)) as house:
        for principal, customer_id in people:
            house.eraser.erase_now(principal, customer_id, Deed())
    lines = (after / "erasures.ndjson").read_bytes().splitlines(keepends=True)
    (before / "erasures.ndjson").write_bytes(b"".join(line for line in lines if b"certificate" in line))
    return sorted(tenants), before


@pytest.mark.parametrize("loop", [True, False])
def test_one_promise_that_fails_keeps_no_other_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, loop: bool
) -> None:
    """The others are carried out, and what went wrong is told in the end."""
    (first, other), folder = _promised(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr("customary.app.erasure.Eraser.go_on_now", lambda _: None)
        house = House(Settings(data=folder)).__enter__()
    try:
        assert [one.certificate.tenant_id for one in house.ledger.unsettled()] == [first, other]
        original = house.eraser._replayed

        def replayed(promise, leftovers, *, undone):  # type: ignore[no-untyped-def]  # as the original
            if promise.certificate.tenant_id == first:
                raise CustomaryError("A key does not open")
            return original(promise, leftovers, undone=undone)

        monkeypatch.setattr(house.eraser, "_replayed", replayed)
        with pytest.raises(CustomaryError, match="A key does not open"):
            asyncio.run(house.eraser.go_on()) if loop else house.eraser.go_on_now()
        assert house.engine.read_now(asking(ReadErased())) == [(other, 1)]
        assert [one.certificate.tenant_id for one in house.ledger.unsettled()] == [first]
    finally:
        house.__exit__(None, None, None)
