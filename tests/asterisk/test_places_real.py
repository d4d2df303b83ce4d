"""Places in the line by named rules, with real calls: who comes back, and whose number is listed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.asterisk.test_hotline_serves import Scene, folder, serving

__all__ = ["folder"]

pytestmark = pytest.mark.asterisk

FIRST, SECOND, THIRD, LISTED = "13912345678", "13800001111", "13700002222", "051688886666"


@pytest.fixture
def place(folder: Path) -> Path:
    return folder


async def waiting(scene: Scene, number: int) -> None:
    await scene.api.until("/api/overview", lambda view: view["queues"][0]["waiting"] == number)


async def record(scene: Scene, caller: str, number: int = 0) -> Any:
    """The `number`th call of a caller, by its arrival."""
    calls = (await scene.api.get(f"/api/calls?since={time.time() - 300}"))["calls"]
    return [one for one in calls if one["caller"] == caller][number]


async def test_who_comes_back_and_who_is_listed_stands_where_the_rule_says(place: Path) -> None:
    async with serving(place) as scene:
        await scene.ready()
        await scene.api.post("/api/agents/1001/not-ready", {"reason": "break"})
        mine = await scene.dial(FIRST)
        await waiting(scene, 1)
        await scene.dial(SECOND)
        await waiting(scene, 2)
        await mine.hangup()
        await waiting(scene, 1)
        await scene.dial(FIRST)
        await waiting(scene, 2)
        entry = {"number": "0516*", "kind": "emergency_unit", "until": time.time() + 3600, "by": "1001"}
        await scene.api.post("/api/caller-list", entry)
        await scene.dial(LISTED)
        await waiting(scene, 3)

        assert scene.agent is not None
        served = []
        for _ in range(3):
            await scene.api.post("/api/agents/1001/ready")
            theirs = await scene.agent.incoming(10)
            await theirs.answered(10)
            view = await scene.api.until(
                "/api/overview", lambda view: any(call["state"] == "talking" for call in view["calls"])
            )
            call = next(one["call"] for one in view["calls"] if one["state"] == "talking")
            served.append((await scene.api.get(f"/api/calls/{call}"))["caller"])
            await scene.api.post("/api/agents/1001/not-ready", {"reason": "break"})
            await theirs.hear_silence(1.2, timeout=5)  # shorter than a second would count as no talk
            await theirs.hangup()
            await scene.state("not_ready")
        assert served == [LISTED, FIRST, SECOND]
        again, before = await record(scene, FIRST, 1), await record(scene, FIRST)
        assert again["favours"] == ["returning"]
        assert again["place_at"] == before["queued_at"] < again["queued_at"]
        assert again["offers"][-1]["reason"].endswith("by rule: returning")
        assert (await record(scene, LISTED))["favours"] == ["listed:emergency_unit"]
