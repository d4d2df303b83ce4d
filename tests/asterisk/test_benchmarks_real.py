"""The benchmarks with real calls, very small: they run to their end and write what was agreed. No figure is judged."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks import join, prompt, queue, races
from controller.asterisk import AsteriskBinary

pytestmark = pytest.mark.asterisk


async def written(bench: Callable[[Path], int], file: Path) -> dict[str, Any]:
    """The benchmark has an event loop of its own, as on the command line: it runs in a thread."""
    status = await asyncio.to_thread(bench, file)
    assert status in (0, 1), "it was measured; a missed goal is no fault of the benchmark"
    told: dict[str, Any] = json.loads(file.read_text())
    assert told["machine"]["cores"]
    assert told["asterisk"]["version"]
    return told


async def test_bench_prompt_hears_every_next_prompt(
    binary: AsteriskBinary, place: Callable[[], Path], tmp_path: Path
) -> None:
    folder = place()
    told = await written(lambda file: prompt.run(file, keys=6, folder=folder), tmp_path / "prompt.json")
    assert told["name"] == "prompt"
    assert set(told["figures"]) == {"prompt.key_to_next_prompt.p50", "prompt.key_to_next_prompt.p95"}
    assert (told["keys"]["rfc4733"]["n"], told["keys"]["info"]["n"]) == (3, 3)
    assert (told["calls"], told["not_heard"], told["failed_calls"]) == (2, 0, 0)
    assert told["keys"]["all"]["min"] > 0.0, "no prompt is heard before its key"


async def test_bench_join_sees_both_parties_bridged(
    binary: AsteriskBinary, place: Callable[[], Path], tmp_path: Path
) -> None:
    folder = place()
    told = await written(
        lambda file: join.run(file, calls=3, short_calls=8, idle_s=1.0, folder=folder), tmp_path / "join.json"
    )
    assert told["name"] == "join"
    assert set(told["figures"]) == {"join.answer_to_bridged.p50", "join.controller_cpu_per_call"}
    assert (told["answer_to_bridged"]["n"], told["agent_to_callers_ear"]["n"], told["failed_calls"]) == (3, 3, 0)
    assert told["answer_to_bridged"]["min"] > 0.0
    short = told["short_calls"]
    assert (short["calls"], short["failed"]) == (8, 0)
    assert short["ami_events_per_call"] > 5, "each call is told by the exchange"
    assert short["controller_memory_mb"]["after"] > 10.0
    assert short["asterisk_cpu_per_call"] > 0.0


async def test_bench_queue_lets_both_sides_serve_the_same_people(
    binary: AsteriskBinary, place: Callable[[], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = place()
    monkeypatch.setattr(queue, "JUDGED_WAITING", 2)
    monkeypatch.setattr(queue, "SETTLE_S", 1.5)
    monkeypatch.setattr(queue, "RAMP_S", 0.1)
    monkeypatch.setattr(
        queue, "plan", lambda *_, **__: [(side, 3, 2) for side in (queue.OURS, queue.FAST, queue.SURVEY)]
    )
    told = await written(
        lambda file: queue.run(file, members=(3,), waiting=(2,), window_s=3.0, folder=folder), tmp_path / "queue.json"
    )
    assert told["figures"] == {"queue.lost_calls": 0}, "three agents are no size that is judged"
    ours, fast, survey = told["turns"]
    for turn in told["turns"]:
        assert turn["talks"] > 0, turn["side"]
        assert (turn["lost"], turn["unanswered_requests"], turn["left_over"]) == (0, 0, 0), turn["side"]
        assert turn["free_to_invite"]["n"] > 0, "two always wait: whoever is free is rung again"
    assert ours["offer_to_invite"]["n"] > 0
    assert ours["answer_to_bridged"]["min"] > -0.005, "two clocks of one machine"
    assert fast["offer_to_invite"] == {"n": 0}
    assert survey["scores"] > 0
    assert ours["controller_cpu_per_call"] > 0.0


async def test_bench_races_knows_where_everybody_is(
    binary: AsteriskBinary, place: Callable[[], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = place()
    few = ("offer in an announcement", "hold, agent hangs up", "third party answers, caller hangs up")
    monkeypatch.setattr(races, "RACES", {name: races.RACES[name] for name in few})
    told = await written(
        lambda file: races.run(file, trials=2, lanes=2, silent=0, folder=folder), tmp_path / "races.json"
    )
    assert told["figures"] == {"races.lost": 0, "races.left_over": 0}
    assert {name: told["races"][name]["trials"] for name in few} == dict.fromkeys(few, 2)
    assert told["races"][races.FALLS]["trials"] == 2
