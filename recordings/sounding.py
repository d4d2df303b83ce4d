"""Where a leg of a recording sounds at all: only there a recogniser listens.

Half of a talk's two legs is silence, and it is not free: Vosk needs 0.05 s of a core for a second of it
(shared/speech.md section 1), and Whisper makes sentences of it. Only what nobody could understand is left
out: stretches without one sample above -50 dBFS. Pure; runs in the recogniser's process.
"""

from __future__ import annotations

from collections.abc import Iterable
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
