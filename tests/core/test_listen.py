"""监听, 密语, 强插: one call of the supervisor, switched without redialling, written down from beginning to end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from agents.moves import AgentState
from agents.rights import ADMIN, Right
from pbx import commands as order
from pbx.call import CallState
from pbx.commands import Command
from pbx.events import LiveChannel, Role
from pbx.ids import ActorId, AgentId, CallId, ChannelName, SpyId
from pbx.supervision import (
    Audit,
    EndSpy,
    Spy,
    SpyAsked,
    SpyEndAsked,
    SpyGone,
    SpyHeard,
    SpyMark,
    SpyMode,
    SpyOn,
    SpyStarted,
    SpyStopped,
    SpyWaits,
    StopSpy,
    SwitchSpy,
)
from tests.builders import (
    A1,
    A2,
    A3,
    LIN,
    LIN_PHONE,
    ONE,
    TWO,
    UNION,
    ZHAO,
    Hall,
    leg_of,
    leg_row,
    none,
    only,
    plan,
    row,
)  # fmt: skip

pytestmark = pytest.mark.core

LISTEN, WHISPER, BARGE = SpyMode
SUP = ChannelName("PJSIP/9001-00000007")


def listening(mode: SpyMode = LISTEN) -> tuple[Hall, SpyId]:
    """LIN hears the talk of agent 1001."""
    hall = Hall()
    hall.talking(A1)
    spy = only(hall.asked(SpyAsked, mode, A1, None), Spy).spy
    hall.later(2)
    hall.step(SpyStarted(spy, SUP, leg_of(A1), hall.now))
    return hall, spy


def test_the_supervisor_s_phone_is_rung_once_and_hears_the_agent_s_leg() -> None:
    hall = Hall()
    hall.talking(A1)
    commands = hall.asked(SpyAsked, LISTEN, A1, None)
    spy = only(commands, Spy)
    assert (spy.phone, spy.leg, spy.call, spy.ring_s) == (LIN_PHONE, leg_of(A1), ONE, 20)
    assert SpyMark.decode(spy.mark) == SpyMark(LIN, A1, LISTEN, spy.spy)
    assert only(commands, order.Reply).detail == (("mode", "listen"), ("phone", "ringing"))
    entry = only(commands, Audit).entry
    assert (entry.action, entry.agent, entry.call, entry.queue) == ("listen", A1, ONE, "general")
    assert entry.zh == f"监听话务员1001的通话{ONE}"
    assert hall.state() is CallState.TALKING


def test_every_mode_is_reached_without_a_second_call() -> None:
    hall, spy = listening()
    for mode in (WHISPER, BARGE, LISTEN):
        commands = hall.asked(SpyAsked, mode, A1, None)
        switch = only(commands, SwitchSpy)
        assert (switch.spy, switch.mode) == (spy, mode)
        assert SpyMark.decode(switch.mark) == SpyMark(LIN, A1, mode, spy)
        assert only(commands, Audit).entry.action == mode.value
        assert none(commands, Spy, StopSpy)
    assert none(hall.asked(SpyAsked, LISTEN, A1, None), SwitchSpy, Spy), "he listens already"


def test_a_mode_asked_for_while_his_phone_rings_is_switched_to_when_it_is_answered() -> None:
    hall = Hall()
    hall.talking(A1)
    commands = hall.asked(SpyAsked, WHISPER, A1, None)
    spy = only(commands, Spy).spy
    assert SpyMark.decode(only(commands, Spy).mark) == SpyMark(LIN, A1, LISTEN, spy)
    assert none(hall.asked(SpyAsked, BARGE, A1, None), SwitchSpy)
    started = hall.step(SpyStarted(spy, SUP, leg_of(A1), hall.now))
    assert only(started, SwitchSpy).mode is BARGE
    assert hall.step(SpyStarted(spy, SUP, leg_of(A1), hall.now)) == []


def test_a_call_s_talk_is_heard_by_its_agent_s_leg() -> None:
    hall = Hall()
    hall.talking(A1)
    hall.joined(A3, third=True)
    assert only(hall.asked(SpyAsked, LISTEN, None, ONE), Spy).leg == leg_of(A1)


def test_the_end_says_for_how_long_he_listened() -> None:
    hall, spy = listening()
    hall.later(75)
    assert only(hall.asked(SpyEndAsked), StopSpy).spy == spy
    entry = only(hall.step(SpyStopped(spy, hall.now)), Audit).entry
    assert (entry.actor, entry.action, entry.agent, entry.call) == (LIN, "stop_listening", A1, ONE)
    told = "after 75 seconds (2026-11-23 10:00:04 to 10:01:19)"
    assert entry.en == f"stopped listening: agent 1001, call {ONE}, {told}"
    assert entry.zh == f"停止监听: 话务员1001, 通话{ONE}, 共75秒(2026-11-23 10:00:04至10:01:19)"
    assert hall.step(SpyStopped(spy, hall.now)) == [], "told twice, once by ChanSpy and once by the hang-up"
    assert hall.replied(SpyEndAsked) == "not_listening"
    assert hall.state() is CallState.TALKING


def test_a_phone_that_nobody_answered_has_heard_nothing() -> None:
    hall = Hall()
    hall.talking(A1)
    spy = only(hall.asked(SpyAsked, LISTEN, A1, None), Spy).spy
    entry = only(hall.step(SpyStopped(spy, hall.now)), Audit).entry
    assert "his phone was not answered" in entry.en
    assert only(hall.asked(SpyAsked, LISTEN, A1, None), Spy).spy == spy, "the same instant: only a test asks so fast"


def test_there_must_be_something_to_hear() -> None:
    hall = Hall()
    hall.ready(A1)
    assert hall.replied(SpyAsked, LISTEN, A1, None) == "not_talking"
    hall.ringing(A1)
    assert hall.replied(SpyAsked, LISTEN, A1, None) == "not_talking"
    assert hall.replied(SpyAsked, LISTEN, None, ONE) == "not_talking"
    assert hall.replied(SpyAsked, LISTEN, None, CallId("x.1")) == "unknown_call"
    assert hall.replied(SpyAsked, LISTEN, AgentId("4711"), None) == "unknown_agent"


def test_one_supervisor_hears_one_talk() -> None:
    hall, _ = listening()
    hall.talking(A2, TWO)
    commands = hall.asked(SpyAsked, LISTEN, A2, None)
    assert only(commands, order.Reply).code == "already_listening"
    assert dict(only(commands, order.Reply).detail) == {"agent": A1, "call": ONE}
    assert only(commands, Audit).entry.en.endswith(f"; he listened to agent 1001, call {ONE}")
    assert none(commands, Spy)


def test_two_supervisors_may_hear_the_same_talk() -> None:
    hall, spy = listening()
    other = replace(hall.plan.supervisors[ZHAO], queues=frozenset({"general"}))
    hall.house.plan = replace(hall.plan, supervisors={**hall.plan.supervisors, ZHAO: other})
    assert only(hall.asked(SpyAsked, WHISPER, A1, None, by=ZHAO), Spy).spy != spy


@pytest.mark.parametrize("mode", SpyMode)
def test_each_mode_needs_its_right_and_the_switch_is_checked_too(mode: SpyMode) -> None:
    hall, _ = listening(LISTEN)
    mine = hall.plan.supervisors[LIN]
    without = replace(mine, rights=frozenset(Right) - {Right(mode.value)})
    hall.house.plan = replace(hall.plan, supervisors={**hall.plan.supervisors, LIN: without})
    assert hall.replied(SpyAsked, mode, A1, None) == "not_allowed"
    for by, code in ((UNION, "not_allowed"), (ActorId("nobody"), "not_allowed"), (ZHAO, "not_your_queue")):
        assert hall.replied(SpyAsked, mode, A1, None, by=by) == code
        assert hall.replied(SpyAsked, mode, None, ONE, by=by) == code
    assert hall.replied(SpyAsked, mode, A1, None, by=ADMIN) == "no_phone"


def test_while_the_exchange_is_away_nothing_is_promised() -> None:
    hall = Hall()
    hall.talking(A1)
    hall.lost_exchange()
    assert hall.replied(SpyAsked, LISTEN, A1, None) == "exchange_unavailable"


def spy_row(spy: SpyId, mode: SpyMode, heard: SpyHeard | None = None) -> LiveChannel:
    mark = SpyMark(LIN, A1, mode, spy).encode()
    return LiveChannel(SUP, ONE, Role.SPY, LIN_PHONE, "p-spy", 0, False, mark, "", heard=heard)


def gone_unseen(spy: SpyId, since: float | None, until: float | None, ended_at: float) -> SpyGone:
    """The exchange's note of a supervisor's channel that ended while nobody watched."""
    heard = SpyHeard(leg_of(A1), since, until) if since is not None else None
    return SpyGone(spy, ONE, leg_of(A1), SpyMark(LIN, A1, WHISPER, spy).encode(), ended_at, heard)


def ends(commands: Sequence[Command]) -> list[str]:
    """What the trail says of ends of listening."""
    found = [one.entry for one in commands if isinstance(one, Audit)]
    return [entry.en for entry in found if entry.action == "stop_listening"]


def test_a_restarted_controller_finds_who_listens_and_how() -> None:
    hall = Hall(connected=False)
    spy = SpyId("spy-lin-1")
    heard = SpyHeard(leg_of(A1), hall.now - 50, None)
    hall.connected(row(context="p-dial", bridged=True), leg_row(A1, up=True), spy_row(spy, WHISPER, heard))
    assert hall.house.supervision.spies[spy].started_at == hall.now - 50
    assert hall.where(A1) is AgentState.TALKING
    assert hall.call().legs == {leg_of(A1): A1}, "who listens is no party of the talk"
    assert only(hall.asked(SpyAsked, BARGE, A1, None), SwitchSpy).mode is BARGE
    hall.later(10)
    told = only(hall.step(SpyStopped(spy, hall.now)), Audit).entry.en
    assert told.endswith("after 60 seconds (2026-11-23 09:59:10 to 10:00:10)"), "the restart was no beginning"


def test_a_phone_that_rings_over_a_restart_has_heard_nothing_yet() -> None:
    hall = Hall(connected=False)
    spy = SpyId("spy-lin-1")
    rings = replace(spy_row(spy, LISTEN), context="from-agent")
    hall.connected(row(context="p-dial", bridged=True), leg_row(A1, up=True), rings)
    assert not hall.house.supervision.spies[spy].hears
    hall.later(3)
    hall.step(SpyStarted(spy, SUP, leg_of(A1), hall.now))
    hall.later(5)
    assert "after 5 seconds (" in ends(hall.step(SpyStopped(spy, hall.now)))[0]


@pytest.mark.parametrize("until", [None, -20.0])
def test_listening_that_ended_while_no_controller_was_there_is_told_with_its_beginning_and_end(
    until: float | None,
) -> None:
    """He hung up himself, or the talk was over first; a new controller never heard of it before."""
    hall = Hall(connected=False)
    spy = SpyId("spy-lin-1")
    left = hall.now + until if until is not None else None
    gone = gone_unseen(spy, hall.now - 50, left, hall.now - 15)
    commands = hall.connected(row(context="p-dial", bridged=True), leg_row(A1, up=True), listened=(gone,))
    lasted, at = ("30", "09:59:40") if until is not None else ("35", "09:59:45")
    told = f"agent 1001, call {ONE}, after {lasted} seconds (2026-11-23 09:59:10 to {at})"
    assert ends(commands) == [f"stopped listening: {told}"]
    entry = only(commands, Audit).entry
    assert (entry.actor, entry.agent, entry.call) == (LIN, A1, ONE)
    assert not hall.house.supervision.spies


def test_an_end_that_two_controllers_tell_is_one_line() -> None:
    """The first told it and was killed before the exchange's note was erased: the store knows the line by its id."""
    hall, spy = listening()
    since = hall.now
    hall.later(8)
    first = only(hall.step(SpyStopped(spy, hall.now)), Audit).entry
    again = Hall(connected=False)
    again.now = hall.now + 4
    commands = again.connected(listened=(gone_unseen(spy, since, None, hall.now),))
    assert only(commands, Audit).entry.id == first.id


