"""Whoever follows another speaker stands in the recording: on a real Asterisk, with telephones whose RTP numbers are
chosen, since they decide what Debian's Asterisk loses (docs/recordings.md).
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import SimpleNamespace

import pytest

from controller.asterisk import Exchange
from controller.softphone import AnswerPolicy, Call, Phone, Tone, media
from controller.voices import Voices
from pbx import events as event
from pbx.events import Event, TargetKind
from pbx.ids import AgentId
from recordings.files import CITIZEN, HEARD
from recordings.policy import PausePolicy, RecordingPolicy
from tests.asterisk.recorded.test_recording_real import EDGE_S, Heard, Recorded, private_menu, whole
from tests.asterisk.test_in_the_call import (
    CITIZEN_HZ,
    ONE_HZ,
    OUTSIDE_HZ,
    TWO_HZ,
    UNIT,
    both,
    clear,
    least_talk,
    successor,
)
from tests.builders import A1, A2, A3

pytestmark = [pytest.mark.asterisk, pytest.mark.usefixtures("complaints_of_asterisk")]

ROUNDS = int(os.environ.get("HOTLINE_SPEAKERS", "0"))
"""For a measurement: so many transfers with numbers by chance."""
TALK_S = 1.2
SUPERVISOR_HZ = 2600
TONES = {A1: ONE_HZ, A2: TWO_HZ, UNIT: OUTSIDE_HZ}


@dataclass
class Numbers:
    """Where the RTP numbers of the next telephone begin."""

    next: int = 30000


class Spoken(Recorded):
    """The rules over the real Asterisk, with recording and parties' own voices."""

    voices: Voices | None = None

    def step(self, found: Event) -> None:
        super().step(found)
        if self.voices is not None:
            self.voices.stepped(found)


@pytest.fixture
def numbers(monkeypatch: pytest.MonkeyPatch) -> Numbers:
    chosen = Numbers()
    monkeypatch.setattr(media, "secrets", SimpleNamespace(randbits=lambda bits: chosen.next if bits == 15 else 7))
    return chosen


@pytest.fixture
async def spoken(exchange: Exchange, tap: object, numbers: Numbers) -> AsyncIterator[Spoken]:
    policy = RecordingPolicy(consent_required=False, start="answer")  # type: ignore[arg-type]
    async with AsyncExitStack() as stack:
        made = Spoken(exchange, stack, recording=policy, menus=private_menu(), pauses=PausePolicy(longest_s=60.0))
        if os.environ.get("HOTLINE_VOICES", "1") == "1":  # 0: as it is without them
            made.voices = Voices(made.house, made.door.perform, time.time)
        made.task = task = asyncio.create_task(made.door.run(), name="door")
        assert await made.door.wait_ready(10)
        await least_talk(made, 0)
        yield made
        await clear(made)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@dataclass
