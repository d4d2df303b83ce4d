"""A real Asterisk for tests: one for the session, on free loopback ports, in a folder of its own."""

from __future__ import annotations

import asyncio
import contextlib
import math
import shutil
import socket
import tempfile
import time
from array import array
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from controller.asterisk import (
    AsteriskBinary,
    Exchange,
    ExchangeSettings,
    find_asterisk,
    free_settings,
    prepare_asterisk,
)

ROOT = Path(__file__).resolve().parents[2]
Message = dict[str, str]
HBMAX = 3
PHONES = ("1001", "1002", "1003", "1004", "1005", "1006", "3001")


class Tap:
    """A small AMI client for tests: every event is kept, and an event can be waited for even if it came already."""

    def __init__(self, settings: ExchangeSettings) -> None:
        self.settings = settings
        self.events: list[Message] = []
        self._answers: dict[str, asyncio.Future[Message]] = {}
        self._news = asyncio.Condition()
        self._number = 0

    async def open(self) -> None:
        """Log in as `tool`."""
        s = self.settings
        self._reader, self._writer = await asyncio.open_connection(s.ami_host, s.ami_port)
        await self._reader.readline()
        self._pump = asyncio.create_task(self._read(), name="ami tap")
        answer = await self.do("Login", Username="tool", Secret=s.tool_secret)
        assert answer["Response"] == "Success", answer

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
        self._pump.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._pump

    async def _read(self) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                block = (await self._reader.readuntil(b"\r\n\r\n")).decode()
                message: Message = {"at": str(time.monotonic())}
                for line in block.splitlines():
                    name, colon, value = line.partition(":")
                    if colon:
                        old = message.get(name)
                        message[name] = value.strip() if old is None else f"{old}\n{value.strip()}"
                if "Event" in message:
                    async with self._news:
                        self.events.append(message)
                        self._news.notify_all()
                elif (waiting := self._answers.pop(message.get("ActionID", ""), None)) is not None:
                    waiting.set_result(message)

    async def do(self, action: str, **headers: object) -> Message:
        """Send one action and return its answer."""
        self._number += 1
        key = f"t{self._number}"
        answer = self._answers[key] = asyncio.get_running_loop().create_future()
        lines = [f"Action: {action}", f"ActionID: {key}", *(f"{name}: {value}" for name, value in headers.items())]
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        async with asyncio.timeout(5):
            return await answer

    async def cli(self, command: str) -> list[str]:
        """Output lines of a console command."""
        return (await self.do("Command", Command=command)).get("Output", "").split("\n")

    async def event(self, wanted: Callable[[Message], bool], *, within: float = 5.0, after: int = 0) -> Message:
        """The first event from number `after` on that is wanted; AssertionError if none comes within the time."""
        try:
            async with asyncio.timeout(within), self._news:
                while True:
                    for message in self.events[after:]:
                        if wanted(message):
                            return message
                    await self._news.wait()
        except TimeoutError:
            seen = [m.get("UserEvent", m["Event"]) for m in self.events[after:]]
            raise AssertionError(f"no such event within {within} s; there were {seen}") from None

    async def user(
        self, name: str, call: str | None = None, *, within: float = 5.0, after: int = 0, **headers: str
    ) -> Message:
        """The first UserEvent `name` of this call with these headers."""

        def wanted(m: Message) -> bool:
            return (
                m.get("UserEvent") == name
                and call in (None, m.get("CallId"))
                and all(m.get(key) == value for key, value in headers.items())
            )

        return await self.event(wanted, within=within, after=after)

    async def get(self, channel: str, variable: str) -> str:
        return (await self.do("Getvar", Channel=channel, Variable=variable))["Value"]

    async def where(self, channel: str) -> str:
        """The application that runs on the channel, and the context, as `context/application`."""
        for line in await self.cli("core show channels concise"):
            parts = line.split("!")
            if parts[0] == channel:
                return f"{parts[1]}/{parts[5]}"
        return ""

    async def stands(self, channel: str, place: str, *, within: float = 2.0) -> None:
        """Return when the channel stands in this `context/application`; no event tells: it is asked again and again."""
        try:
            async with asyncio.timeout(within):
                while await self.where(channel) != place:  # noqa: ASYNC110 - nothing would set an event
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"stands in {await self.where(channel)}, not in {place}") from None

    async def beat(self) -> None:
        """One heartbeat, as the controller sends each second."""
        await self.do("Setvar", Variable="HB", Value=int(time.time()))

    async def stop_beating(self) -> None:
        """As if the controller had died: the last heartbeat is now."""
        if self.beating is not None:
            self.beating.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.beating
            self.beating = None

    beating: asyncio.Task[None] | None = None

    async def other_second(self, second: float) -> None:
        """Returns when the clock shows another second than `second` did; that is what the wait is for."""
        await asyncio.sleep(max(int(second) + 1.05 - time.time(), 0.0))

    async def keep_beating(self) -> None:
        await self.beat()

        async def forever() -> None:
            while True:
                await asyncio.sleep(1.0)
                await self.beat()

        self.beating = asyncio.create_task(forever(), name="heartbeat")


