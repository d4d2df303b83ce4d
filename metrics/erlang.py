"""Queueing formulas against which a simulation and a staffing plan are measured: Erlang B, Erlang C and Erlang A.

All assume Poisson arrivals, exponential handling times, `agents` alike servers, first come first served, and a state
that has settled. Erlang C adds callers who never give up, Erlang A callers whose patience is exponential. Load is in
erlangs: calls per second times the mean handling time in seconds.

Sources: A. K. Erlang, "Solution of some problems in the theory of probabilities of significance in automatic telephone
exchanges" (1917), for B and C; C. Palm, "Research on telephone traffic carried by full availability groups" (Tele,
1957) and O. Garnett, A. Mandelbaum, M. Reiman, "Designing a call center with impatient customers" (Manufacturing &
Service Operations Management 4, 2002) for A. Pure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


def erlang_b(load: float, agents: int) -> float:
    """The share of calls lost when nobody can wait. Raises ValueError for a negative load or number of agents."""
    if load < 0 or agents < 0:
        raise ValueError("load and agents must not be negative")
    blocked = 1.0
    for servers in range(1, agents + 1):
        blocked = load * blocked / (servers + load * blocked)
    return blocked


def erlang_c(load: float, agents: int) -> float:
    """The share of calls that have to wait when nobody gives up. Raises ValueError when the line would only grow."""
    if load >= agents:
        raise ValueError(f"a load of {load:g} erlangs needs more than {agents} agents: the line would grow for ever")
    blocked = erlang_b(load, agents)
    return blocked / (1 - load / agents * (1 - blocked))


@dataclass(frozen=True, slots=True)
class Settled:
    """What callers meet once the state has settled. Shares between 0 and 1, times in seconds.

    `waited` of all calls had to wait; `in_time` of all calls offered were answered within the threshold; `abandoned`
    gave up; `mean_wait_s` is of those who were answered; `occupancy` is the agents' busy share.
    """

    waited: float
    in_time: float
    abandoned: float
    mean_wait_s: float
    occupancy: float


def without_abandons(calls_per_s: float, handling_s: float, agents: int, threshold_s: float = 15.0) -> Settled:
    """Erlang C: M/M/n. Raises ValueError when the line would only grow."""
    load = calls_per_s * handling_s
    waited = erlang_c(load, agents)
    spare = (agents - load) / handling_s  # calls per second that the agents could take beside those that come
    return Settled(
        waited=waited,
        in_time=1 - waited * math.exp(-spare * threshold_s),
        abandoned=0.0,
        mean_wait_s=waited / spare,
        occupancy=load / agents,
    )


def with_abandons(
    calls_per_s: float, handling_s: float, patience_s: float, agents: int, threshold_s: float = 15.0
) -> Settled:
    """Erlang A: M/M/n+M. Raises ValueError for an arrival rate, time or number of agents that is not above 0.

    A caller who finds all agents busy and `m` others waiting is served, were he patient enough, after V = the sum of
    exponential times with the rates ``n*mu + j*theta``, j = 0..m. So ``exp(-theta*V)`` is Beta(n*mu/theta, m+1)
    distributed, and every figure follows by recursion over m without a special function.
    """
    if min(calls_per_s, handling_s, patience_s) <= 0 or agents < 1:
        raise ValueError("rates, times and agents must be above 0")
    mu, theta = 1 / handling_s, 1 / patience_s
    load = calls_per_s * handling_s
    # States by their weight relative to "all agents busy, nobody waits"; below it the Erlang B recursion sums them.
    busy_or_less = 1 / erlang_b(load, agents)
    weight, total = 1.0, busy_or_less
    c, x = agents * mu / theta, math.exp(-theta * threshold_s)
    beyond = x ** (c + 1)  # I_x(c + 1, m + 1), from m = 0 on
    term = beyond * (1 - x) * (c + 1)
    until_served = 0.0  # E[V; he is still there] / P(he is still there)
    all_waited = waited_in_time = served = waits = in_line = 0.0
    m = 0
    while True:
        stays = c / (c + m + 1)
        until_served += 1 / (agents * mu + (m + 1) * theta)
        all_waited += weight
        served += weight * stays
        waited_in_time += weight * stays * (1 - beyond)
        waits += weight * stays * until_served
        in_line += weight * m
        m += 1
        weight *= calls_per_s / (agents * mu + m * theta)
        total += weight
        beyond += term
        term *= (1 - x) * (c + 1 + m) / (m + 1)
        if weight < 1e-15 * total and calls_per_s < agents * mu + m * theta:
            break
    at_once = busy_or_less - 1  # states in which an agent is free
    answered = (at_once + served) / total
    return Settled(
        waited=all_waited / total,
        in_time=(at_once + waited_in_time) / total,
        abandoned=theta * in_line / total / calls_per_s,
        mean_wait_s=waits / (at_once + served),
        occupancy=load * answered / agents,
    )


def agents_for(calls_per_s: float, handling_s: float, target: float = 0.95, threshold_s: float = 15.0) -> int:
    """The fewest agents with whom Erlang C answers the share `target` of all calls within the threshold.

    Raises ValueError for a target that is not between 0 and 1.
    """
    if not 0 < target < 1:
        raise ValueError(f"target {target:g} is not between 0 and 1")
    agents = max(1, math.floor(calls_per_s * handling_s) + 1)
    while without_abandons(calls_per_s, handling_s, agents, threshold_s).in_time < target:
        agents += 1
    return agents
