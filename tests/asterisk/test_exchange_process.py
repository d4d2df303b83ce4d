"""Asterisk as a process: silent start, adoption after a kill -9, honest failures, nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from controller.asterisk import (
    AsteriskBinary,
    Exchange,
    ExchangeError,
    find_asterisk,
    free_settings,
    load_settings,
)
from controller.asterisk_settings import default_templates
from controller.asterisk_tree import MODULES

pytestmark = pytest.mark.asterisk

ROOT = Path(__file__).resolve().parents[2]


def own_process(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]


async def test_starts_without_a_word_of_complaint(
    binary: AsteriskBinary, place: Callable[[], Path], sounds: Path
) -> None:
    settings = free_settings(place(), phones=["1001"], sounds=sounds, log_levels="warning,error")
    exchange = Exchange(binary, settings)
    await exchange.start()
    try:
        text = settings.messages.read_text(encoding="utf-8")
        assert [line for line in text.splitlines() if "WARNING" in line or "ERROR" in line] == []
        assert "rror" not in (settings.instance / "log/console.log").read_text(encoding="utf-8")
    finally:
        await exchange.stop()


async def test_only_the_pinned_modules_run(tap: Any) -> None:
    running = {line.split()[0].removesuffix(".so") for line in await tap.cli("module show") if ".so" in line}
    assert running == set(MODULES)


async def test_runs_unprivileged_and_listens_on_loopback_only(exchange: Exchange) -> None:
    status = Path(f"/proc/{exchange.pid}/status").read_text()
    uid = next(line.split()[1] for line in status.splitlines() if line.startswith("Uid:"))
    assert uid != "0"
    sockets = {os.readlink(f) for f in Path(f"/proc/{exchange.pid}/fd").iterdir() if f.is_symlink()}
    inodes = {s[8:-1] for s in sockets if s.startswith("socket:[")}
    listening = []
    for table, state in (("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            parts = line.split()
            if parts[9] in inodes and parts[3] == state:
                address, port = parts[1].split(":")
                listening.append((table, address, int(port, 16)))
    s = exchange.settings
    assert ("tcp", "0100007F", s.ami_port) in listening
    assert ("udp", "0100007F", s.sip_port) in listening
    # Nothing else takes connections; pjproject's name resolver owns two client sockets (pj_dns_resolver_create).
    others = [entry for entry in listening if entry[2] not in (s.ami_port, s.sip_port)]
    assert sorted(entry[0] for entry in others if entry[1] != "0100007F") in ([], ["udp"], ["udp", "udp6"])
    assert not [entry for entry in others if entry[0].startswith("tcp")]


async def test_secrets_are_for_nobody_else(exchange: Exchange) -> None:
    s = exchange.settings
    for file in (s.instance / "etc").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    for folder in (s.instance, s.instance / "etc", s.instance / "spool/monitor", s.run_dir):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder
    assert stat.S_IMODE((s.instance / "exchange.json").stat().st_mode) == 0o600
    assert s.ami_secret not in repr(s)
    assert s.phones[0].password not in repr(s)


async def test_wrong_ami_password_is_refused(exchange: Exchange) -> None:
    other = Exchange(exchange.binary, replace(exchange.settings, watch_secret="wrong"))
    with pytest.raises(ExchangeError, match="refuses the AMI password"):
        await other.start(timeout_s=5)
    assert exchange.pid is not None
    assert own_process(exchange.pid)


@pytest.mark.parametrize(("kind", "name"), [(socket.SOCK_DGRAM, "SIP"), (socket.SOCK_STREAM, "AMI")])
async def test_a_taken_port_is_named(
    binary: AsteriskBinary, place: Callable[[], Path], kind: socket.SocketKind, name: str
) -> None:
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            taken.listen()
        port = taken.getsockname()[1]
        ports = {"sip_port": port} if name == "SIP" else {"ami_port": port}
        settings = free_settings(place(), **ports)
        with pytest.raises(ExchangeError, match=rf"the {name} port {port} on 127\.0\.0\.1 cannot be had"):
            await Exchange(binary, settings).start()
        assert not (settings.instance / "etc").exists()


async def test_a_start_that_fails_says_why_and_leaves_nothing(
    binary: AsteriskBinary, place: Callable[[], Path], tmp_path: Path
) -> None:
    templates = tmp_path / "templates"
    shutil.copytree(default_templates(), templates)
    modules = templates / "modules.conf.j2"
    modules.write_text(modules.read_text() + "require = res_of_another_world.so\n")
    exchange = Exchange(binary, free_settings(place()), templates=templates)
    with pytest.raises(ExchangeError, match=r"ended while starting; its log .* says: .*res_of_another_world"):
        await exchange.start(timeout_s=10)
    assert exchange.pid is None


async def test_watch_tells_a_death(binary: AsteriskBinary, place: Callable[[], Path]) -> None:
    exchange = Exchange(binary, free_settings(place()))
    await exchange.start()
    watching = asyncio.create_task(exchange.watch())
    assert exchange.pid is not None
    os.kill(exchange.pid, signal.SIGKILL)
    async with asyncio.timeout(5):
        assert await watching == -signal.SIGKILL
    await exchange.stop()


async def test_stop_ends_calls_and_process(binary: AsteriskBinary, place: Callable[[], Path]) -> None:
    settings = free_settings(place())
    exchange = Exchange(binary, settings)
    await exchange.start()
    reader, writer = await asyncio.open_connection(settings.ami_host, settings.ami_port)
    writer.write(
        f"Action: Login\r\nUsername: tool\r\nSecret: {settings.tool_secret}\r\n\r\n"
        "Action: Originate\r\nChannel: Local/12345@from-trunk\r\nApplication: Wait\r\nData: 60\r\n\r\n".encode()
    )
    async with asyncio.timeout(5):
        await reader.readuntil(b"UserEvent: Fallback")
    pid = exchange.pid
    assert pid is not None
    begun = time.monotonic()
    await exchange.stop()
    assert time.monotonic() - begun < 8
    assert not own_process(pid)
    assert not (settings.run_dir / "asterisk.pid").exists()
    assert exchange.pid is None
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        again.bind(("127.0.0.1", settings.sip_port))


STARTER = """
import asyncio, sys
from pathlib import Path
from controller.asterisk import Exchange, find_asterisk, free_settings, prepare_asterisk
var, instance = Path(sys.argv[1]), Path(sys.argv[2])
async def main():
    exchange = Exchange(find_asterisk(var) or prepare_asterisk(var, print), free_settings(instance, phones=["1001"]))
    await exchange.start()
    print(exchange.pid, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.fixture
async def orphan(binary: AsteriskBinary, place: Callable[[], Path]) -> AsyncIterator[tuple[Path, int]]:
    """An Asterisk whose controller was killed with -9."""
    instance = place()
    starter = subprocess.Popen(  # noqa: ASYNC220 - its first line is read in a thread
        [sys.executable, "-c", STARTER, str(ROOT / "var"), str(instance)], cwd=ROOT, stdout=subprocess.PIPE
    )
    with starter:
        assert starter.stdout is not None
        pid = int(await asyncio.to_thread(starter.stdout.readline))
        starter.kill()
    yield instance, pid
    settings = load_settings(instance)
    assert settings is not None
    await Exchange(binary, settings).stop()


async def test_a_new_controller_finds_the_running_asterisk(binary: AsteriskBinary, orphan: tuple[Path, int]) -> None:
    instance, pid = orphan
    assert own_process(pid)
    before = load_settings(instance)
    assert before is not None
    settings = free_settings(instance, phones=["1001", "1002"])
    assert (settings.ami_port, settings.ami_secret) == (before.ami_port, before.ami_secret)
    assert settings.phone("1001") == before.phone("1001")
    exchange = Exchange(binary, settings)
    await exchange.start()
    assert exchange.adopted
    assert exchange.pid == pid
    # What is new in the settings counts at once: the second telephone is known.
    assert "1002" in await _endpoints(settings)
    watching = asyncio.create_task(exchange.watch())
    await exchange.stop()
    async with asyncio.timeout(5):
        assert await watching is None
    assert not own_process(pid)


async def _endpoints(settings: Any) -> str:
    reader, writer = await asyncio.open_connection(settings.ami_host, settings.ami_port)
    writer.write(
        f"Action: Login\r\nUsername: tool\r\nSecret: {settings.tool_secret}\r\nEvents: off\r\n\r\n"
        "Action: PJSIPShowEndpoints\r\n\r\n".encode()
    )
    async with asyncio.timeout(5):
        text = (await reader.readuntil(b"EventList: Complete")).decode()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return text


async def test_a_frozen_asterisk_is_replaced(binary: AsteriskBinary, orphan: tuple[Path, int]) -> None:
    instance, pid = orphan
    os.kill(pid, signal.SIGSTOP)
    exchange = Exchange(binary, free_settings(instance))
    await exchange.start(timeout_s=2)
    try:
        assert not exchange.adopted
        assert exchange.pid != pid
        assert not own_process(pid)
    finally:
        await exchange.stop()


async def test_a_foreign_process_is_never_adopted(binary: AsteriskBinary, place: Callable[[], Path]) -> None:
    """A pid file left over from before a reboot names somebody else's process."""
    settings = free_settings(place())
    settings.run_dir.mkdir()
    (settings.run_dir / "asterisk.pid").write_text(f"{os.getpid()}\n")
    exchange = Exchange(binary, settings)
    await exchange.stop()
    await exchange.start()
    try:
        assert not exchange.adopted
        assert exchange.pid != os.getpid()
    finally:
        await exchange.stop()


async def test_the_machines_own_asterisk_runs_as_well(binary: AsteriskBinary, place: Callable[[], Path]) -> None:
    """Found on PATH instead of in the tree: the same files, modules and data where a system keeps them."""
    programs = place()
    program = programs / "asterisk"
    program.write_text("#!/bin/sh\nexec " + shlex.join(binary.command) + ' "$@"\n')
    program.chmod(0o755)
    prefix = binary.data_dir.parents[2]
    found = find_asterisk(programs / "var", prefix=prefix, path=str(programs))
    assert found is not None
    assert found.source == "system"
    assert (found.version, found.modules_dir, found.data_dir) == (binary.version, binary.modules_dir, binary.data_dir)
    exchange = Exchange(found, free_settings(place()))
    await exchange.start()
    await exchange.stop()


async def test_a_long_path_has_its_socket_elsewhere(binary: AsteriskBinary, place: Callable[[], Path]) -> None:
    instance = place() / ("x" * 100)
    settings = free_settings(instance)
    assert not settings.run_dir.is_relative_to(instance)
    exchange = Exchange(binary, settings)
    await exchange.start()
    try:
        assert (settings.run_dir / "asterisk.ctl").exists()
    finally:
        await exchange.stop()
        shutil.rmtree(settings.run_dir)
