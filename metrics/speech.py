"""What `/metrics` shows of transcripts after the call; registered beside the rest of `metrics.prometheus`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

CAUSES = ("no_model", "crashed", "timeout", "damaged", "gone")
"""Why there is no transcript: each is shown, with 0 too, so that no series comes and goes."""


class SpeechFigures(Protocol):
    """The figures as they are now; `oldest_at` in epoch seconds, None = nothing waits."""

    done: int
    restarts: int
    waiting: int
    oldest_at: float | None
    workers: int

    @property
    def failed(self) -> Mapping[str, int]:
        """By cause, since the start."""
        ...


class SpeechCollector(Collector):
    """Reads the figures at each scrape, in whatever thread; single values, so none is torn."""

    def __init__(self, figures: Callable[[], SpeechFigures], clock: Callable[[], float]) -> None:
        self._figures, self._clock = figures, clock

    def collect(self) -> Iterable[Metric]:
        """The families."""
        now = self._figures()
        oldest_at = now.oldest_at
        age = 0.0 if oldest_at is None else max(0.0, self._clock() - oldest_at)
        yield GaugeMetricFamily("hotline_transcripts_waiting", "Recordings that wait for their transcript", now.waiting)
        yield GaugeMetricFamily("hotline_transcripts_oldest_seconds", "For how long the oldest of them has waited", age)
        yield CounterMetricFamily("hotline_transcripts_done", "Transcripts that were made", now.done)
        failed = CounterMetricFamily(
            "hotline_transcripts_failed", "Recordings without a transcript, by cause", labels=("cause",)
        )
        by_cause = dict(now.failed)
        for cause in CAUSES:
            failed.add_metric((cause,), by_cause.get(cause, 0))
        yield failed
        yield GaugeMetricFamily("hotline_recognisers", "Recogniser processes that are loaded now", now.workers)
        yield CounterMetricFamily(
            "hotline_recogniser_restarts", "Recogniser processes that were lost or could not load", now.restarts
        )
