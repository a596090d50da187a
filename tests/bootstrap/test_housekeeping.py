"""What goes on beside the requests, and what must not end it."""

import asyncio
from typing import cast

import pytest

from customary import log
from customary.bootstrap.engines import KeptNonces
from customary.bootstrap.house import House
from customary.bootstrap.serving import Housekeeping


class _Unreadable:
    """A sealed house whose source of root keys cannot be read."""

    vault = None

    def __init__(self, looks: int) -> None:
        self.left = looks
        self.looked = asyncio.Event()

    async def notice(self) -> None:
        self.left -= 1
        if self.left == 0:
            self.looked.set()
        raise PermissionError(13, "Permission denied", "/somewhere/root.key")


class _NoNonces:
    async def keep(self) -> None:
        return None


def test_a_source_of_root_keys_that_cannot_be_read_does_not_end_housekeeping(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It is looked at again at the next turn; the log says why it was put off, and no more."""
    log.configure(format="text")

    async def kept() -> None:
        house = _Unreadable(looks=2)
        housekeeping = Housekeeping(cast(House, house), cast(KeptNonces, _NoNonces()), None)
        task = asyncio.create_task(housekeeping._keep())
        looked = asyncio.create_task(house.looked.wait())
        await asyncio.wait({task, looked}, return_when=asyncio.FIRST_COMPLETED, timeout=30)
        assert looked.done()
        assert not task.done()
        for one in (task, looked):
            one.cancel()
        await asyncio.gather(task, looked, return_exceptions=True)

    asyncio.run(kept())
    log.flush()
    said = capsys.readouterr()
    told = said.out + said.err
    assert "Permission denied" in told
    assert "/somewhere" not in told
