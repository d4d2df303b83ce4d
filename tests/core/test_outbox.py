"""One step of a call at a time (`asterisk.md` 10.2)."""

from __future__ import annotations

import pytest

from pbx.commands import Ask, Hold, Offer, Play, StepCommand
from pbx.ids import AgentId, CallId, ChannelName
from pbx.outbox import Outbox

pytestmark = pytest.mark.core

CALL, OTHER = CallId("a"), CallId("b")
CHANNEL = ChannelName("PJSIP/citizen-01")


def hold(step: int, call: CallId = CALL) -> Hold:
    return Hold(call, CHANNEL, step, "default", "")


def test_the_next_step_waits_for_the_one_under_way() -> None:
    box = Outbox()
    assert box.put(hold(1)) == hold(1)
    assert box.put(hold(2)) is None
    assert box.put(hold(3)) is None
    assert box.put(hold(1, OTHER)) == hold(1, OTHER)  # another call does not wait
    assert box.busy == 2
    assert box.settled(CALL, 1) == hold(2)
    assert box.is_under_way(CALL, 2)
    assert box.settled(CALL, 2) == hold(3)
    assert box.settled(CALL, 3) is None
    assert box.busy == 1
    assert box.put(hold(4)) == hold(4)


def test_a_confirmation_of_another_step_confirms_nothing() -> None:
    box = Outbox()
    box.put(hold(2))
    box.put(hold(3))
    assert box.settled(CALL, 1) is None
    assert box.settled(CALL, 3) is None
    assert box.settled(OTHER, 2) is None
    assert box.is_under_way(CALL, 2)


def test_a_lost_step_takes_those_behind_it_along() -> None:
    box = Outbox()
    box.put(hold(1))
    box.put(hold(2))
    box.lost(CALL)
    assert box.settled(CALL, 1) is None
    assert box.put(hold(3)) == hold(3)


def test_an_ended_call_and_a_new_connection_leave_nothing() -> None:
    box = Outbox()
    box.put(hold(1))
    box.put(hold(2))
    box.bridged(CALL, True)
    box.ended(CALL)
    assert box.settled(CALL, 1) is None
    assert not box.is_bridged(CALL)
    box.put(hold(1))
    box.bridged(OTHER, True)
    box.clear()
    assert box.busy == 0
    assert not box.is_bridged(OTHER)


def test_a_bridge_is_remembered_over_a_lost_step() -> None:
    box = Outbox()
    box.put(hold(1))
    box.bridged(CALL, True)
    box.lost(CALL)
    assert box.is_bridged(CALL)
    box.bridged(CALL, False)
    assert not box.is_bridged(CALL)


def test_leaving_a_bridge_of_a_call_that_is_over_remembers_nothing() -> None:
    box = Outbox()
    box.bridged(CALL, False)
    assert not box._lanes


def test_a_language_is_told_once_and_again_when_it_changes() -> None:
    box = Outbox()

    def told(command: StepCommand) -> bool:
        return box.new_language(command)

    assert told(Ask(CALL, CHANNEL, 1, (), 1, 1.0, "zh", ""))
    assert not told(Play(CALL, CHANNEL, 2, (), "zh", ""))
    assert told(Play(CALL, CHANNEL, 3, (), "en", ""))
    assert not told(hold(4))
    assert not told(Offer(CALL, CHANNEL, 5, AgentId("1"), 6, "default", ""))
    assert told(Ask(OTHER, CHANNEL, 1, (), 1, 1.0, "en", ""))
    box.lost(CALL)  # whether the write arrived is not known: tell it again
    assert told(Play(CALL, CHANNEL, 6, (), "en", ""))
