"""Two scripted phones on loopback: every way a call can go."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from controller.softphone import AnswerPolicy, Call, CallFailed, CallState, Phone, RegistrationFailed, Tone, audio
from controller.softphone.media import Pacer

pytestmark = pytest.mark.doors

SECONDS = 5.0
"""Deadline of whatever must happen; nothing here takes that long."""


@pytest.fixture
async def alice() -> AsyncIterator[Phone]:
    async with Phone("alice", from_number="13800001111", display='市民 "A"') as phone:
        yield phone


@pytest.fixture
async def bob() -> AsyncIterator[Phone]:
    async with Phone("bob") as phone:
        yield phone


def uri(phone: Phone) -> str:
    return f"sip:bob@{phone.address[0]}:{phone.address[1]}"


async def talk(alice: Phone, bob: Phone, **call: Any) -> tuple[Call, Call]:
    """A call that both sides have answered."""
    out = await alice.call(uri(bob), **call)
    inc = await bob.incoming(SECONDS)
    inc.answer()
    await out.answered(SECONDS)
    await inc.event("recv ACK", SECONDS)
    return out, inc


def kinds(call: Call) -> list[str]:
    return [event.kind for event in call.events if not event.kind.startswith("rtp")]


# -- a whole call ---------------------------------------------------------------------------------------------------


async def test_a_call_with_tones_both_ways(alice: Phone, bob: Phone) -> None:
    out = await alice.call(uri(bob), headers={"X-CallId": "42"})
    inc = await bob.incoming(SECONDS)
    assert (inc.header("x-callid"), inc.remote_number, inc.remote_display) == ("42", "13800001111", '市民 "A"')
    assert (inc.dialled, out.dialled, inc.call_id) == ("bob", "bob", out.call_id)
    await out.event("recv 180", SECONDS)
    assert (out.state, inc.state) == (CallState.RINGING, CallState.RINGING)
    inc.answer()
    answered = await out.answered(SECONDS)
    assert answered == out.time_of("recv 200")
    out.play(Tone(440))
    inc.play(Tone(1000))
    await asyncio.gather(out.hear_tone(1000, SECONDS), inc.hear_tone(440, SECONDS))
    end = await out.hangup()
    far = await inc.ended(SECONDS)
    assert (end.by, end.status, far.by, far.status) == ("local", 200, "remote", 200)
    assert kinds(out) == ["sent INVITE", "recv 100", "recv 180", "recv 200", "sent ACK", "sent BYE", "ended"]
    assert kinds(inc) == ["recv INVITE", "sent 100", "sent 180", "sent 200", "recv ACK", "recv BYE", "ended"]
    assert (alice.calls, bob.calls) == ([], [])
    for call in (out, inc):
        assert call.heard.lost == 0
        times = [event.at for event in call.events]
        assert all(b >= a for a, b in pairwise(times))
    assert out.heard.dominant(out.heard.first_sound(0))[0] == pytest.approx(1000, abs=2)
    assert inc.heard.dominant(inc.heard.first_sound(0))[0] == pytest.approx(440, abs=2)


async def test_packets_go_every_20_ms_from_the_200_on_and_silence_is_sent(alice: Phone, bob: Phone) -> None:
    out, inc = await talk(alice, bob)
    await inc.hear_silence(0.4, SECONDS)
    await out.hangup()
    heard = inc.heard
    assert inc.time_of("rtp sent") is not None
    assert {p.payload for p in heard.packets} == {audio.SILENCE}
    assert heard.packets[0].marker
    assert not any(p.marker for p in heard.packets[1:])
    steps = {(b.timestamp - a.timestamp, b.sequence - a.sequence) for a, b in pairwise(heard.packets)}
    assert steps == {(160, 1)}
    span = heard.packets[-1].arrival - heard.packets[0].arrival
    assert span / (len(heard) - 1) == pytest.approx(0.020, abs=0.002)


async def test_what_is_played_arrives_byte_for_byte(alice: Phone, bob: Phone, tmp_path: Path) -> None:
    noise = np.random.default_rng(7).integers(-8000, 8000, 1600).astype(np.int16)
    (tmp_path / "noise.alaw").write_bytes(audio.encode_alaw(noise))
    out, inc = await talk(alice, bob)
    await out.play(tmp_path / "noise.alaw").finished()
    await inc.hear_silence(0.1, SECONDS)
    inc.heard.save(tmp_path / "heard.wav")
    await out.hangup()
    sound = audio.encode_alaw(audio.load(tmp_path / "heard.wav"))
    assert audio.encode_alaw(noise) in sound


async def test_a_new_sound_replaces_the_old_and_stop_falls_silent(alice: Phone, bob: Phone) -> None:
    out, inc = await talk(alice, bob)
    first = out.play(audio.tone(440, 0.5), loop=True)
    await inc.hear_tone(440, SECONDS)
    second = out.play(Tone(1000))
    await first.finished()
    await inc.hear_tone(1000, SECONDS)
    second.stop()
    await inc.hear_silence(0.1, SECONDS)
    with pytest.raises(ValueError, match="nothing"):
        out.play(b"")
    third = out.play(Tone(440))
    await out.hangup()
    await third.finished()


# -- keys -----------------------------------------------------------------------------------------------------------


async def test_keys_by_rtp(alice: Phone, bob: Phone) -> None:
    out, inc = await talk(alice, bob)
    out.play(Tone(440))
    await inc.hear_tone(440, SECONDS)
    released = await out.press("12*#0D", ms=100, gap_ms=60)
    await inc.hear_tone(440, SECONDS)
    assert inc.digits == "12*#0D"
    starts = [e for e in inc.events if e.kind == "dtmf"]
    ends = [e for e in inc.events if e.kind == "dtmf end"]
    assert [e.detail for e in starts] == [e.detail for e in ends] == list("12*#0D")
    assert starts[-1].at < released <= ends[-1].at  # the first end packet, which is the one that is heard
    # By the RTP clock: each key takes 100 ms and two more end packets of the sound's time, and 60 ms lie between keys.
    jumps = [(i, b.timestamp - a.timestamp) for i, (a, b) in enumerate(pairwise(inc.heard.packets))]
    keys = [(i, units) for i, units in jumps if units != 160]
    assert [units for _, units in keys] == [160 * (5 + 2 + 1)] * 6
    assert [b - a for (a, _), (b, _) in pairwise(keys)] == [3] * 5
    await out.hangup()


async def test_keys_by_info(alice: Phone, bob: Phone) -> None:
    out, inc = await talk(alice, bob)
    await out.press("5#", method="info")
    assert inc.digits == "5#"
    assert kinds(inc).count("recv INFO") == 2
    with pytest.raises(ValueError, match="key"):
        await out.press("x", method="info")
    with pytest.raises(ValueError, match="key"):
        await out.press("x")
    await out.hangup()


async def test_a_press_ends_when_the_call_ends(alice: Phone, bob: Phone) -> None:
    out, inc = await talk(alice, bob)
    press = asyncio.create_task(out.press("1", ms=8000))
    await inc.event("dtmf", SECONDS)
    await inc.hangup()
    async with asyncio.timeout(SECONDS):
        await press


# -- no talk --------------------------------------------------------------------------------------------------------


async def test_who_waits_for_something_learns_at_once_that_the_call_is_over(alice: Phone, bob: Phone) -> None:
    out, inc = await talk(alice, bob)
    waiting = [
        asyncio.create_task(out.hear_tone(440, 60)),
        asyncio.create_task(out.hear_sound(60)),
        asyncio.create_task(out.event("dtmf", 60)),
    ]
    await asyncio.sleep(0)
    await inc.hangup()
    async with asyncio.timeout(SECONDS):
        results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [TimeoutError] * 3
    with pytest.raises(TimeoutError, match="over"):
        await out.hear_tone(440, 60)


async def test_cancel(alice: Phone, bob: Phone) -> None:
    out = await alice.call(uri(bob))
    await out.event("recv 180", SECONDS)
    end = await out.hangup()
    inc = await bob.incoming(SECONDS)
    far = await inc.ended(SECONDS)
    assert (end.by, end.status, far.by, far.status) == ("local", 487, "remote", 487)
    assert kinds(inc) == ["recv INVITE", "sent 100", "sent 180", "recv CANCEL", "sent 487", "ended"]
    with pytest.raises(CallFailed, match="487"):
        await out.answered(SECONDS)
    inc.answer()
    inc.ring()
    inc.reject()
    assert kinds(inc)[-1] == "ended"


async def test_cancel_waits_for_the_first_word(alice: Phone, bob: Phone) -> None:
    """Section 9.1: no CANCEL before a provisional response."""
    out = await alice.call(uri(bob))
    assert out.time_of("recv 100") is None
    await out.hangup()
    assert kinds(out)[:3] == ["sent INVITE", "recv 100", "sent CANCEL"]
    assert (await (await bob.incoming(SECONDS)).ended(SECONDS)).status == 487


@pytest.mark.parametrize(
    ("policy", "status", "rings"),
    [
        (AnswerPolicy.busy(), 486, False),
        (AnswerPolicy.decline(), 603, False),
        (AnswerPolicy.reject(480, after_s=0.05), 480, True),
        (AnswerPolicy.reject(404), 404, False),
    ],
)
async def test_refused(alice: Phone, bob: Phone, policy: AnswerPolicy, status: int, rings: bool) -> None:
    bob.policy = policy
    out = await alice.call(uri(bob))
    with pytest.raises(CallFailed) as caught:
        await out.answered(SECONDS)
    assert caught.value.status == status
    end = await out.ended(SECONDS)
    assert (end.by, end.status) == ("remote", status)
    assert (out.time_of("recv 180") is not None) == rings


async def test_policies_answer_by_themselves(alice: Phone, bob: Phone) -> None:
    seen: list[Call] = []
    bob.on_call = seen.append
    bob.policy = AnswerPolicy.auto(0.1)
    out = await alice.call(uri(bob))
    await out.answered(SECONDS)
    inc = await bob.incoming(SECONDS)
    assert seen == [inc]
    answered, invited = inc.time_of("sent 200"), inc.time_of("recv INVITE")
    assert answered is not None
    assert invited is not None
    assert 0.1 <= answered - invited < 0.2
    await out.hangup()
    bob.policy = AnswerPolicy.auto(ring=False)
    out = await alice.call(uri(bob))
    await out.answered(SECONDS)
    assert out.time_of("recv 180") is None
    await out.hangup()


async def test_no_answer_rings_until_the_caller_gives_up(alice: Phone, bob: Phone) -> None:
    bob.policy = AnswerPolicy.no_answer()
    out = await alice.call(uri(bob))
    with pytest.raises(TimeoutError):
        await out.answered(0.2)
    assert out.state is CallState.RINGING
    await out.hangup()
    bob.policy = AnswerPolicy.silent()
    out = await alice.call(uri(bob))
    await out.event("recv 100", SECONDS)
    assert out.state is CallState.CALLING
    await out.hangup()
    with pytest.raises(TimeoutError, match="180"):
        await out.event("recv 180", SECONDS)


async def test_one_line_only(alice: Phone) -> None:
    async with Phone("bob", lines=1) as bob:
        out, _ = await talk(alice, bob)
        second = await alice.call(uri(bob))
        assert (await second.ended(SECONDS)).status == 486
        await out.hangup()
        out, _ = await talk(alice, bob)
        await out.hangup()


async def test_the_called_one_hangs_up_while_ringing(alice: Phone, bob: Phone) -> None:
    out = await alice.call(uri(bob))
    inc = await bob.incoming(SECONDS)
    assert (await inc.hangup()).status == 603
    assert (await out.ended(SECONDS)).status == 603


async def test_nobody_there() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as dead:
        dead.bind(("127.0.0.1", 0))
        async with Phone("a", t1=0.01) as phone:
            out = await phone.call(f"sip:b@127.0.0.1:{dead.getsockname()[1]}")
            end = await out.ended(SECONDS)
            assert (end.by, end.status) == ("timeout", 408)
            assert phone.stats.retransmitted >= 3  # exactly when is shown on virtual time in core


# -- hold -----------------------------------------------------------------------------------------------------------


async def test_hold_and_resume_from_both_sides(alice: Phone, bob: Phone) -> None:
    out, inc = await talk(alice, bob)
    for holder, other in ((out, inc), (inc, out)):
        sound = other.play(Tone(440))
        await holder.hear_tone(440, SECONDS)
        await holder.hold()
        assert (holder.held, other.held_by_remote, holder.held_by_remote) == (True, True, False)
        sent = other.frames_sent
        before = holder.frames_sent
        await other.hear_silence(0.2, SECONDS)
        assert other.frames_sent - sent <= 1  # the held side is only spoken to
        assert holder.frames_sent > before + 5
        await holder.resume()
        assert not other.held_by_remote
        await holder.hear_tone(440, SECONDS)
        sound.stop()
    assert kinds(inc).count("hold") == kinds(out).count("hold") == 1
    await out.hangup()


async def test_both_hold_at_once(alice: Phone, bob: Phone) -> None:
    """Glare: 491 on both sides, and both get through after their different pauses (section 14.1)."""
    out, inc = await talk(alice, bob)
    async with asyncio.timeout(12):
        await asyncio.gather(out.hold(), inc.hold())
    assert out.held
    assert inc.held
    assert out.held_by_remote
    assert inc.held_by_remote
    async with asyncio.timeout(12):
        await out.resume()
        assert out.held_by_remote
        await inc.resume()
    inc.play(Tone(440))
    await out.hear_tone(440, SECONDS)
    await out.hangup()


async def test_hold_after_the_end_is_refused(alice: Phone, bob: Phone) -> None:
    out, _ = await talk(alice, bob)
    await out.hangup()
    with pytest.raises(CallFailed, match="481"):
        await out.hold()


# -- glare at the end -----------------------------------------------------------------------------------------------


async def test_both_hang_up_at_once(alice: Phone, bob: Phone) -> None:
    out, inc = await talk(alice, bob)
    async with asyncio.timeout(SECONDS):
        ends = await asyncio.gather(out.hangup(), inc.hangup())
    assert [end.status for end in ends] == [200, 200]
    assert (alice.calls, bob.calls) == ([], [])


async def test_the_called_one_hangs_up_before_the_ack(alice: Phone, bob: Phone) -> None:
    """Section 15: the callee's BYE waits for the ACK."""
    out = await alice.call(uri(bob))
    inc = await bob.incoming(SECONDS)
    inc.answer()
    await inc.hangup()
    assert kinds(inc)[-4:] == ["sent 200", "recv ACK", "sent BYE", "ended"]
    assert (await out.ended(SECONDS)).by == "remote"


