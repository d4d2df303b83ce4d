"""One agent: what is known of him, and `step`, which takes him through the table of moves. Pure; time is a
parameter.

His state is remembered in the exchange (`agents.mark`), so a restarted controller finds who was ready.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from agents.moves import AGENT_MOVES, AgentInput, AgentState, Move, Refused
from pbx.events import PhoneUse
from pbx.ids import AgentId, CallId, ChannelName

__all__ = [
    "AGENT_MOVES", "MISSED", "PHONE_LOST", "SIGNED_IN",
    "Agent", "AgentInput", "AgentRules", "AgentState", "Move", "Refused", "Wanted", "idle_from", "step",
]  # fmt: skip

SIGNED_IN = "signed_in"
"""Not ready because he has only just signed in."""

PHONE_LOST = "phone_lost"
"""Not ready because his phone's registration is gone."""

MISSED = "missed"
"""Not ready because his phone was not answered several times in a row."""

_REASON = re.compile(r"[a-z0-9_-]{1,32}")


@dataclass(frozen=True, slots=True)
class AgentRules:
    """What a hotline decides for its agents.

    `wrap_up_s`: seconds of after-call work, 0 = none; `wrap_up_max_s`: how long it may become by extensions,
    counted from its beginning. `misses_before_not_ready`: after so many unanswered
    offers in a row he is set not ready; more than one, because a single miss is no absence (FreePBX issue
    816, `domain.md` 2.3). `not_ready_reasons`: the reasons an agent may give (小休 break, 会议 meeting, …),
    ``[a-z0-9_-]``. `limits_s`: how many seconds a reason may last until it shows as overrun, of those that have
    a limit; it is shown and told, and forces nobody ready. `most`: how many agents may have a reason at the
    same time, of those that have such a bound. Raises ValueError for values that make no sense.
    """

    wrap_up_s: float = 20.0
    misses_before_not_ready: int = 2
    not_ready_reasons: tuple[str, ...] = ("break", "meal", "meeting", "training", "coaching", "work", "dispatch")
    wrap_up_max_s: float = 300.0
    limits_s: Mapping[str, float] = field(default_factory=dict)
    most: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse rules that the moves could not follow."""
        if self.wrap_up_s < 0 or self.misses_before_not_ready < 1:
            raise ValueError("wrap_up_s must not be negative, misses_before_not_ready at least 1")
        if self.wrap_up_max_s < self.wrap_up_s:
            raise ValueError("wrap_up_max_s must not be below wrap_up_s")
        wrong = [reason for reason in self.not_ready_reasons if not _REASON.fullmatch(reason)]
        if wrong or not self.not_ready_reasons:
            raise ValueError(f"not_ready_reasons must be texts of the form {_REASON.pattern}, not {wrong}")

    def limit_of(self, agent: Agent) -> float | None:
        """How many seconds the agent may be not ready as he is; None without a limit."""
        return self.limits_s.get(agent.reason) if agent.state is AgentState.NOT_READY else None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where an agent goes when what he is doing now is over: ready, not ready with a reason, or offline."""

    state: AgentState
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Agent:
    """What is known of an agent. Times are epoch seconds.

    `since`: in this state since. `reason`: why not ready. `idle_since`: ready and idle since, for the router;
    an offer that failed through no fault of his does not change it. `phone`: his phone is reachable. `call`,
    `leg`: the call he is reserved for, rung for, talking with or writing up, and his own channel in it.
    `use`: what his phone is doing by the exchange's own account; while he is at no call of ours it is a private call.
    `wanted`: what follows, when it is not simply ready. `misses`: unanswered offers in a row. `until`: the
    end of his wrap-up. `generation`: counts his wrap-ups, so that a stale timer is known from the live one.
    """

    id: AgentId
    state: AgentState = AgentState.OFFLINE
    since: float = 0.0
    reason: str = ""
    idle_since: float = 0.0
    phone: bool = False
    call: CallId | None = None
    leg: ChannelName | None = None
    wanted: Wanted | None = None
    misses: int = 0
    until: float = 0.0
    generation: int = 0
    use: PhoneUse = PhoneUse.IDLE

    @property
    def available(self) -> bool:
        """Whether he may be offered a call: ready, his phone reachable and not in a call of its own."""
        return self.state is AgentState.READY and self.phone and self.use is PhoneUse.IDLE


