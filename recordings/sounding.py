"""Where a leg of a recording sounds at all, for only there a recogniser listens; and whether as no speech does.

Half of a talk's two legs is silence, and it is not free: Vosk needs 0.05 s of a core for a second of it
(shared/speech.md section 1), and Whisper makes sentences of it. Only what nobody could understand is left
out: stretches without one sample above -50 dBFS. Pure; runs in the recogniser's process.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SoundRule:
    """When a leg counts as silent.

    `peak`: the greatest sample (of 32767) of a silent chunk; 100 is -50 dBFS, A-law's own silence is 8. `pause_s`: a
    silence shorter than that belongs to the speech. `margin_s`: so much before and after a sound is heard too, for a
    word that begins or ends softly.
    """

    peak: int = 100
    pause_s: float = 2.0
    margin_s: float = 0.4


def sounding(chunks: Iterable[bytes], rate: int, rule: SoundRule | None = None) -> list[tuple[float, float]]:
    """The spans that sound, in seconds from the first sample, in order and apart. Mono, 16 bit little endian.

    A span's end may lie up to `margin_s` behind the last sample.
    """
    import numpy as np  # only the recogniser's process comes here

    rule = rule or SoundRule()
    spans: list[tuple[float, float]] = []
    at = 0
    for chunk in chunks:
        samples = np.frombuffer(chunk, "<i2")
        begin, at = at, at + len(samples)
        if not len(samples) or (int(samples.max()) <= rule.peak and int(samples.min()) >= -rule.peak):
            continue
        start, end = max(0.0, begin / rate - rule.margin_s), at / rate + rule.margin_s
        if spans and start - spans[-1][1] < rule.pause_s - 2 * rule.margin_s:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    return spans


FRAME_S = 0.02
STEADY_DB = 5
"""Nine tenths of the frames of a noise or a tone differ by less. A sentence has vowels and pauses, 20 dB and more
apart, and still 8 dB over a noise that is only 10 dB softer than the voice."""


class Levels:
    """How loud the frames of 20 ms of a leg are, as counts by decibel: the memory does not grow with the leg."""

    def __init__(self, rate: int) -> None:
        self._frame = round(rate * FRAME_S)
        self._counts = [0] * 51

    def of(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The same chunks, counted as they pass; what is left of a chunk behind its last whole frame is not."""
        import numpy as np

        for chunk in chunks:
            samples = np.frombuffer(chunk, "<i2")
            frames = samples[: len(samples) // self._frame * self._frame].reshape(-1, self._frame).astype(np.float64)
            power = np.maximum((frames * frames).mean(axis=1) / 32768.0**2, 1e-12)
            for level in np.round(10.0 * np.log10(power)):
                if level >= -50:
                    self._counts[-int(level)] += 1
            yield chunk

    @property
    def steady(self) -> bool:
        """Whether all that sounds is equally loud, as noise, tones and the hum of a line are; False for half a second
        and less, and for silence."""
        total = sum(self._counts)
        if total * FRAME_S <= 0.5:
            return False
        return self._level(0.05 * total) - self._level(0.95 * total) < STEADY_DB

    def _level(self, place: float) -> int:
        """The level of the frame at this place, from the loudest on."""
        seen = 0
        for below, count in enumerate(self._counts):
            seen += count
            if seen >= place:
                return -below
        return -len(self._counts)
