"""One AMI connection: actions out, answers matched to them by ``ActionID``, everything else handed on.

It knows no hotline. Reading never awaits and never fails: a handler that raises is counted and logged, and
the line goes on (panoramisk's handler closes the connection: `models.md` 9.1). Every action has a time limit,
and none is ever sent again on another connection: a doubled ``Originate`` rings a phone twice (`asterisk.md`
0.4).
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pbx.translate import Action
from pbx.wire import MAX_MESSAGE, Message, Wire, encode

log = logging.getLogger(__name__)


class AmiError(Exception):
    """The exchange refused an action, or the connection is gone. The text holds no caller data."""


class NotAsterisk(AmiError):
    """Something answers on the port, but it is no Asterisk manager."""


@dataclass(slots=True)
class AmiCounters:
    """What the metrics read. Counts since the door was made; `lag_*` and `beat_rtt_s` are seconds."""

    connects: int = 0  #: times that the exchange was there, snapshot and all
    losses: int = 0  #: connections lost after that
    messages: int = 0  #: good messages received
    events: int = 0  #: of them, events that became a word of ours
    ignored: int = 0  #: events that are no word of ours
    garbage: int = 0  #: messages that were none, or had a value of the wrong kind; skipped
    damaged_text: int = 0  #: messages kept although some of their text was not UTF-8
    handler_errors: int = 0  #: events whose handler raised
    actions: int = 0  #: actions written
    action_errors: int = 0  #: of them, answered with an error
    timeouts: int = 0  #: of them, not answered in time
    late_answers: int = 0  #: answers to actions that nobody waited for any more
    step_lost: int = 0  #: step commands that the exchange did not confirm
    dropped: int = 0  #: other commands given while there was no exchange
    stalls: int = 0  #: times that this process stood still longer than callers wait for a heartbeat
    lag_last_s: float = 0.0  #: from the exchange's timestamp of the last event to its reading
    lag_max_s: float = 0.0
    beat_rtt_s: float = 0.0  #: last heartbeat, write to answer


def log_failure(what: str, error: Exception) -> None:
    """Log a mistake by its kind and its places: what it says may hold caller data and stays out of the log."""
    frames = traceback.extract_tb(error.__traceback__)
    places = " < ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in reversed(frames))
    log.error("%s failed: %s at %s", what, type(error).__name__, places, extra={"action": "ami.handler_error"})


@dataclass(slots=True)
class _Waiting:
    """An action without its answer. `rows` collects a list action's events."""

    answered: Callable[[Message | None], None]
    deadline: float
    rows: list[Message] | None = None
    opened: bool = False


def _unheard(_: Message | None) -> None:
    """Nobody waits for this answer."""


