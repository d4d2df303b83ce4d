"""The shipped rules and dashboard name what the hotline shows; what it shows keeps Prometheus's conventions and bounds.

promtool's own word on the rules, and a real server's: tests/doors/test_prometheus_real.py.
"""

from __future__ import annotations

import json
import re
import threading
import time
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from agents.moves import AgentState
from controller.inspector import InspectorFigures
from controller.transcripts import TranscriptFigures
from metrics.inspection import InspectionCollector
from metrics.live_words import LiveWordsMetrics, Reading
from metrics.prometheus import ALL, OTHER, Gauges, HotlineMetrics
from metrics.recordings import RecordingMetrics
from metrics.servicelevel import DEFINITIONS
from metrics.speech import SpeechCollector
from pbx.ami_link import AmiCounters
from pbx.ids import QueueId
from recordings.checks import Finding
from web.scrape import AGENT_STATES

pytestmark = pytest.mark.core

METRICS = Path(__file__).resolve().parents[2] / "metrics"
RULES = METRICS / "rules" / "hotline.rules.yml"
TESTS = METRICS / "rules" / "hotline.test.yml"
DASHBOARD = METRICS / "dashboards" / "hotline.json"
SERIES_MAX = 2000
RENDER_MAX_S = 0.05
NAME = re.compile(r"(?<![\w\"])(?:[a-z_]+:)?hotline_\w+(?::\w+)?")
LABELS = {"queue", "state", "outcome", "definition", "le", "held", "finding", "cause", "rule"}


def province() -> HotlineMetrics:
    """What a hotline of 50 queues shows with all its parts, as controller/build.py puts them together."""
    queues = [QueueId(f"q{number}") for number in range(50)]
    metrics = HotlineMetrics(queues)
    RecordingMetrics(metrics.registry, Finding)
    metrics.registry.register(SpeechCollector(TranscriptFigures, lambda: 0.0))
    live = LiveWordsMetrics()
    live.watch(Reading)
    metrics.registry.register(live)
    metrics.registry.register(InspectionCollector(InspectorFigures, lambda: 0, (f"rule{n}" for n in range(40))))
    labels = [*map(str, queues), OTHER]
    metrics.show(
        Gauges(
            waiting=dict.fromkeys(labels, 1),
            agents_ready=dict.fromkeys(labels, 1),
            agents=dict.fromkeys(AGENT_STATES, 1),
            service_levels=tuple((name, queue, 0.5) for name in DEFINITIONS for queue in (*queues, ALL)),
            exchange={name: value for name, value in asdict(AmiCounters()).items() if isinstance(value, int)},
        )
    )
    return metrics


@cache
def families() -> tuple[Metric, ...]:
    """Read back by the client's own parser."""
    return tuple(text_string_to_metric_families(province().render().decode()))


def shown() -> set[str]:
    """Every name that a query can ask for."""
    return {sample.name for family in families() for sample in family.samples}


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]]


def recorded() -> set[str]:
    return {rule["record"] for rule in rules() if "record" in rule}


def test_the_names_are_found_in_expressions() -> None:
    found = NAME.findall(
        'sum(a_b:hotline_x:rate5m{job="hotline"}) / hotline_y_total > on (hotline) up{job="hotline_z"}'
    )
    assert found == ["a_b:hotline_x:rate5m", "hotline_y_total"]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.get("record") or rule["alert"])
def test_a_rule_names_what_is_shown(rule: dict[str, Any]) -> None:
    names = set(NAME.findall(rule["expr"]))
    assert names or "up{" in rule["expr"]
    assert names <= shown() | recorded()


@pytest.mark.parametrize("rule", [rule for rule in rules() if "alert" in rule], ids=lambda rule: rule["alert"])
def test_an_alert_says_what_it_is_and_what_to_do_in_both_languages(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("critical", "warning")
    texts = rule["annotations"]
    assert set(texts) == {"summary_zh", "summary_en", "action_zh", "action_en"}
    for name, text in texts.items():
        chinese = re.search("[\u4e00-\u9fff]", text) is not None
        assert chinese == name.endswith("_zh"), f"{name}: {text}"


def test_each_alert_has_a_test_in_which_it_fires_and_clears() -> None:
    tests = yaml.safe_load(TESTS.read_text(encoding="utf-8"))["tests"]
    tried = {}
    for test in tests:
        firing = [[sample["labels"] for sample in ask["exp_samples"]] for ask in test["promql_expr_test"]]
        tried[test["name"]] = firing
    for rule in rules():
        if "alert" in rule:
            assert tried[rule["alert"]] == [[f'{{alertname="{rule["alert"]}"}}'], []]


def test_the_dashboard_names_what_is_shown() -> None:
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    asked += [one["query"] for one in board["templating"]["list"]]
    names = {name for expression in asked for name in NAME.findall(expression)}
    assert len(names) > 20
    assert names <= shown() | recorded()
    assert all(re.search("[\u4e00-\u9fff]", panel["title"]) and " / " in panel["title"] for panel in board["panels"])
    places = [panel["gridPos"] for panel in board["panels"]]
    cells = [(x, y) for p in places for x in range(p["x"], p["x"] + p["w"]) for y in range(p["y"], p["y"] + p["h"])]
    assert len(cells) == len(set(cells)), "two panels lie on each other"
    assert max(x for x, _ in cells) < 24


def test_names_and_labels_keep_the_conventions() -> None:
    for family in families():
        assert family.name.startswith("hotline_"), family.name
        assert family.documentation, family.name
        assert family.type in ("counter", "gauge", "histogram"), family.name
        assert not re.search(r"_(ms|milliseconds|minutes|hours|kb|mb|percent|pct)(_|$)", family.name), "base units"
        for sample in family.samples:
            assert sample.name.endswith("_total") == (family.type == "counter"), sample.name
            assert not sample.name.endswith("_created"), sample.name
            assert set(sample.labels) <= LABELS, "no label of an agent or a call"
            if sample.name.endswith("_ratio"):
                assert 0 <= sample.value <= 1, "a ratio is of 1"
        if family.type == "histogram":
            assert family.name.endswith("_seconds"), family.name


def test_a_province_s_series_are_bounded() -> None:
    assert len(families()) > 50
    assert sum(len(family.samples) for family in families()) <= SERIES_MAX


def test_each_state_of_an_agent_is_shown() -> None:
    assert {state.value for state in AgentState} == set(AGENT_STATES)


def test_rendering_takes_little_of_a_thread_s_time() -> None:
    """The time of the thread, not of the wall: what other programs take on a busy machine is not ours."""
    metrics, took = province(), []

    def render() -> None:
        for _ in range(7):
            begun = time.thread_time()
            assert len(metrics.render()) > 50_000
            took.append(time.thread_time() - begun)

    thread = threading.Thread(target=render)
    thread.start()
    thread.join()
    assert min(took) <= RENDER_MAX_S, took