async def test_cancel_crosses_the_200(alice: Phone, bob: Phone) -> None:
    """The 200 is already under way when the caller hangs up: ACK, then BYE."""
    out = await alice.call(uri(bob))
    await out.event("recv 180", SECONDS)
    inc = await bob.incoming(SECONDS)
    inc.answer()
    end = await out.hangup()
    assert end.by == "local"
    far = await inc.ended(SECONDS)
    assert far.status == 200
    assert kinds(out)[-5:] == ["sent CANCEL", "recv 200", "sent ACK", "sent BYE", "ended"]
    with pytest.raises(CallFailed):
        await out.answered(SECONDS)


async def test_power_cut(alice: Phone, bob: Phone) -> None:
    out, inc = await talk(alice, bob)
    await bob.stop(graceful=False)
    assert (await inc.ended(SECONDS)).by == "timeout"
    assert out.state is CallState.CONFIRMED
    heard = len(out.heard)
    await out.hear_silence(0.1, SECONDS)
    assert len(out.heard) == heard
    await alice.stop(graceful=False)
    await alice.stop()


async def test_stop_hangs_up_what_is_left(alice: Phone) -> None:
    async with Phone("bob") as bob:
        out, _ = await talk(alice, bob)
        ringing = await alice.call(uri(bob))
        await ringing.event("recv 180", SECONDS)
    assert (await out.ended(SECONDS)).by == "remote"
    assert (await ringing.ended(SECONDS)).status == 603


