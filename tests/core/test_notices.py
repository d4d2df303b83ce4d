"""Incident notices: who is told what and when, once each, in his language; the key; the end; the rights; a restart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd.callback import CallbackRules
from agents.rights import SYSTEM
from controller.plan import AreaPlan, CallbackPlan
from ivr.prompts import say_time
from pbx import commands as order
from pbx import events as event
from pbx.call import CallState, Outcome
from pbx.callback import CallbackKind, CallbackState
from pbx.commands import Announce, Command, HangUp, Play, Reply, SaveCallback
from pbx.events import TimerKind
from pbx.ids import ActorId, AgentId, RequestId
from pbx.notice import (
    IncidentOver,
    NoticeEnded,
    NoticeGiven,
    NoticeRegistered,
    NoticesRestored,
    SaveNotice,
    SaveRegistration,
)
from pbx.supervision import Audit
from tests.builders import (
    A1,
    ENGLISH,
    GENERAL,
    LIN,
    MENU,
    ONE,
    PLAIN,
    THREE,
    TWO,
    UNION,
    ZHAO,
    Hall,
    caller_channel,
    none,
    only,
    plan,
    row,
    wakes,
)

pytestmark = pytest.mark.core

CALLING = CallbackPlan(dial="PJSIP/{number}@trunk", rules=CallbackRules(2, 60.0), messages_at_once=1)
WATER = ("water", "haizhou", None, None, None, True)


def say(hall: Hall, *wanted: object, by: ActorId = LIN) -> list[Command]:
    return hall.asked(NoticeGiven, *(wanted or WATER), by=by)


def said(commands: Sequence[Command], call: object = ONE) -> list[str]:
    """What is announced to a call, without the folder."""
    return [
        prompt.removeprefix("hotline/")
        for one in commands
        if isinstance(one, Announce) and one.call == call
        for prompt in one.prompts
    ]


def heard(hall: Hall, call: object = ONE) -> list[Command]:
    return hall.step(event.Announced(call, hall.call(call).step, hall.now))  # type: ignore[arg-type]


def key(hall: Hall, pressed: str = "1") -> list[Command]:
    return hall.step(event.HoldKeyPressed(ONE, hall.call(ONE).step, pressed, hall.now))


def register(hall: Hall) -> list[Command]:
    """He has heard the newest notice, presses 1, and the store has it."""
    heard(hall)
    wanted = only(key(hall), SaveRegistration).registration
    return hall.step(NoticeRegistered(wanted.notice, wanted.call, hall.now))


def identity(hall: Hall) -> str:
    return next(reversed(hall.house.incidents))


WORDS = ["notice-attention", "notice-water", "notice-area", "area-haizhou", "notice-press"]


def test_all_who_wait_are_told_at_once_in_their_language() -> None:
    hall = Hall()
    hall.queued(ONE)
    hall.queued(TWO)
    hall.house.calls[TWO].record = replace(hall.call(TWO).record, language="en")
    commands = say(hall)
    assert said(commands, ONE) == [f"zh/{word}" for word in WORDS]
    assert said(commands, TWO) == [f"en/{word}" for word in WORDS]
    assert only(commands, order.Reply).ok
    assert only(commands, SaveNotice).notice.kind == "water"
    later = hall.queued(THREE)
    assert said(later, THREE) == [f"zh/{word}" for word in WORDS], "who begins to wait hears it too"
    (hold,) = [at for at, one in enumerate(later) if isinstance(one, order.Hold)]
    assert isinstance(later[hold + 1], Announce)


def test_each_is_heard_once_and_several_one_after_the_other_newest_first() -> None:
    hall = Hall()
    say(hall)
    say(hall, "power", "", None, None, None, False)
    commands = hall.queued(ONE)
    assert said(commands) == ["zh/notice-attention", "zh/notice-power"]
    assert said(heard(hall)) == [f"zh/{word}" for word in WORDS]
    assert said(heard(hall)) == []
    hall.ready(A1)  # his phone rings and is not answered: he waits again, and has heard everything
    hall.leg_started(A1)
    assert said(hall.offer_failed(A1)) == []


def test_what_an_offer_cut_is_said_again() -> None:
    hall = Hall()
    hall.queued(ONE)
    say(hall)
    hall.ready(A1)
    hall.leg_started(A1)
    assert hall.state(ONE) is CallState.OFFERED
    assert "zh/notice-water" in said(hall.offer_failed(A1))


def test_the_place_waits_until_the_notice_has_been_said() -> None:
    hall = Hall()
    hall.queued(ONE)
    (wake,) = wakes(hall.said, TimerKind.ANNOUNCE)
    hall.later(19)
    say(hall)
    hall.later(1)
    later = hall.time_is_up(wake)
    assert none(later, Announce)
    heard(hall)
    hall.now += 5
    assert "zh/position-next" in said(hall.time_is_up(only(later, order.Wake)))
    assert said(say(hall, "power", "", None, None, None, True)) == [], "his place is being said"
    assert "zh/notice-power" in said(heard(hall))


def test_a_notice_is_for_its_queue_and_its_number_only() -> None:
    hall = Hall()
    hall.queued(ONE)
    assert said(say(hall, "water", "", ENGLISH, None, None, True)) == []
    assert said(say(hall, "power", "", GENERAL, PLAIN, None, True)) == []
    assert said(say(hall, "power", "", GENERAL, None, None, True)) != []


def test_its_end_is_said_as_a_time_of_the_day_unless_it_is_days_away() -> None:
    hall = Hall()
    hall.queued(ONE)
    local = datetime.fromtimestamp(hall.now, ZoneInfo("Asia/Shanghai"))
    until = local.replace(hour=18, minute=5, second=0).timestamp()
    until += 86400 if until <= hall.now else 0
    words = said(say(hall, "water", "", None, None, until, False))
    assert words[2:] == [
        f"zh/{one}" for one in ("notice-until", "num-18", "clock-hour", "digit-0", "digit-5", "clock-minute")
    ]
    heard(hall)
    assert "zh/notice-until" not in said(say(hall, "power", "", None, None, until + 2 * 86400, False))


def test_own_words_are_said_instead_of_the_prompts_in_their_language_and_survive_a_restart() -> None:
    hall = Hall()
    hall.queued(ONE)
    hall.queued(TWO)
    hall.house.calls[TWO].record = replace(hall.call(TWO).record, language="en")
    commands = hall.asked(NoticeGiven, *WATER, sounds=(("zh", "0123456789abcdef"),))
    assert said(commands, ONE) == ["own/zh/0123456789abcdef", "zh/notice-press"]
    assert said(commands, TWO) == [f"en/{word}" for word in WORDS], "a language without own words"
    kept = only(commands, SaveNotice).notice
    again = Hall(connected=False)
    again.step(NoticesRestored((kept,), (), again.now))
    again.connected()
    assert said(again.queued(ONE)) == ["own/zh/0123456789abcdef", "zh/notice-press"]


AREAS = {
    "haizhou": AreaPlan(frozenset({PLAIN}), frozenset({ENGLISH}), (("main", ("9",)),)),
    "ganyu": AreaPlan(frozenset({MENU}), frozenset(), (("main", ("1",)), ("other", ("9",)))),
    "donghai": AreaPlan(frozenset({MENU})),
}


@pytest.mark.parametrize(
    ("areas", "told"),
    [
        ({}, True),
        ({"ganyu": AREAS["ganyu"]}, False),  # his number is another area's
        ({"haizhou": AreaPlan(frozenset({PLAIN}))}, True),  # nothing says where he is
        ({"haizhou": AreaPlan(frozenset({MENU})), "donghai": AreaPlan(frozenset({MENU}))}, True),  # one of two
        ({"haizhou": AreaPlan(frozenset({MENU})), "donghai": AreaPlan(queues=frozenset({GENERAL}))}, False),
        ({"haizhou": AreaPlan(menu=(("main", ("0",)),)), "ganyu": AreaPlan(menu=(("main", ("1",)),))}, True),
        ({"haizhou": AreaPlan(menu=(("main", ("1",)),)), "ganyu": AreaPlan(menu=(("main", ("0",)),))}, False),
        ({"haizhou": AreaPlan(menu=(("main", ("1",)),)), "ganyu": AreaPlan(menu=(("other", ("0",)),))}, True),
        ({"haizhou": AreaPlan(menu=(("main", ("1",)),)), "ganyu": AreaPlan(menu=(("main", ("0", "2")),))}, True),
    ],
)
def test_an_area_chooses_callers_where_number_queue_or_menu_tell_it(areas: dict[str, AreaPlan], told: bool) -> None:
    hall = Hall(area_callers=areas)
    hall.queued(ONE, "0")
    commands = say(hall)
    assert bool(said(commands)) is told
    known = "chooses" if "haizhou" in areas else "said"
    assert dict(only(commands, order.Reply).detail)["area"] == known
    assert said(say(hall, "power", "", None, None, None, True)) == (
        [] if told else ["zh/notice-attention", "zh/notice-power", "zh/notice-press"]
    ), "a notice without an area is for everybody"


@pytest.mark.parametrize(
    ("hour", "minute", "zh", "en"),
    [
        (18, 0, "num-18 clock-hour", "num-18 hundred"),
        (18, 30, "num-18 clock-hour num-30 clock-minute", "num-18 num-30"),
        (18, 5, "num-18 clock-hour digit-0 digit-5 clock-minute", "num-18 digit-0 digit-5"),
        (9, 0, "digit-9 clock-hour", "digit-9 clock-hour"),
        (2, 15, "liang clock-hour num-15 clock-minute", "digit-2 num-15"),
        (0, 0, "digit-0 clock-hour", "digit-0 hundred"),
        (21, 42, "num-20 digit-1 clock-hour num-40 digit-2 clock-minute", "num-20 digit-1 num-40 digit-2"),
    ],
)
def test_a_time_of_the_day_is_spoken_as_people_say_it(hour: int, minute: int, zh: str, en: str) -> None:
    assert (say_time(hour, minute, "zh"), say_time(hour, minute, "en")) == (tuple(zh.split()), tuple(en.split()))
    with pytest.raises(ValueError, match="time"):
        say_time(24, minute, "zh")


def test_every_piece_is_a_prompt_in_both_languages() -> None:
    sounds = Path(__file__).parents[2] / "ivr" / "sounds"
    for name in (*WORDS, "notice-until", "clock-hour", "clock-minute", "notice-registered", "notice-over", "num-18"):
        for language in ("zh",) if name == "clock-minute" else ("zh", "en"):
            assert (sounds / language / f"{name}.alaw").is_file()


def test_after_its_time_nobody_is_told_and_the_trail_says_so() -> None:
    hall = Hall()
    commands = say(hall, "water", "", None, None, hall.now + 60, True)
    hall.later(60)
    over = hall.time_is_up(only(commands, order.Wake))
    ended = only(over, SaveNotice).notice
    assert (ended.ended_at, ended.ended_by) == (hall.now, SYSTEM)
    assert only(over, Audit).entry.role == "system"
    assert none(hall.queued(ONE), Announce)


# ---------------------------------------------------------------- the key


def test_he_presses_one_and_is_told_that_it_is_noted_when_the_store_has_it() -> None:
    hall = Hall()
    hall.queued(ONE)
    say(hall)
    assert none(key(hall), SaveRegistration), "he has not heard it yet"
    heard(hall)
    commands = key(hall)
    wanted = only(commands, SaveRegistration).registration
    assert (wanted.number, wanted.notice, wanted.language, wanted.queue) == (
        "13800001111",
        identity(hall),
        "zh",
        GENERAL,
    )
    assert none(commands, Announce)
    assert said(hall.step(NoticeRegistered(wanted.notice, ONE, hall.now))) == ["zh/notice-registered"]
    assert none(key(hall), SaveRegistration), "once is enough"
    heard(hall)
    hall.hung_up(ONE)
    assert hall.saved(ONE).outcome is Outcome.ABANDONED
    assert [*hall.house.registered[wanted.notice]] == ["13800001111"]


def test_a_queue_with_another_use_for_the_key_keeps_it_and_the_offer_is_not_said() -> None:
    queues = {one.id: replace(one, keys={"1": "menu"}) for one in plan().queues.values()}
    hall = Hall(queues=queues)
    hall.queued(ONE)
    commands = say(hall)
    assert "zh/notice-press" not in said(commands)
    assert dict(only(commands, order.Reply).detail)["key_taken"] == "general,english,approvals"
    heard(hall)
    assert none(key(hall), SaveRegistration)
    assert hall.state(ONE) is CallState.ASKING, "the key does what the queue says"


def test_a_hidden_number_is_not_offered_what_cannot_be_kept() -> None:
    hall = Hall()
    hall.queued(ONE, caller="anonymous")
    assert "zh/notice-press" not in said(say(hall))
    heard(hall)
    assert none(key(hall), SaveRegistration)


# ---------------------------------------------------------------- the end


def test_who_registered_is_called_without_an_agent_and_told() -> None:
    hall = Hall(callback=CALLING)
    hall.queued(ONE)
    say(hall)
    register(hall)
    hall.hung_up(ONE)
    noticed = identity(hall)
    over = hall.asked(NoticeEnded, noticed)
    request = only(over, SaveCallback).callback
    assert (request.kind, request.number, request.notice) == (CallbackKind.NOTICE, "13800001111", noticed)
    assert dict(only(over, order.Reply).detail) == {"registered": "1"}
    dialling = only(commit(hall, over), SaveCallback).callback
    assert (dialling.state, dialling.attempts[0].agent) == (CallbackState.DIALLING, None)
    placed = only(commit(hall, [SaveCallback(dialling)]), order.PlaceCall)
    assert placed.purpose == "notice"
    arrived = hall.step(event.OutboundAnswered(placed.call, caller_channel(placed.call), hall.now, "12345", "x"))
    assert only(arrived, Play).prompts == ("hotline/zh/notice-over",)
    done = hall.played(placed.call)
    assert only(done, SaveCallback).callback.state is CallbackState.DONE
    assert only(done, HangUp).call == placed.call
    hall.hung_up(placed.call)
    assert not hall.house.callbacks
    assert hall.saved(placed.call).outcome is Outcome.CALLBACK


def commit(hall: Hall, commands: Sequence[Command]) -> list[Command]:
    """The store has committed every request of `commands`."""
    more: list[Command] = []
    for one in commands:
        if isinstance(one, SaveCallback):
            kept = one.callback
            more += hall.step(event.CallbackStored(kept.id, len(kept.attempts), kept.state.value, hall.now))
    return more


def test_so_many_at_a_time_as_allowed_and_one_who_is_gone_too_early_is_tried_again() -> None:
    hall = Hall(callback=CALLING)
    say(hall)
    for call, number in ((ONE, "13800001111"), (TWO, "13800002222")):
        hall.queued(call, caller=number)
        heard(hall, call)
        hall.step(event.HoldKeyPressed(call, hall.call(call).step, "1", hall.now))
        hall.hung_up(call)
    waiting = commit(hall, hall.asked(NoticeEnded, identity(hall)))
    dialling = only(waiting, SaveCallback).callback  # one of two
    placed = only(commit(hall, waiting), order.PlaceCall)
    hall.step(event.OutboundAnswered(placed.call, caller_channel(placed.call), hall.now, "12345", "x"))
    again = [one.callback for one in hall.hung_up(placed.call) if isinstance(one, SaveCallback)]
    assert [(one.id, one.state, one.attempts[0].outcome) for one in again] == [
        (dialling.id, CallbackState.WAITING, "hung_up")
    ]
    (other,) = [one for one in hall.house.callbacks.values() if one.id != dialling.id]
    (*_, turn) = [one for one in wakes(waiting, TimerKind.CALLBACK) if one.key == other.id]
    hall.later(5)
    assert only(hall.time_is_up(turn), SaveCallback).callback.id == other.id


def test_a_call_back_by_an_agent_and_one_for_a_notice_do_not_meet() -> None:
    hall = Hall(callback=CALLING)
    hall.queued(ONE)
    say(hall)
    register(hall)
    ask = event.CallbackAsked("13800001111", GENERAL, ONE, hall.now, "zh", "lin", RequestId("r"), hall.now)
    hall.asked(NoticeEnded, identity(hall))
    hall.step(ask)
    assert {one.kind for one in hall.house.callbacks.values()} == {CallbackKind.MISSED, CallbackKind.NOTICE}


def test_without_outbound_calling_they_are_counted_and_stay_in_the_list() -> None:
    hall = Hall()
    hall.queued(ONE)
    say(hall)
    register(hall)
    over = hall.asked(NoticeEnded, identity(hall))
    assert none(over, SaveCallback)
    assert dict(only(over, order.Reply).detail) == {"registered": "1"}
    assert "cannot call them" in only(over, Audit).entry.en


def test_a_notice_ends_with_the_incident_that_it_is_about_and_who_registered_is_called() -> None:
    hall = Hall(callback=CALLING)
    hall.queued(ONE)
    say(hall)
    register(hall)
    hall.now += 1
    hall.asked(NoticeGiven, "power", "", None, None, None, True, of="i7")
    held = {one.kind: one for one in hall.house.incidents.values()}
    assert (held["water"].of, held["power"].of) == ("", "i7")
    assert none(hall.step(IncidentOver("i9", hall.now)), SaveNotice, SaveCallback)
    assert none(hall.step(IncidentOver("", hall.now)), SaveNotice, SaveCallback)  # one of no incident goes on
    over = hall.step(IncidentOver("i7", hall.now))
    assert only(over, SaveNotice).notice.kind == "power"
    assert only(over, Audit).entry.actor == "system"
    assert list(hall.house.incidents) == [held["water"].id]
    assert none(hall.step(IncidentOver("i7", hall.now)), SaveNotice)


def test_who_registered_for_an_incident_is_called_when_it_closes() -> None:
    hall = Hall(callback=CALLING)
    hall.queued(ONE)
    say(hall)
    register(hall)
    (given,) = hall.house.incidents.values()
    hall.house.incidents[given.id] = replace(given, of="i7")
    assert only(hall.step(IncidentOver("i7", hall.now)), SaveCallback).callback.kind is CallbackKind.NOTICE


# ---------------------------------------------------------------- who may, and what makes no sense


@pytest.mark.parametrize(
    ("wanted", "by", "code"),
    [
        (WATER, UNION, "not_allowed"),
        (WATER, ActorId("nobody"), "not_allowed"),
        (WATER, ZHAO, "not_your_queue"),
        (("water", "", GENERAL, None, None, True), ZHAO, "not_your_queue"),
        (("water", "", "nowhere", None, None, True), LIN, "unknown_queue"),
        (("water", "", None, "999", None, True), LIN, "unknown_dialled"),
        (("flood", "", None, None, None, True), LIN, "unknown_incident"),
        (("water", "atlantis", None, None, None, True), LIN, "unknown_area"),
        (("water", "", None, None, 1.0, True), LIN, "until_past"),
    ],
)
def test_a_refused_notice_is_told_to_nobody_and_written_down(
    wanted: tuple[object, ...], by: ActorId, code: str
) -> None:
    hall = Hall()
    hall.queued(ONE)
    assert hall.replied(NoticeGiven, *wanted, by=by) == code
    assert not hall.house.incidents
    assert none(hall.said, SaveNotice, Announce)


@pytest.mark.parametrize(("kind", "area", "of"), [("flood", "", "notice_kinds"), ("water", "atlantis", "areas")])
def test_a_notice_of_an_unknown_kind_or_area_is_refused_with_those_that_there_are(
    kind: str, area: str, of: str
) -> None:
    hall = Hall()
    there = ",".join(sorted(getattr(hall.plan, of)))
    assert there
    assert only(hall.asked(NoticeGiven, kind, area, None, None, None, True), Reply).detail == (("allowed", there),)
    none_known = Hall(notice_kinds=frozenset())
    assert only(none_known.asked(NoticeGiven, "flood", "", None, None, None, True), Reply).detail == ()


def test_a_supervisor_of_one_queue_gives_and_ends_notices_for_that_one() -> None:
    hall = Hall()
    assert hall.replied(NoticeGiven, "water", "", ENGLISH, None, None, True, by=ZHAO) == ""
    assert hall.replied(NoticeGiven, "water", "", ENGLISH, None, None, True, by=LIN) == "noticed_already"
    assert hall.replied(NoticeEnded, identity(hall), by=UNION) == "not_allowed"
    assert hall.replied(NoticeEnded, identity(hall), by=ZHAO) == ""
    say(hall)
    assert hall.replied(NoticeEnded, identity(hall), by=ZHAO) == "not_your_queue"
    assert hall.replied(NoticeEnded, "n1", by=LIN) == "unknown_notice"


# ---------------------------------------------------------------- a restart


def test_after_a_restart_it_holds_and_who_registered_is_told() -> None:
    before = Hall(callback=CALLING)
    before.queued(ONE)
    say(before, "water", "", None, None, before.now + 600, True)
    wanted = before.house.registered
    register(before)
    (incident,) = before.house.incidents.values()

    hall = Hall(connected=False, callback=CALLING)
    hall.step(NoticesRestored((incident,), tuple(wanted[incident.id].values()), hall.now))
    assert "zh/notice-water" in said(hall.connected(row(ONE)))
    hall.later(600)
    (wake,) = wakes(hall.said, TimerKind.NOTICE)
    assert only(hall.time_is_up(wake), SaveCallback).callback.number == "13800001111"


def test_an_agent_who_is_free_at_once_needs_no_notice() -> None:
    hall = Hall()
    say(hall)
    hall.ready(A1)
    assert none(hall.queued(ONE), Announce)
    assert hall.call(ONE).offer is not None
    assert AgentId(hall.call(ONE).offer.agent) == A1  # type: ignore[union-attr]


# ---------------------------------------------------------------- any order of events


class Channel:
    """A waiting caller's channel as `p-wait` has it: room for one list of prompts; a turn takes it, then it is said."""

    def __init__(self, hall: Hall) -> None:
        self.hall, self.room, self.saying = hall, tuple[str, ...](), tuple[str, ...]()
        self.heard: list[tuple[str, ...]] = []

    def obey(self, commands: Sequence[Command]) -> None:
        for one in commands:
            if isinstance(one, Announce):
                self.room = one.prompts
            elif isinstance(one, order.Hold | order.Offer):
                self.saying = ()  # it is taken elsewhere: what was being said is cut, and nobody reports it

    def turn(self) -> None:
        """One turn of the loop: what is in the room is begun, what is being said is said to its end."""
        if self.saying:
            self.heard.append(self.saying)
            self.saying = ()
            self.obey(heard(self.hall))
        elif self.room and self.hall.state(ONE) is CallState.WAITING:
            self.saying, self.room = self.room, ()


