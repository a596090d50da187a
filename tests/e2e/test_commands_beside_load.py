"""Commands work while the server works: none is turned away because somebody is writing."""

import threading
import time
from collections.abc import Iterator

import pytest

from dialects.signing import Signer, new_signer
from serving import Tenancy

WRITERS = 4


@pytest.fixture
def load(tenancy: Tenancy) -> Iterator[Signer]:
    """A server that several clients write to without a pause; gives the key that they use."""
    one = new_signer(tenancy)
    ended = threading.Event()
    failed: list[object] = []

    def write() -> None:
        while not ended.is_set():
            answer = one.call("POST", "/v1/customers", {"firstName": "Load"})
            if answer.status != 200:
                failed.append(answer)
                return

    writers = [threading.Thread(target=write) for _ in range(WRITERS)]
    for writer in writers:
        writer.start()
    yield one
    ended.set()
    for writer in writers:
        writer.join()
    assert not failed


@pytest.mark.usefixtures("load")
def test_no_command_is_refused_because_the_server_is_writing(tenancy: Tenancy) -> None:
    """Commands that read and commands that write succeed beside four clients that never pause."""
    server, tenant_id = tenancy.server, tenancy.tenant_id
    for _ in range(3):
        for arguments in (
            ("merchant", "list", "--tenant", tenant_id),
            ("merchant", "create", "Beside", "--tenant", tenant_id),
            ("key", "create", "--tenant", tenant_id, "--scheme", "hmac"),
            ("customers", "list", "--tenant", tenant_id),
        ):
            done = server.run(*arguments, "--json")
            assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("load")
def test_a_revocation_holds_within_a_second_under_load(tenancy: Tenancy) -> None:
    """A key that was revoked by a command is refused a second after the command has ended, at the latest."""
    revoked = new_signer(tenancy)
    assert revoked.call("GET", "/v1/merchants").status == 200
    tenancy.server.printed("key", "revoke", revoked.key_id)
    until = time.monotonic() + 1.0
    while revoked.call("GET", "/v1/merchants").status != 401:
        assert time.monotonic() < until
