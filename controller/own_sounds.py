"""The hotline's own words for incident notices: A-law files in the data folder, and where Asterisk finds them.

A file is named by the beginning of its SHA-256, so the same recording is kept once. They are kept for good: an ended
notice names what was said.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from controller.asterisk_settings import mirror
from controller.asterisk_tree import service_account
from controller.notices import PLAYED

FOLDER = "own-sounds"
"""In the data folder: the sounds, in one folder for each language."""


class OwnSounds:
    """Blocks; for threads. `played`: Asterisk's folder of sounds, None where it is not ours to write."""

    def __init__(self, folder: Path, played: Path | None) -> None:
        self._folder, self._played = folder, played

    @property
    def possible(self) -> bool:
        """Whether what is kept here can be played."""
        return self._played is not None

    def keep(self, language: str, sound: bytes) -> str:
        """Write a sound and let Asterisk have it; gives its name. Raises OSError."""
        name = hashlib.sha256(sound).hexdigest()[:16]
        place = self._folder / language
        place.mkdir(mode=0o755, parents=True, exist_ok=True)
        part = place / f".{name}.part"
        with part.open("wb") as out:
            out.write(sound)
            out.flush()
            os.fsync(out.fileno())
        part.replace(place / f"{name}.alaw")
        self.publish()
        return name

    def publish(self) -> None:
        """Bring Asterisk's copies into agreement with the folder. Raises OSError."""
        if self._played is not None:
            self._played.mkdir(parents=True, exist_ok=True)
            mirror(self._folder, self._played / PLAYED, service_account())

    def has(self, language: str, name: str) -> bool:
        """Whether there is such a sound."""
        return (self._folder / language / f"{name}.alaw").is_file()
