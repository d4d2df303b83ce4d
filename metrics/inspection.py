"""What `/metrics` shows of quality inspection; registered beside the rest of `metrics.prometheus`.

The only label is the kind of finding, and these are the measures and the lists of the rules: no agent, no call, no
word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

OTHER = "other"
"""The label of a finding of a kind that the rules do not have: none, as long as both are of one version."""


class InspectionFigures(Protocol):
    """The figures as they are now, since the start; `waiting` as it was counted last."""

    inspected: int
    worded: int
    failed: int
    waiting: int

    @property
    def findings(self) -> Mapping[str, int]:
        """How often each kind was found."""
        ...


class InspectionCollector(Collector):
    """Reads the figures at each scrape, in whatever thread; single values, so none is torn."""

    def __init__(
        self, figures: Callable[[], InspectionFigures], days_waiting: Callable[[], int], kinds: Iterable[str]
    ) -> None:
        """`kinds` of findings that there can be: each is shown, with 0 too, so that no series comes and goes."""
        self._figures, self._days, self._kinds = figures, days_waiting, tuple(sorted({*kinds}))

    def collect(self) -> Iterable[Metric]:
        """The families."""
        now = self._figures()
        yield GaugeMetricFamily("hotline_inspections_waiting", "Recordings that wait for their inspection", now.waiting)
        yield CounterMetricFamily("hotline_calls_inspected", "Calls whose recording was inspected", now.inspected)
        yield CounterMetricFamily("hotline_calls_inspected_words", "Of these by their words too", now.worded)
        yield CounterMetricFamily("hotline_inspections_failed", "Recordings that could not be inspected", now.failed)
        found = CounterMetricFamily("hotline_inspection_findings", "What was found in calls, by kind", labels=("rule",))
        times = dict(now.findings)
        for kind in self._kinds:
            found.add_metric((kind,), times.pop(kind, 0))
        found.add_metric((OTHER,), sum(times.values()))
        yield found
        yield GaugeMetricFamily(
            "hotline_inspection_days_waiting", "Agents' days whose results are to be added up again", self._days()
        )
