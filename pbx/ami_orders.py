"""Carries the commands out on the AMI connection that stands, and follows what becomes of them.

Steps go through the outbox of their call (`pbx/outbox.py`); everything else is written at once. It never
waits; what becomes of a command is an event.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from pbx import commands as order
from pbx import events as event
from pbx import outbox as lanes
from pbx.ami_link import AmiCounters, Link
from pbx.ami_login import Snapshot
from pbx.ids import AgentId, CallId, ChannelName, SpyId
from pbx.outbox import Outbox
from pbx.supervision import Spy, SpyStopped
from pbx.translate import SPY_PREFIX, Action, actions, instant
from pbx.wire import Message

log = logging.getLogger(__name__)

_REASONS = {"5": "busy", "3": "no_answer", "1": "no_answer"}
"""Words for the ``Reason`` of a failed Originate, a control frame's number: 5 busy, 3 still ringing, 1 hung up. It is 0
for what a SIP phone or trunk answers (486 too): then the channel's end has the cause."""

_CAUSES = {17: "busy", 18: "no_answer", 19: "no_answer"}
"""Words for the Q.850 cause of the channel that a call of ours had; Asterisk makes 17 of a 486 and a 600."""

CAUSE_S = 1.0
"""So long after a failed Originate the end of its channel is waited for; Asterisk reports it within milliseconds."""

_MARK = ("Variable", "Q")
_MEANINGLESS = ("Hangup", "QueueAdd", "QueueRemove", "QueuePause", "StopMixMonitor")
"""Their errors mean: gone, or already so."""


CAREFUL_S = 60.0
"""So long after a late event every caller is looked at before he is told anything."""
LATE_S = 1.0
"""An event that comes so long after it happened is late."""


_Place = tuple[AgentId, order.NetMembership, str]
"""Who sits at a phone, how he is a member of the safety net, and since when he is idle."""


def _place(command: order.MarkAgent) -> _Place:
    """The mark's second field is the instant since which a ready agent is idle (`agents/mark.py`)."""
    ready = command.net is order.NetMembership.READY
    return command.agent, command.net, "|".join(command.mark.split("|")[:2]) if ready else ""


@dataclass(slots=True)
class _Seen:
    """What a caller's channel says of itself: None where it does not answer."""

    step: int | None = None
    bridged: bool = False


