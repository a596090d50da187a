"""An erasure amid those who read and change the same customer: once it is done nobody has seen them since."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from contracts.rows import asking
from customary.app import credentials, customers
from customary.app.ports import ReadAnswersOf, ReadMentions, ReadRecord
from customary.app.requests import Deed
from customary.app.trail import list_leaves
from customary.bootstrap.house import House
from customary.bootstrap.operator import operator
from customary.config import Settings
from customary.domain.access import Permission, Principal
from customary.domain.customer import Customer, CustomerPatch
from customary.domain.errors import Gone, NotFound

ALL = customers.Disclosure(clear=customers.ALL, audited=customers.ALL)


def _always(patch: CustomerPatch) -> Callable[[Customer | None], CustomerPatch]:
    return lambda _: patch


class _Crowd:
    """Deeds on one customer, each repeated until the customer is not found any more."""

    def __init__(self, house: House, principal: Principal, customer: Customer) -> None:
        self._house = house
        self._principal = principal
        self._customer_id = customer.customer_id
        self.begun = 0
        self.after = 0
        """How many deeds that were begun after the erasure had been answered found the customer."""
        self.done = False

    async def change(self) -> None:
        """Change the customer, each time to something else."""
        await self._repeated(lambda number: CustomerPatch(vip=str(number)))

    async def repeat(self) -> None:
        """Change nothing, which leaves an entry and an idempotency answer."""
        await self._repeated(lambda _: CustomerPatch())

    async def _repeated(self, patch: Callable[[int], CustomerPatch]) -> None:
        while True:
            self.begun += 1
            late = self.done
            use_case = partial(
                customers.change, self._principal, self._customer_id, _always(patch(self.begun)), ALL
            )
            deed = Deed("", f"key-{self.begun}", b"digest", ALL.audited)
            try:
                await self._house.performer.perform(self._principal, use_case, deed)
            except NotFound:
                return
            self.after += late

    async def read(self) -> None:
        """Read the customer."""
        while True:
            late = self.done
            use_case = partial(customers.fetch, self._principal, self._customer_id, customers.Disclosure())
            try:
                await self._house.performer.read(self._principal, use_case)
            except NotFound:
                return
            self.after += late
            await asyncio.sleep(0)


@pytest.mark.parametrize("round_number", range(5))
def test_nothing_that_was_begun_before_brings_an_erased_customer_back(
    tmp_path: Path, round_number: int
) -> None:
    """After the entry of the erasure none tells of the customer; no answer and no mention is left."""
    with House(Settings(data=tmp_path / "store"), serving=True) as house:
        make = partial(credentials.create_tenant, house.unsealed, house.dice, "Tenant")
        tenant = house.engine.perform_now([make])[0]
        principal = operator(
            tenant.tenant_id,
            Permission.CREATE_CUSTOMER,
            Permission.UPDATE_CUSTOMER,
            Permission.READ_CUSTOMERS,
            Permission.ERASE_CUSTOMERS,
        )
        patch = CustomerPatch(email="a@example.com", external_id="a", tax_id="123456789")
        create = partial(customers.create, principal, _always(patch))
        person = house.performer.perform_now(principal, [create])[0]
        crowd = _Crowd(house, principal, person)

        async def together() -> None:
            tasks = [
                asyncio.create_task(deed())
                for deed in (crowd.change, crowd.repeat, crowd.read, crowd.change, crowd.repeat, crowd.read)
            ]
            while crowd.begun < 50 * (round_number + 1):
                await asyncio.sleep(0)
            await house.eraser.erase(principal, person.customer_id, Deed())
            crowd.done = True
            await asyncio.gather(*tasks)
            with pytest.raises(Gone):
                await house.eraser.plan(principal, person.customer_id)

        asyncio.run(together())
        assert crowd.after == 0
        leaves = [
            leaf for _, leaf in house.engine.read_now(_all_leaves) if leaf.subject == person.customer_id
        ]
        assert leaves[-1].action == "customer.erased"
        assert [leaf.action for leaf in leaves].count("customer.erased") == 1
        ask = house.engine.read_now
        assert ask(asking(ReadRecord(tenant.tenant_id, person.customer_id))) is None
        assert ask(asking(ReadAnswersOf(tenant.tenant_id, person.customer_id, b"", 100_000)))[0] == []
        assert ask(asking(ReadMentions(tenant.tenant_id, person.customer_id, 0, 100_000)))[0] == []
        again = house.performer.perform_now(principal, [create])[0]
        assert again.customer_id != person.customer_id


_all_leaves = partial(list_leaves, 0, 100_000)
