"""Who is in the exchange of a simulated day: callers, the legs in their talks, and those that stand apart on hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pbx import commands as order
from pbx import events as event
from pbx.events import LiveChannel, Role
from pbx.ids import AgentId, CallId, ChannelName
from tests.builders import caller_channel
from tests.fakes.town_loop import Loop

AGENT_HOLD_MAX = 60.0
TRUNK = AgentId("carrier")


@dataclass(eq=False)
class Leg:
    """The channel of an agent or a third party. `up`: in a bridge. `context`: where it stands when it is in none of a
    caller's; one that a caller has fetched goes back there when he is gone.
    """

    agent: AgentId
    name: ChannelName
    call: CallId
    role: Role = Role.AGENT
    up: bool = False
    context: str = "from-agent"
    asks: Leg | None = None  #: whom it is asking while its caller is on hold
    asked_by: Leg | None = None
    turn: int = 0


@dataclass
class Citizen:
    """A caller's channel."""

    id: CallId
    dialled: str
    mark: str
    number: str = "138"
    context: str = "p-idle"
    step: int = 0
    turn: int = 0  # grows with each primitive: what was planned in an older one is void
    bridged: bool = False
    idle_since: float = 0.0
    arguments: dict[int, order.StepCommand] = field(default_factory=dict)
    legs: list[Leg] = field(default_factory=list)


