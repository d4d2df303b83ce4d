"""Every definition of the service level (15秒接通率 and its relatives), under a versioned name, as data.

At least four definitions of "answered within 15 seconds" are in use, and they differ in what is divided
by what and in where the clock starts (`domain.md` 0.2 and 3.4). So a figure is never given without its
definition's name, and it carries the calls it was made of: two definitions can be compared call by call.

What all definitions share:

* The clock of a queue starts when the call enters its line (``queued_at``). Direct-mode calls have no
  menu and enter at once. A call that the safety net took out of the menu, or an agent answered, unseen by
  the controller may have no such instant: its clock starts with the end of the menu, or with its arrival.
  What was not seen never counts in the hotline's favour.
* Answered = an agent talked with the caller, whether the controller or the safety net joined them. An
  answer whose instant was not seen counts as answered, but not as in time.
* Offered = entered a line and is decided: answered or over. A caller still waiting is in no figure yet. A
  call that ended unseen (outcome ``failed``) was offered and is not answered.
* A call that a full queue refused (outcome ``overflowed``, or ``callback`` where one was registered) was offered: it
  stands in every denominator and is not answered. It is no abandon, so no definition leaves it out as a short one. A
  call outside the opening hours was not offered, whatever its caller was given.
* Waits are compared in whole milliseconds; "within 15 s" includes 15.000 s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from pbx.call import CallRecord, Outcome
from pbx.ids import CallId, QueueId

Predicate = Callable[[CallRecord], bool]


class Called(Protocol):
    """What the rules below look at: of a `CallRecord`, or of a call's instants (`metrics.instants.Instants`)."""

    @property
    def direction(self) -> str:
        """``inbound``, or ``outbound``."""

    @property
    def in_net(self) -> bool:
        """Whether the safety net had it."""

    @property
    def outcome(self) -> Outcome | None:
        """How it ended."""

    @property
    def arrived_at(self) -> float:
        """Epoch seconds, as all instants."""

    @property
    def menu_done_at(self) -> float | None:
        """When the menu was over."""

    @property
    def queued_at(self) -> float | None:
        """When he joined a line."""

    @property
    def joined_at(self) -> float | None:
        """When he was joined with an agent."""

    @property
    def ended_at(self) -> float | None:
        """When it was over."""


def queue_entry(record: Called) -> float | None:
    """When the call entered a line (epoch seconds); None when it never did. See the module's first rule.

    None as well for a call that the hotline placed: nobody waited in it for an agent to answer.
    """
    if record.direction != "inbound":
        return None
    if record.queued_at is not None:
        return record.queued_at
    if record.in_net or answered(record):
        return record.menu_done_at if record.menu_done_at is not None else record.arrived_at
    return None


def answered(record: Called) -> bool:
    """Whether an agent talked with the caller."""
    return record.joined_at is not None or record.outcome is Outcome.ANSWERED


def decided(record: Called) -> bool:
    """Whether it is known if the call was answered."""
    return answered(record) or record.ended_at is not None or record.outcome is not None


def offered(record: Called) -> bool:
    """Whether the call entered a line and is decided."""
    return queue_entry(record) is not None and decided(record)


GAVE_NOT_UP = (Outcome.FAILED, Outcome.CLOSED, Outcome.CALLBACK, Outcome.OVERFLOWED)
"""How a call ends whose caller did not give up. Who leaves the line for a call-back was offered and is not answered."""


def abandoned(record: Called) -> bool:
    """Whether the caller hung up in a line, unanswered; of a call that ended unseen this is not known."""
    return offered(record) and not answered(record) and record.outcome not in GAVE_NOT_UP


def elapsed(start: float | None, end: float | None) -> float | None:
    """Seconds from `start` to `end` in whole milliseconds, at least 0; None when one of them is not known."""
    if start is None or end is None:
        return None
    return max(0.0, round(end - start, 3))


def answer_wait(record: Called) -> float | None:
    """Seconds from queue entry to the talk; None when it was not answered or the instant was not seen."""
    return elapsed(queue_entry(record), record.joined_at)


def abandon_wait(record: Called) -> float | None:
    """Seconds from queue entry to the hang-up of a caller who was not answered; None for all others."""
    return elapsed(queue_entry(record), record.ended_at) if abandoned(record) else None


