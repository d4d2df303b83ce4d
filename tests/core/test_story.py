"""The story of a call (`hotline why`, `GET /api/calls/{id}/why`): it reads as what happened, in both languages."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from controller.verify.checker import Place
from controller.verify.facts import facts_of
from controller.verify.scene import Word
from controller.verify.why import Moment, Story
from metrics.story import chapters, waited
from pbx.call import CallRecord
from pbx.events import CallGone, CallsRestored, ExchangeConnected, TalkSeen, TargetKind
from pbx.ids import AgentId, CallId
from pbx.supervision import ReleaseAsked
from tests.builders import A1, A2, A3, DEPARTMENT, ENGLISH, ONE, Hall, caller_channel
from tests.fakes.town import Weather
from tests.fakes.town_busy import BusyTown, busy_day, wishful
from tests.fakes.verified import Steps, Written, written

pytestmark = pytest.mark.core

TRUNK = AgentId("carrier")
DAYS = int(os.environ.get("HOTLINE_DAYS", "25"))
quick = settings(
    max_examples=max(DAYS // 6, 4),
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
weathers = st.builds(
    Weather,
    delay_s=st.sampled_from([0.001, 0.05]),
    doubled=st.sampled_from([0.0, 0.2]),
    answers=st.sampled_from([0.3, 0.8, 1.0]),
    short_talk=st.sampled_from([0.0, 0.3]),
    impatient=st.sampled_from([0.0, 0.5]),
    outages=st.sampled_from([0, 4]),
    restarts=st.sampled_from([0, 3]),
    outage_s=st.sampled_from([0.5, 15.0]),
)


def read(hall: Hall | BusyTown, call: CallId, *starts: Written) -> list[Moment]:
    """The story from the journals of these starts of the controller."""
    story = Story(call, facts_of(hall.plan))
    for number, steps in enumerate(starts):
        story.begin()
        for seq, (found, now, commands) in enumerate(steps):
            story.take(Place(f"start-{number}", seq + 2, seq), now, found, commands)
    return story.moments


def told(hall: Hall, *earlier: Steps, call: CallId = ONE) -> list[Moment]:
    return read(hall, call, *map(written, (*earlier, hall.steps)))


def in_order(lines: Iterable[str], *wanted: str) -> None:
    """Each of these begins a line, in this order; those between may be others."""
    rest = iter(lines)
    said: list[str] = []
    for one in wanted:
        for line in rest:
            said.append(line)
            if line.startswith(one):
                break
        else:
            pytest.fail(f"{one!r} is not told after:\n" + "\n".join(said))


def english(moments: Iterable[Moment]) -> list[str]:
    return [one.en for one in moments]


def bye(hall: Hall, agent: AgentId = A1) -> None:
    """His agent hangs up, the caller is asked how it was, and the call is over."""
    hall.later(30)
    hall.left(agent)
    hall.left(None)
    hall.leg_ended(agent)
    hall.talk_ended(agent, talk_s=30.0)
    hall.later(3)
    hall.scored(4)
    hall.later(1)
    hall.hung_up()


def test_who_released_a_caller_is_told() -> None:
    hall = Hall()
    hall.queued()
    hall.asked(ReleaseAsked, ONE)
    hall.hung_up()
    in_order(english(told(hall)), "supervisor lin releases the call", "ended: abandoned")
    hall = Hall()
    hall.queued()
    hall.lost_exchange()
    hall.asked(ReleaseAsked, ONE)
    assert "releases" not in " ".join(english(told(hall))), "it was refused"


# ---------------------------------------------------------------- one deed after the other


def test_waiting_an_offer_the_talk_the_survey_and_one_end() -> None:
    hall = Hall()
    hall.queued()
    hall.later(10)
    hall.ready(A1)
    hall.leg_started(A1)
    hall.joined(A1)
    hall.joined(None)
    hall.ticket()
    bye(hall)
    moments = told(hall)
    assert english(moments) == [
        "the call arrives",
        "joins the line of general",
        "waits: nobody idle fits him",
        "offered to agent 1001",
        "agent 1001's phone rings",
        "agent 1001 answers: they talk",
        "a ticket is opened: 20261123000001",
        "the talk is over",
        "he is asked how it was: the survey",
        "survey: 4 of 5",
        "ended: answered",
    ]
    assert moments[3].waited_s == 10.0
    assert moments[-1].zh == "结束: 已接听"


def test_a_hold_is_a_hold_and_no_leaving_and_joining() -> None:
    hall = Hall()
    hall.talking()
    hall.later(5)
    hall.hold()
    hall.parted()
    hall.later(20)
    hall.resume()
    hall.fetched()
    bye(hall)
    lines = english(told(hall))
    in_order(
        lines, "agent 1001 answers", "agent 1001 puts him on hold", "resumed: he talks with agent 1001", "the talk"
    )
    assert not [line for line in lines if "joins" in line and "line" not in line or "leaves" in line]
    assert len(lines) == len(set(lines))


def test_who_hangs_up_while_his_caller_is_on_hold_puts_him_back_into_the_line() -> None:
    hall = Hall()
    hall.talking()
    hall.hold()
    hall.parted()
    hall.later(8)
    hall.leg_ended()
    moments = told(hall)
    in_order(
        english(moments), "agent 1001 puts him on hold", "his agent has left: he stands in the line again", "waits"
    )
    assert moments[-1].waited_s == 2.0, "his first wait; talk and hold are none"
    assert not [one for one in moments if one.en.startswith("resumed")]


@pytest.mark.parametrize(
    ("kind", "target", "endpoint", "name", "zh"),
    [
        (TargetKind.AGENT, A2, A2, "agent 1002", "坐席 1002"),
        (TargetKind.EXTENSION, DEPARTMENT, DEPARTMENT, "extension 8001", "分机 8001"),
        (TargetKind.NUMBER, "13900002222", TRUNK, "a number outside", "外线号码"),
        (TargetKind.DESTINATION, "110", TRUNK, "destination 110", "单位 110"),
    ],
)
def test_a_transfer_says_to_whom_and_is_no_offer_of_the_line(
    kind: TargetKind, target: str, endpoint: AgentId, name: str, zh: str
) -> None:
    hall = Hall()
    hall.talking()
    hall.ready(A2, A3)
    hall.later(40)
    hall.transfer(target, kind=kind)
    hall.started()
    hall.left(A1)
    hall.left(None)
    hall.leg_started(endpoint)
    hall.joined(endpoint)
    hall.joined(None)
    bye(hall, endpoint)
    moments = told(hall)
    lines = english(moments)
    assert f"agent 1001 transfers him to {name}" in lines
    in_order(lines, "agent 1001 transfers him", f"{name} answers: they talk", "the talk is over", "ended")
    assert f"坐席 1001 转接给{zh}" in [one.zh for one in moments]
    given = next(one for one in moments if "transfers him" in one.en)
    assert (given.waited_s, given.ahead, given.others) == (None, None, ()), "he was not chosen from a line"
    text = "\n".join(f"{one.zh} {one.en} {one.reason} {one.agent}" for one in moments)
    assert "carrier" not in text
    assert "13900002222" not in text
    assert {one.agent for one in moments} <= {"", A1, target if kind is TargetKind.AGENT else ""}
    record = hall.saved()
    assert waited(record, record.offers[-1].offered_at) is None
    assert [one.en for one in chapters(record) if "transfers him" in one.en] == [f"agent 1001 transfers him to {name}"]


def test_a_number_that_does_not_answer_is_no_agent_who_has_refused_him() -> None:
    hall = Hall(transfer_failed="line")
    hall.talking()
    hall.transfer("13900002222", kind=TargetKind.NUMBER)
    hall.started()
    hall.left(A1)
    hall.left(None)
    hall.leg_ended(A1)
    hall.leg_started(TRUNK)
    hall.later(6)
    hall.offer_failed(TRUNK)
    hall.ready(A2)
    moments = told(hall)
    in_order(
        english(moments), "agent 1001 transfers him to a number", "a number outside is rung",
        "the transfer to a number outside came to nothing: no answer", "waits at his place again",
        "offered to agent 1002",
    )  # fmt: skip
    assert TRUNK not in moments[-1].reason
    assert "transfer" not in moments[-1].reason


def test_a_transfer_into_a_line_waits_there_and_talk_is_no_waiting() -> None:
    hall = Hall()
    hall.talking(A2)
    hall.later(300)
    hall.transfer(ENGLISH, A2, TargetKind.QUEUE)
    hall.started()
    hall.left(A2)
    hall.left(None)
    hall.leg_ended(A2)
    hall.later(7)
    hall.ready(A1)
    moments = told(hall)
    in_order(
        english(moments), "agent 1002 transfers him to the line of english", "stands in the line of",
        "waits at his place again: nobody idle", "offered to agent 1001",
    )  # fmt: skip
    waits = [one.waited_s for one in moments if one.waited_s is not None]
    assert waits[-1] == pytest.approx(9, abs=2.1), "five minutes of talk are no waiting"
    assert sum(line.startswith("waits") for line in english(moments)) == 1, "told once, when he stands there"
    said = re.search(r"waited (\d+) s", moments[-1].reason)
    assert said is not None
    assert int(said[1]) == pytest.approx(9, abs=2.1), "the decision says so too"
    record = hall.saved()
    in_record = waited(record, record.offers[-1].offered_at)
    assert in_record is not None
    assert in_record < 12


def test_a_consultation_and_the_attended_transfer_that_follows() -> None:
    hall = Hall()
    hall.talking()
    hall.ready(A2)
    hall.consult(A2)
    hall.parted()
    hall.asked_answers(A2)
    hall.later(6)
    hall.complete()
    hall.fetched(A2)
    hall.leg_ended(A1)
    bye(hall, A2)
    moments = told(hall)
    in_order(
        english(moments), "agent 1001 puts him on hold", "agent 1001 consults agent 1002", "agent 1002's phone rings",
        "agent 1002 answers: he is consulted", "agent 1002 takes him over: they talk", "the talk is over", "ended",
    )  # fmt: skip
    assert not [one for one in moments if one.en.startswith("resumed")]
    assert "坐席 1002 接手, 与来电人通话" in [one.zh for one in moments]


def test_a_three_way_talk_that_its_agent_leaves_first() -> None:
    hall = Hall()
    hall.talking()
    hall.third_party(DEPARTMENT)
    hall.joined(DEPARTMENT, third=True)
    hall.later(9)
    hall.left(A1)
    hall.leg_ended(A1)
    hall.later(9)
    hall.left(DEPARTMENT, third=True)
    hall.leg_ended(DEPARTMENT, third=True)
    hall.left(None)
    hall.talk_ended(A1)
    hall.hung_up()
    in_order(
        english(told(hall)), "agent 1001 asks extension 8001 into a three-way talk", "extension 8001 joins",
        "agent 1001 leaves; the others talk on", "the talk is over", "ended: answered",
    )  # fmt: skip


def test_who_called_whom_is_said_of_calls_that_the_hotline_places() -> None:
    hall = Hall()
    hall.ready(A1)
    hall.dial("13900002222")
    call = next(iter(hall.house.calls))
    placed = told(hall, call=call)[0]
    assert (placed.en, placed.zh, placed.agent) == ("agent 1001 calls the citizen", "坐席 1001 外呼市民", A1)
    record = hall.saved(call)
    assert chapters(replace(record, placed_by=None))[0].en == "the hotline calls the citizen"
    assert chapters(replace(record, callback="cb1"))[0].en == "he is called back, as he had asked for"


def test_an_agent_at_anothers_phone_is_named_by_his_own_number() -> None:
    hall = Hall()
    hall.sign_in(A1, seat=A3)
    hall.ready(A1)
    hall.queued()
    hall.leg_started(A3)
    lines = english(told(hall))
    assert "agent 1001's phone rings" in lines
    assert not [line for line in lines if "1003" in line]


# ---------------------------------------------------------------- while no controller was there


def later_start(hall: Hall, seconds: float = 60.0) -> Hall:
    """The controller is killed; the next one knows what the store knows."""
    again = Hall(connected=False)
    again.now = hall.now + seconds
    again.step(CallsRestored((hall.saved(),), again.now))
    return again


def test_what_the_safety_net_did_while_the_controller_was_away_is_told() -> None:
    hall = Hall()
    hall.queued()
    killed_at = hall.now
    again = later_start(hall)
    seen = TalkSeen(killed_at + 10, killed_at + 40, A2, score=5, in_net=True)
    gone = CallGone(ONE, caller_channel(ONE), hall.call().mark(), "13800001111", killed_at + 45, seen)
    again.step(ExchangeConnected((), (A1, A2, A3), (), again.now, (gone,)))
    third = Hall(connected=False)  # the note was not erased before the second kill: the same end is seen again
    third.now = again.now + 30
    third.step(CallsRestored((hall.saved(),), third.now))
    third.step(ExchangeConnected((), (A1, A2, A3), (), third.now, (gone,)))
    moments = told(third, hall.steps, again.steps)
    assert english(moments)[-6:] == [
        "the controller ended; the next one takes over",
        "the safety net has him: the controller was missing",
        "the safety net joins him with agent 1002: they talk",
        "the talk is over",
        "survey: 5 of 5",
        "ended: answered",
    ]
    assert [one.at for one in moments[-4:-2]] == [killed_at + 10, killed_at + 40], (
        "when it happened, not when it was seen"
    )
    assert "安全网接通坐席 1002, 通话开始" in [one.zh for one in moments]


def test_who_was_in_the_net_is_taken_back_to_his_place() -> None:
    hall = Hall()
    hall.queued()
    hall.started()
    hall.later(3)
    hall.fell_back()
    in_order(english(told(hall)), "waits", "went to the safety net: the controller was missing", "taken back", "waits")


# ---------------------------------------------------------------- every call of generated days


NAMED = re.compile(r"agent (\d+)|坐席 (\d+)")


def asked_in(steps: Iterable[Written], call: CallId) -> set[str]:
    """The endpoints that had to do with a call, as exchange and commands name them."""
    found: set[str] = set()

    def look(word: Word) -> None:
        found.update(str(word[name]) for name in ("agent", "endpoint") if word.get(name))

    for start in steps:
        for event, _, commands in start:
            for word in (event, *commands, *event.get("channels", ()), *event.get("gone", ())):
                if word.get("call") == call:
                    look(word)
                    look(word.get("talk") or {})
            if event.get("request") and event.get("agent"):  # who asked for something in his own talk, and for whom
                found.add(str(event["agent"]))
                found.update(str(event[name]) for name in ("target", "endpoint") if event.get(name))
    return found


BACK = (
    "stands in", "taken back", "his agent has left", "offered back", "the transfer to", "agent", "the controller ended"
)  # fmt: skip


def not_talking(moments: list[Moment], until: Moment) -> float:
    """Seconds since he joined the line, but for those from the beginning of a talk until he was put back or given
    away, as the story itself tells them. Whom the safety net had before any controller met him waits since he came.
    """
    before = moments[: moments.index(until)]
    lines = [index for index, one in enumerate(before) if one.en.startswith(("joins", "the call", "he is called"))]
    begin = lines[-1]
    joined = [index for index in lines if before[index].en.startswith("joins")]
    if joined == [begin] and any("safety net" in one.en for one in before[:begin]):
        begin = lines[0]
    seconds, talks_since = until.at - before[begin].at, 0.0
    for one in [*before[begin:], until]:
        if (
            talks_since
            and one.en.startswith(("stands in", "his agent has", "taken back", "went to", "waits"))
            or (talks_since and " transfers him " in one.en)
        ):
            seconds, talks_since = seconds - (one.at - talks_since), 0.0
        elif one.en.endswith("they talk"):
            talks_since = talks_since or one.at
    return seconds


def holds(moments: list[Moment], record: CallRecord, asked: set[str]) -> None:
    """What every story keeps to."""
    lines = english(moments)
    story = "\n".join(lines)
    ends = [index for index, line in enumerate(lines) if line.startswith("ended:")]
    assert ends == [len(lines) - 1], f"not one end, at the end:\n{story}"
    assert lines[0].startswith(("the call arrives", "he is called back", "agent ")), story
    assert all(one.zh and one.en for one in moments)
    assert [one.at for one in moments] == sorted(one.at for one in moments), f"not in order:\n{story}"
    talks = [index for index, line in enumerate(lines) if line.endswith("they talk")]
    assert bool(talks or any("talks with" in line for line in lines)) >= (record.joined_at is not None), story
    for last in talks[-1:]:
        waiting = [
            index for index, line in enumerate(lines) if index > last and line.startswith(("waits", "offered to"))
        ]
        assert not waiting or any(line.startswith(BACK) for line in lines[last + 1 : waiting[0]]), story
    for one in moments:
        named = {name for pair in NAMED.findall(f"{one.zh} {one.en}") for name in pair if name} | {one.agent} - {""}
        assert named <= asked, f"{named - asked} was never asked: {one.en}\n{story}"
        assert TRUNK not in f"{one.zh} {one.en} {one.agent} {one.reason}"
        assert not re.search(r"1[38]\d{9}", f"{one.zh} {one.en} {one.reason}"), "somebody's number"
        if one.waited_s is not None:
            assert one.waited_s <= not_talking(moments, one) + 0.2, story
    if record.in_net:
        assert "safety net" in story


@quick
@given(seed=st.integers(0, 10**6), weather=weathers)
def test_the_story_of_every_call_of_a_busy_day_reads_as_what_happened(seed: int, weather: Weather) -> None:
    town = busy_day(BusyTown(seed, weather, wishful(), 8))
    starts = [written(one) for one in (*town.past, town.journal)]
    for call, record in list(town.records.items())[seed % 3 :: 3]:  # each story reads the whole day
        asked = asked_in(starts, call)
        holds(read(town, call, *starts), record, asked)
        in_record = chapters(record)
        assert [one.kind for one in in_record].count("ended") == 1
        assert in_record[-1].kind == "ended"
        assert {one.agent for one in in_record} - {""} <= asked
        for offer in record.offers:
            seconds = waited(record, offer.offered_at)
            assert seconds is None or 0 <= seconds <= offer.offered_at - (record.queued_at or 0.0)
