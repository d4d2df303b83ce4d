"""Quality inspection in the store: what needs the tables of more than one room. In the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, exists, false, or_

from pbx.call import CallRecord
from recordings.inspection.rules import SaidType
from recordings.inspection.tables import inspections
from recordings.inspection.thresholds import Span
from tickets.tables import tickets


def wrong_type(types: Sequence[SaidType]) -> ColumnElement[bool]:
    """That an inspection's call has a ticket of a type that does not go with what the caller named (类型不符).

    It is asked of the ticket as it is now: a type that was put right is right.
    """
    pairs = [
        and_(inspections.c.said_type == one.type, tickets.c.type.in_(sorted(one.wrong))) for one in types if one.wrong
    ]
    if not pairs:
        return false()
    return exists().where(tickets.c.call == inspections.c.call, or_(*pairs))


def spans_of(record: CallRecord, began_at: float) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """When citizen and agent were joined, and when he was on hold, in seconds from the recording's begin.

    From the call's record alone: music is not guessed from the sound. Between a blind transfer and the answer of the
    next agent he stood in a line again.
    """
    end = record.released_at or record.ended_at
    holds = tuple(
        (max(0.0, one.began_at - began_at), (one.ended_at or end or one.began_at) - began_at) for one in record.holds
    )
    if record.joined_at is None or end is None:
        return (), holds
    talks = [(record.joined_at, end)]
    answered = sorted(one.ended_at for one in record.offers if one.outcome == "answered" and one.ended_at is not None)
    for one in record.transfers:
        if one.way == "blind" and one.outcome == "done":
            back = next((at for at in answered if at > one.asked_at), None)
            begin, last = talks[-1]
            talks[-1] = (begin, min(last, one.asked_at))
            if back is not None and back < last:
                talks.append((back, last))
    shifted = ((max(0.0, begin - began_at), last - began_at) for begin, last in talks)
    return tuple((begin, last) for begin, last in shifted if last > begin), holds
