"""An erasure that is killed at any step is done or was not begun, and the next start makes up its mind.

Each end is a real one: a process of its own erases and is killed by the kernel before its n-th write or sync,
whether SQLite's or the ledger's.
"""

import os
import shutil
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from contracts.rows import asking
from customary.app import credentials, customers
from customary.app.ports import ReadErased, ReadRecord
from customary.app.requests import Deed
from customary.bootstrap.house import House
from customary.bootstrap.operator import operator
from customary.config import Settings
from customary.domain.access import Permission
from customary.domain.customer import Customer, CustomerID, CustomerPatch
from customary.storage import ledger
from faults.failing_disk import failing_disk


def _settings(folder: Path) -> Settings:
    return Settings(data=folder)


def _peopled(folder: Path) -> tuple[str, list[CustomerID]]:
    """Make a folder with a tenant and three customers, each of two versions; return their ids."""
    with House(_settings(folder)) as house:
        tenant = house.engine.perform_now(
            [partial(credentials.create_tenant, house.unsealed, house.dice, "Tenant")]
        )[0]
        principal = operator(tenant.tenant_id, Permission.CREATE_CUSTOMER, Permission.UPDATE_CUSTOMER)
        ids = []
        for number in range(3):
            patch = CustomerPatch(email=f"{number}@example.com", external_id=str(number), tax_id="123456789")
            made = house.performer.perform_now(
                principal, [partial(customers.create, principal, _always(patch))], Deed("", f"key-{number}")
            )[0]
            change = partial(
                customers.change,
                principal,
                made.customer_id,
                _always(CustomerPatch(vip="2")),
                customers.Disclosure(),
            )
            house.performer.perform_now(principal, [change])
            ids.append(made.customer_id)
    return tenant.tenant_id, ids


def _always(patch: CustomerPatch) -> Callable[[Customer | None], CustomerPatch]:
    return lambda _: patch


class _Killing:
    """Kills the process before the n-th write or sync."""

    def __init__(self, left: int) -> None:
        self.left = left

    def __call__(self, *_: object) -> None:
        self.left -= 1
        if self.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)


def _erase(folder: Path, tenant: str, customer_id: CustomerID, deeds: int) -> None:
    """Erase a customer in this process, which is killed before that many deeds are through."""
    killing = _Killing(deeds)
    with failing_disk() as disk, House(_settings(folder)) as house:
        disk.trouble = killing
        for name in ("pwrite", "fsync", "ftruncate"):
            _counted(name, killing)
        house.eraser.erase_now(operator(tenant, Permission.ERASE_CUSTOMERS), customer_id, Deed())
        disk.trouble = None


def _counted(name: str, killing: _Killing) -> None:
    """Have the ledger's calls of the kernel counted, too."""
    real = getattr(os, name)

    def counted(*arguments: object) -> object:
        killing()
        return real(*arguments)

    setattr(os, name, counted)


def _was_killed(deed: Callable[[], None]) -> bool:
    """Run something in a process of its own; return whether it was killed: else it must have ended well."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            deed()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


def _state(folder: Path, tenant: str, customer_id: CustomerID) -> str:
    """Start as a server does and say what has become of the customer; all the others must be there."""
    with House(_settings(folder), serving=True) as house:
        erased = house.engine.read_now(asking(ReadErased()))
        record = house.engine.read_now(asking(ReadRecord(tenant, customer_id)))
        assert house.ledger.unsettled() == []
        if erased:
            assert erased == [(tenant, 1)]
            assert record is None
            return "done"
        assert record is not None
        assert any(record.wrapped_key)
        assert house.vault is not None
        return "not begun"


@pytest.fixture
def template(tmp_path: Path) -> tuple[Path, str, list[CustomerID]]:
    """A folder with customers, which tests copy."""
    folder = tmp_path / "template"
    tenant, ids = _peopled(folder)
    return folder, tenant, ids


def test_a_kill_at_any_step_leaves_an_erasure_done_or_not_begun(
    template: tuple[Path, str, list[CustomerID]], tmp_path: Path
) -> None:
    """Once the ledger has it, it is done at the next start; before, nobody has lost anything."""
    source, tenant, ids = template
    deeds, states = 0, []
    killed = True
    while killed:
        folder = tmp_path / f"cut {deeds}"
        shutil.copytree(source, folder)
        killed = _was_killed(partial(_erase, folder, tenant, ids[1], deeds))
        promised = _is_promised(folder)
        state = _state(folder, tenant, ids[1])
        assert (state == "done") == promised, f"after {deeds} deeds"
        states.append(state)
        assert _state(folder, tenant, ids[1]) == state
        shutil.rmtree(folder)
        deeds += 1
    assert states[0] == "not begun"
    assert states == sorted(states, reverse=True), "once it is done, it is done at every later step"
    assert len(states) > 20


def _is_promised(folder: Path) -> bool:
    path = folder / ledger.NAME
    return path.exists() and path.read_bytes().endswith(b"\n")


def test_a_ledger_that_is_written_too_late_is_caught(
    template: tuple[Path, str, list[CustomerID]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same walk finds an erasure that no ledger knows where lines are not written: it is able to fail."""
    source, tenant, ids = template
    monkeypatch.setattr(ledger.LedgerFile, "append", lambda *_: None)
    unknown = 0
    for deeds in range(0, 60, 3):
        folder = tmp_path / f"cut {deeds}"
        shutil.copytree(source, folder)
        _was_killed(partial(_erase, folder, tenant, ids[1], deeds))
        with House(_settings(folder), replaying=True) as house:
            unknown += bool(house.engine.read_now(asking(ReadErased()))) and not _is_promised(folder)
    assert unknown > 0


def test_a_replay_that_is_killed_at_any_step_is_completed_by_the_next(
    template: tuple[Path, str, list[CustomerID]], tmp_path: Path
) -> None:
    """After a restore by hand the replay may be killed wherever it is: another one comes to the same."""
    source, tenant, ids = template
    erased = tmp_path / "erased"
    shutil.copytree(source, erased)
    for customer_id in ids[:2]:
        _erase_plainly(erased, tenant, customer_id)
    deeds, killed = 0, True
    while killed:
        folder = tmp_path / f"cut {deeds}"
        shutil.copytree(source, folder)
        shutil.copy(erased / ledger.NAME, folder)
        killed = _was_killed(partial(_replay, folder, deeds))
        with House(_settings(folder), replaying=True) as house:
            house.eraser.replay_now()
            assert sorted(house.engine.read_now(asking(ReadErased()))) == [(tenant, 1), (tenant, 2)]
            left = [house.engine.read_now(asking(ReadRecord(tenant, one))) for one in ids]
            assert [record is None for record in left] == [True, True, False]
        with House(_settings(folder), serving=True):
            pass
        shutil.rmtree(folder)
        deeds += 5
    assert deeds > 50


def _erase_plainly(folder: Path, tenant: str, customer_id: CustomerID) -> None:
    with House(_settings(folder)) as house:
        house.eraser.erase_now(operator(tenant, Permission.ERASE_CUSTOMERS), customer_id, Deed())


def _replay(folder: Path, deeds: int) -> None:
    killing = _Killing(deeds)
    with failing_disk() as disk, House(_settings(folder), replaying=True) as house:
        disk.trouble = killing
        for name in ("pwrite", "fsync", "ftruncate"):
            _counted(name, killing)
        house.eraser.replay_now()
        disk.trouble = None
