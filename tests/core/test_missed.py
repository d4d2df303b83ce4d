"""Missed callers: who gave up and was not talked with since, each number once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from metrics.missed import missed
from pbx.call import CallRecord, Outcome
from pbx.ids import AgentId, CallId, ChannelName, QueueId

pytestmark = pytest.mark.core

A, B = "13800000001", "13800000002"


def gave_up(name: str, number: str, at: float, waited: float = 30.0) -> CallRecord:
    return CallRecord(
        CallId(name), ChannelName("c"), "12345", number, at, queue=QueueId("general"), queued_at=at,
        outcome=Outcome.ABANDONED, ended_at=at + waited,
    )  # fmt: skip


def served(name: str, number: str, at: float) -> CallRecord:
    before = gave_up(name, number, at)
    return replace(before, outcome=Outcome.ANSWERED, agent=AgentId("1001"), joined_at=at + 5)


def test_a_number_stands_once_with_all_that_it_waited() -> None:
    first, second, other = gave_up("a1", A, 0), gave_up("a2", A, 100, 10), gave_up("b1", B, 50)
    found = missed([second, other, first])
    assert [(one.number, one.calls, one.waited_s, one.last.call) for one in found] == [
        (B, 1, 30.0, "b1"),
        (A, 2, 40.0, "a2"),
    ]


def test_who_was_talked_with_since_or_is_in_a_call_is_not_missed() -> None:
    assert missed([gave_up("a1", A, 0), served("a2", A, 100)]) == []
    assert missed([gave_up("a1", A, 0), replace(gave_up("a2", A, 100), outcome=None, ended_at=None)]) == []
    assert [one.last.call for one in missed([served("a1", A, 0), gave_up("a2", A, 100)])] == ["a2"]


def test_who_left_the_menu_or_asked_for_a_call_back_or_has_no_number_is_not_missed() -> None:
    left = replace(gave_up("a1", A, 0), queue=None, queued_at=None, outcome=Outcome.LEFT_MENU)
    asked = replace(gave_up("a2", A, 10), outcome=Outcome.CALLBACK)
    assert missed([left, asked, gave_up("x", "anonymous", 20)]) == []