@dataclass
class Caller:
    """A caller in the dialplan: a Local channel stands for the trunk's."""

    tap: Tap
    call: str
    channel: str
    started: Message
    step: int = field(default=0)

    async def go(self, primitive: str, arguments: str, *, step: int | None = None, within: float = 5.0) -> Message:
        """Next step, as the controller sends it; returns the Started event."""
        self.step = self.step + 1 if step is None else step
        mark = len(self.tap.events)
        await self.send(primitive, self.step, arguments)
        return await self.tap.user("Started", self.call, Step=str(self.step), within=within, after=mark)

    async def send(self, primitive: str, step: int, arguments: str | None) -> None:
        if arguments is not None:
            await self.tap.do("Setvar", Channel=self.channel, Variable=f"A{step}", Value=arguments)
        await self.tap.do("Redirect", Channel=self.channel, Context=primitive, Exten=step, Priority=1)

    async def user(self, name: str, *, within: float = 5.0, after: int = 0, **headers: str) -> Message:
        return await self.tap.user(name, self.call, within=within, after=after, **headers)

    async def set(self, **variables: str) -> None:
        for name, value in variables.items():
            await self.tap.do("Setvar", Channel=self.channel, Variable=name, Value=value)

    async def where(self) -> str:
        """As `Tap.where`."""
        return await self.tap.where(self.channel)

    async def stands(self, place: str, *, within: float = 2.0) -> None:
        """As `Tap.stands`."""
        await self.tap.stands(self.channel, place, within=within)

    async def hang_up(self) -> None:
        await self.tap.do("Hangup", Channel=self.channel)
        await self.tap.event(lambda m: m["Event"] == "Hangup" and m.get("Uniqueid") == self.call)


@pytest.fixture(scope="session")
def binary() -> AsteriskBinary:
    """An Asterisk to start: the machine's, or the private tree (made now if need be)."""
    var = ROOT / "var"
    return find_asterisk(var) or prepare_asterisk(var, print)


