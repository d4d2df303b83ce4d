"""Delivers webhooks: looks at the outbox, sends what is due, keeps what was not taken for another time.

One task for each hook, so that a receiver who is slow delays nobody else. It waits for a commit that may have put
something out, whoever made it, or for the instant of the next try (`controller/outgoing.py`). What is sent twice after
a crash has the same id. No log names a ticket, and none a receiver's answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass

import aiohttp

from controller.database import StoreError
from controller.outgoing import Outgoing
from controller.records import Records
from tickets.webhook import Due, Hook, headers_of, id_of, next_try

log = logging.getLogger(__name__)

TIMEOUT_S = 10.0
"""A receiver that has not answered by then has not taken it."""

AT_ONCE = 8
"""Messages on their way to one receiver at the same time."""

AWAY_S = 5.0
"""So long after the store was away it is asked again."""


@dataclass
class WebhookFigures:
    """What happened since the start."""

    sent: int = 0
    failed: int = 0
    given_up: int = 0


class Webhooks:
    """Tells the hooks of moves, until cancelled."""

    def __init__(
        self,
        hooks: Mapping[str, Hook],
        records: Records,
        clock: Callable[[], float],
        *,
        timeout_s: float = TIMEOUT_S,
        away_s: float = AWAY_S,
    ) -> None:
        self._hooks, self._records, self._clock = hooks, records, clock
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._away_s = away_s
        self._down: set[str] = set()
        self.figures = WebhookFigures()

    async def run(self) -> None:
        """Send until cancelled; what an earlier run gave up is tried again. An outage only makes it wait."""
        try:
            await self._records.forget_other_hooks(tuple(self._hooks))
            for hook in self._hooks:
                await self._records.retry_hook(hook, self._clock())
        except StoreError:
            log.info("the outbox of webhooks could not be tidied", extra={"action": "webhook.store"})
        async with self._session() as session, asyncio.TaskGroup() as group:
            for hook in self._hooks:
                group.create_task(self._serve(session, hook), name=f"webhook-{hook}")

    async def round(self) -> int:
        """Send everything that is due now, once each; how many were taken. Raises `StoreError`."""
        async with self._session() as session:
            return sum([sum(await self._round(session, hook)) for hook in self._hooks])

    async def _serve(self, session: aiohttp.ClientSession, hook: str) -> None:
        with closing(Outgoing(self._records, self._clock)) as outgoing:
            while True:
                outgoing.begin()
                await outgoing.wait(await self._send_due(session, hook))

    async def _send_due(self, session: aiohttp.ClientSession, hook: str) -> float | None:
        """Send everything that is due; when something is to be sent next, None = nothing waits."""
        try:
            while await self._round(session, hook):
                pass
            return await self._records.next_webhook(hook)
        except StoreError:
            return self._clock() + self._away_s
        except Exception:  # a fault of ours must not end the webhooks
            log.exception("a webhook stumbled", extra={"action": "webhook.fault"})
            return self._clock() + self._away_s

    def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(timeout=self._timeout, headers={"User-Agent": "hotline"})

    async def _round(self, session: aiohttp.ClientSession, hook: str) -> list[bool]:
        """Of each message that was due, whether it was taken."""
        due = await self._records.due_webhooks(hook, self._clock())
        gate = asyncio.Semaphore(AT_ONCE)

        async def send(one: Due) -> bool:
            async with gate:
                return await self._send(session, one)

        return list(await asyncio.gather(*(send(one) for one in due)))

    async def _send(self, session: aiohttp.ClientSession, one: Due) -> bool:
        hook = self._hooks[one.hook]
        body, id = await self._records.webhook_body(one), id_of(one.ticket, one.seq, one.step)
        if body is None:  # taken out of the database by hand: there is nothing to tell
            await self._records.webhook_sent(one)
            return False
        why = await self._post(session, hook, body, headers_of(hook, id, self._clock(), body))
        if not why:
            self.figures.sent += 1
            await self._records.webhook_sent(one)
            if one.hook in self._down:
                self._down.discard(one.hook)
                log.info("webhook %s takes messages again", one.hook, extra={"action": "webhook.up"})
            return True
        self.figures.failed += 1
        due_at = next_try(one.tries + 1, self._clock())
        await self._records.webhook_failed(one, due_at)
        if one.hook not in self._down:
            self._down.add(one.hook)
            log.warning("webhook %s takes no messages: %s", one.hook, why, extra={"action": "webhook.down"})
        if due_at is None:
            self.figures.given_up += 1
            log.error("a message to webhook %s was given up", one.hook, extra={"action": "webhook.given_up"})
        return False

    async def _post(self, session: aiohttp.ClientSession, hook: Hook, body: bytes, headers: dict[str, str]) -> str:
        """Why it was not taken; empty when it was (a status of 200 to 299; who redirects has not taken it)."""
        try:
            async with session.post(hook.url, data=body, headers=headers, allow_redirects=False) as answer:
                return "" if 200 <= answer.status < 300 else f"status {answer.status}"
        except TimeoutError:
            return "no answer in time"
        except (aiohttp.ClientError, OSError) as error:
            return type(error).__name__
