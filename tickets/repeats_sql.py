"""Likely repeats among the stored tickets. The same on SQLite and PostgreSQL: rows are read, the rest is arithmetic.

What a viewer may not know he is not told by this way either: the caller of an anonymous or confidential ticket is
compared only for one who sees him.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from sqlalchemy import Connection, func, select

from pbx.ids import TicketNumber
from tickets import term_rows
from tickets.moves import Actor, TicketState
from tickets.repeats import Draft, RepeatRules, likeness, proposed, rarity, sketched
from tickets.repeats_found import Found
from tickets.shown import sees_caller, sees_ticket
from tickets.sql import whole
from tickets.tables import days, tickets
from tickets.ticket import Ticket, TicketPolicy, number_of

MOST_POSTINGS = 20_000
"""So many mentions of terms are read at most, those of the rarest first; a word that thousands say finds nothing."""

_OF_CALLER = 20
"""So many of the same caller's tickets are compared, the newest."""


def repeats_of(
    connection: Connection, draft: Draft, viewer: Actor, policy: TicketPolicy, rules: RepeatRules | None = None
) -> Found:
    """Tickets that are likely about the same as `draft`, and others of its caller. Its own number is left out."""
    rules = rules or RepeatRules()
    ours = sketched(draft)
    since = int(policy.hours.local_day(draft.at - rules.event_window_s).strftime("%Y%m%d"))
    having = term_rows.counted(connection, ours.everything, since)
    total = connection.execute(select(func.sum(days.c.last)).where(days.c.day >= str(since))).scalar_one() or 0
    numbers = _sharing(connection, having, int(total), since, rules)
    if draft.caller:
        mine = (tickets.c.caller == draft.caller) & (tickets.c.opened_at >= draft.at - rules.caller_window_s)
        newest = select(tickets.c.number).where(mine).order_by(tickets.c.opened_at.desc(), tickets.c.number.desc())
        numbers |= set(connection.execute(newest.limit(_OF_CALLER)).scalars())
    numbers.discard(draft.number)
    rows = connection.execute(select(tickets).where(tickets.c.number.in_(sorted(numbers)))).all()
    others = [
        (other, sketched(_known(other, draft, viewer)))
        for other in whole(connection, rows)
        if other.state is not TicketState.MERGED
    ]
    more = frozenset[int]().union(*(sketch.words | sketch.place.keys for _, sketch in others)) - ours.everything
    weigh = rarity(having | term_rows.counted(connection, more, since), int(total))
    found = [(likeness(ours, sketch, weigh, rules), other) for other, sketch in others]
    found = [(one, other) for one, other in found if one.likely or one.same_caller]
    found.sort(key=lambda pair: (not pair[0].likely, -pair[0].score, pair[0].number))
    incident, members = proposed(((one, other.incident_id) for one, other in found), rules)
    # Another city's ticket of the same event counts, for it is one event; its number is not told (`tickets/sight.py`).
    known: dict[str, Ticket] = {other.number: other for _, other in found}
    visible = tuple(number for number in members if sees_ticket(known[number], viewer, policy))
    return Found(tuple(found[: rules.shown]), incident, visible, len(members) - len(visible))


def _known(other: Ticket, draft: Draft, viewer: Actor) -> Draft:
    """The other ticket as far as the viewer may compare it."""
    known = term_rows.draft_of(other)
    return known if sees_caller(other, viewer) else replace(known, caller="")


def _sharing(connection: Connection, having: dict[int, int], total: int, since: int, rules: RepeatRules) -> set[str]:
    """The tickets that share the most with the draft, the rarest terms counting most."""
    weigh = rarity(having, total)
    shared: dict[tuple[int, int], float] = defaultdict(float)
    left = MOST_POSTINGS
    for term in sorted(having, key=lambda one: (having[one], one)):
        left -= having[term]
        if left < 0:
            break
        weight = weigh(term)
        for one in term_rows.having(connection, term, since):
            shared[one] += weight
    best = sorted(shared, key=lambda one: (-shared[one], one))[: rules.looked_at]
    return {number_of(f"{day:08d}", running) for day, running in best}


def draft_of_ticket(connection: Connection, number: TicketNumber) -> Draft | None:
    """A stored ticket as a draft, or None."""
    row = connection.execute(select(tickets).where(tickets.c.number == number)).first()
    return term_rows.draft_of(whole(connection, [row])[0]) if row else None
