"""The whole switchboard on a simulated day: an exchange without sound, and people who do what the crowd says.

Every command of the switchboard is answered with the events that Asterisk's dialplan would give
(`docs/architecture.md`, "How one call travels"), at once or when what it started is over. The exchange never fails
here: what happens when it does is tested elsewhere. Commands that change nothing for the distribution (recordings,
marks, announcements) are taken and counted.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agents.agent import MISSED
from agents.mark import decode
from agents.moves import AgentState
from controller.plan import Plan
from controller.simulation.clock import Agenda
from controller.simulation.crowd import Caller, Crowd, Shift
from controller.switchboard import Switchboard
from pbx import commands as order
from pbx import events as event
from pbx.call import CallRecord
from pbx.commands import Command
from pbx.events import Event, KeyStatus, Role, TimeIsUp
from pbx.ids import AgentId, CallId, ChannelName, RequestId, TicketNumber

TICKET_S = 0.05
"""From the request for a ticket to the commit that promises its number: a batch of the store's writer."""

_REQUEST = RequestId("simulated")


@dataclass(slots=True)
class _Channel:
    """A caller in the exchange."""

    who: Caller
    name: ChannelName
    step: int = 0
    turn: int = 0  #: grows with each thing he does: what was planned for an older one is void
    questions: int = 0
    messages: int = 0
    offers: int = 0
    queued: bool = False
    leg: ChannelName | None = None
    agent: AgentId | None = None
    talks_since: float | None = None
    left: list[AgentId] = field(default_factory=list)


