"""Simulated days: the plan's faults, chance by seed, confidence, and agreement with queueing theory."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from random import Random
from statistics import fmean

import pytest

from controller.__main__ import main
from controller.config import ConfigError
from controller.simulation.check import (
    MOST_CALLS,
    Agreement,
    NoTheory,
    Verdict,
    agreement,
    another_day,
    theory,
    verdict,
    width,
)
from controller.simulation.crowd import Shift
from controller.simulation.draws import Duration, chance
from controller.simulation.figures import ALL, Day, Estimate, busy_times, estimate, occupancy, student
from controller.simulation.generated import GeneratedCrowd
from controller.simulation.plan import SimulationPlan, load_plan
from controller.simulation.runs import simulate
from pbx.call import CallRecord, OfferRecord, Outcome
from pbx.ids import AgentId, CallId, ChannelName, QueueId
from tests.fakes.faults_wishes import WISHES

pytestmark = pytest.mark.core

ROOT = Path(__file__).parents[2]
PLANS = ROOT / "controller" / "simulation" / "plans"

SMALL = """[simulation]
begin = "{begin}"
end = "{end}"
count_from = "{count_from}"
runs = {runs}
seed = {seed}
level = "{level}"
[[arrivals]]
queue = "general"
calls_per_hour = {calls}
[citizens]
patience = {patience}
talk = {{ kind = "exponential", mean_s = 100 }}
[[staff]]
count = {agents}
skills = {{ mandarin = 1 }}
[[queues]]
id = "general"
name_zh = "综合"
name_en = "General"
skills = {{ mandarin = 1 }}
[agent_rules]
wrap_up_s = 0.0
"""


MORE = """[[arrivals]]
queue = "general"
calls_per_hour = 30
[citizens]
"""


def small(tmp_path: Path, **values: object) -> SimulationPlan:
    given = {
        "begin": "08:00", "end": "18:00", "count_from": "09:00", "runs": 6, "seed": 1, "level": "distribution",
        "calls": 200, "agents": 8, "patience": '{ kind = "never" }', **values,
    }  # fmt: skip
    return written(tmp_path, SMALL.format(**given))


def written(tmp_path: Path, text: str) -> SimulationPlan:
    file = tmp_path / "plan.toml"
    file.write_text(text, "utf-8")
    return load_plan(file)


def faults(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        written(tmp_path, text)
    return [str(problem).replace(str(tmp_path) + "/", "") for problem in raised.value.problems]


# ---------------------------------------------------------------- theory


NEVER, MINUTE = '{ kind = "never" }', '{ kind = "exponential", mean_s = 60 }'


@pytest.mark.parametrize(
    ("level", "patience", "runs", "end"),
    [("distribution", NEVER, 24, "20:00"), ("distribution", MINUTE, 12, "18:00"), ("switchboard", MINUTE, 8, "12:00")],
)
def test_simulated_days_agree_with_theory(level: str, patience: str, runs: int, end: str, tmp_path: Path) -> None:
    """Each figure within the interval of the runs at 99.9 %: with fixed seeds this is no matter of luck. The intervals
    are narrow enough that a rule that costs callers a few seconds leaves them (see the next test).
    """
    plan = small(tmp_path, level=level, runs=runs, patience=patience, end=end)
    name, rows = agreement(plan, simulate(plan).figures)
    assert name == ("Erlang C" if patience is NEVER else "Erlang A")
    assert len(rows) == (3 if patience is NEVER else 4)
    for row in rows:
        assert row.verdict is not Verdict.DIFFERS, f"{row.name}: {row.simulated.mean}, not {row.theory} ± {row.allowed}"
        assert row.allowed < (0.6 if "wait" in row.name or "aband" in row.name else 0.1) * row.theory, row.name


def test_a_slower_hotline_does_not_agree(tmp_path: Path) -> None:
    """Five seconds more for each call, unknown to theory, are seen."""
    plan = small(tmp_path, runs=12, patience='{ kind = "exponential", mean_s = 60 }')
    slow = simulate(written(tmp_path, SMALL.format(
        begin="08:00", end="18:00", count_from="09:00", runs=12, seed=1, level="distribution", calls=200, agents=8,
        patience='{ kind = "exponential", mean_s = 60 }',
    ).replace("wrap_up_s = 0.0", "wrap_up_s = 5.0")))  # fmt: skip
    assert verdict(agreement(plan, slow.figures)[1]) is Verdict.DIFFERS


WAIT, RATE = "wait_mean_s", "sl15.offered.v1"


def told(name: str, theory: float, mean: float, allowed: float) -> Agreement:
    return Agreement(name, theory, estimate([mean]), allowed, width(name, theory))


def test_a_wide_interval_agrees_with_anything_and_is_undecided() -> None:
    """8.3 s beside 8.3 ± 3.5 s: so would 5 s be, or 11."""
    assert told(WAIT, 8.3, 8.3, 3.5).verdict is Verdict.UNDECIDED
    assert told(WAIT, 8.3, 8.4, 1.2).verdict is Verdict.AGREES
    assert told(WAIT, 8.3, 9.9, 1.2).verdict is Verdict.DIFFERS
    assert told(WAIT, 8.3, 12.0, 3.5).verdict is Verdict.DIFFERS, "outside of a wide one it is outside all the same"
    assert (width(WAIT, 2.0), width(WAIT, 20.0)) == (1.0, pytest.approx(3.0))
    assert (width(RATE, 0.95), width(RATE, 0.5), width(RATE, 0.8)) == (0.01, 0.075, pytest.approx(0.03))
    good, wide, wrong = told(WAIT, 8.3, 8.3, 1.0), told(WAIT, 8.3, 8.3, 3.5), told(WAIT, 8.3, 9.9, 1.2)
    assert verdict([good]) is Verdict.AGREES
    assert verdict([good, wide]) is Verdict.UNDECIDED
    assert verdict([wide, good, wrong]) is Verdict.DIFFERS


def test_days_are_added_until_the_intervals_are_narrow_and_no_further(tmp_path: Path) -> None:
    plan = small(tmp_path, runs=4, patience=MINUTE)
    sizes: list[tuple[int, bool]] = []

    def go_on(found: dict[str, dict[str, Estimate]], calls: int) -> bool:
        wanted = another_day(plan, found, calls)
        sizes.append((calls, wanted))
        return wanted

    result = simulate(plan, go_on=go_on)
    assert result.runs == 4 + len(sizes) - 1 > 4
    assert len(result.figures[ALL][WAIT].values) == result.runs
    assert [wanted for _, wanted in sizes] == [True] * (len(sizes) - 1) + [False]
    rows = agreement(plan, result.figures)[1]
    assert all(row.narrow for row in rows)
    assert verdict(rows) is Verdict.AGREES


def test_the_check_ends_though_the_intervals_stay_wide(tmp_path: Path) -> None:
    """Two days tell next to nothing; the bound of each level is one of calls, which take the time."""
    for level, most in MOST_CALLS.items():
        plan = small(tmp_path, level=level, patience=MINUTE)
        days = {ALL: {WAIT: estimate([1.0, 60.0]), RATE: estimate([0.2, 0.9])}}
        assert another_day(plan, days, most - 1)
        assert not another_day(plan, days, most)
        assert verdict(agreement(plan, days)[1]) is Verdict.UNDECIDED


@pytest.mark.parametrize(("old", "new", "why"), [
    ('kind = "exponential", mean_s = 100', 'kind = "lognormal", mean_s = 100', "exponential talks"),
    ("wrap_up_s = 0.0", "wrap_up_s = 1.0", "no wrap-up"),
    ("calls_per_hour = 200", "per_hour = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]", "constant rate"),
    ("count = 8", 'count = 8\nshifts = ["08:00-12:00"]', "from begin to end"),
    ("count = 8", "count = 2", "grow for ever"),
])  # fmt: skip
def test_where_no_formula_holds_it_says_so(old: str, new: str, why: str, tmp_path: Path) -> None:
    small(tmp_path)
    text = (tmp_path / "plan.toml").read_text("utf-8")
    assert old in text
    with pytest.raises(NoTheory, match=why):
        theory(written(tmp_path, text.replace(old, new)))


# ---------------------------------------------------------------- chance


def test_a_seed_gives_the_same_day_and_another_one_another(tmp_path: Path) -> None:
    one, same = simulate(small(tmp_path, runs=2)), simulate(small(tmp_path, runs=2))
    other = simulate(small(tmp_path, runs=2, seed=2))
    assert one.figures == same.figures
    assert one.figures != other.figures
    crowd = GeneratedCrowd(small(tmp_path), 0)
    assert len(GeneratedCrowd(small(tmp_path), 0).callers) == len(crowd.callers)
    assert [one.at for one in GeneratedCrowd(small(tmp_path), 1).callers] != [one.at for one in crowd.callers]


def test_a_stream_more_leaves_the_others_as_they_are(tmp_path: Path) -> None:
    before = GeneratedCrowd(small(tmp_path), 0).callers
    text = (tmp_path / "plan.toml").read_text("utf-8")
    more = written(tmp_path, text.replace("[citizens]", MORE))
    after = [one for one in GeneratedCrowd(more, 0).callers if one.call.startswith("sim-0")]
    assert [(one.at, one.talk_s, one.luck) for one in before] == [(one.at, one.talk_s, one.luck) for one in after]


def mean_and_cv(values: Sequence[float]) -> tuple[float, float]:
    mean = fmean(values)
    return mean, math.sqrt(fmean([(one - mean) ** 2 for one in values])) / mean


def test_distributions_have_their_mean_and_spread() -> None:
    random = Random(1)
    uniform = [random.random() for _ in range(40_000)]
    mean, cv = mean_and_cv([Duration("lognormal", 180, 0.8).at(one) for one in uniform])
    assert mean == pytest.approx(180, rel=0.02)
    assert cv == pytest.approx(0.8, rel=0.05)
    mean, cv = mean_and_cv([Duration("exponential", 60).at(one) for one in uniform])
    assert mean == pytest.approx(60, rel=0.02)
    assert cv == pytest.approx(1.0, rel=0.03)
    assert Duration("constant", 7).at(0.3) == 7
    assert Duration("never").at(0.3) == math.inf


def test_chances_are_even_and_depend_on_who_asks() -> None:
    values = sorted(chance(who, 3) for who in range(20_000))
    assert all(abs(value - index / 20_000) < 0.015 for index, value in enumerate(values)), "Kolmogorov-Smirnov"
    assert chance(5, 1) == chance(5, 1)
    assert chance(5, 1) != chance(5, 2)
    assert chance(2**63 - 1, 0) > 0


def test_callers_come_at_the_rate_of_their_slot(tmp_path: Path) -> None:
    small(tmp_path)
    text = (tmp_path / "plan.toml").read_text("utf-8")
    plan = written(
        tmp_path, text.replace("calls_per_hour = 200", f"per_hour = {[0, 900, 100, 0, 0, 0, 0, 0, 0, 2000]}")
    )
    hours = [0] * 10
    for one in GeneratedCrowd(plan, 0).callers:
        hours[int((one.at - plan.begin) // 3600)] += 1
    assert hours[0] == sum(hours[3:9]) == 0
    for hour, expected in ((1, 900), (2, 100), (9, 2000)):
        assert abs(hours[hour] - expected) < 4 * math.sqrt(expected), "four standard deviations of a Poisson number"


# ---------------------------------------------------------------- figures


def test_students_quantiles_are_those_of_the_tables() -> None:
    for freedom, value in ((1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (9, 2.262), (19, 2.093), (30, 2.042)):
        assert student(freedom) == pytest.approx(value, abs=1e-3)
    assert student(9, 0.999) == pytest.approx(4.781, abs=2e-3)
    assert student(100_000) == pytest.approx(1.96, abs=1e-3)
    with pytest.raises(ValueError, match="two values"):
        student(0)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    random = Random(7)
    held = 0
    for _ in range(2000):
        found = estimate([random.gauss(10, 3) for _ in range(5)])
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 10 <= found.high
    assert 0.94 <= held / 2000 <= 0.96
    assert estimate([4.0]).half is None


def test_occupancy_counts_ringing_talk_and_wrap_up_within_the_shift() -> None:
    def rung(agent: str, since: float, reason: str, outcome: str, until: float) -> OfferRecord:
        return OfferRecord(AgentId(agent), since, reason, outcome, until)

    def call(number: int, offers: tuple[OfferRecord, ...], agent: str | None, released: float | None) -> CallRecord:
        return CallRecord(
            CallId(str(number)), ChannelName("c"), "1", "", 0.0, queue=QueueId("q"), queued_at=0.0, offers=offers,
            agent=AgentId(agent) if agent else None, released_at=released, outcome=Outcome.ANSWERED, ended_at=900.0,
        )  # fmt: skip

    records = [
        call(1, (rung("a", 10, "", "answered", 15),), "a", 100),
        call(2, (rung("a", 200, "", "noanswer", 206), rung("b", 206, "", "answered", 210)),
             "b", 980),
    ]  # fmt: skip
    shifts = [Shift(AgentId("a"), 0, 1000), Shift(AgentId("b"), 0, 500)]
    day = Day(records, records, shifts, 0, 1000, lambda record: 20.0)
    busy = (100 + 20 - 10) + 6 + (1000 - 206)
    assert occupancy(busy_times(day)) == pytest.approx(
        busy / (1000 + 1000)
    )  # b worked on to the end: that counts as his time
    assert occupancy(busy_times(day), [AgentId("a")]) == pytest.approx(116 / 1000)
    assert occupancy({}) is None


def test_a_single_run_has_intervals_by_batches(tmp_path: Path) -> None:
    found = simulate(small(tmp_path, runs=1, patience='{ kind = "exponential", mean_s = 60 }')).figures[ALL]
    rate = found["sl15.offered.v1"]
    assert rate.low is not None
    assert rate.high is not None
    assert 0 < rate.high - rate.low < 0.2
    assert found["offered"].half is None


# ---------------------------------------------------------------- bad input, and the command


def test_every_fault_is_named_with_its_line(tmp_path: Path) -> None:
    text = """[simulation]
