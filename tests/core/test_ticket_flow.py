"""How a ticket moves: every cell, every role by every input, what stands between actor and ticket, and any order."""

from __future__ import annotations

import dataclasses
import json
import random
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ticket_story import (
    BOSS,
    DAY,
    DESK,
    HEAT,
    HOUR,
    LEADER,
    LI,
    MONDAY,
    NUMBER,
    PEOPLE,
    POLICY,
    QUALITY,
    ROADS,
    WANG,
    WATER,
    WATER_2,
    WATER_BOSS,
    I,
    S,
    Story,
    handle_due,
    new,
    opening,
    sign_due,
    wish,
)
from tickets.approvals import ASKS, DECIDES, Outcome
from tickets.deadlines import due
from tickets.flow import Intake, TicketConflict, apply, may, moved, opened
from tickets.given import GIVEN, Move
from tickets.log import replayed
from tickets.moves import (
    ADMIN,
    DESIGNATES,
    MAY_OPEN,
    REFUSALS,
    RIGHTS,
    SYSTEM,
    TICKET_MOVES,
    Actor,
    Role,
    TicketInput,
    TicketState,
)
from tickets.shown import sees_caller
from tickets.texts import TicketRefused
from tickets.ticket import Channel, Ticket, TicketChange, TicketMove, TicketType, Urgency
from tickets.units import UnitRegister

pytestmark = pytest.mark.core


def refused(story: Story, actor: Actor, what: TicketInput, **given: object) -> str:
    """The code with which a move is refused; the ticket is as it was."""
    before, count = story.ticket, len(story.moves)
    with pytest.raises(TicketRefused) as error:
        story.do(actor, what, **given)
    assert (story.ticket, len(story.moves)) == (before, count)
    return error.value.code


# ---------------------------------------------------------------- the tables

OPEN_INPUTS = {
    S.OPENED: "amend register join leave merge attach recount withdraw",
    S.REGISTERED: """amend answer close refer assign supervise remind escalate join leave settle merge judge attach
        recount withdraw""",
    S.DISPATCHED: """amend redispatch sign handle ask_return grant_return refuse_return object uphold_objection
        overrule_objection add_unit supervise remind escalate join leave settle merge judge attach recount withdraw""",
    S.SIGNED: """amend redispatch handle reply ask_return grant_return refuse_return ask_extension grant_extension
        refuse_extension ask_hard_case grant_hard_case refuse_hard_case ask_pause grant_pause refuse_pause resume object
        uphold_objection overrule_objection add_unit supervise remind escalate join leave settle merge judge attach
        recount withdraw""",
    S.REPLIED: """amend handle accept_reply reject_reply supervise remind escalate join leave settle judge attach
        recount withdraw""",
    S.RESOLVED: "escalate follow_up redo archive judge",
    S.ARCHIVED: "judge",
    S.MERGED: "judge",
}
OPEN_INPUTS = {state: f"{inputs} conceal" for state, inputs in OPEN_INPUTS.items()}
LEADS_TO = {
    "register": S.REGISTERED,
    "answer": S.RESOLVED,
    "close": S.RESOLVED,
    "withdraw": S.RESOLVED,
    "settle": S.RESOLVED,
    "refer": S.DISPATCHED,
    "assign": S.DISPATCHED,
    "redispatch": S.DISPATCHED,
    "sign": S.SIGNED,
    "reply": S.REPLIED,
    "accept_reply": S.RESOLVED,
    "reject_reply": S.SIGNED,
    "grant_return": S.REGISTERED,
    "uphold_objection": S.REGISTERED,
    "redo": S.DISPATCHED,
    "merge": S.MERGED,
    "archive": S.ARCHIVED,
}


@pytest.mark.parametrize(("state", "cause"), list(product(TicketState, TicketInput)))
def test_every_cell_of_the_table(state: TicketState, cause: TicketInput) -> None:
    if cause.value in OPEN_INPUTS[state].split():
        assert TICKET_MOVES[state, cause] is moved(state, cause) is LEADS_TO.get(cause.value, state)
        return
    with pytest.raises(TicketRefused) as error:
        moved(state, cause)
    usual = REFUSALS[state][0]
    assert error.value.code == ("registered" if (state, cause) == (S.REGISTERED, I.REGISTER) else usual)


