"""Who calls and who works on a simulated day: words that both levels and both sources of callers share. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pbx.ids import AgentId, CallId, QueueId


@dataclass(slots=True)
class Caller:
    """A citizen who is going to call. Times in seconds, `at` in epoch seconds.

    `patience_s` counts from the moment he stands in a line, `inf` = he waits for ever. `luck` is what his further
    chances are drawn from (`draws.chance`). `straight` = his number leads straight to `queue`, and what is played to
    him before takes no time.
    """

    call: CallId
    at: float
    dialled: str
    queue: QueueId
    patience_s: float
    talk_s: float
    luck: int
    straight: bool = True
    caller: str = ""
    leaves_s: float = math.inf  #: after so long he hangs up if he stands in no line by then


@dataclass(frozen=True, slots=True)
class Shift:
    """An agent takes calls from `begin` to `end`, epoch seconds."""

    agent: AgentId
    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class Key:
    """What a caller does at a question: after so many seconds of it he presses `keys`; empty = he says nothing."""

    after_s: float
    keys: str


class Crowd(Protocol):
    """Everything that people do and no rule decides."""

    @property
    def callers(self) -> Sequence[Caller]:
        """Everybody who calls, in the order of their arrival."""

    def presses(self, caller: Caller, question: int, silent_after_s: float) -> Key:
        """What he does at his `question`-th question (from 0), which ends in silence after so many seconds."""

    def listens_s(self, caller: Caller, message: int, length_s: float) -> float:
        """How long his `message`-th message (from 0) takes, whose sounds are so long."""

    def picks_up(self, caller: Caller, offer: int, agent: AgentId) -> float | None:
        """After how many seconds the agent answers this caller's `offer`-th offer (from 0); None = he does not."""

    def wrap_up_s(self, caller: Caller, agent: AgentId) -> float:
        """How long the agent writes after the talk, if the rules give him so long; `inf` = all of what they give."""

    def survey_s(self, caller: Caller) -> float:
        """How long the caller stays after the agent has left."""

    def back_s(self, agent: AgentId) -> float | None:
        """An agent whom missed offers set not ready makes himself ready after so long; None = not by himself."""
