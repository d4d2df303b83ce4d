"""Whole calls with real SIP phones and real sound: offer, talk, survey, safety net, third party, hold, ghosts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from controller.asterisk import Exchange
from controller.softphone import AnswerPolicy, Call, CallFailed, Phone, Tone
from recordings.quiet import wait_until_closed

pytestmark = [pytest.mark.asterisk, pytest.mark.usefixtures("complaints_of_asterisk")]

HBMAX = 3
CALLER_HZ, AGENT_HZ, THIRD_HZ = 500, 1200, 2000
SURVEY = {"TICKETSAY": "hotline/zh/ticket", "SURVEY": "hotline/zh/survey", "THANKS": "hotline/zh/thanks"}
SURVEY_HZ, THANKS_HZ, TICKET_HZ = 700, 800, 900


def at(message: dict[str, str]) -> float:
    return float(message["at"])


Plug = Callable[..., Awaitable[Phone]]


@pytest.fixture
async def plug(exchange: Exchange) -> AsyncIterator[Plug]:
    """`await plug("1001")` gives a registered phone; all are unplugged at the end."""
    server = (exchange.settings.host, exchange.settings.sip_port)
    async with AsyncExitStack() as stack:

        async def start(number: str, policy: AnswerPolicy | None = None, *, register: bool = True) -> Phone:
            phone = Phone(number, exchange.settings.phone(number).password, server=server, policy=policy)
            await stack.enter_async_context(phone)
            if register:
                await phone.register()
            return phone

        yield start


@pytest.fixture
async def citizen(exchange: Exchange) -> AsyncIterator[Phone]:
    """A citizen behind the carrier that authenticates for him."""
    s = exchange.settings
    async with Phone(s.citizen_user, s.citizen_password, server=(s.host, s.sip_port)) as phone:
        yield phone


class Line:
    """A citizen's call as the controller sees it: his phone's call and his way in the dialplan."""

    def __init__(self, tap: Any, call: Call, begun: dict[str, str]) -> None:
        self.tap, self.call, self.id, self.channel, self.begun = tap, call, begun["CallId"], begun["Chan"], begun
        self.step = 0

    async def go(self, primitive: str, arguments: str, within: float = 5.0) -> dict[str, str]:
        self.step += 1
        mark = len(self.tap.events)
        await self.tap.do("Setvar", Channel=self.channel, Variable=f"A{self.step}", Value=arguments)
        await self.tap.do("Redirect", Channel=self.channel, Context=primitive, Exten=self.step, Priority=1)
        step = str(self.step)
        started: dict[str, str] = await self.tap.user("Started", self.id, Step=step, within=within, after=mark)
        return started

    async def set(self, variables: dict[str, str]) -> None:
        for name, value in variables.items():
            await self.tap.do("Setvar", Channel=self.channel, Variable=name, Value=value)

    async def user(self, name: str, **kw: Any) -> dict[str, str]:
        event: dict[str, str] = await self.tap.user(name, self.id, **kw)
        return event


Ring = Callable[..., Awaitable[Line]]


@pytest.fixture
def ring(tap: Any, citizen: Phone) -> Ring:
    """`await ring()` lets the citizen dial; returns when CallStart came."""

    async def dial(number: str = "12345", from_number: str = "13800001111") -> Line:
        mark = len(tap.events)
        call = await citizen.call(number, from_number=from_number)
        await call.answered(timeout=5)
        return Line(tap, call, await tap.user("CallStart", after=mark))

    return dial


async def offered(line: Line, agent: Phone, ring_s: int = 5) -> Call:
    """The caller waits, is offered to this agent, and both talk."""
    await line.go("p-hold", "default")
    await line.go("p-dial", f"{agent.user},{ring_s},default")
    incoming = await agent.incoming(timeout=5)
    await incoming.answered(timeout=5)
    await line.tap.event(lambda m: m["Event"] == "BridgeEnter" and m["Uniqueid"] == line.id)
    line.call.play(Tone(CALLER_HZ))
    incoming.play(Tone(AGENT_HZ))
    await asyncio.gather(line.call.hear_tone(AGENT_HZ, timeout=3), incoming.hear_tone(CALLER_HZ, timeout=3))
    return incoming


async def test_citizen_with_any_number_by_digest(beating: Any, ring: Ring) -> None:
    line = await ring(from_number="01088886666")
    assert (line.begun["Did"], line.begun["Cli"]) == ("12345", "01088886666")
    assert line.channel.startswith("PJSIP/citizen-")


async def test_trunk_by_header_and_strangers_refused(beating: Any, exchange: Exchange) -> None:
    s = exchange.settings
    async with Phone("13700000000", server=(s.host, s.sip_port)) as carrier:
        call = await carrier.call("12345", headers={"X-Trunk": s.trunk_secret})
        await call.answered(timeout=5)
        assert (await beating.user("CallStart"))["Cli"] == "13700000000"
        await call.hangup()
        stranger = await carrier.call("12345", headers={"X-Trunk": "guess"})
        with pytest.raises(CallFailed):
            await stranger.answered(timeout=5)
        wrong = await carrier.call("95588", headers={"X-Trunk": s.trunk_secret})
        with pytest.raises(CallFailed, match="404"):
            await wrong.answered(timeout=5)
    async with Phone("citizen", "wrong", server=(s.host, s.sip_port)) as thief:
        call = await thief.call("12345")
        with pytest.raises(CallFailed):
            await call.answered(timeout=5)


@pytest.mark.parametrize("method", ["rtp", "info"])
async def test_a_key_cuts_the_prompt(beating: Any, ring: Ring, method: Any) -> None:
    line = await ring()
    await line.go("p-ask", "hotline/zh/welcome&hotline/zh/welcome&hotline/zh/welcome&hotline/zh/menu-main,1,5")
    await line.call.hear_tone(400, timeout=2)
    await line.call.press("2", method=method)
    answered = await line.user("Answered", within=1.0)
    assert (answered["Digits"], answered["Status"]) == ("2", "OK")


async def test_a_key_cuts_a_message_and_is_not_kept(beating: Any, ring: Ring) -> None:
    line = await ring()
    await line.go("p-play", "hotline/zh/welcome&hotline/zh/welcome&hotline/zh/welcome&hotline/zh/welcome")
    await line.call.hear_tone(400, timeout=2)
    await line.call.press("1")
    played = await line.user("Played", within=0.8)
    assert (played["Status"], played["Step"]) == ("OK", "1")
    await line.go("p-ask", "hotline/zh/welcome,1,0.3")
    assert (await line.user("Answered"))["Status"] == "TIMEOUT"


@pytest.mark.parametrize("method", ["rtp", "info"])
async def test_keys_in_the_line_are_reported_and_the_music_goes_on(beating: Any, ring: Ring, method: Any) -> None:
    line = await ring()
    await line.go("p-hold", "default")
    await line.call.hear_sound(timeout=3)
    mark = len(beating.events)
    for key in ("1", "#", "*", "0"):
        await line.call.press(key, method=method)
        pressed = await line.user("HoldKey", after=mark, Key=key)
        assert pressed["Step"] == "1"
        await beating.other_second(float(pressed["Timestamp"]))
    await line.call.hear_sound(timeout=1, frames=5)
    music = [m["Event"] for m in beating.events[mark:] if m["Event"].startswith("MusicOnHold")]
    assert not music, "a key neither stops nor starts the music"


async def test_a_key_cuts_what_is_announced_in_the_line(beating: Any, ring: Ring) -> None:
    line = await ring()
    await line.go("p-hold", "default")
    await line.set({"ANN": "&".join(["hotline/zh/welcome"] * 10)})  # 4 s
    await line.call.hear_tone(400, timeout=2)
    pressed_at = asyncio.get_running_loop().time()
    await line.call.press("1")
    assert (await line.user("HoldKey"))["Key"] == "1"
    await line.user("Announced")
    assert asyncio.get_running_loop().time() - pressed_at < 1.5


async def test_a_flood_of_keys_in_the_line_is_harmless(beating: Any, ring: Ring, plug: Plug) -> None:
    agent = await plug("1001", AnswerPolicy.auto(0.1))
    line = await ring()
    await line.go("p-hold", "default")
    mark, begun = len(beating.events), asyncio.get_running_loop().time()
    for _ in range(4):
        await line.call.press("1234567890", method="info", gap_ms=0)
    lasted = asyncio.get_running_loop().time() - begun
    reports = [m for m in beating.events[mark:] if m.get("UserEvent") == "HoldKey" and m["CallId"] == line.id]
    assert 1 <= len(reports) <= lasted + 2
    flood = asyncio.create_task(line.call.press("5" * 20, method="info", gap_ms=0))
    await line.go("p-dial", f"{agent.user},5,default", within=1.0)  # he is offered in the middle of it
    await (await agent.incoming(timeout=5)).answered(timeout=5)
    await flood


async def test_keys_typed_ahead_are_kept(beating: Any, ring: Ring) -> None:
    line = await ring()
    await line.user("Idle")
    await line.call.press("12")
    await line.go("p-ask", "hotline/zh/welcome,1,5")
    first = await line.user("Answered", Step="1")
    await line.go("p-ask", "hotline/zh/welcome,1,5")
    second = await line.user("Answered", Step="2")
    assert (first["Digits"] + second["Digits"], second["Status"]) == ("12", "AHEAD")


async def test_music_without_a_break_for_whom_the_controller_has_forgotten(beating: Any, ring: Ring) -> None:
    """p-idle: a short silence in which keys are kept, then music that no loop of the dialplan cuts, to the net."""
    line = await ring()
    begun = asyncio.get_running_loop().time()
    heard_from = await line.call.hear_sound(timeout=2.5)
    with pytest.raises(TimeoutError):  # he hears it on, through a dozen rounds of the loop
        await line.call.hear_silence(0.3, timeout=6)
    assert line.call.heard.longest_gap(heard_from) < 0.2
    assert asyncio.get_running_loop().time() - begun > 6
    music = [m["Event"] for m in beating.events if m["Event"].startswith("MusicOnHold") and m["Uniqueid"] == line.id]
    assert music == ["MusicOnHoldStart"]
    assert not [m for m in beating.events if m.get("UserEvent") == "Fallback" and m["CallId"] == line.id]
    await line.go("p-ask", "hotline/zh/welcome&hotline/zh/welcome,1,5")
    await line.call.hear_tone(400, timeout=2)
    await line.call.press("2")
    assert (await line.user("Answered"))["Digits"] == "2"


async def test_music_while_waiting_and_between_offers(beating: Any, ring: Ring, plug: Plug) -> None:
    """The first agent does not answer, the second does: the caller hears music all the time."""
    await plug("1001", AnswerPolicy.no_answer())
    second = await plug("1002", AnswerPolicy.auto(0.2))
    line = await ring()
    await line.go("p-hold", "default")
    heard_from = await line.call.hear_sound(timeout=2)
    await line.go("p-dial", "1001,1,default")
    nobody = await line.user("NoAgent", within=3)
    assert (nobody["Agent"], nobody["DialStatus"], nobody["Cause"]) == ("1001", "NOANSWER", "0")
    await line.go("p-dial", "1002,5,default")
    talk = await second.incoming(timeout=3)
    until = await talk.answered(timeout=3)
    assert line.call.heard.longest_gap(heard_from, until) < 0.2
    assert line.call.heard.first_sound(until - 0.5) is not None


async def test_offer_names_caller_call_and_leg(beating: Any, ring: Ring, plug: Plug) -> None:
    agent = await plug("1001", AnswerPolicy.auto(0.1))
    line = await ring(from_number="13900009999")
    incoming = await offered(line, agent)
    leg = await line.user("LegStart")
    assert (leg["Agent"], leg["Step"]) == ("1001", "2")
    assert leg["Leg"].startswith("PJSIP/1001-")
    assert incoming.header("X-CallId") == line.id
    assert incoming.remote_number == "13900009999"
    rows = [m for m in beating.events if m["Event"] == "BridgeEnter" and m["Channel"] == leg["Leg"]]
    assert "ROLE=agent" in rows[0]["ChanVariable"]
    assert "LEGAGENT=1001" in rows[0]["ChanVariable"]
    assert f"CALLID={line.id}" in rows[0]["ChanVariable"]


@pytest.mark.parametrize(
    ("policy", "status", "cause"),
    [(AnswerPolicy.busy(), "BUSY", "17"), (AnswerPolicy.decline(), "CHANUNAVAIL", "21"),
     (AnswerPolicy.reject(480), "NOANSWER", "19")],
    ids=["busy", "decline", "480"],
)  # fmt: skip
async def test_refusals(beating: Any, ring: Ring, plug: Plug, policy: AnswerPolicy, status: str, cause: str) -> None:
    await plug("1001", policy)
    line = await ring()
    await line.go("p-hold", "default")
    await line.go("p-dial", "1001,5,default")
    nobody = await line.user("NoAgent")
    assert (nobody["DialStatus"], nobody["Cause"]) == (status, cause)
    await beating.stands(line.channel, "p-wait/WaitExten")
    assert await beating.get(line.channel, "CTX") == "p-hold"


async def test_two_agents_at_once_first_wins(beating: Any, ring: Ring, plug: Plug) -> None:
    slow = await plug("1001", AnswerPolicy.no_answer())
    quick = await plug("1002", AnswerPolicy.auto(0.3))
    line = await ring()
    await line.go("p-hold", "default")
    await line.go("p-dial", "1001&1002,5,default")
    talk = await quick.incoming(timeout=3)
    await talk.answered(timeout=3)
    cancelled = await (await slow.incoming(timeout=3)).ended(timeout=3)
    assert cancelled.status == 487
    # He must speak for at least a second, or it was no talk.
    await beating.event(lambda m: m["Event"] == "BridgeEnter" and m["Uniqueid"] == line.id)
    await line.call.hear_silence(1.1, timeout=4)
    await talk.hangup()
    ended = await line.user("TalkEnd")
    assert (ended["Agent"], ended["Step"]) == ("1002", "2")


async def test_a_cancelled_offer_leaves_the_caller_waiting(beating: Any, ring: Ring, plug: Plug) -> None:
    agent = await plug("1001", AnswerPolicy.no_answer())
    line = await ring()
    await line.go("p-hold", "default")
    await line.go("p-dial", "1001,10,default")
    incoming = await agent.incoming(timeout=3)
    leg = await line.user("LegStart")
    await beating.event(lambda m: m["Event"] == "DialState" and m["DialStatus"] == "RINGING")
    await beating.do("Hangup", Channel=leg["Leg"], Cause=16)
    nobody = await line.user("NoAgent")
    assert (nobody["DialStatus"], nobody["Cause"]) == ("NOANSWER", "16")
    assert (await incoming.ended(timeout=3)).status == 487
    await beating.stands(line.channel, "p-wait/WaitExten")
    assert await beating.get(line.channel, "CTX") == "p-hold"


async def test_too_short_a_talk_is_no_talk(beating: Any, ring: Ring, plug: Plug) -> None:
    agent = await plug("1001", AnswerPolicy.auto(0.1))
    line = await ring()
    await line.set(SURVEY)
    await line.go("p-hold", "default")
    await line.go("p-dial", "1001,5,default")
    incoming = await agent.incoming(timeout=3)
    await incoming.answered(timeout=3)
    await incoming.hangup()
    nobody = await line.user("NoAgent")
    assert nobody["DialStatus"] == "ANSWER"
    await beating.stands(line.channel, "p-wait/WaitExten")
    assert await beating.get(line.channel, "CTX") == "p-hold"
    assert not [m for m in beating.events if m.get("UserEvent") in ("TalkEnd", "Score")]


async def written(file: Path, word: str, *, within: float = 3.0) -> str:
    """The lines of a file that Asterisk writes which hold `word`, as soon as there is one."""
    async with asyncio.timeout(within):
        while True:
            lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
            if found := [line for line in lines if word in line]:
                return "\n".join(found)
            await asyncio.sleep(0.02)


async def test_talk_survey_and_end_with_a_dead_controller(
    beating: Any, ring: Ring, plug: Plug, exchange: Exchange
) -> None:
    """The controller dies while they talk: the talk outlives HBMAX, then the score is taken and he is thanked."""
    agent = await plug("1001", AnswerPolicy.auto(0.1))
    line = await ring()
    await line.set(SURVEY)
    incoming = await offered(line, agent)
    await beating.do("Setvar", Variable="HB", Value=0)
    await beating.stop_beating()
    since = await incoming.hear_tone(CALLER_HZ, timeout=3)
    heard = await incoming.hear_tone(CALLER_HZ, timeout=HBMAX + 5, frames=int((HBMAX + 1) / 0.02))
    assert heard >= since
    await incoming.hangup()
    ended = await line.user("TalkEnd")
    assert ended["Agent"] == "1001"
    assert float(ended["Talk"]) >= HBMAX
    line.call.play(Tone(CALLER_HZ)).stop()
    await line.call.hear_tone(SURVEY_HZ, timeout=4)
    await line.call.press("4")
    score = await line.user("Score")
    assert (score["Score"], score["Status"]) == ("4", "OK")
    await line.call.hear_tone(THANKS_HZ, timeout=3)
    end = await line.call.ended(timeout=4)
    assert (end.by, end.status) == ("remote", 200)
    assert not [m for m in beating.events if m.get("UserEvent") == "Fallback"]
    # What a dead controller missed is read from the call's row afterwards.
    row = await written(exchange.settings.instance / "log/cdr-csv/Master.csv", line.id)
    assert "score:4" in row


async def test_survey_asks_again_after_a_wrong_key(beating: Any, ring: Ring) -> None:
    line = await ring()
    await line.set({"SURVEY": "hotline/zh/survey", "SURVEYAGAIN": "hotline/zh/position"})
    await beating.do("Redirect", Channel=line.channel, Context="p-survey", Exten="s", Priority=1)
    await line.call.hear_tone(SURVEY_HZ, timeout=3)
    await line.call.press("9")
    await line.call.hear_tone(1000, timeout=3)
    await line.call.press("5")
    score = await line.user("Score")
    assert (score["Score"], score["Status"]) == ("5", "OK")


async def test_two_wrong_keys_give_no_score(beating: Any, ring: Ring) -> None:
    line = await ring()
    await line.set({"SURVEY": "hotline/zh/survey"})
    await beating.do("Redirect", Channel=line.channel, Context="p-survey", Exten="s", Priority=1)
    for _ in range(2):
        await line.call.hear_tone(SURVEY_HZ, timeout=3)
        await line.call.press("0")
    score = await line.user("Score")
    assert (score["Score"], score["Status"]) == ("", "INVALID")


async def test_caller_leaves_while_the_phone_rings(beating: Any, ring: Ring, plug: Plug) -> None:
    agent = await plug("1001", AnswerPolicy.no_answer())
    line = await ring()
    await line.go("p-hold", "default")
    await line.go("p-dial", "1001,10,default")
    incoming = await agent.incoming(timeout=3)
    await line.call.hangup()
    assert (await incoming.ended(timeout=2)).status == 487


async def test_net_rings_an_agent_and_asks_how_it_was(tap: Any, ring: Ring, plug: Plug, exchange: Exchange) -> None:
    """No controller at all: the net's queue rings a member; talk; he hangs up; the survey needs nobody."""
    agent = await plug("1001", AnswerPolicy.auto(0.2))
    await tap.do("QueueAdd", Queue="net", Interface="PJSIP/1001", MemberName="1001")
    try:
        line = await ring()
        await line.set(SURVEY)
        incoming = await agent.incoming(timeout=5)
        await incoming.answered(timeout=5)
        line.call.play(Tone(CALLER_HZ))
        await incoming.hear_tone(CALLER_HZ, timeout=3)
        rows = [m for m in tap.events if m["Event"] == "BridgeEnter" and m["Channel"].startswith("PJSIP/1001-")]
        assert "LEGAGENT=1001" in rows[0]["ChanVariable"]
        await incoming.hangup()
        ended = await line.user("NetTalkEnd")
        assert ended["Agent"] == "1001"
        await line.call.hear_tone(SURVEY_HZ, timeout=3)
        await line.call.press("3")
        assert (await line.user("Score"))["Score"] == "3"
        await line.call.ended(timeout=4)
        log = await written(exchange.settings.instance / "log/queue_log", f"{line.id}|net|1001|COMPLETEAGENT")
        assert log
    finally:
        await tap.do("QueueRemove", Queue="net", Interface="PJSIP/1001")


