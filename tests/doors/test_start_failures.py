"""What an operator meets when `hotline run` cannot start: one sentence with what to do, and nothing left behind.

The exchange is the behaving fake, attached to over a real socket; the hotline is the whole real one in this process.
Ends by a signal are tried on a process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

import psycopg
import pytest

import controller.build
import controller.schema
from controller.commands.check import checked
from controller.commands.run import serve
from controller.database import make_engine
from tests.doors.postgres_server import PostgresServer
from tests.fakes.exchange import FakeExchange
from tests.serving import NUMBERS, Served, children, configuration, naming

pytestmark = pytest.mark.doors

Refused = Callable[[Path], Awaitable[str]]


@pytest.fixture
async def fake() -> AsyncIterator[FakeExchange]:
    async with FakeExchange(user="ctl", secret="right") as exchange:
        yield exchange


@pytest.fixture
def attach(fake: FakeExchange, tmp_path: Path) -> dict[str, dict[str, object]]:
    """The sections of a hotline that attaches to the fake exchange."""
    (tmp_path / "secret").write_text("right\n")
    values = {"mode": "attach", "ami_port": fake.port, "ami_secret_file": "secret", "spool": str(tmp_path / "spool")}
    return {"asterisk": dict(values)}


def _arguments(var: Path) -> argparse.Namespace:
    return argparse.Namespace(var=var, leave_asterisk=False, standby=False)


async def run(file: Path, var: Path) -> int:
    """`hotline run` in this process: its exit status."""
    settings = checked(file)
    return 2 if settings is None else await serve(settings, _arguments(var))


def assert_nothing_left(folder: Path, before: set[int]) -> None:
    """No process of ours, no address file, and the data folder is free for the next one."""
    assert children(os.getpid()) <= before
    assert not (folder / "data" / "web-address").exists()
    lock = folder / "data" / "lock"
    if lock.exists():
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.fixture
def refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Refused:
    """Run a configuration that must be refused; its one sentence, after all that must hold then was checked."""

    async def attempt(file: Path) -> str:
        before = children(os.getpid())
        capfd.readouterr()
        status = await run(file, tmp_path / "var")
        lines = capfd.readouterr().err.splitlines()
        assert "Traceback" not in "\n".join(lines)
        assert "serving" not in "\n".join(lines)
        assert_nothing_left(tmp_path, before)
        if status == 2:  # seen in the configuration itself: named with its line, and counted
            assert lines[-1] == "1 fault; nothing was started.", lines
            assert lines[-2].startswith(f"{file}:"), lines
            return lines[-2]
        assert status == 1, lines
        assert lines[-1].startswith("hotline: ")
        return lines[-1]

    return attempt


# ---------------------------------------------------------------- ports


async def test_web_port_taken(
    attach: dict[str, dict[str, object]], tmp_path: Path, refused: Refused, fake: FakeExchange
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        told = await refused(configuration(tmp_path, attach | {"web": {"port": port}}))
    assert f"the web port 127.0.0.1:{port} cannot be used (Address already in use)" in told
    assert "[web] host and port" in told
    assert not fake.actions  # known before the exchange was asked for anything


async def test_web_host_of_another_machine(
    attach: dict[str, dict[str, object]], tmp_path: Path, refused: Refused
) -> None:
    told = await refused(configuration(tmp_path, attach | {"web": {"host": "192.0.2.1", "port": 0}}))
    assert "192.0.2.1:0 cannot be used (Cannot assign requested address)" in told


async def test_web_port_taken_in_the_last_moment(
    attach: dict[str, dict[str, object]], tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controller.build.Hotline, "_check_web_port", lambda self: None)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        told = await refused(configuration(tmp_path, attach | {"web": {"port": other.getsockname()[1]}}))
    assert "cannot be used (Address already in use)" in told


# ---------------------------------------------------------------- the exchange


async def test_manager_password_refused(
    attach: dict[str, dict[str, object]], tmp_path: Path, refused: Refused, fake: FakeExchange
) -> None:
    (tmp_path / "secret").write_text("wrong\n")
    told = await refused(configuration(tmp_path, attach))
    assert f"127.0.0.1:{fake.port} refuses the AMI user 'ctl'" in told
    assert "wrong" not in told


async def test_secret_file_missing(attach: dict[str, dict[str, object]], tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "secret").unlink()
    told = await refused(configuration(tmp_path, attach))
    assert "ami_secret_file" in told
    assert "No such file" in told


async def test_another_program_on_the_manager_port(
    attach: dict[str, dict[str, object]], tmp_path: Path, refused: Refused
) -> None:
    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2p1\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        attach["asterisk"]["ami_port"] = server.sockets[0].getsockname()[1]
        told = await refused(configuration(tmp_path, attach))
    assert "is no Asterisk manager; see ami_port" in told


async def test_nobody_on_the_manager_port(
    attach: dict[str, dict[str, object]], tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controller.build, "LOGIN_S", 0.3)
    attach["asterisk"]["ami_port"] = 1
    told = await refused(configuration(tmp_path, attach))
    assert "127.0.0.1:1; start it, or correct [asterisk] ami_host and ami_port" in told


async def test_no_asterisk_and_no_way_to_prepare_one(
    tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("asterisk", path="/usr/sbin"):
        pytest.skip("this machine has an Asterisk of its own in /usr/sbin")
    monkeypatch.setenv("PATH", str(tmp_path))
    told = await refused(configuration(tmp_path, {}))
    assert "apt-get is not on this machine: install" in told


# ---------------------------------------------------------------- the database


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://u:geheim@127.0.0.1/x", "kind 'mysql' is not supported"),
        ("hotline.db", "The database URL is not one"),
        ("postgresql://u:geheim@127.0.0.1:1/x", "cannot be reached; start its server"),
    ],
)
async def test_database_url(
    attach: dict[str, dict[str, object]], tmp_path: Path, refused: Refused, url: str, words: str, fake: FakeExchange
) -> None:
    told = await refused(configuration(tmp_path, attach | {"database": {"url": url}}))
    assert words in told
    assert "geheim" not in told
    assert not fake.actions


async def test_database_locked(
    attach: dict[str, dict[str, object]], tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controller.schema, "make_engine", partial(make_engine, busy_s=0.1))
    (tmp_path / "data").mkdir()
    with contextlib.closing(sqlite3.connect(tmp_path / "data" / "hotline.db", isolation_level=None)) as other:
        other.execute("CREATE TABLE mine (x)")
        other.execute("BEGIN EXCLUSIVE")
        told = await refused(configuration(tmp_path, attach))
    assert "hotline.db is locked by another program; end that program, then try again" in told


async def test_database_newer(attach: dict[str, dict[str, object]], tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "data").mkdir()
    with contextlib.closing(sqlite3.connect(tmp_path / "data" / "hotline.db", isolation_level=None)) as other:
        other.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        other.execute("INSERT INTO alembic_version VALUES ('of-tomorrow')")
    told = await refused(configuration(tmp_path, attach))
    assert "made by a newer program (revision of-tomorrow); install that program" in told


async def test_database_is_something_else(
    attach: dict[str, dict[str, object]], tmp_path: Path, refused: Refused
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "hotline.db").write_text("this is a letter to the editor, " * 40)
    told = await refused(configuration(tmp_path, attach))
    assert "no sound SQLite database" in told


# ---------------------------------------------------------------- places


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A data folder on a disk of its own, of 2 MiB."""
    place = tmp_path / "data"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m,mode=755", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("only root may mount a small disk")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(place: Path, *, leave: int = 0) -> Path:
    """Fill a disk but for `leave` bytes; the file that does it."""
    ballast = place / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    with ballast.open("r+b") as file:
        file.truncate(max(0, ballast.stat().st_size - leave))
    return ballast


