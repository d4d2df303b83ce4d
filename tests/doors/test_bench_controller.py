"""`hotline bench controller` in a tiny form: a whole controller carries the fake manager's calls. Nothing is judged."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest

from benchmarks import controller as bench
from benchmarks import probed
from benchmarks.fake_manager import Caller, FakeManager

pytestmark = pytest.mark.doors


async def test_every_call_is_carried_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "controller.json"
    monkeypatch.setattr(bench, "JUDGED", 20.0)
    status = await asyncio.to_thread(
        lambda: bench.run(file, rates=(5.0, 20.0), step_s=0.5, idle_s=0.3, folder=tmp_path / "stage")
    )
    assert status == 0
    told = json.loads(file.read_text())
    assert set(told["figures"]) - {"controller.calls_per_s"} == {
        "controller.cpu_per_call",
        "controller.loop_stall.p99",
    }
    slow, judged = told["steps"]
    assert (slow["offered"], slow["finished"], slow["talked"]) == (2, 2, 2)
    assert (judged["offered"], judged["carried"]) == (10, True)
    assert 20.0 <= judged["events_per_call"] <= 24.0, "the load that the issue names: 22 events a call"
    assert judged["stall"]["n"] > 10
    assert judged["reaction"]["n"] == 10
    assert judged["cpu_per_call"] > 0.0
    assert told["recorded"]["events_per_call"] > 0
    wavs = list((tmp_path / "stage" / "data" / "recordings").rglob("*.wav"))
    assert len(wavs) == told["recorded"]["finished"], "the step with recordings seals one for each call"


async def test_a_controller_that_does_not_start_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "configuration", lambda *_, **__: "[hotline]\nwrong = 1\n")
    assert await asyncio.to_thread(lambda: bench.run(rates=(5.0,), step_s=0.1, idle_s=0.1, folder=tmp_path)) == 2
    assert "could not start" in capsys.readouterr().out


async def test_a_call_that_nobody_commands_is_no_finished_one() -> None:
    manager = FakeManager(["1001"], "x")
    manager.arrive("12345")
    with pytest.raises(TimeoutError):
        await manager.quiet(0.05)
    assert (manager.finished, manager.talked) == (0, 0)
    caller: Caller = next(iter(manager.calls.values()))
    manager.hang_up(caller)
    await manager.quiet(0.05)
    assert (manager.finished, manager.talked) == (1, 0)


async def test_the_probe_sees_a_loop_that_stands_still(tmp_path: Path) -> None:
    file = tmp_path / "stalls"
    begun = time.monotonic()
    task = asyncio.create_task(probed.probe(file))
    await asyncio.sleep(0.05)
    time.sleep(0.1)  # noqa: ASYNC251 - the stall that is to be seen
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    late = probed.read(file, begun, time.monotonic())
    assert max(late) > 0.05
    assert probed.read(file, begun - 9, begun - 8) == []
    file.write_bytes(file.read_bytes() + b"half")
    assert probed.read(file, begun, time.monotonic()) == late
