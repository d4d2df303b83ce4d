"""Sound: G.711 A-law, tones and their measurement, sound files.  Everything is 8 kHz, one channel, int16.

A-law by ITU-T G.711 (13-bit values scaled to 16 bits, even bits inverted); the tables are computed once.
"""

from __future__ import annotations

import math
import wave
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

__all__ = [
    "FRAME",
    "RATE",
    "SILENCE",
    "AudioFormatError",
    "Pcm",
    "Tone",
    "decode_alaw",
    "dominant",
    "encode_alaw",
    "level_dbfs",
    "load",
    "save_wav",
    "tone",
    "tone_alaw",
    "tone_share",
]

Pcm = npt.NDArray[np.int16]

RATE = 8000
"""Samples a second."""
FRAME = 160
"""Samples in one RTP packet: 20 ms, the customary packet time of G.711."""
SILENCE = b"\xd5" * FRAME
"""A frame of A-law zero."""


class AudioFormatError(ValueError):
    """A sound file that is not what its name says, or a kind that we cannot read."""


def _decode_table() -> Pcm:
    codes = np.arange(256, dtype=np.int32) ^ 0x55
    exponent, mantissa = (codes >> 4) & 7, codes & 15
    linear = np.where(exponent == 0, (mantissa << 4) + 8, ((mantissa << 4) + 0x108) << np.maximum(exponent - 1, 0))
    return np.where(codes & 0x80, linear, -linear).astype(np.int16)


def _encode_table() -> npt.NDArray[np.uint8]:
    values = np.arange(-32768, 32768, dtype=np.int32)
    magnitude = np.where(values >= 0, values, -values - 1) >> 4  # 12 bits; a negative value by its one's complement
    exponent = np.zeros_like(magnitude)
    for segment in range(1, 8):
        exponent = np.where(magnitude >= 1 << (segment + 3), segment, exponent)
    mantissa = (magnitude >> np.maximum(exponent - 1, 0)) & 15
    codes = (exponent << 4 | mantissa | np.where(values >= 0, 0x80, 0)) ^ 0x55
    return np.asarray(codes, dtype=np.uint8)


_DECODE = _decode_table()
_ENCODE = _encode_table()


def decode_alaw(data: bytes) -> Pcm:
    """A-law bytes to samples."""
    return _DECODE[np.frombuffer(data, dtype=np.uint8)]


def encode_alaw(pcm: Pcm) -> bytes:
    """Samples to A-law bytes, one each."""
    return _ENCODE[pcm.astype(np.int32) + 32768].tobytes()


@dataclass(frozen=True, slots=True)
class Tone:
    """A sine of `hz`, `level` dB below full scale (negative), for `seconds` or without end (None)."""

    hz: float
    seconds: float | None = None
    level: float = -12.0

    def samples(self) -> Pcm:
        """The tone; an endless one gives the shortest whole number of cycles in full seconds (at most 10 s)."""
        seconds = self.seconds
        if seconds is None:
            whole = (n for n in range(1, 11) if abs(n * self.hz - round(n * self.hz)) < 1e-6)
            seconds = float(next(whole, 10))
        return tone(self.hz, seconds, self.level)


@lru_cache(maxsize=64)
def tone_alaw(sound: Tone) -> bytes:
    """A tone as A-law bytes; kept, because many calls play the same one."""
    return encode_alaw(sound.samples())


def tone(hz: float, seconds: float, level: float = -12.0) -> Pcm:
    """A sine; `level` in dB relative to a full-scale sine."""
    if not 0 < hz < RATE / 2:
        raise ValueError("a tone lies between 0 and 4000 Hz")
    time = np.arange(round(seconds * RATE)) / RATE
    return np.asarray(np.round(32767 * 10 ** (level / 20) * np.sin(2 * np.pi * hz * time)), dtype=np.int16)


def level_dbfs(pcm: Pcm) -> float:
    """Level in dB relative to a full-scale sine; -inf for digital silence or nothing."""
    if len(pcm) == 0:
        return -math.inf
    power = float(np.mean(np.square(pcm.astype(np.float64))))
    return 10 * math.log10(power / (32767**2 / 2)) if power > 0 else -math.inf


