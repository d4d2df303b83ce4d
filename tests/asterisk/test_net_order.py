"""The safety net rings those who were ready at the last heartbeat, the longest idle first: on a real Asterisk, after
`kill -9` of the controller."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from controller.softphone import AnswerPolicy, Phone
from tests.asterisk.test_hotline_serves import Scene, folder
from tests.serving import NUMBERS, Served, configuration

__all__ = ["folder"]

pytestmark = pytest.mark.asterisk

AGENTS = ("1001", "1002", "1003", "1004", "1005")
BUSY = AnswerPolicy.reject(486, after_s=0.3)
REST = NUMBERS + "".join(f'\n[[agents]]\nid = "{agent}"\nname = "{agent}"\n' for agent in AGENTS[1:])
SECTIONS: dict[str, dict[str, object]] = {"asterisk": {"heartbeat_max_s": 3}}


@asynccontextmanager
async def phones(scene: Scene) -> AsyncIterator[dict[str, Phone]]:
    """Every agent's phone, registered; each rejects what rings it."""
    s = scene.exchange
    async with AsyncExitStack() as stack:
        found = {
            one: await stack.enter_async_context(Phone(one, s.phone(one).password, server=(s.host, s.sip_port)))
            for one in AGENTS
        }
        for phone in found.values():
            phone.policy = BUSY
            await phone.register()
        yield found


async def fall(scene: Scene, desk: dict[str, Phone], expected: tuple[str, ...]) -> None:
    """The controller is killed, a citizen dials, and the net rings these in order; only the last one answers."""
    scene.hotline.signal(signal.SIGKILL)
    await scene.hotline.ended()
    desk[expected[-1]].policy = AnswerPolicy.auto(0.1)
    caller = await scene.dial("13912340000")
    rung = []
    for agent in expected:
        ring = await desk[agent].incoming(20)
        rung.append(ring.time_of("incoming") or 0.0)
    assert rung == sorted(rung)
    assert not desk["1004"].calls, "he was not ready"
    await ring.answered(10)
    desk[expected[-1]].policy = BUSY
    await ring.hangup()
    await caller.ended(20)


async def ready(scene: Scene, agent: str) -> None:
    await scene.api.until(
        "/api/overview", lambda view: {one["agent"]: one["state"] for one in view["agents"]}[agent] == "ready"
    )


async def test_the_net_rings_who_was_ready_the_longest_idle_first(folder: Path) -> None:  # noqa: F811
    file = configuration(folder, SECTIONS, rest=REST)
    async with Served("run", "--config", str(file)) as hotline:
        await hotline.said("serving; pages at")
        scene = Scene(hotline, folder)
        try:
            async with phones(scene) as desk:
                for agent in ("1003", "1001", "1004", "1002", "1005"):
                    await scene.api.until(
                        "/api/overview", lambda view, one=agent: {a["agent"]: a["phone"] for a in view["agents"]}[one]
                    )
                    await scene.api.post(f"/api/agents/{agent}/ready")
                await scene.api.post("/api/agents/1004/not-ready", {"reason": "break"})
                # 1003 has been idle longest; he takes a call, without after-call work, and is the last from then on.
                desk["1003"].policy = AnswerPolicy.auto(0.1)
                citizen = await scene.dial()
                talk = await desk["1003"].incoming(10)
                await talk.hear_silence(1.2, timeout=5)
                await citizen.hangup()
                await talk.ended(10)
                await ready(scene, "1003")
                await fall(scene, desk, ("1001", "1002", "1005", "1003"))
                async with Served("run", "--config", str(file)) as second:  # the net begins anew, not where it was
                    await second.said("serving; pages at")
                    again = Scene(second, folder)
                    await ready(again, "1003")
                    try:
                        await fall(again, desk, ("1001", "1002"))
                    finally:
                        await again.close()
                async with Served("run", "--config", str(file)) as third:  # its orderly end takes Asterisk with it
                    await third.said("serving; pages at")
        finally:
            await scene.close()
