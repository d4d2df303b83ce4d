"""Whole days in which supervisors order whatever they like, with mishaps and restarts: nobody is lost by any of it."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.rights import ADMIN
from pbx import commands as order
from pbx.commands import Command
from pbx.ids import CallId, ChannelName, QueueId, RequestId, SkillId, SpyId
from pbx.supervision import (
    Audit,
    AuditEntry,
    EndSpy,
    MoveAsked,
    NotReadyForced,
    OverridesRestored,
    QueueChanged,
    ReadyForced,
    ReleaseAsked,
    SaveOverrides,
    SignOutForced,
    SkillsChanged,
    Spy,
    SpyAsked,
    SpyEndAsked,
    SpyMode,
    SpyOn,
    SpyStarted,
    SpyStopped,
    SpyWaits,
    StopSpy,
    SupervisorRequest,
    SwitchSpy,
)
from tests.builders import ENGLISH, GENERAL, LIN, UNION, ZHAO
from tests.core.test_switchboard_properties import BUSY, holds, quick, replays, weathers
from tests.fakes.town import AGENTS, Town, Weather
from tests.fakes.verified import verified

pytestmark = pytest.mark.core

SKILLS = (SkillId("general"), SkillId("english"), SkillId("no-such"))
QUEUES = (GENERAL, ENGLISH, QueueId("approvals"), QueueId("no-such"))


class SupervisedTown(Town):
    """A town whose supervisors are never at rest; the store keeps what they changed."""

    def __init__(self, seed: int, weather: Weather) -> None:
        super().__init__(seed, weather)
        self.kept: dict[str, SaveOverrides] = {}
        self.trail: list[AuditEntry] = []
        self.asked = 0

    def _perform(self, command: Command) -> None:
        match command:
            case Audit(entry=entry):
                self.trail.append(entry)
            case SaveOverrides():
                self.kept[f"{command.agent}/{command.queue}"] = command
            case Spy():
                self.at(self._lag(), lambda: self._listen(command))
            case StopSpy(spy=spy):
                self.at(self._lag(), lambda: self.tell(SpyStopped(spy, self.now)))
            case SwitchSpy():
                pass
            case SpyOn():
                self.at(self._lag(), lambda: self._hears(command.spy, command.leg))
            case EndSpy(spy=spy):
                self.at(self._lag(), lambda: self.tell(SpyStopped(spy, self.now)))
            case _:
                super()._perform(command)

    def _listen(self, command: Spy) -> None:
        if self.random.random() < 0.8:
            self._hears(command.spy, command.leg)
        self.at(self.random.random() * 20, lambda: self.tell(SpyStopped(command.spy, self.now)))

    def _hears(self, spy: SpyId, leg: ChannelName) -> None:
        self.tell(SpyStarted(spy, ChannelName("PJSIP/9001-1"), leg, self.now))
        self.at(self.random.random() * 9, lambda: self.tell(SpyWaits(spy, self.now)))

    def _begin(self) -> None:
        skills = tuple(one for kept in self.kept.values() for one in kept.skills)
        queues = tuple(kept.change for kept in self.kept.values() if kept.change is not None)
        self.post(OverridesRestored(skills, queues, self.now))
        super()._begin()

    def somebody_orders(self) -> None:
        """Any order of anybody about anything, sensible or not."""
        pick = self.random.choice
        self.asked += 1
        by, request, at = pick([LIN, LIN, ADMIN, ZHAO, UNION]), RequestId(f"s{self.asked}"), self.now
        agent, calls = pick(AGENTS), [*self.calls, "none.1"]
        call = CallId(pick(calls))
        until = pick([None, self.now - 1, self.now + self.random.random() * 60])
        confirm = self.random.random() < 0.5
        skill, level = pick(SKILLS), pick([None, 1, 3, 5, 6])
        orders: list[SupervisorRequest] = [
            ReadyForced(agent, by, request, at, confirm),
            NotReadyForced(agent, pick(["break", "nonsense"]), by, request, at, confirm),
            SignOutForced(agent, by, request, at, confirm),
            MoveAsked(
                call, by, request, at, pick([None, *QUEUES]), pick([None, 3, 9, 11]), pick([True, False]), None, confirm
            ),
            MoveAsked(call, by, request, at, agent=agent, confirm=confirm),
            SkillsChanged(agent, ((skill, level),), until, by, request, at, confirm=confirm),
            SkillsChanged(agent, (), None, by, request, at, back=True, confirm=confirm),
            QueueChanged(pick(QUEUES), ((skill, level or 2),), pick([None, 4]), until, by, request, at, False, confirm),
            SpyAsked(pick(list(SpyMode)), *pick([(agent, None), (None, call)]), by, request, at),
            SpyEndAsked(by, request, at),
        ]  # fmt: skip
        if self.random.random() < 0.1:
            orders = [ReleaseAsked(call, by, request, at)]
        self.post(pick(orders))

    def evening(self) -> None:
        """Everything is as configured again, so that everybody can be served."""
        super().evening()
        for agent in AGENTS:
            self.post(SkillsChanged(agent, (), None, LIN, RequestId("e"), self.now, back=True, confirm=True))
        for queue in self.plan.queues:
            self.post(QueueChanged(queue, None, None, None, LIN, RequestId("e"), self.now, back=True, confirm=True))


def supervised(seed: int, weather: Weather, hour_s: float = 240.0) -> SupervisedTown:
    """A busy time of orders and mishaps, then a calm one."""
    town = SupervisedTown(seed, weather)
    town.check = holds
    town.connect()
    town.beats()
    town.at(0.1, town.agents_begin)
    for _ in range(18):
        town.at(town.random.random() * hour_s, town.arrive)
    for _ in range(15):
        town.at(1 + town.random.random() * hour_s, town.somebody_does_something)
    for _ in range(120):
        town.at(1 + town.random.random() * hour_s, town.somebody_orders)
    for _ in range(weather.outages):
        town.at(town.random.random() * hour_s, town.outage)
    for _ in range(weather.restarts):
        town.at(town.random.random() * hour_s, town.restart)
    town.at(hour_s + 20, town.evening)
    town.run(hour_s + 20 + 900)
    return town


@quick
@given(seed=st.integers(0, 10**6), weather=weathers)
def test_whatever_supervisors_order_nobody_is_forgotten(seed: int, weather: Weather) -> None:
    town = supervised(seed, weather)
    house = town.board.house
    replays(town)
    assert not town.calls, f"a caller was never served: {[one.context for one in town.calls.values()]}"
    assert not house.calls
    assert not len(house.line)
    assert not [agent for agent in house.roster.agents() if agent.state in BUSY]
    assert not house.supervision.spies, "somebody is thought to listen for ever"
    assert not house.supervision.skills
    assert not house.supervision.queues
    assert {agent.id: dict(house.roster.profile(agent.id).skills) for agent in house.roster.agents()} == {
        agent: dict(profile.skills) for agent, profile in town.plan.agents.items()
    }
    assert not [kept for kept in town.kept.values() if kept.skills or kept.change], "the store would bring it back"


@quick
@given(seed=st.integers(0, 10**6), weather=weathers)
def test_every_order_is_answered_once_and_written_down(seed: int, weather: Weather) -> None:
    town = supervised(seed, weather)
    for journal in (*town.past, town.journal):
        for found, _, commands in journal:
            if not isinstance(found, get_args(SupervisorRequest)):
                continue
            replies = [one for one in commands if isinstance(one, order.Reply) and one.request == found.request]
            lines = [one.entry for one in commands if isinstance(one, Audit)]
            assert len(replies) == 1
            if isinstance(found, SpyEndAsked) and replies[0].ok:
                assert not lines, "its end is written when it has come"
                continue
            (line,) = lines
            assert (line.actor, line.outcome) == (found.by, replies[0].code or "ok")
            if found.by == UNION and not isinstance(found, SpyEndAsked):
                assert line.outcome == "not_allowed"
    assert not [one for one in town.trail if "138" in (one.zh + one.en).replace(f"{one.call}", "")]
    refused = [one for one in town.trail if one.outcome != "ok"]
    assert refused
    assert len(town.trail) > len(refused)


@quick
@given(seed=st.integers(0, 10**6))
def test_the_checker_finds_no_promise_broken_by_their_orders(seed: int) -> None:
    """Nobody is overtaken but by a named rule, nobody waits beside a free agent who fits, nobody is rung twice."""
    town = supervised(seed, Weather())
    report = verified(town.plan, town.journal)
    assert not report.broken(), report.findings
