"""Keeps agents' intervals: looks at who has changed after each step, and has it written. Decides nothing.

Beside the switchboard, not in it: a replay of any journal gives the same intervals, and no call waits for one of them.
Changes gather for a moment, so that an offer that was answered at once is one write; the store's writer does the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from pydantic import TypeAdapter

from agents.agent import Agent
from controller.house import House
from controller.spool import Operation
from metrics.intervals import AgentInterval, Shifts, Standing
from metrics.intervals_sql import save_interval, save_intervals

SAVE_INTERVAL: Operation[AgentInterval, None] = Operation(
    "save_interval", save_interval, TypeAdapter(AgentInterval), save_intervals
)

SAVE_EVERY_S = 0.5


def standing(agent: Agent) -> Standing:
    """Where an agent is, as intervals see it; ready with a reason there is none."""
    return Standing(agent.id, agent.state.value, agent.since, agent.reason, agent.call)


class ShiftKeeper:
    """For the loop. `put` takes an interval to be written; `alive_until`: when the controller before was last seen."""

    def __init__(
        self,
        house: House,
        put: Callable[[AgentInterval], None],
        still_open: Iterable[AgentInterval],
        alive_until: float,
    ) -> None:
        self._house = house
        self._put = put
        self._shifts = Shifts(still_open)
        self._alive_until = alive_until
        self._settled = False  #: the first snapshot of the exchange has said who is where
        self._unsaved: dict[tuple[str, float, str], AgentInterval] = {}
        self._timer: asyncio.TimerHandle | None = None
        self.on_interval: Callable[[AgentInterval], None] = lambda interval: None
        """Called on the loop with every interval as it begins and ends: for figures that are kept live."""

    def stepped(self) -> None:
        """After a step of the switchboard."""
        house = self._house
        if not self._settled:
            if not house.connected:
                return
            self._settled = True
            house.roster.moved()
            everybody = list(house.roster.agents())
            for known in everybody:
                self._keep(self._shifts.restored(standing(known), house.now, self._alive_until))
            self._keep(self._shifts.gone([known.id for known in everybody], house.now, self._alive_until))
            return
        for known in house.roster.moved():
            self._keep(self._shifts.put(standing(known), house.now))

    def _keep(self, changed: tuple[AgentInterval, ...]) -> None:
        for one in changed:
            self._unsaved[one.agent, one.began_at, one.state] = one
            self.on_interval(one)
        if changed and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SAVE_EVERY_S, self.flush)

    def flush(self) -> None:
        """Hand what has changed to the store."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        unsaved, self._unsaved = self._unsaved, {}
        for one in unsaved.values():
            self._put(one)
