"""A day as its journal tells it, taken apart into what people did, so that the rules can be other ones next time.

The journal is replayed to the letter; while every decision comes out the same, what nobody decided is noted beside it:
when callers came, what they dialled and pressed, how long they talked, after how many seconds agents answered or did
not, how long they wrote, when they signed in and out. `RecordedCrowd` does it again for whatever rules ask.

What was not seen has to be supposed: how long somebody who was answered would have waited (`patience.py`), how long
somebody who gave up would have talked (as long as a caller of the same queue who did), and how soon an agent answers a
call that he was not offered yesterday (as in one of his other offers).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from agents.moves import AgentState
from controller.journal_file import Header
from controller.plan import Plan
from controller.replay import Difference, replay
from controller.simulation.crowd import Caller, Key, Shift
from controller.simulation.draws import chance
from controller.simulation.patience import Patience
from controller.switchboard import Switchboard
from metrics.servicelevel import elapsed, queue_entry
from pbx import commands as order
from pbx import events as event
from pbx.call import CallRecord, Outcome
from pbx.commands import Command
from pbx.events import Event, Role
from pbx.ids import AgentId, CallId, QueueId

_PATIENCE, _TALK, _PICK_UP = 1, 2, 10_000

FEW = 5
"""An agent with fewer offers than this answers like everybody."""

Request = event.AgentSignedIn | event.AgentSignedOut | event.AgentWentReady | event.AgentWentNotReady


@dataclass(slots=True)
class _Told:
    """One call while its day is read."""

    at: float
    dialled: str
    caller: str
    commanded: dict[int, float] = field(default_factory=dict)  #: when each question and message was ordered
    keys: list[Key] = field(default_factory=list)
    listened: list[float] = field(default_factory=list)
    offered: tuple[AgentId, float] | None = None
    offers: list[tuple[AgentId, float | None]] = field(default_factory=list)  #: `inf`: he left before
    wrap_up_s: float = math.inf


@dataclass(slots=True)
class Yesterday:
    """What the journals of a day told, of all starts of the controller together. `records` are the calls as they were
    stored last; of `unknown` calls only a part was seen, and they cannot be played again.
    """

    day: str  #: of the last file, ``YYYYMMDD``
    records: dict[CallId, CallRecord] = field(default_factory=dict)
    told: dict[CallId, _Told] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    phones: list[event.PhoneChanged] = field(default_factory=list)
    opening: event.ExchangeConnected | None = None
    begin: float = math.inf
    end: float = -math.inf
    steps: int = 0
    restarts: int = 0  #: of the controller, or of its connection to the exchange

    def save(self, command: order.SaveCall) -> None:
        """Keep a call as it was stored, over the starts of the controller.

        A start may complete a call from the exchange's note, which has no offers, though the start before had seen its
        end (`unless_ended`: the store kept what it had), and one that was killed before the store had written knew
        fewer offers than its predecessor. Offers that were made stay made.
        """
        record, known = command.record, self.records.get(command.record.call)
        if known is not None:
            if command.unless_ended and known.ended_at is not None:
                return
            ours = {(offer.agent, offer.offered_at) for offer in record.offers}
            earlier = tuple(offer for offer in known.offers if (offer.agent, offer.offered_at) not in ours)
            record = replace(record, offers=(*earlier, *record.offers)) if earlier else record
        self.records[record.call] = record

    @property
    def over(self) -> set[CallId]:
        """The calls that were seen from their beginning to their end."""
        return {call for call in self.told if call in self.records and self.records[call].ended_at is not None}

    @property
    def unknown(self) -> int:
        """Calls of which only a part was seen."""
        return len(self.records) - len(self.over)

    def shifts(self, but: frozenset[AgentId] = frozenset()) -> list[Shift]:
        """From when to when agents took calls."""
        found: list[Shift] = []
        since: dict[AgentId, float] = {}
        marked = dict(self.opening.marks) if self.opening is not None else {}
        for agent, mark in marked.items():
            if mark.startswith((AgentState.READY.value, AgentState.WRAP_UP.value)):
                since[agent] = self.begin
        for request in self.requests:
            if isinstance(request, event.AgentWentReady):
                since.setdefault(request.agent, request.at)
            elif request.agent in since:
                found.append(Shift(request.agent, since.pop(request.agent), request.at))
        found += [Shift(agent, begin, self.end) for agent, begin in since.items()]
        return [shift for shift in found if shift.agent not in but]


class _Reader:
    """A switchboard that notes what people do while it is replayed."""

    def __init__(self, plan: Plan, day: Yesterday) -> None:
        self._board = Switchboard(plan)
        self._day = day

    def step(self, found: Event, now: float) -> list[Command]:
        """As the switchboard."""
        self._before(found, now)
        commands = self._board.step(found, now)
        for command in commands:
            self._after(command, now)
        return commands

    def _before(self, found: Event, now: float) -> None:
        day = self._day
        day.steps += 1
        day.begin, day.end = min(day.begin, now), max(day.end, now)
        match found:
            case event.CallArrived():
                if found.call not in day.told:
                    day.told[found.call] = _Told(found.at, found.dialled, found.caller)
            case event.KeysPressed() | event.PromptPlayed():
                self._heard(found)
            case event.PartyJoined(role=Role.AGENT):
                told = day.told.get(found.call)
                if told is not None and told.offered is not None and told.offered[0] == found.agent:
                    told.offers.append((told.offered[0], max(0.0, found.at - told.offered[1])))
                    told.offered = None
            case event.OfferFailed():
                told = day.told.get(found.call)
                if told is not None and told.offered is not None and told.offered[0] == found.agent:
                    told.offers.append((told.offered[0], None))
                    told.offered = None
            case event.CallEnded():
                told = day.told.get(found.call)
                if told is not None and told.offered is not None:  # he left while it rang: nobody knows
                    told.offers.append((told.offered[0], math.inf))
                    told.offered = None
            case event.AgentSignedIn() | event.AgentSignedOut() | event.AgentWentReady() | event.AgentWentNotReady():
                if not self._wrote(found):
                    day.requests.append(found)
            case event.PhoneChanged():
                day.phones.append(found)
            case event.ExchangeConnected():
                self._connected(found)
            case _:
                pass

    def _heard(self, found: event.KeysPressed | event.PromptPlayed) -> None:
        told = self._day.told.get(found.call)
        since = told.commanded.pop(found.step, None) if told is not None else None
        if told is None or since is None:
            return
        after = max(0.0, found.at - since)
        if isinstance(found, event.KeysPressed):
            told.keys.append(Key(after, found.keys))
        else:
            told.listened.append(after)

    def _wrote(self, request: Request) -> bool:
        """Whether this was the end of his after-call work, which belongs to the call and not to the clock."""
        roster = self._board.house.roster
        if not isinstance(request, event.AgentWentReady) or request.agent not in roster:
            return False
        known = roster.get(request.agent)
        told = self._day.told.get(known.call) if known.call is not None else None
        if known.state is not AgentState.WRAP_UP or told is None or known.wanted is not None:
            return False
        told.wrap_up_s = max(0.0, request.at - known.since)
        return True

    def _connected(self, found: event.ExchangeConnected) -> None:
        day = self._day
        if day.opening is None:
            day.opening = found
            return
        day.restarts += 1
        for known in self._board.house.roster.agents():  # those whose phone is as it was ignore it
            day.phones.append(event.PhoneChanged(known.id, known.id in found.phones, found.at))

    def _after(self, command: Command, now: float) -> None:
        match command:
            case order.Ask() | order.Play():
                if command.call in self._day.told:
                    self._day.told[command.call].commanded[command.step] = now
            case order.Offer():
                if command.call in self._day.told:
                    self._day.told[command.call].offered = (command.agent, now)
            case order.SaveCall():
                self._day.save(command)
            case _:
                pass


def read_day(starts: Sequence[Header], plan: Plan) -> Yesterday | Difference:
    """Replay the journals of a day to the letter and take it apart; the first decision that differs, where one does.

    `starts` has the last file of each start of the controller, in order; a call may begin in one, end in another.
    Raises as `controller.replay.replay`.
    """
    day = Yesterday(starts[-1].day)
    for header in starts:
        difference = replay(header.file, lambda _: _Reader(plan, day))
        if difference is not None:
            return difference
    return day


def patience_of(records: Sequence[CallRecord]) -> Patience:
    """What the waits of a day say of the callers' patience."""
    waits: list[tuple[float, bool]] = []
    for record in records:
        over = record.joined_at if record.joined_at is not None else record.ended_at
        wait = elapsed(queue_entry(record), over)
        if wait is not None:
            waits.append((wait, record.outcome is Outcome.ABANDONED))
    return Patience(waits)


