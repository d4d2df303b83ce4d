"""An agent's mark: what the exchange remembers of him (global ``AG_<id>``) while the controller is away.

Six fields joined by ``|``: state, since, reason, until, wanted state, wanted reason; a seventh, his seat, where he
sits at another phone than his own. Characters ``[a-z0-9_.|-]`` only. An agent in an offer or a talk is marked as what
he will be after it: the live channels tell the rest (`asterisk.md` 11.1), and they are applied on top as RING or JOIN.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace

from agents.agent import PHONE_LOST, Agent, AgentState, Wanted
from pbx.ids import AgentId

_MARK = re.compile(r"[a-z0-9_.|-]+")


def encode(agent: Agent, seat: str = "") -> str:
    """The agent's mark. `since` of a ready agent is since when he is idle, so his place among the idle
    survives. `seat`: the phone where he sits, empty for his own.
    """
    state, since, reason, wanted = agent.state, agent.since, agent.reason, agent.wanted
    if state in (AgentState.RESERVED, AgentState.RINGING, AgentState.TALKING, AgentState.HOLDING):
        after = wanted or Wanted(AgentState.READY)
        state, reason, wanted = after.state, after.reason, None
    if state is AgentState.READY:
        since = agent.idle_since
    then = wanted or Wanted(AgentState.READY)
    times = (f"{since:.3f}", f"{agent.until:.3f}")
    fields = (state.value, times[0], reason, times[1], then.state.value if wanted else "", then.reason)
    return "|".join((*fields, seat) if seat else fields)


def seat_of(text: str) -> str:
    """The seat in a mark; empty where there is none, or no mark."""
    parts = text.split("|")
    return parts[6] if len(parts) == 7 and _MARK.fullmatch(text) else ""


def decode(agent: AgentId, text: str, *, phone: bool, now: float) -> Agent | None:
    """The agent that `encode` marked; None for an empty or foreign text (he is then treated as signed out).

    `phone` says whether his phone is reachable now; a ready agent without it is not ready until it is back.
    """
    parts = text.split("|")
    if len(parts) not in (6, 7) or not _MARK.fullmatch(text):
        return None
    try:
        state = AgentState(parts[0])
        since, until = float(parts[1]), float(parts[3])
        wanted = Wanted(AgentState(parts[4]), parts[5]) if parts[4] else None
    except ValueError:
        return None
    resting = (AgentState.OFFLINE, AgentState.NOT_READY, AgentState.READY)
    if state not in (*resting, AgentState.WRAP_UP) or (wanted and wanted.state not in resting):
        return None
    if not (math.isfinite(since) and math.isfinite(until)):
        return None
    found = Agent(agent, state, since, parts[2], idle_since=since, phone=phone, wanted=wanted, until=until)
    if state is AgentState.READY and not phone:
        return replace(found, state=AgentState.NOT_READY, since=now, reason=PHONE_LOST, wanted=Wanted(AgentState.READY))
    if state is AgentState.NOT_READY and found.reason == PHONE_LOST and phone:
        return replace(found, state=AgentState.READY, since=now, reason="", idle_since=now, wanted=None)
    return found