def estimates_held(record: CallRecord) -> tuple[int, int]:
    """How many of the waits that an ended call's caller was told held, and how many failed.

    One whose caller gave up before its upper end is neither: nobody knows how long he would have waited. Nor is one
    that said that nobody can say.
    """
    kept = failed = 0
    for told in record.estimates:
        if told.interval.high is None:
            continue
        if record.joined_at is not None:
            held = told.interval.holds(record.joined_at - told.at)
            kept, failed = kept + held, failed + (not held)
        elif record.ended_at is not None:
            failed += record.ended_at - told.at > max(told.interval.high, 1) * 60.0
    return kept, failed


@dataclass(frozen=True, slots=True)
class Definition:
    """One definition. `counts` selects the denominator, `succeeds` those of them in the numerator.

    `name` ends with its version: a change of meaning is a new version, the old one stays computable.
    """

    name: str
    threshold_s: float
    title_zh: str
    title_en: str
    formula_zh: str
    formula_en: str
    source: str
    counts: Predicate
    succeeds: Predicate


@dataclass(frozen=True, slots=True)
class Figure:
    """A definition's value over some calls.

    `value` None when the denominator is empty. The calls prove it.
    """

    definition: str
    numerator: int
    denominator: int
    value: float | None
    numerator_calls: tuple[CallId, ...]
    denominator_calls: tuple[CallId, ...]


def definitions(threshold_s: float = 15.0, short_abandon_s: float = 5.0) -> dict[str, Definition]:
    """All definitions for one threshold, by name, the headline first.

    The default threshold is that of GB/T 33358-2016. An abandon is short below `short_abandon_s` seconds
    after queue entry (5 s is usual in the field); another value than 5 shows in the name, since it makes
    another definition.
    """
    at_most = f"{threshold_s:g}"

    def in_time(record: CallRecord) -> bool:
        wait = answer_wait(record)
        return wait is not None and wait <= threshold_s

    def in_time_from_arrival(record: CallRecord) -> bool:
        wait = elapsed(record.arrived_at, record.joined_at)
        return wait is not None and wait <= threshold_s

    def answered_from_line(record: CallRecord) -> bool:
        return offered(record) and answered(record)

    def not_short(record: CallRecord) -> bool:
        wait = abandon_wait(record)
        return offered(record) and not (wait is not None and wait < short_abandon_s)

    short = "" if short_abandon_s == 5.0 else f"_{short_abandon_s:g}s"
    all_of_them = (
        Definition(
            f"sl{at_most}.offered.v1",
            threshold_s,
            f"{at_most}秒接通率(进入队列起算)",
            f"{at_most}-second rate (from queue entry)",
            f"进入队列后{at_most}秒内接通的来电 ÷ 进入队列且已有结果的全部来电",
            f"answered within {at_most} s of queue entry / all calls offered to a queue and decided",
            "domain.md 3.4: S4 (95 %, no denominator), all offered as [P48], 15 s of GB/T 33358-2016 [P1]",
            offered,
            in_time,
        ),
        Definition(
            f"sl{at_most}.answered.v1",
            threshold_s,
            f"{at_most}秒应答及时率(接通来电中)",
            f"{at_most}-second rate of answered calls",
            f"进入队列后{at_most}秒内接通的来电 ÷ 全部已接通来电",
            f"answered within {at_most} s of queue entry / all answered",
            "domain.md 3.4: 人工应答及时率 >= 80 % [P47]",
            answered_from_line,
            in_time,
        ),
        Definition(
            f"sl{at_most}.offered_no_short_abandon{short}.v1",
            threshold_s,
            f"{at_most}秒接通率(不计{short_abandon_s:g}秒内放弃)",
            f"{at_most}-second rate (abandons under {short_abandon_s:g} s left out)",
            f"进入队列后{at_most}秒内接通的来电 ÷ 进入队列且已有结果的来电(不含{short_abandon_s:g}秒内放弃)",
            f"answered within {at_most} s / offered, less those who hung up within {short_abandon_s:g} s",
            "domain.md 0.2 and 3.4: denominators without short abandons",
            not_short,
            in_time,
        ),
        Definition(
            f"sl{at_most}.from_arrival.v1",
            threshold_s,
            f"{at_most}秒接通率(来电起算, 含语音导航)",
            f"{at_most}-second rate (from arrival, menu included)",
            f"来电接入后{at_most}秒内由话务员接通的来电 ÷ 进入队列且已有结果的全部来电",
            f"answered within {at_most} s of arrival (menu included) / all calls offered to a queue",
            "domain.md 0.1, 0.2 and 3.4: clock including navigation, as 12328 reports waits [P49]",
            offered,
            in_time_from_arrival,
        ),
    )
    return {definition.name: definition for definition in all_of_them}


