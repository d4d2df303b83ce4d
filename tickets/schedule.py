"""What has to be said about open tickets, and when: reminders (催办), lateness, escalations (提级), as a schedule.

Nobody looks through the tickets again and again: for every ticket the instants at which something is due are worked out
once, when it changes, and a heap says which of all comes next (`Schedule.next_at`). Whoever drives it sets one timer.

Each step is made exactly once: its `key` names the ticket, the clock, the step and the due instant that it speaks of,
and the store keeps the keys of those that were made. When the due instant moves, by an extension or a pause, the steps
speak of another one and are made anew. After a restart the schedule is built from the store again, and what came due
meanwhile is made then, unless something later has overtaken it: nobody is told "due soon" about what is late.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from tickets.calendars import Calendar
from tickets.clock import ClockRun, Reading
from tickets.deadlines import ClockKind, Facts, Limit, Unit, due_micros
from tickets.worktime import SECOND, WorkingHours, micros, worktime

STALE_MIN = 1024
"""A heap is not cleaned of what no longer holds before it holds so much of that."""


class When(enum.Enum):
    """On which side of the due instant a step lies."""

    BEFORE = "before"
    AT = "at"
    AFTER = "after"


class Act(enum.Enum):
    """What a step does. The ticket's table of moves has an input of the same name for the three that move it."""

    SOON = "soon"  #: 临期: it will be due soon; a notice only
    REMIND = "remind"  #: 催办
    ESCALATE = "escalate"  #: 提级
    RESUME = "resume"  #: a pause ends by itself


