from __future__ import annotations

from dataclasses import replace

import pytest

from agents.agent import Agent, AgentState
from agents.roster import AgentProfile, Roster
from pbx.ids import AgentId, SkillId

pytestmark = pytest.mark.core

ONE, TWO, THREE = (AgentId(str(number)) for number in (1001, 1002, 1003))


def roster() -> Roster:
    return Roster(AgentProfile(agent, f"话务员{agent}", {SkillId("general"): 3}) for agent in (ONE, TWO, THREE))


def ready(agent: AgentId, idle_since: float) -> Agent:
    return Agent(agent, AgentState.READY, idle_since, idle_since=idle_since, phone=True)


def test_everybody_begins_signed_out() -> None:
    everybody = roster()
    assert [agent.id for agent in everybody.agents()] == [ONE, TWO, THREE]
    assert everybody.get(ONE) == Agent(ONE)
    assert everybody.profile(ONE).name == "话务员1001"
    assert everybody.counts() == {state: 3 if state is AgentState.OFFLINE else 0 for state in AgentState}
    assert everybody.ready_candidates() == []
    assert (ONE in everybody, AgentId("1004") in everybody, len(everybody)) == (True, False, 3)


def test_candidates_are_ready_and_reachable_the_longest_idle_first() -> None:
    everybody = roster()
    everybody.put(ready(THREE, 5.0))
    everybody.put(ready(TWO, 5.0))
    everybody.put(ready(ONE, 9.0))
    assert [(profile.id, agent.idle_since) for profile, agent in everybody.ready_candidates()] == [
        (TWO, 5.0),
        (THREE, 5.0),
        (ONE, 9.0),
    ]
    everybody.put(replace(ready(TWO, 5.0), state=AgentState.TALKING))
    everybody.put(replace(ready(THREE, 5.0), phone=False))
    assert [profile.id for profile, _ in everybody.ready_candidates()] == [ONE]
    assert everybody.counts()[AgentState.TALKING] == 1


def test_strangers_and_doubles_are_refused() -> None:
    everybody = roster()
    stranger = AgentId("1004")
    for ask in (everybody.get, everybody.profile, lambda agent: everybody.put(Agent(agent))):
        with pytest.raises(KeyError):
            ask(stranger)
    with pytest.raises(ValueError, match="1001 stands twice"):
        Roster([AgentProfile(ONE, "a"), AgentProfile(ONE, "b")])