ROLES = {
    "amend": "agent dispatcher supervisor system",
    "register": "agent dispatcher supervisor system",
    "answer": "agent supervisor",
    "close": "agent dispatcher supervisor",
    "refer": "dispatcher supervisor system",
    "assign": "supervisor leader",
    "redispatch": "dispatcher supervisor leader",
    "withdraw": "supervisor system",
    "sign": "unit",
    "handle": "unit",
    "reply": "unit",
    "accept_reply": "dispatcher supervisor",
    "reject_reply": "dispatcher supervisor",
    "ask_return": "unit",
    "grant_return": "dispatcher supervisor leader",
    "refuse_return": "dispatcher supervisor leader",
    "ask_extension": "unit",
    "grant_extension": "supervisor leader",
    "refuse_extension": "supervisor leader",
    "ask_hard_case": "unit",
    "grant_hard_case": "supervisor leader",
    "refuse_hard_case": "supervisor leader",
    "ask_pause": "unit",
    "grant_pause": "supervisor leader",
    "refuse_pause": "supervisor leader",
    "resume": "dispatcher unit supervisor system",
    "object": "unit",
    "uphold_objection": "supervisor leader",
    "overrule_objection": "supervisor leader",
    "add_unit": "dispatcher supervisor leader system",
    "supervise": "supervisor leader system",
    "remind": "agent dispatcher supervisor leader system",
    "escalate": "dispatcher supervisor leader system",
    "join": "agent dispatcher supervisor system",
    "leave": "agent dispatcher supervisor",
    "settle": "supervisor leader system",
    "follow_up": "agent supervisor inspector system",
    "redo": "supervisor inspector leader system",
    "merge": "agent dispatcher supervisor",
    "archive": "dispatcher supervisor system",
    "judge": "inspector",
    "attach": "agent dispatcher unit supervisor system",
    "recount": "system",
    "conceal": "agent dispatcher supervisor system",
}


@pytest.mark.parametrize(("role", "cause"), list(product(Role, TicketInput)))
def test_every_role_by_every_input(role: Role, cause: TicketInput) -> None:
    """`admin`, the hotline's own token, may do everything; every other role exactly what its row says."""
    state = next(state for state in TicketState if TICKET_MOVES[state, cause] is not None)
    story = Story()
    story.to(state)
    actor = Actor("somebody", role, "water" if role is Role.UNIT else "")
    allowed = role is Role.ADMIN or role.value in ROLES[cause.value].split()
    assert (cause in RIGHTS[role]) is allowed
    ticket = story.ticket if role is not Role.UNIT else dataclasses.replace(story.ticket, lead_unit="water")
    code = ""
    try:
        apply(ticket, wish(cause, ticket), actor, story.at + HOUR, POLICY)
    except TicketRefused as error:
        code = error.code
    assert (code == "not_allowed") is not allowed


def test_every_input_says_what_it_needs_and_has_its_words() -> None:
    assert set(GIVEN) == set(TicketInput)
    for words in (TicketState, TicketInput, Role):
        assert all(one.chinese for one in words)  # type: ignore[attr-defined]
    assert S.DISPATCHED.chinese == "待签收"
    assert I.REFER.chinese == "转办"
    names = [one.chinese for one in TicketInput]
    assert len(set(names)) == len(names)


def test_nobody_but_the_hotline_takes_tickets_down() -> None:
    for role in Role:
        intake = Intake(Channel.WEB, MONDAY)
        if role in MAY_OPEN:
            ticket, first = opened(NUMBER, intake, Actor("x", role), POLICY)
            assert (ticket.call, ticket.channel, first.seq, first.cause) == (None, Channel.WEB, 0, "open")
            assert ticket.agent == ("x" if role is Role.AGENT else "")
        else:
            with pytest.raises(TicketRefused) as error:
                opened(NUMBER, intake, Actor("x", role), POLICY)
            assert error.value.code == "not_allowed"
    assert Role.UNIT not in MAY_OPEN


# ---------------------------------------------------------------- the way of a ticket


def test_the_whole_way_from_the_call_to_the_archive() -> None:
    story = Story()
    story.do(WANG, I.AMEND, change=TicketChange(type="complaint"))
    assert story.ticket.state is S.OPENED
    story.do(WANG, I.AMEND, change=TicketChange(text="路面塌陷", urgency="urgent", address="解放路"))
    assert (story.ticket.state, story.moves[-1].cause, story.moves[-1].reason) == (
        S.REGISTERED,
        "register",
        "text,address,urgency",
    )
    assert story.ticket.urgency is Urgency.URGENT
    dispatched = story.do(DESK, I.REFER, co_units=("roads", "heat", "roads", "water"))
    assert (dispatched.lead_unit, dispatched.co_units, dispatched.dispatch_count) == ("water", ("roads", "heat"), 1)
    story.do(WATER, I.SIGN)
    story.do(ROADS, I.HANDLE)
    story.do(WATER, I.REPLY)
    assert story.do(DESK, I.REJECT_REPLY).state is S.SIGNED
    story.do(WATER_2, I.REPLY, text="路面已修复")
    resolved = story.do(BOSS, I.ACCEPT_REPLY)
    assert (resolved.reply, resolved.answered_by, resolved.resolved_at) == ("路面已修复", "water-2", story.at)
    followed = story.do(LI, I.FOLLOW_UP, contacted=True, solved=True, satisfied=False, reason="噪声仍在")
    assert (followed.contacted, followed.solved, followed.satisfied) == (True, True, False)
    story.do(DESK, I.ARCHIVE)
    assert story.ticket.state is S.ARCHIVED
    assert replayed(story.moves) == story.ticket
    assert [one.seq for one in story.moves] == list(range(story.ticket.version + 1))