async def test_sound_from_a_wrong_port_and_rubbish_are_not_heard(alice: Phone, bob: Phone) -> None:
    out, inc = await talk(alice, bob)
    await inc.event("rtp", SECONDS)
    port = inc._local.port
    before = {p.ssrc for p in inc.heard.packets}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.1", 0))
        for data in (b"\x80\x08" + b"\0" * 10 + b"x" * 160, b"junk"):
            stranger.sendto(data, ("127.0.0.1", port))
        await inc.hear_silence(0.1, SECONDS)
    await out.hangup()
    await inc.ended(SECONDS)
    assert {p.ssrc for p in inc.heard.packets} == before
    assert (bob.stats.foreign_rtp, bob.stats.malformed_rtp) == (1, 1)


# -- many -----------------------------------------------------------------------------------------------------------


async def test_many_calls_share_one_clock(alice: Phone, bob: Phone) -> None:
    """Twenty calls at once: all heard, none loses a frame, and the clock stops with the last of them."""
    bob.policy = AnswerPolicy.auto()
    calls = [await alice.call(uri(bob)) for _ in range(20)]
    await asyncio.gather(*(call.answered(SECONDS) for call in calls))
    others = {call.call_id: call for call in [await bob.incoming(SECONDS) for _ in calls]}
    for number, call in enumerate(calls):
        others[call.call_id].play(Tone(400 + 50 * number))
    await asyncio.gather(*(c.hear_tone(400 + 50 * n, SECONDS) for n, c in enumerate(calls)))
    await asyncio.gather(*(call.hangup() for call in calls))
    assert {call.heard.lost for call in calls} == {0}
    await asyncio.gather(*(call.ended(SECONDS) for call in others.values()))
    assert Pacer.shared()._timer is None


async def test_a_phone_without_a_server_dials_addresses_only(alice: Phone) -> None:
    with pytest.raises(ValueError, match="server"):
        await alice.call("12345")
    with pytest.raises(RegistrationFailed):
        await alice.register()
