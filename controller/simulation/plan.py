"""The plan of a simulation: a TOML file that says who calls, how people behave, who works when, and for how many days.

Its own sections are ``[simulation]``, ``[[arrivals]]``, ``[citizens]``, ``[people]`` and ``[[staff]]``; any other
section changes the configuration that it names (`change.py`), or is all of it when it names none. Everything that is
wrong is named with its line; the meaning and the default of each value stand beside its field here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationError, model_validator

from controller.config import Settings
from controller.config_base import Section
from controller.config_faults import ConfigError, Problem, dotted, fault_at
from controller.config_sections import Dialled, Extension, Id
from controller.plan import NumberPlan, Plan
from controller.simulation.change import Source, changed, read_source
from controller.simulation.crowd import Shift
from controller.simulation.draws import Duration
from controller.toml_lines import Path as TomlPath
from ivr.hours import OpeningHours
from pbx.ids import AgentId, QueueId

OWN = frozenset({"simulation", "arrivals", "citizens", "people", "staff"})
"""The sections that are no configuration of a hotline."""

STRAIGHT = "straight-"
"""Before a queue's id: the number that the callers of ``queue = `` have dialled. It cannot be dialled by anybody."""

FIRST_STAFF = 90_000_001
"""The extension of the first generated agent."""

TIME = r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$"
SHIFT = r"^([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)$"

Share = Annotated[float, Field(ge=0, le=1)]
Level = Annotated[int, Field(ge=1, le=5)]


class DurationSection(Section):
    """A distribution of seconds, see `draws.Duration`."""

    kind: Literal["constant", "exponential", "lognormal", "never"] = "exponential"
    mean_s: Annotated[float, Field(gt=0, le=86400)] | None = None
    cv: Annotated[float, Field(gt=0, le=10)] = 1.0  # lognormal: standard deviation / mean

    @model_validator(mode="after")
    def _needs_mean(self) -> DurationSection:
        if self.kind != "never" and self.mean_s is None:
            raise ValueError("needs mean_s (seconds)")
        return self

    def made(self) -> Duration:
        """The distribution."""
        return Duration(self.kind, self.mean_s or 0.0, self.cv)


class SimulationSection(Section):
    """[simulation]: what is simulated, how long and how often."""

    hotline: str | None = None  # a configuration, relative to this file; none = all of it stands in this file
    level: Literal["switchboard", "distribution"] = "switchboard"
    day: date = date(2026, 11, 23)  # which day's opening hours count: a Monday
    begin: Annotated[str, Field(pattern=TIME)] = "00:00"
    end: Annotated[str, Field(pattern=TIME)] = "24:00"
    count_from: Annotated[str, Field(pattern=TIME)] | None = None  # callers before it are simulated, not counted
    runs: Annotated[int, Field(ge=1, le=10_000)] = 10
    seed: Annotated[int, Field(ge=0)] = 1
    drain_s: Annotated[float, Field(ge=0, le=86400)] = 3600.0  # after `end` for those who still wait


class ArrivalsSection(Section):
    """[[arrivals]]: a stream of callers, Poisson with a rate that changes by the hour or the quarter."""

    queue: Id | None = None  # they stand in its line at once
    dialled: Dialled | None = None  # or they dial a number and
    keys: list[Annotated[str, Field(pattern=r"^([0-9*]{0,8}|#)$")]] = Field(default_factory=list)  # press these
    calls_per_hour: Annotated[float, Field(ge=0)] | None = None
    per_hour: list[Annotated[float, Field(ge=0)]] | None = None  # calls in each hour from `begin` on
    per_quarter: list[Annotated[float, Field(ge=0)]] | None = None  # calls in each quarter of an hour
    patience: DurationSection | None = None  # else that of [citizens]
    talk: DurationSection | None = None

    @model_validator(mode="after")
    def _one_of_each(self) -> ArrivalsSection:
        if (self.queue is None) == (self.dialled is None):
            raise ValueError("needs either queue or dialled")
        if sum(one is not None for one in (self.calls_per_hour, self.per_hour, self.per_quarter)) != 1:
            raise ValueError("needs one of calls_per_hour, per_hour and per_quarter")
        return self


class CitizensSection(Section):
    """[citizens]: how citizens behave. The mean patience of 120 s and the talk of 180 s are `performance.md` 2d's."""

    patience: DurationSection = DurationSection(kind="exponential", mean_s=120.0)
    short_abandons: Share = 0.0  # so many of them give up
    short_within_s: Annotated[float, Field(gt=0, le=3600)] = 5.0  # within so short a time, evenly
    talk: DurationSection = DurationSection(kind="lognormal", mean_s=180.0, cv=0.8)
    key: DurationSection = DurationSection(kind="lognormal", mean_s=4.0, cv=0.5)  # until he presses a key
    survey: DurationSection = DurationSection(kind="constant", mean_s=10.0)


