"""The way of two real calls through quality inspection, as docs/inspection.md tells it: supervisor, inspectors, agent.

Everybody asks over HTTP with his own access token; the hotline is a process, the phones speak.
"""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from controller.tokens import ACCESS, AccessFile
from recordings.inspection.standard import STANDARD
from tests.asterisk.test_hotline_serves import Scene, folder, serving  # noqa: F401 - a fixture
from tickets.moves import Role

pytestmark = pytest.mark.asterisk

SOUNDS = Path(__file__).parents[3] / "ivr" / "sounds" / "zh"
PEOPLE = {
    "boss": Role.SUPERVISOR, "qa-1": Role.INSPECTOR, "qa-2": Role.INSPECTOR, "1001": Role.AGENT, "lead": Role.LEADER,
}  # fmt: skip
ANSWERS = {
    "courtesy": 1, "greeting": 1, "forbidden": 1, "grasp": 0.8, "type": 1, "record": 1, "privacy": 1,
    "answer": 1, "next": "n/a",
}  # fmt: skip


class Office:
    """The people of the quality office, each with his token."""

    def __init__(self, data: Path) -> None:
        self.data = data
        file = AccessFile(data / ACCESS)
        self.tokens = {who: file.add(who, role, "", made_at=0.0) for who, role in PEOPLE.items()}

    async def ask(self, who: str, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Status and answer."""
        return await asyncio.to_thread(self._ask, who, method, f"/api/inspection{path}", body)

    def hear(self, who: str, ticket: str) -> tuple[int, bytes]:
        """Status and first bytes of a ticket's recording."""
        url = (self.data / "web-address").read_text().strip() + f"api/tickets/{ticket}/recording"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {self.tokens[who]}"})
        with opener.open(request, timeout=20) as answer:
            return answer.status, answer.read(64)

    def _ask(self, who: str, method: str, path: str, body: object) -> tuple[int, Any]:
        request = urllib.request.Request(
            (self.data / "web-address").read_text().strip().rstrip("/") + path,
            data=json.dumps(body).encode() if body is not None else None,
            method=method,
            headers={"Authorization": f"Bearer {self.tokens[who]}", "Content-Type": "application/json"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=20) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            return refused.code, json.load(refused)


async def call_of(scene: Scene, known: set[str]) -> str:
    """A talk of two sentences; its call, once it is inspected."""
    mine, theirs = await scene.talk()
    await mine.play(SOUNDS / "thanks.alaw").finished()
    await theirs.hear_silence(1.2, timeout=10)
    await theirs.play(SOUNDS / "thanks.alaw").finished()
    await theirs.hangup()
    await mine.ended(20)
    await scene.state("ready")
    page = await scene.api.until("/api/inspection/calls", lambda answer: len(answer["calls"]) > len(known), within=60)
    (new,) = {one["call"] for one in page["calls"]} - known
    return str(new)


async def test_the_way_of_two_calls_from_the_machine_to_a_changed_score(folder: Path) -> None:  # noqa: F811
    rules = folder / "strict.toml"
    rules.write_text(STANDARD.read_text("utf-8").replace("dead_air_s = 8.0", "dead_air_s = 1.0"), "utf-8")
    async with serving(folder, inspection={"rules": rules.name}) as scene:
        await scene.ready()
        first = await call_of(scene, set())
        calls = {first, await call_of(scene, {first})}
        office = Office(scene.data)
        await scene.api.until(
            "/api/inspection/results", lambda told: told["lines"] and told["lines"][0]["calls"] == 2, within=60
        )
        # the supervisor draws both calls, of those in which nobody spoke, for two inspectors each
        _, page = await office.ask("boss", "GET", "/calls?found=dead-air")
        assert {one["call"] for one in page["calls"]} == calls
        begin = min(one["started_at"] for one in page["calls"])
        plan = {
            "id": "week-47", "kind": "rule", "rule": "dead-air", "since": begin - 1, "until": begin + 600, "count": 10,
            "seed": "47", "inspectors": ["qa-1", "qa-2"], "double_share": 1,
        }  # fmt: skip
        status, drawn = await office.ask("boss", "POST", "/plans", plan)
        assert (status, len(drawn["tasks"])) == (201, 4)
        # each inspector: his list, the call with its evidence, what the machine proposes, the score
        given = {}
        for who in ("qa-1", "qa-2"):
            _, mine = await office.ask(who, "GET", "/tasks")
            assert {one["call"] for one in mine["tasks"]} == calls
            for task in mine["tasks"]:
                _, shown = await office.ask(who, "GET", f"/calls/{task['call']}")
                assert any(one["rule"] == "dead-air" for one in shown["found"]["findings"])
                assert 0 <= shown["proposed"]["pace"] < 1
                status, sound = await asyncio.to_thread(office.hear, who, shown["ticket"])
                assert (status, sound[:4]) == (200, b"RIFF"), "he hears it by its ticket"
                grasp = 1 if who == "qa-1" else 0.8
                body = {
                    "call": task["call"],
                    "card": "standard",
                    "answers": ANSWERS | {"grasp": grasp},
                    "note": "语速平稳",
                }
                status, score = await office.ask(who, "POST", "/scores", body)
                assert (status, score["seat"]) == (201, task["seat"]), score
                given[task["call"], task["seat"]] = score
        counting = given[first, 1]
        _, agreed = await office.ask("lead", "GET", "/agreement")
        assert (agreed["calls"], agreed["items"]["grasp"]["percent"], agreed["items"]["record"]["percent"]) == (
            2,
            0,
            100,
        )
        # the agent sees the two that count, appeals; who scored does not judge it; the other changes it
        _, his = await office.ask("1001", "GET", "/scores")
        assert {one["id"] for one in his["scores"]} == {given[call, 1]["id"] for call in calls}
        path = f"/scores/{counting['id']}"
        assert (await office.ask("1001", "POST", f"{path}/appeal", {"reason": "市民在查找地址"}))[0] == 200
        scorer = counting["inspector"]
        other = "qa-2" if scorer == "qa-1" else "qa-1"
        status, refused = await office.ask(scorer, "POST", f"{path}/uphold", {"reason": "维持"})
        assert (status, refused["error"]) == (403, "own_score")
        change = {"reason": "静默系市民查找资料, 不扣分", "answers": {"pace": 1}}
        status, changed = await office.ask(other, "POST", f"{path}/change", change)
        assert status == 200
        assert changed["total"] > counting["total"]
        # coaching, read; results of agent and queue with the score as it is now
        note = {"agent": "1001", "score": counting["id"], "text": "等待时请告知市民"}
        _, made = await office.ask(other, "POST", "/coaching", note)
        assert (await office.ask("1001", "POST", f"/coaching/{made['id']}/seen", {}))[0] == 200
        _, results = await office.ask("lead", "GET", "/results?by=agent")
        (line,) = results["lines"]
        mean = round((changed["total"] + next(one["total"] for (call, seat), one in given.items()
                                              if seat == 1 and call != first)) / 2, 2)  # fmt: skip
        assert (line["key"], line["scores"]["count"]) == ("1001", 2)
        assert line["scores"]["mean"] == pytest.approx(mean, abs=0.01)
        assert (await office.ask("1001", "GET", "/results?agent=1002"))[0] == 403
        assert (await office.ask("lead", "POST", f"{path}/close", {}))[0] == 403
        assert (await office.ask("boss", "POST", f"{path}/close", {}))[1]["state"] == "closed"
        trail = (await scene.api.get("/api/audit"))["rows"]
        told = [(one["actor"], one["action"], one["outcome"]) for one in trail if one["outcome"] != "ok"]
        assert told == [
            (scorer, "uphold_score", "own_score"), ("1001", "see_results", "not_allowed"),
            ("lead", "close_score", "not_allowed"),
        ]  # fmt: skip
    assert "Traceback" not in scene.hotline.text
