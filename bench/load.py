"""A load generator that is cheap enough to share two cores with the server it measures.

One thread on uvloop; every connection is a bare protocol that keeps one request in flight, reads
only the status and the length of an answer, and sends the next (closed loop). It must never know
what a request means: that is `exchanges`' part.

    uv run bench/load.py --port 8080 --target /api/v1/customers/ --ids 4100273645 --basic ID:SECRET
    uv run bench/load.py --port 8080 --target /v1/customers --hawk ID:SECRET --bodies trustist --requests 1000
"""

import argparse
import asyncio
import dataclasses
import gc
import json
import math
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import uvloop
from exchanges import Basic, Credential, Hawk, Maker, gets, posts, trustist_bodies, trustly_bodies

IDS_KEPT_MAX = 20_000
DRAIN_SECONDS_MAX = 60.0


@dataclass(frozen=True)
class Plan:
    """What to send, over how many connections, and for how long: either `seconds` or `requests` bounds it."""

    host: str
    port: int
    make: Maker
    connections: int = 64
    warm_up_seconds: float = 0.0
    seconds: float = 0.0
    requests: int = 0
    id_of: re.Pattern[bytes] | None = None
    server_pid: int = 0


@dataclass
class Outcome:
    """What was seen inside the window; `answered` and `ids` also count the warm-up and the drain."""

    completed: int = 0
    seconds: float = 0.0
    per_second: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    worst_ms: float = 0.0
    refused: int = 0
    first_refusal: str = ""
    server_cpu_us: float = 0.0
    generator_busy: float = 0.0
    others_busy: float = 0.0
    answered: int = 0
    ids: list[str] = field(default_factory=list, repr=False)


class Disconnected(ConnectionError):
    """The server closed a connection that it should have kept."""


def answer_length(received: bytes) -> int:
    """Return how many bytes the first answer takes in all, or -1 while its head is incomplete."""
    head_end = received.find(b"\r\n\r\n")
    if head_end < 0:
        return -1
    head = received[: head_end + 2].lower()
    at = head.find(b"\r\ncontent-length:")
    if at < 0:
        raise ValueError("the generator reads only answers with a Content-Length")
    return head_end + 4 + int(head[at + 17 : head.index(b"\r\n", at + 17)])


def cpu_seconds(pid: int) -> float:
    """Return the processor time that the process and its threads have used, in steps of 10 ms."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return math.nan
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def cpu_seconds_of_all() -> float:
    """Return the processor time that all processes of the machine have used."""
    try:
        first = Path("/proc/stat").read_text().partition("\n")[0].split()
    except FileNotFoundError:
        return math.nan
    user, nice, system, _idle, _waiting, interrupts, soft, steal = map(int, first[1:9])
    return (user + nice + system + interrupts + soft + steal) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class _Clocks:
    """What the clocks show at one end of the window, in seconds."""

    wall: float
    server: float
    generator: float
    all: float

    @classmethod
    def read(cls, server_pid: int) -> "_Clocks":
        """Return the clocks as they are now."""
        return cls(time.perf_counter(), cpu_seconds(server_pid), time.process_time(), cpu_seconds_of_all())


class _Run:
    """The state that the connections of one measurement share."""

    def __init__(self, plan: Plan, loop: asyncio.AbstractEventLoop) -> None:
        self.make = plan.make
        self.id_of = plan.id_of
        self.outcome = Outcome()
        self.latencies: list[int] = []
        self.timed = False
        self.left = plan.requests or -1
        self.in_flight = 0
        self.drained: asyncio.Future[None] = loop.create_future()

    def stop(self) -> None:
        """Let no connection send again; `drained` is done once the last answer is in."""
        self.left = 0
        if not self.in_flight and not self.drained.done():
            self.drained.set_result(None)

    def fail(self, error: Exception) -> None:
        """Make the measurement raise the error."""
        if not self.drained.done():
            self.drained.set_exception(error)

    def answered(self, answer: bytes, nanoseconds: int) -> None:
        """Count one whole answer."""
        outcome = self.outcome
        outcome.answered += 1
        if self.timed:
            self.latencies.append(nanoseconds)
        if not answer.startswith(b"HTTP/1.1 2"):
            outcome.refused += 1
            if not outcome.first_refusal:
                outcome.first_refusal = answer.decode("utf-8", "replace")[:2000]
        elif self.id_of is not None and len(outcome.ids) < IDS_KEPT_MAX:
            found = self.id_of.search(answer)
            if found is not None:
                outcome.ids.append(found[1].decode())


class _Connection(asyncio.Protocol):
    """One kept-alive connection with at most one request in flight."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._received = b""
        self._sent_at = 0
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def send(self) -> None:
        """Send the next request, if any is left."""
        run = self._run
        if not run.left:
            return
        run.left -= 1  # from -1 it never comes to 0: bounded by time
        run.in_flight += 1
        assert self._transport is not None
        request = run.make()
        self._sent_at = time.perf_counter_ns()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        try:
            length = answer_length(received)
        except ValueError as error:
            self._run.fail(error)
            return
        if length < 0 or len(received) < length:
            self._received = received
            return
        run = self._run
        run.answered(received, time.perf_counter_ns() - self._sent_at)
        run.in_flight -= 1
        self._received = b""
        self.send()
        if not run.left and not run.in_flight:
            run.stop()

    def connection_lost(self, exc: Exception | None) -> None:
        self._run.fail(exc or Disconnected("the server closed a connection that it should have kept"))


