"""The Prometheus door: what `/metrics` shows, in base units, with few and fixed labels.

A scrape of 1,000 label sets was measured to hold the loop for 186 ms (`performance.md` 0.7): so no label
ever names an agent or a call, queues come from the configuration (any other is counted as ``other``),
children are looked up once, and `render` may run in a thread: it reads one snapshot by one reference, and
the library's own counters have locks.

Counters start at 0 with each start of the controller, as is usual; `hotline_service_level_ratio` is
computed from stored instants (`metrics/servicelevel.py`) and does not.
"""

from __future__ import annotations

import asyncio
import enum
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from metrics.servicelevel import abandon_wait, abandoned, answer_wait, answered, estimates_held, queue_entry
from pbx.call import CallRecord, Outcome
from pbx.ids import CallId, QueueId

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Of what `HotlineMetrics.render` gives."""

WAIT_BUCKETS = (1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0, 300.0)
"""Upper bounds in seconds; 15 s is the national standard's (GB/T 33358-2016), 20 s common abroad."""

ABANDON_BUCKETS = (5.0, 15.0, 30.0, 60.0, 120.0, 300.0)
"""Upper bounds in seconds; 5 s parts the short abandons. Fewer than for answers: each is a series for each queue."""

LAG_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0)
"""Upper bounds in seconds.

AMI has been seen minutes late (`domain.md` 0.6), the loop should stay below 10 ms.
"""

OTHER = "other"
"""The queue label of a queue that is not configured, or of a call whose queue is not known."""

ALL = "all"
"""The queue label of a service level over every queue."""


# When each counter was made (`_created`) would be a sixth of all series; Prometheus makes nothing of it in this format.
disable_created_metrics()  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Gauges:
    """The present values that no single call tells, set before each scrape.

    `waiting` and `agents_ready` by queue, `agents` by state, `service_levels` = (definition, queue or
    ``all``, value). `exchange` holds the AMI door's totals by name (``[a-z_]+``), shown as
    ``hotline_ami_<name>_total``, `archive` the figures of the recordings' archive.
    """

    connected: bool = False
    waiting: Mapping[str, int] = field(default_factory=dict)
    agents_ready: Mapping[str, int] = field(default_factory=dict)
    talking: int = 0
    agents: Mapping[str, int] = field(default_factory=dict)
    service_levels: tuple[tuple[str, str, float], ...] = ()
    exchange: Mapping[str, int] = field(default_factory=dict)
    archive: Mapping[str, int] = field(default_factory=dict)


class _Fact(enum.Flag):
    """What has been counted of a call already."""

    ARRIVED = enum.auto()
    OFFERED = enum.auto()
    ANSWERED = enum.auto()
    ABANDONED = enum.auto()
    ENDED = enum.auto()


class _Snapshot(Collector):
    """Shows the last `Gauges` that were set."""

    def __init__(self) -> None:
        self.gauges = Gauges()

    def collect(self) -> Iterable[Metric]:
        """The families of the present snapshot."""
        now = self.gauges
        connected = int(now.connected)
        yield GaugeMetricFamily("hotline_exchange_connected", "1 while Asterisk's AMI is connected", connected)
        yield GaugeMetricFamily("hotline_calls_talking", "Callers joined with an agent now", now.talking)
        yield _by("hotline_calls_waiting", "Callers in a queue's line now", "queue", now.waiting)
        yield _by("hotline_queue_agents_ready", "Agents who could take a call", "queue", now.agents_ready)
        yield _by("hotline_agents", "Agents by state now", "state", now.agents)
        levels = GaugeMetricFamily(
            "hotline_service_level_ratio",
            "Share of calls answered in time, by versioned definition (queue all = every queue)",
            labels=("definition", "queue"),
        )
        for definition, queue, value in now.service_levels:
            levels.add_metric((definition, queue), value)
        yield levels
        kept = now.archive.get
        yield GaugeMetricFamily("hotline_archive_away", "1 while the archive does not answer", kept("away", 0))
        waiting, damaged = kept("waiting", 0), kept("damaged", 0)
        yield GaugeMetricFamily("hotline_recordings_waiting", "Recordings that wait for the archive", waiting)
        yield GaugeMetricFamily("hotline_recordings_damaged", "Recordings the archive does not take", damaged)
        yield CounterMetricFamily("hotline_recordings_archived", "Brought into the archive", kept("archived", 0))
        yield CounterMetricFamily("hotline_recordings_erased", "Erased as their time was over", kept("erased", 0))
        alone = kept("transcripts_erased", 0)
        yield CounterMetricFamily("hotline_transcripts_erased", "Erased before or after their recordings", alone)
        for name, total in sorted(now.exchange.items()):
            yield CounterMetricFamily(f"hotline_ami_{name}", f"AMI door: {name.replace('_', ' ')}", total)


