"""The time line of live sound, the turns made of live words, and the budget of cores."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recordings.budget import AfterShare, CoreBudget, Cores, Use, who_gives_way
from recordings.live import GAP_S, LONGEST_FILL_S, LiveTurns, TimeLine, differences
from recordings.transcript import SPEAKERS, Speaker, Word, merge, turns_of

pytestmark = pytest.mark.core

FRAME = 160
ZERO = 1_795_300_000.0
LATENESS = st.lists(st.floats(0, 0.25), min_size=5, max_size=60)


@given(LATENESS)
def test_frames_late_or_in_heaps_stand_where_they_were_spoken(late: list[float]) -> None:
    """A frame comes after its end, at most a quarter of a second late, and in order; one of them was in time."""
    late[0] = 0.0
    line, clock = TimeLine(8000, ZERO), 0.0
    for number, delay in enumerate(late):
        clock = max(clock, ZERO + 1.0 + (number + 1) * 0.02 + delay)
        assert line.arrived(FRAME, clock) == 0
    assert line.at(0) == pytest.approx(1.0, abs=0.002)
    assert line.at(FRAME * len(late)) == pytest.approx(1.0 + 0.02 * len(late), abs=0.002)


@given(LATENESS, st.floats(GAP_S + 0.3, 30.0))
def test_a_leg_that_was_silent_goes_on_at_its_time(late: list[float], gap: float) -> None:
    line = TimeLine(8000, ZERO)
    line.arrived(8000, ZERO + 2.0)
    begin = 2.0 + gap
    filled = line.arrived(FRAME, ZERO + begin + 0.02)
    assert filled == pytest.approx(min(gap, LONGEST_FILL_S) * 8000, abs=2)
    assert line.given == 8000 + filled + FRAME
    assert line.at(7999) == pytest.approx(2.0, abs=0.002)
    assert line.at(8000 + filled) == pytest.approx(begin, abs=0.002)


def test_a_loop_that_stood_still_makes_no_gap() -> None:
    line = TimeLine(8000, ZERO)
    line.arrived(FRAME, ZERO + 0.02)
    assert line.arrived(FRAME * 100, ZERO + 2.05) == 0
    assert line.at(FRAME * 101) == pytest.approx(2.02, abs=0.002)


def test_words_come_onto_the_recordings_line() -> None:
    line = TimeLine(8000, ZERO)
    line.arrived(8000, ZERO + 4.0)
    assert line.words([Word(0.25, 0.5, "네", 1.0)]) == [Word(3.25, 3.5, "네", 1.0)]
    assert line.words([Word(0.0, 0.25, "네", None)], base=4000) == [Word(3.5, 3.75, "네", None)]


WORDS = st.lists(
    st.tuples(st.sampled_from(SPEAKERS), st.floats(0.05, 2.5), st.floats(0.1, 0.8), st.sampled_from("甲乙丙丁")),
    max_size=30,
)


@given(WORDS)
def test_live_turns_are_those_of_the_transcript_after_the_call(said: list[tuple[Speaker, float, float, str]]) -> None:
    """The same words in the same legs make the same turns, in whatever portions they came."""
    words: dict[Speaker, list[Word]] = {speaker: [] for speaker in SPEAKERS}
    live = LiveTurns(gap_s=1.0)
    for speaker, pause, length, text in said:
        start = (words[speaker][-1].end if words[speaker] else 0.0) + pause
        words[speaker].append(Word(start, start + length, text, 1.0))
        live.partial(speaker, "", text)
        live.final(speaker, "", words[speaker][-1:])
    after = merge({speaker: turns_of(speaker, found, 1.0) for speaker, found in words.items()})
    assert differences(live.turns(), after, 0.0) == []
    assert [(turn.speaker, turn.text) for turn in live.turns()] == [(turn.speaker, turn.text) for turn in after]
    assert live.now() == ()


def test_what_differs_is_told() -> None:
    live = LiveTurns()
    live.final("citizen", "", [Word(1.0, 1.5, "네")])
    after = turns_of("citizen", [Word(1.2, 1.5, "네")])
    assert differences(live.turns(), after, 0.3) == []
    assert differences(live.turns(), after, 0.1) == ["citizen, turn 1: 0.20 s apart"]
    assert len(differences(live.turns(), [], 0.3)) == 1


def test_two_who_talk_with_him_are_told_apart_and_partial_words_replaced() -> None:
    live = LiveTurns()
    assert live.partial("agent", "1001", "好")
    assert not live.partial("agent", "1001", "好")
    live.partial("agent", "8001", "您")
    assert live.now() == (("agent", "1001", "好"), ("agent", "8001", "您"))
    live.final("agent", "1001", [Word(0.0, 0.5, "好的")])
    live.final("agent", "8001", [Word(0.2, 0.6, "您好")])
    live.partial("citizen", "", "路灯")
    assert [(turn.who, turn.text) for turn in live.turns()] == [("1001", "好的"), ("8001", "您好")]
    assert live.said_by_citizen(10) == "路灯"


def test_of_a_talk_of_hours_the_newest_part_is_kept() -> None:
    live = LiveTurns(most=10)
    for number in range(100):
        live.final("citizen", "", [Word(number * 5.0, number * 5.0 + 1, str(number))])
    assert len(live.turns()) == 10
    assert live.dropped == 90
    assert live.turns()[-1].text == "99"


# ---------------------------------------------------------------- the budget


USES = st.lists(
    st.tuples(st.sampled_from(list(Use)), st.integers(0, 12), st.floats(0.05, 1.5), st.booleans()), max_size=60
)


@given(USES, st.floats(0.2, 4.0), st.floats(0.0, 3.0))
def test_nobody_takes_more_than_there_is(uses: list[tuple[Use, int, float, bool]], after: float, live: float) -> None:
    budget = CoreBudget(Cores(after + live, live))
    for use, who, share, takes in uses:
        if takes:
            room, before = budget.room(use), budget.used()
            had = share > room + 1e-6
            taken = budget.take(use, who, share)
            assert not (had and taken and budget.used() > before)
        else:
            budget.give_back(use, who)
        assert budget.used() <= budget.cores.all + 1e-6
        assert budget.used(Use.LIVE) <= live + 1e-6
        # What is not the live share is there for the transcripts, whatever the live streams do.
        assert budget.room(Use.AFTER) + budget.used(Use.AFTER) >= after - 1e-6


def test_transcripts_borrow_the_live_share_and_are_not_cut_off() -> None:
    budget = CoreBudget(Cores(2.0, 1.0))
    assert budget.take(Use.AFTER, "a", 1.0)
    assert budget.take(Use.AFTER, "b", 1.0)
    assert not budget.take(Use.LIVE, "call", 0.4)
    assert budget.refused[Use.LIVE] == 1
    budget.give_back(Use.AFTER, "b")
    assert budget.take(Use.LIVE, "call", 0.4)
    assert not budget.take(Use.AFTER, "b", 1.0), "live words go first where both want the core"
    assert budget.take(Use.LIVE, "call", 0.4), "who has a claim keeps it"
    assert budget.used(Use.LIVE) == 0.4


def test_the_pool_after_the_call_gets_whole_cores_of_the_same_budget() -> None:
    budget = CoreBudget(Cores(2.5, 1.5))
    share = AfterShare(budget)
    assert share.free() == 2
    assert budget.take(Use.LIVE, "call", 1.2)
    assert share.free() == 1, "its own"
    assert share.take()
    assert not share.take()
    assert not budget.take(Use.LIVE, "another", 0.4)
    budget.give_back(Use.LIVE, "call")
    assert share.take(), "and the live one while nobody needs it"
    share.give_back()
    share.give_back()
    assert budget.used() == 0


def test_a_budget_with_which_transcripts_would_never_come_is_refused() -> None:
    with pytest.raises(ValueError):
        Cores(1.0, 1.0)
    with pytest.raises(ValueError):
        Cores(-1.0)
    with pytest.raises(ValueError):
        CoreBudget(Cores(1.0)).take(Use.AFTER, "a", 0.0)


def test_the_newest_gives_way_and_nobody_while_all_keep_up() -> None:
    assert who_gives_way({"a": 2.9, "b": 0.1}, ["a", "b"], 3.0) is None
    assert who_gives_way({"a": 3.1, "b": 0.1}, ["a", "b"], 3.0) == "b"
    assert who_gives_way({"a": 3.1}, ["a", "b"], 3.0) == "a"
    assert who_gives_way({}, ["a"], 3.0) is None