def test_first_contact_resolution_and_closing_need_no_unit() -> None:
    story = Story()
    story.to(S.REGISTERED)
    done = story.do(WANG, I.ANSWER)
    assert (done.state, done.answered_by, done.lead_unit, done.first_dispatched_at) == (S.RESOLVED, "1001", None, None)
    assert refused(story, WANG, I.FOLLOW_UP) == "own_ticket"
    assert story.do(LI, I.FOLLOW_UP).followed_up_at == story.at
    story = Story()
    story.to(S.REGISTERED)
    assert story.do(WANG, I.CLOSE).state is S.RESOLVED


def test_who_closes_without_an_answer_says_why_and_an_agent_closes_his_own_only() -> None:
    story = Story()
    story.to(S.REGISTERED)
    for nothing in (None, "", "   "):
        assert refused(story, WANG, I.CLOSE, reason=nothing) == "missing"
    assert refused(story, LI, I.CLOSE) == "not_taken_by_you"
    assert I.CLOSE not in may(story.ticket, LI, POLICY)
    for actor in (WANG, DESK, BOSS, ADMIN):
        assert I.CLOSE in may(story.ticket, actor, POLICY)
    story.do(DESK, I.CLOSE, reason="测试来电")
    assert (story.ticket.answered_by, story.moves[-1].reason) == ("desk", "测试来电")
    web, _ = opened(NUMBER, Intake(Channel.WEB, MONDAY), DESK, POLICY)  # nobody's own
    web, _ = apply(web, wish(I.REGISTER, web), DESK, MONDAY, POLICY)
    assert I.CLOSE not in may(web, WANG, POLICY)


def test_the_clocks_start_at_the_dispatch_and_every_return_counts() -> None:
    story = Story()
    story.to(S.REGISTERED)
    story.do(DESK, I.REFER, after=3 * DAY)
    first = story.ticket.dispatched_at
    assert first == story.at
    assert story.ticket.sign_due == sign_due(story.at)
    assert story.ticket.handle_due == handle_due(story.at, story.ticket.type)
    for count in (1, 2, 3):
        story.do(WATER if story.ticket.lead_unit == "water" else ROADS, I.ASK_RETURN, unit="roads")
        returned = story.do(DESK, I.GRANT_RETURN)
        assert (returned.state, returned.lead_unit, returned.return_count) == (S.REGISTERED, None, count)
        if count == 3:
            break
        story.do(DESK, I.REFER, unit="roads" if count == 1 else "water")
        assert story.ticket.dispatched_at == story.at
        assert story.ticket.first_dispatched_at == first
        assert story.ticket.sign_due == sign_due(story.at)
    assert story.ticket.dispatch_count == 3
    assert refused(story, DESK, I.REFER) == "needs_supervisor"
    designated = story.do(BOSS, I.ASSIGN, unit="water")
    assert designated.designated
    assert refused(story, WATER, I.ASK_RETURN) == "designated"
    story.do(WATER, I.OBJECT, unit="roads")
    assert refused(story, DESK, I.UPHOLD_OBJECTION) == "not_allowed"
    assert story.do(LEADER, I.UPHOLD_OBJECTION).return_count == 4


def test_a_return_is_asked_for_in_time_or_the_unit_keeps_it() -> None:
    story = Story()
    story.to(S.DISPATCHED)
    limit = due(story.at, POLICY.deadlines.return_, POLICY.hours, POLICY.calendar)
    assert refused(story, WATER, I.ASK_RETURN, after=limit - story.at + 1) == "return_too_late"
    story.at = limit - HOUR
    assert story.do(WATER, I.ASK_RETURN).approvals[0].outcome is Outcome.ASKED


def test_a_change_of_the_type_moves_no_start() -> None:
    """The limit is that of what the ticket is, counted from the dispatch as ever; a unit cannot change the type."""
    story = Story()
    story.do(WANG, I.AMEND, change=TicketChange(type="inquiry", text="几点开门"))
    story.do(DESK, I.REFER)
    dispatched = story.at
    assert story.ticket.handle_due == handle_due(dispatched, TicketType.INQUIRY)
    story.do(DESK, I.AMEND, change=TicketChange(type="complaint"), after=DAY)
    assert story.ticket.handle_due == handle_due(dispatched, TicketType.COMPLAINT)
    assert refused(story, WATER, I.AMEND) == "not_allowed"


