"""A key for clients that nobody here wrote, and the server's address as they are told it."""

import os
from dataclasses import dataclass

import pytest

from serving import Tenancy


@dataclass(frozen=True)
class Account:
    """What an integrator gets: an address, an id and a secret."""

    url: str
    key_id: str
    secret: str

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of a client in another language."""
        told = {"CUSTOMERS_URL": self.url, "KEY_ID": self.key_id, "KEY_SECRET": self.secret}
        return dict(os.environ) | told


@pytest.fixture(scope="session")
def account(tenancy: Tenancy) -> Account:
    """A tenant key of the tenant that all tests of a worker share."""
    key = tenancy.server.create_key(tenancy.tenant_id, scheme="hmac")
    return Account(tenancy.server.url, key.key_id, key.secret)
