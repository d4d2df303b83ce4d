"""The service-level definitions against stories told in whole milliseconds and judged without any code of `metrics`."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.servicelevel import DEFINITIONS, HEADLINE, Tally, answer_wait, compute, definitions
from pbx.call import CallRecord, Outcome
from pbx.ids import AgentId, CallId, ChannelName, QueueId

pytestmark = pytest.mark.core

OFFERED = DEFINITIONS["sl15.offered.v1"]
ANSWERED = DEFINITIONS["sl15.answered.v1"]
NO_SHORT = DEFINITIONS["sl15.offered_no_short_abandon.v1"]
FROM_ARRIVAL = DEFINITIONS["sl15.from_arrival.v1"]
START = 1_763_744_400.0


def record(
    number: int = 1,
    *,
    queue: str | None = "general",
    queued: float | None = 2.0,
    joined: float | None = None,
    ended: float | None = None,
    outcome: Outcome | None = None,
    in_net: bool = False,
    menu_done: float | None = None,
) -> CallRecord:
    """A call that arrived at START; the other instants in seconds after it."""

    def at(offset: float | None) -> float | None:
        return None if offset is None else START + offset

    return CallRecord(
        CallId(f"c{number}"),
        ChannelName(f"PJSIP/carrier-{number}"),
        "12345",
        "",
        START,
        menu_done_at=at(menu_done),
        queue=QueueId(queue) if queue else None,
        queued_at=at(queued),
        agent=AgentId("1001") if joined is not None else None,
        joined_at=at(joined),
        in_net=in_net,
        outcome=outcome,
        ended_at=at(ended),
    )


def test_the_headline_is_first_and_every_name_carries_a_version() -> None:
    assert next(iter(DEFINITIONS)) == HEADLINE == "sl15.offered.v1"
    for name, definition in DEFINITIONS.items():
        assert definition.name == name
        assert name.startswith("sl15.")
        assert name.endswith(".v1")
        assert "15" in definition.formula_zh
        assert "15" in definition.formula_en
        assert definition.source
        assert definition.threshold_s == 15.0


def test_other_numbers_make_other_names() -> None:
    assert list(definitions(20.0, 3.0)) == [
        "sl20.offered.v1",
        "sl20.answered.v1",
        "sl20.offered_no_short_abandon_3s.v1",
        "sl20.from_arrival.v1",
    ]
    in_18_s = record(joined=20.0)
    assert compute(definitions(20.0)["sl20.offered.v1"], [in_18_s]).value == 1.0
    assert compute(OFFERED, [in_18_s]).value == 0.0
    after_4_s = record(ended=6.0, outcome=Outcome.ABANDONED)
    assert compute(definitions(15.0, 3.0)["sl15.offered_no_short_abandon_3s.v1"], [after_4_s]).value == 0.0
    assert compute(NO_SHORT, [after_4_s]).value is None


@pytest.mark.parametrize(("wait", "in_time"), [(0.0, 1), (14.999, 1), (15.0, 1), (15.0004, 1), (15.001, 0)])
def test_fifteen_seconds_are_compared_in_milliseconds_and_included(wait: float, in_time: int) -> None:
    figure = compute(OFFERED, [record(queued=3.3, joined=3.3 + wait, ended=99, outcome=Outcome.ANSWERED)])
    assert (figure.numerator, figure.denominator) == (in_time, 1)


def test_a_waiting_caller_is_in_no_figure_until_he_is_decided() -> None:
    for definition in DEFINITIONS.values():
        assert compute(definition, [record()]).value is None
    assert compute(OFFERED, [record(joined=5)]).value == 1.0  # a talk that still lasts is decided


def test_definitions_differ_by_denominator_and_clock() -> None:
    calls = [
        record(1, joined=10, ended=60, outcome=Outcome.ANSWERED),
        record(2, queued=8, joined=20, ended=60, outcome=Outcome.ANSWERED),  # 12 s in line, 20 s since arrival
        record(3, joined=40, ended=90, outcome=Outcome.ANSWERED),
        record(4, ended=5, outcome=Outcome.ABANDONED),  # after 3 s
        record(5, ended=30, outcome=Outcome.ABANDONED),
        record(6, queue=None, queued=None, ended=9, outcome=Outcome.LEFT_MENU),
        record(7, queue=None, queued=None, ended=9, outcome=Outcome.CLOSED),
    ]
    assert compute(OFFERED, calls).value == 2 / 5
    assert compute(ANSWERED, calls).value == 2 / 3
    assert compute(NO_SHORT, calls).value == 2 / 4
    assert compute(FROM_ARRIVAL, calls).value == 1 / 5
    assert compute(NO_SHORT, calls).denominator_calls == ("c1", "c2", "c3", "c5")
    assert compute(FROM_ARRIVAL, calls).numerator_calls == ("c1",)


def test_a_short_abandon_is_below_five_seconds_in_the_line_not_since_arrival() -> None:
    just_long = record(1, queued=10, ended=15.0, outcome=Outcome.ABANDONED)
    short = record(2, queued=10, ended=14.999, outcome=Outcome.ABANDONED)
    assert compute(NO_SHORT, [just_long, short]).denominator_calls == ("c1",)


def test_direct_mode_has_no_menu_and_its_line_begins_with_the_call() -> None:
    direct = record(queued=0.0, joined=4, ended=30, outcome=Outcome.ANSWERED)
    assert answer_wait(direct) == 4.0
    assert compute(FROM_ARRIVAL, [direct]).value == compute(OFFERED, [direct]).value == 1.0


def test_the_safety_net_s_calls_count_and_never_in_the_hotline_s_favour() -> None:
    from_line = record(1, joined=12, in_net=True, ended=50, outcome=Outcome.ANSWERED)
    from_menu = record(2, queued=None, menu_done=9, joined=20, in_net=True, ended=50, outcome=Outcome.ANSWERED)
    from_start = record(3, queued=None, joined=20, in_net=True, ended=50, outcome=Outcome.ANSWERED)
    unseen = record(4, in_net=True, ended=50, outcome=Outcome.ANSWERED)
    gave_up = record(5, queued=None, in_net=True, ended=4, outcome=Outcome.ABANDONED)
    figure = compute(OFFERED, [from_line, from_menu, from_start, unseen, gave_up])
    assert figure.denominator_calls == ("c1", "c2", "c3", "c4", "c5")
    assert figure.numerator_calls == ("c1", "c2")
    assert compute(ANSWERED, [unseen]).value == 0.0


def test_a_call_that_ended_unseen_was_offered_and_is_no_short_abandon() -> None:
    lost = record(ended=3, outcome=Outcome.FAILED)
    assert compute(OFFERED, [lost]).value == 0.0
    assert compute(NO_SHORT, [lost]).denominator == 1
    assert compute(ANSWERED, [lost]).value is None


def test_one_queue_s_figure_has_its_calls_only() -> None:
    calls = [record(1, joined=5), record(2, queue="english", joined=30)]
    assert compute(OFFERED, calls, queue=QueueId("english")).denominator_calls == ("c2",)


# ---------------------------------------------------------------- stories, judged on their own


@dataclass(frozen=True)
class Story:
    """One call in milliseconds since its arrival.

    When it left the menu, how long it then waited, and how that ended.
    """

    end: str  # "menu", "closed", "waiting", "talk", "over", "gave up", "unseen end", "unseen answer"
    menu_ms: int
    wait_ms: int
    queue: str
    net: bool


stories = st.builds(
    Story,
    st.sampled_from(["menu", "closed", "waiting", "talk", "over", "gave up", "unseen end", "unseen answer"]),
    st.integers(0, 20_000) | st.sampled_from([0, 4_999, 5_000, 15_000]),
    st.integers(0, 40_000) | st.sampled_from([0, 4_999, 5_000, 14_999, 15_000, 15_001]),
    st.sampled_from(["general", "english", "approvals"]),
    st.booleans(),
)

ENDS = {
    "menu": Outcome.LEFT_MENU,
    "closed": Outcome.CLOSED,
    "over": Outcome.ANSWERED,
    "gave up": Outcome.ABANDONED,
    "unseen end": Outcome.FAILED,
    "unseen answer": Outcome.ANSWERED,
}


def told(number: int, story: Story) -> CallRecord:
    """The record that the story leaves behind."""
    in_line = story.end not in ("menu", "closed")
    after = (story.menu_ms + story.wait_ms) / 1000
    return record(
        number,
        queue=story.queue if in_line else None,
        queued=story.menu_ms / 1000 if in_line else None,
        joined=after if story.end in ("talk", "over") else None,
        ended=after + (30 if story.end in ("over", "unseen answer") else 0) if story.end in ENDS else None,
        outcome=ENDS.get(story.end),
        in_net=story.net and in_line,
    )


def judged(name: str, story: Story) -> tuple[bool, bool]:
    """Whether the story counts below and above the line of a definition, by hand."""
    if story.end in ("menu", "closed", "waiting"):
        return False, False
    talked = story.end in ("talk", "over")
    if name == "sl15.from_arrival.v1":
        return True, talked and story.menu_ms + story.wait_ms <= 15_000
    in_time = talked and story.wait_ms <= 15_000
    if name == "sl15.answered.v1":
        return talked or story.end == "unseen answer", in_time
    if name == "sl15.offered_no_short_abandon.v1":
        return not (story.end == "gave up" and story.wait_ms < 5_000), in_time
    assert name == "sl15.offered.v1"
    return True, in_time


@given(st.lists(stories, max_size=30))
def test_every_definition_agrees_with_the_stories(tales: list[Story]) -> None:
    calls = [told(number, story) for number, story in enumerate(tales)]
    for name, definition in DEFINITIONS.items():
        verdicts = [judged(name, story) for story in tales]
        figure = compute(definition, calls)
        assert figure.denominator_calls == tuple(f"c{i}" for i, (below, _) in enumerate(verdicts) if below)
        assert figure.numerator_calls == tuple(f"c{i}" for i, (_, above) in enumerate(verdicts) if above)
        below, above = len(figure.denominator_calls), len(figure.numerator_calls)
        assert (figure.numerator, figure.denominator) == (above, below)
        assert figure.value == (above / below if below else None)


@given(st.lists(st.tuples(st.integers(0, 5), stories), max_size=30))
def test_the_tally_counts_each_call_as_it_was_put_last(puts: list[tuple[int, Story]]) -> None:
    tally, last = Tally(), dict[int, Story]()
    for number, story in puts:
        tally.put(told(number, story))
        last[number] = story
    live = {(row.definition, row.queue): row for row in tally.figures()}
    for queue in (None, "general", "english", "approvals"):
        calls = [told(n, s) for n, s in last.items() if queue is None or s.queue == queue]
        for name, definition in DEFINITIONS.items():
            expected = compute(definition, calls)
            row = live.get((name, QueueId(queue) if queue else None))
            if row is None:
                assert expected.denominator == 0
            else:
                got = (row.numerator, row.denominator, row.value)
                assert got == (expected.numerator, expected.denominator, expected.value)


def test_a_new_day_forgets_the_calls_of_the_old_one() -> None:
    tally = Tally()
    tally.put(record(1, joined=5))
    tally.drop_before(START)
    assert tally.figures()[0].denominator == 1
    tally.drop_before(START + 1)
    assert {(row.numerator, row.denominator) for row in tally.figures()} == {(0, 0)}
