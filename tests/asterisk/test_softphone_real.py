"""The scripted phone against a real Asterisk, and against pjsua2 where its wheel exists."""

from __future__ import annotations

import asyncio
import multiprocessing
import sys
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from controller.asterisk import Exchange
from controller.softphone import AnswerPolicy, Call, CallFailed, Phone, RegistrationFailed, Tone, audio

from .conftest import Tap

pytestmark = pytest.mark.asterisk

SECONDS = 5.0


def phone(exchange: Exchange, number: str, **more: Any) -> Phone:
    s = exchange.settings
    return Phone(number, s.phone(number).password, (s.host, s.sip_port), **more)


@pytest.fixture
async def one(exchange: Exchange) -> AsyncIterator[Phone]:
    async with phone(exchange, "1001") as made:
        await made.register(expires=60)
        yield made


@pytest.fixture
async def two(exchange: Exchange) -> AsyncIterator[Phone]:
    async with phone(exchange, "1002") as made:
        await made.register(expires=60)
        yield made


async def talk(one: Phone, two: Phone) -> tuple[Call, Call]:
    out = await one.call("1002")
    inc = await two.incoming(SECONDS)
    await out.event("recv 180", SECONDS)
    inc.answer()
    await out.answered(SECONDS)
    return out, inc


async def contacts(tap: Tap) -> str:
    return "\n".join(await tap.cli("pjsip show contacts"))


async def test_register_with_digest_and_take_it_back(exchange: Exchange, tap: Tap) -> None:
    async with phone(exchange, "1001") as made:
        await made.register(expires=60)
        assert made.registered
        assert f"1001@{made.address[0]}:{made.address[1]}" in await contacts(tap)
        await made.unregister()
        assert f"1001@{made.address[0]}" not in await contacts(tap)


async def test_a_wrong_password_is_refused(exchange: Exchange) -> None:
    s = exchange.settings
    async with Phone("1001", "wrong", (s.host, s.sip_port)) as made:
        with pytest.raises(RegistrationFailed, match="401"):
            await made.register()
        assert not made.registered


async def test_agent_to_agent_with_tones_both_ways(one: Phone, two: Phone) -> None:
    out, inc = await talk(one, two)
    assert (inc.remote_number, inc.dialled) == ("1001", "1002")
    out.play(Tone(440))
    inc.play(Tone(1000))
    await asyncio.gather(out.hear_tone(1000, SECONDS), inc.hear_tone(440, SECONDS))
    await out.play(audio.tone(440, 0.5)).finished()
    assert (await inc.hangup()).status == 200
    assert (await out.ended(SECONDS)).by == "remote"
    for call, hz in ((out, 1000), (inc, 440)):
        start = call.heard.first_sound(0)
        assert start is not None
        assert call.heard.dominant(start, start + 0.4)[0] == pytest.approx(hz, abs=2)
        assert call.heard.tone_share(hz, start, start + 0.4) > 0.98
        assert call.heard.lost == 0


async def test_keys_are_seen_by_ami(one: Phone, tap: Tap) -> None:
    """In the echo test, where Asterisk itself listens (between two phones its native bridge shows no key to AMI)."""
    out = await one.call("*43")
    await out.answered(SECONDS)
    mark = len(tap.events)
    await out.press("15*0#", ms=100)  # "#" last: it ends the echo
    for digit in "15*0#":

        def ended(message: dict[str, str], digit: str = digit) -> bool:
            return (message["Event"], message.get("Digit"), message.get("Direction")) == ("DTMFEnd", digit, "Received")

        event = await tap.event(ended, after=mark)
        assert 80 <= int(event["DurationMs"]) <= 140
    await out.hangup()


async def test_keys_reach_the_other_phone(one: Phone, two: Phone) -> None:
    out, inc = await talk(one, two)
    out.play(Tone(440))
    await inc.hear_tone(440, SECONDS)
    await out.press("15*#0", ms=100)
    await inc.hear_tone(440, SECONDS)
    assert inc.digits == "15*#0"
    assert [e.detail for e in inc.events if e.kind == "dtmf end"] == list("15*#0")
    await out.hangup()


