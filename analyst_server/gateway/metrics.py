"""Counters of the gateway, in the words of Prometheus. Counting is adding to a plain number; the exposition is built when somebody asks."""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

__all__ = ["Gauges", "Metrics", "exposition"]

# 0.25 ms is a fast disk's flush, 10 s the time after which a publisher gives up.
LATENCY_BUCKETS_S = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


@dataclass(frozen=True, slots=True)
class Gauges:
    """What is so at the moment of asking."""

    connections: int
    users: int
    queued_bytes: int
    dispatches_waiting: int


@dataclass(slots=True)
class Metrics:
    """What has happened since the process started."""

    dispatches_accepted: int = 0
    dispatches_duplicate: int = 0
    dispatches_refused: dict[int, int] = field(default_factory=dict)  # by HTTP status
    events_stored: int = 0
    events_sent: int = 0
    events_replayed: int = 0
    snapshots: int = 0
    marks: int = 0
    slow_closes: int = 0
    auth_failures: int = 0
    connections_opened: int = 0
    connections_refused: dict[str, int] = field(default_factory=dict)  # by reason
    closes: dict[int, int] = field(default_factory=dict)  # by close code that the gateway sent
    commit_counts: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_BUCKETS_S) + 1))
    commit_sum_s: float = 0.0

    def committed(self, seconds: float) -> None:
        """Count one answer of the store."""
        self.commit_counts[bisect_left(LATENCY_BUCKETS_S, seconds)] += 1
        self.commit_sum_s += seconds

    def refused_dispatch(self, status: int) -> None:
        """Count a dispatch that was not accepted."""
        self.dispatches_refused[status] = self.dispatches_refused.get(status, 0) + 1

    def refused_connection(self, reason: str) -> None:
        """Count a connection that was not let in."""
        self.connections_refused[reason] = self.connections_refused.get(reason, 0) + 1

    def closed(self, code: int) -> None:
        """Count a connection that the gateway ended."""
        self.closes[code] = self.closes.get(code, 0) + 1


class _GatewayCollector(Collector):
    def __init__(self, metrics: Metrics, gauges: Gauges) -> None:
        self._metrics = metrics
        self._gauges = gauges

    def collect(self) -> Iterable[Metric]:
        now, m = self._gauges, self._metrics
        yield _gauge("connections", "Connections that are signed in.", now.connections)
        yield _gauge("users", "Users with a connection.", now.users)
        yield _gauge("queue_bytes", "Bytes that wait for readers slower than their events.", now.queued_bytes)
        yield _gauge("dispatches_waiting", "Dispatches that wait for the store.", now.dispatches_waiting)
        yield _counter("dispatches_accepted", "Dispatches answered with 200.", m.dispatches_accepted)
        yield _counter("dispatches_duplicate", "Dispatches of an id that was stored before.", m.dispatches_duplicate)
        yield _labelled("dispatches_refused", "Dispatches not accepted.", "status", m.dispatches_refused)
        yield _counter("events_stored", "Notifications and marks made durable.", m.events_stored)
        yield _counter("events_sent", "Events sent, live or from the log.", m.events_sent)
        yield _counter("events_replayed", "Events sent from the log.", m.events_replayed)
        yield _counter("snapshots", "Cursors that could not be honoured.", m.snapshots)
        yield _counter("marks", "Marks stored.", m.marks)
        yield _counter("slow_closes", "Connections closed because they read too slowly.", m.slow_closes)
        yield _counter("auth_failures", "Tokens refused.", m.auth_failures)
        yield _counter("connections_opened", "WebSocket handshakes completed.", m.connections_opened)
        yield _labelled("connections_refused", "Connections not let in.", "reason", m.connections_refused)
        yield _labelled("closes", "Connections ended by the gateway.", "code", m.closes)
        yield self._commit_latency()

    def _commit_latency(self) -> Metric:
        running, buckets = 0, []
        bounds = [*(f"{bound:g}" for bound in LATENCY_BUCKETS_S), "+Inf"]
        for bound, count in zip(bounds, self._metrics.commit_counts, strict=True):
            running += count
            buckets.append((bound, running))
        return HistogramMetricFamily(
            "analyst_commit_seconds",
            "Time from a dispatch to its event being durable.",
            buckets=buckets,
            sum_value=self._metrics.commit_sum_s,
        )


def exposition(metrics: Metrics, gauges: Callable[[], Gauges]) -> bytes:
    """Return all metrics in the text format of Prometheus."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_GatewayCollector(metrics, gauges()))
    return generate_latest(registry)


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(f"analyst_{name}", words, value=value)


def _counter(name: str, words: str, value: float) -> Metric:
    return CounterMetricFamily(f"analyst_{name}", words, value=value)


def _labelled(name: str, words: str, label: str, values: dict[int, int] | dict[str, int]) -> Metric:
    family = CounterMetricFamily(f"analyst_{name}", words, labels=[label])
    for key, value in sorted(values.items(), key=str):
        family.add_metric([str(key)], value)
    return family
