"""The exchange's words and ours: recorded messages become events, commands become actions."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest

from pbx import commands as order
from pbx import events as event
from pbx.events import KeyStatus, Role
from pbx.ids import ActorId, AgentId, CallId, ChannelName, SpyId
from pbx.live_words import Hear
from pbx.spy_notes import spy_gone, spy_heard
from pbx.supervision import (
    EndSpy,
    Spy,
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
from pbx.translate import (
    Action,
    BadCommand,
    Phones,
    Untranslatable,
    actions,
    agent_of,
    dialled_code,
    live_channel,
    recording_path,
    translate,
)
from pbx.voices import RecordVoice, StopVoice
from pbx.wire import Message, Wire, encode

pytestmark = pytest.mark.core

CALL = CallId("h12345-1795311109.0")
CHANNEL = ChannelName("PJSIP/citizen-00000000")
LEG = ChannelName("PJSIP/1002-00000002")
AGENT = AgentId("1002")
TRANSCRIPTS = Path(__file__).parents[1] / "fixtures" / "ami"


def message(name: str, *headers: str, at: str = "1795311109.5") -> Message:
    return Message("\r\n".join((f"Event: {name}", f"Timestamp: {at}", *headers)), name)


def report(name: str, *headers: str) -> Message:
    """A report of the dialplan, as Asterisk sends it: the channel's headers first, then the dialplan's own."""
    return message("UserEvent", "Channel: c", "Uniqueid: u", f"UserEvent: {name}", f"CallId: {CALL}", *headers)


def channel_event(name: str, channel: str, uniqueid: str, *headers: str, role: str = "agent") -> Message:
    variables = (f"ChanVariable: ROLE={role}", f"ChanVariable: CALLID={CALL}", "ChanVariable: STEP=3")
    return message(name, f"Channel: {channel}", f"Uniqueid: {uniqueid}", *variables, *headers)


AT = 1795311109.5
REPORTS = [
    (
        report("CallStart", f"Chan: {CHANNEL}", "Did: 12345", "Cli: 13800001111"),
        event.CallArrived(CALL, CHANNEL, "12345", "13800001111", AT),
    ),
    (
        report("CallStart", f"Chan: {CHANNEL}", "Did: 12345", "Cli: "),
        event.CallArrived(CALL, CHANNEL, "12345", "", AT),
    ),
    (report("Started", "Prim: p-ask", "Step: 3"), event.StepStarted(CALL, 3, AT)),
    (report("Stale", "Got: 2", "Step: 3", "Prim: p-ask"), event.StepRefused(CALL, 2, 3, AT)),
    (
        report("Answered", "Digits: 12", "Status: OK", "Step: 3"),
        event.KeysPressed(CALL, 3, "12", KeyStatus.OK, AT),
    ),
    (
        report("Answered", "Digits: ", "Status: TIMEOUT", "Step: 3"),
        event.KeysPressed(CALL, 3, "", KeyStatus.TIMEOUT, AT),
    ),
    (
        report("Answered", "Digits: 1", "Status: AHEAD", "Step: 3"),
        event.KeysPressed(CALL, 3, "1", KeyStatus.AHEAD, AT),
    ),
    (
        report("Answered", "Digits: ", "Status: HANGUP", "Step: 3"),
        event.KeysPressed(CALL, 3, "", KeyStatus.ERROR, AT),
    ),
    (report("Played", "Status: SUCCESS", "Step: 4"), event.PromptPlayed(CALL, 4, AT)),
    (report("Announced", "Step: 5"), event.Announced(CALL, 5, AT)),
    (report("Idle", "Step: 05"), event.CallerIdle(CALL, 5, AT)),
    (report("Idle", "Step: "), event.CallerIdle(CALL, 0, AT)),
    (report("LegStart", "Step: 6", "Agent: 1002", f"Leg: {LEG}"), event.LegStarted(CALL, 6, AGENT, LEG, AT)),
    (
        report("NoAgent", "Step: 6", "Agent: 1002", "DialStatus: BUSY", "Cause: 17"),
        event.OfferFailed(CALL, 6, AGENT, "BUSY", 17, AT),
    ),
    (report("TalkEnd", "Step: 6", "Agent: 1002", "Talk: 12"), event.TalkEnded(CALL, 6, AGENT, 12.0, AT)),
    (report("Score", "Score: 5", "Status: OK"), event.CallScored(CALL, 5, AT)),
    (report("Score", "Score: 9", "Status: INVALID"), event.CallScored(CALL, None, AT)),
    (report("Score", "Score: ", "Status: TIMEOUT"), event.CallScored(CALL, None, AT)),
    (report("Fallback", f"Chan: {CHANNEL}", "Step: 2"), event.FellBack(CALL, CHANNEL, 2, AT)),
    (report("NetTalkEnd", "Agent: 1002"), event.NetTalkEnded(CALL, AGENT, AT)),
    (report("NetTalkEnd", "Agent: "), event.NetTalkEnded(CALL, None, AT)),
    (report("JoinEnd", "Step: 3", "R: SUCCESS"), event.JoinEnded(CALL, 3, True, AT)),
    (report("JoinEnd", "Step: 3", "R: NONEXISTENT"), event.JoinEnded(CALL, 3, False, AT)),
    (
        report("ConsultEnd", "Endpoint: 1002", "DialStatus: BUSY", "Cause: 17"),
        event.ConsultEnded(CALL, AGENT, "BUSY", 17, AT),
    ),
    (report("OutStart", f"Chan: {CHANNEL}"), event.OutboundAnswered(CALL, CHANNEL, AT)),
    (
        report("OutStart", f"Chan: {CHANNEL}", "Did: 12345", "Cli: 13800001111"),
        event.OutboundAnswered(CALL, CHANNEL, AT, "12345", "13800001111"),
    ),
    (report("AgentUp", "Agent: 1002", f"Leg: {LEG}"), event.AgentWaits(CALL, AGENT, LEG, AT)),
    (report("SomethingElse"), None),
]


@pytest.mark.parametrize(("said", "meant"), REPORTS, ids=lambda value: type(value).__name__)
def test_each_report_of_the_dialplan_means_one_event(said: Message, meant: event.Event | None) -> None:
    assert translate(said, 1.0) == meant


CHANNEL_EVENTS = [
    (channel_event("Hangup", CHANNEL, CALL, "Cause: 16", role="caller"), event.CallEnded(CALL, 16, AT)),
    # in the survey or the net a caller is still the caller, whatever ROLE says: the unique id decides
    (channel_event("Hangup", CHANNEL, CALL, "Cause: 0", role="survey"), event.CallEnded(CALL, 0, AT)),
    (channel_event("Hangup", LEG, "u.2", "Cause: 17"), event.LegEnded(CALL, LEG, Role.AGENT, AGENT, 17, AT)),
    (
        channel_event("Hangup", "PJSIP/3001-03", "u.3", "Cause: 16", role="third"),
        event.LegEnded(CALL, ChannelName("PJSIP/3001-03"), Role.THIRD, AgentId("3001"), 16, AT),
    ),
    (
        channel_event("Hangup", "PJSIP/9001-03", "spy-lin-1", "Cause: 16", role="spy"),
        SpyStopped(SpyId("spy-lin-1"), AT),
    ),
    (channel_event("BridgeEnter", "PJSIP/9001-03", "spy-lin-1", role="spy"), None),
    (
        message("ChanSpyStart", "SpyerChannel: PJSIP/9001-03", "SpyerUniqueid: spy-lin-1", f"SpyeeChannel: {LEG}"),
        SpyStarted(SpyId("spy-lin-1"), ChannelName("PJSIP/9001-03"), LEG, AT),
    ),
    (message("ChanSpyStop", "SpyerUniqueid: spy-lin-1"), SpyWaits(SpyId("spy-lin-1"), AT)),
    (message("ChanSpyStart", "SpyerUniqueid: h12345-1.5", f"SpyeeChannel: {LEG}"), None),
    (
        channel_event("Hangup", LEG, "u.2", "Cause: 16", role=""),
        event.LegEnded(CALL, LEG, Role.AGENT, AGENT, 16, AT),
    ),
    (channel_event("BridgeEnter", CHANNEL, CALL), event.PartyJoined(CALL, CHANNEL, Role.CALLER, None, AT)),
    (channel_event("BridgeEnter", LEG, "u.2"), event.PartyJoined(CALL, LEG, Role.AGENT, AGENT, AT)),
    (channel_event("BridgeLeave", LEG, "u.2"), event.PartyLeft(CALL, LEG, Role.AGENT, AGENT, AT)),
    (channel_event("BridgeLeave", CHANNEL, CALL), event.PartyLeft(CALL, CHANNEL, Role.CALLER, None, AT)),
    (channel_event("MixMonitorStop", CHANNEL, CALL), event.RecordingStopped(CALL, AT)),
    (channel_event("MixMonitorStop", LEG, "u.2"), None),
    (channel_event("Hangup", f"Surrogate/{CHANNEL}", CALL, "Cause: 16"), None),
    (channel_event("Hangup", f"AsyncGoto/{LEG}<ZOMBIE>", "u.9", "Cause: 16"), None),
    (
        message("Hangup", "Channel: PJSIP/1001-05", "Uniqueid: u.5", "ChanVariable: CALLID=", "Cause: 16"),
        None,
    ),
    (message("Newexten", "Channel: PJSIP/1001-05"), None),
    (Message("Response: Success", ""), None),
]


@pytest.mark.parametrize(("said", "meant"), CHANNEL_EVENTS, ids=lambda value: getattr(value, "event", None))
def test_each_channel_event_belongs_to_a_call_and_a_role(said: Message, meant: event.Event | None) -> None:
    assert translate(said, 1.0) == meant


def test_the_exchanges_clock_counts_and_ours_only_where_it_is_silent() -> None:
    assert translate(report("Idle", "Step: 1"), 99.0) == event.CallerIdle(CALL, 1, AT)
    silent = Message(f"Event: UserEvent\r\nUserEvent: Idle\r\nCallId: {CALL}\r\nStep: 1", "UserEvent")
    assert translate(silent, 99.0) == event.CallerIdle(CALL, 1, 99.0)
    broken = Message(silent.text + "\r\nTimestamp: noon", "UserEvent")
    assert translate(broken, 99.0) == event.CallerIdle(CALL, 1, 99.0)


def test_a_value_of_the_wrong_kind_is_named_without_its_content() -> None:
    with pytest.raises(Untranslatable) as refused:
        translate(report("Started", "Step: 13800001111x"), 1.0)
    assert str(refused.value) == "Started: Step is no number"
    with pytest.raises(Untranslatable, match="TalkEnd: Talk"):
        translate(report("TalkEnd", "Step: 1", "Agent: 1", "Talk: long"), 1.0)


def test_a_report_without_a_call_means_nothing() -> None:
    assert translate(message("UserEvent", "UserEvent: Idle", "Step: 1"), 1.0) is None


def test_a_forged_header_behind_the_real_one_changes_nothing() -> None:
    said = report("CallStart", f"Chan: {CHANNEL}", "Did: 12345", "Cli: 1", "CallId: forged", "Did: 110")
    assert translate(said, 1.0) == event.CallArrived(CALL, CHANNEL, "12345", "1", AT)


@pytest.mark.parametrize(
    ("channel", "agent"),
    [
        ("PJSIP/1001-0000002a", "1001"),
        ("PJSIP/a-b-01", "a-b"),
        ("PJSIP/1001", None),
        ("Local/1@x-1;2", None),
        ("", None),
    ],
)
def test_the_endpoint_is_in_the_channels_name(channel: str, agent: str | None) -> None:
    assert agent_of(channel) == agent


def test_a_recorded_call_becomes_its_story() -> None:
    """door.txt: a whole call on a real Asterisk (tests/asterisk/ami_story.py)."""
    found = []
    for said in Wire().receive((TRANSCRIPTS / "door.txt").read_bytes()):
        meant = translate(said, 0.0)
        if meant is not None:
            found.append(meant)
    calls = [one.call for one in found if isinstance(one, event.CallArrived)]
    assert len(calls) == 4
    first = [one for one in found if getattr(one, "call", None) == calls[0]]
    # The end of a leg may be told before or after what the caller's own dialplan says about it: both ways were seen.
    legs = [one.role for one in first if isinstance(one, event.LegEnded)]
    assert sorted(legs, key=str) == [Role.AGENT, Role.AGENT, Role.THIRD]
    told = [type(one).__name__ for one in first if not isinstance(one, event.LegEnded | event.CallerIdle)]
    assert told == [
        "CallArrived", "StepStarted", "KeysPressed", "StepStarted", "PromptPlayed", "StepStarted", "Announced",
        "StepStarted", "LegStarted", "OfferFailed",
        "StepStarted", "LegStarted", "PartyJoined", "PartyJoined", "PartyJoined",
        "PartyLeft", "PartyLeft", "PartyLeft", "TalkEnded", "CallScored", "CallEnded",
    ]  # fmt: skip
    times = [one.at for one in first]
    assert all(1_700_000_000 < at < 2_000_000_000 for at in times)


# ---------------------------------------------------------------- snapshot


def row(channel: str, uniqueid: str, *headers: str, **variables: str) -> Message:
    lines = [f"Channel: {channel}", f"Uniqueid: {uniqueid}", *headers]
    lines += [f"ChanVariable: {name}={value}" for name, value in variables.items()]
    return message("CoreShowChannel", *lines)


def test_a_snapshot_row_of_a_caller_tells_all_that_he_carries() -> None:
    waiting = row(
        CHANNEL, CALL, "Context: p-hold", "CallerIDNum: 13800001111", "BridgeId: ",
        ROLE="caller", CALLID=CALL, STEP="7", CTX="p-hold", Q="12345|zh|1.000|main|general|0|2.000",
    )  # fmt: skip
    found = live_channel(waiting, ())
    assert found == event.LiveChannel(
        CHANNEL,
        CALL,
        Role.CALLER,
        None,
        "p-hold",
        7,
        False,
        "12345|zh|1.000|main|general|0|2.000",
        "13800001111",
    )


def test_a_snapshot_row_in_a_subroutine_is_where_its_primitive_is() -> None:
    found = live_channel(row(CHANNEL, CALL, "Context: p-fence", ROLE="caller", CALLID=CALL, CTX="p-ask"), ())
    assert found is not None
    assert found.context == "p-ask"
    new = live_channel(row(CHANNEL, CALL, "Context: p-start", ROLE="caller", CALLID=CALL, STEP="", CTX=""), ())
    assert new is not None
    assert (new.context, new.step, new.mark) == ("p-start", 0, "")


def test_a_snapshot_row_of_a_leg_names_its_agent_and_whether_it_talks() -> None:
    talking = row(LEG, "u.2", "Context: from-agent", "BridgeId: b1", ROLE="agent", CALLID=CALL)
    assert live_channel(talking, ()) == event.LiveChannel(LEG, CALL, Role.AGENT, AGENT, "from-agent", 0, True, "", "")
    net = row(LEG, "u.2", "Context: from-agent", ROLE="", CALLID=CALL)
    found = live_channel(net, ())
    assert found is not None
    assert (found.role, found.bridged) == (Role.AGENT, False)


def test_an_agents_own_outgoing_call_makes_him_busy_and_strangers_are_left_out() -> None:
    own = row(LEG, "u.2", "Context: from-agent", ROLE="internal", CALLID="")
    found = live_channel(own, (AGENT,))
    assert found is not None
    assert (found.call, found.role, found.agent) == ("", Role.AGENT, AGENT)
    assert live_channel(own, ()) is None
    assert live_channel(row("Surrogate/PJSIP/citizen-01", CALL, CALLID=CALL), (AGENT,)) is None


# ---------------------------------------------------------------- phones


def contact(agent: str, uri: str, status: str) -> Message:
    return message(
        "ContactStatus", f"URI: {uri}", f"ContactStatus: {status}", f"AOR: {agent}", f"EndpointName: {agent}"
    )


def listed(agent: str, uri: str, status: str) -> Message:
    return message("ContactList", f"Uri: {uri}", f"Status: {status}", f"Endpoint: {agent}")


def test_a_phone_is_told_when_it_comes_and_when_it_goes() -> None:
    phones = Phones({AGENT})
    assert phones.changed(contact("1002", "a", "NonQualified"), 0) == event.PhoneChanged(AGENT, True, AT)
    assert phones.changed(contact("1002", "a", "Reachable"), 0) is None
    assert phones.changed(contact("1002", "a", "Unreachable"), 0) == event.PhoneChanged(AGENT, False, AT)
    assert phones.changed(contact("1002", "a", "Reachable"), 0) == event.PhoneChanged(AGENT, True, AT)
    assert phones.changed(contact("1002", "a", "Removed"), 0) == event.PhoneChanged(AGENT, False, AT)
    assert phones.changed(contact("citizen", "a", "Reachable"), 0) is None


def test_a_phone_that_registers_from_another_port_is_not_lost_for_a_moment() -> None:
    phones = Phones({AGENT})
    assert phones.snapshot([listed("1002", "old", "Reachable"), listed("trunk", "t", "Reachable")]) == (AGENT,)
    assert phones.changed(contact("1002", "new", "NonQualified"), 0) is None
    assert phones.changed(contact("1002", "old", "Removed"), 0) is None
    assert phones.changed(contact("1002", "new", "Removed"), 0) == event.PhoneChanged(AGENT, False, AT)


def test_a_new_snapshot_forgets_the_old_one() -> None:
    phones = Phones({AGENT})
    phones.snapshot([listed("1002", "old", "Reachable")])
    assert phones.snapshot([listed("1002", "new", "Unreachable")]) == ()


# ---------------------------------------------------------------- commands


def headers(action: Action) -> dict[str, str]:
    return dict(action.headers)


def redirect(context: str, step: str) -> Action:
    return Action("Redirect", (("Channel", CHANNEL), ("Context", context), ("Exten", step), ("Priority", "1")))


def setvar(name: str, value: str) -> Action:
    return Action("Setvar", (("Channel", CHANNEL), ("Variable", name), ("Value", value)))


ASK = order.Ask(CALL, CHANNEL, 7, ("hotline/zh/welcome", "hotline/zh/menu-main"), 1, 5.0, "zh", "mark")
PLAY = order.Play(CALL, CHANNEL, 7, ("hotline/zh/closed",), "zh", "mark")
RECORD = order.Record(CALL, CHANNEL, 7, 120, 8, ("hotline/zh/voicemail-thanks",), "zh", "mark")
HOLD = order.Hold(CALL, CHANNEL, 7, "default", "mark")
OFFER = order.Offer(CALL, CHANNEL, 7, AGENT, 6, "default", "mark")


@pytest.mark.parametrize(
    ("command", "context", "argument"),
    [
        (ASK, "p-ask", "hotline/zh/welcome&hotline/zh/menu-main,1,5"),
        (replace(ASK, wait_s=0.01), "p-ask", "hotline/zh/welcome&hotline/zh/menu-main,1,0.01"),
        (PLAY, "p-play", "hotline/zh/closed"),
        (RECORD, "p-record", "120,8,hotline/zh/voicemail-thanks"),
        (HOLD, "p-hold", "default"),
        (OFFER, "p-dial", "1002,6,default"),
    ],
)
def test_a_step_writes_mark_argument_and_redirect_in_this_order(
    command: order.StepCommand, context: str, argument: str
) -> None:
    assert actions(command, spool="/s", set_language=False) == [
        setvar("Q", "mark"),
        setvar("A7", argument),
        redirect(context, "7"),
    ]


@pytest.mark.parametrize("command", [ASK, PLAY])
def test_a_language_is_told_to_channel_and_dialplan_before_the_prompts(command: order.StepCommand) -> None:
    first = actions(command, spool="/s")[:2]
    assert first == [setvar("CHANNEL(language)", "zh"), setvar("LANG", "zh")]


@pytest.mark.parametrize("command", [HOLD, OFFER])
def test_music_has_no_language(command: order.StepCommand) -> None:
    assert [action.name for action in actions(command, spool="/s")] == ["Setvar", "Setvar", "Redirect"]


def test_the_other_commands() -> None:
    def of(command: order.ExchangeCommand) -> list[Action]:
        return actions(command, spool="/spool/", channel_id="third-1")

    assert of(order.CancelOffer(CALL, LEG)) == [Action("Hangup", (("Channel", LEG), ("Cause", "16")))]
    assert of(order.HangUp(CALL, CHANNEL)) == [Action("Hangup", (("Channel", CHANNEL), ("Cause", "16")))]
    assert of(order.Announce(CALL, CHANNEL, ("hotline/zh/a", "hotline/zh/b"))) == [
        setvar("ANN", "hotline/zh/a&hotline/zh/b")
    ]
    end = order.PrepareEnd(CALL, CHANNEL, ("hotline/zh/t",), (), ("hotline/zh/again",), ("hotline/zh/thanks",))
    assert of(end) == [
        setvar("TICKETSAY", "hotline/zh/t"),
        setvar("SURVEY", ""),
        setvar("SURVEYAGAIN", "hotline/zh/again"),
        setvar("THANKS", "hotline/zh/thanks"),
    ]
    (recording,) = of(order.StartRecording(CALL, CHANNEL, "20261122-x.raw"))
    assert headers(recording) == {"Channel": CHANNEL, "File": "/spool/monitor/20261122-x.raw", "Options": "D"}
    (party,) = of(order.AddParty(CALL, CHANNEL, AgentId("3001"), 12))
    assert headers(party) == {
        "Channel": "PJSIP/3001", "Application": "BridgeAdd", "Data": CHANNEL, "Async": "true", "Timeout": "12000",
        "Variable": f"ROLE=third,CALLID={CALL}", "ChannelId": "third-1",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("net", "expected"),
    [
        (order.NetMembership.READY, [("QueueRemove", None), ("QueueAdd", "false")]),
        (order.NetMembership.PAUSED, [("QueueAdd", "true"), ("QueuePause", "true")]),
        (order.NetMembership.ABSENT, [("QueueRemove", None)]),
    ],
)
def test_an_agents_mark_and_his_place_in_the_safety_net(
    net: order.NetMembership, expected: list[tuple[str, str | None]]
) -> None:
    command = order.MarkAgent(AGENT, "ready|1.5||", net)
    mark, *queue = actions(command, spool="/s")
    assert mark == Action("Setvar", (("Variable", "AG_1002"), ("Value", "ready|1.5||")))
    assert [(action.name, headers(action).get("Paused")) for action in queue] == expected
    assert all(headers(action)["Interface"] == "PJSIP/1002" for action in queue)
    assert all(headers(action)["Queue"] == "net" for action in queue)
    assert actions(command, spool="/s", set_membership=False) == [mark]


def test_the_net_rings_the_phone_where_an_agent_sits() -> None:
    command = order.MarkAgent(AGENT, "ready|1.5||0||8001", order.NetMembership.READY, "8001")
    _, remove, add = actions(command, spool="/s")
    assert (headers(add)["Interface"], headers(add)["MemberName"]) == ("PJSIP/8001", AGENT)
    assert headers(remove)["Interface"] == "PJSIP/8001"
    nowhere = order.MarkAgent(AGENT, "offline|1.5||0||", order.NetMembership.NOWHERE)
    assert [action.name for action in actions(nowhere, spool="/s")] == ["Setvar"]


def test_the_answer_to_a_code_is_left_in_the_phones_channel() -> None:
    (action,) = actions(order.SayToPhone(CHANNEL, ("hotline/zh/a", "hotline/zh/b")), spool="/s")
    expected = {"Channel": CHANNEL, "Variable": "CODEANSWER", "Value": "hotline/zh/a&hotline/zh/b"}
    assert headers(action) == expected


def test_a_dialled_code_is_known_by_the_phones_own_channel() -> None:
    told = message("UserEvent", "UserEvent: PhoneCode", "Chan: PJSIP/8001-0000000a", "Code: sign_in", "Agent: 1002")
    found = dialled_code(told, 9.0)
    assert found is not None
    assert (found.phone, found.channel, found.code, found.agent, found.pin) == (
        "8001", "PJSIP/8001-0000000a", event.PhoneCode.SIGN_IN, "1002", "",
    )  # fmt: skip
    assert "2580" not in repr(replace(found, pin="2580"))
    for wrong in ("Chan: Local/8001@x-1;1", "Chan: "):
        assert dialled_code(message("UserEvent", "UserEvent: PhoneCode", wrong, "Code: ready"), 9.0) is None
    foreign = message("UserEvent", "UserEvent: PhoneCode", "Chan: PJSIP/8001-0000000a", "Code: dance")
    assert dialled_code(foreign, 9.0) is None


@pytest.mark.parametrize(
    "command",
    [
        replace(ASK, prompts=("a,b",)),
        replace(ASK, prompts=("a&b",)),
        replace(ASK, prompts=("",)),
        replace(PLAY, prompts=('say"x',)),
        replace(PLAY, prompts=("市民",)),
        replace(PLAY, language="zh\r\nAction: Originate"),
        replace(ASK, mark='a"b'),
        replace(ASK, mark="a,b"),
        replace(ASK, mark="a\nb"),
        replace(ASK, step=0),
        replace(HOLD, music="a,b"),
        replace(OFFER, agent=AgentId("1001,30")),
        order.CancelOffer(CALL, ChannelName("")),
        order.HangUp(CALL, ChannelName("/^PJSIP\\/.*$/")),
        order.StartRecording(CALL, CHANNEL, "../../etc/x"),
        order.StartRecording(CALL, CHANNEL, ".."),
        order.AddParty(CALL, CHANNEL, AgentId("3001&1002"), 5),
        order.MarkAgent(AgentId("x)"), "m", order.NetMembership.READY),
        order.MarkAgent(AGENT, "m", order.NetMembership.READY, "8001,x"),
        order.SayToPhone(CHANNEL, ("a,b",)),
    ],
    ids=lambda command: type(command).__name__,
)
def test_what_the_dialplan_cannot_take_is_refused(command: order.ExchangeCommand) -> None:
    with pytest.raises(BadCommand):
        actions(command, spool="/s")


def test_a_leg_is_heard_alone_under_its_uuid_and_goes_with_the_leg() -> None:
    sink = "0d1f3a52-2f0c-4f7e-9d55-0a4f4b0d1c11"
    (heard,) = actions(Hear(CALL, CHANNEL, sink, "127.0.0.1", 15090), spool="/s")
    fields = dict(heard.headers)
    assert (heard.name, fields["Application"], fields["Data"]) == ("Originate", "ChanSpy", f"{CHANNEL},qSEo")
    assert fields["Channel"] == f"AudioSocket/127.0.0.1:15090/{sink}"
    assert fields["Variable"] == "CDR_PROP(disable)=1", "and nothing that makes it a part of the call"
    for wrong in (Hear(CALL, CHANNEL, "a/b", "127.0.0.1", 1), Hear(CALL, ChannelName("a,b"), sink, "127.0.0.1", 1)):
        with pytest.raises(BadCommand):
            actions(wrong, spool="/s")


def test_a_partys_own_voice_takes_the_place_of_what_was_recorded_of_him() -> None:
    leg = ChannelName("PJSIP/1001-00000002")
    stop, start = sent(RecordVoice(CALL, leg, "a.voice12-1.sln"))
    assert stop == {"Action": "StopMixMonitor", "Channel": leg}
    assert start == {"Action": "MixMonitor", "Channel": leg, "Options": "r(/s/monitor/a.voice12-1.sln)"}
    assert sent(StopVoice(CALL, leg)) == [stop]
    for wrong in (RecordVoice(CALL, leg, "../a.sln"), RecordVoice(CALL, leg, "a)b"), StopVoice(CALL, ChannelName("x"))):
        with pytest.raises(BadCommand):
            actions(wrong, spool="/s")


def test_recordings_lie_where_the_exchange_writes_them() -> None:
    assert recording_path("/var/spool/asterisk/", "a-1.raw") == "/var/spool/asterisk/monitor/a-1.raw"


def test_every_action_can_be_written() -> None:
    for command in (ASK, PLAY, HOLD, OFFER, order.Announce(CALL, CHANNEL, ("a",))):
        for action in actions(command, spool="/s"):
            assert encode(action.name, action.headers).endswith(b"\r\n\r\n")


def test_every_command_has_its_actions() -> None:
    """A new word in `pbx/commands.py` must be met here: match without a case returns nothing."""
    known = {"Ask", "Play", "Hold", "Offer", "CancelOffer", "Announce", "PrepareEnd", "AddParty", "HangUp"}
    known |= {"Record", "StartRecording", "MarkAgent", "HoldTalk", "Join", "Consult", "DropParty", "ToSurvey", "Mute"}
    known |= {"SendDigits", "PlaceCall", "RingAgent", "SayToPhone", "Spy", "SwitchSpy", "SpyOn", "EndSpy", "StopSpy"}
    known |= {"Hear", "PauseRecording", "RecordVoice", "StopVoice"}
    assert {kind.__name__ for kind in order.ExchangeCommand.__args__} == known
    assert all(fields(kind) for kind in order.ExchangeCommand.__args__)


def sent(command: order.ExchangeCommand, **given: str) -> list[dict[str, str]]:
    """The actions of one command, as headers with their names."""
    return [{"Action": one.name} | dict(one.headers) for one in actions(command, spool="/s", **given)]  # type: ignore[arg-type]


def test_a_hold_moves_both_channels_in_one_redirect() -> None:
    """Each of two Redirects would end the other's part in the talk (`asterisk.md` 4)."""
    *_, last = sent(order.HoldTalk(CALL, CHANNEL, 4, LEG, "default", "m"))
    assert (last["Action"], last["Context"], last["Exten"]) == ("Redirect", "p-hold", "4")
    assert (last["ExtraChannel"], last["ExtraContext"]) == (LEG, "ag-hold")


