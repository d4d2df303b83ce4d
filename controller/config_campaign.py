"""[citizens.campaign]: the automatic voice follow-up as configured; what contradicts itself is named with its line."""

from __future__ import annotations

import re
from collections.abc import Callable

from acd.campaign import Attempts, Pace
from controller.config_sections import HotlineFile
from controller.plan import CampaignPlan
from controller.toml_lines import Path as TomlPath
from ivr.hours import HoursError, parse_hours
from tickets.calendars import Calendar
from tickets.campaign import CampaignRules
from tickets.follow_up import Why

Wrong = Callable[[TomlPath, str], None]

_PLACE: TomlPath = ("citizens", "campaign")


def campaign_plan(raw: HotlineFile, calendar: Calendar | None, source: str, wrong: Wrong) -> CampaignPlan:
    """When and how citizens are called. Notes what is wrong: no way to call anybody, hours that are none, bounds."""
    section = raw.citizens.campaign
    if section.on and not raw.callback.dial:
        wrong((*_PLACE, "on"), "needs [callback] dial; without it nobody is called")
    try:
        hours = parse_hours(section.hours, source)
    except HoursError as error:
        for problem in error.problems:
            wrong((*_PLACE, "hours", *problem.path.split(".")), problem.text)
        hours = parse_hours(None, "")
    pace = Pace()
    try:
        pace = Pace(section.at_once, section.per_minute, section.lines, section.keep_free)
    except ValueError as error:
        wrong((*_PLACE, "keep_free"), str(error))
    gaps = tuple(minutes * 60.0 for minutes in section.gaps_min)
    attempts = Attempts(section.attempts, gaps, section.keep_days * 86_400.0)
    working = calendar if section.working_days else None
    return CampaignPlan(section.on, hours, working, pace, attempts, section.ring_s)


def campaign_rules(raw: HotlineFile, wrong: Wrong) -> CampaignRules:
    """Which tickets it may ask about. Notes a number that is no regular expression."""
    section = raw.citizens.campaign
    for index, pattern in enumerate(section.never):
        try:
            re.compile(pattern)
        except re.error as error:
            wrong((*_PLACE, "never", index), f"is no regular expression: {error}")
    return CampaignRules(frozenset(Why(one) for one in section.reasons), tuple(section.never))
