"""What of quality inspection is shown to whom; that he may look at all has been asked before (`agents.rights`)."""

from __future__ import annotations

from sqlalchemy import Connection

from recordings.inspection import review_sql
from recordings.inspection.review_sql import Score
from tickets.moves import Actor, Role
from web.backend import NotFound
from web.inspection_desk import NotShown


def shown_city(viewer: Actor) -> str:
    """Of whose calls alone he is shown something; empty: of all. An agent is shown his own, whosever they are."""
    return "" if viewer.role is Role.AGENT else viewer.unit


def is_shown(viewer: Actor, agent: str, city: str) -> bool:
    """Whether `viewer` may be shown what is of a call of this agent and city."""
    if viewer.role is Role.AGENT:
        return agent == viewer.id
    return shown_city(viewer) in ("", city)


def still_to_score(connection: Connection, viewer: Actor) -> set[str]:
    """The calls that he is still to score: of these he sees nobody's score."""
    return {one.call for one in review_sql.list_tasks(connection, viewer.id, undone=True)}


def seen_score(connection: Connection, id: str, viewer: Actor, *, lock: bool = False) -> Score:
    """The score, if `viewer` may see it; else there is none."""
    found = review_sql.get_score(connection, id, lock=lock)
    if found is None:
        raise NotFound("score")
    if not is_shown(viewer, found.agent, found.city) or viewer.role is Role.AGENT and found.seat != 1:
        raise NotShown("score", found.call, found.agent)
    if found.inspector != viewer.id and found.call in still_to_score(connection, viewer):
        raise NotShown("score", found.call, found.agent)
    return found
