"""Who spoke when: spans of speech on each leg of a recording, by the energy of frames of 20 ms. Pure.

Our own rule and no library: on telephone speech with noise it finds what webrtcvad finds (`docs/inspection.md` has
both figures), and it says of a hum or a tone that it is none. The noise of a leg is what its quieter moments hold, over
the minute around; speech stands out of it by some decibels.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from recordings.inspection.thresholds import ActivityRule, Span

FRAME_S = 0.02
FULL_SCALE_DB = 20 * math.log10(32768)
NOTHING_DBFS = -96.0
"""A frame of digital silence: below one step of 16 bits."""


class LegLevels:
    """The level of each frame of each leg, from samples that pass by in blocks of any length.

    What is kept is 4 bytes for 20 ms of a leg: 3 MB for four hours.
    """

    def __init__(self, legs: int, rate: int) -> None:
        self._legs, self._step = legs, round(rate * FRAME_S)
        self._rest = np.zeros((0, legs), np.int16)
        self._levels: list[npt.NDArray[np.float32]] = []
        self.samples = 0

    def feed(self, block: npt.NDArray[np.int16]) -> None:
        """The next samples: frames by legs."""
        self.samples += len(block)
        whole = np.concatenate([self._rest, block]) if len(self._rest) else block
        count = len(whole) // self._step
        self._rest = whole[count * self._step :].copy()
        if count:
            self._levels.append(_dbfs(whole[: count * self._step].reshape(count, self._step, self._legs)))

    def levels(self) -> npt.NDArray[np.float32]:
        """dBFS of every frame (rows) on every leg (columns); a last piece shorter than a frame counts as one."""
        parts = list(self._levels)
        if len(self._rest):
            parts.append(_dbfs(self._rest[None, :, :]))
        return np.concatenate(parts) if parts else np.zeros((0, self._legs), np.float32)


def _dbfs(frames: npt.NDArray[np.int16]) -> npt.NDArray[np.float32]:
    power = np.mean(np.square(frames.astype(np.float32)), axis=1)
    levels: npt.NDArray[np.float32] = 10 * np.log10(np.maximum(power, np.float32(1e-3))) - np.float32(FULL_SCALE_DB)
    return np.maximum(levels, np.float32(NOTHING_DBFS))


def speech_of(levels: npt.NDArray[np.float32], rule: ActivityRule) -> tuple[Span, ...]:
    """The spans of speech on one leg, given the levels of its frames; in order, apart from each other."""
    if not len(levels):
        return ()
    active = levels > np.maximum(_noise(levels, rule) + rule.margin_db, rule.least_dbfs)
    runs = _closed(_runs(active), round(rule.close_s / FRAME_S))
    kept = [
        (begin, end)
        for begin, end in runs
        if (end - begin) * FRAME_S >= rule.shortest_s and not _steady(levels[begin:end], rule)
    ]
    return tuple((round(begin * FRAME_S, 2), round(end * FRAME_S, 2)) for begin, end in kept)


def _noise(levels: npt.NDArray[np.float32], rule: ActivityRule) -> npt.NDArray[np.float32]:
    """The noise under each frame. Frames of digital silence say nothing of it: a line that is cut is no quiet room."""
    step = max(1, round(rule.around_s / FRAME_S / 3))
    blocks = math.ceil(len(levels) / step)
    noise = np.empty(len(levels), np.float32)
    for block in range(blocks):
        around = levels[max(0, block - 1) * step : (block + 2) * step]
        heard = around[around > NOTHING_DBFS + 10]
        floor = float(np.percentile(heard, rule.noise_percentile)) if len(heard) else NOTHING_DBFS
        noise[block * step : (block + 1) * step] = min(floor, rule.noise_most_dbfs)
    return noise


def _runs(active: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.diff(np.concatenate([[0], active.astype(np.int8), [0]]))
    begins, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return list(zip(begins.tolist(), ends.tolist(), strict=True))


def _closed(runs: Iterable[tuple[int, int]], gap: int) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for begin, end in runs:
        if found and begin - found[-1][1] <= gap:
            found[-1] = (found[-1][0], end)
        else:
            found.append((begin, end))
    return found


def _steady(levels: npt.NDArray[np.float32], rule: ActivityRule) -> bool:
    """Whether it is a hum, a tone or noise; its edges, which are partly silence, are left out."""
    if len(levels) * FRAME_S < rule.steady_s:
        return False
    return float(np.std(levels[2:-2])) < rule.steady_db
