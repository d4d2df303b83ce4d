"""Sends what is to be told of alerts: mail over SMTP, and webhooks signed as those of tickets are.

One task for each receiver and way, so that a mail server that is away delays no webhook and nothing else: SMTP speaks
in a thread of its own. It waits for a commit that put something out, or for the next try; tries are bounded
(`BACK_OFF_S`), since an alert of yesterday helps nobody. No log names an address.
"""

from __future__ import annotations

import asyncio
import logging
import smtplib
import ssl
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from zoneinfo import ZoneInfo

import aiohttp

from controller import alert_rows as rows
from controller.alert_rows import Message
from controller.alert_words import body, mail
from controller.config_alerts import MAIL, MailSection, Receiver
from controller.database import StoreError
from controller.webhooks import TIMEOUT_S
from controller.writer import Store
from metrics.alerts import Alert, Rule
from metrics.live import Group
from tickets.webhook import Hook, headers_of

log = logging.getLogger(__name__)

BACK_OFF_S = (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0)
"""Until the next try, after so many failed ones; then given up, an hour and three quarters after the first."""

AWAY_S = 5.0
LONGEST_WAIT_S = 3600.0


@dataclass(frozen=True, slots=True)
class Words:
    """What the sender needs to word a message: the line of an alert, its city, its rule."""

    said: Callable[[Alert], tuple[str, str]]
    city: Callable[[Group], str]
    rules: Mapping[str, Rule]
    zone: ZoneInfo


@dataclass
class SendFigures:
    """Since the start."""

    sent: int = 0
    failed: int = 0
    given_up: int = 0


def send_mail(section: MailSection, password: str, message: EmailMessage) -> None:
    """Hand a mail to the server. Blocks for `timeout_s` at most with each step; OSError, smtplib.SMTPException."""
    if section.tls == "tls":
        context = ssl.create_default_context()
        server: smtplib.SMTP = smtplib.SMTP_SSL(section.host, section.port, timeout=section.timeout_s, context=context)
    else:
        server = smtplib.SMTP(section.host, section.port, timeout=section.timeout_s)
    with server:
        if section.tls == "starttls":
            server.starttls(context=ssl.create_default_context())
        if section.user:
            server.login(section.user, password)
        server.send_message(message)


class AlertSender:
    """For the loop: `run` until cancelled."""

    def __init__(
        self,
        receivers: Mapping[str, Receiver],
        hooks: Mapping[str, Hook],
        mail_section: MailSection | None,
        password: str,
        store: Store,
        words: Words,
        clock: Callable[[], float],
        *,
        away_s: float = AWAY_S,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._receivers, self._hooks, self._store, self._words = receivers, hooks, store, words
        self._mail, self._password, self._clock, self._away_s = mail_section, password, clock, away_s
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="alert-mail")
        self._down: set[tuple[str, str]] = set()
        self.figures = SendFigures()

    async def run(self) -> None:
        """Send until cancelled; an outage of the store or of a receiver only makes it wait."""
        ways = [(one.id, way) for one in self._receivers.values() for way in one.ways]
        with suppress(StoreError):
            await self._store.submit(rows.FORGET, ways)
        try:
            async with self._session() as session, asyncio.TaskGroup() as group:
                for receiver, way in ways:
                    group.create_task(self._serve(session, receiver, way), name=f"alerts-{receiver}-{way}")
        finally:
            self.close()

    async def round(self) -> None:
        """Send what is due now, once each."""
        async with self._session() as session:
            for one in self._receivers.values():
                for way in one.ways:
                    await self._send_due(session, one.id, way)

    def close(self) -> None:
        """Wait for no mail any more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(timeout=self._timeout, headers={"User-Agent": "hotline"})

    async def _serve(self, session: aiohttp.ClientSession, receiver: str, way: str) -> None:
        news = asyncio.Event()
        end = self._store.listen(news.set)
        try:
            while True:
                news.clear()
                until = await self._send_due(session, receiver, way)
                left = LONGEST_WAIT_S if until is None else min(max(0.0, until - self._clock()), LONGEST_WAIT_S)
                with suppress(TimeoutError):
                    async with asyncio.timeout(left):
                        await news.wait()
        finally:
            end()

    async def _send_due(self, session: aiohttp.ClientSession, receiver: str, way: str) -> float | None:
        """Send what is due; when something is to be sent next, None = nothing waits."""
        try:
            while messages := await self._store.read(rows.due, receiver, way, self._clock()):
                for message in messages:
                    await self._send(session, message)
            return await self._store.read(rows.next_due, receiver, way)
        except StoreError:
            return self._clock() + self._away_s
        except Exception:  # a fault of ours must not end the sending
            log.exception("an alert could not be sent", extra={"action": "alerts.fault"})
            return self._clock() + self._away_s

    async def _send(self, session: aiohttp.ClientSession, message: Message) -> None:
        key = message.receiver, message.way
        why = await (self._by_mail(message) if message.way == MAIL else self._by_webhook(session, message))
        if not why:
            self.figures.sent += 1
            await self._store.submit(rows.SENT, message)
            if key in self._down:
                self._down.discard(key)
                log.info("%s takes alerts by %s again", *key, extra={"action": "alerts.up"})
            return
        self.figures.failed += 1
        later = message.tries < len(BACK_OFF_S)
        due_at = self._clock() + BACK_OFF_S[message.tries] if later else None
        await self._store.submit(rows.FAILED, (message, due_at))
        if key not in self._down:
            self._down.add(key)
            log.warning("%s takes no alerts by %s: %s", *key, why, extra={"action": "alerts.down"})
        if due_at is None:
            self.figures.given_up += 1
            log.error("an alert to %s by %s was given up", *key, extra={"action": "alerts.given_up"})

    async def _by_mail(self, message: Message) -> str:
        """Why it was not taken; empty when it was."""
        section = self._mail
        if section is None:
            return "no mail server is configured"
        receiver = self._receivers[message.receiver]
        said = self._words.said(message.alert)
        subject, text = mail(message.alert, message.change, message.at, said, receiver.language, self._words.zone)
        letter = EmailMessage()
        letter["From"], letter["To"], letter["Subject"] = section.sender, ", ".join(receiver.mail), subject
        letter["Date"] = format_datetime(datetime.fromtimestamp(message.at, UTC))
        letter["Message-ID"] = f"<{message.id}.{message.receiver}@{section.sender.partition('@')[2]}>"  # at every try
        letter["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody answers it by himself
        letter.set_content(text)
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._thread, send_mail, section, self._password, letter)
        except smtplib.SMTPException as error:
            return type(error).__name__
        except OSError as error:
            return error.strerror or type(error).__name__
        return ""

    async def _by_webhook(self, session: aiohttp.ClientSession, message: Message) -> str:
        hook = self._hooks.get(self._receivers[message.receiver].webhook)
        if hook is None:
            return "there is no such webhook"
        rule = self._words.rules.get(message.alert.rule)
        city, said = self._words.city(message.alert.group), self._words.said(message.alert)
        text = body(message.alert, message.change, message.at, city, rule, said)
        headers = headers_of(hook, message.id, self._clock(), text)
        try:
            async with session.post(hook.url, data=text, headers=headers, allow_redirects=False) as answer:
                return "" if 200 <= answer.status < 300 else f"status {answer.status}"
        except TimeoutError:
            return "no answer in time"
        except (aiohttp.ClientError, OSError) as error:
            return type(error).__name__
