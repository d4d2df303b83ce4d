"""Agents at their phones, on a real Asterisk: codes and PINs, hot desks, take-over, private calls, refusals."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from controller.asterisk_settings import ExchangeSettings, load_settings
from controller.asterisk_tree import AsteriskBinary
from controller.pins import PINS, PinFile
from controller.softphone import AnswerPolicy, Call, Phone
from pbx.ids import AgentId
from tests.serving import Api, Served, configuration, naming

pytestmark = pytest.mark.asterisk

PIN = "7306194825"
STAFF = """
[[numbers]]
dialled = "12345"
direct = "general"

[[queues]]
id = "general"
name_zh = "综合服务"
name_en = "General service"
ring_s = 20
retry_s = 1.0

[[agents]]
id = "1001"
name = "王敏"

[[agents]]
id = "1002"
name = "李强"
phone = false

[[seats]]
id = "8001"

[[seats]]
id = "8002"

[call]
survey = false
read_ticket = false

[agent_rules]
wrap_up_s = 0.0
misses_before_not_ready = 1

[phone_codes]
pin_tries = 3

[recording]
consent_required = false
start = "answer"
"""


class Floor:
    """A serving hotline and the phones on its floor."""

    def __init__(self, hotline: Served, folder: Path) -> None:
        self.hotline, self.data = hotline, folder / "data"
        self.api = Api(self.data)
        self.phones: list[Phone] = []

    @property
    def exchange(self) -> ExchangeSettings:
        settings = load_settings((self.data / "asterisk").resolve())
        assert settings is not None
        return settings

    async def phone(self, number: str, policy: AnswerPolicy | None = None) -> Phone:
        """A registered phone; it answers by itself unless told otherwise."""
        s = self.exchange
        phone = Phone(number, s.phone(number).password, server=(s.host, s.sip_port))
        phone.policy = policy or AnswerPolicy.auto(0.1)
        self.phones.append(phone)
        await phone.start()
        await phone.register()
        return phone

    async def citizen(self) -> Call:
        s = self.exchange
        phone = Phone(s.citizen_user, s.citizen_password, server=(s.host, s.sip_port), from_number="13912345678")
        self.phones.append(phone)
        await phone.start()
        call = await phone.call("12345")
        await call.answered(10)
        return call

    async def dial(self, phone: Phone, code: str, keys: str = "") -> None:
        """Dial a code, enter keys, listen to the answer until the exchange hangs up."""
        call = await phone.call(code)
        await call.answered(5)
        if keys:
            await call.hear_sound(5)
            await call.press(keys)
        await call.ended(25)

    async def agent(self, number: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The agent as the overview shows him, once it holds."""

        def found(view: Any) -> dict[str, Any]:
            return next(one for one in view["agents"] if one["agent"] == number)

        return found(await self.api.until("/api/overview", lambda view: holds(found(view))))

    async def close(self) -> None:
        for phone in self.phones:
            await phone.stop(graceful=False)


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


@pytest.fixture
async def floor(folder: Path) -> AsyncIterator[Floor]:
    file = configuration(folder, {}, rest=STAFF)
    (folder / "data").mkdir()
    for agent in ("1001", "1002"):
        PinFile(folder / "data" / PINS).put(AgentId(agent), PIN)
    async with Served("run", "--config", str(file)) as hotline:
        await hotline.said("serving; pages at")
        made = Floor(hotline, folder)
        try:
            yield made
        finally:
            await made.close()


async def test_an_agent_signs_in_at_any_seat_by_number_and_pin_and_takes_calls_there(floor: Floor) -> None:
    first, second = await floor.phone("8001"), await floor.phone("8002")
    await floor.dial(first, "*11", f"1002#{PIN}#")
    here = await floor.agent("1002", lambda one: one["state"] == "not_ready")
    assert (here["seat"], here["reason"]) == ("8001", "signed_in")
    await floor.dial(first, "*13")
    await floor.agent("1002", lambda one: one["state"] == "ready" and one["use"] == "idle")

    mine = await floor.citizen()
    theirs = await first.incoming(10)
    await floor.agent("1002", lambda one: one["state"] == "talking")
    await theirs.hear_silence(1.2, timeout=5)
    # A second sign-in while he talks is refused; the talk is untouched.
    await floor.dial(second, "*11", f"1002#{PIN}#")
    assert (await floor.agent("1002", lambda one: True))["state"] == "talking"
    await theirs.hangup()
    await mine.ended(20)
    (record,) = (await floor.api.until("/api/calls", lambda found: found["calls"][0]["ended_at"]))["calls"]
    assert (record["agent"], record["outcome"], record["offers"][0]["agent"]) == ("1002", "answered", "1002")

    # After it, it takes over, and the first seat is free.
    await floor.dial(second, "*11", f"1002#{PIN}#")
    here = await floor.agent("1002", lambda one: one["seat"] == "8002")
    assert here["state"] == "not_ready"
    await floor.dial(first, "*13")  # nobody is signed in there: nothing happens
    await floor.dial(second, "*141")
    await floor.agent("1002", lambda one: one["reason"] == "break")
    await floor.dial(second, "*12")
    here = await floor.agent("1002", lambda one: one["state"] == "offline")
    assert here["seat"] is None
    notices = (await floor.api.get("/api/overview"))["notices"]
    assert [(one["what"], one["agent"], one["detail"]) for one in notices] == [("moved", "1002", "8002")]

    floor.hotline.signal(signal.SIGTERM)
    assert await floor.hotline.ended(30) == 0
    assert (floor.data / PINS).stat().st_mode & 0o777 == 0o600
    written = [file for file in (floor.data).resolve().rglob("*") if file.is_file()]
    assert len(written) > 10
    assert [file for file in written if PIN.encode() in file.read_bytes()] == []
    assert PIN not in floor.hotline.text


