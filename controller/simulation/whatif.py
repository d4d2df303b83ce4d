"""Yesterday again, with other staffing, skills or rules: `hotline replay DAY --with CHANGE.toml`.

A change is a piece of configuration (`change.py`) with two sections more: ``[staffing]`` takes agents out,
``[[staff]]`` adds shifts of agents. Without any change the day is the journal's own, decision by decision. With one,
yesterday's people (`yesterday.py`) meet the changed rules in the simulated exchange; the same is played with the rules
of yesterday too, so that what the model gets wrong stands beside what the change does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationError

from controller.config import load
from controller.config_base import Section
from controller.config_faults import ConfigError, Problem, dotted, fault_at
from controller.config_sections import Extension
from controller.plan import Plan
from controller.simulation import figures
from controller.simulation.change import Source, changed, read_source
from controller.simulation.crowd import Shift
from controller.simulation.exchange import SimulatedExchange
from controller.simulation.figures import Day
from controller.simulation.plan import StaffSection, generated_agents
from controller.simulation.yesterday import RecordedCrowd, Yesterday
from controller.toml_lines import Path as TomlPath
from pbx.call import CallRecord
from pbx.ids import AgentId, CallId

OWN = frozenset({"staffing", "staff"})
"""The sections that are no configuration of a hotline."""


class StaffingSection(Section):
    """[staffing]: who does not work."""

    remove: list[Extension] = Field(default_factory=list)


class ChangeFile(Section):
    """The change's own part of its file."""

    staffing: StaffingSection = Field(default_factory=StaffingSection)
    staff: list[StaffSection] = Field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Change:
    """A checked change: the hotline's plan after it, who is taken out, and the groups that are added."""

    plan: Plan
    removed: frozenset[AgentId]
    groups: tuple[tuple[tuple[AgentId, ...], tuple[str, ...] | None], ...]  #: agents, their shifts
    nothing: bool  #: whether nothing at all is changed

    @property
    def added(self) -> frozenset[AgentId]:
        """Everybody who works beside his own hours."""
        return frozenset(agent for agents, _ in self.groups for agent in agents)

    def shifts(self, day: Yesterday) -> list[Shift]:
        """The added shifts on that day; those without hours last from its beginning to its end."""
        zone = ZoneInfo(self.plan.timezone)
        midnight = datetime.combine(datetime.fromtimestamp(day.begin, zone).date(), datetime.min.time(), zone)
        if day.day:
            midnight = datetime.strptime(day.day, "%Y%m%d").replace(tzinfo=zone)
        found: list[Shift] = []
        for agents, spans in self.groups:
            for begin, end in [(day.begin, day.end)] if spans is None else _instants(spans, midnight):
                if max(begin, day.begin) < min(end, day.end):
                    found += [Shift(agent, max(begin, day.begin), min(end, day.end)) for agent in agents]
        return found


def _instants(spans: Sequence[str], midnight: datetime) -> list[tuple[float, float]]:
    found = []
    for span in spans:
        clocks = [clock.split(":") for clock in span.split("-")]
        since, until = (midnight + timedelta(hours=int(hours), minutes=int(minutes)) for hours, minutes in clocks)
        found.append((since.timestamp(), until.timestamp()))
    return found


def load_change(hotline: Path, file: Path) -> Change:
    """Read and check a change of the configuration `hotline`. Raises `ConfigError` with every fault."""
    source = read_source(file)
    own = {name: value for name, value in source.table.items() if name in OWN}
    try:
        raw = ChangeFile.model_validate(own)
    except ValidationError as error:
        found = [fault_at(file, source.lines, fault) for fault in error.errors()]
        raise ConfigError([replace(one, text=one.text.replace(" value error,", "")) for one in found]) from error
    before = load(hotline).plan
    extra = {"agents": generated_agents(raw.staff)}
    plan = changed(read_source(hotline), source, OWN, more=extra if extra["agents"] else None).plan
    problems = [*_faults(source, raw, plan)]
    if problems:
        raise ConfigError(problems)
    made = iter(extra["agents"])
    groups = tuple(
        (
            tuple(map(AgentId, group.agents or [next(made)["id"] for _ in range(group.count or 0)])),
            None if group.shifts is None else tuple(group.shifts),
        )
        for group in raw.staff
    )
    removed = frozenset(map(AgentId, raw.staffing.remove))
    same = replace(plan, version=before.version) == before
    return Change(plan, removed, groups, same and not removed and not groups)