async def test_keys_by_info(exchange: Exchange, tap: Tap) -> None:
    """Only endpoints with dtmf_mode auto or info take INFO; the carrier's has auto."""
    s = exchange.settings
    await tap.keep_beating()
    async with Phone(s.citizen_user, s.citizen_password, (s.host, s.sip_port), from_number="13800001111") as citizen:
        call = await citizen.call("12345")
        await call.answered(SECONDS)
        mark = len(tap.events)
        await call.press("7", method="info")
        await tap.event(lambda m: (m["Event"], m.get("Digit")) == ("DTMFEnd", "7"), after=mark)
        await call.hangup()


async def test_a_carrier_authenticates_as_itself_and_shows_the_citizens_number(exchange: Exchange, tap: Tap) -> None:
    s = exchange.settings
    await tap.keep_beating()
    async with Phone(s.citizen_user, s.citizen_password, (s.host, s.sip_port)) as carrier:
        mark = len(tap.events)
        call = await carrier.call("12345", from_number="13912345678")
        await call.answered(SECONDS)
        begun = await tap.user("CallStart", after=mark)
        assert (begun["Cli"], begun["Did"]) == ("13912345678", "12345")
        await call.hangup()
        refused = await carrier.call("99999")
        with pytest.raises(CallFailed, match="404"):
            await refused.answered(SECONDS)
    async with Phone(s.citizen_user, "wrong", (s.host, s.sip_port)) as stranger:
        refused = await stranger.call("12345")
        with pytest.raises(CallFailed, match="401"):
            await refused.answered(SECONDS)


async def test_cancel_busy_and_no_answer(one: Phone, two: Phone) -> None:
    out = await one.call("1002")
    await out.event("recv 180", SECONDS)
    await out.hangup()
    inc = await two.incoming(SECONDS)
    assert (await inc.ended(SECONDS)).status == 487
    two.policy = AnswerPolicy.busy()
    out = await one.call("1002")
    assert (await out.ended(SECONDS)).q850 == 17


async def test_hold_through_asterisk(one: Phone, two: Phone) -> None:
    """The held side hears Asterisk's music instead of us; after resume it hears us again."""
    out, inc = await talk(one, two)
    out.play(Tone(1000))
    await inc.hear_tone(1000, SECONDS)
    await out.hold()
    await inc.hear_silence(0.06, SECONDS, level=-20)
    assert inc.heard.ended is not None
    assert inc.heard.tone_share(1000, inc.heard.ended - 0.06) < 0.1
    await out.resume()
    await inc.hear_tone(1000, SECONDS)
    await out.hangup()


async def test_a_power_cut_is_noticed_by_asterisk(exchange: Exchange, one: Phone) -> None:
    """rtp_timeout of the test exchange is 3 s: a phone that falls silent is hung up, one that is merely quiet not."""
    async with phone(exchange, "1002") as two:
        await two.register(expires=60)
        out, _ = await talk(one, two)
        with pytest.raises(TimeoutError):
            await out.ended(4)
        await two.stop(graceful=False)
        assert (await out.ended(8)).by == "remote"


# -- an independent stack -------------------------------------------------------------------------------------------


