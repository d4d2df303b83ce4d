"""The picture of a recording: the highest and lowest sample of each leg, a tenth of a second at a time.

Written in the data format of the BBC's audiowaveform, version 2, 8 bit, two channels, which the players that people
use (peaks.js, wavesurfer) read as it is: 24 bytes of header, then for each tenth of a second minimum and maximum of the
citizen's leg, minimum and maximum of what he heard. 72 kB an hour.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import TYPE_CHECKING

from recordings.files import CHANNELS, RATE

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

SAMPLES_PER_POINT = RATE // 10
EIGHT_BIT = 1
MEDIA_TYPE = "application/octet-stream"


def peaks_of(blocks: Iterable[npt.NDArray[np.int16]]) -> bytes:
    """The picture of a recording, given as `recordings.archive.form.blocks` gives it."""
    import numpy as np

    rest = np.empty((0, CHANNELS), np.int16)
    points: list[bytes] = []
    count = 0
    for block in blocks:
        samples = np.concatenate((rest, block)) if len(rest) else block
        whole = len(samples) // SAMPLES_PER_POINT
        rest = samples[whole * SAMPLES_PER_POINT :]
        points.append(_points(samples[: whole * SAMPLES_PER_POINT].reshape(whole, SAMPLES_PER_POINT, CHANNELS)))
        count += whole
    if len(rest):
        points.append(_points(rest.reshape(1, len(rest), CHANNELS)))
        count += 1
    header = struct.pack("<iIiiIi", 2, EIGHT_BIT, RATE, SAMPLES_PER_POINT, count, CHANNELS)
    return header + b"".join(points)


def _points(pieces: npt.NDArray[np.int16]) -> bytes:
    import numpy as np

    if not len(pieces):
        return b""
    low, high = pieces.min(axis=1) // 256, pieces.max(axis=1) // 256
    return np.stack((low, high), axis=2).astype(np.int8).tobytes()