# ---------------------------------------------------------------- who, and what he has to do with it


def test_a_unit_acts_only_on_its_own_tickets_and_the_lead_leads() -> None:
    story = Story()
    story.to(S.DISPATCHED)
    assert refused(story, ROADS, I.SIGN) == "not_your_ticket"
    story.do(DESK, I.ADD_UNIT, unit="roads")
    assert refused(story, ROADS, I.SIGN) == "not_lead"
    story.do(WATER, I.SIGN)
    assert refused(story, ROADS, I.REPLY) == "not_lead"
    assert refused(story, ROADS, I.ASK_EXTENSION) == "not_lead"
    story.do(ROADS, I.HANDLE)
    story.do(ROADS, I.ATTACH)
    assert refused(story, HEAT, I.HANDLE) == "not_your_ticket"
    assert refused(story, DESK, I.ADD_UNIT, unit="roads") == "same_unit"


@pytest.mark.parametrize("what", sorted(DECIDES, key=lambda one: one.value))
def test_no_unit_decides_its_own_request_whatever_its_role(what: TicketInput) -> None:
    story = Story()
    story.to(S.SIGNED)
    ask = next(one for one, kind in ASKS.items() if kind is DECIDES[what][0])
    assert refused(story, BOSS, what) == "nothing_asked"
    story.do(WATER, ask)
    assert refused(story, WATER_2, what) == "not_allowed"
    assert refused(story, WATER_BOSS, what) == "own_ticket"
    assert refused(story, WATER, ask) == "asked_already"
    decided = story.do(BOSS, what)
    assert (decided.approvals[0].outcome, decided.approvals[0].decided_by) == (DECIDES[what][1], "boss")
    assert refused(story, WATER_BOSS, I.JUDGE) in ("not_allowed", "own_ticket")
    assert refused(story, Actor("boss", Role.ADMIN), I.JUDGE) == "own_request"
    judged = story.do(QUALITY, I.JUDGE, right=False)
    assert (judged.approvals[0].right, judged.approvals[0].judged_by) == (False, "quality")
    assert refused(story, QUALITY, I.JUDGE, approval=1) == "judged_already"
    assert replayed(story.moves) == story.ticket


def test_the_hotlines_own_token_does_not_decide_what_it_asked() -> None:
    story = Story()
    story.to(S.SIGNED)
    story.do(ADMIN, I.ASK_HARD_CASE)
    assert refused(story, ADMIN, I.GRANT_HARD_CASE) == "own_request"
    story.do(ADMIN, I.REPLY)
    assert refused(story, ADMIN, I.ACCEPT_REPLY) == "own_ticket"


def test_a_unit_does_not_review_or_follow_up_its_own_answer() -> None:
    story = Story()
    story.to(S.REPLIED)
    assert refused(story, WATER_BOSS, I.ACCEPT_REPLY) == "own_ticket"
    assert refused(story, WATER, I.ACCEPT_REPLY) == "not_allowed"
    story.do(DESK, I.ACCEPT_REPLY)
    assert refused(story, WATER_BOSS, I.FOLLOW_UP) == "own_ticket"
    assert refused(story, WATER, I.FOLLOW_UP) == "not_allowed"


def test_a_unit_that_no_longer_exists() -> None:
    """Its people can do nothing more; the hotline moves the ticket on. No new ticket goes to it."""
    story = Story()
    story.to(S.SIGNED)
    story.policy = dataclasses.replace(POLICY, units=UnitRegister(one for one in POLICY.units if one.id != "water"))
    assert refused(story, WATER, I.REPLY) == "unit_gone"
    assert refused(story, BOSS, I.ADD_UNIT, unit="water") == "unknown_unit"
    moved_on = story.do(DESK, I.REDISPATCH, unit="roads")
    assert (moved_on.state, moved_on.lead_unit, moved_on.signed_at) == (S.DISPATCHED, "roads", None)
    story = Story()
    story.to(S.RESOLVED)
    story.policy = dataclasses.replace(POLICY, units=UnitRegister(one for one in POLICY.units if one.id != "water"))
    assert refused(story, BOSS, I.REDO) == "unknown_unit"
    assert story.do(BOSS, I.REDO, unit="roads").lead_unit == "roads"


