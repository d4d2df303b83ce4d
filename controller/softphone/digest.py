"""HTTP digest authentication as SIP uses it (RFC 2617, RFC 3261 section 22, SHA-256 by RFC 8760), without I/O."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Challenge", "DigestError", "answer", "digest_response"]

_PAIR = re.compile(r'\s*([A-Za-z0-9\-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s,"]+)\s*(?:,|\Z)', re.DOTALL)


class DigestError(ValueError):
    """A challenge that cannot be answered: not digest, broken, or an algorithm or qop we do not have."""


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()  # the protocol demands it


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


_HASHES: dict[str, Callable[[bytes], str]] = {"MD5": _md5, "SHA-256": _sha256}


@dataclass(frozen=True, slots=True)
class Challenge:
    """One WWW-Authenticate or Proxy-Authenticate header."""

    realm: str
    nonce: str
    algorithm: str = "MD5"
    opaque: str | None = None
    qop: tuple[str, ...] = ()
    stale: bool = False

    @classmethod
    def parse(cls, value: str) -> Challenge:
        """Parse; raises DigestError."""
        scheme, _, rest = value.strip().partition(" ")
        if scheme.lower() != "digest":
            raise DigestError("the challenge is not Digest")
        pairs: dict[str, str] = {}
        position = 0
        while position < len(rest):
            match = _PAIR.match(rest, position)
            if not match:
                raise DigestError("a broken challenge")
            text = match.group(2)
            if text.startswith('"'):
                text = re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)
            pairs[match.group(1).lower()] = text
            position = match.end()
        if "realm" not in pairs or "nonce" not in pairs:
            raise DigestError("a challenge without realm or nonce")
        return cls(
            realm=pairs["realm"],
            nonce=pairs["nonce"],
            algorithm=pairs.get("algorithm", "MD5"),
            opaque=pairs.get("opaque"),
            qop=tuple(q.strip().lower() for q in pairs.get("qop", "").split(",") if q.strip()),
            stale=pairs.get("stale", "").lower() == "true",
        )


def digest_response(
    challenge: Challenge, user: str, password: str, method: str, uri: str, cnonce: str = "", nc: str = "", qop: str = ""
) -> str:
    """The `response` value of RFC 2617 section 3.2.2.1.  Raises DigestError for an unknown algorithm."""
    name = challenge.algorithm.upper()
    session = name.endswith("-SESS")
    digest = _HASHES.get(name.removesuffix("-SESS"))
    if digest is None:
        raise DigestError("unknown digest algorithm")
    ha1 = digest(f"{user}:{challenge.realm}:{password}".encode())
    if session:
        ha1 = digest(f"{ha1}:{challenge.nonce}:{cnonce}".encode())
    ha2 = digest(f"{method}:{uri}".encode())
    middle = f"{challenge.nonce}:{nc}:{cnonce}:{qop}" if qop else challenge.nonce
    return digest(f"{ha1}:{middle}:{ha2}".encode())


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def answer(challenge: Challenge, user: str, password: str, method: str, uri: str, cnonce: str, count: int = 1) -> str:
    """The Authorization (or Proxy-Authorization) value answering a challenge.

    `count` is the number of requests sent with this nonce (nc).  Raises DigestError if only auth-int is offered.
    """
    qop = ""
    if challenge.qop:
        if "auth" not in challenge.qop:
            raise DigestError("qop=auth is not offered")
        qop = "auth"
    nc = f"{count:08x}"
    response = digest_response(challenge, user, password, method, uri, cnonce, nc, qop)
    parts = [
        f"username={_quote(user)}",
        f"realm={_quote(challenge.realm)}",
        f"nonce={_quote(challenge.nonce)}",
        f"uri={_quote(uri)}",
        f'response="{response}"',
        f"algorithm={challenge.algorithm}",
    ]
    if qop or challenge.algorithm.upper().endswith("-SESS"):
        parts.append(f"cnonce={_quote(cnonce)}")
    if qop:
        parts += [f"qop={qop}", f"nc={nc}"]
    if challenge.opaque is not None:
        parts.append(f"opaque={_quote(challenge.opaque)}")
    return "Digest " + ", ".join(parts)
