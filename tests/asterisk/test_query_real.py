"""工单查询 on a real Asterisk: a citizen dials in, presses the keys, and hears how his ticket stands."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from controller.softphone import Call
from tests.asterisk.test_hotline_serves import CALLER, Scene, folder
from tests.serving import NUMBERS, Served, configuration

__all__ = ["folder"]

pytestmark = pytest.mark.asterisk

SOUNDS = Path(__file__).parents[2] / "ivr" / "sounds" / "zh"
PIECE = slice(2400, 3200)
"""A tenth of a second of a prompt, 0.3 s into it: the exchange passes A-law on as it stands in the file."""


MENU = NUMBERS.replace('direct = "general"', 'menu = "main"') + "".join(
    f'\n[[queues]]\nid = "{queue}"\nname_zh = "{queue}"\nname_en = "{queue}"\n' for queue in ("approvals", "english")
)


class Ear:
    """What the citizen's phone hears, and whether a prompt is in it."""

    def __init__(self, call: Call) -> None:
        self.heard, self._more = bytearray(), asyncio.Event()
        call.listen(self._hears)

    def _hears(self, at: float, sound: bytes) -> None:
        self.heard.extend(sound)
        self._more.set()

    async def hears(self, prompt: str, timeout: float = 25.0) -> None:
        """Wait until the prompt is said; what was heard before it is forgotten."""
        piece = (SOUNDS / f"{prompt}.alaw").read_bytes()[PIECE]
        try:
            async with asyncio.timeout(timeout):
                while piece not in self.heard:
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError:
            raise AssertionError(f"{prompt} was not heard") from None
        del self.heard[: self.heard.index(piece) + len(piece)]


async def test_a_citizen_dials_in_and_hears_how_his_ticket_stands(folder: Path) -> None:  # noqa: F811
    async with Served("run", "--config", str(configuration(folder, {}, rest=MENU))) as hotline:
        await hotline.said("serving; pages at")
        scene = Scene(hotline, folder)
        taken = await scene.api.post(
            "/api/tickets", {"type": "help", "text": "停水", "caller": CALLER, "channel": "web"}
        )
        code = await scene.api.get(f"/api/tickets/{taken['number']}/code")
        call = await scene.dial("13700001111")
        ear = Ear(call)
        await ear.hears("welcome")
        await call.press("3")
        await ear.hears("query-number")
        await call.press(f"{taken['number']}#0000#")
        await ear.hears("query-none")
        await ear.hears("query-number")
        await call.press(f"{taken['number']}#")
        await ear.hears("query-digits")
        await call.press(f"{code['code']}#")  # the hash is not to cut what he is told
        await ear.hears("query-accepted")
        await ear.hears("menu-main")
        await call.hangup()
        view = await scene.api.until("/api/calls", lambda view: view["calls"] and view["calls"][0]["ended_at"])
        assert view["calls"][0]["menu_path"] == ["3", "queried"]
        assert view["calls"][0]["outcome"] == "left_menu"
        await scene.close()
