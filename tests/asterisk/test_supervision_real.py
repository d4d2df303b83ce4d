"""Supervision on a real Asterisk: who hears whom in each mode, by tones in the real RTP, in one call of the supervisor.

The citizen plays 500 Hz, the agent 1200 Hz, the supervisor 2000 Hz; whole cycles fit a packet of 20 ms, so what a
packet holds is told exactly.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import re
import shutil
import signal
import tempfile
import time
import urllib.error
import urllib.request
import wave
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from controller.asterisk_settings import ExchangeSettings, load_settings
from controller.asterisk_tree import AsteriskBinary
from controller.softphone import AnswerPolicy, Call, Phone, Tone
from controller.softphone.audio import Pcm, decode_alaw, level_dbfs, tone_share
from tests.serving import NUMBERS, Api, Served, configuration

pytestmark = pytest.mark.asterisk

CITIZEN, AGENT, SUPERVISOR = 500.0, 1200.0, 2000.0
TONES = (CITIZEN, AGENT, SUPERVISOR)
PRESENT_DBFS = -40.0

SUPERVISORS = """
[[supervisors]]
id = "lin"
name = "林班长"
phone = "9001"
rights = ["listen", "whisper", "barge", "force", "release", "move", "skills", "audit"]

[[supervisors]]
id = "zhao"
name = "赵班长"
phone = "9002"
rights = ["listen"]

[[supervisors]]
id = "union"
name = "工会"
rights = ["audit"]
"""


def heard_in(pcm: Pcm) -> frozenset[float]:
    """The tones that a piece of sound holds."""
    loud = level_dbfs(pcm)
    if loud < PRESENT_DBFS:
        return frozenset()
    return frozenset(
        hz for hz in TONES if (share := tone_share(pcm, hz)) > 0 and loud + 10 * np.log10(share) > PRESENT_DBFS
    )


async def hears(call: Call, *tones: float, within: float = 10.0) -> float:
    """Wait until a phone hears these tones and no other for 15 packets in a row; the instant of the first of them."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[float] = loop.create_future()
    wanted, seen, run, began = frozenset(tones), frozenset[float](), 0, 0.0

    def packet(at: float, payload: bytes) -> None:
        nonlocal run, began, seen
        seen = heard_in(decode_alaw(payload))
        if seen != wanted:
            run = 0
            return
        began = at if run == 0 else began
        run += 1
        if run == 15 and not done.done():
            done.set_result(began)

    deaf = call.listen(packet)
    try:
        async with asyncio.timeout(within):
            return await done
    except TimeoutError:
        raise AssertionError(f"not {sorted(wanted)} within {within:g} s; it hears {sorted(seen)}") from None
    finally:
        deaf()


