"""The files of tickets (附件) on disk: each once, named by what is in it. A door: it touches the disk and blocks.

A file that two tickets have stands there once. One that was written for a move which was then refused stays and
belongs to no ticket; its name says nothing of anybody.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
from pathlib import Path


class Incoming:
    """A file that is being received; nobody sees it before `keep`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        handle, name = tempfile.mkstemp(dir=folder, prefix=".part-")  # mkstemp gives mode 0600
        self._file = os.fdopen(handle, "wb")
        self._part = Path(name)
        self._hash = hashlib.sha256()
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
        place = _place(self._folder, digest)
        place.parent.mkdir(mode=0o700, exist_ok=True)
        self._part.replace(place)
        return digest

    def drop(self) -> None:
        """Give it up, if it has not been kept."""
        self._file.close()
        with contextlib.suppress(FileNotFoundError):
            self._part.unlink()


class AttachmentFiles:
    """All files of tickets, below one folder of mode 0700."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin(self) -> Incoming:
        """Begin to receive one. Raises OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Incoming(self._folder)

    def path(self, sha256: str) -> Path:
        """Where the file with this digest stands, if there is one. ValueError for what is no digest."""
        return _place(self._folder, sha256)

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


def _place(folder: Path, digest: str) -> Path:
    if not _DIGEST.fullmatch(digest):
        raise ValueError("this is no digest")  # never a path out of the folder
    return folder / digest[:2] / digest
