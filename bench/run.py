"""The benchmark: customary beside the usual stack and beside a constant body, on this machine, in one run.

    uv run bench/run.py [--quick]

Every server runs throughout; the measurements take turns (A B A B), so that what else the machine
does falls on all alike, and medians are compared. It must never assert: a benchmark on a shared
machine is read, not passed. The exit code is 1 only when a server did not start or an answer was
not 2xx: then the figures mean nothing.
"""

import argparse
import os
import re
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

import report
import uvloop
from exchanges import Bodies, Credential, Maker, gets, posts, trustist_bodies, trustly_bodies
from load import Outcome, Plan, measure
from subjects import (
    HOST,
    Subject,
    Unfit,
    baseline,
    constant,
    customary,
    memory_mib,
    new_credential,
)

TRUSTLY = "/api/v1/customers"
TRUSTIST = "/v1/customers"
CUSTOMERS_IN_USE = 1_000
TRUSTLY_ID = re.compile(rb'"customerId"\s*:\s*"([^"]+)"')
TRUSTIST_ID = re.compile(rb'"id"\s*:\s*"([^"]+)"')


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    rounds: int
    warm_up_seconds: float
    seconds: float
    connections: int
    customers: int


@dataclass
class Scenario:
    """One kind of request to one server, measured once a round."""

    key: str
    subject: Subject
    maker: Callable[[], Maker]
    id_of: re.Pattern[bytes] | None = None
    ids: list[str] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)


def creating(
    key: str, subject: Subject, credential: Credential, target: str, bodies: Bodies, id_of: re.Pattern[bytes]
) -> Scenario:
    """Return the scenario of posting a new customer a request."""
    make = posts(credential, HOST, subject.port, target, bodies)
    return Scenario(key, subject, lambda: make, id_of)


def reading(
    key: str,
    subject: Subject,
    credential: Credential,
    target: str,
    ids: Sequence[str],
    in_use: int | None = None,
) -> Scenario:
    """Return the scenario of reading one of the ids a request, or of the first so many that are ``in_use``.

    The ids are looked at when a round begins.
    """
    return Scenario(key, subject, lambda: gets(credential, HOST, subject.port, f"{target}/", ids[:in_use]))


def planned(stack: ExitStack, folder: Path, executable: str | None) -> list[Scenario]:
    """Start the servers and return the scenarios of a round, writes first: reads need their ids."""
    credential = new_credential()
    usual = stack.enter_context(baseline(folder, "usual", credential))
    tuned = stack.enter_context(baseline(folder, "tuned", credential))
    fixed = stack.enter_context(constant(folder))
    ours = stack.enter_context(customary(folder, executable)) if executable else None
    by_usual = creating("create/usual", usual, credential, TRUSTLY, trustly_bodies(), TRUSTLY_ID)
    by_tuned = creating("create/tuned", tuned, credential, TRUSTLY, trustly_bodies(), TRUSTLY_ID)
    of_usual = reading("read/usual", usual, credential, TRUSTLY, by_usual.ids)
    of_fixed = reading("read/constant", fixed, credential, TRUSTLY, ["410027364519"])
    if ours is None:
        return [by_usual, by_tuned, of_usual, of_fixed]
    it = ours.subject
    by_basic = creating("create/basic", it, ours.basic, TRUSTLY, trustly_bodies(), TRUSTLY_ID)
    by_hawk = creating("create/hawk", it, ours.hawk, TRUSTIST, trustist_bodies(), TRUSTIST_ID)
    of_basic = reading("read/basic", it, ours.basic, TRUSTLY, by_basic.ids)
    in_use = reading("read/in use", it, ours.basic, TRUSTLY, by_basic.ids, CUSTOMERS_IN_USE)
    of_hawk = reading("read/hawk", it, ours.hawk, TRUSTIST, by_hawk.ids)
    return [by_basic, by_usual, by_hawk, by_tuned, of_basic, in_use, of_fixed, of_hawk, of_usual]


def measured(scenario: Scenario, size: Size) -> Outcome:
    """Measure the scenario once, keep what was seen, and return it; a refused request ends the benchmark."""
    plan = Plan(
        HOST,
        scenario.subject.port,
        scenario.maker(),
        size.connections,
        warm_up_seconds=size.warm_up_seconds,
        seconds=size.seconds,
        id_of=scenario.id_of,
        server_pid=scenario.subject.pid,
    )
    outcome = uvloop.run(measure(plan))
    _all_accepted(scenario.key, outcome)
    if scenario.id_of is not None and not outcome.ids:
        raise Unfit(f"{scenario.key}: the answers carry no id")
    scenario.ids += outcome.ids
    scenario.outcomes.append(outcome)
    return outcome


