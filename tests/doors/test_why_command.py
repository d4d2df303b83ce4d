"""`hotline why`: the story of a call from the journals on the disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from controller.__main__ import main
from controller.config import load
from controller.journal import JournalWriter
from pbx.events import CallsRestored
from pbx.ids import AgentId
from tests.builders import ONE, THREE, TWO, Hall
from tests.core.test_callbacks import NUMBER, desk, dialled, fails, waiting_request
from tests.virtual_time import START

pytestmark = pytest.mark.doors

CALLER = "13812345678"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The sample configuration with a data folder of its own."""
    file = tmp_path / "hotline.toml"
    file.write_text((Path(__file__).parents[2] / "hotline.toml").read_text(encoding="utf-8"), encoding="utf-8")
    return file


def keep(config: Path, hall: Hall, at: float = START) -> Path:
    settings = load(config)
    journal = JournalWriter(settings.data / "journal", configuration=settings.plan.version)
    journal.start(at)
    for found, now, commands in hall.steps:
        journal.append(found, now, commands)
    assert journal.flush()
    file = journal.status().file
    journal.stop()
    assert file is not None
    return file


def hall_of(config: Path) -> Hall:
    plan = load(config).plan
    hall = Hall(connected=False, **{field: getattr(plan, field) for field in plan.__dataclass_fields__})
    hall.connected(phones=tuple(plan.agents))
    return hall


def busy_hour(config: Path) -> tuple[Hall, AgentId, AgentId]:
    """The second caller is passed on when the first agent leaves his phone unanswered, and gets a ticket."""
    hall = hall_of(config)
    first, second = list(hall.plan.agents)[:2]
    hall.ready(first)
    hall.later(3)
    hall.queued(ONE, caller=CALLER)
    hall.later(4)
    hall.queued(TWO, caller=CALLER)
    hall.started(TWO)
    hall.leg_started(first, ONE)
    hall.later(6)
    hall.offer_failed(first, ONE)
    hall.later(1)
    hall.ready(second)
    hall.leg_started(second, TWO) if hall.call(TWO).offer else hall.leg_started(second, ONE)
    return hall, first, second


def told(config: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(["why", "--config", str(config), *arguments])
    out, err = capsys.readouterr()
    return status, out, err


def test_each_decision_is_told_with_its_reason_and_with_those_who_were_not_chosen(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hall, first, second = busy_hour(config)
    keep(config, hall)
    status, out, _ = told(config, capsys, ONE, "--json")
    assert status == 0
    moments = json.loads(out)["moments"]
    offers = [one for one in moments if one["en"].startswith("offered")]
    assert [one["agent"] for one in offers] == [first, second]
    assert "longest idle" in offers[0]["reason"]
    assert offers[0]["reason"] == hall.saved(ONE).offers[0].reason
    waits = next(one for one in moments if one["en"].startswith("waits"))
    assert (waits["ahead"], waits["queue"]) == ([0, 0], hall.saved(ONE).queue)
    kept = next(one for one in waits["others"] if one["agent"] == first)
    assert TWO in kept["en"], "the agent who did not answer got the next caller at once"
    status, out, _ = told(config, capsys, ONE)
    assert status == 0
    assert "为何 why this 坐席 agent: " in out
    assert CALLER not in out
    status, out, _ = told(config, capsys, TWO, "--json")
    assert next(one for one in json.loads(out)["moments"] if one["en"].startswith("waits"))["waited_s"] == 0.0


def test_a_caller_knows_who_stood_before_him_and_which_skill_an_idle_agent_lacks(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hall = hall_of(config)
    without = next(agent for agent, profile in hall.plan.agents.items() if profile.skills.get("english", 0) < 3)  # type: ignore[call-overload]
    hall.ready(without)
    for call in (ONE, TWO, THREE):
        hall.queued(call, keys="9", caller=CALLER)
        hall.later(1)
    keep(config, hall)
    _, out, _ = told(config, capsys, THREE, "--json")
    waits = [one for one in json.loads(out)["moments"] if one["en"].startswith("waits")][-1]
    assert waits["ahead"] == [2, 2]
    (other,) = (one for one in waits["others"] if one["agent"] == without)
    assert other["en"].startswith("idle, but does not fit: english ")
    assert other["zh"].startswith("空闲, 技能不符")


def test_a_call_is_found_by_its_ticket_and_over_a_restart(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hall = hall_of(config)
    agent = next(iter(hall.plan.agents))
    hall.talking(agent)
    hall.ticket("20261123000007")
    first = keep(config, hall)
    again = hall_of(config)
    again.steps.clear()
    again = Hall(connected=False, **{field: getattr(hall.plan, field) for field in hall.plan.__dataclass_fields__})
    again.later(60)
    again.step(CallsRestored((hall.saved(),), again.now))
    again.connected(phones=(agent,))
    second = keep(config, again, START + 60)
    status, out, _ = told(config, capsys, "20261123000007", "--json")
    assert status == 0
    story = json.loads(out)
    assert story["call"] == ONE
    assert [one["file"] for one in story["moments"]][0] == str(first)
    assert story["moments"][-1]["file"] == str(second)
    assert story["moments"][-1]["en"] == "ended: answered"
    assert any("the next one takes over" in one["en"] for one in story["moments"])
    day = first.stem.rsplit("-", 1)[-1]
    assert told(config, capsys, "20261123000007", "--day", day)[0] == 0


def test_what_nobody_knows_is_1_and_names_the_days(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    day = keep(config, hall_of(config)).stem.rsplit("-", 1)[-1]
    status, out, err = told(config, capsys, "call-9.9")
    assert (status, out) == (1, "")
    assert f"knows a call or ticket call-9.9; days: {day}" in err
    status, _, err = told(config, capsys, ONE, "--day", "yesteryear")
    assert (status, "is no day" in err) == (2, True)


def test_a_call_back_request_and_its_failed_attempt_tell_the_same_story(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hall = desk()
    request = waiting_request(hall)
    call = dialled(hall).call
    fails(hall, call, "busy")
    keep(config, hall)
    status, out, _ = told(config, capsys, request.id)
    assert status == 0
    assert out.startswith(f"回拨 call-back {request.id}\n")
    assert "第 1 次呼叫: 占线 · attempt 1: busy" in out
    assert NUMBER not in out
    assert told(config, capsys, call)[1] == out
    found = json.loads(told(config, capsys, call, "--json")[1])
    assert (found["request"], len(found["moments"])) == (request.id, 4)
