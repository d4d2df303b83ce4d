"""Starts, adopts, watches and stops the Asterisk that this product owns.

Asterisk outlives its controller: it runs in a session of its own, writes to files only, and a new controller finds
it by its pid file and goes on with it. How it is found or prepared: asterisk_tree.py; what it is told:
asterisk_settings.py and asterisk-config/.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import errno
import logging
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

from controller.asterisk_settings import (
    ExchangeSettings,
    Phone,
    free_settings,
    generated_secret,
    load_settings,
    render,
)
from controller.asterisk_tree import (
    AsteriskBinary,
    find_asterisk,
    prepare_asterisk,
    reachable,
    service_account,
    settle,
)
from controller.debian import PrepareError

__all__ = [
    "AsteriskBinary",
    "Exchange",
    "ExchangeError",
    "ExchangeSettings",
    "Phone",
    "PrepareError",
    "find_asterisk",
    "free_settings",
    "generated_secret",
    "load_settings",
    "prepare_asterisk",
    "render",
    "service_account",
    "settle",
]

log = logging.getLogger(__name__)

KNOCK_S = 0.05
"""Pause between two tries to connect to an Asterisk that is starting: its port opens without telling anybody."""

RELOADS = {
    "extensions.conf": "pbx_config.so",
    "pjsip.conf": "res_pjsip.so",
    "queues.conf": "app_queue.so",
    "musiconhold.conf": "res_musiconhold.so",
}
"""Files that a running Asterisk can read again without touching a call, and the module that does it."""


class ExchangeError(Exception):
    """Asterisk cannot be started or controlled; the text is one sentence for the user, with what to do."""


class _Look(enum.Enum):
    """What one look at the AMI port showed."""

    BOOTED = "booted"
    NOT_YET = "not yet"
    REFUSED = "refused"


class Exchange:
    """One instance of Asterisk, whoever started it.

    `start` either starts a new process or adopts the one that already runs in the same instance folder; `adopted`
    says which it was.
    """

    def __init__(self, binary: AsteriskBinary, settings: ExchangeSettings, *, templates: Path | None = None) -> None:
        self.binary = binary
        self.settings = settings
        self.adopted = False
        self.pid: int | None = None
        self._templates = templates
        self._child: subprocess.Popen[bytes] | None = None

    async def start(self, *, timeout_s: float = 30.0) -> None:
        """Start Asterisk and wait until it is fully booted, or adopt the one that runs here.

        Raises ExchangeError in one sentence: port taken, folder out of reach, Asterisk ended (with its own words),
        not ready within `timeout_s` seconds.
        """
        running = running_pid(self.settings)
        if running is not None:
            await self._adopt(running, timeout_s)
            return
        self._check_place()
        self._check_ports()
        self._write()
        said_before = _size(self.settings.messages)
        self.adopted = False
        self.pid = self._spawn()
        try:
            async with asyncio.timeout(timeout_s):
                await self._until_booted()
        except TimeoutError:
            await self.stop(grace_s=0)
            said = self._said(said_before)
            raise ExchangeError(f"Asterisk was not ready within {timeout_s:.0f} s{said}") from None
        except ExchangeError:
            await self.stop(grace_s=0)
            raise ExchangeError(f"Asterisk ended while starting{self._said(said_before)}") from None
        except BaseException:
            await self.stop(grace_s=0)
            raise
        log.info("Asterisk %s runs", self.binary.version, extra={"action": "asterisk.start", "pid": self.pid})

    async def stop(self, *, grace_s: float = 10.0) -> None:
        """End Asterisk: asked first (calls are hung up), killed after `grace_s` seconds. Returns when it is gone."""
        pid = self.pid or running_pid(self.settings)
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            if grace_s > 0:
                os.kill(pid, signal.SIGTERM)
                try:
                    async with asyncio.timeout(grace_s):
                        await process_ended(pid)
                except TimeoutError:
                    log.warning("Asterisk did not end in time", extra={"action": "asterisk.kill", "pid": pid})
            if _alive(pid):
                os.kill(pid, signal.SIGKILL)
            await process_ended(pid)
        self._reap()
        self.pid = None
        for name in ("asterisk.pid", "asterisk.ctl"):
            (self.settings.run_dir / name).unlink(missing_ok=True)
        log.info("Asterisk is stopped", extra={"action": "asterisk.stop", "pid": pid})

    async def watch(self) -> int | None:
        """Return when Asterisk has died: its exit status if it was our child (negative: signal), else None."""
        if self.pid is None:
            return None
        await process_ended(self.pid)
        return self._reap()

    def leave(self) -> None:
        """Let Asterisk run on when this program ends (`--keep`); nothing is sent to it."""
        if self._child is not None:
            # Popen would warn about, and on some versions wait for, a child that is meant to outlive us.
            self._child.returncode = 0
            self._child = None

    async def _adopt(self, pid: int, timeout_s: float) -> None:
        """Go on with the running process; replace it only if it is frozen."""
        self.pid = pid
        self.adopted = True
        try:
            async with asyncio.timeout(timeout_s):
                await self._until_booted()
        except TimeoutError:
            log.error("a frozen Asterisk is replaced", extra={"action": "asterisk.frozen", "pid": pid})
            await self.stop(grace_s=1.0)
            await self.start(timeout_s=timeout_s)
            return
        changed = self._write()
        for name in sorted(changed & set(RELOADS)):
            await self._reload(RELOADS[name])
        late = sorted(changed - set(RELOADS))
        if late:
            log.warning("%s changed: counts from the next start", ", ".join(late), extra={"action": "asterisk.late"})
        log.info("goes on with the running Asterisk", extra={"action": "asterisk.adopt", "pid": pid})

    def _write(self) -> set[str]:
        try:
            return render(self.settings, self.binary, self._templates)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise ExchangeError(f"the disk of {self.settings.instance} is full: make room and try again") from error
            raise ExchangeError(f"cannot write {error.filename}: {error.strerror}") from error
        except ValueError as error:
            raise ExchangeError(str(error)) from error

    def _check_place(self) -> None:
        account = service_account()
        for place in (self.settings.instance, self.binary.modules_dir):
            if account is not None and not reachable(place, account):
                raise ExchangeError(f"the user {account.name}, as whom Asterisk runs, cannot enter {place}")

    def _check_ports(self) -> None:
        s = self.settings
        for name, kind, host, port in (
            ("SIP", socket.SOCK_DGRAM, s.host, s.sip_port),
            ("AMI", socket.SOCK_STREAM, s.ami_host, s.ami_port),
        ):
            with socket.socket(socket.AF_INET, kind) as probe:
                if kind is socket.SOCK_STREAM:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((host, port))
                except OSError as error:
                    raise ExchangeError(
                        f"the {name} port {port} on {host} cannot be had ({error.strerror}): "
                        f"end the program that uses it or set another port"
                    ) from error

    def _spawn(self) -> int:
        """Start the process: own session, own user, clean environment, output to a file, nothing inherited."""
        s, account = self.settings, service_account()
        environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(s.instance),
            "LANG": "C.UTF-8",
            "MALLOC_ARENA_MAX": str(s.malloc_arenas),
            # A resolver that does not answer must not stall calls longer than this (softphones.md trap 1).
            "RES_OPTIONS": "timeout:1 attempts:1",
        }
        if os.environ.get("TZ"):
            environment["TZ"] = os.environ["TZ"]
        if self.binary.openssl_conf is not None:
            environment["OPENSSL_CONF"] = str(self.binary.openssl_conf)
        (s.run_dir / "asterisk.pid").unlink(missing_ok=True)
        console = s.instance / "log" / "console.log"
        with console.open("wb") as out:
            try:
                self._child = subprocess.Popen(
                    [*self.binary.command, "-f", "-C", str(s.instance / "etc" / "asterisk.conf")],
                    stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, cwd=s.instance,
                    env=environment, start_new_session=True, umask=0o077,
                    user=account.uid if account else None, group=account.gid if account else None,
                    extra_groups=[] if account else None,
                )  # fmt: skip
            except OSError as error:
                raise ExchangeError(f"Asterisk cannot be started: {error.strerror}") from error
        return self._child.pid

    async def _until_booted(self) -> None:
        """Knock until Asterisk says FullyBooted. Raises ExchangeError when it has died or refuses our secret."""
        assert self.pid is not None  # noqa: S101 - set by both callers
        while True:
            look = await self._look()
            if look is _Look.BOOTED:
                return
            if look is _Look.REFUSED:
                raise ExchangeError(
                    f"the Asterisk of {self.settings.instance} refuses the AMI password: its folder was changed "
                    f"while it ran; end process {self.pid} and start again"
                )
            if not _alive(self.pid):
                raise ExchangeError("Asterisk ended")
            await asyncio.sleep(KNOCK_S)

    async def _look(self) -> _Look:
        """One log-in as AMI user `watch`, until FullyBooted or the end of the connection."""
        try:
            async with _ami(self.settings) as (reader, _):
                while block := await _message(reader):
                    if "Event: FullyBooted" in block:
                        return _Look.BOOTED
                    if "Response: Error" in block and "Authentication failed" in block:
                        return _Look.REFUSED
        except OSError:
            pass
        return _Look.NOT_YET

    async def _reload(self, module: str) -> None:
        try:
            async with asyncio.timeout(10), _ami(self.settings) as (reader, writer):
                writer.write(f"Action: Reload\r\nActionID: reload\r\nModule: {module}\r\n\r\n".encode())
                while block := await _message(reader):
                    if "ActionID: reload" in block:
                        return
        except (OSError, TimeoutError) as error:
            raise ExchangeError(f"Asterisk did not reload {module}: restart it") from error

    def _reap(self) -> int | None:
        if self._child is None:
            return None
        status = self._child.wait()
        self._child = None
        return status

    def _said(self, since: int) -> str:
        """The first errors Asterisk wrote since the byte `since` of its log, for the user's sentence."""
        lines: list[str] = []
        for file, start in ((self.settings.messages, since), (self.settings.instance / "log/console.log", 0)):
            with contextlib.suppress(OSError):
                text = file.read_bytes()[start:].decode(errors="replace")
                lines += [line.strip() for line in text.splitlines() if "ERROR" in line or "error" in line]
            if lines:
                break
        if not lines:
            return f" (its log {self.settings.messages} says nothing)"
        return f"; its log {self.settings.messages} says: " + " / ".join(lines[:3])


