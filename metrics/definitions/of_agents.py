"""The definitions over agents' time: occupancy, readiness, adherence, the internet's seats. Pure.

A state that lasts over an end of the period counts with its part inside; one that goes on counts up to now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from metrics.definitions.measure import Kind, Measure, Subject
from metrics.intervals import AT_CALLS, TAKES_CALLS, AgentInterval

_WORKS = frozenset(AT_CALLS) - {"reserved"}


def _share(
    name: str,
    zh: str,
    en: str,
    formula_zh: str,
    formula_en: str,
    source: str,
    counts: Callable[[Any], bool],
    succeeds: Callable[[Any], bool],
    target: float | None = None,
) -> Measure:
    return Measure(
        name,
        Subject.AGENTS,
        Kind.TIME_SHARE,
        "1",
        zh,
        en,
        formula_zh,
        formula_en,
        source,
        counts,
        succeeds,
        target=target,
    )


def _takes_calls(one: AgentInterval) -> bool:
    return one.state in TAKES_CALLS


def of_time() -> Iterator[Measure]:
    """Shares of agents' time."""
    yield _share(
        "occupancy.v1",
        "利用率",
        "occupancy",
        "(振铃+通话+保持+话后整理)时长 ÷ (示闲+振铃+通话+保持+话后整理)时长",
        "ringing, talk, hold and wrap-up / the same and ready",
        "domain.md 5: occupancy",
        _takes_calls,
        lambda one: one.state in _WORKS,
    )
    yield _share(
        "ready_share.v1",
        "在岗接话率",
        "share of signed-in time at the line's disposal",
        "(示闲+振铃+通话+保持+话后整理)时长 ÷ 签入时长",
        "all but not ready / signed in",
        "field's term",
        lambda one: True,
        _takes_calls,
    )
    yield _share(
        ADHERENCE,
        "遵时率",
        "schedule adherence",
        "排班时段内在岗接话时长 ÷ 排班时长",
        "at the line's disposal within the scheduled time / scheduled time",
        "domain.md 5: adherence",
        _takes_calls,
        _takes_calls,
    )
    yield _share(
        INTERNET,
        "互联网座席实时提供率",
        "internet-seat provision",
        "互联网座席应开时段内在岗的座席时长(至多应开数) ÷ 应开座席时长",
        "seat-seconds staffed, at most those wanted / seat-seconds wanted, of the internet's seats",
        "domain.md B3: 95 % (S4), no formula given; this is 1.9's proposal",
        _takes_calls,
        _takes_calls,
        0.95,
    )


ADHERENCE = "adherence.v1"
"""Its denominator is the shift plan, `Facts.schedule`."""

INTERNET = "internet_provision.v1"
"""Its denominator is what is wanted, `Facts.internet`."""
