"""Answers what use cases ask about the past of one customer: opened versions, or NotFound.

It must never know HTTP, SQL or what a version is shown as.
"""

from collections.abc import Callable, Generator, Mapping
from typing import Any

from customary.app.performing import Run
from customary.app.ports import ReadVersion, ReadVersionAt, ReadVersions, SealedCustomer
from customary.app.requests import FetchAt, FetchVersion, ListVersions
from customary.domain.customer import Customer
from customary.domain.errors import NotFound


def fetch_version(run: Run, request: FetchVersion) -> Generator[Any, Any, Customer]:
    """Answer with one version of a customer."""
    record = yield ReadVersion(run.principal.tenant_id, request.customer_id, request.version)
    return _found(run, record, request.clear)


def fetch_at(run: Run, request: FetchAt) -> Generator[Any, Any, Customer]:
    """Answer with the version that was current at an instant."""
    record = yield ReadVersionAt(run.principal.tenant_id, request.customer_id, request.at)
    return _found(run, record, request.clear)


def list_versions(run: Run, request: ListVersions) -> Generator[Any, Any, tuple[Customer, ...]]:
    """Answer with versions of a customer, newest first."""
    records = yield ReadVersions(run.principal.tenant_id, request.customer_id, request.below, request.limit)
    return tuple(_found(run, record, request.clear) for record in records)


def _found(run: Run, record: SealedCustomer | None, clear: frozenset[str]) -> Customer:
    customer = run.opened(record, clear)
    if customer is None:
        raise NotFound
    return customer


ANSWERS: Mapping[type, Callable[[Run, Any], Generator[Any, Any, Any]]] = {
    FetchVersion: fetch_version,
    FetchAt: fetch_at,
    ListVersions: list_versions,
}
