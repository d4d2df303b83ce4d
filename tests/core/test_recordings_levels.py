"""Levels of known signals."""

from __future__ import annotations

import numpy as np
import pytest

from recordings.levels import SILENCE_DBFS, LevelMeter, LevelRule

pytestmark = pytest.mark.core


def tone(dbfs: float, seconds: float) -> np.ndarray:
    """A 500 Hz sine of this RMS level."""
    t = np.arange(round(8000 * seconds)) / 8000
    return 32768 * 10 ** (dbfs / 20) * np.sqrt(2) * np.sin(2 * np.pi * 500 * t)


def stereo(left: np.ndarray, right: np.ndarray) -> bytes:
    length = max(len(left), len(right))
    both = np.zeros((length, 2))
    both[: len(left), 0], both[: len(right), 1] = left, right
    return both.round().astype("<i2").tobytes()


@pytest.mark.parametrize("chunk", [4, 644, 8000, 10**6])
def test_each_leg_for_itself_whatever_the_chunks(chunk: int) -> None:
    pcm = stereo(tone(-20, 1), np.concatenate([np.zeros(16000), tone(-40, 0.5)]))
    if chunk == 4:
        pcm = pcm[: 8000 * 4]
    meter = LevelMeter(2, 8000, LevelRule())
    for at in range(0, len(pcm), chunk):
        meter.feed(pcm[at : at + chunk])
    left, right = meter.levels()
    assert (left.rms_dbfs, left.audible_s, left.audible) == (-20.0, 1.0, True)
    if chunk != 4:
        assert (right.rms_dbfs, right.audible_s, right.audible) == (-40.0, 0.5, True)


def test_silence_and_line_noise_are_not_audible() -> None:
    meter = LevelMeter(2, 8000, LevelRule())
    meter.feed(stereo(np.zeros(8000), tone(-60, 1)))
    for level in meter.levels():
        assert (level.rms_dbfs, level.audible_s, level.audible) == (SILENCE_DBFS, 0.0, False)


def test_the_rule_decides() -> None:
    pcm = stereo(tone(-50, 0.1), tone(-20, 0.1))
    meter = LevelMeter(2, 8000, LevelRule(threshold_dbfs=-55, min_audible_s=0.1))
    meter.feed(pcm)
    assert [level.audible for level in meter.levels()] == [True, True]
    meter = LevelMeter(2, 8000, LevelRule(min_audible_s=0.2))
    meter.feed(pcm)
    assert [level.audible for level in meter.levels()] == [False, False]


def test_half_a_frame_is_refused() -> None:
    with pytest.raises(ValueError):
        LevelMeter(2, 8000, LevelRule()).feed(b"12")