class Story:
    """One citizen, and who talked with him from when to when."""

    hotline: Spoken
    numbers: Numbers
    citizen: Call
    phones: dict[AgentId, Phone]
    talks: list[tuple[str, AgentId, int, float, float]]
    mine: Call

    async def talks_with(self, how: str, who: AgentId, theirs: Call) -> None:
        theirs.play(Tone(TONES[who]))
        await both(self.citizen, CITIZEN_HZ, theirs, TONES[who])
        began = time.time()
        await asyncio.sleep(TALK_S)  # sound is recorded in its own time
        self.talks.append((how, who, self.numbers.next, began, time.time()))
        self.mine = theirs

    async def blind(self, giver: AgentId, taker: AgentId, number: int) -> None:
        self.numbers.next = number
        if self.hotline.where(taker).name != "READY":
            assert not self.hotline.ask(event.AgentWentReady, taker)
        assert not self.hotline.ask(event.TransferAsked, giver, TargetKind.AGENT, taker)
        theirs = await self.phones[taker].incoming(timeout=5)
        await theirs.answered(timeout=5)
        await self.talks_with("blind", taker, theirs)

    async def attended(self, giver: AgentId, taker: AgentId, number: int) -> None:
        self.numbers.next = number
        live = next(iter(self.hotline.house.calls.values()))
        if self.hotline.where(taker).name != "READY":
            assert not self.hotline.ask(event.AgentWentReady, taker)
        assert not self.hotline.ask(event.ConsultAsked, giver, TargetKind.AGENT, taker)
        theirs = await self.phones[taker].incoming(timeout=5)
        await theirs.answered(timeout=5)
        theirs.play(Tone(TONES[taker]))
        await self.hotline.until(lambda: live.consult is not None and live.consult.up, "asked")
        asked = self.mine
        assert not self.hotline.ask(event.ConsultCompleted, giver)
        await asked.ended(timeout=4)
        await self.talks_with("attended", taker, theirs)

    async def supervised(self, agent: AgentId) -> None:
        """A supervisor whispers to the agent, whose voice is recorded by itself."""
        live = next(iter(self.hotline.house.calls.values()))
        leg = next(leg for leg, whose in live.legs.items() if whose == agent)
        phone = await self.hotline.plug(A3, AnswerPolicy.auto(0.05))
        spying = [("Channel", f"PJSIP/{A3}"), ("Application", "ChanSpy"), ("Data", f"{leg},qdE"), ("Async", "true")]
        await self.hotline.door.action("Originate", spying)
        ear = await phone.incoming(timeout=5)
        await ear.answered(timeout=5)
        ear.play(Tone(SUPERVISOR_HZ))
        rows = await self.hotline.door.listing("CoreShowChannels")
        spy = next(row.get("Channel") for row in rows if row.get("Channel").startswith(f"PJSIP/{A3}-"))
        whispered = asyncio.create_task(self.mine.hear_tone(SUPERVISOR_HZ, timeout=6, share=0.3))
        while not whispered.done():  # ChanSpy takes no key before it has begun
            await self.hotline.door.action("PlayDTMF", [("Channel", spy), ("Digit", "5"), ("Receive", "true")])
            await asyncio.wait([whispered], timeout=0.3)
        await whispered
        await asyncio.sleep(TALK_S)
        await ear.hangup()

    async def third_stays(self, number: int) -> None:
        self.numbers.next = number
        live = next(iter(self.hotline.house.calls.values()))
        assert not self.hotline.ask(event.ThirdPartyAsked, live.record.agent or A1, UNIT)
        theirs = await self.phones[UNIT].incoming(timeout=5)
        await theirs.answered(timeout=5)
        theirs.play(Tone(OUTSIDE_HZ))
        await self.hotline.until(lambda: len(live.legs) == 2, "three of them")
        await self.mine.hangup()
        await self.hotline.until(lambda: len(live.legs) == 1, "the third stays")
        await self.talks_with("third", UNIT, theirs)


async def story(hotline: Spoken, numbers: Numbers, first: int) -> Story:
    numbers.next = 500
    phones = {A1: await hotline.agent(A1)}
    citizen = await hotline.calls()
    numbers.next = first
    mine = await phones[A1].incoming(timeout=5)
    await mine.answered(timeout=5)
    phones[UNIT] = await hotline.plug(UNIT, AnswerPolicy.auto(0.05))
    made = Story(hotline, numbers, citizen, phones, [], mine)
    await made.talks_with("first", A1, mine)
    phones[A2] = await hotline.agent(A2)
    return made


def told(heard: Heard, talks: list[tuple[str, AgentId, int, float, float]]) -> dict[str, float]:
    """For which part of each talk its speaker is in the recording."""
    return {
        f"{at} {how} {who} from {number}": heard.share(HEARD, TONES[who], begin, end)
        for at, (how, who, number, begin, end) in enumerate(talks)
    }


