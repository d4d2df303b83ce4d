"""AudioSocket's frames, however they are torn, and what a stranger sends."""

from __future__ import annotations

from itertools import pairwise
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recordings.audiosocket import HEAD, LONGEST, Frame, Framer, Kind, NotAudioSocket, encoded, id_of

pytestmark = pytest.mark.core

WHO = UUID("0d1f3a52-2f0c-4f7e-9d55-0a4f4b0d1c11")
NAME = encoded(Kind.ID, WHO.bytes)

SOUND = st.integers(0, 400).map(lambda n: Frame(Kind.SOUND, bytes(2 * n)))
FRAMES = st.lists(
    st.one_of(SOUND, st.sampled_from([Frame(Kind.KEY, b"5"), Frame(Kind.ERROR, b"\x01"), Frame(Kind.END, b"")])),
    max_size=12,
)


def wire(frames: list[Frame]) -> bytes:
    return NAME + b"".join(encoded(frame.kind, frame.payload) for frame in frames)


def fed(framer: Framer, data: bytes, cuts: list[int]) -> list[Frame]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [frame for a, b in pairwise(places) for frame in framer.feed(data[a:b])]


@given(FRAMES, st.lists(st.integers(0, 10_000), max_size=30))
def test_frames_are_whole_wherever_the_bytes_are_torn(frames: list[Frame], cuts: list[int]) -> None:
    framer = Framer()
    name, *rest = fed(framer, wire(frames), cuts)
    assert id_of(name) == WHO
    assert rest == frames
    assert framer.held == 0


@given(st.binary(max_size=2000), st.lists(st.integers(0, 2000), max_size=10))
def test_whatever_comes_memory_stays_bounded_and_a_broken_connection_stays_broken(data: bytes, cuts: list[int]) -> None:
    framer = Framer()
    try:
        fed(framer, NAME + data, cuts)
    except NotAudioSocket:
        assert framer.held == 0
        with pytest.raises(NotAudioSocket):
            framer.feed(NAME)
    else:
        assert framer.held < HEAD + LONGEST


@given(st.integers(0, 255).filter(lambda kind: kind != Kind.ID), st.binary(max_size=40))
def test_who_does_not_say_his_name_first_is_a_stranger(kind: int, payload: bytes) -> None:
    with pytest.raises(NotAudioSocket):
        Framer().feed(encoded(kind, payload))


@given(st.sampled_from([kind for kind in range(256) if kind not in set(Kind)]), st.binary(max_size=300))
def test_kinds_that_a_newer_asterisk_may_send_are_counted_and_left_out(kind: int, payload: bytes) -> None:
    framer = Framer()
    frames = framer.feed(NAME + encoded(kind, payload) + encoded(Kind.SOUND, b"\1\2"))
    assert [frame.kind for frame in frames] == [Kind.ID, Kind.SOUND]
    assert framer.unknown == 1


@pytest.mark.parametrize(
    "data",
    [
        encoded(Kind.ID, b"x" * 15),
        NAME + NAME,
        NAME + encoded(Kind.SOUND, b"odd"),
        NAME + encoded(Kind.END, b"!"),
        NAME + encoded(Kind.KEY, b"12"),
        NAME + bytes((Kind.SOUND,)) + (LONGEST + 2).to_bytes(2, "big"),  # refused by its head alone
    ],
    ids=["short name", "second name", "half a sample", "end with more", "two keys", "longer than any"],
)
def test_a_wrong_frame_ends_the_connection(data: bytes) -> None:
    with pytest.raises(NotAudioSocket):
        Framer().feed(data)


def test_every_uuid_is_the_one_that_was_given() -> None:
    who = uuid4()
    (frame,) = Framer().feed(encoded(Kind.ID, who.bytes))
    assert id_of(frame) == who
    with pytest.raises(ValueError):
        id_of(Frame(Kind.SOUND, b""))
    with pytest.raises(ValueError):
        encoded(Kind.SOUND, bytes(65536))
