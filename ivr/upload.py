"""A recording that somebody uploads as his own words: checked, and brought to what the telephone line plays.

Pure. The sound is resampled, levelled and cut like a studio recording of a prompt (`ivr/voice.py`).
"""

from __future__ import annotations

import wave
from io import BytesIO

import numpy as np

from ivr import audio
from ivr.manifest import Level

LONGEST_BYTES = 12_000_000
"""More than a minute of the best that is taken: 48 kHz, 16 bits, two channels."""

SHORTEST_S, LONGEST_S = 1.0, 60.0
"""Length of what is taken; a notice that is longer keeps those who wait from hearing their place."""

LOWEST_RATE, HIGHEST_RATE = 8000, 48_000
QUIETEST_DBFS = -55.0
"""Nothing is heard in a recording below this."""


class BadSound(ValueError):
    """What was uploaded cannot be played; `code` says why (see `web/errors.py`)."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def own_words(raw: bytes) -> bytes:
    """The A-law bytes (8 kHz) of a wav file: PCM of 16 bits, one or two channels, 8 to 48 kHz, 1 to 60 s.

    Raises `BadSound`: not_wav, sound_format, sound_length, sound_silent.
    """
    try:
        with wave.open(BytesIO(raw)) as file:
            width, channels, rate = file.getsampwidth(), file.getnchannels(), file.getframerate()
            frames = file.readframes(file.getnframes())
    except (wave.Error, EOFError, ValueError) as error:
        raise BadSound("not_wav") from error
    if width != 2 or channels not in (1, 2) or not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise BadSound("sound_format")
    whole = len(frames) // (2 * channels) * 2 * channels
    if not SHORTEST_S <= whole / (2 * channels * rate) <= LONGEST_S:
        raise BadSound("sound_length")
    samples = np.frombuffer(frames[:whole], "<i2").reshape(-1, channels)
    sound = audio.resample((samples.mean(axis=1) / 32768.0).astype(np.float32), rate, audio.RATE)
    if audio.active_level(sound) < QUIETEST_DBFS:
        raise BadSound("sound_silent")
    level = Level()
    cut = audio.trim(sound, level.lead_ms, level.tail_ms)
    return audio.alaw_encode(audio.set_level(cut, level.active_dbfs, level.peak_dbfs))
