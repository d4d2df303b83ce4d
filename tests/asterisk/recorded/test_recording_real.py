"""What a real Asterisk records: who was where and when, by tones in the finished WAV, and silence where it was paused.

Everybody plays a tone of his own all the time. The left leg of the recording is the citizen, the right what he hears.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt
import pytest

from controller.asterisk import Exchange
from controller.recorded import recorded_now
from controller.recording_check import expected_of
from controller.recording_watch import RecordingWatch
from controller.softphone import AnswerPolicy, Call, Tone, media
from controller.softphone.audio import tone_share
from metrics.prometheus import HotlineMetrics
from metrics.recordings import RecordingMetrics
from pbx import commands as order
from pbx import events as event
from pbx.call import CallRecord, CallState
from pbx.events import TargetKind
from pbx.ids import ActorId, AgentId, RequestId
from pbx.supervision import RecordingPauseAsked
from recordings.checks import CheckRule, Finding, check
from recordings.files import CITIZEN, HEARD, RATE, FinishedRecording, finish, read_leg
from recordings.policy import PausePolicy, RecordingPolicy
from tests.asterisk.conftest import Tap
from tests.asterisk.test_in_the_call import (
    CITIZEN_HZ,
    ONE_HZ,
    OUTSIDE_HZ,
    SURVEY_HZ,
    TWO_HZ,
    UNIT,
    Hotline,
    both,
    clear,
    least_talk,
    successor,
)
from tests.builders import A1, A2, MENU, plan

pytestmark = [pytest.mark.asterisk, pytest.mark.usefixtures("complaints_of_asterisk")]

LENGTH_S = 1.0
"""So much may the finished WAV differ from the time between the order to record and the hang-up; as the check's rule.

On a busy machine the exchange takes its time from the order to the first frame.
"""
EDGE_S = 0.3
"""So long before and after an instant of the record the sound may change: orders and frames take their time."""
STEP = RATE // 20


@dataclass(frozen=True)
class Heard:
    """A finished recording, and the call's record."""

    done: FinishedRecording
    record: CallRecord
    legs: tuple[npt.NDArray[np.int16], npt.NDArray[np.int16]]

    def _pieces(self, leg: int, begin: float, end: float) -> list[npt.NDArray[np.int16]]:
        since = self.done.started_at.timestamp()
        first, last = (round((at - since) * RATE) for at in (begin + EDGE_S, end - EDGE_S - max(0.0, self.short())))
        sound = self.legs[leg][max(first, 0) : last]
        pieces = [sound[at : at + STEP] for at in range(0, len(sound) - STEP + 1, STEP)]
        assert pieces, f"nothing to look at between {begin - since:.2f} and {end - since:.2f} s"
        return pieces

    def short(self) -> float:
        """Seconds by which the WAV is shorter than its call: the exchange began so late, all stands so much earlier."""
        assert self.record.ended_at is not None
        return self.record.ended_at - self.done.started_at.timestamp() - self.done.duration_s

    def share(self, leg: int, hz: float, begin: float, end: float) -> float:
        """For which part of the time between two instants (epoch seconds) this tone is on the leg."""
        found = [bool(one.any()) and tone_share(one, hz) > 0.3 for one in self._pieces(leg, begin, end)]
        return sum(found) / len(found)

    def silent(self, leg: int, begin: float, end: float) -> bool:
        """Whether there is nothing but digital silence."""
        return not any(one.any() for one in self._pieces(leg, begin, end))


class Recorded(Hotline):
    """The rules over the real Asterisk, with recording."""

    task: asyncio.Task[None]

    async def heard(self, citizen: Call, folder: Path) -> Heard:
        """The citizen hangs up; his recording is sealed."""
        await citizen.hangup()
        await self.until(lambda: any(isinstance(one, order.FinishRecording) for one in self.aside), "the recording")
        found = next(one for one in self.aside if isinstance(one, order.FinishRecording))
        began = datetime.fromtimestamp(found.started_at, UTC)
        raw = self.settings.recordings / found.raw
        done = await asyncio.to_thread(finish, raw, folder / "call.wav", started_at=began)
        sound = [
            np.frombuffer(b"".join(read_leg(done.path, leg)), dtype="<i2").astype(np.int16) for leg in (CITIZEN, HEARD)
        ]
        return Heard(done, self.records[found.call].record, (sound[0], sound[1]))

    def pause(self, on: bool, by: AgentId = A1) -> str:
        live = next(iter(self.house.calls.values()))
        request = RequestId(f"p{time.monotonic_ns()}")
        self.step(RecordingPauseAsked(live.call, on, by, ActorId(by), request, time.time()))
        return self.replies[request].code