async def test_controller_dies_while_an_agent_is_rung(beating: Any, ring: Ring, plug: Plug) -> None:
    """He does not answer: the caller goes from the offer to hold to the net, where another agent takes him."""
    await plug("1001", AnswerPolicy.no_answer())
    other = await plug("1002", AnswerPolicy.auto(0.1))
    await beating.do("QueueAdd", Queue="net", Interface="PJSIP/1002", MemberName="1002")
    try:
        line = await ring()
        await line.go("p-hold", "default")
        await line.go("p-dial", "1001,1,default")
        await beating.stop_beating()
        await line.user("NoAgent", within=3)
        await line.user("Fallback", within=HBMAX + 2)
        incoming = await other.incoming(timeout=4)
        await incoming.answered(timeout=4)
    finally:
        await beating.do("QueueRemove", Queue="net", Interface="PJSIP/1002")


async def test_third_party_joins_and_agent_leaves(beating: Any, ring: Ring, plug: Plug) -> None:
    agent = await plug("1001", AnswerPolicy.auto(0.1))
    third = await plug("3001", AnswerPolicy.auto(0.1))
    line = await ring()
    first = await offered(line, agent)
    await beating.do("Originate", Channel="PJSIP/3001", Application="BridgeAdd", Data=line.channel, Async="true",
                     Variable=f"ROLE=third,CALLID={line.id}")  # fmt: skip
    extra = await third.incoming(timeout=3)
    await extra.answered(timeout=3)
    extra.play(Tone(THIRD_HZ))
    await asyncio.gather(
        line.call.hear_tone(THIRD_HZ, timeout=3, share=0.3),
        first.hear_tone(THIRD_HZ, timeout=3, share=0.3),
        extra.hear_tone(CALLER_HZ, timeout=3, share=0.3),
        extra.hear_tone(AGENT_HZ, timeout=3, share=0.3),
    )
    await first.hangup()
    # The two go on; a talk counts from one second on.
    await asyncio.gather(line.call.hear_tone(THIRD_HZ, timeout=5, frames=50), extra.hear_tone(CALLER_HZ, timeout=3))
    await line.set(SURVEY)
    await extra.hangup()
    await line.user("TalkEnd")
    await line.call.hear_tone(SURVEY_HZ, timeout=4)


