"""[inspection] of the configuration: quality inspection of all calls, see docs/inspection.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from controller.toml_lines import Path as TomlPath
from recordings.inspection.card import Card, CardError, card_of
from recordings.inspection.rules import Rules, RulesError, rules_of
from recordings.inspection.standard import STANDARD, table_of

if TYPE_CHECKING:
    from controller.config_sections import HotlineFile

DAY_S = 86_400.0


class InspectionSection(BaseModel):
    """[inspection]."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    on: bool = True
    rules: str | None = None  # a file like recordings/inspection/standard.toml in place of it
    look_back_days: Annotated[int, Field(ge=0, le=3650)] = 7  # recordings of so long ago are inspected by new rules too
    appeal_days: Annotated[int, Field(ge=1, le=365)] = 7  # for an agent, after the score
    teams: dict[str, list[str]] = Field(default_factory=dict)  # name = agents


@dataclass(frozen=True, slots=True)
class InspectionPlan:
    """What [inspection] means. `table`: the rules' file as it was read, for the process that inspects."""

    on: bool
    table: Mapping[str, Any]
    rules: Rules
    card: Card | None
    look_back_s: float
    appeal_s: float
    team_of: Mapping[str, str] = field(default_factory=dict)


def inspection_plan(
    raw: HotlineFile, folder: Path, wrong: Callable[[TomlPath, str], None] = lambda place, why: None
) -> InspectionPlan:
    """The plan of the section; `wrong` is told of what cannot be used, and what comes with the program stands in.

    Blocks: it reads the rules' file.
    """
    section = raw.inspection
    table = table_of(STANDARD)
    if section.rules is not None:
        try:
            given = table_of(folder / section.rules)
            rules_of(given)
            if "card" in given:
                card_of(given["card"])
            table = given
        except (OSError, RulesError, CardError, TypeError, AttributeError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            wrong(("inspection", "rules"), f"cannot be used ({reason})")
    known, team_of = {agent.id for agent in raw.agents}, dict[str, str]()
    for team, agents in section.teams.items():
        for agent in agents:
            if agent not in known:
                wrong(("inspection", "teams", team), f"there is no agent {agent}")
            elif team_of.setdefault(agent, team) != team:
                wrong(("inspection", "teams", team), f"{agent} is in {team_of[agent]} already")
    return InspectionPlan(
        section.on,
        {name: value for name, value in table.items() if name != "card"},
        rules_of(table),
        card_of(table["card"]) if "card" in table else None,
        section.look_back_days * DAY_S,
        section.appeal_days * DAY_S,
        team_of,
    )