@pytest.mark.parametrize("leave", [0, 4096, 8192, 65536])
async def test_disk_full(
    attach: dict[str, dict[str, object]], tmp_path: Path, refused: Refused, small_disk: Path, leave: int
) -> None:
    ballast = fill(small_disk, leave=leave)
    told = await refused(configuration(tmp_path, attach))
    assert "full" in told
    assert "make room" in told
    ballast.unlink()
    assert not list(small_disk.glob("web-address"))


async def test_read_only_disk(
    attach: dict[str, dict[str, object]], tmp_path: Path, refused: Refused, small_disk: Path
) -> None:
    await asyncio.to_thread(subprocess.run, ["mount", "-o", "remount,ro", str(small_disk)], check=True)
    told = await refused(configuration(tmp_path, attach))
    assert "(Read-only file system); give this user the right, or set [hotline] data elsewhere" in told


async def test_data_folder_is_a_file(attach: dict[str, dict[str, object]], tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "notes").write_text("mine")
    told = await refused(configuration(tmp_path, attach | {"hotline": {"data": "notes"}}))
    assert "notes is a file where a folder is needed" in told
    told = await refused(configuration(tmp_path, attach | {"hotline": {"data": "notes/below"}}))
    assert "is a file where a folder is needed" in told
    assert (tmp_path / "notes").read_text() == "mine"


