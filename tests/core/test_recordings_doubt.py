"""When a transcript is doubtful, where a leg sounds, and what of Whisper's is nonsense: rules without a recogniser."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.audio import alaw_table
from recordings.doubt import DOUBTS, LegHeard, compression, doubts
from recordings.sounding import Levels, SoundRule, sounding
from recordings.transcript import Word, join_words
from recordings.whisper import attach, nonsense, pieces, upsampled

pytestmark = pytest.mark.core

SAID = "我家门口的路灯坏了,请派人来修理,已经三天没有人管了,晚上走路很不安全,小区里老人和孩子很多"


def leg(
    text: str, sounding_s: float = 10.0, conf: float | None = 0.5, left_out_s: float = 0.0, steady: bool = False
) -> LegHeard:
    return LegHeard(text, [conf], sounding_s, left_out_s, steady)


def test_speech_is_not_doubted_however_unsure_the_recogniser_was() -> None:
    assert doubts([leg(SAID), leg("好的", 1.0)], "zh", call_language="zh") == ()
    assert doubts([leg("my street light has been broken for three days now", 4.0)], "en") == ()
    assert doubts([leg("", 0.0), leg("", 3.0), leg("", 9.0, steady=True)], "zh") == ()


@pytest.mark.parametrize(
    ("legs", "language", "more", "code"),
    [
        ([leg("네", 1.0, 0.71)], "ko", {"grammar": True}, "grammar_forced"),
        ([leg("네", 1.0, 1.0)], "ko", {"call_language": "zh"}, "other_language"),
        ([leg("this is english all along")], "zh", {}, "script"),
        ([leg("[1] " + SAID)], "zh", {}, "tokens"),
        ([leg(SAID * 3, 12.0)], "zh", {}, "too_fast"),
        ([leg("嗯", 60.0)], "zh", {}, "too_little"),
        ([leg("请继续收看" * 30, 60.0)], "zh", {}, "loops"),
        ([leg(SAID, 10.0, left_out_s=2.5)], "zh", {}, "left_out"),
        ([leg("네", 1.0, 1.0, steady=True)], "ko", {}, "steady"),
    ],
)
def test_each_doubt_by_its_rule(legs: list[LegHeard], language: str, more: dict[str, object], code: str) -> None:
    assert code in doubts(legs, language, **more)  # type: ignore[arg-type]
    assert all(DOUBTS[code])


def test_a_closed_grammar_is_not_blamed_for_few_words() -> None:
    assert doubts([leg("네", 60.0, 0.99)], "ko", grammar=True) == ()


def test_loops_compress_and_speech_does_not() -> None:
    assert compression(SAID) < 1.6
    assert compression("谢谢观看 " * 40) > 2.4
    assert compression("") == 0.0


# ---------------------------------------------------------------- equally loud all the time


def steady(samples: np.ndarray) -> bool:
    levels = Levels(8000)
    data = samples.clip(-32768, 32767).astype("<i2").tobytes()
    chunks = [data[at : at + 3200] for at in range(0, len(data), 3200)]
    assert list(levels.of(chunks)) == chunks
    return levels.steady


def test_noise_tones_and_hum_are_steady_and_speech_is_not_even_in_noise() -> None:
    random, seconds = np.random.default_rng(1), np.arange(80_000) / 8000
    noise = random.normal(0.0, 3000.0, 80_000)
    assert steady(noise)
    assert steady(8000 * np.sin(2 * np.pi * 425 * seconds) * (seconds % 5 < 1)), "a ringing tone"
    assert steady(300 * np.sin(2 * np.pi * 50 * seconds))
    sounds = Path(__file__).parents[2] / "ivr" / "sounds" / "zh"
    for name in ("notice-water", "agent-serves", "callback-offer", "closed"):
        said = alaw_table()[np.frombuffer((sounds / f"{name}.alaw").read_bytes(), np.uint8)].astype(float)
        loud = np.sqrt(np.mean(said**2))
        assert not steady(said), name
        assert not steady(said + random.normal(0.0, loud / 10**0.5, len(said))), f"{name}, 10 dB above a noise"
    assert not steady(np.zeros(80_000))
    assert not steady(noise[:3000]), "too short to tell"


# ---------------------------------------------------------------- where a leg sounds


def chunks(samples: np.ndarray, size: int = 1600) -> list[bytes]:
    data = samples.astype("<i2")
    return [data[start : start + size].tobytes() for start in range(0, len(data), size)]


def test_silence_is_left_out_and_short_pauses_are_not() -> None:
    leg = np.full(8000 * 20, 8, np.int16)  # A-law's own silence
    leg[8000 * 5 : 8000 * 6] = 3000
    leg[8000 * 7 : 8000 * 8] = -3000  # one second later: the same span
    leg[8000 * 15 : 8000 * 16] = 200
    assert sounding(chunks(leg), 8000) == [(4.6, 8.4), (14.6, 16.4)]
    assert sounding(chunks(np.zeros(80000)), 8000) == []
    assert sounding([], 8000) == []
    assert sounding(chunks(np.full(1600, -32768)), 8000) == [(0.0, 0.6000000000000001)]


@given(st.lists(st.sampled_from([0, 50, 150, 4000, -4000]), min_size=1, max_size=60))
def test_everything_loud_lies_in_a_span_and_spans_are_apart(levels: list[int]) -> None:
    leg = np.repeat(np.array(levels, np.int16), 1600)
    spans = sounding(chunks(leg), 8000)
    for index, level in enumerate(levels):
        if abs(level) > SoundRule().peak:
            assert any(start <= index * 0.2 and (index + 1) * 0.2 <= end + 1e-9 for start, end in spans)
    assert all(first[1] < second[0] for first, second in zip(spans, spans[1:], strict=False))


# ---------------------------------------------------------------- Whisper, without its model


def test_what_whisper_makes_of_nothing_is_nonsense() -> None:
    assert not nonsense(SAID, -0.4)
    assert nonsense(SAID, -1.2)
    assert nonsense("谢谢观看" * 20, -0.1)
    assert nonsense("   ", -0.1)
    assert nonsense("以下是普通话的句子", -0.1, "以下是普通话的句子。")
    assert not nonsense(SAID, -0.1, "以下是普通话的句子。")


def test_long_stretches_are_cut_where_it_is_quiet_and_nothing_is_lost() -> None:
    rate = 8000
    leg = np.full(rate * 500, 1000, np.int16)
    leg[rate * 236 : rate * 237] = 0
    found = list(pieces(chunks(leg), rate))
    assert b"".join(found) == leg.astype("<i2").tobytes()
    assert 236.0 <= len(found[0]) / 2 / rate <= 237.0
    assert all(len(one) <= 240 * rate * 2 for one in found)
    assert list(pieces([], rate)) == []


def test_numbers_are_one_word_and_chinese_has_its_own_marks() -> None:
    words: list[Word] = []
    for start, text in enumerate(["拨打", "12", "3", "45", "热线,", " OK", " 9"]):
        attach(words, Word(start, start + 1.0, text, 1.0 - start / 10), "zh")
    assert [(word.start, word.end, word.text, word.conf) for word in words[:3]] == [
        (0, 1.0, "拨打", 1.0),
        (1, 4.0, "12345", 0.7),
        (4, 5.0, "热线，", 0.6),
    ]
    assert join_words(word.text for word in words) == "拨打 12345 热线， OK 9"


def test_upsampled_keeps_tone_and_level() -> None:
    tone = 8000 * np.sin(2 * np.pi * 1000 * np.arange(8000) / 8000)
    wide = upsampled(tone.astype("<i2").tobytes(), 8000)
    assert len(wide) == 16000
    spectrum = np.abs(np.fft.rfft(wide[4000:12000]))
    assert np.argmax(spectrum) == 500  # 1000 Hz
    assert spectrum[3500] < spectrum[500] / 500  # its image at 7000 Hz is gone
    assert 0.9 < np.abs(wide[4000:12000]).max() / (8000 / 32768) < 1.1
    assert len(upsampled(tone.astype("<i2").tobytes(), 16000)) == 8000
    with pytest.raises(ValueError, match="11025"):
        upsampled(b"", 11025)
