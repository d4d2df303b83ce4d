"""Counts what went wrong in a drill, from what the phones saw and what the records say. Pure.

Every count that must be 0 is a list of the calls it is about, so that a failure can be looked up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from controller.drill.ledger import Kept, Ledger, Outage, Placed, Ring


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is still right, in seconds."""

    silence_s: float = 3.0  #: a waiting caller hears something at least so often
    gap_s: float = 0.5  #: a talking caller hears a packet at least so often
    instant_s: float = 0.5  #: phones and records agree so well
    order_s: float = 1.0  #: callers who came closer together than this may be served in either order
    retry_s: float = 2.0  #: an agent who declined is not rung for the same caller within this
    boot_s: float = 1.0  #: a controller that just came back may need so long until it is seen


@dataclass(slots=True)
class Verdict:
    """The counts. `must_be_none`: faults by name, each with the calls' numbers; `told`: everything else."""

    must_be_none: dict[str, list[str]] = field(default_factory=dict)
    told: dict[str, float] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether every count that must be 0 is."""
        return not any(self.must_be_none.values())


def judge(ledger: Ledger, bounds: Bounds, *, calls_may_be_cut: bool = False) -> Verdict:
    """Count. `calls_may_be_cut`: the exchange itself was killed, with it the calls that lived in that instant."""
    verdict = Verdict()
    rings: dict[str, list[Ring]] = defaultdict(list)
    for ring in sorted(ledger.rings, key=lambda one: one.invited_at):
        rings[ring.number].append(ring)
    deaths = [one for one in ledger.outages if one.kind == "asterisk"] if calls_may_be_cut else []
    spared = [one for one in ledger.placed if not _died(one, deaths)]
    numbers = {one.number for one in spared}
    living = [ring for ring in ledger.rings if ring.number in numbers]  # a phone cannot know that its call is dead
    cut, gone_at_answer = _cut(spared, rings)
    served = [one for one in spared if any(ring.talked for ring in rings[one.number])]
    kept = {one.number: one for one in ledger.kept if one.number in numbers}
    overtaken, named = _overtaken(spared, rings, kept, ledger.outages, bounds)
    wrong, blurred = _instants(spared, rings, kept, ledger.outages, bounds)
    left = [one for one in spared if one.hung_up_at is not None and one not in served]
    dead = [one.number for one in spared if one.answered_at is None and one.hung_up_at is None]
    verdict.must_be_none = {
        "talks_cut": cut,
        "talks_with_a_gap": [one.number for one in served if one.gap_s > bounds.gap_s],
        "callers_lost": [one.number for one in spared if one not in served and one.hung_up_at is None],
        "served_twice": [one.number for one in spared if sum(ring.talked for ring in rings[one.number]) > 1],
        "agents_rung_twice": _twice_at_once(living, lambda ring: ring.agent),
        "offered_twice": _twice_at_once(living, lambda ring: ring.number),
        "places_lost": overtaken,
        "silent_too_long": [one.number for one in spared if one.direct and one.silence_s > bounds.silence_s],
        "not_owned_again": [number for outage in ledger.outages for number in outage.unowned if number in numbers],
        "never_back": ["the hotline"] if ledger.never_back else [],
        "agents_signed_out": [f"{agent} {state}" for _, agent, state in ledger.signed_out],
        "instants_disagree": wrong,
        "no_record": [one.number for one in spared if one.number not in kept and one.answered_at is not None],
        "no_end": [one.number for one in ledger.kept if one.ended_at is None],
    }
    owned = [one.owned_s for one in ledger.outages if one.owned_s is not None]
    seen = [one.seen_s for one in ledger.outages if one.seen_s is not None]
    waits = [_wait(one, rings[one.number]) for one in served]
    waits = [one for one in waits if one is not None]
    verdict.told = {
        "calls": len(ledger.placed),
        "talks": sum(ring.talked for ring in ledger.rings),
        "hung_up_waiting": len(left),
        "cut_with_the_exchange": len(ledger.placed) - len(spared),
        "not_answered": len(dead),
        "faults": len(ledger.outages),
        "live_at_return": sum(one.live for one in ledger.outages),
        "talks_across_a_fault": sum(_across(ring, ledger.outages) for ring in ledger.rings),
        "served_by_the_net": sum(one.in_net for one in kept.values()),
        "overtaken_by_a_named_rule": named,
        "gone_at_answer": gone_at_answer,
        "instants_blurred": len(blurred),
        "instants_blurred_max_s": max(blurred, default=0.0),
        "silence_max_s": max((one.silence_s for one in spared if one.direct), default=0.0),
        "gap_max_s": max((one.gap_s for one in served), default=0.0),
        **_spread("wait_s", [one for one in waits if one is not None]),
        **_spread("owned_s", owned),
        **_spread("seen_s", seen),
    }
    return verdict


def _spread(name: str, values: Iterable[float]) -> dict[str, float]:
    ordered = sorted(values)
    if not ordered:
        return {}
    return {f"{name}.p50": ordered[len(ordered) // 2], f"{name}.max": ordered[-1]}


def _died(call: Placed, deaths: Iterable[Outage]) -> bool:
    """Whether the call lived, or was just being made, when the exchange was killed."""
    return any(
        call.placed_at - 1.0 <= (death.end or death.begin) and (call.ended_at is None or call.ended_at >= death.begin)
        for death in deaths
    )


def _cut(placed: Iterable[Placed], rings: dict[str, list[Ring]]) -> tuple[list[str], int]:
    """Talks that neither of the two ended; and agents who said yes in the instant in which the offer was over."""
    cut, gone = [], 0
    for call in placed:
        for ring in rings[call.number]:
            if ring.answered_at is None or ring.ended_at is None or ring.hung_up_at is not None:
                continue
            by_caller = call.hung_up_at is not None and call.hung_up_at <= ring.ended_at + 0.2
            if not by_caller and ring.talked:
                cut.append(call.number)
            elif not by_caller:
                gone += 1
    return cut, gone


def _twice_at_once(rings: Iterable[Ring], key: Callable[[Ring], str]) -> list[str]:
    """Rings that overlap with another of the same `key`: agent, or caller."""
    last: dict[str, Ring] = {}
    found = []
    for ring in sorted(rings, key=lambda one: one.invited_at):
        other = last.get(key(ring))
        if other is not None and (other.ended_at is None or other.ended_at > ring.invited_at):
            found.append(f"{ring.agent}/{ring.number}")
        if other is None or (ring.ended_at or float("inf")) >= (other.ended_at or float("inf")):
            last[key(ring)] = ring
    return found


def _wait(call: Placed, rings: list[Ring]) -> float | None:
    first = next((ring.answered_at for ring in rings if ring.talked), None)
    begin = call.keyed_at or call.answered_at
    return first - begin if first is not None and begin is not None else None


def _overtaken(
    placed: Iterable[Placed],
    rings: dict[str, list[Ring]],
    kept: dict[str, Kept],
    outages: Iterable[Outage],
    bounds: Bounds,
) -> tuple[list[str], int]:
    """Callers who still waited, free to be rung, when one who had come later was rung; and those by a named rule.

    Named rules: the safety net serves in the order in which callers fell into it; an agent who has just declined a
    caller is not rung for him again at once.
    """
    by_queue: dict[str, list[tuple[float, Placed, Kept]]] = defaultdict(list)
    for call in placed:
        record = kept.get(call.number)
        if record is not None and record.queued_at is not None and record.queue is not None:
            by_queue[record.queue].append((record.queued_at, call, record))
    found, named = [], 0
    pauses = [(one.begin, (one.end or float("inf")) + bounds.boot_s) for one in outages]
    for line in by_queue.values():
        line.sort(key=lambda one: one[0])
        for place, (queued_at, call, record) in enumerate(line):
            until = _waits_until(call, rings[call.number])
            for later_at, later, other in line[place + 1 :]:
                if later_at >= until:
                    break
                taken = [ring for ring in rings[later.number] if later_at <= ring.invited_at < until]
                taken = [ring for ring in taken if _free_to_be_rung(rings[call.number], ring.invited_at)]
                if later_at - queued_at <= bounds.order_s or not taken:
                    continue
                if all(_named(ring, rings[call.number], record, other, pauses, bounds) for ring in taken):
                    named += 1
                else:
                    found.append(f"{call.number}<{later.number}")
    return found, named


def _waits_until(call: Placed, rings: list[Ring]) -> float:
    """When he waits no more: his talk's ring, or his end."""
    talk = next((ring.invited_at for ring in rings if ring.talked), None)
    return talk if talk is not None else (call.hung_up_at or call.ended_at or float("inf"))