def whole(found: Heard) -> None:
    """The WAV is as long as the call."""
    assert abs(found.short()) <= LENGTH_S


def private_menu() -> dict[str, object]:
    """The menu's first question is private, and not waited for long."""
    menu = plan().menus["main"]
    first = replace(menu.nodes["main"], say=("menu-main",), private=True, wait_s=2.5, greeting=())  # type: ignore[type-var]
    return {"main": replace(menu, nodes={**menu.nodes, "main": first})}


@pytest.fixture
async def recorded(exchange: Exchange, tap: object, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Recorded]:
    """Recording from the answer on.

    Each phone's RTP numbers begin above those of the one before: where they do not, Debian's Asterisk leaves whoever
    follows another speaker out of the recording (docs/recordings.md).
    """
    starts = itertools.count(500, 1500)
    monkeypatch.setattr(media, "secrets", SimpleNamespace(randbits=lambda bits: next(starts) if bits == 15 else 7))
    policy = RecordingPolicy(consent_required=False, start="answer")  # type: ignore[arg-type]
    async with AsyncExitStack() as stack:
        made = Recorded(exchange, stack, recording=policy, menus=private_menu(), pauses=PausePolicy(longest_s=60.0))
        made.task = task = asyncio.create_task(made.door.run(), name="door")
        assert await made.door.wait_ready(10)
        await least_talk(made, 0)
        yield made
        await clear(made)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_hold_three_way_a_killed_controller_and_transfers_stand_on_one_time_line(
    recorded: Recorded, exchange: Exchange, tmp_path: Path
) -> None:
    hotline = recorded
    first = await hotline.agent(A1)
    citizen, mine, live = await hotline.talk(first)
    await asyncio.sleep(1.0)  # sound is recorded in its own time: this is how long the talk is
    assert not hotline.ask(event.HoldAsked, A1)
    await hotline.is_(live, CallState.HELD)
    await citizen.hear_sound(timeout=3)
    await asyncio.sleep(1.0)
    assert not hotline.ask(event.ResumeAsked, A1)
    await both(citizen, CITIZEN_HZ, mine, ONE_HZ)

    unit = await hotline.plug(UNIT, AnswerPolicy.auto(0.05))
    assert not hotline.ask(event.ThirdPartyAsked, A1, UNIT)
    third = await unit.incoming(timeout=5)
    await third.answered(timeout=5)
    third.play(Tone(OUTSIDE_HZ))
    await hotline.until(lambda: len(live.legs) == 2, "three of them")
    three_from = time.time()
    await asyncio.sleep(1.5)
    three_until = time.time()
    assert not hotline.ask(event.ThirdPartyDropped, A1, UNIT)
    await third.ended(timeout=4)
    second = await hotline.agent(A2)

    async with AsyncExitStack() as stack:
        new = await successor(hotline, exchange, stack)
        new.__class__ = Recorded
        assert not new.ask(event.ConsultAsked, A1, TargetKind.AGENT, A2)
        theirs = await second.incoming(timeout=5)
        await theirs.answered(timeout=5)
        theirs.play(Tone(TWO_HZ))
        found = new.house.calls[live.call]
        await new.until(lambda: found.consult is not None and found.consult.up, "asked")
        await asyncio.sleep(0.8)
        assert not new.ask(event.ConsultCompleted, A1)
        await both(citizen, CITIZEN_HZ, theirs, TWO_HZ)
        attended_at = time.time()
        await mine.ended(timeout=4)
        await asyncio.sleep(1.2)
        blind_at = time.time()
        assert not new.ask(event.AgentWentReady, A1)
        assert not new.ask(event.TransferAsked, A2, TargetKind.AGENT, A1)
        again = await first.incoming(timeout=5)
        await again.answered(timeout=5)
        again.play(Tone(ONE_HZ))
        await both(citizen, CITIZEN_HZ, again, ONE_HZ)
        back_at = time.time()
        await asyncio.sleep(1.2)
        heard = await new.heard(citizen, tmp_path)  # type: ignore[attr-defined]
        await new.empty()
        await clear(new)

    whole(heard)
    record, ended = heard.record, heard.record.ended_at
    assert record.joined_at is not None
    assert ended is not None
    hold, consult = record.holds
    assert hold.ended_at is not None
    assert consult.ended_at is not None
    assert heard.share(CITIZEN, CITIZEN_HZ, record.arrived_at + 0.3, ended) > 0.95  # he spoke all the time
    spans = {
        "first talk": (record.joined_at, hold.began_at, {ONE_HZ}),
        "hold": (hold.began_at, hold.ended_at, set()),
        "three": (three_from, three_until, {ONE_HZ, OUTSIDE_HZ}),
        "consultation": (consult.began_at, consult.ended_at, set()),
        "attended": (attended_at, blind_at, {TWO_HZ}),
        "blind": (back_at, ended, {ONE_HZ}),
    }
    for name, (begin, end, there) in spans.items():
        for hz in (ONE_HZ, TWO_HZ, OUTSIDE_HZ):
            share = heard.share(HEARD, hz, begin, end)
            assert (share > 0.9) if hz in there else (share < 0.05), (name, hz, share)


