"""Which driver for PostgreSQL: asyncpg against psycopg 3, with the statements that the engine makes.

Writes batches as the engine does, one transaction a batch and one ``INSERT ... SELECT FROM UNNEST`` a table,
beside one transaction a row, and reads by ``= ANY``. Prints rows a second and the client's CPU a row. Numbers
are recorded in docs/decisions/0020. Run with ``python bench/drivers.py``; it starts a cluster of its own.
"""

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import psycopg
import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from clusters import cluster

SECONDS = float(os.environ.get("BENCH_SECONDS", "3"))
TENANT = bytes(16)
SCHEMA = """
CREATE TABLE counters (tenant_id bytea PRIMARY KEY, leaf_no bigint NOT NULL);
INSERT INTO counters VALUES (decode('00000000000000000000000000000000', 'hex'), 0);
CREATE TABLE customers (tenant_id bytea, row_no bigint, customer_id text, sealed bytea, at bigint,
                        PRIMARY KEY (tenant_id, row_no));
CREATE UNIQUE INDEX ON customers (tenant_id, customer_id);
CREATE TABLE customer_keys (tenant_id bytea, row_no bigint, wrapped bytea, PRIMARY KEY (tenant_id, row_no));
CREATE TABLE unique_tags (tenant_id bytea, kind int, tag bytea, row_no bigint,
                          PRIMARY KEY (tenant_id, kind, tag));
CREATE TABLE leaves (tenant_id bytea, leaf_no bigint, at bigint, body bytea,
                     PRIMARY KEY (tenant_id, leaf_no));
CREATE TABLE outbox (tenant_id bytea, entry_no bigint, at bigint, body bytea,
                     PRIMARY KEY (tenant_id, entry_no));
"""
COUNT = "UPDATE counters SET leaf_no = leaf_no + $2 WHERE tenant_id = $1 RETURNING leaf_no"
INSERTS = (
    "INSERT INTO unique_tags SELECT $1, u.* FROM unnest($2::int[], $3::bytea[], $4::bigint[]) AS u"
    " ON CONFLICT DO NOTHING",
    "INSERT INTO customers SELECT $1, u.*"
    " FROM unnest($2::bigint[], $3::text[], $4::bytea[], $5::bigint[]) AS u",
    "INSERT INTO customer_keys SELECT $1, u.* FROM unnest($2::bigint[], $3::bytea[]) AS u",
    "INSERT INTO leaves SELECT $1, u.* FROM unnest($2::bigint[], $3::bigint[], $4::bytea[]) AS u",
    "INSERT INTO outbox SELECT $1, u.* FROM unnest($2::bigint[], $3::bigint[], $4::bytea[]) AS u",
)
READ = """
SELECT c.customer_id, c.row_no, c.sealed, c.at, k.wrapped
FROM customers AS c JOIN customer_keys AS k ON k.tenant_id = c.tenant_id AND k.row_no = c.row_no
WHERE c.tenant_id = $1 AND c.customer_id = ANY($2::text[])
"""


class Asyncpg:
    """A connection of asyncpg with its statements prepared and held."""

    def __init__(self, connection: "asyncpg.Connection[Any]") -> None:
        self.connection = connection

    @classmethod
    async def open(cls, url: str) -> "Asyncpg":
        return cls(await asyncpg.connect(url))

    async def close(self) -> None:
        await self.connection.close()

    async def write(self, rows: Callable[[int], list[tuple[Any, ...]]], count: int) -> None:
        connection = self.connection
        await connection.execute("BEGIN; SET LOCAL application_name = 'tenant'")
        last = await connection.fetchval(COUNT, TENANT, count)
        for sql, arguments in zip(INSERTS, rows(last - count), strict=True):
            await connection.execute(sql, *arguments)
        await connection.execute("COMMIT")

    async def read(self, ids: list[str]) -> int:
        return len(await self.connection.fetch(READ, TENANT, ids))


