"""Live figures and an alert of a real call: a real Asterisk, the whole hotline as a process, killed while it stands."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import pytest

from tests.asterisk.test_story_real import Floor, folder  # noqa: F401 - a fixture
from tests.serving import NUMBERS, Served, configuration

pytestmark = pytest.mark.asterisk

RULES = """
[[alerts.rules]]
name = "longest-wait"
measure = "longest_wait_s"
of = "queue"
above = 0.5
clears_at = 0.0
"""


async def test_somebody_waits_the_hotline_dies_and_he_is_answered(folder: Path) -> None:  # noqa: F811
    file = configuration(folder, {"alerts": {"every_s": 0.2}}, rest=NUMBERS + RULES)
    floor = Floor(file, 0)
    api = floor.api
    try:
        async with Served("run", "--config", str(file), "--leave-asterisk") as hotline:
            await hotline.said("serving; pages at")
            agent = await floor.agent("1001", ready=False)
            mine = await floor.citizen()
            raised = await api.until("/api/alerts", lambda view: "longest-wait" in rules(view), within=30)
            (one,) = [one for one in raised["alerts"] if one["rule"] == "longest-wait"]
            assert (one["of"], one["name"], one["acknowledged_by"]) == ("queue", "general", "")
            assert one["message"]["zh"].startswith("最长等待: 技能组 综合服务")
            await api.post(f"/api/alerts/{one['id']}/acknowledge")
            overview = await api.get("/api/overview")
            assert [row["acknowledged_by"] for row in overview["alerts"] if row["id"] == one["id"]] == ["admin"]
            hotline.signal(signal.SIGKILL)
            await hotline.ended(10)
        async with Served("run", "--config", str(file)) as again:
            await again.said("serving; pages at")
            still = await api.until("/api/alerts", lambda view: "longest-wait" in rules(view), within=30)
            same = [row for row in still["alerts"] if row["rule"] == "longest-wait"]
            assert [(row["id"], row["acknowledged_by"]) for row in same] == [(one["id"], "admin")]
            await floor.state("1001", "offline", phone=True)
            await api.post("/api/agents/1001/ready")
            theirs = await agent.incoming(20)
            await theirs.hear_silence(1.5, timeout=10)
            await api.until("/api/alerts", lambda view: "longest-wait" not in rules(view), within=30)
            await theirs.hangup()
            await mine.ended(30)
            record = await floor.over(1)
            path = "/api/live/figures?of=queue&name=general"
            figures = await api.until(path, lambda view: view["ready"] and bool(view["figures"]), within=30)
            of = {(row["window"], row["definition"]): row for row in figures["figures"]}
            assert {row[0] for row in of} == {"15m", "1h", "day", "24h"}
            assert (of["15m", "connect.v1"]["numerator"], of["15m", "connect.v1"]["denominator"]) == (1, 1)
            wait = record["joined_at"] - record["queued_at"]  # type: ignore[operator]
            assert of["24h", "wait.v1"]["value"] == pytest.approx(wait, abs=0.001)
            past = await api.get("/api/kpi/wait.v1?day=today&queue=general")
            assert past["value"] == of["day", "wait.v1"]["value"]
    finally:
        await floor.close()


def rules(view: dict[str, list[dict[str, object]]]) -> set[object]:
    """Of which rules alerts stand."""
    return {one["rule"] for one in view["alerts"]}


async def test_a_trunk_that_does_not_answer_is_told_and_told_again_when_it_does(folder: Path) -> None:  # noqa: F811
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    trunk = {"host": "127.0.0.1", "port": port, "qualify_s": 1}
    rule = '\n[[alerts.rules]]\nname = "trunk-down"\nmeasure = "trunk_down"\nabove = 0.0\n'
    file = configuration(folder, {"alerts": {"every_s": 0.2}, "trunk": trunk}, rest=NUMBERS + rule)
    floor = Floor(file, port)
    try:
        async with Served("run", "--config", str(file)) as hotline:
            await hotline.said("serving; pages at")
            await floor.api.until("/api/alerts", lambda view: "trunk-down" in rules(view), within=30)
            await floor.phone("carrier", "", local_port=port)  # it answers OPTIONS
            await floor.api.until("/api/alerts", lambda view: "trunk-down" not in rules(view), within=30)
    finally:
        await floor.close()
