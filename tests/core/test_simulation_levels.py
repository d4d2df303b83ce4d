"""The two levels of the simulation decide alike: the same offers to the same agents at the same instants."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.codec import as_object, decode_event, encode_command, encode_event
from controller.simulation.distribution import Distribution
from controller.simulation.exchange import SimulatedExchange
from controller.simulation.generated import GeneratedCrowd
from controller.simulation.plan import SimulationPlan, load_plan
from controller.switchboard import Switchboard
from pbx.call import CallRecord
from pbx.commands import Command
from pbx.events import Event

pytestmark = pytest.mark.core

DAY = """
[simulation]
begin = "09:00"
end = "09:50"
seed = {seed}
[[arrivals]]
queue = "general"
calls_per_hour = {calls}
[[arrivals]]
queue = "english"
per_quarter = [4, 6, 0, 5]
[[arrivals]]
queue = "approvals"
per_hour = [12]
[citizens]
patience = {{ kind = "exponential", mean_s = 90 }}
short_abandons = 0.05
[people]
pick_up = {{ kind = "lognormal", mean_s = 2, cv = 0.5 }}
no_answer = {no_answer}
wrap_up = {{ kind = "exponential", mean_s = 20 }}
back = {{ kind = "exponential", mean_s = 60 }}
[[staff]]
count = 8
skills = {{ mandarin = 3, approvals = 1 }}
[[staff]]
count = 3
skills = {{ mandarin = 5, english = 4 }}
shifts = ["09:00-09:20", "09:27-09:50"]
[[staff]]
count = 3
skills = {{ english = 2, approvals = 3 }}
shifts = ["09:05-09:40"]
[[queues]]
id = "general"
name_zh = "甲"
name_en = "A"
skills = {{ mandarin = 1 }}
policy = "{policy}"
ageing_s = {ageing}
[[queues]]
id = "english"
name_zh = "乙"
name_en = "B"
skills = {{ english = 4 }}
ageing_s = 60.0
relax = [{{ after_s = 20, skills = {{ english = 2 }} }}, {{ after_s = 45, join = ["general"], keep = {keep} }}]
[[queues]]
id = "approvals"
name_zh = "丙"
name_en = "C"
skills = {{ approvals = 2 }}
prefers = {{ english = 1 }}
[agent_rules]
wrap_up_s = 30.0
"""


def plan(tmp_path: Path, **values: object) -> SimulationPlan:
    given = {"seed": 1, "calls": 200, "no_answer": 0.0, "policy": "best-level", "ageing": 60.0, "keep": 0, **values}
    file = tmp_path / "plan.toml"
    file.write_text(DAY.format(**given), "utf-8")
    return load_plan(file)


def offers(records: dict[object, CallRecord] | object) -> list[tuple[object, ...]]:
    assert isinstance(records, dict)
    return sorted(
        (offer.offered_at, record.call, offer.agent, offer.ended_at, offer.outcome == "answered")
        for record in records.values()
        for offer in record.offers
    )


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"calls": 600},
        {"seed": 2, "policy": "longest-idle"},
        {"seed": 3, "policy": "fewest-skills", "calls": 320},
        {"seed": 4, "ageing": 30.0},
        {"seed": 5, "no_answer": 0.1},
        {"seed": 8, "keep": 2, "calls": 320, "no_answer": 0.05},
        {"seed": 6, "no_answer": 0.4, "calls": 90},
    ],
)
def test_both_levels_make_the_same_offers(values: dict[str, object], tmp_path: Path) -> None:
    given = plan(tmp_path, **values)
    distribution = Distribution(given.hotline, GeneratedCrowd(given, 0), given.shifts, given.begin, given.end)
    distribution.run()
    exchange = SimulatedExchange(given.hotline, GeneratedCrowd(given, 0), given.shifts, given.begin, given.end)
    whole = exchange.run()
    alone = distribution.records()
    assert offers(alone) == offers(whole)
    assert len(offers(alone)) > 80
    for call, record in alone.items():
        other = whole[call]
        assert (record.outcome, record.agent, record.joined_at, record.released_at) == (
            other.outcome, other.agent, other.joined_at, other.released_at,
        )  # fmt: skip
        if record.agent is None:
            assert record.ended_at == other.ended_at


def test_the_mix_is_worth_comparing(tmp_path: Path) -> None:
    """The day above has what makes levels differ: waiting, relaxing, misses, agents out of reach, abandons."""
    given = plan(tmp_path, seed=5, no_answer=0.1, calls=320)
    exchange = SimulatedExchange(given.hotline, GeneratedCrowd(given, 0), given.shifts, given.begin, given.end)
    records = exchange.run().values()
    reasons = [offer.reason for record in records for offer in record.offers]
    assert any("nobody for english" in reason or "english>=2" in reason for reason in reasons)
    assert any(record.outcome and record.outcome.value == "abandoned" for record in records)
    assert any(len(record.offers) > 1 for record in records)
    assert {"Hold", "Announce", "OpenTicket", "FinishRecording", "MarkAgent"} <= exchange.taken.keys()


def test_a_simulated_day_replays_like_a_real_one(tmp_path: Path) -> None:
    """What the simulated exchange says can be journaled, and a fresh switchboard decides the same again."""
    given = plan(tmp_path, seed=7, no_answer=0.1)
    steps: list[tuple[Event, float, list[Command]]] = []
    SimulatedExchange(
        given.hotline, GeneratedCrowd(given, 0), given.shifts, given.begin, given.end,
        watch=lambda found, now, commands: steps.append((found, now, list(commands))),
    ).run()  # fmt: skip
    fresh = Switchboard(given.hotline)
    for found, now, commands in steps:
        again = fresh.step(decode_event(as_object(encode_event(found))), now)
        assert [encode_command(one) for one in again] == [encode_command(one) for one in commands]
    assert len(steps) > 1000
