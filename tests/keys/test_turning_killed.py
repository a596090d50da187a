"""Keys that are turned under load by commands that are killed, again and again: nothing is lost."""

import itertools
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from merchant import UNMASKED, Merchant, person, shop
from serving import Server, Tenancy, make_tenancy, serving

KILLS = 20
CUSTOMERS = 160
WRITERS = 2
COMMANDS = (
    ("keys", "rotate", "tenant"),
    ("keys", "rotate", "index"),
    ("keys", "reseal"),
    ("keys", "rotate", "root"),
)
SECONDS_MAX = 60.0


class Writer(threading.Thread):
    """A merchant's program that never pauses; it remembers what was acknowledged, and demands it."""

    def __init__(self, merchant: Merchant, number: int, seed: int) -> None:
        super().__init__()
        self.merchant = merchant
        self.chance = random.Random(seed + number)
        self.numbers = itertools.count(1)
        self.name_of_writer = f"writer{number}"
        self.known: dict[str, dict[str, Any]] = {}
        self.ended = threading.Event()
        self.failure: BaseException | None = None
        self.rounds = 0

    def run(self) -> None:
        """Create, change and find until told to end, or until something is not as it must be."""
        try:
            while not self.ended.is_set():
                self.rounds += 1
                self.chance.choice((self.create, self.change, self.change, self.find, self.find))()
        except BaseException as failure:  # it is raised again by whoever waits for this thread
            self.failure = failure

    def create(self) -> None:
        """Create a customer under a new external id."""
        number = next(self.numbers)
        external_id = f"{self.name_of_writer}-{number}"
        made = self.merchant.create(externalId=external_id, taxId=f"{number:09d}")
        self.known[external_id] = made

    def change(self) -> None:
        """Change a customer, and what it is found by."""
        if not self.known:
            return
        before = self.chance.choice(list(self.known))
        number = next(self.numbers)
        after = f"{self.name_of_writer}-{number}"
        customer_id = self.known[before]["customerId"]
        changed = self.merchant.update(customer_id, externalId=after, email=f"{after}@example.com")
        del self.known[before]
        self.known[after] = changed

    def find(self) -> None:
        """Find a customer by its id and by its external id."""
        if not self.known:
            return
        external_id = self.chance.choice(list(self.known))
        expected = self.known[external_id]
        assert self.merchant.fetch(expected["customerId"]) == expected
        assert self.merchant.list(f"externalId={external_id}") == [expected]


@pytest.fixture
def running(command: Path, tmp_path: Path) -> Iterator[Server]:
    """A server of this test's own."""
    with serving(command, tmp_path / "server") as server:
        yield server


@pytest.fixture
def tenancy(running: Server) -> Tenancy:
    """A tenant with customers, so many that a turning of their keys takes a while."""
    tenancy = make_tenancy(running)
    running.create_key(tenancy.tenant_id, scheme="hmac")
    merchant = shop(tenancy, *UNMASKED)
    with running.connect() as connection:
        merchant.connection = connection
        for number in range(CUSTOMERS):
            merchant.saved(person(externalId=f"first-{number}", taxId=f"9{number:08d}"))
    return tenancy


@pytest.fixture
def writers(tenancy: Tenancy) -> Iterator[list[Writer]]:
    """Programs that write and read without a pause, until the test ends them."""
    seed = random.SystemRandom().randrange(1 << 32)
    sys.stderr.write(f"seed {seed}\n")
    started = [Writer(shop(tenancy, *UNMASKED), number, seed) for number in range(WRITERS)]
    for writer in started:
        writer.start()
    yield started
    for writer in started:
        writer.ended.set()
        writer.join()


def begun(server: Server, *arguments: str) -> "subprocess.Popen[bytes]":
    """Start a command of the command line."""
    return subprocess.Popen(
        [str(server.command), *arguments, "--json"],
        cwd=server.folder,
        env=server.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def test_no_kill_of_a_turning_loses_anything(
    running: Server, tenancy: Tenancy, writers: list[Writer]
) -> None:
    """Every key turns under load, with 20 kills at random points; what callers were told holds throughout."""
    chance = writers[0].chance.__class__(writers[0].chance.random())
    began = time.monotonic()
    running.printed("keys", "status")
    to_begin = time.monotonic() - began  # what a command takes before it does anything, on this machine
    killed = whole = 0
    for arguments in itertools.cycle(COMMANDS):
        process = begun(running, *arguments)
        try:
            process.wait(to_begin * chance.uniform(0.5, 2.5))
            assert process.returncode == 0, process.stderr.read().decode() if process.stderr else ""
            whole += 1
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
        if process.stderr is not None:
            process.stderr.close()
        _demand_alive(writers)
        if killed == KILLS:
            break
        assert whole < 10 * KILLS, "hardly any was killed"
    for arguments in COMMANDS:
        ended = running.printed(*arguments)
        for turning in ended if isinstance(ended, list) else []:
            assert (turning["ended"], turning["brokenCount"]) == (True, 0)
    rounds = [writer.rounds for writer in writers]
    _wait_for(lambda: all(writer.rounds > before + 5 for writer, before in zip(writers, rounds, strict=True)))
    for writer in writers:
        writer.ended.set()
        writer.join()
    _demand_alive(writers, ended=True)
    _demand_all(running, tenancy, writers)
    assert running.stop() == 0
    running.start()
    _demand_all(running, tenancy, writers)


def _demand_all(server: Server, tenancy: Tenancy, writers: list[Writer]) -> None:
    """Demand that nothing is left of any turning, and that everything opens and is found."""
    status = server.printed("keys", "status")
    assert [root["state"] for root in status["rootKey"]["keys"]] == ["current"]
    (tenant,) = [one for one in status["tenants"] if one["tenantId"] == tenancy.tenant_id]
    assert tenant["turning"] == []
    assert sorted({key["purpose"] for key in tenant["keys"]}) == ["answers", "index", "seal"]
    assert len([key for key in tenant["keys"] if key["purpose"] != "answers"]) == 2
    assert sorted(path.name for path in (server.folder / "store").glob("root.key*")) == ["root.key"]
    merchant = writers[0].merchant
    with server.connect() as connection:
        merchant.connection = connection
        for number in range(CUSTOMERS):
            (found,) = merchant.list(f"externalId=first-{number}")
            assert found["taxId"] == f"9{number:08d}"
            assert merchant.fetch(found["customerId"]) == found
        for writer in writers:
            for external_id, expected in writer.known.items():
                assert merchant.list(f"externalId={external_id}") == [expected]
                assert merchant.fetch(expected["customerId"]) == expected
    merchant.connection = None
    assert server.printed("audit", "verify")["intact"]
    assert server.printed("doctor")["healthy"]
    assert '"level":"error"' not in server.log


def _demand_alive(writers: list[Writer], *, ended: bool = False) -> None:
    for writer in writers:
        if writer.failure is not None:
            raise writer.failure
        assert ended or writer.is_alive()


def _wait_for(condition: Any) -> None:
    until = time.monotonic() + SECONDS_MAX
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)
