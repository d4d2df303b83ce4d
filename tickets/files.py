"""The files of tickets (附件) on disk: each once, named by what is in it. A door: it touches the disk and blocks.

A file that two tickets have stands there once. What no ticket names does not stay: not what was refused, and not what
a process left that was killed. Until it is known what became of a file, its part (``.part-…``) stands there as a note.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path


class Incoming:
    """A file that is being received; nobody sees it before `keep`. It ends with `named`, `drop` or `leave`."""

    def __init__(self, files: AttachmentFiles, folder: Path) -> None:
        self._files = files
        handle, name = tempfile.mkstemp(dir=folder, prefix=_PART)  # mkstemp gives mode 0600
        self._file = os.fdopen(handle, "wb")
        self._part = Path(name)
        self._hash = hashlib.sha256()
        self._kept: str | None = None
        self.size = 0

    def write(self, data: bytes) -> None:
        """The next bytes. Raises OSError."""
        self._file.write(data)
        self._hash.update(data)
        self.size += len(data)

    def keep(self) -> str:
        """Make it durable, and give its SHA-256 in hexadecimal. Raises OSError."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        digest = self._hash.hexdigest()
        self._files.hold(self._part, digest)
        self._kept = digest
        return digest

    def named(self) -> None:
        """A ticket names it now."""
        self._end(named=True)

    def drop(self) -> None:
        """It is not taken: nothing of it stays, unless it is another ticket's too. After `named` nothing happens."""
        self._end(named=False)

    def leave(self) -> None:
        """What became of it is not known: `AttachmentFiles.settle` finds that out at the next start."""
        self._file.close()

    def _end(self, *, named: bool) -> None:
        self._file.close()
        if self._kept is not None:
            digest, self._kept = self._kept, None
            self._files.release(digest, named=named)
        self._part.unlink(missing_ok=True)


@dataclass(slots=True)
class _Held:
    """A file with people at it of whom it is not known yet whether their ticket names it.

    `ours`: it was not there before them.
    """

    holders: int = 0
    ours: bool = False
    named: bool = False


class AttachmentFiles:
    """All files of tickets, below one folder of mode 0700. One process at a time uses it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[str, _Held] = {}
        self._lock = threading.Lock()

    def begin(self) -> Incoming:
        """Begin to receive one. Raises OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Incoming(self, self._folder)

    def path(self, sha256: str) -> Path:
        """Where the file with this digest stands, if there is one. ValueError for what is no digest."""
        return _place(self._folder, sha256)

    def hold(self, part: Path, digest: str) -> None:
        """Put a part where it belongs; it stands there at least until `release`. Raises OSError."""
        place = self.path(digest)
        with self._lock:
            place.parent.mkdir(mode=0o700, exist_ok=True)
            held = self._held.get(digest, _Held())
            if not place.exists():
                try:
                    os.link(part, place)
                except OSError:  # a file system that knows no second name for a file: then it goes without the note
                    part.replace(place)
                held.ours = True
            elif part.samefile(place):  # put there by a process that was killed
                held.ours = True
            held.holders += 1
            self._held[digest] = held

    def release(self, digest: str, *, named: bool) -> None:
        """One who held it knows now whether his ticket names it; the last one takes away what nobody names."""
        with self._lock:
            held = self._held[digest]
            held.holders -= 1
            held.named = held.named or named
            if held.holders == 0:
                del self._held[digest]
                if held.ours and not held.named:
                    self.path(digest).unlink(missing_ok=True)

    def left(self) -> list[tuple[Path, str]]:
        """The parts that another process has left, with their digests; to be asked before anything is received.

        Each is held until it is settled. Raises OSError.
        """
        found = []
        for part in sorted(self._folder.glob(f"{_PART}*")):
            with part.open("rb") as opened:
                digest = hashlib.file_digest(opened, "sha256").hexdigest()
            if self.path(digest).exists():
                self.hold(part, digest)
                found.append((part, digest))
            else:  # interrupted before it was whole
                part.unlink(missing_ok=True)
        return found

    def settle(self, part: Path, digest: str, *, named: bool) -> None:
        """Whether a ticket names what was left is known now. Raises OSError."""
        self.release(digest, named=named)
        part.unlink(missing_ok=True)

    # ------------------------------------------------------------ in pieces, from another installation

    def arrived(self, source: str, sha256: str) -> int:
        """How many bytes of a file `source` has sent so far."""
        try:
            return self._part(source, sha256).stat().st_size
        except FileNotFoundError:
            return 0

    def add(self, source: str, sha256: str, offset: int, data: bytes) -> int:
        """The next bytes of a file; how many there are then. A piece that does not follow changes nothing.

        Of one source so many files are begun at once (`BEGUN_MAX`), the oldest is given up. Raises OSError.
        """
        part = self._part(source, sha256)
        have = self.arrived(source, sha256)
        if offset != have:
            return have
        if have == 0:
            part.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            begun = sorted(part.parent.glob(f".from-{source}-*"), key=lambda one: one.stat().st_mtime)
            for old in begun[: max(0, len(begun) + 1 - BEGUN_MAX)]:
                old.unlink(missing_ok=True)
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(handle, "ab") as file:
            file.write(data)
        return have + len(data)

    def complete(self, source: str, sha256: str) -> bool:
        """The last piece is here: keep the file if it is the one that was announced, else forget all of it.

        Raises OSError.
        """
        part = self._part(source, sha256)
        with part.open("rb") as file:
            right = hashlib.file_digest(file, "sha256").hexdigest() == sha256
            if right:
                os.fsync(file.fileno())
        if not right:
            part.unlink()
            return False
        place = _place(self._folder, sha256)
        with self._lock:
            if sha256 in self._held:
                self._held[sha256].named = True  # whoever uploads the same at this moment must not take it away again
            place.parent.mkdir(mode=0o700, exist_ok=True)
            part.replace(place)
        return True

    def _part(self, source: str, sha256: str) -> Path:
        if not _SOURCE.fullmatch(source) or not _DIGEST.fullmatch(sha256):
            raise ValueError("no name of an installation, or no digest")
        return self._folder / f".from-{source}-{sha256}"


BEGUN_MAX = 8
"""Files that one installation may have begun and not completed: they lie on the disk and belong to nobody."""

_SOURCE = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


_PART = ".part-"


def _place(folder: Path, digest: str) -> Path:
    if not _DIGEST.fullmatch(digest):
        raise ValueError("this is no digest")  # never a path out of the folder
    return folder / digest[:2] / digest
