"""Steps of a switchboard, as the checker reads them from a journal: through JSON, so that it sees what is written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from controller.codec import as_object, encode_command, encode_event
from controller.plan import Plan
from controller.verify.checker import Bounds, Checker, Place
from controller.verify.facts import facts_of
from controller.verify.report import Report
from pbx.commands import Command
from pbx.events import Event

Steps = Iterable[tuple[Event, float, Sequence[Command]]]


def verified(plan: Plan, *starts: Steps, bounds: Bounds | None = None) -> Report:
    """What the checker says of the journals of these starts of the controller."""
    checker = Checker(facts_of(plan), bounds)
    for number, steps in enumerate(starts):
        checker.begin()
        for seq, (found, now, commands) in enumerate(steps):
            written = [as_object(encode_command(command)) for command in commands]
            checker.take(Place(f"start-{number}", seq + 2, seq), now, as_object(encode_event(found)), written)
    return checker.finish()
