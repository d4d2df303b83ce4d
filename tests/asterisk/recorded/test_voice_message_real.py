"""A voice message on a real Asterisk: the sealed recording holds what was said, ended by # or by hanging up."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest

from controller.softphone import Call, Tone
from controller.softphone.audio import tone_share
from recordings.files import CITIZEN, HEARD, read_leg
from tests.asterisk.test_hotline_serves import Scene, folder, until
from tests.serving import NUMBERS, Served, configuration

__all__ = ["folder"]

pytestmark = pytest.mark.asterisk

CITIZEN_HZ, TONE_HZ = 500, 1000
CLOSED = 'direct = "general"\nhours = { "mon-sun" = [], closed_say = ["goodbye"] }\nwhen_closed = "voice-message"\n'
REST = NUMBERS.replace('direct = "general"\n', CLOSED).replace('"answer"', '"after_consent"')


async def speaks(call: Call) -> None:
    """He hears the prompts and the tone, and speaks until he is heard to have spoken."""
    await call.hear_tone(TONE_HZ, timeout=20)
    await call.hear_silence(0.3, timeout=3)
    call.play(Tone(CITIZEN_HZ))
    await call.hear_silence(2.0, timeout=5)


def seconds_of(path: Path, leg: int, hz: float) -> float:
    """For how long this tone is on a leg of a recording."""
    chunks = [np.frombuffer(chunk, dtype="<i2") for chunk in read_leg(path, leg)]
    return 0.2 * sum(bool(chunk.any()) and tone_share(chunk, hz) > 0.6 for chunk in chunks)


@pytest.mark.parametrize("ending", ["key", "hung_up"])
async def test_the_recording_holds_what_was_said(folder: Path, ending: str) -> None:  # noqa: F811
    async with Served("run", "--config", str(configuration(folder, {}, rest=REST))) as hotline:
        await hotline.said("serving; pages at")
        scene = Scene(hotline, folder)
        try:
            call = await scene.dial()
            await speaks(call)
            view = await scene.api.get("/api/overview")
            assert [one["state"] for one in view["calls"]] == ["message"]
            if ending == "key":
                await call.press("#")
                await call.hear_sound(3)  # he is thanked
                assert (await call.ended(10)).by == "remote"
            else:
                await call.hangup()
            view = await scene.api.until(
                "/api/voice-messages", lambda found: found["voice_messages"] and found["voice_messages"][0]["ended_by"]
            )
            (message,) = view["voice_messages"]
            assert (message["ended_by"], message["outcome"]) == (ending, "closed")
            assert 1.5 < message["duration_s"] < 8
            sealed = folder / "data" / "recordings"
            await until(lambda: list(sealed.rglob("*.wav")), 10)
            (path,) = sealed.rglob("*.wav")
        finally:
            await scene.close()
    assert seconds_of(path, CITIZEN, CITIZEN_HZ) >= 1.5
    assert seconds_of(path, HEARD, TONE_HZ) >= 0.2
    message_file = (folder / "data/asterisk").resolve() / "spool/message.sln"
    assert message_file.readlink() == Path("/dev/null")


async def test_a_killed_controller_loses_no_message(folder: Path) -> None:  # noqa: F811
    """It dies while he speaks; the next one finds him there, and nothing of what he says is lost."""
    file = configuration(
        folder, {}, rest=REST.replace("[agent_rules]", "[voice_message]\nsilence_s = 0\n[agent_rules]")
    )
    async with Served("run", "--config", str(file)) as first:
        await first.said("serving; pages at")
        scene = Scene(first, folder)
        try:
            call = await scene.dial()
            await speaks(call)
            first.signal(signal.SIGKILL)
            await first.ended()
            async with Served("run", "--config", str(file)) as second:
                await second.said("serving; pages at")
                after = Scene(second, folder)
                view = await after.api.until("/api/overview", lambda found: found["calls"])
                assert [one["state"] for one in view["calls"]] == ["message"]
                await call.press("#")
                assert (await call.ended(10)).by == "remote"
                view = await after.api.until("/api/voice-messages", lambda found: found["voice_messages"])
                (message,) = view["voice_messages"]
                assert message["ended_by"] == "key"
                sealed = folder / "data" / "recordings"
                await until(lambda: list(sealed.rglob("*.wav")), 10)
                (path,) = sealed.rglob("*.wav")
        finally:
            await scene.close()
    assert seconds_of(path, CITIZEN, CITIZEN_HZ) >= message["duration_s"] - 1.0