class SimulatedExchange:
    """One day. `records` are the calls as the store would have them."""

    def __init__(
        self,
        plan: Plan,
        crowd: Crowd,
        shifts: Iterable[Shift],
        begin: float,
        end: float,
        *,
        drain_s: float = 3600.0,
        opening: event.ExchangeConnected | None = None,
        watch: Callable[[Event, float, list[Command]], None] | None = None,
    ) -> None:
        """Agents whose shift lasts until `end` stay until every caller has been served, for at most `drain_s`.

        `opening` is what the first log-in finds; without one, every agent's phone and nothing else.
        """
        self.plan = plan
        self.crowd = crowd
        self.board = Switchboard(plan)
        self.records: dict[CallId, CallRecord] = {}
        self.steps = 0
        self.taken: Counter[str] = Counter()  #: commands by name
        self._agenda = agenda = Agenda(begin)
        self._watch = watch
        self._channels: dict[CallId, _Channel] = {}
        self._timers: dict[tuple[Any, str], int] = {}
        self._serial = itertools.count(1)
        self._left = len(crowd.callers)
        self._end = end + drain_s
        self._perform: Mapping[type[Any], Callable[[Any], None]] = {
            order.Ask: self._ask,
            order.Play: self._play,
            order.Record: self._record,
            order.Hold: self._hold,
            order.Offer: self._offer,
            order.HangUp: lambda command: self._hang_up(command.call),
            order.CancelOffer: lambda command: self._cancel(command.call, command.leg),
            order.SaveCall: self._save,
            order.OpenTicket: self._ticket,
            order.Wake: self._wake,
            order.MarkAgent: self._mark,
        }
        opening = opening or event.ExchangeConnected((), tuple(plan.agents), (), begin)
        agenda.at(begin, self.post, opening)
        self._shifts(shifts, end)
        self._arrivals = iter(crowd.callers)
        self._next_arrival()

    def _shifts(self, shifts: Iterable[Shift], end: float) -> None:
        for shift in shifts:
            self._agenda.at(shift.begin, self._ready, shift.agent)
            if shift.end < end:
                self._agenda.at(shift.end, self._sign_out, shift.agent)

    def at(self, instant: float, what: Callable[..., None], *arguments: Any) -> None:
        """Let something happen at an epoch second of the day."""
        self._agenda.at(instant, what, *arguments)

    def run(self) -> dict[CallId, CallRecord]:
        """The whole day; its call records."""
        agenda = self._agenda
        while self._left and agenda.now <= self._end and agenda.next():
            pass
        for call in list(self._channels):  # those whom nobody came for
            self._hang_up(call)
        while agenda.now <= self._end and self.board.house.calls and agenda.next():
            pass
        return self.records

    # ---------------------------------------------------------------- events

    def post(self, found: Event) -> None:
        """One event now, and everything that is ordered because of it."""
        self.steps += 1
        now = self._agenda.now
        commands = self.board.step(found, now)
        if self._watch is not None:
            self._watch(found, now, commands)
        perform, taken = self._perform, self.taken
        for command in commands:
            kind = type(command)
            taken[kind.__name__] += 1
            does = perform.get(kind)
            if does is not None:
                does(command)

    def _soon(self, found: Event) -> None:
        """After what is being done now, at the same instant."""
        self._agenda.at(self._agenda.now, self.post, found)

    def _then(self, channel: _Channel, seconds: float, what: Callable[..., None], *arguments: Any) -> None:
        """After so long, unless he does something else by then."""
        self._agenda.at(self._agenda.now + seconds, self._if_still, channel, channel.turn, what, arguments)

    def _if_still(self, channel: _Channel, turn: int, what: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        if channel.turn == turn and channel.who.call in self._channels:
            what(*arguments)

    # ---------------------------------------------------------------- agents

    def _ready(self, agent: AgentId) -> None:
        self.post(event.AgentWentReady(agent, _REQUEST, self._agenda.now))

    def _sign_out(self, agent: AgentId) -> None:
        self.post(event.AgentSignedOut(agent, _REQUEST, self._agenda.now))

    def _mark(self, command: order.MarkAgent) -> None:
        """One who was set not ready for missed offers comes back some time."""
        known = decode(command.agent, command.mark, phone=True, now=self._agenda.now)
        if known is None or known.state is not AgentState.NOT_READY or known.reason != MISSED:
            return
        after = self.crowd.back_s(command.agent)
        if after is not None:
            self._agenda.at(self._agenda.now + after, self._back, command.agent)

    def _back(self, agent: AgentId) -> None:
        known = self.board.house.roster.get(agent)
        if known.state is AgentState.NOT_READY and known.reason == MISSED:
            self._ready(agent)

    def _wrapped_up(self, agent: AgentId, call: CallId) -> None:
        """He has written all; one whose shift is over waits for the end of his wrap-up, for "ready" would keep him."""
        known = self.board.house.roster.get(agent)
        if known.state is AgentState.WRAP_UP and known.call == call and known.wanted is None:
            self._ready(agent)

    # ---------------------------------------------------------------- callers

    def _next_arrival(self) -> None:
        who = next(self._arrivals, None)
        if who is not None:
            self._agenda.at(who.at, self._arrive, who)

    def _arrive(self, who: Caller) -> None:
        channel = _Channel(who, ChannelName(f"SIM/{who.call}"))
        self._channels[who.call] = channel
        self._next_arrival()
        if who.leaves_s <= self._end:
            self._agenda.at(who.at + who.leaves_s, self._leaves, who.call)
        self.post(event.CallArrived(who.call, channel.name, who.dialled, who.caller, self._agenda.now))

    def _begun(self, command: order.StepCommand) -> _Channel | None:
        channel = self._channels.get(command.call)
        if channel is None:
            return None
        channel.step = command.step
        channel.turn += 1
        self._soon(event.StepStarted(command.call, command.step, self._agenda.now))
        return channel

    def _length(self, prompts: Iterable[str]) -> float:
        return sum(self.plan.lengths.get(prompt, 0.0) for prompt in prompts)

    def _ask(self, command: order.Ask) -> None:
        channel = self._begun(command)
        if channel is not None:
            silent_after = self._length(command.prompts) + command.wait_s
            key = self.crowd.presses(channel.who, channel.questions, silent_after)
            channel.questions += 1
            self._then(channel, key.after_s, self._pressed, channel, command.step, key.keys)

    def _pressed(self, channel: _Channel, step: int, keys: str) -> None:
        status = KeyStatus.OK if keys else KeyStatus.TIMEOUT
        self.post(event.KeysPressed(channel.who.call, step, keys, status, self._agenda.now))

    def _play(self, command: order.Play) -> None:
        channel = self._begun(command)
        if channel is not None:
            length = self.crowd.listens_s(channel.who, channel.messages, self._length(command.prompts))
            channel.messages += 1
            self._then(channel, length, self._played, channel, command.step)

    def _played(self, channel: _Channel, step: int) -> None:
        self.post(event.PromptPlayed(channel.who.call, step, self._agenda.now))

    def _record(self, command: order.Record) -> None:
        """A voice message: he says what he would have said to an agent, for as long as he may; then he is thanked."""
        channel = self._begun(command)
        if channel is not None:
            speaks = min(channel.who.talk_s, float(command.longest_s))
            end = event.MessageEnd.LONGEST if speaks < channel.who.talk_s else event.MessageEnd.KEY
            self._then(channel, speaks, self._recorded, channel, command, self._agenda.now, end)

    def _recorded(self, channel: _Channel, command: order.Record, began: float, end: event.MessageEnd) -> None:
        self.post(event.Recorded(channel.who.call, command.step, began, end, self._agenda.now))
        self._then(channel, self._length(command.thanks), self._hang_up, channel.who.call)

    def _hold(self, command: order.Hold) -> None:
        self._begun(command)

    def _save(self, command: order.SaveCall) -> None:
        """The store's row; it also tells since when a caller stands in a line, from where his patience counts."""
        record = command.record
        self.records[record.call] = record
        channel = self._channels.get(record.call)
        if channel is not None and record.queued_at is not None and not channel.queued:
            channel.queued = True
            gives_up = record.queued_at + channel.who.patience_s
            if gives_up <= self._end:
                self._agenda.at(gives_up, self._gives_up, record.call)

    def _gives_up(self, call: CallId) -> None:
        channel = self._channels.get(call)
        if channel is not None and channel.talks_since is None and not channel.left:
            self._hang_up(call)

    def _leaves(self, call: CallId) -> None:
        channel = self._channels.get(call)
        if channel is not None and not channel.queued:
            self._hang_up(call)

    def _hang_up(self, call: CallId) -> None:
        channel = self._channels.pop(call, None)
        if channel is None:
            return
        self._left -= 1
        now = self._agenda.now
        if channel.talks_since is not None:
            self._soon(event.PartyLeft(call, channel.name, Role.CALLER, None, now))
        self._soon(event.CallEnded(call, 16, now))
        self._end_leg(channel)
        self._soon(event.RecordingStopped(call, now))

    # ---------------------------------------------------------------- offers and talk

    def _offer(self, command: order.Offer) -> None:
        channel = self._begun(command)
        if channel is None:
            return
        agent = command.agent
        channel.agent = agent
        channel.leg = ChannelName(f"SIM/{agent}-{next(self._serial)}")
        self._soon(event.LegStarted(command.call, command.step, agent, channel.leg, self._agenda.now))
        after = self.crowd.picks_up(channel.who, channel.offers, agent)
        channel.offers += 1
        if after is None or after >= command.ring_s:
            self._then(channel, command.ring_s, self._unanswered, channel, command)
        else:
            self._then(channel, after, self._joined, channel)

    def _unanswered(self, channel: _Channel, command: order.Offer) -> None:
        self._end_leg(channel)
        now = self._agenda.now
        self._soon(event.OfferFailed(command.call, command.step, command.agent, "NOANSWER", 0, now))

    def _joined(self, channel: _Channel) -> None:
        now, call = self._agenda.now, channel.who.call
        assert channel.leg is not None
        channel.talks_since = now
        self._soon(event.PartyJoined(call, channel.leg, Role.AGENT, channel.agent, now))
        self._soon(event.PartyJoined(call, channel.name, Role.CALLER, None, now))
        self._then(channel, channel.who.talk_s, self._talked, channel)

    def _talked(self, channel: _Channel) -> None:
        """The agent hangs up; the caller hears the survey, and the agent writes."""
        now, call, agent = self._agenda.now, channel.who.call, channel.agent
        assert agent is not None
        assert channel.leg is not None
        assert channel.talks_since is not None
        talk_s = now - channel.talks_since
        self._soon(event.PartyLeft(call, channel.leg, Role.AGENT, agent, now))
        self._soon(event.PartyLeft(call, channel.name, Role.CALLER, None, now))
        channel.talks_since = None
        channel.left.append(agent)
        channel.turn += 1
        self._end_leg(channel)
        self._soon(event.TalkEnded(call, channel.step, agent, talk_s, now))
        early = self.crowd.wrap_up_s(channel.who, agent)
        if early < self.plan.agent_rules.wrap_up_s:
            self._agenda.at(now + early, self._wrapped_up, agent, call)
        self._then(channel, self.crowd.survey_s(channel.who), self._hang_up, call)

    def _end_leg(self, channel: _Channel) -> None:
        if channel.leg is not None:
            now, call = self._agenda.now, channel.who.call
            self._soon(event.LegEnded(call, channel.leg, Role.AGENT, channel.agent, 16, now))
            channel.leg = None

    def _cancel(self, call: CallId, leg: ChannelName) -> None:
        channel = self._channels.get(call)
        if channel is not None and channel.leg == leg:
            channel.turn += 1
            self._end_leg(channel)

    # ---------------------------------------------------------------- the engine and the store

    def _ticket(self, command: order.OpenTicket) -> None:
        number = TicketNumber(f"{next(self._serial):012d}")
        found = event.TicketOpened(command.call, number, self._agenda.now + TICKET_S)
        self._agenda.at(found.at, self.post, found)

    def _wake(self, command: order.Wake) -> None:
        """The newer timer of one kind and key replaces the older, as the engine has it."""
        key, serial = (command.kind, command.key), next(self._serial)
        self._timers[key] = serial
        up = TimeIsUp(command.kind, command.key, command.generation, command.at)
        self._agenda.at(command.at, self._ring, key, serial, up)

    def _ring(self, key: tuple[Any, str], serial: int, up: TimeIsUp) -> None:
        if self._timers.get(key) == serial:
            del self._timers[key]
            self.post(up)
