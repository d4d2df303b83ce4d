"""Agents' PINs: hashes in one file of mode 0600, checked beside the loop, and locked after too many wrong tries.

A PIN travels from the phone's channel to `SignInDesk` and no further: the event that the switchboard (and so the
journal) gets says only whether it was right. Wrong tries and locks outlive the controller, in a file beside the hashes.
The hash is scrypt (RFC 7914) of the standard library; a check costs some 50 ms and 16 MB, so checks run one at a time
in a thread, and a locked agent or phone costs nothing.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import logging
import os
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from pbx.events import CodeDialled, Event, PhoneCode, PinVerdict
from pbx.ids import AgentId
from pbx.translate import DialledCode

log = logging.getLogger(__name__)

COST, BLOCK, PARALLEL = 2**14, 8, 1
"""scrypt's N, r and p: the values of RFC 7914 section 2 and of its author for interactive use."""

PINS = "pins.json"
"""The file's name in the data folder."""

TRIES = "pin-tries.json"
"""The file of the wrong tries, beside it: numbers of phones and agents, no PIN."""

SHORTEST, LONGEST = 4, 12
"""Digits of a PIN."""

WAITING_MAX = 16
"""So many checks may wait; who comes then is told to try later, as if he were locked."""


class BadPin(ValueError):
    """A PIN that may not be set; the text says why and never repeats it."""


def accepted(agent: AgentId, pin: str) -> str:
    """The PIN, if it may be set. Raises `BadPin`."""
    if not (pin.isascii() and pin.isdecimal() and SHORTEST <= len(pin) <= LONGEST):
        raise BadPin(f"a PIN has {SHORTEST} to {LONGEST} digits and nothing else")
    if pin == agent or len(set(pin)) == 1 or pin in "01234567890" or pin in "09876543210":
        raise BadPin("that PIN is guessed at once: not the agent's number, one digit repeated, or a row of digits")
    return pin


def hashed(pin: str, salt: bytes | None = None) -> str:
    """A PIN's hash with its salt, as it is stored."""
    salt = salt if salt is not None else secrets.token_bytes(16)
    key = hashlib.scrypt(pin.encode(), salt=salt, n=COST, r=BLOCK, p=PARALLEL, dklen=32)
    return "$".join(("scrypt", base64.b64encode(salt).decode(), base64.b64encode(key).decode()))


def matches(pin: str, stored: str) -> bool:
    """Whether a PIN is the one that was hashed; False for a stored text that is no hash of ours."""
    kind, _, rest = stored.partition("$")
    salt, _, _ = rest.partition("$")
    try:
        raw = base64.b64decode(salt, validate=True)
    except ValueError:
        return False
    return kind == "scrypt" and hmac.compare_digest(hashed(pin, raw), stored)


class PinFile:
    """The hashes by agent, in a JSON file that only its owner may read."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def read(self) -> dict[str, str]:
        """The hashes; empty when there is no file. Raises OSError, and ValueError for a file that is none of ours."""
        try:
            found = json.loads(self.file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
            raise ValueError(f"{self.file} is no file of PINs")
        return found

    def put(self, agent: AgentId, pin: str | None) -> None:
        """Set an agent's PIN, or take it away. Raises `BadPin`, OSError, ValueError."""
        hashes = self.read()
        if pin is None:
            hashes.pop(agent, None)
        else:
            hashes[agent] = hashed(accepted(agent, pin))
        _replace(self.file, hashes)


@dataclass(frozen=True, slots=True)
class PinRules:
    """`tries` wrong PINs in a row, for one agent or at one phone, lock him or it for `lock_s` seconds."""

    tries: int = 5
    lock_s: float = 900.0


class Throttle:
    """Counts wrong tries; a right one forgives. Pure; time is a parameter."""

    def __init__(self, rules: PinRules) -> None:
        self._rules = rules
        self._wrong: dict[str, int] = {}
        self._until: dict[str, float] = {}

    def kept(self) -> dict[str, dict[str, float]]:
        """What must be known after a restart: the wrong tries so far, and until when is locked."""
        return {"wrong": dict(self._wrong), "until": dict(self._until)}

    def restore(self, kept: Mapping[str, Mapping[str, float]], now: float) -> None:
        """Go on from what was `kept`. No lock is longer than the rules' from now on: the clock may have been set back.

        Raises ValueError for something that `kept` did not make.
        """
        try:
            wrong = {str(key): int(count) for key, count in kept["wrong"].items()}
            until = {str(key): min(float(at), now + self._rules.lock_s) for key, at in kept["until"].items()}
        except (AttributeError, KeyError, TypeError):
            raise ValueError("these are no wrong tries") from None
        self._wrong, self._until = wrong, {key: at for key, at in until.items() if at > now}

    def locked(self, key: str, now: float) -> bool:
        """Whether this agent or phone is locked at `now`."""
        return now < self._until.get(key, now)

    def wrong(self, key: str, now: float) -> bool:
        """Count a wrong try; whether it was one too many."""
        if now >= self._until.get(key, now):
            self._until.pop(key, None)
        self._wrong[key] = self._wrong.get(key, 0) + 1
        if self._wrong[key] < self._rules.tries:
            return False
        del self._wrong[key]
        self._until[key] = now + self._rules.lock_s
        return True

    def right(self, key: str) -> None:
        """A right PIN: the tries before it are forgotten."""
        self._wrong.pop(key, None)


