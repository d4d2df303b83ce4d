"""The exchange of tickets with other installations: takes their messages in, sends ours until they are acknowledged.

One task for each peer, so that a peer who is away delays nobody else. It waits for something to be said or for the
instant of the next try, never in a poll. A message counts as delivered when an answer that the peer has signed says so;
whatever else comes back, it is sent again, later and later (`tickets.exchange.threads.Retry`).
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from controller.config_sections import ExchangeSection
from controller.database import StoreError
from controller.outgoing import Outgoing
from controller.records import Records
from tickets.exchange.inbox import Arrival, Receipt
from tickets.exchange.messages import MessageRefused, decode
from tickets.exchange.outbox import Waiting
from tickets.exchange.signing import SIGNATURE, Key, is_answer, sign, sign_answer, verify
from tickets.exchange.threads import Retry

log = logging.getLogger(__name__)

PATH = "/api/exchange/messages"
"""Where an installation takes messages, below its address."""

ANSWER_BYTES = 4096
"""Of an answer so much is read at most."""

_CODE = re.compile(r"[a-z_]{1,40}")


@dataclass(frozen=True, slots=True)
class Peer:
    """Another installation: its address, and the keys shared with it, of which the first signs."""

    id: str
    url: str
    keys: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class PeerRules:
    """The exchange's numbers; times in seconds."""

    window_s: float = 300.0
    timeout_s: float = 10.0
    away_s: float = 5.0  #: how long after the store was away it is asked again
    retry: Retry = field(default_factory=Retry)


class PeerExchange:
    """The exchange of one installation with its peers. Its methods are for the loop on which `start` ran."""

    def __init__(
        self,
        name: str,
        peers: Sequence[Peer],
        records: Records,
        clock: Callable[[], float],
        rules: PeerRules | None = None,
        spread: Callable[[], float] = random.random,
    ) -> None:
        self.name = name
        self.peers = {one.id: one for one in peers}
        self._keys = {key.id: key for one in peers for key in one.keys}
        self._records, self._clock, self._rules, self._spread = records, clock, rules or PeerRules(), spread
        self._tasks: list[asyncio.Task[None]] = []
        self._client: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Begin to send."""
        timeout = aiohttp.ClientTimeout(total=self._rules.timeout_s)
        self._client = aiohttp.ClientSession(timeout=timeout)
        self._tasks = [asyncio.create_task(self._serve(one), name=f"peer-{one.id}") for one in self.peers.values()]

    async def stop(self) -> None:
        """Send no more; what is not acknowledged is sent after the next start."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task
        if self._client is not None:
            await self._client.close()

    # ------------------------------------------------------------ in

    async def take(self, headers: Mapping[str, str], raw: bytes) -> tuple[Receipt, Callable[[int, bytes], str]]:
        """Take a peer's message in, and give what signs the answer to it.

        Raises `NotTrusted`, `MessageRefused`, `StoreError`: the peer is to send it again then, or to mend it.
        """
        now = self._clock()
        signed = verify(self._keys, headers, raw, now, self._rules.window_s)
        message = decode(raw)
        if message.sender != signed.key.peer or message.receiver != self.name:
            raise MessageRefused("wrong_parties")
        until = signed.at + 2 * self._rules.window_s  # after it the time alone refuses the same request
        receipt = await self._records.receive_message(Arrival(message, signed.key.id, signed.nonce, until, now))
        return receipt, lambda status, body: sign_answer(signed.key, status, body, signed.nonce)

    # ------------------------------------------------------------ out

    async def _serve(self, peer: Peer) -> None:
        with closing(Outgoing(self._records, self._clock)) as outgoing:
            while True:
                outgoing.begin()
                await outgoing.wait(await self._send_due(peer))

    async def _send_due(self, peer: Peer) -> float | None:
        """Send everything that is due; when something is to be sent next, None = nothing waits."""
        try:
            while True:
                waiting = await self._records.due_messages(peer.id, self._clock())
                for one in waiting:
                    await self._deliver(peer, one)
                if not waiting:
                    return await self._records.next_message(peer.id)
        except StoreError:
            return self._clock() + self._rules.away_s
        except Exception:  # a fault of ours must not end the exchange
            log.exception("the exchange stumbled", extra={"action": "exchange.fault"})
            return self._clock() + self._rules.away_s

    async def _deliver(self, peer: Peer, one: Waiting) -> None:
        error = await self._send(peer, one.message.encode())
        if not error:
            await self._records.message_acknowledged(one, self._clock())
            return
        log.warning(
            "a message to peer %s was not delivered: %s (try %d)",
            peer.id,
            error,
            one.tries + 1,
            extra={"action": "exchange.undelivered"},
        )
        later = self._clock() + self._rules.retry.after(one.tries + 1, self._spread())
        await self._records.message_failed(one, later, error)

    async def _send(self, peer: Peer, body: bytes) -> str:
        """Send once; the code of what went wrong, empty when the peer has it."""
        assert self._client is not None
        key, nonce = peer.keys[0], secrets.token_urlsafe(18)
        headers = {**sign(key, body, self._clock(), nonce), "Content-Type": "application/json"}
        url = peer.url.rstrip("/") + PATH
        try:
            async with self._client.post(url, data=body, headers=headers, allow_redirects=False) as response:
                answer = await response.content.read(ANSWER_BYTES)
                if response.status != 200:
                    return _error(answer) or f"status_{response.status}"
                good = is_answer(key, 200, answer, nonce, response.headers.get(SIGNATURE, ""))
                return "" if good else "answer_not_signed"
        except TimeoutError:
            return "timeout"
        except aiohttp.ClientError:
            return "no_connection"


def peers_of(section: ExchangeSection, folder: Path) -> tuple[list[Peer], PeerRules]:
    """The peers of the configuration with their keys, and the rules. Blocks. Raises ValueError with what to do."""
    found = []
    for one in section.peers:
        keys = []
        for key in one.keys:
            file = folder / key.file
            try:
                if file.stat().st_mode & 0o077:
                    raise ValueError(f"[[exchange.peers]] key {key.id}: others can read {file.name}; chmod 600 it")
                keys.append(Key(key.id, one.id, file.read_bytes().strip()))
            except OSError as error:
                raise ValueError(f"[[exchange.peers]] key {key.id} cannot be read: {error.strerror}") from None
        found.append(Peer(one.id, one.url, tuple(keys)))
    retry = Retry(section.retry_first_s, section.retry_last_s)
    return found, PeerRules(section.window_s, section.timeout_s, retry=retry)


def _error(answer: bytes) -> str:
    """The code of a refusal, as far as it is one."""
    try:
        code = json.loads(answer)["error"]
    except (ValueError, KeyError, TypeError):
        return ""
    return code if isinstance(code, str) and _CODE.fullmatch(code) else ""
