"""SIP addresses and the structured header values (RFC 3261 sections 19.1, 20, 25), without any I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import unquote

__all__ = ["TOKEN", "CSeq", "MalformedMessage", "NameAddr", "Uri", "Via", "split_commas"]

TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+\Z")
"""The grammar's `token` (RFC 3261 section 25.1)."""
_VIA = re.compile(
    r"SIP\s*/\s*2\.0\s*/\s*([A-Za-z0-9\-.!%*_+`'~]+)\s+(\[[0-9A-Fa-f:.]+\]|[^\s:;,\[\]]+)\s*(?::\s*(\d{1,5})\s*)?\Z",
    re.IGNORECASE,
)
_MAX_CSEQ = 2**31


class MalformedMessage(ValueError):
    """The bytes are not a SIP message that may be acted on; the text says why and quotes no caller data."""


def split_commas(value: str) -> list[str]:
    """Split a header value at its top-level commas, honouring quoted strings and angle brackets (section 7.3.1).

    Raises MalformedMessage when a quoted string or a bracket is never closed.
    """
    return _split(value, ",")


def _split(value: str, separator: str) -> list[str]:
    parts: list[str] = []
    start, in_quotes, in_angle, escaped = 0, False, False, False
    for index, char in enumerate(value):
        if escaped:
            escaped = False
        elif in_quotes:
            if char == "\\":
                escaped = True
            elif char == '"':
                in_quotes = False
        elif in_angle:
            in_angle = char != ">"
        elif char == '"':
            in_quotes = True
        elif char == "<":
            in_angle = True
        elif char == separator:
            parts.append(value[start:index].strip())
            start = index + 1
    if in_quotes or in_angle:
        raise MalformedMessage("unterminated quoted string or angle bracket in a header")
    parts.append(value[start:].strip())
    return parts


Params = tuple[tuple[str, str | None], ...]


def _parse_params(parts: Iterable[str]) -> Params:
    params: list[tuple[str, str | None]] = []
    for part in parts:
        if not part:
            continue
        name, equals, value = part.partition("=")
        if not TOKEN.match(name.strip()):
            raise MalformedMessage("a parameter without a proper name")
        params.append((name.strip(), value.strip() if equals else None))
    return tuple(params)


def _params_text(params: Params) -> str:
    return "".join(f";{name}" if value is None else f";{name}={value}" for name, value in params)


def _param(params: Params, name: str) -> str | None:
    for key, value in params:
        if key.lower() == name.lower():
            return value if value is not None else ""
    return None


def _parse_port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise MalformedMessage("a port number out of range")
    return int(text)


@dataclass(frozen=True, slots=True)
class Uri:
    """A sip:, sips: or tel: URI (RFC 3261 section 19.1, RFC 3966).  `user` is kept as written, escapes included."""

    scheme: str
    user: str | None
    host: str
    port: int | None = None
    params: Params = ()
    headers: str = ""
    password: str | None = None

    @classmethod
    def parse(cls, text: str) -> Uri:
        """Parse one URI; raises MalformedMessage."""
        scheme, colon, rest = text.partition(":")
        if not colon or not rest or re.search(r'[\s<>"]', text):
            raise MalformedMessage("not a URI")
        scheme = scheme.lower()
        if scheme not in ("sip", "sips"):
            number, *params = rest.split(";")
            return cls(scheme, number, "", params=_parse_params(params) if scheme == "tel" else ())
        user: str | None = None
        password: str | None = None
        if "@" in rest:  # ";" and "?" are legal inside the user part, so it is cut off first
            userinfo, _, rest = rest.rpartition("@")
            user, has_password, secret = userinfo.partition(":")
            password = secret if has_password else None
        rest, _, headers = rest.partition("?")
        hostport, *params = rest.split(";")
        if hostport.startswith("["):
            host, bracket, tail = hostport.partition("]")
            host += bracket
            if not bracket or (tail and not tail.startswith(":")):
                raise MalformedMessage("a broken IPv6 reference")
            port_text = tail[1:]
        else:
            host, _, port_text = hostport.partition(":")
        if not host:
            raise MalformedMessage("a URI without a host")
        port = _parse_port(port_text) if port_text else None
        return cls(scheme, user, host, port, _parse_params(params), headers, password)

    @classmethod
    def of(cls, number: str, host: str, port: int | None = None) -> Uri:
        """sip:number@host:port, the number escaped where the grammar of `user` demands it ("#" is one)."""
        escaped = "".join(
            c if c.isascii() and (c.isalnum() or c in "-_.!~*'()&=+$,;?/") else "".join(f"%{b:02X}" for b in c.encode())
            for c in number
        )
        return cls("sip", escaped, host, port)

    @property
    def number(self) -> str:
        """The user part with escapes undone and without user parameters; "" if there is none."""
        return unquote((self.user or "").split(";")[0])

    def param(self, name: str) -> str | None:
        """Value of a URI parameter, "" for one without a value, None if absent."""
        return _param(self.params, name)

    def __str__(self) -> str:
        if self.scheme not in ("sip", "sips"):
            return f"{self.scheme}:{self.user}{_params_text(self.params)}"
        secret = "" if self.password is None else f":{self.password}"
        user = "" if self.user is None else f"{self.user}{secret}@"
        port = "" if self.port is None else f":{self.port}"
        headers = f"?{self.headers}" if self.headers else ""
        return f"{self.scheme}:{user}{self.host}{port}{_params_text(self.params)}{headers}"


