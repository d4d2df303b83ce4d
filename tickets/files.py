"""The files of tickets (附件) on disk: each once, named by what is in it. A door: it touches the disk and blocks.

A file that two tickets have stands there once. One that was written for a move which was then refused stays and
belongs to no ticket; its name says nothing of anybody.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
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
        """Where the file with this digest stands, if there is one."""
        return _place(self._folder, sha256)


def _place(folder: Path, digest: str) -> Path:
    return folder / digest[:2] / digest