class Stage:
    """A serving hotline with one agent, the citizens' line and a supervisor's phone."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.api = Api(data)
        self.phones: list[Phone] = []

    @property
    def exchange(self) -> ExchangeSettings:
        settings = load_settings((self.data / "asterisk").resolve())
        assert settings is not None
        return settings

    async def phone(self, number: str, *, answers: bool = True) -> Phone:
        s = self.exchange
        phone = Phone(number, s.phone(number).password, server=(s.host, s.sip_port))
        if answers:
            phone.policy = AnswerPolicy.auto(0.1)
        self.phones.append(phone)
        await phone.start()
        await phone.register()
        return phone

    async def dial(self) -> Call:
        s = self.exchange
        citizen = Phone(s.citizen_user, s.citizen_password, server=(s.host, s.sip_port), from_number="13912345678")
        self.phones.append(citizen)
        await citizen.start()
        call = await citizen.call("12345")
        await call.answered(10)
        call.play(Tone(CITIZEN), loop=True)
        return call

    async def talk(self) -> tuple[Call, Call]:
        """Citizen and agent talk, each with his tone."""
        agent = await self.phone("1001")
        await self.api.until("/api/overview", lambda view: view["agents"][0]["phone"])
        await self.api.post("/api/agents/1001/ready")
        mine = await self.dial()
        theirs = await agent.incoming(10)
        await theirs.answered(10)
        theirs.play(Tone(AGENT), loop=True)
        await self.api.until("/api/overview", lambda view: view["agents"][0]["state"] == "talking")
        await hears(mine, AGENT)
        await hears(theirs, CITIZEN)
        return mine, theirs

    async def order(self, method: str, path: str, body: object = None, *, by: str = "lin") -> tuple[int, Any]:
        """Ask as a supervisor, with his own token."""
        return await asyncio.to_thread(self._order, method, path, body, by)

    def _order(self, method: str, path: str, body: object, by: str) -> tuple[int, Any]:
        file = self.data / "tokens" / by
        assert file.stat().st_mode & 0o777 == 0o600
        request = urllib.request.Request(
            (self.data / "web-address").read_text().strip().rstrip("/") + path,
            data=json.dumps(body).encode() if body is not None else None,
            method=method,
            headers={"Authorization": f"Bearer {file.read_text().strip()}", "Content-Type": "application/json"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    async def listeners(self, holds: Callable[[Any], bool]) -> Any:
        """Who listens, as soon as it holds."""
        return (await self.api.until("/api/supervision", lambda view: holds(view["listeners"])))["listeners"]

    async def call_id(self) -> str:
        return str((await self.api.get("/api/overview"))["calls"][0]["call"])

    async def close(self) -> None:
        for phone in self.phones:
            await phone.stop(graceful=False)


@pytest.fixture
def folder(binary: AsteriskBinary) -> Iterator[Path]:
    """A folder that Asterisk's user may enter."""
    made = Path(tempfile.mkdtemp(prefix="hotline-test-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def config(folder: Path) -> Path:
    return configuration(folder, {"supervision": {"ring_s": 5}}, rest=NUMBERS + SUPERVISORS)


@contextlib.asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Stage]:
    async with Served("run", "--config", str(config(folder))) as hotline:
        await hotline.said("serving; pages at")
        stage = Stage(folder / "data")
        try:
            yield stage
        finally:
            await stage.close()


LISTEN = "/api/agents/1001/listen"
MODES = {"listen": ((AGENT,), (CITIZEN,)), "whisper": ((AGENT,), (CITIZEN, SUPERVISOR)),
         "barge": ((AGENT, SUPERVISOR), (CITIZEN, SUPERVISOR))}  # fmt: skip
"""What the citizen hears and what the agent hears, by mode; the supervisor hears both of them."""


async def test_listen_whisper_barge_and_back_in_one_call(folder: Path) -> None:
    async with serving(folder) as stage:
        mine, theirs = await stage.talk()
        supervisor = await stage.phone("9001")
        await stage.phone("9002")
        answer = await stage.order("POST", LISTEN, {"mode": "listen"})
        assert answer == (200, {"ok": True, "mode": "listen", "phone": "ringing"})
        his = await supervisor.incoming(10)
        await his.answered(10)
        his.play(Tone(SUPERVISOR), loop=True)
        (one,) = await stage.listeners(lambda found: found and found[0]["since"])
        assert (one["by"], one["agent"], one["mode"]) == ("lin", "1001", "listen")
        assert (await stage.api.get("/api/overview"))["agents"][0]["heard"] is True

        async def as_in(mode: str) -> float:
            citizen, agent = MODES[mode]
            came = await asyncio.gather(hears(mine, *citizen), hears(theirs, *agent), hears(his, CITIZEN, AGENT))
            return max(came[:2])

        await as_in("listen")
        loop = asyncio.get_running_loop()
        took = {}
        for mode in ("whisper", "barge", "listen", "barge", "whisper", "listen"):
            asked = loop.time()
            status, told = await stage.order("POST", LISTEN, {"mode": mode})
            assert (status, told["phone"]) == (200, "talking")
            took[mode] = await as_in(mode) - asked
        print("switched within", {mode: f"{seconds:.2f} s" for mode, seconds in took.items()})
        assert max(took.values()) < 1.0, "0.5 s on an idle machine"
        assert len(supervisor.calls) == 1, "nothing was dialled again"
        assert (await stage.order("POST", LISTEN, {"mode": "whisper"}, by="zhao"))[0] == 403
        await as_in("listen")

        assert (await stage.order("POST", "/api/supervision/stop-listening", {}))[0] == 200
        await his.ended(5)
        await stage.listeners(lambda found: not found)
        await asyncio.gather(hears(mine, AGENT), hears(theirs, CITIZEN))

        await stage.api.until("/api/audit", lambda found: len(found["rows"]) == 9)  # stored in batches
        _, trail = await stage.order("GET", "/api/audit", by="union")
        assert [(row["actor"], row["action"], row["outcome"]) for row in trail["rows"]] == [
            ("lin", "listen", "ok"),
            *(("lin", mode, "ok") for mode in ("whisper", "barge", "listen", "barge", "whisper", "listen")),
            ("zhao", "whisper", "not_allowed"),
            ("lin", "stop_listening", "ok"),
        ]
        assert "13912345678" not in json.dumps(trail)


async def test_a_whisper_is_in_no_recording_and_listening_ends_with_the_talk(folder: Path) -> None:
    async with serving(folder) as stage:
        mine, theirs = await stage.talk()
        call = await stage.call_id()
        supervisor = await stage.phone("9001")
        assert (await stage.order("POST", f"/api/calls/{call}/listen", {"mode": "whisper"}))[0] == 200
        his = await supervisor.incoming(10)
        await his.answered(10)
        his.play(Tone(SUPERVISOR), loop=True)
        await asyncio.gather(hears(mine, AGENT), hears(theirs, CITIZEN, SUPERVISOR))
        await theirs.hangup()
        await his.ended(5)
        await mine.ended(10)
        await stage.listeners(lambda found: not found)
        audio = await _recording(stage, call)
    citizen, heard = audio[:, 0], audio[:, 1]
    middle = slice(len(audio) // 3, len(audio) // 3 + 4000)
    assert heard_in(citizen[middle]) == {CITIZEN}
    frames = [heard_in(heard[at : at + 160]) for at in range(0, len(heard) - 160, 160)]
    assert sum(AGENT in frame for frame in frames) > 25, "the agent is in it"
    assert not any(SUPERVISOR in frame for frame in frames), "the whisper is not"
    assert not any(SUPERVISOR in heard_in(citizen[at : at + 160]) for at in range(0, len(citizen) - 160, 160))


async def test_listening_follows_the_caller_to_the_next_agent_and_ends_with_a_word(folder: Path) -> None:
    """The whisper of before reaches nobody; between the two agents the supervisor hears music."""
    more = '\n[[agents]]\nid = "1002"\nname = "李强"\n'
    file = configuration(folder, {"supervision": {"ring_s": 5}}, rest=NUMBERS + SUPERVISORS + more)
    async with Served("run", "--config", str(file)) as hotline:
        await hotline.said("serving; pages at")
        stage = Stage(folder / "data")
        try:
            mine, theirs = await stage.talk()
            supervisor = await stage.phone("9001")
            second = await stage.phone("1002", answers=False)
            await stage.api.until("/api/overview", lambda view: view["agents"][1]["phone"])
            await stage.api.post("/api/agents/1002/ready")
            await stage.order("POST", LISTEN, {"mode": "whisper"})
            his = await supervisor.incoming(10)
            await his.answered(10)
            his.play(Tone(SUPERVISOR), loop=True)
            await asyncio.gather(hears(theirs, CITIZEN, SUPERVISOR), hears(his, CITIZEN, AGENT))
            await stage.api.post("/api/agents/1001/transfer", {"kind": "agent", "target": "1002"})
            next_one = await second.incoming(10)
            await theirs.ended(5)
            await his.hear_sound(timeout=3)  # music, as the citizen's
            next_one.answer()
            await next_one.answered(5)
            next_one.play(Tone(AGENT), loop=True)
            await asyncio.gather(hears(his, CITIZEN, AGENT), hears(next_one, CITIZEN), hears(mine, AGENT))
            await next_one.hear_tone(CITIZEN, timeout=8, frames=60)  # a talk shorter than a second would count as none
            (one,) = await stage.listeners(lambda found: found and found[0]["since"])
            assert (one["agent"], one["mode"]) == ("1002", "listen")
            assert (await stage.order("POST", "/api/agents/1002/listen", {"mode": "whisper"}))[0] == 200
            await asyncio.gather(hears(mine, AGENT), hears(next_one, CITIZEN, SUPERVISOR))
            assert len(supervisor.calls) == 1, "nothing was dialled again"
            silent = asyncio.get_running_loop().time()
            await next_one.hangup()
            end = await his.ended(5)
            assert end.by == "remote"
            assert his.heard.first_sound(silent + 0.1) is not None, "he was told that it is over"
            await stage.listeners(lambda found: not found)
            trail = (await stage.api.until("/api/audit", lambda trail: len(trail["rows"]) == 5))["rows"]
            told = [(row["action"], row["agent"]) for row in trail]
            assert told == [
                ("whisper", "1001"), ("stop_listening", "1001"), ("listen", "1002"), ("whisper", "1002"),
                ("stop_listening", "1002"),
            ]  # fmt: skip
        finally:
            await stage.close()


async def _recording(stage: Stage, call: str) -> Pcm:
    """The sealed recording, citizen left and what he heard right."""
    url = (stage.data / "web-address").read_text().strip().rstrip("/") + f"/api/calls/{call}/recording"
    token = (stage.data / "api-token").read_text().strip()
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})

    def fetch() -> bytes | None:
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            error.close()
            return None

    async with asyncio.timeout(15):
        while (data := await asyncio.to_thread(fetch)) is None:  # noqa: ASYNC110 - no event tells when it is sealed
            await asyncio.sleep(0.1)
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, 8000)
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").reshape(-1, 2)


