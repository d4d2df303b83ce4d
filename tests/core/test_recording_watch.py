"""A recording that stays behind its call is noticed, told once, and told when it goes on."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from controller.recording_watch import LOW_BYTES, RecordingWatch
from metrics.prometheus import HotlineMetrics
from metrics.recordings import RecordingMetrics
from pbx.ids import CallId

pytestmark = pytest.mark.core

ONE, PLENTY = CallId("one"), 10 * LOW_BYTES


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_file_that_stands_still_is_told_once_and_again_when_it_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    clock, metrics = Clock(), HotlineMetrics()
    live = {ONE: ("a.raw", 1000.0)}
    watch = RecordingWatch(Path("."), lambda: live, RecordingMetrics(metrics.registry, ()), clock)
    told = []
    with caplog.at_level(logging.WARNING):
        for now, seconds in ((1010, 9), (1020, 19), (1030, 21), (1040, 21), (1050, 21), (1060, 31), (1070, 41)):
            clock.now = now
            watch.judge(live, PLENTY, {ONE: seconds * 32_000})
            told.append((watch.healthy, metrics.registry.get_sample_value("hotline_recordings_stopped")))
    assert told == [(True, 0), (True, 0), (False, 1), (False, 1), (False, 1), (True, 0), (True, 0)]
    assert [getattr(one, "action", "") for one in caplog.records] == ["recording.stopped", "recording.goes_on"]


def test_too_little_space_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    metrics = HotlineMetrics()
    watch = RecordingWatch(Path("."), dict, RecordingMetrics(metrics.registry, ()), Clock())
    with caplog.at_level(logging.WARNING):
        for free in (PLENTY, LOW_BYTES - 1, 0):
            watch.judge({}, free, {})
    assert not watch.healthy
    assert [getattr(one, "action", "") for one in caplog.records] == ["recording.disk_low"]
    assert metrics.registry.get_sample_value("hotline_recording_free_bytes") == 0
    watch.judge({}, PLENTY, {})
    assert watch.healthy


def test_a_call_that_has_ended_is_watched_no_more() -> None:
    clock = Clock()
    live = {ONE: ("a.raw", 900.0)}
    watch = RecordingWatch(Path("."), lambda: live, RecordingMetrics(HotlineMetrics().registry, ()), clock)
    watch.judge(live, PLENTY, {})
    assert not watch.healthy
    watch.judge({}, PLENTY, {})
    assert watch.healthy


def test_from_when_to_when_nothing_was_written_is_kept_until_it_is_asked() -> None:
    clock = Clock()
    live = {ONE: ("a.raw", 1000.0)}
    watch = RecordingWatch(Path("."), lambda: live, RecordingMetrics(HotlineMetrics().registry, ()), clock)
    sizes = {1010: 9, 1020: 12, 1030: 12, 1040: 15, 1050: 25, 1060: 25, 1070: 25}
    for now, seconds in sizes.items():  # full from 1012 to 1037, and again from 1050 on
        clock.now = now
        watch.judge(live, PLENTY, {ONE: seconds * 32_000})
    (began, ended), (again, never) = watch.gaps(ONE)
    assert (began, ended, again) == (1012.0, 1037.0, 1050.0)
    assert never == float("inf")
    assert watch.gaps(ONE) == ()
