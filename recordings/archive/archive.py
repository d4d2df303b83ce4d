"""One recording into the archive and out again: coded, sealed, kept; read from any byte on.

The order is such that a crash at any instant loses nothing: the WAV goes only after its archived form has been coded,
checked, put on the shelf and found there with the right length, and after the store knows of it (which is the caller's
part). Doing it all again is harmless. Everything blocks.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from recordings.archive import form as forms
from recordings.archive import peaks, sealing
from recordings.archive.form import Form
from recordings.archive.keys import KeyRing, SealingKey
from recordings.archive.shelf import NotOnShelf, Shelf, ShelfError

RESERVE_BYTES = 64 * 1024 * 1024
"""So much of the disk is left to the recordings of live calls: they go before the archive."""

SEALED = ".sealed"
PEAKS = ".peaks"


@dataclass(frozen=True, slots=True)
class Archived:
    """A recording in the archive.

    `key`: where, on the shelf; `sha256` (hex) and `size_bytes` are of the coded file before it was sealed; `key_id`
    (hex) of the key that sealed it, empty = it is not sealed.
    """

    key: str
    form: Form
    size_bytes: int
    sha256: str
    key_id: str = ""

    @property
    def peaks_key(self) -> str:
        """Where its picture lies."""
        stem = self.key.removesuffix(SEALED)
        return stem.removesuffix(self.form.suffix) + PEAKS + (SEALED if self.key_id else "")


class ArchivedFile:
    """An archived file as it was before it was sealed, to be read from any byte on."""

    def __init__(self, size: int, read: Callable[[int, int], bytes]) -> None:
        """`read(start, length)` gives up to so many bytes."""
        self.size = size
        self.read = read

    def chunks(self, start: int, end: int, step: int = sealing.AT_ONCE * sealing.PIECE_BYTES) -> Iterator[bytes]:
        """The bytes from `start` up to `end`, in chunks that end where sealed pieces do."""
        while start < end:
            chunk = self.read(start, min(end, (start // step + 1) * step) - start)
            if not chunk:
                raise ShelfError("the archived file is shorter than it was")
            start += len(chunk)
            yield chunk


class Archive:
    """The archive: one shelf, the keys, and the form in which new recordings are kept."""

    def __init__(self, shelf: Shelf, form: Form, ring: KeyRing | None, workshop: Path) -> None:
        """`ring` None: nothing is sealed (and nothing sealed can be read). `workshop`: a folder on the disk for files
        on their way, which is made at need; what a crash leaves there may be erased (`clear`)."""
        self._shelf = shelf
        self._form = form
        self._ring = ring
        self._workshop = workshop

    def put(self, wav: Path, name: PurePosixPath) -> Archived:
        """Keep a finished recording under `name` (`2026/11/22/<call>.wav`); the WAV stays.

        What an earlier try, which did not end, has left there is replaced: ask only for a recording that the store does
        not know as archived. Raises FormError, RecordingError,
        ShelfError's kinds, OSError for a full disk.
        """
        with self._at_work() as folder:
            # The coder says no clear word when the disk is full: it is asked before, as coded and sealed are two files.
            if shutil.disk_usage(folder).free < 2 * wav.stat().st_size + RESERVE_BYTES:
                raise OSError(errno.ENOSPC, "no room on the disk to archive a recording; free space")
            coded = forms.encode(wav, folder / "coded", self._form)
            picture = folder / "peaks"
            picture.write_bytes(peaks.peaks_of(forms.blocks(wav)))
            key = self._ring.writing if self._ring is not None else None
            made = Archived(
                str(name.with_suffix(self._form.suffix)) + (SEALED if key else ""),
                self._form,
                coded.size_bytes,
                coded.sha256,
                key.id.hex() if key else "",
            )
            self._keep(made.key, coded.path, key, folder)
            self._keep(made.peaks_key, picture, key, folder)
        return made

    def _keep(self, key: str, plain: Path, sealed_by: SealingKey | None, folder: Path) -> None:
        given = plain
        if sealed_by is not None:
            given = folder / (plain.name + SEALED)
            sealing.seal(plain, given, sealed_by)
        # What lies there is of a try that was cut off: the store was never told of it, so nobody relies on it; and it
        # need not be the same bytes, since coders and seals put random numbers into their files.
        self._shelf.erase(key)
        self._shelf.put(key, given)
        if self._shelf.size(key) != given.stat().st_size:
            raise ShelfError("the archive holds another length than it was given")

    @contextmanager
    def _at_work(self) -> Iterator[Path]:
        self._workshop.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=self._workshop) as folder:
            yield Path(folder)

    def open(self, there: Archived) -> ArchivedFile:
        """The coded recording. Raises NotOnShelf, ShelfAway, SealError."""
        return self._open(there.key, bool(there.key_id))

    def peaks(self, there: Archived) -> bytes:
        """Its picture (`recordings.archive.peaks`). Raises as `open` does."""
        file = self._open(there.peaks_key, bool(there.key_id))
        return b"".join(file.chunks(0, file.size))

    def _open(self, key: str, sealed: bool) -> ArchivedFile:
        if not sealed:
            size = self._shelf.size(key)
            if size is None:
                raise NotOnShelf("there is no such file in the archive")
            return ArchivedFile(size, lambda start, length: self._shelf.read(key, start, length))
        keys = self._ring.by_id if self._ring is not None else {}
        reader = sealing.SealedReader(lambda start, length: self._shelf.read(key, start, length), keys)
        return ArchivedFile(reader.size, reader.read)

    def erase(self, there: Archived) -> bool:
        """Take the recording and its picture away; False when the recording was gone already. Raises ShelfError."""
        self._shelf.erase(there.peaks_key)
        return self._shelf.erase(there.key)

    def ask(self) -> None:
        """Ask the shelf whether it answers. Raises ShelfError."""
        self._shelf.size("asked" + PEAKS)

    def clear(self) -> None:
        """Erase what a crash has left in the workshop; nobody may be at work."""
        for folder in self._workshop.glob("*") if self._workshop.is_dir() else ():
            for file in folder.glob("*"):
                file.unlink()
            os.rmdir(folder)
