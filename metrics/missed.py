"""Missed callers (未接来电): who gave up in a line, or found it full, and has not been talked with since.

A fold over call records. Who left a voice message instead has been heard, and is none of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from metrics.servicelevel import abandon_wait, abandoned, answered
from pbx.call import CallRecord, Outcome


@dataclass(frozen=True, slots=True)
class Missed:
    """One number: its `last` call that was missed, how many `calls` in a row were, and how long it waited in all."""

    number: str
    last: CallRecord
    calls: int
    waited_s: float


def missed(records: Iterable[CallRecord]) -> list[Missed]:
    """One entry for each number that waits to be called, the longest missed first; calls without a number are none.

    Who was talked with afterwards, in a call of either direction, was not missed; who is in a call now is not yet.
    """
    found: dict[str, Missed] = {}
    for record in sorted(records, key=lambda one: (one.arrived_at, one.call)):
        number = record.caller
        if not number.isdecimal():
            continue
        if answered(record) or record.ended_at is None:
            found.pop(number, None)
        elif abandoned(record) or (record.outcome is Outcome.OVERFLOWED and record.message is None):
            before = found.pop(number, None)
            waited = abandon_wait(record) or 0.0
            found[number] = Missed(
                number, record, (before.calls if before else 0) + 1, waited + (before.waited_s if before else 0.0)
            )
    return sorted(found.values(), key=lambda one: (one.last.ended_at or 0.0, one.number))