def test_a_hold_to_ask_somebody_says_whom_before_it_moves_them() -> None:
    *_, whom, last = sent(order.HoldTalk(CALL, CHANNEL, 4, LEG, "default", "m", "carrier", 20, "110", "13800001111"))
    assert (whom["Channel"], whom["Variable"], whom["Value"]) == (LEG, "CONSULT", "carrier,20,110,13800001111")
    assert last["ExtraContext"] == "ag-consult"


def test_an_offer_at_a_trunk_carries_the_number_and_who_calls() -> None:
    offer = order.Offer(CALL, CHANNEL, 4, AgentId("carrier"), 20, "default", "m", True, "110", "13800001111")
    assert sent(offer)[-2]["Value"] == "carrier,20,default,,110,13800001111"


@pytest.mark.parametrize("number", ["110&1001", "110,99", "11 0", "sip:x@y", "1" * 33])
def test_a_number_that_would_break_the_dialplan_is_never_sent(number: str) -> None:
    with pytest.raises(BadCommand):
        sent(order.PlaceCall(CALL, number, f"PJSIP/{number}@carrier", "12345", 30, "zh", "m"))
    with pytest.raises(BadCommand):
        sent(order.AddParty(CALL, CHANNEL, AgentId("carrier"), 20, number))


def test_a_call_of_ours_gets_its_own_id_as_its_channels() -> None:
    (action,) = sent(
        order.PlaceCall(CALL, "13900002222", "PJSIP/13900002222@carrier", "12345", 30, "zh", "12345|zh|1.0|||0|0")
    )
    assert (action["Channel"], action["ChannelId"]) == ("PJSIP/13900002222@carrier", CALL)
    assert (action["CallerID"], action["Timeout"]) == ("12345", "30000")