def step(
    agent: Agent,
    cause: AgentInput,
    now: float,
    *,
    call: CallId | None = None,
    leg: ChannelName | None = None,
    reason: str = "",
    extend_s: float = 0.0,
    rules: AgentRules,
) -> Agent | Refused:
    """The agent after `cause`, or why it is refused.

    RESERVE and JOIN need `call` (ValueError without); for RING, RELEASE, OFFER_FAILED and NO_ANSWER it is
    optional and, where given, must be the call he is at: a late word about an earlier call is refused as
    ``other_call``. `leg` comes with RING and JOIN, `reason` with GO_NOT_READY, `extend_s`
    (seconds more) with EXTEND. Further refusals: ``phone_unreachable`` (GO_READY), ``unknown_reason``
    (GO_NOT_READY), ``wrap_up_too_long`` (EXTEND), and the codes of the table.

    Hold: whoever holds a call for the agent gives HOLD in the step that commands it and RESUME in the step
    that commands the return, or when the exchange reports the two joined again (JOIN does the same, so the
    order of the two does not matter). While he holds, `call` stays the held caller's; RELEASE ends it like a
    talk. The time in TALKING and HOLDING together is the talk; `since` tells the hold alone.
    """
    cell = AGENT_MOVES[agent.state, cause]
    if isinstance(cell, Refused):
        return cell
    if cause in (AgentInput.RESERVE, AgentInput.JOIN) and call is None:
        raise ValueError(f"{cause.value} needs a call")
    if cause in _ABOUT_A_CALL and None not in (call, agent.call) and call != agent.call:
        return Refused("other_call")
    after = _EFFECTS[cause](agent, _Case(now, call, leg, reason, extend_s, rules))
    if isinstance(after, Agent) and after.state not in cell.to:
        raise AssertionError(f"{agent.state} {cause} led to {after.state}, which the table does not have")
    return after


def idle_from(agent: Agent, at: float) -> Agent:
    """The agent, idle no earlier than `at` (epoch seconds), should what he is doing come to nothing."""
    return replace(agent, idle_since=max(agent.idle_since, at))


_ABOUT_A_CALL = (AgentInput.RING, AgentInput.RELEASE, AgentInput.OFFER_FAILED, AgentInput.NO_ANSWER)

_IN_A_CALL = (AgentState.RESERVED, AgentState.RINGING, AgentState.TALKING, AgentState.HOLDING)

_AT_WORK = (*_IN_A_CALL, AgentState.WRAP_UP)
"""States in which a wish is remembered, not fulfilled at once."""


@dataclass(frozen=True, slots=True)
class _Case:
    """What comes with a cause."""

    now: float
    call: CallId | None
    leg: ChannelName | None
    reason: str
    extend_s: float
    rules: AgentRules


def _rest(agent: Agent, now: float, state: AgentState, reason: str = "", wanted: Wanted | None = None) -> Agent:
    """The agent at rest: no call, no leg, no wrap-up."""
    return replace(agent, state=state, since=now, reason=reason, wanted=wanted, call=None, leg=None, until=0.0)


def _ready(agent: Agent, now: float) -> Agent:
    """Ready and idle from now on; when his phone is gone, not ready until it is back."""
    if not agent.phone:
        return _rest(agent, now, AgentState.NOT_READY, PHONE_LOST, Wanted(AgentState.READY))
    return replace(_rest(agent, now, AgentState.READY), idle_since=now)


def _resume(agent: Agent, now: float) -> Agent:
    """What follows when an offer, a talk or a wrap-up is over: what he wanted, or ready."""
    wanted = agent.wanted
    if wanted is None or wanted.state is AgentState.READY:
        return _ready(agent, now)
    return _rest(agent, now, wanted.state, wanted.reason)


def _sign_in(agent: Agent, case: _Case) -> Agent:
    return replace(_rest(agent, case.now, AgentState.NOT_READY, SIGNED_IN), misses=0)


def _sign_out(agent: Agent, case: _Case) -> Agent:
    if agent.state in _AT_WORK:
        return replace(agent, wanted=Wanted(AgentState.OFFLINE))
    return replace(_rest(agent, case.now, AgentState.OFFLINE), misses=0)


def _go_ready(agent: Agent, case: _Case) -> Agent | Refused:
    if agent.state in _IN_A_CALL:
        return replace(agent, wanted=None)
    if not agent.phone:
        return Refused("phone_unreachable")
    if agent.state is AgentState.READY:
        return agent  # asked twice: he keeps his place among the idle
    return replace(_ready(agent, case.now), misses=0)


