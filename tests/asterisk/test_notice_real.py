"""An incident notice on a real Asterisk: heard where music was, a key registers, and who registered is called."""

from __future__ import annotations

import asyncio
import io
import json
import urllib.error
import wave
from pathlib import Path

import numpy as np
import pytest

from controller.softphone import AnswerPolicy, Call
from tests.asterisk.test_callback_real import CITIZEN, HOME, home
from tests.asterisk.test_hotline_serves import Scene, folder, rows
from tests.serving import NUMBERS, ROOT, Served, configuration

__all__ = ["folder"]

pytestmark = pytest.mark.asterisk

QUEUE = "announce_first_s = 0.0\ncomfort_first_s = 0.0\n"
REST = NUMBERS.replace("ring_s = 6\n", "ring_s = 6\n" + QUEUE) + f'\n[[extensions]]\nid = "{HOME}"\nname = "citizen"\n'
SECTIONS: dict[str, dict[str, object]] = {"callback": {"dial": "PJSIP/9{number}", "pause_s": 5.0}}


class Ear:
    """What a call hears, byte by byte: prompts pass the exchange as they are in their files."""

    def __init__(self, call: Call) -> None:
        self._sound = bytearray()
        self._more = asyncio.Event()
        call.listen(self._hears)

    def _hears(self, at: float, payload: bytes) -> None:
        self._sound += payload
        self._more.set()

    async def hear(self, prompt: str, within: float = 30.0) -> None:
        """Wait until a fifth of a second from the middle of a prompt has been heard."""
        sound = (ROOT / "ivr" / "sounds" / "zh" / f"{prompt}.alaw").read_bytes()
        middle = len(sound) // 2
        async with asyncio.timeout(within):
            while sound[middle : middle + 1600] not in self._sound:
                self._more.clear()
                await self._more.wait()


async def test_heard_where_music_was_and_told_when_it_is_over(folder: Path) -> None:  # noqa: F811
    async with Served("run", "--config", str(configuration(folder, SECTIONS, rest=REST))) as hotline:
        await hotline.said("serving; pages at")
        scene = Scene(hotline, folder)
        try:
            async with home(scene, AnswerPolicy.auto(0.3)) as citizen:
                call = await scene.dial(CITIZEN)
                await call.hear_sound(5)
                await scene.api.until("/api/overview", lambda view: view["queues"][0]["waiting"] == 1)
                ear = Ear(call)
                given = await scene.api.post("/api/notices", {"kind": "water", "area": "haizhou", "for_s": 3600})
                for prompt in ("notice-water", "area-haizhou", "notice-press"):
                    await ear.hear(prompt)
                await call.press("1")
                await ear.hear("notice-registered")
                await scene.api.until("/api/overview", lambda view: view["incidents"][0]["registered"] == 1)
                found = await scene.api.get(f"/api/notices/{given['id']}")
                assert [one["number"] for one in found["registered"]] == [CITIZEN]
                await call.hangup()

                ended = await scene.api.post(f"/api/notices/{given['id']}/end")
                assert ended["registered"] == "1"
                incoming = await citizen.incoming(10)
                told = Ear(incoming)
                await incoming.answered(5)
                await told.hear("notice-over")
                end = await incoming.ended(20)
                assert end.by == "remote"
                view = await scene.api.until(
                    "/api/callbacks", lambda view: [one["state"] for one in view["callbacks"]] == ["done"]
                )
                (attempt,) = view["callbacks"][0]["attempts"]
                assert (attempt["outcome"], attempt["agent"]) == ("answered", None)
        finally:
            await scene.close()
    assert rows(folder, "SELECT outcome FROM calls ORDER BY arrived_at") == [("abandoned",), ("callback",)]


def _wav(seconds: float = 3.0, rate: int = 16_000) -> bytes:
    """Somebody's own words: a tone of 600 Hz."""
    at = np.arange(int(seconds * rate)) / rate
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.sin(2 * np.pi * 600 * at) * 9000).astype("<i2").tobytes())
    return out.getvalue()


async def test_own_words_are_uploaded_and_heard_where_music_was(folder: Path) -> None:  # noqa: F811
    async with Served("run", "--config", str(configuration(folder, {}, rest=REST))) as hotline:
        await hotline.said("serving; pages at")
        scene = Scene(hotline, folder)
        try:
            call = await scene.dial(CITIZEN)
            await call.hear_sound(5)
            await scene.api.until("/api/overview", lambda view: view["queues"][0]["waiting"] == 1)
            with pytest.raises(urllib.error.HTTPError) as refused:
                await scene.api.post("/api/notices/sounds?language=zh", b"no sound at all")
            assert (refused.value.code, json.load(refused.value)["error"]) == (422, "not_wav")
            kept = await scene.api.post("/api/notices/sounds?language=zh", _wav())
            assert float(kept["seconds"]) == pytest.approx(3.0, abs=0.3)
            await scene.api.post("/api/notices", {"kind": "water", "sound_zh": kept["sound"], "press": False})
            await call.hear_tone(600, timeout=5, frames=100)
            await call.hangup()
        finally:
            await scene.close()
