"""When somebody is to be told: rules as data, and the state of each, with hysteresis. Pure.

A rule looks at one measure of every group of its kind: a live figure over a window (`metrics.live`), or a gauge of what
is now (`GAUGES`). It is bad below or above a threshold, and good again only beyond `clears_at`; what lies between the
two keeps an alert that stands and raises none, and both have to last (`for_s`, `clear_for_s`), so that a figure that
trembles around its threshold tells nobody anything twice.

Time counts only while it is looked at: how long something was bad is the sum of the spans between looks, each at most
`LONGEST_STEP_S`, so that a clock that jumps, or a hotline that was away, raises and clears nothing by itself.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from metrics.live import KINDS, Group

LONGEST_STEP_S = 60.0


class Severity(enum.Enum):
    """How bad."""

    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Gauge:
    """Something that is now, and no sum over calls: whose it can be, and its words."""

    kinds: tuple[str, ...]
    unit: str  #: ``s``, or ``1`` for a count
    zh: str
    en: str


GAUGES: Mapping[str, Gauge] = {
    "longest_wait_s": Gauge(("whole", "queue", "city"), "s", "最长等待", "longest wait of those who wait"),
    "waiting": Gauge(("whole", "queue", "city"), "1", "等待人数", "callers who wait"),
    "agents_fitting": Gauge(("queue",), "1", "具备技能的签入坐席", "agents signed in with the skill"),
    "unserved_callers": Gauge(("queue",), "1", "无人可接的等待来电", "callers whom nobody signed in can serve"),
    "exchange_down": Gauge(("whole",), "1", "交换连接中断", "the exchange is not connected"),
    "trunk_down": Gauge(("whole",), "1", "中继不可用", "the trunk does not answer"),
    "transcripts_waiting": Gauge(("whole",), "1", "待转写录音", "recordings that wait for their transcript"),
    "transcript_oldest_s": Gauge(("whole",), "s", "最早待转写录音已等", "how long the oldest transcript is awaited"),
    "tickets_due_soon": Gauge(("whole", "city"), "1", "即将超期工单", "open tickets that are soon due"),
}


class BadRule(ValueError):
    """What is wrong with a rule: the field, and why."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field, self.why = field, why


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; durations in seconds. Raises `BadRule`.

    `kind`: of which groups, and `names`: of these only (empty = of all of the kind). `window` is empty for a gauge.
    `worse` says on which side of `threshold` it is bad: ``below`` or ``above``. `least`: a figure over fewer calls says
    nothing, so that one of two callers lost at night is no alarm.
    """

    name: str
    measure: str
    kind: str
    worse: str
    threshold: float
    clears_at: float
    window: str = ""
    names: frozenset[str] = frozenset()
    for_s: float = 0.0
    clear_for_s: float = 0.0
    severity: Severity = Severity.WARNING
    least: int = 1
    zh: str = ""
    en: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        """Refuse a rule that could never clear, or that looks at nothing."""
        if self.kind not in KINDS:
            raise BadRule("of", f"must be one of {', '.join(KINDS)}")
        gauge = GAUGES.get(self.measure)
        if gauge is not None and self.kind not in gauge.kinds:
            raise BadRule("of", f"{self.measure} is known of {', '.join(gauge.kinds)}")
        if (gauge is None) is not bool(self.window):
            raise BadRule("window", "a gauge has none" if gauge is not None else "a figure over calls needs one")
        side = self.clears_at - self.threshold
        if side < 0 if self.worse == "below" else side > 0:
            raise BadRule("clears_at", "must lie on the good side of the threshold")
        if self.for_s < 0 or self.clear_for_s < 0 or self.least < 1:
            raise BadRule("for_s", "durations must not be negative, and least is 1 or more")

    def concerns(self, group: Group) -> bool:
        """Whether it looks at this group."""
        return group.kind == self.kind and (not self.names or group.name in self.names)

    def bad(self, value: float) -> bool:
        """Whether the value is one that raises."""
        return value < self.threshold if self.worse == "below" else value > self.threshold

    def good(self, value: float) -> bool:
        """Whether the value is one that clears."""
        return value >= self.clears_at if self.worse == "below" else value <= self.clears_at


def rule_of(table: Mapping[str, Any]) -> Rule:
    """A rule as files write it (docs/alerts.md). Raises `BadRule`."""
    given = {"of": "whole", **table}
    sides = [side for side in ("below", "above") if given.get(side) is not None]
    if len(sides) != 1:
        raise BadRule("below", "a rule has below or above, one of them")
    known = {
        "name", "measure", "of", "only", "window", "below", "above", "clears_at", "for_s", "clear_for_s", "severity",
        "least", "zh", "en", "source",
    }  # fmt: skip
    if odd := sorted(set(given) - known):
        raise BadRule(odd[0], "there is no such word in a rule")
    for needed in ("name", "measure"):
        if not given.get(needed):
            raise BadRule(needed, "is needed")
    threshold = float(given[sides[0]])
    gauge = GAUGES.get(given["measure"])
    zh, en = (gauge.zh, gauge.en) if gauge is not None else ("", "")
    clears_at = given.get("clears_at")
    try:
        severity = Severity(given.get("severity") or "warning")
    except ValueError:
        raise BadRule("severity", "must be warning or critical") from None
    return Rule(
        given["name"], given["measure"], given["of"], sides[0], threshold,
        threshold if clears_at is None else float(clears_at), given.get("window") or "",
        frozenset(given.get("only") or ()), float(given.get("for_s") or 0.0), float(given.get("clear_for_s") or 0.0),
        severity, int(given.get("least") or 1), given.get("zh") or zh, given.get("en") or en,
        given.get("source") or "",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reading:
    """What a measure of a group says now. `value` None: there is none. `count`: over so many calls, None for gauges."""

    value: float | None
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert, from when it was raised until it is cleared. Epoch seconds; `value` is the newest that was bad."""

    id: str
    rule: str
    group: Group
    severity: Severity
    raised_at: float
    value: float | None
    threshold: float
    zh: str = ""
    en: str = ""
    acknowledged_at: float | None = None
    acknowledged_by: str = ""
    cleared_at: float | None = None
    why_cleared: str = ""  #: ``good``, ``few`` (too few calls to say anything), ``no_rule``

    @property
    def standing(self) -> bool:
        """Whether it goes on."""
        return self.cleared_at is None