begin = "10:00"
end = "12:00"
level = "distribution"
[[arrivals]]
queue = "nobody"
per_hour = [1, 2, 3]
[[arrivals]]
dialled = "000"
calls_per_hour = 5
[[staff]]
agents = ["1009"]
[[staff]]
count = 1
skills = { mandarin = 1 }
shifts = ["10:00-11:00", "10:30-12:00"]
[[queues]]
id = "general"
name_zh = "综合"
name_en = "General"
skills = { mandarin = 1 }
"""
    found = faults(tmp_path, text)
    assert "plan.toml:7: arrivals[1].per_hour has 3 values; begin to end needs 2" in found
    assert "plan.toml:6: arrivals[1].queue 'nobody' is no queue; there are: general" in found
    assert any(one.startswith("plan.toml:9: arrivals[2].dialled has a menu") for one in found)
    assert "plan.toml:12: staff[1].agents 1009 is not among [[agents]]" in found
    assert any(one.startswith("plan.toml:16: staff[2].shifts overlap: an agent is in two places") for one in found)
    found = faults(tmp_path, text.replace("12:00", "09:00", 1))
    assert found == ["plan.toml:3: simulation.end 09:00 is not after begin 10:00"]


@pytest.mark.parametrize(("old", "new", "line"), [
    ("skills = { mandarin = 1 }\n[[queues]]", "skills = { mandarin = 6 }\n[[queues]]", 16),
    ("calls_per_hour = 200", "calls_per_hour = -1", 10),
    ("calls_per_hour = 200", "calls_an_hour = 200", 10),
    ('kind = "never"', 'kind = "exponential"', 12),
    ("runs = 6", "runs = 0", 5),
    ('id = "general"\n', 'id = "general"\npolicy = "fastest"\n', 19),
    ('skills = { mandarin = 1 }\n[agent_rules]', 'skills = { klingon = 1 }\n[agent_rules]', 21),
    ("wrap_up_s = 0.0", "wrap_up_s = -5.0", 23),
])  # fmt: skip
def test_a_wrong_value_is_named_with_its_line(old: str, new: str, line: int, tmp_path: Path) -> None:
    small(tmp_path)
    text = (tmp_path / "plan.toml").read_text("utf-8")
    assert old in text
    assert any(one.startswith(f"plan.toml:{line}:") for one in faults(tmp_path, text.replace(old, new)))


def test_a_plan_may_stand_on_the_hotlines_configuration(tmp_path: Path) -> None:
    """Menus, keys and the hotline's own agents, and a section that changes the configuration."""
    (tmp_path / "hotline.toml").write_text((ROOT / "hotline.toml").read_text("utf-8"), "utf-8")
    plan = written(
        tmp_path,
        """
[simulation]
hotline = "hotline.toml"
begin = "09:00"
end = "10:00"
runs = 2
[[arrivals]]
dialled = "12345"
keys = ["1", "1"]
calls_per_hour = 30
[[arrivals]]
dialled = "12328"
calls_per_hour = 10
[[staff]]
count = 2
skills = { mandarin = 2 }
[agent_rules]
wrap_up_s = 5.0
""",
    )
    assert plan.hotline.agent_rules.wrap_up_s == 5.0
    assert {"1001", "1002", "1003", "90000001", "90000002"} == set(plan.hotline.agents)
    result = simulate(plan)
    assert result.figures["general"]["offered"].mean > 10
    assert result.figures[ALL]["sl15.offered.v1"].mean > 0.8


