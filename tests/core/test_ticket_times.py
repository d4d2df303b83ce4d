"""A ticket's clocks: which run since when, through returns, pauses, orders and answers; its lamps; its steps."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from tests.ticket_story import BOSS, DAY, DESK, HOUR, LEADER, MONDAY, POLICY, ROADS, SYSTEM, WANG, WATER, I, S, Story
from tickets.classes import ClassTree, TicketClass
from tickets.clock import PauseReason
from tickets.deadlines import ClockKind, DeadlineRules, Limit, LimitRule, Redispatch, Unit
from tickets.lamps import Lamp
from tickets.schedule import Act, StepRule, When
from tickets.texts import TicketRefused
from tickets.ticket import TicketChange, TicketPolicy
from tickets.times import PAUSE_OVER, readings, standing, steps_of

pytestmark = pytest.mark.core

HANDLE, SIGN, DISPATCH = ClockKind.HANDLE, ClockKind.SIGN, ClockKind.DISPATCH
SHANGHAI = ZoneInfo("Asia/Shanghai")


def shown(instant: float | None) -> str:
    return "" if instant is None else datetime.fromtimestamp(instant, SHANGHAI).strftime("%m-%d %H:%M")


def at(text: str) -> float:
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=SHANGHAI).timestamp()


def with_rules(**rules: object) -> TicketPolicy:
    return replace(POLICY, deadlines=DeadlineRules(**rules))  # type: ignore[arg-type]


def told(story: Story, *made: str) -> list[tuple[str, str]]:
    return [(shown(one.at), one.rule) for one in steps_of(story.ticket, story.policy, made)]


def test_before_the_dispatch_only_the_hotlines_own_clock_runs() -> None:
    story = Story()
    story.to(S.REGISTERED)
    assert set(readings(story.ticket, POLICY)) == {DISPATCH}  # the hotline's own
    assert standing(story.ticket, POLICY, MONDAY + 30 * DAY).lamp is None
    assert [rule for _, rule in told(story)] == ["dispatch-late"]
    assert steps_of(replace(story.ticket, incident_id="E1"), POLICY) == ()  # its callers are answered together
    assert shown(story.ticket.handle_due) == "11-30 18:00"  # what it would be


def test_clocks_start_at_the_dispatch_not_at_the_signing() -> None:
    story = Story()
    story.to(S.DISPATCHED)  # 11:00
    assert (shown(story.ticket.sign_due), shown(story.ticket.handle_due)) == ("11-23 16:30", "11-30 18:00")
    assert told(story) == [
        ("11-23 15:30", "sign-soon"),
        ("11-23 16:30", "sign-late"),
        ("11-30 14:00", "handle-soon"),
        ("11-30 18:00", "handle-late"),
        ("12-07 18:00", "handle-late-5"),
    ]
    story.do(WATER, I.SIGN, after=2 * DAY)
    assert shown(story.ticket.handle_due) == "11-30 18:00"
    seen = standing(story.ticket, POLICY, story.at)
    assert (seen.lamp, seen.sign_lamp) == (None, Lamp.YELLOW)
    assert [rule for _, rule in told(story)] == ["handle-soon", "handle-late", "handle-late-5"]


def test_the_lamps_of_a_ticket() -> None:
    story = Story()
    story.to(S.SIGNED)

    def lamps(text: str) -> tuple[Lamp | None, bool]:
        seen = standing(story.ticket, POLICY, at(text))
        return seen.lamp, seen.due_soon

    assert lamps("11-30 13:59") == (None, False)
    assert lamps("11-30 14:00") == (None, True)
    assert lamps("11-30 18:00") == (None, True)
    assert lamps("11-30 18:01") == (Lamp.RED, False)
    story.do(WATER, I.REPLY, after=at("11-30 17:59") - story.at)
    assert lamps("12-02 09:00") == (Lamp.GREEN, False)  # the review takes its time, which is not the unit's
    story.do(DESK, I.REJECT_REPLY, after=2 * DAY)
    assert lamps("12-02 18:00") == (Lamp.RED, False)
    story.do(WATER, I.REPLY)
    story.do(DESK, I.ACCEPT_REPLY)
    assert lamps("12-10 18:00") == (Lamp.YELLOW, False)
    assert told(story) == []


def test_bouncing_a_ticket_wins_no_time() -> None:
    story = Story()
    story.to(S.DISPATCHED)
    first = story.at
    story.do(WATER, I.ASK_RETURN)
    story.do(DESK, I.GRANT_RETURN, after=20 * HOUR)
    assert [rule for _, rule in told(story)] == [
        "dispatch-late",  # no unit is to sign now, but the hotline is to find one
        "handle-soon",
        "handle-late",
        "handle-late-5",
    ]
    story.do(DESK, I.REFER, unit="roads")
    assert (story.ticket.handle_from, shown(story.ticket.handle_due)) == (first, "11-30 18:00")
    assert shown(story.ticket.sign_due) == "11-24 14:30"
    assert [rule for _, rule in told(story)][:2] == ["sign-soon", "sign-late"]
    other = Story(policy=with_rules(redispatch=Redispatch.RESTARTS))
    other.to(S.DISPATCHED)
    other.do(WATER, I.ASK_RETURN)
    other.do(DESK, I.GRANT_RETURN, after=20 * HOUR)
    other.do(DESK, I.REFER, unit="roads")
    assert shown(other.ticket.handle_due) == "12-01 18:00"


def test_an_extension_outlives_a_dispatch_to_another_unit() -> None:
    story = Story()
    story.to(S.SIGNED)
    story.do(WATER, I.ASK_EXTENSION, until=at("12-02 18:00"))
    story.do(BOSS, I.GRANT_EXTENSION)
    story.do(DESK, I.REDISPATCH, unit="roads")
    assert shown(story.ticket.handle_due) == "12-02 18:00"
    assert story.ticket.extension_until == at("12-02 18:00")


def test_a_pause_keeps_what_is_left_and_says_nothing_meanwhile() -> None:
    story = Story()
    story.to(S.SIGNED)  # 12:00
    story.do(WATER, I.ASK_PAUSE, after=DAY - 3 * HOUR)  # Tuesday 9:00
    story.do(BOSS, I.GRANT_PAUSE, after=0.0)
    assert standing(story.ticket, POLICY, at("12-30 09:00")).lamp is None
    assert standing(story.ticket, POLICY, at("12-30 09:00")).paused
    assert told(story) == []  # an appraisal takes as long as it takes
    story.do(SYSTEM, I.RESUME, after=at("11-30 09:00") - story.at)  # over a weekend, four working days later
    assert shown(story.ticket.handle_due) == "12-04 18:00"
    assert told(story)[0] == ("12-04 14:00", "handle-soon")


def test_a_pause_ends_by_itself() -> None:
    story = Story()
    story.to(S.SIGNED)
    story.do(WATER, I.ASK_PAUSE, pause="requester", until=at("12-30 09:00"))
    story.do(BOSS, I.GRANT_PAUSE)
    assert story.ticket.pauses[0].ends == at("12-07 18:00")  # at most ten working days
    assert told(story) == [("12-07 18:00", PAUSE_OVER)]
    (step,) = steps_of(story.ticket, POLICY)
    assert step.act is Act.RESUME
    assert steps_of(story.ticket, POLICY, {step.key}) == ()
    story.do(SYSTEM, I.RESUME, after=at("12-09 09:00") - story.at)  # two days late: the hotline was down
    assert story.ticket.pauses[0].until == at("12-07 18:00")
    assert shown(story.ticket.handle_due) == "12-15 14:00"  # as if it had been resumed in time


def test_a_pause_is_granted_by_whom_its_reason_names() -> None:
    story = Story()
    story.to(S.SIGNED)
    story.do(WATER, I.ASK_PAUSE, pause="force_majeure")
    with pytest.raises(TicketRefused) as refused:
        story.do(BOSS, I.GRANT_PAUSE)
    assert refused.value.code == "not_authorised"
    assert story.do(LEADER, I.GRANT_PAUSE).paused


def test_a_reason_says_which_clocks_it_stops_and_outlives_its_configuration() -> None:
    story = Story()
    story.to(S.SIGNED)
    story.do(WATER, I.ASK_PAUSE)
    story.do(BOSS, I.GRANT_PAUSE)
    gone = replace(POLICY, reasons={"other": PauseReason("other", "其他", "other")})
    assert readings(story.ticket, gone)[HANDLE].due is None
    sign_only = PauseReason("appraisal", "鉴定", "appraisal", stops=frozenset({SIGN}))
    assert readings(story.ticket, replace(POLICY, reasons={"appraisal": sign_only}))[HANDLE].due is not None


def test_an_order_for_one_ticket_is_hard() -> None:
    """「要求在12小时之內,全部整改」 (domain.md D9): no pause and no extension moves it."""
    story = Story()
    story.to(S.SIGNED)
    story.do(WATER, I.ASK_PAUSE)
    due = story.at + 13 * HOUR
    story.do(LEADER, I.SUPERVISE, until=due)
    assert (story.ticket.handle_due, story.ticket.ordered_until) == (due, due)
    story.do(BOSS, I.GRANT_PAUSE)
    assert standing(story.ticket, POLICY, due + HOUR).lamp is Lamp.RED
    story.do(BOSS, I.RESUME, after=DAY)
    assert story.ticket.handle_due == due
    with pytest.raises(TicketRefused) as refused:
        story.do(LEADER, I.SUPERVISE, until=story.at - HOUR)
    assert refused.value.code == "bad_until"


def test_no_extension_of_a_hard_deadline() -> None:
    story = Story()
    story.to(S.SIGNED)
    story.do(LEADER, I.SUPERVISE, until=story.at + 12 * HOUR)
    with pytest.raises(TicketRefused) as refused:
        story.do(WATER, I.ASK_EXTENSION, until=story.at + 24 * HOUR)
    assert refused.value.code == "hard_limit"


def test_danger_is_answered_within_two_hours_at_night_too() -> None:
    """Beijing's draft of 2021 (domain.md 3.1): 2 h for danger, 24 h for water, power, gas and heat."""
    policy = with_rules(
        limits=(
            LimitRule(HANDLE, Limit(2, Unit.HOURS), urgencies=("critical",), hard=True),
            LimitRule(HANDLE, Limit(24, Unit.HOURS), classes=("supply",), hard=True),
            LimitRule(DISPATCH, Limit(0.25, Unit.HOURS), urgencies=("critical",)),
        )
    )
    policy = replace(
        policy,
        classes=ClassTree(
            [
                TicketClass("supply", "供应", "Supply"),
                TicketClass("heat", "供热", "Heat", "supply"),
                TicketClass("noise", "噪声", "Noise"),
            ]
        ),
    )
    story = Story(policy=policy, at=at("10-01 02:00"))
    story.do(
        WANG,
        I.AMEND,
        change=TicketChange("help", "暖气管爆裂", "热水喷出", urgency="critical", class_code="heat"),
        after=60.0,
    )
    assert shown(readings(story.ticket, policy)[DISPATCH].due) == "10-01 02:15"
    story.do(DESK, I.REFER, after=300.0)
    assert shown(story.ticket.handle_due) == "10-01 04:06"
    story.do(DESK, I.AMEND, change=TicketChange(urgency="urgent"), after=60.0)
    assert shown(story.ticket.handle_due) == "10-02 02:06"
    story.do(DESK, I.AMEND, change=TicketChange(class_code="noise"), after=60.0)
    assert (
        shown(story.ticket.handle_due) == "10-13 18:00"
    )  # five working days after the holidays, one of them a Saturday


