"""What the AMI door does on a new connection, step by step: greeting, login, filters, older sessions,
snapshot.

The order matters and stands in `pbx/ami.py`; the steps are measured in `asterisk.md` 8, 10.2.6 and 11.1.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from pbx.ami_link import AmiError, Link, NotAsterisk
from pbx.events import ExchangeConnected, LiveChannel, Role
from pbx.ids import AgentId, CallId
from pbx.spy_notes import HEARD, SPY_NOTES, spy_gone, spy_heard
from pbx.translate import (
    FILTERED,
    GONE,
    TALK_NOTES,
    WANTED,
    Action,
    Phones,
    answer_of,
    call_gone,
    live_channel,
    talk_seen,
)

log = logging.getLogger(__name__)


class LoginRefused(AmiError):
    """Asterisk does not accept the user or the secret. The text says what to do."""


async def greet(link: Link, where: str, limit_s: float) -> str:
    """Wait for the banner and return the manager's version. Raises `NotAsterisk`, `AmiError`, `TimeoutError`."""
    async with asyncio.timeout(limit_s):
        await asyncio.wait([link.banner, link.ended], return_when=asyncio.FIRST_COMPLETED)
    if not link.banner.done() or link.banner.cancelled():
        raise AmiError(f"{where} closed the connection before it said anything")
    banner = link.banner.result()
    if not banner.startswith("Asterisk Call Manager/"):
        raise NotAsterisk(f"{where} is no Asterisk manager; see ami_port in the configuration of the exchange.")
    return banner.rpartition("/")[2]


async def log_in(link: Link, where: str, user: str, secret: str) -> None:
    """Log in with events switched off, by challenge where Asterisk offers one. Raises `LoginRefused`,
    `AmiError`.
    """
    (challenge,) = await link.request([Action("Challenge", (("AuthType", "MD5"),))])
    proof: tuple[tuple[str, str], ...] = (("Secret", secret),)
    if word := challenge.get("Challenge"):
        # MD5 is AMI's own challenge; it keeps the secret off the wire and protects nothing else.
        key = hashlib.md5((word + secret).encode(), usedforsecurity=False).hexdigest()
        proof = (("AuthType", "MD5"), ("Key", key))
    (answer,) = await link.request([Action("Login", (("Username", user), *proof, ("Events", "off")))])
    if not answer.failed:
        return
    said = answer.get("Message")
    if "uthentication" in said or "ermission" in said:
        raise LoginRefused(
            f"Asterisk at {where} refuses the AMI user {user!r}: compare user, secret and permit= in manager.conf"
            " with the hotline's configuration, then run: asterisk -rx 'manager reload'"
        )
    raise AmiError(f"Asterisk does not take a login now: {said}")  # e.g. "Asterisk is shutting down"


async def subscribe(link: Link) -> None:
    """Ask for the wanted events only, then switch events on. Filters live in the session: anew at each login."""
    chosen = [_filter(name) for name in WANTED]
    answers = await link.request(chosen)
    if any(answer.failed for answer in answers):  # an older Asterisk: one regular expression instead
        text = f"Event: ({'|'.join(WANTED)})"
        await link.request([Action("Filter", (("Operation", "Add"), ("Filter", text)))])
    (answer,) = await link.request([Action("Events", (("EventMask", "system,call,user"),))])
    if answer.failed:
        raise AmiError("Asterisk does not give this AMI user any events; see read= in manager.conf")


def _filter(name: str) -> Action:
    """The filter that lets one event through, or those of it that are wanted."""
    more, text = FILTERED.get(name, ("", ""))
    headers = (("Operation", "Add"), ("MatchCriteria", f"action(include),name({name}){more}"))
    return Action("Filter", (*headers, ("Filter", text)) if text else headers)


async def command_line(link: Link, text: str) -> list[str]:
    """The output lines of a command of Asterisk's command line. Raises `AmiError`, `TimeoutError`."""
    (answer,) = await link.request([Action("Command", (("Command", text),))])
    return answer.all("Output")