class _Lags(Collector):
    """A histogram over `LAG_BUCKETS` that only the loop fills: without the library's locks, since each event counts.

    What `collect` shows while the loop counts on may be one observation short in one number.
    """

    def __init__(self, name: str, text: str) -> None:
        self._name, self._text = name, text
        self._counts = [0] * (len(LAG_BUCKETS) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one."""
        self._counts[bisect_left(LAG_BUCKETS, seconds)] += 1
        self._sum += seconds

    def collect(self) -> Iterable[Metric]:
        """The one family."""
        total, buckets = 0, []
        for bound, count in zip((*map(floatToGoString, LAG_BUCKETS), "+Inf"), tuple(self._counts), strict=True):
            total += count
            buckets.append((bound, total))
        yield HistogramMetricFamily(self._name, self._text, buckets, self._sum)


def _by(name: str, text: str, label: str, values: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=(label,))
    for key, value in sorted(values.items()):
        family.add_metric((key,), value)
    return family


class _QueueMetrics:
    """The families by queue, and each queue's children, looked up once."""

    def __init__(self, registry: CollectorRegistry, queues: Iterable[str]) -> None:
        def counter(name: str, text: str) -> Counter:
            return Counter(name, text, ("queue",), registry=registry)

        def histogram(name: str, text: str, buckets: Sequence[float]) -> Histogram:
            return Histogram(name, text, ("queue",), buckets=buckets, registry=registry)

        names = list(queues)
        offered = counter("hotline_calls_offered", "Calls that entered a queue's line")
        answered = counter("hotline_calls_answered", "Calls an agent talked with")
        abandoned = counter("hotline_calls_abandoned", "Callers who hung up in a queue's line")
        waited = histogram("hotline_answer_wait_seconds", "Queue entry to talk, of answered calls", WAIT_BUCKETS)
        gave_up = histogram(
            "hotline_abandon_wait_seconds", "Queue entry to hang-up, of abandoned calls", ABANDON_BUCKETS
        )
        self.offered = {name: offered.labels(name) for name in names}
        held = Counter(
            "hotline_estimate_covered",
            "Announced waits whose caller's fate is known, by whether the real wait lay within",
            ("queue", "held"),
            registry=registry,
        )
        self.estimates = {(name, yes): held.labels(name, "yes" if yes else "no") for name in names for yes in (0, 1)}
        self.answered = {name: answered.labels(name) for name in names}
        self.abandoned = {name: abandoned.labels(name) for name in names}
        self.answer_wait = {name: waited.labels(name) for name in names}
        self.abandon_wait = {name: gave_up.labels(name) for name in names}


class HotlineMetrics:
    """All metrics of one controller, in a registry of their own.

    `queues` are the configured queues; `remember` is how many ended calls are kept in mind so that a
    later save of the same call (its score, its recording) counts nothing twice.
    """

    def __init__(self, queues: Iterable[QueueId] = (), *, remember: int = 20_000) -> None:
        self.registry = registry = CollectorRegistry()
        self._snapshot = _Snapshot()
        registry.register(self._snapshot)
        ProcessCollector(namespace="hotline", registry=registry)
        self._known = frozenset((*queues, OTHER))
        self._by_queue = _QueueMetrics(registry, sorted(self._known))
        self._arrived = Counter("hotline_calls_arrived", "Calls that reached the hotline", registry=registry)
        broken = "Requests whose client went away in the middle of what he sent"
        self._broken_off = Counter("hotline_requests_broken_off", broken, registry=registry)
        ended = Counter("hotline_calls_ended", "Calls that are over, by outcome", ("outcome",), registry=registry)
        self._ended = {outcome: ended.labels(outcome.value) for outcome in Outcome}
        self._loop_lag = _Lags("hotline_loop_lag_seconds", "How late the event loop ran")
        self._event_lag = _Lags(
            "hotline_event_lag_seconds", "From Asterisk's time stamp of an event to its arrival here"
        )
        registry.register(self._loop_lag)
        registry.register(self._event_lag)
        self._live: dict[CallId, _Fact] = {}
        self._over: OrderedDict[CallId, _Fact] = OrderedDict()
        self._remember = remember

    def observe(self, record: CallRecord) -> None:
        """Count what is new in a call's record.

        Give it each time that it is saved; every fact counts once. Calls that the hotline placed are not counted.
        """
        if record.direction != "inbound":
            return
        before = self._live.get(record.call) or self._over.get(record.call) or _Fact(0)
        facts = before | _facts(record)
        if new := facts & ~before:
            self._count(record, new)
        if _Fact.ENDED not in facts:
            self._live[record.call] = facts
            return
        self._live.pop(record.call, None)
        self._over[record.call] = facts
        if len(self._over) > self._remember:
            self._over.popitem(last=False)

    def request_broken_off(self) -> None:
        """A client has gone away in the middle of what he sent."""
        self._broken_off.inc()

    def loop_lag(self, seconds: float) -> None:
        """One measurement of how late the loop ran."""
        self._loop_lag.observe(seconds)

    def event_lag(self, seconds: float) -> None:
        """One measurement of an event's age on arrival; a negative one (two clocks) counts as 0."""
        self._event_lag.observe(max(0.0, seconds))

    def show(self, gauges: Gauges) -> None:
        """Set the present values that the next `render` shows.

        Queues that are not configured become ``other``.
        """
        levels = tuple(row for row in gauges.service_levels if row[1] == ALL or row[1] in self._known)
        self._snapshot.gauges = replace(
            gauges,
            waiting=self._folded(gauges.waiting),
            agents_ready=self._folded(gauges.agents_ready),
            service_levels=levels,
        )

    def render(self) -> bytes:
        """The exposition text; some milliseconds of CPU, so call it outside the loop."""
        return generate_latest(self.registry)

    def _folded(self, by_queue: Mapping[str, int]) -> dict[str, int]:
        folded: dict[str, int] = {}
        for queue, count in by_queue.items():
            label = queue if queue in self._known else OTHER
            folded[label] = folded.get(label, 0) + count
        return folded

    def _count(self, record: CallRecord, new: _Fact) -> None:
        queue = record.queue if record.queue in self._known else OTHER
        of = self._by_queue
        if _Fact.ARRIVED in new:
            self._arrived.inc()
        if _Fact.OFFERED in new:
            of.offered[queue].inc()
        if _Fact.ANSWERED in new:
            of.answered[queue].inc()
            if (wait := answer_wait(record)) is not None:
                of.answer_wait[queue].observe(wait)
        if _Fact.ABANDONED in new:
            of.abandoned[queue].inc()
            if (wait := abandon_wait(record)) is not None:
                of.abandon_wait[queue].observe(wait)
        if _Fact.ENDED in new and record.outcome is not None:
            self._ended[record.outcome].inc()
        if _Fact.ENDED in new and record.estimates:
            kept, failed = estimates_held(record)
            of.estimates[queue, 1].inc(kept)
            of.estimates[queue, 0].inc(failed)


def _facts(record: CallRecord) -> _Fact:
    """Everything that the record tells so far; whether a caller gave up is only known when he is gone."""
    facts = _Fact.ARRIVED
    if queue_entry(record) is not None:
        facts |= _Fact.OFFERED
    if answered(record):
        facts |= _Fact.ANSWERED
    if record.ended_at is not None:
        facts |= _Fact.ENDED
        if abandoned(record):
            facts |= _Fact.ABANDONED
    return facts


async def watch_loop(metrics: HotlineMetrics, interval_s: float = 0.5) -> None:
    """Measure the loop's lag until cancelled.

    How much later than asked a sleep of `interval_s` seconds ends.
    """
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + interval_s
        await asyncio.sleep(interval_s)
        metrics.loop_lag(max(0.0, loop.time() - due))
