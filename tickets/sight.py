"""What an organisation sees of a ticket: `part_of` decides; `tickets/shown.py` shows just that. Pure.

The hotline whose ticket it is, and the province that tracks it across cities, see the whole (`domain.md` D10:
「由省級平臺轉辦,跟蹤辦理」). The unit that leads it sees the matter and its own side; one that co-handles it (D11:
「共同協辦」) sees the matter and its own side without the caller, whom the lead answers. Nobody else sees
anything: another city's internal doings are not its business, and the fewer people know a caller the better
(个人信息保护法 art. 6).
"""

from __future__ import annotations

import enum

from tickets.organisations import OrganisationTree
from tickets.ticket import Ticket, TicketMove, TicketPolicy


class Part(enum.Enum):
    """How much of a ticket an organisation sees."""

    WHOLE = "whole"  #: everything
    LEAD = "lead"  #: 主办: the matter, the caller, its own side
    CO = "co"  #: 协办: the matter and its own side


def gone(org: str, policy: TicketPolicy) -> bool:
    """Whether there is no such organisation (any more): its name stands in the register no longer."""
    return org not in policy.units and org not in policy.organisations


def home_of(ticket: Ticket, policy: TicketPolicy) -> str:
    """Whose ticket it is: the region that it names, else the city whose call it was; empty = nobody's."""
    known = ticket.region in policy.organisations
    return ticket.region if known else policy.city_of(ticket.dialled, ticket.queue)


def part_of(org: str, ticket: Ticket, policy: TicketPolicy) -> Part | None:
    """How much of `ticket` the people of `org` see (empty = they act for the whole installation); None = nothing."""
    tree = policy.organisations
    if not org:
        return Part.WHOLE
    if org not in tree:
        return None
    home = home_of(ticket, policy)
    if home and stands_for(tree, org, home):
        return Part.WHOLE
    involved = {tree.hotline(one) for one in ticket.units if one in tree}
    if home and tree.province(org) == org and org == tree.province(home) and involved - {tree.hotline(home)}:
        return Part.WHOLE
    if ticket.lead_unit is not None and stands_for(tree, org, ticket.lead_unit):
        return Part.LEAD
    return Part.CO if any(stands_for(tree, org, unit) for unit in ticket.co_units) else None


def stands_for(tree: OrganisationTree, org: str, other: str) -> bool:
    """Whether `org` is `other` or stands above it, up to the hotline that answers for it: not a province for a city."""
    line = tree.line(other)
    if org not in line:
        return False
    hotline = tree.hotline(other)
    return hotline is None or line.index(org) <= line.index(hotline)


def own_side(tree: OrganisationTree, org: str, unit: str) -> bool:
    """Whether what `unit` does is of the side of `org`: it stands above or below it, up to their hotline."""
    return bool(unit) and (stands_for(tree, org, unit) or unit in tree.line(org))


def told(tree: OrganisationTree, org: str, move: TicketMove) -> bool:
    """Whether a move is shown to those who see a part: their own, and what the hotlines did; not other units'."""
    return not move.unit or tree.is_hotline(move.unit) or own_side(tree, org, move.unit)
