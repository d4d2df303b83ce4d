"""What a phone heard: every packet with its arrival time, laid out as sound.  No I/O but the saving of a file."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from . import audio
from .audio import FRAME, RATE, Pcm

__all__ = ["HeardPacket", "Recording"]

_REALIGN = 0.12
"""Seconds by which RTP time and arrival may differ before the stream counts as begun anew (longer than jitter)."""


class HeardPacket(NamedTuple):
    """One audio packet; `arrival` in seconds of the event loop's clock."""

    arrival: float
    sequence: int
    timestamp: int
    ssrc: int
    marker: bool
    payload: bytes


class Recording:
    """Everything heard in one call."""

    def __init__(self) -> None:
        self.packets: list[HeardPacket] = []

    @property
    def started(self) -> float | None:
        """Arrival of the first packet."""
        return self.packets[0].arrival if self.packets else None

    @property
    def ended(self) -> float | None:
        """Arrival of the last packet."""
        return self.packets[-1].arrival if self.packets else None

    @property
    def lost(self) -> int:
        """Packets missing by their sequence numbers, stream by stream (a late one is not missing)."""
        missing = 0
        streams: dict[int, list[int]] = {}
        for packet in self.packets:
            numbers = streams.setdefault(packet.ssrc, [])
            if numbers:  # unwrap: the nearest number to the last one
                last = numbers[-1]
                numbers.append(last + (packet.sequence - last + 0x8000) % 0x10000 - 0x8000)
            else:
                numbers.append(packet.sequence)
        for numbers in streams.values():
            missing += max(numbers) - min(numbers) + 1 - len(set(numbers))
        return missing

    def _placed(self) -> list[tuple[float, bytes]]:
        """(instant, payload): by RTP time within a stream, by arrival where a stream begins or jumps."""
        placed: list[tuple[float, bytes]] = []
        base: tuple[int, int, float] | None = None
        for packet in self.packets:
            instant = packet.arrival
            if base is not None and base[0] == packet.ssrc:
                units = (packet.timestamp - base[1] + 0x80000000) % 0x100000000 - 0x80000000
                by_rtp = base[2] + units / RATE
                if abs(by_rtp - packet.arrival) <= _REALIGN:
                    instant = by_rtp
                else:
                    base = None
            else:
                base = None
            if base is None:
                base = (packet.ssrc, packet.timestamp, packet.arrival)
            placed.append((instant, packet.payload))
        return placed

    def pcm(self, start: float | None = None, end: float | None = None) -> Pcm:
        """The sound between two instants (default: first packet to the end of the last); gaps are silence."""
        placed = self._placed()
        if not placed:
            span = 0.0 if start is None or end is None else max(0.0, end - start)
            return np.zeros(round(span * RATE), dtype=np.int16)
        begin = placed[0][0] if start is None else start
        finish = max(at + len(p) / RATE for at, p in placed) if end is None else end
        sound = np.zeros(max(0, round((finish - begin) * RATE)), dtype=np.int16)
        for instant, payload in placed:
            at = round((instant - begin) * RATE)
            if at >= len(sound) or at + len(payload) <= 0:
                continue
            piece = audio.decode_alaw(payload)[max(0, -at) : len(sound) - at]
            sound[max(0, at) : max(0, at) + len(piece)] = piece
        return sound

    def tone_share(self, hz: float, start: float | None = None, end: float | None = None) -> float:
        """Share (0..1) of the energy between two instants that is a sine of `hz`; best over half a second or more."""
        return audio.tone_share(self.pcm(start, end), hz)

    def dominant(self, start: float | None = None, end: float | None = None) -> tuple[float, float]:
        """Strongest frequency (Hz) and level (dBFS) between two instants."""
        return audio.dominant(self.pcm(start, end))

    def first_sound(self, after: float, level: float = -40.0) -> float | None:
        """Arrival of the first packet at or after an instant that is louder than `level` dBFS; None if none was."""
        for packet in self.packets:
            if packet.arrival >= after and audio.level_dbfs(audio.decode_alaw(packet.payload)) > level:
                return packet.arrival
        return None

    def longest_gap(self, start: float | None = None, end: float | None = None) -> float:
        """Longest pause in seconds between two packets' arrivals; 0 with fewer than two."""
        times = [
            p.arrival
            for p in self.packets
            if (start is None or p.arrival >= start) and (end is None or p.arrival <= end)
        ]
        return max((b - a for a, b in zip(times, times[1:], strict=False)), default=0.0)

    def save(self, path: str | Path) -> None:
        """Write it as a 16-bit wav file of 8 kHz."""
        audio.save_wav(path, self.pcm())

    @property
    def seconds(self) -> float:
        """Length of the sound heard, without the gaps."""
        return sum(len(p.payload) for p in self.packets) / RATE

    def __len__(self) -> int:
        return len(self.packets)


assert FRAME * 50 == RATE  # noqa: S101  packets of 20 ms are taken for granted above
