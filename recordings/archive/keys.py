"""The keys by which archived recordings are sealed: from the environment or from a file, never from the configuration.

A hotline holds one key for writing and as many old ones for reading as it needs. A key is 32 random bytes in base64
(`hotline recordings new-key` makes one); the first of a list is the one for writing. Losing a key loses what was
sealed with it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

KEY_BYTES = 32


class KeyFault(Exception):
    """No usable key; the message says what to do and never shows a key."""


@dataclass(frozen=True, slots=True)
class SealingKey:
    """One key. `id`: the first 8 bytes of its SHA-256, which stand in the sealed file and say nothing of the key."""

    secret: bytes = field(repr=False)
    id: bytes = field(init=False)

    def __post_init__(self) -> None:
        """KeyFault unless it is 32 bytes."""
        if len(self.secret) != KEY_BYTES:
            raise KeyFault(f"a key for recordings is {KEY_BYTES} bytes in base64; make one: hotline recordings new-key")
        object.__setattr__(self, "id", hashlib.sha256(b"hotline recording key" + self.secret).digest()[:8])


@dataclass(frozen=True, slots=True)
class KeyRing:
    """All keys that a hotline holds: the first one seals, each may open."""

    keys: tuple[SealingKey, ...]

    @property
    def writing(self) -> SealingKey:
        """The key for new files."""
        return self.keys[0]

    @property
    def by_id(self) -> Mapping[bytes, SealingKey]:
        """The keys by the ids that stand in sealed files."""
        return {key.id: key for key in self.keys}


def new_key() -> str:
    """A new key in the form in which it is given, from the system's random source."""
    return base64.b64encode(os.urandom(KEY_BYTES)).decode()


def parse_keys(text: str, source: str) -> KeyRing:
    """The keys of a text, one a line or separated by blanks; `#` begins a comment. `source` is named in errors."""
    words = [word for line in text.splitlines() for word in line.partition("#")[0].split()]
    if not words:
        raise KeyFault(f"{source} holds no key; make one: hotline recordings new-key")
    keys: list[SealingKey] = []
    for number, word in enumerate(words, 1):
        try:
            keys.append(SealingKey(base64.b64decode(word, validate=True)))
        except (binascii.Error, ValueError, KeyFault) as error:
            raise KeyFault(
                f"key {number} of {source} is not {KEY_BYTES} bytes in base64; make one: hotline recordings new-key"
            ) from error
    return KeyRing(tuple(dict.fromkeys(keys)))


def read_key_file(path: Path) -> KeyRing:
    """The keys of a file, which only its owner may read. Raises KeyFault."""
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise KeyFault(f"others may read the key file {path}: chmod 600 {path}")
        return parse_keys(path.read_text(encoding="ascii"), f"the key file {path}")
    except (OSError, UnicodeError) as error:
        raise KeyFault(f"the key file {path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