async def measure(plan: Plan) -> Outcome:
    """Run the plan and return what was seen; a lost connection raises."""
    loop = asyncio.get_running_loop()
    run = _Run(plan, loop)
    opened = [
        await loop.create_connection(lambda: _Connection(run), plan.host, plan.port)
        for _ in range(plan.connections)
    ]
    gc.collect()
    gc.disable()
    try:
        for _, connection in opened:
            connection.send()
        if plan.warm_up_seconds:
            await _until(run.drained, plan.warm_up_seconds)
        began = _Clocks.read(plan.server_pid)
        run.timed = True
        await _until(run.drained, plan.seconds or None)
        run.timed = False
        ended = _Clocks.read(plan.server_pid)
        run.stop()
        await asyncio.wait_for(run.drained, DRAIN_SECONDS_MAX)
    finally:
        gc.enable()
        run.drained.cancel()  # what closes from here on is our doing
        for transport, _ in opened:
            transport.close()
    return _summed(run, began, ended)


async def _until(drained: asyncio.Future[None], seconds: float | None) -> None:
    """Wait for the time to pass or all requests to be answered, whichever is first; raise any error."""
    await asyncio.wait([drained], timeout=seconds)
    if drained.done():
        drained.result()


def _summed(run: _Run, began: _Clocks, ended: _Clocks) -> Outcome:
    """Return the outcome with its figures filled in."""
    outcome, ranked = run.outcome, sorted(run.latencies)
    seconds, used = ended.wall - began.wall, ended.server - began.server
    own = ended.generator - began.generator
    outcome.completed = len(ranked)
    outcome.seconds = seconds
    outcome.generator_busy = own / seconds
    # The kernel counts all by ticks and a process exactly: a quiet machine can come out below nothing.
    outcome.others_busy = max((ended.all - began.all - used - own) / seconds, 0.0)
    if ranked:
        outcome.per_second = len(ranked) / seconds
        outcome.p50_ms = ranked[len(ranked) // 2] / 1e6
        outcome.p99_ms = ranked[min(len(ranked) - 1, math.ceil(len(ranked) * 0.99) - 1)] / 1e6
        outcome.worst_ms = ranked[-1] / 1e6
        outcome.server_cpu_us = used / len(ranked) * 1e6
    return outcome


def _credential(chosen: argparse.Namespace) -> Credential:
    """Return the credential that the options name."""
    kind: Callable[[str, str], Credential] = Hawk if chosen.hawk else Basic
    key_id, _, secret = (chosen.hawk or chosen.basic or ":").partition(":")
    return kind(key_id, secret)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure one target and print the figures as JSON; the exit code is 1 if an answer was not 2xx."""
    parser = argparse.ArgumentParser(description="Load one target over kept-alive connections.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--target", required=True, help="path to post to, or prefix of the ids to get")
    parser.add_argument("--ids", nargs="+", default=[""], help="ids to get, each appended to the target")
    parser.add_argument(
        "--bodies", choices=["trustly", "trustist"], help="post new customers instead of getting"
    )
    parser.add_argument("--basic", metavar="ID:SECRET")
    parser.add_argument("--hawk", metavar="ID:SECRET")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--warm-up", type=float, default=1.0, metavar="SECONDS")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--requests", type=int, default=0, help="send this many, without warm-up, instead")
    parser.add_argument("--server-pid", type=int, default=0)
    chosen = parser.parse_args(arguments)
    credential = _credential(chosen)
    if chosen.bodies:
        bodies = trustly_bodies() if chosen.bodies == "trustly" else trustist_bodies()
        make = posts(credential, chosen.host, chosen.port, chosen.target, bodies)
    else:
        make = gets(credential, chosen.host, chosen.port, chosen.target, chosen.ids)
    plan = Plan(
        chosen.host,
        chosen.port,
        make,
        chosen.connections,
        warm_up_seconds=0.0 if chosen.requests else chosen.warm_up,
        seconds=0.0 if chosen.requests else chosen.seconds,
        requests=chosen.requests,
        server_pid=chosen.server_pid,
    )
    outcome = uvloop.run(measure(plan))
    print(json.dumps(dataclasses.asdict(outcome), indent=2))
    return 1 if outcome.refused else 0


if __name__ == "__main__":
    sys.exit(main())