async def test_a_phone_that_nobody_answers_hears_nothing(folder: Path) -> None:
    async with serving(folder) as stage:
        await stage.talk()
        supervisor = await stage.phone("9001", answers=False)
        assert (await stage.order("POST", LISTEN, {"mode": "listen"}))[0] == 200
        his = await supervisor.incoming(10)
        his.reject(486)
        await stage.listeners(lambda found: not found)
        assert (await stage.order("POST", LISTEN, {"mode": "listen"}, by="zhao"))[0] == 200  # no phone is registered
        await stage.listeners(lambda found: not found)
        rows = (await stage.api.until("/api/audit", lambda trail: len(trail["rows"]) == 4))["rows"]  # stored in batches
        ends = [row["en"] for row in rows if row["action"] == "stop_listening"]
        assert len(ends) == 2
        assert all("was not answered" in end for end in ends)


async def ends(stage: Stage, count: int) -> list[Any]:
    """What the trail says of ends of listening, as soon as there are so many; it is stored in batches."""

    def of(trail: Any) -> list[Any]:
        return [row for row in trail["rows"] if row["action"] == "stop_listening"]

    return of(await stage.api.until("/api/audit", lambda trail: len(of(trail)) >= count))


def span_of(sentence: str) -> tuple[float, float]:
    """From when to when somebody listened, by the sentence that tells the end; whole seconds, rounded down."""
    told = re.search(r"\((\S+) (\S+) to (?:(\S+) )?(\S+)\)", sentence)
    assert told is not None, sentence
    day, begun, last, ended = told.groups()
    walls = (f"{day} {begun}", f"{last or day} {ended}")
    began, over = (datetime.fromisoformat(one).replace(tzinfo=ZoneInfo("Asia/Shanghai")).timestamp() for one in walls)
    return began, over


