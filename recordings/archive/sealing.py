"""Encryption at rest: a sealed file can be read from any byte on, and only as it was written.

The STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár, "Online Authenticated-Encryption and its Nonce-Reuse
Misuse-Resistance", 2015; the age format uses it too) with AES-256-GCM: pieces of 64 KiB, each with its own tag, its
number in the nonce, the last one marked. Every file has a key of its own, derived (HKDF-SHA-256, RFC 5869) from the
hotline's key and 16 random bytes, so no nonce is used twice under one key. The header is bound to each piece: a file
that was changed, cut, lengthened, or whose pieces were put in another order is refused, never half given.

    header: magic 8 | key id 8 | salt 16 | length of the plain file 8 (big endian)
    then the pieces, each followed by its tag of 16 bytes
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from recordings.archive.keys import SealingKey

MAGIC = b"HOTLINE1"
HEADER_BYTES = 40
PIECE_BYTES = 64 * 1024
TAG_BYTES = 16

ReadAt = Callable[[int, int], bytes]
"""Gives up to so many bytes from a position of the sealed file."""


class SealError(Exception):
    """A sealed file cannot be opened; the message says why and never what is in it."""


class UnknownKey(SealError):
    """The file was sealed with a key that this hotline does not hold (any more)."""


class Tampered(SealError):
    """The file is not what was sealed: damaged, cut, or changed."""


@dataclass(frozen=True, slots=True)
class _Header:
    key_id: bytes
    salt: bytes
    size: int

    def encode(self) -> bytes:
        return MAGIC + self.key_id + self.salt + struct.pack(">Q", self.size)

    @classmethod
    def decode(cls, data: bytes) -> _Header:
        if len(data) != HEADER_BYTES or not data.startswith(MAGIC):
            raise Tampered("the archived file is not a sealed one")
        return cls(data[8:16], data[16:32], struct.unpack(">Q", data[32:])[0])

    @property
    def pieces(self) -> int:
        return max(1, -(-self.size // PIECE_BYTES))


class _Cipher:
    """The file's own key at work."""

    def __init__(self, key: SealingKey, header: _Header) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        own = HKDF(SHA256(), 32, header.salt, b"hotline recording").derive(key.secret)
        self._aes = AESGCM(own)
        self._header = header
        self._bound = header.encode()

    def _nonce(self, number: int) -> bytes:
        return struct.pack(">3xQB", number, number == self._header.pieces - 1)

    def seal(self, number: int, plain: bytes) -> bytes:
        return self._aes.encrypt(self._nonce(number), plain, self._bound)

    def open(self, number: int, sealed: bytes) -> bytes:
        from cryptography.exceptions import InvalidTag

        try:
            return self._aes.decrypt(self._nonce(number), sealed, self._bound)
        except InvalidTag as error:
            raise Tampered("the archived file is damaged or was changed") from error


def sealed_size(plain: int) -> int:
    """Bytes of the sealed file of so many plain ones."""
    return HEADER_BYTES + plain + TAG_BYTES * max(1, -(-plain // PIECE_BYTES))


def seal(source: Path, target: Path, key: SealingKey) -> None:
    """Write the sealed form of a file; `target` must not exist (FileExistsError). Blocks. Raises OSError."""
    with source.open("rb") as plain, open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        _seal(plain, os.fstat(plain.fileno()).st_size, out, key)


def _seal(plain: BinaryIO, size: int, out: BinaryIO, key: SealingKey) -> None:
    header = _Header(key.id, os.urandom(16), size)
    cipher = _Cipher(key, header)
    out.write(header.encode())
    for number in range(header.pieces):
        piece = plain.read(PIECE_BYTES)
        if len(piece) != min(PIECE_BYTES, size - number * PIECE_BYTES):
            raise OSError("the file became shorter while it was sealed")
        out.write(cipher.seal(number, piece))


AT_ONCE = 16
"""Pieces that are fetched together where so many are wanted: over a network each fetch costs a way there and back."""


class SealedReader:
    """Reads a sealed file from any position; holds the last piece, so reading on costs each piece once."""

    def __init__(self, read_at: ReadAt, keys: Mapping[bytes, SealingKey]) -> None:
        """Reads the header. Raises Tampered, UnknownKey, and whatever `read_at` raises."""
        self._read_at = read_at
        header = _Header.decode(read_at(0, HEADER_BYTES))
        key = keys.get(header.key_id)
        if key is None:
            raise UnknownKey(
                f"the archived file was sealed with key {header.key_id.hex()}, which is not given any more"
            )
        self._header, self._cipher = header, _Cipher(key, header)
        self._held: tuple[int, bytes] = (-1, b"")
        self.size = header.size
        """Bytes of the plain file."""

    def read(self, start: int, length: int) -> bytes:
        """Up to `length` plain bytes from `start`; fewer only at the end. Raises Tampered."""
        end = min(start + length, self.size)
        parts: list[bytes] = []
        while start < end:
            number, inside = divmod(start, PIECE_BYTES)
            wanted = -(-end // PIECE_BYTES) - number
            for piece in self._pieces(number, min(wanted, AT_ONCE)):
                part = piece[inside : inside + end - start]
                if not part:
                    raise Tampered("the archived file is shorter than it says")
                parts.append(part)
                start += len(part)
                inside = 0
        return b"".join(parts)

    def _pieces(self, first: int, count: int) -> list[bytes]:
        if count == 1 and self._held[0] == first:
            return [self._held[1]]
        step = PIECE_BYTES + TAG_BYTES
        sealed = self._read_at(HEADER_BYTES + first * step, count * step)
        opened = [self._cipher.open(first + n, sealed[n * step : (n + 1) * step]) for n in range(count)]
        self._held = (first + count - 1, opened[-1])
        return opened
