"""A town that asks for everything: call-backs, voice messages, hold, consult, transfers, third parties, supervisors."""

from __future__ import annotations

from dataclasses import replace

from acd.callback import CallbackRules
from controller.plan import CALL_BACK, VOICE_MESSAGE, CallbackPlan, Full, NumberPlan, Plan
from ivr.hours import parse_hours
from pbx import commands as order
from pbx import events as event
from pbx.events import Role, TargetKind
from pbx.ids import AgentId, CallId, QueueId, RequestId
from tests.builders import DEPARTMENT, DIRECT, ENGLISH, GENERAL, MENU, plan
from tests.fakes.town import Citizen
from tests.fakes.town_legs import Leg
from tests.fakes.town_loop import AGENTS
from tests.fakes.town_supervised import SupervisedTown

MESSAGE, LATER = "12351", "12352"
"""Numbers that are closed: one takes voice messages, the other offers call-backs."""

KEYS = {"1": CALL_BACK, "9": "menu", "2": "queue:english"}


def wishful() -> Plan:
    """The usual hotline with every way of being served: keys in the line, call-backs, voice messages, full queues."""
    usual = plan(
        callback=CallbackPlan("PJSIP/{number}@trunk", ring_s=8, rules=CallbackRules(2, 20.0), allow=(r"139\d{8}",))
    )
    never = parse_hours({"mon-fri": ["00:00-00:01"]}, "test")
    closed = NumberPlan(MESSAGE, "zh", None, GENERAL, never, VOICE_MESSAGE)
    numbers = {**usual.numbers, MESSAGE: closed, LATER: replace(closed, dialled=LATER, when_closed=CALL_BACK)}
    queues = {name: replace(queue, keys=KEYS) for name, queue in usual.queues.items()}
    queues[GENERAL] = replace(queues[GENERAL], full=Full(waiting=5), when_full=VOICE_MESSAGE)
    queues[ENGLISH] = replace(queues[ENGLISH], full=Full(waiting=4), when_full=CALL_BACK)
    return replace(usual, numbers=numbers, queues=queues)


class BusyTown(SupervisedTown):
    """Nobody there leaves anything unasked, until the evening."""

    def arrive(self) -> None:
        """A citizen calls one of the numbers."""
        number = next(self._serial)
        dialled = self.random.choice([MENU, MENU, MENU, DIRECT, DIRECT, DIRECT, MESSAGE, LATER])
        caller = f"138{self._numbers.randrange(self._citizens or 8):08d}"
        one = Citizen(CallId(f"town-{number}.0"), dialled, f"{dialled}|zh|{self.now:.3f}|||0|0", caller)
        self.arrives(one)
        if self.random.random() < self.weather.impatient:
            self.at(self.random.expovariate(1 / 30), lambda: self.hang_up(one))

    def keys(self, asked: order.Ask) -> str:
        """He mostly wants what he is asked, or gives another number."""
        if asked.max_digits > 2:
            return self.random.choice(["13900000001#", "13900000002#", "110", "", "*"])
        if any("callback" in prompt for prompt in asked.prompts):
            return self.random.choice(["1", "1", "1", "2", "*", ""])
        return super().keys(asked)

    def key_in_line(self) -> str:
        return self.random.choice("1119*2") if not self.calm and self.random.random() < 0.04 else ""

    # ------------------------------------------------------------ agents

    def agents_begin(self) -> None:
        self.phones.add(DEPARTMENT)
        self.tell(event.PhoneChanged(DEPARTMENT, True, self.now))
        super().agents_begin()

    def _at_work(self) -> list[tuple[Leg, Citizen | None]]:
        """Agents with a caller: in the talk, or on hold."""
        talking = [(leg, one) for one in self.calls.values() for leg in one.legs if leg.up and leg.role is Role.AGENT]
        return [*talking, *((leg, None) for leg in self.apart if leg.asked_by is None)]

    def somebody_works(self) -> None:
        """An agent who has a caller does what one can do with him."""
        working = [(leg, one) for leg, one in self._at_work() if leg.agent in AGENTS]
        if not working:
            return
        leg, one = self.random.choice(working)
        agent, request, at = leg.agent, RequestId("w"), self.now
        pick = self.random.choice
        other = pick([*AGENTS, *AGENTS, DEPARTMENT])
        kind, target = pick(
            [
                (TargetKind.AGENT, pick(AGENTS)),
                (TargetKind.AGENT, pick(AGENTS)),
                (TargetKind.QUEUE, pick([GENERAL, ENGLISH, QueueId("approvals")])),
                (TargetKind.EXTENSION, DEPARTMENT),
                (TargetKind.DESTINATION, "110"),
                (TargetKind.NUMBER, "13912345678"),
            ]
        )
        transfer = event.TransferAsked(agent, kind, target, request, at)
        consult = event.ConsultAsked(agent, kind, target, request, at)
        held = [
            event.ResumeAsked(agent, request, at),
            event.ResumeAsked(agent, request, at),
            event.ConsultCompleted(agent, request, at),
            event.ConsultCompleted(agent, request, at),
            event.ConsultCompleted(agent, request, at),
            consult,
            transfer,
        ]
        talking = [
            event.HoldAsked(agent, request, at),
            event.HoldAsked(agent, request, at),
            consult,
            consult,
            transfer,
            event.HandOverAsked(agent, "110", pick(["transfer", "three_way", "ticket"]), request, at),
            event.ThirdPartyAsked(agent, other, request, at),
            event.ThirdPartyDropped(agent, other, request, at),
        ]
        if one is not None and self.random.random() < 0.15:
            self.tell(event.PhoneHeld(one.id, leg.name, agent, pick([True, False]), at))
            return
        self.post(pick(held if one is None else talking))

    # ------------------------------------------------------------ the hotline's people

    def somebody_calls_back(self) -> None:
        """Somebody wants a missed caller called, or nobody called any more."""
        request, at = RequestId("c"), self.now
        if self.requests and self.random.random() < 0.3:
            self.post(event.CallbackCancelled(self.random.choice(sorted(self.requests)), "web", request, at))
            return
        missed = [one for one in self.records.values() if one.outcome is not None and one.queued_at is not None]
        if not missed:
            return
        one = self.random.choice(missed)
        assert one.queued_at is not None
        queue = one.queue or GENERAL
        self.post(event.CallbackAsked(one.caller, queue, one.call, one.queued_at, "zh", "web", request, at))

    def _work_on(self) -> None:
        """In the evening nobody is left on hold."""
        super()._work_on()
        for leg in self.apart:
            if leg.asked_by is None:
                self.post(event.ResumeAsked(AgentId(leg.agent), RequestId("e"), self.now))


def busy_day(town: BusyTown, hour_s: float = 200.0) -> BusyTown:
    """A busy time of wishes and mishaps, then a calm one in which everybody must be served."""
    weather, luck = town.weather, town.random
    town.connect()
    town.beats()
    town.at(0.1, town.agents_begin)
    for what, times in (
        (town.arrive, 22),
        (town.somebody_does_something, 10),
        (town.somebody_works, 80),
        (town.somebody_calls_back, 6),
        (town.somebody_orders, 15),
    ):
        for _ in range(times):
            town.at(1 + luck.random() * hour_s, what)
    for _ in range(weather.outages):
        town.at(luck.random() * hour_s, town.outage)
    for _ in range(weather.restarts):
        town.at(luck.random() * hour_s, town.restart)
    town.at(hour_s + 20, town.evening)
    town.run(hour_s + 20 + 900)
    return town
