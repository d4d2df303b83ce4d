"""The demonstration's stage: a controller of its own, phones, and the eyes that watch its pages.

The controller runs as a process of its own, as `hotline run` does, because one story kills it. The benchmarks that
need real calls play on it too, with a folder and a configuration of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp

from controller.asterisk import Exchange, process_ended, running_pid
from controller.asterisk_settings import ExchangeSettings, load_settings
from controller.asterisk_tree import AsteriskBinary, find_asterisk
from controller.build import LOCK_FILE
from controller.softphone import AnswerPolicy, Phone
from recordings.models import FoundModel

START_S = 60.0


class StageError(Exception):
    """The stage could not be set up; the text says what to do."""


def _holder(lock: Path, config: Path) -> int | None:
    """The living controller that holds a data folder of ours, by its lock file and its own command line."""
    try:
        with lock.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pid = int(file.read())
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                return pid if os.fsencode(config) in words else None
    except (OSError, ValueError):
        pass
    return None


class Stage:
    """Everything the stories play on. Use as ``async with``: whatever happens, nothing is left behind."""

    def __init__(
        self,
        home: Path,
        var: Path,
        model: FoundModel | None,
        say: Callable[[str], None],
        *,
        folder: Path | None = None,
        configuration: Path | None = None,
        softphones: bool = True,
    ) -> None:
        """`folder`: everything written goes below it (default: demo below `var`); `configuration`: what is served;
        `softphones` False: nobody registers the agents' phones, the caller of this class will."""
        self.home = home
        self.var = var
        self.model = model
        self.say = say
        self.folder = folder or var / "demo"
        self.softphones = softphones
        self.configuration = configuration or Path(__file__).with_name("hotline.toml")
        self.data = self.folder / "data"
        self.config = self.folder / "hotline.toml"
        self.overview: dict[str, Any] = {}
        self.binary: AsteriskBinary | None = None
        self.phones: dict[str, Phone] = {}
        self._changed = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._session: aiohttp.ClientSession | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._lock: Any = None
        self._exchange: ExchangeSettings | None = None
        self.citizens: list[Phone] = []

    # ---------------------------------------------------------------- set up and take down

    async def __aenter__(self) -> Stage:
        try:
            await self._set_up()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _set_up(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = (self.folder / ".lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            self._lock = None  # nothing of that run is ours to end
            raise StageError(f"another run uses {self.folder}; end it first") from None
        await self._end_orphans()
        await asyncio.to_thread(self._clear)
        with socket.socket() as probe:  # one address for the whole run, also when the controller is started anew
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        text = self.configuration.read_text(encoding="utf-8")
        self.config.write_text(re.sub(r"(\[web\]\s+port = )0", rf"\g<1>{port}", text), encoding="utf-8")
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None, sock_connect=3))
        self.say("Starting the controller; it starts Asterisk and the pages …")
        await self.start_controller()
        self.binary = find_asterisk(self.var)
        if not self.softphones:
            return
        exchange = self.exchange
        numbers = [phone.number for phone in exchange.phones]
        for number in numbers:
            phone = Phone(number, exchange.phone(number).password, server=(exchange.host, exchange.sip_port))
            self.phones[number] = phone
            await phone.start()
        self.say(f"Registering {len(self.phones)} softphones: {', '.join(self.phones)} …")
        await asyncio.gather(*(phone.register() for phone in self.phones.values()))
        await self.until(
            lambda view: all(agent["phone"] for agent in view["agents"]), 10, "the agents' phones register"
        )

    def _clear(self) -> None:
        target = self.data / "asterisk"
        if target.is_symlink():
            shutil.rmtree(target.resolve(), ignore_errors=True)
        shutil.rmtree(self.data, ignore_errors=True)

    async def close(self) -> None:
        """End everything that was started: phones, controller, Asterisk; by their own pids."""
        for phone in [*self.citizens, *self.phones.values()]:
            with contextlib.suppress(Exception):
                await phone.stop(graceful=True, timeout=1.0)
        self.phones.clear()
        self.citizens.clear()
        await self.look_away()
        if self._session is not None:
            await self._session.close()
            self._session = None
        process = self._process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                async with asyncio.timeout(25):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        self._process = None
        if self._lock is not None:
            await self._end_asterisk()
            self._lock.close()
            self._lock = None

    async def _end_orphans(self) -> None:
        """End what a killed demonstration has left in this folder: we hold its lock, so nobody else needs them."""
        lock, how = self.data / LOCK_FILE, signal.SIGTERM
        while (pid := _holder(lock, self.config)) is not None:
            self.say("Ending the controller that an earlier demonstration left behind …")
            with contextlib.suppress(ProcessLookupError, TimeoutError):
                os.kill(pid, how)
                async with asyncio.timeout(25):
                    await process_ended(pid)
            how = signal.SIGKILL
        await self._end_asterisk()

    async def _end_asterisk(self) -> None:
        settings = load_settings((self.data / "asterisk").resolve())
        if settings is None or running_pid(settings) is None:
            return
        binary = find_asterisk(self.var)
        if binary is not None:
            await Exchange(binary, settings).stop(grace_s=3)

    # ---------------------------------------------------------------- the controller

    async def start_controller(self) -> None:
        """Start the controller as a process; wait until its pages answer. Raises `StageError` with its last words."""
        await self.spawn_controller()
        await self.controller_serves()

    async def spawn_controller(self) -> None:
        """Start the controller as a process; it has only begun to start when this returns."""
        log = (self.folder / "controller.log").open("ab")
        environment = os.environ | {"HOTLINE_HOME": str(self.home), "HOTLINE_VAR": str(self.var)}
        with log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "controller",
                "run",
                "--config",
                str(self.config),
                cwd=self.home,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is the demonstration's to handle
            )

    async def controller_serves(self) -> None:
        """Wait until the controller's pages answer. Raises `StageError` with its last words."""
        assert self._process is not None
        serving = asyncio.ensure_future(self._serving())
        ended = asyncio.ensure_future(self._process.wait())
        try:
            await asyncio.wait({serving, ended}, timeout=START_S, return_when=asyncio.FIRST_COMPLETED)
            served = serving.done()
        finally:
            serving.cancel()
            ended.cancel()
            await asyncio.gather(serving, ended, return_exceptions=True)
        if not served:
            lines = (self.folder / "controller.log").read_text(errors="replace").splitlines()
            last = next((line for line in reversed(lines) if line.startswith("hotline:")), lines[-1] if lines else "")
            raise StageError(f"the controller did not start: {last} (all of it: {self.folder / 'controller.log'})")
        if self._watcher is None:
            self._watcher = asyncio.create_task(self._watch())

    async def _serving(self) -> None:
        """Wait until the controller's own address answers; it opens its port without telling anybody."""
        assert self._session is not None
        while True:
            with contextlib.suppress(OSError, aiohttp.ClientError):
                if (self.data / "web-address").exists():
                    async with self._session.get(self.url + "healthz") as answer:
                        if answer.status == 200:
                            return
            await asyncio.sleep(0.05)

    async def kill_controller(self) -> None:
        """kill -9: no farewell, nothing saved. Returns when the process is gone."""
        assert self._process is not None
        (self.data / "web-address").unlink(missing_ok=True)
        self.overview = {}  # what it showed is the past from here on
        os.kill(self._process.pid, signal.SIGKILL)
        await self._process.wait()

    @property
    def controller_pid(self) -> int:
        """The pid of the stage's controller."""
        assert self._process is not None
        return self._process.pid

    @property
    def asterisk_pid(self) -> int | None:
        """The pid of the stage's Asterisk, None when it does not run."""
        return running_pid(self.exchange)

    @property
    def exchange(self) -> ExchangeSettings:
        """Ports and passwords of the stage's Asterisk."""
        if self._exchange is None:
            self._exchange = load_settings((self.data / "asterisk").resolve())
        if self._exchange is None:
            raise StageError("the exchange has no settings")
        return self._exchange

    @property
    def url(self) -> str:
        """Where the pages are."""
        return (self.data / "web-address").read_text(encoding="utf-8").strip()

    # ---------------------------------------------------------------- people

    def agent(self, number: str, policy: AnswerPolicy) -> Phone:
        """An agent's phone, told how to behave from now on."""
        phone = self.phones[number]
        phone.policy = policy
        return phone

    async def citizen(self, number: str, *, record: bool = True) -> Phone:
        """A citizen's phone behind the carrier, with this caller number; `record` = it keeps what it hears."""
        exchange = self.exchange
        phone = Phone(
            exchange.citizen_user,
            exchange.citizen_password,
            server=(exchange.host, exchange.sip_port),
            from_number=number,
            record=record,
        )
        await phone.start()
        self.citizens.append(phone)
        return phone

    # ---------------------------------------------------------------- the API and the live page

    async def get(self, path: str) -> Any:
        """GET from the API; None for 404."""
        return await self._call("GET", path, None)

    async def post(self, path: str, body: object = None) -> Any:
        """POST to the API. Raises AssertionError with the API's words when it refuses."""
        return await self._call("POST", path, body or {})

    async def patch(self, path: str, body: object) -> Any:
        """PATCH a ticket."""
        return await self._call("PATCH", path, body)

    async def _call(self, method: str, path: str, body: object) -> Any:
        assert self._session is not None
        token = (self.data / "api-token").read_text(encoding="utf-8").strip()
        headers = {"Authorization": f"Bearer {token}"}
        async with self._session.request(method, self.url + path.lstrip("/"), json=body, headers=headers) as answer:
            if answer.status == 404:
                return None
            told = json.loads(await answer.read())
            if answer.status >= 400:
                raise AssertionError(f"{method} {path} was accepted", f"{answer.status} {told.get('error')}")
            return told

    async def ready(self, *agents: str) -> None:
        """Make agents ready, in this order (the first is then the longest idle)."""
        for agent in agents:
            await self.post(f"/api/agents/{agent}/ready")

    async def not_ready(self, *agents: str) -> None:
        """Send agents on a break."""
        for agent in agents:
            await self.post(f"/api/agents/{agent}/not-ready", {"reason": "break"})

    async def _watch(self) -> None:
        """Follow the live page; when the controller is gone, wait for the next one."""
        assert self._session is not None
        while True:
            with contextlib.suppress(OSError, aiohttp.ClientError):
                async with self._session.get(self.url + "api/live") as answer:
                    async for line in answer.content:
                        if line.startswith(b"data: {"):
                            self.overview = json.loads(line[6:])
                            self._changed.set()
                            self._changed = asyncio.Event()
            await asyncio.sleep(0.1)  # between two tries to reach a controller that is away

    async def look_away(self) -> None:
        """Close the live page: what it costs the controller must not be in a measurement; `until` sees no more."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
            self._watcher = None

    async def changed(self, timeout_s: float) -> None:
        """Wait for the next change of the live page, at most so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()

    async def until(self, holds: Callable[[dict[str, Any]], bool], timeout_s: float, what: str) -> dict[str, Any]:
        """Wait until the live page shows something. Raises AssertionError(what, what it showed instead)."""
        try:
            async with asyncio.timeout(timeout_s):
                while not self.overview or not holds(self.overview):
                    await self._changed.wait()
        except TimeoutError:
            shown = [(call["call"], call["state"]) for call in self.overview.get("calls", ())]
            agents = [(agent["agent"], agent["state"]) for agent in self.overview.get("agents", ())]
            raise AssertionError(f"{what} within {timeout_s:g} s", f"calls {shown}, agents {agents}") from None
        return self.overview

    async def agent_state(self, agent: str, state: str, timeout_s: float = 10) -> None:
        """Wait until an agent is in a state."""
        await self.until(
            lambda view: any(one["agent"] == agent and one["state"] == state for one in view["agents"]),
            timeout_s,
            f"agent {agent} becomes {state}",
        )

    async def call_state(self, call: str, state: str, timeout_s: float = 10) -> None:
        """Wait until a call is in a state."""
        await self.until(
            lambda view: any(one["call"] == call and one["state"] == state for one in view["calls"]),
            timeout_s,
            f"the call is {state}",
        )
