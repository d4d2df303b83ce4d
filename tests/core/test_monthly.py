"""The month's figures: every ticket counts by the lamps that people see; one that was withdrawn stands by itself."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from tests.ticket_story import BOSS, DAY, DESK, MONDAY, POLICY, QUALITY, WANG, WATER, I, S, Story
from tickets.lamps import Lamp
from tickets.monthly import Line, Month
from tickets.moves import TicketInput, TicketState
from tickets.ticket import Ticket
from tickets.times import lamps, standing

pytestmark = pytest.mark.core

LATER = MONDAY + 60 * DAY


def told(*tickets: Ticket, now: float = LATER) -> Line:
    month = Month(ZoneInfo("Asia/Shanghai"), now, POLICY)
    month.add(tickets)
    return month.all


def reviewed(after: float) -> Ticket:
    """Answered within two hours, and judged so long after."""
    story = Story()
    story.to(S.REPLIED)
    return story.do(DESK, I.ACCEPT_REPLY, after=after)


def test_the_time_of_judging_an_answer_is_not_the_units() -> None:
    ticket = reviewed(after=30 * DAY)
    assert ticket.resolved_at is not None
    assert ticket.resolved_at > ticket.handle_due
    line = told(ticket)
    assert (line.lamps, line.in_time) == ({Lamp.GREEN: 1}, 1.0)


def test_what_no_unit_ever_had_is_neither_in_time_nor_late() -> None:
    for state in (S.OPENED, S.REGISTERED, S.MERGED):
        line = told(Story().to(state))
        assert (line.opened, line.lamps.total(), line.sign_lamps.total(), line.in_time) == (1, 0, 0, None)


@pytest.mark.parametrize("state", [S.REGISTERED, S.DISPATCHED, S.SIGNED, S.REPLIED])
@pytest.mark.parametrize("after", [1.0, 40 * DAY])
def test_a_withdrawn_ticket_is_a_column_of_its_own(state: TicketState, after: float) -> None:
    story = Story()
    story.to(state)
    ticket = story.do(BOSS, I.WITHDRAW, after=after, reason="诉求人撤回")
    seen = standing(ticket, POLICY, LATER)
    assert (seen.lamp, seen.sign_lamp, seen.due_soon, seen.sign_due_soon) == (None, None, False, False)
    line = told(ticket, reviewed(after=1.0))
    assert (line.opened, line.withdrawn, line.resolved, line.answered_at_once) == (2, 1, 1, 0)
    assert (line.in_time, line.signing, line.lamps.total(), line.sign_lamps.total()) == (1.0, 1.0, 1, 1)
    told_so = story.do(QUALITY, I.FOLLOW_UP, contacted=True, solved=False, satisfied=False)
    assert told(told_so).satisfaction is None
    again = replace(ticket, withdrawn_at=None)
    assert told(again, reviewed(after=1.0)).resolved == 2, "the same one, had it been answered"


def test_only_what_the_hotline_itself_has_answered_is_resolved_at_once() -> None:
    def ended(what: TicketInput) -> Ticket:
        story = Story()
        story.to(S.OPENED if what is I.CLOSE else S.REGISTERED)
        if what is I.CLOSE:
            story.do(WANG, I.REGISTER)
        return story.do(WANG, what)

    line = told(ended(I.ANSWER), ended(I.CLOSE))
    assert (line.resolved, line.answered_at_once, line.first_contact) == (2, 1, 0.5)


def test_late_signing_counts_by_the_lamp_of_signing() -> None:
    open_late, returned = Story(), Story()
    open_late.to(S.DISPATCHED)
    returned.to(S.DISPATCHED)
    returned.do(WATER, I.ASK_RETURN)
    returned.do(DESK, I.GRANT_RETURN)
    line = told(open_late.ticket, returned.ticket)
    assert line.sign_lamps == {Lamp.RED: 1, Lamp.GREEN: 1}, "given back within the limit: nothing is left to sign for"
    assert line.signing == 0.5


def test_lamps_of_a_list_are_those_of_the_ticket() -> None:
    story = Story()
    for actor, what in (
        *((WANG, I.REGISTER), (DESK, I.REFER), (WATER, I.SIGN), (WATER, I.ASK_PAUSE), (BOSS, I.GRANT_PAUSE)),
        *((BOSS, I.RESUME), (WATER, I.REPLY), (DESK, I.REJECT_REPLY), (WATER, I.REPLY), (DESK, I.ACCEPT_REPLY)),
        (BOSS, I.REDO),
    ):
        story.do(actor, what, after=2 * DAY)
        for now in (story.at, story.at + 20 * DAY):
            seen = standing(story.ticket, POLICY, now)
            assert lamps(story.ticket, POLICY, now) == (seen.lamp, seen.sign_lamp)
