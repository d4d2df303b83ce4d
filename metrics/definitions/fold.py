"""Values of rows: one definition over a period's facts, and where two of them differ. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from metrics.definitions.measure import Kind, Measure, Row, Subject, Value
from metrics.definitions.of_agents import ADHERENCE, INTERNET
from metrics.definitions.rows import CallRow, Facts, InternetSeats
from metrics.definitions.window import LENGTH_S, worst
from metrics.intervals import TAKES_CALLS, AgentInterval
from metrics.kpi import percentile

NOTHING = {
    Subject.CALLS: ("该时段没有计入分母的来电", "no call of the period is in the denominator"),
    Subject.TICKETS: ("该时段没有计入分母的工单", "no ticket of the period is in the denominator"),
    Subject.FOLLOW_UPS: ("该时段没有计入分母的回访", "no follow-up of the period is in the denominator"),
    Subject.DECISIONS: ("该时段没有已判定的审核", "no decision of the period has been judged"),
    Subject.AGENTS: ("该时段没有计入分母的坐席时间", "no agent's time of the period is in the denominator"),
}
"""Why there is no figure: nothing is divided by nothing."""

NO_SCHEDULE = ("没有保存该时段的排班", "no shift plan of the period is stored")

NO_SEATS = ("未配置互联网座席 ([figures.internet])", "no internet seats are configured ([figures.internet])")


def look_back_s(measures: Iterable[Measure]) -> float:
    """So long before a period its calls must be had for these definitions, seconds."""
    return LENGTH_S if any(one.kind is Kind.WORST_WINDOW for one in measures) else 0.0


def evaluate(measure: Measure, facts: Facts) -> Value:
    """One figure over the facts' period, with its proof."""
    return Fold(facts).evaluate(measure)


class Fold:
    """Figures over one period's facts. Definitions with the same denominator share its rows, which is most of them."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._below: dict[object, tuple[list[Row], tuple[str, ...]]] = {}
        self._calls: list[CallRow] | None = None
        self._time: list[tuple[AgentInterval, float, str]] | None = None

    def evaluate(self, measure: Measure) -> Value:
        """The figure, with its proof."""
        if measure.kind is Kind.WORST_WINDOW:
            return self._worst_window(measure)
        if measure.subject is Subject.AGENTS:
            return self._of_time(measure)
        rows, below = self._denominator(measure)
        if measure.kind is Kind.RATIO:
            assert measure.succeeds is not None
            above = [row.id for row in rows if measure.succeeds(row)]
            return _value(measure, len(above), len(below), tuple(above), below)
        assert measure.amount is not None
        having = [(amount, row.id) for row in rows if (amount := measure.amount(row)) is not None]
        ids = tuple([id for _, id in having])
        if measure.kind is Kind.MEAN:
            return _value(measure, round(math.fsum([amount for amount, _ in having]), 3), len(having), ids, ids)
        if not having:
            return _value(measure, 0, 0, (), ())
        reached = percentile(sorted(amount for amount, _ in having), measure.percent)
        at_most = tuple([id for amount, id in having if amount <= reached])
        return Value(measure.name, reached, len(at_most), len(ids), at_most, ids)

    def _denominator(self, measure: Measure) -> tuple[list[Row], tuple[str, ...]]:
        key = measure.subject, measure.counts
        if key not in self._below:
            counts = measure.counts
            rows = [row for row in self.rows(measure) if counts(row)]
            self._below[key] = rows, tuple([row.id for row in rows])
        return self._below[key]

    def rows(self, measure: Measure) -> Iterable[Row]:
        """The rows of the definition's subject in the period."""
        facts = self._facts
        if measure.subject is Subject.CALLS:
            if self._calls is None:
                self._calls = [row for row in facts.calls if facts.since <= row.arrived_at < facts.until]
            return self._calls
        if measure.subject is Subject.TICKETS:
            return facts.tickets
        return facts.follow_ups if measure.subject is Subject.FOLLOW_UPS else facts.decisions

    def _worst_window(self, measure: Measure) -> Value:
        assert measure.succeeds is not None
        facts = self._facts
        counted = sorted((row for row in facts.calls if measure.counts(row)), key=lambda row: (row.arrived_at, row.id))
        found = worst([(row.arrived_at, measure.succeeds(row)) for row in counted], facts.since, facts.until)
        if found is None:
            return _none(measure, NOTHING[measure.subject])
        begin, end = round(found.since * 1000), round(found.until * 1000)
        inside = [row for row in counted if begin <= round(row.arrived_at * 1000) < end]
        above = tuple([row.id for row in inside if measure.succeeds(row)])
        below = tuple([row.id for row in inside])
        return _value(measure, len(above), len(below), above, below, (found.since, found.until))

    # ------------------------------------------------------------ agents' time

    def _of_time(self, measure: Measure) -> Value:
        facts = self._facts
        if measure.name == ADHERENCE:
            return _adherence(measure, facts)
        if measure.name == INTERNET:
            if facts.internet is None or not facts.internet.seats:
                return _none(measure, NO_SEATS)
            return _internet(measure, facts, facts.internet)
        assert measure.succeeds is not None
        if self._time is None:
            self._time = [
                (
                    one,
                    seconds,
                    f"{one.agent}@{one.began_at:.3f}",
                )  # `one.id`, in the place where it is wanted 750,000 times
                for one in facts.intervals
                if (seconds := one.seconds(facts.since, facts.until)) > 0
            ]
        counts, succeeds = measure.counts, measure.succeeds
        below = [part for part in self._time if counts(part[0])]
        above = [part for part in below if succeeds(part[0])]
        ids = [tuple([id for _, _, id in parts]) for parts in (above, below)]
        sums = [round(math.fsum([seconds for _, seconds, _ in parts]), 3) for parts in (above, below)]
        return _value(measure, sums[0], sums[1], ids[0], ids[1])


