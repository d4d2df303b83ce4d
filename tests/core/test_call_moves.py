"""Every cell of the calls' table, written out a second time by hand: legal where it stands here, ignored elsewhere."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.call import CALL_MOVES, CallInput, CallMark, CallState, moved

pytestmark = pytest.mark.core

S, I = CallState, CallInput  # noqa: E741

GRID = """
             ARRIVED  ASKING   PLAYING  MESSAGE  WAITING  OFFERED  TALKING  HELD     SURVEY   NET      DIALLING ENDED
ASK          ASKING   ASKING   ASKING   -        ASKING   -        -        -        -        -        -        -
PLAY         PLAYING  PLAYING  PLAYING  -        PLAYING  -        -        -        -        -        PLAYING  -
RECORD       -        -        MESSAGE  MESSAGE  -        -        -        -        -        -        -        -
QUEUE        WAITING  WAITING  WAITING  -        -        -        WAITING  WAITING  -        -        WAITING  -
OFFER        -        -        -        -        OFFERED  -        OFFERED  OFFERED  -        -        -        -
OFFER_FAILED -        -        -        -        -        WAITING  WAITING  WAITING  -        -        -        -
JOIN         -        -        -        -        -        TALKING  TALKING  TALKING  -        TALKING  -        -
HOLD         -        -        HELD     -        -        -        HELD     -        -        -        HELD     -
AGENT_LEFT   -        -        -        -        -        SURVEY   SURVEY   SURVEY   -        SURVEY   -        -
FALL_BACK    NET      NET      NET      NET      NET      NET      -        NET      -        NET      NET      -
RECLAIM      -        -        -        -        -        -        -        -        -        WAITING  -        -
END          ENDED    ENDED    ENDED    ENDED    ENDED    ENDED    ENDED    ENDED    ENDED    ENDED    ENDED    -
"""

CELLS = [
    (S[state], I[line.split()[0]], result)
    for line in GRID.strip().splitlines()[1:]
    for state, result in zip(GRID.split()[:12], line.split()[1:], strict=True)
]


def test_this_file_has_every_cell() -> None:
    every = {(state, cause) for state in S for cause in I}
    assert {(state, cause) for state, cause, _ in CELLS} == every
    assert set(CALL_MOVES) <= every


@pytest.mark.parametrize(("state", "cause", "result"), CELLS, ids=lambda value: getattr(value, "name", value))
def test_every_cell(state: CallState, cause: CallInput, result: str) -> None:
    assert moved(state, cause) is (None if result == "-" else S[result])


def test_every_state_can_be_reached_and_every_call_can_end() -> None:
    seen, ahead = {S.ARRIVED, S.DIALLING}, deque([S.ARRIVED, S.DIALLING])
    while ahead:
        state = ahead.popleft()
        for cause in I:
            after = moved(state, cause)
            if after is not None and after not in seen:
                seen.add(after)
                ahead.append(after)
    assert seen == set(S)
    assert all(moved(state, I.END) is S.ENDED for state in S if state is not S.ENDED)


def test_an_ended_call_stays_ended_and_a_talk_never_needs_the_net() -> None:
    assert not any(moved(S.ENDED, cause) for cause in I)
    assert moved(S.TALKING, I.FALL_BACK) is None
    assert moved(S.SURVEY, I.FALL_BACK) is None


@given(st.lists(st.sampled_from(CallInput), max_size=30))
def test_whatever_happens_only_a_joined_call_is_surveyed_or_talks(causes: list[CallInput]) -> None:
    """TALKING is entered by JOIN alone, SURVEY by AGENT_LEFT alone, the line by QUEUE, a failed offer or RECLAIM."""
    ways_in = {
        S.TALKING: {I.JOIN},
        S.SURVEY: {I.AGENT_LEFT},
        S.OFFERED: {I.OFFER},
        S.NET: {I.FALL_BACK},
        S.WAITING: {I.QUEUE, I.OFFER_FAILED, I.RECLAIM},
        S.ENDED: {I.END},
    }
    state = S.ARRIVED
    for cause in causes:
        after = moved(state, cause)
        if after is not None:
            assert cause in ways_in.get(after, set(I))
            state = after


# ---------------------------------------------------------------- the mark


words = st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyz0123456789:-"), max_size=12)
instants = st.integers(0, 4_000_000_000_000).map(lambda milliseconds: milliseconds / 1000)


@given(words, words, instants, words, words, st.integers(0, 9), instants, st.just(0.0) | instants)
def test_a_call_is_read_from_its_mark_as_it_was_written(
    dialled: str,
    language: str,
    arrived_at: float,
    node: str,
    queue: str,
    priority: int,
    queued_at: float,
    place_at: float,
) -> None:
    mark = CallMark(dialled, language, arrived_at, node, queue, priority, queued_at, place_at)
    text = mark.encode()
    assert not set(text) & set(',"\\ ')
    assert CallMark.decode(text) == mark


@pytest.mark.parametrize("text", ["", "12345", "12345|zh|x||||0", "12345|zh|1.0|main||high|0", "a|b|1|c|d|0|0|e"])
def test_a_foreign_mark_is_no_mark(text: str) -> None:
    assert CallMark.decode(text) is None
