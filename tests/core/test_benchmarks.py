"""The benchmarks' own arithmetic, and the shape of what they write. No figure is judged here."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from benchmarks import acd, live
from benchmarks.join import Cost, per_call
from benchmarks.live import begins, clock_offset, opening, percentile, spread
from benchmarks.prompt import WALKS, first_prompts
from benchmarks.report import Report, goals
from controller.config import load as read_configuration
from controller.softphone.heard import HeardPacket

pytestmark = pytest.mark.core


def packets(*payloads: bytes) -> list[HeardPacket]:
    return [HeardPacket(0.02 * i, i, 160 * i, 1, False, payload) for i, payload in enumerate(payloads)]


def cost(at: float, controller: float, asterisk: float, events: int) -> Cost:
    counters = {"messages": 2 * events, "events": events, "ignored": 0, "actions": events}
    return Cost(at, controller, asterisk, 100.0, 80.0, counters)


def test_percentiles_are_interpolated() -> None:
    values = [4.0, 1.0, 3.0, 2.0, 5.0]
    assert percentile(values, 0.0) == 1.0
    assert percentile(values, 0.5) == 3.0
    assert percentile(values, 0.95) == pytest.approx(4.8)
    assert percentile(values, 1.0) == 5.0
    assert percentile([7.0], 0.95) == 7.0
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def test_spread_of_nothing_says_only_that() -> None:
    assert spread([]) == {"n": 0}
    assert spread([2.0, 1.0]) == {"n": 2, "p50": 1.5, "p95": pytest.approx(1.95), "min": 1.0, "max": 2.0}


def test_a_prompt_is_found_by_all_of_its_opening_and_not_by_noise() -> None:
    noise, voice, other = b"\xd4" * 160, bytes(range(160)), bytes(range(50, 210))
    assert opening(noise + noise + voice + other) == [noise, noise, voice]
    heard = packets(noise, noise, noise, voice, other)
    found = begins(heard, 0, [noise, noise, voice])
    assert found is not None
    assert found.sequence == 1
    assert begins(heard, 2, [noise, noise, voice]) is None, "it began before"
    assert begins(packets(noise, other, voice), 0, [noise, noise, voice]) is None
    assert begins([], 0, [noise]) is None
    with pytest.raises(ValueError, match="silent"):
        opening(noise * 3)


def test_the_walks_name_the_prompts_by_the_menus_own_rules() -> None:
    settings = read_configuration(live.CONFIGURATION)
    menu = settings.plan.menus[settings.plan.numbers[live.MENU].menu or ""]
    assert settings.plan.numbers[live.DIRECT].menu is None
    assert list(first_prompts(menu, "zh", ("5", "*", "9"))) == [
        "hotline/zh/welcome",
        "hotline/zh/invalid-key",
        "hotline/zh/menu-main",
        "hotline/en/desk-english",
    ]
    for walk in WALKS:
        for name in first_prompts(menu, "zh", walk):
            assert opening((settings.sounds / f"{name.removeprefix('hotline/')}.alaw").read_bytes())


def test_the_cost_of_a_call_is_without_what_nothing_costs() -> None:
    idle = cost(0.0, 1.0, 1.0, 0), cost(10.0, 1.1, 1.5, 10)  # 10 and 50 ms a second
    busy = cost(20.0, 2.0, 2.0, 100), cost(40.0, 3.0, 5.0, 320)
    told = per_call(idle, busy, 20)
    assert told["controller_idle_cpu_per_s"] == pytest.approx(0.01)
    assert told["controller_cpu_per_call"] == pytest.approx((1.0 - 0.2) / 20)
    assert told["asterisk_cpu_per_call"] == pytest.approx((3.0 - 1.0) / 20)
    assert told["ami_events_per_call"] == 11.0
    with pytest.raises(ValueError, match="no calls"):
        per_call(idle, busy, 0)


def test_this_process_costs_something() -> None:
    before = live.cpu_seconds(os.getpid())
    while live.cpu_seconds(os.getpid()) == before:
        sum(range(10_000))
    assert live.cpu_seconds(os.getpid()) > before
    assert live.memory_mb(os.getpid()) > 1.0
    assert live.yardstick_s() > 0.0


def test_the_clocks_offset_is_read_from_both_clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    assert clock_offset(lambda: 400.0) == 600.0


@pytest.mark.parametrize("name", ["prompt", "join"])
def test_what_is_written_has_the_agreed_shape(name: str, tmp_path: Path) -> None:
    report = Report(name)
    figures = list(goals("bench", name))
    assert figures, "benchmarks/figures.toml names the figures of this benchmark"
    report.figure(figures[0], 0.001)
    report.details = {"load_before": [0.0, 0.0, 0.0]}
    file = tmp_path / "figures.json"
    assert report.finish(file) == 0
    written = json.loads(file.read_text())
    assert written["name"] == name
    assert written["machine"]["cores"] == os.cpu_count()
    assert written["figures"] == {figures[0]: 0.001}, "a figure that was not measured is absent"
    assert written["load_before"] == [0.0, 0.0, 0.0]
    with pytest.raises(KeyError):
        report.figure("prompt.unheard_of", 1.0)


def test_the_sides_of_bench_acd_do_the_same_work() -> None:
    for layout in acd.LAYOUTS:
        for load in acd.LOADS:
            found = acd.cell(300, layout, load, rounds=1, decisions=400)
            assert found["compared"]["oracle"] == acd.ORACLE_DECISIONS
            assert found["matches"] > 100
            assert found["p99_s"]["auto"] > 0


def test_a_side_that_decides_differently_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong(acd.MemberScan):
        def arrive(self, caller: acd.Waiting, now: float) -> None:
            return None

    monkeypatch.setattr(acd, "MemberScan", Wrong)
    with pytest.raises(RuntimeError, match="member_scan decides differently"):
        acd.cell(300, "templates", "light", rounds=1, decisions=100)