def running_pid(settings: ExchangeSettings) -> int | None:
    """The process of this very instance that is running now: by Asterisk's pid file and the process's own words."""
    try:
        pid = int((settings.run_dir / "asterisk.pid").read_text())
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    ours = os.fsencode(settings.instance / "etc" / "asterisk.conf")
    return pid if ours in words and _alive(pid) else None


@contextlib.asynccontextmanager
async def _ami(settings: ExchangeSettings) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to AMI, the log-in already sent."""
    reader, writer = await asyncio.open_connection(settings.ami_host, settings.ami_port)
    try:
        await reader.readline()
        login = f"Action: Login\r\nUsername: watch\r\nSecret: {settings.watch_secret}\r\nEvents: system\r\n\r\n"
        writer.write(login.encode())
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _message(reader: asyncio.StreamReader) -> str:
    """One AMI message; empty at the end of the connection."""
    try:
        return (await reader.readuntil(b"\r\n\r\n")).decode(errors="replace")
    except asyncio.IncompleteReadError:
        return ""


def _alive(pid: int) -> bool:
    """Whether the process runs (a dead child that nobody waited for does not count)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state not in ("Z", "X")


async def process_ended(pid: int) -> None:
    """Return when the process has ended; works for children and strangers alike (pidfd_open(2))."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    loop.add_reader(handle, done.set)
    try:
        await done.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
