"""[tickets] of the configuration becomes the rules for tickets: limits, clocks, calendar, reminders."""

from __future__ import annotations

from collections.abc import Callable
from datetime import time
from pathlib import Path
from types import MappingProxyType

from controller.config_sections import AmountSection, HotlineFile, TicketsSection
from controller.config_webhooks import listeners
from controller.toml_lines import Path as TomlPath
from tickets.calendars import CalendarError, ChineseCalendar, YearDays, year_from
from tickets.clock import USUAL_REASONS, PauseReason
from tickets.deadlines import ClockKind, DeadlineRules, Limit, LimitRule, Redispatch, Unit, WorkingHours, equally_close
from tickets.schedule import USUAL_STEPS, Act, StepRule, When
from tickets.ticket import TicketPolicy, TicketType
from tickets.times import missing_years

Wrong = Callable[[TomlPath, str], None]
"""Notes what is wrong at a place of the file."""

EXTENSION = Limit(5, Unit.WORKING_DAYS, "GK: as much as the usual limit")


def ticket_policy(raw: HotlineFile, file: Path, zone: str, wrong: Wrong) -> TicketPolicy:
    """The rules for tickets in the time `zone`; of no use after noting what contradicts itself."""
    section = raw.tickets
    for name in section.close_working_days:
        _type(name, ("tickets", "close_working_days", name), wrong)
    both = set(section.holidays) & set(section.workdays)
    if both:
        wrong(("tickets", "workdays"), f"{min(both)} stands in holidays too")
    spans = tuple(
        (time.fromisoformat(begin), time(0) if end == "24:00" else time.fromisoformat(end))
        for begin, end in (span.split("-") for span in section.working_hours)
    )
    for index, (_, end) in enumerate(spans):
        if end == time(23, 59):
            wrong(("tickets", "working_hours", index), "leaves out the last minute of the day; write 24:00")
    try:
        hours = WorkingHours(spans, zone)
    except ValueError as error:
        wrong(("tickets", "working_hours"), str(error))
        hours = WorkingHours(zone=zone)
    days = {day: False for day in section.holidays} | {day: True for day in section.workdays}
    calendar = ChineseCalendar(MappingProxyType(days), years=MappingProxyType(_years(section, file, wrong)))
    return TicketPolicy(
        hours,
        calendar,
        _rules(section, f"{file.name}, [tickets]", wrong),
        reasons=_reasons(section, wrong),
        steps=_steps(section, wrong),
        told=listeners(raw.webhooks, wrong),
        dispatches_max=section.dispatches_max,
        redo_max=section.redo_max,
    )


def _type(name: str, place: TomlPath, wrong: Wrong) -> None:
    if name not in {kind.value for kind in TicketType}:
        known = ", ".join(kind.value for kind in TicketType)
        wrong(place, f"{'' if place[-1] == name else repr(name) + ' '}is no type of ticket; there are: {known}")


def _years(section: TicketsSection, file: Path, wrong: Wrong) -> dict[int, YearDays]:
    """The notices that are entered as files; paths are relative to the configuration file."""
    found: dict[int, YearDays] = {}
    for index, name in enumerate(section.calendars):
        place: TomlPath = ("tickets", "calendars", index)
        try:
            year = year_from(name, (file.parent / name).read_text("utf-8"))
        except OSError as error:
            wrong(place, f"{name} cannot be read: {error.strerror}")
        except UnicodeDecodeError:
            wrong(place, f"{name} is not UTF-8 text; save it as UTF-8")
        except CalendarError as error:
            wrong(place, f"{name}: {error}")
        else:
            if year.year in found:
                wrong(place, f"{name} is about {year.year}, as another of these files is")
            found[year.year] = year
    return found


def _amount(section: AmountSection, source: str, place: TomlPath, wrong: Wrong, *, needed: bool = True) -> Limit | None:
    """The one span that is given; None after noting that none or several are, or where none need be."""
    given = [
        (value, unit)
        for value, unit in (
            (None if section.minutes is None else section.minutes / 60, Unit.HOURS),
            (section.hours, Unit.HOURS),
            (section.working_hours, Unit.WORKING_HOURS),
            (section.working_days, Unit.WORKING_DAYS),
        )
        if value is not None
    ]
    if not given and not needed:
        return None
    if len(given) != 1:
        wrong(place, "needs exactly one of minutes, hours, working_hours, working_days")
        return None
    return Limit(float(given[0][0]), given[0][1], source)


