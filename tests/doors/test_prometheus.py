"""The exposition, read back by prometheus_client's own parser."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from metrics.prometheus import WAIT_BUCKETS, Gauges, HotlineMetrics, watch_loop
from pbx.call import CallRecord, Outcome
from pbx.ids import AgentId, CallId, ChannelName, QueueId

pytestmark = pytest.mark.doors

GENERAL = QueueId("general")


def shown(metrics: HotlineMetrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }


def value(metrics: HotlineMetrics, name: str, **labels: str) -> float | None:
    """One sample, None when it is not shown."""
    return shown(metrics).get((name, frozenset(labels.items())))


def arrived(number: int = 1) -> CallRecord:
    """A call that is in the menu."""
    return CallRecord(CallId(f"c{number}"), ChannelName("PJSIP/carrier-1"), "12345", "13800001234", 100.0)


def answered(call: CallRecord, wait: float = 9.0) -> CallRecord:
    """The same call, over after a talk."""
    return replace(
        call,
        queue=GENERAL,
        queued_at=110.0,
        agent=AgentId("1001"),
        joined_at=110.0 + wait,
        outcome=Outcome.ANSWERED,
        ended_at=200.0,
    )


def test_each_fact_of_a_call_counts_once_however_often_it_is_saved() -> None:
    metrics = HotlineMetrics([GENERAL])
    call = arrived()
    for record in (call, call, replace(call, queue=GENERAL, queued_at=110.0)):
        metrics.observe(record)
    assert value(metrics, "hotline_calls_arrived_total") == 1
    assert value(metrics, "hotline_calls_offered_total", queue="general") == 1
    assert value(metrics, "hotline_calls_answered_total", queue="general") == 0
    done = answered(call)
    for record in (replace(done, outcome=None, ended_at=None), done, replace(done, score=5), done):
        metrics.observe(record)
    assert value(metrics, "hotline_calls_arrived_total") == 1
    assert value(metrics, "hotline_calls_offered_total", queue="general") == 1
    assert value(metrics, "hotline_calls_answered_total", queue="general") == 1
    assert value(metrics, "hotline_calls_abandoned_total", queue="general") == 0
    assert value(metrics, "hotline_calls_ended_total", outcome="answered") == 1
    assert value(metrics, "hotline_answer_wait_seconds_count", queue="general") == 1
    assert value(metrics, "hotline_answer_wait_seconds_sum", queue="general") == 9.0


def test_a_caller_counts_as_abandoned_only_when_he_is_gone() -> None:
    metrics = HotlineMetrics([GENERAL])
    waiting = replace(arrived(), queue=GENERAL, queued_at=110.0)
    metrics.observe(waiting)
    assert value(metrics, "hotline_calls_abandoned_total", queue="general") == 0
    metrics.observe(replace(waiting, outcome=Outcome.ABANDONED, ended_at=150.0))
    assert value(metrics, "hotline_calls_abandoned_total", queue="general") == 1
    assert value(metrics, "hotline_abandon_wait_seconds_sum", queue="general") == 40.0


def test_the_wait_histogram_has_the_standard_s_fifteen_seconds() -> None:
    assert 15.0 in WAIT_BUCKETS
    metrics = HotlineMetrics([GENERAL])
    for number, wait in enumerate((15.0, 15.001, 3.0)):
        metrics.observe(answered(arrived(number), wait))
    assert value(metrics, "hotline_answer_wait_seconds_bucket", queue="general", le="15.0") == 2
    assert value(metrics, "hotline_answer_wait_seconds_bucket", queue="general", le="20.0") == 3


def test_a_queue_that_is_not_configured_makes_no_series_of_its_own() -> None:
    metrics = HotlineMetrics([GENERAL])
    before = set(shown(metrics))
    for number in range(50):
        queue = QueueId(f"made-up-{number}")
        metrics.observe(replace(answered(arrived(number)), queue=queue))
        metrics.show(Gauges(waiting={queue: 1, GENERAL: 2}, service_levels=(("sl15.offered.v1", str(queue), 0.5),)))
    assert value(metrics, "hotline_calls_offered_total", queue="other") == 50
    assert value(metrics, "hotline_calls_waiting", queue="other") == 1
    assert {name for name, _ in set(shown(metrics)) - before} <= {"hotline_calls_waiting"}


def test_no_label_names_an_agent_a_call_or_a_caller() -> None:
    metrics = HotlineMetrics([GENERAL])
    metrics.observe(answered(arrived()))
    metrics.show(Gauges(agents={"ready": 1}, service_levels=(("sl15.offered.v1", "all", 1.0),), exchange={"events": 3}))
    labels = {
        name
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
        for name in sample.labels
    }
    assert labels <= {"queue", "state", "outcome", "definition", "le", "held"}
    text = metrics.render().decode()
    assert "13800001234" not in text
    assert "1001" not in text


def test_gauges_show_the_last_snapshot_only() -> None:
    metrics = HotlineMetrics([GENERAL])
    metrics.show(
        Gauges(
            connected=True,
            waiting={"general": 3},
            agents_ready={"general": 2},
            talking=4,
            agents={"ready": 2, "talking": 4},
            service_levels=(("sl15.offered.v1", "all", 0.75), ("sl15.offered.v1", "general", 0.5)),
            exchange={"events": 12},
        )
    )
    assert value(metrics, "hotline_exchange_connected") == 1
    assert value(metrics, "hotline_calls_waiting", queue="general") == 3
    assert value(metrics, "hotline_queue_agents_ready", queue="general") == 2
    assert value(metrics, "hotline_calls_talking") == 4
    assert value(metrics, "hotline_agents", state="talking") == 4
    assert value(metrics, "hotline_service_level_ratio", definition="sl15.offered.v1", queue="all") == 0.75
    assert value(metrics, "hotline_ami_events_total") == 12
    metrics.show(Gauges())
    assert value(metrics, "hotline_exchange_connected") == 0
    assert value(metrics, "hotline_service_level_ratio", definition="sl15.offered.v1", queue="all") is None


def test_ended_calls_are_forgotten_in_the_end_and_live_ones_never() -> None:
    metrics = HotlineMetrics([GENERAL], remember=2)
    live = arrived(0)
    metrics.observe(live)
    for number in range(1, 6):
        metrics.observe(answered(arrived(number)))
    metrics.observe(replace(live, language="en"))
    metrics.observe(replace(answered(arrived(5)), score=4))
    assert value(metrics, "hotline_calls_arrived_total") == 6


def test_two_controllers_in_one_process_do_not_share_a_registry() -> None:
    one, two = HotlineMetrics([GENERAL]), HotlineMetrics([GENERAL])
    one.observe(arrived())
    assert value(two, "hotline_calls_arrived_total") == 0


class Noting(HotlineMetrics):
    """Metrics that also give each measurement to the test."""

    def __init__(self) -> None:
        super().__init__()
        self.lags: asyncio.Queue[float] = asyncio.Queue()

    def loop_lag(self, seconds: float) -> None:
        super().loop_lag(seconds)
        self.lags.put_nowait(seconds)


async def test_a_blocked_loop_shows_as_lag() -> None:
    metrics = Noting()
    watch = asyncio.create_task(watch_loop(metrics, 0.01))
    try:
        async with asyncio.timeout(5):
            await metrics.lags.get()
            time.sleep(0.08)  # noqa: ASYNC251  the very thing that must be seen
            while await metrics.lags.get() < 0.05:
                pass
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
    late = value(metrics, "hotline_loop_lag_seconds_count")
    quick = value(metrics, "hotline_loop_lag_seconds_bucket", le="0.05")
    assert late is not None
    assert quick is not None
    assert late > quick


def test_event_lag_of_two_clocks_is_never_negative() -> None:
    metrics = HotlineMetrics()
    metrics.event_lag(-0.5)
    metrics.event_lag(0.002)
    assert value(metrics, "hotline_event_lag_seconds_count") == 2
    assert value(metrics, "hotline_event_lag_seconds_sum") == 0.002