def _go_not_ready(agent: Agent, case: _Case) -> Agent | Refused:
    if case.reason not in case.rules.not_ready_reasons:
        return Refused("unknown_reason")
    if agent.state in _AT_WORK:
        return replace(agent, wanted=Wanted(AgentState.NOT_READY, case.reason))
    return _rest(agent, case.now, AgentState.NOT_READY, case.reason)


def _reserve(agent: Agent, case: _Case) -> Agent:
    return replace(agent, state=AgentState.RESERVED, since=case.now, call=case.call)


def _ring(agent: Agent, case: _Case) -> Agent:
    call = case.call or agent.call
    return replace(agent, state=AgentState.RINGING, since=case.now, call=call, leg=case.leg)


def _join(agent: Agent, case: _Case) -> Agent:
    """He talks, whatever we thought he did: the exchange says so. Afterwards he is again what he was."""
    wanted = agent.wanted
    if agent.state is AgentState.OFFLINE:
        wanted = Wanted(AgentState.OFFLINE)
    elif agent.state is AgentState.NOT_READY and agent.reason != PHONE_LOST:
        wanted = Wanted(AgentState.NOT_READY, agent.reason)
    return replace(
        agent,
        state=AgentState.TALKING,
        since=case.now,
        reason="",
        call=case.call,
        leg=case.leg or agent.leg,
        wanted=wanted,
        misses=0,
        until=0.0,
    )


def _release(agent: Agent, case: _Case) -> Agent:
    agent = replace(agent, misses=0)
    if case.rules.wrap_up_s == 0:
        return _resume(agent, case.now)
    return replace(
        agent,
        state=AgentState.WRAP_UP,
        since=case.now,
        leg=None,
        until=case.now + case.rules.wrap_up_s,
        generation=agent.generation + 1,
    )


def _hold(agent: Agent, case: _Case) -> Agent:
    return replace(agent, state=AgentState.HOLDING, since=case.now)


def _resume_talk(agent: Agent, case: _Case) -> Agent:
    return replace(agent, state=AgentState.TALKING, since=case.now, leg=case.leg or agent.leg)


def _extend(agent: Agent, case: _Case) -> Agent | Refused:
    """Longer after-call work; a clock of its own, so that the earlier one is stale."""
    until = agent.until + case.extend_s
    if case.extend_s <= 0 or until > agent.since + case.rules.wrap_up_max_s:
        return Refused("wrap_up_too_long")
    return replace(agent, until=until, generation=agent.generation + 1)


def _offer_failed(agent: Agent, case: _Case) -> Agent:
    after = _resume(agent, case.now)
    return replace(after, idle_since=agent.idle_since)


def _no_answer(agent: Agent, case: _Case) -> Agent:
    """A miss: he goes to the end of the idle agents, and is not ready after too many in a row."""
    misses = agent.misses + 1
    after = _resume(agent, case.now)
    if after.state is AgentState.READY and misses >= case.rules.misses_before_not_ready:
        return replace(_rest(agent, case.now, AgentState.NOT_READY, MISSED), misses=0)
    return replace(after, misses=misses)


def _wrap_up_over(agent: Agent, case: _Case) -> Agent:
    return _resume(agent, case.now)


def _phone_lost(agent: Agent, case: _Case) -> Agent:
    agent = replace(agent, phone=False)
    return _ready(agent, case.now) if agent.state is AgentState.READY else agent


def _phone_back(agent: Agent, case: _Case) -> Agent:
    agent = replace(agent, phone=True)
    unreachable = agent.state is AgentState.NOT_READY and agent.reason == PHONE_LOST
    return _resume(agent, case.now) if unreachable else agent


_EFFECTS: dict[AgentInput, Callable[[Agent, _Case], Agent | Refused]] = {
    AgentInput.SIGN_IN: _sign_in,
    AgentInput.SIGN_OUT: _sign_out,
    AgentInput.GO_READY: _go_ready,
    AgentInput.GO_NOT_READY: _go_not_ready,
    AgentInput.RESERVE: _reserve,
    AgentInput.RING: _ring,
    AgentInput.JOIN: _join,
    AgentInput.RELEASE: _release,
    AgentInput.HOLD: _hold,
    AgentInput.RESUME: _resume_talk,
    AgentInput.OFFER_FAILED: _offer_failed,
    AgentInput.NO_ANSWER: _no_answer,
    AgentInput.WRAP_UP_OVER: _wrap_up_over,
    AgentInput.EXTEND: _extend,
    AgentInput.PHONE_LOST: _phone_lost,
    AgentInput.PHONE_BACK: _phone_back,
}