def memory_filled(folder: Path, executable: str, size: Size) -> report.Memory:
    """Return the memory of a new server that was posted the customers and has then read some of them."""
    with customary(folder, executable, "memory") as ours:
        it = ours.subject
        filling = creating("filling up", it, ours.basic, TRUSTLY, trustly_bodies(), TRUSTLY_ID)
        fill = Plan(
            HOST, it.port, filling.maker(), size.connections, requests=size.customers, id_of=TRUSTLY_ID
        )
        filled = uvloop.run(measure(fill))
        _all_accepted(filling.key, filled)
        measured(reading("reading back", it, ours.basic, TRUSTLY, filled.ids), size)
        now, peak = memory_mib(it.pid)
    return report.Memory(size.customers, now, peak)


def _all_accepted(key: str, outcome: Outcome) -> None:
    """Raise if any answer was not 2xx: a fast refusal is no throughput."""
    if outcome.refused:
        raise Unfit(f"{key}: {outcome.refused} answers were not 2xx; the first:\n{outcome.first_refusal}")


def merged(outcomes: Sequence[Outcome]) -> report.Figures:
    """Return the medians over the rounds."""

    def median(of: Callable[[Outcome], float]) -> float:
        return statistics.median(map(of, outcomes))

    return report.Figures(
        per_second=median(lambda seen: seen.per_second),
        p50_ms=median(lambda seen: seen.p50_ms),
        p99_ms=median(lambda seen: seen.p99_ms),
        server_cpu_us=median(lambda seen: seen.server_cpu_us),
        generator_busy=median(lambda seen: seen.generator_busy),
        others_busy=median(lambda seen: seen.others_busy),
        rounds=[round(seen.per_second, 1) for seen in outcomes],
        p99_ms_rounds=[round(seen.p99_ms, 2) for seen in outcomes],
    )


def benchmark(size: Size, folder: Path, executable: str | None) -> report.Report:
    """Run everything and return the report."""
    with ExitStack() as stack:
        scenarios = planned(stack, folder, executable)
        for number in range(1, size.rounds + 1):
            for scenario in scenarios:
                outcome = measured(scenario, size)
                report.progress(f"round {number}  {scenario.key:<15} {outcome.per_second:>9,.0f}/s")
    memory = memory_filled(folder, executable, size) if executable else None
    figures = {scenario.key: merged(scenario.outcomes) for scenario in scenarios}
    return report.Report(report.machine(folder), asdict(size), figures, memory)


def _sized(chosen: argparse.Namespace) -> Size:
    """Return the size that the options name."""
    rounds, warm_up, seconds, customers = (3, 1.0, 2.0, 20_000) if chosen.quick else (3, 2.0, 8.0, 100_000)
    return Size(
        chosen.rounds or rounds,
        warm_up,
        chosen.seconds or seconds,
        chosen.connections,
        chosen.customers or customers,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark, print the tables and keep the figures in bench/out/latest.json."""
    beside = Path(sys.executable).parent / "customary"
    parser = argparse.ArgumentParser(
        description="Measure customary beside the usual stack and a constant body."
    )
    parser.add_argument(
        "--quick", action="store_true", help="short rounds, and 20,000 customers instead of 100,000"
    )
    parser.add_argument("--peers", action="store_true", help="measure only what customary is compared to")
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=0.0, help="length of one measurement")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--customers", type=int, default=0, help="how many the memory is read with")
    parser.add_argument("--executable", default=str(beside), help="the customary to measure")
    parser.add_argument("--folder", type=Path, help="where the databases go; default: the temporary folder")
    chosen = parser.parse_args(arguments)
    if not chosen.peers and not os.access(chosen.executable, os.X_OK):
        parser.error(f"{chosen.executable} is not there; --peers measures without it")
    with tempfile.TemporaryDirectory(prefix="customary-bench-", dir=chosen.folder) as folder:
        try:
            seen = benchmark(_sized(chosen), Path(folder), None if chosen.peers else chosen.executable)
        except (Unfit, ConnectionError) as error:
            print(f"the benchmark stopped: {error}", file=sys.stderr)
            return 1
    report.show(seen)
    kept = report.keep(seen)
    print(f"kept in {os.path.relpath(kept)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
