"""A small hotline for tests: its plan, and events as factories with defaults, so that a test says only what matters.

The hotline has four numbers (`MENU` 12345, `DIRECT` straight to the line after the notice, `PLAIN` with no word at all
where the plan does not ask for consent, `OFFICE` with opening hours), queues ``general`` and ``english``, agents 1001
(both), 1002 and 1003 (general only), the department's phone 8001, and the supervisors `LIN` (everything), `ZHAO` (the
queue ``english`` only) and `UNION` (reads the audit trail).
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from acd.skills import Requirement
from agents.agent import Agent, AgentRules
from agents.moves import AgentState
from agents.rights import Actor, Right
from agents.roster import AgentProfile
from controller.house import LiveCall
from controller.plan import Destination, NumberPlan, OutboundPlan, Plan, QueuePlan
from controller.switchboard import Switchboard
from ivr.hours import OpeningHours, parse_hours
from ivr.menu_file import parse_menu
from pbx import commands as order
from pbx import events as event
from pbx.call import CallRecord, CallState
from pbx.commands import Command
from pbx.events import Event, KeyStatus, LiveChannel, Role, TargetKind, TimerKind
from pbx.ids import ActorId, AgentId, CallId, ChannelName, QueueId, RequestId, SkillId, TicketNumber
from pbx.supervision import SpyGone
from recordings.policy import RecordingPolicy
from tests.virtual_time import START

C = TypeVar("C")

MENU, DIRECT, PLAIN, OFFICE = "12345", "12346", "12347", "12348"
GENERAL, ENGLISH = QueueId("general"), QueueId("english")
A1, A2, A3, DEPARTMENT = AgentId("1001"), AgentId("1002"), AgentId("1003"), AgentId("8001")
LIN, ZHAO, UNION = ActorId("lin"), ActorId("zhao"), ActorId("union")
LIN_PHONE, ZHAO_PHONE = AgentId("9001"), AgentId("9002")
ONE, TWO, THREE = CallId("call-1.1"), CallId("call-2.1"), CallId("call-3.1")
DESTINATIONS = (
    Destination(
        "110",
        "公安",
        "Police",
        "emergency",
        ("transfer", "three_way", "ticket"),
        "110",
        unit="police",
        urgency="critical",
    ),
    Destination("water", "水务", "Water company", "unit", ("three_way",), extension=DEPARTMENT),
)
_MENU_FILE = Path(__file__).parents[1] / "ivr" / "menus" / "main.toml"


def plan(**changes: Any) -> Plan:
    """The plan; `changes` replace fields of it."""
    number = NumberPlan(MENU, "zh", "main", None, OpeningHours())
    office = parse_hours({"mon-fri": ["09:00-17:00"]}, "test")
    numbers = (
        number,
        replace(number, dialled=DIRECT, menu=None, direct=GENERAL),
        replace(number, dialled=PLAIN, menu=None, direct=GENERAL),
        replace(number, dialled=OFFICE, hours=office),
    )
    general, english = SkillId("general"), SkillId("english")
    queues = (
        QueuePlan(GENERAL, "综合", "General", Requirement(((general, 1),))),
        QueuePlan(ENGLISH, "英语", "English", Requirement(((english, 3),))),
        QueuePlan(QueueId("approvals"), "一号答", "Approvals", Requirement(((general, 2),))),
    )
    agents = (
        AgentProfile(A1, "One", {general: 3, english: 5}),
        AgentProfile(A2, "Two", {general: 3}),
        AgentProfile(A3, "Three", {general: 1}),
    )
    given = Plan(
        version="test",
        numbers={one.dialled: one for one in numbers},
        default_number=MENU,
        menus={"main": parse_menu(tomllib.loads(_MENU_FILE.read_text(encoding="utf-8")), "main.toml")},
        queues={queue.id: queue for queue in queues},
        agents={agent.id: agent for agent in agents},
        extensions=frozenset({DEPARTMENT}),
        destinations={one.id: one for one in DESTINATIONS},
        outbound=OutboundPlan("carrier", (r"1[3-9]\d{9}", "110"), caller=MENU),
        agent_rules=AgentRules(wrap_up_s=20.0, misses_before_not_ready=2),
        recording=RecordingPolicy(),
        notice_kinds=frozenset({"water", "power"}),
        areas=frozenset({"haizhou"}),
        supervisors={
            LIN: Actor(LIN, "林", frozenset(Right), frozenset({"*"}), LIN_PHONE),
            ZHAO: Actor(ZHAO, "赵", frozenset(Right) - {Right.AUDIT}, frozenset({ENGLISH}), ZHAO_PHONE),
            UNION: Actor(UNION, "工会", frozenset({Right.AUDIT}), frozenset({"*"})),
        },
    )
    return replace(given, **changes)


def caller_channel(call: CallId) -> ChannelName:
    return ChannelName(f"PJSIP/citizen-{call}")


def leg_of(agent: AgentId, call: CallId = ONE, number: int = 1) -> ChannelName:
    return ChannelName(f"PJSIP/{agent}-{call}-{number}")


def row(
    call: CallId = ONE, context: str = "p-hold", *, step: int = 1, mark: str = f"{MENU}|zh|{START}||general|0|{START}",
    bridged: bool = False,
) -> LiveChannel:  # fmt: skip
    """A caller in the snapshot."""
    return LiveChannel(caller_channel(call), call, Role.CALLER, None, context, step, bridged, mark, "13800001111")


def leg_row(
    agent: AgentId,
    call: CallId = ONE,
    *,
    up: bool = False,
    number: int = 1,
    third: bool = False,
    context: str = "from-agent",
) -> LiveChannel:
    """An agent's leg in the snapshot."""
    role = Role.THIRD if third else Role.AGENT
    return LiveChannel(leg_of(agent, call, number), call, role, agent, context, 0, up, "", "")