class RecordedCrowd:
    """Yesterday's people. See `crowd.Crowd`."""

    def __init__(self, day: Yesterday) -> None:
        self._told = day.told
        self.patience = patience_of(list(day.records.values()))
        talks: dict[QueueId, list[float]] = {}
        for record in day.records.values():
            talk = elapsed(record.joined_at, record.released_at)
            if talk is not None and record.queue is not None:
                talks.setdefault(record.queue, []).append(talk)
        self._talks = {queue: sorted(found) for queue, found in talks.items()}
        self._all_talks = sorted(talk for found in talks.values() for talk in found)
        self._records = day.records
        self._pick_ups: dict[AgentId, list[float | None]] = {}
        for told in day.told.values():
            for agent, after in told.offers:
                if after != math.inf:
                    self._pick_ups.setdefault(agent, []).append(after)
        self._all_pick_ups = [after for found in self._pick_ups.values() for after in found]
        self._asked: dict[tuple[CallId, AgentId], int] = {}
        over = day.over
        self._callers = sorted(
            (self._caller(call, told) for call, told in day.told.items() if call in over), key=lambda one: one.at
        )

    def _caller(self, call: CallId, told: _Told) -> Caller:
        record = self._records[call]
        luck = int.from_bytes(hashlib.sha256(call.encode()).digest()[:8], "big")
        queue = record.queue or QueueId("")
        over = record.joined_at if record.joined_at is not None else record.ended_at
        waited = elapsed(queue_entry(record), over)
        leaves_s = math.inf
        if record.outcome is Outcome.ABANDONED and record.queued_at is not None and record.ended_at is not None:
            patience_s = record.ended_at - record.queued_at
        else:
            patience_s = self.patience.longer_than(waited or 0.0, chance(luck, _PATIENCE))
        if record.outcome is Outcome.LEFT_MENU and record.ended_at is not None:
            leaves_s = record.ended_at - record.arrived_at
        if record.joined_at is not None and record.released_at is not None:
            talk_s = max(0.0, record.released_at - record.joined_at)
        else:
            talks = self._talks.get(queue) or self._all_talks or [0.0]
            talk_s = talks[int(chance(luck, _TALK) * len(talks))]
        return Caller(
            call, told.at, told.dialled, queue, patience_s, talk_s, luck,
            straight=False, caller=told.caller, leaves_s=leaves_s,
        )  # fmt: skip

    @property
    def callers(self) -> Sequence[Caller]:
        """See `Crowd`."""
        return self._callers

    def presses(self, caller: Caller, question: int, silent_after_s: float) -> Key:
        """See `Crowd`; questions that nobody asked him yesterday end in silence."""
        keys = self._told[caller.call].keys
        return keys[question] if question < len(keys) else Key(silent_after_s, "")

    def listens_s(self, caller: Caller, message: int, length_s: float) -> float:
        """See `Crowd`; a message that he did not hear yesterday takes its length."""
        listened = self._told[caller.call].listened
        return listened[message] if message < len(listened) else length_s

    def picks_up(self, caller: Caller, offer: int, agent: AgentId) -> float | None:
        """See `Crowd`: as he did for this very caller, else as in one of his other offers."""
        key = (caller.call, agent)
        times = self._asked[key] = self._asked.get(key, 0) + 1
        his = [after for other, after in self._told[caller.call].offers if other == agent]
        if times <= len(his):
            return his[times - 1]
        found = self._pick_ups.get(agent, [])
        if len(found) < FEW:
            found = self._all_pick_ups
        return found[int(chance(caller.luck, _PICK_UP + offer) * len(found))] if found else 0.0

    def wrap_up_s(self, caller: Caller, agent: AgentId) -> float:
        """See `Crowd`: as long as his call was written up yesterday, if that ended before its time."""
        return self._told[caller.call].wrap_up_s

    def survey_s(self, caller: Caller) -> float:
        """See `Crowd`."""
        record = self._records[caller.call]
        return elapsed(record.released_at, record.ended_at) or 0.0

    def back_s(self, agent: AgentId) -> float | None:
        """See `Crowd`: when they came back is among yesterday's requests."""
        return None