class Psycopg:
    """A connection of psycopg 3 in binary, prepared at once, with the inserts sent as one pipeline."""

    def __init__(self, connection: "psycopg.AsyncConnection[Any]") -> None:
        self.connection = connection

    @classmethod
    async def open(cls, url: str) -> "Psycopg":
        connection = await psycopg.AsyncConnection.connect(url, autocommit=True, prepare_threshold=0)
        return cls(connection)

    async def close(self) -> None:
        await self.connection.close()

    async def write(self, rows: Callable[[int], list[tuple[Any, ...]]], count: int) -> None:
        async with psycopg.AsyncRawCursor(self.connection) as cursor:
            cursor.format = psycopg.pq.Format.BINARY
            async with self.connection.pipeline():
                await cursor.execute("BEGIN")
                await cursor.execute("SET LOCAL application_name = 'tenant'")
                await cursor.execute(COUNT, (TENANT, count))
                row = await cursor.fetchone()
            assert row is not None
            async with self.connection.pipeline():
                for sql, arguments in zip(INSERTS, rows(row[0] - count), strict=True):
                    await cursor.execute(sql, arguments)
            await cursor.execute("COMMIT")

    async def read(self, ids: list[str]) -> int:
        async with psycopg.AsyncRawCursor(self.connection) as cursor:
            cursor.format = psycopg.pq.Format.BINARY
            await cursor.execute(READ, (TENANT, ids))
            return len(await cursor.fetchall())


def rows_of(count: int, ids: list[str]) -> Callable[[int], list[tuple[Any, ...]]]:
    """Return a maker of the arguments of all inserts, for rows numbered after a number."""

    def rows(after: int) -> list[tuple[Any, ...]]:
        numbers = list(range(after + 1, after + count + 1))
        fresh = [f"c{number:011d}" for number in numbers]
        ids.extend(fresh)
        ats = [1_700_000_000_000_000] * count
        bodies = [os.urandom(16) * 14 for _ in numbers]
        return [
            (TENANT, [1] * count, [os.urandom(16) for _ in numbers], numbers),
            (TENANT, numbers, fresh, [os.urandom(300) for _ in numbers], ats),
            (TENANT, numbers, [os.urandom(65) for _ in numbers]),
            (TENANT, numbers, ats, bodies),
            (TENANT, numbers, ats, bodies),
        ]

    return rows


async def timed(
    connections: list[Any], deed: Callable[[Any], Awaitable[None]], rows: int
) -> tuple[float, float]:
    """Return rows a second and the client's CPU in µs a row, of ``deed`` repeated on all connections."""
    done = 0
    start, cpu = time.perf_counter(), time.process_time()

    async def go_on(connection: Any) -> None:
        nonlocal done
        while time.perf_counter() - start < SECONDS:
            await deed(connection)
            done += rows

    await asyncio.gather(*map(go_on, connections))
    wall = time.perf_counter() - start
    return done / wall, (time.process_time() - cpu) / done * 1e6


async def measure(url: str, driver: Any) -> None:
    """Print a line for each way of working."""
    ids: list[str] = []
    for in_flight, batch in ((16, 1), (1, 64), (2, 64), (4, 32)):
        connections = [await driver.open(url) for _ in range(in_flight)]

        async def write(one: Any, size: int = batch) -> None:
            await one.write(rows_of(size, ids), size)

        rate, cpu = await timed(connections, write, batch)
        print(
            f"{driver.__name__:8} write {batch:3} rows x {in_flight:2} in flight: {rate:8.0f}/s {cpu:6.0f} µs"
        )
        for connection in connections:
            await connection.close()
    for in_flight, batch in ((1, 1), (4, 1), (1, 16), (2, 32)):
        connections = [await driver.open(url) for _ in range(in_flight)]

        async def read(one: Any, size: int = batch) -> None:
            place = int.from_bytes(os.urandom(4), "big") % (len(ids) - size)
            assert await one.read(ids[place : place + size]) == size

        rate, cpu = await timed(connections, read, batch)
        print(
            f"{driver.__name__:8} read  {batch:3} rows x {in_flight:2} in flight: {rate:8.0f}/s {cpu:6.0f} µs"
        )
        for connection in connections:
            await connection.close()


def main() -> None:
    """Measure both drivers on one cluster with ``fsync`` on, one after the other, twice."""
    with cluster(18, {}) as made:
        for turn in range(2):
            for driver in (Asyncpg, Psycopg):
                name = f"bench{turn}{driver.__name__.lower()}"
                made.execute(f"CREATE DATABASE {name}")
                made.execute(SCHEMA, name)
                uvloop.run(measure(made.url(name), driver))


if __name__ == "__main__":
    main()
