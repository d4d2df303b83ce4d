"""Two controllers of one hotline on a real Asterisk: one serves, the other stands by and takes over."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from controller.asterisk import running_pid
from tests.asterisk.test_hotline_serves import Scene, folder  # noqa: F401 - the fixture
from tests.serving import NUMBERS, Served, configuration

pytestmark = pytest.mark.asterisk


@pytest.mark.parametrize("how", ["killed", "stopped in order"])
async def test_takes_over(folder: Path, how: str) -> None:  # noqa: F811
    """Within two seconds of kill -9; a talk goes on, and who waited still waits. An orderly stop hands over too."""
    file = str(configuration(folder, {}, rest=NUMBERS))
    async with Served("run", "--leave-asterisk", "--config", file) as first:
        await first.said("serving; pages at")
        scene = Scene(first, folder)
        async with Served("run", "--standby", "--config", file) as second:
            try:
                await second.said(f"standing by; process {first.pid} serves")
                await scene.ready()
                mine, theirs = await scene.talk()
                waiting = await scene.dial("13800000000")
                await scene.api.until("/api/overview", lambda view: len(view["calls"]) == 2)
                asterisk = running_pid(scene.exchange)
                begun = time.monotonic()
                first.signal(signal.SIGKILL if how == "killed" else signal.SIGTERM)
                await second.said("exchange connected")
                took = time.monotonic() - begun
                await second.said("serving; pages at")
                assert running_pid(scene.exchange) == asterisk
                view = await scene.api.get("/api/overview")
                assert {one["state"] for one in view["calls"]} == {"talking", "waiting"}
                assert mine.state.value == theirs.state.value == waiting.state.value == "confirmed"
                await theirs.hangup()
                await mine.ended(20)
                again = await scene.agent.incoming(10)  # type: ignore[union-attr]
                await again.answered(10)
                assert took < 2.0 or how != "killed", took
            finally:
                await scene.close()


async def test_a_controller_that_wakes_up_after_the_takeover_commands_nothing(folder: Path) -> None:  # noqa: F811
    """SIGSTOP: the standby ends the frozen one, and who waits is served by the new one alone."""
    file = str(configuration(folder, {}, rest=NUMBERS))
    async with Served("run", "--config", file) as first:
        await first.said("serving; pages at")
        scene = Scene(first, folder)
        async with Served("run", "--standby", "--config", file) as second:
            try:
                await second.said("standing by")
                waiting = await scene.dial()
                await scene.api.until("/api/overview", lambda view: len(view["calls"]) == 1)
                first.signal(signal.SIGSTOP)
                await second.said("stands still; it is ended", within=20)
                await second.said("serving; pages at")
                assert await first.ended() == -signal.SIGKILL
                assert waiting.state.value == "confirmed"
                agent = await scene.sit_down()
                served = await agent.incoming(10)
                await served.answered(10)
            finally:
                await scene.close()
