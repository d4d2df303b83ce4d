"""From a key in the line to the talk: a call-back on a real Asterisk with real phones, and through a kill -9."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from controller.softphone import AnswerPolicy, Call, Phone, Tone
from tests.asterisk.test_hotline_serves import Scene, folder, rows
from tests.serving import NUMBERS, Served, configuration

__all__ = ["folder"]

pytestmark = pytest.mark.asterisk

CITIZEN, HOME = "139123", "9139123"
"""His number, and the extension by which the exchange reaches him: what a trunk is to a real hotline."""

QUEUE = 'keys = { "1" = "callback" }\nannounce_first_s = 0.0\ncomfort_first_s = 0.0\n'
REST = NUMBERS.replace("ring_s = 6\n", "ring_s = 6\n" + QUEUE) + f'\n[[extensions]]\nid = "{HOME}"\nname = "citizen"\n'
SECTIONS: dict[str, dict[str, object]] = {"callback": {"dial": "PJSIP/9{number}", "pause_s": 5.0}}
CITIZEN_HZ, AGENT_HZ = 500, 1200


@asynccontextmanager
async def home(scene: Scene, policy: AnswerPolicy | None = None) -> AsyncIterator[Phone]:
    """The citizen's telephone."""
    s = scene.exchange
    async with Phone(HOME, s.phone(HOME).password, server=(s.host, s.sip_port), policy=policy) as phone:
        await phone.register()
        yield phone


async def asks(scene: Scene) -> None:
    """He dials, waits, presses 1, confirms his number with 1, is told that it is registered, and let go."""
    call = await scene.dial(CITIZEN)
    await call.hear_sound(5)
    await scene.api.until("/api/overview", lambda view: any(one["state"] == "waiting" for one in view["calls"]))
    await call.press("1")
    await scene.api.until("/api/overview", lambda view: any(one["state"] == "asking" for one in view["calls"]))
    await call.press("1")
    end = await call.ended(20)
    assert end.by == "remote"
    await scene.api.until("/api/callbacks", lambda view: [one["state"] for one in view["callbacks"]] == ["waiting"])


async def talk(scene: Scene, citizen: Call) -> Call:
    """His phone was answered: he hears who calls, then his agent's phone rings, and both hear each other."""
    assert scene.agent is not None
    agent = await scene.agent.incoming(20)
    await agent.answered(5)
    assert agent.header("X-Purpose") == "callback"
    assert agent.remote_number == CITIZEN
    citizen.play(Tone(CITIZEN_HZ))
    agent.play(Tone(AGENT_HZ))
    await citizen.hear_tone(AGENT_HZ, timeout=5)
    await agent.hear_tone(CITIZEN_HZ, timeout=8, frames=60)  # a talk shorter than a second would count as none
    return agent


def state(wanted: str) -> Any:
    return lambda view: [one["state"] for one in view["callbacks"]] == [wanted]


async def test_from_the_key_to_the_talk(folder: Path) -> None:  # noqa: F811
    async with Served("run", "--config", str(configuration(folder, SECTIONS, rest=REST))) as hotline:
        await hotline.said("serving; pages at")
        scene = Scene(hotline, folder)
        try:
            async with home(scene, AnswerPolicy.auto(0.3)) as citizen:
                await asks(scene)
                await scene.sit_down()
                incoming = await citizen.incoming(10)
                await incoming.answered(5)
                agent = await talk(scene, incoming)
                view = await scene.api.until("/api/callbacks", state("done"))
                (attempt,) = view["callbacks"][0]["attempts"]
                assert (attempt["outcome"], attempt["agent"]) == ("answered", "1001")
                await agent.hangup()
                await incoming.ended(10)
        finally:
            await scene.close()
    stored = rows(folder, "SELECT outcome FROM calls ORDER BY arrived_at")
    assert stored == [("callback",), ("answered",)]


async def test_a_busy_citizen_is_tried_again_and_the_agent_is_free_meanwhile(folder: Path) -> None:  # noqa: F811
    async with Served("run", "--config", str(configuration(folder, SECTIONS, rest=REST))) as hotline:
        await hotline.said("serving; pages at")
        scene = Scene(hotline, folder)
        try:
            async with home(scene, AnswerPolicy.busy()) as citizen:
                await asks(scene)
                await scene.sit_down()
                await scene.api.until("/api/callbacks", lambda view: len(view["callbacks"][0]["attempts"]) == 1)
                await scene.state("ready")
                citizen.policy = AnswerPolicy.auto(0.3)
                await citizen.incoming(5)  # the one that was busy
                again = await citizen.incoming(15)
                await again.answered(5)
                await talk(scene, again)
                view = await scene.api.until("/api/callbacks", state("done"))
                outcomes = [one["outcome"] for one in view["callbacks"][0]["attempts"]]
                assert outcomes == ["busy", "answered"]
        finally:
            await scene.close()


async def test_killed_while_the_citizen_is_rung_and_nobody_is_called_twice(folder: Path) -> None:  # noqa: F811
    file = configuration(folder, SECTIONS, rest=REST)
    first = Served("run", "--config", str(file))
    async with first as hotline:
        await hotline.said("serving; pages at")
        scene = Scene(hotline, folder)
        async with home(scene, AnswerPolicy.no_answer()) as citizen:
            await asks(scene)
            await scene.sit_down()
            ringing = await citizen.incoming(10)
            hotline.signal(signal.SIGKILL)
            await hotline.ended()
            async with Served("run", "--config", str(file)) as second:
                await second.said("serving; pages at")
                after = Scene(second, folder)
                after.agent, scene.agent = scene.agent, None
                try:
                    ringing.answer()
                    await ringing.answered(5)
                    await talk(after, ringing)
                    view = await after.api.until("/api/callbacks", state("done"))
                    assert len(view["callbacks"][0]["attempts"]) == 1
                finally:
                    await after.close()
        await scene.close()
