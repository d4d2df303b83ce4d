"""Who spoke when, and what follows from it: on made legs whose truth is known, and on any spans."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recordings.inspection import talk
from recordings.inspection.activity import FRAME_S, LegLevels, speech_of
from recordings.inspection.inspect import CallFacts, Legs, inspect, legs_of
from recordings.inspection.rules import Rules
from recordings.inspection.thresholds import ActivityRule, TalkRule

pytestmark = pytest.mark.core

RULE = TalkRule()
RATE = 8000


def voice(seconds: float, dbfs: float = -22.0, seed: int = 1) -> npt.NDArray[np.float64]:
    """Noise that swells and falls like syllables, 4 a second."""
    t = np.arange(round(seconds * RATE)) / RATE
    swell = np.abs(np.sin(2 * np.pi * 2 * t)) + 0.02
    sound = np.random.default_rng(seed).normal(0, 1, len(t)) * swell
    return sound / np.sqrt(np.mean(sound**2)) * 32768 * 10 ** (dbfs / 20)


def leg(length: float, *spoken: tuple[float, float], noise_dbfs: float = -65.0, seed: int = 1) -> npt.NDArray[np.int16]:
    made = np.random.default_rng(seed + 100).normal(0, 32768 * 10 ** (noise_dbfs / 20), round(length * RATE))
    for begin, end in spoken:
        at = round(begin * RATE)
        made[at : at + round((end - begin) * RATE)] += voice(end - begin, seed=seed)
    return made.clip(-32768, 32767).astype(np.int16)


def heard(samples: npt.NDArray[np.int16]) -> tuple[tuple[float, float], ...]:
    levels = LegLevels(1, RATE)
    levels.feed(samples[:, None])
    return speech_of(levels.levels()[:, 0], ActivityRule())


def both(citizen: npt.NDArray[np.int16], agent: npt.NDArray[np.int16], block: int = 80_000) -> Legs:
    levels = LegLevels(2, RATE)
    whole = np.stack([citizen, agent], axis=1)
    for at in range(0, len(whole), block):
        levels.feed(whole[at : at + block])
    return legs_of(levels.levels(), Rules())


def near(found: object, wanted: object) -> bool:
    return np.allclose(np.array(found), np.array(wanted), atol=0.15)


@pytest.mark.parametrize("noise", [-90.0, -65.0, -45.0, -36.0])
def test_speech_is_found_where_it_is_whatever_the_noise(noise: float) -> None:
    assert near(heard(leg(20, (2, 5), (8, 8.6), (12, 19), noise_dbfs=noise)), [(2, 5), (8, 8.6), (12, 19)])


@pytest.mark.parametrize("dbfs", [-14.0, -30.0, -40.0])
def test_what_is_no_speech_is_none(dbfs: float) -> None:
    t = np.arange(20 * RATE) / RATE
    strength = 32768 * 10 ** (dbfs / 20)
    tone = (strength * np.sqrt(2) * np.sin(2 * np.pi * 450 * t)).astype(np.int16)
    noise = np.random.default_rng(2).normal(0, strength, 20 * RATE).clip(-32768, 32767).astype(np.int16)
    assert heard(tone) == ()
    assert heard(noise) == ()
    busy = tone * ((np.floor(t / 1.4) % 2 == 0) & (t < 19))  # a tone that comes and goes
    assert heard(busy.astype(np.int16)) == ()


def test_silence_nothing_and_a_piece_of_a_frame() -> None:
    assert heard(np.zeros(8 * RATE, np.int16)) == ()
    assert heard(np.zeros(0, np.int16)) == ()
    levels = LegLevels(2, RATE)
    levels.feed(np.ones((161, 2), np.int16))
    assert levels.levels().shape == (2, 2)


@pytest.mark.parametrize("block", [37, 160, 8001, 10**6])
def test_blocks_of_any_length_give_the_same(block: int) -> None:
    citizen, agent = leg(6, (1, 3)), leg(6, (3.5, 5), seed=5)
    assert both(citizen, agent, block) == both(citizen, agent)


def test_four_hours_need_little_memory() -> None:
    """Only levels are kept, 6 MB of them; the samples pass by."""
    levels = LegLevels(2, RATE)
    levels.feed(np.stack([leg(60, (2, 20), (40, 55)), leg(60, (21, 39), seed=4)], axis=1))
    whole = np.tile(levels.levels(), (240, 1))
    assert whole.nbytes < 6e6
    legs = legs_of(whole, Rules())
    assert len(legs.citizen) == 480
    found = inspect(legs, CallFacts(((0.0, 14_400.0),)), None, Rules())
    assert found.sound == "judged"
    assert found.figures["agent_s"] == pytest.approx(240 * 18, rel=0.02)


def test_a_made_call_gives_what_was_made() -> None:
    """Citizen 1-6 and 30-36, agent 4-8 (cuts him, who gives way), 8.5-12, dead air 12-24, agent 24-29.9."""
    legs = both(leg(40, (1, 5.2), (30, 36)), leg(40, (4, 8), (8.5, 12), (24, 29.5), seed=7))
    found = inspect(legs, CallFacts(((0.0, 38.0),), ((12.0, 14.0),)), None, Rules())
    places = {one.rule: (one.at_s, one.end_s, one.speaker) for one in found.findings}
    assert (found.sound, found.words) == ("judged", "no_transcript")
    assert near(places["cut-by-agent"][:2], (4, 5.2))
    assert near(places["overtalk"][:2], (4, 5.2))
    assert near(places["dead-air"][:2], (14, 24))
    assert found.counts == {"long-hold": 0, "dead-air": 1, "overtalk": 1, "cut-by-agent": 1, "cut-by-citizen": 0}
    assert found.figures["hold_s"] == 2.0
    assert found.figures["talk_s"] == 36.0
    parts = sum(found.figures[name] for name in ("citizen_s", "agent_s", "both_s", "silence_s"))
    assert parts == pytest.approx(found.figures["talk_s"], abs=0.01)


def test_the_hold_is_of_the_record_and_not_of_the_music() -> None:
    legs = both(leg(120, (1, 5), (100, 110)), leg(120, (6, 10), (20, 95), (111, 115), seed=3))
    held = inspect(legs, CallFacts(((0.0, 120.0),), ((18.0, 98.0),)), None, Rules())
    (hold,) = [one for one in held.findings if one.rule == "long-hold"]
    assert (hold.at_s, hold.end_s, hold.how) == (18.0, 98.0, "record")
    assert held.figures["agent_s"] == pytest.approx(8, abs=0.5), "music on hold is no speech of the agent"


SPEECH, QUIET = leg(12, (1, 4), (6, 9)), np.zeros(12 * RATE, np.int16)


@pytest.mark.parametrize(
    ("legs", "talks", "state"),
    [
        (None, ((0.0, 12.0),), "unreadable"),
        (Legs((), (), 0.0), ((0.0, 12.0),), "empty"),
        (both(SPEECH, SPEECH), (), "no_talk"),
        (both(SPEECH, QUIET), ((0.0, 12.0),), "silent_agent"),
        (both(QUIET, SPEECH), ((0.0, 12.0),), "silent_citizen"),
        (both(QUIET, QUIET), ((0.0, 12.0),), "no_speech"),
        (both(SPEECH, SPEECH), ((4.5, 5.5),), "no_speech"),
    ],
)
def test_what_cannot_be_judged_says_why_and_gives_no_figure(
    legs: Legs | None, talks: tuple[tuple[float, float], ...], state: str
) -> None:
    found = inspect(legs, CallFacts(talks), None, Rules())
    assert found.sound == state
    assert set(found.counts) == {"long-hold"}
    assert not {"talk_s", "silence_s", "agent_share"} & set(found.figures)
    assert not [one for one in found.findings if one.rule != "long-hold"]


# ---------------------------------------------------------------- any spans

SPANS = st.lists(
    st.tuples(st.integers(0, 600), st.integers(1, 80)).map(lambda pair: (pair[0] / 10, (pair[0] + pair[1]) / 10)),
    max_size=12,
)


@given(SPANS, SPANS, SPANS)
@settings(max_examples=60, deadline=None)
def test_the_four_parts_are_the_talk(citizen: talk.Spans, agent: talk.Spans, windows: talk.Spans) -> None:
    times = talk.times_of(citizen, agent, windows)
    parts = (times.citizen_s, times.agent_s, times.both_s, times.silence_s)
    assert all(part >= -1e-6 for part in parts)
    assert sum(parts) == pytest.approx(times.talk_s)
    assert times.talk_s == pytest.approx(talk.length(talk.tidy(windows)))
    share = times.agent_share
    assert share is None or 0 <= share <= 1


@given(SPANS, SPANS, SPANS)
@settings(max_examples=60, deadline=None)
def test_overtalk_and_silence_do_not_ask_who_is_who(one: talk.Spans, other: talk.Spans, windows: talk.Spans) -> None:
    assert talk.overtalks(one, other, windows, RULE) == talk.overtalks(other, one, windows, RULE)
    assert talk.silences(one, other, windows, RULE) == talk.silences(other, one, windows, RULE)
    swapped = {"citizen": "agent", "agent": "citizen"}
    there = {(swapped[cut.by], cut.at_s) for cut in talk.interruptions(one, other, windows, RULE)}
    assert there == {(cut.by, cut.at_s) for cut in talk.interruptions(other, one, windows, RULE)}


@given(SPANS, SPANS)
@settings(max_examples=60, deadline=None)
def test_what_is_cut_out_and_what_is_left_are_the_whole(whole: talk.Spans, taken: talk.Spans) -> None:
    left, common = talk.without(whole, taken), talk.common(whole, taken)
    assert talk.length(left) + talk.length(common) == pytest.approx(talk.length(talk.tidy(whole)))
    assert talk.common(left, taken) == []


@given(SPANS, SPANS, SPANS)
@settings(max_examples=60, deadline=None)
def test_silence_holds_nobody_and_is_long_enough(one: talk.Spans, other: talk.Spans, windows: talk.Spans) -> None:
    found = talk.silences(one, other, windows, RULE)
    assert talk.common(found, [*one, *other]) == []
    assert all(end - begin >= RULE.dead_air_s for begin, end in found)


@pytest.mark.parametrize(
    ("citizen", "agent", "by"),
    [
        ((0, 5), (4, 8), ["agent"]),  # he began while the other spoke, who gave way
        ((0, 5), (4.9, 8), []),  # an answer a little early
        ((0, 5), (4, 4.6), []),  # "嗯"
        ((0, 9), (4, 8), []),  # he tried, and the citizen went on
        ((4, 8), (0, 5), ["citizen"]),
        ((0, 5), (0.2, 8), []),  # both began at once
        ((0, 9), (4, 12), []),  # they went on together for long: overtalk, and nobody cut
    ],
)
def test_who_cut_whom(citizen: tuple[float, float], agent: tuple[float, float], by: list[str]) -> None:
    assert [one.by for one in talk.interruptions([citizen], [agent], [(0, 20)], RULE)] == by


def test_pauses_within_words_do_not_split_an_overtalk_and_turns_are_none() -> None:
    citizen = [(0.0, 1.0), (1.3, 2.0), (2.2, 3.0)]
    assert talk.overtalks(citizen, [(0.0, 3.0)], [(0, 10)], RULE) == [(0.0, 3.0)]
    turns = [(float(at), at + 1.9) for at in range(0, 180, 4)]
    answers = [(at + 2.0, at + 3.9) for at in range(0, 180, 4)]
    assert talk.overtalks(turns, answers, [(0, 180)], RULE) == []
    assert FRAME_S == 0.02
