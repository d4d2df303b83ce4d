"""The sound of calls on real sockets: one shared clock that sends every 20 ms, and one stream a call.

A phone sends without a pause, silence if there is nothing to say: Asterisk takes a silent peer for a dead one
(`rtp_timeout`).
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np

from . import audio, rtp
from .audio import FRAME, SILENCE, Pcm, Tone
from .heard import HeardPacket, Recording
from .sdp import PCMA

__all__ = ["AudioStream", "Pacer", "Playback", "Sound"]

log = logging.getLogger(__name__)

Sound = Tone | Pcm | bytes | str | Path
"""What can be played: a tone, int16 samples at 8 kHz, ready A-law bytes, or a file (see audio.load)."""

_SLOTS = 4
_SLOT_SECONDS = 0.020 / _SLOTS
_LATEST = 0.1
"""Behind by more (the process was stopped or starved), frames are left out instead of sent in one burst."""
_PORT_TRIES = 50


class Pacer:
    """One clock for all streams of an event loop: each sends every 20 ms, in one of four slots 5 ms apart.

    Deadlines are multiples of 5 ms from the start, so that lateness never adds up.  It runs only while it has
    streams.
    """

    _shared: WeakKeyDictionary[asyncio.AbstractEventLoop, Pacer] = WeakKeyDictionary()

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._slots: list[dict[AudioStream, None]] = [{} for _ in range(_SLOTS)]
        self._slot_of: dict[AudioStream, int] = {}
        self._epoch = 0.0
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None
        self.skipped_frames = 0
        self.worst_lateness = 0.0

    @classmethod
    def shared(cls) -> Pacer:
        """The pacer of the running loop."""
        loop = asyncio.get_running_loop()
        pacer = cls._shared.get(loop)
        if pacer is None:
            pacer = cls._shared[loop] = cls(loop)
        return pacer

    def add(self, stream: AudioStream) -> None:
        """Start sending: the first packet leaves now, the next 15 to 20 ms later, in step with a slot."""
        if stream in self._slot_of:
            return
        if not self._slot_of:
            self._epoch, self._count = self._loop.time(), 1
        slot = int((self._loop.time() - self._epoch) / _SLOT_SECONDS) % _SLOTS
        self._slots[slot][stream] = None
        self._slot_of[stream] = slot
        stream.send_frame()
        self._arm()

    def remove(self, stream: AudioStream) -> None:
        """Stop sending."""
        slot = self._slot_of.pop(stream, None)
        if slot is not None:
            del self._slots[slot][stream]
        if not self._slot_of and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        if self._timer is None and self._slot_of:
            while not self._slots[self._count % _SLOTS]:
                self._count += 1
            self._timer = self._loop.call_at(self._epoch + self._count * _SLOT_SECONDS, self._tick)

    def _tick(self) -> None:
        self._timer = None
        late = self._loop.time() - (self._epoch + self._count * _SLOT_SECONDS)
        self.worst_lateness = max(self.worst_lateness, late)
        if late > _LATEST:
            frames = int(late / 0.020)
            self._count += frames * _SLOTS
            self.skipped_frames += frames * len(self._slot_of)
            for stream in self._slot_of:
                stream.skip(frames)
        for stream in tuple(self._slots[self._count % _SLOTS]):
            stream.send_frame()
        self._count += 1
        self._arm()


class Playback:
    """One sound being played."""

    def __init__(self, alaw: bytes, loop: bool) -> None:
        self._alaw, self._loop, self._position = alaw, loop, 0
        self._done = asyncio.get_running_loop().create_future()

    def frame(self) -> bytes | None:
        """The next 20 ms, None when it is over."""
        if self._done.done():
            return None
        piece = self._alaw[self._position : self._position + FRAME]
        self._position += FRAME
        while self._loop and len(piece) < FRAME:
            self._position = FRAME - len(piece)
            piece += self._alaw[: self._position]
        if not piece:
            self.stop()
            return None
        return piece if len(piece) == FRAME else piece.ljust(FRAME, b"\xd5")

    def stop(self) -> None:
        """Fall silent at the next frame."""
        if not self._done.done():
            self._done.set_result(None)

    async def finished(self) -> None:
        """Wait until all is sent, it was stopped or replaced, or the call ended."""
        await asyncio.shield(self._done)


class _Keys:
    """One press(): the keys not sent yet and the frames of the key being sent."""

    def __init__(self, keys: str, ms: int, gap_ms: int) -> None:
        self.frames: deque[tuple[str, Iterator[tuple[bytes, bool]]]] = deque(
            (key, rtp.key_payloads(key, ms)) for key in keys
        )
        for key in keys:  # a generator complains only when it is first run: complain here
            next(rtp.key_payloads(key, ms))
        self.gap_frames = max(1, round(gap_ms / 20))
        self.gap_left = 0
        self.timestamp: int | None = None
        self.released = 0.0
        self.done: asyncio.Future[float] = asyncio.get_running_loop().create_future()


class AudioStream:
    """The RTP of one call: a pair of ports, frames out on the pacer's clock, frames in as they come."""

    def __init__(
        self,
        local_ip: str,
        *,
        record: bool = True,
        on_first: Callable[[str, float], object] | None = None,
        on_key: Callable[[rtp.HeardKey, float], object] | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._pacer = Pacer.shared()
        self._socket, self._rtcp = _port_pair(local_ip)
        self.port: int = self._socket.getsockname()[1]
        self.heard = Recording()
        self.record = record
        self.foreign = 0
        self.malformed = 0
        self.unsent = 0
        self.frames_sent = 0
        self.listeners: list[Callable[[float, bytes], object]] = []
        self._on_first, self._on_key = on_first, on_key
        self._first_heard = False
        self._remote: tuple[str, int] | None = None
        self._event_type: int | None = None
        self._local_event_type: int | None = None
        self._sending = False
        self._ssrc = secrets.randbits(32)
        self._sequence = secrets.randbits(15)
        self._timestamp = secrets.randbits(31)
        self._marker = True
        self._playback: Playback | None = None
        self._keys: deque[_Keys] = deque()
        self._receiver = rtp.KeyReceiver()
        self._closed = False
        self._loop.add_reader(self._socket.fileno(), self._readable)

    def connect(
        self, host: str, port: int, *, send: bool, event_type: int | None, local_event_type: int | None
    ) -> None:
        """Take the result of offer and answer: where to send, whether to, and the key events' payload types."""
        if self._closed:
            return
        self._remote = (host, port)
        self._event_type, self._local_event_type = event_type, local_event_type
        if send and not self._sending:
            self._sending, self._marker = True, True
            self._pacer.add(self)
        elif not send and self._sending:
            self._sending = False
            self._pacer.remove(self)

    def mute(self) -> None:
        """Send no more."""
        if self._sending:
            self._sending = False
            self._pacer.remove(self)

    @property
    def sends_keys(self) -> bool:
        """The other side takes telephone-events."""
        return self._event_type is not None

    def play(self, sound: Sound, loop: bool = False) -> Playback:
        """Play, in place of what was playing."""
        if isinstance(sound, Tone):
            loop = loop or sound.seconds is None
            alaw = audio.tone_alaw(sound)
        elif isinstance(sound, bytes):
            alaw = sound
        else:
            pcm = sound if isinstance(sound, np.ndarray) else audio.load(sound)
            alaw = audio.encode_alaw(pcm)
        if not alaw:
            raise ValueError("nothing to play")
        if self._playback is not None:
            self._playback.stop()
        self._playback = Playback(alaw, loop)
        if self._closed:
            self._playback.stop()
        return self._playback

    def press(self, keys: str, ms: int, gap_ms: int) -> asyncio.Future[float]:
        """Queue key presses; the future gives the instant of the first end packet of the last key."""
        press = _Keys(keys, ms, gap_ms)
        if self._closed or not keys:
            press.done.set_result(self._loop.time())
        else:
            self._keys.append(press)
        return press.done

    def skip(self, frames: int) -> None:
        """Time passed without sending: RTP time goes on."""
        self._timestamp += frames * FRAME

    def send_frame(self) -> None:
        """Send what these 20 ms hold: a key, sound, or silence."""
        remote = self._remote
        if remote is None or self._closed:
            return
        event = self._key_frame() if self._keys else None
        if event is not None:
            payload, first, stamp = event
            kind, marker = self._event_type or 0, first
        else:
            frame = self._playback.frame() if self._playback is not None else None
            payload, kind, marker, stamp = frame or SILENCE, PCMA, self._marker, self._timestamp
            self._marker = False
        try:
            self._socket.sendto(rtp.pack(kind, self._sequence, stamp, self._ssrc, payload, marker), remote)
        except OSError:  # a full buffer or a vanished peer: as on a real network, the packet is gone
            self.unsent += 1
        if self.frames_sent == 0 and self._on_first is not None:
            self._on_first("rtp sent", self._loop.time())
        self.frames_sent += 1
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._timestamp = (self._timestamp + FRAME) & 0xFFFFFFFF

    def _key_frame(self) -> tuple[bytes, bool, int] | None:
        press = self._keys[0]
        if press.gap_left:
            press.gap_left -= 1
            return None
        if not press.frames:  # the gap after the last key is over too
            self._keys.popleft()
            return self._key_frame() if self._keys else None
        frame = next(press.frames[0][1], None)
        if frame is None:
            press.frames.popleft()
            press.timestamp, press.gap_left = None, press.gap_frames - 1
            if not press.frames and not press.done.done():
                press.done.set_result(press.released)
            return None
        payload, is_end = frame
        first = press.timestamp is None
        if first:
            press.timestamp, press.released = self._timestamp, 0.0
        if is_end and not press.released:
            press.released = self._loop.time()
        assert press.timestamp is not None  # noqa: S101  set above
        return payload, first, press.timestamp

    def _readable(self) -> None:
        try:
            data, source = self._socket.recvfrom(2048)
        except OSError:
            return
        now = self._loop.time()
        try:
            packet = rtp.parse_packet(data)
        except rtp.MalformedPacket:
            self.malformed += 1
            return
        if self._remote is not None and source[1] != self._remote[1]:
            self.foreign += 1  # a straggler of an earlier call on these ports, or a wrong address
            return
        if packet.payload_type == PCMA:
            if not self._first_heard:
                self._first_heard = True
                if self._on_first is not None:
                    self._on_first("rtp", now)
            if self.record:
                self.heard.packets.append(
                    HeardPacket(now, packet.sequence, packet.timestamp, packet.ssrc, packet.marker, packet.payload)
                )
            for listener in tuple(self.listeners):
                listener(now, packet.payload)
            self._tell(self._receiver.audio(packet.timestamp), now)
        elif packet.payload_type == self._local_event_type:
            self._tell(self._receiver.event(packet.timestamp, packet.payload), now)
        else:
            self.malformed += 1

    def _tell(self, keys: list[rtp.HeardKey], now: float) -> None:
        for key in keys:
            if self._on_key is not None:
                self._on_key(key, now)

    def close(self) -> None:
        """Stop and give the ports back."""
        if self._closed:
            return
        self._closed = True
        self._pacer.remove(self)
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        self._rtcp.close()
        if self._playback is not None:
            self._playback.stop()
        for press in self._keys:
            if not press.done.done():
                press.done.set_result(self._loop.time())
        self._keys.clear()
        self.listeners.clear()


def _port_pair(local_ip: str) -> tuple[socket.socket, socket.socket]:
    """An even port for RTP and the next one for RTCP (RFC 3550 section 11).

    RTCP is bound but not read: were the port free, another call's RTP might get it and hear our reports.
    """
    for _ in range(_PORT_TRIES):
        first = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        second = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            first.bind((local_ip, 0))
            port = first.getsockname()[1]
            even = port % 2 == 0
            second.bind((local_ip, port + 1 if even else port - 1))
        except OSError:
            first.close()
            second.close()
            continue
        for each in (first, second):
            each.setblocking(False)
        rtcp = second if even else first
        rtcp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        return (first, second) if even else (second, first)
    raise OSError("no free pair of UDP ports")
