"""`hotline why` of real calls: a real Asterisk, the whole hotline as a process, killed in between."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from controller.__main__ import main
from controller.asterisk_settings import load_settings
from controller.asterisk_tree import AsteriskBinary
from controller.softphone import AnswerPolicy, Call, Phone
from tests.serving import NUMBERS, Api, Served, configuration, naming

pytestmark = pytest.mark.asterisk

CALLER, OUTSIDE = "13912345678", "13900002222"
STAFF = NUMBERS.replace("survey = false", "survey = true").replace(
    'name = "王敏"', 'name = "王敏"\n\n[[agents]]\nid = "1002"\nname = "周涛"'
)


@pytest.fixture
def folder(binary: AsteriskBinary) -> Iterator[Path]:
    """A folder that Asterisk's user may enter; nothing may run in it afterwards."""
    made = Path(tempfile.mkdtemp(prefix="hotline-test-"))
    made.chmod(0o755)
    yield made
    left = naming(str(made))
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    shutil.rmtree(made)
    assert not left


class Floor:
    """The people: two agents, the carrier and citizens."""

    def __init__(self, file: Path, carrier_port: int) -> None:
        self.file, self.carrier_port = file, carrier_port
        self.api = Api(file.parent / "data")
        self.phones: list[Phone] = []

    async def phone(self, number: str, password: str, *, shown: str = "", local_port: int = 0) -> Phone:
        settings = load_settings((self.file.parent / "data" / "asterisk").resolve())
        assert settings is not None
        server = None if local_port else (settings.host, settings.sip_port)
        made = Phone(number, password, server=server, local_port=local_port, from_number=shown or None)
        made.policy = AnswerPolicy.auto(0.1)
        self.phones.append(made)
        await made.start()
        return made

    async def agent(self, number: str, *, ready: bool = True) -> Phone:
        settings = load_settings((self.file.parent / "data" / "asterisk").resolve())
        assert settings is not None
        made = await self.phone(number, settings.phone(number).password)
        await made.register()
        await self.state(number, "offline", phone=True)
        if ready:
            await self.api.post(f"/api/agents/{number}/ready")
        return made

    async def state(self, number: str, wanted: str, *, phone: bool = False) -> None:
        def holds(view: dict[str, list[dict[str, object]]]) -> bool:
            one = next(one for one in view["agents"] if one["agent"] == number)
            return one["state"] == wanted and (not phone or bool(one["phone"]))

        await self.api.until("/api/overview", holds)

    async def citizen(self) -> Call:
        settings = load_settings((self.file.parent / "data" / "asterisk").resolve())
        assert settings is not None
        made = await self.phone(settings.citizen_user, settings.citizen_password, shown=CALLER)
        call = await made.call("12345")
        await call.answered(10)
        return call

    async def over(self, calls: int) -> dict[str, object]:
        """The record of the newest call, once so many are stored and it has ended."""

        def holds(view: dict[str, list[dict[str, object]]]) -> bool:
            return len(view["calls"]) == calls and view["calls"][-1]["ended_at"] is not None

        found: dict[str, object] = (await self.api.until("/api/calls", holds, within=30))["calls"][-1]
        return found

    def why(self, call: object, capsys: pytest.CaptureFixture[str]) -> tuple[list[str], str]:
        """What `hotline why` tells in English, line by line, and the whole of what people read."""
        assert main(["why", "--config", str(self.file), str(call), "--json"]) == 0
        moments = json.loads(capsys.readouterr().out)["moments"]
        assert main(["why", "--config", str(self.file), str(call)]) == 0
        return [one["en"] for one in moments], capsys.readouterr().out

    async def close(self) -> None:
        for phone in self.phones:
            await phone.stop(graceful=False)


@pytest.fixture
async def floor(folder: Path) -> AsyncIterator[Floor]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    sections: dict[str, dict[str, object]] = {
        "trunk": {"host": "127.0.0.1", "port": port},
        "outbound": {"allow": ["139\\d{8}"]},
        "asterisk": {"heartbeat_max_s": 3},
    }
    made = Floor(configuration(folder, sections, rest=STAFF), port)
    yield made
    await made.close()


def in_order(lines: list[str], *wanted: str) -> None:
    rest = iter(lines)
    for one in wanted:
        assert any(line.startswith(one) for line in rest), f"{one!r} is not told in its place:\n" + "\n".join(lines)


