"""When a recording is silent on purpose, and that it never stays so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pbx.call import CallState, RecordingPause
from pbx.commands import Ask, Audit, Command, FinishRecording, PauseRecording, Reply
from pbx.events import CallsRestored, TargetKind, TimerKind
from pbx.ids import ActorId, AgentId, CallId, RequestId
from pbx.supervision import RecordingPauseAsked
from recordings.policy import PausePolicy, RecordingPolicy
from tests.builders import A1, A2, LIN, ONE, UNION, ZHAO, Hall, leg_row, none, only, row, wakes
from tests.virtual_time import START

pytestmark = pytest.mark.core

QUERY = f"12345|zh|{START}|query:0:0:1::0||0|0"


def ask(
    hall: Hall, on: bool, *, agent: AgentId | None = A1, by: ActorId | None = None, call: CallId = ONE
) -> list[Command]:
    actor = by or ActorId(str(agent))
    return hall.step(RecordingPauseAsked(call, on, agent, actor, RequestId("p"), hall.now))


def paused(hall: Hall) -> bool:
    """As the exchange was told last."""
    told = [one.on for one in hall.said if isinstance(one, PauseRecording)]
    return bool(told) and told[-1]


def querying(**changes: object) -> Hall:
    """A caller is asked for his ticket's number."""
    hall = Hall(**changes)
    hall.arrive()
    hall.later(3)
    hall.press("3")
    hall.started()
    return hall


# ---------------------------------------------------------------- what the caller was told


@pytest.mark.parametrize(("keys", "how"), [("0", "cut"), ("", "heard")])
def test_which_notice_in_which_language_heard_or_cut_stands_in_the_record(keys: str, how: str) -> None:
    hall = Hall()
    hall.arrive()
    hall.later(3)
    assert hall.saved().consent is None
    hall.press(keys)
    consent = hall.saved().consent
    assert consent is not None
    assert (consent.notice, consent.language, consent.how, consent.at) == ("recording-notice", "zh", how, START + 3)


# ---------------------------------------------------------------- private keys


def test_while_a_number_is_keyed_the_recording_is_paused_before_the_question_is_asked() -> None:
    hall = Hall()
    hall.arrive()
    hall.later(3)
    commands = hall.press("3")
    kinds = [type(one) for one in commands]
    assert kinds.index(PauseRecording) < kinds.index(Ask)
    assert only(commands, PauseRecording).note == f"keys|||{hall.now:.3f}"
    assert wakes(commands, TimerKind.RECORDING_PAUSE)[0].at == hall.now + 120
    hall.started()
    hall.later(8)
    assert none(hall.press("20261123000001"), PauseRecording)  # the proof is asked for: it stays paused
    hall.started()
    hall.later(5)
    assert not only(hall.press("1234"), PauseRecording).on
    (pause,) = hall.saved().pauses
    assert (pause.cause, pause.began_at, pause.ended_at, pause.ended_by) == ("keys", START + 3, START + 16, "answered")


def test_a_menu_question_can_be_private() -> None:
    hall = Hall()
    menu = hall.plan.menus["main"]
    nodes = {**menu.nodes, "main": replace(menu.nodes["main"], private=True)}  # type: ignore[type-var]
    policy = RecordingPolicy(consent_required=False, start="answer")  # type: ignore[arg-type]
    hall = Hall(recording=policy, menus={"main": replace(menu, nodes=nodes)})
    assert only(hall.arrive(), PauseRecording).on
    hall.started()
    assert not only(hall.press("0"), PauseRecording).on


def test_where_the_hotline_does_not_want_it_nothing_is_paused() -> None:
    assert none(querying(pauses=PausePolicy(private_keys=False)).said, PauseRecording)


def test_what_is_not_recorded_is_not_paused() -> None:
    hall = querying(recording=RecordingPolicy(record=False, consent_required=False))
    assert none(hall.said, PauseRecording)
    assert hall.saved().pauses == ()


def test_silence_until_the_time_is_over_ends_the_pause() -> None:
    hall = querying()
    assert paused(hall)
    hall.later(10)
    hall.press("")
    assert not paused(hall)


