"""The Prometheus door's part about menu choices that are said: who is listened to, and what came of what was heard."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


@dataclass(frozen=True, slots=True)
class SpokenReading:
    """The figures at one instant. `listened`: callers who are listened to now; `ready`: recognisers with their model
    loaded. All others count from the start: `questions` that were listened to; `outcomes` of what was heard: `chosen`,
    `unsure` (below the threshold), `other` (no choice, or two); callers whose sound Asterisk did not bring;
    connections that were cut off; recognisers started again; seconds of sound that nobody heard.
    """

    listened: int = 0
    ready: int = 0
    questions: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)
    not_brought: int = 0
    strangers: int = 0
    restarts: int = 0
    dropped_s: float = 0.0


class SpokenMetrics(Collector):
    """Shows what `watch` was told to read; nothing where choices are made by keys alone."""

    def __init__(self) -> None:
        self._read: Callable[[], SpokenReading] | None = None

    def watch(self, read: Callable[[], SpokenReading] | None) -> None:
        """From now on `read` gives the figures; None = there are none."""
        self._read = read

    def collect(self) -> Iterable[Metric]:
        """The families."""
        if self._read is None:
            return
        now = self._read()
        for name, text, value in (
            ("callers", "Callers who are listened to at a question", now.listened),
            ("recognisers_ready", "Recognisers of spoken choices with their model loaded", now.ready),
        ):
            yield GaugeMetricFamily(f"hotline_spoken_{name}", text, value)
        heard = CounterMetricFamily(
            "hotline_spoken_heard", "What was said to a question, by what it was", labels=["as"]
        )
        for outcome, count in sorted(now.outcomes.items()):
            heard.add_metric([outcome], count)
        yield heard
        for name, text, total in (
            ("questions", "Questions at which the caller was listened to", now.questions),
            ("callers_not_brought", "Callers whose sound Asterisk did not bring", now.not_brought),
            ("strangers", "Connections for sound that were cut off", now.strangers),
            ("recogniser_restarts", "Recognisers of spoken choices started again", now.restarts),
            ("dropped_seconds", "Seconds of sound that no recogniser heard", now.dropped_s),
        ):
            yield CounterMetricFamily(f"hotline_spoken_{name}", text, total)
