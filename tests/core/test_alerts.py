"""Alerts: raised once, cleared once, whatever a figure does around its threshold."""

from __future__ import annotations

import tomllib
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.alerts import GAUGES, Alert, Alerts, BadRule, Change, NoSuchAlert, Reading, Rule, Severity, rule_of
from metrics.definitions.catalogue import measure
from metrics.live import WHOLE, Group, LiveFigures, usual_windows

pytestmark = pytest.mark.core

SHIPPED = Path(__file__).parents[2] / "metrics" / "alerts.toml"
RATE = {
    "name": "rate", "measure": "sl15.offered.v1", "window": "15m", "below": 0.90, "clears_at": 0.93, "for_s": 60.0,
    "clear_for_s": 30.0, "least": 20,
}  # fmt: skip


def look(
    alerts: Alerts, now: float, value: float | None, count: int | None = 100, group: Group = WHOLE
) -> list[Change]:
    """What one reading of the only rule changes."""
    (name,) = alerts.rules
    return [change for change, _ in alerts.look(now, {name: {group: Reading(value, count)}})]


def test_it_must_last_and_clears_beyond_the_threshold() -> None:
    alerts = Alerts([rule_of(RATE)])
    assert look(alerts, 0.0, 0.89) == []
    assert look(alerts, 59.0, 0.89) == []
    assert look(alerts, 60.0, 0.88) == [Change.RAISED]
    (one,) = alerts.standing()
    assert (one.value, one.threshold, one.raised_at) == (0.88, 0.90, 60.0)
    assert look(alerts, 70.0, 0.85) == []  # it is told once
    assert alerts.standing()[0].value == 0.85
    assert look(alerts, 80.0, 0.91) == []  # between the two: it stands
    assert look(alerts, 200.0, 0.929) == []
    assert look(alerts, 210.0, 0.93) == []
    assert look(alerts, 239.0, 0.95) == []
    assert look(alerts, 240.0, 0.95) == [Change.CLEARED]
    assert alerts.standing() == []


def test_a_figure_that_trembles_around_its_threshold_raises_nothing_or_once() -> None:
    alerts = Alerts([rule_of(RATE)])
    found = [change for n in range(100) for change in look(alerts, n * 10.0, 0.899 if n % 2 else 0.901)]
    assert found == []  # never bad for a minute
    found = [change for n in range(8) for change in look(alerts, 1000.0 + n * 10, 0.8)]
    assert found == [Change.RAISED]
    found = [change for n in range(100) for change in look(alerts, 2000.0 + n * 10.0, 0.89 if n % 2 else 0.94)]
    assert found == []  # never good for half a minute


def test_one_of_two_callers_lost_at_night_is_no_alarm() -> None:
    alerts = Alerts([rule_of(RATE)])
    assert [look(alerts, n * 10.0, 0.5, count=2) for n in range(20)] == [[]] * 20
    for n in range(7):
        raised = look(alerts, 1000.0 + n * 10, 0.5, count=20)
    assert raised == [Change.RAISED]
    look(alerts, 1070.0, 0.5, count=19)
    found = alerts.look(1100.0, {"rate": {WHOLE: Reading(0.5, 19)}})
    assert [(change, one.why_cleared) for change, one in found] == [(Change.CLEARED, "few")]


def test_what_is_not_known_changes_nothing() -> None:
    alerts = Alerts([rule_of({**RATE, "for_s": 0.0, "clear_for_s": 0.0})])
    assert look(alerts, 0.0, 0.5) == [Change.RAISED]
    assert alerts.look(10.0, {"rate": None}) == alerts.look(20.0, {}) == []
    assert len(alerts.standing()) == 1
    assert [change for change, _ in alerts.look(30.0, {"rate": {}})] == [Change.CLEARED]  # known, and nothing there


def test_a_clock_that_jumps_raises_and_clears_nothing() -> None:
    alerts = Alerts([rule_of({**RATE, "for_s": 300.0, "clear_for_s": 300.0})])
    assert look(alerts, 0.0, 0.5) == []
    assert look(alerts, 36_000.0, 0.5) == []  # ten hours at once are a minute at most
    assert look(alerts, 30.0, 0.5) == []  # and back
    for n in range(1, 5):
        raised = look(alerts, 30.0 + n * 60.0, 0.5)
    assert raised == [Change.RAISED]
    assert look(alerts, 1000.0, 1.0) == []
    assert look(alerts, 90_000.0, 1.0) == []


def test_a_restart_neither_repeats_nor_loses_an_alert() -> None:
    before = Alerts([rule_of({**RATE, "for_s": 0.0})])
    look(before, 5000.0, 0.5)
    (one,) = before.standing()
    one, first = before.acknowledge(one.id, "lin", 5001.0)
    assert first
    after = Alerts([rule_of({**RATE, "for_s": 0.0})])
    assert after.restore([one], 6000.0) == []
    assert after.standing() == [one]
    assert look(after, 6000.0, 0.5) == []
    assert look(after, 6030.0, 0.95) == []
    assert look(after, 6060.0, 0.95) == [Change.CLEARED]
    assert look(after, 100.0, 0.5) == [Change.RAISED]  # the clock is behind: its id is a new one all the same
    assert after.standing()[0].id != one.id
    gone = Alerts([])
    assert [(change, it.why_cleared) for change, it in gone.restore([one], 6000.0)] == [(Change.CLEARED, "no_rule")]