def test_two_people_move_one_ticket_at_once() -> None:
    story = Story()
    story.to(S.REGISTERED)
    seen = story.ticket
    now = story.do(DESK, I.REFER)
    with pytest.raises(TicketConflict) as conflict:
        apply(now, Move(I.REFER, seen.version, unit="roads"), BOSS, story.at, POLICY)
    assert (conflict.value.code, conflict.value.ticket) == ("conflict", now)
    with pytest.raises(TicketRefused) as error:  # who did not say what he saw is told why it cannot be
        apply(now, Move(I.REFER, None, unit="roads"), BOSS, story.at, POLICY)
    assert error.value.code == "not_dispatched" or error.value.code == "not_signed"


def test_nothing_is_offered_that_is_refused_whatever_is_given() -> None:
    """A clock that runs is not let run again, and nobody leaves, or settles, an incident that the ticket is not in."""
    story = Story()
    story.to(S.SIGNED)
    assert not {I.RESUME, I.LEAVE, I.SETTLE} & set(may(story.ticket, BOSS, POLICY))
    assert I.JOIN in may(story.ticket, BOSS, POLICY)
    story.do(WATER, I.ASK_PAUSE)
    story.do(BOSS, I.GRANT_PAUSE)
    story.do(BOSS, I.JOIN)
    assert {I.RESUME, I.LEAVE, I.SETTLE} <= set(may(story.ticket, BOSS, POLICY))
    assert I.JOIN not in may(story.ticket, BOSS, POLICY)


def test_what_each_may_do_is_told() -> None:
    story = Story()
    story.to(S.SIGNED)
    assert I.GRANT_RETURN not in may(story.ticket, BOSS, POLICY)
    story.do(WATER, I.ASK_RETURN)
    assert {I.GRANT_RETURN, I.REFUSE_RETURN} <= set(may(story.ticket, BOSS, POLICY))
    assert I.GRANT_RETURN not in may(story.ticket, WATER_BOSS, POLICY)
    assert set(may(story.ticket, ROADS, POLICY)) == set()
    assert {I.REPLY, I.HANDLE, I.ASK_EXTENSION} <= set(may(story.ticket, WATER, POLICY))


def test_what_is_refused_whatever_is_given_is_not_offered() -> None:
    story = Story()
    for state in (S.REGISTERED, S.SIGNED):
        story = Story()
        story.to(state)
        assert not {I.LEAVE, I.SETTLE, I.RESUME} & set(may(story.ticket, ADMIN, POLICY))
    assert I.JOIN in may(story.ticket, ADMIN, POLICY)
    story.do(DESK, I.JOIN)
    assert I.LEAVE in may(story.ticket, ADMIN, POLICY)
    assert I.JOIN not in may(story.ticket, ADMIN, POLICY)
    story.do(WATER, I.ASK_PAUSE)
    story.do(BOSS, I.GRANT_PAUSE)
    assert I.RESUME in may(story.ticket, BOSS, POLICY)
    story.do(BOSS, I.RESUME)
    assert I.RESUME not in may(story.ticket, BOSS, POLICY)


@pytest.mark.parametrize("caller", ["13800001111", "+86 138-0000-1111", "(0512) 6522 1234", ""])
def test_people_write_a_telephone_as_they_read_it(caller: str) -> None:
    assert Story().do(WANG, I.AMEND, change=TicketChange(caller=caller, title="停水")).caller == caller


@pytest.mark.parametrize(
    ("change", "code"),
    [
        *(
            (TicketChange(caller=wrong), "bad_phone")
            for wrong in ("not a number <b>", "张三", "１３８", "+", "\u200d1")
        ),
        (TicketChange(event_at=MONDAY + 400 * DAY), "event_to_come"),
        (TicketChange(title="\u200d\u200b"), "bad_title"),
        (TicketChange(text="\ufeff\u3164"), "bad_text"),
    ],
)
def test_what_people_cannot_mean_is_refused(change: TicketChange, code: str) -> None:
    story = Story()
    story.do(WANG, I.AMEND, change=TicketChange(event_at=MONDAY - DAY, caller="12345678"))
    assert refused(story, WANG, I.AMEND, change=change) == code


def test_a_call_without_a_number_and_another_systems_names_are_as_they_are() -> None:
    story = Story()
    story.ticket = dataclasses.replace(story.ticket, caller="anonymous")
    assert story.do(WANG, I.AMEND, change=TicketChange(caller="anonymous", title="停水")).caller == "anonymous"
    wechat = Actor("wechat", Role.SYSTEM)
    assert story.do(wechat, I.AMEND, change=TicketChange(caller="o6_bmjrPTlm6")).caller == "o6_bmjrPTlm6"