async def end_older_sessions(link: Link, user: str) -> None:
    """End every session of our user that is listed before ours: a predecessor that hangs must not wake up."""
    lines = await command_line(link, "manager show connected")
    rows = [row for line in lines if len(row := line.split()) >= 8 and row[0] == user[:15]]
    older = [row[4] for row in rows[:-1] if row[4].isdecimal()]
    for descriptor in older:
        await command_line(link, f"manager kick session {descriptor}")
    if older:
        log.warning("ended %d older sessions of our own user", len(older), extra={"action": "ami.kick"})


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the exchange is doing, and which calls it is recording."""

    event: ExchangeConnected
    recorded: frozenset[CallId]


async def take_snapshot(link: Link, agents: Collection[AgentId], phones: Phones, wall: Callable[[], float]) -> Snapshot:
    """Channels in one request, then the agents' marks and the callers' recordings in one write, then the
    phones.
    """
    rows = await link.listing(Action("CoreShowChannels"))
    live = tuple(channel for row in rows if (channel := live_channel(row, phones.known)) is not None)
    callers = [channel for channel in live if channel.role is Role.CALLER]
    ids = sorted(agents)
    marks = [Action("Getvar", (("Variable", f"AG_{agent}"),)) for agent in ids]
    files = [Action("Getvar", (("Channel", caller.channel), ("Variable", "MIXMONITOR_FILENAME"))) for caller in callers]
    pauses = [Action("Getvar", (("Channel", caller.channel), ("Variable", "RECPAUSE"))) for caller in callers]
    values = [answer.get("Value") for answer in await link.request([*marks, *files, *pauses])]
    paused = dict(zip((caller.channel for caller in callers), values[len(ids) + len(files) :], strict=True))
    live = tuple(replace(row, paused=paused[row.channel]) if paused.get(row.channel) else row for row in live)
    live = await _notes(link, live)
    gone = tuple(one for row in await link.listing(_GONE) if (one := call_gone(row)) is not None)
    listened = tuple(spy for row in await link.listing(_HEARD) if (spy := spy_gone(row)) is not None)
    reachable = phones.snapshot(await link.listing(Action("PJSIPShowContacts")))
    found = tuple((agent, mark) for agent, mark in zip(ids, values, strict=False) if mark)
    recorded = (caller.call for caller, file in zip(callers, values[len(ids) :], strict=False) if file)
    return Snapshot(ExchangeConnected(live, reachable, found, wall(), gone, listened), frozenset(recorded))


_GONE = Action("DBGetTree", (("Family", GONE),))
_HEARD = Action("DBGetTree", (("Family", HEARD),))


async def _notes(link: Link, live: tuple[LiveChannel, ...]) -> tuple[LiveChannel, ...]:
    """What the dialplan noted on the channels of callers who have answered a question or have talked, and of
    supervisors who listen.
    """
    wanted = [(row, names) for row in live if (names := _noted_on(row))]
    reads = [
        Action("Getvar", (("Channel", row.channel), ("Variable", name))) for row, names in wanted for name in names
    ]
    values = iter([answer.get("Value") for answer in await link.request(reads)] if reads else ())
    known = {row.channel: _with_notes(row, [next(values) for _ in names]) for row, names in wanted}
    return tuple(known.get(row.channel, row) for row in live)


def _noted_on(row: LiveChannel) -> tuple[str, ...]:
    if row.role is Role.SPY:
        return SPY_NOTES
    if row.role is not Role.CALLER:
        return ()
    if row.bridged or row.context == "p-survey":
        return TALK_NOTES
    return ("ANSWER",) if row.context == "p-idle" else ()


def _with_notes(row: LiveChannel, notes: Sequence[str]) -> LiveChannel:
    if row.role is Role.SPY:
        return replace(row, heard=spy_heard(notes))
    if len(notes) == 1:
        return replace(row, answer=answer_of(notes[0]))
    return replace(row, talk=talk_seen(notes))


async def forget_gone(link: Link, found: ExchangeConnected) -> None:
    """Erase the dialplan's notes that have been read: they hold callers' numbers. Raises `AmiError`, `TimeoutError`."""
    notes = [(GONE, one.call) for one in found.gone] + [(HEARD, one.spy) for one in found.listened]
    if notes:
        await link.request([Action("DBDel", (("Family", family), ("Key", key))) for family, key in notes])