async def test_an_agents_pause_is_silence_on_the_time_line(recorded: Recorded, tmp_path: Path) -> None:
    agent = await recorded.agent(A1)
    citizen, mine, live = await recorded.talk(agent)
    await asyncio.sleep(1.0)
    assert recorded.pause(on=True) == ""
    await asyncio.sleep(1.5)
    assert recorded.pause(on=False) == ""
    await asyncio.sleep(1.0)
    assert recorded.pause(on=True) == ""
    await asyncio.sleep(1.0)
    await mine.hangup()  # the talk is over: the survey stands in the recording again
    await recorded.is_(live, CallState.SURVEY)
    await citizen.hear_tone(SURVEY_HZ, timeout=4)
    await asyncio.sleep(0.8)
    heard = await recorded.heard(citizen, tmp_path)
    whole(heard)
    one, two = heard.record.pauses
    assert (one.ended_by, two.ended_by) == ("asked", "left")
    assert one.ended_at is not None
    assert two.ended_at is not None
    assert heard.record.ended_at is not None
    for pause in (one, two):
        assert heard.silent(CITIZEN, pause.began_at, pause.ended_at or 0.0)
        assert heard.silent(HEARD, pause.began_at, pause.ended_at or 0.0)
    assert heard.share(CITIZEN, CITIZEN_HZ, one.ended_at, two.began_at) > 0.9
    assert heard.share(HEARD, ONE_HZ, one.ended_at, two.began_at) > 0.9
    assert heard.share(CITIZEN, CITIZEN_HZ, two.ended_at, heard.record.ended_at) > 0.9


@pytest.mark.parametrize("fate", ["killed", "hung up"])
async def test_private_keys_are_not_in_the_recording(
    recorded: Recorded, exchange: Exchange, tmp_path: Path, fate: str
) -> None:
    citizen = await recorded.calls(MENU)
    await recorded.until(lambda: any(isinstance(one, event.StepStarted) for one in recorded.events), "asked")
    (live,) = recorded.house.calls.values()
    assert live.pause is not None
    await asyncio.sleep(1.0)
    async with AsyncExitStack() as stack:
        last = recorded
        if fate == "killed":
            last = await successor(recorded, exchange, stack)  # type: ignore[assignment]
            last.__class__ = Recorded
            assert last.house.calls[live.call].pause is not None  # it knows
        if fate != "hung up":
            await citizen.press("0")
            await last.until(lambda: last.house.calls[live.call].pause is None, "it goes on")
            await asyncio.sleep(1.2)
        heard = await last.heard(citizen, tmp_path)
        if last is not recorded:
            await clear(last)
    whole(heard)
    (pause,) = heard.record.pauses
    assert pause.cause == "keys"
    assert pause.ended_by == ("call_ended" if fate == "hung up" else "answered")
    assert pause.ended_at is not None
    assert heard.record.ended_at is not None
    assert heard.silent(CITIZEN, pause.began_at, pause.ended_at)
    assert heard.silent(HEARD, pause.began_at, pause.ended_at)
    if fate != "hung up":
        assert heard.share(CITIZEN, CITIZEN_HZ, pause.ended_at, heard.record.ended_at) > 0.9


