"""The files of tickets (附件) on disk: each once, named by what is in it. A door: it touches the disk and blocks.

A file that two tickets have stands there once. What no ticket names does not stay: not what was refused, and not what
a process left that was killed. Until it is known what became of a file, its part (``.part-…``) stands there as a note.
"""

from __future__ import annotations

import hashlib
import os
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
        """Where the file with this digest stands, if there is one."""
        return self._folder / sha256[:2] / sha256

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


_PART = ".part-"