def test_a_pause_ends_by_itself_after_the_longest_time() -> None:
    hall = querying()
    wake = wakes(hall.said, TimerKind.RECORDING_PAUSE)[-1]
    assert not only(hall.time_is_up(wake), PauseRecording).on
    assert hall.saved().pauses[-1].ended_by == "longest"
    assert hall.state() is CallState.ASKING


def test_a_caller_who_hangs_up_amid_the_keys_leaves_no_open_pause() -> None:
    hall = querying()
    hall.later(2)
    hall.hung_up()
    finished = only(hall.recording_stopped(), FinishRecording)
    assert finished.pauses == ((START + 3, START + 5),)
    assert hall.saved().pauses[-1].ended_by == "call_ended"


def test_a_caller_who_falls_into_the_net_is_recorded_again() -> None:
    hall = querying()
    hall.fell_back()
    assert not paused(hall)
    assert hall.saved().pauses[-1].ended_by == "answered"


# ---------------------------------------------------------------- people


def test_the_agent_pauses_and_resumes_his_talk() -> None:
    hall = Hall()
    hall.talking()
    hall.later(10)
    commands = ask(hall, True)
    assert only(commands, Reply).ok
    assert only(commands, PauseRecording).note == f"agent|1001|1001|{hall.now:.3f}"
    entry = only(commands, Audit).entry
    assert (entry.actor, entry.role, entry.action, entry.call, entry.outcome) == (
        "1001", "agent", "pause_recording", ONE, "ok",
    )  # fmt: skip
    hall.later(7)
    commands = ask(hall, False)
    assert not only(commands, PauseRecording).on
    assert only(commands, Audit).entry.action == "resume_recording"
    (pause,) = hall.saved().pauses
    assert (pause.by, pause.ended_at, pause.ended_by) == ("1001", pause.began_at + 7, "asked")


@pytest.mark.parametrize("on", [True, False])
def test_asking_twice_is_answered_alike_and_does_nothing(on: bool) -> None:
    hall = Hall()
    hall.talking()
    ask(hall, True)
    if not on:
        ask(hall, False)
    again = ask(hall, on)
    assert only(again, Reply).ok
    assert none(again, PauseRecording, Audit)


@pytest.mark.parametrize(
    ("by", "agent", "code"),
    [(LIN, None, ""), (ZHAO, None, "not_your_queue"), (UNION, None, "not_allowed"), (None, A2, "not_allowed")],
)
def test_who_may_pause_a_talk(by: ActorId | None, agent: AgentId | None, code: str) -> None:
    hall = Hall()
    hall.talking()
    commands = ask(hall, True, by=by, agent=agent)
    assert only(commands, Reply).code == code
    assert only(commands, Audit).entry.outcome == (code or "ok")
    assert paused(hall) is not bool(code)


def test_an_agent_may_not_where_the_hotline_does_not_let_him_and_a_supervisor_may() -> None:
    hall = Hall(pauses=PausePolicy(agents=False))
    hall.talking()
    assert only(ask(hall, True), Reply).code == "not_allowed"
    assert only(ask(hall, True, agent=None, by=LIN), Reply).ok
    assert hall.saved().pauses[-1].agent == A1


def test_a_talk_that_is_not_recorded_and_a_call_that_is_over_cannot_be_paused() -> None:
    hall = Hall(recording=RecordingPolicy(record=False, consent_required=False))
    hall.talking()
    assert only(ask(hall, True), Reply).code == "not_recorded"
    hall.hung_up()
    assert only(ask(hall, True, agent=None, by=LIN), Reply).code == "unknown_call"
    waiting = Hall()
    waiting.queued()
    assert only(ask(waiting, True, agent=None, by=LIN), Reply).code == "not_talking"


def test_a_pause_outlives_the_hold_and_ends_with_the_agents_talk() -> None:
    hall = Hall()
    hall.talking()
    ask(hall, True)
    hall.hold()
    hall.parted()
    hall.later(3)
    hall.resume()
    hall.fetched()
    assert paused(hall)
    hall.left(A1)
    hall.left(None)
    hall.leg_ended(A1)
    hall.join_ended()
    assert not paused(hall)
    assert hall.saved().pauses[-1].ended_by == "left"


