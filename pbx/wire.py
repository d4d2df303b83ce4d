"""AMI bytes and messages, sans-I/O: split, decode, look up; and encode actions.

The rules come from `asterisk.md` section 8 ("own client checklist") and 10.5, all measured on Asterisk 22:

* a message ends at an empty line, wherever TCP cuts the stream; UTF-8 is decoded per whole message, never per
  segment;
* the banner is one line of its own, without an empty line after it;
* ``Event`` is looked at before ``Response``, because ``OriginateResponse`` carries both;
* headers repeat (``ChanVariable``, ``Output``, ``Variable``): the first one is the value, `all` gives the
  list;
* Asterisk refuses an action line of about 1024 bytes, and a CR or LF in a value would be a header of its own.

A message is not parsed until somebody asks: a look-up is one search in the text. Of the 25 to 30 headers of
an event the project reads three to six, so this is several times faster than building a dictionary of each
(``hotline bench ami``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

MAX_LINE = 1000  #: bytes of an action line, name included; 1010 passed, 1020 did not (`asterisk.md` 0.8, 10.5)
MAX_MESSAGE = 1 << 20  #: bytes of one message from the exchange; more is not AMI but garbage
_MAX_BANNER = 200
_END = b"\r\n\r\n"
_HEADER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*\Z")
_KNOWN_NAMES: set[str] = set()  #: header names that were checked already: a few dozen in all
_MAX_KNOWN_NAMES = 200


class WireError(ValueError):
    """A value cannot be written as an AMI action. The text names the header, never its value."""


class BadHeader(WireError):
    """A header's name is not one, or its value holds CR, LF or NUL: it would inject a header or an action."""


class LineTooLong(WireError):
    """A header line is longer than Asterisk reads (`MAX_LINE` bytes in UTF-8, name included)."""


class Message:
    """One message of the exchange: an event (`event` is its name) or the answer to an action (`event` is
    empty).

    Header names are looked up exactly as Asterisk spells them (``Uniqueid``, ``ActionID``).
    """

    __slots__ = ("_headers", "event", "text")

    def __init__(self, text: str, event: str) -> None:
        """`text` is the decoded message without its empty line; `event` the value of its ``Event`` header or
        ``""``.
        """
        self.text = text
        self.event = event
        self._headers: dict[str, list[str]] | None = None

    def get(self, name: str, default: str = "") -> str:
        """The first value of header `name`, or `default`."""
        text = self.text
        at = text.find(f"\r\n{name}:")
        if at >= 0:
            at += len(name) + 3
        elif text.startswith(f"{name}:"):
            at = len(name) + 1
        else:
            return default
        if text.startswith(" ", at):
            at += 1
        end = text.find("\r\n", at)
        return text[at:] if end < 0 else text[at:end]

    def variable(self, name: str) -> str:
        """The channel variable `name` as ``channelvars`` of manager.conf adds it to every channel event;
        ``""`` if none.
        """
        mark = f"\r\nChanVariable: {name}="
        at = self.text.find(mark)
        if at < 0:
            return ""
        at += len(mark)
        end = self.text.find("\r\n", at)
        return self.text[at:] if end < 0 else self.text[at:end]

    def tail(self, name: str) -> dict[str, str]:
        """The first values of header `name` and of those behind it: where a report's own headers stand."""
        text = self.text
        at = text.find(f"\r\n{name}: ")
        found: dict[str, str] = {}
        if at >= 0:
            for line in text[at + 2 :].split("\r\n"):
                key, colon, value = line.partition(": ")
                if colon and key not in found:
                    found[key] = value
        return found

    def all(self, name: str) -> list[str]:
        """Every value of header `name`, in order."""
        return list(self.headers.get(name, ()))

    @property
    def headers(self) -> dict[str, list[str]]:
        """All headers, parsed on the first use. A line without a colon is no header and is left out."""
        if self._headers is None:
            headers: dict[str, list[str]] = {}
            for line in self.text.split("\r\n"):
                name, colon, value = line.partition(": ")
                if not colon:
                    name, colon, value = line.partition(":")
                if name in headers:
                    headers[name].append(value)
                elif colon:
                    headers[name] = [value]
            self._headers = headers
        return self._headers

    @property
    def response(self) -> str:
        """``Success``, ``Error``, ... of an answer; ``""`` for an event, even for one with a ``Response``
        header.
        """
        return "" if self.event else self.get("Response")

    @property
    def failed(self) -> bool:
        """Whether this answers an action with an error."""
        return self.response in ("Error", "Fail")

    @property
    def action_id(self) -> str:
        """The ``ActionID`` of the action that this answers, or ``""``."""
        return self.get("ActionID")

    def __repr__(self) -> str:
        """The kind of the message only: its headers may hold caller data and must not reach a log."""
        return f"<Message {self.event or self.response or '?'}>"