def test_an_anonymous_callers_name_is_for_those_with_the_right() -> None:
    story = Story()
    story.do(WANG, I.AMEND, change=TicketChange(caller_name="王先生", confidential=True))
    seeing = {actor.id for actor in PEOPLE if sees_caller(story.ticket, actor)}
    assert seeing == {"1001", "boss", "water-boss", "quality", "leader", "admin"}
    assert refused(story, DESK, I.AMEND, change=TicketChange(confidential=False)) == "caller_hidden"
    assert refused(story, LI, I.AMEND, change=TicketChange(caller="1")) == "caller_hidden"
    story.do(DESK, I.AMEND, change=TicketChange(title="停水"))
    assert story.do(BOSS, I.AMEND, change=TicketChange(confidential=False)).confidential is False
    assert all(sees_caller(story.ticket, actor) for actor in PEOPLE)


# ---------------------------------------------------------------- requests, pauses, extension, redo


def test_an_extension_is_asked_for_before_the_deadline_and_granted_by_another() -> None:
    story = Story()
    story.to(S.SIGNED)
    before = story.ticket.handle_due
    for until in (before, before - 1, before + 30 * DAY, float("nan"), float("inf")):
        assert refused(story, WATER, I.ASK_EXTENSION, until=until) == "bad_until"
    asked = story.do(WATER, I.ASK_EXTENSION, until=before + DAY)
    assert asked.handle_due == before, "the clock goes on while it is asked"
    granted = story.do(BOSS, I.GRANT_EXTENSION, after=20 * DAY)
    assert (granted.handle_due, granted.extension_until) == (before + DAY, before + DAY)
    assert refused(story, WATER, I.ASK_EXTENSION) == "extension_too_late"
    story.at = before
    assert refused(story, WATER, I.ASK_EXTENSION) == "too_many_extensions"


def test_a_refused_extension_leaves_the_deadline() -> None:
    story = Story()
    story.to(S.SIGNED)
    before = story.ticket.handle_due
    story.do(WATER, I.ASK_EXTENSION)
    assert refused(story, BOSS, I.REFUSE_EXTENSION, reason=" ") == "missing"
    assert story.do(BOSS, I.REFUSE_EXTENSION).handle_due == before
    assert refused(story, WATER, I.ASK_EXTENSION, after=before - story.at) == "extension_too_late"


def test_the_clock_stands_still_only_for_a_named_authorised_reason() -> None:
    story = Story()
    story.to(S.SIGNED)
    before = story.ticket.handle_due
    assert refused(story, WATER, I.ASK_PAUSE, pause="holiday") == "unknown_pause"
    assert refused(story, WATER, I.ASK_PAUSE, pause=None) == "missing"
    assert not story.do(WATER, I.ASK_PAUSE).paused
    story.at = MONDAY + DAY  # Tuesday 09:00
    paused = story.do(BOSS, I.GRANT_PAUSE, after=0.0)
    assert paused.paused
    assert refused(story, WATER, I.REPLY) == "paused"
    story.at = MONDAY + 2 * DAY
    resumed = story.do(WATER, I.RESUME, after=0.0)
    assert resumed.handle_due == before + DAY, "one working day, from Tuesday 9:00 to Wednesday 9:00"
    assert [(one.since, one.until, one.reason) for one in resumed.pauses] == [
        (MONDAY + DAY, MONDAY + 2 * DAY, "appraisal")
    ]
    assert refused(story, WATER, I.RESUME) == "not_paused"
    story.do(WATER, I.REPLY)


def test_a_request_that_nobody_decided_lapses_when_the_ticket_goes_on() -> None:
    story = Story()
    story.to(S.SIGNED)
    story.do(WATER, I.ASK_EXTENSION)
    story.do(WATER, I.ASK_HARD_CASE)
    assert [one.outcome for one in story.do(WATER, I.REPLY).approvals] == [Outcome.LAPSED] * 2
    story.do(DESK, I.REJECT_REPLY)
    assert refused(story, BOSS, I.GRANT_HARD_CASE) == "nothing_asked"
    assert refused(story, QUALITY, I.JUDGE, approval=1) == "not_decided"
    assert refused(story, QUALITY, I.JUDGE, approval=9) == "unknown_request"


def test_a_hard_case_is_handled_by_several() -> None:
    story = Story()
    story.to(S.SIGNED)
    story.do(WATER, I.ASK_HARD_CASE)
    hard = story.do(LEADER, I.GRANT_HARD_CASE, co_units=("heat", "roads"))
    assert (hard.hard_case, hard.co_units) == (True, ("heat", "roads"))
    assert refused(story, WATER, I.ASK_HARD_CASE) == "hard_case_already"
    story.do(HEAT, I.HANDLE)