@pytest.mark.parametrize("digits", ["", "12,5", "1w", "9" * 33])
def test_what_is_no_key_is_not_pressed(digits: str) -> None:
    with pytest.raises(BadCommand):
        sent(order.SendDigits(CALL, CHANNEL, digits))


@pytest.mark.parametrize(
    ("state", "use"),
    [
        ("NOT_INUSE", event.PhoneUse.IDLE),
        ("INUSE", event.PhoneUse.IN_USE),
        ("ONHOLD", event.PhoneUse.IN_USE),
        ("RINGING", event.PhoneUse.RINGING),
        ("RINGINUSE", event.PhoneUse.RINGING),
        ("BUSY", event.PhoneUse.BUSY),
        ("UNAVAILABLE", event.PhoneUse.IDLE),
    ],
)
def test_what_a_phone_is_doing(state: str, use: event.PhoneUse) -> None:
    phones = Phones({AGENT})
    found = phones.told(message("DeviceStateChange", f"Device: PJSIP/{AGENT}", f"State: {state}", at="5.0"), 9.0)
    assert found == event.PhoneUsed(AGENT, use, 5.0)
    for foreign in ("PJSIP/trunk", f"Local/{AGENT}", f"Queue:{AGENT}"):
        assert phones.told(message("DeviceStateChange", f"Device: {foreign}", f"State: {state}"), 9.0) is None


