"""A-law, tones, files, and the layout of what was heard."""

from __future__ import annotations

import math
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.softphone import audio
from controller.softphone.audio import FRAME, RATE, AudioFormatError, Tone
from controller.softphone.heard import HeardPacket, Recording

pytestmark = pytest.mark.core


def reference_alaw(sample: int) -> int:
    """The encoder of ITU-T G.191's g711 tool, one sample at a time, written independently of the tables."""
    value = (~sample >> 4) if sample < 0 else sample >> 4
    if value > 15:
        exponent = 1
        while value > 16 + 15:
            value >>= 1
            exponent += 1
        value = value - 16 + (exponent << 4)
    return (value if sample < 0 else value | 0x80) ^ 0x55


def test_a_law_of_every_sample() -> None:
    samples = np.arange(-32768, 32768).astype(np.int16)
    assert audio.encode_alaw(samples) == bytes(reference_alaw(int(s)) for s in samples)


def test_a_law_comes_back_within_half_a_step_and_codes_are_stable() -> None:
    codes = bytes(range(256))
    assert audio.encode_alaw(audio.decode_alaw(codes)) == codes
    samples = np.arange(-32256, 32256).astype(np.int16)
    error = np.abs(audio.decode_alaw(audio.encode_alaw(samples)).astype(int) - samples)
    assert np.all(error <= np.maximum(16, np.abs(samples.astype(int)) / 30))


def test_silence_is_zero() -> None:
    assert np.abs(audio.decode_alaw(audio.SILENCE)).max() <= 8


@pytest.mark.parametrize("hz", [200, 440, 1000, 1633, 3400])
def test_a_tone_is_measured_as_what_it_is(hz: int) -> None:
    heard = audio.decode_alaw(audio.encode_alaw(audio.tone(hz, 0.5, -12)))
    found, level = audio.dominant(heard)
    assert found == pytest.approx(hz, abs=0.5)
    assert level == pytest.approx(-12, abs=0.1)
    assert audio.tone_share(heard, hz) > 0.99
    assert audio.tone_share(heard, hz + 150) < 0.01
    assert audio.tone_share(heard[:FRAME], hz) > 0.97


def test_two_tones_share_the_energy() -> None:
    both = audio.tone(440, 0.5) + audio.tone(1000, 0.5)
    assert audio.tone_share(both, 440) == pytest.approx(0.5, abs=0.01)
    assert audio.tone_share(both, 1000) == pytest.approx(0.5, abs=0.01)
    assert audio.tone_share(both, 700) < 0.01


def test_silence_and_noise_are_no_tone() -> None:
    silence = np.zeros(FRAME, dtype=np.int16)
    assert audio.tone_share(silence, 440) == 0
    assert audio.dominant(silence) == (0.0, -math.inf)
    noise = np.random.default_rng(1).integers(-9000, 9000, RATE).astype(np.int16)
    assert audio.tone_share(noise, 440) < 0.01


@pytest.mark.parametrize("hz", [440, 425, 937.5, 333.3])
def test_an_endless_tone_has_no_click_where_it_repeats(hz: float) -> None:
    samples = Tone(hz).samples()
    going_on = audio.tone(hz, len(samples) / RATE + 0.1)[len(samples) :]
    assert np.abs(samples[: len(going_on)].astype(int) - going_on).max() <= 1


def write_wav(path: Path, pcm: audio.Pcm, rate: int, channels: int = 1, width: int = 2) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(pcm.tobytes())


def test_files_come_back(tmp_path: Path) -> None:
    pcm = audio.decode_alaw(audio.encode_alaw(audio.tone(440, 0.3)))
    audio.save_wav(tmp_path / "a.wav", pcm)
    assert np.array_equal(audio.load(tmp_path / "a.wav"), pcm)
    (tmp_path / "a.alaw").write_bytes(audio.encode_alaw(pcm))
    assert np.array_equal(audio.load(tmp_path / "a.alaw"), pcm)
    body = audio.encode_alaw(pcm)
    head = b"RIFF\0\0\0\0WAVEfmt \x12\0\0\0\x06\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0\0\0"
    (tmp_path / "b.wav").write_bytes(head + b"fact\x04\0\0\0\0\0\0\0data" + len(body).to_bytes(4, "little") + body)
    assert np.array_equal(audio.load(tmp_path / "b.wav"), pcm)


@pytest.mark.parametrize("rate", [16000, 24000, 48000])
def test_higher_rates_are_lowered_without_aliases(tmp_path: Path, rate: int) -> None:
    time = np.arange(rate) / rate
    both = 8000 * np.sin(2 * np.pi * 700 * time) + 8000 * np.sin(2 * np.pi * 6000 * time)
    write_wav(tmp_path / "high.wav", both.astype(np.int16), rate)
    heard = audio.load(tmp_path / "high.wav")
    assert len(heard) == RATE
    assert audio.tone_share(heard, 700) > 0.999
    assert audio.level_dbfs(heard) == pytest.approx(20 * math.log10(8000 / 32767), abs=0.1)