def _value(
    measure: Measure, above: float, below: float, above_ids: tuple[str, ...], below_ids: tuple[str, ...],
    window: tuple[float, float] | None = None,
) -> Value:  # fmt: skip
    if not below:
        return _none(measure, NOTHING[measure.subject])
    return Value(measure.name, above / below, above, below, above_ids, below_ids, window=window)


def _none(measure: Measure, why: tuple[str, str]) -> Value:
    return Value(measure.name, None, 0, 0, (), (), *why)


def _sum(parts: Sequence[tuple[AgentInterval, float]]) -> float:
    return round(math.fsum(seconds for _, seconds in parts), 3)


def _ids(parts: Sequence[tuple[AgentInterval, float]]) -> tuple[str, ...]:
    return tuple(one.id for one, _ in parts)


def _adherence(measure: Measure, facts: Facts) -> Value:
    if facts.schedule is None:
        return _none(measure, NO_SCHEDULE)
    by_agent: dict[str, list[AgentInterval]] = {}
    for one in facts.intervals:
        if measure.counts(one):
            by_agent.setdefault(str(one.agent), []).append(one)
    wanted, kept = 0.0, list[tuple[AgentInterval, float]]()
    spans = []
    for span in facts.schedule:
        since, until = max(span.began_at, facts.since), min(span.ended_at, facts.until)
        if until <= since:
            continue
        wanted += until - since
        spans.append(f"{span.agent}@{span.began_at:.3f}")
        for one in by_agent.get(span.agent, ()):
            if (seconds := one.seconds(since, until)) > 0:
                kept.append((one, seconds))
    return _value(measure, _sum(kept), round(wanted, 3), _ids(kept), tuple(spans))


def _internet(measure: Measure, facts: Facts, wanted: InternetSeats) -> Value:
    """At each instant at most as many seats count as are wanted."""
    above = below = 0.0
    ids = dict[str, None]()
    for since, until in wanted.spans:
        since, until = max(since, facts.since), min(until, facts.until)
        if until <= since:
            continue
        below += (until - since) * wanted.seats
        changes = [(since, 0), (until, 0)]
        for one in facts.intervals:
            if str(one.agent) in wanted.agents and one.state in TAKES_CALLS and one.seconds(since, until) > 0:
                ids[one.id] = None
                changes.append((max(one.began_at, since), 1))
                changes.append((min(one.ended_at if one.ended_at is not None else until, until), -1))
        here, last = 0, since
        for at, step in sorted(changes):
            above += (at - last) * min(here, wanted.seats)
            here, last = here + step, at
    return _value(measure, round(above, 3), round(below, 3), tuple(ids), ())


# ---------------------------------------------------------------- two definitions


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that two definitions count otherwise: how each counts it, and what is known of it, in words."""

    id: str
    a: str
    b: str
    zh: str
    en: str


HOW = {
    "out": ("不计入", "is not counted"),
    "below": ("只计入分母", "is in the denominator only"),
    "both": ("计入分子和分母", "is in both"),
}
"""How a definition counts a row."""


class NotComparable(ValueError):
    """Two definitions are over different things, or one is no ratio: there are no rows to lay side by side."""


def differences(a: Measure, b: Measure, facts: Facts) -> list[Difference]:
    """The rows of the period that the two count otherwise, in order. Raises `NotComparable`."""
    if a.subject is not b.subject or Kind.RATIO is not a.kind or b.kind is not Kind.RATIO:
        raise NotComparable(f"{a.name} {b.name}")
    found = []
    for row in Fold(facts).rows(a):
        one, other = _how(a, row), _how(b, row)
        if one != other:
            zh, en = _told(row) if isinstance(row, CallRow) else ("", "")
            found.append(Difference(row.id, one, other, zh, en))
    return found


def _how(measure: Measure, row: Row) -> str:
    if not measure.counts(row):
        return "out"
    assert measure.succeeds is not None
    return "both" if measure.succeeds(row) else "below"


def _told(row: CallRow) -> tuple[str, str]:
    if row.answered:
        zh, en = ["接通"], ["answered"]
        for wait, of_zh, of_en in (
            (row.wait, "自进入队列", "of the queue"),
            (row.wait_from_menu, "自导航结束", "of the menu's end"),
            (row.wait_from_arrival, "自来电", "of arrival"),
        ):
            zh.append(f"{of_zh} {_seconds(wait)}")
            en.append(f"{_seconds(wait)} {of_en}")
        return ", ".join(zh), f"{en[0]} within {', '.join(en[1:])}"
    if row.abandoned:
        return f"排队 {_seconds(row.abandon_wait)} 后挂机", f"hung up after {_seconds(row.abandon_wait)} in the line"
    if row.overflowed:
        return "队列已满", "the queue was full"
    if row.failed:
        return "系统未见其结束", "ended unseen"
    return ("未接通", "not answered") if row.offered else ("未进入队列", "never in a line")


def _seconds(value: float | None) -> str:
    return "? s" if value is None else f"{value:.1f} s"
