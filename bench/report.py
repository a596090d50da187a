"""What a run of the benchmark found: the figures, the ratios and the marks they are held to, the machine.

It must never measure; it is given figures and says what they mean.
"""

import json
import math
import os
import platform
import statistics
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

OUT = Path(__file__).resolve().parent / "out"
QUIET_SHARE_MAX = 0.25
P99_MS_MAX = 50.0
MEMORY_MIB_MAX = 150.0
MEMORY_CUSTOMERS = 100_000

LABELS = {
    "create/basic": "customary, create, Trustly, Basic",
    "create/hawk": "customary, create, Trustist, Hawk",
    "create/usual": "usual stack, create",
    "create/tuned": "usual stack tuned, create",
    "read/basic": "customary, GET by id, Trustly, Basic",
    "read/in use": "customary, GET by id, Trustly, 1,000 customers in use",
    "read/hawk": "customary, GET by id, Trustist, Hawk",
    "read/constant": "constant body, GET",
    "read/usual": "usual stack, GET by id",
}
# (ours, compared to, the least it must be; None is told for the reader and held to nothing)
COMPARISONS: tuple[tuple[str, str, float | None], ...] = (
    ("create/basic", "create/usual", 10.0),
    ("create/hawk", "create/usual", 10.0),
    ("create/basic", "create/tuned", None),
    ("read/basic", "read/constant", 0.4),
    ("read/hawk", "read/constant", 0.4),
    ("read/in use", "read/constant", 0.4),
    ("read/basic", "read/usual", None),
)
HELD_TO_P99 = ("create/basic", "create/hawk", "read/basic", "read/hawk")


@dataclass(frozen=True)
class Figures:
    """Medians over the rounds of one scenario, and what each round gave.

    `generator_busy` and `others_busy` are shares of one core: the load generator's, and that of every process
    that is neither it nor the server measured. Not a number where there is no /proc.
    """

    per_second: float
    p50_ms: float
    p99_ms: float
    server_cpu_us: float
    generator_busy: float
    others_busy: float
    rounds: list[float]
    p99_ms_rounds: list[float]


@dataclass(frozen=True)
class Memory:
    """Resident memory of the server, in MiB, with that many customers."""

    customers: int
    now_mib: float
    peak_mib: float


@dataclass(frozen=True)
class Machine:
    """Where the figures come from."""

    cores: int
    processor: str
    python: str
    load_before: float
    fsync_ms: float
    taken_at: str


@dataclass(frozen=True)
class Report:
    """One run."""

    machine: Machine
    size: Mapping[str, float]
    figures: Mapping[str, Figures]
    memory: Memory | None


@dataclass(frozen=True)
class Mark:
    """One statement about a run: a value, what it is held to, and whether it holds, if held to anything."""

    what: str
    value: str
    wanted: str
    holds: bool | None


def machine(folder: Path) -> Machine:
    """Return the machine as it is now; the fsync is timed where the databases lie: it bounds commits."""
    processor = platform.processor() or platform.machine()
    described = Path("/proc/cpuinfo")
    if described.exists():
        names = (
            line.partition(":")[2].strip()
            for line in described.read_text().splitlines()
            if "model name" in line
        )
        processor = next(names, processor)
    return Machine(
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        processor=processor,
        python=platform.python_version(),
        load_before=os.getloadavg()[0],
        fsync_ms=_fsync_ms(folder),
        taken_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    )


def _fsync_ms(folder: Path) -> float:
    """Return the median time of a 4 KiB append that is synced to disk."""
    taken = []
    with (folder / "fsync").open("wb", buffering=0) as file:
        for _ in range(100):
            began = time.perf_counter()
            file.write(bytes(4096))
            os.fsync(file.fileno())
            taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken)


def marks(seen: Report) -> list[Mark]:
    """Return every statement that the run allows, the ratios first."""
    figures, found = seen.figures, []
    for ours, other, least in COMPARISONS:
        if ours not in figures or other not in figures:
            continue
        ratio = figures[ours].per_second / figures[other].per_second
        wanted = "" if least is None else f"at least {least:g}"
        holds = None if least is None else ratio >= least
        found.append(Mark(f"{LABELS[ours]} : {LABELS[other]}", f"{ratio:.2f}", wanted, holds))
    for key in HELD_TO_P99:
        if key in figures:
            p99 = figures[key].p99_ms
            found.append(
                Mark(f"p99: {LABELS[key]}", f"{p99:.1f} ms", f"under {P99_MS_MAX:g} ms", p99 < P99_MS_MAX)
            )
    if seen.memory is not None:
        memory = seen.memory
        enough = memory.customers >= MEMORY_CUSTOMERS
        found.append(
            Mark(
                f"memory with {memory.customers:,} customers",
                f"{memory.now_mib:.0f} MiB (peak {memory.peak_mib:.0f})",
                f"under {MEMORY_MIB_MAX:g} MiB" + ("" if enough else f" with {MEMORY_CUSTOMERS:,}"),
                memory.now_mib < MEMORY_MIB_MAX if enough else None,
            )
        )
    return found


def show(seen: Report) -> None:
    """Print the figures and the marks."""
    console = Console(width=None if sys.stdout.isatty() else 120)
    at = seen.machine
    console.print(
        f"{at.cores} cores ({at.processor}), Python {at.python}, fsync {at.fsync_ms:.2f} ms, "
        f"load {at.load_before:.1f}; {seen.size['rounds']} rounds of {seen.size['seconds']:g} s, "
        f"{seen.size['connections']} connections",
        highlight=False,
    )
    table = Table(title="Figures (medians)", title_justify="left")
    table.add_column("")
    for heading in ("requests/s", "p50 ms", "p99 ms", "server CPU µs", "generator", "others"):
        table.add_column(heading, justify="right", no_wrap=True)
    for key in LABELS:
        if key in seen.figures:
            row = seen.figures[key]
            table.add_row(
                LABELS[key],
                f"{row.per_second:,.0f}",
                f"{row.p50_ms:.2f}",
                f"{row.p99_ms:.2f}",
                f"{row.server_cpu_us:.1f}",
                f"{row.generator_busy:.0%}",
                f"{row.others_busy:.0%}",
            )
    console.print(table)
    if any(row.others_busy > QUIET_SHARE_MAX for row in seen.figures.values()):
        console.print(
            f"Other processes took more than {QUIET_SHARE_MAX:.0%} of a core: run it again when it is quiet."
        )
    found = marks(seen)
    if not found:
        return
    table = Table(title="Ratios and marks", title_justify="left")
    for heading in ("", "found", "wanted", ""):
        table.add_column(heading)
    for mark in found:
        verdict = "" if mark.holds is None else "[green]holds[/]" if mark.holds else "[red]missed[/]"
        table.add_row(mark.what, mark.value, mark.wanted, verdict)
    console.print(table)


def progress(line: str) -> None:
    """Print a line on stderr, so that a long run is seen to move."""
    print(line, file=sys.stderr, flush=True)


def keep(seen: Report) -> Path:
    """Write the report as JSON and return where; not a number is null there."""
    OUT.mkdir(exist_ok=True)
    path = OUT / "latest.json"
    found = asdict(seen) | {"marks": [asdict(mark) for mark in marks(seen)]}
    for row in found["figures"].values():
        for name in ("server_cpu_us", "others_busy"):
            if math.isnan(row[name]):
                row[name] = None
    path.write_text(json.dumps(found, indent=2) + "\n")
    return path