@pytest.fixture(scope="session")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prompts of 0.4 s whose tone tells them apart, by the names that the tests use."""
    folder = tmp_path_factory.mktemp("sounds")
    names = ("welcome", "menu-main", "net-hold", "survey", "thanks", "ticket", "position")
    for number, name in enumerate(names):
        pcm = [math.sin(2 * math.pi * (400 + 100 * number) * n / 8000) for n in range(3200)]
        for language in ("zh", "en"):
            (folder / language).mkdir(exist_ok=True)
            (folder / language / f"{name}.alaw").write_bytes(array("B", map(_a_law, pcm)).tobytes())
    return folder


def _a_law(sample: float) -> int:
    value = min(abs(round(sample * 3000)) >> 3, 4095)
    exponent = max(value.bit_length() - 5, 0)
    return ((0x80 if sample >= 0 else 0) | exponent << 4 | (value >> max(exponent, 1)) & 15) ^ 0x55


@pytest.fixture(scope="session")
def place() -> Iterator[Callable[[], Path]]:
    """New instance folders that the user Asterisk runs as can enter (pytest's own are closed when root runs it)."""
    made: list[Path] = []

    def new() -> Path:
        folder = Path(tempfile.mkdtemp(prefix="hotline-test-"))
        folder.chmod(0o755)
        made.append(folder)
        return folder

    yield new
    for folder in made:
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    """A UDP port for the carrier, whom a phone of ours plays."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def exchange(binary: AsteriskBinary, place: Callable[[], Path], sounds: Path) -> Iterator[Exchange]:
    """The session's running exchange; `.settings` has ports, secrets and folders."""
    settings = free_settings(place(), phones=PHONES, numbers=("12345", "12346"), sounds=sounds, heartbeat_max_s=HBMAX,
                             log_levels="warning,error", carrier_host="127.0.0.1", carrier_port=_free_port(),
                             survey_wait_s=1, rtp_timeout_s=3, qualify_s=0)  # fmt: skip
    running = Exchange(binary, settings)
    asyncio.run(running.start())
    yield running
    asyncio.run(running.stop())


@pytest.fixture
async def tap(exchange: Exchange) -> AsyncIterator[Tap]:
    """A logged-in AMI tap; no heartbeat is sent, and none of an earlier test counts."""
    client = Tap(exchange.settings)
    await client.open()
    await client.do("Setvar", Variable="HB", Value=0)
    yield client
    await client.stop_beating()
    for line in await client.cli("core show channels concise"):
        if "!" in line:
            await client.do("Hangup", Channel=line.split("!")[0])
    await client.close()


@pytest.fixture
async def beating(tap: Tap) -> Tap:
    """The tap, with the controller's heartbeat each second."""
    await tap.keep_beating()
    return tap


Dial = Callable[..., Awaitable[Caller]]


@pytest.fixture
def dial(tap: Tap) -> Dial:
    """`await dial()` puts a caller into the dialplan and returns when CallStart came."""

    async def start(number: str = "12345", cli: str = "13800000000") -> Caller:
        mark = len(tap.events)
        await tap.do("Originate", Channel=f"Local/{number}@from-trunk", Application="Wait", Data="60", Async="true",
                     CallerID=cli)  # fmt: skip
        begun = await tap.user("CallStart", after=mark)
        return Caller(tap, begun["CallId"], begun["Chan"], begun)

    return start


@pytest.fixture(scope="module")
def complaints_of_asterisk(exchange: Exchange) -> Callable[[], list[str]]:
    """Gives the warnings and errors that Asterisk has logged since the module's first test that uses this.

    What two things in one instant make it say is left out. A Redirect that comes while the channel runs a GotoIf moves
    it before its label is looked up: there is none such, and the channel goes on where the Redirect sent it. A phone
    that hangs up as it has answered ends p-up in its midst, or is hung up once more (`asterisk.md` 12.2): the caller is
    in the line again, which the tests of these instants show. A caller who hangs up while music plays to him may be
    gone when its next frame, of 20 ms, is sent.
    """
    log = exchange.settings.messages
    begun = log.stat().st_size if log.exists() else 0

    def since() -> list[str]:
        text = log.read_bytes()[begun:].decode("utf-8", errors="replace")
        instants = (
            "must be a number > 0, or valid label",
            "Abnormal 'Gosub(p-up,s,1)' exit",
            "Session already DISCONNECTED",
            "res_musiconhold.c: Failed to write frame to 'PJSIP/citizen-",
        )
        found = [line for line in text.splitlines() if "WARNING" in line or "ERROR" in line]
        return [line for line in found if not any(one in line for one in instants)]

    return since