def test_each_city_has_its_own_state_and_a_rule_may_name_some() -> None:
    rule = rule_of({**RATE, "of": "city", "only": ["nanjing", "suzhou"], "for_s": 0.0})
    alerts = Alerts([rule])
    cities = {name: Group("city", name) for name in ("nanjing", "suzhou", "wuxi")}
    rows = {cities["nanjing"]: Reading(0.5, 50), cities["suzhou"]: Reading(0.97, 50), cities["wuxi"]: Reading(0.1, 50)}
    assert [(change, one.group.name) for change, one in alerts.look(0.0, {"rate": rows})] == [
        (Change.RAISED, "nanjing")
    ]
    rows = {cities["nanjing"]: Reading(0.5, 50), cities["suzhou"]: Reading(0.5, 50)}
    assert [(change, one.group.name) for change, one in alerts.look(9.0, {"rate": rows})] == [(Change.RAISED, "suzhou")]


def test_acknowledged_once_and_only_while_it_stands() -> None:
    alerts = Alerts([rule_of({**RATE, "for_s": 0.0, "clear_for_s": 0.0})])
    look(alerts, 0.0, 0.5)
    id = alerts.standing()[0].id
    assert alerts.acknowledge(id, "lin", 10.0)[1]
    again, first = alerts.acknowledge(id, "wang", 20.0)
    assert (again.acknowledged_by, first) == ("lin", False)
    look(alerts, 30.0, 1.0)
    with pytest.raises(NoSuchAlert):
        alerts.acknowledge(id, "lin", 40.0)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-100, 400), st.sampled_from([None, 0.5, 0.89, 0.9, 0.92, 0.93, 1.0])), max_size=60)
)
def test_raised_and_cleared_take_turns(looks: list[tuple[int, float | None]]) -> None:
    """Whatever is read and whatever the clock does: never raised twice, never cleared twice; what stands is shown."""
    alerts, now, stands = Alerts([rule_of(RATE)]), 10_000.0, False
    for seconds, value in looks:
        now += seconds
        for change in look(alerts, now, value):
            assert change is (Change.CLEARED if stands else Change.RAISED)
            assert change is Change.CLEARED or (value is not None and value < 0.90)
            assert change is Change.RAISED or value is None or value >= 0.93
            stands = not stands
        assert bool(alerts.standing()) is stands


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"clears_at": 0.85}, "clears_at"),
        ({"above": 0.5}, "below"),
        ({"below": None}, "below"),
        ({"of": "agent"}, "of"),
        ({"window": ""}, "window"),
        ({"measure": "waiting"}, "window"),
        ({"measure": "exchange_down", "of": "city", "window": ""}, "of"),
        ({"for_s": -1.0}, "for_s"),
        ({"severity": "awful"}, "severity"),
        ({"thresholt": 1.0}, "thresholt"),
        ({"name": ""}, "name"),
    ],
)
def test_a_rule_that_could_not_work_is_refused(change: dict[str, object], field: str) -> None:
    with pytest.raises(BadRule) as refused:
        rule_of({**RATE, **change})
    assert refused.value.field == field


def test_the_rules_that_come_with_the_program() -> None:
    """Each looks at something there is, clears with room to spare where it can, and names its source."""
    rules = [rule_of(table) for table in tomllib.loads(SHIPPED.read_text(encoding="utf-8"))["rules"]]
    assert len({one.name for one in rules}) == len(rules)
    figures = LiveFigures((), usual_windows(ZoneInfo("Asia/Shanghai")))
    for one in rules:
        assert all((one.zh, one.en, one.source))
        if one.measure not in GAUGES:
            assert measure(one.measure).kind.value in ("ratio", "mean")
            assert one.window in {window.name for window in figures.windows}
            assert one.least >= 20
            assert one.clears_at > one.threshold
    asked = {one.measure for one in rules}
    assert {"longest_wait_s", "agents_fitting", "trunk_down", "transcript_oldest_s", "tickets_due_soon"} <= asked


def test_the_gravest_and_oldest_comes_first() -> None:
    rules = [
        rule_of({**RATE, "name": n, "for_s": 0.0, "severity": s}) for n, s in (("a", "warning"), ("b", "critical"))
    ]
    alerts = Alerts(rules)
    alerts.look(1.0, {"a": {WHOLE: Reading(0.1, 50)}})
    alerts.look(2.0, {"b": {WHOLE: Reading(0.1, 50)}})
    assert [one.rule for one in alerts.standing()] == ["b", "a"]
    assert isinstance(alerts.standing()[0], Alert)
    assert alerts.standing()[0].severity is Severity.CRITICAL
    assert isinstance(rules[0], Rule)
