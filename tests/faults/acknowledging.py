"""A program that stores customers without end and prints each one's id once it was told that it is stored.

A test runs it, kills it, and asks the store for every id that was printed.
"""

import asyncio
import os
import sys
from pathlib import Path

from contracts.rows import Store, asking, external, record, stored
from customary.storage.sqlite import SQLiteEngine

WORKERS = 16


async def _store_forever(store: Store, tenant: str) -> None:
    while True:
        # A process that starts anew counts anew, so ids are drawn.
        first = record(tenant, customer_id=os.urandom(6).hex())
        await store.engine.perform(asking(stored(first, unique_tags=(external(first.customer_id),))))
        os.write(1, f"{tenant} {first.customer_id}\n".encode())


async def _all_workers(store: Store, tenant: str) -> None:
    await asyncio.gather(*(_store_forever(store, tenant) for _ in range(WORKERS)))


if __name__ == "__main__":
    with asyncio.Runner() as runner:
        opened = Store(SQLiteEngine(Path(sys.argv[1]), serving=True), runner)
        runner.run(_all_workers(opened, opened.new_tenant()))
