"""What a scripted phone heard: which prompt, which tones, how long a silence. Pure measurements on PCM."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

from controller.softphone.audio import Pcm, load, tone_share

RATE = 8000


def prompt_heard(heard: Pcm, prompt: Pcm, *, part: tuple[float, float] = (0.0, 1.0)) -> float:
    """How surely a part of a prompt occurs in what was heard: the normalised correlation, 1.0 = sample for sample.

    `part` is the share of the prompt that is looked for, such as (0.6, 1.0) for its end.
    """
    begin, end = int(part[0] * len(prompt)), int(part[1] * len(prompt))
    sought = prompt[begin:end].astype(np.float64)
    whole = heard.astype(np.float64)
    energy = float(np.sqrt(np.sum(sought**2)))
    if len(whole) < len(sought) or energy == 0:
        return 0.0
    size = 1 << (len(whole) + len(sought) - 1).bit_length()
    products = np.fft.irfft(np.fft.rfft(whole, size) * np.conj(np.fft.rfft(sought, size)), size)
    products = products[: len(whole) - len(sought) + 1]
    sums = np.concatenate(([0.0], np.cumsum(whole**2)))
    windows = np.sqrt(np.maximum(sums[len(sought) :] - sums[: -len(sought)], 1.0))
    return float(np.max(products / (windows * energy)))


def leg_of(recording: Path, leg: int) -> Pcm:
    """One leg of a sealed recording: 0 = the caller, 1 = what he heard."""
    with wave.open(str(recording), "rb") as file:
        frames = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
        return frames.reshape(-1, file.getnchannels())[:, leg].copy()


def tone_seconds(pcm: Pcm, hz: float, *, share: float = 0.2) -> float:
    """For how many seconds a tone holds at least this share of the energy, alone or mixed with others."""
    step = RATE // 10
    windows = [pcm[start : start + step] for start in range(0, len(pcm) - step + 1, step)]
    return 0.1 * sum(bool(np.any(window)) and tone_share(window, hz) >= share for window in windows)


def longest_gap(times: list[float]) -> float:
    """The longest time between two arrivals of sound, in seconds."""
    return max((later - earlier for earlier, later in zip(times, times[1:], strict=False)), default=0.0)


def sound(home: Path, name: str) -> Pcm:
    """A prompt (``zh/welcome``) as PCM."""
    return load(home / "ivr" / "sounds" / f"{name}.alaw")
