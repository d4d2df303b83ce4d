"""`tickets.shown.hears` as a condition on tickets, so that what somebody may not hear is not even looked at.

It never leaves out what he may hear; what it lets through too many (a province's tickets with other cities' units) is
for `hears` to refuse.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import ColumnElement, and_, false, or_, select, true

from tickets.moves import Actor, Role
from tickets.shown import HEARS
from tickets.sight import stands_for
from tickets.tables import tickets, units
from tickets.ticket import TicketPolicy

Condition = ColumnElement[bool]


def heard_by(viewer: Actor, policy: TicketPolicy) -> Condition:
    """Which tickets' calls `viewer` may hear."""
    columns, tree, org = tickets.c, policy.organisations, viewer.unit
    if viewer.role is Role.AGENT:
        return columns.agent == viewer.id if viewer.id else false()
    if viewer.role not in HEARS:
        return false()
    if not org or not len(tree):
        return true()
    if org not in tree:
        return false()
    homes = {one.id for one in tree}
    found = _home_among({one for one in homes if stands_for(tree, org, one)}, homes, policy)
    if tree.province(org) == org:
        involving = columns.number.in_(select(units.c.ticket).where(units.c.unit.in_(sorted(homes))))
        below = {one for one in homes if tree.province(one) == org}
        found = or_(found, and_(_home_among(below, homes, policy), involving))
    return found


def _home_among(wanted: Iterable[str], known: Iterable[str], policy: TicketPolicy) -> Condition:
    """Whether the ticket is one of these organisations' (`tickets.sight.home_of`)."""
    columns, mine = tickets.c, set(wanted)

    def cities(of: Mapping[str, str]) -> tuple[list[str], list[str]]:
        named = sorted(name for name, city in of.items() if city)
        return named, [name for name in named if of[name] in mine]

    queues, own_queues = cities(policy.queues)
    numbers, own_numbers = cities(policy.numbers)
    by_number = or_(
        columns.dialled.in_(own_numbers),
        and_(columns.dialled.not_in(numbers), true() if policy.city in mine else false()),
    )
    by_call = or_(columns.queue.in_(own_queues), and_(columns.queue.not_in(queues), by_number))
    return or_(columns.region.in_(sorted(mine)), and_(columns.region.not_in(sorted(known)), by_call))