async def test_with_no_controller_left_the_net_records_again_on_the_same_time_line(
    recorded: Recorded, exchange: Exchange, tap: Tap, tmp_path: Path
) -> None:
    citizen = await recorded.calls(MENU)
    await recorded.until(lambda: any(isinstance(one, event.StepStarted) for one in recorded.events), "asked")
    (live,) = recorded.house.calls.values()
    assert live.pause is not None
    opened = tuple(one.record for one in recorded.records.values())
    recorded.task.cancel()  # the controller is gone; the question's time runs out, and then the heartbeat is too old
    await tap.user("Fallback", live.call, within=12)
    watch = time.time()
    await asyncio.sleep(1.0)
    async with AsyncExitStack() as stack:
        new = Recorded(exchange, stack, recording=recorded.house.plan.recording, menus=private_menu())
        new.step(event.CallsRestored(opened, time.time()))
        task = asyncio.create_task(new.door.run(), name="the next door")
        stack.callback(task.cancel)
        assert await new.door.wait_ready(10)
        assert new.house.calls[live.call].pause is None
        await asyncio.sleep(0.5)
        heard = await new.heard(citizen, tmp_path)
        await clear(new)
    (pause,) = heard.record.pauses
    assert pause.ended_by == "unseen"
    whole(heard)
    assert heard.silent(CITIZEN, pause.began_at, watch - 0.5)
    assert heard.record.ended_at is not None
    assert heard.share(CITIZEN, CITIZEN_HZ, watch, heard.record.ended_at) > 0.9


@pytest.fixture
def little_disk(exchange: Exchange) -> Iterator[Path]:
    """Asterisk's recordings lie on a disk of 64 KiB: two seconds."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    folder = exchange.settings.recordings
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=1777", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


async def test_a_full_disk_ends_the_recording_and_not_the_call(
    recorded: Recorded, little_disk: Path, tmp_path: Path
) -> None:
    agent = await recorded.agent(A1)
    citizen, mine, live = await recorded.talk(agent)
    metrics = RecordingMetrics(HotlineMetrics().registry, Finding)
    watch = RecordingWatch(little_disk, lambda: recorded_now(recorded.house), metrics, time.time)
    deadline = time.monotonic() + 10
    while os.statvfs(little_disk).f_bavail and time.monotonic() < deadline:  # noqa: ASYNC110 - the kernel is silent
        await asyncio.sleep(0.1)
    assert os.statvfs(little_disk).f_bavail == 0
    await both(citizen, CITIZEN_HZ, mine, ONE_HZ)  # the call goes on
    await asyncio.sleep(1.5)
    now = watch._look(recorded_now(recorded.house))
    assert now is not None
    watch.judge(recorded_now(recorded.house), *now)
    assert not watch.healthy
    await both(citizen, CITIZEN_HZ, mine, ONE_HZ)
    assert live.state is CallState.TALKING
    heard = await recorded.heard(citizen, tmp_path)
    finished = next(one for one in recorded.aside if isinstance(one, order.FinishRecording))
    assert heard.done.loudness is not None
    found = check(CheckRule(), expected_of(finished), heard.done.duration_s, heard.done.loudness.audible_s)
    assert found.findings == (Finding.TRUNCATED,)
    assert found.found_s == pytest.approx(2.0, abs=0.1)  # what was written before is there
    assert found.missing_s > 1.0
