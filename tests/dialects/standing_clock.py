"""The installed product on the day of the vectors: its command line, in a process whose clock stands still.

    python standing_clock.py EPOCH serve ...                       as the product's own command
    python standing_clock.py EPOCH store-keys TENANT ID SECRET ... stores keys whose ids and secrets are given

Run by the interpreter of the venv that has the wheel, so it tells the product nothing but the time. It must
never be imported by a test.
"""

import os
import sys
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

EPOCH = float(sys.argv[1])
time.time = lambda: EPOCH  # before the product is imported, which binds the clock

from customary.app import credentials  # noqa: E402  after the clock
from customary.bootstrap.house import House, SystemDice  # noqa: E402  after the clock
from customary.cli import main  # noqa: E402  after the clock
from customary.config import load  # noqa: E402  after the clock
from customary.domain.access import Scheme  # noqa: E402  after the clock


def that_instant(_: SystemDice) -> datetime:
    """Return always the same instant."""
    return datetime.fromtimestamp(EPOCH, UTC)


def store_keys(tenant_id: str, *ids_and_secrets: str) -> None:
    """Store tenant keys with ids and secrets that somebody else has chosen."""
    settings = load(os.environ, overrides={}, cwd=Path.cwd())
    with House(settings, may_make=False) as house:
        for key_id, secret in zip(ids_and_secrets[::2], ids_and_secrets[1::2], strict=True):
            made = partial(
                credentials.create_key,
                house.unsealed,
                house.dice,
                tenant_id=tenant_id,
                scheme=Scheme.HMAC,
                key_id=key_id,
                secret=secret,
            )
            house.engine.perform_now([made])


if __name__ == "__main__":
    SystemDice.now = that_instant  # type: ignore[method-assign, assignment]  # the product makes its own dice
    if sys.argv[2] == "store-keys":
        store_keys(*sys.argv[3:])
    else:
        main(sys.argv[2:])