async def test_token_that_others_may_read(
    attach: dict[str, dict[str, object]], tmp_path: Path, refused: Refused
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "api-token").write_text("x" * 40)
    (tmp_path / "data" / "api-token").chmod(0o644)
    assert "delete it and a new token will be made" in await refused(configuration(tmp_path, attach))


async def test_address_of_a_killed_hotline_is_forgotten(
    attach: dict[str, dict[str, object]], tmp_path: Path, refused: Refused
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "web-address").write_text("http://127.0.0.1:1/\n")
    (tmp_path / "secret").write_text("wrong\n")
    await refused(configuration(tmp_path, attach))  # asserts that the address is gone


# ---------------------------------------------------------------- processes


async def test_second_hotline_on_the_same_data(
    attach: dict[str, dict[str, object]], tmp_path: Path, capfd: pytest.CaptureFixture[str], fake: FakeExchange
) -> None:
    file = configuration(tmp_path, attach)
    async with Served("run", "--config", str(file)) as first:
        await first.said("serving; pages at")
        address = (tmp_path / "data" / "web-address").read_text()
        assert await run(file, tmp_path / "var") == 1
        told = capfd.readouterr().err.splitlines()[-1]
        assert f"another hotline (process {first.pid}) serves from {tmp_path / 'data'}; end it first" in told
        assert (tmp_path / "data" / "web-address").read_text() == address
        assert len(fake.sessions) == 1
        assert first.process.returncode is None
        first.signal(signal.SIGKILL)
        assert await first.ended() == -signal.SIGKILL
    async with Served("run", "--config", str(file)) as third:  # a killed one is no obstacle
        await third.said("serving; pages at")
        third.signal(signal.SIGTERM)
        assert await third.ended() == 0
    assert_nothing_left(tmp_path, children(os.getpid()))


