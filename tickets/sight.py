"""What an organisation sees of a ticket: `part_of` decides, `view` shows just that. Pure.

The hotline whose ticket it is, and the province that tracks it across cities, see the whole (`domain.md` D10:
「由省級平臺轉辦,跟蹤辦理」). The unit that leads it sees the matter and its own side; one that co-handles it (D11:
「共同協辦」) sees the matter and its own side without the caller, whom the lead answers. Nobody else sees
anything: another city's internal doings are not its business, and the fewer people know a caller the better
(个人信息保护法 art. 6).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from tickets.approvals import Approval
from tickets.moves import Actor
from tickets.organisations import OrganisationTree
from tickets.shown import sees_caller
from tickets.ticket import PRIVATE, Ticket, TicketMove


class Part(enum.Enum):
    """How much of a ticket an organisation sees."""

    WHOLE = "whole"  #: everything
    LEAD = "lead"  #: 主办: the matter, the caller, its own side
    CO = "co"  #: 协办: the matter and its own side


@dataclass(frozen=True, slots=True)
class View:
    """A ticket and its moves as one organisation sees them."""

    part: Part
    ticket: Ticket
    moves: tuple[TicketMove, ...]


def home_of(tree: OrganisationTree, ticket: Ticket, numbers: Mapping[str, str]) -> str:
    """Whose ticket it is: the region that it names, else the city of the number that was dialled; empty = nobody's."""
    return ticket.region if ticket.region in tree else numbers.get(ticket.dialled, "")


def part_of(tree: OrganisationTree, org: str, ticket: Ticket, numbers: Mapping[str, str]) -> Part | None:
    """How much of `ticket` the people of `org` see (empty = they act for the whole installation); None = nothing.

    `numbers`: the city of each number that callers dial.
    """
    if not org:
        return Part.WHOLE
    if org not in tree:
        return None
    home = home_of(tree, ticket, numbers)
    if home and _stands_for(tree, org, home):
        return Part.WHOLE
    involved = {tree.hotline(one) for one in ticket.units if one in tree}
    if home and tree.province(org) == org and org == tree.province(home) and involved - {tree.hotline(home)}:
        return Part.WHOLE
    if ticket.lead_unit is not None and _stands_for(tree, org, ticket.lead_unit):
        return Part.LEAD
    return Part.CO if any(_stands_for(tree, org, unit) for unit in ticket.co_units) else None


def _stands_for(tree: OrganisationTree, org: str, other: str) -> bool:
    """Whether `org` is `other` or stands above it, up to the hotline that answers for it: not a province for a city."""
    line = tree.line(other)
    if org not in line:
        return False
    hotline = tree.hotline(other)
    return hotline is None or line.index(org) <= line.index(hotline)


def view(
    tree: OrganisationTree, viewer: Actor, ticket: Ticket, moves: Sequence[TicketMove], numbers: Mapping[str, str]
) -> View | None:
    """The ticket as `viewer` sees it, None for one that he does not see at all.

    The one place that leaves things out: the caller for those who may not know him, and the side of others.
    """
    part = part_of(tree, viewer.unit, ticket, numbers)
    if part is None:
        return None
    caller = part is not Part.CO and sees_caller(ticket, viewer)
    shown, done = ticket, tuple(moves)
    if part is not Part.WHOLE:
        mine = tuple(one for one in ticket.approvals if _own_side(tree, viewer.unit, one.asked_unit))
        shown = replace(ticket, approvals=mine)
        done = tuple(one for one in done if _told(tree, viewer.unit, one))
    if not caller:
        shown = replace(shown, **{one.name: _BLANK[one.name] for one in fields(Ticket) if one.name in PRIVATE})
        done = tuple(_without_caller(one) for one in done)
    return View(part, shown, tuple(_with_requests(one, shown.approvals) for one in done))


_BLANK: Mapping[str, Any] = {one.name: False if one.name == "transcript" else "" for one in fields(Ticket)} | {
    "recording": None
}


def _own_side(tree: OrganisationTree, org: str, unit: str) -> bool:
    return bool(unit) and (_stands_for(tree, org, unit) or unit in tree.line(org))


def _told(tree: OrganisationTree, org: str, move: TicketMove) -> bool:
    """Whether a move is shown to those who see a part: their own, and what the hotlines did; not other units'."""
    return not move.unit or tree.is_hotline(move.unit) or _own_side(tree, org, move.unit)


def _without_caller(move: TicketMove) -> TicketMove:
    changes = move.details.get("changes")
    if not isinstance(changes, Mapping):
        return move
    kept = {name: value for name, value in changes.items() if name not in PRIVATE}
    return replace(move, details={**move.details, "changes": kept})


def _with_requests(move: TicketMove, seen: Sequence[Approval]) -> TicketMove:
    """The move with only those requests in its changes that are shown in the ticket too."""
    changes = move.details.get("changes")
    if not isinstance(changes, Mapping) or "approvals" not in changes:
        return move
    known = {one.seq for one in seen}
    kept = [one for one in changes["approvals"] if one["seq"] in known]
    return replace(move, details={**move.details, "changes": {**changes, "approvals": kept}})