class Change(enum.Enum):
    """What happened to an alert."""

    RAISED = "raised"
    ACKNOWLEDGED = "acknowledged"
    CLEARED = "cleared"


@dataclass
class _Watch:
    bad_s: float | None = None  #: so long it is bad; None = it is not
    good_s: float | None = None
    alert: Alert | None = None


class NoSuchAlert(KeyError):
    """There is no alert of this id that stands."""


class Alerts:
    """The state of all rules. `look` at readings in order; `restore` first what stood when an earlier one ended."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = {one.name: one for one in rules}
        self._watches: dict[tuple[str, Group], _Watch] = {}
        self._looked_at: float | None = None
        self._last_id = 0

    def restore(self, alerts: Iterable[Alert], now: float) -> list[tuple[Change, Alert]]:
        """Alerts that stood before a restart stand on; those of rules that are no more are cleared."""
        over = []
        for one in alerts:
            rule = self.rules.get(one.rule)
            if rule is None or not rule.concerns(one.group):
                over.append((Change.CLEARED, replace(one, cleared_at=now, why_cleared="no_rule")))
            else:
                self._watches[one.rule, one.group] = _Watch(alert=one)
            self._last_id = max(self._last_id, int(one.id[1:]))
        return over

    def standing(self) -> list[Alert]:
        """Those that stand, the gravest and oldest first."""
        found = [watch.alert for watch in self._watches.values() if watch.alert is not None]
        return sorted(found, key=lambda one: (one.severity is not Severity.CRITICAL, one.raised_at, one.id))

    def look(self, now: float, readings: Mapping[str, Mapping[Group, Reading] | None]) -> list[tuple[Change, Alert]]:
        """What changes by the readings of each rule; None (or a rule left out) = not known now, nothing changes."""
        step = 0.0 if self._looked_at is None else min(max(0.0, now - self._looked_at), LONGEST_STEP_S)
        self._looked_at = now
        changes: list[tuple[Change, Alert]] = []
        for name, rule in self.rules.items():
            found = readings.get(name)
            if found is None:
                continue
            groups = {group for group in found if rule.concerns(group)}
            groups |= {group for watched, group in self._watches if watched == name}
            for group in sorted(groups):
                watch = self._watches.setdefault((name, group), _Watch())
                change = self._step(rule, group, watch, found.get(group, Reading(None)), now, step)
                if change is not None:
                    changes.append(change)
                if watch == _Watch():
                    del self._watches[name, group]
        return changes

    def _step(
        self, rule: Rule, group: Group, watch: _Watch, reading: Reading, now: float, step: float
    ) -> tuple[Change, Alert] | None:
        value = reading.value
        if reading.count is not None and reading.count < rule.least:
            value = None
        if watch.alert is None:
            if value is None or not rule.bad(value):
                watch.bad_s = None
                return None
            watch.bad_s = 0.0 if watch.bad_s is None else watch.bad_s + step
            if watch.bad_s < rule.for_s:
                return None
            watch.alert = Alert(
                self._id(now), rule.name, group, rule.severity, now, value, rule.threshold, rule.zh, rule.en
            )
            watch.bad_s = watch.good_s = None
            return Change.RAISED, watch.alert
        if value is not None and not rule.good(value):
            watch.good_s = None
            if rule.bad(value):
                watch.alert = replace(watch.alert, value=value)
            return None
        watch.good_s = 0.0 if watch.good_s is None else watch.good_s + step
        if watch.good_s < rule.clear_for_s:
            return None
        over = replace(watch.alert, cleared_at=now, why_cleared="few" if value is None else "good")
        watch.alert = watch.good_s = None
        return Change.CLEARED, over

    def _id(self, now: float) -> str:
        self._last_id = max(self._last_id + 1, int(now * 1000))
        return f"a{self._last_id}"

    def acknowledge(self, id: str, by: str, now: float) -> tuple[Alert, bool]:
        """Somebody has seen it: the alert, and whether he is the first. Raises `NoSuchAlert`."""
        for watch in self._watches.values():
            if watch.alert is not None and watch.alert.id == id:
                if watch.alert.acknowledged_at is not None:
                    return watch.alert, False
                watch.alert = replace(watch.alert, acknowledged_at=now, acknowledged_by=by)
                return watch.alert, True
        raise NoSuchAlert(id)