def test_listening_is_one_call_and_its_modes_are_keys() -> None:
    spy, phone = SpyId("spy-lin-1"), AgentId("9001")
    mark = SpyMark(ActorId("lin"), AGENT, SpyMode.LISTEN, spy).encode()
    (call,) = actions(Spy(spy, CALL, phone, LEG, 20, mark, 45, "hotline/zh/goodbye"), spool="/s")
    headers = dict(call.headers)
    assert (call.name, headers["Channel"], headers["ChannelId"]) == ("Originate", "PJSIP/9001", spy)
    assert (headers["Context"], headers["Timeout"]) == ("p-spy", "20000")
    assert ("Variable", f"SPYLEG={LEG},SPYMAX=45,SPYOVER=hotline/zh/goodbye") in call.headers
    assert ("Variable", f"ROLE=spy,CALLID={CALL}") in call.headers
    assert ("Variable", f"Q={mark}") in call.headers
    for mode, digit in ((SpyMode.LISTEN, "4"), (SpyMode.WHISPER, "5"), (SpyMode.BARGE, "6")):
        kept, key = actions(SwitchSpy(spy, mode, f"lin|1002|{mode.value}|{spy}"), spool="/s")
        assert dict(kept.headers)["Variable"] == "Q"
        assert (key.name, dict(key.headers)) == ("PlayDTMF", {"Channel": spy, "Digit": digit, "Receive": "true"})
    kept, other = actions(SpyOn(spy, LEG, mark), spool="/s")
    assert dict(kept.headers) == {"Channel": spy, "Variable": "Q", "Value": mark}
    assert dict(other.headers) == {"Channel": spy, "Variable": "SPYLEG", "Value": LEG}
    (word,) = actions(EndSpy(spy, "hotline/zh/goodbye"), spool="/s")
    assert dict(word.headers) == {"Channel": spy, "Variable": "SPYEND", "Value": "hotline/zh/goodbye"}
    (end,) = actions(StopSpy(spy), spool="/s")
    assert (end.name, dict(end.headers)["Channel"]) == ("Hangup", spy)
    for wrong in (Spy(SpyId("a b"), CALL, phone, LEG, 20, mark), Spy(spy, CALL, phone, LEG, 20, "a\r\nb")):
        with pytest.raises(BadCommand):
            actions(wrong, spool="/s")