def _free_to_be_rung(rings: list[Ring], at: float) -> bool:
    """Whether nobody was being rung for him, which a call of the same instant could not have known."""
    return not any(ring.invited_at - 0.05 <= at <= (ring.ended_at or float("inf")) + 0.05 for ring in rings)


def _named(
    ring: Ring, mine: list[Ring], record: Kept, other: Kept, pauses: list[tuple[float, float]], bounds: Bounds
) -> bool:
    if record.in_net or other.in_net:
        return True
    if any(begin <= ring.invited_at <= end for begin, end in pauses):
        return True  # the net, or what was on its way when the controller ended
    return any(
        one.agent == ring.agent and (one.ended_at or float("inf")) + bounds.retry_s + 0.2 >= ring.invited_at
        for one in mine
        if one.invited_at < ring.invited_at
    )


def _instants(
    placed: Iterable[Placed],
    rings: dict[str, list[Ring]],
    kept: dict[str, Kept],
    outages: Iterable[Outage],
    bounds: Bounds,
) -> tuple[list[str], list[float]]:
    """Records whose instants are not the phones'; and by how much those differ that nobody could see at that time."""
    pauses = [(one.begin - 0.3, (one.end or one.begin) + bounds.boot_s) for one in outages]
    wrong, blurred = [], []
    for call in placed:
        record = kept.get(call.number)
        if record is None:
            continue
        talk = next((ring for ring in rings[call.number] if ring.talked), None)
        pairs: list[tuple[str, float | None, float | None]] = [
            ("arrived", call.answered_at, record.arrived_at),
            ("ended", call.ended_at, record.ended_at),
        ]
        if talk is not None:
            pairs += [
                ("joined", talk.answered_at, record.joined_at),
                ("released", min(x for x in (talk.ended_at, call.ended_at) if x is not None), record.released_at)
                if talk.ended_at is not None or call.ended_at is not None
                else ("released", None, None),
            ]
        elif record.joined_at is not None and not _hung_up_by(call, record.joined_at + bounds.instant_s):
            wrong.append(f"{call.number} joined, but nobody talked")
        for name, saw, says in pairs:
            if saw is None:
                continue
            if says is None:
                wrong.append(f"{call.number} {name} not recorded")
                continue
            off = abs(saw - says)
            if off <= bounds.instant_s:
                continue
            if any(begin <= min(saw, says) and max(saw, says) <= end + bounds.instant_s for begin, end in pauses):
                blurred.append(off)
            else:
                wrong.append(f"{call.number} {name} {says - saw:+.2f} s")
    return wrong, blurred


def _hung_up_by(call: Placed, instant: float) -> bool:
    """Whether the citizen had hung up by then: in the instant of the answer he and the exchange are both right."""
    return call.hung_up_at is not None and call.hung_up_at <= instant


def _across(ring: Ring, outages: Iterable[Outage]) -> bool:
    """Whether a talk went on through a fault."""
    if ring.heard_at is None:
        return False
    end = ring.ended_at or float("inf")
    return any(ring.heard_at < outage.begin < end for outage in outages)