def test_wrong_files_are_refused(tmp_path: Path) -> None:
    pcm = audio.tone(440, 0.1)
    write_wav(tmp_path / "stereo.wav", pcm, RATE, channels=2)
    write_wav(tmp_path / "rate.wav", pcm, 11025)
    write_wav(tmp_path / "bytes.wav", pcm, RATE, width=1)
    (tmp_path / "text.wav").write_text("hello")
    (tmp_path / "cut.wav").write_bytes(b"RIFF\0\0\0\0WAVE")
    for name in ("stereo", "rate", "bytes", "text", "cut"):
        with pytest.raises(AudioFormatError):
            audio.load(tmp_path / f"{name}.wav")
    with pytest.raises(ValueError, match="4000"):
        audio.tone(4000, 1)


# -- what was heard -----------------------------------------------------------------------------------------------


def packet(number: int, arrival: float, sound: bytes, *, stamp: int | None = None, ssrc: int = 1) -> HeardPacket:
    return HeardPacket(
        arrival, number & 0xFFFF, (number * FRAME if stamp is None else stamp) & 0xFFFFFFFF, ssrc, False, sound
    )


def heard(*packets: HeardPacket) -> Recording:
    recording = Recording()
    recording.packets.extend(packets)
    return recording


def frames(hz: float, count: int) -> list[bytes]:
    alaw = audio.encode_alaw(audio.tone(hz, count * 0.02))
    return [alaw[i * FRAME : (i + 1) * FRAME] for i in range(count)]


@settings(deadline=None)
@given(st.lists(st.floats(0, 0.05), min_size=25, max_size=25), st.integers(0, 0xFFFFFFFF), st.integers(0, 0xFFFF))
def test_jitter_and_wrapping_numbers_leave_the_sound_whole(jitter: list[float], stamp: int, number: int) -> None:
    sound = frames(440, 25)
    recording = heard(
        *(packet(number + i, 5 + i * 0.02 + jitter[i], s, stamp=stamp + i * FRAME) for i, s in enumerate(sound))
    )
    assert audio.encode_alaw(recording.pcm()) == b"".join(sound)
    assert recording.lost == 0


def test_a_lost_packet_is_a_hole_in_its_place() -> None:
    sound = frames(440, 10)
    recording = heard(*(packet(i, i * 0.02, s) for i, s in enumerate(sound) if i not in (3, 4)))
    pcm = recording.pcm()
    assert recording.lost == 2
    assert len(pcm) == 10 * FRAME
    assert not pcm[3 * FRAME : 5 * FRAME].any()
    assert audio.encode_alaw(pcm[5 * FRAME :]) == b"".join(sound[5:])


def test_packets_in_the_wrong_order_are_put_right() -> None:
    sound = frames(440, 6)
    order = [0, 2, 1, 3, 5, 4]
    recording = heard(*(packet(i, at * 0.02, sound[i]) for at, i in enumerate(order)))
    assert audio.encode_alaw(recording.pcm()) == b"".join(sound)
    assert recording.lost == 0


def test_a_new_stream_and_a_jump_of_time_stamps_are_placed_by_arrival() -> None:
    a, b, c = frames(440, 10), frames(800, 10), frames(1500, 10)
    recording = heard(
        *(packet(i, i * 0.02, s) for i, s in enumerate(a)),
        *(packet(i, 1 + i * 0.02, s, stamp=99 + i * FRAME, ssrc=2) for i, s in enumerate(b)),
        *(packet(10 + i, 2 + i * 0.02, s, stamp=77777777 + i * FRAME, ssrc=2) for i, s in enumerate(c)),
    )
    for start, hz in ((0, 440), (1, 800), (2, 1500)):
        assert recording.tone_share(hz, start, start + 0.2) > 0.99
    assert not recording.pcm(0.25, 0.95).any()
    assert recording.dominant(2, 2.2)[0] == pytest.approx(1500, abs=2)
    assert recording.longest_gap() == pytest.approx(0.82)
    assert recording.longest_gap(1, 1.2) == pytest.approx(0.02)


def test_first_sound_after_an_instant() -> None:
    recording = heard(*(packet(i, i * 0.02, audio.SILENCE if i < 5 else frames(440, 1)[0]) for i in range(10)))
    assert recording.first_sound(0) == pytest.approx(0.1)
    assert recording.first_sound(0.15) == pytest.approx(0.16)
    assert recording.first_sound(1) is None


def test_nothing_heard() -> None:
    recording = Recording()
    assert (recording.started, recording.ended, recording.lost, recording.seconds) == (None, None, 0, 0)
    assert len(recording.pcm()) == 0
    assert len(recording.pcm(1, 2)) == RATE


def test_saved_as_wav(tmp_path: Path) -> None:
    recording = heard(*(packet(i, i * 0.02, s) for i, s in enumerate(frames(440, 10))))
    recording.save(tmp_path / "x.wav")
    assert np.array_equal(audio.load(tmp_path / "x.wav"), recording.pcm())