async def test_a_restarted_controller_finds_who_sits_where(floor: Floor, folder: Path) -> None:
    phone = await floor.phone("8001")
    await floor.api.post("/api/agents/1002/sign-in", {"seat": "8001"})
    await floor.agent("1002", lambda one: one["phone"])
    await floor.api.post("/api/agents/1002/ready")
    await floor.agent("1002", lambda one: one["state"] == "ready")
    mine = await floor.citizen()
    await phone.incoming(10)
    await floor.agent("1002", lambda one: one["state"] == "talking")
    floor.hotline.signal(signal.SIGKILL)
    await floor.hotline.ended(10)
    async with Served("run", "--config", str(folder / "hotline.toml")) as again:
        await again.said("serving; pages at")
        here = await floor.agent("1002", lambda one: one["state"] == "talking")
        assert here["seat"] == "8001"
        await mine.hangup()
        await floor.agent("1002", lambda one: one["state"] == "ready" and one["seat"] == "8001")
        await floor.citizen()
        await phone.incoming(10)
        await floor.agent("1002", lambda one: one["state"] == "talking")


async def test_a_pin_tried_too_often_is_locked_and_a_flood_of_keys_harms_nobody(floor: Floor) -> None:
    phone = await floor.phone("8001")
    for _ in range(3):
        await floor.dial(phone, "*11", "1001#555#")
    await floor.dial(phone, "*11", f"1001#{PIN}#")  # the right one comes too late
    assert (await floor.agent("1001", lambda one: True))["state"] == "offline"
    notices = (await floor.api.get("/api/overview"))["notices"]
    assert {(one["what"], one["agent"], one["detail"]) for one in notices} == {("pin_locked", "1001", "8001")}
    other = await floor.phone("8002")
    await floor.dial(other, "*11", "0123456789ABCD**99887766554433221100#" + "5" * 40 + "#")
    await floor.dial(other, "*11", f"1002#{PIN}#")
    assert (await floor.agent("1002", lambda one: one["state"] == "not_ready"))["seat"] == "8002"


async def test_a_private_call_is_not_disturbed_and_is_over_at_once(floor: Floor) -> None:
    phone = await floor.phone("1001")
    await floor.agent("1001", lambda one: one["phone"])
    await floor.api.post("/api/agents/1001/ready")
    private = await phone.call("*43")
    await private.answered(5)
    here = await floor.agent("1001", lambda one: one["use"] == "in_use")
    assert here["state"] == "ready", "the agent's state is his own"
    queue = (await floor.api.get("/api/overview"))["queues"][0]
    assert (queue["agents_ready"], queue["unserved"]) == (0, False)
    await floor.citizen()
    await floor.api.until("/api/overview", lambda view: view["queues"][0]["waiting"] == 1)
    with pytest.raises(TimeoutError):
        await phone.incoming(1.0)
    await private.hangup()
    await phone.incoming(5)
    await floor.agent("1001", lambda one: one["state"] == "talking")


async def test_who_refuses_is_passed_over_at_once_and_who_is_unregistered_is_not_asked(floor: Floor) -> None:
    refusing = await floor.phone("1001", AnswerPolicy.decline())
    answering = await floor.phone("8001")
    await floor.api.post("/api/agents/1002/sign-in", {"seat": "8001"})
    for agent in ("1001", "1002"):
        await floor.agent(agent, lambda one: one["phone"])
        await floor.api.post(f"/api/agents/{agent}/ready")  # 1001 is idle longer: asked first
    mine = await floor.citizen()
    refused = await refusing.incoming(10)
    theirs = await answering.incoming(10)
    apart = (theirs.time_of("recv INVITE") or 0.0) - (refused.time_of("recv INVITE") or 0.0)
    assert 0 < apart < 1.0, apart
    here = await floor.agent("1001", lambda one: one["state"] == "not_ready")
    assert here["reason"] == "missed"
    notices = (await floor.api.get("/api/overview"))["notices"]
    assert [(one["what"], one["agent"]) for one in notices] == [("missed", "1001")]
    await mine.hangup()
    await theirs.ended(5)

    await answering.unregister()
    await floor.agent("1002", lambda one: not one["phone"] and one["reason"] == "phone_lost")
    await floor.citizen()
    await floor.api.until("/api/overview", lambda view: view["queues"][0]["waiting"] == 1)
    with pytest.raises(TimeoutError):
        await answering.incoming(1.0)
    await answering.register()
    await answering.incoming(5)


async def test_a_queue_that_nobody_serves_is_seen(floor: Floor) -> None:
    assert (await floor.api.get("/api/overview"))["queues"][0]["unserved"]
    await floor.hotline.said("nobody is signed in for")
    await floor.phone("1001")
    await floor.agent("1001", lambda one: one["phone"])
    await floor.api.post("/api/agents/1001/sign-in")
    await floor.api.until("/api/overview", lambda view: not view["queues"][0]["unserved"])
    await asyncio.sleep(0)