def _faults(source: Source, raw: ChangeFile, plan: Plan) -> Iterable[Problem]:
    def wrong(path: TomlPath, text: str) -> Problem:
        return Problem(str(source.file), source.lines.line_of(path), f"{dotted(path)} {text}")

    for agent in raw.staffing.remove:
        if agent not in plan.agents:
            yield wrong(("staffing", "remove"), f"{agent} is not among [[agents]]")
    for index, group in enumerate(raw.staff):
        for agent in group.agents or []:
            if agent not in plan.agents:
                yield wrong(("staff", index, "agents"), f"{agent} is not among [[agents]]")
            elif agent in raw.staffing.remove:
                yield wrong(("staff", index, "agents"), f"{agent} is taken out by [staffing] remove")
        for span in group.shifts or []:
            begin, end = span.split("-")
            if end <= begin:
                yield wrong(("staff", index, "shifts"), f"{span} ends before it begins")


def play(day: Yesterday, plan: Plan, change: Change | None = None) -> dict[CallId, CallRecord]:
    """The day's people under `plan`, with the staffing of `change`; the calls as they would have been stored.

    Raises ValueError for a journal in which the exchange was never connected.
    """
    if day.opening is None:
        raise ValueError("the exchange was never connected in this journal: there is no day in it")
    removed = change.removed if change is not None else frozenset()
    added = change.added if change is not None else frozenset()
    opening = replace(
        day.opening,
        channels=(),
        phones=tuple(dict.fromkeys((*(one for one in day.opening.phones if one not in removed), *sorted(added)))),
        marks=tuple(mark for mark in day.opening.marks if mark[0] not in removed),
        at=day.begin,
    )
    shifts = change.shifts(day) if change is not None else []
    exchange = SimulatedExchange(plan, RecordedCrowd(day), shifts, day.begin, day.end, opening=opening)
    for found in (*day.phones, *day.requests):
        if found.agent not in removed and found.agent in plan.agents:
            exchange.at(found.at, exchange.post, found)
    return exchange.run()


def measured(
    day: Yesterday,
    played: Mapping[CallId, CallRecord],
    plan: Plan,
    change: Change | None,
    only: str | None,
) -> dict[str, dict[str, float]]:
    """The figures of the calls of `only` (``YYYYMMDD``, None = all), with whom they were served by."""
    zone = ZoneInfo(plan.timezone)
    everybody = list(played.values())
    rule = plan.agent_rules.wrap_up_s

    def of_the_day(record: CallRecord) -> bool:
        return only is None or datetime.fromtimestamp(record.arrived_at, zone).strftime("%Y%m%d") == only

    def wrap_up_s(record: CallRecord, agent: AgentId) -> float:
        one = day.told.get(record.call)
        return min(rule, one.writes_s(agent)) if one is not None else rule

    shifts = day.shifts(change.removed if change is not None else frozenset())
    shifts += change.shifts(day) if change is not None else []
    begin, end = day.begin, day.end
    if only is not None:
        midnight = datetime.strptime(only, "%Y%m%d").replace(tzinfo=zone)
        begin, end = max(begin, midnight.timestamp()), min(end, (midnight + timedelta(days=1)).timestamp())
    records = [record for record in everybody if of_the_day(record)]
    return figures.of_day(Day(records, everybody, shifts, begin, end, wrap_up_s), plan)


def notes(day: Yesterday) -> list[str]:
    """What a reader of the figures has to know of how they came about."""
    patience = RecordedCrowd(day).patience
    found = [
        f"patience: {patience.gave_up} gave up, {patience.censored} were answered before they would have "
        "(their patience is drawn from the Kaplan-Meier estimate of both)"
    ]
    if patience.gave_up == 0:
        found.append("nobody gave up, so nothing is known of patience: nobody gives up in the played days either")
    if day.unknown:
        found.append(f"{day.unknown} calls began before the journal or ended after it; they are not played again")
    if day.restarts:
        found.append(f"the exchange was away {day.restarts} times, or the controller was; in the played days it is not")
    return found


def document(columns: dict[str, dict[str, dict[str, float]]], day: Yesterday, only: str | None) -> dict[str, Any]:
    """The figures of all columns as a JSON object."""
    return {
        "day": only,
        "steps": day.steps,
        "calls": len(day.records),
        "notes": notes(day),
        "figures": columns,
    }
