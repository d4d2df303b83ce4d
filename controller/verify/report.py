"""What a check of journals found: broken promises, each with its place, and the counts that show what was looked at."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


class Rule(enum.StrEnum):
    """By what one caller may be served before another who came first. Each is counted; an overtaking by none of them is
    a finding. The numbers of the report and the promise's own words come from this list.
    """

    PRIORITY = "priority"
    AGEING = "ageing"
    SKILLS = "skills"
    REFUSED = "refused"
    KEPT = "kept"
    LENT = "lent"
    RETURNING = "returning"
    DROPPED = "dropped"
    TRANSFER = "transfer"
    CALLBACK = "callback"
    SUPERVISOR = "supervisor"


RULES: Mapping[Rule, str] = {
    Rule.PRIORITY: "优先级",
    Rule.AGEING: "久候加权",
    Rule.SKILLS: "技能不符",
    Rule.REFUSED: "坐席刚未接听该来电",
    Rule.KEPT: "为上次的坐席保留",
    Rule.LENT: "借出人数限额",
    Rule.RETURNING: "放弃后再次来电",
    Rule.DROPPED: "断线后再次来电",
    Rule.TRANSFER: "转接",
    Rule.CALLBACK: "回拨",
    Rule.SUPERVISOR: "班长调整",
}
"""The rules in Chinese."""

INVARIANTS: Mapping[str, tuple[str, str]] = {
    "one-call-per-agent": (
        "一名坐席同一时刻只为一个来电保留",
        "an agent is kept for one caller at a time: never offered while another caller has him",
    ),
    "one-agent-per-caller": (
        "一个来电同一时刻只振一名坐席",
        "a caller is offered to one agent at a time: never to a second while the first is rung or talks with him",
    ),
    "overtaken": (
        f"无名目不得插队 (名目: {'、'.join(RULES.values())})",
        f"no caller is overtaken except by a named rule ({', '.join(RULES)})",
    ),
    "idle-while-waiting": (
        "来电等候时合适的坐席不得空闲超过限时",
        "no agent who fits is idle while a caller waits, for longer than the bound of engine time",
    ),
    "stuck-agent": (
        "坐席不得被已不存在的来电占住",
        "nobody is kept for a caller who is gone",
    ),
    "call-end": ("每个来电都有结局", "a call whose channel is gone has an end and an outcome in its record"),
    "offer-end": ("每次派送都有结果", "an ended call has no offer without an end"),
    "callback-once": (
        "一次回拨同时只拨一通,每次只拨一遍",
        "at most one call at a time for a call-back, and each attempt is called once",
    ),
    "callback-agent": (
        "回拨数不得超过为其保留的坐席数",
        "a call-back is called only while an agent is kept for it: never more calls than free agents",
    ),
    "callback-end": (
        "每次回拨都有结果",
        "an attempt ends in the step in which its call ends, and a request is served or given up in its time",
    ),
    "follow-up-pace": (
        "自动语音回访不得超出时段与节奏",
        "the hotline calls by itself only in its hours, and never more at once or in a minute than configured",
    ),
    "hold-agent": (
        "保持中的来电不得没有坐席",
        "nobody is left on hold without an agent: he stands in the line again at once, at his place",
    ),
    "hold-end": ("每次保持都有结束", "an ended call has no time on hold without an end"),
    "transfer-end": ("每次转接都有结果", "an ended call has no transfer, asking or third party without an end"),
    "message-end": ("每条留言都有结束", "an ended call has no voice message without an end"),
    "best-agent": (
        "按策略选人,同等条件最长空闲者先",
        "the agent is the best by the queue's policy, and among equals nobody is passed over by one idle for less: "
        "while agents with the same skills are idle, their offers differ by at most one",
    ),
    "reason": ("每次派送都写明理由", "every offer carries its reason in the call's record"),
    "place": (
        "排队位置与优先级不得无故改变",
        "a caller's place (instant, priority, queue) changes only by a named rule or a person's request",
    ),
    "step-order": ("命令编号只增不减", "the commands of a call are numbered upwards"),
    "rule-raised": ("规则不得出错", "no rule raised while it took an event"),
    "replay": ("重放须得同样的决定", "the switchboard gives the recorded commands again"),
    "lost-with-controller": (
        "控制器重启不得丢失来电记录",
        "a call that was open when a controller ended is known to the next one, or to the store",
    ),
    "not-checked": ("未能检查", "everything could be checked under the configuration that was in force"),
}
"""Every promise by its name, in Chinese and in English."""

STRICT = frozenset({"lost-with-controller", "not-checked"})
"""What counts only when it is asked for: facts that the journal alone cannot decide."""

MOST_KEPT = 1000
"""So many findings are kept whole; further ones are only counted."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken promise. `now` is epoch seconds of the engine; never a caller's number, never a key he pressed."""

    invariant: str
    file: str
    line: int
    seq: int
    now: float
    call: str
    agent: str
    found: str
    expected: str

    def __str__(self) -> str:
        """One line for people."""
        where = f"{self.file}:{self.line}: step {self.seq} at {self.now:.3f}"
        about = " ".join(
            (f"call {self.call}" if self.call else "", f"agent {self.agent}" if self.agent else "")
        ).strip()
        return f"{where}: {self.invariant}: {about}: {self.found}; expected: {self.expected}"


@dataclass(slots=True)
class Report:
    """The findings and what was looked at. `overtakings` counts those by a named rule, which are no findings."""

    findings: list[Finding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    overtakings: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)  #: offers by the rule that their reason names
    steps: int = 0
    starts: int = 0
    calls: int = 0
    ended: int = 0
    offers: int = 0
    open: int = 0  #: calls without an end when the journals end
    longest_idle_s: float = 0.0  #: the longest time that a fitting agent and a caller stood beside each other
    notes: list[str] = field(default_factory=list)

    def add(self, finding: Finding) -> None:
        """Keep a finding, or only count it when there are too many."""
        self.counts[finding.invariant] += 1
        if len(self.findings) < MOST_KEPT:
            self.findings.append(finding)

    def broken(self, *, strict: bool = False) -> int:
        """How many promises are broken; `strict` counts those of `STRICT` too."""
        return sum(count for name, count in self.counts.items() if strict or name not in STRICT)

    def as_json(self, *, strict: bool = False) -> dict[str, Any]:
        """Everything, for machines."""
        return {
            "ok": self.broken(strict=strict) == 0,
            "violations": self.broken(strict=strict),
            "by_invariant": {name: self.counts.get(name, 0) for name in INVARIANTS},
            "overtakings_by_rule": dict(self.overtakings),
            "offers_by_rule": dict(self.rules),
            "steps": self.steps,
            "starts": self.starts,
            "calls": self.calls,
            "ended": self.ended,
            "open": self.open,
            "offers": self.offers,
            "longest_idle_s": self.longest_idle_s,
            "notes": list(self.notes),
            "findings": [asdict(one) for one in self.findings],
        }
