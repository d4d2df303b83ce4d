"""RTP packets and keys: their shape, their timing, and what a lossy line does to them."""

from __future__ import annotations

import contextlib
import struct
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.softphone.rtp import KEYS, HeardKey, KeyReceiver, MalformedPacket, Packet, key_payloads, parse_packet

pytestmark = pytest.mark.core

packets = st.builds(
    Packet,
    st.integers(0, 127).filter(lambda kind: not 64 <= kind <= 95),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.binary(max_size=200),
    st.booleans(),
)


@settings(deadline=None)
@given(packets)
def test_a_packet_written_is_the_packet_read(packet: Packet) -> None:
    assert parse_packet(packet.encode()) == packet


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_are_a_packet_or_malformed(data: bytes) -> None:
    with contextlib.suppress(MalformedPacket):
        parse_packet(data)


def test_csrc_extension_and_padding_are_skipped() -> None:
    head = struct.pack("!BBHII", 0x80 | 0x20 | 0x10 | 2, 8, 1, 2, 3)
    data = head + b"\0" * 8 + b"\xbe\xde\x00\x01" + b"abcd" + b"payload" + b"\0\0\x03"
    assert parse_packet(data).payload == b"payload"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80" * 11,
        b"\x40" + b"\0" * 11,
        bytes([0x80, 200]) + b"\0" * 26,
        bytes([0x8F, 8]) + b"\0" * 10,
        bytes([0x90, 8]) + b"\0" * 10,
        bytes([0xA0, 8]) + b"\0" * 10 + b"\xff",
        bytes([0xA0, 8]) + b"\0" * 10 + b"\0",
    ],
    ids=["empty", "short", "version 1", "RTCP", "cut CSRC", "cut extension", "padding too long", "padding of 0"],
)
def test_malformed(data: bytes) -> None:
    with pytest.raises(MalformedPacket):
        parse_packet(data)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("ms", [40, 120, 8000])
def test_a_key_grows_by_20_ms_and_ends_three_times(key: str, ms: int) -> None:
    """RFC 4733 section 2.5.1: one update a packet time, final duration in all three end packets."""
    sent = [(struct.unpack("!BBH", payload), end) for payload, end in key_payloads(key, ms)]
    assert {code for (code, _, _), _ in sent} == {KEYS.index(key)}
    assert [end for _, end in sent] == [False] * (ms // 20 - 1) + [True] * 3
    assert [bool(flags & 0x80) for (_, flags, _), _ in sent] == [end for _, end in sent]
    durations = [units for (_, _, units), _ in sent]
    assert all(b - a == 160 for a, b in pairwise(durations[:-2]))
    assert durations[0] == 160
    assert durations[-3:] == [ms * 8] * 3


@pytest.mark.parametrize(("key", "ms"), [("x", 100), ("12", 100), ("", 100), ("1", 10), ("1", 8001)])
def test_impossible_keys(key: str, ms: int) -> None:
    with pytest.raises(ValueError, match="key"):
        list(key_payloads(key, ms))


def stream(keys: str, start: int) -> list[tuple[str, int, bytes]]:
    """Packets of some keys with 60 ms of sound before and after each: (kind, timestamp, payload)."""
    result: list[tuple[str, int, bytes]] = []
    clock = start

    def sound() -> None:
        nonlocal clock
        for _ in range(3):
            result.append(("audio", clock & 0xFFFFFFFF, b""))
            clock += 160

    sound()
    for key in keys:
        begin = clock & 0xFFFFFFFF
        for payload, _ in key_payloads(key, 100):
            result.append(("event", begin, payload))
            clock += 160
        sound()
    return result


def receive(packets_in: list[tuple[str, int, bytes]]) -> list[HeardKey]:
    """Everything the receiver makes of them."""
    receiver = KeyReceiver()
    heard: list[HeardKey] = []
    for kind, timestamp, payload in packets_in:
        heard += receiver.audio(timestamp) if kind == "audio" else receiver.event(timestamp, payload)
    return heard


@settings(deadline=None)
@given(st.text(KEYS, min_size=1, max_size=6), st.integers(0, 0xFFFFFFFF))
def test_every_key_is_heard_once_with_its_duration(keys: str, start: int) -> None:
    expected = [heard for key in keys for heard in (HeardKey(key, False), HeardKey(key, True, 100))]
    assert receive(stream(keys, start)) == expected


@settings(deadline=None)
@given(st.text(KEYS, min_size=1, max_size=5), st.integers(0, 0xFFFFFFFF), st.data())
def test_loss_and_repetition_neither_double_nor_lose_a_key(keys: str, start: int, data: st.DataObject) -> None:
    """As long as one packet of a key arrives (and some sound after the last), the key is heard, once."""
    everything = stream(keys, start)
    events = [i for i, (kind, _, _) in enumerate(everything) if kind == "event"]
    stamps = sorted({everything[i][1] for i in events})
    kept: list[tuple[str, int, bytes]] = []
    survivors = {
        stamp: data.draw(st.sampled_from([i for i in events if everything[i][1] == stamp])) for stamp in stamps
    }
    for index, packet in enumerate(everything):
        if packet[0] == "event" and survivors[packet[1]] != index and data.draw(st.booleans()):
            continue
        kept += [packet] * data.draw(st.integers(1, 2))
    heard = receive(kept)
    assert "".join(h.key for h in heard if not h.ended) == keys
    assert "".join(h.key for h in heard if h.ended) == keys


def test_a_late_packet_of_an_old_key_is_no_new_key() -> None:
    packets_in = stream("12", 1000)
    late = next(p for p in packets_in if p[0] == "event")
    assert "".join(h.key for h in receive([*packets_in, late]) if not h.ended) == "12"


def test_codes_that_are_no_keys_are_ignored() -> None:
    assert KeyReceiver().event(1, struct.pack("!BBH", 16, 0, 160)) == []
    assert KeyReceiver().event(1, b"\x01") == []
