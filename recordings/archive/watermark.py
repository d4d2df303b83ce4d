"""A noise in exported sound, far below hearing, that names the export: what leaks can be traced.

Spread spectrum, after Cox, Kilian, Leighton, Shamoon, "Secure Spread Spectrum Watermarking for Multimedia" (1997): a
sequence of +1 and -1 that follows from the export's id is added to every leg, 72 dB below full scale, where a telephone
line's own noise is as loud. Whoever has the id finds it again by correlation, though the copy was cut, made softer,
mixed to one leg, or coded as A-law, Opus or MP3 (tests/doors/test_export.py). It names the export among those that the
audit trail knows; it proves nothing alone; another speed, louder noise, or somebody who knows how takes it out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

RATE = 8000
PERIOD = 65_536
"""Samples after which the sequence begins anew: 8.2 s."""
LOUDNESS = 8
"""Of 32768: -72 dBFS."""
CERTAIN = 8.0
"""So many standard deviations are taken for the mark: chance gives as much once in 10^15 tries, and each id is tried at
65536 places."""
_LEVEL_OVER = 64


def sound_of(path: Path) -> Iterator[npt.NDArray[np.int16]]:
    """The samples of any sound file of 8 kHz, block by block. Raises FormError, OSError."""
    import soundfile

    from recordings.archive.form import FormError

    with path.open("rb") as opened:
        try:
            with soundfile.SoundFile(opened) as sound:
                if sound.samplerate != RATE:
                    raise FormError(f"{path.name} has {sound.samplerate} samples a second; bring it to {RATE} first")
                while len(block := sound.read(PERIOD, dtype="int16", always_2d=True)):
                    yield block
        except soundfile.LibsndfileError as error:
            raise FormError(f"{path.name} is no sound that can be read: {error.error_string}") from error


class Watermark:
    """The mark of one export."""

    def __init__(self, id: str) -> None:  # noqa: A002 - the field's name
        import numpy as np

        bits = hashlib.shake_256(b"hotline export " + id.encode()).digest(PERIOD // 8)
        self.sequence = np.unpackbits(np.frombuffer(bits, np.uint8)).astype(np.int16) * 2 - 1

    def put(self, block: npt.NDArray[np.int16], at: int) -> npt.NDArray[np.int16]:
        """These frames, of which the first is number `at` of the recording, with the mark on every leg."""
        import numpy as np

        places = (np.arange(at, at + len(block)) % PERIOD).astype(np.intp)
        noise = self.sequence[places].astype(np.int32) * LOUDNESS
        return np.clip(block.astype(np.int32) + noise[:, None], -32768, 32767).astype(np.int16)


class Tracer:
    """Looks for marks in a sound: `feed` it with all samples (frames by legs), then ask for the ids."""

    def __init__(self) -> None:
        import numpy as np

        self._folded = np.zeros(PERIOD)
        self._at = 0

    def feed(self, blocks: Iterable[npt.NDArray[np.int16]]) -> None:
        """The sound, at 8 kHz, block by block."""
        import numpy as np

        for block in blocks:
            # Speech is made as quiet as its pauses are, where the mark is nearly all there is; and neighbours are
            # taken from each other, since speech changes slowly and the mark does not.
            sound = block.astype(np.float64)
            sound = np.diff(sound, axis=0, prepend=sound[:1])
            whole = -(-len(sound) // _LEVEL_OVER) * _LEVEL_OVER
            padded = np.pad(sound, ((0, whole - len(sound)), (0, 0)))
            pieces = padded.reshape(-1, _LEVEL_OVER, sound.shape[1])
            level = np.sqrt((pieces**2).mean(axis=1, keepdims=True)) + 1.0
            flat = (pieces / level**2).reshape(whole, -1)[: len(sound)].sum(axis=1)
            places = (np.arange(self._at, self._at + len(flat))) % PERIOD
            np.add.at(self._folded, places, flat)
            self._at += len(flat)

    def certainty(self, id: str) -> float:  # noqa: A002 - the field's name
        """How many standard deviations speak for this export's mark, wherever the copy begins."""
        import numpy as np

        sequence = Watermark(id).sequence.astype(np.float64)
        sequence = np.diff(sequence, prepend=sequence[-1:])
        found = np.fft.irfft(np.fft.rfft(self._folded) * np.conj(np.fft.rfft(sequence)), PERIOD)
        spread = found.std()
        return float(found.max() / spread) if spread > 0 else 0.0

    def traced(self, ids: Sequence[str]) -> list[tuple[str, float]]:
        """Those of the ids whose mark is in the sound, the most certain one first."""
        found = [(id, self.certainty(id)) for id in ids]
        return sorted((one for one in found if one[1] >= CERTAIN), key=lambda one: -one[1])
