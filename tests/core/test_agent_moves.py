"""Every cell of the agents' table, written out a second time by hand, and what chooses between several ends."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.agent import (
    AGENT_MOVES,
    MISSED,
    PHONE_LOST,
    SIGNED_IN,
    Agent,
    AgentInput,
    AgentRules,
    AgentState,
    Refused,
    Wanted,
    step,
)
from agents.mark import decode, encode
from pbx.ids import AgentId, CallId, ChannelName

pytestmark = pytest.mark.core

S, I = AgentState, AgentInput  # noqa: E741
RULES = AgentRules(wrap_up_s=20.0, misses_before_not_ready=2)
NO_WRAP_UP = replace(RULES, wrap_up_s=0.0)
ID, CALL, OTHER, LEG = AgentId("1001"), CallId("hotline-1.1"), CallId("hotline-2.2"), ChannelName("PJSIP/1001-1")

GRID = """
             OFFLINE           NOT_READY         READY             RESERVED          RINGING           TALKING           HOLDING           WRAP_UP
SIGN_IN      NOT_READY         already_signed_in already_signed_in already_signed_in already_signed_in already_signed_in already_signed_in already_signed_in
SIGN_OUT     not_signed_in     OFFLINE           OFFLINE           RESERVED          RINGING           TALKING           HOLDING           WRAP_UP
GO_READY     READY             READY             READY             RESERVED          RINGING           TALKING           HOLDING           READY
GO_NOT_READY not_signed_in     NOT_READY         NOT_READY         RESERVED          RINGING           TALKING           HOLDING           WRAP_UP
RESERVE      not_signed_in     not_ready         RESERVED          reserved          ringing           talking           holding           wrap_up
RING         not_signed_in     not_ready         RINGING           RINGING           ringing           talking           holding           wrap_up
JOIN         TALKING           TALKING           TALKING           TALKING           TALKING           talking           TALKING           TALKING
RELEASE      not_talking       not_talking       not_talking       WRAP_UP           WRAP_UP           WRAP_UP           WRAP_UP           not_talking
HOLD         not_talking       not_talking       not_talking       not_talking       not_talking       HOLDING           holding           not_talking
RESUME       not_holding       not_holding       not_holding       not_holding       not_holding       not_holding       TALKING           not_holding
OFFER_FAILED no_offer          no_offer          no_offer          READY             READY             READY             no_offer          no_offer
NO_ANSWER    no_offer          no_offer          no_offer          READY             READY             READY             no_offer          no_offer
WRAP_UP_OVER not_in_wrap_up    not_in_wrap_up    not_in_wrap_up    not_in_wrap_up    not_in_wrap_up    not_in_wrap_up    not_in_wrap_up    READY
EXTEND       not_in_wrap_up    not_in_wrap_up    not_in_wrap_up    not_in_wrap_up    not_in_wrap_up    not_in_wrap_up    not_in_wrap_up    WRAP_UP
PHONE_LOST   OFFLINE           NOT_READY         NOT_READY         RESERVED          RINGING           TALKING           HOLDING           WRAP_UP
PHONE_BACK   OFFLINE           NOT_READY         READY             RESERVED          RINGING           TALKING           HOLDING           WRAP_UP
"""  # noqa: E501
"""What each input usually leads to in each state (upper case), or the code of the refusal (lower case)."""

CELLS = [
    (S[state], I[line.split()[0]], result)
    for line in GRID.strip().splitlines()[1:]
    for state, result in zip(GRID.split()[: len(S)], line.split()[1:], strict=True)
]


def agent_in(state: AgentState, **changes: object) -> Agent:
    """An agent in `state` since second 100, as he usually is there."""
    found = Agent(ID, state, 100.0, phone=True, idle_since=90.0)
    if state is S.NOT_READY:
        found = replace(found, reason="break")
    if state in (S.RESERVED, S.RINGING, S.TALKING, S.HOLDING, S.WRAP_UP):
        found = replace(found, call=CALL)
    if state in (S.RINGING, S.TALKING, S.HOLDING):
        found = replace(found, leg=LEG)
    if state is S.WRAP_UP:
        found = replace(found, until=120.0, generation=3)
    return replace(found, **changes)  # type: ignore[arg-type]


def do(
    agent: Agent, cause: AgentInput, now: float = 110.0, *, rules: AgentRules = RULES, reason: str = "meal"
) -> Agent:
    """The agent after a legal move."""
    after = step(agent, cause, now, call=agent.call or CALL, leg=LEG, reason=reason, rules=rules)
    assert isinstance(after, Agent), after
    return after


def test_the_table_has_every_cell_and_this_file_too() -> None:
    every = {(state, cause) for state in S for cause in I}
    assert set(AGENT_MOVES) == every
    assert {(state, cause) for state, cause, _ in CELLS} == every


@pytest.mark.parametrize(("state", "cause", "result"), CELLS, ids=lambda value: getattr(value, "name", value))
def test_every_cell(state: AgentState, cause: AgentInput, result: str) -> None:
    agent = agent_in(state)
    after = step(agent, cause, 110.0, call=CALL, leg=LEG, reason="meal", extend_s=30.0, rules=RULES)
    cell = AGENT_MOVES[state, cause]
    if result.islower():
        assert after == cell == Refused(result)
    else:
        assert isinstance(after, Agent)
        assert not isinstance(cell, Refused)
        assert after.state is cell.to[0] is S[result]
        assert after.since == (
            110.0 if after.state is not state or cause is I.GO_NOT_READY and state is S.NOT_READY else 100.0
        )


# ---------------------------------------------------------------- signing in and out


def test_an_agent_signs_in_not_ready_and_goes_ready_with_a_phone_only() -> None:
    agent = do(agent_in(S.OFFLINE, phone=False), I.SIGN_IN)
    assert (agent.state, agent.reason) == (S.NOT_READY, SIGNED_IN)
    assert step(agent, I.GO_READY, 111.0, rules=RULES) == Refused("phone_unreachable")
    agent = do(agent, I.PHONE_BACK, 112.0)
    assert (agent.state, agent.phone) == (S.NOT_READY, True), "he did not ask to be ready"
    agent = do(agent, I.GO_READY, 113.0)
    assert (agent.state, agent.reason, agent.idle_since, agent.available) == (S.READY, "", 113.0, True)


def test_going_ready_twice_keeps_the_place_among_the_idle() -> None:
    agent = agent_in(S.READY)
    assert do(agent, I.GO_READY, 500.0) == agent


def test_a_reason_must_be_one_of_the_hotlines() -> None:
    for state in (S.READY, S.NOT_READY, S.TALKING):
        refused = step(agent_in(state), I.GO_NOT_READY, 110.0, reason="fishing", rules=RULES)
        assert refused == Refused("unknown_reason")
    assert do(agent_in(S.READY), I.GO_NOT_READY).reason == "meal"
    assert do(agent_in(S.NOT_READY), I.GO_NOT_READY).reason == "meal"


@pytest.mark.parametrize("state", [S.RESERVED, S.RINGING, S.TALKING, S.WRAP_UP])
@pytest.mark.parametrize(
    ("wish", "state_after", "reason"), [(I.SIGN_OUT, S.OFFLINE, ""), (I.GO_NOT_READY, S.NOT_READY, "meal")]
)
def test_a_wish_at_work_is_fulfilled_when_the_work_is_over(
    state: AgentState, wish: AgentInput, state_after: AgentState, reason: str
) -> None:
    agent = do(agent_in(state), wish)
    assert (agent.state, agent.wanted) == (state, Wanted(state_after, reason))
    ways = {S.RESERVED: [[I.OFFER_FAILED], [I.NO_ANSWER]], S.TALKING: [[I.OFFER_FAILED], [I.NO_ANSWER]]}
    ways[S.RINGING] = ways[S.RESERVED]
    talk = [I.RELEASE] if state is not S.WRAP_UP else []
    for way in [*ways.get(state, []), [*talk, I.WRAP_UP_OVER]]:
        after = agent
        for cause in way:
            after = do(after, cause, 130.0)
        assert (after.state, after.reason, after.wanted, after.call) == (state_after, reason, None, None)
    if talk:
        assert do(agent, I.RELEASE, rules=NO_WRAP_UP).state is state_after


@pytest.mark.parametrize("state", [S.RESERVED, S.RINGING, S.TALKING, S.HOLDING])
def test_a_wish_can_be_taken_back(state: AgentState) -> None:
    agent = do(do(agent_in(state), I.SIGN_OUT), I.GO_READY)
    assert agent == agent_in(state)
    over = do(agent, I.RELEASE, rules=NO_WRAP_UP) if state is S.HOLDING else do(agent, I.OFFER_FAILED)
    assert over.state is S.READY


def test_going_ready_ends_the_wrap_up_and_takes_back_a_wish() -> None:
    agent = do(do(agent_in(S.WRAP_UP), I.GO_NOT_READY), I.GO_READY, 115.0)
    assert (agent.state, agent.wanted, agent.call, agent.until, agent.idle_since) == (S.READY, None, None, 0.0, 115.0)
    refused = step(agent_in(S.WRAP_UP, phone=False), I.GO_READY, 115.0, rules=RULES)
    assert refused == Refused("phone_unreachable")


# ---------------------------------------------------------------- offers and talks


def test_a_call_from_the_offer_to_the_end_of_the_wrap_up() -> None:
    agent = do(agent_in(S.READY), I.RESERVE, 110.0)
    assert (agent.state, agent.call, agent.leg) == (S.RESERVED, CALL, None)
    agent = do(agent, I.RING, 111.0)
    assert (agent.state, agent.call, agent.leg) == (S.RINGING, CALL, LEG)
    agent = do(agent, I.JOIN, 114.0)
    assert (agent.state, agent.call, agent.leg, agent.since) == (S.TALKING, CALL, LEG, 114.0)
    agent = do(agent, I.RELEASE, 200.0)
    assert (agent.state, agent.call, agent.leg, agent.until, agent.generation) == (S.WRAP_UP, CALL, None, 220.0, 1)
    agent = do(agent, I.WRAP_UP_OVER, 220.0)
    assert (agent.state, agent.call, agent.until, agent.idle_since) == (S.READY, None, 0.0, 220.0)


def test_a_caller_on_hold_is_still_his() -> None:
    holding = do(agent_in(S.TALKING), I.HOLD, 150.0)
    assert (holding.state, holding.call, holding.leg, holding.since) == (S.HOLDING, CALL, LEG, 150.0)
    assert not holding.available
    again = do(holding, I.RESUME, 170.0)
    assert (again.state, again.call, again.leg, again.since) == (S.TALKING, CALL, LEG, 170.0)
    assert do(holding, I.JOIN, 170.0) == again, "the exchange may report the two joined before we are told"
    wish = do(holding, I.GO_NOT_READY)
    assert do(do(wish, I.RESUME), I.RELEASE).wanted == Wanted(S.NOT_READY, "meal")
    gone = do(holding, I.RELEASE, 200.0)
    assert (gone.state, gone.until, gone.call) == (S.WRAP_UP, 220.0, CALL), "the caller hung up on hold"


def test_a_wrap_up_is_extended_up_to_the_hotlines_limit_and_the_earlier_clock_is_stale() -> None:
    rules = replace(RULES, wrap_up_max_s=60.0)
    agent = agent_in(S.WRAP_UP)
    longer = step(agent, I.EXTEND, 118.0, extend_s=40.0, rules=rules)
    assert isinstance(longer, Agent)
    assert (longer.state, longer.since, longer.until, longer.generation) == (S.WRAP_UP, 100.0, 160.0, 4)
    assert step(longer, I.EXTEND, 119.0, extend_s=1.0, rules=rules) == Refused("wrap_up_too_long")
    assert step(agent, I.EXTEND, 118.0, extend_s=0.0, rules=rules) == Refused("wrap_up_too_long")
    assert do(longer, I.GO_READY, 130.0).state is S.READY, "and it may be skipped"


def test_every_wrap_up_has_its_own_generation() -> None:
    agent = do(agent_in(S.TALKING, generation=7), I.RELEASE)
    again = do(do(do(agent, I.GO_READY, 111.0), I.JOIN, 112.0), I.RELEASE, 113.0)
    assert (agent.generation, again.generation) == (8, 9)


def test_a_hotline_without_wrap_up_has_its_agents_ready_at_once() -> None:
    agent = do(agent_in(S.TALKING), I.RELEASE, 200.0, rules=NO_WRAP_UP)
    assert (agent.state, agent.call, agent.leg, agent.idle_since) == (S.READY, None, None, 200.0)


@pytest.mark.parametrize("state", [S.RESERVED, S.RINGING, S.TALKING])
def test_a_failed_offer_costs_no_place_among_the_idle_and_a_miss_does(state: AgentState) -> None:
    failed = do(agent_in(state, misses=1), I.OFFER_FAILED)
    assert (failed.state, failed.idle_since, failed.misses, failed.call, failed.leg) == (S.READY, 90.0, 1, None, None)
    missed = do(agent_in(state), I.NO_ANSWER)
    assert (missed.state, missed.idle_since, missed.misses) == (S.READY, 110.0, 1)


def test_misses_in_a_row_make_not_ready_and_a_talk_begins_the_count_anew() -> None:
    agent = do(do(agent_in(S.READY), I.RESERVE), I.NO_ANSWER)
    assert agent.state is S.READY
    twice = do(do(agent, I.RESERVE), I.NO_ANSWER)
    assert (twice.state, twice.reason, twice.misses) == (S.NOT_READY, MISSED, 0)
    talked = do(do(do(do(agent, I.RESERVE), I.JOIN), I.RELEASE), I.WRAP_UP_OVER)
    assert do(do(talked, I.RESERVE), I.NO_ANSWER).state is S.READY
    assert do(agent_in(S.RINGING, misses=1), I.JOIN).misses == 0
    assert do(agent_in(S.RINGING, misses=1), I.RELEASE).misses == 0, "a talk whose beginning was not seen is a talk"
    once = replace(RULES, misses_before_not_ready=1)
    assert do(do(agent_in(S.READY), I.RESERVE), I.NO_ANSWER, rules=once).reason == MISSED


def test_an_unanswered_agent_who_wanted_to_go_goes() -> None:
    agent = do(agent_in(S.RINGING, misses=1, wanted=Wanted(S.OFFLINE)), I.NO_ANSWER)
    assert agent.state is S.OFFLINE


@pytest.mark.parametrize("cause", [I.RING, I.RELEASE, I.OFFER_FAILED, I.NO_ANSWER])
def test_a_late_word_about_an_earlier_call_is_refused(cause: AgentInput) -> None:
    agent = agent_in(S.RESERVED)
    assert step(agent, cause, 110.0, call=OTHER, leg=LEG, rules=RULES) == Refused("other_call")
    assert isinstance(step(agent, cause, 110.0, leg=LEG, rules=RULES), Agent), "a word without a call is about his"


@pytest.mark.parametrize("cause", [I.RESERVE, I.JOIN])
def test_reserving_and_joining_need_a_call(cause: AgentInput) -> None:
    with pytest.raises(ValueError, match="needs a call"):
        step(agent_in(S.READY), cause, 110.0, rules=RULES)


@pytest.mark.parametrize(
    ("agent", "state_after", "reason"),
    [
        (agent_in(S.OFFLINE), S.OFFLINE, ""),
        (agent_in(S.NOT_READY), S.NOT_READY, "break"),
        (agent_in(S.NOT_READY, reason=PHONE_LOST, wanted=Wanted(S.READY)), S.READY, ""),
        (agent_in(S.READY), S.READY, ""),
        (agent_in(S.RESERVED), S.READY, ""),
        (agent_in(S.RINGING, wanted=Wanted(S.NOT_READY, "meal")), S.NOT_READY, "meal"),
        (agent_in(S.WRAP_UP), S.READY, ""),
        (agent_in(S.WRAP_UP, wanted=Wanted(S.OFFLINE)), S.OFFLINE, ""),
    ],
    ids=lambda value: getattr(value, "name", None) or getattr(value, "state", value),
)
def test_a_talk_nobody_offered_is_believed_and_leads_back(agent: Agent, state_after: AgentState, reason: str) -> None:
    """The safety net, a third party, or a talk that is older than the controller."""
    talking = step(agent, I.JOIN, 110.0, call=OTHER, leg=LEG, rules=RULES)
    assert isinstance(talking, Agent)
    assert (talking.state, talking.call, talking.leg, talking.until) == (S.TALKING, OTHER, LEG, 0.0)
    after = do(do(talking, I.RELEASE, 200.0), I.WRAP_UP_OVER, 220.0)
    assert (after.state, after.reason) == (state_after, reason)


# ---------------------------------------------------------------- the phone


def test_a_lost_phone_makes_not_ready_and_its_return_ready_again() -> None:
    lost = do(agent_in(S.READY), I.PHONE_LOST, 110.0)
    assert (lost.state, lost.reason, lost.phone, lost.available) == (S.NOT_READY, PHONE_LOST, False, False)
    back = do(lost, I.PHONE_BACK, 150.0)
    assert (back.state, back.reason, back.phone, back.idle_since) == (S.READY, "", True, 150.0)


def test_who_was_not_ready_stays_so_whatever_his_phone_does() -> None:
    agent = do(do(agent_in(S.NOT_READY), I.PHONE_LOST), I.PHONE_BACK)
    assert agent == agent_in(S.NOT_READY)


def test_a_choice_made_while_the_phone_is_away_stands_when_it_is_back() -> None:
    lost = do(agent_in(S.READY), I.PHONE_LOST)
    on_break = do(do(lost, I.GO_NOT_READY), I.PHONE_BACK)
    assert (on_break.state, on_break.reason) == (S.NOT_READY, "meal")
    assert do(do(lost, I.SIGN_OUT), I.PHONE_BACK).state is S.OFFLINE


@pytest.mark.parametrize("state", [S.RESERVED, S.RINGING, S.TALKING, S.WRAP_UP])
def test_a_phone_lost_at_work_shows_when_the_work_is_over(state: AgentState) -> None:
    agent = do(agent_in(state), I.PHONE_LOST)
    assert (agent.state, agent.phone) == (state, False)
    over = do(agent, I.WRAP_UP_OVER if state is S.WRAP_UP else I.OFFER_FAILED, 130.0)
    assert (over.state, over.reason) == (S.NOT_READY, PHONE_LOST)
    assert do(over, I.PHONE_BACK, 140.0).state is S.READY
    in_time = do(do(agent, I.PHONE_BACK), I.WRAP_UP_OVER if state is S.WRAP_UP else I.OFFER_FAILED)
    assert in_time.state is S.READY


# ---------------------------------------------------------------- rules, and what always holds


@pytest.mark.parametrize(
    "wrong",
    [
        {"wrap_up_s": -1.0},
        {"misses_before_not_ready": 0},
        {"wrap_up_s": 30.0, "wrap_up_max_s": 20.0},
        {"not_ready_reasons": ()},
        {"not_ready_reasons": ("break", "小休")},
        {"not_ready_reasons": ("a|b",)},
    ],
)
def test_rules_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must"):
        AgentRules(**wrong)  # type: ignore[arg-type]


def lives() -> st.SearchStrategy[list[tuple[AgentInput, CallId, str]]]:
    one = st.tuples(
        st.sampled_from(AgentInput), st.sampled_from([CALL, OTHER]), st.sampled_from(RULES.not_ready_reasons)
    )
    return st.lists(one, max_size=40)


@given(lives(), st.sampled_from([RULES, NO_WRAP_UP]))
def test_whatever_happens_to_an_agent_he_stays_in_order(
    life: list[tuple[AgentInput, CallId, str]], rules: AgentRules
) -> None:
    agent = Agent(ID)
    for second, (cause, call, reason) in enumerate(life):
        cell = AGENT_MOVES[agent.state, cause]
        after = step(agent, cause, float(second), call=call, leg=LEG, reason=reason, rules=rules)
        if isinstance(after, Refused):
            continue
        assert not isinstance(cell, Refused)
        assert after.state in cell.to
        agent = after
        at_work = agent.state in (S.RESERVED, S.RINGING, S.TALKING, S.HOLDING, S.WRAP_UP)
        assert (agent.call is not None) == at_work
        assert agent.phone or agent.state is not S.READY, "nobody is ready without a phone"
        assert (agent.until > 0) == (agent.state is S.WRAP_UP)
        assert bool(agent.reason) == (agent.state is S.NOT_READY)
        assert agent.misses < rules.misses_before_not_ready
        assert agent.leg is None or agent.state in (S.RINGING, S.TALKING, S.HOLDING)
        text = encode(agent)
        assert re.fullmatch(r"[a-z0-9_.|-]+", text)
        back = decode(ID, text, phone=agent.phone, now=float(second))
        assert back is not None
        assert not agent.phone or encode(back) == text, "a mark is read as it was written"
        assert back.phone or back.state is not S.READY


# ---------------------------------------------------------------- the mark


@pytest.mark.parametrize(
    "agent",
    [
        agent_in(S.OFFLINE, idle_since=100.0),
        agent_in(S.NOT_READY, idle_since=100.0),
        agent_in(S.READY, since=90.0),
        agent_in(S.NOT_READY, idle_since=100.0, phone=False, reason=PHONE_LOST, wanted=Wanted(S.READY)),
        agent_in(S.WRAP_UP, idle_since=100.0, call=None, generation=0),
        agent_in(S.WRAP_UP, idle_since=100.0, call=None, generation=0, wanted=Wanted(S.NOT_READY, "meal")),
        agent_in(S.WRAP_UP, idle_since=100.0, call=None, generation=0, wanted=Wanted(S.OFFLINE)),
    ],
    ids=encode,
)
def test_an_agent_at_rest_or_in_wrap_up_is_found_again_as_he_was(agent: Agent) -> None:
    assert decode(ID, encode(agent), phone=agent.phone, now=500.0) == agent


@pytest.mark.parametrize("state", [S.RESERVED, S.RINGING, S.TALKING, S.HOLDING])
def test_an_agent_at_a_call_is_marked_as_what_he_will_be_after_it(state: AgentState) -> None:
    found = decode(ID, encode(agent_in(state)), phone=True, now=500.0)
    assert found is not None
    assert (found.state, found.idle_since, found.call) == (S.READY, 90.0, None)
    found = decode(ID, encode(agent_in(state, wanted=Wanted(S.NOT_READY, "meal"))), phone=True, now=500.0)
    assert found is not None
    assert (found.state, found.reason) == (S.NOT_READY, "meal")


def test_the_phone_of_now_counts_not_the_one_of_then() -> None:
    ready = encode(agent_in(S.READY))
    lost = decode(ID, ready, phone=False, now=500.0)
    assert lost == do(agent_in(S.READY, since=90.0), I.PHONE_LOST, 500.0)
    assert lost is not None
    back = decode(ID, encode(lost), phone=True, now=600.0)
    assert back is not None
    assert (back.state, back.reason, back.idle_since, back.wanted) == (S.READY, "", 600.0, None)


@pytest.mark.parametrize(
    "text",
    ["", "ready", "ready|1|||", "ready|x||0||", "gone|1||0||", "talking|1||0||", "ready|nan||0||", "ready|1||0||1||",
     "wrap_up|1||0|talking|", "not_ready|1|a b|0||", "ready|1|x\n|0||"],
)  # fmt: skip
def test_a_foreign_mark_is_no_mark(text: str) -> None:
    assert decode(ID, text, phone=True, now=1.0) is None
