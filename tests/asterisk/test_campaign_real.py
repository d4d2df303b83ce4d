"""自动语音回访 on a real Asterisk: the telephone rings, the question is heard, a key is pressed; and a kill -9."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from controller.softphone import AnswerPolicy
from tests.asterisk.test_callback_real import CITIZEN, HOME, home
from tests.asterisk.test_hotline_serves import Scene, folder, rows
from tests.asterisk.test_query_real import Ear
from tests.serving import NUMBERS, Served, configuration

__all__ = ["folder"]

pytestmark = pytest.mark.asterisk

REST = NUMBERS + f'\n[[extensions]]\nid = "{HOME}"\nname = "citizen"\n'
SECTIONS: dict[str, dict[str, object]] = {
    "callback": {"dial": "PJSIP/9{number}"},
    "citizens": {"follow_up_after_h": 0.0, "follow_up_sample": 1.0},
    "citizens.campaign": {"on": True, "working_days": False, "gaps_min": [0.02], "per_minute": 60},
}
ALWAYS = '\n[citizens.campaign.hours]\nmon-sun = ["00:00-24:00"]\n'
PAGE = "/api/follow-ups/campaign"


def everything(folder: Path) -> Path:  # noqa: F811
    return configuration(folder, SECTIONS, rest=REST + ALWAYS)


async def closed(scene: Scene) -> str:
    """A ticket that has just been answered; its number."""
    taken = await scene.api.post(
        "/api/tickets", {"type": "inquiry", "text": "如何办证", "caller": CITIZEN, "channel": "web"}
    )
    path = f"/api/tickets/{taken['number']}/moves"
    await scene.api.post(path, {"move": "answer", "version": taken["version"], "text": "带身份证到窗口办理"})
    return str(taken["number"])


def of(number: str, *wanted: str) -> Any:
    """Whether this ticket's attempts have these outcomes."""
    return lambda view: (
        [*wanted]
        in [[one["outcome"] for one in ticket["attempts"]] for ticket in view["tickets"] if ticket["ticket"] == number]
    )


async def follow_ups(scene: Scene, number: str) -> list[str]:
    """Who has followed a ticket up, in order."""
    moves = (await scene.api.get(f"/api/tickets/{number}/moves"))["moves"]
    return [one["actor"] for one in moves if one["cause"] == "follow_up"]


async def test_from_the_closed_ticket_to_the_score_and_through_a_kill(folder: Path) -> None:  # noqa: F811
    async with Served("run", "--config", str(everything(folder))) as hotline:
        await hotline.said("serving; pages at")
        scene = Scene(hotline, folder)
        async with home(scene, AnswerPolicy.busy()) as citizen:
            number = await closed(scene)
            await citizen.incoming(20)  # busy: tried again after the gap
            citizen.policy = AnswerPolicy.auto(0.1)
            call = await citizen.incoming(20)
            ear = Ear(call)
            await call.answered(10)
            await ear.hears("follow-up-greeting")
            await call.press("2")
            await ear.hears("follow-up-thanks")
            assert (await call.ended(20)).by == "remote"
            view = await scene.api.until(PAGE, of(number, "busy", "answered"))
            (ticket,) = view["tickets"]
            assert (ticket["state"], ticket["answer"], view["figures"]["mean_score"]) == ("done", "2", 2.0)
            assert CITIZEN not in str(view)
            shown = await scene.api.get(f"/api/tickets/{number}")
            assert [shown[one] for one in ("contacted", "satisfied", "solved", "voice")] == [True, False, None, True]
            (listed,) = (await scene.api.get("/api/follow-ups"))["follow_ups"]
            assert (listed["number"], listed["why"]) == (number, "dissatisfied")
            assert (await scene.api.get("/api/overview"))["counters"]["offered"] == 0

            other = await closed(scene)
            call = await citizen.incoming(20)
            ear = Ear(call)
            await call.answered(10)
            await ear.hears("follow-up-greeting")
            hotline.signal(signal.SIGKILL)
            await hotline.ended()
            await call.press("5")
            await ear.hears("goodbye")  # nobody is there: the dialplan lets him go, and not into the safety net
            assert (await call.ended(20)).by == "remote"
            async with Served("run", "--config", str(everything(folder))) as second:
                await second.said("serving; pages at")
                after = Scene(second, folder)
                view = await after.api.until(PAGE, of(other, "answered"))
                assert [one["answer"] for one in view["tickets"]] == ["2", "5"]
                assert [await follow_ups(after, one) for one in (number, other)] == [["system"], ["system"]]
    assert rows(folder, "SELECT count(*) FROM calls") == [(2,)]
