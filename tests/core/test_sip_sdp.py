"""Offers and answers."""

from __future__ import annotations

import pytest

from controller.softphone.sdp import Direction, Media, NotAcceptable, answer_for, offer, parse

pytestmark = pytest.mark.core

ASTERISK = (
    "v=0\r\no=- 1541 1541 IN IP4 127.0.0.1\r\ns=Asterisk\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 16200 RTP/AVP 8 0 96\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n"
    "a=rtpmap:96 telephone-event/8000\r\na=fmtp:96 0-16\r\na=ptime:20\r\na=maxptime:140\r\na=sendrecv\r\n"
)


def test_our_offer_is_read_as_it_was_meant() -> None:
    ours = offer("127.0.0.1", 4000, 7)
    read = parse(ours.encode())
    assert (read.host, read.port, read.direction, read.event_type) == ("127.0.0.1", 4000, Direction.SENDRECV, 101)


def test_an_offer_of_asterisk_and_our_answer_with_its_payload_type() -> None:
    remote = parse(ASTERISK.encode())
    assert (remote.host, remote.port, remote.event_type) == ("127.0.0.1", 16200, 96)
    body = answer_for(remote, offer("127.0.0.1", 4000, 7)).encode().decode()
    assert "m=audio 4000 RTP/AVP 8 96\r\n" in body
    assert "a=rtpmap:96 telephone-event/8000\r\n" in body
    assert "PCMU" not in body


def test_no_events_offered_none_answered() -> None:
    remote = parse(ASTERISK.replace(" 96", "", 1).encode())
    assert remote.event_type is None
    assert "telephone-event" not in answer_for(remote, offer("127.0.0.1", 4000, 7)).encode().decode()


@pytest.mark.parametrize(
    ("offered", "wish", "answered"),
    [
        ("sendrecv", "sendrecv", "sendrecv"),
        ("sendonly", "sendrecv", "recvonly"),
        ("recvonly", "sendrecv", "sendonly"),
        ("inactive", "sendrecv", "inactive"),
        ("sendrecv", "sendonly", "sendonly"),
        ("sendonly", "sendonly", "inactive"),
        ("recvonly", "sendonly", "sendonly"),
    ],
)
def test_direction_of_an_answer(offered: str, wish: str, answered: str) -> None:
    assert Direction(offered).answer(Direction(wish)) is Direction(answered)


def test_the_old_way_to_hold() -> None:
    assert parse(ASTERISK.replace("c=IN IP4 127.0.0.1", "c=IN IP4 0.0.0.0").encode()).direction is Direction.SENDONLY


def test_direction_and_address_of_the_stream_beat_those_of_the_session() -> None:
    body = (
        "v=0\r\no=- 1 1 IN IP4 1.1.1.1\r\ns=-\r\nc=IN IP4 1.1.1.1\r\na=inactive\r\nt=0 0\r\n"
        "m=audio 10 RTP/AVP 8\r\nc=IN IP4 2.2.2.2\r\na=recvonly\r\n"
    )
    assert parse(body.encode()) == Media("2.2.2.2", 10, Direction.RECVONLY, None, skipped=("",))


def test_other_streams_are_refused_in_their_places() -> None:
    body = ASTERISK.replace("m=audio", "m=video 3227 RTP/AVP 31\r\nm=audio") + "m=audio 9 RTP/SAVP 8\r\n"
    answer = answer_for(parse(body.encode()), offer("127.0.0.1", 4000, 7)).encode().decode()
    kinds = [line for line in answer.splitlines() if line.startswith("m=")]
    assert kinds == ["m=video 0 RTP/AVP 31", "m=audio 4000 RTP/AVP 8 96", "m=audio 0 RTP/SAVP 8"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"\xff\xfe",
        ASTERISK.replace(" 8 0 96", " 0 96").encode(),
        ASTERISK.replace("m=audio 16200", "m=audio 0").encode(),
        ASTERISK.replace("m=audio 16200", "m=audio 70000").encode(),
        ASTERISK.replace("m=audio 16200", "m=audio x").encode(),
        ASTERISK.replace("c=IN IP4 127.0.0.1\r\n", "").encode(),
        ASTERISK.replace("c=IN IP4 127.0.0.1", "c=IN IP6 ::1").encode(),
        ASTERISK.replace("RTP/AVP", "RTP/SAVPF").encode(),
        ASTERISK.split("m=")[0].encode(),
    ],
)
def test_what_cannot_be_carried_is_refused(body: bytes) -> None:
    with pytest.raises(NotAcceptable):
        parse(body)