def test_a_blind_transfer_ends_it() -> None:
    hall = Hall()
    hall.talking()
    hall.ready(A2)
    ask(hall, True)
    hall.transfer(A2, kind=TargetKind.AGENT)
    assert not paused(hall)


def test_an_attended_transfer_ends_it() -> None:
    hall = Hall()
    hall.talking()
    hall.ready(A2)
    ask(hall, True)
    hall.consult(A2)
    hall.parted()
    hall.asked_answers()
    assert paused(hall)
    hall.complete()
    hall.fetched(A2)
    assert not paused(hall)


# ---------------------------------------------------------------- after a restart


def restarted(paused_by: str, **changes: object) -> tuple[Hall, list[Command]]:
    """A new controller finds the call: by the store's record, and by what its channel carries."""
    hall = Hall(connected=False)
    return hall, hall.connected(replace(row(**changes), paused=paused_by))  # type: ignore[arg-type]


def test_a_restarted_controller_lets_the_recording_of_a_caller_who_stands_still_go_on() -> None:
    _, commands = restarted(f"keys|||{START - 10:.3f}", context="p-hold")
    assert not only(commands, PauseRecording).on


def test_a_restarted_controller_knows_of_the_pause_while_the_question_is_still_asked() -> None:
    hall, commands = restarted(f"keys|||{START - 10:.3f}", context="p-ask", mark=QUERY)
    assert none(commands, PauseRecording)
    assert wakes(commands, TimerKind.RECORDING_PAUSE)[0].at == pytest.approx(START + 110)
    hall.later(2)
    hall.fell_back()
    assert not paused(hall)
    assert only([one for one in hall.said if isinstance(one, PauseRecording)], PauseRecording)


def test_the_pause_that_the_store_knows_is_the_one_that_the_channel_carries() -> None:
    hall = querying()
    hall.later(0.1234567)
    stored = hall.saved()
    assert hall.call().pause is not None
    new = Hall(connected=False)
    new.step(CallsRestored((stored,), new.now))
    found = replace(row(context="p-ask", mark=QUERY), paused=hall.call().pause.encode())  # type: ignore[union-attr]
    new.connected(found)
    assert new.call().record.pauses == stored.pauses


def test_a_pause_that_was_too_long_meanwhile_ends_at_once() -> None:
    _, commands = restarted(f"keys|||{START - 200:.3f}", context="p-ask", mark=QUERY)
    assert not only(commands, PauseRecording).on


def test_an_agents_pause_outlives_a_restart_while_he_talks() -> None:
    hall = Hall(connected=False)
    channel = replace(row(context="p-dial", bridged=True), paused=f"agent|1001|1001|{START - 10:.3f}")
    commands = hall.connected(channel, leg_row(A1, up=True))
    assert none(commands, PauseRecording)
    assert hall.call().pause == RecordingPause("agent", START - 10, "1001", "1001")
    hall.left(A1)
    hall.left(None)
    hall.leg_ended(A1)
    hall.talk_ended(step=1)
    assert not paused(hall)


def test_a_foreign_note_ends_with_the_snapshot() -> None:
    hall, commands = restarted(f"else|x|1009|{START:.3f}", context="p-hold")
    assert not only(commands, PauseRecording).on
    assert hall.saved().pauses[-1].ended_by == "left"


def test_an_order_lost_with_the_connection_is_given_again() -> None:
    hall = Hall()
    hall.talking()
    ask(hall, True)
    hall.lost_exchange()
    hall.later(1)
    found = [replace(row(context="p-dial", bridged=True, step=hall.call().step)), leg_row(A1, up=True)]
    assert only(hall.connected(*found), PauseRecording).on  # the channel does not say so: it never came there


def test_without_the_exchange_nobody_is_told_that_it_is_paused() -> None:
    hall = Hall()
    hall.talking()
    hall.lost_exchange()
    assert only(ask(hall, True), Reply).code == "exchange_unavailable"


def test_a_third_party_counts_as_one_who_has_the_call() -> None:
    hall = Hall()
    hall.talking()
    hall.ready(A2)
    hall.third_party(A2)
    hall.joined(A2, third=True)
    assert hall.call().legs
    ask(hall, True)
    hall.left(A1)
    assert not paused(hall)
