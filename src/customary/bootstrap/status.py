"""How the server is doing: liveness, readiness, metrics, and the log line of each request.

Counts and route templates only: no id, and no value that a caller sent.
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Protocol

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from customary import log
from customary.domain.errors import CustomaryError, OutcomeUnknown, Unavailable
from customary.http.exchange import Exchange, Reply

_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"})


class _Times:
    """How long requests of one kind took: how many, how long in all, and how many in each bucket."""

    __slots__ = ("buckets", "seconds")

    def __init__(self) -> None:
        self.seconds = 0.0
        self.buckets = [0] * (len(_BUCKETS) + 1)


class _RequestSeconds(Collector):
    """The histogram of request times.

    The library's own takes a lock and walks its buckets, 3 µs a request; all our requests are answered on
    one thread, so plain numbers do.
    """

    def __init__(self) -> None:
        self._times: dict[tuple[str, str, str, int], _Times] = {}

    def observe(self, kind: tuple[str, str, str, int], seconds: float) -> None:
        """Count one request of a kind: room, method, route and status."""
        times = self._times.get(kind)
        if times is None:
            times = self._times[kind] = _Times()
        times.seconds += seconds
        times.buckets[bisect_left(_BUCKETS, seconds)] += 1

    def collect(self) -> Iterator[Metric]:
        """Yield the histogram in the library's form."""
        labels = ("room", "method", "route", "status")
        told = "Time from the head of a request to its answer."
        family = HistogramMetricFamily("customary_request_seconds", told, labels=labels)
        for kind, times in list(self._times.items()):
            upto = [*map(str, _BUCKETS), "+Inf"]
            counts = zip(upto, accumulate(times.buckets), strict=True)
            family.add_metric([str(label) for label in kind], list(counts), times.seconds)
        yield family


class Audit(Protocol):
    """Whoever keeps the audit trail."""

    is_failing: bool
    failure_count: int


class Watch:
    """Counts and logs requests (the ``Observer`` of every room)."""

    def __init__(self, *, request_log: bool) -> None:
        self.metrics = CollectorRegistry()
        self._seconds = _RequestSeconds()
        self.metrics.register(self._seconds)
        self._refusals = Counter(
            "customary_refusals",
            "Requests refused, by kind of refusal.",
            ("room", "refusal"),
            registry=self.metrics,
        )
        self.audit: Audit | None = None
        gauges: tuple[tuple[str, str, Callable[[], float]], ...] = (
            ("customary_audit_up", "Whether the audit trail is kept: 1, or 0.", self._audit_up),
            ("customary_audit_failures", "Turns that failed to keep the audit trail.", self._audit_failures),
        )
        for name, told, function in gauges:
            Gauge(name, told, registry=self.metrics).set_function(function)
        self._request_log = request_log
        self._quiet_until = 0.0
        self._log = log.get("http")

    def _audit_up(self) -> float:
        return float(self.audit is not None and not self.audit.is_failing)

    def _audit_failures(self) -> float:
        return float(self.audit.failure_count if self.audit is not None else 0)

    def answered(self, room: str, exchange: Exchange, reply: Reply, seconds: float) -> None:
        """Count a request and write its line."""
        method = exchange.method if exchange.method in _METHODS else "other"
        self._seconds.observe((room, method, exchange.route, reply.status), seconds)
        if self._request_log:
            principal = exchange.principal
            log.request_line(
                method=method,
                route=f"{room} {exchange.route}",
                status=reply.status,
                duration_us=int(seconds * 1e6),
                request_id=exchange.request_id,
                tenant_id=principal.tenant_id if principal else "",
                key_id=principal.key_id if principal else "",
                bytes_out=len(reply.body),
            )

    def refused(self, room: str, exchange: Exchange, error: CustomaryError) -> None:
        """Count a refusal; its detail is the operator's."""
        self._refusals.labels(room, type(error).__name__).inc()
        # What no caller has caused the operator must hear of, but not for every request.
        ours = isinstance(error, Unavailable | OutcomeUnknown)
        if ours and time.monotonic() < self._quiet_until:
            return
        if ours:
            self._quiet_until = time.monotonic() + 1.0
        if ours or error.detail:
            tell = self._log.warning if ours else self._log.debug
            tell(
                "request refused",
                error=type(error).__name__,
                detail=error.detail,
                request_id=exchange.request_id,
            )

    def failed(self, room: str, exchange: Exchange, error: Exception) -> None:
        """Log a failure of the program, without its message."""
        self._refusals.labels(room, "InternalError").inc()
        self._log.error(
            "internal error", exc_info=error, request_id=exchange.request_id, route=f"{room} {exchange.route}"
        )


class Readiness:
    """Whether requests may be sent to the server, and what it does not do meanwhile."""

    def __init__(self, audit: Audit | None, durability: str, keys_turn: Callable[[], bool] = bool) -> None:
        self._audit = audit
        self.durability = durability
        self.keys_turn = keys_turn

    @property
    def state(self) -> str:
        """Return ``ready``, ``sealed`` without a root key, or ``audit_failing`` while changes are refused."""
        if self._audit is None:
            return "sealed"
        return "audit_failing" if self._audit.is_failing else "ready"

    @property
    def is_ready(self) -> bool:
        """Return whether it answers requests at all.

        While the trail cannot be kept masked readings go on, so who asks must not take them away, too: all
        servers that share the place of the checkpoints fail at once.
        """
        return self._audit is not None


def routes(watch: Watch, readiness: Readiness, *, metrics: bool) -> list[BaseRoute]:
    """Return the routes that tell how the server is doing."""

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok"}, headers={"Cache-Control": "no-store"})

    async def readyz(_: Request) -> Response:
        turning = {"keys": "turning"} if readiness.keys_turn() else {}
        return JSONResponse(
            {"status": readiness.state, "durability": readiness.durability, **turning},
            status_code=200 if readiness.is_ready else 503,
            headers={"Cache-Control": "no-store"},
        )

    async def exposition(_: Request) -> Response:
        body = prometheus_client.generate_latest(watch.metrics)
        return Response(body, media_type=prometheus_client.CONTENT_TYPE_PLAIN_0_0_4)

    found: list[BaseRoute] = [Route("/healthz", healthz), Route("/readyz", readyz)]
    if metrics:
        found.append(Route("/metrics", exposition))
    return found