class Legs(Loop):
    """Callers and legs; what leads them from one context to the next stands in `town_exchange.Exchange`."""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.calls: dict[CallId, Citizen] = {}
        self.apart: list[Leg] = []  #: agents whose callers are on hold, and whom they ask
        self.ringing: dict[CallId, order.PlaceCall] = {}  #: citizens who are being called

    def channels(self) -> list[LiveChannel]:
        """The snapshot's rows."""
        rows: list[LiveChannel] = []
        for call, wanted in self.ringing.items():
            name = caller_channel(call)
            rows.append(LiveChannel(name, call, Role.CALLER, None, "p-callback", 0, False, "", wanted.number))
        for one in self.calls.values():
            name = caller_channel(one.id)
            rows.append(
                LiveChannel(name, one.id, Role.CALLER, None, one.context, one.step, one.bridged, one.mark, one.number)
            )
            rows += [self._row(leg) for leg in one.legs]
        return rows + [self._row(leg) for leg in self.apart]

    @staticmethod
    def _row(leg: Leg) -> LiveChannel:
        return LiveChannel(leg.name, leg.call, leg.role, leg.agent, leg.context, 0, leg.up, "", "")

    def _enter(self, one: Citizen, context: str) -> int:
        one.turn += 1
        one.context = context
        return one.turn

    def _then(self, one: Citizen, seconds: float, what: Callable[[], None]) -> None:
        turn = one.turn
        self.at(seconds, lambda: what() if one.id in self.calls and one.turn == turn else None)

    def _legs(self) -> Iterator[Leg]:
        for one in self.calls.values():
            yield from one.legs
        yield from self.apart

    def _busy(self, agent: AgentId) -> bool:
        return agent != TRUNK and any(leg.agent == agent for leg in self._legs())

    def _unreachable(self, agent: AgentId) -> bool:
        return agent not in self.phones and agent != TRUNK

    def _leg(self, one: Citizen, agent: AgentId, role: Role = Role.AGENT) -> Leg:
        leg = Leg(agent, ChannelName(f"PJSIP/{agent}-{next(self._serial):08x}"), one.id, role)
        one.legs.append(leg)
        return leg

    def _leave_bridge(self, leg: Leg) -> None:
        if leg.up:
            leg.up = False
            self.tell(event.PartyLeft(leg.call, leg.name, leg.role, leg.agent, self.now))

    def _gone(self, leg: Leg) -> None:
        self.tell(event.LegEnded(leg.call, leg.name, leg.role, leg.agent, 16, self.now))

    def _end_leg(self, one: Citizen, leg: Leg) -> None:
        one.legs.remove(leg)
        self._leave_bridge(leg)
        self._gone(leg)

    def _caller_leaves(self, one: Citizen) -> None:
        one.bridged = False
        self.tell(event.PartyLeft(one.id, caller_channel(one.id), Role.CALLER, None, self.now))

    # ------------------------------------------------------------ on hold

    def _take_out(self, one: Citizen, name: ChannelName) -> bool:
        """An agent's leg leaves the talk with his caller."""
        leg = next((leg for leg in one.legs if leg.name == name and leg.up), None)
        if leg is None:
            return False
        one.legs.remove(leg)
        self._leave_bridge(leg)
        self.apart.append(leg)
        return True

    def _agent_apart(self, command: order.HoldTalk) -> None:
        leg = next(leg for leg in self.apart if leg.name == command.leg)
        if command.endpoint:
            self._ask_apart(leg, AgentId(command.endpoint), command.ring_s)
        else:
            self._wait_apart(leg)

    def _soon(self, leg: Leg, seconds: float, what: Callable[[], None]) -> None:
        turn = leg.turn
        self.at(seconds, lambda: what() if leg in self.apart and leg.turn == turn else None)

    def _wait_apart(self, leg: Leg) -> None:
        """In ag-hold: until he is fetched, hangs up, or nobody is there who could fetch him."""
        leg.turn += 1
        leg.context = "ag-hold"
        self._soon(leg, AGENT_HOLD_MAX, lambda: self._end_apart(leg))
        if self.random.random() < 0.4:
            self._soon(leg, self.random.expovariate(1 / 15), lambda: self._end_apart(leg))
        self._look_apart(leg)

    def _look_apart(self, leg: Leg) -> None:
        if self.missed:
            self._end_apart(leg)
        else:
            self._soon(leg, 1.0, lambda: self._look_apart(leg))

    def _end_apart(self, leg: Leg) -> None:
        """A leg outside the caller's talk ends; with him who asks, whom he asks; without the latter, he waits alone."""
        if leg not in self.apart:
            return
        self.apart.remove(leg)
        leg.turn += 1
        self._leave_bridge(leg)
        self._gone(leg)
        if leg.asks is not None:
            other, leg.asks.asked_by, leg.asks = leg.asks, None, None
            self._end_apart(other)
        if leg.asked_by is not None:
            self._asked_gone(leg.asked_by, leg, "ANSWER" if leg.turn > 1 else "NOANSWER")

    def _asked_gone(self, leg: Leg, asked: Leg, status: str) -> None:
        leg.asks = asked.asked_by = None
        self._leave_bridge(leg)
        self.tell(event.ConsultEnded(leg.call, asked.agent, status, 16, self.now))
        self._wait_apart(leg)

    def _ask_apart(self, leg: Leg, endpoint: AgentId, ring_s: int) -> None:
        """In ag-consult."""
        leg.turn += 1
        leg.context = "ag-consult"
        if leg.asks is not None:
            other, leg.asks.asked_by, leg.asks = leg.asks, None, None
            self._leave_bridge(leg)
            self._end_apart(other)
        if self._unreachable(endpoint) or self._busy(endpoint):
            status, cause = ("CHANUNAVAIL", 3) if self._unreachable(endpoint) else ("BUSY", 17)
            self.tell(event.ConsultEnded(leg.call, endpoint, status, cause, self.now))
            self._wait_apart(leg)
            return
        name = ChannelName(f"PJSIP/{endpoint}-{next(self._serial):08x}")
        asked = Leg(endpoint, name, leg.call, asked_by=leg)
        leg.asks = asked
        self.apart.append(asked)
        self.tell(event.LegStarted(leg.call, 0, endpoint, name, self.now))
        if self.calm or self.random.random() < self.weather.answers:
            self._soon(asked, self.random.random() * 4, lambda: self._asked_answers(leg, asked))
        else:
            self._soon(asked, float(ring_s), lambda: self._asked_silent(leg, asked))

    def _asked_silent(self, leg: Leg, asked: Leg) -> None:
        self.apart.remove(asked)
        self._gone(asked)
        leg.asks = asked.asked_by = None
        self.tell(event.ConsultEnded(leg.call, asked.agent, "NOANSWER", 0, self.now))
        self._wait_apart(leg)

    def _asked_answers(self, leg: Leg, asked: Leg) -> None:
        asked.turn += 1
        leg.up = asked.up = True
        for one in (leg, asked):
            self.tell(event.PartyJoined(one.call, one.name, one.role, one.agent, self.now))
        self._soon(asked, 2 + self.random.expovariate(1 / 10), lambda: self._end_apart(asked))
        if self.missed:
            return
        if self.random.random() < 0.2:
            self._soon(leg, 1 + self.random.expovariate(1 / 10), lambda: self._end_apart(leg))