def test_an_end_unseen_by_a_controller_that_lives_on_has_its_own_instant() -> None:
    hall, spy = listening()
    since = hall.now
    hall.lost_exchange()
    hall.later(30)
    gone = gone_unseen(spy, since, None, since + 12)
    commands = hall.connected(row(context="p-dial", bridged=True), leg_row(A1, up=True), listened=(gone,))
    assert len(ends(commands)) == 1
    assert "after 12 seconds (" in ends(commands)[0]


def test_a_leg_that_he_was_only_promised_he_has_not_heard() -> None:
    hall = Hall(connected=False)
    gone = gone_unseen(SpyId("spy-lin-1"), None, None, hall.now - 1)
    assert ends(hall.connected(listened=(gone,))) == [f"stopped listening: he heard nothing; agent 1001, call {ONE}"]


def test_who_hung_up_while_nobody_watched_is_gone_and_written_down() -> None:
    hall, _ = listening()
    hall.lost_exchange()
    hall.later(5)
    commands = hall.connected(row(context="p-dial", bridged=True), leg_row(A1, up=True))
    assert only(commands, Audit).entry.action == "stop_listening"
    assert not hall.house.supervision.spies


def test_a_listener_s_channel_ends_no_agent_s_talk() -> None:
    """The supervisor's phone may even be the extension of somebody on the roster: his leg is none of an agent's."""
    hall = Hall(**{"agents": {**plan().agents}})
    hall.talking(A1)
    stranger = LiveChannel(ChannelName("PJSIP/1002-9"), ONE, Role.SPY, A2, "", 0, False, "no mark", "")
    hall.connected(row(context="p-dial", bridged=True), leg_row(A1, up=True), stranger)
    assert hall.where(A2) is AgentState.OFFLINE
    assert not hall.house.supervision.spies