def _pjsua_phone(pipe: Any, user: str, password: str, server: str, source: str, target: str) -> None:
    """A pjsua2 phone in a process of its own: registers, answers, plays `source`, records `target`, presses 9."""
    import pjsua2 as pj

    endpoint = pj.Endpoint()
    endpoint.libCreate()
    config = pj.EpConfig()
    config.logConfig.level = config.logConfig.consoleLevel = 0
    config.uaConfig.maxCalls = 4
    config.medConfig.clockRate = config.medConfig.sndClockRate = 8000
    config.medConfig.noVad = True
    config.medConfig.ecTailLen = 0
    endpoint.libInit(config)
    transport = pj.TransportConfig()
    transport.boundAddress = "127.0.0.1"
    endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
    endpoint.libStart()
    endpoint.audDevManager().setNullDev()
    kept: list[Any] = []

    class PjCall(pj.Call):  # type: ignore[misc]
        def onCallMediaState(self, parameter: Any) -> None:  # noqa: N802
            sound = self.getAudioMedia(-1)
            recorder, player = pj.AudioMediaRecorder(), pj.AudioMediaPlayer()
            recorder.createRecorder(target)
            player.createPlayer(source, 0)
            sound.startTransmit(recorder)
            player.startTransmit(sound)
            kept.extend([recorder, player])

        def onCallState(self, parameter: Any) -> None:  # noqa: N802
            pipe.send(("state", self.getInfo().stateText))

        def onDtmfDigit(self, parameter: Any) -> None:  # noqa: N802
            pipe.send(("digit", parameter.digit))

    class PjAccount(pj.Account):  # type: ignore[misc]
        def onRegState(self, parameter: Any) -> None:  # noqa: N802
            pipe.send(("registered", parameter.code))

        def onIncomingCall(self, parameter: Any) -> None:  # noqa: N802
            call = PjCall(self, parameter.callId)
            kept.append(call)
            answer = pj.CallOpParam()
            answer.statusCode = 200
            call.answer(answer)

    account_config = pj.AccountConfig()
    account_config.idUri = f"sip:{user}@{server}"
    account_config.regConfig.registrarUri = f"sip:{server}"
    account_config.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", user, 0, password))
    account = PjAccount()
    account.create(account_config)
    while True:
        endpoint.libHandleEvents(20)
        if pipe.poll():
            word = pipe.recv()
            if word == "press":
                next(c for c in kept if isinstance(c, PjCall)).dialDtmf("9")
            elif word == "hold":
                next(c for c in kept if isinstance(c, PjCall)).setHold(pj.CallOpParam())
            else:
                break
    endpoint.hangupAllCalls()
    kept.clear()
    account.shutdown()
    endpoint.libDestroy()
    pipe.send(("bye", 0))


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the pjsua2 wheel exists for CPython 3.11 only")
async def test_interoperates_with_pjsua2(exchange: Exchange, one: Phone, tmp_path: Path) -> None:
    """An independent SIP stack hears our tone and keys, and we hear its own."""
    pytest.importorskip("pjsua2", reason="pjsua2 is not installed")
    s = exchange.settings
    audio.save_wav(tmp_path / "source.wav", audio.tone(1000, 10))
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    target = tmp_path / "target.wav"
    arguments = (
        theirs, "1003", s.phone("1003").password, f"{s.host}:{s.sip_port}", str(tmp_path / "source.wav"), str(target)
    )  # fmt: skip
    process = context.Process(target=_pjsua_phone, args=arguments)
    process.start()

    async def told(wanted: tuple[str, Any]) -> None:
        def wait() -> None:
            while ours.poll(10):
                if ours.recv() == wanted:
                    return
            raise AssertionError(f"pjsua2 never said {wanted}")

        await asyncio.to_thread(wait)

    try:
        await told(("registered", 200))
        call = await one.call("1003")
        await call.answered(SECONDS)
        call.play(Tone(440))
        await told(("state", "CONFIRMED"))
        await call.hear_tone(1000, SECONDS)
        await call.press("7")
        await told(("digit", "7"))
        ours.send("press")
        assert (await call.event("dtmf", SECONDS)).detail == "9"
        await call.event("dtmf end", SECONDS)
        await call.hear_tone(1000, SECONDS)
        await call.play(audio.tone(440, 0.5)).finished()
        await call.hangup()
        await told(("state", "DISCONNECTED"))
        ours.send("stop")
        await told(("bye", 0))
    finally:
        await asyncio.to_thread(process.join, 5)
        if process.is_alive():
            process.kill()
            await asyncio.to_thread(process.join)
    with wave.open(str(target)) as file:
        assert file.getframerate() == audio.RATE
    heard = audio.load(target)
    assert audio.dominant(heard[-3000:-1000])[0] == pytest.approx(440, abs=3)
