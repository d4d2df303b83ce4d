"""The door to Asterisk: logs in, keeps the callers' heartbeat, turns AMI messages into events and commands
into actions.

What happens after each login, in this order (`asterisk.md` 11.1): heartbeat first, because it keeps the
callers in place; filters; events on, and from here on buffered; older sessions of our own user are ended;
then the snapshot (channels, agents' marks, phones), which becomes one `ExchangeConnected`; then the buffered
events; then life.

A connection that is lost, or an own standstill longer than callers wait for a heartbeat, ends in a new login
and a new snapshot. Nothing is ever sent again: what became of a command is seen in the snapshot.

Clock: ``time.time()`` for the heartbeat and missing timestamps; a clock that also runs while this process is
stopped for the standstill rule (`asterisk.md` 10.2.6).
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace

from pbx import ami_login as login
from pbx import commands as order
from pbx import events as event
from pbx.ami_link import AmiCounters, AmiError, Link, NotAsterisk, log_failure
from pbx.ami_login import LoginRefused
from pbx.ami_orders import LATE_S, Orders
from pbx.ids import AgentId
from pbx.outbox import NOT_CONNECTED, STALLED
from pbx.spy_notes import HEARD
from pbx.supervision import SpyStopped
from pbx.translate import (
    GONE,
    Action,
    DialledCode,
    Phones,
    Untranslatable,
    dialled_code,
    set_variable,
    translate,
)
from pbx.wire import MAX_MESSAGE, Message

__all__ = ["AmiCounters", "AmiDoor", "AmiError", "AmiLimits", "LoginRefused", "NotAsterisk", "Superseded"]

log = logging.getLogger(__name__)

HEARTBEAT = "HB"  #: global variable: epoch seconds of the last beat; read by every waiting caller
OWNER = "CTL_OWNER"  #: global variable: the living controller's own token
NOTE_S = 3.0
"""So long after a call's end its note in Asterisk's database is kept: who dies now may not have stored the end."""
HEAR_OUT_S = 0.05
"""After a standstill: so long is listened to what was said meanwhile, before all is learnt anew."""
STOOD_STILL = "this process stood still longer than callers wait for its heartbeat"
Connector = Callable[[Callable[[], asyncio.Protocol]], Awaitable[tuple[asyncio.BaseTransport, asyncio.Protocol]]]


class Superseded(AmiError):
    """Another controller has taken over; this one must end and may command nothing any more."""


@dataclass(frozen=True, slots=True)
class AmiLimits:
    """Every limit of the door, in seconds unless said otherwise."""

    connect_s: float = 3.0  #: TCP connect and banner
    answer_s: float = 3.0  #: an answer to any action; a heartbeat without one means a half-open connection
    beat_s: float = 1.0  #: between two heartbeats
    stall_s: float = 5.0  #: own standstill after which callers may have left for the safety net: HBMAX of the dialplan
    step_s: float = 1.5  #: from a step's write to its `StepStarted` (`asterisk.md` 11.1)
    boot_s: float = 60.0  #: from login to Asterisk's FullyBooted
    backoff_first_s: float = 0.1
    backoff_max_s: float = 2.0
    max_message: int = MAX_MESSAGE  #: bytes
    max_buffered: int = 100_000  #: events held back during the snapshot


def _boottime() -> float:
    """Monotonic seconds that count on while the process is stopped or the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class AmiDoor:
    """The one connection to the exchange. `run` it as a task; `perform` commands; events arrive in `inbox`."""

    def __init__(
        self,
        host: str,
        port: int,
        user: str,
        secret: str,
        inbox: Callable[[event.Event], None],
        *,
        spool: str,
        agents: Collection[str] = (),
        phones: Collection[str] | None = None,
        codes: Callable[[DialledCode], None] = lambda dialled: None,
        limits: AmiLimits | None = None,
        connector: Connector | None = None,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = _boottime,
    ) -> None:
        """`inbox` is called synchronously and must not wait. `spool`: Asterisk's spool directory. `agents`:
        whose marks are read. `phones`: at which they sit (None = at those of their own numbers).
        `codes` takes what phones dial, as synchronously as `inbox`. `connector` replaces TCP (tests)."""
        self.counters = AmiCounters()
        self.version = ""
        self._host, self._port, self._user, self._secret = host, port, user, secret
        self._inbox = inbox
        self._codes = codes
        self._agents = frozenset(AgentId(agent) for agent in agents)
        self._limits = limits or AmiLimits()
        self._connector = connector
        self._wall, self._monotonic = wall, monotonic
        self._token = secrets.token_hex(8)
        self._serial = 0
        self._link: Link | None = None
        self._connected = False
        self._was_connected = False
        self._booted = False
        self._buffer: list[Message] | None = None
        self._ready = asyncio.Event()
        self._failure: AmiError | None = None
        self._said = ""
        self._last_beat = 0.0
        self._logged_in = 0.0
        self._noted: deque[tuple[float, str, str]] = deque()
        """When we heard of a channel's end; the family and the key of its note, which is to be erased."""
        self._stalled = False
        self._beat_sent = 0.0
        self._beat_open = False
        self._beat_timer: asyncio.TimerHandle | None = None
        self._phones = Phones(self._agents if phones is None else frozenset(AgentId(phone) for phone in phones))
        self._orders = Orders(
            self._give,
            self._blocked,
            self.counters,
            spool=spool,
            step_s=self._limits.step_s,
            wall=wall,
        )

    # ------------------------------------------------------------ the connection's life

    @property
    def connected(self) -> bool:
        """Whether commands can be given: True from `ExchangeConnected` to `ExchangeLost`."""
        return self._connected

    async def run(self) -> None:
        """Keep the connection until cancelled. Raises `LoginRefused` (first login), `NotAsterisk`,
        `Superseded`.
        """
        pause = self._limits.backoff_first_s
        try:
            while True:
                why = await self._try()
                if self._failure is not None:
                    raise self._failure
                if self._was_connected and why is None:
                    pause = self._limits.backoff_first_s
                await asyncio.sleep(pause)
                pause = min(pause * 2, self._limits.backoff_max_s)
        finally:
            self._ready.set()

    async def _try(self) -> str | None:
        """One connection from its beginning to its end; None if it had come to life, else why it had not."""
        lived = False
        try:
            link = await self._connect()
            try:
                await self._establish(link)
                lived = True
                why = await link.ended
                self._say(logging.WARNING, f"connection to the exchange lost: {why}", "ami.lost")
            finally:
                self._down()
                await link.close()
        except (LoginRefused, NotAsterisk, Superseded) as error:
            if isinstance(error, Superseded) or not self._was_connected:
                self._failure = error
            self._say(logging.ERROR, str(error), "ami.refused")
        except (OSError, TimeoutError, AmiError) as error:
            # Our own words; an OSError names address and port, no caller.
            text = str(error) or "no answer in time"
            self._say(logging.WARNING, f"no exchange: {text}", "ami.unreachable")
        return None if lived else "not connected"

    def _say(self, level: int, text: str, action: str) -> None:
        """Log a change of the connection's fate; the same words again (each try while it is away) only at
        debug.
        """
        log.log(level if text != self._said else logging.DEBUG, "%s", text, extra={"action": action})
        self._said = text

    async def wait_ready(self, timeout_s: float) -> bool:
        """True once the exchange is there, False after `timeout_s`; raises what `run` raises."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._ready.wait()
        except TimeoutError:
            return False
        if self._failure is not None:
            raise self._failure
        return self._connected

    async def drain(self, timeout_s: float) -> bool:
        """Wait until no step waits for its confirmation; False if some still does after `timeout_s`."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        while self._orders.busy and self._connected:
            if asyncio.get_running_loop().time() >= deadline:
                return False
            await asyncio.sleep(0.01)
        return True

    async def _connect(self) -> Link:
        limits = self._limits
        self._serial += 1
        prefix = f"{self._token[:6]}-{self._serial}"

        def make() -> Link:
            return Link(
                self._on_message,
                self.counters,
                prefix=prefix,
                answer_s=limits.answer_s,
                max_message=limits.max_message,
            )

        async with asyncio.timeout(limits.connect_s):
            if self._connector is not None:
                _, link = await self._connector(make)
            else:
                loop = asyncio.get_running_loop()
                _, link = await loop.create_connection(make, self._host, self._port)
        assert isinstance(link, Link)  # noqa: S101 - what make() made
        return link

    # ------------------------------------------------------------ login, snapshot

    async def _establish(self, link: Link) -> None:
        self._link, self._booted, self._buffer = link, False, []
        self._logged_in = self._monotonic()
        self._stalled = False
        where = f"{self._host}:{self._port}"
        self.version = await login.greet(link, where, self._limits.connect_s)
        await login.log_in(link, where, self._user, self._secret)
        self._start_beating()
        beat = set_variable("", HEARTBEAT, self._beat_value())
        _, owner = await link.request([beat, Action("Getvar", (("Variable", OWNER),))])
        if self._was_connected and owner.get("Value") not in ("", self._token):
            raise Superseded("Another controller has taken over this Asterisk; this one commands no more and ends.")
        await link.request([set_variable("", OWNER, self._token)])
        await login.subscribe(link)
        await login.end_older_sessions(link, self._user)
        if not self._booted:
            boot = Action("Command", (("Command", "core waitfullybooted"),))
            await link.request([boot], self._limits.boot_s)
        await self._resync(link)

    async def _resync(self, link: Link) -> None:
        """Give the snapshot and then what came meanwhile; after the snapshot is read nothing here awaits."""
        snapshot = await login.take_snapshot(link, self._agents, self._phones, self._wall)
        if link.ended.done():
            raise AmiError("the connection to the exchange is gone")
        buffered, self._buffer = self._buffer or [], None
        self._orders.adopt(link, snapshot)
        self._connected = self._was_connected = True
        self._beat_open = False
        self.counters.connects += 1
        channels = snapshot.event.channels
        self._say(logging.INFO, f"exchange connected, {len(channels)} channels", "ami.connected")
        self._give(snapshot.event)
        known = {live.call for live in channels if live.role is event.Role.CALLER and live.mark}
        for message in buffered:
            # The arrival of a call whose mark is in the snapshot is told already; told again it would start
            # anew.
            if message.get("UserEvent") == "CallStart" and message.get("CallId") in known:
                continue
            self._on_live_message(message)
        self._ready.set()
        await login.forget_gone(link, snapshot.event)

    def _down(self) -> None:
        """The connection is over: forget what was only true on it, and say so once."""
        self._link, self._buffer = None, None
        self._noted.clear()  # the next snapshot reads and erases what is left
        self._ready.clear()
        self._orders.drop()
        if self._beat_timer is not None:
            self._beat_timer.cancel()
            self._beat_timer = None
        if self._connected:
            self._connected = False
            self.counters.losses += 1
            self._give(event.ExchangeLost(self._wall()))

    # ------------------------------------------------------------ heartbeat

    def _beat_value(self) -> str:
        return str(int(self._wall()))

    def _start_beating(self) -> None:
        self._last_beat = self._monotonic()
        self._beat_open = False
        self._beat_timer = asyncio.get_running_loop().call_later(self._limits.beat_s, self._beat)

    def _beat(self) -> None:
        """Write the heartbeat. Its demanded answer is also the ping that finds a half-open connection."""
        link = self._link
        if link is None or self._resync_if_stalled():
            return
        now = self._monotonic()
        self._last_beat = now
        waiting = self._connected and self._beat_open  # while it boots, Asterisk answers nothing
        if waiting and now - self._beat_sent >= self._limits.answer_s:
            self.counters.timeouts += 1
            link.abort("half-open: no answer to the heartbeat")
            return
        link.expire()
        if not self._beat_open:
            self._beat_sent, self._beat_open = now, True
        link.send([set_variable("", HEARTBEAT, self._beat_value())], self._beat_answered)
        self._erase_notes(link, now)
        self._beat_timer = asyncio.get_running_loop().call_later(self._limits.beat_s, self._beat)

    def _erase_notes(self, link: Link, now: float) -> None:
        """Erase the dialplan's notes of channels whose end we have seen, once the store has had the time to keep it."""
        old: list[Action] = []
        while self._noted and now - self._noted[0][0] > NOTE_S:
            _, family, key = self._noted.popleft()
            old.append(Action("DBDel", (("Family", family), ("Key", key))))
        if old:
            link.send(old)

    def _beat_answered(self, _: Action, answer: Message | None) -> None:
        if answer is not None and self._beat_open:
            self._beat_open = False
            self.counters.beat_rtt_s = self._monotonic() - self._beat_sent

    def _resync_if_stalled(self) -> bool:
        """Whether this process stood still so long that callers may have left it: then everything is learnt
        anew.
        """
        if self._link is None or self._monotonic() - self._last_beat <= self._limits.stall_s:
            return False
        if self._link.aborted:
            return True
        if not self._stalled:
            self._stalled = True
            self.counters.stalls += 1
            # What Asterisk said meanwhile lies in the socket: it is still heard, though nothing is commanded any more.
            asyncio.get_running_loop().call_later(HEAR_OUT_S, self._link.abort, STOOD_STILL)
        return True

    # ------------------------------------------------------------ events

    def _on_message(self, message: Message) -> None:
        if message.event == "FullyBooted":
            if self._connected and self._link is not None and self._is_news(message):
                self._link.abort("the exchange has started anew")
            self._booted = True
        elif self._buffer is None:
            self._on_live_message(message)
        elif len(self._buffer) < self._limits.max_buffered:
            self._buffer.append(message)
        elif self._link is not None:
            self._link.abort("more events during the snapshot than can be held")

    def _is_news(self, booted: Message) -> bool:
        """Whether ``FullyBooted`` tells of a start after our login; one of before may come late, or twice."""
        uptime = booted.get("Uptime")
        return not uptime.isdecimal() or int(uptime) + 1 < self._monotonic() - self._logged_in

    def _on_live_message(self, message: Message) -> None:
        now = self._wall()
        try:
            if message.event == "OriginateResponse":
                self._orders.originate_answered(message, now)
                return
            if (dialled := dialled_code(message, now)) is not None:
                self._code_dialled(dialled)
                return
            found = self._phones.told(message, now) or translate(message, now)
        except Untranslatable as error:
            self.counters.garbage += 1
            log.warning("%s", error, extra={"action": "ami.garbage"})
            return
        if found is None:
            self.counters.ignored += 1
            return
        self.counters.events += 1
        lag = max(0.0, now - found.at)
        self.counters.lag_last_s = lag
        self.counters.lag_max_s = max(self.counters.lag_max_s, lag)
        if lag > LATE_S:
            self._orders.events_are_late()
        self._orders.follow(found, message.get("Uniqueid"))
        if isinstance(found, event.CallEnded):
            self._noted.append((self._monotonic(), GONE, found.call))
        elif isinstance(found, SpyStopped):
            self._noted.append((self._monotonic(), HEARD, found.spy))

    def _code_dialled(self, dialled: DialledCode) -> None:
        """Hand a code on. A PIN is fetched from the phone's channel, so that no event, log or record ever holds it."""
        self.counters.events += 1
        if dialled.code is not event.PhoneCode.SIGN_IN or self._link is None:
            self._codes(dialled)
            return

        def answered(_: Action, answer: Message | None) -> None:
            # Else the connection is gone, and the phone is told so by the dialplan; or the phone has hung up.
            if answer is not None and not answer.failed:
                self._codes(replace(dialled, pin=answer.get("Value")))

        where = (("Channel", dialled.channel), ("Variable", "CODEPIN"))
        self._link.send([Action("Getvar", where)], answered)

    def _give(self, found: event.Event) -> None:
        try:
            self._inbox(found)
        except Exception as error:
            self.counters.handler_errors += 1
            log_failure(f"inbox for {type(found).__name__}", error)

    # ------------------------------------------------------------ commands

    def perform(self, command: order.ExchangeCommand) -> None:
        """Carry the command out. Never waits and never raises: what becomes of it comes back as an event."""
        self._orders.perform(command)

    def _blocked(self) -> str:
        """Why nothing may be commanded now, or ``""``."""
        if not self._connected or self._link is None:
            return NOT_CONNECTED
        if self._resync_if_stalled():
            return STALLED
        return NOT_CONNECTED if self._link.aborted else ""

    # ------------------------------------------------------------ for tools and tests

    def _standing(self) -> Link:
        if self._link is None:
            raise AmiError("there is no connection to the exchange")
        return self._link

    async def action(self, name: str, headers: Collection[tuple[str, str]] = ()) -> Message:
        """Perform any action and return its answer. Raises `AmiError`, `TimeoutError`, `WireError`."""
        return (await self._standing().request([Action(name, tuple(headers))]))[0]

    async def listing(self, name: str, headers: Collection[tuple[str, str]] = ()) -> list[Message]:
        """The rows of a list action. Raises like `action`."""
        return await self._standing().listing(Action(name, tuple(headers)))

    async def command(self, text: str) -> list[str]:
        """The output lines of a command of Asterisk's command line. Raises like `action`."""
        return await login.command_line(self._standing(), text)