def test_a_fault_of_the_configuration_is_named_there(tmp_path: Path) -> None:
    (tmp_path / "hotline.toml").write_text(
        (ROOT / "hotline.toml").read_text("utf-8").replace('id = "english"', 'id = "english"\npolicy = "best"', 1),
        "utf-8",
    )
    found = faults(
        tmp_path, '[simulation]\nhotline = "hotline.toml"\n[[arrivals]]\nqueue = "general"\ncalls_per_hour = 1\n'
    )
    assert len(found) == 1
    assert found[0].startswith("hotline.toml:")
    assert "policy" in found[0]


def test_the_command_prints_and_writes_the_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small(tmp_path, patience='{ kind = "exponential", mean_s = 60 }')
    file = tmp_path / "figures.json"
    asked = ["simulate", str(tmp_path / "plan.toml"), "--check", "--seed", "5", "--json", str(file)]
    assert main([*asked, "--runs", "3"]) == 1, "so many and no more: too few to tell"
    assert "undecided: the interval is wider" in capsys.readouterr().out
    found = json.loads(file.read_text("utf-8"))
    assert (found["runs"], found["check"]["verdict"], found["check"]["agrees"]) == (3, "undecided", False)
    assert main(asked) == 0
    said = capsys.readouterr().out
    assert "Erlang A" in said
    assert "in 15 s" in said
    found = json.loads(file.read_text("utf-8"))
    assert found["runs"] > 6, "more than the plan's"
    assert found["seed"] == 5
    assert (found["check"]["verdict"], found["check"]["agrees"]) == ("agrees", True)
    assert all(one["allowed"] <= one["width"] for one in found["check"]["figures"].values())
    assert found["figures"]["all"]["sl15.offered.v1"]["low"] < found["figures"]["all"]["sl15.offered.v1"]["mean"]
    assert main(["simulate"]) == 2
    assert main(["simulate", str(tmp_path / "none.toml")]) == 2
    assert "none.toml:1: cannot be read" in capsys.readouterr().err


