"""The automatic voice follow-up: its pace, its dialogue, whom it calls, what becomes of a call, and a restart."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acd.campaign import Attempts, Pace, figures, may_place, next_of
from controller.callbacks import NEVER
from controller.plan import CallbackPlan, CampaignPlan
from ivr.follow_up import ASKING, MOVES, REPEATS, SCORES, Dialogue, Press, Stage, pressed, question
from ivr.hours import parse_hours
from metrics.story import chapters
from pbx import events as event
from pbx.call import CallMark, CallState, Outcome
from pbx.callback import CallbackRequest, CallbackState
from pbx.campaign import CampaignPaused, CampaignRest, CampaignRestored, FollowUpsWanted, FollowUpWanted, SaveCampaign
from pbx.commands import Ask, Command, HangUp, Hold, Offer, PlaceCall, Play, PrepareEnd, Reply, SaveCall, SaveCallback
from pbx.events import KeyStatus, TimerKind
from pbx.ids import ActorId, CallId, QueueId
from pbx.supervision import Audit
from tests.builders import A1, GENERAL, MENU, UNION, Hall, caller_channel, none, only, row, wakes
from tests.fakes.verified import verified
from tests.ticket_story import QUALITY, WANG, I, S, Story
from tests.virtual_time import START
from tickets.campaign import CampaignRules, left_to_people, overtaken, result
from tickets.follow_up import FollowUpRules, Why, due
from tickets.moves import SYSTEM

pytestmark = pytest.mark.core

NUMBER, TICKET = "13800001111", "2026112200007"
DIALS = CallbackPlan(dial="PJSIP/{number}@trunk")
PLAN = CampaignPlan(True, pace=Pace(at_once=2, per_minute=100), attempts=Attempts(2, (600.0,)))
PAGE = Path(__file__).parents[2] / "docs" / "citizens.md"
FIRST = CallId(f"fu{TICKET}r0-1")


def hall(**changes: Any) -> Hall:
    return Hall(callback=DIALS, campaign=replace(PLAN, **changes))


def wanted(ticket: str = TICKET, number: str = NUMBER, round_: int = 0) -> FollowUpWanted:
    return FollowUpWanted(ticket, number, "zh", GENERAL, round_, "sample")


def commit(hall: Hall, commands: list[Command]) -> list[Command]:
    """The store has committed what was to be saved, and whose turn it is was looked at, until nothing follows."""
    every: list[Command] = []
    while commands:
        more: list[Command] = []
        for one in commands:
            if isinstance(one, SaveCallback):
                kept = one.callback
                more += hall.step(event.CallbackStored(kept.id, len(kept.attempts), kept.state.value, hall.now))
        turns = [one for one in wakes(commands, TimerKind.CALLBACK) if one.key == "campaign" and one.at <= hall.now]
        if turns:
            more += hall.time_is_up(turns[-1])
        every += more
        commands = more
    return every


def come(hall: Hall, *tickets: FollowUpWanted) -> list[Command]:
    """These tickets have come to be followed up, and whoever may be called is."""
    return commit(hall, hall.step(FollowUpsWanted(tickets or (wanted(),), hall.now)))


def answers(hall: Hall, call: CallId = FIRST) -> list[Command]:
    return hall.step(event.OutboundAnswered(call, caller_channel(call), hall.now, MENU, NUMBER))


def asked(hall: Hall, call: CallId = FIRST) -> Ask:
    """He is called, has answered, and hears the question."""
    come(hall)
    question = only(answers(hall, call), Ask)
    hall.started(call)
    return question


def request(hall: Hall) -> CallbackRequest:
    """The request as it was saved last."""
    return [one.callback for one in hall.said if isinstance(one, SaveCallback)][-1]


def names(prompts: tuple[str, ...]) -> list[str]:
    return [prompt.rsplit("/", 1)[1] for prompt in prompts]


# ---------------------------------------------------------------- the pace


@given(
    st.integers(1, 4), st.integers(1, 6), st.integers(1, 12), st.integers(0, 6), st.randoms(use_true_random=False),
)  # fmt: skip
@settings(max_examples=60)
def test_never_more_than_the_pace_allows(
    at_once: int, per_minute: int, lines: int, keep: int, chance: random.Random
) -> None:
    pace = Pace(at_once, per_minute, lines + keep, keep)
    now, placed, up = START, [], []  # type: ignore[var-annotated]
    citizens = 0
    for _ in range(120):
        now += chance.choice((0.0, 0.5, 7.0, 31.0))
        citizens = max(0, citizens + chance.choice((-2, -1, 0, 1, 2)))
        up = [end for end in up if end > now]
        may = may_place(pace, len(up), citizens + len(up), placed, now)
        if may is None:
            assert len(up) >= at_once or citizens + len(up) + keep >= pace.lines
        elif may > now:
            assert len([at for at in placed if now - at < 59.9]) >= per_minute
            assert may <= now + 60.0
            now = may
            up = [end for end in up if end > now]
            again = may_place(pace, len(up), citizens + len(up), placed, now)
            assert again is None or again == now, "when it said that it may, it may"
        else:
            placed.append(now)
            up.append(now + chance.choice((3.0, 40.0, 200.0)))
            assert len(up) <= at_once
            assert citizens + len(up) <= pace.lines - keep, "the citizens' lines are theirs"
    for at in placed:
        assert len([one for one in placed if at <= one < at + 59.9]) <= per_minute


def test_bounds_that_would_call_nobody_are_refused() -> None:
    for wrong in ({"at_once": 0}, {"per_minute": 0}, {"lines": 5, "keep_free": 5}):
        with pytest.raises(ValueError, match="at_once|keep_free"):
            Pace(**wrong)
    with pytest.raises(ValueError, match="gaps"):
        Attempts(gaps_s=())


def test_the_gaps_grow_as_they_are_named_and_the_last_one_holds_on() -> None:
    attempts = Attempts(5, (60.0, 600.0))
    assert [attempts.rules(made).pause_s for made in (1, 2, 3, 4)] == [60.0, 600.0, 600.0, 600.0]


def test_next_is_who_may_be_called_soonest_then_who_has_waited_longest() -> None:
    one = CallbackRequest("fu1r0", NUMBER, GENERAL, 5.0, 5.0)
    assert next_of([replace(one, id="fu2r0", next_at=9.0), replace(one, id="fu3r0", asked_at=7.0), one]) == one
    assert next_of([replace(one, state=CallbackState.DIALLING)]) is None


# ---------------------------------------------------------------- the dialogue


def test_every_cell_of_the_dialogue() -> None:
    assert set(MOVES) == {(stage, press) for stage in ASKING for press in Press}
    for stage in ASKING:
        for key in SCORES:
            assert pressed(Dialogue(stage), key) == Dialogue(Stage.RATED, key)
        assert pressed(Dialogue(stage), "9").stage is Stage.AGENT
        assert pressed(Dialogue(stage), "*") == Dialogue(repeats=1)
    for nothing in ("", "0", "6", "#", "12"):
        assert pressed(Dialogue(), nothing) == Dialogue(Stage.AGAIN)
        assert pressed(Dialogue(Stage.AGAIN), nothing) == Dialogue(Stage.SILENT)
    for stage in set(Stage) - ASKING:
        assert all(pressed(Dialogue(stage), key) == Dialogue(stage) for key in "123459*")


def test_the_drawing_shows_every_move_and_no_other() -> None:
    drawing = PAGE.read_text(encoding="utf-8").split("```mermaid\n", 1)[1].split("```", 1)[0]
    arrows = re.findall(r"^    ([A-Z]+) --> ([A-Z]+): ([a-e])$", drawing, re.MULTILINE)
    letters = {Press.SCORE: "a", Press.REPEAT: "b", Press.AGENT: "c"}
    drawn = {
        (stage.name, after.name, letters.get(press, "d" if stage is Stage.ASKED else "e"))
        for (stage, press), after in MOVES.items()
    }
    assert set(arrows) == drawn


@given(st.lists(st.sampled_from([*SCORES, "9", "*", "0", "", "##"]), min_size=REPEATS + 4, max_size=12))
def test_the_dialogue_always_ends(keys: list[str]) -> None:
    dialogue = Dialogue()
    for one in keys:
        dialogue = pressed(dialogue, one)
    assert not dialogue.asking, "so often is nobody asked"
    assert (dialogue.stage is Stage.RATED) == (dialogue.answer in SCORES)


@given(st.sampled_from([Dialogue(stage, repeats=n) for stage in Stage if stage is not Stage.RATED for n in (0, 3)]
       + [Dialogue(Stage.RATED, score, 1) for score in SCORES]))  # fmt: skip
def test_a_mark_carries_the_dialogue_and_only_a_dialogue_is_read(dialogue: Dialogue) -> None:
    assert Dialogue.decode(dialogue.encode()) == dialogue
    mark = CallMark("12345", "zh", START, dialogue.encode())
    decoded = CallMark.decode(mark.encode())
    assert decoded is not None
    assert Dialogue.decode(decoded.node) == dialogue


@pytest.mark.parametrize(
    "node", ["", "main.0", "fu-rated-6-0", "fu-rated--0", "fu-asked-3-0", "fu-asked--x", "fu-a--0"]
)
def test_another_mark_is_no_dialogue(node: str) -> None:
    assert Dialogue.decode(node) is None


def test_he_hears_who_calls_which_ticket_and_what_he_may_press() -> None:
    pieces = question(Dialogue(), TICKET, "zh")
    assert (pieces[0], pieces[1]) == ("follow-up-greeting", "ticket-number-is")
    assert pieces[-2:] == ("follow-up-ask", "follow-up-keys")
    assert "".join(one[6:7] for one in pieces if one.startswith("digit-")) == TICKET
    assert "ticket-number-is" not in question(Dialogue(Stage.AGAIN), TICKET, "zh")


# ---------------------------------------------------------------- which tickets


def closed() -> Story:
    story = Story()
    story.to(S.RESOLVED)
    return story


def test_what_is_left_to_people() -> None:
    ticket, rules = closed().ticket, CampaignRules(never=("1390000.*",))
    assert left_to_people(ticket, Why.SAMPLE, rules) == ""
    assert left_to_people(ticket, Why.DISSATISFIED, rules) == "reason"
    for hidden in ({"anonymous": True}, {"confidential": True}):
        assert left_to_people(replace(ticket, **hidden), Why.LATE, rules) == "hidden"
    for number in ("", "anonymous", "13900001234", "+8613800001111"):
        assert left_to_people(replace(ticket, caller=number), Why.LATE, rules) == "number"


def test_a_score_is_kept_by_the_hotline_itself_and_who_is_dissatisfied_comes_back_into_the_list() -> None:
    for score, satisfied in ((1, False), (2, False), (3, True), (5, True)):
        story = closed()
        move = result(score, FollowUpRules())
        story.do(
            SYSTEM, I.FOLLOW_UP, contacted=move.contacted, solved=None, satisfied=move.satisfied, reason=move.reason
        )
        ticket = story.ticket
        assert (ticket.contacted, ticket.solved, ticket.satisfied, ticket.voice) == (True, None, satisfied, True)
        assert f"{score}" in story.moves[-1].reason
        assert overtaken(ticket, ticket.caller, 0)
        wants_person = due(ticket, FollowUpRules(sample=0.0), story.at + 1)
        assert wants_person is (None if satisfied else Why.DISSATISFIED)
        story.do(QUALITY, I.FOLLOW_UP, contacted=True, solved=True, satisfied=False)
        assert due(story.ticket, FollowUpRules(sample=1.0), story.at + 1) is None, "a person has spoken with him"
    with pytest.raises(ValueError, match="no score"):
        result(6, FollowUpRules())


def test_a_ticket_that_has_moved_on_is_not_asked_about() -> None:
    story = closed()
    ticket = story.ticket
    assert not overtaken(ticket, ticket.caller, 0)
    assert overtaken(None, ticket.caller, 0)
    assert overtaken(ticket, "13900000000", 0)
    assert overtaken(ticket, ticket.caller, 1)
    assert overtaken(replace(ticket, confidential=True), ticket.caller, 0)
    story.do(QUALITY, I.FOLLOW_UP, contacted=False, solved=None, satisfied=None)
    assert overtaken(story.ticket, ticket.caller, 0)
    assert WANG  # the agents' own list is tested in test_follow_up.py


# ---------------------------------------------------------------- from the list to the call


def test_a_ticket_that_has_come_is_called_once_without_an_agent() -> None:
    house = hall()
    placed = only(come(house), PlaceCall)
    assert (placed.call, placed.number, placed.purpose) == (FIRST, NUMBER, "voice_follow_up")
    assert placed.dial == f"PJSIP/{NUMBER}@trunk"
    assert none(come(house), PlaceCall, SaveCallback), "it is known"


def test_nothing_is_called_before_the_store_has_it() -> None:
    house = hall()
    assert none(house.step(FollowUpsWanted((wanted(),), house.now)), PlaceCall)


@pytest.mark.parametrize("changes", [{"campaign": CampaignPlan(False)}, {"callback": CallbackPlan()}])
def test_a_hotline_without_it_calls_nobody(changes: dict[str, Any]) -> None:
    house = Hall(**{"callback": DIALS, "campaign": PLAN, **changes})
    assert none(come(house), PlaceCall, SaveCallback)


def test_an_emergency_number_is_never_called() -> None:
    house = hall()
    assert none(come(house, *(wanted(f"20261122{n}", one) for n, one in enumerate(NEVER))), PlaceCall, SaveCallback)


def test_no_more_at_once_than_allowed_and_the_next_when_one_is_over() -> None:
    house = hall()
    placed = [one for one in come(house, *(wanted(f"20261122{n:05}", f"1380000{n:04}") for n in range(5)))
              if isinstance(one, PlaceCall)]  # fmt: skip
    assert len(placed) == 2
    failed = house.step(event.OutboundFailed(placed[0].call, "busy", house.now))
    assert request(house).attempts[0].outcome == "busy"
    assert only(commit(house, failed), PlaceCall).call not in {one.call for one in placed}


def test_citizens_lines_are_left_to_them() -> None:
    house = hall(pace=Pace(at_once=5, per_minute=100, lines=3, keep_free=1))
    house.arrive(CallId("c-1"))
    placed = [
        one
        for one in come(house, *(wanted(f"2026{n:09}", f"1390000{n:04}") for n in range(5)))
        if isinstance(one, PlaceCall)
    ]
    assert len(placed) == 1, "three lines: a citizen's, ours, and one to keep free"
    over = only(commit(house, house.hung_up(CallId("c-1"))), PlaceCall)
    assert over.call != placed[0].call


def test_no_more_in_a_minute_than_allowed() -> None:
    house = hall(pace=Pace(at_once=10, per_minute=2))
    placed = [
        one
        for one in come(house, *(wanted(f"2026{n:09}", f"1390000{n:04}") for n in range(3)))
        if isinstance(one, PlaceCall)
    ]
    assert len(placed) == 2
    again = [one for one in wakes(house.said, TimerKind.CALLBACK) if one.key == "campaign"][-1]
    assert again.at == pytest.approx(house.now + 60.0)
    only(commit(house, house.time_is_up(again)), PlaceCall)


class _Weekdays:
    """A calendar in which Monday to Friday are worked."""

    def is_workday(self, day: date) -> bool:
        return day.weekday() < 5

    def known(self, day: date) -> bool:
        return True


def test_only_in_the_hours_and_on_working_days() -> None:
    """START is a Monday; Friday after closing, the next opening is on Monday."""
    hours = parse_hours({"mon-sun": ["09:00-20:00"]}, "test")
    house = hall(hours=hours, calendar=_Weekdays())
    house.now = START + 4 * 86_400.0 + 12 * 3600.0  # Friday evening
    assert none(come(house), PlaceCall)
    turn = [one for one in wakes(house.said, TimerKind.CALLBACK) if one.key == "campaign"][-1]
    begins = START - START % 86_400.0
    assert (turn.at - begins) / 86_400.0 > 6.0, "not on Saturday, not on Sunday"
    only(commit(house, house.time_is_up(turn)), PlaceCall)


def test_a_ticket_that_a_person_has_settled_is_not_called() -> None:
    house = hall()
    waiting = house.step(FollowUpsWanted((wanted(),), house.now))
    kept = only(waiting, SaveCallback).callback
    house.step(event.CallbackStored(kept.id, 0, "waiting", house.now))
    dialling = only(house.time_is_up(wakes(waiting, TimerKind.CALLBACK)[-1]), SaveCallback).callback
    cancelled = house.step(event.CallbackStored(dialling.id, 0, "cancelled", house.now))
    assert none(cancelled, PlaceCall)
    assert not house.house.callbacks
    assert none(come(house), PlaceCall, SaveCallback), "and stays so"


def test_what_has_waited_too_long_is_given_up() -> None:
    house = hall(attempts=Attempts(2, (600.0,), keep_s=3600.0))
    house.asked(CampaignPaused, True)
    come(house, wanted(), wanted("2026112200008", "13800002222"))
    house.later(3601.0)
    commit(house, house.asked(CampaignPaused, False))
    assert not house.house.callbacks
    assert none(house.said, PlaceCall)
    assert request(house).state is CallbackState.GIVEN_UP


def test_nobody_is_called_who_is_in_a_call_with_us_or_was_just_called_about_another_ticket() -> None:
    house = hall()
    house.arrive(CallId("c-1"), caller=NUMBER)
    assert none(come(house), PlaceCall), "he is talking with us"
    first = only(commit(house, house.hung_up(CallId("c-1"))), PlaceCall)
    assert none(come(house, wanted("2026112200008")), PlaceCall), "one call at a time"
    over = commit(house, house.step(event.OutboundFailed(first.call, "no_answer", house.now)))
    assert none(over, PlaceCall)
    assert {one.next_at for one in house.house.callbacks.values()} == {house.now + 600.0}


def test_who_answers_a_call_that_was_given_up_is_let_go() -> None:
    house = hall()
    placed = only(come(house), PlaceCall)
    house.house.callbacks.clear()
    assert names(only(answers(house, placed.call), Play).prompts) == ["goodbye"]
    only(house.played(placed.call), HangUp)
    house.hung_up(placed.call)
    assert house.saved(placed.call).direction == "outbound"


# ---------------------------------------------------------------- the call


def test_he_presses_a_key_and_is_thanked() -> None:
    house = hall()
    heard = asked(house)
    assert names(heard.prompts)[0] == "follow-up-greeting"
    assert names(only(house.said, PrepareEnd).thanks) == ["goodbye"]
    pressing = house.press("2", FIRST)
    done = only(pressing, SaveCallback).callback
    assert (done.state, done.answer, done.attempts[0].outcome) == (CallbackState.DONE, "2", "answered")
    thanks = only(pressing, Play)
    assert names(thanks.prompts) == ["follow-up-thanks"]
    assert "|fu-rated-2-0|" in thanks.mark, "the very command that thanks him carries what he has pressed"
    only(house.played(FIRST), HangUp)
    ended = only(house.hung_up(FIRST), SaveCall).record
    assert (ended.direction, ended.purpose, ended.outcome, ended.score) == (
        "outbound",
        "voice_follow_up",
        Outcome.SURVEYED,
        2,
    )
    assert (ended.ticket, ended.queue, ended.joined_at) == (TICKET, None, None)
    assert not house.house.callbacks


def test_its_story_reads_as_what_happened() -> None:
    house = hall()
    asked(house)
    house.press("2", FIRST)
    house.hung_up(FIRST)
    told = [one.en for one in chapters(house.saved(FIRST))]
    assert told == [
        f"the hotline itself asks about ticket {TICKET}; somebody has answered", "survey: 2 of 5", "ended: surveyed"
    ]  # fmt: skip


def test_a_repeat_and_a_key_before_the_question() -> None:
    house = hall()
    asked(house)
    again = only(house.press("5", FIRST, status=KeyStatus.AHEAD), Ask)
    assert names(again.prompts)[0] == "follow-up-greeting", "he had not heard the question"
    assert names(only(house.press("*", FIRST), Ask).prompts)[0] == "follow-up-greeting"
    assert names(only(house.press("7", FIRST), Ask).prompts)[0] == "survey-again"


def test_an_answering_machine_presses_nothing_and_is_tried_again() -> None:
    house = hall()
    asked(house)
    only(house.press("", FIRST), Ask)
    silent = house.press("", FIRST)
    kept = only(silent, SaveCallback).callback
    assert (kept.state, kept.attempts[0].outcome, kept.next_at) == (CallbackState.WAITING, "silent", house.now + 600.0)
    assert names(only(silent, Play).prompts) == ["goodbye"]
    only(house.played(FIRST), HangUp)
    assert len(request(house).attempts) == 1
    commit(house, house.hung_up(FIRST))
    turn = [one for one in wakes(house.said, TimerKind.CALLBACK) if one.key == "campaign"][-1]
    assert turn.at == house.now + 600.0
    assert only(commit(house, house.time_is_up(turn)), PlaceCall).call.endswith("r0-2")


@pytest.mark.parametrize("how", ["busy", "no_answer", "failed", "hung_up"])
def test_every_call_in_vain_is_an_attempt_and_the_last_one_gives_up(how: str) -> None:
    house = hall()
    placed = only(come(house), PlaceCall)
    for number in (1, 2):
        assert placed.call.endswith(f"-{number}")
        if how == "hung_up":
            answers(house, placed.call)
            over = house.hung_up(placed.call)
        else:
            over = house.step(event.OutboundFailed(placed.call, how, house.now))
        assert only(over, SaveCallback).callback.attempts[-1].outcome == how
        house.later(601.0)
        rest = commit(house, over)
        if number == 1:
            turn = [one for one in wakes([*over, *rest], TimerKind.CALLBACK) if one.key == "campaign"][-1]
            placed = (
                only([*rest, *commit(house, house.time_is_up(turn))], PlaceCall)
                if none(rest, PlaceCall)
                else only(rest, PlaceCall)
            )
    assert request(house).state is CallbackState.GIVEN_UP
    assert not house.house.callbacks


def test_nine_leads_to_an_agent_where_one_is_at_work() -> None:
    house = hall()
    asked(house)
    house.ready(A1)
    notice = only(house.press("9", FIRST), Play)
    assert names(notice.prompts) == ["recording-notice"]
    offer = only(house.played(FIRST), Offer)
    assert offer.agent == A1
    house.started(FIRST)
    house.leg_started(A1, FIRST)
    house.joined(A1, FIRST)
    talking = house.joined(None, FIRST)
    done = only(talking, SaveCallback).callback
    assert (done.state, done.answer, done.attempts[-1].outcome) == (CallbackState.DONE, "agent", "answered")
    assert none(house.said, Hold)
    assert house.saved(FIRST).direction == "outbound"


def test_nine_when_nobody_is_there_and_who_leaves_the_line_are_left_to_people() -> None:
    house = hall()
    asked(house)
    told = house.press("9", FIRST)
    assert names(only(told, Play).prompts) == ["follow-up-person"]
    assert (request(house).state, request(house).answer) == (CallbackState.GIVEN_UP, "agent")
    house = hall()
    asked(house)
    house.sign_in(A1)
    house.press("9", FIRST)
    house.played(FIRST)
    assert house.state(FIRST) is CallState.WAITING
    house.hung_up(FIRST)
    assert (request(house).state, request(house).answer) == (CallbackState.GIVEN_UP, "agent")
    assert house.saved(FIRST).outcome is Outcome.ABANDONED


def test_who_asks_too_late_finds_the_controller_gone_and_the_dialplan_lets_him_go() -> None:
    house = hall()
    asked(house)
    assert none(house.fell_back(FIRST), Hold, Offer)


# ---------------------------------------------------------------- supervisors


def test_paused_nobody_is_called_and_it_goes_on_where_it_was() -> None:
    house = hall()
    assert only(house.asked(CampaignPaused, True), SaveCampaign).rest.by == "lin"
    assert none(come(house), PlaceCall)
    going = house.asked(CampaignPaused, False)
    assert only(going, Audit).entry.en == "let the automatic voice follow-up go on"
    only(commit(house, going), PlaceCall)


def test_who_may_not_pause_is_refused_and_so_is_what_is_not_there() -> None:
    assert hall().replied(CampaignPaused, True, by=UNION) == "not_allowed"
    assert Hall().replied(CampaignPaused, True) == "no_campaign"
    assert only(hall().asked(CampaignPaused, True), Reply).ok


# ---------------------------------------------------------------- a restart


def restart(
    before: Hall, *rows: Any, gone: tuple[event.CallGone, ...] = (), stored: CallbackRequest | None = None
) -> Hall:
    """Another controller, with what the store knew, on the same exchange."""
    after = hall()
    after.house.connected = False
    after.now = before.now + 3.0
    after.step(CampaignRestored(CampaignRest(ActorId(""), 0.0), tuple(before.house.campaign.placed), after.now))
    known = stored or next(iter(before.house.callbacks.values()))
    after.step(event.CallbacksRestored((known,), after.now))
    after.step(event.ExchangeConnected(tuple(rows), (A1,), (), after.now, gone))
    return after


def mark(dialogue: Dialogue, queue: str = "") -> str:
    return CallMark(MENU, "zh", START, dialogue.encode(), queue).encode()


def test_killed_while_it_rings_the_same_call_goes_on() -> None:
    before = hall()
    come(before)
    ringing = replace(row(FIRST, "default", step=0, mark=CallMark(MENU, "zh", START).encode()))
    after = restart(before, ringing)
    assert none(after.said, PlaceCall, HangUp)
    only(answers(after), Ask)
    assert only(after.press("4", FIRST), SaveCallback).callback.answer == "4"


def test_killed_while_he_is_asked_his_key_counts_though_nobody_heard_it() -> None:
    before = hall()
    asked(before)
    standing = replace(row(FIRST, "p-idle", mark=mark(Dialogue())), answer=event.Answer(1, "5", KeyStatus.OK))
    after = restart(before, standing)
    assert request(after).answer == "5"
    assert names(only(after.said, Play).prompts) == ["follow-up-thanks"]


def test_killed_while_he_hears_the_question_he_goes_on_hearing_it() -> None:
    before = hall()
    asked(before)
    before.press("", FIRST)
    after = restart(before, row(FIRST, "p-ask", step=2, mark=mark(Dialogue(Stage.AGAIN))))
    assert none(after.said, Ask, Play, HangUp, PlaceCall)
    silent = after.press("", FIRST, step=2)
    assert only(silent, SaveCallback).callback.attempts[-1].outcome == "silent"


def test_killed_while_he_is_thanked_his_score_is_kept_once() -> None:
    before = hall()
    asked(before)
    known = before.house.callbacks[f"fu{TICKET}r0"]
    before.press("3", FIRST)
    thanked = row(FIRST, "p-play", step=2, mark=mark(Dialogue(Stage.RATED, "3")))
    after = restart(before, thanked, stored=known)  # the store had not committed it
    assert (request(after).state, request(after).answer) == (CallbackState.DONE, "3")
    only(after.played(FIRST, step=2), HangUp)
    after.hung_up(FIRST)
    assert after.saved(FIRST).outcome is Outcome.SURVEYED
    assert sum(isinstance(one, SaveCallback) for one in after.said) == 1


def test_ended_while_nobody_watched_the_mark_says_what_he_pressed() -> None:
    before = hall()
    asked(before)
    for dialogue, state, answer, outcome in (
        (Dialogue(Stage.RATED, "1"), CallbackState.DONE, "1", "answered"),
        (Dialogue(), CallbackState.WAITING, "", "hung_up"),
        (Dialogue(Stage.AGENT), CallbackState.GIVEN_UP, "agent", "hung_up"),
    ):
        gone = event.CallGone(FIRST, caller_channel(FIRST), mark(dialogue), NUMBER, before.now + 1.0)
        after = restart(before, gone=(gone,))
        kept = [one.callback for one in after.said if isinstance(one, SaveCallback)]
        assert [(one.state, one.answer, one.attempts[0].outcome) for one in kept] == [(state, answer, outcome)]
        record = after.saved(FIRST)
        expected = (Outcome.SURVEYED, 1) if dialogue.answer else (Outcome.LEFT_MENU, None)
        assert (record.direction, record.outcome, record.score) == ("outbound", *expected)


def test_its_end_was_known_and_what_he_pressed_was_not_stored_yet() -> None:
    before = hall()
    asked(before)
    known = before.house.callbacks[f"fu{TICKET}r0"]
    after = hall()
    after.house.connected = False
    after.step(event.CallbacksRestored((known,), after.now))
    after.step(event.CallsRestored((), after.now, over=(FIRST,)))
    gone = event.CallGone(FIRST, caller_channel(FIRST), mark(Dialogue(Stage.RATED, "2")), NUMBER, after.now)
    after.step(event.ExchangeConnected((), (A1,), (), after.now, (gone,)))
    assert (request(after).state, request(after).answer) == (CallbackState.DONE, "2")


def test_a_call_that_cannot_be_found_counts_as_an_attempt() -> None:
    before = hall()
    come(before)
    after = restart(before)
    assert (request(after).attempts[0].outcome, request(after).state) == ("in_doubt", CallbackState.WAITING)


def test_in_the_line_after_a_restart_he_waits_like_everybody() -> None:
    before = hall()
    asked(before)
    before.sign_in(A1)
    before.press("9", FIRST)
    before.played(FIRST)
    record = before.saved(FIRST)
    after = hall()
    after.house.connected = False
    after.step(event.CallbacksRestored(tuple(before.house.callbacks.values()), after.now))
    after.step(event.CallsRestored((record,), after.now))
    waiting = row(FIRST, "p-hold", step=3, mark=before.call(FIRST).mark())
    after.step(event.ExchangeConnected((waiting,), (A1,), (), after.now))
    assert after.state(FIRST) is CallState.WAITING
    only(after.ready(A1), Offer)


# ---------------------------------------------------------------- what the checker of journals says


def test_the_checker_has_nothing_to_say_of_good_calls() -> None:
    house = hall()
    asked(house)
    house.press("4", FIRST)
    house.played(FIRST)
    house.hung_up(FIRST)
    second = only(come(house, wanted("2026112200008", "13800002222")), PlaceCall)
    commit(house, house.step(event.OutboundFailed(second.call, "busy", house.now)))
    assert not verified(house.plan, house.steps).findings


def test_the_checker_finds_a_call_at_night_one_too_many_and_a_flood() -> None:
    for changes, found in (
        ({"hours": parse_hours({"mon-sun": ["02:00-03:00"]}, "test")}, "outside the hours"),
        ({"calendar": _Weekdays(), "hours": parse_hours({"mon-fri": ["02:00-03:00"]}, "test")}, "outside the hours"),
        ({"pace": Pace(at_once=1)}, "2 at once"),
        ({"pace": Pace(at_once=5, per_minute=1)}, "2 in a minute"),
    ):
        house = hall()
        come(house, wanted(), wanted("2026112200008", "13800002222"))
        told = verified(replace(house.plan, campaign=replace(house.plan.campaign, **changes)), house.steps).findings
        assert {one.invariant for one in told} == {"follow-up-pace"}
        assert found in str(told), changes


# ---------------------------------------------------------------- a day of everything


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5)), max_size=60))
@settings(max_examples=60)
def test_never_twice_for_one_attempt_and_nothing_lost(deeds: list[tuple[int, int]]) -> None:
    """Whatever happens: one call for an attempt, no more than allowed at once, and every ticket keeps an end."""
    house = hall(pace=Pace(2, 3, 6, 2))
    begun: set[str] = set()
    for deed, which in deeds:
        ringing = [one for one in house.house.placed if one not in house.house.calls]
        up = [one for one in house.house.calls.values() if one.follow_up is not None or one.record.purpose]
        commands: list[Command] = []
        if deed in (0, 1):
            begun.add(f"fu20261122{which}r0")
            commands = house.step(FollowUpsWanted((wanted(f"20261122{which}", f"1380000000{which}"),), house.now))
        elif deed == 2:
            house.later(700.0)
        elif deed == 3 and ringing:
            call = sorted(ringing)[which % len(ringing)]
            commands = house.step(event.OutboundFailed(call, "no_answer", house.now))
        elif deed == 4 and ringing:
            commands = answers(house, sorted(ringing)[which % len(ringing)])
        elif deed == 5 and up:
            commands = house.press("24*9 6"[which].strip(), up[which % len(up)].call)
        elif deed == 6 and up:
            commands = house.played(up[which % len(up)].call)
        elif deed == 7 and up:
            commands = house.hung_up(up[which % len(up)].call)
        elif deed == 8:
            commands = (house.sign_in(A1), house.ready(A1), house.sign_out(A1))[which % 3]
        else:
            commands = house.asked(CampaignPaused, which == 0)
        turns = [one for one in wakes(house.said, TimerKind.CALLBACK) if one.key == "campaign" and one.at <= house.now]
        commit(house, [*commands, *turns[-1:]])
        calling = {one for one in house.house.placed} | {one.call for one in up if one.follow_up is not None}
        assert len([one for one in calling if one in house.house.placed]) <= 4
        dialling = [one for one in house.house.callbacks.values() if one.state is CallbackState.DIALLING]
        queued = [one for one in dialling if one.answer]
        assert len(dialling) - len(queued) <= 2
    every = [one.call for one in house.said if isinstance(one, PlaceCall)]
    assert len(every) == len(set(every)), "no attempt is called twice"
    last = {one.callback.id: one.callback for one in house.said if isinstance(one, SaveCallback)}
    assert set(last) == begun
    for id, one in last.items():
        assert (id in house.house.callbacks) == (one.state in (CallbackState.WAITING, CallbackState.DIALLING))
        assert len(one.attempts) <= 2
        assert QueueId(one.queue) == GENERAL


@pytest.mark.parametrize("dissatisfied_to", range(5))
def test_who_counts_as_satisfied_is_said_by_the_tickets_rule_alone(dissatisfied_to: int) -> None:
    """The campaign's figures and the moves in its tickets agree wherever the line is drawn."""
    rules = FollowUpRules(dissatisfied_to=dissatisfied_to)
    asked = [
        CallbackRequest(f"fu{score}r0", "13800001111", QueueId("general"), 0.0, 0.0, answer=str(score), why="late")
        for score in range(1, 6)
    ]
    written = sum(result(score, rules).satisfied is True for score in range(1, 6))
    assert figures(asked, rules.dissatisfied_to).satisfied == written == 5 - dissatisfied_to
