"""Which place a caller gets who joins a line, by named rules; and the caller list. Pure rules over the house."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from acd.callers import Listed, ListedAs, plain_number
from acd.favours import DROPPED, LAST_AGENT, LISTED, RETURNING, Left, Talked
from acd.skills import fits
from agents.moves import AgentState
from controller.house import House, LiveCall
from controller.plan import Plan
from pbx.call import CallRecord, CallState, Outcome
from pbx.commands import DropListing, Reply, SaveListing
from pbx.events import CallEnded, CallerEntry, CallerListed, CallersRemembered, CallerUnlisted
from pbx.ids import AgentId, QueueId

NORMAL_CAUSES = frozenset({16, 17, 31})
"""Q.850 causes of a call that somebody ended: normal clearing, user busy, normal unspecified. Else the line was cut."""

_AT_WORK = (
    AgentState.READY,
    AgentState.RESERVED,
    AgentState.RINGING,
    AgentState.TALKING,
    AgentState.HOLDING,
    AgentState.WRAP_UP,
)


REMEMBER_S = 86_400.0
"""So far back at most a starting controller looks for callers who left a line, and for whom a caller talked with."""

LONG_CALL_S = 3600.0
"""A caller who left within the time that counts may have come so long before."""


def remember_s(plan: Plan) -> float:
    """How far back earlier calls matter to this plan's rules: a start reads no more of them than it needs."""
    longest = max(max(queue.return_within_s, queue.last_agent_within_s) for queue in plan.queues.values())
    return min(longest + LONG_CALL_S, REMEMBER_S) if longest > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Placing:
    """How a caller stands in the line: `place_at` None = by the instant at which he joins."""

    queue: QueueId
    priority: int
    place_at: float | None = None
    only: AgentId | None = None
    favours: tuple[str, ...] = ()


def placing(house: House, live: LiveCall, queue: QueueId, priority: int, at: float) -> Placing:
    """Where and how a caller stands who wants to join `queue` at epoch second `at`."""
    favours: list[str] = []
    entry = house.callers.find(live.record.caller, at)
    if entry is not None:
        favours.append(f"{LISTED}:{entry.kind.value}")
        if entry.queue is not None and entry.queue in house.plan.queues:
            queue = entry.queue
        priority = max(priority, entry.gives)
    plan = house.queue(queue)
    number = plain_number(live.record.caller)
    left = house.memory.place(number, plan.id, at, plan.return_within_s)
    if left is not None:
        favours.append(left.why)
        house.memory.taken(number)
    only = house.memory.last_agent(number, at, plan.last_agent_within_s) if plan.last_agent_within_s > 0 else None
    if only is not None and _comes(house, only, plan.id):
        favours.append(LAST_AGENT)
    else:
        only = None
    return Placing(plan.id, priority, left.place_at if left is not None else None, only, tuple(favours))


def _comes(house: House, agent: AgentId, queue: QueueId) -> bool:
    """Whether it makes sense to wait for an agent: he is at work and fits."""
    known = house.agent(agent)
    if known is None or known.state not in _AT_WORK:
        return False
    return fits(house.roster.profile(agent).skills, house.queue(queue).requirement)


def ended(house: House, live: LiveCall, event: CallEnded, *, unseen: bool) -> None:
    """Remember of a call that is over what the caller may claim when he calls again."""
    record = live.record
    number = plain_number(record.caller)
    if record.queue is None or record.queued_at is None or record.outcome is Outcome.OVERFLOWED:
        return
    place_at = record.place_at or record.queued_at
    cut = unseen or event.cause not in NORMAL_CAUSES
    if record.joined_at is not None:
        if record.agent is not None:
            house.memory.talked(Talked(number, record.agent, event.at))
        if cut and live.state in (CallState.TALKING, CallState.HELD):
            house.memory.left(Left(number, record.queue, place_at, event.at, DROPPED))
    else:
        house.memory.left(Left(number, record.queue, place_at, event.at))


def remembered(records: Iterable[CallRecord], entries: Iterable[CallerEntry], at: float) -> CallersRemembered:
    """What a starting controller is told of earlier calls; `records` oldest first."""
    left: list[tuple[str, QueueId, float, float, str]] = []
    talked: list[tuple[str, AgentId, float]] = []
    for record in sorted((one for one in records if one.ended_at is not None), key=lambda one: one.ended_at or 0.0):
        number = plain_number(record.caller)
        if not number or record.queue is None or record.queued_at is None or record.ended_at is None:
            continue
        if record.outcome is Outcome.OVERFLOWED:
            continue  # a full queue gave him no place
        if record.joined_at is None:
            left.append((number, record.queue, record.place_at or record.queued_at, record.ended_at, RETURNING))
        elif record.agent is not None:
            talked.append((number, record.agent, record.ended_at))
    return CallersRemembered(tuple(entries), tuple(left), tuple(talked), at)


def restored(house: House, event: CallersRemembered, now: float) -> None:
    """The store's memory after a start; entries of the configuration go before those that somebody made."""
    fixed = {entry.number for entry in house.plan.callers}
    for entry in event.entries:
        if entry.number not in fixed and not isinstance(found := _listed(house, entry, now), str):
            house.callers.put(found)
    house.memory.restore((Left(*one) for one in event.left), (Talked(*one) for one in event.talked))


# ---------------------------------------------------------------- the caller list


def _listed(house: House, entry: CallerEntry, now: float) -> Listed | str:
    """The entry as the list keeps it, or the code of what is wrong with it."""
    if entry.kind not in {kind.value for kind in ListedAs}:
        return "unknown_kind"
    if entry.queue is not None and entry.queue not in house.plan.queues:
        return "unknown_queue"
    if entry.until <= now:
        return "over_already"
    kind = ListedAs(entry.kind)
    if kind is ListedAs.NUISANCE and entry.queue is None:
        return "needs_queue"
    try:
        return Listed(entry.number, kind, entry.until, entry.queue, entry.priority, entry.by, entry.note)
    except ValueError:
        return "bad_listing"


def caller_listed(house: House, event: CallerListed, now: float) -> None:
    """A number is to be treated otherwise from its next call on."""
    for gone in house.callers.sweep(now):
        house.emit(DropListing(gone.number))
    found = _listed(house, event.entry, now)
    if isinstance(found, str):
        house.emit(Reply(event.request, False, found))
        return
    house.callers.put(found)
    house.emit(SaveListing(event.entry))
    house.emit(Reply(event.request, True))


def caller_unlisted(house: House, event: CallerUnlisted, now: float) -> None:
    """A number is treated like every other again."""
    if house.callers.remove(event.number):
        house.emit(DropListing(event.number))
        house.emit(Reply(event.request, True))
    else:
        house.emit(Reply(event.request, False, "unknown_number"))