class Wire:
    """The receiving side of one AMI connection. One object per connection; `receive` never raises."""

    __slots__ = ("_max", "_skipping", "_tail", "banner", "damaged_text", "garbage", "messages")

    def __init__(self, max_message: int = MAX_MESSAGE) -> None:
        """`max_message`: bytes; a longer message is skipped and counted as garbage."""
        self.banner: str | None = None  #: the first line, once it is there
        self.messages = 0  #: good messages so far
        self.garbage = 0  #: messages skipped: neither event nor answer, or too long
        self.damaged_text = 0  #: messages kept although bytes of them were not UTF-8 (each became U+FFFD)
        self._tail = bytearray()
        self._max = max_message
        self._skipping = False

    def receive(self, data: bytes) -> list[Message]:
        """Take what the connection gave, cut anywhere; return the messages that are complete now."""
        tail = self._tail
        if self.banner is None:
            tail += data
            if not self._take_banner():
                return []
            data = bytes(tail)
            tail.clear()
        if tail:
            start = max(0, len(tail) - 3)
            tail += data
            end = tail.rfind(_END, start)
            if end < 0:
                self._bound_tail()
                return []
            block = bytes(tail[:end])
            del tail[: end + 4]
        else:
            end = data.rfind(_END)
            if end < 0:
                tail += data
                self._bound_tail()
                return []
            block = data[:end]
            tail += data[end + 4 :]
        messages = self._split(block)
        self._bound_tail()
        return messages

    def _take_banner(self) -> bool:
        tail = self._tail
        end = tail.find(b"\r\n")
        if end < 0 and len(tail) <= _MAX_BANNER:
            return False
        line = tail[:end] if end >= 0 else tail
        self.banner = line[:_MAX_BANNER].decode(errors="replace")
        del tail[: end + 2 if end >= 0 else len(tail)]
        return True

    def _bound_tail(self) -> None:
        """Forget the beginning of a message that has grown over the limit; what comes up to its end is
        skipped.
        """
        if len(self._tail) > self._max + 3:  # three bytes may already belong to the end
            if not self._skipping:
                self.garbage += 1
                self._skipping = True
            del self._tail[:-3]

    def _split(self, block: bytes) -> list[Message]:
        if self._skipping:  # the block begins in the middle of a message that is too long
            self._skipping = False
            _, _, block = block.partition(_END)
        try:
            if len(block) > self._max:
                raise ValueError  # noqa: TRY301 - the slow way checks each part's length
            parts = block.decode().split("\r\n\r\n")
        except ValueError:  # not UTF-8 somewhere, or long: decode each part by itself, so that only the bad one suffers
            parts = [text for part in block.split(_END) if (text := self._decode(part)) is not None]
        found: list[Message] = []
        for part in parts:
            text = part.strip("\r\n")
            if text.startswith("Event: "):
                end = text.find("\r\n")
                found.append(Message(text, text[7:] if end < 0 else text[7:end]))
            elif text.startswith("Response: "):
                found.append(Message(text, ""))
            elif text:
                message = Message(text, "")
                message.event = message.get("Event")
                if message.event or message.response:
                    found.append(message)
                else:
                    self.garbage += 1
        self.messages += len(found)
        return found

    def _decode(self, part: bytes) -> str | None:
        if len(part) > self._max:
            self.garbage += 1
            return None
        try:
            return part.decode()
        except UnicodeDecodeError:
            # A caller's name in another encoding must not cost us the hang-up that carries it: keep the
            # message.
            self.damaged_text += 1
            return part.decode(errors="replace")


def encode(action: str, headers: Iterable[tuple[str, str]] = ()) -> bytes:
    """The bytes of one action, ended by its empty line.

    Raises `BadHeader` for a name that is none or a value with CR, LF or NUL, and `LineTooLong` for a line of
    more than `MAX_LINE` bytes. Commas, quotes, backslashes, ``$`` and braces pass as they are (`asterisk.md`
    10.5).
    """
    text = f"Action: {_value('Action', action)}\r\n"
    for name, value in headers:
        if name not in _KNOWN_NAMES:
            if not _HEADER_NAME.match(name):
                raise BadHeader("not a header name")
            if len(_KNOWN_NAMES) < _MAX_KNOWN_NAMES:
                _KNOWN_NAMES.add(name)
        text += f"{name}: {_value(name, value)}\r\n"
    return (text + "\r\n").encode()


def _value(name: str, value: str) -> str:
    """`value`, checked: three searches in a short text are several times faster than one regular expression."""
    if "\r" in value or "\n" in value or "\0" in value:
        raise BadHeader(f"the value of {name} holds a line break or NUL")
    if not value.isascii() or len(value) + len(name) + 2 > MAX_LINE:
        try:
            size = len(f"{name}: {value}".encode())
        except UnicodeEncodeError:
            raise BadHeader(f"the value of {name} is not Unicode text") from None
        if size > MAX_LINE:
            raise LineTooLong(f"{name} takes {size} bytes; Asterisk reads at most {MAX_LINE}")
    return value
