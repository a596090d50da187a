"""What the walks share: the voices of one tenancy, so that each credential is made once a worker."""

import pytest

from coverage.walked import Voices
from serving import Server, make_tenancy


@pytest.fixture(scope="session")
def voices(server: Server) -> Voices:
    """Speakers of both rooms, in a tenant of their own."""
    return Voices(make_tenancy(server, "Walked"))