def _rules(section: TicketsSection, where: str, wrong: Wrong) -> DeadlineRules:
    limits: list[LimitRule] = []
    for index, one in enumerate(section.limits):
        place: TomlPath = ("tickets", "limits", index)
        for name in one.types:
            _type(name, (*place, "types"), wrong)
        limit = _amount(one, one.source or where, place, wrong)
        if limit is None:
            continue
        limits.append(
            LimitRule(ClockKind(one.clock), limit, tuple(one.types), tuple(one.classes), tuple(one.urgencies), one.hard)
        )
        if any(limits[-1] in pair for pair in equally_close(limits)):
            wrong(place, "fits the same tickets as closely as one before it; only one of them can hold")
            limits.pop()
    redo = _amount(section.redo, where, ("tickets", "redo"), wrong) if section.redo else None
    longest = section.extension_max
    extension = _amount(longest, where, ("tickets", "extension_max"), wrong) if longest else None
    return DeadlineRules(
        Limit(section.sign_working_hours, Unit.WORKING_HOURS, where),
        {name: Limit(days, Unit.WORKING_DAYS, where) for name, days in section.close_working_days.items()},
        Limit(section.close_other_working_days, Unit.WORKING_DAYS, where),
        tuple(limits),
        Redispatch(section.redispatch),
        redo,
        extension or EXTENSION,
        section.extensions_max,
        dispatch=Limit(section.dispatch_hours, Unit.HOURS, where) if section.dispatch_hours else None,
    )


def _steps(section: TicketsSection, wrong: Wrong) -> tuple[StepRule, ...]:
    if section.steps is None:
        return USUAL_STEPS
    found: dict[str, StepRule] = {}
    for index, one in enumerate(section.steps):
        place: TomlPath = ("tickets", "steps", index)
        if one.id in found:
            wrong((*place, "id"), f"{one.id} stands twice; every step needs its own")
        for name in one.types:
            _type(name, (*place, "types"), wrong)
        amount = _amount(one, one.source, place, wrong, needed=one.when != "at")
        try:
            found[one.id] = StepRule(
                one.id,
                ClockKind(one.clock),
                When(one.when),
                Act(one.act),
                tuple(one.to),
                amount,
                tuple(one.types),
                tuple(one.urgencies),
                one.source,
            )
        except ValueError as error:
            if one.when == "at":  # a missing distance has been noted
                wrong(place, str(error))
    return tuple(found.values())


def _reasons(section: TicketsSection, wrong: Wrong) -> MappingProxyType[str, PauseReason]:
    if section.pauses is None:
        return MappingProxyType(dict(USUAL_REASONS))
    found: dict[str, PauseReason] = {}
    for index, one in enumerate(section.pauses):
        place: TomlPath = ("tickets", "pauses", index)
        if one.id in found:
            wrong((*place, "id"), f"{one.id} stands twice; every reason needs its own")
        longest = _amount(one.longest, one.source, (*place, "longest"), wrong) if one.longest else None
        found[one.id] = PauseReason(
            one.id,
            one.name_zh,
            one.name_en,
            frozenset(one.granted_by),
            frozenset(ClockKind(name) for name in one.stops),
            longest,
            one.source,
        )
    return MappingProxyType(found)


# ---------------------------------------------------------------- years that nobody knows


def calendar_notes(policy: TicketPolicy, now: float) -> list[str]:
    """What somebody who runs the hotline must be told about its calendar at `now`, each a sentence."""
    notes = []
    for year in missing_years(policy, now):
        notes.append(
            f"no holiday notice for {year} is known, and deadlines reach into it now or soon: there they count plain "
            "weekends and fixed holidays, and the tickets are marked provisional. Enter the State Council's notice as "
            f"a file in [tickets] calendars (`hotline calendar --check FILE`), or update chinesecalendar. "
            f"{year} 年节假日安排尚无数据,相关时限为暂定。"
        )
    if isinstance(policy.calendar, ChineseCalendar):
        for entered in policy.calendar.years.values():
            notes.extend(f"{entered.source}: {doubt}" for doubt in entered.doubts())
    return notes
