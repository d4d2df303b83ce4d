"""By which words tickets are found: pairs of characters of what was said, and of the place. Pure.

The same terms as everywhere (`pbx.terms`): Chinese has no blanks between words, and its words mostly have two
characters. A ticket is found when it has every term that is asked for; terms of its address count for both what is said
anywhere and for the place, where they have keys of their own (below zero).
"""

from __future__ import annotations

import re

from pbx.ids import TicketNumber
from pbx.terms import key_of, normalised, terms
from tickets.search import TicketFilter
from tickets.texts import TicketRefused
from tickets.ticket import Ticket, number_of

NUMBERED = re.compile(r"[0-9]{8}[0-9]{5,7}")
"""A ticket's number as it is given out."""

_DAY = 10_000_000
"""More than the tickets of any day."""


FIELDS = frozenset({"title", "text", "address", "class_code", "type", "region"})
"""Columns of a ticket whose change changes its keys."""


def keys_of(ticket: Ticket) -> frozenset[int]:
    """The keys by which a ticket is found."""
    kind = ticket.type.value if ticket.type else ""
    return keys_of_texts(ticket.title, ticket.text, ticket.address, ticket.class_code, kind, ticket.region)


def keys_of_texts(title: str, text: str, address: str, class_code: str, type: str, region: str) -> frozenset[int]:
    """The keys of a ticket that says this. Class, type and region are keys too: they narrow what words have found."""
    kinds = {_kind(name, value) for name, value in (("class", class_code), ("type", type), ("region", region)) if value}
    return _keys(f"{title}\n{text}\n{address}") | frozenset(-key for key in _keys(address)) | kinds


def _kind(name: str, value: str) -> int:
    return key_of(f"{name}:{value}")  # no term of a text has a colon


def wanted_keys(wanted: TicketFilter) -> tuple[int, ...]:
    """The keys that a ticket must all have. Raises `TicketRefused` (``too_few_words``) where a text has no term.

    One Chinese character alone is none: every second ticket has it.
    """
    found: set[int] = set()
    for name, text, sign in (("q", wanted.said, 1), ("place", wanted.place, -1)):
        if text is None:
            continue
        keys = {sign * key_of(term) for term in terms(normalised(text)) if len(term) > 1}
        if not keys:
            raise TicketRefused("too_few_words", "Name at least two characters to look for.", name)
        found |= keys
    kind = wanted.type.value if wanted.type is not None else None
    for name, value in (("class", wanted.class_code), ("type", kind), ("region", wanted.region)):
        if value:
            found.add(_kind(name, value))
    return tuple(sorted(found))


def _keys(text: str) -> frozenset[int]:
    return frozenset(key_of(term) for term in terms(normalised(text)))


def place_in_order(number: TicketNumber) -> int:
    """A number as whole numbers follow each other: by day, and in the day as they were given out."""
    return int(number[:8]) * _DAY + int(number[8:])


def number_at(place: int) -> TicketNumber:
    """The number that has this place."""
    day, running = divmod(place, _DAY)
    return number_of(f"{day:08d}", running)


def first_of(day: str) -> int:
    """The place before all tickets of a day (YYYYMMDD)."""
    return int(day) * _DAY
