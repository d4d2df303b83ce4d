"""SIP messages as text: parse and serialise (RFC 3261 sections 7, 20 and 25), without any I/O.

Only what a telephone needs is understood in depth (Via, From, To, Contact, Route, CSeq, URIs); every other header
is carried as it came, in its order.  Line ends are CRLF, as the RFC demands; folded lines are unfolded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from .address import TOKEN, CSeq, MalformedMessage, NameAddr, Uri, Via, split_commas

__all__ = [
    "CSeq",
    "Headers",
    "MalformedMessage",
    "Message",
    "NameAddr",
    "Request",
    "Response",
    "Uri",
    "Via",
    "parse_message",
    "reason_phrase",
    "split_commas",
]

_STATUS_LINE = re.compile(r"SIP/2\.0 ([1-6][0-9][0-9])(?: (.*))?\Z", re.IGNORECASE | re.DOTALL)
_CONTROL = re.compile(r"[\r\n]")

_COMPACT = {
    "a": "Accept-Contact", "b": "Referred-By", "c": "Content-Type", "e": "Content-Encoding", "f": "From",
    "i": "Call-ID", "k": "Supported", "l": "Content-Length", "m": "Contact", "o": "Event", "r": "Refer-To",
    "s": "Subject", "t": "To", "u": "Allow-Events", "v": "Via", "x": "Session-Expires",
}  # fmt: skip

_REASONS = {
    100: "Trying", 180: "Ringing", 181: "Call Is Being Forwarded", 182: "Queued", 183: "Session Progress", 200: "OK",
    202: "Accepted", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 406: "Not Acceptable", 407: "Proxy Authentication Required", 408: "Request Timeout",
    410: "Gone", 415: "Unsupported Media Type", 416: "Unsupported URI Scheme", 420: "Bad Extension",
    423: "Interval Too Brief", 480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist",
    482: "Loop Detected", 483: "Too Many Hops", 484: "Address Incomplete", 486: "Busy Here", 487: "Request Terminated",
    488: "Not Acceptable Here", 491: "Request Pending", 500: "Server Internal Error", 501: "Not Implemented",
    503: "Service Unavailable", 504: "Server Time-out", 600: "Busy Everywhere", 603: "Decline",
    604: "Does Not Exist Anywhere", 606: "Not Acceptable",
}  # fmt: skip


def reason_phrase(status: int) -> str:
    """The usual reason phrase of a status code (RFC 3261 section 21); "Unknown" for others."""
    return _REASONS.get(status, "Unknown")


def _canonical(name: str) -> str:
    """Long form of a header name; names compare without regard to case."""
    return _COMPACT.get(name.lower(), name)


class Headers:
    """Headers in their order; names compare without case and compact forms equal long ones (section 7.3.3)."""

    __slots__ = ("_items",)

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        self._items: list[tuple[str, str]] = []
        for name, value in items:
            self.add(name, value)

    @staticmethod
    def _check(name: str, value: str) -> tuple[str, str]:
        if not TOKEN.match(name):
            raise MalformedMessage("a header name with forbidden characters")
        if _CONTROL.search(value):
            raise MalformedMessage("a header value with a line break")
        return _canonical(name), value

    def add(self, name: str, value: str) -> None:
        """Append; raises MalformedMessage for a broken name or a value holding CR or LF (header injection)."""
        self._items.append(self._check(name, value))

    def set(self, name: str, value: str) -> None:
        """Replace all headers of this name by one, at the place of the first."""
        item = self._check(name, value)
        key = item[0].lower()
        for index, (existing, _) in enumerate(self._items):
            if existing.lower() == key:
                self._items[index] = item
                self._items[index + 1 :] = [i for i in self._items[index + 1 :] if i[0].lower() != key]
                return
        self._items.append(item)

    def remove(self, name: str) -> None:
        """Remove all headers of this name."""
        key = _canonical(name).lower()
        self._items = [i for i in self._items if i[0].lower() != key]

    def get(self, name: str) -> str | None:
        """The first value of this name, or None."""
        key = _canonical(name).lower()
        return next((value for existing, value in self._items if existing.lower() == key), None)

    def get_all(self, name: str) -> list[str]:
        """Every header of this name, one entry a line."""
        key = _canonical(name).lower()
        return [value for existing, value in self._items if existing.lower() == key]

    def values(self, name: str) -> list[str]:
        """Every value of a list header: repeated lines and commas are the same thing (section 7.3.1)."""
        return [part for line in self.get_all(name) for part in split_commas(line) if part]

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._items)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Headers):
            return NotImplemented
        return [(n.lower(), v) for n, v in self._items] == [(n.lower(), v) for n, v in other._items]

    def __repr__(self) -> str:
        return f"Headers({[n for n, _ in self._items]})"  # names only: values are callers' data


@dataclass(slots=True)
class Message:
    """What requests and responses share."""

    headers: Headers = field(default_factory=Headers)
    body: bytes = b""

    def _start_line(self) -> str:
        raise NotImplementedError

    def encode(self) -> bytes:
        """The bytes for the wire, with a right Content-Length."""
        self.headers.set("Content-Length", str(len(self.body)))
        lines = [self._start_line(), *(f"{name}: {value}" for name, value in self.headers), "", ""]
        return "\r\n".join(lines).encode("utf-8", "surrogateescape") + self.body

    def required(self, name: str) -> str:
        """A header that must be there; raises MalformedMessage."""
        value = self.headers.get(name)
        if value is None:
            raise MalformedMessage(f"no {name} header")
        return value

    @property
    def via(self) -> Via:
        """The topmost Via."""
        return Via.parse(split_commas(self.required("Via"))[0])

    @property
    def from_(self) -> NameAddr:
        """From."""
        return NameAddr.parse(self.required("From"))

    @property
    def to(self) -> NameAddr:
        """To."""
        return NameAddr.parse(self.required("To"))

    @property
    def call_id(self) -> str:
        """Call-ID."""
        return self.required("Call-ID")

    @property
    def cseq(self) -> CSeq:
        """CSeq."""
        return CSeq.parse(self.required("CSeq"))

    @property
    def contact(self) -> Uri | None:
        """URI of the first Contact, None without one."""
        values = self.headers.values("Contact")
        return NameAddr.parse(values[0]).uri if values and values[0] != "*" else None

    @property
    def content_type(self) -> str:
        """Media type in lower case without parameters, "" without one."""
        return (self.headers.get("Content-Type") or "").split(";")[0].strip().lower()


@dataclass(slots=True)
class Request(Message):
    """A SIP request.  `uri` is kept as text: an unknown scheme is answered with 416, not thrown away."""

    method: str = ""
    uri: str = ""

    def _start_line(self) -> str:
        return f"{self.method} {self.uri} SIP/2.0"

    def respond(self, status: int, reason: str | None = None, to_tag: str | None = None) -> Response:
        """A response with Via, From, To, Call-ID, CSeq copied (section 8.2.6.2)."""
        headers = Headers()
        for via in self.headers.get_all("Via"):
            headers.add("Via", via)
        for route in self.headers.get_all("Record-Route"):
            headers.add("Record-Route", route)
        headers.add("From", self.required("From"))
        to = self.required("To")
        if to_tag and NameAddr.parse(to).tag is None:
            to = f"{to};tag={to_tag}"
        headers.add("To", to)
        headers.add("Call-ID", self.call_id)
        headers.add("CSeq", str(self.cseq))
        return Response(headers, b"", status, reason if reason is not None else reason_phrase(status))


@dataclass(slots=True)
class Response(Message):
    """A SIP response."""

    status: int = 0
    reason: str = ""

    def _start_line(self) -> str:
        return f"SIP/2.0 {self.status} {self.reason}"


def _parse_headers(lines: list[str]) -> Headers:
    unfolded: list[str] = []
    for line in lines:
        if line[:1] in (" ", "\t"):
            if not unfolded:
                raise MalformedMessage("the first header line is folded")
            unfolded[-1] = f"{unfolded[-1].rstrip()} {line.strip()}"
        else:
            unfolded.append(line)
    headers = Headers()
    for line in unfolded:
        name, colon, value = line.partition(":")
        if not colon:
            raise MalformedMessage("a header line without a colon")
        headers.add(name.rstrip(" \t"), value.strip(" \t"))
    return headers


def _check(message: Message) -> None:
    for name in ("From", "To", "Call-ID", "CSeq", "Content-Length", "Max-Forwards"):
        if len(message.headers.get_all(name)) > 1:
            raise MalformedMessage(f"{name} more than once")
    for line in message.headers.get_all("Via"):
        for part in split_commas(line):
            Via.parse(part)
    for name in ("Contact", "Record-Route", "Route"):
        for value in message.headers.values(name):
            if value != "*":
                NameAddr.parse(value)
    _ = message.via, message.from_, message.to, message.call_id
    cseq = message.cseq
    if isinstance(message, Request) and cseq.method != message.method:
        raise MalformedMessage("CSeq names another method than the request line")
    length = message.headers.get("Content-Length")
    if length is not None:
        if not length.isascii() or not length.isdigit() or len(length) > 9:
            raise MalformedMessage("a broken Content-Length")
        if int(length) > len(message.body):
            raise MalformedMessage("the body is shorter than Content-Length")
        message.body = message.body[: int(length)]  # what follows in the datagram is no part of it (section 18.3)


def parse_message(data: bytes) -> Request | Response:
    """Parse one datagram.  Raises MalformedMessage for anything that cannot be acted on safely."""
    head, blank, body = data.lstrip(b"\r\n").partition(b"\r\n\r\n")
    if not blank:
        raise MalformedMessage("no end of the headers")
    text = head.decode("utf-8", "surrogateescape")
    if _CONTROL.search(text.replace("\r\n", "")):
        raise MalformedMessage("a bare CR or LF")
    start, *lines = text.split("\r\n")
    headers = _parse_headers(lines)
    message: Request | Response
    if start[:4].upper() == "SIP/":
        match = _STATUS_LINE.match(start)
        if not match:
            raise MalformedMessage("a broken status line")
        message = Response(headers, body, int(match.group(1)), match.group(2) or "")
    else:
        words = start.split(" ")
        if len(words) != 3 or words[2].upper() != "SIP/2.0" or not TOKEN.match(words[0]):
            raise MalformedMessage("a broken request line")
        if not words[1] or re.search(r'[\s<>"]', words[1]) or ":" not in words[1]:
            raise MalformedMessage("a broken request URI")
        message = Request(headers, body, words[0], words[1])
    _check(message)
    return message
