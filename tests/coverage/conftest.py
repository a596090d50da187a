"""What the walks share: the voices of one tenancy, so that each credential is made once a worker."""

import pytest

pytest.register_assert_rewrite("coverage.walked")

from coverage.walked import Voices  # noqa: E402  # only what is imported later is rewritten
from serving import Server, make_tenancy  # noqa: E402  # after the line above


@pytest.fixture(scope="session")
def voices(server: Server) -> Voices:
    """Speakers of both rooms, in a tenant of their own."""
    return Voices(make_tenancy(server, "Walked"))
