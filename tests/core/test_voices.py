"""Which parties' own voices are recorded beside a call's recording, from when to when."""

from __future__ import annotations

import pytest

from controller.voices import Voices
from pbx.events import Event, MuteAsked
from pbx.ids import ActorId, ChannelName, RequestId
from pbx.supervision import RecordingPauseAsked
from pbx.voices import RecordVoice, StopVoice
from recordings.naming import parse_voice_name
from recordings.policy import RecordingPolicy
from tests.builders import A1, A2, ONE, Hall, leg_of, leg_row, row
from tests.virtual_time import START

pytestmark = pytest.mark.core

MINE, THEIRS = leg_of(A1, ONE, 1), leg_of(A2, ONE, 1)


class Heard(Hall):
    """A switchboard, and what is ordered beside it."""

    def __init__(self, **changes: object) -> None:
        self.orders: list[RecordVoice | StopVoice] = []
        self.voices: Voices | None = None
        super().__init__(connected=False, **changes)
        self.voices = Voices(self.house, self.orders.append, lambda: self.now)
        self.connected()

    def step(self, found: Event) -> list[object]:  # type: ignore[override]
        commands = super().step(found)
        if self.voices is not None:
            self.voices.stepped(found)
        return commands  # type: ignore[return-value]

    def running(self) -> set[ChannelName]:
        legs: set[ChannelName] = set()
        for one in self.orders:
            (legs.add if isinstance(one, RecordVoice) else legs.discard)(one.leg)
        return legs

    def mute(self, on: bool) -> None:
        self.step(MuteAsked(A1, on, RequestId("m"), self.now))

    def pause(self, on: bool) -> None:
        self.step(RecordingPauseAsked(ONE, on, A1, ActorId(A1), RequestId("p"), self.now))


def test_a_voice_is_recorded_while_the_caller_hears_it() -> None:
    hall = Heard()
    hall.ringing()
    assert not hall.orders, "nobody talks yet"
    hall.later(2)
    hall.joined(A1)
    hall.joined(None)
    (begun,) = hall.orders
    assert isinstance(begun, RecordVoice)
    assert (begun.call, begun.leg) == (ONE, MINE)
    recording = hall.call().recording
    assert recording is not None
    name = parse_voice_name(begun.name)
    assert (name.raw, name.after_ms) == (recording, round((hall.now - START) * 1000))
    hall.ticket()
    assert len(hall.orders) == 1, "what changes nothing orders nothing"
    hall.later(60)
    hall.hung_up()
    assert not hall.running()


def test_a_hold_a_consultation_and_the_return_from_it() -> None:
    hall = Heard()
    hall.talking()
    hall.hold()
    assert not hall.running(), "the caller hears music, and the agent may say what he likes"
    hall.parted()
    hall.ready(A2)
    hall.consult(A2)
    hall.asked_answers(A2)
    assert not hall.running()
    hall.resume()
    hall.fetched()
    assert hall.running() == {MINE}
    names = [one.name for one in hall.orders if isinstance(one, RecordVoice)]
    assert len(set(names)) == 2


def test_a_third_party_and_who_leaves() -> None:
    hall = Heard()
    hall.talking()
    hall.third_party(A2)
    hall.joined(A2, third=True)
    assert hall.running() == {MINE, THEIRS}
    hall.left(A1)
    hall.leg_ended(A1)
    assert hall.running() == {THEIRS}


def test_nothing_is_written_while_the_recording_is_paused_or_the_microphone_is_off() -> None:
    hall = Heard()
    hall.talking()
    for silence in (hall.pause, hall.mute):
        silence(True)
        assert not hall.running()
        silence(False)
        assert hall.running() == {MINE}


def test_who_is_not_recorded_has_no_voice_of_his_own() -> None:
    hall = Heard(recording=RecordingPolicy(record=False, consent_required=False))
    hall.talking()
    assert not hall.orders


def test_after_a_login_everything_is_begun_anew_and_nothing_old_goes_on() -> None:
    hall = Heard()
    hall.talking()
    hall.lost_exchange()
    hall.orders.clear()
    hall.connected(row(context="p-dial", bridged=True), leg_row(A1, up=True), leg_row(A2))
    assert hall.running() == {MINE}
    assert StopVoice(ONE, THEIRS) in hall.orders, "an earlier controller may have died before it could end it"


def test_nothing_is_ordered_while_the_exchange_is_away() -> None:
    hall = Heard()
    hall.talking()
    hall.lost_exchange()
    hall.orders.clear()
    hall.leg_ended(A1)
    assert not hall.orders
