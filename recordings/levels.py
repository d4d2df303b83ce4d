"""How loud the legs of a recording are, so that a silent leg is noticed on the day it happens.

Pure arithmetic on samples (numpy). 0 dBFS is a full-scale square wave, so a full-scale sine is -3.0 dBFS.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # loaded with the first recording that is measured: a starting controller has callers waiting
    import numpy as np
    import numpy.typing as npt

SILENCE_DBFS = -120.0
"""What is reported for digital silence, whose level is minus infinity."""


@dataclass(frozen=True, slots=True)
class LevelRule:
    """When a leg counts as audible: `min_audible_s` seconds of 20 ms pieces louder than `threshold_dbfs`.

    -45 dBFS lies between a quiet talker (about -35 dBFS) and line noise (below -55 dBFS) on a G.711 line;
    the fifth of a second keeps a click from passing for speech. Both are choices of this project, open to
    configuration.
    """

    threshold_dbfs: float = -45.0
    min_audible_s: float = 0.2


@dataclass(frozen=True, slots=True)
class LegLevel:
    """One leg: level of its audible pieces (dBFS, SILENCE_DBFS if none), seconds audible, and the verdict."""

    rms_dbfs: float
    audible_s: float
    audible: bool


class Loudness:
    """Which pieces of each leg are louder than the rule's threshold: two bytes for 20 ms."""

    def __init__(self, pieces: npt.NDArray[np.bool_], piece_s: float) -> None:
        """`pieces` by channels, each `piece_s` long."""
        self._pieces = pieces
        self._piece_s = piece_s

    def audible_s(self, channel: int, spans: Iterable[tuple[float, float]]) -> float:
        """For how long a leg is audible within spans (seconds from the start)."""
        ends = [(round(max(0.0, begin) / self._piece_s), round(end / self._piece_s)) for begin, end in spans]
        return sum(int(self._pieces[begin:end, channel].sum()) for begin, end in ends) * self._piece_s


class LevelMeter:
    """Measures interleaved 16-bit little-endian samples, fed in chunks of any even length."""

    def __init__(self, channels: int, rate: int, rule: LevelRule) -> None:
        """`rate` in samples per second and channel."""
        import numpy as np

        self._channels = channels
        self._rule = rule
        self._piece = rate // 50
        self._rate = rate
        self._limit = (32768.0 * 10 ** (rule.threshold_dbfs / 20)) ** 2
        self._rest: npt.NDArray[np.int16] = np.empty((0, channels), np.int16)
        self._energy = np.zeros(channels)
        self._loud = np.zeros(channels, np.int64)
        self._pieces: list[npt.NDArray[np.bool_]] = []

    def feed(self, chunk: bytes) -> None:
        """Add samples; the chunk must hold whole frames (ValueError)."""
        import numpy as np

        samples = np.frombuffer(chunk, "<i2").reshape(-1, self._channels)
        if len(self._rest):
            samples = np.concatenate((self._rest, samples))
        whole = len(samples) // self._piece * self._piece
        self._rest = samples[whole:].copy()
        self._count(samples[:whole].reshape(-1, self._piece, self._channels))

    def _count(self, pieces: npt.NDArray[np.int16]) -> None:
        import numpy as np

        power = np.square(pieces, dtype=np.float32).mean(axis=1, dtype=np.float64)
        loud = power > self._limit
        self._pieces.append(loud)
        self._energy += np.where(loud, power, 0.0).sum(axis=0)
        self._loud += loud.sum(axis=0)

    def levels(self) -> tuple[LegLevel, ...]:
        """The legs so far, by channel; a last piece shorter than 20 ms is left out."""
        return tuple(self._level(int(n), float(e)) for n, e in zip(self._loud, self._energy, strict=True))

    def loudness(self) -> Loudness:
        """When each leg was audible, so far."""
        import numpy as np

        pieces = np.concatenate(self._pieces) if self._pieces else np.zeros((0, self._channels), bool)
        return Loudness(pieces, self._piece / self._rate)

    def _level(self, pieces: int, energy: float) -> LegLevel:
        rms_dbfs = 10 * math.log10(energy / pieces) - 20 * math.log10(32768) if pieces else SILENCE_DBFS
        seconds = pieces * self._piece / self._rate
        return LegLevel(round(rms_dbfs, 1), seconds, seconds >= self._rule.min_audible_s)
