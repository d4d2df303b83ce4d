"""A day in a small town: citizens who call, agents who work, and an exchange between them, for property tests.

The loop with its mishaps stands in `town_loop.py`, the exchange in `town_exchange.py`; people who ask for everything
that a hotline can do are in `town_busy.py`.
"""

from __future__ import annotations

from pbx import events as event
from pbx.ids import AgentId, CallId, RequestId
from tests.builders import DEPARTMENT, DIRECT, MENU
from tests.fakes.town_exchange import Exchange
from tests.fakes.town_legs import Citizen
from tests.fakes.town_loop import AGENTS, Weather

__all__ = ["AGENTS", "Citizen", "Town", "Weather"]


class Town(Exchange):
    """Citizens and agents."""

    def arrive(self) -> None:
        """A citizen calls."""
        number = next(self._serial)
        dialled = self.random.choice([MENU, MENU, DIRECT, "000"])
        caller = f"138{self._numbers.randrange(self._citizens):08d}" if self._citizens else "138"
        one = Citizen(CallId(f"town-{number}.0"), dialled, f"{dialled}|zh|{self.now:.3f}|||0|0", caller)
        self.arrives(one)
        if self.random.random() < self.weather.impatient:
            self.at(self.random.expovariate(1 / 20), lambda: self.hang_up(one))

    def agents_begin(self) -> None:
        for agent in AGENTS:
            self.post(event.AgentWentReady(agent, RequestId("r"), self.now))

    def somebody_does_something(self) -> None:
        """A click, or a phone's registration."""
        agent, request = self.random.choice(AGENTS), RequestId("r")
        other = self.random.choice([*AGENTS, DEPARTMENT])
        choice = self.random.randrange(8)
        if choice in (0, 1, 2):
            self.post(event.AgentWentReady(agent, request, self.now))
        elif choice == 3:
            self.post(event.AgentWentNotReady(agent, "break", request, self.now))
        elif choice == 4:
            self.post(event.AgentSignedOut(agent, request, self.now))
        elif choice in (5, 6):
            self.post(event.ThirdPartyAsked(agent, other, request, self.now))
        else:
            (self.phones.discard if agent in self.phones else self.phones.add)(agent)
            self.tell(event.PhoneChanged(agent, agent in self.phones, self.now))

    def third_pending(self, agent: AgentId) -> bool:
        """Whether a third party is on its way to this agent, or the news of its end to us."""
        return agent in self.thirds

    def evening(self) -> None:
        """The mishaps are over: everybody is connected, ready and answers."""
        self.calm = True
        if not self.connected:
            self.connect()
        self._work_on()

    def _work_on(self) -> None:
        for agent in AGENTS:
            if agent not in self.phones:
                self.phones.add(agent)
                self.tell(event.PhoneChanged(agent, True, self.now))
            self.post(event.AgentWentReady(agent, RequestId("r"), self.now))
        self.at(30.0, self._work_on)
