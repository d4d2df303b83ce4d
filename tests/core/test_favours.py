"""Places in the line that a rule gives: who comes back, who is kept for his last agent, whose number is listed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from acd.callers import CallerList, Listed, ListedAs, plain_number
from acd.favours import Left, Memory, Talked
from agents.moves import AgentState
from controller.favours import remember_s, remembered
from pbx import commands as order
from pbx import events as event
from pbx.call import CallRecord, CallState, Outcome
from pbx.events import CallerEntry, TimerKind
from pbx.ids import AgentId, CallId, ChannelName, QueueId, RequestId
from tests.builders import A1, A2, ENGLISH, GENERAL, ONE, PLAIN, TWO, Hall, plan

pytestmark = pytest.mark.core

THREE = CallId("c3")
MINE, OTHER = "13800001111", "13900002222"
FAR = 4e9


def hall(**changes: Any) -> Hall:
    """A hall whose general queue has these rules."""
    queues = dict(plan().queues)
    queues[GENERAL] = replace(queues[GENERAL], **changes)
    return Hall(queues=queues)


def line(room: Hall) -> list[CallId]:
    return [one.call for one in room.house.line.ordered(room.now)]


def replies(commands: list[order.Command]) -> list[tuple[bool, str]]:
    return [(one.ok, one.code) for one in commands if isinstance(one, order.Reply)]


# ---------------------------------------------------------------- who comes back


def test_who_left_the_line_and_comes_back_has_his_place_again() -> None:
    room = hall()
    room.queued(ONE, caller=MINE)
    first = room.now
    room.later(30)
    room.queued(TWO, caller=OTHER)
    room.hung_up(ONE)
    room.later(200)
    room.queued(THREE, caller="+86" + MINE)
    assert line(room) == [THREE, TWO], "before him who came after his first call"
    record = room.call(THREE).record
    assert (record.place_at, record.favours, record.queued_at) == (first, ("returning",), room.now)
    room.ready(A2)
    assert room.call(THREE).record.offers[-1].reason.endswith("by rule: returning")


@pytest.mark.parametrize(
    ("seconds", "changes", "number"),
    [
        (301, {}, MINE),
        (10, {"return_within_s": 0.0}, MINE),
        (10, {}, OTHER),
        (10, {}, ""),
        (10, {}, "anonymous"),
    ],
)
def test_who_comes_too_late_or_is_another_has_not(seconds: float, changes: dict[str, Any], number: str) -> None:
    room = hall(**changes)
    room.queued(ONE, caller=MINE if number else "")
    room.hung_up(ONE)
    room.later(seconds)
    room.queued(TWO, caller=number)
    assert room.call(TWO).record.place_at is None
    assert room.call(TWO).record.favours == ()


def test_the_place_is_of_that_queue_and_is_given_back_once() -> None:
    room = hall()
    room.queued(ONE, caller=MINE)
    room.hung_up(ONE)
    room.later(5)
    room.queued(TWO, keys="9", caller=MINE)
    assert room.call(TWO).record.queue == ENGLISH
    assert room.call(TWO).record.favours == ()
    room.queued(THREE, caller=MINE)
    assert room.call(THREE).record.favours == ("returning",)
    again = CallId("c4")
    room.queued(again, caller=MINE)
    assert room.call(again).record.favours == (), "two lines at once do not both get the place"


def test_who_leaves_again_keeps_the_place_of_his_first_call() -> None:
    room = hall()
    first = room.now + 0.0
    room.queued(ONE, caller=MINE)
    first = room.now
    for call in (TWO, THREE):
        room.hung_up(ONE if call == TWO else TWO)
        room.later(250)
        room.queued(call, caller=MINE)
        assert room.call(call).record.place_at == first


def test_whose_line_was_cut_on_hold_goes_on_where_he_stood() -> None:
    room = hall()
    room.talking(A1, ONE)
    room.step(event.HoldAsked(A1, RequestId("r"), room.now))
    assert room.state(ONE) is CallState.HELD
    room.hung_up(ONE, 44)
    room.queued(TWO)
    assert room.call(TWO).record.favours == ("dropped",)


def test_a_start_reads_only_the_calls_that_its_rules_need() -> None:
    queues = plan().queues
    assert remember_s(plan()) == 300.0 + 3600.0
    for changes, expected in (
        ({"return_within_s": 0.0}, 0.0),
        ({"last_agent_within_s": 7200.0}, 10_800.0),
        ({"last_agent_within_s": 30 * 86_400.0}, 86_400.0),
    ):
        changed = {name: replace(queue, **changes) for name, queue in queues.items()}
        assert remember_s(plan(queues=changed)) == expected


@pytest.mark.parametrize(("cause", "favours"), [(16, ()), (44, ("dropped",)), (38, ("dropped",))])
def test_whose_line_was_cut_in_the_talk_goes_on_where_he_stood(cause: int, favours: tuple[str, ...]) -> None:
    room = hall()
    room.talking(A1, ONE)
    place = room.call(ONE).record.queued_at
    room.later(60)
    room.hung_up(ONE, cause)
    room.later(20)
    room.queued(TWO)
    assert room.call(TWO).record.favours == favours
    assert room.call(TWO).record.place_at == (place if favours else None)


def test_a_talk_fulfils_the_claim() -> None:
    memory = Memory()
    memory.left(Left("1", GENERAL, 5.0, 9.0))
    memory.talked(Talked("1", A1, 20.0))
    assert memory.place("1", GENERAL, 21.0, 300.0) is None


def test_memory_is_bounded_and_forgets_the_oldest() -> None:
    memory = Memory(limit=3)
    for number in range(5):
        memory.left(Left(str(number), GENERAL, 1.0, 2.0))
        memory.talked(Talked(f"t{number}", A1, 2.0))
    assert [memory.place(str(number), GENERAL, 3.0, 9.0) is None for number in range(5)] == [True, True, *[False] * 3]
    assert [memory.last_agent(f"t{number}", 3.0, 9.0) for number in range(5)] == [None, None, A1, A1, A1]
    memory.left(Left("", GENERAL, 1.0, 2.0))
    assert memory.place("", GENERAL, 3.0, 9.0) is None


def test_a_restarted_controller_knows_them_from_the_store() -> None:
    def record(call: str, caller: str, ended: float, **more: Any) -> CallRecord:
        base = CallRecord(CallId(call), ChannelName("c"), "12345", caller, ended - 100, queue=GENERAL)
        return replace(base, queued_at=ended - 60, ended_at=ended, **more)

    room = hall(last_agent_within_s=3600.0)
    now = room.now
    records = [
        record("a", MINE, now - 200, outcome=Outcome.ABANDONED),
        record("b", OTHER, now - 100, joined_at=now - 150, agent=A2, outcome=Outcome.ANSWERED),
        replace(record("c", OTHER, now - 50), ended_at=None),
        replace(record("d", "13700000000", now - 50), queue=None, queued_at=None),
        record("e", "13700000001", now - 50, outcome=Outcome.OVERFLOWED),
    ]
    room.step(remembered(records, (CallerEntry("0516*", "vip", FAR),), now))
    room.ready(A1, A2)
    room.not_ready(A1)
    room.queued(ONE, caller=MINE)
    assert room.call(ONE).record.place_at == now - 260
    room.queued(TWO, caller=OTHER)
    assert room.call(TWO).record.favours == ("last-agent",)
    room.queued(THREE, caller="051688886666")
    assert room.call(THREE).record.favours == ("listed:vip",)
    refused = CallId("c4")
    room.queued(refused, caller="13700000001")
    assert room.call(refused).record.favours == (), "a full queue gave him no place"


# ---------------------------------------------------------------- the last agent


def kept(**changes: Any) -> Hall:
    """One has talked with A2; both agents are ready again; he calls anew as `TWO` while A2 writes up."""
    room = hall(last_agent_within_s=3600.0, last_agent_wait_s=20.0, **changes)
    room.ready(A2)
    room.surveyed(A2, ONE)
    room.hung_up(ONE)
    room.ready(A1)
    assert room.where(A2) is AgentState.WRAP_UP
    return room


def test_a_repeat_caller_is_kept_for_the_agent_who_knows_him() -> None:
    room = kept()
    room.queued(TWO)
    assert room.state(TWO) is CallState.WAITING, "another is idle, but he waits for his own"
    assert room.where(A1) is AgentState.READY
    room.ready(A2)
    assert room.call(TWO).record.offers[-1].agent == A2
    assert "his last agent, for whom he was kept" in room.call(TWO).record.offers[-1].reason


def test_he_is_kept_for_a_bounded_time() -> None:
    room = kept()
    wake = next(one for one in room.queued(TWO) if isinstance(one, order.Wake) and one.kind is TimerKind.KEPT)
    assert wake.at == room.now + 20.0
    room.time_is_up(wake)
    assert room.call(TWO).record.offers[-1].agent == A1


@pytest.mark.parametrize("away", ["not_ready", "signed_out", "too_long_ago"])
def test_nobody_is_kept_for_an_agent_who_will_not_come(away: str) -> None:
    room = kept()
    if away == "too_long_ago":
        room.later(3601)
    elif away == "not_ready":
        room.ready(A2)
        room.not_ready(A2)
    else:
        room.ready(A2)
        room.sign_out(A2)
    room.queued(TWO)
    assert room.call(TWO).record.offers[-1].agent == A1
    assert room.call(TWO).record.favours == ()


def test_when_his_agent_does_not_answer_anybody_will_do() -> None:
    room = kept()
    room.queued(TWO)
    room.ready(A2)
    room.started(TWO)
    room.leg_started(A2, TWO)
    room.offer_failed(A2, TWO)
    assert room.call(TWO).record.offers[-1].agent == A1


def test_he_overtakes_nobody() -> None:
    room = kept()
    room.not_ready(A1)
    room.queued(THREE, caller=OTHER)
    room.later(1)
    room.queued(TWO)
    assert room.call(TWO).only == A2
    room.ready(A2)
    assert room.state(THREE) is CallState.OFFERED
    assert room.state(TWO) is CallState.WAITING


# ---------------------------------------------------------------- the caller list


def test_a_number_is_compared_as_people_mean_it() -> None:
    written = (MINE, "+86" + MINE, "0086" + MINE, "86" + MINE, "0" + MINE, "138-0000-1111")
    assert {plain_number(one) for one in written} == {MINE}
    assert plain_number("051688886666") == "051688886666"
    assert plain_number("+4915112345678") == "4915112345678"
    assert plain_number("anonymous") == ""


def test_the_number_itself_goes_before_its_beginning_and_entries_end() -> None:
    found = CallerList()
    long = Listed("0516888*", ListedAs.VIP, 50.0)
    short = Listed("0516*", ListedAs.EMERGENCY_UNIT, FAR)
    one = Listed("051688886666", ListedAs.NUISANCE, 90.0, ENGLISH)
    for entry in (short, long, one):
        found.put(entry)
    assert [found.find("051688886666", at) for at in (10.0, 90.0)] == [one, short]
    assert [found.find("051688880000", at) for at in (49.9, 50.0)] == [long, short]
    assert found.find("0512", 1.0) is None
    assert found.find("", 1.0) is None
    assert found.sweep(60.0) == [long]
    assert (len(found), found.remove("0516888*"), found.remove("0516*")) == (2, False, True)


@pytest.mark.parametrize(
    "wrong",
    [
        {"number": "12"},
        {"number": "*"},
        {"number": "138a"},
        {"number": "1" * 21},
        {"priority": 10},
        {"kind": ListedAs.NUISANCE, "queue": None},
    ],
)
def test_an_entry_that_could_not_be_followed_is_refused(wrong: dict[str, Any]) -> None:
    good = {"number": "138*", "kind": ListedAs.VIP, "until": FAR}
    with pytest.raises(ValueError, match=r"number|priority|nobody is blocked"):
        Listed(**{**good, **wrong})


def test_listed_callers_are_treated_as_their_entry_says() -> None:
    room = Hall(callers=(Listed("139*", ListedAs.EMERGENCY_UNIT, FAR),))
    request = RequestId("r")
    for number, kind, queue in ((MINE, "nuisance", ENGLISH), ("13700000000", "vip", None)):
        answer = room.step(event.CallerListed(CallerEntry(number, kind, FAR, queue, None, "2001"), request, room.now))
        assert replies(answer) == [(True, "")]
        assert any(isinstance(one, order.SaveListing) for one in answer)
    room.arrive(CallId("plain"), PLAIN, "13600000000")
    for number, (caller, queue, priority, why) in enumerate(
        (
            (MINE, ENGLISH, 0, "listed:nuisance"),
            (OTHER, GENERAL, 9, "listed:emergency_unit"),
            ("13700000000", GENERAL, 5, "listed:vip"),
        )
    ):
        call = CallId(f"n{number}")
        room.queued(call, caller=caller)
        live = room.call(call)
        assert (live.record.queue, live.priority, live.record.favours) == (queue, priority, (why,))
    assert line(room)[:2] == ["n1", "n2"]


def test_the_list_changes_live_and_says_what_is_wrong() -> None:
    room = Hall()
    request = RequestId("r")

    def listed(*entry: Any) -> list[tuple[bool, str]]:
        return replies(room.step(event.CallerListed(CallerEntry(*entry), request, room.now)))

    assert listed("138*", "friend", FAR) == [(False, "unknown_kind")]
    assert listed("138*", "vip", FAR, QueueId("nowhere")) == [(False, "unknown_queue")]
    assert listed("138*", "vip", room.now) == [(False, "over_already")]
    assert listed("138*", "nuisance", FAR) == [(False, "needs_queue")]
    assert listed("138**", "vip", FAR) == [(False, "bad_listing")]
    assert listed("138*", "vip", room.now + 60) == [(True, "")]
    room.later(61)
    commands = room.step(event.CallerListed(CallerEntry("137*", "vip", FAR), request, room.now))
    assert [one.number for one in commands if isinstance(one, order.DropListing)] == ["138*"], "what has ended goes"
    for expected in ([(True, "")], [(False, "unknown_number")]):
        assert replies(room.step(event.CallerUnlisted("137*", "2001", request, room.now))) == expected


def test_entries_of_the_configuration_go_before_those_of_the_store() -> None:
    room = Hall(callers=(Listed("138*", ListedAs.VIP, FAR, None, 7),))
    room.step(
        event.CallersRemembered(
            (CallerEntry("138*", "vip", FAR, None, 1), CallerEntry("139*", "vip", FAR, QueueId("gone"))),
            (),
            (),
            room.now,
        )
    )
    assert [(one.number, one.gives) for one in room.house.callers] == [("138*", 7)]


def test_an_agent_unknown_by_now_is_nobodys_last_agent() -> None:
    room = hall(last_agent_within_s=3600.0)
    room.step(event.CallersRemembered((), (), ((MINE, AgentId("9999"), room.now),), room.now))
    room.queued(ONE)
    assert room.call(ONE).record.favours == ()
