"""Whole installations for tests of the exchange: each with its own database and web server, and lines between them.

A line is a proxy that understands just enough HTTP to lose, double, hold back and replay whole requests.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import aiohttp

from controller.peer_files import FileDesk
from controller.peers import Peer, PeerExchange, PeerRules
from controller.records import Operations, Records
from controller.schema import upgrade
from controller.ticket_desk import HotlineDesk
from controller.ticket_office import HotlineOffice
from controller.writer import Store, StoreRules
from tests.fakes.backend import MemoryBackend
from tickets.exchange.signing import Key
from tickets.exchange.threads import Retry
from tickets.files import AttachmentFiles
from tickets.organisations import Organisation, OrganisationTree
from tickets.ticket import TicketPolicy
from web.app import Server, create_app, serve

TOKEN = "t" * 40
RULES = PeerRules(timeout_s=2.0, away_s=0.05, retry=Retry(0.01, 0.05))


def key_of(one: str, other: str) -> Key:
    """The key that two installations share, as it is used by the first."""
    name = "-".join(sorted((one, other)))
    return Key(name, other, (name * 32).encode()[:64])


class Line:
    """The way from one installation to another. `plan` says for each request what becomes of it."""

    def __init__(self, plan: Callable[[], str] = lambda: "pass") -> None:
        self.plan = plan
        self.target = 0
        self.passed: list[bytes] = []
        self.faults: dict[str, int] = {}
        self._held: list[bytes] = []
        self._server: asyncio.Server | None = None
        self._news = asyncio.Event()

    async def start(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def news(self) -> None:
        """Wait until a request has come to its end."""
        await self._news.wait()
        self._news.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
            )
            request = head + await reader.readexactly(length)
            fault = self.plan()
            self.faults[fault] = self.faults.get(fault, 0) + 1
            answer = b""
            if fault != "lose":
                answer = await self.deliver(request)
            if fault == "double":
                answer = await self.deliver(request)  # the second answer counts: "replayed"
            if fault == "hold":  # the same again, but much later: between messages that came after it
                self._held.append(request)
            elif self._held and fault == "pass":
                await self.deliver(self._held.pop(0))
            if fault in ("pass", "double"):
                writer.write(answer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            self._news.set()

    async def deliver(self, request: bytes) -> bytes:
        """One request as it is, over a connection of its own."""
        self.passed.append(request)
        head, _, body = request.partition(b"\r\n\r\n")
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection")]
        reader, writer = await asyncio.open_connection("127.0.0.1", self.target)
        writer.write(b"\r\n".join([*lines, b"Connection: close"]) + b"\r\n\r\n" + body)
        await writer.drain()
        answer = await reader.read()
        writer.close()
        return answer


def empty_database(folder: Path) -> Path:
    """A database as a new installation has it. Blocks."""
    upgrade(f"sqlite:///{folder / 'empty.db'}")
    return folder / "empty.db"


class Installation:
    """One hotline's tickets: database, web server, exchange."""

    def __init__(
        self, name: str, folder: Path, empty: Path, organisations: Sequence[Organisation], lines: dict[str, str]
    ) -> None:
        """`empty`: a database of the right shape, made once for all (`empty_database`)."""
        tree = OrganisationTree(organisations)
        self.name = name
        self.policy = TicketPolicy(units=tree.register(), organisations=tree, installation=name)
        self._url = f"sqlite:///{folder / name}.db"
        self._folder, self._empty, self._lines = folder, empty, lines
        self.peers: PeerExchange | None = None
        self.server: Server | None = None

    async def start(self) -> int:
        file = self._folder / f"{self.name}.db"
        if not file.exists():
            await asyncio.to_thread(shutil.copy, self._empty, file)
        operations = Operations(self.policy)
        rules = StoreRules(window_s=0.001, calm_s=0.001)
        self.store = Store(
            self._url, spool=self._folder / f"{self.name}.spool", operations=operations.spoolable(), rules=rules
        )
        await self.store.start()
        self.records = Records(self.store, operations)
        self.files = AttachmentFiles(self._folder / f"{self.name}-files")
        self.peers = PeerExchange(
            self.name,
            [Peer(other, url, (key_of(self.name, other),)) for other, url in self._lines.items()],
            self.records,
            time.time,
            FileDesk(self.files, self.policy),
            RULES,
            spread=lambda: 0.5,
        )
        backend: Any = MemoryBackend()
        backend.desk = HotlineDesk(self.records, self.policy, (), time.time, self.files)
        backend.office = HotlineOffice(self.records, self.peers, time.time)
        self.server = await serve(create_app(backend, token=TOKEN, metrics=backend.metrics))
        await self.peers.start()
        return self.server.port

    async def stop(self) -> None:
        assert self.peers is not None
        assert self.server is not None
        await self.peers.stop()
        await self.server.close()
        await self.store.stop()

    async def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        """The installation's own people at work."""
        assert self.server is not None
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with (
            aiohttp.ClientSession(headers=headers) as client,
            client.request(method, f"{self.server.url.rstrip('/')}{path}", json=body) as response,
        ):
            return response.status, await response.json()

    async def take(self, **fields: Any) -> str:
        """A new ticket; its number."""
        status, ticket = await self.ask("POST", "/api/tickets", {"type": "help", "text": "沿江路漏水", **fields})
        assert status == 201, ticket
        return str(ticket["number"])

    async def do(self, number: str, move: str, **given: Any) -> dict[str, Any]:
        """One move by the hotline, or by the unit ``by_unit``."""
        now = await self.ticket(number)
        if "by_unit" in given:
            given = {"by": "someone", "by_role": "unit", **given}
        body = {"move": move, "version": now["version"], **given}
        status, ticket = await self.ask("POST", f"/api/tickets/{number}/moves", body)
        assert status == 200, (move, ticket)
        found: dict[str, Any] = ticket
        return found

    async def ticket(self, number: str) -> dict[str, Any]:
        status, ticket = await self.ask("GET", f"/api/tickets/{number}")
        assert status == 200, ticket
        found: dict[str, Any] = ticket
        return found

    async def tickets(self) -> list[dict[str, Any]]:
        """All tickets, oldest first."""
        _, page = await self.ask("GET", "/api/tickets")
        found: list[dict[str, Any]] = page["tickets"]
        return found

    async def talks(self, number: str) -> list[dict[str, Any]]:
        """What was said and heard about a ticket."""
        _, answer = await self.ask("GET", f"/api/tickets/{number}/exchange")
        found: list[dict[str, Any]] = answer["threads"]
        return found


async def until(lines: Sequence[Line], check: Callable[[], Awaitable[bool]]) -> None:
    """Wait until `check` holds; it is asked again whenever something has passed, and what passed is in the database."""
    async with asyncio.timeout(30):
        while not await check():
            waiting = [asyncio.create_task(line.news()) for line in lines]
            # What the sender writes down after the last answer passes over no line: so the wait has an end.
            _, left = await asyncio.wait(waiting, timeout=0.1, return_when=asyncio.FIRST_COMPLETED)
            for task in left:
                task.cancel()
