"""Definitions as data: each figure with its proof, the worst of any 24 hours, periods, and where two differ."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from zoneinfo import ZoneInfo

import pytest

from metrics.definitions.catalogue import UnknownMeasure, catalogue, measure
from metrics.definitions.fold import NotComparable, differences, evaluate
from metrics.definitions.measure import Kind
from metrics.definitions.rows import (
    CallRow,
    DecisionRow,
    Facts,
    InternetSeats,
    ScheduledSpan,
    TicketRow,
    with_repeats,
)
from metrics.definitions.window import LENGTH_S, worst
from metrics.instants import instants_of
from metrics.intervals import AgentInterval
from metrics.period import FigureRefused, of_day, period_of, target
from metrics.period import day as day_named
from metrics.servicelevel import DEFINITIONS, compute
from pbx.call import CallRecord, HoldSpan, OfferRecord, Outcome
from pbx.ids import AgentId, CallId, ChannelName, QueueId

pytestmark = pytest.mark.core

START = 1_795_276_800.0  # 2026-11-22 00:00 in Shanghai
SHANGHAI = ZoneInfo("Asia/Shanghai")


def call(number: int, at: float = 0.0, **more: object) -> CallRecord:
    record = CallRecord(CallId(f"c-{number}"), ChannelName("x"), "12345", "138", START + at, **more)  # type: ignore[arg-type]
    return record


def answered(number: int, at: float, wait: float, *, menu: float = 0.0, talk: float = 60.0) -> CallRecord:
    queued = START + at + menu
    joined = queued + wait
    return call(
        number,
        at,
        menu_done_at=queued if menu else None,
        queue=QueueId("general"),
        queued_at=queued,
        joined_at=joined,
        released_at=joined + talk,
        ended_at=joined + talk + 5,
        outcome=Outcome.ANSWERED,
    )


def lost(number: int, at: float, wait: float) -> CallRecord:
    queued = START + at
    return call(
        number, at, queue=QueueId("general"), queued_at=queued, ended_at=queued + wait, outcome=Outcome.ABANDONED
    )


def facts(records: list[CallRecord], intervals: list[AgentInterval] | None = None) -> Facts:
    rows = [CallRow(instants_of(record, intervals or ())) for record in records if record.direction == "inbound"]
    return Facts(START, START + LENGTH_S, calls=rows, intervals=intervals or ())


def anything(seed: int) -> list[CallRecord]:
    """Calls in every shape that a record can have."""
    pick = Random(seed)
    found = []
    for number in range(300):
        arrived = START + pick.random() * LENGTH_S
        menu = arrived + pick.random() * 20 if pick.random() < 0.8 else None
        queued = (menu or arrived) if pick.random() < 0.9 else None
        joined = (queued or arrived) + pick.choice([3.0, 14.9999, 15.0, 15.0004, 15.001, 40.0]) + pick.random() * 0.0
        outcome = pick.choice([*Outcome, None])
        talked = pick.random() < 0.6
        found.append(
            CallRecord(
                CallId(f"c-{number}"),
                ChannelName("x"),
                "12345",
                "138",
                arrived,
                menu_done_at=menu,
                queue=QueueId(pick.choice(["general", "english"])) if queued else None,
                queued_at=queued,
                joined_at=joined if talked else None,
                released_at=joined + 60 if talked else None,
                outcome=outcome,
                ended_at=joined + 70 if pick.random() < 0.95 else None,
                in_net=pick.random() < 0.1,
                direction="inbound" if pick.random() < 0.95 else "outbound",
            )
        )
    return found


@pytest.mark.parametrize("seed", range(5))
def test_the_rates_are_those_of_the_live_figures_call_by_call(seed: int) -> None:
    records = anything(seed)
    for name, definition in DEFINITIONS.items():
        expected, found = compute(definition, records), evaluate(measure(name), facts(records))
        assert (found.numerator_ids, found.denominator_ids) == (expected.numerator_calls, expected.denominator_calls)


def test_every_definition_says_what_it_is_and_has_no_figure_of_nothing() -> None:
    nothing = Facts(START, START + LENGTH_S)
    for name, one in catalogue().items():
        assert name == one.name
        assert name.rpartition(".")[2].startswith("v")
        assert all(any("\u4e00" <= letter <= "\u9fff" for letter in text) for text in (one.title_zh, one.formula_zh))
        assert one.title_en.isascii()
        assert one.source
        value = evaluate(one, nothing)
        assert (value.value, value.numerator, value.denominator) == (None, 0, 0)
        assert value.why_zh
        assert value.why_en


def test_a_rate_names_the_calls_in_both() -> None:
    value = evaluate(measure("sl15.offered.v1"), facts([answered(1, 0, 10), answered(2, 10, 16), lost(3, 20, 30)]))
    assert (value.value, value.numerator_ids, value.denominator_ids) == (1 / 3, ("c-1",), ("c-1", "c-2", "c-3"))


def test_clock_and_denominator_are_in_the_name() -> None:
    found = facts([answered(1, 0, 10, menu=12), answered(2, 10, 18), lost(3, 20, 3), lost(4, 30, 40)])
    expected = {
        "sl15.offered.v1": (1, 4),
        "sl15.answered.v1": (1, 2),
        "sl15.offered_no_short_abandon.v1": (1, 3),
        "sl15.from_arrival.v1": (0, 4),
        "sl20.answered.v1": (2, 2),
        "sl30.from_arrival.v1": (2, 4),
        "sl15.answered.from_menu.v1": (1, 2),
        "connect.v1": (2, 4),
        "loss.v1": (2, 4),
        "abandon.v1": (2, 4),
        "human_connect.v1": (2, 4),
    }
    for name, counts in expected.items():
        value = evaluate(measure(name), found)
        assert (value.numerator, value.denominator) == counts, name


def test_waits_and_handling() -> None:
    records = [answered(number, number * 100, float(number), talk=60.0) for number in range(1, 11)]
    held = replace(records[0], holds=(HoldSpan(AgentId("1001"), START + 105, START + 125),))
    worked = [
        AgentInterval(AgentId("1001"), START + 161 + n, "wrap_up", "", CallId(f"c-{n}"), START + 181 + n)
        for n in (1, 2)
    ]
    found = facts([held, *records[1:]], worked)
    assert evaluate(measure("wait.v1"), found).value == 5.5
    assert evaluate(measure("wait.p90.v1"), found).value == 9.0
    assert evaluate(measure("hold.v1"), found).value == 2.0
    wrap_up = evaluate(measure("wrap_up.v1"), found)
    assert (wrap_up.value, wrap_up.denominator_ids) == (20.0, ("c-1", "c-2"))
    assert evaluate(measure("handling.v1"), found).value == 80.0


def test_a_call_over_midnight_belongs_whole_to_the_day_on_which_it_arrived() -> None:
    late = answered(1, LENGTH_S - 2, 10)
    assert evaluate(measure("connect.v1"), facts([late])).denominator == 1
    tomorrow = replace(facts([late]), since=START + LENGTH_S, until=START + 2 * LENGTH_S)
    assert evaluate(measure("connect.v1"), tomorrow).value is None


# ---------------------------------------------------------------- any 24 hours


def by_grid(calls: list[tuple[float, bool]], since: float, until: float, length: float) -> float | None:
    """The lowest share by trying every millisecond: an oracle for whole milliseconds."""
    rates = []
    for begin in range(round((since - length) * 1000), round((until - length) * 1000) + 1):
        inside = [good for at, good in calls if begin <= round(at * 1000) < begin + round(length * 1000)]
        if inside:
            rates.append(sum(inside) / len(inside))
    return min(rates) if rates else None


@pytest.mark.parametrize("seed", range(40))
def test_the_worst_window_is_exact(seed: int) -> None:
    pick = Random(seed)
    calls = sorted((pick.randrange(0, 400) / 1000, pick.random() < 0.7) for _ in range(pick.randrange(0, 12)))
    since, until, length = 0.2, 0.2 + pick.randrange(0, 150) / 1000, 0.1
    found = worst(calls, since, until, length)
    expected = by_grid(calls, since, until, length)
    assert (found.numerator / found.denominator if found else None) == expected
    if found is not None:
        inside = [
            good for at, good in calls if round(found.since * 1000) <= round(at * 1000) < round(found.until * 1000)
        ]
        assert (sum(inside), len(inside)) == (found.numerator, found.denominator)


def test_the_worst_24_hours_may_begin_the_day_before() -> None:
    """Between 18:00 and 18:00 all is lost; each calendar day has half of its calls answered."""
    records = [answered(n, -LENGTH_S + n * 600, 5) if n < 108 else lost(n, -LENGTH_S + n * 600, 20) for n in range(288)]
    records[252:] = [answered(n, -LENGTH_S + n * 600, 5) for n in range(252, 288)]
    value = evaluate(measure("connect.worst24h.v1"), facts(records))
    assert value.value == 0.0
    assert value.window is not None
    assert START - LENGTH_S + 108 * 600 - 600 < value.window[0] <= START - LENGTH_S + 108 * 600
    assert len(value.denominator_ids) == 144
    assert evaluate(measure("connect.v1"), facts(records)).value == 0.25


# ---------------------------------------------------------------- tickets, agents


def ticket(number: int, **more: object) -> TicketRow:
    row = TicketRow(
        f"2026112200{number:03d}",
        None,
        "138",
        "01",
        "general",
        "",
        "",
        START,
        None,
        None,
        START + 100,
        START + 1000,
        None,
        False,
        False,
        0,
        0,
        None,
        None,
        None,
        None,
        START + 5000,
    )
    return replace(row, **more)  # type: ignore[arg-type]


def test_tickets_in_time_are_judged_at_the_instant_of_asking() -> None:
    sent = ticket(1, first_dispatched_at=START, dispatches=1)
    rows = [
        replace(sent, signed_at=START + 50, resolved_at=START + 900),
        replace(sent, number="2", signed_at=START + 101, resolved_at=START + 1001, returns=1),
        replace(sent, number="3"),  # unsigned, open, both limits are over
        replace(sent, number="4", now=START + 60),  # its limits run: in neither
        replace(sent, number="5", paused=True, signed_at=START + 9),
        ticket(6, resolved_at=START + 10),
        ticket(7, merged=True),
    ]
    made = Facts(START, START + LENGTH_S, tickets=rows)
    counts = {
        name: (value.numerator, value.denominator)
        for name in ("sign_in_time.v1", "close_in_time.v1", "fcr.resolved.v1", "dispatch_accuracy.v1")
        for value in [evaluate(measure(name), made)]
    }
    assert counts == {
        "sign_in_time.v1": (2, 4),
        "close_in_time.v1": (2, 4),
        "fcr.resolved.v1": (1, 3),
        "dispatch_accuracy.v1": (4, 5),
    }


def test_repeats_are_of_the_same_number_and_class_within_days() -> None:
    day = 86_400.0
    rows = [
        ticket(1, opened_at=START - 10 * day),
        ticket(2, opened_at=START),
        ticket(3, opened_at=START + 1, class_code="02"),
        ticket(4, opened_at=START + 2, caller="139"),
        ticket(5, opened_at=START + 3),
        ticket(6, opened_at=START + 4, caller=""),
    ]
    before = with_repeats(rows)
    made = Facts(START, START + day, tickets=[replace(one, before_s=before.get(one.number)) for one in rows[1:]])
    week, month = (evaluate(measure(name), made) for name in ("repeat7d.v1", "repeat30d.v1"))
    assert (week.numerator_ids, week.denominator) == (("2026112200005",), 4)
    assert month.numerator_ids == ("2026112200002", "2026112200005")


def test_follow_ups_and_decisions_count_those_who_said_something() -> None:
    rows = [ticket(1, contacted=True, solved=True, satisfied=False), ticket(2, contacted=False), ticket(3)]
    judged = [DecisionRow("t1", 1, "return", START, True), DecisionRow("t1", 2, "return", START, False)]
    judged += [DecisionRow("t2", 1, "return", START, None), DecisionRow("t2", 2, "extension", START, True)]
    made = Facts(START, START + LENGTH_S, follow_ups=rows, decisions=judged)
    expected = {"response.v1": (1, 2), "solved.v1": (1, 1), "satisfaction.v1": (0, 1), "return_accuracy.v1": (1, 2)}
    for name, counts in (expected | {"extension_accuracy.v1": (1, 1)}).items():
        value = evaluate(measure(name), made)
        assert (value.numerator, value.denominator) == counts, name
    assert evaluate(measure("return_accuracy.v1"), made).denominator_ids == ("t1/1", "t1/2")


def test_shares_of_time_are_cut_at_the_period() -> None:
    a, b = AgentId("1001"), AgentId("1002")
    time = [
        AgentInterval(a, START - 100, "ready", ended_at=START + 100),
        AgentInterval(a, START + 100, "talking", ended_at=START + 200),
        AgentInterval(a, START + 200, "not_ready", "break", ended_at=START + 300),
        AgentInterval(b, START + 300, "wrap_up"),
    ]
    made = Facts(START, START + 400, intervals=time, schedule=[ScheduledSpan("1001", START + 50, START + 250)])
    occupancy = evaluate(measure("occupancy.v1"), made)
    assert (occupancy.numerator, occupancy.denominator) == (200.0, 300.0)
    assert evaluate(measure("ready_share.v1"), made).value == 300 / 400
    assert evaluate(measure("adherence.v1"), made).value == 150 / 200
    seats = InternetSeats(1, ((START, START + 400),), frozenset({a, b}))
    assert evaluate(measure("internet_provision.v1"), replace(made, internet=seats)).value == 300 / 400
    two = replace(seats, seats=2)
    assert evaluate(measure("internet_provision.v1"), replace(made, internet=two)).value == 300 / 800


# ---------------------------------------------------------------- names, differences, instants


def test_a_wrong_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownMeasure) as wrong:
        measure("sl15.offred.v1")
    assert wrong.value.nearest[0] == "sl15.offered.v1"
    with pytest.raises(UnknownMeasure) as unversioned:
        measure("connect")
    assert unversioned.value.nearest[0] == "connect.v1"


def test_two_definitions_differ_on_named_calls_and_it_is_said_why() -> None:
    found = facts([answered(1, 0, 10, menu=12), answered(2, 10, 5), lost(3, 20, 3)])
    a, b = measure("sl15.offered.v1"), measure("sl15.answered.from_arrival.v1")
    told = differences(a, b, found)
    assert [(one.id, one.a, one.b) for one in told] == [("c-1", "both", "below"), ("c-3", "below", "out")]
    assert "10.0 s of the queue" in told[0].en
    assert "22.0 s of arrival" in told[0].en
    assert told[1].en == "hung up after 3.0 s in the line"
    assert differences(a, a, found) == []
    with pytest.raises(NotComparable):
        differences(a, measure("wait.v1"), found)
    with pytest.raises(NotComparable):
        differences(a, measure("close_in_time.v1"), found)


def test_the_instants_of_a_call_are_one_list() -> None:
    offers = (
        OfferRecord(AgentId("1001"), START + 1, "longest idle", "noanswer", START + 16),
        OfferRecord(AgentId("1002"), START + 16, "longest idle", "answered", START + 20),
    )
    record = replace(answered(1, 0, 20), offers=offers, score=5, scored_at=START + 90)
    work = [
        AgentInterval(AgentId("1001"), START + 1.2, "ringing", "", record.call, START + 16),
        AgentInterval(AgentId("1002"), START + 16.3, "ringing", "", record.call, START + 20),
        AgentInterval(AgentId("1002"), START + 80, "wrap_up", "", record.call, START + 95),
        AgentInterval(AgentId("1002"), START + 500, "wrap_up", "", CallId("other"), START + 510),
    ]
    found = instants_of(record, work)
    assert [(one.agent, one.rang_at, one.outcome) for one in found.offers] == [
        ("1001", START + 1.2, "noanswer"),
        ("1002", START + 16.3, "answered"),
    ]
    assert [(one.agent, one.began_at, one.ended_at) for one in found.wrap_ups] == [("1002", START + 80, START + 95)]
    assert (found.arrived_at, found.joined_at, found.scored_at) == (START, START + 20, START + 90)


# ---------------------------------------------------------------- periods and targets


def test_days_are_local_and_stored_instants_are_not() -> None:
    now = START + 3600
    assert period_of(SHANGHAI, now, on="2026-11-22").since == START
    assert period_of(SHANGHAI, now, on="today") == period_of(SHANGHAI, now, on="20261122")
    assert period_of(SHANGHAI, now, since="2026-11-22T00:10", until="2026-11-21T16:20Z").until == START + 1200
    berlin = ZoneInfo("Europe/Berlin")
    spring, autumn = (of_day(day_named(text, berlin, now), berlin) for text in ("20260329", "20261025"))
    assert (spring.until - spring.since, autumn.until - autumn.since) == (23 * 3600, 25 * 3600)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"on": "2026-02-30"}, "no_day"),
        ({"on": "gestern"}, "no_day"),
        ({"on": "2026-11-23"}, "period_in_future"),
        ({"on": "2026-11-22", "since": "2026-11-22"}, "day_or_span"),
        ({}, "day_or_span"),
        ({"since": "2026-11-21", "until": "2026-11-20"}, "empty_period"),
        ({"since": "2026-11-21T08:00", "until": "2026-11-21T08:00"}, "empty_period"),
        ({"since": "noon"}, "no_instant"),
        ({"since": "2020-01-01"}, "period_too_long"),
    ],
)
def test_a_period_that_cannot_be_had_is_refused(asked: dict[str, str], code: str) -> None:
    with pytest.raises(FigureRefused) as refused:
        period_of(SHANGHAI, START + 3600, **asked)
    assert refused.value.code == code


@pytest.mark.parametrize("text", ["2026-03-29T02:30", "2026-10-25T02:30"])
def test_a_local_time_that_daylight_time_makes_doubtful_is_refused(text: str) -> None:
    with pytest.raises(FigureRefused) as refused:
        period_of(ZoneInfo("Europe/Berlin"), START, since=text, until="2026-11-01")
    assert refused.value.code == "no_such_local_time"


def test_a_target_of_101_per_cent_is_refused() -> None:
    assert (target("95 %"), target(0.95), target("1")) == (0.95, 0.95, 1.0)
    for wrong in ("101%", 1.01, 0, "-5 %", "many", "nan"):
        with pytest.raises(FigureRefused) as refused:
            target(wrong)
        assert refused.value.code == "target_out_of_range"


def test_kinds_are_all_used() -> None:
    assert {one.kind for one in catalogue().values()} == set(Kind)