class PeopleSection(Section):
    """[people]: how agents behave."""

    pick_up: DurationSection | None = None  # until the phone is answered; none = at once
    no_answer: Share = 0.0  # so many offers are not answered
    wrap_up: DurationSection | None = None  # none = as long as the rules give
    back: DurationSection = DurationSection(kind="exponential", mean_s=180.0)  # after being set not ready for misses


class StaffSection(Section):
    """[[staff]]: `count` agents made for this simulation, or agents of the configuration by their ids."""

    count: Annotated[int, Field(ge=1, le=100_000)] | None = None
    skills: dict[str, Level] = Field(default_factory=dict)
    agents: list[Extension] | None = None
    shifts: list[Annotated[str, Field(pattern=SHIFT)]] | None = None  # none = from begin to end

    @model_validator(mode="after")
    def _one_of_both(self) -> StaffSection:
        if (self.count is None) == (self.agents is None):
            raise ValueError("needs either count (with skills) or agents (ids of the configuration)")
        if self.agents is not None and self.skills:
            raise ValueError("agents of the configuration have their skills there")
        return self


class PlanFile(Section):
    """The simulation's own part of the file."""

    simulation: SimulationSection = Field(default_factory=SimulationSection)
    arrivals: list[ArrivalsSection] = Field(min_length=1)
    citizens: CitizensSection = Field(default_factory=CitizensSection)
    people: PeopleSection = Field(default_factory=PeopleSection)
    staff: list[StaffSection] = Field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream of callers: `slots` are (begin, end, calls expected), epoch seconds."""

    dialled: str
    queue: QueueId
    keys: tuple[str, ...]
    straight: bool
    slots: tuple[tuple[float, float, float], ...]
    patience: Duration
    talk: Duration


@dataclass(frozen=True, slots=True)
class SimulationPlan:
    """A checked plan: the hotline's, the streams, the people, the shifts and the numbers of the run."""

    file: Path
    hotline: Plan
    raw: PlanFile
    streams: tuple[Stream, ...]
    shifts: tuple[Shift, ...]
    begin: float
    end: float
    count_from: float


def load_plan(file: Path) -> SimulationPlan:
    """Read and check a simulation's plan. Raises `ConfigError` naming everything that is wrong, by file and line."""
    source = read_source(file)
    own = {name: value for name, value in source.table.items() if name in OWN}
    problems: list[Problem] = []
    try:
        raw = PlanFile.model_validate(own)
    except ValidationError as error:
        found = [fault_at(file, source.lines, fault) for fault in error.errors()]
        raise ConfigError([replace(one, text=one.text.replace(" value error,", "")) for one in found]) from error
    base: Source | None = None
    if raw.simulation.hotline is not None:
        base = read_source(file.parent / raw.simulation.hotline)
    settings = changed(base, source, OWN, more={"agents": generated_agents(raw.staff)})
    reader = _Reader(source, raw, settings)
    plan = reader.plan()
    problems += reader.problems
    if problems:
        raise ConfigError(problems)
    return plan


def generated_agents(staff: Sequence[StaffSection]) -> list[dict[str, Any]]:
    """The agents of the groups with a number, as a configuration has them."""
    agents: list[dict[str, Any]] = []
    for group in staff:
        for _ in range(group.count or 0):
            number = FIRST_STAFF + len(agents)
            agents.append({"id": str(number), "name": f"Simulated {number}", "skills": dict(group.skills)})
    return agents


def straight(plan: Plan) -> Plan:
    """The plan with a number for each queue that leads straight into its line."""
    numbers = dict(plan.numbers)
    for queue in plan.queues:
        numbers[STRAIGHT + queue] = NumberPlan(STRAIGHT + queue, "zh", None, queue, OpeningHours())
    return replace(plan, numbers=numbers)


