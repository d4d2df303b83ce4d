"""Who speaks: every message and answer is signed with HMAC-SHA256 (RFC 2104) and a key that both sides have. Pure.

What is signed is this text, its parts divided by line feeds: the scheme, what it is (``message`` or ``answer``), the
key's id, the time or status, the nonce, the SHA-256 of the body in hexadecimal. A message counts only within a window
of time around the receiver's clock, and its nonce only once in it: somebody who has recorded it cannot say it again. An
answer is signed over the nonce of its message, so that no other answer can be put in its place.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass

KEY, TIME, NONCE, SIGNATURE = "Exchange-Key", "Exchange-Time", "Exchange-Nonce", "Exchange-Signature"
"""The headers."""

SHORTEST_SECRET = 32
"""Bytes of a key at least: as many as the hash has (RFC 2104, section 3)."""

MESSAGE = "message"
"""What is signed, unless it is a piece of a file."""

_SCHEME = "hotline-exchange-1"
_NONCE = re.compile(r"[A-Za-z0-9_-]{16,64}")
_TIME = re.compile(r"[0-9]{1,12}")


class NotTrusted(Exception):
    """Who sent this is not known, or it is old or has been said before; `code` is stable."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True, repr=False)
class Key:
    """A key shared with one peer. ValueError for a secret too short to protect anything."""

    id: str
    peer: str
    secret: bytes

    def __post_init__(self) -> None:
        """Refuse what protects nothing."""
        if len(self.secret) < SHORTEST_SECRET:
            raise ValueError(f"a key needs at least {SHORTEST_SECRET} bytes")

    def __repr__(self) -> str:
        """Without the secret: it may get into a log."""
        return f"Key({self.id!r}, {self.peer!r})"


@dataclass(frozen=True, slots=True)
class Signed:
    """Whose message it is: the key, and the nonce that must not have been seen before."""

    key: Key
    nonce: str
    at: float


def _signature(key: Key, what: str, when: str, nonce: str, body: bytes) -> str:
    text = "\n".join((_SCHEME, what, key.id, when, nonce, hashlib.sha256(body).hexdigest()))
    return hmac.new(key.secret, text.encode(), hashlib.sha256).hexdigest()


def sign(key: Key, body: bytes, at: float, nonce: str, what: str = MESSAGE) -> dict[str, str]:
    """The headers of a request; `nonce` is 16 to 64 random letters, digits, - or _. `what`: a message, or `piece`."""
    when = str(int(at))
    return {KEY: key.id, TIME: when, NONCE: nonce, SIGNATURE: _signature(key, what, when, nonce, body)}


PIECE_BYTES = 256 * 1024
"""Of a file in one request at most (`docs/exchange.md`): on a line of 1 Mbit/s two seconds of a request's ten."""


def piece(sha256: str, kind: str, size: int, offset: int) -> str:
    """What a piece of a file is, as it is signed: of which file, of what media type, how large that is, and whence."""
    return f"file {sha256} {kind} {size} {offset}"


def verify(
    keys: Mapping[str, Key],
    headers: Mapping[str, str],
    body: bytes,
    now: float,
    window_s: float,
    what: str = MESSAGE,
) -> Signed:
    """Who signed `body`. Raises `NotTrusted`: unsigned, unknown_key, wrong_signature, out_of_time.

    Whether the nonce is new is for the caller to see, in the transaction in which the message counts.
    """
    when, nonce, given = (headers.get(name, "") for name in (TIME, NONCE, SIGNATURE))
    if not (_TIME.fullmatch(when) and _NONCE.fullmatch(nonce) and given):
        raise NotTrusted("unsigned")
    key = keys.get(headers.get(KEY, ""))
    if key is None:
        raise NotTrusted("unknown_key")
    if not hmac.compare_digest(_signature(key, what, when, nonce, body).encode(), given.encode()):
        raise NotTrusted("wrong_signature")
    if abs(now - int(when)) > window_s:
        raise NotTrusted("out_of_time")
    return Signed(key, nonce, float(when))


def sign_answer(key: Key, status: int, body: bytes, nonce: str) -> str:
    """The signature of an answer to the message of `nonce`."""
    return _signature(key, "answer", str(status), nonce, body)


def is_answer(key: Key, status: int, body: bytes, nonce: str, given: str) -> bool:
    """Whether an answer to our message of `nonce` comes from the peer who has the key."""
    return hmac.compare_digest(sign_answer(key, status, body, nonce).encode(), given.encode("utf-8", "replace"))
