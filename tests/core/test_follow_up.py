"""Follow-up: who is called back, why, when, and how evenly the sample is drawn."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.ticket_story import BOSS, DAY, MONDAY, QUALITY, I, S, Story
from tickets.follow_up import FollowUpRules, Why, drawn, due, reason
from tickets.ticket import Ticket, TicketType

pytestmark = pytest.mark.core

NONE = FollowUpRules(sample=0.0)
ALL = FollowUpRules(sample=1.0)


def closed() -> Ticket:
    return Story().to(S.RESOLVED)


def test_why_a_ticket_is_called_back() -> None:
    ticket = closed()
    assert ticket.resolved_at is not None
    assert reason(ticket, NONE) is None
    assert reason(ticket, ALL) is Why.SAMPLE
    assert reason(replace(ticket, satisfaction=2), NONE) is Why.DISSATISFIED
    assert reason(replace(ticket, satisfaction=3), NONE) is None
    assert reason(replace(ticket, redo_count=1), NONE) is Why.REDONE
    assert ticket.replied_at is not None
    assert reason(replace(ticket, handle_due=ticket.replied_at), NONE) is None, "judging it is the hotline's time"
    assert reason(replace(ticket, handle_due=ticket.replied_at - 1), NONE) is Why.LATE
    settled = replace(ticket, replied_at=None)
    assert reason(replace(settled, handle_due=ticket.resolved_at), NONE) is None
    assert reason(replace(settled, handle_due=ticket.resolved_at - 1), NONE) is Why.LATE
    assert reason(replace(ticket, supervised_at=MONDAY), NONE) is Why.SUPERVISED
    assert reason(replace(ticket, type=TicketType.PRAISE), ALL) is None
    assert reason(replace(ticket, type=TicketType.PRAISE, satisfaction=1), ALL) is Why.DISSATISFIED


def test_when_he_is_called_and_when_no_more() -> None:
    ticket = closed()
    at = ticket.resolved_at
    assert at is not None
    assert [due(ticket, ALL, at + days * DAY) for days in (0.9, 1, 14, 14.1)] == [None, Why.SAMPLE, Why.SAMPLE, None]
    assert due(replace(ticket, caller=""), ALL, at + DAY) is None
    assert due(Story().to(S.ARCHIVED), ALL, at + DAY) is None
    story = Story()
    story.to(S.RESOLVED)
    story.do(QUALITY, I.FOLLOW_UP, contacted=False, solved=None, satisfied=None)
    assert due(story.ticket, ALL, at + 2 * DAY) is None
    story.do(BOSS, I.REDO)
    assert due(story.ticket, ALL, at + 2 * DAY) is None


def test_the_sample_is_even_and_always_the_same() -> None:
    numbers = [f"20261123{n:05d}" for n in range(1, 10_001)]
    chosen = {number for number in numbers if drawn(number, 0.2)}
    assert 0.19 < len(chosen) / len(numbers) < 0.21
    assert chosen == {number for number in numbers if drawn(number, 0.2)}
    assert chosen < {number for number in numbers if drawn(number, 0.3)}  # a larger share keeps those of the smaller
    assert not any(drawn(number, 0.0) for number in numbers)
    assert all(drawn(number, 1.0) for number in numbers)


def test_rules_that_make_no_sense_are_refused() -> None:
    for wrong in ({"sample": 1.1}, {"sample": -0.1}, {"delay_s": 10.0, "within_s": 5.0}, {"delay_s": -1.0}):
        with pytest.raises(ValueError, match="sample"):
            FollowUpRules(**wrong)


def test_nobody_is_asked_how_satisfied_he_is_with_what_was_withdrawn() -> None:
    for satisfaction in (None, 1):
        story = Story()
        story.to(S.SIGNED)
        ticket = replace(story.do(BOSS, I.WITHDRAW, reason="诉求人撤回"), satisfaction=satisfaction)
        assert ticket.resolved_at is not None
        later = ticket.resolved_at + 2 * DAY
        assert due(ticket, ALL, later) is None
        assert due(replace(ticket, withdrawn_at=None), ALL, later) is not None, "the same one, had it been answered"