async def test_a_restarted_controller_knows_who_listens_and_switches_him_on(folder: Path) -> None:
    """kill -9: nobody who talks or listens notices, and the modes are switched by the new controller."""
    async with serving(folder) as stage:
        pid = int((stage.data / "lock").read_text())
        mine, theirs = await stage.talk()
        supervisor = await stage.phone("9001")
        await stage.order("POST", LISTEN, {"mode": "whisper"})
        his = await supervisor.incoming(10)
        await his.answered(10)
        his.play(Tone(SUPERVISOR), loop=True)
        await hears(theirs, CITIZEN, SUPERVISOR)
        until = (await stage.order("PUT", "/api/agents/1001/skills", {"skills": {}, "for_s": 60}))[1]
        assert until["error"] == "nothing_to_change"
        os.kill(pid, signal.SIGKILL)
        died = time.time()
        async with Served("run", "--config", str(config(folder))) as again:
            await again.said("serving; pages at")
            (one,) = await stage.listeners(lambda found: bool(found))
            assert (one["by"], one["agent"], one["mode"]) == ("lin", "1001", "whisper")
            await asyncio.gather(hears(mine, AGENT), hears(theirs, CITIZEN, SUPERVISOR))
            assert (await stage.order("POST", LISTEN, {"mode": "barge"}))[0] == 200
            await asyncio.gather(hears(mine, AGENT, SUPERVISOR), hears(theirs, CITIZEN, SUPERVISOR))
            assert len(supervisor.calls) == 1
            assert one["since"] < died, "he listens since before the restart"
            await mine.hangup()
            await his.ended(5)
            await stage.listeners(lambda found: not found)
            (end,) = await ends(stage, 1)
            assert span_of(end["en"])[0] <= died, "the restart was no beginning"


