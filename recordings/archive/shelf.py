"""DOOR to where archived files lie: the interface, and folders on a disk.

A shelf knows no call and no person: it keeps bytes under a key such as `2026/11/22/1795310400.17.flac`. A file on a
shelf is whole or not there, and is never changed. Everything blocks: call it in a worker thread.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
COPY_BYTES = 1024 * 1024


class ShelfError(Exception):
    """The shelf cannot do it; the message is one sentence that can be shown. Nothing on the shelf was changed."""


class ShelfAway(ShelfError):
    """The shelf does not answer, or answers that it cannot now: to be tried again later."""


class ShelfFull(ShelfError):
    """There is no room."""


class NotOnShelf(ShelfError):
    """Nothing lies under this key."""


class KeyTaken(ShelfError):
    """Another file lies under this key; it is never written over."""


class UnsafeKey(ValueError):
    """A key that is not of the form that this program writes: it might leave the shelf."""


class Shelf(Protocol):
    """Keeps whole files under keys."""

    def put(self, key: str, source: Path) -> None:
        """Keep a file; when it returns, the file has reached the disk. The same file again changes nothing.

        Raises KeyTaken when a file of another length lies there, ShelfFull, ShelfAway or another ShelfError.
        """
        ...

    def size(self, key: str) -> int | None:
        """Bytes of the file, or None when there is none. Raises ShelfError."""
        ...

    def read(self, key: str, start: int, length: int) -> bytes:
        """Up to `length` bytes from `start`, which lies within the file; fewer only at its end.

        Raises NotOnShelf, ShelfAway.
        """
        ...

    def erase(self, key: str) -> bool:
        """Take the file away; False when there was none. Raises ShelfError."""
        ...


def checked_key(key: str) -> str:
    """The key itself, if it is relative and made of plain names; else UnsafeKey. The key is not in the message."""
    parts = key.split("/")
    if not 1 <= len(parts) <= 8 or not all(_PART.fullmatch(part) for part in parts):
        raise UnsafeKey("not the key of an archived file")
    return key


def inside(root: Path, name: str) -> Path:
    """The file of this name below `root`. UnsafeKey for a name that leads out of it, also by a link."""
    path = root / checked_key(name)
    if not path.resolve().is_relative_to(root.resolve()):
        raise UnsafeKey("the name leads out of the folder")
    return path


class FolderShelf:
    """A shelf of folders below `root`, on this machine's disk or one that is mounted."""

    def __init__(self, root: Path) -> None:
        """`root` is made with the first file."""
        self._root = root

    def _path(self, key: str) -> Path:
        return inside(self._root, key)

    def put(self, key: str, source: Path) -> None:
        """See Shelf.put: written beside its place, flushed, renamed."""
        path = self._path(key)
        with _said(), source.open("rb") as given:
            if path.exists():
                if path.stat().st_size != os.fstat(given.fileno()).st_size:
                    raise KeyTaken("another file lies at this place in the archive")
                return
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._write(given, path)

    @staticmethod
    def _write(given: BinaryIO, path: Path) -> None:
        part = path.with_name(path.name + ".part")
        try:
            with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as target:
                shutil.copyfileobj(given, target, COPY_BYTES)
                target.flush()
                os.fsync(target.fileno())
            part.rename(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        _sync(path.parent)

    def size(self, key: str) -> int | None:
        """See Shelf.size."""
        path = self._path(key)
        with _said():
            return path.stat().st_size if path.exists() else None

    def read(self, key: str, start: int, length: int) -> bytes:
        """See Shelf.read."""
        with _said(), self._path(key).open("rb") as source:
            source.seek(start)
            return source.read(length)

    def erase(self, key: str) -> bool:
        """See Shelf.erase. Day folders that have become empty go too."""
        path = self._path(key)
        with _said():
            return erase_file(path, self._root)


def erase_file(path: Path, root: Path) -> bool:
    """Erase a file below `root` with the folders that it leaves empty; False when there was none. Raises OSError."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    _sync(path.parent)
    for folder in path.relative_to(root).parents:
        if folder == Path():
            break
        try:
            (root / folder).rmdir()
        except OSError:  # another recording of the day is in it
            break
    return True


@contextmanager
def _said() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise NotOnShelf("there is no such file in the archive") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ShelfFull("there is no room in the archive: free space, and it will be tried again") from error
        if error.errno in (errno.ESTALE, errno.EIO, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.ENOTCONN):
            raise ShelfAway(f"the archive's disk does not answer: {error.strerror}") from error
        raise ShelfError(f"the archive cannot be used: {error.strerror or error}") from error


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