@dataclass(frozen=True, slots=True)
class StepRule:
    """One line of the table of steps: at which distance from the due instant of which clock, what, to whom (roles).

    `amount` is None exactly for `When.AT`. `urgencies` and `types` limit it as in `tickets.deadlines.LimitRule`. Raises
    ValueError for a distance that is missing or does not belong.
    """

    id: str
    clock: ClockKind
    when: When
    act: Act
    to: tuple[str, ...]
    amount: Limit | None = None
    types: tuple[str, ...] = ()
    urgencies: tuple[str, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        """Refuse a step without a place."""
        if (self.amount is None) != (self.when is When.AT):
            raise ValueError("a step before or after the deadline needs a distance, and one at the deadline has none")

    def fits(self, facts: Facts) -> bool:
        """Whether it is for a ticket of which this is known."""
        return (not self.types or facts.type in self.types) and (not self.urgencies or facts.urgency in self.urgencies)


def _hours(amount: float, source: str = "GK") -> Limit:
    return Limit(amount, Unit.WORKING_HOURS, source)


USUAL_STEPS: tuple[StepRule, ...] = (
    StepRule(
        "dispatch-late",
        ClockKind.DISPATCH,
        When.AT,
        Act.REMIND,
        ("dispatcher", "supervisor"),
        source="domain.md 3.3 [P41]: dispatched in 24 h; else nobody would ever miss it",
    ),
    StepRule("sign-soon", ClockKind.SIGN, When.BEFORE, Act.SOON, ("unit",), _hours(1), source="GK"),
    StepRule("sign-late", ClockKind.SIGN, When.AT, Act.REMIND, ("unit", "supervisor"), source="domain.md D4"),
    StepRule("handle-soon", ClockKind.HANDLE, When.BEFORE, Act.SOON, ("unit",), _hours(4), source="GK"),
    StepRule("handle-late", ClockKind.HANDLE, When.AT, Act.REMIND, ("unit", "supervisor"), source="domain.md D6: red"),
    StepRule(
        "handle-late-5",
        ClockKind.HANDLE,
        When.AFTER,
        Act.ESCALATE,
        ("supervisor", "leader"),
        Limit(5, Unit.WORKING_DAYS, "domain.md 3.3 [P42]"),
        source="domain.md 3.3 [P42]: one reminder, then notice after 5 working days",
    ),
)
"""The steps of a hotline that names none of its own."""


@dataclass(frozen=True, slots=True, order=True)
class Step:
    """One step of one ticket. `at`: when it is to be made; `due`: the instant that it speaks of. Epoch seconds."""

    at: float
    ticket: str
    rule: str
    clock: ClockKind
    due: float
    act: Act
    to: tuple[str, ...]
    overtaken_at: float | None = None

    @property
    def key(self) -> str:
        """What makes it the same step as one that was made already, within its ticket."""
        return f"{self.clock.value}/{self.rule}/{micros(self.due)}"

    def overtaken(self, now: float) -> bool:
        """Whether saying it now would be wrong, because what it warns of has come."""
        return self.overtaken_at is not None and now > self.overtaken_at


class Outcome(enum.Enum):
    """What became of a step."""

    MADE = "made"
    OVERTAKEN = "overtaken"  #: what it warned of has come before anybody could be told, so nobody is
    REFUSED = "refused"  #: the ticket's table of moves does not have it in this state; told all the same


@dataclass(frozen=True, slots=True)
class Made:
    """A step that was made, as it is told: which ticket, what, to whom (roles), and who has the ticket now.

    `no` counts all steps in the order in which they were made.
    """

    ticket: str
    key: str
    rule: str
    act: Act
    to: tuple[str, ...]
    unit: str
    due: float
    planned_at: float
    made_at: float
    outcome: Outcome
    no: int = 0

    @property
    def quiet(self) -> bool:
        """Whether nobody is told: it was overtaken, or only lets a clock run again."""
        return self.outcome is Outcome.OVERTAKEN or self.act is Act.RESUME

    @property
    def kind(self) -> str:
        """As webhooks name it."""
        return f"reminder.{self.act.value}"


REMINDERS = frozenset(f"reminder.{act.value}" for act in Act if act is not Act.RESUME)
"""The kinds of what is told, as webhooks name them."""


def steps(
    ticket: str,
    readings: Iterable[Reading],
    facts: Facts,
    rules: Sequence[StepRule],
    hours: WorkingHours,
    calendar: Calendar,
    made: Collection[str] = (),
) -> tuple[Step, ...]:
    """What is still to be said about a ticket whose clocks read so, earliest first; `made` = keys of what was said.

    A warning whose instant would lie before the clock's start is left out: a limit of 2 hours needs no warning 4 hours
    before. Distances in working time begin and end within working hours, so nobody is reminded at midnight
    (gh:zammad/zammad#4432) unless the limit itself is one by the clock. Raises `CalendarError`.
    """
    found = []
    for one in readings:
        if one.due is None or one.run.done_at is not None:
            continue
        for rule in rules:
            if rule.clock is not one.run.kind or not rule.fits(facts):
                continue
            at = step_at(rule, one.due, hours, calendar)
            if rule.when is When.BEFORE and at <= one.run.start:
                continue
            overtaken = one.due if rule.when is When.BEFORE else None
            step = Step(at, ticket, rule.id, rule.clock, one.due, rule.act, rule.to, overtaken)
            if step.key not in made:
                found.append(step)
    return tuple(sorted(found, key=lambda step: (step.at, step.rule)))


def step_at(rule: StepRule, due: float, hours: WorkingHours, calendar: Calendar) -> float:
    """When a step about this due instant is to be made. Raises `CalendarError`."""
    if rule.amount is None:
        return due
    if rule.when is When.AFTER:
        return due_micros(micros(due), rule.amount, hours, calendar) / SECOND
    length = rule.amount.length(hours)
    if rule.amount.unit is Unit.HOURS:
        return due - length / SECOND
    return worktime(hours, calendar).before(micros(due), length) / SECOND


def soon_at(
    run: ClockRun, due: float | None, facts: Facts, rules: Sequence[StepRule], hours: WorkingHours, calendar: Calendar
) -> float | None:
    """From when on a clock is shown as due soon (临期): the earliest step before it; never before the clock's start."""
    if due is None:
        return None
    found = [
        step_at(rule, due, hours, calendar)
        for rule in rules
        if rule.clock is run.kind and rule.when is When.BEFORE and rule.fits(facts)
    ]
    return max(run.start, min(found)) if found else None


class Schedule:
    """Of all tickets, what comes next. A ticket has one entry in the heap, however many steps it has left."""

    def __init__(self) -> None:
        self._steps: dict[str, tuple[Step, ...]] = {}
        self._stamps: dict[str, int] = {}
        self._heap: list[tuple[float, int, str]] = []
        self._stamp = 0

    def __len__(self) -> int:
        return len(self._steps)

    def plan(self, ticket: str, steps: Sequence[Step]) -> None:
        """What is still to be made for this ticket, earliest first, instead of what was planned before; none = it ends.

        O(log n) for n tickets.
        """
        if not steps:
            self._steps.pop(ticket, None)
            self._stamps.pop(ticket, None)
            return
        self._stamp += 1
        self._steps[ticket] = tuple(steps)
        self._stamps[ticket] = self._stamp
        heappush(self._heap, (steps[0].at, self._stamp, ticket))
        if len(self._heap) > 2 * len(self._steps) + STALE_MIN:
            self._heap = [(self._steps[name][0].at, stamp, name) for name, stamp in self._stamps.items()]
            heapify(self._heap)

    def put_back(self, step: Step) -> None:
        """A step that was taken and could not be made: it stays planned, beside what is planned for its ticket."""
        others = [one for one in self._steps.get(step.ticket, ()) if one.key != step.key]
        self.plan(step.ticket, sorted((step, *others)))

    def next_at(self) -> float | None:
        """The next instant at which something is due, epoch seconds; None = nothing is planned."""
        while self._heap:
            at, stamp, ticket = self._heap[0]
            if self._stamps.get(ticket) == stamp:
                return at
            heappop(self._heap)
        return None

    def take(self, now: float) -> Iterator[Step]:
        """Every step that is due at `now`, in order; each is planned no more once it was given."""
        while (at := self.next_at()) is not None and at <= now:
            _, _, ticket = heappop(self._heap)
            step, *rest = self._steps[ticket]
            self.plan(ticket, rest)
            yield step
