"""The other measures of a hotline, as folds over call records: waits, abandonment, handling time,
satisfaction.

Terms and formulas as in `domain.md` 3.4; what "answered", "offered" and a wait are is said once, in
`metrics/servicelevel.py`. Times in seconds, rates between 0 and 1, None where nothing was measured.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from metrics.servicelevel import abandon_wait, abandoned, answer_wait, answered, elapsed, offered
from pbx.call import CallRecord, Outcome
from pbx.ids import CallId, QueueId


@dataclass(frozen=True, slots=True)
class Distribution:
    """Durations in seconds; percentiles by nearest rank, so each is a duration that really occurred."""

    count: int
    mean: float | None
    p50: float | None
    p90: float | None
    p95: float | None
    max: float | None

    @staticmethod
    def of(durations: Iterable[float]) -> Distribution:
        """The distribution of these durations."""
        ordered = sorted(durations)
        if not ordered:
            return Distribution(0, None, None, None, None, None)
        mean = math.fsum(ordered) / len(ordered)
        return Distribution(
            len(ordered),
            mean,
            percentile(ordered, 50),
            percentile(ordered, 90),
            percentile(ordered, 95),
            ordered[-1],
        )


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile of an ascending sequence.

    That is the smallest value with at least `percent` per cent of all values at or below it. ValueError when
    the sequence is empty or `percent` is not above 0 and at most 100.
    """
    if not ordered or not 0 < percent <= 100:
        raise ValueError("a percentile needs values, and a rank above 0 and up to 100 per cent")
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


@dataclass(frozen=True, slots=True)
class Satisfaction:
    """What the callers pressed after the talk (满意率): `by_score[i]` callers gave i + 1.

    `rate` = those of at least the satisfied score / all who gave one; `response_rate` = all who gave one
    / answered.
    """

    by_score: tuple[int, int, int, int, int]
    mean: float | None
    rate: float | None
    response_rate: float | None


@dataclass(frozen=True, slots=True)
class Kpis:
    """The measures of some calls.

    `offered`, `answered` and `abandoned` are of the queues, and so is `overflowed`: those who found one full;
    `left_menu`, `closed` and `failed` (the last wherever it happened) are the other ends; `live` = not decided yet.
    `answer_rate` is 接通率 = answered /
    offered, `abandoned_rate` 呼损率 = abandoned / offered. `wait` is of the answered, `patience` of the
    abandoned. `handling` = talk + wrap-up, of the calls whose wrap-up is known.
    """

    calls: int
    live: int
    offered: int
    answered: int
    abandoned: int
    left_menu: int
    closed: int
    failed: int
    overflowed: int
    served_by_net: int
    answer_rate: float | None
    abandoned_rate: float | None
    wait: Distribution
    patience: Distribution
    talk: Distribution
    handling: Distribution
    offers_per_answered: float | None
    satisfaction: Satisfaction


def talk_time(record: CallRecord) -> float | None:
    """Seconds from the join to the agent's leaving, or to the caller's hang-up when that came first.

    None while it lasts.
    """
    until = record.released_at if record.released_at is not None else record.ended_at
    return elapsed(record.joined_at, until)


def compute(
    records: Iterable[CallRecord],
    *,
    wrap_up_s: Mapping[CallId, float] | None = None,
    satisfied_from: int = 4,
) -> Kpis:
    """The measures over `records` (each call once); calls that the hotline placed are in none of them.

    `wrap_up_s` gives the agent's after-call work of each call where it is known; the call's own record
    has none. A score of at least `satisfied_from` counts as satisfied (4 = 满意 of 1-5).
    """
    rows = [record for record in records if record.direction == "inbound"]
    lined = [record for record in rows if offered(record)]
    served = [record for record in lined if answered(record)]
    lost = [record for record in lined if abandoned(record)]
    after = wrap_up_s or {}
    talks = [(record.call, talk) for record in served if (talk := talk_time(record)) is not None]
    return Kpis(
        calls=len(rows),
        live=sum(record.ended_at is None and record.outcome is None for record in rows),
        offered=len(lined),
        answered=len(served),
        abandoned=len(lost),
        left_menu=_ended_as(rows, Outcome.LEFT_MENU),
        closed=_ended_as(rows, Outcome.CLOSED),
        failed=_ended_as(rows, Outcome.FAILED),
        overflowed=_ended_as(rows, Outcome.OVERFLOWED),
        served_by_net=sum(record.in_net for record in served),
        answer_rate=_rate(len(served), len(lined)),
        abandoned_rate=_rate(len(lost), len(lined)),
        wait=Distribution.of(wait for record in served if (wait := answer_wait(record)) is not None),
        patience=Distribution.of(wait for record in lost if (wait := abandon_wait(record)) is not None),
        talk=Distribution.of(talk for _, talk in talks),
        handling=Distribution.of(talk + after[call] for call, talk in talks if call in after),
        offers_per_answered=_rate(sum(len(record.offers) for record in served), len(served)),
        satisfaction=_satisfaction(served, satisfied_from),
    )


def by_queue(records: Iterable[CallRecord]) -> dict[QueueId, list[CallRecord]]:
    """The records of each queue, in the order given; calls that never had a queue are left out."""
    groups: dict[QueueId, list[CallRecord]] = {}
    for record in records:
        if record.queue is not None:
            groups.setdefault(record.queue, []).append(record)
    return groups


def _ended_as(records: Sequence[CallRecord], outcome: Outcome) -> int:
    return sum(record.outcome is outcome for record in records)


def _rate(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _satisfaction(served: Sequence[CallRecord], satisfied_from: int) -> Satisfaction:
    scores = [record.score for record in served if record.score is not None and 1 <= record.score <= 5]
    one, two, three, four, five = (scores.count(score) for score in range(1, 6))
    return Satisfaction(
        (one, two, three, four, five),
        sum(scores) / len(scores) if scores else None,
        _rate(sum(score >= satisfied_from for score in scores), len(scores)),
        _rate(len(scores), len(served)),
    )
