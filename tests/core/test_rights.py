"""The table of rights, cell by cell: every right for every action, and the queues on which somebody may act."""

from __future__ import annotations

import pytest

from agents.rights import ADMINISTRATOR, NEEDED, Action, Actor, Right, refusal
from pbx.ids import ActorId, QueueId

pytestmark = pytest.mark.core

GENERAL, ENGLISH = QueueId("general"), QueueId("english")

ALLOWS = {
    Right.LISTEN: {Action.LISTEN, Action.SEE_LISTENERS},
    Right.WHISPER: {Action.WHISPER},
    Right.BARGE: {Action.BARGE},
    Right.FORCE: {Action.FORCE_READY, Action.FORCE_NOT_READY, Action.FORCE_SIGN_OUT},
    Right.RELEASE: {Action.RELEASE_CALL},
    Right.MOVE: {Action.MOVE_CALLER},
    Right.SKILLS: {Action.CHANGE_SKILLS, Action.CHANGE_QUEUE},
    Right.PERSONAL: {Action.READ_PERSONAL},
    Right.AUDIT: {Action.READ_AUDIT},
    Right.FOLLOW_UP: {Action.PAUSE_FOLLOW_UPS, Action.RESUME_FOLLOW_UPS, Action.SEE_FOLLOW_UPS},
    Right.STAFFING: {Action.SEE_STAFFING},
    Right.RECORD: {Action.PAUSE_RECORDING, Action.RESUME_RECORDING},
    Right.NOTICE: {Action.GIVE_NOTICE, Action.END_NOTICE},
}
ALWAYS = {Action.STOP_LISTENING}


def test_every_action_stands_in_the_table() -> None:
    assert set(NEEDED) == set(Action)
    assert set.union(*ALLOWS.values()) | ALWAYS == set(Action)


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("right", Right)
def test_a_right_allows_its_actions_and_no_other(right: Right, action: Action) -> None:
    actor = Actor(ActorId("x"), "x", frozenset({right}), frozenset({"*"}))
    allowed = action in ALLOWS[right] | ALWAYS
    assert refusal(actor, action) == ("" if allowed else "not_allowed")
    assert refusal(actor, action, [GENERAL]) == ("" if allowed else "not_allowed")
    without = Actor(ActorId("x"), "x", frozenset(Right) - {right}, frozenset({"*"}))
    assert refusal(without, action) == ("" if action not in ALLOWS[right] else "not_allowed")


@pytest.mark.parametrize("action", sorted(set(Action) - ALWAYS, key=str))
def test_only_in_his_own_queues(action: Action) -> None:
    actor = Actor(ActorId("x"), "x", frozenset(Right), frozenset({ENGLISH}))
    assert refusal(actor, action) == ""
    assert refusal(actor, action, [ENGLISH]) == ""
    assert refusal(actor, action, [GENERAL, ENGLISH]) == ""
    assert refusal(actor, action, [GENERAL]) == "not_your_queue"
    assert refusal(actor, action, []) == "not_your_queue"


@pytest.mark.parametrize("action", Action)
def test_the_administrator_may_do_everything_and_nobody_nothing(action: Action) -> None:
    assert refusal(ADMINISTRATOR, action, []) == ""
    assert refusal(None, action) == "not_allowed"
    assert ADMINISTRATOR.role == "administrator"
    assert Actor(ActorId("x"), "x").role == "supervisor"
