"""The configuration: one TOML file, read once, checked once, every fault named with file and line.

`load` gives a frozen `Settings` (ports, paths, database) with the `Plan` (numbers, queues, agents, rules) that the
switchboard needs, or raises `ConfigError` with everything that is wrong; nothing is started then. The meaning, the
default and the source of each value stand beside its field in `config_sections.py` and in the commented
`hotline.toml`; `config_plan.py` makes the plan, `config_faults.py` words what is wrong.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from controller.config_alerts import AlertsPlan, alerts_plan
from controller.config_archive import ArchivePlan, archive_plan, keep_policy
from controller.config_campaign import campaign_plan, campaign_rules
from controller.config_faults import ConfigError, Problem, dotted, fault_at, parse, read_text
from controller.config_figures import FiguresPlan, figures_plan
from controller.config_inspection import InspectionPlan, inspection_plan
from controller.config_mend import mend
from controller.config_organisations import ticket_policy
from controller.config_plan import HOME, PlanReader
from controller.config_sections import HotlineFile
from controller.knowledge_plan import KnowledgePlan, knowledge_plan
from controller.plan import Plan
from controller.toml_lines import Path as TomlPath
from controller.toml_lines import TomlLines, scan
from recordings.keeping import KeepPolicy
from recordings.policy import THREE_YEARS_DAYS
from tickets.campaign import CampaignRules
from tickets.ticket import TicketPolicy, TicketType

__all__ = ["ConfigError", "Problem", "Settings", "load", "settings_of"]


@dataclass(frozen=True, slots=True)
class Settings:
    """A checked configuration: the file as typed, the plan for the switchboard, and resolved places."""

    file: Path
    raw: HotlineFile
    plan: Plan
    tickets: TicketPolicy
    knowledge: KnowledgePlan
    data: Path
    database_url: str
    sounds: Path
    inspection: InspectionPlan
    campaign: CampaignRules = field(default_factory=CampaignRules)
    keeping: KeepPolicy = KeepPolicy(THREE_YEARS_DAYS)
    archive: ArchivePlan | None = None
    figures: FiguresPlan = field(default_factory=FiguresPlan)
    alerts: AlertsPlan = field(default_factory=AlertsPlan)


def load(file: Path, *, sounds: Path | None = None) -> Settings:
    """Read and check a configuration file. Raises `ConfigError` naming everything that is wrong."""
    text = read_text(file)
    lines = scan(text)
    problems = [
        Problem(str(file), line, f"{dotted(path)} stands twice (first in line {lines.lines[path]}); keep one")
        for line, path in lines.doubled
    ]
    table, broken, left_out = parse(file, text, lines)
    problems += broken
    if table is None:
        raise ConfigError(problems)
    version = hashlib.sha256(text.encode()).hexdigest()[:16]
    return settings_of(file, table, lines, version, sounds=sounds, problems=problems, left_out=left_out)


def settings_of(
    file: Path,
    table: dict[str, Any],
    lines: TomlLines,
    version: str,
    *,
    sounds: Path | None = None,
    problems: Sequence[Problem] = (),
    left_out: Sequence[TomlPath] = (),
) -> Settings:
    """The settings that a parsed file means; `problems` are those found in it before, `left_out` the places that they
    have left without a value. Raises `ConfigError` with the faults of every stage that can be reached.
    """
    mended = mend(table, left_out)
    problems = [*problems, *(fault_at(file, lines, fault) for fault in mended.faults)]
    raw = mended.file
    if raw is None:
        raise ConfigError(problems)
    sounds = sounds or HOME / "ivr" / "sounds"
    reader = PlanReader(file, lines, raw, sounds, mended)
    plan = reader.plan(version)
    tickets = ticket_policy(reader, plan.menus if plan is not None else None)
    calls = campaign_rules(raw, reader.wrong)
    if plan is not None:
        calendar = tickets.calendar if tickets is not None else None
        plan = replace(plan, campaign=campaign_plan(raw, calendar, str(file), reader.wrong))
    knowledge = knowledge_plan(raw.knowledge, file.parent, reader.wrong)
    data = (file.parent / raw.hotline.data).resolve()
    types = frozenset(one.value for one in TicketType)
    days = raw.recording.keep_days, raw.recording.transcript_keep_days
    keeping = keep_policy(*days, raw.recording.keep, types, reader.wrong)
    archive = archive_plan(raw.recording.archive, file.parent.resolve(), data, reader.wrong)
    inspection = inspection_plan(raw, file.parent, reader.wrong)
    figures = figures_plan(raw, reader.wrong)
    alerts = alerts_plan(raw, tickets, reader.wrong)
    problems += reader.problems
    if problems or plan is None or tickets is None:
        raise ConfigError(problems)
    url = raw.database.url or f"sqlite:///{data / 'hotline.db'}"
    return Settings(
        file,
        raw,
        plan,
        tickets,
        knowledge,
        data,
        url,
        sounds,
        inspection,
        calls,
        keeping,
        archive,
        figures,
        alerts,
    )