async def test_hold_and_resume(beating: Any, ring: Ring, plug: Plug) -> None:
    agent = await plug("1001", AnswerPolicy.auto(0.1))
    line = await ring()
    await line.set(SURVEY)
    incoming = await offered(line, agent)
    leg = (await line.user("LegStart"))["Leg"]
    await beating.do("Setvar", Channel=line.channel, Variable="A3", Value="default")
    await beating.do("Redirect", Channel=line.channel, Context="p-hold", Exten=3, Priority=1, ExtraChannel=leg,
                     ExtraContext="ag-hold", ExtraExten="s", ExtraPriority=1)  # fmt: skip
    await line.user("Started", Step="3")
    await incoming.hear_silence(0.5, timeout=3)
    line.step = 3
    await line.go("p-join", leg)
    await asyncio.gather(line.call.hear_tone(AGENT_HZ, timeout=3), incoming.hear_tone(CALLER_HZ, timeout=3))
    await incoming.hangup()
    assert (await line.user("JoinEnd"))["R"] == "SUCCESS"
    await line.call.hear_tone(SURVEY_HZ, timeout=4)


async def test_consultation_then_transfer(beating: Any, ring: Ring, plug: Plug) -> None:
    first = await plug("1001", AnswerPolicy.auto(0.1))
    second = await plug("1002", AnswerPolicy.auto(0.1))
    line = await ring()
    incoming = await offered(line, first)
    leg = (await line.user("LegStart"))["Leg"]
    await beating.do("Setvar", Channel=line.channel, Variable="A3", Value="default")
    await beating.do("Setvar", Channel=leg, Variable="CONSULT", Value="1002,20,,")
    await beating.do("Redirect", Channel=line.channel, Context="p-hold", Exten=3, Priority=1, ExtraChannel=leg,
                     ExtraContext="ag-consult", ExtraExten="s", ExtraPriority=1)  # fmt: skip
    asked = await second.incoming(timeout=3)
    await asked.answered(timeout=3)
    await asked.hear_tone(AGENT_HZ, timeout=3)
    consulted = (await line.user("LegStart", Agent="1002"))["Leg"]
    line.step = 3
    await line.go("p-join", consulted)
    asked.play(Tone(THIRD_HZ))
    await asyncio.gather(line.call.hear_tone(THIRD_HZ, timeout=3), asked.hear_tone(CALLER_HZ, timeout=3))
    await beating.do("Hangup", Channel=leg)
    await incoming.ended(timeout=3)


