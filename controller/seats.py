"""Who sits at which phone: the one place where the rules' agents and the exchange's phones are translated. Pure.

The rules speak of agents (话务员), the exchange of phones (座席, PJSIP endpoints). An agent who has a phone of his own
(the usual case: its number is his id) sits there unless he signed in elsewhere; a seat of ``[[seats]]`` belongs to
nobody and serves whoever signs in at it. What the exchange says of a phone is told of the agent who sits there
(`inward`), what is ordered for an agent goes to the phone where he sits (`outward`). At any time nobody is at two
phones and no phone has two agents: `phone_of` and `agent_at` are inverse to each other.

What must survive a restart, who sits elsewhere than at his own phone, stands in his mark in the exchange
(`agents.mark`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from pbx import commands as order
from pbx import events as event
from pbx.commands import Command
from pbx.events import Event, ExchangeConnected, PhoneUse, TalkSeen
from pbx.ids import AgentId

VACANT = "@"
"""A phone at which nobody sits is named so before its number, lest it be taken for the agent of that number."""


class Seats:
    """All phones, who sits where, and what the exchange says of each phone."""

    def __init__(self, own: Mapping[AgentId, AgentId], shared: Iterable[AgentId] = ()) -> None:
        """`own`: each agent's own phone, for those who have one; `shared`: the seats that belong to nobody."""
        self._own = dict(own)
        self._owner = {phone: agent for agent, phone in own.items()}
        self._phones = frozenset((*self._owner, *shared))
        self._seat: dict[AgentId, AgentId] = {}  # agent -> phone, of those who sit elsewhere than at their own
        self._sitter: dict[AgentId, AgentId] = {}  # the same the other way round
        self._reachable: set[AgentId] = set()
        self._use: dict[AgentId, PhoneUse] = {}

    # ---------------------------------------------------------------- who sits where

    def __contains__(self, phone: AgentId) -> bool:
        """Whether an agent may sit there."""
        return phone in self._phones

    def phone_of(self, agent: AgentId) -> AgentId | None:
        """The phone where an agent sits, or would sit if he signed in; None while somebody else has his."""
        seat = self._seat.get(agent)
        if seat is not None:
            return seat
        return self.home(agent)

    def home(self, agent: AgentId) -> AgentId | None:
        """The agent's own phone, wherever he sits; None where he has none, or while somebody else has it."""
        own = self._own.get(agent)
        return None if own in self._sitter else own

    def taken(self, agent: AgentId) -> tuple[AgentId, AgentId] | None:
        """The agent's own phone and who has signed in there in his stead; None while it is his to sit at."""
        own = self._own.get(agent)
        sitter = self._sitter.get(own) if own is not None else None
        return None if own is None or sitter is None else (own, sitter)

    def agent_at(self, phone: AgentId) -> AgentId | None:
        """Who sits at a phone: who signed in there, or else its owner, unless he sits elsewhere."""
        sitter = self._sitter.get(phone)
        if sitter is not None:
            return sitter
        owner = self._owner.get(phone)
        return None if owner in self._seat else owner

    def owner(self, phone: AgentId) -> AgentId | None:
        """Whose own phone this is, wherever he sits; None for a seat that belongs to nobody."""
        return self._owner.get(phone)

    def away(self, agent: AgentId) -> AgentId | None:
        """The phone of an agent who sits elsewhere than at his own; None for everybody else."""
        return self._seat.get(agent)

    def sit(self, agent: AgentId, phone: AgentId) -> None:
        """The agent sits at `phone` from now on. Raises KeyError for no phone of ours, ValueError for a taken one."""
        if phone not in self._phones:
            raise KeyError(phone)
        if self._sitter.get(phone, agent) != agent:
            raise ValueError(f"somebody else sits at {phone}")
        self.leave(agent)
        if self._own.get(agent) != phone:
            self._seat[agent] = phone
            self._sitter[phone] = agent

    def leave(self, agent: AgentId) -> AgentId | None:
        """The agent sits at his own phone again, if he has one; gives the phone that he left."""
        phone = self._seat.pop(agent, None)
        if phone is not None:
            del self._sitter[phone]
        return phone

    # ---------------------------------------------------------------- what the exchange says of the phones

    def reached(self, phone: AgentId, *, reachable: bool) -> None:
        """A phone has registered, or its registration is gone."""
        (self._reachable.add if reachable else self._reachable.discard)(phone)

    def used(self, phone: AgentId, use: PhoneUse) -> None:
        """What a phone is doing now."""
        self._use[phone] = use

    def snapshot(self, found: ExchangeConnected, remembered: Mapping[AgentId, AgentId]) -> ExchangeConnected:
        """Begin anew from what the exchange says after a login; gives the same, told of the agents.

        `remembered`: at which seats agents of whom we know nothing yet sat before this controller began. A phone with
        a channel of no call of ours is in use; how long one of our calls keeps a phone, the exchange will say.
        """
        self._reachable = set(found.phones)
        self._use = {row.agent: PhoneUse.IN_USE for row in found.channels if row.agent and not row.call}
        for agent, phone in remembered.items():
            if phone in self._phones and phone not in self._sitter:
                self.sit(agent, phone)
        if not self._seat:
            return found
        rows = (
            replace(row, agent=None if row.agent is None else self._named(row.agent), talk=self._talk(row.talk))
            for row in found.channels
        )
        gone = (replace(one, talk=self._talk(one.talk)) for one in found.gone)
        return replace(found, channels=tuple(rows), gone=tuple(gone))

    def _talk(self, talk: TalkSeen | None) -> TalkSeen | None:
        """The dialplan's note of a talk, told of the agent who sits at the phone now."""
        return talk if talk is None or talk.agent is None else replace(talk, agent=self._named(talk.agent))

    def is_reachable(self, phone: AgentId) -> bool:
        """Whether a phone is registered, an agent's or a department's."""
        return phone in self._reachable

    def facts(self, agent: AgentId) -> tuple[bool, PhoneUse]:
        """Whether the phone where the agent sits is reachable, and what it is doing."""
        phone = self.phone_of(agent)
        if phone is None:
            return False, PhoneUse.IDLE
        return phone in self._reachable, self._use.get(phone, PhoneUse.IDLE)

    # ---------------------------------------------------------------- between the exchange's words and the rules'

    def inward(self, found: Event) -> Event:
        """What the exchange says of a phone, told of the agent who sits there.

        Not translated: `NetTalkEnded`, which carries the net's own name of its member, the agent's id; `PhoneChanged`
        and `PhoneUsed`, which are about the phone, whoever sits there; `ExchangeConnected`, which says itself who
        sits where (`snapshot`).
        """
        if not self._seat:
            return found  # everybody sits at his own phone, whose number is his id
        match found:
            case event.LegStarted() | event.OfferFailed() | event.TalkEnded() | event.PhoneHeld() | event.AgentWaits():
                return replace(found, agent=self._named(found.agent) or AgentId(VACANT + found.agent))
            case event.ConsultEnded():
                return replace(found, endpoint=self._named(found.endpoint) or AgentId(VACANT + found.endpoint))
            case event.PartyJoined() | event.PartyLeft() | event.LegEnded():
                return found if found.agent is None else replace(found, agent=self._named(found.agent))
            case _:
                return found

    def _named(self, phone: AgentId) -> AgentId | None:
        """The agent at a phone, None at a vacant one; what is no phone of ours (a department's) stays what it is."""
        return self.agent_at(phone) if phone in self._phones else phone

    def outward(self, command: Command) -> Command:
        """What is ordered for an agent, for the phone where he sits. Every command that rings an agent stands here."""
        if not self._seat:
            return command
        match command:
            case order.Offer():
                return replace(command, agent=self.phone_of(command.agent) or command.agent)
            case order.RingAgent():
                return replace(command, agent=self.phone_of(command.agent) or command.agent)
            case order.Consult() | order.HoldTalk() if command.endpoint:
                asked = AgentId(command.endpoint)
                return replace(command, endpoint=self.phone_of(asked) or asked)
            case order.AddParty() | order.DropParty():
                return replace(command, endpoint=self.phone_of(command.endpoint) or command.endpoint)
            case _:
                return command
