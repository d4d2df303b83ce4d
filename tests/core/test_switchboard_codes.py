"""Codes that agents dial: what is done, and what is said to the phone."""

from __future__ import annotations

import pytest

from agents.agent import AgentRules
from agents.moves import AgentState
from pbx.commands import Reply, SayToPhone
from pbx.events import CodeDialled, PhoneCode, PinVerdict, TimerKind
from pbx.ids import AgentId, ChannelName
from pbx.memory import DeskNotice, DeskNoticesRestored, SaveDeskNotice
from tests.builders import A1, A2, A3, Hall, only, wakes

pytestmark = pytest.mark.core

SEAT = AgentId("8001")


def hall(**changes: object) -> Hall:
    found = Hall(connected=False, seats=frozenset({SEAT}), **changes)
    found.connected(phones=(A1, A2, A3, SEAT))
    return found


def dial(
    here: Hall,
    code: PhoneCode,
    phone: AgentId = SEAT,
    *,
    agent: AgentId | None = None,
    pin: PinVerdict = PinVerdict.NONE,
    digit: str = "",
) -> tuple[str, ...]:
    """Dial a code; the prompts that are said, without their folder."""
    channel = ChannelName(f"PJSIP/{phone}-0000000a")
    said = only(here.step(CodeDialled(phone, channel, code, agent, digit, pin, here.now)), SayToPhone)
    assert said.channel == channel
    return tuple(prompt.removeprefix("hotline/zh/") for prompt in said.prompts)


def sign_in(here: Hall, agent: AgentId = A1, phone: AgentId = SEAT) -> tuple[str, ...]:
    return dial(here, PhoneCode.SIGN_IN, phone, agent=agent, pin=PinVerdict.RIGHT)


def test_a_shift_by_the_phone_alone() -> None:
    here = hall()
    assert sign_in(here) == ("code-signed-in", "digit-1-yao", "digit-0", "digit-0", "digit-1-yao")
    assert (here.where(), here.house.seats.phone_of(A1)) == (AgentState.NOT_READY, SEAT)
    assert dial(here, PhoneCode.READY) == ("code-ready",)
    assert here.where() is AgentState.READY
    assert dial(here, PhoneCode.NOT_READY, digit="2") == ("code-not-ready",)
    assert here.agent().reason == "meal"
    assert dial(here, PhoneCode.NOT_READY, digit="9") == ("code-refused",)
    assert dial(here, PhoneCode.NOT_READY, digit="") == ("code-refused",)
    assert here.agent().reason == "meal"
    assert dial(here, PhoneCode.SIGN_OUT) == ("code-signed-out",)
    assert (here.where(), here.house.seats.agent_at(SEAT)) == (AgentState.OFFLINE, None)


@pytest.mark.parametrize(
    ("pin", "said"),
    [(PinVerdict.WRONG, "code-wrong"), (PinVerdict.LOCKED, "code-locked"), (PinVerdict.NONE, "code-wrong")],
)
def test_nobody_is_signed_in_without_the_right_pin(pin: PinVerdict, said: str) -> None:
    here = hall()
    assert dial(here, PhoneCode.SIGN_IN, agent=A1, pin=pin) == (said,)
    assert here.where() is AgentState.OFFLINE
    assert [one.what for one in here.house.notices] == (["pin_locked"] if pin is PinVerdict.LOCKED else [])


def test_a_number_that_nobody_has_is_wrong() -> None:
    here = hall()
    assert dial(here, PhoneCode.SIGN_IN, agent=None, pin=PinVerdict.RIGHT) == ("code-wrong",)
    assert dial(here, PhoneCode.SIGN_IN, agent=AgentId("9999"), pin=PinVerdict.RIGHT) == ("code-wrong",)


