"""The exchange of a simulated day: it reacts to every command as asterisk-config's dialplan does."""

from __future__ import annotations

from pbx import commands as order
from pbx import events as event
from pbx.commands import Command
from pbx.events import KeyStatus, MessageEnd, Role
from pbx.ids import AgentId, CallId, ChannelName
from tests.builders import DEPARTMENT, caller_channel
from tests.fakes.town_legs import Citizen, Leg, Legs
from tests.fakes.town_loop import AGENTS

IDLE_MAX = 30.0


class Exchange(Legs):
    """Callers in the dialplan, and the legs of agents and third parties."""

    # ------------------------------------------------------------ callers

    def arrives(self, one: Citizen) -> None:
        """A call is answered and waits for the first command."""
        self.calls[one.id] = one
        self.tell(event.CallArrived(one.id, caller_channel(one.id), one.dialled, one.number, self.now))
        self._idle(one)

    def hang_up(self, one: Citizen) -> None:
        """The caller is gone, and with him the legs of his Dial; those whom he has fetched wait again."""
        if self.calls.pop(one.id, None) is None:
            return
        one.turn += 1
        if one.bridged:
            self.tell(event.PartyLeft(one.id, caller_channel(one.id), Role.CALLER, None, self.now))
        first = self.random.random() < 0.5
        if first:
            self.tell(event.CallEnded(one.id, 16, self.now))
        self._parted(one)
        if not first:
            self.tell(event.CallEnded(one.id, 16, self.now))
        self.tell(event.RecordingStopped(one.id, self.now))

    def _parted(self, one: Citizen) -> None:
        """The caller has left the bridge, or his phone call of an agent."""
        for leg in list(one.legs):
            if leg.context == "from-agent":
                self._end_leg(one, leg)
            else:
                one.legs.remove(leg)
                self._leave_bridge(leg)
                self.apart.append(leg)
                self._wait_apart(leg)

    def redirect(self, command: order.StepCommand) -> None:
        """A step reaches the caller's channel."""
        one = self.calls.get(command.call)
        if one is None:
            return
        one.arguments[command.step] = command
        one.mark = command.mark
        if isinstance(command, order.HoldTalk) and not self._take_out(one, command.leg):
            return  # the other channel does not exist: neither is moved
        if one.bridged:
            self._caller_leaves(one)
        self._parted(one)
        if command.step <= one.step:
            self.tell(event.StepRefused(one.id, command.step, one.step, self.now))
            if one.context in ("p-survey", "fallback"):
                (self._survey if one.context == "p-survey" else self._fall_back)(one)
                return
        else:
            one.step = command.step
            if self.random.random() >= self._chance(self.weather.started_lost):
                self.tell(event.StepStarted(one.id, one.step, self.now))
        self._primitive(one, one.arguments[one.step])
        if isinstance(command, order.HoldTalk):
            self._agent_apart(command)

    def _primitive(self, one: Citizen, command: order.StepCommand) -> None:
        match command:
            case order.Ask():
                self._enter(one, "p-ask")
                self._then(one, self.random.random() * 3, lambda: self._answered(one, command))
            case order.Play():
                self._enter(one, "p-play")
                self._then(one, self.random.random() * 3, lambda: self._played(one))
            case order.Record():
                self._enter(one, "p-record")
                began = self.now
                self._then(one, self.random.random() * 10, lambda: self._recorded(one, began))
            case order.Hold() | order.HoldTalk():
                self._hold(one)
            case order.Offer():
                self._dial(one, command)
            case order.Join():
                self._join(one, command)

    def _answered(self, one: Citizen, asked: order.Ask) -> None:
        keys = self.keys(asked)
        status = KeyStatus.OK if keys else KeyStatus.TIMEOUT
        self.tell(event.KeysPressed(one.id, one.step, keys, status, self.now))
        self._idle(one)

    def keys(self, asked: order.Ask) -> str:
        """What a caller answers to a question."""
        return self.random.choice(["0", "1", "9", "2", "7", "*", ""])

    def key_in_line(self) -> str:
        """What a caller presses in a second of music; empty = nothing."""
        return ""

    def _recorded(self, one: Citizen, began: float) -> None:
        end = self.random.choice(list(MessageEnd)[:3])
        self.tell(event.Recorded(one.id, one.step, began, end, self.now))
        self._then(one, 1.5, lambda: self.hang_up(one))

    def _played(self, one: Citizen) -> None:
        self.tell(event.PromptPlayed(one.id, one.step, self.now))
        self._idle(one)

    def _idle(self, one: Citizen) -> None:
        one.idle_since = self.now
        self._enter(one, "p-idle")
        self._then(one, 0.5, lambda: self._stand(one))

    def _stand(self, one: Citizen) -> None:
        if self.missed or self.now - one.idle_since > IDLE_MAX:
            self._fall_back(one)
            return
        self.tell(event.CallerIdle(one.id, one.step, self.now))
        self._then(one, 0.5, lambda: self._stand(one))

    def _hold(self, one: Citizen) -> None:
        self._enter(one, "p-hold")
        self._wait(one)

    def _wait(self, one: Citizen) -> None:
        if self.missed:
            self._fall_back(one)
            return
        key = self.key_in_line()
        if key:
            self.tell(event.HoldKeyPressed(one.id, one.step, key, self.now))
        self._then(one, 1.0, lambda: self._wait(one))

    def _survey(self, one: Citizen) -> None:
        self._enter(one, "p-survey")
        if self.random.random() < 0.5:
            self._then(one, 2.0, lambda: self.tell(event.CallScored(one.id, self.random.choice([None, 5]), self.now)))
        self._then(one, 3.0, lambda: self.hang_up(one))

    # ------------------------------------------------------------ the exchange: offers, talk, net

    def _dial(self, one: Citizen, offer: order.Offer) -> None:
        self._enter(one, "p-dial")
        agent = offer.agent
        if self._unreachable(agent) or self._busy(agent):
            status, cause = ("CHANUNAVAIL", 3) if self._unreachable(agent) else ("BUSY", 17)
            self._no_agent(one, agent, status, cause)
            return
        leg = self._leg(one, agent)
        self.tell(event.LegStarted(one.id, one.step, agent, leg.name, self.now))
        luck = self.random.random()
        if luck < self.weather.answers or self.calm:
            self._then(one, self.random.random() * 4, lambda: self._pick_up(one, leg, net=False))
        elif luck < 0.9:
            self._then(one, float(offer.ring_s), lambda: self._unanswered(one, leg, "NOANSWER", 0))
        else:
            self._then(one, self.random.random() * 2, lambda: self._unanswered(one, leg, "BUSY", 17))

    def _unanswered(self, one: Citizen, leg: Leg, status: str, cause: int) -> None:
        early = self.random.random() < 0.5
        if early:
            self._end_leg(one, leg)
        self._no_agent(one, leg.agent, status, cause)
        if not early:
            self._end_leg(one, leg)

    def _no_agent(self, one: Citizen, agent: AgentId, status: str, cause: int) -> None:
        self.tell(event.OfferFailed(one.id, one.step, agent, status, cause, self.now))
        self._hold(one)

    def _pick_up(self, one: Citizen, leg: Leg, *, net: bool) -> None:
        leg.up = one.bridged = True
        joins = [
            event.PartyJoined(one.id, leg.name, leg.role, leg.agent, self.now),
            event.PartyJoined(one.id, caller_channel(one.id), Role.CALLER, None, self.now),
        ]
        self.random.shuffle(joins)
        for join in joins:
            self.tell(join)
        if not net and self.random.random() < self._chance(self.weather.short_talk):
            self._then(one, 0.3, lambda: self._gone_at_once(one, leg))
        else:
            self._then(one, 1 + self.random.expovariate(1 / 15), lambda: self._leaves(one, leg, net=net))

    def _gone_at_once(self, one: Citizen, leg: Leg) -> None:
        if leg not in one.legs:
            return
        self._end_leg(one, leg)
        self._caller_leaves(one)
        self._no_agent(one, leg.agent, "ANSWER", 16)

    def _leaves(self, one: Citizen, leg: Leg, *, net: bool) -> None:
        if leg not in one.legs or one.id not in self.calls:
            return
        self._end_leg(one, leg)
        if any(other.up for other in one.legs) or not one.bridged:
            return
        self._caller_leaves(one)
        if one.context == "p-join":
            self.tell(event.JoinEnded(one.id, one.step, True, self.now))
        elif net:
            self.tell(event.NetTalkEnded(one.id, leg.agent, self.now))
        else:
            self.tell(event.TalkEnded(one.id, one.step, leg.agent, 3.0, self.now))
        self._survey(one)

    def _fall_back(self, one: Citizen) -> None:
        self._enter(one, "fallback")
        self.tell(event.FellBack(one.id, caller_channel(one.id), one.step, self.now))
        self._then(one, 1.0, lambda: self._net(one))

    def _net(self, one: Citizen) -> None:
        free = [agent for agent in AGENTS if agent in self.phones and not self._busy(agent)]
        if not free:
            self._then(one, 1.0, lambda: self._net(one))
            return
        leg = self._leg(one, self.random.choice(free))
        if self.random.random() < 0.5:
            self._then(one, self.random.random() * 3, lambda: self._pick_up(one, leg, net=True))
        else:
            self._then(one, 3.0, lambda: self._net_unanswered(one, leg))

    def _net_unanswered(self, one: Citizen, leg: Leg) -> None:
        self._end_leg(one, leg)
        self._then(one, 1.0, lambda: self._net(one))

    # ------------------------------------------------------------ commands without a step

    def other(self, command: Command) -> None:
        """A command reaches the exchange."""
        match command:
            case order.HangUp(call=call) if call in self.calls:
                self.hang_up(self.calls[call])
            case order.HangUp(call=call) if call in self.ringing:
                self._not_reached(call, "failed", self._session)
            case order.AddParty(call=call, endpoint=endpoint):
                self._add(call, endpoint)
            case order.DropParty(call=call, endpoint=endpoint):
                self._drop(call, endpoint)
            case order.CancelOffer(leg=name):
                self._cancel(name)
            case order.Consult(leg=name, endpoint=endpoint, ring_s=ring_s):
                leg = next((leg for leg in self.apart if leg.name == name), None)
                if leg is not None:
                    self._ask_apart(leg, AgentId(endpoint), ring_s)
            case order.ToSurvey(call=call) if call in self.calls:
                one = self.calls[call]
                if one.bridged:
                    self._caller_leaves(one)
                self._parted(one)
                self._survey(one)
            case order.PlaceCall():
                self._place(command)
            case order.Announce(call=call) if call in self.calls:
                one = self.calls[call]
                step = one.step
                if one.context == "p-hold":
                    self._then(one, 1.0, lambda: self.tell(event.Announced(call, step, self.now)))
            case _:
                pass

    def _cancel(self, name: ChannelName) -> None:
        """A leg is hung up."""
        leg = next((leg for leg in self._legs() if leg.name == name), None)
        if leg is None:
            return
        if leg in self.apart:
            self._end_apart(leg)
            return
        one = self.calls[leg.call]
        if leg.up or leg.role is Role.THIRD:
            self._leaves(one, leg, net=one.context == "fallback")
        elif one.context == "p-dial":
            self._end_leg(one, leg)
            self._no_agent(one, leg.agent, "NOANSWER", 16)
        else:
            self._net_unanswered(one, leg)

    def _drop(self, call: CallId, endpoint: AgentId) -> None:
        one = self.calls.get(call)
        for leg in list(one.legs) if one is not None else ():
            if one is not None and (leg.role, leg.agent, leg.up) == (Role.THIRD, endpoint, False):
                self._end_leg(one, leg)

    def _add(self, call: CallId, endpoint: AgentId) -> None:
        one = self.calls.get(call)
        if one is None or not one.bridged or (self._unreachable(endpoint) and endpoint != DEPARTMENT):
            name = ChannelName(f"PJSIP/{endpoint}")
            self.tell(event.LegEnded(call, name, Role.THIRD, endpoint, 0, self.now))
            return
        leg = self._leg(one, endpoint, Role.THIRD)
        self.at(self.random.random() * 5, lambda: self._third(one, leg))

    def _third(self, one: Citizen, leg: Leg) -> None:
        if leg not in one.legs:
            return
        if not one.bridged or self.random.random() < 0.3:
            self._end_leg(one, leg)
            return
        leg.up = True
        self.tell(event.PartyJoined(one.id, leg.name, leg.role, leg.agent, self.now))
        self.at(1 + self.random.random() * 20, lambda: self._leaves(one, leg, net=one.context == "fallback"))

    # ------------------------------------------------------------ citizens whom we call

    def _place(self, command: order.PlaceCall) -> None:
        call, session = command.call, self._session
        self.ringing[call] = command
        if self.calm or self.random.random() < self.weather.answers:
            self.at(self.random.random() * 5, lambda: self._reached(command))
        else:
            reason = self.random.choice(["busy", "no_answer", "failed"])
            self.at(self.random.random() * command.ring_s, lambda: self._not_reached(call, reason, session))

    def _reached(self, command: order.PlaceCall) -> None:
        if self.ringing.pop(command.call, None) is None:
            return
        one = Citizen(command.call, command.caller_id, command.mark, command.number)
        self.calls[one.id] = one
        channel = caller_channel(one.id)
        self.tell(event.OutboundAnswered(one.id, channel, self.now, one.dialled, one.number))
        self._idle(one)
        if self.random.random() < self._chance(self.weather.impatient):
            self.at(self.random.expovariate(1 / 10), lambda: self.hang_up(one))

    def _not_reached(self, call: CallId, reason: str, session: int) -> None:
        if self.ringing.pop(call, None) is None:
            return
        if session == self._session:  # another connection does not know why
            self.tell(event.OutboundFailed(call, reason, self.now))
        self.tell(event.CallEnded(call, 16, self.now))

    # ------------------------------------------------------------ on hold

    def _join(self, one: Citizen, command: order.Join) -> None:
        """In p-join: the caller fetches a leg, out of whatever talk it is in."""
        self._enter(one, "p-join")
        leg = next((leg for leg in self.apart if leg.name == command.leg and leg.call == one.id), None)
        if leg is None or (leg.asked_by is not None and not leg.up):
            self.tell(event.JoinEnded(one.id, one.step, False, self.now))
            self._hold(one)
            return
        self.apart.remove(leg)
        leg.turn += 1
        self._leave_bridge(leg)
        if leg.asked_by is not None:
            self._asked_gone(leg.asked_by, leg, "ANSWER")
        elif leg.asks is not None:
            other, leg.asks.asked_by, leg.asks = leg.asks, None, None
            self._end_apart(other)
        leg.up = one.bridged = True
        one.legs.append(leg)
        joins = [
            event.PartyJoined(one.id, leg.name, leg.role, leg.agent, self.now),
            event.PartyJoined(one.id, caller_channel(one.id), Role.CALLER, None, self.now),
        ]
        self.random.shuffle(joins)
        for join in joins:
            self.tell(join)
        self._then(one, 1 + self.random.expovariate(1 / 15), lambda: self._leaves(one, leg, net=False))
