"""The caller's way until he is in a line."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pbx.call import CallState, Outcome
from pbx.commands import Ask, HangUp, Hold, Offer, Play, StartRecording, StepCommand
from pbx.events import KeyStatus
from recordings.policy import RecordingPolicy
from tests.builders import A1, DIRECT, GENERAL, MENU, OFFICE, ONE, PLAIN, Hall, none, only

pytestmark = pytest.mark.core


def zh(*prompts: str) -> tuple[str, ...]:
    return tuple(f"hotline/zh/{prompt}" for prompt in prompts)


def test_a_caller_is_greeted_told_of_the_recording_and_asked_in_one_question() -> None:
    asked = only(Hall().arrive(), Ask)
    assert asked.prompts == zh("welcome", "recording-notice", "menu-main", "query-offer", "language-offer")
    assert (asked.step, asked.max_digits, asked.language) == (1, 1, "zh")


def test_a_key_leads_to_a_word_and_then_into_the_line() -> None:
    hall = Hall()
    hall.arrive()
    assert only(hall.press("1"), Play).prompts == zh("desk-general")
    assert only(hall.played(), Hold).step == 3
    assert hall.saved().queue == GENERAL
    assert hall.saved().menu_path == ("1",)


def test_silence_leads_to_an_agent() -> None:
    hall = Hall()
    hall.arrive()
    assert only(hall.press(""), Play).prompts == zh("to-agent")


def test_the_english_desk_speaks_english() -> None:
    hall = Hall()
    hall.arrive()
    assert only(hall.press("9"), Play).language == "en"
    assert hall.saved().language == "zh" or hall.call().record.language == "en"


def test_an_unknown_number_is_treated_like_the_hotlines_own() -> None:
    hall = Hall()
    assert only(hall.arrive(dialled="99999"), Ask).prompts[0] == zh("welcome")[0]
    assert hall.saved().dialled == "99999"


def test_outside_the_hours_a_caller_hears_so_and_is_released() -> None:
    hall = Hall()
    hall.later(12 * 3600)
    assert only(hall.arrive(dialled=OFFICE), Play).prompts == zh("closed")
    assert only(hall.played(), HangUp).call == ONE
    hall.hung_up()
    assert hall.saved().outcome is Outcome.CLOSED


def test_within_the_hours_the_same_number_has_its_menu() -> None:
    assert only(Hall().arrive(dialled=OFFICE), Ask)


def test_a_direct_number_plays_the_notice_and_then_queues() -> None:
    hall = Hall()
    assert only(hall.arrive(dialled=DIRECT), Play).prompts == zh("recording-notice")
    commands = hall.played()
    assert only(commands, StartRecording)
    assert only(commands, Hold)


def test_without_a_duty_to_tell_a_direct_number_queues_with_no_word() -> None:
    hall = Hall(recording=RecordingPolicy(consent_required=False))
    assert only(hall.arrive(dialled=PLAIN), Hold).step == 1


def test_a_direct_caller_with_a_free_agent_is_offered_at_once_and_never_held() -> None:
    hall = Hall(recording=RecordingPolicy(consent_required=False))
    hall.ready(A1)
    commands = hall.arrive(dialled=PLAIN)
    assert only(commands, Offer).agent == A1
    assert none(commands, Hold)


def test_an_arrival_that_is_told_twice_changes_nothing() -> None:
    hall = Hall()
    hall.arrive()
    assert hall.arrive() == []


def test_an_answer_to_an_older_question_is_ignored() -> None:
    hall = Hall()
    hall.arrive()
    hall.press("7")  # wrong: asked again
    assert hall.press("1", step=1) == []
    assert hall.state() is CallState.ASKING


def test_a_doubled_answer_counts_once() -> None:
    hall = Hall()
    hall.arrive()
    hall.press("1", step=1)
    assert hall.press("1", step=1) == []


def test_a_doubled_end_of_a_message_counts_once() -> None:
    hall = Hall()
    hall.arrive()
    hall.press("1")
    hall.played(step=2)
    assert hall.played(step=2) == []


def test_keys_pressed_before_the_notice_are_no_answer_for_he_has_not_heard_it() -> None:
    hall = Hall()
    hall.arrive()
    commands = hall.press("1", status=KeyStatus.AHEAD)
    assert only(commands, Ask).step == 2
    assert none(commands, StartRecording)
    assert only(hall.press("1"), Play)


def test_keys_pressed_ahead_of_a_question_without_the_notice_are_an_answer() -> None:
    hall = Hall()
    hall.arrive()
    hall.press("7")
    assert only(hall.press("1", status=KeyStatus.AHEAD), Play)


def test_a_caller_who_stands_still_is_asked_again() -> None:
    hall = Hall()
    hall.arrive()
    assert only(hall.idle(), Ask).step == 2


def test_a_caller_who_stands_still_before_our_newest_step_began_is_left_to_it() -> None:
    hall = Hall()
    hall.arrive()
    assert hall.idle(step=0) == []


def test_a_released_caller_who_stands_still_is_hung_up() -> None:
    hall = Hall()
    hall.later(12 * 3600)
    hall.arrive(dialled=OFFICE)
    assert only(hall.idle(), HangUp)


@pytest.mark.parametrize("way", ["step_lost", "step_refused", "idle"])
def test_what_is_lost_is_repeated_a_few_times_and_no_more(way: str) -> None:
    hall = Hall()
    hall.arrive()
    steps = [only(commands, Ask).step for _ in range(10) if (commands := getattr(hall, way)())]
    assert steps == [2, 3, 4]


def test_a_step_that_starts_resets_the_count_of_losses() -> None:
    hall = Hall()
    hall.arrive()
    for _ in range(10):
        assert only(hall.step_lost(), Ask)
        hall.started()


def test_a_command_given_up_leaves_the_caller_to_the_net_which_gives_him_back() -> None:
    hall = Hall()
    hall.arrive()
    hall.press("1")
    for _ in range(4):
        hall.step_lost()
    assert only(hall.fell_back(step=1), Hold).step == 6
    assert hall.saved().in_net


def test_an_answer_that_comes_after_all_losses_counts() -> None:
    hall = Hall()
    hall.arrive()
    for _ in range(4):
        hall.step_lost()
    assert only(hall.press("1", step=1), Play)


def test_a_refused_step_is_numbered_on_from_the_running_one() -> None:
    hall = Hall()
    hall.arrive()
    assert only(hall.step_refused(got=1, step=17), Ask).step == 18


def test_a_loss_of_a_step_that_a_newer_one_has_followed_since_is_old_news() -> None:
    hall = Hall()
    hall.arrive()
    at = hall.now
    hall.later(1)
    hall.press("7")
    hall.now, now = at, hall.now
    lost = hall.step_lost(step=1)
    hall.now = now
    assert lost == []


def test_a_loss_takes_the_command_that_waited_behind_it_along() -> None:
    hall = Hall()
    hall.queued()
    hall.ready(A1)  # Hold is not confirmed yet, the Offer waits behind it
    hall.later(1.5)
    commands = hall.step_lost(step=3)
    assert only(commands, Offer).step == 5


def test_while_the_exchange_is_away_nothing_is_repeated() -> None:
    hall = Hall()
    hall.arrive()
    hall.lost_exchange()
    assert hall.step_lost(reason="not_connected") == []
    assert hall.call().step == 1


def test_a_caller_who_hangs_up_in_the_menu_left_the_menu() -> None:
    hall = Hall()
    hall.arrive()
    hall.hung_up()
    assert hall.saved().outcome is Outcome.LEFT_MENU
    assert ONE not in hall.house.calls


def test_everything_about_a_call_that_has_ended_is_ignored() -> None:
    hall = Hall()
    hall.arrive()
    hall.hung_up()
    late = [hall.press("1"), hall.played(), hall.idle(), hall.started(), hall.step_lost(), hall.step_refused()]
    assert late == [[]] * 6


def test_two_numbers_may_share_a_menu_and_differ_in_language() -> None:
    numbers = dict(Hall().plan.numbers)
    hall = Hall(numbers=numbers | {MENU: replace(numbers[MENU], language="en")})
    assert only(hall.arrive(), Ask).language == "en"


def test_step_numbers_of_one_call_only_grow() -> None:
    hall = Hall()
    hall.talking()
    steps = [one.step for one in hall.said if isinstance(one, StepCommand)]
    assert steps == sorted(set(steps))
