"""Callers of a server who remember what they were told, and the command that turns keys beside it."""

import itertools
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from app.place import Place
from customary.app import customers, rotation
from customary.app.customers import ALL, Disclosure
from customary.app.requests import Deed, ListPage
from customary.app.rotation import Kind, Phase, Turning
from customary.domain.customer import Customer, CustomerPatch
from customary.domain.errors import Conflict
from customary.storage.sqlite import SQLiteEngine

SEEN = Disclosure(clear=ALL)
LIMIT = 3
KEPT = timedelta(hours=24)


class Callers:
    """A server's callers: they remember what they were told, and demand it."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.who = place.may()
        self.numbers = itertools.count(1)
        self.known: dict[str, Customer] = {}
        self.replayable: dict[str, str] = {}

    def create(self, external_id: str | None = None) -> Customer:
        """Create a customer, with an Idempotency-Key."""
        number = next(self.numbers)
        changes: dict[str, Any] = {
            "email": f"person{number % 7}@example.com",
            "external_id": external_id or f"ext-{number}",
            "org_id": f"branch-{number % 3}",
            "tax_id": f"9234567{number:02d}",
        }
        key = f"request {number}"
        made: Customer = self._perform(customers.create, lambda _: CustomerPatch(**changes), key=key)
        self.known[made.customer_id] = made
        self.replayable[key] = made.customer_id
        return made

    def change(self, customer_id: str) -> None:
        """Change what a customer is found by, and what is guarded."""
        number = next(self.numbers)
        changes: dict[str, Any] = {
            "email": f"changed{number}@example.com",
            "external_id": f"changed-{number}",
            "tax_id": f"8234567{number:02d}",
        }
        self.known[customer_id] = self._perform(
            customers.change, customer_id, lambda _: CustomerPatch(**changes), SEEN
        )

    def demand(self) -> None:
        """Demand every customer, by id, by each tag and by its request, as it was left."""
        place, who = self.place, self.who
        for customer_id, expected in self.known.items():
            assert place.perform(who, customers.fetch, customer_id, SEEN) == expected
            found = self._list(external_id=expected.particulars.external_id)
            assert [one.customer_id for one in found] == [customer_id]
        emails = {one.particulars.email for one in self.known.values()}
        for email in emails:
            expected_ids = {i for i, one in self.known.items() if one.particulars.email == email}
            assert {one.customer_id for one in self._list(email=email, org_id=None)} == expected_ids
        for key, customer_id in self.replayable.items():
            replayed = self._perform(customers.create, lambda _: CustomerPatch(email="no"), key=key)
            assert replayed.customer_id == customer_id

    def demand_uniqueness(self) -> None:
        """Demand that no external id that is taken can be taken again, and that an upsert finds it."""
        taken = next(iter(self.known.values()))
        with pytest.raises(Conflict):
            self.create(taken.particulars.external_id)
        merged = self._perform(
            customers.upsert,
            revision=lambda _: CustomerPatch(external_id=taken.particulars.external_id),
            disclosure=SEEN,
            sought_external_id=taken.particulars.external_id,
            stated_number=None,
            stated_external_id=None,
        )
        assert merged.customer_id == taken.customer_id

    def _list(self, **conditions: Any) -> list[Customer]:
        page = self.place.runner.run(
            self.place.performer.scan(
                self.who, partial(customers.list_page, self.who, ListPage(**conditions), SEEN)
            )
        )
        return list(page.customers)

    def _perform(self, use_case: Callable[..., Any], *arguments: Any, key: str = "", **named: Any) -> Any:
        deed = Deed(idempotency_key=key, request_digest=key.encode())
        job = partial(use_case, self.who, *arguments, **named)
        return self.place.runner.run(self.place.performer.perform(self.who, job, deed))


class Beside:
    """The command beside the server: an engine of its own, driven one step at a time."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.engine = SQLiteEngine(place.folder, serving=False)

    def close(self) -> None:
        """Close the engine."""
        self.engine.close()

    def begin(self, kind: Kind) -> Turning:
        """Begin, or take up what was begun."""
        place = self.place
        job = partial(rotation.begin, place.vault, place.clock, kind, place.here.tenant_id)
        return self._done(job)

    def step(self, turning: Turning, between: Callable[[], None] = lambda: None) -> Turning:
        """Do one step; ``between`` is done between what a step reads outside its transaction and the rest."""
        vault, clock = self.place.vault, self.place.clock
        if turning.phase is Phase.RESEAL:
            prepared = self.engine.read_now(partial(rotation.prepare, vault, clock, turning, LIMIT))
            between()
            return self._done(partial(rotation.reseal, vault, clock, turning, prepared, LIMIT))
        if turning.phase is Phase.CHECK:
            looked = self.engine.read_now(partial(rotation.look, vault, turning, LIMIT))
            between()
            return self._done(partial(rotation.confirm, vault, clock, turning, looked, LIMIT))
        return self._done(partial(rotation.advance, vault, clock, turning, LIMIT, KEPT))

    def steps(self, kind: Kind, between: Callable[[], None] = lambda: None) -> Iterator[Turning]:
        """Yield how far it is after each step, to the end."""
        turning = self.begin(kind)
        while not turning.ended:
            yield turning
            turning = self.step(turning, between)
        yield turning

    def asked(self, request: Any) -> Any:
        """Ask for something that is committed."""

        def job() -> Any:
            return (yield request)

        return self.engine.read_now(job)

    def _done(self, job: Any) -> Turning:
        (turning,) = self.engine.perform_now([job])
        assert isinstance(turning, Turning)
        return turning
