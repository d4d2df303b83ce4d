"""Every event in every state of a call, and soups of events that no exchange would send: the house stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from pbx import campaign, memory, notice
from pbx import events as event
from pbx import supervision as word
from pbx.call import CallState
from pbx.events import Event, KeyStatus, LiveChannel, PhoneCode, PinVerdict, Role, TargetKind, TimerKind
from pbx.ids import AgentId, CallId, ChannelName, QueueId, RequestId, SkillId, SpyId, TicketNumber
from pbx.live_words import LiveMark, LiveWordsMarked
from pbx.spoken import ChoiceSpoken, ListeningChanged
from pbx.supervision import QueueOverride, SkillOverride
from tests.builders import (
    A1,
    A2,
    DEPARTMENT,
    ENGLISH,
    GENERAL,
    LIN,
    OFFICE,
    ONE,
    TWO,
    Hall,
    caller_channel,
    leg_of,
    leg_row,
    row,
)

pytestmark = pytest.mark.core

SPY = SpyId("spy-lin-1")
CALLS, AGENTS = (ONE, TWO), (A1, A2, DEPARTMENT)


def held_rows(call: CallId, agent: AgentId, step: int, asking: bool) -> tuple[LiveChannel, ...]:
    """A caller on hold, and his agent, alone or asking."""
    mine = leg_row(agent, call, up=asking, context="ag-consult" if asking else "ag-hold")
    return (row(call, "p-hold", step=step), mine, *([leg_row(A2, call, up=True, number=2)] if asking else []))


def events(call: CallId, agent: AgentId, step: int, at: float, third: bool) -> list[Event]:
    """One of every kind."""
    request, role = RequestId("r"), Role.THIRD if third else Role.AGENT
    other = A2 if agent == A1 else A1
    rows = (row(call, "p-dial", step=step, bridged=third), leg_row(agent, call, up=third))
    return [
        event.CallArrived(call, caller_channel(call), "12345", "138", at),
        event.StepStarted(call, step, at),
        event.StepRefused(call, step, step + 1, at),
        event.StepLost(call, step, "talking" if third else "timeout", at),
        event.KeysPressed(call, step, "1", KeyStatus.OK, at),
        event.PromptPlayed(call, step, at),
        event.Recorded(call, step, at - 3.0, event.MessageEnd.KEY, at),
        event.Announced(call, step, at),
        event.HoldKeyPressed(call, step, "1", at),
        event.CallbackStored("cb1", 0, "waiting", at),
        event.CallbackAsked("13800001111", QueueId("general"), None, at, "zh", "web", RequestId("r"), at),
        event.CallbackCancelled("cb1", "web", RequestId("r"), at),
        event.CallbacksRestored((), at),
        event.CallerIdle(call, step, at),
        event.FellBack(call, caller_channel(call), step, at),
        event.CallScored(call, 5, at),
        event.CallEnded(call, 16, at),
        event.LegStarted(call, step, agent, leg_of(agent, call), at),
        event.OfferFailed(call, step, agent, "ANSWER" if third else "NOANSWER", 16 if third else 0, at),
        event.PartyJoined(call, leg_of(agent, call), role, agent, at),
        event.PartyJoined(call, caller_channel(call), Role.CALLER, None, at),
        event.PartyLeft(call, leg_of(agent, call), role, agent, at),
        event.PartyLeft(call, caller_channel(call), Role.CALLER, None, at),
        event.TalkEnded(call, step, agent, 3.0, at),
        event.NetTalkEnded(call, agent if third else None, at),
        event.LegEnded(call, leg_of(agent, call), role, agent, 16, at),
        event.RecordingStopped(call, at),
        event.PhoneChanged(agent, third, at),
        event.PhoneUsed(agent, event.PhoneUse.IN_USE if third else event.PhoneUse.IDLE, at),
        event.ExchangeConnected(rows, (A1, A2), (), at),
        event.ExchangeConnected((row(call, "fallback", step=step),), (A1, A2), (), at),
        event.ExchangeConnected((row(call, "p-survey", step=step), row(TWO, "p-idle")), (A1,), (), at),
        event.ExchangeLost(at),
        event.ExchangeEnding(at),
        event.AgentSignedIn(agent, request, at),
        event.AgentSignedIn(agent, request, at, other),
        event.AgentSignedOut(agent, request, at),
        event.AgentWentReady(agent, request, at),
        event.AgentWentNotReady(agent, "break", request, at),
        event.CodeDialled(
            agent,
            leg_of(agent, call),
            PhoneCode.SIGN_IN,
            other,
            "",
            PinVerdict.RIGHT if third else PinVerdict.WRONG,
            at,
        ),
        event.CodeDialled(agent, leg_of(agent, call), PhoneCode.NOT_READY, None, "1", PinVerdict.NONE, at),
        event.CodeDialled(agent, leg_of(agent, call), PhoneCode.SIGN_OUT, None, "", PinVerdict.NONE, at),
        event.TimeIsUp(TimerKind.REASON_LIMIT, agent, step, at),
        event.WrapUpExtended(agent, 30.0, request, at),
        event.ThirdPartyAsked(other, agent, request, at),
        event.ThirdPartyDropped(other, agent, request, at),
        event.HoldAsked(agent, request, at),
        event.ResumeAsked(agent, request, at),
        event.TransferAsked(agent, TargetKind.AGENT, other, request, at),
        event.TransferAsked(agent, TargetKind.QUEUE, "english", request, at),
        event.ConsultAsked(agent, TargetKind.AGENT, other, request, at),
        event.ConsultCompleted(agent, request, at),
        event.HandOverAsked(agent, "110", "transfer" if third else "three_way", request, at),
        event.HandOverAsked(agent, "110", "ticket", request, at, event.TicketWords(text="起火")),
        event.TicketHandedOver(
            call, "110", agent, TicketNumber("1") if third else None, "" if third else "closed", request, at
        ),
        event.MuteAsked(agent, third, request, at),
        event.DigitsAsked(agent, "1#", request, at),
        event.OutboundAsked(agent, "13800002222", "follow_up", "", request, at),
        event.JoinEnded(call, step, third, at),
        event.ConsultEnded(call, agent, "ANSWER" if third else "BUSY", 16, at),
        event.PhoneHeld(call, leg_of(agent, call), agent, third, at),
        event.OutboundAnswered(call, caller_channel(call), at),
        event.OutboundFailed(call, "busy", at),
        event.AgentWaits(call, agent, leg_of(agent, call), at),
        event.ExchangeConnected(held_rows(call, agent, step, third), (A1, A2), (), at),
        event.TicketOpened(call, TicketNumber("1"), at),
        event.TimeIsUp(TimerKind.WRAP_UP, agent, step, at),
        event.TimeIsUp(TimerKind.RETRY_OFFER, call, step, at),
        event.TimeIsUp(TimerKind.ANNOUNCE, call, step, at),
        event.TimeIsUp(TimerKind.RELAX, call, step, at),
        event.TimeIsUp(TimerKind.KEPT, call, step, at),
        event.CallsRestored((), at),
        event.TimeIsUp(TimerKind.OVERRIDE, f"agent:{agent}", 0, at),
        event.OverridesRestored(
            (SkillOverride(agent, SkillId("english"), 2, at + 5, LIN, at),),
            (QueueOverride(ENGLISH, None, 3, at - 5, LIN, at),),
            at,
        ),
        word.ReadyForced(agent, LIN, request, at),
        word.NotReadyForced(agent, "break", LIN, request, at),
        word.SignOutForced(agent, LIN, request, at),
        word.ReleaseAsked(call, LIN, request, at),
        word.MoveAsked(call, LIN, request, at, queue=ENGLISH, priority=3, head=third),
        word.MoveAsked(call, LIN, request, at, agent=agent),
        word.SkillsChanged(agent, ((SkillId("english"), 2),), at + 5, LIN, request, at),
        word.QueueChanged(GENERAL, ((SkillId("general"), 2),), 4, at + 5, LIN, request, at),
        word.SpyAsked(word.SpyMode.WHISPER, agent, None, LIN, request, at),
        word.SpyAsked(word.SpyMode.BARGE, None, call, LIN, request, at),
        word.SpyEndAsked(LIN, request, at),
        word.RecordingPauseAsked(call, True, agent, LIN, request, at),
        word.RecordingPauseAsked(call, False, None, LIN, request, at),
        word.SpyStarted(SPY, ChannelName("PJSIP/9001-1"), leg_of(agent, call), at),
        word.SpyStopped(SPY, at),
        word.SpyWaits(SPY, at),
        notice.NoticeGiven("water", "", None, None, at + 5, True, LIN, request, at),
        notice.NoticeGiven("power", "haizhou", ENGLISH, None, None, third, LIN, request, at),
        notice.NoticeEnded("n0", LIN, request, at),
        notice.NoticeRegistered("n0", call, at),
        notice.IncidentOver("i0", at),
        event.TicketQueried(call, step, "none", "", None, at),
        notice.NoticesRestored((INCIDENT,), (notice.Registration("n0", "138", "zh", GENERAL, call, at),), at),
        campaign.FollowUpsWanted((campaign.FollowUpWanted("7", "13800001111", "zh", GENERAL, 0, "late"),), at),
        campaign.CampaignPaused(third, LIN, request, at),
        campaign.CampaignRestored(campaign.CampaignRest(LIN, at), (at - 5.0,), at),
        event.TimeIsUp(TimerKind.CALLBACK, "campaign", step, at),
        event.TimeIsUp(TimerKind.NOTICE, "n0", 0, at),
        event.CallersRemembered((LISTED,), (("13800001111", GENERAL, at - 9, at, "returning"),), (("1", A1, at),), at),
        memory.DeskNoticesRestored((memory.DeskNotice(at - 9, "overrun", agent, "break"),), at),
        memory.LessonsRestored((memory.QueueLessons(GENERAL, (60.0, 90.0), 2.0, 900.0),), at),
        event.CallerListed(LISTED, request, at),
        event.CallerUnlisted("13800001111", "1001", request, at),
        LiveWordsMarked(call, LiveMark.GAVE_WAY if third else LiveMark.LIVE, at),
        ListeningChanged(("zh",) if third else (), at),
        ChoiceSpoken(call, step, "9", 1.0 if third else 0.1, at),
    ]


LISTED = event.CallerEntry("138*", "vip", 4e9, GENERAL, 3, "1001", "")


INCIDENT = notice.Incident("n0", "water", "", None, None, None, True, LIN, 0.0, of="i0")


def test_no_kind_of_event_is_missing_here() -> None:
    assert {type(one) for one in events(ONE, A1, 1, 0.0, True)} == set(get_args(event.Event))


def sound(hall: Hall, *, numbers: bool = True) -> None:
    """What must hold whatever was told; `numbers` only where no call comes twice."""
    house = hall.house
    for live in house.calls.values():
        assert (live.state is CallState.WAITING) == (live.call in house.line)
        assert live.offer is None or live.state is CallState.OFFERED
        assert live.state in (CallState.WAITING, CallState.OFFERED) or live.call not in house.unheld
        assert live.state is not CallState.ENDED
    for entry in house.line.ordered():
        assert entry.call in house.calls
    if house.connected and not house.ending:
        assert not house.unheld
    steps: dict[CallId, int] = {}
    for command in hall.said if numbers else []:
        step = getattr(command, "step", None)
        if step is not None:
            assert step > steps.get(command.call, 0), "a step's number must grow"  # type: ignore[union-attr]
            steps[command.call] = step  # type: ignore[union-attr]


def _in(state: CallState) -> Hall:
    hall = Hall()
    if state is CallState.MESSAGE:
        office = hall.plan.numbers[OFFICE]
        hall.house.plan = replace(
            hall.plan, numbers={**hall.plan.numbers, OFFICE: replace(office, when_closed="voice-message")}
        )
        hall.later(12 * 3600.0)
    ways: dict[CallState, Callable[[], object]] = {
        CallState.ASKING: hall.arrive,
        CallState.PLAYING: lambda: (hall.arrive(), hall.press("1")),
        CallState.MESSAGE: lambda: (hall.arrive(dialled=OFFICE), hall.played()),
        CallState.WAITING: hall.queued,
        CallState.OFFERED: hall.ringing,
        CallState.TALKING: hall.talking,
        CallState.HELD: lambda: (hall.talking(), hall.hold(), hall.parted()),
        CallState.SURVEY: hall.surveyed,
        CallState.NET: lambda: hall.connected(row(context="fallback"), leg_row(A2)),
    }
    ways[state]()
    assert hall.state() is state
    return hall


STATES = [state for state in CallState if state not in (CallState.ARRIVED, CallState.DIALLING, CallState.ENDED)]


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("third", [True, False])
@pytest.mark.parametrize("late", [0, 1])
def test_every_event_in_every_state_now_late_and_twice(
    state: CallState, agent: AgentId, third: bool, late: int
) -> None:
    for index in range(len(events(ONE, agent, 1, 0.0, third))):
        hall = _in(state)
        found = events(ONE, agent, max(hall.call().step - late, 0), hall.now, third)[index]
        for _ in range(2):
            hall.step(found)
            sound(hall)
        hall.hung_up()
        assert ONE not in hall.house.calls
        sound(hall)


@settings(max_examples=150, deadline=None, derandomize=True, database=None, phases=[Phase.generate, Phase.shrink])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(CALLS),
            st.sampled_from(AGENTS),
            st.integers(0, 6),
            st.booleans(),
            st.integers(0, len(events(ONE, A1, 1, 0.0, True)) - 1),
        ),
        max_size=60,
    )
)
def test_any_soup_of_events(soup: list[tuple[CallId, AgentId, int, bool, int]]) -> None:
    hall = Hall()
    hall.ready(A1, A2)
    hall.queued(ONE)
    for call, agent, step, third, index in soup:
        hall.later(0.4)
        live = hall.house.calls.get(call)
        number = max((live.step if live is not None else 0) + step - 5, 0)
        hall.step(events(call, agent, number, hall.now, third)[index])
        sound(hall, numbers=False)
