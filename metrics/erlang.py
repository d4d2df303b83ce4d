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
    return blocked  # 0.0 where it is below the smallest number that there is: far more agents than load


def erlang_c(load: float, agents: int) -> float:
    """The share of calls that have to wait when nobody gives up.

    Raises ValueError for a negative load, and when the line would only grow.
    """
    if load < 0:
        raise ValueError("load must not be negative")
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
    """Erlang C: M/M/n. Raises ValueError for an arrival rate or time that is not above 0, and when the line would
    only grow.
    """
    _above_0(calls_per_s=calls_per_s, handling_s=handling_s)
    _threshold(threshold_s)
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
    _above_0(calls_per_s=calls_per_s, handling_s=handling_s, patience_s=patience_s, agents=agents)
    _threshold(threshold_s)
    mu, theta = 1 / handling_s, 1 / patience_s
    load = calls_per_s * handling_s
    # States by their weight relative to "all agents busy, nobody waits"; below it the Erlang B recursion sums them.
    blocked = erlang_b(load, agents)
    if blocked < _NEVER:
        # the sums below would have to hold its inverse
        return Settled(waited=0.0, in_time=1.0, abandoned=0.0, mean_wait_s=0.0, occupancy=load / agents)
    busy_or_less = 1 / blocked
    weight, total = 1.0, busy_or_less
    # I_x(c + 1, m + 1), from m = 0 on, by its terms. Their logarithms, since with many agents and short talks the first
    # ones are below the smallest number that there is, and later ones are not.
    c, patient = agents * mu / theta, theta * threshold_s
    term = -patient * (c + 1)
    beyond = math.exp(term)
    gone = math.log(-math.expm1(-patient)) if patient else -math.inf
    term += gone + math.log(c + 1)
    until_served = 0.0  # E[V; he is still there] / P(he is still there)
    all_waited = waited_in_time = served = waits = in_line = 0.0
    at_once = busy_or_less - 1  # states in which an agent is free
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
        beyond = min(1.0, beyond + math.exp(term))
        term += gone + math.log((c + 1 + m) / (m + 1))
        if weight < 1e-15 * total and calls_per_s < agents * mu + m * theta:
            break
        if weight > _MUCH:  # far more calls than the agents can take: the long lines weigh beyond any number
            all_waited, served, waited_in_time = all_waited / _MUCH, served / _MUCH, waited_in_time / _MUCH
            waits, in_line, at_once = waits / _MUCH, in_line / _MUCH, at_once / _MUCH
            weight, total = weight / _MUCH, total / _MUCH
    answered = (at_once + served) / total
    return Settled(
        waited=all_waited / total,
        in_time=(at_once + waited_in_time) / total,
        abandoned=theta * in_line / total / calls_per_s,
        mean_wait_s=waits / (at_once + served),
        occupancy=load * answered / agents,
    )


def agents_for(
    calls_per_s: float,
    handling_s: float,
    target: float = 0.95,
    threshold_s: float = 15.0,
    *,
    patience_s: float | None = None,
    most_busy: float = 1.0,
) -> int:
    """The fewest agents with whom the share `target` of all calls offered is answered within the threshold, and who
    are busy for no more than the share `most_busy` of their time.

    By Erlang C, or by Erlang A where callers have a `patience_s`. Large groups reach any target at an occupancy that
    no person bears for a shift (97 % at a thousand agents): hence `most_busy`. Raises ValueError for rates and times
    that are not above 0, for a target that is not between 0 and 1 and for a `most_busy` that is not above 0 and at
    most 1.
    """
    if not 0 < target < 1:
        raise ValueError(f"target {target:g} is not between 0 and 1")
    if not 0 < most_busy <= 1:
        raise ValueError(f"an occupancy of at most {most_busy:g} is not above 0 and at most 1")
    _above_0(calls_per_s=calls_per_s, handling_s=handling_s)

    def enough(agents: int) -> bool:
        if patience_s is None:
            if agents <= calls_per_s * handling_s:
                return False
            found = without_abandons(calls_per_s, handling_s, agents, threshold_s)
        else:
            found = with_abandons(calls_per_s, handling_s, patience_s, agents, threshold_s)
        return found.in_time >= target and found.occupancy <= most_busy

    too_few, many = 0, max(1, math.ceil(calls_per_s * handling_s))
    while not enough(many):
        too_few, many = many, many + max(1, many // 8)
    while many - too_few > 1:
        middle = (too_few + many) // 2
        too_few, many = (too_few, middle) if enough(middle) else (middle, many)
    return many


def on_the_roster(agents: int, shrinkage: float) -> int:
    """How many must be on the roster so that `agents` of them sit at their telephones.

    `shrinkage`: the share of paid time in which people are not there: leave, illness, training, breaks. Raises
    ValueError for a negative number of agents and for a shrinkage that is not from 0 to below 1.
    """
    if agents < 0:
        raise ValueError("agents must not be negative")
    if not 0 <= shrinkage < 1:
        raise ValueError(f"a shrinkage of {shrinkage:g} is not from 0 to below 1")
    return math.ceil(agents / (1 - shrinkage) - 1e-9)  # 85 / 0.85 is 100 agents, however it is rounded


_MUCH = 1e200
_NEVER = 1e-290
"""A share of calls that find every agent busy so small that nothing else can be said of them."""


def _above_0(**given: float) -> None:
    """Raises ValueError naming what is not above 0, or no number."""
    for name, value in given.items():
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be above 0, not {value:g}")


def _threshold(threshold_s: float) -> None:
    if not (math.isfinite(threshold_s) and threshold_s >= 0):
        raise ValueError(f"threshold_s must not be negative, not {threshold_s:g}")