# ---------------------------------------------------------------- the leg that he heard is gone


def handed_on(**changes: object) -> tuple[Hall, SpyId]:
    """LIN hears 1001, who has just given his caller to 1002: 1002's phone rings."""
    hall, spy = listening(WHISPER)
    if changes:
        mine = replace(hall.plan.supervisors[LIN], **changes)  # type: ignore[arg-type]
        hall.house.plan = replace(hall.plan, supervisors={**hall.plan.supervisors, LIN: mine})
    hall.ready(A2)
    hall.later(10)
    hall.transfer(A2)
    hall.left(A1)
    hall.left(None)
    hall.leg_ended(A1)
    hall.started()
    assert none(hall.step(SpyWaits(spy, hall.now)), EndSpy, SpyOn), "he waits for the caller's next agent"
    assert hall.house.supervision.spies[spy].phone == "waiting"
    assert hall.house.heard_agents() == frozenset()
    hall.leg_started(A2)
    hall.later(5)
    return hall, spy


def test_he_follows_the_caller_to_the_next_agent_and_hears_him_only() -> None:
    hall, spy = handed_on()
    commands = [*hall.joined(A2), *hall.joined(None)]
    on = only(commands, SpyOn)
    assert (on.spy, on.leg) == (spy, leg_of(A2))
    assert SpyMark.decode(on.mark) == SpyMark(LIN, A2, LISTEN, spy), "the next one has not been whispered to before"
    ended, began = [one.entry for one in commands if isinstance(one, Audit)]
    assert (ended.action, ended.agent, began.action, began.agent) == ("stop_listening", A1, "listen", A2)
    assert "after 10 seconds (" in ended.en, "the waiting was no listening"
    hall.later(1)
    assert none(hall.step(SpyStarted(spy, SUP, leg_of(A2), hall.now)), SwitchSpy)
    assert hall.house.heard_agents() == {A2}
    assert only(hall.asked(SpyAsked, WHISPER, A2, None), SwitchSpy).mode is WHISPER
    hall.later(7)
    entry = only(hall.step(SpyStopped(spy, hall.now)), Audit).entry
    assert entry.agent == A2
    assert entry.en.startswith(f"stopped listening: agent 1002, call {ONE}, after 7 seconds (")


