"""What another process has made is there when it has said so, however busy the server is beside it."""

from functools import partial

import pytest

from coverage.walked import ALL_PERMISSIONS, ROOMS, SCHEMES, SENDERS
from customary import config
from customary.app import credentials
from customary.bootstrap.house import House
from customary.domain.access import Scheme
from serving import Key, Server, make_tenancy

KEYS = 20


@pytest.mark.parametrize("room", ROOMS)
def test_a_new_key_works_at_once(server: Server, room: str) -> None:
    """Whoever pastes the secret that was printed is let in at once, and not a moment later.

    The key is made in this process, through what the command goes through, because the end of a command takes
    long enough to hide that the server has not noticed.
    """
    tenancy = make_tenancy(server)
    statuses = []
    settings = config.load(server.environment, overrides={}, cwd=server.folder)
    with House(settings, may_make=False) as house:
        for _ in range(KEYS):
            # The server reads, and so has a state of the store in hand, right before the key is made.
            strange = Key("nobody", "x", SCHEMES[room], "", None, frozenset())
            SENDERS[room](server, strange)("GET", f"{ROOMS[room].prefix}/customers", None, ())
            issue = partial(
                credentials.create_key,
                house.unsealed,
                house.dice,
                tenant_id=tenancy.tenant_id,
                scheme=Scheme(SCHEMES[room]),
                merchant_id=tenancy.merchant_id if room == "trustly" else None,
                permissions=ALL_PERMISSIONS,
                expires_at=None,
            )
            made = house.engine.perform_now([issue])[0]
            key = Key(made.credential.key_id, made.secret, SCHEMES[room], "", None, frozenset())
            send = SENDERS[room](server, key)
            statuses.append(send("GET", f"{ROOMS[room].prefix}/customers", None, ()).status)
    assert set(statuses) == {200}
