"""The shift plan (排班表) that `hotline staffing plan` makes of what is needed. Blocking."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from datetime import time as clock
from typing import Any

from rich.table import Table

from controller.config import Settings
from controller.config_staffing import ShiftSection, StaffingSection
from controller.staffing import solver as covers
from metrics import shifts as plan
from metrics.erlang import on_the_roster
from metrics.shifts import DAY, Pattern, Pause, Rules, Shift

MOST_PATTERNS = 20_000


class NoPlan(ValueError):
    """No plan can be made; the text says why."""


def shift_of(section: ShiftSection) -> Shift:
    """A shift of [[staffing.shifts]], in half-hours."""
    begins = tuple(int(one[:2]) * 2 + int(one[3:]) // 30 for one in section.starts)
    pauses = tuple(
        Pause(
            round(one.after_h * 2),
            round((one.after_h if one.until_h is None else one.until_h) * 2),
            one.minutes // 30,
        )
        for one in section.breaks
    )
    return Shift(section.name, begins, round(section.hours * 2), pauses)


def rules_of(section: StaffingSection) -> Rules:
    """What one person may work."""
    return Rules(round(section.rest_h * 2), section.most_days, section.most_hours)


def plan_document(
    settings: Settings, required: Mapping[str, Any], *, solver: str = "auto", limit_s: float = 30.0
) -> dict[str, Any]:
    """`GET /api/staffing/plan`: shifts that cover what `work.required_document` asks for. Raises NoPlan.

    Simulated needs count where there are any, else Erlang C's. The people are the agents of the configuration, and as
    many more as it takes, called ``+1``, ``+2``: who of them has which skill is not looked at.
    """
    section = settings.raw.staffing
    if not section.shifts:
        raise NoPlan("no shifts: name those that may be worked in [[staffing.shifts]]")
    need = [
        on_the_roster((row.get("simulated") or {}).get("agents", row["seats"]), section.shrinkage)
        for day in required["days"]
        for row in day["together"]
    ]
    days = [date.fromisoformat(day["day"]) for day in required["days"]]
    ways = plan.patterns([shift_of(one) for one in section.shifts], len(days))
    if len(ways) > MOST_PATTERNS:
        raise NoPlan(f"{len(ways)} ways to place shifts and breaks; allow fewer begins, or plan fewer days")
    began = time.perf_counter()
    try:
        solved = covers.cover(need, ways, solver=solver, limit_s=limit_s)
    except ModuleNotFoundError:
        raise NoPlan("HiGHS is not installed here: pip install -r requirements-plan.in, or --solver greedy") from None
    spent = time.perf_counter() - began
    found = solved.cover
    rules, names = rules_of(section), list(settings.plan.agents)
    roster = plan.people(found, names, rules, more=True)
    present = found.present(len(need))
    return {
        "days": [str(day) for day in days],
        "solver": solved.by,
        "seconds": round(spent, 3),
        "hours_paid": found.paid / 2,
        "hours_needed": sum(need) / 2,
        "least_hours": round(solved.bound / 2, 2) if solved.bound is not None else None,
        "shifts": found.shifts,
        "uncovered": found.missing,
        "people": len(roster.shifts),
        "more_people": sum(name.startswith("+") for name, _ in roster.shifts),
        "need": need,
        "present": present,
        "by_shift": [
            {**_shown(pattern, days[0]), "count": count}
            for pattern, count in sorted(found.counts, key=lambda one: (one[0].begin, one[0].end, one[0].pauses))
        ],
        "roster": [
            {"person": name, "shifts": [_shown(pattern, days[0]) for pattern in worked]}
            for name, worked in roster.shifts
        ],
        "without_forecast": required["without_forecast"],
    }


def _shown(pattern: Pattern, first: date) -> dict[str, Any]:
    def at(slot: int) -> str:
        return (datetime.combine(first, clock()) + timedelta(minutes=30 * slot)).isoformat(timespec="minutes")

    return {
        "shift": pattern.shift,
        "begin": at(pattern.begin),
        "end": at(pattern.end),
        "breaks": [[at(begin), at(end)] for begin, end in pattern.pauses],
    }


def plan_rows(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """One row a person and shift."""
    for person in document["roster"]:
        for one in person["shifts"]:
            yield {
                "person": person["person"], "shift": one["shift"], "begin": one["begin"], "end": one["end"],
                "breaks": "; ".join(f"{begin[11:]}-{end[11:]}" for begin, end in one["breaks"]),
            }  # fmt: skip


def plan_table(document: Mapping[str, Any]) -> Table:
    """How many work which shift, day by day, and what it covers."""
    bound, paid = document["least_hours"], document["hours_paid"]
    gap = f"; no plan below {bound:g} h" if bound is not None else ""
    title = (
        f"shift plan 排班 by {document['solver']}: {document['shifts']} shifts, {paid:g} h paid for "
        f"{document['hours_needed']:g} h needed{gap}; {document['people']} people"
    )
    made = Table(title=title, title_justify="left", box=None)
    for heading in ("day", "shift", "from", "to", "breaks", "people"):
        made.add_column(heading, no_wrap=heading != "breaks", justify="right" if heading == "people" else "left")
    for one in document["by_shift"]:
        breaks = ", ".join(f"{begin[11:]}-{end[11:]}" for begin, end in one["breaks"])
        cells = (one["begin"][:10], one["shift"], one["begin"][11:], one["end"][11:], breaks)
        made.add_row(*cells, str(one["count"]))
    return made


def plan_notes(document: Mapping[str, Any]) -> Iterator[str]:
    """What a reader must know of a plan."""
    if document["more_people"]:
        yield f"note: {document['more_people']} people more than the configuration has agents 需增员"
    if document["uncovered"]:
        short = [
            f"{document['days'][slot // DAY]} {slot % DAY // 2:02d}:{slot % 2 * 30:02d}"
            for slot, (need, there) in enumerate(_pairs(document))
            if there < need
        ]
        yield f"note: no shift covers {', '.join(short[:6])}{' …' if len(short) > 6 else ''} 无班次覆盖"


def _pairs(document: Mapping[str, Any]) -> Sequence[tuple[int, int]]:
    return list(zip(document["need"], document["present"], strict=True))
