"""[staffing] of the configuration: what staffing is planned for (docs/staffing.md)."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import Field, model_validator

from controller.config_base import Section

Share = Annotated[float, Field(gt=0, lt=1)]
CLOCK = r"^([01]\d|2[0-3]):[03]0$"


class SpecialDaySection(Section):
    """[[staffing.special_days]]: days that are like no other, by a name that returns."""

    name: Annotated[str, Field(min_length=1, max_length=40)]
    days: list[date] = Field(min_length=1)
    factor: Annotated[float, Field(gt=0, le=100)] | None = None  # of an ordinary day; none = learnt from earlier ones


class BreakSection(Section):
    """[[staffing.shifts.breaks]]: the agent is away for `minutes`, begun between two times after his shift's begin."""

    after_h: Annotated[float, Field(ge=0, le=24)]
    until_h: Annotated[float, Field(ge=0, le=24)] | None = None  # the latest begin; none = exactly after_h
    minutes: Annotated[int, Field(ge=30, le=240, multiple_of=30)] = 30


class ShiftSection(Section):
    """[[staffing.shifts]]: a shift that somebody may work."""

    name: Annotated[str, Field(min_length=1, max_length=40)]
    starts: list[Annotated[str, Field(pattern=CLOCK)]] = Field(min_length=1)
    hours: Annotated[float, Field(gt=0, le=12, multiple_of=0.5)]
    breaks: list[BreakSection] = Field(default_factory=list)

    @model_validator(mode="after")
    def _breaks_lie_in_it(self) -> ShiftSection:
        reached = 0.0
        for one in self.breaks:
            last = one.after_h if one.until_h is None else one.until_h
            if one.after_h < reached or last < one.after_h or last + one.minutes / 60 > self.hours:
                raise ValueError("breaks must follow each other within the shift")
            if (one.after_h * 2) % 1 or (last * 2) % 1:
                raise ValueError("breaks begin on half-hours of the shift")
            reached = last + one.minutes / 60
        return self


class StaffingSection(Section):
    """[staffing]."""

    target: Share = 0.95  # of all calls offered (seed S4: 95 % within 15 s)
    within_s: Annotated[float, Field(ge=0, le=600)] = 15.0
    most_busy: Annotated[float, Field(gt=0, le=1)] = 0.85  # of their time at the telephone
    shrinkage: Annotated[float, Field(ge=0, lt=1)] = 0.15  # leave, illness, training; breaks stand in the shifts
    least: Annotated[int, Field(ge=0, le=10_000)] = 1  # agents at any time: a 12345 never closes
    history_days: Annotated[int, Field(ge=7, le=3660)] = 400
    measured_days: Annotated[int, Field(ge=1, le=366)] = 28  # talks, waits and wrap-up are those of so many days
    talk_s: Annotated[float, Field(gt=0, le=7200)] = 180.0  # until 50 talks have been measured
    patience_s: Annotated[float, Field(gt=0, le=7200)] = 120.0  # until 20 callers have given up
    wrap_up_s: Annotated[float, Field(ge=0, le=3600)] | None = None  # none = what [agent_rules] give
    special_days: list[SpecialDaySection] = Field(default_factory=list)
    shifts: list[ShiftSection] = Field(default_factory=list)
    rest_h: Annotated[float, Field(ge=0, le=48)] = 11.0  # between two shifts of one person
    most_days: Annotated[int, Field(ge=1, le=14)] = 5  # of seven in a row
    most_hours: Annotated[float, Field(gt=0, le=84)] = 44.0  # in seven days (劳动法 art. 36)

    @model_validator(mode="after")
    def _one_name_a_day(self) -> StaffingSection:
        named: dict[date, str] = {}
        for special in self.special_days:
            for day in special.days:
                if named.setdefault(day, special.name) != special.name:
                    raise ValueError(f"{day} is both {named[day]} and {special.name}")
        if len({shift.name for shift in self.shifts}) < len(self.shifts):
            raise ValueError("two shifts have the same name")
        return self
