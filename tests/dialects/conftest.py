"""Keys of the Trustist dialect as fixtures, shared and standing alone, and both faces of one tenant."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dialects.faces import Faces
from dialects.signing import DAY, PERSON, Signer, new_signer
from merchant import UNMASKED, shop
from serving import Server, Tenancy, make_tenancy


@pytest.fixture(scope="session")
def key(tenancy: Tenancy) -> Signer:
    """A tenant key with the usual permissions, in the tenant that all tests of a worker share."""
    return new_signer(tenancy)


@pytest.fixture(scope="session")
def second_key(tenancy: Tenancy) -> Signer:
    """Another tenant key of the same tenant."""
    return new_signer(tenancy)


@pytest.fixture(scope="session")
def merchant_key(tenancy: Tenancy) -> Signer:
    """A merchant's HMAC key of the same tenant."""
    return new_signer(tenancy, merchant_id=tenancy.merchant_id)


@pytest.fixture(scope="session")
def foreign_key(server: Server) -> Signer:
    """A tenant key of another tenant on the same server."""
    return new_signer(make_tenancy(server, "Another tenant"))


@pytest.fixture
def empty(tenant: Callable[..., Tenancy]) -> Signer:
    """A tenant key of a tenant that has no customer yet."""
    return new_signer(tenant())


@pytest.fixture
def customer_id(key: Signer) -> str:
    """A customer that no other test knows."""
    created: str = key.call("POST", "/v1/customers", PERSON).json["id"]
    return created


@pytest.fixture(scope="session")
def faces(tenancy: Tenancy) -> Faces:
    """Both faces of the tenant that all tests of a worker share."""
    return Faces(shop(tenancy, *UNMASKED), new_signer(tenancy))


@pytest.fixture(scope="session")
def command_of_that_day(command: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The product's command in processes whose clock stands at the second of the vectors."""
    script = Path(__file__).parent / "standing_clock.py"
    standing = tmp_path_factory.mktemp("that-day") / "customary"
    standing.write_text(f'#!/bin/sh\nexec "{command.parent / "python"}" "{script}" {DAY} "$@"\n')
    standing.chmod(0o755)
    return standing