class Orders:
    """The commands of one door. `adopt` a connection before, `drop` it after."""

    def __init__(
        self,
        give: Callable[[event.Event], None],
        blocked: Callable[[], str],
        counters: AmiCounters,
        *,
        spool: str,
        step_s: float,
        wall: Callable[[], float],
    ) -> None:
        """`give` takes events; `blocked` says why nothing may be sent now (a reason of `pbx/outbox.py`, or
        ``""``).
        """
        self._give = give
        self._blocked = blocked
        self._counters = counters
        self._spool = spool
        self._step_s = step_s
        self._wall = wall
        self._link: Link | None = None
        self._outbox = Outbox()
        self._timers: dict[CallId, asyncio.TimerHandle] = {}
        self._net: dict[str, _Place] = {}  # by phone: who sits there, and how
        self._recorded: set[CallId] = set()
        self._third: dict[str, tuple[CallId, AgentId, event.Role]] = {}  #: phones that are rung by Originate
        self._placed: set[CallId] = set()  #: calls of ours that nobody has answered yet
        self._ending: dict[CallId, asyncio.TimerHandle] = {}  #: those of them that failed, and nobody knows why yet
        self._ends: dict[CallId, set[Action]] = {}  #: what each caller's channel holds for the end of his call
        self._token = secrets.token_hex(4)
        self._serial = 0
        self._monotonic = time.monotonic
        self._late_until = 0.0

    @property
    def busy(self) -> int:
        """How many calls wait for the exchange to confirm a step."""
        return self._outbox.busy

    def adopt(self, link: Link, snapshot: Snapshot) -> None:
        """A new connection, with what the exchange is doing."""
        self.drop()
        self._link = link
        self._recorded = set(snapshot.recorded)
        for channel in snapshot.event.channels:
            if channel.role is event.Role.CALLER:
                self._outbox.bridged(channel.call, channel.bridged)

    def drop(self) -> None:
        """The connection is gone: forget all that is under way; nothing of it is ever sent again."""
        self._link = None
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._outbox.clear()
        self._net.clear()
        self._recorded.clear()
        self._third.clear()
        self._ends.clear()
        self._placed.clear()
        for timer in self._ending.values():
            timer.cancel()
        self._ending.clear()

    # ------------------------------------------------------------ commands

    def perform(self, command: order.ExchangeCommand) -> None:
        """Carry the command out now, or when the call's steps before it are confirmed."""
        reason = self._blocked()
        if isinstance(command, order.StepCommand):
            if reason:
                self._lost(command.call, command.step, reason)
            elif (first := self._outbox.put(command)) is not None:
                self._write_step(first)
        elif reason or self._link is None:
            self._counters.dropped += 1
        else:
            try:
                self._write_other(self._link, command)
            except ValueError as error:
                self._counters.dropped += 1
                kind = type(command).__name__
                log.error("%s not sent: %s", kind, error, extra={"action": "ami.bad_value"})

    def _write_step(self, command: order.StepCommand, *, looked: bool = False) -> None:
        call, step, link = command.call, command.step, self._link
        reason = self._blocked()
        if not reason and self._outbox.is_bridged(call) and not lanes.deliberate(command):
            reason = lanes.TALKING
        if reason or link is None:
            self._lost(call, step, reason or lanes.NOT_CONNECTED)
            return
        if not looked and self._monotonic() < self._late_until:
            self._look(command, lambda seen: self._write_if_free(command, seen))
            return
        try:
            language = self._outbox.new_language(command)
            batch = actions(command, spool=self._spool, set_language=language)
            if not self._outbox.new_mark(command):  # the channel carries it since the step before
                batch = [action for action in batch if _MARK not in action.headers]
            link.send(batch, lambda action, answer: self._step_answered(call, step, action, answer))
        except ValueError as error:
            log.error("step not sent: %s", error, extra={"action": "ami.bad_value"})
            self._lost(call, step, lanes.BAD_VALUE)
            return
        loop = asyncio.get_running_loop()
        self._timers[call] = loop.call_later(self._step_s, self._overdue, command)

    def _step_answered(self, call: CallId, step: int, action: Action, answer: Message | None) -> None:
        """A Redirect's ``Success`` says nothing; its error is final unless the channel may only be in
        between.

        "Channel not up" means another Redirect under way, or a hang-up; "does not exist" comes for a living
        channel that Asterisk is moving (`asterisk.md` 10.2.2, 11.6.3). Both wait for `StepStarted` or the
        end, up to the limit.
        """
        if action.name != "Redirect" or answer is None or not answer.failed:
            return
        said = answer.get("Message").lower()
        ambiguous = "not up" in said or "not exist" in said or "no such channel" in said
        if not ambiguous and self._outbox.is_under_way(call, step):
            self._lost(call, step, lanes.REFUSED)

    def _overdue(self, command: order.StepCommand) -> None:
        """No `StepStarted` in time: the channel itself says whether the step was lost, or only the report is late."""
        self._timers.pop(command.call, None)
        if self._outbox.is_under_way(command.call, command.step):
            self._look(command, lambda seen: self._judge_overdue(command, seen))

    def _look(self, command: order.StepCommand, then: Callable[[_Seen], None]) -> None:
        """Ask the caller's channel for its step and its bridge: answers to actions come even when events are late."""
        link = self._link
        seen = _Seen()

        def answered(action: Action, answer: Message | None) -> None:
            value = answer.get("Value") if answer is not None and not answer.failed else ""
            if action.headers[-1][1] == "STEP":
                seen.step = int(value) if value.isdecimal() else None
                return
            seen.bridged = bool(value)
            if link is self._link and self._outbox.is_under_way(command.call, command.step):
                then(seen)

        if link is None or self._blocked():
            self._lost(command.call, command.step, self._blocked() or lanes.NOT_CONNECTED)
            return
        names = ("STEP", "BRIDGEPEER")
        link.send([Action("Getvar", (("Channel", command.channel), ("Variable", name))) for name in names], answered)

    def _judge_overdue(self, command: order.StepCommand, seen: _Seen) -> None:
        call, step = command.call, command.step
        if seen.step is not None and seen.step >= step:
            self.events_are_late()
            following = self._outbox.settled(call, step)  # it runs: what the exchange says of it will come
            if following is not None:
                self._write_step(following)
        else:
            self._lost(call, step, lanes.TALKING if seen.bridged else lanes.TIMEOUT)

    def _write_if_free(self, command: order.StepCommand, seen: _Seen) -> None:
        if seen.bridged:
            self._lost(command.call, command.step, lanes.TALKING)
        else:
            self._write_step(command, looked=True)

    def events_are_late(self) -> None:
        """What we know of the exchange is old: for a while each caller is looked at before he is told anything.

        A Redirect takes a caller out of a talk before any dialplan can refuse it (`asterisk.md` 10.2.6), and that he
        talks may be in an event that has not come yet.
        """
        if self._monotonic() >= self._late_until:
            log.warning("the exchange's events are late", extra={"action": "ami.events_late"})
        self._late_until = self._monotonic() + CAREFUL_S

    def _lost(self, call: CallId, step: int, reason: str) -> None:
        self._stop_timer(call)
        self._outbox.lost(call)
        self._counters.step_lost += 1
        self._give(event.StepLost(call, step, reason, self._wall()))

    def _stop_timer(self, call: CallId) -> None:
        timer = self._timers.pop(call, None)
        if timer is not None:
            timer.cancel()

    def _write_other(self, link: Link, command: order.ExchangeCommand) -> None:
        channel_id, membership = "", True
        if isinstance(command, order.AddParty | order.RingAgent):
            self._serial += 1
            kind = "third" if isinstance(command, order.AddParty) else "agent"
            channel_id = f"{kind}-{self._token}-{self._serial}"
        elif isinstance(command, order.DropParty):
            wanted = (command.call, command.endpoint)
            channel_id = next((one for one, party in self._third.items() if party[:2] == wanted), "")
            if not channel_id:
                return  # it has come to nothing already
        elif isinstance(command, order.MarkAgent):
            membership = self._net.get(command.phone or command.agent) != _place(command)
        batch = actions(command, spool=self._spool, set_membership=membership, channel_id=channel_id)
        if isinstance(command, order.PrepareEnd):  # it comes again with a ticket: the rest is there already
            known, self._ends[command.call] = self._ends.get(command.call, set()), set(batch)
            batch = [action for action in batch if action not in known]
        link.send(batch, lambda action, answer: self._other_answered(command, channel_id, action, answer))
        if isinstance(command, order.AddParty):
            self._third[channel_id] = (command.call, command.endpoint, event.Role.THIRD)
        elif isinstance(command, order.RingAgent):
            self._third[channel_id] = (command.call, command.agent, event.Role.AGENT)
        elif isinstance(command, order.PlaceCall):
            self._placed.add(command.call)
        elif isinstance(command, order.MarkAgent):
            if command.net is not order.NetMembership.NOWHERE:
                self._net[command.phone or command.agent] = _place(command)
        elif isinstance(command, order.StartRecording):
            self._recorded.add(command.call)

    def _other_answered(
        self, command: order.ExchangeCommand, channel_id: str, action: Action, answer: Message | None
    ) -> None:
        if answer is None or not answer.failed or action.name in _MEANINGLESS:
            return
        kind = type(command).__name__
        gone = "no such channel" in answer.get("Message").lower()  # he has hung up meanwhile: his end is told anyway
        level = logging.DEBUG if gone else logging.WARNING
        log.log(level, "%s of %s refused", action.name, kind, extra={"action": "ami.action_refused"})
        if isinstance(command, order.StartRecording):
            self._recorded.discard(command.call)
        elif isinstance(command, order.AddParty | order.RingAgent):
            self._third_over(channel_id, self._wall())
        elif isinstance(command, order.PlaceCall):
            self._placed_over(command.call, "failed", self._wall())
        elif isinstance(command, Spy):
            self._give(SpyStopped(command.spy, self._wall()))

    # ------------------------------------------------------------ what becomes of them

    def follow(self, found: event.Event, unique_id: str) -> None:
        """Hand `found` on, and draw from it what the outbox must know. `unique_id`: of the channel it is
        about.
        """
        match found:
            case event.RecordingStopped():
                self._recording_stopped(found)
                return
            case event.PartyJoined(call=call, role=event.Role.CALLER):
                self._outbox.bridged(call, True)
            case event.PartyLeft(call=call, role=event.Role.CALLER):
                self._outbox.bridged(call, False)
            case event.CallEnded(call=call, cause=cause, at=at):
                self._placed_over(call, _CAUSES.get(cause, "failed"), at)
                self._stop_timer(call)
                self._outbox.ended(call)
                self._ends.pop(call, None)
            case event.OutboundAnswered(call=call):
                self._placed.discard(call)
            case event.LegEnded():
                self._third.pop(unique_id, None)
            case _:
                pass
        self._give(found)
        match found:
            case event.StepStarted(call=call, step=step) | event.StepRefused(call=call, got=step):
                self._settled(call, step)
            case event.CallEnded(call=call, at=at):
                self._recording_stopped(event.RecordingStopped(call, at))
            case _:
                pass

    def _settled(self, call: CallId, step: int) -> None:
        if self._outbox.is_under_way(call, step):
            self._stop_timer(call)
            following = self._outbox.settled(call, step)
            if following is not None:
                self._write_step(following)

    def _recording_stopped(self, found: event.RecordingStopped) -> None:
        """Once per recording: MixMonitor reports when it is stopped, but not when the caller hangs up."""
        if found.call in self._recorded:
            self._recorded.discard(found.call)
            self._give(found)

    def originate_answered(self, message: Message, now: float) -> None:
        """``OriginateResponse``: a third party that could not even be rung has no channel, hence no hang-up.

        The same holds for a supervisor's phone; where both come, the second means nothing.
        """
        if message.get("Response") == "Failure":
            channel_id, at = message.get("Uniqueid"), instant(message, now)
            if channel_id.startswith(SPY_PREFIX):
                self._give(SpyStopped(SpyId(channel_id), at))
            else:
                self._third_over(channel_id, at)
                self._place_failed(CallId(channel_id), _REASONS.get(message.get("Reason"), ""), at)

    def _place_failed(self, call: CallId, reason: str, at: float) -> None:
        """A call of ours was not answered. Where Originate does not say why, the end of its channel does, just after.

        A call that could not even be rung has no channel, so the end is waited for no longer than `CAUSE_S`.
        """
        if call not in self._placed:
            return
        if reason:
            self._placed_over(call, reason, at)
        else:
            loop = asyncio.get_running_loop()
            self._ending[call] = loop.call_later(CAUSE_S, self._placed_over, call, "failed", at)

    def _placed_over(self, call: CallId, reason: str, at: float) -> None:
        timer = self._ending.pop(call, None)
        if timer is not None:
            timer.cancel()
        if call in self._placed:
            self._placed.discard(call)
            self._give(event.OutboundFailed(call, reason, at))

    def _third_over(self, channel_id: str, at: float) -> None:
        third = self._third.pop(channel_id, None)
        if third is not None:
            call, agent, role = third
            self._give(event.LegEnded(call, ChannelName(f"PJSIP/{agent}"), role, agent, 0, at))
