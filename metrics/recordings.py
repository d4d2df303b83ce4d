"""Figures of recordings for Prometheus: checks by finding, pauses by cause. A door beside `metrics/prometheus.py`."""

from __future__ import annotations

import math
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge

OK = "ok"
"""The finding of a recording of which nothing is wrong."""


class RecordingMetrics:
    """`findings` are all words that a check can have; each has its series from the start: its first rise is one."""

    def __init__(self, registry: CollectorRegistry, findings: Iterable[str]) -> None:
        checked = Counter(
            "hotline_recordings_checked", "Recordings checked when they were sealed", ("finding",), registry=registry
        )
        self._checked = {word: checked.labels(word) for word in (OK, *findings)}
        self._missing = Counter(
            "hotline_recording_missing_seconds", "Seconds of calls that their recordings lack", registry=registry
        )
        self._stopped = Gauge(
            "hotline_recordings_stopped", "Live recordings that stay behind their calls now", registry=registry
        )
        self._free = Gauge(
            "hotline_recording_free_bytes", "Free space where Asterisk writes recordings", registry=registry
        )
        self._free.set(math.nan)  # not known yet, or not on this machine; 0 would be a full disk

    def checked(self, findings: Iterable[str], missing_s: float) -> None:
        """Count one check; one without a finding is ``ok``."""
        words = tuple(findings)
        for word in words or (OK,):
            self._checked[word].inc()
        if words:
            self._missing.inc(missing_s)

    def stopped(self, count: int) -> None:
        """So many live recordings stand still now."""
        self._stopped.set(count)

    def free(self, size_bytes: int) -> None:
        """So much is free now."""
        self._free.set(size_bytes)