DEFINITIONS: dict[str, Definition] = definitions()
"""The definitions with their default numbers, by name."""

HEADLINE = "sl15.offered.v1"
"""The definition behind the first page's tile and the demo's ``service_level_15s``."""


def compute(definition: Definition, records: Iterable[CallRecord], *, queue: QueueId | None = None) -> Figure:
    """The definition's value over `records` (each call once), those of `queue` only when one is given."""
    below: list[CallId] = []
    above: list[CallId] = []
    for record in records:
        if (queue is None or record.queue == queue) and definition.counts(record):
            below.append(record.call)
            if definition.succeeds(record):
                above.append(record.call)
    return Figure(definition.name, len(above), len(below), _ratio(len(above), len(below)), tuple(above), tuple(below))


def _ratio(numerator: int, denominator: int) -> float | None:
    return numerator / denominator if denominator else None


@dataclass(frozen=True, slots=True)
class LiveFigure:
    """A definition's present value in a `Tally`; `queue` None = all queues together."""

    definition: str
    queue: QueueId | None
    numerator: int
    denominator: int
    value: float | None


@dataclass(frozen=True, slots=True)
class _Verdict:
    """How one call counts: its queue, and per definition whether below and above the line."""

    queue: QueueId | None
    arrived_at: float
    counted: tuple[tuple[bool, bool], ...]


class Tally:
    """The same figures kept live: each record is put as often as it changes, and the last one counts.

    Costs a few microseconds a record, and no walk over the day's calls for a figure.
    """

    def __init__(self, of: Mapping[str, Definition] = DEFINITIONS) -> None:
        self._definitions = tuple(of.values())
        self._verdicts: dict[CallId, _Verdict] = {}
        self._sums: dict[QueueId | None, list[list[int]]] = {None: self._zeros()}

    def put(self, record: CallRecord) -> None:
        """Count a call as its record stands now, in place of what was put for it before."""
        self._forget(record.call)
        counted = []
        for definition in self._definitions:
            below = definition.counts(record)
            counted.append((below, below and definition.succeeds(record)))
        if any(below for below, _ in counted):
            verdict = _Verdict(record.queue, record.arrived_at, tuple(counted))
            self._verdicts[record.call] = verdict
            self._add(verdict, 1)

    def drop_before(self, arrived_at: float) -> None:
        """Forget the calls that arrived before this instant (epoch seconds): a new day begins."""
        for call in [call for call, verdict in self._verdicts.items() if verdict.arrived_at < arrived_at]:
            self._forget(call)

    def figures(self) -> tuple[LiveFigure, ...]:
        """Every definition, over all queues first, then queue by queue (those that had a call)."""
        queues = [None, *sorted(queue for queue in self._sums if queue is not None)]
        return tuple(
            LiveFigure(definition.name, queue, above, below, _ratio(above, below))
            for queue in queues
            for definition, (below, above) in zip(self._definitions, self._sums[queue], strict=True)
        )

    def _zeros(self) -> list[list[int]]:
        return [[0, 0] for _ in self._definitions]

    def _forget(self, call: CallId) -> None:
        verdict = self._verdicts.pop(call, None)
        if verdict is not None:
            self._add(verdict, -1)

    def _add(self, verdict: _Verdict, sign: int) -> None:
        rows = [self._sums[None]]
        if verdict.queue is not None:
            rows.append(self._sums.setdefault(verdict.queue, self._zeros()))
        for row in rows:
            for sums, (below, above) in zip(row, verdict.counted, strict=True):
                sums[0] += sign * below
                sums[1] += sign * above
