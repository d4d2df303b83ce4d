"""What the dialplan notes of a supervisor who listens (``p-spy``), for a controller that was not there. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from pbx.ids import CallId, ChannelName, SpyId
from pbx.supervision import SpyGone, SpyHeard
from pbx.translate import SPY_PREFIX
from pbx.wire import Message

SPY_NOTES = ("SPYHEARD", "SPYLEG", "SPYFROM", "SPYUNTIL")
"""Channel variables in which the dialplan notes what a supervisor hears: which leg, which one he shall hear, and from
when to when."""

HEARD = "heard"
"""Family of Asterisk's database where the dialplan notes supervisors' channels that end while no controller sees it."""


def spy_heard(notes: Sequence[str]) -> SpyHeard | None:
    """What `SPY_NOTES` say; None where he has not heard the leg that he shall hear."""
    heard, wanted, began, ended = notes
    if heard != wanted:
        return None
    try:
        return SpyHeard(ChannelName(heard), float(began), float(ended) if ended else None)
    except ValueError:
        return None


def spy_gone(row: Message) -> SpyGone | None:
    """One ``DBGetTreeResponse`` row of the family `HEARD`; None for what is none."""
    spy = row.get("Key").rpartition("/")[2]
    fields = row.get("Val").split("|", 5)
    if not spy.startswith(SPY_PREFIX) or len(fields) != 6:
        return None
    over, began, ended, leg, call, mark = fields
    try:
        at = float(over)
    except ValueError:
        return None
    heard = spy_heard((leg, leg, began, ended))
    return SpyGone(SpyId(spy), CallId(call), ChannelName(leg), mark, at, heard)