class _Reader:
    """Makes the plan of the typed file and finds what contradicts itself."""

    def __init__(self, source: Source, raw: PlanFile, settings: Settings) -> None:
        self.source, self.raw, self.hotline = source, raw, straight(settings.plan)
        self.problems: list[Problem] = []

    def _wrong(self, path: TomlPath, text: str) -> None:
        line = self.source.lines.line_of(path)
        self.problems.append(Problem(str(self.source.file), line, f"{dotted(path)} {text}"))

    def _instant(self, clock: str) -> float:
        zone = ZoneInfo(self.hotline.timezone)
        midnight = datetime.combine(self.raw.simulation.day, datetime.min.time(), zone)
        hours, minutes = map(int, clock.split(":"))
        return (midnight + timedelta(hours=hours, minutes=minutes)).timestamp()

    def plan(self) -> SimulationPlan:
        """The plan; what is wrong is in `problems`."""
        own = self.raw.simulation
        begin, end = self._instant(own.begin), self._instant(own.end)
        count_from = self._instant(own.count_from) if own.count_from else begin
        if end <= begin:
            self._wrong(("simulation", "end"), f"{own.end} is not after begin {own.begin}")
            raise ConfigError(self.problems)  # nothing that is counted in hours could be judged
        if not begin <= count_from < end:
            self._wrong(("simulation", "count_from"), f"{own.count_from} is not between {own.begin} and {own.end}")
        streams = tuple(self._stream(index, one, begin, end) for index, one in enumerate(self.raw.arrivals))
        shifts = tuple(sorted(self._shifts(begin, end), key=lambda shift: (shift.begin, shift.agent)))
        return SimulationPlan(self.source.file, self.hotline, self.raw, streams, shifts, begin, end, count_from)

    def _stream(self, index: int, one: ArrivalsSection, begin: float, end: float) -> Stream:
        plan, queue = self.hotline, QueueId(one.queue or "")
        if one.queue is not None and queue not in plan.queues:
            self._wrong(("arrivals", index, "queue"), f"{one.queue!r} is no queue; there are: {', '.join(plan.queues)}")
        if one.dialled is not None and one.dialled not in plan.numbers:
            known = ", ".join(number for number in plan.numbers if not number.startswith(STRAIGHT))
            self._wrong(("arrivals", index, "dialled"), f"{one.dialled} is not among [[numbers]]; there are: {known}")
        if one.queue is not None and one.keys:
            self._wrong(("arrivals", index, "keys"), "are pressed in a menu; give dialled, not queue")
        if one.dialled is not None and self.raw.simulation.level == "distribution":
            place: TomlPath = ("arrivals", index, "dialled")
            self._wrong(place, 'has a menu before the line; give queue, or level = "switchboard"')
        for name, values, seconds in (("per_hour", one.per_hour, 3600), ("per_quarter", one.per_quarter, 900)):
            needed = -(-(end - begin) // seconds)
            if values is not None and len(values) != needed:
                self._wrong(("arrivals", index, name), f"has {len(values)} values; begin to end needs {needed:.0f}")
        width = 900.0 if one.per_quarter is not None else 3600.0
        values = one.per_quarter or one.per_hour
        slots = []
        at, slot = begin, 0
        while at < end:
            until = min(at + width, end)
            if values is not None:
                calls = values[slot] if slot < len(values) else 0.0
            else:
                calls = (one.calls_per_hour or 0.0) * (until - at) / 3600
            slots.append((at, until, calls))
            at, slot = until, slot + 1
        citizens = self.raw.citizens
        return Stream(
            one.dialled or STRAIGHT + queue,
            queue,
            tuple(one.keys),
            one.queue is not None,
            tuple(slots),
            (one.patience or citizens.patience).made(),
            (one.talk or citizens.talk).made(),
        )

    def _shifts(self, begin: float, end: float) -> list[Shift]:
        found: list[Shift] = []
        named: set[str] = set()
        generated = 0
        for index, group in enumerate(self.raw.staff):
            spans = self._spans(index, group, begin, end)
            for agent in group.agents or []:
                if agent not in self.hotline.agents:
                    self._wrong(("staff", index, "agents"), f"{agent} is not among [[agents]]")
                named.add(agent)
                found += [Shift(AgentId(agent), *span) for span in spans]
            for _ in range(group.count or 0):
                agent = str(FIRST_STAFF + generated)
                generated += 1
                named.add(agent)
                found += [Shift(AgentId(agent), *span) for span in spans]
        found += [Shift(agent, begin, end) for agent in self.hotline.agents if agent not in named]
        return found

    def _spans(self, index: int, group: StaffSection, begin: float, end: float) -> list[tuple[float, float]]:
        if group.shifts is None:
            return [(begin, end)]
        spans = []
        for shift in group.shifts:
            since, until = (self._instant(clock) for clock in shift.split("-"))
            if until <= since:
                self._wrong(("staff", index, "shifts"), f"{shift} ends before it begins")
            if max(since, begin) < min(until, end):
                spans.append((max(since, begin), min(until, end)))
        spans.sort()
        if any(second[0] < first[1] for first, second in zip(spans, spans[1:], strict=False)):
            self._wrong(("staff", index, "shifts"), "overlap: an agent is in two places")
        return spans