def test_the_hotlines_own_clock_begins_again_with_a_return() -> None:
    policy = with_rules(limits=(LimitRule(DISPATCH, Limit(1, Unit.WORKING_DAYS)),))
    story = Story(policy=policy)
    story.to(S.REGISTERED)
    assert shown(readings(story.ticket, policy)[DISPATCH].due) == "11-24 18:00"
    story.do(DESK, I.REFER)
    assert readings(story.ticket, policy)[DISPATCH].run.done_at == story.at
    story.do(WATER, I.ASK_RETURN)
    story.do(DESK, I.GRANT_RETURN, after=DAY)
    again = readings(story.ticket, policy)[DISPATCH]
    assert (again.run.start, again.run.done_at, shown(again.due)) == (story.at, None, "11-25 18:00")


def test_handled_once_more_by_a_limit_of_its_own() -> None:
    for rules, expected in (
        (DeadlineRules(), "12-01 18:00"),
        (DeadlineRules(redo=Limit(2, Unit.WORKING_DAYS)), "11-26 18:00"),
    ):
        story = Story(policy=replace(POLICY, deadlines=rules))
        story.to(S.RESOLVED)
        story.do(BOSS, I.REDO, after=20 * HOUR)
        assert shown(story.ticket.handle_due) == expected
        assert standing(story.ticket, POLICY, story.at).lamp is None
        assert steps_of(story.ticket, POLICY)


