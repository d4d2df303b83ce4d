"""The clocks: pauses against the minute-by-minute oracle, extensions, hard limits, and which clock runs when."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.minutes import Minutes
from benchmarks.state_council import days_of_notices
from tickets.calendars import ChineseCalendar
from tickets.clock import (
    USUAL_REASONS,
    Ceiling,
    ClockPolicy,
    ClockRun,
    Moment,
    Pause,
    PauseReason,
    PauseRefused,
    Reading,
    What,
    authorised_pause,
    checked_extension,
    clocks,
    reading,
)
from tickets.deadlines import ClockKind, DeadlineRules, Facts, Limit, LimitRule, Redispatch, Unit, WorkingHours
from tickets.lamps import Lamp, lamp

pytestmark = pytest.mark.core

SHANGHAI = ZoneInfo("Asia/Shanghai")
HOURS = WorkingHours()
CHINA = ChineseCalendar()
TEN_YEARS = days_of_notices()
ORACLE = Minutes(date(2017, 1, 1), list(TEN_YEARS.values()), HOURS.spans)

HANDLE, SIGN, DISPATCH = ClockKind.HANDLE, ClockKind.SIGN, ClockKind.DISPATCH
FIVE_DAYS = Limit(5, Unit.WORKING_DAYS)


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).timestamp()


def shown(instant: float | None) -> str:
    return "" if instant is None else datetime.fromtimestamp(instant, SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")


def read(
    start: str, limit: Limit | None, *pauses: tuple[str, str | None], extensions: tuple[Limit, ...] = ()
) -> Reading:
    stopped = tuple(Pause(at(begin), None if end is None else at(end)) for begin, end in pauses)
    return reading(ClockRun(HANDLE, at(start), limit, pauses=stopped, extensions=extensions), HOURS, CHINA)


# ---------------------------------------------------------------- pauses


@settings(max_examples=120, deadline=None)
@given(
    st.integers(0, 3500 * 1440),
    st.one_of(st.integers(1, 2400), st.integers(-10, -1)),
    st.lists(st.tuples(st.integers(-3000, 20_000), st.integers(0, 6000)), max_size=6),
    st.lists(st.integers(1, 3), max_size=2),
)
def test_due_through_pauses_as_the_minutes_count_it(
    start: int, amount: int, spans: list[tuple[int, int]], days: list[int]
) -> None:
    """Any pauses, overlapping, before the start or after the end; `amount` minutes, or days where it is negative."""
    first = ORACLE.first + timedelta(days=start // 1440)
    window = Minutes(
        first, [TEN_YEARS[min(first + timedelta(days=n), date(2026, 12, 31))] for n in range(150)], HOURS.spans
    )
    start %= 1440
    pauses = [(max(0, start + begin), start + begin + length) for begin, length in spans if start + begin + length > 0]
    if amount > 0:
        limit, budget = Limit(amount / 60, Unit.WORKING_HOURS), amount
    else:
        limit = Limit(-amount, Unit.WORKING_DAYS)
        budget = window.worked(start, window.after_days(start, -amount))
    budget += sum(days) * 480
    paused = window.paused((max(start, begin), end) for begin, end in pauses)
    expected = paused.after_minutes(start, budget)
    if first + timedelta(days=expected // 1440 + 1) > date(2026, 12, 31):
        return  # the hand-written notices end
    run = ClockRun(
        HANDLE,
        window.epoch(start),
        limit,
        pauses=tuple(Pause(window.epoch(begin), window.epoch(end)) for begin, end in pauses),
        extensions=tuple(Limit(count, Unit.WORKING_DAYS) for count in days),
    )
    assert reading(run, HOURS, CHINA).due == window.epoch(expected)


def test_a_pause_over_a_weekend_adds_nothing() -> None:
    """GLPI adds the whole of it (glpi#10594): there a limit in days is paused in calendar time."""
    plain = read("2026-11-19 10:00", Limit(2, Unit.WORKING_DAYS))
    assert shown(plain.due) == "2026-11-23 18:00:00"
    over_the_weekend = read("2026-11-19 10:00", Limit(2, Unit.WORKING_DAYS), ("2026-11-20 18:00", "2026-11-23 08:30"))
    assert over_the_weekend.due == plain.due
    an_hour_of_friday_too = read(
        "2026-11-19 10:00", Limit(2, Unit.WORKING_DAYS), ("2026-11-20 17:00", "2026-11-23 08:30")
    )
    assert shown(an_hour_of_friday_too.due) == "2026-11-24 09:30:00"
    over_the_week_of_spring_festival = read(
        "2025-01-26 09:00", Limit(4, Unit.WORKING_HOURS), ("2025-01-27 18:00", "2025-02-05 08:30")
    )
    assert shown(over_the_week_of_spring_festival.due) == "2025-01-26 14:30:00"  # it was due before


def test_a_whole_working_day_paused_is_a_whole_working_day_more() -> None:
    found = read("2026-11-23 09:00", FIVE_DAYS, ("2026-11-25 08:30", "2026-11-26 08:30"))
    assert shown(found.due) == "2026-12-01 18:00:00"


def test_a_hundred_pauses_are_exact_to_the_microsecond() -> None:
    start = at("2026-11-23 08:30")
    pauses = tuple(Pause(start + 60.000001 * n, start + 60.000001 * n + 0.3333337) for n in range(1, 101))
    run = ClockRun(HANDLE, start, Limit(3, Unit.WORKING_HOURS), pauses=pauses)
    due = reading(run, HOURS, CHINA).due
    stood_still = sum(round(one.end * 1e6) - round(one.begin * 1e6) for one in pauses if one.end is not None)
    assert due is not None
    assert round(due * 1e6) == round(start * 1e6) + 3 * 3600 * 10**6 + stood_still


def test_while_it_stands_still_nothing_is_due_and_what_is_left_is_said() -> None:
    found = read("2026-11-23 09:00", Limit(4, Unit.WORKING_HOURS), ("2026-11-23 11:00", None))
    assert (found.due, found.left_s) == (None, 2 * 3600.0)
    assert lamp(found.due, None, at("2030-01-01")) is None
    late_already = read("2026-11-23 09:00", Limit(1, Unit.WORKING_HOURS), ("2026-11-23 11:00", None))
    assert shown(late_already.due) == "2026-11-23 10:00:00"  # a pause granted too late heals nothing
    assert lamp(late_already.due, None, at("2026-11-23 11:30")) is Lamp.RED


def test_hours_by_the_clock_are_paused_by_the_clock() -> None:
    found = read("2026-11-20 20:00", Limit(12, Unit.HOURS), ("2026-11-21 01:00", "2026-11-21 03:30"))
    assert shown(found.due) == "2026-11-21 10:30:00"


# ---------------------------------------------------------------- extensions and hard limits


def test_an_extension_adds_to_what_is_left() -> None:
    one = Limit(2, Unit.WORKING_DAYS)
    assert shown(read("2026-11-23 09:00", FIVE_DAYS, extensions=(one,)).due) == "2026-12-02 18:00:00"
    paused = read("2026-11-23 09:00", FIVE_DAYS, ("2026-11-25 08:30", "2026-11-25 10:30"), extensions=(one,))
    assert shown(paused.due) == "2026-12-03 10:30:00"
    with pytest.raises(ValueError, match="counted as the limit is"):
        read("2026-11-23 09:00", FIVE_DAYS, extensions=(Limit(5, Unit.HOURS),))


def test_a_hard_limit_is_moved_by_nothing() -> None:
    run = ClockRun(
        HANDLE,
        at("2026-11-20 20:00"),
        FIVE_DAYS,
        ceilings=(Ceiling(at("2026-11-20 21:00"), Limit(12, Unit.HOURS)),),
        pauses=(Pause(at("2026-11-20 22:00"), None),),
        extensions=(Limit(5, Unit.WORKING_DAYS),),
    )
    found = reading(run, HOURS, CHINA)
    assert (shown(found.due), found.hard, found.provisional) == ("2026-11-21 09:00:00", True, False)
    later = reading(ClockRun(HANDLE, run.start, FIVE_DAYS, (Ceiling(run.start, Limit(900, Unit.HOURS)),)), HOURS, CHINA)
    assert (shown(later.due), later.hard) == ("2026-11-27 18:00:00", False)


def extension(wanted: Limit, asked_at: float = 5.0, due: float | None = 10.0, earlier: int = 0) -> Limit:
    return checked_extension(
        wanted,
        asked_at=asked_at,
        due=due,
        earlier=earlier,
        counted=Unit.WORKING_DAYS,
        rules=DeadlineRules(extension_max=Limit(5, Unit.WORKING_DAYS)),
        hours=HOURS,
    )


def test_extensions_are_asked_for_before_expiry_and_have_bounds() -> None:
    assert extension(FIVE_DAYS) == FIVE_DAYS
    assert extension(FIVE_DAYS, asked_at=10.0) == FIVE_DAYS
    for code, arguments in (
        ("too_late", (FIVE_DAYS, 10.1)),
        ("wrong_unit", (Limit(5, Unit.HOURS),)),
        ("too_long", (Limit(6, Unit.WORKING_DAYS),)),
        ("too_long", (Limit(41, Unit.WORKING_HOURS),)),
        ("too_many", (FIVE_DAYS, 5.0, 10.0, 1)),
    ):
        with pytest.raises(PauseRefused) as refused:
            extension(*arguments)  # type: ignore[arg-type]
        assert refused.value.code == code


def test_pauses_need_a_named_reason_and_somebody_elses_leave() -> None:
    def ask(reason: str = "appraisal", asked_by: str = "u1", granted_by: str = "s1", role: str = "supervisor") -> str:
        return authorised_pause(USUAL_REASONS, reason, asked_by=asked_by, granted_by=granted_by, role=role).id

    assert ask() == "appraisal"
    assert ask("force_majeure", role="leader") == "force_majeure"
    for code, arguments in (
        ("unknown_reason", {"reason": "holidays"}),
        ("same_person", {"granted_by": "u1"}),
        ("not_authorised", {"role": "unit"}),
        ("not_authorised", {"reason": "force_majeure"}),
    ):
        with pytest.raises(PauseRefused) as refused:
            ask(**arguments)
        assert refused.value.code == code


# ---------------------------------------------------------------- which clock runs


def runs(
    *moments: tuple[str, What] | Moment, facts: Facts | None = None, rules: DeadlineRules | None = None
) -> dict[ClockKind, Reading]:
    listed = [one if isinstance(one, Moment) else Moment(at(one[0]), one[1]) for one in moments]
    policy = ClockPolicy(rules or DeadlineRules())
    found = clocks(listed, facts or Facts("complaint"), policy, HOURS, CHINA)
    return {kind: reading(run, HOURS, CHINA) for kind, run in found.items()}


def test_clocks_start_at_dispatch_not_at_signing() -> None:
    found = runs(("2026-11-23 09:00", What.OPENED))
    assert found == {}  # nothing limits the dispatch here
    found = runs(("2026-11-23 09:00", What.OPENED), ("2026-11-23 10:00", What.DISPATCHED))
    assert shown(found[SIGN].due) == "2026-11-23 15:30:00"
    assert shown(found[HANDLE].due) == "2026-11-30 18:00:00"
    signed_late = runs(("2026-11-23 10:00", What.DISPATCHED), ("2026-11-25 10:00", What.SIGNED))
    assert signed_late[HANDLE].due == found[HANDLE].due
    assert lamp(signed_late[SIGN].due, signed_late[SIGN].run.done_at, at("2026-11-25 11:00")) is Lamp.YELLOW


def test_bouncing_a_ticket_wins_no_time() -> None:
    history = (
        ("2026-11-23 10:00", What.DISPATCHED),
        ("2026-11-23 11:00", What.RETURN_ASKED),
        ("2026-11-24 09:00", What.RETURNED),
        ("2026-11-24 10:00", What.DISPATCHED),
    )
    found = runs(*history)
    assert shown(found[HANDLE].due) == "2026-11-30 18:00:00"
    assert shown(found[SIGN].due) == "2026-11-24 15:30:00"  # the new unit has its own time to sign
    restarted = runs(*history, rules=DeadlineRules(redispatch=Redispatch.RESTARTS))
    assert shown(restarted[HANDLE].due) == "2026-12-01 18:00:00"


def test_the_time_of_judging_an_answer_is_not_the_units() -> None:
    history = (("2026-11-23 10:00", What.DISPATCHED), ("2026-11-30 17:00", What.REPLIED))
    accepted = runs(*history, ("2026-12-03 10:00", What.RESOLVED))
    assert lamp(accepted[HANDLE].due, accepted[HANDLE].run.done_at, at("2026-12-04")) is Lamp.GREEN
    rejected = runs(*history, ("2026-12-03 10:00", What.REJECTED))
    assert lamp(rejected[HANDLE].due, rejected[HANDLE].run.done_at, at("2026-12-03 10:01")) is Lamp.RED
    again = runs(
        *history, ("2026-12-03 10:00", What.REJECTED), ("2026-12-04", What.REPLIED), ("2026-12-05", What.RESOLVED)
    )
    assert lamp(again[HANDLE].due, again[HANDLE].run.done_at, at("2026-12-06")) is Lamp.YELLOW


def test_handled_once_more_by_a_limit_of_its_own() -> None:
    history = (
        ("2026-11-23 10:00", What.DISPATCHED),
        ("2026-11-24 10:00", What.RESOLVED),
        ("2026-12-01 10:00", What.REDO),
    )
    assert shown(runs(*history)[HANDLE].due) == "2026-12-08 18:00:00"
    shorter = DeadlineRules(redo=Limit(2, Unit.WORKING_DAYS))
    assert shown(runs(*history, rules=shorter)[HANDLE].due) == "2026-12-03 18:00:00"
    assert runs(*history)[HANDLE].run.done_at is None


def test_a_change_of_type_wins_no_time() -> None:
    history = (("2026-11-23 10:00", What.DISPATCHED),)
    assert shown(runs(*history, facts=Facts("inquiry"))[HANDLE].due) == "2026-11-26 18:00:00"
    assert shown(runs(*history, facts=Facts("help"))[HANDLE].due) == "2026-11-30 18:00:00"


def test_danger_is_answered_within_two_hours_at_night_too() -> None:
    """Beijing's draft of 2021 (domain.md 3.1): 2 h for danger, 24 h for water, power, gas and heat."""
    rules = DeadlineRules(
        limits=(
            LimitRule(HANDLE, Limit(2, Unit.HOURS), urgencies=("danger",), hard=True),
            LimitRule(HANDLE, Limit(24, Unit.HOURS), classes=("supply",), hard=True),
            LimitRule(DISPATCH, Limit(0.25, Unit.HOURS), urgencies=("danger",), hard=True),
        )
    )
    night = (("2026-10-01 02:00", What.OPENED), ("2026-10-01 02:05", What.DISPATCHED))
    found = runs(*night, facts=Facts("help", ("heat", "supply"), "danger"), rules=rules)
    assert shown(found[HANDLE].due) == "2026-10-01 04:05:00"
    assert lamp(found[DISPATCH].due, found[DISPATCH].run.done_at, at("2026-10-02")) is Lamp.GREEN
    found = runs(*night, facts=Facts("help", ("heat", "supply")), rules=rules)
    assert shown(found[HANDLE].due) == "2026-10-02 02:05:00"


def test_an_order_for_one_ticket_is_a_hard_limit_from_then_on() -> None:
    """「要求在12小時之內,全部整改」 (domain.md D9)."""
    ordered = Moment(at("2026-11-24 20:00"), What.ORDERED, limit=Limit(12, Unit.HOURS))
    found = runs(("2026-11-23 10:00", What.DISPATCHED), ordered)
    assert (shown(found[HANDLE].due), found[HANDLE].hard) == ("2026-11-25 08:00:00", True)


def test_a_pause_stops_the_clocks_of_its_reason_and_ends_by_itself() -> None:
    history = (
        ("2026-11-23 10:00", What.DISPATCHED),
        Moment(at("2026-11-23 11:00"), What.PAUSED, "requester"),
    )
    found = runs(*history)
    assert shown(found[SIGN].due) == "2026-11-23 15:30:00"  # that reason stops the handling only
    # Ten working days at most: until 7 December 18:00; 5 days less the hour and a half of Monday morning are left.
    assert shown(found[HANDLE].due) == shown(
        read("2026-11-23 10:00", FIVE_DAYS, ("2026-11-23 11:00", "2026-12-07 18:00")).due
    )
    resumed = runs(*history, ("2026-11-24 09:00", What.RESUMED))
    assert shown(resumed[HANDLE].due) == shown(
        read("2026-11-23 10:00", FIVE_DAYS, ("2026-11-23 11:00", "2026-11-24 09:00")).due
    )
    forgotten = clocks(
        [Moment(at("2026-11-23 10:00"), What.DISPATCHED), Moment(at("2026-11-23 11:00"), What.PAUSED, "gone")],
        Facts(),
        ClockPolicy(reasons={"other": PauseReason("other", "其他", "other")}),
        HOURS,
        CHINA,
    )
    assert reading(forgotten[HANDLE], HOURS, CHINA).due is None  # a granted pause outlives its reason's configuration


def test_a_deadline_in_a_year_without_a_notice_is_provisional() -> None:
    sure = ClockRun(HANDLE, at("2026-12-01 09:00"), FIVE_DAYS)
    assert not reading(sure, HOURS, CHINA).provisional
    year = max(day.year for day in TEN_YEARS)
    while CHINA.known(date(year, 10, 8)):
        year += 1
    unsure = reading(ClockRun(HANDLE, at(f"{year - 1}-12-30 09:00"), FIVE_DAYS), HOURS, CHINA)
    assert unsure.provisional
    assert shown(unsure.due)[:4] == str(year)
