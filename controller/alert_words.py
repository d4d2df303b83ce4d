"""What people are told of an alert, in Chinese and English: the wallboard's line, a mail, a webhook's body. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from metrics.alerts import GAUGES, Alert, Change, Rule, Severity
from metrics.live import Group

WINDOWS = {
    "15m": ("最近15分钟", "last 15 minutes"),
    "1h": ("最近1小时", "last hour"),
    "shift": ("本班次", "this shift"),
    "day": ("今日", "today"),
    "24h": ("连续24小时", "running 24 hours"),
}
KINDS = {
    "whole": ("全部", "all"),
    "queue": ("技能组", "queue"),
    "city": ("分中心", "city"),
    "number": ("号码", "number"),
    "team": ("班组", "team"),
}
SEVERITIES = {Severity.WARNING: ("警告", "warning"), Severity.CRITICAL: ("严重", "critical")}
CHANGES = {
    Change.RAISED: ("告警", "alert"),
    Change.ACKNOWLEDGED: ("告警已确认", "alert acknowledged"),
    Change.CLEARED: ("告警解除", "alert cleared"),
}
WHY = {
    "good": ("已恢复正常", "it is good again"),
    "few": ("来电过少, 无法判断", "too few calls to say anything"),
    "no_rule": ("规则已取消", "the rule is no more"),
}


def told(value: float | None, unit: str) -> str:
    """A value with its unit; ``%`` = a share."""
    if value is None:
        return "?"
    if unit == "%":
        return f"{value * 100:.1f} %"
    if unit == "s":
        return f"{value:.0f} s" if value >= 10 else f"{value:.1f} s"
    return f"{value:g}"


def unit_of(rule: Rule | None) -> str:
    """``%``, ``s`` or empty, of what a rule looks at."""
    if rule is None:
        return ""
    gauge = GAUGES.get(rule.measure)
    if gauge is not None:
        return "s" if gauge.unit == "s" else ""
    from metrics.definitions.catalogue import measure

    return "s" if measure(rule.measure).unit == "s" else "%"


def whose(group: Group, name_of: Callable[[Group], tuple[str, str]]) -> tuple[str, str]:
    """A group for people."""
    (zh, en), (name_zh, name_en) = KINDS[group.kind], name_of(group)
    return (f"{zh} {name_zh}".strip(), f"{en} {name_en}".strip())


def line(alert: Alert, rule: Rule | None, name_of: Callable[[Group], tuple[str, str]]) -> tuple[str, str]:
    """One line: what, whose, how bad, and from when on it is."""
    zh, en = whose(alert.group, name_of)
    unit = unit_of(rule)
    window = WINDOWS.get(rule.window, (rule.window, rule.window)) if rule is not None and rule.window else ("", "")
    below = rule is None or rule.worse == "below"
    value, threshold = told(alert.value, unit), told(alert.threshold, unit)
    return (
        f"{alert.zh or alert.rule}: {zh}, {window[0] + ' ' if window[0] else ''}{value}, "
        f"{'低于' if below else '高于'} {threshold}",
        f"{alert.en or alert.rule}: {en}, {window[1] + ' ' if window[1] else ''}{value}, "
        f"{'below' if below else 'above'} {threshold}",
    )


def mail(
    alert: Alert, change: Change, at: float, said: tuple[str, str], language: str, zone: ZoneInfo
) -> tuple[str, str]:
    """Subject and text of a mail; `said`: the alert's line. `language` zh, en or both."""
    when = f"{datetime.fromtimestamp(at, zone):%Y-%m-%d %H:%M:%S} ({zone.key})"
    pick = {"zh": (0,), "en": (1,)}.get(language, (0, 1))
    heads = [f"[12345] {CHANGES[change][i]} ({SEVERITIES[alert.severity][i]})" for i in (0, 1)]
    names = (alert.zh or alert.rule, alert.en or alert.rule)
    subject = f"{heads[pick[0]]}: {names[pick[0]]}"
    lines = []
    for i in pick:
        lines += [heads[i], said[i], when]
        if change is Change.CLEARED and alert.why_cleared in WHY:
            lines.append(WHY[alert.why_cleared][i])
        if change is Change.ACKNOWLEDGED:
            lines.append((f"确认人: {alert.acknowledged_by}", f"by {alert.acknowledged_by}")[i])
        lines.append("")
    return subject, "\n".join(lines)


def body(alert: Alert, change: Change, at: float, city: str, rule: Rule | None, said: tuple[str, str]) -> bytes:
    """What a webhook is told: figures and names of queues, and nobody's call."""
    it = {
        "type": f"alert.{change.value}",
        "id": f"{alert.id}.{change.value}",
        "at": at,
        "data": {
            "alert": alert.id,
            "rule": alert.rule,
            "measure": rule.measure if rule is not None else "",
            "window": rule.window if rule is not None else "",
            "of": alert.group.kind,
            "name": alert.group.name,
            "city": city,
            "severity": alert.severity.value,
            "raised_at": alert.raised_at,
            "value": alert.value,
            "threshold": alert.threshold,
            "acknowledged_at": alert.acknowledged_at,
            "cleared_at": alert.cleared_at,
            "why_cleared": alert.why_cleared,
            "message": {"zh": said[0], "en": said[1]},
        },
    }
    return json.dumps(it, ensure_ascii=False, separators=(",", ":")).encode()
