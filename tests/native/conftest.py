"""Keys of the native API as fixtures: a tenant's, its merchants', and another tenant's."""

import time
from collections.abc import Callable

import pytest

from native.client import GUARDED, SARAH, Json, Native, native
from native.erasing import ERASING
from serving import Server, Tenancy, make_tenancy


@pytest.fixture(scope="session")
def api(tenancy: Tenancy) -> Native:
    """A tenant key with the usual permissions, in the tenant that all tests of a worker share."""
    return native(tenancy)


@pytest.fixture(scope="session")
def merchant_api(tenancy: Tenancy) -> Native:
    """A key of another merchant of the same tenant, which may do the same with its own customers."""
    return native(
        tenancy,
        "create_customer",
        "read_customers",
        "update_customer",
        merchant_id=tenancy.create_merchant("Native shop"),
    )


@pytest.fixture(scope="session")
def foreign_api(server: Server) -> Native:
    """A tenant key of another tenant on the same server."""
    return native(make_tenancy(server, "Another native tenant"))


@pytest.fixture
def alone(tenant: Callable[..., Tenancy]) -> Tenancy:
    """A tenant that has no customer yet."""
    return tenant()


@pytest.fixture
def sarah(api: Native) -> Json:
    """A customer that no other test knows, with every member set."""
    return api.create(**SARAH, **GUARDED)


@pytest.fixture(scope="session")
def eraser(tenancy: Tenancy) -> Native:
    """A tenant key that may erase and hold."""
    return native(tenancy, *ERASING)


@pytest.fixture
def person(eraser: Native) -> Json:
    """A customer with everything, changed twice."""
    made = eraser.create(**SARAH, **GUARDED, externalId=f"ext-{time.monotonic_ns()}")
    for branch in ("b", "c"):
        assert eraser.patch(made["id"], {"orgId": branch}).status == 200
    return made
