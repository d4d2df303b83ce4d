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
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from urllib.parse import quote

import aiohttp
from yarl import URL

from controller.config_secrets import key_of
from controller.config_sections import ExchangeSection
from controller.database import StoreError
from controller.outgoing import Outgoing
from controller.peer_files import FileDesk, Sent, Standing, encoded, send_file, standing_of
from controller.records import Records
from tickets.exchange.effect import file_of
from tickets.exchange.inbox import Arrival, Receipt
from tickets.exchange.messages import MessageRefused, decode, encode
from tickets.exchange.outbox import Waiting
from tickets.exchange.signing import MESSAGE, SIGNATURE, Key, is_answer, piece, sign, sign_answer, verify
from tickets.exchange.threads import Retry
from tickets.ticket import Attachment

log = logging.getLogger(__name__)

PATH, FILES = "/api/exchange/messages", "/api/exchange/files"
"""Where an installation takes messages and files, below its address."""

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
        files: FileDesk,
        rules: PeerRules | None = None,
        spread: Callable[[], float] = random.random,
    ) -> None:
        self.name, self._files = name, files
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
        file = file_of(message)
        if file is not None and self._files.takes(file) and not await self._files.has(file.sha256):
            raise MessageRefused("file_missing")  # it comes first; so what is acknowledged is whole
        until = signed.at + 2 * self._rules.window_s  # after it the time alone refuses the same request
        receipt = await self._records.receive_message(Arrival(message, signed.key.id, signed.nonce, until, now))
        return receipt, lambda status, body: sign_answer(signed.key, status, body, signed.nonce)

    async def take_piece(
        self, headers: Mapping[str, str], file: Attachment, offset: int, data: bytes
    ) -> tuple[bytes, str]:
        """Take a piece of a file in: the answer, and its signature.

        Raises `NotTrusted`, `MessageRefused` (wrong_file), OSError.
        """
        what = piece(file.sha256, file.kind, file.size, offset)
        signed = verify(self._keys, headers, data, self._clock(), self._rules.window_s, what)
        body = encoded(await self._files.take(signed.key.peer, file, offset, data))
        return body, sign_answer(signed.key, 200, body, signed.nonce)

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
                for one in sorted(waiting, key=_with_file):  # a ticket does not wait behind a film
                    await self._deliver(peer, one)
                if not waiting:
                    return await self._records.next_message(peer.id)
        except StoreError:
            return self._clock() + self._rules.away_s
        except Exception:  # a fault of ours must not end the exchange
            log.exception("the exchange stumbled", extra={"action": "exchange.fault"})
            return self._clock() + self._rules.away_s

    async def _deliver(self, peer: Peer, one: Waiting) -> None:
        body, sent = one.message.encode(), Sent()
        if _with_file(one) and (file := file_of(decode(body))) is not None:
            sent = await send_file(self._files, file, partial(self._put, peer))
            if sent.more:
                return
            if sent.refused == "file_lost":
                body = _without_file(body)
        error = sent.error or await self._send(peer, body)
        if not error:
            await self._records.message_acknowledged(one, self._clock(), sent.refused)
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
        answer = await self._ask(peer, "POST", PATH, body, "application/json")
        return answer if isinstance(answer, str) else ""

    async def _put(self, peer: Peer, one: Attachment, offset: int, data: bytes) -> Standing | str:
        """Send a piece of a file once; how it stands there, or the code of what went wrong."""
        path = f"{FILES}/{one.sha256}?kind={quote(one.kind, safe='')}&size={one.size}&offset={offset}"
        what = piece(one.sha256, one.kind, one.size, offset)
        answer = await self._ask(peer, "PUT", path, data, "application/octet-stream", what)
        return answer if isinstance(answer, str) else standing_of(answer) or "answer_not_signed"

    async def _ask(
        self, peer: Peer, method: str, path: str, body: bytes, type: str, what: str = MESSAGE
    ) -> bytes | str:
        """The peer's signed answer to a request; the code of what went wrong as a text."""
        assert self._client is not None
        key, nonce = peer.keys[0], secrets.token_urlsafe(18)
        headers = {**sign(key, body, self._clock(), nonce, what), "Content-Type": type}
        url = URL(peer.url.rstrip("/") + path, encoded=True)
        try:
            async with self._client.request(method, url, data=body, headers=headers, allow_redirects=False) as response:
                answer = await response.content.read(ANSWER_BYTES)
                if response.status != 200:
                    return _error(answer) or f"status_{response.status}"
                good = is_answer(key, 200, answer, nonce, response.headers.get(SIGNATURE, ""))
                return answer if good else "answer_not_signed"
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
            try:
                keys.append(key_of(key, one.id, folder))
            except OSError as error:
                raise ValueError(f"[[exchange.peers]] key {key.id} cannot be read: {error.strerror}") from None
            except ValueError as error:
                raise ValueError(f"[[exchange.peers]] key {key.id}: {error}") from None
        found.append(Peer(one.id, one.url, tuple(keys)))
    retry = Retry(section.retry_first_s, section.retry_last_s)
    return found, PeerRules(section.window_s, section.timeout_s, retry=retry)


def _with_file(one: Waiting) -> bool:
    return '"file_sha256"' in one.message


def _without_file(raw: bytes) -> bytes:
    """The message of a file that is lost here: that there was one is told all the same."""
    message = decode(raw)
    kept = {name: value for name, value in message.body.items() if name not in ("file_sha256", "file_size")}
    return encode(replace(message, body=kept))


def _error(answer: bytes) -> str:
    """The code of a refusal, as far as it is one."""
    try:
        code = json.loads(answer)["error"]
    except (ValueError, KeyError, TypeError):
        return ""
    return code if isinstance(code, str) and _CODE.fullmatch(code) else ""