def test_a_rule_that_is_changed_changes_no_ticket_that_is_under_way() -> None:
    story = Story()
    story.to(S.SIGNED)
    story.policy = with_rules(handle_other=Limit(1, Unit.WORKING_DAYS))
    story.do(WATER, I.HANDLE)
    assert shown(story.ticket.handle_due) == "11-30 18:00"
    assert shown(readings(story.ticket, story.policy)[HANDLE].due) == "11-30 18:00"


def test_a_ticket_whose_deadline_no_notice_covers_is_marked() -> None:
    calendar = POLICY.calendar
    year = 2026
    while calendar.known(datetime(year, 10, 8).date()):
        year += 1
    late = datetime(year - 1, 12, 30, 9, tzinfo=SHANGHAI).timestamp()
    story = Story(at=late)
    story.to(S.DISPATCHED)
    assert story.ticket.provisional
    assert standing(story.ticket, POLICY, story.at).provisional
    assert not Story().to(S.DISPATCHED).provisional


def test_steps_of_a_table_of_ones_own() -> None:
    step = StepRule("night", HANDLE, When.AFTER, Act.ESCALATE, ("leader",), Limit(2, Unit.HOURS), types=("help",))
    story = Story(policy=replace(POLICY, steps=(step,)))
    story.to(S.SIGNED)
    assert told(story) == [("11-30 20:00", "night")]
    story.do(DESK, I.AMEND, change=TicketChange(type="praise"))
    assert told(story) == []


def test_a_merged_ticket_shows_nothing() -> None:
    story = Story()
    story.to(S.SIGNED)
    story.do(DESK, I.MERGE)
    assert standing(story.ticket, POLICY, MONDAY + 99 * DAY).lamp is None
    assert steps_of(story.ticket, POLICY) == ()
    assert ROADS.unit not in story.ticket.units
