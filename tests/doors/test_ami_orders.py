# ruff: noqa: F811 - fixtures are imported by name
"""Commands through the AMI door: one step at a time (`asterisk.md` 10.2), and what becomes of the others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from pbx import ami_orders
from pbx import commands as order
from pbx import events as event
from pbx.ami import AmiDoor
from pbx.ids import AgentId, CallId, ChannelName
from tests.fakes.ami_door import (  # noqa: F401
    CALLER,
    QUICK,
    Inbox,
    Make,
    ask,
    door,
    fake,
    hold,
    inbox,
    make,
    offer,
    redirects,
    running,
    talk,
    unconnected,
)
from tests.fakes.exchange import FakeCall, FakeExchange

pytestmark = pytest.mark.doors


# ---------------------------------------------------------------- one step at a time


async def test_a_step_writes_its_variables_and_the_redirect(door: AmiDoor, fake: FakeExchange, inbox: Inbox) -> None:
    call = fake.arrive()
    door.perform(ask(call, 1, "en"))
    await inbox.next(event.StepStarted, step=1)
    assert (call.context, call.step) == ("p-ask", 1)
    assert call.variables["A1"] == "hotline/zh/welcome,1,5"
    assert (call.variables["CHANNEL(language)"], call.variables["LANG"]) == ("en", "en")
    fake.press(call, "2")
    keys = await inbox.next(event.KeysPressed)
    assert (keys.keys, keys.step, keys.status) == ("2", 1, event.KeyStatus.OK)


async def test_two_steps_at_once_both_run_one_after_the_other(door: AmiDoor, fake: FakeExchange, inbox: Inbox) -> None:
    call, other = fake.arrive(), fake.arrive()
    for step in range(1, 6):
        door.perform(hold(call, step))
        door.perform(hold(other, step))
    await inbox.next(event.StepStarted, call=call.id, step=5)
    await inbox.next(event.StepStarted, call=other.id, step=5)
    assert sorted(redirects(fake)) == sorted([str(step) for step in range(1, 6)] * 2)
    assert door.counters.action_errors == 0  # the exchange refuses a second Redirect under way
    assert inbox.of(event.StepLost) == []


async def test_a_refused_step_lets_the_next_one_go(door: AmiDoor, fake: FakeExchange, inbox: Inbox) -> None:
    call = fake.arrive()
    call.step = 3
    door.perform(hold(call, 3))
    door.perform(hold(call, 4))
    refused = await inbox.next(event.StepRefused)
    assert (refused.got, refused.step) == (3, 3)
    await inbox.next(event.StepStarted, step=4)


async def test_a_step_that_is_not_confirmed_is_lost_with_those_behind_it(
    door: AmiDoor, fake: FakeExchange, inbox: Inbox
) -> None:
    call = fake.arrive()
    fake.fault.swallow_started = True
    door.perform(hold(call, 1))
    door.perform(hold(call, 2))
    lost = await inbox.next(event.StepLost)
    assert (lost.step, lost.reason) == (1, "timeout")
    assert redirects(fake) == ["1"]
    fake.fault.swallow_started = False
    door.perform(hold(call, 3))
    await inbox.next(event.StepStarted, step=3)
    assert redirects(fake) == ["1", "3"]


async def test_a_clear_refusal_is_lost_at_once(door: AmiDoor, fake: FakeExchange, inbox: Inbox) -> None:
    call = fake.arrive()
    fake.fault.refuse_redirect = "Permission denied"
    began = asyncio.get_running_loop().time()
    door.perform(hold(call, 1))
    assert (await inbox.next(event.StepLost)).reason == "refused"
    assert asyncio.get_running_loop().time() - began < QUICK.step_s


@pytest.mark.parametrize("text", ["Redirect failed, channel not up.", "Channel does not exist.", "No such channel"])
async def test_channel_not_up_waits_for_what_really_happens(
    door: AmiDoor, fake: FakeExchange, inbox: Inbox, text: str
) -> None:
    first, second, third = fake.arrive(), fake.arrive(), fake.arrive()
    fake.fault.refuse_redirect = text
    for call in (first, second, third):
        door.perform(hold(call, 1))
        door.perform(hold(call, 2))
    await fake.saw("Redirect", Channel=third.channel)
    fake.fault.refuse_redirect = ""
    assert inbox.of(event.StepLost) == []
    fake.report(first, "Started", Prim="p-hold", Step=1)  # it was only another Redirect on its way: carry on
    fake.hang_up(second)  # it was the hang-up: forget
    await inbox.next(event.StepStarted, call=first.id, step=2)
    await inbox.next(event.CallEnded, call=second.id)
    lost = await inbox.next(event.StepLost)  # neither: lost in the end
    assert (lost.call, lost.step, lost.reason) == (third.id, 1, "timeout")
    assert [one.call for one in inbox.of(event.StepLost)] == [third.id]


async def test_the_end_of_a_call_drops_its_steps(door: AmiDoor, fake: FakeExchange, inbox: Inbox) -> None:
    call = fake.arrive()
    fake.fault.swallow_started = True
    door.perform(hold(call, 1))
    door.perform(hold(call, 2))
    await fake.saw("Redirect")
    fake.hang_up(call)
    await inbox.next(event.CallEnded)
    await asyncio.sleep(QUICK.step_s * 1.5)  # the time after which a forgotten timer would tell a loss
    assert inbox.of(event.StepLost) == []
    assert redirects(fake) == ["1"]
    assert await door.drain(1)


async def test_a_talking_caller_is_never_redirected(door: AmiDoor, fake: FakeExchange, inbox: Inbox) -> None:
    call = await talk(fake, door, inbox)
    door.perform(hold(call, 2))
    assert (await inbox.next(event.StepLost)).reason == "talking"
    assert redirects(fake) == ["1"]
    assert call.bridged
    fake.leave("1001")
    ended = await inbox.next(event.TalkEnded)
    assert (ended.agent, ended.talk_s) == ("1001", 5.0)
    door.perform(hold(call, 3))
    await inbox.next(event.StepStarted, step=3)


async def test_a_step_that_waited_while_the_talk_began_is_not_sent(
    door: AmiDoor, fake: FakeExchange, inbox: Inbox
) -> None:
    fake.register("1001")
    call = fake.arrive()
    door.perform(offer(call, 1))
    await inbox.next(event.LegStarted)
    fake.fault.swallow_started = True
    door.perform(hold(call, 2))
    await fake.saw("Redirect", Exten="2")
    door.perform(hold(call, 3))
    fake._channel("BridgeEnter", call)
    fake.report(call, "Started", Prim="p-hold", Step=2)
    lost = await inbox.next(event.StepLost)
    assert (lost.step, lost.reason) == (3, "talking")
    assert redirects(fake) == ["1", "2"]


async def test_after_a_new_login_a_talking_caller_is_known_to_talk(
    door: AmiDoor, fake: FakeExchange, inbox: Inbox
) -> None:
    call = await talk(fake, door, inbox)
    fake.drop()
    await inbox.next(event.ExchangeConnected, after=len(inbox.events))
    door.perform(hold(call, 2))
    assert (await inbox.next(event.StepLost)).reason == "talking"


async def test_nothing_is_sent_again_on_a_new_connection(door: AmiDoor, fake: FakeExchange, inbox: Inbox) -> None:
    fake.register("3001")
    call = fake.arrive()
    await inbox.next(event.CallArrived)
    fake.fault.stall = True
    door.perform(hold(call, 1))
    door.perform(hold(call, 2))
    door.perform(order.AddParty(CallId(call.id), ChannelName(call.channel), AgentId("3001"), 5))
    fake.drop()
    await inbox.next(event.ExchangeLost)
    door.perform(hold(call, 3))
    assert (await inbox.next(event.StepLost, step=3)).reason == "not_connected"
    fake.fault.stall = False
    await inbox.next(event.ExchangeConnected, after=2)
    await door.action("Ping")
    await fake.saw("Ping")
    assert redirects(fake) == []
    assert all(action["Action"] != "Originate" for action in fake.actions)


@pytest.mark.parametrize(
    "bad",
    [
        lambda call: order.Play(call.id, call.channel, 1, ("x\r\nAction: Originate",), "zh", "m"),
        lambda call: order.Play(call.id, call.channel, 1, tuple(["hotline/zh/welcome"] * 60), "zh", "m"),
    ],
    ids=["line break", "over-long"],
)
async def test_a_command_that_cannot_be_written_is_lost_and_leaves_no_half(
    door: AmiDoor, fake: FakeExchange, inbox: Inbox, bad: Callable[[FakeCall], order.Play]
) -> None:
    call = fake.arrive()
    seen = len(fake.actions)
    door.perform(bad(call))
    assert (await inbox.next(event.StepLost)).reason == "bad_value"
    await door.action("Ping")
    assert {action["Action"] for action in fake.actions[seen:]} <= {"Ping", "Setvar"}
    assert all(action.get("Variable", "HB") == "HB" for action in fake.actions[seen:])
    door.perform(hold(call, 2))
    await inbox.next(event.StepStarted, step=2)


# ---------------------------------------------------------------- the other commands


async def test_an_offer_refused_cancelled_and_answered(door: AmiDoor, fake: FakeExchange, inbox: Inbox) -> None:
    fake.register("1001")
    call = fake.arrive()
    door.perform(offer(call, 1, "1002"))  # not registered
    failed = await inbox.next(event.OfferFailed)
    assert (failed.agent, failed.status, failed.cause) == ("1002", "CHANUNAVAIL", 3)
    door.perform(offer(call, 2))
    leg = (await inbox.next(event.LegStarted)).leg
    door.perform(order.CancelOffer(CallId(call.id), leg))
    failed = await inbox.next(event.OfferFailed, step=2)
    assert (failed.status, failed.cause) == ("NOANSWER", 16)
    door.perform(offer(call, 3))
    await inbox.next(event.LegStarted, step=3)
    fake.answer("1001")
    joined = await inbox.next(event.PartyJoined, role=event.Role.AGENT)
    assert joined.agent == "1001"


async def test_announcement_and_last_words_are_sent_at_once(door: AmiDoor, fake: FakeExchange, inbox: Inbox) -> None:
    call = fake.arrive()
    fake.fault.swallow_started = True
    door.perform(hold(call, 1))  # under way, and nobody confirms it
    door.perform(order.Announce(CallId(call.id), ChannelName(call.channel), ("hotline/zh/a", "hotline/zh/b")))
    door.perform(order.PrepareEnd(CallId(call.id), ChannelName(call.channel), ("t",), ("s",), ("g",), ("b",)))
    await fake.saw("Setvar", Variable="THANKS")
    assert call.variables["ANN"] == "hotline/zh/a&hotline/zh/b"
    assert [call.variables[name] for name in ("TICKETSAY", "SURVEY", "SURVEYAGAIN", "THANKS")] == [
        "t",
        "s",
        "g",
        "b",
    ]


async def test_last_words_that_come_again_are_written_where_they_changed(
    door: AmiDoor, fake: FakeExchange, inbox: Inbox
) -> None:
    call = fake.arrive()
    door.perform(order.PrepareEnd(CallId(call.id), ChannelName(call.channel), (), ("s",), ("g",), ("b",)))
    await fake.saw("Setvar", Variable="THANKS")
    after = len(fake.actions)
    door.perform(order.PrepareEnd(CallId(call.id), ChannelName(call.channel), ("t",), ("s",), ("g",), ("b",)))
    await fake.saw("Setvar", Variable="TICKETSAY", after=after)
    door.perform(order.Announce(CallId(call.id), ChannelName(call.channel), ("hotline/zh/a",)))
    await fake.saw("Setvar", Variable="ANN")
    written = [one["Variable"] for one in fake.actions[after:] if one["Action"] == "Setvar" and "Channel" in one]
    assert written == ["TICKETSAY", "ANN"]


async def test_a_mark_is_written_when_it_changes_and_after_a_lost_step(
    door: AmiDoor, fake: FakeExchange, inbox: Inbox
) -> None:
    def marks() -> list[str]:
        return [one["Value"] for one in fake.actions if one["Action"] == "Setvar" and one["Variable"] == "Q"]

    call = fake.arrive()
    for step, mark in enumerate(("m1", "m1", "m2"), 1):
        door.perform(order.Hold(CallId(call.id), ChannelName(call.channel), step, "default", mark))
        await inbox.next(event.StepStarted, step=step)
    assert marks() == ["m1", "m2"]
    fake.fault.swallow_started = True
    door.perform(order.Hold(CallId(call.id), ChannelName(call.channel), 4, "default", "m2"))
    await inbox.next(event.StepLost, step=4)
    fake.fault.swallow_started = False
    door.perform(order.Hold(CallId(call.id), ChannelName(call.channel), 5, "default", "m2"))
    await inbox.next(event.StepStarted, step=5)
    assert marks() == ["m1", "m2", "m2"], "whether it had arrived was not known"


async def test_a_caller_is_released(door: AmiDoor, fake: FakeExchange, inbox: Inbox) -> None:
    call = fake.arrive()
    door.perform(order.HangUp(CallId(call.id), ChannelName(call.channel)))
    assert (await inbox.next(event.CallEnded)).cause == 16


async def test_a_bad_value_of_another_command_is_dropped_and_counted(
    door: AmiDoor, fake: FakeExchange, inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    call = fake.arrive()
    bad = ("x\r\nAction: Originate",)
    door.perform(order.Announce(CallId(call.id), ChannelName(call.channel), bad))
    door.perform(order.Announce(CallId(call.id), ChannelName(call.channel), ("a" * 2000,)))
    await door.action("Ping")
    assert door.counters.dropped == 2
    assert "ANN" not in call.variables
    assert "Originate" not in caplog.text


async def test_a_third_party_joins_leaves_and_is_not_the_agent(door: AmiDoor, fake: FakeExchange, inbox: Inbox) -> None:
    fake.register("3001")
    call = await talk(fake, door, inbox)
    add = order.AddParty(CallId(call.id), ChannelName(call.channel), AgentId("3001"), 5)
    door.perform(add)
    originate = await fake.saw("Originate")
    assert (originate["Application"], originate["Data"], originate["Timeout"]) == (
        "BridgeAdd",
        call.channel,
        "5000",
    )
    fake.answer("3001")
    await inbox.next(event.PartyJoined, role=event.Role.THIRD, agent="3001")
    fake.leave("3001")
    await inbox.next(event.LegEnded, role=event.Role.THIRD)
    door.perform(add)  # a second time: refused by the phone
    await fake.saw("Originate", after=fake.actions.index(originate) + 1)
    fake.refuse("3001")
    await door.action("Ping")
    assert [leg.role for leg in inbox.of(event.LegEnded)] == [event.Role.THIRD] * 2  # one end for one leg


async def test_a_third_party_that_cannot_be_rung_is_told_too(door: AmiDoor, fake: FakeExchange, inbox: Inbox) -> None:
    call = await talk(fake, door, inbox)
    door.perform(order.AddParty(CallId(call.id), ChannelName(call.channel), AgentId("3009"), 5))
    ended = await inbox.next(event.LegEnded)
    assert (ended.role, ended.agent, ended.leg, ended.call) == (
        event.Role.THIRD,
        "3009",
        "PJSIP/3009",
        call.id,
    )


OURS = CallId("cb1-1")
PLACED = order.PlaceCall(OURS, "13800001111", "PJSIP/13800001111@trunk", "12345", 30, "zh", "12345|zh|1.0|||0|0")


def _not_answered(fake: FakeExchange, reason: str) -> None:
    fake.emit("OriginateResponse", Response="Failure", Channel=PLACED.dial, Uniqueid=OURS, Reason=reason)


def _channel_ends(fake: FakeExchange, cause: int) -> None:
    variables = ("ROLE=caller", f"CALLID={OURS}", "STEP=", "CTX=", "Q=")
    headers = {"Channel": "PJSIP/trunk-01", "Uniqueid": OURS, "Cause": str(cause)}
    fake.emit("Hangup", *(("ChanVariable", one) for one in variables), *headers.items())


@pytest.mark.parametrize(
    ("reason", "cause", "told"),
    [("0", 17, "busy"), ("0", 19, "no_answer"), ("0", 21, "failed"), ("3", 16, "no_answer")],
)
@pytest.mark.parametrize("channel_first", [False, True])
async def test_why_a_call_of_ours_was_not_answered_is_told_once_in_any_order(
    door: AmiDoor, fake: FakeExchange, inbox: Inbox, reason: str, cause: int, told: str, channel_first: bool
) -> None:
    door.perform(PLACED)
    await fake.saw("Originate")
    if channel_first:
        _channel_ends(fake, 19 if told == "no_answer" else cause)
        _not_answered(fake, reason)
    else:
        _not_answered(fake, reason)
        _channel_ends(fake, cause)
    assert (await inbox.next(event.OutboundFailed)).reason == told
    await inbox.next(event.CallEnded)
    await door.action("Ping")
    assert len(inbox.of(event.OutboundFailed)) == 1


async def test_a_call_of_ours_that_could_not_even_be_rung_has_failed(
    door: AmiDoor, fake: FakeExchange, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ami_orders, "CAUSE_S", 0.01)
    door.perform(PLACED)
    await fake.saw("Originate")
    _not_answered(fake, "0")
    assert (await inbox.next(event.OutboundFailed)).reason == "failed"


async def test_a_recording_is_told_to_have_stopped_once(door: AmiDoor, fake: FakeExchange, inbox: Inbox) -> None:
    by_hand, by_end, never = fake.arrive(), fake.arrive(), fake.arrive()
    for call in (by_hand, by_end):
        door.perform(order.StartRecording(CallId(call.id), ChannelName(call.channel), f"{call.id}.raw"))
    recorded = await fake.saw("MixMonitor", Channel=by_end.channel)
    assert (recorded["File"], recorded["Options"]) == (f"/spool/monitor/{by_end.id}.raw", "D")
    fake.stop_recording(by_hand)
    for call in (by_hand, by_end, never):
        fake.hang_up(call)
    await inbox.next(event.CallEnded, call=never.id)
    assert [stopped.call for stopped in inbox.of(event.RecordingStopped)] == [by_hand.id, by_end.id]


async def test_a_recording_of_before_the_new_login_is_known(door: AmiDoor, fake: FakeExchange, inbox: Inbox) -> None:
    call, other = fake.arrive(), fake.arrive()
    door.perform(order.StartRecording(CallId(call.id), ChannelName(call.channel), "x.raw"))
    await fake.saw("MixMonitor")
    fake.drop()
    await inbox.next(event.ExchangeConnected, after=1)
    fake.hang_up(call)
    fake.hang_up(other)
    await inbox.next(event.CallEnded, call=other.id)
    assert [stopped.call for stopped in inbox.of(event.RecordingStopped)] == [call.id]


async def test_an_agents_mark_and_membership(door: AmiDoor, fake: FakeExchange, inbox: Inbox) -> None:
    def mark(net: order.NetMembership, text: str = "ready|1.5||") -> None:
        door.perform(order.MarkAgent(AgentId("1001"), text, net))

    mark(order.NetMembership.READY)
    await door.action("Ping")
    assert fake.globals["AG_1001"] == "ready|1.5||"
    assert fake.members == {"PJSIP/1001": False}
    before = len(fake.actions)
    mark(order.NetMembership.READY, "ready|1.5|x|")
    await door.action("Ping")
    assert fake.globals["AG_1001"] == "ready|1.5|x|"
    assert not [action for action in fake.actions[before:] if action["Action"].startswith("Queue")]
    mark(order.NetMembership.READY, "ready|2.5|x|")  # idle anew: he is the last whom the net rings
    await door.action("Ping")
    queued = [action["Action"] for action in fake.actions[before:] if action["Action"].startswith("Queue")]
    assert queued == ["QueueRemove", "QueueAdd"]
    assert fake.members == {"PJSIP/1001": False}
    mark(order.NetMembership.PAUSED)
    await door.action("Ping")
    assert fake.members == {"PJSIP/1001": True}
    mark(order.NetMembership.ABSENT)
    await door.action("Ping")
    assert fake.members == {}
    mark(order.NetMembership.READY)
    await door.action("Ping")
    fake.restart()  # it has forgotten its members, so the same membership must be told again
    await inbox.next(event.ExchangeConnected, after=1)
    mark(order.NetMembership.READY)
    await door.action("Ping")
    assert fake.members == {"PJSIP/1001": False}


async def test_phones_that_come_and_go(door: AmiDoor, fake: FakeExchange, inbox: Inbox) -> None:
    fake.register("1001", "sip:1001@127.0.0.1:7001")
    fake.register("1001", "sip:1001@127.0.0.1:7002")  # from another port: no news
    fake.register("trunk")
    fake.unregister("1001")
    await inbox.next(event.PhoneChanged, reachable=False)
    assert [(one.agent, one.reachable) for one in inbox.of(event.PhoneChanged)] == [
        ("1001", True),
        ("1001", False),
    ]


async def test_the_safety_net_and_the_survey(door: AmiDoor, fake: FakeExchange, inbox: Inbox) -> None:
    fake.register("1001")
    call = fake.arrive()
    fake.fall_back(call)
    fake.net_rings(call, "1001")
    fake.answer("1001")
    fake.leave("1001")
    fake.score(call, 4)
    await inbox.next(event.CallEnded)
    told = ["CallArrived", "FellBack", "PartyJoined", "PartyJoined", "PartyLeft", "LegEnded", "PartyLeft"]
    own = [kind for kind in inbox.kinds() if kind not in ("ExchangeConnected", "PhoneChanged")]
    assert own == [*told, "NetTalkEnded", "CallScored", "CallEnded"]
    assert inbox.of(event.CallScored)[0].score == 4