def test_a_supervisor_s_channel_is_in_the_snapshot_with_its_mark() -> None:
    listed = channel_event(
        "CoreShowChannel", "PJSIP/9001-03", "spy-lin-1", "ChanVariable: Q=lin|1002|barge|spy-lin-1", role="spy"
    )
    found = live_channel(listed, (AGENT,))
    assert found is not None
    assert (found.role, found.call, found.mark) == (Role.SPY, CALL, "lin|1002|barge|spy-lin-1")
    assert SpyMark.decode(found.mark) == SpyMark(ActorId("lin"), AGENT, SpyMode.BARGE, SpyId("spy-lin-1"))
    assert SpyMark.decode("lin|1002|shout|spy-lin-1") is None
    assert SpyMark.decode("") is None


def test_the_exchange_s_notes_of_what_a_supervisor_heard() -> None:
    leg, other = str(LEG), "PJSIP/1003-09"
    assert spy_heard((leg, leg, "1763800000.250", "")) == SpyHeard(LEG, 1763800000.25, None)
    assert spy_heard((leg, leg, "1763800000.250", "1763800009.500")) == SpyHeard(LEG, 1763800000.25, 1763800009.5)
    assert spy_heard((leg, other, "1763800000.250", "1763800009.500")) is None, "he is led on, and hears nobody yet"
    assert spy_heard((leg, leg, "", "")) is None
    assert spy_heard(("", leg, "", "")) is None, "his phone rings"

    def note(key: str, value: str) -> SpyGone | None:
        return spy_gone(message("DBGetTreeResponse", f"Key: /heard/{key}", f"Val: {value}"))

    mark = "lin|1002|whisper|spy-lin-1"
    found = note("spy-lin-1", f"1763800020.000|1763800000.250||{LEG}|{CALL}|{mark}")
    heard = SpyHeard(LEG, 1763800000.25, None)
    assert found == SpyGone(SpyId("spy-lin-1"), CALL, LEG, mark, 1763800020.0, heard)
    unheard = note("spy-lin-1", f"1763800020.000|||{LEG}|{CALL}|{mark}")
    assert unheard is not None
    assert unheard.heard is None
    for key, value in (("12345.1", f"1.0|||{LEG}|{CALL}|{mark}"), ("spy-a", "1.0||"), ("spy-a", f"x|||{LEG}|a|{mark}")):
        assert note(key, value) is None


def test_a_call_back_is_a_call_with_an_id_of_its_own() -> None:
    command = order.PlaceCall(
        CallId("cb1-1"), "13800001111", "PJSIP/13800001111@trunk", "12345", 30, "zh", "12345|zh|1.0|||0|0", "callback"
    )
    (action,) = actions(command, spool="/spool")
    headers = dict(action.headers)
    assert (action.name, headers["ChannelId"], headers["Context"]) == ("Originate", "cb1-1", "p-out")
    assert (headers["Channel"], headers["Timeout"]) == ("PJSIP/13800001111@trunk", "30000")
    given = [value for name, value in action.headers if name == "Variable"]
    assert "ROLE=caller,__CALLID=cb1-1,LANG=zh" in given
    assert "__PURPOSE=callback" in given
    with pytest.raises(BadCommand):
        actions(replace(command, dial="PJSIP/1,2@trunk"), spool="/spool")