def test_he_is_not_led_to_an_agent_or_a_queue_of_others() -> None:
    hall, spy = handed_on(queues=frozenset({"english"}))
    commands = [*hall.joined(A2), *hall.joined(None)]
    assert none(commands, SpyOn)
    assert only(commands, EndSpy).spy == spy
    refused = [one.entry for one in commands if isinstance(one, Audit)][-1]
    assert (refused.agent, refused.outcome) == (A2, "not_your_queue")
    assert none(hall.step(SpyStopped(spy, hall.now)), Audit), "his end is written down already"
    assert not hall.house.supervision.spies


def test_when_the_talk_is_over_he_is_told_so_once() -> None:
    hall, spy = listening()
    hall.later(9)
    hall.left(A1)
    hall.left(None)
    hall.leg_ended(A1)
    hall.step(SpyWaits(spy, hall.now))
    told = only(hall.talk_ended(A1, talk_s=9.0), EndSpy)
    assert (told.spy, told.over) == (spy, "hotline/zh/goodbye")
    assert none(hall.hung_up(), EndSpy)
    hall.later(3)
    assert only(hall.step(SpyStopped(spy, hall.now)), Audit).entry.en.partition(" (")[0].endswith("after 9 seconds")


def test_one_who_hangs_up_himself_is_led_nowhere() -> None:
    hall, spy = listening()
    assert none(hall.step(SpyWaits(spy, hall.now)), SpyOn, EndSpy)
    hall.later(1)
    assert none(hall.ready(A2), SpyOn, EndSpy)
    assert only(hall.step(SpyStopped(spy, hall.now)), Audit).entry.action == "stop_listening"


def test_a_hotline_may_want_that_nobody_follows() -> None:
    hall, spy = listening()
    rules = replace(hall.plan.supervision, follow_s=0)
    hall.house.plan = replace(hall.plan, supervision=rules)
    hall.ready(A2)
    hall.transfer(A2)
    hall.leg_ended(A1)
    assert only(hall.step(SpyWaits(spy, hall.now)), EndSpy).spy == spy


def test_a_restart_while_he_waits_leads_him_on() -> None:
    hall = Hall(connected=False)
    spy = SpyId("spy-lin-1")
    heard = SpyHeard(leg_of(A1), hall.now - 9, hall.now - 2)
    commands = hall.connected(row(context="p-dial", bridged=True), leg_row(A2, up=True), spy_row(spy, LISTEN, heard))
    assert "after 7 seconds (" in ends(commands)[0], "the waiting was no listening"
    on = only(commands, SpyOn)
    assert (on.leg, SpyMark.decode(on.mark)) == (leg_of(A2), SpyMark(LIN, A2, LISTEN, spy))
