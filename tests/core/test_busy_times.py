"""Who was busy with a call, for occupancy: hand-overs, consultations, numbers outside, talks that no offer began."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.simulation.busy import spans
from controller.simulation.figures import Day, busy_times
from pbx.call import CallRecord, HoldSpan, OfferRecord, Outcome, TransferRecord
from pbx.ids import AgentId, CallId, ChannelName, QueueId

pytestmark = pytest.mark.core

A, B = AgentId("a"), AgentId("b")
WRITES_S = {A: 5.0, B: 7.0}
ANSWERED = OfferRecord(A, 10.0, "idle longest", "answered", 12.0)
CALL = CallRecord(
    CallId("1"), ChannelName("c"), "1", "", 0.0, queue=QueueId("q"), queued_at=1.0, offers=(ANSWERED,), agent=A,
    joined_at=12.0, released_at=100.0, outcome=Outcome.ANSWERED, ended_at=110.0,
)  # fmt: skip


def busy(record: CallRecord) -> dict[str, float]:
    """Seconds of each agent between 0 and 1000."""
    day = Day([record], [record], [], 0.0, 1000.0, lambda _, agent: WRITES_S[agent])
    return {str(agent): worked for agent, (worked, _) in busy_times(day).items()}


def test_an_attended_transfer_keeps_both_busy() -> None:
    """a is rung, talks, holds and consults until b takes the caller at 50; b is asked from 30 on."""
    handed = TransferRecord(A, "attended", "agent:b", 30.0, "done", "", 50.0)
    record = replace(CALL, agent=B, holds=(HoldSpan(A, 28.0, 50.0),), transfers=(handed,))
    assert busy(record) == {"a": 50 - 10 + 5, "b": 100 - 30 + 7}


def test_who_was_consulted_is_busy_until_the_consultation_is_over() -> None:
    handed = TransferRecord(A, "attended", "agent:b", 30.0, "cancelled", "answer", 50.0)
    assert busy(replace(CALL, transfers=(handed,))) == {"a": 100 - 10 + 5, "b": 50 - 30}


def test_a_blind_transfer_outside_frees_the_agent_at_once_and_nobody_outside_is_an_agent() -> None:
    out = OfferRecord(AgentId("carrier"), 40.0, "transfer to destination:water", "answered", 45.0)
    handed = TransferRecord(A, "blind", "destination:water", 40.0, "done", "", 45.0)
    assert busy(replace(CALL, offers=(ANSWERED, out), transfers=(handed,))) == {"a": 40 - 10 + 5}
    consulted = TransferRecord(A, "attended", "number:1", 30.0, "done", "", 50.0)
    assert busy(replace(CALL, transfers=(consulted,))) == {"a": 50 - 10 + 5}


def test_a_blind_transfer_to_an_agent_and_one_that_was_lost() -> None:
    rung = OfferRecord(B, 40.0, "transfer to agent:b", "answered", 45.0)
    handed = TransferRecord(A, "blind", "agent:b", 40.0, "done", "", 45.0)
    assert busy(replace(CALL, agent=B, offers=(ANSWERED, rung), transfers=(handed,))) == {
        "a": 40 - 10 + 5,
        "b": 100 - 40 + 7,
    }
    lost, undone = replace(rung, outcome="lost", ended_at=41.0), replace(handed, outcome="failed", detail="lost")
    record = replace(CALL, offers=(ANSWERED, lost), transfers=(undone,))
    assert busy(record) == {"a": 100 - 10 + 5, "b": 1}, "the talk went on"


def test_a_transfer_that_is_not_answered_comes_back_to_who_gave_him_away() -> None:
    rung = OfferRecord(B, 40.0, "transfer to agent:b", "noanswer", 60.0)
    back = OfferRecord(A, 60.0, "returned: the transfer was not answered", "answered", 63.0)
    handed = TransferRecord(A, "blind", "agent:b", 40.0, "failed", "noanswer", 60.0)
    record = replace(CALL, offers=(ANSWERED, rung, back), transfers=(handed,))
    assert busy(record) == {"a": (40 - 10 + 5) + (100 - 60 + 5), "b": 20}


def test_the_agent_left_while_the_caller_was_on_hold() -> None:
    again = OfferRecord(B, 70.0, "idle longest", "answered", 72.0)
    record = replace(CALL, agent=B, offers=(ANSWERED, again), holds=(HoldSpan(A, 20.0, 30.0),))
    assert busy(record) == {"a": 30 - 10 + 5, "b": 100 - 70 + 7}


def test_a_talk_in_the_safety_net_counts_though_nobody_was_offered_it() -> None:
    assert busy(replace(CALL, offers=(), in_net=True)) == {"a": 100 - 12 + 5}
    cut = replace(ANSWERED, agent=B)
    assert busy(replace(CALL, offers=(cut,), in_net=True)) == {"a": 100 - 12 + 5, "b": 2}, "b was only rung"


def test_an_agents_own_call_counts_from_the_ringing_of_his_phone() -> None:
    record = replace(CALL, offers=(), direction="outbound", placed_by=A, queue=None, queued_at=None)
    assert busy(record) == {"a": 100 + 5}
    unreached = replace(record, agent=None, joined_at=None, released_at=None, outcome=Outcome.UNREACHED, ended_at=40.0)
    assert busy(unreached) == {"a": 40}


def test_a_third_party_is_busy_while_he_is_in_the_talk_and_a_talk_without_an_end_is_left_out() -> None:
    third = TransferRecord(A, "three_way", "agent:b", 30.0, "joined", "", 35.0)
    assert busy(replace(CALL, transfers=(third,))) == {"a": 100 - 10 + 5, "b": 100 - 30}
    goes_on = replace(CALL, released_at=None, ended_at=None)
    assert list(spans(goes_on, lambda _, agent: WRITES_S[agent])) == [(A, 10.0, 12.0)]
