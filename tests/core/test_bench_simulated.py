"""The simulated benches: the model of `Queue()` obeys app_queue's rules, and the sides have the same work."""

from __future__ import annotations

import pytest

from benchmarks import cities, simulate
from benchmarks.app_queue import AppQueue
from controller.simulation import figures
from controller.simulation.clock import Agenda
from controller.simulation.crowd import Caller
from controller.simulation.generated import GeneratedCrowd
from pbx.ids import AgentId, CallId, QueueId

pytestmark = pytest.mark.core

A, B = AgentId("a"), AgentId("b")


class Phones(GeneratedCrowd):
    """Agents who answer after so many seconds, or not."""

    def __init__(self, after: dict[AgentId, float | None]) -> None:
        self.after = after

    def picks_up(self, caller: Caller, offer: int, agent: AgentId) -> float | None:
        return self.after[agent]


def joins(
    arrivals: list[float],
    after: dict[AgentId, float | None],
    *,
    autofill: bool,
    talk_s: float = 100.0,
    patience_s: float = 500.0,
) -> dict[str, float]:
    """When each caller was joined."""
    agenda = Agenda(0.0)
    found: dict[str, float] = {}
    queue = AppQueue(
        agenda, Phones(after), list(after), 0.0, autofill=autofill,
        joined=lambda who, at: found.update({who.call: at}),
    )  # fmt: skip
    for number, at in enumerate(arrivals):
        who = Caller(CallId(str(number)), at, "1", QueueId("q"), patience_s, talk_s, number)
        agenda.at(at, queue.arrive, who)
    while agenda.next():
        pass
    return found


def test_without_autofill_one_phone_rings_at_a_time() -> None:
    """The second caller looks each second and finds the first gone only then; with autofill both are rung at once."""
    assert joins([0.0, 0.25], {A: 4.0, B: 4.0}, autofill=False) == {"0": 4.0, "1": 8.25}
    assert joins([0.0, 0.25], {A: 4.0, B: 4.0}, autofill=True) == {"0": 4.0, "1": 4.25}


def test_a_free_member_is_found_at_the_next_look() -> None:
    assert joins([0.0, 50.3], {A: 0.0}, autofill=True, talk_s=100.0)["1"] == pytest.approx(100.3)


def test_nobody_answers_for_fifteen_seconds_and_five_are_waited() -> None:
    """Both are rung in turn, the longest idle first; the caller is still the first in the line."""
    assert joins([0.0], {A: None, B: 2.0}, autofill=False) == {"0": 22.0}
    assert joins([0.0], {A: 16.0, B: 2.0}, autofill=True) == {"0": 22.0}, "later than the time-out is not at all"


def test_who_gives_up_leaves_the_line_to_the_next() -> None:
    assert joins([0.0, 1.0], {A: None}, autofill=False, patience_s=30.0) == {}
    found = joins([0.0, 0.95, 2.0], {A: 0.0}, autofill=False, talk_s=60.0, patience_s=59.9)
    assert found == {"0": 0.0, "2": pytest.approx(61.0)}, "the second left at 60.85, before his next look"


def test_the_policies_of_the_cities_have_the_same_callers_and_agents(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sum(cities.staffing(1.0)) == 1155
    assert cities.rates_of(1) != cities.rates_of(2)
    monkeypatch.setattr(cities, "CITIES", cities.CITIES[:4])
    monkeypatch.setattr(cities, "PEAK_CALLS_PER_H", 1500.0)
    monkeypatch.setattr(cities, "HOURS", 1)
    rows = {policy: cities.one(policy, 0.93, 1, people=False) for policy in cities.POLICIES}
    assert len({row["calls"] for row in rows.values()}) == 1
    assert rows["isolated"]["sl15"] < rows["overflow"]["sl15"] < 1
    assert rows["isolated"]["sl15"] < rows["pooled"]["sl15"] <= 1
    assert rows["isolated"]["crossing"] == 0 < rows["overflow"]["crossing"] < 0.3
    assert abs(rows["queue_autofill"]["sl15"] - rows["isolated"]["sl15"]) < 0.04, "polling alone costs hardly anything"


def test_the_simulated_day_is_a_day_of_work() -> None:
    plan = simulate.made_plan(5_000, 50)
    assert len(plan.hotline.agents) == 50
    found = simulate.one_round(plan, 0)
    assert abs(found["calls"] - 5_000) < 300
    assert 0.3 < found[f"{figures.ALL}.occupancy"] < 0.95
    assert found[f"{figures.ALL}.wait_p95_s"] > 5, "callers wait"
    assert found["whole"] > 0
