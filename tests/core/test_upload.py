"""Own words of a notice: what is taken, what is refused and why, and what comes of it."""

from __future__ import annotations

import io
import wave

import numpy as np
import pytest

from ivr import audio
from ivr.upload import BadSound, own_words

pytestmark = pytest.mark.core


def wav(seconds: float = 2.0, *, rate: int = 16_000, channels: int = 1, width: int = 2, level: float = 0.1) -> bytes:
    """A tone of 440 Hz."""
    at = np.arange(int(seconds * rate)) / rate
    one = (np.sin(2 * np.pi * 440 * at) * level * 32767).astype("<i2")
    data = np.repeat(one, channels).tobytes() if width == 2 else bytes(len(one))
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(data)
    return out.getvalue()


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (16_000, 2), (44_100, 2), (48_000, 1)])
def test_it_becomes_8_khz_at_the_level_of_the_prompts(rate: int, channels: int) -> None:
    sound = audio.alaw_decode(own_words(wav(rate=rate, channels=channels)))
    assert len(sound) / audio.RATE == pytest.approx(2.0, abs=0.2)
    assert audio.active_level(sound) == pytest.approx(-21.0, abs=1.0)
    spectrum = np.abs(np.fft.rfft(sound[2000:10000]))
    assert np.argmax(spectrum) == 440


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "not_wav"),
        (b"ID3" + bytes(5000), "not_wav"),
        (wav()[:30], "not_wav"),
        (wav(width=1), "sound_format"),
        (wav(rate=4000), "sound_format"),
        (wav(rate=96_000), "sound_format"),
        (wav(channels=3), "sound_format"),
        (wav(0.9), "sound_length"),
        (wav(61.0, rate=8000), "sound_length"),
        (wav(level=0.0), "sound_silent"),
        (wav(level=0.0005), "sound_silent"),
    ],
)
def test_what_cannot_be_played_is_refused_with_its_reason(raw: bytes, code: str) -> None:
    with pytest.raises(BadSound) as refused:
        own_words(raw)
    assert refused.value.code == code


def test_a_file_whose_header_promises_more_than_it_holds_is_what_it_holds() -> None:
    assert len(own_words(wav(3.0)[: 44 + 2 * 32_000])) / audio.RATE == pytest.approx(2.0, abs=0.2)