class Hall:
    """A switchboard with a clock: every method is one thing that happens; it returns the commands that follow."""

    def __init__(self, *, connected: bool = True, **changes: Any) -> None:
        self.plan = plan(**changes)
        self.board = Switchboard(self.plan)
        self.house = self.board.house
        self.now = START
        self.said: list[Command] = []  #: everything ever commanded
        self.steps: list[tuple[Event, float, tuple[Command, ...]]] = []
        if connected:
            self.connected()

    def step(self, found: Event) -> list[Command]:
        """One event now."""
        commands = self.board.step(found, self.now)
        self.steps.append((found, self.now, tuple(commands)))
        self.said += commands
        return commands

    def later(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds

    # ------------------------------------------------------------ looking

    def call(self, call: CallId = ONE) -> LiveCall:
        return self.house.calls[call]

    def state(self, call: CallId = ONE) -> CallState:
        return self.call(call).state

    def agent(self, agent: AgentId = A1) -> Agent:
        return self.house.roster.get(agent)

    def where(self, agent: AgentId = A1) -> AgentState:
        return self.agent(agent).state

    def saved(self, call: CallId = ONE) -> CallRecord:
        """The call's record as it was stored last."""
        return [one.record for one in self.said if isinstance(one, order.SaveCall) and one.record.call == call][-1]

    # ------------------------------------------------------------ the exchange

    def connected(
        self,
        *channels: LiveChannel,
        phones: tuple[AgentId, ...] = (A1, A2, A3, DEPARTMENT),
        marks: dict[AgentId, str] | None = None,
        listened: tuple[SpyGone, ...] = (),
    ) -> list[Command]:
        found = tuple((marks or {}).items())
        return self.step(event.ExchangeConnected(tuple(channels), phones, found, self.now, listened=listened))

    def lost_exchange(self) -> list[Command]:
        return self.step(event.ExchangeLost(self.now))

    def arrive(self, call: CallId = ONE, dialled: str = MENU, caller: str = "13800001111") -> list[Command]:
        return self.step(event.CallArrived(call, caller_channel(call), dialled, caller, self.now))

    def press(
        self, keys: str, call: CallId = ONE, *, step: int | None = None, status: KeyStatus | None = None
    ) -> list[Command]:
        status = status or (KeyStatus.OK if keys else KeyStatus.TIMEOUT)
        return self.step(event.KeysPressed(call, self._step(call, step), keys, status, self.now))

    def played(self, call: CallId = ONE, *, step: int | None = None) -> list[Command]:
        return self.step(event.PromptPlayed(call, self._step(call, step), self.now))

    def started(self, call: CallId = ONE, *, step: int | None = None) -> list[Command]:
        return self.step(event.StepStarted(call, self._step(call, step), self.now))

    def idle(self, call: CallId = ONE, *, step: int | None = None) -> list[Command]:
        return self.step(event.CallerIdle(call, self._step(call, step), self.now))

    def step_lost(self, call: CallId = ONE, *, step: int | None = None, reason: str = "timeout") -> list[Command]:
        return self.step(event.StepLost(call, self._step(call, step), reason, self.now))

    def step_refused(self, call: CallId = ONE, *, got: int | None = None, step: int = 0) -> list[Command]:
        return self.step(event.StepRefused(call, self._step(call, got), step, self.now))

    def leg_started(self, agent: AgentId = A1, call: CallId = ONE, *, step: int | None = None, number: int = 1) -> Any:
        return self.step(event.LegStarted(call, self._step(call, step), agent, leg_of(agent, call, number), self.now))

    def offer_failed(
        self,
        agent: AgentId = A1,
        call: CallId = ONE,
        *,
        status: str = "NOANSWER",
        cause: int = 0,
        step: int | None = None,
    ) -> list[Command]:
        return self.step(event.OfferFailed(call, self._step(call, step), agent, status, cause, self.now))

    def joined(
        self, agent: AgentId | None, call: CallId = ONE, *, third: bool = False, number: int = 1
    ) -> list[Command]:
        """The caller (None) or a leg enters the bridge."""
        return self.step(event.PartyJoined(*self._party(agent, call, third, number), self.now))

    def left(self, agent: AgentId | None, call: CallId = ONE, *, third: bool = False, number: int = 1) -> list[Command]:
        return self.step(event.PartyLeft(*self._party(agent, call, third, number), self.now))

    def leg_ended(
        self, agent: AgentId = A1, call: CallId = ONE, *, third: bool = False, number: int = 1, cause: int = 16
    ) -> list[Command]:
        _, channel, role, _ = self._party(agent, call, third, number)
        return self.step(event.LegEnded(call, channel, role, agent, cause, self.now))

    def talk_ended(
        self, agent: AgentId = A1, call: CallId = ONE, *, talk_s: float = 5.0, step: int | None = None
    ) -> list[Command]:
        return self.step(event.TalkEnded(call, self._step(call, step), agent, talk_s, self.now))

    def net_talk_ended(self, agent: AgentId | None = A1, call: CallId = ONE) -> list[Command]:
        return self.step(event.NetTalkEnded(call, agent, self.now))

    def fell_back(self, call: CallId = ONE, *, step: int | None = None) -> list[Command]:
        return self.step(event.FellBack(call, caller_channel(call), self._step(call, step), self.now))

    def hung_up(self, call: CallId = ONE, cause: int = 16) -> list[Command]:
        return self.step(event.CallEnded(call, cause, self.now))

    def scored(self, score: int | None, call: CallId = ONE) -> list[Command]:
        return self.step(event.CallScored(call, score, self.now))

    def ticket(self, number: str = "20261123000001", call: CallId = ONE) -> list[Command]:
        return self.step(event.TicketOpened(call, TicketNumber(number), self.now))

    def recording_stopped(self, call: CallId = ONE) -> list[Command]:
        return self.step(event.RecordingStopped(call, self.now))

    def phone(self, agent: AgentId, reachable: bool) -> list[Command]:
        return self.step(event.PhoneChanged(agent, reachable, self.now))

    def used(self, phone: AgentId, use: event.PhoneUse) -> list[Command]:
        """The phone begins or ends a call."""
        return self.step(event.PhoneUsed(phone, use, self.now))

    def time_is_up(self, wake: order.Wake) -> list[Command]:
        """A timer that was asked for; time jumps to it."""
        self.now = max(self.now, wake.at)
        return self.step(event.TimeIsUp(wake.kind, wake.key, wake.generation, self.now))

    # ------------------------------------------------------------ people

    def sign_in(self, agent: AgentId = A1, seat: AgentId | None = None) -> list[Command]:
        return self.step(event.AgentSignedIn(agent, RequestId("r"), self.now, seat))

    def sign_out(self, agent: AgentId = A1) -> list[Command]:
        return self.step(event.AgentSignedOut(agent, RequestId("r"), self.now))

    def ready(self, *agents: AgentId) -> list[Command]:
        return [
            command for agent in agents for command in self.step(event.AgentWentReady(agent, RequestId("r"), self.now))
        ]

    def not_ready(self, agent: AgentId = A1, reason: str = "break") -> list[Command]:
        return self.step(event.AgentWentNotReady(agent, reason, RequestId("r"), self.now))

    def extend(self, seconds: float, agent: AgentId = A1) -> list[Command]:
        return self.step(event.WrapUpExtended(agent, seconds, RequestId("r"), self.now))

    def hold(self, agent: AgentId = A1) -> list[Command]:
        return self.step(event.HoldAsked(agent, RequestId("r"), self.now))

    def resume(self, agent: AgentId = A1) -> list[Command]:
        return self.step(event.ResumeAsked(agent, RequestId("r"), self.now))

    def transfer(self, target: str, agent: AgentId = A1, kind: TargetKind = TargetKind.AGENT) -> list[Command]:
        return self.step(event.TransferAsked(agent, kind, target, RequestId("r"), self.now))

    def consult(self, target: str, agent: AgentId = A1, kind: TargetKind = TargetKind.AGENT) -> list[Command]:
        return self.step(event.ConsultAsked(agent, kind, target, RequestId("r"), self.now))

    def complete(self, agent: AgentId = A1) -> list[Command]:
        return self.step(event.ConsultCompleted(agent, RequestId("r"), self.now))

    def hand_over(self, destination: str, way: str, agent: AgentId = A1) -> list[Command]:
        return self.step(event.HandOverAsked(agent, destination, way, RequestId("r"), self.now))

    def drop_party(self, endpoint: AgentId, agent: AgentId = A1) -> list[Command]:
        return self.step(event.ThirdPartyDropped(agent, endpoint, RequestId("r"), self.now))

    def dial(self, number: str, agent: AgentId = A1, purpose: str = "follow_up") -> list[Command]:
        return self.step(event.OutboundAsked(agent, number, purpose, "", RequestId("r"), self.now))

    def third_party(self, endpoint: AgentId, agent: AgentId = A1) -> list[Command]:
        return self.step(event.ThirdPartyAsked(agent, endpoint, RequestId("r"), self.now))

    # ------------------------------------------------------------ hold, consult, calls of ours, as the exchange reports

    def parted(self, agent: AgentId = A1, call: CallId = ONE) -> list[Command]:
        """The exchange has parted caller and agent."""
        found = [*self.left(None, call), *self.left(agent, call)]
        return [*found, *self.started(call)]

    def fetched(self, agent: AgentId = A1, call: CallId = ONE) -> list[Command]:
        """The caller has fetched this agent's leg."""
        found = self.started(call)
        return [*found, *self.joined(None, call), *self.joined(agent, call)]

    def join_ended(self, call: CallId = ONE, *, ok: bool = True, step: int | None = None) -> list[Command]:
        return self.step(event.JoinEnded(call, self._step(call, step), ok, self.now))

    def consult_ended(
        self, endpoint: AgentId, status: str = "ANSWER", cause: int = 16, call: CallId = ONE
    ) -> list[Command]:
        return self.step(event.ConsultEnded(call, endpoint, status, cause, self.now))

    def asked_answers(self, agent: AgentId = A2, call: CallId = ONE, *, by: AgentId = A1) -> list[Command]:
        """The one who is asked is rung and answers."""
        found = self.leg_started(agent, call, step=0)
        return [*found, *self.joined(by, call), *self.joined(agent, call)]

    def waits(self, agent: AgentId = A1, call: CallId = ONE) -> list[Command]:
        return self.step(event.AgentWaits(call, agent, leg_of(agent, call), self.now))

    def citizen_answers(self, call: CallId) -> list[Command]:
        return self.step(event.OutboundAnswered(call, caller_channel(call), self.now))

    def unreached(self, call: CallId, reason: str = "busy") -> list[Command]:
        return self.step(event.OutboundFailed(call, reason, self.now))

    # ------------------------------------------------------------ supervisors

    def asked(self, kind: Callable[..., Any], *given: Any, by: ActorId = LIN, **more: Any) -> list[Command]:
        """A supervisor's order: `given` and `more` are its fields beside who, request and instant."""
        return self.step(kind(*given, by=by, request=RequestId("s"), at=self.now, **more))

    def replied(self, kind: Callable[..., Any], *given: Any, by: ActorId = LIN, **more: Any) -> str:
        """The code with which a supervisor's order is answered; empty when it was carried out."""
        commands = self.asked(kind, *given, by=by, **more)
        found = only(commands, order.Reply)
        entry = only(commands, order.Audit).entry
        assert (entry.actor, entry.outcome, found.ok) == (by, found.code or "ok", not found.code)
        return found.code

    # ------------------------------------------------------------ short ways into a state

    def queued(self, call: CallId = ONE, keys: str = "0", caller: str = "13800001111") -> list[Command]:
        """A caller has gone through the menu and stands in the line (or is offered already)."""
        self.arrive(call, caller=caller)
        self.press(keys, call)
        return self.played(call)

    def ringing(self, agent: AgentId = A1, call: CallId = ONE) -> list[Command]:
        """His agent's phone rings."""
        if self.where(agent) is not AgentState.READY:
            self.ready(agent)
        commands = self.queued(call)
        self.started(call)
        self.leg_started(agent, call)
        return commands

    def talking(self, agent: AgentId = A1, call: CallId = ONE) -> list[Command]:
        """Caller and agent talk."""
        self.ringing(agent, call)
        self.later(2)
        return [*self.joined(agent, call), *self.joined(None, call)]

    def surveyed(self, agent: AgentId = A1, call: CallId = ONE) -> None:
        """The agent has hung up after a minute."""
        self.talking(agent, call)
        self.later(60)
        self.left(agent, call)
        self.left(None, call)
        self.leg_ended(agent, call)
        self.talk_ended(agent, call, talk_s=60.0)

    # ------------------------------------------------------------ inside

    def _step(self, call: CallId, step: int | None) -> int:
        if step is not None:
            return step
        live = self.house.calls.get(call)
        return live.step if live is not None else 1

    @staticmethod
    def _party(
        agent: AgentId | None, call: CallId, third: bool, number: int
    ) -> tuple[CallId, ChannelName, Role, AgentId | None]:
        if agent is None:
            return call, caller_channel(call), Role.CALLER, None
        return call, leg_of(agent, call, number), Role.THIRD if third else Role.AGENT, agent


def only(commands: list[Command], kind: type[C]) -> C:
    """The one command of this kind among `commands`."""
    found = [command for command in commands if isinstance(command, kind)]
    assert len(found) == 1, f"not one {kind.__name__} in {[type(one).__name__ for one in commands]}"
    return found[0]


def none(commands: list[Command], *kinds: type[Any]) -> bool:
    """Whether no command is of these kinds."""
    return not [command for command in commands if isinstance(command, kinds)]


def wakes(commands: list[Command], kind: TimerKind) -> list[order.Wake]:
    """The timers of one kind among `commands`."""
    return [command for command in commands if isinstance(command, order.Wake) and command.kind is kind]