@pytest.mark.parametrize("code", [PhoneCode.READY, PhoneCode.NOT_READY, PhoneCode.SIGN_OUT])
def test_a_code_at_a_phone_where_nobody_is_signed_in_does_nothing(code: PhoneCode) -> None:
    here = hall()
    assert dial(here, code, digit="1") == ("code-nobody",)
    assert dial(here, code, A1, digit="1") == ("code-nobody",), "his own phone needs no less"
    assert here.where() is AgentState.OFFLINE


def test_signing_in_again_at_the_same_phone_says_so_and_changes_nothing() -> None:
    here = hall()
    sign_in(here)
    dial(here, PhoneCode.READY)
    assert sign_in(here)[0] == "code-signed-in"
    assert here.where() is AgentState.READY


def test_a_seat_whose_agent_talks_is_not_taken() -> None:
    here = hall()
    here.ready(A1)
    here.talking()
    assert sign_in(here, A2, A1) == ("code-busy",)
    assert sign_in(here, A1, SEAT) == ("code-busy",)
    assert here.where() is AgentState.TALKING


def test_english_phones_are_answered_in_english() -> None:
    here = hall(code_language="en")
    assert dial(here, PhoneCode.READY) == ("hotline/en/code-nobody",)


# ---------------------------------------------------------------- reasons with limits

LIMITED = AgentRules(limits_s={"break": 600.0}, most={"break": 1})


def test_a_reason_that_lasts_too_long_is_told_once_and_forces_nobody() -> None:
    here = Hall(agent_rules=LIMITED)
    here.ready(A1)
    (wake,) = wakes(here.not_ready(), TimerKind.REASON_LIMIT)
    assert wake.at == here.now + 600.0
    here.time_is_up(wake)
    assert [(one.what, one.agent, one.detail) for one in here.house.notices] == [("overrun", A1, "break")]
    assert (here.where(), here.agent().reason) == (AgentState.NOT_READY, "break")


def test_the_clock_of_a_reason_that_is_over_means_nothing() -> None:
    here = Hall(agent_rules=LIMITED)
    here.ready(A1)
    (wake,) = wakes(here.not_ready(), TimerKind.REASON_LIMIT)
    here.later(10)
    here.ready(A1)
    here.later(10)
    (later,) = wakes(here.not_ready(), TimerKind.REASON_LIMIT)
    here.time_is_up(wake)
    assert not here.house.notices
    here.time_is_up(later)
    assert len(here.house.notices) == 1


def test_what_was_said_of_a_reason_before_a_restart_is_shown_on_and_not_said_again() -> None:
    here = Hall(connected=False, agent_rules=LIMITED)
    here.step(DeskNoticesRestored((DeskNotice(here.now - 50, "overrun", A1, "break"),), here.now))
    (wake,) = wakes(here.connected(marks={A1: f"not_ready|{here.now - 650:.3f}|break|0.000||"}), TimerKind.REASON_LIMIT)
    here.time_is_up(wake)
    assert len(here.house.notices) == 1
    here.ready(A1)
    (again,) = wakes(here.not_ready(), TimerKind.REASON_LIMIT)
    assert only(here.time_is_up(again), SaveDeskNotice).notice == here.house.notices[-1]
    assert len(here.house.notices) == 2


def test_the_clock_of_a_reason_goes_on_after_a_restart() -> None:
    here = Hall(connected=False, agent_rules=LIMITED)
    (wake,) = wakes(here.connected(marks={A1: f"not_ready|{here.now - 500:.3f}|break|0.000||"}), TimerKind.REASON_LIMIT)
    assert wake.at == here.now + 100.0


def test_no_more_agents_than_may_are_not_ready_for_one_reason() -> None:
    here = Hall(agent_rules=LIMITED)
    here.ready(A1, A2, A3)
    assert only(here.not_ready(A1), Reply).ok
    assert only(here.not_ready(A2), Reply).code == "reason_taken"
    assert only(here.not_ready(A2, "meal"), Reply).ok
    assert only(here.not_ready(A1), Reply).ok, "asked twice, he is no second one"
    here.ready(A1)
    assert only(here.not_ready(A2), Reply).ok
