"""What definitions look at: rows of calls, tickets, decisions and agents' time. Pure.

A call's row is made from its instants once, so that a hundred definitions cost a hundred comparisons and no more. The
other rows are filled by the controller: rooms do not know each other, so what a figure needs of a ticket stands here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from metrics.instants import Instants
from metrics.intervals import AgentInterval
from metrics.servicelevel import GAVE_NOT_UP, answered, decided, elapsed, queue_entry
from pbx.call import Outcome


class CallRow:
    """One call that came in. Durations in seconds, whole milliseconds; None = not known, or there was none."""

    __slots__ = (
        "abandon_wait", "abandoned", "agent", "answered", "arrived_at", "call", "caller", "city", "decided", "dialled",
        "failed", "hold_s", "id", "offered", "overflowed", "queue", "score", "talk_s", "ticket", "wait",
        "wait_from_arrival", "wait_from_menu", "wrap_up_s",
    )  # fmt: skip
    wait: float | None
    wait_from_arrival: float | None
    wait_from_menu: float | None
    talk_s: float | None
    hold_s: float | None

    def __init__(self, one: Instants, ticket: TicketRow | None = None, city: str = "") -> None:
        self.call = one.call
        self.id = str(one.call)  #: by which a figure names it
        self.caller, self.dialled, self.agent, self.city = one.caller, one.dialled, one.agent, city
        self.queue = str(one.queue or "")
        self.arrived_at, joined, outcome = one.arrived_at, one.joined_at, one.outcome
        entry = queue_entry(one)
        self.decided, self.answered = decided(one), answered(one)
        self.offered = entry is not None and self.decided
        self.abandoned = self.offered and not self.answered and outcome not in GAVE_NOT_UP
        self.failed, self.overflowed = outcome is Outcome.FAILED, outcome is Outcome.OVERFLOWED
        self.wait = self.wait_from_arrival = self.wait_from_menu = self.talk_s = self.hold_s = None
        if joined is not None:
            self.wait = elapsed(entry, joined)
            self.wait_from_arrival = elapsed(one.arrived_at, joined)
            begins = one.menu_done_at if one.menu_done_at is not None else one.arrived_at
            self.wait_from_menu = elapsed(begins, joined)
            self.talk_s = elapsed(joined, one.released_at if one.released_at is not None else one.ended_at)
            self.hold_s = _held(one) if self.talk_s is not None else None
        self.abandon_wait = elapsed(entry, one.ended_at) if self.abandoned else None
        self.wrap_up_s = _wrap_up(one) if one.wrap_ups else None
        self.score = one.score
        self.ticket = ticket


def _wrap_up(one: Instants) -> float | None:
    """All agents' after-call work together; None while one of them is at it."""
    spans = [elapsed(work.began_at, work.ended_at) for work in one.wrap_ups]
    known = [span for span in spans if span is not None]
    return sum(known) if len(known) == len(spans) else None


def _held(one: Instants) -> float:
    if not one.holds:
        return 0.0
    ends = (elapsed(hold.began_at, hold.ended_at) for hold in one.holds)
    return round(sum(end for end in ends if end is not None), 3)


@dataclass(frozen=True, slots=True)
class TicketRow:
    """What figures need of a ticket (`tickets.ticket.Ticket`). `now`: the instant at which it is judged.

    `before_s`: how long before it the same number had opened one of the same class; None = not within the days that
    were looked at, or one of the two is not known.
    """

    number: str
    call: str | None
    caller: str
    class_code: str
    queue: str
    city: str
    unit: str
    opened_at: float
    first_dispatched_at: float | None
    signed_at: float | None
    sign_due: float
    handle_due: float
    resolved_at: float | None
    paused: bool
    merged: bool
    returns: int
    dispatches: int
    followed_up_at: float | None
    contacted: bool | None
    solved: bool | None
    satisfied: bool | None
    now: float
    before_s: float | None = None

    @property
    def id(self) -> str:
        """By which a figure names it."""
        return self.number


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """A request of a unit that was decided; `right`: what the inspector found, None = not judged yet."""

    ticket: str
    seq: int
    kind: str
    decided_at: float
    right: bool | None
    city: str = ""
    queue: str = ""

    @property
    def id(self) -> str:
        """By which a figure names it."""
        return f"{self.ticket}/{self.seq}"


@dataclass(frozen=True, slots=True)
class ScheduledSpan:
    """When an agent was to work, by the shift plan; breaks are left out of it."""

    agent: str
    began_at: float
    ended_at: float


@dataclass(frozen=True, slots=True)
class Facts:
    """The rows of a period [since, until), epoch seconds.

    `calls` begin `look_back_s` before it where a definition looks at any window of 24 hours. `schedule` None: no shift
    plan is stored.
    """

    since: float
    until: float
    calls: Sequence[CallRow] = ()
    tickets: Sequence[TicketRow] = ()
    follow_ups: Sequence[TicketRow] = ()
    decisions: Sequence[DecisionRow] = ()
    intervals: Sequence[AgentInterval] = ()
    schedule: Sequence[ScheduledSpan] | None = None
    internet: InternetSeats | None = None


@dataclass(frozen=True, slots=True)
class InternetSeats:
    """The seats that serve the internet: how many are to be staffed, when (spans of the period), and by whom."""

    seats: int
    spans: tuple[tuple[float, float], ...]
    agents: frozenset[str] = field(default_factory=frozenset)


def with_repeats(tickets: Iterable[TicketRow]) -> dict[str, float]:
    """Of each ticket that has one before it by the same number and of the same class: so many seconds before.

    `tickets` in the order of their opening, those before the period among them.
    """
    last: dict[tuple[str, str], float] = {}
    found = {}
    for one in tickets:
        if not one.caller or not one.class_code:
            continue
        key = one.caller, one.class_code
        if key in last:
            found[one.number] = max(0.0, one.opened_at - last[key])
        last[key] = one.opened_at
    return found


def tickets_by_call(tickets: Iterable[TicketRow]) -> Mapping[str, TicketRow]:
    """The ticket that each call opened."""
    return {one.call: one for one in tickets if one.call}
