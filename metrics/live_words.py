"""The Prometheus door's part about words while people talk: what is heard now, and what gave way."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


@dataclass(frozen=True, slots=True)
class Reading:
    """The figures at one instant. `live`, `waiting`: calls heard now, and those for which there is no room; `ready`:
    recognisers with their model loaded; `cores`: what the live calls are reckoned to cost. All others count from the
    start: calls that were heard, that gave way, for which there was no room; legs whose sound Asterisk did not bring;
    connections that were cut off; recognisers started again; seconds of sound that nobody heard.
    """

    live: int = 0
    waiting: int = 0
    ready: int = 0
    cores: float = 0.0
    calls: int = 0
    gave_way: int = 0
    no_room: int = 0
    not_brought: int = 0
    strangers: int = 0
    restarts: int = 0
    dropped_s: float = 0.0


class LiveWordsMetrics(Collector):
    """Shows what `watch` was told to read; nothing where nobody is heard while he talks."""

    def __init__(self) -> None:
        self._read: Callable[[], Reading] | None = None

    def watch(self, read: Callable[[], Reading] | None) -> None:
        """From now on `read` gives the figures; None = there are none."""
        self._read = read

    def collect(self) -> Iterable[Metric]:
        """The families."""
        if self._read is None:
            return
        now = self._read()
        for name, text, value in (
            ("calls", "Calls that are heard while they are talked", now.live),
            ("calls_without_room", "Calls that would be heard if there were room", now.waiting),
            ("recognisers_ready", "Live recognisers with their model loaded", now.ready),
            ("cores", "Processor cores that the live calls are reckoned to cost", now.cores),
        ):
            yield GaugeMetricFamily(f"hotline_live_words_{name}", text, value)
        for name, text, total in (
            ("calls_begun", "Calls that began to be heard", now.calls),
            ("gave_way", "Calls that gave way: their words come after the call", now.gave_way),
            ("no_room", "Times that there was no room for a call", now.no_room),
            ("legs_not_brought", "Legs whose sound Asterisk did not bring", now.not_brought),
            ("strangers", "Connections for sound that were cut off", now.strangers),
            ("recogniser_restarts", "Live recognisers started again", now.restarts),
            ("dropped_seconds", "Seconds of sound that no recogniser heard", now.dropped_s),
        ):
            yield CounterMetricFamily(f"hotline_live_words_{name}", text, total)