def tone_share(pcm: Pcm, hz: float) -> float:
    """Share (0..1) of the sound's energy that is a sine of `hz` (Goertzel's measure); 1 for the pure tone.

    The measure is as sharp as the window is long: about 50 Hz for 20 ms, 2 Hz for half a second.
    """
    values = pcm.astype(np.float64)
    energy = float(np.dot(values, values))
    if energy == 0:
        return 0.0
    angle = 2 * np.pi * hz / RATE * np.arange(len(values))
    real, imaginary = float(np.dot(values, np.cos(angle))), float(np.dot(values, np.sin(angle)))
    return min(1.0, 2 * (real * real + imaginary * imaginary) / (len(values) * energy))


def dominant(pcm: Pcm) -> tuple[float, float]:
    """The strongest frequency in Hz and the level of the whole in dBFS; (0.0, -inf) for silence."""
    level = level_dbfs(pcm)
    if math.isinf(level) or len(pcm) < 8:
        return 0.0, level
    size = len(pcm) * 4  # zero padding makes the parabola through the peak fit well
    spectrum = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm)), size))
    spectrum[: max(1, 4 * size // RATE)] = 0  # no DC
    peak = int(np.argmax(spectrum))
    offset = 0.0
    if 0 < peak < len(spectrum) - 1 and spectrum[peak] > 0:
        left, mid, right = (float(np.log(spectrum[i] + 1e-12)) for i in (peak - 1, peak, peak + 1))
        curve = left - 2 * mid + right
        offset = (left - right) / (2 * curve) if curve else 0.0
    return (peak + offset) * RATE / size, level


def _decimate(pcm: Pcm, factor: int) -> Pcm:
    """Lower the rate by a whole factor behind a windowed-sinc low-pass at 90 % of the new half rate."""
    taps = 16 * factor + 1
    place = np.arange(taps) - taps // 2
    kernel = np.sinc(0.9 * place / factor) * np.blackman(taps)
    filtered = np.convolve(pcm.astype(np.float64), kernel / kernel.sum(), "same")[::factor]
    return np.clip(np.round(filtered), -32768, 32767).astype(np.int16)


def load(path: str | Path) -> Pcm:
    """Read `.alaw`/`.al` (raw A-law, 8 kHz) or `.wav` (16-bit, mono, 8 kHz or a multiple; or A-law, 8 kHz).

    Raises AudioFormatError for anything else, OSError if it cannot be read.
    """
    path = Path(path)
    data = path.read_bytes()
    if path.suffix.lower() in (".alaw", ".al"):
        return decode_alaw(data)
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise AudioFormatError(f"{path.name} is neither raw A-law by its name nor a wav file")
    position, form, sound = 12, b"", b""
    while position + 8 <= len(data):
        size = int.from_bytes(data[position + 4 : position + 8], "little")
        chunk = data[position + 8 : position + 8 + size]
        if data[position : position + 4] == b"fmt ":
            form = chunk
        elif data[position : position + 4] == b"data":
            sound = chunk
        position += 8 + size + (size & 1)
    if len(form) < 16:
        raise AudioFormatError(f"{path.name} has no format chunk")
    kind, channels = int.from_bytes(form[0:2], "little"), int.from_bytes(form[2:4], "little")
    rate, bits = int.from_bytes(form[4:8], "little"), int.from_bytes(form[14:16], "little")
    if channels != 1:
        raise AudioFormatError(f"{path.name} has {channels} channels; one is needed")
    if kind == 6 and bits == 8 and rate == RATE:
        return decode_alaw(sound)
    if kind != 1 or bits != 16 or rate % RATE:
        raise AudioFormatError(f"{path.name}: 16-bit PCM of 8 kHz or a multiple, or A-law, is needed")
    pcm = np.frombuffer(sound[: len(sound) // 2 * 2], dtype="<i2").astype(np.int16)
    return pcm if rate == RATE else _decimate(pcm, rate // RATE)


def save_wav(path: str | Path, pcm: Pcm) -> None:
    """Write samples as a 16-bit wav file of 8 kHz."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(pcm.astype("<i2").tobytes())