def test_a_simulated_day_is_held_against_the_promises(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever finds the queue full leaves a voice message; every decision and every end is judged."""
    minute = '{ kind = "exponential", mean_s = 60 }'
    small(tmp_path, calls=300, agents=6, patience=minute, count_from="08:10", end="09:00")
    file = tmp_path / "plan.toml"
    text = file.read_text("utf-8").replace(
        "skills = { mandarin = 1 }\n[agent_rules]",
        'skills = { mandarin = 1 }\nfull = { waiting = 2 }\nwhen_full = "voice-message"\n[agent_rules]',
    )
    file.write_text(text, "utf-8")
    out = tmp_path / "figures.json"
    asked = ["simulate", str(file), "--verify", "--runs", "2", "--json", str(out)]
    assert main(asked) == 0
    assert "verified: no promise was broken in " in capsys.readouterr().out
    first, second = json.loads(out.read_text("utf-8"))["verify"]
    assert (first["violations"], second["violations"], first["open"]) == (0, 0, 0)
    assert first["offers"] > 50
    with pytest.MonkeyPatch.context() as patch:
        WISHES["message-without-end"][0](patch)
        assert main(asked) == 1
    assert "message-end" in capsys.readouterr().out
    assert json.loads(out.read_text("utf-8"))["verify"][0]["by_invariant"]["message-end"]


@pytest.mark.parametrize("file", sorted(PLANS.glob("*.toml")), ids=lambda file: file.name)
def test_the_plans_that_come_along_can_be_simulated(file: Path) -> None:
    assert load_plan(file).streams