@dataclass(frozen=True, slots=True)
class NameAddr:
    """The value of From, To, Contact, Route or Record-Route (section 20.10): display name, URI, header parameters."""

    uri: Uri
    display: str = ""
    params: Params = ()

    @classmethod
    def parse(cls, text: str) -> NameAddr:
        """Parse both forms, `"Name" <uri>;tag=x` and `uri;tag=x` (there, parameters belong to the header)."""
        addr, *params = _split(text, ";")
        display = ""
        if "<" in addr:
            match = re.fullmatch(r'\s*("(?:[^"\\]|\\.)*"|[^"<>]*?)\s*<([^<>]*)>\s*', addr, re.DOTALL)
            if not match:
                raise MalformedMessage("a broken name-addr")
            display = match.group(1)
            if display.startswith('"'):
                display = re.sub(r"\\(.)", r"\1", display[1:-1], flags=re.DOTALL)
            addr = match.group(2)
        elif '"' in addr:
            raise MalformedMessage("a display name without angle brackets")
        if "," in addr.split("@")[0] and "@" not in addr:
            raise MalformedMessage("more than one address where one is allowed")
        return cls(Uri.parse(addr), display, _parse_params(params))

    def param(self, name: str) -> str | None:
        """Value of a header parameter, "" for one without a value, None if absent."""
        return _param(self.params, name)

    @property
    def tag(self) -> str | None:
        """The dialog tag (From, To)."""
        return self.param("tag")

    def with_tag(self, tag: str) -> NameAddr:
        """The same address with this tag."""
        return replace(self, params=(*(p for p in self.params if p[0].lower() != "tag"), ("tag", tag)))

    def __str__(self) -> str:
        quoted = self.display.replace("\\", "\\\\").replace('"', '\\"')
        display = f'"{quoted}" ' if self.display else ""
        return f"{display}<{self.uri}>{_params_text(self.params)}"


@dataclass(frozen=True, slots=True)
class Via:
    """One Via value (section 20.42)."""

    transport: str
    host: str
    port: int | None = None
    params: Params = ()

    @classmethod
    def parse(cls, text: str) -> Via:
        """Parse one Via value; raises MalformedMessage."""
        head, *params = _split(text, ";")
        match = _VIA.match(head)
        if not match:
            raise MalformedMessage("a broken Via")
        port = _parse_port(match.group(3)) if match.group(3) else None
        return cls(match.group(1), match.group(2), port, _parse_params(params))

    def param(self, name: str) -> str | None:
        """Value of a parameter, "" for one without a value (`;rport`), None if absent."""
        return _param(self.params, name)

    @property
    def branch(self) -> str:
        """The transaction's branch, "" if there is none (RFC 2543)."""
        return self.param("branch") or ""

    def seen_from(self, host: str, port: int) -> Via:
        """The Via as the receiver writes it back: `received` and a filled `rport` (RFC 3581 section 4)."""
        params: list[tuple[str, str | None]] = []
        for name, value in self.params:
            if name.lower() == "rport":
                params.append((name, str(port)))
            elif name.lower() != "received":
                params.append((name, value))
        if host != self.host or self.param("rport") is not None:
            params.append(("received", host))
        return replace(self, params=tuple(params))

    def __str__(self) -> str:
        port = "" if self.port is None else f":{self.port}"
        return f"SIP/2.0/{self.transport} {self.host}{port}{_params_text(self.params)}"


@dataclass(frozen=True, slots=True)
class CSeq:
    """The CSeq header (section 20.16): number below 2**31, method with its case."""

    number: int
    method: str

    @classmethod
    def parse(cls, text: str) -> CSeq:
        """Parse; raises MalformedMessage."""
        parts = text.split()
        if len(parts) != 2 or not parts[0].isascii() or not parts[0].isdigit() or not TOKEN.match(parts[1]):
            raise MalformedMessage("a broken CSeq")
        if len(parts[0]) > 20 or int(parts[0]) >= _MAX_CSEQ:
            raise MalformedMessage("a CSeq number out of range")
        return cls(int(parts[0]), parts[1])

    def __str__(self) -> str:
        return f"{self.number} {self.method}"
