"""Arithmetic on speech: A-law, sampling rates, level, silences.

Pure: arrays in, arrays out.  Samples are float32 with full scale 1.0 unless a name says otherwise.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Samples: TypeAlias = npt.NDArray[np.float32]

RATE = 8000
"""Samples per second on the telephone line (G.711)."""

_FRAME_MS = 10
_ACTIVE_BELOW_LOUDEST_DB = 30.0  # a frame this far below the loudest one belongs to a pause, not to speech
_AUDIBLE_BELOW_ACTIVE_DB = 36.0  # consonants' beginnings and ends are quieter than that only inaudibly so
_FADE_MS = 4
_TINY = 1e-9


@cache
def alaw_table() -> npt.NDArray[np.int16]:
    """The 16-bit value of each of the 256 A-law bytes (ITU-T G.711, table 1a; even bits inverted)."""
    table = np.empty(256, np.int16)
    for code in range(256):
        bits = code ^ 0x55
        exponent, mantissa = bits >> 4 & 7, bits & 15
        size = (mantissa << 4) + 8 if exponent == 0 else ((mantissa << 4) + 0x108) << (exponent - 1)
        table[code] = size if bits & 0x80 else -size
    return table


def alaw_decode(raw: bytes) -> Samples:
    """Samples of raw A-law bytes."""
    return (alaw_table()[np.frombuffer(raw, np.uint8)] / 32768.0).astype(np.float32)


def alaw_encode(samples: Samples) -> bytes:
    """Raw A-law bytes, each the code nearest to its sample; louder than full scale is clipped."""
    codes = np.argsort(alaw_table(), kind="stable")
    values = alaw_table()[codes].astype(np.float32)
    middles = (values[:-1] + values[1:]) / 2
    return bytes(codes[np.searchsorted(middles, samples * 32768.0)].astype(np.uint8))


def resample(samples: Samples, rate_in: int, rate_out: int) -> Samples:
    """Change the sampling rate by a polyphase windowed-sinc filter (Kaiser, about 70 dB stop band)."""
    if rate_in == rate_out or not len(samples):
        return samples
    shared = math.gcd(rate_in, rate_out)
    up, down = rate_out // shared, rate_in // shared
    cutoff = 0.93 * min(1.0, rate_out / rate_in)  # relative to the input's Nyquist frequency
    half = math.ceil(24 / cutoff)  # taps to each side, in input samples: a transition band of about 10 %
    padded = np.pad(samples.astype(np.float64), (half, half + 1))
    out = np.empty(-(-len(samples) * up // down), np.float64)
    taps = np.arange(-half, half + 1)
    for phase in range(up):
        at = np.arange(phase, len(out), up)
        if not len(at):
            break
        whole, fraction = divmod(int(at[0]) * down, up)
        x = taps - fraction / up
        window = np.i0(6.5 * np.sqrt(np.clip(1 - (x / (half + 1)) ** 2, 0, None))) / np.i0(6.5)
        kernel = cutoff * np.sinc(cutoff * x) * window
        starts = whole + down * np.arange(len(at))
        view = np.lib.stride_tricks.sliding_window_view(padded, len(taps))
        out[at] = view[starts] @ (kernel / kernel.sum())
    return out.astype(np.float32)


def frame_levels(samples: Samples) -> npt.NDArray[np.float64]:
    """Level of each 10 ms frame at 8 kHz, dB below full scale (the rest after the last is left out)."""
    size = RATE * _FRAME_MS // 1000
    frames = samples[: len(samples) // size * size].reshape(-1, size).astype(np.float64)
    return np.asarray(20 * np.log10(np.sqrt((frames**2).mean(axis=1)) + _TINY))


def active_level(samples: Samples) -> float:
    """Level of the speech without its pauses, dB below full scale (after ITU-T P.56, by frames)."""
    levels = frame_levels(samples)
    if not len(levels):
        return -math.inf
    active = levels[levels > levels.max() - _ACTIVE_BELOW_LOUDEST_DB]
    return float(10 * np.log10((10 ** (active / 10)).mean()))


def peak_level(samples: Samples) -> float:
    """The largest sample, dB below full scale."""
    return float(20 * np.log10(np.abs(samples).max(initial=0.0) + _TINY))


def set_level(samples: Samples, active_dbfs: float, peak_dbfs: float) -> Samples:
    """Bring speech to ``active_dbfs``, or as near as no sample above ``peak_dbfs`` allows."""
    centred = samples - samples.mean(dtype=np.float64)
    gain = min(active_dbfs - active_level(centred), peak_dbfs - peak_level(centred))
    return np.asarray(centred * 10 ** (gain / 20), np.float32)


def trim(samples: Samples, lead_ms: int, tail_ms: int) -> Samples:
    """Cut the silence before and after to ``lead_ms`` and ``tail_ms``, with soft ends.

    Where less silence stands than asked for, silence is added, so that every prompt sits alike.
    """
    audible = np.flatnonzero(frame_levels(samples) > active_level(samples) - _AUDIBLE_BELOW_ACTIVE_DB)
    if not len(audible):
        return samples
    size = RATE * _FRAME_MS // 1000
    begin, end = int(audible[0]) * size, int(audible[-1] + 1) * size
    lead, tail = RATE * lead_ms // 1000, RATE * tail_ms // 1000
    cut = samples[max(0, begin - lead) : end + tail].copy()
    ramp = np.linspace(0, 1, min(RATE * _FADE_MS // 1000, len(cut)), dtype=np.float32)
    cut[: len(ramp)] *= ramp
    cut[len(cut) - len(ramp) :] *= ramp[::-1]
    return np.pad(cut, (max(0, lead - begin), max(0, end + tail - len(samples))))


def pauses(samples: Samples, at_least_ms: int) -> list[tuple[int, int]]:
    """Pauses within the speech, as (first, last) sample at 8 kHz, at least ``at_least_ms`` long."""
    quiet = frame_levels(samples) <= active_level(samples) - _AUDIBLE_BELOW_ACTIVE_DB
    edges = np.flatnonzero(np.diff(np.r_[0, quiet.astype(np.int8), 0]))
    size = RATE * _FRAME_MS // 1000
    found = [(int(a) * size, int(b) * size) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    inner = [(a, b) for a, b in found if a > 0 and b < len(quiet) * size]
    return [(a, b) for a, b in inner if b - a >= RATE * at_least_ms // 1000]


def shorten_pauses(samples: Samples, longest_ms: int) -> Samples:
    """Cut each longer pause within the speech to ``longest_ms``, from its middle."""
    longest = RATE * longest_ms // 1000
    for begin, end in reversed(pauses(samples, longest_ms + 1)):
        keep = longest // 2
        samples = np.concatenate([samples[: begin + keep], samples[end - (longest - keep) :]])
    return samples
