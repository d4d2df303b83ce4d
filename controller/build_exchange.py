"""The exchange of a serving hotline: an Asterisk of our own, or one that runs already, and the door to it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path

from controller.asterisk import Exchange, ExchangeError, free_settings
from controller.asterisk_prepare import prepare
from controller.asterisk_settings import ExchangeSettings
from controller.asterisk_tree import AsteriskBinary, find_asterisk, service_account, settle
from controller.config import Settings
from controller.debian import PrepareError
from controller.engine import Engine, cancelled
from controller.start_errors import StartError, reason
from pbx.ami import AmiDoor, AmiLimits
from pbx.events import ExchangeEnding
from pbx.translate import DialledCode

log = logging.getLogger(__name__)

RESTART_FIRST_S, RESTART_LAST_S = 0.2, 10.0
"""Shortest and longest pause between two tries to start an Asterisk that has died."""

DRAIN_S = 5.0
"""How long a stopping controller waits for commands on their way and for recordings in work."""


class Attached:
    """The door to Asterisk, and where its recordings lie; events go to `post` as soon as there is an engine."""

    door: AmiDoor

    def __init__(self, recordings: Path, advice: str) -> None:
        self.recordings = recordings
        self.advice = advice  #: where it should answer, and what to do when it does not
        self.post: Callable[..., None] = lambda event: None
        self.codes: Callable[[DialledCode], None] = lambda dialled: None


class ExchangePart:
    """Asterisk as the hotline has it. `leave`: what is ours runs on when the hotline is stopped."""

    def __init__(
        self,
        settings: Settings,
        var: Path,
        progress: Callable[[str], None],
        clock: Callable[[], float],
        *,
        run: Callable[[object], asyncio.Task[object]],
        stack: contextlib.AsyncExitStack,
        leave: bool,
    ) -> None:
        """`run` makes a task that goes on until the hotline stops; `stack` is taken down then."""
        self.binary: AsteriskBinary | None = None
        self.exchange: Exchange | None = None
        self.leave = leave
        self._settings, self._var, self._progress, self._clock = settings, var, progress, clock
        self._run, self._stack = run, stack
        self._keeper: asyncio.Task[object] | None = None

    async def open(self) -> Attached:
        """Find or prepare Asterisk and start it, or find the one that runs. Raises `StartError` and what it raises."""
        raw = self._settings.raw.asterisk
        if raw.mode == "attach":
            return self._attach()
        binary = await asyncio.to_thread(find_asterisk, self._var)
        if binary is None:
            self._progress("Asterisk: none of version 20 or newer on this machine; preparing a private one")
            binary = await prepare(self._var, self._progress)
        self.binary = binary
        try:
            wanted = await asyncio.to_thread(self.settings)
        except OSError as error:
            if error.filename:
                raise
            raise StartError(
                f"there is no free port on {raw.sip_host} ({reason(error)}); "
                "set [asterisk] sip_host to an address of this machine"
            ) from error
        self.exchange = Exchange(binary, wanted)
        self._progress(f"Asterisk {binary.version} ({binary.source})")
        await self.exchange.start()
        self._stack.push_async_callback(self._stop)
        self._keeper = self._run(self._keep())
        return self._door(
            raw.ami_user, wanted.ami_host, wanted.ami_port, wanted.ami_secret, wanted.instance / "spool", wanted
        )

    def settings(self) -> ExchangeSettings:
        """The settings of the Asterisk that we own: ports and secrets are kept from start to start."""
        raw, plan, codes = self._settings.raw.asterisk, self._settings.plan, self._settings.raw.phone_codes
        instance = settle(self._settings.data / "asterisk", service_account(), self._progress)
        changes: dict[str, object] = {"sip_port": raw.sip_port} if raw.sip_port else {}
        if raw.ami_port:
            changes["ami_port"] = raw.ami_port
        changes |= self._carrier()
        return free_settings(
            instance,
            phones=[*plan.phones, *sorted(plan.extensions), *plan.supervisor_phones],
            rtp_ports=raw.rtp_ports,
            host=raw.sip_host,
            numbers=tuple(plan.numbers),
            trunk_hosts=tuple(raw.carriers),
            heartbeat_max_s=raw.heartbeat_max_s,
            code_sign_in=codes.sign_in,
            code_sign_out=codes.sign_out,
            code_ready=codes.ready,
            code_not_ready=codes.not_ready,
            code_language=codes.language,
            rtp_timeout_s=raw.rtp_timeout_s,
            sounds=self._settings.sounds,
            **changes,
        )

    def _carrier(self) -> dict[str, object]:
        """Who takes our own calls to the outside; all fields, lest one of an earlier start stays."""
        trunk = self._settings.raw.trunk
        if trunk is None:
            return {"carrier_host": ""}
        password = ""
        if trunk.password_file is not None:
            try:
                password = (self._settings.file.parent / trunk.password_file).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise StartError(f"[trunk] password_file cannot be read: {error.strerror}") from error
        return {
            "carrier_host": trunk.host,
            "carrier_port": trunk.port,
            "carrier_qualify_s": trunk.qualify_s,
            "carrier_user": trunk.user or "",
            "carrier_password": password,
            "carrier_from": trunk.from_user or "",
        }

    def _attach(self) -> Attached:
        raw = self._settings.raw.asterisk
        if not raw.ami_secret_file or not raw.spool or not raw.ami_port:
            raise StartError('[asterisk] mode = "attach" needs ami_port, ami_secret_file and spool')
        try:
            secret = (self._settings.file.parent / raw.ami_secret_file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise StartError(f"[asterisk] ami_secret_file cannot be read: {error.strerror}") from error
        return self._door(raw.ami_user, raw.ami_host, raw.ami_port, secret, Path(raw.spool), None)

    def _door(
        self, user: str, host: str, port: int, secret: str, spool: Path, settings: ExchangeSettings | None
    ) -> Attached:
        if settings is None:
            advice = f"{host}:{port}; start it, or correct [asterisk] ami_host and ami_port"
        else:
            advice = f"{host}:{port}; its log says why: {settings.messages}"
        attached = Attached(spool / "monitor", advice)
        attached.door = AmiDoor(
            host,
            port,
            user,
            secret,
            lambda event: attached.post(event),
            spool=str(spool),
            agents=tuple(self._settings.plan.agents),
            phones=(*self._settings.plan.phones, *sorted(self._settings.plan.extensions)),
            codes=lambda dialled: attached.codes(dialled),
            limits=AmiLimits(stall_s=self._settings.raw.asterisk.heartbeat_max_s),
        )
        return attached

    async def end_calls(self, door: AmiDoor, engine: Engine) -> None:
        """End our Asterisk while there is still somebody who writes down how its calls ended."""
        if self._keeper is None or self.leave:
            await door.drain(DRAIN_S)
            return
        engine.post(ExchangeEnding(self._clock()))
        await cancelled(self._keeper)
        await self._stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                while door.connected:  # noqa: ASYNC110 - the door reads to the end of what Asterisk said; no event tells
                    await asyncio.sleep(0.01)

    async def _stop(self) -> None:
        if self.exchange is None:
            return
        if self.leave:
            self.exchange.leave()
        else:
            await self.exchange.stop()

    async def _keep(self) -> None:
        """Start Asterisk again when it has died; callers of a dead exchange are lost, new ones are not.

        One that keeps dying is started less and less often; each reason is logged once, not each try.
        """
        exchange, loop = self.exchange, asyncio.get_running_loop()
        assert exchange is not None
        pause = RESTART_FIRST_S
        while True:
            began = loop.time()
            status = await exchange.watch()
            exchange.pid = None  # the number may soon be another process's
            log.error("Asterisk has ended (status %s); starting it again", status, extra={"action": "asterisk.died"})
            if loop.time() - began > RESTART_LAST_S:
                pause = RESTART_FIRST_S
            else:
                await asyncio.sleep(pause)
                pause = min(RESTART_LAST_S, pause * 2)
            told = ""
            while True:
                try:
                    await exchange.start()
                    break
                except (ExchangeError, PrepareError, OSError) as error:
                    if str(error) != told:
                        told = str(error)
                        log.error("Asterisk: %s; tried again until it runs", told, extra={"action": "asterisk.failed"})
                await asyncio.sleep(pause)
                pause = min(RESTART_LAST_S, pause * 2)
            log.warning("Asterisk runs again", extra={"action": "asterisk.back"})
