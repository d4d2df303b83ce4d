"""The messages that two installations exchange about a ticket, and their form on the wire. Pure.

Described with an example in ``docs/exchange.md``. One message is one JSON object in UTF-8; what it may hold is checked
here, field by field, before anything else looks at it.
"""

from __future__ import annotations

import enum
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

VERSION = 1
"""Of the form; a message of another version is refused."""

LONGEST = 64 * 1024
"""Bytes of a message at most: a text of 10 000 characters takes 40 000, and no request may be longer."""


class Kind(enum.Enum):
    """What a message says."""

    OFFER = "offer"  #: 转办: the other hotline is asked to handle a ticket, or to handle it again
    PROGRESS = "progress"  #: 进展: a step of the handling, or a reminder
    RETURN = "return"  #: 退回: it is not that hotline's matter
    REPLY = "reply"  #: 答复
    CLOSE = "close"  #: 办结: the reply is accepted
    CANCEL = "cancel"  #: 撤回: nothing is to be done any more


class MessageRefused(Exception):
    """A message is not acceptable and never will be; `code` is stable."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `thread` is ``OFFERER/NUMBER``: the ticket as its offering installation calls it.

    `seq` counts the messages of one side in a thread from 1; `turn` counts its offers: what was said before the latest
    offer says nothing about it. `at` is epoch seconds of the sender's clock.
    """

    sender: str
    receiver: str
    thread: str
    seq: int
    turn: int
    kind: Kind
    at: float
    body: Mapping[str, Any]

    @property
    def offerer(self) -> str:
        """Which installation offered the ticket."""
        return self.thread.partition("/")[0]


_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_THREAD = re.compile(r"[a-z0-9][a-z0-9-]{0,31}/[0-9]{1,32}")

_DIGEST = re.compile(r"[0-9a-f]{64}")

_SHORT, _LONG = 200, 20_000

_CONCERN: Mapping[str, tuple[type, int]] = MappingProxyType(
    {
        "type": (str, 32),
        "class_code": (str, 64),
        "title": (str, _SHORT),
        "address": (str, _SHORT),
        "lat": (float, 0),
        "lon": (float, 0),
        "event_at": (float, 0),
        "urgency": (str, 16),
        "caller": (str, _SHORT),
        "caller_name": (str, _SHORT),
        "caller_region": (str, _SHORT),
        "anonymous": (bool, 0),
        "confidential": (bool, 0),
    }
)
"""What a ticket is about, as far as it travels."""

_FILE: Mapping[str, tuple[type, int]] = MappingProxyType(
    {"file_name": (str, _SHORT), "file_kind": (str, 64), "file_size": (float, 0), "file_sha256": (str, 64)}
)
"""An attachment; the file itself goes before, by its digest (`controller/peer_files.py`)."""

BODIES: Mapping[Kind, Mapping[str, tuple[type, int]]] = MappingProxyType(
    {
        Kind.OFFER: {
            **_CONCERN,
            "part": (str, 8),  # lead or co
            "unit": (str, 64),  # for which organisation, by its id
            "reason": (str, _LONG),
            "text": (str, _LONG),
            "opened_at": (float, 0),
            "handle_due": (float, 0),
            "supervised": (bool, 0),
            "ordered_until": (float, 0),  # the hard deadline of a 督办
        },
        Kind.PROGRESS: {
            **_CONCERN,  # step amended: what is written anew, and its `content`
            **_FILE,  # step attached
            "step": (str, 32),
            "text": (str, _LONG),
            "content": (str, _LONG),
            "until": (float, 0),  # steps supervised, extended, paused
            "pause": (str, 64),  # step paused: the named reason
            "unit": (str, _SHORT),
            "number": (str, 32),
        },
        Kind.RETURN: {"reason": (str, _LONG), "number": (str, 32)},
        Kind.REPLY: {"text": (str, _LONG), "unit": (str, _SHORT), "number": (str, 32)},
        Kind.CLOSE: {"reason": (str, _LONG)},
        Kind.CANCEL: {"reason": (str, _LONG)},
    }
)
"""What a message of each kind may hold: the type of each field, and the length of a text. Others are passed over."""

NEEDED: Mapping[Kind, frozenset[str]] = MappingProxyType(
    {
        Kind.OFFER: frozenset({"part", "text"}),
        Kind.PROGRESS: frozenset({"step"}),
        Kind.RETURN: frozenset({"reason"}),
        Kind.REPLY: frozenset({"text"}),
        Kind.CLOSE: frozenset(),
        Kind.CANCEL: frozenset(),
    }
)
"""What it must hold."""


def encode(message: Message) -> bytes:
    """The message as it travels: keys in order, no blanks, so that the same message is the same bytes."""
    data = {
        "version": VERSION,
        "from": message.sender,
        "to": message.receiver,
        "thread": message.thread,
        "seq": message.seq,
        "turn": message.turn,
        "kind": message.kind.value,
        "at": message.at,
        "body": dict(message.body),
    }
    return json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def decode(raw: bytes) -> Message:
    """The message in `raw`. Raises `MessageRefused`: too_large, not_a_message, wrong_version, unknown_kind."""
    if len(raw) > LONGEST:
        raise MessageRefused("too_large")
    try:
        data = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        raise MessageRefused("not_a_message") from None
    if not isinstance(data, dict):
        raise MessageRefused("not_a_message")
    if data.get("version") != VERSION:
        raise MessageRefused("wrong_version")
    sender, receiver, thread, kind = (_text(data, name) for name in ("from", "to", "thread", "kind"))
    seq, turn = _count(data, "seq"), _count(data, "turn")
    if not (_NAME.fullmatch(sender) and _NAME.fullmatch(receiver) and _THREAD.fullmatch(thread)):
        raise MessageRefused("not_a_message")
    at, body = _number(data.get("at")), data.get("body")
    if at is None or not isinstance(body, dict):
        raise MessageRefused("not_a_message")
    if thread.partition("/")[0] not in (sender, receiver):
        raise MessageRefused("not_a_message")
    if kind not in {one.value for one in Kind}:
        raise MessageRefused("unknown_kind")
    found = Kind(kind)
    return Message(sender, receiver, thread, seq, turn, found, at, checked_body(found, body))


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str):
        raise MessageRefused("not_a_message")
    return value


def _count(data: Mapping[str, Any], name: str) -> int:
    value = data.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value < 2**31:
        raise MessageRefused("not_a_message")
    return value


def checked_body(kind: Kind, body: Mapping[str, Any]) -> dict[str, Any]:
    """What `kind` knows of `body`. Raises `MessageRefused` (bad_body): a wrong type, a long text, a missing field."""
    kept: dict[str, Any] = {}
    for name, (type_, longest) in BODIES[kind].items():
        value: Any = body.get(name)
        if value is None:
            continue
        if type_ is float:
            value = _number(value)
        if not isinstance(value, type_):
            raise MessageRefused("bad_body")
        if isinstance(value, str) and (len(value) > longest or _halved(value)):
            raise MessageRefused("bad_body")
        if name == "file_sha256" and not _DIGEST.fullmatch(str(value)):  # a path is made of it
            raise MessageRefused("bad_body")
        kept[name] = value
    if any(kept.get(name) in (None, "") for name in NEEDED[kind]):
        raise MessageRefused("bad_body")
    return kept


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) and abs(value) < 1e11 else None
    except OverflowError:
        return None


def _halved(text: str) -> bool:
    """Whether half a character pair stands in it: JSON can write one, no database can store it."""
    return any("\ud800" <= character <= "\udfff" for character in text)
