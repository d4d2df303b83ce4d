"""Call-backs: how a request moves on, when it is tried again, when it is given up. Pure; time is a parameter.

What it keeps: one request of a number and queue at a time; one call of a request at a time; one call for each agent who
is kept for it, so never more calls than free agents; the place in the line from the caller's first waiting
(`domain.md` 2.7, 2.13).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pbx.callback import OPEN, Attempt, CallbackRequest, CallbackState
from pbx.ids import AgentId, CallId


@dataclass(frozen=True, slots=True)
class CallbackRules:
    """How often and when. `attempts`: calls until it is given up. `pause_s`: seconds between two of them.

    `keep_s`: a request that is older is given up, whatever was tried. Raises ValueError for what makes no sense.
    """

    attempts: int = 3
    pause_s: float = 600.0
    keep_s: float = 86_400.0

    def __post_init__(self) -> None:
        """Refuse rules by which nobody would be called."""
        if self.attempts < 1 or self.pause_s < 0 or self.keep_s <= 0:
            raise ValueError("attempts and keep_s must be positive, pause_s not negative")


class WrongMove(ValueError):
    """The request is not in a state for this; the text names both, never a number."""


def _in(request: CallbackRequest, *states: CallbackState) -> None:
    if request.state not in states:
        raise WrongMove(f"{request.id} is {request.state.value}")


def call_of(request: CallbackRequest) -> CallId:
    """The id of the request's next call: every attempt has its own, and it says whose it is."""
    return CallId(f"{request.id}-{len(request.attempts) + 1}")


def dial(request: CallbackRequest, agent: AgentId | None, now: float) -> CallbackRequest:
    """A call is to be placed, with `agent` kept for it. Raises `WrongMove` unless it waits."""
    _in(request, CallbackState.WAITING)
    attempt = Attempt(call_of(request), agent, now)
    return replace(request, state=CallbackState.DIALLING, attempts=(*request.attempts, attempt))


def failed(request: CallbackRequest, outcome: str, now: float, rules: CallbackRules) -> CallbackRequest:
    """The attempt came to nothing: tried again after the pause, or given up. Raises `WrongMove` unless it dials."""
    _in(request, CallbackState.DIALLING)
    request = _closed(request, outcome, now)
    if len(request.attempts) >= rules.attempts or overdue(request, now + rules.pause_s, rules):
        return replace(request, state=CallbackState.GIVEN_UP, ended_at=now)
    return replace(request, state=CallbackState.WAITING, next_at=now + rules.pause_s)


def not_placed(request: CallbackRequest, now: float, later_s: float) -> CallbackRequest:
    """The call could not even be placed, through no fault of his: it is no attempt. Raises `WrongMove`."""
    _in(request, CallbackState.DIALLING)
    return replace(request, state=CallbackState.WAITING, attempts=request.attempts[:-1], next_at=now + later_s)


def served(request: CallbackRequest, now: float) -> CallbackRequest:
    """He has been talked with. Raises `WrongMove` unless his call was being placed."""
    _in(request, CallbackState.DIALLING)
    return replace(_closed(request, "answered", now), state=CallbackState.DONE, ended_at=now)


def rated(request: CallbackRequest, answer: str, now: float) -> CallbackRequest:
    """He has said by a key what he was asked. Raises `WrongMove` unless his call was being placed."""
    return replace(served(request, now), answer=answer)


def left_to_people(request: CallbackRequest, outcome: str, now: float) -> CallbackRequest:
    """The hotline itself calls no more: a person must. Raises `WrongMove` unless his call was being placed."""
    _in(request, CallbackState.DIALLING)
    return replace(_closed(request, outcome, now), state=CallbackState.GIVEN_UP, ended_at=now)


def cancelled(request: CallbackRequest, now: float) -> CallbackRequest:
    """Nobody need call him any more. Raises `WrongMove` when it is over or just being dialled."""
    _in(request, CallbackState.WAITING)
    return replace(request, state=CallbackState.CANCELLED, ended_at=now)


def given_up(request: CallbackRequest, now: float) -> CallbackRequest:
    """It is too old. Raises `WrongMove` unless it waits."""
    _in(request, CallbackState.WAITING)
    return replace(request, state=CallbackState.GIVEN_UP, ended_at=now)


def overdue(request: CallbackRequest, now: float, rules: CallbackRules) -> bool:
    """Whether the request is too old to be called at `now`."""
    return now - request.asked_at > rules.keep_s


def is_open(request: CallbackRequest) -> bool:
    """Whether something is still to be done."""
    return request.state in OPEN


def _closed(request: CallbackRequest, outcome: str, now: float) -> CallbackRequest:
    last = replace(request.attempts[-1], outcome=outcome, ended_at=now)
    return replace(request, attempts=(*request.attempts[:-1], last))
