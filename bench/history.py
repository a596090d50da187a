"""How long reads of the past take on a customer of many versions: over HTTP, one request at a time.

    uv run bench/history.py [VERSIONS]

It is read, not passed: no test depends on a time. The mark is 5 ms for an as-of read among 1,000 versions.
"""

import http.client
import json
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from exchanges import Hawk
from subjects import HOST, customary

VERSIONS = 1000
ROUNDS = 300
MARK_MS = 5.0

Call = Callable[[str, str, object], Any]


def caller(port: int, hawk: Hawk) -> Call:
    """Return a function that makes one signed request on one connection and returns the decoded answer."""
    connection = http.client.HTTPConnection(HOST, port)
    sign = hawk.signer(HOST, port)

    def call(method: str, target: str, body: object) -> Any:
        data = b"" if body is None else json.dumps(body).encode()
        headers = {
            "Authorization": sign(method.encode(), target.encode(), data).decode("latin-1"),
            "Content-Type": "application/json",
        }
        connection.request(method, target, data or None, headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status not in (200, 201):
            sys.exit(f"{method} {target} was answered {answer.status}: {text[:200]!r}")
        return json.loads(text)

    return call


def grown(call: Call, versions: int) -> tuple[str, list[str]]:
    """Return the path of a new customer with so many versions, and the instants at which they were made."""
    body = {"fullName": "Joe User", "email": "joe@example.com", "taxId": "123456790", "customData": {"n": 0}}
    made = call("POST", "/native/v1/customers", body)
    path = f"/native/v1/customers/{made['id']}"
    changes = ({"customData": {"n": number}, "taxId": f"{number:09d}"} for number in range(1, versions))
    later = [call("PATCH", path, change)["updatedAt"] for change in changes]
    return path, [made["updatedAt"], *later]


def measured(call: Call, targets: Callable[[], str]) -> tuple[float, float]:
    """Return the median and the 99th percentile of reads, in milliseconds."""
    taken = []
    for _ in range(ROUNDS):
        target = targets()
        started = time.perf_counter()
        call("GET", target, None)
        taken.append((time.perf_counter() - started) * 1000)
    return statistics.median(taken), statistics.quantiles(taken, n=100)[98]


def main(versions: int) -> None:
    """Print a line for each kind of read."""
    executable = shutil.which("customary")
    if executable is None:
        sys.exit("customary is not on the PATH: uv run bench/history.py")
    with tempfile.TemporaryDirectory() as folder, customary(Path(folder), executable) as server:
        call = caller(server.subject.port, server.hawk)
        path, instants = grown(call, versions)
        chance = random.Random(1)  # the same reads in each run
        kinds: dict[str, Callable[[], str]] = {
            "current": lambda: path,
            "as of its first": lambda: f"{path}?at={instants[0]}",
            "as of its last": lambda: f"{path}?at={instants[-1]}",
            "as of any instant": lambda: f"{path}?at={chance.choice(instants)}",
            "a version": lambda: f"{path}/versions/{chance.randint(1, versions)}",
            "a difference": lambda: f"{path}/diff?from={chance.randint(1, versions)}",
            "50 versions": lambda: f"{path}/versions",
        }
        print(
            f"{versions} versions of one customer; ms a signed request over HTTP (mark for as-of: {MARK_MS})"
        )
        for kind, targets in kinds.items():
            median, worst = measured(call, targets)
            print(f"{kind:<20} median {median:6.2f}   p99 {worst:6.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else VERSIONS)