class Link(asyncio.Protocol):
    """One connection. `ended` is done when it is closed, with the reason as its result."""

    def __init__(
        self,
        on_event: Callable[[Message], None],
        counters: AmiCounters,
        *,
        prefix: str,
        answer_s: float,
        max_message: int = MAX_MESSAGE,
    ) -> None:
        """`on_event` gets every event that belongs to no list; `prefix` makes this connection's ActionIDs
        unique.
        """
        loop = asyncio.get_running_loop()
        self.wire = Wire(max_message)
        self.banner: asyncio.Future[str] = loop.create_future()
        self.ended: asyncio.Future[str] = loop.create_future()
        self._loop = loop
        self._on_event = on_event
        self._counters = counters
        self._prefix = prefix
        self._serial = 0
        self._answer_s = answer_s
        self._waiting: dict[str, _Waiting] = {}
        self._transport: asyncio.Transport | None = None
        self._why = "closed by the exchange"
        self.aborted = False  #: given up by us; nothing may be commanded on it any more

    # ------------------------------------------------------------ the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: the connection stands."""
        self._transport = transport  # type: ignore[assignment]  # create_connection gives a Transport

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: the connection is gone; whoever waits for an answer learns it now."""
        if not self.banner.done():
            self.banner.cancel()
        waiting, self._waiting = self._waiting, {}
        for one in waiting.values():
            self._answer(one, None)
        if not self.ended.done():
            self.ended.set_result(type(exc).__name__ if exc else self._why)

    def abort(self, why: str) -> None:
        """Give the connection up at once; `why` becomes the result of `ended`."""
        self._why = why
        self.aborted = True
        if self._transport is not None:
            self._transport.abort()

    async def close(self) -> None:
        """Close and wait until the socket is gone."""
        if self._transport is not None:
            self._transport.abort()
            await asyncio.wait([self.ended])

    def data_received(self, data: bytes) -> None:
        """asyncio: bytes came. Never awaits, never raises."""
        wire = self.wire
        before = wire.garbage, wire.damaged_text
        messages = wire.receive(data)
        counters = self._counters
        counters.messages += len(messages)
        counters.garbage += wire.garbage - before[0]
        counters.damaged_text += wire.damaged_text - before[1]
        if wire.banner is not None and not self.banner.done():
            self.banner.set_result(wire.banner)
        for message in messages:
            try:
                self._take(message)
            except Exception as error:
                counters.handler_errors += 1
                log_failure(f"handling of {message!r}", error)

    def _take(self, message: Message) -> None:
        waiting = self._waiting
        if message.event:
            if waiting and (one := waiting.get(message.action_id)) is not None and one.rows is not None:
                self._take_row(message, one)
            else:
                self._on_event(message)
            return
        one = waiting.get(message.action_id)
        if one is None:
            self._counters.late_answers += 1
            return
        if message.failed and one.rows is None:  # a list without rows is an error to Asterisk, not to us
            self._counters.action_errors += 1
        if one.rows is not None and not message.failed and not one.opened:
            one.opened = True
            return
        del waiting[message.action_id]
        self._answer(one, message)

    def _take_row(self, message: Message, one: _Waiting) -> None:
        if message.get("EventList") in ("Complete", "Cancelled"):
            del self._waiting[message.action_id]
            self._answer(one, message)
        elif one.rows is not None:
            one.rows.append(message)

    def _answer(self, one: _Waiting, message: Message | None) -> None:
        try:
            one.answered(message)
        except Exception as error:
            self._counters.handler_errors += 1
            log_failure("handling of an answer", error)

    # ------------------------------------------------------------ actions

    def _encode(self, action: Action, waiting: _Waiting, keys: list[str]) -> bytes:
        self._serial += 1
        key = f"{self._prefix}-{self._serial}"
        # ActionID stands first, so that even an answer to a line that Asterisk cannot read carries it.
        data = encode(action.name, (("ActionID", key), *action.headers))
        self._waiting[key] = waiting
        keys.append(key)
        return data

    def send(
        self,
        actions: Sequence[Action],
        answered: Callable[[Action, Message | None], None] | None = None,
        limit_s: float | None = None,
    ) -> list[str]:
        """Write `actions` in one piece and return their ids. `answered` is called for each with its answer,
        or with None when there was none within `limit_s` (default: the link's limit) or the connection ended.

        Raises `WireError` before anything is written if one of them cannot be encoded.
        """
        deadline = self._loop.time() + (limit_s or self._answer_s)
        keys: list[str] = []
        pieces = []
        try:
            for action in actions:
                done = _unheard if answered is None else partial(answered, action)
                pieces.append(self._encode(action, _Waiting(done, deadline), keys))
        except ValueError:
            self._forget(keys)
            raise
        self._write(b"".join(pieces), len(pieces))
        return keys

    def _forget(self, keys: Sequence[str]) -> None:
        for key in keys:
            self._waiting.pop(key, None)

    def _write(self, data: bytes, actions: int) -> None:
        self._counters.actions += actions
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    async def request(self, actions: Sequence[Action], limit_s: float | None = None) -> list[Message]:
        """Write `actions` in one piece and wait for all their answers, errors included, in order.

        Raises `AmiError` when the connection ends and `TimeoutError` after `limit_s` (default: the link's
        limit).
        """
        answers: list[Message] = []
        done: asyncio.Future[bool] = self._loop.create_future()

        def answered(_: Action, message: Message | None) -> None:
            if message is not None:
                answers.append(message)
            if not done.done() and (message is None or len(answers) == len(actions)):
                done.set_result(message is not None)

        if actions:
            self._must_stand()
            keys = self.send(actions, answered, limit_s)
            await self._wait(done, keys, limit_s)
        return answers

    async def listing(self, action: Action) -> list[Message]:
        """The rows of a list action; an error answer means none (``PJSIPShowContacts`` without contacts).

        Raises `AmiError` when the connection ends and `TimeoutError`.
        """
        self._must_stand()
        done: asyncio.Future[bool] = self._loop.create_future()
        keys: list[str] = []

        def answered(message: Message | None) -> None:
            if not done.done():
                done.set_result(message is not None)

        one = _Waiting(answered, self._loop.time() + self._answer_s, [])
        self._write(self._encode(action, one, keys), 1)
        await self._wait(done, keys, None)
        return one.rows or []

    def _must_stand(self) -> None:
        if self.ended.done():
            raise AmiError("the connection to the exchange is gone")

    async def _wait(self, done: asyncio.Future[bool], keys: Sequence[str], limit_s: float | None) -> None:
        try:
            async with asyncio.timeout(limit_s or self._answer_s):
                answered = await done
        except TimeoutError:
            self._counters.timeouts += 1
            self._forget(keys)
            raise
        if not answered:
            self._must_stand()
            raise TimeoutError

    def expire(self) -> int:
        """Give up the actions whose time is over; how many. Called with every heartbeat."""
        now = self._loop.time()
        over = [key for key, one in self._waiting.items() if one.deadline <= now]
        for key in over:
            self._answer(self._waiting.pop(key), None)
        self._counters.timeouts += len(over)
        return len(over)
