"""The definitions over calls: the 15-second rate in all its forms, connect rates, loss, waits, handling. Pure.

What they share stands in `metrics.servicelevel`: what offered, answered, abandoned and a wait are. A period's calls are
those that arrived in it; a call that lasts over midnight belongs whole to the day on which it arrived.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from metrics.definitions.measure import Kind, Measure, Subject
from metrics.definitions.rows import CallRow

THRESHOLDS_S = (15, 20, 30)

SHORT_ABANDON_S = 5.0
"""An abandon is short below so many seconds after queue entry; usual in the field."""

SATISFIED_FROM = 4
"""A key of at least 4 (满意) of 5 is satisfied."""


def _offered(row: CallRow) -> bool:
    return row.offered


def _answered(row: CallRow) -> bool:
    return row.offered and row.answered


def _not_short(row: CallRow) -> bool:
    return row.offered and not (row.abandon_wait is not None and row.abandon_wait < SHORT_ABANDON_S)


_COUNTED = {
    "offered": (_offered, "进入队列且已有结果的全部来电", "all calls offered to a queue and decided", "[P48], S4"),
    "answered": (_answered, "全部已接通来电", "all answered", "[P47] 人工应答及时率"),
    "offered_no_short_abandon": (
        _not_short,
        "进入队列且已有结果的来电(不含5秒内放弃)",
        "offered, less those who hung up within 5 s of queue entry",
        "domain.md 0.2",
    ),
}


def _of_queue(threshold: int, row: CallRow) -> bool:
    return row.wait is not None and row.wait <= threshold


def _of_arrival(threshold: int, row: CallRow) -> bool:
    return row.wait_from_arrival is not None and row.wait_from_arrival <= threshold


def _of_menu(threshold: int, row: CallRow) -> bool:
    return row.wait_from_menu is not None and row.wait_from_menu <= threshold


_CLOCKS = {
    "": (_of_queue, "进入队列后", "of queue entry"),
    "from_arrival": (_of_arrival, "来电接入后(含语音导航)", "of arrival (menu included)"),
    "from_menu": (
        _of_menu,
        "语音导航结束后(无导航时自来电接入起)",
        "of the end of the menu (of arrival where there is none)",
    ),
}


_SHORT = {
    "offered": ("全部来电", "of all offered"),
    "answered": ("接通来电中", "of the answered"),
    "offered_no_short_abandon": ("不计短放弃", "short abandons left out"),
    "": ("进入队列起算", "from queue entry"),
    "from_arrival": ("来电起算", "from arrival"),
    "from_menu": ("导航结束起算", "from the menu's end"),
}


def _name(threshold: int, counted: str, clock: str) -> str:
    if (counted, clock) == ("offered", "from_arrival"):
        return f"sl{threshold}.from_arrival.v1"  # as `metrics.servicelevel` has named it
    return f"sl{threshold}.{counted}{'.' if clock else ''}{clock}.v1"


def service_levels() -> Iterator[Measure]:
    """The rate of calls answered within a threshold: three denominators, three clocks, three thresholds."""
    for threshold in THRESHOLDS_S:
        for counted, (counts, of_zh, of_en, source) in _COUNTED.items():
            for clock, (in_time, from_zh, from_en) in _CLOCKS.items():
                yield Measure(
                    _name(threshold, counted, clock),
                    Subject.CALLS,
                    Kind.RATIO,
                    "1",
                    f"{threshold}秒接通率({_SHORT[counted][0]}, {_SHORT[clock][0]})",
                    f"{threshold}-second rate ({_SHORT[counted][1]}, {_SHORT[clock][1]})",
                    f"{from_zh}{threshold}秒内由话务员接通的来电 ÷ {of_zh}",
                    f"answered within {threshold} s {from_en} / {of_en}",
                    f"domain.md 3.4: {source}; 15 s of GB/T 33358-2016 [P1]",
                    counts,
                    partial(in_time, threshold),
                    target=0.80 if counted == "answered" else 0.95,
                )


def _ratio(
    name: str,
    zh: str,
    en: str,
    formula_zh: str,
    formula_en: str,
    source: str,
    counts: Callable[[Any], bool],
    succeeds: Callable[[Any], bool],
    target: float | None = None,
    better: str = "higher",
) -> Measure:
    return Measure(
        name,
        Subject.CALLS,
        Kind.RATIO,
        "1",
        zh,
        en,
        formula_zh,
        formula_en,
        source,
        counts,
        succeeds,
        target=target,
        better=better,
    )


def rates() -> Iterator[Measure]:
    """Connect rates, loss, what the caller said and what was done at once."""
    yield _ratio(
        "connect.v1",
        "呼叫接通率",
        "connect rate",
        "接通来电 ÷ 进入队列且已有结果的来电",
        "answered / offered to a queue and decided",
        "domain.md 3.4: GB/T 33358-2016 >= 95 % [P1]",
        _offered,
        lambda row: row.answered,
        0.95,
    )
    yield _ratio(
        "connect.all.v1",
        "总接通率(含导航中挂机)",
        "connect rate of all calls (also those who left the menu)",
        "接通来电 ÷ 全部已有结果的来电",
        "answered / all calls that came in and are decided",
        "domain.md 1.9 (a): 「整體接通率97%」 S2",
        lambda row: row.decided,
        lambda row: row.answered,
        0.97,
    )
    yield _ratio(
        "human_connect.v1",
        "人工接通率",
        "human connect rate (faults and overload left out)",
        "接通来电 ÷ 进入队列且已有结果的来电(不含系统故障中断、队列已满)",
        "answered / offered, less those that ended unseen by a fault and those that a full queue refused",
        "domain.md 3.4: >= 95 % excluding incidents, faults, overload [P47]; calls about a mass incident are counted, "
        "no instant says which they are",
        lambda row: row.offered and not row.failed and not row.overflowed,
        lambda row: row.answered,
        0.95,
    )
    yield _ratio(
        "loss.v1",
        "呼损率",
        "loss rate",
        "未接通来电 ÷ 进入队列且已有结果的来电",
        "not answered / offered and decided",
        "domain.md 3.4 (GK): lost / offered",
        _offered,
        lambda row: not row.answered,
        better="lower",
    )
    yield _ratio(
        "abandon.v1",
        "放弃率",
        "abandonment rate",
        "排队中挂机的来电 ÷ 进入队列且已有结果的来电",
        "hung up in a line / offered and decided",
        "field's term",
        _offered,
        lambda row: row.abandoned,
        better="lower",
    )
    yield _ratio(
        "fcr.v1",
        "一次解决率",
        "first-contact resolution",
        "首次来电由热线直接办结(未派单)的来电 ÷ 接通来电",
        "answered calls whose ticket was resolved without a dispatch / answered",
        "domain.md 3.4 (GK): solved at first contact / answered",
        _answered,
        lambda row: row.ticket is not None and row.ticket.resolved_at is not None and not row.ticket.dispatches,
    )
    yield _ratio(
        "call_satisfaction.v1",
        "通话满意率(按键)",
        "satisfaction, by key after the talk",
        "按4或5的来电 ÷ 按键评价的来电",
        "4 or 5 pressed / a key pressed",
        "S4: 「服务满意率95%以上」",
        lambda row: row.answered and row.score is not None,
        lambda row: row.score >= SATISFIED_FROM,
        0.95,
    )
    yield _ratio(
        "survey_answered.v1",
        "参评率",
        "share of callers who gave a score",
        "按键评价的来电 ÷ 接通来电",
        "a key pressed / answered",
        'domain.md 3.5: 话务"一次一评" [P65]',
        _answered,
        lambda row: row.score is not None,
    )


def _handled(row: CallRow) -> float | None:
    return None if row.talk_s is None or row.wrap_up_s is None else row.talk_s + row.wrap_up_s


def durations() -> Iterator[Measure]:
    """Waits and handling: means, and percentiles of the wait."""

    def mean(
        name: str,
        zh: str,
        en: str,
        formula_zh: str,
        formula_en: str,
        source: str,
        amount: Callable[[Any], float | None],
    ) -> Measure:
        return Measure(
            name,
            Subject.CALLS,
            Kind.MEAN,
            "s",
            zh,
            en,
            formula_zh,
            formula_en,
            source,
            _answered,
            amount=amount,
            better="lower",
        )

    yield mean(
        "wait.v1",
        "平均等待时长",
        "mean wait of the answered",
        "接通来电自进入队列至接通的平均秒数",
        "mean seconds from queue entry to the talk, of answered calls",
        "S1: 「平均等待時長為37秒」",
        lambda row: row.wait,
    )
    yield mean(
        "wait.from_arrival.v1",
        "平均等待时长(含语音导航)",
        "mean wait of the answered, menu included",
        "接通来电自来电接入至接通的平均秒数",
        "mean seconds from arrival to the talk, of answered calls",
        "domain.md 3.4: 12328 reports about 30 s including navigation [P49]",
        lambda row: row.wait_from_arrival,
    )
    for percent in (50, 90, 95):
        yield Measure(
            f"wait.p{percent}.v1",
            Subject.CALLS,
            Kind.PERCENTILE,
            "s",
            f"等待时长第{percent}百分位",
            f"wait of the answered, {percent}th percentile",
            f"接通来电自进入队列至接通的秒数, 第{percent}百分位(最近秩)",
            f"nearest-rank {percent}th percentile of seconds from queue entry to the talk",
            "domain.md 1.9 (calc)",
            _answered,
            amount=lambda row: row.wait,
            percent=float(percent),
            better="lower",
        )
    yield Measure(
        "patience.v1",
        Subject.CALLS,
        Kind.MEAN,
        "s",
        "放弃前平均等待",
        "mean wait of those who gave up",
        "放弃来电自进入队列至挂机的平均秒数",
        "mean seconds from queue entry to the hang-up, of abandoned calls",
        "field's term",
        lambda row: row.abandoned,
        amount=lambda row: row.abandon_wait,
    )
    yield mean(
        "talk.v1",
        "平均通话时长",
        "mean talk",
        "接通来电自接通至话务员离开的平均秒数(含保持)",
        "mean seconds from the talk's begin until the last agent has left, holds included",
        "domain.md 3.4: Changzhou [P3]",
        lambda row: row.talk_s,
    )
    yield mean(
        "hold.v1",
        "平均保持时长",
        "mean time on hold",
        "接通来电的平均保持秒数",
        "mean seconds on hold, of answered calls",
        "field's term",
        lambda row: row.hold_s,
    )
    yield mean(
        "wrap_up.v1",
        "平均话后整理时长",
        "mean wrap-up",
        "已结束话后整理的来电, 其平均秒数",
        "mean seconds of after-call work, of calls whose after-call work is known and over",
        "field's term",
        lambda row: row.wrap_up_s,
    )
    yield mean(
        "handling.v1",
        "平均处理时长",
        "mean handling time",
        "(通话 + 话后整理)的平均秒数, 话后整理已知的来电",
        "mean of talk and wrap-up, of calls whose wrap-up is known",
        "domain.md 5: aht",
        _handled,
    )