async def test_a_lost_speakers_pause_and_hold_stay_silent_and_a_killed_controller_loses_nothing(
    spoken: Spoken, numbers: Numbers, exchange: Exchange, tmp_path: Path
) -> None:
    made = await story(spoken, numbers, 30000)
    await made.blind(A1, A2, 10000)  # from here on only his own voice has him
    began = made.talks.pop()[3]
    live = next(iter(spoken.house.calls.values()))
    assert spoken.pause(on=True, by=A2) == ""
    await asyncio.sleep(1.2)
    assert spoken.pause(on=False, by=A2) == ""
    await asyncio.sleep(1.0)
    assert not spoken.ask(event.HoldAsked, A2)
    await spoken.until(lambda: live.holding is not None and live.holding.begun, "parted")
    await asyncio.sleep(1.2)  # he talks all the time, and the caller hears music
    assert not spoken.ask(event.ResumeAsked, A2)
    await both(made.citizen, CITIZEN_HZ, made.mine, TWO_HZ)
    await asyncio.sleep(1.0)
    async with AsyncExitStack() as stack:
        spoken.voices = None
        killed_at = time.time()
        new = await successor(spoken, exchange, stack, Spoken)
        assert isinstance(new, Spoken)
        new.voices = Voices(new.house, new.door.perform, time.time)
        new.voices.stepped(next(one for one in new.events if isinstance(one, event.ExchangeConnected)))
        taken_at = time.time()
        await asyncio.sleep(1.2)
        heard = await new.heard(made.citizen, tmp_path)
        await clear(new)
    whole(heard)
    record = heard.record
    (pause,), (hold,), ended = record.pauses, record.holds, record.ended_at
    assert pause.ended_at is not None
    assert hold.ended_at is not None
    assert ended is not None
    assert heard.silent(HEARD, pause.began_at, pause.ended_at)
    assert heard.share(HEARD, TWO_HZ, hold.began_at, hold.ended_at) == 0.0
    for begin, end in (
        (began, pause.began_at), (pause.ended_at, hold.began_at), (hold.ended_at, killed_at), (taken_at, ended),
    ):  # fmt: skip
        assert heard.share(HEARD, TWO_HZ, begin, end) > 0.9
    assert heard.share(HEARD, TWO_HZ, killed_at - 3 * EDGE_S, taken_at + 3 * EDGE_S) > 0.8
    assert not [one.name for one in spoken.settings.recordings.iterdir() if record.call in one.name]


async def test_everybody_who_follows_another_speaker_is_in_the_recording(
    spoken: Spoken, numbers: Numbers, tmp_path: Path
) -> None:
    made = await story(spoken, numbers, 30000)
    await made.attended(A1, A2, 20000)
    await made.blind(A2, A1, 10000)
    supervised_from = time.time()
    await made.supervised(A1)
    supervised_until = time.time()
    await made.third_stays(1000)
    heard = await spoken.heard(made.citizen, tmp_path)
    whole(heard)
    shares = told(heard, made.talks)
    assert all(share > 0.9 for share in shares.values()), shares
    assert heard.share(CITIZEN, CITIZEN_HZ, made.talks[0][3], made.talks[-1][4]) > 0.95
    assert heard.share(HEARD, SUPERVISOR_HZ, supervised_from, supervised_until) == 0.0
    assert heard.share(HEARD, ONE_HZ, supervised_from, supervised_until) > 0.9
    assert heard.done.filled_s > 2.0, "this Asterisk has lost nothing: the voices are not needed"


if ROUNDS:

    async def test_measured(spoken: Spoken, numbers: Numbers, tmp_path: Path) -> None:
        chance = Random(int(os.environ.get("HOTLINE_SEED", "1")))
        made = await story(spoken, numbers, chance.randrange(65536))
        giver, taker = A1, A2
        for number in range(ROUNDS):
            one = made.blind if number % 2 else made.attended
            await one(giver, taker, chance.randrange(65536))
            giver, taker = taker, giver
        await made.third_stays(chance.randrange(65536))
        heard = await spoken.heard(made.citizen, tmp_path)
        shares = told(heard, made.talks)
        for name, share in shares.items():
            print(f"{name}: {share:.2f}")
        lost = sum(one < 0.9 for one in shares.values())
        print(f"filled {heard.done.filled_s} s of {heard.done.duration_s} s; {lost} of {len(shares)} lost")
        whole(heard)
        assert heard.share(CITIZEN, CITIZEN_HZ, made.talks[0][3], made.talks[-1][4]) > 0.95