async def test_listening_that_ends_while_no_controller_is_there_is_told_by_the_next_one(folder: Path) -> None:
    """kill -9, and the supervisor hangs up before the controller is back: the exchange knows from when to when."""
    async with serving(folder) as stage:
        pid = int((stage.data / "lock").read_text())
        await stage.talk()
        supervisor = await stage.phone("9001")
        await stage.order("POST", LISTEN, {"mode": "listen"})
        his = await supervisor.incoming(10)
        await his.answered(10)
        await hears(his, CITIZEN, AGENT)
        os.kill(pid, signal.SIGKILL)
        died = time.time()
        await his.hangup()
        over = time.time()
        async with Served("run", "--config", str(config(folder))) as again:
            await again.said("serving; pages at")
            (end,) = await ends(stage, 1)
            assert (end["actor"], end["agent"]) == ("lin", "1001")
            begun, ended = span_of(end["en"])
            assert begun <= died
            assert died - 1 < ended <= over, "told to the second"
            assert not await stage.listeners(lambda found: not found)


async def test_orders_reach_the_telephones(folder: Path) -> None:
    """Forced not ready during a talk; the call is released; the agent then stays where he was put."""
    async with serving(folder) as stage:
        mine, theirs = await stage.talk()
        answer = await stage.order("POST", "/api/agents/1001/force-not-ready", {"reason": "meeting"})
        assert answer == (200, {"ok": True, "effect": "after_talk"})
        await asyncio.gather(hears(mine, AGENT), hears(theirs, CITIZEN))
        assert (await stage.order("POST", f"/api/calls/{await stage.call_id()}/release", {}))[0] == 200
        await mine.ended(5)
        await theirs.ended(5)
        view = await stage.api.until("/api/overview", lambda view: view["agents"][0]["state"] == "not_ready")
        assert (view["agents"][0]["reason"], view["agents"][0]["forced_by"]) == ("meeting", "lin")
        await stage.dial()
        await stage.api.until("/api/overview", lambda view: view["queues"][0]["waiting"] == 1)
        assert (await stage.order("POST", "/api/agents/1001/force-ready", {}))[0] == 200
        await stage.api.until("/api/overview", lambda view: view["agents"][0]["state"] == "talking")