def test_it_is_handled_again_at_most_so_often() -> None:
    story = Story()
    story.to(S.RESOLVED)
    for count in (1, 2):
        story.do(LI, I.FOLLOW_UP, satisfied=False, solved=False)
        again = story.do(BOSS, I.REDO)
        assert (again.state, again.redo_count, again.lead_unit, again.reply) == (S.DISPATCHED, count, "water", "")
        assert again.sign_due == sign_due(story.at)
        assert (again.satisfied, again.resolved_at) == (None, None)
        story.do(WATER, I.SIGN)
        story.do(WATER, I.REPLY)
        story.do(DESK, I.ACCEPT_REPLY)
    assert refused(story, BOSS, I.REDO) == refused(story, LEADER, I.REDO) == "redo_exhausted"
    assert I.REDO not in may(story.ticket, LEADER, POLICY)
    story.do(BOSS, I.ESCALATE)
    assert refused(story, BOSS, I.REDO) == "redo_exhausted"
    assert I.REDO in may(story.ticket, LEADER, POLICY)
    assert story.do(LEADER, I.REDO).redo_count == 3
    assert [one.details["text"] for one in story.moves if one.cause == "reply"] == ["已修复"] * 3


def test_what_the_hotline_answered_itself_is_redone_by_a_unit_that_is_named() -> None:
    story = Story()
    story.to(S.REGISTERED)
    story.do(WANG, I.ANSWER)
    assert refused(story, BOSS, I.REDO, unit=None) == "missing"
    assert story.do(BOSS, I.REDO, unit="heat").lead_unit == "heat"


def test_incidents_and_repeats() -> None:
    story = Story()
    story.to(S.DISPATCHED)
    assert refused(story, BOSS, I.SETTLE) == "not_joined"
    assert refused(story, WANG, I.LEAVE) == "not_joined"
    assert story.do(WANG, I.JOIN).incident_id == "burst-1"
    assert refused(story, WANG, I.JOIN, incident="other") == "joined_already"
    settled = story.do(BOSS, I.SETTLE)
    assert (settled.state, settled.reply) == (S.RESOLVED, "主管道已修复")
    story = Story()
    story.to(S.REGISTERED)
    for into in (NUMBER, "", "abc", "²", "9" * 40):
        assert refused(story, DESK, I.MERGE, into=into) in ("bad_into", "missing")
    assert story.do(DESK, I.MERGE).repeat_of == "2026112200009"


def test_follow_up_says_nothing_of_whom_nobody_reached() -> None:
    story = Story()
    story.to(S.RESOLVED)
    assert refused(story, LI, I.FOLLOW_UP, contacted=False) == "not_contacted"
    story.do(LI, I.FOLLOW_UP, contacted=False, solved=None, satisfied=None)
    assert story.ticket.contacted is False


def test_pushing_a_unit() -> None:
    story = Story()
    story.to(S.DISPATCHED)
    assert story.do(SYSTEM, I.REMIND).remind_count == 1
    assert story.do(WANG, I.REMIND, reason="市民来电催问").remind_count == 2
    assert story.do(LEADER, I.SUPERVISE).supervised_at == story.at
    assert refused(story, BOSS, I.SUPERVISE, reason=None) == "missing"
    assert story.do(SYSTEM, I.ESCALATE).escalation == 1


def test_what_a_move_does_not_take_is_refused_by_name() -> None:
    story = Story()
    story.to(S.SIGNED)
    for what, actor, more in (
        (I.REPLY, WATER, {"unit": "roads"}),
        (I.HANDLE, WATER, {"until": 1.0}),
        (I.REMIND, WANG, {"contacted": True}),
    ):
        with pytest.raises(TicketRefused) as error:
            story.do(actor, what, **more)
        assert (error.value.code, error.value.field) == ("unknown_field", next(iter(more)))
    assert refused(story, WATER, I.REPLY, text="x" * 10_001) == "text_too_long"
    assert refused(story, WATER, I.REPLY, text="\x00") == "bad_text"
    assert refused(story, WATER, I.ASK_HARD_CASE, reason="x" * 1001) == "reason_too_long"


# ---------------------------------------------------------------- any order


ASIDE = frozenset(
    {
        I.AMEND,
        I.ATTACH,
        I.JOIN,
        I.LEAVE,
        I.SETTLE,
        I.REMIND,
        I.ESCALATE,
        I.SUPERVISE,
        I.MERGE,
        I.ADD_UNIT,
        I.RECOUNT,
        I.CONCEAL,
    }
)
"""Inputs that lead nowhere new, or to the end at once: tried seldom, or a random walk would never come far."""


