"""When a call is recorded, and when its recording is finished."""

from __future__ import annotations

import pytest

from pbx.call import CallState
from pbx.commands import FinishRecording, Play, StartRecording
from pbx.events import KeyStatus
from recordings.policy import RecordingPolicy, StartAt
from tests.builders import A1, DIRECT, ONE, PLAIN, Hall, none, only, row
from tests.virtual_time import START

pytestmark = pytest.mark.core


@pytest.mark.parametrize("keys", ["1", ""])
def test_a_call_is_recorded_from_the_end_of_the_notice_heard_or_cut_by_a_key(keys: str) -> None:
    hall = Hall()
    assert none(hall.arrive(), StartRecording)
    hall.later(3)
    started = only(hall.press(keys), StartRecording)
    assert started.name == "20261123T020003.000Z_call-1.1.raw"
    assert hall.saved().recording == started.name


def test_a_key_before_the_notice_has_begun_is_not_being_told() -> None:
    """He cut the welcome: the notice is played before he joins the line, and recording begins with its end."""
    hall = Hall(lengths={"hotline/zh/welcome": 4.0})
    hall.arrive()
    hall.started()
    hall.later(1)
    assert none(hall.press("1"), StartRecording)
    hall.started()
    notice = only(hall.played(), Play)  # after the desk's own words
    assert notice.prompts == ("hotline/zh/recording-notice",)
    hall.started()
    hall.later(3)
    after = hall.played()
    assert only(after, StartRecording)
    assert hall.call().state is CallState.WAITING


def test_a_key_after_the_notice_has_begun_is_being_told() -> None:
    hall = Hall(lengths={"hotline/zh/welcome": 4.0})
    hall.arrive()
    hall.started()
    hall.later(4.5)
    assert only(hall.press("1"), StartRecording)


@pytest.mark.parametrize(("after_s", "how"), [(6.9, "cut"), (7.1, "heard")])
def test_a_key_that_comes_when_the_notice_is_over_has_not_cut_it(after_s: float, how: str) -> None:
    """The menu's words follow the notice in the same breath; a key cuts those."""
    hall = Hall(lengths={"hotline/zh/welcome": 4.0, "hotline/zh/recording-notice": 3.0})
    hall.arrive()
    hall.started()
    hall.later(after_s)
    hall.press("1")
    consent = hall.saved().consent
    assert consent is not None
    assert consent.how == how


def test_it_is_started_once() -> None:
    hall = Hall()
    hall.talking()
    assert len([one for one in hall.said if isinstance(one, StartRecording)]) == 1


def test_who_was_never_told_is_not_recorded() -> None:
    hall = Hall()
    hall.arrive(dialled=DIRECT)
    hall.fell_back(step=0)  # the notice was never begun
    hall.ready(A1)
    hall.leg_started(A1)
    assert none([*hall.joined(A1), *hall.joined(None)], StartRecording)


def test_who_left_the_notice_behind_and_then_fell_into_the_net_is_recorded() -> None:
    hall = Hall()
    hall.arrive(dialled=DIRECT)
    assert only(hall.fell_back(), StartRecording)


def test_without_a_duty_to_tell_recording_begins_with_the_answer_or_the_talk() -> None:
    at_once = Hall(recording=RecordingPolicy(consent_required=False, start=StartAt.ANSWER))
    assert only(at_once.arrive(), StartRecording)
    talk = Hall(recording=RecordingPolicy(consent_required=False))
    talk.ready(A1)
    talk.arrive(dialled=PLAIN)
    talk.leg_started(A1)
    talk.joined(A1)
    assert only(talk.joined(None), StartRecording)


def test_nothing_is_recorded_where_the_hotline_records_nothing() -> None:
    hall = Hall(recording=RecordingPolicy(record=False, consent_required=False))
    hall.surveyed()
    hall.hung_up()
    assert none(hall.said, StartRecording, FinishRecording)


@pytest.mark.parametrize("stopped_first", [True, False])
def test_it_is_finished_when_both_the_call_and_the_file_have_ended(stopped_first: bool) -> None:
    hall = Hall()
    hall.surveyed()
    first, second = (hall.recording_stopped, hall.hung_up) if stopped_first else (hall.hung_up, hall.recording_stopped)
    assert none(first(), FinishRecording)
    finished = only(second(), FinishRecording)
    assert finished.talks == ((START + 2, START + 62),)
    assert finished.started_at == START
    assert none(hall.recording_stopped(), FinishRecording)


def test_a_file_whose_end_was_reported_to_nobody_is_finished_at_the_next_login() -> None:
    hall = Hall()
    hall.surveyed()
    hall.hung_up()
    hall.lost_exchange()
    assert only(hall.connected(), FinishRecording).call == ONE
    assert not hall.house.finishing


def test_a_call_that_ended_while_we_were_away_is_finished_too() -> None:
    hall = Hall()
    hall.talking()
    hall.lost_exchange()
    hall.later(5)
    assert only(hall.connected(), FinishRecording).talks == ((START + 2, START + 7),)


def test_after_a_restart_in_the_notice_the_recording_still_begins_at_its_end() -> None:
    hall = Hall(connected=False)
    hall.connected(row(context="p-play", mark=f"{DIRECT}|zh|{START}|||0|0"))
    assert only(hall.played(), StartRecording)


def test_after_a_restart_in_the_first_question_likewise() -> None:
    hall = Hall(connected=False)
    hall.connected(row(context="p-ask", mark=f"12345|zh|{START}|main:0:0:0::0||0|0"))
    assert only(hall.press("1", status=KeyStatus.OK), StartRecording)
