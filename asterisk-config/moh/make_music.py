"""Makes the music on hold: `python asterisk-config/moh/make_music.py` writes hotline.alaw beside this file.

A slow pentatonic arpeggio (the five tones of 宫调, gong mode) with soft bell tones, composed and synthesised here,
hence free of anybody's rights. 28.8 s, 8 kHz A-law; the tails of the last tones ring on over the beginning, so the
loop has no seam. Plain Python; the same bytes on every machine.
"""

from __future__ import annotations

import functools
import math
from array import array
from pathlib import Path

RATE = 8000
BEAT_S = 0.45
"""One tone each 0.45 s: 64 tones are 28.8 s."""

PEAK = 0.22
"""Loudest sample, of full scale: about as loud as a calm voice, and no risk for a tired ear."""

GONG = {"C": 261.63, "D": 293.66, "E": 329.63, "G": 392.00, "A": 440.00}

BARS = (
    "C4 G4 C5 E5 G5 E5 C5 G4", "A3 E4 A4 C5 E5 C5 A4 E4", "D4 A4 D5 E5 A5 E5 D5 A4", "G3 D4 G4 A4 D5 A4 G4 D4",
    "C4 E4 G4 A4 C5 A4 G4 E4", "A3 C4 E4 A4 C5 E5 C5 A4", "D4 G4 A4 D5 G5 D5 A4 G4", "G3 D4 G4 D5 C5 A4 G4 E4",
)  # fmt: skip


def tones() -> list[float]:
    """The frequencies of the melody, in hertz, in order."""
    return [GONG[tone[0]] * 2.0 ** (int(tone[1]) - 4) for bar in BARS for tone in bar.split()]


@functools.cache
def bell(frequency: float) -> list[float]:
    """One soft bell tone of 2.4 s: three harmonics, the higher the sooner gone."""
    ring = int(2.4 * RATE)
    out = [0.0] * ring
    for harmonic, weight, fade in ((1, 1.0, 1.6), (2, 0.35, 2.6), (3, 0.12, 4.5)):
        if frequency * harmonic > 3300:
            continue
        step = 2.0 * math.pi * frequency * harmonic / RATE
        for n in range(ring):
            attack = min(1.0, n / (0.012 * RATE))
            release = min(1.0, (ring - n) / (0.05 * RATE))
            out[n] += weight * attack * release * math.exp(-fade * n / RATE) * math.sin(step * n)
    return out


def synthesise() -> list[float]:
    """The loop, as samples of -1 to 1; a tone's end wraps round to the beginning."""
    melody = tones()
    length = int(len(melody) * BEAT_S * RATE)
    out = [0.0] * length
    for number, frequency in enumerate(melody):
        start = int(number * BEAT_S * RATE)
        strong = 1.0 if number % 8 == 0 else 0.7 + 0.1 * math.sin(number)
        for n, sample in enumerate(bell(frequency)):
            out[(start + n) % length] += strong * sample
    loudest = max(abs(sample) for sample in out)
    return [sample * PEAK / loudest for sample in out]


def a_law(sample: float) -> int:
    """One sample in A-law (ITU-T G.711), even bits inverted."""
    value = max(-32768, min(32767, round(sample * 32767)))
    sign = 0x80 if value >= 0 else 0x00
    value = min(abs(value) >> 3, 4095) if value >= 0 else min((-value - 1) >> 3, 4095)
    exponent = max(value.bit_length() - 5, 0)
    mantissa = (value >> max(exponent, 1)) & 0x0F
    return (sign | (exponent << 4) | mantissa) ^ 0x55


def main() -> None:
    """Write hotline.alaw beside this file."""
    target = Path(__file__).with_name("hotline.alaw")
    target.write_bytes(array("B", (a_law(sample) for sample in synthesise())).tobytes())


if __name__ == "__main__":
    main()