@given(
    st.lists(st.sampled_from(["turn", "turn", "turn", "notice", "notice", "key", "time", "offer", "pass"]), max_size=40)
)
def test_in_any_order_of_events_each_notice_is_heard_and_once_where_no_phone_rang(happened: list[str]) -> None:
    hall = Hall(notice_kinds=frozenset(f"k{number}" for number in range(40)))
    channel = Channel(hall)
    channel.obey(hall.queued(ONE))
    for number, what in enumerate(happened):
        if what == "turn":
            channel.turn()
        elif what == "notice":
            channel.obey(say(hall, f"k{number}", "", None, None, None, True))
        elif what == "key":
            commands = key(hall)
            channel.obey(commands)
            for one in commands:
                if isinstance(one, SaveRegistration):
                    channel.obey(hall.step(NoticeRegistered(one.registration.notice, ONE, hall.now)))
        elif what == "time":
            hall.later(10)
            for wake in wakes(hall.said, TimerKind.ANNOUNCE)[-1:]:
                channel.obey(hall.time_is_up(replace(wake, at=hall.now)))
        elif what == "offer":
            channel.obey(hall.ready(A1))
            hall.leg_started(A1)
            channel.obey(hall.offer_failed(A1, status="BUSY"))
            channel.saying = ()
            channel.obey(hall.not_ready(A1))
    for _ in range(200):
        channel.turn()
    told = [prompt for prompts in channel.heard for prompt in prompts if "/notice-k" in prompt]
    given_out = [f"hotline/zh/notice-k{number}" for number, what in enumerate(happened) if what == "notice"]
    assert set(told) == set(given_out)
    if "offer" not in happened:
        assert sorted(told) == sorted(given_out)
        promised = sum(prompts == ("hotline/zh/notice-registered",) for prompts in channel.heard)
        assert promised <= len(hall.house.registered)
        assert bool(promised) == bool(hall.house.registered)


def test_a_restart_while_he_hears_that_it_is_over_calls_nobody_twice() -> None:
    before = Hall(callback=CALLING)
    before.queued(ONE)
    say(before)
    register(before)
    before.hung_up(ONE)
    dialling = only(commit(before, before.asked(NoticeEnded, identity(before))), SaveCallback).callback
    call = dialling.attempts[0].call

    hall = Hall(connected=False, callback=CALLING)
    hall.step(event.CallbacksRestored((dialling,), hall.now))
    found = hall.connected(row(call, "p-play", mark=f"12345|zh|{hall.now}|||0|0.0"))
    assert none(found, order.PlaceCall, SaveCallback)
    done = hall.step(event.PromptPlayed(call, hall.call(call).step, hall.now))
    assert only(done, SaveCallback).callback.state is CallbackState.DONE
    assert only(done, HangUp).call == call