async def test_hold_consultation_and_a_transfer_to_a_number(floor: Floor, capsys: pytest.CaptureFixture[str]) -> None:
    async with Served("run", "--config", str(floor.file)) as hotline:
        await hotline.said("serving; pages at")
        first = await floor.agent("1001")
        outside = await floor.phone("carrier", "", local_port=floor.carrier_port)
        mine = await floor.citizen()
        theirs = await first.incoming(10)
        await floor.state("1001", "talking")
        await theirs.hear_silence(1.2, timeout=5)
        second = await floor.agent("1002")
        await floor.api.post("/api/agents/1001/hold")
        await floor.state("1001", "holding")
        await mine.hear_sound(5)
        await floor.api.post("/api/agents/1001/resume")
        await floor.state("1001", "talking")
        await theirs.hear_silence(0.4, timeout=5)
        await floor.api.post("/api/agents/1001/consult", {"kind": "agent", "target": "1002"})
        asked = await second.incoming(10)
        await floor.state("1002", "talking")
        await asked.hear_silence(0.4, timeout=5)  # they are in one bridge: before that the leg cannot be fetched
        await floor.api.post("/api/agents/1001/resume")
        await asked.ended(5)
        await floor.state("1001", "talking")
        await theirs.hear_silence(0.4, timeout=5)
        await floor.api.post("/api/agents/1001/transfer", {"kind": "number", "target": OUTSIDE})
        given = await outside.incoming(10)
        await given.answered(10)
        await theirs.ended(5)
        await given.hear_silence(1.2, timeout=5)
        await given.hangup()
        await mine.ended(30)
        record = await floor.over(1)
        story = await floor.api.get(f"/api/calls/{record['call']}/why")
    lines, text = floor.why(record["call"], capsys)
    in_order(
        lines, "the call arrives", "joins the line of general", "offered to agent 1001", "agent 1001's phone rings",
        "agent 1001 answers: they talk", "agent 1001 puts him on hold", "resumed: he talks with agent 1001 again",
        "agent 1001 puts him on hold", "agent 1001 consults agent 1002", "agent 1002's phone rings",
        "agent 1002 answers: he is consulted", "the consultation with agent 1002 is over", "resumed",
        "agent 1001 transfers him to a number outside", "a number outside is rung",
        "a number outside answers: they talk",
        "the talk is over", "ended: answered",
    )  # fmt: skip
    assert sum(line.startswith("ended") for line in lines) == 1
    assert not [line for line in lines if line.startswith("waits") or "leaves" in line]
    assert "转接给外线号码" in text
    assert "carrier" not in text
    assert not [number for number in (CALLER, OUTSIDE) if number in text]
    told = [one["en"] for one in story["story"]]
    in_order(
        told, "offered to agent 1001", "agent 1001 answers", "agent 1001 transfers him to a number outside", "ended"
    )
    assert [one["agent"] for one in story["decisions"]] == ["1001"], "a transfer is no decision of the line"


async def test_a_call_that_the_safety_net_served_and_a_second_kill(
    floor: Floor, capsys: pytest.CaptureFixture[str]
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        hotline = await stack.enter_async_context(Served("run", "--config", str(floor.file)))
        await hotline.said("serving; pages at")
        agent = await floor.agent("1001")
        hotline.signal(signal.SIGKILL)
        await hotline.ended(10)
        mine = await floor.citizen()  # nobody is there but Asterisk
        theirs = await agent.incoming(20)
        await theirs.answered(10)
        await theirs.hear_silence(1.5, timeout=10)
        await theirs.hangup()
        await mine.ended(30)
        again = await stack.enter_async_context(Served("run", "--config", str(floor.file)))
        await again.said("serving; pages at")
        record = await floor.over(1)
        again.signal(signal.SIGKILL)
        await again.ended(10)
        third = await stack.enter_async_context(Served("run", "--config", str(floor.file)))
        await third.said("serving; pages at")
        await floor.over(1)
    lines, text = floor.why(record["call"], capsys)
    in_order(
        lines, "the call arrives", "the safety net has him: the controller was missing",
        "the safety net joins him with agent 1001: they talk", "the talk is over", "ended: answered",
    )  # fmt: skip
    assert sum(line.startswith("ended") for line in lines) == 1
    assert "安全网接通坐席 1001, 通话开始" in text
