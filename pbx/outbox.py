"""The outbox of each call, pure: which step command may be written now (`asterisk.md` 10.2, rules 1, 2 and
6).

A ``Redirect`` is acknowledged by the ``Started`` report of the dialplan, not by its ``Response: Success``: of
two in one write, one is overwritten. So one step of a call is under way at a time, and the next is written
only after `StepStarted`, `StepRefused` or the call's end. A caller in a bridge is never redirected by a command that
was not meant for a talk: it would end the talk before any dialplan could refuse.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from pbx.commands import Ask, Hold, HoldTalk, Offer, Play, StepCommand
from pbx.ids import CallId

NOT_CONNECTED: Final = "not_connected"  #: there is no exchange to tell it to
TIMEOUT: Final = "timeout"  #: no `StepStarted` in time
REFUSED: Final = "refused"  #: the exchange answered with an error
BAD_VALUE: Final = "bad_value"  #: the command cannot be written
TALKING: Final = "talking"  #: the caller is in a bridge
STALLED: Final = "stalled"  #: this process stood still too long; the world may have moved on without it


@dataclass(slots=True)
class _Lane:
    """One call: the step under way, those behind it, and what its channel is known to hold."""

    under_way: StepCommand | None = None
    waiting: deque[StepCommand] = field(default_factory=deque)
    bridged: bool = False
    language: str = ""
    mark: str = ""


def deliberate(command: StepCommand) -> bool:
    """Whether the command is meant for a caller who talks: hold and transfer. Every other one would be late."""
    return isinstance(command, HoldTalk) or (isinstance(command, Hold | Offer) and command.from_talk)


class Outbox:
    """The lanes of all calls. It writes nothing: each method says what is to be written."""

    def __init__(self) -> None:
        self._lanes: dict[CallId, _Lane] = {}

    def _lane(self, call: CallId) -> _Lane:
        return self._lanes.setdefault(call, _Lane())

    def put(self, command: StepCommand) -> StepCommand | None:
        """Take a command in; the command to write now, or None if one of the same call is still under way."""
        lane = self._lane(command.call)
        if lane.under_way is not None:
            lane.waiting.append(command)
            return None
        lane.under_way = command
        return command

    def settled(self, call: CallId, step: int) -> StepCommand | None:
        """The exchange has started or refused `step`: the call's next command to write, if there is one."""
        lane = self._lanes.get(call)
        if lane is None or lane.under_way is None or lane.under_way.step != step:
            return None
        lane.under_way = lane.waiting.popleft() if lane.waiting else None
        return lane.under_way

    def is_under_way(self, call: CallId, step: int) -> bool:
        """Whether exactly this step has been written and is not settled yet."""
        lane = self._lanes.get(call)
        return lane is not None and lane.under_way is not None and lane.under_way.step == step

    def lost(self, call: CallId) -> None:
        """The step under way is lost: forget it and those behind it, which were decided in a world that is
        not so.
        """
        lane = self._lanes.pop(call, None)
        if lane is not None and lane.bridged:
            self._lanes[call] = _Lane(bridged=True)

    def ended(self, call: CallId) -> None:
        """The call is over: forget it."""
        self._lanes.pop(call, None)

    def clear(self) -> None:
        """A new connection: nothing is sent again, everything is learnt anew."""
        self._lanes.clear()

    def bridged(self, call: CallId, joined: bool) -> None:
        """The caller entered (`joined`) or left a bridge."""
        if joined or call in self._lanes:
            self._lane(call).bridged = joined

    def is_bridged(self, call: CallId) -> bool:
        """Whether the caller is in a bridge as far as the exchange has told."""
        lane = self._lanes.get(call)
        return lane is not None and lane.bridged

    def new_language(self, command: StepCommand) -> bool:
        """Whether the channel must be told the command's language, because it is not known to have it
        already.
        """
        if not isinstance(command, Ask | Play):
            return False
        lane = self._lane(command.call)
        changed = lane.language != command.language
        lane.language = command.language
        return changed

    def new_mark(self, command: StepCommand) -> bool:
        """Whether the channel must be told the command's mark, because it is not known to carry it already."""
        lane = self._lane(command.call)
        changed = lane.mark != command.mark
        lane.mark = command.mark
        return changed

    @property
    def busy(self) -> int:
        """How many calls wait for the exchange to confirm a step."""
        return sum(1 for lane in self._lanes.values() if lane.under_way is not None)
