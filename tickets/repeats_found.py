"""What was found of repeats: tickets beside their likeness, and what one click would do. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from tickets.repeats import Likeness
from tickets.ticket import Ticket


@dataclass(frozen=True, slots=True)
class Found:
    """Tickets that are like the one being taken down, the likeliest first, and what one click would do.

    `incident`: the one that tickets of the same event are in already; `members`: those of the same event that are in
    none, to be made one incident with it. `unseen`: how many more such there are that the asker may not look at.
    """

    tickets: tuple[tuple[Likeness, Ticket], ...]
    incident: str | None
    members: tuple[str, ...]
    unseen: int = 0