def walk(seed: int, steps: int = 60) -> tuple[Ticket, list[TicketMove]]:
    """People do to a new ticket whatever the tables leave open to them, in random order, and every step is checked."""
    chance = random.Random(seed)
    ticket, first = new()
    kept = [first]
    at = MONDAY
    for _ in range(steps):
        at += chance.choice([60.0, HOUR, 3 * HOUR, DAY])
        aside = chance.random() < 0.1
        legal = [one for one in TicketInput if TICKET_MOVES[ticket.state, one] is not None and (one in ASIDE) is aside]
        if not legal:
            continue
        what = chance.choice(legal)
        move = wish(what, ticket, unit=chance.choice(["water", "roads", "heat"]), right=chance.random() < 0.5)
        people = [one for one in PEOPLE if what in RIGHTS[one.role]]
        for actor in chance.sample(people, len(people)):
            try:
                after, done = apply(ticket, move, actor, at, POLICY)
            except TicketRefused:
                continue
            check_step(ticket, after, done, actor)
            ticket = after
            kept.append(done)
            break
    return ticket, kept


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_whatever_people_do_in_whatever_order(seed: int) -> None:
    ticket, kept = walk(seed)
    assert replayed(kept) == ticket
    stored = [dataclasses.replace(one, details=json.loads(json.dumps(one.details))) for one in kept]
    assert replayed(stored) == ticket, "what the database keeps is the whole of it"
    counted = [one.cause for one in kept]
    assert ticket.return_count == counted.count("grant_return") + counted.count("uphold_objection")
    assert ticket.remind_count == counted.count("remind")
    again = [one for one in kept if one.cause == "redo"]
    assert ticket.redo_count == len(again)
    for one in again[POLICY.redo_max :]:
        assert one.role in (Role.LEADER, Role.ADMIN)
        assert "escalate" in counted[: one.seq]


def test_the_walks_come_everywhere() -> None:
    """The test before this one says something only if its walks reach every state and do everything."""
    causes: set[str] = set()
    states: set[TicketState] = set()
    for seed in range(500):
        _, kept = walk(seed)
        causes |= {one.cause for one in kept}
        states |= {one.after for one in kept}
    assert states == set(TicketState)
    assert {one.value for one in TicketInput} - causes <= {"recount"}, "a holiday notice has its own test"


def check_step(before: Ticket, after: Ticket, move: TicketMove, actor: Actor) -> None:
    cause = TicketInput(move.cause)
    assert TICKET_MOVES[before.state, cause] is after.state is move.after
    assert cause in RIGHTS[actor.role]
    assert after.version == before.version + 1 == move.seq
    assert (after.number, after.call, after.opened_at, after.agent) == (
        before.number,
        before.call,
        before.opened_at,
        before.agent,
    )
    if actor.role is Role.UNIT:
        assert actor.unit in before.units
    if cause in DECIDES or cause in (I.ACCEPT_REPLY, I.REJECT_REPLY, I.FOLLOW_UP, I.JUDGE):
        assert actor.unit not in before.units
        assert actor.role is not Role.UNIT
    if after.dispatch_count > POLICY.dispatches_max and cause is not I.REDO:
        assert after.dispatch_count == before.dispatch_count or actor.role in DESIGNATES
    if after.state in (S.DISPATCHED, S.SIGNED, S.REPLIED):
        assert after.lead_unit is not None
        assert after.lead_unit not in after.co_units
        assert after.dispatched_at is not None
    if after.paused:
        assert after.state is S.SIGNED
    assert len(after.approvals) >= len(before.approvals)
    for old, now in zip(before.approvals, after.approvals, strict=False):
        assert (old.asked_by, old.asked_at, old.reason, old.kind) == (now.asked_by, now.asked_at, now.reason, now.kind)
        if old.outcome is not Outcome.ASKED:
            same = dataclasses.replace(
                now, right=old.right, judged_by=old.judged_by, judged_at=old.judged_at, judged_why=old.judged_why
            )
            assert same == old, "a decision is never overwritten"
        if old.right is not None:
            assert now == old
        if now.outcome in (Outcome.GRANTED, Outcome.REFUSED):
            assert now.asked_by not in (now.decided_by, now.judged_by)
            assert now.decided_by != now.judged_by
    if after.state in (S.RESOLVED, S.ARCHIVED, S.MERGED):
        assert all(one.outcome is not Outcome.ASKED for one in after.approvals)


def test_the_opening_of_a_call_is_its_agents() -> None:
    ticket, first = opened(NUMBER, opening(), WANG, POLICY)
    assert (ticket.agent, ticket.caller, ticket.channel) == ("1001", "13800001111", Channel.PHONE)
    assert (first.actor, first.role, first.before) == ("1001", Role.AGENT, None)
    assert replayed([first]) == ticket
    with pytest.raises(ValueError, match="begin with its opening"):
        replayed([])
