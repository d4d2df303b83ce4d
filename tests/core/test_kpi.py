"""The folds over call records, against the standard library and by hand."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.kpi import Distribution, by_queue, compute, percentile, talk_time
from pbx.call import CallRecord, OfferRecord, Outcome
from pbx.ids import AgentId, CallId, ChannelName, QueueId

pytestmark = pytest.mark.core

AGENT = AgentId("1001")


def served(number: int, *, wait: float, talk: float, score: int | None = None, tries: int = 1) -> CallRecord:
    """A call that waited and talked for so many seconds."""
    joined = 1_000.0 + wait
    return CallRecord(
        CallId(f"s{number}"),
        ChannelName("PJSIP/carrier-1"),
        "12345",
        "",
        990.0,
        queue=QueueId("general"),
        queued_at=1_000.0,
        offers=tuple(OfferRecord(AGENT, joined, "longest idle") for _ in range(tries)),
        agent=AGENT,
        joined_at=joined,
        released_at=joined + talk,
        score=score,
        outcome=Outcome.ANSWERED,
        ended_at=joined + talk + 12.0,
    )


def other(number: int, outcome: Outcome | None, *, queued: bool, wait: float = 7.0) -> CallRecord:
    """A call that no agent answered."""
    return CallRecord(
        CallId(f"o{number}"),
        ChannelName("PJSIP/carrier-1"),
        "12345",
        "",
        990.0,
        queue=QueueId("english") if queued else None,
        queued_at=1_000.0 if queued else None,
        outcome=outcome,
        ended_at=1_000.0 + wait if outcome is not None else None,
    )


def test_counts_rates_and_times() -> None:
    calls = [
        served(1, wait=4, talk=60, score=5),
        served(2, wait=16, talk=120, score=3, tries=2),
        served(3, wait=10, talk=90),
        other(1, Outcome.ABANDONED, queued=True, wait=25),
        other(2, Outcome.FAILED, queued=True),
        other(3, Outcome.LEFT_MENU, queued=False),
        other(4, Outcome.CLOSED, queued=False),
        other(5, None, queued=True),
    ]
    kpis = compute(calls, wrap_up_s={CallId("s1"): 20.0, CallId("s3"): 30.0})
    assert (kpis.calls, kpis.live, kpis.offered, kpis.answered, kpis.abandoned) == (8, 1, 5, 3, 1)
    assert (kpis.left_menu, kpis.closed, kpis.failed, kpis.served_by_net) == (1, 1, 1, 0)
    assert kpis.answer_rate == 3 / 5
    assert kpis.abandoned_rate == 1 / 5
    assert kpis.wait == Distribution(3, 10.0, 10.0, 16.0, 16.0, 16.0)
    assert kpis.patience == Distribution(1, 25.0, 25.0, 25.0, 25.0, 25.0)
    assert kpis.talk.mean == 90.0
    assert kpis.handling == Distribution(2, 100.0, 80.0, 120.0, 120.0, 120.0)
    assert kpis.offers_per_answered == 4 / 3
    assert kpis.satisfaction.by_score == (0, 0, 1, 0, 1)
    assert kpis.satisfaction.mean == 4.0
    assert kpis.satisfaction.rate == 1 / 2
    assert kpis.satisfaction.response_rate == 2 / 3
    assert compute(calls, satisfied_from=3).satisfaction.rate == 1.0


def test_nothing_measured_is_none_and_never_zero() -> None:
    kpis = compute([])
    assert kpis.answer_rate is None
    assert kpis.abandoned_rate is None
    assert kpis.wait == Distribution(0, None, None, None, None, None)
    assert kpis.satisfaction.mean is None
    assert kpis.satisfaction.rate is None
    assert kpis.satisfaction.response_rate is None


def test_a_talk_ends_with_the_agent_or_with_the_caller() -> None:
    call = served(1, wait=1, talk=10)
    assert talk_time(call) == 10.0
    hung_up = CallRecord(call.call, call.channel, "12345", "", 990.0, joined_at=1_000.0, ended_at=1_007.5)
    assert talk_time(hung_up) == 7.5
    assert talk_time(CallRecord(call.call, call.channel, "12345", "", 990.0, joined_at=1_000.0)) is None


def test_records_by_queue_leave_out_calls_without_one() -> None:
    calls = [served(1, wait=1, talk=1), other(1, Outcome.LEFT_MENU, queued=False), served(2, wait=1, talk=1)]
    assert {queue: [call.call for call in rows] for queue, rows in by_queue(calls).items()} == {"general": ["s1", "s2"]}


@given(st.lists(st.floats(0, 1e6, allow_nan=False), min_size=1, max_size=60), st.integers(1, 100))
def test_a_percentile_is_the_smallest_value_that_covers_its_share(values: list[float], percent: int) -> None:
    ordered = sorted(values)
    result = percentile(ordered, percent)
    covered = [value for value in values if value <= result]
    assert len(covered) * 100 >= percent * len(values)
    below = [value for value in values if value < result]
    assert len(below) * 100 < percent * len(values)
    distribution = Distribution.of(values)
    assert distribution.max == max(values)
    assert distribution.count == len(values)
    assert distribution.mean is not None
    assert math.isclose(distribution.mean, statistics.fmean(values), rel_tol=1e-9, abs_tol=1e-9)
    assert distribution.p50 == percentile(ordered, 50)
    assert distribution.p90 == percentile(ordered, 90)
    assert distribution.p95 == percentile(ordered, 95)


@pytest.mark.parametrize(("values", "percent"), [([], 50), ([1.0], 0), ([1.0], 101)])
def test_a_percentile_needs_values_and_a_possible_rank(values: list[float], percent: float) -> None:
    with pytest.raises(ValueError, match="percentile needs"):
        percentile(values, percent)