class TryFile:
    """The wrong tries and locks, in a JSON file that only its owner may read: a restart opens no lock.

    It is written before anybody is told that his PIN was wrong, so that no try is forgotten that its maker knows of.
    """

    def __init__(self, file: Path) -> None:
        self.file = file

    def load(self, throttle: Throttle, now: float) -> None:
        """Let the throttle go on from the file. One that cannot be read counts as empty, and is an error in the log."""
        try:
            throttle.restore(json.loads(self.file.read_text(encoding="utf-8")), now)
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            action = {"action": "agent.pin_tries_unreadable"}
            log.error("the wrong PINs of before cannot be read: %s", type(error).__name__, extra=action)

    def keep(self, throttle: Throttle) -> None:
        """Write the throttle's state. A disk that refuses is an error in the log: this process still knows it."""
        try:
            _replace(self.file, throttle.kept())
        except OSError as error:
            action = {"action": "agent.pin_tries_unwritten"}
            log.error("a wrong PIN cannot be kept for after a restart: %s", error.strerror, extra=action)


def _replace(file: Path, content: object) -> None:
    """Put a file of mode 0600 in the place of the one before; durable when it returns. Raises OSError."""
    part = file.with_name(f".{file.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        json.dump(content, out, indent=1, sort_keys=True)
        out.flush()
        os.fsync(out.fileno())
    part.replace(file)


class SignInDesk:
    """Takes the codes that phones dial, checks the PIN where one belongs to it, and posts `CodeDialled`."""

    def __init__(
        self,
        pins: PinFile,
        agents: Collection[AgentId],
        post: Callable[[Event], None],
        clock: Callable[[], float],
        rules: PinRules | None = None,
    ) -> None:
        """`agents`: a number that is none of theirs is not passed on: it might be a PIN, typed too early."""
        self._pins, self._agents, self._post, self._clock = pins, agents, post, clock
        self._throttle = Throttle(rules or PinRules())
        self._tries = TryFile(pins.file.with_name(TRIES))
        self._tries.load(self._throttle, clock())
        self._one_at_a_time = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, dialled: DialledCode) -> None:
        """A phone has dialled a code. Never waits; the event follows when the PIN has been checked."""
        if dialled.code is not PhoneCode.SIGN_IN:
            self._tell(dialled, PinVerdict.NONE)
        elif len(self._tasks) >= WAITING_MAX:
            self._tell(dialled, PinVerdict.LOCKED)
        else:
            task = asyncio.get_running_loop().create_task(self._check(dialled), name="pin check")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Give up the checks that are under way."""
        for task in list(self._tasks):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _check(self, dialled: DialledCode) -> None:
        async with self._one_at_a_time:
            verdict = await self._verdict(dialled)
        self._tell(dialled, verdict)

    async def _verdict(self, dialled: DialledCode) -> PinVerdict:
        keys = [f"phone {dialled.phone}"]
        if dialled.agent in self._agents:
            keys.append(f"agent {dialled.agent}")
        if any(self._throttle.locked(key, self._clock()) for key in keys):
            return PinVerdict.LOCKED
        before = self._throttle.kept()
        if await asyncio.to_thread(self._right, dialled):
            for key in keys:
                self._throttle.right(key)
            if self._throttle.kept() != before:
                await asyncio.to_thread(self._tries.keep, self._throttle)
            return PinVerdict.RIGHT
        locked = any([self._throttle.wrong(key, self._clock()) for key in keys])
        await asyncio.to_thread(self._tries.keep, self._throttle)
        if locked:
            log.warning("phone %s: too many wrong PINs", dialled.phone, extra={"action": "agent.pin_locked"})
            return PinVerdict.LOCKED
        return PinVerdict.WRONG

    def _right(self, dialled: DialledCode) -> bool:
        """Whether the PIN is that agent's. An unknown agent costs as much time as a known one."""
        try:
            hashes = self._pins.read()
        except (OSError, ValueError) as error:
            log.error("PINs cannot be read: %s", type(error).__name__, extra={"action": "agent.pins_unreadable"})
            return False
        stored = hashes.get(dialled.agent, "") if dialled.agent in self._agents else ""
        found = matches(dialled.pin, stored or _NOBODYS)
        return found and bool(stored)

    def _tell(self, dialled: DialledCode, verdict: PinVerdict) -> None:
        agent = AgentId(dialled.agent) if dialled.agent in self._agents else None
        self._post(CodeDialled(dialled.phone, dialled.channel, dialled.code, agent, dialled.digit, verdict, dialled.at))


_NOBODYS = "scrypt$AAAAAAAAAAAAAAAAAAAAAA==$"
"""A hash that no PIN has."""