@pytest.fixture
def no_nohup() -> Iterator[None]:
    """Tests below nohup ignore SIGHUP; the hotline would inherit that, and go on by right."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("no_nohup")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
async def test_signal_while_logging_in(
    attach: dict[str, dict[str, object]], tmp_path: Path, fake: FakeExchange, number: signal.Signals
) -> None:
    fake.fault.stall = True
    async with Served("run", "--config", str(configuration(tmp_path, attach))) as hotline:
        await hotline.said("exchange: log in")
        hotline.signal(number)
        assert await hotline.ended(15) == 130
    assert "Traceback" not in hotline.text
    assert not naming(str(tmp_path))
    assert_nothing_left(tmp_path, children(os.getpid()))


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that the user Asterisk runs as may enter (pytest's own are closed when root runs it)."""
    folder = Path(tempfile.mkdtemp(prefix="hotline-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


async def test_signal_while_preparing(open_folder: Path) -> None:
    """The first start downloads an Asterisk; whoever stops that must not wait for the download."""
    if not Path("/etc/apt/sources.list").exists() and not list(Path("/etc/apt/sources.list.d").glob("*.sources")):
        pytest.skip("no apt sources on this machine")
    if shutil.which("asterisk", path="/usr/sbin"):
        pytest.skip("this machine has an Asterisk of its own in /usr/sbin")
    tools, var = open_folder / "tools", open_folder / "var"
    tools.mkdir()
    for name, script in {
        "dpkg-deb": "exit 0",
        "dpkg": "echo amd64",
        "apt-get": f"trap '' INT TERM; echo $$ > {open_folder}/apt.pid; while :; do sleep 0.1; done",
    }.items():
        (tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (tools / name).chmod(0o755)
    environment = {"PATH": f"{tools}:/usr/bin:/bin"}
    file = configuration(open_folder, {})
    async with Served("run", "--config", str(file), var=var, environment=environment) as hotline:
        await hotline.said("reading the package lists")
        async with asyncio.timeout(10):
            while not (open_folder / "apt.pid").exists():  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.05)
        assert naming(str(tools))
        hotline.signal(signal.SIGTERM)
        assert await hotline.ended(20) == 130
    assert not naming(str(open_folder))
    assert not (var / "asterisk" / "root").exists()
    assert "Traceback" not in hotline.text
    assert_nothing_left(open_folder, children(os.getpid()))


# ---------------------------------------------------------------- the disk during service


async def test_disk_full_in_service(
    attach: dict[str, dict[str, object]],
    tmp_path: Path,
    small_disk: Path,
    fake: FakeExchange,
) -> None:
    """Routing goes on; the journal and the database say once that they wait, and once that they are back."""
    rest = NUMBERS.replace("[recording]", "[recording]\nrecord = false")
    async with Served("run", "--config", str(configuration(tmp_path, attach, rest=rest))) as hotline:
        await hotline.said("serving; pages at")
        ballast = fill(small_disk)
        calls = 0
        async with asyncio.timeout(30):
            while not {"journal", "database"} <= set(re.findall(r"The disk of the (\w+)", hotline.text)):
                call = fake.arrive()
                await fake.saw("Redirect", Channel=call.channel, Context="p-hold")
                fake.hang_up(call)
                calls += 1
        for _ in range(20):
            call = fake.arrive()
            await fake.saw("Redirect", Channel=call.channel, Context="p-hold")
            fake.hang_up(call)
        ballast.unlink()
        await hotline.said("the journal can be written again")
        await hotline.said("the database is there again")
        hotline.signal(signal.SIGTERM)
        assert await hotline.ended() == 0
    assert hotline.text.count("The disk of the journal") == 1
    assert hotline.text.count("The disk of the database") == 1
    assert "Traceback" not in hotline.text
    with contextlib.closing(sqlite3.connect(small_disk / "hotline.db")) as database:
        assert database.execute("SELECT count(*) FROM calls WHERE ended_at IS NOT NULL").fetchone() == (calls + 20,)


async def test_database_server_killed_in_service(
    attach: dict[str, dict[str, object]], tmp_path: Path, postgres: PostgresServer, fake: FakeExchange
) -> None:
    """PostgreSQL dies and comes back: calls go on, said once, and their rows arrive later."""
    name = await asyncio.to_thread(postgres.new_database)
    rest = NUMBERS.replace("[recording]", "[recording]\nrecord = false")
    file = configuration(tmp_path, attach | {"database": {"url": postgres.url(name)}}, rest=rest)
    try:
        async with Served("run", "--config", str(file)) as hotline:
            await hotline.said("serving; pages at")
            await asyncio.to_thread(postgres.stop, crash=True)
            for _ in range(10):
                call = fake.arrive()
                await fake.saw("Redirect", Channel=call.channel, Context="p-hold")
                fake.hang_up(call)
            await hotline.said("cannot be reached; start its server")
            await asyncio.to_thread(postgres.start)
            await hotline.said("the database is there again")
            hotline.signal(signal.SIGTERM)
            assert await hotline.ended() == 0
        assert hotline.text.count("cannot be reached") == 1
        assert "Traceback" not in hotline.text
        with psycopg.connect(f"host={postgres.folder} user=hotline dbname={name}") as database:
            found = database.execute("SELECT count(*) FROM calls WHERE ended_at IS NOT NULL").fetchone()
        assert found == (10,)
    finally:
        await asyncio.to_thread(postgres.drop_database, name)


# ---------------------------------------------------------------- a fault of ours


async def test_an_engine_that_ends_ends_the_hotline_and_tells_nothing_of_a_caller(
    attach: dict[str, dict[str, object]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str], fake: FakeExchange,
) -> None:  # fmt: skip
    """Else callers would wait in a line that nobody serves, while the controller looks alive to the safety net."""

    async def broken(self: object) -> None:
        raise KeyError("13800001111")

    monkeypatch.setattr(controller.build.Engine, "run", broken)
    before = children(os.getpid())
    async with asyncio.timeout(60):
        assert await run(configuration(tmp_path, attach), tmp_path / "var") == 1
    said = capfd.readouterr().err
    assert "hotline: a fault of ours: KeyError" in said
    assert "13800001111" not in said
    assert_nothing_left(tmp_path, before)
