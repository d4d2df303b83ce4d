"""Arithmetic on speech: A-law, sampling rates, level, silences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr import audio
from ivr.audio import RATE, Samples

pytestmark = pytest.mark.core


def tone(seconds: float, level: float = 0.3, hertz: float = 440.0, rate: int = RATE) -> Samples:
    return (level * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def test_alaw_has_the_values_of_g711() -> None:
    table = audio.alaw_table()
    # ITU-T G.711: silence is 0xD5 / 0x55 (+8, -8 of 32768), the largest values are +-32256
    assert (table[0xD5], table[0x55], table[0xAA], table[0x2A]) == (8, -8, 32256, -32256)
    assert len(set(table.tolist())) == 256
    assert (table[np.arange(256) ^ 0x80] == -table).all()


def test_every_alaw_byte_survives_decoding_and_encoding() -> None:
    raw = bytes(range(256))
    assert audio.alaw_encode(audio.alaw_decode(raw)) == raw


@given(st.floats(-1.5, 1.5, width=32))
def test_encoding_takes_the_nearest_code(sample: float) -> None:
    code = audio.alaw_encode(np.array([sample], np.float32))
    error = abs(audio.alaw_decode(code)[0] - sample)
    best = np.abs(audio.alaw_table() / 32768 - sample).min()
    assert error == pytest.approx(best, abs=1e-6)


@pytest.mark.parametrize("rate", [8000, 16_000, 22_050, 24_000, 44_100, 48_000])
def test_resampling_keeps_length_level_and_pitch(rate: int) -> None:
    out = audio.resample(tone(1.0, hertz=1000.0, rate=rate), rate, RATE)
    assert len(out) == pytest.approx(RATE, abs=2)
    middle = slice(RATE // 10, -RATE // 10)
    wanted = tone(1.0, hertz=1000.0)[: len(out)]
    assert np.abs(out[middle] - wanted[middle]).max() < 0.002


@pytest.mark.parametrize("rate", [16_000, 22_050, 24_000])
def test_resampling_lets_nothing_fold_back(rate: int) -> None:
    out = audio.resample(tone(1.0, hertz=4600.0, rate=rate), rate, RATE)
    assert audio.peak_level(out[RATE // 10 : -RATE // 10]) < audio.peak_level(tone(1.0)) - 60


def test_level_is_that_of_the_speech_without_its_pauses() -> None:
    speech = np.concatenate([tone(0.5), np.zeros(RATE * 2, np.float32), tone(0.5)])
    assert audio.active_level(speech) == pytest.approx(audio.active_level(tone(1.0)), abs=0.1)
    louder = audio.set_level(speech, -20.0, -3.0)
    assert audio.active_level(louder) == pytest.approx(-20.0, abs=0.1)


def test_no_sample_goes_above_the_peak() -> None:
    click = np.concatenate([tone(1.0, 0.01), np.full(8, 0.9, np.float32), tone(1.0, 0.01)])
    assert audio.peak_level(audio.set_level(click, -10.0, -3.0)) == pytest.approx(-3.0, abs=0.1)


@pytest.mark.parametrize("around_s", [0.0, 0.03, 1.0])
def test_silence_before_and_after_is_as_asked(around_s: float) -> None:
    silence = np.zeros(int(around_s * RATE), np.float32)
    out = audio.trim(np.concatenate([silence, tone(0.5), silence]), 60, 120)
    assert len(out) / RATE == pytest.approx(0.5 + 0.06 + 0.12, abs=0.021)
    heard = np.flatnonzero(np.abs(out) > 0.05)
    assert heard[0] / RATE == pytest.approx(0.06, abs=0.015)
    assert abs(out[0]) < 0.01
    assert abs(out[-1]) < 0.01


def test_pauses_are_found_and_shortened() -> None:
    gap = np.zeros(RATE, np.float32)
    speech = np.concatenate([tone(0.5), gap, tone(0.5), gap[: RATE // 5], tone(0.5)])
    assert [round((end - begin) / RATE, 1) for begin, end in audio.pauses(speech, 100)] == [1.0, 0.2]
    assert audio.pauses(speech, 1500) == []
    shorter = audio.shorten_pauses(speech, 400)
    assert len(shorter) / RATE == pytest.approx(1.5 + 0.4 + 0.2, abs=0.03)
    assert [round((end - begin) / RATE, 1) for begin, end in audio.pauses(shorter, 100)] == [0.4, 0.2]


def test_silence_alone_stays_silence() -> None:
    silence = np.zeros(RATE, np.float32)
    assert not audio.trim(silence, 60, 120).any()
    assert audio.pauses(silence, 10) == []
    assert len(audio.resample(silence[:0], 24_000, RATE)) == 0
