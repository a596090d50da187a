"""The connection to PostgreSQL is cut at every byte of the commit's exchange: applied once or not at all.

Nobody is told that it was done unless it was; who is told nothing certain asks again with the same key, and
learns which. A caller that just tries again, without a key, does it twice: that the harness sees this, too.
"""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

import clusters
from contracts.rows import NOON, Store, answer, page, record, stored
from customary.app.ports import Job, ReadAnswer
from customary.domain.errors import OutcomeUnknown, Unavailable
from customary.storage.postgres import Address, PostgresEngine

COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"
ANSWER_BYTES = len(b"C\x00\x00\x00\x0bCOMMIT\x00" + b"Z\x00\x00\x00\x05I")
CUTS = [("asking", at) for at in range(len(COMMIT))] + [("answering", at) for at in range(ANSWER_BYTES)]


class Proxy:
    """Stands before a cluster and cuts the connection that commits next, once it is armed."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._armed: tuple[str, int] | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._listener = socket.create_server((clusters.HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self.cuts = 0
        self._writers: set[asyncio.StreamWriter] = set()
        serving = asyncio.start_server(self._join, sock=self._listener)
        self._server = asyncio.run_coroutine_threadsafe(serving, self._loop).result()

    def arm(self, side: str, at: int) -> None:
        """Cut the next commit: after so many bytes of the request, or of the answer."""
        self._armed = (side, at)

    def close(self) -> None:
        """End the proxy."""

        async def end() -> None:
            self._server.close()
            for writer in self._writers:
                writer.transport.abort()
            await asyncio.sleep(0)
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()

        asyncio.run_coroutine_threadsafe(end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(clusters.HOST, self._to)
        self._writers |= {writer, there_writer}
        left: list[int] = []  # how many bytes of the answer may still pass, once that is limited

        async def ask() -> None:
            while chunk := await reader.read(65_536):
                armed = self._armed
                if armed is not None and COMMIT in chunk:
                    self._armed = None
                    self.cuts += 1
                    side, at = armed
                    if side == "asking":
                        there_writer.write(chunk[: chunk.index(COMMIT) + at])
                        await there_writer.drain()
                        return
                    left.append(at)
                there_writer.write(chunk)

        async def tell() -> None:
            while chunk := await there_reader.read(65_536):
                if left:
                    writer.write(chunk[: left[0]])
                    left[0] -= len(chunk)
                    if left[0] <= 0:
                        await writer.drain()
                        return
                else:
                    writer.write(chunk)

        tasks = [asyncio.ensure_future(ask()), asyncio.ensure_future(tell())]
        with suppress(ConnectionError):
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        for one in (writer, there_writer):
            with suppress(ConnectionError):
                one.close()


@pytest.fixture(params=sorted(clusters.VERSIONS))
def cut(request: pytest.FixtureRequest) -> Iterator[tuple[Proxy, Store, Store]]:
    """A proxy before a database, a host that reaches it through the proxy, and one that does not."""
    with clusters.fresh_database(request.param) as url, asyncio.Runner() as runner:
        direct = PostgresEngine(Address(url))
        proxy = Proxy(clusters.shared(request.param).port)
        there = url.replace(f":{clusters.shared(request.param).port}/", f":{proxy.port}/")
        through = PostgresEngine(Address(there), serving=True)
        yield proxy, Store(through, runner), Store(direct, runner)
        runner.run(through.leave())
        for engine in (through, direct):
            engine.close()
        proxy.close()


def once(tenant: str, key: str) -> Job[str]:
    """A job that makes a customer under a key, or finds the one that it has made."""
    first = record(tenant)

    def job() -> Any:
        kept = answer(tenant, key, first)
        found = yield ReadAnswer(tenant, kept.key_tag, NOON)
        if found is None:
            yield stored(first, answer=kept)
            return first.customer_id
        return found.customer_id

    return job


def test_a_cut_commit_is_applied_once_or_not_at_all(cut: tuple[Proxy, Store, Store]) -> None:
    """Whichever byte is the last: unknown is said, never done; the same key then tells, and does it once."""
    proxy, through, direct = cut
    tenant = direct.new_tenant()
    for count, (side, at) in enumerate(CUTS):
        proxy.arm(side, at)
        with pytest.raises(OutcomeUnknown):
            through.run(through.engine.perform(once(tenant, f"{side} {at}")))
        applied = direct.ask(page(tenant))[1] - count
        assert applied == (1 if side == "answering" else 0), (side, at)
        again = once(tenant, f"{side} {at}")
        made = through.run(through.engine.perform(again))
        assert through.run(through.engine.perform(once(tenant, f"{side} {at}"))) == made
        assert direct.ask(page(tenant, limit=1))[1] == count + 1, (side, at)
    assert proxy.cuts == len(CUTS)


def test_a_caller_without_a_key_does_it_twice(cut: tuple[Proxy, Store, Store]) -> None:
    """The control: tried again blindly, a commit whose answer was cut is applied a second time."""
    proxy, through, direct = cut
    tenant = direct.new_tenant()
    proxy.arm("answering", 0)
    with pytest.raises(OutcomeUnknown):
        through.perform(stored(record(tenant)))
    through.perform(stored(record(tenant)))
    assert direct.ask(page(tenant))[1] == 2


def test_a_commit_that_is_not_answered_ends_at_its_deadline(cut: tuple[Proxy, Store, Store]) -> None:
    """No answer is not waited for for ever: the connection is closed, and unknown is said."""
    _, through, direct = cut
    tenant = direct.new_tenant()
    engine = PostgresEngine(Address(direct_url(direct), commit_seconds_max=0.0), serving=True)
    try:
        with pytest.raises(OutcomeUnknown):
            through.run(engine.perform(once(tenant, "late")))
        made = through.run(through.engine.perform(once(tenant, "late")))
        assert through.run(through.engine.perform(once(tenant, "late"))) == made
        assert direct.ask(page(tenant))[1] == 1
    finally:
        through.run(engine.leave())
        engine.close()


def test_without_a_standby_nothing_is_acknowledged(cut: tuple[Proxy, Store, Store]) -> None:
    """With ``replicated``, a commit that would not wait is refused, and one that waits in vain is unknown."""
    _, through, direct = cut
    tenant = direct.new_tenant()
    url = direct_url(direct)
    engine = PostgresEngine(Address(url, replicated=True, commit_seconds_max=0.3), serving=True)
    database = url.rpartition("/")[2]
    made = next(one for one in map(clusters.shared, clusters.VERSIONS) if f":{one.port}/" in url)
    try:
        with pytest.raises(Unavailable, match="later"):
            through.run(engine.perform(once(tenant, "alone")))
        assert direct.ask(page(tenant))[1] == 0
        made.execute(f"ALTER DATABASE {database} SET synchronous_commit = on")
        made.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        made.execute("SELECT pg_reload_conf()")
        waiting = PostgresEngine(Address(url, replicated=True, commit_seconds_max=0.3), serving=True)
        with pytest.raises(OutcomeUnknown):
            through.run(waiting.perform(once(tenant, "in vain")))
        through.run(waiting.leave())
        waiting.close()
    finally:
        made.execute("ALTER SYSTEM RESET synchronous_standby_names")
        made.execute("SELECT pg_reload_conf()")
        through.run(engine.leave())
        engine.close()


def direct_url(store: Store) -> str:
    """The address that an engine of these tests works with."""
    engine = store.engine
    assert isinstance(engine, PostgresEngine)
    return engine.address.url
