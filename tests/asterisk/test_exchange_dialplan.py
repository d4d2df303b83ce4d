"""The dialplan's primitives on a real Asterisk: what each reports, and what it does without a controller."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

pytestmark = [pytest.mark.asterisk, pytest.mark.usefixtures("complaints_of_asterisk")]

HBMAX = 3


def at(message: dict[str, str]) -> float:
    return float(message["at"])


async def test_arrival_tells_number_and_caller(beating: Any, dial: Callable[..., Awaitable[Any]]) -> None:
    caller = await dial(cli="13912345678")
    assert caller.started["Did"] == "12345"
    assert caller.started["Cli"] == "13912345678"
    assert caller.started["ChanVariable"].split("\n")[:3] == ["ROLE=caller", f"CALLID={caller.call}", "STEP=0"]


async def test_a_callers_number_cannot_forge_headers(beating: Any, dial: Callable[..., Awaitable[Any]]) -> None:
    caller = await dial(cli='"x" <138,CallId: forged,Did: 110>')
    assert caller.started["CallId"] == caller.call
    assert caller.started["Did"] == "12345"
    assert "," not in caller.started["Cli"]
    assert ":" not in caller.started["Cli"]


async def test_a_number_that_is_not_ours_is_refused(beating: Any) -> None:
    await beating.do("Originate", Channel="Local/95588@from-trunk", Application="Wait", Data="5", Async="true")
    failed = await beating.event(lambda m: m["Event"] == "OriginateResponse")
    assert failed["Response"] == "Failure"
    assert not [m for m in beating.events if m.get("UserEvent") == "CallStart"]


async def test_no_controller_at_arrival_net_at_once(tap: Any, dial: Callable[..., Awaitable[Any]]) -> None:
    caller = await dial()
    fallback = await caller.user("Fallback", within=1.0)
    assert at(fallback) - at(caller.started) < 0.5
    assert fallback["Chan"] == caller.channel
    joined = await tap.event(lambda m: m["Event"] == "QueueCallerJoin" and m["Uniqueid"] == caller.call)
    assert joined["Queue"] == "net"
    await caller.stands("fallback/Queue")


async def test_silent_controller_leaves_the_caller_with_music_then_net(
    beating: Any, dial: Callable[..., Awaitable[Any]]
) -> None:
    """The controller beats but forgot this caller: music after two idle rounds, the net after idle_max_s (10)."""
    caller = await dial()
    await beating.event(lambda m: m["Event"] == "MusicOnHoldStart" and m["Uniqueid"] == caller.call, within=2.5)
    fallback = await caller.user("Fallback", within=13.0)
    assert 10.0 <= at(fallback) - at(caller.started) < 12.5
    idles = [m for m in beating.events if m.get("UserEvent") == "Idle" and m["CallId"] == caller.call]
    assert 15 <= len(idles) <= 24


async def test_heartbeat_stops_while_holding(beating: Any, dial: Callable[..., Awaitable[Any]]) -> None:
    caller = await dial()
    await caller.go("p-hold", "default")
    await caller.stands("p-wait/WaitExten")
    await beating.stop_beating()
    await beating.beat()
    stopped = time.monotonic()
    fallback = await caller.user("Fallback", within=HBMAX + 2.0)
    # Heartbeats have whole seconds and p-hold looks once a second: hence one second more than HBMAX at most.
    assert HBMAX - 1.0 < at(fallback) - stopped < HBMAX + 2.0
    assert fallback["Step"] == "1"


async def test_heartbeat_stops_while_idle(beating: Any, dial: Callable[..., Awaitable[Any]]) -> None:
    caller = await dial()
    await beating.stop_beating()
    await beating.beat()
    stopped = time.monotonic()
    fallback = await caller.user("Fallback", within=HBMAX + 2.0)
    assert HBMAX - 1.0 < at(fallback) - stopped < HBMAX + 2.0


async def test_net_caller_is_reclaimed(tap: Any, dial: Callable[..., Awaitable[Any]]) -> None:
    caller = await dial()
    await caller.user("Fallback")
    await tap.keep_beating()
    await caller.go("p-hold", "default")
    await caller.stands("p-wait/WaitExten")


async def test_heartbeat_survives_a_dialplan_reload(beating: Any, dial: Callable[..., Awaitable[Any]]) -> None:
    caller = await dial()
    await caller.go("p-hold", "default")
    await beating.cli("dialplan reload")
    assert int((await beating.do("Getvar", Variable="HB"))["Value"]) > 0
    await caller.stands("p-wait/WaitExten")


async def test_ask_without_a_key(beating: Any, dial: Callable[..., Awaitable[Any]]) -> None:
    caller = await dial()
    started = await caller.go("p-ask", "hotline/zh/welcome&hotline/zh/menu-main,1,0.5,main")
    answered = await caller.user("Answered")
    assert (answered["Digits"], answered["Status"], answered["Step"]) == ("", "TIMEOUT", "1")
    # Two prompts of 0.4 s and 0.5 s of waiting.
    assert 1.2 < at(answered) - at(started) < 2.0
    assert await beating.get(caller.channel, "NODE") == "main"


async def test_play(beating: Any, dial: Callable[..., Awaitable[Any]]) -> None:
    caller = await dial()
    started = await caller.go("p-play", "hotline/en/welcome&hotline/en/thanks")
    played = await caller.user("Played")
    assert (played["Status"], played["Step"]) == ("TIMEOUT", "1"), "heard to the end, no key"
    assert 0.7 < at(played) - at(started) < 1.5


async def test_announcement_in_hold(beating: Any, dial: Callable[..., Awaitable[Any]]) -> None:
    caller = await dial()
    await caller.go("p-hold", "default")
    mark = len(beating.events)
    await caller.set(ANN="hotline/zh/position")
    announced = await caller.user("Announced")
    assert announced["Step"] == "1"
    await beating.event(lambda m: m["Event"] == "MusicOnHoldStart" and m["Uniqueid"] == caller.call, after=mark)
    assert await beating.get(caller.channel, "ANN") == ""


@pytest.mark.parametrize(
    ("step", "arguments"), [(2, None), (1, "default"), (3, None)], ids=["again", "older", "no arguments"]
)
async def test_fence_refuses(
    beating: Any, dial: Callable[..., Awaitable[Any]], step: int, arguments: str | None
) -> None:
    caller = await dial()
    await caller.go("p-hold", "default", step=2)
    mark = len(beating.events)
    await caller.send("p-play", step, arguments)
    stale = await caller.user("Stale", after=mark)
    assert (stale["Got"], stale["Step"], stale["Prim"]) == (str(step), "2", "p-hold")
    await caller.stands("p-wait/WaitExten")
    # He is still steerable.
    await caller.go("p-play", "hotline/zh/welcome", step=4)
    await caller.user("Played", Step="4")


async def test_offer_to_a_phone_that_is_not_there(beating: Any, dial: Callable[..., Awaitable[Any]]) -> None:
    caller = await dial()
    await caller.go("p-hold", "default")
    await caller.go("p-dial", "1006,5,default")
    nobody = await caller.user("NoAgent")
    assert (nobody["Agent"], nobody["DialStatus"], nobody["Cause"], nobody["Step"]) == ("1006", "CHANUNAVAIL", "3", "2")
    await caller.stands("p-wait/WaitExten")
    assert await beating.get(caller.channel, "CTX") == "p-hold"


async def test_join_with_a_channel_that_is_gone(beating: Any, dial: Callable[..., Awaitable[Any]]) -> None:
    caller = await dial()
    await caller.go("p-join", "PJSIP/1001-0000ffff")
    ended = await caller.user("JoinEnd")
    assert (ended["R"], ended["Step"]) == ("NONEXISTENT", "1")
    await caller.stands("p-wait/WaitExten")


async def test_net_rings_members_and_keeps_the_caller(tap: Any, dial: Callable[..., Awaitable[Any]]) -> None:
    await tap.do("QueueAdd", Queue="net", Interface="PJSIP/1006", MemberName="1006")
    try:
        caller = await dial()
        await caller.user("Fallback")
        lines = "\n".join(await tap.cli("queue show net"))
        assert "1006 (PJSIP/1006)" in lines
        await caller.stands("fallback/Queue")
    finally:
        await tap.do("QueueRemove", Queue="net", Interface="PJSIP/1006")


async def test_survey_without_controller_ends_the_call(tap: Any, dial: Callable[..., Awaitable[Any]]) -> None:
    """Nobody presses a key: asked twice, thanked, hung up; no heartbeat is needed."""
    caller = await dial()
    await caller.set(TICKETSAY="hotline/zh/ticket", SURVEY="hotline/zh/survey", THANKS="hotline/zh/thanks")
    mark = len(tap.events)
    await tap.do("Redirect", Channel=caller.channel, Context="p-survey", Exten="s", Priority=1)
    score = await caller.user("Score", after=mark)
    assert (score["Score"], score["Status"]) == ("", "TIMEOUT")
    gone = await tap.event(lambda m: m["Event"] == "Hangup" and m["Uniqueid"] == caller.call, after=mark)
    assert gone["Cause"] == "16"
    assert 0.3 < at(gone) - at(score) < 1.0


async def test_no_survey_when_none_is_wanted(tap: Any, dial: Callable[..., Awaitable[Any]]) -> None:
    caller = await dial()
    mark = len(tap.events)
    await tap.do("Redirect", Channel=caller.channel, Context="p-survey", Exten="s", Priority=1)
    await tap.event(lambda m: m["Event"] == "Hangup" and m["Uniqueid"] == caller.call, after=mark)
    assert not [m for m in tap.events[mark:] if m.get("UserEvent") == "Score"]


async def test_a_held_agents_leg_is_let_go_without_controller(tap: Any) -> None:
    await tap.beat()
    await tap.do("Originate", Channel="Local/s@ag-hold", Application="Wait", Data="60", Async="true")
    begun = await tap.event(lambda m: m["Event"] == "Newchannel" and m["Channel"].endswith(";2"))
    gone = await tap.event(lambda m: m["Event"] == "Hangup" and m["Channel"] == begun["Channel"], within=HBMAX + 3.0)
    assert HBMAX - 1.0 < at(gone) - at(begun) < HBMAX + 2.5


def test_nothing_is_logged_by_all_this(complaints_of_asterisk: Callable[[], list[str]]) -> None:
    """Only the phone that is not there may complain."""
    assert [line for line in complaints_of_asterisk() if "1006" not in line] == []
