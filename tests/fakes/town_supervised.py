"""A town whose supervisors order whatever they like, sensible or not."""

from __future__ import annotations

from typing import Any

from agents.rights import ADMIN
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
from tests.fakes.town import AGENTS, Town

SKILLS = (SkillId("general"), SkillId("english"), SkillId("no-such"))
QUEUES = (GENERAL, ENGLISH, QueueId("approvals"), QueueId("no-such"))


class SupervisedTown(Town):
    """A town whose supervisors are never at rest; the store keeps what they changed."""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
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
