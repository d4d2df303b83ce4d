"""A crowd made by chance: one day's callers and what everybody does, from a plan and a seed.

The same plan, seed and number of the run give the same crowd. Each stream of callers has a source of its own, so that a
change of one does not touch the others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

from controller.simulation.crowd import Caller, Key
from controller.simulation.draws import Duration, chance
from controller.simulation.plan import SimulationPlan, Stream
from pbx.ids import AgentId, CallId

_SURVEY, _WRAP_UP, _KEYS, _PICK_UP, _ANSWERS, _BACK = 1, 2, 100, 10_000, 20_000, 30_000
"""What a caller's chances are for (`draws.chance`); those from 100 on are counted."""


class GeneratedCrowd:
    """See `crowd.Crowd`."""

    def __init__(self, plan: SimulationPlan, run: int) -> None:
        seed, raw = plan.raw.simulation.seed, plan.raw
        found: list[Caller] = []
        for number, stream in enumerate(plan.streams):
            random = Random(f"{seed} {run} {number}")  # noqa: S311  chance for a model, not for a secret
            short, within = raw.citizens.short_abandons, raw.citizens.short_within_s
            found += _callers(stream, random, f"sim-{number}", short, within)
        found.sort(key=lambda caller: caller.at)
        self._callers = found
        self._streams = {
            caller.call: plan.streams[int(caller.call.split("-")[1])] for caller in found if not caller.straight
        }
        self._key, self._survey = raw.citizens.key.made(), raw.citizens.survey.made()
        people = raw.people
        pick_up = people.pick_up.made() if people.pick_up else Duration()
        self._pick_up = None if pick_up.kind == "constant" else pick_up
        self._at_once = pick_up.mean_s
        self._no_answer = people.no_answer
        self._wrap_up = people.wrap_up.made() if people.wrap_up else None
        self._back = people.back.made()
        self._backs: dict[AgentId, int] = {}
        self._seed = f"{seed} {run}"

    @property
    def callers(self) -> Sequence[Caller]:
        """See `Crowd`."""
        return self._callers

    def presses(self, caller: Caller, question: int, silent_after_s: float) -> Key:
        """See `Crowd`; after the last of his keys he is silent."""
        stream = self._streams.get(caller.call)
        if stream is None or question >= len(stream.keys) or not stream.keys[question]:
            return Key(silent_after_s, "")
        after = self._key.at(chance(caller.luck, _KEYS + question))
        return Key(after, stream.keys[question]) if after < silent_after_s else Key(silent_after_s, "")

    def listens_s(self, caller: Caller, message: int, length_s: float) -> float:
        """See `Crowd`."""
        return 0.0 if caller.straight else length_s

    def picks_up(self, caller: Caller, offer: int, agent: AgentId) -> float | None:
        """See `Crowd`."""
        if self._no_answer and chance(caller.luck, _ANSWERS + offer) < self._no_answer:
            return None
        return self._at_once if self._pick_up is None else self._pick_up.at(chance(caller.luck, _PICK_UP + offer))

    def wrap_up_s(self, caller: Caller, agent: AgentId) -> float:
        """See `Crowd`."""
        return self._wrap_up.at(chance(caller.luck, _WRAP_UP)) if self._wrap_up is not None else math.inf

    def survey_s(self, caller: Caller) -> float:
        """See `Crowd`."""
        return self._survey.at(chance(caller.luck, _SURVEY))

    def back_s(self, agent: AgentId) -> float | None:
        """See `Crowd`; the n-th time of an agent is always the same."""
        times = self._backs[agent] = self._backs.get(agent, 0) + 1
        return self._back.at(Random(f"{self._seed} {agent} {times}").random() or 0.5)  # noqa: S311


def _callers(stream: Stream, random: Random, name: str, short: float, within_s: float) -> list[Caller]:
    """A Poisson stream, slot by slot."""
    found: list[Caller] = []
    uniform, bits, log1p = random.random, random.getrandbits, math.log1p
    patience, talk = stream.patience.at, stream.talk.at
    for begin, end, calls in stream.slots:
        if calls <= 0:
            continue
        gap = (end - begin) / calls
        at = begin
        while True:
            at -= gap * log1p(-uniform())
            if at >= end:
                break
            waits = patience(uniform() or 0.5)
            if short and uniform() < short:
                waits = within_s * uniform()
            found.append(
                Caller(
                    CallId(f"{name}-{len(found)}"), at, stream.dialled, stream.queue, waits, talk(uniform() or 0.5),
                    bits(63), stream.straight,
                )
            )  # fmt: skip
    return found
