"""The AMI door on a real Asterisk, with real SIP phones: a whole call, a takeover in the middle, the limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from controller.asterisk import Exchange, ExchangeSettings
from controller.softphone import Phone
from pbx import commands as order
from pbx import events as event
from pbx.ami import AmiDoor, LoginRefused, Superseded
from pbx.wire import MAX_LINE
from tests.asterisk.ami_story import (
    AGENTS,
    CALLER,
    THIRD,
    Inbox,
    Line,
    hang_up_while_ringing,
    phones,
    talk_and_wait,
    whole_call,
)

pytestmark = pytest.mark.asterisk


def make(settings: ExchangeSettings, inbox: Inbox) -> AmiDoor:
    spool = str(settings.recordings.parent)
    secret = settings.ami_secret
    return AmiDoor(settings.host, settings.ami_port, "ctl", secret, inbox, spool=spool, agents=AGENTS)


@asynccontextmanager
async def running(door: AmiDoor) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(door.run())
    try:
        assert await door.wait_ready(10)
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
async def door(exchange: Exchange, inbox: Inbox) -> AsyncIterator[AmiDoor]:
    door = make(exchange.settings, inbox)
    async with running(door):
        yield door
        if not door.connected:  # a test let a successor take over, which has cleared up
            return
        for row in await door.listing("CoreShowChannels"):
            await door.action("Hangup", [("Channel", row.get("Channel"))])
        for agent in AGENTS:
            door.perform(order.MarkAgent(agent, "", order.NetMembership.ABSENT))
        await door.action("Ping")


@pytest.fixture
async def lines(exchange: Exchange, door: AmiDoor) -> AsyncIterator[dict[str, Phone]]:
    async with phones(exchange.settings) as found:
        yield found


async def test_a_whole_call_from_the_first_word_to_the_score(
    exchange: Exchange, door: AmiDoor, inbox: Inbox, lines: dict[str, Phone]
) -> None:
    before = door.counters.messages
    line = await whole_call(door, inbox, lines, "whole.raw")
    mine = [found for found in inbox.events if getattr(found, "call", None) == line.call]
    assert line.arrived.dialled == "12345"
    assert line.arrived.caller == CALLER
    (busy,) = [found for found in mine if isinstance(found, event.OfferFailed)]
    assert (busy.agent, busy.status, busy.cause) == ("1001", "BUSY", 17)
    joined = [(found.role, found.agent) for found in mine if isinstance(found, event.PartyJoined)]
    assert sorted(joined[:2], key=str) == [(event.Role.AGENT, "1002"), (event.Role.CALLER, None)]
    assert joined[2] == (event.Role.THIRD, "3001")
    ended = [(found.role, found.agent, found.cause) for found in mine if isinstance(found, event.LegEnded)]
    assert sorted(ended, key=str) == sorted(
        [(event.Role.AGENT, "1001", 17), (event.Role.THIRD, "3001", 16), (event.Role.AGENT, "1002", 16)],
        key=str,
    )
    (talk,) = [found for found in mine if isinstance(found, event.TalkEnded)]
    assert talk.agent == "1002"
    (score,) = [found for found in mine if isinstance(found, event.CallScored)]
    assert score.score == 5
    assert not [found for found in mine if isinstance(found, event.StepLost | event.StepRefused)]
    assert type(mine[-1]) is event.RecordingStopped
    assert (exchange.settings.recordings / "whole.raw").stat().st_size > 16_000  # a second and more of both legs
    counters = door.counters
    assert (counters.garbage, counters.damaged_text, counters.handler_errors, counters.step_lost) == (
        0,
        0,
        0,
        0,
    )
    assert counters.messages - before < 100  # the filters work: without them the same call gives about 200


async def test_a_caller_who_gives_up_while_a_phone_rings(door: AmiDoor, inbox: Inbox, lines: dict[str, Phone]) -> None:
    line = await hang_up_while_ringing(door, inbox, lines)
    assert not [found for found in inbox.events if isinstance(found, event.PartyJoined)]
    assert await door.drain(5)
    assert line.call not in {row.variable("CALLID") for row in await door.listing("CoreShowChannels")}


async def test_ten_steps_given_at_once_all_run_once_and_in_order(
    door: AmiDoor, inbox: Inbox, lines: dict[str, Phone]
) -> None:
    """Of ten Redirects in one write most are overwritten (`asterisk.md` 10.2.1): the outbox gives them one by one."""
    await lines["citizen"].call("12345")
    line = Line(door, inbox, await inbox.next(event.CallArrived))
    for step in range(1, 11):
        door.perform(order.Hold(line.call, line.channel, step, "default", line.mark))
    await inbox.next(event.StepStarted, step=10)
    started = [found.step for found in inbox.events if isinstance(found, event.StepStarted)]
    assert started == list(range(1, 11))
    assert door.counters.action_errors == 0


async def test_a_step_that_is_not_newer_is_refused(door: AmiDoor, inbox: Inbox, lines: dict[str, Phone]) -> None:
    await lines["citizen"].call("12345")
    line = Line(door, inbox, await inbox.next(event.CallArrived))
    await line.hold(3)
    door.perform(order.Hold(line.call, line.channel, 2, "default", line.mark))
    refused = await inbox.next(event.StepRefused)
    assert (refused.got, refused.step) == (2, 3)


async def test_a_cancelled_offer_brings_the_caller_back_to_the_line(
    door: AmiDoor, inbox: Inbox, lines: dict[str, Phone]
) -> None:
    await lines["citizen"].call("12345")
    line = Line(door, inbox, await inbox.next(event.CallArrived))
    offer = await line.offer(1, AGENTS[0])
    await lines["1001"].incoming(timeout=5)
    door.perform(order.CancelOffer(line.call, offer.leg))
    failed = await inbox.next(event.OfferFailed)
    assert failed.cause == 16  # the status may be CHANUNAVAIL too, when the phone had not said that it rings
    door.perform(order.HangUp(line.call, line.channel))
    assert (await inbox.next(event.CallEnded)).cause == 16


async def test_a_step_to_a_caller_who_is_gone_is_no_answer(
    door: AmiDoor, inbox: Inbox, lines: dict[str, Phone]
) -> None:
    citizen = await lines["citizen"].call("12345")
    line = Line(door, inbox, await inbox.next(event.CallArrived))
    await citizen.answered(timeout=5)
    await citizen.hangup()
    await inbox.next(event.CallEnded)
    door.perform(order.Hold(line.call, line.channel, 1, "default", line.mark))
    assert (await inbox.next(event.StepLost)).reason == "timeout"


async def test_a_successor_finds_every_call_and_the_older_door_ends(
    exchange: Exchange, inbox: Inbox, lines: dict[str, Phone], door: AmiDoor
) -> None:
    talking, waiting = await talk_and_wait(door, inbox, lines)
    later = Inbox()
    second = make(exchange.settings, later)
    async with running(second):
        snapshot = await later.next(event.ExchangeConnected)
        rows = {(row.call, row.role): row for row in snapshot.channels}
        talker = rows[talking.call, event.Role.CALLER]
        assert (talker.context, talker.step, talker.bridged, talker.mark) == ("p-dial", 2, True, talking.mark)
        agent = rows[talking.call, event.Role.AGENT]
        assert (agent.agent, agent.bridged) == ("1002", True)
        waiter = rows[waiting.call, event.Role.CALLER]
        assert (waiter.context, waiter.step, waiter.bridged, waiter.mark) == (
            "p-hold",
            1,
            False,
            waiting.mark,
        )
        assert waiter.caller == CALLER
        assert set(snapshot.phones) == set(AGENTS)
        assert snapshot.marks == (("1002", "talking|1795311109.5||"),)
        with pytest.raises(Superseded):
            await door.wait_ready(5)
        second.perform(order.Hold(waiting.call, waiting.channel, 2, "default", waiting.mark))
        await later.next(event.StepStarted, call=waiting.call, step=2)
        second.perform(order.Hold(talking.call, talking.channel, 3, "default", talking.mark))
        assert (await later.next(event.StepLost)).reason == "talking"
        for line in (talking, waiting):
            second.perform(order.HangUp(line.call, line.channel))
            await later.next(event.CallEnded, call=line.call)
        await later.next(event.RecordingStopped, call=talking.call)
        for agent_id in AGENTS:
            second.perform(order.MarkAgent(agent_id, "", order.NetMembership.ABSENT))
        await second.action("Ping")


async def test_a_third_party_without_a_phone_is_told(door: AmiDoor, inbox: Inbox, lines: dict[str, Phone]) -> None:
    talking, _ = await talk_and_wait(door, inbox, lines)
    await lines["3001"].unregister()
    door.perform(order.AddParty(talking.call, talking.channel, THIRD, 5))
    ended = await inbox.next(event.LegEnded, role=event.Role.THIRD)
    assert ended.call == talking.call


async def test_the_longest_line_that_we_write_is_read(door: AmiDoor) -> None:
    value = "市" * ((MAX_LINE - len("Value: ")) // 3)
    assert not (await door.action("Setvar", [("Variable", "LONGEST"), ("Value", value)])).failed
    assert (await door.action("Getvar", [("Variable", "LONGEST")])).get("Value") == value


async def test_a_wrong_secret_is_refused(exchange: Exchange, inbox: Inbox) -> None:
    door = make(replace(exchange.settings, ami_secret="wrong"), inbox)
    with pytest.raises(LoginRefused, match="manager"):
        await door.run()