async def test_recording_has_the_two_legs_apart(beating: Any, ring: Ring, plug: Plug, exchange: Exchange) -> None:
    agent = await plug("1001", AnswerPolicy.auto(0.1))
    line = await ring()
    file = exchange.settings.recordings / f"{line.id}.raw"
    await line.go("p-hold", "default")
    await line.go("p-dial", "1001,5,default")
    incoming = await agent.incoming(timeout=3)
    await incoming.answered(timeout=3)
    answer = await beating.do("MixMonitor", Channel=line.channel, File=file, options="D")
    assert answer["Response"] == "Success", answer
    line.call.play(Tone(CALLER_HZ))
    incoming.play(Tone(AGENT_HZ))
    await line.call.hear_tone(AGENT_HZ, timeout=4, frames=75)  # a talk shorter than a second would count as none
    await incoming.hangup()
    await beating.event(lambda m: m["Event"] == "MixMonitorStop" or m["Event"] == "Hangup" and m["Uniqueid"] == line.id)
    # As the product does it: Hangup is reported before MixMonitor's thread has written its last lump.
    assert await asyncio.to_thread(wait_until_closed, file, 5.0)
    raw = file.read_bytes()
    assert len(raw) > 2 * 16000 * 0.9
    import numpy as np

    from controller.softphone import audio

    both = np.frombuffer(raw[: len(raw) // 4 * 4], dtype="<i2").reshape(-1, 2)[-8000:-1600]
    assert audio.tone_share(both[:, 0], CALLER_HZ) > 0.9
    assert audio.tone_share(both[:, 1], AGENT_HZ) > 0.9


@pytest.mark.parametrize("who", ["caller", "agent"])
async def test_a_leg_without_sound_is_ended(beating: Any, ring: Ring, plug: Plug, who: str) -> None:
    """rtp_timeout on both sides: a phone that lost its power leaves no ghost (here after 3 s)."""
    agent = await plug("1001", AnswerPolicy.auto(0.1))
    line = await ring()
    incoming = await offered(line, agent)
    dead, left = (line.call, incoming) if who == "caller" else (incoming, line.call)
    dead.cut()
    if who == "caller":
        await left.ended(timeout=8)
    else:
        await line.user("TalkEnd", within=8)


async def test_phones_call_each_other_but_nobody_outside(beating: Any, plug: Plug) -> None:
    first = await plug("1001")
    second = await plug("1002", AnswerPolicy.auto(0.1))
    call = await first.call("1002")
    await call.answered(timeout=4)
    talk = await second.incoming(timeout=3)
    call.play(Tone(CALLER_HZ))
    await talk.hear_tone(CALLER_HZ, timeout=3)
    await call.hangup()
    for number in ("12345", "013800000000", "9", "p-hold"):
        outside = await first.call(number)
        with pytest.raises(CallFailed, match="404"):
            await outside.answered(timeout=3)


async def test_echo_for_phone_tests(beating: Any, plug: Plug) -> None:
    phone = await plug("1001")
    call = await phone.call("*43")
    await call.answered(timeout=3)
    call.play(Tone(CALLER_HZ))
    await call.hear_tone(CALLER_HZ, timeout=3)


async def test_a_second_registration_takes_the_number_over(beating: Any, plug: Plug) -> None:
    old = await plug("1001", AnswerPolicy.auto(0.1))
    new = await plug("1001", AnswerPolicy.auto(0.1))
    assert old.address != new.address
    caller = await plug("1002")
    call = await caller.call("1001")
    await call.answered(timeout=3)
    assert await new.incoming(timeout=3)
    assert old.calls == []


async def test_wrong_phone_password_is_refused(exchange: Exchange, tap: Any) -> None:
    from controller.softphone import RegistrationFailed

    async with Phone("1001", "wrong", server=(exchange.settings.host, exchange.settings.sip_port)) as phone:
        with pytest.raises(RegistrationFailed):
            await phone.register()


def test_no_complaint_in_the_log(complaints_of_asterisk: Callable[[], list[str]]) -> None:
    """All calls above, and Asterisk found nothing to warn of but the end of silent legs and refused strangers."""
    expected = ("1006", "No matching endpoint", "Failed to authenticate", "lack of RTP", "lack of audio")
    assert [line for line in complaints_of_asterisk() if not any(one in line for one in expected)] == []
